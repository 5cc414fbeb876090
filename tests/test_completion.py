"""Completion, as Click has it and as the shells themselves do it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from simp_proto.cli.main import main
from tests.scripted_daemon import PATIENCE
from tests.test_help import NAMES, ROOT

TYPED = {
    "simp deco": "simp decode ",
    "simp comp": "simp completion ",
    "simp decode --fra": "simp decode --framing ",
    "simp decode --framing tr": "simp decode --framing trailer ",
    "simp decode cha": "simp decode chat.pcap ",
    "simp decode --json cha": "simp decode --json chat.pcap ",
    "simp dissector --output cha": "simp dissector --output chat.pcap ",
    "simp manual dec": "simp manual decode ",
    "simp manual --all fol": "simp manual --all folder/",
    "simp vectors pa": "simp vectors packets ",
}
"""What is typed before TAB, and what it becomes in a folder with chat.pcap and folder/."""


def completed(*words: str) -> list[tuple[str, str, str | None]]:
    """What Click makes of the last word: of which kind, the word, and its help."""
    items = ShellComplete(main, {}, "simp", "_SIMP_COMPLETE").get_completions(list(words[:-1]), words[-1])
    return [(item.type, item.value, item.help) for item in items]


def test_every_command_has_its_help() -> None:
    for name in NAMES:
        command = main.get_command(ROOT, name)
        assert command
        assert ("plain", name, command.get_short_help_str(limit=200)) in completed("")
    assert [word for _, word, _ in completed("de")] == ["decode", "demo"]
    assert [word for _, word, _ in completed("--")] == ["--version", "--help"]
    assert [word for _, word, _ in completed("manual", "de")] == ["decode", "demo"]


def test_names_are_completed_without_loading_what_they_name() -> None:
    program = (
        "import sys\n"
        "from click.shell_completion import ShellComplete\n"
        "from simp_proto.cli.main import main\n"
        "assert ShellComplete(main, {}, 'simp', '').get_completions([], '')\n"
        "print(*sorted(name for name in sys.modules if name.startswith(('simp_', 'construct', 'asyncio'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout.split() == ["simp_proto", "simp_proto.cli", "simp_proto.cli.exit_status", "simp_proto.cli.main"]


def test_the_scripts_are_for_the_shells_that_the_argument_names() -> None:
    for _, shell, _ in completed("completion", ""):
        result = CliRunner().invoke(main, ["completion", shell])
        assert result.exit_code == 0
        assert f"_SIMP_COMPLETE={shell}_complete" in result.stdout


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One with `simp` on the PATH, in a folder with a few files."""
    (tmp_path / "chat.pcap").touch()
    (tmp_path / "folder").mkdir()
    simp = tmp_path / "bin" / "simp"
    simp.parent.mkdir()
    simp.write_text(f"#!{sys.executable}\nfrom simp_proto.cli.main import main\nmain(prog_name='simp')\n", "utf-8")
    simp.chmod(0o755)
    return {**os.environ, "PATH": f"{simp.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}


def shell(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Marks a test that runs it."""
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} isn't installed")


def at_a_terminal(command: list[str], before: str, environment: dict[str, str], folder: Path) -> None:
    """Types everything there, a TAB behind each, and sees what it becomes."""
    pexpect = pytest.importorskip("pexpect", reason="pseudo terminals need pexpect, which Windows doesn't have")
    environment = {**environment, "TERM": "dumb", "PS1": "> "}
    child = pexpect.spawn(command[0], command[1:], env=environment, cwd=str(folder), encoding="utf-8", timeout=PATIENCE)
    try:
        child.setwinsize(24, 200)
        child.sendline(f"{before}; echo re''ady")
        child.expect_exact("ready\r\n")
        for typed, becomes in TYPED.items():
            child.send(f"{typed}\t")
            child.expect_exact(becomes)
            child.sendline("\x15echo do''ne")  # Ctrl-U: another line
            child.expect_exact("done\r\n")
    finally:
        child.close(force=True)


@pytest.mark.slow
@shell("bash")
def test_bash(environment: dict[str, str], tmp_path: Path) -> None:
    bash = ["bash", "--norc", "--noprofile", "-i"]
    at_a_terminal(bash, 'eval "$(simp completion bash)"', environment, tmp_path)


@pytest.mark.slow
@shell("zsh")
def test_zsh(environment: dict[str, str], tmp_path: Path) -> None:
    before = 'autoload -U compinit; compinit -D -u; eval "$(simp completion zsh)"'
    at_a_terminal(["zsh", "-f", "-i"], before, environment, tmp_path)


@pytest.mark.slow
@shell("fish")
def test_fish(environment: dict[str, str], tmp_path: Path) -> None:
    program = "simp completion fish | source\nfor line in $argv; complete --do-complete $line; echo; end"
    done = subprocess.run(
        ["fish", "--no-config", "-c", program, *TYPED],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=True,
    )
    words = [answer.partition("\t")[0] for answer in done.stdout.splitlines() if answer]
    assert words == [becomes.split()[-1] for becomes in TYPED.values()]

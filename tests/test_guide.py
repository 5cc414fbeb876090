"""The README and the pages in `spec/`: the commands in them can be typed, and print what the pages show."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from simp_proto.cli.main import main
from simp_proto.datagram import parse
from tests.test_exit_status import SIMP
from tests.test_help import ROOT, typed

FOLDER = Path(__file__).parent.parent
PAGES = [FOLDER / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "RELEASING.md")]
PAGES += sorted((FOLDER / "spec").rglob("*.md"))
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    return [text for _, kind, text in BLOCK.findall(path.read_text("utf-8")) if kind == language]


def lines(text: str) -> list[str]:
    """The commands of a block: only the lines with a prompt, if any has one; of `name=$(command)`, the command."""
    joined = re.sub(r" \d>", " >", text.replace("\\\n", " ")).splitlines()
    asked = [line.removeprefix("$ ") for line in joined if line.startswith("$ ")] or joined
    return [part for line in asked for part in (re.findall(r"=\$\((.+)\)$", line) or [line])]


def commands(path: Path) -> list[list[str]]:
    """Each call of `simp` in the blocks of a page, without the word itself."""
    examples = [line for language in ("sh", "console") for block in blocks(path, language) for line in lines(block)]
    return [words[1:] for line in examples for words in typed(line) if words[:1] == ["simp"]]


def check(words: list[str]) -> None:
    """Raises what a wrong command, option or value raises."""
    name, *arguments = words
    command = main.get_command(ROOT, name)
    assert command, words
    command.make_context(name, arguments, parent=ROOT).close()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_examples_can_be_typed(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("chat.pcap", "simp.backup"):
        (tmp_path / name).touch()
    for words in commands(path):
        if words != ["--version"]:
            check(words)


def test_there_are_examples_for_every_command() -> None:
    shown = {words[0] for path in PAGES for words in commands(path)}
    assert shown >= set(main.list_commands(ROOT)) - {"completion", "manual"}  # these are in their help alone


def test_an_example_that_is_wrong_is_found() -> None:
    for wrong in (["daemon", "--no-such-option"], ["probe"], ["decode", "--framing", "none"]):
        with pytest.raises(click.UsageError):
            check(wrong)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_options_in_the_text_exist(path: Path) -> None:
    for span in re.findall(r"`(simp\s[^`]+)`", re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)):
        _, name, *words = shlex.split(span.replace("\\|", "|"))
        command = main if name.startswith("-") else main.get_command(ROOT, name)
        assert command or name == "X", span
        if command:
            known = {option for each in command.get_params(ROOT) for option in each.opts}
            assert {word.partition("=")[0] for word in (name, *words) if word.startswith("--")} <= known, span


def anchors(path: Path) -> set[str]:
    """What a link to a heading of a page may name."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        there = path.parent / name if name else path
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("page", "block"),
    [(path, block) for path in PAGES for block in blocks(path, "console")],
    ids=lambda each: each.name if isinstance(each, Path) else "",
)
def test_commands_print_what_the_page_shows(page: Path, block: str, tmp_path: Path) -> None:
    shown = "".join(line for line in block.splitlines(keepends=True) if not line.startswith("$ "))
    script = "\n".join(line[2:] for line in block.splitlines() if line.startswith("$ "))
    simp = f'simp() {{ {shlex.join(SIMP)} "$@"; }}\n'
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        ["bash", "-c", simp + script], cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert (done.stdout, done.stderr) == (shown, "")


def test_the_python_that_reads_the_golden_packets_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks(FOLDER / "spec" / "guide" / "vectors.md", "python")
    monkeypatch.setattr(subprocess, "check_output", lambda command: CliRunner().invoke(main, command[1:]).stdout)
    exec(code, {"parse": lambda data: {"sequence": parse(data).sequence}})

"""Exit statuses: one table, and each way to them."""

import ast
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import click
import pytest
from click.testing import CliRunner

from simp_proto.cli.exit_status import ExitStatus
from simp_proto.cli.main import main
from tests.scripted_daemon import PATIENCE
from tests.test_architecture import ROOT, trees

SIMP = [sys.executable, "-m", "simp_proto.cli.main"]
ACK = "0104" + "00" * 37
JSON = '{"operation": "ACK", "framing": "bare", "sequence": 0}'
PRINTING = [
    ["--help"],
    ["--version"],
    ["completion", "fish"],
    ["decode", "--help"],
    ["decode", ACK],
    ["decode", "--json", ACK],
    ["demo", "--pause=0"],
    ["dissector"],
    ["encode", "--operation", "ACK"],
    ["encode", "--operation", "ACK", "--raw"],
    ["manual"],
    ["vectors", "packets"],
]
"""Commands that print immediately."""

posix = pytest.mark.skipif(os.name != "posix", reason="has other pipes and signals")


def test_the_guide_and_the_help_have_the_table() -> None:
    told = re.search(
        r"^\| exit status \|.*\n\|---\|---\|\n((?:\|.*\n)+)",
        (ROOT / "spec" / "guide" / "scripting.md").read_text("utf-8"),
        re.M,
    )
    assert told
    rows = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in told[1].splitlines()]
    assert rows == [(str(status.value), status.meaning) for status in ExitStatus]
    words = " ".join(CliRunner().invoke(main, ["--help"]).stdout.partition("Exit status:\n")[2].split())
    assert words == " ".join(f"{status.value} {status.meaning}" for status in ExitStatus)


def test_clicks_own_are_the_same() -> None:
    assert click.ClickException.exit_code == ExitStatus.FAILURE
    assert click.UsageError.exit_code == ExitStatus.USAGE


@pytest.mark.slow
def test_no_command_ends_with_a_bare_number() -> None:
    for name, tree in trees().items():
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        for call in (each for each in calls if ast.unparse(each.func).lower().split(".")[-1] in ("exit", "_exit")):
            numbers = [each for argument in call.args for each in ast.walk(argument) if isinstance(each, ast.Constant)]
            assert not numbers, f"{name}: {ast.unparse(call)}: expected an ExitStatus"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["decode", ACK], ExitStatus.SUCCESS),
        (["decode", ACK[:-2]], ExitStatus.FAILURE),
        (["decode", ACK, "01"], ExitStatus.FAILURE),
        (["decode", "."], ExitStatus.FAILURE),
        (["decode", "no-such-file"], ExitStatus.USAGE),
        (["encode", "--operation", "ACK"], ExitStatus.SUCCESS),
        (["encode", "-"], ExitStatus.SUCCESS),
        (["encode", "--operation", "ACK", "--sequence", "2"], ExitStatus.USAGE),
        (["demo", "--pause", "nan"], ExitStatus.USAGE),
        (["client", "--client-port", "1", "--user", "alice"], ExitStatus.FAILURE),
        (["client", "nowhere"], ExitStatus.USAGE),
        (["daemon", "192.0.2.1"], ExitStatus.FAILURE),
        (["daemon", "nowhere"], ExitStatus.USAGE),
        (["daemon", "--framing", "bare", "--discovery", "contacts"], ExitStatus.USAGE),
        (["daemon", "192.0.2.1:7777", "--port", "8888"], ExitStatus.USAGE),
        (["probe", "nowhere"], ExitStatus.USAGE),
        (["vectors", "none"], ExitStatus.USAGE),
        (["completion", "tcsh"], ExitStatus.USAGE),
        (["manual", "none"], ExitStatus.USAGE),
        (["verify", "bob", "--state", "no-such-folder"], ExitStatus.FAILURE),
        (["trust", "bob", "short"], ExitStatus.USAGE),
        (["contacts", "--daemon", "nowhere"], ExitStatus.USAGE),
        (["restore", "no-such-file"], ExitStatus.USAGE),
        (["none"], ExitStatus.USAGE),
    ],
)
def test_what_each_ends_with(arguments: list[str], status: ExitStatus) -> None:
    done = subprocess.run([*SIMP, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_an_output_that_is_full_is_a_failure_told_in_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*SIMP, *arguments], stdout=full, stderr=PIPE, text=True, check=False)
    assert done.returncode == ExitStatus.FAILURE
    assert done.stderr == "Error: standard output: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_file_that_is_full_is_named() -> None:
    done = subprocess.run([*SIMP, "dissector", "--output", "/dev/full"], stderr=PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (ExitStatus.FAILURE, "Error: /dev/full: No space left on device\n")


@pytest.mark.slow
@posix
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_an_output_that_nobody_reads_is_a_failure_without_words(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run([*SIMP, *arguments], stdout=closed, stderr=PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (ExitStatus.FAILURE, "")


@pytest.mark.slow
@posix
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_an_output_that_is_closed_takes_everything(arguments: list[str]) -> None:
    done = subprocess.run([*SIMP, *arguments], preexec_fn=lambda: os.close(1), stderr=PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (ExitStatus.SUCCESS, "")


@contextmanager
def interrupted(*arguments: str, stdin: str = "") -> Iterator[None]:
    """Starts it, and presses Ctrl-C when it has printed its first line."""
    with subprocess.Popen([*SIMP, *arguments], stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as process:
        try:
            assert process.stdin
            assert process.stdout
            assert process.stderr
            process.stdin.write(stdin)
            process.stdin.flush()
            yield
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == ExitStatus.INTERRUPTED
            assert process.stderr.read() == ""
        finally:
            process.kill()


@pytest.mark.slow
@posix
def test_ctrl_c_interrupts_what_has_an_end_of_its_own(tmp_path: Path) -> None:
    with interrupted("demo", "--pause", "10"):
        pass
    with interrupted("encode", "-", stdin=f"{JSON}\n"):
        pass
    os.mkfifo(tmp_path / "pipe")
    with interrupted("decode", "--json", str(tmp_path / "pipe")):
        pipe = open(tmp_path / "pipe", "w")  # noqa: SIM115  open until it is interrupted
        pipe.write(f"{ACK}\n{ACK}\n")
        pipe.flush()
    pipe.close()

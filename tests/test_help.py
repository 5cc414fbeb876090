"""What every command says of itself: its help, with examples that can be typed."""

import inspect
import re
import shlex
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from simp_proto.cli.main import main

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
ROOT = click.Context(main, info_name="simp", **main.context_settings)
NAMES = main.list_commands(ROOT)
EXAMPLES = re.compile(r"\x08\nExamples?\b.*:\n((?:  .+\n?)+)")
OPERATORS = {"|", "||", "&&", ";", "&"}
REDIRECTIONS = {"<", ">", ">>", "<>"}


def examples(command: click.Command) -> list[str]:
    """The lines of the help's example block, those that a backslash continues as one."""
    blocks = EXAMPLES.findall(inspect.cleandoc(command.help or ""))
    assert len(blocks) == 1, "one block that begins with \\b, a line 'Examples:', and lines indented by two"
    return inspect.cleandoc(blocks[0]).replace("\\\n", " ").splitlines()


def typed(line: str) -> Iterator[list[str]]:
    """The commands of a line as a shell would run them, without redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for is_operator, group in groupby(lexer, OPERATORS.__contains__):
        words = list(group)
        if not is_operator:
            redirected = {at + after for at, word in enumerate(words) if word in REDIRECTIONS for after in (0, 1)}
            yield [word for at, word in enumerate(words) if at not in redirected]


def test_how_a_line_is_taken_apart() -> None:
    line = "tcpdump -w - | simp decode - > a.txt && echo '. ~/b | c' >> ~/.d # and so on"
    assert list(typed(line)) == [["tcpdump", "-w", "-"], ["simp", "decode", "-"], ["echo", ". ~/b | c"]]


@pytest.mark.parametrize("name", ["", *NAMES])
def test_every_command_has_examples_that_can_be_typed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = main.get_command(ROOT, name) if name else main
    assert command
    said: list[str] = []
    for line in examples(command):
        ours = [words[1:] for words in typed(line) if words[0] == "simp"]
        assert ours, line
        for file in re.findall(r"[\w-]+\.\w+", line):
            Path(file).touch()
        for other, *arguments in ours:
            called = main.get_command(ROOT, other)
            assert called, line
            called.make_context(other, arguments, parent=ROOT).close()
            said.append(other)
    assert not name or name in said
    shown = CliRunner().invoke(main, [*([name] if name else []), "--help"], terminal_width=200)
    assert shown.exit_code == 0
    words = " ".join(shown.stdout.replace("\\\n", " ").split())
    assert all(" ".join(line.split()) in words for line in examples(command))


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_in_the_lists(name: str) -> None:
    command = main.get_command(ROOT, name)
    assert command
    assert any(f"`simp {name}" in row for row in README.splitlines() if row.startswith("| `simp "))
    listed = " ".join(main.get_help(ROOT).partition("Commands:")[2].split())
    assert f"{name} {command.get_short_help_str(limit=200)}" in listed


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["deocde"], "'decode'"),
        (["encod", "-"], "'encode'"),
        (["manual", "vektors"], "'vectors'"),
    ],
)
def test_a_mistyped_command_is_told_what_is_near(arguments: list[str], near: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert re.search(rf"^Error: No such command '\w+'\. Did you mean .*{near}.*\?$", result.stderr, re.M)


def test_nothing_is_near_a_command_that_is_far() -> None:
    for arguments in (["xyzzy"], ["manual", "xyzzy"], ["192.168.1.20"]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2
        assert re.search(r"^Error: No such command '\S+'\. There are .*\bclient, .* and who\.$", result.stderr, re.M)


@pytest.mark.parametrize(
    ("arguments", "there"), [(["help"], "simp --help"), (["call", "bob"], "simp client --call"), (["chat"], "--call")]
)
def test_other_words_lead_to_what_they_mean(arguments: list[str], there: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert re.search(rf"^Error: No such command '\w+'\. .*{there}", result.stderr, re.M)
    assert "There are" not in result.stderr

"""The manual pages, as groff, mandoc and man show them."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from unicodedata import normalize

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as st

from simp_proto.cli import roff
from simp_proto.cli.main import main
from simp_proto.cli.manual import pages
from simp_proto.printable import printable
from tests.test_help import NAMES, examples

PAGES = pages(main)
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]
GROFF = ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=900n"]
MANDOC = ["mandoc", "-man", "-Tutf8", "-Owidth=900"]
UNDATED = re.compile(r'^mandoc: .*: WARNING: missing date, using "": TH\n', re.M)
"""No date, so that the same version's pages are the same bytes."""


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} isn't installed")


def run(command: list[str], page: str) -> tuple[str, str]:
    """What a formatter shows, and what it complains of."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100", "MANPAGER": "cat", "PAGER": "cat"}
    done = subprocess.run(command, input=page.encode("ascii"), capture_output=True, check=False, env=environment)
    return re.sub(".\b", "", done.stdout.decode("utf-8")), done.stderr.decode("utf-8")


def simp(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["manual", *arguments])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_its_sections_in_order(name: str) -> None:
    titles = [title for title in SECTIONS if title != "COMMANDS" or name == "simp"]
    assert re.findall(r'^\.SH "(.*)"$', PAGES[name], re.M) == titles
    assert PAGES[name].isascii()
    assert PAGES[name].replace("\n", "").isprintable()


@needs("groff")
@pytest.mark.parametrize("name", PAGES)
def test_groff_has_nothing_to_complain_of(name: str) -> None:
    assert run(["groff", "-man", "-ww", "-z", "-Tutf8"], PAGES[name]) == ("", "")


@needs("mandoc")
@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_to_complain_of(name: str) -> None:
    shown, _ = run(["mandoc", "-man", "-Tlint", "-Wwarning"], PAGES[name])
    assert UNDATED.sub("", shown, count=1) == ""


@needs("lexgrog")
@pytest.mark.parametrize("name", PAGES)
def test_apropos_finds_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "page.1").write_text(PAGES[name], "ascii")
    shown, _ = run(["lexgrog", str(tmp_path / "page.1")], "")
    assert f'"{name} - ' in shown


@needs("man")
@pytest.mark.parametrize("name", NAMES)
def test_man_shows_what_the_help_says(name: str) -> None:
    shown, complaints = run(["man", "--warnings", "-l", "-"], PAGES[f"simp-{name}"])
    assert complaints == ""
    context = click.Context(main, info_name="simp", **main.context_settings)
    command = main.get_command(context, name)
    assert command
    told = re.sub(r"Exit status:|Examples?:|\x08", "", command.help or "")
    options = [option for option in command.get_params(context) if isinstance(option, click.Option)]
    for words in (told, *(" ".join(option.opts) + f" {option.help or ''}" for option in options)):
        for word in words.split():
            assert word in shown  # with the very minus that a shell understands
    for line in examples(command):
        assert " ".join(line.split()) in " ".join(shown.replace("\\\n", " ").split())


def test_a_page_is_printed() -> None:
    for name in NAMES:
        result = simp(name)
        assert (result.exit_code, result.stdout) == (0, PAGES[f"simp-{name}"])
    assert simp().stdout == PAGES["simp"]


def test_all_pages_are_written(tmp_path: Path) -> None:
    for _ in range(2):
        result = simp("--all", str(tmp_path / "man" / "man1"))
        assert (result.exit_code, result.output) == (0, "")
        written = {file.name: file.read_text("ascii") for file in (tmp_path / "man" / "man1").iterdir()}
        assert written == {f"{name}.1": page for name, page in PAGES.items()}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "simp.1").mkdir()
    result = simp("--all", str(tmp_path))
    assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path / 'simp.1'}: Is a directory\n")


def test_either_one_page_or_all(tmp_path: Path) -> None:
    result = simp("decode", "--all", str(tmp_path))
    assert result.exit_code == 2
    assert "give either COMMAND or --all" in result.stderr


def test_help_texts_are_sorted_into_sections() -> None:
    text = (
        "Do it.\n\nMore\n of it.\n\n\b\nAs it\n  is.\n\nExit status: 1 if.\n\n\b\nExamples, two:\n  a\n   b\n\fnot this"
    )
    option = click.Option(["-n", "--number"], metavar="N", help="How many.")
    page = pages(click.Group(commands={"do": click.Command("do", help=text, params=[option])}))["simp-do"]
    for part in (
        '.SH "NAME"\nsimp\\-do \\- Do it\n.SH',
        '.SH "SYNOPSIS"\n\\fBsimp do\\fR [OPTIONS]\n.SH',
        '.SH "DESCRIPTION"\nDo it.\n.PP\nMore of it.\n.PP\n.nf\nAs it\n  is.\n.fi\n.SH',
        '.SH "OPTIONS"\n.TP\n\\fB\\-n\\fR, \\fB\\-\\-number\\fR \\fIN\\fR\nHow many.\n.TP',
        "\n.PP\n1 if.\n.SH",
        '.SH "EXAMPLES"\nExamples, two:\n.PP\n.nf\na\n b\n.fi\n.SH',
        '.SH "SEE ALSO"\nsimp(1)\n',
    ):
        assert part in page
    assert "not this" not in page


def test_a_page_points_to_those_that_its_help_speaks_of() -> None:
    def see_also(name: str) -> str:
        return " ".join(PAGES[name].partition('.SH "SEE ALSO"')[2].replace("\\-", "-").split())

    assert see_also("simp") == ", ".join(f"simp-{name}(1)" for name in NAMES)
    assert see_also("simp-encode") == "simp(1), simp-decode(1)"


TYPOGRAPHY = ".char - \\[u2011]\n.char ' \\[u2019]\n.char ` \\[u201B]\n.char ^ \\[u02C6]\n.char ~ \\[u02DC]\n"
"""Lets groff 1.22 set characters that aren't escaped as others do: 1.23, and those that print on paper."""
GROFFS_OWN = "\u037e\u212a\u226a\u226b"
"""Which groff 1.22 shows otherwise, or not at all."""
TEXTS = st.text(
    st.sampled_from("\\.'\"-`^~*[]()u0 \n")
    | st.characters(max_codepoint=0x17FF, categories=["L", "N", "P", "S", "Zs", "Cc"], exclude_characters=GROFFS_OWN),
    max_size=80,
)

ASCII = "".join(map(chr, range(0x20, 0x7F)))
AT_THE_START_OF_A_LINE = "' .\n'\n.\n.SH A\n'\\\" \n" + " ".join(99 * [".x"])


@pytest.mark.slow
@needs("groff")
@given(TEXTS)
@example(ASCII)
@example(AT_THE_START_OF_A_LINE)
def test_text_comes_out_of_groff_as_it_went_in(text: str) -> None:
    _comes_out_as_it_went_in(GROFF, text, TYPOGRAPHY)


@needs("mandoc")
@given(st.text(max_size=80) | TEXTS)
@example(ASCII)
@example(AT_THE_START_OF_A_LINE)
def test_text_comes_out_of_mandoc_as_it_went_in(text: str) -> None:
    _comes_out_as_it_went_in(MANDOC, text)


def _comes_out_as_it_went_in(formatter: list[str], text: str, prologue: str = "") -> None:
    words, between = " ".join(text.split()), f"[\n{text}\n]"
    parts = {
        "FILLED": [roff.filled(f"[ {text}")],
        "LINES": [roff.verbatim(between)],
        "BOLD": [f"[ {roff.bold(words)}", roff.macro("B", words or "]")],
        "END": [],
    }
    sections = [roff.section(title, part) for title, part in parts.items()]
    page = "\n".join([roff.macro("TH", "A", "1"), prologue + sections[0], *sections[1:], ""])
    shown, complaints = run(formatter, page)
    assert complaints == ""
    _, filled, lines, bold, _ = re.split(rf"^(?:{'|'.join(parts)})$", shown, flags=re.M)
    expected = printable(words).split()
    assert same(filled.split(), ["[", *expected])
    assert same(bold.split(), ["[", *expected, *(expected or ["]"])])
    indented = [line[7:] for line in lines.strip("\n").split("\n")]
    assert same(indented, [printable(line.rstrip()) for line in between.splitlines()])


def same(shown: list[str], expected: list[str]) -> bool:
    """Formatters may take another spelling of the same character."""
    return [normalize("NFC", each) for each in shown] == [normalize("NFC", each) for each in expected]

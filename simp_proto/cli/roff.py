"""Roff, the language of manual pages: some macros of man(7), and text that it prints unchanged."""

import textwrap
from collections.abc import Sequence
from typing import Final

from simp_proto.printable import printable

_WIDTH: Final = 80
"""Characters of a line of source. The reader's terminal decides those of the page."""
_CHARACTERS: Final = {
    "\\": r"\(rs",
    "-": r"\-",
    "'": r"\(aq",
    "`": r"\(ga",
    "^": r"\(ha",
    "~": r"\(ti",
    '"': r"\(dq",
}
"""What Roff would interpret, or set as a typographer would: a minus, say, as a hyphen that no shell understands."""
_TAGGED: Final = ".TP\n"


def escaped(text: str) -> str:
    """A line's text as ASCII that Roff prints literally: as a line, in a line, and as a macro's argument."""
    return _started("".join(_CHARACTERS.get(each) or _character(each) for each in printable(text)))


def _character(each: str) -> str:
    return each if each.isascii() else f"\\[u{ord(each):04X}]"


def _started(line: str) -> str:
    """A dot begins a macro, unless it isn't the first; an apostrophe, which does too, has been escaped."""
    return f"\\&{line}" if line.startswith(".") else line


def macro(name: str, *arguments: str) -> str:
    """`.SH "SEE ALSO"`, with each argument in quotes."""
    return " ".join([f".{name}", *(f'"{escaped(argument)}"' for argument in arguments)])


def section(title: str, paragraphs: Sequence[str]) -> str:
    """A heading, and what is below it."""
    lines = [macro("SH", title)]
    for number, paragraph in enumerate(paragraphs):
        lines += [".PP"] if number and not paragraph.startswith(_TAGGED) else []
        lines.append(paragraph)
    return "\n".join(lines)


def filled(text: str) -> str:
    """A paragraph of words, to be set in lines of the reader's width."""
    words = escaped(" ".join(text.split()))
    lines = textwrap.wrap(words, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(map(_started, lines))


def verbatim(text: str) -> str:
    """A paragraph of lines to be set as they are, except for blanks at their ends."""
    return "\n".join([".nf", *(escaped(line.rstrip()) for line in text.splitlines()), ".fi"])


def tagged(tag: str, text: str) -> str:
    """A paragraph with a word in bold above it."""
    return f"{_TAGGED}{bold(tag)}\n{filled(text)}"


def option(names: str, text: str) -> str:
    """A paragraph with an option's names in bold above it, and the value that it takes in italics."""
    return f"{_TAGGED}{' '.join(map(_word, names.split()))}\n{filled(text)}"


def bold(text: str) -> str:
    """Within a line, what is to be typed."""
    return f"\\fB{escaped(text)}\\fR"


def _word(word: str) -> str:
    name = word.rstrip(",")
    return bold(name) + word[len(name) :] if word.startswith("-") else f"\\fI{escaped(word)}\\fR"

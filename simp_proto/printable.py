"""What peers' text may look like on a terminal or in a log."""

import re
from typing import Final
from unicodedata import category

_MARKS: Final = 4
"""Combining marks in a row that a letter of any script may need; more are drawn over other lines."""
_JOINERS: Final = "\u200c\u200d"
_VARIATIONS: Final = "\ufe0e\ufe0f"
# Code points that are letters or marks by their category, and show nothing (Unicode's Default_Ignorable_Code_Point,
# those that aren't controls already, and the empty pattern of Braille).
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def printable(text: str) -> str:
    """The text with whatever could disturb a terminal or a log as `\\xHH`, `\\uHHHH` or `\\UHHHHHHHH`.

    That is every control, format (direction overrides among them), surrogate, private and unassigned character, the
    line separators, what shows nothing at all, and the fifth and further combining mark in a row. Blanks stay, and so
    do joiners and emoji's variations where they change what is shown: behind a pictograph, or within a word of a script
    that joins its letters.
    """
    if text.isascii() and text.isprintable():
        return text
    shown, marks = [], 0
    for at, character in enumerate(text):
        marks = marks + 1 if category(character) in ("Mn", "Me") else 0
        harmless = marks <= _MARKS and (_harmless(character) or _joins(text, at))
        shown.append(character if harmless else _code(character))
    return "".join(shown)


def _harmless(character: str) -> bool:
    return (character.isprintable() and not _INVISIBLE.match(character)) or category(character) == "Zs"


def _joins(text: str, at: int) -> bool:
    """Whether a joiner or a variation changes how its neighbours are shown."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if text[at] in _VARIATIONS:
        return bool(before) and (_pictures(before) or before in "0123456789#*")
    if text[at] not in _JOINERS or not before or not after:
        return False
    if _pictures(before) or before in _VARIATIONS:
        return text[at] == "\u200d" and _pictures(after)
    return all(neighbour > "\u0590" and category(neighbour)[0] in "LM" for neighbour in (before, after))


def _pictures(character: str) -> bool:
    """Symbols, and the modifiers of emoji."""
    return character > "\u00a0" and category(character) in ("So", "Sm", "Sk", "Po")


def _code(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


NOBODY: Final = "daemon"
"""The user of a daemon to which no client is attached (spec 2.4)."""


def names_person(user: str) -> bool:
    """Whether that is somebody's name, and not what a daemon says while nobody is there (spec 2.4)."""
    return user.lower() not in ("", NOBODY)


_BLANKS: Final = re.compile(r"^ | $|(?<= ) |[^\S ]")


def printable_name(name: str) -> str:
    """A peer's name as one field of a line: printable, without a `|` that would end the field, and with single blanks
    inside alone, since others look like the end of a column. Again, it changes nothing.
    """
    if name.isascii() and name.isalnum():  # as most are
        return name
    return _BLANKS.sub(lambda blank: _code(blank[0]), printable(name)).replace("|", "\\x7c")


def quoted(text: str) -> str:
    """Printable, in quotes whose end nothing in it looks like."""
    return "'{}'".format(printable(text).replace("'", "\\x27"))

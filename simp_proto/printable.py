"""What peers' text may look like on a terminal or in a log."""

from typing import Final
from unicodedata import category

_JOINERS: Final = "\u200c\u200d"


def printable(text: str) -> str:
    """The text with whatever could disturb a terminal or a log as `\\xHH`, `\\uHHHH` or `\\UHHHHHHHH`.

    That is every control, format (direction overrides among them), surrogate, private and unassigned
    character, and the line separators. Blanks, and the joiners that emoji and scripts need, stay.
    """
    return "".join(character if _harmless(character) else _code(character) for character in text)


def _harmless(character: str) -> bool:
    return character.isprintable() or character in _JOINERS or category(character) == "Zs"


def _code(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def printable_name(name: str) -> str:
    """A peer's name as one field of a line: printable, and without a `|` that would end the field."""
    return printable(name).replace("|", "\\x7c")

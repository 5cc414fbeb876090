"""A conversation between two daemons as a ladder: one rung for each datagram, decoded from its bytes."""

from typing import NamedTuple

from simp_proto.address import Address, format_address
from simp_proto.constants import Control
from simp_proto.printable import printable
from simp_proto.toolkit.reading import Reading

_RUNG = 46
"""Columns between the two rails."""
_TEXT = 34
"""Columns of a rung's text; longer ones are cut."""
_LINES = ("│", "─", "▶", "◀", "…")
_ASCII = ("|", "-", ">", "<", "~")


def needs_ascii(encoding: str | None) -> bool:
    """Whether an output of that encoding lacks the characters of a ladder."""
    try:
        "".join(_LINES).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


class Rung(NamedTuple):
    """One line of a ladder, and whether its datagram is a repeat."""

    text: str
    again: bool


class Ladder:
    """Draws rungs between a left and a right daemon; plain ASCII where the terminal has no other characters."""

    def __init__(self, left: Address, right: Address, *, ascii_only: bool = False) -> None:
        self._left = left
        self._right = right
        self._rail, self._dash, self._to_right, self._to_left, self._more = _ASCII if ascii_only else _LINES
        self._latest: dict[Address, bytes] = {}
        self._news_from: Address | None = None

    def head(self, left: str = "", right: str = "") -> str:
        """The names above the rails; the addresses, where there are none."""
        left, right = left or format_address(self._left), right or format_address(self._right)
        return f"{'':9}{left:<{_RUNG // 2 + 1}}{right:>{_RUNG // 2 + 1}}"

    def rung(self, seconds: float, source: Address, data: bytes) -> str:
        """One datagram, from whichever side `source` is, with its framing and size."""
        return self.draw(seconds, source, Reading.of(data)).text

    def draw(self, seconds: float, source: Address, reading: Reading) -> Rung:
        """The same for one that has been parsed, or refused, before."""
        text, note = f"{len(reading.data)} bytes", reading.in_words
        if reading.datagram:
            text, note = note, f"{reading.datagram.framing.value}, {text}"
        again = self._is_repeat(source, reading)
        if again:
            note += ", again"
        if len(text) > _TEXT:
            text = text[: _TEXT - 1] + self._more
        line = f" {text} ".center(_RUNG - 1, self._dash)
        arrow = line + self._to_right if source == self._left else self._to_left + line
        return Rung(f"{seconds:8.3f} {self._rail}{arrow}{self._rail}  {note}", again)

    def _is_repeat(self, source: Address, reading: Reading) -> bool:
        """Whether that side sent the same bytes just before (spec 5.3).

        An ACK may be the same and yet a new one, for what the other side has said since (spec 5.4).
        """
        repeat = self._latest.get(source) == reading.data
        if reading.datagram and reading.datagram.operation is Control.ACK:
            repeat = repeat and self._news_from == source
        self._latest[source] = reading.data
        if not repeat:
            self._news_from = source
        return repeat

    def note(self, seconds: float, side: Address, text: str) -> str:
        """What the person on that side did or saw."""
        text = printable(text)[: _RUNG - 3]
        line = f" {text:<{_RUNG - 1}}" if side == self._left else f"{text:>{_RUNG - 1}} "
        return f"{seconds:8.3f} {self._rail}{line}{self._rail}"

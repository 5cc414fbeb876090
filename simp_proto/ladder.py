"""A conversation between two daemons as a ladder: one rung a datagram, decoded from its bytes."""

from simp_proto.address import Address
from simp_proto.datagram import parse
from simp_proto.dump import refusal_as_text, summary
from simp_proto.errors import DatagramError
from simp_proto.text import printable

_RUNG = 46
"""Columns between the two rails."""
_TEXT = 34
"""Columns of a rung's text; longer ones are cut."""


class Ladder:
    """Draws rungs between a left and a right daemon; plain ASCII where the terminal has no other characters."""

    def __init__(self, left: Address, right: Address, *, ascii_only: bool = False) -> None:
        self._left = left
        self._right = right
        self._rail, self._dash, self._to_right, self._to_left, self._more = "|-><~" if ascii_only else "│─▶◀…"

    def head(self, left: str, right: str) -> str:
        """The names above the rails."""
        return f"{'':9}{left:<{_RUNG // 2 + 1}}{right:>{_RUNG // 2 + 1}}"

    def rung(self, seconds: float, source: Address, data: bytes) -> str:
        """One datagram, from whichever side `source` is, with its framing and size."""
        try:
            datagram = parse(data)
        except DatagramError as error:
            text, note = f"{len(data)} bytes", refusal_as_text(error)
        else:
            text, note = summary(datagram), f"{datagram.framing.value}, {len(data)} bytes"
        if len(text) > _TEXT:
            text = text[: _TEXT - 1] + self._more
        line = f" {text} ".center(_RUNG - 1, self._dash)
        arrow = line + self._to_right if source == self._left else self._to_left + line
        return f"{seconds:8.3f} {self._rail}{arrow}{self._rail}  {note}"

    def note(self, seconds: float, side: Address, text: str) -> str:
        """What the person on that side did or saw."""
        text = printable(text)[: _RUNG - 3]
        line = f" {text:<{_RUNG - 1}}" if side == self._left else f"{text:>{_RUNG - 1}} "
        return f"{seconds:8.3f} {self._rail}{line}{self._rail}"

"""A conversation between two daemons as a ladder: one rung for each datagram, decoded from its bytes."""

from typing import Final, NamedTuple

from simp_proto.address import Address, format_address
from simp_proto.constants import Control
from simp_proto.printable import printable
from simp_proto.toolkit.reading import Reading

_TIME = 9
_RUNG = 36
"""The most cells between the two rails; what is left of a line is for framing, size and what is noted."""
_AT_SAME_TIME = 0.01
"""Seconds within which the same bytes are no repeat, which takes seconds (spec 5.3): the capture has them twice, as on
a bridge, or the network has."""
_LINES = ("│", "─", "▶", "◀", "…")
_ASCII = ("|", "-", ">", "<", "~")
_JOINER: Final = "\u200d"


def needs_ascii(encoding: str | None) -> bool:
    """Whether an output of that encoding lacks the characters of a ladder."""
    try:
        "".join(_LINES).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


class Rung(NamedTuple):
    """One datagram of a ladder, in a line or more, and whether it was there before."""

    text: str
    again: bool


class _Seen(NamedTuple):
    """What a side sent last: its bytes, when, and how often at the same time."""

    data: bytes
    time: float | None
    times: int


class Ladder:
    """Draws rungs between a left and a right daemon; plain ASCII where the terminal has no other characters.

    A line has so many cells, at least 30. A wide character has two, a combining mark none.
    """

    def __init__(self, left: Address, right: Address, *, ascii_only: bool = False, width: int = 80) -> None:
        self._width = max(30, width)
        self._rung = min(_RUNG, self._width - _TIME - 2)
        self._left = left
        self._right = right
        self._rail, self._dash, self._to_right, self._to_left, self._more = _ASCII if ascii_only else _LINES
        self._repeats = Repeats()

    def head(self, left: str = "", right: str = "") -> str:
        """The names above the rails; the addresses, where there are none. Two lines, where they don't fit in one."""
        left, right = left or format_address(self._left), right or format_address(self._right)
        room = self._rung + 2 - cells(right)
        if cells(left) < room:
            return f"{'':{_TIME}}{padded(left, room)}{right}"
        return f"{'':{_TIME}}{left}\n{'':{max(0, _TIME + room)}}{right}"

    def rung(self, seconds: float, source: Address, data: bytes) -> str:
        """One datagram, from whichever side `source` is, with its framing and size."""
        return self.draw(seconds, source, Reading.of(data)).text

    def draw(self, seconds: float | None, source: Address, reading: Reading, note: str = "") -> Rung:
        """The same for one that has been parsed, or refused, before; `note` is what else is to be told of it.

        What doesn't fit beside the rung is below it.
        """
        text, told = label(reading)
        again = self._repeats.of(seconds, source, reading)
        told = "; ".join(filter(None, (f"{told}, {again}" if again else told, note)))
        line = centred(f" {cut(text, self._rung - 6, self._more)} ", self._rung - 1, self._dash)
        arrow = line + self._to_right if source == self._left else self._to_left + line
        time = f"{'':8}" if seconds is None else f"{seconds:8.3f}"
        rung = f"{time} {self._rail}{arrow}{self._rail}  "
        room = self._width - len(time) - self._rung - 5
        if told.isascii() and len(told) <= room:
            return Rung(rung + told, bool(again))
        first, *below = wrapped(told, room, self._width - _TIME - 2)
        return Rung("\n".join(((rung + first).rstrip(), *(f"{'':{_TIME + 2}}{each}" for each in below))), bool(again))

    def note(self, seconds: float, side: Address, text: str) -> str:
        """What the person on that side did or saw."""
        text = cut(printable(text), self._rung - 3, self._more)
        padding = " " * (self._rung - 1 - cells(text))
        line = f" {text}{padding}" if side == self._left else f"{padding}{text} "
        return f"{seconds:8.3f} {self._rail}{line}{self._rail}"


class Repeats:
    """Tells repeats of what a side sent before from what is there twice at the same time."""

    def __init__(self) -> None:
        self._latest: dict[Address, _Seen] = {}
        self._news_from: Address | None = None

    def of(self, seconds: float | None, source: Address, reading: Reading) -> str:
        """`again` for the same bytes that this side sent just before (spec 5.3), `seen twice` for copies of those.

        An ACK may be the same and yet a new one, for what the other side has said since (spec 5.4).
        """
        before = self._latest.get(source)
        is_same = before is not None and before.data == reading.data
        if reading.datagram and reading.datagram.operation is Control.ACK:
            is_same = is_same and self._news_from == source
        if not is_same or before is None:
            self._news_from = source
            self._latest[source] = _Seen(reading.data, seconds, 1)
            return ""
        if seconds is None or before.time is None or seconds - before.time > _AT_SAME_TIME:
            self._latest[source] = _Seen(reading.data, seconds, 1)
            return "again"
        times = before.times + 1
        self._latest[source] = before._replace(times=times)
        return "seen twice" if times == 2 else f"seen {times} times"


def label(reading: Reading) -> tuple[str, str]:
    """What is on a rung, and what beside it."""
    size = f"{len(reading.data)} bytes"
    if reading.datagram:
        told = f"{reading.datagram.framing.value}, {size}"
        unopened = reading.opened and not reading.opened.frames
        return reading.in_words, f"{told}, {reading.opened.in_words}" if reading.opened and unopened else told
    return size, reading.in_words


def cells(text: str) -> int:
    """Cells that printable text takes on a terminal."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth, wcwidth  # noqa: PLC0415  # takes longer than all else, and few need it

    width = wcswidth(text)
    return width if width >= 0 else sum(max(0, wcwidth(character)) for character in text)


def cut(text: str, most: int, more: str) -> str:
    """As much of the text as fits, with the sign for `more` where that isn't all."""
    text = text.rstrip(_JOINER)
    if len(text) <= 4 * most and cells(text) <= most:
        return text
    text = text[: 4 * most]  # marks on one letter may go on for ever
    while cells(text) > most - 1:
        text = text[:-1]
    return text.rstrip(_JOINER) + more


def padded(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


def centred(text: str, width: int, fill: str) -> str:
    """As `str.center`, in cells."""
    free = width - cells(text)
    left = free // 2 + (free & width & 1)
    return fill * left + text + fill * (free - left)


def wrapped(text: str, first: int, others: int) -> list[str]:
    """Lines of at most so many cells, broken at blanks; or within a word that is longer than a line."""
    lines, line, room = [], "", first
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if cells(joined) <= room:
            line = joined
            continue
        lines.append(line)
        line, room = word, others
        while cells(line) > room:
            part = cut(line, room, "")
            lines.append(part)
            line = line[len(part) :].lstrip(_JOINER)
    return [*lines, line]

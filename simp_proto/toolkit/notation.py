"""How people and programs write bytes: hexadecimal, dumps with offsets, and literals of programming languages."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from simp_proto.datagram import HEAD_SIZE
from simp_proto.errors import DatagramError
from simp_proto.toolkit.hexdump import MAX_SIZE, HexDump
from simp_proto.toolkit.literals import PROSE, STRING_GOES_ON, Code, Found, hex_digits, literals, numbers

_RULERS: Final = (bytes(range(16)), bytes(range(8)))
"""What some dumps have above their columns."""


def found(lines: Iterable[bytes], is_whole: Callable[[bytes | bytearray], bool]) -> Iterator[Found]:
    """The bytes that lines of text have, as soon as it is clear where they end.

    A line of hexadecimal alone is a datagram, and what is too short for one is continued by the next line. `is_whole`
    says whether bytes are all of a datagram or packet.
    """
    reader = _Reader(is_whole)
    for number, line in enumerate(lines, 1):
        yield from reader.add(number, line.decode("utf-8", "replace").rstrip())
    yield from reader.end()


def digits_of(text: str) -> str:
    """The hexadecimal digits of an argument; raises `ValueError` with what was read."""
    try:
        return hex_digits(text)
    except ValueError as error:
        got = list(found(text.encode("utf-8", "replace").splitlines(), lambda _: False))
        got = got if any(each.error is None for each in got) else [Found(data, 1) for data in literals(text)]
        if len(got) != 1 or got[0].error:
            raise error from None
        return got[0].data.hex()


def _plain(text: str) -> bytes:
    """A line of nothing but bytes; raises `ValueError` with what was read."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    if "," in text and (data := numbers([word for word in re.split(r"[\s,]+", text) if word])) is not None:
        return data
    digits = hex_digits(text)
    if len(digits) % 2:
        raise ValueError(f"{len(digits)} digits")
    return bytes.fromhex(digits)


class _Reader:
    """What is open at a line: a dump, a literal, or lines of hexadecimal that may go on."""

    def __init__(self, is_whole: Callable[[bytes | bytearray], bool]) -> None:
        self._is_whole = is_whole
        self._held = bytearray()
        self._starts: list[tuple[int, int]] = []
        """The lines that are held: their numbers, and where each begins."""
        self._dump: HexDump | None = None
        self._code: Code | None = None
        self._loose: Found | None = None
        self._has_prose = False
        """Whether lines that aren't bytes belong to dumps or literals, which have been seen."""
        self._is_doubled = False
        """Whether the next dump shows again what those before it have."""

    def add(self, number: int, text: str) -> Iterator[Found]:
        if self._code and (self._code.depth or STRING_GOES_ON.match(text)) and not HexDump.starts(text):
            yield from self._coded(number, text)
            return
        yield from self._close_code()
        if not text.strip():
            yield from self._close()
            return
        if self._dump and self._dump.takes(text):
            return
        if HexDump.starts(text, goes_on=bool(self._starts)):
            yield from self._close()
            self._dump = HexDump(number, self._is_whole)
            self._dump.takes(text)
            return
        yield from self._close_dump()
        try:
            data = _plain(text)
        except ValueError as error:
            yield from self._other(number, text, error)
        else:
            if data not in _RULERS:
                yield from self._line(Found(data, number))

    def end(self) -> Iterator[Found]:
        yield from self._close_code()
        yield from self._close()
        yield from self._tell_loose()

    def _tell_loose(self) -> Iterator[Found]:
        if self._loose and not self._has_prose:
            yield self._loose
        self._loose = None

    def _other(self, number: int, text: str, error: ValueError) -> Iterator[Found]:
        """A line that isn't bytes: a literal's, or one around a dump or literal, or else wrong."""
        yield from self._close_held()
        self._is_doubled = text.startswith("Reassembled ")  # tshark shows fragments, and then this
        refused = DatagramError("hex", 0, f"{error} in line {number}", "hexadecimal digits, two a byte")
        wrong = Found(b"", number, refused)
        if PROSE.search(text):
            self._loose = self._loose or wrong
            yield from self._coded(number, text)
        else:
            yield wrong

    def _coded(self, number: int, text: str) -> Iterator[Found]:
        self._code = self._code or Code()
        self._code.add(number, text)
        if not self._code.is_open:
            yield from self._close_code()

    def _close_code(self) -> Iterator[Found]:
        if self._code:
            for each in self._code.end():
                self._has_prose = True
                yield each
            self._loose = self._loose and (self._code.short or self._loose)
            self._code = None

    def _close(self) -> Iterator[Found]:
        yield from self._close_held()
        yield from self._close_dump()

    def _close_dump(self) -> Iterator[Found]:
        if self._dump:
            self._has_prose = True
            if not self._is_doubled:
                yield Found(self._dump.data(), self._dump.line)
            self._dump, self._is_doubled = None, False

    def _line(self, line: Found) -> Iterator[Found]:
        yield from self._tell_loose()
        before = len(self._held)
        was_whole = bool(before) and self._is_whole(self._held)
        self._held += line.data
        ends = before and (was_whole or self._is_whole(line.data))
        if ends and not (self._is_whole(self._held) or self._is_whole(self._held + b"?")):
            del self._held[before:]
            yield from self._close_held()
            self._held += line.data
        self._starts.append((line.line, len(self._held) - len(line.data)))
        # A checksum may be in lines of its own, after rows that look like a datagram without one.
        is_done = len(line.data) >= HEAD_SIZE and self._is_whole(self._held)
        if is_done or len(self._held) > MAX_SIZE:
            yield from self._close_held()

    def _close_held(self) -> Iterator[Found]:
        """As one where each is too short for a datagram, or where they are a packet together."""
        if not self._starts:
            return
        data, starts = bytes(self._held), self._starts
        self._held, self._starts = bytearray(), []
        ends = [start for _, start in starts[1:]] + [len(data)]
        parts = [Found(data[start:end], line) for (line, start), end in zip(starts, ends, strict=True)]
        if self._is_whole(data):
            yield Found(data, starts[0][0])
        elif all(len(part.data) < HEAD_SIZE for part in parts):
            yield Found(self._in_order(data), starts[0][0])
        else:
            yield from parts

    def _in_order(self, data: bytes) -> bytes:
        """As they are, or in words of a little-endian machine, without what fills the last, if so they are a whole."""
        words = bytes(data[at ^ 1] for at in range(len(data) - len(data) % 2))
        return next((each for each in (words, words[:-1]) if self._is_whole(each)), data)

"""Dumps with offsets, as xxd, hexdump, od, tcpdump and others print them: rows of an offset and bytes."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Final, NamedTuple

MAX_SIZE: Final = 65_536
"""More than UDP carries."""
_MAX_ROWS: Final = 8_192
_MAX_ROW: Final = 1_024

_ROW: Final = re.compile(
    r"^\s*(?:0x)?(?P<offset>[0-9a-fA-F]{3,16})(?: <[^<>]*>)?(?P<colon>:?)\s+"
    r"(?P<rest>(?:0x)?[0-9a-fA-F]{2,16}(?:\s.*)?)$"
)
_END: Final = re.compile(r"^\s*(?:0x)?([0-9a-fA-F]{3,16}):?$")
_WORD: Final = re.compile(r"\S+")
_HEX: Final = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2}){1,8})")
_OCTAL: Final = re.compile(r"[0-3][0-7][0-7]|[01][0-7]{5}")


class _Token(NamedTuple):
    """A group of digits, and where it is in its row."""

    column: int
    text: str
    data: bytes

    @property
    def end(self) -> int:
        return self.column + len(self.text)


class HexDump:
    """Rows with an offset, bytes in groups, and maybe what they are as text: from xxd, hexdump, od, tcpdump, tshark."""

    def __init__(self, line: int, is_whole: Callable[[bytes | bytearray], bool]) -> None:
        self.line = line
        self._is_whole = is_whole
        self._offsets: list[str] = []
        self._rows: list[list[_Token]] = []
        self._repeated: set[int] = set()
        self._colon = False
        self._end: str | None = None

    @staticmethod
    def starts(text: str, *, goes_on: bool = False) -> bool:
        """Whether it is a first row; between lines of hexadecimal, four zeros are two bytes."""
        row = _ROW.match(text)
        return bool(row and (row["colon"] or not (goes_on or row["offset"].strip("0"))))

    def takes(self, text: str) -> bool:
        """Whether it is the next row, or what comes between and after rows."""
        if self._end is not None:
            return False
        if text.strip() == "*":
            self._repeated.add(len(self._rows) - 1)
            return True
        if self._rows and (end := _END.match(text)) and len(end[1]) == len(self._offsets[0]):
            self._end = end[1]
            return True
        text = text[:_MAX_ROW].expandtabs()
        row = _ROW.match(text)
        if not row or (self._rows and int(row["offset"], 16) <= int(self._offsets[-1], 16)):
            return False
        if len(self._rows) < _MAX_ROWS:
            self._colon = bool(row["colon"])
            self._offsets.append(row["offset"])
            self._rows.append(_tokens(text, row.start("rest"), is_octal=not self._colon))
        return True

    def data(self) -> bytes:
        """The bytes: as they are written or, where only so they are a whole, in words of a little-endian machine."""
        first = self._rows[0]
        if len(self._rows) > 1:
            sizes = self._sizes()
            full = _taken(first, sizes[0])
            columns, ends = {token.column for token in full}, {token.end for token in full}
            last = [token for token in self._rows[-1] if token.column in columns or token.end in ends]
            rows = [_taken(row, size) for row, size in zip(self._rows, sizes, strict=False)] + [_taken(last, sizes[0])]
        else:
            rows = [_until_gap(first) if self._end is None else first]
        straight, swapped = (self._bytes(rows, step) for step in (1, -1))
        words = not self._colon and any(len(token.text) > 2 for token in first)
        one, other = (swapped, straight) if words else (straight, swapped)
        return other if self._is_whole(other) and not self._is_whole(one) else one

    def _base(self) -> int:
        """In which the offsets are: the one in which the first row has as many bytes as it can."""
        start, second = self._offsets[0], [*self._offsets, self._end][1]
        most = _size(self._rows[0])
        fitting = {base: _number(second or "", base) - _number(start, base) for base in (16, 10, 8)}
        return max((base for base in fitting if 0 < fitting[base] <= most), key=fitting.__getitem__, default=16)

    def _sizes(self) -> list[int]:
        """How many bytes each row has, except for the last."""
        base = self._base()
        places = [_number(offset, base) for offset in self._offsets]
        found = [max(after - before, 0) for before, after in pairwise(places)]
        width = min(16, _size(self._rows[0])) if 0 in self._repeated else found[0]
        return [min(size, width) for size in found]

    def _bytes(self, rows: list[list[_Token]], step: int) -> bytes:
        data = bytearray()
        base = self._base()
        for number, row in enumerate(rows):
            part = b"".join(token.data[::step] for token in row)
            data += part
            if number in self._repeated and number + 1 < len(rows) and part:
                gap = _number(self._offsets[number + 1], base) - _number(self._offsets[number], base) - len(part)
                data += (part * (MAX_SIZE // len(part) + 1))[: max(0, min(gap, MAX_SIZE))]
            if len(data) > MAX_SIZE:
                break
        if self._end is not None:
            size = _number(self._end, base) - _number(self._offsets[0], base)
            if 0 <= size < len(data):  # od fills the last word
                del data[size:]
        return bytes(data)


def _tokens(text: str, start: int, *, is_octal: bool) -> list[_Token]:
    """The groups of digits with which a row goes on after its offset; what text there is may look like some."""
    body = re.sub(r"\s+(?:\|.*\||>.*<)$", "", text)
    found = []
    for word in _WORD.finditer(body, min(start, len(body))):
        if not (_HEX.fullmatch(word[0]) or (is_octal and _OCTAL.fullmatch(word[0]))):
            break
        digits = word[0].removeprefix("0x")
        found.append(_Token(word.end() - len(digits), digits, _value(digits, is_octal=is_octal)))
    return found


def _until_gap(row: list[_Token]) -> list[_Token]:
    """Of the only row: as far as the blanks between groups are as many as before, or one more in its middle."""
    taken: list[_Token] = []
    gaps: list[int] = []
    for token in row:
        if taken:
            gap = token.column - taken[-1].end
            if (gaps and gap > gaps[0] + (_size(taken) == 8)) or (_size(taken) >= 16 and gap > gaps[0]):
                break
            gaps.append(gap)
        taken.append(token)
    return taken


def _taken(row: list[_Token], size: int) -> list[_Token]:
    """The groups that make that many bytes, or fewer."""
    taken: list[_Token] = []
    got = 0
    for token in row:
        got += len(token.data)
        if got > size and taken:
            break
        taken.append(token)
    return taken


def _size(row: list[_Token]) -> int:
    return sum(len(token.data) for token in row)


def _value(digits: str, *, is_octal: bool) -> bytes:
    """The bytes of a group, in their order."""
    if is_octal and _OCTAL.fullmatch(digits):
        return int(digits, 8).to_bytes(len(digits) // 3, "big")
    return bytes.fromhex(digits)


def _number(text: str, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        return -1

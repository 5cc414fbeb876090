"""How people and programs write bytes: hexadecimal, dumps with offsets, and literals of programming languages."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from simp_proto.datagram import HEAD_SIZE
from simp_proto.errors import DatagramError

_MAX_SIZE: Final = 65_536
"""More than UDP carries."""
_MAX_ROWS: Final = 8_192
_MAX_ROW: Final = 1_024
_MAX_TOKENS: Final = 4 * _MAX_SIZE
_LEAST: Final = 16
"""Bytes of a literal that may be a datagram; a program has many small ones."""
_RULERS: Final = (bytes(range(16)), bytes(range(8)))
"""What some dumps have above their columns."""


class Found(NamedTuple):
    """Bytes that were read, and the line that they begin in; or why there are none."""

    data: bytes
    line: int
    error: DatagramError | None = None


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
        return _digits(text)
    except ValueError as error:
        got = list(found(text.encode("utf-8", "replace").splitlines(), lambda _: False))
        got = got if any(each.error is None for each in got) else [Found(data, 1) for data in _literals(text)]
        if len(got) != 1 or got[0].error:
            raise error from None
        return got[0].data.hex()


def _digits(text: str) -> str:
    plain = text.lower().replace("0x", "").replace("\\x", "").replace(":", "").replace(",", " ")
    digits = "".join(re.sub(r"(?<![0-9a-f])([0-9a-f]{2})[-;|_](?=[0-9a-f]{2}(?![0-9a-f]))", r"\1", plain).split())
    for at, digit in enumerate(digits):
        if digit not in "0123456789abcdef":
            raise ValueError(f"{digit!r} as digit {at + 1}")
    return digits


def _plain(text: str) -> bytes:
    """A line of nothing but bytes; raises `ValueError` with what was read."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    if "," in text and (data := _numbers([word for word in re.split(r"[\s,]+", text) if word])) is not None:
        return data
    digits = _digits(text)
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
        self._dump: _Dump | None = None
        self._code: _Code | None = None
        self._loose: Found | None = None
        self._has_prose = False
        """Whether lines that aren't bytes belong to dumps or literals, which have been seen."""
        self._is_doubled = False
        """Whether the next dump shows again what those before it have."""

    def add(self, number: int, text: str) -> Iterator[Found]:
        if self._code and (self._code.depth or _STRING_GOES_ON.match(text)) and not _Dump.starts(text):
            yield from self._coded(number, text)
            return
        yield from self._close_code()
        if not text.strip():
            yield from self._close()
            return
        if self._dump and self._dump.takes(text):
            return
        if _Dump.starts(text, goes_on=bool(self._starts)):
            yield from self._close()
            self._dump = _Dump(number, self._is_whole)
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
        if _PROSE.search(text):
            self._loose = self._loose or wrong
            yield from self._coded(number, text)
        else:
            yield wrong

    def _coded(self, number: int, text: str) -> Iterator[Found]:
        self._code = self._code or _Code()
        self._code.add(number, text)
        if not self._code.is_open:
            yield from self._close_code()

    def _close_code(self) -> Iterator[Found]:
        if self._code:
            for each in self._code.end(_LEAST):
                self._has_prose = True
                yield each
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
        if is_done or len(self._held) > _MAX_SIZE:
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


# -- dumps with offsets

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


class _Dump:
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
                data += (part * (_MAX_SIZE // len(part) + 1))[: max(0, min(gap, _MAX_SIZE))]
            if len(data) > _MAX_SIZE:
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


# -- literals

_PROSE: Final = re.compile(r"^[-\s]+$|[=;{}()\[\]\"'#/*<>→]|:$|\\x|(?i:[a-z]{2}[g-z]|[g-z][a-z]{2}|[a-z][g-z][a-z])")
"""What lines around dumps and literals have: code, headings, summaries of packets; at least a word."""
_STRING_GOES_ON: Final = re.compile(r"""\s*[+.]?\s*[bBrRuUL]{0,2}["']""")
_PART: Final = re.compile(
    r"""(?P<comment>/\*.*?(?:\*/|$)|//.*|(?:^|(?<=\s))\#(?![x(]).*)
    |(?P<string>[bBrRuUL]{0,2}(?:"(?:\\.|[^"\\])*(?:"|\\?$)|'(?:\\.|[^'\\])*(?:'|\\?$)))
    |(?P<open><Buffer|<<|[\[{(])
    |(?P<close>>>|[\]})>])
    |(?P<number>(?<![\w.])-?(?:(?:0[xX]|16\#|\#x|\$|&[hH]|8'h)[0-9a-fA-F]{1,2}\#?|[0-9a-fA-F]{1,3})
        (?:[_']?(?:u8|i8|uy|[uUL]))?(?![\w]))
    |(?P<word>[\w.]+!?)
    |(?P<glue>[,\s\\+]+)
    |(?P<other>.)""",
    re.VERBOSE,
)
_OPENING: Final = "[ { ("
_CLOSING: Final = {">": "<Buffer", ">>": "<<"}
_CASTS: Final = {
    "byte", "char", "unsigned", "signed", "uint8_t", "u8", "i8", "as", "sbyte", ".toByte", "Byte", "std", ":", ";", "|",
}  # fmt: skip
"""What may be beside the numbers of a list, and between them."""
_ESCAPE: Final = re.compile(
    r"\\(?:(?P<hex>x\{[0-9a-fA-F]{1,2}\}|x[0-9a-fA-F]{1,2})|(?P<code>u\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{1,6})"
    r"|(?P<octal>[0-7]{1,3})|(?P<other>.))",
    re.DOTALL,
)
_HEX_OF_SQL: Final = re.compile(r"\\x(?:[0-9a-fA-F]{2}){2,}")
_ESCAPED: Final = {"n": 10, "t": 9, "r": 13, "a": 7, "b": 8, "f": 12, "v": 11, "e": 27}


class _Group(NamedTuple):
    """What is between two brackets: numbers, unless something else is there, too."""

    bracket: str
    numbers: list[str]
    others: list[str]


class _Code:
    """Lines of a program, of which lists of numbers and strings are bytes."""

    def __init__(self) -> None:
        self._found: list[Found] = []
        self._groups: list[_Group] = []
        self._strings: list[str] = []
        self._in_comment = False
        self._tokens = 0
        self._line = 0
        self._starts: list[int] = []
        self._string_line = 0

    @property
    def depth(self) -> int:
        return len(self._groups) + self._in_comment

    @property
    def is_open(self) -> bool:
        """Whether the next line may go on with what has begun."""
        return bool(self._groups or self._strings or self._in_comment) and self._tokens < _MAX_TOKENS

    def add(self, line: int, text: str) -> None:
        self._line = line
        if self._in_comment:
            _, closed, text = text.partition("*/")
            self._in_comment = not closed
        for part in _PART.finditer(text):
            kind, word = part.lastgroup, part[0]
            self._tokens += 1
            if kind == "comment":
                self._in_comment = word.startswith("/*") and not word.endswith("*/")
            elif kind == "string" and len(inner := word.lstrip("bBrRuUL")) > 1 and inner[0] == inner[-1]:
                self._string(word)
            elif kind != "glue":
                self._end_strings()
                self._part(kind or "", word)
        if self._tokens >= _MAX_TOKENS:
            self._groups.clear()

    def _part(self, kind: str, word: str) -> None:
        if kind == "open":
            self._groups.append(_Group(word, [], []))
            self._starts.append(self._line)
        elif (
            kind == "close"
            and self._groups
            and _CLOSING.get(word, self._groups[-1].bracket) == self._groups[-1].bracket
        ):
            self._end_group(self._groups.pop(), self._starts.pop())
        elif self._groups:
            group = self._groups[-1]
            if kind == "number" and word not in _CASTS:
                group.numbers.append(word)
            elif kind != "word" or group.numbers:  # a name before all numbers, as Lisp has it, is that of the list
                group.others.append(word)
        elif kind == "word" and len(word) >= 2 * HEAD_SIZE and not re.search("[^0-9a-fA-FxX]", word):
            self._add_digits(word, self._line)

    def _end_group(self, group: _Group, line: int) -> None:
        is_pure = _CASTS.issuperset(group.others)
        data = _numbers(group.numbers) if is_pure and len(group.numbers) > 1 else None
        if data is not None:
            self._found.append(Found(data, line))
        elif self._groups and is_pure:
            self._groups[-1].numbers.extend(group.numbers)
        elif self._groups:
            self._groups[-1].others.append(group.bracket)

    def _string(self, word: str) -> None:
        if self._groups and len(word) <= 4 and len(inner := _unescaped(word)) == 1 and self._groups[-1].numbers:
            self._groups[-1].numbers.append(f"0x{inner.hex()}")
            return
        self._string_line = self._string_line if self._strings else self._line
        self._strings.append(word)

    def _end_strings(self) -> None:
        strings, self._strings = self._strings, []
        if not strings:
            return
        inner = "".join(re.sub(r"^\w*.|.$", "", word) for word in strings)
        if self._groups:
            self._groups[-1].others.append("string")
        is_escaped = "\\" in inner and not _HEX_OF_SQL.fullmatch(inner)
        if is_escaped or any(word[0] in "bB" for word in strings):
            self._found.append(Found(b"".join(map(_unescaped, strings)), self._string_line))
        elif not self._add_digits(inner, self._string_line):
            for word in strings:  # arguments: a format, perhaps, and the digits
                self._add_digits(re.sub(r"^\w*.|.$", "", word), self._string_line)

    def _add_digits(self, text: str, line: int) -> bool:
        """The bytes, if it is hexadecimal; whether it is."""
        try:
            self._found.append(Found(bytes.fromhex(_digits(text)), line))
        except ValueError:
            return False
        return True

    def end(self, least: int) -> Iterator[Found]:
        """What has that many bytes."""
        self._end_strings()
        yield from (each for each in self._found if len(each.data) >= least)


def _literals(text: str) -> list[bytes]:
    code = _Code()
    for number, line in enumerate(text.splitlines()):
        code.add(number, line)
    return [each.data for each in code.end(_LEAST)]


def _numbers(words: list[str]) -> bytes | None:
    """Numbers as a program lists them, decimal or hexadecimal; `None` where they aren't bytes."""
    words = [re.sub(r"(?i)[_']?(?:u8|i8|uy|[ul])$", "", word) for word in words]
    words = [re.sub(r"(?i)^(-?)(?:16#|#x|\$|&h|8'h)(\w+)#?$", r"\g<1>0x\2", word) for word in words]
    bare = [word for word in words if not word.lower().startswith(("0x", "-0x"))]
    is_decimal = len(bare) < len(words) or not (
        any(re.search("[a-fA-F]", word) for word in bare)
        or (all(len(word) == 2 for word in bare) and any(word.startswith("0") for word in bare))
    )
    try:
        values = [int(word, 10 if is_decimal and word in bare else 16) for word in words]
    except ValueError:
        return None
    if not values or not all(-128 <= value <= 255 for value in values):
        return None
    return bytes(value & 0xFF for value in values)


def _unescaped(literal: str) -> bytes:
    """The bytes of a string with its quotes."""
    inner = re.sub(r"^\w*.|.$", "", literal)
    if "r" in literal[:2].lower():
        return inner.encode("utf-8", "replace")
    data, end = bytearray(), 0
    for escape in _ESCAPE.finditer(inner):
        data += inner[end : escape.start()].encode("utf-8", "replace") + _escaped(escape)
        end = escape.end()
    return bytes(data) + inner[end:].encode("utf-8", "replace")


def _escaped(escape: re.Match[str]) -> bytes:
    character, code, octal = escape["other"], escape["code"], escape["octal"]
    if character is not None:
        return bytes([_ESCAPED[character]]) if character in _ESCAPED else character.encode("utf-8", "replace")
    value = int(octal, 8) if octal else int(escape[0][2:].strip("{}"), 16)
    if value <= 0xFF:
        return bytes([value])
    return chr(value).encode("utf-8", "replace") if code and value <= 0x10FFFF else bytes([value & 0xFF])

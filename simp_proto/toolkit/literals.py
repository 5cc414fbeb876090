"""Bytes in the source text of programming languages: lists of numbers, strings with escapes, digits in quotes."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from simp_proto.constants import Type
from simp_proto.datagram import HEAD_SIZE
from simp_proto.errors import DatagramError

_MAX_TOKENS: Final = 262_144
"""Of one list or string that is open: four for each byte that UDP carries."""
_LEAST: Final = 16
"""Bytes of a literal that may be a datagram; a program has many small ones."""
PROSE: Final = re.compile(r"^[-\s]+$|[=;{}()\[\]\"'#/*<>→]|:$|\\x|(?i:[a-z]{2}[g-z]|[g-z][a-z]{2}|[a-z][g-z][a-z])")
"""What lines around dumps and literals have: code, headings, summaries of packets; at least a word."""
STRING_GOES_ON: Final = re.compile(r"""\s*[+.]?\s*[bBrRuUL]{0,2}["']""")
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
_TYPES: Final = frozenset(Type)
_ESCAPED: Final = {"n": 10, "t": 9, "r": 13, "a": 7, "b": 8, "f": 12, "v": 11, "e": 27}


class Found(NamedTuple):
    """Bytes that were read, and the line that they begin in; or why there are none."""

    data: bytes
    line: int
    error: DatagramError | None = None


def hex_digits(text: str) -> str:
    plain = text.lower().replace("0x", "").replace("\\x", "").replace(":", "").replace(",", " ")
    digits = "".join(re.sub(r"(?<![0-9a-f])([0-9a-f]{2})[-;|_](?=[0-9a-f]{2}(?![0-9a-f]))", r"\1", plain).split())
    for at, digit in enumerate(digits):
        if digit not in "0123456789abcdef":
            raise ValueError(f"{digit!r} as digit {at + 1}")
    return digits


class _Group(NamedTuple):
    """What is between two brackets: numbers, unless something else is there, too."""

    bracket: str
    numbers: list[str]
    others: list[str]


class Code:
    """Lines of a program, of which lists of numbers and strings are bytes."""

    def __init__(self) -> None:
        self._found: list[Found] = []
        self._groups: list[_Group] = []
        self._strings: list[str] = []
        self._in_comment = False
        self._tokens = 0
        self._line = 0
        self._starts: list[int] = []
        self.short: Found | None = None
        """At the end, a literal that is too short for a datagram, and begins like one."""
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
        data = numbers(group.numbers) if is_pure and len(group.numbers) > 1 else None
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
            self._found.append(Found(bytes.fromhex(hex_digits(text)), line))
        except ValueError:
            return False
        return True

    def end(self) -> Iterator[Found]:
        """What is long enough for a datagram."""
        self._end_strings()
        self.short = next((each for each in self._found if each.data and each.data[0] in _TYPES), None)
        yield from (each for each in self._found if len(each.data) >= _LEAST)


def literals(text: str) -> list[bytes]:
    """Those long enough for a datagram; where there are none, one that begins like a datagram."""
    code = Code()
    for number, line in enumerate(text.splitlines()):
        code.add(number, line)
    return [each.data for each in code.end()] or ([code.short.data] if code.short else [])


def numbers(words: list[str]) -> bytes | None:
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

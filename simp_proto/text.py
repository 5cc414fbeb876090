"""The text protocol between a client and its daemon: one `OPERATION|PAYLOAD` a line (client.md)."""

import re
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final
from unicodedata import normalize

from simp_proto.constants import MAX_LINE_SIZE, USER_SIZE
from simp_proto.errors import LineError, NotSimpError
from simp_proto.printable import printable


@unique
class Word(StrEnum):
    """The first word of a line (client 4)."""

    PING = "PING"
    PONG = "PONG"
    CONNECT = "CONNECT"
    CONNECTED = "CONNECTED"
    CONNECTING = "CONNECTING"
    MISSED = "MISSED"
    WHO = "WHO"
    SEEN = "SEEN"
    GONE = "GONE"
    DISCOVERY = "DISCOVERY"
    SECURED = "SECURED"
    RINGING = "RINGING"
    AWAY = "AWAY"
    ELSEWHERE = "ELSEWHERE"
    CHAT = "CHAT"
    ACK = "ACK"
    UNANSWERED = "UNANSWERED"
    SILENT = "SILENT"
    UNDELIVERED = "UNDELIVERED"
    QUIT = "QUIT"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `payload` is as its writer meant it: unescaped, with every `|` after the first."""

    word: Word
    payload: str = ""

    def fields(self, count: int) -> list[str]:
        """The payload cut at its first `count - 1` bars; missing fields are empty."""
        fields = self.payload.split("|", count - 1)
        return fields + [""] * (count - len(fields))


# Backslash, and every character of the category Cc, which is all that could end or disturb a line.
_ESCAPED: Final = re.compile(r"[\\\x00-\x1f\x7f-\x9f]")
_ESCAPES: Final = re.compile(r"\\(?:([\\nrt])|x([0-9A-Fa-f]{2}))")
_SHORT: Final = {"\\": "\\", "\n": "n", "\r": "r", "\t": "t"}
_SPELLINGS: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "oe"}
    | {"Ø": "Oe", "œ": "oe", "Œ": "Oe", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "\u0131": "i", "\u2019": "'"}
)
"""Of letters that are more than one of ASCII with a mark."""
_LONG: Final = {short: character for character, short in _SHORT.items()}


def escape(text: str) -> str:
    """`\\\\`, `\\n`, `\\r`, `\\t`, and `\\xHH` for the other control characters (client 3)."""
    return _ESCAPED.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return "\\" + _SHORT.get(match[0], f"x{ord(match[0]):02x}")


def unescape(text: str) -> str:
    """The inverse of `escape`. A backslash that begins no escape is a backslash."""
    return _ESCAPES.sub(lambda match: _LONG[match[1]] if match[1] else chr(int(match[2], 16)), text)


def format_line(line: Line) -> bytes:
    """The line's bytes, newline included."""
    return f"{line.word}|{escape(line.payload)}\n".encode("utf-8", "backslashreplace")


def parse_line(data: bytes) -> Line:
    """The line that `data` is, without its newline; raises `LineError`, or its kind `NotSimpError`."""
    try:
        text = data.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise LineError(f"read the byte 0x{data[error.start]:02x} at {error.start}, expected UTF-8") from None
    word, bar, payload = text.partition("|")
    if word not in Word.__members__:
        raise NotSimpError(f"read {printable(text[:40])!r}, expected OPERATION|PAYLOAD such as PING|")
    if not bar:
        raise LineError(f"read {word!r} alone, expected {word}| and its payload")
    return Line(Word(word), unescape(payload))


class LineBuffer:
    """Cuts a stream of bytes into lines of at most `limit` bytes."""

    def __init__(self, limit: int = MAX_LINE_SIZE) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def __len__(self) -> int:
        return len(self._buffer)

    def waiting(self, beginning: bytes) -> list[bytes]:
        """The whole lines that begin that way, without their newlines; they stay."""
        *whole, _ = self._buffer.split(b"\n")
        return [bytes(line) for line in whole if line.startswith(beginning)]

    def feed(self, data: bytes) -> None:
        """Takes what has arrived."""
        self._buffer += data

    def next_line(self) -> bytes | None:
        """The next whole line without its newline, or `None`.

        Raises `LineError` after more than `limit` bytes without a newline: nothing that follows can be trusted (client
        2).
        """
        end = self._buffer.find(b"\n")
        if end > self._limit or (end < 0 and len(self._buffer) > self._limit):
            raise LineError(f"read {self._limit} bytes without a newline, expected shorter lines")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line


def _in_ascii(name: str) -> str:
    """How a name is written by whoever has no other letters; empty where they have none for it."""
    letters = normalize("NFKD", normalize("NFC", name).translate(_SPELLINGS))
    return "".join(each for each in letters if " " <= each <= "~" and each != "|").strip()[:USER_SIZE].strip()


def check_user(name: str) -> str:
    """The name itself, if it is 1 to 32 printable ASCII characters without `|`; raises `LineError` (spec 2.4)."""
    if not 1 <= len(name) <= USER_SIZE:
        raise LineError(f"read a name of {len(name)} characters, expected 1 to {USER_SIZE}")
    for character in name:
        if character == "|" or not " " <= character <= "~":
            instead = f", such as {spelt!r}" if (spelt := _in_ascii(name)) else ""
            raise LineError(f"read {printable(character)!r} in the name, expected printable ASCII without |{instead}")
    if name != name.strip():
        raise LineError("read a blank at an end of the name, expected none: blanks pad names on the wire")
    return name

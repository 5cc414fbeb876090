"""The text protocol: lines out of a stream, and what a line says."""

import unicodedata

from simp_proto.errors import LineError
from simp_proto.text import Line, LineBuffer, format_line, parse_line
from tests.fuzz.target import Choices, Target

LIMIT = 64


def _try(data: bytes) -> None:
    choices = Choices(data)
    buffer, fed, lines, refused = LineBuffer(LIMIT), b"", [], False
    while choices.left and not refused:
        piece = choices.blob(2 * LIMIT)
        fed += piece
        buffer.feed(piece)
        try:
            while (line := buffer.next_line()) is not None:
                lines.append(line)
        except LineError:
            refused = True
        assert refused or len(buffer) <= LIMIT
    *whole, rest = fed.split(b"\n")
    short = whole[: next((at for at, line in enumerate([*whole, rest]) if len(line) > LIMIT), len(whole))]
    assert lines == short
    assert refused == any(len(line) > LIMIT for line in [*whole, rest])
    for line in [*lines, data]:
        try:
            said = parse_line(line)
        except LineError as error:
            assert str(error).isprintable(), str(error)
        else:
            again = format_line(said)
            assert again.endswith(b"\n")
            assert again.count(b"\n") == 1
            assert parse_line(again[:-1]) == said
            assert not any(unicodedata.category(character) == "Cc" for character in again[:-1].decode())
            ends = "\r" if line.endswith(b"\r") else ""  # one of them is dropped
            assert parse_line(line + b"\r") == Line(said.word, said.payload + ends)


TARGET = Target(
    "however a stream is cut, `LineBuffer` gives its lines up to the first that is too long, and keeps no more than a"
    " line; of each, `parse_line` drops one CR at the end, and gives one that `format_line` writes without a control"
    " character, to be read the same, or raises `LineError`",
    _try,
    [
        b"\x06PING|\n",
        b"\x10CONNECT|al\nPING|\x02\r\n\x0aCHAT|a|b\\n\x03\\\\\n",
        b"\x20ERROR|\\x1b[2J \\xZZ \\x85 \xc3\xbc\xff|||\n",
        b"CHAT|bob|hi, a\\nb and c|d",
        b"\x14CHAT|a\rb\x1b\x7f\xc2\x85\x00\t\r\r\nPING|\r\n",
        b"CHAT|a\rb\x1b[2J\x7f\xc2\x85\r",
        b"\x7f" + b"x" * 127,
    ],
)

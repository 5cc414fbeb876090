"""Where `simp decode` finds datagrams: hexadecimal arguments, captures, lines of hexadecimal, and raw bytes."""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby
from string import printable as printable_characters
from typing import BinaryIO, Final, NamedTuple

import click

from simp_proto.constants import Framing
from simp_proto.datagram import HEAD_SIZE
from simp_proto.errors import DatagramError, SimpError
from simp_proto.printable import printable
from simp_proto.toolkit.capture import MAGIC_SIZE, Capture, Captured, CaptureError, is_capture
from simp_proto.toolkit.reading import Reading

STANDARD_INPUT: Final = "-"
_MAX_RAW_SIZE: Final = 65_536
"""More than UDP carries."""
_MAX_LINE_SIZE: Final = 1024 * 1024
"""More than that in hexadecimal, with blanks and 0x."""
_TEXT: Final = frozenset(printable_characters.encode("ascii"))
_GZIP: Final = b"\x1f\x8b"
_MOST_SHOWN: Final = 40
"""Characters of an argument that is wrong."""


class Item(NamedTuple):
    """A datagram that was asked for."""

    data: bytes
    where: str = ""
    """Which of several it is."""
    captured: Captured | None = None
    refused: DatagramError | None = None
    """Why there are no bytes, or not all of them."""

    @property
    def is_unread(self) -> bool:
        """Whether there are no bytes."""
        return self.refused is not None and self.captured is None

    def read(self, framings: tuple[Framing, ...]) -> Reading:
        """As what it is read in those framings."""
        return Reading(self.data, error=self.refused) if self.refused else Reading.of(self.data, framings)


class SourceError(SimpError):
    """A source that can't be read any further, and why."""


class _Source(NamedTuple):
    """An argument: bytes, or the name of a file; and which of several it is."""

    content: str | bytes
    where: str


def checked(arguments: tuple[str, ...], *, joined: bool) -> list[_Source]:
    """What the arguments are, in order; neighbours that are too short for a datagram are one, if `joined`."""
    sources = []
    for are_files, group in groupby(enumerate(arguments, 1), lambda numbered: _is_file(numbered[1])):
        numbered = list(group)
        if not are_files:
            _check(_digits, *(text for _, text in numbered))
            if joined and all(len(text) < 2 * HEAD_SIZE for _, text in numbered):
                numbered = [(numbered[0][0], "".join(text for _, text in numbered))]
            _check(_bytes, *(text for _, text in numbered))
        sources += [_Source(text if are_files else _bytes(text), f"argument {number}") for number, text in numbered]
    return sources if len(sources) > 1 else [_Source(source.content, "") for source in sources]


def _check(reading: Callable[[str], object], *texts: str) -> None:
    for text in texts:
        try:
            reading(text)
        except ValueError as error:
            shown = printable(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}...")
            why = f"'{shown}' is neither an existing file nor hexadecimal: read {error}, expected two digits a byte"
            raise click.BadParameter(why, param_hint="HEX|FILE") from None


def _is_file(argument: str) -> bool:
    """What is hexadecimal isn't looked up: `./cafe` is how to name such a file."""
    if argument == STANDARD_INPUT:
        return True
    try:
        _bytes(argument)
    except ValueError:
        return os.path.exists(argument)
    return False


def items(sources: Iterable[_Source], ports: Collection[int]) -> Iterator[Item | SourceError]:
    """The datagrams of all sources as they come, and the reason where one can't be read any further."""
    for source, where in sources:
        if isinstance(source, bytes):
            yield Item(source, where)
            continue
        try:
            if source == STANDARD_INPUT and sys.stdin is None:
                yield SourceError("standard input: it is closed")
            elif source == STANDARD_INPUT:
                yield from _from_stream(sys.stdin.buffer, "standard input", ports)
            else:
                with open(source, "rb") as stream:
                    yield from _from_stream(stream, source, ports)
        except OSError as error:
            yield SourceError(f"{source}: {error.strerror}")


def _from_stream(stream: BinaryIO, name: str, ports: Collection[int]) -> Iterator[Item | SourceError]:
    """The datagrams of a capture, of lines of hexadecimal, or else the one that the bytes are."""
    magic = stream.read(MAGIC_SIZE)
    if is_capture(magic):
        capture = Capture(magic, stream, ports)
        try:
            for captured in capture:
                yield Item(captured.data, "", captured, captured.refused)
        except CaptureError as error:
            yield SourceError(f"{name}: {error}")
        if capture.skipped:
            counts = ", ".join(f"{count} {reason}" for reason, count in capture.skipped.most_common(5))
            click.echo(f"{printable(name)}: passed over packets: {counts}", err=True)
    elif magic.startswith(_GZIP):
        yield SourceError(f"{name}: it is compressed: unpack it first, as with gunzip -c FILE | simp decode -")
    elif not _TEXT.issuperset(magic):  # a datagram's type and operation are no text (spec 2.1, 2.2)
        yield Item(magic + stream.read(_MAX_RAW_SIZE), name)
    else:
        for number, line in enumerate(_lines(magic, stream), 1):
            if text := line.decode("utf-8", "backslashreplace").strip():
                where = f"{name}, line {number}"
                try:
                    yield Item(_bytes(text), where)
                except ValueError as error:
                    refused = DatagramError("hex", 0, f"{error} in line {number}", "hexadecimal digits, two a byte")
                    yield Item(b"", where, refused=refused)


def _lines(start: bytes, stream: BinaryIO) -> Iterator[bytes]:
    yield from (start + stream.readline(_MAX_LINE_SIZE)).splitlines()
    while line := stream.readline(_MAX_LINE_SIZE):
        yield line


def _digits(text: str) -> str:
    """Raises `ValueError` with what was read."""
    digits = "".join(text.lower().replace("0x", "").replace(":", "").split())
    for at, digit in enumerate(digits):
        if digit not in "0123456789abcdef":
            raise ValueError(f"{digit!r} as digit {at + 1}")
    return digits


def _bytes(text: str) -> bytes:
    """Raises `ValueError` with what was read."""
    digits = _digits(text)
    if len(digits) % 2:
        raise ValueError(f"{len(digits)} digits")
    return bytes.fromhex(digits)

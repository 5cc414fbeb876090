"""Where `simp decode` finds datagrams: hexadecimal arguments, captures, lines of hexadecimal, and raw bytes."""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby
from string import printable as printable_characters
from typing import BinaryIO, Final, NamedTuple

import click

from simp_proto.constants import Framing, Type
from simp_proto.datagram import CHECKSUM_SIZE, HEAD_SIZE, payload_length
from simp_proto.errors import DatagramError, SimpError
from simp_proto.printable import printable
from simp_proto.toolkit.capture import MAGIC_SIZE, Capture, CaptureError, is_capture
from simp_proto.toolkit.frame import Captured, Frame, Frames, is_packet, link_of
from simp_proto.toolkit.reading import Reading

STANDARD_INPUT: Final = "-"
_MAX_RAW_SIZE: Final = 65_536
"""More than UDP carries."""
_MAX_LINE_SIZE: Final = 1024 * 1024
"""More than that in hexadecimal, with blanks and 0x."""
_TEXT: Final = frozenset(printable_characters.encode("ascii"))
_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""UTF-8, and UTF-16 as Windows writes it."""
_HEX: Final = frozenset("0123456789abcdef")
_OTHER_CAPTURES: Final = {
    b"GMBU": "Microsoft Network Monitor",
    b"RTSS": "Microsoft Network Monitor",
    b"TRSN": "NetXray or Sniffer",
    b"XCP\0": "NetXray or Sniffer",
    b"btsn": "Bluetooth",
    b"iptr": "iptrace",
}
_TEXT_MAGICS: Final = (b"BZh", b"PK")
"""Of compressed files that begin with letters; the others are looked at if they're no text."""
_TYPES: Final = frozenset(Type)
_MOST_TOLD: Final = 5
"""Reasons, and ports."""
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
    digits = _plain(argument)
    if _HEX.issuperset(digits) and len(digits) % 2 == 0:
        return False
    return "\0" not in argument and os.path.exists(argument)


def items(sources: Iterable[_Source], ports: Collection[int]) -> Iterator[Item | SourceError]:
    """The datagrams of all sources as they come, and the reason where one can't be read any further."""
    for source, where in sources:
        if isinstance(source, bytes):
            yield _item(source, where, Frames(ports)) or Item(source, where)
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


def _from_stream(
    stream: BinaryIO, name: str, ports: Collection[int], *, is_again: bool = False
) -> Iterator[Item | SourceError]:
    """The datagrams of a capture, of text, or else the one that the bytes are; `is_again`: in what was compressed."""
    magic = stream.read(MAGIC_SIZE)
    if is_capture(magic):
        capture, number = Capture(magic, stream, ports), 0
        try:
            for number, captured in enumerate(capture, 1):  # noqa: B007  # counted
                yield Item(captured.data, "", captured, captured.refused)
        except CaptureError as error:
            number += 1
            yield SourceError(f"{name}: {error}")
        _tell_rest(name, capture.frames, number)
    elif inner := _unpacked(magic, stream, name):
        if isinstance(inner, SourceError) or is_again:
            yield inner if isinstance(inner, SourceError) else SourceError(f"{name}: it is compressed more than once")
        else:
            yield from _from_stream(inner, name, ports, is_again=True)
    elif magic in _OTHER_CAPTURES:
        how = "convert it first, as with editcap -F pcap FILE chat.pcap"
        yield SourceError(f"{name}: it is a capture of {_OTHER_CAPTURES[magic]}: {how}")
    elif not (_TEXT.issuperset(magic) or magic.startswith(_BYTE_ORDER_MARKS)):
        # a datagram's type and operation are no text (spec 2.1, 2.2)
        yield Item(magic + stream.read(_MAX_RAW_SIZE), name)
    else:
        from simp_proto.toolkit.notation import found  # noqa: PLC0415  # takes time, and most need it not

        frames, number = Frames(ports), 0
        for each in found(_lines(magic, stream), _is_whole):
            where = f"{name}, line {each.line}"
            item = Item(b"", where, refused=each.error) if each.error else _item(each.data, where, frames)
            if item:
                number += 1
                yield item
        frames.end()
        _tell_rest(name, frames, number)


def _tell_rest(name: str, frames: Frames, number: int) -> None:
    """What was passed over, and where there was no other, what would have been shown; `number` was shown."""
    told = []
    if frames.skipped:
        counts = ", ".join(f"{count} {reason}" for reason, count in frames.skipped.most_common(_MOST_TOLD))
        told.append(f"passed over packets: {counts}")
    if not number:
        ports = ", ".join(str(port) for port, _ in frames.others.most_common(_MOST_TOLD))
        told.append(f"no datagrams to show; UDP ports in it, for --port: {ports}" if ports else "no datagrams to show")
    for each in told:
        click.echo(f"{printable(name)}: {each}", err=True)


def _unpacked(magic: bytes, stream: BinaryIO, name: str) -> BinaryIO | SourceError | None:
    if _TEXT.issuperset(magic) and not magic.startswith(_TEXT_MAGICS):
        return None
    from simp_proto.toolkit.compression import Unreadable, decompressed  # noqa: PLC0415  # as above

    try:
        return decompressed(magic, stream)
    except Unreadable as error:
        return SourceError(f"{name}: {error}")


def _is_whole(data: bytes | bytearray) -> bool:
    """Whether bytes have the size that a datagram or packet has."""
    return _fits(data) or is_packet(data)


def _fits(data: bytes | bytearray) -> bool:
    """Whether bytes are a datagram by their type and length, with or without a checksum (spec 2)."""
    size = len(data) - HEAD_SIZE
    return size >= 0 and data[0] in _TYPES and size - payload_length(data) in (0, CHECKSUM_SIZE)


def _item(data: bytes, where: str, frames: Frames) -> Item | None:
    """A datagram; or the one in a packet, if that is what was written down, and it has or completes one."""
    link = None if _fits(data) else link_of(data)
    if link is None:
        return Item(data, where)
    captured = frames.datagram(Frame(link, None, data, len(data)))
    if captured is None:
        return None
    return Item(captured.data, where, captured, captured.refused)


def _lines(start: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Without byte order marks; of UTF-16 only what is ASCII is right, which is all that matters."""
    is_wide = start.startswith(_BYTE_ORDER_MARKS[1:])
    mark = next((mark for mark in _BYTE_ORDER_MARKS if start.startswith(mark)), b"")
    start = start.removeprefix(mark)
    line = start if start.endswith(b"\n") else start + stream.readline(_MAX_LINE_SIZE)
    while line:
        yield from (line.replace(b"\0", b"") if is_wide else line).splitlines()
        line = stream.readline(_MAX_LINE_SIZE)


def _plain(text: str) -> str:
    """The digits, if it is nothing but digits."""
    return "".join(text.lower().replace("0x", "").replace(":", "").split())


def _digits(text: str) -> str:
    """Raises `ValueError` with what was read."""
    digits = _plain(text)
    if _HEX.issuperset(digits):
        return digits
    from simp_proto.toolkit.notation import digits_of  # noqa: PLC0415  # as above

    return digits_of(text)


def _bytes(text: str) -> bytes:
    """Raises `ValueError` with what was read."""
    digits = _digits(text)
    if len(digits) % 2:
        raise ValueError(f"{len(digits)} digits")
    return bytes.fromhex(digits)

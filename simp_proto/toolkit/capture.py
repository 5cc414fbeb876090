"""A capture of network traffic, pcap, pcapng or snoop: the UDP datagrams in it, with time and addresses.

The formats are read here, without scapy. Its readers of records end in silence where a file is cut or corrupt, read
blocks of any size into memory, and keep the interfaces of one pcapng section for the next. Its dissection of packets
takes dozens of times as long as everything here, and knows loopback captures only of the kind of machine it runs on.

The formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, RFC 1761 (snoop); and pcap as a patched libpcap writes
it, with the magic number a1b2cd34 and 24 bytes before each packet, which many home routers have.
"""

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, NamedTuple

from simp_proto.errors import SimpError
from simp_proto.toolkit.frame import ETHERNET, IPNET, Captured, Frame, Frames


class CaptureError(SimpError, ValueError):
    """A capture that is cut or corrupt from some byte on; what came before it has been read."""

    def __init__(self, part: str, offset: int, read: str, expected: str) -> None:
        super().__init__(f"{part} at offset {offset}: read {read}, expected {expected}")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class _Interface:
    """Where pcapng packets come from, and how their times count."""

    link: int
    snap_length: int
    ticks_a_second: int
    offset: int


MAGIC_SIZE: Final = 4


class _Pcap(NamedTuple):
    """How a pcap file is written: its byte order, the fractions of a second that its times count, and what is more."""

    order: str
    ticks_a_second: int
    record: str = "IIII"
    head: str = "16xI"


_ROUTER: Final = "IIII8x"
_IXIA: Final = "16xI4x"
_PCAP: Final = {
    b"\xa1\xb2\xc3\xd4": _Pcap(">", 1_000_000),
    b"\xd4\xc3\xb2\xa1": _Pcap("<", 1_000_000),
    b"\xa1\xb2\x3c\x4d": _Pcap(">", 1_000_000_000),
    b"\x4d\x3c\xb2\xa1": _Pcap("<", 1_000_000_000),
    b"\xa1\xb2\xcd\x34": _Pcap(">", 1_000_000, _ROUTER),
    b"\x34\xcd\xb2\xa1": _Pcap("<", 1_000_000, _ROUTER),
    b"\x1c\x00\x01\xac": _Pcap(">", 1_000_000_000, head=_IXIA),
    b"\xac\x01\x00\x1c": _Pcap("<", 1_000_000_000, head=_IXIA),
}
"""By the first bytes of a file. Routers put the interface before each packet, Ixia's testers a size before them all."""
_SNOOP: Final = b"snoop\0\0\0"
_SNOOP_LINKS: Final = {0: ETHERNET, 4: ETHERNET, 0x8000_0001: IPNET}
_PCAPNG: Final = b"\x0a\x0d\x0d\x0a"
_PCAPNG_ORDERS: Final = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}

# Sizes in a file are believed up to these limits, which Wireshark and libpcap have too.
_MAX_PACKET_SIZE: Final = 262_144
_MAX_BLOCK_SIZE: Final = 16 * 1024 * 1024
_MAX_INTERFACES: Final = 1024
_MAX_SNOOP_PADDING: Final = 4096


class Capture:
    """The UDP datagrams from or to one of `ports`, one by one as the stream has them.

    Iterating raises `CaptureError`. `frames` counts the others.
    """

    def __init__(self, magic: bytes, stream: BinaryIO, ports: Collection[int]) -> None:
        self._magic = magic
        self._source = _Source(stream, len(magic))
        self.frames = Frames(ports)

    def __iter__(self) -> Iterator[Captured]:
        try:
            for frame in self._read():
                if captured := self.frames.datagram(frame):
                    yield captured
        finally:
            self.frames.end()

    def _read(self) -> Iterator[Frame]:
        if self._magic == _PCAPNG:
            return _pcapng(self._source)
        if self._magic in _PCAP:
            return _pcap(self._source, _PCAP[self._magic])
        return _snoop(self._source, self._magic)


def is_capture(magic: bytes) -> bool:
    """Whether a file that begins with these bytes is a capture."""
    return magic == _PCAPNG or magic in _PCAP or magic == _SNOOP[:MAGIC_SIZE]


class _Source:
    """The stream, in parts that know where they start."""

    def __init__(self, stream: BinaryIO, offset: int) -> None:
        self._stream = stream
        self._offset = offset
        self._part, self._start = "header", 0

    def begin(self, part: str, size: int) -> bytes:
        """The first bytes of the next part; none where the capture ends as it should."""
        self._part, self._start = part, self._offset
        data = self._read(size)
        return self._whole(data, size) if data else data

    def take(self, size: int) -> bytes:
        """The next bytes of the same part."""
        return self._whole(self._read(size), size)

    def error(self, read: str, expected: str) -> CaptureError:
        """What to raise when the part is wrong."""
        return CaptureError(self._part, self._start, read, expected)

    def _read(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise self.error(f"nothing: {error.strerror}", f"{size} bytes") from None
        self._offset += len(data)
        return data

    def _whole(self, data: bytes, size: int) -> bytes:
        if len(data) < size:
            end = self._offset
            raise self.error(f"the end of the capture at {end}", f"{end + size - len(data)} bytes or more")
        return data


def _pcap(source: _Source, kind: _Pcap) -> Iterator[Frame]:
    header = struct.Struct(kind.order + kind.head)
    record = struct.Struct(kind.order + kind.record)
    (link,) = header.unpack(source.take(header.size))
    link &= 0xFFFF  # above it, how long the checksums of Ethernet frames are
    while head := source.begin("record", record.size):
        seconds, ticks, captured, size = record.unpack(head)
        if captured > _MAX_PACKET_SIZE:
            raise source.error(f"a packet of {captured} bytes", f"at most {_MAX_PACKET_SIZE}")
        yield Frame(link, round(seconds + ticks / kind.ticks_a_second, 6), source.take(captured), size)


def _snoop(source: _Source, magic: bytes) -> Iterator[Frame]:
    rest, version, link = struct.unpack(">4sII", source.take(12))
    if magic + rest != _SNOOP:
        raise source.error(f"{magic + rest!r}", f"{_SNOOP!r}")
    if version != 2:
        raise source.error(f"version {version}", "2")
    if link not in _SNOOP_LINKS:
        raise source.error(f"link type {link}", "4, which is Ethernet")
    record = struct.Struct(">IIIIII")
    while head := source.begin("record", record.size):
        size, captured, whole, _dropped, seconds, microseconds = record.unpack(head)
        if captured > _MAX_PACKET_SIZE:
            raise source.error(f"a packet of {captured} bytes", f"at most {_MAX_PACKET_SIZE}")
        if not 0 <= whole - record.size - captured <= _MAX_SNOOP_PADDING:
            least = record.size + captured
            raise source.error(f"a record of {whole} bytes", f"{least} to {least + _MAX_SNOOP_PADDING}")
        data = source.take(whole - record.size)[:captured]
        yield Frame(_SNOOP_LINKS[link], round(seconds + microseconds / 1_000_000, 6), data, size)


def _pcapng(source: _Source) -> Iterator[Frame]:
    """The packets of every section; blocks of other kinds are passed over."""
    order, interfaces = _section(source, source.take(8))
    while head := source.begin("block", 8):
        if head[:4] == _PCAPNG:
            order, interfaces = _section(source, head[4:] + source.take(4))
            continue
        kind, size = struct.unpack(order + "II", head)
        body = _body(source, order, size, 8)
        try:
            match kind:
                case 1:
                    if len(interfaces) == _MAX_INTERFACES:
                        raise source.error("one more interface", f"at most {_MAX_INTERFACES}")
                    interfaces.append(_interface(source, order, body))
                case 2:
                    yield _packet(source, interfaces, body, *struct.unpack_from(order + "H2xIIII", body))
                case 3:
                    yield _simple_packet(source, order, interfaces, body)
                case 6:
                    yield _packet(source, interfaces, body, *struct.unpack_from(order + "IIIII", body))
        except struct.error:
            raise source.error(f"a block of {size} bytes", "more") from None


def _section(source: _Source, head: bytes) -> tuple[str, list[_Interface]]:
    """The byte order of a section, from its size and magic number, and its interfaces, of which it has none yet."""
    order = _PCAPNG_ORDERS.get(head[4:])
    if order is None:
        raise source.error(f"the byte order {head[4:].hex()}", "1a2b3c4d or 4d3c2b1a")
    (size,) = struct.unpack(order + "I", head[:4])
    body = _body(source, order, size, 12)
    if len(body) < 12:
        raise source.error(f"a block of {size} bytes", "at least 28")
    (version,) = struct.unpack_from(order + "H", body)
    if version != 1:
        raise source.error(f"version {version}", "1")
    return order, []


def _body(source: _Source, order: str, size: int, read: int) -> bytes:
    """The rest of a block without the size at its end, which has to be the one at its start."""
    if size < read + 4 or size % 4 or size > _MAX_BLOCK_SIZE:
        raise source.error(f"a block of {size} bytes", f"a multiple of 4 up to {_MAX_BLOCK_SIZE}")
    rest = source.take(size - read)
    (again,) = struct.unpack(order + "I", rest[-4:])
    if again != size:
        raise source.error(f"a block of {size} bytes that ends with the size {again}", "the same size")
    return rest[:-4]


def _interface(source: _Source, order: str, body: bytes) -> _Interface:
    link, snap_length = struct.unpack_from(order + "H2xI", body)
    ticks_a_second, offset = 1_000_000, 0
    at = 8
    while at < len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        if code == 0:
            break
        if code == 9:
            (exponent,) = struct.unpack_from("B", body, at + 4)
            ticks_a_second = (2 if exponent & 0x80 else 10) ** (exponent & 0x7F)
        elif code == 14:
            (offset,) = struct.unpack_from(order + "q", body, at + 4)
        at += 4 + size + -size % 4
    return _Interface(link, snap_length, ticks_a_second, offset)


def _packet(
    source: _Source,
    interfaces: list[_Interface],
    body: bytes,
    number: int,
    high: int,
    low: int,
    captured: int,
    size: int,
) -> Frame:
    interface = _numbered(source, interfaces, number)
    if captured > min(len(body) - 20, _MAX_PACKET_SIZE):
        raise source.error(f"a packet of {captured} bytes", f"at most {min(len(body) - 20, _MAX_PACKET_SIZE)}")
    time = round((high << 32 | low) / interface.ticks_a_second + interface.offset, 6)
    return Frame(interface.link, time, body[20 : 20 + captured], size)


def _simple_packet(source: _Source, order: str, interfaces: list[_Interface], body: bytes) -> Frame:
    """One that has no time, and comes from the first interface; what is beyond its snap length is padding."""
    (size,) = struct.unpack_from(order + "I", body)
    interface = _numbered(source, interfaces, 0)
    return Frame(interface.link, None, body[4 : 4 + min(size, interface.snap_length or size)], size)


def _numbered(source: _Source, interfaces: list[_Interface], number: int) -> _Interface:
    if number >= len(interfaces):
        raise source.error(f"interface {number}", f"one of the {len(interfaces)} described before")
    return interfaces[number]

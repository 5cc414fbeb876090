"""A capture of network traffic, pcap or pcapng: the UDP datagrams in it, with time and addresses.

Both formats are read here, without scapy. Its readers of records end in silence where a file is cut or corrupt, read
blocks of any size into memory, and keep the interfaces of one pcapng section for the next. Its dissection of packets
takes dozens of times as long as everything here, and knows loopback captures only of the kind of machine it runs on.

The formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, https://www.tcpdump.org/linktypes.html
"""

import struct
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, BinaryIO, Final

from simp_proto.address import Address, format_address
from simp_proto.errors import DatagramError, SimpError


class CaptureError(SimpError, ValueError):
    """A capture that is cut or corrupt from some byte on; what came before it has been read."""

    def __init__(self, part: str, offset: int, read: str, expected: str) -> None:
        super().__init__(f"{part} at offset {offset}: read {read}, expected {expected}")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Captured:
    """One UDP datagram on its way. `time` is in seconds since 1970, UTC; some pcapng packets have none.

    `refused` says why `data` isn't all of it, where the capture or the packet ends too early.
    """

    time: float | None
    source: Address
    destination: Address
    data: bytes
    refused: DatagramError | None = None

    def __str__(self) -> str:
        """For people: when, from where and to where."""
        return f"{_moment(self.time)}  {format_address(self.source)} > {format_address(self.destination)}"

    @property
    def as_json(self) -> dict[str, Any]:
        """What comes before the datagram's own keys in its object."""
        source, destination = format_address(self.source), format_address(self.destination)
        return {"time": self.time, "source": source, "destination": destination}


def _moment(time: float | None) -> str:
    if time is None:
        return "(no time)"
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    except (OverflowError, OSError, ValueError):  # a capture may say any 64 bits
        return f"{time:.6f} seconds after 1970"


@dataclass(frozen=True, slots=True)
class _Packet:
    """A record of a capture: the bytes of one link-layer packet."""

    link: int
    time: float | None
    data: bytes
    size: int
    """Bytes that the packet had on the wire; the capture may have fewer."""


@dataclass(frozen=True, slots=True)
class _Interface:
    """Where pcapng packets come from, and how their times count."""

    link: int
    snap_length: int
    ticks_a_second: int
    offset: int


class _Skipped(Exception):  # noqa: N818  # nothing is wrong
    """A packet without a datagram to show, and why."""


_BROKEN: Final = "with headers that are cut or broken"
_FRAGMENTS: Final = "that are IP fragments, which aren't reassembled"

MAGIC_SIZE: Final = 4
_PCAP: Final = {
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
}
"""The first bytes of a pcap file: its byte order, and the fractions of a second that its times count."""
_PCAPNG: Final = b"\x0a\x0d\x0d\x0a"
_PCAPNG_ORDERS: Final = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}

# Sizes in a file are believed up to these limits, which Wireshark and libpcap have too.
_MAX_PACKET_SIZE: Final = 262_144
_MAX_BLOCK_SIZE: Final = 16 * 1024 * 1024
_MAX_INTERFACES: Final = 1024

_LINKS: Final[dict[int, tuple[int, int | None]]] = {
    1: (14, 12),  # Ethernet
    113: (16, 14),  # Linux cooked
    276: (20, 0),  # Linux cooked, version 2
    0: (4, None),  # BSD loopback: a number whose byte order and values are those of the machine
    108: (4, None),  # OpenBSD loopback
    12: (0, None),  # IP without anything before it, under all the numbers it has had
    14: (0, None),
    101: (0, None),
    228: (0, None),
    229: (0, None),
}
"""Link-layer types: the size of the header, and where in it the protocol is; without one, IP says its version."""
_VLANS: Final = (0x8100, 0x88A8, 0x9100)
_IP_VERSIONS: Final = {0x0800: 4, 0x86DD: 6}
_UDP: Final = 17
_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
_EXTENSIONS: Final = (0, 43, 60, _FRAGMENT, _AUTHENTICATION)
"""The IPv6 headers that may come before UDP."""


class Capture:
    """The UDP datagrams from or to one of `ports`, one by one as the stream has them.

    Iterating raises `CaptureError`. `skipped` counts the other packets by the reason why they aren't shown.
    """

    def __init__(self, magic: bytes, stream: BinaryIO, ports: Collection[int]) -> None:
        self.skipped: Counter[str] = Counter()
        self._ports = ports
        self._other = f"other than UDP port {' or '.join(map(str, ports))}"
        self._magic = magic
        self._source = _Source(stream, len(magic))

    def __iter__(self) -> Iterator[Captured]:
        packets = _pcapng(self._source) if self._magic == _PCAPNG else _pcap(self._source, *_PCAP[self._magic])
        for packet in packets:
            try:
                captured = self._datagram(packet)
            except _Skipped as reason:
                self.skipped[str(reason)] += 1
            except (struct.error, IndexError):
                self.skipped[_BROKEN] += 1
            else:
                yield captured

    def _datagram(self, packet: _Packet) -> Captured:
        """Raises `_Skipped`, and `struct.error` or `IndexError` where the packet ends within a header."""
        at, *hosts = self._udp(packet)
        data = packet.data
        source_port, destination_port, size = struct.unpack_from(">HHH", data, at)
        if size < 8:
            raise _Skipped(_BROKEN)
        if source_port not in self._ports and destination_port not in self._ports:
            raise _Skipped(self._other)
        payload = data[at + 8 : at + size]
        refused = None
        if len(payload) != size - 8:
            why = "the capture cut the packet" if len(data) < packet.size else "as its UDP header says"
            read = f"the end after {len(payload)} bytes"
            refused = DatagramError("capture", len(payload), read, f"{size - 8}: {why}")
        source, destination = map(_host, hosts)
        return Captured(packet.time, (source, source_port), (destination, destination_port), payload, refused)

    def _udp(self, packet: _Packet) -> tuple[int, bytes, bytes]:
        """Where the UDP header starts, and the IP addresses."""
        data = packet.data
        at, protocol_at = _LINKS.get(packet.link, (-1, None))
        if at < 0:
            raise _Skipped(f"of link type {packet.link}, which isn't supported")
        version = data[at] >> 4
        if protocol_at is not None:
            (protocol,) = struct.unpack_from(">H", data, protocol_at)
            while protocol in _VLANS:
                (protocol,) = struct.unpack_from(">H", data, at + 2)
                at += 4
            version = _IP_VERSIONS.get(protocol, 0)
        if version == 4:
            return self._udp_over_ipv4(data, at)
        if version == 6:
            return self._udp_over_ipv6(data, at)
        raise _Skipped(self._other)

    def _udp_over_ipv4(self, data: bytes, at: int) -> tuple[int, bytes, bytes]:
        fragment, _ttl, protocol = struct.unpack_from(">HBB", data, at + 6)
        if protocol != _UDP:
            raise _Skipped(self._other)
        if fragment & 0x3FFF:  # more of them, or not the first
            raise _Skipped(_FRAGMENTS)
        size = (data[at] & 0x0F) * 4
        if size < 20:
            raise _Skipped(_BROKEN)
        return at + size, data[at + 12 : at + 16], data[at + 16 : at + 20]

    def _udp_over_ipv6(self, data: bytes, at: int) -> tuple[int, bytes, bytes]:
        protocol, header = data[at + 6], at + 40
        while protocol in _EXTENSIONS:
            this = protocol
            protocol, size = struct.unpack_from("BB", data, header)
            if this == _FRAGMENT:
                (fragment,) = struct.unpack_from(">H", data, header + 2)
                if fragment & 0xFFF9 and protocol == _UDP:
                    raise _Skipped(_FRAGMENTS)
                header += 8
            else:
                header += (size + 2) * 4 if this == _AUTHENTICATION else (size + 1) * 8
        if protocol != _UDP:
            raise _Skipped(self._other)
        return header, data[at + 8 : at + 24], data[at + 24 : at + 40]


def is_capture(magic: bytes) -> bool:
    """Whether a file that begins with these bytes is a capture."""
    return magic == _PCAPNG or magic in _PCAP


@lru_cache(maxsize=1024)
def _host(address: bytes) -> str:
    return str(ip_address(address))


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


def _pcap(source: _Source, order: str, ticks_a_second: int) -> Iterator[_Packet]:
    header = struct.Struct(order + "16xI")
    record = struct.Struct(order + "IIII")
    (link,) = header.unpack(source.take(header.size))
    link &= 0xFFFF  # above it, how long the checksums of Ethernet frames are
    while head := source.begin("record", record.size):
        seconds, ticks, captured, size = record.unpack(head)
        if captured > _MAX_PACKET_SIZE:
            raise source.error(f"a packet of {captured} bytes", f"at most {_MAX_PACKET_SIZE}")
        yield _Packet(link, round(seconds + ticks / ticks_a_second, 6), source.take(captured), size)


def _pcapng(source: _Source) -> Iterator[_Packet]:
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
) -> _Packet:
    interface = _numbered(source, interfaces, number)
    if captured > min(len(body) - 20, _MAX_PACKET_SIZE):
        raise source.error(f"a packet of {captured} bytes", f"at most {min(len(body) - 20, _MAX_PACKET_SIZE)}")
    time = round((high << 32 | low) / interface.ticks_a_second + interface.offset, 6)
    return _Packet(interface.link, time, body[20 : 20 + captured], size)


def _simple_packet(source: _Source, order: str, interfaces: list[_Interface], body: bytes) -> _Packet:
    """One that has no time, and comes from the first interface; what is beyond its snap length is padding."""
    (size,) = struct.unpack_from(order + "I", body)
    interface = _numbered(source, interfaces, 0)
    return _Packet(interface.link, None, body[4 : 4 + min(size, interface.snap_length or size)], size)


def _numbered(source: _Source, interfaces: list[_Interface], number: int) -> _Interface:
    if number >= len(interfaces):
        raise source.error(f"interface {number}", f"one of the {len(interfaces)} described before")
    return interfaces[number]

"""Frames, as a link layer has them, and the UDP datagrams that they carry over IP.

The headers: https://www.tcpdump.org/linktypes.html, RFC 791, RFC 8200, RFC 768, RFC 2516 (PPPoE), RFC 1662 (PPP).
"""

import struct
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from simp_proto.address import Address, format_address
from simp_proto.cli.output import counted
from simp_proto.errors import DatagramError
from simp_proto.toolkit.fragments import Fragment, Fragments, Key


@dataclass(frozen=True, slots=True)
class Captured:
    """One UDP datagram on its way. `time` is in seconds since 1970, UTC; some captures have none.

    `refused` says why `data` isn't all of it, where the capture or the packet ends too early, or its UDP length lies.
    `note` says what is odd although a daemon would take it.
    """

    time: float | None
    source: Address
    destination: Address
    data: bytes
    refused: DatagramError | None = None
    note: str = ""

    def __str__(self) -> str:
        """For people: when, from where and to where."""
        note = f"  ({self.note})" if self.note else ""
        return f"{moment(self.time)}  {format_address(self.source)} > {format_address(self.destination)}{note}"

    @property
    def as_json(self) -> dict[str, Any]:
        """What comes before the datagram's own keys in its object."""
        source, destination = format_address(self.source), format_address(self.destination)
        shown: dict[str, Any] = {"time": self.time, "source": source, "destination": destination}
        return shown | {"note": self.note} if self.note else shown


def moment(time: float | None) -> str:
    """Date and time, UTC, as far as a calendar has them."""
    if time is None:
        return "(no time)"
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    except (OverflowError, OSError, ValueError):  # a capture may say any 64 bits
        return f"{time:.6f} seconds after 1970"


class Frame(NamedTuple):
    """The bytes of one link-layer packet."""

    link: int
    time: float | None
    data: bytes
    size: int
    """Bytes that it had on the wire; the capture may have fewer."""


class Skipped(Exception):  # noqa: N818  # nothing is wrong
    """A frame without a datagram to show, and why."""


BROKEN: Final = "with headers that are cut or broken"
FRAGMENTS: Final = "that are IP fragments without the rest of their datagrams, or overlap others"

ETHERNET: Final = 1
IP: Final = 101
LINUX_COOKED: Final = 113
LINUX_COOKED_2: Final = 276
BSD_LOOPBACK: Final = 0
IPNET: Final = 226
_PPP: Final = 9
_PKTAP: Final = 258
_LINKS: Final[dict[int, tuple[int, int | None]]] = {
    ETHERNET: (14, 12),
    LINUX_COOKED: (16, 14),
    LINUX_COOKED_2: (20, 0),
    104: (4, 2),  # Cisco's HDLC
    BSD_LOOPBACK: (4, None),  # a number whose byte order and values are those of the machine
    108: (4, None),  # OpenBSD loopback
    IPNET: (24, None),  # Solaris
    12: (0, None),  # IP without anything before it, under all the numbers it has had
    14: (0, None),
    IP: (0, None),
    228: (0, None),
    229: (0, None),
}
"""Link-layer types: the size of the header, and where in it the protocol is; without one, IP says its version."""
_PPP_LINKS: Final = {_PPP: 0, 50: 0, 51: 6}
"""PPP, serial and over Ethernet: what comes before it."""
_VLANS: Final = (0x8100, 0x88A8, 0x9100)
_LEAST_FRAME: Final = 60
_PPPOE: Final = 0x8864
_IP_VERSIONS: Final = {0x0800: 4, 0x86DD: 6}
_PPP_VERSIONS: Final = {0x0021: 4, 0x0057: 6}
_UDP: Final = 17
_UDP_SIZE: Final = 8
_UDP_HEAD: Final = struct.Struct(">HHH")
_IPV4_HEAD: Final = struct.Struct(">HHHBB")
_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
_EXTENSIONS: Final = (0, 43, 60, _FRAGMENT, _AUTHENTICATION)
"""The IPv6 headers that may come before UDP."""


class _Packet(NamedTuple):
    """What IP carries: UDP from `at` to `end`, which is `None` where the header has no length, as offloading writes."""

    data: bytes
    at: int
    end: int | None
    source: bytes
    destination: bytes
    is_cut: bool


class Frames:
    """The UDP datagrams from or to one of `ports`, of one frame after another.

    `skipped` counts frames by the reason why they aren't shown, `others` those of other ports by their ports.
    """

    def __init__(self, ports: Collection[int]) -> None:
        self.skipped: Counter[str] = Counter()
        self.others: Counter[int] = Counter()
        self._ports = ports
        self._other = f"other than UDP port {' or '.join(map(str, ports))}"
        self._fragments = Fragments()

    def datagram(self, frame: Frame) -> Captured | None:
        """The one that this frame has, or completes."""
        try:
            packet = self._ip(frame)
            return packet and self._udp(packet, frame.time)
        except Skipped as reason:
            self.skipped[str(reason)] += 1
        except (struct.error, IndexError):  # it ends within a header
            self.skipped[BROKEN] += 1
        return None

    def end(self) -> None:
        """No more frames come."""
        if unused := self._fragments.end():
            self.skipped[FRAGMENTS] += unused

    def _ip(self, frame: Frame) -> _Packet | None:
        at, version = _network(frame)
        if version == 4:
            return self._ipv4(frame, at)
        if version == 6:
            return self._ipv6(frame, at)
        raise Skipped(self._other)

    def _udp(self, packet: _Packet, time: float | None) -> Captured:
        data, at, end, source, destination, is_cut = packet
        source_port, destination_port, size = _UDP_HEAD.unpack_from(data, at)
        if source_port not in self._ports and destination_port not in self._ports:
            self.others.update({source_port, destination_port})
            raise Skipped(self._other)
        payload, refused, note = data[at + _UDP_SIZE : at + size], None, ""
        if end is None or at + size != end or end > len(data):
            payload, refused, note = _judged(data, at, size, end, is_cut)
        return Captured(
            time, (_host(source), source_port), (_host(destination), destination_port), payload, refused, note
        )

    def _ipv4(self, frame: Frame, at: int) -> _Packet | None:
        data = frame.data
        total, identification, fragment, _ttl, protocol = _IPV4_HEAD.unpack_from(data, at + 2)
        if protocol != _UDP:
            raise Skipped(self._other)
        header = (data[at] & 0x0F) * 4
        if header < 20 or 0 < total < header:
            raise Skipped(BROKEN)
        source, destination = data[at + 12 : at + 16], data[at + 16 : at + 20]
        end = at + total if total else None
        packet = _Packet(data, at + header, end, source, destination, len(data) < frame.size)
        if fragment & 0x3FFF:  # more of them, or not the first
            key = Key(source, destination, identification)
            return self._assembled(packet, key, (fragment & 0x1FFF) * 8, not fragment & 0x2000, frame.time)
        return packet

    def _ipv6(self, frame: Frame, at: int) -> _Packet | None:
        data = frame.data
        size, protocol = struct.unpack_from(">HB", data, at + 4)
        source, destination = data[at + 8 : at + 24], data[at + 24 : at + 40]
        end = at + 40 + size if size else None
        packet: _Packet | None = _Packet(data, at + 40, end, source, destination, len(data) < frame.size)
        while packet and protocol in _EXTENSIONS:
            this, header = protocol, packet.at
            protocol, size = struct.unpack_from("BB", packet.data, header)
            if this != _FRAGMENT:
                header += (size + 2) * 4 if this == _AUTHENTICATION else (size + 1) * 8
                packet = packet._replace(at=header)
                continue
            fragment, identification = struct.unpack_from(">HI", packet.data, header + 2)
            packet = packet._replace(at=header + 8)
            if fragment & 0xFFF9:
                if protocol != _UDP and protocol not in _EXTENSIONS:
                    break
                key = Key(source, destination, identification)
                packet = self._assembled(packet, key, fragment & 0xFFF8, not fragment & 1, frame.time)
        if packet and protocol != _UDP:
            raise Skipped(self._other)
        return packet

    def _assembled(self, packet: _Packet, key: Key, offset: int, is_last: bool, time: float | None) -> _Packet | None:
        """The packet that this fragment completes, without headers before UDP's."""
        data, at, end = packet.data, packet.at, packet.end
        size = (len(data) if end is None else end) - at
        if at + size > len(data) and not packet.is_cut:
            raise Skipped(BROKEN)
        try:
            whole = self._fragments.add(key, Fragment(offset, size, data[at : at + size], is_last), time)
        except ValueError:
            raise Skipped(BROKEN) from None
        if whole is None:
            return None
        ports = struct.unpack_from(">HH", whole.data)
        if not any(port in self._ports for port in ports):
            self.skipped[self._other] += whole.fragments - 1  # this frame is counted where its port is read
        return _Packet(whole.data, 0, whole.size, packet.source, packet.destination, len(whole.data) < whole.size)


def _network(frame: Frame) -> tuple[int, int]:
    """Where IP begins, and its version; 0 where it's something else."""
    data, link, at = frame.data, frame.link, 0
    if link == _PKTAP:  # macOS: what the frame is comes before it
        at, link = struct.unpack_from("<I4xI", data)
    if link in _PPP_LINKS:
        return _ppp(data, at + _PPP_LINKS[link])
    size, protocol_at = _LINKS.get(link, (-1, None))
    if size < 0:
        raise Skipped(f"of link type {link}, which isn't supported")
    if protocol_at is None:
        return at + size, data[at + size] >> 4
    (protocol,) = struct.unpack_from(">H", data, at + protocol_at)
    at += size
    while protocol in _VLANS:
        (protocol,) = struct.unpack_from(">H", data, at + 2)
        at += 4
    if protocol == _PPPOE:
        return _ppp(data, at + 6)
    return at, _IP_VERSIONS.get(protocol, 0)


def link_of(data: bytes | bytearray) -> int | None:
    """The link-layer type that bytes without one seem to have; `None` where they are no such packet."""
    if len(data) >= 40 and data[0] >> 4 == 6 and len(data) == 40 + int.from_bytes(data[4:6], "big"):
        return IP
    if len(data) >= 28 and data[0] >> 4 == 4 and len(data) == int.from_bytes(data[2:4], "big"):
        return IP
    for link in (ETHERNET, LINUX_COOKED, LINUX_COOKED_2, BSD_LOOPBACK):
        try:
            at, version = _network(Frame(link, None, bytes(data[:64]), len(data)))
        except (Skipped, struct.error, IndexError):
            continue
        is_family = link != BSD_LOOPBACK or sorted(data[:4])[:3] == [0, 0, 0]
        if version in (4, 6) and is_family and len(data) > at + 28 and data[at] >> 4 == version:
            return link
    if len(data) >= 28 and data[0] >> 4 == 4 and data[9] == _UDP:  # cut, or with a length that is wrong
        return IP
    return IP if len(data) >= 48 and data[0] >> 4 == 6 and data[6] in (_UDP, *_EXTENSIONS) else None


def is_packet(data: bytes | bytearray) -> bool:
    """Whether bytes are all of such a packet, with the padding and checksum that Ethernet may add."""
    link = link_of(data)
    if link is None:
        return False
    at, version = _network(Frame(link, None, bytes(data[:64]), len(data)))
    end = at + (
        int.from_bytes(data[at + 2 : at + 4], "big") if version == 4 else 40 + data[at + 4] * 256 + data[at + 5]
    )
    return len(data) == end if link == IP else end <= len(data) <= max(end, _LEAST_FRAME) + 4


def _ppp(data: bytes, at: int) -> tuple[int, int]:
    """The same, from where PPP begins; HDLC's address and control may come first."""
    if data[at : at + 2] == b"\xff\x03":
        at += 2
    if data[at] & 1:  # compressed to one byte
        return at + 1, _PPP_VERSIONS.get(data[at], 0)
    (protocol,) = struct.unpack_from(">H", data, at)
    return at + 2, _PPP_VERSIONS.get(protocol, 0)


def _judged(data: bytes, at: int, size: int, end: int | None, is_cut: bool) -> tuple[bytes, DatagramError | None, str]:
    """The payload, why it isn't all, and what is odd, where UDP's length isn't what is left of the IP packet."""
    start = at + _UDP_SIZE
    if end is None and size == 0:  # offloading: whoever cuts it into packets writes both lengths
        size = len(data) - at
    if size < _UDP_SIZE:
        payload, read, expected = data[start:end], f"a UDP length of {size}", "8 or more, the size of its own header"
        return payload, DatagramError("capture", len(payload), read, expected), ""
    payload = data[start : at + size if end is None else min(at + size, end)]
    if end is not None and at + size > end:
        read = f"the end of the IP packet after {max(end - start, 0)} bytes"
        lie = f"{size - _UDP_SIZE}: its UDP length of {size} lies"
        return payload, DatagramError("capture", len(payload), read, lie), ""
    if start + len(payload) < at + size:
        why = "the capture cut the packet" if is_cut else "as its UDP header says"
        read = f"the end after {len(payload)} bytes"
        return payload, DatagramError("capture", len(payload), read, f"{size - _UDP_SIZE}: {why}"), ""
    left = 0 if end is None else end - at - size
    return payload, None, f"its UDP length leaves {counted(left, 'byte')} of the IP packet out" if left else ""


@lru_cache(maxsize=1024)
def _host(address: bytes) -> str:
    return str(ip_address(address))

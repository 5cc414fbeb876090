"""Captures, assembled by hand from the formats' texts."""

import contextlib
import io
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simp_proto.toolkit.capture import MAGIC_SIZE, Capture, CaptureError, is_capture
from simp_proto.toolkit.frame import Captured

ALICE, BOB = ("192.0.2.1", 7777), ("192.0.2.2", 7777)
ALICE_6, BOB_6 = ("2001:db8::1", 7777), ("2001:db8::2", 7777)
TIME = 1_700_000_000.25
PAYLOAD = b"what daemons say"


def udp(payload: bytes = PAYLOAD, source: int = 7777, destination: int = 7777, size: int | None = None) -> bytes:
    return struct.pack(">HHHH", source, destination, 8 + len(payload) if size is None else size, 0) + payload


def ipv4(
    packet: bytes, protocol: int = 17, fragment: int = 0x4000, options: bytes = b"", hosts: tuple[int, int] = (1, 2)
) -> bytes:
    words = 5 + len(options) // 4
    size = words * 4 + len(packet)
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, size, 1, fragment, 64, protocol, 0)
    return head + bytes([192, 0, 2, hosts[0], 192, 0, 2, hosts[1]]) + options + packet


def ipv6(packet: bytes, following: int = 17) -> bytes:
    net = bytes.fromhex("20010db8") + bytes(11)
    return struct.pack(">IHBB", 0x6 << 28, len(packet), following, 64) + net + b"\1" + net + b"\2" + packet


def ethernet(packet: bytes, protocol: int = 0x0800) -> bytes:
    return bytes(12) + struct.pack(">H", protocol) + packet


def vlan(packet: bytes, protocol: int = 0x0800) -> bytes:
    return struct.pack(">HH", 5, protocol) + packet


def pppoe(protocol: int, packet: bytes) -> bytes:
    return struct.pack(">BBHHH", 0x11, 0, 7, 2 + len(packet), protocol) + packet


def pcap(*packets: bytes, link: int = 1, order: str = "<", nano: bool = False, whole: int | None = None) -> bytes:
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    file = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, link)
    for packet in packets:
        fraction = 250_000_000 if nano else 250_000
        size = len(packet) if whole is None else whole
        file += struct.pack(order + "IIII", 1_700_000_000, fraction, len(packet), size) + packet
    return file


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def section(order: str = "<", version: int = 1) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, version, 0, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(link: int = 1, options: bytes = b"", order: str = "<", snap_length: int = 0) -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snap_length) + options, order)


def enhanced(packet: bytes, number: int = 0, ticks: int = 1_700_000_000_250_000, order: str = "<") -> bytes:
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(packet), len(packet))
    return block(6, head + packet + bytes(-len(packet) % 4) + option(1, b"a comment", order) + bytes(4), order)


def capture(file: bytes, *ports: int) -> Capture:
    assert is_capture(file[:MAGIC_SIZE])
    return Capture(file[:MAGIC_SIZE], io.BytesIO(file[MAGIC_SIZE:]), ports or (7777,))


def read(file: bytes, *ports: int) -> list[Captured]:
    return list(capture(file, *ports))


V4, V6 = ipv4(udp()), ipv6(udp())
LINKS = {
    "Ethernet": (1, ethernet(V4), ethernet(V6, 0x86DD)),
    "Ethernet with padding": (1, ethernet(V4) + bytes(20), ethernet(V6, 0x86DD) + bytes(20)),
    "802.1Q": (1, ethernet(vlan(V4), 0x8100), ethernet(vlan(V6, 0x86DD), 0x8100)),
    "802.1ad": (1, ethernet(vlan(vlan(V4), 0x8100), 0x88A8), ethernet(vlan(vlan(V6, 0x86DD), 0x8100), 0x88A8)),
    "NULL, little-endian": (0, struct.pack("<I", 2) + V4, struct.pack("<I", 30) + V6),
    "NULL, big-endian": (0, struct.pack(">I", 2) + V4, struct.pack(">I", 24) + V6),
    "LOOP": (108, struct.pack(">I", 2) + V4, struct.pack(">I", 24) + V6),
    "SLL": (113, bytes(14) + struct.pack(">H", 0x0800) + V4, bytes(14) + struct.pack(">H", 0x86DD) + V6),
    "SLL2": (276, struct.pack(">H", 0x0800) + bytes(18) + V4, struct.pack(">H", 0x86DD) + bytes(18) + V6),
    "RAW": (101, V4, V6),
    "RAW, as Linux numbers it": (12, V4, V6),
    "RAW, as OpenBSD numbers it": (14, V4, V6),
    "IPV4": (228, V4, V4),
    "IPV6": (229, V6, V6),
    "PPPoE": (1, ethernet(pppoe(0x21, V4), 0x8864), ethernet(vlan(pppoe(0x57, V6), 0x8864), 0x8100)),
    "PPP": (9, b"\xff\x03\x00\x21" + V4, b"\x00\x57" + V6),
    "Cisco HDLC": (104, b"\x0f\x00\x08\x00" + V4, b"\x0f\x00\x86\xdd" + V6),
}


@pytest.mark.parametrize(("link", "packet", "packet_6"), LINKS.values(), ids=LINKS)
def test_links(link: int, packet: bytes, packet_6: bytes) -> None:
    over_ipv4, over_ipv6 = Captured(TIME, ALICE, BOB, PAYLOAD), Captured(TIME, ALICE_6, BOB_6, PAYLOAD)
    first = over_ipv6 if link == 229 else over_ipv4
    second = over_ipv4 if link == 228 else over_ipv6
    assert read(pcap(packet, packet_6, link=link)) == [first, second]


def test_links_that_one_table_has_not() -> None:
    pktap = struct.pack("<III", 108, 1, 1) + bytes(96)
    assert read(pcap(pktap + ethernet(V4), link=258)) == [Captured(TIME, ALICE, BOB, PAYLOAD)]
    assert read(pcap(bytes(24) + V6, link=226)) == [Captured(TIME, ALICE_6, BOB_6, PAYLOAD)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_tshark_finds_the_same(tmp_path: Path) -> None:
    file = section() + b"".join(interface(link) for link, _, _ in LINKS.values())
    for number, (_, packet, packet_6) in enumerate(LINKS.values()):
        file += enhanced(packet, number) + enhanced(packet_6, number)
    path = tmp_path / "every.pcapng"
    path.write_bytes(file)
    fields = (
        "frame.time_epoch",
        "ip.src",
        "ipv6.src",
        "udp.srcport",
        "ip.dst",
        "ipv6.dst",
        "udp.dstport",
        "udp.payload",
    )
    command = ["tshark", "-r", str(path), "-T", "fields", *(each for field in fields for each in ("-e", field))]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [each.split() for each in lines] == [
        [
            f"{captured.time:.9f}",
            *(str(part) for address in (captured.source, captured.destination) for part in address),
            captured.data.hex(),
        ]
        for captured in read(file)
    ]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("nano", [False, True])
def test_byte_orders_and_fractions_of_pcap(order: str, nano: bool) -> None:
    assert read(pcap(ethernet(V4), order=order, nano=nano)) == [Captured(TIME, ALICE, BOB, PAYLOAD)]


@pytest.mark.parametrize("order", "<>")
def test_what_routers_write(order: str) -> None:
    """The interface, a protocol and the packet's kind come before each packet, too."""
    file = struct.pack(order + "IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 65_535, 1)
    for _ in range(2):
        packet = ethernet(V4)
        file += struct.pack(order + "IIIIIHBx", 1_700_000_000, 250_000, len(packet), len(packet), 2, 8, 0) + packet
    assert read(file) == [Captured(TIME, ALICE, BOB, PAYLOAD)] * 2
    with pytest.raises(CaptureError, match="record at offset 24"):
        read(file[:40])


@pytest.mark.parametrize("order", "<>")
def test_what_testers_of_ixia_write(order: str) -> None:
    file = pcap(ethernet(V4), order=order, nano=True)
    size = struct.pack(order + "I", len(file) - 24)
    file = struct.pack(order + "I", 0x1C0001AC) + file[4:24] + size + file[24:]
    assert read(file) == [Captured(TIME, ALICE, BOB, PAYLOAD)]


def snoop(*packets: bytes, version: int = 2, link: int = 4, pad: int = 0) -> bytes:
    file = b"snoop\0\0\0" + struct.pack(">II", version, link)
    for packet in packets:
        whole = 24 + len(packet) + -len(packet) % 4 + pad
        head = struct.pack(">IIIIII", len(packet), len(packet), whole, 0, 1_700_000_000, 250_000)
        file += head + packet + bytes(whole - 24 - len(packet))
    return file


def test_snoop() -> None:
    for file in (snoop(*[ethernet(V4)] * 2), snoop(*[ethernet(V4)] * 2, pad=8), snoop(*[ethernet(V4)] * 2, link=0)):
        assert read(file) == [Captured(TIME, ALICE, BOB, PAYLOAD)] * 2


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
@pytest.mark.parametrize("kind", ["modpcap", "snoop", "nsecpcap", "pcapng"])
def test_what_editcap_writes(kind: str, tmp_path: Path) -> None:
    """The same packets in other formats, as Wireshark's own tool converts them."""
    (tmp_path / "a.pcap").write_bytes(pcap(ethernet(V4), ethernet(V6, 0x86DD)))
    subprocess.run(["editcap", "-F", kind, str(tmp_path / "a.pcap"), str(tmp_path / "b")], check=True)
    expected = [Captured(TIME, ALICE, BOB, PAYLOAD), Captured(TIME, ALICE_6, BOB_6, PAYLOAD)]
    assert read((tmp_path / "b").read_bytes()) == expected


def test_the_link_type_shares_its_field_with_the_length_of_checksums() -> None:
    assert len(read(pcap(ethernet(V4), link=0x5400_0001))) == 1


@pytest.mark.parametrize("order", "<>")
def test_pcapng_with_two_interfaces(order: str) -> None:
    milliseconds = option(9, b"\x03", order) + option(14, struct.pack(order + "q", 1_000_000_000), order)
    file = section(order) + interface(order=order) + interface(101, milliseconds + bytes(4), order)
    file += enhanced(ethernet(V4), order=order) + block(5, bytes(8), order)
    file += enhanced(V6, 1, 700_000_000_250, order=order)
    assert read(file) == [Captured(TIME, ALICE, BOB, PAYLOAD), Captured(TIME, ALICE_6, BOB_6, PAYLOAD)]


@pytest.mark.parametrize(
    ("resolution", "ticks", "seconds"),
    [
        (b"\x00", 17, 17.0),
        (b"\x09", 1_700_000_000_250_000_000, TIME),
        (b"\x94", 5 << 19, 2.5),  # 2 ** 20 a second
        (b"\x7f", 10, 0.0),
        (b"\xff", 10, 0.0),
    ],
)
def test_resolutions(resolution: bytes, ticks: int, seconds: float) -> None:
    file = section() + interface(options=option(9, resolution)) + enhanced(ethernet(V4), ticks=ticks)
    assert [captured.time for captured in read(file)] == [seconds]


def test_a_new_section_has_its_own_order_and_interfaces() -> None:
    file = section() + interface(101) + enhanced(V4)
    file += section(">") + interface(order=">") + enhanced(ethernet(V4), order=">")
    assert len(read(file)) == 2
    with pytest.raises(CaptureError, match="interface 0, expected one of the 0"):
        read(section() + interface(101) + section() + enhanced(V4))


def test_simple_and_obsolete_packets() -> None:
    simple = block(3, struct.pack("<I", len(V4)) + V4)
    obsolete = block(2, struct.pack("<HHIIII", 0, 9, 0, 4_000_000, len(V4), len(V4)) + V4)
    assert [captured.time for captured in read(section() + interface(101) + simple + obsolete)] == [None, 4.0]
    (cut,) = read(
        section() + interface(101, snap_length=30) + block(3, struct.pack("<I", len(V4)) + V4[:30] + bytes(2))
    )
    assert cut.data == PAYLOAD[:2]
    assert cut.refused
    assert "the capture cut the packet" in str(cut.refused)


def test_headers_that_stand_before_udp() -> None:
    options = ipv4(udp(), options=bytes(8))
    authentication = struct.pack(">BBHII", 17, 2, 0, 1, 1) + bytes(4) + udp()
    atomic_fragment = struct.pack(">BBHI", 51, 0, 0, 7) + authentication
    hop_by_hop = struct.pack(">BB", 44, 1) + bytes(14) + atomic_fragment
    reserved_bits = struct.pack(">BBHI", 17, 0, 6, 7) + udp()
    file = pcap(options, ipv6(hop_by_hop, 0), ipv6(reserved_bits, 44), link=101)
    assert [captured.data for captured in read(file)] == [PAYLOAD] * 3


def test_only_the_port_asked_for() -> None:
    ours, from_ours, others = udp(b"a", 7777, 9), udp(b"b", 9, 7777), udp(b"c", 9, 10)
    tcp, arp = ethernet(ipv4(udp(b"d"), 6)), ethernet(bytes(28), 0x0806)
    file = pcap(*(ethernet(ipv4(packet)) for packet in (ours, from_ours, others)), tcp, arp)
    reading = capture(file)
    assert [captured.data for captured in reading] == [b"a", b"b"]
    assert reading.frames.skipped == {"other than UDP port 7777": 3}
    assert [captured.data for captured in read(file, 10)] == [b"c"]
    assert [captured.data for captured in read(file, 10, 7777)] == [b"a", b"b", b"c"]


ALONE = "that are IP fragments without the rest of their datagrams, or overlap others"
FIRST_OF_6 = struct.pack(">BBHI", 17, 0, 1, 7) + udp()
PASSED_OVER = {
    "the first fragment": (101, ipv4(udp(), fragment=0x2000), ALONE),
    "a later fragment": (101, ipv4(udp(), fragment=0x0010), ALONE),
    "an IPv6 fragment": (101, ipv6(FIRST_OF_6, 44), ALONE),
    "an unknown link": (147, V4, "of link type 147, which isn't supported"),
    "nothing": (1, b"", "with headers that are cut or broken"),
    "half an Ethernet header": (1, bytes(7), "with headers that are cut or broken"),
    "half an IPv4 header": (101, V4[:15], "with headers that are cut or broken"),
    "half an IPv6 header": (101, V6[:30], "with headers that are cut or broken"),
    "half an extension": (101, ipv6(b"\x11", 60), "with headers that are cut or broken"),
    "half a UDP header": (101, V4[:25], "with headers that are cut or broken"),
    "an IPv4 header of 16 bytes": (101, b"\x44" + V4[1:], "with headers that are cut or broken"),
    "VLANs without end": (
        1,
        ethernet(struct.pack(">HH", 0, 0x8100) * 9, 0x8100),
        "with headers that are cut or broken",
    ),
    "IP version 5": (101, b"\x55" + V4[1:], "other than UDP port 7777"),
}


@pytest.mark.parametrize(("link", "packet", "reason"), PASSED_OVER.values(), ids=PASSED_OVER)
def test_what_is_passed_over_is_counted_by_its_reason(link: int, packet: bytes, reason: str) -> None:
    reading = capture(pcap(packet, link=link))
    assert list(reading) == []
    assert reading.frames.skipped == {reason: 1}


def test_what_the_capture_cut_is_told() -> None:
    (cut,) = read(pcap(ethernet(V4)[:-5], whole=len(ethernet(V4))))
    assert (cut.source, cut.data) == (ALICE, PAYLOAD[:-5])
    assert cut.refused
    assert (cut.refused.field, cut.refused.offset) == ("capture", 11)
    assert "read the end after 11 bytes, expected 16: the capture cut the packet" in str(cut.refused)


HEAD = section() + interface()
PCAP = pcap()
BROKEN = {
    "half a pcap header": (PCAP[:20], 0, "the end of the capture at 20, expected 24 bytes"),
    "half a record header": (PCAP + bytes(7), 24, "the end of the capture at 31, expected 40 bytes"),
    "half a packet": (pcap(bytes(50))[:-1], 24, "the end of the capture at 89, expected 90 bytes"),
    "a huge packet": (PCAP + struct.pack("<IIII", 0, 0, 1 << 31, 9), 24, "a packet of 2147483648 bytes"),
    "half a section": (section()[:9], 0, "the end of the capture at 9"),
    "a section without a byte order": (section()[:8] + bytes(20), 0, "the byte order 00000000"),
    "a section without a version": (block(0x0A0D0D0A, struct.pack("<I", 0x1A2B3C4D)), 0, "a block of 16 bytes"),
    "version 2": (section(version=2), 0, "version 2, expected 1"),
    "half a block header": (HEAD + bytes(5), 48, "the end of the capture at 53, expected 56 bytes"),
    "half a block": (HEAD + enhanced(V4)[:-2], 48, "the end of the capture"),
    "a block of 8 bytes": (HEAD + struct.pack("<II", 6, 8), 48, "a block of 8 bytes"),
    "a block of 13 bytes": (HEAD + struct.pack("<II", 6, 13), 48, "a block of 13 bytes"),
    "a huge block": (HEAD + struct.pack("<II", 77, 1 << 31), 48, "a block of 2147483648 bytes"),
    "two sizes": (HEAD + enhanced(V4)[:-4] + bytes(4), 48, "that ends with the size 0"),
    "an unknown interface": (HEAD + enhanced(V4, 1), 48, "interface 1, expected one of the 1"),
    "a simple packet without an interface": (section() + block(3, bytes(8)), 28, "interface 0, expected one of the 0"),
    "a packet longer than its block": (
        HEAD + block(6, struct.pack("<IIIII", 0, 0, 0, 9, 9)),
        48,
        "a packet of 9 bytes",
    ),
    "a packet block without a packet": (HEAD + block(6, bytes(8)), 48, "a block of 20 bytes, expected more"),
    "an interface without a link": (section() + block(1, bytes(4)), 28, "a block of 16 bytes, expected more"),
    "an interface with half an option": (
        section() + interface(options=struct.pack("<HH", 9, 1)),
        28,
        "a block of 24 bytes, expected more",
    ),
    "a text that begins like snoop": (b"snoopy, the dog.", 0, "expected b'snoop"),
    "half a snoop header": (snoop()[:12], 0, "the end of the capture at 12"),
    "snoop 1": (snoop(version=1), 0, "version 1, expected 2"),
    "snoop over FDDI": (snoop(link=8), 0, "link type 8, expected 4"),
    "half a snoop packet": (snoop(bytes(50))[:-3], 16, "the end of the capture at 89, expected 92"),
    "a huge snoop packet": (snoop() + struct.pack(">IIIIII", 9, 1 << 31, 1 << 31, 0, 0, 0), 16, "a packet of"),
    "a huge snoop record": (snoop() + struct.pack(">IIIIII", 9, 9, 1 << 31, 0, 0, 0), 16, "a record of 2147483648"),
    "a snoop record too small": (snoop() + struct.pack(">IIIIII", 9, 9, 30, 0, 0, 0), 16, "a record of 30 bytes"),
    "too many interfaces": (
        section() + interface() * 1025,
        28 + 1024 * 20,
        "one more interface, expected at most 1024",
    ),
}


@pytest.mark.parametrize(("file", "offset", "words"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_told_by_its_offset(file: bytes, offset: int, words: str) -> None:
    with pytest.raises(CaptureError) as raised:
        read(file)
    assert raised.value.offset == offset
    assert f"at offset {offset}: read " in str(raised.value)
    assert words in str(raised.value)


def test_what_came_before_is_read() -> None:
    for file in (pcap(ethernet(V4), ethernet(V4))[:-1], (HEAD + enhanced(ethernet(V4)) * 2)[:-1]):
        packets = iter(capture(file))
        assert next(packets).data == PAYLOAD
        with pytest.raises(CaptureError):
            next(packets)


def test_a_stream_that_fails() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(CaptureError, match="read nothing: Input/output error"):
        list(Capture(PCAP[:4], Failing(), (7777,)))


def test_datagrams_come_before_the_stream_ends() -> None:
    """A live capture: the next record isn't asked for before this one has been shown."""

    class Pipe(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            assert len(data) == size, "would have waited"
            return data

    for file in (pcap(ethernet(V4)), HEAD + enhanced(ethernet(V4))):
        assert next(iter(Capture(file[:4], Pipe(file[4:]), (7777,)))).data == PAYLOAD


@pytest.mark.parametrize("magic", [b"", b"\xd4\xc3\xb2", b"0102", b"\x01\x02\x00a", b"\xa1\xb2\xcd\x35"])
def test_what_is_no_capture(magic: bytes) -> None:
    assert not is_capture(magic)


def exhaust(file: bytes) -> None:
    """Reads it to its end, or to the error that the documentation promises."""
    with contextlib.suppress(CaptureError):
        read(file)


MAGICS = st.sampled_from(
    [PCAP[:4], pcap(order=">")[:4], pcap(nano=True)[:4], section()[:4], b"snoo", b"\x34\xcd\xb2\xa1"]
)


@given(MAGICS, st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_else(magic: bytes, rest: bytes) -> None:
    exhaust(magic + rest)


@given(st.sampled_from([link for link, _, _ in LINKS.values()]), st.binary(max_size=120))
@example(1, ethernet(struct.pack(">HH", 0, 0x8100), 0x8100))
def test_arbitrary_packets_raise_nothing(link: int, packet: bytes) -> None:
    read(pcap(packet, link=link))


WHOLE: list[Callable[[], bytes]] = [
    lambda: pcap(ethernet(V4), ethernet(V6, 0x86DD), ethernet(vlan(V4), 0x8100)),
    lambda: pcap(V4, V6, ipv6(FIRST_OF_6, 44), link=101, order=">"),
    lambda: (
        HEAD + interface(101, option(9, b"\x09") + bytes(4)) + enhanced(ethernet(V4)) + enhanced(V6, 1) + section(">")
    ),
]


@given(st.sampled_from(WHOLE), st.data())
def test_changed_captures_raise_nothing_else(whole: Callable[[], bytes], data: st.DataObject) -> None:
    file = bytearray(whole())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(MAGIC_SIZE, len(file) - 1))
        file[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    exhaust(bytes(file))

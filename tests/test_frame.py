"""From a frame to the UDP datagram in it: fragments, and lengths that disagree."""

import io
import shutil
import struct
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from simp_proto.toolkit.capture import Capture
from simp_proto.toolkit.frame import Captured
from tests.test_capture import (
    ALICE,
    ALICE_6,
    ALONE,
    BOB,
    BOB_6,
    PAYLOAD,
    V4,
    capture,
    ethernet,
    ipv4,
    ipv6,
    pcap,
    read,
    udp,
)

LONG = bytes(range(200)) * 10


def fragmented(packet: bytes, *cuts: int, number: int = 1) -> list[bytes]:
    """IPv4 packets with the parts of what IP carries between those cuts, which are multiples of 8."""
    parts = []
    for start, end in pairwise((0, *cuts, len(packet))):
        whole = bytearray(ipv4(packet[start:end], fragment=(0x2000 if end < len(packet) else 0) | start // 8))
        whole[4:6] = struct.pack(">H", number)
        parts.append(bytes(whole))
    return parts


def fragmented_6(packet: bytes, *cuts: int, number: int = 1, following: int = 17) -> list[bytes]:
    return [
        ipv6(struct.pack(">BBHI", following, 0, start | (end < len(packet)), number) + packet[start:end], 44)
        for start, end in pairwise((0, *cuts, len(packet)))
    ]


def payloads(*packets: bytes, link: int = 101) -> list[bytes]:
    return [captured.data for captured in read(pcap(*packets, link=link))]


@pytest.mark.parametrize("turned", [1, -1])
def test_fragments_are_put_together(turned: int) -> None:
    for parts, between in (
        (fragmented(udp(LONG), 576, 1152), (ALICE, BOB)),
        (fragmented_6(udp(LONG), 1232), (ALICE_6, BOB_6)),
    ):
        (captured,) = read(pcap(*parts[::turned], link=101))
        assert (captured.source, captured.destination, captured.data) == (*between, LONG)
        assert captured.refused is None


def test_headers_that_are_fragmented_with_udp() -> None:
    options = struct.pack(">BB", 17, 0) + bytes(6)
    assert payloads(*fragmented_6(options + udp(LONG), 8, 16, following=60)) == [LONG]


def test_fragments_of_several_come_mixed_among_others() -> None:
    one, other = fragmented(udp(LONG), 576), fragmented(udp(LONG[::-1]), 576, number=2)
    assert payloads(one[0], V4, other[1], other[0], one[1]) == [PAYLOAD, LONG[::-1], LONG]


def test_a_bridge_shows_each_fragment_twice() -> None:
    one, other = fragmented(udp(LONG), 576)
    assert payloads(one, one, other, other) == payloads(one, other, one, other) == [LONG, LONG]


def test_fragments_without_the_rest_are_counted() -> None:
    first, second, third = fragmented(udp(LONG), 576, 1152)
    elsewhere = fragmented(udp(LONG, 1, 2), 576, number=3)
    tcp = ipv4(LONG, 6, fragment=0x2000)
    reading = capture(pcap(first, third, *elsewhere, V4, tcp, link=101))
    assert len(list(reading)) == 1
    assert reading.frames.skipped == {ALONE: 2, "other than UDP port 7777": 3}
    assert payloads(first, third, second) == [LONG]


def test_a_number_that_is_used_again_is_another_datagram() -> None:
    """A fragment whose bytes differ from what there is (RFC 5722) begins anew."""
    one, other = fragmented(udp(LONG), 576), fragmented(udp(LONG[::-1]), 576)
    assert payloads(*one, *other) == [LONG, LONG[::-1]]
    assert payloads(one[0], *other) == [LONG[::-1]]
    overlapping = ipv4(LONG[:80], fragment=0x2000 | 70)
    reading = capture(pcap(one[0], overlapping, one[1], link=101))
    assert list(reading) == []
    assert reading.frames.skipped == {ALONE: 3}


def test_a_fragment_that_the_capture_cut() -> None:
    first, second = fragmented(udp(LONG), 1200)
    file = pcap(link=101)
    for packet, kept in ((first, 100), (second, len(second))):
        file += struct.pack("<IIII", 1, 0, kept, len(packet)) + packet[:kept]
    (cut,) = read(file)
    assert cut.data == LONG[:72]
    assert "expected 2000: the capture cut the packet" in str(cut.refused)


@pytest.mark.parametrize(
    "packet",
    [
        ipv4(bytes(20), fragment=0x2000),  # not a multiple of 8
        ipv4(bytes(24), fragment=0x1FFF),  # beyond 65,535
        ipv4(b"", fragment=0x2001),
        struct.pack(">BBH", 0x45, 0, 19) + ipv4(bytes(24))[4:],
        struct.pack(">BBH", 0x45, 0, 99) + ipv4(bytes(24), fragment=0x2000)[4:],
    ],
)
def test_fragments_that_no_datagram_has(packet: bytes) -> None:
    reading = capture(pcap(packet, link=101))
    assert list(reading) == []
    assert reading.frames.skipped == {"with headers that are cut or broken": 1}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_tshark_puts_the_same_together(tmp_path: Path) -> None:
    packets = [*fragmented(udp(LONG), 576, 1152), *fragmented_6(udp(LONG[::-1]), 8, 1232)[::-1]]
    (tmp_path / "a").write_bytes(pcap(*packets, link=101))
    command = ["tshark", "-r", str(tmp_path / "a"), "-Y", "udp", "-T", "fields", "-e", "udp.payload"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert shown == [data.hex() for data in payloads(*packets)]


def test_a_udp_length_that_lies_is_named() -> None:
    trailer = bytes(9)
    (longer,) = read(pcap(ethernet(ipv4(udp(size=27))) + trailer))
    assert longer.data == PAYLOAD
    assert str(longer.refused).endswith(
        "read the end of the IP packet after 16 bytes, expected 19: its UDP length of 27 lies"
    )
    (longer,) = read(pcap(ethernet(ipv6(udp(size=27)), 0x86DD) + trailer))
    assert (longer.data, str(longer.refused)[-4:]) == (PAYLOAD, "lies")
    (shorter,) = read(pcap(ethernet(ipv4(udp(size=20))) + trailer))
    assert (shorter.data, shorter.refused) == (PAYLOAD[:12], None)  # as a kernel hands it over
    assert str(shorter).endswith("  (its UDP length leaves 4 bytes of the IP packet out)")
    assert shorter.as_json["note"] == "its UDP length leaves 4 bytes of the IP packet out"
    for size in (0, 7):
        (less,) = read(pcap(ethernet(ipv4(udp(size=size))) + trailer))
        assert less.data == PAYLOAD
        assert f"read a UDP length of {size}, expected 8 or more" in str(less.refused)


def test_lengths_that_offloading_leaves_out() -> None:
    """The network card writes both, after the capture has seen the packet."""
    packet = bytearray(ipv4(udp(size=0)))
    packet[2:4] = bytes(2)
    assert read(pcap(bytes(packet), link=101))[0].refused is None
    assert payloads(bytes(packet)) == [PAYLOAD]
    jumbo = bytearray(ipv6(udp(size=0)))
    jumbo[4:6] = bytes(2)
    assert payloads(bytes(jumbo)) == [PAYLOAD]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = fragmented(udp(LONG), 576)
    many = [part for number in range(2, 1027) for part in fragmented(udp(LONG), 576, number=number)[:1]]
    assert payloads(first, *many[:1000], last) == [LONG]
    assert payloads(first, *many, last) == []
    monkeypatch.setattr("simp_proto.toolkit.fragments._MAX_BYTES", 10_000)
    assert payloads(first, *many[:5], last) == [LONG]
    assert payloads(first, *many[:20], last) == []


def test_fragments_have_a_minute() -> None:
    first, last = fragmented(udp(LONG), 576)
    for seconds, found in ((59, 1), (61, 0)):
        file = pcap(link=101)
        for time, packet in ((0, first), (seconds, last)):
            file += struct.pack("<IIII", time, 0, len(packet), len(packet)) + packet
        assert len(read(file)) == found


def test_what_comes_after_the_frames_that_are_read() -> None:
    """What was found is there before the capture ends: nothing waits for fragments."""
    packets = iter(Capture(pcap()[:4], io.BytesIO(pcap(V4, V4, link=101)[4:]), (7777,)))
    assert isinstance(next(packets), Captured)

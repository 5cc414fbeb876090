"""What is said of datagrams that were spoilt in a way that is known, and that nothing is of right ones (spec 2)."""

import struct
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from simp_proto.constants import Framing
from simp_proto.datagram import build, reading_order
from simp_proto.errors import SealedError
from simp_proto.toolkit.diagnosis import hints
from simp_proto.toolkit.reading import Reading
from tests.test_datagram import datagrams, mutated, rfc1071

GOLDEN = tomllib.loads((Path(__file__).parent.parent / "spec" / "packets.toml").read_text("utf-8"))
EXPLAINED = {
    "a byte too many": ["the first 46 bytes alone are right in header"],
    "a checksum of zero": ["the checksum is zero, as if it hadn't been computed"],
    "ffff for 0000": ["the checksum at offset 39 is right except for a zero, which isn't sent as ffff here"],
    "header, asked for in trailer": ["in header it is right"],
    "header, asked for in bare": ["in header it is right"],
    "bare, asked for in header": ["in bare it is right"],
}
payloads = st.binary(min_size=1, max_size=60)


@given(datagrams())
def test_of_what_is_right_nothing_is_said(datagram: Any) -> None:
    assert hints(build(datagram), datagram.framing) == []


@pytest.mark.parametrize("packet", GOLDEN["packet"], ids=lambda packet: packet["name"])
def test_of_golden_packets_nothing_is_said(packet: dict[str, Any]) -> None:
    assert hints(bytes.fromhex(packet["hex"]), Framing(packet["framing"])) == []


@pytest.mark.parametrize("packet", GOLDEN["refused"], ids=lambda packet: packet["name"])
def test_of_golden_refusals_only_what_is_so(packet: dict[str, Any]) -> None:
    said = hints(bytes.fromhex(packet["hex"]), Framing(packet.get("framing", "header")))
    assert said == EXPLAINED.get(packet["name"], [])


def head(payload: bytes, length: bytes = b"") -> bytes:
    return struct.pack("!BBB32s4s", 2, 1, 1, b"alice", length or struct.pack("!I", len(payload)))


def in_header(payload: bytes, checksum: bytes, length: bytes = b"") -> bytes:
    return head(payload, length) + checksum + payload


def in_trailer(payload: bytes, checksum: bytes, length: bytes = b"") -> bytes:
    return head(payload, length) + payload + checksum


def sum_of(payload: bytes, length: bytes = b"") -> int:
    """In `header`, whose checksum stands between two whole words."""
    return rfc1071(head(payload, length) + b"\0\0" + payload)


def said_of(data: bytes, conversation: str = "header") -> list[str]:
    """As of a datagram that is refused in whichever framing."""
    reading = Reading.of(data, reading_order(Framing(conversation)))
    if reading.datagram or isinstance(reading.error, SealedError):  # or right, with a payload of SIMP/2
        reject()
    assert reading.framing
    return hints(data, reading.framing)


def big(number: int) -> bytes:
    return struct.pack(">H", number)


def little(number: int) -> bytes:
    return struct.pack("<H", number)


@pytest.mark.parametrize("framing", list(Framing))
@given(payloads)
def test_a_little_endian_length(framing: Framing, payload: bytes) -> None:
    length = struct.pack("<I", len(payload))
    checksum = sum_of(payload, length)
    data = {
        Framing.HEADER: in_header(payload, big(checksum), length),
        Framing.TRAILER: in_trailer(payload, little(checksum), length),
        Framing.BARE: head(payload, length) + payload,
    }[framing]
    assert Reading.of(data, reading_order(framing)).error
    said = hints(data, framing)
    words = f"the length is little-endian: read that way, it is {len(payload)}, which fits"
    assert said[:1] == [words]
    assert framing is Framing.BARE or said == [words]


@given(payloads)
def test_a_length_of_all(payload: bytes) -> None:
    length = struct.pack("!I", 41 + len(payload))
    data = in_header(payload, big(sum_of(payload, length)), length)
    assert said_of(data) == ["the length is the size of the whole datagram, but should be that of the payload"]


@given(payloads, st.binary(min_size=1, max_size=9))
def test_what_is_left_over(payload: bytes, more: bytes) -> None:
    right = in_header(payload, big(sum_of(payload)))
    words = f"the first {len(right)} bytes alone are right in header"
    assert words in said_of(right + more)
    other = in_trailer(payload, little(sum_of(payload)))
    assert set(said_of(other + more)) & {words, words.replace("header", "trailer")}


def dropping_carries(payload: bytes) -> int:
    data = head(payload) + b"\0\0" + payload
    data += bytes(len(data) % 2)
    return ~sum(data[at] << 8 | data[at + 1] for at in range(0, len(data), 2)) & 0xFFFF


def odd_byte_low(payload: bytes) -> int:
    assume(len(payload) % 2 == 0)  # so that 41 and it are odd
    return rfc1071(head(payload) + b"\0\0" + payload[:-1] + b"\0" + payload[-1:])


def swapped(payload: bytes) -> int:
    (read,) = struct.unpack("<H", big(sum_of(payload)))
    return int(read)


WRONG: dict[str, Callable[[bytes], int]] = {
    "the odd byte at the end: a zero byte goes after it": odd_byte_low,
    "the payload, which it leaves out": lambda payload: rfc1071(head(payload)),
    "its complement, which wasn't taken": lambda payload: 0xFFFF - sum_of(payload),
    "its carries, which weren't added back": dropping_carries,
}


@pytest.mark.parametrize("fault", WRONG)
@given(payload=payloads)
def test_a_checksum_computed_in_a_wrong_way(fault: str, payload: bytes) -> None:
    assume(sum_of(payload) != 0)  # ffff for it is another fault
    checksum = WRONG[fault](payload)
    assume(checksum != sum_of(payload))
    said = said_of(in_header(payload, big(checksum)))
    assert f"the checksum at offset 39 is right except for {fault}" in said
    said = said_of(in_trailer(payload, little(checksum)), "trailer")
    assert f"the last two bytes are a checksum, right except for {fault}" in said


@given(payloads)
def test_a_checksum_whose_bytes_are_swapped(payload: bytes) -> None:
    """Of an odd number of bytes it is right in `trailer`: that nobody can tell."""
    right = sum_of(payload)
    assume(big(right) != little(right))
    data = in_header(payload, little(right))
    if len(data) % 2:
        assume(data[-2:] not in (b"\0\0", b"\xff\xff"))  # for the sum they are the same
        assert Reading.of(data).datagram
    else:
        words = "the order of its two bytes; or it was put at the end, big-endian, where it is right, too"
        assert f"the checksum at offset 39 is right except for {words}" in said_of(data)


@given(payloads)
def test_a_big_endian_checksum_at_the_end(payload: bytes) -> None:
    """Of an even number of bytes it looks like one that is swapped in `header`."""
    right = sum_of(payload)
    assume(big(right) != little(right))
    data = in_trailer(payload, big(right))
    words = "the last two bytes are a checksum, right except for their order: trailer has them swapped"
    if len(data) % 2:
        assert any(hint.startswith(words + ", or the zero byte that goes after") for hint in said_of(data, "trailer"))
    else:
        assert words in said_of(data, "trailer")
        assume(data[39:41] not in (b"\0\0", b"\xff\xff"))  # for the sum they are the same
        assert any("or it was put at the end, big-endian" in hint for hint in said_of(data))


@given(payloads)
def test_a_zero_byte_in_front(payload: bytes) -> None:
    assume(len(payload) % 2 == 0)
    checksum = rfc1071(b"\0" + head(payload) + payload)
    assume(checksum != sum_of(payload))
    (said,) = (hint for hint in said_of(in_trailer(payload, little(checksum)), "trailer") if "for their order" in hint)
    assert said.endswith(", or the zero byte that goes after an odd number of bytes, not before")


@given(payloads)
def test_a_checksum_at_the_end_where_something_else_is_wrong(payload: bytes) -> None:
    data = b"\2\1\2" + in_trailer(payload, b"")[3:]
    data += little(rfc1071(data))
    assume(data[39:41] != big(rfc1071(data[:39] + b"\0\0" + data[41:])))
    assert said_of(data) == ["the last two bytes are a checksum, right, as in trailer"]


def test_zeros_at_the_end_are_no_checksum_where_it_is_elsewhere() -> None:
    assert said_of(in_header(b"hell\0\0", b"\x12\x34")) == []
    assert said_of(in_header(b"hello", b"\0\0")) == ["the checksum is zero, as if it hadn't been computed"]
    assert len(said_of(in_trailer(b"hello", b"\0\0"), "trailer")) == 1
    for size in (39, 40):  # too short for one
        data = (head(b"", struct.pack("!I", size)) + b"\0")[:size]
        assert said_of(data) == ["the length is the size of the whole datagram, but should be that of the payload"]


def test_where_there_is_no_payload_both_places_are_one() -> None:
    data = b"\2\1\2" + in_trailer(b"", b"")[3:]
    right = rfc1071(data)
    assert said_of(data + little(right)) == ["the last two bytes are a checksum, right, as in trailer"]
    assert said_of(data + big(0xFFFF - right)) == [
        "the checksum at offset 39 is right except for its complement, which wasn't taken"
    ]


@given(st.one_of(st.binary(max_size=200), mutated()), st.sampled_from(Framing))
def test_nothing_raises(data: bytes, framing: Framing) -> None:
    assert all(hint.isprintable() for hint in hints(data, framing))

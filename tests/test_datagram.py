"""The codec: golden packets, and the law that holds for all bytes and all datagrams (spec 2)."""

import struct
import tomllib
from pathlib import Path
from typing import Any

import pytest
from construct import ConstructError
from hypothesis import given
from hypothesis import strategies as st

from simp_proto import datagram as datagram_module
from simp_proto.constants import OPERATIONS, Chat, Control, Framing, Operation, Type
from simp_proto.datagram import Datagram, build, offset, parse, reading_order
from simp_proto.errors import DatagramError

GOLDEN = tomllib.loads((Path(__file__).parent.parent / "spec" / "packets.toml").read_text("utf-8"))
LABELS: dict[tuple[str, str], tuple[Type, Operation]] = {
    (kind.label, operation.label): (kind, operation)
    for kind, operations in OPERATIONS.items()
    for operation in operations.values()
}


def rfc1071(data: bytes) -> int:
    """The checksum as RFC 1071 describes it, word by word: the oracle."""
    total = 0
    for at in range(0, len(data), 2):
        total += (data[at] << 8) | (data[at + 1] if at + 1 < len(data) else 0)
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def by_hand(framing: str, kind: int, operation: int, sequence: int, user: bytes, payload: bytes) -> bytes:
    """A datagram put together without the code under test."""
    head = struct.pack("!BBB32sI", kind, operation, sequence, user, len(payload))
    if framing == "bare":
        return head + payload
    if framing == "header":
        return head + struct.pack("!H", rfc1071(head + b"\0\0" + payload)) + payload
    return head + payload + struct.pack("<H", rfc1071(head + payload))


@pytest.mark.parametrize("packet", GOLDEN["packet"], ids=lambda packet: packet["name"])
def test_golden_packet(packet: dict[str, Any]) -> None:
    data, framing = bytes.fromhex(packet["hex"]), Framing(packet["framing"])
    kind, operation = LABELS[packet["type"], packet["operation"]]
    user, payload = bytes.fromhex(packet["user"]), bytes.fromhex(packet["payload"])
    assert data == by_hand(packet["framing"], kind.value, operation.value, packet["sequence"], user, payload)

    preferred = (Framing.TRAILER, *Framing) if framing is Framing.TRAILER else tuple(Framing)
    read = parse(data, preferred)
    assert read == Datagram(kind, operation, packet["sequence"], user, payload, framing)
    assert read.length == packet["length"]
    assert (None if read.checksum is None else f"{read.checksum:04x}") == packet.get("checksum")
    assert build(read) == data
    assert build(Datagram(kind, operation, packet["sequence"], user, payload, framing)) == data


@pytest.mark.parametrize("packet", GOLDEN["refused"], ids=lambda packet: packet["name"])
def test_golden_refusal(packet: dict[str, Any]) -> None:
    framings = (Framing(packet["framing"]),) if "framing" in packet else tuple(Framing)
    data = bytes.fromhex(packet["hex"])
    with pytest.raises(DatagramError) as refused:
        parse(data, framings)
    assert (refused.value.section, refused.value.field) == (packet["section"], packet["field"])
    assert refused.value.offset == packet["offset"]
    is_bare = len(data) == 39 + int.from_bytes(data[35:39], "big") and "framing" not in packet
    assert refused.value.framing is (Framing.BARE if is_bare else framings[0])
    assert refused.value.read in str(refused.value)
    assert refused.value.expected in str(refused.value)


@pytest.mark.parametrize(
    ("conversation", "size", "words"),
    [
        (None, 7, "read 9, expected 5: 46 bytes in header are 39 of fixed fields, 2 of checksum and 5 of payload"),
        ("header", 8, "read 9, expected 6: 47 bytes in header are 39 of fixed fields, 2 of checksum and 6 of payload"),
        (
            "trailer",
            2,
            "read 9, expected 0: 41 bytes in trailer are 39 of fixed fields, 2 of checksum and 0 of payload",
        ),
        ("bare", 7, "read 9, expected 7: 46 bytes in bare are 39 of fixed fields and 7 of payload"),
        ("bare", 0, "read 9, expected 0: 39 bytes in bare are 39 of fixed fields and 0 of payload"),
        ("trailer", 1, "read the end after 40 bytes, expected at least 41 bytes in trailer"),
    ],
)
def test_a_wrong_size_is_told_in_the_framing_of_the_conversation(
    conversation: str | None, size: int, words: str
) -> None:
    data = struct.pack("!BBB32sI", 2, 1, 1, b"bob", 9) + bytes(size)
    refused = read_or_refused(data, reading_order(Framing(conversation) if conversation else None))
    assert str(refused) == f"length at offset 35: {words}"


kinds = st.sampled_from(list(LABELS.values()))
users = st.binary(max_size=32).map(lambda user: user.rstrip(b"\0"))


@st.composite
def datagrams(draw: st.DrawFn) -> Datagram:
    kind, operation = draw(kinds)
    framing = draw(st.sampled_from(Framing))
    sequence = draw(st.integers(0, 255 if framing is Framing.BARE else 1))
    return Datagram(kind, operation, sequence, draw(users), draw(st.binary(max_size=300)), framing)


@given(datagrams())
def test_what_is_built_is_read_back(datagram: Datagram) -> None:
    data = build(datagram)
    assert parse(data, (datagram.framing,)) == datagram
    framing, kind, operation = datagram.framing.value, datagram.type.value, datagram.operation.value
    assert data == by_hand(framing, kind, operation, datagram.sequence, datagram.user, datagram.payload)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A datagram with some bytes changed, cut off or added: nearer to the edges than random bytes are."""
    data = bytearray(build(draw(datagrams())))
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) + draw(st.binary(max_size=3))


@given(st.one_of(st.binary(max_size=200), mutated()), st.permutations(list(Framing)), st.integers(1, 3))
def test_what_is_read_is_built_back(data: bytes, framings: list[Framing], count: int) -> None:
    read = read_or_refused(data, tuple(framings[:count]))
    if isinstance(read, DatagramError):
        assert 0 <= read.offset <= max(len(data), 41)
        assert read.field in ("type", "operation", "sequence", "user", "length", "checksum", "payload")
    else:
        assert build(read) == data
        assert read.framing in framings[:count]


def read_or_refused(data: bytes, framings: tuple[Framing, ...]) -> Datagram | DatagramError:
    try:
        return parse(data, framings)
    except DatagramError as error:
        return error


@given(st.one_of(datagrams().map(build), mutated()), st.sampled_from(Framing))
def test_what_is_compiled_says_what_the_declaration_says(data: bytes, framing: Framing) -> None:
    declaration = datagram_module._DECLARATIONS[framing]
    read = read_or_refused(data, (framing,))
    if isinstance(read, Datagram):
        assert read == datagram_module._datagram(declaration.parse(data), framing)
        assert declaration.build(vars_of(read)) == data
    else:
        with pytest.raises(ConstructError):
            declaration.parse(data)


def vars_of(datagram: Datagram) -> dict[str, Any]:
    names = ("type", "operation", "sequence", "user", "length", "payload")
    return {name: getattr(datagram, name) for name in names} | {"checksum": None}


@given(datagrams(), datagrams())
def test_equal_bytes_mean_equal_datagrams(one: Datagram, other: Datagram) -> None:
    if one.framing is other.framing:
        assert (build(one) == build(other)) == (one == other)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("operation", (Type.CHAT, Control.SYN, 0)),
        ("operation", (Type.CHAT, Control.ERR, 0)),
        ("operation", (Type.CONTROL, Chat.MESSAGE, 0)),
        ("operation", (Type.CONTROL, Control.SYN_ACK | Control.FIN, 0)),
        ("operation", (Type.CONTROL, Control(0), 0)),
        ("sequence", (Type.CHAT, Chat.MESSAGE, 2)),
        ("sequence", (Type.CHAT, Chat.MESSAGE, -1)),
        ("sequence", (Type.CHAT, Chat.MESSAGE, 256, b"", b"", Framing.BARE)),
        ("user", (Type.CHAT, Chat.MESSAGE, 0, b"x" * 33)),
        ("user", (Type.CHAT, Chat.MESSAGE, 0, b"bob\0")),
        ("length", (Type.CHAT, Chat.MESSAGE, 0, b"bob", b"x" * 65_487)),
        ("length", (Type.CHAT, Chat.MESSAGE, 0, b"bob", b"x" * 65_489, Framing.BARE)),
    ],
)
def test_a_datagram_that_cannot_be_is_refused(field: str, arguments: Any) -> None:
    with pytest.raises(DatagramError) as refused:
        Datagram(*arguments)
    assert refused.value.field == field


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("size", [65_507, 65_508, 65_526, 65_527])
def test_whatever_size_udp_carries_is_accepted(framing: Framing, size: int) -> None:
    """Over IPv4 it carries up to 65,507 bytes, over IPv6 up to 65,527."""
    payload = b"x" * (size - (39 if framing is Framing.BARE else 41))
    data = by_hand(framing.value, 2, 1, 1, b"bob", payload)
    assert len(data) == size
    assert parse(data, (framing,)) == Datagram(Type.CHAT, Chat.MESSAGE, 1, b"bob", payload, framing)
    assert build(parse(data, (framing,))) == data


def test_names_and_texts_for_people() -> None:
    datagram = Datagram(Type.CHAT, Chat.MESSAGE, 0, b" j\xc3\xb6rg  ", b"caf\xe9 \xe2\x82\xac")
    assert datagram.name == "j\\xc3\\xb6rg"
    assert datagram.text == "caf\\xe9 €"


def test_offsets_are_those_of_the_specification() -> None:
    names = ["type", "operation", "sequence", "user", "length", "checksum", "payload"]
    assert [offset(name, Framing.HEADER, 5) for name in names] == [0, 1, 2, 3, 35, 39, 41]
    assert [offset(name, Framing.TRAILER, 5) for name in names] == [0, 1, 2, 3, 35, 44, 39]

"""The codec, beside one written by hand; what sealing costs beside it."""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from simp_daemon.peers.sealed.seal import Opened, Seal
from simp_proto.constants import MAX_DATAGRAM_SIZE, OPERATIONS, Chat, Framing, Type
from simp_proto.datagram import CHECKSUM_SIZE, HEAD_SIZE, Datagram, build, parse
from simp_proto.sealed.frames import TEXT as TEXT_KIND
from simp_proto.sealed.frames import Acked, Frame, Message, Piece, build_message
from simp_proto.sealed.payloads import read_record
from tests.bench.figures import TEXT, Effort, Figure, microseconds

_HEAD: Final = struct.Struct("!BBB32sI")
_CHECKSUM: Final = {Framing.HEADER: struct.Struct("!H"), Framing.TRAILER: struct.Struct("<H")}
_MEANINGS: Final = {
    (type_.value, value): (type_, operation) for type_ in Type for value, operation in OPERATIONS[type_].items()
}


def rfc1071(data: bytes) -> int:
    """The internet checksum: the complement of the ones' complement sum of all 16-bit words."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def struct_build(datagram: Datagram) -> bytes:
    """What `build` does, by hand."""
    payload, framing = datagram.payload, datagram.framing
    head = _HEAD.pack(datagram.type, datagram.operation, datagram.sequence, datagram.user, len(payload))
    if framing is Framing.BARE:
        return head + payload
    checksum = _CHECKSUM[framing].pack(
        rfc1071(head + b"\0\0" + payload if framing is Framing.HEADER else head + payload)
    )
    return head + checksum + payload if framing is Framing.HEADER else head + payload + checksum


def struct_parse(data: bytes, framing: Framing) -> Datagram:
    """What `parse` does for one framing, by hand: each field refused by the same rules, with `ValueError`."""
    if len(data) < _HEAD.size:
        raise ValueError(f"read {len(data)} bytes, expected at least {_HEAD.size}")
    type_number, operation_number, sequence, user, length = _HEAD.unpack_from(data)
    meaning = _MEANINGS.get((type_number, operation_number))
    if meaning is None:
        raise ValueError(f"read type {type_number} with operation {operation_number}")
    if sequence > 1 and framing is not Framing.BARE:
        raise ValueError(f"read sequence {sequence}, expected 0 or 1")
    start = _HEAD.size + (2 if framing is Framing.HEADER else 0)
    if len(data) != start + length + (2 if framing is Framing.TRAILER else 0):
        raise ValueError(f"read length {length} in {len(data)} bytes")
    checksum = None
    if framing is not Framing.BARE:
        at = _HEAD.size if framing is Framing.HEADER else start + length
        (checksum,) = _CHECKSUM[framing].unpack_from(data, at)
        if checksum != rfc1071(data[:at] + b"\0\0" + data[at + 2 :]):
            raise ValueError(f"read checksum {checksum:#06x}, expected another")
        checksum = int.from_bytes(data[at : at + 2], "big")
    return Datagram(*meaning, sequence, user.rstrip(b"\0"), data[start : start + length], framing, checksum)


def measure_codec(effort: Effort) -> Iterable[Figure]:
    """Prints µs a datagram. Both codecs give the same `Datagram` and the same bytes, which is checked first."""
    print("\nCodec, µs a datagram with its checksum (best of several timings)")
    print(f"  {'framing':8} {'payload':>8} {'':6} {'construct':>10} {'struct':>8} {'ratio':>6}")
    long_text = b"a line of words " * (MAX_DATAGRAM_SIZE // 16)
    for payload in (TEXT.format(0).encode(), long_text[: MAX_DATAGRAM_SIZE - HEAD_SIZE - CHECKSUM_SIZE]):
        for framing in Framing:
            datagram = Datagram(Type.CHAT, Chat.MESSAGE, 1, b"alice", payload, framing)
            data = build(datagram)
            first = (framing, *(other for other in Framing if other is not framing))  # as a daemon in a chat
            assert struct_build(datagram) == data
            assert struct_parse(data, framing) == parse(data, first) == datagram
            assert struct_parse(data, framing).checksum == parse(data, first).checksum
            names = {**globals(), "datagram": datagram, "data": data, "framing": framing, "first": first}
            for what, ours, by_hand in (
                ("parse", "parse(data, first)", "struct_parse(data, framing)"),
                ("build", "build(datagram)", "struct_build(datagram)"),
            ):
                times = [microseconds((ours, by_hand), names, effort.timing) for _ in range(effort.timings)]
                best, best_by_hand = (min(column) for column in zip(*times, strict=True))
                print(
                    f"  {framing.value:8} {len(payload):6} B {what:6}"
                    f" {best:10.1f} {best_by_hand:8.1f} {best / best_by_hand:6.1f}"
                )
    return ()


def unsealed(text: bytes) -> None:
    """A message of SIMP/1, there and read."""
    parse(build(Datagram(Type.CHAT, Chat.MESSAGE, 1, b"alice", text)))


def sealed(alice: Seal, bob: Seal, text: bytes, *more: Frame) -> None:
    """The same of SIMP/2, opened; `more` frames go with it."""
    data, counter = alice.seal([*more, Piece(1, 3, build_message(Message(TEXT_KIND, 0, text)))])
    record = read_record(data)
    assert record
    opened = bob.open(*record)
    assert isinstance(opened, Opened)
    assert opened.counter == counter


def measure_seal(effort: Effort) -> Iterator[Figure]:
    """Prints µs a message from its text to what is read at the other end, without a socket."""
    print("\nA message from end to end, µs (best of several timings)")
    print(f"  {'text':>6} {'in the clear':>12} {'sealed':>8} {'ratio':>6} {'with ACKED':>10} {'ratio':>6}")
    keys = bytes(32), bytes(range(32))
    alice, bob = Seal(keys, b"", caller=True), Seal(keys, b"", caller=False)
    for size in (20, 200, 1_000):
        names = {**globals(), "alice": alice, "bob": bob, "text": b"x" * size, "acked": Acked(1, 1)}
        statements = ("unsealed(text)", "sealed(alice, bob, text)", "sealed(alice, bob, text, acked)")
        times = [microseconds(statements, names, effort.timing) for _ in range(effort.timings)]
        clear, alone, both = (min(column) for column in zip(*times, strict=True))
        print(f"  {size:4} B {clear:12.1f} {alone:8.1f} {alone / clear:6.2f} {both:10.1f} {both / clear:6.2f}")
        if size == 20:
            yield Figure("a sealed message to one in the clear", alone / clear, "times", 1.3)

"""What a datagram says of SIMP/2 (simp2 2.1, 3, 6). No bytes raise anything but `SealedError`."""

import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from typing import Final

from construct import Bytes, Construct, GreedyBytes, Int64ub

from simp_proto.constants import (
    KEY_SIZE,
    MAX_DATAGRAM_SIZE,
    PADDING,
    TAG_SIZE,
    USER_SIZE,
    Chat,
    Control,
    Framing,
    Operation,
    PayloadKind,
    Type,
)
from simp_proto.datagram import CHECKSUM_SIZE, HEAD_SIZE, MAX_PAYLOAD_SIZES, Datagram, build, offset, with_checksum
from simp_proto.errors import SealedError
from simp_proto.sealed.layout import NUMBERS, Among, Layout, listed
from simp_proto.sealed.offer import COOKIE_SIZE, Offer, read_offer

SESSION_SIZE: Final = 4
SEAL_SIZE: Final = 16
"""Bytes by which whatever is sealed grows: Poly1305's."""


@dataclass(slots=True)
class Challenge:
    """Show that your address is yours: send this cookie back."""

    tag: bytes
    cookie: bytes


@dataclass(slots=True)
class Ringing:
    """It rings."""

    tag: bytes


@dataclass(slots=True)
class Answer:
    """The call is accepted. `message` is Noise's second: `e` of the callee, its sealed static key, sealed frames."""

    tag: bytes
    message: bytes


@dataclass(slots=True)
class Confirm:
    """The session is on. `message` is Noise's third: the sealed static key of the caller, sealed frames."""

    tag: bytes
    message: bytes


@dataclass(slots=True)
class Over:
    """The call is over, in a FIN; in an ACK, that this was read."""

    tag: bytes


@dataclass(slots=True)
class Record:
    """Frames, sealed in a session under a counter of 0 to 2**63 - 1."""

    session: bytes
    counter: int
    sealed: bytes


Payload = Challenge | Ringing | Answer | Confirm | Over | Record

_SEALED_KEY: Final = KEY_SIZE + SEAL_SIZE
_TAG: Final = Bytes(TAG_SIZE)


def _at_least(size: int) -> Construct:
    return Among(GreedyBytes, range(size, MAX_PAYLOAD_SIZES[Framing.HEADER] + 1))


PAYLOADS: Final = {
    PayloadKind.CHALLENGE: Layout(Challenge, "3.1", tag=_TAG, cookie=Bytes(COOKIE_SIZE)),
    PayloadKind.RINGING: Layout(Ringing, "3.1", tag=_TAG),
    PayloadKind.ANSWER: Layout(Answer, "3.1", tag=_TAG, message=_at_least(KEY_SIZE + _SEALED_KEY + SEAL_SIZE)),
    PayloadKind.CONFIRM: Layout(Confirm, "3.1", tag=_TAG, message=_at_least(_SEALED_KEY + SEAL_SIZE)),
    PayloadKind.OVER: Layout(Over, "3.1", tag=_TAG),
    PayloadKind.RECORD: Layout(
        Record, "3.1", session=Bytes(SESSION_SIZE), counter=Among(Int64ub, NUMBERS), sealed=_at_least(SEAL_SIZE)
    ),
}
OPERATIONS_OF: Final[dict[PayloadKind, tuple[Operation, ...]]] = {
    PayloadKind.CHALLENGE: (Control.ACK,),
    PayloadKind.RINGING: (Control.ACK,),
    PayloadKind.ANSWER: (Control.SYN_ACK,),
    PayloadKind.CONFIRM: (Control.ACK,),
    PayloadKind.OVER: (Control.FIN, Control.ACK),
    PayloadKind.RECORD: (Chat.MESSAGE, Control.ERR, Control.FIN, Control.ACK),
}
"""Where each kind may be (simp2 3.1, 6.2)."""
_KINDS: Final = {layout.made: kind for kind, layout in PAYLOADS.items()}


def may_offer(datagram: Datagram) -> bool:
    """Whether that is a datagram whose payload may be an offer (simp2 2.1)."""
    return datagram.operation is Control.SYN and not datagram.sequence and datagram.framing is not Framing.TRAILER


def offered(datagram: Datagram) -> Offer | None:
    """What a datagram offers of SIMP/2; `None` where that is SIMP/1 at most."""
    if may_offer(datagram):
        with suppress(SealedError):
            return read_offer(datagram.payload)
    return None


def read_payload(datagram: Datagram) -> Payload | None:
    """What a datagram says of SIMP/2 except for an offer; `None` if that is nothing.

    Raises `SealedError` if SIMP/2 finds it malformed, with the offset in the datagram (simp2 3.2).
    """
    payload = datagram.payload
    if not payload or payload[0] & 0xC0 != 0x80 or datagram.framing is not Framing.HEADER:
        return None
    layout = PAYLOADS.get(payload[0])  # type: ignore[call-overload]  # a kind is a number
    if layout is None:
        raise _malformed(
            "payload", f"0x{payload[0]:02x}", ", ".join(f"0x{kind:02x} ({kind.name})" for kind in PAYLOADS)
        )
    operations = OPERATIONS_OF[_KINDS[layout.made]]
    if datagram.operation not in operations:
        raise _malformed("operation", datagram.operation.label, " or ".join(each.label for each in operations))
    if datagram.sequence:
        raise _malformed("sequence", str(datagram.sequence), "0")
    if datagram.user:
        raise _malformed("user", f"0x{datagram.user.hex()}", f"{USER_SIZE} NULs")
    if len(payload) - 1 not in layout.sizes:
        raise _malformed("length", f"{len(payload):,}", listed(layout.sizes, more=1))
    read: Payload = layout.read(payload, 1, len(payload), offset("payload", Framing.HEADER, 0))
    return read


def _malformed(field: str, read: str, expected: str) -> SealedError:
    return SealedError(field, offset(field, Framing.HEADER, 0), read, expected, section="3.2")


def build_payload(payload: Payload, operation: Operation | None = None) -> Datagram:
    """The datagram with that payload; the operation is the kind's first unless given (`OPERATIONS_OF`).

    Raises `SealedError` for values that can't be in one.
    """
    kind = _KINDS[type(payload)]
    operation = operation or OPERATIONS_OF[kind][0]
    type_ = Type.CHAT if isinstance(operation, Chat) else Type.CONTROL
    return Datagram(type_, operation, 0, b"", bytes((kind,)) + PAYLOADS[kind].build(payload))


# -- records (simp2 6)
MAX_FRAMES_SIZE: Final = MAX_DATAGRAM_SIZE - HEAD_SIZE - CHECKSUM_SIZE - 1 - PAYLOADS[PayloadKind.RECORD].sizes[0]
"""Bytes of a record's frames with their padding, at most: 1,130 (simp2 6.6)."""


def associated_data(operation: Operation, session: bytes, counter: int, size: int) -> bytes:
    """What a record's seal covers besides `size` bytes of frames: all of its datagram but the checksum (simp2 6.3)."""
    start = _RECORD_START.pack(PayloadKind.RECORD, session, counter)
    type_ = Type.CHAT if isinstance(operation, Chat) else Type.CONTROL
    return _head(type_, operation, len(start) + size + SEAL_SIZE) + start


@lru_cache(maxsize=256)
def _head(type_: Type, operation: Operation, length: int) -> bytes:
    """The fields before the payload. With padding there are few, and to build them is most of what a record costs."""
    return build(Datagram(type_, operation, 0, b"", bytes(length), Framing.BARE))[:HEAD_SIZE]


def build_record(associated: bytes, sealed: bytes) -> bytes:
    """The bytes of a record's datagram: `associated` data, and what is sealed with them."""
    return with_checksum(associated[:HEAD_SIZE] + _NO_CHECKSUM + associated[HEAD_SIZE:] + sealed, Framing.HEADER)


def begins_payload(data: bytes) -> bool:
    """Whether a datagram says, where its payload would begin in `header`, what SIMP/2's payloads begin with (3.2)."""
    return data[_RECORD_AT : _RECORD_AT + 1] in _FIRST_BYTES


def read_record(data: bytes) -> tuple[Operation, Record] | None:
    """The operation and the record of a datagram; `None` if it is none, or if only `parse` and `read_payload` can tell.

    They say the same, but take three times as long: padding leaves so few heads that each is looked up.
    """
    found = _heads().get(data[:HEAD_SIZE])
    if found is None or len(data) != found[1] or with_checksum(data, Framing.HEADER) != data:
        return None
    kind, session, counter = _RECORD_START.unpack_from(data, _RECORD_AT)
    if kind != PayloadKind.RECORD or counter not in NUMBERS:
        return None
    return found[0], Record(session, counter, data[_RECORD_AT + _RECORD_START.size :])


def record_in(datagram: Datagram) -> Record | None:
    """The record that is all of a datagram's payload, however it is padded."""
    try:
        payload = read_payload(datagram)
    except SealedError:
        return None
    return payload if isinstance(payload, Record) else None


@cache
def _heads() -> dict[bytes, tuple[Operation, int]]:
    """What the datagrams of padded records begin with: the operation, and how many bytes they have."""
    sizes = {len(padded(bytes(size))) for size in range(MAX_FRAMES_SIZE + 1)}
    return {
        associated_data(operation, b"", 0, size)[:HEAD_SIZE]: (operation, MAX_DATAGRAM_SIZE - MAX_FRAMES_SIZE + size)
        for operation in OPERATIONS_OF[PayloadKind.RECORD]
        for size in sizes
    }


_FIRST_BYTES: Final = frozenset(bytes((first,)) for first in range(0x80, 0xC0))
_NO_CHECKSUM: Final = bytes(CHECKSUM_SIZE)
_RECORD_AT: Final = offset("payload", Framing.HEADER, 0)
_RECORD_START: Final = struct.Struct(f">B{PAYLOADS[PayloadKind.RECORD].form.format[1:]}")


def padded(plain: bytes) -> bytes:
    """Frames with the NULs behind them that hide how long they are; raises `SealedError` for too many (simp2 6.6)."""
    if len(plain) > MAX_FRAMES_SIZE:
        raise SealedError("frames", 0, f"{len(plain):,} bytes", f"at most {MAX_FRAMES_SIZE:,}", section="6.6")
    return plain.ljust(min(-(-len(plain) // PADDING) * PADDING, MAX_FRAMES_SIZE), b"\0")


def session_of(handshake_hash: bytes) -> bytes:
    """The 4 bytes by which records belong to a session (simp2 5.4)."""
    return sha256(b"SIMP/2 session" + handshake_hash).digest()[:SESSION_SIZE]

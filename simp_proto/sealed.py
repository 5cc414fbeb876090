"""What SIMP/2 puts into datagrams: the offer, payloads, frames, messages, each declared once (simp2 2, 3, 6.5, 7.1).

The Construct declarations below are the only description of the bytes. All that they declare, except the offer, which
is text, are fields of a fixed size, and perhaps bytes to the end: so `struct` reads and builds them, by a format that
is taken from the declaration. Nothing of Construct leaves this module, and no bytes raise anything but `SealedError`.

Hashes and keys that are made from what is on the wire are here, too. What seals is elsewhere.
"""

import base64
import hmac
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from hashlib import sha256
from io import BytesIO
from typing import Any, ClassVar, Final, NamedTuple

from construct import (
    Bytes,
    Const,
    Construct,
    ConstructError,
    GreedyBytes,
    Int8ub,
    Int16ub,
    Int32ub,
    Int64ub,
    Struct,
    Terminated,
    Validator,
)

from simp_proto.constants import (
    ERROR_SIZE,
    LOSSY_SIZE,
    MAX_DATAGRAM_SIZE,
    MAX_MESSAGE_SIZE,
    MAX_NEXT,
    MAX_OFFER_SIZE,
    OFFER,
    PADDING,
    PIECE_SIZE,
    USER_SIZE,
    Chat,
    Control,
    FrameType,
    Framing,
    Operation,
    PayloadKind,
    Type,
)
from simp_proto.datagram import CHECKSUM_SIZE, HEAD_SIZE, MAX_PAYLOAD_SIZES, Datagram, build, offset, with_checksum
from simp_proto.errors import SealedError, UnknownFrameError

TAG_SIZE: Final = 8
KEY_SIZE: Final = 32
COOKIE_SIZE: Final = 16
PROOF_SIZE: Final = 16
SESSION_SIZE: Final = 4
CHAIN_SIZE: Final = 8
SEAL_SIZE: Final = 16
"""Bytes by which whatever is sealed grows: Poly1305's."""


# -- the offer (simp2 2)
@dataclass(slots=True)
class Offer:
    """What a SYN's payload says: `key` is the flags' byte and `e`, `proof` the cookie and the ring proof.

    `before` and `after` are the tokens around SIMP/2's, each with the blank that it follows.
    """

    key: bytes
    proof: bytes
    before: bytes = b""
    after: bytes = b""

    @property
    def quiet(self) -> bool:
        """Whether the call doesn't ring (simp2 2.3)."""
        return bool(self.key[0] & 1)

    @property
    def e(self) -> bytes:
        """The caller's ephemeral public key."""
        return self.key[1:]

    @property
    def cookie(self) -> bytes:
        """What the callee's CHALLENGE brought, or random bytes (simp2 2.2)."""
        return self.proof[:COOKIE_SIZE]

    @property
    def ring_proof(self) -> bytes:
        """Random bytes if the callee is no contact of the caller's (simp2 2.2)."""
        return self.proof[COOKIE_SIZE:]

    @property
    def text(self) -> bytes:
        """What prologue and ring proof bind: everything before the proof (simp2 2.1)."""
        text: bytes = _TEXT.build(asdict(self))
        return text


class _Tokens(Construct):  # type: ignore[misc]  # construct has no types
    """Tokens, each after a blank, up to the first place where `until` is."""

    def __init__(self, until: bytes) -> None:
        super().__init__()
        self.until = until

    def _parse(self, stream: BytesIO, context: Any, path: str) -> bytes:
        at = stream.tell()
        tokens, found, _ = stream.read().partition(self.until)
        if not found:
            raise SealedError("payload", stream.tell(), "the end", repr(self.until), section="2.1")
        if not _TOKENS.fullmatch(tokens):
            raise SealedError("token", at, repr(tokens), "a blank, and printable ASCII without @", section="2.1")
        stream.seek(at + len(tokens))
        return tokens

    def _build(self, value: bytes, stream: BytesIO, context: Any, path: str) -> bytes:
        stream.write(value)
        return value


class _Base64(Construct):  # type: ignore[misc]
    """So many bytes as a token of base64url without padding, in the only spelling that there is (RFC 4648)."""

    def __init__(self, field: str, size: int) -> None:
        super().__init__()
        self.field = field
        self.size = size

    def _parse(self, stream: BytesIO, context: Any, path: str) -> bytes:
        at = stream.tell()
        read = stream.read().partition(b" ")[0]
        try:
            value = base64.urlsafe_b64decode(read + b"=" * (-len(read) % 4))
        except ValueError:
            value = b""
        if len(value) != self.size or _spelled(value) != read:
            raise SealedError(self.field, at, repr(read), f"base64url of {self.size} bytes", section="2.1")
        stream.seek(at + len(read))
        return value

    def _build(self, value: bytes, stream: BytesIO, context: Any, path: str) -> bytes:
        stream.write(_spelled(value))
        return value


def _spelled(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


_TOKENS: Final = re.compile(rb"(?: [!-?A-~]+)*")
_TEXT: Final = Struct(
    Const(OFFER),
    "before" / _Tokens(until=b" SIMP/2 "),
    Const(b" SIMP/2 "),
    "key" / _Base64("key", 1 + KEY_SIZE),
    "after" / _Tokens(until=b" @"),
)
_OFFER: Final = Struct(*_TEXT.subcons, Const(b" @"), "proof" / _Base64("proof", COOKIE_SIZE + PROOF_SIZE), Terminated)


def build_offer(offer: Offer) -> bytes:
    """The payload of a SYN; raises `SealedError` for values that it would not be read as."""
    payload: bytes = _OFFER.build(asdict(offer))
    if (read := read_offer(payload)) != offer:
        raise SealedError("token", len(OFFER), repr(offer.before), repr(read.before), section="2.1")
    return payload


def read_offer(payload: bytes) -> Offer:
    """What the payload of a SYN offers; raises `SealedError` if that is SIMP/1 at most (simp2 2.1)."""
    if len(payload) > MAX_OFFER_SIZE:
        expected = f"at most {MAX_OFFER_SIZE} bytes"
        raise SealedError("payload", MAX_OFFER_SIZE, f"{len(payload)} bytes", expected, section="2.1")
    if not payload.startswith(OFFER):
        raise SealedError("payload", 0, repr(payload[: len(OFFER)]), repr(OFFER), section="2.1")
    try:
        read = _OFFER.parse(payload)
    except ConstructError:
        at = payload.index(b" ", payload.index(b" @") + 1)
        raise SealedError("payload", at, repr(payload[at:]), "the end after the proof", section="2.1") from None
    return Offer(read.key, read.proof, read.before, read.after)


# -- how what is declared is read and built
class _Among(Validator):  # type: ignore[misc]
    """A number that is one of `allowed`, or bytes to the end, whose size is."""

    def __init__(self, subcon: Construct, allowed: range) -> None:
        super().__init__(subcon)
        self.allowed = allowed

    def _validate(self, value: int | bytes, context: Any, path: str) -> bool:
        return (value if isinstance(value, int) else len(value)) in self.allowed


class _Field(NamedTuple):
    """`form` is how `struct` writes it, nothing for bytes to the end; `measure` of its value is one of `allowed`."""

    name: str
    at: int
    form: str
    measure: Callable[[Any], int]
    allowed: range


def _fields(declared: dict[str, Construct]) -> Iterator[_Field]:
    at = 0
    for name, each in declared.items():
        field = getattr(each, "subcon", each)
        if field is GreedyBytes:
            yield _Field(name, at, "", len, each.allowed)
            return
        size = field.sizeof()
        if isinstance(field, Bytes):
            yield _Field(name, at, f"{size}s", len, range(size, size + 1))
        else:
            yield _Field(name, at, field.fmtstr[1:], int, getattr(each, "allowed", range(256**size)))
        at += size


class _Layout:
    """The bytes of `made`, a dataclass that has the declared fields in the order of the wire.

    Part of what a message costs is this, so `struct` reads and builds what is declared, all fields in one go.
    """

    def __init__(self, made: Callable[..., Any], section: str, **declared: Construct) -> None:
        self.made = made
        self.declaration = Struct(**declared)
        self._section = section
        self._fields = list(_fields(declared))
        self._names = list(declared)
        self._checks = [(place, each.measure, each.allowed) for place, each in enumerate(self._fields)]
        self._numbers = [(place, allowed) for place, measure, allowed in self._checks if measure is int]
        self.form = struct.Struct(">" + "".join(field.form for field in self._fields))
        self._rest = bool(declared) and not self._fields[-1].form
        rest = self._fields[-1].allowed if self._rest else range(1)
        self.sizes = range(self.form.size + rest.start, self.form.size + rest.stop)

    def read(self, data: bytes, at: int, end: int, shift: int = 0) -> Any:
        """What is from `at` to `end`, whose size is in `sizes`; an error's offset is higher by `shift`."""
        values = self.form.unpack_from(data, at)
        for place, allowed in self._numbers:
            if values[place] not in allowed:
                raise self._refusal(place, values[place], at + shift)
        return self.made(*values, data[at + self.form.size : end]) if self._rest else self.made(*values)

    def build(self, value: Any) -> bytes:
        """The bytes of one that is `made`."""
        values = [getattr(value, name) for name in self._names]
        for place, measure, allowed in self._checks:
            if measure(values[place]) not in allowed:
                raise self._refusal(place, values[place], 0)
        return self.form.pack(*values[:-1]) + values[-1] if self._rest else self.form.pack(*values)

    def _refusal(self, place: int, value: Any, origin: int) -> SealedError:
        field = self._fields[place]
        read = f"{value:,}" if field.measure is int else f"{len(value):,} bytes"
        return SealedError(field.name, origin + field.at, read, _listed(field.allowed), section=self._section)


def _listed(allowed: range, more: int = 0) -> str:
    """What a number may be, for people, each `more` than it is there."""
    first, last = allowed[0] + more, allowed[-1] + more
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


_NUMBERS: Final = range(1 << 63)
"""What 8 bytes may count, so that every database can store it."""


# -- payloads (simp2 3)
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
    return _Among(GreedyBytes, range(size, MAX_PAYLOAD_SIZES[Framing.HEADER] + 1))


_PAYLOADS: Final = {
    PayloadKind.CHALLENGE: _Layout(Challenge, "3.1", tag=_TAG, cookie=Bytes(COOKIE_SIZE)),
    PayloadKind.RINGING: _Layout(Ringing, "3.1", tag=_TAG),
    PayloadKind.ANSWER: _Layout(Answer, "3.1", tag=_TAG, message=_at_least(KEY_SIZE + _SEALED_KEY + SEAL_SIZE)),
    PayloadKind.CONFIRM: _Layout(Confirm, "3.1", tag=_TAG, message=_at_least(_SEALED_KEY + SEAL_SIZE)),
    PayloadKind.OVER: _Layout(Over, "3.1", tag=_TAG),
    PayloadKind.RECORD: _Layout(
        Record, "3.1", session=Bytes(SESSION_SIZE), counter=_Among(Int64ub, _NUMBERS), sealed=_at_least(SEAL_SIZE)
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
_KINDS: Final = {layout.made: kind for kind, layout in _PAYLOADS.items()}


def read_payload(datagram: Datagram) -> Payload | None:
    """What a datagram says of SIMP/2 except for an offer; `None` if that is nothing.

    Raises `SealedError` if SIMP/2 finds it malformed, with the offset in the datagram (simp2 3.2).
    """
    payload = datagram.payload
    if not payload or payload[0] & 0xC0 != 0x80 or datagram.framing is not Framing.HEADER:
        return None
    layout = _PAYLOADS.get(payload[0])  # type: ignore[call-overload]  # a kind is a number
    if layout is None:
        raise _malformed(
            "payload", f"0x{payload[0]:02x}", ", ".join(f"0x{kind:02x} ({kind.name})" for kind in _PAYLOADS)
        )
    operations = OPERATIONS_OF[_KINDS[layout.made]]
    if datagram.operation not in operations:
        raise _malformed("operation", datagram.operation.label, " or ".join(each.label for each in operations))
    if datagram.sequence:
        raise _malformed("sequence", str(datagram.sequence), "0")
    if datagram.user:
        raise _malformed("user", repr(datagram.user), f"{USER_SIZE} NULs")
    if len(payload) - 1 not in layout.sizes:
        raise _malformed("length", f"{len(payload):,}", _listed(layout.sizes, more=1))
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
    return Datagram(type_, operation, 0, b"", bytes((kind,)) + _PAYLOADS[kind].build(payload))


# -- records (simp2 6)
MAX_FRAMES_SIZE: Final = MAX_DATAGRAM_SIZE - HEAD_SIZE - CHECKSUM_SIZE - 1 - _PAYLOADS[PayloadKind.RECORD].sizes[0]
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


def read_record(data: bytes) -> tuple[Operation, Record] | None:
    """The operation and the record of a datagram; `None` if it is none, or if only `parse` and `read_payload` can tell.

    They say the same, but take three times as long: padding leaves so few heads that each is looked up.
    """
    found = _heads().get(data[:HEAD_SIZE])
    if found is None or len(data) != found[1] or with_checksum(data, Framing.HEADER) != data:
        return None
    kind, session, counter = _RECORD_START.unpack_from(data, _RECORD_AT)
    if kind != PayloadKind.RECORD or counter not in _NUMBERS:
        return None
    return found[0], Record(session, counter, data[_RECORD_AT + _RECORD_START.size :])


@cache
def _heads() -> dict[bytes, tuple[Operation, int]]:
    """What the datagrams of padded records begin with: the operation, and how many bytes they have."""
    sizes = {len(padded(bytes(size))) for size in range(MAX_FRAMES_SIZE + 1)}
    return {
        associated_data(operation, b"", 0, size)[:HEAD_SIZE]: (operation, MAX_DATAGRAM_SIZE - MAX_FRAMES_SIZE + size)
        for operation in OPERATIONS_OF[PayloadKind.RECORD]
        for size in sizes
    }


_NO_CHECKSUM: Final = bytes(CHECKSUM_SIZE)
_RECORD_AT: Final = offset("payload", Framing.HEADER, 0)
_RECORD_START: Final = struct.Struct(f">B{_PAYLOADS[PayloadKind.RECORD].form.format[1:]}")


# -- frames (simp2 6.5)
@dataclass(slots=True)
class Hello:
    """Who speaks, in handshakes only. `signing_key` is an Ed25519 key, `name` 1 to 32 bytes as in a datagram."""

    features: int
    signing_key: bytes
    name: bytes
    wants_ack: ClassVar = False


@dataclass(slots=True)
class State:
    """How to go on (simp2 7.8): the sender's number and the reader's, each with the chain before it."""

    first: int
    before: bytes
    next: int
    upto: bytes
    wants_ack: ClassVar = True


@dataclass(slots=True)
class Piece:
    """Of a message: 1 to 1,024 bytes, of which only the last piece has fewer than 1,024 (simp2 7.2)."""

    number: int
    flags: int
    data: bytes
    wants_ack: ClassVar = True

    @property
    def first(self) -> bool:
        return bool(self.flags & FIRST)

    @property
    def last(self) -> bool:
        return bool(self.flags & LAST)


@dataclass(slots=True)
class Acked:
    """All pieces before `next` are stored. Bit i of `bitmap`: piece `next` + 1 + i is here, at least (simp2 7.5).

    `echo` is the highest counter of a record that wanted this.
    """

    next: int
    echo: int
    bitmap: int = 0
    wants_ack: ClassVar = False


@dataclass(slots=True)
class Ping:
    """Say something."""

    wants_ack: ClassVar = True


@dataclass(slots=True)
class Close:
    """The sender leaves, for a `CloseReason` or another; `text` is 0 to 500 bytes of UTF-8 for people (simp2 7.9)."""

    reason: int
    text: bytes = b""
    wants_ack: ClassVar = False


@dataclass(slots=True)
class Closed:
    """The answer to a CLOSE."""

    wants_ack: ClassVar = False


@dataclass(slots=True)
class Unknown:
    """A frame of a later version, to be skipped."""

    type: int
    body: bytes

    @property
    def wants_ack(self) -> bool:
        """Whether it gets one, as all do that may not be lost (simp2 6.5)."""
        return self.type not in LOSSY


Frame = Hello | State | Piece | Acked | Ping | Close | Closed | Unknown

FIRST: Final = 0x01
LAST: Final = 0x02
"""The flags of a piece."""
LOSSY: Final = range(0x10, 0x20)
"""Types of frames of which nobody acknowledges that they came."""
_VITAL: Final = range(0x80, 0x100)
"""Types of frames without which nothing can go on."""
_CHAIN: Final = Bytes(CHAIN_SIZE)
_NEXT: Final = _Among(Int64ub, range(1, MAX_NEXT + 1))
_FRAME: Final = _Layout(tuple, "6.5", type=Int8ub, length=Int16ub).form
_FRAMES: Final = {
    FrameType.HELLO: _Layout(
        Hello, "6.5", features=Int32ub, signing_key=Bytes(KEY_SIZE), name=_Among(GreedyBytes, range(1, USER_SIZE + 1))
    ),
    FrameType.STATE: _Layout(State, "6.5", first=_NEXT, before=_CHAIN, next=_NEXT, upto=_CHAIN),
    FrameType.PIECE: _Layout(
        Piece,
        "6.5",
        number=_Among(Int64ub, range(1, MAX_NEXT)),
        flags=_Among(Int8ub, range((FIRST | LAST) + 1)),
        data=_Among(GreedyBytes, range(1, PIECE_SIZE + 1)),
    ),
    FrameType.ACKED: _Layout(Acked, "6.5", next=_NEXT, echo=_Among(Int64ub, _NUMBERS), bitmap=Int64ub),
    FrameType.PING: _Layout(Ping, "6.5"),
    FrameType.CLOSE: _Layout(Close, "6.5", reason=Int8ub, text=_Among(GreedyBytes, range(ERROR_SIZE + 1))),
    FrameType.CLOSED: _Layout(Closed, "6.5"),
}
_FRAME_SIZE: Final = _FRAME.size
_BY_CLASS: Final = {layout.made: (type_, layout) for type_, layout in _FRAMES.items()}


def read_frames(plain: bytes, *, handshake: bool = False) -> list[Frame]:
    """The frames of a record without their padding; `HELLO` is one only in a `handshake` (simp2 6.5).

    Raises `SealedError`, and `UnknownFrameError` for one that must be understood; offsets are in `plain`.
    """
    frames: list[Frame] = []
    at, end = 0, len(plain)
    while at < end and plain[at]:
        body = at + _FRAME_SIZE
        if body > end:
            raise _wrong_frame("length", at + 1, f"the end after {end:,} bytes", "2 bytes")
        type_, length = _FRAME.unpack_from(plain, at)
        layout = _FRAMES.get(type_)
        sizes = _unknown_sizes(type_, at) if layout is None else layout.sizes
        if length not in sizes:
            raise _wrong_frame("length", at + 1, f"{length:,}", _listed(sizes))
        if body + length > end:
            raise _wrong_frame("length", at + 1, f"{length:,}", f"at most {end - body:,}, which is all that follows")
        if layout is None:
            frames.append(Unknown(type_, plain[body : body + length]))
        elif layout.made is Hello and not handshake:
            raise _wrong_frame("type", at, "0x01 (HELLO)", "a frame that may be in a record")
        else:
            frames.append(layout.read(plain, body, body + length))
        at = body + length
    if plain.count(0, at) != end - at:
        at = next(place for place in range(at, end) if plain[place])
        raise _wrong_frame("padding", at, f"0x{plain[at]:02x}", "NULs to the end")
    return frames


def _wrong_frame(field: str, at: int, read: str, expected: str) -> SealedError:
    return SealedError(field, at, read, expected, section="6.5")


def _unknown_sizes(type_: int, at: int) -> range:
    """How long a frame of that type may be, which is none of this version."""
    if type_ in _VITAL:
        raise UnknownFrameError("type", at, f"0x{type_:02x}", "a frame of this version", section="6.5")
    return range((LOSSY_SIZE if type_ in LOSSY else 0xFFFF) + 1)


def read_handshake(kind: PayloadKind, plain: bytes) -> tuple[Hello, State | None]:
    """What an ANSWER (HELLO) or CONFIRM (HELLO, STATE) says; raises `SealedError` for anything else (simp2 5.3)."""
    match kind, read_frames(plain, handshake=True):
        case PayloadKind.ANSWER, [Hello() as hello]:
            return hello, None
        case PayloadKind.CONFIRM, [Hello() as hello, State() as state]:
            return hello, state
        case _, frames:
            read = ", ".join(type(frame).__name__.upper() for frame in frames) or "no frame"
            expected = "HELLO" if kind is PayloadKind.ANSWER else "HELLO, STATE"
            raise SealedError("type", 0, read, expected, section="5.3")


def build_frames(frames: Iterable[Frame]) -> bytes:
    """Their bytes, not padded; raises `SealedError` for values that can't be in a frame."""
    return b"".join(map(_build_frame, frames))


def _build_frame(frame: Frame) -> bytes:
    if isinstance(frame, Unknown):
        type_, body = frame.type, frame.body
    else:
        type_, layout = _BY_CLASS[type(frame)]
        body = layout.build(frame)
    return _FRAME.pack(type_, len(body)) + body


def padded(plain: bytes) -> bytes:
    """Frames with the NULs behind them that hide how long they are; raises `SealedError` for too many (simp2 6.6)."""
    if len(plain) > MAX_FRAMES_SIZE:
        raise SealedError("frames", 0, f"{len(plain):,} bytes", f"at most {MAX_FRAMES_SIZE:,}", section="6.6")
    return plain.ljust(min(-(-len(plain) // PADDING) * PADDING, MAX_FRAMES_SIZE), b"\0")


def operation_of(frames: Iterable[Frame]) -> Operation:
    """The operation of a record with those frames (simp2 6.2)."""
    operation: Operation = Control.ACK
    for frame in frames:
        if isinstance(frame, Close):
            if frame.reason:
                return Control.ERR
            operation = Control.FIN
        elif operation is Control.ACK and (frame.wants_ack or isinstance(frame, Unknown)):
            operation = Chat.MESSAGE
    return operation


# -- messages (simp2 7.1)
@dataclass(slots=True)
class Message:
    """What pieces make together. `time` is in milliseconds since 1970, `body` has at most 60,000 bytes."""

    kind: int
    time: int
    body: bytes


TEXT: Final = 0x01
"""The kind of a message in UTF-8."""
_MESSAGE: Final = _Layout(
    Message, "7.1", kind=Int8ub, time=_Among(Int64ub, _NUMBERS), body=_Among(GreedyBytes, range(MAX_MESSAGE_SIZE + 1))
)
MAX_SIZE: Final = _MESSAGE.sizes[-1]
"""Bytes of a message with its kind and time, at most: 60,009."""


def read_message(data: bytes) -> Message:
    """The message that pieces make together; raises `SealedError`."""
    if len(data) not in _MESSAGE.sizes:
        raise SealedError("length", 0, f"{len(data):,} bytes", _listed(_MESSAGE.sizes), section="7.1")
    message: Message = _MESSAGE.read(data, 0, len(data))
    return message


def build_message(message: Message) -> bytes:
    """What is cut into pieces; raises `SealedError` for values that can't be in a message."""
    return _MESSAGE.build(message)


# -- what is made from what is on the wire
def tag_of(e: bytes) -> bytes:
    """The 8 bytes by which datagrams belong to the call that was made with that key (simp2 2.4)."""
    return sha256(b"SIMP/2 call" + e).digest()[:TAG_SIZE]


def prologue(user: bytes, offer: bytes) -> bytes:
    """What a handshake binds of the SYN: its user, with NULs or without, and its `Offer.text` (simp2 5.2)."""
    return b"SIMP/2" + user.ljust(USER_SIZE, b"\0") + len(offer).to_bytes(2, "big") + offer


def ring_key(shared: bytes, caller: bytes, callee: bytes) -> bytes:
    """32 bytes from X25519 of two static keys, and these: HKDF-SHA256 (RFC 5869, simp2 4.3)."""
    extracted = hmac.digest(b"SIMP/2 ring", shared, "sha256")
    return hmac.digest(extracted, caller + callee + b"\1", "sha256")


def ring_proof(ring_key: bytes, user: bytes, offer: bytes, cookie: bytes) -> bytes:
    """16 bytes that show a contact who rings: of a SYN's user, `Offer.text` and cookie, by the ring key (simp2 4.3)."""
    return hmac.digest(ring_key, user.ljust(USER_SIZE, b"\0") + offer + cookie, "sha256")[:PROOF_SIZE]


def session_of(handshake_hash: bytes) -> bytes:
    """The 4 bytes by which records belong to a session (simp2 5.4)."""
    return sha256(b"SIMP/2 session" + handshake_hash).digest()[:SESSION_SIZE]


def chained(chain: bytes, piece: Piece) -> bytes:
    """The 8 bytes that say what all pieces up to this one were; before the first they are NULs (simp2 7.3)."""
    return sha256(chain + bytes((piece.flags,)) + piece.data).digest()[:CHAIN_SIZE]

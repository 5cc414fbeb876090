"""What is sealed: frames, and the messages whose pieces are in them (simp2 6.5, 7.1 to 7.3).

No bytes raise anything but `SealedError`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, Final

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, Int64ub

from simp_proto.constants import (
    ERROR_SIZE,
    KEY_SIZE,
    LOSSY_SIZE,
    MAX_MESSAGE_SIZE,
    MAX_NEXT,
    PIECE_SIZE,
    USER_SIZE,
    Chat,
    Control,
    FrameType,
    Operation,
    PayloadKind,
)
from simp_proto.errors import SealedError, UnknownFrameError
from simp_proto.sealed.layout import NUMBERS, Among, Layout, listed

CHAIN_SIZE: Final = 8


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
_NEXT: Final = Among(Int64ub, range(1, MAX_NEXT + 1))
_FRAME: Final = Layout(tuple, "6.5", type=Int8ub, length=Int16ub).form
_FRAMES: Final = {
    FrameType.HELLO: Layout(
        Hello, "6.5", features=Int32ub, signing_key=Bytes(KEY_SIZE), name=Among(GreedyBytes, range(1, USER_SIZE + 1))
    ),
    FrameType.STATE: Layout(State, "6.5", first=_NEXT, before=_CHAIN, next=_NEXT, upto=_CHAIN),
    FrameType.PIECE: Layout(
        Piece,
        "6.5",
        number=Among(Int64ub, range(1, MAX_NEXT)),
        flags=Among(Int8ub, range((FIRST | LAST) + 1)),
        data=Among(GreedyBytes, range(1, PIECE_SIZE + 1)),
    ),
    FrameType.ACKED: Layout(Acked, "6.5", next=_NEXT, echo=Among(Int64ub, NUMBERS), bitmap=Int64ub),
    FrameType.PING: Layout(Ping, "6.5"),
    FrameType.CLOSE: Layout(Close, "6.5", reason=Int8ub, text=Among(GreedyBytes, range(ERROR_SIZE + 1))),
    FrameType.CLOSED: Layout(Closed, "6.5"),
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
            raise _wrong_frame("length", at + 1, f"{length:,}", listed(sizes))
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


def read_record_frames(plain: bytes, operation: Operation) -> list[Frame]:
    """The frames of a record in that operation, which must be theirs (simp2 6.2). Raises as `read_frames` does."""
    frames = read_frames(plain)
    if operation is not (expected := operation_of(frames)):
        raise SealedError("operation", 1, operation.label, f"{expected.label}, for these frames", section="6.2")
    return frames


# -- messages (simp2 7.1)
@dataclass(slots=True)
class Message:
    """What pieces make together. `time` is in milliseconds since 1970, `body` has at most 60,000 bytes."""

    kind: int
    time: int
    body: bytes


TEXT: Final = 0x01
"""The kind of a message in UTF-8."""
_MESSAGE: Final = Layout(
    Message, "7.1", kind=Int8ub, time=Among(Int64ub, NUMBERS), body=Among(GreedyBytes, range(MAX_MESSAGE_SIZE + 1))
)
MAX_SIZE: Final = _MESSAGE.sizes[-1]
"""Bytes of a message with its kind and time, at most: 60,009."""


def read_message(data: bytes) -> Message:
    """The message that pieces make together; raises `SealedError`."""
    if len(data) not in _MESSAGE.sizes:
        raise SealedError("length", 0, f"{len(data):,} bytes", listed(_MESSAGE.sizes), section="7.1")
    message: Message = _MESSAGE.read(data, 0, len(data))
    return message


def build_message(message: Message) -> bytes:
    """What is cut into pieces; raises `SealedError` for values that can't be in a message."""
    return _MESSAGE.build(message)


def chained(chain: bytes, piece: Piece) -> bytes:
    """The 8 bytes that say what all pieces up to this one were; before the first they are NULs (simp2 7.3)."""
    return sha256(chain + bytes((piece.flags,)) + piece.data).digest()[:CHAIN_SIZE]

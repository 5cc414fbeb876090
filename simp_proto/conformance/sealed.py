"""What passes between the tester and a daemon of SIMP/2: calls, sessions, and what is heard (spec/simp2.md)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from simp_proto.conformance.tester import Received
from simp_proto.conformance.wire import Side
from simp_proto.constants import Control, Operation
from simp_proto.noise import HandshakeState, KeyPair, nonce
from simp_proto.sealed.frames import (
    Acked,
    Close,
    Frame,
    Piece,
    State,
    build_frames,
    operation_of,
)
from simp_proto.sealed.offer import Offer, tag_of
from simp_proto.sealed.opening import open_record
from simp_proto.sealed.payloads import (
    Over,
    Payload,
    Record,
    associated_data,
    build_record,
    padded,
    session_of,
)

_Kind = TypeVar("_Kind")

QUIET: Final = 0x01
"""The flag of a call that doesn't ring (simp2 2.3)."""


class Session:
    """The keys of one session (simp2 5.4, 6)."""

    def __init__(self, handshake: HandshakeState, *, caller: bool) -> None:
        *keys, handshake_hash = handshake.split()
        ours, theirs = keys if caller else keys[::-1]
        self.number = session_of(handshake_hash)
        self.counter = 0
        """That of the tester's next record."""
        self._ours, self._theirs = ChaCha20Poly1305(ours), ChaCha20Poly1305(theirs)

    def seal(
        self, *frames: Frame, plain: bytes | None = None, operation: Operation | None = None, counter: int | None = None
    ) -> bytes:
        """The datagram of a record with these frames, or with those bytes in place of them, in that operation."""
        plain = padded(build_frames(frames)) if plain is None else plain
        if counter is None:
            counter, self.counter = self.counter, self.counter + 1
        operation = operation or operation_of(frames)
        associated = associated_data(operation, self.number, counter, len(plain))
        return build_record(associated, self._ours.encrypt(nonce(counter), plain, associated))

    def open(self, operation: Operation, record: Record) -> bytes | None:
        """What the daemon sealed in it; `None` if it isn't of this session."""
        return open_record(self._theirs, operation, record) if record.session == self.number else None


@dataclass(slots=True)
class Call:
    """A call of the tester's, or the daemon's if there is no `ephemeral` key of its caller."""

    offer: Offer
    user: bytes
    side: Side
    ephemeral: KeyPair | None = None
    answer: bytes = b""
    """The message of the daemon's ANSWER."""
    frames: list[Frame] = field(default_factory=list)
    """Those of its CONFIRM."""
    over: bool = False

    @property
    def tag(self) -> bytes:
        return tag_of(self.offer.e)


@dataclass(frozen=True, slots=True)
class Heard:
    """A datagram of the daemon, and what of SIMP/2 is in it, if anything; a record's frames, if it could be opened."""

    received: Received
    said: Offer | Payload | None = None
    session: Session | None = None
    plain: bytes = b""
    frames: tuple[Frame, ...] = ()

    @property
    def operation(self) -> Operation:
        return self.received.datagram.operation

    @property
    def counter(self) -> int:
        """Of a record."""
        return self.said.counter if isinstance(self.said, Record) else -1

    def get(self, kind: type[_Kind]) -> list[_Kind]:
        """Its frames of that kind."""
        return [frame for frame in self.frames if isinstance(frame, kind)]

    @property
    def pieces(self) -> list[Piece]:
        return self.get(Piece)


Matches = Callable[[Heard], object]


def says(kind: type[Payload], tag: bytes) -> Matches:
    """Whether it is that payload, of the call with that tag; an `Over` in a FIN."""
    return lambda heard: (
        isinstance(heard.said, kind)
        and getattr(heard.said, "tag", b"") == tag
        and (kind is not Over or heard.operation is Control.FIN)
    )


def acknowledges_over(tag: bytes) -> Matches:
    """Whether it is an OVER in an ACK, of that call."""
    return lambda heard: isinstance(heard.said, Over) and heard.said.tag == tag and heard.operation is Control.ACK


def has(kind: type[Frame]) -> Matches:
    """Whether it is a record with such a frame."""
    return lambda heard: bool(heard.get(kind))


def acks(number: int) -> Matches:
    """Whether it says that all pieces up to that number are stored."""
    return lambda heard: any(acked.next == number + 1 for acked in heard.get(Acked))


def octet(value: int) -> bytes:
    """A byte of that value."""
    return bytes((value,))


def in_words(frames: Iterable[Frame]) -> str:
    """Frames as a line of a report names them."""
    words = []
    for frame in frames:
        match frame:
            case Piece():
                words.append(f"PIECE {frame.number}, {len(frame.data)} bytes")
            case Acked():
                words.append(f"ACKED next {frame.next}, echo {frame.echo}, bitmap {frame.bitmap:x}")
            case State():
                words.append(f"STATE first {frame.first}, next {frame.next}")
            case Close():
                words.append(f"CLOSE {frame.reason}")
            case _:
                words.append(type(frame).__name__.upper())
    return "; ".join(words) or "no frame"

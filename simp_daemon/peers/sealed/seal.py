"""The keys of one session: what seals records and opens them, and which were seen (simp2 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from simp_daemon.events import Reason
from simp_proto.constants import REPLAY_WINDOW, CloseReason, Operation
from simp_proto.errors import SealedError, UnknownFrameError
from simp_proto.noise import nonce
from simp_proto.sealed.frames import Frame, build_frames, operation_of, read_record_frames
from simp_proto.sealed.opening import open_record
from simp_proto.sealed.payloads import Record, associated_data, build_record, padded, session_of

_WINDOW: Final = (1 << REPLAY_WINDOW) - 1


@dataclass(slots=True)
class Opened:
    """A record of the peer's, with its counter."""

    counter: int
    frames: list[Frame]


@dataclass(slots=True)
class Fault:
    """A record of the peer's that breaks the rules; the peer is told by a CLOSE with that reason (simp2 6.4, 7.9)."""

    reason: CloseReason
    error: SealedError


class Seal:
    """One end of a session. Each counter has one owner: this.

    `keys` are those of 32 bytes for the caller's and for the callee's records, and `handshake_hash` is that of the
    handshake which gave them; `caller` says which end this is (simp2 5.4).
    """

    def __init__(self, keys: tuple[bytes, bytes], handshake_hash: bytes, *, caller: bool) -> None:
        ours, theirs = keys if caller else keys[::-1]
        self.session = session_of(handshake_hash)
        self.counter = 0
        """That of the next record, and so how many were sealed."""
        self._ours, self._theirs = ChaCha20Poly1305(ours), ChaCha20Poly1305(theirs)
        self._highest = -1
        self._seen = 0  # bit i: the record i below the highest

    def seal(self, frames: Sequence[Frame]) -> tuple[bytes, int]:
        """The bytes of a record's datagram with those frames, and its counter, which is never used again.

        Raises `SealedError` for frames that are none, or too many for a record (simp2 6.6).
        """
        plain, operation, counter = padded(build_frames(frames)), operation_of(frames), self.counter
        self.counter += 1
        associated = associated_data(operation, self.session, counter, len(plain))
        return build_record(associated, self._ours.encrypt(nonce(counter), plain, associated)), counter

    def open(self, operation: Operation, record: Record) -> Opened | Reason | Fault:
        """What a record in that operation says, or why it is ignored: then nothing has changed (simp2 6.4)."""
        counter = record.counter
        below = self._highest - counter
        if below >= REPLAY_WINDOW:
            return Reason.OLD
        if below >= 0 and self._seen >> below & 1:
            return Reason.REPLAY
        plain = open_record(self._theirs, operation, record)
        if plain is None:
            return Reason.FORGED
        if below >= 0:
            self._seen |= 1 << below
        else:
            self._seen = self._seen << -below & _WINDOW | 1 if -below < REPLAY_WINDOW else 1
            self._highest = counter
        return _read(plain, operation, counter)


def _read(plain: bytes, operation: Operation, counter: int) -> Opened | Fault:
    """The frames that were sealed, all of which are read before one is obeyed."""
    try:
        return Opened(counter, read_record_frames(plain, operation))
    except SealedError as error:
        unknown = isinstance(error, UnknownFrameError)
        return Fault(CloseReason.UNKNOWN_FRAME if unknown else CloseReason.FAULT, error)

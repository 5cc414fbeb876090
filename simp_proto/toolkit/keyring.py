"""The keys of a key log, and what they open (simp2 10.2)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from simp_proto.constants import Operation, PayloadKind
from simp_proto.errors import KeyLogError, NoiseError, SealedError
from simp_proto.noise import SymmetricState
from simp_proto.sealed.frames import Frame, read_handshake, read_record_frames
from simp_proto.sealed.key_log import SessionKeys, read_line
from simp_proto.sealed.offer import Offer, prologue, tag_of
from simp_proto.sealed.opening import begin_transcript, open_message, open_record
from simp_proto.sealed.payloads import Answer, Confirm, Record
from simp_proto.toolkit.envelope import Envelope
from simp_proto.toolkit.opened import Opened

_MOST_MISSING: Final = 1024
"""Sessions and calls without keys that are counted; anybody can make up more."""
_MOST_WRONG: Final = 3
"""Lines that are told each by itself."""
_MOST_OFFERS: Final = 16
"""Of one call: only one is that of its caller."""
_FORGED: Final = "no key of the key log opens it: it is forged or damaged, or the key is wrong"


@dataclass(slots=True)
class _Session:
    """What is known of a session: its keys, and what its handshake has hashed after messages 1 and 2."""

    keys: SessionKeys
    ciphers: dict[str, ChaCha20Poly1305]
    offers: list[SymmetricState] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)
    answered: SymmetricState | None = None


class Keyring:
    """The keys in the lines of a key log. It opens datagrams in the order in which they come.

    `tell` is given what is wrong with a line, and once what has no keys. A daemon may write while it chats, so that
    there may be more lines whenever keys are missed.
    """

    def __init__(self, lines: Iterator[str], tell: Callable[[str], None]) -> None:
        self.is_wrong = False
        """Whether some of the lines are none of a key log."""
        self._lines = lines
        self._number = 0
        self._tell = tell
        self._missing: set[bytes] = set()
        self._wrong = 0
        self._sessions: dict[bytes, list[_Session]] = {}
        self._calls: dict[bytes, list[_Session]] = {}
        self._read_on()
        if self._wrong and not self._calls:
            self._tell(
                f"none of its {self._number} lines has keys: it is no key log, which simp daemon --key-log writes"
            )

    def end(self) -> None:
        """Tells how much else was wrong, or has no keys."""
        if self._wrong > _MOST_WRONG:
            self._tell(f"{self._wrong - _MOST_WRONG} more lines are wrong")
        missing = [key for key in self._missing if key not in self._sessions and key not in self._calls]
        if len(missing) > 1:
            self._tell(f"nor are the keys of {len(missing) - 1} more in the key log")

    def _read_on(self) -> None:
        for line in self._lines:
            self._number += 1
            try:
                keys = read_line(line)
            except KeyLogError as error:
                self.is_wrong = True
                self._wrong += 1
                if self._wrong <= _MOST_WRONG:
                    self._tell(f"line {self._number}: {error}")
                continue
            if keys:
                ciphers = {"caller": ChaCha20Poly1305(keys.caller), "callee": ChaCha20Poly1305(keys.callee)}
                session = _Session(keys, ciphers)
                self._sessions.setdefault(keys.session, []).append(session)
                self._calls.setdefault(keys.tag, []).append(session)

    def open(self, envelope: Envelope) -> Opened | None:
        """What is sealed in it; `None` where nothing is, or nothing is known of its session."""
        said, operation = envelope.said, envelope.datagram.operation
        match said:
            case Offer():
                self._note(said, envelope.datagram.user)
            case Record():
                if sessions := self._found("session", said.session, self._sessions):
                    return _record(said, operation, sessions)
            case Answer() | Confirm():
                if sessions := self._found("call", said.tag, self._calls):
                    return _handshake(said, sessions)
        return None

    def _note(self, offer: Offer, user: bytes) -> None:
        bound = prologue(user, offer.text)
        for session in self._calls.get(tag_of(offer.e), ()):
            if bound not in session.seen and len(session.seen) < _MOST_OFFERS:
                session.seen.add(bound)
                session.offers.append(begin_transcript(bound, offer.e))

    def _found(self, what: str, key: bytes, among: dict[bytes, list[_Session]]) -> list[_Session]:
        if key not in among:
            self._read_on()
        if key not in among and len(self._missing) < _MOST_MISSING:
            if not self._missing:
                self._tell(f"{what} {key.hex()}: its keys aren't in the key log")
            self._missing.add(key)
        return among.get(key, [])


def _record(record: Record, operation: Operation, sessions: list[_Session]) -> Opened:
    for session in sessions:
        for side, cipher in session.ciphers.items():
            plain = open_record(cipher, operation, record)
            if plain is not None:
                return _read(side, plain, lambda plain: read_record_frames(plain, operation))
    return Opened(why=_FORGED, forged=True)


def _handshake(said: Answer | Confirm, sessions: list[_Session]) -> Opened:
    is_answer, untried = isinstance(said, Answer), True
    kind, side = (PayloadKind.ANSWER, "callee") if is_answer else (PayloadKind.CONFIRM, "caller")
    for session in sessions:
        before = session.offers if is_answer else [session.answered] if session.answered else []
        key = session.keys.message_2 if is_answer else session.keys.message_3
        for state in before:
            untried = False
            try:
                plain, after = open_message(state, kind, said.message, key)
            except NoiseError:
                continue
            if is_answer:
                session.answered = after
            return _read(side, plain, lambda plain: [each for each in read_handshake(kind, plain) if each])
    if untried:
        earlier = "SYN" if is_answer else "ANSWER"
        return Opened(why=f"not opened: its seal covers the {earlier} of its call, which hasn't been read")
    return Opened(why=_FORGED, forged=True)


def _read(side: str, plain: bytes, reading: Callable[[bytes], Iterable[Frame]]) -> Opened:
    try:
        return Opened(side, plain, tuple(reading(plain)))
    except SealedError as error:
        return Opened(side, plain, error=error)

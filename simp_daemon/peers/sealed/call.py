"""One call of SIMP/2: what is remembered of it, when something is due, and what is read and written (simp2 4, 5).

What happens to it is in `call_states`, what is done then in `call_actions`.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from enum import Enum, unique
from math import inf
from typing import Final, NamedTuple

from simp_daemon.effects import Send
from simp_daemon.events import Unanswered
from simp_daemon.peers.sealed.call_news import CallNews, ClearAnswers
from simp_daemon.peers.sealed.pins import Pin, Pins
from simp_daemon.peers.strangers import Allowance
from simp_proto.address import Address
from simp_proto.constants import (
    FOREIGN_LEAVING_TRIES,
    KEY_SIZE,
    TRIES,
    UNANSWERED_INTERVAL,
    UNKNOWN_SYN_INTERVAL,
    Control,
    Framing,
    PayloadKind,
    Type,
)
from simp_proto.datagram import Datagram, build, name_of
from simp_proto.errors import NoiseError, SealedError
from simp_proto.noise import HandshakeState, KeyPair
from simp_proto.sealed import frames
from simp_proto.sealed.frames import Hello, build_frames, read_handshake
from simp_proto.sealed.offer import PROOF_SIZE, Offer, build_offer, prologue, ring_proof, tag_of
from simp_proto.sealed.payloads import Payload, build_payload

FIRST_PAUSE: Final = 1.0
MAX_PAUSE: Final = 5.0
"""SYNs in `header`, ANSWERs and CONFIRMs are repeated after 1, 2, 4, 5, 5 ... s (simp2 4.4, 4.5)."""
IMPATIENCE: Final = 120.0
MAX_QUIET_PAUSE: Final = 300.0
"""The pauses of a quiet call double after that time, up to this (simp2 4.7)."""
READ_RATE: Final = 10
READ_BURST: Final = 20
"""ANSWERs and CONFIRMs of one call that are read, since each may cost arithmetic on a curve (simp2 4.4)."""


@dataclass(slots=True)
class Own:
    """What is ours in every call.

    `user` gives the name that our datagrams bear, `random` so many random bytes, `state` our STATE towards whoever has
    that static key. What is to be done and told goes into `outlet`, in order, and into `missed` who is to be called
    quietly.
    """

    keys: KeyPair
    signing_key: bytes
    pins: Pins
    user: Callable[[], bytes]
    random: Callable[[int], bytes]
    state: Callable[[bytes], frames.State]
    outlet: list[Send | CallNews]
    missed: list[Pin] = field(default_factory=list)
    hides: bool = False
    """Whether quiet calls, which anybody may answer, bear no name (discovery 5.3)."""

    def hello(self) -> Hello:
        """Who we are, in a handshake."""
        return Hello(0, self.signing_key, self.user())


class Reading(NamedTuple):
    """A message of Noise that could be read, what it said, and the handshake after it."""

    message: bytes
    hello: Hello
    state: frames.State | None
    handshake: HandshakeState


@unique
class State(Enum):
    """Where a call is. Each has its own state, whoever it is with."""

    IDLE = "no such call"
    CALLING = "our SYN is out, and nothing has answered"
    PROVING = "our SYN with the callee's cookie is out"
    RINGING = "the callee said that our call rings"
    CONFIRMING = "the session is on here, and our CONFIRM is out"
    REQUESTED = "the peer's SYN, with a good cookie, has come in, and our person hasn't answered"
    ACCEPTING = "our ANSWER is out"
    ENDING = "our person has declined or cancelled, and our OVER is out"
    OVER = "one of the last 64 that are over, however they ended"

    __hash__ = object.__hash__  # an enumeration's own is slow


class Call:
    """One call: ours if it has an `ephemeral` key pair, and otherwise the peer's.

    `user` is that of its SYN, and `expected` the contact who was called, or was proved to call.
    """

    def __init__(
        self,
        own: Own,
        peer: Address,
        user: bytes,
        offer: Offer,
        expected: Pin | None,
        now: float,
        ephemeral: KeyPair | None = None,
        framing: Framing = Framing.HEADER,
    ) -> None:
        self.own, self.peer, self.user, self.offer, self.expected = own, peer, user, offer, expected
        self.ephemeral, self.framing, self.begun = ephemeral, framing, now
        self.tag = tag_of(offer.e)
        self.state = State.IDLE
        self.here: str | None = None
        """The address of ours to which its last datagram came (S1 1.4)."""
        # what is repeated: a SYN where there are no bytes
        self._data = b""
        self.at: float | None = None
        """When it is sent next."""
        self._sent = 0
        self._pause = FIRST_PAUSE
        self._sent_once: float | None = None
        # when else something is due
        self.expires: float | None = None
        self.doubted: float | None = None
        self.missed: float | None = None
        # our calls
        self.rings: bool | None = None
        """Whether it rings there; `None` if it never has."""
        self.prompted = -inf
        """When the peer last brought about a SYN."""
        self.clear = False
        """Whether answers of SIMP/1 were ignored."""
        self.elsewhere: Address | None = None
        """Who was named to our person as perhaps answering it (S1 4.11)."""
        self.other: Reading | None = None
        """The last ANSWER with another key."""
        self.answer = b""
        """The message of the right one."""
        self.in_the_clear = False
        """Whether it ends as one of SIMP/1, since nothing has answered."""
        self._asked = 0
        # the peer's calls
        self.opened = False
        """Whether this call opened the conversation."""
        self.closes = False
        """Whether it is answered to say that the conversation isn't open (simp2 4.7)."""
        self._handshake: HandshakeState | None = None
        self._allowance = Allowance(READ_RATE, READ_BURST)

    @property
    def name(self) -> str:
        """The other's, as far as known."""
        if self.ephemeral is None:
            return name_of(self.user)
        return self.expected.name if self.expected else ""

    @property
    def quiet(self) -> bool:
        """Whether it is a quiet call of ours."""
        return self.ephemeral is not None and self.offer.quiet

    def repeats(self, other: "Call") -> bool:
        """Whether it differs from the other in nothing that our person would be told (simp2 4.1)."""
        one, another = (replace(call.offer, key=call.offer.key[:1], proof=b"") for call in (self, other))
        return (one, self.user, self.expected) == (another, other.user, other.expected)

    # -- what is sent, and when

    def put(self, datagram: Datagram | None, now: float, pause: float = FIRST_PAUSE) -> None:
        """Repeats that from now on, in place of whatever was due; nothing stands for our SYN."""
        self.rest()
        self._data = build(datagram) if datagram else b""
        self.at, self._sent, self._pause = now, 0, pause

    def hasten(self, at: float, *, anew: bool) -> None:
        """Sends the SYN at that time; `anew`: all tries begin again."""
        self.at = at
        if anew:
            self._sent, self._pause = 0, FIRST_PAUSE

    def pump(self, now: float) -> None:
        """Sends what is due."""
        if self.at is None or now < self.at:
            return
        self._sent += 1
        self.repeat()
        self._sent_once = now if self._sent == 1 else None
        slow = not self._data and (self.rings or self.framing is Framing.BARE)
        self.at = now + (UNKNOWN_SYN_INTERVAL if slow else self._pause)
        impatient = not self._data and self.quiet and now >= self.begun + IMPATIENCE
        self._pause = min(2 * self._pause, MAX_QUIET_PAUSE if impatient else MAX_PAUSE)

    def repeat(self) -> None:
        """Sends once more what is repeated."""
        self._sent_once = None
        self.own.outlet.append(Send(self._data or self._syn(), self.peer, self.here))

    def send(self, payload: Payload, operation: Control | None = None) -> None:
        """Sends something once."""
        self.own.outlet.append(Send(build(build_payload(payload, operation)), self.peer, self.here))

    def exhausted(self, now: float) -> bool:
        """Whether the last try went unanswered, too; a quiet call has none (S1 6.3, simp2 4.7)."""
        if self.at is None or now < self.at or (self.quiet and not self._data):
            return False
        foreign = bool(self._data) and self.framing is Framing.BARE
        return self._sent >= (FOREIGN_LEAVING_TRIES if foreign else TRIES)

    def ask(self, now: float) -> None:
        """Asks our person whether to keep waiting, and says who answers (S1 6.4, simp2 4.4)."""
        question = self._question()
        if question is None or now < question:
            return
        self._asked = max(self._asked + 1, int((now - self.begun) // UNANSWERED_INTERVAL))
        self.own.outlet.append(Unanswered(self.peer, self.name, round(self._asked * UNANSWERED_INTERVAL)))
        if self.clear and self.expected:
            self.own.outlet.append(ClearAnswers(self.peer, self.expected.key))

    def get_timer(self) -> float | None:
        """When something is due; changes nothing."""
        times = (self.at, self.expires, self.doubted, self.missed, self._question())
        return min((each for each in times if each is not None), default=None)

    def rest(self) -> None:
        """Nothing is due any more."""
        self.at = self.expires = self.doubted = self.missed = None

    def round_trip(self, now: float) -> float | None:
        """How long an answer took, in seconds; `None` if it may be one to a repeat."""
        return None if self._sent_once is None else now - self._sent_once

    def _question(self) -> float | None:
        if self.at is None or self._data or self.quiet:
            return None
        return self.begun + (self._asked + 1) * UNANSWERED_INTERVAL

    def _syn(self) -> bytes:
        pin, cookie = self.expected, self.offer.cookie
        proof = ring_proof(pin.ring_key, self.user, self.offer.text, cookie) if pin else self.own.random(PROOF_SIZE)
        payload = build_offer(replace(self.offer, proof=cookie + proof))
        return build(Datagram(Type.CONTROL, Control.SYN, 0, self.user, payload, self.framing))

    # -- the handshake

    def may_read(self, now: float) -> bool:
        """Whether a message may be read now; it is spent then."""
        allowed = self._allowance.left(now)
        self._allowance.spend(int(allowed))
        return allowed

    def read(self, message: bytes) -> Reading | None:
        """Message 2 of our call, message 3 of the peer's, or `None` for a wrong one. None of them leaves a trace."""
        if self.ephemeral is not None:
            kind, handshake = PayloadKind.ANSWER, self._begin(self.ephemeral, initiator=True)
            handshake.write_message()
        else:
            assert self._handshake is not None, "there was no ANSWER"
            kind, handshake = PayloadKind.CONFIRM, copy(self._handshake)
        try:
            hello, state = read_handshake(kind, handshake.read_message(message))
        except (NoiseError, SealedError):
            return None
        if handshake.remote_static == self.own.keys.public:  # somebody joins two calls of ours
            return None
        return Reading(message, hello, state, handshake)

    def is_right(self, read: Reading) -> bool:
        """Whether the keys are those expected, or new where none are (simp2 4.4, 9.1)."""
        key = read.handshake.remote_static
        expected = self.expected or self.own.pins.get(key)
        if expected is None:
            return True
        return not expected.barred and (expected.key, expected.signing_key) == (key, read.hello.signing_key)

    def write_answer(self) -> bytes:
        """Message 2, to this call of the peer's. Raises `LowOrderError`."""
        handshake = self._begin(KeyPair(self.own.random(KEY_SIZE)), initiator=False)
        handshake.read_message(self.offer.e)
        message = handshake.write_message(build_frames([self.own.hello()]))
        self._handshake = handshake
        return message

    def _begin(self, ephemeral: KeyPair, *, initiator: bool) -> HandshakeState:
        bound = prologue(self.user, self.offer.text)
        return HandshakeState(initiator=initiator, prologue=bound, s=self.own.keys, e=ephemeral)

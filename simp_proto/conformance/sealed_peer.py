"""The tester as a peer of SIMP/2: a person of its own, whose calls, sessions and messages it makes (spec/simp2.md).

Pure except for the `Tester` that it speaks by, and lenient as that is. Whatever is random comes from there, keys, too.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from simp_proto.conformance.kinds import is_syn
from simp_proto.conformance.sealed import QUIET, Call, Heard, Matches, Session, acks, has, in_words, octet, says
from simp_proto.conformance.tester import NAME, PATIENCE, Received, Tester
from simp_proto.conformance.trace import Passage, RuleBrokenError
from simp_proto.conformance.wire import NotRunError, Request, Side
from simp_proto.constants import KEY_SIZE, PIECE_SIZE, Control, Framing, PayloadKind
from simp_proto.datagram import build
from simp_proto.errors import NoiseError, SealedError
from simp_proto.noise import HandshakeState, KeyPair
from simp_proto.sealed.frames import (
    CHAIN_SIZE,
    FIRST,
    LAST,
    TEXT,
    Acked,
    Close,
    Closed,
    Frame,
    Hello,
    Message,
    Piece,
    State,
    build_frames,
    build_message,
    chained,
    read_frames,
)
from simp_proto.sealed.offer import COOKIE_SIZE, PROOF_SIZE, Offer, build_offer, prologue, read_offer, ring_key
from simp_proto.sealed.offer import ring_proof as proof_of
from simp_proto.sealed.payloads import (
    Answer,
    Challenge,
    Confirm,
    Over,
    Payload,
    Record,
    Ringing,
    build_payload,
    read_payload,
)

_SLOW: Final = 3.0
"""Seconds in which a daemon has stored what it answers."""
_FIRST_BYTES: Final = range(0x80, 0xC0)
"""Of payloads of SIMP/2 (simp2 3.1)."""


def speaks_sealed(tester: Tester) -> bool:
    """Whether the daemon speaks SIMP/2, which a quiet call with an offer of it shows: it rings nowhere (simp2 4.7)."""
    peer = Peer(tester)
    peer.dial(peer.make_call(quiet=True))
    answers = [each.received.datagram for each in peer.collect()]
    return any(each.framing is Framing.HEADER and each.payload[:1] in map(octet, _FIRST_BYTES) for each in answers)


@dataclass
class Peer:
    """Somebody whom the daemon doesn't know: with fresh keys, who has said nothing and heard nothing yet."""

    tester: Tester
    side: Side = Side.TESTER
    sessions: list[Session] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    daemon: bytes | None = None
    """The daemon's static key, once it is known."""
    chains: list[bytes] = field(default_factory=lambda: [bytes(CHAIN_SIZE)])
    """The chain after each piece that the tester said, from number 0 on (simp2 7.3)."""
    heard: list[bytes] = field(default_factory=lambda: [bytes(CHAIN_SIZE)])
    """The same of the pieces that it took."""
    text: bytes = b""
    """Of the daemon's message that isn't whole yet."""

    def __post_init__(self) -> None:
        self.keys, self.signing_key = self.make_keys(), self.chance(KEY_SIZE)

    def chance(self, size: int) -> bytes:
        """So many random bytes."""
        return self.tester.wire.chance(size)

    def make_keys(self) -> KeyPair:
        """A fresh pair."""
        return KeyPair(self.chance(KEY_SIZE))

    @property
    def session(self) -> Session:
        """The latest one."""
        return self.sessions[-1]

    # -- one datagram

    def send(self, data: bytes, side: Side | None = None) -> None:
        """Sends those bytes, whatever they are."""
        self.tester.send(data, side or self.side)

    def put(self, payload: Payload, operation: Control | None = None, side: Side | None = None) -> None:
        """Sends that payload."""
        self.send(build(build_payload(payload, operation)), side)

    def seal(self, *frames: Frame) -> int:
        """Sends these frames in a record; its counter."""
        self.send(self.session.seal(*frames))
        return self.session.counter - 1

    def find(self, matches: Matches, within: float | None = None, side: Side | None = None) -> Heard | None:
        """The first that matches, in that time or the wire's `wait`; what comes before it is passed over."""
        return next((each for each in self._incoming(within, side) if matches(each)), None)

    def expect(self, expected: str, matches: Matches, within: float | None = None) -> Heard:
        """The same, in the time that a slow disk takes if no other is given. Raises `RuleBrokenError`."""
        start = len(self.tester.trace)
        found = self.find(matches, max(self.tester.wire.wait, _SLOW) if within is None else within)
        if found is None:
            raise RuleBrokenError(expected, self.tester.trace.seen(start))
        return found

    def collect(self, within: float | None = None, side: Side | None = None) -> list[Heard]:
        """All that comes in that time."""
        return list(self._incoming(within, side))

    def expect_none(self, expected: str, matches: Matches, within: float | None = None) -> None:
        """Nothing that comes in that time may match. Raises `RuleBrokenError`."""
        self.judge(not any(matches(each) for each in self.collect(within)), expected)

    def judge(self, kept: object, expected: str) -> None:
        """Raises `RuleBrokenError` unless the rule was kept."""
        self.tester.judge(kept, expected)

    def shown(self, start: str) -> list[str]:
        """The lines that the person was told and that begin so."""
        return [line for line in self.tester.shown() if line.startswith(start)]

    def ask(self, action: Request, text: str = "", *, quiet: bool = False) -> None:
        """Has the daemon's person do that."""
        self.tester.ask(action, text, self.side, quiet=quiet)

    def _incoming(self, within: float | None, side: Side | None) -> Iterator[Heard]:
        wire = self.tester.wire
        until = wire.now() + (wire.wait if within is None else within)
        while received := self.tester.find(within=max(until - wire.now(), 0.0), side=side or self.side):
            yield self._read(received)

    def read(self, passage: Passage) -> Heard | None:
        """What passed, once more; `None` for what the daemon didn't say."""
        received = self.tester.read(passage)
        return self._read(received) if received else None

    def _read(self, received: Received) -> Heard:
        try:
            if is_syn(received.datagram):
                return Heard(received, read_offer(received.datagram.payload))
            said = read_payload(received.datagram)
        except SealedError:
            return Heard(received)
        for session in self.sessions[::-1] if isinstance(said, Record) else ():
            plain = session.open(received.datagram.operation, said) if isinstance(said, Record) else None
            if plain is not None:
                return self._opened(Heard(received, said, session, plain))
        return Heard(received, said)

    def _opened(self, heard: Heard) -> Heard:
        try:
            frames = tuple(read_frames(heard.plain))
        except SealedError as error:
            self.tester.trace.add_note(f"can't read record {heard.counter}: {error}", self.side, "tester")
            return heard
        self.tester.trace.add_note(f"opens record {heard.counter}: {in_words(frames)}", self.side, "tester")
        return replace(heard, frames=frames)

    # -- the tester's calls

    def make_call(
        self, *, quiet: bool = False, flags: int = 0, before: bytes = b"", after: bytes = b"", e: KeyPair | None = None
    ) -> Call:
        """A call that is still to be made, with random bytes for a proof."""
        ephemeral = e or self.make_keys()
        key = octet(QUIET if quiet else flags) + ephemeral.public
        offer = Offer(key, self.chance(COOKIE_SIZE + PROOF_SIZE), before, after)
        self.calls.append(Call(offer, NAME, self.side, ephemeral))
        return self.calls[-1]

    def dial(self, call: Call, cookie: bytes | None = None, *, proved: bool = True, side: Side | None = None) -> None:
        """Sends the SYN, with that cookie or the last one; `proved`: with the ring proof, if the daemon is known."""
        cookie, proof = cookie or call.offer.cookie, self.chance(PROOF_SIZE)
        if proved and self.daemon:
            key = ring_key(self.keys.dh(self.daemon), self.keys.public, self.daemon)
            proof = proof_of(key, call.user, call.offer.text, cookie)
        call.offer = replace(call.offer, proof=cookie + proof)
        self.send(
            self.tester.make(Control.SYN, 0, build_offer(call.offer), framing=Framing.HEADER, user=call.user), side
        )

    def be_challenged(self, call: Call) -> bytes:
        """Sends the first SYN; the cookie that is to be sent back."""
        self.dial(call)
        heard = self.expect("CHALLENGE, with the call's tag", says(Challenge, call.tag))
        return heard.said.cookie if isinstance(heard.said, Challenge) else b""

    def ring(self, call: Call | None = None, *, proved: bool = True) -> Call:
        """Calls, and shows its address, until it rings."""
        call = call or self.make_call()
        self.dial(call, self.be_challenged(call), proved=proved)
        self.expect("RINGING, with the call's tag", says(Ringing, call.tag))
        return call

    def be_accepted(self, call: Call | None = None, *, proved: bool = True) -> tuple[Call, Heard]:
        """The same, and the person accepts; the ANSWER has been read."""
        call = self.ring(call, proved=proved)
        self.ask(Request.ACCEPT)
        answer = self.expect("ANSWER, with the call's tag", says(Answer, call.tag), PATIENCE)
        self.read_answer(call, answer)
        return call, answer

    def go_on(self) -> tuple[Call, Heard]:
        """Calls quietly, as a contact whose conversation is open; the ANSWER, which has been read (simp2 4.1)."""
        call = self.make_call(quiet=True)
        self.dial(call, self.be_challenged(call))
        answer = self.expect("ANSWER, without asking anybody", says(Answer, call.tag))
        self.read_answer(call, answer)
        return call, answer

    def read_answer(self, call: Call, heard: Heard) -> list[Frame]:
        """Its frames. Raises `RuleBrokenError`."""
        call.answer = _message(heard)
        return self._read_noise(self._begin(call, self.keys), call.answer, PayloadKind.ANSWER)

    def _begin(self, call: Call, s: KeyPair) -> HandshakeState:
        assert call.ephemeral
        bound = prologue(call.user, call.offer.text)
        handshake = HandshakeState(initiator=True, prologue=bound, s=s, e=call.ephemeral)
        handshake.write_message()
        return handshake

    def _read_noise(self, handshake: HandshakeState, message: bytes, kind: PayloadKind) -> list[Frame]:
        try:
            frames = read_frames(handshake.read_message(message), handshake=True)
        except (NoiseError, SealedError) as error:
            raise self.tester.failure(f"{kind.name} that can be opened and read (simp2 5): {error}") from None
        self.daemon = handshake.remote_static
        self.tester.trace.add_note(f"opens {kind.name}: {in_words(frames)}", self.side, "tester")
        return frames

    def hello(self) -> Hello:
        return Hello(0, self.signing_key, NAME)

    def state(self) -> State:
        """The tester's: all that it said is acknowledged, as far as it knows (simp2 7.8)."""
        return State(len(self.chains), self.chains[-1], len(self.heard), self.heard[-1])

    def make_confirm(
        self, call: Call, *frames: Frame, s: KeyPair | None = None, state: State | None = None
    ) -> tuple[Confirm, HandshakeState]:
        """Message 3, and the handshake after it; with other frames, or another static key, if they are given."""
        handshake = self._begin(call, s or self.keys)
        handshake.read_message(call.answer)
        said = frames or (self.hello(), state or self.state())
        return Confirm(call.tag, handshake.write_message(build_frames(said))), handshake

    def confirm(self, call: Call, *, state: State | None = None) -> Heard:
        """Says CONFIRM; the first record of the session, which is to have the daemon's STATE."""
        confirm, handshake = self.make_confirm(call, state=state)
        self.begin(call, handshake, caller=True)
        self.put(confirm)
        return self.expect("a record with STATE, which shows that the session is on (1.1)", has(State))

    def begin(self, call: Call, handshake: HandshakeState, *, caller: bool) -> None:
        """A session is on at the tester."""
        call.over = True
        self.sessions.append(Session(handshake, caller=caller))

    def call(self) -> Heard:
        """Calls, is accepted, and acknowledges the daemon's STATE: the chat is on. The record that had it."""
        call, _ = self.be_accepted()
        return self.settle(self.confirm(call))

    def settle(self, heard: Heard) -> Heard:
        """Acknowledges a record."""
        self.seal(Acked(len(self.heard), heard.counter))
        return heard

    # -- the daemon's calls

    def befriend(self) -> None:
        """Has a chat, after which the daemon knows the tester as a contact, and leaves it."""
        self.call()
        self.close()

    def be_called(self) -> Call:
        """Has the person call this contact, which it becomes first. The call, of which nothing has been answered."""
        if self.daemon is None:
            self.befriend()
        self.ask(Request.CALL)
        heard = self.expect("a SYN with an offer of SIMP/2", lambda each: isinstance(each.said, Offer), PATIENCE)
        assert isinstance(heard.said, Offer)
        self.calls.append(Call(heard.said, heard.received.datagram.user, self.side))
        return self.calls[-1]

    def make_answer(self, call: Call, *frames: Frame, s: KeyPair | None = None) -> tuple[Answer, HandshakeState]:
        """Message 2, and the handshake after it; with other frames, or another static key, if they are given."""
        bound = prologue(call.user, call.offer.text)
        handshake = HandshakeState(initiator=False, prologue=bound, s=s or self.keys, e=self.make_keys())
        handshake.read_message(call.offer.e)
        return Answer(call.tag, handshake.write_message(build_frames(frames or (self.hello(),)))), handshake

    def accept(self, call: Call, answer: tuple[Answer, HandshakeState] | None = None) -> Heard:
        """Says ANSWER; the CONFIRM, which has been read: a session is on, in which the tester has yet to say STATE."""
        said, handshake = answer or self.make_answer(call)
        self.put(said)
        heard = self.expect("CONFIRM, with the call's tag", says(Confirm, call.tag))
        call.frames = self._read_noise(handshake, _message(heard), PayloadKind.CONFIRM)
        self.begin(call, handshake, caller=False)
        return heard

    def answer_call(self) -> None:
        """Is called, accepts, and says its STATE: the chat is on."""
        self.accept(self.be_called())
        self.seal(self.state())
        self.expect("ACKED for the record with STATE", has(Acked))

    # -- messages

    def cut(self, text: bytes, kind: int = TEXT) -> list[Piece]:
        """The pieces of that message, with the tester's next numbers (simp2 7.2), as if they had been said."""
        message = build_message(Message(kind, 0, text))
        starts = range(0, len(message), PIECE_SIZE)
        pieces = []
        for start in starts:
            flags = FIRST * (start == 0) | LAST * (start == starts[-1])
            pieces.append(Piece(len(self.chains), flags, message[start : start + PIECE_SIZE]))
            self.chains.append(chained(self.chains[-1], pieces[-1]))
        return pieces

    def say(self, text: bytes, what: str = "the message", kind: int = TEXT) -> Heard:
        """Says that; what acknowledges it."""
        for piece in self.cut(text, kind):
            self.seal(piece)
        return self.expect(f"ACKED, which says that {what} is stored", acks(len(self.chains) - 1))

    def hear(self, text: str) -> Heard:
        """Has the person say that, which is short. The record with its piece, not acknowledged yet."""
        self.ask(Request.TYPE, text)
        return self.expect(f"a PIECE with {text!r}", lambda each: any(map(self.is_next, each.pieces)), PATIENCE)

    def is_next(self, piece: Piece) -> bool:
        """Whether it is the next one that the daemon has to say."""
        return piece.number == len(self.heard)

    def take(self, pieces: Iterable[Piece]) -> None:
        """Stores those that are next, so that they can be acknowledged."""
        for piece in pieces:
            if self.is_next(piece):
                self.heard.append(chained(self.heard[-1], piece))

    # -- the end

    def close(self) -> None:
        """Leaves."""
        self.seal(Close(0))
        self.expect("CLOSED", has(Closed))

    def part(self) -> None:
        """Ends what is going on, whatever the daemon says to that."""
        tags = {call.tag for call in self.calls if not call.over}
        for call in self.calls:
            if not call.over:
                self.put(Over(call.tag), Control.FIN, call.side)
        for session in self.sessions:
            self.send(session.seal(Close(0)))
        if not self._parts(tags) and Request.LEAVE in self.tester.wire.actions:
            with suppress(NotRunError):  # as it is where its chat is over
                self.ask(Request.LEAVE, quiet=True)
                self._parts(set())

    def _parts(self, tags: set[bytes]) -> bool:
        """Answers what the daemon says when it leaves; whether there is no session at it any more."""
        closed = not self.sessions
        for heard in self._incoming(min(self.tester.wire.wait, 0.3), None) if self.calls else ():
            if isinstance(heard.said, Over):
                tags.discard(heard.said.tag)
                if heard.operation is Control.FIN:
                    self.put(heard.said, Control.ACK)
            elif heard.session and heard.get(Close):
                self.send(heard.session.seal(Closed()))
            closed = closed or bool(heard.get(Closed))
            if closed and not tags:
                break
        return closed


def _message(heard: Heard) -> bytes:
    return heard.said.message if isinstance(heard.said, Answer | Confirm) else b""

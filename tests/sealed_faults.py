"""Daemons of SIMP/2 that are wrong in one thing each, with the section of the rule and the one case that must find it.

What is sealed can't be changed on its way, so most are ours with something else in one place: a constant, a cell of the
table of calls, or a function that is made from the one there.
"""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from simp_daemon import facts
from simp_daemon.effects import Send
from simp_daemon.events import Reason
from simp_daemon.facts import NOTHING, Ledger, Received
from simp_daemon.peers.exchange import Exchange
from simp_daemon.peers.sealed import call, call_actions, link, notices, reassembly, seal, switchboard
from simp_daemon.peers.sealed import call_actions as do
from simp_daemon.peers.sealed.call import Call, State
from simp_daemon.peers.sealed.call_states import TABLE, Cell, Input
from simp_daemon.peers.sealed.calls import CALLING, Calls
from simp_daemon.peers.sealed.conversation import Conversation
from simp_daemon.peers.sealed.cookies import Cookies
from simp_daemon.peers.sealed.link import Link
from simp_daemon.peers.sealed.outlet import Arrived
from simp_daemon.peers.sealed.pins import Pins
from simp_daemon.peers.sealed.seal import Fault as Malformed
from simp_daemon.peers.sealed.seal import Opened, Seal
from simp_daemon.peers.sealed.switchboard import Switchboard
from simp_proto.constants import CloseReason, Control, PayloadKind
from simp_proto.datagram import build
from simp_proto.errors import SealedError
from simp_proto.noise import nonce
from simp_proto.sealed import frames, payloads
from simp_proto.sealed.frames import (
    FIRST,
    Close,
    Closed,
    Hello,
    Piece,
    Ping,
    build_frames,
    chained,
    operation_of,
    read_frames,
)
from simp_proto.sealed.offer import Offer, tag_of
from simp_proto.sealed.payloads import Challenge, Over, Ringing, associated_data, build_payload, build_record, padded
from tests.faulty import Passage, Rule, Way, When, answers, drops, heard, rewrites, said

SYN, ACK, FIN, SYN_ACK = Control.SYN, Control.ACK, Control.FIN, Control.SYN_ACK


@dataclass(frozen=True)
class Patch:
    """In the place of what `target` has under that name or key, what is `made` from it."""

    target: Any
    name: Any
    made: Callable[[Any], Any]

    def apply(self, monkeypatch: pytest.MonkeyPatch) -> None:
        if isinstance(self.target, MutableMapping):
            monkeypatch.setitem(self.target, self.name, self.made(self.target[self.name]))
        else:
            monkeypatch.setattr(self.target, self.name, self.made(getattr(self.target, self.name)))


@dataclass(frozen=True)
class Fault:
    """What one daemon does wrong, and the case that finds it, with its section."""

    section: str
    case: str
    rules: tuple[Rule, ...]
    patches: tuple[Patch, ...]


def breaks(section: str, case: str, *wrong: Rule | Patch) -> Fault:
    rules = tuple(each for each in wrong if isinstance(each, Rule))
    return Fault(f"simp2 {section}", case, rules, tuple(each for each in wrong if isinstance(each, Patch)))


# -- kinds of patches


def constant(target: Any, name: str, value: object) -> Patch:
    """Another value."""
    return Patch(target, name, lambda _: value)


def cell(state: State, what: Input, then: State, *actions: Callable[[Call, Any], None]) -> Patch:
    """Another cell in the table of calls."""
    other: Cell = (actions, then)
    return Patch(TABLE[state], what, lambda _: other)


def before(target: Any, name: str, act: Callable[..., Any]) -> Patch:
    """Something is done first."""

    def made(original: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any, **named: Any) -> Any:
            act(*arguments)
            return original(*arguments, **named)

        return function

    return Patch(target, name, made)


def after(target: Any, name: str, act: Callable[..., Any]) -> Patch:
    """Something is done afterwards."""

    def made(original: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any, **named: Any) -> Any:
            result = original(*arguments, **named)
            act(*arguments)
            return result

        return function

    return Patch(target, name, made)


def unless(target: Any, name: str, skips: Callable[..., object], value: Any = None) -> Patch:
    """Nothing is done where that holds, and the result is that value, or the one that a function of the same makes."""

    def made(original: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any, **named: Any) -> Any:
            if skips(*arguments):
                return value(*arguments) if callable(value) else value
            return original(*arguments, **named)

        return function

    return Patch(target, name, made)


def given(target: Any, name: str, changed: Callable[..., tuple[Any, ...]]) -> Patch:
    """Other arguments."""

    def made(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **named: original(*changed(*arguments), **named)

    return Patch(target, name, made)


def sealing(plain: Callable[[bytes], bytes] = padded, operation: Callable[[Any], Any] = operation_of) -> Patch:
    """Records are sealed otherwise."""

    def seal_otherwise(self: Seal, said: Any) -> tuple[bytes, int]:
        text, what, counter = plain(build_frames(said)), operation(said), self.counter
        self.counter += 1
        associated = associated_data(what, self.session, counter, len(text))
        return build_record(associated, self._ours.encrypt(nonce(counter), text, associated)), counter

    return constant(Seal, "seal", seal_otherwise)


# -- what several faults say


def starts(start: bytes) -> Callable[[bytes], bool]:
    return lambda payload: payload.startswith(start)


def _was_said(passage: Passage) -> bool:
    return any(each.way is Way.SAID and each.data == passage.data for each in passage.before())


def _by_itself(passage: Passage) -> bool:
    return passage.previous is None or passage.previous.way is not Way.HEARD


AGAIN: Final = When(_was_said)
BY_ITSELF: Final = When(_by_itself)
CHALLENGED: Final = When(lambda passage: any(heard(ACK, payload=starts(b"\x80"))(each) for each in passage.before()))


def refused_offer(is_wrong: Callable[[Offer], object]) -> Patch:
    def made(original: Callable[..., Offer | None]) -> Callable[..., Offer | None]:
        def offer_of(datagram: Any) -> Offer | None:
            offer = original(datagram)
            return None if offer is None or is_wrong(offer) else offer

        return offer_of

    return Patch(switchboard, "offered", made)


def lenient_offer(original: Callable[[bytes], Offer]) -> Callable[[bytes], Offer]:
    def read_offer(payload: bytes) -> Offer:
        try:
            return original(payload)
        except SealedError:
            return original(payload[:-1] + b"A")  # whose last bits are zero

    return read_offer


def tell_of_a_stranger(strange: Call, happening: Any) -> None:
    if not strange.offer.quiet:
        do.request(strange, happening)


def prove_late(dialled: Call, happening: Any) -> None:
    do.prove(dialled, happening)
    dialled.hasten(happening.now + 0.7, anew=True)


def any_tag(of: Callable[[Call], bool], *kinds: Any) -> Patch:
    """The tag isn't looked at."""

    def changed(self: Switchboard, payload: Any, fin: bool, peer: Any, *rest: Any) -> tuple[Any, ...]:
        on = [each for each in self._calls.all(*State) if each.peer == peer and of(each)]
        wrong = isinstance(payload, kinds) and self._calls.get(payload.tag) is None
        return self, replace(payload, tag=on[0].tag) if wrong and on else payload, fin, peer, *rest

    return given(Switchboard, "_read_tagged", changed)


def rings_for(of: Callable[[Call, Any], bool]) -> Patch:
    """RINGING, whoever's call it is."""

    def ring(self: Switchboard, peer: Any, user: bytes, offer: Offer, *rest: Any) -> None:
        known = self._calls.get(tag_of(offer.e))
        if known and of(known, peer):
            self._own.outlet.append(Send(build(build_payload(Ringing(known.tag))), peer))

    return before(Switchboard, "_read_syn", ring)


def forgetful(original: Callable[..., Any]) -> Callable[..., Any]:
    """A request isn't known to be a contact's."""

    def read_syn(self: Switchboard, peer: Any, user: bytes, offer: Offer, *rest: Any) -> Any:
        asked = [each for each in self._calls.all(State.REQUESTED) if each.peer == peer and each.offer.e != offer.e]
        kept = [(each, each.expected) for each in asked]
        for each in asked:
            each.expected = None
        result = original(self, peer, user, offer, *rest)
        for each, expected in kept:
            each.expected = expected
        return result

    return read_syn


def ends_the_call(of: Callable[[Call, bytes], bool]) -> Patch:
    """A message of Noise that can't be read does."""

    def end(self: Call, message: bytes) -> None:
        if of(self, message):
            self.state = State.OVER
            self.rest()

    def made(original: Callable[..., Any]) -> Callable[..., Any]:
        def read(self: Call, message: bytes) -> Any:
            result = original(self, message)
            if result is None:
                end(self, message)
            return result

        return read

    return Patch(Call, "read", made)


def with_a_ping(original: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    return lambda said: original([*said, Ping()])


def lenient_handshake(kind: PayloadKind, count: int) -> Patch:
    """Other frames do as well."""

    def made(original: Callable[..., Any]) -> Callable[..., Any]:
        def read_handshake(what: PayloadKind, plain: bytes) -> Any:
            said = read_frames(plain, handshake=True)
            if what is kind and len(said) == count and isinstance(said[0], Hello):
                return said[0], frames.State(1, NOTHING, 1, NOTHING)
            return original(what, plain)

        return read_handshake

    return Patch(call, "read_handshake", made)


def hangs_up(of: Callable[[Any], bool]) -> Patch:
    """A datagram that isn't sealed ends the chat."""

    def receive(self: Exchange, data: bytes, peer: Any, now: float, *rest: Any) -> None:
        chat = self._conversations.chat
        tag = chat.session.tag if chat and chat.session and chat.peer == peer else b""
        if tag and data[:2] == b"\1\x08" and of(data[41:].replace(tag, b"tag")):
            self.quit(peer, now)

    return before(Exchange, "receive", receive)


def remember_the_last(original: Callable[..., None]) -> Callable[..., None]:
    def begin(self: Conversation, established: Any, now: float, *, wanted: bool) -> None:
        older = self.session
        original(self, established, now, wanted=wanted)
        self.session.older = older  # type: ignore[union-attr]

    return begin


def obey_the_last(self: Exchange, operation: Any, record: Any, peer: Any, now: float) -> None:
    for each in self._conversations.live:
        older = getattr(each.session, "older", None)
        if older and older.id == record.session:
            older.receive(operation, record, now)
            older.pump(now)


def note_the_forged(original: Callable[..., Any]) -> Callable[..., Any]:
    def opened(self: Seal, operation: Any, record: Any) -> Any:
        result = original(self, operation, record)
        if result is Reason.FORGED:
            self._highest, self._seen = record.counter, 1
        return result

    return opened


def what_can_be_read(original: Callable[..., Any]) -> Callable[..., Any]:
    """The frames before the one that is malformed, if there are any."""

    def read(plain: bytes, operation: Any, counter: int) -> Any:
        result = original(plain, operation, counter)
        size = 3 + int.from_bytes(plain[1:3], "big")
        if isinstance(result, Malformed) and result.error.section == "6.5" and size < len(plain):
            try:
                return Opened(counter, read_frames(plain[:size]))
            except SealedError:
                pass
        return result

    return read


def without_flags(plain: bytes, operation: Any, counter: int) -> tuple[Any, ...]:
    return plain[:11] + bytes((plain[11] & 3,)) + plain[12:] if plain[0] == 3 else plain, operation, counter


def shown_again(self: Link, piece: Piece) -> None:
    if piece.number <= self._ledger.stored:
        self._outlet.tell(Arrived(piece.data))


def chain_anew(original: Callable[..., bytes]) -> Callable[..., bytes]:
    """It begins anew with the second message."""
    return lambda self, number: (
        chained(NOTHING, self.pieces[number]) if self.acknowledged == 1 and number == 2 else original(self, number)
    )


def late_state(self: Link) -> None:
    self._telling = self._telling and not self._last >= 0


def keep_open(self: Conversation, *_: object) -> None:
    self.pin.open = self.pin.taken = True


def as_if_on(original: Callable[..., None]) -> Callable[..., None]:
    """Whatever was said when leaving."""

    def read_piece(self: Link, piece: Piece) -> None:
        left, closing, held = self._reason == 0, self._closing, self.held
        if left:
            self._reason, self._closing, self.held = None, False, False
        original(self, piece)
        if left:
            self._reason, self._closing, self.held = 0, closing, held

    return read_piece


def wait_for_ever(self: Link, now: float) -> None:
    self._since = now
    self._flying = {number: flight._replace(at=now) for number, flight in self._flying.items()}


def answer_closed(self: Link, counter: int, said: Any, now: float) -> None:
    if any(isinstance(each, Closed) for each in said) and not self._closing:
        self._outlet.send([Closed()])


def knows_all(self: Link, state: frames.State) -> tuple[Link, frames.State]:
    """A peer that has pieces we don't know of."""
    unknown = self._ledger.next < state.next <= link.MAX_CLAIM
    return self, replace(state, next=1, upto=NOTHING) if unknown else state


def believes_nothing(self: Link, state: frames.State) -> tuple[Link, frames.State]:
    """Of what a STATE acknowledges."""
    known = self._ledger.acknowledged < state.next - 1 < self._ledger.next
    return self, replace(state, next=self._ledger.acknowledged + 1, upto=self._ledger.chain) if known else state


def flag(each: Call, what: Input) -> None:
    """A flag that means nothing is set."""
    if what is Input.CALL and not each.offer.quiet:
        each.offer = replace(each.offer, key=b"\x80" + each.offer.e)


def rewrites_input(what: Input, then: Input, of: Callable[[Call], bool]) -> Patch:
    """Something is taken for something else."""

    def changed(self: Calls, each: Call, it: Input, happening: Any) -> tuple[Any, ...]:
        return self, each, then if it is what and of(each) else it, happening

    return given(Calls, "input", changed)


def noting_who_called(original: Callable[..., None]) -> Callable[..., None]:
    def init(self: Any, *arguments: Any, caller: bool) -> None:
        original(self, *arguments, caller=caller)
        self.calls = caller

    return init


def agreeing(original: Callable[..., None]) -> Callable[..., None]:
    """The caller waits for no STATE."""

    def init(self: Link, *arguments: Any, caller: bool) -> None:
        original(self, *arguments, caller=caller)
        self._agreed = caller

    return init


def is_another(each: Call, read: Any) -> bool:
    """Another X25519 key than the expected one's."""
    return each.expected is not None and each.expected.key != read.handshake.remote_static


def is_known(each: Call, read: Any) -> bool:
    """The X25519 key is the one expected."""
    return each.expected is not None and each.expected.key == read.handshake.remote_static


def in_any_operation(original: Callable[..., Any]) -> Callable[..., Any]:
    def read(plain: bytes, operation: Any, counter: int) -> Any:
        result = original(plain, operation, counter)
        wrong = isinstance(result, Malformed) and result.error.section == "6.2"
        return Opened(counter, read_frames(plain)) if wrong else result

    return read


def is_elsewhere(self: Exchange, operation: Any, record: Any, peer: Any, now: float) -> bool:
    return all(each.session and each.session.peer != peer for each in self._conversations.by_session(record.session))


def refuses(of: Callable[[Piece, int], object]) -> Patch:
    """Another piece is a fault, too."""
    return unless(reassembly, "_fault_of", of, CloseReason.FAULT)


def accepts(of: Callable[[Piece, int], object]) -> Patch:
    """A piece that is a fault is none."""
    return unless(reassembly, "_fault_of", of)


def one_less(self: Link, counter: int, said: Any, now: float) -> tuple[Any, ...]:
    """The counter of a PING."""
    return self, counter - any(isinstance(each, Ping) for each in said), said, now


FORGED_SIZE: Final = 120
"""Bytes of a message 3 with HELLO and STATE, at least."""
WITH_STATE: Final = 150
"""Bytes of a message 2 with them."""

# -- the faults, in the order of the specification

FAULTS: Final = [
    # -- 2 and 3: the offer, and payloads
    breaks("2.1", "offer-sent", rewrites(said(SYN) & AGAIN & ~CHALLENGED, payload=b"SIMP/1 header utf-8 SIMP/2")),
    breaks("2.1", "tokens-ignored", refused_offer(lambda offer: offer.before or offer.after)),
    breaks("2.1", "offer-misspelled", Patch(payloads, "read_offer", lenient_offer)),
    breaks("2.3", "flags-ignored", refused_offer(lambda offer: offer.key[0] & ~1)),
    breaks(
        "2.3",
        "flags-sent",
        before(Calls, "input", lambda self, each, what, _: flag(each, what)),
    ),
    breaks("2.4", "cancelled-with-another-tag", any_tag(lambda each: each.state is State.REQUESTED, Over)),
    breaks("2.4", "answered-with-another-tag", any_tag(lambda each: each.state in CALLING, Challenge)),
    breaks(
        "3.1",
        "payloads-sent",
        answers(said(ACK, payload=starts(b"\x81")), ACK, payload=b"ringing"),
    ),
    breaks("3.2", "payload-malformed", rewrites(heard(FIN, user=b"tester", payload=starts(b"\x84")), user=b"")),
    # -- 4: calls
    breaks(
        "4.1",
        "challenge",
        cell(State.IDLE, Input.STRANGE_SYN, State.IDLE, tell_of_a_stranger, do.challenge),
    ),
    breaks("4.1", "request", unless(Switchboard, "_has_room", lambda self, new, others, now: others, False)),
    breaks("4.1", "request-repeated", cell(State.REQUESTED, Input.SYN, State.REQUESTED)),
    breaks("4.1", "answer-to-a-repeated-syn", cell(State.ACCEPTING, Input.SYN, State.ACCEPTING)),
    breaks("4.1", "call-that-is-over", cell(State.OVER, Input.SYN, State.OVER)),
    breaks("4.1", "call-from-elsewhere", rings_for(lambda known, peer: known.peer != peer)),
    breaks("4.1", "call-of-its-own", rings_for(lambda known, peer: known.ephemeral is not None)),
    breaks("4.1", "request-of-a-contact", Patch(Switchboard, "_read_syn", forgetful)),
    breaks(
        "4.1",
        "open-conversation",
        rewrites_input(Input.SYN_OF_OPEN, Input.RINGING_SYN, lambda each: not each.offer.quiet),
    ),
    breaks("4.1", "closed-conversation", cell(State.IDLE, Input.SYN_OF_CLOSED, State.IDLE, do.dismiss)),
    breaks("4.1", "quiet-call", cell(State.IDLE, Input.QUIET_SYN, State.IDLE, do.request, do.dismiss)),
    breaks(
        "4.2",
        "cookie-of-another-address",
        given(Cookies, "_cookie", lambda self, peer, offer, minute: (self, ("", peer[1]), offer, minute)),
    ),
    breaks(
        "4.2",
        "cookie-of-another-port",
        given(Cookies, "_cookie", lambda self, peer, offer, minute: (self, (peer[0], 0), offer, minute)),
    ),
    breaks(
        "4.2",
        "cookie-of-another-call",
        given(
            Cookies,
            "_cookie",
            lambda self, peer, offer, minute: (self, peer, replace(offer, key=bytes(33)), minute),
        ),
    ),
    breaks("4.3", "ring-proof-sent", constant(call, "ring_proof", lambda *_: bytes(16))),
    breaks(
        "4.3",
        "ring-proof-missing",
        unless(Pins, "prover", lambda self, user, offer: offer.quiet, lambda self, *_: next(iter(self), None)),
    ),
    breaks("4.4", "cookie-sent", cell(State.CALLING, Input.CHALLENGE, State.PROVING, prove_late)),
    breaks("4.4", "challenged-often", constant(call_actions, "PROMPT_PAUSE", 0.0)),
    breaks("4.4", "syn-once-it-rings", cell(State.PROVING, Input.RINGS, State.RINGING)),
    breaks("4.4", "declined", cell(State.CALLING, Input.OVER, State.OVER, do.end)),
    breaks(
        "4.4",
        "answer-forged",
        ends_the_call(lambda each, message: each.ephemeral is not None and len(message) < WITH_STATE),
    ),
    breaks(
        "4.4",
        "answer-accepted",
        Patch(Link, "__init__", noting_who_called),
        unless(Link, "_read_piece", lambda self, piece: self.calls),
    ),
    breaks("4.4", "confirm-repeated", cell(State.CONFIRMING, Input.ANSWER_AGAIN, State.CONFIRMING)),
    breaks(
        "4.4", "answer-with-another-key", unless(Call, "is_right", lambda self, read: self.ephemeral is not None, True)
    ),
    breaks("4.4", "answer-of-simp-1", cell(State.CALLING, Input.CLEAR_TO_CONTACT, State.OVER, do.go_clear)),
    breaks("4.5", "answer-repeated", drops(said(SYN_ACK) & AGAIN & BY_ITSELF)),
    breaks(
        "4.5",
        "confirm-with-another-key",
        unless(Call, "is_right", lambda self, read: self.ephemeral is None and is_another(self, read), True),
    ),
    breaks(
        "4.5",
        "confirm-forged",
        ends_the_call(lambda each, message: each.ephemeral is None and len(message) > FORGED_SIZE),
    ),
    breaks("4.5", "declines", drops(said(FIN, payload=starts(b"\x84")) & AGAIN & BY_ITSELF)),
    breaks("4.5", "cancels", cell(State.RINGING, Input.QUIT, State.OVER, do.quit)),
    breaks("4.5", "cancelled", cell(State.OVER, Input.OVER, State.OVER)),
    breaks("4.5", "over-in-a-session", hangs_up(lambda payload: payload == b"\x84tag")),
    breaks("4.6", "crossed-by-a-lower-key", cell(State.IDLE, Input.CROSSING_SYN, State.REQUESTED, do.request, do.ring)),
    breaks("4.6", "crossed-by-a-higher-key", cell(State.CALLING, Input.HIGHER_SYN, State.CALLING)),
    breaks("4.7", "quiet-call-over", before(Conversation, "refused", lambda self, now: self.bar(now))),
    # -- 5: keys
    breaks("5.3", "answer-frames", Patch(call, "build_frames", with_a_ping)),
    breaks("5.3", "confirm-frames", Patch(call_actions, "build_frames", with_a_ping)),
    breaks("5.3", "confirm-without-state", lenient_handshake(PayloadKind.CONFIRM, 1)),
    breaks("5.3", "answer-with-state", lenient_handshake(PayloadKind.ANSWER, 2)),
    breaks(
        "5.5",
        "session-replaced",
        Patch(Conversation, "begin", remember_the_last),
        before(Exchange, "_read_record", obey_the_last),
    ),
    # -- 6: records
    breaks("6.1", "unsealed", hangs_up(lambda payload: payload[:1] == b"i")),
    breaks(
        "6.2",
        "operations-sent",
        sealing(operation=lambda said: ACK if any(each == Close(0) for each in said) else operation_of(said)),
    ),
    breaks("6.2", "operation-wrong", Patch(seal, "_read", in_any_operation)),
    breaks("6.3", "counters", after(Seal, "__init__", lambda self, *_: setattr(self, "counter", 1))),
    breaks("6.4", "replayed", before(Seal, "open", lambda self, *_: setattr(self, "_seen", 0))),
    breaks("6.4", "forged", Patch(Seal, "open", note_the_forged)),
    breaks("6.4", "old", constant(seal, "REPLAY_WINDOW", 64)),
    breaks("6.4", "obeyed-whole", Patch(seal, "_read", what_can_be_read)),
    breaks("6.5", "frames-skipped", constant(frames, "_VITAL", range(0x7F, 0x100))),
    breaks("6.5", "frames-that-may-be-lost", constant(frames, "LOSSY", range(0))),
    breaks("6.5", "frame-that-must-be-known", constant(frames, "_VITAL", range(0))),
    breaks("6.5", "frame-malformed", given(seal, "_read", without_flags)),
    breaks("6.6", "padding-sent", sealing(plain=lambda plain: plain.ljust(64, b"\0"))),
    breaks("6.6", "padding-read", unless(seal, "_read", lambda plain, *_: len(plain) % 64 % 1130, Reason.MALFORMED)),
    breaks("6.7", "record-from-elsewhere", unless(Exchange, "_read_record", is_elsewhere)),
    # -- 7: exactly once
    breaks("7.1", "text-that-is-no-utf-8", refuses(lambda piece, size: piece.first and b"\xff" in piece.data[9:])),
    breaks("7.1", "unknown-kind", refuses(lambda piece, size: piece.first and piece.data[0] != 1)),
    breaks("7.2", "pieces-sent", constant(facts, "PIECE_SIZE", 512)),
    breaks("7.2", "pieces-read", Patch(notices, "_shown", lambda original: lambda it: original(it)[:1500])),
    breaks("7.2", "piece-repeated", before(Link, "_read_piece", shown_again)),
    breaks("7.2", "piece-too-short", accepts(lambda piece, size: piece.flags == FIRST)),
    breaks("7.2", "piece-of-no-message", accepts(lambda piece, size: not piece.first and not size)),
    breaks("7.2", "message-too-long", constant(reassembly, "MAX_SIZE", 1 << 20)),
    breaks("7.3", "chain", Patch(Ledger, "chain_at", chain_anew)),
    breaks(
        "7.4",
        "acknowledged-is-stored",
        unless(Conversation, "commit", lambda self, fact: isinstance(fact, Received)),
    ),
    breaks("7.5", "pieces-out-of-order", constant(reassembly, "EARLY", 0)),
    breaks("7.5", "echo", given(Link, "receive", one_less)),
    breaks("7.5", "acked-of-nothing", unless(Link, "_read_acked", lambda self, it, _: it.next > self._ledger.next)),
    breaks("7.5", "echo-of-nothing", unless(Link, "_read_acked", lambda self, it, _: it.echo > self._last)),
    breaks("7.6", "in-flight", constant(link, "IN_FLIGHT", 8)),
    breaks("7.6", "lost-piece", unless(Link, "_expire", lambda self, now: not self._closing, wait_for_ever)),
    breaks("7.7", "gone", constant(link, "GONE", 1e6)),
    breaks("7.8", "state-until-acknowledged", before(Link, "_send", lambda self, *_: late_state(self))),
    breaks("7.8", "no-piece-before-state", Patch(Link, "__init__", agreeing)),
    breaks("7.8", "second-state", before(Link, "read", lambda self, _: setattr(self, "_agreed", False))),
    breaks(
        "7.8",
        "jump",
        given(Link, "read", lambda self, it: (self, replace(it, first=min(it.first, self._ledger.stored + 1)))),
    ),
    breaks("7.8", "renumbering", given(Link, "read", knows_all)),
    breaks("7.8", "next-too-high", constant(link, "MAX_CLAIM", 1 << 62)),
    breaks("7.8", "acknowledged-by-state", given(Link, "read", believes_nothing)),
    breaks("7.9", "leaves", unless(Link, "_expire", lambda self, now: self._closing, wait_for_ever)),
    breaks("7.9", "leaves-last", unless(Link, "__len__", lambda self: self._reason is not None, 0)),
    breaks("7.9", "piece-after-close", Patch(Link, "_read_piece", as_if_on)),
    breaks("7.9", "close-answered", unless(Link, "_read_close", lambda self, _: self.over)),
    breaks("7.9", "closed-is-not-open", after(Conversation, "leave", keep_open)),
    breaks("7.9", "closed-unanswered", before(Link, "receive", answer_closed)),
    breaks("7.10", "numbers-passed-over", constant(Conversation, "_give_up", lambda self: None)),
    # -- 8 and 9: robustness and trust
    breaks("8.2", "challenges-limited", constant(Cookies, "admits", lambda *_: True)),
    breaks("9.1", "other-signing-key", unless(Call, "is_right", is_known, True)),
]

"""Calls of SIMP/2, and whoever changes, repeats, reflects, injects, strips or floods their datagrams (simp2 3, 4)."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simp_daemon.effects import Send
from simp_daemon.events import Ignored, Rang, Reason, Unanswered, Why
from simp_daemon.peers.sealed import call as call_module
from simp_daemon.peers.sealed.call import Call, Own, State
from simp_daemon.peers.sealed.call_news import (
    CallOver,
    ClearAnswers,
    Consent,
    Established,
    InTheClear,
    KeyChanged,
    Requested,
)
from simp_daemon.peers.sealed.pins import Pins
from simp_daemon.peers.sealed.switchboard import Switchboard
from simp_daemon.peers.strangers import Strangers
from simp_proto.address import Address
from simp_proto.constants import OFFER, RINGING, Control, Framing, Operation, Type
from simp_proto.datagram import Datagram, build, parse, with_checksum
from simp_proto.errors import DatagramError, NotNowError
from simp_proto.noise import KeyPair
from simp_proto.sealed.frames import build_frames
from simp_proto.sealed.offer import Offer, build_offer, read_offer
from simp_proto.sealed.payloads import Answer, Challenge, Confirm, Over, Ringing, build_payload, read_payload
from tests.negotiation import Toy, ToyCurve, new_state

ALICE: Address = ("10.0.0.1", 7777)
BOB: Address = ("10.0.0.2", 7777)
EVE: Address = ("10.0.0.3", 7777)
HASTY = 0.001


class End:
    """A daemon's calls, with all that comes out of them."""

    def __init__(self, name: bytes, curve: type[KeyPair] = Toy) -> None:
        random = Random(name)
        self.keys = curve(random.randbytes(32))
        self.pins = Pins(self.keys)
        self.outlet: list[Any] = []
        signing_key = random.randbytes(32)
        self.own = Own(self.keys, signing_key, self.pins, lambda: name, random.randbytes, new_state, self.outlet)
        self.board = Switchboard(self.own, Strangers())

    def sent(self) -> list[bytes]:
        """Takes the datagrams out."""
        found = [each.data for each in self.outlet if isinstance(each, Send)]
        self.outlet[:] = [each for each in self.outlet if not isinstance(each, Send)]
        return found

    def news(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.outlet if isinstance(each, kind)]

    def knows(self, other: "End", address: Address, *, open: bool = False) -> None:
        """They have met."""
        pin = self.pins.add(other.keys.public, other.own.signing_key, other.own.user().decode())
        self.pins.reach(pin, address)
        pin.open = open

    def hears(self, data: bytes, peer: Address, now: float = 0.5) -> list[str]:
        """What it sends at that, by name."""
        self.board.receive(parse(data), peer, now)
        return [named(each) for each in self.sent()]

    def look(self) -> Any:
        """All that an attack must leave as it was."""
        calls = [
            (
                *(call.tag, call.state, call.offer, call.user, call.framing, call.rings, call.answer, call.opened),
                *(call.expected, call.begun, call._data, call._sent, call.at, call.doubted, call.missed, call.clear),
            )
            for call in self.board._calls._calls.values()
        ]
        pins = [(pin.key, pin.address, pin.open, pin.name) for pin in self.pins]
        return calls, pins, [each for each in self.outlet if not isinstance(each, Ignored)]


def named(data: bytes) -> str:
    datagram = parse(data)
    payload = read_payload(datagram)
    what = type(payload).__name__.upper() if payload else "SYN" if datagram.payload else "nothing"
    return what if what == "SYN" else f"{datagram.operation.label} {what}"


def golden(curve: type[KeyPair] = Toy, *, pinned: bool = False) -> Iterator[tuple[End, End, Address, Address, bytes]]:
    """A call, datagram by datagram: sender, receiver, their addresses, and what is about to be delivered."""
    alice, bob = End(b"alice", curve), End(b"bob", curve)
    if pinned:
        alice.knows(bob, BOB)
        bob.knows(alice, ALICE)
    alice.board.call(BOB, 0.0)
    now = 0.0
    while True:
        moved = False
        for sender, receiver, source, target in ((alice, bob, ALICE, BOB), (bob, alice, BOB, ALICE)):
            for data in sender.sent():
                yield sender, receiver, source, target, data
                now += HASTY
                receiver.board.receive(parse(data), source, now)
                moved = True
        if not moved and bob.board.requests:
            bob.board.accept(ALICE, now)
        elif not moved:
            assert alice.news(Established)
            assert bob.news(Established)
            return


@pytest.fixture(name="_toy")
def _toy_curve() -> Iterator[None]:
    with ToyCurve():
        yield


def changed(data: bytes, bit: int) -> bytes:
    """With that bit changed, and the checksum right."""
    wrong = bytearray(data)
    wrong[bit // 8] ^= 1 << bit % 8
    try:
        return with_checksum(bytes(wrong), Framing.HEADER)
    except (DatagramError, IndexError):
        return bytes(wrong)


def test_a_call_between_strangers() -> None:
    sent = [named(data) for *_, data in golden(KeyPair)]
    assert sent == ["SYN", "ACK CHALLENGE", "SYN", "ACK RINGING", "SYN+ACK ANSWER", "ACK CONFIRM"]


def test_what_both_ends_have_is_the_same() -> None:
    ends = {id(end): end for step in golden(KeyPair) for end in step[:2]}
    alice, bob = ends.values()
    (at_alice,), (at_bob,) = alice.news(Established), bob.news(Established)
    assert (at_alice.keys, at_alice.handshake_hash) == (at_bob.keys, at_bob.handshake_hash)
    assert (at_alice.key, at_bob.key) == (bob.keys.public, alice.keys.public)
    assert (at_alice.hello.name, at_bob.hello.name) == (b"bob", b"alice")
    assert (at_alice.caller, at_bob.caller) == (True, False)
    assert (at_alice.state, at_bob.state) == (None, new_state(b""))
    assert at_bob.round_trip == pytest.approx(2 * HASTY)
    assert bob.news(Requested) == [Requested(ALICE, "alice", None, False)]
    assert alice.news(Rang) == [Rang(BOB, "")]


def test_a_pin_comes_before_the_confirm() -> None:
    for sender, _, _, _, data in golden(KeyPair):
        if "CONFIRM" in named(data):
            assert sender.pins.at(BOB)
            return
    raise AssertionError("no CONFIRM")


@pytest.mark.slow
def test_no_changed_bit_has_an_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_module, "READ_BURST", 10**9)
    tried = 0
    for _, receiver, source, _, data in golden(KeyPair):
        if named(data) == "SYN" or "CHALLENGE" in named(data):
            continue
        before = receiver.look()
        for bit in range(8 * len(data)):
            wrong = changed(data, bit)
            if wrong == data:
                continue
            try:
                datagram = parse(wrong)
            except DatagramError:
                continue
            tried += 1
            receiver.board.receive(datagram, source, 0.01)
            assert receiver.sent() == [], (named(data), bit)
            assert receiver.look() == before, (named(data), bit)
    assert tried > 2000


@pytest.mark.usefixtures("_toy")
@pytest.mark.parametrize("pinned", [False, True])
def test_no_replay_or_reflection_has_an_effect(pinned: bool) -> None:
    """Each datagram so far, again at each later point, to both ends; an answer alone is none."""
    seen: list[tuple[End, Address, End, Address, bytes]] = []
    tried = 0
    for sender, receiver, source, target, data in golden(pinned=pinned):
        for one, its, other, others, again in seen:
            for end, peer in ((other, its), (one, others)):
                waiting = end.outlet.copy()
                before = end.look()
                end.board.receive(parse(again), peer, 0.02)
                end.outlet[:] = [each for each in end.outlet if each in waiting or not isinstance(each, Send | Ignored)]
                assert end.look() == before, (named(again), named(data))
                tried += 1
        seen.append((sender, source, receiver, target, data))
    assert tried == 2 * (1 + 2 + 3 + 4 + 5)


@pytest.mark.slow
@pytest.mark.usefixtures("_toy")
def test_a_changed_syn_makes_no_session() -> None:
    """Except in a stranger's ring proof, which nothing binds (simp2 5.2)."""
    first = next(data for *_, data in golden())
    size = len(first) + 2  # in `header`
    proofs, made = range(size - 22, size), set()
    for bit in range(8 * size):
        if bit // 8 in (39, 40):
            continue
        alice, bob = End(b"alice"), End(b"bob")
        alice.board.call(BOB, 0.0, header=True)
        for step in range(6):
            for data in alice.sent():
                with suppress(DatagramError):
                    arrived = changed(data, bit) if named(data) == "SYN" and step else data
                    bob.board.receive(parse(arrived), ALICE, step * HASTY)
            for data in bob.sent():
                alice.board.receive(parse(data), BOB, step * HASTY)
            for peer, _ in bob.board.requests:
                bob.board.accept(peer, step * HASTY)
        assert len(bob.news(Established)) == len(alice.news(Established)) <= 1
        made |= {bit // 8} if alice.news(Established) else set()
    assert made
    assert made <= set(proofs)


# -- whose call it is


def meet(*, open: bool = False, curve: type[KeyPair] = Toy) -> tuple[End, End]:
    alice, bob = End(b"alice", curve), End(b"bob", curve)
    alice.knows(bob, BOB, open=open)
    bob.knows(alice, ALICE, open=open)
    return alice, bob


def exchange(alice: End, bob: End, now: float, rounds: int = 8) -> None:
    """What both send is delivered."""
    for _ in range(rounds):
        for data in alice.sent():
            bob.board.receive(parse(data), ALICE, now)
        for data in bob.sent():
            alice.board.receive(parse(data), BOB, now)
        now += 0.1


def clear(operation: Operation, payload: bytes = b"", framing: Framing = Framing.HEADER) -> bytes:
    return build(Datagram(Type.CONTROL, operation, 0, b"bob", payload, framing))


def injected(syn: bytes, name: bytes, peer: Address = ALICE) -> bytes:
    """The ANSWER of somebody in between, who took the SYN for a call."""
    mallory = End(name)
    datagram = parse(syn)
    offer = read_offer(datagram.payload)
    call = Call(mallory.own, peer, datagram.user, offer, None, 0.0)
    return build(build_payload(Answer(call.tag, call.write_answer())))


@pytest.mark.usefixtures("_toy")
class TestCalls:
    def test_a_contact_rings_as_itself_and_a_claim_as_one(self) -> None:
        alice, bob = meet()
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0)
        assert bob.news(Requested) == [Requested(ALICE, "alice", alice.keys.public, False)]
        false = End(b"alice")
        false.own.random = Random(1).randbytes
        for data in self._called(false, bob, EVE):
            assert data
        assert bob.news(Requested)[1:] == [Requested(EVE, "alice", None, True)]

    @staticmethod
    def _called(caller: End, callee: End, address: Address, now: float = 0.0) -> list[str]:
        caller.board.call(BOB, now)
        heard = []
        for step in range(4):
            for data in caller.sent():
                callee.board.receive(parse(data), address, now + step)
            for data in callee.sent():
                heard.append(named(data))
                caller.board.receive(parse(data), BOB, now + step)
        return heard

    def test_a_stranger_takes_no_friends_request_away(self) -> None:
        alice, bob = meet()
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0)
        before = bob.look()
        assert self._called(End(b"eve"), bob, ALICE) == ["ACK CHALLENGE"]
        assert bob.look() == before

    def test_a_conversation_that_is_open_goes_on_without_a_question(self) -> None:
        alice, bob = meet(open=True)
        alice.board.resume(bob.keys.public, 0.0)
        exchange(alice, bob, 0.0)
        assert alice.news(Established)
        assert bob.news(Established)
        assert not bob.news(Requested)

    def test_a_quiet_call_to_whoever_has_left_is_answered_to_say_so(self) -> None:
        alice, bob = meet(open=True)
        next(iter(bob.pins)).open = False
        alice.board.resume(bob.keys.public, 0.0)
        exchange(alice, bob, 0.0)
        assert [each.closes for each in bob.news(Established)] == [True]
        assert [each.closes for each in alice.news(Established)] == [False]
        assert not next(iter(bob.pins)).open
        assert not bob.news(Requested) + bob.news(Consent)

    def test_whoever_has_left_can_call_while_that_is_being_said(self) -> None:
        alice, bob = meet(open=True)
        next(iter(bob.pins)).open = False
        alice.board.resume(bob.keys.public, 0.0)
        exchange(alice, bob, 0.0, 2)
        assert [call.closes for call in bob.board._calls.all(State.ACCEPTING)] == [True]
        assert not bob.board.has(ALICE)
        bob.sent()
        bob.board.call(ALICE, 1.0)
        assert bob.board.has(ALICE)
        assert [named(each) for each in bob.sent()] == ["SYN"]
        for second in range(200):
            bob.board.handle_timer(float(second))
        assert [each.why for each in bob.news(CallOver)] == [Why.LOST]  # our person's call, and nothing else

    def test_a_quiet_call_of_whoever_asks_already_is_ignored(self) -> None:
        alice, bob = meet()
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0)
        again = End(b"alice")  # who has started anew
        again.knows(bob, BOB, open=True)
        again.own.random(100)
        again.board.resume(bob.keys.public, 1.0)
        exchange(again, bob, 1.0)
        assert bob.news(Requested)
        assert not bob.news(Established) + bob.news(CallOver)
        assert bob.news(Ignored)[-1].reason is Reason.OUT_OF_PLACE

    def test_consent_comes_before_the_answer_and_goes_with_the_call(self) -> None:
        alice, bob = meet()
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0)
        bob.board.accept(ALICE, 1.0)
        assert [type(each) for each in bob.outlet[-2:]] == [Consent, Send]
        alice.board.quit(BOB, 1.0)
        assert bob.hears(alice.sent()[0], ALICE)[-1:] == ["ACK OVER"]
        assert bob.news(Consent) == [Consent(alice.keys.public, True), Consent(alice.keys.public, False)]

    def test_declined_and_acknowledged(self) -> None:
        alice, bob = End(b"alice"), End(b"bob")
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0)
        bob.board.quit(ALICE, 1.0)
        (fin,) = bob.sent()
        assert alice.hears(fin, BOB) == ["ACK OVER"]
        assert alice.news(CallOver) == [CallOver(BOB, "", Why.FIN, None, False)]
        assert alice.hears(fin, BOB) == ["ACK OVER"]
        bob.board.handle_timer(6.0)
        assert [named(each) for each in bob.sent()] == ["FIN OVER"]
        bob.board.receive(build_payload(Over(fin[42:50]), Control.ACK), ALICE, 7.0)
        assert bob.board.get_timer() is None

    def test_a_call_that_is_over_rings_never_again(self) -> None:
        alice, bob = End(b"alice"), End(b"bob")
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0, 1)
        (syn,) = alice.sent()
        assert bob.hears(syn, ALICE) == ["ACK RINGING"]
        bob.board.handle_timer(121.0)
        assert [each.why for each in bob.news(CallOver)] == [Why.EXPIRED]
        assert bob.hears(syn, ALICE, 60.0) == ["FIN OVER"]
        assert len(bob.news(Requested)) == 1

    def test_whoever_calls_anew_rings_once(self) -> None:
        alice, bob = End(b"alice"), End(b"bob")
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0)
        again = End(b"alice")
        again.own.random = Random(5).randbytes
        assert self._called(again, bob, ALICE, 1.0) == ["ACK CHALLENGE", "ACK RINGING"]
        assert len(bob.news(Requested)) == 1
        assert len(bob.board.requests) == 1
        assert not bob.news(CallOver)
        assert self._called(End(b"carol"), bob, ALICE, 2.0) == ["ACK CHALLENGE", "ACK RINGING"]
        assert [each.name for each in bob.news(Requested)] == ["alice", "carol"]
        assert [each.why for each in bob.news(CallOver)] == [Why.RESTARTED]

    def test_the_same_call_from_elsewhere_is_ignored(self) -> None:
        alice, bob = End(b"alice"), End(b"bob")
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0, 1)
        (syn,) = alice.sent()
        bob.hears(syn, ALICE)
        assert bob.hears(syn, EVE) == []
        assert bob.news(Ignored)[-1].reason is Reason.OUT_OF_PLACE

    def test_an_injected_answer_changes_nothing_and_the_true_one_counts(self) -> None:
        alice, bob = meet()
        alice.board.call(BOB, 0.0)
        first, *_ = alice.sent()
        assert alice.hears(injected(first, b"mallory"), BOB) == []
        assert alice.news(Ignored)[-1].reason is Reason.WRONG_KEY
        bob.board.receive(parse(first), ALICE, 1.0)
        exchange(alice, bob, 1.0)
        bob.board.accept(ALICE, 2.0)
        exchange(alice, bob, 2.0)
        assert [each.key for each in alice.news(Established)] == [bob.keys.public]
        assert not alice.news(KeyChanged)

    def test_a_changed_key_is_told_after_ten_seconds_and_not_before(self) -> None:
        alice, bob = meet()
        alice.board.call(BOB, 0.0)
        answer = injected(alice.sent()[0], b"mallory")
        alice.hears(answer, BOB, 1.0)
        alice.hears(answer, BOB, 5.0)
        alice.board.handle_timer(10.9)
        assert not alice.news(KeyChanged)
        alice.sent()
        alice.board.handle_timer(11.0)
        (told,) = alice.news(KeyChanged)
        assert (told.contact, told.key, told.hello.name) == (bob.keys.public, End(b"mallory").keys.public, b"mallory")
        assert [named(each) for each in alice.sent()] == ["FIN OVER"]

    def test_another_signing_key_is_another_key(self) -> None:
        alice, bob = meet()
        next(iter(alice.pins)).signing_key = bytes(32)
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0)
        bob.board.accept(ALICE, 1.0)
        exchange(alice, bob, 1.0)
        assert not alice.news(Established)
        assert alice.news(Ignored)[-1].reason is Reason.WRONG_KEY

    def test_whoever_accepted_a_friend_takes_nobody_else(self) -> None:
        """The ring proof only says who rings; the handshake must say the same (simp2 4.3)."""
        alice, bob = meet()
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0)
        thief = End(b"thief")
        alice.own.keys = thief.keys  # whoever has bob's key can prove anything, except this
        bob.board.accept(ALICE, 1.0)
        exchange(alice, bob, 1.0)
        assert not bob.news(Established)
        assert bob.news(Ignored)[-1].reason is Reason.WRONG_KEY

    @pytest.mark.parametrize(
        ("operation", "payload", "framing"),
        [
            (Control.ACK, RINGING, Framing.HEADER),
            (Control.SYN_ACK, b"", Framing.HEADER),
            (Control.SYN_ACK, b"", Framing.BARE),
            (Control.SYN_ACK, OFFER, Framing.BARE),
            (Control.FIN, b"", Framing.HEADER),
            (Control.FIN_ACK, b"", Framing.BARE),
            (Control.ERR, b"no", Framing.TRAILER),
            (Control.ERR_FIN, b"no", Framing.BARE),
        ],
    )
    def test_simp_1_answers(self, operation: Operation, payload: bytes, framing: Framing) -> None:
        alice, _ = meet()
        answer = clear(operation, payload, framing)
        alice.board.call(BOB, 0.0)
        alice.board.call(EVE, 0.0)
        alice.sent()
        before = alice.board.get_timer()
        assert alice.board.receive(parse(answer), BOB, 0.5)
        assert alice.sent() == []
        assert alice.board.get_timer() == before
        assert alice.news(Ignored) == [Ignored(BOB, Reason.UNSEALED)]
        assert not alice.board.receive(parse(answer), EVE, 1.0)
        assert alice.news(InTheClear) == [InTheClear(EVE, b"alice", 0.0)]
        now = 1.0
        while not alice.news(ClearAnswers):
            now = alice.board.get_timer() or 0.0
            alice.board.handle_timer(now)
        assert now == 30.0
        assert {parse(each).operation for each in alice.sent()} == {Control.SYN}

    def test_after_the_first_answer_of_simp_2_nothing_of_simp_1_counts(self) -> None:
        alice, bob = End(b"alice"), End(b"bob")
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0, 1)
        alice.sent()
        for operation in (Control.SYN_ACK, Control.FIN, Control.ERR):
            assert alice.board.receive(parse(clear(operation)), BOB, 1.0)
        assert not alice.news(InTheClear)
        assert not alice.news(CallOver)

    def test_a_call_to_ones_own_key_gets_no_session(self) -> None:
        """Somebody takes our call to a second one, and each answer back."""
        alice = End(b"alice")
        alice.board.call(BOB, 0.0)
        (syn,) = alice.sent()
        assert alice.hears(syn, BOB) == []
        assert alice.hears(syn, EVE) == []
        twin = End(b"alice")
        twin.own.random = Random(3).randbytes
        twin.board.receive(parse(syn), ALICE, 1.0)
        for data in twin.sent():
            alice.board.receive(parse(data), BOB, 1.0)
        twin.board.receive(parse(alice.sent()[0]), ALICE, 1.0)
        twin.board.accept(ALICE, 1.0)
        (answer,) = [each for each in twin.sent() if "ANSWER" in named(each)]
        assert alice.hears(answer, BOB) == []
        assert not alice.news(Established)

    def test_answers_cost_no_more_than_the_budget(self) -> None:
        alice, _ = meet()
        alice.board.call(BOB, 0.0)
        (syn,) = alice.sent()
        forged = build_payload(Answer(parse(injected(syn, b"mallory")).payload[1:9], bytes(150)))
        before = Toy.exchanges
        for number in range(1000):
            alice.board.receive(forged, BOB, 1.0 + number / 1000)
        assert Toy.exchanges - before <= 20 + 10

    def test_a_call_to_silence_ends_as_in_simp_1(self) -> None:
        alice = End(b"alice")
        alice.board.call(BOB, 0.0)
        while (now := alice.board.get_timer()) is not None:
            alice.board.handle_timer(now)
        assert [(each.why, each.quiet) for each in alice.news(CallOver)] == [(Why.LOST, False)]
        assert [each.seconds for each in alice.news(Unanswered)] == list(range(30, 360, 30))
        sent = [parse(each) for each in alice.sent()]
        assert [each.operation for each in sent] == [Control.SYN] * 12 + [Control.FIN] * 3
        assert {each.framing for each in sent} == {Framing.BARE}

    def test_pauses(self) -> None:
        alice, bob = meet(open=True)
        alice.board.resume(bob.keys.public, 0.0)
        times, now = [0.0], 0.0
        while now < 1500:
            now = alice.board.get_timer() or 0.0
            alice.board.handle_timer(now)
            times += [now] if alice.sent() else []
        pauses = [after - before for before, after in pairwise(times)]
        assert pauses[:5] == [1, 2, 4, 5, 5]
        assert pauses[pauses.index(10) :][:7] == [10, 20, 40, 80, 160, 300, 300]
        assert 120 <= sum(pauses[: pauses.index(10)]) < 130
        assert not alice.news(Unanswered)

    def test_what_cannot_be_now_is_said(self) -> None:
        alice = End(b"alice")
        alice.board.call(BOB, 0.0)
        with pytest.raises(NotNowError):
            alice.board.call(BOB, 0.0)
        with pytest.raises(NotNowError):
            alice.board.accept(BOB, 0.0)
        with pytest.raises(NotNowError):
            alice.board.quit(EVE, 0.0)

    def test_a_flood_keeps_nothing_computes_nothing_and_keeps_no_friend_out(self) -> None:
        alice, bob = meet()
        random = Random(8)
        before, look = Toy.exchanges, bob.look()
        for number in range(2_000):
            offer = Offer(b"\0" + random.randbytes(32), random.randbytes(32))
            syn = Datagram(Type.CONTROL, Control.SYN, 0, b"alice", build_offer(offer), Framing.BARE)
            bob.board.receive(syn, (f"10.1.{number >> 8}.{number & 255}", 7777), 1.0 + number / 2_000)
        assert Toy.exchanges == before
        assert len(bob.sent()) <= 44 + 16
        bob.outlet.clear()
        assert (bob.look(), bob.board._calls._calls, bob.board._calls._over) == (look, {}, {})
        address = ("10.9.9.9", 7777)
        alice.board.call(BOB, 2.0)
        for _ in range(3):
            for data in alice.sent():
                bob.board.receive(parse(data), address, 2.0)
            for data in bob.sent():
                alice.board.receive(parse(data), BOB, 2.0)
        assert bob.news(Requested) == [Requested(address, "alice", alice.keys.public, False)]

    def test_ones_own_syn_from_the_callee_means_nothing_even_when_the_call_is_over(self) -> None:
        alice = End(b"alice")
        alice.board.call(BOB, 0.0)
        (syn,) = alice.sent()
        alice.board.quit(BOB, 0.1)
        alice.sent()
        assert alice.hears(syn, BOB) == []

    def test_a_stranger_crosses_no_call_to_a_contact(self) -> None:
        """It would end it: whoever wants finds a lower key."""
        alice, bob = meet()
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0)
        (call,) = alice.board._calls._calls.values()
        for number in range(4):
            stranger = End(f"stranger{number}".encode())
            self._called(stranger, alice, BOB, 0.2)
            assert call.state is State.RINGING
        assert alice.news(Requested)[0] == Requested(BOB, "stranger0", None, True)
        assert not alice.news(Established)

    def test_the_tag_counts_from_the_callee_alone(self) -> None:
        alice = End(b"alice")
        alice.board.call(BOB, 0.0)
        alice.sent()
        (call,) = alice.board._calls._calls.values()
        for payload in (Ringing(call.tag), Challenge(call.tag, bytes(16)), Over(call.tag)):
            alice.board.receive(build_payload(payload), EVE, 0.5)
        assert call.state is State.CALLING
        assert {each.reason for each in alice.news(Ignored)} == {Reason.STRANGER}

    def test_a_quiet_call_does_not_ring(self) -> None:
        alice, bob = meet(open=True)
        alice.board.resume(bob.keys.public, 0.0)
        (call,) = alice.board._calls._calls.values()
        alice.board.receive(build_payload(Ringing(call.tag)), BOB, 0.5)
        assert call.state is State.CALLING
        assert not alice.news(Rang)

    def test_a_session_with_one_ends_no_call_to_another_at_that_address(self) -> None:
        alice, bob = meet()
        carol = End(b"carol")
        alice.knows(carol, EVE)
        alice.board.call(BOB, 0.0, contact=carol.keys.public)
        alice.sent()
        bob.board.call(ALICE, 0.0)
        exchange(alice, bob, 0.1)
        alice.board.accept(BOB, 0.9)
        exchange(alice, bob, 0.9)
        assert alice.news(Established)
        states = {call.expected.name: call.state for call in alice.board._calls._calls.values() if call.expected}
        assert states == {"carol": State.CALLING, "bob": State.OVER}

    def test_few_calls_are_remembered(self) -> None:
        alice = End(b"alice")
        for number in range(200):
            alice.board.call((f"10.4.0.{number}", 7777), 0.0)
            alice.board.quit((f"10.4.0.{number}", 7777), 0.0)
        assert len(alice.board._calls._calls) == len(alice.board._calls._over) == 64
        while (now := alice.board.get_timer()) is not None:
            alice.board.handle_timer(now)

    def test_whoever_was_accepted_and_calls_anew_is_not_asked_about(self) -> None:
        alice, bob = meet()
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0)
        bob.board.accept(ALICE, 1.0)
        bob.sent()
        again = End(b"alice")
        again.knows(bob, BOB)
        again.own.random = Random(5).randbytes
        assert self._called(again, bob, ALICE, 2.0)[:2] == ["ACK CHALLENGE", "SYN+ACK ANSWER"]
        assert not bob.news(CallOver)
        assert len(bob.news(Requested)) == 1
        assert bob.news(Established)

    def test_a_confirm_with_another_key_leaves_no_trace(self) -> None:
        alice, bob = meet()
        alice.board.call(BOB, 0.0)
        exchange(alice, bob, 0.0)
        bob.board.accept(ALICE, 1.0)
        (answer,) = bob.sent()
        (call,) = alice.board._calls._calls.values()
        alice.own.keys, keys = End(b"thief").keys, alice.keys
        read = call.read(answer[50:])
        assert read is not None
        message = read.handshake.write_message(build_frames([alice.own.hello(), new_state(b"")]))
        bob.board.receive(build_payload(Confirm(call.tag, message)), ALICE, 1.1)
        assert bob.news(Ignored)[-1].reason is Reason.WRONG_KEY
        alice.own.keys = keys
        alice.board.receive(parse(answer), BOB, 1.2)
        exchange(alice, bob, 1.2)
        assert bob.news(Established)

    def test_a_round_trip_is_that_of_what_went_out_once(self) -> None:
        for repeated in (False, True):
            alice, bob = meet()
            alice.board.call(BOB, 0.0)
            exchange(alice, bob, 0.0)
            bob.board.accept(ALICE, 1.0)
            (answer,) = bob.sent()
            if repeated:
                bob.board.handle_timer(2.0)
            alice.board.receive(parse(answer), BOB, 2.25)
            bob.board.receive(parse(alice.sent()[-1]), ALICE, 2.5)
            (established,) = bob.news(Established)
            assert established.round_trip == (None if repeated else 1.5)
            if repeated:
                alice.board.handle_timer(3.25)
            assert alice.board.confirmed(established.tag, 3.5) == (None if repeated else 1.25)
            assert alice.board.confirmed(established.tag, 3.5) is None
            assert alice.board.get_timer() is None

    def test_a_hundred_milliseconds_are_between_syns_that_others_bring_about(self) -> None:
        alice = End(b"alice")
        alice.board.call(BOB, 0.0)
        alice.sent()
        (call,) = alice.board._calls._calls.values()
        for number in range(50):
            alice.board.receive(build_payload(Challenge(call.tag, bytes(15) + bytes((number,)))), BOB, 0.5)
        assert [named(each) for each in alice.sent()] == ["SYN"]
        assert alice.board.get_timer() == pytest.approx(0.6, abs=0.01)

    def test_requests_of_strangers_and_contacts_have_rooms_of_their_own(self) -> None:
        bob = End(b"bob")
        friends = [End(f"friend{number}".encode()) for number in range(17)]
        for number, friend in enumerate(friends):
            friend.knows(bob, BOB)
            bob.knows(friend, (f"10.2.0.{number}", 7777))
            self._called(friend, bob, (f"10.2.0.{number}", 7777), 10.0 * number)
        assert len(bob.board.requests) == 16
        assert bob.news(Ignored)[-1].reason is Reason.CROWDED
        for number in range(40):
            self._called(End(f"stranger{number}".encode()), bob, (f"10.3.0.{number}", 7777), 170.0 + number / 10)
        requests = [name for _, name in bob.board.requests]
        assert sum(name.startswith("friend") for name in requests) == 16
        assert sum(name.startswith("stranger") for name in requests) == 12


@pytest.mark.parametrize("e", [bytes(32), b"\1" + bytes(31)])
def test_a_key_of_low_order_is_no_call(e: bytes) -> None:
    bob = End(b"bob", KeyPair)
    offer = Offer(b"\0" + e, bytes(32))
    syn = Datagram(Type.CONTROL, Control.SYN, 0, b"eve", build_offer(offer))
    bob.board.receive(syn, EVE, 0.0)
    challenge = read_payload(parse(bob.sent()[0]))
    assert isinstance(challenge, Challenge)
    offer.proof = challenge.cookie + bytes(16)
    bob.board.receive(Datagram(Type.CONTROL, Control.SYN, 0, b"eve", build_offer(offer)), EVE, 0.0)
    bob.sent()
    bob.board.accept(EVE, 1.0)
    assert [named(each) for each in bob.sent()] == ["FIN OVER"]
    assert [each.why for each in bob.news(CallOver)] == [Why.ERR]


PEERS = st.sampled_from([ALICE, BOB, EVE])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["call", "header", "accept", "quit", "resume", "fail", "tick", "wait"]), PEERS),
        st.tuples(st.sampled_from(["deliver", "again", "elsewhere", "flip"]), st.integers(0, 10**6)),
    ),
    max_size=40,
)


@pytest.mark.slow
@given(STEPS, st.booleans())
@settings(max_examples=300, deadline=None)
def test_nothing_raises_but_what_a_person_may_not_do_now(steps: list[tuple[str, Any]], pinned: bool) -> None:
    with ToyCurve():
        alice, bob = meet(open=pinned)
        ends = {ALICE: alice, BOB: bob}
        net: list[tuple[Address, Address, bytes]] = []
        now = 0.0
        for what, which in steps:
            with suppress(NotNowError):
                now = _step(ends, net, what, which, now)
            for address, end in ends.items():
                net += [(address, each.peer, each.data) for each in end.outlet if isinstance(each, Send)]
                end.outlet.clear()


def _step(
    ends: dict[Address, End], net: list[tuple[Address, Address, bytes]], what: str, which: Any, now: float
) -> float:
    if what in ("deliver", "again", "elsewhere", "flip"):
        if net:
            at = which % len(net)
            source, target, data = net.pop(at) if what == "deliver" else net[at]
            data = changed(data, which % (8 * len(data))) if what == "flip" else data
            source = EVE if what == "elsewhere" else source
            with suppress(DatagramError):
                ends.get(target, ends[BOB]).board.receive(parse(data), source, now)
        return now + 0.01
    if what == "wait":
        return now + 7.0
    for end in ends.values():
        board = end.board
        match what:
            case "call" | "header":
                board.call(which, now, header=what == "header")
            case "accept":
                board.accept(which, now)
            case "quit":
                board.quit(which, now)
            case "fail":
                board.fail(which, "no route", now)
            case "tick":
                board.handle_timer(now)
            case _:
                for pin in end.pins:
                    board.resume(pin.key, now)
    return now

"""The conformance suite: it quotes the specification, passes a daemon that is right, and finds each planted fault."""

import re
from pathlib import Path

import pytest

from simp_daemon.peers.states import State
from simp_proto.conformance import tester
from simp_proto.conformance.cases import CASES, Case
from simp_proto.conformance.run import Result, Verdict, run
from simp_proto.conformance.wire import NotRunError, Request, Side
from simp_proto.constants import BUSY, Chat, Control, Framing, Type
from simp_proto.datagram import Datagram, build
from tests.faults import FAULTS, is_a, remade
from tests.simulated_wire import Fault, SimulatedWire

SPEC = (Path(__file__).parent.parent / "spec" / "simp.md").read_text("utf-8")


def results_of(fault: Fault | None = None, framing: Framing | None = None) -> list[Result]:
    judge = tester.Tester(SimulatedWire(fault), framing)
    judge.meet()
    return list(run(judge, CASES))


def names(results: list[Result], verdict: Verdict) -> list[str]:
    return [result.case.name for result in results if result.verdict is verdict]


def section(number: str) -> str:
    """The paragraph, list and table of a section, on one line."""
    start = re.search(rf"^{re.escape(number)} ", SPEC, re.MULTILINE)
    assert start, number
    end = re.compile(r"^(#|\d+\.\d+ )", re.MULTILINE).search(SPEC, start.end())
    return " ".join(SPEC[start.start() : end.start() if end else None].split())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rules_stand_so_in_their_section(case: Case) -> None:
    assert case.rule
    assert case.rule in section(case.section)


def test_cases_are_told_apart_and_in_order() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    sections = [tuple(map(int, case.section.split("."))) for case in CASES]
    assert sections == sorted(sections)


@pytest.mark.parametrize("framing", [None, Framing.HEADER, Framing.BARE, Framing.TRAILER])
def test_a_daemon_that_is_right_passes(framing: Framing | None) -> None:
    results = results_of(framing=framing)
    assert names(results, Verdict.FAILED) == []
    assert names(results, Verdict.NOT_RUN) == []
    assert len(names(results, Verdict.PASSED)) >= (97 if framing in (None, Framing.HEADER) else 67)


def test_each_case_has_its_fault() -> None:
    assert set(FAULTS) == {case.name for case in CASES}


@pytest.mark.parametrize("name", FAULTS)
def test_exactly_its_case_finds_a_fault(name: str) -> None:
    bare = name == "sequence-beyond-one"  # there is no such number in the other framings
    results = results_of(FAULTS[name](), Framing.BARE if bare else None)
    assert names(results, Verdict.FAILED) == [name]
    assert names(results, Verdict.NOT_RUN) == []
    (failed,) = (result for result in results if result.verdict is Verdict.FAILED)
    assert failed.expected


class TakesTurns(SimulatedWire):
    """Its person can type only after the partner has said something, and once."""

    turn = False

    def send(self, side: Side, data: bytes) -> None:
        self.turn = self.turn or (side is Side.TESTER and is_a(data, Chat.MESSAGE))
        super().send(side, data)

    def ask(self, action: Request, text: str, side: Side, *, quiet: bool) -> str:
        if action is Request.TYPE and not self.turn:
            return "it isn't your turn"
        self.turn = self.turn and action is not Request.TYPE
        return super().ask(action, text, side, quiet=quiet)


def test_a_person_who_speaks_in_turn_is_spoken_to_first() -> None:
    judge = tester.Tester(TakesTurns())
    judge.meet()
    results = list(run(judge, [case for case in CASES if Request.TYPE in case.needs]))
    assert names(results, Verdict.FAILED) == []
    two_in_a_row = {"ack-of-a-stranger", "other-framing-of-an-ack", "wrong-ack", "stop-and-wait"}
    assert set(names(results, Verdict.NOT_RUN)) == two_in_a_row


class Dead(Fault):
    """Answers nothing, once it has been met."""

    met = 0

    def incoming(self, data: bytes, side: Side) -> list[bytes]:
        self.met += 1
        return [data] if self.met <= 4 else []


def test_a_daemon_that_is_gone_is_not_judged() -> None:
    wire = SimulatedWire(Dead())
    wire.actions -= {Request.RESTART}
    judge = tester.Tester(wire)
    judge.meet()
    results = list(run(judge, CASES))
    assert results[0].verdict is Verdict.FAILED
    assert {result.verdict for result in results[1:]} == {Verdict.NOT_RUN}
    assert "start it anew" in results[1].why


def test_nobody_answers() -> None:
    dead = Dead()
    dead.met = 99
    judge = tester.Tester(SimulatedWire(dead))
    with pytest.raises(NotRunError, match="no SIMP daemon answered"):
        judge.meet()


class Twice(Fault):
    """Every datagram comes twice, as the network may have it: no rule is broken."""

    def outgoing(self, data: bytes, side: Side) -> list[bytes]:
        return [data, data] if is_a(data, Control.ACK) else [data]


def test_an_ack_that_comes_twice_is_no_answer_to_the_next_chat() -> None:
    failed = names(results_of(Twice()), Verdict.FAILED)
    assert "ack-number" not in failed
    assert "repeat-acknowledged" not in failed


class Chatty(Fault):
    """Says something of its own after each chat of the partner, as an echo does: no rule is broken."""

    def answers(self, data: bytes, side: Side) -> list[bytes]:
        if not is_a(data, Chat.MESSAGE) or self.state(side) is not State.OPEN:
            return []
        self.timer, self.echo = self.now + 0.1, remade(data, user=b"bob", payload=b"echo")
        return []

    def expired(self) -> list[bytes]:
        return [self.echo]


def test_chats_of_its_person_are_no_answers() -> None:
    assert names(results_of(Chatty()), Verdict.FAILED) == []


class Flood(Fault):
    """Answers each datagram with a thousand."""

    def answers(self, data: bytes, side: Side) -> list[bytes]:
        return [bytes((number & 0xFF,)) * 60 for number in range(1_000)]


def test_a_flood_ends() -> None:
    results = results_of(Flood())
    assert len(results) == len(CASES)
    assert max(len(result.trace) for result in results) <= 6_000


class Lossy(Fault):
    """Loses the first datagram of the tester in each case, as a network may."""

    lost = False

    def incoming(self, data: bytes, side: Side) -> list[bytes]:
        if is_a(data, Control.SYN) and not self.lost:
            self.lost = True
            return []
        return [data]


def test_a_case_that_fails_is_judged_again() -> None:
    for tries, verdict in ((1, Verdict.FAILED), (2, Verdict.PASSED)):
        judge = tester.Tester(SimulatedWire())
        judge.meet()
        assert isinstance(judge.wire, SimulatedWire)
        lossy = judge.wire.fault = Lossy()
        lossy.endpoint = judge.wire.endpoint
        (result,) = run(judge, [case for case in CASES if case.name == "ringing"], tries)
        assert result.verdict is verdict


class Unwelcoming(Fault):
    """Answers each SYN by what a test says."""

    answer: bytes

    def incoming(self, data: bytes, side: Side) -> list[bytes]:
        return [] if is_a(data, Control.SYN) else [data]

    def answers(self, data: bytes, side: Side) -> list[bytes]:
        return [self.answer] if is_a(data, Control.SYN) else []


@pytest.mark.parametrize(
    ("framing", "text", "told"),
    [(Framing.HEADER, BUSY, "is it in a chat?"), (Framing.TRAILER, "Wrong payload", "give --framing trailer")],
)
def test_a_daemon_that_refuses_calls_is_not_judged(framing: Framing, text: str, told: str) -> None:
    fault = Unwelcoming()
    fault.answer = build(Datagram(Type.CONTROL, Control.ERR, 0, b"bob", text.encode(), framing))
    with pytest.raises(NotRunError, match=re.escape(told)):
        tester.Tester(SimulatedWire(fault)).meet()


def test_a_daemon_that_was_started_is_waited_for() -> None:
    class Starting(SimulatedWire):
        """Listens 3 s after it was started."""

        refused = True

        def send(self, side: Side, data: bytes) -> None:
            self.refused = self.now() < 3
            if not self.refused:
                super().send(side, data)

    again = Starting()
    judge = tester.Tester(again)
    judge.alive = False  # it acknowledged FINs before, so that one does no harm
    judge.restart()
    first = Starting()
    first.restarts = True
    tester.Tester(first).meet()
    for wire in (again, first):
        assert 3 <= wire.now() < 8

"""The conformance suite: it quotes the specification, passes a daemon that is right, and finds each planted fault."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from simp_daemon.peers.states import State
from simp_proto.conformance import tester, trace
from simp_proto.conformance.cases import CASES, SLOW, Case
from simp_proto.conformance.run import Result, Verdict, run
from simp_proto.conformance.wire import NotRunError, Request, Side
from simp_proto.constants import BUSY, Chat, Control, Framing
from tests.faults import FAULTS, Fault, latest
from tests.faulty import (
    Passage,
    Rule,
    When,
    again,
    answered,
    answering,
    answers,
    asked,
    drops,
    heard,
    last,
    read,
    rewrites,
    said,
    shown,
    since,
)
from tests.simulated_wire import SimulatedWire

SPEC = Path(__file__).parent.parent / "spec"


def results_of(*rules: Rule, framing: Framing | None = None, cases: Iterable[Case] = CASES) -> list[Result]:
    judge = tester.Tester(SimulatedWire(*rules), framing)
    judge.meet()
    return list(run(judge, cases))


def names(results: list[Result], verdict: Verdict) -> list[str]:
    return [result.case.name for result in results if result.verdict is verdict]


@cache
def section(number: str) -> str:
    """The paragraph, list and table of a section, on one line."""
    *other, number = number.split()
    spec = (SPEC / f"{other[0] if other else 'simp'}.md").read_text("utf-8")
    start = re.search(rf"^(##+ )?{re.escape(number)} ", spec, re.MULTILINE)
    assert start, number
    end = re.compile(r"^(#|\d+\.\d+ )", re.MULTILINE).search(spec, start.end())
    return " ".join(spec[start.start() : end.start() if end else None].split())


def test_rules_stand_so_in_their_section() -> None:
    for case in (*CASES, *SLOW):
        assert case.rule, case.name
        assert case.rule in section(case.section), case.name


def test_cases_are_told_apart_and_in_order() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    sections = [("client" in case.section, [*map(int, case.section.split()[-1].split("."))]) for case in CASES]
    assert sections == sorted(sections)


@pytest.mark.parametrize("framing", [None, Framing.HEADER, Framing.BARE, Framing.TRAILER])
def test_a_daemon_that_is_right_passes(framing: Framing | None) -> None:
    results = results_of(framing=framing)
    assert names(results, Verdict.FAILED) == []
    assert names(results, Verdict.NOT_RUN) == []
    assert len(names(results, Verdict.PASSED)) >= (153 if framing in (None, Framing.HEADER) else 80)


def test_each_case_has_its_fault() -> None:
    assert {(fault.section, fault.case) for fault in FAULTS} == {(case.section, case.name) for case in CASES}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.case)
def test_its_case_finds_a_fault(fault: Fault) -> None:
    (result,) = results_of(
        *fault.rules, framing=fault.framing, cases=[case for case in CASES if case.name == fault.case]
    )
    assert result.verdict is Verdict.FAILED
    assert result.expected
    assert not re.search(r"\bb'", result.expected)  # it is for people


@cache
def met(framing: Framing | None) -> dict[str, list[Passage]]:
    """What a fault's conditions would be asked about, by case, at a daemon that is right."""
    passages: list[Passage] = []

    def noted(passage: Passage) -> bool:
        passages.append(passage)
        return False

    judge = tester.Tester(SimulatedWire(Rule(When(noted))), framing)
    judge.meet()
    by_case = {}
    for result in run(judge, CASES):
        by_case[result.case.name] = [*passages]
        passages.clear()
    return by_case


def shows(fault: Fault, case: Case) -> bool:
    """Whether a fault may make a difference to that case, as it does where one of its conditions holds.

    What comes later may come in any case. A condition that looks back sees less where cases are left out, so the whole
    is an exhaustive test.
    """
    late = any(rule.after for rule in fault.rules)
    return late or any(rule.when(passage) for rule in fault.rules for passage in met(fault.framing)[case.name])


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.case)
def test_exactly_its_case_finds_a_fault(fault: Fault) -> None:
    first, *others = CASES  # after the first, the daemon knows the tester
    found(fault, [first, *(case for case in others if shows(fault, case))])


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.case)
def test_exactly_its_case_of_all_finds_a_fault(fault: Fault) -> None:
    found(fault, CASES)


def found(fault: Fault, cases: Iterable[Case]) -> None:
    """By its own case, and by no other of these."""
    results = results_of(*fault.rules, framing=fault.framing, cases=cases)
    assert names(results, Verdict.FAILED) == [fault.case]
    assert names(results, Verdict.NOT_RUN) == []
    (failed,) = (result for result in results if result.verdict is Verdict.FAILED)
    assert failed.expected


LAST_WORDS = latest(said(Chat.MESSAGE))


def asked_last(request: Request) -> When:
    """That was the last thing that the person was asked for."""
    return last(asked(), asked(request))


SLOW_FAULTS: list[tuple[str, Rule]] = [
    ("request-too-old", answers(asked(Request.ACCEPT, state=State.IDLE), Control.SYN_ACK)),
    ("request-renewed", drops(heard(Control.SYN, state=State.PENDING))),
    (
        "given-up",
        answers(said(Control.FIN, state=State.LEAVING) & asked_last(Request.TYPE), latest(said(Chat.MESSAGE))),
    ),
    ("given-up", rewrites(said(Control.FIN) & asked_last(Request.TYPE), sequence=1)),
    ("fin-given-up", answers(said(Control.FIN, state=State.LEAVING) & asked_last(Request.LEAVE), again)),
    (
        "unanswered-call",
        rewrites(shown("UNANSWERED|") & asked_last(Request.CALL), raw=lambda line: line.replace(b"|60", b"|30")),
    ),
    ("unanswered-message", drops(shown("UNANSWERED|") & asked_last(Request.TYPE))),
    (
        "call-given-up",
        answers(said(Control.FIN, state=State.LEAVING) & asked_last(Request.CALL), latest(said(Control.SYN))),
    ),
    ("silent-partner", drops(said(Control.SYN_ACK, state=State.OPEN))),
    ("silent-connection", drops(answered("ERROR|read nothing in"))),
    ("syn-after-ringing", answers(heard(Control.ACK, state=State.CALLING), latest(said(Control.SYN)), after=20.0)),
]


def test_a_daemon_that_is_right_passes_what_takes_minutes() -> None:
    judge = tester.Tester(SimulatedWire())
    judge.meet()
    assert {result.verdict for result in run(judge, SLOW)} == {Verdict.PASSED}
    assert {name for name, _ in SLOW_FAULTS} == {case.name for case in SLOW}


@pytest.mark.parametrize(("name", "rule"), SLOW_FAULTS)
def test_exactly_its_slow_case_finds_a_fault(name: str, rule: Rule) -> None:
    judge = tester.Tester(SimulatedWire(rule))
    judge.meet()
    assert names(list(run(judge, SLOW)), Verdict.FAILED) == [name]


class TakesTurns(SimulatedWire):
    """Its person can type only after the partner has said something, and once."""

    turn = False

    def send(self, side: Side, data: bytes) -> None:
        datagram = read(data)
        said_something = datagram is not None and datagram.operation is Chat.MESSAGE
        self.turn = self.turn or (side is Side.TESTER and said_something)
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
    two_in_a_row = {
        "ack-of-a-stranger",
        "ack-of-a-double",
        "other-framing-of-an-ack",
        "wrong-ack",
        "stop-and-wait",
        "message-without-a-chat",
        "longest-message",
        "wrong-ack-of-a-second-chat",
        "ringing-acknowledges-nothing",
        "presence-acknowledges-nothing",
    }
    assert set(names(results, Verdict.NOT_RUN)) == two_in_a_row


def dead(after: int) -> Rule:
    """Answers nothing, once it has got so many datagrams."""
    return drops(heard() & When(lambda passage: sum(map(heard(), passage.before())) >= after))


def test_a_daemon_that_is_gone_is_not_judged() -> None:
    wire = SimulatedWire(dead(after=4))
    wire.actions -= {Request.RESTART}
    judge = tester.Tester(wire)
    judge.meet()
    results = list(run(judge, CASES))
    assert results[0].verdict is Verdict.FAILED
    assert {result.verdict for result in results[1:]} == {Verdict.NOT_RUN}
    assert "restart it" in results[1].why


def test_nobody_answers() -> None:
    judge = tester.Tester(SimulatedWire(dead(after=0)))
    with pytest.raises(NotRunError, match="no SIMP daemon answered"):
        judge.meet()


def test_an_ack_that_comes_twice_is_no_answer_to_the_next_chat() -> None:
    twice = answers(said(Control.ACK), again)  # as the network may have it: no rule is broken
    failed = names(results_of(twice), Verdict.FAILED)
    assert "ack-number" not in failed
    assert "repeat-acknowledged" not in failed


def test_chats_of_its_person_are_no_answers() -> None:
    echo = answers(heard(Chat.MESSAGE, state=State.OPEN), Chat.MESSAGE, payload=b"echo", after=0.1)
    assert names(results_of(echo), Verdict.FAILED) == []


def test_a_daemon_that_answers_from_another_address_is_named() -> None:
    wire = SimulatedWire(dead(after=0))
    wire.elsewhere = ("192.0.2.99", 7777)
    with pytest.raises(NotRunError, match=re.escape("192.0.2.1:7777 was asked, and 192.0.2.99:7777 answered")):
        tester.Tester(wire).meet()


@pytest.mark.slow
@pytest.mark.parametrize(("most", "cases"), [(None, CASES[:2]), (500, CASES)])
def test_a_flood_ends(monkeypatch: pytest.MonkeyPatch, most: int | None, cases: list[Case]) -> None:
    most = most or trace._MOST_PASSAGES
    monkeypatch.setattr(trace, "_MOST_PASSAGES", most)
    flood = SimulatedWire(answers(heard(), lambda passage: bytes(60), times=most // 5))
    judge = tester.Tester(flood)
    judge.meet()
    results = list(run(judge, cases))
    assert len(results) == len(cases)
    assert max(len(result.trace) for result in results) <= most * 6 / 5


def unruly(seed: int) -> list[Rule]:
    """A daemon that changes a tenth of what it says, in a way that it says nothing about."""
    random = Random(seed)
    now_and_then = When(lambda passage: random.random() < 0.1)
    changes: list[dict[str, Any]] = [
        {"framing": framing, "sequence": random.randrange(256 if framing is Framing.BARE else 2)}
        for framing in Framing
        for _ in range(2)
    ]
    others = [rewrites(said() & now_and_then, **each) for each in changes]
    others += [rewrites(said() & now_and_then, raw=lambda data: random.randbytes(len(data)))]
    return [*others, drops(said() & now_and_then), answers(heard() & now_and_then, Control.SYN_ACK, sequence=1)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_whatever_a_daemon_says_the_tester_is_not_at_fault(seed: int) -> None:
    judge = tester.Tester(SimulatedWire(*unruly(seed)))
    with suppress(NotRunError):
        judge.meet()
    results = list(run(judge, CASES))
    assert len(results) == len(CASES)
    assert [result.why for result in results if "fault" in result.why] == []


@pytest.mark.parametrize("name", ["wrong-checksum-of-a-fin", "sequence-beyond-one"])
def test_a_daemon_that_changes_its_framing_ends_no_run(name: str) -> None:
    begins, goes_on = (Framing.HEADER, Framing.BARE) if "checksum" in name else (Framing.BARE, Framing.HEADER)
    changes = rewrites(
        said(Control.SYN_ACK) | said() & since(said(Control.SYN), said(Control.SYN_ACK)), framing=goes_on
    )
    judge = tester.Tester(SimulatedWire(rewrites(said(), framing=begins), changes))
    judge.meet()
    (result,) = run(judge, [case for case in CASES if case.name == name])
    assert (result.verdict, result.why) == (
        Verdict.NOT_APPLICABLE,
        f"the daemon speaks {goes_on.value} with the tester",
    )


def test_a_fault_of_the_tester_costs_one_case(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(each: tester.Tester) -> None:
        each.say_syn()
        raise ZeroDivisionError("by chance")

    wire = SimulatedWire()
    broken = replace(CASES[0], judge=judge)
    first, second = run(tester.Tester(wire), [broken, next(case for case in CASES if case.name == "ringing")])
    assert (first.verdict, first.why) == (Verdict.NOT_RUN, "the tester's fault: ZeroDivisionError: by chance")
    assert second.verdict is Verdict.PASSED


def test_an_err_is_no_acknowledgement_of_a_syn_ack() -> None:
    err = drops(said(Control.ACK) & answering(Control.SYN_ACK)), answers(heard(Control.SYN_ACK), Control.ERR)
    assert "repeated-syn-ack" in names(results_of(*err), Verdict.FAILED)


def test_a_case_that_fails_is_judged_again() -> None:
    for tries, verdict in ((1, Verdict.FAILED), (2, Verdict.PASSED)):
        wire = SimulatedWire()
        judge = tester.Tester(wire)
        judge.meet()
        begun = wire.now()
        first = When(lambda passage, begun=begun: passage.time == begun)  # type: ignore[misc]
        wire.rules = (drops(heard(Control.SYN) & first),)  # as a network may lose it
        (result,) = run(judge, [case for case in CASES if case.name == "ringing"], tries)
        assert result.verdict is verdict


@pytest.mark.parametrize(
    ("framing", "text", "told"),
    [(Framing.HEADER, BUSY, "is it in a chat?"), (Framing.TRAILER, "Wrong payload", "give --framing trailer")],
)
def test_a_daemon_that_refuses_calls_is_not_judged(framing: Framing, text: str, told: str) -> None:
    syn = heard(Control.SYN)
    unwelcoming = SimulatedWire(drops(syn), answers(syn, Control.ERR, payload=text.encode(), framing=framing))
    with pytest.raises(NotRunError, match=re.escape(told)):
        tester.Tester(unwelcoming).meet()


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

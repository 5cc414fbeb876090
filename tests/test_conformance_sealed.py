"""The cases of SIMP/2: they quote the specification, pass a daemon that is right, and find each planted fault."""

import re
from collections.abc import Iterable

import pytest

from simp_proto.conformance import tester
from simp_proto.conformance.cases import Case
from simp_proto.conformance.run import Result, Verdict, run
from simp_proto.conformance.sealed_cases import SEALED
from simp_proto.constants import Framing
from tests.sealed_faults import FAULTS, Fault
from tests.sealed_wire import SealedWire
from tests.simulated_wire import SimulatedWire
from tests.test_conformance import names, section

NEIGHBOURS = 8
"""Cases before and after a fault's own that are about much the same."""


def judged(fault: Fault, cases: Iterable[Case], monkeypatch: pytest.MonkeyPatch) -> list[Result]:
    """Each by a daemon of its own, since what one case has done may hide the fault from the next."""
    for patch in fault.patches:
        patch.apply(monkeypatch)
    results: list[Result] = []
    for case in cases:
        judge = tester.Tester(SealedWire(*fault.rules))
        judge.sealed = True
        results += run(judge, [case])
    return results


def test_rules_stand_so_in_their_section() -> None:
    for case in SEALED:
        assert case.rule, case.name
        assert case.rule in section(case.section), case.name


def test_cases_are_told_apart_and_in_order() -> None:
    assert len({case.name for case in SEALED}) == len(SEALED)
    sections = [[*map(int, case.section.split()[-1].split("."))] for case in SEALED]
    assert sections == sorted(sections)


def test_a_daemon_that_is_right_passes() -> None:
    judge = tester.Tester(SealedWire())
    judge.meet()
    assert {result.case.name: result.verdict for result in run(judge, SEALED)} == dict.fromkeys(
        (case.name for case in SEALED), Verdict.PASSED
    )


@pytest.mark.parametrize("framing", [None, Framing.BARE])
def test_a_daemon_that_speaks_simp_1_alone_is_not_judged(framing: Framing | None) -> None:
    judge = tester.Tester(SimulatedWire(), framing)
    judge.meet()
    results = list(run(judge, SEALED))
    assert {result.verdict for result in results} == {Verdict.NOT_APPLICABLE}
    assert results[0].why == "the daemon doesn't speak SIMP/2 with the tester"


def test_each_case_has_its_fault() -> None:
    assert [(fault.section, fault.case) for fault in FAULTS] == [(case.section, case.name) for case in SEALED]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.case)
def test_its_case_finds_a_fault(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    (result,) = judged(fault, [case for case in SEALED if case.name == fault.case], monkeypatch)
    assert result.verdict is Verdict.FAILED, result.why
    assert result.expected
    assert not re.search(r"\bb'", result.expected)  # it is for people


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(FAULTS)), ids=lambda place: FAULTS[place].case)
def test_of_its_neighbours_exactly_its_case_finds_a_fault(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found(FAULTS[place], SEALED[max(place - NEIGHBOURS, 0) : place + NEIGHBOURS + 1], monkeypatch)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.case)
def test_exactly_its_case_finds_a_fault(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    found(fault, SEALED, monkeypatch)


def found(fault: Fault, cases: Iterable[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own case, and by no other of these."""
    results = judged(fault, cases, monkeypatch)
    assert names(results, Verdict.FAILED) == [fault.case]
    assert names(results, Verdict.NOT_RUN) == []

"""A run: cases, one after the other, and their outcomes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum, unique
from typing import Final

from simp_proto.conformance.cases import Case
from simp_proto.conformance.tester import NotApplicableError, Tester
from simp_proto.conformance.trace import Passage, RuleBrokenError
from simp_proto.conformance.wire import NotRunError, Request

_FIRST: Final = 800
_LAST: Final = 200
"""Passages of a conversation's beginning and end that a result keeps: of a flood, each case may have thousands."""


@unique
class Verdict(Enum):
    """What can be said of a case."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a case. `expected` and `seen` are a failure's, `why` says what kept it from being judged."""

    case: Case
    verdict: Verdict
    seconds: float
    trace: tuple[Passage, ...]
    why: str = ""
    expected: str = ""
    seen: tuple[Passage, ...] = ()


def run(tester: Tester, cases: Iterable[Case], tries: int = 1) -> Iterator[Result]:
    """Judges each case; a failing one up to `tries` times, since a network may lose a datagram.

    After each the daemon must still answer (spec 8.1); if it doesn't, it is restarted.
    """
    for case in cases:
        for _ in range(tries):
            result = _judge(tester, case)
            if result.trace:
                result = _part(tester, result)
            if result.verdict is not Verdict.FAILED:
                break
        yield result


def _part(tester: Tester, result: Result) -> Result:
    try:
        tester.part()
    except Exception:  # no way there any more; or it says things for ever; or the tester is at fault
        tester.alive = False
    if result.verdict is Verdict.PASSED and tester.alive is False:
        expected = "a daemon that still answers, a FIN at least, after this (8.1)"
        return replace(result, verdict=Verdict.FAILED, expected=expected, trace=_kept(tester.trace))
    return result


def _kept(passages: Iterable[Passage]) -> tuple[Passage, ...]:
    """All of them, or the first and the last."""
    every = tuple(passages)
    return every if len(every) <= _FIRST + _LAST else every[:_FIRST] + every[-_LAST:]


def _judge(tester: Tester, case: Case) -> Result:
    tester.begin()
    start = tester.wire.now()
    verdict, why, failure = Verdict.PASSED, "", RuleBrokenError("", [])
    try:
        _prepare(tester, case)
        case.judge(tester)
    except NotApplicableError as reason:
        verdict, why = Verdict.NOT_APPLICABLE, str(reason)
    except NotRunError as reason:
        verdict, why = Verdict.NOT_RUN, str(reason)
    except RuleBrokenError as broken:
        verdict, failure = Verdict.FAILED, broken
    except Exception as error:  # whatever a daemon does, it doesn't cost the report of the other cases
        verdict, why = Verdict.NOT_RUN, f"the tester's fault: {type(error).__name__}: {error}"
    seconds = tester.wire.now() - start
    return Result(case, verdict, seconds, _kept(tester.trace), why, failure.expected, _kept(failure.seen))


def _prepare(tester: Tester, case: Case) -> None:
    """Sees that somebody can act at the other side, and that a daemon is there; raises `NotRunError`."""
    for action in Request:
        if action in case.needs - tester.wire.actions:
            raise NotRunError(action.in_want)
    if tester.wire.restarts or tester.alive is False:
        if Request.RESTART not in tester.wire.actions:
            raise NotRunError("the daemon doesn't answer any more: restart it, or give --restart-command")
        tester.restart()
        tester.alive = None if tester.alive is None else True

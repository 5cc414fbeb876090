"""Whatever a network does to a small call, and whoever crashes: afterwards both have one session, the same."""

from collections.abc import Iterator

import pytest

from simp_daemon.peers.sealed import call_actions as do
from simp_daemon.peers.sealed.call import Call, State
from simp_daemon.peers.sealed.call_actions import Happening
from simp_daemon.peers.sealed.call_states import TABLE, Cell, Input
from tests.negotiation import SCENARIOS, Toy, ToyCurve, World, explore


@pytest.fixture(autouse=True)
def _toy_curve() -> Iterator[None]:
    with ToyCurve():
        yield


_QUICK = "a call with a crash"


@pytest.mark.parametrize(
    "name", [_QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SCENARIOS if name != _QUICK)]
)
def test_no_schedule_leaves_two_with_no_session_or_two(name: str) -> None:
    world, depth, _ = SCENARIOS[name]
    outcome = explore(lambda: World(**world), depth)
    print(f"{outcome.worlds} worlds")
    assert outcome.wrong == []
    assert outcome.complete
    assert outcome.worlds > 200


def crashed() -> World:
    """A callee that crashed after its ANSWER went out, and calls quietly itself; that ANSWER is still under way."""
    world = World(pinned=True, faults=(0, 0, 2, 1))
    for choice in (("deliver", 0), ("deliver", 0), ("crash", 0, 1), ("deliver", 1), ("deliver", 1), ("deliver", 1)):
        world.do(choice)
    return world


def forget_gone(call: Call, _: Happening) -> None:
    call.missed = None


NO_CALL_AFTER_CONFIRM = (State.CONFIRMING, Input.GONE, ((forget_gone,), State.CONFIRMING))
NO_CALL_AFTER_ANSWERS = (State.ACCEPTING, Input.LAST_TRY, ((do.lose,), State.OVER))


@pytest.mark.parametrize(
    ("faults", "found"),
    [
        ([], False),
        pytest.param([NO_CALL_AFTER_CONFIRM], False, marks=pytest.mark.slow),
        ([NO_CALL_AFTER_CONFIRM, NO_CALL_AFTER_ANSWERS], True),
    ],
)
def test_an_answer_from_before_a_crash_leaves_nobody_alone(
    faults: list[tuple[State, Input, Cell]], found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes a session that the callee doesn't have, while its call gave way to the caller's (simp2 7.7)."""
    for state, what, cell in faults:
        monkeypatch.setitem(TABLE[state], what, cell)
    outcome = explore(crashed, 6)
    assert bool(outcome.wrong) is found
    assert all(why == "nobody does anything any more" for why, _ in outcome.wrong)


def test_whoever_doubles_a_crossed_call_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both answer, as SIMP/1 has it: two handshakes, which may both be over at one end only (simp2 4.6)."""
    for state in (State.CALLING, State.PROVING, State.RINGING):
        monkeypatch.setitem(TABLE[state], Input.HIGHER_SYN, ((), State.OVER))
    assert explore(lambda: World((0, 1), faults=(0, 0, 0, 0)), 8).wrong


def test_nothing_is_computed_before_a_person_has_accepted() -> None:
    world = World(late=True, faults=(0, 0, 0, 0))
    before = Toy.exchanges
    while world.net:
        world.do(("deliver", 0))
    assert world.daemons[1].board.requests
    assert Toy.exchanges == before
    world.do(("accept", 1, world.daemons[1].board.requests[0][0]))
    assert Toy.exchanges == before + 2

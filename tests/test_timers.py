"""The timers of many conversations, beside a plain dictionary that does the same slowly."""

from hypothesis import given
from hypothesis import strategies as st

from simp_daemon.peers.timers import _SLACK, Timers

PEERS = [(f"10.0.0.{number}", 7777) for number in range(4)]
TIMES = st.integers(0, 20).map(float)


@given(st.lists(st.tuples(st.sampled_from(PEERS), st.none() | TIMES) | TIMES))
def test_they_say_what_a_dictionary_says(steps: list[tuple[tuple[str, int], float | None] | float]) -> None:
    """Steps that set a timer, and times at which those that are due are taken."""
    timers, expected = Timers[tuple[str, int]](), dict[tuple[str, int], float]()
    for step in steps:
        if isinstance(step, float):
            due = sorted((at, peer) for peer, at in expected.items() if at <= step)
            assert list(timers.due(step)) == [peer for _, peer in due]
            for _, peer in due:
                del expected[peer]
        else:
            peer, at = step
            timers.set(peer, at)
            expected.pop(peer, None)
            if at is not None:
                expected[peer] = at
        assert timers.first() == min(expected.values(), default=None)


def test_asking_changes_nothing_that_is_due() -> None:
    timers = Timers[tuple[str, int]]()
    timers.set(PEERS[0], 1.0)
    assert [timers.first(), timers.first()] == [1.0, 1.0]
    assert list(timers.due(0.9)) == []
    assert list(timers.due(1.0)) == [PEERS[0]]
    assert list(timers.due(1.0)) == []


def test_what_is_set_again_while_the_due_are_taken_waits_for_its_time() -> None:
    timers = Timers[tuple[str, int]]()
    for peer in PEERS:
        timers.set(peer, 1.0)
    seen = []
    for peer in timers.due(1.0):
        seen.append(peer)
        timers.set(peer, 6.0)
    assert seen == PEERS
    assert timers.first() == 6.0


def test_outdated_entries_don_t_pile_up() -> None:
    timers = Timers[tuple[str, int]]()
    for number in range(100_000):
        timers.set(PEERS[number % 4], 5.0 + number)
    assert len(timers._heap) <= 2 * len(PEERS) + _SLACK + 1

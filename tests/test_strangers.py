"""What strangers may cost: a bound in any second, whenever they come (spec 8.2)."""

from hypothesis import given
from hypothesis import strategies as st

from simp_daemon.peers.strangers import Allowance

RATE, BURST = 8, 2


@given(st.lists(st.integers(0, 4000).map(lambda thousandths: thousandths / 1000), max_size=200).map(sorted))
def test_no_second_has_more_than_the_rate_and_the_burst(times: list[float]) -> None:
    allowance, spent = Allowance(RATE, BURST), list[float]()
    for now in times:
        if allowance.left(now):
            allowance.spend(1)
            spent.append(now)
    assert all(sum(start <= at < start + 1 for at in spent) <= RATE + BURST for start in spent)


def test_the_burst_comes_back_with_time_and_no_further() -> None:
    allowance = Allowance(RATE, BURST)
    allowance.spend(BURST)
    assert not allowance.left(0.0)
    assert allowance.left(1 / RATE)
    allowance.spend(1)
    assert allowance.left(1000.0)
    allowance.spend(BURST)
    assert not allowance.left(1000.0)


def test_what_is_spent_beyond_is_missing_later() -> None:
    allowance = Allowance(RATE, BURST)
    allowance.left(0.0)
    allowance.spend(BURST + RATE)
    assert not allowance.left(1.0)
    assert allowance.left(1.125)


def test_a_clock_that_stands_still_gives_nothing() -> None:
    allowance = Allowance(RATE, BURST)
    for _ in range(BURST):
        assert allowance.left(5.0)
        allowance.spend(1)
    assert not allowance.left(5.0)

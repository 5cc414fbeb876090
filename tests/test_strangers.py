"""What strangers may cost: a bound in any second, whenever they come (spec 8.2)."""

from hypothesis import given
from hypothesis import strategies as st

from simp_daemon.peers.strangers import _SOURCES, Allowance, Strangers
from simp_proto.address import Address
from simp_proto.constants import SOURCE_BURST

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


def test_the_source_that_was_silent_for_longest_is_forgotten_and_no_other() -> None:
    def host(number: int) -> Address:
        return f"10.0.{number >> 8}.{number & 255}", 7777

    strangers = Strangers()
    for number in range(_SOURCES):
        strangers.charge(host(number), SOURCE_BURST if number < 2 else 0, friend=True)
    assert not strangers.admits(host(0), 0.0, friend=False)
    strangers.charge(host(_SOURCES), 0, friend=True)  # which displaces the second: the first was heard after that
    assert not strangers.admits(host(0), 0.0, friend=False)
    assert strangers.admits(host(1), 0.0, friend=False)

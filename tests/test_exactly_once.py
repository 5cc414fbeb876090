"""Messages of SIMP/2 through losses, crashes and restored disks: none lost, doubled or out of order unannounced.

Each seed is a run of `tests.disasters`; a million messages are `python -m tests.mass`.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from simp_daemon.facts import Received, Said
from simp_daemon.peers.link import Link
from simp_proto.sealed.frames import Acked, Piece, State, chained
from tests.disasters import Daemon, Effect, World
from tests.mass import TimerAlone, chat, crashing, goodput, hectic, old, restoring


@pytest.mark.parametrize("block", range(4))
def test_crashes_and_a_network_that_loses_a_third(block: int) -> None:
    total = chat(range(block * 9, block * 9 + 9), crashing, 28)
    assert total.messages >= 500
    assert total.crashes


@pytest.mark.parametrize("block", range(2))
def test_whatever_a_restored_disk_forgot_is_announced(block: int) -> None:
    total = chat(range(block * 30, block * 30 + 30), restoring, 40)
    assert total.restored
    assert total.doubtful
    assert total.gaps


def test_the_same_with_simp_1() -> None:
    """It loses what it says has arrived, on a far better network, and without a crash (S1 10.2)."""
    assert old(range(10), 200) == (39, 28)


@pytest.mark.parametrize(("loss", "share"), [(0.01, 0.98), (0.1, 0.9), pytest.param(0.3, 0.7, marks=pytest.mark.slow)])
def test_losses_cost_little_more_than_what_was_lost(loss: float, share: float) -> None:
    """A piece that was overtaken isn't waited for until the timer ends (spec 7.6)."""
    assert share <= goodput(loss, 0.02) <= share + 0.1
    assert goodput(loss, 0.02, TimerAlone) < share - 0.15
    assert goodput(0.0, 0.02) == pytest.approx(1.0)


# -- faults, each planted in the rules or in the order in which effects are done, and each found


class SaidLate(World):
    """What is said is committed after it was sent."""

    def _ordered(self, effects: list[Effect]) -> list[Effect]:
        return sorted(effects, key=lambda effect: isinstance(effect, Said))


class StoredLate(World):
    """What came is committed after it was acknowledged."""

    def _ordered(self, effects: list[Effect]) -> list[Effect]:
        return sorted(effects, key=lambda effect: isinstance(effect, Received))


class Forgetful(World):
    """The last number that was stored isn't known after a crash."""

    def _start(self, index: int) -> None:
        ledger = self.disks[index].ledger
        if self.crashes and ledger.stored:
            ledger.stored -= 1
        super()._start(index)


class Unordered(Link):
    """Takes each piece as it comes."""

    def _read_piece(self, piece: Piece) -> None:
        if piece.number > self._ledger.stored:
            self._commit(Received((piece,), chained(self._ledger.upto, piece)))


class Trusting(Link):
    """Takes what is in the bitmap for stored."""

    def _read_acked(self, acked: Acked, now: float) -> None:
        bits = acked.bitmap.bit_length()
        super()._read_acked(replace(acked, next=acked.next + 1 + bits) if bits else acked, now)


class Unchained(Link):
    """Doesn't ask what the pieces were."""

    def read(self, state: State) -> None:
        known = self._ledger.acknowledged <= state.next - 1 < self._ledger.next
        super().read(replace(state, upto=self._ledger.chain_at(state.next - 1)) if known else state)


class Tokenless(Daemon):
    """Says again what its client says again."""

    def say(self, token: str, message: bytes, now: float) -> None:
        self.ledger.waiting.pop(token, None)
        self.ledger.settled.pop(token, None)
        super().say(token, message, now)


def with_link(kind: type[Link]) -> type[World]:
    class Linked(Daemon):
        link_kind = kind

    return with_daemon(Linked)


def with_daemon(kind: type[Daemon]) -> type[World]:
    class Planted(World):
        daemon = kind

    return Planted


FAULTS: dict[str, tuple[type[World], Callable[..., World], int]] = {
    "sent before it is committed": (SaidLate, crashing, 40),
    "acknowledged before it is committed": (StoredLate, crashing, 40),
    "the last number is forgotten": (Forgetful, crashing, 40),
    "taken out of order": (with_link(Unordered), crashing, 5),
    "the bitmap is taken for stored": (with_link(Trusting), crashing, 5),
    "no token": (with_daemon(Tokenless), crashing, 40),
    "no chain": (with_link(Unchained), hectic, 60),
}


@pytest.mark.parametrize("fault", [*list(FAULTS)[:-1], pytest.param("no chain", marks=pytest.mark.slow)])
def test_a_planted_fault_is_found(fault: str) -> None:
    kind, make, runs = FAULTS[fault]
    for seed in range(runs):
        try:
            chat([seed], make, 30, kind)
        except (AssertionError, KeyError, ValueError):
            return
    raise AssertionError(f"not found in {runs} runs")

"""Whole daemons with real stores, through losses, crashes and restored disks: no message is lost, doubled or out of
order unannounced.

Each seed is a run of `tests.disasters`; a million messages are `python -m tests.mass`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest

from simp_daemon.contacts import About, Contact
from simp_daemon.disk import Disk
from simp_daemon.effects import Commit, Effect, Send
from simp_daemon.facts import Fact, Ledger, Pinned, Received, Said
from simp_daemon.peers.sealed.link import Link
from simp_daemon.store import Store
from simp_proto.sealed.frames import Acked, Piece, State, chained
from tests import machine
from tests.disasters import World
from tests.mass import Make, TimerAlone, chat, crashing, goodput, hectic, linked, old, restoring


@pytest.fixture(name="folder")
def _folder() -> Iterator[Path]:
    """In memory, if possible: what disks do is another test's."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_crashes_and_a_network_that_loses_a_third(block: int, folder: Path) -> None:
    total = chat(range(block * 9, block * 9 + 9), crashing, 28, folder)
    assert total.messages >= 500
    assert total.crashes
    assert total.doubled == total.doubtful == 0


@pytest.mark.slow
@pytest.mark.parametrize("block", range(2))
def test_whatever_a_restored_disk_forgot_is_announced(block: int, folder: Path) -> None:
    total = chat(range(block * 18, block * 18 + 18), restoring, 28, folder)
    assert total.messages >= 1000
    assert total.restored
    assert total.doubtful
    assert total.missing


@pytest.mark.slow
def test_the_same_with_simp_1(folder: Path) -> None:
    """It loses what it says has arrived, on a far better network, and without a crash (S1 10.2)."""
    total = old(range(5), 200, folder)
    assert total.unheard
    assert total.doubled


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "share"), [(0.01, 0.98), (0.1, 0.9), (0.3, 0.7)])
def test_losses_cost_little_more_than_what_was_lost(loss: float, share: float, folder: Path) -> None:
    """A piece that was overtaken isn't waited for until the timer ends (spec 7.6)."""
    assert share <= goodput(loss, 0.02, folder, pieces=300) <= share + 0.1
    assert goodput(loss, 0.02, folder, TimerAlone, pieces=300) < share - 0.15
    assert goodput(0.0, 0.02, folder, pieces=300) == pytest.approx(1.0, abs=0.01)


# -- faults, each planted in the rules or in the order in which effects are done, and each found


class SentEarly(Disk):
    """What is sent doesn't wait for the disk."""

    def put(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            self._perform(effect)
        else:
            super().put(effect)


class Late(Disk):
    """Some facts are committed after what rests on them was done."""

    late: type[Fact] | type[Pinned]

    def put(self, effect: Effect) -> None:
        fact = effect.change.fact if isinstance(effect, Commit) and isinstance(effect.change, About) else None
        if isinstance(fact or (isinstance(effect, Commit) and effect.change), self.late):
            self._loop.call_later(0.01, lambda: super(Late, self).put(effect))
        else:
            super().put(effect)


class SaidLate(Late):
    late = Said


class StoredLate(Late):
    late = Received


class PinnedLate(Late):
    late = Pinned


def forgetful(store: Store, load: Callable[[Store], list[tuple[Contact, Ledger]]] = Store.load) -> Any:
    """The last number that was stored isn't known after a crash."""
    contacts = load(store)
    for _, ledger in contacts:
        ledger.stored = max(0, ledger.stored - 1)
    return contacts


class Unordered(Link):
    """Takes each piece as it comes."""

    def _read_piece(self, piece: Piece) -> None:
        if self._agreed and not self.held and piece.number > self._ledger.stored:
            super()._commit(Received((piece,), chained(self._ledger.upto, piece)))


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


def patched(where: Any, name: str, what: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: patch.object(where, name, what)


FAULTS: dict[str, tuple[Callable[[], AbstractContextManager[Any]], Make, int]] = {
    "nothing that is sent waits for the disk": (patched(machine, "Disk", SentEarly), crashing, 40),
    "sent before it is committed": (patched(machine, "Disk", SaidLate), crashing, 40),
    "acknowledged before it is committed": (patched(machine, "Disk", StoredLate), crashing, 40),
    "confirmed before the contact is pinned": (patched(machine, "Disk", PinnedLate), crashing, 40),
    "the last number is forgotten": (patched(Store, "load", forgetful), crashing, 40),
    "taken out of order": (lambda: linked(Unordered), crashing, 5),
    "the bitmap is taken for stored": (lambda: linked(Trusting), crashing, 5),
    "two runs of a daemon use the same tokens": (patched(World, "run", lambda *_: "run"), crashing, 40),
    "a copy passes for the store": (patched(Store, "_begin", lambda store: None), restoring, 10),
    "no chain": (lambda: linked(Unchained), hectic, 60),
}


@pytest.mark.parametrize("fault", [*list(FAULTS)[:-1], pytest.param("no chain", marks=pytest.mark.slow)])
def test_a_planted_fault_is_found(fault: str, folder: Path) -> None:
    plant, make, runs = FAULTS[fault]
    with plant():
        for seed in range(runs):
            try:
                chat([seed], make, 30, folder)
            except (AssertionError, KeyError, ValueError):
                return
    raise AssertionError(f"not found in {runs} runs")

"""What a bad network does to the datagrams that go one way: loses, repeats, delays, reorders and corrupts them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

HOLD: Final = 1.0
"""Seconds that a reordered datagram waits, at most, for another to overtake it: a daemon that waits for its ACK sends
none (spec 6.1), and reordering must not lose anything.
"""
MAX_WAITING: Final = 1024
"""Datagrams that may wait at the same time; more are lost, as in a router whose queue is full."""
_DRAWS: Final = 7


@dataclass(frozen=True, slots=True)
class Rates:
    """How often each thing happens to a datagram, from 0 for never to 1 for always."""

    lose: float = 0.0
    repeat: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    delay: float = 0.0
    """The longest delay of a datagram, in seconds; all from 0 to that are equally likely."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one datagram."""

    delays: tuple[float, ...] = ()
    """Seconds until each of its copies goes on: none is lost, two are repeated."""
    reordered: bool = False
    """Whether the last copy waits beyond that, until another datagram has overtaken it or `HOLD` is over."""
    corrupted: int | None = None
    """The offset of the byte that has one bit changed, in every copy."""

    @property
    def lost(self) -> bool:
        """Whether nothing of it goes on."""
        return not self.delays

    @property
    def repeated(self) -> bool:
        """Whether it goes on twice."""
        return len(self.delays) > 1

    def __str__(self) -> str:
        """For people: `repeated, delayed 0.100 s and 0.310 s`; empty where nothing happens to it."""
        if self.lost:
            return "lost"
        words = ["repeated"] if self.repeated else []
        if self.corrupted is not None:
            words.append(f"corrupted byte {self.corrupted}")
        if any(self.delays):
            words.append(f"delayed {' and '.join(f'{delay:.3f} s' for delay in self.delays)}")
        if self.reordered:
            words.append("reordered")
        return ", ".join(words)


class Impairment:
    """One direction of a bad network. Times are seconds on the caller's clock.

    `draw` gives numbers from 0 to less than 1, such as `random.Random(seed).random`. Each datagram takes the same
    number of them, whatever becomes of it: the same numbers mean the same losses, repeats and corruptions for the same
    datagrams, at whatever times they come, and a higher rate only adds to those of a lower one. A datagram that
    overtakes another isn't held itself, so that reordering depends on the times, too.

    Where nothing is reordered, all copies go on in the order in which their datagrams came, however they are delayed.
    """

    def __init__(self, rates: Rates, draw: Callable[[], float]) -> None:
        self._rates = rates
        self._draw = draw
        self._waiting: deque[tuple[float, bytes]] = deque()
        """What goes on when, in that order."""
        self._holds = False
        """Whether the last of them is to be overtaken, if it is still there."""
        self._latest = float("-inf")
        """When the last of the others goes on."""

    def pass_on(self, data: bytes, now: float) -> Fate:
        """Decides what becomes of a datagram that has come; `due` gives what goes on of it."""
        rates = self._rates
        lose, repeat, reorder, corrupt, place, *shares = (self._draw() for _ in range(_DRAWS))
        if lose < rates.lose or len(self._waiting) >= MAX_WAITING:
            return Fate()
        corrupted = None
        if corrupt < rates.corrupt and data:
            corrupted, bit = divmod(int(place * len(data) * 8), 8)
            data = data[:corrupted] + bytes((data[corrupted] ^ 1 << bit,)) + data[corrupted + 1 :]
        overtaken = self._waiting.pop() if self._holds and self._waiting and self._waiting[-1][0] > now else None
        delays = []
        for share in shares[: 2 if repeat < rates.repeat else 1]:
            self._latest = max(self._latest, now + share * rates.delay)
            self._waiting.append((self._latest, data))
            delays.append(self._latest - now)
        self._holds = reorder < rates.reorder and overtaken is None
        if self._holds:
            self._waiting[-1] = (self._latest + HOLD, data)
        if overtaken:
            self._waiting.append((self._latest, overtaken[1]))
        return Fate(tuple(delays), self._holds, corrupted)

    def due(self, now: float) -> list[bytes]:
        """The datagrams that are to go on by now, in order, each once."""
        ready = []
        while self._waiting and self._waiting[0][0] <= now:
            ready.append(self._waiting.popleft()[1])
        return ready

    def get_timer(self) -> float | None:
        """When `due` will have something to give."""
        return self._waiting[0][0] if self._waiting else None

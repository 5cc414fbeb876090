"""Whom to ask whether a daemon is there: in turn, at a bounded rate, and several times before it counts as silent
(discovery 3.3, 3.4).

Pure: `now` is in seconds on any clock that never goes back.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from simp_daemon.peers.strangers import Allowance
from simp_daemon.peers.timers import Timers
from simp_proto.address import Address
from simp_proto.constants import DAEMON_PORT, PRESENCE_INTERVAL, PRESENCE_TRIES

_PAUSE: Final = 1 / 16
"""Seconds between questions; with those that may be asked at the same time, 20 in any second."""
_BURST: Final = 4
_REMEMBERED: Final = 1024
"""Kinds and hosts whose last turn is remembered, and hosts that don't answer."""
_ROUNDS: Final = 16
"""Of questions to a host that doesn't answer, at the same time."""
_SELDOM: Final = 1 / 300
"""Further ones in a second."""
_OFTEN: Final = 1 / 10
"""Of those to its usual port."""


@dataclass(slots=True)
class Ask:
    """A peer is to be asked whether it is there (spec 4.12)."""

    peer: Address


class Questions:
    """Those that wait for their turn, and those that wait for their answer. `ask` takes each whose turn it is; `rank`
    says of which kind a peer is, and which host announced it. Kinds take turns, the lowest first, and so do the hosts
    of each: none of them makes the others wait (discovery 3.4).
    """

    def __init__(self, ask: Callable[[Address], None], rank: Callable[[Address], tuple[int, str]]) -> None:
        self._ask = ask
        self._rank = rank
        self._waiting: dict[Address, None] = {}
        self._asked: dict[Address, int] = {}
        """How often, since it last answered or was given up."""
        self._timers: Timers[Address] = Timers()
        self._turns: dict[object, int] = {}
        """Which turn a kind, or a host of it, had last; whoever isn't in it, none lately."""
        self._turn = 0
        self._next = float("-inf")
        """When the rate allows the next question."""

    def put(self, peer: Address, now: float) -> None:
        """Asks that peer as soon as the rate allows it, unless it is being asked already."""
        if not self.pending(peer):
            self._enqueue(peer, now)

    def asked(self, peer: Address) -> bool:
        """Whether an answer of that peer is waited for."""
        return peer in self._asked

    def pending(self, peer: Address) -> bool:
        """Whether it is being asked, or is about to be."""
        return peer in self._asked or peer in self._waiting

    def rest(self, peer: Address, until: float | None) -> None:
        """Asks it no more; `due` reports it then, or never."""
        self._asked.pop(peer, None)
        self._waiting.pop(peer, None)
        self._timers.set(peer, until)

    def due(self, now: float) -> Iterator[tuple[Address, bool]]:
        """Asks whoever it is time for. Yields those that have rested, and, with `True`, those that haven't answered.
        Early or repeated calls do nothing.
        """
        self._serve(now)
        for peer in self._timers.due(now):
            tries = self._asked.get(peer, 0)
            if 0 < tries < PRESENCE_TRIES:
                self._enqueue(peer, now)
            else:
                yield peer, tries > 0

    def get_timer(self) -> float | None:
        """When `due` will next have something to do; changes nothing."""
        timer = self._timers.first()
        if not self._waiting:
            return timer
        return self._next if timer is None else min(timer, self._next)

    def _enqueue(self, peer: Address, now: float) -> None:
        self._timers.set(peer, None)
        self._waiting[peer] = None
        self._serve(now)

    def _serve(self, now: float) -> None:
        while self._waiting and now >= self._next:
            first: dict[tuple[int, str], Address] = {}  # of each host, the one that has waited longest
            for peer in self._waiting:
                first.setdefault(self._rank(peer), peer)
            rank = min(first, key=self._order)
            peer = first[rank]
            del self._waiting[peer]
            self._note_turn(*rank)
            self._next = max(self._next, now - (_BURST - 1) * _PAUSE) + _PAUSE
            self._asked[peer] = self._asked.get(peer, 0) + 1
            self._timers.set(peer, now + PRESENCE_INTERVAL)
            self._ask(peer)

    def _order(self, rank: tuple[int, str]) -> tuple[int, int, int]:
        """The lowest goes first, and of two the one that has waited longer."""
        kind, host = rank
        return self._turns.get(kind, 0), kind, self._turns.get((kind, host), 0)

    def _note_turn(self, kind: int, host: str) -> None:
        self._turn += 1
        for each in (kind, (kind, host)):
            self._turns.pop(each, None)
            self._turns[each] = self._turn
        if len(self._turns) > _REMEMBERED:
            del self._turns[next(iter(self._turns))]


class Rounds:
    """Those of questions that hosts don't answer, and that only announcements are the reason for (discovery 3.5).

    What a host announces itself is counted apart, so that nobody else uses it up; and so is its usual port, since what
    seems to come from a host can come from anyone on the link.
    """

    def __init__(self) -> None:
        self._hosts: dict[tuple[str, bool, bool], Allowance] = {}

    def spend(self, peer: Address, now: float, *, itself: bool) -> bool:
        """Whether that peer may be asked once more, which its host announced `itself` or another did."""
        usual = itself and peer[1] == DAEMON_PORT
        kind = peer[0], itself, usual
        rounds = self._hosts.pop(kind, None) or Allowance(_OFTEN if usual else _SELDOM, _ROUNDS)
        self._hosts[kind] = rounds
        if len(self._hosts) > _REMEMBERED:
            del self._hosts[next(iter(self._hosts))]
        rounds.spend(may := rounds.left(now))
        return may

    def forget(self, host: str) -> None:
        """It has answered."""
        for itself, usual in ((False, False), (True, False), (True, True)):
            self._hosts.pop((host, itself, usual), None)

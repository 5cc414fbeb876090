"""Two whole daemons and their people, on a virtual clock: a network that loses, delays, repeats and reorders, crashes
between any two effects, and stores that are replaced by older copies of themselves.

Real are the rules, from the client's line to the datagram, what is between them and the disk, and the disk's file. The
oracle knows nothing of the rules: it goes by what was said, what the clients were told, and what is in the files.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from simp_daemon.effects import Send
from simp_daemon.occurrences import DatagramReceived
from tests.machine import ADDRESSES, NAMES, CrashError, Machine

DEADLINE = 100_000.0
"""Virtual seconds after which what isn't done counts as stuck."""


@dataclass
class Network:
    """Shares of datagrams, and seconds."""

    loss: float = 0.3
    duplication: float = 0.1
    late: float = 0.02
    """Of datagrams that come once more up to 20 s later."""
    latency: float = 0.01
    """One way."""
    jitter: float = 0.02
    latest: float = 20.0


class World:
    """Everything is drawn from one seed; time only moves to the next thing that happens."""

    calm = 5.0
    """Seconds after which people look what else there is to do."""

    def __init__(
        self,
        seed: int,
        folder: Path,
        network: Network | None = None,
        *,
        crashes: float = 0.0,
        restores: float = 0.0,
        leaving: float = 0.02,
        talk: float = 0.1,
        sealed: bool = True,
        durable: bool = False,
        turn: float = 0.002,
    ) -> None:
        """`crashes` is the share of effects before which a daemon crashes, `restores` that of crashes after which it
        has an older disk, `leaving` how likely a person leaves when it thinks of it, `talk` the seconds from one
        message to the next, `turn` how long one of the daemon's loop takes at most; `durable`: SQLite waits for the
        disk.
        """
        self.random = Random(seed)
        self.folder, self.network = folder, network or Network()
        self.crashing, self.restoring, self.leaving, self.talk = crashes, restores, leaving, talk
        self.durable, self.turn = durable, turn
        self.now = 1000.0
        self.sent = self.lost = self.crashes = 0
        self._queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self.machines = [Machine(self, index, sealed=sealed) for index in (0, 1)]
        for machine in self.machines:
            machine.start()
            if restores:
                self._copy(machine)

    @property
    def restored(self) -> int:
        """How often a store was replaced by an older copy."""
        return sum(machine.restored for machine in self.machines)

    def at(self, time: float, action: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._queue, (time, next(self._order), action, arguments))

    def step(self) -> None:
        time, _, action, arguments = heapq.heappop(self._queue)
        self.now = max(self.now, time)
        action(*arguments)

    def chance(self) -> None:
        """A moment at which a daemon may crash."""
        if self.crashing and self.random.random() < self.crashing:
            raise CrashError

    def run(self, machine: Machine) -> str:
        """A word that no other run of that daemon has."""
        return f"run {machine.runs}"

    def _copy(self, machine: Machine) -> None:
        if machine.on:
            machine.do(machine.back_up)
        self.at(self.now + self.random.random() * 40, self._copy, machine)

    def transmit(self, index: int, datagram: Send) -> None:
        network, random = self.network, self.random.random
        self.sent += 1
        delay = network.latency + random() * network.jitter
        if random() < network.loss:
            self.lost += 1
        else:
            self.at(self.now + delay, self._arrive, index, datagram)
        if random() < network.duplication:
            self.at(self.now + network.latency + random() * network.jitter * 3, self._arrive, index, datagram)
        if random() < network.late:
            self.at(self.now + random() * network.latest, self._arrive, index, datagram)

    def _arrive(self, index: int, datagram: Send) -> None:
        if self.machines[index].on:
            self.machines[index].handle(DatagramReceived(datagram.data, ADDRESSES[1 - index]))

    # -- people

    def text(self, index: int, number: int) -> str:
        """What is said: mostly short, sometimes of some pieces; SIMP/1 would make several messages of them (S1 2.7)."""
        sealed = self.machines[index].sealed
        return f"{NAMES[index][0]}{number}:".ljust((sealed and number % 7 == 3) * (number * 97 % 3000), ".")

    def chat(self, messages: int) -> None:
        """Both say so many, and everything must get there; raises `AssertionError`."""
        for machine in self.machines:
            machine.person.todo.extend(range(messages))
        self._until(lambda: all(len(machine.person.done) == messages for machine in self.machines))
        self.crashing = self.leaving = 0.0
        self._until(self._settled)
        self.judge()

    def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            self.step()
            assert self.now < DEADLINE, f"stuck: {[len(machine.person.done) for machine in self.machines]} got there"

    def _settled(self) -> bool:
        return all(machine.on and not (machine.sealed and machine.waits()) for machine in self.machines)

    def judge(self) -> None:
        """All there once and in order; with restored disks, whatever isn't was announced."""
        for machine, other in zip(self.machines, reversed(self.machines), strict=True):
            if not machine.sealed:
                continue
            ours = [row for row in machine.rows() if row.ours]
            theirs = [row.said for row in other.rows() if not row.ours]
            there, once = Counter(theirs), set(theirs) | set(other.lost_received)
            acked = {f"{machine.letter}{number}" for number in machine.person.acked}
            assert acked <= once, f"{acked - once} were acknowledged, and aren't there"
            twice = {said for said in there if there[said] > 1}
            doubtful = {row.said for row in ours if row.doubtful} | machine.lost_said
            assert twice <= machine.may_double & doubtful, f"{twice} came twice, which nobody was told"
            certain = [int(said[1:]) for said in theirs if said not in machine.may_double]
            assert certain == sorted(certain), "out of order"
            unknown = set(theirs) - {row.said for row in ours} - machine.lost_said
            assert not unknown, f"{unknown} came, which are not on the disk of whoever said them"
            delivered = [row.said for row in ours if row.fate == "delivered" and row.said not in machine.given_up]
            assert set(delivered) <= once, f"{set(delivered) - once} count as delivered, and aren't there"
            assert machine.announced["copies"] == machine.restored, "nobody was told that the store is a copy"
            if not self.restored:
                assert delivered == [said for said in theirs if said in set(delivered)], "the stores don't agree"
                assert not machine.announced["doubtful"]
            shown = machine.person.heard
            doubled = {said for said in shown if shown[said] > 1} - other.may_double - set(machine.lost_received)
            assert not doubled, f"{doubled} were shown twice"
            faults = [text for text in machine.announced if "fault" in text]
            assert not faults, faults

    def close(self) -> None:
        for machine in self.machines:
            machine.close()
            if machine.sealed and machine.on:
                machine.store.close()

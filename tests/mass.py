"""`python -m tests.mass 2520`: so many runs of `tests.disasters`, half of them with restored disks, on all cores, which
are a million messages. `python -m tests.mass goodput`: how much gets through, in virtual time.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import product
from statistics import fmean

from simp_daemon.facts import Ledger
from simp_daemon.peers.link import IN_FLIGHT, Flight, Link
from simp_daemon.peers.outlet import Arrived, News
from simp_daemon.peers.stop_and_wait import StopAndWait
from simp_proto.constants import Control, Framing, Type
from simp_proto.datagram import Datagram
from tests.disasters import Daemon, Network, Packet, Queued, World

BLOCK = 40
LATENCIES, JITTERS = (0.0005, 0.01, 0.05), (0.01, 0.05, 0.2)


@dataclass
class Total:
    """What became of some runs."""

    messages: int = 0
    sent: int = 0
    lost: int = 0
    crashes: int = 0
    restored: int = 0
    doubtful: int = 0
    gaps: int = 0
    seconds: float = 0.0

    def __iadd__(self, other: "Total") -> "Total":
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self


def crashing(seed: int, kind: type[World] = World) -> World:
    """Disks that keep what they committed."""
    network = Network(latency=LATENCIES[seed % 3], jitter=JITTERS[seed // 3 % 3])
    return kind(seed, network, crashes=(0.005, 0.0005, 0.002)[seed // 9 % 3])


def restoring(seed: int, kind: type[World] = World) -> World:
    """Disks that are replaced by older copies, now and then."""
    network = Network(latency=LATENCIES[seed % 3], jitter=JITTERS[seed // 3 % 3])
    return kind(seed, network, crashes=(0.005, 0.001)[seed // 9 % 2], restores=0.5)


def hectic(seed: int, kind: type[World] = World) -> World:
    """The worst of everything."""
    return kind(seed, Network(loss=0.5, late=0.3, jitter=0.05), crashes=0.01, restores=1.0)


def chat(seeds: Iterable[int], make: Callable[..., World], each: int, kind: type[World] = World) -> Total:
    """Both say so many messages in each run; raises `AssertionError`, which names the seed, for one that goes wrong."""
    total = Total()
    for seed in seeds:
        world = make(seed, kind)
        try:
            world.chat(each, (0.0, 0.01, 0.5)[seed % 3])
        except AssertionError as error:
            error.add_note(f"seed {seed} of {make.__name__}")
            raise
        doubtful, gaps = sum(len(person.doubtful) for person in world.people), sum(disk.gaps for disk in world.disks)
        total += Total(
            2 * each, world.sent, world.lost, world.crashes, world.restored, doubtful, gaps, seconds=world.now
        )
    return total


class Old(Daemon):
    """The rules of SIMP/1, in a chat that is on."""

    def __init__(self, ledger: Ledger, random: Callable[[int], bytes]) -> None:
        super().__init__(ledger, random)
        self.delivery = StopAndWait()

    def call(self, now: float) -> None:
        pass

    def say(self, token: str, message: bytes, now: float) -> None:
        self.delivery.say(int(token), message.decode())
        self.effects.append(Queued(token))
        self.handle_timer(now)

    def receive(self, datagram: Packet, now: float) -> None:
        assert isinstance(datagram, Datagram)
        if datagram.type is Type.CHAT:
            if self.delivery.is_new(datagram):
                self.effects.append(Arrived(datagram.payload))
            self.effects.append(replace(datagram, type=Type.CONTROL, operation=Control.ACK, payload=b""))
        else:
            self.delivery.receive(datagram)
        self.handle_timer(now)

    def handle_timer(self, now: float) -> None:
        for transmission, number in self.delivery.due(now):
            self.effects.append(
                Datagram(Type.CHAT, transmission.operation, number, b"", transmission.payload, Framing.HEADER)
            )

    def get_timer(self) -> float | None:
        return self.delivery.get_timer()


class OldWorld(World):
    """Two of those, who say all that they have to say, whatever becomes of it."""

    daemon = Old

    @staticmethod
    def text(speaker: int, number: int) -> bytes:
        return b"%d:%d" % (speaker, number)

    def _tell(self, index: int, news: News | Queued) -> None:
        super()._tell(index, news)
        if isinstance(news, Arrived):
            self.disks[index].heard.append(news.message)

    def _done(self) -> bool:
        return all(
            isinstance(daemon, Old) and person.queued == person.want and not len(daemon.delivery)
            for person, daemon in zip(self.people, self.daemons, strict=True)
        )

    def judge(self) -> None:
        """Nothing to be judged, but counted."""

    def count(self) -> tuple[int, int]:
        """How many messages were lost though they were acknowledged, and how many came twice."""
        lost = doubled = 0
        for index, person in enumerate(self.people):
            heard = Counter(self.disks[1 - index].heard)
            lost += person.want - len(heard)
            doubled += heard.total() - len(heard)
        return lost, doubled


def old(seeds: Iterable[int], each: int) -> tuple[int, int]:
    """The same where all is kept in memory, nobody crashes, and the network is far better."""
    lost = doubled = 0
    for seed in seeds:
        world = OldWorld(seed, Network(loss=0.02, duplication=0.01, late=0.01, latency=0.01, jitter=0.02))
        world.chat(each)
        found = world.count()
        lost, doubled = lost + found[0], doubled + found[1]
    return lost, doubled


class TimerAlone(Link):
    """Waits for each piece until its timer ends."""

    def _lost_at(self, flight: Flight) -> float:
        return self._timeout_at()


def goodput(loss: float, round_trip: float, kind: type[Link] = Link, pieces: int = 1000, seed: int = 0) -> float:
    """Of so many pieces, said all at the beginning: a share of the most that 4 in flight could bring there."""

    class Linked(Daemon):
        link_kind = kind

    class Bulk(World):
        daemon = Linked

    world = Bulk(seed, Network(0.0, 0.0, 0.0, round_trip / 2, 0.0))
    while world.now < 5.0 and world.pending:
        world.step()
    world.network, started = replace(world.network, loss=loss), world.now
    daemon = world.daemons[0]
    assert daemon
    assert daemon.link is not None
    for number in range(pieces):
        daemon.link.say(str(number), b"some words")
    daemon.link.pump(world.now)
    world.perform(0)
    while daemon.ledger.waiting:
        world.step()
    return pieces / (world.now - started) / (IN_FLIGHT * (1 - loss) / round_trip)


def table() -> None:
    """The goodput of the link and of the timer alone, each the mean of five runs."""
    print("round trip   loss   link   timer alone")
    for round_trip, loss in product((0.001, 0.02, 0.1), (0.0, 0.01, 0.1, 0.3)):
        means = [fmean(goodput(loss, round_trip, kind, seed=seed) for seed in range(5)) for kind in (Link, TimerAlone)]
        print(f"{round_trip * 1000:7.0f} ms {loss:6.0%}  {means[0]:5.2f}  {means[1]:5.2f}")


def _block(first: int) -> Total:
    total = chat(range(first, first + BLOCK // 2), crashing, 200)
    total += chat(range(first, first + BLOCK // 2), restoring, 200)
    return total


def main() -> None:
    if sys.argv[1] == "goodput":
        table()
        return
    runs, started, total = int(sys.argv[1]), time.monotonic(), Total()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for each in pool.map(_block, range(0, runs, BLOCK)):
            total += each
    print(f"{total}, in {time.monotonic() - started:.0f} s: none lost, doubled or out of order unannounced")


if __name__ == "__main__":
    main()

"""`python -m tests.mass 5000`: so many runs of `tests.disasters`, half of them with restored disks, on all cores."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace

from simp_daemon.facts import Ledger
from simp_daemon.peers.link import Arrived, News
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


def _block(first: int) -> Total:
    total = chat(range(first, first + BLOCK // 2), crashing, 200)
    total += chat(range(first, first + BLOCK // 2), restoring, 200)
    return total


def main() -> None:
    runs, started, total = int(sys.argv[1]), time.monotonic(), Total()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for each in pool.map(_block, range(0, runs, BLOCK)):
            total += each
    print(f"{total}, in {time.monotonic() - started:.0f} s: none lost, doubled or out of order unannounced")


if __name__ == "__main__":
    main()

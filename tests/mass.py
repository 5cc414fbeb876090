"""`python -m tests.mass 1000000 /dev/shm`: so many messages, in runs of `tests.disasters` with their stores in that
folder, half of them with restored copies; with `durable` behind it, SQLite waits for the disk.

`python -m tests.mass old`: the same with SIMP/1, on networks from good to bad. `python -m tests.mass goodput`: how much
gets through, in virtual time.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import count, product
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from simp_daemon.peers.sealed import sealed_session
from simp_daemon.peers.sealed.link import IN_FLIGHT, Flight, Link
from tests.disasters import Network, World
from tests.machine import ADDRESSES

LATENCIES, JITTERS = (0.0005, 0.01, 0.05), (0.01, 0.05, 0.2)

Make = Callable[..., World]
"""Makes a world from a seed and a folder."""


@dataclass
class Total:
    """What became of some runs."""

    messages: int = 0
    """Those that two people had to say to each other."""
    said: int = 0
    """Those that they said, some of them again."""
    sent: int = 0
    lost: int = 0
    crashes: int = 0
    restored: int = 0
    chats: int = 0
    doubtful: int = 0
    """Of which people were told that they may arrive twice."""
    missing: int = 0
    """Pieces of which people were told that they won't come."""
    unheard: int = 0
    """Acknowledged messages that never were shown, or never will be: SIMP/1 has no store where they could be."""
    doubled: int = 0
    """Messages that were shown twice."""
    disordered: int = 0
    seconds: float = 0.0

    def __iadd__(self, other: "Total") -> "Total":
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self


def crashing(seed: int, folder: Path, **kind: Any) -> World:
    """Disks that keep what they committed."""
    network = Network(latency=LATENCIES[seed % 3], jitter=JITTERS[seed // 9 % 3])
    talk = (0.01, 0.1, 0.5)[seed % 3]
    return World(seed, folder, network, crashes=(0.005, 0.0005, 0.002)[seed // 3 % 3], talk=talk, **kind)


def restoring(seed: int, folder: Path, **kind: Any) -> World:
    """Disks that are replaced by older copies, now and then."""
    network = Network(latency=LATENCIES[seed % 3], jitter=JITTERS[seed // 9 % 3])
    talk = (0.01, 0.1, 0.5)[seed % 3]
    return World(seed, folder, network, crashes=(0.005, 0.001)[seed // 3 % 2], restores=0.5, talk=talk, **kind)


def hectic(seed: int, folder: Path, **kind: Any) -> World:
    """The worst of everything."""
    return World(seed, folder, Network(loss=0.5, late=0.3, jitter=0.05), crashes=0.01, restores=1.0, **kind)


def chat(seeds: Iterable[int], make: Make, each: int, folder: Path, **kind: Any) -> Total:
    """Both say so many messages in each run; raises `AssertionError`, which names the seed, for one that goes wrong."""
    total = Total()
    for seed in seeds:
        with TemporaryDirectory(dir=folder) as own:
            world = make(seed, Path(own), **kind)
            try:
                world.chat(each)
            except Exception as error:
                error.add_note(f"seed {seed} of {make.__name__}")
                raise
            finally:
                world.close()
        total += _total(world, each)
    return total


def _total(world: World, each: int) -> Total:
    people = [machine.person for machine in world.machines]
    total = Total(2 * each, sum(len(person.meant) for person in people), world.sent, world.lost, world.crashes)
    total.restored, total.seconds = world.restored, world.now
    for person, other in zip(people, reversed(people), strict=True):
        total.chats += person.chats
        total.doubtful += person.told["doubtful"]
        total.missing += person.told["missing"]
        total.unheard += sum(f"{person.machine.letter}{said}" not in other.heard for said in person.acked)
        total.doubled += other.heard.total() - len(other.heard)
        total.disordered += other.out_of_order
    return total


GOOD = Network(loss=0.02, duplication=0.01, late=0.01, latency=0.01, jitter=0.02)


def old(seeds: Iterable[int], each: int, folder: Path, network: Network = GOOD, crashes: float = 0.0) -> Total:
    """The same where both speak SIMP/1 alone."""

    def make(seed: int, own: Path, **kind: Any) -> World:
        return World(seed, own, network, crashes=crashes, sealed=False, **kind)

    return chat(seeds, make, each, folder)


class TimerAlone(Link):
    """Waits for each piece until its timer ends."""

    def _lost_at(self, flight: Flight) -> float:
        return self._timeout_at()


@contextmanager
def linked(kind: type[Link]) -> Iterator[None]:
    """Each session has a link of that kind."""
    with patch.object(sealed_session, "Link", kind):
        yield


def goodput(
    loss: float,
    round_trip: float,
    folder: Path,
    kind: type[Link] = Link,
    pieces: int = 1000,
    seed: int = 0,
    *,
    sealed: bool = True,
) -> float:
    """Of so many pieces, said all at the beginning: a share of the most that 4 in flight could bring there."""
    with TemporaryDirectory(dir=folder) as own, linked(kind):
        network = Network(0.0, 0.0, 0.0, round_trip / 2, 0.0)
        world = World(seed, Path(own), network, leaving=0.0, turn=0.0, sealed=sealed)
        while not all(machine.person.chatting for machine in world.machines):
            world.step()
        world.network, started = replace(world.network, loss=loss), world.now
        alice, bob = world.machines[0], ADDRESSES[1]
        exchange = alice.core._endpoint
        for number in range(pieces):
            exchange.say(bob, number, f"a{number}:", world.now)
        alice.do(lambda: alice.core._drain(world.now))
        while exchange.waiting(bob):
            world.step()
        world.close()
    return pieces / (world.now - started) / (IN_FLIGHT * (1 - loss) / round_trip)


def table(folder: Path) -> None:
    """The goodput of the link and of the timer alone, each the mean of five runs."""
    print("round trip   loss   link   timer alone")
    for round_trip, loss in product((0.001, 0.02, 0.1), (0.0, 0.01, 0.1, 0.3)):
        means = [
            fmean(goodput(loss, round_trip, folder, kind, seed=seed) for seed in range(5))
            for kind in (Link, TimerAlone)
        ]
        print(f"{round_trip * 1000:7.0f} ms {loss:6.0%}  {means[0]:5.2f}  {means[1]:5.2f}")


def compare(folder: Path) -> None:
    """SIMP/1 and SIMP/2 on the same networks."""
    networks = {
        "2 % lost, 1 % late": (GOOD, 0.0),
        "30 % lost, 2 % late": (Network(), 0.0),
        "the same, with crashes": (Network(), 0.002),
    }
    for name, (network, crashes) in networks.items():
        for sealed in (False, True):
            total = chat(
                range(50),
                lambda seed, own: World(seed, own, network, crashes=crashes, sealed=sealed),  # noqa: B023  called here
                200,
                folder,
            )
            print(f"{name}, SIMP/{1 + sealed}: {total}")


def main() -> None:
    logging.getLogger("simp").setLevel(logging.CRITICAL)
    folder = Path("/dev/shm")
    if sys.argv[1] in ("goodput", "old"):
        {"goodput": table, "old": compare}[sys.argv[1]](folder)
        return
    messages, folder, durable = int(sys.argv[1]), Path(sys.argv[2]), "durable" in sys.argv[3:]
    started, used, total = time.monotonic(), time.process_time(), Total()
    for seed in count():
        for make in (crashing, restoring):
            total += chat([seed], make, 200, folder, durable=durable)
        if total.messages >= messages or seed % 25 == 24:
            took, cpu = time.monotonic() - started, time.process_time() - used
            print(f"{total}, in {took:.0f} s, {cpu:.0f} of them CPU: none lost, doubled or out of order unannounced")
        if total.messages >= messages:
            return


if __name__ == "__main__":
    main()

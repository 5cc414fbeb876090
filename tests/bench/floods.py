"""What strangers do to a chat, and to a friend's call."""

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from itertools import cycle, islice
from multiprocessing.sharedctypes import Synchronized
from statistics import quantiles
from typing import Final

from simp_proto.address import Address
from simp_proto.constants import OFFER, Control, Framing, Type
from simp_proto.datagram import Datagram, build
from simp_proto.sealed.offer import Offer, build_offer
from tests.bench.figures import WARM_UP, Effort, Figure
from tests.bench.people import (
    Person,
    attach,
    latencies,
    leave,
    loopback_addresses,
    memory_mib,
    open_chat,
)

STRANGERS: Final = [f"127.0.1.{number}" for number in range(1, 41)]
"""Where a flood comes from: addresses that nobody else has, each of which has a share of its own (spec 8.2)."""
FLOODS: Final = (5_000, 20_000, 50_000)
"""Datagrams a second."""
RING: Final = 6.0
"""Seconds in which a friend's call rings, whatever strangers send: one repeat of its SYN may be lost."""


def syns(user: bytes) -> list[bytes]:
    """One SYN of SIMP/1, or many of SIMP/2 with random cookies, half of them in a contact's name."""
    if not user:
        return [build(Datagram(Type.CONTROL, Control.SYN, 0, b"eve", OFFER, Framing.BARE))]
    offers = [build_offer(Offer(bytes(1) + os.urandom(32), os.urandom(32))) for _ in range(1_000)]
    names = cycle([b"eve", user])
    return [
        build(Datagram(Type.CONTROL, Control.SYN, 0, name, offer)) for name, offer in zip(names, offers, strict=False)
    ]


def flood(address: Address, rate: int, user: bytes, sent: "Synchronized[int]") -> None:
    """The process of a flood: so many SYNs a second, from many addresses, until it is ended; `sent` counts them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sockets = []
    for host in STRANGERS:
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets[-1].bind((host, 0))
        sockets[-1].connect(address)
        sockets[-1].setblocking(False)
    turns = zip(cycle(sockets), cycle(syns(user)))
    start, done = time.perf_counter(), 0
    while True:
        due = int((time.perf_counter() - start) * rate)
        for stranger, syn in islice(turns, min(due - done, rate // 20)):  # what it is behind is seen, and told
            with suppress(OSError):  # as on any network
                stranger.send(syn)
            done += 1
        sent.value = done
        time.sleep(0.001)


@contextmanager
def flooded(person: Person, rate: int, user: bytes) -> "Iterator[Synchronized[int]]":
    """That person's daemon gets so many SYNs of strangers a second."""
    host, _, port = person.address.rpartition(":")
    context = multiprocessing.get_context("spawn")
    sent = context.Value("Q")
    process = context.Process(target=flood, args=((host, int(port)), rate, user, sent), daemon=True)
    process.start()
    try:
        time.sleep(1.0)  # until it has started
        if not process.is_alive():
            raise RuntimeError(f"no flood from {STRANGERS[0]} and its like")
        yield sent
    finally:
        process.terminate()
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join()


def seconds_to_ring(caller: Person, callee: Person) -> float:
    """From a call until it rings at the callee's client; it is taken back then."""
    start = time.perf_counter()
    caller.say(f"CONNECTING|{callee.address}")
    callee.expect(f"CONNECTING|{caller.name}|")
    seconds = time.perf_counter() - start
    leave(caller, callee)
    return seconds


def measure_floods(effort: Effort, *, sealed: bool) -> Iterator[Figure]:
    """Prints how long messages of a chat in progress take while strangers flood its daemon, and a friend's call."""
    version, seconds = ("SIMP/2", effort.sealed_flood) if sealed else ("SIMP/1", effort.flood)
    print(
        f"\nA daemon that strangers flood with SYNs of {version}, from 40 addresses for {seconds:g} s, in a chat of it"
    )
    print(
        "  ms from client to client             p50        p99        max   messages       sent   growth  friend's call"
    )
    with ExitStack() as stack:
        here, there = loopback_addresses()
        alice, bob, carol = (
            Person(name, host, stack, sealed=sealed)
            for name, host in (("alice", here), ("bob", there), ("carol", there))
        )
        attach(alice, bob, carol)
        open_chat(carol, alice)  # which makes them friends
        leave(carol, alice)
        quiet = 0.0, 0.0
        for rate in (0, *FLOODS):
            open_chat(bob, alice)
            latencies(bob, alice, WARM_UP)
            before = memory_mib([alice])
            with flooded(alice, rate, b"carol" if sealed else b"") if rate else nullcontext() as sent:
                first, start = sent.value if sent else 0, time.perf_counter()
                times = latencies(bob, alice, 2)
                while time.perf_counter() < start + seconds:
                    times += latencies(bob, alice, 1)
                flooding = (sent.value - first) / (time.perf_counter() - start) if sent else 0.0
                leave(bob, alice)
                ring = seconds_to_ring(carol, alice)
            after = memory_mib([alice])
            growth = None if before is None or after is None else after - before
            percentiles = quantiles(times, n=100, method="inclusive")
            p50, p99 = percentiles[49], percentiles[98]
            name = f"  {rate:>6,} a second" if rate else "  quiet"
            print(
                f"{name:28} {p50:12.2f} {p99:10.2f} {max(times):10.2f} {len(times):10}"
                f" {flooding:8.0f}/s {growth or 0.0:4.1f} MiB {ring:13.2f} s"
            )
            if not rate:
                quiet = p50, p99
            elif sealed:
                bounds = (10.0, 10.0, RING) if rate == 20_000 else (None, None, None)
                if rate >= 20_000:
                    yield Figure(f"p99 at {rate:,} SYNs of SIMP/2 a second", p99 / quiet[1], "times", bounds[0])
                    yield Figure(f"memory growth at {rate:,}", growth, "MiB", bounds[1])
                    yield Figure(f"a contact's call rings at {rate:,}", ring, "s", bounds[2])
            elif rate == 20_000:
                yield Figure("latency at 20,000 datagrams a second to quiet", p50 / quiet[0], "times", 10)
                yield Figure("a friend's call rings meanwhile", ring, "s", RING)

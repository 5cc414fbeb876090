"""Sessions of SIMP/2 in one process: how they begin, what many of them cost, and what gets through a bad network."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

from simp_daemon.core import Core
from simp_daemon.effects import Effect, Send
from simp_daemon.facts import NOTHING
from simp_daemon.occurrences import ClientConnected, ClientSaid, DatagramReceived, TimerFired
from simp_daemon.peers.exchange import Exchange
from simp_daemon.peers.sealed.call_news import Established
from simp_daemon.peers.sealed.conversation import Conversation
from simp_daemon.peers.sealed.link import IN_FLIGHT
from simp_daemon.peers.sealed.means import Means
from simp_daemon.peers.sealed.seal import Seal
from simp_proto.noise import HandshakeState, KeyPair
from simp_proto.sealed.frames import TEXT as TEXT_KIND
from simp_proto.sealed.frames import Hello, Message, Piece, State, build_message
from tests.bench.figures import TEXT, Effort, Figure
from tests.mass import goodput

HERE, THERE = ("10.0.0.1", 7777), ("10.0.0.2", 7777)
MULTIPLICATIONS = 8
"""On the curve in a handshake, both ends together: three exchanges each, and an ephemeral key each."""


def means() -> Means:
    return Means(KeyPair(os.urandom(32)), os.urandom(32), (), os.urandom, lambda: 0, "run")


# -- handshakes


def noise(keys: tuple[KeyPair, KeyPair]) -> None:
    """Three messages, and the keys that come of them."""
    ours, theirs = (
        HandshakeState(initiator=initiator, prologue=b"", s=key, e=KeyPair(os.urandom(32)))
        for initiator, key in zip((True, False), keys, strict=True)
    )
    theirs.read_message(ours.write_message())
    ours.read_message(theirs.write_message())
    theirs.read_message(ours.write_message())
    assert ours.split() == theirs.split()


class Pair:
    """Two ends of a network that has no delay; what would be stored isn't."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ends = {address: Exchange(means(), address) for address in (HERE, THERE)}
        for end, user in zip(self.ends.values(), ("alice", "bob"), strict=True):
            end.user = user

    def settle(self) -> None:
        """Lets datagrams arrive until there are none."""
        going = True
        while going:
            going = False
            for address, end in self.ends.items():
                outlet = [each for each in end.outlet if isinstance(each, Send)]
                end.outlet.clear()
                for each in outlet:
                    going = True
                    self.ends[each.peer].receive(each.data, address, self.now)

    def meet(self) -> float:
        """From a SYN to a session of both ends, in seconds; it is over then."""
        caller, callee = self.ends.values()
        start = time.perf_counter()
        caller.call(THERE, self.now)
        self.settle()
        callee.accept(HERE, self.now)
        self.settle()
        seconds = time.perf_counter() - start
        assert caller._conversations.chat
        assert callee._conversations.chat
        caller.quit(THERE, self.now)
        self.settle()
        self.now += 100.0  # until strangers have a whole share again, and what is over is forgotten
        for end in self.ends.values():
            end.handle_timer(self.now)
        self.settle()
        return seconds


def measure_handshakes(effort: Effort) -> Iterator[Figure]:
    """Prints handshakes a second, both ends in one process, beside the bare arithmetic that is in them."""
    pair, keys = Pair(), (KeyPair(os.urandom(32)), KeyPair(os.urandom(32)))
    bare, alone, whole = [], [], []
    for _ in range(effort.handshakes):
        start = time.perf_counter()
        for _ in range(MULTIPLICATIONS):
            keys[0].dh(keys[1].public)
        bare.append(time.perf_counter() - start)
        start = time.perf_counter()
        noise(keys)
        alone.append(time.perf_counter() - start)
        whole.append(pair.meet())
    print("\nHandshakes, both ends in one process, µs and how many a second (median)")
    for name, times in (("arithmetic alone", bare), ("Noise", alone), ("SYN to session", whole)):
        print(f"  {name:18} {median(times) * 1e6:8.0f} {1 / median(times):8.0f}")
    yield Figure("Noise to its arithmetic", median(alone) / median(bare), "times")
    yield Figure("SYN to session to its arithmetic", median(whole) / median(bare), "times")


# -- many sessions


class Busy:
    """A core in sessions with so many contacts, one of which is a chat with our person."""

    def __init__(self, count: int) -> None:
        self.sent: list[Send] = []
        self.core = Core(self._perform, HERE, means=means())
        exchange = self.core._endpoint
        assert isinstance(exchange, Exchange)
        self.exchange = exchange
        self.core.handle(ClientConnected("client", local=True), 0.0)
        self.core.handle(ClientSaid("client", b"CONNECT|alice\n"), 0.0)
        for number in range(count):
            self.establish(number, b"k" * 24 + number.to_bytes(8, "big"))
        (chat,) = exchange._conversations.by_session(Seal(self.keys, b"0", caller=True).session)
        exchange._conversations.engage(chat, 0.0)
        self.core._drain(0.0)
        self.partner = Seal(self.keys, b"0", caller=False)
        self.sent.clear()
        self._number = 0

    keys = bytes(32), bytes(range(32))

    def establish(self, number: int, key: bytes) -> None:
        """A session which both ends have agreed on."""
        peer = (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 7777)
        exchange, hello, state = self.exchange, Hello(0, bytes(32), b"%d" % number), State(1, NOTHING, 1, NOTHING)
        pin = exchange.pins.add(key, hello.signing_key, str(number))
        exchange.pins.reach(pin, peer)
        exchange._conversations.call(peer, key, pin.name)
        exchange._news.append(
            Established(
                *(peer, None, key[-8:], key, hello, self.keys, (), b"%d" % number, True),
                state=state,
                round_trip=None,
                closes=False,
            )
        )
        exchange._follow(0.0)
        pin.taken = False
        exchange.outlet.clear()

    def _perform(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            self.sent.append(effect)

    def receive(self, now: float) -> None:
        """A message of the partner's."""
        self._number += 1
        message = build_message(Message(TEXT_KIND, 0, TEXT.format(0).encode()))
        data, _ = self.partner.seal([Piece(self._number, 3, message)])
        start = time.perf_counter()
        self.core.handle(DatagramReceived(data, ("10.0.0.0", 7777)), now)
        self.core.get_timer()
        self.times.append(time.perf_counter() - start)

    def cost(self, seconds: float) -> float:
        """Of a received message, with its answer, in seconds."""
        self.times: list[float] = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or len(self.times) < 50:
            self.receive(1.0)
        assert len(self.sent) == len(self.times)
        self.sent.clear()
        return median(self.times)

    def idle_pass(self, now: float) -> float:
        """Seconds that a timer takes when nothing is due."""
        times = []
        for _ in range(50):
            start = time.perf_counter()
            self.core.handle(TimerFired(), now)
            self.core.get_timer()
            times.append(time.perf_counter() - start)
        assert not self.sent
        return median(times)


def resident() -> int:
    """Bytes of this process."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def memory_of(count: int) -> float:
    """Bytes a session, of so many, in a process that has had none before."""
    Busy(1)
    before = resident()
    busy = Busy(count)
    return (resident() - before) / len(busy.exchange._conversations.live)


def measure_idle_sessions(effort: Effort) -> Iterator[Figure]:
    """Prints what idle sessions of SIMP/2 cost, beside a single one."""
    count, looks, looked_at = effort.idle_sessions, 0, Conversation.handle_timer
    one, many = Busy(1), Busy(count)

    def counted(self: Conversation, now: float) -> bool:
        nonlocal looks
        looks += 1
        return looked_at(self, now)

    Conversation.handle_timer = counted  # type: ignore[method-assign]
    try:
        idle = one.idle_pass(2.0), many.idle_pass(2.0)
    finally:
        Conversation.handle_timer = looked_at  # type: ignore[method-assign]
    costs = one.cost(effort.sessions), many.cost(effort.sessions)
    start = time.process_time()
    now = 1.0
    while (due := many.core.get_timer()) is not None and due < 120.5:
        now = max(now, due)
        many.core.handle(TimerFired(), now)
    probing = time.process_time() - start
    probes = len(many.sent)
    memory = None
    if Path("/proc/self/statm").exists():
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            memory = process.submit(memory_of, count).result() / 1024
    print(f"\n{count:,} sealed sessions in one core, of which one is a chat and the others are idle, beside one alone")
    print(f"  a timer with nothing due, µs           {idle[0] * 1e6:8.1f} {idle[1] * 1e6:8.1f}, {looks} looked at")
    print(f"  a received message in the chat, µs     {costs[0] * 1e6:8.1f} {costs[1] * 1e6:8.1f}")
    print(f"  asking whether they are there, {probes:,} in 120 s: {probing / 120 * 100:.2f} % of a core")
    if memory is not None:
        print(f"  memory of a session, its contact included: {memory:.1f} KiB")
    yield Figure("idle sessions that a timer looks at", looks, "", 1)
    yield Figure(f"a timer with nothing due, {count:,} to one", idle[1] / idle[0], "times", 1.5)
    yield Figure(f"a sealed message, {count:,} sessions to one", costs[1] / costs[0], "times", 1.5)
    yield Figure("memory of an idle sealed session", memory, "KiB")


# -- a bad network, in virtual time


def measure_goodput(effort: Effort) -> Iterator[Figure]:
    """Prints what gets through, of messages that were all said at the beginning."""
    print(
        "\nMessages a second through a network, in virtual time; at best: 4 in flight, each lost one sent again at once"
    )
    print("  round trip   loss    SIMP/1    SIMP/2   at best   SIMP/2 to best")
    memory = Path("/dev/shm")  # what isn't measured here needn't be slow
    for round_trip, loss in product((0.001, 0.02, 0.1), (0.0, 0.01, 0.1, 0.3)):
        best, pieces = IN_FLIGHT * (1 - loss) / round_trip, 100 * effort.seeds
        shares = {}
        with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
            for sealed in (False, True):
                shares[sealed] = fmean(
                    goodput(loss, round_trip, Path(folder), seed=seed, pieces=pieces, sealed=sealed)
                    for seed in range(effort.seeds)
                )
        share, old = shares[True], shares[False] * best
        print(f"  {round_trip * 1000:7.0f} ms {loss:6.0%} {old:9.1f} {share * best:9.1f} {best:9.1f} {share:12.2f}")
        if round_trip == 0.02:
            yield Figure(f"goodput at {loss:.0%} loss, 20 ms, to the best", share)
            yield Figure("the same to SIMP/1's", share * best / old, "times")

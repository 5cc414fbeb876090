"""What real daemons do, beside ping-pongs and echoes of as many bytes."""

import asyncio
import multiprocessing
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from statistics import median, quantiles
from typing import cast

from simp_proto.address import Address
from simp_proto.constants import OFFER, Chat, Control, Type
from simp_proto.datagram import CHECKSUM_SIZE, HEAD_SIZE, Datagram, build
from tests.bench.figures import PATIENCE, TEXT, WARM_UP, Effort, Figure
from tests.bench.people import (
    Person,
    attach,
    free_port,
    idle_percent,
    latencies,
    loopback_addresses,
    memory_mib,
    messages_per_second,
    open_chat,
    place,
    placements,
    running_on,
)


class Pong(asyncio.DatagramProtocol):
    """Answers each datagram with one as long as an ACK; the other side of the ping-pong counts them."""

    answer = bytes(HEAD_SIZE + CHECKSUM_SIZE)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)  # up to Python 3.11 it doesn't say so itself

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.transport.sendto(self.answer, addr)


class Ping(Pong):
    """Answers as many times as are left with a datagram as long as a CHAT, then sets `done`."""

    answer = bytes(HEAD_SIZE + CHECKSUM_SIZE + len(TEXT.format(0)))

    def __init__(self, left: int) -> None:
        self.left = left
        self.done = asyncio.Event()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.left -= 1
        if self.left > 0:
            self.transport.sendto(self.answer, addr)
        else:
            self.done.set()


def pong_forever(address: Address) -> None:
    """The other process of the ping-pong, until it is ended."""

    async def run() -> None:
        await asyncio.get_running_loop().create_datagram_endpoint(Pong, local_addr=address)
        await asyncio.Event().wait()

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(run())


async def round_trips_per_second(host: str, peer: Address, count: int) -> float:
    """Plain asyncio, one datagram under way at a time; raises `TimeoutError`."""
    loop = asyncio.get_running_loop()
    transport, ping = await loop.create_datagram_endpoint(lambda: Ping(count), local_addr=(host, 0))
    start = time.perf_counter()
    transport.sendto(ping.answer, peer)
    await asyncio.wait_for(ping.done.wait(), PATIENCE)
    seconds = time.perf_counter() - start
    transport.close()
    return count / seconds


@contextmanager
def pong_process(host: str) -> Iterator[tuple[Address, int | None]]:
    """The address and the process id of one that answers pings."""
    address = (host, free_port(host, socket.SOCK_DGRAM))
    process = multiprocessing.get_context("spawn").Process(target=pong_forever, args=(address,), daemon=True)
    process.start()
    try:
        until = time.monotonic() + PATIENCE
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.settimeout(0.05)
                probe.sendto(b"", address)
                try:
                    probe.recv(1 << 16)
                    break
                except (TimeoutError, ConnectionError):
                    if time.monotonic() > until:
                        raise RuntimeError("the other side of the ping-pong doesn't answer") from None
        yield address, process.pid
    finally:
        process.terminate()
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join()


def measure_messages(alice: Person, bob: Person, loop: str, effort: Effort) -> Iterator[Figure]:
    """Prints messages a second beside round trips a second, in turn, and gives their ratios."""
    here, there = (person.address.partition(":")[0] for person in (alice, bob))
    sent = 0
    print(
        f"\nTwo daemons of SIMP/1 on {loop}, {alice.address} and {bob.address}, {len(TEXT.format(0))} bytes a message"
    )
    print(f"  a second, median of {effort.pairs} runs: {'messages':>9} {'UDP ping-pongs':>15} {'ratio':>6}")
    with pong_process(there) as (peer, pong):
        for name, (one_end, other_end, clients) in placements().items():
            place(alice.process.pid, one_end)
            place(bob.process.pid, other_end)
            place(pong, other_end)
            trips, messages = [], []
            for number in range(effort.pairs + 1):
                count, round_trips = (effort.messages, effort.round_trips) if number else (WARM_UP, WARM_UP)
                place(0, one_end)
                trips.append(asyncio.run(round_trips_per_second(here, peer, round_trips)))
                place(0, clients)
                messages.append(messages_per_second(alice, bob, sent, count))
                sent += count
            trips, messages = trips[1:], messages[1:]  # without the warm-up
            ratios = [one / other for one, other in zip(messages, trips, strict=True)]
            ratio = median(ratios)
            print(
                f"  {name:28} {median(messages):9.0f} {median(trips):15.0f} {ratio:6.2f}"
                f"   {min(ratios):.2f} to {max(ratios):.2f} by pair"
            )
            if name != "one core":  # where nothing waits for a wake-up, only an empty relay could keep up
                yield Figure(f"messages to ping-pongs, {loop}, {name}", ratio, "", 0.6, least=True)


class RawPeer:
    """A plain socket that is in a chat with a person's daemon, and sends one message at a time."""

    def __init__(self, host: str, person: Person, stack: ExitStack) -> None:
        here, _, port = person.address.rpartition(":")
        self._person = person
        self._number = 1
        self._socket = stack.enter_context(plain_socket(host))
        self._socket.connect((here, int(port)))
        self._send(Control.SYN, OFFER)
        self._socket.recv(1 << 16)  # it rings
        person.expect("CONNECTING|")
        person.say("CONNECTED|alice")
        self._socket.recv(1 << 16)
        self._send(Control.ACK)
        person.expect("CONNECTED|")

    def _send(self, operation: Control, payload: bytes = b"") -> None:
        self._socket.send(build(Datagram(Type.CONTROL, operation, 0, b"alice", payload)))

    def messages_per_second(self, count: int) -> float:
        """From the first message to the last ACK; checks that each ACK is for its message, and each message told."""
        chats = [
            build(Datagram(Type.CHAT, Chat.MESSAGE, number, b"alice", TEXT.format(0).encode())) for number in (0, 1)
        ]
        acks = [build(Datagram(Type.CONTROL, Control.ACK, number, self._person.name.encode())) for number in (0, 1)]
        told = 0
        start = time.perf_counter()
        for sent in range(1, count + 1):
            self._socket.send(chats[self._number])
            if (heard := self._socket.recv(1 << 16)) != acks[self._number]:
                raise RuntimeError(f"heard {heard.hex()}, expected ACK {self._number}")
            self._number = 1 - self._number
            if sent % 20 == 0:  # a client that leaves much more unread is held back (spec 8.4)
                told += len(self._person.read())
        seconds = time.perf_counter() - start
        while told < count:
            told += len(self._person.read())
        return count / seconds


def plain_socket(host: str) -> socket.socket:
    """A UDP socket there, which waits so long at most."""
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    plain.bind((host, 0))
    plain.settimeout(PATIENCE)
    return plain


def echoes_per_second(host: str, peer: Address, count: int) -> float:
    """From a plain socket like the raw peer's."""
    with plain_socket(host) as plain:
        plain.connect(peer)
        start = time.perf_counter()
        for _ in range(count):
            plain.send(Ping.answer)
            plain.recv(1 << 16)
        return count / (time.perf_counter() - start)


def measure_raw_peer(loop: str, effort: Effort) -> Iterator[Figure]:
    """Prints how many messages a second one peer gets acknowledged, beside an asyncio echo asked in the same way."""
    here, there = loopback_addresses()
    with ExitStack() as stack:
        bob = Person("bob", there, stack)
        bob.say("CONNECT|bob")
        bob.expect("CONNECTED|")
        raw = RawPeer(here, bob, stack)
        pong, pong_id = stack.enter_context(pong_process(there))
        print(
            f"\nA plain socket and one daemon of SIMP/1 on {loop}, {len(TEXT.format(0))} bytes a message, one at a time"
        )
        print(f"  a second, median of {effort.pairs} runs: {'messages':>9} {'echoes':>15} {'ratio':>6}")
        everywhere = set.union(*(clients | one | other for one, other, clients in placements().values()))
        stack.callback(place, 0, everywhere)
        for name, (one_end, other_end, _) in placements().items():
            place(0, one_end)
            place(bob.process.pid, other_end)
            place(pong_id, other_end)
            pairs = []
            for number in range(effort.pairs + 1):
                messages, echoes = (effort.messages, effort.round_trips) if number else (WARM_UP, WARM_UP)
                pairs.append((raw.messages_per_second(messages), echoes_per_second(here, pong, echoes)))
            ratios = [mine / echo for mine, echo in pairs[1:]]
            mine, echo = (median(column) for column in zip(*pairs[1:], strict=True))
            print(f"  {name:28} {mine:9.0f} {echo:15.0f} {median(ratios):6.2f}")
            if name != "one core":
                yield Figure(f"messages of a peer to echoes, {loop}", median(ratios), "", 0.7, least=True)


def measure_daemons(loop: str, effort: Effort) -> Iterator[Figure]:
    """Prints what daemons do and take on that event loop, and gives the figures that have a bound."""
    if not find_spec(loop):
        print(f"\n{loop}: not installed")
        return
    with running_on(loop):
        yield from measure_raw_peer(loop, effort)
        yield from measure_two_daemons(loop, effort)


def measure_two_daemons(loop: str, effort: Effort) -> Iterator[Figure]:
    """Prints what two daemons do and take, and gives the figures that have a bound."""
    everywhere = set.union(*(clients | one | other for one, other, clients in placements().values()))
    with ExitStack() as stack:
        stack.callback(place, 0, everywhere)
        names = zip(("alice", "bob"), loopback_addresses(), strict=True)
        alice, bob = people = [Person(name, host, stack) for name, host in names]
        time.sleep(0.5)  # what they still do for their start isn't idling
        idle = idle_percent(people, effort.idle)
        attach(alice, bob)
        open_chat(alice, bob)
        yield from measure_messages(alice, bob, loop, effort)
        for process_id in (0, alice.process.pid, bob.process.pid):
            place(process_id, everywhere)
        percentiles = quantiles(latencies(alice, bob, effort.latencies), n=100, method="inclusive")
        print(f"  client to client   p50 {percentiles[49]:8.2f} ms")
        print(f"                     p99 {percentiles[98]:8.2f} ms   of {effort.latencies}")
        idle_chat = idle_percent(people, effort.idle)
        memory = memory_mib(people)
        if idle is None or idle_chat is None or memory is None:
            print("  idle CPU and memory: not measured, since this system has no /proc")
        else:
            print(f"  idle CPU, no client    {idle:8.2f} % of a core, the busier one in {effort.idle:g} s")
            print(f"  idle CPU, chat open    {idle_chat:8.2f} % of a core")
            print(f"  resident memory        {memory:8.1f} MiB, the larger one, after all that")
        yield Figure(f"idle CPU, no client, {loop}", idle, "% of a core", 0.5)
        yield Figure(f"idle CPU, chat open, {loop}", idle_chat, "% of a core", 0.5)
        yield Figure(f"resident memory of a daemon, {loop}", memory, "MiB", 45)

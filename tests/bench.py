"""Figures of this project on this machine: `python -m tests.bench [--quick]`.

It measures the codec, what sealing costs, an endpoint with many sessions, real daemons on loopback, in peace and under
a flood, the start-up of the commands and the decoding of a capture, and ends with a table of what is to be reached. It
is a report and no test: the exit status says nothing.
"""

import argparse
import asyncio
import multiprocessing
import os
import platform
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final, cast

from simp_daemon.peers.endpoint import Endpoint
from simp_daemon.peers.seal import Opened, Seal
from simp_daemon.peers.session import Session
from simp_proto.constants import MAX_DATAGRAM_SIZE, OFFER, OPERATIONS, Chat, Control, Framing, Type
from simp_proto.datagram import CHECKSUM_SIZE, HEAD_SIZE, Datagram, build, parse
from simp_proto.sealed.frames import TEXT as TEXT_KIND
from simp_proto.sealed.frames import Acked, Frame, Message, Piece, build_message
from simp_proto.sealed.payloads import read_record

Address = tuple[str, int]

PATIENCE: Final = 10.0
"""Seconds without any answer after which a measurement is given up."""
TEXT: Final = "number {:06d}, as long as people's lines are"
"""A chat message with its number: 44 bytes."""
IN_FLIGHT: Final = 64
"""CHAT lines that wait for their ACK at most; half as many at least, until the last were sent."""
WARM_UP: Final = 200
"""Messages, or round trips, before any is measured."""


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds, and numbers of repetitions; `sessions` is in seconds."""

    timing: float = 0.02
    timings: int = 11
    pairs: int = 5
    round_trips: int = 5_000
    messages: int = 3_000
    sessions: float = 0.5
    latencies: int = 1_000
    idle: float = 6.0
    starts: int = 9
    captured: int = 100_000
    flood: float = 10.0


QUICK: Final = Effort(
    timing=0.01,
    timings=5,
    pairs=3,
    round_trips=2_000,
    messages=1_000,
    sessions=0.2,
    latencies=300,
    idle=5.0,
    starts=7,
    captured=20_000,
    flood=4.0,
)


@dataclass(frozen=True)
class Figure:
    """A line of the table: `measured` in `unit`, and the bound, which is a least value or one to stay below."""

    name: str
    measured: float | None
    unit: str
    bound: float
    least: bool = False

    def row(self) -> tuple[str, str, str, str]:
        """The figure, what was measured, what is to be reached, and whether it is."""
        to_reach = f"{'at least' if self.least else 'below'} {self.bound:g} {self.unit}".rstrip()
        if self.measured is None:
            return self.name, "not measured", to_reach, "unknown"
        reached = self.measured >= self.bound if self.least else self.measured < self.bound
        digits = 0 if self.unit == "ms" else 2
        return self.name, f"{self.measured:.{digits}f} {self.unit}".rstrip(), to_reach, "yes" if reached else "NO"


# -- the codec, beside one written by hand

_HEAD: Final = struct.Struct("!BBB32sI")
_CHECKSUM: Final = {Framing.HEADER: struct.Struct("!H"), Framing.TRAILER: struct.Struct("<H")}
_MEANINGS: Final = {
    (type_.value, value): (type_, operation) for type_ in Type for value, operation in OPERATIONS[type_].items()
}


def rfc1071(data: bytes) -> int:
    """The internet checksum: the complement of the ones' complement sum of all 16-bit words."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def struct_build(datagram: Datagram) -> bytes:
    """What `build` does, by hand."""
    payload, framing = datagram.payload, datagram.framing
    head = _HEAD.pack(datagram.type, datagram.operation, datagram.sequence, datagram.user, len(payload))
    if framing is Framing.BARE:
        return head + payload
    checksum = _CHECKSUM[framing].pack(
        rfc1071(head + b"\0\0" + payload if framing is Framing.HEADER else head + payload)
    )
    return head + checksum + payload if framing is Framing.HEADER else head + payload + checksum


def struct_parse(data: bytes, framing: Framing) -> Datagram:
    """What `parse` does for one framing, by hand: each field refused by the same rules, with `ValueError`."""
    if len(data) < _HEAD.size:
        raise ValueError(f"read {len(data)} bytes, expected at least {_HEAD.size}")
    type_number, operation_number, sequence, user, length = _HEAD.unpack_from(data)
    meaning = _MEANINGS.get((type_number, operation_number))
    if meaning is None:
        raise ValueError(f"read type {type_number} with operation {operation_number}")
    if sequence > 1 and framing is not Framing.BARE:
        raise ValueError(f"read sequence {sequence}, expected 0 or 1")
    start = _HEAD.size + (2 if framing is Framing.HEADER else 0)
    if len(data) != start + length + (2 if framing is Framing.TRAILER else 0):
        raise ValueError(f"read length {length} in {len(data)} bytes")
    checksum = None
    if framing is not Framing.BARE:
        at = _HEAD.size if framing is Framing.HEADER else start + length
        (checksum,) = _CHECKSUM[framing].unpack_from(data, at)
        if checksum != rfc1071(data[:at] + b"\0\0" + data[at + 2 :]):
            raise ValueError(f"read checksum {checksum:#06x}, expected another")
        checksum = int.from_bytes(data[at : at + 2], "big")
    return Datagram(*meaning, sequence, user.rstrip(b"\0"), data[start : start + length], framing, checksum)


def measure_codec(effort: Effort) -> None:
    """Prints µs a datagram. Both codecs give the same `Datagram` and the same bytes, which is checked first."""
    print("\nCodec, µs a datagram with its checksum (best of several timings)")
    print(f"  {'framing':8} {'payload':>8} {'':6} {'construct':>10} {'struct':>8} {'ratio':>6}")
    long_text = b"a line of words " * (MAX_DATAGRAM_SIZE // 16)
    for payload in (TEXT.format(0).encode(), long_text[: MAX_DATAGRAM_SIZE - HEAD_SIZE - CHECKSUM_SIZE]):
        for framing in Framing:
            datagram = Datagram(Type.CHAT, Chat.MESSAGE, 1, b"alice", payload, framing)
            data = build(datagram)
            first = (framing, *(other for other in Framing if other is not framing))  # as a daemon in a chat
            assert struct_build(datagram) == data
            assert struct_parse(data, framing) == parse(data, first) == datagram
            assert struct_parse(data, framing).checksum == parse(data, first).checksum
            names = {"datagram": datagram, "data": data, "framing": framing, "first": first}
            for what, ours, by_hand in (
                ("parse", "parse(data, first)", "struct_parse(data, framing)"),
                ("build", "build(datagram)", "struct_build(datagram)"),
            ):
                times = [microseconds((ours, by_hand), names, effort.timing) for _ in range(effort.timings)]
                best, best_by_hand = (min(column) for column in zip(*times, strict=True))
                print(
                    f"  {framing.value:8} {len(payload):6} B {what:6}"
                    f" {best:10.1f} {best_by_hand:8.1f} {best / best_by_hand:6.1f}"
                )


def microseconds(statements: tuple[str, ...], names: dict[str, Any], seconds: float) -> list[float]:
    """The time in µs that each statement takes, measured for about so many seconds."""
    times = []
    for statement in statements:
        timer = timeit.Timer(statement, globals={**globals(), **names})
        number = max(1, int(seconds / (timer.timeit(20) / 20)))
        times.append(timer.timeit(number) / number * 1e6)
    return times


# -- what sealing costs


def unsealed(text: bytes) -> None:
    """A message of SIMP/1, there and read."""
    parse(build(Datagram(Type.CHAT, Chat.MESSAGE, 1, b"alice", text)))


def sealed(alice: Seal, bob: Seal, text: bytes, *more: Frame) -> None:
    """The same of SIMP/2, opened; `more` frames go with it."""
    data, counter = alice.seal([*more, Piece(1, 3, build_message(Message(TEXT_KIND, 0, text)))])
    record = read_record(data)
    assert record
    opened = bob.open(*record)
    assert isinstance(opened, Opened)
    assert opened.counter == counter


def measure_seal(effort: Effort) -> Iterator[Figure]:
    """Prints µs a message from its text to what is read at the other end, without a socket."""
    print("\nA message from end to end, µs (best of several timings)")
    print(f"  {'text':>6} {'in the clear':>12} {'sealed':>8} {'ratio':>6} {'with ACKED':>10} {'ratio':>6}")
    keys = bytes(32), bytes(range(32))
    alice, bob = Seal(keys, b"", caller=True), Seal(keys, b"", caller=False)
    for size in (20, 200, 1_000):
        names = {"alice": alice, "bob": bob, "text": b"x" * size, "acked": Acked(1, 1)}
        statements = ("unsealed(text)", "sealed(alice, bob, text)", "sealed(alice, bob, text, acked)")
        times = [microseconds(statements, names, effort.timing) for _ in range(effort.timings)]
        clear, alone, both = (min(column) for column in zip(*times, strict=True))
        print(f"  {size:4} B {clear:12.1f} {alone:8.1f} {alone / clear:6.2f} {both:10.1f} {both / clear:6.2f}")
        if size == 20:
            yield Figure("a sealed message to one in the clear", alone / clear, "times", 1.3)


# -- an endpoint with many sessions


class ManyChats:
    """A policy with room for any number of chats."""

    def may_ring(self, session: Session) -> bool:
        return True

    def displaced_by(self, session: Session) -> Session | None:
        return None

    def engage(self, session: Session) -> None:
        pass


def endpoint_with_sessions(peers: list[Address]) -> Endpoint:
    """One that is in a chat with each of those."""
    endpoint = Endpoint(policy=ManyChats())
    syn, ack = (
        build(Datagram(Type.CONTROL, operation, 0, b"alice", payload))
        for operation, payload in ((Control.SYN, OFFER), (Control.ACK, b""))
    )
    for number, peer in enumerate(peers):
        now = number / 20  # fewer strangers a second than are answered
        endpoint.receive(syn, peer, now)
        endpoint.accept(peer, now)
        endpoint.receive(ack, peer, now)
        take_out(endpoint)
    assert len(endpoint._sessions.by_address) == len(peers)
    return endpoint


def take_out(endpoint: Endpoint) -> int:
    """Takes what is to be sent and to be told; how much it is."""
    taken = len(endpoint.outlet)
    endpoint.outlet.clear()
    return taken


def measure_sessions(effort: Effort) -> Iterator[Figure]:
    """Prints what a received message costs, timer included, by the number of open chats."""
    print("\nA received message in an endpoint with that many chats, µs (best of several timings)")
    chats = [build(Datagram(Type.CHAT, Chat.MESSAGE, number, b"alice", TEXT.format(0).encode())) for number in (1, 0)]
    costs = {}
    for count in (1, 100, 1_000, 10_000):
        peers = [(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 7777) for number in range(count)]
        endpoint, now = endpoint_with_sessions(peers), count / 20 + 1
        messages = ((chat, peer) for chat in cycle(chats) for peer in peers)
        times: list[float] = []
        until = time.perf_counter() + effort.sessions
        while len(times) < effort.timings or time.perf_counter() < until:
            some = list(islice(messages, 20))
            start = time.perf_counter()
            for chat, peer in some:
                endpoint.receive(chat, peer, now)
                taken = take_out(endpoint)
                endpoint.get_timer()
            times.append((time.perf_counter() - start) / len(some) * 1e6)
            assert taken == 2, "an ACK, and the message"
        costs[count] = min(times)
        print(f"  {count:>6,} chats {costs[count]:10.1f}")
    yield Figure("cost of a message, 10,000 chats to one", costs[10_000] / costs[1], "times", 1.5)


# -- two daemons, beside a ping-pong


def loopback_addresses() -> list[str]:
    """Two addresses of this host; one twice where 127.0.0.1 is the only one, as on macOS."""
    try:
        for host in ("127.0.0.2", "127.0.0.3"):
            free_port(host, socket.SOCK_DGRAM)
    except OSError:
        return ["127.0.0.1", "127.0.0.1"]
    return ["127.0.0.2", "127.0.0.3"]


def free_port(host: str, kind: socket.SocketKind) -> int:
    """A port there that nobody uses now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


LOOPS: Final = {
    "asyncio": "import sys; sys.modules['uvloop'] = None",  # so that nothing finds it
    "uvloop": "import uvloop; uvloop.install()",
}
"""What a daemon does first, so that it runs on that event loop."""
_LOOP: list[str] = []


@contextmanager
def running_on(loop: str) -> Iterator[None]:
    """Commands that are started run on that event loop."""
    _LOOP.append(loop)
    try:
        yield
    finally:
        _LOOP.pop()


def simp_command() -> list[str]:
    """The installed `simp` beside this Python, or else the same entry point, on the loop that was chosen, if any."""
    if _LOOP:
        return [sys.executable, "-c", f"{LOOPS[_LOOP[-1]]}; from simp_proto.cli.main import main; main()"]
    script = shutil.which("simp", path=Path(sys.executable).parent)
    return [script] if script else [sys.executable, "-c", "from simp_proto.cli.main import main; main()"]


class Person:
    """A daemon of its own process, and a plain socket on its client port.

    It isn't the programs' API: that would take more of the cores than the daemons that are measured.
    """

    def __init__(self, name: str, host: str, stack: ExitStack) -> None:
        self.name = name
        self.address = f"{host}:{free_port(host, socket.SOCK_DGRAM)}"
        client_port = free_port(host, socket.SOCK_STREAM)
        arguments = ["daemon", self.address, "--client-port", str(client_port), "--log-level", "warning"]
        self.process = subprocess.Popen([*simp_command(), *arguments], stdout=subprocess.DEVNULL)
        stack.callback(end, self.process)
        self.socket = stack.enter_context(connected(host, client_port, self.process))
        self._buffer = b""
        self._lines: list[str] = []

    def say(self, *lines: str) -> None:
        """Writes lines at once."""
        self.socket.sendall("".join(line + "\n" for line in lines).encode())

    def read(self) -> list[str]:
        """All lines that have come, at least one; raises `TimeoutError` or `ConnectionError`."""
        while not self._lines:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError(f"the daemon of {self.name} closed the connection")
            *whole, self._buffer = (self._buffer + data).split(b"\n")
            self._lines = [line.decode() for line in whole]
        lines, self._lines = self._lines, []
        return lines

    def expect(self, start: str) -> str:
        """The next line that starts so.

        Those before it are dropped, since strangers come and go; an ERROR or UNDELIVERED raises `RuntimeError`.
        """
        while True:
            for number, line in enumerate(lines := self.read()):
                if line.startswith(start):
                    self._lines = lines[number + 1 :]
                    return line
                if line.startswith(("ERROR|", "UNDELIVERED|")):
                    raise RuntimeError(f"the daemon of {self.name} said {line!r} instead of {start!r}")


def connected(host: str, port: int, process: subprocess.Popen[bytes]) -> socket.socket:
    """A connection to a daemon that is just starting."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection = socket.create_connection((host, port), PATIENCE)
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"no daemon on {host}, exit status {process.poll()}") from None
            time.sleep(0.02)
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process of ours, gently at first."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def attach(*people: Person) -> None:
    """Says to their daemons who they are."""
    for person in people:
        person.say(f"CONNECT|{person.name}")
        person.expect("CONNECTED|")


def open_chat(caller: Person, callee: Person) -> None:
    """Lets one call the other."""
    caller.say(f"CONNECTING|{callee.address}")
    callee.expect(f"CONNECTING|{caller.name}|")
    callee.say(f"CONNECTED|{caller.name}")
    callee.expect("CONNECTED|")
    caller.expect("CONNECTED|")


def messages_per_second(sender: Person, receiver: Person, before: int, count: int) -> float:
    """From the first CHAT to the last ACK, in a chat that had so many CHATs before.

    Checks that every message arrives once and in order, and that the ACKs do. Both clients look only
    every 2 ms, so that they take as little as they can of the cores that the daemons need.
    """
    chats = [f"CHAT|{TEXT.format(number)}" for number in range(before + 1, before + count + 1)]
    arrivals = iter([f"CHAT|{sender.name}|{chat.removeprefix('CHAT|')}" for chat in chats])
    acknowledgements = iter([f"ACK|{number}" for number in range(before + 1, before + count + 1)])
    sent = acknowledged = arrived = 0
    start = finish = time.perf_counter()
    while acknowledged < count or arrived < count:
        if sent < count and sent - acknowledged <= IN_FLIGHT // 2:
            sender.say(*chats[sent : sent + IN_FLIGHT // 2])
            sent = min(sent + IN_FLIGHT // 2, count)
        time.sleep(0.002)
        ready, _, _ = select.select([sender.socket, receiver.socket], [], [], PATIENCE)
        if not ready:
            raise RuntimeError(f"{acknowledged} of {sent} messages were acknowledged, {arrived} arrived")
        if sender.socket in ready:
            acknowledged += check(sender.read(), acknowledgements)
            finish = time.perf_counter() if acknowledged == count else finish
        if receiver.socket in ready:
            arrived += check(receiver.read(), arrivals)
    return count / (finish - start)


def check(lines: list[str], expected: Iterator[str]) -> int:
    """How many lines came; raises `RuntimeError` unless they are those that were expected."""
    for line in lines:
        if line != (wanted := next(expected, "nothing more")):
            raise RuntimeError(f"read {line!r}, expected {wanted!r}")
    return len(lines)


def latencies(sender: Person, receiver: Person, count: int) -> list[float]:
    """Milliseconds from each CHAT written until it arrives at the other client, one at a time."""
    times = []
    for number in range(count):
        start = time.perf_counter()
        sender.say(f"CHAT|{TEXT.format(number)}")
        receiver.expect("CHAT|")
        times.append((time.perf_counter() - start) * 1e3)
        sender.expect("ACK|")
    return times


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


def placements() -> dict[str, tuple[set[int], set[int], set[int]]]:
    """The cores of one end, of the other, and of the clients, by what the placement is called.

    Where the system places two processes that talk in turn changes a ping-pong's speed up to fourfold,
    and it changes its mind with the load of the machine. So both kinds are measured, the daemons and
    the ping-pong alike: own cores as on two machines, and one core, where nothing waits for a core to wake.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        return {"placed by the system": (set(), set(), set())}
    first, second, *others = cores
    return {
        "own cores": ({first}, {second}, set(others) or {first, second}),
        "one core": ({first}, {first}, {second, *others}),
    }


def place(process_id: int | None, cores: set[int]) -> None:
    """Lets a process run on those cores only; 0 is this process, no cores leave it where it is."""
    if process_id is not None and cores:
        os.sched_setaffinity(process_id, cores)


def measure_messages(alice: Person, bob: Person, loop: str, effort: Effort) -> Iterator[Figure]:
    """Prints messages a second beside round trips a second, in turn, and gives their ratios."""
    here, there = (person.address.partition(":")[0] for person in (alice, bob))
    sent = 0
    print(f"\nTwo daemons on {loop}, {alice.address} and {bob.address}, {len(TEXT.format(0))} bytes a message")
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
        print(f"\nA plain socket and one daemon on {loop}, {len(TEXT.format(0))} bytes a message, one at a time")
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


# -- floods

STRANGERS: Final = [f"127.0.1.{number}" for number in range(1, 41)]
"""Where a flood comes from: addresses that nobody else has, each of which has a share of its own (spec 8.2)."""
FLOODS: Final = (5_000, 20_000, 50_000)
"""Datagrams a second."""
RING: Final = 6.0
"""Seconds in which a friend's call rings, whatever strangers send: one repeat of its SYN may be lost."""


def flood(address: Address, rate: int) -> None:
    """The process of a flood: so many SYNs a second, from many addresses, until it is ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    syn = build(Datagram(Type.CONTROL, Control.SYN, 0, b"eve", OFFER, Framing.BARE))
    sockets = []
    for host in STRANGERS:
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets[-1].bind((host, 0))
        sockets[-1].connect(address)
        sockets[-1].setblocking(False)
    turns = cycle(sockets)
    start, sent = time.perf_counter(), 0
    while True:
        due = int((time.perf_counter() - start) * rate)
        for stranger in islice(turns, due - sent):
            with suppress(OSError):  # as on any network
                stranger.send(syn)
        sent = due
        time.sleep(0.001)


@contextmanager
def flooded(person: Person, rate: int) -> Iterator[None]:
    """That person's daemon gets so many SYNs of strangers a second."""
    host, _, port = person.address.rpartition(":")
    process = multiprocessing.get_context("spawn").Process(target=flood, args=((host, int(port)), rate), daemon=True)
    process.start()
    try:
        time.sleep(1.0)  # until it has started
        if not process.is_alive():
            raise RuntimeError(f"no flood from {STRANGERS[0]} and its like")
        yield
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


def leave(one: Person, other: Person) -> None:
    """One leaves the other, or takes the call back."""
    one.say(f"QUIT|{other.address}")
    one.expect("QUIT|")
    other.expect(f"QUIT|{one.name}")


def measure_floods(effort: Effort) -> Iterator[Figure]:
    """Prints how long messages of a chat in progress take while strangers flood its daemon, and a friend's call."""
    print("\nA daemon that strangers flood with SYNs, from 40 addresses, and a chat in progress with another")
    print("  ms from client to client              p50        p99        max   messages   a friend's call rings in")
    with ExitStack() as stack:
        here, there = loopback_addresses()
        alice, bob, carol = Person("alice", here, stack), Person("bob", there, stack), Person("carol", there, stack)
        attach(alice, bob, carol)
        open_chat(carol, alice)  # which makes them friends
        leave(carol, alice)
        quiet = 0.0
        for rate in (0, *FLOODS):
            open_chat(bob, alice)
            with flooded(alice, rate) if rate else nullcontext():
                until, times = time.perf_counter() + effort.flood, latencies(bob, alice, 2)
                while time.perf_counter() < until:
                    times += latencies(bob, alice, 1)
                leave(bob, alice)
                ring = seconds_to_ring(carol, alice)
            percentiles = quantiles(times, n=100, method="inclusive")
            p50, p99 = percentiles[49], percentiles[98]
            name = f"  {rate:>6,} a second" if rate else "  quiet"
            print(f"{name:28} {p50:12.2f} {p99:10.2f} {max(times):10.2f} {len(times):10} {ring:15.2f} s")
            if not rate:
                quiet = p50
            elif rate == 20_000:
                yield Figure("latency at 20,000 datagrams a second to quiet", p50 / quiet, "times", 10)
                yield Figure("a friend's call rings meanwhile", ring, "s", RING)


def idle_percent(people: list[Person], seconds: float) -> float | None:
    """The CPU time of the busier daemon in so many seconds, in per cent of a core; `None` without /proc."""
    try:
        before = [cpu_seconds(person.process.pid) for person in people]
        time.sleep(seconds)
        after = [cpu_seconds(person.process.pid) for person in people]
    except FileNotFoundError:
        return None
    return max(end - start for start, end in zip(before, after, strict=True)) / seconds * 100


def cpu_seconds(pid: int) -> float:
    """User and system time so far, in steps of 1/100 s."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(people: list[Person]) -> float | None:
    """The resident memory of the larger daemon in MiB; `None` without /proc."""
    try:
        pages = [int(Path(f"/proc/{person.process.pid}/statm").read_text("ascii").split()[1]) for person in people]
    except FileNotFoundError:
        return None
    return max(pages) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


# -- start-up


def measure_start_up(effort: Effort) -> Iterator[Figure]:
    """Prints the ms that the commands take from start to end, and gives those that have a bound."""
    datagram = build(Datagram(Type.CHAT, Chat.MESSAGE, 1, b"alice", TEXT.format(0).encode()))
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "simp --help": [*simp_command(), "--help"],
        "simp decode": [*simp_command(), "decode", datagram.hex()],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(effort.starts):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append((time.perf_counter() - start) * 1e3)
    print(f"\nStart-up, ms from start to end (median of {effort.starts})")
    for name, each in times.items():
        print(f"  {name:22} {median(each):8.0f}")
        if name.startswith("simp"):
            yield Figure(f"start-up of {name}", median(each), "ms", 200)


# -- captures


def measure_captures(effort: Effort) -> Iterator[Figure]:
    """Prints how fast `simp decode` turns captures into JSON, beside tshark with the dissector, and in what memory."""
    fields = ("type", "operation", "sequence", "user", "length", "checksum", "payload")
    with tempfile.TemporaryDirectory() as folder:
        dissector, small, large = (Path(folder, name) for name in ("simp.lua", "small.pcap", "large.pcap"))
        subprocess.run([*simp_command(), "dissector", "--output", str(dissector)], check=True)
        write_capture(small, effort.captured // 10)
        write_capture(large, effort.captured)
        _, little = run_and_measure([*simp_command(), "decode", "--json", str(small)])
        seconds, much = run_and_measure([*simp_command(), "decode", "--json", str(large)])
        rate = effort.captured / seconds
        print(f"\nA capture of {effort.captured:,} datagrams")
        print(f"  simp decode --json     {rate:8.0f} datagrams a second, {much:.1f} MiB; a tenth: {little:.1f} MiB")
        if tshark := shutil.which("tshark"):
            command = [tshark, "-X", f"lua_script:{dissector}", "-r", str(large), "-T", "json"]
            command += [word for field in fields for word in ("-e", f"simp.{field}")]
            seconds, memory = run_and_measure(command)
            theirs = effort.captured / seconds
            print(f"  tshark -T json         {theirs:8.0f} datagrams a second, {memory:.1f} MiB")
            print(f"  simp to tshark         {rate / theirs:8.2f}")
        else:
            print("  tshark: not installed")
        yield Figure("datagrams of a capture a second", rate, "", 10_000, least=True)
        yield Figure("memory for ten times the datagrams", much / little, "times", 1.1)


def write_capture(path: Path, count: int) -> None:
    """A pcap of plain IP in which chats and their ACKs go to and fro."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101))
        for number in range(count):
            kind, operation = (Type.CHAT, Chat.MESSAGE) if number % 2 == 0 else (Type.CONTROL, Control.ACK)
            text = TEXT.format(number).encode() if number % 2 == 0 else b""
            data = build(Datagram(kind, operation, number // 2 % 2, b"alice", text))
            hosts = bytes((192, 0, 2, 1 + number % 2)), bytes((192, 0, 2, 2 - number % 2))
            udp = struct.pack("!4H", 7777, 7777, 8 + len(data), 0) + data
            ip = struct.pack("!2B3H2BH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + b"".join(hosts)
            packet = ip + udp
            file.write(struct.pack("<4I", number // 1_000, number % 1_000 * 1_000, len(packet), len(packet)) + packet)


def run_and_measure(command: list[str]) -> tuple[float, float]:
    """Seconds from its start to its end, and the most MiB that it took."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


# -- the report


def machine() -> str:
    """What the figures were measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {platform.platform()}, {python}, construct {version('construct')}"


def main() -> None:
    """Measures, prints, and says what is reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Figures of SIMP on this machine.")
    parser.add_argument("--quick", action="store_true", help="a short run, with coarser figures")
    effort = QUICK if parser.parse_args().quick else Effort()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))  # which ends the daemons too
    print(machine())
    measure_codec(effort)
    figures: list[Figure] = []
    measures: dict[str, Callable[[Effort], Iterator[Figure]]] = {
        "sealing": measure_seal,
        "sessions": measure_sessions,
        **{f"daemons on {loop}": partial(measure_daemons, loop) for loop in LOOPS},
        "floods": measure_floods,
        "start-up": measure_start_up,
        "captures": measure_captures,
    }
    for name, measure in measures.items():
        try:
            for figure in measure(effort):
                figures.append(figure)
        except Exception as error:  # whatever it is, the rest is worth measuring
            print(f"\n{name}: ended early: {type(error).__name__}: {error}")
    rows = [("figure", "measured", "to reach", "reached"), *(figure.row() for figure in figures)]
    print()
    for row in rows:
        print(f"{row[0]:40} {row[1]:>18}   {row[2]:22} {row[3]}".rstrip())


if __name__ == "__main__":
    main()

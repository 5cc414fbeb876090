"""Daemons of their own processes, and plain sockets on their client ports."""

import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from simp_proto.constants import Framing
from tests.bench.figures import IN_FLIGHT, PATIENCE, TEXT


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

    It isn't the programs' API: that would take more of the cores than the daemons that are measured. What it keeps is
    in a folder of its own. It speaks SIMP/1 alone, without a store, unless it is `sealed`; nobody is looked for.
    """

    def __init__(self, name: str, host: str, stack: ExitStack, *, sealed: bool = False) -> None:
        self.name = name
        self.sealed = sealed
        self.address = f"{host}:{free_port(host, socket.SOCK_DGRAM)}"
        client_port = free_port(host, socket.SOCK_STREAM)
        self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="simp-bench-")))
        arguments = ["daemon", self.address, "--client-port", str(client_port), "--log-level", "warning"]
        arguments += ["--state", str(self.folder), "--discovery", "off"]
        arguments += [] if sealed else ["--framing", Framing.HEADER.value]
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
    for person in (callee, caller):
        person.expect("CONNECTED|")
        if caller.sealed and callee.sealed:
            person.expect("SECURED|")


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


def leave(one: Person, other: Person) -> None:
    """One leaves the other, or takes the call back."""
    one.say(f"QUIT|{other.address}")
    one.expect("QUIT|")
    other.expect(f"QUIT|{one.name}")


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

"""Real daemons under 20,000 random and mutated datagrams and lines: the chat in progress is unharmed (spec 8)."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from simp_proto.address import format_address
from simp_proto.constants import OFFER, Chat, Control, Framing
from tests.test_endpoint import packet
from tests.test_loop import free_address

SEED = 7777
COUNT = 20_000
PATIENCE = 20.0
MEMORY = 15 << 20
"""Bytes by which a daemon may grow."""

BASES = [
    packet(operation, sequence, payload, framing=framing)
    for framing in Framing
    for operation, sequence, payload in (
        (Control.SYN, 0, OFFER),
        (Control.SYN_ACK, 0, b""),
        (Control.ACK, 1, b""),
        (Control.FIN, 1, b""),
        (Control.ERR, 0, b"Wrong sequence number"),
        (Chat.MESSAGE, 1, b"hello"),
    )
]
LINES = [
    b"CHAT|hello",
    b"CONNECTED|bob",
    b"CONNECTING|127.0.0.1",
    b"PING|",
    b"QUIT|bob",
    b"GET / HTTP/1.1",
    b"|",
    b"\\x",
]


def mutated(random: Random, base: bytes) -> bytes:
    """The bytes with some of them changed, cut off, added or doubled; or quite other ones."""
    data = bytearray(base)
    match random.randrange(6):
        case 0:
            return random.randbytes(random.randrange(200))
        case 1:
            return bytes(data[: random.randrange(len(data) + 1)])
        case 2:
            return bytes(data) + random.randbytes(random.randrange(1, 1500))
        case 3:
            return bytes(data)
        case _:
            for _ in range(random.randrange(1, 4)):
                data[random.randrange(len(data))] = random.randrange(256)
            return bytes(data)


class Process:
    """A `simp daemon` of its own, with its log; `shell` is done before it starts."""

    def __init__(self, level: str = "debug", shell: str = "") -> None:
        self.address = free_address()
        with socket.socket() as tcp:
            tcp.bind(("127.0.0.1", 0))
            self.client_port: int = tcp.getsockname()[1]
        command = ["sh", "-c", f'{shell} exec "$@"', "sh"] if shell else []
        command += [sys.executable, "-m", "simp_proto.cli.main", "daemon", format_address(self.address)]
        command += ["--client-port", str(self.client_port), "--log-level", level]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.log: list[bytes] = []
        self._listens = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                self.log.append(line)
                if b"listening" in line:
                    self._listens.set()
        self._listens.set()

    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(status.split("VmRSS:")[1].split()[0]) << 10

    def client(self) -> "Client":
        """Waits until the daemon listens."""
        assert self._listens.wait(PATIENCE)
        assert self.process.poll() is None, self.log
        return Client(socket.create_connection(("127.0.0.1", self.client_port), PATIENCE))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status."""
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self._reader.join()
        return status


class Client:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.file = connection.makefile("rb")

    def say(self, line: str) -> None:
        self.connection.sendall(line.encode() + b"\n")

    def hear(self, beginning: str) -> str:
        """Reads on until a line begins so."""
        while line := self.file.readline().decode():
            if line.startswith(beginning):
                return line.removesuffix("\n")
        raise AssertionError(f"the daemon closed before {beginning!r}")

    def close(self) -> None:
        self.file.close()
        self.connection.close()


@contextmanager
def chat() -> Iterator[tuple[Process, Process, Client, Client]]:
    """Two daemon processes whose clients are in a chat."""
    one, other = Process(), Process()
    try:
        alice, bob = one.client(), other.client()
        alice.say("CONNECT|alice")
        bob.say("CONNECT|bob")
        bob.hear("CONNECTED|bob")
        alice.say(f"CONNECTING|{format_address(other.address)}")
        bob.hear("CONNECTING|alice")
        bob.say("CONNECTED|alice")
        alice.hear("CONNECTED|bob")
        bob.hear("CONNECTED|alice")
        yield one, other, alice, bob
        alice.close()
        bob.close()
    finally:
        statuses = [one.end(), other.end()]
    assert statuses == [0, 0]


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads the daemon's memory from /proc")
def test_the_chat_survives() -> None:
    random = Random(SEED)
    print(f"seed {SEED}")
    with chat() as (one, other, alice, bob):
        before = one.memory()
        strangers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
        for number in range(COUNT // 2):
            random.choice(strangers).sendto(mutated(random, random.choice(BASES)), one.address)
            if number % 50 == 0:  # as fast as the daemon reads, one datagram or line in turn, so that it gets them all
                for _ in range(50):
                    alice.say("PING|")
                    alice.hear("PONG|")
        for stranger in strangers:
            stranger.close()
        _hostile_lines(random, one)
        grown = one.memory() - before
        print(f"grown by {grown >> 10} KiB")
        assert grown < MEMORY
        for number in range(5):
            alice.say(f"CHAT|still here {number}")
            assert bob.hear("CHAT|") == f"CHAT|alice|still here {number}"
            assert alice.hear("ACK|") == f"ACK|{number + 1}"
            bob.say(f"CHAT|me too {number}")
            assert alice.hear("CHAT|") == f"CHAT|bob|me too {number}"
    logs = b"".join(one.log + other.log)
    at = logs.find(b"Traceback")
    assert at < 0, logs[at - 500 : at + 3000].decode()
    assert b"\x1b" not in logs
    assert logs.count(b" DEBUG from ") > 0.9 * COUNT / 2, "the daemon didn't get what was sent"


def _hostile_lines(random: Random, daemon: Process) -> None:
    """Lines on further connections, which the daemon may close; none may bother the client that is attached."""
    sent = 0
    while sent < COUNT // 2:
        connection = socket.create_connection(("127.0.0.1", daemon.client_port), PATIENCE)
        lines = [mutated(random, random.choice(LINES)) for _ in range(500)]
        sent += len(lines)
        try:
            connection.sendall(b"PING|\n" + b"\n".join(lines) + b"\n" + b"x" * random.choice([0, 70_000]))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
        except OSError:  # the daemon closed it meanwhile
            pass
        finally:
            connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_status_0_after_sigterm_and_ctrl_c(number: signal.Signals) -> None:
    daemon = Process()
    daemon.client().close()
    assert daemon.end(number) == 0
    assert b"Traceback" not in b"".join(daemon.log)


@pytest.mark.slow
def test_that_no_descriptor_is_left_is_one_line_in_the_log() -> None:
    daemon = Process("info", "ulimit -n 16;")
    daemon.client().close()
    crowd = [socket.create_connection(("127.0.0.1", daemon.client_port), PATIENCE) for _ in range(16)]
    until = time.monotonic() + PATIENCE
    while not any(b"Too many open files" in line for line in daemon.log):
        assert time.monotonic() < until
    assert daemon.end() == 0
    for each in crowd:
        each.close()
    assert len([line for line in daemon.log if b"Too many open files" in line]) == 1
    assert b"Traceback" not in b"".join(daemon.log)


def test_no_socket_takes_the_place_of_a_standard_stream_that_was_closed(tmp_path: Path) -> None:
    """What the log, or a crash in C, writes to standard error would go to a peer."""
    found = tmp_path / "streams"
    program = (
        "import os\n"
        "from simp_proto.cli.main import main\n"
        "nowhere = os.stat(os.devnull).st_rdev\n"
        "try:\n    main(['--version'])\n"
        f"finally:\n    open({str(found)!r}, 'w').write(str([os.fstat(fd).st_rdev == nowhere for fd in range(3)]))\n"
    )
    closed = 'exec "$@" <&- >&- 2>&-'
    subprocess.run(["sh", "-c", closed, "sh", sys.executable, "-c", program], check=True, timeout=PATIENCE)
    assert found.read_text() == "[True, True, True]"

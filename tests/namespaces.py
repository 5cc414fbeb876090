"""Machines on a network of their own: a network namespace each, joined by veth pairs to a bridge in one more.

Nothing outside is touched: every interface is made inside. A socket that is made `inside` a machine stays there.
"""

import ctypes
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Thread

import pytest

from simp_proto.address import Address

_SIMP = [sys.executable, "-m", "simp_proto.cli.main"]
_CLONE_NEWNET = 0x40000000
_numbers = count()


def _why_not() -> str | None:
    if not (sys.platform == "linux" and shutil.which("ip") and shutil.which("nft")):
        return "needs Linux with ip and nft"
    name = f"simp-try-{os.getpid()}"
    if os.geteuid() or subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "needs root, and network namespaces"
    _ip(f"netns del {name}")
    return None


def _ip(line: str) -> None:
    subprocess.run(["ip", *line.split()], capture_output=True, check=True)


NO_NAMESPACES = _why_not()
needs_namespaces = pytest.mark.skipif(NO_NAMESPACES is not None, reason=NO_NAMESPACES or "")


@contextmanager
def _inside(namespace: str) -> Iterator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{namespace}") as here:
        assert libc.setns(here.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(before.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())


class Person:
    """A plain client of a daemon, such as `nc`."""

    def __init__(self, tcp: socket.socket) -> None:
        self.lines: list[str] = []
        """What the daemon has said, as far as read."""
        self._tcp = tcp
        self._buffer = b""

    def say(self, *lines: str) -> None:
        self._tcp.sendall("".join(f"{line}\n" for line in lines).encode())

    def hear(self, pattern: str, within: float) -> str:
        """The next line that is like this; those before it are kept in `lines`."""
        end = time.monotonic() + within
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                self.lines.append(line.decode())
                if re.fullmatch(pattern, self.lines[-1]):
                    return self.lines[-1]
                continue
            self._tcp.settimeout(max(end - time.monotonic(), 0.001))
            try:
                data = self._tcp.recv(65_536)
            except TimeoutError:
                raise AssertionError(f"heard no {pattern} in {within:g} s, but {self.lines}") from None
            assert data, f"heard no {pattern}, but {self.lines}, and then the end"
            self._buffer += data

    def leave(self) -> None:
        """Waits for the daemon's end of the connection, as clients do, and ends it."""
        self._tcp.settimeout(10)
        while self._tcp.recv(65_536):
            pass
        self._tcp.close()

    def who(self) -> list[str]:
        """The SEEN lines that answer WHO."""
        self.say("PING|")
        self.hear(r"PONG\|", 30)
        before = len(self.lines)
        self.say("WHO|", "PING|")
        self.hear(r"PONG\|", 30)
        return [line for line in self.lines[before:] if line.startswith("SEEN|")]


@dataclass
class Running:
    """A daemon."""

    process: subprocess.Popen[str]
    log: list[str]
    client: Address


@dataclass
class Machine:
    """One namespace, with the interface eth0."""

    namespace: str
    address: str
    folder: Path
    plug: tuple[str, str]
    """The namespace and the interface of its cable's other end."""
    _stack: ExitStack
    running: list[Running] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "SIMP_DISCOVERY": "everyone",
        }

    def ip(self, *lines: str) -> None:
        """Lines of `ip` here."""
        for line in lines:
            subprocess.run(["ip", "-n", self.namespace, *line.split()], capture_output=True, check=True)

    def unplug(self) -> None:
        """Takes its cable out, which no address shows."""
        namespace, interface = self.plug
        subprocess.run(["ip", "-n", namespace, "link", "set", interface, "down"], capture_output=True, check=True)

    def write(self, setting: str, value: str) -> None:
        """Sets one in /proc/sys/net."""
        with self.inside():
            Path(setting).write_text(value)

    def filter(self, *rules: str) -> None:
        """Rules of nftables in place of all earlier ones: `input udp dport 7777 drop`."""
        chains = [f"add chain inet t {hook} {{ type filter hook {hook} priority 0; }}" for hook in ("input", "output")]
        lines = ["add table inet t", "flush table inet t", *chains, *(f"add rule inet t {rule}" for rule in rules)]
        command = ["ip", "netns", "exec", self.namespace, "nft", "-f", "-"]
        subprocess.run(command, input="\n".join(lines), text=True, capture_output=True, check=True)

    def inside(self) -> AbstractContextManager[None]:
        """Whatever socket this thread makes meanwhile is here."""
        return _inside(self.namespace)

    def daemon(self, *arguments: str, client: Address = ("127.0.0.1", 7778)) -> Running:
        """A daemon that listens; `client` is where its clients connect."""
        process = self._stack.enter_context(
            subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *_SIMP, "daemon", *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        stderr = process.stderr
        assert stderr
        log: list[str] = []
        reader = Thread(target=lambda: log.extend(iter(stderr.readline, "")))

        def end() -> None:
            process.kill()
            if reader.ident:
                reader.join()

        self._stack.callback(end)
        log.append(stderr.readline())
        assert "listening" in log[0], log[0] + stderr.read()
        reader.start()
        self.running.append(Running(process, log, client))
        return self.running[-1]

    def attach(self, name: str, daemon: Running | None = None) -> Person:
        """A person's client at the daemon."""
        with self.inside():
            tcp = socket.create_connection((daemon or self.running[-1]).client, 10)
        person = Person(self._stack.enter_context(tcp))
        person.say(f"CONNECT|{name}")
        person.hear(rf"CONNECTED\|{name}", 10)
        person.say("WHO|")
        return person

    def simp(self, *arguments: str, within: float = 60) -> subprocess.CompletedProcess[str]:
        """A command, to its end."""
        command = ["ip", "netns", "exec", self.namespace, *_SIMP, *arguments]
        return subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )


@contextmanager
def machines(number: int, folder: Path, *, link_local: bool = False) -> Iterator[list[Machine]]:
    """So many, 10.77.0.1 and so on, in a /24 without any other route; or with nothing except link-local IPv6."""
    run = f"simp-{os.getpid()}-{next(_numbers)}"
    switch, names = f"{run}-switch", [f"{run}-{each}" for each in range(1, number + 1)]
    with ExitStack() as stack:
        for name in (switch, *names):
            _ip(f"netns add {name}")
            stack.callback(_ip, f"netns del {name}")
        _in(switch, "link add br0 type bridge mcast_snooping 0", "link set br0 up")
        for at, name in enumerate(names, 1):
            _in(
                switch,
                f"link add h{at} type veth peer name eth0 netns {name}",
                f"link set h{at} master br0",
                f"link set h{at} up",
            )
            with _inside(name):  # whose link-local address would be usable only after a second
                Path("/proc/sys/net/ipv6/conf/eth0/accept_dad").write_text("0")
            address = [] if link_local else [f"addr add 10.77.0.{at}/24 brd + dev eth0"]
            _in(name, "link set lo up", *address, "link set eth0 up")
        yield [
            Machine(name, f"10.77.0.{at}", folder / str(at), (switch, f"h{at}"), stack)
            for at, name in enumerate(names, 1)
        ]


def _in(namespace: str, *lines: str) -> None:
    script = "".join(f"{line}\n" for line in lines)
    subprocess.run(["ip", "-n", namespace, "-batch", "-"], input=script, text=True, capture_output=True, check=True)

"""The tester's wire over real sockets, and the person at the other side: commands, or somebody at this terminal."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Final

from simp_proto.address import Address, format_address
from simp_proto.conformance.tester import NotRunError, Request, Side, in_words
from simp_proto.constants import DAEMON_PORT, Control
from simp_proto.datagram import Datagram, parse_or_refusal
from simp_proto.printable import printable
from simp_proto.udp import address_of, bind, hear_refusals, local_host, refused

_ANYWHERE: Final = ("192.0.2.1", 9)
"""An address that is nobody's: the way there begins at the one that this host is reached at."""
_MOST_WAITING: Final = 4_096
"""Datagrams that wait to be looked at; of a flood, more are dropped."""
_COMMAND_TIME: Final = 60.0
"""Seconds after which a command that hasn't ended is ended."""
_MOMENT: Final = 0.2
"""Seconds that a client gets to show what there is to act on, before a command acts."""
_MOST_SAID: Final = 65_536
"""Bytes of what a command says that are read."""
_NOT_FOUND: Final = (126, 127)
"""Exit statuses of a shell that couldn't run the command at all."""
_TICK: Final = 0.2
"""Seconds after which a waiting thread looks whether it is still wanted."""


def addresses_near(daemon: Address | None) -> tuple[Address, Address]:
    """Where a tester and a stranger can be: with port 7777, to which some daemons send whatever port they hear from.

    Raises `OSError` where there is no way to the daemon.
    """
    if daemon is None:
        local = local_host(_ANYWHERE)
        return (local, DAEMON_PORT), (local, 0)
    host = daemon[0]
    if ip_address(host.partition("%")[0]) in ip_network("127.0.0.0/8"):
        one, other = [each for each in ("127.0.0.2", "127.0.0.3", "127.0.0.4") if each != host][:2]
        return (one, DAEMON_PORT), (other, DAEMON_PORT)
    local = local_host(daemon)
    return (local, 0 if local == host else DAEMON_PORT), (local, 0)


class Sockets:
    """A socket for each side of the tester. Each datagram gets its time when it arrives, whatever else goes on."""

    def __init__(self, daemon: Address | None, own: Address, stranger: Address, hands: "Hands", wait: float) -> None:
        """Raises `OSError` where an address can't be had."""
        self.wait = wait
        self.daemon = daemon
        self.restarts = hands.restarts
        self.actions = hands.actions
        self._hands = hands
        self._arrived: deque[tuple[float, Side, Address, bytes]] = deque()
        self._news = threading.Condition()
        self.refused = False
        self._known: set[bytes] = set()  # what has arrived since the tester last said something
        self._fresh = False
        self._readers: dict[Side, _Reader] = {}
        self._readers[Side.TESTER] = _Reader(bind(own), Side.TESTER, self)
        try:
            self._readers[Side.STRANGER] = _Reader(bind(stranger), Side.STRANGER, self)
        except OSError:
            self.close()
            raise

    def __enter__(self) -> "Sockets":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the addresses back."""
        for reader in self._readers.values():
            reader.stop()

    def address(self, side: Side = Side.TESTER) -> Address:
        """Where that side is."""
        return address_of(self._readers[side].udp.getsockname())

    def now(self) -> float:
        return time.monotonic()

    def send(self, side: Side, data: bytes) -> None:
        with self._news:
            self._known.clear()
            self.refused = False
        if self.daemon is None or side not in self._readers:  # nobody has called yet, or not there
            return
        udp = self._readers[side].udp
        try:
            try:
                udp.sendto(data, self.daemon)
            except ConnectionRefusedError:  # an earlier datagram; this one hasn't been sent yet
                udp.sendto(data, self.daemon)
        except OSError as error:
            raise NotRunError(f"nothing can be sent to {format_address(self.daemon)}: {error.strerror}") from None

    def receive(self, until: float) -> tuple[float, Side, Address, bytes] | None:
        with self._news:
            while not self._arrived:
                left = until - time.monotonic()
                if left <= 0:
                    return None
                self._news.wait(left)
            return self._arrived.popleft() if self._arrived[0][0] <= until else None

    def ask(self, action: Request, text: str, side: Side, *, quiet: bool = False) -> str:
        if side is Side.UNKNOWN:
            if side in self._readers:
                self._readers.pop(side).stop()
            try:
                self._readers[side] = _Reader(bind((self.address()[0], 0)), side, self)
            except OSError as error:
                raise NotRunError(f"no other address can be had: {error.strerror}") from None
        with self._news:
            self._fresh = False
        return self._hands.act(action, text, self.address(side), None if quiet else lambda: self._fresh)

    def arrive(self, side: Side, source: Address, data: bytes) -> None:
        """Takes what one of the readers has read."""
        now = time.monotonic()
        with self._news:
            if self.daemon is None and _is_syn(data):
                self.daemon = source
            if self.daemon is None:
                return
            if source[0] != self.daemon[0]:
                return
            self._fresh = self._fresh or data not in self._known
            self._known.add(data)
            if len(self._arrived) < _MOST_WAITING:
                self._arrived.append((now, side, source, data))
            self._news.notify()

    def be_refused(self) -> None:
        """Nobody listens where something was sent."""
        self.refused = True


def _is_syn(data: bytes) -> bool:
    datagram = parse_or_refusal(data)
    return isinstance(datagram, Datagram) and datagram.operation is Control.SYN


class _Reader(threading.Thread):
    """Takes what arrives at one socket, which is its own from then on."""

    def __init__(self, udp: socket.socket, side: Side, sockets: Sockets) -> None:
        super().__init__(name=f"{side.value} socket", daemon=True)
        self.udp = udp
        self._side = side
        self._sockets = sockets
        self._wanted = True
        udp.settimeout(_TICK)
        hear_refusals(udp)
        self.start()

    def run(self) -> None:
        while self._wanted:
            try:
                data, source = self.udp.recvfrom(65_535)
            except TimeoutError:
                continue
            except OSError:  # a port that nobody listens at has answered; Windows tells it, too
                refused(self.udp)
                self._sockets.be_refused()
                continue
            self._sockets.arrive(self._side, address_of(source), data)

    def stop(self) -> None:
        """Ends it, and closes the socket."""
        self._wanted = False
        self.join()
        self.udp.close()


class Hands:
    """Who acts at the other side: a command for an action, or else whoever sits at this terminal, if anybody does."""

    def __init__(self, commands: Mapping[Request, str], *, terminal: bool) -> None:
        self.commands = commands
        self._terminal = _Terminal() if terminal else None
        self.actions = frozenset(Request) if terminal else frozenset(commands)
        self.restarts = Request.RESTART in commands

    def asks(self, actions: Iterable[Request]) -> bool:
        """Whether somebody at this terminal will have to do any of that."""
        return self._terminal is not None and not self.commands.keys() >= set(actions)

    def act(self, action: Request, text: str, address: Address, moved: Callable[[], bool] | None) -> str:
        """Has it done. What went wrong, or nothing; raises `NotRunError` where nobody can do it.

        `moved` says whether the daemon has sent something new, where that shows that it is done.
        """
        if action in self.commands:
            time.sleep(_MOMENT)
            return _run(self.commands[action], text, address)
        if self._terminal is None:
            raise NotRunError(
                f"nobody to {action.name.lower()}: run it in a terminal, or give --{action.name.lower()}-command"
            )
        asked = in_words(action, text) if len(text) < 40 else f"{action.value}:\n{text}\n"
        where = f" at {format_address(address)}" if action is Request.CALL else ""
        return self._terminal.ask(f"{asked}{where}", None if action is Request.RESTART else moved)


def _run(command: str, text: str, address: Address) -> str:
    """What went wrong, or nothing. What the command leaves running, such as a daemon, goes on."""
    environment = os.environ | {"SIMP_TEXT": text, "SIMP_HOST": address[0], "SIMP_PORT": str(address[1])}
    with tempfile.TemporaryFile() as errors:  # no pipe, which would stay open as long as anything runs
        process = subprocess.Popen(
            command,
            shell=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        try:
            status = process.wait(_COMMAND_TIME)
        except subprocess.TimeoutExpired:
            _end(process)
            return f"{command!r} had not ended after {_COMMAND_TIME:g} s"
        except KeyboardInterrupt:
            _end(process)
            raise
        errors.seek(0)
        said = _last_line(errors.read(_MOST_SAID))
    if status in _NOT_FOUND:
        raise NotRunError(f"{command!r} can't be run: {said}")
    return f"{command!r} ended with status {status}: {said}" if status else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a command that hangs, and what it has started."""
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(data: bytes) -> str:
    lines = data.decode("utf-8", "backslashreplace").strip().splitlines()
    return printable(lines[-1]) if lines else "it said nothing"


class _Terminal:
    """Somebody at this terminal, who is told what to do at the other side, and presses Enter when it is done."""

    def __init__(self) -> None:
        self._lines = 0
        self._ended = False
        self._news = threading.Condition()
        self._reader: threading.Thread | None = None

    def ask(self, what: str, moved: Callable[[], bool] | None) -> str:
        """Goes on when the daemon has done something new, since that was asked for, or at Enter."""
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
            self._reader.start()
        done = "press Enter here when that is done" if moved is None else "Enter, if it is done and nothing happens"
        print(f"  At the other side, {what} ({done}).", file=sys.stderr, flush=True)
        with self._news:
            before = self._lines
            while self._lines == before:
                if self._ended:
                    raise NotRunError("the input has ended: nobody can say that it is done")
                if moved is not None and moved():
                    break
                self._news.wait(_TICK)
        return ""

    def _read(self) -> None:
        for _ in iter(sys.stdin.readline, ""):
            with self._news:
                self._lines += 1
                self._news.notify()
        with self._news:
            self._ended = True
            self._news.notify()

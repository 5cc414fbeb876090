"""The tester as the daemon's client: it acts for the person by `spec/client.md`, and sees what the person is shown."""

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from simp_proto.address import Address, format_address, parse_address
from simp_proto.conformance.hands import Hands
from simp_proto.conformance.wire import NotRunError, Request
from simp_proto.constants import DAEMON_PORT, MAX_DAEMON_LINE_SIZE
from simp_proto.errors import AddressError, LineError
from simp_proto.text import Line, LineBuffer, Word, format_line, parse_line

NAME: Final = "bob"
"""The person's name."""
_PATIENCE: Final = 5.0
"""Seconds in which the daemon answers a line."""
_MOMENT: Final = 1.0
"""Seconds in which a request reaches the person."""
_MOST_LINES: Final = 1_000
_MOST_BYTES: Final = 1 << 20
"""Lines that wait to be looked at, and their bytes; of a flood, more are dropped."""
_DOES: Final = {
    Request.ACCEPT: Word.CONNECTED,
    Request.DECLINE: Word.QUIT,
    Request.LEAVE: Word.QUIT,
    Request.CALL: Word.CONNECTING,
}


class Attached:
    """The daemon's client, at its client port; only a restart is left to `hands`."""

    def __init__(self, where: Address, hands: Hands) -> None:
        """Raises `NotRunError` where nobody can attach."""
        self._where = where
        self._hands = hands
        self.restarts = hands.restarts
        self.actions = frozenset(Request) - (frozenset() if self.restarts else {Request.RESTART})
        self._news = threading.Condition()
        self._lines: deque[tuple[float, str]] = deque()
        self._waiting = 0  # bytes of the lines
        self._requests: set[Address] = set()
        self._answers: deque[Line] = deque(maxlen=_MOST_LINES)
        self._attach()

    def asks(self, actions: Iterable[Request]) -> bool:
        """Whether somebody at this terminal will have to do any of that."""
        return False

    def act(self, action: Request, text: str, address: Address, moved: Callable[[], bool] | None) -> str:
        """As `Hands` does."""
        if action is Request.RESTART:
            self.close()
            told = self._hands.act(action, text, address, moved)
            self._attach()
            return told
        peer = format_address(address)
        if action in (Request.ACCEPT, Request.DECLINE) and not self._is_asked(address):
            return f"the person isn't asked about {peer}"
        line = Line(Word.CHAT, text) if action is Request.TYPE else Line(_DOES[action], peer)
        return self._say(line)

    def shown(self) -> list[tuple[float, str]]:
        """The lines that the daemon has said since the last time."""
        with self._news:
            lines = list(self._lines)
            self._lines.clear()
            self._waiting = 0
        return lines

    def converse(self, said: Sequence[bytes], within: float, host: str | None = None) -> list[tuple[bytes, bool]]:
        """What other connections are answered when each in turn says that, and which are closed after that time.

        `host`: where the client port is looked for, if not where the client is attached.
        """
        others: list[_Other] = []
        with ExitStack() as opened:
            for data in said:
                others.append(other := _Other())
                try:
                    connection = socket.create_connection((host or self._where[0], self._where[1]), _PATIENCE)
                    other.connection = opened.enter_context(connection)
                    connection.sendall(data)
                except OSError:  # closed before it had read all
                    other.closed = True
                if data:
                    _hear(others, within, lambda it=other: it.heard or it.closed)  # type: ignore[misc]
            _hear(others, within, lambda: all(other.closed for other in others))
        return [(other.heard, other.closed) for other in others]

    def close(self) -> None:
        """Leaves the daemon."""
        with suppress(OSError):
            self._socket.sendall(format_line(Line(Word.QUIT)))
            self._socket.shutdown(socket.SHUT_WR)
            self._reader.join(_MOMENT)
        self._socket.close()
        self._reader.join()

    # -- lines

    def _attach(self) -> None:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                self._socket = socket.create_connection(self._where, _PATIENCE)
                break
            except OSError as error:
                if time.monotonic() > until or not self.restarts:
                    why = error.strerror or error
                    told = f"--client {format_address(self._where)}: no daemon takes clients there: {why}"
                    raise NotRunError(told) from None
                time.sleep(0.05)
        self._socket.settimeout(None)
        self._requests.clear()
        self._reader = threading.Thread(target=self._read, args=(self._socket,), name="client", daemon=True)
        self._reader.start()
        if trouble := self._say(Line(Word.CONNECT, NAME)):
            self.close()
            raise NotRunError(f"{format_address(self._where)}: the daemon takes no client: {trouble}")

    def _say(self, line: Line) -> str:
        """Says it, and waits until it has been answered; what is wrong with it, or nothing."""
        with self._news:
            self._answers.clear()
        try:
            self._socket.sendall(format_line(line) + format_line(Line(Word.PING)))
        except OSError as error:
            return f"the daemon is gone: {error.strerror or error}"
        until = time.monotonic() + _PATIENCE
        with self._news:
            while not any(answer.word is Word.PONG for answer in self._answers):
                left = until - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    break
                self._news.wait(min(left, 0.2))
            errors = [answer.payload for answer in self._answers if answer.word is Word.ERROR]
        return errors[0] if errors else ""

    def _is_asked(self, address: Address) -> bool:
        with self._news:
            return self._news.wait_for(lambda: address in self._requests, _MOMENT)

    def _read(self, connection: socket.socket) -> None:
        buffer = LineBuffer(MAX_DAEMON_LINE_SIZE)
        while True:
            try:
                data = connection.recv(65_536)
                if not data:
                    break
                buffer.feed(data)
                while (line := buffer.next_line()) is not None:
                    self._take(line)
            except (OSError, LineError):
                break
        with self._news:
            self._news.notify_all()

    def _take(self, data: bytes) -> None:
        with self._news:
            if len(self._lines) < _MOST_LINES and self._waiting + len(data) <= _MOST_BYTES:
                self._lines.append((time.monotonic(), data.decode("utf-8", "backslashreplace")))
                self._waiting += len(data)
            try:
                line = parse_line(data)
            except LineError:
                return
            self._answers.append(line)
            if line.word is Word.CONNECTING and len(self._requests) < _MOST_LINES:
                self._requests.update(_addresses(line.fields(2)[1:]))
            elif line.word is Word.CONNECTED or line.word is Word.QUIT:
                self._requests.difference_update(_addresses(line.fields(2)))
            self._news.notify_all()


def _addresses(fields: Iterable[str]) -> Iterator[Address]:
    """Of the fields of a line, those that are addresses; a name is none."""
    for field in fields:
        with suppress(AddressError):
            yield parse_address(field, DAEMON_PORT)


@dataclass
class _Other:
    """Another connection on the client port."""

    connection: socket.socket | None = None
    heard: bytes = b""
    closed: bool = False


def _hear(others: Iterable[_Other], within: float, enough: Callable[[], object]) -> None:
    """Reads what they are answered, until that time has passed or it is enough."""
    until = time.monotonic() + within
    while not enough() and (left := until - time.monotonic()) > 0:
        reading = [each for each in others if not each.closed and len(each.heard) < _MOST_BYTES]
        listening = {each.connection: each for each in reading if each.connection}
        for ready in select.select(list(listening), [], [], left)[0]:
            try:
                some = ready.recv(65_536)
            except OSError:
                some = b""
            listening[ready].heard += some
            listening[ready].closed = not some

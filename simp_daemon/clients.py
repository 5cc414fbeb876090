"""The daemon's side of the client protocol, as pure rules (client.md): lines in, calls and lines out."""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Final

from simp_daemon.events import (
    Connected,
    Ended,
    ErrorReceived,
    Event,
    Ignored,
    MessageAcknowledged,
    MessageReceived,
    MessageUndelivered,
    Rang,
    Refused,
    RequestReceived,
    Unanswered,
)
from simp_daemon.peers.endpoint import Endpoint
from simp_daemon.peers.session import Session
from simp_daemon.peers.states import State
from simp_proto.address import Address, format_address, parse_address
from simp_proto.constants import DAEMON_PORT, MAX_LINE_SIZE, MAX_MESSAGE_SIZE
from simp_proto.errors import AddressError, LineError, NotNowError, NotSimpError, SimpError
from simp_proto.printable import printable_name
from simp_proto.text import Line, LineBuffer, Word, check_user, format_line, parse_line

MAX_CONNECTIONS: Final = 8
"""One client, and a few who ask for PONG (client 1.3)."""
MAX_WAITING: Final = 64
"""Datagrams of ours that wait for their ACK. Beyond that no more lines are read, so that memory doesn't grow."""

Connection = Hashable


class Clients:
    """Every connection on the client port. `now` is the endpoint's clock."""

    def __init__(
        self, endpoint: Endpoint, own: Address | None = None, observe: Callable[[Event], None] = lambda event: None
    ) -> None:
        self.outbox: deque[tuple[Connection, bytes]] = deque()
        """Lines to write, in order."""
        self.closing: deque[Connection] = deque()
        """Connections to close once their lines are written."""
        self.attached: Connection | None = None
        self.held = False
        """Whether the attached client has said more than is acknowledged, so that it isn't read further (spec 8.3)."""
        self._endpoint = endpoint
        self._own = own
        self._observe = observe
        self._buffers: dict[Connection, LineBuffer] = {}
        self._greeted: set[Connection] = set()
        self._messages = 0
        self._chat: Address | None = None
        self._answers: dict[Word, Callable[[str, float], None]] = {
            Word.CONNECTING: self._call,
            Word.CONNECTED: self._accept,
            Word.CHAT: self._say,
            Word.QUIT: self._quit,
        }

    # -- connections

    def connected(self, connection: Connection, *, local: bool) -> None:
        """A new connection; `local` says whether it may use this daemon (client 1.2)."""
        if not local:
            self._refuse(connection, "this daemon answers clients on its own host only; see --allow-remote-clients")
        elif len(self._buffers) >= MAX_CONNECTIONS:
            self._refuse(connection, f"{MAX_CONNECTIONS} connections are open already, which is the most")
        else:
            self._buffers[connection] = LineBuffer()

    def received(self, connection: Connection, data: bytes, now: float) -> None:
        """Bytes from a connection."""
        if connection in self._buffers:
            self._buffers[connection].feed(data)
            self._read(connection, now)

    def closed(self, connection: Connection, now: float) -> None:
        """A connection has ended; its chat ends as if it had said QUIT (client 1.4)."""
        self._buffers.pop(connection, None)
        self._greeted.discard(connection)
        if connection == self.attached:
            self.attached = None
            self.held = False
            current = self._endpoint.current
            if current is not None:
                self._endpoint.quit(current.peer, now)

    @property
    def full(self) -> bool:
        """Whether the held client shouldn't be read further; up to here one still notices that it wants to leave."""
        return self.held and len(self._buffers[self.attached]) >= MAX_LINE_SIZE

    def resume(self, now: float) -> None:
        """Goes on with the lines that are held, once half of what waited is acknowledged."""
        if self.held and self.attached is not None and self._waiting <= MAX_WAITING // 2:
            self._read(self.attached, now)

    @property
    def _waiting(self) -> int:
        current = self._endpoint.current
        return current.waiting if current else 0

    def _read(self, connection: Connection, now: float) -> None:
        """Handles the lines that have arrived, until too much waits for its acknowledgement."""
        while connection in self._buffers:
            buffer = self._buffers[connection]
            if connection == self.attached:
                # Who wants to leave is let go at once; what was said before goes out behind his back (spec 4.7).
                self.held = self._waiting >= MAX_WAITING and not buffer.holds(b"QUIT|")
                if self.held:
                    return
            try:
                line = buffer.next_line()
            except LineError as error:
                self._refuse(connection, str(error), now)
                return
            if line is None:
                return
            self._line(connection, line, now)

    # -- lines

    def _line(self, connection: Connection, data: bytes, now: float) -> None:
        self._handle(connection, data, now)
        self.drain()  # each line is answered before the next is looked at (client 4.1)

    def drain(self) -> None:
        """Tells the client of everything that has happened."""
        while event := self._endpoint.next_event():
            self._observe(event)
            self.happened(event)

    def _handle(self, connection: Connection, data: bytes, now: float) -> None:
        try:
            line = parse_line(data)
        except LineError as error:
            if isinstance(error, NotSimpError) and connection not in self._greeted:
                self._refuse(connection, str(error), now)
                return
            self._write(connection, Word.ERROR, str(error))
            if connection == self.attached and self._chatting and data.startswith(Word.CHAT.encode()):
                self._messages += 1
                self._write(connection, Word.UNDELIVERED, str(self._messages))
            return
        self._greeted.add(connection)
        try:
            self._answer(connection, line, now)
        except (SimpError, ValueError) as error:
            self._write(connection, Word.ERROR, str(error))
            self._conclude(connection, line)

    def _conclude(self, connection: Connection, line: Line) -> None:
        """A call or message that was refused at once ends like any other, so that nobody waits for it (client 4.1)."""
        if connection != self.attached:
            return
        if line.word is Word.CONNECTING:
            self._write(connection, Word.QUIT, line.payload)
        elif line.word is Word.CHAT and self._chatting:
            self._write(connection, Word.UNDELIVERED, str(self._messages))

    def _answer(self, connection: Connection, line: Line, now: float) -> None:
        if line.word is Word.PING:
            self._write(connection, Word.PONG)
        elif line.word is Word.CONNECT:
            self._attach(connection, line.payload)
        elif line.word is Word.QUIT and not line.payload:
            self._write(connection, Word.QUIT)
            self._close(connection, now)
        elif connection != self.attached:
            raise LineError(f"read {line.word}| before CONNECT|, expected CONNECT| and your name first")
        elif line.word in self._answers:
            self._answers[line.word](line.payload, now)
        else:
            raise LineError(f"read {line.word}|, which only a daemon says")

    def _attach(self, connection: Connection, name: str) -> None:
        if self.attached is not None:
            mine = connection == self.attached
            raise NotNowError("you are connected already" if mine else "another client is connected to this daemon")
        self._endpoint.user = check_user(name)
        self.attached = connection
        self._chat = None
        self._write(connection, Word.CONNECTED, name)
        for request in self._endpoint.requests:
            self._tell(Word.CONNECTING, request.peer, request.name)

    def _call(self, payload: str, now: float) -> None:
        peer = parse_address(payload, DAEMON_PORT)
        if peer == self._own:
            raise AddressError(f"{format_address(peer)} is this daemon itself; call somebody else's")
        self._endpoint.call(peer, now)

    def _accept(self, payload: str, now: float) -> None:
        self._endpoint.accept(self._find(payload, self._endpoint.requests).peer, now)

    def _quit(self, payload: str, now: float) -> None:
        current = self._endpoint.current
        candidates = ([current] if current else []) + self._endpoint.requests
        self._endpoint.quit(self._find(payload, candidates).peer, now)

    def _say(self, text: str, now: float) -> None:
        if self._chatting:
            self._messages += 1  # counted whatever becomes of it (client 4.1)
        size = len(text.encode("utf-8", "backslashreplace"))
        if size > MAX_MESSAGE_SIZE:
            raise LineError(f"read a message of {size} bytes, expected at most {MAX_MESSAGE_SIZE}; it was not sent")
        self._endpoint.say(self._messages, text, now)

    @property
    def _chatting(self) -> bool:
        current = self._endpoint.current
        return current is not None and current.state is State.OPEN

    def _find(self, who: str, candidates: list[Session]) -> Session:
        """The conversation with that peer: by address, which can be nobody's name, or by name (client 4)."""
        try:
            address = parse_address(who, DAEMON_PORT)
        except AddressError:
            found = [session for session in candidates if printable_name(session.name) == who]
        else:
            found = [session for session in candidates if session.peer == address]
        if not found:
            names = ", ".join(f"{_name(each.name, each.peer)} ({format_address(each.peer)})" for each in candidates)
            raise NotNowError(f"read {who!r}, expected one of: {names}" if names else f"nobody called {who!r} is here")
        if len(found) > 1:
            addresses = ", ".join(format_address(session.peer) for session in found)
            raise NotNowError(f"{len(found)} are called {who!r}; say which: {addresses}")
        return found[0]

    def _called(self, peer: Address, name: str) -> str:
        """How a peer is called where no address stands beside it: by name, unless another has it too (client 4)."""
        current = self._endpoint.current
        others = self._endpoint.requests + ([current] if current else [])
        shared = _reads_as_address(name) or any(each.name == name and each.peer != peer for each in others)
        return format_address(peer) if shared else _name(name, peer)

    # -- events

    def happened(self, event: Event) -> None:
        """Tells the client of an event (client 4.2)."""
        match event:
            case Ignored() | Refused():
                pass
            case Connected():
                self._messages = 0
                self._chat = event.peer
                self._tell(Word.CONNECTED, event.peer, event.name)
            case RequestReceived():
                self._tell(Word.CONNECTING, event.peer, event.name)
            case Rang():
                self._tell(Word.RINGING, event.peer, event.name)
            case MessageReceived():
                self._say_to_client(Word.CHAT, f"{_name(event.name, event.peer)}|{event.text}")
            case MessageAcknowledged(peer=self._chat):
                self._say_to_client(Word.ACK, str(event.message))
            case MessageUndelivered(peer=self._chat):
                self._say_to_client(Word.UNDELIVERED, str(event.message))
            case MessageAcknowledged() | MessageUndelivered():
                pass  # of a chat that was left before this one began: its numbers would be mistaken for this one's
            case Unanswered():
                self._say_to_client(Word.UNANSWERED, f"{self._called(event.peer, event.name)}|{event.seconds}")
            case ErrorReceived():
                self._say_to_client(Word.ERROR, event.text)
            case Ended():
                self._say_to_client(Word.QUIT, self._called(event.peer, event.name))

    def warn(self, text: str) -> None:
        """Tells the client of something that its user can mend."""
        self._say_to_client(Word.ERROR, text)

    def _tell(self, word: Word, peer: Address, name: str) -> None:
        self._say_to_client(word, f"{_name(name, peer)}|{format_address(peer)}")

    def _say_to_client(self, word: Word, payload: str) -> None:
        if self.attached is not None:
            self._write(self.attached, word, payload)

    # -- output

    def _write(self, connection: Connection, word: Word, payload: str = "") -> None:
        self.outbox.append((connection, format_line(Line(word, payload))))

    def _refuse(self, connection: Connection, text: str, now: float | None = None) -> None:
        self._write(connection, Word.ERROR, text)
        self._close(connection, now)

    def _close(self, connection: Connection, now: float | None) -> None:
        self.closing.append(connection)
        if now is not None:
            self.closed(connection, now)


def _name(name: str, peer: Address) -> str:
    """A peer's name as a field of a line, or its address where no name is known."""
    return printable_name(name) or format_address(peer)


def _reads_as_address(name: str) -> bool:
    try:
        parse_address(printable_name(name), DAEMON_PORT)
    except AddressError:
        return False
    return True

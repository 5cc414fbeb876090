"""Every connection on the client port: who may use it, and whose lines are read when (client 1, 2)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from simp_daemon.clients.attachment import Attachment
from simp_daemon.clients.naming import describe
from simp_daemon.effects import Announce, Client, Close, Throttle, Write
from simp_daemon.events import Ended, Event, RequestReceived, Why
from simp_daemon.messages import Outbox, Peers
from simp_daemon.neighbours import Neighbours
from simp_daemon.peers.strangers import source_of
from simp_proto.address import Address
from simp_proto.constants import MAX_LINE_SIZE, PENDING_REQUESTS, REQUESTS_OF_A_SOURCE
from simp_proto.errors import LineError, NotNowError, NotSimpError, SimpError
from simp_proto.text import Line, LineBuffer, Word, check_user, format_line, parse_line

MAX_CONNECTIONS: Final = 8
"""One client, and a few who ask for PONG (client 1.3)."""
FIRST_LINE: Final = 10.0
"""Seconds that a connection has for its first line (client 1.3)."""
GOODBYE: Final = 1.0
"""Seconds that a client has to read the last lines before its connection is cut (client 1.3)."""
MAX_WAITING: Final = 64
"""Datagrams of ours that wait for their ACK. Beyond that no more lines are read, so that memory doesn't grow."""


@dataclass
class _Connection:
    """One that may speak."""

    since: float
    """When it began, or began to end."""
    buffer: LineBuffer = field(default_factory=LineBuffer)
    unread: bool = False
    """Its buffer may hold a whole line."""
    leaves: bool | None = None
    """Whether its client wants to leave; `None` where that hasn't been looked for yet."""
    greeted: bool = False
    """A line of the protocol has come."""
    slow: bool = False
    held: bool = False
    """Its client has said more than is acknowledged (spec 8.3)."""
    throttled: bool = False
    attachment: Attachment | None = None
    """Its client, where that is the one who is attached."""


class Connections:
    """All of them. `now` is the endpoint's clock."""

    def __init__(
        self,
        endpoint: Peers,
        neighbours: Neighbours,
        emit: Callable[[Write | Throttle | Close | Announce], None],
    ) -> None:
        self._endpoint = endpoint
        self._neighbours = neighbours
        self._emit = emit
        self._outbox = Outbox(endpoint)
        self._open: dict[Client, _Connection] = {}
        self._ending: dict[Client, float] = {}
        self._attachment: Attachment | None = None
        self._missed: dict[Address, tuple[str, float]] = {}
        self._requests: dict[Address, RequestReceived] = {}  # what was told of those that wait

    def connected(self, client: Client, now: float, *, local: bool) -> None:
        """A new connection; `local` says whether it may use this daemon (client 1.2)."""
        if not local:
            self._refuse(client, "this daemon answers clients on its own host only; see --allow-remote-clients", now)
            return
        if len(self._open) + len(self._ending) >= MAX_CONNECTIONS:
            silent = next((each for each, connection in self._open.items() if not connection.greeted), None)
            if silent is None:
                words = f"{MAX_CONNECTIONS} connections are open already, which is the limit"
                self._refuse(client, words, now)
                return
            self._refuse(silent, "it said nothing, and another connection has come", now)
        self._open[client] = _Connection(now)

    def received(self, client: Client, data: bytes) -> None:
        """Bytes from a connection, for `step`."""
        if client in self._open:
            self._open[client].buffer.feed(data)
            self._open[client].unread, self._open[client].leaves = True, None

    def slow(self, client: Client, slow: bool) -> None:
        """Whether a connection takes less than it is given (spec 8.4)."""
        if client in self._open:
            self._open[client].slow = slow

    def closed(self, client: Client, now: float) -> None:
        connection = self._open.pop(client, None)
        self._ending.pop(client, None)
        if connection and connection.attachment:
            self._attachment = None
            self._attend(None, now)
            connection.attachment.detach(now)

    def stop(self, now: float) -> None:
        for client in list(self._open):
            self._close(client, now)

    def handle_timer(self, now: float) -> None:
        """Ends whoever is silent from the beginning, or doesn't read the end. Early or repeated calls do nothing."""
        for client, connection in list(self._open.items()):
            if not connection.greeted and now >= connection.since + FIRST_LINE:
                self._refuse(client, f"read nothing in {FIRST_LINE:g} s, expected a line such as PING|", now)
        for client, since in list(self._ending.items()):
            if now >= since + GOODBYE:
                del self._ending[client]
                self._emit(Close(client, now=True))

    def get_timer(self) -> float | None:
        """When `handle_timer` will next have something to do; changes nothing."""
        times = [each.since + FIRST_LINE for each in self._open.values() if not each.greeted]
        if self._ending:
            times += [since + GOODBYE for since in self._ending.values()]
        return min(times) if times else None

    def happened(self, event: Event, now: float) -> None:
        """Tells the attached client; where there is none, calls that end are kept for the next (client 4.2)."""
        if isinstance(event, RequestReceived):
            waiting = {peer for peer, _ in self._endpoint.requests}
            self._requests = {peer: each for peer, each in self._requests.items() if peer in waiting}
            self._requests[event.peer] = event
        if self._attachment:
            self._attachment.happened(event)
        elif isinstance(event, Ended) and event.why in (Why.FIN, Why.ERR, Why.EXPIRED):
            self._miss(event.peer, event.name, now)

    def _miss(self, peer: Address, name: str, now: float) -> None:
        """Keeps a missed call, as many as requests: two of a source, and strangers' give way first (spec 8.3)."""
        self._missed.pop(peer, None)
        same = [each for each in self._missed if source_of(each) == source_of(peer)]
        strangers = (each for each in self._missed if self._endpoint.framing_of(each) is None)
        if len(same) >= REQUESTS_OF_A_SOURCE:
            del self._missed[same[0]]
        elif len(self._missed) >= PENDING_REQUESTS:
            del self._missed[next(strangers, next(iter(self._missed)))]
        self._missed[peer] = (name, now)

    def warn(self, text: str, client: Client | None = None) -> None:
        """Tells our person, if one is there, or that client."""
        told = client or (self._attachment and self._attachment.client)
        if told:
            self._write(told, Word.ERROR, text)

    def sending_failed(self, peer: Address, why: str, *, refused: bool) -> None:
        """Tells whoever calls that peer or chats with it."""
        if self._attachment:
            self._attachment.sending_failed(peer, why, refused=refused)

    def step(self, now: float) -> bool:
        """Answers the next line that has arrived, if there is one that may be read."""
        for client, connection in self._open.items():
            if connection.unread and self._may_read(connection):
                try:
                    line = connection.buffer.next_line()
                except LineError as error:
                    self._refuse(client, str(error), now)
                    return True
                if line is not None:
                    self._handle(client, connection, line, now)
                    return True
                connection.unread = False
        return False

    def control_flow(self, now: float) -> None:
        """Holds back whoever says, or doesn't take, too much."""
        if self._attachment is None:
            return
        client = self._attachment.client
        connection = self._open[client]
        self._attachment.hold(connection.slow, now)
        # As much as a whole line is read ahead, to notice that the client wants to leave.
        throttled = connection.held and len(connection.buffer) >= MAX_LINE_SIZE
        if throttled is not connection.throttled:
            connection.throttled = throttled
            self._emit(Throttle(client, throttled))

    def _may_read(self, connection: _Connection) -> bool:
        """Not where too much waits for its acknowledgement; from half of that on it goes on."""
        attachment = connection.attachment
        if attachment is None:
            return True
        most = MAX_WAITING // 2 if connection.held else MAX_WAITING - 1
        connection.held = attachment.waiting > most
        if connection.held:
            # Whoever wants to leave is let go; what was said before is still sent after that (spec 4.7).
            if connection.leaves is None:
                connection.leaves = any(map(attachment.leaves, connection.buffer.waiting(b"QUIT|")))
            connection.held = not connection.leaves
        return not connection.held

    # -- lines

    def _handle(self, client: Client, connection: _Connection, data: bytes, now: float) -> None:
        try:
            line = parse_line(data)
        except NotSimpError as error:
            self._refuse(client, str(error), now)
            return
        except LineError as error:
            self._write(client, Word.ERROR, str(error))
            if connection.attachment and data.startswith(Word.CHAT.encode()):
                connection.attachment.miss()
            return
        connection.greeted = True
        try:
            self._answer(client, connection, line, now)
        except SimpError as error:
            self._write(client, Word.ERROR, str(error))

    def _answer(self, client: Client, connection: _Connection, line: Line, now: float) -> None:
        attachment = connection.attachment
        if line.word is Word.PING:
            self._write(client, Word.PONG)
        elif line.word is Word.WHO:
            if not self._neighbours.asks:
                self._write(client, Word.DISCOVERY, "off")
            for seen in self._neighbours.look(now):
                self._write(client, Word.SEEN, describe(seen))
            if attachment:
                attachment.watching = True
        elif line.word is Word.CONNECT:
            self._attach(client, connection, line.payload, now)
        elif line.word is Word.QUIT and not line.payload:
            self._write(client, Word.QUIT)
            self._close(client, now)
        elif attachment:
            attachment.handle(line, now)
        else:
            raise LineError(f"read {line.word}| before CONNECT|, expected CONNECT| and your name first")

    def _attach(self, client: Client, connection: _Connection, name: str, now: float) -> None:
        if self._attachment:
            mine = self._attachment is connection.attachment
            other = "another client is connected to this daemon, which takes one at a time: close that one first"
            raise NotNowError("you are connected already" if mine else other)
        check_user(name)
        attachment = Attachment(client, self._endpoint, self._neighbours, self._outbox, self._emit)
        self._attachment = connection.attachment = attachment
        missed = ((peer, caller, round(now - at)) for peer, (caller, at) in self._missed.items())
        attachment.greet(name, missed, self._requests)
        self._missed.clear()
        self._attend(name, now)

    def _attend(self, name: str | None, now: float) -> None:
        """Who is there now, if anybody is: peers, neighbours and the network are told that name."""
        self._endpoint.user = name
        self._neighbours.attend(name is not None, now)
        self._emit(Announce(name or ""))

    # -- output

    def _write(self, client: Client, word: Word, payload: str = "") -> None:
        self._emit(Write(client, format_line(Line(word, payload))))

    def _refuse(self, client: Client, text: str, now: float) -> None:
        self._write(client, Word.ERROR, text)
        self._close(client, now)

    def _close(self, client: Client, now: float) -> None:
        crowd = len(self._ending) >= MAX_CONNECTIONS
        self._emit(Close(client, now=crowd))
        self.closed(client, now)
        if not crowd:
            self._ending[client] = now

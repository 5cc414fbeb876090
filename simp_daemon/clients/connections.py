"""Every connection on the client port: who may use it, and whose lines are read when (client 1, 2)."""

from typing import Final

from simp_daemon.clients.attachment import MAX_WAITING, Attachment
from simp_daemon.effects import Client, Close, Effect, Send, Throttle, Write
from simp_daemon.messages import Outbox
from simp_daemon.peers.endpoint import Endpoint
from simp_daemon.peers.policy import OneChat
from simp_proto.address import Address
from simp_proto.constants import MAX_LINE_SIZE
from simp_proto.errors import LineError, NotNowError, NotSimpError, SimpError
from simp_proto.text import Line, LineBuffer, Word, format_line, parse_line

MAX_CONNECTIONS: Final = 8
"""One client, and a few that only ask for PONG (client 1.3)."""


class Connections:
    """All of them. `now` is the endpoint's clock, `own` the daemon's address, if it has a single one.

    After each call, take what there is to do from `outlet`, in its order; what the endpoint has put into its own is
    in it.
    """

    def __init__(self, endpoint: Endpoint, one_chat: OneChat, own: Address | None = None) -> None:
        self.outlet: list[Effect] = []
        self.attachment: Attachment | None = None
        self._endpoint = endpoint
        self._one_chat = one_chat
        self._own = own
        self._outbox = Outbox(endpoint)
        self._buffers: dict[Client, LineBuffer] = {}
        self._greeted: set[Client] = set()
        self._slow: set[Client] = set()
        self._held = False  # the attached client has said more than is acknowledged (spec 8.3)
        self._throttled = False

    def connected(self, client: Client, *, local: bool) -> None:
        """A new connection; `local` says whether it may use this daemon (client 1.2)."""
        if not local:
            self._refuse(client, "this daemon answers clients on its own host only; see --allow-remote-clients")
        elif len(self._buffers) >= MAX_CONNECTIONS:
            self._refuse(client, f"{MAX_CONNECTIONS} connections are open already, which is the limit")
        else:
            self._buffers[client] = LineBuffer()

    def received(self, client: Client, data: bytes, now: float) -> None:
        """Bytes from a connection."""
        if client in self._buffers:
            self._buffers[client].feed(data)
            self._read(client, now)

    def closed(self, client: Client, now: float) -> None:
        """A connection has ended."""
        self._buffers.pop(client, None)
        self._greeted.discard(client)
        self._slow.discard(client)
        if attachment := self._attachment_of(client):
            attachment.detach(now)
            self.attachment = None
            self._held = self._throttled = False

    def slow(self, client: Client, slow: bool) -> None:
        """Whether a connection takes less than it is given (spec 8.4)."""
        (self._slow.add if slow else self._slow.discard)(client)

    def settle(self, now: float) -> None:
        """Tells the client of everything that has happened, and goes on with lines of its that were held."""
        self._drain()
        if self.attachment is None:
            self._one_chat.slow = False
            return
        client = self.attachment.client
        if self._held and self.attachment.waiting <= MAX_WAITING // 2:
            self._read(client, now)
        self._one_chat.slow = client in self._slow
        # As much as a whole line is read ahead, to notice that the client wants to leave.
        full = self._held and len(self._buffers[client]) >= MAX_LINE_SIZE
        if full is not self._throttled:
            self._throttled = full
            self.outlet.append(Throttle(client, full))

    def warn(self, text: str) -> None:
        """Tells the client about something that its user can fix."""
        if self.attachment:
            self.attachment.write(Word.ERROR, text)

    def _attachment_of(self, client: Client) -> Attachment | None:
        return self.attachment if self.attachment and self.attachment.client == client else None

    def _drain(self) -> None:
        """Passes on what the endpoint has to say, each event followed by what the client is told of it."""
        for each in self._endpoint.outlet:
            self.outlet.append(each)
            if self.attachment and not isinstance(each, Send):
                self.attachment.happened(each)
        self._endpoint.outlet.clear()

    # -- lines

    def _read(self, client: Client, now: float) -> None:
        """Handles the lines that have arrived, until too much waits for its acknowledgement."""
        while client in self._buffers:
            buffer = self._buffers[client]
            if attachment := self._attachment_of(client):
                # Whoever wants to leave is let go; what was said before is still sent after that (spec 4.7).
                self._held = attachment.waiting >= MAX_WAITING and not buffer.holds(b"QUIT|")
                if self._held:
                    return
            try:
                line = buffer.next_line()
            except LineError as error:
                self._refuse(client, str(error), now)
                return
            if line is None:
                return
            self._handle(client, line, now)
            self._drain()  # each line is answered before the next is read (client 4.1)

    def _handle(self, client: Client, data: bytes, now: float) -> None:
        try:
            line = parse_line(data)
        except LineError as error:
            if isinstance(error, NotSimpError) and client not in self._greeted:
                self._refuse(client, str(error), now)
                return
            self._write(client, Word.ERROR, str(error))
            attachment = self._attachment_of(client)
            if attachment and data.startswith(Word.CHAT.encode()):
                attachment.miss()
            return
        self._greeted.add(client)
        try:
            self._answer(client, line, now)
        except SimpError as error:
            self._write(client, Word.ERROR, str(error))

    def _answer(self, client: Client, line: Line, now: float) -> None:
        if line.word is Word.PING:
            self._write(client, Word.PONG)
        elif line.word is Word.CONNECT:
            self._attach(client, line.payload)
        elif line.word is Word.QUIT and not line.payload:
            self._write(client, Word.QUIT)
            self._close(client, now)
        elif attachment := self._attachment_of(client):
            attachment.handle(line, now)
        else:
            raise LineError(f"read {line.word}| before CONNECT|, expected CONNECT| and your name first")

    def _attach(self, client: Client, name: str) -> None:
        if self.attachment is not None:
            mine = client == self.attachment.client
            raise NotNowError("you are connected already" if mine else "another client is connected to this daemon")
        self.attachment = Attachment(
            client, name, self._own, self._endpoint, self._one_chat, self._outbox, self.outlet.append
        )

    # -- output

    def _write(self, client: Client, word: Word, payload: str = "") -> None:
        self.outlet.append(Write(client, format_line(Line(word, payload))))

    def _refuse(self, client: Client, text: str, now: float | None = None) -> None:
        self._write(client, Word.ERROR, text)
        self._close(client, now)

    def _close(self, client: Client, now: float | None) -> None:
        self.outlet.append(Close(client))
        if now is not None:
            self.closed(client, now)

"""A person's client: what it wishes, and what it is told (client 4). Knows nothing of datagrams."""

from collections.abc import Callable
from typing import Final

from simp_daemon.effects import Client, Write
from simp_daemon.events import (
    Connected,
    Ended,
    ErrorReceived,
    Event,
    MessageAcknowledged,
    MessageReceived,
    MessageUndelivered,
    Rang,
    RequestReceived,
    Unanswered,
)
from simp_daemon.messages import Outbox
from simp_daemon.peers.endpoint import Endpoint
from simp_daemon.peers.policy import OneChat
from simp_daemon.peers.session import Session
from simp_daemon.peers.states import State
from simp_proto.address import Address, format_address, parse_address
from simp_proto.constants import DAEMON_PORT, MAX_MESSAGE_SIZE
from simp_proto.errors import AddressError, LineError, NotNowError, SimpError
from simp_proto.printable import printable_name
from simp_proto.text import Line, Word, check_user, format_line

MAX_WAITING: Final = 64
"""Datagrams of ours that wait for their ACK. Beyond that no more lines are read, so that memory doesn't grow."""


class Attachment:
    """One attached client. `now` is the endpoint's clock, `own` the daemon's address, which isn't called."""

    def __init__(
        self,
        client: Client,
        name: str,
        own: Address | None,
        endpoint: Endpoint,
        one_chat: OneChat,
        outbox: Outbox,
        emit: Callable[[Write], None],
    ) -> None:
        """Raises `LineError` for a name that isn't one (client 3.3)."""
        endpoint.user = check_user(name)
        self.client = client
        self._own = own
        self._endpoint = endpoint
        self._one_chat = one_chat
        self._outbox = outbox
        self._emit = emit
        self._said = 0
        outbox.forget()
        self._wishes: Final[dict[Word, Callable[[str, float], None]]] = {
            Word.CONNECTING: self._call,
            Word.CONNECTED: self._accept,
            Word.CHAT: self._say,
            Word.QUIT: self._quit,
        }
        self.write(Word.CONNECTED, name)
        for request in endpoint.requests:
            self._tell(Word.CONNECTING, request.peer, request.name)

    @property
    def waiting(self) -> int:
        """How many datagrams wait for their ACK."""
        current = self._one_chat.current
        return current.waiting if current else 0

    def write(self, word: Word, payload: str = "") -> None:
        """Tells the client that."""
        self._emit(Write(self.client, format_line(Line(word, payload))))

    def detach(self, now: float) -> None:
        """The client is gone: its call or chat ends as if it had said QUIT (client 1.4)."""
        current = self._one_chat.current
        if current is not None:
            self._endpoint.quit(current.peer, now)

    # -- what it wishes

    def handle(self, line: Line, now: float) -> None:
        """A line of the client's."""
        try:
            if line.word not in self._wishes:
                raise LineError(f"read {line.word}|, which only a daemon says")
            self._wishes[line.word](line.payload, now)
        except (SimpError, ValueError) as error:
            self.write(Word.ERROR, str(error))
            # What was refused ends like any other call or message, so that nobody waits for it (client 4.1).
            if line.word is Word.CONNECTING:
                self.write(Word.QUIT, line.payload)
            elif line.word is Word.CHAT:
                self.write(Word.UNDELIVERED, str(self._said))

    def miss(self) -> None:
        """A CHAT line that couldn't be read counts, too, and is told (client 4.1)."""
        self._said += 1
        self.write(Word.UNDELIVERED, str(self._said))

    def _call(self, payload: str, now: float) -> None:
        peer = parse_address(payload, DAEMON_PORT)
        if peer == self._own:
            raise AddressError(f"{format_address(peer)} is this daemon itself; call somebody else's")
        waits = any(request.peer == peer for request in self._endpoint.requests)
        (self._endpoint.accept if waits else self._endpoint.call)(peer, now)  # (client 4.1)

    def _accept(self, payload: str, now: float) -> None:
        self._endpoint.accept(self._find(payload, self._endpoint.requests).peer, now)

    def _quit(self, payload: str, now: float) -> None:
        self._endpoint.quit(self._find(payload, self._others).peer, now)

    def _say(self, text: str, now: float) -> None:
        self._said += 1  # counted whatever becomes of it (client 4.1)
        partner = self._one_chat.current
        if partner is None or partner.state is not State.OPEN:
            raise NotNowError("no chat is on; call somebody first")
        size = len(text.encode("utf-8", "backslashreplace"))
        if size > MAX_MESSAGE_SIZE:
            raise LineError(f"read a message of {size} bytes, expected at most {MAX_MESSAGE_SIZE}; it was not sent")
        self._outbox.say(partner.peer, self._said, text, now)

    @property
    def _others(self) -> list[Session]:
        """Everybody with whom something is going on."""
        current = self._one_chat.current
        return ([current] if current else []) + self._endpoint.requests

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

    # -- what it is told

    def happened(self, event: Event) -> None:
        """Tells the client of an event, if it is one for people (client 4.2)."""
        match event:
            case Connected():
                self._said = 0
                self._outbox.forget()
                self._tell(Word.CONNECTED, event.peer, event.name)
            case RequestReceived():
                self._tell(Word.CONNECTING, event.peer, event.name)
            case Rang():
                self._tell(Word.RINGING, event.peer, event.name)
            case MessageReceived():
                self.write(Word.CHAT, f"{_name(event.name, event.peer)}|{event.text}")
            case MessageAcknowledged() | MessageUndelivered():
                number = self._outbox.settle(event)
                if number is not None:
                    self.write(Word.ACK if isinstance(event, MessageAcknowledged) else Word.UNDELIVERED, str(number))
            case Unanswered():
                self.write(Word.UNANSWERED, f"{self._called(event.peer, event.name)}|{event.seconds}")
            case ErrorReceived():
                self.write(Word.ERROR, event.text)
            case Ended():
                self.write(Word.QUIT, self._called(event.peer, event.name))

    def _tell(self, word: Word, peer: Address, name: str) -> None:
        self.write(word, f"{_name(name, peer)}|{format_address(peer)}")

    def _called(self, peer: Address, name: str) -> str:
        """How a peer is named where no address follows: by name, unless another peer has that name (client 4)."""
        shared = _reads_as_address(name) or any(each.name == name and each.peer != peer for each in self._others)
        return format_address(peer) if shared else _name(name, peer)


def _name(name: str, peer: Address) -> str:
    """A peer's name as a field of a line, or its address where no name is known."""
    return printable_name(name) or format_address(peer)


def _reads_as_address(name: str) -> bool:
    try:
        parse_address(printable_name(name), DAEMON_PORT)
    except AddressError:
        return False
    return True

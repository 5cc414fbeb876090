"""A person's client: what it wishes, and what it is told (client 4). Knows nothing of datagrams."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from simp_daemon import events
from simp_daemon.clients.naming import describe, name_or_address, reads_as_address
from simp_daemon.effects import Client, Write
from simp_daemon.events import Event, Security, Why
from simp_daemon.messages import Outbox, Peers
from simp_daemon.neighbours import Neighbours
from simp_proto.address import Address, format_address, parse_address
from simp_proto.constants import DAEMON_PORT, MAX_MESSAGE_SIZE
from simp_proto.errors import AddressError, LineError, NotNowError, SimpError
from simp_proto.printable import printable_name, quoted
from simp_proto.text import Line, Word, format_line, parse_line

_HEARD: Final = (events.MessageReceived, events.MessageAcknowledged, events.Connected, events.Rang)
"""Events that only come from a partner whom something of ours reaches, or who reaches us."""


@dataclass(frozen=True, slots=True)
class _Other:
    """Somebody who calls us, whom we call, or with whom a chat is on."""

    peer: Address
    name: str
    chatting: bool = False

    @property
    def called(self) -> str:
        return name_or_address(self.peer, self.name)


class Attachment:
    """One attached client. `now` is the endpoint's clock."""

    def __init__(
        self,
        client: Client,
        endpoint: Peers,
        neighbours: Neighbours,
        outbox: Outbox,
        emit: Callable[[Write], None],
    ) -> None:
        self.client = client
        self._endpoint = endpoint
        self._neighbours = neighbours
        self.watching = False
        """Whether it is told who comes and goes."""
        self._outbox = outbox
        self._emit = emit
        self._requests = {peer: _Other(peer, name) for peer, name in endpoint.requests}
        self._partner: _Other | None = None
        self._wish = ""
        """What our client called the partner when it called them."""
        self._said = 0
        self._warned = False
        outbox.forget()
        self._wishes: Final[dict[Word, Callable[[str, float], None]]] = {
            Word.CONNECTING: self._call,
            Word.CONNECTED: self._accept,
            Word.CHAT: self._say,
            Word.QUIT: self._quit,
        }

    def greet(
        self, name: str, missed: Iterable[tuple[Address, str, int]], told: Mapping[Address, events.RequestReceived]
    ) -> None:
        """Tells who called while nobody was there, and how many seconds ago they gave up; then who calls now, with what
        was `told` of each.
        """
        self._write(Word.CONNECTED, name)
        for peer, caller, seconds in missed:
            self._write(Word.MISSED, f"{name_or_address(peer, caller)}|{format_address(peer)}|{seconds}")
        for request in self._requests.values():
            asked = told.get(request.peer)
            self._tell(Word.CONNECTING, request, asked.security if asked else None)

    @property
    def waiting(self) -> int:
        """How many datagrams wait for their ACK."""
        return self._endpoint.waiting(self._partner.peer) if self._partner else 0

    def leaves(self, line: bytes) -> bool:
        """Whether that line, which it has yet to come to, ends its chat."""
        try:
            who = parse_line(line).payload
            return not who or bool(self._partner and self._find(who, [self._partner]))
        except (LineError, NotNowError):
            return False

    def hold(self, held: bool, now: float) -> None:
        """Whether the client can take no message now."""
        if self._partner:
            self._endpoint.hold(self._partner.peer, held, now)

    def detach(self, now: float) -> None:
        """The client is gone: its call or chat ends as if it had said QUIT (client 1.4)."""
        if self._partner:
            with suppress(NotNowError):  # it is over already
                self._endpoint.quit(self._partner.peer, now)

    # -- what it wishes

    def handle(self, line: Line, now: float) -> None:
        try:
            if line.word not in self._wishes:
                raise LineError(f"read {line.word}|, which only a daemon says")
            if not line.payload and line.word is not Word.CHAT:  # nobody has no name (client 3.3)
                raise LineError("read no name and no address, expected one")
            self._wishes[line.word](line.payload, now)
        except (SimpError, ValueError) as error:
            self._write(Word.ERROR, str(error))
            # What was refused ends like any other call or message, so that nobody waits for it (client 4.1).
            if line.word is Word.CONNECTING and line.payload:
                self._write(Word.QUIT, line.payload)
            elif line.word is Word.CHAT:
                self._write(Word.UNDELIVERED, str(self._said))

    def miss(self) -> None:
        """A CHAT line that couldn't be read counts, too, and is told (client 4.1)."""
        self._said += 1
        self._write(Word.UNDELIVERED, str(self._said))

    def _call(self, payload: str, now: float) -> None:
        peer, name = self._whom(payload, now)
        if peer in self._requests and not self._endpoint.expects_another(peer, name):  # (client 4.1)
            self._endpoint.accept(peer, now)
        else:
            listed = self._neighbours.lists(peer, printable_name(name))
            self._endpoint.call(peer, now, name, listed=listed)
        self._partner, self._wish = self._requests.pop(peer, _Other(peer, name)), payload

    def _whom(self, payload: str, now: float) -> tuple[Address, str]:
        """The address, or that of the only one who has that name (discovery 4.1)."""
        try:
            return parse_address(payload, DAEMON_PORT), ""
        except AddressError as error:
            name = printable_name(payload)
            asking = [each.peer for each in self._requests.values() if printable_name(each.name) == name]
            found = list(dict.fromkeys(asking + self._neighbours.called(name, now)))
            if not found:
                raise AddressError(f"{error}, or the name of somebody who is here") from None
        return _only(found, payload), payload

    def _accept(self, payload: str, now: float) -> None:
        request = self._find(payload, list(self._requests.values()))
        self._endpoint.accept(request.peer, now)
        self._partner, self._wish = self._requests.pop(request.peer), ""

    def _quit(self, payload: str, now: float) -> None:
        other = self._find(payload, self._others)
        self._endpoint.quit(other.peer, now, request=other is not self._partner)

    def _say(self, text: str, now: float) -> None:
        self._said += 1  # counted whatever becomes of it (client 4.1)
        if self._partner is None or not self._partner.chatting:
            raise NotNowError("no chat is on; call somebody first")
        size = len(text.encode("utf-8", "backslashreplace"))
        if size > MAX_MESSAGE_SIZE:
            raise LineError(f"read a message of {size} bytes, expected at most {MAX_MESSAGE_SIZE}; it was not sent")
        self._outbox.say(self._partner.peer, self._said, text, now)

    @property
    def _others(self) -> list[_Other]:
        """Everybody with whom something is going on."""
        return ([self._partner] if self._partner else []) + list(self._requests.values())

    def _find(self, who: str, candidates: list[_Other]) -> _Other:
        """The conversation with that peer: by address, which can be nobody's name, or by name (client 4)."""
        if self._partner in candidates and who == self._wish:  # a client may not have learnt yet who that is
            return self._partner
        try:
            address = parse_address(who, DAEMON_PORT)
        except AddressError:
            found = [each for each in candidates if printable_name(each.name) == printable_name(who)]
        else:
            found = [each for each in candidates if each.peer == address]
        if not found:
            names = ", ".join(f"{each.called} ({format_address(each.peer)})" for each in candidates)
            raise NotNowError(f"read {who!r}, expected one of: {names}" if names else f"nobody called {who!r} is here")
        _only(list(dict.fromkeys(each.peer for each in found)), who)  # the chat before a request of the same peer
        return found[0]

    # -- what it is told

    def happened(self, event: Event) -> None:  # noqa: PLR0912  a case for each event
        """Tells the client of an event, if it is one for people (client 4.2)."""
        if isinstance(event, _HEARD):
            self._warned = False
        match event:
            case events.MessageReceived(peer, name, text):
                self._write(Word.CHAT, f"{name_or_address(peer, name)}|{text}")
            case events.MessageAcknowledged() | events.MessageUndelivered():
                word = Word.ACK if isinstance(event, events.MessageAcknowledged) else Word.UNDELIVERED
                if (number := self._outbox.settle(event)) is not None:
                    self._write(word, str(number))
            case events.Connected(peer, name):
                self._requests.pop(peer, None)
                self._partner = _Other(peer, name, chatting=True)
                self._said = 0
                self._outbox.forget()
                self._tell(Word.CONNECTED, self._partner, event.security, logged=event.logged)
            case events.Secured(peer, name, security, logged) if self._partner and self._partner.peer == peer:
                self._write(Word.SECURED, _secured(self._partner, security, logged=logged))
            case events.RequestReceived(peer, name):
                self._requests[peer] = _Other(peer, name)
                self._tell(Word.CONNECTING, self._requests[peer], event.security)
            case events.Rang(peer, name):  # SIMP/2 says no name before it can be sealed
                called = self._partner.name if self._partner and self._partner.peer == peer else ""
                self._partner = _Other(peer, name or called)
                self._tell(Word.RINGING, self._partner)
            case events.Unattended(peer, name):
                self._tell(Word.AWAY, _Other(peer, name))
            case events.AnsweredElsewhere(peer, _, elsewhere):
                self._write(Word.ELSEWHERE, f"{format_address(peer)}|{format_address(elsewhere)}")
            case events.Seen() if self.watching:
                self._write(Word.SEEN, describe(event))
            case events.Gone(peer, name) if self.watching:
                self._write(Word.GONE, f"{printable_name(name)}|{format_address(peer)}")
            case events.Unanswered(peer, name, seconds):
                self._write(Word.UNANSWERED, f"{self._called(peer, name)}|{seconds}")
            case events.Silent(peer, name, seconds):
                self._write(Word.SILENT, f"{self._called(peer, name)}|{seconds}")
            case events.ErrorReceived(peer, name, text, said):  # whose words they are has to be seen
                says = f"{self._called(peer, name)}'s daemon says: {quoted(said)}" if said else ""
                self._write(Word.ERROR, says + text)
            case events.Ended():
                self._end(event)

    def _end(self, ended: events.Ended) -> None:
        partner = self._partner if self._partner and self._partner.peer == ended.peer else None
        called = self._called(ended.peer, ended.name)
        if partner and ended.request:
            called = name_or_address(ended.peer, ended.name)
            if called == partner.called:  # or else a client would take it for the end of the chat
                self._requests.pop(ended.peer, None)
                return
        elif partner:
            if ended.why is Why.LOST and partner.chatting:
                self._write(Word.ERROR, f"{called} stopped answering")
            self._partner = None
        self._requests.pop(ended.peer, None)
        self._write(Word.QUIT, called)

    def sending_failed(self, peer: Address, why: str, *, refused: bool) -> None:
        """The system says why nothing gets to that peer; `refused`: nothing listens there."""
        if self._partner and self._partner.peer == peer and not self._warned:
            self._warned = True  # again once something has been heard of it: anyone can make up such failures (spec 10)
            if refused and self._partner.chatting and self._partner.name:
                why = f"{self._partner.called}'s daemon doesn't run at {format_address(peer)}"
            self._write(Word.ERROR, why)

    def _write(self, word: Word, payload: str = "") -> None:
        self._emit(Write(self.client, format_line(Line(word, payload))))

    def _tell(self, word: Word, other: _Other, security: Security | None = None, *, logged: bool = False) -> None:
        """In one write with how it is secured, so that whoever has read the one knows the other (client 4.3)."""
        lines = [Line(word, f"{other.called}|{format_address(other.peer)}")]
        if security:
            lines.append(Line(Word.SECURED, _secured(other, security, logged=logged)))
        self._emit(Write(self.client, b"".join(map(format_line, lines))))

    def _called(self, peer: Address, name: str) -> str:
        """How a peer is called where no address stands beside it: by name, unless another has it too (client 4).

        That is the name which the client was told, if it was told one, whatever the peer has called itself since.
        """
        name = next((each.name for each in self._others if each.peer == peer and (each.name or each.chatting)), name)
        shared = reads_as_address(name) or any(each.name == name and each.peer != peer for each in self._others)
        return format_address(peer) if shared else name_or_address(peer, name)


def _secured(other: _Other, security: Security, *, logged: bool) -> str:
    """How the chat with that one is secured, or would be, as the payload of SECURED (client 4.3)."""
    return f"{other.called}|{format_address(other.peer)}|{security}{'|logged' if logged else ''}"


def _only(found: list[Address], name: str) -> Address:
    """The one of that name; raises `NotNowError` where there are more."""
    if len(found) > 1:
        raise NotNowError(f"{len(found)} are called {name!r}; say which: {', '.join(map(format_address, found))}")
    return found[0]

"""The client's end of the text protocol: what a program needs to chat through its daemon (client.md). Pure.

In go wishes (`attach`, `call`, `say` ...) and the lines that the daemon says (`receive_line`, `lose`); out come
`lines_to_send` and, one by one with `next_event`, what has happened. A wish that can't be now raises `NotNowError`;
no line of a daemon raises anything (client 2.4).
"""

from collections import deque
from dataclasses import replace
from enum import Enum, unique
from typing import Final

from simp_client import events
from simp_client.events import NOBODY, Event, Fate, How, Other
from simp_client.people import People, number, read_peer, read_seen, written
from simp_proto.constants import BUSY, MAX_LINE_SIZE, MAX_MESSAGE_SIZE, PENDING_REQUESTS
from simp_proto.errors import LineError, NotNowError
from simp_proto.printable import names_person
from simp_proto.text import Line, Word, check_user, format_line

MOST_REQUESTS: Final = 2 * PENDING_REQUESTS
"""As many may wait here. A daemon keeps half of them, but tells a new one before it says which one gave way."""
_UNRELATED: Final = (Word.ACK, Word.UNDELIVERED, Word.SEEN, Word.GONE, Word.DISCOVERY)
"""Lines that may come between an ERROR and the QUIT that it explains."""
_SECURED: Final = ("clear", "encrypted", "verified", "claimed", "clear-claimed")
"""What is known here of how a chat is secured (client 4.3)."""
_CLUELESS: Final = 330
"""Seconds of ringing after which a daemon may have given up the call (spec 6.3)."""


@unique
class Phase(Enum):
    """How far an attachment is."""

    APART = "it isn't attached"
    ATTACHING = "CONNECT is out"
    IDLE = "it is attached and nothing is on"
    CALLING = "a call is out"
    ACCEPTING = "a request was accepted, the chat is not yet on"
    CHAT = "the chat is on"
    LEAVING = "QUIT to the partner is out"
    DETACHING = "QUIT is out"
    OVER = "the connection has ended"


class Attachment:
    """One connection's worth of the protocol."""

    def __init__(self) -> None:
        self.phase = Phase.APART
        self.partner = NOBODY
        """Who is called, accepted or chatted with."""
        self.rang = False
        """Whether the call has reached the other daemon."""
        self.requests: list[Other] = []
        """Those that wait, the oldest first."""
        self.people = People()
        self.watches = True
        """Whether the daemon tells who is here, as far as known."""
        self.looks = True
        """Whether it looks for anybody, as far as told."""
        self.said = 0
        """Messages of this chat so far."""
        self.outstanding: dict[int, str] = {}
        """The messages whose fate is unknown, by their number."""
        self.silence = 0
        """For how many seconds nothing has been heard of the partner, as far as told."""
        self.doubted = ""
        """Where somebody was here who hasn't answered a call or a message, until the daemon has said more of them."""
        self._answered = False  # CONNECT is
        self._last: Word | None = None  # of the last line
        self._why: str | None = None  # the ERROR since the call, acceptance or chat began
        self._told = False  # which came just now
        self._unanswered = 0  # seconds without an answer, as far as told
        self._barriers: deque[Other | Phase] = deque()  # what each PING's PONG ends: a declining, or a phase
        self._lines: list[Line] = []
        self._events: deque[Event] = deque()

    # -- what comes out

    def lines_to_send(self) -> list[Line]:
        """What to say to the daemon; each line once."""
        lines, self._lines = self._lines, []
        return lines

    def next_event(self) -> Event | None:
        """What has happened and wasn't told yet, or nothing."""
        return self._events.popleft() if self._events else None

    # -- wishes

    def attach(self, user: str) -> None:
        """Attaches under that name, once; raises `LineError` for what is no name. Leads to `Idle`, or `Warned`."""
        self._require("attach", Phase.APART)
        self._say(Word.CONNECT, check_user(user))
        self._say_and_ping(Word.WHO, "", Phase.ATTACHING)
        self.phase, self._answered = Phase.ATTACHING, False

    def ping(self) -> None:
        """Says something, which leads to nothing: whoever isn't yet attached must soon (client 1.3)."""
        self._say(Word.PING)
        self._barriers.append(NOBODY)

    def call(self, whom: str) -> None:
        """Calls `IP`, `IP:port` or whoever the daemon finds to have that name (discovery 4.1). Raises `LineError` for
        what can be neither. Leads to `Began` or `Failed`.
        """
        self._require("call", Phase.IDLE)
        callee = read_peer(whom)
        self._say(Word.CONNECTING, callee.peer)
        # The daemon fills in the port (client 4). Where a name leads it tells later; until then this is where we think.
        where = self.people.named(callee.name)
        self._begin(Phase.CALLING, Other(callee.name, where[0]) if len(where) == 1 else callee)

    def look(self) -> None:
        """Asks who is here. Leads to `Idle`, once all of them have been told."""
        self._require("look", Phase.IDLE)
        self._say_and_ping(Word.WHO, "", Phase.IDLE)

    def accept(self, request: Other) -> None:
        """Accepts one of `requests`, which ends a call. Leads to `Began` or `Failed`."""
        self._require("accept", Phase.IDLE, Phase.CALLING)
        self._take(request)
        self._begin(Phase.ACCEPTING, request)
        self._say(Word.CONNECTED, request.peer)

    def decline(self, request: Other) -> None:
        self._take(request)
        self._say_and_ping(Word.QUIT, request.peer, request)

    def say(self, text: str) -> int:
        """Says that to the partner and returns its number; raises `LineError` for what no line can carry.

        Leads to `Settled`.
        """
        self._require("say", Phase.CHAT)
        line = Line(Word.CHAT, text)
        _check_message(line)
        self.said += 1
        self.outstanding[self.said] = text
        self._lines.append(line)
        return self.said

    def leave(self) -> None:
        """Leaves the chat, or takes the call back. Leads to `Idle`; messages under way still get their fate."""
        self._require("leave", Phase.CALLING, Phase.ACCEPTING, Phase.CHAT)
        written = self.partner.name if self.phase is Phase.CALLING and not self.rang else ""
        self._say_and_ping(Word.QUIT, written or self.partner.peer, Phase.LEAVING)
        if self.phase is Phase.CHAT and (self.outstanding or self.silence):
            self.doubted = self.partner.address
        self._begin(Phase.LEAVING, NOBODY)

    def detach(self) -> None:
        """Ends all of it, in any phase, without waiting for any fate. Leads to `Over`."""
        if self.phase not in (Phase.DETACHING, Phase.OVER):
            self._settle_all(Fate.UNKNOWN)
            self._begin(Phase.DETACHING, NOBODY)
            self._say(Word.QUIT)

    # -- what the daemon does

    def receive_line(self, line: Line) -> None:  # noqa: PLR0912, PLR0915  a case for each word
        if self.phase is Phase.OVER:
            return
        calling = self.phase is Phase.CALLING
        last, self._last = self._last, line.word
        match line.word:
            case Word.PING | Word.CONNECT | Word.WHO:  # which only a client says
                return
            case Word.PONG:
                self._pass_barrier()
            case Word.CONNECTING:
                request = Other(*line.fields(2))
                if request.peer:
                    self.requests = [*self._requests_but(request), request][-MOST_REQUESTS:]
                    self._tell(events.Requested(request))
            case Word.SECURED:
                self._secure(*line.fields(5)[1:4], asks=last is Word.CONNECTING)
            case Word.MISSED:
                name, address, seconds = line.fields(3)
                if (ago := number(seconds)) is not None and (name or address):
                    self._tell(events.Missed(Other(name, address), ago))
            case Word.SEEN:
                self._see(line)
            case Word.GONE:
                self._put(line.fields(3)[1], None)
            case Word.DISCOVERY:
                self.looks = line.payload != "off"
            case Word.RINGING if calling and not self.rang:
                self.rang = True
                name, address = line.fields(2)
                known = name if names_person(name) and name != address else ""
                self.partner = Other(known, address or self.partner.address)
                self._tell(events.Ringing(self.partner))
            case Word.AWAY if calling and self.partner.goes_by(line.fields(2)[1]):
                self._events.extend(self.people.away(self._called))
                self._tell(events.Away(self.partner))
            case Word.ELSEWHERE if calling and not self.rang:
                called, address = line.fields(2)
                if called == self._called and address:
                    self._tell(events.Elsewhere(self.partner, address))
            case Word.CONNECTED:
                self._answered = True
                self._connect(Other(*line.fields(2)))
            case Word.CHAT:
                self.silence = 0
                self._tell(events.Said(*line.fields(2)))
            case Word.ACK:
                self.silence = self._unanswered = 0
                self._settle(number(line.payload), Fate.ACKNOWLEDGED)
            case Word.UNDELIVERED:
                self._settle(number(line.payload), Fate.UNDELIVERED)
            case Word.UNANSWERED if self.phase in (Phase.CALLING, Phase.CHAT):
                self._unanswered = number(line.fields(2)[1]) or 30
                self._tell(events.Unanswered(self.partner, self._unanswered))
                if calling and not self.rang:
                    self._doubt()
            case Word.SILENT if self.phase is Phase.CHAT:
                peer, seconds = line.fields(2)
                if self.partner.goes_by(peer):
                    first, self.silence = not self.silence, number(seconds) or 0
                    if first:
                        self._tell(events.Silent(self.partner, self.silence))
            case Word.QUIT:
                self._quit(line.payload)
            case Word.ERROR:
                self._warn(line.payload)
        self._told = line.word is Word.ERROR or (self._told and line.word in _UNRELATED)

    def lose(self) -> None:
        if self.phase is not Phase.OVER:
            self._settle_all(Fate.UNKNOWN)
            self._tell(events.Over(lost=self.phase is not Phase.DETACHING))
            self._begin(Phase.OVER, NOBODY)

    def _pass_barrier(self) -> None:
        barrier = self._barriers.popleft() if self._barriers else None
        if barrier is Phase.ATTACHING and not self._answered:
            return  # whoever says that attaches nobody
        if barrier is self.phase:  # and not of one that has ended otherwise
            self._tell(events.Idle())
            self._begin(Phase.IDLE, NOBODY)

    def _see(self, line: Line) -> None:
        person = read_seen(line)
        if person and person.other.name:
            if person.address == self.doubted and person.here:
                self._tell(events.LastHeard(person))
            self._put(person.address, person)
        else:  # nobody is at that daemon, nor known to have been
            self._put(line.fields(3)[1], None)

    def _put(self, address: str, person: events.Person | None) -> None:
        self._events.extend(self.people.put(address, person))
        self.doubted = "" if address == self.doubted else self.doubted

    def _doubt(self) -> None:
        """Whoever is called may have vanished: the daemon knows when it heard them last."""
        person = self.people.at(self._called)
        if person and person.here:
            self.doubted = person.address
            self._say(Word.WHO)

    @property
    def _called(self) -> str:
        """Whom we call, as the daemon says it."""
        return written(self.partner.address) or self.partner.address  # it may not be known yet

    def _connect(self, partner: Other) -> None:
        free = self.phase in (Phase.IDLE, Phase.CALLING, Phase.ACCEPTING, Phase.CHAT)
        if not partner.peer or not free or (self.phase is Phase.CHAT and partner == self.partner):
            return
        self._settle_all(Fate.UNKNOWN)  # the daemon tells nothing more of an earlier chat (client 4.2)
        self.requests = self._requests_but(partner)
        self.said = 0
        self._begin(Phase.CHAT, partner)
        self._tell(events.Began(partner))

    def _secure(self, address: str, secured: str, logged: str, *, asks: bool) -> None:
        """It is about the request of the line before, or else about the chat (client 4.3)."""
        if secured not in _SECURED:
            return
        if asks and self.requests and self.requests[-1].address == address:
            self.requests[-1] = other = replace(self.requests[-1], secured=secured)
        elif not asks and self.phase is Phase.CHAT and self.partner.address == address:
            self.partner = other = replace(self.partner, secured=secured, logged=logged == "logged")
        else:
            return
        self._tell(events.Secured(other))

    def _quit(self, peer: str) -> None:
        if not peer:
            self.lose()
        elif any(isinstance(declined, Other) and declined.goes_by(peer) for declined in self._barriers):
            pass
        elif self.partner.goes_by(peer):
            self._end()
        elif withdrawn := self._request_of(peer):
            self.requests.remove(withdrawn)
            self._tell(events.Withdrawn(withdrawn))
        elif self.phase is Phase.CALLING and self._may_be_the_callee():
            self._end()

    def _may_be_the_callee(self) -> bool:
        """Whether a name that nothing has given before can be the callee's: theirs isn't known, all others' are."""
        others = [each for each in self.requests if not names_person(each.name) or each.name == each.address]
        return not (self.rang and self.partner.name) and not others

    def _warn(self, text: str) -> None:
        if self._answered and Phase.ATTACHING in self._barriers:  # it is about WHO, which this daemon doesn't know
            self.watches = False
            return
        self._answered = True
        self._why = text
        self._tell(events.Warned(text))
        if self.phase is Phase.ATTACHING:
            self.phase = Phase.APART
        elif self.phase is Phase.ACCEPTING:  # no QUIT follows
            self._told = True
            self._end()

    # -- what both lead to

    def _require(self, wish: str, *phases: Phase) -> None:
        if self.phase not in phases:
            expected = ", or ".join(phase.value for phase in phases)
            raise NotNowError(f"can't {wish} now: {self.phase.value}. It can be done when {expected}")

    def _begin(self, phase: Phase, partner: Other) -> None:
        self.phase, self.partner = phase, partner
        self.rang, self._why, self._told = False, None, False
        self.silence = self._unanswered = 0

    def _end(self) -> None:
        if self.phase is Phase.CHAT:  # else what is outstanding is of an earlier one, and still being sent (client 4.2)
            self._settle_all(Fate.UNDELIVERED)
            self._tell(events.Ended(self.partner, lost=self._unanswered > 0))
        else:
            how = self._how()
            self._tell(events.Failed(self.partner, self._why, how))
            if self.phase is Phase.CALLING and how not in (How.DECLINED, How.BUSY):
                self._doubt()
        self._begin(Phase.IDLE, NOBODY)

    def _how(self) -> How:
        """How a call or acceptance came to nothing, from what was said meanwhile."""
        if self._why == BUSY:
            return How.BUSY
        if self._told:
            return How.TOLD
        if self.phase is Phase.ACCEPTING:
            return How.WITHDRAWN
        return How.NOBODY if self._unanswered >= (_CLUELESS if self.rang else 1) else How.DECLINED

    def _say(self, word: Word, payload: str = "") -> None:
        self._lines.append(Line(word, payload))

    def _say_and_ping(self, word: Word, payload: str, barrier: Other | Phase) -> None:
        """With a PING behind: its PONG tells that all that the daemon says to that line has been said (client 4.1)."""
        self._say(word, payload)
        self._say(Word.PING)
        self._barriers.append(barrier)

    def _tell(self, event: Event) -> None:
        self._events.append(event)

    def _settle(self, number: int | None, fate: Fate) -> None:
        if number in self.outstanding:
            self._tell(events.Settled(number, self.outstanding.pop(number), fate))

    def _settle_all(self, fate: Fate) -> None:
        for each in list(self.outstanding):
            self._settle(each, fate)

    def _take(self, request: Other) -> None:
        if request not in self.requests:
            raise NotNowError(f"no request of {request.title} waits: it was taken back, or answered already")
        self.requests.remove(request)

    def _requests_but(self, other: Other) -> list[Other]:
        return [request for request in self.requests if request.peer != other.peer]

    def _request_of(self, peer: str) -> Other | None:
        """The request of that peer: the one of that address, or else of that name."""
        by_address = sorted(self.requests, key=lambda request: request.address != peer)
        return next((request for request in by_address if request.goes_by(peer)), None)


def _check_message(line: Line) -> None:
    """Raises `LineError` for what the daemon couldn't take (client 2.3, 3.2)."""
    if len(line.payload.encode("utf-8", "surrogatepass")) > MAX_MESSAGE_SIZE:
        raise LineError(f"it is longer than {MAX_MESSAGE_SIZE} bytes of UTF-8; send it in parts")
    if len(format_line(line)) > MAX_LINE_SIZE:
        raise LineError(f"with its backslashes escaped it is longer than {MAX_LINE_SIZE} bytes; send it in parts")
    try:
        line.payload.encode("utf-8")
    except UnicodeEncodeError as error:  # what isn't UTF-8 was read as lone surrogates
        byte = ord(line.payload[error.start]) & 0xFF
        raise LineError(f"read the byte 0x{byte:02x} at character {error.start + 1}, expected UTF-8") from None

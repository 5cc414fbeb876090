"""One daemon's socket: which conversation a datagram belongs to, and what strangers may cost (spec 4.5, 8)."""

from collections import OrderedDict, deque

from simp_daemon.events import Ended, Event, Ignored, Reason, Why
from simp_daemon.peers.session import NOBODY, Session
from simp_daemon.peers.states import State
from simp_proto.address import Address, format_address
from simp_proto.constants import (
    AMPLIFICATION,
    KNOWN_PEERS,
    LEAVING_SESSIONS,
    PENDING_REQUESTS,
    STRANGER_BURST,
    STRANGER_RATE,
    Control,
    Framing,
)
from simp_proto.datagram import build, parse, reading_order
from simp_proto.errors import DatagramError, NotNowError

_CHATTING = (State.ACCEPTING, State.OPEN)
_CALLING = (State.CALLING, State.RINGING)
_UNVERIFIED = (State.IDLE, State.PENDING, State.DECLINING)
"""Where the peer's address may be a lie: it has never answered anything that only it could see."""


class Endpoint:
    """All conversations of one daemon. Pure: `now` is in seconds on any clock that never goes back.

    Feed it with `receive`, `handle_timer` and a person's calls; after each, take what
    `datagrams_to_send` and `next_event` have, and call `handle_timer` at `get_timer`.
    """

    def __init__(self, framing: Framing | None = None) -> None:
        self.user = NOBODY
        """The person's name, 1 to 32 printable ASCII characters."""
        self.slow = False
        """Whether the own client is behind, so that no message is taken (spec 8.4)."""
        self._framing = framing
        self._sessions: OrderedDict[Address, Session] = OrderedDict()
        self._current: Address | None = None
        self._known: OrderedDict[Address, Framing] = OrderedDict()
        self._outbox: deque[tuple[bytes, Address]] = deque()
        self._events: deque[Event] = deque()
        self._strangers = _Allowance(STRANGER_RATE, STRANGER_BURST)

    # -- the network

    def receive(self, data: bytes, peer: Address, now: float) -> None:
        """Bytes from a peer. Nothing that they hold makes this raise."""
        session = self._sessions.get(peer) or Session(peer, self._user(), Framing.BARE, self._framing)
        try:
            datagram = parse(data, reading_order(session.framing))
        except DatagramError as error:
            self._events.append(Ignored(peer, Reason.MALFORMED, str(error)))
            return
        repeats = session.state is State.ACCEPTING and datagram.operation is Control.SYN
        unverified = session.state in _UNVERIFIED or repeats
        if unverified and not self._strangers.left(now):
            self._events.append(Ignored(peer, Reason.RATE))
            return
        current = self._sessions.get(self._current) if self._current else None
        busy = current is not None and current is not session and current.state in _CHATTING
        ignored = session.receive(datagram, now, busy=busy, slow=self.slow)
        if ignored:
            self._events.append(Ignored(peer, ignored))
        if unverified and not ignored:
            self._strangers.spend(max(len(session.outbox), 1))  # a request without an answer costs a line, too
            # The allowance is what a lie about the sender's address can turn against a third party (spec 8.2).
            if sum(len(build(answer)) for answer in session.outbox) > AMPLIFICATION * len(data):
                session.outbox.clear()
                self._events.append(Ignored(peer, Reason.SIZE))
        self._collect(session)

    def handle_timer(self, now: float) -> None:
        """Does what is due. Early or repeated calls do nothing."""
        for session in list(self._sessions.values()):
            session.handle_timer(now)
            self._collect(session)

    def get_timer(self) -> float | None:
        """When `handle_timer` will next have something to do; changes nothing."""
        timers = (session.get_timer() for session in self._sessions.values())
        return min((timer for timer in timers if timer is not None), default=None)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """What is to be sent now, in order; once."""
        datagrams = list(self._outbox)
        self._outbox.clear()
        return datagrams

    def next_event(self) -> Event | None:
        """The oldest event that was not taken yet."""
        return self._events.popleft() if self._events else None

    # -- the person

    def call(self, peer: Address, now: float) -> None:
        """Calls the user there, or accepts that user's request; raises `NotNowError`."""
        self._require_nobody()
        session = self._sessions.get(peer)
        if session is None:
            framing = self._framing or self._known.get(peer, Framing.BARE)
            session = self._sessions[peer] = Session(peer, self._user(), framing, self._framing)
        session.user = self._user()
        session.call(now)
        self._current = peer
        self._collect(session)

    def accept(self, peer: Address, now: float) -> None:
        """Accepts a request, and cancels a call that is going on; raises `NotNowError`."""
        session = self._sessions.get(peer)
        if session is None or session.state is not State.PENDING:
            raise NotNowError(f"{format_address(peer)} has no request that waits")
        current = self.current
        if current is not None and current.state in _CALLING:
            self.quit(current.peer, now)
        self._require_nobody()
        session.user = self._user()
        session.accept(now)
        self._current = peer
        self._collect(session)

    def quit(self, peer: Address, now: float) -> None:
        """Declines the request, cancels the call or leaves the chat with that peer; raises `NotNowError`."""
        session = self._sessions.get(peer)
        if session is None:
            raise NotNowError(f"{format_address(peer)} neither calls nor is called, and no chat is on")
        session.quit(now)
        self._collect(session)

    def say(self, message: int, text: str, now: float) -> None:
        """Sends a message, which that number stands for; raises `NotNowError`, or `ValueError` (spec 5.6)."""
        current = self.current
        if current is None or current.state is not State.OPEN:
            raise NotNowError("no chat is on; call somebody first")
        current.say(message, text, now)
        self._collect(current)

    def shutdown(self, now: float) -> None:
        """Leaves everything: each peer is told FIN (spec 4.7)."""
        for session in list(self._sessions.values()):
            if session.state not in (State.LEAVING, State.DECLINING):
                self.quit(session.peer, now)

    @property
    def current(self) -> Session | None:
        """The call or chat of our person, if there is one."""
        return self._sessions.get(self._current) if self._current else None

    @property
    def requests(self) -> list[Session]:
        """The requests that wait, oldest first."""
        return [session for session in self._sessions.values() if session.state is State.PENDING]

    @property
    def idle(self) -> bool:
        """Whether nothing is going on with anybody."""
        return not self._sessions

    # -- its own order

    def _user(self) -> bytes:
        return self.user.encode("ascii")

    def _require_nobody(self) -> None:
        current = self.current
        if current is not None:
            what = "in a chat with" if current.state is State.OPEN else "calling"
            raise NotNowError(f"you are {what} {current.name or format_address(current.peer)}; leave that first")

    def _collect(self, session: Session) -> None:
        """Takes what a session has to say, and files it where its state belongs."""
        while session.outbox:
            self._outbox.append((build(session.outbox.popleft()), session.peer))
        arrived = session.state is State.PENDING and bool(session.events)
        while session.events:
            self._events.append(session.events.popleft())
        if session.learned:
            self._known[session.peer] = session.learned
            self._known.move_to_end(session.peer)
            session.learned = None
            if len(self._known) > KNOWN_PEERS:
                self._known.popitem(last=False)
        if session.state is State.IDLE:
            self._sessions.pop(session.peer, None)
        else:
            self._sessions[session.peer] = session
        if session.peer == self._current and session.state not in (*_CALLING, *_CHATTING):
            self._current = None
        if arrived:
            self._sessions.move_to_end(session.peer)
            self._crowd((State.PENDING,), PENDING_REQUESTS)
        elif session.state in (State.LEAVING, State.DECLINING):
            self._crowd((State.LEAVING, State.DECLINING), LEAVING_SESSIONS)

    def _crowd(self, states: tuple[State, ...], most: int) -> None:
        """Forgets the oldest conversations in those states beyond so many (spec 8.3)."""
        crowd = [session for session in self._sessions.values() if session.state in states]
        for session in crowd[: max(len(crowd) - most, 0)]:
            del self._sessions[session.peer]
            self._events.extend(session.undelivered())
            if session.state is State.PENDING:
                self._events.append(Ended(session.peer, session.name, Why.CROWDED))


class _Allowance:
    """So many a second, and so many at once."""

    def __init__(self, rate: int, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._at: float | None = None

    def left(self, now: float) -> bool:
        """Whether one may be spent now."""
        if self._at is not None:
            self._left = min(self._burst, self._left + max(now - self._at, 0.0) * self._rate)
        self._at = now
        return self._left >= 1

    def spend(self, count: int) -> None:
        """What is spent beyond what is left is missing later."""
        self._left -= count

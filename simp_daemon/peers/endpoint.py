"""All conversations of SIMP/1: which of them a datagram belongs to, and what strangers may cost (spec 4.5, 8)."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Protocol

from simp_daemon.effects import Send
from simp_daemon.events import AnsweredElsewhere, Event, Ignored, Reason
from simp_daemon.peers.busy import OneChat, Policy
from simp_daemon.peers.presence import Presence
from simp_daemon.peers.record import Record
from simp_daemon.peers.session import Session, answers_a_call
from simp_daemon.peers.sessions import ENDING, Sessions
from simp_daemon.peers.states import State
from simp_daemon.peers.stop_and_wait import StopAndWait
from simp_daemon.peers.strangers import Strangers, displaced_by
from simp_proto.address import Address, format_address
from simp_proto.constants import KNOWN_PEERS, Control, Framing
from simp_proto.datagram import Datagram, parse, reading_order
from simp_proto.errors import AddressError, DatagramError, NotNowError
from simp_proto.printable import NOBODY

ITSELF: Final = "{} is this daemon itself; call somebody else's"
_UNVERIFIED: Final = (State.IDLE, State.PENDING, State.DECLINING)
"""Where the peer's address may be forged: it has never answered anything that only it could see."""
_BEFORE_A_REQUEST: Final = (State.IDLE, State.LEAVING, State.OPEN)


class Called(Protocol):
    """Whom our person calls, in whatever version, and who was named as perhaps answering (spec 4.11)."""

    elsewhere: Address | None

    @property
    def peer(self) -> Address: ...
    @property
    def name(self) -> str: ...


class Endpoint:
    """All conversations of one daemon. Pure: `now` is in seconds on any clock that never goes back.

    Feed it with `receive`, `handle_timer` and a person's wishes; after each, do what was put into `outlet`, in its
    order, and clear it; and call `handle_timer` at `get_timer`. `framing` is the one in which all calls are made, if
    one is; `policy` says how many chats there may be; `own` is where the daemon listens; `unanswered` gives the
    calls of SIMP/2 that a stranger may have answered in SIMP/1; `hides` says who learns no name unasked.
    """

    def __init__(
        self,
        framing: Framing | None = None,
        policy: Policy | None = None,
        own: Address | None = None,
        strangers: Strangers | None = None,
        unanswered: Callable[[Address], Iterable[Called]] = lambda _: (),
        hides: Callable[[Address], bool] = lambda _: False,
    ) -> None:
        self.user: str | None = None
        """The person's name, 1 to 32 printable ASCII characters; `None` while none is there (spec 2.4)."""
        self.outlet: list[Send | Event] = []
        self._framing = framing
        self._own = own
        self._policy = policy or OneChat()
        self._sessions = Sessions(self.outlet)
        self._known: OrderedDict[Address, Framing] = OrderedDict()
        self._hides = hides
        self._presence = Presence(self.outlet, self.name)
        self._strangers = strangers or Strangers()
        self._unanswered = unanswered
        self._refused = 0
        self._reported = float("-inf")

    # -- the network

    def receive(self, data: bytes, peer: Address, now: float, here: str | None = None) -> None:
        """Bytes from a peer, to that IP address of ours, where there are several. Nothing in them makes this raise."""
        if not peer[1]:
            self.outlet.append(Ignored(peer, Reason.MALFORMED, "it came from port 0, which no answer reaches"))
            return
        if here is not None and self._own and self.fail((here, self._own[1]), ITSELF.format(here), now):
            return  # it is our own call
        session = self._sessions.by_address.get(peer)
        state = session.state if session else State.IDLE
        friend = peer in self._known
        admitted = state not in _UNVERIFIED or self._strangers.admits(peer, now, friend=friend)
        if not admitted and not self._presence.expects(peer, now):
            self.refuse(peer, now)  # before anything is built: it is what a flood costs
            return
        datagram = self._parsed(data, peer, session, now, admitted=admitted)
        if datagram is None or (datagram.operation is Control.ACK and self._presence.tells(datagram, peer, now)):
            return
        repeats = state is State.ACCEPTING and datagram.operation is Control.SYN
        if not admitted or (repeats and not self._strangers.admits(peer, now, friend=friend)):
            self.refuse(peer, now)
            return
        if datagram.operation is Control.ACK and self._presence.asks(datagram, peer, here):
            self._strangers.charge(peer, int(state in _UNVERIFIED), friend=friend)
            return
        session = session or self._session(peer, datagram.framing)
        session.record.here = here
        before = len(self.outlet)
        calls = datagram.operation is Control.SYN
        refusal = self._policy.refusal if calls and not self._policy.may_ring(session) else ""
        if calls and not refusal and state in _BEFORE_A_REQUEST and not self._has_room(peer):
            ignored: Reason | None = Reason.CROWDED
        else:
            ignored = session.receive(datagram, now, refusal=refusal, slow=peer in self._sessions.held)
            self._sessions.file(session)
        if ignored:
            self.outlet.append(Ignored(peer, ignored))
        if state is State.IDLE and answers_a_call(datagram):
            self._name_elsewhere(peer)
        if ignored is Reason.SLOW_CLIENT:
            self._sessions.held[peer] = (data, here)
        if state in _UNVERIFIED or repeats:  # what gets no answer costs a line in the log, or a client's
            answers = sum(isinstance(each, Send) for each in self.outlet[before:])
            self._strangers.charge(peer, max(answers, 1), friend=friend)

    def _parsed(
        self, data: bytes, peer: Address, session: Session | None, now: float, *, admitted: bool
    ) -> Datagram | None:
        try:
            return parse(data, reading_order(session.record.framing if session else Framing.BARE))
        except DatagramError as error:
            if not admitted:
                self.refuse(peer, now)
                return None
            if session is None:
                self._strangers.charge(peer, 1, friend=peer in self._known)
            self.outlet.append(Ignored(peer, Reason.MALFORMED, str(error)))
            return None

    def ask(self, peer: Address, now: float) -> bool:
        """Asks a peer whether it is there; whether it was asked, as it isn't during a conversation (spec 4.12)."""
        if peer in self._sessions.by_address:
            return False
        self._presence.ask(peer, now)
        return True

    def refuse(self, peer: Address, now: float) -> None:
        """Counts what is ignored for its rate, and reports it once a second at most."""
        self._refused += 1
        if now >= self._reported + 1:
            self._reported = now
            self.outlet.append(Ignored(peer, Reason.RATE, f"{self._refused} datagrams so far"))

    def framing_of(self, peer: Address) -> Framing | None:
        """What a peer is known to speak, or what is spoken with it now (spec 4.2)."""
        session = self._sessions.by_address.get(peer)
        return session.record.framing if session else self._known.get(peer)

    def _name_elsewhere(self, peer: Address) -> None:
        """Whoever answers, and wasn't called, may be whom our person calls (spec 4.11)."""
        sessions = self._sessions.by_address.values()
        ours: list[Called] = [session.record for session in sessions if session.state is State.CALLING]
        for each in (*ours, *self._unanswered(peer)):
            if each.elsewhere is None:
                each.elsewhere = peer
                self.outlet.append(AnsweredElsewhere(each.peer, each.name, peer))

    def _has_room(self, peer: Address) -> bool:
        """Whether a request of that peer can wait, in the place of another's if need be (spec 8.3)."""
        displaced = displaced_by(peer, list(self._sessions.requests), self._known)
        if displaced is not None and displaced != peer:
            self._sessions.forget(displaced)
        return displaced != peer

    def fail(self, peer: Address, why: str, now: float) -> bool:
        """The system says why no datagram gets to a peer; whether that ends a call which nothing has answered yet
        (spec 4.10).
        """
        session = self._sessions.by_address.get(peer)
        if session is None or not session.fail(why, now):
            return False
        self._sessions.file(session)
        return True

    def handle_timer(self, now: float) -> None:
        """Does what is due. Early or repeated calls do nothing."""
        for peer in self._sessions.timers.due(now):
            session = self._sessions.by_address[peer]
            session.handle_timer(now)
            self._sessions.file(session)

    def get_timer(self) -> float | None:
        """When `handle_timer` will next have something to do; changes nothing."""
        return self._sessions.timers.first()

    # -- the person

    def call(self, peer: Address, now: float, _name: str = "", *, listed: bool = False) -> None:
        """Calls the user there, or accepts that user's request; raises `NotNowError`, and `AddressError` for itself."""
        if peer == self._own:
            raise AddressError(ITSELF.format(format_address(peer)))
        session = self._sessions.by_address.get(peer)
        if session is None:
            session = self._session(peer, self._framing or self._known.get(peer, Framing.BARE))
        self._policy.engage(session)
        session.call(self.name(), now)
        self._sessions.file(session)

    def give_up(self, peer: Address) -> None:
        """What was left, declined or asked for there is over: something else begins there (spec 7)."""
        session = self._sessions.by_address.get(peer)
        if session and session.state in (*ENDING, State.PENDING):
            self._sessions.forget(peer, told=False)

    def adopt(self, peer: Address, user: bytes, begun: float, now: float) -> None:
        """A call goes on whose SYN went out at that time, with that user, and which turns out to be SIMP/1's."""
        session = self._sessions.by_address.get(peer) or self._session(peer, self._known.get(peer, Framing.BARE))
        self._policy.engage(session)
        session.adopt(user, begun, now)
        self.outlet.pop()  # the SYN is out
        self._sessions.file(session)

    def expects_another(self, _peer: Address, _name: str) -> bool:
        """Whether whoever is called so isn't the one whose request waits there: in SIMP/1 nobody can tell."""
        return False

    def accept(self, peer: Address, now: float) -> None:
        """Accepts a request, and cancels a call that is going on; raises `NotNowError`."""
        session = self._sessions.requests.get(peer)
        if session is None:
            raise NotNowError(f"{format_address(peer)} has no waiting request")
        displaced = self._policy.displaced_by(session)
        if displaced:
            self.quit(displaced.record.peer, now)
        self._policy.engage(session)
        session.accept(self.name(), now)
        self._sessions.file(session)

    def quit(self, peer: Address, now: float, *, request: bool = False) -> None:
        """Declines the request, cancels the call or leaves the chat with that peer; raises `NotNowError`."""
        session = self._sessions.by_address.get(peer)
        if session is None:
            raise NotNowError(f"there is no call, request or chat with {format_address(peer)}")
        session.quit(now)
        self._sessions.file(session)

    def say(self, peer: Address, message: int, text: str, now: float) -> None:
        """Sends a message to a partner; raises `NotNowError`, or `ValueError` (spec 5.6).

        `message` is its identity, above 0, by which events speak of it.
        """
        session = self._sessions.by_address.get(peer)
        if session is None:
            raise NotNowError(f"no chat with {format_address(peer)} is on")
        session.say(message, text, now)
        self._sessions.file(session)

    def shutdown(self, now: float) -> None:
        """Leaves everything: each peer is told FIN (spec 4.7)."""
        for session in list(self._sessions.by_address.values()):
            if session.state not in ENDING:
                self.quit(session.record.peer, now)

    def hold(self, peer: Address, held: bool, now: float) -> None:
        """Whether that peer's messages are left unacknowledged for now (spec 8.4); its last is taken afterwards."""
        if held:
            self._sessions.held.setdefault(peer, None)
        elif peer in self._sessions.held:
            late = self._sessions.held.pop(peer)
            if late:
                self.receive(late[0], peer, now, late[1])

    def waiting(self, peer: Address) -> int:
        """How many datagrams to that peer are not acknowledged yet."""
        session = self._sessions.by_address.get(peer)
        return len(session.record.delivery) if session else 0

    @property
    def requests(self) -> list[tuple[Address, str]]:
        """Who waits to be answered, by address and name, oldest first."""
        return [(peer, session.record.name) for peer, session in self._sessions.requests.items()]

    @property
    def idle(self) -> bool:
        """Whether nothing is going on with anybody."""
        return not self._sessions.by_address

    # -- housekeeping

    def name(self, peer: Address | None = None) -> bytes:
        """The person's in a datagram, unless it is hidden from that peer."""
        return ((not (peer and self._hides(peer)) and self.user) or NOBODY).encode("ascii")

    def _session(self, peer: Address, framing: Framing) -> Session:
        learn = partial(self.learn, peer)
        return Session(Record(peer, self.name(peer), framing, self._framing, StopAndWait(), self.outlet, learn))

    def learn(self, peer: Address, framing: Framing) -> None:
        """Remembers what a peer speaks (spec 4.2)."""
        self._known[peer] = framing
        self._known.move_to_end(peer)
        if len(self._known) > KNOWN_PEERS:
            self._known.popitem(last=False)

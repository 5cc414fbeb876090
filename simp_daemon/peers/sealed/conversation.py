"""What one has to say to one contact, and the session in which that is said now, if there is one (spec/simp2.md 6, 7).

It outlives sessions, addresses and runs of the daemon. `now` is in seconds on any clock that never goes back.
"""

from collections.abc import Callable, Iterator
from typing import Final

from simp_daemon import events
from simp_daemon.contacts import About
from simp_daemon.effects import Commit, Send
from simp_daemon.events import Reason, Security, Why
from simp_daemon.facts import Fact, Ledger, Opened
from simp_daemon.peers.sealed import outlet as link_news
from simp_daemon.peers.sealed.call import MAX_QUIET_PAUSE
from simp_daemon.peers.sealed.call_news import Established
from simp_daemon.peers.sealed.link import state_of
from simp_daemon.peers.sealed.means import Means
from simp_daemon.peers.sealed.notices import Notices, Outlet
from simp_daemon.peers.sealed.outlet import News
from simp_daemon.peers.sealed.pins import Pin
from simp_daemon.peers.sealed.sealed_session import SealedSession
from simp_proto.address import Address
from simp_proto.constants import (
    GONE,
    RETRANSMISSION_INTERVAL,
    SILENCE,
    TRIES,
    UNANSWERED_INTERVAL,
    Operation,
)
from simp_proto.sealed.frames import TEXT, Message, State, build_message
from simp_proto.sealed.payloads import Record

LAST_WORDS: Final = TRIES * RETRANSMISSION_INTERVAL
"""Seconds for which whoever leaves tries to deliver what was said (S1 6.3), and answers what the peer repeats."""
DAY: Final = 24 * 60 * 60.0
"""Seconds after which a session's keys are replaced (spec 5.5)."""


class Conversation:
    """With the contact of that pin. What it brings about goes into `outlet`, in order."""

    def __init__(self, pin: Pin, ledger: Ledger, means: Means, outlet: Outlet) -> None:
        self.pin = pin
        pin.taken = False
        self.ledger = ledger
        self.session: SealedSession | None = None
        self.warned = ""
        """What our person was told last of who else answers there."""
        self._means = means
        self._outlet = outlet
        self.secured: Security | None = None
        """What our person was told last of that, for the chat."""
        self._silent = False  # our person has left long before this session
        self._slow = False
        self._notices = Notices(pin, means, outlet)
        self._asked_at = self._resumed = 0.0
        self._resume_at: float | None = None
        self._pause = GONE
        self._left_at: float | None = None  # when the conversation was closed here, while the session says so
        if not ledger.open:  # what wasn't acknowledged when our person left won't go out any more (spec 7.10)
            self._give_up()

    # -- what is known of it

    @property
    def peer(self) -> Address:
        """The address by which our person knows the contact, wherever that is now."""
        return self._notices.peer

    @property
    def chatting(self) -> bool:
        """Whether it is our person's chat."""
        return self.pin.taken

    @property
    def live(self) -> bool:
        """Whether a session is on, and neither side leaves."""
        return self.session is not None and self.session.ended is None and self.ledger.open

    @property
    def ending(self) -> bool:
        """Whether a session is on that still has something to say before it is over."""
        return self.session is not None and self.session.ended is None and not self.ledger.open

    @property
    def waiting(self) -> int:
        """How many pieces aren't acknowledged."""
        return len(self.session.link) if self.session else 0

    def state(self) -> State:
        """Ours, for a session that begins; what was given up before isn't part of it (spec 7.10)."""
        if not self.ledger.open:
            self._give_up()
        return state_of(self.ledger)

    # -- sessions

    def consent(self, wanted: bool) -> None:
        """Our person wants it, or doesn't any more, before there is a session (spec 4.5)."""
        if not self.ledger.open:
            self._give_up()
            self.session = None
        self._apply(Opened(wanted))

    def begin(self, established: Established, now: float, *, wanted: bool) -> None:
        """A session is on, in the place of any earlier one (spec 5.5); if it isn't wanted any more, to say so."""
        left = self._silent = not (wanted or self.ledger.open)
        if not self.ledger.open:
            self.consent(True)
        if not self.chatting:
            self._notices.peer = established.peer
        self._left_at = self._resume_at = None
        self._pause = GONE
        self.session = SealedSession(established, self.ledger, self, now)
        if left:
            self.session.link.leave()
        self._pump(now)

    def receive(self, operation: Operation, record: Record, now: float) -> Reason | None:
        """A record that may be of its session. Returns why it was ignored, if it was."""
        assert self.session
        ignored = self.session.receive(operation, record, now)
        self._pump(now)
        return ignored

    # -- our person

    def engage(self, security: Security, now: float) -> None:
        """Our person takes it up."""
        assert self.session
        self.pin.taken, self._notices.peer, self.secured = True, self.session.peer, security
        logged = self._means.logs_keys
        self._outlet.append(events.Connected(self.peer, self.pin.name, self.session.here, security, logged=logged))
        self._pump(now)

    def say(self, message: int, text: str, now: float) -> None:
        """Our person says that; `message` is its identity in this run."""
        assert self.session
        body = text.encode("utf-8", "backslashreplace")
        self.session.link.say(self._means.token(message), build_message(Message(TEXT, self._means.clock(), body)))
        self._pump(now)

    def leave(self, now: float) -> None:
        """Our person leaves; what was said is delivered first (spec 7.9)."""
        assert self.session
        self._over(Why.QUIT)
        self.session.link.leave()
        self._pump(now)

    def bar(self, now: float) -> None:
        """Nothing more is said to the contact, except that it is over (spec 9.6)."""
        self._give_up()
        if self.live:
            self.leave(now)
        elif self.ledger.open:
            self._apply(Opened(False))
        self._pump(now)

    def refused(self, now: float) -> None:
        """A call has come to nothing: anybody may have said so, and there is a quiet one later (spec 4.7)."""
        self._resume_at, self._pause = now + self._pause, min(2 * self._pause, MAX_QUIET_PAUSE)

    def hold(self, held: bool, now: float) -> bool:
        """Whether our person can take no message for now (S1 8.4). Returns whether that is news."""
        news = self._slow is not held
        if news:
            self._slow = held
            self._pump(now)
        return news

    # -- time

    def get_timer(self) -> float | None:
        """When `handle_timer` will next have something to do; changes nothing."""
        return min((at for at, _ in self._clocks()), default=None)

    def handle_timer(self, now: float) -> bool:
        """Does what is due; whether the contact is to be called quietly (spec 4.7). Early calls do nothing."""
        resumed = self._resumed
        for at, act in list(self._clocks()):
            if now >= at:
                act(now)
        self._pump(now)
        return self._resumed != resumed

    def _clocks(self) -> Iterator[tuple[float, Callable[[float], None]]]:
        session = self.session
        if self._resume_at is not None and self.ledger.open:
            yield self._resume_at, self._resume
        if session is None:
            return
        if session.ended is not None:
            yield session.ended + LAST_WORDS, self._forget
            return
        link = session.link
        if (at := link.get_timer()) is not None:
            yield at, self._pump
        if not self.ledger.open:
            yield (link.heard if self._left_at is None else self._left_at) + LAST_WORDS, self._forget
            return
        waiting = link.waiting_since()
        if (gone := link.gone_at()) is not None:
            yield max(gone, self._resumed + GONE), self._resume
        if session.caller:
            yield max(session.begun + DAY, self._resumed + GONE), self._resume
        if waiting is None:
            yield max(link.heard, self._asked_at) + SILENCE, self._probe
        elif self.chatting and len(link):
            yield max(waiting, self._asked_at) + UNANSWERED_INTERVAL, self._ask

    def _pump(self, now: float) -> None:
        """Sends what is due."""
        if self.session is None:
            return
        self.session.link.held = self._slow or not self.chatting
        self.session.pump(now)
        if not self.ledger.open and self._left_at is None:
            self._left_at = now
        if self.chatting:
            self._notices.catch_up()

    def _probe(self, now: float) -> None:
        """Asks the peer to say something (spec 7.7)."""
        assert self.session
        self._asked_at = now
        self.session.link.probe()

    def _ask(self, now: float) -> None:
        """Asks our person whether to keep waiting (S1 6.4)."""
        assert self.session
        since = self.session.link.waiting_since()
        assert since is not None
        self._asked_at = now
        self._outlet.append(events.Unanswered(self.peer, self.pin.name, round(now - since)))

    def _resume(self, now: float) -> None:
        self._resumed, self._resume_at = now, None

    def _forget(self, _: float) -> None:
        """Whoever left has waited for long enough."""
        self._give_up()
        self.session = None

    # -- what a session wants

    def put(self, datagram: Send) -> None:
        """Sends it."""
        self._outlet.append(datagram)

    def commit(self, fact: Fact) -> None:
        """To be on the disk before what follows."""
        if isinstance(fact, Opened):
            self.pin.open = fact.open
        self._outlet.append(Commit(About(self.pin.key, fact)))

    def tell(self, news: News) -> None:
        """What our person is to know; nothing of a session that only says that there is none."""
        if self._silent:
            return
        self._notices.tell(news)
        if isinstance(news, link_news.Left):
            self._give_up()
            self._over(Why.ERR if news.reason else Why.FIN)

    # -- how it does that

    def _apply(self, fact: Fact) -> None:
        self.commit(fact)
        self.ledger.apply(fact)

    def _over(self, why: Why) -> None:
        """For our person it is."""
        self._notices.end(why)
        self.pin.taken = False

    def _give_up(self) -> None:
        """What isn't acknowledged won't go out any more (spec 7.10)."""
        tokens = list(self.ledger.waiting)
        if self.session:
            self.session.link.give_up()
        elif fact := self.ledger.give_up():
            self._apply(fact)
        self._notices.give_up(tokens)

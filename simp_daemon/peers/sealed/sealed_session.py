"""One session of SIMP/2: the seal and the link of one handshake (spec/simp2.md 5.4, 6, 7)."""

from collections.abc import Sequence
from typing import Protocol

from simp_daemon.effects import Send
from simp_daemon.events import Reason
from simp_daemon.facts import Fact, Ledger
from simp_daemon.peers.sealed.call_news import Established
from simp_daemon.peers.sealed.link import Link
from simp_daemon.peers.sealed.outlet import News
from simp_daemon.peers.sealed.seal import Fault, Seal
from simp_proto.constants import Operation
from simp_proto.sealed.frames import Frame
from simp_proto.sealed.payloads import Record


class Owner(Protocol):
    """Takes what a session wants done, in this order."""

    def put(self, datagram: Send) -> None:
        """Sends it."""

    def commit(self, fact: Fact) -> None:
        """Puts a fact on the disk."""

    def tell(self, news: News) -> None:
        """Tells our person."""


class SealedSession:
    """`now` is in seconds on any clock that never goes back."""

    def __init__(self, established: Established, ledger: Ledger, owner: Owner, now: float) -> None:
        self.peer, self.here = established.peer, established.here
        """Where it is, and the address of ours at which it reaches us (spec 6.7)."""
        self.tag = established.tag
        """That of the call that made it."""
        self.caller = established.caller
        self.begun = now
        self.ended: float | None = None
        """When the link was over."""
        self._owner = owner
        self._seal = Seal(established.keys, established.handshake_hash, caller=established.caller)
        self.link = Link(ledger, self, caller=established.caller)
        self.link.heard = now
        self.measure(established.round_trip)
        if established.state is not None:
            self.link.read(established.state)

    @property
    def id(self) -> bytes:
        """By which its records are known; perhaps also those of another (spec 5.4)."""
        return self._seal.session

    def measure(self, round_trip: float | None) -> None:
        """How many seconds an answer took in the handshake, if that is known."""
        if round_trip is not None:
            self.link.round_trip.measure(round_trip)

    def receive(self, operation: Operation, record: Record, now: float) -> Reason | None:
        """A record that may be of this session. Returns why it was ignored, if it was; `pump` comes after."""
        read = self._seal.open(operation, record)
        if isinstance(read, Reason):
            return read
        if isinstance(read, Fault):
            self.link.fail(read.reason)
        else:
            self.link.receive(read.counter, read.frames, now)
        return None

    def pump(self, now: float) -> None:
        """Sends what is due."""
        self.link.pump(now)
        if self.link.over and self.ended is None:
            self.ended = now

    # -- what the link wants

    def send(self, frames: Sequence[Frame]) -> int:
        """Seals a record; returns its counter."""
        data, counter = self._seal.seal(frames)
        self._owner.put(Send(data, self.peer, self.here))
        return counter

    def commit(self, fact: Fact) -> None:
        """Puts a fact on the disk."""
        self._owner.commit(fact)

    def tell(self, news: News) -> None:
        """Tells our person."""
        self._owner.tell(news)

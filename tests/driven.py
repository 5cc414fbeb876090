"""Cores, sessions and endpoints as tests drive them: one by one, and with what comes out sorted by kind."""

from simp_daemon import core
from simp_daemon.effects import Effect, Send
from simp_daemon.events import Event
from simp_daemon.occurrences import Occurrence
from simp_daemon.peers import endpoint, session
from simp_daemon.peers.busy import OneChat
from simp_daemon.peers.record import Record
from simp_daemon.peers.sealed.means import Means
from simp_daemon.peers.stop_and_wait import StopAndWait
from simp_proto.address import Address
from simp_proto.constants import Framing
from simp_proto.errors import NotNowError


class Core:
    """One that returns what it wants done."""

    def __init__(
        self,
        own: Address | None = None,
        framing: Framing | None = None,
        *,
        asks: bool = True,
        means: Means | None = None,
    ) -> None:
        self._effects: list[Effect] = []
        self._core = core.Core(self._effects.append, own, framing, asks=asks, means=means)
        self.endpoint, self.connections = self._core._endpoint, self._core._connections
        self.get_timer = self._core.get_timer

    def handle(self, occurrence: Occurrence, now: float) -> list[Effect]:
        self._core.handle(occurrence, now)
        effects = self._effects.copy()
        self._effects.clear()
        return effects

    @property
    def idle(self) -> bool:
        return self._core.idle


class Session(session.Session):
    """One that belongs to no endpoint; what it has to say stays in `outlet`."""

    def __init__(self, peer: Address, user: bytes, framing: Framing) -> None:
        self.outlet: list[Send | Event] = []
        super().__init__(Record(peer, user, framing, None, StopAndWait(), self.outlet, lambda framing: None))


class Endpoint(endpoint.Endpoint):
    """One whose person is in one chat at a time. Its outlet keeps what isn't taken."""

    def __init__(self, framing: Framing | None = None) -> None:
        self.one_chat = OneChat()
        super().__init__(framing, self.one_chat)

    @property
    def current(self) -> session.Session | None:
        return self.one_chat.current

    def say_to_partner(self, message: int, text: str, now: float) -> None:
        if self.current is None:
            raise NotNowError("no chat is on")
        self.say(self.current.record.peer, message, text, now)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Takes the datagrams out."""
        if not self.outlet:
            return []
        sent = [each for each in self.outlet if isinstance(each, Send)]
        self.outlet[:] = [each for each in self.outlet if not isinstance(each, Send)]
        return [(each.data, each.peer) for each in sent]

    def next_event(self) -> Event | None:
        """Takes the oldest event out."""
        for at, each in enumerate(self.outlet):
            if not isinstance(each, Send):
                del self.outlet[at]
                return each
        return None

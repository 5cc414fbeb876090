"""All rules of a daemon behind one inlet and one outlet: what has happened goes in, what is to be done comes out.

Pure: the time is an argument, in seconds on any clock that never goes back.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from simp_daemon import events, occurrences
from simp_daemon.clients.connections import Connections
from simp_daemon.effects import Commit, Effect, LogKeys, Remember, Send
from simp_daemon.events import Event, Gone, Seen
from simp_daemon.neighbours import Neighbours
from simp_daemon.occurrences import Announced, Occurrence, Withdrawn
from simp_daemon.peers.endpoint import Endpoint
from simp_daemon.questions import Ask
from simp_proto.address import Address
from simp_proto.constants import Framing
from simp_proto.printable import printable_name

if TYPE_CHECKING:
    from simp_daemon.messages import Peers
    from simp_daemon.peers.exchange import Exchange
    from simp_daemon.peers.sealed.means import Means


Hidden = TypeVar("Hidden", Announced, Withdrawn)


class Core:
    """One daemon. `own` is its address, if it has a single one; `framing` the one forced on all calls, if any.

    `perform` does each effect as soon as it is due: a partner doesn't wait for what else there is to do.
    """

    def __init__(
        self,
        perform: Callable[[Effect], None],
        own: Address | None = None,
        framing: Framing | None = None,
        *,
        asks: bool = True,
        means: "Means | None" = None,
    ) -> None:
        """`asks` says whether neighbours are asked if they are there; with `means`, which go with no `framing`, SIMP/2
        is spoken.
        """
        self._perform = perform
        self._exchange = _exchange(means, own) if means else None
        self._endpoint: Peers = self._exchange or Endpoint(framing, own=own)
        contacts = self._exchange.pins.identities if self._exchange else lambda _: []
        self._neighbours = Neighbours(contacts, asks=asks)
        self._connections = Connections(self._endpoint, self._neighbours, perform)

    def handle(self, occurrence: Occurrence, now: float) -> None:  # noqa: PLR0912  a case for each occurrence
        """Takes what has happened, and performs what follows. Nothing makes it raise; `perform` must not call it."""
        match occurrence:
            case occurrences.DatagramReceived(data, peer, here):
                self._endpoint.receive(data, peer, now, here)
            case occurrences.ClientSaid(client, data):
                self._connections.received(client, data)
            case occurrences.TimerFired():
                self._endpoint.handle_timer(now)
                self._neighbours.handle_timer(now)
                self._connections.handle_timer(now)
            case occurrences.ClientConnected(client, local):
                self._connections.connected(client, now, local=local)
            case occurrences.ClientSlow(client, slow):
                self._connections.slow(client, slow)
            case occurrences.ClientClosed(client):
                self._connections.closed(client, now)
            case occurrences.SendingFailed(peer, why, refused):
                self._neighbours.unreachable(peer, now)
                if not self._endpoint.fail(peer, why, now):
                    self._connections.sending_failed(peer, why, refused=refused)
            case occurrences.Announced():
                self._neighbours.announced(self._recognised(occurrence), now)
            case occurrences.Withdrawn():
                self._neighbours.withdrawn(self._recognised(occurrence), now)
            case occurrences.Known():
                if occurrence.framing:
                    self._endpoint.learn(occurrence.peer, occurrence.framing)
                self._neighbours.known(occurrence, now)
            case occurrences.HostsRead():
                self._neighbours.listed(occurrence, now)
            case occurrences.Started():
                if self._exchange:
                    self._exchange.start(now)
            case occurrences.ContactsChanged(contacts):
                if self._exchange:
                    self._exchange.reload(contacts, now)
                    self._neighbours.recognise(self._exchange.pins.canonical)
            case occurrences.NotStored(why, client):
                self._connections.warn(why, client)
                return  # nothing else comes before what waits
            case occurrences.Stopped():
                self._connections.stop(now)  # first: nobody has left of whom a client would be told so (client 4.2)
                self._endpoint.shutdown(now)
        self._drain(now)
        while self._connections.step(now):  # each line is answered before the next is looked at (client 4.1)
            self._drain(now)
        self._connections.control_flow(now)
        self._drain(now)

    def _drain(self, now: float) -> None:
        """Passes on what the endpoint has to say, each event followed by what a client is told of it."""
        self._drain_neighbours(now)
        outlet = self._endpoint.outlet
        while outlet:  # what is taken stays taken, also where something raises
            each = outlet.pop(0)
            self._perform(each)
            if not isinstance(each, (Send, Commit, LogKeys)):  # a union is made anew each time, which takes longer
                self._tell_neighbours(each, now)
                self._drain_neighbours(now)
                self._connections.happened(each, now)

    def _drain_neighbours(self, now: float) -> None:
        """Asks whom it is time to ask, and tells who has come and gone."""
        while self._neighbours.outlet:
            each = self._neighbours.outlet.pop(0)
            if not isinstance(each, Ask):
                self._tell_exchange(each, now)
                self._perform(each)
                self._connections.happened(each, now)
            elif not self._endpoint.ask(each.peer, now):
                self._neighbours.converses(each.peer, now)

    def _recognised(self, heard: Hidden) -> Hidden:
        """Under the identity that a contact has for everyone, where this hour's was announced."""
        pin = self._exchange.pins.recognise(heard.identity) if self._exchange else None
        if pin is None:
            return heard
        if isinstance(heard, Announced) and heard.identity != pin.identity:  # without a name
            return replace(heard, identity=pin.identity, known_as=printable_name(pin.name))
        return replace(heard, identity=pin.identity)

    def _tell_exchange(self, event: Seen | Gone, now: float) -> None:
        """Who may be a contact."""
        if self._exchange:
            match event:
                case Gone(peer):
                    self._exchange.pins.lose(peer)
                case Seen(peer, seconds=int(), identity=identity) if identity:
                    self._exchange.find(identity, peer, now)

    def _tell_neighbours(self, event: Event, now: float) -> None:
        """What a conversation shows of neighbours."""
        match event:
            case events.Present(peer, name):
                self._neighbours.present(peer, printable_name(name), now)
            case events.MessageReceived() | events.MessageAcknowledged():
                self._neighbours.heard(event.peer, now)
            case events.Ended():
                self._neighbours.ended(event.peer, event.why, now)
            case events.Connected(peer, name):
                framing = self._endpoint.framing_of(peer) or Framing.BARE
                self._neighbours.chats(peer, printable_name(name), framing, now)
                self._perform(Remember(peer, framing, printable_name(name)))
                if self._exchange:
                    self._neighbours.recognise(self._exchange.pins.canonical)

    def get_timer(self) -> float | None:
        """When `TimerFired` is due next; changes nothing."""
        timers = self._endpoint.get_timer(), self._connections.get_timer(), self._neighbours.get_timer()
        return min((timer for timer in timers if timer is not None), default=None)

    @property
    def sealed(self) -> bool:
        """Whether our person is in a chat or a call of SIMP/2."""
        return self._exchange is not None and self._exchange.engaged

    @property
    def idle(self) -> bool:
        return self._endpoint.idle


def _exchange(means: "Means", own: Address | None) -> "Exchange":
    from simp_daemon.peers.exchange import Exchange  # noqa: PLC0415  whoever speaks SIMP/1 alone needs no cipher

    return Exchange(means, own)

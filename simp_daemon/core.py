"""All rules of a daemon behind one inlet and one outlet: what has happened goes in, what is to be done comes out.

Pure: the time is an argument, in seconds on any clock that never goes back.
"""

from collections.abc import Callable

from simp_daemon.clients.connections import Connections
from simp_daemon.effects import Effect, Send
from simp_daemon.occurrences import (
    ClientClosed,
    ClientConnected,
    ClientSaid,
    ClientSlow,
    DatagramReceived,
    Occurrence,
    SendingFailed,
    Stopped,
    TimerFired,
)
from simp_daemon.peers.endpoint import Endpoint
from simp_proto.address import Address
from simp_proto.constants import Framing


class Core:
    """One daemon. `own` is its address, if it has a single one; `framing` the one forced on all calls, if any.

    `perform` does each effect as soon as it is due: a partner doesn't wait for what else there is to do.
    """

    def __init__(
        self, perform: Callable[[Effect], None], own: Address | None = None, framing: Framing | None = None
    ) -> None:
        self._perform = perform
        self._endpoint = Endpoint(framing, own=own)
        self._connections = Connections(self._endpoint, own, perform)

    def handle(self, occurrence: Occurrence, now: float) -> None:
        """Takes what has happened, and performs what follows. Nothing makes it raise; `perform` must not call it."""
        match occurrence:
            case DatagramReceived(data, peer, here):
                self._endpoint.receive(data, peer, now, here)
            case ClientSaid(client, data):
                self._connections.received(client, data)
            case TimerFired():
                self._endpoint.handle_timer(now)
                self._connections.handle_timer(now)
            case ClientConnected(client, local):
                self._connections.connected(client, now, local=local)
            case ClientSlow(client, slow):
                self._connections.slow(client, slow)
            case ClientClosed(client):
                self._connections.closed(client, now)
            case SendingFailed(peer, why):
                if not self._endpoint.fail(peer, why, now):
                    self._connections.sending_failed(peer, why)
            case Stopped():
                self._endpoint.shutdown(now)
                self._drain(now)
                self._connections.stop(now)
        self._drain(now)
        while self._connections.step(now):  # each line is answered before the next is looked at (client 4.1)
            self._drain(now)
        self._connections.settle(now)
        if self._endpoint.outlet:
            self._drain(now)

    def _drain(self, now: float) -> None:
        """Passes on what the endpoint has to say, each event followed by what a client is told of it."""
        for each in self._endpoint.outlet:
            self._perform(each)
            if not isinstance(each, Send):
                self._connections.happened(each, now)
        self._endpoint.outlet.clear()

    def get_timer(self) -> float | None:
        """When `TimerFired` is due next; changes nothing."""
        peers, clients = self._endpoint.get_timer(), self._connections.get_timer()
        if peers is None or clients is None:
            return clients if peers is None else peers
        return min(peers, clients)

    @property
    def idle(self) -> bool:
        """Whether nothing is going on with any peer."""
        return self._endpoint.idle

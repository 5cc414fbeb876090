"""All rules of a daemon behind one inlet and one outlet: what has happened goes in, what is to be done comes out.

Pure: the time is an argument, in seconds on any clock that never goes back.
"""

from typing import NamedTuple

from simp_daemon.clients.connections import Connections
from simp_daemon.effects import Client, Effect
from simp_daemon.peers.endpoint import Endpoint
from simp_daemon.peers.policy import OneChat
from simp_proto.address import Address, format_address
from simp_proto.constants import Framing


class DatagramReceived(NamedTuple):
    """Bytes have come from another daemon."""

    data: bytes
    peer: Address


class SendingFailed(NamedTuple):
    """The system said why a datagram to that peer couldn't be sent. Its retransmission may fare better."""

    peer: Address
    why: str


class ClientConnected(NamedTuple):
    """A connection on the client port has begun; `local`: it may use this daemon (client 1.2)."""

    client: Client
    local: bool


class ClientSaid(NamedTuple):
    """Bytes have come from a client."""

    client: Client
    data: bytes


class ClientSlow(NamedTuple):
    """A client takes less than it is given, or keeps up again (spec 8.4)."""

    client: Client
    slow: bool


class ClientClosed(NamedTuple):
    """A client's connection has ended."""

    client: Client


class TimerFired(NamedTuple):
    """It is as late as `Core.get_timer` said. Early or repeated ones do nothing."""


class Stopped(NamedTuple):
    """The daemon is to end: each peer is told FIN (spec 4.7)."""


Occurrence = (
    DatagramReceived | SendingFailed | ClientConnected | ClientSaid | ClientSlow | ClientClosed | TimerFired | Stopped
)


class Core:
    """One daemon. `own` is its address, if it has a single one; `framing` the one forced on all calls, if any."""

    def __init__(self, own: Address | None = None, framing: Framing | None = None) -> None:
        self._one_chat = OneChat()
        self._endpoint = Endpoint(framing, self._one_chat)
        self._connections = Connections(self._endpoint, self._one_chat, own)

    def handle(self, occurrence: Occurrence, now: float) -> list[Effect]:
        """Takes what has happened; returns what is to be done, in that order. Nothing makes it raise."""
        match occurrence:
            case DatagramReceived(data, peer):
                self._endpoint.receive(data, peer, now)
            case ClientSaid(client, data):
                self._connections.received(client, data, now)
            case TimerFired():
                self._endpoint.handle_timer(now)
            case ClientConnected(client, local):
                self._connections.connected(client, local=local)
            case ClientSlow(client, slow):
                self._connections.slow(client, slow)
            case ClientClosed(client):
                self._connections.closed(client, now)
            case SendingFailed(peer, why):
                current = self._one_chat.current
                if current is not None and current.peer == peer:
                    self._connections.warn(f"nothing could be sent to {format_address(peer)}: {why}")
            case Stopped():
                self._endpoint.shutdown(now)
        self._connections.settle(now)
        effects = self._connections.outlet.copy()
        self._connections.outlet.clear()
        return effects

    def get_timer(self) -> float | None:
        """When `TimerFired` is due next; changes nothing."""
        return self._endpoint.get_timer()

    @property
    def idle(self) -> bool:
        """Whether nothing is going on with any peer."""
        return self._endpoint.idle

"""All rules of a daemon behind one inlet and one outlet: what has happened goes in, what is to be done comes out.

Pure: the time is an argument, in seconds on any clock that never goes back.
"""

from dataclasses import dataclass

from simp_daemon.clients.connections import Connections
from simp_daemon.effects import Client, Effect
from simp_daemon.peers.endpoint import Endpoint
from simp_daemon.peers.policy import OneChat
from simp_proto.address import Address, format_address
from simp_proto.constants import Framing


@dataclass(frozen=True, slots=True)
class DatagramReceived:
    """Bytes have come from another daemon."""

    data: bytes
    peer: Address


@dataclass(frozen=True, slots=True)
class SendingFailed:
    """The system said why a datagram to that peer couldn't be sent. Its retransmission may fare better."""

    peer: Address
    why: str


@dataclass(frozen=True, slots=True)
class ClientConnected:
    """A connection on the client port has begun; `local`: it may use this daemon (client 1.2)."""

    client: Client
    local: bool


@dataclass(frozen=True, slots=True)
class ClientSaid:
    """Bytes have come from a client."""

    client: Client
    data: bytes


@dataclass(frozen=True, slots=True)
class ClientSlow:
    """A client takes less than it is given, or keeps up again (spec 8.4)."""

    client: Client
    slow: bool


@dataclass(frozen=True, slots=True)
class ClientClosed:
    """A client's connection has ended."""

    client: Client


@dataclass(frozen=True, slots=True)
class TimerFired:
    """It is as late as `Core.get_timer` said. Early or repeated ones do nothing."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The daemon is to end: each peer is told FIN (spec 4.7)."""


Happening = (
    DatagramReceived | SendingFailed | ClientConnected | ClientSaid | ClientSlow | ClientClosed | TimerFired | Stopped
)


class Core:
    """One daemon. `own` is its address, if it has a single one; `framing` the one forced on all calls, if any."""

    def __init__(self, own: Address | None = None, framing: Framing | None = None) -> None:
        self._one_chat = OneChat()
        self._endpoint = Endpoint(framing, self._one_chat)
        self._connections = Connections(self._endpoint, self._one_chat, own)

    def handle(self, happening: Happening, now: float) -> list[Effect]:
        """Takes what has happened; returns what is to be done, in that order. Nothing makes it raise."""
        match happening:
            case DatagramReceived():
                self._endpoint.receive(happening.data, happening.peer, now)
            case ClientSaid():
                self._connections.received(happening.client, happening.data, now)
            case TimerFired():
                self._endpoint.handle_timer(now)
            case ClientConnected():
                self._connections.connected(happening.client, local=happening.local)
            case ClientSlow():
                self._connections.slow(happening.client, happening.slow)
            case ClientClosed():
                self._connections.closed(happening.client, now)
            case SendingFailed():
                current = self._one_chat.current
                if current is not None and current.peer == happening.peer:
                    where = format_address(happening.peer)
                    self._connections.warn(f"nothing could be sent to {where}: {happening.why}")
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

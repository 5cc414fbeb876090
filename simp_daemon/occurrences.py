"""What can happen to a daemon: the one way into its rules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simp_daemon.contacts import Contact
from simp_daemon.effects import Client
from simp_daemon.events import Source
from simp_daemon.facts import Ledger
from simp_proto.address import Address
from simp_proto.constants import Framing


@dataclass(slots=True)
class DatagramReceived:
    """Bytes have come from another daemon."""

    data: bytes
    peer: Address
    here: str | None = None
    """The IP address of ours that it came to, where the daemon has several."""


@dataclass(slots=True)
class SendingFailed:
    """The system said why a datagram doesn't get to that peer, when it was sent or later."""

    peer: Address
    why: str
    refused: bool = False
    """The system over there says that nothing listens."""


@dataclass(slots=True)
class ClientConnected:
    """A connection on the client port has begun; `local`: it may use this daemon (client 1.2)."""

    client: Client
    local: bool


@dataclass(slots=True)
class ClientSaid:
    """Bytes have come from a client."""

    client: Client
    data: bytes


@dataclass(slots=True)
class ClientSlow:
    """A client takes less than it is given, or keeps up again (spec 8.4)."""

    client: Client
    slow: bool


@dataclass(slots=True)
class ClientClosed:
    """A client's connection has ended."""

    client: Client


@dataclass(slots=True)
class TimerFired:
    """It is as late as `Core.get_timer` said. Early or repeated ones do nothing."""


@dataclass(slots=True)
class Started:
    """The daemon is there; what was open when it ended last goes on (simp2 4.7)."""


@dataclass(slots=True)
class ContactsChanged:
    """A command has changed what is stored of contacts: this is all that is known of them now."""

    contacts: Sequence[tuple[Contact, Ledger]]


@dataclass(slots=True)
class NotStored:
    """The disk takes nothing, and everything waits until it does: why. Our person is to know, or that client."""

    why: str
    client: Client | None = None


@dataclass(slots=True)
class Stopped:
    """The daemon is to end: each peer is told FIN (spec 4.7), and each connection of a client ends."""


@dataclass(slots=True)
class Announced:
    """A daemon of that identity has announced itself, or again: with the person's name, or none, and where it may be,
    best first. `instance` is the announcement's own name, and `source` the host that sent it, as far as known.
    """

    identity: str
    instance: str
    name: str
    addresses: list[Address]
    source: str = ""
    known_as: str = ""
    """The name of the contact of that identity."""


@dataclass(slots=True)
class Withdrawn:
    """That announcement holds no longer."""

    identity: str
    instance: str


@dataclass(slots=True)
class Known:
    """Somebody of that name is, or was, at that address, and speaks that framing, as far as known."""

    source: Source
    name: str
    peer: Address
    framing: Framing | None = None


@dataclass(slots=True)
class HostsRead:
    """The person's list of addresses and names is new, or has changed: all that it has."""

    hosts: list[tuple[Address, str]]


Occurrence = (
    DatagramReceived | SendingFailed | ClientConnected | ClientSaid | ClientSlow | ClientClosed | TimerFired | Started
    | ContactsChanged | NotStored | Stopped | Announced | Withdrawn | Known | HostsRead
)  # fmt: skip

Handle = Callable[[Occurrence], None]
"""Takes what has happened."""

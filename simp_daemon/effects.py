"""What the rules want done: the one way out of them. Whoever performs effects keeps their order.

They aren't frozen: a frozen one takes twice as long to make, and there are three for each message. Nobody changes one.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

from simp_daemon.contacts import Change
from simp_daemon.events import Event
from simp_proto.address import Address
from simp_proto.constants import Framing

Client = Hashable
"""A connection on the client port, by whatever tells it from the others."""


@dataclass(slots=True)
class Send:
    """A datagram to another daemon."""

    data: bytes
    peer: Address
    here: str | None = None
    """The IP address of ours that it leaves from; `None` leaves the choice to the system (spec 1.4)."""


@dataclass(slots=True)
class Write:
    """A line, newline included, to a client; or two that are to be read together."""

    client: Client
    line: bytes


@dataclass(slots=True)
class Throttle:
    """Whether nothing more is to be read from a client for now (spec 8.3)."""

    client: Client
    held: bool


@dataclass(slots=True)
class Close:
    """The end of a client's connection, once what was written to it has been read, or now."""

    client: Client
    now: bool = False


@dataclass(slots=True)
class Announce:
    """Who is here from now on; nobody where the name is empty (discovery 1.3)."""

    name: str


@dataclass(slots=True)
class Remember:
    """A chat is on with that peer, of that name, which speaks that framing: to be kept between runs (discovery 2.3)."""

    peer: Address
    framing: Framing
    name: str


@dataclass(slots=True)
class LogKeys:
    """A line for the key log (simp2 10.2)."""

    line: str = field(repr=False)


@dataclass(slots=True)
class Commit:
    """To be on the disk before any effect after it is performed (simp2 7.4)."""

    change: Change


Effect = Send | Write | Throttle | Close | Announce | Remember | LogKeys | Commit | Event
"""An event is for whoever keeps a log."""

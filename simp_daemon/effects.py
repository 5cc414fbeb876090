"""What the rules want done: the one way out of them. Whoever performs effects keeps their order."""

from collections.abc import Hashable
from typing import NamedTuple

from simp_daemon.events import Event
from simp_proto.address import Address

Client = Hashable
"""A connection on the client port, by whatever tells it from the others."""


class Send(NamedTuple):
    """A datagram to another daemon."""

    data: bytes
    peer: Address


class Write(NamedTuple):
    """A line, newline included, to a client."""

    client: Client
    line: bytes


class Throttle(NamedTuple):
    """Whether nothing more is to be read from a client for now (spec 8.3)."""

    client: Client
    held: bool


class Close(NamedTuple):
    """The end of a client's connection, once what was written to it is sent."""

    client: Client


Effect = Send | Write | Throttle | Close | Event
"""An event is for whoever keeps a log."""

"""What a link has to say to our person, and where it puts that, its facts and its records (spec/simp2.md 7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from simp_daemon.facts import Fact
from simp_proto.sealed.frames import Frame


@dataclass(frozen=True, slots=True)
class Arrived:
    """The peer's message, whole."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """Our message of that token is on the peer's disk."""

    token: str


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Our message of that token goes out again, and may have arrived already (spec 7.8)."""

    token: str


@dataclass(frozen=True, slots=True)
class Missing:
    """So many pieces of the peer's aren't here, and won't come (spec 7.8)."""

    pieces: int


@dataclass(frozen=True, slots=True)
class Left:
    """The peer has left, or the session can't go on (spec 7.9)."""

    reason: int
    text: str


News = Arrived | Delivered | Doubtful | Missing | Left


class Outlet(Protocol):
    """Takes what the link wants done, in this order: what is sent or told rests on the facts before it (spec 7.4)."""

    def send(self, frames: Sequence[Frame]) -> int:
        """Seals a record; returns its counter."""

    def commit(self, fact: Fact) -> None:
        """Puts a fact on the disk."""

    def tell(self, news: News) -> None:
        """Tells our person."""

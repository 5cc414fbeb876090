"""What a session asks of whatever gets its datagrams to the peer: a seam, since versions of SIMP differ there."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, unique
from typing import Protocol

from simp_proto.constants import RETRANSMISSION_INTERVAL, Framing, Operation
from simp_proto.datagram import Datagram


@dataclass(frozen=True, slots=True)
class Transmission:
    """Something that wants an answer.

    `number` is its sequence number, `None` where the delivery chooses it; `interval` the seconds between its
    retransmissions; `message` the identity of the message that it carries, 0 for none, and `last` whether it is that
    message's end.
    """

    operation: Operation
    payload: bytes = b""
    number: int | None = None
    interval: float = RETRANSMISSION_INTERVAL
    message: int = 0
    last: bool = True


@unique
class Hint(Enum):
    """What else an answer can say of the outstanding datagram."""

    OTHER_NUMBER = "it should have the other sequence number (spec 9.5)"


class Delivery(Protocol):
    """Sends what it is given, again until it is acknowledged, and says what became of it.

    Times are seconds on the caller's clock.
    """

    def speak(self, framing: Framing) -> None:
        """The peer speaks that framing from now on."""

    def put(self, transmission: Transmission) -> None:
        """Adds it behind whatever is already waiting."""

    def say(self, message: int, text: str) -> None:
        """Puts a message, in as many datagrams as it takes; raises `ValueError` for what can't be said (spec 5.6)."""

    def probe(self) -> None:
        """Puts a datagram that is acknowledged, and changes nothing (spec 6.5)."""

    def receive(self, datagram: Datagram) -> Transmission | Hint | None:
        """What an ACK or ERR says of the outstanding datagram: that it has arrived, which is then done with; a hint;
        or nothing.
        """

    def is_new(self, datagram: Datagram) -> bool:
        """Whether a message of the peer's is no repeat of one that came before (spec 5.5)."""

    def due(self, now: float) -> Iterator[tuple[Transmission, int]]:
        """What is to be sent now, each with its sequence number. Ask `exhausted` first."""

    def exhausted(self, now: float) -> Transmission | None:
        """The outstanding datagram whose last try has gone unanswered too (spec 6.3)."""

    def repeat(self, now: float) -> None:
        """Lets the outstanding datagram go out again immediately; that is no new try (spec 4.5)."""

    def renumber(self, now: float) -> None:
        """Lets the outstanding datagram go out again immediately, with the other number (spec 9.5)."""

    def postpone(self, now: float, interval: float) -> None:
        """It has arrived, but a person has to answer: all tries begin again, this far apart (spec 4.4)."""

    def get_timer(self) -> float | None:
        """When `due` or `exhausted` will have something to say; changes nothing."""

    def waiting_since(self) -> float | None:
        """When the outstanding message went out for the first time."""

    def abandon(self) -> list[int]:
        """Drops everything; returns the messages that are not acknowledged, in order."""

    def __len__(self) -> int:
        """How many datagrams are not acknowledged yet."""

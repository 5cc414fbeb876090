"""The tester's way to the daemon and to its person, as a `Protocol`."""

from collections.abc import Sequence
from enum import Enum, unique
from typing import Protocol

from simp_proto.address import Address
from simp_proto.errors import SimpError


@unique
class Side(Enum):
    """Which of the tester's addresses: its own, that of a third party, its own with another port, or one that no daemon
    can know.
    """

    TESTER = "tester"
    STRANGER = "stranger"
    DOUBLE = "double"
    UNKNOWN = "unknown"


@unique
class Request(Enum):
    """What the person at the other side has to do, in words that ask for it."""

    ACCEPT = "accept the call"
    DECLINE = "decline the call"
    TYPE = "type the message"
    LEAVE = "leave the chat, or cancel the call"
    CALL = "call the tester"
    RESTART = "restart the daemon and its client"
    SEE = "say what the client's lines are"
    """Which no command can do: the tester attaches as the client itself."""

    @property
    def option(self) -> str:
        """The option of `simp conformance` that has it done."""
        if self is Request.SEE:
            return "--client"
        return f"--{self.name.lower()}-command"

    @property
    def in_want(self) -> str:
        """What to do where nobody can do it."""
        if self is Request.SEE:
            return "nobody sees what the person is told: give --client"
        if self is Request.RESTART:
            return f"nobody can restart: run it in a terminal, or give {self.option}"
        return f"nobody can {self.name.lower()}: run it in a terminal, or give --client or {self.option}"

    def in_words(self, text: str = "") -> str:
        """With the message to type."""
        if not text:
            return self.value
        return f"{self.value} {text!r}" if len(text) < 40 else f"{self.value}, {len(text)} characters: {text[:16]!r}..."


class NotRunError(SimpError):
    """A case couldn't be run: nobody acted at the other side, or nothing answers there any more."""


class Wire(Protocol):
    """The tester's way to the daemon and to its person."""

    wait: float
    """Seconds to wait for an immediate answer; silence of that length counts as no answer."""
    daemon: Address | None
    """Where the daemon is; `None` until it has called, if nobody said."""
    refused: bool
    """Whether nobody listens where the tester sent its last datagram, if the system can tell."""
    elsewhere: Address | None
    """Another address from which SIMP came, as from a daemon that answers from a wrong one (spec 1.4)."""
    restarts: bool
    """Whether the daemon is restarted before each case."""
    actions: frozenset[Request]
    """What the person can be asked for."""

    @property
    def afar(self) -> bool:
        """Whether the tester is on another host than the daemon."""
        ...

    def now(self) -> float: ...

    def chance(self, size: int) -> bytes:
        """So many random bytes."""
        ...

    def send(self, side: Side, data: bytes) -> None: ...

    def receive(self, until: float) -> tuple[float, Side, Address, bytes] | None:
        """The next datagram of the daemon that came until then, with its time; `None` if there is none."""
        ...

    def ask(self, action: Request, text: str, side: Side, *, quiet: bool) -> str:
        """Has it done; `text` is the message to type, `side` the one to call. `quiet`: nothing may come of it.

        Returns what went wrong with it, or nothing; raises `NotRunError` where it can't be done at all.
        """
        ...

    def shown(self) -> list[tuple[float, str]]:
        """The lines that the daemon told its client since the last time, each with its time (`Request.SEE`)."""
        ...

    def converse(self, said: Sequence[bytes], within: float, *, afar: bool = False) -> list[tuple[bytes, bool]]:
        """What other connections on the client port are answered when each in turn says that, and which are closed
        then. `afar`: at the daemon's own address, rather than where the client is attached.
        """
        ...

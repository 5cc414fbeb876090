"""What an attachment tells, and whom it names. The words in it may be a peer's: hostile until escaped."""

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Final

from simp_proto.printable import printable


@dataclass(frozen=True, slots=True)
class Other:
    """Somebody else: a name, an address, or both."""

    name: str
    address: str
    secured: str | None = field(default=None, compare=False, kw_only=True)
    """How the chat with them is secured, or what their request shows: `clear`, `encrypted`, `verified`, `claimed`.

    `None` while nothing is known, and where the daemon doesn't tell (client 4.3).
    """
    logged: bool = field(default=False, compare=False, kw_only=True)
    """Whether our daemon writes the keys of the chat to a file, with which others can read it."""

    @property
    def peer(self) -> str:
        """How the daemon is told who is meant: the address, since two people may have the same name (client 4)."""
        return self.address or self.name

    @property
    def title(self) -> str:
        """Who that is: `bob (127.0.0.2:7777)`, as far as known. A peer's words: hostile until escaped."""
        return f"{self.name} ({self.address})" if self.name and self.address else self.peer

    def goes_by(self, peer: str) -> bool:
        """Whether the daemon means this one."""
        return peer in (self.address, self.name)


NOBODY: Final = Other("", "")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the daemon has found. The name is what they call themselves: hostile until escaped."""

    name: str
    address: str
    """`IP:port`."""
    source: str
    """How they were found: `announced`, `chat` (an earlier one) or `hosts` (the file); a later daemon may know more."""
    seconds: int | None
    """Seconds since their daemon was heard, when this was told; `None` where it is known only."""
    known_as: str = ""
    """Their name in the file, or in an earlier chat, where they call themselves otherwise."""

    def __str__(self) -> str:
        """`bob (127.0.0.2:7777), heard 3 s ago`, escaped."""
        nobody = "" if self.name else "; nobody there"
        heard = "known" if self.seconds is None else f"heard {self.seconds} s ago{nobody}"
        return printable(f"{self.other.title}, {heard}")

    @property
    def here(self) -> bool:
        """Whether somebody is there (discovery 2.2); the name is empty where nobody is at that daemon."""
        return bool(self.name) and self.seconds is not None

    @property
    def other(self) -> Other:
        return Other(self.name or self.known_as, self.address)


@unique
class Fate(Enum):
    """What became of a message."""

    ACKNOWLEDGED = "the partner's daemon has it"
    UNDELIVERED = "it won't be sent again; the partner may or may not have got it"
    UNKNOWN = "nobody will tell"


@unique
class How(Enum):
    """How a call, or an acceptance, came to nothing."""

    DECLINED = "its user said no"
    BUSY = "its user is in another chat"
    NOBODY = "nobody answered"
    TOLD = "as the daemon's ERROR has said"
    WITHDRAWN = "the request was taken back"


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is on, and a call or a request can be answered: the daemon has taken us, or what we left is over."""


@dataclass(frozen=True, slots=True)
class Missed:
    """Somebody called while nobody was attached, and gave up so many seconds ago."""

    other: Other
    seconds: int


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody has come, or was here already when we came."""

    person: Person


@dataclass(frozen=True, slots=True)
class Gone:
    """Somebody who was here isn't any more, or goes by another name now, whose `Seen` follows."""

    person: Person


@dataclass(frozen=True, slots=True)
class Requested:
    """Somebody wants to chat."""

    other: Other


@dataclass(frozen=True, slots=True)
class Secured:
    """How the chat with `other`, or one that they ask for, is `secured` is known now, or known otherwise."""

    other: Other


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A request is over before it was answered."""

    other: Other


@dataclass(frozen=True, slots=True)
class Ringing:
    """The call has reached the other daemon, and its user is being asked."""

    other: Other


@dataclass(frozen=True, slots=True)
class Away:
    """The call has reached the other daemon, at which nobody is."""

    other: Other


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The call has got an answer from that address, which wasn't called; it may be another of the callee's."""

    other: Other
    address: str


@dataclass(frozen=True, slots=True)
class Began:
    """The chat is on."""

    other: Other


@dataclass(frozen=True, slots=True)
class Said:
    """The partner wrote. A message of more than a datagram comes as several, whose texts joined are it (client 3.2)."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The fate of the message with that number in its chat, from 1, is known; each has exactly one."""

    number: int
    text: str
    fate: Fate


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The call, or the oldest message, has been unanswered for so many seconds; every 30 s."""

    other: Other
    seconds: int


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing has been heard of the partner for so many seconds, and its daemon can't be asked. Told once a silence."""

    other: Other
    seconds: int


@dataclass(frozen=True, slots=True)
class LastHeard:
    """Somebody who doesn't answer a call was here so many `seconds` ago, and may have vanished since."""

    person: Person


@dataclass(frozen=True, slots=True)
class Ended:
    """The partner of the chat left, or is `lost`: it had stopped answering."""

    other: Other
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A call, or an acceptance, came to nothing. `why` is the daemon's ERROR, which was told as `Warned` before."""

    other: Other
    why: str | None
    how: How


@dataclass(frozen=True, slots=True)
class Warned:
    """The daemon says that something is wrong; the words may be the partner's."""

    text: str


@dataclass(frozen=True, slots=True)
class Over:
    """The connection has ended; `lost`: by itself."""

    lost: bool


Event = (
    Idle | Missed | Seen | Gone | Requested | Secured | Withdrawn | Ringing | Away | Elsewhere | Began | Said | Settled
    | Unanswered | Silent | LastHeard | Ended | Failed | Warned | Over
)  # fmt: skip

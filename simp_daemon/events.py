"""What has happened with other daemons: facts for whoever shows them to a person.

`peer` is the other daemon's address, `name` its user as last heard of, unescaped.
"""

from dataclasses import dataclass, field
from enum import Enum, StrEnum, unique

from simp_proto.address import Address


@unique
class Security(StrEnum):
    """How a chat is secured, and what its request shows of the caller (simp2 9.2, client 4.2)."""

    CLEAR = "clear"
    """Anyone on the way can read it, and write in it: SIMP/1."""
    ENCRYPTED = "encrypted"
    """With whoever had that key at the first chat."""
    VERIFIED = "verified"
    """Our person has compared the words."""
    CLAIMED = "claimed"
    """Somebody who has the name or the address of a contact, and not its key."""
    CLEAR_CLAIMED = "clear-claimed"
    """The same, and in the clear."""


@dataclass(slots=True)
class RequestReceived:
    """A call has come in. Its repeats are not new events (spec 4.5)."""

    peer: Address
    name: str
    security: Security | None = None
    """`None`: nothing is known yet."""


@dataclass(slots=True)
class Refused:
    """A call came in while a chat was on, and its caller was told so (spec 4.6)."""

    peer: Address
    name: str


@dataclass(slots=True)
class Rang:
    """The other daemon said that our call rings (spec 4.3)."""

    peer: Address
    name: str


@dataclass(slots=True)
class Unattended:
    """Our call rings where nobody is; that daemon asks whoever comes (spec 2.4)."""

    peer: Address
    name: str


@dataclass(slots=True)
class AnsweredElsewhere:
    """Our call got an answer from another address than the one called (spec 4.11)."""

    peer: Address
    name: str
    elsewhere: Address


@dataclass(slots=True)
class Connected:
    """The handshake is done: the chat is on (spec 4.1)."""

    peer: Address
    name: str
    here: str | None = None
    """The IP address of ours at which it reaches us, where there are several."""
    security: Security | None = None
    """`None` where the daemon speaks nothing but SIMP/1."""
    logged: bool = False
    """The keys are written to a file: whoever reads that can read all (simp2 10.2)."""


@dataclass(slots=True)
class Secured:
    """The chat that is on is secured otherwise now: our person has compared the words, say (client 4.3)."""

    peer: Address
    name: str
    security: Security
    logged: bool


@dataclass(slots=True)
class MessageReceived:
    """The partner said something, for the first time."""

    peer: Address
    name: str
    text: str


@dataclass(slots=True)
class MessageAcknowledged:
    """The partner's daemon has the whole of our message of that number."""

    peer: Address
    message: int


@dataclass(slots=True)
class MessageUndelivered:
    """Our message of that number was not acknowledged, and won't be sent again (spec 6.3)."""

    peer: Address
    message: int


@dataclass(slots=True)
class Unanswered:
    """A call, or the oldest message, has been unanswered for that many seconds (spec 6.4)."""

    peer: Address
    name: str
    seconds: int


@dataclass(slots=True)
class Silent:
    """Nothing has been heard of a foreign partner for that many seconds (spec 6.5)."""

    peer: Address
    name: str
    seconds: int


@dataclass(slots=True)
class ErrorReceived:
    """The peer sent an ERR, or did something that its user can fix."""

    peer: Address
    name: str
    text: str
    said: str = ""
    """The peer's own words, which come before that and may imitate ours."""


@unique
class Why(Enum):
    """How a request, call or chat came to its end."""

    FIN = "the other side ended it"
    ERR = "the other side sent an error"
    LOST = "the other side stopped answering"
    RESTARTED = "the other side called again"
    EXPIRED = "the caller stopped calling"
    CROWDED = "newer calls took its place"
    BUSY = "a chat with somebody else was on"
    QUIT = "this side ended it"
    UNREACHABLE = "no datagram got there"
    OTHER_KEY = "somebody with another key answered"


@dataclass(slots=True)
class Ended:
    """A request, call or chat is over."""

    peer: Address
    name: str
    why: Why
    request: bool = False
    """It is one that waited, and not what else is on at that address."""


@unique
class Reason(Enum):
    """Why a datagram was ignored: the closed list (spec 8.1, simp2 8.1)."""

    MALFORMED = "malformed"
    STRANGER = "no conversation with that peer"
    OUT_OF_PLACE = "out of place in this state"
    WRONG_FRAMING = "not in the conversation's framing"
    WRONG_NUMBER = "acknowledges nothing outstanding"
    RATE = "too many strangers"
    CROWDED = "too many requests wait"
    SLOW_CLIENT = "our client doesn't keep up"
    OLD = "a record far below the highest"
    REPLAY = "a record that was read before"
    FORGED = "not sealed by the partner"
    UNSEALED = "in the clear, where it must be sealed"
    WRONG_KEY = "of somebody with another key"
    CROSSED = "the other call of two that crossed goes on"
    BARRED = "of a contact that is blocked, or whose key has changed"


@dataclass(slots=True)
class Ignored:
    """A datagram changed nothing."""

    peer: Address
    reason: Reason
    detail: str = ""


@unique
class Source(StrEnum):
    """How a neighbour was found (client 4.2)."""

    ANNOUNCED = "announced"
    CHAT = "chat"
    HOSTS = "hosts"


@dataclass(slots=True)
class Present:
    """A daemon that was asked has answered; `name` is empty where nobody is there (spec 4.12)."""

    peer: Address
    name: str


@dataclass(slots=True)
class Seen:
    """A neighbour has come, or changed. `seconds` have passed since it was heard; `None`: it is known only."""

    peer: Address
    name: str
    source: Source
    seconds: int | None
    known_as: str = ""
    """The name by which our person knows it, where it calls itself otherwise."""
    identity: str = field(default="", compare=False)
    """As it is announced."""


@dataclass(slots=True)
class Gone:
    """A neighbour isn't here any more."""

    peer: Address
    name: str


Event = (
    RequestReceived | Refused | Rang | Unattended | AnsweredElsewhere | Connected | Secured | MessageReceived
    | MessageAcknowledged | MessageUndelivered | Unanswered | Silent | ErrorReceived | Ended | Ignored | Present
    | Seen | Gone
)  # fmt: skip

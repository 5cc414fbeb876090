"""What calls of SIMP/2 bring about, for whoever keeps sessions and the store, and tells our person (simp2 4, 9)."""

from dataclasses import dataclass, field

from simp_daemon.events import ErrorReceived, Ignored, Rang, Unanswered, Why
from simp_proto.address import Address
from simp_proto.sealed.frames import Hello, State


@dataclass(slots=True)
class Requested:
    """A call rings here: that of `contact`, by its static key, or of somebody unknown, who may claim to be one."""

    peer: Address
    name: str
    contact: bytes | None
    claims: bool


@dataclass(slots=True)
class Consent:
    """Our person wants the conversation with that contact, or doesn't any more: on the disk before what follows."""

    contact: bytes
    open: bool


@dataclass(slots=True)
class Established:
    """A session with whoever has the static key `key`, and says `hello`; the peer is pinned before what follows.

    `keys` are those for the caller's and the callee's records, `payload_keys` those of messages 2 and 3, for a key
    log, and `caller` says which we are. Of the callee's, `state` was in the CONFIRM, and `round_trip` is that of the
    ANSWER, in seconds, if it went out once. It only `closes` where nobody here wants the conversation any more.
    """

    peer: Address
    here: str | None
    tag: bytes
    key: bytes
    hello: Hello
    keys: tuple[bytes, bytes] = field(repr=False)
    payload_keys: tuple[bytes, ...] = field(repr=False)
    handshake_hash: bytes
    caller: bool
    state: State | None
    round_trip: float | None
    closes: bool


@dataclass(slots=True)
class CallOver:
    """A call or a request came to its end without a session; `quiet`: it was a quiet call of ours."""

    peer: Address
    name: str
    why: Why
    contact: bytes | None
    quiet: bool


@dataclass(slots=True)
class KeyChanged:
    """Where that contact was called, only somebody with other keys has answered, who says `hello` (simp2 9.4)."""

    peer: Address
    contact: bytes
    key: bytes
    hello: Hello
    quiet: bool


@dataclass(slots=True)
class InTheClear:
    """Whom our person called speaks SIMP/1; the first SYN, with `user`, went out at `begun` (simp2 3.3)."""

    peer: Address
    user: bytes
    begun: float


@dataclass(slots=True)
class ClearAnswers:
    """Where that contact was called, SIMP/1 has answered. Nothing was sent to that (simp2 4.4, 8)."""

    peer: Address
    contact: bytes


CallNews = (
    Requested | Consent | Established | CallOver | KeyChanged | InTheClear | ClearAnswers | Rang | Unanswered
    | ErrorReceived | Ignored
)  # fmt: skip

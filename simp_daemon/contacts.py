"""Whom we know by their keys, and what else is to be kept besides the facts of conversations (spec/simp2.md 7.4, 9)."""

from base64 import b32encode
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from simp_daemon.facts import Acknowledged, Fact, Pinned
from simp_proto.address import Address

ADDRESSES: Final = 8
"""Of a contact, and as many names, that are remembered."""
HOUR: Final = 3600
"""Seconds for which a hidden identity holds."""


def id_of(key: bytes, signing_key: bytes) -> str:
    """The id of a person with these public keys, X25519 and Ed25519: 52 characters (spec 5.6)."""
    return b32encode(sha256(b"SIMP/2 id" + key + signing_key).digest()).decode("ascii").lower().rstrip("=")


def announced_as(key: bytes, signing_key: bytes) -> str:
    """The identity by which that person's daemon announces itself (discovery 1.2)."""
    return id_of(key, signing_key)[:8]


def hidden_as(key: bytes, signing_key: bytes, hour: int) -> str:
    """The same, for contacts alone, in that hour since 1970 (discovery 5.3)."""
    made = sha256(b"SIMP/2 here" + key + signing_key + hour.to_bytes(8)).digest()
    return b32encode(made[:5]).decode("ascii").lower()


class Trust(StrEnum):
    """What our person thinks of a contact's key (spec 9)."""

    NEW = "new"
    """Pinned; nobody has compared words."""
    VERIFIED = "verified"
    CHANGED = "changed"
    """Somebody else's key answered there; nothing is shown or sent until our person decides."""
    BLOCKED = "blocked"


class Fate(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    """Given up; it may have arrived nevertheless."""
    RECEIVED = "received"
    TORN = "torn"
    """The beginning of a message of the peer's, whose rest won't come (spec 7.8)."""


@dataclass(frozen=True, slots=True)
class About:
    """A fact of the conversation with the contact of that X25519 key."""

    key: bytes
    fact: Fact


@dataclass(frozen=True, slots=True)
class Reached:
    """A session with a contact: what it calls itself now, and where it is."""

    key: bytes
    name: str
    address: Address


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """Where that contact was called, somebody answered whose keys are `other` (spec 9.4)."""

    key: bytes
    other: Pinned


@dataclass(frozen=True, slots=True)
class Trusted:
    """Our person thinks otherwise of a contact of which it `was` told something: no longer true, it decides nothing."""

    key: bytes
    was: Trust
    trust: Trust
    name: str | None = None
    """By which words were compared; `None`: by the one that it has."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """Our person says that a contact has the keys `other` from now on: found there, or another contact's (spec 9.4)."""

    key: bytes
    other: Pinned


@dataclass(frozen=True, slots=True)
class ClearSaid:
    """A message to a peer of SIMP/1; no other that waits has that token."""

    peer: Address
    name: str
    token: str
    text: str


@dataclass(frozen=True, slots=True)
class ClearSettled:
    """The fate of such a message is known."""

    token: str
    fate: Fate


@dataclass(frozen=True, slots=True)
class ClearReceived:
    """A message from a peer of SIMP/1."""

    peer: Address
    name: str
    text: str


Change = Pinned | About | Reached | KeyChanged | Trusted | Replaced | ClearSaid | ClearSettled | ClearReceived
"""All that can be committed."""


_CLEAR: Final = (ClearSaid, ClearSettled, ClearReceived)


def may_wait(change: Change) -> bool:
    """Whether nothing rests on it: what is acknowledged is heard again, and SIMP/1 promises nothing (spec 7.4)."""
    if isinstance(change, About):
        return isinstance(change.fact, Acknowledged)
    return isinstance(change, _CLEAR)


@dataclass(frozen=True, slots=True)
class Contact:
    """A person whose keys are pinned."""

    key: bytes
    signing_key: bytes
    name: str
    """What it called itself last."""
    trust: Trust
    addresses: tuple[Address, ...]
    """The last few where it was reached, latest first."""
    seen_at: int
    """When it was reached last: milliseconds since 1970, by this machine's clock."""
    others: tuple[Pinned, ...]
    """Who answered in its place, latest last, while the key is changed."""
    replaced_by: bytes | None
    """The X25519 key that this person has now: what was said before is history."""
    names: tuple[str, ...] = ()
    """The last few that it called itself, latest first."""
    reached_at: tuple[int, ...] = ()
    """When it was at each of the addresses last, as `seen_at`."""
    verified_as: str | None = None
    """What it called itself when words were compared, if they agree."""

    @property
    def pinned(self) -> Pinned:
        """Its keys, as of one that is new."""
        return Pinned(self.key, self.signing_key, self.name, self.addresses[0])


@dataclass(frozen=True, slots=True)
class Message:
    """One of the history, by its number there, which is never used again."""

    id: int
    at: int
    """Milliseconds since 1970, by this machine's clock."""
    ours: bool
    fate: Fate
    doubtful: bool
    """Sent again when it may have arrived already (spec 7.8)."""
    content: bytes
    """A message of SIMP/2 (spec 7.1), or a text of SIMP/1 in UTF-8."""
    peer: Address | None
    """Where a peer of SIMP/1 was; `None` for a contact."""
    name: str | None
    """What that peer called itself."""

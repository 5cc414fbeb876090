"""What a SYN offers, and what is made from it: tags, prologues, ring proofs (simp2 2, 4.3, 5.2).

No bytes raise anything but `SealedError`.
"""

import base64
import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Any, Final

from construct import Const, Construct, ConstructError, Struct, Terminated

from simp_proto.constants import KEY_SIZE, MAX_OFFER_SIZE, OFFER, TAG_SIZE, USER_SIZE
from simp_proto.errors import SealedError

COOKIE_SIZE: Final = 16
PROOF_SIZE: Final = 16


@dataclass(slots=True)
class Offer:
    """What a SYN's payload says: `key` is the flags' byte and `e`, `proof` the cookie and the ring proof.

    `before` and `after` are the tokens around SIMP/2's, each with the blank that it follows.
    """

    key: bytes
    proof: bytes
    before: bytes = b""
    after: bytes = b""

    @property
    def quiet(self) -> bool:
        """Whether the call doesn't ring (simp2 2.3)."""
        return bool(self.key[0] & 1)

    @property
    def e(self) -> bytes:
        """The caller's ephemeral public key."""
        return self.key[1:]

    @property
    def cookie(self) -> bytes:
        """What the callee's CHALLENGE brought, or random bytes (simp2 2.2)."""
        return self.proof[:COOKIE_SIZE]

    @property
    def ring_proof(self) -> bytes:
        """Random bytes if the callee is no contact of the caller's (simp2 2.2)."""
        return self.proof[COOKIE_SIZE:]

    @property
    def text(self) -> bytes:
        """What prologue and ring proof bind: everything before the proof (simp2 2.1)."""
        text: bytes = _TEXT.build({"before": self.before, "key": self.key, "after": self.after})
        return text


class _Tokens(Construct):  # type: ignore[misc]  # construct has no types
    """Tokens, each after a blank, up to the first place where `until` is."""

    def __init__(self, until: bytes) -> None:
        super().__init__()
        self.until = until

    def _parse(self, stream: BytesIO, context: Any, path: str) -> bytes:
        at = stream.tell()
        tokens, found, _ = stream.read().partition(self.until)
        if not found:
            raise SealedError("payload", stream.tell(), "the end", repr(self.until), section="2.1")
        if not _TOKENS.fullmatch(tokens):
            raise SealedError("token", at, repr(tokens), "a blank, and printable ASCII without @", section="2.1")
        stream.seek(at + len(tokens))
        return tokens

    def _build(self, value: bytes, stream: BytesIO, context: Any, path: str) -> bytes:
        stream.write(value)
        return value


class _Base64(Construct):  # type: ignore[misc]
    """So many bytes as a token of base64url without padding, in the only spelling that there is (RFC 4648)."""

    def __init__(self, field: str, size: int) -> None:
        super().__init__()
        self.field = field
        self.size = size

    def _parse(self, stream: BytesIO, context: Any, path: str) -> bytes:
        at = stream.tell()
        read = stream.read().partition(b" ")[0]
        try:
            value = base64.urlsafe_b64decode(read + b"=" * (-len(read) % 4))
        except ValueError:
            value = b""
        if len(value) != self.size or _spelled(value) != read:
            raise SealedError(self.field, at, repr(read), f"base64url of {self.size} bytes", section="2.1")
        stream.seek(at + len(read))
        return value

    def _build(self, value: bytes, stream: BytesIO, context: Any, path: str) -> bytes:
        stream.write(_spelled(value))
        return value


def _spelled(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


_TOKENS: Final = re.compile(rb"(?: [!-?A-~]+)*")
_BOUND: Final = (
    Const(OFFER),
    "before" / _Tokens(until=b" SIMP/2 "),
    Const(b" SIMP/2 "),
    "key" / _Base64("key", 1 + KEY_SIZE),
    "after" / _Tokens(until=b" @"),
)
_PROOF: Final = "proof" / _Base64("proof", COOKIE_SIZE + PROOF_SIZE)
# Anybody can send one: compiled, they take half as long to read.
_TEXT: Final = Struct(*_BOUND).compile()
_OFFER: Final = Struct(*_BOUND, Const(b" @"), _PROOF, Terminated).compile()


def build_offer(offer: Offer) -> bytes:
    """The payload of a SYN; raises `SealedError` for values that it would not be read as."""
    fields = {"before": offer.before, "key": offer.key, "after": offer.after, "proof": offer.proof}
    payload: bytes = _OFFER.build(fields)
    if (read := read_offer(payload)) != offer:
        raise SealedError("token", len(OFFER), repr(offer.before), repr(read.before), section="2.1")
    return payload


def read_offer(payload: bytes) -> Offer:
    """What the payload of a SYN offers; raises `SealedError` if that is SIMP/1 at most (simp2 2.1)."""
    if len(payload) > MAX_OFFER_SIZE:
        expected = f"at most {MAX_OFFER_SIZE} bytes"
        raise SealedError("payload", MAX_OFFER_SIZE, f"{len(payload)} bytes", expected, section="2.1")
    if not payload.startswith(OFFER):
        raise SealedError("payload", 0, repr(payload[: len(OFFER)]), repr(OFFER), section="2.1")
    try:
        read = _OFFER.parse(payload)
    except ConstructError:
        at = payload.index(b" ", payload.index(b" @") + 1)
        raise SealedError("payload", at, repr(payload[at:]), "the end after the proof", section="2.1") from None
    return Offer(read.key, read.proof, read.before, read.after)


def tag_of(e: bytes) -> bytes:
    """The 8 bytes by which datagrams belong to the call that was made with that key (simp2 2.4)."""
    return sha256(b"SIMP/2 call" + e).digest()[:TAG_SIZE]


def prologue(user: bytes, offer: bytes) -> bytes:
    """What a handshake binds of the SYN: its user, with NULs or without, and its `Offer.text` (simp2 5.2)."""
    return b"SIMP/2" + user.ljust(USER_SIZE, b"\0") + len(offer).to_bytes(2, "big") + offer


def ring_key(shared: bytes, caller: bytes, callee: bytes) -> bytes:
    """32 bytes from X25519 of two static keys, and these: HKDF-SHA256 (RFC 5869, simp2 4.3)."""
    extracted = hmac.digest(b"SIMP/2 ring", shared, "sha256")
    return hmac.digest(extracted, caller + callee + b"\1", "sha256")


def ring_proof(ring_key: bytes, user: bytes, offer: bytes, cookie: bytes) -> bytes:
    """16 bytes that show a contact who rings: of a SYN's user, `Offer.text` and cookie, by the ring key (simp2 4.3)."""
    return hmac.digest(ring_key, user.ljust(USER_SIZE, b"\0") + offer + cookie, "sha256")[:PROOF_SIZE]

"""What a SYN of SIMP/2 must show before anything is kept of it, and which are answered at all (simp2 4.2, 4.3, 8.2)."""

import hmac
from base64 import urlsafe_b64decode
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from simp_daemon.peers.sealed.pins import Pins
from simp_daemon.peers.strangers import Allowance, Strangers
from simp_proto.address import Address
from simp_proto.constants import OFFER, TAG_SIZE, USER_SIZE, Control, Framing, PayloadKind, Type
from simp_proto.datagram import HEAD_SIZE, name_of, offset
from simp_proto.sealed.offer import COOKIE_SIZE, Offer, tag_of

MINUTE: Final = 60.0
"""A cookie is good in the minute in which it was made, and in the next."""
PROOF_RATE: Final = 5
"""SYNs of one contact, each proved to be its own, that are answered in a second, whatever strangers do."""
_SECRET_SIZE: Final = 32
_MARKS: Final = 256
_SYN: Final = bytes((Type.CONTROL, Control.SYN))
_USER: Final = offset("user", Framing.HEADER, 0)
_PAYLOAD: Final = offset("payload", Framing.HEADER, 0)
_TAGGED: Final = frozenset(bytes((kind,)) for kind in PayloadKind if kind is not PayloadKind.RECORD)
_BEFORE_KEY: Final = b" SIMP/2 "
_BEFORE_PROOF: Final = b" @"
_KEY_SIZE: Final = 44
_PROOF_SIZE: Final = 43
"""Characters of an offer's key, and of its proof, with which it ends (simp2 2.1)."""


class Cookies:
    """It keeps nothing for strangers, except for what `Strangers` does."""

    def __init__(self, pins: Pins, strangers: Strangers, random: Callable[[int], bytes]) -> None:
        self._pins = pins
        self._strangers = strangers
        self._secret = random(_SECRET_SIZE)
        self._proofs: dict[bytes, _Proofs] = {}  # by contact

    def cookie(self, peer: Address, offer: Offer, now: float) -> bytes:
        """What a CHALLENGE brings."""
        return self._cookie(peer, offer, int(now // MINUTE))

    def knows(self, peer: Address, offer: Offer, now: float) -> bool:
        """Whether the cookie is good, so that the address is the sender's own."""
        age = (int(now // MINUTE) - int.from_bytes(offer.cookie[:1], "big")) % _MARKS
        return age <= 1 and hmac.compare_digest(offer.cookie, self._cookie(peer, offer, int(now // MINUTE) - age))

    def admits(self, peer: Address, user: bytes, offer: Offer, now: float) -> bool:
        """Whether a SYN may be answered whose address may be forged; the answer is counted."""
        friend = self._pins.at(peer) is not None
        if self._strangers.admits(peer, now, friend=friend):
            self._strangers.charge(peer, 1, friend=friend)
            return True
        pin = self._pins.prover(user, offer, named=True)
        return pin is not None and self._proofs.setdefault(pin.key, _Proofs()).admits(offer.e, now)

    def turns_away(self, data: bytes, peer: Address, now: float, is_on: Callable[[bytes], bool]) -> bool:
        """Whether nothing comes of a datagram, as far as it is SIMP/2's, since strangers have had their share.

        It is found at a glance, since it is what a flood costs: only whatever has passed here is parsed. `is_on` says
        which tags are those of calls that are on.
        """
        friend = self._pins.at(peer) is not None
        admitted = self._strangers.admits(peer, now, friend=friend)
        if data[: len(_SYN)] != _SYN:
            tagged = data[_USER:_PAYLOAD].startswith(bytes(USER_SIZE)) and data[_PAYLOAD : _PAYLOAD + 1] in _TAGGED
            strange = tagged and not is_on(data[_PAYLOAD + 1 : _PAYLOAD + 1 + TAG_SIZE])
            if strange and admitted:  # it costs a line in the log, or an OVER
                self._strangers.charge(peer, 1, friend=friend)
            return strange and not admitted
        if admitted:
            return False
        offer = _glance(data)
        return offer is None or not (is_on(tag_of(offer.e)) or self._lets_in(data, offer, peer, now))

    def _lets_in(self, data: bytes, offer: Offer, peer: Address, now: float) -> bool:
        """Whether a SYN has a good cookie, or may have a contact's proof that is answered now."""
        if self.knows(peer, offer, now):
            return True
        user = data[_USER : _USER + USER_SIZE]
        text = data[data.find(OFFER, HEAD_SIZE) : -_PROOF_SIZE - len(_BEFORE_PROOF)]
        return any(
            pin.proves(user, text, offer.cookie, offer.ring_proof)
            and (pin.key not in self._proofs or self._proofs[pin.key].left(offer.e, now))
            for pin in self._pins.named(name_of(user))
        )

    def _cookie(self, peer: Address, offer: Offer, minute: int) -> bytes:
        """It begins with its minute, so that most forged ones cost nothing; BLAKE2b costs a third of what HMAC does."""
        made_for = minute.to_bytes(8, "big", signed=True) + offer.e + f"{peer[1]} {peer[0]}".encode()
        return bytes((minute % _MARKS,)) + blake2b(made_for, key=self._secret, digest_size=COOKIE_SIZE - 1).digest()


def offers(data: bytes) -> bool:
    """Whether that may be a SYN with an offer of SIMP/2, in `bare` or `header`; at a glance."""
    end = len(data) - _PROOF_SIZE
    return data[: len(_SYN)] == _SYN and data[end - len(_BEFORE_PROOF) : end] == _BEFORE_PROOF and _BEFORE_KEY in data


def _glance(data: bytes) -> Offer | None:
    """Key and proof of such an offer, from where they are; `None` if they aren't."""
    at = data.find(_BEFORE_KEY, HEAD_SIZE) + len(_BEFORE_KEY)
    try:
        return Offer(urlsafe_b64decode(data[at : at + _KEY_SIZE]), urlsafe_b64decode(data[-_PROOF_SIZE:] + b"="))
    except ValueError:
        return None


class _Proofs:
    """The SYNs of one contact that were answered in the last second."""

    def __init__(self) -> None:
        self._allowance = Allowance(PROOF_RATE, PROOF_RATE)
        self._last: dict[bytes, float] = {}

    def admits(self, e: bytes, now: float) -> bool:
        """Whether one more is; each caller's key counts once in a second."""
        admits = self.left(e, now)
        if admits:
            self._allowance.spend(1)
            self._last[e] = now
        return admits

    def left(self, e: bytes, now: float) -> bool:
        """Whether one more would be."""
        self._last = {each: at for each, at in self._last.items() if now < at + 1}
        return e not in self._last and self._allowance.left(now)

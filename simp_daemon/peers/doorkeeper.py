"""What a SYN of SIMP/2 must show before anything is kept of it, and which are answered at all (simp2 4.2, 4.3, 8.2)."""

import hmac
from collections.abc import Callable
from typing import Final

from simp_daemon.peers.pins import Pins
from simp_daemon.peers.strangers import Allowance, Strangers
from simp_proto.address import Address
from simp_proto.sealed.offer import COOKIE_SIZE, Offer

MINUTE: Final = 60.0
"""A cookie is good in the minute in which it was made, and in the next."""
PROOF_RATE: Final = 5
"""SYNs of one contact, each proved to be its own, that are answered in a second, whatever strangers do."""
_SECRET_SIZE: Final = 32


class Doorkeeper:
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
        minute = int(now // MINUTE)
        cookies = [self._cookie(peer, offer, each) for each in (minute, minute - 1)]
        return sum(hmac.compare_digest(offer.cookie, each) for each in cookies) > 0

    def admits(self, peer: Address, user: bytes, offer: Offer, now: float) -> bool:
        """Whether a SYN may be answered whose address may be forged; the answer is counted."""
        friend = self._pins.at(peer) is not None
        if self._strangers.admits(peer, now, friend=friend):
            self._strangers.charge(peer, 1, friend=friend)
            return True
        pin = self._pins.prover(user, offer, named=True)
        return pin is not None and self._proofs.setdefault(pin.key, _Proofs()).admits(offer.e, now)

    def _cookie(self, peer: Address, offer: Offer, minute: int) -> bytes:
        made_for = minute.to_bytes(8, "big", signed=True) + offer.e + f"{peer[1]} {peer[0]}".encode()
        return hmac.digest(self._secret, made_for, "sha256")[:COOKIE_SIZE]


class _Proofs:
    """The SYNs of one contact that were answered in the last second."""

    def __init__(self) -> None:
        self._allowance = Allowance(PROOF_RATE, PROOF_RATE)
        self._last: dict[bytes, float] = {}

    def admits(self, e: bytes, now: float) -> bool:
        """Whether one more is; each caller's key counts once in a second."""
        self._last = {each: at for each, at in self._last.items() if now < at + 1}
        if e in self._last or not self._allowance.left(now):
            return False
        self._allowance.spend(1)
        self._last[e] = now
        return True

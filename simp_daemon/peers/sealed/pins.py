"""Contacts as calls need them: whose keys are pinned, and who proves by a SYN to be one (simp2 1.2, 4.3, 9.1)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hmac import compare_digest

from simp_daemon.contacts import ADDRESSES, HOUR, Contact, Trust, announced_as, hidden_as
from simp_daemon.events import Security
from simp_proto.address import Address
from simp_proto.datagram import name_of
from simp_proto.errors import NotNowError
from simp_proto.noise import KeyPair
from simp_proto.printable import printable_name
from simp_proto.sealed.offer import Offer, ring_key, ring_proof


@dataclass(slots=True, eq=False)
class Pin:
    """A contact."""

    key: bytes
    """Its static public key, which is who it is."""
    signing_key: bytes
    name: str
    """What it called itself last, unescaped."""
    ring_key: bytes
    """The one of our calls."""
    proof_key: bytes
    """The one of its calls."""
    address: Address | None = None
    """Where it was reached last."""
    found: Address | None = None
    """Where somebody answers who announces its identity (discovery 1.2), which anybody can."""
    open: bool = False
    """Whether the conversation is (simp2 1.3)."""
    taken: bool = True
    """Whether our person has taken the conversation up, if it is open."""
    trust: Trust = Trust.NEW
    verified_as: str | None = None
    """What it called itself when words were compared."""

    @property
    def identity(self) -> str:
        """By which its daemon announces itself."""
        return announced_as(self.key, self.signing_key)

    @property
    def security(self) -> Security:
        """How a chat with it is secured."""
        verified = self.trust is Trust.VERIFIED and self.name == self.verified_as
        return Security.VERIFIED if verified else Security.ENCRYPTED

    @property
    def barred(self) -> str:
        """Why nothing is said to this contact, if it isn't: nothing for most (simp2 9.4)."""
        match self.trust:
            case Trust.BLOCKED:
                return f"{self.name} is blocked (simp block --undo {self.identity} lifts that)"
            case Trust.CHANGED:
                return (
                    f"whoever answered in {self.name}'s place has another key: {self.name}'s new device, or somebody"
                    f" who pretends to be {self.name}. Nothing was sent. Ask {self.name}, but not in a chat, for the"
                    f" id that simp identity shows, and type: simp trust {self.identity} ID"
                )
        return ""

    def proves(self, user: bytes, text: bytes, cookie: bytes, proof: bytes) -> bool:
        """Whether this contact made the SYN with that `Offer.text`; only a good cookie says when (simp2 4.3)."""
        return compare_digest(ring_proof(self.proof_key, user, text, cookie), proof)


class Pins:
    """All contacts of the owner of these `keys`. What is here is in the store as well, which puts it here."""

    def __init__(self, keys: KeyPair, clock: Callable[[], int] = lambda: 0) -> None:
        """`clock` is on the wall, in milliseconds since 1970."""
        self._keys = keys
        self._clock = clock
        self._identities: dict[str, Pin] = {}
        self._hour: int | None = None  # for which those are
        self._pins: dict[bytes, Pin] = {}
        self._reached: dict[Address, Pin] = {}
        self._named: dict[str, list[Pin]] = {}

    def __iter__(self) -> Iterator[Pin]:
        return iter(self._pins.values())

    def add(self, key: bytes, signing_key: bytes, name: str) -> Pin:
        """Computes the ring keys, once. Raises `LowOrderError` for a key with which there was no handshake."""
        shared, own = self._keys.dh(key), self._keys.public
        pin = Pin(key, signing_key, name, ring_key(shared, own, key), ring_key(shared, key, own))
        self._pins[key], self._hour = pin, None
        self.rename(pin, name)
        return pin

    def rename(self, pin: Pin, name: str) -> None:
        """It calls itself that now."""
        self._forget_name(pin)
        pin.name = name
        self._named.setdefault(name.lower(), []).append(pin)

    def remove(self, key: bytes) -> None:
        """It is no contact any more."""
        pin, self._hour = self._pins.pop(key), None
        self._forget_name(pin)
        self._reached = {address: each for address, each in self._reached.items() if each is not pin}

    def reach(self, pin: Pin, address: Address) -> None:
        """It is there now, in the place of whoever was there before."""
        pin.address = address
        self._reached.pop(address, None)
        self._reached[address] = pin
        earlier = [each for each, other in self._reached.items() if other is pin]
        for each in earlier[:-ADDRESSES]:  # its own, so that no contact can push out another's
            del self._reached[each]

    def sort(self, contacts: Iterable[Contact]) -> None:
        """Of those who were at one address, whoever was there last is there."""
        there = [each for each in contacts if not each.replaced_by]
        reached = [
            (at, each.key, where) for each in there for at, where in zip(each.reached_at, each.addresses, strict=False)
        ]
        for _, key, address in sorted(reached):
            self.reach(self._pins[key], address)

    def _forget_name(self, pin: Pin) -> None:
        named = [each for each in self._named.pop(pin.name.lower(), ()) if each is not pin]
        if named:
            self._named[pin.name.lower()] = named

    def release(self, address: Address) -> None:
        """Whoever was reached there isn't there any more, as far as known."""
        self._reached.pop(address, None)

    def get(self, key: bytes) -> Pin | None:
        """The contact with that static key."""
        return self._pins.get(key)

    def at(self, address: Address) -> Pin | None:
        """The contact that was reached there last (simp2 4.4)."""
        return self._reached.get(address)

    def named(self, name: str) -> list[Pin]:
        """The contacts that call themselves so, without regard to case."""
        return list(self._named.get(name.lower(), ()))

    def security(self, pin: Pin) -> Security:
        """How a chat with that contact is secured: whoever has another's name isn't to be taken for that one, unless
        words were compared.
        """
        namesake = len(self.named(pin.name)) > 1
        return Security.CLAIMED if namesake and pin.security is Security.ENCRYPTED else pin.security

    def meant(self, peer: Address, name: str) -> Pin | None:
        """The contact whom our person means, by that name or there, if it is one; raises `NotNowError`."""
        named, there = self.named(name) if name else [], self.at(peer)
        named = [each for each in named if each.trust is not Trust.BLOCKED] or named
        if len(named) > 1 and there not in named:
            raise NotNowError(f"several of your contacts are called {name!r}: call the one you mean by address")
        return named[0] if len(named) == 1 else there

    def recognise(self, identity: str) -> Pin | None:
        """The contact whose daemon may be announced so, at about this hour (discovery 2.5)."""
        hour = self._clock() // (1000 * HOUR)
        if hour != self._hour:
            hours = [each for each in (hour - 1, hour, hour + 1) if each >= 0]
            hidden = {hidden_as(pin.key, pin.signing_key, each): pin for pin in self for each in hours}
            self._identities, self._hour = hidden | {pin.identity: pin for pin in self}, hour
        return self._identities.get(identity)

    def canonical(self, identity: str) -> str:
        """The one by which a contact announces itself to everyone, or that identity itself."""
        pin = self.recognise(identity)
        return pin.identity if pin else identity

    def identities(self, name: str) -> list[str]:
        """By which contacts with just that name announce themselves."""
        return [pin.identity for pin in self if printable_name(pin.name) == name]

    def lose(self, address: Address) -> None:
        """Nobody answers there any more."""
        for pin in self:
            if pin.found == address:
                pin.found = None

    def prover(self, user: bytes, offer: Offer, *, named: bool = False) -> Pin | None:
        """The contact that made that SYN, among all, or at a lower price among those that are `named` as in it."""
        pins = self.named(name_of(user)) if named else self
        said = user, offer.text, offer.cookie, offer.ring_proof
        return next((pin for pin in pins if pin.proves(*said)), None)

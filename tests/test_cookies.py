"""What a SYN must show, and which are answered at all (simp2 4.2, 8.2)."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_daemon.peers.sealed.cookies import Cookies
from simp_daemon.peers.sealed.pins import Pins
from simp_daemon.peers.strangers import Strangers
from simp_proto.address import Address
from simp_proto.constants import STRANGER_BURST, Chat, Framing, Type
from simp_proto.datagram import Datagram, build
from simp_proto.sealed.offer import Offer, ring_proof
from tests.negotiation import Toy

PEER = ("10.0.0.1", 7777)
OFFER = Offer(b"\0" + b"e" * 32, bytes(32))


def keeper(seed: int = 0) -> tuple[Cookies, Pins]:
    pins = Pins(Toy(b"bob".ljust(32)))
    return Cookies(pins, Strangers(), Random(seed).randbytes), pins


@given(st.floats(-200, 1e7), st.floats(0, 200))
def test_a_cookie_is_good_for_60_to_120_seconds(made: float, age: float) -> None:
    door, _ = keeper()
    offer = replace(OFFER, proof=door.cookie(PEER, OFFER, made) + bytes(16))
    assert door.knows(PEER, offer, made)
    if age < 60:
        assert door.knows(PEER, offer, made + age)
    elif age > 120:
        assert not door.knows(PEER, offer, made + age)


@pytest.mark.parametrize(
    ("peer", "key"),
    [(("10.0.0.2", 7777), OFFER.key), (("10.0.0.1", 7778), OFFER.key), (PEER, b"\0" + b"f" * 32)],
)
def test_a_cookie_is_good_for_one_address_port_and_key(peer: Address, key: bytes) -> None:
    door, _ = keeper()
    offer = replace(OFFER, key=key, proof=door.cookie(PEER, OFFER, 1.0) + bytes(16))
    assert not door.knows(peer, offer, 1.0)


def test_a_cookie_is_its_maker_s() -> None:
    offer = replace(OFFER, proof=keeper(1)[0].cookie(PEER, OFFER, 1.0) + bytes(16))
    assert not keeper(2)[0].knows(PEER, offer, 1.0)


class Spent(Strangers):
    """Strangers have had all the answers that there are."""

    def admits(self, peer: Address, now: float, *, friend: bool) -> bool:
        return False


def exhausted() -> tuple[Cookies, Pins]:
    pins = Pins(Toy(b"bob".ljust(32)))
    return Cookies(pins, Spent(), Random(0).randbytes), pins


def proved(pins: Pins, number: int) -> Offer:
    """Alice's, with any cookie."""
    alice, key = Pins(Toy(b"alice".ljust(32))), Toy(b"bob".ljust(32)).public
    ring_key = alice.add(key, bytes(32), "bob").ring_key
    if not pins.named("alice"):
        pins.add(Toy(b"alice".ljust(32)).public, bytes(32), "alice")
    offer = Offer(b"\0" + number.to_bytes(32, "big"), b"any cookie......" + bytes(16))
    return replace(offer, proof=offer.cookie + ring_proof(ring_key, b"alice", offer.text, offer.cookie))


def test_a_friend_is_answered_when_strangers_have_had_it_all() -> None:
    door, pins = exhausted()
    assert door.admits(PEER, b"alice", proved(pins, 1), 1.0)
    assert not door.admits(PEER, b"alice", proved(pins, 1), 1.9)  # each e once in a second
    assert door.admits(PEER, b"alice", proved(pins, 1), 2.0)
    forged = replace(proved(pins, 2), proof=bytes(32))
    assert not door.admits(("10.5.0.1", 7777), b"alice", forged, 1.0)


def test_strangers_are_answered_as_often_as_in_simp_1() -> None:
    door, _ = keeper()
    admitted = [door.admits((f"10.5.0.{number}", 7777), b"eve", OFFER, 1.0) for number in range(200)]
    assert sum(admitted) == STRANGER_BURST


def test_five_a_second() -> None:
    door, pins = exhausted()
    offers = [proved(pins, number) for number in range(40)]
    assert sum(door.admits(PEER, b"alice", offer, 1.0) for offer in offers) == 5
    assert len(door._proofs[next(iter(pins)).key]._last) == 5


@pytest.mark.parametrize("framing", list(Framing))
@pytest.mark.parametrize("text", ["x\u0104", "\u0104", "SIMP/1 header utf-8 SIMP/2 x @" + "y" * 43])
def test_nobody_who_chats_in_the_clear_is_turned_away(framing: Framing, text: str) -> None:
    door, _ = exhausted()
    data = build(Datagram(Type.CHAT, Chat.MESSAGE, 0, b"alice", text.encode(), framing))
    assert not door.turns_away(data, PEER, 1.0, lambda tag: False)

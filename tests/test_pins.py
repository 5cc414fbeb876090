"""Contacts as calls need them (simp2 1.2, 4.3, 4.4)."""

from dataclasses import replace

import pytest

from simp_daemon.contacts import ADDRESSES, Contact, Trust
from simp_daemon.peers.sealed.pins import Pins
from simp_proto.errors import LowOrderError
from simp_proto.noise import KeyPair
from simp_proto.sealed.offer import Offer, ring_proof
from tests.negotiation import Toy
from tests.sealed_by_hand import MADE, offer_by_hand, x25519_by_hand

ALICE, BOB = KeyPair(b"a" * 32), KeyPair(b"b" * 32)
OFFER = Offer(b"\0" + b"e" * 32, b"c" * 16 + b"p" * 16)
HERE, THERE = ("10.0.0.1", 7777), ("10.0.0.2", 7777)


def test_ring_keys_are_those_of_the_specification_one_for_each_direction() -> None:
    pin = Pins(ALICE).add(BOB.public, b"s" * 32, "bob")
    shared = x25519_by_hand(b"a" * 32, BOB.public)
    assert pin.ring_key == MADE["ring_key"](shared, ALICE.public, BOB.public)
    assert pin.proof_key == MADE["ring_key"](shared, BOB.public, ALICE.public)


def test_a_ring_key_is_computed_once() -> None:
    pins = Pins(Toy(b"a" * 32))
    pins.add(Toy(b"b" * 32).public, b"s" * 32, "bob")
    before = Toy.exchanges
    for _ in range(3):
        pins.prover(b"bob", OFFER)
    assert Toy.exchanges == before


def test_whoever_proves_it_is_found_and_nobody_else() -> None:
    at_alice, at_bob = Pins(ALICE), Pins(BOB)
    bob = at_alice.add(BOB.public, b"s" * 32, "bob")
    alice = at_bob.add(ALICE.public, b"s" * 32, "alice")
    at_bob.add(KeyPair(b"c" * 32).public, b"s" * 32, "carol")
    text = offer_by_hand(OFFER.key, b"").partition(b" @")[0]
    proof = MADE["ring_proof"](bob.ring_key, b"alice", text, OFFER.cookie)
    made = replace(OFFER, proof=OFFER.cookie + proof)
    assert at_bob.prover(b"alice", made) is alice
    assert at_bob.prover(b"Alice", made) is None
    assert at_bob.prover(b"alice", replace(made, after=b" more")) is None
    assert at_bob.prover(b"alice", replace(made, proof=bytes(16) + proof)) is None
    assert at_alice.prover(b"alice", made) is None  # reflected
    assert at_bob.prover(b"alice", OFFER) is None


def test_among_namesakes_only() -> None:
    at_bob = Pins(BOB)
    alice = at_bob.add(ALICE.public, b"s" * 32, "Alice")
    ring_key = Pins(ALICE).add(BOB.public, b"s" * 32, "bob").ring_key
    for user, found in ((b"alice", alice), (b"alicia", None)):
        made = replace(OFFER, proof=OFFER.cookie + ring_proof(ring_key, user, OFFER.text, OFFER.cookie))
        assert at_bob.prover(user, made, named=True) is found
        assert at_bob.prover(user, made) is alice


def test_who_was_reached_last_at_an_address() -> None:
    pins = Pins(Toy(b"a" * 32))
    bob, carol = pins.add(b"b" * 32, bytes(32), "bob"), pins.add(b"c" * 32, bytes(32), "carol")
    pins.reach(bob, HERE)
    pins.reach(bob, THERE)
    assert (pins.at(HERE), pins.at(THERE), bob.address) == (bob, bob, THERE)
    pins.reach(carol, HERE)
    assert (pins.at(HERE), pins.at(THERE)) == (carol, bob)
    pins.remove(b"b" * 32)
    assert (pins.get(b"b" * 32), pins.at(THERE), pins.at(HERE), list(pins)) == (None, None, carol, [carol])
    assert pins.named("CAROL") == [carol]


def test_no_contact_makes_it_forgotten_where_another_is() -> None:
    pins = Pins(Toy(b"a" * 32))
    bob, carol = pins.add(b"b" * 32, bytes(32), "bob"), pins.add(b"c" * 32, bytes(32), "carol")
    pins.reach(carol, HERE)
    addresses = [("10.0.0.9", 7000 + each) for each in range(2000)]
    for address in addresses:
        pins.reach(bob, address)
    assert [pins.at(each) for each in addresses[-ADDRESSES - 1 :]] == [None] + ADDRESSES * [bob]
    assert pins.at(HERE) is carol
    assert len(pins._reached) == ADDRESSES + 1


def test_whoever_was_at_an_address_last_is_there() -> None:
    pins = Pins(Toy(b"a" * 32))
    contacts = [
        Contact(key * 32, bytes(32), name, Trust.NEW, (HERE, THERE), 9, (), None, (), times)
        for key, name, times in ((b"b", "bob", (8, 1)), (b"c", "carol", (7, 6)))
    ]
    for each in contacts:
        pins.add(each.key, each.signing_key, each.name)
    pins.sort(contacts)
    assert [pins.at(each).name for each in (HERE, THERE)] == ["bob", "carol"]  # type: ignore[union-attr]


def test_a_key_of_low_order_is_nobodys() -> None:
    with pytest.raises(LowOrderError):
        Pins(ALICE).add(bytes(32), bytes(32), "eve")

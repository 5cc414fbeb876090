"""Whole daemons talk SIMP/2, or SIMP/1 with those who know nothing else: what clients are told, and what is kept."""

from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from simp_daemon.contacts import Contact, KeyChanged, Replaced, Trust, Trusted, announced_as, hidden_as
from simp_daemon.database import restore
from simp_daemon.effects import Send
from simp_daemon.events import Ignored, Reason, Source
from simp_daemon.facts import Ledger, Pinned
from simp_daemon.occurrences import Announced, DatagramReceived, HostsRead, Known, Occurrence, TimerFired, Withdrawn
from simp_daemon.peers.exchange import Exchange
from simp_proto.address import Address, format_address
from simp_proto.constants import (
    OFFER,
    PRESENCE_ANSWER,
    PRESENCE_QUESTION,
    RINGING,
    STRANGER_BURST,
    Chat,
    CloseReason,
    Control,
    Framing,
    Operation,
    Type,
)
from simp_proto.datagram import Datagram, build, parse
from simp_proto.errors import DatagramError
from simp_proto.noise import KeyPair
from simp_proto.sealed.frames import Close, Piece, read_frames
from simp_proto.sealed.key_log import read_line
from simp_proto.sealed.offer import Offer, build_offer, read_offer, tag_of
from simp_proto.sealed.opening import open_record
from simp_proto.sealed.payloads import (
    Answer,
    Challenge,
    Confirm,
    Over,
    Payload,
    Ringing,
    build_payload,
    read_payload,
    read_record,
)
from simp_proto.toolkit.interference import Interference, Tampering
from tests.town import Home, Town

SOMEBODY = bytes(range(32))

STRANGERS = [(f"10.9.0.{number}", 7777) for number in range(1, 41)]

FOREIGN = ("10.0.0.200", 7777)
AT = format_address(FOREIGN)


@pytest.fixture(name="town")
def _town(tmp_path: Path) -> Town:
    return Town(tmp_path)


def meet(town: Town, one: Home, other: Home) -> None:
    """One calls the other, who accepts."""
    one.say(f"CONNECTING|{one_line(other)}")
    town.run()
    other.say(f"CONNECTED|{one_line(one)}")
    town.run()


def takes_calls_for(home: Home, caller: Home) -> None:
    """Whatever proof they bear: it answers in the place of somebody whose contact the caller is."""
    exchange = home.core._exchange
    assert exchange
    pin = exchange.pins.get(key(caller)) or exchange.pins.add(key(caller), caller.identity.signing_key, caller.name)
    pin.open = True
    exchange.pins.prover = lambda *_, **__: pin  # type: ignore[method-assign]


def one_line(home: Home) -> str:
    return format_address(home.address)


def at(home: Home) -> str:
    return f"{home.name}|{one_line(home)}"


def after(lines: list[str], word: str) -> list[str]:
    """From the first line with that word on."""
    return lines[next(place for place, line in enumerate(lines) if line.startswith(word)) :]


def test_a_call_a_chat_and_its_end(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    assert alice.hear() == [
        "CONNECTED|alice",
        f"RINGING|{one_line(bob)}|{one_line(bob)}",
        f"CONNECTED|{at(bob)}",
        f"SECURED|{at(bob)}|encrypted",
    ]
    assert bob.hear() == [
        "CONNECTED|bob",
        f"CONNECTING|{at(alice)}",
        f"CONNECTED|{at(alice)}",
        f"SECURED|{at(alice)}|encrypted",
    ]
    alice.say("CHAT|hello", "CHAT|zwei + zwei")
    bob.say("CHAT|hi")
    town.run()
    assert sorted(bob.hear()) == ["ACK|1", "CHAT|alice|hello", "CHAT|alice|zwei + zwei"]
    assert sorted(alice.hear()) == ["ACK|1", "ACK|2", "CHAT|bob|hi"]
    alice.say("QUIT|bob")
    town.run(1)
    assert (alice.hear(), bob.hear()) == (["QUIT|bob"], ["QUIT|alice"])
    kept = [(True, "delivered", b"hello"), (True, "delivered", b"zwei + zwei"), (False, "received", b"hi")]
    assert alice.kept(bob) == kept
    assert sorted(text for _, _, text in bob.kept(alice)) == [b"hello", b"hi", b"zwei + zwei"]


def test_no_word_of_a_chat_is_on_the_way(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("CHAT|a word that is nowhere else")
    town.run()
    assert bob.hear()[-1] == "CHAT|alice|a word that is nowhere else"
    assert not any(b"nowhere" in datagram.data for _, datagram in town.passed)


def test_with_whoever_speaks_simp_1_it_is_simp_1_both_ways(town: Town) -> None:
    alice, old = town.home("alice"), town.home("old", sealed=False)
    for caller, callee in ((alice, old), (old, alice)):
        meet(town, caller, callee)
        assert after(alice.hear(), "CONNECTED|old") == [f"CONNECTED|{at(old)}", f"SECURED|{at(old)}|clear"]
        assert not [line for line in old.hear() if line.startswith(("SECURED", "ERROR"))]
        alice.say("CHAT|hello")
        old.say("CHAT|hi")
        town.run()
        assert sorted(alice.hear()) == ["ACK|1", "CHAT|old|hi"]
        assert sorted(old.hear()) == ["ACK|1", "CHAT|alice|hello"]
        caller.say("QUIT|")
        town.run(1)
        caller.attach()
        town.run(1)
        alice.hear()
        old.hear()
    alice.store.flush()
    fates = [(each.ours, each.fate.value, each.content, each.name) for each in alice.store.history(None)]
    assert sorted(fates[:2]) == [(False, "received", b"hi", "old"), (True, "delivered", b"hello", "old")]
    assert len(fates) == 4


def test_only_encrypted(town: Town) -> None:
    alice, old = town.home("alice", only_sealed=True), town.home("old", sealed=False)
    alice.say(f"CONNECTING|{one_line(old)}")
    town.run(1)
    assert alice.hear()[1:] == [
        f"ERROR|{one_line(old)} can't encrypt, and this daemon runs with --require-encryption",
        f"QUIT|{one_line(old)}",
    ]
    assert old.hear()[-1] == "QUIT|alice"
    old.say(f"CONNECTING|{one_line(alice)}")
    town.run(1)
    assert "QUIT|alice" in old.hear()
    assert alice.hear() == []


def test_a_call_is_declined_or_cancelled(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    alice.say(f"CONNECTING|{one_line(bob)}")
    town.run()
    bob.say("QUIT|alice")
    town.run(1)
    assert alice.hear()[-1] == f"QUIT|{one_line(bob)}"
    alice.say(f"CONNECTING|{one_line(bob)}")
    town.run(1)
    alice.say(f"QUIT|{one_line(bob)}")
    town.run(1)
    assert bob.hear()[-2:] == [f"CONNECTING|{at(alice)}", "QUIT|alice"]
    assert alice.core.idle
    assert bob.core.idle


def test_crossed_calls_become_one_chat(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    alice.say(f"CONNECTING|{one_line(bob)}")
    bob.say(f"CONNECTING|{one_line(alice)}")
    town.run(2)
    for home, other in ((alice, bob), (bob, alice)):
        heard = after(home.hear(), f"CONNECTED|{other.name}")
        assert heard == [f"CONNECTED|{at(other)}", f"SECURED|{at(other)}|encrypted"]


def test_one_call_or_chat_at_a_time_whatever_the_version(town: Town) -> None:
    alice, bob, carol, old = (town.home(name, sealed=name != "old") for name in ("alice", "bob", "carol", "old"))
    meet(town, alice, bob)
    for home in (old, carol):
        alice.say(f"CONNECTING|{one_line(home)}")
        assert alice.hear()[-2:] == ["ERROR|you are in a chat with bob; leave that first", f"QUIT|{one_line(home)}"]
        home.say(f"CONNECTING|{one_line(alice)}")
        town.run(1)
    assert old.hear()[-1].startswith("QUIT|")  # busy
    assert alice.hear() == [f"CONNECTING|{at(carol)}"]  # waits
    alice.say("QUIT|bob", "CONNECTED|carol")
    town.run(1)
    assert f"CONNECTED|{at(carol)}" in alice.hear()


@pytest.mark.parametrize("sealed", [True, False])
def test_whoever_accepts_while_calling_gives_up_the_call(town: Town, sealed: bool) -> None:
    alice, bob, carol = town.home("alice"), town.home("bob", sealed=sealed), town.home("carol", sealed=not sealed)
    alice.say(f"CONNECTING|{one_line(bob)}")
    town.run(1)
    carol.say(f"CONNECTING|{one_line(alice)}")
    town.run(1)
    alice.say("CONNECTED|carol")
    town.run(1)
    assert f"CONNECTED|{at(carol)}" in alice.hear()
    assert "QUIT|alice" in bob.hear()


# -- crashes


@pytest.mark.parametrize("crashed", [0, 1])
def test_a_chat_goes_on_after_a_crash(town: Town, crashed: int) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    home, other = (alice, bob) if crashed == 0 else (bob, alice)
    home.crash()
    other.say("CHAT|while nobody is there")
    town.run(20)
    other.hear()
    home.start()
    home.hear()
    town.run(30)
    assert other.hear() == []  # nobody is there who could take it
    home.attach()
    town.run(1)
    secured = f"SECURED|{at(other)}|encrypted"
    assert home.hear() == [f"CONNECTED|{home.name}", f"CONNECTING|{at(other)}", secured]
    home.say(f"CONNECTED|{other.name}")
    town.run(10)
    assert home.hear() == [
        f"CONNECTED|{at(other)}", f"SECURED|{at(other)}|encrypted", f"CHAT|{other.name}|while nobody is there"
    ]  # fmt: skip
    assert [line for line in other.hear() if not line.startswith("UNANSWERED")] == ["ACK|1"]


def test_what_was_said_before_a_crash_arrives_once(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    town.lose = lambda sender, datagram: True
    alice.say("CHAT|one", "CHAT|two")
    town.run(3)
    alice.crash()
    town.lose = lambda sender, datagram: False
    alice.start()
    town.run(10)
    assert bob.hear()[-2:] == ["CHAT|alice|one", "CHAT|alice|two"]
    assert alice.kept(bob) == [(True, "delivered", b"one"), (True, "delivered", b"two")]
    alice.attach()
    alice.say("CONNECTED|bob", "CHAT|three")
    town.run(1)
    assert bob.hear() == ["CHAT|alice|three"]
    assert alice.hear()[-1] == "ACK|1"  # this client's first


def test_leaving_a_chat_after_a_crash(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.crash()
    alice.start()
    alice.attach()
    town.run(1)
    alice.say("QUIT|bob")
    town.run(1)
    assert bob.hear()[-1] == "QUIT|alice"
    assert not alice.core._endpoint.requests
    alice.crash()
    alice.start()
    town.run(1)
    assert bob.core.idle


def test_nobody_is_lost_when_a_daemon_ends_in_good_order(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.stop()
    town.run(1)
    assert bob.hear()[-1] == "QUIT|alice"
    alice.start()
    town.run(60)
    assert bob.hear() == []


def test_what_could_not_be_delivered_is_undelivered_and_does_not_go_out_later(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    bob.on = False
    alice.say("CHAT|nobody hears this", "QUIT|bob")
    town.run(120)
    assert alice.hear()[-2:] == ["QUIT|bob", "UNDELIVERED|1"]
    assert alice.core.idle
    bob.on = True
    bob.say("QUIT|alice")
    town.run(120)
    meet(town, alice, bob)
    alice.say("CHAT|hello again")
    town.run(1)
    assert [line for line in bob.hear() if line.startswith("CHAT")] == ["CHAT|alice|hello again"]
    assert [line for line in alice.hear() if line.startswith("ACK")] == ["ACK|1"]


# -- trust


def key(home: Home) -> bytes:
    return KeyPair(home.identity.x25519).public


def test_a_contact_whose_key_has_changed_is_not_spoken_to(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    del town.homes[bob.address]
    mallory = Home(town, "mallory", bob.address)
    mallory.name = "bob"
    alice.hear()
    alice.say(f"CONNECTING|{one_line(mallory)}")
    town.run(1)
    mallory.say(f"CONNECTED|{one_line(alice)}")
    town.run(15)
    heard = alice.hear()
    assert heard[-1] == "QUIT|bob"
    assert heard[-2].startswith("ERROR|whoever answered in bob's place has another key: ")
    assert not any(line.startswith(("CONNECTED", "SECURED")) for line in heard)
    (contact,) = alice.store.contacts()
    assert (contact.trust, contact.others[0].key) == (Trust.CHANGED, key(mallory))
    alice.say(f"CONNECTING|{one_line(mallory)}")
    assert alice.hear()[0].startswith("ERROR|whoever answered in bob's place has another key: ")


def test_a_contact_is_never_spoken_to_in_the_clear(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    del town.homes[bob.address]
    old = Home(town, "bob2", bob.address, sealed=False)
    alice.hear()
    alice.say(f"CONNECTING|{one_line(old)}")
    town.run(1)
    old.say(f"CONNECTED|{one_line(alice)}")
    town.run(40)
    heard = alice.hear()
    assert not any(line.startswith(("CONNECTED", "SECURED", "RINGING")) for line in heard)
    assert any("somebody answers in bob's place who can't encrypt" in line for line in heard)


@pytest.mark.parametrize("sealed", [True, False])
def test_whoever_has_the_name_of_a_contact_and_not_its_key_is_told_apart(town: Town, sealed: bool) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    alice.hear()
    other = town.home("other", sealed=sealed)
    other.detach()
    other.name = "bob"
    other.attach()
    other.say(f"CONNECTING|{one_line(alice)}")
    town.run(1)
    claimed = "claimed" if sealed else "clear-claimed"
    assert alice.hear() == [f"CONNECTING|{at(other)}", f"SECURED|{at(other)}|{claimed}"]
    alice.say("CONNECTED|bob")
    town.run(1)
    assert alice.hear()[-1] == f"SECURED|{at(other)}|{'claimed' if sealed else 'clear'}"


def test_verified_and_blocked_contacts(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    alice.store.commit([Trusted(key(bob), Trust.NEW, Trust.VERIFIED)])
    alice.reread()
    alice.hear()
    bob.say(f"CONNECTING|{one_line(alice)}")
    town.run(1)
    assert alice.hear() == [f"CONNECTING|{at(bob)}", f"SECURED|{at(bob)}|verified"]
    alice.say("CONNECTED|bob")
    town.run(1)
    assert alice.hear()[-1] == f"SECURED|{at(bob)}|verified"
    bob.hear()
    alice.store.commit([Trusted(key(bob), Trust.VERIFIED, Trust.BLOCKED)])
    alice.reread()
    town.run(1)
    assert alice.hear() == ["QUIT|bob"]
    assert bob.hear() == ["QUIT|alice"]
    bob.say(f"CONNECTING|{one_line(alice)}")
    town.run(5)
    assert alice.hear() == []
    alice.say(f"CONNECTING|{one_line(bob)}")
    assert alice.hear()[0].startswith("ERROR|bob is blocked")


@pytest.mark.parametrize("logged", [False, True])
def test_words_that_are_compared_in_a_chat_count_from_then_on(town: Town, logged: bool) -> None:
    alice, bob = town.home("alice", logs_keys=logged), town.home("bob")
    meet(town, alice, bob)
    alice.hear()
    alice.store.commit([Trusted(key(bob), Trust.NEW, Trust.VERIFIED)])
    alice.reread()
    more = "|logged" if logged else ""
    assert alice.hear() == [f"SECURED|{at(bob)}|verified{more}"]
    alice.reread()
    assert alice.hear() == []
    alice.store.commit([Trusted(key(bob), Trust.VERIFIED, Trust.NEW)])
    alice.reread()
    assert alice.hear() == [f"SECURED|{at(bob)}|encrypted{more}"]


def test_whoever_has_read_that_a_chat_is_on_has_read_how_it_is_secured(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    for home in (alice, bob):
        assert not [
            each
            for each in home.writes
            if each.startswith(("CONNECTED|alice|", "CONNECTED|bob|")) and "SECURED" not in each
        ]


# -- the network


def test_golden_datagrams_of_simp_1_from_a_partner_change_nothing(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    exchange = bob.core._endpoint
    assert isinstance(exchange, Exchange)
    old = town.home("old", sealed=False)
    meet(town, old, town.home("another", sealed=False))
    forged = [datagram.data for sender, datagram in town.passed if sender in (old.address, ("10.0.0.4", 7777))]
    bob.hear()
    for data in forged:
        if parse(data).operation.name != "SYN":
            exchange.receive(data, alice.address, town.now)
    alice.say("CHAT|still here")
    town.run(1)
    assert bob.hear() == ["CHAT|alice|still here"]


def test_a_record_that_is_none_is_ignored(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("CHAT|hello")
    town.run(1)
    records: list[tuple[Address, Send]] = [each for each in town.passed if each[0] == alice.address][-2:]
    bob.hear()
    bob.events.clear()
    for sender, record in records:
        town.air.append((sender, record))
        town.air.append((("10.0.0.77", 7777), Send(record.data[:-1] + b"x", bob.address)))
    town.run(1)
    assert bob.hear() == []
    reasons = {each.reason for each in bob.events if isinstance(each, Ignored)}
    assert Reason.REPLAY in reasons


def test_a_contact_that_has_moved_is_the_same(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    bob.crash()
    before = bob.address
    bob.move()
    bob.start()
    town.run(5)
    alice.hear()
    alice.say("CHAT|where are you?")
    bob.attach()
    bob.say("CONNECTED|alice")
    town.run(5)
    assert bob.hear()[-1] == "CHAT|alice|where are you?"
    assert alice.hear()[-1] == "ACK|1"
    bob.say("CHAT|here")
    town.run(1)
    assert alice.hear() == ["CHAT|bob|here"]
    assert before != bob.address


def test_a_day_brings_new_keys_and_nothing_else(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    exchange = alice.core._endpoint
    assert isinstance(exchange, Exchange)
    (conversation,) = exchange._conversations.live
    assert conversation.session
    before = conversation.session.id
    alice.hear()
    callers = set()

    def noted(sender: Address, datagram: Send) -> bool:
        if parse(datagram.data).operation is Control.SYN:
            callers.add(sender)
        return False

    town.lose = noted
    town.run(25 * 3600)
    assert conversation.session.id != before
    assert callers == {alice.address}  # who called before (simp2 5.5)
    alice.say("CHAT|good morning")
    town.run(1)
    assert (alice.hear(), bob.hear()[-1]) == (["ACK|1"], "CHAT|alice|good morning")


def test_a_call_of_simp_1_that_was_taken_back_does_not_swallow_the_next_one(town: Town) -> None:
    """Its FIN was never acknowledged; the ACK that comes later belongs to the peer's own call."""
    alice, old = town.home("alice"), town.home("old", sealed=False)
    town.lose = lambda sender, datagram: sender == alice.address
    alice.say(f"CONNECTING|{one_line(old)}")
    town.run(1)
    alice.say(f"QUIT|{one_line(old)}")
    town.run(1)
    town.lose = lambda sender, datagram: False
    old.say(f"CONNECTING|{one_line(alice)}")
    town.run(0.1)
    alice.say("CONNECTED|old")
    town.run(0.1)
    assert alice.hear()[-2:] == [f"CONNECTED|{at(old)}", f"SECURED|{at(old)}|clear"]


def test_a_contact_that_has_the_address_of_another_now_is_told_and_called_by_name(town: Town) -> None:
    """As networks hand addresses on."""
    alice, bob, carol = town.home("alice"), town.home("bob"), town.home("carol")
    for home in (bob, carol):
        meet(town, alice, home)
        alice.say(f"QUIT|{home.name}")
        town.run(1)
    bob.crash()
    carol.move(bob.address)
    alice.hear()
    alice.say(f"CONNECTING|{one_line(carol)}")
    town.run(1)
    carol.say("CONNECTED|alice")
    town.run(15)
    assert alice.hear()[-2:] == [
        "ERROR|carol is now where bob was: nothing was said; call carol, if you mean them", "QUIT|bob"
    ]  # fmt: skip
    assert {contact.trust for contact in alice.store.contacts()} == {Trust.NEW}
    meet(town, alice, carol)
    assert f"CONNECTED|{at(carol)}" in alice.hear()


def test_somebody_new_who_has_the_address_of_a_contact_now_is_called_by_name(town: Town) -> None:
    alice, bob, carol = town.home("alice"), town.home("bob"), town.home("carol")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    bob.crash()
    carol.move(bob.address)
    alice.handle(Announced("abcdefgh", "carol", "carol", [carol.address]))
    town.run(1)
    for _ in range(2):
        alice.say("CONNECTING|carol")
        town.run(1)
        carol.say("CONNECTED|alice")
        town.run(15)
    heard = alice.hear()
    assert "ERROR|carol is where bob was: nothing was said; call again, if you mean carol" in heard
    assert heard[-1] == f"SECURED|{at(carol)}|encrypted"
    assert {contact.trust for contact in alice.store.contacts()} == {Trust.NEW}


@pytest.mark.parametrize("name", ["mallory", "boss"])
def test_whoever_is_called_by_another_name_at_a_contact_s_address_must_be_that_contact(town: Town, name: str) -> None:
    """As the person's own list may call them."""
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    alice.handle(HostsRead([(bob.address, "boss")]))
    del town.homes[bob.address]
    mallory = Home(town, name, bob.address)
    alice.hear()
    for _ in range(2):
        alice.say("CONNECTING|boss")
        town.run(1)
        mallory.say("CONNECTED|alice")
        town.run(15)
    heard = alice.hear()
    assert not any(line.startswith(("CONNECTED", "SECURED")) for line in heard)
    assert any("in bob's place has another key" in line for line in heard)


def test_a_key_log_opens_a_chat_and_is_told(town: Town) -> None:
    alice, bob = town.home("alice", logs_keys=True), town.home("bob")
    meet(town, alice, bob)
    assert alice.hear()[-1] == f"SECURED|{at(bob)}|encrypted|logged"
    assert bob.hear()[-1] == f"SECURED|{at(alice)}|encrypted"
    alice.say("CHAT|to be read")
    town.run(1)
    (keys,) = (read_line(line) for line in alice.keys)
    assert keys
    frames = []
    for sender, datagram in town.passed:
        if found := read_record(datagram.data):
            operation, record = found
            assert record.session == keys.session
            key = keys.caller if sender == alice.address else keys.callee
            plain = open_record(ChaCha20Poly1305(key), operation, record)
            assert plain
            frames += read_frames(plain)
    assert any(isinstance(frame, Piece) and frame.data.endswith(b"to be read") for frame in frames)
    assert not bob.keys


def test_whoever_attaches_hears_what_is_known_of_those_who_wait(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    alice.detach()
    alice.hear()
    other = town.home("other")
    other.detach()
    other.name = "bob"
    other.attach()
    for home in (bob, other):
        home.say(f"CONNECTING|{one_line(alice)}")
    town.run(1)
    alice.attach()
    assert alice.hear()[-4:] == [
        f"CONNECTING|{at(bob)}",
        f"SECURED|{at(bob)}|encrypted",
        f"CONNECTING|{at(other)}",
        f"SECURED|{at(other)}|claimed",
    ]


# -- what our person is told


def test_a_call_that_ends_at_the_address_of_a_chat_does_not_end_that(town: Town) -> None:
    """Whoever has lost its disk, and calls as a stranger from there, or calls again after a crash and gives up."""
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.crash()
    alice.folder = "alice, who has forgotten all"
    alice.start()
    alice.attach()
    alice.say(f"CONNECTING|{one_line(bob)}")
    town.run(2)
    assert bob.hear()[-2:] == [f"CONNECTING|{at(alice)}", f"SECURED|{at(alice)}|claimed"]
    alice.say(f"QUIT|{one_line(bob)}")
    town.run(2)
    assert bob.hear() == []
    bob.say("CHAT|are you there?", f"QUIT|{one_line(alice)}")
    assert bob.hear() == ["QUIT|alice"]


def test_a_request_of_a_stranger_at_the_address_of_the_chat_is_declined_without_that(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.crash()
    alice.folder, alice.name = "somebody else at that address", "carol"
    alice.start()
    alice.attach()
    alice.say(f"CONNECTING|{one_line(bob)}")
    town.run(2)
    bob.hear()
    bob.say("QUIT|carol", "QUIT|carol")
    town.run(1)
    assert bob.hear() == ["QUIT|carol", "ERROR|read 'carol', expected one of: alice (10.0.0.1:7777)"]
    assert bob.core._exchange._conversations.chat  # type: ignore[union-attr]
    assert alice.hear()[-1].startswith("QUIT|")


def test_quiet_calls_that_are_refused_become_rare(town: Town) -> None:
    """simp2 4.7"""
    alice, bob, carol = town.home("alice"), town.home("bob"), town.home("carol")
    meet(town, alice, bob)
    alice.crash()
    bob.crash()
    carol.move(bob.address)
    alice.start()
    town.run(3600)
    refused = [each for sender, each in town.sent if sender == carol.address and each.data[:2] == b"\1\x08"]
    assert 12 <= len(refused) <= 20  # after 10, 20, 40, 80, 160 s, and then each 300 s


def test_a_contact_that_answers_a_quiet_call_in_another_s_place_moves_nobody(town: Town) -> None:
    """simp2 4.7"""
    alice, bob, mallory = town.home("alice"), town.home("bob"), town.home("mallory")
    meet(town, alice, mallory)
    alice.say("QUIT|mallory")
    town.run(1)
    meet(town, alice, bob)
    bob.on = False
    del town.homes[bob.address]
    mallory.crash()
    mallory.address = bob.address
    town.homes[bob.address] = mallory
    mallory.start()
    takes_calls_for(mallory, alice)
    alice.say("CHAT|are you there?")
    town.run(100)
    (his,) = [each for each in alice.core._exchange.pins if each.key == key(bob)]  # type: ignore[union-attr]
    assert his.address == bob.address
    assert alice.core._exchange.pins.at(bob.address) is his  # type: ignore[union-attr]


def test_a_request_at_the_address_of_the_chat_is_declined_without_that(town: Town) -> None:
    alice, bob, mallory = town.home("alice"), town.home("bob"), town.home("mallory")
    meet(town, alice, mallory)
    mallory.crash()
    alice.crash()
    alice.start()
    alice.attach()
    meet(town, alice, bob)
    alice.hear()

    class Both:
        """Somebody on the path, whose datagrams come from the address of the chat's partner."""

        on, core = True, bob.core

        def handle(self, occurrence: Occurrence) -> None:
            bob.handle(occurrence)
            mallory.handle(occurrence)

    mallory.start()
    mallory.address = bob.address
    town.homes[bob.address] = Both()  # type: ignore[assignment]
    mallory.core._exchange._board.resume(key(alice), town.now)  # type: ignore[union-attr]
    mallory.handle(TimerFired())
    town.run(1)
    assert any(line.startswith(f"CONNECTING|{at(mallory)}") for line in alice.hear())
    alice.say("QUIT|mallory", "CHAT|are you still there?")
    town.run(1)
    assert "ACK|1" in (heard := alice.hear())
    assert "QUIT|bob" not in heard
    assert bob.hear()[-1] == "CHAT|alice|are you still there?"


def test_what_is_missing_is_told_once_a_person_is_there(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.store.backup(town.folder / "copy")
    bob.say("CHAT|one", "CHAT|two")
    town.run()
    alice.crash()
    restore(town.folder / "copy", town.folder / alice.folder)
    alice.start()
    town.run(60)
    alice.attach()
    alice.hear()
    alice.say("CONNECTED|bob")
    town.run()
    assert alice.hear() == [
        f"CONNECTED|{at(bob)}",
        f"SECURED|{at(bob)}|encrypted",
        "ERROR|up to 2 messages of bob's didn't arrive, and won't any more: ask bob for it",
    ]


def test_whoever_accepts_a_call_while_last_words_are_on_their_way_gives_those_up(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    bob.crash()
    alice.say("CHAT|good night", "QUIT|bob")
    town.run(10)
    bob.start()
    bob.attach()
    bob.say(f"CONNECTING|{one_line(alice)}")
    town.run(2)
    alice.hear()
    town.lose = lambda sender, datagram: sender == alice.address
    alice.say("CONNECTED|bob")
    town.run(3)
    assert alice.hear() == ["UNDELIVERED|1"]
    town.lose = lambda sender, datagram: False
    town.run(10)
    assert alice.hear() == [f"CONNECTED|{at(bob)}", f"SECURED|{at(bob)}|encrypted"]
    alice.say("CHAT|good morning")
    town.run(1)
    assert bob.hear()[-1] == "CHAT|alice|good morning"


def from_foreign(home: Home, operation: Operation, payload: bytes = b"", framing: Framing = Framing.BARE) -> None:
    kind = Type.CHAT if operation is Chat.MESSAGE else Type.CONTROL
    home.handle(DatagramReceived(build(Datagram(kind, operation, 0, b"bob", payload, framing)), FOREIGN))


def sent(town: Town, seconds: float = 0.0) -> list[Operation]:
    """What goes to the foreign peer in that time."""
    town.sent.clear()
    town.run(seconds)
    return [parse(datagram.data).operation for _, datagram in town.sent if datagram.peer == FOREIGN]


@pytest.mark.parametrize("operation", [Control.FIN_ACK, Control.ERR_FIN, Control.FIN, Control.ACK])
def test_each_answer_of_simp_1_to_a_call_that_was_taken_back_ends_it(town: Town, operation: Control) -> None:
    """And only one of them that has FIN, and isn't an acknowledgement, is acknowledged (S1 7)."""
    alice = town.home("alice")
    alice.say(f"CONNECTING|{AT}", f"QUIT|{AT}")
    assert sent(town, 1) == [Control.SYN, Control.FIN]
    from_foreign(alice, operation)
    assert sent(town, 60) == ([Control.ACK] if operation in (Control.FIN, Control.ERR_FIN) else [])
    assert alice.core.idle


@pytest.mark.parametrize("payload", [RINGING, PRESENCE_QUESTION, PRESENCE_ANSWER])
def test_an_ack_that_says_something_else_is_none_of_the_fin_that_takes_a_call_back(town: Town, payload: bytes) -> None:
    alice = town.home("alice")
    alice.say(f"CONNECTING|{AT}", f"QUIT|{AT}")
    sent(town, 1)
    from_foreign(alice, Control.ACK, payload, Framing.HEADER)
    answers = [Control.ACK] if payload == PRESENCE_QUESTION else []
    assert sent(town, 60) == [*answers, Control.FIN, Control.FIN]


def test_no_chat_is_the_answer_to_a_call(town: Town) -> None:
    alice = town.home("alice")
    alice.say(f"CONNECTING|{AT}")
    town.run(31)
    alice.hear()
    from_foreign(alice, Chat.MESSAGE, b"hello")
    assert sent(town, 28) == []
    assert alice.hear() == []
    assert sent(town, 2) == [Control.SYN]
    assert alice.hear() == [f"UNANSWERED|{AT}|60"]


def test_nobody_is_asked_again_to_wait_when_a_call_turns_out_to_be_one_of_simp_1(town: Town) -> None:
    alice = town.home("alice")
    alice.say(f"CONNECTING|{AT}")
    town.run(100)
    alice.hear()
    from_foreign(alice, Control.ACK, RINGING, Framing.HEADER)
    town.run(19)
    assert alice.hear() == [f"RINGING|bob|{AT}"]
    town.run(2)
    assert alice.hear() == ["UNANSWERED|bob|120"]


@pytest.mark.parametrize("before", ["taken back", "declined", "left"])
def test_nothing_of_an_earlier_conversation_ends_the_next_call(town: Town, before: str) -> None:
    alice = town.home("alice")
    if before == "taken back":
        alice.say(f"CONNECTING|{AT}")
    else:
        from_foreign(alice, Control.SYN)
    if before == "left":
        alice.say("CONNECTED|bob")
        from_foreign(alice, Control.ACK)
        alice.say("CHAT|unheard")
    alice.say(f"QUIT|{AT}")
    sent(town, 1)
    alice.hear()
    alice.say(f"CONNECTING|{AT}")
    assert sent(town, 100) == [Control.SYN] * 4
    assert alice.hear() == [*(["UNDELIVERED|1"] if before == "left" else []), *asked(90)]


def asked(last: int) -> list[str]:
    return [f"UNANSWERED|{AT}|{seconds}" for seconds in range(30, last + 1, 30)]


def test_whoever_spoke_trailer_a_moment_ago_is_called_in_it(town: Town) -> None:
    """A SYN in `bare` ends such a daemon (S1 9.8)."""
    alice = town.home("alice")
    from_foreign(alice, Control.SYN, framing=Framing.TRAILER)
    alice.say(f"QUIT|{AT}", f"CONNECTING|{AT}")
    syn = [each for _, each in town.air if each.peer == FOREIGN][-1]
    assert parse(syn.data).framing is Framing.TRAILER


def test_nobody_is_asked_for_presence_who_is_being_called(town: Town) -> None:
    alice = town.home("alice")
    alice.handle(Known(Source.CHAT, "bob", FOREIGN, Framing.HEADER))
    alice.say("WHO|", f"CONNECTING|{AT}")
    sent(town)
    for wish in (f"QUIT|{AT}", "WHO|"):
        town.run(9)
        alice.say("WHO|")
        assert Control.ACK not in sent(town)
        alice.say(wish)


@pytest.mark.parametrize("operation", [Control.SYN_ACK, Control.ERR])
def test_whoever_answers_a_call_from_elsewhere_is_named_once(town: Town, operation: Control) -> None:
    alice, answer = town.home("alice"), build(Datagram(Type.CONTROL, operation, 0, b"bob", b"", Framing.BARE))
    alice.say(f"CONNECTING|{AT}")
    alice.hear()
    for host in (3, 3, 4):
        alice.handle(DatagramReceived(answer, (f"10.0.0.{host}", 7777)))
    assert alice.hear() == [f"ELSEWHERE|{AT}|10.0.0.3:7777"]
    from_foreign(alice, Control.SYN_ACK)
    assert alice.hear()[0] == f"CONNECTED|bob|{AT}"


def test_nobody_who_answers_a_call_to_a_contact_in_the_clear_is_named(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    bob.on = False
    alice.say(f"CONNECTING|{one_line(bob)}")
    alice.hear()
    from_foreign(alice, Control.SYN_ACK)
    assert alice.hear() == []


def test_an_ack_with_another_number_is_none_of_the_fin_that_takes_a_call_back(town: Town) -> None:
    """Where the peer is known to speak `header`: a foreign one may acknowledge with any (S1 9.3)."""
    alice, old = town.home("alice"), town.home("old", sealed=False)
    meet(town, alice, old)
    alice.say("QUIT|old")
    town.run(1)
    old.on = False
    alice.say(f"CONNECTING|{one_line(old)}", f"QUIT|{one_line(old)}")
    town.run(0.1)
    wrong = build(Datagram(Type.CONTROL, Control.ACK, 1, b"old", b"", Framing.HEADER))
    alice.handle(DatagramReceived(wrong, old.address))
    assert not alice.core.idle
    right = build(Datagram(Type.CONTROL, Control.ACK, 0, b"old", b"", Framing.HEADER))
    alice.handle(DatagramReceived(right, old.address))
    assert alice.core.idle


def syn(random: Random, user: bytes = b"eve", framing: Framing = Framing.HEADER) -> bytes:
    """A SYN of SIMP/2 with a random cookie and proof."""
    offer = Offer(bytes(1) + random.randbytes(32), random.randbytes(32))
    return build(Datagram(Type.CONTROL, Control.SYN, 0, user, build_offer(offer), framing))


def floods(random: Random, user: bytes) -> list[bytes]:
    """One of each kind that strangers may send."""
    offered = syn(random, user)
    return [
        offered,
        syn(random, user, Framing.BARE),
        syn(random, user, Framing.TRAILER),
        offered[:-1] + b"!",
        build(Datagram(Type.CONTROL, Control.SYN, 0, user, OFFER + b" SIMP/2 " + b"x" * 60 + b" @" + b"\xff" * 43)),
        build(build_payload(Challenge(random.randbytes(8), bytes(16)))),
        build(build_payload(Ringing(random.randbytes(8)))),
        build(build_payload(Answer(random.randbytes(8), random.randbytes(160)))),
        build(build_payload(Confirm(random.randbytes(8), random.randbytes(160)))),
        build(build_payload(Over(random.randbytes(8)))),
    ]


def flood(home: Home, random: Random, user: bytes = b"eve") -> None:
    """So many at the same time that strangers have had all that they get."""
    for peer in 3 * STRANGERS:
        home.handle(DatagramReceived(syn(random, user), peer))
    home.town.air = deque(each for each in home.town.air if each[1].peer not in STRANGERS)


def flood_before_each(home: Home, user: bytes) -> None:
    """Whatever arrives there, strangers were quicker."""
    random = Random(1)

    def lose(_: Address, datagram: Send) -> bool:
        if datagram.peer == home.address:
            flood(home, random, user)
        return False

    home.town.lose = lose


@pytest.mark.parametrize("user", [b"eve", b"alice"])
def test_a_flood_is_refused_before_it_is_parsed(town: Town, monkeypatch: pytest.MonkeyPatch, user: bytes) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    flood(bob, Random(1))
    read: list[bytes] = []

    def parsed(data: bytes, *order: tuple[Framing, ...]) -> Datagram:
        read.append(data)
        return parse(data, *order)

    monkeypatch.setattr("simp_daemon.peers.exchange.parse", parsed)
    monkeypatch.setattr("simp_daemon.peers.endpoint.parse", parsed)
    bob.events.clear()
    for number in range(100):
        for peer, data in zip(STRANGERS, floods(Random(number), user), strict=False):
            bob.handle(DatagramReceived(data, peer))
    assert not read
    assert not town.air
    assert len(bob.events) <= 1
    town.now += 1.1
    bob.handle(DatagramReceived(syn(Random(7)), STRANGERS[0]))
    assert read


@pytest.mark.parametrize("payload", [Challenge(b"a tag...", bytes(16)), Over(b"a tag...")])
def test_what_belongs_to_no_call_is_read_as_often_as_strangers_are_answered(town: Town, payload: Payload) -> None:
    bob = town.home("bob")
    for _ in range(10):
        for peer in STRANGERS:
            bob.handle(DatagramReceived(build(build_payload(payload)), peer))
    ignored = [each for each in bob.events if isinstance(each, Ignored)]
    assert [each.reason for each in ignored] == [Reason.STRANGER] * STRANGER_BURST + [Reason.RATE]


def says_over(datagram: Send) -> bool:
    return isinstance(read_payload(parse(datagram.data)), Over)


def test_a_contact_s_call_gets_through_a_flood_wherever_it_is_now(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    alice.move()
    alice.hear()
    bob.hear()
    flood_before_each(bob, b"alice")
    meet(town, alice, bob)
    town.run(2)
    assert bob.hear()[-1] == f"SECURED|{at(alice)}|encrypted"
    assert alice.hear()[-1] == f"SECURED|{at(bob)}|encrypted"


def test_the_call_of_whoever_was_quicker_than_a_flood_goes_on(town: Town) -> None:
    stranger, bob = town.home("stranger"), town.home("bob")
    stranger.say(f"CONNECTING|{one_line(bob)}")
    sender, first = town.air.popleft()
    bob.handle(DatagramReceived(first.data, sender))
    flood_before_each(bob, b"eve")
    town.run(200)
    assert bob.hear()[1:] == [f"CONNECTING|{at(stranger)}"]
    bob.say("CONNECTED|stranger")
    town.run(2)
    assert bob.hear()[-1] == f"SECURED|{at(stranger)}|encrypted"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_who_is_turned_away_would_have_got_no_answer(town: Town, seed: int) -> None:
    """What is refused at a glance is parsed nevertheless: nothing comes of it."""
    alice, bob, eve = town.home("alice"), town.home("bob"), town.home("eve")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    exchange = bob.core._endpoint
    assert isinstance(exchange, Exchange)
    board, turns_away = exchange._board, exchange._board.turns_away
    verdicts: Counter[bool] = Counter()

    def checked(data: bytes, peer: Address, now: float) -> bool:
        verdict = turns_away(data, peer, now)
        verdicts[verdict] += 1
        if verdict:
            before, calls = len(exchange._news), dict(board._calls._calls)
            with suppress(DatagramError):
                board.receive(parse(data), peer, now)
            told = [each for each in exchange._news[before:] if not isinstance(each, Ignored)]
            assert all(
                isinstance(each, Send) and says_over(each) for each in told
            )  # which counts as a stranger's (8.2)
            assert board._calls._calls == calls
            del exchange._news[before:]
        return verdict

    board.turns_away = checked  # type: ignore[method-assign]
    random = Random(seed)
    for _ in range(150):
        match random.randrange(6):
            case 0:
                random.choice([alice, eve]).say(f"CONNECTING|{one_line(bob)}")
            case 1:
                bob.say(random.choice(["CONNECTED|eve", "CONNECTED|alice", "QUIT|eve", "QUIT|alice"]))
            case 2:
                for peer in STRANGERS:
                    data = random.choice(floods(random, random.choice([b"eve", b"alice"])))
                    bob.handle(DatagramReceived(data, peer))
            case 3 if town.passed:
                sender, passed = random.choice(town.passed)
                bob.handle(DatagramReceived(passed.data, random.choice([sender, random.choice(STRANGERS)])))
            case 4:
                random.choice([alice, eve]).say("QUIT|")
            case _:
                town.run(random.choice([0.0, 0.3, 1.5]))
    assert min(verdicts[True], verdicts[False]) > 50


def test_a_chat_goes_on_when_another_contact_answers_in_the_place_of_its_peer(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob, mallory = town.home("alice"), town.home("bob"), town.home("mallory")
    meet(town, alice, mallory)
    alice.say("QUIT|mallory")
    town.run(1)
    meet(town, alice, bob)
    exchange = mallory.core._endpoint
    assert isinstance(exchange, Exchange)
    (pin,) = exchange.pins
    pin.open = True
    monkeypatch.setattr(exchange.pins, "prover", lambda *_, **__: pin)
    bob.on = False
    mallory.move(bob.address)
    alice.hear()
    alice.say("CHAT|are you there?")
    town.run(30)
    assert alice.hear() == [
        "ERROR|mallory is now where bob was: nothing was said; call mallory, if you mean them", "UNANSWERED|bob|30"
    ]  # fmt: skip
    town.run(300)
    assert not any(line.startswith("ERROR") for line in alice.hear())
    assert not any(line.startswith("CHAT") for line in mallory.hear())
    alice.say("CHAT|hello")
    assert alice.hear() == []


@pytest.mark.parametrize("tampering", Tampering)
def test_nothing_of_a_contact_s_goes_out_in_the_clear_or_to_another_key(town: Town, tampering: Tampering) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    town.between = Interference(tampering, SOMEBODY)
    alice.hear()
    town.sent.clear()
    alice.say(f"CONNECTING|{one_line(bob)}")
    town.run(1)
    bob.say("CONNECTED|alice")
    alice.say("CHAT|for bob alone")
    town.run(40)
    heard = alice.hear()
    assert not any(line.startswith(("CONNECTED", "SECURED", "ACK")) for line in heard)
    assert not any(b"bob alone" in datagram.data for _, datagram in town.sent)
    clear = "ERROR|somebody answers in bob's place who can't encrypt, as bob does: nothing is sent there"
    assert (clear in heard) is (tampering is not Tampering.SWAP)
    town.between = None
    bob.say("QUIT|alice")  # whom it took for a daemon of SIMP/1
    town.run(1)
    alice.say("QUIT|bob", f"CONNECTING|{one_line(bob)}")
    town.run(1)
    bob.say("CONNECTED|alice")
    town.run(1)
    assert alice.hear()[-1] == f"SECURED|{at(bob)}|encrypted"


@pytest.mark.parametrize("tampering", Tampering)
def test_strangers_who_are_brought_down_to_simp_1_are_told_so(town: Town, tampering: Tampering) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    town.between = Interference(tampering, SOMEBODY)
    meet(town, alice, bob)
    secured = {
        Tampering.STRIP: [f"SECURED|{at(bob)}|clear"],
        Tampering.ANSWER: [f"SECURED|somebody|{one_line(bob)}|clear"],
        Tampering.SWAP: [],
    }
    assert [line for line in alice.hear() if line.startswith("SECURED")] == secured[tampering]
    if tampering is Tampering.STRIP:
        assert f"SECURED|{at(alice)}|clear" in bob.hear()


@pytest.mark.parametrize("number", [0, 1])
def test_an_ack_of_an_earlier_chat_is_none_of_the_fin_that_takes_a_call_back(town: Town, number: int) -> None:
    alice = town.home("alice")
    alice.handle(Known(Source.CHAT, "bob", FOREIGN, Framing.HEADER))
    alice.say(f"CONNECTING|{AT}", f"QUIT|{AT}")
    sent(town, 1)
    ack = Datagram(Type.CONTROL, Control.ACK, number, b"bob", b"", Framing.HEADER)
    alice.handle(DatagramReceived(build(ack), FOREIGN))
    assert sent(town, 16) == [Control.FIN] * 3 * number


# -- what a decision ends


def test_whoever_is_blocked_gets_nothing_more_and_nothing_of_theirs_is_shown(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    bob.hear()
    town.lose = lambda sender, datagram: True
    alice.say("CHAT|said before, and not delivered")
    bob.say("CHAT|not shown")
    town.run(1)
    alice.store.commit([Trusted(key(bob), Trust.NEW, Trust.BLOCKED)])
    alice.reread()
    town.lose = lambda sender, datagram: False
    town.run(120)
    assert [line for line in bob.hear() if not line.startswith("UNANSWERED")] == ["UNDELIVERED|1", "QUIT|alice"]
    assert sorted(alice.hear()[-2:]) == ["QUIT|bob", "UNDELIVERED|1"]
    assert not any(line.startswith("CHAT") for line in alice.hear())


def test_a_block_ends_calls_and_requests(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    bob.say(f"CONNECTING|{one_line(alice)}")
    town.run(1)
    alice.store.commit([Trusted(key(bob), Trust.NEW, Trust.BLOCKED)])
    alice.reread()
    town.run(1)
    assert alice.hear()[-1] == "QUIT|bob"
    assert not alice.core._endpoint.requests
    alice.store.commit([Trusted(key(bob), Trust.BLOCKED, Trust.NEW)])
    alice.reread()
    meet(town, alice, bob)
    bob.crash()
    alice.say("CHAT|where are you?")
    town.run(30)  # alice's daemon calls quietly
    alice.store.commit([Trusted(key(bob), Trust.NEW, Trust.BLOCKED)])
    alice.reread()
    town.run(200)
    town.sent.clear()
    town.run(600)
    assert {parse(datagram.data).text for _, datagram in town.sent} <= {PRESENCE_QUESTION.decode()}


def test_what_is_said_after_its_reader_has_left_is_neither_acknowledged_nor_shown(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    town.lose = lambda sender, datagram: sender == alice.address
    alice.say("CHAT|bye", "QUIT|bob")
    bob.say("CHAT|too late")
    town.run(2)
    town.lose = lambda sender, datagram: False
    town.run(120)
    assert alice.hear()[-2:] == ["QUIT|bob", "ACK|1"]
    assert [line for line in bob.hear()[-3:] if not line.startswith("CHAT")] == ["UNDELIVERED|1", "QUIT|alice"]


def test_whoever_leaves_after_a_long_silence_still_says_so(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    town.lose = lambda sender, datagram: True
    alice.say("CHAT|are you there?")
    town.run(70)
    alice.say("QUIT|bob")
    town.run(1)
    town.lose = lambda sender, datagram: False
    town.run(30)
    assert bob.hear()[-2:] == ["CHAT|alice|are you there?", "QUIT|alice"]
    assert alice.hear()[-1] == "ACK|1"


def test_a_quiet_call_opens_nothing_again_that_its_person_has_left(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    bob.crash()
    alice.say("CHAT|are you there?")
    town.run(30)
    alice.say("QUIT|bob")
    town.run(100)
    alice.hear()
    bob.start()
    bob.attach()
    town.run(600)
    assert alice.hear() == []
    assert not bob.core._endpoint.requests


def test_whoever_missed_the_close_hears_it_when_they_ask(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    town.lose = lambda sender, datagram: True
    alice.say("QUIT|bob")
    town.run(120)
    town.lose = lambda sender, datagram: False
    bob.hear()
    bob.say("CHAT|are you there?")
    town.run(60)
    assert [line for line in bob.hear() if not line.startswith("UNANSWERED")] == ["UNDELIVERED|1", "QUIT|alice"]


# -- what an attacker tried


def forged(home: Home, sender: Home, operation: Operation, name: bytes = b"bob") -> None:
    """A datagram of SIMP/1, in `bare`, that seems to come from there."""
    data = build(Datagram(Type.CONTROL, operation, 0, name, b"", Framing.BARE))
    home.handle(DatagramReceived(data, sender.address))


def test_a_forged_call_in_the_clear_is_nothing_where_a_sealed_chat_is(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.hear()
    forged(alice, bob, Control.SYN)
    forged(alice, bob, Control.FIN)
    town.run(130)
    assert alice.hear() == []
    alice.say("CHAT|still here")
    town.run(1)
    assert alice.hear() == ["ACK|1"]


@pytest.mark.parametrize("forge", [Control.SYN, Control.FIN])
def test_a_forged_call_in_the_clear_is_nothing_where_a_sealed_call_is(town: Town, forge: Operation) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    alice.say(f"CONNECTING|{one_line(bob)}")
    town.run(1)
    alice.hear()
    forged(alice, bob, Control.SYN)
    forged(alice, bob, forge)
    forged(bob, alice, Control.SYN, b"alice")
    forged(bob, alice, forge, b"alice")
    town.run(1)
    assert alice.hear() == []
    bob.say("CONNECTED|alice")
    town.run(1)
    assert f"CONNECTED|{at(bob)}" in alice.hear()


def test_a_forged_request_in_the_clear_does_not_bring_a_call_to_a_contact_down_to_it(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    alice.hear()
    forged(alice, bob, Control.SYN)
    assert alice.hear() == [f"CONNECTING|{at(bob)}", f"SECURED|{at(bob)}|clear-claimed"]
    alice.say(f"CONNECTING|{one_line(bob)}")
    forged(alice, bob, Control.ACK)
    town.run(1)
    alice.say("CHAT|top secret")
    bob.say("CONNECTED|alice")
    town.run(1)
    assert alice.hear()[-1] == f"SECURED|{at(bob)}|encrypted"
    assert not any(b"top secret" in datagram.data for _, datagram in town.sent)


@pytest.mark.parametrize("way", ["quit", "detach", "stop", "blocked"])
def test_nobody_is_stuck_whose_answer_got_nowhere(town: Town, way: str) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    bob.say(f"CONNECTING|{one_line(alice)}")
    town.run(1)
    alice.hear()
    town.lose = lambda sender, datagram: sender == bob.address
    alice.say("CONNECTED|bob")
    town.run(90)
    match way:
        case "quit":
            alice.say("QUIT|bob")
        case "detach":
            alice.detach()
            alice.attach()
        case "stop":
            alice.stop()
            return
        case _:
            alice.store.commit([Trusted(key(bob), Trust.NEW, Trust.BLOCKED)])
            alice.reread()
    assert alice.hear()[-1] in ("QUIT|bob", "CONNECTED|alice")
    carol = town.home("carol")
    meet(town, alice, carol)
    assert f"CONNECTED|{at(carol)}" in alice.hear()


def test_a_contact_that_calls_from_elsewhere_while_it_is_called_can_be_left(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    old = bob.address
    bob.crash()
    bob.move()
    bob.start()
    bob.attach()
    bob.say(f"CONNECTING|{one_line(alice)}")
    town.run(1)
    town.lose = lambda sender, datagram: True
    alice.hear()
    alice.say(f"CONNECTING|{format_address(old)}")
    town.run(1)
    alice.say(f"QUIT|{format_address(old)}")
    assert alice.hear()[-1].startswith("QUIT|")
    town.lose = lambda sender, datagram: False
    carol = town.home("carol")
    meet(town, alice, carol)
    assert f"CONNECTED|{at(carol)}" in alice.hear()


def test_somebody_on_the_way_ends_no_chat_by_answering_a_quiet_call(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.store.commit([Trusted(key(bob), Trust.NEW, Trust.VERIFIED)])
    alice.reread()
    bob.on = False
    del town.homes[bob.address]
    mallory = Home(town, "mallory", bob.address)
    takes_calls_for(mallory, alice)
    alice.hear()
    alice.say("CHAT|are you there?")
    town.run(100)
    heard = alice.hear()
    assert [line for line in heard if not line.startswith("UNANSWERED")] == [
        "ERROR|somebody with another key answers in bob's place: nothing is said there"
    ]
    mallory.on = False
    town.homes[bob.address] = bob
    bob.on = True
    town.run(60)
    assert bob.hear()[-1] == "CHAT|alice|are you there?"
    (contact,) = alice.store.contacts()
    assert contact.trust is Trust.VERIFIED


@pytest.mark.parametrize("silent", [0.0, 12.0, 25 * 3600.0])
def test_an_over_ends_nothing_that_is_open_whoever_sends_it(town: Town, silent: float) -> None:
    """simp2 4.7: whoever sees a quiet SYN can send one."""
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.hear()
    forged: list[bytes] = []

    def answers(sender: Address, datagram: Send) -> bool:
        offer = read_offer(parse(datagram.data).payload) if b" SIMP/2 " in datagram.data else None
        if offer and offer.quiet and len(forged) < 3:
            forged.append(build(build_payload(Over(tag_of(offer.e)), Control.FIN)))
            town.air.appendleft((datagram.peer, Send(forged[-1], sender)))
        return (offer is not None and len(forged) < 3) or (town.now < cut and datagram.data not in forged)

    cut = town.now + silent if silent < 100 else 0.0
    if not silent:
        alice.crash()
        alice.start()
    town.lose = answers
    alice.say("CHAT|are you there?")
    town.run(silent + 600)
    assert len(forged) == 3 or silent
    heard, told = alice.hear(), bob.hear()
    assert not [line for line in heard + told if line.startswith(("QUIT", "UNDELIVERED", "ERROR"))]
    if silent:
        assert (heard[-1], told[-1]) == ("ACK|1", "CHAT|alice|are you there?")
    else:  # after a crash her client has to take it up again
        assert alice.core._endpoint.requests == [(bob.address, "bob")]


def test_two_of_one_name_are_told_apart_whatever_was_compared(town: Town) -> None:
    alice, bob, mallory = town.home("alice"), town.home("bob"), town.home("mallory")
    for home in (bob, mallory):
        meet(town, alice, home)
        alice.say(f"QUIT|{home.name}")
        town.run(1)
        alice.store.commit([Trusted(key(home), Trust.NEW, Trust.VERIFIED)])
    alice.reread()
    mallory.detach()
    mallory.name = "bob"
    mallory.attach()
    alice.hear()
    mallory.say(f"CONNECTING|{one_line(alice)}")
    town.run(1)
    alice.say(f"CONNECTED|{one_line(mallory)}")
    town.run(1)
    assert alice.hear()[-1] == f"SECURED|{at(mallory)}|claimed"
    alice.say("QUIT|bob")
    town.run(1)
    meet(town, alice, bob)
    assert alice.hear()[-1] == f"SECURED|{at(bob)}|verified"  # whatever others call themselves


def test_a_verified_contact_is_so_by_the_name_it_had(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.store.commit([Trusted(key(bob), Trust.NEW, Trust.VERIFIED)])
    alice.reread()
    marks = [alice.hear()[-1]]
    for name in ("carol", "bob"):
        alice.say("QUIT|")
        alice.attach()
        town.run(1)
        bob.detach()
        bob.name = name
        bob.attach()
        meet(town, bob, alice)
        marks.append([line for line in alice.hear() if line.startswith("SECURED")][-1])
    assert [mark.rpartition("|")[2] for mark in marks] == ["verified", "encrypted", "verified"]


def test_a_chat_is_marked_anew_when_its_partner_takes_another_name(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.store.commit([Trusted(key(bob), Trust.NEW, Trust.VERIFIED)])
    alice.reread()
    alice.hear()
    bob.core._endpoint.user = "victor"
    bob.core._exchange._board.resume(key(alice), town.now)  # type: ignore[union-attr]
    bob.handle(TimerFired())
    town.run(1)
    assert alice.hear() == [f"SECURED|{at(bob)}|encrypted"]


def test_whoever_rings_is_answered_before_a_conversation_that_goes_on(town: Town) -> None:
    """Whose session is dead: bob has left, and nobody has heard it."""
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    alice.crash()
    alice.start()
    alice.attach()
    town.run(1)
    town.lose = lambda sender, datagram: True
    bob.say("QUIT|alice")
    town.run(120)
    town.lose = lambda sender, datagram: False
    bob.say(f"CONNECTING|{one_line(alice)}")
    town.run(1)
    bob.hear()
    alice.say("CONNECTED|bob")
    town.run(5)
    alice.say("CHAT|here I am")
    town.run(5)
    assert bob.hear()[-1] == "CHAT|alice|here I am"


@pytest.mark.parametrize("word", ["QUIT", "CONNECTED"])
def test_whoever_rings_at_the_address_of_a_conversation_is_meant_by_their_name(town: Town, word: str) -> None:
    alice, bob, carol = town.home("alice"), town.home("bob"), town.home("carol")
    meet(town, alice, bob)
    alice.crash()
    bob.crash()
    alice.start()
    alice.attach()
    town.run(1)
    bob.start()
    town.run(10)
    bob.crash()
    carol.move(bob.address)
    carol.say(f"CONNECTING|{one_line(alice)}")
    town.run(1)
    alice.hear()
    alice.say(f"{word}|carol")
    town.run(1)
    (his,) = [each for each in alice.core._exchange.pins if each.key == key(bob)]  # type: ignore[union-attr]
    assert his.open
    heard = carol.hear()[-1]
    assert heard.startswith("QUIT|" if word == "QUIT" else "SECURED|alice")


def test_a_session_that_only_says_that_it_is_over_says_nothing_else(town: Town) -> None:
    """simp2 4.7"""
    alice, mallory = town.home("alice"), town.home("mallory")
    meet(town, alice, mallory)
    mallory.crash()
    alice.say("QUIT|mallory")
    town.run(100)
    alice.hear()
    mallory.start()
    conversation = mallory.core._exchange._conversations._all[key(alice)]  # type: ignore[union-attr]
    town.lose = lambda sender, datagram: sender == alice.address and read_record(datagram.data) is not None
    town.run(5)
    assert conversation.session
    conversation.session.send([Close(CloseReason.FAULT, b"type: simp trust")])
    mallory.handle(TimerFired())
    town.run(60)
    assert alice.hear() == []


def test_a_conversation_is_called_quietly_again_after_a_call_that_was_lost(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    town.lose = lambda sender, datagram: True
    alice.say("CHAT|for later")
    town.run(1)
    alice.crash()
    alice.start()
    alice.attach()
    alice.say(f"CONNECTING|{one_line(bob)}")
    town.run(60)
    assert "QUIT|bob" in alice.hear()
    town.lose = lambda sender, datagram: False
    town.run(40)  # bob's daemon has no reason yet to call
    alice.say("CONNECTED|bob")
    town.run(5)
    assert "CHAT|alice|for later" in bob.hear()


def test_a_namesake_is_marked_also_while_the_other_is_barred(town: Town) -> None:
    alice, bob, mallory = town.home("alice"), town.home("bob"), town.home("mallory")
    meet(town, alice, bob)
    alice.say("QUIT|bob")
    town.run(1)
    alice.store.commit([Trusted(key(bob), Trust.NEW, Trust.BLOCKED)])
    alice.reread()
    mallory.detach()
    mallory.name = "bob"
    mallory.attach()
    meet(town, mallory, alice)
    assert alice.hear()[-1] == f"SECURED|{at(mallory)}|claimed"


def test_a_key_that_was_replaced_gets_nothing_delivered_that_never_went_out(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    bob.on = False
    alice.say("CHAT|pay")
    town.run(1)
    alice.crash()
    other = Pinned(b"n" * 32, b"N" * 32, "bob", bob.address)
    alice.start()
    alice.store.commit([KeyChanged(key(bob), other)])
    alice.store.commit([Replaced(key(bob), other)])
    alice.reread()
    alice.attach()
    bob.on = True
    bob.say("QUIT|alice")
    town.run(10)
    bob.say(f"CONNECTING|{one_line(alice)}")
    town.run(10)
    assert not any(line.startswith("CONNECTING") for line in alice.hear())
    assert "delivered" not in {fate for _, fate, _ in alice.kept(bob)}


def announce(to: Home, home: Home, *addresses: Address, name: str | None = None) -> None:
    identity = announced_as(*home.identity.public)
    name = home.name if name is None else name
    to.handle(Announced(identity, f"{name} {identity}", name, list(addresses or [home.address])))


def acquainted(town: Town, one: Home, other: Home) -> None:
    meet(town, one, other)
    one.say(f"QUIT|{other.name}")
    town.run(1)
    one.say("WHO|")
    one.hear()


@pytest.mark.parametrize("announced", ["", "everyone", "contacts"])
def test_a_conversation_goes_on_where_a_contact_announces_itself(town: Town, announced: str) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    bob.crash()
    alice.crash()
    bob.move()
    town.lose = lambda sender, datagram: datagram.peer == alice.address and b" SIMP/2 " in datagram.data
    alice.start()
    bob.start()  # whose own calls don't get through
    town.run(20)
    if announced == "everyone":
        announce(alice, bob)
    elif announced:
        announce_hidden(alice, bob, 0)
    town.run(20)
    alice.attach()
    assert (f"CONNECTING|{at(bob)}" in alice.hear()) is bool(announced)
    if announced:
        alice.say("CONNECTED|bob", "CHAT|found you")
        bob.attach()
        bob.say("CONNECTED|alice")
        town.run(1)
        assert bob.hear()[-1] == "CHAT|alice|found you"


@pytest.mark.parametrize("seed", range(6))
def test_contacts_that_call_each_other_quietly_meet_wherever_one_is_now(town: Town, seed: int) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    alice.random.seed(seed)
    meet(town, alice, bob)
    bob.crash()
    alice.crash()
    bob.move()
    alice.start()
    bob.start()
    town.run(20)
    alice.attach()
    assert f"CONNECTING|{at(bob)}" in alice.hear()


def test_nobody_is_called_quietly_where_nobody_answers(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    meet(town, alice, bob)
    bob.crash()
    alice.crash()
    alice.start()
    town.run(1)
    for host in range(50, 60):
        announce(alice, bob, (f"10.0.0.{host}", 7777))
    town.run(30)
    offers = {datagram.peer for _, datagram in town.sent if b" SIMP/2 " in datagram.data}
    assert offers == {bob.address}


def test_whoever_announces_the_identity_of_a_contact_without_its_key_changes_nothing(town: Town) -> None:
    alice, bob, mallory = town.home("alice"), town.home("bob"), town.home("mallory")
    meet(town, alice, bob)
    bob.crash()
    alice.crash()
    alice.start()
    exchange = mallory.core._endpoint
    assert isinstance(exchange, Exchange)
    own = Contact(key(alice), alice.identity.signing_key, "alice", Trust.NEW, (), 0, (), None)
    exchange._conversations.know(own, Ledger())
    exchange.pins.prover = lambda *_, **__: exchange.pins.get(key(alice))  # type: ignore[method-assign]  # of any proof
    announce(alice, bob, mallory.address)
    town.run(40)
    assert {contact.trust for contact in alice.store.contacts()} == {Trust.NEW}
    reasons = [each.reason for each in alice.events if isinstance(each, Ignored)]
    assert Reason.WRONG_KEY in reasons


@pytest.mark.parametrize("there", [True, False])
def test_a_contact_is_called_by_name_where_its_identity_is_announced(town: Town, there: bool) -> None:
    alice, bob, other = town.home("alice"), town.home("bob"), town.home("other")
    acquainted(town, alice, bob)
    bob.move()
    bob.on = there
    other.detach()
    other.name = "bob"
    other.attach()
    alice.handle(Announced("abcdefgh", "bob abcdefgh", "bob", [other.address]))
    announce(alice, bob)
    town.run(5)
    alice.say("WHO|")
    seen = {line.split("|")[2] for line in alice.hear() if line.startswith("SEEN|bob|")}
    assert seen >= {one_line(other), one_line(bob)}
    before = len(town.sent)
    alice.say("CONNECTING|bob")
    town.run(2)
    assert {datagram.peer for _, datagram in town.sent[before:] if b" SIMP/2 " in datagram.data} == {bob.address}
    if there:
        bob.say("CONNECTED|alice")
        town.run(1)
        assert alice.hear()[-1] == f"SECURED|{at(bob)}|encrypted"


def test_whom_the_list_has_here_is_not_passed_over_for_an_announcement(town: Town) -> None:
    alice, bob, mallory = town.home("alice"), town.home("bob"), town.home("mallory")
    acquainted(town, alice, bob)
    alice.handle(HostsRead([(bob.address, "bob")]))
    town.run(5)
    alice.handle(Announced("abcdefgh", "bob abcdefgh", "bob", [("10.0.0.66", 7777)]))
    announce(alice, bob, mallory.address)
    town.run(5)
    alice.hear()
    alice.say("CONNECTING|bob")
    town.run(1)
    told = alice.hear()
    assert told[0].startswith("ERROR|2 are called 'bob'") or any("RINGING" in line for line in told), told
    assert "CONNECTING|" not in "".join(mallory.hear()[1:])


def announce_hidden(to: Home, home: Home, hour: int) -> Announced:
    identity = hidden_as(*home.identity.public, hour)
    told = Announced(identity, identity, "", [home.address])
    to.handle(told)
    return told


def test_a_hidden_contact_is_recognised_hour_by_hour(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob", hides=True)
    acquainted(town, alice, bob)
    bob.move()
    town.run(3600)
    alice.hear()
    hour = int(town.now) // 3600
    told = announce_hidden(alice, bob, hour)
    town.run(5)
    assert [line for line in alice.hear() if "99" in line] == [f"SEEN|bob|{one_line(bob)}|announced|0"]
    for _ in range(3):
        town.run(3600)
        hour, last = hour + 1, told
        told = announce_hidden(alice, bob, hour)
        alice.handle(Withdrawn(last.identity, last.instance))
        town.run(1)
        assert not [line for line in alice.hear() if one_line(bob) in line]
    alice.say("CONNECTING|bob")
    town.run(1)
    bob.say("CONNECTED|alice")
    town.run(1)
    assert alice.hear()[-1] == f"SECURED|{at(bob)}|encrypted"


def test_a_hidden_stranger_that_becomes_a_contact_stays_the_same_neighbour(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob", hides=True)
    alice.say("WHO|")
    told = announce_hidden(alice, bob, 0)
    town.run(5)
    acquainted(town, alice, bob)
    town.run(3600)
    alice.hear()
    announce_hidden(alice, bob, 1)
    alice.handle(Withdrawn(told.identity, told.instance))
    town.run(60)
    assert alice.hear() == []
    bob.crash()
    alice.handle(Withdrawn(hidden_as(*bob.identity.public, 1), hidden_as(*bob.identity.public, 1)))
    town.run(10)
    assert [line for line in alice.hear() if line.startswith("GONE")] == [f"GONE|{at(bob)}"]


@pytest.mark.parametrize(("late", "known"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_other_hours_are_recognised_as_far_as_clocks_differ(town: Town, late: int, known: bool) -> None:
    alice, bob = town.home("alice"), town.home("bob", hides=True)
    acquainted(town, alice, bob)
    bob.move()
    bob.on = False
    town.run(4 * 3600)
    announce_hidden(alice, bob, int(town.now) // 3600 + late)
    town.run(5)
    alice.hear()
    alice.say("WHO|")
    assert (f"SEEN|bob|{one_line(bob)}|announced|" in alice.hear()) is known


def test_a_contact_that_was_met_elsewhere_is_told_nobody_and_knows_whose_daemon_it_is(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob", hides=True)
    acquainted(town, alice, bob)
    bob.move()
    alice.move(("10.0.0.98", 7777))
    announce_hidden(alice, bob, int(town.now) // 3600)
    town.run(5)
    assert f"SEEN||{one_line(bob)}|announced|0|bob" in alice.hear()


@pytest.mark.parametrize("sealed", [True, False])
def test_a_hidden_daemon_tells_strangers_no_name_until_its_person_speaks(town: Town, sealed: bool) -> None:
    bob, carol = town.home("bob", hides=True), town.home("carol", sealed=sealed)
    for asker, asked in ((carol, bob), (bob, carol)):
        asker.handle(Announced("abcdefgh", "abcdefgh", "", [asked.address]))
    town.run(5)
    carol.say("WHO|", f"CONNECTING|{one_line(bob)}")
    town.run(60)
    fin = build(Datagram(Type.CONTROL, Control.FIN, 0, b"x", b"", Framing.HEADER))
    bob.handle(DatagramReceived(fin, FOREIGN))
    town.run(5)
    told = [datagram for sender, datagram in town.sent if sender == bob.address]
    assert {datagram.peer for datagram in told} == {carol.address, FOREIGN}
    assert not any(b"bob" in datagram.data for datagram in told)
    assert f"SEEN||{one_line(bob)}|announced|" in "".join(carol.hear())
    bob.say("CONNECTED|carol")
    town.run(1)
    assert any(line.startswith("CONNECTED|bob") for line in carol.hear())


def test_a_hidden_daemon_calls_quietly_without_a_name(town: Town) -> None:
    alice, bob = town.home("alice"), town.home("bob", hides=True)
    meet(town, alice, bob)
    before = len(town.sent)
    alice.crash()
    town.run(300)
    calls = [each for sender, each in town.sent[before:] if sender == bob.address and b" SIMP/2 " in each.data]
    assert calls
    alice.start()
    town.run(30)
    told = [datagram.data for sender, datagram in town.sent[before:] if sender == bob.address]
    assert told
    assert not any(b"bob" in data for data in told)
    alice.attach()
    assert f"CONNECTING|{at(bob)}" in alice.hear()


def test_an_over_where_a_contact_is_only_announced_closes_nothing(town: Town) -> None:
    alice, bob, mallory = town.home("alice"), town.home("bob"), town.home("mallory")
    meet(town, alice, bob)
    bob.crash()
    alice.crash()
    alice.start()
    announce(alice, bob, mallory.address)
    town.run(40)
    assert any(sender == mallory.address and parse(each.data).operation is Control.FIN for sender, each in town.sent)
    (pin,) = alice.core._exchange.pins  # type: ignore[union-attr]
    assert pin.open

"""Two endpoints on a simulated network: what the network may do, and what people must still get (spec 4 to 6)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simp_daemon.events import Connected, Ended, Rang, Unanswered, Why
from simp_proto.constants import Chat, Framing
from simp_proto.datagram import Datagram, parse
from tests.network import Network, Person, ended

WORDS = [f"message {number}" for number in range(1, 7)]


def two(seed: int = 0) -> tuple[Network, Person, Person]:
    network = Network(seed)
    return network, network.join("127.0.0.1", "alice"), network.join("127.0.0.2", "bob")


def links(network: Network, one: Person, other: Person) -> Iterator[tuple[Person, Person]]:
    yield one, other
    yield other, one


def assert_whole(speaker: Person, listener: Person) -> None:
    """All that was said arrived once, in order, and its speaker knows it."""
    assert listener.heard == speaker.words
    assert speaker.acknowledged == list(range(1, len(speaker.words) + 1))
    assert speaker.undelivered == []


def assert_agreed(one: Person, other: Person) -> None:
    """Both think the same of the chat: that it is on, or that it is over."""
    assert (one.endpoint.current is None) == (other.endpoint.current is None)


def test_a_chat_on_a_quiet_network() -> None:
    network, alice, bob = two()
    alice.words, bob.words = WORDS, WORDS[:3]
    alice.endpoint.call(bob.address, 0.0)
    network.run(until=60)
    assert alice.saw(Rang)
    assert_whole(alice, bob)
    assert_whole(bob, alice)
    bob.quit()
    network.run()
    assert ended(bob) == [Ended(alice.address, "alice", Why.QUIT)]
    assert ended(alice) == [Ended(bob.address, "bob", Why.FIN)]
    assert alice.endpoint.idle
    assert bob.endpoint.idle


FIRST: dict[str, Callable[[int, Datagram], bool]] = {
    "first": lambda number, datagram: number == 0,
    "first three": lambda number, datagram: number < 3,
    "each third": lambda number, datagram: number % 3 == 0,
    "first chat": lambda number, datagram: datagram.operation is Chat.MESSAGE and number < 4,
}


@pytest.mark.parametrize("speaks", ["caller", "callee", "both"])
@pytest.mark.parametrize("direction", ["to callee", "to caller", "both ways"])
@pytest.mark.parametrize("drops", FIRST)
def test_what_is_dropped_is_made_up_for(drops: str, direction: str, speaks: str) -> None:
    network, alice, bob = two()
    lossy = []
    if direction in ("to callee", "both ways"):
        lossy.append(network.link(alice, bob))
    if direction in ("to caller", "both ways"):
        lossy.append(network.link(bob, alice))
    for link in lossy:
        link.drop = FIRST[drops]
    if speaks in ("caller", "both"):
        alice.words = WORDS
    if speaks in ("callee", "both"):
        bob.words = WORDS
    alice.endpoint.call(bob.address, 0.0)
    network.run(until=600)
    assert all(link.dropped for link in lossy) or drops == "first chat"
    assert alice.saw(Connected)
    assert bob.saw(Connected)
    assert_whole(alice, bob)
    assert_whole(bob, alice)
    assert_agreed(alice, bob)
    alice.quit()
    network.run(until=1200)
    assert alice.endpoint.idle
    assert bob.endpoint.idle


@pytest.mark.parametrize("block", [0, *(pytest.param(block, marks=pytest.mark.slow) for block in range(1, 10))])
def test_a_thousand_networks_that_lose_and_repeat_a_third(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        network, alice, bob = two(seed)
        for one, other in links(network, alice, bob):
            link = network.link(one, other)
            link.loss = link.duplication = 0.3
            link.jitter = 0.5
        alice.words, bob.words = WORDS, WORDS
        if seed % 2:
            alice.endpoint.call(bob.address, 0.0)
        else:  # both at once: crossed calls
            alice.endpoint.call(bob.address, 0.0)
            bob.endpoint.call(alice.address, 0.0)
        network.run(until=1800)
        context = f"seed {seed}"
        assert bob.heard == WORDS, context
        assert alice.heard == WORDS, context
        assert alice.acknowledged == bob.acknowledged == [1, 2, 3, 4, 5, 6], context
        assert any(link.dropped for link in network.links.values()), context
        (alice if seed % 3 else bob).quit()
        network.run(until=3600)
        assert alice.endpoint.idle, context
        assert bob.endpoint.idle, context
        assert len(ended(alice)) == len(ended(bob)) == 1, context


def test_two_of_ours_never_end_up_in_bare() -> None:
    for seed in range(200):
        network, alice, bob = two(seed)
        for one, other in links(network, alice, bob):
            network.link(one, other).loss = 0.3
        alice.words, bob.words = WORDS[:1], WORDS[:1]
        alice.endpoint.call(bob.address, 0.0)
        network.run(until=600)
        chats = [parse(data) for _, _, _, data, _ in network.wire]
        framings = {chat.framing for chat in chats if chat.operation is Chat.MESSAGE}
        assert framings == {Framing.HEADER}, f"seed {seed}"


def test_a_decline_reaches_the_caller_through_loss() -> None:
    for seed in range(200):
        network, alice, bob = two(seed)
        bob.accepts = False
        for one, other in links(network, alice, bob):
            network.link(one, other).loss = 0.3
        alice.endpoint.call(bob.address, 0.0)
        network.run(until=600)
        assert [end.why for end in ended(alice)] == [Why.FIN], f"seed {seed}"
        assert [end.why for end in ended(bob)] == [Why.QUIT], f"seed {seed}"
        assert alice.endpoint.idle
        assert bob.endpoint.idle


def test_who_leaves_is_heard_to_the_end() -> None:
    network, alice, bob = two()
    alice.endpoint.call(bob.address, 0.0)
    network.run(until=10)
    network.link(alice, bob).drop = lambda number, datagram: datagram.operation is Chat.MESSAGE and network.now < 19
    for number, word in enumerate(WORDS, 1):
        alice.endpoint.say_to_partner(number, word, network.now)
    alice.quit()
    network.run(until=60)
    assert bob.heard == WORDS
    assert [end.why for end in ended(bob)] == [Why.FIN]


def test_a_partner_that_vanishes_is_given_up_after_twelve_tries() -> None:
    network, alice, bob = two()
    alice.endpoint.call(bob.address, 0.0)
    network.run(until=10)
    for one, other in links(network, alice, bob):
        network.link(one, other).drop = lambda number, datagram: True
    before = len(network.wire)
    alice.endpoint.say_to_partner(1, "are you there?", network.now)
    alice.endpoint.say_to_partner(2, "hello?", network.now)
    network.run(until=69.9)
    assert len(network.wire) - before == 12
    assert [event.seconds for event in alice.events if isinstance(event, Unanswered)] == [30]
    assert ended(alice) == []
    network.run(until=70.1)
    assert alice.undelivered == [1, 2]
    assert [end.why for end in ended(alice)] == [Why.LOST]
    network.run(until=600)
    assert alice.endpoint.idle


def test_a_partner_that_starts_anew_is_a_new_request() -> None:
    network, alice, bob = two()
    alice.endpoint.call(bob.address, 0.0)
    network.run(until=10)
    bob.accepts = None
    again = Network(1).join("127.0.0.1", "alice")  # the same address, with nothing remembered
    network.people[alice.address] = again
    again.network = network
    again.endpoint.call(bob.address, network.now)
    network.run(until=20)
    assert [end.why for end in ended(bob)] == [Why.RESTARTED]
    assert [name for _, name in bob.endpoint.requests] == ["alice"]


# -- reordering: a known limit, with its figures in spec 10.2

RUNS = 300


def goes_wrong(seed: int, *, reorders: bool, duplication: float) -> bool:
    """Whether a message of 20 each way is lost or doubled, with a tenth lost and up to 1 s of delay."""
    network, alice, bob = two(seed)
    alice.endpoint.call(bob.address, 0.0)
    network.run(until=10)
    for one, other in links(network, alice, bob):
        link = network.link(one, other)
        link.loss, link.duplication, link.jitter, link.reorders = 0.1, duplication, 1.0, reorders
    alice.words = bob.words = [f"message {number}" for number in range(1, 21)]
    for person in (alice, bob):
        for number, word in enumerate(person.words, 1):
            person.endpoint.say_to_partner(number, word, network.now)
    network.run(until=1800)
    return not (alice.heard == bob.words and bob.heard == alice.words)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reorders", "duplication", "wrong"), [(False, 0.1, 0), (True, 0.0, 0), (True, 0.02, 22), (True, 0.1, 87)]
)
def test_reordering_with_repeats_is_a_known_limit(reorders: bool, duplication: float, wrong: int) -> None:
    found = sum(goes_wrong(seed, reorders=reorders, duplication=duplication) for seed in range(RUNS))
    assert found == wrong
    row = f"| {'any' if reorders else 'kept'} | {duplication:.0%} | {wrong} |"
    assert row in (Path(__file__).parent.parent / "spec" / "simp.md").read_text("utf-8")


# -- a chat in which nobody says anything for long (spec 6.5)


def silent(seconds: float) -> tuple[Network, Person, Person]:
    """Both said something, and nothing for so long after that."""
    network, alice, bob = two()
    alice.words, bob.words = WORDS[:1], WORDS[:2]
    alice.endpoint.call(bob.address, 0.0)
    network.run(until=seconds)
    return network, alice, bob


def said_since(network: Network, time: float) -> list[str]:
    return [parse(data).operation.label for at, _, _, data, _ in network.wire if at > time]


def test_a_silent_partner_that_is_there_answers_and_nothing_changes() -> None:
    network, alice, bob = silent(1000.0)
    said = said_since(network, 60.0)
    assert set(said) == {"SYN+ACK", "ACK"}
    assert 7 <= said.count("SYN+ACK") == said.count("ACK") <= 16  # each 120 s, by one of them or both
    for number, (speaker, listener) in enumerate([(alice, bob), (bob, alice), (alice, bob)], 10):
        speaker.endpoint.say_to_partner(number, f"after {number}", network.now)
        network.run(until=network.now + 130.0)
        assert listener.heard[-1] == f"after {number}"
        assert speaker.acknowledged[-1] == number
    assert len(alice.heard) == 2 + 1
    assert len(bob.heard) == 1 + 2
    assert ended(alice) == ended(bob) == []


def test_a_probe_that_crosses_a_message_disturbs_neither() -> None:
    for hundredths in range(90, 125):
        network, alice, bob = silent(60.0)
        last = network.wire[-1][0]
        network.run(until=last + 119.0 + hundredths / 100)
        bob.endpoint.say_to_partner(10, "now?", network.now)
        alice.endpoint.say_to_partner(10, "now!", network.now)
        network.run(until=network.now + 60.0)
        assert (alice.heard[-1], bob.heard[-1]) == ("now?", "now!")
        assert (len(alice.heard), len(bob.heard)) == (3, 2)


def test_an_answer_to_a_probe_that_comes_late_acknowledges_no_message() -> None:
    network, alice, bob = silent(60.0)
    last = network.wire[-1][0]
    back = network.link(bob, alice)
    back.duplication, back.jitter = 1.0, 2.0
    network.link(alice, bob).drop = lambda _, datagram: datagram.text == "now!" and network.now < last + 150.0
    network.run(until=last + 120.5)
    alice.endpoint.say_to_partner(10, "now!", network.now)
    network.run(until=last + 140.0)
    assert alice.acknowledged == [1]
    network.run(until=last + 200.0)
    assert bob.heard[-1] == "now!"
    assert alice.acknowledged == [1, 10]


def test_a_silent_partner_that_is_gone_is_lost_after_three_minutes() -> None:
    network, alice, bob = silent(60.0)
    last = network.wire[-1][0]
    for one, other in links(network, alice, bob):
        network.link(one, other).drop = lambda number, datagram: True
    network.run(until=last + 179.0)
    assert ended(alice) == ended(bob) == []
    network.run(until=last + 181.0)
    assert ended(alice) == [Ended(bob.address, "bob", Why.LOST)]
    assert ended(bob) == [Ended(alice.address, "alice", Why.LOST)]
    assert not alice.saw(Unanswered)


def test_a_partner_that_was_restarted_does_not_acknowledge_the_probe() -> None:
    network, alice, bob = silent(60.0)
    network.people[bob.address] = Person(network, bob.address, "bob")
    network.run(until=300.0)
    assert ended(alice) == [Ended(bob.address, "bob", Why.LOST)]

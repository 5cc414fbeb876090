"""Foreign peers, each scripted as one of the kinds that were met (spec 9): does every message get through, once?"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from simp_daemon.events import MessageAcknowledged, MessageReceived
from simp_proto.constants import Chat, Control, Framing, Operation, Type
from simp_proto.datagram import Datagram, build, parse
from tests.driven import Endpoint

PEER = ("127.0.0.2", 7777)


@dataclass
class Stranger:
    """A foreign daemon with one way of counting. `expects` and `counts` give numbers from what went before."""

    counter: str
    first: int = 1
    acknowledges: Callable[[int], int | None] = lambda number: number
    acknowledges_repeats: bool = True
    heard: list[str] = field(default_factory=list)
    mine: int = 0
    theirs: int = 0
    shared: int = 0

    def expected(self) -> int | None:
        match self.counter:
            case "own":
                return (self.first + self.theirs) % 2
            case "shared":
                return (self.first + self.shared) % 2
            case _:
                return None

    def number(self) -> int:
        match self.counter:
            case "own":
                return (self.first + self.mine) % 2
            case "shared":
                return (self.first + self.shared) % 2
            case _:
                return self.first + self.mine

    def answer(self, chat: Datagram) -> list[Datagram]:
        """What it sends back for a chat."""
        expected = self.expected()
        if expected is not None and chat.sequence != expected:
            repeat = self.heard and self.heard[-1] == chat.text
            return [self.ack(chat)] if repeat and self.acknowledges_repeats else []
        self.heard.append(chat.text)
        self.theirs += 1
        self.shared += 1
        return [self.ack(chat)] if self.acknowledges(chat.sequence) is not None else []

    def ack(self, chat: Datagram) -> Datagram:
        number = self.acknowledges(chat.sequence)
        assert number is not None
        return control(Control.ACK, number)

    def say(self, text: str) -> Datagram:
        number = self.number()
        self.mine += 1
        self.shared += 1
        return Datagram(Type.CHAT, Chat.MESSAGE, number, b"bob", text.encode(), Framing.BARE)


def control(operation: Control, sequence: int = 0, payload: bytes = b"") -> Datagram:
    return Datagram(Type.CONTROL, operation, sequence, b"bob", payload, Framing.BARE)


class Chatter:
    """Our endpoint in a chat with a stranger, with time that passes only to wait for ACKs."""

    def __init__(self, stranger: Stranger) -> None:
        self.stranger = stranger
        self.endpoint = Endpoint()
        self.endpoint.user = "alice"
        self.now = 0.0
        self.said = 0
        self.acknowledged: list[int] = []
        self.heard: list[str] = []
        self.sizes: list[int] = []
        self.endpoint.call(PEER, self.now)
        self.endpoint.datagrams_to_send()
        self.receive(control(Control.SYN_ACK))

    def receive(self, datagram: Datagram) -> None:
        self.endpoint.receive(build(datagram), PEER, self.now)
        self.settle()

    def settle(self) -> list[Operation]:
        sent: list[Operation] = []
        while datagrams := self.endpoint.datagrams_to_send():
            for data, _ in datagrams:
                datagram = parse(data)
                sent.append(datagram.operation)
                if datagram.type is Type.CHAT:
                    self.sizes.append(datagram.length)
                    for answer in self.stranger.answer(datagram):
                        self.endpoint.receive(build(answer), PEER, self.now)
        while event := self.endpoint.next_event():
            if isinstance(event, MessageAcknowledged):
                self.acknowledged.append(event.message)
            elif isinstance(event, MessageReceived):
                self.heard.append(event.text)
        return sent

    def say(self, text: str) -> float:
        """Says it and waits until it is acknowledged; returns how long that took."""
        self.said += 1
        began = self.now
        self.endpoint.say_to_partner(self.said, text, self.now)
        self.settle()
        while self.said not in self.acknowledged:
            timer = self.endpoint.get_timer()
            assert timer is not None
            self.now = timer
            self.endpoint.handle_timer(timer)
            self.settle()
            assert self.now - began < 60, "given up"
        return self.now - began


KINDS = {
    "own counter from 0, repeats ignored": lambda: Stranger("own", 0, acknowledges_repeats=False),
    "own counter from 0": lambda: Stranger("own", 0),
    "own counter from 1": lambda: Stranger("own", 1),
    "shared counter from 1": lambda: Stranger("shared", 1),
    "shared counter from 0": lambda: Stranger("shared", 0),
    "counts on and checks nothing": lambda: Stranger("none", 1),
    "acknowledges with 1 always": lambda: Stranger("none", 1, acknowledges=lambda number: 1),
    "acknowledges with 0 always": lambda: Stranger("none", 0, acknowledges=lambda number: 0),
}
TURNS = {"alternating": "abababab", "ours first": "aaaabbbb", "theirs first": "bbbbaaaa", "mixed": "abbaabab"}


@pytest.mark.parametrize("turns", TURNS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_message_gets_through_once(kind: str, turns: str) -> None:
    stranger = KINDS[kind]()
    chatter = Chatter(stranger)
    ours, theirs = [], []
    for number, who in enumerate(TURNS[turns]):
        text = f"message {number}"
        if who == "a":
            ours.append(text)
            chatter.say(text)
        else:
            theirs.append(text)
            chatter.receive(stranger.say(text))
    assert chatter.heard == theirs
    if stranger.counter == "none" and stranger.acknowledges(0) == stranger.acknowledges(1):
        # A peer that neither checks nor echoes shows a repeat again: the price that spec 9.1 states.
        assert list(dict.fromkeys(stranger.heard)) == ours
    else:
        assert stranger.heard == ours
    assert chatter.acknowledged == list(range(1, len(ours) + 1))


def test_hunting_ends_once_the_counter_is_known() -> None:
    chatter = Chatter(Stranger("own", 0, acknowledges_repeats=False))
    delays = [chatter.say(f"message {number}") for number in range(5)]
    assert delays == [5.0, 0.0, 0.0, 0.0, 0.0]


def test_the_same_words_again_after_ours_are_no_repeat_where_the_counter_is_shared() -> None:
    stranger = Stranger("shared", 1)
    chatter = Chatter(stranger)
    for number in range(3):
        chatter.say(f"message {number}")
        chatter.receive(stranger.say("ok"))
    assert chatter.heard == ["ok", "ok", "ok"]


def test_a_repeat_is_shown_once() -> None:
    stranger = Stranger("own", 0)
    chatter = Chatter(stranger)
    chat = stranger.say("hello")
    chatter.receive(chat)
    chatter.receive(chat)
    chatter.receive(stranger.say("hello"))
    assert chatter.heard == ["hello", "hello"]


def test_an_err_that_names_the_number_is_heeded_at_once_and_once() -> None:
    stranger = Stranger("own", 0)
    chatter = Chatter(stranger)
    chatter.endpoint.say_to_partner(1, "hello", 0.0)
    hint = control(Control.ERR, 0, b"Wrong sequence number")
    chatter.endpoint.datagrams_to_send()
    chatter.endpoint.receive(build(hint), PEER, 0.0)
    ((data, _),) = chatter.endpoint.datagrams_to_send()
    assert parse(data).sequence == 0
    chatter.endpoint.receive(build(control(Control.ERR, 1, b"Wrong sequence number")), PEER, 0.0)
    assert chatter.endpoint.datagrams_to_send() == []


def test_an_err_that_names_the_next_number_after_a_repeat_is_an_acknowledgement() -> None:
    chatter = Chatter(Stranger("own", 1))
    chatter.say("first")
    chatter.endpoint.say_to_partner(2, "second", 0.0)
    chatter.endpoint.handle_timer(5.0)
    ((data, _), (repeat, _)) = chatter.endpoint.datagrams_to_send()
    assert parse(data) == parse(repeat)
    other = 1 - parse(data).sequence
    chatter.endpoint.receive(build(control(Control.ERR, other, b"Wrong sequence number")), PEER, 5.0)
    assert chatter.endpoint.next_event() == MessageAcknowledged(PEER, 2)


def test_trailer_counts_the_handshake() -> None:
    endpoint = Endpoint()
    endpoint.receive(build(Datagram(Type.CONTROL, Control.SYN, 0, b"bob", b"", Framing.TRAILER)), PEER, 0.0)
    endpoint.accept(PEER, 0.0)
    ((syn_ack, _),) = endpoint.datagrams_to_send()
    assert parse(syn_ack, (Framing.TRAILER,)).sequence == 1
    endpoint.receive(build(Datagram(Type.CONTROL, Control.ACK, 1, b"bob", b"", Framing.TRAILER)), PEER, 0.0)
    endpoint.say_to_partner(1, "hello", 0.0)
    ((chat, _),) = endpoint.datagrams_to_send()
    assert parse(chat, (Framing.TRAILER,)).sequence == 0


def test_payloads_are_ascii_and_at_most_256_bytes() -> None:
    chatter = Chatter(Stranger("own", 1))
    chatter.say("word " * 100)
    assert max(chatter.sizes) <= 256
    assert "".join(chatter.stranger.heard) == "word " * 100
    with pytest.raises(ValueError, match=r"read 'ü' as character 3, expected ASCII"):
        chatter.endpoint.say_to_partner(2, "grün", chatter.now)


@pytest.mark.parametrize("number", [0, 1, 2, 255])
def test_no_handshake_fails_for_its_number(number: int) -> None:
    endpoint = Endpoint()
    endpoint.call(PEER, 0.0)
    endpoint.datagrams_to_send()
    endpoint.receive(build(control(Control.SYN_ACK, number)), PEER, 0.0)
    ((data, _),) = endpoint.datagrams_to_send()
    assert (parse(data).operation, parse(data).sequence) == (Control.ACK, number)


def test_a_callee_is_in_the_chat_whatever_number_its_ack_has() -> None:
    endpoint = Endpoint()
    endpoint.receive(build(control(Control.SYN)), PEER, 0.0)
    endpoint.accept(PEER, 0.0)
    endpoint.receive(build(control(Control.ACK, 1)), PEER, 0.0)
    endpoint.say_to_partner(1, "hello", 0.0)


def test_the_name_is_the_first_that_is_a_persons() -> None:
    endpoint = Endpoint()
    endpoint.call(PEER, 0.0)
    syn_ack = Datagram(Type.CONTROL, Control.SYN_ACK, 0, b"DAEMON", b"", Framing.BARE)
    endpoint.receive(build(syn_ack), PEER, 0.0)
    assert endpoint.current is not None
    assert endpoint.current.record.name == "DAEMON"
    endpoint.receive(build(Datagram(Type.CHAT, Chat.MESSAGE, 1, b"bob   ", b"hi", Framing.BARE)), PEER, 0.0)
    assert endpoint.current.record.name == "bob"


def test_a_foreign_fin_is_tried_three_times() -> None:
    chatter = Chatter(Stranger("own", 1))
    chatter.endpoint.quit(PEER, 0.0)
    fins = 0
    while (timer := chatter.endpoint.get_timer()) is not None:
        fins += len(chatter.endpoint.datagrams_to_send())
        chatter.endpoint.handle_timer(timer)
    assert fins == 3
    assert chatter.endpoint.idle


def test_two_acks_of_another_number_show_a_peer_that_does_not_echo() -> None:
    chatter = Chatter(Stranger("none", 1, acknowledges=lambda number: None))
    chatter.endpoint.say_to_partner(1, "hello", 0.0)
    chatter.settle()
    for number, acknowledged in ((7, []), (9, [1])):
        chatter.endpoint.receive(build(control(Control.ACK, number)), PEER, 0.0)
        chatter.settle()
        assert chatter.acknowledged == acknowledged

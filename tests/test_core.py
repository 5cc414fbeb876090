"""A whole daemon without sockets: what comes out of its one outlet, in which order."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_daemon.effects import Close, Effect, Send, Throttle, Write
from simp_daemon.events import Connected, RequestReceived
from simp_daemon.occurrences import (
    ClientClosed,
    ClientConnected,
    ClientSaid,
    ClientSlow,
    DatagramReceived,
    Occurrence,
    SendingFailed,
    Stopped,
    TimerFired,
)
from simp_proto.address import Address
from simp_proto.constants import OFFER, PENDING_REQUESTS, REQUESTS_OF_A_SOURCE, RINGING, Chat, Control, Framing
from simp_proto.datagram import parse
from tests.driven import Core
from tests.test_endpoint import BOB, CAROL, packet

HERE = ("127.0.0.1", 7777)


def chatting() -> Core:
    """In a chat with bob, who speaks `header`."""
    core = Core(HERE)
    core.handle(ClientConnected("client", local=True), 0.0)
    core.handle(ClientSaid("client", b"CONNECT|alice\nCONNECTING|127.0.0.2\n"), 0.0)
    effects = core.handle(DatagramReceived(packet(Control.SYN_ACK), BOB), 0.0)
    assert Connected(BOB, "bob") in effects
    return core


def in_words(effects: list[Effect]) -> Iterator[str]:
    for effect in effects:
        match effect:
            case Send(data, _):
                yield f"send {parse(data).operation.label} {parse(data).sequence}"
            case Write(_, line):
                yield f"write {line.decode().strip()}"
            case Throttle() | Close():
                yield type(effect).__name__.lower()
            case event:
                yield type(event).__name__


def test_a_message_is_written_to_the_client_before_its_ack_leaves() -> None:
    effects = chatting().handle(DatagramReceived(packet(Chat.MESSAGE, 1, b"hi"), BOB), 1.0)
    assert list(in_words(effects)) == ["MessageReceived", "write CHAT|bob|hi", "send ACK 1"]


def test_a_chat_is_told_with_the_address_that_its_own_datagrams_come_to() -> None:
    core = Core(("0.0.0.0", 7777))
    core.handle(ClientConnected("client", local=True), 0.0)
    core.handle(ClientSaid("client", b"CONNECT|alice\n"), 0.0)
    core.handle(DatagramReceived(packet(Control.SYN, 0, OFFER), BOB, "192.0.2.1"), 0.0)
    core.handle(ClientSaid("client", b"CONNECTED|bob\n"), 0.0)
    core.handle(DatagramReceived(packet(Control.FIN), CAROL, "192.0.2.9"), 0.0)
    effects = core.handle(DatagramReceived(packet(Control.ACK), BOB, "192.0.2.1"), 0.0)
    assert effects[0] == Connected(BOB, "bob", "192.0.2.1")


def test_a_request_rings_at_the_client_before_its_caller_is_told_so() -> None:
    core = Core(HERE)
    core.handle(ClientConnected("client", local=True), 0.0)
    core.handle(ClientSaid("client", b"CONNECT|alice\n"), 0.0)
    effects = core.handle(DatagramReceived(packet(Control.SYN, 0, OFFER), BOB), 1.0)
    assert list(in_words(effects)) == ["RequestReceived", "write CONNECTING|bob|127.0.0.2:7777", "send ACK 0"]


def test_each_line_of_a_client_is_answered_in_its_place() -> None:
    effects = chatting().handle(ClientSaid("client", b"PING|\nCHAT|hello\nQUIT|bob\nPING|\nQUIT|\n"), 1.0)
    assert list(in_words(effects)) == [
        "write PONG|",
        "send MESSAGE 1",
        "Ended",
        "write QUIT|bob",
        "write PONG|",
        "write QUIT|",
        "close",
        "Announce",
    ]


def test_sending_that_fails_is_told_to_whoever_it_is_for() -> None:
    core = chatting()
    assert core.handle(SendingFailed(CAROL, "no way to carol"), 1.0) == []
    assert list(in_words(core.handle(SendingFailed(BOB, "no way to bob"), 1.0))) == ["write ERROR|no way to bob"]


def test_whose_daemon_doesn_t_run_is_told_in_a_chat() -> None:
    effects = chatting().handle(SendingFailed(BOB, "whatever the system calls that", refused=True), 1.0)
    assert list(in_words(effects)) == ["write ERROR|bob's daemon doesn't run at 127.0.0.2:7777"]


def calling(own: Address = ("0.0.0.0", 7777)) -> Core:
    core = Core(own)
    core.handle(ClientConnected("client", local=True), 0.0)
    core.handle(ClientSaid("client", b"CONNECT|alice\nCONNECTING|127.0.0.2\n"), 0.0)
    return core


def test_a_call_that_the_system_says_gets_nowhere_ends() -> None:
    """spec 4.10"""
    effects = calling().handle(SendingFailed(BOB, "nothing listens at 127.0.0.2:7777"), 1.0)
    assert list(in_words(effects)) == [
        "ErrorReceived",
        "write ERROR|nothing listens at 127.0.0.2:7777",
        "Ended",
        "write QUIT|127.0.0.2:7777",
    ]


def test_a_call_that_rings_goes_on_whatever_the_system_says_of_one_datagram() -> None:
    core = calling()
    core.handle(DatagramReceived(packet(Control.ACK, 0, RINGING), BOB), 1.0)
    effects = core.handle(SendingFailed(BOB, "nothing listens at 127.0.0.2:7777"), 2.0)
    assert list(in_words(effects)) == ["write ERROR|nothing listens at 127.0.0.2:7777"]
    assert not core.idle


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
def test_a_daemon_on_all_addresses_does_not_call_itself(source: str) -> None:
    own_syn = packet(Control.SYN, 0, OFFER, user=b"alice", framing=Framing.BARE)
    core = calling()
    effects = core.handle(DatagramReceived(own_syn, (source, 7777), "127.0.0.2"), 0.1)
    assert "write ERROR|127.0.0.2 is this daemon itself; call somebody else's" in in_words(effects)
    assert core.idle


def test_answers_leave_from_the_address_that_was_called() -> None:
    core = Core(("0.0.0.0", 7777))
    for here in ("192.0.2.1", "192.0.2.7"):
        effects = core.handle(DatagramReceived(packet(Control.SYN, 0, OFFER), BOB, here), 0.0)
        assert [each.here for each in effects if isinstance(each, Send)] == [here]
    effects = core.handle(DatagramReceived(packet(Control.FIN), CAROL, "192.0.2.1"), 0.0)  # a stranger's, too
    assert [each.here for each in effects if isinstance(each, Send)] == ["192.0.2.1"]


def test_nothing_from_port_0_is_answered() -> None:
    effects = Core(HERE).handle(DatagramReceived(packet(Control.SYN, 0, OFFER), ("127.0.0.2", 0)), 0.0)
    assert list(in_words(effects)) == ["Ignored"]


def test_a_slow_client_s_messages_are_not_taken_until_it_keeps_up() -> None:
    core = chatting()
    message = DatagramReceived(packet(Chat.MESSAGE, 1, b"hi"), BOB)
    core.handle(ClientSlow("client", slow=True), 1.0)
    assert not any(isinstance(each, Send | Write) for each in core.handle(message, 1.0))
    effects = core.handle(ClientSlow("client", slow=False), 2.0)  # and doesn't wait for the repeat
    assert list(in_words(effects)) == ["MessageReceived", "write CHAT|bob|hi", "send ACK 1"]
    assert list(in_words(core.handle(message, 6.0))) == ["send ACK 1"]


def test_a_client_that_was_slow_before_it_attached_is_still_slow() -> None:
    core = Core(HERE)
    core.handle(ClientConnected("client", local=True), 0.0)
    core.handle(ClientSlow("client", slow=True), 0.0)
    core.handle(ClientSaid("client", b"CONNECT|alice\nCONNECTING|127.0.0.2\n"), 0.0)
    core.handle(DatagramReceived(packet(Control.SYN_ACK), BOB), 0.0)
    effects = core.handle(DatagramReceived(packet(Chat.MESSAGE, 1, b"hi"), BOB), 1.0)
    assert not any(isinstance(each, Send | Write) for each in effects)


def test_a_daemon_that_ends_tells_its_client_of_nobody_that_they_left() -> None:
    """client 4.2"""
    core = chatting()
    words = list(in_words(core.handle(Stopped(), 1.0)))
    assert "close" in words
    assert not [each for each in words if each.startswith("write")]


def test_the_end_says_fin_to_everybody() -> None:
    core = chatting()
    effects = core.handle(Stopped(), 1.0)
    assert [each for each in in_words(effects) if each.startswith("send")] == ["send FIN 1"]
    assert not core.idle
    core.handle(DatagramReceived(packet(Control.ACK, 1), BOB), 1.1)
    assert core.idle


CLIENTS = st.sampled_from(["one", "other"])
PACKETS = st.sampled_from(
    [
        packet(operation, number, payload, framing=framing)
        for operation, payload in (
            (Control.SYN, OFFER),
            (Control.SYN_ACK, b""),
            (Control.ACK, b""),
            (Control.FIN, b""),
            (Control.ERR, b"Wrong sequence number"),
            (Chat.MESSAGE, b"hello"),
        )
        for number in (0, 1)
        for framing in Framing
    ]
)
LINES = st.lists(
    st.sampled_from(
        [
            b"PING|",
            b"CONNECT|alice",
            b"CONNECTING|127.0.0.2",
            b"CONNECTED|bob",
            b"CHAT|hello",
            b"CHAT|\xff",
            b"QUIT|bob",
            b"QUIT|",
            b"GET / HTTP/1.1",
        ]
    ),
    max_size=4,
).map(lambda lines: b"".join(line + b"\n" for line in lines))
OCCURRENCES: st.SearchStrategy[Occurrence] = st.one_of(
    st.builds(DatagramReceived, PACKETS | st.binary(max_size=60), st.sampled_from([BOB, CAROL])),
    st.builds(ClientSaid, CLIENTS, LINES | st.binary(max_size=20)),
    st.builds(ClientConnected, CLIENTS, st.booleans()),
    st.builds(ClientClosed, CLIENTS),
    st.builds(ClientSlow, CLIENTS, st.booleans()),
    st.builds(SendingFailed, st.sampled_from([BOB, CAROL]), st.just("No route to host")),
    st.just(TimerFired()),
)


MESSAGES: st.SearchStrategy[Occurrence] = st.builds(
    DatagramReceived, st.builds(lambda number: packet(Chat.MESSAGE, number, b"hi"), st.integers(0, 1)), st.just(BOB)
)


@given(st.lists(st.tuples(MESSAGES | OCCURRENCES, st.sampled_from([0.0, 0.1, 5.0, 31.0])), max_size=60))
def test_whatever_happens_nothing_raises_and_each_message_is_written_before_its_ack_leaves(
    steps: list[tuple[Occurrence, float]],
) -> None:
    core, now = chatting(), 0.0
    for occurrence, later in steps:
        now += later
        told = list(in_words(core.handle(occurrence, now)))
        for at, words in enumerate(told):
            if words == "MessageReceived":
                assert told[at + 1].startswith("write CHAT|")
                assert told[at + 2].startswith("send ACK")
        timer = core.get_timer()
        assert timer == core.get_timer()
        assert timer is None or timer > 0


@pytest.mark.parametrize("user", [b"bob", b"daemon", b""])
def test_a_request_has_the_name_of_its_person(user: bytes) -> None:
    core = Core(HERE)
    effects = core.handle(DatagramReceived(packet(Control.SYN, 0, OFFER, user=user), BOB), 1.0)
    assert effects[0] == RequestReceived(BOB, user.decode())


def test_what_is_done_stays_done_where_something_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    core = chatting()
    message = DatagramReceived(packet(Chat.MESSAGE, 1, b"hi"), BOB)
    with monkeypatch.context() as patch:
        patch.setattr(core.connections, "happened", lambda event, now: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            core.handle(message, 1.0)
    core._effects.clear()
    effects = core.handle(DatagramReceived(packet(Control.FIN), CAROL), 2.0)
    assert list(in_words(effects)) == ["send ACK 1", "send ACK 0"]


@pytest.mark.parametrize("again", ["the partner", "another client"])
def test_what_was_held_back_belongs_to_no_later_chat(again: str) -> None:
    core = chatting()
    core.handle(ClientSlow("client", slow=True), 1.0)
    core.handle(DatagramReceived(packet(Chat.MESSAGE, 1, b"of the first chat"), BOB), 1.0)
    client = "client"
    if again == "another client":
        core.handle(ClientClosed("client"), 2.0)
        client = "other"
        core.handle(ClientConnected("other", local=True), 2.0)
        core.handle(ClientSaid("other", b"CONNECT|alice\n"), 2.0)
    core.handle(DatagramReceived(packet(Control.SYN, 0, OFFER), BOB), 3.0)
    core.handle(ClientSlow(client, slow=False), 4.0)
    core.handle(ClientSaid(client, b"CONNECTED|bob\n"), 4.0)
    core.handle(DatagramReceived(packet(Control.ACK), BOB), 5.0)
    effects = core.handle(DatagramReceived(packet(Chat.MESSAGE, 1, b"of the second"), BOB), 6.0)
    assert list(in_words(effects)) == ["MessageReceived", "write CHAT|bob|of the second", "send ACK 1"]


def test_a_failure_is_told_once_until_the_partner_is_heard() -> None:
    core = chatting()
    failed = SendingFailed(BOB, "no way to bob")
    assert len(core.handle(failed, 1.0)) == 1
    assert core.handle(failed, 2.0) == []
    core.handle(DatagramReceived(packet(Chat.MESSAGE, 1, b"hi"), BOB), 3.0)
    assert len(core.handle(failed, 4.0)) == 1


def test_one_source_has_two_missed_calls_and_a_friend_s_gives_way_to_nobody() -> None:
    core = chatting()
    core.handle(DatagramReceived(packet(Control.FIN, 1), BOB), 1.0)
    core.handle(ClientClosed("client"), 1.0)
    strangers = [("10.0.0.66", port) for port in range(1, 20)] + [(f"10.0.{number}.1", 7777) for number in range(20)]
    for number, peer in enumerate([BOB, *strangers]):
        core.handle(DatagramReceived(packet(Control.SYN, 0, OFFER), peer), 2.0 + number)
        core.handle(DatagramReceived(packet(Control.FIN), peer), 2.0 + number)
    core.handle(ClientConnected("client", local=True), 60.0)
    told = list(in_words(core.handle(ClientSaid("client", b"CONNECT|alice\n"), 60.0)))
    assert f"write MISSED|bob|{BOB[0]}:{BOB[1]}|58" in told
    missed = [line for line in told if line.startswith("write MISSED|")]
    assert len(missed) == PENDING_REQUESTS
    assert sum("10.0.0.66" in line for line in missed) <= REQUESTS_OF_A_SOURCE


@pytest.mark.parametrize(("asks", "told"), [(True, []), (False, ["write DISCOVERY|off"])])
def test_a_daemon_that_looks_for_nobody_tells_whoever_asks_who_is_here(asks: bool, told: list[str]) -> None:
    core = Core(HERE, asks=asks)
    core.handle(ClientConnected("client", local=True), 0.0)
    assert list(in_words(core.handle(ClientSaid("client", b"WHO|\nPING|\n"), 0.0))) == [*told, "write PONG|"]

"""The daemon's side of the client protocol, line by line (client.md)."""

from typing import TypeVar

import pytest

from simp_daemon.clients.connections import MAX_CONNECTIONS, MAX_WAITING
from simp_daemon.effects import Close, Effect, Send, Throttle, Write
from simp_daemon.occurrences import (
    ClientClosed,
    ClientConnected,
    ClientSaid,
    DatagramReceived,
    Occurrence,
    TimerFired,
)
from simp_daemon.peers.busy import OneChat
from simp_daemon.peers.session import Session
from simp_proto.address import Address
from simp_proto.constants import OFFER, RINGING, Chat, Control, Framing
from simp_proto.datagram import parse
from tests.driven import Core
from tests.test_endpoint import BOB, CAROL, packet

HERE = ("127.0.0.1", 7777)
NC, OTHER = "nc", "other"
T = TypeVar("T")


class Table:
    """A daemon without sockets: what clients write, what peers send, and what comes out of both."""

    def __init__(self) -> None:
        self.core = Core(HERE)
        self.effects: list[Effect] = []
        self.now = 0.0

    def handle(self, occurrence: Occurrence) -> None:
        self.effects += self.core.handle(occurrence, self.now)

    def say(self, *lines: str, connection: str = NC) -> list[str]:
        """Lines of a client; returns what any client is told, as `said` does."""
        self.handle(ClientSaid(connection, "".join(line + "\n" for line in lines).encode()))
        return self.said()

    def peer(self, data: bytes, peer: tuple[str, int] = BOB) -> list[str]:
        self.handle(DatagramReceived(data, peer))
        return self.said()

    def wait(self, until: float) -> list[str]:
        told = []
        while (timer := self.core.get_timer()) is not None and timer <= until:
            self.now = timer
            self.handle(TimerFired())
            told += self.said()
        self.now = until
        return told

    def said(self) -> list[str]:
        return [each.line.decode().removesuffix("\n") for each in self._take(Write)]

    def closed(self) -> list[object]:
        return [each.client for each in self._take(Close)]

    def sent(self) -> list[tuple[bytes, Address]]:
        return [(each.data, each.peer) for each in self._take(Send)]

    def held(self) -> bool:
        """Whether lines of the client wait for acknowledgements."""
        connection = self.core.connections._open.get(NC)
        return connection is not None and connection.held

    def current(self) -> Session | None:
        policy = self.core.endpoint._policy
        assert isinstance(policy, OneChat)
        return policy.current

    def _take(self, kind: type[T]) -> list[T]:
        taken: list[T] = [each for each in self.effects if isinstance(each, kind)]
        self.effects = [each for each in self.effects if not isinstance(each, kind)]
        return taken


@pytest.fixture
def table() -> Table:
    table = Table()
    table.handle(ClientConnected(NC, local=True))
    return table


@pytest.fixture
def attached(table: Table) -> Table:
    assert table.say("CONNECT|alice") == ["CONNECTED|alice"]
    return table


@pytest.fixture
def chatting(attached: Table) -> Table:
    assert attached.say("CONNECTING|127.0.0.2") == []
    assert attached.peer(packet(Control.SYN_ACK)) == ["CONNECTED|bob|127.0.0.2:7777"]
    return attached


def test_ping_at_any_time(table: Table) -> None:
    assert table.say("PING|", "PING|anything") == ["PONG|", "PONG|"]


def test_connect_tells_of_the_requests_that_wait(table: Table) -> None:
    table.peer(packet(Control.SYN, 0, OFFER))
    table.peer(packet(Control.SYN, 0, user=b"carol", framing=Framing.BARE), CAROL)
    assert table.say("CONNECT|alice") == [
        "CONNECTED|alice",
        "CONNECTING|bob|127.0.0.2:7777",
        "CONNECTING|carol|127.0.0.3:7777",
    ]


def test_a_call_that_is_accepted(attached: Table) -> None:
    assert attached.say("CONNECTING|127.0.0.2") == []
    assert attached.peer(packet(Control.ACK, 0, RINGING)) == ["RINGING|bob|127.0.0.2:7777"]
    assert attached.peer(packet(Control.SYN_ACK)) == ["CONNECTED|bob|127.0.0.2:7777"]
    assert attached.say("CHAT|hello") == []
    assert attached.peer(packet(Control.ACK, 1)) == ["ACK|1"]
    assert attached.peer(packet(Chat.MESSAGE, 1, b"hi | there")) == ["CHAT|bob|hi | there"]
    assert attached.peer(packet(Control.FIN, 0)) == ["QUIT|bob"]


def test_a_call_that_rings_where_nobody_is(attached: Table) -> None:
    attached.say("CONNECTING|127.0.0.2")
    assert attached.peer(packet(Control.ACK, 0, RINGING, user=b"daemon")) == [
        "RINGING|daemon|127.0.0.2:7777",
        "AWAY|daemon|127.0.0.2:7777",
    ]


def test_an_answer_from_elsewhere_is_named(attached: Table) -> None:
    attached.say("CONNECTING|127.0.0.2")
    assert attached.peer(packet(Control.SYN_ACK), CAROL) == ["ELSEWHERE|127.0.0.2:7777|127.0.0.3:7777"]
    assert attached.peer(packet(Control.ACK, 0, RINGING)) == ["RINGING|bob|127.0.0.2:7777"]


def test_a_foreign_partner_of_whom_nothing_is_heard_is_told_of(attached: Table) -> None:
    """spec 6.5"""
    attached.say("CONNECTING|127.0.0.2")
    attached.peer(packet(Control.SYN_ACK, framing=Framing.BARE))
    assert attached.wait(119.0) == []
    assert attached.wait(300.0) == ["SILENT|bob|120", "SILENT|bob|240"]
    attached.peer(packet(Chat.MESSAGE, 1, b"hi", framing=Framing.BARE))
    assert attached.wait(419.0) == []
    assert attached.wait(420.0) == ["SILENT|bob|120"]


def test_a_daemon_that_nobody_is_at_says_so_by_its_name(attached: Table) -> None:
    attached.say("QUIT|")
    attached.sent()
    attached.peer(packet(Control.SYN, 0, OFFER))
    ((ringing, _),) = attached.sent()
    assert parse(ringing).name == "daemon"


def test_a_partner_that_stops_answering_is_said_to(chatting: Table) -> None:
    chatting.say("CHAT|are you there?")
    told = chatting.wait(70.0)
    assert told[-3:] == ["UNDELIVERED|1", "ERROR|bob stopped answering", "QUIT|bob"]


def test_missed_calls_are_told_to_whoever_comes_once(table: Table) -> None:
    table.peer(packet(Control.SYN, 0, OFFER))
    table.peer(packet(Control.FIN))
    table.now = 480.0
    assert table.say("CONNECT|alice") == ["CONNECTED|alice", "MISSED|bob|127.0.0.2:7777|480"]
    table.say("QUIT|")
    table.handle(ClientConnected(OTHER, local=True))
    assert table.say("CONNECT|alice", connection=OTHER) == ["CONNECTED|alice"]


def test_a_call_that_is_declined(attached: Table) -> None:
    attached.say("CONNECTING|127.0.0.2")
    assert attached.peer(packet(Control.FIN)) == ["QUIT|bob"]


def test_a_call_to_somebody_busy(attached: Table) -> None:
    attached.say("CONNECTING|127.0.0.2")
    busy = packet(Control.ERR, 0, b"User already in another chat")
    assert attached.peer(busy) == ["ERROR|User already in another chat", "QUIT|bob"]
    assert attached.peer(packet(Control.FIN)) == []


@pytest.mark.parametrize("who", ["bob", "127.0.0.2", "127.0.0.2:7777"])
def test_a_request_is_accepted_by_name_or_address(attached: Table, who: str) -> None:
    assert attached.peer(packet(Control.SYN, 0, OFFER)) == ["CONNECTING|bob|127.0.0.2:7777"]
    assert attached.say(f"CONNECTED|{who}") == []
    assert attached.peer(packet(Control.ACK)) == ["CONNECTED|bob|127.0.0.2:7777"]


@pytest.mark.parametrize("who", ["bob", "127.0.0.2"])
def test_a_request_is_declined(attached: Table, who: str) -> None:
    attached.peer(packet(Control.SYN, 0, OFFER))
    assert attached.say(f"QUIT|{who}") == ["QUIT|bob"]


def test_calling_who_calls_is_accepting(attached: Table) -> None:
    attached.peer(packet(Control.SYN, 0, OFFER))
    attached.say("CONNECTING|127.0.0.2")
    assert attached.peer(packet(Control.ACK)) == ["CONNECTED|bob|127.0.0.2:7777"]


def test_a_call_is_cancelled_by_its_address(attached: Table) -> None:
    attached.say("CONNECTING|127.0.0.2")
    assert attached.say("QUIT|127.0.0.2") == ["QUIT|127.0.0.2:7777"]


def test_of_two_with_one_name_the_address_decides(attached: Table) -> None:
    attached.peer(packet(Control.SYN, 0, OFFER), BOB)
    attached.peer(packet(Control.SYN, 0, OFFER), CAROL)
    (error,) = attached.say("CONNECTED|bob")
    assert error == "ERROR|2 are called 'bob'; say which: 127.0.0.2:7777, 127.0.0.3:7777"
    attached.say("CONNECTED|127.0.0.3")
    assert attached.peer(packet(Control.ACK), CAROL) == ["CONNECTED|bob|127.0.0.3:7777"]


def test_unanswered_calls_and_messages_are_told_every_30_s(chatting: Table) -> None:
    chatting.say("CHAT|hello")
    assert chatting.wait(29.9) == []
    assert chatting.wait(59) == ["UNANSWERED|bob|30"]
    assert chatting.wait(60) == ["UNDELIVERED|1", "ERROR|bob stopped answering", "QUIT|bob"]
    chatting.say("CONNECTING|127.0.0.9")
    assert chatting.wait(125) == ["UNANSWERED|127.0.0.9:7777|30", "UNANSWERED|127.0.0.9:7777|60"]


def test_every_chat_line_is_counted(chatting: Table) -> None:
    error, undelivered = chatting.say("CHAT|" + "x" * 60_001)
    assert error == "ERROR|read a message of 60001 bytes, expected at most 60000; it was not sent"
    assert undelivered == "UNDELIVERED|1"
    chatting.say("CHAT|second")
    assert chatting.peer(packet(Control.ACK, 1)) == ["ACK|2"]


def test_a_message_in_parts_is_acknowledged_once(chatting: Table) -> None:
    text = "wörd " * 1000
    chatting.sent()
    chatting.say(f"CHAT|{text}", "CHAT|next")
    number = 1
    told: list[str] = []
    parts: list[bytes] = []
    while not told:
        ((data, _),) = chatting.sent()
        assert len(data) <= 1200
        parts.append(data[41:])
        told = chatting.peer(packet(Control.ACK, number))
        number = 1 - number
    assert told == ["ACK|1"]
    assert len(parts) == 6
    assert b"".join(parts).decode() == text
    assert all(part.decode() for part in parts), "cut inside a character"


def test_what_a_peer_is_called_stays_one_field(attached: Table) -> None:
    assert attached.peer(packet(Control.SYN, 0, OFFER, user=b"a|b\x1b[2J\xff")) == [
        "CONNECTING|a\\\\x7cb\\\\x1b[2J\\\\xff|127.0.0.2:7777"
    ]
    attached.say("CONNECTED|a\\\\x7cb\\\\x1b[2J\\\\xff")
    assert attached.peer(packet(Control.ACK)) == ["CONNECTED|a\\\\x7cb\\\\x1b[2J\\\\xff|127.0.0.2:7777"]


def test_a_message_with_control_characters_stays_one_line(chatting: Table) -> None:
    assert chatting.peer(packet(Chat.MESSAGE, 1, b"a\nb\x1b\\c")) == ["CHAT|bob|a\\nb\\x1b\\\\c"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("PONG|", "ERROR|read PONG|, which only a daemon says"),
        ("CONNECT|bob", "ERROR|you are connected already"),
        ("CHAT|hello", "ERROR|no chat is on; call somebody first"),
        ("CONNECTED|bob", "ERROR|nobody called 'bob' is here"),
        ("QUIT|bob", "ERROR|nobody called 'bob' is here"),
        ("PING", "ERROR|read 'PING' alone"),
    ],
)
def test_anything_wrong_is_an_error_and_the_connection_stays(attached: Table, line: str, error: str) -> None:
    told, *more = attached.say(line)
    assert more == (["UNDELIVERED|1"] if line.startswith("CHAT") else [])  # it is counted (client 4.1)
    assert told.startswith(error)
    assert attached.closed() == []
    assert attached.say("PING|") == ["PONG|"]


@pytest.mark.parametrize(
    ("who", "error"),
    [
        ("nowhere", "ERROR|read 'nowhere', expected an IP address such as"),
        ("127.0.0.1", "ERROR|127.0.0.1:7777 is this daemon itself"),
    ],
)
def test_a_call_that_is_refused_at_once_is_over_at_once(attached: Table, who: str, error: str) -> None:
    told, end = attached.say(f"CONNECTING|{who}")
    assert told.startswith(error)
    assert end == f"QUIT|{who}"


def test_nobody_is_taken_for_the_address_that_is_his_name(attached: Table) -> None:
    attached.peer(packet(Control.SYN, 0, OFFER, user=b"127.0.0.2:7777"), CAROL)
    attached.peer(packet(Control.SYN, 0, OFFER), BOB)
    attached.sent()
    attached.say("CONNECTED|127.0.0.2:7777")
    assert [peer for _, peer in attached.sent()] == [BOB]


def test_of_two_with_one_name_who_leaves_is_told_by_address(attached: Table) -> None:
    attached.peer(packet(Control.SYN, 0, OFFER), BOB)
    attached.peer(packet(Control.SYN, 0, OFFER), CAROL)
    assert attached.peer(packet(Control.FIN), CAROL) == ["QUIT|127.0.0.3:7777"]
    assert attached.peer(packet(Control.FIN), BOB) == ["QUIT|bob"]


@pytest.mark.parametrize("name", ["", "jörg", "a|b", "x" * 33])
def test_a_name_that_is_none(table: Table, name: str) -> None:
    (error,) = table.say(f"CONNECT|{name}")
    assert error.startswith("ERROR|read ")
    assert table.say("CONNECT|alice") == ["CONNECTED|alice"]


def test_nothing_but_ping_and_quit_before_connect(table: Table) -> None:
    (error,) = table.say("CHAT|hello")
    assert error == "ERROR|read CHAT| before CONNECT|, expected CONNECT| and your name first"
    assert table.say("QUIT|") == ["QUIT|"]
    assert table.closed() == [NC]


@pytest.mark.parametrize("first", ["GET / HTTP/1.1\r", "\x16\x03\x01"])
def test_a_first_line_that_is_no_simp_closes(table: Table, first: str) -> None:
    (error,) = table.say(first, "PING|")
    assert error.startswith("ERROR|read ")
    assert table.closed() == [NC]


def test_64_kib_without_a_newline_close(attached: Table) -> None:
    attached.handle(ClientSaid(NC, b"CHAT|" + b"x" * 65_536))
    (error,) = attached.said()
    assert error.startswith("ERROR|read 65536 bytes without a newline")
    assert attached.closed() == [NC]
    assert attached.core.connections._attachment is None


def test_a_second_client_is_refused(attached: Table) -> None:
    attached.handle(ClientConnected(OTHER, local=True))
    (told,) = attached.say("CONNECT|eve", connection=OTHER)
    assert told.startswith("ERROR|another client is connected to this daemon, ")
    assert told.endswith(": close that one first")
    assert attached.say("PING|", connection=OTHER) == ["PONG|"]
    attached.handle(ClientClosed(NC))
    assert attached.say("CONNECT|eve", connection=OTHER) == ["CONNECTED|eve"]


@pytest.mark.parametrize("line", ["NONSENSE|", "", "Host: 127.0.0.1", "PATCH / HTTP/1.1"])
def test_a_line_of_another_protocol_ends_the_connection_whenever_it_comes(attached: Table, line: str) -> None:
    (told,) = attached.say(line, "CONNECTING|127.0.0.2")
    assert told.startswith("ERROR|read ")
    assert attached.closed() == [NC]
    assert attached.sent() == []


def test_only_clients_on_its_own_host() -> None:
    table = Table()
    table.handle(ClientConnected("far", local=False))
    assert table.said() == ["ERROR|this daemon answers clients on its own host only; see --allow-remote-clients"]
    assert table.closed() == ["far"]


def test_the_oldest_that_has_said_nothing_gives_way() -> None:
    table = Table()
    for number in range(MAX_CONNECTIONS):
        table.handle(ClientConnected(number, local=True))
    table.say("PING|", connection=0)  # type: ignore[arg-type]
    table.handle(ClientConnected("one more", local=True))
    assert table.closed() == [1]
    assert table.say("CONNECT|alice", connection="one more") == [
        "ERROR|it said nothing, and another connection has come",
        "CONNECTED|alice",
    ]


def test_where_all_have_spoken_one_more_is_refused() -> None:
    table = Table()
    for number in range(MAX_CONNECTIONS):
        table.handle(ClientConnected(str(number), local=True))
        table.say("PING|", connection=str(number))
    table.handle(ClientConnected("one more", local=True))
    assert table.said() == ["ERROR|8 connections are open already, which is the limit"]
    assert table.closed() == ["one more"]


def test_connections_that_are_ending_count_and_are_cut_after_a_second() -> None:
    table = Table()
    for number in range(3 * MAX_CONNECTIONS):
        table.handle(ClientConnected(str(number), local=True))
        table.say("PING|", "QUIT|", connection=str(number))
    closes = [each for each in table.effects if isinstance(each, Close)]
    assert sum(not each.now for each in closes) == MAX_CONNECTIONS  # the others are cut immediately
    table.effects.clear()
    table.wait(1.0)
    assert [each.now for each in table.effects if isinstance(each, Close)] == [True] * MAX_CONNECTIONS


def test_a_connection_that_says_nothing_for_ten_seconds_is_ended() -> None:
    table = Table()
    table.handle(ClientConnected(NC, local=True))
    assert table.wait(9.9) == []
    assert table.wait(10.0) == ["ERROR|read nothing in 10 s, expected a line such as PING|"]
    assert table.closed() == [NC]


def test_a_line_that_only_begins_like_leaving_does_not_let_more_through(chatting: Table) -> None:
    for _ in range(100):
        chatting.say(*(["CHAT|" + "y" * 1000] * 20), "QUIT|nobody")
    assert chatting.held()
    assert Throttle(NC, held=True) in chatting.effects


def test_a_client_that_vanishes_leaves_its_chat(chatting: Table) -> None:
    chatting.sent()
    chatting.handle(ClientClosed(NC))
    ((data, peer),) = chatting.sent()
    assert data[:3] == bytes([1, 8, 1])
    assert peer == BOB
    assert chatting.current() is None


def test_disconnecting_says_one_quit(chatting: Table) -> None:
    assert chatting.say("QUIT|", "CHAT|too late") == ["QUIT|"]
    assert chatting.closed() == [NC]
    assert chatting.current() is None


def test_more_than_is_acknowledged_is_not_read(chatting: Table) -> None:
    chatting.say(*(f"CHAT|message {number}" for number in range(1000)))
    current = chatting.current()
    assert current is not None
    assert len(current.record.delivery) == MAX_WAITING
    number, acknowledged = 1, 0
    while acknowledged < 1000:
        told = chatting.peer(packet(Control.ACK, number))
        number = 1 - number
        acknowledged += len(told)
        assert len(current.record.delivery) <= MAX_WAITING
    assert told == ["ACK|1000"]


def test_reading_goes_on_once_half_of_what_waited_is_acknowledged(chatting: Table) -> None:
    chatting.say(*(f"CHAT|message {number}" for number in range(200)))
    current = chatting.current()
    assert current is not None
    waiting = []
    for number in range(1, MAX_WAITING // 2 + 1):
        chatting.peer(packet(Control.ACK, number % 2))
        waiting.append(len(current.record.delivery))
    assert waiting == [*range(MAX_WAITING - 1, MAX_WAITING // 2, -1), MAX_WAITING]


def test_what_is_still_being_sent_after_leaving_is_told(chatting: Table) -> None:
    chatting.say("CHAT|bye")
    assert chatting.say("QUIT|bob") == ["QUIT|bob"]
    assert chatting.peer(packet(Control.ACK, 1)) == ["ACK|1"]


def test_the_numbers_of_an_old_chat_do_not_reach_a_new_one(chatting: Table) -> None:
    chatting.say("CHAT|bye")
    chatting.say("QUIT|bob")
    chatting.peer(packet(Control.SYN, 0, OFFER, user=b"carol"), CAROL)
    chatting.say("CONNECTED|carol")
    assert chatting.peer(packet(Control.ACK), CAROL) == ["CONNECTED|carol|127.0.0.3:7777"]
    assert chatting.peer(packet(Control.ACK, 1), BOB) == []


def test_a_foreign_partner_is_sent_ascii_only(attached: Table) -> None:
    attached.say("CONNECTING|127.0.0.2")
    attached.peer(packet(Control.SYN_ACK, framing=Framing.BARE))
    error, undelivered = attached.say("CHAT|grüße")
    assert error.startswith("ERROR|read 'ü' as character 3, expected ASCII")
    assert undelivered == "UNDELIVERED|1"
    attached.say("CHAT|gruesse")
    assert attached.peer(packet(Control.ACK, 1, framing=Framing.BARE)) == ["ACK|2"]


def test_the_messages_of_each_chat_are_counted_from_one(chatting: Table) -> None:
    chatting.say("CHAT|one")
    chatting.peer(packet(Control.ACK, 1))
    chatting.peer(packet(Control.FIN, 1))
    chatting.say("CONNECTING|127.0.0.2")
    chatting.peer(packet(Control.SYN_ACK))
    chatting.say("CHAT|one again")
    assert chatting.peer(packet(Control.ACK, 1)) == ["ACK|1"]


def test_a_new_client_hears_nothing_of_the_old_ones_messages(chatting: Table) -> None:
    chatting.say("CHAT|bye")
    chatting.handle(ClientClosed(NC))
    chatting.handle(ClientConnected(OTHER, local=True))
    chatting.say("CONNECT|eve", connection=OTHER)
    assert chatting.peer(packet(Control.ACK, 1)) == []


def test_a_client_that_was_held_leaves_nothing_behind(chatting: Table) -> None:
    chatting.say(*(f"CHAT|message {number}" for number in range(100)))
    assert chatting.held()
    chatting.handle(ClientClosed(NC))
    assert not chatting.held()
    assert not chatting.core.connections._open


def test_a_message_of_exactly_60_000_bytes_is_sent(chatting: Table) -> None:
    assert chatting.say("CHAT|" + "x" * 60_000) == []


def test_a_name_that_nobody_else_has_is_used(attached: Table) -> None:
    attached.peer(packet(Control.SYN, 0, OFFER), BOB)
    attached.peer(packet(Control.SYN, 0, OFFER, user=b"carol"), CAROL)
    assert attached.peer(packet(Control.FIN), CAROL) == ["QUIT|carol"]


def test_whoever_accepts_answers_by_their_own_name_though_the_request_came_before(table: Table) -> None:
    table.peer(packet(Control.SYN, 0, OFFER))
    table.say("CONNECT|alice")
    table.sent()
    table.say("CONNECTED|bob")
    ((data, _),) = table.sent()
    assert data[3:9] == b"alice\0"


def test_each_line_is_answered_before_the_next(attached: Table) -> None:
    attached.say("CONNECTING|127.0.0.2")
    assert attached.say("QUIT|127.0.0.2", "PING|") == ["QUIT|127.0.0.2:7777", "PONG|"]


def test_nobody_ends_a_chat_by_the_partners_address_as_his_name(chatting: Table) -> None:
    chatting.say("QUIT|bob")
    chatting.peer(packet(Control.ACK, 1))
    chatting.peer(packet(Control.SYN, 0, OFFER, user=b"127.0.0.2:7777"), CAROL)
    chatting.say("CONNECTING|127.0.0.2")
    chatting.peer(packet(Control.SYN_ACK))
    assert chatting.peer(packet(Control.SYN, 0, OFFER, user=b"127.0.0.2:7777"), CAROL) == ["QUIT|127.0.0.3:7777"]


@pytest.mark.parametrize("who", ["bob", "bob\r", "127.0.0.2", "127.0.0.2:7777", "\\x62ob", "", "\r"])
def test_who_is_held_may_still_leave(chatting: Table, who: str) -> None:
    chatting.say(*(f"CHAT|message {number}" for number in range(200)))
    assert chatting.held()
    assert Throttle(NC, held=True) not in chatting.effects
    assert chatting.say(f"QUIT|{who}")[0] == ("QUIT|bob" if who.strip() else "QUIT|")


@pytest.mark.parametrize("line", ["QUIT|carol", "QUIT|127.0.0.9", "CHAT|QUIT|bob", "QUIT|bob|", "QUITTING|bob"])
def test_what_doesn_t_leave_lets_nothing_through(chatting: Table, line: str) -> None:
    chatting.say(*(f"CHAT|message {number}" for number in range(200)))
    assert chatting.say(line) == []
    assert chatting.held()


def test_a_held_client_is_read_up_to_64_kib(chatting: Table) -> None:
    chatting.say(*(f"CHAT|{number:01000}" for number in range(150)))
    assert Throttle(NC, held=True) in chatting.effects


@pytest.mark.parametrize("line", [b"CHAT|caf\xe9", b"CHAT"])
def test_a_chat_line_that_cannot_be_read_is_counted_too(chatting: Table, line: bytes) -> None:
    chatting.handle(ClientSaid(NC, line + b"\nCHAT|second\n"))
    error, undelivered = chatting.said()
    assert error.startswith("ERROR|read ")
    assert undelivered == "UNDELIVERED|1"
    assert chatting.peer(packet(Control.ACK, 1)) == ["ACK|2"]


@pytest.mark.parametrize("operation", [Chat.MESSAGE, Control.ERR])
def test_a_partner_keeps_the_name_that_the_client_was_told(attached: Table, operation: Chat | Control) -> None:
    attached.peer(packet(Control.SYN, 0, OFFER, user=b"daemon"))
    attached.say("CONNECTED|daemon")
    assert attached.peer(packet(Control.ACK, user=b"daemon")) == ["CONNECTED|daemon|127.0.0.2:7777"]
    attached.peer(packet(operation, 1, b"hi", user=b"mallory"))
    assert attached.peer(packet(Control.FIN, 0, user=b"mallory")) == ["QUIT|daemon"]

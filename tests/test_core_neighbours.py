"""A whole daemon among neighbours, without sockets: what it asks, what it believes, and what its client is told."""

from collections import Counter

import pytest

from simp_daemon.effects import Effect, Remember, Send, Write
from simp_daemon.events import Gone, Seen, Source
from simp_daemon.occurrences import (
    Announced,
    ClientClosed,
    ClientConnected,
    ClientSaid,
    DatagramReceived,
    HostsRead,
    Known,
    Occurrence,
    SendingFailed,
    Stopped,
    TimerFired,
    Withdrawn,
)
from simp_proto.address import Address
from simp_proto.constants import OFFER, PRESENCE_ANSWER, PRESENCE_QUESTION, RINGING, Chat, Control, Framing
from simp_proto.datagram import parse
from tests import driven
from tests.test_endpoint import packet

HERE = ("192.0.2.1", 7777)
BOB, BOB_TOO, CAROL = ("192.0.2.2", 7777), ("192.0.2.22", 7777), ("192.0.2.3", 7777)
ID, OTHER_ID = "k3v7q2xa", "aaaaaaaa"
PRESENT = packet(Control.ACK, 0, PRESENCE_ANSWER)


class Core(driven.Core):
    """One on a clock, whose neighbours answer as they are told to."""

    def __init__(self, *, attached: bool = True, asks: bool = True) -> None:
        super().__init__(HERE, asks=asks)
        self.now = 0.0
        self.answering: dict[Address, bytes] = {}
        self.asked: list[tuple[float, Address]] = []
        self.sent: list[tuple[str, Address]] = []
        self.written: list[str] = []
        self.effects: list[Effect] = []
        if attached:
            self.do(ClientConnected("client", local=True))
            self.say("CONNECT|alice", "WHO|")
            self.written.clear()

    def do(self, occurrence: Occurrence) -> None:
        effects = self.handle(occurrence, self.now)
        self.effects += effects
        self.written += [each.line.decode().strip() for each in effects if isinstance(each, Write)]
        for each in effects:
            if isinstance(each, Send):
                datagram = parse(each.data)
                if datagram.payload == PRESENCE_QUESTION:
                    self.asked.append((self.now, each.peer))
                    if each.peer in self.answering:
                        answer = packet(Control.ACK, datagram.sequence, PRESENCE_ANSWER, user=self.answering[each.peer])
                        self.do(DatagramReceived(answer, each.peer))
                else:
                    self.sent.append((datagram.operation.label, each.peer))

    def say(self, *lines: str) -> None:
        self.do(ClientSaid("client", "".join(f"{line}\n" for line in lines).encode()))

    def hear(self, peer: Address, *datagrams: bytes) -> None:
        for each in datagrams:
            self.do(DatagramReceived(each, peer))

    def announce(self, peer: Address = BOB, name: str = "bob", identity: str = ID) -> None:
        self.do(Announced(identity, f"{name} {identity}", name, [peer]))

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (timer := self.get_timer()) is not None and timer <= until:
            self.now = max(timer, self.now)
            self.do(TimerFired())
        self.now = until

    def told(self) -> list[str]:
        """What its client was told since the last time."""
        written, self.written = self.written, []
        return written

    def chat(self, peer: Address = BOB, framing: Framing = Framing.HEADER) -> None:
        self.say(f"CONNECTING|{peer[0]}")
        self.hear(peer, packet(Control.SYN_ACK, framing=framing))


def test_whoever_is_announced_and_answers_is_told_of_and_whoever_leaves_too() -> None:
    core = Core()
    core.answering[BOB] = b"bob"
    core.announce()
    assert core.told() == ["SEEN|bob|192.0.2.2:7777|announced|0"]
    core.answering.clear()
    core.do(Withdrawn(ID, f"bob {ID}"))
    core.do(SendingFailed(BOB, "nothing listens at 192.0.2.2:7777"))
    assert core.told() == ["GONE|bob|192.0.2.2:7777"]
    assert [event for event in core.effects if isinstance(event, Seen | Gone)]


def test_whoever_is_announced_and_silent_is_asked_three_times_a_second_apart() -> None:
    """discovery 3.3"""
    core = Core()
    core.announce()
    core.wait(9)
    assert core.asked == [(0.0, BOB), (1.0, BOB), (2.0, BOB)]
    assert core.told() == []
    core.say("WHO|")
    assert core.told() == ["SEEN|bob|192.0.2.2:7777|announced|"]


@pytest.mark.parametrize(("attached", "asked"), [(True, [0, 50, 100]), (False, [0])])
def test_whoever_is_here_is_asked_every_fifty_seconds_while_a_client_is_attached(
    attached: bool, asked: list[float]
) -> None:
    """discovery 3.2"""
    core = Core(attached=attached)
    core.answering[BOB] = b"bob"
    core.announce()
    core.wait(120)
    assert [at for at, _ in core.asked] == asked


def test_a_list_asks_whoever_was_not_heard_for_ten_seconds() -> None:
    """discovery 3.2"""
    core = Core()
    core.answering[BOB] = b"bob"
    core.announce()
    for seconds in (9, 2):
        core.wait(seconds)
        core.say("WHO|")
    assert [at for at, _ in core.asked] == [0, 11]


def test_whoever_is_announced_by_another_name_while_an_answer_is_on_its_way_is_asked_after_it() -> None:
    """discovery 3.2"""
    core = Core()
    core.answering[BOB] = b"bob"
    core.announce()
    del core.answering[BOB]
    core.announce(name="")
    core.announce(name="rob")
    core.answering[BOB] = b"rob"
    core.hear(BOB, PRESENT)  # as it was before
    assert core.told()[-1] == "SEEN|rob|192.0.2.2:7777|announced|0"
    assert len(core.asked) == 3


@pytest.mark.parametrize("attached", [True, False])
def test_whoever_says_goodbye_and_answers_is_asked_every_ten_seconds(attached: bool) -> None:
    """discovery 3.2"""
    core = Core(attached=attached)
    core.answering[BOB] = b"bob"
    core.announce()
    core.do(Withdrawn(ID, f"bob {ID}"))
    core.wait(35)
    assert [at for at, _ in core.asked] == [0, 0, 10, 20, 30]
    assert core.told() == ["SEEN|bob|192.0.2.2:7777|announced|0"] * attached


def test_whoever_is_gone_is_asked_once_more_a_second_later() -> None:
    """A refusal can be made up (discovery 3.3)."""
    core = Core()
    core.answering[BOB] = b"bob"
    core.announce()
    core.answering.clear()
    core.wait(50)
    core.do(SendingFailed(BOB, "nothing listens at 192.0.2.2:7777"))
    core.answering[BOB] = b"bob"
    core.wait(1)
    assert core.told() == [
        "SEEN|bob|192.0.2.2:7777|announced|0",
        "GONE|bob|192.0.2.2:7777",
        "SEEN|bob|192.0.2.2:7777|announced|",
        "SEEN|bob|192.0.2.2:7777|announced|0",
    ]


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(b"nonsense", id="malformed"),
        pytest.param(packet(Control.SYN, 0, OFFER), id="call"),
        pytest.param(packet(Control.FIN), id="FIN"),
        pytest.param(packet(Chat.MESSAGE, 1, b"hi"), id="chat"),
        pytest.param(packet(Control.ERR, 0, b"no"), id="ERR"),
        pytest.param(packet(Control.ACK, 0, RINGING), id="ringing"),
        pytest.param(packet(Control.ACK, 0, PRESENCE_QUESTION), id="question"),
        pytest.param(PRESENT, id="answer"),
    ],
)
def test_what_anyone_can_send_in_its_name_keeps_nobody_here(forged: bytes) -> None:
    """discovery 3.2: only an answer to a question of ours counts, and a chat's datagrams."""
    core = Core()
    core.answering[BOB] = b"bob"
    core.announce()
    core.answering.clear()
    for _ in range(5):
        core.wait(9.9)
        core.hear(BOB, forged)
        core.hear(BOB, packet(Control.FIN))  # the call is taken back: a conversation isn't asked
    core.wait(10)
    assert "GONE|bob|192.0.2.2:7777" in core.told()


def test_an_answer_counts_for_three_seconds() -> None:
    """discovery 3.3"""
    core = Core()
    core.announce()
    core.wait(6)
    core.hear(BOB, PRESENT)
    assert core.told() == []
    core.wait(10)
    core.hear(BOB, PRESENT)  # to the question of the next round
    assert core.told() == ["SEEN|bob|192.0.2.2:7777|announced|0"]


def test_a_chat_counts_as_hearing_it_and_asks_nothing() -> None:
    """discovery 3.2, 3.4"""
    core = Core()
    core.chat()
    core.told()
    core.wait(49)
    core.hear(BOB, packet(Chat.MESSAGE, 1, b"hi"))
    core.wait(110)
    core.say("WHO|")
    assert core.asked == []
    assert core.told() == ["CHAT|bob|hi", "SEEN|bob|192.0.2.2:7777|chat|110"]
    core.say("CHAT|ho")
    core.wait(1)
    core.hear(BOB, packet(Control.ACK, 1))
    core.told()
    core.say("WHO|")
    assert core.told() == ["SEEN|bob|192.0.2.2:7777|chat|0"]


def test_after_a_chat_its_partner_is_asked_again() -> None:
    core = Core()
    core.answering[BOB] = b"bob"
    core.chat()
    core.wait(70)
    core.hear(BOB, packet(Control.FIN, 1))
    core.wait(60)
    assert [peer for _, peer in core.asked] == [BOB]
    assert core.told()[-1] == "QUIT|bob"


@pytest.mark.parametrize("reported", [False, True])
def test_after_a_chat_in_which_nothing_got_to_its_partner_they_are_asked_immediately(reported: bool) -> None:
    """discovery 3.2"""
    core = Core()
    core.chat()
    core.wait(20)
    if reported:
        core.do(SendingFailed(BOB, "nothing listens at 192.0.2.2:7777"))
        assert core.asked == []
    core.hear(BOB, packet(Control.FIN, 1))
    core.told()
    core.wait(5)
    assert ({peer for _, peer in core.asked} == {BOB}) is reported
    assert ("GONE|bob|192.0.2.2:7777" in core.told()) is reported


def test_whoever_stops_answering_in_a_chat_is_gone() -> None:
    core = Core()
    core.chat()
    core.told()
    core.say("CHAT|hello")
    core.wait(61)
    told = core.told()
    assert "GONE|bob|192.0.2.2:7777" in told
    assert told.index("GONE|bob|192.0.2.2:7777") < told.index("QUIT|bob")


def test_a_call_that_gets_nowhere_has_its_callee_asked() -> None:
    core = Core()
    core.answering[BOB] = b"bob"
    core.announce()
    core.answering.clear()
    core.wait(5)
    core.say("CONNECTING|bob")
    core.do(SendingFailed(BOB, "nothing listens at 192.0.2.2:7777"))
    assert core.asked[-1] == (5.0, BOB)


def test_a_foreign_partner_is_here_while_the_chat_is_on_and_never_asked() -> None:
    """discovery 2.2, 3.4"""
    core = Core()
    core.chat(framing=Framing.BARE)
    assert "SEEN|bob|192.0.2.2:7777|chat|0" in core.told()
    core.hear(BOB, packet(Control.FIN, 1, framing=Framing.BARE))
    assert core.told() == [
        "GONE|bob|192.0.2.2:7777",
        "SEEN|bob|192.0.2.2:7777|chat|",
        "QUIT|bob",
    ]
    core.wait(400)
    assert core.asked == []


def test_a_chat_is_remembered_with_its_framing() -> None:
    """discovery 2.3"""
    core = Core()
    core.chat()
    assert Remember(BOB, Framing.HEADER, "bob") in core.effects


def test_an_earlier_chat_is_asked_if_it_spoke_header_and_called_in_its_framing() -> None:
    """discovery 2.3, 3.4; spec 4.2"""
    core = Core()
    core.do(Known(Source.CHAT, "bob", BOB, Framing.HEADER))
    core.do(Known(Source.CHAT, "carol", CAROL, Framing.BARE))
    core.do(Known(Source.HOSTS, "dave", BOB_TOO))
    core.wait(400)
    assert {peer for _, peer in core.asked} == {BOB}
    core.say("CONNECTING|bob")
    (call,) = [parse(each.data) for each in core.effects if isinstance(each, Send) and b"utf-8" in each.data]
    assert call.framing is Framing.HEADER


def test_of_two_of_a_name_none_is_called_and_their_addresses_are_told() -> None:
    """discovery 4.1"""
    core = Core()
    core.answering = {BOB: b"bob", CAROL: b"bob"}
    core.announce()
    core.announce(CAROL, identity=OTHER_ID)
    core.told()
    core.say("CONNECTING|bob")
    assert core.told() == ["ERROR|2 are called 'bob'; say which: 192.0.2.2:7777, 192.0.2.3:7777", "QUIT|bob"]
    assert core.sent == []
    del core.answering[CAROL]
    core.wait(55)
    core.say("CONNECTING|bob")
    assert core.sent == [("SYN", BOB)]


@pytest.mark.parametrize("name", ["bo", "Bob", "bobb", "b"])
def test_a_name_is_never_completed_or_corrected(name: str) -> None:
    """discovery 4.1"""
    core = Core()
    core.answering[BOB] = b"bob"
    core.announce()
    core.say(f"CONNECTING|{name}")
    assert core.sent == []


def test_finding_somebody_sends_nothing_except_the_question() -> None:
    """discovery 4.2"""
    core = Core()
    core.answering[BOB] = b"bob"
    core.announce()
    core.do(Known(Source.CHAT, "carol", CAROL, Framing.HEADER))
    core.do(HostsRead([(BOB_TOO, "bob")]))
    core.wait(100)
    assert core.sent == []


@pytest.mark.parametrize("attached", [True, False])
def test_without_discovery_nobody_is_asked_or_here(attached: bool) -> None:
    """discovery 5.1"""
    core = Core(attached=attached, asks=False)
    core.do(Known(Source.CHAT, "bob", BOB, Framing.HEADER))
    core.do(HostsRead([(CAROL, "carol")]))
    core.wait(400)
    if attached:
        core.say("WHO|")
        assert core.told() == ["DISCOVERY|off", "SEEN|bob|192.0.2.2:7777|chat|", "SEEN|carol|192.0.2.3:7777|hosts|"]
        core.chat()
        assert not [line for line in core.told() if line.startswith("SEEN")]
        core.hear(BOB, packet(Chat.MESSAGE, 1, b"hello"))
        core.say("WHO|")
        assert "SEEN|bob|192.0.2.2:7777|chat|" in core.told()
    assert core.asked == []


def test_no_more_than_twenty_questions_in_any_second() -> None:
    """discovery 3.4"""
    core = Core()
    for number in range(100):
        core.announce((f"10.0.0.{number}", 7777), identity=f"{number:08}")
        core.do(Known(Source.CHAT, "x", (f"10.0.1.{number}", 7777), Framing.HEADER))
    core.say("WHO|")
    core.wait(60)
    times = [at for at, _ in core.asked]
    assert max(sum(1 for at in times if start <= at <= start + 1) for start in times) <= 20
    assert Counter(peer for _, peer in core.asked).keys() == {
        (f"10.0.{net}.{number}", 7777) for net in (0, 1) for number in range(100)
    }


def test_the_list_is_what_it_has_now() -> None:
    """discovery 2.3"""
    core = Core()
    core.do(HostsRead([(BOB, "bob"), (CAROL, "carol")]))
    core.say("WHO|")
    assert core.told() == ["SEEN|bob|192.0.2.2:7777|hosts|", "SEEN|carol|192.0.2.3:7777|hosts|"]
    core.do(HostsRead([(CAROL, "caroline")]))
    core.say("WHO|")
    assert core.told() == ["SEEN|caroline|192.0.2.3:7777|hosts|"]
    core.do(HostsRead([]))
    core.say("WHO|")
    assert core.told() == []


def test_a_listed_neighbour_is_told_gone_when_it_leaves_the_list_and_stays_if_it_is_announced() -> None:
    core = Core()
    core.answering = {BOB: b"bob"}
    core.do(HostsRead([(BOB, "boss")]))
    core.announce()
    core.told()
    core.do(HostsRead([]))
    assert core.told() == ["SEEN|bob|192.0.2.2:7777|announced|0"]
    core.say("WHO|")
    assert core.told() == ["SEEN|bob|192.0.2.2:7777|announced|0"]


def test_an_old_name_and_that_of_the_list_call_the_same_person() -> None:
    """discovery 2.3"""
    core = Core()
    core.do(Known(Source.CHAT, "old", BOB, Framing.HEADER))
    core.do(HostsRead([(BOB, "mum")]))
    for name in ("old", "mum"):
        core.sent.clear()
        core.say(f"CONNECTING|{name}")
        assert core.sent == [("SYN", BOB)]
        core.say(f"QUIT|{name}")
        core.hear(BOB, packet(Control.ACK))
        core.wait(60)


@pytest.mark.parametrize("word", ["CONNECTING", "CONNECTED"])
def test_no_name_is_nobody_s(word: str) -> None:
    """client 3.3, also where nobody is at the one daemon that is known, or a request has no name."""
    core = Core()
    core.answering[BOB] = b"daemon"
    core.announce(name="")
    core.hear(CAROL, packet(Control.SYN, 0, OFFER, user=b""))
    core.told()
    core.sent.clear()
    core.say(f"{word}|")
    assert core.told() == ["ERROR|read no name and no address, expected one"]
    assert core.sent == []


@pytest.mark.parametrize("asking", [False, True])
def test_whoever_is_called_by_an_old_name_can_be_left_by_it_until_the_end(asking: bool) -> None:
    """client 4.1, QUIT: a client may say it before it has read by which name they answer."""
    core = Core()
    core.do(Known(Source.CHAT, "robert", BOB, Framing.HEADER))
    core.do(HostsRead([(BOB, "bobby")]))
    core.say("CONNECTING|robert")
    core.hear(BOB, packet(Control.ACK, 0, RINGING))
    if asking:
        core.hear(CAROL, packet(Control.SYN, 0, OFFER, user=b"robert"))
    core.told()
    core.say("QUIT|robert")
    assert core.told() == ["QUIT|bob"]


@pytest.mark.slow
def test_finding_somebody_ends_and_calls_nothing() -> None:
    """discovery 4.2"""
    core = Core()
    core.chat(CAROL)
    core.told()
    core.sent.clear()
    core.announce(CAROL, "carol")
    core.announce(BOB, "carol", "bbbbbbbb")
    core.do(HostsRead([(CAROL, "mum"), (BOB, "carol")]))
    core.do(Withdrawn(ID, f"carol {ID}"))
    core.wait(15)
    core.do(HostsRead([]))
    core.say("WHO|")
    assert core.sent == []
    assert {line.split("|")[0] for line in core.told()} <= {"SEEN", "GONE"}
    core.hear(CAROL, packet(Chat.MESSAGE, 1, b"hello", user=b"carol"))
    assert "CHAT|bob|hello" in core.told()


def test_a_question_is_as_small_as_is_promised() -> None:
    """discovery 5.2"""
    core = Core(attached=False)
    core.do(ClientConnected("client", local=True))
    core.say(f"CONNECT|{'a' * 32}")
    core.announce()
    (question,) = [each.data for each in core.effects if isinstance(each, Send)]
    assert len(question) == 49


def test_names_are_remembered_and_told_escaped() -> None:
    core = Core()
    core.say("CONNECTING|192.0.2.2")
    core.hear(BOB, packet(Control.SYN_ACK, user=b"b\x1b[2J"))
    assert Remember(BOB, Framing.HEADER, r"b\x1b[2J") in core.effects
    assert [each.name for each in core.effects if isinstance(each, Seen)] == [r"b\x1b[2J"]


def test_a_name_of_the_list_is_told_beside_that_person_s_own() -> None:
    """client 4.2"""
    core = Core()
    core.answering = {BOB: b"alice2"}
    core.announce(name="alice2")
    core.do(HostsRead([(BOB, "mum")]))
    core.wait(1)
    assert core.told() == [f"SEEN|alice2|192.0.2.2:7777|announced|0{known_as}" for known_as in ("", "|mum")]
    core.do(HostsRead([(BOB, "alice2")]))
    assert core.told() == ["SEEN|alice2|192.0.2.2:7777|announced|1"]


@pytest.mark.parametrize("first", ["listed", "announced", "chatted"])
def test_an_alias_goes_on_when_its_person_is_announced_or_chats(first: str) -> None:
    """discovery 4.1"""
    core = Core()
    core.answering = {BOB: b"bob"}
    for step in [first, *({"listed", "announced", "chatted"} - {first})]:
        if step == "listed":
            core.do(HostsRead([(BOB, "boss")]))
        elif step == "announced":
            core.announce()
        else:
            core.chat()
            core.hear(BOB, packet(Control.FIN, 1))
    core.wait(60)
    for name in ("boss", "bob"):
        core.sent.clear()
        core.say(f"CONNECTING|{name}")
        assert core.sent[0] == ("SYN", BOB)
        core.say(f"QUIT|{name}", "QUIT|192.0.2.2")
        core.hear(BOB, packet(Control.ACK), packet(Control.ACK, 1))


def test_where_nobody_is_at_the_daemon_of_somebody_known_that_is_heard_and_not_here() -> None:
    """discovery 2.2, client 4.2: how long ago it was heard is told, and by what name it is known."""
    core = Core()
    core.answering[BOB] = b"daemon"
    core.do(Known(Source.CHAT, "bob", BOB, Framing.HEADER))
    assert core.told() == ["SEEN||192.0.2.2:7777|chat|0|bob"]
    core.announce(name="")
    assert core.told() == ["SEEN||192.0.2.2:7777|announced|0|bob"]
    core.answering[BOB] = b"bob"
    core.wait(60)
    assert core.told() == ["SEEN|bob|192.0.2.2:7777|announced|0"]
    core.answering[BOB] = b"daemon"
    core.wait(60)
    assert core.told() == ["SEEN||192.0.2.2:7777|announced|0|bob"]
    del core.answering[BOB]
    core.wait(60)
    assert core.told() == ["GONE||192.0.2.2:7777", "SEEN|bob|192.0.2.2:7777|announced|"]


def test_whoever_announces_a_listed_address_too_does_not_get_that_person_s_calls() -> None:
    core = Core()
    core.answering = {CAROL: b"mallory"}
    core.do(HostsRead([(BOB, "boss")]))
    core.do(Announced(OTHER_ID, f"mallory {OTHER_ID}", "mallory", [CAROL, BOB]))
    core.say("CONNECTING|boss")
    assert core.sent == [("SYN", BOB)]


def test_whoever_is_listed_gives_way_to_nobody() -> None:
    """discovery 2.4"""
    core = Core()
    core.do(HostsRead([(BOB, "boss")]))
    for number in range(40):
        core.announce((BOB[0], 8000 + number), "x", f"{number:08}")
    for number in range(2000):
        core.announce((f"10.0.{number >> 8}.{number & 255}", 7777), "x", f"{number:08}")
    core.told()
    core.say("WHO|")
    told = core.told()
    assert "SEEN|boss|192.0.2.2:7777|hosts|" in told
    assert len(told) <= 1024


def test_a_daemon_that_stops_says_nothing_of_neighbours() -> None:
    core = Core()
    core.answering[BOB] = b"bob"
    core.announce()
    core.told()
    core.do(Stopped())
    assert core.sent == []


@pytest.mark.parametrize(("name", "shown"), [(b"b\x1b[2J", "b\\x1b[2J"), (b"daemon", ""), (b"", "")])
def test_the_name_that_answers_is_shown_escaped_and_nobody_s_is_empty(name: bytes, shown: str) -> None:
    """spec 2.4, discovery 3.1"""
    core = Core()
    core.answering[BOB] = name
    core.announce()
    (line,) = core.told()
    assert line.split("|")[1].replace("\\\\", "\\") == shown


@pytest.mark.parametrize(
    ("name", "shown"), [(b"b\xf6b", r"b\\xf6b"), (b"a|b", r"a\\x7cb"), (b"b\x1bb", r"b\\x1bb"), (b"b  b", r"b \\x20b")]
)
def test_a_name_is_called_as_it_is_shown(name: bytes, shown: str) -> None:
    """spec 2.4, discovery 4.1"""
    core = Core()
    core.answering[BOB] = name
    core.announce()
    assert core.told() == [f"SEEN|{shown}|192.0.2.2:7777|announced|0"]
    core.say(f"CONNECTING|{shown}")
    assert core.sent == [("SYN", BOB)]


def test_eight_addresses_of_an_announcement_count() -> None:
    """discovery 2.4"""
    core = Core()
    core.do(Announced(ID, f"bob {ID}", "bob", [(f"192.0.2.{host}", 7777) for host in range(10, 30)]))
    core.wait(60)
    assert {peer for _, peer in core.asked} == {(f"192.0.2.{host}", 7777) for host in range(10, 18)}


@pytest.mark.parametrize("here", [True, False])
def test_one_ip_address_has_sixteen_places(here: bool) -> None:
    """discovery 2.4"""
    core = Core()
    peers = [(BOB[0], port) for port in range(8000, 8020)]
    core.answering = dict.fromkeys(peers, b"x") if here else {}
    for number, peer in enumerate(peers):
        core.announce(peer, "x", f"{number:08}")
        core.wait(1)
    core.told()
    core.say("WHO|")
    listed = [line.split("|")[2] for line in core.told()]
    kept = peers[:16] if here else peers[-16:]
    assert listed == [f"{host}:{port}" for host, port in kept]


def test_no_announcement_takes_the_place_of_whoever_is_listed() -> None:
    """discovery 2.4"""
    core = Core()
    core.do(HostsRead([((BOB[0], port), "x") for port in range(8000, 8016)]))
    core.announce((BOB[0], 9000))
    core.say("WHO|")
    told = core.told()
    assert len(told) == 16
    assert "SEEN|bob|192.0.2.2:9000|announced|" not in told


def test_whoever_is_here_is_asked_first() -> None:
    """discovery 3.4"""
    core = Core()
    core.answering[BOB] = b"bob"
    core.do(Known(Source.CHAT, "bob", BOB, Framing.HEADER))
    core.wait(49.9)
    for number in range(100):
        core.announce((f"10.0.0.{number}", 7777), identity=f"{number:08}")
    core.wait(0.3)
    assert [round(at) for at, peer in core.asked if peer == BOB] == [0, 50]


def test_two_addresses_that_answer_are_asked_once_each() -> None:
    core = Core()
    core.answering = {BOB: b"bob", BOB_TOO: b"bob"}
    core.do(Announced(ID, f"bob {ID}", "bob", [BOB, BOB_TOO]))
    core.wait(40)
    assert [peer for _, peer in core.asked] == [BOB, BOB_TOO]


def test_an_earlier_chat_that_is_listed_is_asked_all_the_same() -> None:
    core = Core()
    core.do(Known(Source.CHAT, "bob", BOB, Framing.HEADER))
    core.do(HostsRead([(BOB, "boss")]))
    core.wait(60)
    assert len(core.asked) > 3
    core.told()
    core.say("WHO|")
    assert core.told() == ["SEEN|boss|192.0.2.2:7777|hosts|"]


def test_the_best_address_is_the_one_that_is_announced_first() -> None:
    """discovery 2.1"""
    core = Core()
    for addresses in ([BOB, BOB_TOO], [BOB_TOO, BOB]):
        core.do(Announced(ID, f"bob {ID}", "bob", addresses))
    core.say("WHO|")
    assert core.told() == ["SEEN|bob|192.0.2.22:7777|announced|"]


def test_an_earlier_chat_s_address_that_is_announced_no_longer_is_known_by_itself() -> None:
    core = Core()
    core.do(Known(Source.CHAT, "bob", BOB, Framing.HEADER))
    core.do(Announced(OTHER_ID, f"carol {OTHER_ID}", "carol", [CAROL, BOB]))
    core.do(Announced(OTHER_ID, f"carol {OTHER_ID}", "carol", [CAROL]))
    core.say("WHO|")
    assert sorted(core.told()) == ["SEEN|bob|192.0.2.2:7777|chat|", "SEEN|carol|192.0.2.3:7777|announced|"]


def test_a_client_that_comes_or_goes_begins_no_round_again_and_ends_none() -> None:
    """discovery 3.3"""
    core = Core(attached=False)
    core.announce()
    core.wait(0.5)
    core.do(ClientConnected("client", local=True))
    core.say("CONNECT|alice")
    core.wait(8)
    assert [at for at, _ in core.asked] == [0, 1, 2]
    for number in range(30):
        core.announce((f"10.0.0.{number}", 7777), identity=f"{number:08}")
    core.do(ClientClosed("client"))
    core.wait(8)
    assert len({peer for _, peer in core.asked}) == 31


def test_a_list_begins_no_round_again() -> None:
    """discovery 3.3"""
    core = Core()
    core.announce()
    for _ in range(8):
        core.say("WHO|", "WHO|")
        core.wait(0.25)
    assert [at for at, _ in core.asked] == [0, 1, 2]


def test_an_alias_leads_to_its_address_whatever_is_announced() -> None:
    core = Core()
    core.answering[CAROL] = b"boss"
    core.do(HostsRead([(BOB, "boss")]))
    core.do(Announced(ID, f"boss {ID}", "boss", [BOB, CAROL]))
    core.say("CONNECTING|boss")
    assert core.sent == [("SYN", BOB)]


def test_whoever_was_here_by_another_address_is_told_gone_when_it_turns_out_to_be_the_same() -> None:
    core = Core()
    core.answering = {BOB: b"bob", BOB_TOO: b"bob"}
    core.announce()
    core.do(Known(Source.CHAT, "bob", BOB_TOO, Framing.HEADER))
    core.told()
    core.do(Announced(ID, f"bob {ID}", "bob", [BOB, BOB_TOO]))
    assert core.told() == ["GONE|bob|192.0.2.22:7777"]


def test_a_name_is_called_as_it_was_typed_too() -> None:
    """discovery 4.1"""
    core = Core()
    core.answering[BOB] = b"bob  of lab"
    core.announce()
    core.say("CONNECTING|bob  of lab")
    assert core.sent == [("SYN", BOB)]

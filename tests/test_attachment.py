"""The client's end of the text protocol: its laws first, then what each line leads to."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_client import events
from simp_client.attachment import MOST_REQUESTS, Attachment, Phase
from simp_client.events import NOBODY, Event, Fate, How, Other, Person
from simp_proto.constants import MAX_LINE_SIZE, MAX_MESSAGE_SIZE
from simp_proto.errors import LineError, NotNowError
from simp_proto.text import Line, Word, format_line, parse_line

BOB = Other("bob", "127.0.0.2:7777")
CAROL = Other("carol", "127.0.0.3:7777")


class End:
    """An attachment, and both its sides."""

    def __init__(self) -> None:
        self.attachment = Attachment()

    def hear(self, *lines: str) -> list[Event]:
        """What these lines of the daemon lead to."""
        for line in lines:
            self.attachment.receive_line(parse_line(line.encode()))
        return self.told()

    def told(self) -> list[Event]:
        """What has happened since the last time."""
        told: list[Event] = []
        while event := self.attachment.next_event():
            told.append(event)
        return told

    def said(self) -> list[str]:
        """What the daemon is to hear."""
        return [f"{line.word}|{line.payload}" for line in self.attachment.lines_to_send()]


def attached(*requests: str) -> End:
    end = End()
    end.attachment.attach("alice")
    end.hear("CONNECTED|alice", *requests, "PONG|")
    end.said()
    return end


def calling() -> End:
    end = attached()
    end.attachment.call("127.0.0.2")
    end.said()
    return end


def accepting() -> End:
    end = attached(f"CONNECTING|bob|{BOB.address}")
    end.attachment.accept(BOB)
    end.said()
    return end


def chatting(*texts: str) -> End:
    end = calling()
    end.hear(f"CONNECTED|bob|{BOB.address}")
    for text in texts:
        end.attachment.say(text)
    end.said()
    return end


def leaving() -> End:
    end = chatting("hi")
    end.attachment.leave()
    end.said()
    return end


def detaching() -> End:
    end = attached()
    end.attachment.detach()
    end.said()
    return end


PLACES: dict[Phase, Callable[[], End]] = {
    Phase.APART: End,
    Phase.IDLE: attached,
    Phase.CALLING: calling,
    Phase.ACCEPTING: accepting,
    Phase.CHAT: chatting,
    Phase.LEAVING: leaving,
    Phase.DETACHING: detaching,
}


# -- the laws

_FIELDS = st.sampled_from(["bob", "carol", BOB.address, CAROL.address, "127.0.0.2", "1", "2", "30", ""])
_PAYLOADS = st.lists(_FIELDS | st.text(max_size=5), max_size=3).map("|".join)
_WISHES = st.sampled_from(["attach", "call", "accept", "decline", "say", "say", "leave", "detach", "lose"])
_USUAL = ["CONNECTED|alice", "PONG|", f"CONNECTED|bob|{BOB.address}", f"CONNECTING|carol|{CAROL.address}", "ACK|1"]
_HEARD = st.builds(Line, st.sampled_from(Word), _PAYLOADS) | st.sampled_from(_USUAL).map(
    lambda line: parse_line(line.encode())
)
_BEGINNINGS = st.sampled_from([End, attached, calling, accepting, chatting, leaving])


def _wish(attachment: Attachment, wish: str) -> bool:
    """Whether it was the time for it."""
    request = attachment.requests[0] if attachment.requests else NOBODY
    acts: dict[str, Callable[[], object]] = {
        "attach": lambda: attachment.attach("alice"),
        "call": lambda: attachment.call("127.0.0.2"),
        "accept": lambda: attachment.accept(request),
        "decline": lambda: attachment.decline(request),
        "say": lambda: attachment.say("hi"),
        "leave": attachment.leave,
        "detach": attachment.detach,
        "lose": attachment.lose,
    }
    try:
        acts[wish]()
    except NotNowError:
        return False
    return True


@given(_BEGINNINGS, st.lists(_HEARD | _WISHES, max_size=60))
def test_whatever_happens_each_message_has_one_fate(begin: Callable[[], End], steps: list[Line | str]) -> None:
    end = begin()
    attachment = end.attachment
    said, settled = attachment.said, 0
    for step in steps:
        numbers = set(attachment.outstanding)
        if isinstance(step, Line):
            attachment.receive_line(step)
        elif _wish(attachment, step):
            said += step == "say"
        told = end.told()
        fates = Counter(event.number for event in told if isinstance(event, events.Settled))
        settled += fates.total()
        new = {attachment.said} if step == "say" and len(attachment.outstanding) > len(numbers) else set()
        assert set(attachment.outstanding) == (numbers | new) - set(fates)
        assert all(count == 1 for count in fates.values())
        assert set(fates) <= numbers
    attachment.lose()
    settled += sum(isinstance(event, events.Settled) for event in end.told())
    assert (said, attachment.outstanding, attachment.phase) == (settled, {}, Phase.OVER)


@given(_BEGINNINGS, st.lists(_HEARD | _WISHES, max_size=60))
def test_a_chat_begins_before_it_ends_and_a_partner_is_there_while_something_is_on(
    begin: Callable[[], End], steps: list[Line | str]
) -> None:
    end = begin()
    on = end.attachment.phase is Phase.CHAT
    for step in steps:
        if isinstance(step, Line):
            end.attachment.receive_line(step)
        else:
            _wish(end.attachment, step)
        for event in end.told():
            on = isinstance(event, events.Began) or (on and not isinstance(event, events.Ended))
        phase, partner = end.attachment.phase, end.attachment.partner
        on = on and phase is Phase.CHAT
        assert on == (phase is Phase.CHAT)
        assert (partner is not NOBODY) == (phase in (Phase.CALLING, Phase.ACCEPTING, Phase.CHAT))
        assert len(end.attachment.requests) <= MOST_REQUESTS
        assert all(len(format_line(line)) <= MAX_LINE_SIZE for line in end.attachment.lines_to_send())


@pytest.mark.parametrize("phase", PLACES)
@pytest.mark.parametrize(
    ("wish", "phases"),
    [
        ("attach", {Phase.APART}),
        ("call", {Phase.IDLE}),
        ("say", {Phase.CHAT}),
        ("leave", {Phase.CALLING, Phase.ACCEPTING, Phase.CHAT}),
        ("accept", set()),  # nobody's request waits
        ("decline", set()),
    ],
)
def test_a_wish_out_of_its_time_changes_nothing(phase: Phase, wish: str, phases: set[Phase]) -> None:
    end = PLACES[phase]()
    assert end.attachment.phase is phase
    assert _wish(end.attachment, wish) == (phase in phases)
    assert bool(end.said()) == (phase in phases)


# -- what each leads to


def test_attached_is_told_after_the_requests_that_waited() -> None:
    end = End()
    end.attachment.attach("alice")
    assert end.said() == ["CONNECT|alice", "WHO|", "PING|"]
    assert end.hear("CONNECTED|alice", f"CONNECTING|bob|{BOB.address}") == [events.Requested(BOB)]
    assert end.hear("PONG|") == [events.Idle()]


def test_a_daemon_that_refuses_leaves_it_apart() -> None:
    end = End()
    end.attachment.attach("alice")
    assert end.hear("ERROR|another client is connected", "PONG|") == [events.Warned("another client is connected")]
    assert end.attachment.phase is Phase.APART


def test_a_pong_alone_attaches_nobody() -> None:
    end = End()
    end.attachment.attach("alice")
    assert end.hear("PONG|") == []
    assert end.attachment.phase is Phase.ATTACHING


def test_a_call_rings_once_and_begins() -> None:
    end = attached()
    end.attachment.call(" 127.0.0.2 ")
    assert end.said() == ["CONNECTING|127.0.0.2"]
    ringing = f"RINGING|daemon|{BOB.address}"
    assert end.hear(ringing, ringing) == [events.Ringing(Other("", BOB.address))]
    connected = f"CONNECTED|bob|{BOB.address}"
    assert end.hear(connected, connected) == [events.Began(BOB)]


@pytest.mark.parametrize("peer", ["bob", "127.0.0.2", BOB.address])
def test_a_call_that_fails_says_why(peer: str) -> None:
    end = calling()
    callee = Other("", "127.0.0.2")
    assert end.hear("ERROR|busy", f"QUIT|{peer}") == [events.Warned("busy"), events.Failed(callee, "busy", How.TOLD)]
    assert calling().hear(f"QUIT|{peer}") == [events.Failed(callee, None, How.DECLINED)]


@pytest.mark.parametrize(("line", "why"), [("QUIT|bob", None), ("ERROR|gone", "gone")])
def test_an_acceptance_that_fails(line: str, why: str | None) -> None:
    end = accepting()
    assert end.hear(line)[-1] == events.Failed(BOB, why, How.TOLD if why else How.WITHDRAWN)
    assert end.attachment.phase is Phase.IDLE


def test_requests_are_bounded_and_each_waits_once() -> None:
    lines = [f"CONNECTING|bob|10.0.0.{number}:7777" for number in range(MOST_REQUESTS + 5)]
    end = attached(*lines, lines[-1])
    assert [request.address for request in end.attachment.requests] == [
        f"10.0.0.{number}:7777" for number in range(5, MOST_REQUESTS + 5)
    ]


def test_a_declining_is_not_mistaken_for_the_end_of_something_else() -> None:
    end = calling()
    end.hear(f"CONNECTING|bob|{CAROL.address}")
    end.attachment.decline(Other("bob", CAROL.address))
    assert end.said() == [f"QUIT|{CAROL.address}", "PING|"]
    assert end.hear("QUIT|bob", "PONG|") == []
    assert [type(event) for event in end.hear("QUIT|bob")] == [events.Failed]


def test_messages_have_numbers_and_fates() -> None:
    end = chatting("one", "two", "three")
    assert end.hear("ACK|2") == [events.Settled(2, "two", Fate.ACKNOWLEDGED)]
    assert end.hear("ACK|2", "ACK|9", "UNDELIVERED|²", "ACK|" + "9" * 5000) == []
    assert end.hear("UNDELIVERED|1", "QUIT|bob") == [
        events.Settled(1, "one", Fate.UNDELIVERED),
        events.Settled(3, "three", Fate.UNDELIVERED),
        events.Ended(BOB),
    ]


def test_messages_of_a_chat_that_was_left_get_their_fate_until_the_next_begins() -> None:
    end = leaving()
    assert end.hear("QUIT|bob", "PONG|") == [events.Idle()]
    assert end.attachment.outstanding == {1: "hi"}
    end.attachment.call("127.0.0.3")
    began = end.hear(f"CONNECTED|carol|{CAROL.address}")
    assert began == [events.Settled(1, "hi", Fate.UNKNOWN), events.Began(CAROL)]


@pytest.mark.parametrize("line", ["QUIT|127.0.0.3", "QUIT|carol"])
def test_a_call_that_fails_says_nothing_of_messages_of_the_chat_before(line: str) -> None:
    end = leaving()
    end.hear("QUIT|bob", "PONG|")
    end.attachment.call("127.0.0.3")
    assert end.hear(line, "ACK|1") == [
        events.Failed(Other("", "127.0.0.3"), None, How.DECLINED),
        events.Settled(1, "hi", Fate.ACKNOWLEDGED),
    ]


def test_what_crosses_our_leaving_is_not_about_the_next_chat() -> None:
    assert leaving().hear(f"CONNECTED|bob|{BOB.address}", "QUIT|bob", "QUIT|bob") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x" * (MAX_MESSAGE_SIZE + 1), "longer than"),
        ("\\" * 40_000, "backslashes"),
        ("a\udcff", "read the byte 0xff at character 2"),
    ],
)
def test_what_no_line_can_carry_is_not_said(text: str, words: str) -> None:
    end = chatting()
    with pytest.raises(LineError, match=words):
        end.attachment.say(text)
    assert (end.said(), end.attachment.said) == ([], 0)


def test_wrong_names_and_addresses_change_nothing() -> None:
    end = End()
    with pytest.raises(LineError):
        end.attachment.attach("a|b")
    assert (end.said(), end.attachment.phase) == ([], Phase.APART)
    end = attached()
    for wrong in ("a|b", "", "x" * 33):
        with pytest.raises(LineError):
            end.attachment.call(wrong)
    assert (end.said(), end.attachment.phase) == ([], Phase.IDLE)


def test_the_end_is_told_by_who_wanted_it() -> None:
    assert detaching().hear("QUIT|") == [events.Over(lost=False)]
    assert attached().hear("QUIT|") == [events.Over(lost=True)]
    end = chatting("hi")
    end.attachment.detach()
    assert end.told() == [events.Settled(1, "hi", Fate.UNKNOWN)]
    assert end.said() == ["QUIT|"]
    end.attachment.lose()
    assert end.told() == [events.Over(lost=False)]


@pytest.mark.parametrize(
    ("name", "address", "title"), [("bob", "::1", "bob (::1)"), ("bob", "", "bob"), ("", "::1", "::1")]
)
def test_title(name: str, address: str, title: str) -> None:
    assert Other(name, address).title == title


# -- who is here

SEEN_BOB = f"SEEN|bob|{BOB.address}|announced|3"
HERE_BOB = Person("bob", BOB.address, "announced", 3)


def test_whoever_is_here_is_told_before_anything_is_wished() -> None:
    end = End()
    end.attachment.attach("alice")
    assert end.hear("CONNECTED|alice", SEEN_BOB, f"SEEN|carol|{CAROL.address}|hosts|") == [events.Seen(HERE_BOB)]
    assert end.hear("PONG|") == [events.Idle()]
    assert list(end.attachment.people) == [HERE_BOB, Person("carol", CAROL.address, "hosts", None)]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([SEEN_BOB], []),
        ([f"SEEN|bob|{BOB.address}|chat|9"], []),
        ([f"GONE|bob|{BOB.address}"], [events.Gone(HERE_BOB)]),
        ([f"GONE||{BOB.address}"], [events.Gone(HERE_BOB)]),
        ([f"SEEN|bob|{BOB.address}|announced|"], [events.Gone(HERE_BOB)]),
        ([f"SEEN||{BOB.address}|announced|3"], [events.Gone(HERE_BOB)]),  # nobody is at that daemon
        (
            [f"SEEN|mallory|{BOB.address}|announced|3"],
            [events.Gone(HERE_BOB), events.Seen(Person("mallory", BOB.address, "announced", 3))],
        ),
        ([f"GONE|bob|{CAROL.address}", "SEEN|carol", "SEEN|carol|nowhere|announced|1", "SEEN|", "GONE|"], []),
        ([f"SEEN|carol|{CAROL.address}|announced|"], []),
    ],
)
def test_who_comes_and_who_goes(lines: list[str], told: list[Event]) -> None:
    end = attached()
    end.hear(SEEN_BOB)
    assert end.hear(*lines) == told


def test_whoever_is_known_where_nobody_is_now_can_be_called_and_is_not_here() -> None:
    """client 4.2"""
    end = attached()
    end.hear(SEEN_BOB)
    assert end.hear(f"SEEN||{BOB.address}|hosts|3|mum") == [events.Gone(HERE_BOB)]
    (mum,) = end.attachment.people
    assert (mum.here, mum.other, str(mum)) == (
        False,
        Other("mum", BOB.address),
        f"mum ({BOB.address}), heard 3 s ago; nobody there",
    )
    end.attachment.call("mum")
    assert end.attachment.partner == Other("mum", BOB.address)


def test_a_name_is_thought_to_be_whoever_alone_is_here_by_it() -> None:
    end = attached()
    end.hear(SEEN_BOB, f"SEEN|bob|{CAROL.address}|hosts|")  # who is only known
    end.attachment.call(" bob ")
    assert end.said() == ["CONNECTING|bob"]
    assert end.hear("QUIT|robert") == [events.Failed(BOB, None, How.DECLINED)]


@pytest.mark.parametrize("name", ["Bob", "bo", "dave", "mum", "42", "r2:d2", "127.0.0.256"])
def test_the_daemon_alone_decides_whom_a_name_means(name: str) -> None:
    """discovery 4.1"""
    end = attached()
    end.hear(f"SEEN|mum|{BOB.address}|announced|3", f"SEEN|mum|{CAROL.address}|chat|60")
    end.attachment.call(name)
    assert (end.said(), end.attachment.partner) == ([f"CONNECTING|{name}"], Other(name, ""))
    assert end.hear(f"RINGING|robert|{CAROL.address}") == [events.Ringing(Other("robert", CAROL.address))]


def test_a_name_of_the_person_s_list_calls_whoever_has_it() -> None:
    """discovery 2.3"""
    end = attached()
    end.hear(f"SEEN|alice2|{BOB.address}|announced|3|mum|what a later daemon may say")
    end.attachment.call("mum")
    assert end.said() == ["CONNECTING|mum"]
    assert end.hear(f"RINGING|alice2|{BOB.address}") == [events.Ringing(Other("alice2", BOB.address))]


def test_a_name_that_the_daemon_refuses_ends_the_call_and_no_request() -> None:
    """client 4.1"""
    end = attached()
    end.hear(SEEN_BOB, f"CONNECTING|bob|{CAROL.address}")
    end.attachment.call("bob")
    assert end.hear("ERROR|2 are called 'bob'", "QUIT|bob")[-1] == events.Failed(BOB, "2 are called 'bob'", How.TOLD)
    assert end.attachment.requests == [Other("bob", CAROL.address)]


def test_whoever_has_that_name_in_the_list_and_whoever_says_it_are_two() -> None:
    end = attached()
    end.hear(f"SEEN|alice2|{BOB.address}|announced|3|mum", f"SEEN|mum|{CAROL.address}|announced|3")
    assert end.attachment.people.named("mum") == [BOB.address, CAROL.address]


def test_a_name_that_is_an_address_is_an_address() -> None:
    end = attached()
    end.hear(f"SEEN|127.0.0.9|{BOB.address}|announced|3")
    end.attachment.call("127.0.0.9")
    assert end.said() == ["CONNECTING|127.0.0.9"]


def test_a_daemon_that_does_not_know_who_is_no_worse_for_it() -> None:
    end = End()
    end.attachment.attach("alice")
    assert end.hear("CONNECTED|alice", "ERROR|read 'WHO', expected CONNECT| ...", "PONG|") == [events.Idle()]
    assert not end.attachment.watches
    assert end.hear("ERROR|something else") == [events.Warned("something else")]


def test_only_one_error_is_about_the_name() -> None:
    end = End()
    end.attachment.attach("alice")
    assert end.hear("ERROR|another client is attached", "ERROR|read 'WHO'", "PONG|") == [
        events.Warned("another client is attached")
    ]


@pytest.mark.parametrize("between", [SEEN_BOB, f"GONE|bob|{BOB.address}", "ACK|1", "UNDELIVERED|1"])
def test_who_comes_and_what_was_said_before_does_not_explain_why_a_call_fails(between: str) -> None:
    failed = events.Failed(Other("", "127.0.0.2"), "no", How.TOLD)
    assert calling().hear("ERROR|no", between, "QUIT|127.0.0.2")[-1] == failed


def test_an_error_explains_nothing_once_something_else_has_been_said() -> None:
    failed = events.Failed(Other("", "127.0.0.2"), "no", How.DECLINED)
    assert calling().hear("ERROR|no", "CHAT|bob|late", "QUIT|127.0.0.2")[-1] == failed


@pytest.mark.parametrize(
    ("before", "lines", "asks"),
    [
        (SEEN_BOB, ["UNANSWERED|bob|30"], True),
        (SEEN_BOB, ["ERROR|nothing listens at 127.0.0.2:7777", "QUIT|127.0.0.2:7777"], True),
        (SEEN_BOB, ["RINGING|bob|127.0.0.2:7777", "UNANSWERED|bob|30"], False),
        (SEEN_BOB, ["QUIT|127.0.0.2:7777"], False),
        (SEEN_BOB, ["ERROR|User already in another chat", "QUIT|127.0.0.2:7777"], False),
        ("SEEN|bob|127.0.0.2:7777|chat|", ["UNANSWERED|bob|30"], False),
    ],
)
def test_of_whoever_was_here_and_does_not_answer_it_is_asked_when_they_were_heard(
    before: str, lines: list[str], asks: bool
) -> None:
    end = attached()
    end.hear(before)
    end.attachment.call(BOB.address)
    end.said()
    end.hear(*lines)
    assert end.said() == (["WHO|"] if asks else [])
    assert end.attachment.doubted == (BOB.address if asks else "")
    late = f"SEEN|bob|{BOB.address}|announced|35"
    heard = Person("bob", BOB.address, "announced", 35)
    assert (end.hear(late)[:1] == [events.LastHeard(heard)]) is asks
    assert end.hear(late) == []
    assert end.attachment.doubted == ""


_SEEN = st.builds("SEEN|{}|127.0.0.{}:7777|announced|{}".format, *map(st.sampled_from, (["bob", ""], "234", ["", "7"])))
_GONE = st.sampled_from("234").map("GONE|bob|127.0.0.{}:7777".format)


@given(st.lists(_SEEN | _GONE, max_size=30))
def test_whoever_is_here_was_seen_and_has_not_gone_since(lines: list[str]) -> None:
    end = attached()
    here: set[str] = set()
    for line in lines:
        for event in end.hear(line):
            assert isinstance(event, events.Seen | events.Gone)
            assert (event.person.address in here) == isinstance(event, events.Gone)
            here ^= {event.person.address}
        assert here == {person.address for person in end.attachment.people if person.here}


@pytest.mark.parametrize("address", ["garbage", "fe80::1", "127.0.0.1:0", " " * 9])
def test_a_call_at_an_address_that_is_none_ends_like_any_other(address: str) -> None:
    end = attached()
    end.attachment.call("127.0.0.2")
    end.hear(f"RINGING|bob|{address}", "ELSEWHERE|127.0.0.2:7777|127.0.0.3:7777", "UNANSWERED|bob|30", "ERROR|no")
    assert isinstance(end.hear("QUIT|bob")[-1], events.Failed)


# -- how a chat is secured (client 4.3)


def test_how_a_chat_or_a_request_is_secured() -> None:
    end = chatting()
    (secured,) = end.hear("SECURED|bob|127.0.0.2:7777|encrypted")
    assert secured == events.Secured(BOB)
    assert end.attachment.partner.secured == "encrypted"
    asked, secured = end.hear("CONNECTING|carol|127.0.0.3:7777", "SECURED|carol|127.0.0.3:7777|claimed")
    assert (asked, secured) == (events.Requested(CAROL), events.Secured(CAROL))
    assert [each.secured for each in end.attachment.requests] == ["claimed"]
    assert end.attachment.partner.secured == "encrypted"


def test_a_request_at_the_address_of_the_partner_changes_nothing_of_the_chat() -> None:
    end = chatting()
    end.hear("SECURED|bob|127.0.0.2:7777|encrypted")
    end.hear("CONNECTING|bob|127.0.0.2:7777", "SECURED|bob|127.0.0.2:7777|verified")
    assert end.attachment.partner.secured == "encrypted"
    end.hear("SECURED|bob|127.0.0.2:7777|verified")
    assert end.attachment.partner.secured == "verified"


@pytest.mark.parametrize("at", [attached, calling, accepting, leaving])
def test_what_is_secured_is_a_chat_or_a_request(at: Callable[[], End]) -> None:
    end = at()
    assert end.hear("SECURED|bob|127.0.0.2:7777|verified") == []
    assert end.attachment.partner.secured is None


def test_a_program_may_answer_with_what_it_was_told_before_more_was_known() -> None:
    end = attached("CONNECTING|bob|127.0.0.2:7777", "SECURED|bob|127.0.0.2:7777|verified")
    end.attachment.accept(BOB)
    assert end.said() == ["CONNECTED|127.0.0.2:7777"]


@pytest.mark.parametrize("state", ["", "of a later version", "VERIFIED", "verified "])
def test_a_state_that_is_not_known_is_ignored(state: str) -> None:
    end = chatting()
    assert end.hear(f"SECURED|bob|127.0.0.2:7777|{state}") == []
    end.hear("SECURED|bob|127.0.0.2:7777|encrypted", f"SECURED|bob|127.0.0.2:7777|{state}")
    assert end.attachment.partner.secured == "encrypted"

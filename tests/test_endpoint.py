"""What strangers may cost, and how a daemon remembers and counts its peers (spec 4.2, 4.5, 4.6, 8)."""

import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from simp_daemon.events import (
    AnsweredElsewhere,
    Ended,
    ErrorReceived,
    Event,
    Ignored,
    MessageReceived,
    MessageUndelivered,
    Present,
    Reason,
    Refused,
    RequestReceived,
    Unanswered,
    Why,
)
from simp_daemon.peers.states import State
from simp_proto.address import Address
from simp_proto.constants import (
    BUSY,
    OFFER,
    OPERATIONS,
    PRESENCE_ANSWER,
    PRESENCE_QUESTION,
    RINGING,
    STRANGER_BURST,
    STRANGER_RATE,
    Chat,
    Control,
    Framing,
    Operation,
    Type,
)
from simp_proto.datagram import Datagram, build, parse
from simp_proto.errors import DatagramError, NotNowError
from tests.driven import Endpoint

PACKETS = tomllib.loads((Path(__file__).parent.parent / "spec" / "packets.toml").read_text("utf-8"))["packet"]
BOB = ("127.0.0.2", 7777)
CAROL = ("127.0.0.3", 7777)


def packet(
    operation: Operation,
    sequence: int = 0,
    payload: bytes = b"",
    *,
    framing: Framing = Framing.HEADER,
    user: bytes = b"bob",
) -> bytes:
    kind = Type.CHAT if operation is Chat.MESSAGE else Type.CONTROL
    return build(Datagram(kind, operation, sequence, user, payload, framing))


def sent(endpoint: Endpoint) -> list[tuple[str, Address]]:
    """What it sends now, in words."""
    return [(f"{d.operation.label} {d.framing.value}", to) for d, to in datagrams(endpoint)]


def datagrams(endpoint: Endpoint) -> list[tuple[Datagram, Address]]:
    return [(parse(data), peer) for data, peer in endpoint.datagrams_to_send()]


def events(endpoint: Endpoint) -> list[Event]:
    found = []
    while event := endpoint.next_event():
        found.append(event)
    return found


def ignored(endpoint: Endpoint) -> list[Reason]:
    return [event.reason for event in events(endpoint) if isinstance(event, Ignored)]


def chatting(peer: Address = BOB) -> Endpoint:
    """In a chat with that peer, one of ours."""
    endpoint = Endpoint()
    endpoint.user = "alice"
    endpoint.call(peer, 0.0)
    endpoint.receive(packet(Control.SYN_ACK), peer, 0.0)
    assert endpoint.current is not None
    assert endpoint.current.state is State.OPEN
    datagrams(endpoint)
    events(endpoint)
    return endpoint


@pytest.mark.parametrize("size", [0, 1, 38, 39, 40, 41, 1200, 65_507])
def test_bytes_that_are_no_datagram_are_ignored(size: int) -> None:
    endpoint = Endpoint()
    endpoint.receive(b"\xff" * size, BOB, 0.0)
    assert ignored(endpoint) == [Reason.MALFORMED]
    assert sent(endpoint) == []
    assert endpoint.idle


@pytest.mark.parametrize(
    "data",
    [
        packet(Chat.MESSAGE, 1, b"hi"),
        packet(Control.ACK, 1),
        packet(Control.SYN_ACK),
        packet(Control.ERR, 0, b"no"),
        packet(Control.ACK, 0, RINGING),
        packet(Chat.MESSAGE, 1, b"hi", framing=Framing.BARE),
    ],
)
def test_strangers_are_ignored(data: bytes) -> None:
    for endpoint in (Endpoint(), chatting(CAROL)):
        endpoint.receive(data, BOB, 0.0)
        assert ignored(endpoint) == [Reason.STRANGER]
        assert sent(endpoint) == []


@pytest.mark.parametrize("framing", Framing)
def test_a_strangers_fin_is_acknowledged_in_its_framing(framing: Framing) -> None:
    endpoint = chatting(CAROL)
    endpoint.receive(packet(Control.FIN, 1, framing=framing), BOB, 0.0)
    ((answer, to),) = [(parse(data, (framing,)), peer) for data, peer in endpoint.datagrams_to_send()]
    assert (answer.operation, answer.sequence, to) == (Control.ACK, 1, BOB)
    assert endpoint.current is not None


def test_busy_is_err_then_fin() -> None:
    endpoint = chatting(CAROL)
    endpoint.receive(packet(Control.SYN, 1, framing=Framing.BARE), BOB, 0.0)
    (err, to), (fin, also_to) = datagrams(endpoint)
    assert (err.operation, err.text, err.sequence, err.framing) == (Control.ERR, BUSY, 1, Framing.BARE)
    assert (fin.operation, fin.sequence, fin.framing) == (Control.FIN, 1, Framing.BARE)
    assert to == also_to == BOB
    assert events(endpoint) == [Refused(BOB, "bob")]


@pytest.mark.parametrize("payload", [b"", OFFER])
@pytest.mark.parametrize("framing", [Framing.BARE, Framing.HEADER])
def test_no_answer_to_a_stranger_is_larger_than_three_times_its_question(payload: bytes, framing: Framing) -> None:
    question = packet(Control.SYN, 0, payload, framing=framing, user=b"")
    for endpoint in (Endpoint(), chatting(CAROL)):
        endpoint.receive(question, BOB, 0.0)
        assert sum(len(data) for data, _ in endpoint.datagrams_to_send()) <= 3 * len(question)


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("operation", [Control.SYN, Control.FIN])
def test_strangers_get_at_most_a_hundred_answers_in_any_second(operation: Control, busy: bool) -> None:
    endpoint = chatting(CAROL) if busy else Endpoint()
    sent_at = []
    for number in range(5000):
        now = number / 1000
        peer = (f"10.0.{number // 250}.{number % 250}", 7777)
        endpoint.receive(packet(operation, 0, OFFER if operation is Control.SYN else b""), peer, now)
        sent_at += [now] * len(endpoint.datagrams_to_send())
    assert max(sum(start <= at < start + 1 for at in sent_at) for start in sent_at) <= 101  # an answer may be two
    assert len(sent_at) > (10 if operation is Control.SYN and not busy else 200)  # there is room for few requests
    assert Reason.RATE in ignored(endpoint)


def test_requests_that_get_no_answer_are_strangers_too() -> None:
    endpoint = Endpoint()
    for number in range(300):
        endpoint.receive(packet(Control.SYN, framing=Framing.BARE), (f"10.0.0.{number}", 7777), 0.0)
    assert len(endpoint.requests) == 12
    assert Reason.RATE in ignored(endpoint)
    assert endpoint._refused == 300 - STRANGER_BURST


@pytest.mark.parametrize("answer", [Endpoint.accept, Endpoint.quit])
def test_a_caller_that_repeats_itself_is_a_stranger_until_the_chat_is_on(
    answer: Callable[[Endpoint, Address, float], None],
) -> None:
    endpoint = Endpoint()
    endpoint.receive(packet(Control.SYN, 0, OFFER), BOB, 0.0)
    answer(endpoint, BOB, 0.0)
    for _ in range(200):
        endpoint.receive(packet(Control.SYN, 0, OFFER), BOB, 0.0)
    # The first rings; the person's SYN+ACK or FIN is no answer to a stranger.
    assert len(endpoint.datagrams_to_send()) == STRANGER_BURST + 1
    if answer is Endpoint.accept:
        endpoint.receive(packet(Control.ACK, 0), BOB, 0.0)
        assert endpoint.current is not None
        assert endpoint.current.state is State.OPEN


def test_a_flood_of_strangers_does_not_touch_the_chat() -> None:
    endpoint = chatting(CAROL)
    for number in range(1000):
        endpoint.receive(packet(Control.SYN, 0, OFFER), (f"10.0.{number // 250}.{number % 250}", 7777), 5.0)
    endpoint.datagrams_to_send()
    endpoint.receive(packet(Chat.MESSAGE, 1, b"still here"), CAROL, 5.0)
    assert sent(endpoint) == [("ACK header", CAROL)]


def calls(endpoint: Endpoint, peer: Address, now: float = 0.0) -> bool:
    """That peer calls; whether its request waits then."""
    endpoint.receive(packet(Control.SYN, 0, OFFER), peer, now)
    return peer in [each for each, _ in endpoint.requests]


def chatted(endpoint: Endpoint, peer: Address) -> None:
    """Makes a friend of that peer."""
    endpoint.call(peer, 0.0)
    endpoint.receive(packet(Control.SYN_ACK), peer, 0.0)
    endpoint.quit(peer, 0.0)
    endpoint.receive(packet(Control.ACK, 1), peer, 0.0)


def test_strangers_fill_twelve_places_and_friends_all() -> None:
    endpoint = Endpoint()
    friends = [(f"10.1.0.{number}", 7777) for number in range(17)]
    for friend in friends:
        chatted(endpoint, friend)
    strangers = [(f"10.0.0.{number}", 7777) for number in range(20)]
    assert [calls(endpoint, each, at) for at, each in enumerate(strangers, 1)] == [True] * 12 + [False] * 8
    assert [calls(endpoint, each, at) for at, each in enumerate(friends, 100)] == [True] * 15 + [False] * 2
    assert len(endpoint.requests) == 16
    assert endpoint.requests[0][0] == strangers[0]  # whom the person is being asked about


def test_one_address_has_two_requests_and_more_of_it_push_nobody_out() -> None:
    endpoint = Endpoint()
    assert calls(endpoint, BOB)
    attackers = [("10.0.0.66", 10_000 + number) for number in range(40)]
    assert [calls(endpoint, each, float(at)) for at, each in enumerate(attackers)] == [True] * 2 + [False] * 38
    assert BOB in [each for each, _ in endpoint.requests]
    assert calls(endpoint, CAROL, 50.0)


def test_whoever_has_most_gives_way_first() -> None:
    endpoint = Endpoint()
    for host in range(6):
        for port in (1, 2):
            assert calls(endpoint, (f"10.0.0.{host}", port), host + port / 10)
    assert calls(endpoint, BOB, 10.0)
    assert ("10.0.0.5", 2) not in [each for each, _ in endpoint.requests]
    assert len(endpoint.requests) == 12


def test_a_64_is_one_source() -> None:
    endpoint = Endpoint()
    hosts = [f"2001:db8::{number:x}" for number in range(1, 6)]
    assert [calls(endpoint, (host, 7777), float(at)) for at, host in enumerate(hosts)] == [True] * 2 + [False] * 3
    assert calls(endpoint, ("2001:db8:0:1::1", 7777), 10.0)


def test_a_friend_s_call_rings_while_strangers_flood() -> None:
    endpoint = Endpoint()
    chatted(endpoint, CAROL)
    for number in range(20_000):
        endpoint.receive(packet(Control.SYN, 0, OFFER), (f"10.{number % 200}.0.1", 7777), 10 + number / 20_000)
    assert calls(endpoint, CAROL, 11.0)


def test_what_is_ignored_for_its_rate_is_reported_once_a_second() -> None:
    endpoint = Endpoint()
    for number in range(3000):
        endpoint.receive(packet(Control.FIN), (f"10.0.0.{number % 200}", 7777), number / 1000)
    assert ignored(endpoint).count(Reason.RATE) == 3


def test_a_request_is_told_once_and_lives_two_minutes_after_its_last_syn() -> None:
    endpoint = Endpoint()
    for now in (0.0, 30.0, 60.0):
        endpoint.receive(packet(Control.SYN, 0, OFFER), BOB, now)
    assert events(endpoint) == [RequestReceived(BOB, "bob")]
    assert endpoint.get_timer() == 180.0
    endpoint.handle_timer(179.9)
    assert endpoint.requests
    endpoint.handle_timer(180.0)
    assert events(endpoint) == [Ended(BOB, "bob", Why.EXPIRED)]
    assert endpoint.idle


def test_a_request_survives_another_chat_and_its_next_syn_is_told_busy() -> None:
    endpoint = chatting(CAROL)
    endpoint.quit(CAROL, 0.0)
    endpoint.receive(packet(Control.SYN, 0, OFFER), BOB, 1.0)
    endpoint.receive(packet(Control.SYN, 0, OFFER), CAROL, 1.0)
    endpoint.accept(CAROL, 1.0)
    events(endpoint)
    datagrams(endpoint)
    assert [peer for peer, _ in endpoint.requests] == [BOB]
    endpoint.receive(packet(Control.SYN, 0, OFFER), BOB, 2.0)
    assert [operation for operation, _ in sent(endpoint)] == ["ERR header", "FIN header"]
    assert events(endpoint) == [Ended(BOB, "bob", Why.BUSY), Refused(BOB, "bob")]


def test_a_spoofed_syn_teaches_nothing() -> None:
    endpoint = Endpoint()
    endpoint.receive(packet(Control.SYN, 0, OFFER), BOB, 0.0)
    endpoint.quit(BOB, 0.0)
    endpoint.receive(packet(Control.ACK, 0), BOB, 0.0)
    datagrams(endpoint)
    endpoint.call(BOB, 1.0)
    assert sent(endpoint) == [("SYN bare", BOB)]


@pytest.mark.parametrize(
    ("answer", "then"),
    [
        (packet(Control.ACK, 0, RINGING), "SYN header"),
        (packet(Control.FIN, 0), "SYN header"),
        (packet(Control.ERR, 0, b"no"), "SYN header"),
        (packet(Control.FIN, 0, framing=Framing.BARE), "SYN bare"),
        (packet(Control.ERR, 0, b"Wrong payload", framing=Framing.TRAILER), "SYN trailer"),
    ],
)
def test_an_answer_teaches_the_framing(answer: bytes, then: str) -> None:
    endpoint = Endpoint()
    endpoint.call(BOB, 0.0)
    assert sent(endpoint) == [("SYN bare", BOB)]
    endpoint.receive(answer, BOB, 0.0)
    if endpoint.current:
        endpoint.quit(BOB, 0.0)
    datagrams(endpoint)
    endpoint.call(BOB, 1.0)
    assert sent(endpoint) == [(then, BOB)]


def test_a_foreign_answer_in_trailer_tells_how_to_call() -> None:
    endpoint = Endpoint()
    endpoint.call(BOB, 0.0)
    endpoint.receive(packet(Control.ERR, 0, b"Wrong payload", framing=Framing.TRAILER), BOB, 0.0)
    (told,) = (event for event in events(endpoint) if isinstance(event, ErrorReceived))
    assert told.said == "Wrong payload"
    assert "--framing trailer" in told.text


@pytest.mark.parametrize("framing", Framing)
def test_a_forced_framing_is_used_from_the_first_syn_on(framing: Framing) -> None:
    endpoint = Endpoint(framing)
    endpoint.call(BOB, 0.0)
    ((data, _),) = endpoint.datagrams_to_send()
    syn = parse(data, (framing,))
    assert syn.payload == (OFFER if framing is Framing.HEADER else b"")


@pytest.mark.parametrize("framing", [Framing.BARE, Framing.TRAILER])
def test_in_a_chat_another_framing_is_somebody_elses(framing: Framing) -> None:
    endpoint = chatting()
    for data in (packet(Chat.MESSAGE, 1, b"hi", framing=framing), packet(Control.FIN, 1, framing=framing, user=b"xy")):
        endpoint.receive(data, BOB, 0.0)
        assert ignored(endpoint) == [Reason.WRONG_FRAMING]
        assert sent(endpoint) == []


def test_one_chat_at_a_time() -> None:
    endpoint = chatting()
    with pytest.raises(NotNowError, match="in a chat with bob"):
        endpoint.call(CAROL, 0.0)
    with pytest.raises(NotNowError, match="no waiting request"):
        endpoint.accept(CAROL, 0.0)
    with pytest.raises(NotNowError, match="no call, request or chat"):
        endpoint.quit(CAROL, 0.0)


def test_accepting_a_request_cancels_ones_own_call() -> None:
    endpoint = Endpoint()
    endpoint.call(BOB, 0.0)
    endpoint.receive(packet(Control.SYN, 0, OFFER, user=b"carol"), CAROL, 0.0)
    datagrams(endpoint)
    endpoint.accept(CAROL, 1.0)
    assert sent(endpoint) == [("FIN bare", BOB), ("SYN+ACK header", CAROL)]


def test_while_the_client_is_slow_no_message_is_acknowledged() -> None:
    endpoint = chatting()
    endpoint.hold(BOB, True, 0.0)
    endpoint.receive(packet(Chat.MESSAGE, 1, b"hi"), BOB, 0.0)
    assert ignored(endpoint) == [Reason.SLOW_CLIENT]
    assert sent(endpoint) == []
    endpoint.hold(BOB, False, 2.0)
    assert sent(endpoint) == [("ACK header", BOB)]
    endpoint.receive(packet(Chat.MESSAGE, 1, b"hi"), BOB, 5.0)
    assert sent(endpoint) == [("ACK header", BOB)]
    assert [event.text for event in events(endpoint) if isinstance(event, MessageReceived)] == ["hi"]


def test_shutting_down_tells_everybody() -> None:
    endpoint = chatting()
    endpoint.quit(BOB, 0.0)
    endpoint.receive(packet(Control.SYN, 0, OFFER, user=b"carol"), CAROL, 0.0)
    endpoint.call(BOB, 0.0)
    datagrams(endpoint)
    endpoint.shutdown(1.0)
    assert sorted(sent(endpoint)) == [("FIN header", BOB), ("FIN header", CAROL)]
    endpoint.receive(packet(Control.ACK, 0), BOB, 1.0)
    endpoint.receive(packet(Control.ACK, 0, user=b"carol"), CAROL, 1.0)
    assert endpoint.idle


def test_timers_are_pure_and_early_calls_do_nothing() -> None:
    endpoint = chatting()
    endpoint.say_to_partner(1, "hello", 0.0)
    datagrams(endpoint)
    assert endpoint.get_timer() == endpoint.get_timer() == 5.0
    for now in (1.0, 4.999, 4.999):
        endpoint.handle_timer(now)
    assert sent(endpoint) == []
    endpoint.handle_timer(5.0)
    endpoint.handle_timer(5.0)
    assert sent(endpoint) == [("MESSAGE header", BOB)]


def test_memory_stays_bounded_under_many_ends() -> None:
    endpoint = Endpoint()
    for number in range(2000):
        peer = (f"10.1.{number // 250}.{number % 250}", 7777)
        endpoint.receive(packet(Control.SYN, 0, OFFER), peer, float(number))
        endpoint.quit(peer, float(number))
        endpoint.datagrams_to_send()
        events(endpoint)
    assert len(endpoint._sessions.by_address) <= 32


def test_the_allowance_for_strangers_comes_back() -> None:
    endpoint = Endpoint()
    for now, answers in ((0.0, STRANGER_BURST), (0.125, STRANGER_RATE // 8), (0.125, 0), (100.0, STRANGER_BURST)):
        for number in range(200):
            endpoint.receive(packet(Control.FIN, 0), (f"10.0.0.{number}", 7777), now)
        assert len(endpoint.datagrams_to_send()) == answers


def test_accepting_is_refused_while_a_chat_is_on_and_does_not_end_it() -> None:
    endpoint = chatting(CAROL)
    endpoint.quit(CAROL, 0.0)
    endpoint.receive(packet(Control.SYN, 0, OFFER), BOB, 1.0)
    endpoint.receive(packet(Control.SYN, 0, OFFER), CAROL, 1.0)
    endpoint.accept(CAROL, 1.0)
    endpoint.receive(packet(Control.ACK), CAROL, 1.0)
    with pytest.raises(NotNowError, match="in a chat"):
        endpoint.accept(BOB, 1.0)
    assert endpoint.current is not None
    assert endpoint.current.state is State.OPEN


def test_in_a_conversation_in_trailer_what_could_be_header_too_is_trailer() -> None:
    both = next(packet for packet in PACKETS if packet["name"] == "the same bytes in a conversation in trailer")
    endpoint = Endpoint(Framing.TRAILER)
    endpoint.receive(packet(Control.SYN, 0, framing=Framing.TRAILER), BOB, 0.0)
    endpoint.accept(BOB, 0.0)
    events(endpoint)
    endpoint.receive(bytes.fromhex(both["hex"]), BOB, 0.0)
    endpoint.datagrams_to_send()
    endpoint.say_to_partner(1, "hello", 0.0)
    endpoint.datagrams_to_send()
    endpoint.receive(bytes.fromhex(both["hex"]), BOB, 0.0)
    assert Reason.WRONG_FRAMING not in ignored(endpoint)


def test_whoever_gives_way_is_told_undelivered() -> None:
    endpoint = chatting()
    endpoint.say_to_partner(1, "bye", 0.0)
    endpoint.quit(BOB, 0.0)
    events(endpoint)
    for number in range(16):
        peer = (f"10.0.0.{number}", 7777)
        endpoint.receive(packet(Control.SYN, 0, OFFER), peer, float(number))
        endpoint.quit(peer, float(number))
    assert MessageUndelivered(BOB, 1) in events(endpoint)


def test_who_only_waits_shows_nothing_and_keeps_the_first_name() -> None:
    endpoint = chatting(CAROL)
    endpoint.quit(CAROL, 0.0)
    for user in (b"daemon", b"zed", b"127.0.0.3:7777"):
        endpoint.receive(packet(Control.SYN, 0, OFFER, user=user), BOB, 1.0)
    endpoint.receive(packet(Control.ERR, 0, b"alice is an impostor"), BOB, 1.0)
    assert events(endpoint)[-2:] == [RequestReceived(BOB, "daemon"), Ended(BOB, "daemon", Why.ERR)]


def test_an_err_is_shown_up_to_500_characters() -> None:
    endpoint = Endpoint()
    endpoint.call(BOB, 0.0)
    endpoint.receive(packet(Control.ERR, 0, b"\x01" * 60_000), BOB, 0.0)
    assert events(endpoint)[0] == ErrorReceived(BOB, "bob", "", said="\x01" * 500 + "...")


def test_repeated_syns_cost_no_tries() -> None:
    endpoint = Endpoint()
    endpoint.receive(packet(Control.SYN, 0, OFFER), BOB, 0.0)
    endpoint.accept(BOB, 0.0)
    for second in range(1, 31):
        endpoint.receive(packet(Control.SYN, 0, OFFER), BOB, float(second))
    assert endpoint.current is not None
    endpoint.handle_timer(36.0)
    assert endpoint.current.state is State.ACCEPTING


def test_it_may_ring_for_as_long_as_a_person_takes() -> None:
    endpoint = Endpoint()
    endpoint.call(BOB, 0.0)
    for now in range(0, 1200, 30):
        endpoint.receive(packet(Control.ACK, 0, RINGING), BOB, float(now))
        endpoint.handle_timer(now + 29.9)
        endpoint.handle_timer(now + 30.0)
    assert endpoint.current is not None
    assert endpoint.current.state is State.RINGING


def test_a_bare_ack_is_no_answer_to_a_syn() -> None:
    endpoint = Endpoint()
    endpoint.call(BOB, 0.0)
    datagrams(endpoint)
    endpoint.receive(packet(Control.ACK, 0, framing=Framing.BARE), BOB, 1.0)
    assert ignored(endpoint) == [Reason.WRONG_NUMBER]
    endpoint.handle_timer(30.0)
    assert sent(endpoint) == [("SYN bare", BOB)]


def test_after_a_foreign_chat_a_call_has_all_its_tries() -> None:
    endpoint = Endpoint()
    endpoint.call(BOB, 0.0)
    endpoint.receive(packet(Control.SYN_ACK, framing=Framing.BARE), BOB, 0.0)
    endpoint.quit(BOB, 0.0)
    endpoint.call(BOB, 0.0)
    datagrams(endpoint)
    for number in range(1, 12):
        endpoint.handle_timer(30.0 * number)
        assert sent(endpoint) == [("SYN bare", BOB)]


def test_a_forced_framing_takes_no_other_answer() -> None:
    endpoint = Endpoint(Framing.HEADER)
    endpoint.call(BOB, 0.0)
    endpoint.receive(packet(Control.SYN_ACK, framing=Framing.BARE), BOB, 0.0)
    assert ignored(endpoint) == [Reason.WRONG_FRAMING]


@pytest.mark.parametrize(
    ("forced", "sequence", "answered"),
    [(None, 0, Framing.HEADER), (None, 1, Framing.HEADER), (None, 2, Framing.BARE), (Framing.BARE, 0, Framing.BARE)],
)
def test_an_offer_is_answered_in_header_unless_forced(forced: Framing | None, sequence: int, answered: Framing) -> None:
    endpoint = Endpoint(forced)
    endpoint.receive(packet(Control.SYN, sequence, OFFER, framing=Framing.BARE), BOB, 0.0)
    datagrams(endpoint)
    endpoint.accept(BOB, 0.0)
    ((syn_ack, _),) = datagrams(endpoint)
    assert (syn_ack.framing, syn_ack.sequence) == (answered, sequence)


def test_a_decline_has_the_number_of_the_syn() -> None:
    endpoint = Endpoint()
    endpoint.receive(packet(Control.SYN, 1, OFFER), BOB, 0.0)
    datagrams(endpoint)
    endpoint.quit(BOB, 0.0)
    assert [datagram.sequence for datagram, _ in datagrams(endpoint)] == [1]


def test_a_new_start_may_come_with_another_name() -> None:
    endpoint = chatting()
    endpoint.receive(packet(Control.SYN, 0, OFFER, user=b"carol"), BOB, 0.0)
    assert events(endpoint)[-1] == RequestReceived(BOB, "carol")


def test_a_slow_client_does_not_keep_the_partner_from_leaving() -> None:
    endpoint = chatting()
    endpoint.hold(BOB, True, 0.0)
    endpoint.receive(packet(Control.FIN, 1), BOB, 0.0)
    assert events(endpoint) == [Ended(BOB, "bob", Why.FIN)]


def test_a_question_that_comes_late_says_how_late_it_is() -> None:
    endpoint = chatting()
    endpoint.say_to_partner(1, "hello", 0.0)
    endpoint.handle_timer(55.0)
    assert events(endpoint) == [Unanswered(BOB, "bob", 30)]
    endpoint = Endpoint()
    endpoint.call(BOB, 0.0)
    endpoint.handle_timer(95.0)
    assert events(endpoint) == [Unanswered(BOB, "", 90)]


def test_nobody_is_asked_to_keep_waiting_shortly_before_the_end_of_it() -> None:
    """spec 6.4"""
    endpoint = chatting()
    endpoint.say_to_partner(1, "hello", 0.0)
    for tick in range(1000):
        endpoint.handle_timer(tick * 0.07)  # so that each repeat comes a little late
    told = events(endpoint)
    assert [each.seconds for each in told if isinstance(each, Unanswered)] == [30]
    assert any(isinstance(each, Ended) for each in told)


def test_a_question_is_asked_once_and_again_about_the_next_message() -> None:
    endpoint = chatting()
    endpoint.say_to_partner(1, "hello", 0.0)
    asked = []
    for now in range(0, 45, 5):
        endpoint.handle_timer(now)
        asked += [(now, event.seconds) for event in events(endpoint) if isinstance(event, Unanswered)]
    assert asked == [(30, 30)]
    endpoint.receive(packet(Control.ACK, 1), BOB, 45.0)
    endpoint.say_to_partner(2, "again", 45.0)
    endpoint.outlet.clear()
    endpoint.handle_timer(75.0)
    assert events(endpoint) == [Unanswered(BOB, "bob", 30)]


@pytest.mark.parametrize(("size", "count"), [(1159, 1), (1160, 2)])
def test_the_largest_message_that_fits_is_one_datagram(size: int, count: int) -> None:
    endpoint = chatting()
    endpoint.say_to_partner(1, "x" * size, 0.0)
    assert endpoint.current is not None
    assert len(endpoint.current.record.delivery) == count


ACTS = ("call", "accept", "quit", "say", "wait", "receive", "receive", "receive", "receive")


@pytest.mark.parametrize("seeds", [range(250), pytest.param(range(250, 1500), marks=pytest.mark.slow)])
def test_whatever_comes_in_whatever_state_nothing_raises_and_all_that_is_sent_is_right(seeds: range) -> None:
    """Random walks of a person, the clock and three peers in every framing, with every number."""
    seen: set[State] = set()
    for seed in seeds:
        random = Random(seed)
        endpoint = Endpoint(random.choice([None, None, *Framing]))
        peers, now, said = [BOB, CAROL, ("127.0.0.4", 7777)], 0.0, 0
        for _ in range(40):
            peer = random.choice(peers)
            seen |= {session.state for session in endpoint._sessions.by_address.values()}
            try:
                match random.choice(ACTS):
                    case "say":
                        said += 1
                        endpoint.say_to_partner(said, random.choice(["hello", "grüße", "x" * 3000, ""]), now)
                    case "wait":
                        now += random.choice([0.1, 5.0, 30.0, 121.0])
                        endpoint.handle_timer(now)
                    case "receive":
                        endpoint.receive(random_packet(random), peer, now)
                    case act:
                        getattr(endpoint, act)(peer, now)
            except DatagramError:
                raise
            except (NotNowError, ValueError):
                pass
            for data, _ in endpoint.datagrams_to_send():
                assert parse(data).operation not in (Control.ERR_FIN, Control.FIN_ACK), f"seed {seed}"
                assert len(data) <= 1200
            events(endpoint)
    assert seen == set(State) - {State.IDLE}


def random_packet(random: Random) -> bytes:
    framing = random.choice(list(Framing))
    operation = random.choice([*OPERATIONS[Type.CONTROL].values(), Chat.MESSAGE, Chat.MESSAGE])
    sequence = random.choice([0, 1, random.randrange(256)]) if framing is Framing.BARE else random.randrange(2)
    payload = random.choice([b"", OFFER, RINGING, b"Wrong sequence number", random.randbytes(20)])
    return packet(operation, sequence, payload, framing=framing)


# -- an answer from elsewhere (spec 4.11)


def named(endpoint: Endpoint) -> list[tuple[Address, Address]]:
    return [(each.peer, each.elsewhere) for each in events(endpoint) if isinstance(each, AnsweredElsewhere)]


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("answer", [Control.SYN_ACK, Control.ERR, Control.ERR_FIN])
def test_whoever_answers_a_call_from_elsewhere_is_named_once(answer: Control, framing: Framing) -> None:
    endpoint = Endpoint()
    endpoint.call(BOB, 0.0)
    for host in (3, 3, 4):
        endpoint.receive(packet(answer, framing=framing), (f"127.0.0.{host}", 7777), 1.0)
    endpoint.receive(packet(answer, framing=framing), ("127.0.0.2", 7778), 1.0)
    assert named(endpoint) == [(BOB, CAROL)]
    assert endpoint.current is not None
    assert endpoint.current.state is State.CALLING
    endpoint.quit(BOB, 2.0)
    endpoint.call(BOB, 3.0)
    endpoint.receive(packet(Control.ACK, 0, RINGING), CAROL, 4.0)
    assert named(endpoint) == [(BOB, CAROL)]


@pytest.mark.parametrize(
    "other", [packet(Control.FIN), packet(Control.ACK), packet(Chat.MESSAGE, 1, b"hi"), packet(Control.SYN)]
)
def test_what_is_no_answer_names_nobody(other: bytes) -> None:
    endpoint = Endpoint()
    endpoint.call(BOB, 0.0)
    endpoint.receive(other, CAROL, 1.0)
    assert named(endpoint) == []


def test_nobody_is_named_where_nobody_is_called_or_the_callee_has_answered() -> None:
    endpoint = Endpoint()
    endpoint.receive(packet(Control.SYN_ACK), CAROL, 0.0)
    endpoint.call(BOB, 1.0)
    endpoint.receive(packet(Control.ACK, 0, RINGING), BOB, 2.0)
    endpoint.receive(packet(Control.SYN_ACK), CAROL, 3.0)
    endpoint.receive(packet(Control.SYN_ACK), BOB, 4.0)
    endpoint.receive(packet(Control.SYN_ACK), CAROL, 5.0)
    assert named(endpoint) == []


def calling_bob(endpoint: Endpoint) -> None:
    endpoint.call(BOB, 0.0)


def ringing_bob(endpoint: Endpoint) -> None:
    calling_bob(endpoint)
    endpoint.receive(packet(Control.ACK, 0, RINGING), BOB, 0.0)


def asked_by_bob(endpoint: Endpoint) -> None:
    endpoint.receive(packet(Control.SYN, 0, OFFER), BOB, 0.0)


def accepting_bob(endpoint: Endpoint) -> None:
    asked_by_bob(endpoint)
    endpoint.accept(BOB, 0.0)


def chatting_with_bob(endpoint: Endpoint) -> None:
    calling_bob(endpoint)
    endpoint.receive(packet(Control.SYN_ACK), BOB, 0.0)


def waiting_for_bob(endpoint: Endpoint) -> None:
    chatting_with_bob(endpoint)
    endpoint.say(BOB, 1, "hello", 0.0)


def leaving_bob(endpoint: Endpoint) -> None:
    chatting_with_bob(endpoint)
    endpoint.quit(BOB, 0.0)


def declining_bob(endpoint: Endpoint) -> None:
    asked_by_bob(endpoint)
    endpoint.quit(BOB, 0.0)


def chatting_with_carol(endpoint: Endpoint) -> None:
    endpoint.call(CAROL, 0.0)
    endpoint.receive(packet(Control.SYN_ACK), CAROL, 0.0)


IN_EVERY_STATE = {
    "IDLE": lambda endpoint: None,
    "IDLE beside a chat": chatting_with_carol,
    "CALLING": calling_bob,
    "RINGING": ringing_bob,
    "PENDING": asked_by_bob,
    "ACCEPTING": accepting_bob,
    "OPEN": chatting_with_bob,
    "OPEN, waiting": waiting_for_bob,
    "LEAVING": leaving_bob,
    "DECLINING": declining_bob,
}


def look(endpoint: Endpoint) -> str:
    """All that its conversations are, as one text."""
    whole = []
    for peer, session in endpoint._sessions.by_address.items():
        record = {key: value for key, value in vars(session.record).items() if key not in ("outlet", "learn", "here")}
        delivery = {key: value for key, value in vars(record.pop("delivery")).items() if key != "_conduct"}
        conduct = vars(session.record.delivery._conduct)  # type: ignore[attr-defined]
        whole.append((peer, session.state, record, delivery, conduct))
    return repr(
        (whole, endpoint.get_timer(), endpoint._sessions.requests.keys(), endpoint.current and endpoint.current.state)
    )


def test_every_state_is_asked_in() -> None:
    assert {name.split()[0].rstrip(",") for name in IN_EVERY_STATE} == {state.name for state in State}


@pytest.mark.parametrize("sequence", [0, 1])
@pytest.mark.parametrize("state", IN_EVERY_STATE)
def test_whoever_asks_is_answered_in_every_state_and_changes_nothing(state: str, sequence: int) -> None:
    endpoint = Endpoint()
    endpoint.user = "alice"
    IN_EVERY_STATE[state](endpoint)
    endpoint.outlet.clear()
    before = look(endpoint)
    endpoint.receive(packet(Control.ACK, sequence, PRESENCE_QUESTION), BOB, 1.0)
    ((answer, peer),) = datagrams(endpoint)
    assert (answer.operation, answer.sequence, answer.payload) == (Control.ACK, sequence, PRESENCE_ANSWER)
    assert (peer, answer.framing, answer.name) == (BOB, Framing.HEADER, "alice")
    assert events(endpoint) == []
    assert look(endpoint) == before


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("sequence", [0, 1])
@pytest.mark.parametrize("state", IN_EVERY_STATE)
def test_an_answer_is_told_once_if_it_was_asked_for_and_changes_nothing(state: str, sequence: int, asked: bool) -> None:
    endpoint = Endpoint()
    IN_EVERY_STATE[state](endpoint)
    if asked:
        endpoint._presence._asked[BOB] = 3.0  # before that conversation began
    before = look(endpoint)
    endpoint.outlet.clear()
    for _ in range(2):
        endpoint.receive(packet(Control.ACK, sequence, PRESENCE_ANSWER), BOB, 1.0)
    assert events(endpoint) == ([Present(BOB, "bob")] if asked else [])
    assert datagrams(endpoint) == []
    assert look(endpoint) == before


@pytest.mark.parametrize("state", IN_EVERY_STATE)
def test_nobody_is_asked_in_a_conversation(state: str) -> None:
    endpoint = Endpoint()
    IN_EVERY_STATE[state](endpoint)
    endpoint.outlet.clear()
    assert endpoint.ask(BOB, 1.0) == state.startswith("IDLE")
    assert len(datagrams(endpoint)) == state.startswith("IDLE")


def test_nobody_is_there_while_no_client_is_attached() -> None:
    endpoint = Endpoint()
    endpoint.receive(packet(Control.ACK, 0, PRESENCE_QUESTION), BOB, 0.0)
    ((answer, _),) = datagrams(endpoint)
    assert answer.name == "daemon"
    endpoint.ask(BOB, 0.0)
    endpoint.outlet.clear()
    endpoint.receive(packet(Control.ACK, 0, PRESENCE_ANSWER, user=b"daemon"), BOB, 0.0)
    assert events(endpoint) == [Present(BOB, "")]


@pytest.mark.parametrize("framing", [Framing.TRAILER, Framing.BARE])
def test_presence_is_in_header_alone(framing: Framing) -> None:
    endpoint = Endpoint()
    endpoint.receive(packet(Control.ACK, 0, PRESENCE_QUESTION, framing=framing), BOB, 0.0)
    assert datagrams(endpoint) == []


def test_an_answer_gets_through_a_flood_of_strangers() -> None:
    endpoint = Endpoint()
    endpoint.ask(BOB, 0.0)
    for number in range(1_000):
        endpoint.receive(packet(Control.SYN, 0, OFFER), (f"10.0.{number >> 8}.{number & 255}", 7777), 0.0)
    endpoint.outlet.clear()
    endpoint.receive(packet(Control.ACK, 0, PRESENCE_ANSWER), BOB, 0.0)
    assert events(endpoint) == [Present(BOB, "bob")]


def test_questions_of_strangers_are_bounded() -> None:
    endpoint = Endpoint()
    for number in range(1_000):
        endpoint.receive(packet(Control.ACK, 0, PRESENCE_QUESTION), (f"10.0.{number >> 8}.{number & 255}", 7777), 0.0)
    assert len(datagrams(endpoint)) == STRANGER_BURST


def test_whoever_is_asked_is_a_stranger_in_all_but_the_answer() -> None:
    endpoint = Endpoint()
    endpoint.ask(BOB, 0.0)
    endpoint.outlet.clear()
    for _ in range(1_000):
        endpoint.receive(packet(Control.ACK, 0, PRESENCE_QUESTION), BOB, 0.0)
        endpoint.receive(packet(Control.FIN), BOB, 0.0)
    assert len(datagrams(endpoint)) <= STRANGER_BURST
    endpoint.receive(packet(Control.ACK, 0, PRESENCE_ANSWER), BOB, 0.0)
    assert Present(BOB, "bob") in events(endpoint)


def test_whoever_was_asked_is_a_stranger_in_what_cannot_be_read() -> None:
    """spec 8.2: what is over the bounds is counted, and not reported one by one."""
    endpoint = Endpoint()
    endpoint.ask(BOB, 0.0)
    endpoint.outlet.clear()
    for _ in range(1_000):
        endpoint.receive(b"\xff" * 20, BOB, 0.0)
    reasons = Counter(each.reason for each in events(endpoint) if isinstance(each, Ignored))
    assert reasons == {Reason.MALFORMED: STRANGER_BURST, Reason.RATE: 1}
    endpoint.receive(packet(Control.ACK, 0, PRESENCE_ANSWER), BOB, 0.0)
    assert Present(BOB, "bob") in events(endpoint)


@pytest.mark.parametrize(("now", "counts"), [(3.0, True), (3.01, False)])
def test_an_answer_counts_for_three_seconds_after_the_last_question(now: float, counts: bool) -> None:
    """discovery 3.3"""
    endpoint = Endpoint()
    endpoint.ask(CAROL, -2.0)
    for asked in (-1.0, 0.0):
        endpoint.ask(BOB, asked)
    for peer, in_time in ((CAROL, False), (BOB, counts)):
        endpoint.receive(packet(Control.ACK, 0, PRESENCE_ANSWER), peer, now)
        assert (Present(peer, "bob") in events(endpoint)) is in_time


def test_whoever_does_not_answer_is_forgotten() -> None:
    endpoint = Endpoint()
    for number in range(1_000):
        endpoint.ask((f"10.0.{number >> 8}.{number & 255}", 7777), number / 20)
    assert len(endpoint._presence._asked) <= 61  # 20 in a second (discovery 3.4)


def test_whoever_is_asked_again_and_again_keeps_nobody_else_in_memory() -> None:
    endpoint = Endpoint()
    for number in range(1_000):
        endpoint.ask(BOB, number / 20)
        endpoint.ask((f"10.0.{number >> 8}.{number & 255}", 7777), number / 20)
    assert len(endpoint._presence._asked) <= 62


def test_a_message_without_a_word_is_no_error() -> None:
    """Both have the number 1, among the operations of their types."""
    endpoint = chatting()
    record = endpoint._sessions.by_address[BOB].record
    record.send(Control.ERR, 0)
    record.send(Chat.MESSAGE, 0)
    sent = [parse(data) for data, _ in endpoint.datagrams_to_send()]
    assert [(each.type, each.operation) for each in sent] == [(Type.CONTROL, Control.ERR), (Type.CHAT, Chat.MESSAGE)]

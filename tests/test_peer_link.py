"""The link of SIMP/2, one end or two, without a network (spec/simp2.md 7). What crashes do is in test_exactly_once."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_daemon.facts import Acknowledged, Fact, GivenUp, Jumped, Ledger, Opened, Received, Renumbered, Said
from simp_daemon.peers.sealed.link import IN_FLIGHT, Link
from simp_daemon.peers.sealed.outlet import Arrived, Delivered, Doubtful, Left, Missing, News
from simp_daemon.peers.sealed.round_trip import RoundTrip
from simp_proto.sealed.frames import (
    FIRST,
    LAST,
    Acked,
    Close,
    Closed,
    Frame,
    Piece,
    Ping,
    State,
    Unknown,
    build_frames,
    chained,
)
from simp_proto.sealed.payloads import padded
from tests.sealed_by_hand import message_by_hand

SIZES = st.sampled_from([9, 10, 1023, 1024, 1025, 3000, 60_009])
WORD = message_by_hand(1, 0, b"word")
WHOLE = bytes(1024)
"""The data of a piece that isn't the last."""
BEGINNING = State(1, bytes(8), 1, bytes(8))


class End:
    """A link with a disk that commits whatever it is given, and an outlet that keeps all in order."""

    def __init__(self, ledger: Ledger | None = None, *, caller: bool = True) -> None:
        self.ledger = ledger or Ledger()
        self.disk = deepcopy(self.ledger)
        self.out: list[Fact | News | tuple[Frame, ...]] = []
        self.records: list[tuple[int, tuple[Frame, ...]]] = []
        self.counter = 0
        self.link = Link(self.ledger, self, caller=caller)

    def send(self, frames: Sequence[Frame]) -> int:
        padded(build_frames(frames))  # raises for what can't be in a record
        self.out.append(tuple(frames))
        self.records.append((self.counter, tuple(frames)))
        self.counter += 1
        return self.counter - 1

    def commit(self, fact: Fact) -> None:
        self.out.append(fact)
        self.disk.apply(fact)

    def tell(self, news: News) -> None:
        self.out.append(news)

    def told(self, kind: type) -> list[object]:
        return [each for each in self.out if isinstance(each, kind)]

    def sent(self, kind: type) -> list[Frame]:
        return [frame for _, frames in self.records for frame in frames if isinstance(frame, kind)]

    def take(self) -> list[tuple[int, tuple[Frame, ...]]]:
        records, self.records = self.records, []
        return records

    def hear(self, *frames: Frame, counter: int = 0, now: float = 0.0) -> None:
        self.link.receive(counter, frames, now)
        self.link.pump(now)

    def wait(self) -> float:
        """Lets its timer end."""
        due = self.link.get_timer()
        assert due is not None
        self.link.pump(due)
        return due


def alone(*messages: bytes) -> End:
    """A caller whose peer has said that it has nothing, and who says that at 0."""
    end = End()
    end.link.read(BEGINNING)
    for number, message in enumerate(messages):
        end.link.say(str(number), message)
    end.link.pump(0.0)
    return end


def said(number: int) -> bytes:
    """Some message."""
    return message_by_hand(1, number, b"")


def converse(one: End, other: End, now: float = 0.0) -> None:
    """Nothing is lost, and everything is answered."""
    one.link.pump(now)
    other.link.pump(now)
    while one.records or other.records:
        for source, sink in ((one, other), (other, one)):
            for counter, frames in source.take():
                sink.hear(*frames, counter=counter, now=now)


def meet(one: Ledger, other: Ledger) -> tuple[End, End]:
    """A new session: the callee reads the caller's STATE in the CONFIRM."""
    caller, callee = End(one), End(other, caller=False)
    callee.link.read(caller.link.state())
    return caller, callee


LONG = [Piece(number, FIRST if number == 1 else 0, WHOLE) for number in range(1, 59)]
LONG_AGAIN = [replace(piece, number=piece.number + 1) for piece in LONG]


# -- laws


@given(st.lists(SIZES, max_size=6), st.data())
def test_pieces_make_the_same_messages_in_whatever_order_they_come(sizes: list[int], data: st.DataObject) -> None:
    messages = [bytes([number]) * size for number, size in enumerate(sizes)]
    ledger, end = Ledger(), alone()
    pieces: list[Piece] = []
    for number, message in enumerate(messages):
        said = ledger.say(str(number), message)
        assert said
        ledger.apply(said)
        pieces += said.pieces
    while end.ledger.stored < len(pieces):
        reach = pieces[: end.ledger.stored + 60]
        for piece in data.draw(st.permutations(reach[-70:])) if len(reach) < 70 else reach[-66:]:
            end.hear(piece)
    assert end.told(Arrived) == [Arrived(message) for message in messages]
    assert end.ledger == end.disk
    assert end.ledger.upto == ledger.chain_at(len(pieces))


@pytest.mark.slow
@given(st.data())
def test_whatever_a_network_does_all_arrives_once_and_in_order(data: st.DataObject) -> None:
    ends = one, other = meet(Ledger(), Ledger())
    now, said = 0.0, [0, 0]
    wires: tuple[list[tuple[int, tuple[Frame, ...]]], ...] = ([], [])
    for _ in range(data.draw(st.integers(0, 60))):
        side = data.draw(st.integers(0, 1))
        match data.draw(st.sampled_from(["say", "arrive", "arrive", "repeat", "lose", "time"])):
            case "say":
                said[side] += 1
                ends[side].link.say(str(said[side]), bytes(data.draw(SIZES.filter(lambda size: size < 4000))))
            case "time":
                now += data.draw(st.sampled_from([0.001, 0.1, 1.0, 5.0]))
            case action if wires[side]:
                index = data.draw(st.integers(0, len(wires[side]) - 1))
                counter, frames = wires[side][index] if action == "repeat" else wires[side].pop(index)
                if action != "lose":
                    ends[1 - side].link.receive(counter, frames, now)
        for end, wire in zip(ends, wires, strict=True):
            end.link.pump(now)
            timer = end.link.get_timer()
            assert timer is None or timer > now
            wire.extend(end.take())
    for _ in range(40):  # the network is good now
        now += 6.0
        converse(one, other, now)
    for end, count, peer in ((one, said[0], other), (other, said[1], one)):
        assert end.told(Delivered) == [Delivered(str(number)) for number in range(1, count + 1)]
        assert len(peer.told(Arrived)) == count
        assert end.ledger == end.disk
        assert not end.told(Doubtful)
        assert not end.told(Missing)


NUMBERS = st.integers(1, 9) | st.integers(1, 2**62) | st.integers(2**62 - 9, 2**62) | st.integers(2**61, 2**61 + 1)
PIECES = NUMBERS.filter(lambda number: number < 2**62)
FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.builds(State, *[NUMBERS, st.binary(min_size=8, max_size=8) | st.just(bytes(8))] * 2),
    st.builds(Piece, PIECES, st.integers(0, 3), st.binary(min_size=1, max_size=12) | st.just(WHOLE)),
    st.builds(Piece, PIECES, st.just(FIRST | LAST), st.just(WORD)),
    st.builds(Acked, NUMBERS, st.integers(0, 2**63 - 1) | st.integers(0, 9), st.integers(0, 2**64 - 1)),
    st.just(Ping()),
    st.builds(Close, st.integers(0, 255), st.binary(max_size=9)),
    st.just(Closed()),
    st.builds(Unknown, st.integers(0x08, 0x7F), st.binary(max_size=9)),
)


@given(st.lists(st.tuples(st.lists(FRAMES, max_size=3), st.floats(0, 3))), st.booleans())
def test_nothing_that_a_peer_says_raises_or_lets_it_send_for_ever(
    records: list[tuple[list[Frame], float]], caller: bool
) -> None:
    end, now = End(caller=caller), 0.0
    for counter, (frames, pause) in enumerate(records):
        now += pause
        before = end.counter
        end.link.say(str(counter), bytes(2000))
        end.hear(*frames, counter=counter, now=now)
        assert end.counter - before <= IN_FLIGHT + 1 + len(frames)
        timer = end.link.get_timer()
        assert timer is None or timer > now
        assert end.ledger == end.disk
    end.link.give_up()
    build_frames([end.link.state()])  # it can go on, whatever number it was led to


@given(st.data())
def test_two_disks_of_whatever_age_go_on_from_one_place(data: st.DataObject) -> None:
    """After STATE, what one counts as acknowledged is what the other has, to the last byte."""
    ledgers, copies = [Ledger(), Ledger()], [Ledger(), Ledger()]
    for token in range(data.draw(st.integers(1, 12))):
        side = data.draw(st.integers(0, 1))
        match data.draw(st.sampled_from(["say", "say", "meet", "copy", "restore"])):
            case "say":
                fact = ledgers[side].say(str(token), said(token))
                assert fact
                ledgers[side].apply(fact)
            case "copy":
                copies[side] = deepcopy(ledgers[side])
            case "restore":
                ledgers[side] = deepcopy(copies[side])
            case "meet":
                converse(*meet(*ledgers))
    caller, callee = meet(*ledgers)
    caller.link.read(callee.link.state())
    for sender, receiver in ((caller, callee), (callee, caller)):
        assert sender.link._acknowledged == receiver.ledger.stored
        assert sender.ledger.chain_at(receiver.ledger.stored) == receiver.ledger.upto
    waiting = [list(ledger.waiting) for ledger in ledgers]
    converse(caller, callee)
    for sender, receiver, tokens in ((caller, callee, waiting[0]), (callee, caller, waiting[1])):
        assert receiver.told(Arrived) == [Arrived(said(int(token))) for token in tokens]
        delivered = sender.told(Delivered)
        assert delivered[len(delivered) - len(tokens) :] == [Delivered(token) for token in tokens]


@given(st.lists(st.floats(0.0001, 9.0), min_size=1))
def test_the_timer_is_that_of_rfc_6298(samples: list[float]) -> None:
    round_trip = RoundTrip()
    assert round_trip.timeout(0) == 1.0
    smoothed, variation = samples[0], samples[0] / 2
    for number, sample in enumerate(samples):
        round_trip.measure(sample)
        if number:
            variation = 0.75 * variation + 0.25 * abs(smoothed - sample)
            smoothed = 0.875 * smoothed + 0.125 * sample
    whole = smoothed + max(0.01, 4 * variation)
    for silences, factor in enumerate([1, 1, 1, 2, 4, 8]):
        assert round_trip.timeout(silences) == pytest.approx(min(whole * factor, 5.0))
    assert round_trip.timeout(10**6) == pytest.approx(5.0)


# -- examples: sending


def test_four_are_in_flight_and_one_after_the_third_silence() -> None:
    end = alone(*[WORD] * 9)
    assert [piece.number for _, frames in end.take() for piece in frames if isinstance(piece, Piece)] == [1, 2, 3, 4]
    rounds = []
    for _ in range(5):
        due = end.wait()
        rounds.append((due, [frames[0].number for _, frames in end.take() if isinstance(frames[0], Piece)]))
    assert rounds == [(1, [1, 2, 3, 4]), (2, [1, 2, 3, 4]), (3, [1]), (5, [1]), (9, [1])]
    end.hear(Acked(2, 12), now=9.1)
    assert [frames[0] for _, frames in end.take()] == [Piece(number, 3, WORD) for number in (2, 3, 4, 5)]


def test_what_was_overtaken_goes_out_again_after_nine_eighths_of_a_round_trip() -> None:
    end = alone(*[WORD] * 4)
    end.take()
    end.hear(Acked(1, 3, 0b111), now=0.8)
    assert end.take() == []
    assert end.link.get_timer() == pytest.approx(0.9)
    end.wait()
    assert [frames for _, frames in end.take()] == [(Piece(1, 3, WORD),)]


def test_the_fact_comes_before_what_rests_on_it() -> None:
    end = alone(WORD)
    assert [type(each) for each in end.out] == [Said, tuple]
    end = alone()
    end.hear(Piece(1, 3, WORD), counter=7)
    assert [type(each) for each in end.out] == [Received, Arrived, tuple]
    assert end.out[-1] == (Acked(2, 7),)


def test_what_came_early_is_shown_in_the_bitmap_and_not_sent_again() -> None:
    end = alone()
    for number in (2, 4, 11, 65, 66, 67):  # which is too far
        end.hear(Piece(number, 3, WORD), counter=number)
    assert end.sent(Acked)[-1] == Acked(1, 67, 1 << 63 | 1 << 9 | 0b101)
    sender = alone(*[WORD] * 6)
    sender.take()
    sender.hear(Acked(1, 1, 0b1), now=0.01)
    assert [frames[0].number for _, frames in sender.take() if isinstance(frames[0], Piece)] == [5]


@pytest.mark.parametrize(
    ("next_", "bitmap", "fault"), [(1, 0b1, False), (1, 0b10, True), (2, 0b1, True), (3, 0, False), (4, 0, True)]
)
def test_what_has_no_number_yet_can_t_have_arrived(next_: int, bitmap: int, fault: bool) -> None:
    """simp2 7.5: of two pieces."""
    end = alone(WORD, WORD)
    end.take()
    end.hear(Acked(next_, 1, bitmap), now=0.1)
    assert any(isinstance(each, Left) for each in end.out) is fault


def test_an_old_bitmap_makes_nothing_go_out_again() -> None:
    end = alone(*[WORD] * 4)
    end.take()
    end.hear(Acked(1, 3, 0b111), now=0.1)
    end.hear(Acked(1, 1, 0b1), now=0.11)
    assert end.take() == []


def test_the_chain_holds_what_the_pieces_were() -> None:
    first = sha256(bytes(8) + b"\x01" + b"one").digest()[:8]
    assert chained(bytes(8), Piece(1, FIRST, b"one")) == first
    assert chained(first, Piece(2, LAST, b"two")) == sha256(first + b"\x02two").digest()[:8]


def test_nothing_goes_out_that_the_peer_would_not_keep() -> None:
    end = alone(*[WORD] * 70)
    for number in range(1, 70):
        for counter, _ in end.take():
            end.hear(Acked(1, counter, 2 ** min(number, 64) - 1))
    assert max(piece.number for piece in end.sent(Piece) if isinstance(piece, Piece)) <= 65


def test_a_message_is_delivered_with_its_last_piece() -> None:
    end = alone(bytes(2000), WORD)
    end.hear(Acked(2, 0))
    assert end.told(Delivered) == end.told(Acknowledged) == []
    end.hear(Acked(3, 1))
    assert end.told(Delivered) == [Delivered("0")]
    assert [fact.number for fact in end.told(Acknowledged) if isinstance(fact, Acknowledged)] == [2]


def test_a_token_says_one_message() -> None:
    end = alone(WORD)
    end.link.say("0", WORD)
    end.hear(Acked(2, 0))
    end.link.say("0", WORD)
    assert len(end.told(Said)) == 1


# -- examples: STATE


def test_the_callee_begins_each_record_with_its_state_until_one_is_acknowledged() -> None:
    caller, callee = meet(Ledger(), Ledger())
    callee.link.pump(0.0)
    callee.link.say("1", WORD)
    callee.link.pump(0.0)
    assert [type(frames[0]) for _, frames in callee.records] == [State, State]
    callee.take()
    assert callee.wait() == 1.0
    converse(caller, callee)
    callee.link.say("2", WORD)
    callee.link.pump(0.0)
    assert [type(frames[0]) for _, frames in callee.take()] == [Piece]


def test_nothing_is_said_before_the_peers_state_was_read() -> None:
    end = End()
    end.link.say("1", WORD)
    end.link.probe()
    end.link.pump(0.0)
    assert end.records == []
    end.hear(BEGINNING)
    assert end.sent(Piece) == [Piece(1, FIRST | LAST, WORD)]


def test_only_the_first_state_is_read() -> None:
    end = alone(WORD)
    end.hear(State(5, b"the past", 9, b"the past"), counter=3)
    assert end.told(Jumped) == end.told(Renumbered) == []
    assert end.sent(Acked) == [Acked(1, 3)]


def test_whoever_is_led_to_the_highest_number_has_as_many_left() -> None:
    end = End()
    end.link.say("1", WORD)
    end.hear(State(1 << 62, b"the past", 1 << 61, b"the past"), Piece((1 << 62) - 1, 3, WORD))
    assert end.told(Left) == []
    assert end.told(Missing) == [Missing((1 << 62) - 1)]
    assert end.sent(Piece) == [Piece(1 << 61, 3, WORD)]
    end.hear(Acked((1 << 61) + 1, 0))
    assert end.link.state().first == (1 << 61) + 1


@pytest.mark.parametrize("following", [(1 << 61) + 1, 1 << 62])
def test_a_state_that_leaves_too_few_numbers_is_a_fault_and_changes_nothing(following: int) -> None:
    end = End()
    end.link.say("1", WORD)
    before = deepcopy(end.ledger)
    end.hear(State(5, b"the past", following, b"the past"), State(5, b"the past", 1, bytes(8)))
    assert end.told(Left) == [Left(1, "")]
    assert end.told(Jumped) == end.told(Renumbered) == end.sent(Piece) == []
    before.apply(Opened(False))
    assert end.ledger == before


def test_numbers_that_were_given_are_known_however_high() -> None:
    ledger = Ledger(acknowledged=(1 << 61) + 5, next=(1 << 61) + 6, chain=b"the past")
    caller, _ = meet(ledger, Ledger(stored=(1 << 61) + 5, upto=b"the past"))
    caller.link.read(State(1, bytes(8), (1 << 61) + 6, b"the past"))
    assert caller.told(Left) == caller.told(Renumbered) == []


def test_what_a_lost_disk_had_is_announced() -> None:
    ledger = Ledger(acknowledged=7, next=8, chain=b"the past")
    caller, callee = meet(ledger, Ledger())
    assert callee.told(Jumped) == [Jumped(7, b"the past")]
    assert callee.told(Missing) == [Missing(7)]
    converse(caller, callee)
    assert callee.ledger.stored == 7


def test_an_unfinished_message_is_dropped_where_its_rest_will_not_come() -> None:
    end = alone()
    end.hear(Piece(1, FIRST, WHOLE))
    end.hear(Piece(2, FIRST | LAST, WORD))
    assert end.told(Arrived) == [Arrived(WORD)]
    end.hear(Piece(3, FIRST, WHOLE))
    caller, callee = meet(Ledger(acknowledged=5, next=6, chain=b"the past"), end.ledger)
    assert callee.told(Missing) == [Missing(3)]
    assert callee.ledger.unfinished == ()
    caller.link.say("1", said(4))
    converse(caller, callee)
    assert callee.told(Arrived) == [Arrived(said(4))]


def test_an_older_disk_goes_on_after_what_the_peer_has_seen() -> None:
    ledger = Ledger()
    ledger.apply(Said("t", (Piece(1, 3, b"other words"),)))
    caller, callee = meet(ledger, Ledger(stored=9, upto=b"the past"))
    converse(caller, callee)
    assert caller.told(Renumbered) == [Renumbered(9, b"the past")]
    assert caller.told(Doubtful) == [Doubtful("t")]
    assert callee.told(Arrived) == [Arrived(b"other words")]
    assert callee.told(Missing) == []
    assert caller.ledger.acknowledged == callee.ledger.stored == 10


def test_another_past_of_the_same_length_is_another() -> None:
    end = End(Ledger(acknowledged=7, next=8, chain=b"the past"))
    end.link.say("1", WORD)
    end.hear(State(1, bytes(8), 8, b"a legend"))
    assert end.told(Renumbered) == [Renumbered(7, b"a legend")]
    assert end.told(Doubtful) == [Doubtful("1")]
    assert end.link.state() == State(8, b"a legend", 1, bytes(8))


def test_what_is_given_up_never_goes_out() -> None:
    end = alone(WORD, bytes(2000))
    end.link.give_up()
    assert [fact.number for fact in end.told(GivenUp) if isinstance(fact, GivenUp)] == [3]
    caller, callee = meet(end.ledger, Ledger())
    converse(caller, callee)
    assert callee.told(Arrived) == []
    assert callee.told(Missing) == [Missing(3)]


# -- examples: leaving, silence, faults


def test_whoever_leaves_is_heard_to_the_end() -> None:
    one, other = meet(Ledger(), Ledger())
    converse(one, other)
    one.link.say("1", WORD)
    one.link.leave()
    one.link.pump(0.0)
    assert one.sent(Close) == []
    converse(one, other)
    assert other.told(Arrived) == [Arrived(WORD)]
    assert other.told(Left) == [Left(0, "")]
    assert not other.disk.open
    assert not one.disk.open
    assert one.link.over


def test_a_close_is_repeated_twelve_times_and_each_is_answered() -> None:
    end = alone()
    end.link.leave()
    end.link.pump(0.0)
    while end.link.get_timer() is not None:
        end.wait()
    assert len(end.sent(Close)) == 12
    assert end.link.over
    peer = alone()
    for counter, frames in end.take():
        peer.hear(*frames, counter=counter)
    assert len(peer.sent(Closed)) == 12
    assert peer.told(Opened) == [Opened(False)]


def test_from_its_close_on_nothing_is_stored() -> None:
    end = alone()
    end.link.leave()
    end.link.pump(0.0)
    end.hear(Piece(1, 3, WORD))
    assert end.told(Received) == []


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([Acked(1, 1)], 1),
        ([Acked(3, 0)], 1),
        ([Piece(1, LAST, WORD)], 1),
        ([Piece(1, 0, WHOLE)], 1),
        ([Piece(1, 3, WORD), Piece(2, LAST, WORD)], 1),
        ([Piece(1, FIRST, WHOLE), Piece(2, LAST, b"x"), Piece(3, 0, WHOLE)], 1),
        ([Piece(1, FIRST, WHOLE[1:])], 1),
        ([Piece(1, FIRST, WHOLE), Piece(2, 0, WHOLE[1:])], 1),
        ([Piece(1, 3, bytes(8))], 1),
        ([Piece(1, FIRST, WHOLE), Piece(2, 3, bytes(8))], 1),
        ([Piece(1, 3, message_by_hand(1, 1 << 63, b""))], 1),
        ([Piece(1, FIRST, message_by_hand(1, 1 << 63, bytes(1015)))], 1),
        ([*LONG, Piece(59, LAST, bytes(618))], 3),
        ([*LONG, Piece(59, 0, WHOLE)], 3),
    ],
)
def test_a_fault_of_the_peer_ends_the_session(frames: list[Frame], reason: int) -> None:
    """What is wrong comes last, and is neither stored nor acknowledged, nor is what comes behind it (spec 7.2)."""
    orders = (frames, frames[::-1]) if len(frames) < 10 else (frames,)
    for order in orders:
        end = alone(WORD)
        for frame in order[:-1]:
            end.hear(frame)
        end.hear(order[-1], Piece(len(frames), 3, WORD))
        assert end.sent(Close) == [Close(reason)]
        assert end.told(Left) == [Left(reason, "")]
        assert end.ledger.stored == end.disk.stored == len(frames) - 1
        end.link.pump(9.0)
        assert max((acked.next for acked in end.sent(Acked) if isinstance(acked, Acked)), default=1) <= len(frames)


@pytest.mark.parametrize(
    "pieces",
    [
        [Piece(1, 3, bytes(9))],
        [Piece(1, FIRST, WHOLE), Piece(2, LAST, b"x")],
        [Piece(1, FIRST, WHOLE), Piece(2, 0, WHOLE), Piece(3, LAST, WHOLE)],
        [Piece(1, FIRST, WHOLE), Piece(2, FIRST | LAST, WORD)],
        [*LONG, Piece(59, LAST, bytes(617))],
        [*LONG, Piece(59, FIRST | LAST, WHOLE)],
        [Piece(1, FIRST, WHOLE), *LONG_AGAIN, Piece(60, LAST, bytes(617))],
    ],
    ids=len,
)
def test_what_just_fits_its_place_is_no_fault(pieces: list[Piece]) -> None:
    for order in (pieces, pieces[::-1]):
        end = alone()
        for piece in order:
            end.hear(piece)
        assert end.told(Left) == []
        assert end.ledger.stored == len(pieces)
        assert len(end.told(Arrived)) == 1


def test_a_text_that_is_no_utf_8_is_told_nevertheless() -> None:
    end = alone()
    end.hear(Close(1, b"caf\xc3\xa9 \xff"))
    assert end.told(Left) == [Left(1, "café \\xff")]


@pytest.mark.parametrize(("kind", "answered"), [(0x08, True), (0x10, False), (0x1F, False), (0x20, True)])
def test_an_unknown_frame_is_skipped_and_acknowledged_if_it_wants_that(kind: int, answered: bool) -> None:
    end = alone()
    end.hear(Unknown(kind, b"new"), counter=5)
    assert end.sent(Acked) == ([Acked(1, 5)] if answered else [])


def test_a_probe_is_answered_and_a_silent_peer_is_gone_after_ten_seconds() -> None:
    one, other = meet(Ledger(), Ledger())
    converse(one, other)
    assert one.link.gone_at() is one.link.waiting_since() is None
    one.link.probe()
    one.link.pump(100.0)
    assert one.sent(Ping) == [Ping()]
    assert one.link.gone_at() == 110.0
    converse(one, other, 100.5)
    assert one.link.gone_at() is None
    assert one.link.get_timer() is None
    one.link.say("1", WORD)
    one.link.pump(200.0)
    assert one.link.waiting_since() == 200.0
    assert one.link.gone_at() == 210.0
    one.link.say("2", WORD)
    one.hear(Acked(2, one.counter - 1), now=205.0)
    assert one.link.waiting_since() == 205.0
    assert one.link.gone_at() == 215.0
    one.hear(Ping(), now=207.0)
    assert one.link.waiting_since() == 205.0
    assert one.link.gone_at() == 217.0

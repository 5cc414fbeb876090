"""The keys of one session: which records are opened, and that nothing else changes anything (simp2 6)."""

from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_daemon.events import Reason
from simp_daemon.peers.sealed.seal import Fault, Opened, Seal
from simp_proto.constants import CloseReason, Operation, PayloadKind
from simp_proto.datagram import parse
from simp_proto.errors import DatagramError, SealedError
from simp_proto.noise import HandshakeState, KeyPair
from simp_proto.sealed.frames import (
    Acked,
    Close,
    Closed,
    Frame,
    Hello,
    Piece,
    Ping,
    State,
    Unknown,
    build_frames,
    read_handshake,
)
from simp_proto.sealed.offer import prologue, read_offer, tag_of
from simp_proto.sealed.payloads import Answer, Confirm, Payload, Record, read_payload, read_record
from tests.sealed_by_hand import (
    MADE,
    checksum_by_hand,
    datagram_by_hand,
    frame_by_hand,
    operation_by_hand,
    record_by_hand,
)
from tests.test_sealed import GOLDEN, LABELS, PLACES, by_hand, bytes_by_hand, frames_of_records

KEYS = (bytes(range(32)), bytes(range(32, 64)))
HASH = bytes(range(64, 96))
SESSION = MADE["session"](HASH)
STATE = State(1, bytes(8), 1, bytes(8))
TEXT: list[Frame] = [Acked(1, 0), Piece(1, 3, b"twenty bytes of text")]


def caller() -> Seal:
    return Seal(KEYS, HASH, caller=True)


def callee() -> Seal:
    return Seal(KEYS, HASH, caller=False)


def received(data: bytes) -> tuple[Operation, Record] | None:
    """What both ways of reading say of a datagram; nothing if it is no record."""
    try:
        datagram = parse(data)
        record = read_payload(datagram)
    except DatagramError:
        assert read_record(data) is None
        return None
    assert read_record(data) in (None, (datagram.operation, record))
    return (datagram.operation, record) if isinstance(record, Record) else None


def given_to(seal: Seal, data: bytes) -> Any:
    """What becomes of a datagram; `None` if it isn't even a record."""
    record = received(data)
    return seal.open(*record) if record else None


def remembered(seal: Seal) -> tuple[int, int, int]:
    return seal.counter, seal._highest, seal._seen


def sealed_by_hand(counter: int, frames: list[Frame], key: bytes = KEYS[0], session: bytes = SESSION) -> bytes:
    plain = bytes_by_hand(frames)
    return record_by_hand(key, session, counter, plain + bytes(-len(plain) % 64), operation_by_hand(by_hand(frames)))[2]


@given(st.lists(st.tuples(st.booleans(), st.lists(frames_of_records, max_size=4)), max_size=20))
def test_what_one_end_seals_the_other_opens(said: list[tuple[bool, list[Frame]]]) -> None:
    ends = {True: caller(), False: callee()}
    counters = {True: 0, False: 0}
    for by_caller, frames in said:
        data, counter = ends[by_caller].seal(frames)
        assert counter == counters[by_caller]
        assert data == sealed_by_hand(counter, frames, KEYS[0 if by_caller else 1])
        assert given_to(ends[not by_caller], data) == Opened(counter, frames)
        counters[by_caller] += 1
        assert ends[by_caller].counter == counters[by_caller]


def test_both_ends_speak_in_the_session_of_the_handshake() -> None:
    assert caller().session == callee().session == SESSION
    assert Seal(KEYS, bytes(32), caller=True).session != SESSION


def test_a_repeat_is_a_record_of_its_own() -> None:
    seal = caller()
    once, twice = seal.seal(TEXT), seal.seal(TEXT)
    assert (once[1], twice[1]) == (0, 1)
    assert once[0][54:] != twice[0][54:]


def test_frames_that_are_none_use_up_no_counter() -> None:
    seal = caller()
    for frames in ([Piece(0, 3, b"x")], [Piece(1, 0, bytes(1024)), Piece(2, 0, bytes(1024))]):
        with pytest.raises(SealedError):
            seal.seal(frames)
    assert seal.seal(TEXT)[1] == 0


def test_each_bit_that_is_changed_is_noticed() -> None:
    sender, reader = caller(), callee()
    given_to(reader, sender.seal([Ping()])[0])
    before = remembered(reader)
    data, counter = sender.seal(TEXT)
    for bit, corrected in product(range(8 * len(data)), (False, True)):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        if corrected:
            wrong[39:41] = bytes(2)
            wrong[39:41] = checksum_by_hand(bytes(wrong))
            if wrong == data:
                continue
        assert given_to(reader, bytes(wrong)) in (None, Reason.FORGED, Reason.REPLAY), bit
        assert remembered(reader) == before, bit
    assert given_to(reader, data) == Opened(counter, TEXT)


@pytest.mark.parametrize("operation", sorted(PLACES["RECORD"] - {"MESSAGE"}))
def test_another_operation_than_was_sealed_is_forged(operation: str) -> None:
    data, _ = caller().seal(TEXT)
    reader = callee()
    assert given_to(reader, datagram_by_hand(operation, data[41:])) is Reason.FORGED
    assert remembered(reader) == remembered(callee())


@pytest.mark.parametrize("size", range(16, 95))
def test_whatever_is_cut_off_or_added_is_forged(size: int) -> None:
    data, _ = caller().seal(TEXT)
    sealed_frames = (data[54:] + bytes(14))[:size]
    reader = callee()
    answer = given_to(reader, datagram_by_hand("MESSAGE", data[41:54] + sealed_frames))
    assert answer == (Opened(0, TEXT) if size == 80 else Reason.FORGED)


def test_what_comes_back_is_forged() -> None:
    for end in (caller(), callee()):
        data, _ = end.seal(TEXT)
        before = remembered(end)
        assert given_to(end, data) is Reason.FORGED
        assert remembered(end) == before


def test_another_key_or_session_is_forged() -> None:
    for key, session in ((KEYS[1], SESSION), (bytes(32), SESSION), (KEYS[0], bytes(4))):
        seal = callee()
        data = sealed_by_hand(0, TEXT, key, session)
        if key == KEYS[0]:  # whoever asks has taken it for one of this session
            data = data[:39] + bytes(2) + data[41:42] + SESSION + data[46:]
            data = data[:39] + checksum_by_hand(data) + data[41:]
        assert given_to(seal, data) is Reason.FORGED
        assert remembered(seal) == remembered(callee())


class Naive:
    """Simp2 6.4 in its words."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def verdict(self, counter: int) -> Reason | None:
        if self.seen and max(self.seen) - counter >= 1024:
            return Reason.OLD
        if counter in self.seen:
            return Reason.REPLAY
        self.seen.add(counter)
        return None


@st.composite
def orders(draw: st.DrawFn) -> list[int]:
    """Counters in any order, many of them near the window's edges."""
    counters = [draw(st.sampled_from((0, 1, 5, 2000)))]
    step = st.one_of(st.integers(-3, 3), st.sampled_from((-2000, -1025, -1024, -1023, 1022, 1023, 1024, 1025, 5000)))
    for _ in range(draw(st.integers(0, 30))):
        start = draw(st.sampled_from((counters[-1], max(counters), draw(st.sampled_from(counters)))))
        counters.append(min(max(start + draw(step), 0), 2**63 - 1))
    return counters


@given(orders())
def test_a_record_is_opened_once_in_any_order_within_the_window(order: list[int]) -> None:
    seal, naive = callee(), Naive()
    for counter in order:
        expected = naive.verdict(counter)
        answer = given_to(seal, sealed_by_hand(counter, [Acked(1, counter)]))
        assert answer == (expected or Opened(counter, [Acked(1, counter)]))


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_all_orders_of_four_records_each_twice(order: tuple[int, ...]) -> None:
    sender, reader = caller(), callee()
    records = [sender.seal([Ping()])[0] for _ in order]
    assert [given_to(reader, records[number]) for number in order] == [Opened(number, [Ping()]) for number in order]
    assert {given_to(reader, records[number]) for number in order} == {Reason.REPLAY}


def test_a_whole_window_is_remembered() -> None:
    reader = callee()
    counters = [1023 - counter for counter in range(1024)]
    assert all(isinstance(given_to(reader, sealed_by_hand(counter, [Ping()])), Opened) for counter in counters)
    assert {given_to(reader, sealed_by_hand(counter, [Ping()])) for counter in counters} == {Reason.REPLAY}
    assert isinstance(given_to(reader, sealed_by_hand(1024, [Ping()])), Opened)
    assert given_to(reader, sealed_by_hand(0, [Ping()])) is Reason.OLD
    assert given_to(reader, sealed_by_hand(1, [Ping()])) is Reason.REPLAY
    assert reader._seen.bit_length() == 1024


def test_a_forged_record_is_called_forged_only_where_it_is_new() -> None:
    reader = callee()
    given_to(reader, sealed_by_hand(3000, [Ping()]))
    before = remembered(reader)
    verdicts = {counter: given_to(reader, sealed_by_hand(counter, [Ping()], bytes(32))) for counter in (0, 3000, 2999)}
    assert verdicts == {0: Reason.OLD, 3000: Reason.REPLAY, 2999: Reason.FORGED}
    assert remembered(reader) == before


def test_the_highest_counter_costs_no_memory() -> None:
    reader = callee()
    for counter in (0, 2**40, 2**63 - 1):
        assert given_to(reader, sealed_by_hand(counter, [Ping()])) == Opened(counter, [Ping()])
        assert reader._seen == 1
    assert given_to(reader, sealed_by_hand(2**63 - 2, [Ping()])) == Opened(2**63 - 2, [Ping()])
    assert given_to(reader, sealed_by_hand(2**40, [Ping()])) is Reason.OLD


FAULTS = [
    ([], b"\x80\0\0", "MESSAGE", CloseReason.UNKNOWN_FRAME),
    ([Ping()], b"\xff\0\0", "MESSAGE", CloseReason.UNKNOWN_FRAME),
    ([Ping()], b"\x03\0\0", "MESSAGE", CloseReason.FAULT),
    ([Ping()], b"\0\1", "MESSAGE", CloseReason.FAULT),
    ([], frame_by_hand("HELLO", {"features": 0, "signing_key": bytes(32), "name": b"x"}), "ACK", CloseReason.FAULT),
]


@pytest.mark.parametrize(("frames", "rest", "operation", "reason"), FAULTS)
def test_frames_that_are_wrong_are_a_fault_of_the_peer(
    frames: list[Frame], rest: bytes, operation: str, reason: CloseReason
) -> None:
    data = record_by_hand(KEYS[0], SESSION, 7, bytes_by_hand(frames) + rest, operation)[2]
    reader = callee()
    answer = given_to(reader, data)
    assert isinstance(answer, Fault)
    assert answer.reason is reason
    assert given_to(reader, data) is Reason.REPLAY


SOME: list[list[Frame]] = [
    [],
    [Acked(1, 0)],
    [Ping()],
    [Close(0)],
    [Close(1)],
    [Ping(), Close(0)],
    [Closed()],
    [Unknown(0x10, b"")],
]


@pytest.mark.parametrize("frames", SOME, ids=str)
@pytest.mark.parametrize("operation", sorted(PLACES["RECORD"]))
def test_an_operation_that_the_frames_do_not_give_is_a_fault(frames: list[Frame], operation: str) -> None:
    data = record_by_hand(KEYS[0], SESSION, 0, bytes_by_hand(frames), operation)[2]
    answer = given_to(callee(), data)
    if operation == operation_by_hand(by_hand(frames)):
        assert answer == Opened(0, frames)
    else:
        assert isinstance(answer, Fault)
        assert (answer.reason, answer.error.field) == (CloseReason.FAULT, "operation")


@given(st.binary(max_size=100), st.sampled_from(sorted(PLACES["RECORD"])), st.integers(0, 2**63 - 1))
def test_whatever_a_partner_seals_raises_nothing(plain: bytes, operation: str, counter: int) -> None:
    answer = given_to(callee(), record_by_hand(KEYS[0], SESSION, counter, plain, operation)[2])
    assert isinstance(answer, Fault) or (isinstance(answer, Opened) and answer.counter == counter)


@given(st.sampled_from(list(LABELS)), st.binary(max_size=100))
def test_whatever_a_stranger_sends_changes_nothing(operation: str, rest: bytes) -> None:
    seal = callee()
    payload = b"\x88" + SESSION + bytes(7) + rest
    answer = given_to(seal, datagram_by_hand(operation, payload))
    assert answer in (None, Reason.FORGED)
    assert remembered(seal) == remembered(callee())


OUTCOMES = {"old": Reason.OLD, "replay": Reason.REPLAY, "forged": Reason.FORGED}


def test_golden_records() -> None:
    entries = GOLDEN["record"]
    reader = Seal((bytes.fromhex(entries[0]["key"]), bytes(32)), bytes(range(32)), caller=False)
    assert reader.session.hex() == entries[0]["session"]
    for entry in entries:
        answer = given_to(reader, bytes.fromhex(entry["hex"]))
        if entry["outcome"] in OUTCOMES:
            assert answer is OUTCOMES[entry["outcome"]], entry["name"]
        elif entry["outcome"] == "fault":
            assert isinstance(answer, Fault), entry["name"]
        else:
            assert isinstance(answer, Opened), entry["name"]
            plain = bytes.fromhex(entry["plain"])
            assert bytes_by_hand(answer.frames).ljust(len(plain), b"\0") == plain, entry["name"]


def payload_of(entry: dict[str, Any]) -> Payload | None:
    return read_payload(parse(bytes.fromhex(entry["hex"])))


def test_golden_call() -> None:
    """From the first SYN on, with nothing but the two ends' keys."""
    key = {entry["name"]: KeyPair(bytes.fromhex(entry["private"])) for entry in GOLDEN["key"]}
    signing = {entry["name"]: bytes.fromhex(entry["public"]) for entry in GOLDEN["key"]}
    _, _, syn, _, answered, confirmed, *records = GOLDEN["call"]
    datagram = parse(bytes.fromhex(syn["hex"]))
    offer = read_offer(datagram.payload)
    handshakes = {
        who: HandshakeState(
            initiator=who == "caller",
            prologue=prologue(datagram.user, offer.text),
            s=key[f"{who} static"],
            e=key[f"{who} ephemeral"],
        )
        for who in ("caller", "callee")
    }
    caller, callee = handshakes["caller"], handshakes["callee"]
    callee.read_message(offer.e)
    assert caller.write_message() == offer.e
    bob, alice = (Hello(0, signing[f"{who} signing"], name) for who, name in (("callee", b"bob"), ("caller", b"alice")))
    answer = Answer(tag_of(offer.e), callee.write_message(build_frames([bob])))
    assert payload_of(answered) == answer
    assert read_handshake(PayloadKind.ANSWER, caller.read_message(answer.message)) == (bob, None)
    confirm = Confirm(answer.tag, caller.write_message(build_frames([alice, STATE])))
    assert payload_of(confirmed) == confirm
    assert read_handshake(PayloadKind.CONFIRM, callee.read_message(confirm.message)) == (alice, STATE)
    ends = {}
    for who, handshake in handshakes.items():
        *keys, handshake_hash = handshake.split()
        ends[who] = Seal((keys[0], keys[1]), handshake_hash, caller=who == "caller")
    assert len(records) == 5
    for entry in records:
        sender, reader = ends[entry["from"]], ends["callee" if entry["from"] == "caller" else "caller"]
        answer = given_to(reader, bytes.fromhex(entry["hex"]))
        assert isinstance(answer, Opened)
        assert bytes_by_hand(answer.frames).ljust(64, b"\0").hex() == entry["plain"]
        assert sender.seal(answer.frames) == (bytes.fromhex(entry["hex"]), answer.counter)

"""What SIMP/2 puts into datagrams: golden bytes, and laws for all bytes and all values (simp2 2, 3, 6, 7.1)."""

import tomllib
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from functools import partial
from itertools import combinations_with_replacement, product
from pathlib import Path
from types import NoneType
from typing import Any

import pytest
from construct import ConstructError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.constants import OPERATIONS, Framing, Operation, PayloadKind, Type
from simp_proto.datagram import Datagram, build, parse
from simp_proto.errors import DatagramError, SealedError, UnknownFrameError
from simp_proto.sealed import frames as sealed_frames
from simp_proto.sealed import offer as sealed_offer
from simp_proto.sealed import payloads as sealed_payloads
from simp_proto.sealed.frames import (
    Acked,
    Close,
    Closed,
    Frame,
    Hello,
    Message,
    Piece,
    Ping,
    State,
    Unknown,
    build_frames,
    build_message,
    operation_of,
    read_frames,
    read_handshake,
    read_message,
)
from simp_proto.sealed.offer import Offer, build_offer, read_offer
from simp_proto.sealed.payloads import (
    Answer,
    Challenge,
    Confirm,
    Over,
    Payload,
    Record,
    Ringing,
    associated_data,
    build_payload,
    build_record,
    padded,
    read_payload,
    read_record,
)
from tests.sealed_by_hand import (
    MADE,
    OPERATION_BYTES,
    datagram_by_hand,
    frame_by_hand,
    message_by_hand,
    noise_by_hand,
    offer_by_hand,
    operation_by_hand,
    payload_by_hand,
    record_by_hand,
    words_by_hand,
)

GOLDEN = tomllib.loads((Path(__file__).parent.parent / "spec" / "sealed.toml").read_text("utf-8"))
TOP = 2**63 - 1
KINDS: dict[str, type[Any]] = {
    each.__name__.upper(): each for each in (Challenge, Ringing, Answer, Confirm, Over, Record)
}
FRAMES: dict[str, type[Any]] = {
    each.__name__.upper(): each for each in (Hello, State, Piece, Acked, Ping, Close, Closed, Unknown)
}
LABELS: dict[str, Operation] = {each.label: each for table in OPERATIONS.values() for each in table.values()}
MADE_BY_US: dict[str, Callable[..., bytes]] = {
    "tag": sealed_offer.tag_of,
    "prologue": sealed_offer.prologue,
    "ring_key": sealed_offer.ring_key,
    "ring_proof": sealed_offer.ring_proof,
    "session": sealed_payloads.session_of,
    "chain": lambda before, flags, data: sealed_frames.chained(before, Piece(7, flags[0], data)),
}


def golden(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", GOLDEN[name], ids=lambda entry: entry["name"])


def plain(entry: dict[str, Any], *texts: str) -> dict[str, Any]:
    """An entry's values except those, with the bytes of what is hexadecimal."""
    skipped = ("name", "section", *texts) if "section" in entry else texts
    return {
        key: bytes.fromhex(value) if isinstance(value, str) else value
        for key, value in entry.items()
        if key not in skipped
    }


def by_hand(frames: list[Frame]) -> list[tuple[str, dict[str, Any]]]:
    """Frames as the oracle takes them."""
    return [(type(frame).__name__.upper(), asdict(frame)) for frame in frames]


def bytes_by_hand(frames: list[Frame]) -> bytes:
    return b"".join(frame_by_hand(*frame) for frame in by_hand(frames))


def refused(entry: dict[str, Any], error: SealedError) -> None:
    assert (error.field, error.offset, error.section) == (entry["field"], entry["offset"], entry["section"])
    assert error.read in str(error)
    assert error.expected in str(error)


# -- the golden file


@golden("key")
def test_golden_key(entry: dict[str, Any]) -> None:
    make = Ed25519PrivateKey if "signing" in entry["name"] else X25519PrivateKey
    key = make.from_private_bytes(bytes.fromhex(entry["private"]))
    assert key.public_key().public_bytes_raw().hex() == entry["public"]


@golden("made")
def test_golden_value(entry: dict[str, Any]) -> None:
    what, arguments = entry["what"], plain(entry, "what", "value", "numbers")
    if what == "words":
        assert words_by_hand(**arguments) == entry["numbers"]
        words = entry["value"].split()
        in_order = sorted(zip(entry["numbers"], words, strict=True))
        assert [word for _, word in in_order] == sorted(words)  # so is the list
    elif what == "id":
        assert MADE[what](**arguments).decode() == entry["value"]
    else:
        assert MADE[what](**arguments).hex() == entry["value"]
        assert MADE_BY_US[what](**arguments).hex() == entry["value"]


def test_golden_values_are_of_the_golden_keys_and_offers() -> None:
    private = {key["name"]: bytes.fromhex(key["private"]) for key in GOLDEN["key"]}
    public = {key["name"]: bytes.fromhex(key["public"]) for key in GOLDEN["key"]}
    caller = X25519PrivateKey.from_private_bytes(private["caller static"])
    shared = caller.exchange(X25519PublicKey.from_public_bytes(public["callee static"]))
    made = [(entry["what"], plain(entry, "what", "value", "numbers")) for entry in GOLDEN["made"]]
    assert {arguments["shared"] for what, arguments in made if what == "ring_key"} == {shared}
    offers = {bytes.fromhex(offer["offer"]) for offer in GOLDEN["offer"]}
    assert all(arguments["offer"] in offers for _, arguments in made if "offer" in arguments)
    assert all(arguments["e"] == public["caller ephemeral"] for _, arguments in made if "e" in arguments)


@golden("offer")
def test_golden_offer(entry: dict[str, Any]) -> None:
    data, key, proof, text = plain(entry).values()
    offer = read_offer(data)
    assert (offer.key, offer.proof, offer.text) == (key, proof, text)
    assert bytes((offer.key[0],)) + offer.e == key
    assert offer.cookie + offer.ring_proof == proof
    assert (len(offer.e), len(offer.cookie)) == (32, 16)
    assert offer.quiet == (entry["name"] == "a quiet call")
    assert build_offer(offer) == data == offer_by_hand(key, proof, offer.before, offer.after)


@golden("not_offer")
def test_golden_payload_that_is_no_offer(entry: dict[str, Any]) -> None:
    with pytest.raises(SealedError) as error:
        read_offer(bytes.fromhex(entry["hex"]))
    refused(entry, error.value)


@golden("payload")
def test_golden_payload(entry: dict[str, Any]) -> None:
    kind, operation = entry["kind"], entry["operation"]
    values = plain(entry, "kind", "operation")
    data = values.pop("hex")
    assert data == datagram_by_hand(operation, payload_by_hand(kind, values))
    datagram = parse(data)
    payload = KINDS[kind](**values)
    assert read_payload(datagram) == payload
    assert datagram.operation is LABELS[operation]
    assert build(build_payload(payload, LABELS[operation])) == data


@golden("refused_payload")
def test_golden_payload_that_is_refused(entry: dict[str, Any]) -> None:
    datagram = parse(bytes.fromhex(entry["hex"]))
    with pytest.raises(SealedError) as error:
        read_payload(datagram)
    refused(entry, error.value)


def frames_of(entry: dict[str, Any]) -> list[Frame]:
    frames = []
    for each in entry["frame"]:
        values = plain(each, "type")
        if "code" in values:
            values["type"] = values.pop("code")
        frames.append(FRAMES[each["type"]](**values))
    return frames


@golden("frames")
def test_golden_frames(entry: dict[str, Any]) -> None:
    frames, data = frames_of(entry), bytes.fromhex(entry["hex"])
    bare = bytes_by_hand(frames)
    assert data == bare.ljust(len(data), b"\0")
    assert build_frames(frames) == bare
    if "message" in entry:
        hello, state = read_handshake(PayloadKind[entry["message"]], data)
        assert [hello, *([state] if state else [])] == frames
    else:
        assert entry["operation"] == operation_by_hand(by_hand(frames))
        assert read_frames(data) == frames
        assert operation_of(frames) is LABELS[entry["operation"]]


@golden("refused_frames")
def test_golden_frames_that_are_refused(entry: dict[str, Any]) -> None:
    data = bytes.fromhex(entry["hex"])
    with pytest.raises(SealedError) as error:
        read_handshake(PayloadKind[entry["message"]], data) if "message" in entry else read_frames(data)
    refused(entry, error.value)
    assert entry["reason"] == (2 if isinstance(error.value, UnknownFrameError) else 1)


@golden("message")
def test_golden_message(entry: dict[str, Any]) -> None:
    values = plain(entry)
    data = values.pop("hex")
    assert read_message(data) == Message(**values)
    assert build_message(Message(**values)) == data == message_by_hand(**values)


def test_golden_handshake() -> None:
    (entry,) = GOLDEN["handshake"]
    private = {key["name"]: bytes.fromhex(key["private"]) for key in GOLDEN["key"]}
    values = plain(entry, "key_log")
    made = noise_by_hand(
        values["prologue"],
        {name: key for name, key in private.items() if "signing" not in name},
        values["frames_2"],
        values["frames_3"],
    )
    assert {name: values[name] for name in made} == made
    assert values["session"] == sealed_payloads.session_of(made["handshake_hash"])
    offer = read_offer(parse(bytes.fromhex(GOLDEN["call"][0]["hex"])).payload)
    assert values["prologue"] == sealed_offer.prologue(b"alice", offer.text)
    keys = ("session", "key_2", "key_3", "caller_key", "callee_key")
    tag = sealed_offer.tag_of(offer.e)
    assert entry["key_log"] == " ".join(["SIMP2", tag.hex(), *(values[name].hex() for name in keys)])
    hello, none = read_handshake(PayloadKind.ANSWER, values["frames_2"])
    assert (hello.name, none) == (b"bob", None)
    hello, state = read_handshake(PayloadKind.CONFIRM, values["frames_3"])
    assert (hello.name, type(state)) == (b"alice", State)


def test_golden_call_before_its_records() -> None:
    (handshake,) = GOLDEN["handshake"]
    ring_key = next(bytes.fromhex(entry["value"]) for entry in GOLDEN["made"] if entry["what"] == "ring_key")
    first, challenge, again, ringing, answer, confirm = (
        parse(bytes.fromhex(entry["hex"])) for entry in GOLDEN["call"][:6]
    )
    offers = [read_offer(datagram.payload) for datagram in (first, again)]
    assert [datagram.framing for datagram in (first, again)] == [Framing.BARE, Framing.HEADER]
    assert {datagram.user for datagram in (first, again)} == {b"alice"}
    assert offers[0].text == offers[1].text
    tag = MADE["tag"](offers[0].e)
    assert read_payload(challenge) == Challenge(tag, offers[1].cookie)
    assert offers[0].cookie != offers[1].cookie
    assert offers[1].ring_proof == MADE["ring_proof"](ring_key, b"alice", offers[1].text, offers[1].cookie)
    assert read_payload(ringing) == Ringing(tag)
    assert read_payload(answer) == Answer(tag, bytes.fromhex(handshake["message_2"]))
    assert read_payload(confirm) == Confirm(tag, bytes.fromhex(handshake["message_3"]))


@golden("refused_message")
def test_golden_message_that_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(SealedError) as error:
        read_message(bytes.fromhex(entry["hex"]))
    refused(entry, error.value)


# -- laws

token = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="@"), min_size=1, max_size=9)
tokens = st.lists(st.one_of(token, st.just("SIMP/3"), st.just("SIMP/2x")), max_size=3).map(
    lambda each: "".join(f" {token}" for token in each).encode()
)
offers = st.builds(
    Offer,
    key=st.binary(min_size=33, max_size=33),
    proof=st.binary(min_size=32, max_size=32),
    before=tokens.filter(lambda text: b" SIMP/2" not in (text + b" ").split(b" ")),
    after=tokens,
).filter(lambda offer: b"SIMP/2" not in offer.before.split(b" "))
tags = st.binary(min_size=8, max_size=8)
numbers = st.integers(0, TOP)
nexts = st.integers(1, 2**62) | st.integers(1, 9)
STRATEGIES: dict[type, st.SearchStrategy[Any]] = {
    Challenge: st.builds(Challenge, tags, st.binary(min_size=16, max_size=16)),
    Ringing: st.builds(Ringing, tags),
    Answer: st.builds(Answer, tags, st.binary(min_size=96, max_size=200)),
    Confirm: st.builds(Confirm, tags, st.binary(min_size=64, max_size=200)),
    Over: st.builds(Over, tags),
    Record: st.builds(Record, st.binary(min_size=4, max_size=4), numbers, st.binary(min_size=16, max_size=100)),
    Hello: st.builds(
        Hello, st.integers(0, 2**32 - 1), st.binary(min_size=32, max_size=32), st.binary(min_size=1, max_size=32)
    ),
    State: st.builds(State, nexts, tags, nexts, tags),
    Piece: st.builds(
        Piece, nexts.filter(lambda number: number < 2**62), st.integers(0, 3), st.binary(min_size=1, max_size=100)
    ),
    Acked: st.builds(Acked, nexts, numbers, st.integers(0, 2**64 - 1)),
    Ping: st.builds(Ping),
    Close: st.builds(Close, st.integers(0, 255), st.binary(max_size=50)),
    Closed: st.builds(Closed),
    Unknown: st.builds(Unknown, st.integers(0x08, 0x7F), st.binary(max_size=50)),
    Message: st.builds(Message, st.integers(0, 255), numbers, st.binary(max_size=100)),
}
payloads = st.one_of([STRATEGIES[kind] for kind in KINDS.values()])
hellos = STRATEGIES[Hello]
frames_of_records = st.one_of([STRATEGIES[made] for made in FRAMES.values() if made is not Hello])
messages = STRATEGIES[Message]


@st.composite
def changed(draw: st.DrawFn, data: bytes) -> bytes:
    """Those bytes with some changed, cut off or added."""
    some = bytearray(data)
    for _ in range(draw(st.integers(0, 2))):
        some[draw(st.integers(0, len(some) - 1))] = draw(st.integers(0, 255))
    return bytes(some[: draw(st.integers(0, len(some)))] if draw(st.booleans()) else some) + draw(st.binary(max_size=3))


def read_or_refused(read: Callable[[], Any]) -> Any:
    """What is read, or why it isn't; anything else that is raised is a fault."""
    try:
        return read()
    except DatagramError as error:
        return error


@given(offers)
def test_an_offer_that_is_built_is_read_back(offer: Offer) -> None:
    data = build_offer(offer)
    assert read_offer(data) == offer
    assert data == offer_by_hand(offer.key, offer.proof, offer.before, offer.after)
    assert data.startswith(offer.text + b" @")


@given(st.one_of(offers.map(build_offer).flatmap(changed), st.binary(max_size=300)))
def test_an_offer_that_is_read_is_built_back(data: bytes) -> None:
    offer = read_or_refused(lambda: read_offer(data))
    if isinstance(offer, SealedError):
        assert 0 <= offer.offset <= len(data)
    else:
        assert build_offer(offer) == data


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": bytes(32)},
        {"proof": bytes(33)},
        {"before": b"x"},
        {"before": b" SIMP/2"},
        {"before": b" SIMP/2 " + b"A" * 44},
        {"after": b" @"},
        {"after": b" x" * 71},
        {"after": b" @" + b"A" * 43},
    ],
)
def test_an_offer_that_would_be_read_otherwise_is_not_built(wrong: dict[str, bytes]) -> None:
    with pytest.raises(SealedError):
        build_offer(replace(Offer(bytes(33), bytes(32)), **wrong))


@given(payloads, st.data())
def test_a_payload_that_is_built_is_read_back(payload: Payload, data: st.DataObject) -> None:
    kind = type(payload).__name__.upper()
    operation = data.draw(st.sampled_from(sealed_payloads.OPERATIONS_OF[PayloadKind[kind]]))
    datagram = build_payload(payload, operation)
    assert build(datagram) == datagram_by_hand(operation.label, payload_by_hand(kind, asdict(payload)))
    assert read_payload(parse(build(datagram))) == payload


PAYLOADS: dict[str, Payload] = {
    "CHALLENGE": Challenge(b"tag tag ", b"cookie cookie co"),
    "RINGING": Ringing(b"tag tag "),
    "ANSWER": Answer(b"tag tag ", bytes(150)),
    "CONFIRM": Confirm(b"tag tag ", bytes(150)),
    "OVER": Over(b"tag tag "),
    "RECORD": Record(b"sess", 5, bytes(80)),
}
PLACES = {
    "CHALLENGE": {"ACK"},
    "RINGING": {"ACK"},
    "ANSWER": {"SYN+ACK"},
    "CONFIRM": {"ACK"},
    "OVER": {"FIN", "ACK"},
    "RECORD": {"MESSAGE", "FIN", "ERR", "ACK"},
}
"""The table of simp2 3.1, and 6.2."""


@pytest.mark.parametrize("kind", PAYLOADS)
@pytest.mark.parametrize("operation", OPERATION_BYTES)
def test_each_kind_is_in_its_operations_alone_with_no_user_and_no_number(kind: str, operation: str) -> None:
    payload = PAYLOADS[kind]
    data = payload_by_hand(kind, asdict(payload))
    for user, sequence in product((b"", b"bob", b" ", bytes(31) + b"\1", b"x" * 32), (0, 1)):
        datagram = parse(datagram_by_hand(operation, data, sequence, user))
        if operation not in PLACES[kind]:
            field = "operation"
        elif sequence:
            field = "sequence"
        elif user:
            field = "user"
        else:
            assert read_payload(datagram) == payload
            continue
        with pytest.raises(SealedError) as error:
            read_payload(datagram)
        assert error.value.field == field


def test_what_begins_with_another_byte_is_a_text_or_malformed() -> None:
    for first, operation, framing in product(range(256), ("ACK", "MESSAGE"), Framing):
        type_ = Type.CHAT if operation == "MESSAGE" else Type.CONTROL
        datagram = Datagram(type_, LABELS[operation], 0, b"", bytes((first,)) + b"!", framing)
        read = read_or_refused(partial(read_payload, datagram))
        expected = SealedError if framing is Framing.HEADER and 0x80 <= first <= 0xBF else NoneType
        assert type(read) is expected, (first, operation, framing)
    assert read_payload(Datagram(Type.CHAT, LABELS["MESSAGE"], 0)) is None


@given(st.sampled_from(list(KINDS)).flatmap(lambda kind: st.tuples(st.just(kind), st.integers(0, 300))))
def test_each_kind_has_the_sizes_of_the_table(kind_and_size: tuple[str, int]) -> None:
    kind, size = kind_and_size
    fixed = {"CHALLENGE": 24, "RINGING": 8, "OVER": 8}
    least = {"ANSWER": 8 + 32 + 48 + 16, "CONFIRM": 8 + 48 + 16, "RECORD": 4 + 8 + 16}
    right = size == fixed[kind] if kind in fixed else size >= least[kind]
    operation = min(PLACES[kind])
    datagram = parse(datagram_by_hand(operation, payload_by_hand(kind, asdict(PAYLOADS[kind]))[:1] + bytes(size)))
    if right:
        assert isinstance(read_payload(datagram), KINDS[kind])
    else:
        with pytest.raises(SealedError, match=f"length at offset 35: read {size + 1}, "):
            read_payload(datagram)


wire = st.one_of(
    payloads.map(lambda payload: build(build_payload(payload))).flatmap(changed),
    st.sampled_from(GOLDEN["refused_payload"]).map(lambda entry: bytes.fromhex(entry["hex"])).flatmap(changed),
    st.builds(
        datagram_by_hand, st.sampled_from(list(OPERATION_BYTES)), st.binary(max_size=100), st.integers(0, 1), tags
    ),
)


@given(wire)
def test_a_payload_that_is_read_is_built_back(data: bytes) -> None:
    payload = read_or_refused(lambda: read_payload(parse(data)))
    if isinstance(payload, DatagramError):
        assert 0 <= payload.offset <= max(len(data), 41)
    elif payload is not None:
        assert build(build_payload(payload, parse(data).operation)) == data


@given(st.lists(frames_of_records, max_size=5), st.integers(0, 70))
def test_frames_that_are_built_are_read_back(frames: list[Frame], padding: int) -> None:
    data = build_frames(frames)
    assert data == bytes_by_hand(frames)
    assert read_frames(data + bytes(padding)) == frames


@given(hellos, st.one_of(st.none(), frames_of_records), st.sampled_from(PayloadKind), st.integers(0, 3))
def test_a_handshake_says_hello(hello: Hello, more: Frame | None, kind: PayloadKind, padding: int) -> None:
    data = bytes_by_hand([hello, *([more] if more else [])]) + bytes(padding)
    right = (kind is PayloadKind.CONFIRM and isinstance(more, State)) or (kind is PayloadKind.ANSWER and not more)
    if right:
        assert read_handshake(kind, data) == (hello, more)
    else:
        with pytest.raises(SealedError):
            read_handshake(kind, data)
    with pytest.raises(SealedError):
        read_frames(data)


@given(
    st.one_of(
        st.lists(st.one_of(frames_of_records, hellos), min_size=1, max_size=3).map(build_frames).flatmap(changed),
        st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=60)), max_size=3).map(
            lambda parts: b"".join(bytes((kind, 0, len(body))) + body for kind, body in parts)
        ),
        st.binary(max_size=100),
    )
)
def test_frames_that_are_read_are_built_back(data: bytes) -> None:
    readers: list[Callable[[], Any]] = [lambda: read_frames(data)]
    readers += [lambda kind=kind: read_handshake(kind, data) for kind in PayloadKind]  # type: ignore[misc]
    for reader in readers:
        frames = read_or_refused(reader)
        if isinstance(frames, SealedError):
            assert 0 <= frames.offset <= len(data)
        else:
            assert build_frames(filter(None, frames)).ljust(len(data), b"\0") == data


@given(messages)
def test_a_message_that_is_built_is_read_back(message: Message) -> None:
    assert read_message(build_message(message)) == message
    assert build_message(message) == message_by_hand(**asdict(message))


@given(st.one_of(messages.map(build_message).flatmap(changed), st.binary(max_size=20)))
def test_a_message_that_is_read_is_built_back(data: bytes) -> None:
    message = read_or_refused(lambda: read_message(data))
    if isinstance(message, SealedError):
        assert 0 <= message.offset <= len(data)
    else:
        assert build_message(message) == data


@pytest.mark.parametrize("size", [0, 1, 60_000, 60_001])
@pytest.mark.parametrize("kind", [0, 1, 255])
def test_a_message_of_any_kind_has_at_most_60_000_bytes(size: int, kind: int) -> None:
    data = message_by_hand(kind, 5, bytes(size))
    if size <= 60_000:
        assert read_message(data) == Message(kind, 5, bytes(size))
    else:
        with pytest.raises(SealedError):
            read_message(data)
        with pytest.raises(SealedError):
            build_message(Message(kind, 5, bytes(size)))


def layouts() -> list[tuple[str, Any]]:
    tables = (sealed_payloads.PAYLOADS, sealed_frames._FRAMES)
    named = [(kind.name, layout) for table in tables for kind, layout in table.items()]
    return [*named, ("MESSAGE", sealed_frames._MESSAGE)]


@pytest.mark.parametrize(("name", "layout"), layouts(), ids=lambda value: value if isinstance(value, str) else "")
@given(data=st.data())
def test_what_struct_reads_is_what_the_declaration_says(name: str, layout: Any, data: st.DataObject) -> None:
    made = data.draw(STRATEGIES[layout.made])
    body = data.draw(changed(layout.build(made) + b"\0"))
    try:
        declared = layout.declaration.parse(body)
        whole = layout.declaration.build(declared) == body
    except ConstructError:
        whole = False
    if not whole:
        if len(body) in layout.sizes:
            with pytest.raises(SealedError):
                layout.read(body, 0, len(body))
    else:
        assert len(body) in layout.sizes
        assert layout.read(body, 0, len(body)) == layout.made(*(declared[each.name] for each in fields(layout.made)))
        assert layout.build(layout.read(body, 0, len(body))) == body


WRONG = [
    Challenge(bytes(7), bytes(16)),
    Ringing(bytes(9)),
    Answer(bytes(8), bytes(95)),
    Confirm(bytes(8), bytes(63)),
    Record(bytes(3), 0, bytes(16)),
    Record(bytes(4), -1, bytes(16)),
    Record(bytes(4), 2**63, bytes(16)),
    Record(bytes(4), 0, bytes(15)),
    Hello(2**32, bytes(32), b"x"),
    Hello(0, bytes(31), b"x"),
    Hello(0, bytes(32), b""),
    Hello(0, bytes(32), b"x" * 33),
    State(0, bytes(8), 1, bytes(8)),
    State(1, bytes(8), 0, bytes(8)),
    State(2**62 + 1, bytes(8), 1, bytes(8)),
    State(1, bytes(8), 2**62 + 1, bytes(8)),
    State(1, bytes(7), 1, bytes(8)),
    Piece(0, 3, b"x"),
    Piece(2**62, 3, b"x"),
    Piece(1, 4, b"x"),
    Piece(1, 3, b""),
    Piece(1, 3, bytes(1025)),
    Acked(0, 0, 0),
    Acked(2**62 + 1, 0, 0),
    Acked(1, 2**63, 0),
    Acked(1, 0, 2**64),
    Acked(1, 0, -1),
    Close(256),
    Close(1, bytes(501)),
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_value_that_cannot_be_on_the_wire_is_refused(wrong: Any) -> None:
    with pytest.raises(SealedError) as error:
        build_payload(wrong) if isinstance(wrong, Payload) else build_frames([wrong])
    assert error.value.field in {each.name for each in fields(wrong)}


# -- records


SOME: list[Frame] = [
    State(1, bytes(8), 1, bytes(8)),
    Piece(1, 3, b"x"),
    Acked(1, 0),
    Ping(),
    Close(0),
    Close(2),
    Closed(),
    Unknown(0x08, b""),
    Unknown(0x10, b""),
    Unknown(0x1F, b""),
    Unknown(0x20, b""),
]


@pytest.mark.parametrize("count", range(4))
def test_each_set_of_frames_has_its_operation(count: int) -> None:
    for frames in combinations_with_replacement(SOME, count):
        for order in (list(frames), list(reversed(frames))):
            assert operation_of(order).label == operation_by_hand(by_hand(order))
            assert operation_of(order) in LABELS.values()


def test_what_wants_an_ack_is_what_the_table_says() -> None:
    wanting = {type(frame).__name__ for frame in SOME if frame.wants_ack and not isinstance(frame, Unknown)}
    assert wanting == {"State", "Piece", "Ping"}
    assert [code for code in range(8, 0x80) if not Unknown(code, b"").wants_ack] == list(range(0x10, 0x20))
    assert not Hello.wants_ack


def test_padding_goes_to_a_multiple_of_64_or_to_the_end() -> None:
    for size in range(1131):
        expected = min(step for step in (*range(0, 1130, 64), 1130) if step >= size)
        assert padded(b"x" * size) == b"x" * size + bytes(expected - size), size
    with pytest.raises(SealedError):
        padded(b"x" * 1131)


records = st.builds(
    lambda session, counter, size, operation: record_by_hand(bytes(32), session, counter, bytes(size), operation)[2],
    st.binary(min_size=4, max_size=4),
    st.one_of(numbers, st.integers(2**63, 2**64 - 1)),
    st.one_of(st.integers(0, 1130).map(lambda size: min(-(-size // 64) * 64, 1130)), st.integers(0, 70)),
    st.sampled_from(sorted(PLACES["RECORD"])),
)


@given(st.one_of(records, records.flatmap(changed), wire))
def test_a_record_is_read_the_quick_way_or_the_usual_one(data: bytes) -> None:
    quick = read_record(data)
    usual = read_or_refused(lambda: read_payload(parse(data)))
    if quick is not None:
        assert quick == (parse(data).operation, usual)
        assert quick[0] is parse(data).operation
    elif isinstance(usual, Record):
        assert len(usual.sealed) - 16 not in (*range(0, 1130, 64), 1130), "a padded record is read the quick way"


@given(st.binary(min_size=4, max_size=4), numbers, st.binary(max_size=200), st.sampled_from(sorted(PLACES["RECORD"])))
def test_a_record_is_what_it_is_by_hand(session: bytes, counter: int, plaintext: bytes, operation: str) -> None:
    _, associated, data = record_by_hand(bytes(32), session, counter, plaintext, operation)
    assert associated_data(LABELS[operation], session, counter, len(plaintext)) == associated
    assert build_record(associated, data[54:]) == data
    assert build(build_payload(Record(session, counter, data[54:]), LABELS[operation])) == data
    assert associated == data[:39] + data[41:54]


@golden("record")
def test_golden_record(entry: dict[str, Any]) -> None:
    key, session, operation = bytes.fromhex(entry["key"]), bytes.fromhex(entry["session"]), entry["operation"]
    text, counter = bytes.fromhex(entry["plain"]), entry["counter"]
    nonce, associated, data = record_by_hand(key, session, counter, text, operation)
    assert (nonce.hex(), associated.hex()) == (entry["nonce"], entry["associated"])
    assert (data.hex() == entry["hex"]) == (entry["outcome"] != "forged")
    assert read_payload(parse(bytes.fromhex(entry["hex"]))) == Record(
        session, counter, bytes.fromhex(entry["hex"])[54:]
    )


def test_nothing_is_left_of_construct() -> None:
    values = [read_offer(bytes.fromhex(GOLDEN["offer"][0]["hex"])), *PAYLOADS.values(), *SOME]
    for value in values:
        assert all(type(part) in (bytes, int) for part in asdict(value).values())

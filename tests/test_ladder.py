"""Conversations as ladders."""

import pytest

from simp_proto.constants import Chat, Control, Framing, Type
from simp_proto.datagram import Datagram, build
from simp_proto.errors import DatagramError
from simp_proto.toolkit.ladder import Ladder, needs_ascii
from simp_proto.toolkit.reading import Reading

ALICE, BOB = ("127.0.0.1", 7777), ("127.0.0.2", 7777)


def control(operation: Control, sequence: int = 0, payload: bytes = b"") -> bytes:
    return build(Datagram(Type.CONTROL, operation, sequence, b"x", payload, Framing.BARE))


def chat(sequence: int, text: bytes) -> bytes:
    return build(Datagram(Type.CHAT, Chat.MESSAGE, sequence, b"x", text, Framing.BARE))


def test_a_ladder() -> None:
    ladder = Ladder(ALICE, BOB, ascii_only=True)
    assert ladder.head() == "         127.0.0.1:7777                    127.0.0.2:7777"
    assert ladder.head("alice", "bob") == f"         {'alice':<24}{'bob':>24}"
    assert ladder.rung(0, ALICE, control(Control.SYN)) == f"   0.000 |{' SYN 0 '.center(45, '-')}>|  bare, 39 bytes"
    assert (
        ladder.rung(1.5, BOB, control(Control.SYN_ACK))
        == f"   1.500 |<{' SYN+ACK 0 '.center(45, '-')}|  bare, 39 bytes"
    )
    refused = "refused (spec 2.1): type at offset 0: read 0x07, expected 0x01 (control), 0x02 (chat)"
    assert ladder.rung(2, BOB, b"\x07" + bytes(38)) == f"   2.000 |<{' 39 bytes '.center(45, '-')}|  {refused}"
    assert ladder.note(3, BOB, "reads") == f"   3.000 |{'reads':>45} |"


def test_a_long_text_is_cut_and_a_hostile_one_escaped() -> None:
    rung = Ladder(ALICE, BOB).rung(0, ALICE, chat(0, b"\x1b[2J" + b"a" * 50))
    assert "MESSAGE 0 '\\x1b[2Jaaaaaa" in rung
    assert "…" in rung
    assert len(rung) == len(Ladder(ALICE, BOB).rung(0, ALICE, chat(0, b"a")))


def again(*sent: tuple[tuple[str, int], bytes]) -> list[bool]:
    ladder = Ladder(ALICE, BOB)
    rungs = [ladder.rung(0, source, data) for source, data in sent]
    return [rung.endswith(", again") for rung in rungs]


def test_repeats() -> None:
    one, other = chat(1, b"one"), chat(0, b"one")
    assert again((ALICE, one), (ALICE, one), (ALICE, other), (ALICE, one)) == [False, True, False, False]
    assert again((ALICE, one), (BOB, one)) == [False, False]
    assert again((ALICE, one), (BOB, other), (ALICE, one)) == [False, False, True]
    assert again((ALICE, b"?"), (ALICE, b"?")) == [False, True]


def test_an_ack_repeats_only_what_acknowledges_the_same_datagram() -> None:
    ack = control(Control.ACK)
    handshake = [(BOB, control(Control.SYN_ACK)), (ALICE, ack)]
    message = chat(0, b"hello")
    assert again(*handshake, (BOB, message), (ALICE, ack)) == [False] * 4
    assert again(*handshake, (BOB, message), (ALICE, ack), (BOB, message), (ALICE, ack))[4:] == [True, True]
    assert again(*handshake, handshake[0], handshake[1]) == [False, False, True, True]
    ringing = control(Control.ACK, payload=b"ringing")
    syn = control(Control.SYN)
    assert again((ALICE, syn), (BOB, ringing), (ALICE, syn), (BOB, ringing)) == [False, False, True, True]


def test_what_was_refused_is_drawn_as_such() -> None:
    refused = DatagramError("capture", 4, "the end after 4 bytes", "39: the capture cut the packet")
    rung = Ladder(ALICE, BOB, ascii_only=True).draw(0, BOB, Reading(b"\1\2\0a", error=refused))
    assert rung.text == f"   0.000 |<{' 4 bytes '.center(45, '-')}|  refused: {refused}"
    assert not rung.again


@pytest.mark.parametrize(
    ("encoding", "ascii_only"),
    [("utf-8", False), ("cp437", True), ("ascii", True), (None, True), ("no-such", True)],
)
def test_where_there_are_no_lines(encoding: str | None, ascii_only: bool) -> None:
    assert needs_ascii(encoding) is ascii_only

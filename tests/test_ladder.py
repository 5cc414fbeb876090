"""Conversations as ladders."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wcwidth import wcswidth

from simp_proto.constants import Chat, Control, Framing, Type
from simp_proto.datagram import Datagram, build
from simp_proto.errors import DatagramError
from simp_proto.toolkit.ladder import Ladder, Repeats, needs_ascii
from simp_proto.toolkit.reading import Reading

ALICE, BOB = ("127.0.0.1", 7777), ("127.0.0.2", 7777)


def control(operation: Control, sequence: int = 0, payload: bytes = b"") -> bytes:
    return build(Datagram(Type.CONTROL, operation, sequence, b"x", payload, Framing.BARE))


def chat(sequence: int, text: bytes) -> bytes:
    return build(Datagram(Type.CHAT, Chat.MESSAGE, sequence, b"x", text, Framing.BARE))


def test_a_ladder() -> None:
    ladder = Ladder(ALICE, BOB, ascii_only=True)
    assert ladder.head() == "         127.0.0.1:7777          127.0.0.2:7777"
    assert ladder.head("alice", "bob") == f"         {'alice':<19}{'bob':>19}"
    assert ladder.rung(0, ALICE, control(Control.SYN)) == f"   0.000 |{' SYN 0 '.center(35, '-')}>|  bare, 39 bytes"
    assert (
        ladder.rung(1.5, BOB, control(Control.SYN_ACK))
        == f"   1.500 |<{' SYN+ACK 0 '.center(35, '-')}|  bare, 39 bytes"
    )
    refused = "refused (spec 2.1): type at offset 0: read 0x07, expected 0x01 (control), 0x02 (chat)"
    rung, below = ladder.rung(2, BOB, b"\x07" + bytes(38)).splitlines()
    assert rung == f"   2.000 |<{' 39 bytes '.center(35, '-')}|  refused (spec 2.1): type at"
    assert f"{rung.split('  ')[-1]} {below.strip()}" == refused
    assert ladder.note(3, BOB, "reads") == f"   3.000 |{'reads':>35} |"


def test_a_long_text_is_cut_and_a_hostile_one_escaped() -> None:
    rung = Ladder(ALICE, BOB).rung(0, ALICE, chat(0, b"\x1b[2J" + b"a" * 50))
    assert "MESSAGE 0 '\\x1b[2Jaaaaaa" in rung
    assert "…" in rung
    assert len(rung) == len(Ladder(ALICE, BOB).rung(0, ALICE, chat(0, b"a")))


def again(*sent: tuple[tuple[str, int], bytes]) -> list[bool]:
    ladder = Ladder(ALICE, BOB)
    rungs = [ladder.rung(5 * number, source, data) for number, (source, data) in enumerate(sent)]
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
    first, *below = rung.text.splitlines()
    assert first == f"   0.000 |<{' 4 bytes '.center(35, '-')}|  refused: capture at offset 4:"
    assert " ".join([first.split("|  ")[-1], *map(str.strip, below)]) == f"refused: {refused}"
    assert not rung.again


def times(*sent: tuple[float | None, tuple[str, int], bytes]) -> list[str]:
    repeats = Repeats()
    return [repeats.of(seconds, source, Reading.of(data)) for seconds, source, data in sent]


def test_what_a_capture_has_twice_is_no_repeat() -> None:
    """A bridge shows each datagram on both of its sides, within microseconds; a repeat comes after seconds (5.3)."""
    one, ack = chat(1, b"one"), control(Control.ACK, 1)
    bridge = [(0.0, ALICE, one), (0.00002, ALICE, one), (0.001, BOB, ack), (0.00102, BOB, ack)]
    assert times(*bridge) == ["", "seen twice"] * 2
    assert times(*bridge, *((5 + seconds, *rest) for seconds, *rest in bridge)) == [  # type: ignore[arg-type]
        *["", "seen twice"] * 2,
        *["again", "seen twice"] * 2,
    ]
    late = [(0.0, ALICE, one), (0.001, BOB, ack), (0.002, ALICE, one), (0.003, BOB, ack)]
    assert times(*late) == ["", "", "seen twice", "seen twice"]
    assert times(*[(0.0, ALICE, one)] * 4) == ["", "seen twice", "seen 3 times", "seen 4 times"]
    assert times((0.0, ALICE, one), (0.2, ALICE, one), (None, ALICE, one)) == ["", "again", "again"]
    assert times(*[(None, ALICE, one)] * 2) == ["", "again"]


LETTERS = st.text(st.sampled_from("ab 日本語🙂é\u0308\u200d\U0001f469\U0001f52c"), max_size=60)


@given(LETTERS, st.sampled_from([0, 5, 70]))
@example("日本語のメッセージ", 0)
@example("\U0001f62e\u200d\U0001f4a8 ok", 0)
@example("a" + "\u0308" * 60, 0)
def test_both_rails_are_in_their_column_whatever_is_said(text: str, more: int) -> None:
    ladder = Ladder(ALICE, BOB)
    for source in (ALICE, BOB):
        for line in (
            *ladder.draw(0.0, source, Reading.of(chat(0, text.encode())), "x" * more).text.splitlines(),
            ladder.note(0.0, source, text),
            *ladder.draw(5.0, source, Reading.of(text.encode() * 3)).text.splitlines(),
        ):
            assert wcswidth(line) <= 80
            if line.startswith(("   0", "   5")):
                before, _, _ = line.rpartition("│")
                assert (wcswidth(before), line.index("│")) == (46, 9)


def test_long_addresses_are_whole() -> None:
    long = [f"2001:db8:1234:5678:9abc:def0:1234:{number}678" for number in (5, 6)]
    head = Ladder((long[0], 7777), (long[1], 7777)).head().splitlines()
    assert head == [f"{'':9}[{long[0]}]:7777", f"  [{long[1]}]:7777"]
    assert max(map(len, head)) <= 80
    scoped = [f"fe80::{number}:2:3:4%a-rather-long-name0" for number in (1, 2)]
    head = Ladder((scoped[0], 7777), (scoped[1], 7777)).head().splitlines()
    assert [line.strip() for line in head] == [f"[{each}]:7777" for each in scoped]


def test_no_line_is_too_long_whatever_is_noted() -> None:
    data = build(Datagram(Type.CHAT, Chat.MESSAGE, 0, b"x", b"a" * 65_000, Framing.TRAILER))
    rungs = Ladder(ALICE, BOB).draw(123456.0, ALICE, Reading.of(data), "delayed 0.3 s, repeated, " + "b" * 200)
    assert all(len(line) <= 80 for line in rungs.text.splitlines())
    assert rungs.text.count("b") >= 200


@pytest.mark.parametrize(
    ("encoding", "ascii_only"),
    [("utf-8", False), ("cp437", True), ("ascii", True), (None, True), ("no-such", True)],
)
def test_where_there_are_no_lines(encoding: str | None, ascii_only: bool) -> None:
    assert needs_ascii(encoding) is ascii_only

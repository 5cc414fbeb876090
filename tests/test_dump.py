"""A datagram byte by byte."""

import pytest
from hypothesis import example, given

from simp_proto.cli.output import WRONG
from simp_proto.constants import Framing
from simp_proto.toolkit import dump
from tests.test_capture import pcap
from tests.test_comparison import anything, framings, side
from tests.test_datagram import by_hand
from tests.test_decode import CHAT, PACKETS, simp


def test_the_dump() -> None:
    result = simp("decode", CHAT)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "chat MESSAGE, header framing, 46 bytes",
        "offset  bytes                                field      meaning",
        "     0  02                                   type       chat",
        "     1  01                                   operation  MESSAGE",
        "     2  01                                   sequence   1",
        "     3  61 6c 69 63 65 00 00 00 00 00 00 00  user       alice",
        "    15  00 00 00 00 00 00 00 00 00 00 00 00",
        "    27  00 00 00 00 00 00 00 00",
        "    35  00 00 00 05                          length     5 payload bytes",
        "    39  55 8b                                checksum   0x558b, right",
        "    41  68 65 6c 6c 6f                       payload    hello",
    ]


def test_the_dump_of_what_is_refused() -> None:
    result = simp("decode", "020101626f62" + "00" * 29 + "0000000bb5f668656c6c6f")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "refused, read in header framing, 46 bytes",
        "offset  bytes                                field      meaning",
        "     0  02                                   type       chat",
        "     1  01                                   operation  MESSAGE",
        "     2  01                                   sequence   1",
        "     3  62 6f 62 00 00 00 00 00 00 00 00 00  user       bob",
        "    15  00 00 00 00 00 00 00 00 00 00 00 00",
        "    27  00 00 00 00 00 00 00 00",
        ">   35  00 00 00 0b                          length     11 payload bytes, wrong",
        "    39  b5 f6                                checksum   0xb5f6, wrong: 0xaff6 would be right",
        "    41  68 65 6c 6c 6f                       payload    hello, not whole",
        "    46                                       missing    6 bytes",
        "refused (spec 2.5): length at offset 35: read 11, expected 5: "
        "46 bytes in header are 39 of fixed fields, 2 of checksum and 5 of payload",
    ]


def rows_after_the_length(*arguments: str, stdin: bytes = b"") -> list[str]:
    lines = simp("decode", *arguments, stdin=stdin).stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if " length " in line)
    return [" ".join(line.split()) for line in lines[at + 1 :] if not line.startswith(("refused", "perhaps"))]


def test_an_empty_payload_stands_before_a_trailing_checksum() -> None:
    data = by_hand("trailer", 1, 4, 0, b"bob", b"")
    assert rows_after_the_length("--framing", "trailer", data.hex()) == [
        "39 payload (empty)",
        f"39 {data[39:].hex(' ')} checksum 0x{data[39:].hex()}, right",
    ]


def test_of_a_trailing_checksum_that_is_not_at_the_end_nothing_is_said() -> None:
    data = by_hand("trailer", 1, 4, 0, b"bob", b"hi") + b"!"
    assert rows_after_the_length("--framing", "trailer", data.hex()) == [
        "39 68 69 payload hi",
        f"41 {data[41:43].hex(' ')} checksum 0x{data[41:43].hex()}",
        "43 21 left over 1 byte",
    ]


def test_of_what_the_capture_cut_nobody_knows_the_framing() -> None:
    whole = PACKETS[0]
    rows = rows_after_the_length("-", stdin=pcap(whole[:-10], whole=len(whole)))
    assert rows == ["39 53 49 4d 50 2f 31 20 68 65 rest SIMP/1 he"]


def test_what_is_no_hexadecimal_has_no_rows() -> None:
    shown = simp("decode", "-", stdin="zz").stdout.splitlines()
    assert [line.split(":")[0] for line in shown] == ["standard input, line 1", "refused"]


@pytest.mark.parametrize(
    ("user", "note"),
    [
        (b"alice".ljust(32, b" "), "alice, padded with blanks where 2.4 asks for NULs"),
        (b"alice \0\0", "alice, padded with blanks where 2.4 asks for NULs"),
        (b" " * 32, "(no name), padded with blanks where 2.4 asks for NULs"),
        (b"  alice", "alice, padded with blanks where 2.4 asks for NULs"),
        (b"\0\0alice", "alice, padded in front where 2.4 asks for NULs at the end"),
        (b"a b", "a b"),
        (b"a\0b", r"a\x00b"),
        (b"", "(no name)"),
    ],
)
def test_how_a_name_is_padded(user: bytes, note: str) -> None:
    (line,) = (
        line for line in simp("decode", by_hand("bare", 1, 4, 0, user, b"").hex()).stdout.splitlines() if "user" in line
    )
    assert line.split("user       ")[1] == note


@given(anything, framings)
@example(bytes(40), None)  # ends inside the checksum
def test_fields_are_all_the_bytes_in_order(data: bytes, framing: Framing | None) -> None:
    fields = dump.fields(side(data, framing))
    at = 0
    for field in fields:
        assert field.offset == at
        at += len(field.data)
    assert b"".join(field.data for field in fields) == data
    assert len({field.name for field in fields}) == len(fields)


@given(anything, framings)
def test_rows_are_all_the_bytes_and_only_what_is_wrong_is_marked(data: bytes, framing: Framing | None) -> None:
    lines = list(dump.rows(side(data, framing)))
    rows = [line for line in lines[2:] if line.text[5:6].isdigit()]
    assert bytes.fromhex("".join(line.text[8:43] for line in rows)) == data
    for line in lines:
        assert line.text.isprintable()
        assert (line.colour == WRONG) == line.text.startswith((">", "refused ("))

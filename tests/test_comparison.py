"""`simp decode --compare`, and the rows of `simp decode`, by laws that hold for all bytes."""

import json
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.cli.main import main
from simp_proto.constants import Framing
from simp_proto.datagram import build, reading_order
from simp_proto.toolkit import comparison
from simp_proto.toolkit.reading import Reading
from tests.test_capture import ethernet, ipv4, pcap, udp
from tests.test_datagram import by_hand, datagrams, mutated, rfc1071

RIGHT = by_hand("header", 2, 1, 1, b"alice", b"hello")
anything = st.one_of(st.binary(max_size=200), mutated(), datagrams().map(build))
framings = st.sampled_from([None, *Framing])


def compare(*arguments: str | bytes, stdin: bytes = b"") -> Result:
    typed = [each.hex() if isinstance(each, bytes) else each for each in arguments]
    return CliRunner().invoke(main, ["decode", "--compare", *typed], input=stdin)


def side(data: bytes, framing: Framing | None = None) -> Reading:
    return Reading.of(data, reading_order(framing))


@given(anything, anything, framings, framings)
def test_equal_is_what_has_the_same_bytes(a: bytes, b: bytes, framing: Framing | None, other: Framing | None) -> None:
    one, two = side(a, framing), side(b, other)
    assert comparison.differing(one, side(a, framing)) == []
    if a != b:
        assert comparison.differing(one, two)
    assert set(comparison.differing(one, two)) == set(comparison.differing(two, one))
    told = [line.text for line in comparison.rows(one, two)]
    assert all(text.isprintable() for text in told)
    assert (told[2] == "They are equal.") is (a == b)
    read = comparison.as_json(one, two)
    assert read["equal"] is (a == b)
    for name, data in (("a", a), ("b", b)):
        assert "".join(field["hex"] for field in read[name]["fields"].values()) == data.hex()


def with_bytes(at: int, put: bytes) -> bytes:
    """That datagram with other bytes there, and the checksum right for them."""
    data = bytearray(RIGHT)
    data[at : at + len(put)] = put
    data[39:41] = b"\0\0"
    data[39:41] = struct.pack("!H", rfc1071(bytes(data)))
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "data", "words", "meanings", "status"),
    [
        ("type", with_bytes(0, b"\1"), "type and operation, and so in checksum", ["chat", "control"], 0),
        ("sequence", with_bytes(2, b"\0"), "sequence, and so in checksum", ["1", "0"], 0),
        ("sequence", with_bytes(2, b"\2"), "sequence, and so in checksum",
         ["1", "2: SIMP/1 numbers are 0 and 1, wrong"], 1),
        ("user", with_bytes(3, b"clara"), "user, and so in checksum", ["alice", "clara"], 0),
        ("payload", with_bytes(41, b"jello"), "payload, and so in checksum", ["hello", "jello"], 0),
        ("checksum", RIGHT[:39] + b"\xde\xad" + RIGHT[41:], "checksum",
         ["0x558b, right", "0xdead, wrong: 0x558b would be right"], 1),
        ("length", with_bytes(35, b"\5\0\0\0"), "length and what is missing, and so in checksum",
         ["5 payload bytes", "83886080 payload bytes, wrong"], 1),
        ("left over", RIGHT + b"!", "what is left over", ["none", "1 byte"], 1),
        ("checksum", by_hand("trailer", 2, 1, 1, b"alice", b"hello"), "framing, and so in checksum",
         ["0x558b, right", "0x8b55, right"], 0),
    ],
)  # fmt: skip
def test_a_field_that_differs_is_shown_with_both_values(
    name: str, data: bytes, words: str, meanings: list[str], status: int
) -> None:
    result = compare(RIGHT, data)
    assert result.exit_code == status
    lines = result.stdout.splitlines()
    assert lines[2].startswith(f"They differ in {words}; equal: ")
    shown = [line for line in lines if line[47:].startswith(name.ljust(9))]
    assert [line[0] for line in shown] == ["A", "B"]
    assert [line[58:] for line in shown] == meanings
    assert [line for line in lines if line.startswith("B >")] == ([shown[1]] if status and name != "left over" else [])
    assert ("\nB: refused (spec " in result.stdout) is bool(status)


def test_rows_that_are_equal_are_not_shown() -> None:
    a, b = (by_hand("bare", 2, 1, 1, b"alice", b"x" * 30 + last) for last in (b"yes", b"no"))
    rows = [line for line in compare(a, b).stdout.splitlines() if line[:1] in "AB" and line[1:2] == " "]
    assert [row[:9] for row in rows] == [f"{side} {at:6} " for at in (35, 39, 63) for side in "AB"]
    longer = by_hand("bare", 2, 1, 1, b"alice", b"z" * 40_000)
    result = compare(by_hand("bare", 2, 1, 1, b"alice", b"y" * 40_000), longer)
    assert "(3234 more rows differ)" in result.stdout
    assert result.stdout.count("\nA ") == 100
    shorter = by_hand("bare", 2, 1, 1, b"alice", b"z" * 12)
    rows = [line[:9].rstrip() for line in compare(longer[:-1], shorter).stdout.splitlines() if line[:1] in "AB"]
    assert rows.count("B     39") == 1
    assert rows.count("A     51") == 1
    assert rows.count("B     51") == 0


def test_equal_ones_are_said_to_be() -> None:
    assert compare(RIGHT, RIGHT).stdout.splitlines()[2:] == ["They are equal."]
    assert compare(RIGHT, RIGHT).exit_code == 0
    refused = compare(RIGHT + b"!", RIGHT + b"!")
    assert refused.exit_code == 1
    assert refused.stdout.splitlines()[2] == "They are equal."
    assert "refused (spec 2.5)" in refused.stdout


def test_what_is_refused_is_read_in_the_framing_of_the_other() -> None:
    bare = by_hand("bare", 2, 1, 1, b"alice", b"hello")
    for arguments in ((bare, bare[:-1]), (bare[:-1], bare)):
        result = compare(*arguments)
        assert "refused, read in bare framing, 43 bytes" in result.stdout
        assert "They differ in payload and what is missing; equal" in result.stdout
        assert "43 bytes in bare are 39 of fixed fields and 4 of payload" in result.stdout
    assert "refused, read in header" in compare("--framing", "header", RIGHT, bare[:-1]).stdout


def test_the_two_come_from_whatever_sources(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(RIGHT)
    (tmp_path / "text").write_text(f"{RIGHT.hex()}\n{RIGHT.hex()}\n", "utf-8")
    captured = pcap(*(ethernet(ipv4(udp(RIGHT))) for _ in range(2)))
    for result in (
        compare(str(tmp_path / "raw"), RIGHT),
        compare(str(tmp_path / "text")),
        compare("-", stdin=captured),
        compare(str(tmp_path / "raw"), "-", stdin=RIGHT),
    ):
        assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "They are equal.")
    assert "They differ in operation" in compare("0101", "0102").stdout  # two, however short


def test_what_cannot_be_read_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("zz\n", "utf-8")
    result = compare(str(tmp_path / "text"), RIGHT)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{tmp_path / 'text'}, line 1: hex at offset 0" in result.stderr
    result = compare(str(tmp_path), RIGHT)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1


def test_the_example_of_the_guide_is_what_is_printed() -> None:
    page = (Path(__file__).parent.parent / "spec" / "guide" / "decode.md").read_text("utf-8")
    typed, printed = page.partition("$ right=$(simp encode ")[2].split("$ simp decode --compare $right $wrong\n")
    right, wrong = (
        CliRunner().invoke(main, ["encode", *line.split("simp encode ")[-1].rstrip(")").split()]).stdout.strip()
        for line in typed.splitlines()
    )
    assert bytes.fromhex(right) == RIGHT
    assert printed.startswith(f"{compare(right, wrong).stdout}```\n")


def test_json_has_both_with_their_fields() -> None:
    wrong = with_bytes(2, b"\2")
    result = compare("--json", RIGHT, wrong)
    assert result.exit_code == 1
    read = json.loads(result.stdout)
    assert (read["equal"], read["differing"]) == (False, ["sequence", "checksum"])
    for name, data in (("a", RIGHT), ("b", wrong)):
        fields = read[name].pop("fields")
        assert read[name] == json.loads(CliRunner().invoke(main, ["decode", "--json", data.hex()]).stdout)
        assert fields["sequence"]["hex"] == data[2:3].hex()
        assert fields["payload"] == {"offset": 41, "hex": b"hello".hex(), "meaning": "hello"}

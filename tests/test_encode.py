"""`simp encode`, the inverse of `simp decode`."""

import json
import os
import struct
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import assume, given
from hypothesis import strategies as st

from simp_proto.cli.main import main
from simp_proto.constants import Framing
from simp_proto.datagram import Datagram, build
from simp_proto.errors import SimpError
from simp_proto.toolkit.encode import from_json
from simp_proto.toolkit.reading import Reading
from tests.test_datagram import datagrams, rfc1071
from tests.test_decode import CHAT

PACKETS = tomllib.loads((Path(__file__).parent.parent / "spec" / "packets.toml").read_text("utf-8"))["packet"]


def simp(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, list(arguments), input=stdin)


@given(datagrams())
def test_what_is_decoded_is_encoded_again(datagram: Datagram) -> None:
    reading = Reading.of(build(datagram), (datagram.framing,))
    assume(reading.datagram)  # what SIMP/2 refuses has no fields (simp2 3.2)
    assert from_json(json.loads(json.dumps(reading.as_json))) == datagram


def test_decode_piped_into_encode_gives_the_same_bytes() -> None:
    for framing in Framing:
        hexes = [packet["hex"] for packet in PACKETS if packet["framing"] == framing.value]
        decoded = simp("decode", "--json", "--framing", framing.value, *hexes)
        encoded = simp("encode", "-", stdin=decoded.stdout)
        assert encoded.exit_code == 0
        assert encoded.stdout.split() == hexes


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: packet["name"])
def test_options(packet: dict[str, Any]) -> None:
    try:
        user, payload = (bytes.fromhex(packet[name]).decode("utf-8") for name in ("user", "payload"))
    except UnicodeDecodeError:
        return  # options are text
    options = [
        "--operation",
        packet["operation"],
        "--sequence",
        str(packet["sequence"]),
        "--framing",
        packet["framing"],
    ]
    result = simp("encode", *options, "--user", user, "--payload", payload)
    assert (result.exit_code, result.stdout.strip()) == (0, packet["hex"])


def test_raw_bytes() -> None:
    result = simp("encode", "--operation", "ACK", "--framing", "bare", "--raw")
    assert result.stdout_bytes == b"\x01\x04" + bytes(37)


def test_a_wrong_datagram_can_be_made_on_purpose() -> None:
    right = simp("encode", "--operation", "MESSAGE", "--payload", "hello").stdout.strip()
    wrong = simp("encode", "--operation", "MESSAGE", "--payload", "hello", "--checksum", "0xDEAD").stdout.strip()
    assert bytes.fromhex(wrong)[39:41] == b"\xde\xad"
    assert simp("decode", right).exit_code == 0
    assert "checksum at offset 39: read 0xdead" in simp("decode", wrong).stdout
    longer = simp("encode", "--operation", "MESSAGE", "--payload", "hello", "--length", "9").stdout.strip()
    assert "length at offset 35: read 9, expected 5: 46 bytes in header are" in simp("decode", longer).stdout


@given(datagrams(), st.data())
def test_bytes_that_are_put_are_there_and_the_checksum_is_right_for_them(
    datagram: Datagram, data: st.DataObject
) -> None:
    right = build(Datagram(*fields_of(datagram)))
    at = data.draw(st.integers(0, len(right) - 1))
    put = data.draw(st.binary(min_size=1, max_size=len(right) - at))
    options = ["--operation", datagram.operation.label, "--sequence", str(datagram.sequence)]
    options += ["--framing", datagram.framing.value, "--put", str(at), put.hex()]
    result = simp("encode", *options)
    want = bytearray(right)
    want[at : at + len(put)] = put
    if datagram.framing is not Framing.BARE:
        if at + len(put) > 39:
            assert result.exit_code == 2
            assert "the checksum at offset 39 is computed afterwards: --checksum sets it" in result.stderr
            return
        assume(any(want[:39]))  # of nothing but zeros the sum is zero in two ways, and there is no such type
        order = ">H" if datagram.framing is Framing.HEADER else "<H"
        want[39:41] = struct.pack(order, rfc1071(bytes(want[:39])))
    assert result.stdout.strip() == want.hex()


def fields_of(datagram: Datagram) -> tuple[Any, ...]:
    """Those that options without user and payload give."""
    return (datagram.type, datagram.operation, datagram.sequence, b"", b"", datagram.framing)


def test_each_put_counts_and_the_checksum_may_be_wrong_too() -> None:
    options = ["encode", "--operation", "MESSAGE", "--payload", "hello"]
    hexadecimal = simp(*options, "--put", "2", "02", "--put", "41", "0x6A", "--checksum", "dead").stdout.strip()
    data = bytes.fromhex(hexadecimal)
    assert (data[2], data[39:]) == (2, b"\xde\xadjello")
    little = bytes.fromhex(simp(*options, "--length", "9").stdout.strip())
    assert little[39:41] == struct.pack(">H", rfc1071(little[:39] + b"\0\0" + little[41:]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Error: give either --operation, or -"),
        (["-", "--operation", "SYN"], "read both, expected either --operation, or -"),
        (["nonsense"], "read 'nonsense', expected either --operation, or -"),
        (["SYN", "--user", "alice"], "read SYN without its option: --operation SYN"),
        (["--operation", "WAVE"], "'WAVE' is not one of"),
        (
            ["--operation", "SYN", "--sequence", "2"],
            "sequence at offset 2: read 2, expected 0x00, 0x01; --put 2 02 makes it",
        ),
        (
            ["--operation", "SYN", "--put", "40", "0000"],
            "read 2 bytes at offset 40, expected them to fit into the datagram's 41",
        ),
        (["--operation", "SYN", "--put", "99999999999999999999", "00"], "read 1 bytes at offset 99999999999999999999"),
        (["--operation", "SYN", "--put", "-1", "00"], "read '-1', expected a whole number from 0 on"),
        (["--operation", "SYN", "--put", "2", ""], "read '', expected hexadecimal digits, two a byte"),
        (["--operation", "SYN", "--put", "2", "0g"], "read '0g', expected hexadecimal digits, two a byte"),
        (["--operation", "SYN", "--put", "2", "012"], "read '012', expected hexadecimal digits, two a byte"),
        (["--operation", "SYN", "--put", "2"], "requires 2 arguments"),
        (["--operation", "SYN", "--user", "x" * 33], "user at offset 3"),
        (["--operation", "SYN", "--checksum", "12"], "expected four hexadecimal digits"),
        (["--operation", "SYN", "--framing", "bare", "--checksum", "1234"], "bare has no checksum"),
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], words: str) -> None:
    result = simp("encode", *arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_bytes_that_are_no_text_are_sent_as_typed() -> None:
    result = simp("encode", "--operation", "MESSAGE", "--framing", "bare", "--payload", "\udcff\udcfe")
    assert result.stdout.strip().endswith("00000002fffe")


@pytest.mark.skipif(os.name != "posix", reason="closes the input as a shell's <&- does")
def test_a_closed_input_is_one_line() -> None:
    command = [sys.executable, "-m", "simp_proto.cli.main", "encode", "-"]
    result = subprocess.run(command, preexec_fn=lambda: os.close(0), capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, "Error: standard input: it is closed\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "read 'nonsense', expected a JSON object, as simp decode --json prints it"),
        ("[]", "read [], expected an object"),
        ("[" * 100_000, "[[[[['..., expected a JSON object"),
        ('{"operation": "ACK", "framing": "bare", "sequence": ' + "1" * 5000 + "}", "111'..., expected a JSON object"),
        ('{"error": "no"}', "read a refused datagram"),
        ('{"operation": "WAVE"}', 'read no type and operation "WAVE"'),
        ('{"type": "chat", "operation": "SYN"}', 'read type "chat" and operation "SYN"'),
        ('{"type": null}', "read type null and no operation, expected an operation of that type"),
        ('{"operation": "SYN"}', "read no framing, expected header, trailer, bare"),
        ('{"operation": "SYN", "framing": "bare"}', "read no sequence, expected a number"),
        ('{"operation": "SYN", "framing": "round"}', 'read framing "round"'),
        ('{"operation": "SYN", "framing": "bare", "sequence": true}', "read sequence true"),
        ('{"operation": "SYN", "framing": "bare", "sequence": 0, "user": 7}', "read user 7"),
        ('{"operation": "SYN", "framing": "bare", "sequence": 0, "user_hex": "zz"}', 'read user "zz"'),
        ('{"operation": "SYN", "framing": "header", "sequence": 9}', "sequence at offset 2"),
    ],
)
def test_what_cannot_be_encoded_is_told_by_its_line_and_the_rest_goes_on(line: str, words: str) -> None:
    good = '{"operation": "ACK", "framing": "bare", "sequence": 0}'
    result = simp("encode", "-", stdin=f"{good}\n\n{line}\n{good}\n")
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.startswith("line 2: ")
    assert len(result.stdout.split()) == 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.dictionaries(
            st.sampled_from(["framing", "type", "operation", "sequence", "user", "payload", "user_hex", "payload_hex"]),
            inner,
        ),
    )
)
def test_no_object_raises_anything_else(read: Any) -> None:
    try:
        from_json(read)
    except SimpError as error:
        text = str(error)
        assert text.isprintable()


def test_a_line_that_is_too_long_is_told_and_the_others_are_read() -> None:
    whole = simp("decode", "--json", CHAT).stdout
    result = simp("encode", "-", stdin=f'{{"payload": "{"x" * 3_000_000}"}}\n{whole}')
    assert (result.exit_code, result.stdout.strip()) == (1, CHAT)
    assert result.stderr == "line 1: read more than 1048576 bytes, expected one datagram\n"

"""`simp decode` and `simp`, as they are typed."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.command import main

GOLDEN = tomllib.loads((Path(__file__).parent.parent / "spec" / "packets.toml").read_text("utf-8"))
SYN = "010200616c696365" + "00" * 27 + "00000013" + b"SIMP/1 header utf-8".hex()
CHAT = next(packet["hex"] for packet in GOLDEN["packet"] if packet["name"] == "the first message has number 1")


def simp(*arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(main, list(arguments), input=stdin)


@pytest.mark.parametrize("packet", GOLDEN["packet"], ids=lambda packet: packet["name"])
def test_json_has_the_golden_fields(packet: dict[str, Any]) -> None:
    result = simp("decode", "--json", "--framing", packet["framing"], packet["hex"])
    assert result.exit_code == 0
    read = json.loads(result.stdout)
    assert list(read) == ["framing", "type", "operation", "sequence", "user", "length", "checksum", "payload"]
    for field in ("framing", "type", "operation", "sequence", "length"):
        assert read[field] == packet[field]
    assert read["checksum"] == packet.get("checksum")


@pytest.mark.parametrize("packet", GOLDEN["refused"], ids=lambda packet: packet["name"])
def test_a_refusal_names_field_and_offset(packet: dict[str, Any]) -> None:
    if not packet["hex"]:
        return
    framing = ["--framing", packet["framing"]] if "framing" in packet else []
    result = simp("decode", "--json", *framing, packet["hex"])
    assert result.exit_code == 1
    read = json.loads(result.stdout)
    assert (read["field"], read["offset"]) == (packet["field"], packet["offset"])
    assert (
        read["error"] == f"{read['field']} at offset {read['offset']}: read {read['read']}, expected {read['expected']}"
    )
    text = simp("decode", *framing, packet["hex"])
    assert text.exit_code == 1
    assert text.stdout == f"refused: {read['error']}\n"


SPACED = " ".join(SYN[at : at + 2] for at in range(0, len(SYN), 2))


@pytest.mark.parametrize(
    "arguments",
    [
        [SYN],
        [SYN.upper()],
        ["0x" + SYN],
        [SPACED],
        SPACED.split(),
        [SPACED.replace(" ", ":")],
        [SPACED.replace(" ", " 0x")],
        [f"  {SYN}\n"],
    ],
    ids=["plain", "upper case", "0x", "blanks", "arguments", "colons", "0x each", "around"],
)
def test_hexadecimal_as_people_have_it(arguments: list[str]) -> None:
    result = simp("decode", "--json", *arguments)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["payload"] == "SIMP/1 header utf-8"


def test_several_and_standard_input() -> None:
    for result in (simp("decode", "--json", SYN, CHAT), simp("decode", "--json", "-", stdin=f"{SYN}\n\n{SPACED}\n")):
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) == 2


def test_standard_input_goes_on_after_what_is_wrong() -> None:
    result = simp("decode", "--json", "-", stdin=b"zz\n\xff\n" + SYN[:-2].encode() + b"\n" + SYN.encode())
    assert result.exit_code == 1
    read = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line.get("field") for line in read] == ["hex", "hex", "length", None]
    assert "in line 1" in read[0]["error"]


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


def test_what_a_peer_wrote_is_escaped() -> None:
    hostile = "020101" + b"\x1b[2J".hex() + "00" * 28 + "00000005" + b"\x1b]0;\x07".hex()
    result = simp("decode", hostile)
    assert "\x1b" not in result.stdout
    assert "\\x1b[2J" in result.stdout
    assert "\x1b" not in simp("decode", "--json", hostile).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["decode"], "Missing argument"),
        (["decode", "--framing", "round", SYN], "'round' is not one of"),
        (["decode", "0102zz"], "read 'z' as digit 5"),
        (["decode", SYN + "0"], f"read {len(SYN) + 1} digits"),
        (["nonsense"], "No such command 'nonsense'"),
        (["daemon", "nowhere"], "read 'nowhere'"),
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], words: str) -> None:
    result = simp(*arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


@given(st.text(max_size=100))
def test_no_argument_brings_a_traceback(text: str) -> None:
    result = simp("decode", "--", text)
    assert result.exit_code in (0, 1, 2)
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("command", ["daemon", "client", "decode", "demo"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    assert command in simp("--help").stdout
    result = simp(command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"simp {command}" in result.stdout


def test_demo_shows_a_whole_conversation() -> None:
    result = simp("demo", "--pause", "0")
    assert result.exit_code == 0
    words = ["SYN 0", "ringing", "SYN+ACK 0", "the chat is on", "MESSAGE 1", "MESSAGE 0", "FIN", "alice has left"]
    at = -1
    for word in words:
        at = result.stdout.index(word, at + 1)
    assert result.stdout.count("knows that it arrived") == 4

"""`simp decode` and `simp`, as they are typed."""

import json
import re
import signal
import struct
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.cli.main import main
from tests.scripted_daemon import PATIENCE
from tests.test_capture import HEAD, TIME, V4, block, enhanced, ethernet, interface, ipv4, option, pcap, section, udp
from tests.test_datagram import by_hand

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
    names = ["framing", "type", "operation", "sequence", "user", "length", "checksum", "payload"]
    names += [f"{name}_hex" for name in ("user", "payload") if read[name].encode() != bytes.fromhex(packet[name])]
    assert list(read) == names
    for name in names[8:]:
        assert read[name] == packet[name.removesuffix("_hex")]
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
    assert [read[name] for name in ("section", "field", "offset")] == [
        packet[name] for name in ("section", "field", "offset")
    ]
    assert (
        read["error"] == f"{read['field']} at offset {read['offset']}: read {read['read']}, expected {read['expected']}"
    )
    text = simp("decode", *framing, packet["hex"])
    assert text.exit_code == 1
    head, *lines = text.stdout.splitlines()
    assert head.startswith("refused")
    at = lines.index(f"refused (spec {packet['section']}): {read['error']}")
    assert lines[at + 1 :] == [f"perhaps: {hint}" for hint in read["hints"]]
    rows = [re.fullmatch(r"([> ]) *(\d+)  ((?:\w\w )*\w\w|) *(?:  (\w+).*)?", line) for line in lines[1:at]]
    assert "".join(row[3] for row in rows if row).replace(" ", "") == packet["hex"] == read["hex"]
    marked = [(row[4], int(row[2])) for row in rows if row and row[1] == ">"]
    assert marked[0] == (packet["field"], packet["offset"])
    assert all(name is None for name, _ in marked[1:])


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
    result = simp("decode", "--json", "-", stdin=b"zz zz\n\xff\n" + SYN[:-2].encode() + b"\n" + SYN.encode())
    assert result.exit_code == 1
    read = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line.get("field") for line in read] == ["hex", "hex", "length", None]
    assert read[0]["error"].startswith("hex at offset 0: read 'z' as digit 1 in line 1, expected")


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


ACK = "0104" + "00" * 37
PACKETS = [
    ethernet(ipv4(udp(bytes.fromhex(data)))) for data in (SYN, ACK, "0102", CHAT, CHAT)
]  # all of them from the same side
CAPTURED = {"time": TIME, "source": "192.0.2.1:7777", "destination": "192.0.2.2:7777"}


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("file", [pcap(*PACKETS), HEAD + b"".join(map(enhanced, PACKETS))], ids=["pcap", "pcapng"])
def test_a_capture_as_json(tmp_path: Path, file: bytes) -> None:
    for result in (simp("decode", "--json", written(tmp_path / "a", file)), simp("decode", "--json", "-", stdin=file)):
        assert result.exit_code == 1
        read = [json.loads(line) for line in result.stdout.splitlines()]
        assert [{name: line.pop(name) for name in CAPTURED} for line in read] == [CAPTURED] * 5
        hexadecimal = simp("decode", "--json", SYN, ACK, CHAT)
        assert [line for line in read if "error" not in line][:3] == [
            json.loads(line) for line in hexadecimal.stdout.splitlines()
        ]
        assert read[2]["field"] == "sequence"


def test_a_capture_as_text(tmp_path: Path) -> None:
    result = simp("decode", written(tmp_path / "a.pcap", pcap(*PACKETS[1:3], ethernet(V4, 0x0806))), CHAT)
    lines = result.stdout.splitlines()
    assert lines[0] == "2023-11-14 22:13:20.250000 UTC  192.0.2.1:7777 > 192.0.2.2:7777"
    assert lines[1] == "control ACK, bare framing, 39 bytes"
    at = lines.index("")
    assert lines[at + 1 : at + 3] == [
        lines[0],
        "refused, 2 bytes",
    ]
    second = lines.index("", at + 1)
    assert lines[second - 1 : second + 2] == [
        "refused (spec 2): sequence at offset 2: read the end after 2 bytes, expected at least 39 bytes",
        "",
        "chat MESSAGE, header framing, 46 bytes",
    ]
    assert result.stderr.endswith("a.pcap: passed over packets: 1 other than UDP port 7777\n")


def test_times_that_no_calendar_has() -> None:
    file = section() + interface(101) + block(3, struct.pack("<I", len(V4)) + V4)
    assert simp("decode", "-", stdin=file).stdout.startswith("(no time)  192.0.2.1:7777 > ")
    file = section() + interface(101, option(9, b"\0")) + enhanced(V4, ticks=1 << 60)
    assert simp("decode", "-", stdin=file).stdout.startswith("1152921504606846976.000000 seconds after 1970  192.")


def ladder(*packets: bytes) -> list[str]:
    """The lines that are drawn for these, a quarter of a second after one another."""
    file = HEAD + b"".join(enhanced(packet, ticks=ticks * 250_000) for ticks, packet in enumerate(packets))
    result = simp("decode", "--ladder", "-", stdin=file)
    assert result.exit_code == 1
    return result.stdout.splitlines()


def test_a_ladder_of_a_capture() -> None:
    answer = ethernet(ipv4(udp(bytes.fromhex(ACK)), hosts=(2, 1)))
    other_port = ethernet(ipv4(udp(bytes.fromhex(ACK), 9999)))
    lines = ladder(*PACKETS, answer, other_port, PACKETS[4])
    assert [line.split("  ")[-1] for line in lines] == [
        "192.0.2.2:7777",
        "bare, 58 bytes",
        "bare, 39 bytes",
        "refused (spec 2): sequence at offset 2: read the end after 2 bytes, expected at least 39 bytes",
        "header, 46 bytes",
        "header, 46 bytes, again",
        "bare, 39 bytes",
        "",
        "192.0.2.2:7777",
        "bare, 39 bytes",
        "",
        "192.0.2.2:7777",
        "header, 46 bytes, again",
    ]
    assert [line[:9].strip() for line in lines if "bytes" in line] == [f"{at / 4:.3f}" for at in range(8)]


def test_ladders_that_are_kept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    other_port = ethernet(ipv4(udp(bytes.fromhex(ACK), 9999)))
    packets = (PACKETS[2], PACKETS[3], other_port, PACKETS[3])
    assert ladder(*packets)[-1].endswith(", again")
    monkeypatch.setattr("simp_proto.toolkit.decode._MAX_LADDERS", 1)
    assert ladder(*packets)[-1].endswith("header, 46 bytes")


def test_what_the_capture_cut() -> None:
    whole = PACKETS[0]
    result = simp("decode", "--json", "-", stdin=pcap(whole[:-30], whole=len(whole)))
    assert result.exit_code == 1
    read = json.loads(result.stdout)
    assert (read["source"], read["field"], read["offset"]) == ("192.0.2.1:7777", "capture", 28)
    assert read["error"].endswith("read the end after 28 bytes, expected 58: the capture cut the packet")


def test_after_a_broken_capture_the_others_are_read(tmp_path: Path) -> None:
    broken = written(tmp_path / "broken", pcap(*PACKETS[:2])[:-1])
    result = simp("decode", "--json", broken, str(tmp_path), written(tmp_path / "whole", pcap(PACKETS[3])))
    assert result.exit_code == 1
    assert [json.loads(line)["operation"] for line in result.stdout.splitlines()] == ["SYN", "MESSAGE"]
    first, second = result.stderr.splitlines()
    assert first.startswith(f"Error: {broken}: record at offset 140: read the end of the capture at ")
    assert second.startswith(f"Error: {tmp_path}: ")


def test_files_that_are_no_captures(tmp_path: Path) -> None:
    raw = written(tmp_path / "raw", bytes.fromhex(SYN))
    text = written(tmp_path / "text", f"{SYN}\n{SPACED}\n".encode())
    result = simp("decode", "--json", raw, text, written(tmp_path / "empty", b""), SYN)
    assert result.exit_code == 0
    assert len(set(result.stdout.splitlines())) == 1
    assert len(result.stdout.splitlines()) == 4
    assert simp("decode", "--json", "-", stdin=bytes.fromhex(SYN)).stdout == result.stdout.splitlines()[0] + "\n"
    result = simp("decode", written(tmp_path / "other", b"\x89PNG\r\n"))
    assert result.exit_code == 1
    assert "\nrefused (spec 2.1): type at offset 0: read 0x89, expected 0x01" in result.stdout
    result = simp("decode", written(tmp_path / "long", b"\x89PNG" + bytes(60_000)))
    assert len(result.stdout.splitlines()) < 250
    assert "bytes more)" in result.stdout
    result = simp("decode", written(tmp_path / "a.pcap.gz", b"\x1f\x8b\x08" + bytes(40)))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "it is compressed: unpack it first, as with gunzip -c FILE | simp decode -" in result.stderr


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


def test_which_of_several_is_refused(tmp_path: Path) -> None:
    lines = written(tmp_path / "some.hex", f"{SYN}\n\n07{SYN[2:]}\n".encode())
    shown = simp("decode", SYN, "07" + SYN[2:], lines, written(tmp_path / "raw", b"\7" * 39)).stdout.splitlines()
    before = [shown[at - 1] for at, line in enumerate(shown) if line.startswith("refused, ")]
    assert before == ["argument 2", f"{lines}, line 3", str(tmp_path / "raw")]
    read = map(json.loads, simp("decode", "--json", SYN, "07" + SYN[2:], lines).stdout.splitlines())
    assert [each.get("where") for each in read] == [None, "argument 2", None, f"{lines}, line 3"]
    assert simp("decode", "07" + SYN[2:]).stdout.startswith("refused, ")
    assert "argument 3\nrefused, 2 bytes\n" in simp("decode", lines, lines, "07", "02").stdout


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


def test_hexadecimal_is_no_name_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "cafe", bytes.fromhex(SYN))
    assert simp("decode", "cafe").exit_code == 1
    assert simp("decode", "./cafe").exit_code == 0


def test_colour_only_where_a_person_looks_and_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def coloured(*options: str) -> str:
        return CliRunner().invoke(main, ["decode", *options, "-"], input=pcap(*PACKETS), color=True).stdout

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31mrefused" in coloured()
    assert "\x1b[36m2023" in coloured()
    assert re.search(r"\x1b\[31m> +2 .*sequence", coloured())
    assert coloured("--ladder").count("\x1b[31m") == 1
    assert coloured("--ladder").count("\x1b[36m") == 2
    assert "\x1b" not in coloured("--json")
    assert "\x1b" not in simp("decode", "-", stdin=pcap(*PACKETS)).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in coloured()
    monkeypatch.setenv("NO_COLOR", "")
    assert "\x1b" in coloured()


@contextmanager
def running(*options: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "simp_proto.cli.main", "decode", *options, "-"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signal to one process")
@pytest.mark.parametrize("options", [["--json"], ["--ladder"], []])
def test_traffic_is_shown_as_it_comes_until_one_has_enough(options: list[str]) -> None:
    with running(*options) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(pcap(PACKETS[0]))
        process.stdin.flush()
        assert b"192.0.2.1:7777" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells a closed pipe otherwise")
def test_a_closed_pipe_ends_it_quietly() -> None:
    with running("--json") as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write(pcap(PACKETS[0]))
        process.stdin.flush()
        assert process.wait(PATIENCE) == 1
        assert process.stderr.read() == b""


@given(st.binary(max_size=400))
def test_no_input_brings_a_traceback(data: bytes) -> None:
    for options in ([], ["--json"], ["--ladder"]):
        for start in (b"", pcap(), HEAD, b"\x0a\x0d\x0d\x0a"):
            result = simp("decode", *options, "-", stdin=start + data)
            assert result.exit_code in (0, 1, 2)
            assert result.exception is None or isinstance(result.exception, SystemExit)


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
        (
            ["decode", "no-such.pcap"],
            "'no-such.pcap' is no file that is there, and no hexadecimal: read 'n' as digit 1, expected two digits",
        ),
        (["decode", "01", "02", "no-such.pcap"], "'no-such.pcap' is no file"),
        (["decode", "--compare", SYN], "--compare takes two datagrams, read 1"),
        (["decode", "--compare", SYN, SYN, SYN], "--compare takes two datagrams, read more"),
        (["decode", "--compare", "--ladder", SYN, SYN], "give either --compare or --ladder"),
        (["decode", "--json", "--ladder", SYN], "give either --json or --ladder"),
        (["decode", "--ladder", SYN], "--ladder draws what a capture has"),
        (["decode", "--port", "0", SYN], "0 is not in the range"),
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


def test_demo_shows_a_whole_conversation() -> None:
    result = simp("demo", "--pause", "0")
    assert result.exit_code == 0
    words = ["SYN 0", "ringing", "SYN+ACK 0", "the chat is on", "MESSAGE 1", "MESSAGE 0", "FIN", "alice has left"]
    at = -1
    for word in words:
        at = result.stdout.index(word, at + 1)
    assert result.stdout.count("knows that it arrived") == 4

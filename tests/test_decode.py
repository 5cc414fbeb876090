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
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    return result.stdout.replace("\n           ", " ").splitlines()


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
            "'no-such.pcap' is neither an existing file nor hexadecimal: read 'n' as digit 1, expected two digits",
        ),
        (["decode", "01", "02", "no-such.pcap"], "'no-such.pcap' is neither"),
        (["decode", "--compare", SYN], "--compare takes two datagrams, read 1"),
        (["decode", "--compare", SYN, SYN, SYN], "--compare takes two datagrams, read more"),
        (["decode", "--compare", "--ladder", SYN, SYN], "give either --compare or --ladder"),
        (["decode", "--json", "--ladder", SYN], "give either --json or --ladder"),
        (["decode", "--ladder", SYN], "--ladder draws only what has addresses"),
        (["decode", "--port", "0", SYN], "read '0', expected a whole number from 1 to 65535"),
        (["nonsense"], "No such command 'nonsense'"),
        (["completion", "bash", "a", "b"], "Error: read more than this command takes: a b"),
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

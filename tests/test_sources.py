"""Where `simp decode` finds datagrams: arguments, files and standard input."""

import json
from pathlib import Path

import pytest

from tests.test_capture import ethernet, ipv4, pcap, udp
from tests.test_decode import CHAT, PACKETS, SYN, simp, written
from tests.test_frame import fragmented

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
    assert result.stderr == f"{tmp_path / 'empty'}: no datagrams to show\n"
    assert simp("decode", "--json", "-", stdin=bytes.fromhex(SYN)).stdout == result.stdout.splitlines()[0] + "\n"
    result = simp("decode", written(tmp_path / "other", b"\x89PNG\r\n"))
    assert result.exit_code == 1
    assert "\nrefused (spec 2.1): type at offset 0: read 0x89, expected 0x01" in result.stdout
    result = simp("decode", written(tmp_path / "long", b"\x89PNG" + bytes(60_000)))
    assert len(result.stdout.splitlines()) < 250
    assert "bytes more)" in result.stdout


def test_which_of_several_is_refused(tmp_path: Path) -> None:
    lines = written(tmp_path / "some.hex", f"{SYN}\n\n07{SYN[2:]}\n".encode())
    shown = simp("decode", SYN, "07" + SYN[2:], lines, written(tmp_path / "raw", b"\7" * 39)).stdout.splitlines()
    before = [shown[at - 1] for at, line in enumerate(shown) if line.startswith("refused, ")]
    assert before == ["argument 2", f"{lines}, line 3", str(tmp_path / "raw")]
    read = map(json.loads, simp("decode", "--json", SYN, "07" + SYN[2:], lines).stdout.splitlines())
    assert [each.get("where") for each in read] == [None, "argument 2", None, f"{lines}, line 3"]
    assert simp("decode", "07" + SYN[2:]).stdout.startswith("refused, ")
    assert "argument 3\nrefused, 2 bytes\n" in simp("decode", lines, lines, "07", "02").stdout


def test_hexadecimal_is_no_name_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "cafe", bytes.fromhex(SYN))
    assert simp("decode", "cafe").exit_code == 1
    assert simp("decode", "./cafe").exit_code == 0


@pytest.mark.parametrize("start", [b"GMBU\0\3", b"TRSNIFF data", b"btsnoop\0"])
def test_captures_of_other_kinds_are_named(tmp_path: Path, start: bytes) -> None:
    result = simp("decode", "--ladder", written(tmp_path / "a", start + bytes(50)))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "convert it first, as with editcap -F pcap FILE chat.pcap" in result.stderr


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_text_as_windows_writes_it(tmp_path: Path, mark: str) -> None:
    data = (f"\ufeff{CHAT}\r\n\r\n{SYN}\r\n" if mark == "utf-16-be" else f"{CHAT}\r\n\r\n{SYN}\r\n").encode(mark)
    result = simp("decode", "--json", written(tmp_path / "a", data))
    assert [json.loads(line)["operation"] for line in result.stdout.splitlines()] == ["MESSAGE", "SYN"]


def test_packets_that_are_written_down_have_addresses(tmp_path: Path) -> None:
    """Whatever of them is for other ports is passed over, as in a capture."""
    ours, other = ipv4(udp(bytes.fromhex(CHAT))), ipv4(udp(b"x" * 30, 9, 10))
    text = "".join(f"12:00:00.1 IP a > b: UDP\n\t0x0000:  {packet.hex(' ', 2)}\n" for packet in (ours, other, ours))
    result = simp("decode", "--json", written(tmp_path / "a", text.encode()))
    assert result.exit_code == 0
    assert [json.loads(line)["source"] for line in result.stdout.splitlines()] == ["192.0.2.1:7777"] * 2
    assert result.stderr.endswith("passed over packets: 1 other than UDP port 7777\n")
    first, last = fragmented(udp(bytes.fromhex(CHAT)), 16)
    whole = simp("decode", "--json", written(tmp_path / "b", f"{first.hex()}\n{last.hex()}\n".encode()))
    assert json.loads(whole.stdout)["payload"] == "hello"
    assert simp("decode", "--ladder", ours.hex()).stdout.count("MESSAGE 1 'hello'") == 1


def test_where_there_is_nothing_the_ports_that_occur_are_told(tmp_path: Path) -> None:
    packets = [ethernet(ipv4(udp(bytes.fromhex(CHAT), port, 7777))) for port in (7777, 5000, 7777)]
    file = written(tmp_path / "a.pcap", pcap(*packets))
    text = written(tmp_path / "a.txt", "".join(f"{each[14:].hex()}\n\n" for each in packets).encode())
    for path in (file, text):
        result = simp("decode", "--port", "9999", "--port", "9998", path)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == (
            f"{path}: passed over packets: 3 other than UDP port 9999 or 9998\n"
            f"{path}: no datagrams to show; UDP ports in it, for --port: 7777, 5000\n"
        )
        assert simp("decode", "--port", "5000", path).stderr.endswith(
            "passed over packets: 2 other than UDP port 5000\n"
        )
    for options, stdin in ([], b""), (["--json"], b"\n \n"), (["--ladder"], pcap()):
        result = simp("decode", *options, "-", stdin=stdin)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "standard input: no datagrams to show\n")
    broken = simp("decode", written(tmp_path / "b.pcap", pcap()[:-1]))
    assert "no datagrams" not in broken.stderr


@pytest.mark.parametrize(
    "literal", [r'pkt = b"\x02\x01\x01alice"', r'"\x02\x01\x01" "alice"', "{2, 1, 1, 97, 98, 99, 0, 1}"]
)
def test_a_literal_that_is_too_short_is_refused_as_what_it_is(tmp_path: Path, literal: str) -> None:
    for source in (literal, written(tmp_path / "a.py", literal.encode())):
        result = simp("decode", source)
        assert result.exit_code == 1
        assert "read the end after 8 bytes, expected at least 39 bytes" in result.stdout

"""`simp dissector`, by what a real tshark shows with it: the same as `simp decode` (spec 2)."""

import json
import os
import random
import re
import shutil
import struct
import subprocess
import tomllib
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from simp_proto.cli.main import main
from simp_proto.constants import OPERATIONS, Chat, Control, Framing, Type
from simp_proto.datagram import Datagram, build, offset, parse
from simp_proto.errors import DatagramError
from simp_proto.printable import printable
from simp_proto.toolkit.dissector import lua
from simp_proto.toolkit.reading import Reading
from tests.sealed_by_hand import datagram_by_hand
from tests.test_datagram import by_hand, rfc1071
from tests.test_envelope import GOLDEN as SEALED
from tests.test_envelope import syns

GOLDEN = tomllib.loads((Path(__file__).parent.parent / "spec" / "packets.toml").read_text("utf-8"))
# Wireshark hands an empty datagram to no dissector.
PACKETS = [packet for packet in (*GOLDEN["packet"], *GOLDEN["refused"]) if packet["hex"]]
DATA = [bytes.fromhex(packet["hex"]) for packet in PACKETS]
BOTH = next(packet for packet in PACKETS if packet["name"] == "the same bytes in a conversation in trailer")
SIMP1 = ("framing", "type", "operation", "sequence", "user", "length", "checksum", "checksum.status", "payload")
SIMP2 = ("kind", "quiet", "key", "proof", "tag", "cookie", "message", "session", "counter", "sealed")
FIELDS = (*SIMP1, *SIMP2)
TYPES = {f"0x{kind.value:02x}": kind.label for kind in Type}
HERE, THERE = b"\x7f\0\0\1", b"\x7f\0\0\2"

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
Tshark = Callable[..., str]


def frame(source: bytes, destination: bytes, data: bytes) -> bytes:
    udp = struct.pack("!HHHH", 7777, 7777, 8 + len(data), 1) + data
    if len(udp) > 65_515:  # more than IPv4 carries
        return struct.pack("!IHBB12x4s12x4s", 6 << 28, len(udp), 17, 64, source, destination) + udp
    return struct.pack("!BBHIBBH4s4s", 0x45, 0, 20 + len(udp), 0, 64, 17, 0, source, destination) + udp


def capture(frames: Iterable[bytes], cut: int = 0) -> bytes:
    """A pcap file of raw IP, with `cut` bytes of each frame not captured."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 101)]
    for number, each in enumerate(frames):
        parts.append(struct.pack("<IIII", number, 0, len(each) - cut, len(each)) + each[: len(each) - cut])
    return b"".join(parts)


def strangers(datagrams: Iterable[bytes]) -> list[bytes]:
    """A conversation for each datagram, so that none tells how to read another."""
    return [frame(struct.pack("!I", 0x0A000000 + n), HERE, data) for n, data in enumerate(datagrams, 1)]


@pytest.fixture
def tshark(tmp_path: Path) -> Tshark:
    """Runs it with the dissector, and without the settings of whoever runs the tests."""
    script = tmp_path / "simp.lua"
    assert CliRunner().invoke(main, ["dissector", "--output", str(script)]).exit_code == 0

    def run(data: bytes, *options: str) -> str:
        (tmp_path / "simp.pcap").write_bytes(data)
        command = ["tshark", "-X", f"lua_script:{script}", "-r", str(tmp_path / "simp.pcap"), *options]
        environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(tmp_path), "LC_ALL": "C.UTF-8"}
        ended = subprocess.run(command, env=environment, capture_output=True, timeout=300, check=True)
        assert b"Lua" not in ended.stderr, ended.stderr
        return ended.stdout.decode("utf-8")

    return run


def fields(tshark: Tshark, data: bytes, *options: str) -> list[dict[str, Any]]:
    """What it shows of each datagram, in the words of `simp decode --json` as far as it has others."""
    names = [f"simp.{name}" for name in FIELDS]
    experts = ["_ws.expert.message", "simp.refused", "simp.checksum.bad", "simp.sequence.foreign", "simp.cut"]
    chosen = [option for name in (*names, *experts) for option in ("-e", name)]
    return [layers(packet) for packet in json.loads(tshark(data, "-T", "json", *chosen, *options))]


def layers(packet: dict[str, Any]) -> dict[str, Any]:
    shown = {name.removeprefix("simp."): value for name, value in packet["_source"].get("layers", {}).items()}
    for name, values in shown.items():
        assert len(values) == 1, (name, values)
    shown = {name: values[0] for name, values in shown.items()}
    shown["type"] = TYPES.get(shown.get("type", ""))
    return shown


def expected(data: bytes, framings: tuple[Framing, ...]) -> dict[str, Any]:
    """The fields of `simp decode --json`, as tshark writes them."""
    reading = Reading.of(data, framings)
    datagram, error, read = reading.datagram, reading.error, reading.as_json
    if error or not datagram:
        assert error
        wrong = "checksum.bad" if error.field == "checksum" else "refused"
        return {wrong: True, "message": printable(str(error))}
    said = {name: str(read[name]) for name in ("framing", "type", "operation", "sequence", "length")}
    # A C string ends at a NUL, so control characters come as codes.
    said["user"] = printable(read["user"])
    if read["checksum"] is not None:
        said |= {"checksum": f"0x{read['checksum']}", "checksum.status": "1"}
    sealed = dict(read.get("simp2", {}))
    if "kind" in sealed and datagram.operation is not Control.SYN:
        return said | {name: str(value) for name, value in sealed.items()}
    if "kind" in sealed:  # the tag takes a hash
        said |= {"kind": "OFFER", "quiet": "1" if sealed["quiet"] else "0"}
        said |= {name: sealed[name] for name in ("e", "cookie", "ring_proof")}
    if read["payload"]:
        said["payload"] = re.sub("[\0-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match[0]):02x}", read["payload"])
    if datagram.sequence > 1:
        return {**said, "sequence.foreign": True, "message": f"{datagram.sequence}: SIMP/1 numbers are 0 and 1"}
    return said


def compare(shown: dict[str, Any], data: bytes, framings: tuple[Framing, ...]) -> None:
    want = expected(data, framings)
    got = dict(shown)
    for name in ("tag", "cookie", "message", "session", "sealed"):
        if name in got and name in SIMP2:
            got[name] = got[name].replace(":", "")
    if "proof" in got:
        key, proof = (urlsafe_b64decode(got.pop(name) + "=" * more) for name, more in (("key", 0), ("proof", 1)))
        got |= {"e": key[1:].hex(), "cookie": proof[:16].hex(), "ring_proof": proof[16:].hex()}
        got["quiet"] = {"True": "1", "False": "0"}.get(got["quiet"], got["quiet"])
    if "_ws.expert.message" in got:
        got["message"] = got.pop("_ws.expert.message")
    for name in ("refused", "checksum.bad", "sequence.foreign"):
        if name in got:
            got[name] = True
    if "refused" in want or "checksum.bad" in want:
        # What could be shown nevertheless says nothing about what is right.
        assert "checksum.bad" not in want or got["checksum.status"] == "0"
        got = {name: value for name, value in got.items() if name in ("message", "refused", "checksum.bad")}
    assert got == want, data.hex()


@pytest.mark.slow
@needs_tshark
@pytest.mark.parametrize("framing", [None, *Framing], ids=lambda framing: framing.value if framing else "any")
def test_every_golden_packet_is_shown_as_decode_shows_it(tshark: Tshark, framing: Framing | None) -> None:
    options = ("-o", f"simp.framing:{framing.value}") if framing else ()
    shown = fields(tshark, capture(strangers(DATA)), *options)
    assert len(shown) == len(DATA)
    for read, data, packet in zip(shown, DATA, PACKETS, strict=True):
        compare(read, data, (framing,) if framing else tuple(Framing))
        if packet in GOLDEN["packet"] and framing is Framing(packet["framing"]):
            for name in ("framing", "type", "operation"):
                assert read[name] == packet[name]
            assert (read["sequence"], read["length"]) == (str(packet["sequence"]), str(packet["length"]))
            assert read.get("checksum", "0x")[2:] == packet.get("checksum", "")
        elif packet in GOLDEN["refused"] and packet.get("framing") == (framing and framing.value):
            assert read["_ws.expert.message"].startswith(f"{packet['field']} at offset {packet['offset']}: read ")


@pytest.mark.slow
@needs_tshark
@pytest.mark.parametrize("framing", [None, *Framing], ids=lambda framing: framing.value if framing else "any")
def test_the_columns(tshark: Tshark, framing: Framing | None) -> None:
    options = ("-o", f"simp.framing:{framing.value}") if framing else ()
    columns = 'gui.column.format:"Protocol","%p","Info","%i"'
    lines = tshark(capture(strangers(DATA)), "-T", "tabs", "-o", columns, *options).splitlines()
    for line, data in zip(lines, DATA, strict=True):
        assert line.split("\t") == ["SIMP", Reading.of(data, (framing,) if framing else tuple(Framing)).in_words]


@pytest.mark.slow
@needs_tshark
@pytest.mark.parametrize("passes", [(), ("-2",)], ids=["one pass", "two passes"])
def test_what_reads_as_both_is_in_the_framing_of_its_conversation(tshark: Tshark, passes: tuple[str, ...]) -> None:
    both = bytes.fromhex(BOTH["hex"])
    message = {framing: build(Datagram(Type.CHAT, Chat.MESSAGE, 1, b"alice", b"hello", framing)) for framing in Framing}
    other = b"\x7f\0\0\3"
    talk = [
        (HERE, THERE, both, "header"),
        (HERE, THERE, message[Framing.TRAILER], "trailer"),
        (THERE, HERE, both, "trailer"),
        (THERE, HERE, both[:-1], None),
        (HERE, THERE, both, "trailer"),
        (other, HERE, both, "header"),
        (HERE, THERE, message[Framing.HEADER], "header"),
        (THERE, HERE, both, "header"),
        (HERE, THERE, message[Framing.BARE], "bare"),
        (THERE, HERE, both, "header"),
    ]
    shown = fields(tshark, capture(frame(*each[:3]) for each in talk), *passes)
    assert [read.get("framing") for read in shown] == [each[3] for each in talk]


def mutated(chance: random.Random) -> bytes:
    """A datagram, often with bytes changed, cut off or added, the checksum recomputed or not."""
    if chance.random() < 0.05:
        return chance.randbytes(chance.randint(1, 200))
    framing = chance.choice(list(Framing))
    kind = chance.choice(list(Type))
    operation = chance.choice(list(OPERATIONS[kind].values()))
    sequence = chance.choice((0, 1, 2, chance.randrange(256)) if framing is Framing.BARE else (0, 1))
    user = chance.choice((b"alice", b" bob ", chance.randbytes(chance.randint(0, 32)).rstrip(b"\0")))
    payload = chance.choice(
        (b"", b"hello", characters(chance), chance.randbytes(chance.randint(0, 300)), sealed_payload(chance))
    )
    data = bytearray(build(Datagram(kind, operation, sequence, user, payload, framing)))
    for _ in range(chance.choice((0, 0, 1, 3))):
        data[chance.choice((0, 1, 2, 34, 38, chance.randrange(len(data))))] = chance.choice(
            (0, 3, chance.randrange(256))
        )
    if framing is not Framing.BARE and chance.random() < 0.5:
        at = offset("checksum", framing, len(payload))
        try:
            parse(bytes(data), (framing,))
        except DatagramError as error:
            if error.field == "checksum":
                data[at : at + 2] = int(error.expected, 16).to_bytes(2, "big")
    if chance.random() < 0.2:
        return bytes(data[: chance.randint(1, len(data))]) + chance.randbytes(chance.randrange(3))
    return bytes(data)


def sealed_payload(chance: random.Random) -> bytes:
    """Of SIMP/2, at times with a byte changed."""
    entry = chance.choice([each for name in ("payload", "offer") for each in SEALED[name]])
    payload = bytearray(bytes.fromhex(entry["hex"])[41 if "kind" in entry else 0 :])
    if chance.random() < 0.5:
        payload[chance.randrange(len(payload))] = chance.choice((b" ", b"@", b"-", b"A", b"z", b"\xff"))[0]
    return bytes(payload)


def characters(chance: random.Random) -> bytes:
    """Text near the edges of UTF-8: code points where lengths change, surrogates, and sequences cut short."""
    edges = (0, 0x7F, 0x80, 0x9F, 0xA0, 0x7FF, 0x800, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF)
    parts = [chr(chance.choice(edges)).encode("utf-8", "surrogatepass") for _ in range(chance.randint(1, 20))]
    parts += [b"\xc0\x80", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5", b"\xff"]
    return b"".join(part[: chance.choice((1, 4, 4, 4))] for part in chance.sample(parts, len(parts)))


@pytest.mark.slow
@needs_tshark
def test_simp2_is_shown_as_decode_shows_it(tshark: Tshark) -> None:
    datagrams = [
        bytes.fromhex(entry["hex"]) for name in ("payload", "refused_payload", "call") for entry in SEALED[name]
    ]
    offers = [entry["hex"] for name in ("offer", "not_offer") for entry in SEALED[name]]
    datagrams += [bytes.fromhex(data) for offer in offers for data in syns(offer)]
    datagrams.append(by_hand("trailer", 1, 2, 0, b"alice", bytes.fromhex(offers[0])))
    # Names and sizes as they are read from what is malformed.
    datagrams += [datagram_by_hand("ACK", b"\x81" + bytes(8), user=user) for user in (b"it's", b"\x81\r\\", b" ")]
    datagrams += [datagram_by_hand("ACK", b"\x81" + bytes(size)) for size in (998, 999, 2000)]
    counters = (2**63 - 1, 2**63, 2**64 - 1)
    datagrams += [datagram_by_hand("ACK", struct.pack(">B4sQ", 0x88, b"", each) + bytes(16)) for each in counters]
    capturing = capture(strangers(datagrams))
    for read, data in zip(fields(tshark, capturing), datagrams, strict=True):
        compare(read, data, tuple(Framing))
    lines = tshark(capturing, "-T", "tabs", "-o", 'gui.column.format:"Info","%i"').splitlines()
    for line, data in zip(lines, datagrams, strict=True):
        assert line == re.sub("^OFFER [0-9a-f]{16}", "OFFER", Reading.of(data).in_words)
    assert len(tshark(capturing, "-Y", 'simp.kind == "ANSWER"').splitlines()) == 3
    assert len(tshark(capturing, "-Y", "simp.session == d6:fd:30:c2 && simp.counter == 1").splitlines()) == 2


@pytest.mark.slow
@needs_tshark
def test_mutated_datagrams_are_shown_as_decode_shows_them(tshark: Tshark) -> None:
    chance = random.Random(7777)
    datagrams = [mutated(chance) for _ in range(5000)]
    # The longest that are.
    for framing, size in ((Framing.HEADER, 65_486), (Framing.TRAILER, 65_486), (Framing.BARE, 65_488)):
        datagrams.append(build(Datagram(Type.CHAT, Chat.MESSAGE, 1, b"alice", b"x\xe9" * (size // 2), framing)))
    want = [expected(data, tuple(Framing)) for data in datagrams]
    accepted = [each for each in want if "framing" in each]
    assert {each["framing"] for each in accepted} == {framing.value for framing in Framing}
    assert min(len(accepted), len(want) - len(accepted)) > 1000
    assert {each["message"].split()[0] for each in want if "framing" not in each} == {
        "type", "operation", "sequence", "user", "length", "checksum", "payload",
    }  # fmt: skip

    shown = fields(tshark, capture(strangers(datagrams)))
    assert len(shown) == len(datagrams)
    for read, data in zip(shown, datagrams, strict=True):
        compare(read, data, tuple(Framing))


@pytest.mark.slow
@needs_tshark
@pytest.mark.parametrize("kept", [1, 2, 20, 38, 39, 40, 45])
def test_a_datagram_that_is_not_whole_is_not_called_wrong(tshark: Tshark, kept: int) -> None:
    data = build(Datagram(Type.CHAT, Chat.MESSAGE, 1, b"alice", b"hello"))
    sent = frame(HERE, THERE, data)
    for frames in (capture([sent], cut=len(data) - kept), capture([unreachable(sent[: len(sent) - len(data) + kept])])):
        (shown,) = fields(tshark, frames)
        assert shown["_ws.expert.message"] == f"not whole: {kept} of {len(data)} bytes"
        assert "cut" in shown
        assert not {"refused", "checksum.bad", "framing"} & set(shown)
        assert shown.get("operation") == ("MESSAGE" if kept > 1 else None)
        assert shown.get("length") == ("5" if kept >= 39 else None)


def unreachable(quoted: bytes) -> bytes:
    """What a machine without a daemon answers, with the beginning of what it got."""
    checksum = rfc1071(struct.pack("!BBHI", 3, 3, 0, 0) + quoted)
    data = struct.pack("!BBHI", 3, 3, checksum, 0) + quoted
    return struct.pack("!BBHIBBH4s4s", 0x45, 0, 20 + len(data), 0, 64, 1, 0, THERE, HERE) + data


@pytest.mark.slow
@needs_tshark
def test_other_ports(tshark: Tshark) -> None:
    data = capture([frame(HERE, THERE, DATA[0])])
    assert len(tshark(data, "-Y", "simp", "-o", "simp.ports:8777,7770-7779").splitlines()) == 1
    assert not tshark(data, "-Y", "simp", "-o", "simp.ports:8777")


@pytest.mark.slow
@needs_tshark
def test_filters_take_the_words(tshark: Tshark) -> None:
    packets = [packet for packet in GOLDEN["packet"] if packet is not BOTH]
    data = capture(strangers(bytes.fromhex(packet["hex"]) for packet in packets))
    for name in ("framing", "type", "operation"):
        for word in {packet[name] for packet in packets}:
            found = tshark(data, "-Y", f'simp.{name} == "{word}"').splitlines()
            assert len(found) == sum(packet[name] == word for packet in packets)


def test_it_says_everything_and_always_the_same() -> None:
    printed = CliRunner().invoke(main, ["dissector"])
    assert printed.exit_code == 0
    text = printed.stdout
    assert text == lua() == lua()
    for name in FIELDS:
        assert f'"simp.{name}"' in text
    labels = [operation.label for operations in OPERATIONS.values() for operation in operations.values()]
    for label in labels + [kind.label for kind in Type] + [framing.value for framing in Framing]:
        assert f'= "{label}"' in text
    for words in ("local PORT = 7777\n", "local HEAD_SIZE = 39\n", "length = { at = 35, size = 4 }"):
        assert words in text


def test_it_begins_with_what_it_is_and_where_to_put_it() -> None:
    comment = lua().partition("\n\n")[0]
    assert all(line.startswith("--") for line in comment.splitlines())
    for words in (version("simp-chat"), "Help > About > Folders", "tshark -X lua_script:simp.lua", "MIT"):
        assert words in comment


def test_a_folder_that_is_new_is_made(tmp_path: Path) -> None:
    script = tmp_path / "plugins" / "4.0" / "simp.lua"
    assert CliRunner().invoke(main, ["dissector", "--output", str(script)]).exit_code == 0
    assert script.read_text("utf-8") == lua()


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["dissector", "--output", str(tmp_path / "file" / "simp.lua")])
    assert (result.exit_code, result.output) == (1, f"Error: {tmp_path / 'file'}: File exists\n")

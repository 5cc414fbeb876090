"""`simp decode --key-log`: what is sealed in SIMP/2 is shown, by the golden call and records (simp2 6, 10.2)."""

import json
import re
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import Any

import pytest

from simp_daemon.peers.sealed.seal import Seal
from simp_proto.constants import Control, Framing, Type
from simp_proto.datagram import Datagram, build, with_checksum
from simp_proto.noise import HandshakeState, KeyPair
from simp_proto.sealed.frames import Close, Hello, State, build_frames
from simp_proto.sealed.key_log import SessionKeys, build_line
from simp_proto.sealed.offer import Offer, build_offer, prologue, tag_of
from simp_proto.sealed.payloads import Answer, Confirm, build_payload, session_of
from simp_proto.toolkit.keyring import Keyring
from simp_proto.toolkit.reading import Reading
from tests.sealed_by_hand import frame_by_hand, record_by_hand
from tests.test_decode import simp, written
from tests.test_envelope import CALL, GOLDEN, NAMED, bytes_of, captured, golden

(HANDSHAKE,) = GOLDEN["handshake"]
LINE = HANDSHAKE["key_log"]
KEY = bytes.fromhex(HANDSHAKE["callee_key"])
SESSION = bytes.fromhex(HANDSHAKE["session"])
DATA = [data for _, data in CALL]
HEXES = [data.hex() for data in DATA]
OPENED = [
    *NAMED[:4],
    "ANSWER, HELLO 'bob'",
    "CONFIRM, HELLO 'alice', STATE 1 1",
    "STATE 1 1",
    "ACKED 1, PIECE 1 'hello'",
    "ACKED 2",
    "CLOSE 0",
    "CLOSED",
]
FAULTS = {entry["hex"] for entry in GOLDEN["record"] if entry["outcome"] == "fault"}
FIELDS = ("features", "first", "next", "number", "flags", "echo", "bitmap", "reason")
"""Of frames: numbers, which JSON has as they are."""
IN_HEXADECIMAL = ("signing_key", "before", "upto", "data", "body")


@pytest.fixture
def log(tmp_path: Path) -> str:
    """The key log of the golden call, among others' sessions."""
    others = " ".join(["SIMP2", "00" * 8, "00" * 4, *["00" * 32] * 4])
    return written(tmp_path / "keys.log", f"# made by a daemon\n\n{others}\n{LINE}\r\n".encode())


def bytes_by_hand(frame: dict[str, Any]) -> bytes:
    """A frame of the JSON, as the oracle puts it together."""
    fields = {name: frame[name] for name in FIELDS if name in frame}
    fields |= {name: bytes.fromhex(frame[name]) for name in IN_HEXADECIMAL if name in frame}
    if frame["type"] == "HELLO":
        fields["name"] = frame["name"].encode()
    if frame["type"] == "CLOSE":
        fields["text"] = frame["text"].encode()
    if frame["type"] == "UNKNOWN":
        fields["type"] = frame["code"]
    return frame_by_hand(frame["type"], fields)


def test_the_golden_call_is_opened(log: str) -> None:
    result = simp("decode", "--json", "--key-log", log, *HEXES)
    assert (result.exit_code, result.stderr) == (0, "")
    read = [json.loads(line) for line in result.stdout.splitlines()]
    plain = [HANDSHAKE["frames_2"], HANDSHAKE["frames_3"], *(entry["plain"] for entry in GOLDEN["call"][6:])]
    assert [each["simp2"].get("opened") for each in read[:4]] == [None] * 4
    for each, (side, _), right in zip(read[4:], CALL[4:], plain, strict=True):
        opened = each["simp2"]["opened"]
        assert opened["from"] == side
        made = b"".join(map(bytes_by_hand, opened["frames"]))
        assert made + bytes(len(right) // 2 - len(made)) == bytes.fromhex(right)
    piece = read[7]["simp2"]["opened"]["frames"][1]
    assert (piece["kind"], piece["time"], piece["text"]) == (1, 1_790_000_000_000, "hello")


def test_as_text_the_frames_follow_their_datagram(log: str) -> None:
    text = simp("decode", "--key-log", log, *HEXES).stdout.split("\n\n")
    for shown, entry in zip(text[6:], GOLDEN["call"][6:], strict=True):
        sealed, opened = shown.split(f"opened with the {entry['from']}'s key, 64 bytes of frames:\n")
        assert bytes_of(sealed) == entry["hex"]
        frames = bytes_of(opened)
        assert entry["plain"] == frames.ljust(128, "0")
        assert opened.rstrip().endswith(f"  padding    {64 - len(frames) // 2} bytes")
    assert "  PIECE      number 1, whole, written 2026-09-21 14:13:20.000000 UTC: 'hello'" in text[7]


def test_as_a_ladder_and_a_page(tmp_path: Path, log: str) -> None:
    file = written(tmp_path / "call.pcap", captured(CALL))
    lines = simp("decode", "--ladder", "--key-log", log, file).stdout.splitlines()[1:]
    drawn = [re.split("[─▶◀│]+", line)[1].strip() for line in lines]
    assert drawn == [name if len(name) <= 30 else f"{name[:29]}…" for name in OPENED]
    page = simp("decode", "--html", "--key-log", log, file).stdout
    for name in OPENED:
        assert f", {name.replace(chr(39), '&#x27;')}, header" in page or name.startswith("OFFER")
    assert "number 1, whole, written 2026-09-21" in page


def test_what_comes_before_a_handshake_must_be_there(log: str) -> None:
    told = "not opened: its seal covers the {} of its call, which hasn't been read"
    for hexes, missing in ((HEXES[4:], "SYN"), ([HEXES[0], HEXES[5]], "ANSWER")):
        result = simp("decode", "--key-log", log, *hexes)
        assert result.exit_code == 0
        assert told.format(missing) in result.stdout.splitlines()
    assert "HELLO      'alice'" in simp("decode", "--key-log", log, HEXES[2], HEXES[4], HEXES[5]).stdout


def test_a_repeat_is_opened_again_and_a_forged_one_is_no_matter(log: str) -> None:
    forged = [build(build_payload(kind(DATA[1][42:50], bytes(138)))).hex() for kind in (Answer, Confirm)]
    syn, answer, confirm = HEXES[0], HEXES[4], HEXES[5]
    result = simp("decode", "--json", "--key-log", log, syn, forged[0], answer, answer, forged[1], confirm, confirm)
    assert result.exit_code == 1
    opened = [json.loads(line)["simp2"].get("opened") for line in result.stdout.splitlines()]
    assert [each and each.get("from", "forged") for each in opened] == [
        None, "forged", "callee", "callee", "forged", "caller", "caller",
    ]  # fmt: skip


def test_what_is_not_opened_is_drawn_with_the_reason(tmp_path: Path, log: str) -> None:
    file = written(tmp_path / "call.pcap", captured(CALL[4:]))
    told = "not opened: its seal covers the SYN of its call, which hasn't been read"
    drawn = simp("decode", "--ladder", "--key-log", log, file).stdout
    assert f"header, 188 bytes, {told}" in " ".join(drawn.split())
    page = simp("decode", "--html", "--key-log", log, file).stdout
    assert f'<div class="why"><p>{escape(told)}</p></div>' in page


@golden("record")
def test_a_golden_record_is_read_or_said_to_be_wrong(tmp_path: Path, entry: dict[str, Any]) -> None:
    keys = ["11" * 8, entry["session"], "00" * 32, "00" * 32, entry["key"], "00" * 32]
    path = written(tmp_path / "keys.log", " ".join(["SIMP2", *keys]).encode())
    result = simp("decode", "--json", "--key-log", path, entry["hex"])
    opened = json.loads(result.stdout)["simp2"]["opened"]
    text = simp("decode", "--key-log", path, entry["hex"]).stdout.splitlines()
    page = simp("decode", "--html", "--key-log", path, entry["hex"]).stdout
    if entry["outcome"] == "forged":
        assert opened["forged"] is True
        assert opened["why"] == text[-1]
        assert opened["why"] in page
    elif entry["hex"] in FAULTS:
        assert opened["plain"] == entry["plain"]
        assert text[-1] == f"wrong frames (simp2 {opened['section']}): {opened['error']}"
        assert text[-1] in page
    else:
        made = b"".join(map(bytes_by_hand, opened["frames"]))
        assert made.ljust(64, b"\0").hex() == entry["plain"]
    assert result.exit_code == (entry["outcome"] == "forged" or entry["hex"] in FAULTS)


def test_two_sessions_may_share_their_number(tmp_path: Path) -> None:
    other = LINE.replace(HANDSHAKE["callee_key"], "00" * 32).replace(HANDSHAKE["caller_key"], "11" * 32)
    path = written(tmp_path / "keys.log", f"{other}\n{LINE}\n".encode())
    assert "PIECE      number 1" in simp("decode", "--key-log", path, HEXES[7]).stdout


def test_what_has_no_keys_is_said_once(tmp_path: Path) -> None:
    path = written(tmp_path / "none.log", b"")
    result = simp("decode", "--key-log", path, *HEXES)
    assert result.exit_code == 0
    assert result.stdout == simp("decode", *HEXES).stdout
    assert result.stderr.splitlines() == [
        f"{path}: call 11e173b8a9e247e8: its keys aren't in the key log",
        f"{path}: nor are the keys of 1 more in the key log",
    ]


def test_what_is_no_key_log_is_said_so_and_its_lines_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "notes.txt", b"hello world\n" * 50)
    result = simp("decode", "--key-log", path, HEXES[0])
    assert result.exit_code == 1
    wrong = [f"{path}: line {number}: read 'hello', expected SIMP2" for number in (1, 2, 3)]
    assert result.stderr.splitlines() == [
        *wrong,
        f"{path}: none of its 50 lines has keys: it is no key log, which simp daemon --key-log writes",
        f"{path}: 47 more lines are wrong",
    ]


def test_keys_that_are_written_meanwhile_count(tmp_path: Path) -> None:
    told: list[str] = []
    with open(written(tmp_path / "keys.log", b"# ours\n"), encoding="utf-8") as log:
        keyring = Keyring(log, told.append)
        envelopes = [envelope for data in (*DATA[:4], DATA[6]) if (envelope := Reading.of(data).envelope)]
        assert [keyring.open(each) for each in envelopes] == [None] * 5
        with open(log.name, "a", encoding="utf-8") as daemon:
            daemon.write(f"nonsense\n{LINE}\n")
        opened = [keyring.open(each) for each in envelopes]
    assert [each and each.side for each in opened] == [None, None, None, None, "callee"]
    assert told == ["session d6fd30c2: its keys aren't in the key log", "line 2: read 'nonsense', expected SIMP2"]


def test_a_key_log_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    for path, why in ((tmp_path, "is a directory"), (tmp_path / "none", "No such file or directory")):
        result = simp("decode", "--key-log", str(path), HEXES[0])
        assert result.exit_code == 2
        assert "--key-log" in result.stderr
        assert why in result.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("CLIENT_RANDOM 00 00", "read 'CLIENT_RANDOM', expected SIMP2"),
        ("SIMP2", "read 0 words after SIMP2, expected 6: tag, session, key of message 2, "),
        (f"{LINE} 00", "read 7 words after SIMP2, expected 6: "),
        (LINE.replace("SIMP2 11", "SIMP2 1"), "tag: read '1e173b8a9e247e8', expected 16 hexadecimal digits"),
        (LINE[:-2], "callee's key: read '60527cc7e2d79cdaddd5'... (62 characters), expected 64 hexadecimal digits"),
        ("\x1b[2J", "read '\\x1b[2J', expected SIMP2"),
        ("\udcff", "read '\\\\xff', expected SIMP2"),
    ],
)
def test_a_line_that_is_wrong_is_named_and_the_others_count(tmp_path: Path, line: str, told: str) -> None:
    path = written(tmp_path / "keys.log", f"# ours\n{line}\n{LINE}\n".encode("utf-8", "surrogateescape"))
    result = simp("decode", "--key-log", path, HEXES[7])
    assert result.exit_code == 1
    (error,) = result.stderr.splitlines()
    assert error.startswith(f"{path}: line 2: {told}")
    assert "PIECE      number 1" in result.stdout


def record(*frames: bytes, operation: str = "MESSAGE") -> str:
    plain = b"".join(frames)
    return record_by_hand(KEY, SESSION, 9, plain + bytes(-len(plain) % 64), operation)[2].hex()


def piece(number: int, flags: int, data: bytes) -> bytes:
    return frame_by_hand("PIECE", {"number": number, "flags": flags, "data": data})


@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        (
            piece(1, 3, b"\1" + bytes(8) + b"\x1b[2J\xff"),
            "whole, written 1970-01-01 00:00:00.000000 UTC: '\\x1b[2J\\xff'",
        ),
        (piece(1, 3, b"\7" + bytes(8) + b"\x1b"), "whole, written 1970-01-01 00:00:00.000000 UTC: of kind 7"),
        (piece(1, 3, b"\1" + b"\x7f" + b"\xff" * 7 + b"x"), "seconds after 1970: 'x'"),
        (piece(1, 1, b"\1\2"), "number 1, first: '\\x01\\x02'"),
        (piece(5, 0, b"middle"), "number 5: 'middle'"),
        (piece(6, 2, "\u202e".encode()), "number 6, last: '\\u202e'"),
        (frame_by_hand("UNKNOWN", {"type": 0x7F, "body": b"\x1b"}), "0x7f       1 byte of a frame of a later version"),
        (frame_by_hand("PING", {}), "PING\n"),
    ],
)
def test_what_a_peer_wrote_is_escaped(log: str, frame: bytes, shown: str) -> None:
    for options in ([], ["--json"], ["--html"]):
        result = simp("decode", "--key-log", log, *options, record(frame))
        assert result.exit_code == 0
        assert not set("\x1b\u202e") & set(result.stdout)
    assert shown in simp("decode", "--key-log", log, record(frame)).stdout


def test_a_text_for_people_in_a_close(log: str) -> None:
    close = frame_by_hand("CLOSE", {"reason": 1, "text": b"\x1b]0;x\a"})
    shown = simp("decode", "--key-log", log, record(close, operation="ERR")).stdout
    assert "CLOSE      reason 1: '\\x1b]0;x\\x07'" in shown


def test_no_changed_bit_is_taken_for_the_record() -> None:
    for data in (CALL[4][1], CALL[7][1]):
        for bit in range(3 * 8, len(data) * 8):
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            keyring = Keyring(iter([LINE]), lambda told: None)
            for each in (CALL[0][1], with_checksum(bytes(changed), Framing.HEADER)):
                if envelope := Reading.of(each).envelope:
                    opened = keyring.open(envelope)
                    assert opened is None or opened.forged or 39 * 8 <= bit < 41 * 8


def test_the_cipher_is_loaded_only_with_a_key_log(log: str) -> None:
    program = (
        "import sys, atexit; from simp_proto.cli.main import main; "
        "atexit.register(lambda: print('cryptography' in sys.modules)); main()"
    )
    for options, is_loaded in (((), "False"), (("--key-log", log), "True")):
        command = [sys.executable, "-c", program, "decode", *options, HEXES[7]]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ended.stdout.splitlines()[-1] == is_loaded


def test_what_a_daemon_writes_opens_what_it_sealed() -> None:
    """By the daemon's own handshake and seal."""
    offer = Offer(bytes(1) + KeyPair(b"e" * 32).public, bytes(32))
    bound = prologue(b"alice", offer.text)
    caller, callee = (
        HandshakeState(initiator=initiator, prologue=bound, s=KeyPair(static * 32), e=KeyPair(ephemeral * 32))
        for initiator, static, ephemeral in ((True, b"a", b"e"), (False, b"b", b"f"))
    )
    callee.read_message(caller.write_message())
    answer = callee.write_message(build_frames([Hello(0, bytes(32), b"bob")]))
    caller.read_message(answer)
    state = State(1, bytes(8), 1, bytes(8))
    confirm = caller.write_message(build_frames([Hello(0, bytes(32), b"alice"), state]))
    callee.read_message(confirm)
    *keys, hashed = caller.split()
    tag, session = tag_of(offer.e), session_of(hashed)
    line = build_line(SessionKeys(tag, session, *callee.payload_keys, *keys))
    seal = Seal((keys[0], keys[1]), hashed, caller=False)
    sent = [
        build(Datagram(Type.CONTROL, Control.SYN, 0, b"alice", build_offer(offer), Framing.BARE)),
        build(build_payload(Answer(tag, answer))),
        build(build_payload(Confirm(tag, confirm))),
        seal.seal([Close(0, b"bye")])[0],
        seal.seal([])[0],
    ]
    keyring = Keyring(iter([line]), pytest.fail)
    opened = [envelope and keyring.open(envelope) for envelope in (Reading.of(data).envelope for data in sent)]
    assert [each and (each.side, each.in_words) for each in opened] == [
        None, ("callee", "HELLO 'bob'"), ("caller", "HELLO 'alice', STATE 1 1"), ("callee", "CLOSE 0 'bye'"),
        ("callee", "no frames"),
    ]  # fmt: skip

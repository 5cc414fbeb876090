"""What `simp decode` says of SIMP/2 without a key, by the golden bytes (simp2 2, 3, 10.1)."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.constants import Framing
from simp_proto.datagram import Datagram, build, with_checksum
from simp_proto.toolkit import dump
from simp_proto.toolkit.reading import Reading
from tests.sealed_by_hand import datagram_by_hand, payload_by_hand
from tests.test_capture import ethernet, ipv4, pcap, udp
from tests.test_datagram import by_hand, datagrams
from tests.test_decode import simp, written

GOLDEN = tomllib.loads((Path(__file__).parent.parent / "spec" / "sealed.toml").read_text("utf-8"))
CALL = [(entry["from"], bytes.fromhex(entry["hex"])) for entry in GOLDEN["call"]]
TAG = "11e173b8a9e247e8"
NAMED = [
    f"OFFER {TAG}",
    f"CHALLENGE {TAG}",
    f"OFFER {TAG}",
    f"RINGING {TAG}",
    f"ANSWER {TAG}",
    f"CONFIRM {TAG}",
    "MESSAGE RECORD d6fd30c2 0",
    "MESSAGE RECORD d6fd30c2 0",
    "ACK RECORD d6fd30c2 1",
    "FIN RECORD d6fd30c2 1",
    "ACK RECORD d6fd30c2 2",
]
"""What the golden call is without its keys."""


def golden(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", GOLDEN[name], ids=lambda entry: entry["name"])


def captured(call: list[tuple[str, bytes]]) -> bytes:
    """A capture of what two daemons send each other, the caller's host being number 1."""
    hosts = {"caller": (1, 2), "callee": (2, 1)}
    return pcap(*(ethernet(ipv4(udp(data), hosts=hosts[side])) for side, data in call))


def bytes_of(text: str) -> str:
    """What the rows of a dump have in their column of bytes."""
    rows = [re.match(r"[> ] *\d+  ((?:\w\w )*\w\w|) *", line) for line in text.splitlines()]
    return "".join(row[1] for row in rows if row).replace(" ", "")


@golden("payload")
def test_a_golden_payload_is_named(entry: dict[str, Any]) -> None:
    result = simp("decode", "--json", entry["hex"])
    assert result.exit_code == 0
    fields = {name: value for name, value in entry.items() if name not in ("name", "section", "hex", "operation")}
    read = json.loads(result.stdout)
    assert (read["simp2"], read["operation"]) == (fields, entry["operation"])
    text = simp("decode", entry["hex"]).stdout
    assert f" {entry['operation']}, {entry['kind']} of SIMP/2, header framing, " in text.splitlines()[0]
    assert re.search(rf"^    41  {entry['hex'][82:84]} +kind +{entry['kind']}$", text, re.MULTILINE)
    for name in set(fields) - {"kind", "message", "sealed"}:
        assert re.search(rf" {name} +{fields[name]}$", text, re.MULTILINE), name
    assert bytes_of(text) == entry["hex"]


@golden("refused_payload")
def test_what_is_wrong_with_a_golden_payload_is_said(entry: dict[str, Any]) -> None:
    result = simp("decode", "--json", entry["hex"])
    assert result.exit_code == 1
    read = json.loads(result.stdout)
    assert [read[name] for name in ("specification", "section", "field", "offset", "hex")] == [
        "simp2", *(entry[name] for name in ("section", "field", "offset", "hex")),
    ]  # fmt: skip
    text = simp("decode", entry["hex"])
    assert text.exit_code == 1
    assert f"refused (simp2 {entry['section']}): {read['error']}" in text.stdout.splitlines()
    assert bytes_of(text.stdout) == entry["hex"]
    (marked,) = (line for line in text.stdout.splitlines() if re.match("> +[0-9]+  .*[a-z]{4}", line))
    shown_in = "payload" if entry["field"] == "counter" else entry["field"]
    assert f"  {shown_in} " in marked
    page = simp("decode", "--html", entry["hex"]).stdout
    assert f"refused (simp2 {entry['section']}): " in page


def syns(payload: str) -> list[str]:
    """With that payload, in the framings of SIMP/2's SYNs (2.1)."""
    return [
        by_hand("bare", 1, 2, 0, b"alice", bytes.fromhex(payload)).hex(),
        datagram_by_hand("SYN", bytes.fromhex(payload), user=b"alice").hex(),
    ]


@golden("offer")
def test_a_golden_offer_is_named(entry: dict[str, Any]) -> None:
    for data in syns(entry["hex"]):
        result = simp("decode", "--json", data)
        assert result.exit_code == 0
        read = json.loads(result.stdout)["simp2"]
        assert read["kind"] == "OFFER"
        assert (read["quiet"], read["e"]) == (bool(int(entry["key"][:2], 16) & 1), entry["key"][2:])
        assert read["cookie"] + read["ring_proof"] == entry["proof"]
        words = bytes.fromhex(entry["offer"]).decode().split(" ")
        assert sorted(read["tokens"]) == sorted(words[3 : words.index("SIMP/2")] + words[words.index("SIMP/2") + 2 :])
        text = simp("decode", data).stdout
        assert bytes_of(text) == data
        assert f"  key        {'quiet' if read['quiet'] else 'rings'}, e {read['e']}\n" in text
        assert f"  proof      cookie {read['cookie']}, ring proof {read['ring_proof']}\n" in text


@golden("not_offer")
def test_why_a_syn_does_not_offer_simp2_is_said_where_it_looks_so(entry: dict[str, Any]) -> None:
    payload = bytes.fromhex(entry["hex"])
    for data in syns(entry["hex"]):
        result = simp("decode", "--json", data)
        assert result.exit_code == 0  # of SIMP/1 it is (2.1)
        read = json.loads(result.stdout)
        assert read["payload"].encode() == payload or read["payload_hex"] == entry["hex"]
        last = simp("decode", data).stdout.splitlines()[-1]
        if payload.startswith(b"SIMP/1 header utf-8") and b"SIMP/2" in payload:
            start = len(data) // 2 - len(payload)
            assert [read["simp2"][name] for name in ("section", "field", "offset")] == [
                entry["section"], entry["field"], entry["offset"] + start,
            ]  # fmt: skip
            assert last == f"no offer of SIMP/2 (simp2 2.1): {read['simp2']['error']}"
        else:
            assert "simp2" not in read
            assert "SIMP/2 (" not in last


@given(datagrams())
def test_simp1_is_shown_as_ever(datagram: Datagram) -> None:
    is_simp2 = datagram.framing.value == "header" and datagram.payload[:1] and 0x80 <= datagram.payload[0] < 0xC0
    if not is_simp2:
        reading = Reading.of(build(datagram), (datagram.framing,))
        assert (reading.datagram, reading.envelope, reading.note) == (datagram, None, None)


@st.composite
def nearly(draw: st.DrawFn) -> bytes:
    """A golden datagram of SIMP/2 with bytes changed and perhaps cut off or added, its checksum being right."""
    hexes = [entry["hex"] for name in ("payload", "call") for entry in GOLDEN[name]]
    offers = [data for entry in GOLDEN["offer"] for data in syns(entry["hex"])]
    data = bytearray.fromhex(draw(st.sampled_from(hexes + offers)))
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        data = data[: draw(st.integers(41, len(data)))] + draw(st.binary(max_size=4))
        data[35:39] = (len(data) - 41).to_bytes(4, "big")
    return with_checksum(bytes(data), Framing.HEADER)


@given(nearly())
def test_whatever_comes_near_is_shown_whole_and_printable(data: bytes) -> None:
    reading = Reading.of(data)
    assert b"".join(field.data for field in dump.fields(reading)) == data
    assert all(row.text.isprintable() for row in dump.rows(reading))
    assert reading.in_words.isprintable()
    shown = json.loads(json.dumps(reading.as_json))
    assert ("error" in shown) is (reading.error is not None)
    if reading.envelope and shown["simp2"]["kind"] != "OFFER":
        fields = {
            name: value if isinstance(value, int) else bytes.fromhex(value)
            for name, value in shown["simp2"].items()
            if name != "kind"
        }
        assert payload_by_hand(shown["simp2"]["kind"], fields) == data[41:]


def test_the_golden_call_as_a_ladder_and_a_page(tmp_path: Path) -> None:
    file = written(tmp_path / "call.pcap", captured(CALL))
    lines = simp("decode", "--ladder", file).stdout.splitlines()[1:]
    assert [re.split("[─▶◀│]+", line)[1].strip() for line in lines] == NAMED
    assert not any("again" in line for line in lines)
    page = simp("decode", "--html", file).stdout
    for name in NAMED:
        assert f", {name}, " in page


def test_a_text_of_simp1_that_is_refused_is_guessed() -> None:
    text = datagram_by_hand("MESSAGE", b"\xab hello \xbb", 1, b"alice").hex()
    assert simp("decode", text).stdout.splitlines()[-1].startswith("perhaps: a text that isn't UTF-8: one of SIMP/1")
    assert json.loads(simp("decode", "--json", GOLDEN["refused_payload"][0]["hex"]).stdout)["hints"] == []


@pytest.mark.parametrize("name", ["offer", "not_offer"])
@pytest.mark.parametrize("place", [("trailer", 1, 2, 0), ("header", 2, 1, 0), ("header", 1, 2, 1), ("bare", 1, 2, 1)])
def test_an_offer_is_in_a_syn_of_number_0_and_not_in_trailer(name: str, place: tuple[str, int, int, int]) -> None:
    payload = bytes.fromhex(GOLDEN[name][-1]["hex"])
    data = by_hand(*place, b"", payload)
    assert "simp2" not in json.loads(simp("decode", "--json", data.hex()).stdout)


def test_two_calls_are_compared_field_by_field() -> None:
    first, again = (data.hex() for _, data in (CALL[0], CALL[2]))
    assert "They differ in framing, proof and checksum; equal: " in simp("decode", "--compare", first, again).stdout
    challenge, ringing = (data.hex() for _, data in (CALL[1], CALL[3]))
    assert (
        "They differ in length, kind and cookie, and so in checksum; equal: "
        in simp("decode", "--compare", challenge, ringing).stdout
    )

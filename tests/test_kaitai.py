"""`spec/simp.ksy`, by the parsers that Kaitai's own compiler makes of it for two languages (spec 2)."""

import importlib.util
import json
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kaitaistruct
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.constants import Framing
from simp_proto.datagram import build, parse
from simp_proto.errors import DatagramError
from tests.test_datagram import by_hand, datagrams, mutated

ROOT = Path(__file__).parent.parent
DESCRIPTION = ROOT / "spec" / "simp.ksy"
SCRIPT = Path(__file__).parent / "kaitai.js"
GOLDEN = tomllib.loads((ROOT / "spec" / "packets.toml").read_text("utf-8"))
SEALED = tomllib.loads((ROOT / "spec" / "sealed.toml").read_text("utf-8"))
FRAMINGS = [framing.value for framing in Framing]
BEYOND_KAITAI = {
    "a checksum of zero",
    "ffff for 0000",
    "one bit of the payload is wrong",
    "one bit of the user is wrong",
    "header, asked for in trailer",
}
"""The golden refusals that only who computes the checksum can tell (spec 2.6)."""
STARTS = {"type": 0, "operation": 1, "sequence": 2, "user": 3, "length": 35}
SEQ = ("type", "operation", "operation", "sequence", "user", "length")
"""Which field each attribute of the description's `seq` is: Kaitai says its number."""

Asked = list[tuple[str, bytes]]
Reading = dict[str, Any]
"""The fields, named as in packets.toml. Of what is refused, the field that is wrong and its offset, or nothing."""
Read = Callable[[Asked], list[Reading]]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both parsers."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    folder = tmp_path_factory.mktemp("kaitai")
    command = ["node", str(SCRIPT), "compile", str(DESCRIPTION), str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if "MODULE_NOT_FOUND" in ended.stderr:
        pytest.skip("Kaitai's compiler is not on NODE_PATH; .ci/run shows how to install it")
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(scope="module")
def simp(compiled: Path) -> Any:
    """The class that the compiler made."""
    spec = importlib.util.spec_from_file_location("simp", compiled / "simp.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Simp


def read_in_python(simp: Any, framing: str, data: bytes) -> Reading:
    try:
        datagram = getattr(simp.from_bytes(data), framing)
    except kaitaistruct.EndOfStreamError as error:
        at = len(data) - error.bytes_available
        return {"field": next(name for name, start in STARTS.items() if start == at), "offset": at}
    except kaitaistruct.ValidationFailedError as error:
        name = SEQ[int(error.src_path.removeprefix("/types/datagram/seq/"))]
        return {"field": name, "offset": STARTS[name]}
    control = datagram.datagram_type is simp.DatagramType.control
    said = {
        "type": datagram.datagram_type.name,
        "operation": (datagram.control_operation if control else datagram.chat_operation).name,
        "sequence": datagram.sequence,
        "user": datagram.user.hex(),
        "length": datagram.length,
        "payload": datagram.payload.hex(),
        "checksum": datagram.checksum,
    }
    return as_golden(said, framing)


def as_golden(said: Reading, framing: str) -> Reading:
    """What a parser said of a datagram that it has read, in the words of packets.toml."""
    words = {"type": said["type"].lower(), "operation": said["operation"].upper().replace("_", "+")}
    checksum = said.pop("checksum")
    assert (checksum is None) is (framing == "bare")
    if checksum is not None:
        words["checksum"] = checksum.to_bytes(2, "big" if framing == "header" else "little").hex()
    return said | words


@pytest.fixture
def python(simp: Any) -> Read:
    return lambda asked: [read_in_python(simp, framing, data) for framing, data in asked]


@pytest.fixture
def javascript(compiled: Path) -> Read:
    def read(asked: Asked) -> list[Reading]:
        command = ["node", str(SCRIPT), "read", str(compiled / "Simp.js")]
        stdin = json.dumps([(framing, data.hex()) for framing, data in asked])
        ended = subprocess.run(command, input=stdin, capture_output=True, text=True, check=True)
        readings = json.loads(ended.stdout)
        return [said and as_golden(said, framing) for said, (framing, _) in zip(readings, asked, strict=True)]

    return read


@pytest.fixture(params=["python", "javascript"])
def read(request: pytest.FixtureRequest) -> Read:
    found: Read = request.getfixturevalue(request.param)
    return found


def test_every_golden_packet_is_read(read: Read) -> None:
    packets = GOLDEN["packet"]
    readings = read([(packet["framing"], bytes.fromhex(packet["hex"])) for packet in packets])
    for packet, reading in zip(packets, readings, strict=True):
        fields = {name: packet[name] for name in packet.keys() - {"name", "section", "framing", "hex"}}
        assert reading == fields, packet["name"]


def test_every_golden_refusal_is_refused_unless_it_takes_the_checksum(read: Read) -> None:
    asked = [
        (packet, framing)
        for packet in GOLDEN["refused"]
        for framing in ([packet["framing"]] if "framing" in packet else FRAMINGS)
    ]
    readings = read([(framing, bytes.fromhex(packet["hex"])) for packet, framing in asked])
    accepted = {packet["name"] for (packet, _), reading in zip(asked, readings, strict=True) if "type" in reading}
    assert accepted == BEYOND_KAITAI


@pytest.mark.parametrize("entry", [*SEALED["payload"], *SEALED["refused_payload"]], ids=lambda entry: entry["name"])
def test_every_golden_payload_of_simp2_is_read_or_refused(simp: Any, entry: dict[str, Any]) -> None:
    datagram = simp.from_bytes(bytes.fromhex(entry["hex"])).header
    if entry.get("field") in ("payload", "length", "counter"):
        with pytest.raises((kaitaistruct.ValidationFailedError, kaitaistruct.EndOfStreamError)):
            _ = datagram.simp2
        return
    said = datagram.simp2
    if "kind" not in entry:  # whether operation, number and user fit is left to whoever reads
        assert entry["field"] in ("operation", "sequence", "user")
        return
    assert said.kind.name.upper() == entry["kind"]
    for name in ("tag", "cookie", "message", "session", "counter", "sealed"):
        value = getattr(said, name, None)
        assert (value.hex() if isinstance(value, bytes) else value) == entry.get(name), name


@pytest.mark.parametrize("framing", FRAMINGS)
def test_what_is_not_simp2_says_nothing_of_it(simp: Any, framing: str) -> None:
    for payload in (b"", b"\x7f", b"\xc0", *([b"\x80"] if framing != "header" else [])):
        data = by_hand(framing, 1, 4, 0, b"", payload)
        assert getattr(simp.from_bytes(data), framing).simp2 is None


@given(st.one_of(datagrams().map(build), mutated(), st.binary(max_size=60)), st.sampled_from(Framing))
def test_any_bytes_are_read_or_refused_as_by_the_declaration(simp: Any, data: bytes, framing: Framing) -> None:
    reading = read_in_python(simp, framing.value, data)
    declared = declared_reading(data, framing)
    if declared.get("field") == "checksum":
        assert "type" in reading
    else:
        assert reading == declared


def declared_reading(data: bytes, framing: Framing) -> Reading:
    """What simp_proto.datagram makes of it."""
    try:
        datagram = parse(data, (framing,))
    except DatagramError as error:
        return {"field": error.field, "offset": error.offset}
    checksum = {} if datagram.checksum is None else {"checksum": f"{datagram.checksum:04x}"}
    return checksum | {
        "type": datagram.type.label,
        "operation": datagram.operation.label,
        "sequence": datagram.sequence,
        "user": datagram.user.hex(),
        "length": datagram.length,
        "payload": datagram.payload.hex(),
    }

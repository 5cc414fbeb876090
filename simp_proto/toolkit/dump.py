"""A datagram as people and scripts read it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from simp_proto.address import format_address
from simp_proto.constants import Framing
from simp_proto.datagram import Datagram, build, offset
from simp_proto.errors import DatagramError
from simp_proto.text import printable
from simp_proto.toolkit.capture import Captured

_BYTES_A_LINE: Final = 12
_FIELDS: Final = ("type", "operation", "sequence", "user", "length", "checksum", "payload")


def as_json(datagram: Datagram) -> dict[str, Any]:
    """The object that `simp decode --json` prints for a datagram.

    Where a text doesn't tell its bytes, as where they aren't UTF-8, `user_hex` or `payload_hex` has them.
    """
    read = {
        "framing": datagram.framing.value,
        "type": datagram.type.label,
        "operation": datagram.operation.label,
        "sequence": datagram.sequence,
        "user": datagram.name,
        "length": datagram.length,
        "checksum": None if datagram.checksum is None else f"{datagram.checksum:04x}",
        "payload": datagram.text,
    }
    for name, data in (("user", datagram.user), ("payload", datagram.payload)):
        if str(read[name]).encode("utf-8") != data:
            read[f"{name}_hex"] = data.hex()
    return read


def capture_as_json(captured: Captured) -> dict[str, Any]:
    """What comes before that in the object of a captured datagram: seconds since 1970, UTC, and two addresses."""
    return {
        "time": captured.time,
        "source": format_address(captured.source),
        "destination": format_address(captured.destination),
    }


def capture_as_text(captured: Captured) -> str:
    """The same as a line for people."""
    return f"{_moment(captured.time)}  {format_address(captured.source)} > {format_address(captured.destination)}"


def _moment(time: float | None) -> str:
    if time is None:
        return "(no time)"
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    except (OverflowError, OSError, ValueError):  # a capture may say any 64 bits
        return f"{time:.6f} seconds after 1970"


def refusal_as_json(error: DatagramError) -> dict[str, Any]:
    """The object for a datagram that was refused."""
    return {
        "error": str(error),
        "section": error.section,
        "field": error.field,
        "offset": error.offset,
        "read": error.read,
        "expected": error.expected,
    }


def as_text(datagram: Datagram) -> Iterator[str]:
    """Lines with offset, bytes, field and meaning."""
    data = build(datagram)
    yield f"{datagram.type.label} {datagram.operation.label}, {datagram.framing.value} framing, {len(data)} bytes"
    yield f"{'offset':>6}  {'bytes':<{_BYTES_A_LINE * 3 - 1}}  {'field':<9}  meaning"
    starts = {name: offset(name, datagram.framing, datagram.length) for name in _FIELDS}
    if datagram.framing is Framing.BARE:
        del starts["checksum"]
    names = sorted(starts, key=lambda name: (starts[name], _FIELDS.index(name)))
    ends = [starts[name] for name in names[1:]] + [len(data)]
    for name, end in zip(names, ends, strict=True):
        yield from _field(name, starts[name], data[starts[name] : end], _meaning(name, datagram))


def refusal_as_text(error: DatagramError) -> str:
    """One line that says what is wrong."""
    section = f" (spec {error.section})" if error.section else ""
    return f"refused{section}: {printable(str(error))}"


def summary(datagram: Datagram) -> str:
    """The datagram in a few words: `MESSAGE 1 'hello'`."""
    text = f" '{printable(datagram.text)}'" if datagram.payload else ""
    return f"{datagram.operation.label} {datagram.sequence}{text}"


def _field(name: str, at: int, data: bytes, meaning: str) -> Iterator[str]:
    lines = [data[start : start + _BYTES_A_LINE] for start in range(0, len(data), _BYTES_A_LINE)] or [b""]
    for number, line in enumerate(lines):
        label, text = (name, meaning) if number == 0 else ("", "")
        yield f"{at + number * _BYTES_A_LINE:>6}  {line.hex(' '):<{_BYTES_A_LINE * 3 - 1}}  {label:<9}  {text}".rstrip()


def _meaning(name: str, datagram: Datagram) -> str:
    match name:
        case "type":
            return datagram.type.label
        case "operation":
            return datagram.operation.label
        case "sequence":
            counted = "" if datagram.sequence <= 1 else ": SIMP/1 numbers are 0 and 1"
            return f"{datagram.sequence}{counted}"
        case "user":
            return printable(datagram.name) or "(no name)"
        case "length":
            return f"{datagram.length} payload bytes"
        case "checksum":
            return f"0x{datagram.checksum:04x}, right"
        case _:
            return printable(datagram.text) or "(empty)"

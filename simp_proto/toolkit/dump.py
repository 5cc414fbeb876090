"""A datagram as people and scripts read it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from simp_proto.address import format_address
from simp_proto.constants import MAX_DATAGRAM_SIZE, OPERATIONS, Framing, Type
from simp_proto.datagram import (
    CHECKSUM_SIZE,
    CHECKSUM_SIZES,
    HEAD_SIZE,
    Datagram,
    name_of,
    offset,
    payload_length,
    sealed,
    text_of,
)
from simp_proto.errors import DatagramError
from simp_proto.printable import printable
from simp_proto.toolkit.capture import Captured
from simp_proto.toolkit.diagnosis import hints

BYTES_A_ROW: Final = 12
MOST_ROWS: Final = MAX_DATAGRAM_SIZE // BYTES_A_ROW
"""Rows of one field that are shown of a datagram that is wrong; it may be any file."""
NAME_AT: Final = 10 + BYTES_A_ROW * 3 - 1
"""The column at which a row has the field's name."""
_HEAD: Final = ("type", "operation", "sequence", "user", "length")
_TYPES: Final = {kind.value: kind.label for kind in Type}
_OPERATIONS: Final = {kind.value: operations for kind, operations in OPERATIONS.items()}


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


def refusal_as_json(error: DatagramError, data: bytes) -> dict[str, Any]:
    """The object for a datagram that was refused: `data`, or as much of it as there is."""
    return {
        "error": str(error),
        "section": error.section,
        "field": error.field,
        "offset": error.offset,
        "read": error.read,
        "expected": error.expected,
        "hints": _hints(error, data),
        "hex": data.hex(),
    }


class Field(NamedTuple):
    """A field as it stands in a datagram; also what is `missing` at its end, or `left over`."""

    name: str
    offset: int
    data: bytes
    meaning: str
    wrong: bool = False


class Line(NamedTuple):
    """A line for people, and whether it tells what is wrong."""

    text: str
    wrong: bool = False


HEADING: Final = Line(f"{'offset':>6}  {'bytes':<{BYTES_A_ROW * 3 - 1}}  {'field':<9}  meaning")


def fields(read: Datagram | DatagramError, data: bytes) -> list[Field]:
    """What `data` was read as, in the order of its bytes; of what was refused, as far as it goes in its framing."""
    wrong = read.field if isinstance(read, DatagramError) else None
    places = _places(data, read.framing)
    found = []
    for name, start, end in places:
        part = data[start:end]
        cut = end > len(data)
        if part or not cut or name == wrong:
            meaning = "" if cut and name not in ("user", "payload") else _meaning(name, start, part, data, read.framing)
            if cut:
                meaning = f"{meaning}, not whole" if meaning else "not whole"
            elif name == wrong and name != "checksum":
                meaning += ", wrong"
            found.append(Field(name, start, part, meaning, name == wrong))
    end = places[-1][2]
    if end > len(data):
        least = "at least " if len(data) < HEAD_SIZE else ""
        found.append(Field("missing", len(data), b"", least + _bytes(end - len(data))))
    if end < len(data):
        found.append(Field("left over", end, data[end:], _bytes(len(data) - end)))
    return found


def as_text(read: Datagram | DatagramError, data: bytes) -> Iterator[Line]:
    """A table with offset, bytes, field and meaning; below what was refused, why, and what may have caused it."""
    yield Line(title(read, data))
    yield HEADING
    for field in fields(read, data):
        rows = [row(field, start) for start in range(0, len(field.data) or 1, BYTES_A_ROW)]
        most = len(rows) if isinstance(read, Datagram) else MOST_ROWS
        yield from rows[:most]
        if rows[most:]:
            yield Line(f"{'':>8}({_bytes(len(field.data) - most * BYTES_A_ROW)} more)")
    if isinstance(read, DatagramError):
        yield from reasons(read, data)


def title(read: Datagram | DatagramError, data: bytes) -> str:
    """What it is, in a few words."""
    if isinstance(read, Datagram):
        return f"{read.type.label} {read.operation.label}, {read.framing.value} framing, {_bytes(len(data))}"
    framing = f", read in {read.framing.value} framing" if read.framing and len(data) > HEAD_SIZE else ""
    return f"refused{framing}, {_bytes(len(data))}"


def row(field: Field, start: int) -> Line:
    """The row of the table that has the field's bytes from `start` on; the first has its name and meaning.

    What is wrong is marked with `>`, too, for those who see no colour.
    """
    at = f"{'>' if field.wrong else ' '}{field.offset + start:>5}"
    some = field.data[start : start + BYTES_A_ROW].hex(" ")
    name, meaning = (field.name, field.meaning) if start == 0 else ("", "")
    return Line(f"{at}  {some:<{BYTES_A_ROW * 3 - 1}}  {name:<9}  {meaning}".rstrip(), field.wrong)


def reasons(error: DatagramError, data: bytes) -> Iterator[Line]:
    """Why a datagram is refused, and what may have caused it."""
    yield Line(refusal_as_text(error), wrong=True)
    for hint in _hints(error, data):
        yield Line(f"perhaps: {hint}")


def refusal_as_text(error: DatagramError) -> str:
    """One line that says what is wrong."""
    section = f" (spec {error.section})" if error.section else ""
    return f"refused{section}: {printable(str(error))}"


def summary(datagram: Datagram) -> str:
    """The datagram in a few words: `MESSAGE 1 'hello'`."""
    text = f" '{printable(datagram.text)}'" if datagram.payload else ""
    return f"{datagram.operation.label} {datagram.sequence}{text}"


def _hints(error: DatagramError, data: bytes) -> list[str]:
    return hints(data, error.framing) if error.framing else []


def _places(data: bytes, framing: Framing | None) -> list[tuple[str, int, int]]:
    """Each field with its start and end, in the order of the bytes, as the length has it; `data` may end before.

    Without a framing, as where a capture cut the datagram, what follows the head is the rest.
    """
    length = payload_length(data)
    starts = {name: offset(name, Framing.BARE, 0) for name in _HEAD}
    end = HEAD_SIZE
    if framing is None and len(data) > HEAD_SIZE:
        starts["rest"], end = HEAD_SIZE, len(data)
    elif framing is not None and len(data) >= HEAD_SIZE:
        names = ("payload",) if framing is Framing.BARE else ("checksum", "payload")
        starts |= {name: offset(name, framing, length) for name in names}
        end = HEAD_SIZE + length + CHECKSUM_SIZES[framing]
    # An empty payload starts where the checksum does in trailer, and stands before it.
    in_order = sorted(starts, key=lambda name: (starts[name], name != "payload"))
    ends = [starts[name] for name in in_order[1:]] + [end]
    return [(name, starts[name], end) for name, end in zip(in_order, ends, strict=True)]


def _meaning(name: str, start: int, part: bytes, data: bytes, framing: Framing | None) -> str:
    """What a field means that is there in whole, for people."""
    match name:
        case "type":
            return _TYPES.get(part[0], f"0x{part[0]:02x}")
        case "operation":
            operation = _OPERATIONS.get(data[0], {}).get(part[0])
            return operation.label if operation else f"0x{part[0]:02x}"
        case "sequence":
            counted = "" if part[0] <= 1 else ": SIMP/1 numbers are 0 and 1"
            return f"{part[0]}{counted}"
        case "user":
            return (printable(name_of(part)) or "(no name)") + _padding(part)
        case "length":
            return f"{payload_length(data)} payload bytes"
        case "checksum":
            return f"0x{part.hex()}{_judgement(start, part, data, framing)}"
        case _:
            return printable(text_of(part)) or "(empty)"


def _padding(user: bytes) -> str:
    """Where a name isn't padded as it is to be sent (spec 2.4); a reader takes it all the same."""
    name = user.strip(b"\0 ")
    before, after = user.split(name, 1) if name else (b"", user)
    if b" " in before + after:
        return ", padded with blanks where 2.4 asks for NULs"
    return ", padded in front where 2.4 asks for NULs at the end" if before else ""


def _judgement(start: int, checksum: bytes, data: bytes, framing: Framing | None) -> str:
    """Whether it is right for all bytes that there are."""
    if framing is Framing.TRAILER and start + CHECKSUM_SIZE != len(data):
        return ""
    right = sealed(data, framing or Framing.BARE)[start : start + CHECKSUM_SIZE]
    return ", right" if checksum == right else f", wrong: 0x{right.hex()} would be right"


def _bytes(count: int) -> str:
    return f"{count} byte{'s' * (count != 1)}"

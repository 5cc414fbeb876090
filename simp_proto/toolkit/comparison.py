"""In what two datagrams differ, field by field, as people and scripts read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from simp_proto.datagram import HEAD_SIZE, Datagram
from simp_proto.errors import DatagramError
from simp_proto.toolkit import dump
from simp_proto.toolkit.dump import BYTES_A_ROW, HEADING, MOST_ROWS, NAME_AT, Field, Line

_FRAMING: Final = "framing"
_RIGHT: Final = ", right"
_ODD_ENDS: Final = {"missing": "what is missing", "left over": "what is left over"}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its bytes, and what they were read as."""

    read: Datagram | DatagramError
    data: bytes

    def fields(self) -> dict[str, Field]:
        """By name. Where the framing is known, it is one, without bytes of its own."""
        framing = self.read.framing if len(self.data) >= HEAD_SIZE else None
        fields = {_FRAMING: Field(_FRAMING, 0, b"", framing.value)} if framing else {}
        return fields | {field.name: field for field in dump.fields(self.read, self.data)}


def differing(a: Side, b: Side) -> list[str]:
    """The names of the fields that one of them has otherwise, or not at all."""
    ours, theirs = a.fields(), b.fields()
    return [name for name in ours | theirs if _told(ours.get(name)) != _told(theirs.get(name))]


def as_json(a: Side, b: Side) -> dict[str, Any]:
    """Whether they are equal, what differs, and both as `simp decode --json` prints them, with their `fields`."""
    return {"equal": a.data == b.data, "differing": differing(a, b), "a": _side_as_json(a), "b": _side_as_json(b)}


def as_text(a: Side, b: Side) -> Iterator[Line]:
    """What they are, in what they differ, the rows that do, and why one is refused."""
    for name, side in (("A", a), ("B", b)):
        yield Line(f"{name}: {dump.title(side.read, side.data)}")
    different = differing(a, b)
    ours, theirs = a.fields(), b.fields()
    yield Line("They are equal." if a.data == b.data else _verdict(ours, theirs, different))
    rows = [line for name in different if name != _FRAMING for line in _rows(name, ours.get(name), theirs.get(name))]
    if rows:
        yield Line("")
        yield Line(f"  {HEADING.text}")
        yield from rows
    refused = [(name, side) for name, side in (("A", a), ("B", b)) if isinstance(side.read, DatagramError)]
    for name, side in refused:
        assert isinstance(side.read, DatagramError)
        yield Line("")
        yield from (Line(f"{name}: {line.text}", line.wrong) for line in dump.reasons(side.read, side.data))


def _told(field: Field | None) -> tuple[bytes, str] | None:
    """What makes it another: its bytes, and what an operation means, which depends on the type (spec 2.2)."""
    return field and (field.data, field.meaning if field.name == "operation" or not field.data else "")


def _verdict(ours: dict[str, Field], theirs: dict[str, Field], different: list[str]) -> str:
    """A checksum that is right in both follows from the rest."""
    follows = "checksum" in different and all(
        "checksum" in each and each["checksum"].meaning.endswith(_RIGHT) for each in (ours, theirs)
    )
    names = [_ODD_ENDS.get(name, name) for name in different if not follows or name != "checksum"]
    listed = " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
    equal = [name for name in ours if name not in different and name != _FRAMING]
    return f"They differ in {listed}{', and so in checksum' * follows}; equal: {', '.join(equal) or 'nothing'}."


def _rows(name: str, a: Field | None, b: Field | None) -> Iterator[Line]:
    """Those rows of both, below one another, that differ; and the first, with the meaning."""
    size = max(len(field.data) for field in (a, b) if field)
    starts = [start for start in range(0, size or 1, BYTES_A_ROW) if start == 0 or _at(a, start) != _at(b, start)]
    for start in starts[:MOST_ROWS]:
        for side, field in (("A", a), ("B", b)):
            if field is None:
                yield Line(f"{side} {'':<{NAME_AT}}{name:<9}  none")
            elif start == 0 or start < len(field.data):
                line = dump.row(field, start)
                yield Line(f"{side} {line.text}", line.wrong)
    if starts[MOST_ROWS:]:
        yield Line(f"{'':>10}({len(starts) - MOST_ROWS} more rows differ)")


def _at(field: Field | None, start: int) -> bytes:
    return field.data[start : start + BYTES_A_ROW] if field else b""


def _side_as_json(side: Side) -> dict[str, Any]:
    if isinstance(side.read, DatagramError):
        shown = dump.refusal_as_json(side.read, side.data)
    else:
        shown = dump.as_json(side.read)
    shown["fields"] = {
        field.name: {"offset": field.offset, "hex": field.data.hex(), "meaning": field.meaning}
        for field in dump.fields(side.read, side.data)
    }
    return shown

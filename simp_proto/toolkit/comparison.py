"""Where two datagrams differ, field by field, as people and scripts read it."""

from collections.abc import Iterator
from typing import Any, Final

from simp_proto.cli.output import Row
from simp_proto.datagram import HEAD_SIZE
from simp_proto.toolkit import dump
from simp_proto.toolkit.dump import BYTES_A_ROW, HEADING, MOST_ROWS, NAME_AT, Field
from simp_proto.toolkit.reading import Reading

_FRAMING: Final = "framing"
_RIGHT: Final = ", right"
_ODD_ENDS: Final = {"missing": "what is missing", "left over": "what is left over"}


def differing(a: Reading, b: Reading) -> list[str]:
    """The names of the fields that differ, or that only one of them has."""
    ours, theirs = _fields(a), _fields(b)
    return [name for name in ours | theirs if _told(ours.get(name)) != _told(theirs.get(name))]


def as_json(a: Reading, b: Reading) -> dict[str, Any]:
    """Whether they are equal, what differs, and both as `simp decode --json` prints them, with their `fields`."""
    return {"equal": a.data == b.data, "differing": differing(a, b), "a": _side_as_json(a), "b": _side_as_json(b)}


def rows(a: Reading, b: Reading) -> Iterator[Row]:
    """What they are, where they differ, the rows that do, and why one is refused."""
    for name, side in (("A", a), ("B", b)):
        yield Row(f"{name}: {side.title}")
    different = differing(a, b)
    ours, theirs = _fields(a), _fields(b)
    yield Row("They are equal." if a.data == b.data else _verdict(ours, theirs, different))
    names = [name for name in different if name != _FRAMING]
    if names:
        yield Row("")
        yield Row(f"  {HEADING.text}")
        for name in names:
            yield from _rows(name, ours.get(name), theirs.get(name))
    for name, side in (("A", a), ("B", b)):
        if side.error:
            yield Row("")
            yield from (Row(f"{name}: {row.text}", row.colour) for row in dump.reasons(side))


def _fields(side: Reading) -> dict[str, Field]:
    """By name. The framing, where it is known, is one of them, without bytes."""
    framing = side.framing if len(side.data) >= HEAD_SIZE else None
    fields = {_FRAMING: Field(_FRAMING, 0, b"", framing.value)} if framing else {}
    return fields | {field.name: field for field in dump.fields(side)}


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


def _rows(name: str, a: Field | None, b: Field | None) -> Iterator[Row]:
    """Those rows of both, below one another, that differ; and the first, with the meaning."""
    size = max(len(field.data) for field in (a, b) if field)
    starts = [start for start in range(0, size or 1, BYTES_A_ROW) if start == 0 or _at(a, start) != _at(b, start)]
    for start in starts[:MOST_ROWS]:
        for side, field in (("A", a), ("B", b)):
            if field is None:
                yield Row(f"{side} {'':<{NAME_AT}}{name:<9}  none")
            elif start == 0 or start < len(field.data):
                row = dump.row(field, start)
                yield Row(f"{side} {row.text}", row.colour)
    if starts[MOST_ROWS:]:
        yield Row(f"{'':>10}({len(starts) - MOST_ROWS} more rows differ)")


def _at(field: Field | None, start: int) -> bytes:
    return field.data[start : start + BYTES_A_ROW] if field else b""


def _side_as_json(side: Reading) -> dict[str, Any]:
    fields = {
        field.name: {"offset": field.offset, "hex": field.data.hex(), "meaning": field.meaning}
        for field in dump.fields(side)
    }
    return side.as_json | {"fields": fields}

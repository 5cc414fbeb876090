"""A datagram byte by byte: offset, bytes, field and meaning."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from simp_proto.cli.output import NOTE, WRONG, Row, counted
from simp_proto.constants import MAX_DATAGRAM_SIZE, OPERATIONS, Framing, Type
from simp_proto.datagram import CHECKSUM_SIZES, HEAD, HEAD_SIZE, name_of, offset, payload_length, text_of, with_checksum
from simp_proto.errors import SealedError
from simp_proto.printable import printable
from simp_proto.toolkit.opened import Opened
from simp_proto.toolkit.reading import Reading

BYTES_A_ROW: Final = 12
MOST_ROWS: Final = MAX_DATAGRAM_SIZE // BYTES_A_ROW
"""Rows of one field that are shown of a datagram that is wrong; it may be any file."""
NAME_AT: Final = 10 + BYTES_A_ROW * 3 - 1
"""The column at which a row has the field's name."""
_TYPES: Final = {kind.value: kind.label for kind in Type}
_OPERATIONS: Final = {kind.value: operations for kind, operations in OPERATIONS.items()}


class Field(NamedTuple):
    """A field as it is in a datagram; also what is `missing` at its end, or `left over`."""

    name: str
    offset: int
    data: bytes
    meaning: str
    wrong: bool = False


HEADING: Final = Row(f"{'offset':>6}  {'bytes':<{BYTES_A_ROW * 3 - 1}}  {'field':<9}  meaning")


def fields(reading: Reading) -> list[Field]:
    """What the bytes were read as, in the order of its bytes; of what was refused, as far as it goes in its framing."""
    data, wrong = reading.data, reading.error.field if reading.error else None
    places = _places(data, reading.framing)
    if isinstance(reading.error, SealedError) and wrong not in HEAD:  # it is in the payload, which is none
        wrong = "payload"
    found = []
    for name, start, end in places:
        part = data[start:end]
        cut = end > len(data)
        if part or not cut or name == wrong:
            told = not cut or name in ("user", "payload")
            meaning = _meaning(name, start, part, data, reading.framing) if told else ""
            if cut:
                meaning = f"{meaning}, not whole" if meaning else "not whole"
            elif name == wrong and name != "checksum":
                meaning += ", wrong"
            if name == "payload" and reading.envelope:
                found += [
                    Field(each.name, start + each.at, part[each.at : each.at + each.size], printable(each.meaning))
                    for each in reading.envelope.parts()
                ]
            else:
                found.append(Field(name, start, part, meaning, name == wrong))
    end = places[-1][2]
    if end > len(data):
        least = "at least " if len(data) < HEAD_SIZE else ""
        found.append(Field("missing", len(data), b"", least + counted(end - len(data), "byte")))
    if end < len(data):
        found.append(Field("left over", end, data[end:], counted(len(data) - end, "byte")))
    return found


def rows(reading: Reading) -> Iterator[Row]:
    """A table with offset, bytes, field and meaning; below what was refused, why, and what may have caused it."""
    yield Row(reading.title)
    yield HEADING
    for field in fields(reading):
        shown = [row(field, start) for start in range(0, len(field.data) or 1, BYTES_A_ROW)]
        most = MOST_ROWS if reading.error else len(shown)
        yield from shown[:most]
        if shown[most:]:
            yield Row(f"{'':>8}({counted(len(field.data) - most * BYTES_A_ROW, 'byte')} more)")
    if reading.error:
        yield from reasons(reading)
    if reading.opened:
        yield from _opened_rows(reading.opened)
    if reading.note:
        yield Row(f"no offer of SIMP/2 ({reading.note.rule}): {printable(str(reading.note))}", NOTE)


def opened_fields(opened: Opened) -> list[Field]:
    """The frames as fields, their offsets being those in what was sealed."""
    found, at = [], 0
    for name, data, meaning in opened.parts():
        found.append(Field(name, at, data, meaning, opened.error is not None))
        at += len(data)
    return found


def _opened_rows(opened: Opened) -> Iterator[Row]:
    if opened.plain:
        yield Row(f"{opened.title}:", NOTE)
        for field in opened_fields(opened):
            yield from (row(field, start) for start in range(0, len(field.data) or 1, BYTES_A_ROW))
    if opened.why or opened.error or not opened.frames:
        yield Row(opened.in_words, WRONG if opened.is_wrong else NOTE)


def row(field: Field, start: int) -> Row:
    """The row of the table that has the field's bytes from `start` on; the first has its name and meaning.

    What is wrong is marked with `>`, too, for those who see no colour.
    """
    at = f"{'>' if field.wrong else ' '}{field.offset + start:>5}"
    some = field.data[start : start + BYTES_A_ROW].hex(" ")
    name, meaning = (field.name, field.meaning) if start == 0 else ("", "")
    return Row(f"{at}  {some:<{BYTES_A_ROW * 3 - 1}}  {name:<9}  {meaning}".rstrip(), WRONG if field.wrong else None)


def reasons(reading: Reading) -> Iterator[Row]:
    """Why a datagram is refused, and what may have caused it."""
    yield Row(reading.in_words, WRONG)
    for hint in reading.hints:
        yield Row(f"perhaps: {hint}")


def _places(data: bytes, framing: Framing | None) -> list[tuple[str, int, int]]:
    """Each field with its start and end, in the order of the bytes, as the length has it; `data` may end before.

    Without a framing, as where a capture cut the datagram, what follows the head is the rest.
    """
    length = payload_length(data)
    starts = {name: offset(name, Framing.BARE, 0) for name in HEAD}
    end = HEAD_SIZE
    if framing is None and len(data) > HEAD_SIZE:
        starts["rest"], end = HEAD_SIZE, len(data)
    elif framing is not None and len(data) >= HEAD_SIZE:
        names = ("payload",) if framing is Framing.BARE else ("checksum", "payload")
        starts |= {name: offset(name, framing, length) for name in names}
        end = HEAD_SIZE + length + CHECKSUM_SIZES[framing]
    # An empty payload starts where the checksum does in trailer, and comes before it.
    in_order = sorted(starts, key=lambda name: (starts[name], name != "payload"))
    ends = [starts[name] for name in in_order[1:]] + [end]
    return [(name, starts[name], end) for name, end in zip(in_order, ends, strict=True)]


def _meaning(name: str, start: int, part: bytes, data: bytes, framing: Framing | None) -> str:
    """What a complete field means, for people."""
    match name:
        case "type":
            return _TYPES.get(part[0], f"0x{part[0]:02x}")
        case "operation":
            operation = _OPERATIONS.get(data[0], {}).get(part[0])
            return operation.label if operation else f"0x{part[0]:02x}"
        case "sequence":
            return f"{part[0]}{': SIMP/1 numbers are 0 and 1' * (part[0] > 1)}"
        case "user":
            return (printable(name_of(part)) or "(no name)") + _padding(part)
        case "length":
            return counted(payload_length(data), "payload byte")
        case "checksum":
            return f"0x{part.hex()}{_judgement(start, part, data, framing)}"
        case _:
            return printable(text_of(part)) or "(empty)"


def _padding(user: bytes) -> str:
    """Where a name isn't padded as it is to be sent (spec 2.4); a reader accepts it nevertheless."""
    name = user.strip(b"\0 ")
    before, after = user.split(name, 1) if name else (b"", user)
    if b" " in before + after:
        return ", padded with blanks where 2.4 asks for NULs"
    return ", padded in front where 2.4 asks for NULs at the end" if before else ""


def _judgement(start: int, checksum: bytes, data: bytes, framing: Framing | None) -> str:
    """Whether it is right for all bytes that there are."""
    if framing is Framing.TRAILER and start + len(checksum) != len(data):
        return ""
    right = with_checksum(data, framing or Framing.BARE)[start : start + len(checksum)]
    return ", right" if checksum == right else f", wrong: 0x{right.hex()} would be right"

"""`simp encode`: the inverse of `simp decode`."""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO, Final

import click

from simp_proto.cli.exit_status import ExitStatus
from simp_proto.cli.parameters import Whole, framing_option, hexadecimal
from simp_proto.constants import OPERATIONS, Framing, Operation, Type
from simp_proto.datagram import CHECKSUM_SIZE, Datagram, build, offset, with_checksum
from simp_proto.errors import DatagramError, SimpError
from simp_proto.printable import printable

_MAX_LINE_SIZE: Final = 1024 * 1024
"""More than the largest datagram takes as JSON."""

_MOST_SHOWN: Final = 60
"""Characters of what is wrong."""
_OPERATIONS: Final[dict[str, tuple[Type, Operation]]] = {
    operation.label: (kind, operation) for kind, operations in OPERATIONS.items() for operation in operations.values()
}


class ObjectError(SimpError, ValueError):
    """A JSON object that doesn't describe a datagram."""


@click.command()
@click.argument("source", required=False, metavar="[-]")
@click.option("--operation", type=click.Choice(list(_OPERATIONS)), help="The operation; MESSAGE for a chat.")
@click.option("--sequence", type=Whole(0, 255), default=0, show_default=True)
@click.option("--user", default="", help="The sender's name.")
@click.option("--payload", default="", help="Text, sent as UTF-8.")
@framing_option(default=Framing.HEADER)
@click.option("--length", type=Whole(0, 0xFFFFFFFF), help="Put this length in, whatever the payload's is.")
@click.option(
    "--put",
    "puts",
    type=(Whole(0), str),
    multiple=True,
    metavar="OFFSET HEX",
    help="Change the bytes from this offset on, before the checksum is computed; may be given several times.",
)
@click.option("--checksum", metavar="HEX", help="Put this checksum in, right or wrong: four hexadecimal digits.")
@click.option("--raw", is_flag=True, help="Write the bytes themselves instead of hexadecimal lines.")
def encode(  # one argument an option
    source: str | None,
    operation: str | None,
    sequence: int,
    user: str,
    payload: str,
    framing: Framing,
    length: int | None,
    puts: tuple[tuple[int, str], ...],
    checksum: str | None,
    raw: bool,
) -> None:
    """Make the bytes of a datagram, from options or from the JSON that `simp decode --json` prints.

    With - it reads standard input, one JSON object per line, and prints one line of hexadecimal for each; length and
    checksum are computed again, and time and addresses don't matter.

    --length, --put and --checksum make wrong datagrams; whatever they change, the checksum is right, unless --checksum
    gives one.

    Exit status: 1 when an object can't be encoded; the others still are.

    \b
    Examples:
      simp encode --operation SYN --user alice --framing bare
      simp encode --operation MESSAGE --sequence 1 --user alice --payload hello
      simp encode --operation ACK --put 2 02                            # sequence 2
      simp encode --operation MESSAGE --payload hello --put 35 05000000 # a little-endian length
      simp decode --json 0102... | simp encode -
    """
    if (source == "-") is (operation is not None) or source not in (None, "-"):
        if source in _OPERATIONS:
            raise click.UsageError(f"read {source} without its option: --operation {source}")
        read = "both" if source == "-" else f"'{printable(source or '')}'"
        start = "give" if source is None else f"read {read}, expected"
        raise click.UsageError(f"{start} either --operation, or - to read JSON from standard input")
    if source == "-":
        _encode_lines(raw)
    assert operation is not None
    kind, code = _OPERATIONS[operation]
    try:
        datagram = Datagram(kind, code, sequence, _typed(user), _typed(payload), framing)
    except (DatagramError, UnicodeEncodeError) as error:
        wrong = isinstance(error, DatagramError) and error.field == "sequence"
        raise click.UsageError(f"{error}{f'; --put 2 {sequence:02x} makes it' if wrong else ''}") from None
    _write(_spoilt(datagram, length, puts, checksum), raw)


def _typed(text: str) -> bytes:
    """An argument's own bytes: what isn't UTF-8 in it stays as it was typed."""
    return text.encode("utf-8", "surrogateescape")


def from_json(read: Any) -> Datagram:
    """The datagram that an object of `simp decode --json` describes; raises `ObjectError` or `DatagramError`."""
    if not isinstance(read, dict):
        raise ObjectError(f"read {_shown(read)}, expected an object")
    if "error" in read:
        raise ObjectError("read a refused datagram, which has no fields")
    kind, operation = _OPERATIONS.get(str(read.get("operation")), (None, None))
    if kind is None or operation is None or read.get("type", kind.label) != kind.label:
        what = f"{_field(read, 'type')} and {_field(read, 'operation')}"
        raise ObjectError(f"read {what}, expected an operation of that type: {', '.join(_OPERATIONS)}")
    try:
        framing = Framing(read.get("framing"))
    except ValueError:
        names = ", ".join(each.value for each in Framing)
        raise ObjectError(f"read {_field(read, 'framing')}, expected {names}") from None
    sequence = read.get("sequence")
    if type(sequence) is not int:
        raise ObjectError(f"read {_field(read, 'sequence')}, expected a number")
    return Datagram(kind, operation, sequence, _bytes(read, "user"), _bytes(read, "payload"), framing)


def _bytes(read: dict[str, Any], name: str) -> bytes:
    """A text field's bytes: the ones in hexadecimal, where the text can't represent them."""
    text, digits = read.get(name, ""), read.get(f"{name}_hex")
    with suppress(ValueError):
        if digits is None and isinstance(text, str):
            return text.encode("utf-8")
        if isinstance(digits, str):
            return bytes.fromhex(digits)
    raise ObjectError(f"read {name} {_shown(digits or text)}, expected text, or hexadecimal in {name}_hex")


def _field(read: dict[str, Any], name: str) -> str:
    return f"{name} {_shown(read[name])}" if name in read else f"no {name}"


def _shown(value: Any) -> str:
    return printable(json.dumps(value))[:_MOST_SHOWN]


def _encode_lines(raw: bool) -> None:
    if sys.stdin is None:
        raise click.ClickException("standard input: it is closed")
    failed = False
    for number, line in enumerate(filter(None, _lines(sys.stdin.buffer)), 1):
        try:
            if len(line) > _MAX_LINE_SIZE:
                raise ObjectError(f"read more than {_MAX_LINE_SIZE} bytes, expected one datagram")
            _write(build(from_json(_parsed(line))), raw)
        except (ObjectError, DatagramError) as error:
            failed = True
            click.echo(f"line {number}: {printable(str(error))}", err=True)
    sys.exit(ExitStatus.FAILURE if failed else ExitStatus.SUCCESS)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # also: numbers too long, nested too deep
        read = repr(line) if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]!r}..."
        raise ObjectError(f"read {read}, expected a JSON object, as simp decode --json prints it") from None


def _lines(stream: BinaryIO) -> Iterator[str]:
    """Of a line that is too long only its beginning, which is too long still."""
    while line := stream.readline(_MAX_LINE_SIZE + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(_MAX_LINE_SIZE)
        yield line.decode("utf-8", "backslashreplace").strip()


def _spoilt(datagram: Datagram, length: int | None, puts: tuple[tuple[int, str], ...], checksum: str | None) -> bytes:
    """The datagram with bytes that are not its own, for trying what others do with it."""
    data = bytearray(build(datagram))
    if length is not None:
        at = offset("length", datagram.framing, datagram.length)
        data[at : at + 4] = length.to_bytes(4, "big")
    checksum_at = offset("checksum", datagram.framing, datagram.length)
    for at, digits in puts:
        put = hexadecimal(digits, "--put")
        if at + len(put) > len(data):
            why = f"read {len(put)} bytes at offset {at}, expected them to fit into the datagram's {len(data)}"
            raise click.BadParameter(why, param_hint="--put")
        if datagram.framing is not Framing.BARE and at < checksum_at + CHECKSUM_SIZE and checksum_at < at + len(put):
            why = f"the checksum at offset {checksum_at} is computed afterwards: --checksum sets it"
            raise click.BadParameter(why, param_hint="--put")
        data[at : at + len(put)] = put
    data[:] = with_checksum(bytes(data), datagram.framing)
    if checksum is not None:
        if datagram.framing is Framing.BARE:
            raise click.BadParameter("bare has no checksum", param_hint="--checksum")
        put = hexadecimal(checksum, "--checksum")
        if len(put) != CHECKSUM_SIZE:
            raise click.BadParameter(f"read {checksum!r}, expected four hexadecimal digits", param_hint="--checksum")
        data[checksum_at : checksum_at + CHECKSUM_SIZE] = put
    return bytes(data)


def _write(data: bytes, raw: bool) -> None:
    if raw:
        sys.stdout.buffer.write(data)
    else:
        click.echo(data.hex())

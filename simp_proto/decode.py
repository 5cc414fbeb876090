"""`simp decode`."""

import json
import sys
from collections.abc import Iterable, Iterator

import click

from simp_proto import dump
from simp_proto.constants import Framing
from simp_proto.datagram import HEAD_SIZE, parse
from simp_proto.errors import DatagramError


@click.command()
@click.argument("hex_digits", metavar="HEX...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a datagram.")
@click.option(
    "--framing",
    type=click.Choice([framing.value for framing in Framing]),
    help="Read it in this framing alone; without it, in the one that fits.",
)
def decode(hex_digits: tuple[str, ...], as_json: bool, framing: str | None) -> None:
    """Show what the bytes of a datagram mean.

    HEX is a datagram in hexadecimal; blanks, colons, 0x and upper case are fine. Several that are each too short
    for a datagram are read as one. A single - reads standard input, a datagram a line.

    Exit status: 0; 1 when a datagram was refused; 2 for wrong usage.

    \b
    Example:
      simp decode 010200616c696365000000000000000000000000000000000000000000000000000000
                  00000000
    """
    framings = (Framing(framing),) if framing else tuple(Framing)
    refused = False
    for number, data in enumerate(_datagrams(hex_digits)):
        try:
            if isinstance(data, DatagramError):
                raise data
            datagram = parse(data, framings)
        except DatagramError as error:
            refused = True
            click.echo(json.dumps(dump.refusal_as_json(error)) if as_json else dump.refusal_as_text(error))
            continue
        if as_json:
            click.echo(json.dumps(dump.as_json(datagram)))
        else:
            click.echo("\n" * (number > 0) + "\n".join(dump.as_text(datagram)))
    sys.exit(1 if refused else 0)


def _datagrams(arguments: tuple[str, ...]) -> Iterator[bytes | DatagramError]:
    """The datagrams that were asked for; what is no hexadecimal on standard input comes as the error."""
    if arguments == ("-",):
        for number, line in enumerate(_lines(sys.stdin.buffer), 1):
            try:
                yield _bytes(line)
            except ValueError as error:
                yield DatagramError("hex", 0, f"{error} in line {number}", "hexadecimal digits, two a byte")
        return
    whole = [argument for argument in arguments if len(argument) >= 2 * HEAD_SIZE]
    for text in arguments if whole else ("".join(arguments),):
        try:
            yield _bytes(text)
        except ValueError as error:
            raise click.BadParameter(f"{error}, expected hexadecimal digits, two a byte", param_hint="HEX") from None


def _lines(stream: Iterable[bytes]) -> Iterator[str]:
    """The lines that aren't empty, as they come."""
    for line in stream:
        text = line.decode("utf-8", "backslashreplace").strip()
        if text:
            yield text


def _bytes(text: str) -> bytes:
    """Raises `ValueError` with what was read."""
    digits = "".join(text.lower().replace("0x", "").replace(":", "").split())
    for at, digit in enumerate(digits):
        if digit not in "0123456789abcdef":
            raise ValueError(f"read {digit!r} as digit {at + 1}")
    if len(digits) % 2:
        raise ValueError(f"read {len(digits)} digits")
    return bytes.fromhex(digits)

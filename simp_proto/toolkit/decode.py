"""`simp decode`."""

import json
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby
from string import printable as printable_characters
from typing import BinaryIO, Final, NamedTuple

import click

from simp_proto.address import Address
from simp_proto.cli import output
from simp_proto.cli.exit_status import ExitStatus
from simp_proto.cli.parameters import PORT, framing_option
from simp_proto.constants import DAEMON_PORT, Framing
from simp_proto.datagram import HEAD_SIZE, Datagram, parse_or_refusal, reading_order
from simp_proto.errors import DatagramError, SimpError
from simp_proto.printable import printable
from simp_proto.toolkit import comparison, dump
from simp_proto.toolkit.capture import MAGIC_SIZE, Capture, Captured, CaptureError, is_capture
from simp_proto.toolkit.ladder import Ladder, needs_ascii

_STANDARD_INPUT: Final = "-"
_MAX_RAW_SIZE: Final = 65_536
"""More than UDP carries."""
_MAX_LINE_SIZE: Final = 1024 * 1024
"""More than that in hexadecimal, with blanks and 0x."""
_MAX_LADDERS: Final = 1024
_TEXT: Final = frozenset(printable_characters.encode("ascii"))
_GZIP: Final = b"\x1f\x8b"
_MOST_SHOWN: Final = 40
"""Characters of an argument that is wrong."""
_REFUSED: Final = "red"
_NOTE: Final = "cyan"


class _Item(NamedTuple):
    """A datagram that was asked for."""

    data: bytes
    where: str = ""
    """Which of several it is."""
    captured: Captured | None = None
    refused: DatagramError | None = None
    """Why there are no bytes, or not all of them."""

    @property
    def is_unread(self) -> bool:
        """Whether there are no bytes."""
        return self.refused is not None and self.captured is None


class _SourceError(SimpError):
    """A source that can't be read on, and why."""


@click.command()
@click.argument("sources", metavar="HEX|FILE|-...", nargs=-1, required=True, shell_complete=click.Path().shell_complete)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a datagram.")
@click.option("--compare", is_flag=True, help="Say in which fields two datagrams differ.")
@click.option("--ladder", "as_ladder", is_flag=True, help="Draw the conversations in a capture.")
@framing_option("Read it in this framing alone; without it, in the one that fits.")
@click.option(
    "--port",
    "ports",
    type=PORT,
    multiple=True,
    default=(DAEMON_PORT,),
    show_default=True,
    help="The UDP port in a capture; may be given several times.",
)
def decode(
    sources: tuple[str, ...],
    as_json: bool,
    compare: bool,
    as_ladder: bool,
    framing: Framing | None,
    ports: tuple[int, ...],
) -> None:
    """Show what the bytes of a datagram mean, or in what two datagrams differ.

    HEX is a datagram in hexadecimal; blanks, colons, 0x and upper case are fine. Several that are each too short
    for a datagram are read as one. What isn't hexadecimal is the name of a FILE: a capture (pcap, pcapng) of
    tcpdump or Wireshark, lines of hexadecimal, or the bytes of one datagram. A single - reads the same from standard
    input, as it comes.

    A datagram that a daemon must refuse is shown as far as it can be read, the wrong field marked with >, with the
    section of spec/simp.md that it breaks and, after "perhaps:", what its author may have done. --compare takes
    exactly two datagrams, each HEX being one, and shows the fields that differ, A's bytes above B's.

    Exit status: 1 when a datagram was refused, or a file couldn't be read to its end; that two differ is no failure.
    Ctrl-C, by which one ends a capture on standard input, is an end like any other.

    \b
    Examples:
      simp decode 010200616c696365000000000000000000000000000000000000000000000000000000 \\
                  00000000
      simp decode --compare right.hex wrong.hex
      simp decode --ladder chat.pcap
      tcpdump -i any -U -w - udp port 7777 | simp decode -
    """
    if as_ladder and (as_json or compare):
        raise click.UsageError(f"give either {'--compare' if compare else '--json'} or --ladder")
    framings = (framing,) if framing else tuple(Framing)
    view: _Comparison | _Json | _Ladders | _Dump = (
        _Comparison(as_json) if compare else _Json() if as_json else _Ladders() if as_ladder else _Dump()
    )
    output.prepare()
    failed = unread = False
    try:
        for item in _items(_checked(sources, joined=not compare), ports):
            if isinstance(item, _SourceError):
                failed = unread = True
                click.echo(f"Error: {printable(str(item))}", err=True)
                continue
            read = item.refused or parse_or_refusal(item.data, framings)
            failed |= isinstance(read, DatagramError)
            view.show(item, read)
        if isinstance(view, _Comparison) and not unread:
            view.end(framings)
    except KeyboardInterrupt:
        if _STANDARD_INPUT not in sources:  # or else it is how one ends a capture that goes on
            raise
    sys.exit(ExitStatus.FAILURE if failed else ExitStatus.SUCCESS)


class _Source(NamedTuple):
    """An argument: bytes, or the name of a file; and which of several it is."""

    content: str | bytes
    where: str


def _checked(arguments: tuple[str, ...], *, joined: bool) -> list[_Source]:
    """What the arguments are, in order; those that are each too short for a datagram are one, where `joined`."""
    sources = []
    for are_files, group in groupby(enumerate(arguments, 1), lambda numbered: _is_file(numbered[1])):
        numbered = list(group)
        if not are_files:
            _check(_digits, *(text for _, text in numbered))
            if joined and all(len(text) < 2 * HEAD_SIZE for _, text in numbered):
                numbered = [(numbered[0][0], "".join(text for _, text in numbered))]
            _check(_bytes, *(text for _, text in numbered))
        sources += [_Source(text if are_files else _bytes(text), f"argument {number}") for number, text in numbered]
    return sources if len(sources) > 1 else [_Source(source.content, "") for source in sources]


def _check(reading: Callable[[str], object], *texts: str) -> None:
    for text in texts:
        try:
            reading(text)
        except ValueError as error:
            shown = printable(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}...")
            why = f"'{shown}' is no file that is there, and no hexadecimal: read {error}, expected two digits a byte"
            raise click.BadParameter(why, param_hint="HEX|FILE") from None


def _is_file(argument: str) -> bool:
    """What is hexadecimal isn't looked up: `./cafe` is how to name such a file."""
    if argument == _STANDARD_INPUT:
        return True
    try:
        _bytes(argument)
    except ValueError:
        return os.path.exists(argument)
    return False


def _items(sources: Iterable[_Source], ports: Collection[int]) -> Iterator[_Item | _SourceError]:
    """The datagrams of all sources as they come, and the reason where one can't be read on."""
    for source, where in sources:
        if isinstance(source, bytes):
            yield _Item(source, where)
            continue
        try:
            if source == _STANDARD_INPUT and sys.stdin is None:
                yield _SourceError("standard input: it is closed")
            elif source == _STANDARD_INPUT:
                yield from _from_stream(sys.stdin.buffer, "standard input", ports)
            else:
                with open(source, "rb") as stream:
                    yield from _from_stream(stream, source, ports)
        except OSError as error:
            yield _SourceError(f"{source}: {error.strerror}")


def _from_stream(stream: BinaryIO, name: str, ports: Collection[int]) -> Iterator[_Item | _SourceError]:
    """The datagrams of a capture, of lines of hexadecimal, or else the one that the bytes are."""
    magic = stream.read(MAGIC_SIZE)
    if is_capture(magic):
        capture = Capture(magic, stream, ports)
        try:
            for captured in capture:
                yield _Item(captured.data, "", captured, captured.refused)
        except CaptureError as error:
            yield _SourceError(f"{name}: {error}")
        if capture.skipped:
            counts = ", ".join(f"{count} {reason}" for reason, count in capture.skipped.most_common(5))
            click.echo(f"{printable(name)}: passed over packets: {counts}", err=True)
    elif magic.startswith(_GZIP):
        yield _SourceError(f"{name}: it is compressed: unpack it first, as with gunzip -c FILE | simp decode -")
    elif not _TEXT.issuperset(magic):  # a datagram's type and operation are no text (spec 2.1, 2.2)
        yield _Item(magic + stream.read(_MAX_RAW_SIZE), name)
    else:
        for number, line in enumerate(_lines(magic, stream), 1):
            if text := line.decode("utf-8", "backslashreplace").strip():
                where = f"{name}, line {number}"
                try:
                    yield _Item(_bytes(text), where)
                except ValueError as error:
                    refused = DatagramError("hex", 0, f"{error} in line {number}", "hexadecimal digits, two a byte")
                    yield _Item(b"", where, refused=refused)


def _lines(start: bytes, stream: BinaryIO) -> Iterator[bytes]:
    yield from (start + stream.readline(_MAX_LINE_SIZE)).splitlines()
    while line := stream.readline(_MAX_LINE_SIZE):
        yield line


def _digits(text: str) -> str:
    """Raises `ValueError` with what was read."""
    digits = "".join(text.lower().replace("0x", "").replace(":", "").split())
    for at, digit in enumerate(digits):
        if digit not in "0123456789abcdef":
            raise ValueError(f"{digit!r} as digit {at + 1}")
    return digits


def _bytes(text: str) -> bytes:
    """Raises `ValueError` with what was read."""
    digits = _digits(text)
    if len(digits) % 2:
        raise ValueError(f"{len(digits)} digits")
    return bytes.fromhex(digits)


class _Json:
    """Datagrams as objects, a line each."""

    def show(self, item: _Item, read: Datagram | DatagramError) -> None:
        shown = dump.capture_as_json(item.captured) if item.captured else {}
        if isinstance(read, DatagramError):
            shown |= {"where": item.where} if item.where else {}
            shown |= dump.refusal_as_json(read, item.data)
        else:
            shown |= dump.as_json(read)
        output.echo(json.dumps(shown))


class _Dump:
    """Datagrams byte by byte."""

    def __init__(self) -> None:
        self._first = True

    def show(self, item: _Item, read: Datagram | DatagramError) -> None:
        if not self._first:
            output.echo("")
        self._first = False
        if item.captured:
            output.echo(dump.capture_as_text(item.captured), _NOTE)
        elif item.where and isinstance(read, DatagramError):
            output.echo(printable(item.where), _NOTE)
        if isinstance(read, DatagramError) and item.is_unread:
            output.echo(dump.refusal_as_text(read), _REFUSED)
        else:
            _echo(dump.as_text(read, item.data))


class _Comparison:
    """Two datagrams, field by field, when both are there."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._sides: list[comparison.Side] = []

    def show(self, item: _Item, read: Datagram | DatagramError) -> None:
        if isinstance(read, DatagramError) and item.is_unread:
            raise click.ClickException(printable(f"{item.where}: {read}"))
        self._sides.append(comparison.Side(read, item.data))
        if len(self._sides) > 2:
            raise click.UsageError("--compare takes two datagrams, read more")

    def end(self, framings: tuple[Framing, ...]) -> None:
        """`framings`: in which they may be read."""
        if len(self._sides) != 2:
            raise click.UsageError(f"--compare takes two datagrams, read {len(self._sides)}")
        a, b = self._sides
        a, b = _as_beside(a, b, framings), _as_beside(b, a, framings)
        if self._as_json:
            output.echo(json.dumps(comparison.as_json(a, b)))
        else:
            _echo(comparison.as_text(a, b))


def _as_beside(side: comparison.Side, other: comparison.Side, framings: tuple[Framing, ...]) -> comparison.Side:
    """What is refused is read in the framing of the other, if it may be, as in one conversation."""
    if isinstance(side.read, Datagram) or isinstance(other.read, DatagramError) or len(framings) == 1:
        return side
    return comparison.Side(parse_or_refusal(side.data, reading_order(other.read.framing)), side.data)


def _echo(lines: Iterable[dump.Line]) -> None:
    for line in lines:
        output.echo(line.text, _REFUSED if line.wrong else None)


class _Ladders:
    """Datagrams as rungs between the two daemons; where another pair speaks, with that pair's head before them."""

    def __init__(self) -> None:
        self._ladders: dict[frozenset[Address], Ladder] = {}
        self._latest: Ladder | None = None
        self._start: float | None = None
        self._seconds = 0.0

    def show(self, item: _Item, read: Datagram | DatagramError) -> None:
        if not item.captured:
            raise click.UsageError("--ladder draws what a capture has: other datagrams have no addresses")
        captured = item.captured
        ladder = self._between(captured.source, captured.destination)
        if ladder is not self._latest:
            output.echo(("\n" if self._latest else "") + ladder.head(), _NOTE)
            self._latest = ladder
        if captured.time is not None:
            self._start = captured.time if self._start is None else self._start
            self._seconds = captured.time - self._start
        rung = ladder.draw(self._seconds, captured.source, item.data, read)
        output.echo(rung.text, _REFUSED if isinstance(read, DatagramError) else _NOTE if rung.again else None)

    def _between(self, source: Address, destination: Address) -> Ladder:
        pair = frozenset((source, destination))
        ladder = self._ladders.pop(pair, None)
        if ladder is None:
            ladder = Ladder(source, destination, ascii_only=needs_ascii(getattr(sys.stdout, "encoding", None)))
        self._ladders[pair] = ladder
        if len(self._ladders) > _MAX_LADDERS:  # the one that has been silent for longest
            del self._ladders[next(iter(self._ladders))]
        return ladder

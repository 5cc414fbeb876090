"""`simp decode`."""

import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from string import printable as printable_characters
from typing import BinaryIO, Final

import click

from simp_proto.address import Address
from simp_proto.constants import DAEMON_PORT, Framing
from simp_proto.datagram import HEAD_SIZE, Datagram, parse_or_refusal
from simp_proto.errors import DatagramError, SimpError
from simp_proto.exit_status import ExitStatus
from simp_proto.text import printable
from simp_proto.toolkit import dump, output
from simp_proto.toolkit.capture import MAGIC_SIZE, Capture, Captured, CaptureError, is_capture
from simp_proto.toolkit.ladder import Ladder, needs_ascii

_STANDARD_INPUT: Final = "-"
_MAX_RAW_SIZE: Final = 65_536
"""More than UDP carries."""
_MAX_LINE_SIZE: Final = 1024 * 1024
"""More than that in hexadecimal, with blanks and 0x."""
_MAX_LADDERS: Final = 1024
_TEXT: Final = frozenset(printable_characters.encode("ascii"))
_REFUSED: Final = "red"
_NOTE: Final = "cyan"

_Item = Captured | bytes | DatagramError
"""A datagram that was asked for: from a capture, without addresses, or no bytes at all but the reason why."""


class _SourceError(SimpError):
    """A source that can't be read on, and why."""


@click.command()
@click.argument("sources", metavar="HEX|FILE|-...", nargs=-1, required=True, shell_complete=click.Path().shell_complete)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a datagram.")
@click.option("--ladder", "as_ladder", is_flag=True, help="Draw the conversations in a capture.")
@click.option(
    "--framing",
    type=click.Choice([framing.value for framing in Framing]),
    help="Read it in this framing alone; without it, in the one that fits.",
)
@click.option(
    "--port",
    "ports",
    type=click.IntRange(1, 65_535),
    multiple=True,
    default=(DAEMON_PORT,),
    show_default=True,
    help="The UDP port in a capture; may be given several times.",
)
def decode(
    sources: tuple[str, ...], as_json: bool, as_ladder: bool, framing: str | None, ports: tuple[int, ...]
) -> None:
    """Show what the bytes of a datagram mean.

    HEX is a datagram in hexadecimal; blanks, colons, 0x and upper case are fine. Several that are each too short
    for a datagram are read as one. What isn't hexadecimal is the name of a FILE: a capture (pcap, pcapng) of
    tcpdump or Wireshark, lines of hexadecimal, or the bytes of one datagram. A single - reads the same from standard
    input, as it comes.

    Exit status: 1 when a datagram was refused, or a file couldn't be read to its end. Ctrl-C, by which one
    ends a capture on standard input, is an end like any other.

    \b
    Examples:
      simp decode 010200616c696365000000000000000000000000000000000000000000000000000000 \\
                  00000000
      simp decode --ladder chat.pcap
      tcpdump -i any -U -w - udp port 7777 | simp decode -
    """
    if as_json and as_ladder:
        raise click.UsageError("give either --json or --ladder")
    framings = (Framing(framing),) if framing else tuple(Framing)
    view: _Json | _Ladders | _Dump = _Json() if as_json else _Ladders() if as_ladder else _Dump()
    output.prepare()
    failed = False
    try:
        for item in _items(_checked(sources), ports):
            if isinstance(item, _SourceError):
                failed = True
                click.echo(f"Error: {printable(str(item))}", err=True)
                continue
            read = _read(item, framings)
            failed |= isinstance(read, DatagramError)
            view.show(item, read)
    except KeyboardInterrupt:
        if _STANDARD_INPUT not in sources:  # or else it is how one ends a capture that goes on
            raise
    sys.exit(ExitStatus.FAILURE if failed else ExitStatus.SUCCESS)


def _checked(arguments: tuple[str, ...]) -> list[str | bytes]:
    """The names of files, and the bytes of what isn't one, in order."""
    sources: list[str | bytes] = []
    for are_files, group in groupby(arguments, _is_file):
        texts = list(group)
        if are_files:
            sources += texts
            continue
        whole = any(len(text) >= 2 * HEAD_SIZE for text in texts)
        for text in texts if whole else ("".join(texts),):
            try:
                sources.append(_bytes(text))
            except ValueError as error:
                expected = "hexadecimal digits, two a byte, or the name of a file"
                raise click.BadParameter(f"read {error}, expected {expected}", param_hint="HEX|FILE") from None
    return sources


def _is_file(argument: str) -> bool:
    """What is hexadecimal isn't looked up: `./cafe` is how to name such a file."""
    if argument == _STANDARD_INPUT:
        return True
    try:
        _bytes(argument)
    except ValueError:
        return os.path.exists(argument)
    return False


def _items(sources: Iterable[str | bytes], ports: Collection[int]) -> Iterator[_Item | _SourceError]:
    """The datagrams of all sources as they come, and the reason where one can't be read on."""
    for source in sources:
        if isinstance(source, bytes):
            yield source
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
            yield from capture
        except CaptureError as error:
            yield _SourceError(f"{name}: {error}")
        if capture.skipped:
            counts = ", ".join(f"{count} {reason}" for reason, count in capture.skipped.most_common(5))
            click.echo(f"{printable(name)}: passed over packets: {counts}", err=True)
    elif not _TEXT.issuperset(magic):  # a datagram's type and operation are no text (spec 2.1, 2.2)
        yield magic + stream.read(_MAX_RAW_SIZE)
    else:
        for number, line in enumerate(_lines(magic, stream), 1):
            if text := line.decode("utf-8", "backslashreplace").strip():
                try:
                    yield _bytes(text)
                except ValueError as error:
                    yield DatagramError("hex", 0, f"{error} in line {number}", "hexadecimal digits, two a byte")


def _lines(start: bytes, stream: BinaryIO) -> Iterator[bytes]:
    yield from (start + stream.readline(_MAX_LINE_SIZE)).splitlines()
    while line := stream.readline(_MAX_LINE_SIZE):
        yield line


def _bytes(text: str) -> bytes:
    """Raises `ValueError` with what was read."""
    digits = "".join(text.lower().replace("0x", "").replace(":", "").split())
    for at, digit in enumerate(digits):
        if digit not in "0123456789abcdef":
            raise ValueError(f"{digit!r} as digit {at + 1}")
    if len(digits) % 2:
        raise ValueError(f"{len(digits)} digits")
    return bytes.fromhex(digits)


def _read(item: _Item, framings: tuple[Framing, ...]) -> Datagram | DatagramError:
    if isinstance(item, DatagramError):
        return item
    if isinstance(item, Captured) and item.refused:
        return item.refused
    return parse_or_refusal(item.data if isinstance(item, Captured) else item, framings)


class _Json:
    """Datagrams as objects, a line each."""

    def show(self, item: _Item, read: Datagram | DatagramError) -> None:
        shown = dump.capture_as_json(item) if isinstance(item, Captured) else {}
        shown |= dump.refusal_as_json(read) if isinstance(read, DatagramError) else dump.as_json(read)
        output.echo(json.dumps(shown))


class _Dump:
    """Datagrams byte by byte."""

    def __init__(self) -> None:
        self._first = True

    def show(self, item: _Item, read: Datagram | DatagramError) -> None:
        refused = isinstance(read, DatagramError)
        if not self._first and (isinstance(item, Captured) or not refused):
            output.echo("")
        self._first = False
        if isinstance(item, Captured):
            output.echo(dump.capture_as_text(item), _NOTE)
        if isinstance(read, DatagramError):
            output.echo(dump.refusal_as_text(read), _REFUSED)
        else:
            output.echo("\n".join(dump.as_text(read)))


class _Ladders:
    """Datagrams as rungs between the two daemons; where another pair speaks, with that pair's head before them."""

    def __init__(self) -> None:
        self._ladders: dict[frozenset[Address], Ladder] = {}
        self._latest: Ladder | None = None
        self._start: float | None = None
        self._seconds = 0.0

    def show(self, item: _Item, read: Datagram | DatagramError) -> None:
        if not isinstance(item, Captured):
            raise click.UsageError("--ladder draws what a capture has: other datagrams have no addresses")
        ladder = self._between(item.source, item.destination)
        if ladder is not self._latest:
            output.echo(("\n" if self._latest else "") + ladder.head(), _NOTE)
            self._latest = ladder
        if item.time is not None:
            self._start = item.time if self._start is None else self._start
            self._seconds = item.time - self._start
        rung = ladder.draw(self._seconds, item.source, item.data, read)
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

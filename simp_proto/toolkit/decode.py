"""`simp decode`."""

import json
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from simp_proto.address import Address
from simp_proto.cli import output
from simp_proto.cli.exit_status import ExitStatus
from simp_proto.cli.parameters import PORT, framing_option
from simp_proto.constants import DAEMON_PORT, Framing
from simp_proto.datagram import reading_order
from simp_proto.printable import printable
from simp_proto.toolkit import comparison, dump
from simp_proto.toolkit.ladder import Ladder, needs_ascii
from simp_proto.toolkit.reading import Reading
from simp_proto.toolkit.sources import STANDARD_INPUT, Item, SourceError, checked, items

if TYPE_CHECKING:
    from simp_proto.toolkit.keyring import Keyring

_MAX_LADDERS: Final = 1024


@click.command()
@click.argument("sources", metavar="HEX|FILE|-...", nargs=-1, required=True, shell_complete=click.Path().shell_complete)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each datagram.")
@click.option("--compare", is_flag=True, help="Say in which fields two datagrams differ.")
@click.option("--ladder", "as_ladder", is_flag=True, help="Draw the conversations in a capture.")
@click.option(
    "--html", "as_html", is_flag=True, help="Print a page; an argument that ends in .html is where to put it."
)
@click.option(
    "--key-log",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Open what is sealed in SIMP/2, with the keys in this file.",
)
@framing_option("Read it only in this framing; without it, whichever fits.")
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
    as_html: bool,
    key_log: str | None,
    framing: Framing | None,
    ports: tuple[int, ...],
) -> None:
    """Show what a datagram's bytes mean, or where two datagrams differ.

    HEX is a datagram in hexadecimal; blanks, colons, 0x and upper case are fine, and so is what a program has as an
    array or string. Several that are too short for a datagram are joined. Anything else is the name of a FILE: a
    capture (pcap, pcapng, snoop, also compressed), lines of hexadecimal, a hex dump (of xxd, hexdump, od, tcpdump -x,
    tshark -x), a piece of a program, or the bytes of one datagram. A single - reads the same from standard input, as it
    comes.

    A datagram that a daemon must refuse is shown as far as it can be read, the wrong field marked with >, with the
    section of spec/simp.md (spec) or spec/simp2.md (simp2) that it breaks and, after "perhaps:", a common mistake that
    would explain it. --compare
    takes exactly two datagrams, each HEX being one, and shows the fields that differ, A's bytes above B's.

    In SIMP/2, everything that isn't sealed is named. --key-log opens the rest: FILE has the keys of one's own sessions,
    one a line (spec/simp2.md, 10.2). To open a handshake, its SYN must come before it.

    Exit status: 1 when a datagram was refused, a file couldn't be read to its end, a line of a key log is wrong, or a
    key doesn't open what it should; a difference is not a failure.
    Ctrl-C is the normal way to end a capture on standard input.

    \b
    Examples:
      simp decode 010200616c696365000000000000000000000000000000000000000000000000000000 \\
                  00000000
      simp decode --compare right.hex wrong.hex
      simp decode --ladder chat.pcap
      simp decode --html chat.pcap chat.html
      simp decode --ladder --key-log keys.log chat.pcap
      tcpdump -i any -U -w - udp port 7777 | simp decode -
    """
    views = {"--compare": compare, "--json": as_json, "--ladder": as_ladder, "--html": as_html}
    asked = [option for option, is_asked in views.items() if is_asked and (option != "--json" or not compare)]
    if len(asked) > 1:
        raise click.UsageError(f"give either {asked[0]} or {asked[1]}")
    framings = (framing,) if framing else tuple(Framing)
    view: _Comparison | _Json | _Ladders | _Page | _Dump
    if as_html:
        view = _Page(sources)
        sources = view.sources
    else:
        view = _Comparison(as_json) if compare else _Json() if as_json else _Ladders() if as_ladder else _Dump()
    output.prepare()
    failed = unread = False
    keyring = _keyring(key_log) if key_log else None
    try:
        for item in items(checked(sources, joined=not compare), ports):
            if isinstance(item, SourceError):
                failed = unread = True
                click.echo(f"Error: {printable(str(item))}", err=True)
                continue
            reading = item.read(framings)
            if keyring and reading.envelope:
                reading = replace(reading, opened=keyring.open(reading.envelope))
            failed |= reading.is_wrong
            view.show(item, reading)
        if isinstance(view, _Comparison) and not unread:
            view.end(framings)
    except KeyboardInterrupt:
        if STANDARD_INPUT not in sources:  # there it is how to end a capture that goes on
            raise
    if isinstance(view, _Page):
        view.end()
    if keyring:
        keyring.end()
        failed |= keyring.is_wrong
    sys.exit(ExitStatus.FAILURE if failed else ExitStatus.SUCCESS)


def _keyring(path: str) -> "Keyring":
    """The keys in a key log, and those that are written to it meanwhile."""
    from simp_proto.toolkit.keyring import Keyring  # noqa: PLC0415  # few need its cipher

    try:
        lines = click.get_current_context().with_resource(click.open_file(path, "r", "utf-8", "backslashreplace"))
    except OSError as error:
        raise click.BadParameter(printable(f"{path}: {error.strerror}"), param_hint="--key-log") from None
    return Keyring(lines, lambda told: click.echo(printable(f"{path}: {told}"), err=True))


class _Json:
    """Datagrams as objects, one a line."""

    def show(self, item: Item, reading: Reading) -> None:
        shown = item.captured.as_json if item.captured else {}
        if reading.error and item.where:
            shown["where"] = item.where
        output.echo(json.dumps(shown | reading.as_json))


class _Dump:
    """Datagrams byte by byte."""

    def __init__(self) -> None:
        self._first = True

    def show(self, item: Item, reading: Reading) -> None:
        if not self._first:
            output.echo("")
        self._first = False
        if item.captured:
            output.echo(str(item.captured), output.NOTE)
        elif item.where and reading.error:
            output.echo(printable(item.where), output.NOTE)
        if item.is_unread:
            output.echo(reading.in_words, output.WRONG)
        else:
            output.show(dump.rows(reading))


class _Page:
    """Datagrams as a page of HTML, which is written when all are there."""

    def __init__(self, arguments: tuple[str, ...]) -> None:
        from simp_proto.toolkit.handout import Handout  # noqa: PLC0415  # most need it not

        pages = [argument for argument in arguments if argument.lower().endswith((".html", ".htm"))]
        self.sources = tuple(argument for argument in arguments if argument not in pages)
        if len(pages) > 1 or not self.sources:
            raise click.UsageError("--html takes a capture or other datagrams, and at most one name that ends in .html")
        self._page = pages[0] if pages else None
        names = [source if os.path.exists(source) else "hexadecimal" for source in self.sources]
        names = [
            "standard input" if source == STANDARD_INPUT else name
            for source, name in zip(self.sources, names, strict=True)
        ]
        self._handout = Handout([os.path.basename(name) for name in dict.fromkeys(names)])

    def show(self, item: Item, reading: Reading) -> None:
        self._handout.add(reading, item.captured, item.where)

    def end(self) -> None:
        html = self._handout.html().encode("utf-8", "backslashreplace")
        if self._page is None:
            click.echo(html, nl=False)
            return
        try:
            with click.open_file(self._page, "wb", atomic=True) as file:
                file.write(html)
        except OSError as error:
            raise click.ClickException(f"{printable(self._page)}: {error.strerror}") from None


class _Comparison:
    """Two datagrams, field by field, when both are there."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._sides: list[Reading] = []

    def show(self, item: Item, reading: Reading) -> None:
        if item.is_unread:
            raise click.ClickException(printable(f"{item.where}: {reading.error}"))
        self._sides.append(reading)
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
            output.show(comparison.rows(a, b))


def _as_beside(side: Reading, other: Reading, framings: tuple[Framing, ...]) -> Reading:
    """What is refused is read in the framing of the other, if it may be, as in one conversation."""
    if side.datagram or other.error or len(framings) == 1:
        return side
    return Reading.of(side.data, reading_order(other.framing))


class _Ladders:
    """Datagrams as rungs between the two daemons; where another pair speaks, with that pair's head before them."""

    def __init__(self) -> None:
        self._ladders: dict[frozenset[Address], Ladder] = {}
        self._latest: Ladder | None = None
        self._start: float | None = None

    def show(self, item: Item, reading: Reading) -> None:
        if not item.captured:
            raise click.UsageError(
                "--ladder draws only what has addresses: captures, and packets with their IP headers"
            )
        captured = item.captured
        ladder = self._between(captured.source, captured.destination)
        if ladder is not self._latest:
            output.echo(("\n" if self._latest else "") + ladder.head(), output.NOTE)
            self._latest = ladder
        if self._start is None:
            self._start = captured.time
        seconds = None if captured.time is None or self._start is None else captured.time - self._start
        rung = ladder.draw(seconds, captured.source, reading, captured.note)
        output.echo(rung.text, output.WRONG if reading.is_wrong else output.NOTE if rung.again else None)

    def _between(self, source: Address, destination: Address) -> Ladder:
        pair = frozenset((source, destination))
        ladder = self._ladders.pop(pair, None)
        if ladder is None:
            ladder = Ladder(source, destination, ascii_only=needs_ascii(getattr(sys.stdout, "encoding", None)))
        self._ladders[pair] = ladder
        if len(self._ladders) > _MAX_LADDERS:  # the one that has been silent for longest
            del self._ladders[next(iter(self._ladders))]
        return ladder

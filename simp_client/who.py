"""`simp who`."""

# ruff: noqa: PLC0415  `simp --help` reads this file, and must not wait for the rest.

import json
import shutil
import sys
from textwrap import wrap
from typing import TYPE_CHECKING, Final

import click

from simp_proto.cli.exit_status import ExitStatus
from simp_proto.cli.output import echo
from simp_proto.cli.parameters import Number, address, client_port_option
from simp_proto.constants import PRESENCE_INTERVAL, PRESENCE_SETTLED, PRESENCE_TRIES

if TYPE_CHECKING:
    from simp_client.events import Person

_NAME, _SOURCE = 32, 12
"""Columns of them that are shown."""
_GONE: Final = PRESENCE_TRIES * PRESENCE_INTERVAL
_SOURCES: Final = {"announced": "announced", "chat": "earlier chat", "hosts": "hosts file"}


@click.command()
@click.argument("ip", default="127.0.0.1", metavar="[IP]")
@client_port_option("The daemon's TCP port for clients.")
@click.option(
    "--wait",
    type=Number(0, 60),
    default=PRESENCE_SETTLED,
    show_default=True,
    metavar="SECONDS",
    help="How long others may take to answer; it ends as soon as all have. "
    f"Whoever vanishes is still here for {_GONE:g} seconds, or {10 + _GONE:g} if just heard.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each neighbour.")
def who(ip: str, client_port: int, wait: float, as_json: bool) -> None:
    """Show who is here, as the daemon at IP (IP or IP:port; by default 127.0.0.1) knows.

    Each line has a name (`-` where nobody is, or is known to have been), an address, how it was found (announced on
    this network, by an earlier chat, or in the hosts file), and when its daemon was last heard. Those who are only
    known come last.

    In JSON, the keys are `name` (null where nobody is at that daemon), `address`, `source` (`announced`, `chat` or
    `hosts`), `seconds` since its daemon was heard (null where it is only known), `here`: whether somebody is there, and
    `known_as`: another name that your hosts file or an earlier chat has for them (or null).

    Exit status: 0 when somebody is here; 3 when nobody is; 1 when no daemon answers at IP, or its list has no end.

    \b
    Examples:
      simp who
      simp who --json --wait 10
    """
    import asyncio

    from simp_client.link import NoDaemonError
    from simp_client.listing import list_neighbours
    from simp_client.people import may_come
    from simp_client.view import OFF, ON_AGAIN

    if may_come(ip) and ip.lower() != "localhost":
        raise click.UsageError(
            f"read {ip!r}, expected the IP address of your own daemon. To find out about somebody: simp doctor {ip}"
        )
    try:
        listing = asyncio.run(list_neighbours(address(ip, client_port), wait))
    except NoDaemonError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        for each in listing.people:
            keys = {key: getattr(each, key) for key in ("address", "source", "seconds", "here")}
            click.echo(json.dumps({"name": each.name or None, **keys, "known_as": each.known_as or None}))
    else:
        for row in rows(listing.people, shutil.get_terminal_size().columns if sys.stdout.isatty() else None):
            echo(row)
    if not any(each.here for each in listing.people):
        why = "What may be in the way: simp doctor" if listing.looks else f"{OFF} {ON_AGAIN}"
        columns = shutil.get_terminal_size().columns if sys.stderr.isatty() else sys.maxsize
        click.echo("\n".join(wrap(f"Nobody is here. {why}", columns, break_on_hyphens=False)), err=True)
        sys.exit(ExitStatus.NOBODY)


def rows(people: list["Person"], columns: int | None = None) -> list[str]:
    """A line for each; two for each where that is too long for a terminal of so many columns."""
    from simp_client.view import cut, named, width

    cells = [
        (
            cut(named(each.other.name), _NAME) if each.other.name else "-",
            each.address,
            cut(_SOURCES.get(each.source, each.source), _SOURCE),
        )
        for each in people
    ]
    wide = [max((width(cell) for cell in column), default=0) for column in zip(*cells, strict=True)]
    lines = []
    for each, row in zip(people, cells, strict=True):
        padded = (cell + " " * (most - width(cell)) for cell, most in zip(row, wide, strict=True))
        lines.append("  ".join((*padded, _heard(each))))
    if columns and any(width(line) > columns for line in lines):
        return [line for row, each in zip(cells, people, strict=True) for line in _narrow(*row, _heard(each), columns)]
    return lines


def _narrow(name: str, address: str, source: str, heard: str, columns: int) -> list[str]:
    return [f"{name}  {address}", *wrap(f"{source}, {heard}", columns, initial_indent="  ", subsequent_indent="  ")]


def _heard(neighbour: "Person") -> str:
    if neighbour.seconds is None:
        return "known, not heard"
    return f"heard {neighbour.seconds} s ago{'' if neighbour.name else '; nobody there'}"

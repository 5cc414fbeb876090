"""`simp who`."""

# ruff: noqa: PLC0415  `simp --help` reads this file, and must not wait for the rest.

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from simp_proto.cli.exit_status import ExitStatus
from simp_proto.cli.output import echo
from simp_proto.cli.parameters import Number, address, client_port_option

if TYPE_CHECKING:
    from simp_client.events import Person

_SOURCES: Final = {"announced": "announced", "chat": "earlier chat", "hosts": "hosts file"}


@click.command()
@click.argument("ip", default="127.0.0.1", metavar="[IP]")
@client_port_option("The daemon's TCP port for clients.")
@click.option(
    "--wait",
    type=Number(0, 60),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How long others may take to answer. Whoever has vanished is missed after 3 seconds, or 13 if just heard.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each neighbour.")
def who(ip: str, client_port: int, wait: float, as_json: bool) -> None:
    """Show who is here, as the daemon at IP (IP or IP:port; by default 127.0.0.1) knows.

    Each line has a name, an address, how it was found (announced on this network, by an earlier chat, or in the hosts
    file), and when its daemon was heard. Whoever is known and doesn't answer comes last.

    In JSON, the keys are `name` (null where nobody is at that daemon), `address`, `source` (`announced`, `chat` or
    `hosts`), `seconds` since its daemon was heard (null where it doesn't answer), and `here`: whether somebody is there
    who can be called.

    Exit status: 0 when somebody is here; 3 when nobody is; 1 when there is no daemon at IP, or it lists nobody.

    \b
    Examples:
      simp who
      simp who --json --wait 4
    """
    import asyncio

    from simp_client.link import NoDaemonError
    from simp_client.roll import call_roll

    try:
        found = asyncio.run(call_roll(address(ip, client_port), wait))
    except NoDaemonError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        for each in found:
            click.echo(json.dumps(asdict(each) | {"name": each.name or None, "here": each.here}))
    else:
        for row in rows(found):
            echo(row)
    if not any(each.here for each in found):
        click.echo("Nobody is here. What may be in the way: simp doctor", err=True)
        sys.exit(ExitStatus.NOBODY)


def rows(found: list["Person"]) -> list[str]:
    """A line for each."""
    names, addresses = ([*column, ""] for column in ([each.name or "-" for each in found], [e.address for e in found]))
    wide, long = max(map(len, names)), max(map(len, addresses))
    return [
        f"{name:{wide}}  {each.address:{long}}  {_SOURCES.get(each.source, each.source):12}  {_heard(each)}"
        for name, each in zip(names, found, strict=False)
    ]


def _heard(neighbour: "Person") -> str:
    if neighbour.seconds is None:
        return "known, doesn't answer"
    nobody = "" if neighbour.name else "; nobody is at that daemon"
    return f"heard {neighbour.seconds} s ago{nobody}"

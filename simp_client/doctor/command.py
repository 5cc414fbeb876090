"""`simp doctor`."""

# ruff: noqa: PLC0415  `simp --help` reads this file, and must not wait for the rest.

import json
import sys
from dataclasses import asdict

import click

from simp_proto.cli.exit_status import ExitStatus
from simp_proto.cli.output import NOTE, WRONG, echo
from simp_proto.cli.parameters import PORT, address, client_port_option
from simp_proto.constants import DAEMON_PORT


@click.command()
@click.argument("whom", required=False, metavar="[NAME|ADDRESS]")
@click.option(
    "--daemon", "ip", metavar="IP", help="Where your daemon is, as for client; without it, each address here is tried."
)
@client_port_option("Its TCP port for clients.")
@click.option("--port", type=PORT, default=DAEMON_PORT, show_default=True, help="Its UDP port for daemons.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(whom: str | None, ip: str | None, client_port: int, port: int, as_json: bool) -> None:
    """Find out why nobody is found, or why NAME or ADDRESS can't be reached.

    Each line is a check: ok, warn, fail or unknown, what was seen, and the one next thing to do. With NAME or ADDRESS
    the last line is a sentence for whoever looks after the network. It needs no special rights, takes about 10
    seconds, or a minute where a machine has just vanished, and sends nothing to a daemon that might not understand it.

    In JSON, the keys are `checks`, a list of objects with `check`, `verdict`, `seen` and `next` (empty where nothing is
    to be done), and `conclusion` (null without NAME or ADDRESS).

    Exit status: 0 when no check fails; 1 when one does.

    \b
    Examples:
      simp doctor
      simp doctor bob
      simp doctor 192.168.1.20 --json
    """
    from simp_client.doctor.checks import Verdict
    from simp_client.doctor.probing import gather
    from simp_client.doctor.verdicts import examine

    findings, sentence = examine(gather(address(ip, client_port) if ip else None, client_port, port, whom))
    if as_json:
        click.echo(json.dumps({"checks": [asdict(each) for each in findings], "conclusion": sentence}))
    else:
        colours = {Verdict.FAIL: WRONG, Verdict.WARN: NOTE}
        for each in findings:
            echo(f"{each.check:10}  {each.verdict:7}  {each.seen}", colours.get(each.verdict))
            if each.next:
                echo(f"{'':19}  -> {each.next}")
        if sentence:
            echo(f"\n{sentence}")
    if any(each.verdict is Verdict.FAIL for each in findings):
        sys.exit(ExitStatus.FAILURE)

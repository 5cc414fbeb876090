"""`simp client`."""

# ruff: noqa: PLC0415  `simp --help` reads this file, and must not wait for the rest of the client.

import os
import sys

import click

from simp_proto.cli.exit_status import ExitStatus
from simp_proto.cli.parameters import PORT, address
from simp_proto.constants import CLIENT_PORT


@click.command()
@click.argument("ip", default="127.0.0.1", metavar="[IP]")
@click.option(
    "--client-port", type=PORT, default=CLIENT_PORT, show_default=True, help="The daemon's TCP port for clients."
)
@click.option("--user", metavar="NAME", help="Your name; without it you are asked.")
@click.option("--call", metavar="ADDRESS", help="Call this IP or IP:port immediately.")
def client(ip: str, client_port: int, user: str | None, call: str | None) -> None:
    """Chat through the daemon at IP (IP or IP:port; by default 127.0.0.1).

    It asks for what it needs. `q` leaves a chat or a call, and anywhere else ends the program; `?` shows help.

    If its input or output is not a terminal, it reads and prints line by line, waits at the end of the input until
    every message is acknowledged, and with --call ends when that chat does.

    Exit status: 1 when there is no daemon, or it was lost; without a terminal, also when the call failed or a message
    was not delivered; 130 after SIGTERM, as after Ctrl-C.

    \b
    Examples, with `simp daemon 192.168.1.10` running on this machine:
      simp client 192.168.1.10 --user alice
      simp client 192.168.1.10 --user alice --call 192.168.1.20
      simp client 192.168.1.10 --user alice --call 192.168.1.20 < letter.txt
    """
    from simp_client.dialogue import Dialogue
    from simp_client.link import NoDaemonError
    from simp_client.runner import Front, run
    from simp_proto.errors import SimpError

    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115  closed by whoever started us
    where = address(ip, client_port)
    piped = not (sys.stdin.isatty() and sys.stdout.isatty())
    try:
        dialogue = Dialogue(user, call, piped=piped)
    except SimpError as error:
        raise click.UsageError(str(error)) from None
    front: Front
    if piped:
        from simp_client.pipe import Pipe

        front = Pipe(dialogue)
    else:
        from simp_client.terminal import Terminal

        front = Terminal(dialogue)
    try:
        sys.exit(run(where, dialogue, front))
    except NoDaemonError as error:
        click.echo(error, err=True)
        sys.exit(ExitStatus.FAILURE)
    except KeyboardInterrupt:
        sys.exit(ExitStatus.INTERRUPTED)

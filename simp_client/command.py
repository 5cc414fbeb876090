"""`simp client`."""

# ruff: noqa: PLC0415  `simp --help` reads this file, and must not wait for the rest of the client.

import os
import sys

import click

from simp_proto.cli.exit_status import ExitStatus
from simp_proto.cli.parameters import Number, address, client_port_option


@click.command()
@click.argument("ip", default="127.0.0.1", metavar="[IP]")
@client_port_option("The daemon's TCP port for clients.")
@click.option("--user", metavar="NAME", help="Your name; without it you are asked.")
@click.option("--call", metavar="NAME", help="Call this name, as soon as it is here, or this IP or IP:port.")
@click.option(
    "--wait",
    type=Number(0, 86_400),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="Cancel a call of redirected input if nobody has come and answered within so long.",
)
@click.option("--commands", is_flag=True, help="Take q, ? and empty lines of redirected input as at a terminal.")
def client(ip: str, client_port: int, user: str | None, call: str | None, wait: float, commands: bool) -> None:
    """Chat through the daemon at IP (IP or IP:port; by default 127.0.0.1).

    It lists who is here, and asks for what it needs. `q` leaves a chat or a call, and anywhere else ends the program;
    `?` shows help.

    If its input or output is not a terminal, or TERM is dumb, it reads and prints line by line: messages go to the
    standard output, everything else to the standard error stream. Once you have asked for a call, or accepted one,
    every line of redirected input is sent as a message, including empty lines, `q` and `?`; --commands makes those
    three work as they do at a terminal. What comes before the call answers the questions; without --commands, --call
    needs --user. At the end of its input the client waits until every message is acknowledged; it ends earlier when the
    chat that was asked for does.

    Exit status: 1 when there is no daemon, or it was lost; with redirected input, also when the call failed, a message
    was not delivered, a line could not be used, or the chat ended before the input did; 130 after SIGTERM, as after
    Ctrl-C.

    \b
    Examples, with `simp daemon 192.168.1.10` running on this machine:
      simp client 192.168.1.10 --user alice
      simp client 192.168.1.10 --user alice --call bob
      simp client 192.168.1.10 --user alice --call 192.168.1.20 < letter.txt
    """
    import asyncio

    from simp_client.dialogue import Dialogue
    from simp_client.link import NoDaemonError, start_command
    from simp_client.people import may_come
    from simp_client.runner import Front, converse
    from simp_proto.errors import SimpError

    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115  closed by whoever started us
    if may_come(ip) and ip.lower() != "localhost":
        raise click.UsageError(
            f"read {ip!r}, expected the IP address of your own daemon. To call somebody: simp client --call {ip}"
        )
    where = address(ip, client_port)
    piped = not sys.stdin.isatty()
    gone = f"The daemon is gone. Start both again, first: {start_command(*where)}"
    try:
        dialogue = Dialogue(user, call, piped=piped, commands=commands, lost=gone, wait=wait)
    except SimpError as error:
        raise click.UsageError(str(error)) from None
    if piped and call and user is None and not commands:
        raise click.UsageError("give --user: with --call, each line of redirected input is a message, and none a name")
    front: Front
    if piped or not sys.stdout.isatty() or os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        from simp_client.pipe import Pipe

        front = Pipe(dialogue)
    else:
        from simp_client.terminal import Terminal

        front = Terminal(dialogue)
    try:
        sys.exit(asyncio.run(converse(where, dialogue, front, wait)))
    except NoDaemonError as error:
        click.echo(error, err=True)
        sys.exit(ExitStatus.FAILURE)
    except KeyboardInterrupt:
        sys.exit(ExitStatus.INTERRUPTED)

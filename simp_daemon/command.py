"""`simp daemon`."""

import asyncio
import logging
import signal
from ipaddress import ip_address
from pathlib import Path

import click

from simp_daemon.datagrams import new_loop
from simp_daemon.log import log_complaints, unblocked_log
from simp_daemon.loop import Daemon, StartError
from simp_daemon.profile import Profile, hosts_file, state_directory
from simp_proto.cli.parameters import PORT, address, client_port_option, discovery_option, framing_option
from simp_proto.constants import DAEMON_PORT, Framing


@click.command()
@click.argument("ip", default="0.0.0.0")
@click.option("--port", type=PORT, default=DAEMON_PORT, show_default=True, help="UDP port, for daemons.")
@client_port_option("TCP port, for the client.")
@framing_option("Force one framing for all calls; without it the daemon detects what each peer speaks.")
@click.option("--allow-remote-clients", is_flag=True, help="Let clients on other hosts use this daemon.")
@discovery_option(
    "Who on this network may see that you are here; contacts: whoever has your key; off: nobody, and you see nobody."
)
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for what is kept between runs; without it, one for each port and loopback address.",
)
@click.option(
    "--key-log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Add the keys of each chat to this file: whoever reads it can read everything.",
)
@click.option("--require-encryption", is_flag=True, help="Talk with no daemon that speaks SIMP/1 only.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What to log on standard error; debug has a line for each datagram.",
)
def daemon(
    ip: str,
    port: int,
    client_port: int,
    framing: Framing | None,
    allow_remote_clients: bool,
    discovery: str,
    state: Path | None,
    key_log: Path | None,
    require_encryption: bool,
    log_level: str,
) -> None:
    """Run a daemon on IP, until Ctrl-C or SIGTERM.

    IP is an address of this host (IP or IP:port); without it the daemon listens on all IPv4 addresses.

    Exit status: 0 after Ctrl-C or SIGTERM; 1 when an address or a port can't be used.

    \b
    Examples:
      simp daemon 192.168.1.20
      simp daemon 127.0.0.2 --log-level debug
    """
    here = address(ip, port, name="IP", option="--port")
    if ip_address(here[0]).is_multicast:
        why = f"read {ip!r}, a multicast address, expected an address of this host"
        raise click.BadParameter(why, param_hint="IP")
    if framing and discovery == "contacts":
        raise click.UsageError("contacts recognise a daemon by its keys, which one with --framing doesn't have")
    logging.getLogger("simp").setLevel(log_level.upper())

    async def run() -> None:
        stop = _stop_signal()
        asyncio.get_running_loop().set_exception_handler(log_complaints())
        async with Daemon(
            here,
            client_port,
            framing=framing,
            remote_clients=allow_remote_clients,
            profile=Profile(state or state_directory(here), hosts_file()),
            discovery=discovery != "off",
            hidden=discovery == "contacts",
            only_sealed=require_encryption,
            key_log=key_log,
        ):
            await stop.wait()

    try:
        with unblocked_log(), asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(run())
    except StartError as error:
        raise click.ClickException(str(error)) from None


def _stop_signal() -> asyncio.Event:
    """An event that Ctrl-C, SIGTERM and the end of the terminal set."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    return stop

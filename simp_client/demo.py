"""`simp demo`: two daemons, two people at their clients, and every datagram between the daemons as it passes.

It shows the whole of the project, and is therefore the one module here that knows the daemon.
"""

import asyncio
import logging
import shutil
import socket
import sys
import time
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click

from simp_client.api import Client, Event, connect
from simp_client.events import Ended, Requested, Said, Seen
from simp_daemon.datagrams import new_loop
from simp_daemon.loop import Daemon
from simp_daemon.profile import Profile
from simp_proto.address import Address, format_address
from simp_proto.cli.parameters import Number, discovery_option
from simp_proto.constants import PRESENCE_ANSWER, Framing
from simp_proto.errors import SimpError
from simp_proto.toolkit.ladder import Ladder, needs_ascii

_WORDS = (
    (0, "Hello Bob, no server between us!"),
    (1, "Just two daemons and some UDP."),
    (0, "Each message waits for its ACK."),
    (1, "And 16 bits watch over all of them."),
)
_NEXT = """
To chat yourself, type on each machine,
in two terminals:
  simp daemon
  simp client
Each lists who is here; type a name
of the list on one of them."""
_SIGHT: Final = 3.0
"""Seconds in which daemons find each other, where they can."""


@click.command()
@click.option("--pause", type=Number(0, 10), default=0.5, show_default=True, help="Seconds between two acts.")
@discovery_option("Whether the two find each other; off: Alice has Bob's address.")
def demo(pause: float, discovery: str) -> None:
    """Watch two people find each other and chat, datagram by datagram.

    Starts two daemons on two loopback addresses, lets Alice call Bob, and draws each datagram from the bytes
    that were sent: by SIMP/1, so that you can read them, while your own chats are encrypted. Needs no other
    program, and ends by itself.

    Exit status: 1 when the two daemons didn't reach each other.

    \b
    Examples:
      simp demo
      simp demo --pause 2
    """
    logging.getLogger("simp").addHandler(logging.NullHandler())  # that of daemons which end is no part of the show
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner, TemporaryDirectory() as folder:
            runner.run(_Show(pause, Path(folder), discovers=discovery == "everyone").run())
        click.echo(_NEXT)
    except SimpError as error:
        raise click.ClickException(str(error)) from None
    except TimeoutError:
        raise click.ClickException("the two daemons didn't reach each other: is loopback traffic blocked?") from None


class _Show:
    """The two daemons, the scripted people at their clients, and the drawing."""

    def __init__(self, pause: float, folder: Path, *, discovers: bool) -> None:
        """`folder` is for what the daemons keep."""
        self._pause = pause
        self._folder = folder
        self._discovers = discovers
        self._addresses = _two_addresses()
        self._start = time.monotonic()
        self._closed: OSError | None = None
        self._finding = discovers
        self._ladder = Ladder(
            *self._addresses,
            ascii_only=needs_ascii(getattr(sys.stdout, "encoding", None)),
            width=min(80, shutil.get_terminal_size().columns),
        )

    async def run(self) -> None:
        """Everything, from the first SYN to the last ACK."""
        alice, bob = map(format_address, self._addresses)
        async with self._daemon(0) as one, self._daemon(1) as other:
            self._echo(self._ladder.head(f"alice {alice}", f"bob {bob}"))
            async with self._at(one, "alice") as caller, self._at(other, "bob") as callee:
                self._people = [caller, callee]
                if self._discovers:
                    await self._find(bob)
                await self._act(0, "calls bob")
                await asyncio.gather(caller.call(bob), self._accept(callee))
                self._note(0, "the chat is on")
                self._note(1, "the chat is on")
                for side, words in _WORDS:
                    await self._act(side)
                    await asyncio.gather(
                        self._hear(1 - side, Said, f'reads "{words}"'),
                        self._people[side].say(words),
                    )
                    self._note(side, "knows that it arrived")
                await self._act(0, "leaves")
                await asyncio.gather(caller.leave(), self._hear(1, Ended, "sees that alice has left"))

    async def _find(self, bob: str) -> None:
        """Waits until Alice sees that Bob; where multicast can't be had, she has his address from elsewhere."""
        self._note(0, "looks for bob")
        with suppress(TimeoutError):
            async with asyncio.timeout(_SIGHT):
                async for event in self._people[0].events():
                    if isinstance(event, Seen) and (event.person.name, event.person.address) == ("bob", bob):
                        self._note(0, "sees that bob is here")
                        break
        self._finding = False

    async def _accept(self, callee: Client) -> None:
        await self._hear(1, Requested, "a call from alice")
        await self._act(1, "accepts")
        await callee.accept(callee.requests[0])

    def _daemon(self, side: int) -> Daemon:
        address = self._addresses[side]
        return Daemon(
            address,
            0,
            framing=Framing.HEADER,  # which is SIMP/1: what is drawn can be read
            tap=lambda _now, sender, to, data: self._draw(address, sender, to, data),
            profile=Profile(self._folder / str(side), self._folder / "hosts"),
            discovery=self._discovers,
        )

    def _at(self, daemon: Daemon, user: str) -> AbstractAsyncContextManager[Client]:
        return connect(user, format_address(daemon.client_address))

    def _draw(self, here: Address, sender: Address, to: Address, data: bytes) -> None:
        # Each datagram passes two taps: the sender's draws it. Who is there is of interest until that is known.
        shown = self._finding or PRESENCE_ANSWER not in data  # which the question has in it, too
        if sender == here and to in self._addresses and shown:
            self._echo(self._ladder.rung(time.monotonic() - self._start, sender, data))

    def _note(self, side: int, text: str) -> None:
        if text:
            self._echo(self._ladder.note(time.monotonic() - self._start, self._addresses[side], text))

    def _echo(self, line: str) -> None:
        try:
            click.echo(line)
        except OSError as error:  # nobody reads on; the show ends at the next act
            self._closed = error

    async def _act(self, side: int, note: str = "") -> None:
        await asyncio.sleep(self._pause)
        self._note(side, note)
        if self._closed:
            raise self._closed

    async def _hear(self, side: int, kind: type[Event], note: str) -> None:
        """Waits until that happens; raises `TimeoutError`."""
        async with asyncio.timeout(5):
            while not isinstance(await self._people[side].next_event(), kind):
                pass
        self._note(side, note)


def _two_addresses() -> tuple[Address, Address]:
    """Two free ones; where the host has a single loopback address, two ports of it."""
    addresses = []
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        for host, udp in (("127.0.0.1", one), ("127.0.0.2", other)):
            try:
                udp.bind((host, 0))
            except OSError:
                udp.bind(("127.0.0.1", 0))
            addresses.append(udp.getsockname())
    return addresses[0], addresses[1]

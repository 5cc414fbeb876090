"""`simp demo`: two daemons, two people, and every datagram between them as it passes."""

import asyncio
import socket
import sys
import time

import click

from simp_daemon.loop import Daemon, StartError
from simp_proto.address import Address, format_address
from simp_proto.cli.parameters import Number
from simp_proto.text import Line, Word, format_line, parse_line
from simp_proto.toolkit.ladder import Ladder, needs_ascii

_WORDS = (
    (0, "Hello Bob, no server between us!"),
    (1, "Just two daemons and some UDP."),
    (0, "Each message waits for its ACK."),
    (1, "And 16 bits watch over all of them."),
)


@click.command()
@click.option("--pause", type=Number(0, 10), default=0.5, show_default=True, help="Seconds between two acts.")
def demo(pause: float) -> None:
    """Watch two people chat, datagram by datagram.

    Starts two daemons on two loopback addresses, lets Alice call Bob, and draws each datagram from the bytes
    that were sent. Needs no other program, and ends by itself.

    Exit status: 1 when the two daemons didn't reach each other.

    \b
    Examples:
      simp demo
      simp demo --pause 2
    """
    try:
        asyncio.run(_Show(pause).run())
    except StartError as error:
        raise click.ClickException(str(error)) from None
    except TimeoutError:
        raise click.ClickException("the two daemons didn't reach each other: is loopback traffic blocked?") from None


class _Show:
    """The two daemons, the scripted people at their clients, and the drawing."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._addresses = _two_addresses()
        self._start = time.monotonic()
        self._closed: OSError | None = None
        self._ladder = Ladder(*self._addresses, ascii_only=needs_ascii(getattr(sys.stdout, "encoding", None)))

    async def run(self) -> None:
        """Everything, from the first SYN to the last ACK."""
        alice, bob = self._addresses
        async with self._daemon(alice) as one, self._daemon(bob) as other:
            click.echo(self._ladder.head(f"alice {format_address(alice)}", f"bob {format_address(bob)}"))
            self._people = [await _Person.attach(one, "alice"), await _Person.attach(other, "bob")]
            await self._act(0, Word.CONNECTING, format_address(bob), "calls bob")
            await self._hears(1, Word.CONNECTING, "a call from alice")
            await self._act(1, Word.CONNECTED, "alice", "accepts")
            await self._hears(0, Word.CONNECTED, "the chat is on")
            await self._hears(1, Word.CONNECTED, "the chat is on")
            for side, words in _WORDS:
                await self._act(side, Word.CHAT, words, "")
                await self._hears(1 - side, Word.CHAT, f'reads "{words}"')
                await self._hears(side, Word.ACK, "knows that it arrived")
            await self._act(0, Word.QUIT, "bob", "leaves")
            await self._hears(1, Word.QUIT, "sees that alice has left")
            for person in self._people:
                await person.detach()

    def _daemon(self, address: Address) -> Daemon:
        return Daemon(address, 0, tap=lambda _now, source, _to, data: self._draw(address, source, data))

    def _draw(self, here: Address, source: Address, data: bytes) -> None:
        if source == here:  # each datagram passes two taps: the sender's draws it
            self._echo(self._ladder.rung(time.monotonic() - self._start, source, data))

    def _note(self, side: int, text: str) -> None:
        if text:
            self._echo(self._ladder.note(time.monotonic() - self._start, self._addresses[side], text))

    def _echo(self, line: str) -> None:
        try:
            click.echo(line)
        except OSError as error:  # nobody reads on; the show ends at the next act
            self._closed = error

    async def _act(self, side: int, word: Word, payload: str, note: str) -> None:
        await asyncio.sleep(self._pause)
        self._note(side, note)
        if self._closed:
            raise self._closed
        self._people[side].say(word, payload)

    async def _hears(self, side: int, word: Word, note: str) -> None:
        await asyncio.wait_for(self._people[side].hear(word), 5)
        self._note(side, note)


class _Person:
    """A client, spoken to in the client protocol."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def attach(cls, daemon: Daemon, name: str) -> "_Person":
        person = cls(*await asyncio.open_connection(*daemon.client_address))
        person.say(Word.CONNECT, name)
        await person.hear(Word.CONNECTED)
        return person

    def say(self, word: Word, payload: str) -> None:
        self._writer.write(format_line(Line(word, payload)))

    async def hear(self, word: Word) -> None:
        """Reads on until the daemon says that."""
        while parse_line((await self._reader.readline()).removesuffix(b"\n")).word is not word:
            pass

    async def detach(self) -> None:
        self.say(Word.QUIT, "")
        await self.hear(Word.QUIT)
        self._writer.close()
        await self._writer.wait_closed()


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

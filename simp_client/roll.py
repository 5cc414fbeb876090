"""Who is here, as a daemon lists them (client 4, discovery 2)."""

import asyncio
import contextlib
from dataclasses import dataclass

from simp_client.link import CONNECT_TIMEOUT, Link, NoDaemonError
from simp_proto.address import Address, format_address
from simp_proto.printable import printable
from simp_proto.text import Line, Word


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One of its lines SEEN."""

    name: str
    """Whoever is there; empty where nobody is."""
    address: str
    """`IP:port`."""
    source: str
    """`announced`, `chat` or `hosts`."""
    seconds: int | None
    """How long ago the daemon was heard; `None` where it doesn't answer."""

    @property
    def here(self) -> bool:
        """Whether somebody is there who can be called."""
        return bool(self.name) and self.seconds is not None


class _Roll:
    """Our end of a connection that asks for the list."""

    def __init__(self) -> None:
        self.found: list[Neighbour] = []
        self.complete = False
        self.why = ""
        self._lines: list[Line] = []

    def ask(self) -> None:
        """The list ends where the PING is answered (client 4.1)."""
        self.found, self.complete = [], False
        self._lines += [Line(Word.WHO), Line(Word.PING)]

    def lines_to_send(self) -> list[Line]:
        lines, self._lines = self._lines, []
        return lines

    def receive_line(self, line: Line) -> None:
        if line.word is Word.SEEN:
            name, address, source, seconds = line.fields(5)[:4]
            number = int(seconds) if seconds.isascii() and seconds.isdigit() else None
            self.found.append(Neighbour(printable(name), printable(address), printable(source), number))
        elif line.word is Word.PONG:
            self.complete = True
        elif line.word is Word.ERROR:
            self.why = printable(line.payload)

    def lose(self) -> None: ...


async def call_roll(daemon: Address, wait: float) -> list[Neighbour]:
    """Asks the daemon whose client port that is, and again after so many seconds: meanwhile others can answer it.

    People who are here come first, then daemons where nobody is, then whoever doesn't answer. Raises `NoDaemonError`.
    """
    roll = _Roll()
    link = await Link.open(daemon, roll)
    try:
        for pause in (wait, 0.0):
            roll.ask()
            link.send()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    while not roll.complete and await link.receive():
                        pass
                    roll.why = roll.why or "it closed the connection"
            if not roll.complete:
                why = roll.why or f"it didn't come to an end within {CONNECT_TIMEOUT:g} s"
                raise NoDaemonError(f"The daemon at {format_address(daemon)} doesn't list anybody: {why}")
            await asyncio.sleep(pause)
    finally:
        await link.close()
    return sorted(roll.found, key=lambda each: (not each.here, each.seconds is None, each.name, each.address))

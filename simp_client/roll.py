"""Who is here, as a daemon lists them (client 4, discovery 2)."""

import asyncio
import contextlib

from simp_client.events import Person
from simp_client.link import CONNECT_TIMEOUT, Link, NoDaemonError
from simp_client.people import read_seen
from simp_proto.address import Address, format_address
from simp_proto.printable import printable
from simp_proto.text import Line, Word


class _Roll:
    """Our end of a connection that asks for the list."""

    def __init__(self) -> None:
        self.found: list[Person] = []
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
            person = read_seen(line)
            words = printable(person.name), printable(person.address), printable(person.source)
            self.found.append(Person(*words, person.seconds))
        elif line.word is Word.PONG:
            self.complete = True
        elif line.word is Word.ERROR:
            self.why = printable(line.payload)

    def lose(self) -> None: ...


async def call_roll(daemon: Address, wait: float) -> list[Person]:
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

"""Who is here, as a daemon lists them (client 4, discovery 2)."""

import asyncio
from collections.abc import Iterator
from typing import Final

from simp_client.events import Person
from simp_client.link import CONNECT_TIMEOUT, Link, NoDaemonError
from simp_client.people import MOST_PEOPLE, read_seen
from simp_proto.address import Address, format_address
from simp_proto.constants import PRESENCE_INTERVAL
from simp_proto.printable import printable, printable_name
from simp_proto.text import Line, Word

_FRESH: Final = 10
"""Seconds for which a daemon doesn't ask again whoever it has heard (discovery 3.2)."""


class Listing:
    """Our end of a connection that asks for the list, and what it has found."""

    def __init__(self) -> None:
        self._found: dict[str, Person] = {}
        self.looks = True
        """Whether the daemon looks for anybody (discovery 5.1)."""
        self.complete = False
        self.why = ""
        """Why there is no list."""
        self._lines: list[Line] = []

    @property
    def people(self) -> list[Person]:
        """Those who are here come first, then daemons where nobody is, then whoever doesn't answer."""
        return sorted(
            self._found.values(), key=lambda each: (not each.here, each.seconds is None, each.name, each.address)
        )

    @property
    def settled(self) -> bool:
        """Whether nobody's answer is awaited: everybody has been heard lately (discovery 3.2), or nobody is asked."""
        lately = (each.seconds is not None and each.seconds < _FRESH for each in self._found.values())
        return not self.looks or (bool(self._found) and all(lately))

    def ask(self) -> None:
        """The list ends where the PING is answered (client 4.1)."""
        self._found, self.complete = {}, False
        self._lines += [Line(Word.WHO), Line(Word.PING)]

    def lines_to_send(self) -> list[Line]:
        lines, self._lines = self._lines, []
        return lines

    def receive_line(self, line: Line) -> None:
        match line.word:
            case Word.SEEN if len(self._found) >= MOST_PEOPLE:
                self.why = f"its list has more than {MOST_PEOPLE:,} lines"
            case Word.SEEN if person := read_seen(line):
                words = printable_name(person.name), printable(person.address), printable(person.source)
                self._found[person.address] = Person(*words, person.seconds, printable_name(person.known_as))
            case Word.DISCOVERY:
                self.looks = line.payload != "off"
            case Word.PONG:
                self.complete = True
            case Word.ERROR:
                self.why = printable(line.payload)

    def lose(self) -> None:
        self.why = self.why or "it closed the connection"


def _pauses(wait: float) -> Iterator[float]:
    """Between one list and the next: as often as others are asked."""
    while wait > PRESENCE_INTERVAL:
        yield PRESENCE_INTERVAL
        wait -= PRESENCE_INTERVAL
    yield wait


async def list_neighbours(daemon: Address, wait: float) -> Listing:
    """Asks the daemon whose client port that is, and again for so many seconds, as long as others can still answer it.

    Raises `NoDaemonError` where there is no daemon, or no end of its list within 10 s besides.
    """
    listing = Listing()
    link = await Link.open(daemon, listing)
    again = False
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT + wait):
            for pause in (*_pauses(wait), 0.0):
                listing.ask()
                link.send()
                while not listing.complete and not listing.why:
                    await link.receive()
                if listing.why or (again and listing.settled):
                    break
                again = True
                await asyncio.sleep(pause)
    except TimeoutError:
        listing.why = f"its list didn't come to an end within {CONNECT_TIMEOUT:g} s"
    finally:
        await link.close()
    if listing.why:
        raise NoDaemonError(f"The daemon at {format_address(daemon)} doesn't list anybody: {listing.why}")
    return listing

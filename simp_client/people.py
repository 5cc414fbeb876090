"""Who is here, and who is known, as far as the daemon has told (discovery). Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from simp_client.events import Event, Gone, Other, Person, Seen
from simp_proto.address import format_address, parse_address
from simp_proto.constants import DAEMON_PORT, USER_SIZE
from simp_proto.errors import AddressError
from simp_proto.printable import printable_name
from simp_proto.text import Line, check_user

MOST_PEOPLE: Final = 1024
"""As many are kept; a daemon has no more neighbours than that (discovery 2.4)."""
_LONGEST: Final = 4 * USER_SIZE
"""Characters of a field; of a name, each of whose bytes may be told as `\\xHH` (client 3.4)."""


def read_peer(whom: str) -> Other:
    """Whom a person who writes that means: an address, or a name, which is whatever isn't one (client 4).

    Raises `LineError` for what can't be a name either.
    """
    whom = whom.strip()
    try:
        parse_address(whom, DAEMON_PORT)
    except AddressError:
        return Other(check_user(whom), "")
    return Other("", whom)


def may_come(whom: str) -> bool:
    """Whether a person who wrote that, which is no address, is likely to have meant a name."""
    return ":" not in whom and re.search("[A-Za-z]", whom) is not None


def read_seen(line: Line) -> Person | None:
    """Whom a SEEN is about, if it has an address; further fields are a later daemon's (client 2.2)."""
    name, address, source, seconds, known_as = line.fields(6)[:5]
    address = "" if len(address) > _LONGEST else written(address)
    if not address:
        return None
    return Person(name[:_LONGEST], address, source[:_LONGEST], number(seconds), known_as[:_LONGEST])


def written(address: str) -> str:
    """As a daemon writes it; empty for what is no address."""
    try:
        return format_address(parse_address(address, DAEMON_PORT))
    except AddressError:
        return ""


def number(text: str) -> int | None:
    """A number of at most nine digits."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def called(everybody: Iterable[Person], name: str) -> list[Person]:
    """Those of exactly that name who are here; where none is, those who are only known (discovery 4.1)."""
    shown = printable_name(name)
    named = [each for each in everybody if name and shown in (each.name, each.known_as)]
    return [each for each in named if each.here] or named


def nearest(name: str, names: Iterable[str]) -> str:
    """The one of these that is most like that name; empty where none is."""
    alike = {each.casefold(): each for each in sorted(names) if each}
    return next((alike[near] for near in get_close_matches(name.casefold(), alike, 1)), "")


class People:
    """Each person by the address of their daemon."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}

    def __iter__(self) -> Iterator[Person]:
        """Those who are here first, then by name."""
        return iter(
            sorted(self._people.values(), key=lambda each: (not each.here, each.other.name.casefold(), each.address))
        )

    def at(self, address: str) -> Person | None:
        return self._people.get(address)

    def known(self, other: Other) -> Other:
        """With the name by which that address is known, where there is no other."""
        person = None if other.name else self.at(other.address)
        return person.other if person else other

    def named(self, name: str) -> list[str]:
        """Where those of that name are, or may be, as far as told: the daemon decides whom it means (discovery 4.1)."""
        return [each.address for each in called(self, name)]

    def like(self, name: str) -> str:
        """The nearest name of anybody who is here, where nobody has that one. Nobody is called because of it."""
        return "" if self.named(name) else nearest(name, (each.name for each in self if each.here))

    def away(self, address: str) -> list[Event]:
        """Nobody is at that daemon now; returns what has happened."""
        if not (person := self.at(address)) or not person.here:
            return []
        return self.put(address, replace(person, name="", known_as=person.name))

    def put(self, address: str, person: Person | None) -> list[Event]:
        """That is the person there now, or nobody is; returns what has happened."""
        before = self._people.pop(address, None)
        if person and len(self._people) < MOST_PEOPLE:
            self._people[address] = person
        else:
            person = None
        was, now = (each if each and each.here else None for each in (before, person))
        if was and now and was.name == now.name:
            return []
        gone: list[Event] = [Gone(was)] if was else []
        return [*gone, Seen(now)] if now else gone

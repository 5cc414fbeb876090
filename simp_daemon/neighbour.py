"""One neighbour: where it may be, by which names it is known, and what of that a person is shown (discovery 2, 4)."""

from collections.abc import Collection
from dataclasses import dataclass, field

from simp_daemon.events import Seen, Source
from simp_proto.address import Address


@dataclass(eq=False)
class Neighbour:
    """Somebody's daemon: announced, with one address or several, or known by its one address alone."""

    identity: str = ""
    instance: str = ""
    """The announcement's own name (discovery 1.3)."""
    announced: bool = False
    """Whether that announcement holds."""
    left: float = 0.0
    """When it ended."""
    hidden: bool = False
    """Whether it has no name, and is another each hour (discovery 5.3)."""
    known_as: str = ""
    """The name of the contact of that identity."""
    places: list["Place"] = field(default_factory=list)
    """Best first."""
    told: Seen | None = None
    """What was reported of it, while its daemon is heard."""

    def seen(self, now: float) -> Seen | None:
        """What is reported of it, at the best of its places; `None` where it is forgotten."""
        there = sorted((each for each in self.places if each.heard is not None), key=lambda each: not each.here)
        same = (each for each in there if each.told)  # whoever answers stays there: no forger moves them (5.2)
        place = next(same, next(iter(there or self.places), None))
        if place is None or (place.heard is None and not place.lasts):
            return None
        listed = Source.HOSTS if Source.HOSTS in place.known else Source.CHAT
        source = listed if place.known and not self.announced else Source.ANNOUNCED
        if place.heard is None:
            return Seen(place.peer, place.known_as or place.name, source, None, identity=self.identity)
        known_as = place.known_as if place.known_as != place.name else ""
        return Seen(place.peer, place.name, source, int(now - place.heard), known_as, self.identity)

    def called(self, name: str, now: float, contacts: Collection[str]) -> tuple[int, Address] | None:
        """Where whoever has that name is, and how much speaks for it; `None` where that is nobody. `contacts` are the
        identities of those whom our person knows by that name.

        1 for somebody here; 2 for a contact's identity, and for whoever has that name in the person's own list.
        Whoever announces a listed address as well as their own doesn't get that person's calls.
        """
        named = [each for each in self.places if name in each.known.values()]
        found = [(2 if each.known.get(Source.HOSTS) == name else int(each.here), each.peer) for each in named]
        seen = self.seen(now)
        if seen and (self.identity in contacts or seen.name == name):
            found.append((2 if self.identity in contacts else int(seen.seconds is not None), seen.peer))
        return max(found, key=lambda each: each[0], default=None)


@dataclass(eq=False)
class Place:
    """An address at which a neighbour is, or may be."""

    peer: Address
    neighbour: Neighbour
    name: str
    """As it was announced; as it answers, once it does."""
    known: dict[Source, str] = field(default_factory=dict)
    """By which names it is known without an announcement."""
    askable: bool = False
    """Whether it would understand a question (discovery 3.4)."""
    heard: float | None = None
    """When something came from there last; `None` unless a daemon is there."""
    answered: bool = False
    """Whether it ever has."""
    again: bool = False
    """Whether it is to be asked once more: an answer on its way may be an earlier one, or nothing may get there."""
    announcer: str = ""
    """The host that announced it; empty where none did."""
    later: float = 0.0
    """Seconds until it is asked again, if it doesn't answer."""

    def announce(self, source: str) -> None:
        """That host announces it; what it says of itself counts more than what others say of it."""
        if source and self.announcer != self.peer[0]:
            self.announcer = source

    @property
    def known_as(self) -> str:
        """By the person's list before an earlier chat, and that before its key."""
        return self.known.get(Source.HOSTS) or self.known.get(Source.CHAT) or self.neighbour.known_as

    @property
    def here(self) -> bool:
        """Whether somebody is (discovery 2.2)."""
        return self.heard is not None and self.name != ""

    @property
    def lasts(self) -> bool:
        """Whether it stays known if it doesn't answer."""
        return self.neighbour.announced or bool(self.known)

    @property
    def told(self) -> bool:
        """Whether this is where its neighbour was reported to be."""
        return self.neighbour.told is not None and self.neighbour.told.peer == self.peer

    def may_move(self, neighbour: Neighbour, source: str) -> bool:
        """Whether it may be that neighbour's, as that host says. Where a daemon is, it stays with whoever its own host
        announced there first, as long as it answers: whoever adds another's place to its own stands in for nobody
        (5.2).
        """
        if self.heard is None:
            return True
        holder, itself = self.neighbour, source == self.peer[0]
        if not holder.identity:
            return itself or not source
        unproved = self.announcer != self.peer[0]
        gone = not holder.announced and self.heard < holder.left
        return itself and (unproved or gone or (holder.hidden and neighbour.hidden))

    def move(self, neighbour: Neighbour) -> None:
        """It is that neighbour's from now on, and so is what was reported of it."""
        before, told = self.neighbour, self.told
        before.places.remove(self)
        self.neighbour = neighbour
        neighbour.places.append(self)
        if told and neighbour.told is None:
            neighbour.told, before.told = before.told, None

"""Who is here: neighbours, how they were found, and when they are asked whether they are there (discovery 2 to 4).

Pure: `now` is in seconds on any clock that never goes back.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import chain
from typing import Final

from simp_daemon.events import Gone, Seen, Source, Why
from simp_daemon.neighbour import Neighbour, Place
from simp_daemon.occurrences import Announced, HostsRead, Known, Withdrawn
from simp_daemon.questions import Ask, Questions, Rounds
from simp_proto.address import Address
from simp_proto.constants import DAEMON_PORT, PRESENCE_INTERVAL, Framing

_FRESH: Final = 10.0
"""Seconds for which whoever was heard isn't asked again for a list (discovery 3.2)."""
_REFUSED: Final = 10.0
"""Seconds until whoever can't be asked once more is looked at again (discovery 3.5)."""
_SILENT: Final = 50.0
"""Seconds after which whoever is here is asked, while a client is attached (discovery 3.2)."""
_EACH: Final = 6.0
"""Seconds of that for each address, where there are many with whom one hasn't chatted."""
_LONGEST: Final = 600.0
"""Seconds of that at most: a forger can make up addresses by the thousand."""
_KNOWN: Final = 300.0
"""Seconds after which whoever is only known is asked again, at most; at first after fewer."""
_PLACES: Final = 1024
_ADDRESSES: Final = 8
"""Of one announcement."""
_OF_A_HOST: Final = 16
_FROM_A_HOST: Final = 128  # announced by one, whatever addresses it says


class Neighbours:
    """All neighbours of a daemon. After each call, do what was put into `outlet`, in its order, and clear it; and call
    `handle_timer` at `get_timer`.
    """

    def __init__(self, contacts: Callable[[str], Collection[str]] = lambda _: (), *, asks: bool = True) -> None:
        """`contacts` has the identities of those called so. Where it doesn't ask, nobody is here (discovery 5.1)."""
        self._contacts = contacts
        self.asks = asks
        self.outlet: list[Ask | Seen | Gone] = []
        self._attended = False
        self._places: dict[Address, Place] = {}
        self._identities: dict[str, Neighbour] = {}
        """Those that are announced, or were and still answer."""
        self._rounds = Rounds()
        self._questions = Questions(lambda peer: self.outlet.append(Ask(peer)), self._rank)
        self.get_timer = self._questions.get_timer

    # -- how they are found

    def announced(self, announcement: Announced, now: float) -> None:
        """An announcement, new or repeated."""
        name, given = announcement.name, announcement.addresses
        own = [each for each in given[_ADDRESSES:] if each[0] == announcement.source]  # not behind made-up ones
        addresses = [*given[: _ADDRESSES - len(own[:1])], *own[:1]]
        neighbour = self._identities.get(announcement.identity) or Neighbour(announcement.identity)
        neighbour.announced, neighbour.instance = True, announcement.instance
        neighbour.known_as, neighbour.hidden = announcement.known_as, not name
        for peer in addresses:
            place = self._places.get(peer) or self._add(peer, neighbour, name, now, announcement.source)
            if place is not None and self._claim(place, neighbour, announcement.source, now):
                place.askable = True
                place.announce(announcement.source)
                if place.name != name:  # an answer that is on its way may be an earlier one
                    place.again |= self._questions.asked(peer)
                if place.heard is None or place.name != name:
                    self._ask(place, now, announced=True)
                if place.heard is None:
                    place.name = name
        for place in [each for each in neighbour.places if each.peer not in addresses]:
            if place.heard is not None:  # it is the neighbour's as long as it answers there
                self._ask(place, now, announced=True)
            elif place.known:
                place.move(Neighbour())
            else:
                self._remove(place, now)
        self._identities[neighbour.identity] = neighbour
        neighbour.places.sort(key=lambda each: addresses.index(each.peer) if each.peer in addresses else _ADDRESSES)
        self._tell(neighbour, now)

    def withdrawn(self, goodbye: Withdrawn, now: float) -> None:
        """A goodbye, or the end of a record's time."""
        neighbour = self._identities.get(goodbye.identity)
        if neighbour is not None and neighbour.instance == goodbye.instance:
            neighbour.announced, neighbour.left = False, now
            for place in neighbour.places:
                self._ask(place, now, announced=True)

    def known(self, known: Known, now: float) -> None:
        """Somebody is, or was, at that address."""
        place = self._places.get(known.peer) or self._add(known.peer, Neighbour(), known.name, now)
        if place is not None:
            place.known[known.source] = known.name
            place.askable = place.askable or known.framing is Framing.HEADER
            if place.heard is None:
                self._ask(place, now)
            self._tell(place.neighbour, now)

    def listed(self, read: HostsRead, now: float) -> None:
        """All that the person's list has now."""
        hosts = dict(read.hosts)
        for place in list(self._places.values()):
            if Source.HOSTS in place.known and place.peer not in hosts:
                del place.known[Source.HOSTS]
                if not place.lasts:
                    self._remove(place, now)
                self._tell(place.neighbour, now)
        for peer, name in hosts.items():
            self.known(Known(Source.HOSTS, name, peer), now)

    def recognise(self, identity_of: Callable[[str], str]) -> None:
        """Contacts who are announced by another identity have that one from now on (discovery 5.3)."""
        for before, neighbour in list(self._identities.items()):
            if (identity := identity_of(before)) not in self._identities:
                self._identities[identity] = self._identities.pop(before)
                neighbour.identity = identity

    # -- whether they are there

    def present(self, peer: Address, name: str, now: float) -> None:
        """That peer has answered, as a person of that name, or as nobody where that is empty."""
        if peer in self._places:
            self._hear(self._places[peer], name, now)

    def chats(self, peer: Address, name: str, framing: Framing, now: float) -> None:
        """A chat with that peer, of that name, is on."""
        self.known(Known(Source.CHAT, name, peer, framing), now)
        if peer in self._places and self.asks:
            self._hear(self._places[peer], name, now)

    def heard(self, peer: Address, now: float) -> None:
        """Something of a chat has come from that peer."""
        place = self._places.get(peer)
        if place is not None and place.heard is not None:
            place.heard = now

    def ended(self, peer: Address, why: Why, now: float) -> None:
        """A call or chat with that peer is over."""
        place = self._places.get(peer)
        if place is None:
            return
        if why is Why.UNREACHABLE or place.again:
            self._ask(place, now)
        elif place.heard is not None and (why is Why.LOST or not place.askable):
            self._give_up(place, now)

    def unreachable(self, peer: Address, now: float) -> None:
        """The system says that nothing gets there."""
        if self._questions.asked(peer):
            self._give_up(self._places[peer], now)
        elif peer in self._places:  # a conversation with it is going on
            self._places[peer].again = True

    def converses(self, peer: Address, now: float) -> None:  # so it wasn't asked
        self._questions.rest(peer, now + _SILENT if self._attended else None)

    def attend(self, attended: bool, now: float) -> None:
        """Whether a client is attached."""
        self._attended = attended
        for peer in self._places:
            if not self._questions.pending(peer):
                self._questions.rest(peer, now if attended else None)

    def handle_timer(self, now: float) -> None:
        """Asks whoever it is time for, and gives up whoever hasn't answered. Early or repeated calls do nothing."""
        for peer, silent in self._questions.due(now):
            place = self._places[peer]
            if silent:
                self._give_up(place, now)
            elif place.heard is not None and now < (due := place.heard + self._patience(place)):
                self._questions.rest(peer, due)
            else:
                self._ask(place, now)

    # -- who wants to know

    def look(self, now: float) -> list[Seen]:
        """Everybody. Whoever hasn't been heard lately is asked."""
        for place in self._places.values():
            if place.heard is None or now >= place.heard + _FRESH:
                self._ask(place, now)
        return [seen for each in self._all() if (seen := each.seen(now))]

    def called(self, name: str, now: float) -> list[Address]:
        """Where those of that name are, for whom most speaks: where none is here, where they may be (discovery 4.1)."""
        contacts = self._contacts(name)
        found = [called for each in self._all() if (called := each.called(name, now, contacts))]
        found.sort(key=lambda each: -each[0])
        return [peer for speaks, peer in found if speaks == found[0][0]]

    def lists(self, peer: Address, name: str) -> bool:
        """Whether whoever is there goes by that name in our person's list, or went by it in an earlier chat."""
        return peer in self._places and name in self._places[peer].known.values()

    def _all(self) -> list[Neighbour]:
        return list(dict.fromkeys(place.neighbour for place in self._places.values()))

    def _tell(self, neighbour: Neighbour, now: float) -> None:
        """Reports what has changed, except for how long ago it was heard."""
        if not neighbour.places:
            self._identities.pop(neighbour.identity, None)
        seen, before = neighbour.seen(now), neighbour.told
        neighbour.told = told = seen if seen and seen.seconds is not None else None
        if before and (told is None or told.peer != before.peer):
            self.outlet.append(Gone(before.peer, before.name))
        if told is None and seen and before:
            self.outlet.append(seen)
        elif told and (before is None or replace(before, seconds=told.seconds) != told):
            self.outlet.append(told)

    # -- asking

    def _rank(self, peer: Address) -> tuple[int, str]:
        """Whoever is here is asked before whoever is announced, and that before a thousand who may be known."""
        place = self._places[peer]
        return 0 if place.heard is not None else 1 if place.neighbour.announced else 2, place.announcer

    def _ask(self, place: Place, now: float, *, announced: bool = False) -> None:
        """As soon as it is its turn; `announced`: because of an announcement."""
        if place.askable and self.asks and not self._questions.pending(place.peer):
            unproven = place.heard is None and (announced or not place.known)
            if not unproven or self._rounds.spend(place.peer, now, itself=place.announcer == place.peer[0]):
                self._questions.put(place.peer, now)
            else:
                self._questions.rest(place.peer, now + _REFUSED if self._attended else None)

    def _hear(self, place: Place, name: str, now: float) -> None:
        place.name, place.heard, place.later, place.answered = name, now, _FRESH, True
        self._rounds.forget(place.peer[0])
        for other in place.neighbour.places:  # where it was reported to be, it may be no longer
            if other.told and other is not place and other.heard is not None and now >= other.heard + PRESENCE_INTERVAL:
                self._ask(other, now)
        self._questions.rest(place.peer, now + self._patience(place) if self._attended or not place.lasts else None)
        if place.again:
            place.again = False
            self._ask(place, now)
        self._tell(place.neighbour, now)

    def _patience(self, place: Place) -> float:
        """How long it may be silent; whoever has said goodbye, and still answers, may be about to leave."""
        if not place.lasts:
            return _FRESH
        return _SILENT if Source.CHAT in place.known else min(max(_SILENT, _EACH * len(self._places)), _LONGEST)

    def _give_up(self, place: Place, now: float) -> None:
        if place.heard is not None:  # it is asked once more: a goodbye and a refusal can both be made up
            place.heard = None
            self._questions.rest(place.peer, now + PRESENCE_INTERVAL)
        else:
            lasts = place.answered or place.known or place.later < _KNOWN  # an announcement can last for years
            self._questions.rest(place.peer, now + place.later if self._attended and lasts else None)
            place.later = min(2 * place.later, _KNOWN)
            if not place.lasts:
                self._remove(place, now)
        self._tell(place.neighbour, now)

    # -- whose a place is

    def _claim(self, place: Place, neighbour: Neighbour, source: str, now: float) -> bool:
        """Whether it is that neighbour's now."""
        holder = place.neighbour
        if holder is not neighbour:
            if not place.may_move(neighbour, source):
                return False
            place.move(neighbour)
            self._tell(holder, now)
        return True

    def _add(self, peer: Address, neighbour: Neighbour, name: str, now: float, source: str = "") -> Place | None:
        """A new place, if there is room: one that doesn't answer gives way, whoever was chatted with last, and nobody
        who is listed (discovery 2.4).
        """
        places = list(self._places.values())
        at_host = [each for each in places if each.peer[0] == peer[0]]
        from_host = [each for each in places if source and each.announcer == source]
        limits = (at_host, _OF_A_HOST), (from_host, _FROM_A_HOST), (places, _PLACES)
        if crowd := next((crowd for crowd, limit in limits if len(crowd) >= limit), None):
            silent = [each for each in crowd if each.heard is None]
            unknown = [each for each in silent if not each.known]
            unusual = (each for each in unknown if each.peer[1] != DAEMON_PORT)
            chatted = (each for each in silent if Source.HOSTS not in each.known)
            displaced = next(chain(unusual, unknown, chatted), None)
            if displaced is None:
                return None
            self._remove(displaced, now)
        place = self._places[peer] = Place(peer, neighbour, name, announcer=source, later=_FRESH)
        neighbour.places.append(place)
        return place

    def _remove(self, place: Place, now: float) -> None:
        place.neighbour.places.remove(place)
        del self._places[place.peer]
        self._questions.rest(place.peer, None)
        self._tell(place.neighbour, now)

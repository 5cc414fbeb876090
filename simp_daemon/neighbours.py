"""Who is here: neighbours, how they were found, and when they are asked whether they are there (discovery 2 to 4).

Pure: `now` is in seconds on any clock that never goes back.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from simp_daemon.events import Gone, Seen, Source
from simp_daemon.peers.timers import Timers
from simp_proto.address import Address

_TRIES: Final = 3
_RETRY: Final = 1.0
"""Seconds between questions that aren't answered (discovery 3.3)."""
_FRESH: Final = 10.0
"""Seconds for which whoever was heard isn't asked again for a list (discovery 3.2)."""
_SILENT: Final = 50.0
"""Seconds after which whoever is here is asked, while a client is attached (discovery 3.2)."""
_EACH: Final = 6.0
"""Seconds of that for each neighbour, where there are many with whom one hasn't chatted."""
_KNOWN: Final = 300.0
"""Seconds after which whoever is only known is asked again, at most; at first after fewer."""
_PAUSE: Final = 1 / 16
"""Seconds between questions; with those that may be asked at the same time, 20 in any second (discovery 3.4)."""
_BURST: Final = 4
_PLACES: Final = 1024
_ADDRESSES: Final = 8
"""Of one announcement."""
_OF_A_HOST: Final = 16


@dataclass(slots=True)
class Ask:
    """A peer is to be asked whether it is there (spec 4.12)."""

    peer: Address


@dataclass
class _Place:
    """An address at which a neighbour is, or may be."""

    name: str
    given: str = ""
    """By which name it is known without an announcement."""
    identity: str = ""
    """Whose it is, where it was announced."""
    kept: Source | None = None
    """Why it is known without an announcement, if it is."""
    ours: bool = False
    """Whether it may be asked (discovery 3.4)."""
    heard: float | None = None
    """When something came from there last; `None` unless somebody is there."""
    tries: int = 0
    """Questions that wait for an answer."""
    later: float = _FRESH
    """Seconds until it is asked again, if it doesn't answer."""


@dataclass
class _Announcement:
    record: str
    """Its own name."""
    places: list[Address]
    """Best first."""
    holds: bool = True


class Neighbours:
    """All neighbours of a daemon. After each call, do what was put into `outlet`, in its order, and clear it; and call
    `handle_timer` at `get_timer`.

    A neighbour goes by its identity here if it is announced, and by its address if not.
    """

    def __init__(self, *, asks: bool = True) -> None:
        """Where it doesn't ask, nobody is ever here (discovery 5.1)."""
        self.asks = asks
        self.outlet: list[Ask | Seen | Gone] = []
        self._attended = False
        self._places: dict[Address, _Place] = {}
        self._announcements: dict[str, _Announcement] = {}
        self._hosts: Counter[str] = Counter()
        self._told: dict[str | Address, Seen] = {}
        self._timers: Timers[Address] = Timers()
        self._queue: dict[Address, None] = {}
        """Who is to be asked as soon as the rate allows it."""
        self._next = float("-inf")
        """When it does."""

    # -- how they are found

    def announced(self, identity: str, record: str, name: str, addresses: list[Address], now: float) -> None:
        """An announcement, new or repeated, by its own name, with the addresses to try, best first."""
        announcement = self._announcements.pop(identity, None) or _Announcement("", [])
        before, announcement.places = announcement.places, []
        announcement.record, announcement.holds = record, True
        self._announcements[identity] = announcement
        for peer in addresses[:_ADDRESSES]:
            if self._take(peer, identity, name, len(addresses), now):
                announcement.places.append(peer)
        for peer in before:
            if peer not in announcement.places and (place := self._places.get(peer)):
                if place.heard is None:
                    self._drop(peer)
                else:
                    announcement.places.append(peer)
                    self._ask(peer, now)
        self._announcements.pop(identity, None)
        if announcement.places:  # one may have had to give way to the next, and taken the record along
            self._announcements[identity] = announcement
        for peer in announcement.places:
            place = self._places[peer]
            if not place.tries and (place.heard is None or place.name != name):
                self._ask(peer, now)
        self._tell(identity, now)

    def withdrawn(self, identity: str, record: str, now: float) -> None:
        """A goodbye, or the end of a record's time."""
        announcement = self._announcements.get(identity)
        if announcement is not None and announcement.record == record:
            announcement.holds = False
            for peer in announcement.places:
                self._ask(peer, now)

    def known(self, source: Source, name: str, peer: Address, now: float, *, ours: bool) -> None:
        """Somebody of that name is, or was, at that address; `ours` says whether it may be asked (discovery 3.4)."""
        place = self._places.get(peer) or self._added(peer, _Place(name))
        if place is not None:
            place.given, place.kept, place.ours = name, source, place.ours or ours
            if place.heard is None:
                self._ask(peer, now)
            self._tell(place.identity or peer, now)

    # -- whether they are there

    def present(self, peer: Address, name: str, now: float) -> None:
        """That peer has answered, as a person of that name, or as nobody where that is empty."""
        place = self._places.get(peer)
        if place is not None and self.asks:
            place.name, place.heard, place.tries, place.later = name, now, 0, _FRESH
            self._ask_where_it_was(place, peer, now)
            leaves = self._patience(place) == _FRESH
            self._rest(peer, now + self._patience(place) if self._attended or leaves else None)
            self._tell(place.identity or peer, now)

    def met(self, peer: Address, name: str, now: float, *, ours: bool) -> None:
        """A chat with that peer, of that name, is on."""
        place = self._places.get(peer) or self._added(peer, _Place(name))
        if place is not None:
            place.given, place.kept, place.ours = name, Source.CHAT, place.ours or ours
            self.present(peer, name, now)

    def spare(self, peer: Address, now: float) -> None:
        """It isn't asked now: there is a conversation with it."""
        self._places[peer].tries = 0
        self._rest(peer, now + _SILENT if self._attended else None)

    def heard(self, peer: Address, now: float) -> None:
        """Something else has come from that peer."""
        place = self._places.get(peer)
        if place is not None and place.heard is not None:
            place.heard = now

    def lost(self, peer: Address, now: float) -> None:
        """A conversation with it has ended, since it doesn't answer any more."""
        place = self._places.get(peer)
        if place is not None and place.heard is not None:
            self._give_up(peer, place, now)

    def unreachable(self, peer: Address, now: float) -> None:
        """The system says that nothing gets there."""
        place = self._places.get(peer)
        if place is not None and place.tries:
            self._give_up(peer, place, now)

    def doubt(self, peer: Address, now: float) -> None:
        """A call to it got nowhere."""
        if peer in self._places and not self._places[peer].tries:
            self._ask(peer, now)

    def attend(self, attended: bool, now: float) -> None:
        """Whether a client is attached."""
        self._attended = attended
        for peer, place in self._places.items():
            if not place.tries and peer not in self._queue:
                self._timers.set(peer, now if attended else None)

    def handle_timer(self, now: float) -> None:
        """Asks whoever it is time for, and gives up whoever hasn't answered. Early or repeated calls do nothing."""
        self._serve(now)
        for peer in self._timers.due(now):
            place = self._places[peer]
            if place.tries >= _TRIES:
                self._give_up(peer, place, now)
            elif not place.tries and place.heard is not None and now < (due := place.heard + self._patience(place)):
                self._timers.set(peer, due)
            else:
                self._ask(peer, now)

    def get_timer(self) -> float | None:
        """When `handle_timer` will next have something to do; changes nothing."""
        timer = self._timers.first()
        if not self._queue:
            return timer
        return self._next if timer is None else min(timer, self._next)

    # -- who wants to know

    def look(self, now: float) -> list[Seen]:
        """Everybody. Whoever hasn't been heard lately is asked."""
        for peer, place in self._places.items():
            if not place.tries and (place.heard is None or now >= place.heard + _FRESH):
                self._ask(peer, now)
        return self._all(now)

    def called(self, name: str, now: float) -> list[Address]:
        """Where those of that name are; where none is here, where they may be (discovery 4.1)."""
        found = [each for each in self._all(now) if name in (each.name, self._places[each.peer].given)]
        return [each.peer for each in found if each.seconds is not None] or [each.peer for each in found]

    # -- housekeeping

    def _all(self, now: float) -> list[Seen]:
        neighbours = dict.fromkeys(place.identity or peer for peer, place in self._places.items())
        return [seen for each in neighbours if (seen := self._seen(each, now))]

    def _seen(self, neighbour: str | Address, now: float) -> Seen | None:
        """A neighbour at the best of the places where it is, or else may be."""
        peers = self._announcements[neighbour].places if isinstance(neighbour, str) else [neighbour]
        there = [each for each in peers if self._places[each].heard is not None]
        told = self._told.get(neighbour)
        if told and told.peer in there:  # whoever answers stays there: no forger moves them (discovery 5.2)
            there = [told.peer]
        peer = next(iter(there or peers), None)
        if peer is None:
            return None
        place = self._places[peer]
        if place.heard is None and not self._lasts(place):
            return None
        source = Source.ANNOUNCED if place.identity else place.kept or Source.CHAT
        if place.heard is None or (place.given and not place.name):  # that person isn't there, whoever else may be
            return Seen(peer, place.given or place.name, source, None)
        return Seen(peer, place.name, source, int(now - place.heard))

    def _tell(self, neighbour: str | Address, now: float) -> None:
        """Reports what has changed, except for how long ago it was heard."""
        seen = self._seen(neighbour, now) if neighbour in self._announcements or neighbour in self._places else None
        before = self._told.pop(neighbour, None)
        if before and (seen is None or seen.seconds is None or seen.peer != before.peer):
            self.outlet.append(Gone(before.peer, before.name))
        if seen is None:
            return
        if seen.seconds is not None:
            self._told[neighbour] = seen
            if before is None or (before.peer, before.name, before.source) != (seen.peer, seen.name, seen.source):
                self.outlet.append(seen)
        elif before:
            self.outlet.append(seen)

    def _lasts(self, place: _Place) -> bool:
        """Whether it is known for another reason than an announcement that has been taken back."""
        announcement = self._announcements.get(place.identity)
        return announcement is None or announcement.holds or place.kept is not None

    def _patience(self, place: _Place) -> float:
        """How long it may be silent; whoever has said goodbye, and still answers, may be about to leave."""
        if not self._lasts(place):
            return _FRESH
        return _SILENT if place.kept is Source.CHAT else max(_SILENT, _EACH * len(self._places))

    def _ask(self, peer: Address, now: float) -> None:
        place = self._places[peer]
        if not (place.ours and self.asks) or peer in self._queue:
            return
        self._timers.set(peer, None)
        self._queue[peer] = None
        self._serve(now)

    def _serve(self, now: float) -> None:
        """Asks whose turn it is: those who are announced before others, of whom there may be a thousand."""
        while self._queue and now >= self._next:
            peer = next((each for each in self._queue if self._places[each].identity), next(iter(self._queue)))
            del self._queue[peer]
            self._next = max(self._next, now - (_BURST - 1) * _PAUSE) + _PAUSE
            self._places[peer].tries += 1
            self.outlet.append(Ask(peer))
            self._timers.set(peer, now + _RETRY)

    def _ask_where_it_was(self, place: _Place, peer: Address, now: float) -> None:
        """It answers at one address, and may have left the one that was told."""
        told = self._told.get(place.identity)
        other = self._places.get(told.peer) if told and told.peer != peer else None
        if told and other and not other.tries and other.heard is not None and now >= other.heard + _RETRY:
            self._ask(told.peer, now)

    def _rest(self, peer: Address, until: float | None) -> None:
        """It isn't asked before then; `None`: until somebody wants to know."""
        self._queue.pop(peer, None)
        self._timers.set(peer, until)

    def _give_up(self, peer: Address, place: _Place, now: float) -> None:
        neighbour = place.identity or peer
        gone, place.heard, place.tries = place.heard is not None, None, 0
        self._rest(peer, now + place.later if self._attended else None)
        place.later = min(2 * place.later, _KNOWN)
        if not self._lasts(place):
            if gone:  # it is asked once more: a goodbye and a refusal can both be made up
                self._rest(peer, now + _RETRY)
            else:
                self._drop(peer)
        self._tell(neighbour, now)

    def _take(self, peer: Address, identity: str, name: str, claims: int, now: float) -> bool:
        """Makes a place that of an announcement, unless somebody else who is there was announced with it before, and
        claims no more places: whoever adds another's to its own doesn't stand in for them (discovery 5.2).
        """
        place = self._places.get(peer) or self._added(peer, _Place(name))
        if place is None:
            return False
        owner = self._announcements.get(place.identity) if place.identity != identity else None
        if owner is not None and place.heard is not None and len(owner.places) <= claims:
            return False
        if owner is not None:
            before = place.identity
            self._unlist(peer, place)
            self._tell(before, now)
        if peer in self._told:
            self._told[identity] = self._told.pop(peer)
        place.identity, place.ours = identity, True
        if place.heard is None:
            place.name = name
        return True

    def _unlist(self, peer: Address, place: _Place) -> None:
        """It isn't announced any more."""
        announcement = self._announcements.get(place.identity)
        if announcement is not None and peer in announcement.places:
            announcement.places.remove(peer)
            if not announcement.places:
                del self._announcements[place.identity]
        place.identity = ""

    def _drop(self, peer: Address) -> None:
        """It isn't announced any more, and forgotten unless it is known anyway."""
        place = self._places[peer]
        self._unlist(peer, place)
        if place.kept is None:
            del self._places[peer]
            self._hosts[peer[0]] -= 1
            self._timers.set(peer, None)
            self._queue.pop(peer, None)

    def _added(self, peer: Address, place: _Place) -> _Place | None:
        """That place, kept if there is room: one that is announced, and doesn't answer, gives way (discovery 2.4)."""
        crowd: Iterable[Address] = ()
        if self._hosts[peer[0]] >= _OF_A_HOST:
            crowd = [each for each in self._places if each[0] == peer[0]]
        elif len(self._places) >= _PLACES:
            crowd = self._places
        silent = [each for each in crowd if self._places[each].heard is None]
        displaced = min(silent, key=lambda each: self._places[each].kept is not None, default=None)
        if displaced is not None:
            self._places[displaced].kept = None
            self._drop(displaced)
        elif crowd:
            return None
        self._places[peer] = place
        self._hosts[peer[0]] += 1
        return place

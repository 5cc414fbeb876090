"""A simulated network with a virtual clock: endpoints, what is lost and repeated between them, and their people.

Everything is drawn from one seed; time only moves to the next thing that happens.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from simp_daemon.events import (
    Connected,
    Ended,
    Event,
    Ignored,
    MessageAcknowledged,
    MessageReceived,
    MessageUndelivered,
    RequestReceived,
)
from simp_proto.address import Address
from simp_proto.constants import Framing
from simp_proto.datagram import Datagram, parse
from tests.driven import Endpoint

DEADLINE = 3600.0
"""Virtual seconds after which a simulation that is still busy counts as stuck."""


@dataclass
class Link:
    """What happens to datagrams one way. `drop` sees each, with its running number from 0, and may lose it."""

    latency: float = 0.05
    jitter: float = 0.0
    loss: float = 0.0
    duplication: float = 0.0
    reorders: bool = False
    drop: Callable[[int, Datagram], bool] | None = None
    sent: int = 0
    dropped: int = 0
    last_arrival: float = 0.0


@dataclass
class Person:
    """Somebody at an endpoint, who says `words` as soon as the chat is on, one after the other's ACK or all at once."""

    network: "Network"
    address: Address
    name: str
    framing: Framing | None = None
    words: list[str] = field(default_factory=list)
    accepts: bool | None = True
    thinks: float = 1.0
    leaves: bool = False
    events: list[Event] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.endpoint = Endpoint(self.framing)
        self.endpoint.user = self.name

    @property
    def heard(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, MessageReceived)]

    @property
    def undelivered(self) -> list[int]:
        return [event.message for event in self.events if isinstance(event, MessageUndelivered)]

    @property
    def ignored(self) -> list[Ignored]:
        return [event for event in self.events if isinstance(event, Ignored)]

    def saw(self, kind: type) -> bool:
        return any(isinstance(event, kind) for event in self.events)

    def happened(self, event: Event, now: float) -> None:
        """The person's own rules: accept, speak, and leave when all is said."""
        self.events.append(event)
        match event:
            case RequestReceived(peer=peer) if self.accepts is not None:
                self.network.at(now + self.thinks, lambda: self.answer(peer))
            case Connected():
                for number, word in enumerate(self.words, 1):
                    self.endpoint.say_to_partner(number, word, now)
            case MessageAcknowledged(message=message):
                self.acknowledged.append(message)
                if self.leaves and message == len(self.words):
                    self.network.at(now + self.thinks, self.quit)
            case _:
                pass

    def answer(self, peer: Address) -> None:
        if peer in [each for each, _ in self.endpoint.requests]:
            act = self.endpoint.accept if self.accepts else self.endpoint.quit
            act(peer, self.network.now)

    def quit(self) -> None:
        if self.endpoint.current is not None:
            self.endpoint.quit(self.endpoint.current.record.peer, self.network.now)


class Network:
    """Joins people's endpoints. `run` goes on until `until`, or else until nothing is left to happen."""

    def __init__(self, seed: int = 0) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self.people: dict[Address, Person] = {}
        self.links: dict[tuple[Address, Address], Link] = {}
        self.wire: list[tuple[float, Address, Address, bytes, str]] = []
        """Every datagram sent: when, from, to, its bytes, and `""`, `lost` or `twice`."""
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def join(self, host: str, name: str, *, framing: Framing | None = None) -> Person:
        address = (host, 7777)
        self.people[address] = Person(self, address, name, framing)
        return self.people[address]

    def link(self, source: Person, destination: Person) -> Link:
        return self.links.setdefault((source.address, destination.address), Link())

    def at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (time, next(self._order), action))

    def send(self, data: bytes, source: Address, destination: Address) -> None:
        if destination not in self.people:
            return
        link = self.links.setdefault((source, destination), Link())
        number = link.sent
        link.sent += 1
        lost = bool(link.drop and link.drop(number, parse(data))) or self.random.random() < link.loss
        twice = self.random.random() < link.duplication
        link.dropped += lost
        self.wire.append((self.now, source, destination, data, "lost" if lost else "twice" if twice else ""))
        for _ in range(0 if lost else 2 if twice else 1):
            arrival = self.now + link.latency + self.random.random() * link.jitter
            if not link.reorders:
                arrival = link.last_arrival = max(arrival, link.last_arrival)
            self.at(arrival, lambda: self.people[destination].endpoint.receive(data, source, self.now))

    def run(self, until: float | None = None) -> None:
        while True:
            self._settle()
            timers = [timer for person in self.people.values() if (timer := person.endpoint.get_timer()) is not None]
            queued = [self._queue[0][0]] if self._queue else []
            times = queued + timers
            if not times or (until is not None and min(times) > until):
                self.now = self.now if until is None else until
                return
            assert self.now < DEADLINE, "the simulation is stuck"
            self.now = max(self.now, min(times))
            if queued and queued[0] <= self.now:
                heapq.heappop(self._queue)[2]()
            for person in self.people.values():
                person.endpoint.handle_timer(self.now)

    def _settle(self) -> None:
        """Drains what endpoints have to say until nobody has more."""
        busy = True
        while busy:
            busy = False
            for address, person in self.people.items():
                for data, destination in person.endpoint.datagrams_to_send():
                    self.send(data, address, destination)
                    busy = True
                while event := person.endpoint.next_event():
                    person.happened(event, self.now)
                    busy = True


def ended(person: Person) -> list[Ended]:
    """How that person's requests, calls and chats ended."""
    return [event for event in person.events if isinstance(event, Ended)]

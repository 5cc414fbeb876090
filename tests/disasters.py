"""Two daemons of SIMP/2 without its crypto, on a virtual clock: a network that loses, delays, repeats and reorders, and
crashes between any two effects, after which a daemon has nothing but what its disk had committed.

`tests.network` is for endpoints that never crash, and carries bytes; here frames travel as they are.
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from simp_daemon.facts import Acknowledged, Fact, Jumped, Ledger, Renumbered, Said, cut
from simp_daemon.peers.link import Link
from simp_daemon.peers.outlet import Delivered, News
from simp_proto.datagram import Datagram
from simp_proto.sealed.frames import Frame, State

DEADLINE = 36_000.0
"""Virtual seconds after which what isn't done counts as stuck."""
REPEATS = (1.0, 2.0, 4.0, 5.0)


@dataclass(frozen=True, slots=True)
class Call:
    """The handshake without its keys: 64 random bits for those of its two ends (spec 4)."""

    caller: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    caller: bytes
    callee: bytes


@dataclass(frozen=True, slots=True)
class Confirm:
    session: tuple[bytes, bytes]
    state: State


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record; whoever isn't in the session can't open it."""

    session: tuple[bytes, bytes]
    counter: int
    frames: tuple[Frame, ...]


Packet = Call | Answer | Confirm | Sealed | Datagram
"""What travels; the last in runs of SIMP/1."""


@dataclass(slots=True)
class Queued:
    """Its client is told that the message of that token will be sent."""

    token: str


Effect = Packet | Fact | News | Queued


class Disk:
    """What is committed: the same facts, applied when their turn comes. What may be late may be lost until then."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.late: list[Fact] = []
        self.said: list[str] = []
        self.heard: list[bytes] = []
        self.gaps = 0
        self.commits = 0

    def commit(self, fact: Fact) -> None:
        if isinstance(fact, Acknowledged):
            self.late.append(fact)
            return
        self.flush(len(self.late))
        if isinstance(fact, Said):
            self.said.append(fact.token)
        elif isinstance(fact, Jumped):
            self.gaps += fact.number - self.ledger.stored + len(self.ledger.unfinished)
        self.heard += self.ledger.apply(fact)
        self.commits += 1

    def flush(self, kept: int) -> None:
        """Of what may be late, so much is written, and the rest lost."""
        for fact in self.late[:kept]:
            self.ledger.apply(fact)
        self.late.clear()


@dataclass
class Repeated:
    """Something that goes out after 1, 2, 4, 5, 5 ... s until it is answered."""

    datagram: Packet
    due: float
    tries: int = 0

    def repeat(self, now: float) -> None:
        self.due = now + REPEATS[min(self.tries, len(REPEATS) - 1)]
        self.tries += 1


class Daemon:
    """What a crash forgets: a link, and the calls that lead to one (spec 4, 5.5 and 7.7)."""

    link_kind = Link

    def __init__(self, ledger: Ledger, random: Callable[[int], bytes]) -> None:
        self.ledger, self.random = ledger, random
        self.effects: list[Effect] = []
        self.link: Link | None = None
        self.session: tuple[bytes, bytes] | None = None
        self.counter = 0
        self.seen: set[int] = set()
        self.calling: Repeated | None = None
        self.answering: Repeated | None = None
        self.confirming: Repeated | None = None
        self.confirmed_at: float | None = None
        self.over: deque[bytes] = deque(maxlen=64)

    # -- what a link's outlet does

    def send(self, frames: Sequence[Frame]) -> int:
        assert self.session
        self.counter += 1
        self.effects.append(Sealed(self.session, self.counter - 1, tuple(frames)))
        return self.counter - 1

    def commit(self, fact: Fact) -> None:
        self.effects.append(fact)

    def tell(self, news: News) -> None:
        self.effects.append(news)

    # -- what happens to it

    def call(self, now: float) -> None:
        self.calling = Repeated(Call(self.random(8)), now)
        self.handle_timer(now)

    def say(self, token: str, message: bytes, now: float) -> None:
        if self.link is not None:
            self.link.say(token, message)
            self.link.pump(now)
        elif fact := self.ledger.say(token, message):
            self.commit(fact)
            self.ledger.apply(fact)
        self.effects.append(Queued(token))

    def receive(self, datagram: Packet, now: float) -> None:
        match datagram:
            case Call(caller):
                self._called(caller, now)
            case Answer(caller, _):
                session = (caller, datagram.callee)
                if self.calling and self.calling.datagram == Call(caller):
                    self.calling = None
                    link = self._establish(session, caller=True)
                    self.confirming = Repeated(Confirm(session, link.state()), now)
                    self.confirmed_at = now
                    link.pump(now)
                    self.handle_timer(now)
                elif self.confirming and session == self.session:
                    self.effects.append(self.confirming.datagram)
                    self.confirmed_at = None
            case Confirm(session, state):
                if self.answering and self.answering.datagram == Answer(*session):
                    self.answering = None
                    self.over.append(session[0])
                    link = self._establish(session, caller=False)
                    link.read(state)
                    link.pump(now)
            case Sealed(session, counter, frames):
                if self.link is not None and session == self.session and counter not in self.seen:
                    self.seen.add(counter)
                    if self.confirmed_at is not None:
                        self.link.round_trip.measure(now - self.confirmed_at)
                    self.confirming = self.confirmed_at = None
                    self.link.receive(counter, frames, now)
                    self.link.pump(now)

    def _called(self, caller: bytes, now: float) -> None:
        if self.answering and isinstance(self.answering.datagram, Answer) and self.answering.datagram.caller == caller:
            self.effects.append(self.answering.datagram)
        elif self.calling and isinstance(self.calling.datagram, Call) and self.calling.datagram.caller < caller:
            self.calling.due = now
        elif caller not in self.over:
            self.calling = None
            self.answering = Repeated(Answer(caller, self.random(8)), now)
        self.handle_timer(now)

    def _establish(self, session: tuple[bytes, bytes], *, caller: bool) -> Link:
        self.session, self.counter = session, 0
        self.seen = set()
        self.confirming = self.confirmed_at = None
        self.link = self.link_kind(self.ledger, self, caller=caller)
        return self.link

    def handle_timer(self, now: float) -> None:
        for each in (self.calling, self.answering, self.confirming):
            if each and now >= each.due:
                each.repeat(now)
                self.effects.append(each.datagram)
                if each is self.confirming and each.tries > 1:
                    self.confirmed_at = None
        if self.answering and self.answering.tries > 12:
            self.answering = None
            self.call(now)
        if self.link is not None:
            self.link.pump(now)
            gone = self.link.gone_at()
            if gone is not None and now >= gone and not self.calling:
                self.call(now)

    def get_timer(self) -> float | None:
        times = [each.due for each in (self.calling, self.answering, self.confirming) if each]
        if self.link is not None:
            times += [time for time in (self.link.get_timer(), self.link.gone_at()) if time is not None]
            if self.calling and (gone := self.link.gone_at()) is not None:
                times.remove(gone)
        return min(times) if times else None


@dataclass
class Network:
    """Shares of datagrams, and seconds."""

    loss: float = 0.3
    duplication: float = 0.1
    late: float = 0.02
    """Of datagrams that come once more up to 20 s later."""
    latency: float = 0.01
    """One way."""
    jitter: float = 0.02


@dataclass
class Person:
    """Somebody at a daemon, with a client that survives it, and says each thing again until it is told *queued*."""

    want: int = 0
    queued: int = 0
    delivered: int = 0
    doubtful: set[int] = field(default_factory=set)


class World:
    """Everything is drawn from one seed; time only moves to the next thing that happens."""

    daemon: type[Daemon] = Daemon
    latest = 20.0

    def __init__(
        self, seed: int, network: Network | None = None, *, crashes: float = 0.0, restores: float = 0.0
    ) -> None:
        self.random = Random(seed)
        self.network = network or Network()
        self.crashing, self.restoring = crashes, restores
        self.now = 0.0
        self.sent = self.lost = self.crashes = self.restored = 0
        self._queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self.disks = [Disk() for _ in range(2)]
        self.copies: list[list[Disk]] = [[], []]
        self.people = [Person(), Person()]
        self.daemons: list[Daemon | None] = [None, None]
        self._armed: list[float | None] = [None, None]
        for index in (0, 1):
            self.at(0.0, self._start, index)

    def at(self, time: float, action: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._queue, (time, next(self._order), action, arguments))

    @property
    def pending(self) -> bool:
        """Whether anything is left to happen."""
        return bool(self._queue)

    # -- a daemon

    def _start(self, index: int) -> None:
        if self.daemons[index] is None:
            daemon = self.daemon(deepcopy(self.disks[index].ledger), self.random.randbytes)
            self.daemons[index] = daemon
            daemon.call(self.now)
            self.perform(index)

    def perform(self, index: int) -> None:
        """What a daemon wants done, one by one; a crash may come before each."""
        daemon = self.daemons[index]
        assert daemon
        for effect in self._ordered(daemon.effects):
            if self.crashing and self.random.random() < self.crashing:
                self.crash(index)
                return
            if isinstance(effect, Fact):
                if isinstance(effect, Renumbered):
                    self.people[index].doubtful.update(map(int, self.disks[index].ledger.waiting))
                self.disks[index].commit(effect)
            elif isinstance(effect, News | Queued):
                self._tell(index, effect)
            else:
                self._transmit(1 - index, effect)
        daemon.effects.clear()
        timer = daemon.get_timer()
        armed = self._armed[index]
        if timer is not None and (armed is None or timer < armed):
            self._armed[index] = timer = max(timer, self.now)
            self.at(timer, self._ring, index, daemon)

    def _ordered(self, effects: list[Effect]) -> list[Effect]:
        return effects

    def _ring(self, index: int, daemon: Daemon) -> None:
        if self.daemons[index] is daemon:
            self._armed[index] = None
            daemon.handle_timer(self.now)
            self.perform(index)

    def crash(self, index: int) -> None:
        """What wasn't committed is lost; now and then the disk is replaced by an older copy of it."""
        self.crashes += 1
        self.daemons[index] = self._armed[index] = None
        disk = self.disks[index]
        disk.flush(self.random.randrange(len(disk.late) + 1))
        if self.restoring:
            copies = self.copies[index]
            if copies and self.random.random() < self.restoring:
                self.restored += 1
                del copies[self.random.randrange(len(copies)) + 1 :]  # of what the copy doesn't know, nobody has one
                self.disks[index] = deepcopy(copies.pop())
                self.people[index].doubtful.add(self.people[index].queued + 1)  # which its client will say again
            copies.append(deepcopy(self.disks[index]))
        self.at(self.now + self.random.choice((0.0, 0.1, 1.0, 5.0)), self._start, index)

    def _transmit(self, index: int, datagram: Packet) -> None:
        network, random = self.network, self.random.random
        self.sent += 1
        delay = network.latency + random() * network.jitter
        if random() < network.loss:
            self.lost += 1
        else:
            self.at(self.now + delay, self._arrive, index, datagram)
        if random() < network.duplication:
            self.at(self.now + network.latency + random() * network.jitter * 3, self._arrive, index, datagram)
        if random() < network.late:
            self.at(self.now + random() * self.latest, self._arrive, index, datagram)

    def _arrive(self, index: int, datagram: Packet) -> None:
        if daemon := self.daemons[index]:
            daemon.receive(datagram, self.now)
            self.perform(index)

    # -- people

    @staticmethod
    def text(speaker: int, number: int) -> bytes:
        """What is said: mostly short, sometimes of some pieces, and no shorter than a message may be."""
        words = b"%d:%d" % (speaker, number)
        return words.ljust(max((number % 7 == 3) * (number * 97 % 3000), 9), b".")

    def _tell(self, index: int, news: News | Queued) -> None:
        person = self.people[index]
        match news:
            case Queued(token):
                person.queued = max(person.queued, int(token))
            case Delivered(token):
                person.delivered = int(token)
                if not self.restoring:
                    assert len(self.disks[1 - index].heard) >= int(token), f"told that {token} arrived, which didn't"

    def _say(self, index: int, pause: float) -> None:
        person = self.people[index]
        number = person.queued + 1
        if number > person.want:
            return
        if daemon := self.daemons[index]:
            daemon.say(str(number), self.text(index, number), self.now)
            self.perform(index)
        self.at(self.now + self.random.random() * 2 * pause + 0.001, self._say, index, pause)

    def chat(self, messages: int, pause: float = 0.0) -> None:
        """Both say so many, and everything must get there; raises `AssertionError`."""
        for index, person in enumerate(self.people):
            person.want += messages
            self._say(index, pause)
        while not self._done():
            assert self.now < DEADLINE, f"stuck: {self.people}"
            self.step()
        self.judge()

    def step(self) -> None:
        assert self._queue, f"nothing is left to happen: {self.people}"
        time, _, action, arguments = heapq.heappop(self._queue)
        self.now = max(self.now, time)
        action(*arguments)

    def _done(self) -> bool:
        """All that was to be said is queued, nothing of it waits, and both know it."""
        one, other = self.daemons
        return (
            one is not None
            and other is not None
            and not (one.ledger.waiting or other.ledger.waiting)
            and one.ledger.next - 1 == other.ledger.stored
            and other.ledger.next - 1 == one.ledger.stored
            and all(person.queued == person.want for person in self.people)
        )

    def judge(self) -> None:
        """All there once and in order; with restored disks, whatever isn't was announced."""
        for daemon, disk in zip(self.daemons, self.disks, strict=True):
            disk.flush(len(disk.late))
            assert daemon
            assert daemon.ledger == disk.ledger, "what the rules decided isn't what was committed"
        for index, person in enumerate(self.people):
            disk, other = self.disks[index], self.disks[1 - index]
            heard = [int(message.partition(b":")[2].rstrip(b".")) for message in other.heard]
            assert all(message == self.text(index, number) for message, number in zip(other.heard, heard, strict=True))
            counts = Counter(heard)
            twice = {number for number in counts if counts[number] > 1}
            assert twice <= person.doubtful, f"{twice - person.doubtful} came twice, which nobody was told"
            certain = [number for number in heard if number not in person.doubtful]
            assert certain == sorted(certain), "out of order"
            absent = [token for token in disk.said if int(token) not in counts]
            pieces = sum(len(list(cut(self.text(index, int(token)), 1))) for token in absent)
            assert pieces <= other.gaps, f"{absent} never came, which nobody was told"
            if not self.restored:
                assert not person.doubtful
                assert not other.gaps
                assert len(heard) == person.want

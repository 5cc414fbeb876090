"""A whole daemon that can crash between any two of its effects, with its disk, and somebody at it.

Real are the rules, from the client's line to the datagram, what is between them and the disk, and the disk's file.
"""

import asyncio
import re
import sqlite3
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from simp_daemon import core
from simp_daemon.database import restore
from simp_daemon.disk import Disk
from simp_daemon.effects import Close, Effect, Send, Throttle, Write
from simp_daemon.events import ErrorReceived
from simp_daemon.identity import Identity, _text
from simp_daemon.occurrences import ClientConnected, ClientSaid, Occurrence, Started, TimerFired
from simp_proto.address import Address, format_address
from simp_proto.constants import Framing, PayloadKind
from simp_proto.datagram import offset

if TYPE_CHECKING:
    from tests.disasters import World

ADDRESSES: tuple[Address, Address] = (("10.0.0.1", 7777), ("10.0.0.2", 7777))
NAMES = ("alice", "bob")
WINDOW = 8
"""Messages whose fate a person doesn't know, at most, in a chat."""


_PAYLOAD = offset("payload", Framing.HEADER, 0)


class Row(NamedTuple):
    """Of a store's messages."""

    id: int
    ours: bool
    fate: str
    doubtful: bool
    said: str


class CrashError(BaseException):
    """The daemon is gone at this moment; nothing may catch it."""


class Timer:
    """What the disk sets, and a crash forgets."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act: Callable[[], None] | None = act

    def cancel(self) -> None:
        self.act = None


class Machine:
    """A daemon and its disk; `sealed`: it speaks SIMP/2."""

    def __init__(self, world: "World", index: int, *, sealed: bool) -> None:
        self.world, self.index, self.sealed = world, index, sealed
        self.address = ADDRESSES[index]
        self.letter = NAMES[index][0]
        self.directory = world.folder / NAMES[index]
        self.person = Person(self)
        self.runs = 0
        self.on = False
        self._armed: float | None = None
        self._reader: sqlite3.Connection | None = None
        self._read, self._there = 0, set[str]()
        self.copies: list[Path] = []
        self._copied = 0
        self.lost_received: Counter[str] = Counter()
        """What a copy of the store didn't know any more of what had come."""
        self.lost_said: set[str] = set()
        self.may_double: set[str] = set()
        """What was waiting in such a copy."""
        self.given_up: set[str] = set()
        """What had been given up, as such a copy didn't know; the other, which passed it over, says that it is done."""
        self.restored = 0
        self.announced: Counter[str] = Counter()
        if sealed:
            self.directory.mkdir(mode=0o700)
            key = self.directory / "identity.key"
            key.touch(0o600)
            key.write_bytes(_text(Identity(world.random.randbytes(32), world.random.randbytes(32))))

    # -- its life

    def start(self) -> None:
        world = self.world
        self.runs += 1
        means = None
        if self.sealed:
            asyncio._set_running_loop(self)  # type: ignore[arg-type]  # all of a loop that a disk needs
            try:
                self.disk = Disk(self.directory, None, self._perform, self._fail)
            finally:
                asyncio._set_running_loop(None)
            self.store = self.disk._store
            if not world.durable:
                self.store._database.pragma("synchronous = OFF")
            self._apply, self.store._apply = self.store._apply, self._write  # type: ignore[method-assign]
            clock = lambda: int(world.now * 1000)  # noqa: E731
            means = replace(
                self.disk.means(only_sealed=False), random=world.random.randbytes, clock=clock, run=world.run(self)
            )
            self.announced["copies"] += len(self.store.notices)
        self.core = core.Core(self.disk.put if self.sealed else self._perform, self.address, means=means)
        self.on, self._armed = True, None
        self.handle(Started())
        world.at(world.now + world.random.choice((0.0, 0.2, 3.0)), self._attach, self.runs)

    def _attach(self, run: int) -> None:
        if run == self.runs and self.on:
            self.person.attach()

    def handle(self, occurrence: Occurrence) -> None:
        self.do(lambda: self.core.handle(occurrence, self.world.now))

    def do(self, act: Callable[[], None]) -> None:
        """Something that happens in the daemon, which may be its last."""
        try:
            act()
        except CrashError:
            self._crashed()
            return
        if not self.on:
            return
        timer = self.core.get_timer()
        if timer is not None and (self._armed is None or timer < self._armed):
            self._armed = timer = max(timer, self.world.now)
            self.world.at(timer, self._ring, self.runs, timer)

    def _ring(self, run: int, timer: float) -> None:
        if run == self.runs and self.on and self._armed == timer:
            self._armed = None
            self.handle(TimerFired())

    def crash(self) -> None:
        """At any moment at all."""
        if self.on:
            self._crashed()

    def _crashed(self) -> None:
        """What wasn't committed is lost; now and then the disk is replaced by an older copy of it."""
        world = self.world
        world.crashes += 1
        self.on = False
        self.person.detach()
        if self.sealed:
            self.store._late = []
            self.store.close()
            if self.copies and world.random.random() < world.restoring:
                self._restore()
        world.at(world.now + world.random.choice((0.0, 0.1, 1.0, 5.0)), self.start)

    def back_up(self) -> None:
        """Makes a copy of the store, while it is used."""
        self._copied += 1
        path = self.world.folder / f"{NAMES[self.index]}-{self._copied}.backup"
        self.store.backup(path)
        self.copies.append(path)

    def _restore(self) -> None:
        before = self.rows()
        del self.copies[self.world.random.randrange(len(self.copies)) + 1 :]  # later ones are void (simp2 7.8)
        aside = restore(self.copies.pop(), self.directory)
        self.close()
        after = self.rows()
        if aside:
            for each in aside.parent.glob(f"{aside.name}*"):
                each.unlink()
        heard = [Counter(row.said for row in rows if not row.ours) for rows in (before, after)]
        self.lost_received += heard[0] - heard[1]
        said = [{row.said for row in rows if row.ours} for rows in (before, after)]
        self.lost_said |= said[0] - said[1]
        self.given_up |= {row.said for row in before if row.fate == "undelivered"}
        self.may_double |= {row.said for row in after if row.ours and row.fate == "waiting"}
        self.restored += 1

    # -- what it does

    def _write(self, change: Any) -> None:
        """Another change of the transaction that is open."""
        self.world.chance()
        self._apply(change)

    def _perform(self, effect: Effect) -> None:
        self.world.chance()
        match effect:
            case Send(data):
                confirms = self.sealed and data[_PAYLOAD : _PAYLOAD + 1] == bytes((PayloadKind.CONFIRM,))
                assert not confirms or self.knows(), "CONFIRM goes out, and its contact isn't in the store"
                self.world.transmit(1 - self.index, effect)
            case Write(client, line):
                self.person.hear(client, line.decode().rstrip("\n"))
            case ErrorReceived(_, _, text):
                self.announced[kind_of(text)] += number_in(text)
            case Throttle() | Close():
                pass

    def _fail(self, why: str) -> None:
        raise AssertionError(why)

    # -- the loop that its disk has

    def time(self) -> float:
        return self.world.now

    def call_soon(self, act: Callable[[], None]) -> Timer:
        return self.call_later(
            self.world.random.random() * self.world.turn, act
        )  # what comes meanwhile is of the same turn

    def call_later(self, seconds: float, act: Callable[[], None]) -> Timer:
        timer = Timer(act)
        self.world.at(self.world.now + seconds, self._due, self.runs, timer)
        return timer

    def _due(self, run: int, timer: Timer) -> None:
        if run == self.runs and self.on and timer.act:
            self.do(timer.act)

    # -- its file, read by another connection

    def _read_file(self, query: str, *values: int) -> list[Any]:
        if self._reader is None:
            path = self.directory / "store.db"
            self._reader = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
        return self._reader.execute(query, values).fetchall()

    def knows(self) -> bool:
        """Whether it has the other as a contact."""
        return bool(self._read_file("SELECT 1 FROM contact"))

    def rows(self, after: int = 0) -> list[Row]:
        """The messages of its store that are committed, in order."""
        found = self._read_file("SELECT id, ours, fate, doubtful, content FROM message WHERE id > ? ORDER BY id", after)
        return [Row(id_, bool(ours), fate, bool(doubtful), what(data[9:])) for id_, ours, fate, doubtful, data in found]

    def has(self, said: str) -> bool:
        """Whether that came, and was committed; or it had been, when a copy took the store's place."""
        for row in self.rows(self._read):
            self._read = row.id
            if not row.ours:
                self._there.add(row.said)
        return said in self._there or said in self.lost_received

    def waits(self) -> bool:
        """Whether something of ours is neither acknowledged nor given up, as far as the disk knows."""
        return any(row.fate == "waiting" for row in self.rows())

    def close(self) -> None:
        """Looks at another file next time."""
        if self._reader is not None:
            self._reader.close()
        self._reader, self._read, self._there = None, 0, set()


class Person:
    """Somebody at a daemon, with a client that says again what it wasn't told the fate of.

    A message that is said again is another one, as far as daemons know: what the laws are about is what was said.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine, self.world = machine, machine.world
        self.peer = ADDRESSES[1 - machine.index]
        self.todo: deque[int] = deque()
        """What is to be said, again or for the first time."""
        self.done: set[int] = set()
        self.meant: list[int] = []
        """Which message each of those was that were said."""
        self.acked: set[int] = set()
        """Of what was said."""
        self.heard: Counter[str] = Counter()
        self.out_of_order = 0
        self.told: Counter[str] = Counter()
        """Of its errors, how many messages or pieces they were about."""
        self.chats = 0
        self.client: object = None
        self.chatting = self.calling = self.asked = False
        self._numbers: list[int] = []
        self._open: set[int] = set()
        self._last = -1

    # -- its client

    def attach(self) -> None:
        self.client = object()
        self._numbers = []
        self.machine.handle(ClientConnected(self.client, local=True))
        self.say(f"CONNECT|{NAMES[self.machine.index]}")
        self._look(self.client)
        self._speak(self.client)

    def detach(self) -> None:
        self.client = None
        self.chatting = self.calling = self.asked = False
        self._give_up()

    def _give_up(self) -> None:
        """Nobody will say what became of that."""
        self.todo.extendleft(self.meant[said] for said in sorted(self._open, reverse=True))
        self._open.clear()

    def say(self, line: str) -> None:
        if self.client is not None:
            self.machine.handle(ClientSaid(self.client, f"{line}\n".encode()))

    def _look(self, client: object) -> None:
        """Now and then: calls, accepts, leaves."""
        if client is not self.client or not self.machine.on:
            return
        where, random = format_address(self.peer), self.world.random.random
        if not self.chatting:
            if self.calling and random() < 0.1:
                self.calling = False
                self.say(f"QUIT|{where}")
            elif self.asked and random() < 0.5:
                self.say(f"CONNECTED|{where}")
            elif not self.calling:
                self.calling = True
                self.say(f"CONNECTING|{where}")
        elif random() < self.world.leaving:
            self.say(f"QUIT|{where}")
        self.world.at(self.world.now + self.world.calm * (0.1 + random()), self._look, client)

    def _speak(self, client: object) -> None:
        if client is not self.client or not self.machine.on:
            return
        if self.chatting and self.todo and len(self._open) < WINDOW:
            number = len(self.meant)
            self.meant.append(self.todo.popleft())
            self._numbers.append(number)
            self._open.add(number)
            self.say(f"CHAT|{self.world.text(self.machine.index, number)}")
        self.world.at(self.world.now + self.world.random.random() * 2 * self.world.talk + 0.001, self._speak, client)

    def hear(self, client: object, line: str) -> None:
        if client is not self.client:
            return
        word, _, payload = line.partition("|")
        match word:
            case "CONNECTED" if "|" in payload:
                self._give_up()
                self._numbers, self.chatting, self.calling, self.asked = [], True, False, False
                self.chats += 1
            case "CONNECTING":
                self.asked = True
            case "QUIT":
                self.chatting = self.calling = self.asked = False
            case "CHAT":
                self._heard(what(payload.partition("|")[2].encode()))
            case "ACK" | "UNDELIVERED":
                self._settled(word, int(payload))
            case "ERROR":
                self.told[kind_of(payload)] += number_in(payload)
                if not self.chatting:
                    self.calling = False

    def _heard(self, said: str) -> None:
        self.heard[said] += 1
        number = int(said[1:])
        self.out_of_order += number < self._last and self.heard[said] == 1
        self._last = max(number, self._last)
        if self.machine.sealed:
            assert self.machine.has(said), f"{said} is shown, and isn't in the store"

    def _settled(self, word: str, number: int) -> None:
        said = self._numbers[number - 1]
        if said not in self._open:
            raise AssertionError(f"told twice what became of {said}")
        self._open.remove(said)
        if word == "ACK":
            earlier = self._open & set(self._numbers[:number])
            assert not earlier or not self.machine.sealed, f"{said} was acknowledged before {earlier}"
            self.acked.add(said)
            self.done.add(self.meant[said])
            if self.machine.sealed:
                name = f"{self.machine.letter}{said}"
                assert self.world.machines[1 - self.machine.index].has(name), f"told that {name} arrived, which didn't"
        else:
            self.todo.appendleft(self.meant[said])


def what(content: bytes) -> str:
    """What was said, without what makes it long."""
    return content.partition(b":")[0].decode()


def kind_of(error: str) -> str:
    """What a person is told."""
    if "may have arrived already" in error:
        return "doubtful"
    return "missing" if "won't any more" in error else error


def number_in(error: str) -> int:
    found = re.match(r"\d+ ", error)
    return int(found[0]) if found else 1

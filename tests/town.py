"""Whole daemons of SIMP/1 and SIMP/2 with their stores and a client each, on a virtual clock and a network of no delay.

Datagrams arrive in the order in which they are sent, unless `lose` says that one doesn't.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random

from simp_daemon import core
from simp_daemon.contacts import may_wait
from simp_daemon.effects import Commit, Effect, LogKeys, Send, Write
from simp_daemon.events import Event
from simp_daemon.identity import Identity
from simp_daemon.occurrences import (
    ClientClosed,
    ClientConnected,
    ClientSaid,
    ContactsChanged,
    DatagramReceived,
    Occurrence,
    Started,
    Stopped,
    TimerFired,
)
from simp_daemon.peers.sealed.means import Means
from simp_daemon.store import Store
from simp_proto.address import Address
from simp_proto.noise import KeyPair
from simp_proto.toolkit.interference import Interference

CLIENT = "the client"


class Town:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1000.0
        self.homes: dict[Address, Home] = {}
        self.air: deque[tuple[Address, Send]] = deque()
        self.lose: Callable[[Address, Send], bool] = lambda sender, datagram: False
        self.between: Interference | None = None
        """Somebody on the path."""
        self.sent: list[tuple[Address, Send]] = []
        """Whether it arrived or not."""
        self.passed: list[tuple[Address, Send]] = []

    def home(self, name: str, **kind: bool) -> "Home":
        """A daemon, at an address of its own, with a client of that name."""
        return Home(self, name, (f"10.0.0.{len(self.homes) + 1}", 7777), **kind)

    def run(self, seconds: float = 0.0) -> None:
        """Lets everything happen that happens in that time."""
        end = self.now + seconds
        while True:
            while self.air:
                sender, datagram = self.air.popleft()
                self.sent.append((sender, datagram))
                if self.between:
                    tampered = self.between.pass_on(datagram.data)
                    if tampered.back:
                        self.homes[sender].handle(DatagramReceived(tampered.back, datagram.peer))
                    if tampered.onward is None:
                        continue
                    datagram = Send(tampered.onward, datagram.peer, datagram.here)
                home = self.homes.get(datagram.peer)
                if home and home.on and not self.lose(sender, datagram):
                    self.passed.append((sender, datagram))
                    home.handle(DatagramReceived(datagram.data, sender))
            timers = [(timer, home) for home in self.homes.values() if home.on and (timer := home.core.get_timer())]
            due = min(timers, key=lambda each: each[0], default=None)
            if due is None or due[0] > end:
                break
            self.now = max(self.now, due[0])
            due[1].handle(TimerFired())
        self.now = end


class Home:
    def __init__(self, town: Town, name: str, address: Address, *, sealed: bool = True, **kind: bool) -> None:
        self.town, self.name, self.address = town, name, address
        self.sealed, self.kind = sealed, kind
        self.keys: list[str] = []
        self.folder = name
        random = Random(name)
        self.identity = Identity(random.randbytes(32), random.randbytes(32))
        self.random = random
        self.on = False
        self.lines: list[str] = []
        self.writes: list[str] = []
        self.events: list[Event] = []
        self.runs = 0
        town.homes[address] = self
        self.start()
        self.attach()

    def start(self) -> None:
        """The daemon begins, with what its store has."""
        means = None
        self.runs += 1
        if self.sealed:
            self.store = Store(self.town.folder / self.folder, daemon=True, clock=lambda: self.town.now)
            keys, contacts = KeyPair(self.identity.x25519), self.store.load()
            clock, run = (lambda: int(self.town.now * 1000)), f"run {self.runs}"
            signing_key, random = self.identity.signing_key, self.random.randbytes
            means = Means(keys, signing_key, contacts, random, clock, run, **self.kind)
        self.core = core.Core(self._perform, self.address, means=means)
        self.on = True
        self.handle(Started())

    def crash(self) -> None:
        """The daemon is gone, without a word."""
        self.on = False
        if self.sealed:
            self.store._late = []
            self.store.close()

    def stop(self) -> None:
        """The daemon ends in good order."""
        self.handle(Stopped())
        self.town.run(0.5)
        self.on = False
        if self.sealed:
            self.store.close()

    def move(self, address: Address = ("10.0.0.99", 7777)) -> None:
        """It is somewhere else from now on, or where another home was: what is sent there comes here."""
        del self.town.homes[self.address]
        self.address = address
        self.town.homes[address] = self

    def attach(self) -> None:
        self.handle(ClientConnected(CLIENT, local=True))
        self.say(f"CONNECT|{self.name}")

    def detach(self) -> None:
        self.handle(ClientClosed(CLIENT))

    def reread(self) -> None:
        """A command has changed something."""
        self.handle(ContactsChanged(self.store.load()))

    def say(self, *lines: str) -> None:
        for line in lines:
            self.handle(ClientSaid(CLIENT, f"{line}\n".encode()))

    def hear(self) -> list[str]:
        """The lines since this was last asked."""
        lines, self.lines = self.lines, []
        return lines

    def handle(self, occurrence: Occurrence) -> None:
        self.core.handle(occurrence, self.town.now)

    def kept(self, other: "Home") -> list[tuple[bool, str, bytes]]:
        """What the store has of the conversation with that one: whether it is ours, its fate, its text."""
        self.store.flush()
        history = self.store.history(KeyPair(other.identity.x25519).public)
        return [(each.ours, each.fate.value, each.content[9:]) for each in history]

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Send():
                self.town.air.append((self.address, effect))
            case Write(_, line):
                self.writes.append(line.decode())
                self.lines += line.decode().rstrip("\n").split("\n")
            case LogKeys(line):
                self.keys.append(line)
            case Commit(change):
                (self.store.defer if may_wait(change) else self._commit)(change)
            case _:
                self.events.append(effect)  # type: ignore[arg-type]  # also what neighbours want, which nobody asks for

    def _commit(self, change: object) -> None:
        self.store.commit([change])  # type: ignore[list-item]

"""Every schedule of small calls of SIMP/2, with the daemon's own rules on a toy curve (simp2 4).

A world is two daemons, what each has on its disk, and the datagrams under way. What can happen next: a datagram
arrives, is lost or doubled, in any order; a timer ends; a daemon crashes between any two effects. From each world on,
the network may be good: then both have one session within 150 s, the same. `python -m tests.negotiation` goes deeper
than the tests do.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from hashlib import sha256
from random import Random
from time import perf_counter
from typing import Any, Final

from simp_daemon.effects import Send
from simp_daemon.events import Why
from simp_daemon.peers.sealed import call, calls
from simp_daemon.peers.sealed.call import Call, Own
from simp_daemon.peers.sealed.call_news import CallNews, CallOver, Consent, Established, KeyChanged, Requested
from simp_daemon.peers.sealed.pins import Pins
from simp_daemon.peers.sealed.switchboard import Switchboard
from simp_daemon.peers.strangers import Strangers
from simp_proto.address import Address
from simp_proto.datagram import parse
from simp_proto.noise import KeyPair
from simp_proto.sealed.frames import State

ADDRESSES: Final[tuple[Address, Address]] = (("10.0.0.1", 7777), ("10.0.0.2", 7777))
PRIME: Final = 2**61 - 1
NEW_STATE: Final[dict[str, Any]] = {
    each.name: 1 if each.name in ("first", "next") else bytes(8) for each in fields(State)
}
PATIENCE: Final = 150.0


class Toy(KeyPair):
    """Powers of 3 modulo a prime: quick, and not secret."""

    __slots__ = ("_exponent",)
    exchanges = 0

    def __init__(self, private: bytes) -> None:
        self._exponent = int.from_bytes(private[:8], "big") | 1
        self.public = pow(3, self._exponent, PRIME).to_bytes(32, "big")

    def dh(self, public: bytes) -> bytes:
        Toy.exchanges += 1
        return pow(int.from_bytes(public, "big") % PRIME or 2, self._exponent, PRIME).to_bytes(32, "big")


def new_state(_: bytes) -> State:
    """Of a conversation in which nothing was said."""
    return State(**NEW_STATE)


@dataclass
class Row:
    """What is on the disk of a contact."""

    signing_key: bytes
    name: str
    address: Address
    open: bool


@dataclass
class Half:
    """One end of a session: whether the other end has shown that it has it, too, and the callee's first record."""

    hash: bytes
    tag: bytes
    caller: bool
    peer: Address
    sure: bool = False
    at: float | None = None
    pause: float = 1.0
    gone: float | None = None


@dataclass
class Daemon:
    """Rules, a disk, and as much of a session as negotiation needs."""

    side: int
    curve: type[KeyPair] = Toy
    disk: dict[bytes, Row] = field(default_factory=dict)
    sessions: dict[bytes, Half] = field(default_factory=dict)
    told: list[CallNews] = field(default_factory=list)
    boots: int = 0

    def boot(self, now: float, *, resume: bool = True) -> None:
        """Starts with what is on the disk, and goes on with what is open."""
        self.boots += 1
        random = Random(f"{self.side} {self.boots}")
        keys = self.curve(Random(self.side).randbytes(32))
        self.pins = Pins(keys)
        for key, row in self.disk.items():
            pin = self.pins.add(key, row.signing_key, row.name)
            self.pins.reach(pin, row.address)
            pin.open = row.open
        name = (b"alice", b"bob")[self.side]
        self.own = Own(keys, bytes(31) + name[:1], self.pins, lambda: name, random.randbytes, new_state, [])
        self.board = Switchboard(self.own, Strangers())
        self.sessions.clear()
        for key in self.disk if resume else ():
            self.board.resume(key, now)


class World:
    """`faults` are how many drops, doubles, timers and crashes there may still be."""

    def __init__(
        self, callers: tuple[int, ...] = (0,), *, pinned: bool = False, late: bool = False, faults: tuple[int, ...]
    ) -> None:
        self.now, self.late, self.pinned = 0.0, late, pinned
        self.faults = dict(zip(("drop", "double", "timer", "crash"), faults, strict=True))
        self.net: list[tuple[int, bytes]] = []
        self.wrong: str | None = None
        self.crashed = self.called_again = False
        self.daemons = Daemon(0), Daemon(1)
        for daemon in self.daemons:
            daemon.boot(0.0)
        self.keys = tuple(self.daemons[1 - side].own.keys.public for side in (0, 1))
        if pinned:
            for side, daemon in enumerate(self.daemons):
                other = self.daemons[1 - side].own
                row = Row(other.signing_key, other.user().decode(), ADDRESSES[1 - side], True)
                daemon.disk[self.keys[side]] = row
        for side, daemon in enumerate(self.daemons):
            if pinned:
                daemon.boot(0.0, resume=side in callers)
            elif side in callers:
                daemon.board.call(ADDRESSES[1 - side], 0.0)
            self.settle(side)

    # -- what a daemon does with what comes out

    def settle(self, side: int, crash: int | None = None) -> None:
        """Performs effects in order, up to that one if there is a crash."""
        daemon = self.daemons[side]
        done = 0
        while daemon.own.outlet:
            if done == crash:
                break
            done += 1
            self._perform(side, daemon, daemon.own.outlet.pop(0))
        if crash is not None:
            self.crashed = True
            daemon.own.outlet.clear()
            daemon.boot(self.now)
            self.settle(side)

    def _perform(self, side: int, daemon: Daemon, effect: Send | CallNews) -> None:
        match effect:
            case Send(data=data):
                self._send(side, data)
                return
            case Consent(contact=key, open=wanted):
                daemon.disk[key].open = wanted
            case Established(key=key):
                if key != self.keys[side]:
                    self.wrong = "a session with somebody else"
                daemon.disk[key] = Row(effect.hello.signing_key, "", effect.peer, True)
                half = Half(effect.handshake_hash, effect.tag, effect.caller, effect.peer)
                daemon.sessions[key] = half
                if not effect.caller:
                    half.at, half.gone = self.now, self.now + 10
            case KeyChanged():
                self.wrong = "an alarm without a cause"
            case Requested() if sum(isinstance(each, Requested) for each in daemon.told) > self._calls_of(side):
                self.wrong = "a call rang twice"
            case _:
                pass
        daemon.told.append(effect)
        if isinstance(effect, Requested) and not self.late:
            daemon.board.accept(effect.peer, self.now)

    def _calls_of(self, side: int) -> int:
        """How many requests one daemon may have been told of: each of the other's calls, after each of its crashes."""
        return 2 * self.daemons[side].boots * self.daemons[1 - side].boots

    def _send(self, side: int, data: bytes) -> None:
        if (1 - side, data) not in self.net:
            self.net.append((1 - side, data))

    # -- what can happen

    def choices(self) -> Iterator[tuple[Any, ...]]:
        for at, datagram in enumerate(self.net):
            if datagram in self.net[:at]:
                continue
            yield "deliver", at
            for what in ("double", "drop"):
                if self.faults[what]:
                    yield what, at
            if self.faults["crash"]:
                yield from (("crash", at, effect) for effect in range(4))
        for side, daemon in enumerate(self.daemons):
            if self.faults["timer"] and self.timer(side) is not None:
                yield "timer", side
            if self.late:
                yield from (("accept", side, peer) for peer, _ in daemon.board.requests)

    def do(self, choice: tuple[Any, ...]) -> None:
        what, which = choice[0], choice[1]
        if what in self.faults:
            self.faults[what] -= 1
        match what:
            case "deliver" | "double" | "crash":
                side, data = self.net[which] if what == "double" else self.net.pop(which)
                self.now += 0.001
                self._deliver(side, data)
                self.settle(side, choice[2] if what == "crash" else None)
            case "drop":
                self.net.pop(which)
            case "timer":
                due = self.timer(which)
                assert due is not None
                self.now = max(self.now, due)
                self._tick(which)
                self.settle(which)
            case "accept":
                self.daemons[which].board.accept(choice[2], self.now)
                self.settle(which)

    def _deliver(self, side: int, data: bytes) -> None:
        daemon = self.daemons[side]
        kind, content = data[:6], data[6:]
        if kind not in (b"RECORD", b"ACKED "):
            daemon.board.receive(parse(data), ADDRESSES[1 - side], self.now)
            return
        for half in daemon.sessions.values():
            if half.hash != content:
                continue
            half.sure = True
            if kind == b"RECORD":
                daemon.board.confirmed(half.tag, self.now)
                self._send(side, b"ACKED " + content)
            else:
                half.at = half.gone = None

    def timer(self, side: int) -> float | None:
        daemon = self.daemons[side]
        times = [
            daemon.board.get_timer(),
            *(each for half in daemon.sessions.values() for each in (half.at, half.gone)),
        ]
        return min((each for each in times if each is not None), default=None)

    def _tick(self, side: int) -> None:
        daemon = self.daemons[side]
        daemon.board.handle_timer(self.now)
        for key, half in daemon.sessions.items():
            if half.at is not None and self.now >= half.at:
                self._send(side, b"RECORD" + half.hash)
                half.at, half.pause = self.now + half.pause, min(2 * half.pause, 5.0)
            if half.gone is not None and self.now >= half.gone:
                half.gone = None
                daemon.board.resume(key, self.now)

    # -- what must come of it

    def finish(self) -> str | None:
        """What is wrong if nothing is lost any more, nor anybody crashes."""
        end = self.now + PATIENCE
        while self.now < end and not self.wrong:
            if self.net:
                self.do(("deliver", 0))
                continue
            for side, daemon in enumerate(self.daemons):
                for peer, _ in daemon.board.requests:
                    daemon.board.accept(peer, self.now)
                    self.settle(side)
            if self.net:
                continue
            if self._agreed():
                return None
            times = [(due, side) for side in (0, 1) if (due := self.timer(side)) is not None]
            if times:
                due, side = min(times)
                self.now = max(self.now, due)
                self._tick(side)
                self.settle(side)
            elif self._needs_a_person() and not self.called_again:
                self.called_again = True
                self.daemons[0].board.call(ADDRESSES[1], self.now)
                self.settle(0)
            else:
                return "nobody does anything any more"
        return self.wrong or "no session in time"

    def _needs_a_person(self) -> bool:
        """A daemon crashed before it knew the other, or was so slow that a request was too old."""
        told = [each for daemon in self.daemons for each in daemon.told]
        if self.pinned:
            return False
        return self.crashed or any(isinstance(each, CallOver) and each.why is Why.EXPIRED for each in told)

    def _agreed(self) -> bool:
        halves = [daemon.sessions.get(key) for daemon, key in zip(self.daemons, self.keys, strict=True)]
        one, other = halves
        return one is not None and other is not None and one.hash == other.hash and one.sure and other.sure

    def look(self) -> bytes:
        """Equal looks have equal futures, except for times."""
        looks: list[Any] = [self.faults, self.crashed]
        for daemon in self.daemons:
            looks.append([_look(each) for each in daemon.board._calls._calls.values()])
            looks.append([(key[-8:], row.address, row.open) for key, row in daemon.disk.items()])
            looks.append(
                [(half.hash, half.sure, half.at is None, half.gone is None) for half in daemon.sessions.values()]
            )
            looks.append([(pin.key, pin.address, pin.open) for pin in daemon.pins])
        looks.append(sorted(self.net))
        return sha256(repr(looks).encode()).digest()


def _look(each: Call) -> tuple[Any, ...]:
    flags = (each.state, each.rings, each.framing, each.opened, each.doubted is None, each.missed is None)
    return (each.tag, each.offer.cookie, each.answer, each.expected is None, each._data, *flags)


@dataclass
class Outcome:
    worlds: int
    complete: bool
    wrong: list[tuple[str, list[tuple[Any, ...]]]]


def explore(start: Callable[[], World], depth: int, seconds: float = float("inf"), most: int = 3) -> Outcome:
    """Walks through all worlds up to that many steps, or until so many are wrong."""
    began = perf_counter()
    seen: set[bytes] = set()
    wrong: list[tuple[str, list[tuple[Any, ...]]]] = []
    stack: list[list[tuple[Any, ...]]] = [[]]
    while stack and len(wrong) < most:
        if perf_counter() - began > seconds:
            return Outcome(len(seen), False, wrong)
        path = stack.pop()
        world = start()
        for choice in path:
            world.do(choice)
        look = world.look()
        if look in seen:
            continue
        seen.add(look)
        if len(path) < depth and not world.wrong:
            stack += [[*path, choice] for choice in world.choices()]
        if why := world.finish():
            wrong.append((why, path))
    return Outcome(len(seen), not stack, wrong)


SCENARIOS: Final[dict[str, tuple[dict[str, Any], int, int]]] = {
    # what is walked: its world, how deep in the tests, and how deep by hand
    "one call": ({"faults": (1, 1, 1, 0)}, 6, 14),
    "one call, a person answers late": ({"late": True, "faults": (1, 1, 1, 0)}, 6, 12),
    "crossed calls": ({"callers": (0, 1), "faults": (1, 1, 0, 0)}, 7, 14),
    "crossed calls, people answer late": ({"callers": (0, 1), "late": True, "faults": (1, 0, 1, 0)}, 6, 12),
    "crossed quiet calls": ({"callers": (0, 1), "pinned": True, "faults": (1, 1, 1, 0)}, 5, 12),
    "crossed quiet calls with a crash": ({"callers": (0, 1), "pinned": True, "faults": (1, 0, 0, 1)}, 5, 10),
    "a quiet call with a crash": ({"pinned": True, "faults": (1, 1, 1, 1)}, 4, 10),
    "a call with a crash": ({"faults": (1, 0, 1, 1)}, 5, 11),
}


class ToyCurve:
    """While it is on, ephemeral keys are toys, too."""

    def __enter__(self) -> None:
        call.KeyPair = calls.KeyPair = Toy  # type: ignore[attr-defined]

    def __exit__(self, *_: object) -> None:
        call.KeyPair = calls.KeyPair = KeyPair  # type: ignore[attr-defined]


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    for name, (world, _, depth) in SCENARIOS.items():
        began = perf_counter()
        with ToyCurve():
            outcome = explore(lambda world=world: World(**world), depth, seconds)  # type: ignore[misc]
        worlds = "all" if outcome.complete else "the first"
        print(f"{name}, {depth} steps: {worlds} {outcome.worlds:,} worlds, {perf_counter() - began:.0f} s", flush=True)
        for why, path in outcome.wrong:
            print(f"    {why}: {path}")


if __name__ == "__main__":
    main()

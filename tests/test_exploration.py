"""Every schedule of two sessions on a small lossy, duplicating FIFO channel, up to a depth (spec 4 to 6).

A world is two sessions, two channels of at most `CAPACITY` datagrams, and what people still want to do. Its successors
are all that can happen next: a person acts, the head of a channel is delivered, dropped or doubled, or, since a timer
may be as slow as it likes, an outstanding datagram is sent again. Worlds that look the same are visited once.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from types import FunctionType, MethodType
from typing import Any

import pytest

from simp_daemon.effects import Send
from simp_daemon.events import Connected, MessageAcknowledged, MessageReceived, RequestReceived
from simp_daemon.peers.states import State
from simp_daemon.peers.stop_and_wait import StopAndWait
from simp_proto.constants import Framing
from simp_proto.datagram import parse, reading_order
from tests.driven import Session

CAPACITY = 2
FAULTS = 3
"""Drops, doublings and time-outs together on one path: each makes the world wider by a factor."""
CALLER, CALLEE = 0, 1


@dataclass
class World:
    """Two sessions that are joined. All that the future depends on is in `look`."""

    sessions: list[Session]
    channels: list[deque[bytes]]
    to_say: list[int]
    leaver: int | None
    faults: int = 0
    requested: bool = False
    connected: list[bool] = field(default_factory=lambda: [False, False])
    heard: list[list[str]] = field(default_factory=lambda: [[], []])
    acknowledged: list[list[int]] = field(default_factory=lambda: [[], []])
    said: list[int] = field(default_factory=lambda: [0, 0])
    left: bool = False

    def look(self) -> tuple[Any, ...]:
        """Equal looks have equal futures: the tries and times are left out, since a timer may fire at any moment."""
        sides = []
        for session in self.sessions:
            delivery = session.record.delivery
            assert isinstance(delivery, StopAndWait)
            conduct = delivery._conduct
            outstanding = (delivery._outstanding, delivery._number) if delivery._outstanding else None
            sides.append(
                (
                    session.state,
                    session.record.framing,
                    session.record.agreed,
                    outstanding,
                    tuple(delivery._queue),
                    conduct._next,
                    conduct._received,
                )
            )
        channels = tuple(tuple(channel) for channel in self.channels)
        rest = (tuple(self.to_say), self.faults, self.requested, tuple(self.connected), self.left)
        heard = tuple(tuple(each) for each in self.heard)
        return (*sides, channels, *rest, heard, tuple(map(tuple, self.acknowledged)), tuple(self.said))

    def copy(self) -> "World":
        world: World = _copied(self, {})
        return world

    def settle(self) -> None:
        """Puts what was sent into the channels, and lets people hear."""
        for side, session in enumerate(self.sessions):
            for event in session.outlet:
                match event:
                    case Send(data=data):
                        self.channels[side].append(data)
                    case RequestReceived():
                        self.requested = True
                    case Connected():
                        self.connected[side] = True
                    case MessageReceived(text=text):
                        self.heard[side].append(text)
                    case MessageAcknowledged(message=message):
                        self.acknowledged[side].append(message)
                    case _:
                        pass
            session.outlet.clear()

    def check(self) -> None:
        """What holds in every world: in order, nothing twice, nothing acknowledged that wasn't heard."""
        for side in (CALLER, CALLEE):
            other = 1 - side
            expected = [f"{other}.{number}" for number in range(1, self.said[other] + 1)]
            assert self.heard[side] == expected[: len(self.heard[side])]
            assert self.acknowledged[other] == list(range(1, len(self.acknowledged[other]) + 1))
            assert len(self.acknowledged[other]) <= len(self.heard[side])

    def finished(self) -> bool:
        """Nothing is on its way, and nobody waits for anything."""
        return not any(self.channels) and not any(len(session.record.delivery) for session in self.sessions)


def _copied(value: Any, copies: dict[int, Any]) -> Any:
    """A deep copy that shares what can't change, such as datagrams: a tenth of the time of `copy.deepcopy`.

    `copies` has what was copied already, by its identity, since a session and its actions have one outlet.
    """
    if id(value) in copies:
        return copies[id(value)]
    if isinstance(value, (list, deque, set)):
        copied = copies[id(value)] = type(value)(_copied(each, copies) for each in value)
        return copied
    if isinstance(value, dict):
        return {key: _copied(each, copies) for key, each in value.items()}
    assert not isinstance(value, MethodType), "it would act on the world that it was copied from"
    if not hasattr(value, "__dict__") or isinstance(value, (Enum, FunctionType)):
        return value
    copied = object.__new__(type(value))
    copied.__dict__.update({name: _copied(each, copies) for name, each in vars(value).items()})
    return copied


def successors(world: World) -> Iterator[World]:
    """Every world that can come next."""
    yield from _people(world)
    for side in (CALLER, CALLEE):
        if world.channels[side]:
            yield _delivered(world, side)
            if world.faults < FAULTS:
                yield _faulty(world, side, doubled=False)
                if len(world.channels[side]) < CAPACITY:
                    yield _faulty(world, side, doubled=True)
        session = world.sessions[side]
        room = len(world.channels[side]) < CAPACITY
        # A time-out costs a fault, unless the channels are empty: then nothing else could go on.
        if (
            session.record.delivery.get_timer() is not None
            and room
            and (world.faults < FAULTS or not any(world.channels))
        ):
            yield _timed_out(world, side)


def _people(world: World) -> Iterator[World]:
    callee = world.sessions[CALLEE]
    if callee.state is State.PENDING:
        then = world.copy()
        then.sessions[CALLEE].accept(b"bob", 0.0)
        then.settle()
        yield then
    for side in (CALLER, CALLEE):
        session = world.sessions[side]
        if session.state is State.OPEN and world.to_say[side] and len(session.record.delivery) < 2:
            then = world.copy()
            then.to_say[side] -= 1
            then.said[side] += 1
            then.sessions[side].say(then.said[side], f"{side}.{then.said[side]}", 0.0)
            then.settle()
            yield then
    leaver = world.leaver
    if leaver is not None and not world.left and world.sessions[leaver].state is State.OPEN:
        then = world.copy()
        then.left = True
        then.sessions[leaver].quit(0.0)
        then.settle()
        yield then


def _delivered(world: World, side: int) -> World:
    then = world.copy()
    receiver = then.sessions[1 - side]
    receiver.receive(parse(then.channels[side].popleft(), reading_order(receiver.record.framing)), 0.0)
    then.settle()
    return then


def _faulty(world: World, side: int, *, doubled: bool) -> World:
    then = world.copy()
    then.faults += 1
    if doubled:
        then.channels[side].appendleft(then.channels[side][0])
    else:
        then.channels[side].popleft()
    return then


def _timed_out(world: World, side: int) -> World:
    then = world.copy()
    if any(world.channels):
        then.faults += 1
    then.sessions[side].record.delivery.repeat(0.0)
    then.sessions[side].handle_timer(0.0)
    then.settle()
    return then


def explore(to_say: list[int], leaver: int | None, crossed: bool) -> tuple[int, int]:
    """Visits every world; returns how many there are, and how many of them are ends."""
    sessions = [Session(("b", 1), b"alice", Framing.BARE), Session(("a", 1), b"bob", Framing.BARE)]
    start = World(sessions, [deque(), deque()], to_say, leaver)
    sessions[CALLER].call(b"alice", 0.0)
    if crossed:
        sessions[CALLEE].call(b"bob", 0.0)
    start.settle()
    seen, queue, ends = {start.look()}, deque([start]), 0
    while queue:
        world = queue.popleft()
        world.check()
        nexts = list(successors(world))
        if not nexts:
            ends += 1
            assert world.finished(), "deadlock"
            _check_end(world, to_say)
        for then in nexts:
            look = then.look()
            if look not in seen:
                seen.add(look)
                queue.append(then)
    return len(seen), ends


def _check_end(world: World, to_say: list[int]) -> None:
    """When nothing can happen any more, both ends agree, and nothing that was said is missing."""
    states = {session.state for session in world.sessions}
    if world.leaver is None:
        assert states == {State.OPEN}
        assert all(world.connected)
        assert [len(heard) for heard in world.heard] == [world.said[CALLEE], world.said[CALLER]]
        assert [len(each) for each in world.acknowledged] == world.said
    else:
        assert states == {State.IDLE}
        leaver = world.leaver
        assert len(world.heard[1 - leaver]) == len(world.acknowledged[leaver]) == world.said[leaver]


@pytest.mark.parametrize(
    ("to_say", "leaver", "crossed"),
    [
        ([2, 0], None, False),
        ([0, 2], None, False),
        pytest.param([1, 1], None, False, marks=pytest.mark.slow),
        ([1, 0], None, True),
        pytest.param([1, 0], CALLER, False, marks=pytest.mark.slow),
        ([0, 1], CALLER, False),
        pytest.param([1, 0], CALLEE, False, marks=pytest.mark.slow),
        pytest.param([1, 1], CALLEE, True, marks=pytest.mark.slow),
    ],
)
def test_no_schedule_loses_doubles_or_sticks(to_say: list[int], leaver: int | None, crossed: bool) -> None:
    worlds, ends = explore(list(to_say), leaver, crossed)
    print(f"{worlds} worlds, {ends} ends")
    assert ends > 0

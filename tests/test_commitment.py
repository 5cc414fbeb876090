"""What is on the disk before what (spec/simp2.md 7.4): all interleavings of a few messages, in a model of the rules.

Whatever was sent may arrive at any time, any number of times, or never; each side may crash between any two steps.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest


class State(NamedTuple):
    """Messages are numbers from 1. A person whose daemon forgot one may say another one instead, 10 more."""

    saying: int = 1
    said: tuple[int, ...] = ()
    said_disk: tuple[int, ...] = ()
    acknowledged: int = 0
    acknowledged_disk: int = 0
    heard: tuple[int, ...] = ()
    heard_disk: tuple[int, ...] = ()
    told: int = 0
    """So many the person believes to be delivered."""
    datagrams: frozenset[tuple[int, int]] = frozenset()
    """A piece as its number and message; an ACKED as its next number, and 0."""


FAULTS = ["sent before it is committed", "acknowledged before it is committed", "no token", "no order", "bitmap"]


def steps(now: State, messages: int, fault: str) -> Iterator[State]:
    """Whatever may happen next."""
    if now.saying % 10 <= messages:
        said = now.said if now.saying in now.said and fault != "no token" else (*now.said, now.saying)
        disk = now.said_disk if fault == "sent before it is committed" else said
        yield now._replace(said=said, said_disk=disk)  # and a crash before the client is told
        if fault != "sent before it is committed":
            yield now._replace(said=said, said_disk=disk, saying=now.saying % 10 + 1)
    if now.said != now.said_disk:
        yield now._replace(said_disk=now.said, saying=now.said[-1] % 10 + 1)
    if (now.said, now.acknowledged) != (now.said_disk, now.acknowledged_disk):
        crashed = now._replace(said=now.said_disk, acknowledged=now.acknowledged_disk)
        yield crashed
        if now.saying < 10 and now.saying not in now.said_disk:
            yield crashed._replace(saying=now.saying + 10)
    for number in range(now.acknowledged, len(now.said)):
        yield now._replace(datagrams=now.datagrams | {(number + 1, now.said[number])})
    for number, message in now.datagrams:
        if not message:
            if now.acknowledged < number - 1 <= len(now.said):
                after = now._replace(acknowledged=number - 1, told=max(now.told, number - 1))
                yield after
                yield after._replace(acknowledged_disk=number - 1)
        elif number <= len(now.heard):
            yield now._replace(datagrams=now.datagrams | {(len(now.heard) + 1, 0)})
        elif number == len(now.heard) + 1 or fault == "no order":
            heard = (*now.heard, message)
            disk = now.heard_disk if fault == "acknowledged before it is committed" else heard
            yield now._replace(heard=heard, heard_disk=disk)
            yield now._replace(heard=heard, heard_disk=disk, datagrams=now.datagrams | {(len(heard) + 1, 0)})
        elif fault == "bitmap":
            yield now._replace(told=max(now.told, number))
    if now.heard != now.heard_disk:
        yield now._replace(heard_disk=now.heard)
        yield now._replace(heard=now.heard_disk)


def wrong(state: State) -> bool:
    """Something was lost, doubled, reordered, or told to be where it isn't."""
    heard = [message % 10 for message in state.heard_disk]
    return (
        heard != sorted(set(heard))
        or state.said[: state.acknowledged] != state.heard_disk[: state.acknowledged]
        or state.told > len(state.heard_disk)
    )


def explore(messages: int, fault: str = "") -> tuple[set[State], State | None]:
    """All states, or those until the first that is wrong, and that one."""
    seen, todo = {State()}, [State()]
    while todo:
        for state in steps(todo.pop(), messages, fault):
            if wrong(state):
                return seen, state
            if state not in seen:
                seen.add(state)
                todo.append(state)
    return seen, None


@pytest.mark.parametrize("messages", [2, 3, 4])
def test_the_rules_hold_whatever_happens(messages: int) -> None:
    seen, found = explore(messages)
    assert found is None
    assert any(len(state.heard_disk) == state.told == messages for state in seen)
    assert len(seen) == {2: 159, 3: 1252, 4: 8993}[messages]


@pytest.mark.parametrize("fault", FAULTS)
def test_each_rule_is_needed(fault: str) -> None:
    _, found = explore(3, fault)
    assert found

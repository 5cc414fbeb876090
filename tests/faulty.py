"""How a daemon that is right is made wrong in one thing: three combinators over what passes between it and a tester.

A fault is one rule or a few. Each has a condition, made by `heard`, `said` or `asked` and what narrows them, and
`drops` what meets it, `rewrites` it, or `answers` it with more. Conditions see what passed before, so no fault keeps
a state of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, unique
from functools import lru_cache
from itertools import takewhile
from typing import Any

from simp_daemon.peers.states import State
from simp_proto.conformance.wire import Request, Side
from simp_proto.constants import Chat, Control, Framing, Operation, Type
from simp_proto.datagram import Datagram, build, parse, with_checksum
from simp_proto.errors import DatagramError


@unique
class Way(Enum):
    HEARD = "the daemon got it"
    SAID = "the daemon sent it"
    ASKED = "the daemon's person was asked for it"
    SHOWN = "the daemon's client was told that line"
    SPOKEN = "another connection of its client port said that"
    ANSWERED = "another connection of its client port was told that line"


@dataclass(frozen=True, slots=True)
class Passage:
    """What passed: a datagram, or a request to the daemon's person. Its states are those in which it was met."""

    way: Way
    time: float
    side: Side
    state: State
    """Of the daemon's conversation with that side."""
    partner: State
    """Of its conversation with the tester."""
    data: bytes = b""
    datagram: Datagram | None = None
    """`None` where the bytes are malformed."""
    operation: object = None
    """That of the datagram, or the `Request`."""
    text: str = ""
    """What the person was asked to type."""
    previous: "Passage | None" = None

    @property
    def sequence(self) -> int:
        return self.datagram.sequence if self.datagram else 0

    def before(self) -> "Iterator[Passage]":
        """What passed before it, the latest first."""
        passage = self.previous
        while passage:
            yield passage
            passage = passage.previous

    def conversation(self) -> "Iterator[Passage]":
        """It and what passed before it, the latest first, since a call was made or accepted."""
        yield self
        yield from takewhile(lambda each: not _BEGINS(each), self.before())


# -- conditions


@dataclass(frozen=True, slots=True)
class When:
    """A condition on a passage."""

    holds: Callable[[Passage], bool]

    def __call__(self, passage: Passage) -> bool:
        return self.holds(passage)

    def __and__(self, other: "When") -> "When":
        return When(lambda passage: self(passage) and other(passage))

    def __or__(self, other: "When") -> "When":
        return When(lambda passage: self(passage) or other(passage))

    def __invert__(self) -> "When":
        return When(lambda passage: not self(passage))


def heard(*operations: Operation, **having: Any) -> When:
    """A datagram of one of these operations, or any, comes in.

    `having` names fields of the passage or of its datagram, each with its value, a tuple of values, or a predicate.
    """
    return _passes(Way.HEARD, operations, having)


def said(*operations: Operation, **having: Any) -> When:
    """The same for one that goes out."""
    return _passes(Way.SAID, operations, having)


def asked(*requests: Request, **having: Any) -> When:
    """The same for a person."""
    return _passes(Way.ASKED, requests, having)


def shown(start: str, **having: Any) -> When:
    """The client is told a line that begins so."""
    return _passes(Way.SHOWN, (), having | {"text": lambda text: text.startswith(start)})


def spoken(part: str) -> When:
    """Another connection says something that contains this."""
    return _passes(Way.SPOKEN, (), {"text": lambda text: part in text})


def answered(start: str) -> When:
    """Another connection is told a line that begins so."""
    return _passes(Way.ANSWERED, (), {"text": lambda text: text.startswith(start)})


def last(of: When, was: When) -> When:
    """Of what passed before and meets one condition, the latest meets the other, too."""
    return When(lambda passage: any(was(each) for each in _first(filter(of, passage.before()))))


def since(start: When, what: When) -> When:
    """Something that meets a condition has passed since the latest that meets the other, or ever."""
    return When(lambda passage: any(map(what, takewhile(lambda each: not start(each), passage.before()))))


def answering(*operations: Operation, **having: Any) -> When:
    """The latest datagram that came in was such a one."""
    return last(heard(), heard(*operations, **having))


def repeated(passage: Passage) -> bool:
    """Nothing passed between it and the same bytes before."""
    return passage.previous is not None and passage.previous.data == passage.data


def octets(values: dict[int, int]) -> Callable[[bytes], bool]:
    """Whether bytes have these values at these offsets."""
    return lambda data: all(data[at : at + 1] == bytes((value,)) for at, value in values.items())


def _passes(way: Way, operations: tuple[object, ...], having: dict[str, Any]) -> When:
    wanted_ones = set(map(id, operations))  # members of different enumerations may be equal

    def holds(passage: Passage) -> bool:
        if passage.way is not way or (operations and id(passage.operation) not in wanted_ones):
            return False
        return all(_meets(passage, name, wanted) for name, wanted in having.items())

    return When(holds)


def _meets(passage: Passage, name: str, wanted: Any) -> bool:
    if hasattr(passage, name):
        value = getattr(passage, name)
    elif passage.datagram is None:
        return False
    else:
        value = getattr(passage.datagram, name)
    if callable(wanted):
        return bool(wanted(value))
    return value in wanted if isinstance(wanted, tuple) else bool(value == wanted)


def _first(passages: Iterator[Passage]) -> list[Passage]:
    return [passage for passage in [next(passages, None)] if passage]


_BEGINS = said(Control.SYN, Control.SYN_ACK)


# -- what is done


@dataclass(frozen=True, slots=True)
class Routed:
    """A datagram on its way: as whose it counts, and the port that it comes from."""

    data: bytes
    side: Side
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What meets the condition is `changed` into something else or nothing, or `answer`ed, as many `times`.

    An answer may come some seconds `after`, if the conversation with that side is `still` in that state then.
    """

    when: When
    changed: Callable[[Passage, Routed], list[Routed]] = lambda passage, routed: [routed]
    answer: Callable[[Passage], bytes] | None = None
    times: int = 1
    after: float = 0.0
    still: State | None = None


def drops(when: When) -> Rule:
    """What meets the condition is as if it had never passed."""
    return Rule(when, lambda passage, routed: [])


def rewrites(
    when: When,
    raw: Callable[[bytes], bytes] | None = None,
    side: Side | None = None,
    port: int | None = None,
    **to: Any,
) -> Rule:
    """What meets the condition passes on with other fields `to`, other bytes, as another side's, or from another port.

    Each field is a value, or a function of the passage.
    """

    def changed(passage: Passage, routed: Routed) -> list[Routed]:
        data = raw(routed.data) if raw else routed.data
        if to:
            data = remade(data, **_values(to, passage))
        return [Routed(data, side or routed.side, port or routed.port)]

    return Rule(when, changed)


def answers(
    when: When,
    what: Operation | Callable[[Passage], bytes],
    *,
    times: int = 1,
    after: float = 0.0,
    still: State | None = None,
    **fields: Any,
) -> Rule:
    """What meets the condition passes on, and is answered before the daemon does anything: in `header`, by `bob`.

    `what` is an operation, whose number is that of what it answers if `fields` say no other, or a function of the
    passage that makes all the bytes.
    """

    def answer(passage: Passage) -> bytes:
        if not isinstance(what, (Chat, Control)):
            return what(passage)
        kind = Type.CHAT if isinstance(what, Chat) else Type.CONTROL
        values: dict[str, Any] = {"sequence": passage.sequence, "user": b"bob"} | _values(fields, passage)
        return build(Datagram(kind, what, **values))

    return Rule(when, answer=answer, times=times, after=after, still=still)


def takes(wrong: dict[int, int], right: dict[int, int]) -> Rule:
    """What is malformed, with these octets by their offsets, is taken for a datagram with those instead."""

    def mended(data: bytes) -> bytes:
        changed = bytearray(data)
        for at, value in right.items():
            changed[at] = value
        return with_checksum(bytes(changed), Framing.HEADER)

    return rewrites(heard(side=Side.TESTER, datagram=None, data=octets(wrong)), raw=mended)


def _values(fields: dict[str, Any], passage: Passage) -> dict[str, Any]:
    return {name: value(passage) if callable(value) else value for name, value in fields.items()}


# -- datagrams


@lru_cache(1 << 12)  # a tester says the same to each daemon
def read(data: bytes) -> Datagram | None:
    try:
        return parse(data)
    except DatagramError:
        return None


def remade(data: bytes, **changes: Any) -> bytes:
    """That datagram with other fields."""
    it = parse(data)
    fields = {name: getattr(it, name) for name in ("type", "operation", "sequence", "user", "payload", "framing")}
    return build(Datagram(**(fields | changes)))


def again(passage: Passage) -> bytes:
    """The same bytes."""
    return passage.data


def other(passage: Passage) -> int:
    """The other number than the passage's."""
    return 1 - passage.sequence

"""What passes between the tester and the daemon in a case, and what of it hasn't been looked at yet."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from simp_proto.address import Address
from simp_proto.conformance.wire import Side, Wire
from simp_proto.errors import SimpError

_MOST_PASSAGES: Final = 5_000
_MOST_BYTES: Final = 1 << 18
"""What is taken in one case, so that memory stays bounded: no daemon has so much to say."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A datagram that was sent or received, `data`, at `time` in seconds; or, with none, a `note` of what else was.

    `source` is the address that a datagram of the daemon came from, and `None` for the tester's own. A note is about
    `who`: what the person was asked for, or how long the tester waited.
    """

    time: float
    side: Side
    data: bytes | None
    source: Address | None = None
    note: str = ""
    who: str = "person"


class RuleBrokenError(SimpError):
    """A rule was broken: what was expected, and what came instead."""

    def __init__(self, expected: str, seen: list[Passage]) -> None:
        super().__init__(f"expected {expected}")
        self.expected = expected
        self.seen = seen


class Trace:
    """The passages of a case, in the order in which the tester sent them, or looked for them."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._passages: list[Passage] = []
        self._heard = 0  # bytes
        self._arrived: dict[Side, deque[Passage]] = {side: deque() for side in Side}
        self.busy: set[Side] = set()
        """Those of the tester's addresses at which something has passed since it was last cleared."""
        self.spoken_at: float | None = None
        """When the tester said the first thing that it hasn't listened since."""

    def __iter__(self) -> Iterator[Passage]:
        return iter(self._passages)

    def __len__(self) -> int:
        return len(self._passages)

    def send(self, data: bytes, side: Side) -> None:
        """Sends those bytes."""
        now = self._wire.now()
        if self.spoken_at is None:
            self.spoken_at = now
        self._passages.append(Passage(now, side, data))
        self.busy.add(side)
        self._wire.send(side, data)

    def add_note(self, note: str, side: Side, who: str = "person") -> None:
        """What the person was asked for, or what came of it; or what else is to be known of `who`."""
        self._passages.append(Passage(self._wire.now(), side, None, note=note, who=who))

    def seen(self, start: int = 0) -> list[Passage]:
        """The datagrams of the daemon among the passages from that one on."""
        return [passage for passage in self._passages[start:] if passage.source is not None]

    def listen(self, side: Side, within: float | None) -> Iterator[Passage]:
        """What arrives there in that time; in the wire's `wait`, where none is given. Raises `RuleBrokenError`."""
        self.spoken_at = None
        start = self._wire.now()
        until = start + (self._wire.wait if within is None else within)
        arrived = self._arrived[side]
        nothing = True
        while True:
            while arrived:
                passage = arrived.popleft()
                self.busy.add(side)
                nothing = False
                yield passage
            if not self._file(until):
                break
        if nothing and until > start:
            where = "" if side is Side.TESTER else f" to the {side.value}"
            note = f"waited {until - start:.1f} s, nothing came{where}"
            self._passages.append(Passage(until, side, None, note=note, who="tester"))

    def wait(self, within: float) -> None:
        """Lets that time pass; what arrives is for later."""
        until = self._wire.now() + within
        while self._file(until):
            pass

    def add_line(self, time: float, line: str) -> None:
        """What the person was told."""
        self._passages.append(Passage(time, Side.TESTER, None, note=f"is told {line}"))

    def waits(self, side: Side) -> bool:
        """Whether something has arrived there that hasn't been looked at."""
        return bool(self._arrived[side])

    def forget(self, side: Side, matches: Callable[[Passage], bool]) -> None:
        """Leaves out of what `listen` gives what has arrived by now and matches."""
        now = self._wire.now()
        while self._file(now):
            pass
        arrived = self._arrived[side]
        kept = [passage for passage in arrived if not matches(passage)]
        arrived.clear()
        arrived.extend(kept)

    def clear(self) -> None:
        """Begins again, without what was said and heard before."""
        now = self._wire.now()
        while self._wire.receive(now) is not None:
            pass
        for arrived in self._arrived.values():
            arrived.clear()
        self._passages.clear()
        self._heard = 0

    def _file(self, until: float) -> bool:
        """Takes the next datagram that arrives; whether one did. Raises `RuleBrokenError` at a flood."""
        incoming = self._wire.receive(until)
        if incoming is None:
            return False
        if len(self._passages) >= _MOST_PASSAGES or self._heard > _MOST_BYTES:
            raise RuleBrokenError("fewer datagrams than a flood", self.seen()[:10])
        time, side, source, data = incoming
        passage = Passage(time, side, data, source)
        self._passages.append(passage)
        self._heard += len(data)
        self._arrived[side].append(passage)
        return True

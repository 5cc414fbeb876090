"""When each of many conversations has something to do next, at a cost that doesn't grow with their number."""

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
"""What has timers; the earlier of two at the same time is the lesser."""

_SLACK = 64
"""Entries that may be outdated, beyond as many as there are timers, before the heap is made again."""


class Timers(Generic[K]):
    """A heap in which an entry that was replaced stays until it comes up, or until most are such."""

    def __init__(self) -> None:
        self._at: dict[K, float] = {}
        self._heap: list[tuple[float, K]] = []

    def set(self, key: K, at: float | None) -> None:
        """That one's next time, in seconds, in place of the one before; `None` for none."""
        if at == self._at.get(key):
            return
        if at is None:
            del self._at[key]
            return
        self._at[key] = at
        heapq.heappush(self._heap, (at, key))
        if len(self._heap) > 2 * len(self._at) + _SLACK:
            self._heap = [(at, key) for key, at in self._at.items()]
            heapq.heapify(self._heap)

    def first(self) -> float | None:
        """The earliest time that is set."""
        while self._heap:
            at, key = self._heap[0]
            if self._at.get(key) == at:
                return at
            heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> Iterator[K]:
        """Those whose time has come, earliest first. Each has no timer until one is set again."""
        while (at := self.first()) is not None and at <= now:
            _, key = heapq.heappop(self._heap)
            del self._at[key]
            yield key

"""When each of many conversations has something to do next, at a cost that doesn't grow with their number."""

import heapq
from collections.abc import Iterator

from simp_proto.address import Address

_SLACK = 64
"""Entries that may be outdated, beyond as many as there are timers, before the heap is made again."""


class Timers:
    """A heap in which an entry that was replaced stays until it comes up, or until most are such."""

    def __init__(self) -> None:
        self._at: dict[Address, float] = {}
        self._heap: list[tuple[float, Address]] = []

    def set(self, peer: Address, at: float | None) -> None:
        """That peer's next time, in seconds, in place of the one before; `None` for none."""
        if at == self._at.get(peer):
            return
        if at is None:
            del self._at[peer]
            return
        self._at[peer] = at
        heapq.heappush(self._heap, (at, peer))
        if len(self._heap) > 2 * len(self._at) + _SLACK:
            self._heap = [(at, peer) for peer, at in self._at.items()]
            heapq.heapify(self._heap)

    def first(self) -> float | None:
        """The earliest time that is set."""
        while self._heap:
            at, peer = self._heap[0]
            if self._at.get(peer) == at:
                return at
            heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> Iterator[Address]:
        """The peers whose time has come, earliest first. Each has no timer until one is set again."""
        while (at := self.first()) is not None and at <= now:
            _, peer = heapq.heappop(self._heap)
            del self._at[peer]
            yield peer

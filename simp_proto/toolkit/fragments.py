"""IP fragments, put together; whatever a capture has, in bounded memory."""

from bisect import bisect
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_PATIENCE: Final = 60.0
"""Seconds for which a datagram's fragments may come (RFC 8200, 4.5); a number is used again later."""
_MAX_SIZE: Final = 65_535
_MAX_DATAGRAMS: Final = 1_024
_MAX_BYTES: Final = 8 * 1024 * 1024
_PART_BYTES: Final = 256
"""What a fragment costs besides its bytes."""


class Key(NamedTuple):
    """What the fragments of one datagram have in common."""

    source: bytes
    destination: bytes
    identification: int


class Fragment(NamedTuple):
    """Part of a datagram; a capture may have cut its `data`, which had `size` bytes."""

    offset: int
    size: int
    data: bytes
    is_last: bool


class Whole(NamedTuple):
    """A datagram that is complete: its bytes up to where the capture cut one of its `fragments`."""

    data: bytes
    size: int
    fragments: int


@dataclass(slots=True)
class _Assembly:
    """The fragments of one datagram. They may come several times, as over a bridge; so then does the datagram."""

    start: float | None
    parts: dict[int, Fragment] = field(default_factory=dict)
    offsets: list[int] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)
    size: int = 0
    end: int | None = None
    copies: int = 0
    """How often it was complete."""
    due: int = 0
    """Parts that it takes for the next copy."""
    waiting: int = 0
    """Fragments that no copy has used."""

    def fits(self, part: Fragment, time: float | None) -> bool:
        """Whether it can belong to the others: none overlaps another with other bytes (RFC 5722)."""
        if time is not None and self.start is not None and abs(time - self.start) > _PATIENCE:
            return False
        if part.offset in self.parts:
            return self.parts[part.offset] == part
        if self.end is not None and (part.is_last or part.offset + part.size > self.end):
            return False
        at = bisect(self.offsets, part.offset)
        before = self.parts[self.offsets[at - 1]] if at else None
        after = self.offsets[at] if at < len(self.offsets) else None
        if before and before.offset + before.size > part.offset:
            return False
        return after is None or (not part.is_last and part.offset + part.size <= after)

    def add(self, part: Fragment) -> Whole | None:
        self.waiting += 1
        if part.offset not in self.parts:
            self.offsets.insert(bisect(self.offsets, part.offset), part.offset)
            self.parts[part.offset], self.seen[part.offset] = part, 0
            self.size += part.size
        elif self.seen[part.offset] == self.copies:
            self.due -= 1
        self.seen[part.offset] += 1
        if part.is_last:
            self.end = part.offset + part.size
        if self.size != self.end or self.due:
            return None
        self.copies += 1
        self.due = sum(seen <= self.copies for seen in self.seen.values())
        self.waiting -= len(self.parts)
        return self._whole()

    def _whole(self) -> Whole:
        data = []
        for part in map(self.parts.__getitem__, self.offsets):
            data.append(part.data)
            if len(part.data) < part.size:
                break
        return Whole(b"".join(data), self.size, len(self.parts))

    @property
    def cost(self) -> int:
        return sum(len(part.data) + _PART_BYTES for part in self.parts.values())


class Fragments:
    """Datagrams of which some fragments have come. The oldest give way where there are too many."""

    def __init__(self) -> None:
        self.unused = 0
        """Fragments that were dropped, since the others of their datagrams didn't come."""
        self._assemblies: dict[Key, _Assembly] = {}
        self._bytes = 0

    def add(self, key: Key, part: Fragment, time: float | None) -> Whole | None:
        """The datagram, when this completes it.

        Raises `ValueError` where no datagram has such a fragment.
        """
        end = part.offset + part.size
        if part.size <= 0 or end > _MAX_SIZE or (not part.is_last and part.size % 8):
            raise ValueError("no such fragment")
        assembly = self._assemblies.get(key)
        if assembly and not assembly.fits(part, time):
            self._drop(key)
            assembly = None
        if assembly is None:
            assembly = self._assemblies[key] = _Assembly(time)
        if part.offset not in assembly.parts:
            self._bytes += len(part.data) + _PART_BYTES
        whole = assembly.add(part)
        while len(self._assemblies) > _MAX_DATAGRAMS or self._bytes > _MAX_BYTES:
            self._drop(next(iter(self._assemblies)))
        return whole

    def end(self) -> int:
        """How many fragments had no use, when there are no more."""
        for key in list(self._assemblies):
            self._drop(key)
        return self.unused

    def _drop(self, key: Key) -> None:
        assembly = self._assemblies.pop(key)
        self._bytes -= assembly.cost
        self.unused += assembly.waiting

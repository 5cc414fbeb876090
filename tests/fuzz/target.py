"""What a target is, and bytes as the choices of a run that has many steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class Target:
    """A law in one sentence, what tries it and raises where it is broken, and inputs to begin with."""

    law: str
    try_it: Callable[[bytes], None]
    seeds: Sequence[bytes]


class Choices:
    """Bytes from the outside, taken one by one to decide what happens next; zeros, once they are spent."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """At most so many bytes, as they are."""
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def number(self, below: int = 256) -> int:
        return int.from_bytes(self.take(1 if below <= 256 else 2), "big") % below

    def one_of(self, values: Sequence[Value]) -> Value:
        return values[self.number(len(values))]

    def blob(self, most: int = 256) -> bytes:
        """Bytes with their length before them."""
        return self.take(self.number(most))

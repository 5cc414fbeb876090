"""How fields of a fixed size, and perhaps bytes to the end, are declared in Construct, read and built.

Part of what a message costs is this: so `struct` does it, by a format that is taken from the declaration.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from construct import Bytes, Construct, GreedyBytes, Struct, Validator

from simp_proto.errors import SealedError


class Among(Validator):  # type: ignore[misc]
    """A number that is one of `allowed`, or bytes to the end, whose size is."""

    def __init__(self, subcon: Construct, allowed: range) -> None:
        super().__init__(subcon)
        self.allowed = allowed

    def _validate(self, value: int | bytes, context: Any, path: str) -> bool:
        return (value if isinstance(value, int) else len(value)) in self.allowed


class _Field(NamedTuple):
    """`form` is how `struct` writes it, nothing for bytes to the end; `measure` of its value is one of `allowed`."""

    name: str
    at: int
    form: str
    measure: Callable[[Any], int]
    allowed: range


def _fields(declared: dict[str, Construct]) -> Iterator[_Field]:
    at = 0
    for name, each in declared.items():
        field = getattr(each, "subcon", each)
        if field is GreedyBytes:
            yield _Field(name, at, "", len, each.allowed)
            return
        size = field.sizeof()
        if isinstance(field, Bytes):
            yield _Field(name, at, f"{size}s", len, range(size, size + 1))
        else:
            yield _Field(name, at, field.fmtstr[1:], int, getattr(each, "allowed", range(256**size)))
        at += size


class Layout:
    """The bytes of `made`, a dataclass that has the declared fields in the order of the wire.

    Part of what a message costs is this, so `struct` reads and builds what is declared, all fields in one go.
    """

    def __init__(self, made: Callable[..., Any], section: str, **declared: Construct) -> None:
        self.made = made
        self.declaration = Struct(**declared)
        self._section = section
        self._fields = list(_fields(declared))
        self._names = list(declared)
        self._checks = [(place, each.measure, each.allowed) for place, each in enumerate(self._fields)]
        self._numbers = [(place, allowed) for place, measure, allowed in self._checks if measure is int]
        self.form = struct.Struct(">" + "".join(field.form for field in self._fields))
        self._rest = bool(declared) and not self._fields[-1].form
        rest = self._fields[-1].allowed if self._rest else range(1)
        self.sizes = range(self.form.size + rest.start, self.form.size + rest.stop)

    @property
    def places(self) -> list[tuple[str, int, int | None]]:
        """Each field: its name, where it starts, and its size, which is `None` for bytes to the end."""
        return [(each.name, each.at, struct.calcsize(f">{each.form}") if each.form else None) for each in self._fields]

    def read(self, data: bytes, at: int, end: int, shift: int = 0) -> Any:
        """What is from `at` to `end`, whose size is in `sizes`; an error's offset is higher by `shift`."""
        values = self.form.unpack_from(data, at)
        for place, allowed in self._numbers:
            if values[place] not in allowed:
                raise self._refusal(place, values[place], at + shift)
        return self.made(*values, data[at + self.form.size : end]) if self._rest else self.made(*values)

    def build(self, value: Any) -> bytes:
        """The bytes of one that is `made`."""
        values = [getattr(value, name) for name in self._names]
        for place, measure, allowed in self._checks:
            if measure(values[place]) not in allowed:
                raise self._refusal(place, values[place], 0)
        return self.form.pack(*values[:-1]) + values[-1] if self._rest else self.form.pack(*values)

    def _refusal(self, place: int, value: Any, origin: int) -> SealedError:
        field = self._fields[place]
        read = f"{value:,}" if field.measure is int else f"{len(value):,} bytes"
        return SealedError(field.name, origin + field.at, read, listed(field.allowed), section=self._section)


def listed(allowed: range, more: int = 0) -> str:
    """What a number may be, for people, each `more` than it is there."""
    first, last = allowed[0] + more, allowed[-1] + more
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


NUMBERS: Final = range(1 << 63)
"""What 8 bytes may count, so that every database can store it."""

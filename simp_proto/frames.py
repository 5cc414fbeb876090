"""Frames of SIMP/2's records that the link reads and writes (spec/simp2.md 6.5): what they say, without their bytes."""

from dataclasses import dataclass

FIRST, LAST = 0x01, 0x02
"""Flags of a piece: it begins a message, it ends one."""


@dataclass(frozen=True, slots=True)
class State:
    """How far a conversation has come at its sender, in both directions (spec 7.8)."""

    first: int
    before: bytes
    next: int
    upto: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a message: what is numbered, stored and acknowledged (spec 7.2)."""

    number: int
    flags: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Acked:
    """All pieces before `next` are on the disk; what else has arrived is in the bitmap (spec 7.5)."""

    next: int
    echo: int
    bitmap: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """Is anybody there?"""


@dataclass(frozen=True, slots=True)
class Close:
    """Its sender leaves (spec 7.9)."""

    reason: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """The answer to that."""


Frame = State | Piece | Acked | Ping | Close | Closed

"""What must be on the disk: facts, and the ledger of a conversation that they change (spec/simp2.md 7.4).

The rules decide a fact, apply it to the ledger that they work on, and put it before whatever rests on it; the store
applies the same fact to what it keeps when it commits. So both have the same, except for what a crash takes away.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile

from simp_proto.address import Address
from simp_proto.constants import PIECE_SIZE
from simp_proto.sealed.frames import CHAIN_SIZE, FIRST, LAST, Piece, chained

NOTHING = bytes(CHAIN_SIZE)
"""The chain before the first piece."""
TOKENS = 1024
"""How many tokens of messages that are done with are remembered, so that whoever repeats one doubles nothing."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """A contact from now on: its keys, and where it was reached (spec 9.1)."""

    key: bytes
    signing_key: bytes
    name: str
    address: Address


@dataclass(frozen=True, slots=True)
class Opened:
    """Whether both people want the conversation (spec 1.3)."""

    open: bool


@dataclass(frozen=True, slots=True)
class Said:
    """A message has its numbers; `token` is its client's name for it, or one that was made for it."""

    token: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """All messages up to that number are on the peer's disk; `chain` is the one there.

    It may be committed later than what comes after it: the peer's next STATE says it again.
    """

    number: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class GivenUp:
    """All messages up to that number, which is the last that we gave, won't be sent again; `chain` is the one there."""

    number: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class Renumbered:
    """The peer has other pieces up to that number than this disk knows of, with that chain: ours come after it.

    Each message that isn't acknowledged may have arrived already.
    """

    number: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """Pieces of the peer's that were next; `chain` is the one after the last."""

    pieces: tuple[Piece, ...]
    chain: bytes


@dataclass(frozen=True, slots=True)
class Jumped:
    """The peer goes on after that number; what came before and isn't here won't come."""

    number: int
    chain: bytes


Fact = Opened | Said | Acknowledged | GivenUp | Renumbered | Received | Jumped
"""Of a conversation. `Pinned`, with which one begins, is the store's alone."""


def cut(message: bytes, number: int) -> Iterator[Piece]:
    """The pieces of a message, numbered from there (spec 7.2)."""
    starts = range(0, len(message), PIECE_SIZE)
    for start in starts:
        flags = (FIRST if start == 0 else 0) | (LAST if start == starts[-1] else 0)
        yield Piece(number, flags, message[start : start + PIECE_SIZE])
        number += 1


@dataclass(slots=True)
class Ledger:
    """What is durable of one conversation."""

    open: bool = True

    # what we say
    next: int = 1
    """The number of the next new piece."""
    acknowledged: int = 0
    """The last number of the last message that is on the peer's disk."""
    chain: bytes = NOTHING
    """The one there."""
    pieces: dict[int, Piece] = field(default_factory=dict)
    """Those of all messages after it."""
    waiting: dict[str, int] = field(default_factory=dict)
    """These messages' tokens, each with the number of its last piece, in order."""
    settled: dict[str, None] = field(default_factory=dict)
    """The last tokens of messages that were acknowledged or given up."""

    # what the peer says
    stored: int = 0
    """The last number that is here; `upto` is the chain there."""
    upto: bytes = NOTHING
    unfinished: tuple[Piece, ...] = ()
    """The last pieces, which don't make a whole message yet."""

    def say(self, token: str, message: bytes) -> Said | None:
        """The fact that makes a message one of ours, or `None` if it is already."""
        if token in self.waiting or token in self.settled:
            return None
        return Said(token, tuple(cut(message, self.next)))

    def give_up(self) -> GivenUp | None:
        """The fact that nothing of what waits is sent any more, or `None` if nothing waits."""
        last = self.next - 1
        return GivenUp(last, self.chain_at(last)) if self.waiting else None

    def chain_at(self, number: int) -> bytes:
        """The chain at one of our numbers that is acknowledged or later."""
        chain = self.chain
        for each in range(self.acknowledged + 1, number + 1):
            chain = chained(chain, self.pieces[each])
        return chain

    def tokens_up_to(self, number: int) -> list[str]:
        """Those of the waiting messages that end there or before."""
        return [token for token, end in takewhile(lambda each: each[1] <= number, self.waiting.items())]

    def apply(self, fact: Fact) -> list[bytes]:
        """Makes it so; returns the peer's messages that are whole with it."""
        match fact:
            case Opened():
                self.open = fact.open
            case Said():
                self.pieces.update((piece.number, piece) for piece in fact.pieces)
                self.next += len(fact.pieces)
                self.waiting[fact.token] = self.next - 1
            case Acknowledged() | GivenUp():
                for number in range(self.acknowledged + 1, fact.number + 1):
                    del self.pieces[number]
                self._settle(self.tokens_up_to(fact.number))
                self.acknowledged, self.chain = fact.number, fact.chain
            case Renumbered():
                further = fact.number - self.acknowledged
                self.waiting = {token: end + further for token, end in self.waiting.items()}
                moved = [replace(piece, number=number + further) for number, piece in self.pieces.items()]
                self.pieces = {piece.number: piece for piece in moved}
                self.acknowledged, self.chain = fact.number, fact.chain
                self.next += further
            case Received():
                self.stored, self.upto = fact.pieces[-1].number, fact.chain
                return self._join(fact.pieces)
            case Jumped():
                self.stored, self.upto = fact.number, fact.chain
                self.unfinished = ()
        return []

    def _settle(self, tokens: list[str]) -> None:
        for token in tokens:
            del self.waiting[token]
            self.settled[token] = None
        while len(self.settled) > TOKENS:
            del self.settled[next(iter(self.settled))]

    def _join(self, pieces: tuple[Piece, ...]) -> list[bytes]:
        messages = []
        for piece in pieces:
            self.unfinished = (piece,) if piece.first else (*self.unfinished, piece)
            if piece.last:
                messages.append(b"".join(each.data for each in self.unfinished))
                self.unfinished = ()
        return messages

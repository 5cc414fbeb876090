"""The peer's pieces on their way into messages: in order, each once, none that breaks the rules (spec/simp2.md 7.2)."""

from typing import Final

from simp_daemon.facts import Ledger, Received
from simp_proto.constants import PIECE_SIZE, CloseReason
from simp_proto.errors import SealedError
from simp_proto.sealed.frames import MAX_SIZE, Piece, chained, read_message

EARLY: Final = 64
"""How far beyond the next one a piece may be that is kept until those before it have come."""


class Reassembly:
    """What comes after what the ledger has stored."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._early: dict[int, Piece] = {}

    def put(self, piece: Piece) -> tuple[Received | None, CloseReason | None]:
        """The pieces that are next now, and what is wrong with the one after them."""
        ledger = self._ledger
        if 0 < piece.number - ledger.stored <= EARLY + 1:
            self._early[piece.number] = piece
        pieces: list[Piece] = []
        chain, size, fault = ledger.upto, sum(len(each.data) for each in ledger.unfinished), None
        while ready := self._early.pop(ledger.stored + 1 + len(pieces), None):
            if fault := _fault_of(ready, size):
                break
            size = 0 if ready.last else len(ready.data) + (0 if ready.first else size)
            pieces.append(ready)
            chain = chained(chain, ready)
        return Received(tuple(pieces), chain) if pieces else None, fault

    @property
    def bitmap(self) -> int:
        """Which pieces came early (spec 7.5)."""
        return sum(1 << number - self._ledger.stored - 2 for number in self._early)


def _fault_of(piece: Piece, size: int) -> CloseReason | None:
    """What is wrong with the next piece, if there are so many bytes of an unfinished message (spec 7.2)."""
    if piece.first:
        size = 0
        try:
            read_message(piece.data)  # the beginning of a message is one
        except SealedError:
            return CloseReason.FAULT
    elif not size:
        return CloseReason.FAULT
    size += len(piece.data)
    if not piece.last and size % PIECE_SIZE:
        return CloseReason.FAULT
    return CloseReason.TOO_LONG if size > MAX_SIZE else None

"""The leniencies towards foreign peers, those that didn't answer the offer: here, and nowhere else (spec 9)."""

from simp_daemon.peers.conduct import Conduct
from simp_proto.constants import FOREIGN_LEAVING_TRIES, FOREIGN_PAYLOAD_SIZE, Framing
from simp_proto.printable import printable

_MISMATCHES = 2


class Foreign(Conduct):
    """Finds out how a peer numbers its chats while talking to it. The price is a possible duplicate there."""

    payload_size = FOREIGN_PAYLOAD_SIZE
    leaving_tries = FOREIGN_LEAVING_TRIES

    def __init__(self, framing: Framing) -> None:
        super().__init__()
        self._trailer = framing is Framing.TRAILER
        self._first = 0  # the number of the first chat of either side
        self._last: int | None = None  # that of the last chat of either side
        self._mine: int | None = None  # that of our last chat
        self._theirs: tuple[int, bytes] | None = None
        self._evidence = 0  # how many more numbers spoke for a shared counter than for separate ones
        self._spoke_since = False  # something of ours was acknowledged after their last chat
        self._echoes = True  # its ACKs carry the number of what they acknowledge (spec 9.3)
        self._tried: set[int] = set()  # under which the outstanding datagram went out, once it was repeated
        self._again = False  # it went out under its last number before
        self._mismatches = 0
        self._hinted = False

    @property
    def _shared(self) -> bool:
        """One counter for both directions? One that begins with 1 has counted the handshake, too (spec 9.2)."""
        return self._evidence > 0 or (self._evidence == 0 and self._first == 1)

    def next_number(self) -> int:
        """The one after the last, of either side or of ours; where there is none, 1, or 0 in `trailer` (spec 9.2)."""
        if self._last is None:
            return 0 if self._trailer else 1
        alone, together = self._expected(self._mine, self._last)
        return together if self._shared else alone

    def repeated_number(self, number: int, tries: int) -> int:
        """Hunting: each number twice in turn; the first once, where nothing speaks for it (spec 9.2)."""
        guessed = self._mine is None and not self._shared
        repeated = number if (tries + guessed) // 2 % 2 == 0 else _other(number)
        self._again = repeated in (self._tried or {number})
        self._tried |= {number, repeated}
        return repeated

    def answer_number(self, number: int) -> int:
        """In `trailer` the handshake is counted: SYN 0, SYN+ACK 1, so that the first chat is 0 (spec 9.8)."""
        return _other(number) if self._trailer else number

    def acknowledges(self, acknowledged: int, outstanding: int) -> bool:
        if acknowledged == outstanding or acknowledged in self._tried or not self._echoes:
            return True
        self._mismatches += 1
        if self._mismatches >= _MISMATCHES:
            self._echoes = False
        return not self._echoes

    def acknowledges_handshake(self, _acknowledged: int, _outstanding: int) -> bool:
        """No handshake fails because of its number (spec 9.3)."""
        return True

    def delivered(self, number: int, acknowledged: int) -> None:
        if acknowledged in self._tried:
            number = acknowledged
        hunted = len(self._tried) > 1
        self._count(number, self._mine, telling=hunted)  # many acknowledge any number, so that the first says nothing
        self._mine = number
        self._spoke_since = True
        self._tried.clear()
        self._mismatches = 0
        self._hinted = False

    def is_new(self, number: int, payload: bytes) -> bool:
        """A repeat has the same number and the same bytes, and no answer of ours in between (spec 9.2)."""
        if (number, payload) == self._theirs and (self._evidence < 0 or not self._spoke_since):
            return False
        self._count(number, self._theirs and self._theirs[0], telling=True)
        self._theirs = (number, payload)
        self._spoke_since = False
        return True

    def _count(self, number: int, before: int | None, *, telling: bool) -> None:
        """A chat of a side has that number, the one before of that side had that one."""
        if self._last is None:
            self._first = number
        elif telling:
            alone, together = self._expected(before, self._last)
            if alone != together:
                self._evidence += 1 if number & 1 == together else -1
        self._last = number

    def _expected(self, before: int | None, last: int) -> tuple[int, int]:
        """The number for the next chat of a side, if each side counts for itself, and if both count together."""
        return self._first & 1 if before is None else _other(before), _other(last)

    def hint(self, text: str, expected: int, outstanding: int, tries: int) -> bool | None:
        """An ERR about the sequence carries the number that its sender expects; it's heeded once (spec 9.5)."""
        if self._hinted or "sequence" not in text.lower() or expected != _other(outstanding):
            return None
        self._hinted = True
        arrived = tries > 1 and self._again
        if not arrived:
            self._tried = {outstanding, expected}
        return arrived

    def fragments(self, text: str) -> list[bytes]:
        """ASCII only: a byte above 0x7f stops several of the other daemons (spec 9.4)."""
        for at, character in enumerate(text):
            if not character.isascii():
                raise ValueError(
                    f"read {printable(character)!r} as character {at + 1}, expected ASCII: this partner's daemon"
                    " accepts nothing else; the message was not sent"
                )
        return super().fragments(text)


def _other(number: int) -> int:
    return 1 - (number & 1)

"""The leniencies towards foreign peers, those that didn't answer the offer: here, and nowhere else (spec 9)."""

from simp_daemon.conduct import Conduct
from simp_proto.constants import FOREIGN_LEAVING_TRIES, FOREIGN_PAYLOAD_SIZE
from simp_proto.text import printable

_MISMATCHES = 2


class Foreign(Conduct):
    """Finds out how a peer numbers its chats while it talks to it. The price is a possible duplicate there."""

    payload_size = FOREIGN_PAYLOAD_SIZE
    leaving_tries = FOREIGN_LEAVING_TRIES

    def __init__(self) -> None:
        super().__init__()
        self._shared = True  # one counter for both directions, until its numbers say otherwise (spec 9.2)
        self._last: int | None = None  # the number of the last chat of either side
        self._mine: int | None = None
        self._theirs: tuple[int, bytes] | None = None
        self._spoke_since = False  # something of ours was acknowledged after their last chat
        self._echoes = True  # its ACKs carry the number of what they acknowledge (spec 9.3)
        self._tried: set[int] = set()
        self._mismatches = 0
        self._hinted = False

    def next_number(self) -> int:
        """Without a counter to go by: 1 to open the chat, 0 to answer. Those two fit most (spec 9.2)."""
        if self._mine is None or self._last is None:
            return 1 if self._theirs is None else 0
        return _other(self._last if self._shared else self._mine)

    def repeated_number(self, number: int, tries: int) -> int:
        """Hunting: each number twice, in turn (spec 9.2)."""
        number = number if tries // 2 % 2 == 0 else _other(number)
        self._tried.add(number)
        return number

    def acknowledges(self, acknowledged: int, outstanding: int) -> bool:
        if acknowledged == outstanding or acknowledged in self._tried or not self._echoes:
            return True
        self._mismatches += 1
        if self._mismatches >= _MISMATCHES:
            self._echoes = False
        return not self._echoes

    def acknowledges_handshake(self, _acknowledged: int, _outstanding: int) -> bool:
        """No handshake fails for its number (spec 9.3)."""
        return True

    def delivered(self, number: int, acknowledged: int) -> None:
        if acknowledged in self._tried:
            number = acknowledged
        if self._mine is not None and number != self.next_number():
            self._shared = not self._shared
        self._mine = self._last = number
        self._spoke_since = True
        self._tried.clear()
        self._mismatches = 0
        self._hinted = False

    def is_new(self, number: int, payload: bytes) -> bool:
        """A repeat has the same number and the same bytes, and no answer of ours in between (spec 9.2)."""
        if (number, payload) == self._theirs and not (self._shared and self._spoke_since):
            return False
        if self._last is not None:
            alone = None if self._theirs is None else _other(self._theirs[0])
            together = _other(self._last)
            if alone != together:
                self._shared = number == together
        self._theirs = (number, payload)
        self._last = number
        self._spoke_since = False
        return True

    def hint(self, text: str, expected: int, outstanding: int, tries: int) -> bool | None:
        """An ERR about the sequence carries the number that its sender expects; it's heeded once (spec 9.5)."""
        if self._hinted or "sequence" not in text.lower() or expected != _other(outstanding):
            return None
        self._hinted = True
        return tries > 1

    def fragments(self, text: str) -> list[bytes]:
        """ASCII alone: a byte above 0x7f ends several of the other daemons (spec 9.4)."""
        for at, character in enumerate(text):
            if not character.isascii():
                raise ValueError(
                    f"read {printable(character)!r} as character {at + 1}, expected ASCII: this partner's daemon"
                    " takes nothing else; the message was not sent"
                )
        return super().fragments(text)


def _other(number: int) -> int:
    return 1 - (number & 1)

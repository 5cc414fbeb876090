"""How chats with a peer of ours are numbered, repeated and read: strictly (spec 5)."""

from collections.abc import Iterator

from simp_proto.constants import FIRST_CHAT_SEQUENCE, MAX_DATAGRAM_SIZE, TRIES
from simp_proto.datagram import CHECKSUM_SIZE, HEAD_SIZE


class Conduct:
    """One bit per direction; a repeat has the same number; an ACK echoes it. `Foreign` is the other kind."""

    payload_size = MAX_DATAGRAM_SIZE - HEAD_SIZE - CHECKSUM_SIZE
    """The longest payload, in bytes, of one datagram."""
    leaving_tries = TRIES
    """How often a datagram is sent, at most, after our person has left."""

    def __init__(self) -> None:
        self._next = FIRST_CHAT_SEQUENCE
        self._received: int | None = None

    def next_number(self) -> int:
        """The sequence number for the next chat or FIN (spec 5.2)."""
        return self._next

    def repeated_number(self, number: int, _tries: int) -> int:
        """The number for the next repeat of what went out as `number`, after that many tries (spec 5.3)."""
        return number

    def answer_number(self, number: int) -> int:
        """The number of the SYN+ACK that answers a SYN of that number (spec 4.1)."""
        return number

    def acknowledges(self, acknowledged: int, outstanding: int) -> bool:
        """Whether an ACK of one number is for the outstanding one (spec 5.4)."""
        return acknowledged == outstanding

    def acknowledges_handshake(self, acknowledged: int, outstanding: int) -> bool:
        """The same for a SYN+ACK, and for a FIN before the chat is on (spec 5.1)."""
        return acknowledged == outstanding

    def delivered(self, number: int, _acknowledged: int) -> None:
        """What went out with that number has been acknowledged."""
        self._next = 1 - number

    def is_new(self, number: int, _payload: bytes) -> bool:
        """Whether a chat is new. The first that arrives fixes the phase (spec 5.5)."""
        new = number != self._received
        self._received = number
        return new

    def hint(self, _text: str, _expected: int, _outstanding: int, _tries: int) -> bool | None:
        """What an ERR says about the outstanding chat: it has arrived, it wants the other number, or nothing."""
        return None

    def fragments(self, text: str) -> list[bytes]:
        """The payloads that carry the text; raises `ValueError` for what can't be said to this peer (spec 5.6)."""
        return list(_cut(text.encode("utf-8", "backslashreplace"), self.payload_size))


def _cut(payload: bytes, size: int) -> Iterator[bytes]:
    """Pieces of at most `size` bytes: after a blank where a piece has one, never inside a character."""
    while len(payload) > size:
        end = payload.rfind(b" ", 0, size) + 1
        if not end:
            end = size
            while payload[end] & 0xC0 == 0x80:
                end -= 1
        yield payload[:end]
        payload = payload[end:]
    yield payload

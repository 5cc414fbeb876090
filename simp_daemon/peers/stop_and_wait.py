"""Stop-and-wait: one datagram is outstanding, and is sent again until it is acknowledged (spec 6)."""

from collections import deque
from dataclasses import dataclass

from simp_daemon.peers.conduct import Conduct
from simp_proto.constants import RETRANSMISSION_INTERVAL, TRIES, Control, Operation


@dataclass(frozen=True, slots=True)
class Transmission:
    """Something that wants an answer.

    `number` is its sequence number, `None` where the conduct chooses it; `message` the number of the
    client's message that it carries, if any, and `last` whether it is the end of that message.
    """

    operation: Operation
    payload: bytes = b""
    number: int | None = None
    interval: float = RETRANSMISSION_INTERVAL
    message: int = 0
    last: bool = True


class Exchange:
    """What is still to be acknowledged, and when it goes out again. Times are seconds on the caller's clock."""

    def __init__(self, conduct: Conduct) -> None:
        self.conduct = conduct
        self.max_tries = TRIES
        self.outstanding: Transmission | None = None
        self.since = 0.0
        """When the outstanding datagram went out for the first time."""
        self._first_number = 0
        self.number = 0
        """The sequence number that it went out with last."""
        self._tries = 0
        self._interval = 0.0
        self._due = 0.0
        self._queue: deque[Transmission] = deque()

    def __len__(self) -> int:
        return len(self._queue) + (self.outstanding is not None)

    def put(self, transmission: Transmission) -> None:
        """Behind whatever waits already."""
        self._queue.append(transmission)

    def clear(self) -> list[int]:
        """Drops everything; returns the client's messages that are not acknowledged, each once."""
        waiting = [self.outstanding, *self._queue] if self.outstanding else self._queue
        messages = list(dict.fromkeys(each.message for each in waiting if each.message))
        if self.outstanding and self.outstanding.number is None:
            self.conduct.delivered(self.number, self.number)  # spent: a late ACK must not pass for the FIN's
        self.outstanding = None
        self.max_tries = TRIES
        self._queue.clear()
        return messages

    def next(self, now: float) -> tuple[Transmission, int] | None:
        """What is to be sent now, with its sequence number. Ask `exhausted` first."""
        if self.outstanding is None and self._queue:
            self.outstanding = self._queue.popleft()
            fixed = self.outstanding.number
            self._first_number = self.conduct.next_number() if fixed is None else fixed
            self._interval = self.outstanding.interval
            self._tries = 0
            self.since = self._due = now
        if self.outstanding is None or now < self._due:
            return None
        self.number = self._first_number
        if self._tries and self.outstanding.number is None:
            self.number = self.conduct.repeated_number(self._first_number, self._tries)
        self._tries += 1
        self._due = now + self._interval
        return self.outstanding, self.number

    def exhausted(self, now: float) -> bool:
        """Whether the last try has gone unanswered too (spec 6.3)."""
        return self.outstanding is not None and self._tries >= self.max_tries and now >= self._due

    def repeat(self, now: float) -> None:
        """Lets the outstanding datagram go out again at once; that is no new try (spec 4.5)."""
        self._tries = max(self._tries - 1, 0)
        self._due = now

    def postpone(self, now: float, interval: float) -> None:
        """It has arrived, but the answer is a person's: all tries anew, this far apart (spec 4.4)."""
        self._tries = 1
        self._interval = interval
        self._due = now + interval

    def acknowledge(self, number: int) -> Transmission | None:
        """What an ACK of that number acknowledges, which is then done with; a SYN's answer is no ACK (spec 5.4)."""
        done = self.outstanding
        if done is None or done.operation is Control.SYN:
            return None
        if done.number is not None:
            if not self.conduct.acknowledges_handshake(number, done.number):
                return None
        elif not self.conduct.acknowledges(number, self.number):
            return None
        else:
            self.conduct.delivered(self.number, number)
        self.outstanding = None
        return done

    def hint(self, text: str, expected: int) -> bool | None:
        """What an ERR says of the outstanding datagram: it has arrived, it wants the other number,
        or nothing (spec 9.5).
        """
        if self.outstanding is None or self.outstanding.number is not None:
            return None
        return self.conduct.hint(text, expected, self.number, self._tries)

    def renumber(self, now: float) -> None:
        """Lets the outstanding datagram go out again at once, with the other number (spec 9.5)."""
        self._first_number = 1 - self.number
        self._tries = 0
        self._due = now

    def get_timer(self) -> float | None:
        """When `next` or `exhausted` will have something to say."""
        return None if self.outstanding is None else self._due

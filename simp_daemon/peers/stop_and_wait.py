"""Stop-and-wait: one datagram is outstanding, and is sent again until it is acknowledged (spec 6)."""

from collections import deque
from collections.abc import Iterator

from simp_daemon.peers.conduct import Conduct
from simp_daemon.peers.delivery import Hint, Transmission
from simp_daemon.peers.foreign import Foreign
from simp_proto.constants import TRIES, Chat, Control, Framing
from simp_proto.datagram import Datagram


class StopAndWait:
    """The delivery of SIMP/1 (see `Delivery`)."""

    def __init__(self) -> None:
        self._conduct = Conduct()
        self._outstanding: Transmission | None = None
        self._since = 0.0  # when the outstanding datagram went out for the first time
        self._first_number = 0
        self._number = 0  # the sequence number that it went out with last
        self._tries = 0
        self._max_tries = TRIES
        self._interval = 0.0
        self._due = 0.0
        self._queue: deque[Transmission] = deque()

    def __len__(self) -> int:
        return len(self._queue) + (self._outstanding is not None)

    def speak(self, framing: Framing) -> None:
        self._conduct = Conduct() if framing is Framing.HEADER else Foreign(framing)

    # -- what is sent

    def put(self, transmission: Transmission) -> None:
        if transmission.operation is Control.FIN:
            self._max_tries = self._conduct.leaving_tries
        self._queue.append(transmission)

    def say(self, message: int, text: str) -> None:
        *pieces, end = self._conduct.fragments(text)
        self._queue.extend(Transmission(Chat.MESSAGE, piece, message=message, last=False) for piece in pieces)
        self._queue.append(Transmission(Chat.MESSAGE, end, message=message))

    def probe(self) -> None:
        self._queue.append(Transmission(Control.SYN_ACK, number=self._number))

    def due(self, now: float) -> Iterator[tuple[Transmission, int]]:
        if self._outstanding is None and self._queue:
            self._outstanding = self._queue.popleft()
            self._first_number = self._number_of(self._outstanding)
            self._interval = self._outstanding.interval
            self._tries = 0
            self._since = self._due = now
        if self._outstanding is None or now < self._due:
            return
        self._number = self._first_number
        if self._tries and self._outstanding.number is None:
            self._number = self._conduct.repeated_number(self._first_number, self._tries)
        self._tries += 1
        self._due = now + self._interval
        yield self._outstanding, self._number

    def _number_of(self, transmission: Transmission) -> int:
        if transmission.number is None:
            return self._conduct.next_number()
        if transmission.operation is Control.SYN_ACK:
            return self._conduct.answer_number(transmission.number)
        return transmission.number

    def exhausted(self, now: float) -> Transmission | None:
        return self._outstanding if self._tries >= self._max_tries and now >= self._due else None

    def repeat(self, now: float) -> None:
        self._tries = max(self._tries - 1, 0)
        self._due = now

    def renumber(self, now: float) -> None:
        self._first_number = 1 - self._number
        self._tries = 0
        self._due = now

    def postpone(self, now: float, interval: float) -> None:
        self._tries = 1
        self._interval = interval
        self._due = now + interval

    def get_timer(self) -> float | None:
        return None if self._outstanding is None else self._due

    def waiting_since(self) -> float | None:
        return self._since if self._outstanding and self._outstanding.message else None

    def abandon(self) -> list[int]:
        waiting = [self._outstanding, *self._queue] if self._outstanding else self._queue
        messages = list(dict.fromkeys(each.message for each in waiting if each.message))
        if self._outstanding and self._outstanding.number is None:
            self._conduct.delivered(self._number, self._number)  # used: a late ACK must not pass for the FIN's
        self._outstanding = None
        self._max_tries = TRIES
        self._queue.clear()
        return messages

    # -- what comes back

    def receive(self, datagram: Datagram) -> Transmission | Hint | None:
        if datagram.operation is Control.ACK:
            return self._acknowledged(datagram.sequence)
        if self._outstanding is None or self._outstanding.number is not None:
            return None
        arrived = self._conduct.hint(datagram.text, datagram.sequence, self._number, self._tries)
        if arrived:
            return self._acknowledged(self._number)
        return None if arrived is None else Hint.OTHER_NUMBER

    def _acknowledged(self, number: int) -> Transmission | None:
        """What an ACK of that number acknowledges; a SYN's answer is no ACK (spec 5.4)."""
        done = self._outstanding
        if done is None or done.operation is Control.SYN:
            return None
        if done.number is not None:
            if not self._conduct.acknowledges_handshake(number, self._first_number):
                return None
        elif not self._conduct.acknowledges(number, self._number):
            return None
        else:
            self._conduct.delivered(self._number, number)
        self._outstanding = None
        return done

    def is_new(self, datagram: Datagram) -> bool:
        return self._conduct.is_new(datagram.sequence, datagram.payload)

"""The link of SIMP/2: pieces that are numbered for ever, and sent until they are on the peer's disk (spec/simp2.md 7).

There is one for each session, over the ledger of its conversation, which outlives it.
"""

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

from simp_daemon.facts import Acknowledged, Fact, Jumped, Ledger, Opened, Renumbered
from simp_daemon.peers.sealed.outlet import Arrived, Delivered, Doubtful, Left, Missing, Outlet
from simp_daemon.peers.sealed.reassembly import EARLY, Reassembly
from simp_daemon.peers.sealed.round_trip import PATIENCE, RoundTrip
from simp_proto.constants import GONE, MAX_NEXT, TRIES, CloseReason
from simp_proto.datagram import text_of
from simp_proto.sealed.frames import Acked, Close, Closed, Frame, Piece, Ping, State

IN_FLIGHT: Final = 4
HELD_PAUSE: Final = 1.0
"""Seconds until a piece is answered that can't be taken."""
MAX_CLAIM: Final = MAX_NEXT // 2
"""The highest number from which a peer may make us go on: nobody says so much that the rest doesn't suffice."""
UNNUMBERED: Final = 0
"""In flight under this number: a record that wants an answer and has no piece."""


class Flight(NamedTuple):
    """What is in flight: the counter of its record, and when that went out."""

    counter: int
    at: float


class Link:
    """Whatever is put or received, `pump` comes after. Times are seconds on the caller's clock."""

    def __init__(self, ledger: Ledger, outlet: Outlet, *, caller: bool) -> None:
        self._ledger, self._outlet = ledger, outlet
        self._telling = not caller  # each record begins with our STATE, until one of them is acknowledged
        self._agreed = False  # the peer's STATE was read
        self._reason: int | None = None  # why we leave
        self._closing = False  # CLOSE was sent
        self.over = False
        """Nothing is sent any more, except CLOSED."""
        # what we say
        self._acknowledged = ledger.acknowledged  # the last piece that is, perhaps of a message that isn't
        self._arrived: frozenset[int] = frozenset()  # what else the peer has for now
        self._flying: dict[int, Flight] = {}
        self._probing = False
        # time
        self.round_trip = RoundTrip()
        self._sent: dict[int, float] = {}  # records that wanted an answer, for round trips
        self._last = self._echo = -1  # the last of them, and the highest that was answered
        self._silences = 0  # timeouts since something new was acknowledged
        self._since = 0.0  # when the timer began
        self.heard = 0.0
        """When the last record came that was no repeat."""
        self._waiting: float | None = None  # since when nothing was acknowledged, though something ought to be
        # what the peer says
        self._reassembly = Reassembly(ledger)
        self._owed: int | None = None  # what our next ACKED echoes
        self._owed_since = 0.0
        self.held = False
        """Our person can take no message now: pieces are left where they are, and answered slowly (S1 8.4)."""

    def __len__(self) -> int:
        """How many pieces aren't acknowledged."""
        return self._ledger.next - 1 - self._acknowledged

    # -- what our person does

    def say(self, token: str, message: bytes) -> None:
        """Puts a message, unless its token was used."""
        if fact := self._ledger.say(token, message):
            self._commit(fact)

    def probe(self) -> None:
        """Puts a PING (spec 7.7)."""
        self._probing = True

    def leave(self, reason: int = 0) -> None:
        """Puts a CLOSE, behind all that was said unless there is a reason (spec 7.9)."""
        self._reason, self._silences = reason, 0
        self._commit(Opened(False))

    def give_up(self) -> None:
        """Sends nothing more of what isn't acknowledged (spec 7.10)."""
        if fact := self._ledger.give_up():
            self._commit(fact)
        self._acknowledged = self._ledger.acknowledged
        self._flying.clear()

    # -- what arrives

    def receive(self, counter: int, frames: Sequence[Frame], now: float) -> None:
        """The frames of a record that is no repeat."""
        self.heard = now
        for frame in frames:
            match frame:
                case State():
                    self.read(frame)
                case Acked():
                    self._read_acked(frame, now)
                case Piece():
                    self._read_piece(frame)
                case Close():
                    self._read_close(frame)
                case Closed():
                    self.over = self.over or self._closing
                case Ping():
                    pass
            if frame.wants_ack:
                if self._owed is None:
                    self._owed_since = now
                self._owed = max(counter, self._owed or 0)

    def read(self, state: State) -> None:
        """The peer's first STATE: both ends go on from there, whatever became of their disks (spec 7.8)."""
        if self._agreed or self._reason:
            return
        ledger, before, arrived = self._ledger, state.first - 1, state.next - 1
        known = arrived < ledger.next and (arrived < ledger.acknowledged or ledger.chain_at(arrived) == state.upto)
        if not known and state.next > MAX_CLAIM:
            self.fail(CloseReason.FAULT)
            return
        self._agreed = True
        if before > ledger.stored:
            missing = before - ledger.stored + len(ledger.unfinished)
            self._commit(Jumped(before, state.before))
            self._outlet.tell(Missing(missing))
        if known:
            self._advance(arrived)
        else:
            self._commit(Renumbered(arrived, state.upto))
            self._acknowledged = arrived
            for token in ledger.waiting:
                self._outlet.tell(Doubtful(token))

    def _read_acked(self, acked: Acked, now: float) -> None:
        if not self._agreed:
            return
        highest = acked.next + acked.bitmap.bit_length() if acked.bitmap else acked.next - 1
        if highest >= self._ledger.next or acked.echo > self._last:
            self.fail(CloseReason.FAULT)
            return
        self._telling = False
        sent = self._sent.pop(acked.echo, None)
        if sent is not None:
            self.round_trip.measure(now - sent)
        arrived = self._arrived
        if acked.echo >= self._echo:
            self._echo = acked.echo
            bits = acked.bitmap
            arrived = frozenset(acked.next + 1 + bit for bit in range(bits.bit_length()) if bits >> bit & 1)
        new = acked.next - 1 > self._acknowledged or not arrived <= self._arrived
        self._arrived = arrived
        self._advance(acked.next - 1)
        if UNNUMBERED in self._flying and self._flying[UNNUMBERED].counter <= self._echo:
            new, self._probing = True, False
            del self._flying[UNNUMBERED]
        for number in self._flying.keys() & arrived:
            del self._flying[number]
        if new:
            self._silences, self._since, self._waiting = 0, now, None

    def _advance(self, number: int) -> None:
        """All pieces up to that one are on the peer's disk."""
        for each in range(self._acknowledged + 1, number + 1):
            self._flying.pop(each, None)
        self._acknowledged = max(self._acknowledged, number)
        if tokens := self._ledger.tokens_up_to(number):
            end = self._ledger.waiting[tokens[-1]]
            self._commit(Acknowledged(end, self._ledger.chain_at(end)))
            for token in tokens:
                self._outlet.tell(Delivered(token))

    def _read_piece(self, piece: Piece) -> None:
        if not self._agreed or self._reason or self._closing or self.over or self.held:
            return
        received, fault = self._reassembly.put(piece)
        if received:
            for message in self._commit(received):
                self._outlet.tell(Arrived(message))
        if fault:
            self.fail(fault)

    def _read_close(self, close: Close) -> None:
        if not self.over:
            self._commit(Opened(False))
            self._outlet.tell(Left(close.reason, text_of(close.text)))
        self.over = True
        self._outlet.send([Closed()])

    def fail(self, reason: CloseReason) -> None:
        """The session can't go on, by a fault of the peer's (spec 7.9)."""
        if not self._reason:
            self._outlet.tell(Left(reason, ""))
            self.leave(reason)

    # -- what is sent

    def pump(self, now: float) -> None:
        """Does what is due, and sends what may go. Early or repeated calls do nothing."""
        self._expire(now)
        if self.over:
            return
        while (number := self._sendable()) is not None:
            self._send(number, [self._ledger.pieces[number]], now)
        if self._reason is not None and (self._reason or not len(self)):
            if not self._closing:
                self._flying.clear()
            if not self._flying:
                self._send(UNNUMBERED, [Close(self._reason)], now)
            self._closing = True
        elif self._agreed and (self._telling or self._probing) and not self._flying:
            self._send(UNNUMBERED, [Ping()] if self._probing else [], now)
        elif self._owed is not None and now >= self._answer_at():
            self._send(UNNUMBERED if self._telling else None, [], now)
        if self._agreed and not (len(self) or self._telling or self._probing or self._closing):
            self._waiting = None
        elif self._waiting is None:
            self._waiting = now

    def _sendable(self) -> int | None:
        limit = IN_FLIGHT if self._silences <= PATIENCE else 1
        if self._agreed and not self._reason and len(self._flying) < limit:
            for number in range(self._acknowledged + 1, min(self._ledger.next, self._acknowledged + 2 + EARLY)):
                if number not in self._flying and number not in self._arrived:
                    return number
        return None

    def _send(self, number: int | None, frames: list[Frame], now: float) -> None:
        """Sends a record that is in flight as that number, or wants no answer."""
        if self._owed is not None:
            frames.insert(0, Acked(self._ledger.stored + 1, self._owed, self._reassembly.bitmap))
            self._owed = None
        if self._telling:
            frames.insert(0, self.state())
        counter = self._outlet.send(frames)
        if number is not None:
            self._flying[number] = Flight(counter, now)
            self._sent[counter] = self._since = now
            self._last = counter
            if len(self._sent) > EARLY:
                del self._sent[next(iter(self._sent))]

    def state(self) -> State:
        """Ours."""
        return state_of(self._ledger)

    def _commit(self, fact: Fact) -> list[bytes]:
        self._outlet.commit(fact)
        return self._ledger.apply(fact)

    # -- time

    def get_timer(self) -> float | None:
        """When `pump` will next have something to do; changes nothing."""
        due = min(map(self._lost_at, self._flying.values()), default=inf)
        if self.held and self._owed is not None and not self._closing and not self.over:
            due = min(due, self._answer_at())
        return None if due == inf else due

    def _answer_at(self) -> float:
        """When the peer is told what has come; whoever is held would send it again at every answer."""
        return self._owed_since + (HELD_PAUSE if self.held else 0.0)

    def _timeout_at(self) -> float:
        return self._since + self.round_trip.timeout(self._silences)

    def _lost_at(self, flight: Flight) -> float:
        """When it isn't waited for any longer (spec 7.6)."""
        timeout = self._timeout_at()
        return timeout if flight.counter > self._echo else min(timeout, flight.at + self.round_trip.patience)

    def _expire(self, now: float) -> None:
        if self._flying and now >= self._timeout_at():
            self._flying.clear()
            self._silences += 1
            self._since = now
            self.over = self.over or (self._closing and self._silences >= TRIES)
        for number, flight in list(self._flying.items()):
            if now >= self._lost_at(flight):
                del self._flying[number]

    def gone_at(self) -> float | None:
        """When the peer will have been silent for too long for what is unacknowledged (spec 7.7)."""
        return None if self._waiting is None else max(self._waiting, self.heard) + GONE

    def waiting_since(self) -> float | None:
        """Since when nothing was acknowledged, though something ought to be."""
        return self._waiting


def state_of(ledger: Ledger) -> State:
    """What the owner of that ledger says first in a session (spec 7.8)."""
    return State(ledger.acknowledged + 1, ledger.chain, ledger.stored + 1, ledger.upto)

"""A conversation with one peer: what `states.TABLE` says, done (spec 4 to 7). No clock, no socket."""

from collections import deque
from typing import Final

from simp_daemon.events import (
    Connected,
    Ended,
    ErrorReceived,
    Event,
    MessageAcknowledged,
    MessageReceived,
    MessageUndelivered,
    Rang,
    Reason,
    Refused,
    RequestReceived,
    Unanswered,
    Why,
)
from simp_daemon.peers.conduct import Conduct
from simp_daemon.peers.foreign import Foreign
from simp_daemon.peers.states import TABLE, Input, State
from simp_daemon.peers.stop_and_wait import Exchange, Transmission
from simp_proto.address import Address
from simp_proto.constants import (
    BUSY,
    ERROR_SIZE,
    HANDSHAKE_SEQUENCE,
    OFFER,
    REQUEST_LIFETIME,
    RETRANSMISSION_INTERVAL,
    RINGING,
    UNANSWERED_INTERVAL,
    UNKNOWN_SYN_INTERVAL,
    Chat,
    Control,
    Framing,
    Type,
)
from simp_proto.datagram import Datagram
from simp_proto.errors import NotNowError

NOBODY: Final = "daemon"
"""The name in a control datagram while no person has given one."""
_PLACEHOLDERS: Final = {"", NOBODY}
_CONTROL_INPUTS: Final = {
    Control.SYN_ACK: Input.SYN_ACK,
    Control.FIN: Input.FIN,
    Control.FIN_ACK: Input.FIN_ACK,
    Control.ERR_FIN: Input.ERR_FIN,
}
_TRAILER_HINT: Final = (
    "; its daemon puts the checksum at the end and didn't understand ours, which knows now: call again, if need be"
    " once that daemon is restarted; 'simp daemon --framing trailer' calls so from the first time on"
)


class Session:
    """One peer. The endpoint owns it, feeds it, and forgets it when it is IDLE."""

    def __init__(self, peer: Address, user: bytes, framing: Framing, forced: Framing | None = None) -> None:
        self.peer = peer
        self.user = user
        self.name = ""
        self.state = State.IDLE
        self.outbox: deque[Datagram] = deque()
        self.events: deque[Event] = deque()
        self.learned: Framing | None = None
        """The framing that the peer is known to speak, since it answered in it (spec 4.2)."""
        self._forced = forced
        self._syn_sequence = HANDSHAKE_SEQUENCE
        self._refreshed = 0.0
        self._asked = 0
        self._asked_since = 0.0
        self._words: tuple[int, list[bytes]] = (0, [])
        self._agreed = False  # both know the framing, so that another one is somebody else's
        self._exchange = Exchange(Conduct())
        self._speak(framing)

    # -- what happens to it

    def receive(self, datagram: Datagram, now: float, *, busy: bool = False, slow: bool = False) -> Reason | None:
        """A datagram of the peer. Returns why it was ignored, if it was.

        `busy` says that a chat with another peer is on, `slow` that no message can be taken now.
        """
        self._datagram = datagram
        if self._agreed and datagram.framing is not self.framing and datagram.operation is not Control.SYN:
            return Reason.WRONG_FRAMING
        what = self._classify(datagram, busy)
        if isinstance(what, Reason):
            return what
        if what is Input.CHAT and slow:
            return Reason.SLOW_CLIENT
        if not self._input(what, now):
            return Reason.STRANGER if self.state is State.IDLE else Reason.OUT_OF_PLACE
        return None

    def call(self, now: float) -> None:
        """Our person calls; raises `NotNowError`."""
        self._person(Input.CALL, now)

    def accept(self, now: float) -> None:
        """Our person accepts the request; raises `NotNowError`."""
        self._person(Input.ACCEPT, now)

    def quit(self, now: float) -> None:
        """Our person declines, cancels or leaves; raises `NotNowError`."""
        self._person(Input.QUIT, now)

    def say(self, message: int, text: str, now: float) -> None:
        """Our person says something, the message of that number; raises `NotNowError`, or `ValueError` (spec 5.6)."""
        self._words = (message, self._exchange.conduct.fragments(text))
        self._person(Input.SAY, now)

    def handle_timer(self, now: float) -> None:
        """Does what is due. Early or repeated calls do nothing."""
        if self.state is State.PENDING and now >= self._refreshed + REQUEST_LIFETIME:
            self._input(Input.EXPIRE, now)
        if self._exchange.exhausted(now):
            outstanding = self._exchange.outstanding
            fin = outstanding is not None and outstanding.operation is Control.FIN
            self._input(Input.GIVE_UP_FIN if fin else Input.GIVE_UP, now)
        self._ask(now)
        self._pump(now)

    def get_timer(self) -> float | None:
        """When `handle_timer` will next have something to do."""
        if self.state is State.PENDING:
            return self._refreshed + REQUEST_LIFETIME
        repeat, question = self._exchange.get_timer(), self._next_question()
        if repeat is None or question is None:
            return question if repeat is None else repeat
        return min(repeat, question)

    def undelivered(self) -> list[MessageUndelivered]:
        """Drops what is not acknowledged yet, and tells of it."""
        return [MessageUndelivered(self.peer, message) for message in self._exchange.clear()]

    @property
    def waiting(self) -> int:
        """How many datagrams of ours are not acknowledged yet."""
        return len(self._exchange)

    # -- how it decides

    def _classify(self, datagram: Datagram, busy: bool) -> Input | Reason:
        if datagram.type is Type.CHAT:
            return Input.CHAT
        match datagram.operation:
            case Control.SYN:
                return Input.BUSY_SYN if busy else Input.SYN
            case Control.ACK if datagram.framing is Framing.HEADER and datagram.payload == RINGING:
                return Input.RING
            case Control.ACK:
                return self._acknowledged_by(self._exchange.acknowledge(datagram.sequence))
            case Control.ERR:
                arrived = self._exchange.hint(datagram.text, datagram.sequence)
                if arrived:
                    return self._acknowledged_by(self._exchange.acknowledge(self._exchange.number))
                return Input.ERR if arrived is None else Input.HINT
            case operation:
                return _CONTROL_INPUTS[Control(operation)]

    def _acknowledged_by(self, done: Transmission | None) -> Input | Reason:
        if done is None:
            return Reason.STRANGER if self.state is State.IDLE else Reason.WRONG_NUMBER
        self._done = done
        return Input.ACK_OF_FIN if done.operation is Control.FIN else Input.ACK

    def _input(self, what: Input, now: float) -> bool:
        cell = TABLE.get((self.state, what))
        if cell is None:
            return False
        action, state = cell
        getattr(self, f"_{action.value}")(now)
        self.state = state
        self._pump(now)
        return True

    def _person(self, what: Input, now: float) -> None:
        if not self._input(what, now):
            raise NotNowError(f"{what.value}: not possible now, {self.state.value}")

    def _pump(self, now: float) -> None:
        due = self._exchange.next(now)
        if due:
            transmission, number = due
            self._send(transmission.operation, number, transmission.payload)

    def _waiting_since(self) -> float | None:
        """Since when our person waits for an answer to a call or a message."""
        if self.state is State.OPEN and self._exchange.outstanding is not None:
            return self._exchange.since
        return self._refreshed if self.state in (State.CALLING, State.RINGING) else None

    def _questions(self, since: float) -> int:
        """How often our person has been asked already about what is unanswered since then."""
        return self._asked if since == self._asked_since else 0

    def _next_question(self) -> float | None:
        """When our person is to be asked whether to keep waiting (spec 6.4)."""
        since = self._waiting_since()
        return None if since is None else since + (self._questions(since) + 1) * UNANSWERED_INTERVAL

    def _ask(self, now: float) -> None:
        since, question = self._waiting_since(), self._next_question()
        if since is None or question is None or now < question:
            return
        self._asked = max(self._questions(since) + 1, int((now - since) // UNANSWERED_INTERVAL))
        self._asked_since = since
        self.events.append(Unanswered(self.peer, self.name, round(self._asked * UNANSWERED_INTERVAL)))

    # -- how it speaks

    def _speak(self, framing: Framing) -> None:
        """In that framing from now on; whoever doesn't speak `header` is foreign (spec 9.1)."""
        self.framing = framing
        self._exchange.conduct = Conduct() if framing is Framing.HEADER else Foreign(framing)

    def _adapt(self) -> None:
        """Goes on in the framing that the datagram asks for (spec 4.2)."""
        framing = answer_framing(self._datagram, self._forced)
        if framing is not self.framing and not self._agreed:
            self._speak(framing)
        self._learn_name()

    def _learn_name(self) -> None:
        """The first name that is a person's (spec 2.4)."""
        if self.name.lower() in _PLACEHOLDERS and self._datagram.name:
            self.name = self._datagram.name

    def _send(self, operation: Control | Chat, sequence: int, payload: bytes = b"") -> None:
        kind = Type.CHAT if operation is Chat.MESSAGE else Type.CONTROL
        if self.framing is not Framing.BARE:
            sequence &= 1  # an echo of a `bare` number that this framing has no room for (spec 2.3)
        self.outbox.append(Datagram(kind, operation, sequence, self.user, payload, self.framing))

    def _undelivered(self) -> None:
        self.events.extend(self.undelivered())

    def _end(self, why: Why) -> None:
        self._undelivered()
        self.events.append(Ended(self.peer, self.name, why))

    # -- its actions, by the names of the table

    def _call(self, now: float) -> None:
        self._undelivered()
        self._speak(self.framing)
        self._agreed = self._forced is not None
        self._refreshed = now
        offers = self.framing is not Framing.TRAILER and self._forced is not Framing.BARE
        known = self.framing is Framing.HEADER
        interval = RETRANSMISSION_INTERVAL if known else UNKNOWN_SYN_INTERVAL
        self._exchange.put(Transmission(Control.SYN, OFFER if offers else b"", HANDSHAKE_SEQUENCE, interval))

    def _ring(self, now: float) -> None:
        fresh = self.state is not State.PENDING
        if fresh:
            self._undelivered()
            self.name = ""
            self._agreed = False
            self._learn_name()
        self._speak(answer_framing(self._datagram, self._forced))
        self._syn_sequence = self._datagram.sequence
        self._refreshed = now
        if self.framing is Framing.HEADER:
            self._send(Control.ACK, self._datagram.sequence, RINGING)
        if fresh:
            self.events.append(RequestReceived(self.peer, self.name))

    def _refuse(self, _now: float) -> None:
        if self.state is State.PENDING:
            self._end(Why.BUSY)
        self._undelivered()
        self._speak(answer_framing(self._datagram, self._forced))
        self._send(Control.ERR, self._datagram.sequence, BUSY.encode("ascii"))
        self._send(Control.FIN, self._datagram.sequence)
        self.events.append(Refused(self.peer, self._datagram.name))

    def _note_ringing(self, now: float) -> None:
        self._answered()
        self._exchange.postpone(now, UNKNOWN_SYN_INTERVAL)
        if self.state is State.CALLING:
            self.events.append(Rang(self.peer, self.name))

    def _answered(self) -> None:
        """A call of ours got an answer: now one knows what the peer speaks (spec 4.2)."""
        self._adapt()
        self.learned = self._datagram.framing

    def _accept(self, _now: float) -> None:
        if self.state is not State.PENDING:  # crossed calls accept each other (spec 4.8)
            self._adapt()
            self._syn_sequence = self._datagram.sequence
        self._exchange.clear()
        number = self._exchange.conduct.answer_number(self._syn_sequence)
        self._exchange.put(Transmission(Control.SYN_ACK, b"", number))

    def _repeat(self, now: float) -> None:
        self._exchange.repeat(now)

    def _acknowledge(self, _now: float) -> None:
        if self.state is State.IDLE:
            self._speak(self._datagram.framing)
        self._send(Control.ACK, self._datagram.sequence)

    def _establish(self, _now: float) -> None:
        if self.state is not State.ACCEPTING:
            self._adapt()
        self._learn_name()
        self._exchange.clear()
        self._agreed = True
        self.learned = self.framing
        self.events.append(Connected(self.peer, self.name))

    def _establish_and_acknowledge(self, now: float) -> None:
        self._establish(now)
        self._acknowledge(now)

    def _establish_and_receive(self, now: float) -> None:
        self._establish(now)
        self._receive(now)

    def _say(self, _now: float) -> None:
        message, fragments = self._words
        for payload in fragments[:-1]:
            self._exchange.put(Transmission(Chat.MESSAGE, payload, message=message, last=False))
        self._exchange.put(Transmission(Chat.MESSAGE, fragments[-1], message=message))

    def _confirm(self, _now: float) -> None:
        if self._done.last:
            self.events.append(MessageAcknowledged(self.peer, self._done.message))

    def _receive(self, now: float) -> None:
        self._learn_name()
        self._acknowledge(now)
        if self._exchange.conduct.is_new(self._datagram.sequence, self._datagram.payload):
            self.events.append(MessageReceived(self.peer, self.name, self._datagram.text))

    def _report(self, _now: float) -> None:
        self.events.append(ErrorReceived(self.peer, self.name, self._error_text()))

    def _renumber(self, now: float) -> None:
        self._exchange.renumber(now)

    def _cancel(self, _now: float) -> None:
        number = None if self.state is State.ACCEPTING else HANDSHAKE_SEQUENCE
        self._undelivered()
        self._fin(number)
        self.events.append(Ended(self.peer, self.name, Why.QUIT))

    def _decline(self, _now: float) -> None:
        self._fin(self._syn_sequence)
        self.events.append(Ended(self.peer, self.name, Why.QUIT))

    def _leave(self, _now: float) -> None:
        self._fin(None)
        self.events.append(Ended(self.peer, self.name, Why.QUIT))

    def _fin(self, number: int | None) -> None:
        self._exchange.max_tries = self._exchange.conduct.leaving_tries
        self._exchange.put(Transmission(Control.FIN, b"", number))

    def _end_and_acknowledge(self, now: float) -> None:
        self._learn_if_called()
        self._end(Why.FIN)
        self._acknowledge(now)

    def _fail(self, _now: float) -> None:
        trailer = self._datagram.framing is Framing.TRAILER and self.framing is not Framing.TRAILER
        self._learn_if_called()
        text = self._error_text() + (_TRAILER_HINT if trailer else "")
        self.events.append(ErrorReceived(self.peer, self.name, text))
        self._end(Why.ERR)

    def _error_text(self) -> str:
        text = self._datagram.text
        return text if len(text) <= ERROR_SIZE else f"{text[:ERROR_SIZE]}..."

    def _fail_and_acknowledge(self, now: float) -> None:
        self._fail(now)
        self._acknowledge(now)

    def _learn_if_called(self) -> None:
        if self.state in (State.CALLING, State.RINGING):
            self._answered()

    def _withdraw(self, _now: float) -> None:
        self._end(Why.ERR)  # its text is nobody's who is talked to: it stays unsaid

    def _expire(self, _now: float) -> None:
        self._end(Why.EXPIRED)

    def _lose(self, _now: float) -> None:
        self._end(Why.LOST)
        self._fin(HANDSHAKE_SEQUENCE if self.state in (State.CALLING, State.RINGING) else None)

    def _drop(self, _now: float) -> None:
        self._undelivered()
        self._fin(None)

    def _restart(self, now: float) -> None:
        self._end(Why.RESTARTED)
        self._ring(now)

    def _forget(self, _now: float) -> None:
        self._undelivered()

    def _forget_and_acknowledge(self, now: float) -> None:
        self._undelivered()
        self._acknowledge(now)


def answer_framing(syn: Datagram, forced: Framing | None) -> Framing:
    """The framing in which a datagram is answered: its own, or `header` where a SYN offers it (spec 4.2)."""
    offered = syn.operation is Control.SYN and syn.sequence <= 1 and syn.payload.startswith(OFFER)
    return forced or Framing.HEADER if offered else syn.framing

"""A conversation with one peer: which of the actions of `states.TABLE` is due, and when (spec 4 to 7)."""

from typing import Final

from simp_daemon.events import Reason, Unanswered
from simp_daemon.peers.actions import Happening
from simp_daemon.peers.delivery import Hint, Transmission
from simp_daemon.peers.record import Record
from simp_daemon.peers.states import TABLE, Input, State
from simp_proto import constants
from simp_proto.constants import Control, Framing, Operation, Type
from simp_proto.datagram import Datagram
from simp_proto.errors import NotNowError

_INPUTS: Final[dict[Operation, Input]] = {
    Control.SYN: Input.SYN,
    Control.SYN_ACK: Input.SYN_ACK,
    Control.ACK: Input.RING,
    Control.FIN: Input.FIN,
    Control.FIN_ACK: Input.FIN_ACK,
    Control.ERR: Input.ERR,
    Control.ERR_FIN: Input.ERR_FIN,
}
"""What a control datagram is that acknowledges nothing."""


class Session:
    """One peer. The endpoint owns it, feeds it, and forgets it when it is IDLE."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.state = State.IDLE
        self.filed = State.IDLE
        """The state in which the endpoint has put it where it belongs."""
        self._asked = 0
        self._asked_since = 0.0

    # -- what happens to it: a wish of our person raises `NotNowError` where it can't be now

    def receive(self, datagram: Datagram, now: float, *, refusal: str = "", slow: bool = False) -> Reason | None:
        """A datagram of the peer. Returns why it was ignored, if it was.

        `refusal` is what the peer is told if no call of its may ring now (spec 4.6), `slow` says that no message can be
        taken.
        """
        is_syn = datagram.operation is Control.SYN
        if self.record.agreed and datagram.framing is not self.record.framing and not is_syn:
            return Reason.WRONG_FRAMING
        if slow and (datagram.type is Type.CHAT or (datagram.operation is Control.ERR and self.state is State.OPEN)):
            return Reason.SLOW_CLIENT
        answer = None
        if datagram.operation is Control.ERR or (datagram.operation is Control.ACK and not rings(datagram)):
            answer = self.record.delivery.receive(datagram)
            if answer is None and datagram.operation is Control.ACK:
                return Reason.STRANGER if self.state is State.IDLE else Reason.WRONG_NUMBER
        if isinstance(answer, Transmission):
            what = Input.ACK_OF_FIN if answer.operation is Control.FIN else Input.ACK
        elif answer is Hint.OTHER_NUMBER:
            what = Input.HINT
        elif datagram.type is Type.CHAT:
            what = Input.CHAT
        else:
            what = Input.BUSY_SYN if refusal and is_syn else _INPUTS[datagram.operation]
        done = answer if isinstance(answer, Transmission) else None
        if not self._input(what, Happening(now, datagram, done, refusal=refusal)):
            return Reason.STRANGER if self.state is State.IDLE else Reason.OUT_OF_PLACE
        self.record.heard = now
        return None

    def call(self, user: bytes, now: float) -> None:
        self.record.user = user
        self._person(Input.CALL, Happening(now))

    def adopt(self, user: bytes, begun: float, now: float) -> None:
        """A call goes on that began then, and about which our person has been asked already."""
        self.call(user, begun)
        self._asked, self._asked_since = int((now - begun) // constants.UNANSWERED_INTERVAL), begun

    def accept(self, user: bytes, now: float) -> None:
        self.record.user = user
        self._person(Input.ACCEPT, Happening(now))

    def quit(self, now: float) -> None:
        self._person(Input.QUIT, Happening(now))

    def say(self, message: int, text: str, now: float) -> None:
        """Our person says the message of that identity; raises `NotNowError`, or `ValueError` (spec 5.6)."""
        self._person(Input.SAY, Happening(now, words=(message, text)))

    def fail(self, why: str, now: float) -> bool:
        """The system says why no datagram gets to the peer; whether that ends a call (spec 4.10)."""
        return self._input(Input.UNREACHABLE, Happening(now, words=(0, why)))

    def handle_timer(self, now: float) -> None:
        """Does what is due. Early or repeated calls do nothing."""
        if self.state is State.PENDING and now >= self.record.refreshed + constants.REQUEST_LIFETIME:
            self._input(Input.EXPIRE, Happening(now))
        if lost := self.record.delivery.exhausted(now):
            self._input(Input.GIVE_UP_FIN if lost.operation is Control.FIN else Input.GIVE_UP, Happening(now))
        if (silent := self._silent_at()) is not None and now >= silent:
            self._input(Input.SILENT, Happening(now))
        self._ask(now)
        self.record.pump(now)

    def get_timer(self) -> float | None:
        """When `handle_timer` will next have something to do; changes nothing."""
        if self.state is State.PENDING:
            return self.record.refreshed + constants.REQUEST_LIFETIME
        repeat, other = self.record.delivery.get_timer(), self._next_question()
        if repeat is None:
            return self._silent_at() if other is None else other
        return repeat if other is None else min(repeat, other)

    def _silent_at(self) -> float | None:
        """When the partner has been silent for so long that something is done about it (spec 6.5)."""
        record = self.record
        if self.state is State.OPEN and not len(record.delivery):
            return max(record.heard, record.silence_told) + constants.SILENCE
        return None

    # -- how it decides

    def _input(self, what: Input, happening: Happening) -> bool:
        cell = TABLE[self.state].get(what)
        if cell is None:
            return False
        actions, then = cell
        for action in actions:
            action(self.record, happening)
        self.state = then
        self.record.pump(happening.now)
        return True

    def _person(self, what: Input, happening: Happening) -> None:
        if not self._input(what, happening):
            raise NotNowError(f"{what.value}: not possible now, {self.state.value}")

    # -- whether our person is asked to keep waiting (spec 6.4)

    def _waiting_since(self) -> float | None:
        """Since when our person has been waiting for an answer to a call or a message."""
        if self.state is State.OPEN:
            return self.record.delivery.waiting_since()
        return self.record.refreshed if self.state in (State.CALLING, State.RINGING) else None

    def _questions(self, since: float) -> int:
        """How often our person has been asked already about what is unanswered since then."""
        return self._asked if since == self._asked_since else 0

    def _next_question(self) -> float | None:
        since = self._waiting_since()
        return None if since is None else since + (self._questions(since) + 1) * constants.UNANSWERED_INTERVAL

    def _ask(self, now: float) -> None:
        since, question = self._waiting_since(), self._next_question()
        if since is None or question is None or now < question:
            return
        self._asked = max(self._questions(since) + 1, int((now - since) // constants.UNANSWERED_INTERVAL))
        self._asked_since = since
        if not self.record.delivery.exhausted(now + constants.RETRANSMISSION_INTERVAL):
            seconds = round(self._asked * constants.UNANSWERED_INTERVAL)
            self.record.outlet.append(Unanswered(self.record.peer, self.record.name, seconds))


def rings(ack: Datagram) -> bool:
    """Whether an ACK is the sign of a SYN that rings (spec 4.3)."""
    return ack.payload == constants.RINGING and ack.framing is Framing.HEADER


def answers_a_call(datagram: Datagram) -> bool:
    """Whether only a callee says that: a FIN or a plain ACK may belong to an earlier chat."""
    if datagram.operation is Control.ACK:
        return rings(datagram)
    return datagram.type is Type.CONTROL and datagram.operation in (Control.SYN_ACK, Control.ERR, Control.ERR_FIN)

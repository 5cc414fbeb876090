"""The tester: it plays the daemon at the other end, sees what comes back, and judges it.

Pure except for the `Wire` that it is given: the wire has the clock, the sockets and the person at the other side.
The helpers are lenient, so that a case fails for the one rule that it judges and not for another on the way to it.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from simp_proto.address import Address, format_address
from simp_proto.conformance.kinds import Matches, is_ack, is_fin, is_message, is_ringing, is_syn, is_syn_ack
from simp_proto.conformance.trace import Passage, RuleBrokenError, Trace
from simp_proto.conformance.wire import NotRunError, Request, Side, Wire
from simp_proto.constants import OFFER, RETRANSMISSION_INTERVAL, Chat, Control, Framing, Operation, Type
from simp_proto.datagram import Datagram, build, reading_order
from simp_proto.errors import SimpError
from simp_proto.toolkit.reading import Reading

NAME: Final = b"tester"  # the tester's user, in every datagram
PATIENCE: Final = 10.0  # seconds in which the effect of what the person did is seen
_EARLIEST: Final = RETRANSMISSION_INTERVAL - 0.5
_LATEST: Final = RETRANSMISSION_INTERVAL + 2.0
"""Seconds after which a repeat is on time (spec 6.2): it has a path, and a loop that looks now and then."""


class NotApplicableError(SimpError):
    """A rule doesn't apply to this daemon."""


@dataclass(frozen=True, slots=True)
class Received:
    """A datagram of the daemon that could be read."""

    time: float
    datagram: Datagram
    source: Address
    data: bytes


class Tester:
    """Plays the other daemon. `framing`: the one to speak throughout, as a foreign peer does that makes no offer."""

    def __init__(self, wire: Wire, framing: Framing | None = None) -> None:
        self.wire = wire
        self.foreign = framing in (Framing.BARE, Framing.TRAILER)
        """Whether the daemon has to take the tester for a foreign peer (spec 9.1)."""
        self.framing = framing
        """That of the conversation; `None` until the daemon has answered."""
        self._met_in = framing  # the framing that it spoke when they met, and that each case begins with
        self.only = frozenset(Framing)
        """The framings in which the case can be judged; `NotApplicableError` where the daemon goes on in another."""
        self.alive: bool | None = None
        """Whether the daemon acknowledged the last FIN; `None` for one that acknowledges no stranger's."""
        self.sealed: bool | None = None  # whether the daemon speaks SIMP/2, once that is known
        self.trace = Trace(wire)
        self.number = 0
        """The sequence number of the tester's next chat or FIN."""
        self._silent = True  # nothing that the tester said has been acknowledged yet
        self._taken: int | None = None  # the number of the first chat, where the daemon insists on one

    # -- one datagram

    def make(
        self,
        operation: Operation,
        number: int = 0,
        payload: bytes = b"",
        *,
        framing: Framing | None = None,
        user: bytes = NAME,
    ) -> bytes:
        """A datagram of the tester's, in the framing of the conversation if no other is given."""
        kind = Type.CHAT if isinstance(operation, Chat) else Type.CONTROL
        spoken = framing or self.framing or Framing.BARE
        if spoken is not Framing.BARE:
            number &= 1  # of an echo of a number that this framing has no room for (spec 2.3)
        return build(Datagram(kind, operation, number, user, payload, spoken))

    def send(self, data: bytes, side: Side = Side.TESTER) -> None:
        """Sends those bytes, whatever they are."""
        self.trace.send(data, side)

    def make_syn(self, user: bytes = NAME) -> bytes:
        """A SYN: with the offer, unless the tester plays a foreign peer (spec 4.2)."""
        return self.make(Control.SYN, 0, b"" if self.foreign else OFFER, user=user)

    def say_syn(self, side: Side = Side.TESTER) -> None:
        """Calls."""
        self.send(self.make_syn(), side)

    def ask(self, action: Request, text: str = "", side: Side = Side.TESTER, *, quiet: bool = False) -> None:
        """Has the person at the other side do that; raises `NotRunError` where that person can't.

        Whether there is a call to answer depends on the daemon that is judged: that one can't be answered is no
        reason to judge no further. `quiet`: nothing may come of it, if the daemon is right.
        """
        self.trace.add_note(f"is asked to {action.in_words(text)}", side)
        trouble = self.wire.ask(action, text, side, quiet=quiet)
        if trouble:
            self.trace.add_note(f"could not: {trouble}", side)
            if action not in (Request.ACCEPT, Request.DECLINE):
                raise NotRunError(trouble)

    def expect(
        self, expected: str, matches: Matches, *, within: float | None = None, side: Side = Side.TESTER
    ) -> Received:
        """The first datagram that matches; what comes before it is passed over. Raises `RuleBrokenError`."""
        start = len(self.trace)
        received = self.find(matches, within=within, side=side)
        if received is None:
            raise RuleBrokenError(expected, self.trace.seen(start))
        return received

    def find(
        self, matches: Matches | None = None, *, within: float | None = None, side: Side = Side.TESTER
    ) -> Received | None:
        """The same, or `None`; without `matches`, whatever comes first."""
        return next((each for each in self._incoming(within, side) if not matches or matches(each.datagram)), None)

    def collect(self, *, within: float | None = None, side: Side = Side.TESTER) -> list[Received]:
        """All that comes in that time."""
        return list(self._incoming(within, side))

    def expect_none(self, expected: str, matches: Matches, *, within: float | None = None) -> None:
        """Nothing that comes in that time may match. Raises `RuleBrokenError`."""
        self.judge(not any(matches(each.datagram) for each in self.collect(within=within)), expected)

    def silence(self, instead_of: str, *, within: float | None = None, side: Side = Side.TESTER) -> None:
        """Nothing may answer what was just sent. Chats are no answers: the person may send them at any time.

        Raises `RuleBrokenError`.
        """
        start = self.wire.now() if self.trace.spoken_at is None else self.trace.spoken_at
        answers = []
        for passage in self.trace.listen(side, within):
            received = self.read(passage)
            if received and is_message(received.datagram):
                self.send(self.make(Control.ACK, received.datagram.sequence), side)
            elif passage.time >= start:
                answers.append(passage)
        if answers:
            raise RuleBrokenError(instead_of, answers)

    def judge(self, kept: object, expected: str) -> None:
        """Raises `failure` unless the rule was kept."""
        if not kept:
            raise self.failure(expected)

    def failure(self, expected: str) -> RuleBrokenError:
        """A failure of which all that came since the case began is shown."""
        return RuleBrokenError(expected, self.trace.seen())

    def _incoming(self, within: float | None, side: Side) -> Iterator[Received]:
        return filter(None, map(self.read, self.trace.listen(side, within)))

    def read(self, passage: Passage) -> Received | None:
        """What passed, if the daemon said it and it can be read."""
        if passage.source is None or passage.data is None:
            return None
        datagram = Reading.of(passage.data, reading_order(self.framing)).datagram
        return Received(passage.time, datagram, passage.source, passage.data) if datagram else None

    def shown(self, within: float | None = None) -> list[str]:
        """The lines that the person's client has been told since this was last asked, once that time has passed."""
        self.trace.wait(self.wire.wait if within is None else within)
        lines = self.wire.shown()
        for time, line in lines:
            self.trace.add_line(time, line)
        return [line for _, line in lines]

    def begin(self) -> None:
        """Forgets what was said and heard before."""
        self.trace.clear()
        if Request.SEE in self.wire.actions:
            self.wire.shown()
        self.only = frozenset(Framing)

    def apply_to(self, *framings: Framing) -> None:
        """The case is about these framings alone: raises `NotApplicableError` now or later, where it is another."""
        self.only = frozenset(framings)
        self._speak(self.framing)

    def _speak(self, framing: Framing | None) -> None:
        """In that one from now on."""
        self.framing = framing
        if framing is not None and framing not in self.only:
            raise NotApplicableError(f"the daemon speaks {framing.value} with the tester")

    # -- conversations

    def first_number(self) -> int:
        """That of its first chat (spec 5.2, 9.8); or the one that the daemon took when it took no other."""
        usual = 0 if self.framing is Framing.TRAILER else 1
        return usual if self._taken is None else self._taken

    def meet(self) -> None:
        """Finds out what the daemon speaks: rings it, and takes the call back. `NotRunError` if nobody is there."""
        until = self.wire.now() + PATIENCE
        self.say_syn()
        answer = self.find(within=max(self.wire.wait, 1.0))
        while self.wire.refused and self.wire.restarts and self.wire.now() < until:  # it was started just now
            self.say_syn()
            answer = self.find(within=0.5)
        if self.wire.refused:
            raise NotRunError(f"nothing listens at {self._daemon}: start the daemon there, or give another HOST")
        if answer is None and Request.ACCEPT in self.wire.actions:  # one that rings in silence
            self.ask(Request.ACCEPT)
            answer = self.find(within=PATIENCE)
        if answer:
            self._check_welcome(answer.datagram)
            self.framing = self._met_in = self.framing or answer.datagram.framing
        if not self.part() and not answer:
            if self.wire.elsewhere:
                other = format_address(self.wire.elsewhere)
                raise NotRunError(f"{self._daemon} was asked, and {other} answered, against 1.4: ask that one instead")
            raise NotRunError(f"no SIMP daemon answered at {self._daemon}; 'simp probe' may say more")
        self._see_whether_fins_tell()

    @property
    def _daemon(self) -> str:
        return format_address(self.wire.daemon) if self.wire.daemon else "any address"

    def _check_welcome(self, answer: Datagram) -> None:
        """Raises `NotRunError` where nothing could be judged (spec 4.6, 9.8)."""
        if answer.operation not in (Control.ERR, Control.FIN, Control.ERR_FIN):
            return
        self.part()
        if answer.framing is Framing.TRAILER and self.framing is not Framing.TRAILER:
            raise NotRunError("the daemon speaks only trailer: restart it, and give --framing trailer")
        raise NotRunError(f"the daemon refuses calls, with {answer.operation.label} {answer.text!r}: is it in a chat?")

    def meet_caller(self) -> None:
        """The same where the daemon is to call the tester, and declines. Raises `NotRunError`."""
        try:
            self.be_called()
        except RuleBrokenError:
            raise NotRunError("no SIMP daemon has called") from None
        self._met_in = self.framing
        self.part()
        self._see_whether_fins_tell()

    def _see_whether_fins_tell(self) -> None:
        """Whether it acknowledges a FIN when nothing is going on (spec 3.2), so that this shows that it is alive."""
        self.alive = True if self.part() else None

    def restart(self) -> None:
        """Has the daemon restarted, and waits until it answers, if a FIN does it no harm."""
        self.ask(Request.RESTART)
        until = self.wire.now() + PATIENCE
        while self.alive is not None and self.wire.now() < until:
            self.send(self.make(Control.FIN))
            if self.find(within=0.5):
                return

    def call(self) -> Received:
        """Calls the daemon and has its person accept: the chat is on. The SYN+ACK."""
        accepted = self.be_accepted()
        self.send(self.make(Control.ACK, accepted.datagram.sequence))
        self._open(accepted)
        return accepted

    def be_accepted(self, syn: bytes | None = None, expected: str = "a SYN+ACK") -> Received:
        """The same, except for the ACK that the tester owes. `syn`: one that is sent instead of the usual one."""
        self.send(syn or self.make_syn())
        early = self.find(lambda each: is_ringing(each) or is_syn_ack(each), within=min(self.wire.wait, 0.5))
        self.ask(Request.ACCEPT)
        accepted = early if early and is_syn_ack(early.datagram) else self.expect(expected, is_syn_ack, within=PATIENCE)
        self._speak(accepted.datagram.framing)
        self.number = self.first_number()
        return accepted

    def be_called(self, side: Side = Side.TESTER) -> Received:
        """Has the person call the tester. The SYN, whose framing, or offer, is from then on the conversation's."""
        self.ask(Request.CALL, side=side)
        syn = self.expect("a SYN", is_syn, within=PATIENCE, side=side)
        if not self.foreign:
            offered = syn.datagram.payload.startswith(OFFER)
            self._speak(Framing.HEADER if offered else syn.datagram.framing)
        return syn

    def answer_call(self) -> Received:
        """Is called, and accepts: the chat is on. What acknowledged the SYN+ACK."""
        syn = self.be_called()
        number = syn.datagram.sequence ^ (self.framing is Framing.TRAILER)  # spec 9.8
        acknowledged = self.accept(number)
        self.number = self.first_number()
        return acknowledged

    def accept(
        self,
        number: int,
        expected: str = "the ACK of the SYN+ACK",
        *,
        payload: bytes = b"",
        framing: Framing | None = None,
    ) -> Received:
        """Says SYN+ACK. What acknowledges it: an ACK, or a chat, which counts as one (spec 4.1)."""
        self.send(self.make(Control.SYN_ACK, number, payload, framing=framing))
        return self.expect(expected, lambda datagram: is_ack(datagram) or is_message(datagram))

    def _open(self, accepted: Received) -> None:
        """Some accept by a chat, after a SYN+ACK that came by itself (spec 9.7): it is acknowledged here."""
        if accepted.datagram.framing is not Framing.HEADER:
            for received in self.collect(within=min(self.wire.wait, 0.3)):
                if is_message(received.datagram):
                    self.acknowledge(received)

    def chat(self, payload: bytes, number: int | None = None, user: bytes = NAME) -> bytes:
        """A chat of the tester's, with its next number."""
        return self.make(Chat.MESSAGE, self.number if number is None else number, payload, user=user)

    def say(self, payload: bytes, what: str = "the chat", user: bytes = NAME) -> Received:
        """Says something that must be acknowledged; where it isn't, the number may be at fault. The ACK."""
        # What was acknowledged before, perhaps twice, is no answer to what comes now.
        self.trace.forget(Side.TESTER, lambda passage: bool((read := self.read(passage)) and is_ack(read.datagram)))
        start, first = len(self.trace), self.number
        for number in (first, 1 - first):
            self.send(self.chat(payload, number, user))
            acknowledged = self.find(is_ack)
            if acknowledged:
                if self._silent and number != first:
                    self._taken = number
                self._silent = False
                self.number = 1 - number
                return acknowledged
        told = f"an ACK of {what}, numbered {first}, or {1 - first} when that was ignored"
        raise RuleBrokenError(told, self.trace.seen(start))

    def hear(self, text: str) -> Received:
        """Has the person say that. The chat, which is not acknowledged yet.

        Some clients let their person speak only in turn: the tester then speaks first.
        """
        try:
            self.ask(Request.TYPE, text)
        except NotRunError:
            self.say(b"your turn")
            self.ask(Request.TYPE, text)
        expected = f"a chat with {text!r}" if len(text) < 40 else "a chat"
        return self.expect(expected, is_message, within=PATIENCE)

    def acknowledge(self, received: Received, side: Side = Side.TESTER) -> None:
        """The ACK that the daemon expects of what it sent."""
        self.send(self.make(Control.ACK, received.datagram.sequence), side)

    def expect_again(self, expected: str, first: Received, matches: Matches, nth: str = "second") -> Received:
        """The `nth` one, 5 s after that: not sooner, and not much later (spec 6.2)."""
        start = len(self.trace)
        due = first.time + _LATEST
        again = self.find(matches, within=due - self.wire.now())
        if again is None or again.time < first.time + _EARLIEST:
            told = f"{expected} again, a {nth} time, {RETRANSMISSION_INTERVAL:g} s after the one before"
            raise RuleBrokenError(told, self.trace.seen(start))
        return again

    # -- between two cases

    def part(self) -> bool:
        """Ends what is going on, acknowledges what the daemon still says, and sees whether it is alive.

        Whether it acknowledged the tester's FIN.
        """
        parted = self._leave(Side.TESTER, self.number)
        for side in (Side.STRANGER, Side.DOUBLE, Side.UNKNOWN):
            if side in self.trace.busy:
                self._leave(side)
        self.number, self._silent = 0, True
        self.trace.busy.clear()
        self.framing = self._met_in or self.framing
        if self.alive and not parted:  # a network may lose two FINs
            parted = self._leave(Side.TESTER)
        if self.alive is not None or self.wire.refused:
            self.alive = parted
        return parted

    def take_leave(self) -> None:
        """The same where a run ends in the midst of a case: nobody is left in a chat with a tester that is gone."""
        with suppress(NotRunError, RuleBrokenError):
            self.part()

    def _leave(self, side: Side, first: int = 0) -> bool:
        for number in (first, 1 - first):  # some take no other than the one they expect
            self.send(self.make(Control.FIN, number), side)
            if self._parting(self.wire.wait, side, until_acknowledged=True):
                self._parting(min(self.wire.wait, 0.3), side)
                return True
        return False

    def _parting(self, within: float, side: Side, *, until_acknowledged: bool = False) -> bool:
        """Acknowledges FINs; whether the tester's own was acknowledged."""
        acknowledged = False
        for received in self._incoming(within, side):
            if is_fin(received.datagram):
                self.acknowledge(received, side)
            acknowledged = acknowledged or is_ack(received.datagram)
            if acknowledged and until_acknowledged and not self.trace.waits(side):
                break
        return acknowledged

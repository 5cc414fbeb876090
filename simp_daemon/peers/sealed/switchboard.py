"""Which call of SIMP/2 a datagram is for, which input it is there, and what strangers may cost (simp2 4, 8).

What comes of it is in `Own.outlet`, in order. Where a session is on, `Established` comes before the `Send` of CONFIRM,
so that what that rests on is committed in between; the STATE in it is that of the ledger as it is at this moment.
Records aren't for this, nor is the allowance of S1 8.2 to be asked before it: it asks the same `Strangers`.
"""

from typing import Final

from simp_daemon.events import Ignored, Reason
from simp_daemon.peers.sealed.call import Call, Own, State
from simp_daemon.peers.sealed.call_actions import Happening
from simp_daemon.peers.sealed.call_states import Input
from simp_daemon.peers.sealed.calls import CALLED, CALLING, ENDED, Calls
from simp_daemon.peers.sealed.cookies import Cookies
from simp_daemon.peers.sealed.pins import Pin
from simp_daemon.peers.session import rings
from simp_daemon.peers.strangers import Strangers, displaced_by
from simp_proto import constants
from simp_proto.address import Address, format_address
from simp_proto.constants import Control, Framing, Type
from simp_proto.datagram import Datagram
from simp_proto.errors import LowOrderError, NotNowError, SealedError
from simp_proto.sealed.offer import Offer, tag_of
from simp_proto.sealed.payloads import Answer, Challenge, Confirm, Payload, Record, Ringing, offered, read_payload

_ANSWERS: Final = (Control.SYN, Control.SYN_ACK, Control.FIN, Control.FIN_ACK, Control.ERR, Control.ERR_FIN)
"""What SIMP/1 answers a SYN by, besides the ACK that rings."""
_ENDS: Final = (Control.ACK, Control.FIN_ACK, Control.SYN, Control.FIN, Control.ERR_FIN)
"""After which the FIN of a call that was taken back isn't repeated, as in SIMP/1."""
_UNSHOWN: Final = (Input.SYN_OF_OPEN, Input.SYN_OF_CLOSED)
"""SYNs that are answered without our person."""
_ACKNOWLEDGE_NOTHING: Final = (constants.RINGING, constants.PRESENCE_QUESTION, constants.PRESENCE_ANSWER)
"""What ACKs may say that are about something else (S1 4.3, 4.12)."""


class Switchboard:
    """Pure: `now` is in seconds on any clock that never goes back. Call `handle_timer` at `get_timer`."""

    def __init__(self, own: Own, strangers: Strangers) -> None:
        self._own = own
        self._cookies = Cookies(own.pins, strangers, own.random)
        self._calls = Calls(own)
        self.handle_timer, self.get_timer = self._calls.handle_timer, self._calls.get_timer

    # -- the network

    def receive(self, datagram: Datagram, peer: Address, now: float, here: str | None = None) -> bool:
        """Takes a datagram that is SIMP/2's, or in the way of a call of SIMP/2; whether it did, or SIMP/1's sessions
        and sealed ones are to. Nothing in it makes this raise.
        """
        try:
            offer, payload = offered(datagram), read_payload(datagram)
        except SealedError as error:
            self._own.outlet.append(Ignored(peer, Reason.MALFORMED, str(error)))
            return True
        if isinstance(payload, Record):
            return False
        if offer is not None:
            ignored = self._read_syn(peer, datagram.user, offer, here, now)
        elif payload is not None:
            ignored = self._read_tagged(payload, datagram.operation is Control.FIN, peer, here, now)
        else:
            return self._read_clear(datagram, peer, now)
        if ignored:
            self._own.outlet.append(Ignored(peer, ignored))
        return True

    def turns_away(self, data: bytes, peer: Address, now: float) -> bool:
        """Whether a datagram of SIMP/2 is ignored, before it is parsed, since strangers have had their share."""
        return self._cookies.turns_away(data, peer, now, self._calls.goes_on)

    def fail(self, peer: Address, why: str, now: float) -> bool:
        """The system says why no datagram gets to a peer; whether that ends a call of ours (S1 4.10)."""
        calls = [call for call in self._calls.all(State.CALLING) if call.peer == peer and not call.quiet]
        return bool(calls) and not self._calls.input(calls[0], Input.UNREACHABLE, Happening(now, why=why))

    # -- our person, and sessions

    def call(self, peer: Address, now: float, contact: bytes | None = None, *, header: bool = False) -> None:
        """Calls whoever is there, or that contact, or accepts its request; raises `NotNowError`.

        `header`: the peer is known to speak that.
        """
        pin = self._own.pins.get(contact) if contact else self._own.pins.at(peer)
        if pin and pin.barred:
            raise NotNowError(pin.barred)
        for call in self._calls.between(peer, pin):
            if call.state is State.REQUESTED:
                self._calls.accept(call, now)
                return
            if call.state is State.ACCEPTING and not call.closes:  # as the conversation is open: it is under way
                return
            if call.state in CALLING and not call.quiet:
                raise NotNowError(f"a call between you and {call.name or format_address(peer)} is going on")
        for call in self._calls.between(peer, pin):
            if call.state in CALLING:
                self._calls.input(call, Input.SUPERSEDED, Happening(now))
            if call.in_the_clear:  # its FIN would end this one
                self._calls.input(call, Input.CALL, Happening(now))
        self._calls.dial(peer, pin, now, quiet=False, header=header)

    def resume(self, contact: bytes, now: float) -> None:
        """Calls a contact quietly, where it may be, if the conversation is open (simp2 4.7)."""
        self._calls.resume(contact, now)

    def accept(self, peer: Address, now: float) -> None:
        """Accepts the request from there; raises `NotNowError`."""
        self._calls.accept(self._calls.one(peer, State.REQUESTED), now)

    def quit(self, peer: Address, now: float) -> None:
        """Cancels the call to that peer, or declines its own; raises `NotNowError`."""
        self._calls.input(self._calls.one(peer, *CALLING, *CALLED), Input.QUIT, Happening(now))

    def decline(self, peer: Address, now: float) -> None:
        """Declines the request from there, and nothing else that is going on; raises `NotNowError`."""
        self._calls.input(self._calls.one(peer, State.REQUESTED), Input.QUIT, Happening(now))

    def confirmed(self, tag: bytes, now: float) -> float | None:
        """The first record of that session has come; the CONFIRM's round trip in seconds, unless that is in doubt."""
        call = self._calls.get(tag)
        if call is None or call.state is not State.CONFIRMING:
            return None
        round_trip = call.round_trip(now)
        self._calls.input(call, Input.RECORD, Happening(now))
        return round_trip

    @property
    def idle(self) -> bool:
        """Whether no call is going on."""
        return not self._calls.all(*CALLING, *CALLED, State.ENDING)

    def cancel(self, peer: Address | None, pin: Pin | None, now: float) -> None:
        """Cancels and declines every call with that peer, or that contact; also quiet ones."""
        for call in self._calls.all(*CALLING, *CALLED):
            if call.peer == peer or (pin and call.expected is pin):
                self._calls.input(call, Input.QUIT, Happening(now))

    def shutdown(self, now: float) -> None:
        """Cancels and declines everything."""
        for call in self._calls.all(*CALLING, *CALLED):
            self._calls.input(call, Input.QUIT, Happening(now))

    def has(self, peer: Address, *also: State) -> bool:
        """Whether a call of our person's to that peer, or a request of its, is going on, or is in another state."""
        calls = self._calls.all(*CALLING, *CALLED, *also)
        return any(call.peer == peer and not (call.quiet or call.closes) for call in calls)

    def concerns(self, peer: Address) -> bool:
        """Whether a datagram of that peer may be an answer to a call, whatever it looks like."""
        return any(call.peer == peer for call in self._calls.all(*CALLING, State.ENDING))

    def unanswered(self, peer: Address) -> list[Call]:
        """Our calls to no contact that nothing has answered, and of which a datagram of that stranger may be one."""
        return [] if self.concerns(peer) else [call for call in self._calls.all(State.CALLING) if not call.expected]

    @property
    def requests(self) -> list[tuple[Address, str]]:
        """Who waits to be answered, by address and name, oldest first."""
        return [(call.peer, call.name) for call in self._calls.all(State.REQUESTED)]

    # -- SYNs (simp2 4.1)

    def _read_syn(self, peer: Address, user: bytes, offer: Offer, here: str | None, now: float) -> Reason | None:
        known = self._calls.get(tag_of(offer.e))
        if known is not None:
            if known.peer != peer or known.ephemeral is not None:
                return Reason.OUT_OF_PLACE
            if known.state in ENDED and not self._cookies.admits(peer, user, offer, now):
                return Reason.RATE
            known.here = here
            return self._calls.input(known, Input.SYN, Happening(now))
        good = self._cookies.knows(peer, offer, now)
        if not (good or self._cookies.admits(peer, user, offer, now)):
            return Reason.RATE
        new = Call(self._own, peer, user, offer, None, now)
        new.here = here
        if not good:
            return self._calls.input(new, Input.STRANGE_SYN, Happening(now, self._cookies.cookie(peer, offer, now)))
        new.expected = pin = self._own.pins.prover(user, offer)
        if pin and pin.barred:
            return Reason.BARRED
        before = [call for call in self._calls.between(peer, pin) if call.state in CALLED]
        if any(call.expected and call.expected is not pin for call in before):
            return Reason.OUT_OF_PLACE
        return self._read_first_syn(new, before, now)

    def _read_first_syn(self, new: Call, before: list[Call], now: float) -> Reason | None:
        """It has a good cookie. It takes the place of what came `before` from the same peer or contact."""
        pin, message = new.expected, b""
        crossed = [each for each in self._calls.between(new.peer, pin) if each.state in CALLING]
        crossed = [each for each in crossed if each.expected in (None, pin)]
        reach = [call for call in crossed if call.peer == new.peer or call.state is not State.CALLING]
        first = min(reach, key=lambda call: call.offer.e, default=new)
        if first.offer.e < new.offer.e:
            self._calls.input(first, Input.HIGHER_SYN, Happening(now))
            return Reason.CROSSED
        if crossed:
            what = Input.CROSSING_SYN
        elif pin and pin.open and (pin.taken or new.offer.quiet):
            what, new.opened = Input.SYN_OF_OPEN, any(call.opened for call in before)
        elif new.offer.quiet and pin:
            if any(call.state is State.REQUESTED for call in before):
                return Reason.OUT_OF_PLACE
            what = Input.SYN_OF_CLOSED
        elif new.offer.quiet:
            return self._calls.input(new, Input.QUIET_SYN, Happening(now))
        else:
            if not self._has_room(new, before, now):
                return Reason.CROWDED
            shown = any(call.state is State.REQUESTED and new.repeats(call) for call in before)
            what = Input.REPEATED_SYN if shown else Input.RINGING_SYN
        if what in (Input.CROSSING_SYN, *_UNSHOWN):
            try:
                message = new.write_answer()
            except LowOrderError:
                return Reason.MALFORMED
        for call in before:
            silent = new.repeats(call) if call.state is State.REQUESTED else what in _UNSHOWN
            self._calls.input(call, Input.REPEATED if silent else Input.REPLACED, Happening(now))
        for call in crossed:
            self._calls.input(call, Input.LOWER_SYN, Happening(now))
        return self._calls.input(new, what, Happening(now, message))

    def _has_room(self, new: Call, before: list[Call], now: float) -> bool:
        """Whether the request can wait, in the place of another's if need be (simp2 8.3)."""
        others = [call for call in self._calls.all(State.REQUESTED) if call not in before]
        others = [call for call in others if (call.expected is None) == (new.expected is None)]
        if new.expected is not None:
            return len(others) < constants.PENDING_REQUESTS
        displaced = displaced_by(new.peer, [call.peer for call in others], ())
        for call in others:
            if call.peer == displaced:
                self._calls.input(call, Input.CROWDED, Happening(now))
        return displaced != new.peer

    # -- all else

    def _read_tagged(self, payload: Payload, fin: bool, peer: Address, here: str | None, now: float) -> Reason | None:
        assert not isinstance(payload, Record)
        call = self._calls.get(payload.tag)
        if call is None or call.peer != peer:
            return Reason.STRANGER
        call.here = here
        match payload:
            case Challenge(cookie=cookie) if cookie != call.offer.cookie:
                return self._calls.input(call, Input.CHALLENGE, Happening(now, cookie))
            case Ringing() if not call.quiet:
                return self._calls.input(call, Input.RINGS, Happening(now))
            case Answer(message=message) if call.state in CALLING:
                return self._read_noise(call, message, Input.ANSWER, Input.OTHER_KEY, now)
            case Answer(message=message) if message == call.answer:
                return self._calls.input(call, Input.ANSWER_AGAIN, Happening(now))
            case Confirm(message=message) if call.state is State.ACCEPTING:
                return self._read_noise(call, message, Input.CONFIRM, None, now)
            case Challenge() | Ringing() | Answer() | Confirm():
                return Reason.OUT_OF_PLACE
            case _:
                return self._calls.input(call, Input.OVER if fin else Input.ACK_OF_OVER, Happening(now))

    def _read_noise(self, call: Call, message: bytes, right: Input, other: Input | None, now: float) -> Reason | None:
        if not call.may_read(now):
            return Reason.RATE
        read = call.read(message)
        if read is None:
            return Reason.FORGED
        if call.is_right(read):
            return self._calls.input(call, right, Happening(now, read=read))
        if other:
            self._calls.input(call, other, Happening(now, read=read))
        return Reason.WRONG_KEY

    def _read_clear(self, datagram: Datagram, peer: Address, now: float) -> bool:
        """Something of SIMP/1: the first answer to a call decides which protocol it is (simp2 3.3, 4.4)."""
        if datagram.type is not Type.CONTROL:
            return False
        for call in self._calls.all(*CALLING):
            if call.peer != peer or not (rings(datagram) or datagram.operation in _ANSWERS):
                continue
            if call.expected is None and call.state is State.CALLING:
                self._calls.input(call, Input.CLEAR, Happening(now))
                return False
            if datagram.operation is Control.SYN:
                return False  # a call of its own
            if call.expected:
                self._calls.input(call, Input.CLEAR_TO_CONTACT, Happening(now))
            self._own.outlet.append(Ignored(peer, Reason.UNSEALED))
            return True
        for call in self._calls.all(State.ENDING):
            if call.peer == peer and call.in_the_clear and datagram.operation in _ENDS:
                other = call.framing is Framing.HEADER and datagram.sequence  # that of a chat before (S1 5.1)
                if datagram.operation is Control.ACK and (other or datagram.payload in _ACKNOWLEDGE_NOTHING):
                    return False
                self._calls.input(call, Input.ACK_OF_OVER, Happening(now))
                return datagram.operation in (Control.ACK, Control.FIN_ACK)
        return False

"""All calls of SIMP/2 of one daemon: which there are, and what happens to them, by `call_states.TABLE` (simp2 4)."""

from typing import Final

from simp_daemon.events import Reason
from simp_daemon.peers.sealed.call import Call, Own, State
from simp_daemon.peers.sealed.call_actions import Happening
from simp_daemon.peers.sealed.call_states import TABLE, Input
from simp_daemon.peers.sealed.pins import Pin
from simp_daemon.peers.timers import Timers
from simp_proto.address import Address, format_address
from simp_proto.constants import KEY_SIZE, Framing
from simp_proto.errors import LowOrderError, NotNowError
from simp_proto.noise import KeyPair
from simp_proto.printable import NOBODY
from simp_proto.sealed.offer import COOKIE_SIZE, PROOF_SIZE, Offer

OVER_CALLS: Final = 64
"""Calls that are remembered when they are over (simp2 4.1)."""
CALLING: Final = (State.CALLING, State.PROVING, State.RINGING)
CALLED: Final = (State.REQUESTED, State.ACCEPTING)
ENDED: Final = (State.ENDING, State.OVER)


class Calls:
    """Pure: `now` is in seconds on any clock that never goes back."""

    def __init__(self, own: Own) -> None:
        self._own = own
        self._calls: dict[bytes, Call] = {}  # by their tags, oldest first
        self._over: dict[bytes, None] = {}  # those that have ended, longest ago first
        self._timers: Timers[bytes] = Timers()

    def get(self, tag: bytes) -> Call | None:
        """The one of that tag, if it is on or remembered."""
        return self._calls.get(tag)

    def goes_on(self, tag: bytes) -> bool:
        """Whether one of that tag is on."""
        call = self._calls.get(tag)
        return call is not None and call.state not in ENDED

    def all(self, *states: State) -> list[Call]:
        """Those in one of these states, oldest first."""
        return [call for call in self._calls.values() if call.state in states]

    def one(self, peer: Address, *states: State) -> Call:
        """The oldest with that peer in one of these states; raises `NotNowError`."""
        for call in self.all(*states):
            if call.peer == peer:
                return call
        raise NotNowError(f"there is no call or request with {format_address(peer)}")

    def between(self, peer: Address, pin: Pin | None) -> list[Call]:
        """Those with that contact, or at that address."""
        return [call for call in self._calls.values() if call.peer == peer or (pin and call.expected is pin)]

    def dial(self, peer: Address, pin: Pin | None, now: float, *, quiet: bool, header: bool) -> None:
        """A new call of ours, to a contact or to whoever is there."""
        ephemeral = KeyPair(self._own.random(KEY_SIZE))
        offer = Offer(bytes((quiet,)) + ephemeral.public, self._own.random(COOKIE_SIZE + PROOF_SIZE))
        framing = Framing.HEADER if header or pin else Framing.BARE
        user = NOBODY.encode("ascii") if quiet and self._own.hides else self._own.user()
        call = Call(self._own, peer, user, offer, pin, now, ephemeral, framing)
        self.input(call, Input.CALL, Happening(now))

    def resume(self, contact: bytes, now: float) -> None:
        """Calls a contact quietly, where it was reached last and where it announces itself, if the conversation is open
        (simp2 4.7).
        """
        pin = self._own.pins.get(contact)
        if pin is None or not pin.open or pin.barred:
            return
        going = self.all(*CALLING, State.ACCEPTING)
        if any(call.expected is pin and not call.quiet for call in going):
            return
        places = dict.fromkeys(filter(None, (pin.address, pin.found)))
        for call in going:
            if call.expected is pin and call.peer not in places:
                self.input(call, Input.SUPERSEDED, Happening(now))
        for peer in places:
            if not any(call.peer == peer for call in going):
                self.dial(peer, pin, now, quiet=True, header=True)

    def accept(self, call: Call, now: float) -> None:
        """Our person accepts the peer's call."""
        try:
            message = call.write_answer()
        except LowOrderError:
            self.input(call, Input.ACCEPT_NOTHING, Happening(now))
        else:
            self.input(call, Input.ACCEPT, Happening(now, message))

    def input(self, call: Call, what: Input, happening: Happening) -> Reason | None:
        """Does what the table says of that; why it was ignored, if it was."""
        cell = TABLE[call.state].get(what)
        if cell is None:
            return Reason.OUT_OF_PLACE
        actions, then = cell
        for action in actions:
            action(call, happening)
        call.state = then
        self._file(call, happening.now)
        if what in (Input.ANSWER, Input.CONFIRM):
            for other in self.between(call.peer, call.expected):
                if other is not call and other.expected in (None, call.expected):
                    self.input(other, Input.SUPERSEDED, happening)
        while self._own.missed:
            self.resume(self._own.missed.pop().key, happening.now)
        return None

    def handle_timer(self, now: float) -> None:
        """Does what is due. Early or repeated calls do nothing."""
        for tag in self._timers.due(now):
            call = self._calls[tag]
            clocks = (call.expires, Input.EXPIRE), (call.doubted, Input.DOUBT), (call.missed, Input.GONE)
            for at, what in clocks:
                if at is not None and now >= at:
                    self.input(call, what, Happening(now))
            if call.exhausted(now):
                self.input(call, Input.LAST_TRY, Happening(now))
            call.ask(now)
            call.pump(now)
            self._timers.set(tag, call.get_timer())

    def get_timer(self) -> float | None:
        """When `handle_timer` will next have something to do; changes nothing."""
        return self._timers.first()

    def _file(self, call: Call, now: float) -> None:
        """Puts a call to which something has happened where its state belongs, and sends what is due."""
        if call.state in (State.IDLE, State.OVER):
            call.rest()
        call.pump(now)
        self._timers.set(call.tag, call.get_timer())
        if call.state is State.IDLE:
            self._calls.pop(call.tag, None)
            return
        self._calls[call.tag] = call
        if call.state in ENDED:
            self._over.setdefault(call.tag)
            if len(self._over) > OVER_CALLS:
                oldest = next(iter(self._over))
                del self._over[oldest]
                self._calls.pop(oldest).rest()
                self._timers.set(oldest, None)

"""The tester's wire in virtual time: a real `Endpoint` at its end, and a fault between the two.

A fault sees what comes in and goes out, and may change, drop or add datagrams, so that one rule is broken.
"""

import heapq
from collections.abc import Iterable
from itertools import count

from simp_daemon.peers.states import State
from simp_proto.address import Address
from simp_proto.conformance.wire import Request, Side
from simp_proto.constants import Framing
from tests.driven import Endpoint

DAEMON = ("192.0.2.1", 7777)
SIDES = {
    Side.TESTER: ("192.0.2.2", 7777),
    Side.STRANGER: ("192.0.2.3", 7777),
    Side.UNKNOWN: ("192.0.2.4", 7777),
}
LATENCY = 0.001


class Fault:
    """None at all: what comes in and goes out is passed on as it is."""

    def __init__(self) -> None:
        self.endpoint = Endpoint()
        self.now = 0.0
        self.timer: float | None = None

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        """What the daemon gets instead."""
        return [data]

    def answers(self, data: bytes, side: Side) -> Iterable[bytes]:
        """What is answered before the daemon answers."""
        return []

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        """What the tester gets instead."""
        return [data]

    def acted(self, action: Request, text: str) -> Iterable[bytes]:
        """What is sent to the tester before the daemon does what its person asked for."""
        return []

    def expired(self) -> Iterable[bytes]:
        """What is sent to the tester when the timer, which is off then, was due."""
        return []

    def port(self) -> int:
        """Where everything comes from."""
        return DAEMON[1]

    def state(self, side: Side = Side.TESTER) -> State:
        """Of the daemon's conversation with that side."""
        session = self.endpoint._sessions.get(SIDES[side])
        return session.state if session else State.IDLE


class SimulatedWire:
    """A daemon of ours whose person does what is asked at once."""

    wait = 1.0
    restarts = False
    refused = False

    def __init__(self, fault: Fault | None = None, framing: Framing | None = None) -> None:
        self.daemon: Address | None = DAEMON
        self.actions = frozenset(Request)
        self.fault = fault or Fault()
        self._framing = framing
        self._time = 0.0
        self._arriving: list[tuple[float, int, Side, Address, bytes]] = []
        self._order = count()
        self._said = 0
        self._start()

    def _start(self) -> None:
        self.endpoint = self.fault.endpoint = Endpoint(self._framing)
        self.endpoint.user = "bob"

    def now(self) -> float:
        return self._time

    def send(self, side: Side, data: bytes) -> None:
        for answer in self.fault.answers(data, side):
            self._deliver(answer, side)
        for each in self.fault.incoming(data, side):
            self.endpoint.receive(each, SIDES[side], self._time)
        self._settle()

    def receive(self, until: float) -> tuple[float, Side, Address, bytes] | None:
        while True:
            timers = [until]
            timers += [each for each in (self.endpoint.get_timer(), self.fault.timer) if each is not None]
            if self._arriving and self._arriving[0][0] <= min(timers):
                at, _, side, source, data = heapq.heappop(self._arriving)
                self._move(at)
                return at, side, source, data
            self._move(min(timers))
            if self._time >= until:
                return None
            if self.fault.timer is not None and self.fault.timer <= self._time:
                self.fault.timer = None
                for each in self.fault.expired():
                    self._deliver(each, Side.TESTER)
            self.endpoint.handle_timer(self._time)
            self._settle()

    def ask(self, action: Request, text: str, side: Side, *, quiet: bool) -> str:
        for each in self.fault.acted(action, text):
            self._deliver(each, Side.TESTER)
        ringing = [request.peer for request in self.endpoint.requests][-1:]
        match action:
            case Request.ACCEPT:
                for peer in ringing:
                    self.endpoint.accept(peer, self._time)
            case Request.DECLINE:
                for peer in ringing:
                    self.endpoint.quit(peer, self._time)
            case Request.TYPE:
                self._said += 1
                self.endpoint.say_to_partner(self._said, text, self._time)
            case Request.LEAVE:
                assert self.endpoint.current is not None
                self.endpoint.quit(self.endpoint.current.peer, self._time)
            case Request.CALL:
                self.endpoint.call(SIDES[side], self._time)
            case Request.RESTART:
                self._start()
        self._settle()
        return ""

    def _settle(self) -> None:
        while self.endpoint.next_event():
            pass
        sides = {address: side for side, address in SIDES.items()}
        for data, destination in self.endpoint.datagrams_to_send():
            for each in self.fault.outgoing(data, sides[destination]):
                self._deliver(each, sides[destination])

    def _deliver(self, data: bytes, side: Side) -> None:
        source = (DAEMON[0], self.fault.port())
        heapq.heappush(self._arriving, (self._time + LATENCY, next(self._order), side, source, data))

    def _move(self, time: float) -> None:
        self._time = self.fault.now = max(self._time, time)

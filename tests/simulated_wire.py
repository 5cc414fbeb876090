"""The tester's wire in virtual time: a real `Core` at its end, and between the two the rules of a fault, if any."""

import heapq
from collections.abc import Sequence
from itertools import count
from random import Random

from simp_daemon.contacts import Change
from simp_daemon.effects import Close, Commit, Send, Write
from simp_daemon.occurrences import ClientClosed, ClientConnected, ClientSaid, DatagramReceived, Occurrence, TimerFired
from simp_daemon.peers.busy import OneChat
from simp_daemon.peers.endpoint import Endpoint
from simp_daemon.peers.states import State
from simp_proto.address import Address, format_address
from simp_proto.conformance.wire import Request, Side
from simp_proto.constants import Framing
from simp_proto.text import Line, Word, format_line
from tests.driven import Core
from tests.faulty import Passage, Routed, Rule, Way, read

DAEMON = ("192.0.2.1", 7777)
SIDES = {
    Side.TESTER: ("192.0.2.2", 7777),
    Side.STRANGER: ("192.0.2.3", 7777),
    Side.DOUBLE: ("192.0.2.2", 40_000),
    Side.UNKNOWN: ("192.0.2.4", 7777),
}
LATENCY = 0.001
CLIENT = "the client"


class SimulatedWire:
    """A daemon of ours whose person immediately does what is asked."""

    wait = 1.0
    restarts = False
    refused = False
    afar = True
    elsewhere: Address | None = None

    def __init__(self, *rules: Rule, framing: Framing | None = None) -> None:
        self.daemon: Address | None = DAEMON
        self.actions = frozenset(Request)
        self.rules = rules
        self._framing = framing
        self._time = 0.0
        self._arriving: list[tuple[float, int, Side, Address, bytes]] = []
        self._late: dict[Rule, tuple[float, Passage]] = {}  # each rule's answer that is to come
        self._latest: Passage | None = None
        self._order = count()
        self._random = Random(1)
        self.sides = dict(SIDES)
        self._start()

    def _start(self) -> None:
        self.core = self._make_core()
        self.endpoint = self.core.endpoint
        self._told: list[tuple[float, str]] = []
        self._answers: dict[object, bytes] = {}
        self._closed: set[object] = set()
        self._handle(ClientConnected(CLIENT, local=True))
        self._write(b"CONNECT|bob\n")

    def _make_core(self) -> Core:
        return Core(DAEMON, self._framing)

    def _write(self, line: bytes) -> None:
        self._handle(ClientSaid(CLIENT, line))

    def state(self, side: Side) -> State:
        """Of the daemon's conversation with that side."""
        assert isinstance(self.endpoint, Endpoint)
        session = self.endpoint._sessions.by_address.get(self.sides[side])
        return session.state if session else State.IDLE

    # -- what a `Wire` does

    def now(self) -> float:
        return self._time

    def chance(self, size: int) -> bytes:
        return self._random.randbytes(size)

    def send(self, side: Side, data: bytes) -> None:
        for each in self._pass(self._met(Way.HEARD, side, data)):
            self._handle(DatagramReceived(each.data, self.sides[each.side]))

    def receive(self, until: float) -> tuple[float, Side, Address, bytes] | None:
        while True:
            timers = [until, *(due for due, _ in self._late.values())]
            timer = self.core.get_timer()
            next_one = min(timers if timer is None else [*timers, timer])
            if self._arriving and self._arriving[0][0] <= next_one:
                at, _, side, source, data = heapq.heappop(self._arriving)
                self._time = max(self._time, at)
                return at, side, source, data
            self._time = max(self._time, next_one)
            if self._time >= until:
                return None
            self._answer_late()
            self._handle(TimerFired())

    def ask(self, action: Request, text: str, side: Side, *, quiet: bool) -> str:
        self._pass(self._met(Way.ASKED, Side.TESTER, operation=action, text=text))
        before = len(self._told)
        self._act(action, text, side)
        errors = [line for _, line in self._told[before:] if line.startswith("ERROR|")]
        return errors[0] if errors and action is not Request.RESTART else ""

    def shown(self) -> list[tuple[float, str]]:
        told, self._told = self._told, []
        return told

    def converse(self, said: Sequence[bytes], within: float, *, afar: bool = False) -> list[tuple[bytes, bool]]:
        others = [next(self._order) for _ in said]
        for other, data in zip(others, said, strict=True):
            self._handle(ClientConnected(other, local=not afar))
            self._handle(ClientSaid(other, b"".join(self._shown(Way.SPOKEN, data))))
        until = self._time + within
        while (timer := self.core.get_timer()) is not None and timer <= until:
            self._time = max(self._time, timer)
            self._handle(TimerFired())
        self._time = until
        for other in others:
            self._handle(ClientClosed(other))
        return [(self._answers.pop(other, b""), other in self._closed) for other in others]

    def _act(self, action: Request, text: str, side: Side) -> None:
        ringing = [peer for peer, _ in self.endpoint.requests][-1:]
        match action:
            case Request.ACCEPT:
                for peer in ringing:
                    self._write(format_line(Line(Word.CONNECTED, format_address(peer))))
            case Request.DECLINE:
                for peer in ringing:
                    self._write(format_line(Line(Word.QUIT, format_address(peer))))
            case Request.TYPE:
                self._write(format_line(Line(Word.CHAT, text)))
            case Request.LEAVE:
                policy = self.endpoint._policy
                current = policy.current if isinstance(policy, OneChat) else None
                self._write(format_line(Line(Word.QUIT, format_address(current.record.peer) if current else "nobody")))
            case Request.CALL:
                if side is Side.UNKNOWN:  # which is another one each time
                    host, port = self.sides[side]
                    self.sides[side] = host, port + 1
                self._write(format_line(Line(Word.CONNECTING, format_address(self.sides[side]))))
            case Request.RESTART:
                self._start()

    # -- what becomes of what passes

    def _met(
        self, way: Way, side: Side, data: bytes = b"", *, operation: Request | None = None, text: str = ""
    ) -> Passage:
        datagram = read(data)
        what = datagram.operation if datagram else operation
        states = self.state(side), self.state(Side.TESTER)
        self._latest = Passage(way, self._time, side, *states, data, datagram, what, text, self._latest)
        return self._latest

    def _pass(self, passage: Passage) -> list[Routed]:
        """Answers it as the rules have it, and returns what they make of it."""
        routed = [Routed(passage.data, passage.side)]
        for rule in self.rules:
            if not rule.when(passage):
                continue
            routed = [changed for each in routed for changed in rule.changed(passage, each)]
            if rule.answer and rule.after:
                self._late[rule] = (self._time + rule.after, passage)
            elif rule.answer:
                for _ in range(rule.times):
                    self._deliver(Routed(rule.answer(passage), passage.side))
        return routed

    def _answer_late(self) -> None:
        for rule, (due, passage) in list(self._late.items()):
            if due <= self._time:
                del self._late[rule]
                if rule.answer and rule.still in (None, self.state(passage.side)):
                    self._deliver(Routed(rule.answer(passage), passage.side))

    def _handle(self, occurrence: Occurrence) -> None:
        effects = self.core.handle(occurrence, self._time)
        sides = {address: side for side, address in self.sides.items()}
        for effect in effects:
            if isinstance(effect, Write):
                self._tell(effect)
            elif isinstance(effect, Close):
                self._closed.add(effect.client)
            elif isinstance(effect, Commit):
                self._keep(effect.change)
            if not isinstance(effect, Send):
                continue
            for each in self._pass(self._met(Way.SAID, sides.get(effect.peer, Side.UNKNOWN), effect.data)):
                self._deliver(each)

    def _keep(self, change: Change) -> None:
        """Puts it on the disk, which a daemon of SIMP/1 alone doesn't have."""

    def _tell(self, effect: Write) -> None:
        """Lets the rules have at what a client is told."""
        if effect.client != CLIENT:
            lines = self._shown(Way.ANSWERED, effect.line)
            self._answers[effect.client] = self._answers.get(effect.client, b"") + b"".join(lines)
            return
        for line in self._shown(Way.SHOWN, effect.line):
            self._told.append((self._time, line.decode().removesuffix("\n")))

    def _shown(self, way: Way, line: bytes) -> list[bytes]:
        states = self.state(Side.TESTER), self.state(Side.TESTER)
        passage = Passage(
            way, self._time, Side.TESTER, *states, line, None, None, line.decode("utf-8", "replace"), self._latest
        )
        lines = [line]
        for rule in self.rules:
            if rule.when(passage):
                routed = [changed for each in lines for changed in rule.changed(passage, Routed(each, Side.TESTER))]
                lines = [each.data for each in routed]
                lines += [rule.answer(passage)] * rule.times if rule.answer else []
        return lines

    def _deliver(self, routed: Routed) -> None:
        if routed.data.startswith((b"ACK|", b"CHAT|")):  # a line, which no datagram is
            self._told.append((self._time, routed.data.decode().removesuffix("\n")))
            return
        source = (DAEMON[0], routed.port or DAEMON[1])
        heapq.heappush(self._arriving, (self._time + LATENCY, next(self._order), routed.side, source, routed.data))

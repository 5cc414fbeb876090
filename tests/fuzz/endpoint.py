"""A daemon's conversations with peers that send anything."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from simp_daemon.events import (
    Connected,
    ErrorReceived,
    Event,
    MessageAcknowledged,
    MessageReceived,
    MessageUndelivered,
)
from simp_daemon.peers.states import State
from simp_proto.address import Address
from simp_proto.constants import (
    AMPLIFICATION,
    BUSY,
    KNOWN_PEERS,
    LEAVING_SESSIONS,
    MAX_DATAGRAM_SIZE,
    OFFER,
    OPERATIONS,
    PENDING_REQUESTS,
    RETRANSMISSION_INTERVAL,
    RINGING,
    STRANGER_BURST,
    STRANGER_RATE,
    TRIES,
    Chat,
    Control,
    Framing,
    Operation,
    Type,
)
from simp_proto.datagram import Datagram, build, parse, reading_order
from simp_proto.errors import DatagramError, NotNowError
from tests.driven import Endpoint
from tests.fuzz.target import Choices, Target

FRIENDS: list[Address] = [(f"192.0.2.{host}", 7777) for host in (2, 3, 4)]
"""Whom the person calls and accepts; a stranger's call is declined at most."""
TEXTS = ["hello", "grüße", "x" * 3000, ""]
PAYLOADS = [b"", OFFER, RINGING, BUSY.encode(), b"Wrong sequence number", b"hi", b"\xff\xfe"]
WAITS = [0.0, 0.01, 0.3, 1.0, 4.9, 5.0, 30.0, 121.0]
CHATS = 1
"""Calls and chats that the policy allows at the same time."""
SENT = {Control.ERR, Control.SYN, Control.ACK, Control.SYN_ACK, Control.FIN, Chat.MESSAGE}
"""What may be sent (spec 2.2)."""
UNDERSTOOD = [*OPERATIONS[Type.CONTROL].values(), Chat.MESSAGE]


class Driver:
    """All that this target knows of the daemon's inside."""

    def __init__(self, framing: Framing | None) -> None:
        self._endpoint = Endpoint(framing)

    def receive(self, data: bytes, peer: Address, now: float) -> None:
        self._endpoint.receive(data, peer, now)

    def call(self, peer: Address, now: float) -> None:
        self._endpoint.call(peer, now)

    def accept(self, peer: Address, now: float) -> None:
        self._endpoint.accept(peer, now)

    def quit(self, peer: Address, now: float) -> None:
        self._endpoint.quit(peer, now)

    def say(self, peer: Address, message: int, text: str, now: float) -> None:
        self._endpoint.say(peer, message, text, now)

    def be_slow(self, slow: bool, now: float) -> None:
        for friend in FRIENDS:
            self._endpoint.hold(friend, slow, now)

    def shut_down(self, now: float) -> None:
        self._endpoint.shutdown(now)

    def handle_timer(self, now: float) -> None:
        self._endpoint.handle_timer(now)

    def timer(self) -> float | None:
        return self._endpoint.get_timer()

    def sent(self) -> list[tuple[bytes, Address]]:
        """The datagrams since the last time."""
        return self._endpoint.datagrams_to_send()

    def events(self) -> Iterable[Event]:
        """What has happened since the last time."""
        while event := self._endpoint.next_event():
            yield event

    def chats(self, peer: Address) -> bool:
        """Whether a chat with that peer is on."""
        session = self._endpoint._sessions.by_address.get(peer)
        return session is not None and session.state is State.OPEN

    def framing(self, peer: Address) -> Framing | None:
        session = self._endpoint._sessions.by_address.get(peer)
        return session.record.framing if session else None

    def states(self) -> Counter[State]:
        """How many conversations are in each."""
        return Counter(session.state for session in self._endpoint._sessions.by_address.values())

    def known(self) -> int:
        """Of how many peers something is remembered."""
        return len(self._endpoint._known)


@dataclass
class Judge:
    """What is known from the outside, and must fit what comes out."""

    driver: Driver
    now: float = 0.0
    said: int = 0
    fates: dict[int, str] = field(default_factory=dict)
    given: dict[Address, Datagram | None] = field(default_factory=dict)
    """The last chat of each partner that its person got; `None` where there was none yet."""
    answers: deque[float] = field(default_factory=deque)
    """When strangers were answered in the last second."""
    heard: dict[Address, float] = field(default_factory=dict)
    """When anything came from a peer."""
    tries: Counter[tuple[Address, Operation, bytes]] = field(default_factory=Counter)
    """How often something went to a peer that has said nothing since, and about which the person has wished nothing."""
    unsettled: dict[int, tuple[Address, float]] = field(default_factory=dict)
    """To whom and when each message was said whose fate isn't known."""
    slow: dict[Address, Datagram | None] = field(default_factory=dict)
    """The partners whose messages can't be taken now, each with its last chat or ERR meanwhile."""
    chats: dict[Address, Datagram] = field(default_factory=dict)
    """The last that came from each peer, whatever became of it."""
    stuck: bool = False
    """The client doesn't keep up."""

    def wish(self, peer: Address) -> None:
        """The person wishes something of that peer."""
        for each in [each for each in self.tries if each[0] == peer]:
            del self.tries[each]

    def say(self, peer: Address, text: str) -> None:
        self.driver.say(peer, self.said + 1, text, self.now)
        self.said += 1
        self.unsettled[self.said] = (peer, self.now)

    def be_slow(self, slow: bool) -> None:
        """The client keeps up no longer, or again."""
        self.driver.be_slow(slow, self.now)
        self.stuck = slow
        if slow:
            self.slow.update({friend: None for friend in FRIENDS if self.driver.chats(friend)} | self.slow)
            return
        late, self.slow = self.slow, {}
        events, sent = self.settle()
        for event in events:
            if isinstance(event, MessageReceived):
                self.given[event.peer] = self.chats[event.peer]
        answered = [(parse(data).sequence, to) for data, to in sent if parse(data).operation is Control.ACK]
        for peer, last in late.items():
            if last and last.type is Type.CHAT:
                assert (last.sequence, peer) in answered, "the last message is taken when the client goes on (spec 8.4)"

    def receive(self, data: bytes, peer: Address) -> None:
        framing, chats, slow = self.driver.framing(peer), self.driver.chats(peer), peer in self.slow
        before = self.given.get(peer)
        self.heard[peer] = self.now
        self.wish(peer)
        self.driver.receive(data, peer, self.now)
        events, sent = self.settle()
        try:
            datagram = parse(data, reading_order(framing))
        except DatagramError:
            assert not sent, "what is malformed is never answered (spec 2.8)"
            return
        if datagram.operation is Control.ERR:  # at most it lets what is outstanding go out again (spec 3.1, 9.5)
            assert all(parse(each).operation in (Chat.MESSAGE, Control.FIN) for each, _ in sent)
        if peer not in FRIENDS:
            self._judge_answers(data, [each for each, to in sent if to == peer])
        if datagram.operation is Chat.MESSAGE:
            self._judge_acknowledged(datagram, peer, events, [parse(each) for each, to in sent if to == peer])
        if datagram.operation is Chat.MESSAGE and not (chats and datagram.framing is not framing):
            self.chats[peer] = datagram
        if slow and (datagram.operation is Chat.MESSAGE or datagram.operation is Control.ERR):
            shown = any(isinstance(event, MessageReceived | ErrorReceived) for event in events)
            assert not sent, "acknowledged, though the client doesn't read (spec 8.4)"
            assert not shown, "shown, though the client doesn't read (spec 8.4)"
            if peer in self.slow and datagram.framing is framing:
                self.slow[peer] = datagram
        elif chats and datagram.operation is Chat.MESSAGE and datagram.framing is framing and not self.stuck:
            self._judge_received(datagram, before, events, sent)

    def _judge_received(
        self, chat: Datagram, before: Datagram | None, events: list[Event], sent: list[tuple[bytes, Address]]
    ) -> None:
        """A partner's chat is acknowledged each time, and given to the person when its number is another (spec 5.5)."""
        acks = [each for each, _ in sent if parse(each).operation is Control.ACK]
        assert [(parse(each).sequence, parse(each).payload) for each in acks] == [(chat.sequence, b"")]
        if chat.framing is Framing.HEADER:
            new = before is None or before.sequence != chat.sequence
            assert any(isinstance(event, MessageReceived) for event in events) is new, "once, and no more"

    def _judge_answers(self, data: bytes, answers: list[bytes]) -> None:
        assert sum(map(len, answers)) <= AMPLIFICATION * len(data)
        self.answers.extend([self.now] * len(answers))
        while self.answers and self.answers[0] <= self.now - 1:
            self.answers.popleft()
        assert len(self.answers) <= STRANGER_RATE + STRANGER_BURST

    def _judge_acknowledged(self, chat: Datagram, peer: Address, events: list[Event], answers: list[Datagram]) -> None:
        got = [event for event in events if isinstance(event, MessageReceived) and event.peer == peer]
        assert len(got) <= 1
        acknowledged = any(each.operation is Control.ACK for each in answers)
        assert acknowledged or not got
        last = self.given.get(peer)
        if got:
            assert got[0].text == chat.text
            self.given[peer] = chat
        elif acknowledged:
            assert last is not None, "acknowledged, though the person never got it"
            assert last.sequence == chat.sequence, "acknowledged as the repeat of another chat"
            assert chat.framing is Framing.HEADER or last.payload == chat.payload

    def settle(self) -> tuple[list[Event], list[tuple[bytes, Address]]]:
        """Takes what comes out, and judges what must hold whatever went in."""
        events = list(self.driver.events())
        for event in events:
            match event:
                case Connected(peer=peer):
                    self.given[peer] = None
                case MessageAcknowledged(message=message) | MessageUndelivered(message=message):
                    assert 1 <= message <= self.said
                    assert message not in self.fates, f"message {message} has two fates"
                    self.fates[message] = type(event).__name__
                    del self.unsettled[message]
        sent = self.driver.sent()
        for data, to in sent:
            datagram = parse(data)
            assert datagram.operation in SENT
            assert len(data) <= MAX_DATAGRAM_SIZE
            if datagram.operation is not Control.ACK:
                self.tries[to, datagram.operation, datagram.payload] += 1
        assert all(count <= TRIES for count in self.tries.values()), "a try more than there may be (spec 6.3)"
        for peer, since in self.unsettled.values():
            waited = self.now - max(since, self.heard.get(peer, since))
            assert waited <= TRIES * RETRANSMISSION_INTERVAL, "a message is given up in time (spec 6.3)"
        for peer in [peer for peer in self.slow if not self.driver.chats(peer)]:
            del self.slow[peer]
        states = self.driver.states()
        assert states[State.PENDING] <= PENDING_REQUESTS
        assert states[State.LEAVING] + states[State.DECLINING] <= LEAVING_SESSIONS
        assert states[State.CALLING] + states[State.RINGING] + states[State.ACCEPTING] + states[State.OPEN] <= CHATS
        assert not states[State.IDLE]
        assert self.driver.known() <= KNOWN_PEERS
        return events, sent

    def wait(self, seconds: float) -> None:
        """Goes on to that time, over each timer before it."""
        until = self.now + seconds
        for _ in range(1_000):
            timer = self.driver.timer()
            if timer is None or timer > until:
                break
            self.now = max(self.now, timer)
            self.driver.handle_timer(self.now)
            self.settle()
            then = self.driver.timer()
            assert then is None or then > timer, "a timer that stays in the past"
        else:
            raise AssertionError("more timers than there can be")
        self.now = until

    def finish(self) -> None:
        """Leaves everything; whatever peers do not say, it ends, and every message has its fate."""
        self.driver.shut_down(self.now)
        self.settle()
        self.wait(3_600.0)
        assert not self.driver.states(), "a conversation that never ends"
        assert len(self.fates) == self.said, "messages without a fate"


def _try(data: bytes) -> None:
    choices = Choices(data)
    judge = Judge(Driver(choices.one_of([None, None, None, *Framing])))
    while choices.left:
        _step(judge, choices)
    judge.finish()


def _step(judge: Judge, choices: Choices) -> None:
    driver, now = judge.driver, judge.now
    friend = choices.one_of(FRIENDS)
    judge.wish(friend)
    try:
        match choices.number(16):
            case 0:
                driver.call(friend, now)
            case 1 | 2:
                driver.accept(friend, now)
            case 3:
                driver.quit(friend, now)
            case 4:
                driver.quit(_stranger(choices), now)
            case 5 | 6:
                _say(judge, friend, choices.one_of(TEXTS))
            case 7:
                judge.wait(choices.one_of(WAITS))
            case 8:
                judge.be_slow(choices.number(2) == 1)
            case 9:
                judge.receive(choices.blob(), friend)
            case 10:
                judge.receive(_datagram(choices), _stranger(choices))
            case 11:  # a crowd of them, at this time
                datagram = _datagram(choices)
                for number in range(choices.number()):
                    judge.receive(datagram, (f"198.51.100.{number}", 7777))
            case _:
                judge.receive(_datagram(choices), friend)
    except NotNowError:
        pass
    judge.settle()


def _say(judge: Judge, peer: Address, text: str) -> None:
    try:
        judge.say(peer, text)
    except ValueError as error:  # not in ASCII, to a foreign peer
        assert not isinstance(error, DatagramError)


def _stranger(choices: Choices) -> Address:
    return (f"198.51.100.{choices.number()}", 7777)


def _datagram(choices: Choices) -> bytes:
    framing = choices.one_of([Framing.HEADER, Framing.HEADER, *Framing])
    operation = choices.one_of([*UNDERSTOOD, Chat.MESSAGE, Chat.MESSAGE])
    sequence = choices.number() if framing is Framing.BARE else choices.number(2)
    payload = choices.one_of([*PAYLOADS, None])
    kind = Type.CHAT if isinstance(operation, Chat) else Type.CONTROL
    payload = choices.blob() if payload is None else payload
    return build(Datagram(kind, operation, sequence, b"bob", payload, framing))


_CALLED = bytes((0, 0, 12, 0, 1, 0, 1, 0, 1, 0, 12, 0, 2, 0, 0))
"""The first friend calls in `header`, with an offer, is accepted, and acknowledges."""
_SAYS_1, _SAYS_0 = bytes((0, 12, 0, 7, 1, 5)), bytes((0, 12, 0, 7, 0, 5))
_CALLING = bytes((0, 0, 0, 0, 12, 0, 3, 0, 0))

TARGET = Target(
    "whatever peers send, people ask and clocks do: nothing raises, all that is sent is right, memory stays within the"
    " limits of spec 8, no timer stays in the past, strangers get three times their bytes and 100 answers a second at"
    " most, nothing is acknowledged that the person didn't get, a partner's chat is acknowledged each time and given"
    " once, except while the client is slow, nothing goes out more than 12 times, each message has one fate, within a"
    " minute of silence, and all of it ends",
    _try,
    [
        _CALLED,
        _CALLED + bytes((0, 12, 0, 7, 1, 5, 0, 5, 0, 0, 12, 0, 2, 1, 0, 0, 3)),
        _CALLING + bytes((0, 12, 0, 7, 0, 5, 0, 12, 0, 7, 0, 5, 0, 5, 2, 0, 12, 4, 2, 0, 0)),
        bytes((0, 0, 11, 0, 1, 0, 1, 255, 0, 7, 3, 0, 11, 0, 4, 0, 0, 255)),
        bytes((0, 0, 10, 4, 1, 0, 1, 9, 0, 4, 9, 0, 7, 6)),
        _CALLED + 2 * _SAYS_1 + _SAYS_0 + _SAYS_1,
        _CALLED + bytes((0, 8, 1)) + _SAYS_1 + bytes((0, 8, 0)) + _SAYS_1 + _SAYS_0,
        _CALLED + bytes((0, 8, 1, 0, 12, 0, 0, 0, 3, 0, 8, 0)),
        _CALLED + bytes((0, 5, 0, 0, 7, 7)),
    ],
)

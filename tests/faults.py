"""A daemon that is wrong in one thing for each conformance case: what it does to the datagrams of one that is right."""

from collections.abc import Callable, Iterable

from simp_daemon.peers.states import State
from simp_proto.conformance.wire import Request, Side
from simp_proto.constants import OFFER, RINGING, Chat, Control, Framing, Type
from simp_proto.datagram import Datagram, build, parse, sealed
from simp_proto.errors import DatagramError
from tests.simulated_wire import SIDES, Fault

FAULTS: dict[str, type[Fault]] = {}
"""By the name of the case that must find it."""
MESSAGE = Chat.MESSAGE


def breaks(case: str) -> Callable[[type[Fault]], type[Fault]]:
    def register(fault: type[Fault]) -> type[Fault]:
        assert case not in FAULTS
        FAULTS[case] = fault
        return fault

    return register


def read(data: bytes) -> Datagram | None:
    try:
        return parse(data)
    except DatagramError:
        return None


def is_a(data: bytes, *operations: object) -> bool:
    datagram = read(data)
    return datagram is not None and any(datagram.operation is each for each in operations)


def remade(data: bytes, **changes: object) -> bytes:
    """That datagram with other fields."""
    it = parse(data)
    fields = {name: getattr(it, name) for name in ("type", "operation", "sequence", "user", "payload", "framing")}
    return build(Datagram(**(fields | changes)))


def flipped(data: bytes) -> bytes:
    return remade(data, sequence=1 - parse(data).sequence)


def with_byte(data: bytes, at: int, value: int) -> bytes:
    return sealed(data[:at] + bytes((value,)) + data[at + 1 :], Framing.HEADER)


def answer(data: bytes, operation: Control, payload: bytes = b"") -> bytes:
    return build(Datagram(Type.CONTROL, operation, parse(data).sequence, b"bob", payload))


def of_size(data: bytes) -> bool:
    """Whether it is as long as a datagram in `header` says that it is."""
    return len(data) >= 41 and int.from_bytes(data[35:39], "big") == len(data) - 41


class Rewritten(Fault):
    """One octet of what comes in has a second value that is taken for the right one."""

    at: int
    wrong: int
    right: int
    kind: int

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        wrong = len(data) > 41 - 1 and data[0] in (self.kind, self.wrong) and data[self.at] == self.wrong
        return [with_byte(data, self.at, self.right) if wrong and side is Side.TESTER and not read(data) else data]


@breaks("unknown-type")
class TypeThree(Rewritten):
    at, wrong, right, kind = 0, 3, 2, 3


@breaks("unknown-chat-operation")
class OperationTwo(Rewritten):
    at, wrong, right, kind = 1, 2, 1, 2


@breaks("unknown-control-operation")
class FinByItsBit(Rewritten):
    at, wrong, right, kind = 1, 0x0A, 0x08, 1


@breaks("sent-operations")
class DeclinesWithErrFin(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        declining = is_a(data, Control.FIN) and self.state(side) is State.DECLINING
        return [remade(data, operation=Control.ERR_FIN) if declining else data]


@breaks("unknown-sequence")
class ModuloTwo(Rewritten):
    at, wrong, right, kind = 2, 2, 0, 2


@breaks("answers-from-its-port")
class OtherSocket(Fault):
    def port(self) -> int:
        return 40_000


@breaks("sequence-beyond-one")
class OneBitInBare(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        datagram = read(data)
        return [] if datagram and datagram.sequence > 1 else [data]


@breaks("user-sent")
class BlankPadded(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [data if is_a(data, Control.SYN, Control.FIN) else remade(data, user=b"bob".ljust(32))]


@breaks("user-sent-in-a-call")
class NamelessFin(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [remade(data, user=b"") if is_a(data, Control.FIN) else data]


@breaks("user-received")
class AsciiUsers(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        datagram = read(data)
        return [] if is_a(data, MESSAGE) and datagram and not datagram.user.isascii() else [data]


@breaks("user-of-a-call")
class AsciiCallers(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        datagram = read(data)
        return [] if datagram and datagram.type is Type.CONTROL and not datagram.user.isascii() else [data]


@breaks("wrong-length")
class AllTheRest(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        sound = 45 <= len(data) < 60 and data == sealed(data, Framing.HEADER)
        if side is Side.TESTER and data[:2] == b"\2\1" and sound and not read(data):
            length = (len(data) - 41).to_bytes(4, "big")
            return [sealed(data[:35] + length + data[39:], Framing.HEADER)]
        return [data]


@breaks("payload-ignored")
class NoPayloadInSyn(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        datagram = read(data)
        odd = datagram and datagram.operation is Control.SYN and not (OFFER + b" ").startswith(datagram.payload[:19])
        return [] if odd else [data]


@breaks("payload-of-an-ack")
class OnlyEmptyAcks(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [] if is_a(data, Control.ACK) and parse(data).payload not in (b"", RINGING) else [data]


@breaks("payload-of-a-syn-ack")
class OnlyEmptySynAcks(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [] if is_a(data, Control.SYN_ACK) and parse(data).payload else [data]


@breaks("payload-empty")
class Welcome(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [remade(data, payload=b"welcome") if is_a(data, Control.SYN_ACK) else data]


@breaks("wrong-checksum")
class NotVerified(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        forgiven = of_size(data) and data[0] == Type.CHAT and data[39:41] not in (b"\0\0", b"\xff\xff")
        return [sealed(data, Framing.HEADER) if forgiven and side is Side.TESTER and not read(data) else data]


@breaks("wrong-checksum-of-a-fin")
class OnlyChatsVerified(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        forgiven = of_size(data) and data[:2] == bytes((Type.CONTROL, Control.FIN))
        return [sealed(data, Framing.HEADER) if forgiven and side is Side.TESTER and not read(data) else data]


@breaks("checksum-zero")
class TwoZeros(Fault):
    """Verifies by the sum over the whole, in which ffff and 0000 are the same."""

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        ones = of_size(data) and data[39:41] == b"\xff\xff"
        zero = data[:39] + b"\0\0" + data[41:]
        return [zero if ones and read(zero) else data]


@breaks("checksum-sent")
class OddByteForgotten(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        odd = is_a(data, MESSAGE) and len(data) % 2 and len(data) < 100
        return [data[:39] + sealed(data[:-1], Framing.HEADER)[39:41] + data[41:] if odd else data]


@breaks("size-sent")
class AllInOne(Fault):
    text = ""

    def acted(self, action: Request, text: str) -> Iterable[bytes]:
        self.text = text
        return []

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        whole = is_a(data, MESSAGE) and len(data) > 1_000 and self.text.isdigit()
        return [remade(data, payload=self.text.encode()) if whole else data]


@breaks("size-in-bytes")
class CountsCharacters(AllInOne):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        whole = is_a(data, MESSAGE) and parse(data).text.startswith("文文")
        return [remade(data, payload=self.text.encode()) if whole else data]


@breaks("size-received")
class SmallBuffer(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [data[:1024]]


@breaks("malformed-when-idle")
class ShortFin(Fault):
    def answers(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [build(parse(data + bytes(1)))] if len(data) == 38 and data[1] == Control.FIN else []


@breaks("err-unanswered")
class ErrAnswered(Fault):
    def answers(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [answer(data, Control.ACK)] if is_a(data, Control.ERR) and side is Side.TESTER else []


@breaks("fin-acknowledged")
class OneForEveryFin(Fault):
    fin = False

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.fin = is_a(data, Control.FIN) and side is Side.TESTER and self.state() is State.OPEN
        return [data]

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [remade(data, sequence=1) if self.fin and is_a(data, Control.ACK) else data]


@breaks("fin-of-a-stranger")
class StrangersIgnored(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [] if is_a(data, Control.FIN) and side is Side.STRANGER and self.state(side) is State.IDLE else [data]


@breaks("err-fin-acknowledged")
class OnlyErr(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        only = is_a(data, Control.ERR_FIN) and self.state(side) is not State.IDLE
        return [remade(data, operation=Control.ERR) if only else data]


@breaks("err-fin-of-a-stranger")
class StrangersErrFinIgnored(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [] if is_a(data, Control.ERR_FIN) and self.state(side) is State.IDLE else [data]


@breaks("fin-ends")
class GoesOnAfterFin(Fault):
    ended = False

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        if side is Side.TESTER and is_a(data, Control.SYN, Control.FIN):
            header = parse(data).framing is Framing.HEADER
            self.ended = is_a(data, Control.FIN) and header and self.state() is State.OPEN
        return [data]

    def answers(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [answer(data, Control.ACK)] if self.ended and side is Side.TESTER and is_a(data, MESSAGE) else []


@breaks("fin-ack-ends")
class OnlyAck(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [] if is_a(data, Control.FIN_ACK) and self.state(side) is State.OPEN else [data]


@breaks("fin-ack-of-its-fin")
class FinAckAcknowledged(Fault):
    def answers(self, data: bytes, side: Side) -> Iterable[bytes]:
        declining = is_a(data, Control.FIN_ACK) and self.state(side) is State.DECLINING
        return [answer(data, Control.ACK)] if declining else []


@breaks("stranger-when-idle")
class EveryChatAcknowledged(Fault):
    def answers(self, data: bytes, side: Side) -> Iterable[bytes]:
        return (
            [answer(data, Control.ACK)] if is_a(data, MESSAGE) and side is Side.STRANGER and self.endpoint.idle else []
        )


class Anybodys(Fault):
    """One kind of datagram counts for the partner's in some states, whoever sent it."""

    operation: object
    states: tuple[State, ...]

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        if side is Side.STRANGER and is_a(data, self.operation) and self.state() in self.states:
            self.endpoint.receive(data, SIDES[Side.TESTER], self.now)
        return [data]


@breaks("stranger-in-a-chat")
class AnybodysFin(Anybodys):
    operation, states = Control.FIN, (State.OPEN,)


@breaks("handshake-ack-of-a-stranger")
class AnybodysHandshakeAck(Anybodys):
    operation, states = Control.ACK, (State.ACCEPTING,)


@breaks("ack-of-a-stranger")
class AnybodysAck(Anybodys):
    operation, states = Control.ACK, (State.OPEN,)


@breaks("syn-ack-of-a-stranger")
class AnybodysSynAck(Anybodys):
    operation, states = Control.SYN_ACK, (State.CALLING, State.RINGING)


@breaks("handshake")
class HandshakeOne(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [flipped(data) if is_a(data, Control.SYN_ACK) else data]

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [flipped(data) if is_a(data, Control.ACK) and self.state(side) is State.ACCEPTING else data]


@breaks("nothing-before-the-person")
class ImpatientDaemon(Fault):
    """Accepts by itself what nobody has answered for a while."""

    syn = b""

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        if is_a(data, Control.SYN) and side is Side.TESTER:
            self.timer, self.syn = self.now + 1.5, data
        return [data]

    def expired(self) -> Iterable[bytes]:
        return [answer(self.syn, Control.SYN_ACK)] if self.state() is State.PENDING else []


@breaks("chat-for-a-lost-ack")
class OnlyAnAckOpens(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [] if is_a(data, MESSAGE) and self.state(side) is State.ACCEPTING else [data]


class AfterOne(Fault):
    """What answers one kind of datagram of the tester has the other number."""

    answered: object

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.latest = data
        return [data]

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [flipped(data) if is_a(data, Control.ACK) and is_a(self.latest, self.answered) else data]


@breaks("ack-of-the-syn-ack")
class OtherAckOfSynAck(AfterOne):
    answered = Control.SYN_ACK

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.latest = b"" if self.state() is State.OPEN else data
        return [data]


@breaks("handshake-number")
class SynOne(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [flipped(data) if is_a(data, Control.SYN) else data]


class Deaf(Fault):
    """Drops one kind of datagram of the tester in one state."""

    operation: object
    states: tuple[State, ...] = tuple(State)

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        deaf = is_a(data, self.operation) and side is Side.TESTER and self.state() in self.states
        return [] if deaf else [data]


@breaks("repeated-syn-ack")
class OtherSecondAck(AfterOne):
    answered = Control.SYN_ACK

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.latest = data if self.state() is State.OPEN else b""
        return [data]


@breaks("repeated-syn-once-accepted")
class SynOnceAccepted(Deaf):
    operation, states = Control.SYN, (State.ACCEPTING,)


@breaks("repeated-syn-once-declined")
class SynOnceDeclined(Deaf):
    operation, states = Control.SYN, (State.DECLINING,)


@breaks("busy-answer-taken")
class StubbornCaller(Deaf):
    operation, states = Control.ERR, (State.CALLING, State.RINGING)


@breaks("fin-answer-taken")
class StubbornAfterFin(Fault):
    """Acknowledges a SYN+ACK of a call that a FIN has ended."""

    ended = False

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        if is_a(data, Control.FIN, Control.SYN):
            self.ended = is_a(data, Control.FIN) and self.state(side) in (State.CALLING, State.RINGING)
        return [data]

    def answers(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [answer(data, Control.ACK)] if self.ended and is_a(data, Control.SYN_ACK) else []


@breaks("crossed-calls")
class NoCrossing(Deaf):
    operation, states = Control.SYN, (State.CALLING, State.RINGING)


@breaks("new-start")
class NoNewStart(Fault):
    framing = Framing.HEADER

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        ignored = is_a(data, Control.SYN) and parse(data).framing is self.framing and self.state(side) is State.OPEN
        return [] if ignored else [data]


@breaks("new-start-with-an-offer")
class NoNewStartInBare(NoNewStart):
    framing = Framing.BARE


@breaks("syn-while-it-rings")
class DeafToRinging(Deaf):
    operation, states = Control.ACK, (State.CALLING, State.RINGING)


@breaks("offer-answered")
class ExactOffer(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        datagram = read(data)
        longer = datagram and datagram.payload.startswith(OFFER + b" ")
        return [remade(data, payload=b"") if longer else data]


@breaks("other-framing-in-a-chat")
class AnyFraming(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [remade(data, framing=Framing.HEADER) if is_a(data, MESSAGE) else data]


@breaks("other-framing-of-a-fin")
class AnyFramingOfFin(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        obeyed = is_a(data, Control.FIN) and self.state(side) is State.OPEN
        return [remade(data, framing=Framing.HEADER) if obeyed else data]


@breaks("other-framing-of-an-ack")
class AnyFramingOfAck(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        counts = is_a(data, Control.ACK) and self.state(side) is State.OPEN
        return [remade(data, framing=Framing.HEADER) if counts else data]


@breaks("stays-in-header")
class ChatsInBare(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [remade(data, framing=Framing.BARE) if is_a(data, MESSAGE) and len(data) < 50 else data]


@breaks("busy-in-header")
class BusyAsCalled(Fault):
    """Refuses in the framing of the SYN, offer or not."""

    bare = False

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.bare = is_a(data, Control.SYN) and parse(data).framing is Framing.BARE and side is Side.STRANGER
        return [data]

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [remade(data, framing=Framing.BARE) if self.bare and is_a(data, Control.ERR, Control.FIN) else data]


@breaks("first-syn")
class HeaderAtOnce(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [remade(data, framing=Framing.HEADER) if side is Side.UNKNOWN else data]


@breaks("offer-in-header")
class NoOfferInHeader(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        header = is_a(data, Control.SYN) and parse(data).framing is Framing.HEADER
        return [remade(data, payload=b"") if header else data]


@breaks("framing-remembered")
class Forgetful(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [remade(data, framing=Framing.BARE) if is_a(data, Control.SYN) else data]


@breaks("ringing")
class RingsOnce(Fault):
    again = False

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.again = is_a(data, Control.SYN) and self.state(side) is State.PENDING
        return [data]

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [] if self.again and is_a(data, Control.ACK) else [data]


@breaks("ringing-for-an-offer")
class RingsInHeaderOnly(Fault):
    bare = False

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.bare = is_a(data, Control.SYN) and parse(data).framing is Framing.BARE
        return [data]

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [] if self.bare and is_a(data, Control.ACK) else [data]


@breaks("repeated-syn")
class AnswerForEachSyn(Fault):
    calls = 0

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        if self.state() is State.IDLE:
            self.calls = 0
        self.calls += is_a(data, Control.SYN) and self.state() in (State.IDLE, State.PENDING)
        return [data]

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [data] * (self.calls if is_a(data, Control.SYN_ACK) else 1)


@breaks("busy")
class OtherWords(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [remade(data, payload=b"busy") if is_a(data, Control.ERR) else data]


@breaks("busy-while-accepting")
class RingsWhileAccepting(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [] if self.rings(data, side) else [data]

    def answers(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [answer(data, Control.ACK, RINGING)] if self.rings(data, side) else []

    def rings(self, data: bytes, side: Side) -> bool:
        return is_a(data, Control.SYN) and side is Side.STRANGER and self.state() is State.ACCEPTING


@breaks("declining")
class DecliningOne(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [flipped(data) if is_a(data, Control.FIN) and self.state(side) is State.DECLINING else data]

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        acknowledges = is_a(data, Control.ACK, Control.FIN_ACK) and self.state(side) is State.DECLINING
        return [flipped(data) if acknowledges else data]


class OtherLastFin(Fault):
    """A FIN that cancels a call, or one that leaves a chat, has the other number."""

    cancels: bool
    calling = False

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        if not is_a(data, Control.FIN):
            self.calling = is_a(data, Control.SYN)
            return [data]
        other = self.state(side) is State.LEAVING and self.calling is self.cancels
        return [flipped(data) if other else data]


@breaks("leaving")
class LeavingOther(OtherLastFin):
    cancels = False


@breaks("cancelling")
class CancelOne(OtherLastFin):
    cancels = True


class AcknowledgedUnread(Fault):
    """Acknowledges a message that nobody will read, either before its FIN goes out or after."""

    after: bool
    parted = False

    def answers(self, data: bytes, side: Side) -> Iterable[bytes]:
        unread = is_a(data, MESSAGE) and self.state() is State.LEAVING and self.parted is self.after
        return [answer(data, Control.ACK)] if unread else []

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        if is_a(data, Control.SYN_ACK, Control.FIN):
            self.parted = is_a(data, Control.FIN)
        return [data]


@breaks("unheard")
class AcknowledgedAfterTheFin(AcknowledgedUnread):
    after = True


@breaks("unheard-before-the-fin")
class AcknowledgedBeforeTheFin(AcknowledgedUnread):
    after = False


class Outstanding(Fault):
    """Keeps which chat of the daemon is not acknowledged yet, and whether anything was answered to it."""

    chat = b""
    answered = False

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.answered = True
        if side is Side.TESTER and is_a(data, Control.ACK, Control.FIN) and self.chat:
            self.chat = b"" if parse(data).sequence == parse(self.chat).sequence else self.chat
        return [data]

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        if is_a(data, MESSAGE):
            self.chat, self.answered = data, False
        return [data]


@breaks("leaving-after-the-last-word")
class LeavesAtOnce(Outstanding):
    def acted(self, action: Request, text: str) -> Iterable[bytes]:
        return [answer(self.chat, Control.FIN)] if action is Request.LEAVE and self.chat else []


@breaks("stop-and-wait")
class WindowOfTwo(Outstanding):
    def acted(self, action: Request, text: str) -> Iterable[bytes]:
        two = action is Request.TYPE and self.chat and not self.answered
        return [remade(flipped(self.chat), payload=text.encode())] if two else []


@breaks("wrong-ack")
class AnyAck(Outstanding):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        if self.chat and is_a(data, Control.ACK):
            data = remade(data, sequence=parse(self.chat).sequence)
        return super().incoming(data, side)


@breaks("wrong-handshake-ack")
class AnyHandshakeAck(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        accepting = is_a(data, Control.ACK) and self.state(side) is State.ACCEPTING
        return [remade(data, sequence=0) if accepting else data]


@breaks("wrong-ack-of-a-fin")
class AnyAckOfFin(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        declining = is_a(data, Control.ACK) and self.state(side) is State.DECLINING
        return [remade(data, sequence=0) if declining else data]


class Renumbered(Fault):
    """Some chats of the daemon have the other number, and so have the ACKs that it expects for them."""

    latest = b""
    count = 0
    theirs: int | None = None
    moved = 0

    def other(self) -> bool:
        raise NotImplementedError

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        if is_a(data, Control.SYN, Control.SYN_ACK):
            self.latest, self.count, self.theirs, self.moved = b"", 0, None, 0
        if is_a(data, MESSAGE):
            self.count += data != self.latest
            self.latest = data
            return [flipped(data) if self.other() else data]
        if is_a(data, Control.FIN):
            self.count = 0
        return [data]

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        if side is Side.TESTER and is_a(data, MESSAGE):
            self.moved += parse(data).sequence != self.theirs
            self.theirs = parse(data).sequence
        expected = is_a(data, Control.ACK) and side is Side.TESTER and self.count and self.other()
        return [flipped(data) if expected else data]


@breaks("first-number")
class ChatsFromZero(Renumbered):
    def other(self) -> bool:
        return True

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        fin = is_a(data, Control.FIN) and self.state(side) is State.LEAVING and self.count
        return [flipped(data)] if fin else super().outgoing(data, side)


@breaks("next-number")
class StuckNumber(Renumbered):
    def other(self) -> bool:
        return self.count == 3


@breaks("counter-of-each-direction")
class SharedCounter(Renumbered):
    def other(self) -> bool:
        return self.moved % 2 == 1


@breaks("counter-of-the-partner")
class ExpectsTheSharedNumber(Fault):
    """Takes no first chat of the partner with the number of its own."""

    mine: int | None = None
    spoken = False

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        if is_a(data, Control.SYN_ACK):
            self.mine, self.spoken = None, False
        if is_a(data, MESSAGE):
            self.mine = parse(data).sequence
        return [data]

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        if not is_a(data, MESSAGE) or side is not Side.TESTER:
            return [data]
        ignored = not self.spoken and parse(data).sequence == self.mine
        self.spoken = not ignored
        return [] if ignored else [data]


class Repeats(Fault):
    """Keeps what was sent last of some kind, to know its repeat, and whether the tester has said anything since."""

    operation: object
    latest = b""
    heard = False

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.heard = True
        return [data]

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        repeat = is_a(data, self.operation) and data == self.latest and not self.heard
        if is_a(data, self.operation):
            self.latest, self.heard = data, False
        return self.repeated(data) if repeat else [data]

    def repeated(self, data: bytes) -> Iterable[bytes]:
        return []


@breaks("repeat-is-the-same")
class RepeatsUnderTheOtherNumber(Repeats):
    operation = MESSAGE

    def repeated(self, data: bytes) -> Iterable[bytes]:
        return [flipped(data)]


@breaks("chat-repeated")
class OneRepeat(Repeats):
    operation = MESSAGE
    again = b""

    def repeated(self, data: bytes) -> Iterable[bytes]:
        first, self.again = data != self.again, data
        return [data] if first else []


@breaks("syn-ack-repeated")
class SynAckUnderTheOtherNumber(Repeats):
    operation = Control.SYN_ACK

    def repeated(self, data: bytes) -> Iterable[bytes]:
        return [flipped(data)]


@breaks("fin-repeated")
class DecliningUnderTheOtherNumber(Repeats):
    operation = Control.FIN

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return super().outgoing(data, side) if self.state(side) is State.DECLINING else [data]

    def repeated(self, data: bytes) -> Iterable[bytes]:
        return [flipped(data)]


@breaks("leaving-repeated")
class LeavingOnce(Repeats):
    operation = Control.FIN

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return super().outgoing(data, side) if self.state(side) is State.LEAVING else [data]


@breaks("syn-repeated")
class SynOnce(Repeats):
    operation = Control.SYN


@breaks("ack-number")
class OneForEveryChat(Fault):
    latest = b""

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.latest = data
        return [data]

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [remade(data, sequence=1) if is_a(data, Control.ACK) and is_a(self.latest, MESSAGE) else data]


@breaks("repeat-acknowledged")
class OtherAckOfARepeat(Fault):
    latest = b""
    repeat = False

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.repeat = data == self.latest and is_a(data, MESSAGE)
        self.latest = data
        return [data]

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [flipped(data) if self.repeat and is_a(data, Control.ACK) else data]


@breaks("either-first-number")
class FirstIsOne(Fault):
    begun = False

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        if is_a(data, Control.SYN):
            self.begun = False
        if is_a(data, MESSAGE) and side is Side.TESTER:
            self.begun = self.begun or parse(data).sequence == 1
            return [data] if self.begun else []
        return [data]


@breaks("not-utf-8")
class DropsWhatIsNotUtf8(Fault):
    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        try:
            if datagram := read(data):
                datagram.payload.decode()
        except UnicodeDecodeError:
            return []
        return [data]


@breaks("utf-8")
class QuestionMarks(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        datagram = parse(data)
        arrow = is_a(data, MESSAGE) and "→" in datagram.text
        return [remade(data, payload=datagram.text.encode("ascii", "replace")) if arrow else data]


@breaks("long-message")
class OnlyTheFirstPart(Fault):
    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        payload = parse(data).payload
        return [] if is_a(data, MESSAGE) and payload.isdigit() and len(payload) < 1_000 else [data]


class CutElsewhere(Fault):
    """Cuts a long text one byte earlier than it should."""

    start: bytes
    carried = b""
    count = 0

    def outgoing(self, data: bytes, side: Side) -> Iterable[bytes]:
        payload = parse(data).payload
        if not is_a(data, MESSAGE) or not (self.carried or payload.startswith(self.start)):
            return [data]
        payload = self.carried + payload
        self.carried = payload[-1:] if len(payload) > 1_100 else b""
        return [remade(data, payload=payload[: len(payload) - len(self.carried)])]


@breaks("cut-between-characters")
class CutInCharacters(CutElsewhere):
    start = "éé".encode()


@breaks("cut-after-a-blank")
class CutBeforeBlanks(CutElsewhere):
    start = b"twelve"


@breaks("survival")
class Fragile(Fault):
    """Ends for good at a datagram of 1,400 bytes."""

    dead = False

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.dead = self.dead or data == b"\xff" * 1_400
        return [] if self.dead else [data]

    def acted(self, action: Request, text: str) -> Iterable[bytes]:
        self.dead = self.dead and action is not Request.RESTART
        return []


class Insisting(Fault):
    """Says more than it should to a stranger's SYN, either while a chat is on or else."""

    idle: bool

    def answers(self, data: bytes, side: Side) -> Iterable[bytes]:
        terse = side is Side.STRANGER and is_a(data, Control.SYN) and not parse(data).payload
        insists = terse and self.endpoint.idle is self.idle
        return [answer(data, Control.ERR, b"no, not now, really not")] * 2 if insists else []


@breaks("amplification")
class InsistingInAChat(Insisting):
    idle = False


@breaks("amplification-when-idle")
class InsistingWhenIdle(Insisting):
    idle = True


@breaks("rate")
class Unlimited(Fault):
    """Has no limit for what comes at once."""

    latest = 0.0
    count = 0

    def answers(self, data: bytes, side: Side) -> Iterable[bytes]:
        self.count = self.count + 1 if self.now == self.latest else 0
        self.latest = self.now
        fin = side is Side.STRANGER and is_a(data, Control.FIN)
        return [answer(data, Control.ACK)] if fin and self.count > 20 else []


@breaks("rate-of-all-strangers")
class LimitForEachPeer(Fault):
    def __init__(self) -> None:
        super().__init__()
        self.times: dict[Side, list[float]] = {side: [] for side in Side}

    def incoming(self, data: bytes, side: Side) -> Iterable[bytes]:
        return [] if is_a(data, Control.FIN) and self.state(side) is State.IDLE else [data]

    def answers(self, data: bytes, side: Side) -> Iterable[bytes]:
        if not is_a(data, Control.FIN) or self.state(side) is not State.IDLE:
            return []
        times = self.times[side] = [time for time in self.times[side] if time > self.now - 1]
        times.append(self.now)
        return [answer(data, Control.ACK)] if len(times) <= 100 else []

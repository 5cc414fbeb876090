"""Daemons that are wrong in one thing each, with the section of the rule and the one case that must find it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Final

from simp_daemon.peers.states import State
from simp_proto.conformance.tester import NAME
from simp_proto.conformance.wire import Request, Side
from simp_proto.constants import OFFER, PRESENCE_ANSWER, PRESENCE_QUESTION, RINGING, Chat, Control, Framing, Type
from simp_proto.datagram import build, parse, with_checksum
from tests.faulty import (
    Passage,
    Rule,
    When,
    again,
    answered,
    answering,
    answers,
    asked,
    drops,
    heard,
    last,
    octets,
    other,
    read,
    repeated,
    rewrites,
    said,
    shown,
    since,
    spoken,
    takes,
)

SYN, SYN_ACK, ACK, FIN, ERR = Control.SYN, Control.SYN_ACK, Control.ACK, Control.FIN, Control.ERR
MESSAGE: Final = Chat.MESSAGE
TESTER, STRANGER, DOUBLE = Side.TESTER, Side.STRANGER, Side.DOUBLE
IDLE, PENDING, ACCEPTING, OPEN = State.IDLE, State.PENDING, State.ACCEPTING, State.OPEN
LEAVING, DECLINING = State.LEAVING, State.DECLINING
CALLING: Final = (State.CALLING, State.RINGING)
BARE, HEADER = Framing.BARE, Framing.HEADER
ACCEPT, TYPE, LEAVE = Request.ACCEPT, Request.TYPE, Request.LEAVE


@dataclass(frozen=True)
class Fault:
    """What one daemon does wrong, and the case that finds it, with its section; `framing` is what the tester speaks."""

    section: str
    case: str
    rules: tuple[Rule, ...]
    framing: Framing | None = None


def breaks(section: str, case: str, *rules: Rule, framing: Framing | None = None) -> Fault:
    return Fault(section, case, rules, framing)


# -- what several faults say


def size(least: int, most: int = 1 << 16) -> Callable[[bytes], bool]:
    return lambda data: least <= len(data) < most


def starts(start: bytes) -> Callable[[bytes], bool]:
    return lambda payload: payload.startswith(start)


def mended(data: bytes) -> bytes:
    """With the checksum that is right."""
    return with_checksum(data, HEADER)


def not_ascii(user: bytes) -> bool:
    return not user.isascii()


def not_utf_8(payload: bytes) -> bool:
    return "\ufffd" in payload.decode("utf-8", "replace")


def whole(data: bytes) -> bool:
    """As long as a datagram in `header` says that it is, whatever its checksum."""
    return len(data) >= 41 and int.from_bytes(data[35:39], "big") == len(data) - 41


def length_of(data: bytes) -> int:
    """As the datagram says."""
    return int.from_bytes(data[35:39], "big")


def folded_once(data: bytes) -> bytes:
    """With the checksum of somebody who adds the carries back once only."""
    words = data[:39] + bytes(2) + data[41:] + bytes(len(data) % 2)
    total = sum(int.from_bytes(words[at : at + 2], "big") for at in range(0, len(words), 2))
    return data[:39] + (~((total & 0xFFFF) + (total >> 16)) & 0xFFFF).to_bytes(2, "big") + data[41:]


def carries_again(data: bytes) -> bool:
    return data != folded_once(data)


def with_an_escape(line: bytes) -> bytes:
    return line.replace(b"\\x1b", b"\x1b")


def other_name(line: bytes) -> bytes:
    """Another one than carol's."""
    return line.replace(b"|carol|", b"|mallory|")


def swapped(data: bytes) -> bytes:
    return data[:39] + data[40:41] + data[39:40] + data[41:]


def latest(of: When) -> Callable[[Passage], bytes]:
    """The bytes of the latest that passed before and meets that."""
    return lambda passage: next((each.data for each in passage.before() if of(each)), b"")


def disturbed(passage: Passage) -> bool:
    """A repeat, between which and the same bytes before something came in, at least 2 s after those."""
    between = list(takewhile(lambda each: each.data != passage.data, passage.before()))
    first = next((each for each in passage.before() if each.data == passage.data), None)
    if first is None or first.time < passage.time - 8:
        return False
    return any(heard()(each) and each.time > first.time + 2 for each in between)


def soon(passage: Passage) -> bool:
    """The daemon said something to the tester less than 2 s ago."""
    said_to_it = (each for each in passage.before() if said(side=TESTER)(each))
    return any(passage.time < each.time + 2 for each in said_to_it)


def typed(passage: Passage) -> str:
    """What the person was asked to type last."""
    return next((each.text for each in passage.before() if each.operation is TYPE), "")


def typing(text: str) -> When:
    """The person was asked for a text that begins so."""
    return When(lambda passage: typed(passage).startswith(text))


def unacknowledged(passage: Passage) -> Passage | None:
    """The last chat of the daemon, unless an ACK or a FIN with its number has come since."""
    answered = set()
    for each in passage.before():
        if said(MESSAGE)(each):
            return None if each.sequence in answered else each
        if heard(ACK, FIN, side=TESTER)(each):
            answered.add(each.sequence)
    return None


def its_number(passage: Passage) -> int:
    chat = unacknowledged(passage)
    return chat.sequence if chat else 0


DISTURBED: Final = When(disturbed)
SOON: Final = When(soon)
NUMBERED_0: Final = last(heard(SYN), heard(SYN, sequence=0))
NUMBERED_1: Final = last(heard(SYN), heard(SYN, sequence=1))
ACCEPTED: Final = last(said(SYN) | asked(ACCEPT), asked(ACCEPT))
"""The call that is on was accepted; it didn't cross with one of the daemon's."""
LEFT: Final = last(asked(), asked(LEAVE, state=OPEN))
CANCELLED: Final = last(asked(), asked(LEAVE, state=CALLING))
OUTSTANDING: Final = When(lambda passage: unacknowledged(passage) is not None)
REPEATED: Final = When(repeated)
OFFERED: Final = last(heard(SYN), heard(SYN, framing=BARE, sequence=(0, 1), payload=starts(OFFER)))
CALLED: Final = last(asked(), asked(Request.CALL))
SPOKEN: Final = since(said(SYN, SYN_ACK, FIN), said(MESSAGE))
AN_ACK: Final = heard(ACK, side=TESTER) & SPOKEN


def runs(of: When, key: Callable[[Passage], object]) -> Callable[[Passage], int]:
    """How many different ones in a row the conversation has had, the passage itself included."""
    return lambda passage: len(list(groupby(filter(of, passage.conversation()), key)))


chats: Final = runs(said(MESSAGE), lambda chat: chat.data)
turns: Final = runs(heard(MESSAGE, side=TESTER), lambda chat: chat.sequence)
THE_THIRD: Final = When(lambda passage: chats(passage) == 3)
AN_ODD_TURN: Final = When(lambda passage: turns(passage) % 2 == 1)


def cut_early(passage: Passage) -> bytes:
    """A long payload without its last byte, with which the next one begins."""
    parts = takewhile(lambda each: each.operation is not TYPE, passage.before())
    before = next((part.datagram.payload for part in parts if part.datagram and said(MESSAGE)(part)), b"")
    carried = before[-1:] if len(before) > 1_100 else b""
    payload = carried + parse(passage.data).payload
    return payload[:-1] if len(payload) > 1_100 else payload


def fins_of_the_peer(passage: Passage) -> int:
    """In the last second, itself included."""
    recent = takewhile(lambda each: each.time > passage.time - 1, passage.before())
    return 1 + sum(each.side is passage.side for each in recent if heard(FIN)(each))


def fins_by_the_clock(passage: Passage) -> int:
    """Of all in this second of the clock, itself included."""
    return 1 + sum(map(heard(FIN), takewhile(lambda each: each.time >= passage.time // 1, passage.before())))


FEW_OF_THE_PEER: Final = When(lambda passage: fins_of_the_peer(passage) <= 100)
FEW_BY_THE_CLOCK: Final = When(lambda passage: fins_by_the_clock(passage) <= 100)
RUSH: Final = When(
    lambda passage: sum(map(heard(), takewhile(lambda each: each.time == passage.time, passage.before()))) > 150
)
"""More than 150 datagrams came at this time before it."""
INSISTENCE: Final = b"no, not now, really not"


# -- the faults, in the order of the specification

FAULTS: Final = [
    # -- 1 and 2: the datagram
    breaks("1.1", "answers-from-its-port", rewrites(said(), port=40_000)),
    breaks("2.1", "unknown-type", takes({0: 3}, {0: 2})),
    breaks("2.2", "unknown-chat-operation", takes({0: 2, 1: 2}, {1: 1})),
    breaks("2.2", "unknown-control-operation", takes({0: 1, 1: 0x0A}, {1: 8})),
    breaks("2.2", "sent-operations", rewrites(said(FIN, state=DECLINING), operation=Control.ERR_FIN)),
    breaks("2.3", "unknown-sequence", takes({0: 2, 2: 2}, {2: 0})),
    breaks("2.3", "sequence-beyond-one", drops(heard(sequence=lambda number: number > 1)), framing=BARE),
    breaks("2.4", "user-sent", rewrites(said(side=TESTER) & ~said(SYN, FIN), user=b"bob".ljust(32))),
    breaks("2.4", "user-sent-in-a-call", rewrites(said(FIN), user=b"")),
    breaks("2.4", "user-sent-to-a-stranger", rewrites(said(ACK, side=STRANGER) & answering(FIN, state=IDLE), user=b"")),
    breaks("2.4", "user-received", drops(heard(MESSAGE, user=not_ascii))),
    breaks("2.4", "user-of-a-call", drops(heard(type=Type.CONTROL, user=not_ascii))),
    breaks("2.4", "user-shown", rewrites(shown(r"CONNECTING|a\\"), raw=lambda line: line.replace(rb"\x7c", b"/"))),
    *(
        breaks("2.4", "user-who-has-a-name", rewrites(shown("CHAT|carol|hello from " + name), raw=other_name))
        for name in ("carol", "mallory")
    ),
    breaks(
        "2.5",
        "wrong-length",
        rewrites(
            heard(side=TESTER, datagram=None, data=octets({0: 2, 1: 1}))
            & heard(data=size(45, 60))
            & heard(data=lambda data: data == mended(data) and length_of(data) < len(data) - 41),
            raw=lambda data: mended(data[:35] + (len(data) - 41).to_bytes(4, "big") + data[39:]),
        ),
    ),
    *(
        breaks(
            "2.5",
            "length-is-four-bytes",
            rewrites(
                heard(side=TESTER, datagram=None, data=octets({0: 2, 1: 1}))
                & heard(data=lambda data, bits=bits: length_of(data) & bits == len(data) - 41 != length_of(data)),
                raw=lambda data: mended(data[:35] + (len(data) - 41).to_bytes(4, "big") + data[39:]),
            ),
        )
        for bits in (0xFFFF, 0xFF, 0x7FFF_FFFF)
    ),
    breaks("2.5", "payload-ignored", drops(heard(SYN, payload=lambda it: not (OFFER + b" ").startswith(it[:19])))),
    breaks(
        "2.5",
        "payload-of-an-ack",
        drops(heard(ACK, payload=lambda it: it not in (b"", RINGING, PRESENCE_QUESTION, PRESENCE_ANSWER))),
    ),
    breaks("2.5", "payload-of-a-syn-ack", drops(heard(SYN_ACK, payload=size(1)))),
    breaks("2.5", "payload-empty", rewrites(said(SYN_ACK), payload=b"welcome")),
    breaks(
        "2.6",
        "wrong-checksum",
        rewrites(
            heard(side=TESTER, datagram=None, data=octets({0: 2}))
            & heard(data=lambda it: whole(it) and it[39:41] not in (b"\0\0", b"\xff\xff", mended(it)[40:38:-1])),
            raw=mended,
        ),
    ),
    breaks(
        "2.6",
        "wrong-checksum-of-a-fin",
        rewrites(heard(side=TESTER, datagram=None, data=octets({0: 1, 1: 8})) & heard(data=whole), raw=mended),
    ),
    breaks(  # it verifies by the sum over the whole, in which ffff and 0000 are the same
        "2.6",
        "checksum-zero",
        rewrites(
            heard(data=lambda it: whole(it) and it[39:41] == b"\xff\xff" and bool(read(it[:39] + b"\0\0" + it[41:]))),
            raw=lambda data: data[:39] + b"\0\0" + data[41:],
        ),
    ),
    breaks(  # it forgets the last byte of an odd number
        "2.6",
        "checksum-sent",
        rewrites(
            said(MESSAGE, data=lambda data: len(data) % 2 == 1) & (typing("four") | typing("seven")),
            raw=lambda data: data[:39] + mended(data[:-1])[39:41] + data[41:],
        ),
    ),
    breaks("2.6", "checksum-carries", drops(heard(MESSAGE, payload=starts(b"carry"), data=carries_again))),
    breaks("2.6", "checksum-of-controls", drops(heard(FIN, user=starts(b"carry"), data=carries_again))),
    breaks(
        "2.6",
        "checksum-swapped",
        rewrites(heard(datagram=None, data=lambda it: whole(it) and read(swapped(it)) is not None), raw=swapped),
    ),
    breaks("2.6", "checksum-sent-carries", rewrites(said(MESSAGE, payload=starts(b"carry")), raw=folded_once)),
    breaks(
        "2.7",
        "size-sent",
        rewrites(said(MESSAGE, data=size(1_001)) & typing("0"), payload=lambda it: typed(it).encode()),
    ),
    breaks(
        "2.7",
        "size-in-bytes",
        rewrites(said(MESSAGE, payload=starts("文文".encode())), payload=lambda it: typed(it).encode()),
    ),
    breaks("2.7", "size-received", rewrites(heard(), raw=lambda data: data[:59_000])),
    breaks("2.7", "size-boundaries", drops(heard(MESSAGE, side=TESTER, payload=b""))),
    breaks("2.7", "size-boundaries", drops(heard(MESSAGE, payload=size(32_768, 50_000)))),
    breaks(
        "2.8",
        "malformed-when-idle",
        answers(heard(data=size(38, 39)) & heard(data=octets({1: 8})), lambda it: build(parse(it.data + b"\0"))),
    ),
    breaks(
        "2.8",
        "malformed-controls",
        rewrites(
            heard(side=TESTER, datagram=None, data=octets({0: 1, 38: 0}))
            & heard(data=lambda data: len(data) == 44 and read(data[:-3]) is not None),
            raw=lambda data: data[:-3],
        ),
    ),
    # -- 3: ERR and FIN
    breaks("3.1", "err-unanswered", answers(heard(ERR, side=TESTER), ACK)),
    breaks("3.2", "fin-acknowledged", rewrites(said(ACK) & answering(FIN, side=TESTER, state=OPEN), sequence=1)),
    breaks("3.2", "fin-of-a-stranger", drops(heard(FIN, side=STRANGER, state=IDLE))),
    breaks(
        "3.2",
        "err-fin-acknowledged",
        rewrites(heard(Control.ERR_FIN, state=OPEN), operation=ERR),
    ),
    breaks("3.2", "err-fin-of-a-stranger", drops(heard(Control.ERR_FIN, state=IDLE))),
    breaks("3.2", "fin-of-a-waiting-caller", rewrites(said(ACK) & answering(FIN, state=PENDING), sequence=0)),
    breaks("3.2", "fin-of-a-callee", rewrites(said(ACK) & answering(FIN, state=State.CALLING), sequence=1)),
    breaks("3.2", "fin-of-a-callee", drops(said(ACK) & answering(Control.FIN_ACK, state=State.CALLING))),
    breaks("3.2", "fin-of-a-callee-that-rang", rewrites(said(ACK) & answering(FIN, state=State.RINGING), sequence=1)),
    breaks("3.2", "fin-of-an-accepted-caller", rewrites(said(ACK) & answering(FIN, state=ACCEPTING), sequence=0)),
    breaks("3.2", "fin-of-a-partner-who-is-left", rewrites(said(ACK) & answering(FIN, state=LEAVING), sequence=1)),
    breaks("3.2", "fin-of-a-declined-caller", rewrites(said(ACK) & answering(FIN, state=DECLINING), sequence=1)),
    breaks(
        "3.2",
        "fin-ends",
        answers(
            heard(MESSAGE, side=TESTER) & last(heard(SYN, FIN, side=TESTER), heard(FIN, framing=HEADER, state=OPEN)),
            ACK,
        ),
    ),
    breaks("3.2", "fin-ack-ends", drops(heard(Control.FIN_ACK, state=OPEN))),
    breaks("3.2", "fin-ack-of-its-fin", answers(heard(Control.FIN_ACK, state=DECLINING), ACK)),
    breaks("3.2", "fin-ack-of-a-fin-that-leaves", answers(heard(Control.FIN_ACK, state=LEAVING), ACK)),
    breaks("3.3", "stranger-when-idle", answers(heard(MESSAGE, side=STRANGER, partner=IDLE), ACK)),
    breaks(
        "3.3",
        "stranger-in-a-chat",
        rewrites(heard(FIN, side=STRANGER, partner=OPEN, payload=b"") & ~OUTSTANDING, side=TESTER),
    ),
    breaks(
        "3.3", "handshake-ack-of-a-stranger", rewrites(heard(ACK, side=STRANGER, partner=ACCEPTING) & SOON, side=TESTER)
    ),
    breaks("3.3", "ack-of-a-stranger", rewrites(heard(ACK, side=STRANGER, partner=OPEN) & SOON, side=TESTER)),
    breaks(
        "3.3",
        "strangers-when-calling",
        rewrites(heard(ERR, side=STRANGER, partner=State.CALLING, payload=b"") & SOON, side=TESTER),
    ),
    breaks("3.3", "strangers-when-it-rings", rewrites(heard(ERR, side=STRANGER, partner=State.RINGING), side=TESTER)),
    breaks("3.3", "strangers-before-the-answer", rewrites(heard(FIN, side=DOUBLE, partner=PENDING), side=TESTER)),
    breaks("3.3", "strangers-when-accepting", rewrites(heard(ACK, side=DOUBLE, partner=ACCEPTING) & SOON, side=TESTER)),
    breaks("3.3", "double-in-a-chat", answers(heard(MESSAGE, side=DOUBLE, partner=OPEN), ACK)),
    breaks("3.3", "ack-of-a-double", rewrites(heard(ACK, side=DOUBLE, partner=OPEN) & SOON, side=TESTER)),
    breaks(
        "3.3",
        "strangers-when-declining",
        rewrites(heard(ACK, side=DOUBLE, partner=DECLINING) & SOON, side=TESTER),
    ),
    breaks("3.3", "strangers-when-leaving", rewrites(heard(ACK, side=STRANGER, partner=LEAVING) & SOON, side=TESTER)),
    breaks(
        "3.3", "syn-ack-of-a-stranger", rewrites(heard(SYN_ACK, side=STRANGER, partner=CALLING) & SOON, side=TESTER)
    ),
    # -- 4: calls
    breaks(
        "4.1",
        "handshake",
        rewrites(said(SYN_ACK) & NUMBERED_0 & ACCEPTED, sequence=other),
        rewrites(heard(ACK, state=ACCEPTING) & NUMBERED_0 & ACCEPTED, sequence=other),
    ),
    breaks(
        "4.1",
        "handshake-numbered-1",
        rewrites(said(SYN_ACK) & NUMBERED_1 & ACCEPTED, sequence=other),
        rewrites(heard(ACK, state=ACCEPTING) & NUMBERED_1 & ACCEPTED, sequence=other),
    ),
    breaks("4.1", "nothing-before-the-person", answers(heard(SYN, side=TESTER), SYN_ACK, after=1.5, still=PENDING)),
    breaks("4.1", "chat-for-a-lost-ack", drops(heard(MESSAGE, state=ACCEPTING))),
    breaks(
        "4.1", "ack-of-the-syn-ack", rewrites(said(ACK) & answering(SYN_ACK, sequence=0, state=CALLING), sequence=other)
    ),
    breaks(
        "4.1",
        "ack-of-the-syn-ack-numbered-1",
        rewrites(said(ACK) & answering(SYN_ACK, sequence=1, state=CALLING), sequence=0),
    ),
    breaks("4.1", "handshake-number", rewrites(said(SYN), sequence=other)),
    breaks("4.1", "repeated-syn-ack", rewrites(said(ACK) & answering(SYN_ACK, state=OPEN), sequence=other)),
    breaks("4.2", "offer-answered", rewrites(heard(SYN, payload=starts(OFFER + b" ")), payload=b"")),
    breaks("4.2", "no-offer", rewrites(heard(SYN, sequence=77, payload=starts(OFFER)), sequence=1)),
    breaks("4.2", "no-offer", rewrites(heard(SYN, payload=starts(b"SIMP/1")), payload=OFFER)),
    breaks("4.2", "any-framing-until-the-chat", drops(heard(ACK, framing=BARE, state=ACCEPTING) & OFFERED)),
    breaks("4.2", "any-framing-until-the-chat", drops(heard(FIN, framing=BARE, state=PENDING) & OFFERED)),
    breaks("4.2", "other-framing-in-a-chat", rewrites(heard(MESSAGE), framing=HEADER)),
    breaks(
        "4.2",
        "other-framing-of-a-fin",
        rewrites(heard(FIN, state=OPEN) & since(said(SYN, SYN_ACK), heard(MESSAGE)), framing=HEADER),
    ),
    breaks("4.2", "other-framing-of-an-ack", rewrites(heard(ACK, state=OPEN), framing=HEADER)),
    breaks("4.2", "stays-in-header", rewrites(said(MESSAGE, data=size(0, 50)), framing=BARE)),
    breaks(
        "4.2", "busy-in-header", rewrites(said(ERR, FIN) & answering(SYN, side=STRANGER, framing=BARE), framing=BARE)
    ),
    breaks("4.2", "first-syn", rewrites(said(side=Side.UNKNOWN), framing=HEADER)),
    breaks("4.2", "offer-in-header", rewrites(said(SYN, framing=HEADER), payload=b"")),
    breaks("4.2", "framing-of-the-syn-ack", rewrites(said(ACK) & answering(SYN_ACK, framing=BARE), framing=HEADER)),
    breaks("4.2", "framing-remembered", rewrites(said(SYN), framing=BARE)),
    breaks("4.3", "ringing", drops(said(ACK) & answering(SYN, state=PENDING))),
    breaks("4.3", "ringing-for-an-offer", drops(said(ACK) & answering(SYN, framing=BARE))),
    breaks("4.3", "ringing-numbered-1", rewrites(said(ACK, payload=RINGING, sequence=1), sequence=0)),
    breaks("4.3", "ringing-without-an-offer", drops(said(ACK) & answering(SYN, framing=HEADER, payload=b""))),
    breaks("4.3", "ringing-for-a-partner-who-is-left", drops(heard(SYN, state=LEAVING))),
    breaks(
        "4.3", "ringing-exactly", rewrites(heard(ACK, payload=lambda it: it[:6].lower() == b"ringin"), payload=RINGING)
    ),
    *(
        breaks(
            "4.3",
            "ringing-acknowledges-nothing",
            rewrites(heard(ACK, side=TESTER, payload=RINGING, state=state), payload=b""),
        )
        for state in (ACCEPTING, OPEN)
    ),
    breaks("4.3", "ringing-shown", drops(shown("RINGING|"))),
    breaks("4.4", "syn-repeated", drops(said(SYN) & REPEATED)),
    breaks("4.4", "syn-while-it-rings", drops(heard(ACK, side=TESTER, sequence=0, state=CALLING, user=NAME))),
    breaks("4.4", "syn-while-it-rings-numbered-1", drops(heard(ACK, side=TESTER, sequence=1, state=CALLING))),
    breaks("4.4", "syn-to-the-unknown", answers(said(SYN, side=Side.UNKNOWN), again, after=5.0, still=State.CALLING)),
    breaks("4.4", "clock-of-a-syn", drops(said(SYN) & DISTURBED)),
    breaks("4.5", "repeated-syn", answers(said(SYN_ACK) & last(heard(SYN), heard(state=PENDING)), again)),
    breaks("4.5", "repeated-syn-once-accepted", drops(heard(SYN, side=TESTER, state=ACCEPTING))),
    breaks("4.5", "repeated-syn-once-declined", drops(heard(SYN, side=TESTER, state=DECLINING))),
    breaks(
        "4.5",
        "request-taken-back",
        answers(asked(ACCEPT) & last(heard(SYN, FIN, side=TESTER), heard(FIN, state=PENDING)), SYN_ACK),
    ),
    breaks("4.5", "request-taken-back", drops(heard(ERR, state=PENDING, payload=b""))),
    breaks("4.6", "busy", rewrites(said(ERR), payload=b"busy")),
    breaks("4.6", "busy-numbered-1", rewrites(said(ERR, FIN) & answering(SYN, side=STRANGER, sequence=1), sequence=0)),
    breaks("4.6", "busy-each-time", drops(said(ERR, FIN, side=DOUBLE))),
    breaks(
        "4.6", "busy-each-time", drops(said(ERR, FIN, side=STRANGER) & since(said(SYN_ACK), said(FIN, side=STRANGER)))
    ),
    breaks(
        "4.6",
        "busy-while-accepting",
        drops(heard(SYN, side=STRANGER, partner=ACCEPTING)),
        answers(heard(SYN, side=STRANGER, partner=ACCEPTING), ACK, payload=RINGING),
    ),
    breaks("4.6", "busy-answer-taken", drops(heard(ERR, user=NAME, side=TESTER, state=CALLING))),
    breaks(
        "4.6",
        "fin-answer-taken",
        answers(heard(SYN_ACK, state=IDLE) & last(heard(SYN, FIN), heard(FIN, state=CALLING)), ACK),
    ),
    breaks(
        "4.7",
        "declining",
        rewrites(said(FIN, state=DECLINING) & NUMBERED_0, sequence=other),
        rewrites(heard(ACK, Control.FIN_ACK, state=DECLINING) & NUMBERED_0, sequence=other),
    ),
    breaks(
        "4.7",
        "declining-numbered-1",
        rewrites(said(FIN, state=DECLINING) & NUMBERED_1, sequence=other),
    ),
    breaks(
        "4.7",
        "cancelling",
        rewrites(said(FIN, state=LEAVING) & last(asked(), asked(state=State.CALLING)), sequence=other),
        rewrites(heard(ACK, state=LEAVING) & last(asked(), asked(state=State.CALLING)), sequence=other),
    ),
    breaks(
        "4.7",
        "cancelling-while-it-rings",
        rewrites(said(FIN, state=LEAVING) & last(asked(), asked(state=State.RINGING)), sequence=other),
        rewrites(heard(ACK, state=LEAVING) & last(asked(), asked(state=State.RINGING)), sequence=other),
    ),
    *(
        breaks(
            "4.7",
            name,
            rewrites(said(FIN, state=LEAVING) & LEFT & count, sequence=other),
            rewrites(heard(ACK, state=LEAVING) & LEFT & count & last(said(), said(FIN)), sequence=other),
        )
        for name, count in (
            ("leaving", When(lambda passage: chats(passage) == 1)),
            ("leaving-unsaid", When(lambda passage: chats(passage) == 0 and turns(passage) == 3)),
            ("leaving-after-two", When(lambda passage: chats(passage) == 2)),
        )
    ),
    breaks("4.7", "leaving-repeated", drops(said(FIN, state=LEAVING) & REPEATED & LEFT)),
    breaks(
        "4.7", "cancelling-repeated", drops(said(FIN, state=LEAVING) & REPEATED & CANCELLED & last(said(), REPEATED))
    ),
    breaks("4.7", "clock-of-a-fin-that-leaves", drops(said(FIN, state=LEAVING) & DISTURBED)),
    breaks("4.7", "leaving-once-acknowledged", answers(heard(ACK, state=LEAVING) & LEFT, FIN, after=4.0, still=IDLE)),
    breaks("4.7", "unheard", answers(heard(MESSAGE, state=LEAVING) & last(said(SYN_ACK, FIN), said(FIN)), ACK)),
    breaks(
        "4.7",
        "unheard-before-the-fin",
        answers(heard(MESSAGE, state=LEAVING) & last(said(SYN_ACK, FIN), said(SYN_ACK)), ACK),
    ),
    breaks("4.7", "leaving-after-the-last-word", answers(asked(LEAVE) & OUTSTANDING, FIN, sequence=its_number)),
    breaks("4.8", "crossed-calls", drops(heard(SYN, user=NAME, side=TESTER, state=State.CALLING))),
    breaks("4.8", "crossed-calls-while-it-rings", drops(heard(SYN, side=TESTER, state=State.RINGING))),
    breaks("4.8", "crossed-calls-while-it-rings", rewrites(said(SYN_ACK, sequence=1) & ~ACCEPTED, sequence=0)),
    breaks("4.8", "crossed-answers", drops(heard(SYN_ACK, state=ACCEPTING))),
    breaks("4.9", "new-start", drops(heard(SYN, framing=HEADER, state=OPEN) & since(said(SYN_ACK), heard(MESSAGE)))),
    breaks("4.9", "new-start-with-an-offer", drops(heard(SYN, framing=BARE, state=OPEN))),
    breaks("4.12", "presence", drops(heard(ACK, payload=PRESENCE_QUESTION))),
    *(
        breaks("4.12", "presence-acknowledges-nothing", rewrites(heard(ACK, payload=payload, state=state), payload=b""))
        for payload in (PRESENCE_QUESTION, PRESENCE_ANSWER)
        for state in (ACCEPTING, OPEN)
    ),
    # -- 5: messages
    breaks("5.1", "wrong-handshake-ack", rewrites(heard(ACK, state=ACCEPTING) & NUMBERED_0 & SOON, sequence=0)),
    breaks(
        "5.1",
        "wrong-ack-of-a-handshake-numbered-1",
        rewrites(heard(ACK, state=ACCEPTING) & NUMBERED_1 & SOON, sequence=1),
    ),
    breaks("5.1", "wrong-ack-of-a-fin", rewrites(heard(ACK, state=DECLINING) & NUMBERED_0 & SOON, sequence=0)),
    breaks(
        "5.1",
        "wrong-ack-of-a-fin-numbered-1",
        rewrites(heard(ACK, state=DECLINING) & NUMBERED_1 & SOON, sequence=1),
    ),
    breaks(
        "5.1",
        "wrong-ack-of-a-fin-that-leaves",
        rewrites(heard(ACK, state=LEAVING) & LEFT & SOON, sequence=lambda it: latest(said(FIN))(it)[2]),
    ),
    breaks("5.1", "wrong-ack-of-a-fin-that-cancels", rewrites(heard(ACK, state=LEAVING) & CANCELLED, sequence=0)),
    breaks(
        "5.2",
        "first-number",
        rewrites((said(MESSAGE) | AN_ACK) & typing("first"), sequence=other),
    ),
    *(
        breaks("5.2", name, rewrites((said(MESSAGE) | AN_ACK) & typing(text), sequence=other))
        for name, text in (
            ("first-number-after-a-handshake-numbered-1", "numbered 1"),
            ("first-number-of-a-caller", "called you"),
            ("first-number-of-a-second-chat", "the second chat"),
            ("first-number-after-a-new-start", "after a new start"),
            ("first-number-after-leaving", "after leaving"),
        )
    ),
    breaks("5.2", "next-number", rewrites((said(MESSAGE) | AN_ACK) & THE_THIRD, sequence=other)),
    breaks("5.2", "counter-of-each-direction", rewrites((said(MESSAGE) | AN_ACK & SOON) & AN_ODD_TURN, sequence=other)),
    breaks(
        "5.2",
        "counter-of-the-partner",
        *(
            drops(
                heard(MESSAGE, side=TESTER, sequence=number)
                & last(said(SYN_ACK, MESSAGE), said(MESSAGE, sequence=number))
                & ~since(said(SYN_ACK), heard(MESSAGE, side=TESTER, sequence=1 - number))
            )
            for number in (0, 1)
        ),
    ),
    breaks("5.3", "repeat-is-the-same", rewrites(said(MESSAGE) & REPEATED, sequence=other)),
    breaks("5.4", "ack-number", rewrites(said(ACK) & answering(MESSAGE), sequence=1)),
    breaks("5.4", "wrong-ack", rewrites(heard(ACK) & OUTSTANDING & SOON & typing("one"), sequence=its_number)),
    breaks(
        "5.4",
        "wrong-ack-of-a-second-chat",
        rewrites(heard(ACK, sequence=1, side=TESTER) & OUTSTANDING & typing("another"), sequence=its_number),
    ),
    breaks(
        "5.5",
        "repeat-acknowledged",
        rewrites(
            said(ACK) & last(heard(), heard(MESSAGE) & When(lambda it: last(heard(), heard(data=it.data))(it))),
            sequence=other,
        ),
    ),
    breaks(
        "5.5",
        "either-first-number",
        drops(
            heard(MESSAGE, side=TESTER, sequence=0, payload=b"first") & ~since(heard(SYN), heard(MESSAGE, sequence=1))
        ),
    ),
    breaks("5.5", "repeat-with-other-words-acknowledged", drops(heard(MESSAGE, payload=b"as it wasn't"))),
    breaks("5.6", "not-utf-8", drops(heard(payload=not_utf_8) & heard(payload=starts(b"caf")))),
    breaks(
        "5.6",
        "utf-8",
        rewrites(
            said(MESSAGE, payload=lambda it: "→".encode() in it),
            payload=lambda it: typed(it).encode("ascii", "replace"),
        ),
    ),
    breaks("5.6", "long-message", drops(said(MESSAGE, payload=lambda it: it.isdigit() and len(it) < 1_000))),
    breaks("5.6", "cut-between-characters", rewrites(said(MESSAGE) & typing("éé"), payload=cut_early)),
    breaks("5.6", "cut-after-a-blank", rewrites(said(MESSAGE) & typing("twelve"), payload=cut_early)),
    # -- 6: time
    breaks(
        "6.1",
        "stop-and-wait",
        answers(
            asked(TYPE) & OUTSTANDING & last(heard() | said(MESSAGE), said()),
            MESSAGE,
            sequence=lambda it: 1 - its_number(it),
            payload=lambda it: it.text.encode(),
        ),
    ),
    breaks("6.2", "chat-repeated", drops(said(MESSAGE) & REPEATED & last(said(), REPEATED))),
    breaks("6.2", "clock-of-a-chat", drops(said(MESSAGE) & DISTURBED)),
    breaks(
        "6.2",
        "chat-once-acknowledged",
        answers(heard(ACK, state=OPEN) & typing("it is there"), latest(said(MESSAGE)), after=4.0, still=OPEN),
    ),
    breaks(
        "6.2",
        "chat-after-the-partner-left",
        answers(heard(FIN, state=OPEN) & OUTSTANDING, latest(said(MESSAGE)), after=4.0, still=IDLE),
    ),
    breaks("6.2", "last-words-repeated", drops(said(MESSAGE, state=LEAVING))),
    breaks("6.2", "clock-of-a-syn-ack", drops(said(SYN_ACK) & DISTURBED)),
    breaks(
        "6.2",
        "syn-ack-once-acknowledged",
        answers(
            heard(ACK, state=ACCEPTING) & last(heard(SYN), heard(SYN, user=b"patient")),
            latest(said(SYN_ACK)),
            after=4.0,
            still=OPEN,
        ),
    ),
    breaks(
        "6.2",
        "syn-ack-after-the-caller-left",
        answers(
            heard(FIN, state=ACCEPTING) & last(heard(SYN), heard(SYN, user=b"hasty")),
            latest(said(SYN_ACK)),
            after=4.0,
            still=IDLE,
        ),
    ),
    breaks("6.2", "clock-of-a-fin", drops(said(FIN, state=DECLINING) & DISTURBED)),
    breaks("6.2", "fin-once-acknowledged", answers(heard(ACK, state=DECLINING), FIN, after=4.0, still=IDLE)),
    breaks("6.2", "syn-ack-repeated", rewrites(said(SYN_ACK) & REPEATED, sequence=other)),
    breaks("6.2", "fin-repeated", rewrites(said(FIN, state=DECLINING) & REPEATED, sequence=other)),
    # -- 7: states
    breaks("7", "out-of-place-before-the-answer", answers(heard(SYN_ACK, side=TESTER, state=PENDING), ACK)),
    breaks(
        "7",
        "out-of-place-when-calling",
        answers(heard(MESSAGE, side=TESTER, state=State.CALLING, payload=b"hello"), ACK),
    ),
    breaks(
        "7", "out-of-place-when-declining", answers(heard(MESSAGE, side=TESTER, state=DECLINING, payload=b"hello"), ACK)
    ),
    breaks("7", "out-of-place-when-leaving", answers(heard(SYN_ACK, side=TESTER, state=LEAVING, payload=b""), ACK)),
    breaks("7", "err-of-an-accepted-caller", drops(heard(ERR, state=ACCEPTING))),
    # -- 8: robustness
    breaks(  # it ends for good at a datagram of 1,400 bytes
        "8.1",
        "survival",
        drops(heard(data=b"\xff" * 1_400) | (heard() & since(asked(Request.RESTART), heard(data=b"\xff" * 1_400)))),
    ),
    breaks(
        "8.2",
        "amplification",
        answers(heard(SYN, side=STRANGER, payload=b"", partner=OPEN), ERR, payload=INSISTENCE, times=2),
    ),
    breaks(
        "8.2",
        "amplification-when-idle",
        answers(heard(SYN, side=STRANGER, payload=b"", partner=IDLE), ERR, payload=INSISTENCE, times=2),
    ),
    breaks("8.2", "rate", answers(heard(FIN, side=STRANGER) & RUSH, ACK)),
    *(
        breaks(
            "8.2", "rate-of-all-strangers", drops(heard(FIN, state=IDLE)), answers(heard(FIN, state=IDLE) & few, ACK)
        )
        for few in (FEW_OF_THE_PEER, FEW_BY_THE_CLOCK)
    ),
    breaks(
        "8.3",
        "error-text-cut",
        rewrites(shown("ERROR|tester's daemon says: 'zz"), raw=lambda line: b"ERROR|" + b"z" * 1_000 + b"\n"),
    ),
    # -- what the person is shown
    breaks(
        "3.3",
        "strangers-unseen-in-a-call",
        rewrites(heard(ERR, payload=b"unasked", partner=State.CALLING), side=TESTER),
    ),
    breaks(
        "3.3",
        "strangers-unseen-in-a-chat",
        rewrites(heard(ERR, side=STRANGER, payload=b"unasked", partner=OPEN), side=TESTER),
    ),
    breaks("4.5", "request-shown-once", answers(shown("CONNECTING|tester"), lambda it: it.data)),
    breaks("4.5", "request-taken-back-shown", drops(shown("QUIT|tester", state=IDLE) & answering(ERR))),
    breaks(
        "4.5",
        "text-of-a-request-unseen",
        answers(
            shown("QUIT|tester") & answering(ERR, payload=b"unasked", state=PENDING), lambda it: b"ERROR|unasked\n"
        ),
    ),
    breaks("5.5", "repeat-shown-once", answers(shown("CHAT|tester|two"), lambda it: it.data)),
    breaks("5.5", "repeat-shown-once", drops(shown("CHAT|tester|one") & When(lambda it: turns(it) > 1))),
    breaks(
        "5.5",
        "repeat-with-other-words",
        answers(shown("CHAT|tester|some"), lambda it: b"CHAT|tester|other words\n"),
    ),
    breaks("5.5", "first-chat-shown", drops(shown("CHAT|tester|shown") & answering(MESSAGE, sequence=0))),
    breaks("5.6", "not-utf-8-shown", rewrites(shown("CHAT|tester|na"), raw=lambda line: line.replace(b"\\\\xef", b""))),
    # -- client.md
    breaks(
        "client 1.2",
        "clients-of-this-host",
        rewrites(answered("ERROR|this daemon answers clients on its own host"), raw=lambda _: b"PONG|\n"),
    ),
    breaks("client 1.3", "eight-connections", rewrites(answered("ERROR|8 connections"), raw=lambda _: b"PONG|\n")),
    breaks("client 1.3", "silent-connection-gives-way", drops(answered("ERROR|it said nothing"))),
    breaks("client 1.3", "one-client-at-a-time", rewrites(answered("ERROR|another"), raw=lambda _: b"CONNECTED|eve\n")),
    breaks("client 2.1", "carriage-return", drops(spoken("PING|\r"))),
    breaks("client 2.3", "wrong-line", rewrites(answered("ERROR|read PONG"), raw=lambda _: b"PONG|\n")),
    breaks("client 2.3", "no-operation", drops(answered("ERROR|read 'GET"))),
    breaks("client 2.3", "line-without-end", rewrites(spoken("x" * 65_600), raw=lambda data: data[:100])),
    breaks("client 3.1", "escapes-told", rewrites(shown("CHAT|tester|a"), raw=with_an_escape)),
    breaks("client 3.1", "escapes-read", rewrites(said(MESSAGE, payload=starts(b"a\nb")), payload=b"a\\nb")),
    breaks(
        "client 3.2",
        "longest-message",
        drops(said(MESSAGE, data=size(0, 1_000)) & When(lambda it: len(typed(it)) == 60_000)),
    ),
    breaks("client 3.2", "longest-message", drops(shown("ERROR|") & When(lambda it: len(typed(it)) == 60_001))),
    breaks(
        "client 3.2",
        "acknowledged-when-all-is",
        answers(said(MESSAGE, payload=size(1_100)) & typing("letters"), lambda it: b"ACK|1\n"),
    ),
    breaks("client 4.1", "before-connect", drops(answered("ERROR|read QUIT| before"))),
    breaks("client 4.1", "messages-counted", rewrites(shown("ACK|3"), raw=lambda _: b"ACK|2\n")),
    breaks(
        "client 4.1",
        "nothing-acknowledged-early",
        answers(said(MESSAGE, payload=b"is it there?"), lambda it: b"ACK|1\n"),
    ),
    breaks("client 4.1", "ping-with-a-payload", drops(spoken("PING|what"))),
    breaks("client 4.1", "message-without-a-chat", drops(shown("UNDELIVERED|") & ~since(said(SYN_ACK), said(MESSAGE)))),
    breaks("client 4.2", "undelivered-before-the-end", drops(shown("UNDELIVERED|1") & typing("are you gone?"))),
    breaks(
        "client 4.2", "chat-shown", rewrites(shown("CONNECTED|tester"), raw=lambda line: line.replace(b"|tester", b"|"))
    ),
    breaks("client 4.2", "end-of-a-call-shown", drops(shown("ERROR|User already"))),
    breaks("client 4.2", "end-of-a-call-shown", drops(shown("QUIT|") & answering(FIN, state=State.CALLING) & CALLED)),
]

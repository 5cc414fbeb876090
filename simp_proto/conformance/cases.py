"""The cases: each quotes one rule of `spec/simp.md` or `spec/client.md`, and judges whether a daemon keeps it."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum, unique
from functools import partial
from itertools import product
from string import ascii_letters
from typing import Final, Literal

from simp_proto.conformance.kinds import Matches, is_ack, is_fin, is_message, is_present, is_ringing, is_syn, is_syn_ack
from simp_proto.conformance.tester import NAME, PATIENCE, NotApplicableError, Received, Tester
from simp_proto.conformance.wire import NotRunError, Request, Side
from simp_proto.constants import (
    AMPLIFICATION,
    BUSY,
    ERROR_SIZE,
    MAX_DATAGRAM_SIZE,
    MAX_MESSAGE_SIZE,
    OFFER,
    PRESENCE_ANSWER,
    PRESENCE_QUESTION,
    REQUEST_LIFETIME,
    RETRANSMISSION_INTERVAL,
    RINGING,
    SILENCE,
    TRIES,
    UNANSWERED_INTERVAL,
    UNKNOWN_SYN_INTERVAL,
    USER_SIZE,
    Chat,
    Control,
    Framing,
    Operation,
)
from simp_proto.datagram import CHECKSUM_SIZE, HEAD_SIZE, Datagram, build, offset, with_checksum

MESSAGE: Final = Chat.MESSAGE
SYN, ACK, ERR, FIN = Control.SYN, Control.ACK, Control.ERR, Control.FIN
_FREE: Final = 14
"""Letters of a text that are chosen for its sum."""
_LONG: Final = 2000
"""Characters of a message that no single datagram takes (spec 2.7)."""
_ME: Final = NAME.decode()
_TELL: Final = 1.0
"""Seconds in which a connection is answered."""
_DIGITS: Final = "0123456789" * (_LONG // 10)
_MOST_PAYLOAD: Final = MAX_DATAGRAM_SIZE - HEAD_SIZE - CHECKSUM_SIZE
_MOST: Final = 100
"""Answers to strangers in any second (spec 8.2)."""


@unique
class Level(Enum):
    """How binding a rule is (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"


@dataclass(frozen=True, slots=True)
class Case:
    """One rule, and what judges it: `judge` raises what `tester` defines, or returns where the daemon kept the rule.

    `rule` is quoted from the section.
    """

    name: str
    section: str
    rule: str
    level: Level
    needs: frozenset[Request]
    judge: Callable[[Tester], None]

    @property
    def listens(self) -> bool:
        """Whether the daemon calls, and the tester answers."""
        return Request.CALL in self.needs


CASES: Final[list[Case]] = []
"""In the order of the specification, which is that of a run."""

SLOW: Final[list[Case]] = []
"""Those that take minutes, in the same order."""

_Judge = Callable[[Tester], None]


def _case(
    section: str,
    *needs: Request,
    level: Level = Level.MUST,
    only: Iterable[Framing] = tuple(Framing),
    ours: bool = False,
    slow: bool = False,
    chat: bool = False,
    name: str = "",
) -> Callable[[_Judge], _Judge]:
    """Registers what judges the rule that its docstring quotes; without one, that of the case above it.

    `only`: the framings in which it can be judged; `ours`: only where the tester is no foreign peer. `chat`: it begins
    in one: the daemon's person has accepted the tester's call. `name`: the case's, if it isn't the function's.
    """

    def register(judge: _Judge) -> _Judge:
        def judge_if_applicable(tester: Tester) -> None:
            tester.apply_to(*only)
            if ours and tester.foreign:
                told = "without an offer the tester is a foreign peer, towards which numbers are guesses (9)"
                raise NotApplicableError(told)
            if chat:
                tester.call()
            judge(tester)

        cases = SLOW if slow else CASES
        named = name or judge.__name__.replace("_", "-")
        rule = " ".join(judge.__doc__.split()) if judge.__doc__ else cases[-1].rule
        needed = frozenset(needs) | ({Request.ACCEPT} if chat else frozenset())
        cases.append(Case(named, section, rule, level, needed, judge_if_applicable))
        return judge

    return register


_in_a_chat: Final = partial(_case, chat=True)
"""Registers what judges a rule in a chat, which has begun."""

_ORDERS: Final[tuple[Literal["big", "little"], ...]] = ("big", "little")
_CHECKED: Final = (Framing.HEADER, Framing.TRAILER)


# -- how a case gets to where it begins


def _ring(tester: Tester, syn: bytes | None = None) -> None:
    """Calls, and waits for whatever tells that it rings. `syn`: one that is sent instead of the usual one."""
    tester.send(syn or tester.make_syn())
    tester.collect(within=min(tester.wire.wait, 0.3))


def _be_declined(tester: Tester, syn: bytes | None = None) -> Received:
    _ring(tester, syn)
    tester.ask(Request.DECLINE)
    return tester.expect("a FIN", is_fin, within=PATIENCE)


def _be_left(tester: Tester) -> Received:
    """Has the person leave the chat, or cancel the call. The FIN."""
    tester.ask(Request.LEAVE)
    return tester.expect("a FIN", is_fin, within=PATIENCE)


def _call_and_be_left(tester: Tester) -> Received:
    tester.call()
    return _be_left(tester)


def _be_called_and_ring(tester: Tester) -> Received:
    syn = tester.be_called()
    tester.send(tester.make(ACK, syn.datagram.sequence, RINGING))
    tester.collect(within=min(tester.wire.wait, 0.3))
    return syn


def _be_called_as_known(tester: Tester) -> Received:
    """Has a chat in the conversation's framing first, so that the daemon knows it. The SYN after it."""
    tester.answer_call()
    tester.part()
    return tester.be_called()


def _be_called_in_header(tester: Tester, otherwise: str = "it waits for 30 s") -> Received:
    """The same for a rule about peers that are known to speak it. Raises `NotApplicableError`."""
    syn = _be_called_as_known(tester)
    if syn.datagram.framing is not Framing.HEADER:
        raise NotApplicableError(f"it doesn't remember that the tester speaks header, so that {otherwise}")
    return syn


def _be_called_as_unknown(tester: Tester) -> Received:
    """The SYN to an address that the daemon can't know."""
    tester.ask(Request.CALL, side=Side.UNKNOWN)
    syn = tester.find(is_syn, within=2 * tester.wire.wait, side=Side.UNKNOWN)
    if syn is None:
        raise NotRunError("no call came to the address that no daemon knows; some call only port 7777")
    return syn


# -- 1 and 2: the datagram


@_case("1.1", Request.ACCEPT)
def answers_from_its_port(tester: Tester) -> None:
    """Datagrams travel over UDP, IPv4 or IPv6, from port 7777 to port 7777 unless their users agreed on others."""
    for received in (tester.call(), tester.say(b"hello")):
        tester.judge(received.source == tester.wire.daemon, "every datagram from the port that was called")


@_in_a_chat("2.1")
def unknown_type(tester: Tester) -> None:
    """**Type** is `01` control or `02` chat."""
    for kind in (0x00, 0x03, 0xFF):
        _ignored(tester, _changed(tester, tester.chat(b"type"), "type", bytes((kind,))))


@_in_a_chat("2.2")
def unknown_chat_operation(tester: Tester) -> None:
    """**Operation** of a chat is `01`, MESSAGE."""
    for operation in (0x00, 0x02, 0x81):
        _ignored(tester, _changed(tester, tester.chat(b"operation"), "operation", bytes((operation,))))


@_in_a_chat("2.2")
def unknown_control_operation(tester: Tester) -> None:
    """MUST be one of ERR `01`, SYN `02`, ACK `04`, SYN+ACK `06`, FIN `08`."""
    for operation in (0x00, 0x0A, 0x10, 0x18, 0x88):  # of which some have FIN's bit, and none is a FIN
        _ignored(tester, _changed(tester, tester.make(FIN, tester.number), "operation", bytes((operation,))))


@_case("2.2", Request.ACCEPT, Request.DECLINE, Request.LEAVE)
def sent_operations(tester: Tester) -> None:
    """ERR+FIN `09` and FIN+ACK `0c` MUST be understood, and MUST NOT be sent."""
    heard = [_be_declined(tester)]
    tester.acknowledge(heard[-1])
    heard.append(_call_and_be_left(tester))
    kept = all(received.datagram.operation is FIN for received in heard)
    tester.judge(kept, "FIN 08, both to decline and to leave")


@_in_a_chat("2.3", only=_CHECKED)
def unknown_sequence(tester: Tester) -> None:
    """**Sequence** is `00` or `01`."""
    for number in (0x02, 0x03, 0xFF):
        _ignored(tester, _changed(tester, tester.chat(b"sequence"), "sequence", bytes((number,))))


@_in_a_chat("2.3", only=[Framing.BARE])
def sequence_beyond_one(tester: Tester) -> None:
    """In `bare`, 0 to 255 MUST be understood (9.2)"""
    tester.say(b"one")
    for number in (2, 0xFF):
        tester.send(tester.chat(b"two", number))
        tester.expect(f"ACK {number}", _acknowledging(number))


@_case("2.4", Request.ACCEPT, Request.TYPE)
def user_sent(tester: Tester) -> None:
    """1 to 32 printable ASCII characters without `|`, padded with NUL to 32 bytes."""
    heard = [tester.call(), tester.hear("hello")]
    tester.acknowledge(heard[-1])
    heard.append(tester.say(b"hello"))
    _named(tester, heard)


@_case("2.4", Request.CALL, Request.LEAVE)
def user_sent_in_a_call(tester: Tester) -> None:
    _named(tester, [tester.be_called(), _be_left(tester)])


@_case("2.4")
def user_sent_to_a_stranger(tester: Tester) -> None:
    tester.send(tester.make(FIN, 1), Side.STRANGER)
    _named(tester, tester.collect(side=Side.STRANGER))


@_in_a_chat("2.4")
def user_received(tester: Tester) -> None:
    """A reader strips NULs and blanks at both ends, accepts any bytes"""
    for user in (b"tester".ljust(USER_SIZE), b"\xff\xfe\x80|\x1b[2J", b"", b"x" * USER_SIZE):
        tester.say(b"who am I?", f"a chat whose user is {_said(user)}", user)


@_case("2.4", Request.ACCEPT)
def user_of_a_call(tester: Tester) -> None:
    for user in (b"", b"\xff\xfe\x80|\x1b[2J"):
        accepted = tester.be_accepted(tester.make_syn(user), f"a SYN+ACK after a SYN whose user is {_said(user)}")
        tester.send(tester.make(ACK, accepted.datagram.sequence, user=user))
        tester.send(tester.make(FIN, tester.number, user=user))
        tester.expect(f"an ACK of a FIN whose user is {_said(user)}", is_ack)
        tester.part()


@_case("2.4", Request.SEE)
def user_shown(tester: Tester) -> None:
    r"""So the bytes `a\|b` are the name `a\\x7cb`, which the escapes of a line (`client.md` 3.1) write as
    `a\\\\x7cb`.
    """
    tester.send(tester.make_syn(rb"a\|b"))
    _judge_shown(tester, "CONNECTING|", [r"CONNECTING|a\\\\x7cb|"], r"the name a\\\\x7cb, with its escapes")


@_case("2.4", Request.ACCEPT, Request.SEE)
def user_who_has_a_name(tester: Tester) -> None:
    """the person's name is the first that is neither empty nor `daemon` (compared without regard to case)."""
    accepted = tester.be_accepted(tester.make_syn(b"DAEMON"))
    tester.send(tester.make(ACK, accepted.datagram.sequence, user=b""))
    tester.shown()
    for user in (b"carol", b"mallory"):
        tester.say(b"hello from " + user, user=user)
    told = ["CHAT|carol|hello from carol", "CHAT|carol|hello from mallory"]
    _judge_shown(tester, "CHAT|", told, "both chats as carol's, whose name was the first")


@_in_a_chat("2.5")
def wrong_length(tester: Tester) -> None:
    """**Length** is the number of payload bytes, big-endian; exactly that many MUST follow."""
    chat = tester.chat(b"length")
    for length in (0, 5, 7, 6 << 24, 0xFFFF_FFFF):  # 6 << 24: six, little-endian
        _ignored(tester, _changed(tester, chat, "length", length.to_bytes(4, "big")))
    _ignored(tester, with_checksum(chat + b"\0", tester.framing or Framing.BARE))


@_in_a_chat("2.5")
def length_is_four_bytes(tester: Tester) -> None:
    chat = tester.chat(b"length")
    for bit in (8, 15, 16, 23, 24, 31):
        wrong = _changed(tester, chat, "length", (6 | 1 << bit).to_bytes(4, "big"))
        _ignored(tester, wrong, f"a length whose bit {bit} is wrong")


@_case("2.5", Request.ACCEPT)
def payload_ignored(tester: Tester) -> None:
    """otherwise it SHOULD be empty and MUST be ignored."""
    accepted = tester.be_accepted(
        tester.make(SYN, 0, b"hello there"), "a SYN+ACK after a SYN with a payload that is no offer"
    )
    tester.acknowledge(accepted)
    tester.send(tester.make(FIN, tester.number, b"goodbye"))
    tester.expect("an ACK of a FIN with a payload", is_ack)


@_in_a_chat("2.5", Request.TYPE)
def payload_of_an_ack(tester: Tester) -> None:
    first = tester.hear("one")
    tester.send(tester.make(ACK, first.datagram.sequence, b"received"))
    kept = tester.hear("two").datagram.payload != first.datagram.payload
    tester.judge(kept, "the next chat: an ACK counts, whatever its payload, except 'ringing'")


@_case("2.5", Request.CALL)
def payload_of_a_syn_ack(tester: Tester) -> None:
    number = tester.be_called().datagram.sequence
    tester.accept(number, "an ACK of a SYN+ACK with a payload", payload=b"welcome")


@_case("2.5", Request.ACCEPT, level=Level.SHOULD)
def payload_empty(tester: Tester) -> None:
    """otherwise it SHOULD be empty"""
    kept = not any(received.datagram.payload for received in (tester.call(), tester.say(b"hello")))
    tester.judge(kept, "a SYN+ACK and an ACK without a payload")


@_in_a_chat("2.6", only=_CHECKED)
def wrong_checksum(tester: Tester) -> None:
    """A checksum is right only if it equals the computed one bit for bit."""
    chat = tester.chat(b"checksum")
    at = offset("checksum", tester.framing or Framing.HEADER, 8)
    right = int.from_bytes(chat[at : at + CHECKSUM_SIZE], "big")
    for wrong in (right ^ 1, right ^ 0x8000, right ^ 0xFFFF):
        _ignored(tester, chat[:at] + wrong.to_bytes(CHECKSUM_SIZE, "big") + chat[at + CHECKSUM_SIZE :])


@_in_a_chat("2.6", only=_CHECKED)
def wrong_checksum_of_a_fin(tester: Tester) -> None:
    fin = tester.make(FIN, tester.number)
    _ignored(tester, fin[:HEAD_SIZE] + bytes((fin[HEAD_SIZE] ^ 0x55, fin[HEAD_SIZE + 1])), "a FIN whose sum is wrong")


@_in_a_chat("2.6", only=[Framing.HEADER])
def checksum_zero(tester: Tester) -> None:
    end = HEAD_SIZE + CHECKSUM_SIZE
    unfilled = tester.chat(b"z\0\0")  # one byte, so that the two after it are a word of the sum
    zero = tester.chat(b"z" + unfilled[HEAD_SIZE:end])
    _ignored(tester, zero[:HEAD_SIZE] + b"\xff\xff" + zero[end:], "the checksum ffff where 0000 is right")
    chat = tester.chat(b"none")
    _ignored(tester, chat[:HEAD_SIZE] + b"\0\0" + chat[end:], "the checksum 0000, which says 'none' in UDP alone")


@_in_a_chat("2.6", only=_CHECKED)
def checksum_carries(tester: Tester) -> None:
    for length in (16, 17, 400, 401, 8_000, 8_001):  # with both numbers, and an odd and an even number of bytes
        for order in _ORDERS:
            payload = _carrying(tester, tester.chat, length, order)
            tester.say(payload, f"a chat of {length} bytes whose sum has a carry of its carries")
    tester.say(b"~" * 64, "a chat whose bytes are all 7e")
    tester.say(bytes(64), "a chat whose bytes are all 00")


@_case("2.6", Request.ACCEPT, only=_CHECKED)
def checksum_of_controls(tester: Tester) -> None:
    for order in _ORDERS:
        for number in (0, 1):
            user = _carrying(tester, lambda user, it=number: tester.make(FIN, it, user=user), USER_SIZE, order)  # type: ignore[misc]
            _say_fin_of(tester, user)
    for user in (b"~" * USER_SIZE, b"t"):
        _say_fin_of(tester, user)


@_in_a_chat("2.6", only=_CHECKED)
def checksum_swapped(tester: Tester) -> None:
    """big-endian"""
    chat = tester.chat(b"checksums")  # an odd number, with which a swapped one isn't right at the end either
    at = offset("checksum", tester.framing or Framing.HEADER, 9)
    low, high = chat[at : at + CHECKSUM_SIZE]
    _ignored(tester, chat[:at] + bytes((high, low)) + chat[at + CHECKSUM_SIZE :], "a checksum with its bytes swapped")


@_in_a_chat("2.6", Request.TYPE, only=[Framing.HEADER])
def checksum_sent(tester: Tester) -> None:
    """the checksum of RFC 1071 over the whole datagram with these two bytes zero (and one zero byte after an odd
    number of bytes), big-endian
    """
    for text in ("four", "seven"):  # with 41 bytes around them, odd and even
        tester.acknowledge(tester.hear(text))


@_in_a_chat("2.6", Request.TYPE, only=[Framing.HEADER])
def checksum_sent_carries(tester: Tester) -> None:
    for length, order in product((900, 901), _ORDERS):
        before = tester.hear("one").datagram  # which shows the name, and the number that comes next
        tester.send(tester.make(ACK, before.sequence))
        text = _carrying(tester, lambda text, it=before: _chat_like(it, text), length, order).decode()  # type: ignore[misc]
        heard = tester.hear(text)
        tester.acknowledge(heard)
        tester.judge(heard.datagram.payload == text.encode(), f"a chat with the {length} characters that were typed")


@_in_a_chat("2.7", Request.TYPE)
def size_sent(tester: Tester) -> None:
    """A daemon MUST NOT send more than 1,200 bytes in one datagram"""
    received: Received | None = tester.hear(_DIGITS)
    while received:  # whether all of it comes is another rule (5.6)
        _judge_size(tester, received)
        tester.acknowledge(received)
        received = tester.find(is_message)


@_in_a_chat("2.7", Request.TYPE, only=[Framing.HEADER])
def size_in_bytes(tester: Tester) -> None:
    for received in _whole(tester, "文" * _LONG):
        _judge_size(tester, received)


@_in_a_chat("2.7")
def size_received(tester: Tester) -> None:
    """so that no path fragments it, and MUST accept any size that UDP carries."""
    for length in (257, 1_100, _MOST_PAYLOAD, 60_000):
        tester.say(b"x" * length, f"a chat with {length} bytes of payload")


@_in_a_chat("2.7")
def size_boundaries(tester: Tester) -> None:
    """MUST accept any size that UDP carries."""
    for length in (0, 1, 2, 127, 128, 255, 256, 511, 512, 1023, 1024, 32_767, 32_768, _MOST_PAYLOAD - 1, _MOST_PAYLOAD):
        tester.say(b"x" * length, f"a chat with {length} bytes of payload")


@_case("2.8")
def malformed_when_idle(tester: Tester) -> None:
    """It MUST be ignored, in every state, and never answered."""
    fin = tester.make(FIN, 0)
    zero, four = (_changed(tester, fin, "type", kind) for kind in (b"\0", b"\x04"))
    length = _changed(tester, fin, "length", b"\0\0\0\1")
    for data in (b"", b"\0", fin[:1], fin[:-3], fin + b"\0", fin + bytes(5), zero, four, length, bytes(range(256))):
        tester.send(data)
        tester.silence("no answer to what is malformed", within=min(tester.wire.wait, 0.2))
    tester.silence("no answer to what is malformed")


@_case("2.8", Request.ACCEPT)
def malformed_controls(tester: Tester) -> None:
    more = bytes(3)
    tester.send(tester.make_syn() + more)
    tester.silence("no answer to a SYN with bytes too many")
    accepted = tester.be_accepted()
    tester.send(tester.make(ACK, accepted.datagram.sequence) + more)
    _expect_syn_ack_still(tester, "the ACK had bytes too many")
    tester.acknowledge(accepted)
    for operation in (SYN, FIN, Control.ERR_FIN, Control.FIN_ACK):
        _ignored(tester, tester.make(operation, tester.number) + more, f"{operation.label} with bytes too many")


# -- 3: ERR and FIN


@_case("3.1", Request.ACCEPT)
def err_unanswered(tester: Tester) -> None:
    """An ERR MUST NOT be answered"""
    tester.send(tester.make(ERR, 0, b"out of the blue"))
    tester.silence("no answer to a stranger's ERR")
    tester.call()
    tester.send(tester.make(ERR, tester.number, b"just a remark"))
    tester.silence("no answer to the partner's ERR")
    tester.say(b"we are still here", "a chat after the partner's ERR")


@_case("3.2", Request.ACCEPT)
def fin_acknowledged(tester: Tester) -> None:
    """Every FIN, including a stranger's and including an ERR+FIN, MUST be acknowledged by an ACK with its sequence
    number.
    """
    for number in (0, 1):
        tester.call()
        tester.say(b"goodbye")
        _say_fin(tester, FIN, number)


@_case("3.2")
def fin_of_a_stranger(tester: Tester) -> None:
    for number in (0, 1):
        _say_fin(tester, FIN, number, Side.STRANGER)


@_in_a_chat("3.2")
def err_fin_acknowledged(tester: Tester) -> None:
    _say_fin(tester, Control.ERR_FIN, tester.number)


@_case("3.2")
def err_fin_of_a_stranger(tester: Tester) -> None:
    for number in (0, 1):
        _say_fin(tester, Control.ERR_FIN, number, Side.STRANGER)


def _acknowledges_fins(begin: Callable[[Tester], object], *fins: Control) -> _Judge:
    """Judges whether each of these, with either number, is acknowledged to somebody with whom that has begun."""

    def judge(tester: Tester) -> None:
        for fin, number in product(fins, (0, 1)):
            begin(tester)
            _say_fin(tester, fin, number)

    return judge


_FINS: Final = (FIN, Control.ERR_FIN, Control.FIN_ACK)
_ONLY_FINS: Final = (FIN, Control.ERR_FIN)
"""Where a FIN is outstanding, FIN+ACK is an ACK."""

_case("3.2", name="fin-of-a-waiting-caller")(_acknowledges_fins(_ring, *_FINS))
_case("3.2", Request.CALL, name="fin-of-a-callee")(_acknowledges_fins(Tester.be_called, *_FINS))
_case("3.2", Request.CALL, only=[Framing.HEADER], name="fin-of-a-callee-that-rang")(
    _acknowledges_fins(_be_called_and_ring, *_FINS)
)
_case("3.2", Request.ACCEPT, name="fin-of-an-accepted-caller")(_acknowledges_fins(Tester.be_accepted, *_FINS))
_case("3.2", Request.ACCEPT, Request.LEAVE, name="fin-of-a-partner-who-is-left")(
    _acknowledges_fins(_call_and_be_left, *_ONLY_FINS)
)
_case("3.2", Request.DECLINE, name="fin-of-a-declined-caller")(_acknowledges_fins(_be_declined, *_ONLY_FINS))


@_case("3.2", Request.ACCEPT)
def fin_ends(tester: Tester) -> None:
    """A FIN+ACK ends the conversation as a FIN does"""
    for number in (0, 1):
        tester.call()
        _end(tester, FIN, number, f"FIN {number}")


@_in_a_chat("3.2")
def fin_ack_ends(tester: Tester) -> None:
    _end(tester, Control.FIN_ACK, tester.number, "FIN+ACK")


@_case("3.2", Request.DECLINE)
def fin_ack_of_its_fin(tester: Tester) -> None:
    """if the receiver has a FIN outstanding, the FIN+ACK counts as the ACK of that FIN, and is not acknowledged."""
    fin = _be_declined(tester)
    tester.send(tester.make(Control.FIN_ACK, fin.datagram.sequence))
    tester.silence("no answer to a FIN+ACK that answers its FIN")
    tester.say_syn()
    tester.judge(not tester.find(is_fin), "a new request, since the FIN of the last one was acknowledged by FIN+ACK")


@_case("3.2", Request.ACCEPT, Request.LEAVE)
def fin_ack_of_a_fin_that_leaves(tester: Tester) -> None:
    fin = _call_and_be_left(tester)
    tester.send(tester.make(Control.FIN_ACK, fin.datagram.sequence))
    tester.silence("no answer to a FIN+ACK that answers its FIN")


@_case("3.3")
def stranger_when_idle(tester: Tester) -> None:
    """Anything else from a stranger, except a SYN, MUST be ignored."""
    _be_strange(tester)
    tester.silence("no answer to a stranger's ACK, SYN+ACK, chat or ERR", side=Side.STRANGER)


@_in_a_chat("3.3")
def stranger_in_a_chat(tester: Tester) -> None:
    _be_strange(tester)
    tester.silence("no answer to a stranger's ACK, SYN+ACK, chat or ERR during a chat", side=Side.STRANGER)
    tester.send(tester.make(FIN, 1), Side.STRANGER)
    tester.collect(side=Side.STRANGER)
    tester.judge(not tester.collect(within=0), "nothing to the partner for what a stranger said")
    tester.say(b"we are still here")


@_case("3.3", Request.ACCEPT)
def handshake_ack_of_a_stranger(tester: Tester) -> None:
    accepted = tester.be_accepted()
    tester.send(tester.make(ACK, accepted.datagram.sequence), Side.STRANGER)
    _expect_syn_ack_still(tester, "a stranger sent its ACK")


@_in_a_chat("3.3", Request.TYPE)
def ack_of_a_stranger(tester: Tester) -> None:
    _judge_ack_of(tester, Side.STRANGER, "a stranger")


@_case("3.3", Request.CALL)
def strangers_when_calling(tester: Tester) -> None:
    _judge_call_goes_on(tester, tester.be_called())


@_case("3.3", Request.CALL, only=[Framing.HEADER])
def strangers_when_it_rings(tester: Tester) -> None:
    _judge_call_goes_on(tester, _be_called_and_ring(tester))


@_case("3.3", Request.ACCEPT)
def strangers_before_the_answer(tester: Tester) -> None:
    _ring(tester)
    _let_strangers_speak(tester)
    tester.judge(not tester.collect(within=0), "nothing more to the caller for what strangers said")
    tester.ask(Request.ACCEPT)
    tester.expect("a SYN+ACK, since only strangers took the request back", is_syn_ack, within=PATIENCE)


@_case("3.3", Request.ACCEPT)
def strangers_when_accepting(tester: Tester) -> None:
    accepted = tester.be_accepted()
    _let_strangers_speak(tester, but=ACK)
    _expect_syn_ack_still(tester, "only strangers sent an ACK")
    tester.acknowledge(accepted)
    tester.say(b"we are still here")


@_in_a_chat("3.3")
def double_in_a_chat(tester: Tester) -> None:
    _be_strange(tester, Side.DOUBLE)
    told = "no answer to an ACK, SYN+ACK, chat or ERR from another port of the partner's address"
    tester.silence(told, side=Side.DOUBLE)
    for operation in (FIN, Control.ERR_FIN):
        tester.send(tester.make(operation, 1), Side.DOUBLE)
    tester.collect(side=Side.DOUBLE)
    tester.judge(not tester.collect(within=0), "nothing to the partner for what came from another port")
    tester.say(b"we are still here")


@_case("3.3", Request.CALL, Request.SEE)
def strangers_unseen_in_a_call(tester: Tester) -> None:
    tester.be_called()
    _judge_unseen(tester, "whose call is out")


@_in_a_chat("3.3", Request.SEE)
def strangers_unseen_in_a_chat(tester: Tester) -> None:
    _judge_unseen(tester, "who is in a chat")


@_in_a_chat("3.3", Request.TYPE)
def ack_of_a_double(tester: Tester) -> None:
    _judge_ack_of(tester, Side.DOUBLE, "another port")


@_case("3.3", Request.DECLINE)
def strangers_when_declining(tester: Tester) -> None:
    _be_declined(tester)
    _let_strangers_speak(tester)
    tester.say_syn()
    _expect_still(tester, "FIN", is_fin, "only strangers sent an ACK")


@_case("3.3", Request.ACCEPT, Request.LEAVE)
def strangers_when_leaving(tester: Tester) -> None:
    _call_and_be_left(tester)
    _let_strangers_speak(tester)
    _expect_still(tester, "FIN", is_fin, "only strangers sent an ACK")


@_case("3.3", Request.CALL)
def syn_ack_of_a_stranger(tester: Tester) -> None:
    number = tester.be_called().datagram.sequence
    tester.send(tester.make(Control.SYN_ACK, number), Side.STRANGER)
    tester.silence("no answer to a stranger's SYN+ACK", side=Side.STRANGER)
    tester.expect_none("no ACK to the tester, since a stranger sent the SYN+ACK", is_ack, within=0)


# -- 4: calls


@_case("4.1", Request.ACCEPT, only=[Framing.HEADER, Framing.BARE])
def handshake(tester: Tester) -> None:
    """the callee sends a SYN+ACK with the SYN's sequence number"""
    tester.judge(tester.call().datagram.sequence == 0, "a SYN+ACK numbered 0")


@_case("4.1", Request.ACCEPT, only=[Framing.HEADER])
def handshake_numbered_1(tester: Tester) -> None:
    accepted = tester.be_accepted(tester.make(SYN, 1, OFFER), "a SYN+ACK, to a SYN numbered 1")
    tester.judge(accepted.datagram.sequence == 1, "a SYN+ACK numbered 1, as the SYN")
    tester.send(tester.make(ACK, 1))
    tester.say(b"hello")
    tester.expect_none("no SYN+ACK again: ACK 1 has acknowledged it", is_syn_ack, within=RETRANSMISSION_INTERVAL)


@_case("4.1")
def nothing_before_the_person(tester: Tester) -> None:
    """When the callee's person accepts, the callee sends a SYN+ACK"""
    tester.say_syn()
    tester.expect_none("no SYN+ACK before anybody has accepted", is_syn_ack, within=2 * tester.wire.wait)


@_case("4.1", Request.ACCEPT)
def chat_for_a_lost_ack(tester: Tester) -> None:
    """A chat that arrives before the ACK counts as the ACK."""
    tester.be_accepted()
    tester.say(b"my ACK got lost")


@_case("4.1", Request.CALL)
def ack_of_the_syn_ack(tester: Tester) -> None:
    """the caller answers with an ACK that has the SYN+ACK's sequence number."""
    number = tester.be_called().datagram.sequence
    tester.send(tester.make(Control.SYN_ACK, number))
    tester.expect(f"ACK {number}", _acknowledging(number))


@_case("4.1", Request.CALL, only=[Framing.HEADER])
def ack_of_the_syn_ack_numbered_1(tester: Tester) -> None:
    tester.be_called()
    tester.send(tester.make(Control.SYN_ACK, 1))
    tester.expect("ACK 1, of a SYN+ACK numbered 1", _acknowledging(1))


@_case("4.1", Request.CALL)
def handshake_number(tester: Tester) -> None:
    """Handshakes have sequence number 0."""
    tester.judge(tester.be_called().datagram.sequence == 0, "a SYN numbered 0")


@_case("4.1", Request.CALL)
def repeated_syn_ack(tester: Tester) -> None:
    """A repeated SYN+ACK is acknowledged again."""
    acknowledged = tester.answer_call().datagram
    if is_message(acknowledged):
        raise NotApplicableError("its person spoke immediately, which counts as the ACK")
    tester.send(tester.make(Control.SYN_ACK, acknowledged.sequence))
    tester.expect(f"ACK {acknowledged.sequence} again", _acknowledging(acknowledged.sequence))


@_case("4.2", Request.ACCEPT, only=[Framing.HEADER])
def offer_answered(tester: Tester) -> None:
    """A daemon that understands it MUST answer in `header`, and both then stay in `header`."""
    tester.send(tester.make(SYN, 0, OFFER + b" and-more", framing=Framing.BARE))  # a longer one is one, too (spec 11)
    ringing = tester.find(lambda datagram: datagram.operation is not Control.ERR)
    tester.ask(Request.ACCEPT)
    accepted = tester.expect("a SYN+ACK", is_syn_ack, within=PATIENCE)
    for received in (ringing, accepted):
        tester.judge(not received or received.datagram.framing is Framing.HEADER, "all answers to an offer in header")


@_case("4.2", only=[Framing.HEADER])
def no_offer(tester: Tester) -> None:
    """An offer is a payload that begins with this text, in a SYN numbered 0 or 1."""
    for number, payload in ((77, OFFER), (0, OFFER[:6]), (0, OFFER[:-1]), (1, OFFER.lower()), (0, b" " + OFFER)):
        tester.send(tester.make(SYN, number, payload, framing=Framing.BARE))
        tester.silence(f"no answer in header to SYN {number} in bare with {payload.decode()!r}, which is no offer")
        tester.send(tester.make(FIN, number, framing=Framing.BARE))
        tester.expect("the ACK of a FIN in bare", is_ack)


@_case("4.2", Request.ACCEPT, only=[Framing.HEADER])
def any_framing_until_the_chat(tester: Tester) -> None:
    """so until then both accept any framing."""
    _ring(tester, tester.make(SYN, 0, OFFER, framing=Framing.BARE))
    tester.send(tester.make(FIN, 0, framing=Framing.BARE))
    tester.expect("an ACK of a FIN in bare that takes an offer back", is_ack)
    accepted = tester.be_accepted(tester.make(SYN, 0, OFFER, framing=Framing.BARE))
    tester.send(tester.make(ACK, accepted.datagram.sequence, framing=Framing.BARE))
    _judge_end(tester, "no SYN+ACK again, since its ACK in bare counts")
    tester.say(b"hello")


@_in_a_chat("4.2", only=[Framing.HEADER])
def other_framing_in_a_chat(tester: Tester) -> None:
    """In the chat, a datagram in a framing other than the chat's MUST be ignored, except a SYN."""
    for framing in (Framing.BARE, Framing.TRAILER):
        _ignored(tester, tester.make(MESSAGE, tester.number, b"framing", framing=framing), f"a chat in {framing.value}")


@_in_a_chat("4.2", only=[Framing.HEADER])
def other_framing_of_a_fin(tester: Tester) -> None:
    tester.say(b"hello")  # a chat in header, so that no doubt about the framing is left
    _ignored(tester, tester.make(FIN, tester.number, framing=Framing.BARE), "a FIN in bare")


@_in_a_chat("4.2", Request.TYPE, only=[Framing.HEADER])
def other_framing_of_an_ack(tester: Tester) -> None:
    first = tester.hear("one")
    tester.send(tester.make(ACK, first.datagram.sequence, framing=Framing.BARE))
    _still_waiting(tester, first, "no other chat before the first is acknowledged in header: only bare was used")


@_case("4.2", Request.ACCEPT, Request.TYPE, Request.LEAVE, only=[Framing.HEADER])
def stays_in_header(tester: Tester) -> None:
    """A daemon that understands it MUST answer in `header`, and both then stay in `header`."""
    tester.apply_to(*Framing)  # whatever comes after the offer is judged
    heard = [tester.call(), tester.say(b"hello"), tester.hear("hello")]
    tester.acknowledge(heard[-1])
    heard.append(_be_left(tester))
    kept = all(received.datagram.framing is Framing.HEADER for received in heard)
    tester.judge(kept, "SYN+ACK, ACK, chat and FIN, all in header")


@_in_a_chat("4.2", only=[Framing.HEADER])
def busy_in_header(tester: Tester) -> None:
    """A daemon that understands it MUST answer in `header`"""
    tester.send(tester.make(SYN, 0, OFFER, framing=Framing.BARE), Side.STRANGER)
    answers = tester.collect(side=Side.STRANGER)
    kept = answers and all(received.datagram.framing is Framing.HEADER for received in answers)
    tester.judge(kept, "ERR and FIN in header, to a stranger who calls in bare with an offer")


@_case("4.2", Request.CALL, only=[Framing.HEADER])
def first_syn(tester: Tester) -> None:
    """A SYN to a peer about which nothing is known MUST be `bare`, with the ASCII payload"""
    syn = _be_called_as_unknown(tester)
    kept = syn.datagram.framing is Framing.BARE and syn.datagram.payload.startswith(OFFER)
    tester.judge(kept, f"a SYN in bare with the payload {OFFER.decode()!r}")


@_case("4.2", Request.CALL, level=Level.SHOULD, only=[Framing.HEADER])
def offer_in_header(tester: Tester) -> None:
    """A `header` SYN SHOULD carry the offer too."""
    syn = _be_called_as_known(tester).datagram
    kept = syn.framing is not Framing.HEADER or syn.payload.startswith(OFFER)
    tester.judge(kept, f"a SYN with the payload {OFFER.decode()!r}")


@_case("4.2", Request.CALL, only=[Framing.HEADER])
def framing_of_the_syn_ack(tester: Tester) -> None:
    """The framing of the SYN+ACK is that of the chat"""
    tester.apply_to(*Framing)  # the chat will be in bare
    syn = _be_called_and_ring(tester)
    told = "the ACK of a SYN+ACK in bare, after ringing in header"
    acknowledged = tester.accept(syn.datagram.sequence, told, framing=Framing.BARE)
    tester.judge(acknowledged.datagram.framing is Framing.BARE, "an ACK in bare, as the SYN+ACK")
    tester.send(tester.make(FIN, 1, framing=Framing.BARE))


@_case("4.2", Request.CALL, level=Level.SHOULD, only=[Framing.HEADER])
def framing_remembered(tester: Tester) -> None:
    """A daemon SHOULD remember the framing in which a peer answered a call, or had a chat, and use it from the
    first SYN on
    """
    kept = _be_called_as_known(tester).datagram.framing is Framing.HEADER
    tester.judge(kept, "a SYN in header to a peer that had a chat in it")


@_case("4.3", only=[Framing.HEADER])
def ringing(tester: Tester) -> None:
    """A callee MUST immediately answer each SYN that is in `header` or carries an offer by an ACK in `header`, with the
    SYN's sequence number and the ASCII payload `ringing`
    """
    for nth in ("first", "second", "third"):
        tester.say_syn()
        tester.expect(f"ACK 0 'ringing' to the {nth} SYN", lambda each: is_ringing(each) and each.sequence == 0)


@_case("4.3", only=[Framing.HEADER])
def ringing_for_an_offer(tester: Tester) -> None:
    """A callee MUST immediately answer each SYN that is in `header` or carries an offer by an ACK in `header`"""
    tester.send(tester.make(SYN, 0, OFFER, framing=Framing.BARE))
    ringing = tester.expect("ACK 0 'ringing', to a SYN in bare with an offer", is_ringing)
    kept = ringing.datagram.framing is Framing.HEADER and ringing.datagram.sequence == 0
    tester.judge(kept, "ACK 0 'ringing' in header")


@_case("4.3", only=[Framing.HEADER])
def ringing_numbered_1(tester: Tester) -> None:
    """by an ACK in `header`, with the SYN's sequence number"""
    tester.send(tester.make(SYN, 1, OFFER))
    tester.expect("ACK 1 'ringing', to a SYN numbered 1", lambda each: is_ringing(each) and each.sequence == 1)


@_case("4.3", only=[Framing.HEADER])
def ringing_without_an_offer(tester: Tester) -> None:
    """A callee MUST immediately answer each SYN that is in `header` or carries an offer by an ACK in `header`"""
    tester.send(tester.make(SYN, 0, framing=Framing.HEADER))
    tester.expect("ACK 0 'ringing', to a SYN in header without an offer", is_ringing)


@_case("4.3", Request.ACCEPT, Request.LEAVE, only=[Framing.HEADER])
def ringing_for_a_partner_who_is_left(tester: Tester) -> None:
    _call_and_be_left(tester)
    tester.say_syn()
    tester.expect("ACK 0 'ringing', to somebody whose FIN is outstanding", is_ringing)


@_case("4.3", Request.CALL, only=[Framing.HEADER])
def ringing_exactly(tester: Tester) -> None:
    """what is in `header` and has exactly this payload says that the call rings"""
    syn = _be_called_in_header(tester)
    for payload in (b"ringing!", b"Ringing", b"ringin", b"ringing\0"):
        tester.send(tester.make(ACK, syn.datagram.sequence, payload))
    tester.send(tester.make(ACK, syn.datagram.sequence, RINGING, framing=Framing.BARE))
    tester.expect_again("the SYN, since nothing said that it rings,", syn, is_syn)


@_case("4.3", Request.ACCEPT, Request.TYPE, only=[Framing.HEADER])
def ringing_acknowledges_nothing(tester: Tester) -> None:
    """and acknowledges nothing."""
    _judge_no_acks(tester, "does it ring?", RINGING)


@_case("4.3", Request.CALL, Request.SEE, level=Level.SHOULD, only=[Framing.HEADER])
def ringing_shown(tester: Tester) -> None:
    """The caller SHOULD show its person that the call rings."""
    syn = tester.be_called()
    tester.send(tester.make(ACK, syn.datagram.sequence, RINGING, user=b"visitor"))
    _judge_shown(tester, "RINGING|", ["RINGING|visitor|"], "that the call rings")


@_case("4.4", Request.CALL, only=[Framing.HEADER])
def syn_repeated(tester: Tester) -> None:
    """The caller repeats its SYN every 5 s to a peer known to speak `header`"""
    syn = _be_called_in_header(tester)
    if b" SIMP/2 " in syn.datagram.payload:
        raise NotApplicableError("its SYN offers SIMP/2, too, by whose clock it is repeated (simp2 4.4)")
    tester.expect_again("the SYN", syn, is_syn)


@_case("4.4", Request.CALL, only=[Framing.HEADER])
def syn_while_it_rings(tester: Tester) -> None:
    """every 30 s once the call rings."""
    syn = _be_called_as_known(tester)
    tester.send(tester.make(ACK, syn.datagram.sequence, b"ringing"))
    tester.silence("no other SYN for 30 s", within=RETRANSMISSION_INTERVAL + 1.5)


@_case("4.4", Request.CALL, only=[Framing.HEADER])
def syn_while_it_rings_numbered_1(tester: Tester) -> None:
    _be_called_as_known(tester)
    tester.send(tester.make(ACK, 1, RINGING))  # whose number isn't looked at (spec 4.3)
    tester.silence("no other SYN for 30 s", within=RETRANSMISSION_INTERVAL + 1.5)


@_case("4.4", Request.CALL, only=[Framing.HEADER])
def syn_to_the_unknown(tester: Tester) -> None:
    """every 30 s to any other"""
    _be_called_as_unknown(tester)
    again = tester.find(is_syn, within=RETRANSMISSION_INTERVAL + 1.5, side=Side.UNKNOWN)
    tester.judge(not again, "no other SYN for 30 s to a peer about which nothing is known")


@_case("4.4", Request.CALL, only=[Framing.HEADER])
def clock_of_a_syn(tester: Tester) -> None:
    """The caller repeats its SYN every 5 s to a peer known to speak `header`"""
    syn = _be_called_in_header(tester)
    _make_noise(tester, syn, MESSAGE)
    _unchanged(tester, syn, tester.expect_again("the SYN", syn, is_syn))


@_case("4.5", Request.ACCEPT)
def repeated_syn(tester: Tester) -> None:
    """A repeated SYN changes nothing at the callee except the request's age."""
    tester.say_syn()
    tester.say_syn()
    tester.collect(within=min(tester.wire.wait, 0.5))
    accepted = tester.be_accepted()
    told = "one SYN+ACK for a SYN that was repeated before it was accepted"
    tester.expect_none(told, is_syn_ack, within=min(tester.wire.wait, RETRANSMISSION_INTERVAL - 1))
    tester.acknowledge(accepted)
    tester.say(b"hello")


@_case("4.5", Request.ACCEPT)
def repeated_syn_once_accepted(tester: Tester) -> None:
    """Once the request is accepted, a repeated SYN is answered by the SYN+ACK"""
    tester.be_accepted()
    tester.say_syn()
    tester.expect("the SYN+ACK again, immediately", is_syn_ack)


@_case("4.5", Request.DECLINE)
def repeated_syn_once_declined(tester: Tester) -> None:
    """once it is declined, by the FIN."""
    _be_declined(tester)
    tester.say_syn()
    tester.expect("the FIN again, immediately", is_fin)


@_case("4.5", Request.ACCEPT)
def request_taken_back(tester: Tester) -> None:
    """A request stays until it is answered, until the caller's FIN or ERR arrives"""
    for operation in (FIN, ERR, Control.ERR_FIN, Control.FIN_ACK):
        _ring(tester)
        tester.send(tester.make(operation, 0))
        tester.collect(within=min(tester.wire.wait, 0.3))
        tester.ask(Request.ACCEPT, quiet=True)
        tester.expect_none(f"no SYN+ACK to a caller whose {operation.label} took the request back", is_syn_ack)


@_case("4.5", Request.SEE)
def request_shown_once(tester: Tester) -> None:
    """A repeated SYN changes nothing at the callee except the request's age."""
    for _ in range(3):
        tester.say_syn()
    _judge_shown(tester, "CONNECTING|", [f"CONNECTING|{_ME}|"], "one request, for three SYNs")


@_case("4.5", Request.SEE)
def text_of_a_request_unseen(tester: Tester) -> None:
    """Until a request is accepted, no text from its sender, such as that of an ERR, is shown to the person."""
    tester.say_syn()
    tester.shown()
    tester.send(tester.make(MESSAGE, 1, b"unasked"))
    tester.send(tester.make(ERR, 0, b"unasked"))
    kept = not any("unasked" in line for line in tester.shown())
    tester.judge(kept, "no text of somebody whose request isn't accepted")


@_case("4.5", Request.SEE)
def request_taken_back_shown(tester: Tester) -> None:
    """A request stays until it is answered, until the caller's FIN or ERR arrives"""
    for operation in (FIN, ERR):
        tester.say_syn()
        tester.shown()
        tester.send(tester.make(operation, 0, b"taken back"))
        _judge_shown(tester, "QUIT|", ["QUIT|"], f"the end of the request, after {operation.label}")


@_in_a_chat("4.6")
def busy(tester: Tester) -> None:
    """A SYN from one peer, while a chat with another is on or being accepted, MUST be answered by an ERR with the text
    `User already in another chat`, then a FIN, both with the SYN's sequence number.
    """
    tester.say_syn(Side.STRANGER)
    received = [each.datagram for each in tester.collect(side=Side.STRANGER)]
    answers = [(each.operation, each.sequence, each.text if each.operation is ERR else "") for each in received]
    tester.judge(answers == [(ERR, 0, BUSY), (FIN, 0, "")], f"ERR 0 {BUSY!r}, then FIN 0")
    tester.say(b"we are still here")


@_case("4.6", Request.ACCEPT)
def busy_while_accepting(tester: Tester) -> None:
    """A SYN from one peer, while a chat with another is on or being accepted, MUST be answered by an ERR"""
    tester.be_accepted()
    tester.say_syn(Side.STRANGER)
    kept = [each.datagram.operation for each in tester.collect(side=Side.STRANGER)] == [ERR, FIN]
    tester.judge(kept, "ERR, then FIN, to a caller while the ACK of a SYN+ACK to another is missing")


@_in_a_chat("4.6", only=[Framing.HEADER])
def busy_numbered_1(tester: Tester) -> None:
    """both with the SYN's sequence number."""
    tester.send(tester.make(SYN, 1, OFFER), Side.STRANGER)
    answers = [(each.datagram.operation, each.datagram.sequence) for each in tester.collect(side=Side.STRANGER)]
    tester.judge(answers == [(ERR, 1), (FIN, 1)], "ERR 1, then FIN 1, to a SYN numbered 1")


@_in_a_chat("4.6")
def busy_each_time(tester: Tester) -> None:
    """A SYN from one peer, while a chat with another is on or being accepted, MUST be answered by an ERR"""
    for side, nth in product((Side.STRANGER, Side.DOUBLE), ("first", "second", "third")):
        tester.say_syn(side)
        kept = [each.datagram.operation for each in tester.collect(side=side)] == [ERR, FIN]
        where = "another port of the partner's address" if side is Side.DOUBLE else "a stranger"
        tester.judge(kept, f"ERR, then FIN, to the {nth} SYN of {where}")
    tester.say(b"we are still here")


@_case("4.6", Request.CALL)
def busy_answer_taken(tester: Tester) -> None:
    """The caller takes either of them as the end of its call."""
    _refuse_call(tester, ERR, BUSY.encode())


@_case("4.6", Request.CALL)
def fin_answer_taken(tester: Tester) -> None:
    _refuse_call(tester, FIN, b"")


@_case("4.7", Request.DECLINE)
def declining(tester: Tester) -> None:
    """Each of the three is a FIN. Before a SYN+ACK is sent or received, its sequence number is that of the handshake"""
    tester.judge(_be_declined(tester).datagram.sequence == 0, "FIN 0")


@_case("4.7", Request.DECLINE, only=[Framing.HEADER])
def declining_numbered_1(tester: Tester) -> None:
    """Before a SYN+ACK is sent or received, its sequence number is that of the handshake"""
    fin = _be_declined(tester, tester.make(SYN, 1, OFFER))
    tester.judge(fin.datagram.sequence == 1, "FIN 1, to decline a SYN numbered 1")


@_case("4.7", Request.CALL, Request.LEAVE)
def cancelling(tester: Tester) -> None:
    """Each of the three is a FIN. Before a SYN+ACK is sent or received, its sequence number is that of the handshake"""
    tester.be_called()
    tester.judge(_be_left(tester).datagram.sequence == 0, "FIN 0")


@_case("4.7", Request.CALL, Request.LEAVE, only=[Framing.HEADER])
def cancelling_while_it_rings(tester: Tester) -> None:
    """Before a SYN+ACK is sent or received, its sequence number is that of the handshake"""
    _be_called_and_ring(tester)
    fin = _be_left(tester)
    tester.judge(fin.datagram.sequence == 0, "FIN 0")
    tester.acknowledge(fin)


@_in_a_chat("4.7", Request.TYPE, Request.LEAVE, ours=True)
def leaving(tester: Tester) -> None:
    """afterwards it is the one that the next chat would have."""
    heard = tester.hear("goodbye")
    tester.acknowledge(heard)
    fin = _be_left(tester)
    kept = fin.datagram.sequence == _other(heard)
    tester.judge(kept, "a FIN with the number that comes after the chat's")


@_in_a_chat("4.7", Request.LEAVE, ours=True)
def leaving_unsaid(tester: Tester) -> None:
    for text in (b"one", b"two", b"three"):  # which count for the tester alone
        tester.say(text)
    fin = _be_left(tester)
    tester.judge(fin.datagram.sequence == 1, "FIN 1, where the person said nothing")
    tester.acknowledge(fin)


@_in_a_chat("4.7", Request.TYPE, Request.LEAVE, ours=True)
def leaving_after_two(tester: Tester) -> None:
    for text in ("one", "two"):
        tester.acknowledge(tester.hear(text))
    fin = _be_left(tester)
    tester.judge(fin.datagram.sequence == 1, "FIN 1, after chats numbered 1 and 0")
    tester.acknowledge(fin)


@_case("4.7", Request.ACCEPT, Request.LEAVE)
def leaving_repeated(tester: Tester) -> None:
    """It is repeated like a chat (6.2) until it is acknowledged."""
    fin = _call_and_be_left(tester)
    _unchanged(tester, fin, tester.expect_again("the FIN", fin, is_fin))


@_case("4.7", Request.ACCEPT, Request.LEAVE, only=[Framing.HEADER])
def clock_of_a_fin_that_leaves(tester: Tester) -> None:
    fin = _call_and_be_left(tester)
    _make_noise(tester, fin, ACK, MESSAGE, ERR, Control.SYN_ACK)
    tester.expect_again("the FIN", fin, is_fin)


@_case("4.7", Request.ACCEPT, Request.LEAVE, only=[Framing.HEADER])
def leaving_once_acknowledged(tester: Tester) -> None:
    tester.acknowledge(_call_and_be_left(tester))
    _judge_end(tester, "no FIN again once it is acknowledged")


@_case("4.7", Request.CALL, Request.LEAVE)
def cancelling_repeated(tester: Tester) -> None:
    tester.be_called()
    fin = _be_left(tester)
    for nth in ("second", "third"):
        again = tester.expect_again("the FIN", fin, is_fin, nth)
        _unchanged(tester, fin, again)
        fin = again
    tester.acknowledge(fin)


@_case("4.7", Request.ACCEPT, Request.LEAVE)
def unheard(tester: Tester) -> None:
    """A message that arrives after the receiving person has left MUST NOT be acknowledged"""
    _call_and_be_left(tester)
    _judge_unheard(tester)


@_in_a_chat("4.7", Request.TYPE, Request.LEAVE)
def unheard_before_the_fin(tester: Tester) -> None:
    tester.hear("one last word")
    tester.ask(Request.LEAVE, quiet=True)
    tester.collect()  # nothing shows when the person is gone: the FIN may wait for the ACK of that word
    _judge_unheard(tester)


@_in_a_chat("4.7", Request.TYPE, Request.LEAVE, level=Level.SHOULD)
def leaving_after_the_last_word(tester: Tester) -> None:
    """a daemon SHOULD wait until everything its person said is acknowledged"""
    heard = tester.hear("one last word")
    tester.ask(Request.LEAVE, quiet=True)
    tester.expect_none("no FIN before the last message is acknowledged", is_fin)
    tester.acknowledge(heard)
    tester.expect("the FIN after the ACK", is_fin, within=PATIENCE)


@_case("4.8", Request.CALL)
def crossed_calls(tester: Tester) -> None:
    """A daemon that calls a peer and receives that peer's SYN MUST take it for an accepted request, and answer with a
    SYN+ACK.
    """
    tester.be_called()
    tester.say_syn()
    tester.expect("a SYN+ACK, without anybody accepting", is_syn_ack)


@_case("4.8", Request.CALL, only=[Framing.HEADER])
def crossed_calls_while_it_rings(tester: Tester) -> None:
    for number in (0, 1):
        _be_called_and_ring(tester)
        tester.send(tester.make(SYN, number, OFFER))
        accepted = tester.expect("a SYN+ACK, without anybody accepting", is_syn_ack)
        tester.judge(accepted.datagram.sequence == number, f"SYN+ACK {number}, to a SYN numbered {number}")
        tester.acknowledge(accepted)
        tester.say(b"hello")
        tester.part()


@_case("4.8", Request.CALL)
def crossed_answers(tester: Tester) -> None:
    """MUST take it for an accepted request, and answer with a SYN+ACK."""
    syn = tester.be_called()
    tester.send(tester.make_syn(b"visitor"))
    tester.expect("a SYN+ACK, without anybody accepting", is_syn_ack)
    tester.accept(syn.datagram.sequence, "the ACK of the tester's own SYN+ACK")  # as the daemon, so the tester


@_in_a_chat("4.9")
def new_start(tester: Tester) -> None:
    """A SYN from the partner of a chat means that the partner has forgotten it: the chat is over, and the SYN is a
    new request.
    """
    tester.say(b"hello")
    tester.call()
    tester.say(b"hello again")


@_in_a_chat("4.9", only=[Framing.HEADER])
def new_start_with_an_offer(tester: Tester) -> None:
    """A SYN from the partner of a chat means that the partner has forgotten it: the chat is over"""
    tester.say(b"hello")
    tester.send(tester.make(SYN, 0, OFFER, framing=Framing.BARE))  # it has forgotten the framing, too
    tester.judge(not tester.find(is_syn_ack), "no SYN+ACK before anybody has accepted the new request")
    tester.send(tester.chat(b"is the old chat still on?"))
    tester.expect_none("no ACK of a chat after a SYN in bare from the partner", is_ack)


@_case("4.12", level=Level.SHOULD, only=[Framing.HEADER])
def presence(tester: Tester) -> None:
    """A daemon SHOULD answer it with an ACK in `header` that has the same number and the payload `present`"""
    for number in (0, 1):
        tester.send(tester.make(ACK, number, PRESENCE_QUESTION))
        answer = tester.expect(f"ACK {number} 'present'", is_present)
        tester.judge(answer.datagram.sequence == number, f"the number of the question, {number}")


@_case("4.12", Request.ACCEPT, Request.TYPE, only=[Framing.HEADER])
def presence_acknowledges_nothing(tester: Tester) -> None:
    """It acknowledges nothing and changes nothing, in any state."""
    _judge_no_acks(tester, "who is there?", PRESENCE_QUESTION, PRESENCE_ANSWER)


# -- 5: messages


@_case("5.1", Request.ACCEPT, ours=True)
def wrong_handshake_ack(tester: Tester) -> None:
    """an ACK counts only if it has the sequence number of the outstanding SYN+ACK or FIN."""
    accepted = tester.be_accepted()
    tester.send(tester.make(ACK, _other(accepted)))
    tester.expect_again("the SYN+ACK", accepted, is_syn_ack)


@_case("5.1", Request.ACCEPT, only=[Framing.HEADER])
def wrong_ack_of_a_handshake_numbered_1(tester: Tester) -> None:
    accepted = tester.be_accepted(tester.make(SYN, 1, OFFER))
    tester.send(tester.make(ACK, _other(accepted)))
    _expect_still(tester, "SYN+ACK", is_syn_ack, "the ACK had another number")


@_case("5.1", Request.DECLINE, ours=True)
def wrong_ack_of_a_fin(tester: Tester) -> None:
    fin = _be_declined(tester)
    tester.send(tester.make(ACK, _other(fin)))
    tester.say_syn()  # to which the FIN is repeated immediately, if it is still outstanding (spec 4.5)
    _expect_still(tester, "FIN", is_fin, "the ACK had another number")


@_case("5.1", Request.DECLINE, only=[Framing.HEADER])
def wrong_ack_of_a_fin_numbered_1(tester: Tester) -> None:
    _be_declined(tester, tester.make(SYN, 1, OFFER))
    tester.send(tester.make(ACK, 0))
    _expect_still(tester, "FIN", is_fin, "the ACK had another number")


@_case("5.1", Request.ACCEPT, Request.LEAVE, only=[Framing.HEADER])
def wrong_ack_of_a_fin_that_leaves(tester: Tester) -> None:
    fin = _call_and_be_left(tester)
    tester.send(tester.make(ACK, _other(fin)))
    tester.acknowledge(_expect_still(tester, "FIN", is_fin, "the ACK had another number"))


@_case("5.1", Request.CALL, Request.LEAVE, only=[Framing.HEADER])
def wrong_ack_of_a_fin_that_cancels(tester: Tester) -> None:
    tester.be_called()
    fin = _be_left(tester)
    tester.send(tester.make(ACK, _other(fin)))
    tester.acknowledge(_expect_still(tester, "FIN", is_fin, "the ACK had another number"))


@_in_a_chat("5.2", Request.TYPE, ours=True)
def first_number(tester: Tester) -> None:
    """The first chat has number 1"""
    tester.judge(tester.hear("first").datagram.sequence == 1, "a first chat numbered 1")


@_case("5.2", Request.ACCEPT, Request.TYPE, only=[Framing.HEADER])
def first_number_after_a_handshake_numbered_1(tester: Tester) -> None:
    """The first chat has number 1, not the handshake's 0"""
    accepted = tester.be_accepted(tester.make(SYN, 1, OFFER))
    tester.acknowledge(accepted)
    kept = tester.hear("numbered 1").datagram.sequence == 1
    tester.judge(kept, "a first chat numbered 1, whatever the handshake's number")


@_case("5.2", Request.CALL, Request.TYPE, only=[Framing.HEADER])
def first_number_of_a_caller(tester: Tester) -> None:
    """The first chat has number 1"""
    tester.answer_call()
    tester.judge(tester.hear("called you").datagram.sequence == 1, "a first chat numbered 1")


@_case("5.2", Request.ACCEPT, Request.TYPE, only=[Framing.HEADER])
def first_number_of_a_second_chat(tester: Tester) -> None:
    for nth in ("first", "second", "third"):
        tester.call()
        first = tester.hear(f"the {nth} chat")
        kept = first.datagram.sequence == 1
        tester.judge(kept, f"a first chat numbered 1 in the {nth} conversation with the same peer, too")
        tester.acknowledge(first)
        tester.part()


@_in_a_chat("5.2", Request.TYPE, only=[Framing.HEADER])
def first_number_after_a_new_start(tester: Tester) -> None:
    tester.acknowledge(tester.hear("before"))
    tester.call()  # without a FIN (spec 4.9)
    first = tester.hear("after a new start")
    tester.judge(first.datagram.sequence == 1, "a first chat numbered 1 after a new start, too")


@_in_a_chat("5.2", Request.TYPE, Request.LEAVE, only=[Framing.HEADER])
def first_number_after_leaving(tester: Tester) -> None:
    tester.acknowledge(tester.hear("before"))
    tester.acknowledge(_be_left(tester))
    tester.call()
    first = tester.hear("after leaving")
    tester.judge(first.datagram.sequence == 1, "a first chat numbered 1 after the person has left and returned, too")


@_in_a_chat("5.2", Request.TYPE)
def next_number(tester: Tester) -> None:
    """After its ACK, the next chat, or the FIN, carries the other number."""
    numbers = []
    for text in ("one", "two", "three"):
        heard = tester.hear(text)
        tester.acknowledge(heard)
        numbers.append(heard.datagram.sequence)
    kept = numbers[0] != numbers[1] and numbers[0] == numbers[2] and max(numbers) <= 1
    tester.judge(kept, f"numbers that alternate, not {numbers}")


@_in_a_chat("5.2", Request.TYPE, ours=True)
def counter_of_each_direction(tester: Tester) -> None:
    """Each direction has a counter of its own."""
    first = tester.hear("one")
    tester.acknowledge(first)
    tester.say(b"a word of mine between")
    second = tester.hear("two")
    kept = first.datagram.sequence != second.datagram.sequence
    tester.judge(kept, "the other number for the second chat: the tester's chat between them doesn't count")


@_in_a_chat("5.2", Request.TYPE, ours=True)
def counter_of_the_partner(tester: Tester) -> None:
    heard = tester.hear("one")
    tester.acknowledge(heard)
    same = heard.datagram.sequence & 1
    for number in (same, 1 - same):
        tester.send(tester.chat(b"a word of mine", number))
        tester.expect(f"an ACK of a chat {number}, which the daemon's own chat {same} has nothing to do with", is_ack)


@_in_a_chat("5.3", Request.TYPE, ours=True)
def repeat_is_the_same(tester: Tester) -> None:
    """**A repeat** has the same number and the same bytes."""
    heard = tester.hear("once more")
    repeat = tester.find(is_message, within=RETRANSMISSION_INTERVAL + 2)
    if repeat is None:
        raise NotApplicableError("it doesn't repeat")
    tester.judge(repeat.data == heard.data, "the same bytes again")


@_in_a_chat("5.4")
def ack_number(tester: Tester) -> None:
    """**An ACK** carries the number of what it acknowledges, and no payload."""
    for text in (b"one", b"two", b"three"):
        acknowledged = tester.say(text).datagram
        expected = 1 - tester.number
        kept = acknowledged.sequence == expected and not acknowledged.payload
        tester.judge(kept, f"ACK {expected}, without a payload")


@_in_a_chat("5.4", Request.TYPE, ours=True)
def wrong_ack(tester: Tester) -> None:
    """Only an ACK with the number of the outstanding datagram counts; others are ignored."""
    heard = tester.hear("one")
    tester.send(tester.make(ACK, _other(heard)))
    _still_waiting(tester, heard, "no other chat before the first is acknowledged with its number")


@_in_a_chat("5.4", Request.TYPE, ours=True)
def wrong_ack_of_a_second_chat(tester: Tester) -> None:
    tester.acknowledge(tester.hear("one"))
    heard = tester.hear("another")
    tester.send(tester.make(ACK, _other(heard)))
    _still_waiting(tester, heard, "no other chat before the second is acknowledged with its number")


@_in_a_chat("5.5")
def repeat_acknowledged(tester: Tester) -> None:
    """A chat from the partner MUST be acknowledged each time it arrives"""
    tester.say(b"once more")
    for nth in ("first", "second", "third"):
        number = 1 - tester.number
        tester.send(tester.chat(b"once more", number))
        tester.expect(f"ACK {number} of the {nth} repeat", _acknowledging(number))


@_in_a_chat("5.5", ours=True)
def repeat_with_other_words_acknowledged(tester: Tester) -> None:
    tester.say(b"as it was")
    number = 1 - tester.number
    tester.send(tester.chat(b"as it wasn't", number))
    tester.expect(f"ACK {number} of a chat with the number of the one before it", _acknowledging(number))


@_in_a_chat("5.5", Request.SEE)
def repeat_shown_once(tester: Tester) -> None:
    """and delivered to the person the first time: when its number differs from that of the chat before it."""
    tester.shown()
    for text in (b"one", b"one", b"two"):
        tester.say(text)
        for _ in range(2):
            tester.send(tester.chat(text, 1 - tester.number))
    told = [f"CHAT|{_ME}|{text}" for text in ("one", "one", "two")]
    _judge_shown(tester, "CHAT|", told, "'one', 'one' again with the other number, and 'two', without their repeats")


@_in_a_chat("5.5", Request.SEE, ours=True)
def repeat_with_other_words(tester: Tester) -> None:
    tester.shown()
    tester.say(b"some words")
    tester.send(tester.chat(b"other words", 1 - tester.number))
    _judge_shown(tester, "CHAT|", [f"CHAT|{_ME}|some words"], "no chat with the number of the one before it")


@_case("5.5", Request.ACCEPT, Request.SEE)
def first_chat_shown(tester: Tester) -> None:
    """The first chat that arrives may have either number."""
    for number in (0, 1, 1, 0, 0):  # whatever the number of the last one in the conversation before
        tester.call()
        tester.shown()
        tester.send(tester.chat(b"shown", number))
        _judge_shown(tester, "CHAT|", [f"CHAT|{_ME}|shown"], f"the first chat, numbered {number}")
        tester.part()


@_case("5.5", Request.ACCEPT)
def either_first_number(tester: Tester) -> None:
    for number in (0, 1):
        tester.call()
        tester.send(tester.chat(b"first", number))
        tester.judge(tester.find(is_ack), f"an ACK of a first chat numbered {number}")
        tester.part()


@_in_a_chat("5.6")
def not_utf_8(tester: Tester) -> None:
    r"""Bytes that are not UTF-8 are shown as `\xHH`, never dropped."""
    tester.say(b"caf\xe9 \xff\xfe \xc3")


@_in_a_chat("5.6", Request.SEE)
def not_utf_8_shown(tester: Tester) -> None:
    tester.shown()
    tester.say(b"na\xefve \xc3\xa9 \xff\xfe \xc3")
    told = rf"CHAT|{_ME}|na\\xefve é \\xff\\xfe \\xc3"
    _judge_shown(tester, "CHAT|", [told], r"the text with \xef, \xff\xfe and \xc3 where it isn't UTF-8")


@_in_a_chat("5.6", Request.TYPE, only=[Framing.HEADER])
def utf_8(tester: Tester) -> None:
    """**Text** is UTF-8 where `header` is spoken."""
    text = "café → ☕"
    tester.judge(tester.hear(text).datagram.payload == text.encode(), f"a chat with {text!r} in UTF-8")


@_in_a_chat("5.6", Request.TYPE)
def long_message(tester: Tester) -> None:
    """A message that is too long for one datagram is sent as several chats"""
    _whole(tester, _DIGITS)


@_in_a_chat("5.6", Request.TYPE, only=[Framing.HEADER])
def cut_between_characters(tester: Tester) -> None:
    """cut between characters"""
    for received in _whole(tester, "é" * _LONG):
        try:
            received.datagram.payload.decode("utf-8")
        except UnicodeDecodeError:
            raise tester.failure("payloads that are each UTF-8") from None


@_in_a_chat("5.6", Request.TYPE, level=Level.SHOULD, only=[Framing.HEADER])
def cut_after_a_blank(tester: Tester) -> None:
    """where possible, after a blank."""
    *cut, _ = _whole(tester, ("twelve chars " * _LONG)[:_LONG])
    kept = all(received.datagram.payload.endswith(b" ") for received in cut)
    tester.judge(kept, "payloads that are cut after a blank")


# -- 6: time


@_in_a_chat("6.1", Request.TYPE)
def stop_and_wait(tester: Tester) -> None:
    """One SYN+ACK, chat or FIN is outstanding at a time in each direction of a conversation; the next is sent when
    it is acknowledged.
    """
    first = tester.hear("one")
    _still_waiting(tester, first, "no other chat before the first is acknowledged")
    tester.acknowledge(first)
    tester.expect("the next chat, after the ACK", _saying_more_than(first))


@_in_a_chat("6.2", Request.TYPE)
def chat_repeated(tester: Tester) -> None:
    """What is not acknowledged within 5 s is sent again."""
    heard = tester.hear("is it lost?")
    payload = heard.datagram.payload
    for nth in ("second", "third"):
        heard = tester.expect_again("the chat", heard, lambda datagram: datagram.payload == payload, nth)


@_in_a_chat("6.2", Request.TYPE, only=[Framing.HEADER])
def clock_of_a_chat(tester: Tester) -> None:
    heard = tester.hear("is it lost?")
    _make_noise(tester, heard, ACK, MESSAGE, ERR, Control.SYN_ACK)
    tester.expect_again("the chat", heard, lambda datagram: datagram.payload == heard.datagram.payload)


@_in_a_chat("6.2", Request.TYPE, only=[Framing.HEADER])
def chat_once_acknowledged(tester: Tester) -> None:
    tester.acknowledge(tester.hear("it is there"))
    _judge_end(tester, "no chat again once it is acknowledged")


@_in_a_chat("6.2", Request.TYPE, only=[Framing.HEADER])
def chat_after_the_partner_left(tester: Tester) -> None:
    tester.hear("are you there?")
    _say_fin(tester, FIN, 1)
    _judge_end(tester, "no chat again, since the partner's FIN has ended the conversation")


@_in_a_chat("6.2", Request.TYPE, Request.LEAVE, only=[Framing.HEADER])
def last_words_repeated(tester: Tester) -> None:
    heard = tester.hear("one last word")
    tester.ask(Request.LEAVE, quiet=True)
    if any(is_fin(each.datagram) for each in tester.collect(within=min(tester.wire.wait, 0.5))):
        raise NotApplicableError("it leaves without waiting for the ACK of its last words")
    tester.expect_again("the last words", heard, is_message)


@_case("6.2", Request.ACCEPT, only=[Framing.HEADER])
def clock_of_a_syn_ack(tester: Tester) -> None:
    accepted = tester.be_accepted()
    _make_noise(tester, accepted, ACK)
    tester.expect_again("the SYN+ACK", accepted, is_syn_ack)


@_case("6.2", Request.ACCEPT, only=[Framing.HEADER])
def syn_ack_once_acknowledged(tester: Tester) -> None:
    accepted = tester.be_accepted(tester.make_syn(b"patient"))
    tester.acknowledge(accepted)
    _judge_end(tester, "no SYN+ACK again once it is acknowledged")


@_case("6.2", Request.ACCEPT, only=[Framing.HEADER])
def syn_ack_after_the_caller_left(tester: Tester) -> None:
    tester.be_accepted(tester.make_syn(b"hasty"))
    _say_fin(tester, FIN, 0)
    _judge_end(tester, "no SYN+ACK again, since the caller's FIN has ended the conversation")


@_case("6.2", Request.ACCEPT)
def syn_ack_repeated(tester: Tester) -> None:
    accepted = tester.be_accepted()
    _unchanged(tester, accepted, tester.expect_again("the SYN+ACK", accepted, is_syn_ack))


@_case("6.2", Request.DECLINE)
def fin_repeated(tester: Tester) -> None:
    fin = _be_declined(tester)
    _unchanged(tester, fin, tester.expect_again("the FIN", fin, is_fin))


@_case("6.2", Request.DECLINE, only=[Framing.HEADER])
def clock_of_a_fin(tester: Tester) -> None:
    fin = _be_declined(tester)
    _make_noise(tester, fin, ACK, MESSAGE, Control.SYN_ACK)
    tester.expect_again("the FIN", fin, is_fin)


@_case("6.2", Request.DECLINE, only=[Framing.HEADER])
def fin_once_acknowledged(tester: Tester) -> None:
    tester.acknowledge(_be_declined(tester))
    _judge_end(tester, "no FIN again once it is acknowledged")


# -- 7: states


@_case("7", only=[Framing.HEADER])
def out_of_place_before_the_answer(tester: Tester) -> None:
    """whose table says what each input does."""
    _ring(tester)
    _judge_out_of_place(tester, "whose request waits", MESSAGE, Control.SYN_ACK, ACK)


@_case("7", Request.CALL, only=[Framing.HEADER])
def out_of_place_when_calling(tester: Tester) -> None:
    tester.be_called()
    _judge_out_of_place(tester, "who is called", MESSAGE, ACK)


@_case("7", Request.DECLINE, only=[Framing.HEADER])
def out_of_place_when_declining(tester: Tester) -> None:
    fin = _be_declined(tester)
    _judge_out_of_place(tester, "who was declined", MESSAGE, Control.SYN_ACK)
    tester.acknowledge(fin)


@_case("7", Request.ACCEPT, Request.LEAVE, only=[Framing.HEADER])
def out_of_place_when_leaving(tester: Tester) -> None:
    fin = _call_and_be_left(tester)
    _judge_out_of_place(tester, "who was left", Control.SYN_ACK)
    tester.acknowledge(fin)


@_case("7", Request.ACCEPT, only=[Framing.HEADER])
def err_of_an_accepted_caller(tester: Tester) -> None:
    tester.be_accepted()
    tester.send(tester.make(ERR, 0, b"sorry"))
    told = "no SYN+ACK again, since the caller's ERR has ended the conversation"
    tester.expect_none(told, is_syn_ack, within=RETRANSMISSION_INTERVAL + 1.5)


# -- 8: robustness


@_case("8.1", Request.ACCEPT)
def survival(tester: Tester) -> None:
    """Whatever arrives, a daemon keeps running."""
    for data in _barrage(tester):
        tester.send(data, Side.STRANGER)
    tester.collect(side=Side.STRANGER)
    tester.call()
    for data in _barrage(tester):
        tester.send(data, Side.STRANGER)
        tester.send(data)
    tester.collect()
    tester.collect(side=Side.STRANGER)
    tester.say(b"we are still here")


@_in_a_chat("8.2")
def amplification(tester: Tester) -> None:
    """An answer to it MUST NOT be larger than three times the datagram that it answers"""
    _judge_answers_to_a_syn(tester)


@_case("8.2")
def amplification_when_idle(tester: Tester) -> None:
    _judge_answers_to_a_syn(tester)


@_case("8.2")
def rate(tester: Tester) -> None:
    """all such answers together MUST NOT be more than 100 in any second."""
    fin = tester.make(FIN, 1)
    for _ in range(300):
        tester.send(fin, Side.STRANGER)
    times = [each.time for each in tester.collect(within=4, side=Side.STRANGER)]
    most = max((sum(time <= each < time + 1 for each in times) for time in times), default=0)
    tester.judge(most <= _MOST, f"at most {_MOST} answers in a second, not {most}")


@_case("8.2")
def rate_of_all_strangers(tester: Tester) -> None:
    fin = tester.make(FIN, 1)
    answers = []
    for gap in (0.45, 1.95) * 3:  # whenever the clock's seconds begin, one does in one of the shorter gaps
        for side in (Side.STRANGER, Side.TESTER):
            for _ in range(60):
                tester.send(fin, side)
        answers += tester.collect(within=gap)
    answers += tester.collect()
    answers += tester.collect(side=Side.STRANGER)
    times = [received.time for received in answers]
    # less than a second, since what was sent a second apart may arrive with less between
    most = max((sum(start <= time < start + 0.9 for time in times) for start in times), default=0)
    tester.judge(most <= _MOST, f"at most {_MOST} answers in a second, not {most} to FINs of two strangers")


@_in_a_chat("8.3", Request.SEE)
def error_text_cut(tester: Tester) -> None:
    """At most 500 characters of an ERR's text are shown."""
    tester.shown()
    tester.send(tester.make(ERR, tester.number, b"z" * 1_000))
    told = [line.count("z") for line in tester.shown() if line.startswith("ERROR|")]
    tester.judge(len(told) == 1 and 1 <= told[0] <= ERROR_SIZE, f"one ERROR| with at most 500 z, not {told}")


# -- what takes minutes


@_case("4.5", Request.ACCEPT, slow=True)
def request_too_old(tester: Tester) -> None:
    """or until 120 s after its last SYN, whether or not a client is attached."""
    tester.say_syn()
    tester.collect(within=REQUEST_LIFETIME + 3)
    tester.ask(Request.ACCEPT, quiet=True)
    tester.expect_none("no SYN+ACK to a request that is older than 120 s", is_syn_ack)


@_case("4.5", Request.ACCEPT, slow=True)
def request_renewed(tester: Tester) -> None:
    """A repeated SYN changes nothing at the callee except the request's age."""
    tester.say_syn()
    tester.collect(within=REQUEST_LIFETIME / 2)
    tester.say_syn()
    tester.collect(within=REQUEST_LIFETIME - 10)
    tester.ask(Request.ACCEPT)
    tester.expect("a SYN+ACK, since the last SYN came less than 120 s ago", is_syn_ack, within=PATIENCE)


@_case("4.4", Request.CALL, only=[Framing.HEADER], slow=True)
def call_given_up(tester: Tester) -> None:
    """While it doesn't ring, a call to a peer known to speak `header` is given up after 60 s"""
    _be_called_in_header(tester, otherwise="it goes on for 6 minutes")
    received = [each.datagram for each in tester.collect(within=(TRIES + 3) * RETRANSMISSION_INTERVAL)]
    calls = 1 + sum(map(is_syn, received))
    tester.judge(calls == TRIES, f"the SYN {TRIES} times, and not {calls} times")
    tester.judge(any(is_fin(each) and each.sequence == 0 for each in received), "FIN 0 after that")


@_in_a_chat("6.3", Request.TYPE, only=[Framing.HEADER], slow=True)
def given_up(tester: Tester) -> None:
    """After 12 tries without an answer the peer is lost"""
    heard = [tester.hear("is anybody there?")]
    fins: list[Received] = []
    for received in tester.collect(within=(TRIES + 2) * RETRANSMISSION_INTERVAL):
        (fins if is_fin(received.datagram) else heard).append(received)
    tester.judge(len(heard) == TRIES, f"the chat {TRIES} times, and not {len(heard)} times")
    tester.judge(fins, "a FIN after that, since the path may be broken in one direction only")
    kept = all(fin.datagram.sequence == _other(heard[0]) for fin in fins)
    tester.judge(kept, "a FIN with the other number than the chat's, which counts as used")


@_case("6.3", Request.ACCEPT, Request.LEAVE, only=[Framing.HEADER], slow=True)
def fin_given_up(tester: Tester) -> None:
    """A FIN is still sent, 12 times at most"""
    _call_and_be_left(tester)
    fins = 1 + sum(is_fin(each.datagram) for each in tester.collect(within=(TRIES + 2) * RETRANSMISSION_INTERVAL))
    tester.judge(fins == TRIES, f"the FIN {TRIES} times, and not {fins} times")


@_case("4.4", Request.CALL, only=[Framing.HEADER], slow=True)
def syn_after_ringing(tester: Tester) -> None:
    """every 30 s once the call rings."""
    syn = _be_called_as_known(tester)
    tester.send(tester.make(ACK, syn.datagram.sequence, RINGING))
    start = tester.wire.now()
    again = tester.expect("the SYN again, 30 s after it rang", is_syn, within=UNKNOWN_SYN_INTERVAL + 3)
    tester.judge(again.time - start > UNKNOWN_SYN_INTERVAL - 2, "the SYN again, no sooner than 30 s after it rang")


@_case("6.4", Request.CALL, Request.SEE, level=Level.SHOULD, only=[Framing.HEADER], slow=True)
def unanswered_call(tester: Tester) -> None:
    """After every 30 s without an answer to a call or to the oldest message, the person SHOULD be asked whether to keep
    waiting.
    """
    syn = tester.be_called()
    _judge_unanswered(tester, UNANSWERED_INTERVAL)
    tester.send(tester.make(ACK, syn.datagram.sequence, RINGING))  # which doesn't start the seconds anew
    _judge_unanswered(tester, 2 * UNANSWERED_INTERVAL)


@_in_a_chat("6.4", Request.TYPE, Request.SEE, level=Level.SHOULD, only=[Framing.HEADER], slow=True)
def unanswered_message(tester: Tester) -> None:
    tester.hear("are you thinking?")
    _judge_unanswered(tester, UNANSWERED_INTERVAL)


@_case("6.5", Request.ACCEPT, level=Level.SHOULD, only=[Framing.HEADER], slow=True)
def silent_partner(tester: Tester) -> None:
    """a daemon SHOULD send a SYN+ACK with the sequence number that it used last."""
    accepted = tester.call()
    told = "a SYN+ACK with the number used last, after 120 s of silence"
    asked = tester.expect(told, is_syn_ack, within=SILENCE + 3)
    tester.judge(asked.datagram.sequence == accepted.datagram.sequence, told)
    tester.acknowledge(asked)
    tester.say(b"we are still here")


@_case("client 1.3", Request.SEE, slow=True)
def silent_connection(tester: Tester) -> None:
    """A connection that says nothing for 10 s gets ERROR and is closed."""
    ((early, closed_early),) = tester.wire.converse([b""], 8)
    tester.judge(not early and not closed_early, f"a silent connection open for 8 s, not {_said(early)}")
    ((heard, closed),) = tester.wire.converse([b""], 12)
    told = f"ERROR| and the end of a silent connection, not {_said(heard)}"
    tester.judge(_words(heard) == ["ERROR"] and closed, told)


# -- client.md


@_case("client 1.2", Request.SEE)
def clients_of_this_host(tester: Tester) -> None:
    """It closes any other connection after one ERROR."""
    if not tester.wire.afar:
        raise NotApplicableError("the tester is on the daemon's host, whose clients are answered")
    ((heard, closed),) = tester.wire.converse([b"PING|\nCONNECT|eve\n"], _TELL, afar=True)
    kept = _words(heard) in (["ERROR"], []) and closed
    tester.judge(kept, f"ERROR| and the end of the connection for a client on another host, not {_said(heard)}")


@_case("client 1.3", Request.SEE)
def eight_connections(tester: Tester) -> None:
    """if all have spoken, the new one gets ERROR and is closed."""
    *others, (heard, closed) = tester.wire.converse([b"PING|\n"] * 8, _TELL)  # beside the one of the client
    kept = all(other == (b"PONG|\n", False) for other in others)
    told = f"PONG| on 7 connections beside the client's, not {', '.join(_said(heard) for heard, _ in others)}"
    tester.judge(kept, told)
    tester.judge(_words(heard) == ["ERROR"] and closed, f"ERROR| and the end of the 9th connection, not {_said(heard)}")


@_case("client 1.3", Request.SEE)
def silent_connection_gives_way(tester: Tester) -> None:
    """The oldest one that has said nothing gives way to one more"""
    speaking, silent = b"PING|\n", b""
    answers = tester.wire.converse([speaking, silent, silent, *[speaking] * 5], _TELL)
    told = [(_words(heard), closed) for heard, closed in answers]
    pong = (["PONG"], False)
    kept = told == [pong, (["ERROR"], True), ([], False), *[pong] * 5]
    tester.judge(kept, f"ERROR| and the end of the older of two silent connections when a 9th comes, not {told}")


@_case("client 1.3", Request.SEE)
def one_client_at_a_time(tester: Tester) -> None:
    """CONNECT on another connection is answered by ERROR. PING and WHO are answered on every connection."""
    heard, _ = _answer(tester, b"PING|\nCONNECT|eve\nPING|\n")
    told = _words(heard) == ["PONG", "ERROR", "PONG"]
    expected = f"PONG|, ERROR| and PONG| on another connection, to PING|, CONNECT|eve and PING|, not {_said(heard)}"
    tester.judge(told, expected)


@_case("client 2.1", Request.SEE)
def carriage_return(tester: Tester) -> None:
    """One CR before the LF is dropped."""
    heard, _ = _answer(tester, b"PING|\r\n")
    tester.judge(heard == b"PONG|\n", f"PONG| to PING| and CR LF, not {_said(heard)}")


@_case("client 2.3", Request.SEE)
def wrong_line(tester: Tester) -> None:
    """A line that is wrong in any way is answered by `ERROR|what and why`, and the connection stays open."""
    for line in (b"PING", b"CHAT|\xff", b"PONG|", b"CHAT|hello", b"RINGING|bob|192.0.2.9:7777"):
        heard, closed = _answer(tester, b"PING|\n" + line + b"\nPING|\n")
        kept = _words(heard) == ["PONG", "ERROR", "PONG"] and not closed
        told = f"PONG|, ERROR|, PONG| and an open connection for {_said(line)} between two PING|, not {_said(heard)}"
        tester.judge(kept, told)


@_case("client 2.3", Request.SEE)
def no_operation(tester: Tester) -> None:
    """if the first word of a line is not an operation of this protocol"""
    for line in (b"GET / HTTP/1.1\r\n", b"\n", b"PING foo|\n", b"ping|\n"):
        heard, closed = _answer(tester, line + b"PING|\n")
        kept = _words(heard) == ["ERROR"] and closed
        tester.judge(kept, f"ERROR| and the end of the connection, for a first line {_said(line)}, not {_said(heard)}")


@_case("client 2.3", Request.SEE)
def line_without_end(tester: Tester) -> None:
    """after 64 KiB (65,536 bytes) without a newline"""
    heard, closed = _answer(tester, b"PING|\nCHAT|" + b"x" * 65_600)
    tester.judge(closed, f"the end of the connection, after 65,605 bytes without a newline, not {_said(heard)}")


@_in_a_chat("client 3.1", Request.SEE)
def escapes_told(tester: Tester) -> None:
    r"""In a payload, a backslash and every control character (Unicode category Cc) travel escaped, and arrive
    unchanged
    """
    tester.shown()
    tester.say(b"a\nb\tc\\d|e\x1b\x7f\0")
    told = rf"CHAT|{_ME}|a\nb\tc\\d|e\x1b\x7f\x00"
    _judge_shown(tester, "CHAT|", [told], "the text with its escapes, on one line")


@_in_a_chat("client 3.1", Request.TYPE, Request.SEE)
def escapes_read(tester: Tester) -> None:
    text = "a\nb\tc\\n|e\x1b"
    tester.judge(tester.hear(text).datagram.payload == text.encode(), f"the characters {text!r}")


@_in_a_chat("client 3.2", Request.TYPE, Request.SEE)
def longest_message(tester: Tester) -> None:
    """A message is up to 60,000 bytes of UTF-8"""
    _whole(tester, "x" * MAX_MESSAGE_SIZE)
    tester.shown()
    told = _told_of(tester, "x" * (MAX_MESSAGE_SIZE + 1))
    tester.judge(told[:1] == ["ERROR"], f"ERROR| for a message of {MAX_MESSAGE_SIZE + 1:,} bytes, not {told}")


@_in_a_chat("client 3.2", Request.TYPE, Request.SEE)
def acknowledged_when_all_is(tester: Tester) -> None:
    """the message's ACK says that all of them were acknowledged."""
    tester.shown()
    parts = [tester.hear("letters " * (_LONG // 8))]
    while sum(part.datagram.length for part in parts) < _LONG:
        tester.acknowledge(parts[-1])
        parts.append(tester.expect("the rest of the message", is_message, within=PATIENCE))
    _judge_shown(tester, "ACK|", [], "no ACK| before the last part of a long message is acknowledged")
    tester.acknowledge(parts[-1])
    _judge_shown(tester, "ACK|", ["ACK|1"], "ACK|1 once all parts are acknowledged")


@_case("client 4.1", Request.SEE)
def before_connect(tester: Tester) -> None:
    """Before CONNECT, everything except PING, WHO, CONNECT and `QUIT|` is answered by ERROR"""
    for line in (b"CHAT|hello", b"QUIT|bob", b"CONNECTED|bob", b"CONNECTING|192.0.2.9"):
        heard, _ = _answer(tester, line + b"\nPING|\n")
        told = f"ERROR| for {_said(line)} before CONNECT|, not {_said(heard)}"
        tester.judge(_words(heard) == ["ERROR", "PONG"], told)
    heard, closed = _answer(tester, b"QUIT|\n")
    tester.judge(heard == b"QUIT|\n" and closed, f"QUIT| and the end, for QUIT| before CONNECT|, not {_said(heard)}")


@_in_a_chat("client 4.1", Request.TYPE, Request.SEE)
def messages_counted(tester: Tester) -> None:
    """`ACK\\|n` once the n-th CHAT line of this chat has reached the partner's daemon"""
    tester.shown()
    for text in ("one", "two", "three"):
        tester.acknowledge(tester.hear(text))
    _judge_shown(tester, "ACK|", ["ACK|1", "ACK|2", "ACK|3"], "ACK|1, ACK|2 and ACK|3")


@_in_a_chat("client 4.1", Request.TYPE, Request.SEE)
def nothing_acknowledged_early(tester: Tester) -> None:
    tester.shown()
    tester.hear("is it there?")
    _judge_shown(tester, "ACK|", [], "no ACK| before the partner has acknowledged anything")


@_case("client 4.1", Request.SEE)
def ping_with_a_payload(tester: Tester) -> None:
    """are you there? A payload is ignored"""
    heard, _ = _answer(tester, b"PING|what|ever\n")
    tester.judge(heard == b"PONG|\n", f"PONG| to PING|what|ever, not {_said(heard)}")


@_in_a_chat("client 4.1", Request.TYPE, Request.SEE)
def message_without_a_chat(tester: Tester) -> None:
    """A line that is answered by ERROR, as one outside a chat is, is counted too, and its UNDELIVERED follows."""
    tester.part()
    tester.shown()
    told = _told_of(tester, "to nobody")
    tester.judge(told == ["ERROR", "UNDELIVERED"], f"ERROR| and UNDELIVERED| for a CHAT after its end, not {told}")


@_in_a_chat("client 4.2", Request.TYPE, Request.SEE)
def undelivered_before_the_end(tester: Tester) -> None:
    """UNDELIVERED comes before the QUIT of its chat"""
    tester.shown()
    tester.hear("are you gone?")
    tester.send(tester.make(FIN, tester.number))
    told = [line for line in tester.shown() if line.startswith(("UNDELIVERED|", "QUIT|"))]
    kept = len(told) == 2 and told[0] == "UNDELIVERED|1" and told[1].startswith("QUIT|")
    tester.judge(kept, f"UNDELIVERED|1, then QUIT|, when the partner leaves, not {told}")


@_case("client 4.2", Request.ACCEPT, Request.SEE)
def chat_shown(tester: Tester) -> None:
    """the chat is on"""
    tester.shown(0)
    tester.call()
    _judge_shown(tester, "CONNECTED|", [f"CONNECTED|{_ME}|"], "CONNECTED| with the tester's name and address")
    tester.send(tester.make(FIN, tester.number))
    _judge_shown(tester, "QUIT|", [f"QUIT|{_ME}"], "QUIT| with the tester's name")


@_case("client 4.2", Request.CALL, Request.SEE)
def end_of_a_call_shown(tester: Tester) -> None:
    """An ERROR that ends a call or chat is followed by the QUIT of that call or chat. For a busy partner it is
    `ERROR\\|User already in another chat`
    """
    for operation, text, told in ((ERR, BUSY.encode(), [f"ERROR|{BUSY}", "QUIT|"]), (FIN, b"", ["QUIT|"])):
        number = tester.be_called().datagram.sequence
        tester.shown()
        tester.send(tester.make(operation, number, text, user=b"visitor"))
        lines = [line for line in tester.shown() if line.startswith(("ERROR|", "QUIT|"))]
        kept = len(lines) == len(told) and all(map(str.startswith, lines, told))
        tester.judge(kept, f"the person told {' and '.join(told)} after {operation.label}, not {lines}")


# -- what several cases say and look for


def _answer(tester: Tester, said: bytes) -> tuple[bytes, bool]:
    """What another connection is answered, and whether it is closed then."""
    (answer,) = tester.wire.converse([said], _TELL)
    return answer


def _told_of(tester: Tester, text: str) -> list[str]:
    """The first words of the lines that the person is told for a message that can't be sent."""
    trouble = None
    try:
        tester.ask(Request.TYPE, text, quiet=True)
    except NotRunError as error:  # which is right, where the daemon says it
        trouble = error
    told = [line.partition("|")[0] for line in tester.shown() if not line.startswith("PONG")]
    if trouble and not told:
        raise trouble
    return told


def _said(heard: bytes) -> str:
    return repr(heard.decode("utf-8", "backslashreplace")) if heard else "nothing"


def _words(heard: bytes) -> list[str]:
    """The first words of some lines."""
    return [line.partition(b"|")[0].decode("ascii", "backslashreplace") for line in heard.splitlines()]


def _judge_shown(tester: Tester, word: str, told: list[str], expected: str) -> None:
    """The lines with that word begin so: with their number of fields, wholly."""
    lines = [line for line in tester.shown() if line.startswith(word)]
    kept = len(lines) == len(told) and all(map(str.startswith, lines, told))
    exact = word != "CHAT|" or lines == told
    tester.judge(kept and exact, f"the person shown {expected}, not {lines}")


def _judge_unanswered(tester: Tester, seconds: float) -> None:
    """The person is asked for the first time in this interval, or again, for how long there was no answer."""
    lines = [line for line in tester.shown(UNANSWERED_INTERVAL + 1) if line.startswith("UNANSWERED|")]
    kept = len(lines) == 1 and lines[0].endswith(f"|{seconds:g}")
    tester.judge(kept, f"UNANSWERED| after {seconds:g} s, not {lines}")


def _judge_unseen(tester: Tester, who: str) -> None:
    """Nothing that strangers say reaches the person."""
    tester.shown()
    for side in (Side.STRANGER, Side.DOUBLE):
        operations: tuple[Operation, ...] = (ERR, MESSAGE, Control.ERR_FIN, FIN, ACK)
        for operation, number in product(operations, (0, 1)):
            tester.send(tester.make(operation, number, RINGING if operation is ACK else b"unasked"), side)
    lines = [line for line in tester.shown() if not line.startswith("ELSEWHERE|")]  # which quotes nobody (4.11)
    tester.judge(not lines, f"nothing to a person {who} for what strangers said, not {lines}")


def _judge_size(tester: Tester, received: Received) -> None:
    kept = len(received.data) <= MAX_DATAGRAM_SIZE
    tester.judge(kept, f"datagrams of at most {MAX_DATAGRAM_SIZE} bytes, not {len(received.data)}")


def _judge_answers_to_a_syn(tester: Tester) -> None:
    syn = tester.make(SYN, 0)
    tester.send(syn, Side.STRANGER)
    answered = sum(len(each.data) for each in tester.collect(side=Side.STRANGER))
    kept = answered <= AMPLIFICATION * len(syn)
    tester.judge(kept, f"at most {AMPLIFICATION * len(syn)} bytes for a SYN of {len(syn)}, not {answered}")


def _changed(tester: Tester, data: bytes, name: str, value: bytes) -> bytes:
    """That datagram with another value in a field, and the checksum that fits it: wrong in this one thing."""
    at = offset(name, Framing.BARE, 0)
    return with_checksum(data[:at] + value + data[at + len(value) :], tester.framing or Framing.BARE)


def _ignored(tester: Tester, data: bytes, what: str = "what is malformed") -> None:
    tester.send(data)
    tester.silence(f"no answer to {what}")
    tester.say(b"this is right", f"a chat that is right, after {what}")


def _be_strange(tester: Tester, side: Side = Side.STRANGER) -> None:
    for operation in (ACK, Control.SYN_ACK, MESSAGE, ERR):
        tester.send(tester.make(operation, 1, b"" if operation is ACK else b"who is it?"), side)


def _judge_ack_of(tester: Tester, side: Side, who: str) -> None:
    first = tester.hear("one")
    for number in (0, 1):
        tester.send(tester.make(ACK, number), side)
    _still_waiting(tester, first, f"no other chat before the partner acknowledges the first: only {who} did")


def _judge_no_acks(tester: Tester, text: str, *payloads: bytes) -> None:
    """An ACK with any of these payloads acknowledges neither a SYN+ACK nor a chat."""
    said = f"'{payloads[0].decode()}'"
    accepted = tester.be_accepted()
    for payload in payloads:
        tester.send(tester.make(ACK, accepted.datagram.sequence, payload))
    _expect_syn_ack_still(tester, f"{said} is no ACK of it")
    tester.acknowledge(accepted)
    first = tester.hear(text)
    for payload in payloads:
        tester.send(tester.make(ACK, first.datagram.sequence, payload))
    _still_waiting(tester, first, f"no other chat before the first is acknowledged: only {said} came")


def _judge_out_of_place(tester: Tester, whose: str, *operations: Operation) -> None:
    """Nothing is answered to these of somebody, in a state in which they say nothing."""
    for operation in operations:
        for number in (0, 1):
            if operation is not ACK or number:  # ACK 0 may acknowledge a FIN
                tester.send(tester.make(operation, number, b"hello" if operation is MESSAGE else b""))
        tester.silence(f"no answer to the {operation.label} of somebody {whose}", within=min(tester.wire.wait, 0.3))


def _let_strangers_speak(tester: Tester, but: Control | None = None) -> None:
    """Whatever a third party, and another port of the tester's address, could interfere with.

    Except for what the stranger says in a case of its own.
    """
    for side in (Side.STRANGER, Side.DOUBLE):
        for number in (0, 1):
            for operation in (ACK, Control.SYN_ACK, MESSAGE, ERR, FIN, Control.ERR_FIN, Control.FIN_ACK):
                if side is Side.DOUBLE or operation is not but:
                    tester.send(tester.make(operation, number), side)
            tester.send(tester.make(ACK, number, RINGING), side)
        tester.collect(within=min(tester.wire.wait, 0.3), side=side)


def _make_noise(tester: Tester, first: Received, *operations: Operation) -> None:
    """Halfway to the repeat of the first datagram, says what doesn't acknowledge it: as strangers, and as the partner.

    `operations`: what the partner may say that changes nothing; an ACK has the wrong number.
    """
    tester.collect(within=first.time + RETRANSMISSION_INTERVAL / 2 - tester.wire.now())
    _let_strangers_speak(tester)
    fin = tester.make(FIN, 0)
    for data in (b"", fin[:-1], fin + b"\0"):
        tester.send(data)
    for operation in operations:
        number = _other(first) if operation is ACK else tester.number
        tester.send(tester.make(operation, number, b"" if operation is ACK else b"noise"))
    tester.collect(within=0.1)


def _expect_still(tester: Tester, what: str, matches: Matches, since: str) -> Received:
    """It is repeated, since nothing has acknowledged it."""
    return tester.expect(f"the {what} again, since {since}", matches, within=RETRANSMISSION_INTERVAL + 2)


def _expect_syn_ack_still(tester: Tester, since: str) -> None:
    tester.say_syn()  # which is answered that way immediately, if the ACK is still outstanding (spec 4.5)
    _expect_still(tester, "SYN+ACK", is_syn_ack, since)


def _judge_end(tester: Tester, expected: str) -> None:
    """Nothing more may come by itself."""
    tester.judge(not tester.collect(within=RETRANSMISSION_INTERVAL + 1.5), expected)


def _judge_call_goes_on(tester: Tester, syn: Received) -> None:
    _let_strangers_speak(tester, but=Control.SYN_ACK)
    told = "neither ACK nor FIN to the callee, since only strangers answered the call"
    tester.expect_none(told, lambda datagram: is_ack(datagram) or is_fin(datagram), within=0)
    tester.accept(syn.datagram.sequence, "the ACK of the SYN+ACK, since only strangers refused the call")


def _say_fin_of(tester: Tester, user: bytes) -> None:
    for number in (0, 1):
        tester.send(tester.make(FIN, number, user=user))
        tester.expect(f"ACK {number} of a FIN whose user is {_said(user)}", _acknowledging(number))


def _chat_like(before: Datagram, payload: bytes) -> bytes:
    """The chat that comes after that one, if it has this payload."""
    return build(replace(before, sequence=1 - (before.sequence & 1), payload=payload))


def _carrying(tester: Tester, made: Callable[[bytes], bytes], length: int, order: Literal["big", "little"]) -> bytes:
    """A text of so many bytes with which the sum over what is made of it, in words of that order, has another carry
    when its carries are added.
    """
    start = b"carry".ljust(length, b"z")[: length - _FREE]

    def total(end: bytes) -> int:
        data = made(start + end)
        covered = data[:-CHECKSUM_SIZE]
        if tester.framing is not Framing.TRAILER:
            covered = data[:HEAD_SIZE] + bytes(CHECKSUM_SIZE) + data[HEAD_SIZE + CHECKSUM_SIZE :]
        even = covered + bytes(len(covered) % 2)
        return sum(struct.unpack(f"{'>' if order == 'big' else '<'}{len(even) // 2}H", even))

    missing = (0xFFFF - total(b"A" * _FREE)) & 0xFFFF
    end = bytearray(b"A" * _FREE)
    for at in range(_FREE):
        unit = total((b"A" * at + b"B").ljust(_FREE, b"A")) - total(b"A" * _FREE)
        left = missing // 256 if unit == 256 else missing % 256
        letter = ord("A") + min(left, ord("z") - ord("A"))
        end[at] = letter if chr(letter) in ascii_letters else ord("Z")
        missing -= unit * (end[at] - ord("A"))
    return start + bytes(end)


def _say_fin(tester: Tester, operation: Control, number: int, side: Side = Side.TESTER) -> None:
    tester.send(tester.make(operation, number), side)
    tester.expect(f"ACK {number}", _acknowledging(number), side=side)


def _end(tester: Tester, operation: Control, number: int, told: str) -> None:
    tester.send(tester.make(operation, number))
    tester.collect()
    tester.send(tester.chat(b"is anybody there?"))
    tester.silence(f"no answer to a chat after {told}")


def _judge_unheard(tester: Tester) -> None:
    """Whoever was to hear it is gone."""
    tester.send(tester.chat(b"wait!"))
    tester.expect_none("no ACK of a message that nobody will read", is_ack)


def _refuse_call(tester: Tester, operation: Control, payload: bytes) -> None:
    """Is called, and refuses; after that a SYN+ACK opens nothing."""
    number = tester.be_called().datagram.sequence
    tester.send(tester.make(operation, number, payload))
    tester.collect()
    tester.send(tester.make(Control.SYN_ACK, number))
    tester.silence(f"no answer to a SYN+ACK after {operation.label}")


def _whole(tester: Tester, text: str) -> list[Received]:
    """Has the person say a long text, and acknowledges its parts until all of it has come."""
    parts = [tester.hear(text)]
    tester.acknowledge(parts[-1])
    while sum(part.datagram.length for part in parts) < len(text.encode()):
        parts.append(tester.expect("the rest of the message", is_message, within=PATIENCE))
        tester.acknowledge(parts[-1])
    kept = b"".join(part.datagram.payload for part in parts) == text.encode()
    tester.judge(kept, "the text that was typed, in its parts")
    return parts


def _barrage(tester: Tester) -> list[bytes]:
    """What a hostile peer might send: each is malformed, out of place, or both."""
    fin = tester.make(FIN, 0)
    chat = tester.make(MESSAGE, 1, b"\x1b[2J|\r\n\0%s{}\xff" * 20, user=b"\xff" * USER_SIZE)
    return [
        b"", b"\0", b"\1", fin[:1], fin[:3], fin[:20], fin[:-1], fin * 9, bytes(60), b"\xff" * 60, b"\xff" * 1_400,
        b"\1\1\0" + b"\xff" * 32 + b"\xff\xff\xff\xff", chat[:-1], chat, chat + b"\0", bytes(range(256)) * 4,
        b"CONNECT|mallory\n", b"GET / HTTP/1.1\r\n\r\n",
        tester.make(Control.SYN_ACK, 1), tester.make(ACK, 0, b"ringing"), tester.make(ACK, 1, b"\0" * 300),
    ]  # fmt: skip


def _other(received: Received) -> int:
    """The other number than a datagram's, of which some count further than 1."""
    return 1 - (received.datagram.sequence & 1)


def _acknowledging(number: int) -> Matches:
    return lambda datagram: is_ack(datagram) and datagram.sequence == number


def _unchanged(tester: Tester, first: Received, again: Received) -> None:
    """A repeat has the same number and the same bytes (spec 5.3), except where numbers are guesses (spec 9.2)."""
    offers_more = b" SIMP/2 " in first.datagram.payload  # with a proof that changes (simp2 2.2)
    tester.judge(again.data == first.data or tester.foreign or offers_more, "the same bytes again (5.3)")


def _saying_more_than(first: Received) -> Matches:
    return lambda datagram: is_message(datagram) and datagram.payload != first.datagram.payload


def _still_waiting(tester: Tester, first: Received, expected: str) -> None:
    """Has the person say more, which may not be sent before the first chat is acknowledged (spec 6.1)."""
    tester.ask(Request.TYPE, "two", quiet=True)
    tester.expect_none(expected, _saying_more_than(first))


def _named(tester: Tester, heard: Iterable[Received]) -> None:
    for received in heard:
        user = received.data[offset("user", Framing.BARE, 0) :][:USER_SIZE]
        name = user.rstrip(b"\0")
        kept = name and all(0x20 <= byte < 0x7F and byte != ord("|") for byte in name) and name == name.strip()
        tester.judge(kept, f"a user of printable ASCII padded with NULs, not {_said(user)}")

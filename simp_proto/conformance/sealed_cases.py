"""The cases of SIMP/2: each quotes one rule of `spec/simp2.md`, and judges whether a daemon keeps it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from simp_proto.conformance.cases import Case, Level
from simp_proto.conformance.kinds import is_ack, is_message, is_ringing, is_syn
from simp_proto.conformance.sealed import Call, Heard, Session, acknowledges_over, acks, has, octet, says
from simp_proto.conformance.sealed_peer import Peer, speaks_sealed
from simp_proto.conformance.tester import PATIENCE, NotApplicableError, Tester
from simp_proto.conformance.wire import Request, Side
from simp_proto.constants import (
    GONE,
    MAX_NEXT,
    PADDING,
    PIECE_SIZE,
    PRESENCE_QUESTION,
    REPLAY_WINDOW,
    RINGING,
    Chat,
    CloseReason,
    Control,
    Framing,
    Type,
)
from simp_proto.datagram import Datagram, build, with_checksum
from simp_proto.sealed.frames import (
    CHAIN_SIZE,
    FIRST,
    LAST,
    MAX_SIZE,
    TEXT,
    Acked,
    Close,
    Closed,
    Frame,
    Message,
    Piece,
    Ping,
    State,
    Unknown,
    build_frames,
    build_message,
    chained,
    operation_of,
)
from simp_proto.sealed.offer import COOKIE_SIZE, Offer, build_offer, ring_key, ring_proof
from simp_proto.sealed.payloads import (
    MAX_FRAMES_SIZE,
    Answer,
    Challenge,
    Confirm,
    Over,
    Record,
    Ringing,
    build_payload,
    padded,
)

ACCEPT, DECLINE, TYPE, LEAVE = Request.ACCEPT, Request.DECLINE, Request.TYPE, Request.LEAVE
CALL, RESTART, SEE = Request.CALL, Request.RESTART, Request.SEE
FIN, ACK = Control.FIN, Control.ACK

SEALED: Final[list[Case]] = []
"""In the order of the specification, which is that of a run."""

_Judge = Callable[[Peer], None]


def _case(section: str, *needs: Request, chat: bool = False) -> Callable[[_Judge], _Judge]:
    """Registers what judges the rule that its docstring quotes; without one, that of the case above it.

    `chat`: it begins in one, which the tester called for.
    """

    def register(judge: _Judge) -> _Judge:
        def judge_if_spoken(tester: Tester) -> None:
            if tester.sealed is None:
                tester.sealed = not tester.foreign and speaks_sealed(tester)
            if not tester.sealed:
                raise NotApplicableError("the daemon doesn't speak SIMP/2 with the tester")
            peer = Peer(tester)
            try:
                if chat:
                    peer.call()
                judge(peer)
            finally:
                peer.part()

        rule = " ".join(judge.__doc__.split()) if judge.__doc__ else SEALED[-1].rule
        name = judge.__name__.strip("_").replace("_", "-")
        needed = frozenset(needs) | ({ACCEPT} if chat else frozenset())
        SEALED.append(Case(name, f"simp2 {section}", rule, Level.MUST, needed, judge_if_spoken))
        return judge

    return register


_in_a_chat: Final = partial(_case, chat=True)


def _when_called(section: str, *needs: Request) -> Callable[[_Judge], _Judge]:
    """The daemon calls the tester, which is a contact of its person by then."""
    return _case(section, ACCEPT, CALL, *needs)


# -- 2 and 3: the offer, and payloads


@_when_called("2.1")
def offer_sent(peer: Peer) -> None:
    """A caller that speaks SIMP/2 puts this into each SYN, `bare` or `header`, in at most 256 bytes of ASCII"""
    peer.be_called()
    again = peer.expect("the SYN again, after 1 s", _is_syn, 1.6)
    peer.judge(isinstance(again.said, Offer), "an offer that is spelled so in each SYN")


@_case("2.1", ACCEPT)
def tokens_ignored(peer: Peer) -> None:
    """Tokens are ignored; no token before the key is `SIMP/2`, so that the key is what follows the first ` SIMP/2 `."""
    call, _ = peer.be_accepted(peer.make_call(before=b" tls", after=b" SIMP/2 v=9"))
    peer.confirm(call)


@_case("2.1")
def offer_misspelled(peer: Peer) -> None:
    """a payload that isn't spelled exactly so is an offer of SIMP/1 only."""
    offer = build_offer(peer.make_call().offer)
    spare = b"_" if offer[-1] != ord("_") else b"-"  # its last two bits aren't zero
    peer.calls.clear()
    for wrong in (offer[:-1] + spare, offer + b" more", offer[:-1]):
        peer.send(peer.tester.make(Control.SYN, 0, wrong, framing=Framing.HEADER))
        heard = peer.expect("what SIMP/1 answers", lambda each: is_ringing(each.received.datagram) or each.said)
        peer.judge(is_ringing(heard.received.datagram), "'ringing', as to a caller of SIMP/1")
        peer.send(peer.tester.make(FIN, 0, framing=Framing.HEADER))
        peer.expect("an ACK of the FIN", lambda each: is_ack(each.received.datagram))


@_case("2.3", ACCEPT)
def flags_ignored(peer: Peer) -> None:
    """Other bits MUST be sent as 0, and are ignored."""
    call, _ = peer.be_accepted(peer.make_call(flags=0xFE))
    peer.confirm(call)


@_when_called("2.3")
def flags_sent(peer: Peer) -> None:
    peer.judge(peer.be_called().offer.key[0] == 0, "flags of 00 in a call that rings")


@_case("2.4", ACCEPT)
def cancelled_with_another_tag(peer: Peer) -> None:
    """Whoever didn't see the SYN can't make one, so that nobody off the path can decline, cancel, ring or answer a
    call.
    """
    call = peer.ring()
    peer.put(Over(peer.chance(8)), FIN)
    peer.expect_none("no answer to an OVER with another tag", _is_answer)
    peer.ask(ACCEPT)
    peer.expect("ANSWER, since nobody has cancelled", says(Answer, call.tag), PATIENCE)


@_when_called("2.4")
def answered_with_another_tag(peer: Peer) -> None:
    call = peer.be_called()
    answer, _ = peer.make_answer(call)
    tag, cookie = peer.chance(8), peer.chance(COOKIE_SIZE)
    for said in (Challenge(tag, cookie), replace(answer, tag=tag), Over(tag)):
        peer.put(said)
    told = "no answer to a CHALLENGE, an ANSWER or an OVER with another tag"
    peer.expect_none(told, lambda heard: _has_cookie(cookie)(heard) or _is_answer(heard), 0.3)
    peer.accept(call)


@_case("3.1", ACCEPT, DECLINE)
def payloads_sent(peer: Peer) -> None:
    """Every other datagram is in `header`, with sequence number 0, its user 32 NULs, and a payload whose first byte can
    begin no UTF-8 text
    """
    peer.ring()
    peer.ask(DECLINE)
    peer.collect()
    peer.call()
    peer.say(b"hello")
    for data in (each.data for each in peer.tester.trace.seen()):
        shaped = data is not None and data[2:35] == bytes(33) and data[41] & 0xC0 == 0x80
        peer.judge(shaped, "the sequence number 0, 32 NULs for a user, and a first byte from 80 to bf in each datagram")


@_case("3.2", ACCEPT)
def payload_malformed(peer: Peer) -> None:
    """Such a payload in another operation, with another user, number or size than here, or with a first byte from `80`
    to `bf` that isn't in the table, is malformed
    """
    call = peer.ring()
    over = build_payload(Over(call.tag), FIN)
    for changes in ({"user": b"tester"}, {"sequence": 1}, {"payload": over.payload + b"\0"}, {"payload": b"\x8f"}):
        peer.send(build(replace(over, **changes)))
    peer.expect_none("no answer to an OVER that is malformed", _is_answer)
    peer.ask(ACCEPT)
    peer.expect("ANSWER, since nobody has cancelled", says(Answer, call.tag), PATIENCE)


# -- 4: calls


@_case("4.1", SEE)
def challenge(peer: Peer) -> None:
    """Its cookie isn't good: CHALLENGE. Nothing is kept."""
    for _ in range(3):
        peer.be_challenged(peer.make_call())
    peer.judge(not peer.shown("CONNECTING|"), "nobody to be told of callers that haven't shown their address")


@_case("4.1", SEE)
def request(peer: Peer) -> None:
    """It is a request, in the place of an older one of the same address: RINGING."""
    call = peer.ring()
    peer.judge(peer.shown("CONNECTING|tester|"), "the person to be told of the call")
    again = peer.make_call()
    peer.dial(again, peer.be_challenged(again))
    peer.expect("RINGING for the newer call", says(Ringing, again.tag))
    call.over = True


@_case("4.1", ACCEPT)
def request_repeated(peer: Peer) -> None:
    """It is that of a request: RINGING, and the request is younger"""
    call = peer.ring()
    peer.dial(call)
    peer.expect("RINGING again", says(Ringing, call.tag))
    peer.expect_none("no ANSWER before the person accepts", says(Answer, call.tag))


@_case("4.1", ACCEPT)
def answer_to_a_repeated_syn(peer: Peer) -> None:
    """It is that of an ANSWER which is out: the ANSWER again, the same bytes."""
    call, answer = peer.be_accepted()
    peer.dial(call)
    again = peer.expect("the ANSWER again", says(Answer, call.tag), 0.5)
    peer.judge(again.received.data == answer.received.data, "the same bytes again")


@_case("4.1", DECLINE)
def call_that_is_over(peer: Peer) -> None:
    """It is one of the last 64 whose calls are over, however they ended: OVER in a FIN."""
    call = peer.ring()
    peer.ask(DECLINE)
    peer.expect("OVER in a FIN", says(Over, call.tag), PATIENCE)
    peer.put(Over(call.tag), ACK)
    peer.dial(call)
    peer.expect("OVER in a FIN again", says(Over, call.tag))
    call.over = True


@_case("4.1")
def call_from_elsewhere(peer: Peer) -> None:
    """Its `e` is one of our own calls', or that of a call from another address, over or not: it is ignored."""
    call = peer.ring()
    peer.dial(call, side=Side.STRANGER)
    peer.expect_none("no answer at another address to a call that rings", _is_answer)
    peer.judge(not peer.collect(side=Side.STRANGER), "no answer at another address to a call that rings")


@_when_called("4.1")
def call_of_its_own(peer: Peer) -> None:
    call = peer.be_called()
    peer.send(build(Datagram(Type.CONTROL, Control.SYN, 0, call.user, build_offer(call.offer), Framing.HEADER)))
    peer.expect_none("no answer to the daemon's own call", _is_answer, 0.5)


@_case("4.1", ACCEPT)
def request_of_a_contact(peer: Peer) -> None:
    """A request or ANSWER of the same address was proved to be a contact's (4.3), and the SYN isn't proved to be the
    same contact's: it is ignored.
    """
    peer.befriend()
    call, stranger = peer.ring(), Peer(peer.tester)
    other = stranger.make_call()
    stranger.dial(other, stranger.be_challenged(other))
    stranger.expect_none("no answer to a stranger who shares a contact's address", _is_answer)
    peer.ask(ACCEPT)
    peer.expect("ANSWER to the contact", says(Answer, call.tag), PATIENCE)


@_in_a_chat("4.1")
def open_conversation(peer: Peer) -> None:
    """It is proved to come from a contact whose conversation is open here, and it is quiet, or the person here has
    taken the conversation up since the daemon started: ANSWER immediately.
    """
    call = peer.make_call()
    peer.dial(call, peer.be_challenged(call))
    peer.read_answer(call, peer.expect("ANSWER, without asking anybody", says(Answer, call.tag)))
    peer.settle(peer.confirm(call))
    peer.say(b"hello again")


@_case("4.1", ACCEPT, SEE)
def closed_conversation(peer: Peer) -> None:
    """It is quiet, and proved to come from a contact whose conversation isn't open: ANSWER immediately, for a session
    that begins by a CLOSE
    """
    peer.befriend()
    peer.tester.shown()
    call, _ = peer.go_on()
    heard = peer.confirm(call)
    peer.judge(_reasons(heard) == [CloseReason.LEFT], "CLOSE, reason 0, in the first record")
    peer.settle(heard)
    peer.seal(Closed())
    peer.judge(not peer.shown("CONNECTING|"), "nobody to be told of a quiet call")


@_case("4.1", SEE)
def quiet_call(peer: Peer) -> None:
    """It is quiet: OVER in a FIN."""
    peer.tester.shown()
    call = peer.make_call(quiet=True)
    peer.dial(call, peer.be_challenged(call))
    peer.expect("OVER in a FIN, since nobody is known so", says(Over, call.tag))
    peer.judge(not peer.shown("CONNECTING|"), "nobody to be told of a quiet call")


@_case("4.2")
def cookie_of_another_address(peer: Peer) -> None:
    """MUST be good for the one address, port and `e` that it was made for, for at least 60 s and at most
    120 s by the callee's own clock
    """
    call = peer.make_call()
    _is_no_good(peer, call, peer.be_challenged(call), Side.STRANGER)


@_case("4.2")
def cookie_of_another_port(peer: Peer) -> None:
    call = peer.make_call()
    _is_no_good(peer, call, peer.be_challenged(call), Side.DOUBLE)


@_case("4.2")
def cookie_of_another_call(peer: Peer) -> None:
    _is_no_good(peer, peer.make_call(), peer.be_challenged(peer.make_call()), Side.TESTER)


@_when_called("4.3")
def ring_proof_sent(peer: Peer) -> None:
    """is HMAC-SHA256(ring key, user of the SYN, 32 bytes || offer || cookie)[:16]."""
    call, cookie = peer.be_called(), peer.chance(COOKIE_SIZE)
    peer.put(Challenge(call.tag, cookie))
    said = peer.expect("the SYN with the cookie", _has_cookie(cookie)).said
    assert isinstance(said, Offer)
    assert peer.daemon
    key = ring_key(peer.keys.dh(peer.daemon), peer.daemon, peer.keys.public)
    proved = ring_proof(key, call.user, said.text, cookie)
    peer.judge(said.ring_proof == proved, "the proof that it is this contact who calls")


@_in_a_chat("4.3")
def ring_proof_missing(peer: Peer) -> None:
    """A SYN without the cookie of the callee proves nothing."""
    call = peer.make_call(quiet=True)
    cookie = peer.be_challenged(call)  # by a SYN that has the proof of another cookie
    call.offer = replace(call.offer, proof=cookie + call.offer.ring_proof)
    peer.send(peer.tester.make(Control.SYN, 0, build_offer(call.offer), framing=Framing.HEADER))
    peer.expect("OVER in a FIN: it isn't proved who calls", says(Over, call.tag))


@_when_called("4.4")
def cookie_sent(peer: Peer) -> None:
    """the SYN is sent immediately with the cookie, but not more than once in 100 ms."""
    call, cookie = peer.be_called(), peer.chance(COOKIE_SIZE)
    peer.put(Challenge(call.tag, cookie))
    again = peer.expect("the SYN with the cookie", _has_cookie(cookie), 0.5)
    assert isinstance(again.said, Offer)
    same = again.said.text == call.offer.text and again.received.datagram.framing is Framing.HEADER
    peer.judge(same, "the same offer, in header")


@_when_called("4.4")
def challenged_often(peer: Peer) -> None:
    call = peer.be_called()
    start = peer.tester.wire.now()
    for _ in range(10):
        peer.put(Challenge(call.tag, peer.chance(COOKIE_SIZE)))
    syns = [each.received.time for each in peer.collect(0.45) if _is_syn(each)]
    peer.judge(len(syns) <= 1 + (peer.tester.wire.now() - start) / 0.1, "no more than one SYN in 100 ms")


@_when_called("4.4")
def syn_once_it_rings(peer: Peer) -> None:
    """From then on it is repeated after 1, 2, 4, 5, 5 ... s, and every 30 s once it rings."""
    call, cookie = peer.be_called(), peer.chance(COOKIE_SIZE)
    peer.put(Challenge(call.tag, cookie))
    peer.expect("the SYN with the cookie", _has_cookie(cookie))
    peer.expect("the SYN again after 1 s", _has_cookie(cookie), 1.6)
    peer.put(Ringing(call.tag))
    peer.expect_none("no SYN soon after RINGING", _is_syn, 6.0)


@_when_called("4.4", SEE)
def declined(peer: Peer) -> None:
    """OVER in a FIN: the call was declined (4.5)."""
    call = peer.be_called()
    call.over = True
    peer.tester.shown()
    peer.put(Over(call.tag), FIN)
    peer.expect("OVER in an ACK", acknowledges_over(call.tag))
    peer.judge(peer.shown("QUIT|"), "the person to be told that the call is over")


@_when_called("4.4")
def answer_forged(peer: Peer) -> None:
    """A wrong one changes nothing."""
    call = peer.be_called()
    answer, handshake = peer.make_answer(call)
    peer.put(replace(answer, message=answer.message[:-1] + octet(answer.message[-1] ^ 1)))
    peer.expect_none("no CONFIRM of an ANSWER that isn't authentic", says(Confirm, call.tag), 0.5)
    peer.accept(call, (answer, handshake))


@_when_called("4.4")
def answer_accepted(peer: Peer) -> None:
    """A right one whose static key is the one expected, or is new where none is expected: the key is pinned, CONFIRM is
    sent, the session is on
    """
    peer.answer_call()
    peer.say(b"hello")


@_when_called("4.4")
def confirm_repeated(peer: Peer) -> None:
    """CONFIRM is sent again after 1, 2, 4, 5, 5 ... s, 12 times at most, and for each repeated ANSWER, until a record
    of the session arrives
    """
    call = peer.be_called()
    answer, handshake = peer.make_answer(call)
    first = peer.accept(call, (answer, handshake))
    for again in (True, False):
        if again:
            peer.put(answer)
        repeat = peer.expect("the CONFIRM again", says(Confirm, call.tag), 0.5 if again else 1.6)
        peer.judge(repeat.received.data == first.received.data, "the same bytes again")


@_when_called("4.4")
def answer_with_another_key(peer: Peer) -> None:
    """Only if no right one with the right key has come by then is the call over"""
    call = peer.be_called()
    other, _ = peer.make_answer(call, s=peer.make_keys())
    peer.put(other)
    peer.expect_none("no CONFIRM of an ANSWER with another key than the contact's", says(Confirm, call.tag), 0.5)
    peer.accept(call)


@_when_called("4.4")
def answer_of_simp_1(peer: Peer) -> None:
    """If a contact was called, it is ignored and noted"""
    call = peer.be_called()
    for operation, payload in ((ACK, RINGING), (Control.SYN_ACK, b""), (FIN, b"")):
        peer.send(peer.tester.make(operation, 0, payload, framing=Framing.HEADER))
    said = peer.collect(0.5)
    kept = not any(is_message(each.received.datagram) or is_ack(each.received.datagram) for each in said)
    peer.judge(kept, "no answer to whoever speaks SIMP/1 in a contact's place")
    peer.accept(call)


@_case("4.5", ACCEPT)
def answer_repeated(peer: Peer) -> None:
    """It is repeated after 1, 2, 4, 5, 5 ... s, 12 times at most, until the CONFIRM comes."""
    call, first = peer.be_accepted()
    for pause in (1, 2):
        again = peer.expect(f"the ANSWER again, after {pause} s", says(Answer, call.tag), pause + 0.6)
        peer.judge(again.received.data == first.received.data, "the same bytes again")
    peer.confirm(call)


@_case("4.5", ACCEPT)
def confirm_with_another_key(peer: Peer) -> None:
    """Where the call was proved to be a contact's, or crossed one of ours to a contact, a CONFIRM with another key is
    wrong and changes nothing: its person accepted nobody else.
    """
    peer.befriend()
    call, _ = peer.be_accepted()
    other, handshake = peer.make_confirm(call, s=peer.make_keys())
    peer.put(other)
    peer.sessions.append(Session(handshake, caller=True))
    peer.expect_none("no record to whoever has another key", has(State), 0.5)
    peer.sessions.pop()
    peer.confirm(call)


@_case("4.5", ACCEPT)
def confirm_forged(peer: Peer) -> None:
    """CONFIRMs are read as often as ANSWERs are."""
    call, _ = peer.be_accepted()
    confirm, _ = peer.make_confirm(call)
    peer.put(replace(confirm, message=confirm.message[:-1] + octet(confirm.message[-1] ^ 1)))
    peer.expect_none("no record after a CONFIRM that isn't authentic", _is_record, 0.3)
    peer.confirm(call)


@_case("4.5", DECLINE)
def declines(peer: Peer) -> None:
    """**Declining** is OVER in a FIN, repeated as S1 4.7 says"""
    call = peer.ring()
    peer.ask(DECLINE)
    peer.expect("OVER in a FIN", says(Over, call.tag), PATIENCE)
    peer.expect("OVER in a FIN again, after 5 s", says(Over, call.tag), 6.0)
    peer.put(Over(call.tag), ACK)
    peer.expect_none("no OVER once it is acknowledged", says(Over, call.tag), 6.0)
    call.over = True


@_when_called("4.5", LEAVE)
def cancels(peer: Peer) -> None:
    """**cancelling** is the same, from the caller"""
    call = peer.be_called()
    peer.put(Ringing(call.tag))
    peer.collect(0.3)
    peer.ask(LEAVE)
    peer.expect("OVER in a FIN", says(Over, call.tag), PATIENCE)
    peer.put(Over(call.tag), ACK)
    call.over = True


@_case("4.5", SEE)
def cancelled(peer: Peer) -> None:
    """An OVER in a FIN is acknowledged by an OVER in an ACK if its tag is that of a call that is on, or one of the last
    64 that are over
    """
    call = peer.ring()
    peer.tester.shown()
    for _ in range(2):
        peer.put(Over(call.tag), FIN)
        peer.expect("OVER in an ACK", acknowledges_over(call.tag))
    call.over = True
    peer.judge(len(peer.shown("QUIT|")) == 1, "the person to be told once that the call is over")


@_in_a_chat("4.5")
def over_in_a_session(peer: Peer) -> None:
    """It ends only a call that isn't a session yet."""
    peer.put(Over(peer.calls[-1].tag), FIN)
    peer.collect(0.3)
    peer.say(b"hello", "a message after an OVER with the tag of the session's call")


@_when_called("4.6")
def crossed_by_a_lower_key(peer: Peer) -> None:
    """The higher one drops its call and sends the ANSWER"""
    call = peer.be_called()
    own = _crossing(peer, call, lower=True)
    answer = peer.expect("ANSWER, since its `e` is the higher one", says(Answer, own.tag))
    call.over = True
    peer.read_answer(own, answer)
    peer.settle(peer.confirm(own))
    peer.say(b"hello")


@_when_called("4.6")
def crossed_by_a_higher_key(peer: Peer) -> None:
    """The lower one is the caller: it ignores the other's SYN, and repeats its own immediately."""
    call = peer.be_called()
    own = _crossing(peer, call, lower=False)
    heard = peer.collect(0.4)
    peer.judge(not any(map(says(Answer, own.tag), heard)), "no ANSWER, since its `e` is the lower one")
    peer.judge(any(map(_is_syn, heard)), "its own SYN again, immediately")
    own.over = True
    peer.accept(call)


@_in_a_chat("4.7", TYPE, SEE)
def quiet_call_over(peer: Peer) -> None:
    """An OVER, or an ANSWER with another key, MUST NOT change anything but the quiet call"""
    heard = peer.hear("is anybody there?")
    syn = peer.find(_is_syn, GONE + 3.0)
    if syn is None or not isinstance(syn.said, Offer):
        raise NotApplicableError("the daemon has made no quiet call")  # as `gone` judges
    call = Call(syn.said, syn.received.datagram.user, peer.side)
    peer.calls.append(call)
    peer.tester.shown()
    peer.put(Over(call.tag), Control.FIN)
    peer.collect(0.3)
    peer.judge(not peer.shown("QUIT|"), "nothing to be told of an OVER that answers a quiet call")
    peer.take(heard.pieces)
    peer.settle(heard)
    peer.say(b"here I am")


# -- 5: keys


@_case("5.3", ACCEPT)
def answer_frames(peer: Peer) -> None:
    """The sealed frames of message 2 are HELLO alone, since the caller isn't known yet; those of message 3 are HELLO,
    STATE.
    """
    call, answer = peer.be_accepted()
    peer.judge(_names(peer.read_answer(call, answer)) == ["Hello"], "HELLO alone in the ANSWER")


@_when_called("5.3")
def confirm_frames(peer: Peer) -> None:
    call = peer.be_called()
    peer.accept(call)
    peer.judge(_names(call.frames) == ["Hello", "State"], "HELLO, STATE in the CONFIRM")


@_case("5.3", ACCEPT)
def confirm_without_state(peer: Peer) -> None:
    """An ANSWER or CONFIRM with other frames, or with the reader's own static key, is wrong, as one that can't be
    opened is.
    """
    call, _ = peer.be_accepted()
    wrong, handshake = peer.make_confirm(call, peer.hello())
    peer.put(wrong)
    peer.sessions.append(Session(handshake, caller=True))
    peer.expect_none("no record after a CONFIRM without STATE", _is_record, 0.3)
    peer.sessions.pop()
    peer.confirm(call)


@_when_called("5.3")
def answer_with_state(peer: Peer) -> None:
    call = peer.be_called()
    wrong, _ = peer.make_answer(call, peer.hello(), peer.state())
    peer.put(wrong)
    peer.expect_none("no CONFIRM of an ANSWER with STATE", says(Confirm, call.tag), 0.3)
    peer.accept(call)


@_in_a_chat("5.5")
def session_replaced(peer: Peer) -> None:
    """The old session works until the handshake of the new one is complete, which for its caller is at the ANSWER, and
    MUST then be forgotten, its keys first
    """
    old = peer.session
    call, _ = peer.go_on()
    peer.say(b"still in the old one", "a message before the new session is on")
    peer.settle(peer.confirm(call))
    peer.send(old.seal(*peer.cut(b"in the old one")))
    peer.chains.pop()
    peer.expect_none("no answer to a record of a session that was replaced", has(Acked), 0.5)
    peer.say(b"in the new one")


# -- 6: records


@_in_a_chat("6.1", SEE)
def unsealed(peer: Peer) -> None:
    """An unsealed datagram from the peer's address changes nothing any more"""
    peer.tester.shown()
    for operation in (Chat.MESSAGE, Control.ERR, FIN):
        peer.send(peer.tester.make(operation, 1, b"in the clear", framing=Framing.HEADER))
    told = peer.tester.shown()
    peer.judge(not told, "the person to be told nothing of what comes in the clear")
    peer.say(b"hello", "a message after unsealed datagrams")


@_in_a_chat("6.2", TYPE, LEAVE)
def operations_sent(peer: Peer) -> None:
    """The datagram's type and operation are the first of these that fits its frames"""
    peer.say(b"hello")
    heard = peer.hear("hi")
    peer.take(heard.pieces)
    peer.settle(heard)
    peer.ask(LEAVE)
    heard = peer.expect("CLOSE", has(Close), PATIENCE)
    peer.seal(Closed())
    records = [each for each in map(peer.read, peer.tester.trace.seen()) if each and each.session]
    kept = all(each.operation is operation_of(each.frames) for each in records)
    peer.judge(kept, "MESSAGE for what wants an ACK, FIN for CLOSE, and ACK for the rest")


@_in_a_chat("6.2")
def operation_wrong(peer: Peer) -> None:
    peer.send(peer.session.seal(*peer.cut(b"hello"), operation=ACK))
    _is_told(peer, CloseReason.FAULT, "a PIECE in an ACK")


@_in_a_chat("6.3", TYPE)
def counters(peer: Peer) -> None:
    """The counter of each direction begins with 0 and goes up by one with each record. It is never set back and never
    used twice, not for a repeat of the same frames either.
    """
    peer.hear("unacknowledged, so that it is repeated")
    peer.collect(3.0)
    peer.say(b"hello")
    records = [each for each in map(peer.read, peer.tester.trace.seen()) if each and isinstance(each.said, Record)]
    counters = [each.counter for each in records]
    peer.judge(counters == list(range(len(counters))), f"counters from 0 on, each once, not {counters}")


@_in_a_chat("6.4", SEE)
def replayed(peer: Peer) -> None:
    """A counter that is 1,024 or more below the highest seen is *old*, one that was seen is a *replay*, and one whose
    seal is wrong is *forged*: each is ignored.
    """
    record = peer.session.seal(*peer.cut(b"once"))
    peer.send(record)
    peer.expect("ACKED", acks(1))
    peer.send(record)
    peer.expect_none("no answer to a replay", _is_answer, 0.5)


@_in_a_chat("6.4")
def forged(peer: Peer) -> None:
    counter = peer.session.counter
    record = peer.session.seal(*peer.cut(b"true"))
    wrong = with_checksum(record[:-1] + octet(record[-1] ^ 1), Framing.HEADER)
    peer.send(wrong)
    peer.expect_none("no answer to a record whose seal is wrong", _is_answer, 0.5)
    peer.send(record)
    peer.expect(f"ACKED: the counter {counter} wasn't seen, since what had it was forged", acks(1))


@_in_a_chat("6.4")
def old(peer: Peer) -> None:
    skipped = peer.session.seal(*peer.cut(b"old"))
    younger = peer.session.seal(*peer.cut(b"not old"))
    peer.session.counter += REPLAY_WINDOW - 2
    peer.seal(Ping())
    peer.expect("ACKED of a PING", has(Acked))
    peer.send(skipped)
    peer.expect_none("no answer to a record that is 1,024 below the highest", _is_answer, 0.5)
    peer.send(younger)
    peer.expect("ACKED of one that is 1,023 below", has(Acked))


@_in_a_chat("6.4", SEE)
def obeyed_whole(peer: Peer) -> None:
    """Only then is the counter noted as seen, and only then are frames read, all of them before one is obeyed."""
    peer.tester.shown()
    plain = build_frames(peer.cut(b"first")) + build_frames([Ping()])[:-1] + b"\1\0"
    peer.send(peer.session.seal(plain=padded(plain), operation=Chat.MESSAGE))
    _is_told(peer, CloseReason.FAULT, "a PING that isn't empty")
    peer.judge(not peer.shown("CHAT|"), "nothing to be shown of a record that can't be read whole")


@_in_a_chat("6.5")
def frames_skipped(peer: Peer) -> None:
    """| `08` to `0f`, `20` to `7f` | unknown | skipped | yes |"""
    for type_ in (0x08, 0x0F, 0x20, 0x7F):
        counter = peer.seal(Unknown(type_, b"of a later version"), *peer.cut(b"hello"))
        heard = peer.expect(f"ACKED of a record with a frame {type_:02x}", acks(len(peer.chains) - 1))
        _echoes(peer, heard, counter)
        counter = peer.seal(Unknown(type_, b""))
        _echoes(peer, peer.expect(f"ACKED of a frame {type_:02x} alone", has(Acked)), counter)


@_in_a_chat("6.5")
def frames_that_may_be_lost(peer: Peer) -> None:
    """| `10` to `1f` | unknown | skipped; body at most 1,100 | no |"""
    for type_ in (0x10, 0x1F):
        peer.send(peer.session.seal(Unknown(type_, bytes(1_100))))
        peer.expect_none("no answer to frames that may be lost", _is_answer, 0.3)
    peer.say(b"hello")


@_in_a_chat("6.5")
def frame_that_must_be_known(peer: Peer) -> None:
    """| `80` to `ff` | unknown | the session can't go on: CLOSE, reason 2 | |"""
    peer.seal(Unknown(0x80, b""))
    _is_told(peer, CloseReason.UNKNOWN_FRAME, "a frame 80")


@_in_a_chat("6.5")
def frame_malformed(peer: Peer) -> None:
    """Frames that break this, with a body of another size or other flags, for example, are malformed."""
    (piece,) = peer.cut(b"hello")
    wrong = build_frames([piece]).replace(octet(piece.flags) + octet(TEXT), octet(0x07) + octet(TEXT))
    peer.send(peer.session.seal(plain=padded(wrong), operation=Chat.MESSAGE))
    _is_told(peer, CloseReason.FAULT, "a PIECE with other flags")


@_in_a_chat("6.6", TYPE)
def padding_sent(peer: Peer) -> None:
    """The frames of a record are padded with NULs to a multiple of 64, or to 1,130, the most that fits 1,200"""
    peer.hear("x" * 100)
    peer.say(b"hello")
    for heard in map(peer.read, peer.tester.trace.seen()):
        size = len(heard.plain) if heard else 0
        peer.judge(size % PADDING == 0 or size == MAX_FRAMES_SIZE, f"64, 128 ... or 1,130 bytes of frames, not {size}")


@_in_a_chat("6.6")
def padding_read(peer: Peer) -> None:
    """A reader takes any number of NULs."""
    for nulls in (0, 1, 500):
        plain = build_frames(peer.cut(b"hello")) + bytes(nulls)
        peer.send(peer.session.seal(plain=plain, operation=Chat.MESSAGE))
        peer.expect(f"ACKED of a record with {nulls} NULs", acks(len(peer.chains) - 1))


@_in_a_chat("6.7")
def record_from_elsewhere(peer: Peer) -> None:
    """A record from elsewhere is read, and moves nothing"""
    peer.send(peer.session.seal(*peer.cut(b"from elsewhere")), Side.STRANGER)
    peer.expect("ACKED, at the address of the handshake", acks(1))


# -- 7: exactly once


@_in_a_chat("7.1", SEE)
def text_that_is_no_utf_8(peer: Peer) -> None:
    """Kind `01` is text in UTF-8; bytes that aren't, here and in a CLOSE, are no fault (S1 5.6)."""
    peer.say(b"\xff\xfe", "a text that isn't UTF-8")
    peer.judge(len(peer.shown("CHAT|")) == 1, "something to be shown for a text that isn't UTF-8")


@_in_a_chat("7.1")
def unknown_kind(peer: Peer) -> None:
    """Any other kind is stored and acknowledged as text is"""
    peer.say(b"picture", "a message of another kind", kind=0x77)
    peer.say(b"hello")


@_in_a_chat("7.2", TYPE)
def pieces_sent(peer: Peer) -> None:
    """A message is cut into pieces of 1,024 bytes, only the last of which may be shorter, and none is empty."""
    peer.ask(TYPE, "x" * 2_500)
    pieces = _hear_all(peer, 3)
    sizes = [len(piece.data) for piece in pieces.values()]
    peer.judge(sizes == [1_024, 1_024, 2_509 - 2_048], f"pieces of 1,024, 1,024 and 461 bytes, not {sizes}")
    flags = [piece.flags for piece in pieces.values()]
    peer.judge(flags == [FIRST, 0, LAST], f"the flags 01, 00, 02, not {flags}")


@_in_a_chat("7.2", SEE)
def pieces_read(peer: Peer) -> None:
    """A piece is what is numbered, stored and acknowledged."""
    peer.say(b"a" * 1_015 + b"b" * 1_024 + b"c", "a message of three pieces")
    lines = peer.shown("CHAT|")
    peer.judge(lines == ["CHAT|tester|" + "a" * 1_015 + "b" * 1_024 + "c"], "the message to be shown whole, once")


@_in_a_chat("7.2", SEE)
def piece_repeated(peer: Peer) -> None:
    """A receiver never stores a second piece under a number."""
    (piece,) = peer.cut(b"once")
    for data in (piece.data, piece.data, build_message(Message(TEXT, 0, b"another"))):
        counter = peer.seal(replace(piece, data=data))
        _echoes(peer, peer.expect("ACKED, next 2, of each record with piece 1", acks(1)), counter)
    told = peer.shown("CHAT|")
    peer.judge(told == ["CHAT|tester|once"], f"the message to be shown once, not {len(told)} times")


@_in_a_chat("7.2")
def piece_too_short(peer: Peer) -> None:
    """if it has less than 1,024 bytes, and doesn't end its message (7.9, reason 1)"""
    (piece,) = peer.cut(b"short")
    peer.seal(replace(piece, flags=FIRST))
    _is_told(peer, CloseReason.FAULT, "a piece that is short and not the last")


@_in_a_chat("7.2")
def piece_of_no_message(peer: Peer) -> None:
    """if it doesn't begin a message, and none is unfinished (reason 1)"""
    (piece,) = peer.cut(b"the end")
    peer.seal(replace(piece, flags=LAST))
    _is_told(peer, CloseReason.FAULT, "a piece of no message")


@_in_a_chat("7.2")
def message_too_long(peer: Peer) -> None:
    """if its message has more than 60,009 bytes with it (reason 3)"""
    pieces = [Piece(1 + at, FIRST * (at == 0), octet(TEXT) + bytes(PIECE_SIZE - 1)) for at in range(59)]
    for group in (pieces[at : at + 4] for at in range(0, 59, 4)):
        for piece in group:
            peer.seal(piece)
        if group[-1] is not pieces[-1]:
            peer.expect("ACKED of the pieces of a long message", acks(group[-1].number))
    _is_told(peer, CloseReason.TOO_LONG, f"a message of more than {MAX_SIZE:,} bytes")


@_when_called("7.3", TYPE)
def chain(peer: Peer) -> None:
    """Both ends keep the chain of what is acknowledged."""
    peer.call()
    peer.say(b"one")
    for text in ("two", "three"):
        heard = peer.hear(text)
        peer.take(heard.pieces)
        peer.settle(heard)
    peer.close()
    call = peer.be_called()
    peer.accept(call)  # its CONFIRM has a STATE that knows nothing of the tester's
    expected = State(3, peer.heard[2], 2, peer.chains[1])
    peer.judge(expected in call.frames, "a STATE with the chains of what was acknowledged")


@_in_a_chat("7.4", RESTART)
def acknowledged_is_stored(peer: Peer) -> None:
    """pieces that are next in order, their number and chain"""
    start = peer.state()
    peer.say(b"kept")
    peer.ask(RESTART)
    state = _state_after_a_restart(peer, start)
    peer.judge((state.next, state.upto) == (2, peer.chains[1]), "a STATE that knows of what was acknowledged")


@_in_a_chat("7.5", SEE)
def pieces_out_of_order(peer: Peer) -> None:
    """Bit i of the *bitmap*, whose value in that number is 2^i, says that piece *next* + 1 + i has arrived"""
    one, two, three = (peer.cut(text)[0] for text in (b"one", b"two", b"three"))
    peer.seal(three)
    heard = peer.expect("ACKED, next 1, with bit 1 for piece 3", has(Acked))
    peer.judge([(each.next, each.bitmap) for each in heard.get(Acked)] == [(1, 2)], "ACKED, next 1, bitmap 2")
    peer.seal(two)
    peer.expect("ACKED, next 1", acks(0))
    peer.judge(not peer.shown("CHAT|"), "nothing to be shown before its turn")
    peer.seal(one)
    peer.expect("ACKED, next 4", acks(3))
    peer.judge([line[12:] for line in peer.shown("CHAT|")] == ["one", "two", "three"], "the messages in their order")


@_in_a_chat("7.5")
def echo(peer: Peer) -> None:
    """*Echo* is the highest counter of a record that wanted an ACK."""
    for frames in ([Ping()], peer.cut(b"hello"), [Ping()]):
        counter = peer.seal(*frames)
        _echoes(peer, peer.expect("ACKED, immediately", has(Acked)), counter)


@_in_a_chat("7.5")
def acked_of_nothing(peer: Peer) -> None:
    """An ACKED of a piece that has no number yet, also in the bitmap, or of a record that wasn't sent is a fault of the
    peer (7.9, reason 1).
    """
    peer.seal(Acked(3, 0))
    _is_told(peer, CloseReason.FAULT, "an ACKED of a piece that wasn't sent")


@_in_a_chat("7.5")
def echo_of_nothing(peer: Peer) -> None:
    peer.seal(Acked(1, 1_000))
    _is_told(peer, CloseReason.FAULT, "an ACKED of a record that wasn't sent")


@_in_a_chat("7.6", TYPE)
def in_flight(peer: Peer) -> None:
    """At most 4 pieces are in flight"""
    peer.ask(TYPE, "x" * 9_000)
    seen = {piece.number for heard in peer.collect() for piece in heard.pieces}
    peer.judge(seen == {1, 2, 3, 4}, f"the pieces 1 to 4, and no more before one is acknowledged, not {sorted(seen)}")


@_in_a_chat("7.6", TYPE)
def lost_piece(peer: Peer) -> None:
    """A repeat is a new record with the old number."""
    first = peer.hear("lost")
    again = peer.expect("the PIECE again, within 5 s", lambda each: each.pieces == first.pieces, 5.5)
    peer.judge(again.counter > first.counter, "a new record")


@_in_a_chat("7.7", TYPE)
def gone(peer: Peer) -> None:
    """Where something is unacknowledged, or a CONFIRM unanswered, and no record has come for 10 s, the daemon calls
    quietly (4.7)
    """
    piece = peer.hear("is anybody there?").pieces[0]
    heard = peer.expect("a quiet SYN, after 10 s", _is_syn, GONE + 3.0)
    peer.judge(isinstance(heard.said, Offer) and heard.said.quiet, "a quiet SYN")
    assert isinstance(heard.said, Offer)
    call = Call(heard.said, heard.received.datagram.user, peer.side)
    peer.calls.append(call)
    peer.accept(call)
    peer.seal(peer.state())
    again = peer.expect("the PIECE again in the new session, with its number", has(Piece))
    peer.judge(piece in again.pieces and again.session is peer.session, "the PIECE again in the new session")


@_case("7.8", ACCEPT)
def state_until_acknowledged(peer: Peer) -> None:
    """The callee begins each record with its own until one of them is acknowledged"""
    call, _ = peer.be_accepted()
    peer.confirm(call)
    for _ in range(2):
        peer.seal(Ping())
        heard = peer.expect("ACKED", has(Acked))
        peer.judge(isinstance(heard.frames[0], State), "STATE at the beginning of each record")
    peer.settle(heard)
    peer.seal(Ping())
    heard = peer.expect("ACKED", has(Acked))
    peer.judge(not heard.get(State), "no STATE once it was acknowledged")


@_when_called("7.8", TYPE)
def no_piece_before_state(peer: Peer) -> None:
    """neither sends a PIECE before it has read the other's."""
    peer.accept(peer.be_called())
    peer.ask(TYPE, "hello", quiet=True)
    peer.expect_none("no PIECE before the tester's STATE", has(Piece))
    peer.seal(peer.state())
    peer.expect("the PIECE after it", has(Piece))


@_in_a_chat("7.8")
def second_state(peer: Peer) -> None:
    """Only the first in a session is read."""
    peer.seal(State(50, b"whatever", 1, bytes(CHAIN_SIZE)))
    peer.expect("ACKED of a STATE", has(Acked))
    peer.say(b"hello", "piece 1, after a second STATE")


@_case("7.8", ACCEPT, SEE)
def jump(peer: Peer) -> None:
    """jump to *first* - 1 and *before*, drop what is here of an unfinished message, and tell the person how many pieces
    aren't here
    """
    peer.chains = [peer.chance(CHAIN_SIZE) for _ in range(11)]
    call, _ = peer.be_accepted()
    peer.settle(peer.confirm(call))
    peer.judge(peer.shown("ERROR|"), "the person to be told that pieces 1 to 10 aren't here")
    peer.say(b"hello", "piece 11, the first that isn't given up")
    call, _ = peer.go_on()
    (state,) = peer.confirm(call).get(State)
    peer.judge((state.next, state.upto) == (12, peer.chains[11]), "a STATE with the chain from there on")


@_case("7.8", ACCEPT, TYPE)
def renumbering(peer: Peer) -> None:
    """whatever isn't acknowledged gets the numbers from *next* on, and the chain begins with *upto*"""
    peer.heard = [peer.chance(CHAIN_SIZE) for _ in range(101)]
    call, _ = peer.be_accepted()
    heard = peer.settle(peer.confirm(call))
    expected = State(101, peer.heard[100], 1, bytes(CHAIN_SIZE))
    peer.judge(heard.get(State) == [expected], "a STATE with the number 101, since the tester has 100 pieces already")
    peer.hear("hello")


@_case("7.8", ACCEPT)
def next_too_high(peer: Peer) -> None:
    """a fault of the peer (7.9, reason 1), and nothing of its STATE is done: too few numbers would be left"""
    call, _ = peer.be_accepted()
    state = State(1, bytes(CHAIN_SIZE), MAX_NEXT // 2 + 1, b"whatever")
    heard = peer.confirm(call, state=state)
    if not heard.get(Close):
        heard = peer.expect("CLOSE, reason 1", has(Close))
    peer.judge(_reasons(heard) == [CloseReason.FAULT], "CLOSE, reason 1")
    peer.seal(Closed())
    Peer(peer.tester).befriend()


@_in_a_chat("7.8", TYPE, SEE)
def acknowledged_by_state(peer: Peer) -> None:
    """acknowledged up to there"""
    peer.take(peer.hear("stored, and not acknowledged").pieces)
    peer.tester.shown()
    call, _ = peer.go_on()
    heard = peer.settle(peer.confirm(call))
    again = [each for each in [heard, *peer.collect()] if each.session is peer.session and each.pieces]
    peer.judge(not again, "no PIECE that the STATE says is stored")
    peer.judge(peer.shown("ACK|"), "the person to be told that it is delivered")


@_in_a_chat("7.9", LEAVE)
def leaves(peer: Peer) -> None:
    """**Leaving** is a CLOSE with reason 0, repeated after each timeout, 12 times at most, until CLOSED comes."""
    peer.ask(LEAVE)
    first = peer.expect("CLOSE", has(Close), PATIENCE)
    peer.judge(_reasons(first) == [CloseReason.LEFT], "CLOSE, reason 0")
    again = peer.expect("the CLOSE again", has(Close), 5.5)
    peer.judge(again.counter > first.counter, "a new record")
    peer.seal(Closed())
    peer.expect_none("nothing after CLOSED", _is_record, 5.5)


@_in_a_chat("7.9", TYPE, LEAVE)
def leaves_last(peer: Peer) -> None:
    """Everything that the person said is acknowledged first (S1 4.7)."""
    heard = peer.hear("goodbye")
    peer.ask(LEAVE)
    peer.expect_none("no CLOSE before what was said is acknowledged", has(Close))
    peer.take(heard.pieces)
    peer.settle(heard)
    peer.expect("CLOSE after that", has(Close), 5.5)


@_in_a_chat("7.9", LEAVE, SEE)
def piece_after_close(peer: Peer) -> None:
    """From the moment in which its person has left, a daemon neither stores nor acknowledges pieces."""
    peer.ask(LEAVE)
    peer.expect("CLOSE", has(Close), PATIENCE)
    peer.tester.shown()
    peer.seal(*peer.cut(b"too late"))
    peer.expect_none("no ACKED of a piece after its CLOSE", acks(1))
    peer.judge(not peer.shown("CHAT|"), "nothing to be shown after its person has left")


@_in_a_chat("7.9", SEE)
def close_answered(peer: Peer) -> None:
    """The receiver of a CLOSE answers each with CLOSED"""
    peer.tester.shown()
    for _ in range(3):
        peer.seal(Close(0))
        peer.expect("CLOSED", has(Closed))
    peer.judge(len(peer.shown("QUIT|")) == 1, "the person to be told once that the chat is over")


@_in_a_chat("7.9", LEAVE)
def closed_is_not_open(peer: Peer) -> None:
    """the conversation isn't open any more at either end, and the next call rings."""
    peer.ask(LEAVE)
    peer.expect("CLOSE", has(Close), PATIENCE)
    peer.seal(Closed())
    peer.ring()


@_in_a_chat("7.9")
def closed_unanswered(peer: Peer) -> None:
    """A CLOSED is never answered."""
    peer.send(peer.session.seal(Closed()))
    peer.expect_none("no answer to a CLOSED", _is_answer, 0.5)
    peer.say(b"hello", "a message: nobody has left")


@_in_a_chat("7.10", TYPE)
def numbers_passed_over(peer: Peer) -> None:
    """but MUST NOT go out later: its numbers are passed over, and *first* is the one after them."""
    lost = peer.hear("given up").pieces[0]
    peer.close()
    call, _ = peer.be_accepted()
    heard = peer.confirm(call)
    (state,) = heard.get(State)
    expected = chained(bytes(CHAIN_SIZE), lost)
    peer.judge((state.first, state.before) == (2, expected), "a STATE whose first number is the one after it")
    peer.settle(heard)
    peer.expect_none("nothing of what was given up", has(Piece))


# -- 8 and 9: robustness and trust


@_case("8.2")
def challenges_limited(peer: Peer) -> None:
    """CHALLENGE, and OVER for a call that is over, are answers to strangers in the sense of S1 8.2."""
    for _ in range(_FLOOD):
        call = peer.make_call(quiet=True)
        call.over = True
        peer.dial(call, side=Side.STRANGER)
    answers = peer.collect(side=Side.STRANGER)
    peer.judge(len(answers) <= _MOST, f"at most {_MOST} answers in a second, not {len(answers)}")
    peer.judge(answers, "some answers")


@_case("9.1", ACCEPT)
def other_signing_key(peer: Peer) -> None:
    """a HELLO with another Ed25519 key than the pinned one is that of another key."""
    peer.befriend()
    call, _ = peer.be_accepted()
    right, peer.signing_key = peer.signing_key, peer.chance(32)
    wrong, handshake = peer.make_confirm(call)
    peer.put(wrong)
    peer.sessions.append(Session(handshake, caller=True))
    peer.expect_none("no record to a contact whose Ed25519 key is another", _is_record, 0.5)
    peer.sessions.pop()
    peer.signing_key = right
    peer.confirm(call)


# -- what several cases say

_FLOOD: Final = 150
"""SYNs."""
_MOST: Final = 100
"""Answers to strangers in any second (S1 8.2)."""


def _is_answer(heard: Heard) -> bool:
    """Whether it may be one; what a slow disk has the daemon repeat is none."""
    repeats = heard.frames and all(isinstance(frame, State) for frame in heard.frames)
    return not (_is_syn(heard) or repeats or heard.received.datagram.payload == PRESENCE_QUESTION)


def _is_syn(heard: Heard) -> bool:
    return is_syn(heard.received.datagram)


def _is_record(heard: Heard) -> bool:
    return isinstance(heard.said, Record)


def _has_cookie(cookie: bytes) -> Callable[[Heard], bool]:
    return lambda heard: isinstance(heard.said, Offer) and heard.said.cookie == cookie


def _names(frames: list[Frame]) -> list[str]:
    return [type(frame).__name__ for frame in frames]


def _reasons(heard: Heard) -> list[int]:
    return [frame.reason for frame in heard.frames if isinstance(frame, Close)]


def _echoes(peer: Peer, heard: Heard, counter: int) -> None:
    peer.judge(any(each.echo == counter for each in heard.get(Acked)), f"ACKED with the echo {counter}")


def _is_told(peer: Peer, reason: CloseReason, fault: str) -> None:
    """The session ends, for that reason."""
    heard = peer.expect(f"CLOSE, reason {reason}, because of {fault}", has(Close))
    peer.judge(_reasons(heard) == [reason], f"CLOSE, reason {reason}, because of {fault}")
    peer.judge(heard.operation is Control.ERR, "CLOSE with a reason in an ERR (6.2)")
    peer.seal(Closed())


def _is_no_good(peer: Peer, call: Call, cookie: bytes, side: Side) -> None:
    """From there, that call can't be made with that cookie."""
    peer.dial(call, cookie, side=side)
    heard = peer.find(lambda each: isinstance(each.said, Challenge | Ringing), side=side)
    kept = heard is not None and isinstance(heard.said, Challenge)
    peer.judge(kept, "CHALLENGE again, since the cookie was made for another")


def _crossing(peer: Peer, call: Call, *, lower: bool) -> Call:
    """A call of the tester's to whoever calls it, by a key that is lower than the daemon's, or higher."""
    while ((e := peer.make_keys()).public < call.offer.e) is not lower:
        pass
    own = peer.make_call(e=e)
    peer.dial(own, peer.be_challenged(own))
    return own


def _hear_all(peer: Peer, count: int) -> dict[int, Piece]:
    """So many pieces, in the order of their numbers; each is acknowledged."""
    pieces: dict[int, Piece] = {}
    while len(pieces) < count:
        heard = peer.expect(f"{count} pieces", has(Piece), PATIENCE)
        pieces |= {piece.number: piece for piece in heard.pieces}
        peer.take(heard.pieces)
        peer.settle(heard)
    return dict(sorted(pieces.items()))


def _state_after_a_restart(peer: Peer, own: State) -> State:
    """The daemon's, which may call by itself; where it doesn't, the tester calls, and says that STATE."""
    if heard := peer.find(lambda each: isinstance(each.said, Offer), 3.0):
        assert isinstance(heard.said, Offer)
        call = Call(heard.said, heard.received.datagram.user, peer.side)
        peer.calls.append(call)
        peer.accept(call)
        return next(frame for frame in call.frames if isinstance(frame, State))
    call = peer.make_call()
    peer.dial(call, peer.be_challenged(call))
    answer = peer.expect("RINGING or ANSWER", lambda each: isinstance(each.said, Ringing | Answer))
    if isinstance(answer.said, Ringing):  # it has left the chat when it was stopped
        peer.ask(ACCEPT)
        answer = peer.expect("ANSWER", says(Answer, call.tag), PATIENCE)
    peer.read_answer(call, answer)
    return peer.confirm(call, state=own).get(State)[0]

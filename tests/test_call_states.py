"""Every cell of the table of a call (simp2 4): what is sent, what is told, and the state after."""

from collections.abc import Iterator
from types import FunctionType

import pytest

from simp_daemon.effects import Send
from simp_daemon.events import Reason
from simp_daemon.peers.sealed import call_actions
from simp_daemon.peers.sealed.call import Call, State
from simp_daemon.peers.sealed.call_actions import Happening
from simp_daemon.peers.sealed.call_states import TABLE, Input
from simp_proto.datagram import parse
from simp_proto.sealed.offer import Offer
from simp_proto.sealed.payloads import Confirm, read_payload
from tests.negotiation import ToyCurve
from tests.test_switchboard import ALICE, BOB, End, exchange, injected, named

# Written from simp2 4, not from the code: state after, what is sent, what is told. All between strangers.
CALLING = {
    Input.HIGHER_SYN: "{}: SYN;",
    Input.LOWER_SYN: "OVER: ;",
    Input.CHALLENGE: "PROVING: SYN;",
    Input.RINGS: "RINGING: ; Rang",
    Input.ANSWER: "CONFIRMING: ACK CONFIRM; Established",
    Input.OTHER_KEY: "{}: ;",
    Input.OVER: "OVER: ACK OVER; CallOver FIN",
    Input.CLEAR_TO_CONTACT: "{}: ;",
    Input.QUIT: "ENDING: FIN OVER; CallOver QUIT",
    Input.SUPERSEDED: "OVER: ;",
    Input.LAST_TRY: "ENDING: FIN OVER; CallOver LOST",
    Input.DOUBT: "ENDING: FIN OVER; KeyChanged",
}
EXPECTED = {
    State.IDLE: {
        Input.STRANGE_SYN: "IDLE: ACK CHALLENGE;",
        Input.SYN_OF_OPEN: "ACCEPTING: SYN+ACK ANSWER;",
        Input.SYN_OF_CLOSED: "ACCEPTING: SYN+ACK ANSWER;",
        Input.CROSSING_SYN: "ACCEPTING: SYN+ACK ANSWER;",
        Input.QUIET_SYN: "IDLE: FIN OVER;",
        Input.RINGING_SYN: "REQUESTED: ACK RINGING; Requested",
        Input.REPEATED_SYN: "REQUESTED: ACK RINGING;",
        Input.CALL: "CALLING: SYN;",
    },
    State.CALLING: {
        **CALLING,
        Input.CLEAR: "OVER: ; InTheClear",
        Input.QUIT: "ENDING: FIN nothing; CallOver QUIT",
        Input.LAST_TRY: "ENDING: FIN nothing; CallOver LOST",
        Input.UNREACHABLE: "OVER: ; ErrorReceived, CallOver UNREACHABLE",
    },
    State.PROVING: CALLING,
    State.RINGING: {**CALLING, Input.RINGS: "RINGING: ;"},
    State.CONFIRMING: {
        Input.ANSWER_AGAIN: "CONFIRMING: ACK CONFIRM;",
        Input.OVER: "CONFIRMING: ACK OVER;",
        Input.RECORD: "OVER: ;",
        Input.SUPERSEDED: "OVER: ;",
        Input.LAST_TRY: "OVER: ;",
        Input.GONE: "CONFIRMING: SYN;",
    },
    State.REQUESTED: {
        Input.SYN: "REQUESTED: ACK RINGING;",
        Input.OVER: "OVER: ACK OVER; CallOver FIN",
        Input.ACCEPT: "ACCEPTING: SYN+ACK ANSWER;",
        Input.ACCEPT_NOTHING: "ENDING: FIN OVER; CallOver ERR",
        Input.QUIT: "ENDING: FIN OVER; CallOver QUIT",
        Input.REPLACED: "OVER: ; CallOver RESTARTED",
        Input.REPEATED: "OVER: ;",
        Input.CROWDED: "IDLE: ; CallOver CROWDED",
        Input.SUPERSEDED: "OVER: ; CallOver RESTARTED",
        Input.EXPIRE: "OVER: ; CallOver EXPIRED",
    },
    State.ACCEPTING: {
        Input.SYN: "ACCEPTING: SYN+ACK ANSWER;",
        Input.CONFIRM: "OVER: ; Established",
        Input.OVER: "OVER: ACK OVER; CallOver FIN",
        Input.QUIT: "ENDING: FIN OVER; CallOver QUIT",
        Input.REPLACED: "OVER: ; CallOver RESTARTED",
        Input.REPEATED: "OVER: ;",
        Input.SUPERSEDED: "OVER: ;",
        Input.LAST_TRY: "OVER: ; CallOver LOST",
    },
    State.ENDING: {
        Input.SYN: "ENDING: FIN OVER;",
        Input.OVER: "OVER: ACK OVER;",
        Input.ACK_OF_OVER: "OVER: ;",
        Input.CALL: "OVER: ;",
        Input.LAST_TRY: "OVER: ;",
    },
    State.OVER: {
        Input.SYN: "OVER: FIN OVER;",
        Input.OVER: "OVER: ACK OVER;",
    },
}
# The same where a contact was called, or has called and proved to be it, and the conversation isn't open.
OF_CONTACTS = {
    (State.CALLING, Input.QUIT): "ENDING: FIN OVER; CallOver QUIT",
    (State.CALLING, Input.LAST_TRY): "ENDING: FIN OVER; CallOver LOST",
    (State.REQUESTED, Input.ACCEPT): "ACCEPTING: SYN+ACK ANSWER; Consent True",
    (State.ACCEPTING, Input.OVER): "OVER: ACK OVER; Consent False, CallOver FIN",
    (State.ACCEPTING, Input.QUIT): "ENDING: FIN OVER; Consent False, CallOver QUIT",
    (State.ACCEPTING, Input.LAST_TRY): "OVER: SYN;",
}
OURS = (State.CALLING, State.PROVING, State.RINGING, State.CONFIRMING)
NOW = 0.5


@pytest.fixture(autouse=True)
def _toy_curve() -> Iterator[None]:
    with ToyCurve():
        yield


def drive(state: State, *, contacts: bool) -> tuple[End, End, Call]:
    """An end with a call in that state, the other end, and the call."""
    alice, bob = End(b"alice"), End(b"bob")
    if contacts:
        alice.knows(bob, BOB)
        bob.knows(alice, ALICE)
    if state is State.IDLE:
        offer = Offer(b"\0" + End(b"carol").keys.public, bytes(32))
        return alice, bob, Call(alice.own, BOB, b"carol", offer, None, NOW)
    alice.board.call(BOB, 0.0)
    if state not in OURS:
        alice, bob = bob, alice
    if state is State.PROVING:
        exchange(alice, bob, 0.0, 1)
    elif state is not State.CALLING:
        exchange(*((alice, bob) if state in OURS else (bob, alice)), 0.0, 2)
    if state is State.CONFIRMING:
        bob.board.accept(ALICE, 0.1)
        alice.board.receive(parse(bob.sent()[0]), BOB, 0.1)
    elif state is State.ACCEPTING:
        alice.board.accept(ALICE, 0.1)
    elif state is State.ENDING:
        alice.board.quit(ALICE, 0.1)
    elif state is State.OVER:
        alice.board.handle_timer(200.0)
    (call,) = alice.board._calls._calls.values()
    assert call.state is state
    if state is not State.ACCEPTING:
        alice.outlet.clear()
    return alice, bob, call


def happening(end: End, other: End, call: Call, what: Input) -> Happening:
    """With what the input brings."""
    data, read = b"", None
    match what:
        case Input.CHALLENGE | Input.STRANGE_SYN:
            data = b"another cookie.."
        case Input.SYN_OF_OPEN | Input.SYN_OF_CLOSED | Input.CROSSING_SYN | Input.ACCEPT if call.state in (
            State.IDLE,
            State.REQUESTED,
        ):
            data = call.write_answer()
        case Input.ANSWER | Input.OTHER_KEY | Input.DOUBT if call.state in OURS[:3]:
            answer = read_payload(parse(injected(call._syn(), b"bob" if what is Input.ANSWER else b"mallory", ALICE)))
            read = call.read(answer.message)  # type: ignore[union-attr]
            assert read is not None
            assert call.is_right(read) is (what is Input.ANSWER or call.expected is None)
            if what is Input.DOUBT:
                call.other, read = read, None
        case Input.CONFIRM if call.state is State.ACCEPTING:
            other.board.receive(parse(end.sent()[-1]), BOB, NOW)
            (confirm,) = [each for each in other.sent() if "CONFIRM" in named(each)]
            payload = read_payload(parse(confirm))
            assert isinstance(payload, Confirm)
            read = call.read(payload.message)
        case _:
            pass
    return Happening(NOW, data, read, "no route")


def told(end: End, call: Call) -> str:
    sent, news = [named(each.data) for each in end.outlet if isinstance(each, Send)], []
    for each in end.outlet:
        if not isinstance(each, Send):
            detail = each.why.name if hasattr(each, "why") else str(getattr(each, "open", ""))
            news.append(f"{type(each).__name__} {detail}".strip())
    return f"{call.state.name}: {', '.join(sent)}; {', '.join(news)}".strip()


@pytest.mark.parametrize("state", State, ids=lambda each: each.name)
def test_cells(state: State) -> None:
    for what in Input:
        end, other, call = drive(state, contacts=False)
        expected = EXPECTED[state].get(what)
        given = happening(end, other, call, what) if expected else Happening(NOW)
        end.outlet.clear()
        assert end.board._calls.input(call, what, given) is (None if expected else Reason.OUT_OF_PLACE), what
        assert told(end, call).replace("ErrorReceived no route", "ErrorReceived") == (
            expected.format(state.name) if expected else f"{state.name}: ;"
        ), what


@pytest.mark.parametrize(("state", "what"), OF_CONTACTS, ids=lambda each: each.name)
def test_cell_of_a_contact(state: State, what: Input) -> None:
    end, other, call = drive(state, contacts=True)
    given = happening(end, other, call, what)
    end.outlet.clear()
    assert end.board._calls.input(call, what, given) is None
    assert told(end, call) == OF_CONTACTS[state, what]


def test_the_table_has_the_expected_cells_and_no_others() -> None:
    assert {state: set(row) for state, row in TABLE.items()} == {state: set(row) for state, row in EXPECTED.items()}


@pytest.mark.parametrize("state", State, ids=lambda each: each.name)
def test_nothing_is_due_of_what_is_over(state: State) -> None:
    for what in EXPECTED[state]:
        end, other, call = drive(state, contacts=False)
        end.board._calls.input(call, what, happening(end, other, call, what))
        if call.state in (State.IDLE, State.OVER):
            assert call.get_timer() is None, what


def test_every_action_is_used_and_explained() -> None:
    used = {action for row in TABLE.values() for actions, _ in row.values() for action in actions}
    functions = {each for name, each in vars(call_actions).items() if isinstance(each, FunctionType)}
    public = {each for each in functions if each.__module__ == call_actions.__name__ and each.__name__[0] != "_"}
    assert used == public
    assert all(each.__doc__ for each in used)


def test_repeats_end_after_twelve() -> None:
    """ANSWER, CONFIRM and OVER (simp2 4.4, 4.5)."""
    for state in (State.ACCEPTING, State.CONFIRMING, State.ENDING):
        end, _, call = drive(state, contacts=False)
        counted = 1
        end.outlet.clear()
        while call.state is state:
            now = end.board.get_timer()
            assert now is not None
            end.board.handle_timer(now)
            counted += sum(named(each).split()[-1] in ("ANSWER", "CONFIRM", "OVER") for each in end.sent())
        assert counted == 12, state

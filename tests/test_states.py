"""Every cell of the state table (spec 7): what is sent, what the person hears, and the state after."""

from pathlib import Path
from types import FunctionType

import pytest

from simp_daemon.effects import Send
from simp_daemon.events import Reason
from simp_daemon.peers import actions
from simp_daemon.peers.states import TABLE, Input, State
from simp_proto.constants import BUSY, OFFER, RINGING, Chat, Control, Framing, Operation, Type
from simp_proto.datagram import Datagram, parse, reading_order
from simp_proto.errors import NotNowError
from tests.driven import Session
from tests.states_page import render

PEER = ("127.0.0.2", 7777)

# Written from spec 4 to 7, not from the code: state after, what is sent, events. `=` is: nothing at all changes.
EXPECTED = {
    State.IDLE: {
        Input.SYN: "PENDING: ACK 0 ringing; RequestReceived",
        Input.BUSY_SYN: "IDLE: ERR 0 User already in another chat, FIN 0; Refused",
        Input.FIN: "IDLE: ACK 0;",
        Input.FIN_ACK: "IDLE: ACK 0;",
        Input.ERR_FIN: "IDLE: ACK 0;",
        Input.CALL: "CALLING: SYN 0 SIMP/1 header utf-8;",
    },
    State.CALLING: {
        Input.SYN: "ACCEPTING: SYN+ACK 0;",
        Input.RING: "RINGING: ; Rang",
        Input.SYN_ACK: "OPEN: ACK 0; Connected",
        Input.FIN: "IDLE: ACK 0; Ended FIN",
        Input.FIN_ACK: "IDLE: ACK 0; Ended FIN",
        Input.ERR: "IDLE: ; ErrorReceived, Ended ERR",
        Input.ERR_FIN: "IDLE: ACK 0; ErrorReceived, Ended ERR",
        Input.QUIT: "LEAVING: FIN 0; Ended QUIT",
        Input.GIVE_UP: "LEAVING: FIN 0; Ended LOST",
        Input.UNREACHABLE: "IDLE: ; ErrorReceived, Ended UNREACHABLE",
    },
    State.RINGING: {
        Input.SYN: "ACCEPTING: SYN+ACK 0;",
        Input.RING: "RINGING: ;",
        Input.SYN_ACK: "OPEN: ACK 0; Connected",
        Input.FIN: "IDLE: ACK 0; Ended FIN",
        Input.FIN_ACK: "IDLE: ACK 0; Ended FIN",
        Input.ERR: "IDLE: ; ErrorReceived, Ended ERR",
        Input.ERR_FIN: "IDLE: ACK 0; ErrorReceived, Ended ERR",
        Input.QUIT: "LEAVING: FIN 0; Ended QUIT",
        Input.GIVE_UP: "LEAVING: FIN 0; Ended LOST",
    },
    State.PENDING: {
        Input.SYN: "PENDING: ACK 0 ringing;",
        Input.BUSY_SYN: "IDLE: ERR 0 User already in another chat, FIN 0; Ended BUSY, Refused",
        Input.FIN: "IDLE: ACK 0; Ended FIN",
        Input.FIN_ACK: "IDLE: ACK 0; Ended FIN",
        Input.ERR: "IDLE: ; Ended ERR",
        Input.ERR_FIN: "IDLE: ACK 0; Ended FIN",
        Input.CALL: "ACCEPTING: SYN+ACK 0;",
        Input.ACCEPT: "ACCEPTING: SYN+ACK 0;",
        Input.QUIT: "DECLINING: FIN 0; Ended QUIT",
        Input.EXPIRE: "IDLE: ; Ended EXPIRED",
    },
    State.ACCEPTING: {
        Input.SYN: "ACCEPTING: SYN+ACK 0;",
        Input.SYN_ACK: "OPEN: ACK 0; Connected",
        Input.ACK: "OPEN: ; Connected",
        Input.CHAT: "OPEN: ACK 1; Connected, MessageReceived hi",
        Input.FIN: "IDLE: ACK 0; Ended FIN",
        Input.FIN_ACK: "IDLE: ACK 0; Ended FIN",
        Input.ERR: "IDLE: ; ErrorReceived, Ended ERR",
        Input.ERR_FIN: "IDLE: ACK 0; ErrorReceived, Ended ERR",
        Input.QUIT: "LEAVING: FIN 1; Ended QUIT",
        Input.GIVE_UP: "LEAVING: FIN 1; Ended LOST",
    },
    State.OPEN: {
        Input.SYN: "PENDING: ACK 0 ringing; Ended RESTARTED, RequestReceived",
        Input.SYN_ACK: "OPEN: ACK 0;",
        Input.ACK: "OPEN: ; MessageAcknowledged",
        Input.CHAT: "OPEN: ACK 1; MessageReceived hi",
        Input.FIN: "IDLE: ACK 0; Ended FIN",
        Input.FIN_ACK: "IDLE: ACK 0; Ended FIN",
        Input.ERR: "OPEN: ; ErrorReceived",
        Input.ERR_FIN: "IDLE: ACK 0; ErrorReceived, Ended ERR",
        Input.HINT: "OPEN: MESSAGE 0 hello;",
        Input.SAY: "OPEN: MESSAGE 1 hello;",
        Input.QUIT: "LEAVING: FIN 1; Ended QUIT",
        Input.GIVE_UP: "LEAVING: FIN 0; MessageUndelivered, Ended LOST",
        Input.SILENT: "OPEN: SYN+ACK 0;",
    },
    State.LEAVING: {
        Input.SYN: "PENDING: ACK 0 ringing; RequestReceived",
        Input.BUSY_SYN: "IDLE: ERR 0 User already in another chat, FIN 0; Refused",
        Input.ACK: "LEAVING: FIN 0; MessageAcknowledged",
        Input.ACK_OF_FIN: "IDLE: ;",
        Input.FIN: "IDLE: ACK 0;",
        Input.FIN_ACK: "IDLE: ;",
        Input.ERR_FIN: "IDLE: ACK 0;",
        Input.HINT: "LEAVING: FIN 0;",
        Input.CALL: "CALLING: SYN 0 SIMP/1 header utf-8;",
        Input.GIVE_UP: "LEAVING: FIN 0; MessageUndelivered",
        Input.GIVE_UP_FIN: "IDLE: ;",
    },
    State.DECLINING: {
        Input.SYN: "DECLINING: FIN 0;",
        Input.BUSY_SYN: "DECLINING: FIN 0;",
        Input.ACK_OF_FIN: "IDLE: ;",
        Input.FIN: "IDLE: ACK 0;",
        Input.FIN_ACK: "IDLE: ;",
        Input.ERR: "IDLE: ;",
        Input.ERR_FIN: "IDLE: ACK 0;",
        Input.CALL: "CALLING: SYN 0 SIMP/1 header utf-8;",
        Input.GIVE_UP_FIN: "IDLE: ;",
    },
}

IMPOSSIBLE = {
    # An ACK counts only for what is outstanding, and an ERR is a hint only about that: elsewhere these don't arise.
    *((state, Input.ACK) for state in (State.IDLE, State.CALLING, State.RINGING, State.PENDING, State.DECLINING)),
    *((state, Input.ACK_OF_FIN) for state in State if state not in (State.LEAVING, State.DECLINING)),
    *((state, Input.HINT) for state in State if state not in (State.OPEN, State.LEAVING)),
    *((state, Input.GIVE_UP) for state in (State.IDLE, State.PENDING, State.DECLINING)),
    *((state, Input.GIVE_UP_FIN) for state in State if state not in (State.LEAVING, State.DECLINING)),
    *((state, Input.SILENT) for state in State if state is not State.OPEN),
    *((state, Input.EXPIRE) for state in State if state is not State.PENDING),
}

DATAGRAMS: dict[Input, tuple[Operation, int, bytes]] = {
    Input.SYN: (Control.SYN, 0, OFFER),
    Input.BUSY_SYN: (Control.SYN, 0, OFFER),
    Input.RING: (Control.ACK, 0, RINGING),
    Input.SYN_ACK: (Control.SYN_ACK, 0, b""),
    Input.CHAT: (Chat.MESSAGE, 1, b"hi"),
    Input.FIN: (Control.FIN, 0, b""),
    Input.FIN_ACK: (Control.FIN_ACK, 0, b""),
    Input.ERR: (Control.ERR, 0, b"no"),
    Input.ERR_FIN: (Control.ERR_FIN, 0, b"no"),
}


def datagram(operation: Operation, sequence: int, payload: bytes = b"", framing: Framing = Framing.HEADER) -> Datagram:
    kind = Type.CHAT if operation is Chat.MESSAGE else Type.CONTROL
    return Datagram(kind, operation, sequence, b"bob", payload, framing)


def drive(state: State, what: Input) -> Session:
    """A session in that state, with something outstanding where the input is about that."""
    framing = Framing.BARE if what is Input.HINT else Framing.HEADER
    session = Session(PEER, b"alice", framing)
    if state in (State.CALLING, State.RINGING, State.OPEN, State.LEAVING):
        session.call(b"alice", 0.0)
    if state is State.RINGING:
        session.receive(datagram(Control.ACK, 0, RINGING), 0.0)
    if state in (State.OPEN, State.LEAVING):
        session.receive(datagram(Control.SYN_ACK, 0, framing=framing), 0.0)
    if state in (State.PENDING, State.ACCEPTING, State.DECLINING):
        session.receive(datagram(Control.SYN, 0, OFFER), 0.0)
    if (state is State.OPEN and what in (Input.ACK, Input.HINT, Input.GIVE_UP)) or (
        state is State.LEAVING and what in (Input.ACK, Input.GIVE_UP)
    ):
        session.say(1, "hello", 0.0)
    if state is State.ACCEPTING:
        session.accept(b"alice", 0.0)
    if state in (State.LEAVING, State.DECLINING):
        session.quit(0.0)
    assert session.state is state
    session.outlet.clear()
    return session


def wait(session: Session, until: float) -> None:
    """Lets time pass as the endpoint does, and forgets the repeats."""
    while (timer := session.get_timer()) is not None and timer < until:
        session.handle_timer(timer)
        session.outlet.clear()
    session.handle_timer(until)


def apply(session: Session, what: Input) -> Reason | None:
    """Does the input to the session."""
    match what:
        case Input.ACK | Input.ACK_OF_FIN:
            number = 0 if session.state in (State.ACCEPTING, State.DECLINING) else 1
            return session.receive(datagram(Control.ACK, number), 1.0)
        case Input.HINT:
            number = 0
            return session.receive(datagram(Control.ERR, number, b"Wrong sequence number", Framing.BARE), 1.0)
        case Input.CALL:
            session.call(b"alice", 1.0)
        case Input.ACCEPT:
            session.accept(b"alice", 1.0)
        case Input.SAY:
            session.say(1, "hello", 1.0)
        case Input.QUIT:
            session.quit(1.0)
        case Input.GIVE_UP | Input.GIVE_UP_FIN:
            wait(session, 360.0 if session.state is State.RINGING else 60.0)
        case Input.EXPIRE:
            wait(session, 120.0)
        case Input.SILENT:
            session.handle_timer(120.0)
            return None if session.state is State.OPEN else Reason.OUT_OF_PLACE
        case Input.UNREACHABLE:
            return None if session.fail("nothing listens there", 1.0) else Reason.OUT_OF_PLACE
        case _:
            return session.receive(datagram(*DATAGRAMS[what]), 1.0, refusal=BUSY if what is Input.BUSY_SYN else "")
    return None


def told(session: Session) -> str:
    """What the cell did, in the words of `EXPECTED`."""
    datagrams = [
        parse(each.data, reading_order(session.record.framing)) for each in session.outlet if isinstance(each, Send)
    ]
    sent = ", ".join(f"{each.operation.label} {each.sequence} {each.text}".strip() for each in datagrams)
    events = []
    for event in session.outlet:
        if isinstance(event, Send):
            continue
        detail = getattr(event, "text", "") if "Message" in type(event).__name__ else ""
        why = getattr(event, "why", None)
        events.append(f"{type(event).__name__} {why.name if why else detail}".strip())
    return f"{session.state.name}: {sent}; {', '.join(events)}".strip()


CELLS = [(state, what) for state in State for what in Input if (state, what) not in IMPOSSIBLE]


@pytest.mark.parametrize(("state", "what"), CELLS, ids=lambda each: each.name)
def test_cell(state: State, what: Input) -> None:
    session = drive(state, what)
    expected = EXPECTED[state].get(what)
    if expected is not None:
        assert apply(session, what) is None
        assert told(session) == expected
    elif what in (Input.CALL, Input.ACCEPT, Input.SAY, Input.QUIT):
        with pytest.raises(NotNowError):
            apply(session, what)
        assert told(session) == f"{state.name}: ;"
    else:
        assert apply(session, what) in (Reason.STRANGER, Reason.OUT_OF_PLACE)
        assert told(session) == f"{state.name}: ;"


def test_the_table_has_the_expected_cells_and_no_others() -> None:
    expected = {(state, what) for state, cells in EXPECTED.items() for what in cells}
    assert {(state, what) for state, row in TABLE.items() for what in row} == expected
    assert not expected & IMPOSSIBLE


def test_every_action_is_used_and_named_in_the_specification() -> None:
    used = {action for row in TABLE.values() for steps, _ in row.values() for action in steps}
    functions = {name for name, each in vars(actions).items() if isinstance(each, FunctionType)}
    public = {name for name in functions if name.islower() and not name.startswith("_")}
    assert {action.__name__ for action in used} == public
    spec = (Path(__file__).parent.parent / "spec" / "simp.md").read_text("utf-8")
    rows = spec.partition("| action | does |")[2].partition("## 8")[0].splitlines()
    named = {name for row in rows if row.startswith("| ") for name in row.split("|")[1].strip().split(", ")}
    assert {name.replace("_", " ") for name in public} == named


def test_states_md_is_current() -> None:
    current = (Path(__file__).parent.parent / "spec" / "states.md").read_text("utf-8")
    assert current == "\n".join(render()) + "\n", "run: python -m tests.states_page > spec/states.md"

"""The states of a conversation between two daemons, as one table (spec 7).

`TABLE[state][input]` is what the session does, step by step, and the state that it is in then. An input that a state
does not have changes nothing: a datagram is ignored, a person is told that it can't be done now.
`spec/states.md` is generated from this table by `python -m simp_daemon.peers.states`.
"""

from collections.abc import Iterator
from enum import Enum, unique
from typing import Final


@unique
class State(Enum):
    """Where a conversation with one peer is."""

    IDLE = "no conversation"
    CALLING = "our SYN is out, and nothing has answered"
    RINGING = "the peer said that our call rings"
    PENDING = "a SYN has come in, and our person hasn't answered"
    ACCEPTING = "our SYN+ACK is out"
    OPEN = "the chat is on"
    LEAVING = "our person has left; earlier messages and our FIN are still being sent"
    DECLINING = "our FIN answers the peer's SYN"


@unique
class Input(Enum):
    """What can happen to a conversation."""

    # the peer's datagrams
    SYN = "SYN"
    BUSY_SYN = "SYN, while a chat with another peer is on"
    RING = "ACK that says that our call rings"
    SYN_ACK = "SYN+ACK"
    ACK = "ACK of our outstanding SYN+ACK or chat"
    ACK_OF_FIN = "ACK of our outstanding FIN"
    CHAT = "chat"
    FIN = "FIN"
    FIN_ACK = "FIN+ACK"
    ERR = "ERR"
    ERR_FIN = "ERR+FIN"
    HINT = "ERR that asks for the other sequence number (foreign peers)"
    # our person
    CALL = "our person calls"
    ACCEPT = "our person accepts"
    SAY = "our person says something"
    QUIT = "our person declines, cancels or leaves"
    # the clock
    GIVE_UP = "no answer after the last try of a SYN, SYN+ACK or chat"
    GIVE_UP_FIN = "no answer after the last try of our FIN"
    EXPIRE = "the request is too old"


@unique
class Action(Enum):
    """What a session does, in small steps (spec 7)."""

    CALL = "call"
    CROSS = "cross"
    REQUEST = "request"
    RING = "ring"
    REFUSE = "refuse"
    LEARN = "learn"
    NOTE_RINGING = "note ringing"
    POSTPONE = "postpone"
    ACCEPT = "accept"
    REPEAT = "repeat"
    ESTABLISH = "establish"
    SAY = "say"
    PROCEED = "proceed"
    CONFIRM = "confirm"
    RECEIVE = "receive"
    ACKNOWLEDGE = "acknowledge"
    REPORT = "report"
    RENUMBER = "renumber"
    QUIT = "quit"
    CANCEL = "cancel"
    DECLINE = "decline"
    LEAVE = "leave"
    FORGET = "forget"
    END = "end"
    FAIL = "fail"
    LOSE = "lose"
    EXPIRE = "expire"
    DISPLACE = "displace"
    RESTART = "restart"


Cell = tuple[tuple[Action, ...], State]
"""What is done, in that order, and the state afterwards."""


def _cell(then: State, *actions: Action) -> Cell:
    return actions, then


_CALLING: Final[dict[Input, Cell]] = {
    Input.RING: _cell(State.RINGING, Action.LEARN, Action.NOTE_RINGING, Action.POSTPONE),
    Input.SYN_ACK: _cell(State.OPEN, Action.LEARN, Action.ESTABLISH, Action.ACKNOWLEDGE),
    Input.SYN: _cell(State.ACCEPTING, Action.CROSS, Action.ACCEPT),
    Input.FIN: _cell(State.IDLE, Action.LEARN, Action.END, Action.ACKNOWLEDGE),
    Input.FIN_ACK: _cell(State.IDLE, Action.LEARN, Action.END, Action.ACKNOWLEDGE),
    Input.ERR: _cell(State.IDLE, Action.REPORT, Action.LEARN, Action.FAIL),
    Input.ERR_FIN: _cell(State.IDLE, Action.REPORT, Action.LEARN, Action.FAIL, Action.ACKNOWLEDGE),
    Input.QUIT: _cell(State.LEAVING, Action.FORGET, Action.QUIT, Action.CANCEL),
    Input.GIVE_UP: _cell(State.LEAVING, Action.LOSE, Action.CANCEL),
}

TABLE: Final[dict[State, dict[Input, Cell]]] = {
    State.IDLE: {
        Input.CALL: _cell(State.CALLING, Action.CALL),
        Input.SYN: _cell(State.PENDING, Action.REQUEST, Action.RING),
        Input.BUSY_SYN: _cell(State.IDLE, Action.REFUSE),
        Input.FIN: _cell(State.IDLE, Action.ACKNOWLEDGE),
        Input.FIN_ACK: _cell(State.IDLE, Action.ACKNOWLEDGE),
        Input.ERR_FIN: _cell(State.IDLE, Action.ACKNOWLEDGE),
    },
    State.CALLING: _CALLING,
    State.RINGING: {
        **_CALLING,
        Input.RING: _cell(State.RINGING, Action.LEARN, Action.POSTPONE),
    },
    State.PENDING: {
        Input.SYN: _cell(State.PENDING, Action.RING),
        Input.BUSY_SYN: _cell(State.IDLE, Action.DISPLACE, Action.REFUSE),
        Input.FIN: _cell(State.IDLE, Action.END, Action.ACKNOWLEDGE),
        Input.FIN_ACK: _cell(State.IDLE, Action.END, Action.ACKNOWLEDGE),
        Input.ERR: _cell(State.IDLE, Action.FAIL),
        Input.ERR_FIN: _cell(State.IDLE, Action.END, Action.ACKNOWLEDGE),
        Input.ACCEPT: _cell(State.ACCEPTING, Action.ACCEPT),
        Input.CALL: _cell(State.ACCEPTING, Action.ACCEPT),
        Input.QUIT: _cell(State.DECLINING, Action.QUIT, Action.DECLINE),
        Input.EXPIRE: _cell(State.IDLE, Action.EXPIRE),
    },
    State.ACCEPTING: {
        Input.SYN: _cell(State.ACCEPTING, Action.REPEAT),
        Input.SYN_ACK: _cell(State.OPEN, Action.ESTABLISH, Action.ACKNOWLEDGE),
        Input.ACK: _cell(State.OPEN, Action.ESTABLISH),
        Input.CHAT: _cell(State.OPEN, Action.ESTABLISH, Action.RECEIVE, Action.ACKNOWLEDGE),
        Input.FIN: _cell(State.IDLE, Action.END, Action.ACKNOWLEDGE),
        Input.FIN_ACK: _cell(State.IDLE, Action.END, Action.ACKNOWLEDGE),
        Input.ERR: _cell(State.IDLE, Action.REPORT, Action.FAIL),
        Input.ERR_FIN: _cell(State.IDLE, Action.REPORT, Action.FAIL, Action.ACKNOWLEDGE),
        Input.QUIT: _cell(State.LEAVING, Action.FORGET, Action.QUIT, Action.LEAVE),
        Input.GIVE_UP: _cell(State.LEAVING, Action.LOSE, Action.LEAVE),
    },
    State.OPEN: {
        Input.SYN: _cell(State.PENDING, Action.RESTART, Action.REQUEST, Action.RING),
        Input.SYN_ACK: _cell(State.OPEN, Action.ACKNOWLEDGE),
        Input.ACK: _cell(State.OPEN, Action.PROCEED, Action.CONFIRM),
        Input.CHAT: _cell(State.OPEN, Action.RECEIVE, Action.ACKNOWLEDGE),
        Input.FIN: _cell(State.IDLE, Action.END, Action.ACKNOWLEDGE),
        Input.FIN_ACK: _cell(State.IDLE, Action.END, Action.ACKNOWLEDGE),
        Input.ERR: _cell(State.OPEN, Action.REPORT),
        Input.HINT: _cell(State.OPEN, Action.RENUMBER),
        Input.ERR_FIN: _cell(State.IDLE, Action.REPORT, Action.FAIL, Action.ACKNOWLEDGE),
        Input.SAY: _cell(State.OPEN, Action.SAY),
        Input.QUIT: _cell(State.LEAVING, Action.QUIT, Action.LEAVE),
        Input.GIVE_UP: _cell(State.LEAVING, Action.LOSE, Action.LEAVE),
    },
    State.LEAVING: {
        Input.SYN: _cell(State.PENDING, Action.FORGET, Action.REQUEST, Action.RING),
        Input.BUSY_SYN: _cell(State.IDLE, Action.FORGET, Action.REFUSE),
        Input.ACK: _cell(State.LEAVING, Action.PROCEED, Action.CONFIRM),
        Input.ACK_OF_FIN: _cell(State.IDLE, Action.FORGET),
        Input.FIN: _cell(State.IDLE, Action.FORGET, Action.ACKNOWLEDGE),
        Input.FIN_ACK: _cell(State.IDLE, Action.FORGET),
        Input.HINT: _cell(State.LEAVING, Action.RENUMBER),
        Input.ERR_FIN: _cell(State.IDLE, Action.FORGET, Action.ACKNOWLEDGE),
        Input.CALL: _cell(State.CALLING, Action.FORGET, Action.CALL),
        Input.GIVE_UP: _cell(State.LEAVING, Action.FORGET, Action.LEAVE),
        Input.GIVE_UP_FIN: _cell(State.IDLE, Action.FORGET),
    },
    State.DECLINING: {
        Input.SYN: _cell(State.DECLINING, Action.REPEAT),
        Input.BUSY_SYN: _cell(State.DECLINING, Action.REPEAT),
        Input.ACK_OF_FIN: _cell(State.IDLE, Action.FORGET),
        Input.FIN: _cell(State.IDLE, Action.FORGET, Action.ACKNOWLEDGE),
        Input.FIN_ACK: _cell(State.IDLE, Action.FORGET),
        Input.ERR: _cell(State.IDLE, Action.FORGET),
        Input.ERR_FIN: _cell(State.IDLE, Action.FORGET, Action.ACKNOWLEDGE),
        Input.CALL: _cell(State.CALLING, Action.FORGET, Action.CALL),
        Input.GIVE_UP_FIN: _cell(State.IDLE, Action.FORGET),
    },
}


def render() -> Iterator[str]:
    """The lines of `spec/states.md`."""
    yield "# The states of a conversation"
    yield ""
    yield "Generated from the daemon's own table by `python -m simp_daemon.peers.states`; section 7 of"
    yield "[`simp.md`](simp.md) says what each action is. A dot: nothing changes; a datagram is ignored, a person"
    yield "is told."
    yield ""
    yield "| state | meaning |"
    yield "|---|---|"
    for state in State:
        yield f"| {state.name} | {state.value} |"
    yield ""
    yield "| input | " + " | ".join(state.name for state in State) + " |"
    yield "|---|" + "---|" * len(State)
    for what in Input:
        cells = []
        for state in State:
            cells.append(_described(TABLE[state][what]) if what in TABLE[state] else "·")
        yield f"| {what.value} | " + " | ".join(cells) + " |"
    yield ""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "    [*] --> IDLE"
    arrows: dict[tuple[State, State], list[str]] = {}
    for state, row in TABLE.items():
        for what, (_, then) in row.items():
            if state is not then:
                arrows.setdefault((state, then), []).append(what.name)
    for (state, then), whats in arrows.items():
        yield f"    {state.name} --> {then.name}: {', '.join(whats)}"
    yield "```"


def _described(cell: Cell) -> str:
    actions, then = cell
    return f"{', '.join(action.value for action in actions)} → {then.name}"


if __name__ == "__main__":
    print("\n".join(render()))

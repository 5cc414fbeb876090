"""The states of a conversation between two daemons, as one table (spec 7).

`TABLE[state, input]` is what the session does and the state that it is in then. A pair that is not
in the table changes nothing: a datagram is ignored, a person is told that it can't be done now.
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
    RINGING = "the peer said that our SYN rings"
    PENDING = "a SYN has come in, and our person hasn't answered"
    ACCEPTING = "our SYN+ACK is out"
    OPEN = "the chat is on"
    LEAVING = "our person is gone, what was said before and our FIN are still being sent"
    DECLINING = "our FIN answers the peer's SYN"

    __hash__ = object.__hash__  # members are compared by identity; an Enum's own hash is that of its name, and slow


@unique
class Input(Enum):
    """What can happen to a conversation."""

    # the peer's datagrams
    SYN = "SYN"
    BUSY_SYN = "SYN, while a chat with another peer is on"
    RING = "ACK that says that our SYN rings"
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

    __hash__ = object.__hash__


@unique
class Action(Enum):
    """What a session does: each is its method of that name."""

    CALL = "call"
    RING = "ring"
    REFUSE = "refuse"
    NOTE_RINGING = "note_ringing"
    ACCEPT = "accept"
    REPEAT = "repeat"
    ACKNOWLEDGE = "acknowledge"
    ESTABLISH = "establish"
    ESTABLISH_AND_ACKNOWLEDGE = "establish_and_acknowledge"
    ESTABLISH_AND_RECEIVE = "establish_and_receive"
    SAY = "say"
    CONFIRM = "confirm"
    RECEIVE = "receive"
    REPORT = "report"
    RENUMBER = "renumber"
    CANCEL = "cancel"
    DECLINE = "decline"
    LEAVE = "leave"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    END_AND_ACKNOWLEDGE = "end_and_acknowledge"
    FAIL = "fail"
    FAIL_AND_ACKNOWLEDGE = "fail_and_acknowledge"
    LOSE = "lose"
    DROP = "drop"
    RESTART = "restart"
    FORGET = "forget"
    FORGET_AND_ACKNOWLEDGE = "forget_and_acknowledge"


TABLE: Final[dict[tuple[State, Input], tuple[Action, State]]] = {
    # -- IDLE
    (State.IDLE, Input.CALL): (Action.CALL, State.CALLING),
    (State.IDLE, Input.SYN): (Action.RING, State.PENDING),
    (State.IDLE, Input.BUSY_SYN): (Action.REFUSE, State.IDLE),
    (State.IDLE, Input.FIN): (Action.ACKNOWLEDGE, State.IDLE),
    (State.IDLE, Input.FIN_ACK): (Action.ACKNOWLEDGE, State.IDLE),
    (State.IDLE, Input.ERR_FIN): (Action.ACKNOWLEDGE, State.IDLE),
    # -- CALLING
    (State.CALLING, Input.RING): (Action.NOTE_RINGING, State.RINGING),
    (State.CALLING, Input.SYN_ACK): (Action.ESTABLISH_AND_ACKNOWLEDGE, State.OPEN),
    (State.CALLING, Input.SYN): (Action.ACCEPT, State.ACCEPTING),
    (State.CALLING, Input.FIN): (Action.END_AND_ACKNOWLEDGE, State.IDLE),
    (State.CALLING, Input.FIN_ACK): (Action.END_AND_ACKNOWLEDGE, State.IDLE),
    (State.CALLING, Input.ERR): (Action.FAIL, State.IDLE),
    (State.CALLING, Input.ERR_FIN): (Action.FAIL_AND_ACKNOWLEDGE, State.IDLE),
    (State.CALLING, Input.QUIT): (Action.CANCEL, State.LEAVING),
    (State.CALLING, Input.GIVE_UP): (Action.LOSE, State.LEAVING),
    # -- RINGING
    (State.RINGING, Input.RING): (Action.NOTE_RINGING, State.RINGING),
    (State.RINGING, Input.SYN_ACK): (Action.ESTABLISH_AND_ACKNOWLEDGE, State.OPEN),
    (State.RINGING, Input.SYN): (Action.ACCEPT, State.ACCEPTING),
    (State.RINGING, Input.FIN): (Action.END_AND_ACKNOWLEDGE, State.IDLE),
    (State.RINGING, Input.FIN_ACK): (Action.END_AND_ACKNOWLEDGE, State.IDLE),
    (State.RINGING, Input.ERR): (Action.FAIL, State.IDLE),
    (State.RINGING, Input.ERR_FIN): (Action.FAIL_AND_ACKNOWLEDGE, State.IDLE),
    (State.RINGING, Input.QUIT): (Action.CANCEL, State.LEAVING),
    (State.RINGING, Input.GIVE_UP): (Action.LOSE, State.LEAVING),
    # -- PENDING
    (State.PENDING, Input.SYN): (Action.RING, State.PENDING),
    (State.PENDING, Input.BUSY_SYN): (Action.REFUSE, State.IDLE),
    (State.PENDING, Input.FIN): (Action.END_AND_ACKNOWLEDGE, State.IDLE),
    (State.PENDING, Input.FIN_ACK): (Action.END_AND_ACKNOWLEDGE, State.IDLE),
    (State.PENDING, Input.ERR): (Action.WITHDRAW, State.IDLE),
    (State.PENDING, Input.ERR_FIN): (Action.END_AND_ACKNOWLEDGE, State.IDLE),
    (State.PENDING, Input.ACCEPT): (Action.ACCEPT, State.ACCEPTING),
    (State.PENDING, Input.CALL): (Action.ACCEPT, State.ACCEPTING),
    (State.PENDING, Input.QUIT): (Action.DECLINE, State.DECLINING),
    (State.PENDING, Input.EXPIRE): (Action.EXPIRE, State.IDLE),
    # -- ACCEPTING
    (State.ACCEPTING, Input.SYN): (Action.REPEAT, State.ACCEPTING),
    (State.ACCEPTING, Input.SYN_ACK): (Action.ESTABLISH_AND_ACKNOWLEDGE, State.OPEN),
    (State.ACCEPTING, Input.ACK): (Action.ESTABLISH, State.OPEN),
    (State.ACCEPTING, Input.CHAT): (Action.ESTABLISH_AND_RECEIVE, State.OPEN),
    (State.ACCEPTING, Input.FIN): (Action.END_AND_ACKNOWLEDGE, State.IDLE),
    (State.ACCEPTING, Input.FIN_ACK): (Action.END_AND_ACKNOWLEDGE, State.IDLE),
    (State.ACCEPTING, Input.ERR): (Action.FAIL, State.IDLE),
    (State.ACCEPTING, Input.ERR_FIN): (Action.FAIL_AND_ACKNOWLEDGE, State.IDLE),
    (State.ACCEPTING, Input.QUIT): (Action.CANCEL, State.LEAVING),
    (State.ACCEPTING, Input.GIVE_UP): (Action.LOSE, State.LEAVING),
    # -- OPEN
    (State.OPEN, Input.SYN): (Action.RESTART, State.PENDING),
    (State.OPEN, Input.SYN_ACK): (Action.ACKNOWLEDGE, State.OPEN),
    (State.OPEN, Input.ACK): (Action.CONFIRM, State.OPEN),
    (State.OPEN, Input.CHAT): (Action.RECEIVE, State.OPEN),
    (State.OPEN, Input.FIN): (Action.END_AND_ACKNOWLEDGE, State.IDLE),
    (State.OPEN, Input.FIN_ACK): (Action.END_AND_ACKNOWLEDGE, State.IDLE),
    (State.OPEN, Input.ERR): (Action.REPORT, State.OPEN),
    (State.OPEN, Input.HINT): (Action.RENUMBER, State.OPEN),
    (State.OPEN, Input.ERR_FIN): (Action.FAIL_AND_ACKNOWLEDGE, State.IDLE),
    (State.OPEN, Input.SAY): (Action.SAY, State.OPEN),
    (State.OPEN, Input.QUIT): (Action.LEAVE, State.LEAVING),
    (State.OPEN, Input.GIVE_UP): (Action.LOSE, State.LEAVING),
    # -- LEAVING
    (State.LEAVING, Input.SYN): (Action.RING, State.PENDING),
    (State.LEAVING, Input.BUSY_SYN): (Action.REFUSE, State.IDLE),
    (State.LEAVING, Input.ACK): (Action.CONFIRM, State.LEAVING),
    (State.LEAVING, Input.ACK_OF_FIN): (Action.FORGET, State.IDLE),
    (State.LEAVING, Input.FIN): (Action.FORGET_AND_ACKNOWLEDGE, State.IDLE),
    (State.LEAVING, Input.FIN_ACK): (Action.FORGET, State.IDLE),
    (State.LEAVING, Input.HINT): (Action.RENUMBER, State.LEAVING),
    (State.LEAVING, Input.ERR_FIN): (Action.FORGET_AND_ACKNOWLEDGE, State.IDLE),
    (State.LEAVING, Input.CALL): (Action.CALL, State.CALLING),
    (State.LEAVING, Input.GIVE_UP): (Action.DROP, State.LEAVING),
    (State.LEAVING, Input.GIVE_UP_FIN): (Action.FORGET, State.IDLE),
    # -- DECLINING
    (State.DECLINING, Input.SYN): (Action.REPEAT, State.DECLINING),
    (State.DECLINING, Input.BUSY_SYN): (Action.REPEAT, State.DECLINING),
    (State.DECLINING, Input.ACK_OF_FIN): (Action.FORGET, State.IDLE),
    (State.DECLINING, Input.FIN): (Action.FORGET_AND_ACKNOWLEDGE, State.IDLE),
    (State.DECLINING, Input.FIN_ACK): (Action.FORGET, State.IDLE),
    (State.DECLINING, Input.ERR): (Action.FORGET, State.IDLE),
    (State.DECLINING, Input.ERR_FIN): (Action.FORGET_AND_ACKNOWLEDGE, State.IDLE),
    (State.DECLINING, Input.CALL): (Action.CALL, State.CALLING),
    (State.DECLINING, Input.GIVE_UP_FIN): (Action.FORGET, State.IDLE),
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
            cell = TABLE.get((state, what))
            cells.append(f"{cell[0].value.replace('_', ' ')} → {cell[1].name}" if cell else "·")
        yield f"| {what.value} | " + " | ".join(cells) + " |"
    yield ""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "    [*] --> IDLE"
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, what), (_, then) in TABLE.items():
        if state is not then:
            arrows.setdefault((state, then), []).append(what.name)
    for (state, then), whats in arrows.items():
        yield f"    {state.name} --> {then.name}: {', '.join(whats)}"
    yield "```"


if __name__ == "__main__":
    print("\n".join(render()))

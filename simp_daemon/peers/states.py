"""The states of a conversation between two daemons, as one table (spec 7).

`TABLE[state][input]` is what the session does, step by step, and the state that it is in then. An input that a state
does not have changes nothing: a datagram is ignored, a person is told that it can't be done now.
`spec/states.md` is generated from this table by `python -m tests.states_page`.
"""

from collections.abc import Callable
from enum import Enum, unique
from typing import Final

from simp_daemon.peers import actions as do
from simp_daemon.peers.actions import Happening
from simp_daemon.peers.record import Record


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

    __hash__ = object.__hash__  # an enumeration's own is slow


@unique
class Input(Enum):
    """What can happen to a conversation."""

    # the peer's datagrams
    SYN = "SYN"
    BUSY_SYN = "SYN of a call that may not ring (4.6)"
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
    SILENT = "nothing has been heard of the partner for a while"
    # the system
    UNREACHABLE = "no datagram gets to the peer"

    __hash__ = object.__hash__  # an enumeration's own is slow


Cell = tuple[tuple[Callable[[Record, Happening], None], ...], State]
"""What is done, in that order, and the state afterwards."""


def _cell(then: State, *actions: Callable[[Record, Happening], None]) -> Cell:
    return actions, then


_CALLING: Final[dict[Input, Cell]] = {
    Input.RING: _cell(State.RINGING, do.learn, do.note_ringing, do.postpone),
    Input.SYN_ACK: _cell(State.OPEN, do.learn, do.establish, do.acknowledge),
    Input.SYN: _cell(State.ACCEPTING, do.cross, do.accept),
    Input.FIN: _cell(State.IDLE, do.learn, do.end, do.acknowledge),
    Input.FIN_ACK: _cell(State.IDLE, do.learn, do.end, do.acknowledge),
    Input.ERR: _cell(State.IDLE, do.report, do.learn, do.fail),
    Input.ERR_FIN: _cell(State.IDLE, do.report, do.learn, do.fail, do.acknowledge),
    Input.QUIT: _cell(State.LEAVING, do.forget, do.quit, do.cancel),
    Input.GIVE_UP: _cell(State.LEAVING, do.lose, do.cancel),
    Input.UNREACHABLE: _cell(State.IDLE, do.strand),
}

TABLE: Final[dict[State, dict[Input, Cell]]] = {
    State.IDLE: {
        Input.CALL: _cell(State.CALLING, do.call),
        Input.SYN: _cell(State.PENDING, do.request, do.ring),
        Input.BUSY_SYN: _cell(State.IDLE, do.refuse),
        Input.FIN: _cell(State.IDLE, do.acknowledge),
        Input.FIN_ACK: _cell(State.IDLE, do.acknowledge),
        Input.ERR_FIN: _cell(State.IDLE, do.acknowledge),
    },
    State.CALLING: _CALLING,
    State.RINGING: {
        **{what: cell for what, cell in _CALLING.items() if what is not Input.UNREACHABLE},
        Input.RING: _cell(State.RINGING, do.learn, do.postpone),
    },
    State.PENDING: {
        Input.SYN: _cell(State.PENDING, do.ring),
        Input.BUSY_SYN: _cell(State.IDLE, do.displace, do.refuse),
        Input.FIN: _cell(State.IDLE, do.end, do.acknowledge),
        Input.FIN_ACK: _cell(State.IDLE, do.end, do.acknowledge),
        Input.ERR: _cell(State.IDLE, do.fail),
        Input.ERR_FIN: _cell(State.IDLE, do.end, do.acknowledge),
        Input.ACCEPT: _cell(State.ACCEPTING, do.accept),
        Input.CALL: _cell(State.ACCEPTING, do.accept),
        Input.QUIT: _cell(State.DECLINING, do.quit, do.decline),
        Input.EXPIRE: _cell(State.IDLE, do.expire),
    },
    State.ACCEPTING: {
        Input.SYN: _cell(State.ACCEPTING, do.repeat),
        Input.SYN_ACK: _cell(State.OPEN, do.establish, do.acknowledge),
        Input.ACK: _cell(State.OPEN, do.establish),
        Input.CHAT: _cell(State.OPEN, do.establish, do.receive, do.acknowledge),
        Input.FIN: _cell(State.IDLE, do.end, do.acknowledge),
        Input.FIN_ACK: _cell(State.IDLE, do.end, do.acknowledge),
        Input.ERR: _cell(State.IDLE, do.report, do.fail),
        Input.ERR_FIN: _cell(State.IDLE, do.report, do.fail, do.acknowledge),
        Input.QUIT: _cell(State.LEAVING, do.forget, do.quit, do.leave),
        Input.GIVE_UP: _cell(State.LEAVING, do.lose, do.leave),
    },
    State.OPEN: {
        Input.SYN: _cell(State.PENDING, do.restart, do.request, do.ring),
        Input.SYN_ACK: _cell(State.OPEN, do.acknowledge),
        Input.ACK: _cell(State.OPEN, do.proceed, do.confirm),
        Input.CHAT: _cell(State.OPEN, do.receive, do.acknowledge),
        Input.FIN: _cell(State.IDLE, do.end, do.acknowledge),
        Input.FIN_ACK: _cell(State.IDLE, do.end, do.acknowledge),
        Input.ERR: _cell(State.OPEN, do.report),
        Input.HINT: _cell(State.OPEN, do.renumber),
        Input.ERR_FIN: _cell(State.IDLE, do.report, do.fail, do.acknowledge),
        Input.SAY: _cell(State.OPEN, do.say),
        Input.QUIT: _cell(State.LEAVING, do.quit, do.leave),
        Input.GIVE_UP: _cell(State.LEAVING, do.lose, do.leave),
        Input.SILENT: _cell(State.OPEN, do.probe),
    },
    State.LEAVING: {
        Input.SYN: _cell(State.PENDING, do.forget, do.request, do.ring),
        Input.BUSY_SYN: _cell(State.IDLE, do.forget, do.refuse),
        Input.ACK: _cell(State.LEAVING, do.proceed, do.confirm),
        Input.ACK_OF_FIN: _cell(State.IDLE, do.forget),
        Input.FIN: _cell(State.IDLE, do.forget, do.acknowledge),
        Input.FIN_ACK: _cell(State.IDLE, do.forget),
        Input.HINT: _cell(State.LEAVING, do.renumber),
        Input.ERR_FIN: _cell(State.IDLE, do.forget, do.acknowledge),
        Input.CALL: _cell(State.CALLING, do.forget, do.call),
        Input.GIVE_UP: _cell(State.LEAVING, do.forget, do.leave),
        Input.GIVE_UP_FIN: _cell(State.IDLE, do.forget),
    },
    State.DECLINING: {
        Input.SYN: _cell(State.DECLINING, do.repeat),
        Input.BUSY_SYN: _cell(State.DECLINING, do.repeat),
        Input.ACK_OF_FIN: _cell(State.IDLE, do.forget),
        Input.FIN: _cell(State.IDLE, do.forget, do.acknowledge),
        Input.FIN_ACK: _cell(State.IDLE, do.forget),
        Input.ERR: _cell(State.IDLE, do.forget),
        Input.ERR_FIN: _cell(State.IDLE, do.forget, do.acknowledge),
        Input.CALL: _cell(State.CALLING, do.forget, do.call),
        Input.GIVE_UP_FIN: _cell(State.IDLE, do.forget),
    },
}

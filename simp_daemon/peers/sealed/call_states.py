"""The states of a call of SIMP/2, as one table (simp2 4).

`TABLE[state][input]` is what is done, step by step, and the state that the call is in then. An input that a state does
not have changes nothing. `spec/states.md` is generated from it by `python -m tests.states_page`.
"""

from collections.abc import Callable
from enum import Enum, unique
from typing import Final

from simp_daemon.peers.sealed import call_actions as do
from simp_daemon.peers.sealed.call import Call, State
from simp_daemon.peers.sealed.call_actions import Happening


@unique
class Input(Enum):
    """What can happen to a call."""

    # a SYN with an offer of SIMP/2: one of these, by simp2 4.1
    STRANGE_SYN = "a first SYN without a good cookie"
    SYN = "its SYN again"
    SYN_OF_OPEN = "a first SYN, proved to be a contact's whose conversation is open"
    CROSSING_SYN = "a first SYN of whom we are calling, whose `e` is lower"
    SYN_OF_CLOSED = "a first SYN that is quiet, proved to be a contact's whose conversation isn't open"
    QUIET_SYN = "another first SYN that is quiet"
    RINGING_SYN = "any other first SYN"
    REPEATED_SYN = "any other first SYN, of a caller who is shown already"
    HIGHER_SYN = "a SYN of whom we are calling, whose `e` is higher"
    LOWER_SYN = "a SYN of whom we are calling, whose `e` is lower"
    # other datagrams
    CHALLENGE = "CHALLENGE with a new cookie"
    RINGS = "RINGING"
    ANSWER = "right ANSWER, with the key that is expected, or a new one"
    OTHER_KEY = "right ANSWER with another key"
    ANSWER_AGAIN = "the right ANSWER again"
    CONFIRM = "right CONFIRM, with the key that is expected, or a new one"
    OVER = "OVER in a FIN"
    ACK_OF_OVER = "OVER in an ACK, or SIMP/1's ACK of our FIN"
    CLEAR = "answer of SIMP/1, where no contact was called"
    CLEAR_TO_CONTACT = "answer of SIMP/1, where a contact was called"
    RECORD = "the first record of the session"
    # our person
    CALL = "our person calls, or a daemon quietly; again, where a FIN of SIMP/1 takes back the call before"
    ACCEPT = "our person accepts, or calls the caller"
    ACCEPT_NOTHING = "the same, where the caller's `e` is of low order"
    QUIT = "our person declines or cancels"
    # other calls
    REPLACED = "the caller's next SYN takes its place"
    REPEATED = "the same, which our person needn't be told"
    CROWDED = "there is no room for it"
    SUPERSEDED = "a session with that person is on by another call"
    # the clock
    LAST_TRY = "no answer after the last try"
    EXPIRE = "the request is too old"
    DOUBT = "10 s after the first ANSWER with another key"
    GONE = "no record 10 s after our CONFIRM"
    # the system
    UNREACHABLE = "no datagram gets to the peer"

    __hash__ = object.__hash__


Cell = tuple[tuple[Callable[[Call, Happening], None], ...], State]
"""What is done, in that order, and the state afterwards."""


def _cell(then: State, *actions: Callable[[Call, Happening], None]) -> Cell:
    return actions, then


def _calling(state: State) -> dict[Input, Cell]:
    """What all calls of ours have that aren't a session yet."""
    return {
        Input.HIGHER_SYN: _cell(state, do.insist),
        Input.LOWER_SYN: _cell(State.OVER),
        Input.CHALLENGE: _cell(State.PROVING, do.prove),
        Input.RINGS: _cell(State.RINGING, do.note_ringing),
        Input.ANSWER: _cell(State.CONFIRMING, do.confirm),
        Input.OTHER_KEY: _cell(state, do.doubt),
        Input.OVER: _cell(State.OVER, do.end, do.acknowledge),
        Input.CLEAR_TO_CONTACT: _cell(state, do.note),
        Input.QUIT: _cell(State.ENDING, do.quit, do.cancel),
        Input.SUPERSEDED: _cell(State.OVER),
        Input.LAST_TRY: _cell(State.ENDING, do.lose, do.cancel),
        Input.DOUBT: _cell(State.ENDING, do.alarm, do.cancel),
    }


TABLE: Final[dict[State, dict[Input, Cell]]] = {
    State.IDLE: {
        Input.STRANGE_SYN: _cell(State.IDLE, do.challenge),
        Input.SYN_OF_OPEN: _cell(State.ACCEPTING, do.accept),
        Input.SYN_OF_CLOSED: _cell(State.ACCEPTING, do.close),
        Input.CROSSING_SYN: _cell(State.ACCEPTING, do.accept),
        Input.QUIET_SYN: _cell(State.IDLE, do.dismiss),
        Input.RINGING_SYN: _cell(State.REQUESTED, do.request, do.ring),
        Input.REPEATED_SYN: _cell(State.REQUESTED, do.ring),
        Input.CALL: _cell(State.CALLING, do.dial),
    },
    State.CALLING: {
        **_calling(State.CALLING),
        Input.CLEAR: _cell(State.OVER, do.go_clear),
        Input.QUIT: _cell(State.ENDING, do.quit, do.take_back),
        Input.LAST_TRY: _cell(State.ENDING, do.lose, do.take_back),
        Input.UNREACHABLE: _cell(State.OVER, do.strand),
    },
    State.PROVING: _calling(State.PROVING),
    State.RINGING: _calling(State.RINGING),
    State.CONFIRMING: {
        Input.ANSWER_AGAIN: _cell(State.CONFIRMING, do.repeat),
        Input.OVER: _cell(State.CONFIRMING, do.acknowledge),
        Input.RECORD: _cell(State.OVER),
        Input.SUPERSEDED: _cell(State.OVER),
        Input.LAST_TRY: _cell(State.OVER),
        Input.GONE: _cell(State.CONFIRMING, do.miss),
    },
    State.REQUESTED: {
        Input.SYN: _cell(State.REQUESTED, do.ring),
        Input.OVER: _cell(State.OVER, do.end, do.acknowledge),
        Input.ACCEPT: _cell(State.ACCEPTING, do.accept),
        Input.ACCEPT_NOTHING: _cell(State.ENDING, do.fail, do.cancel),
        Input.QUIT: _cell(State.ENDING, do.quit, do.cancel),
        Input.REPLACED: _cell(State.OVER, do.restart),
        Input.REPEATED: _cell(State.OVER),
        Input.CROWDED: _cell(State.IDLE, do.crowd),
        Input.SUPERSEDED: _cell(State.OVER, do.restart),
        Input.EXPIRE: _cell(State.OVER, do.expire),
    },
    State.ACCEPTING: {
        Input.SYN: _cell(State.ACCEPTING, do.repeat),
        Input.CONFIRM: _cell(State.OVER, do.establish),
        Input.OVER: _cell(State.OVER, do.withdraw, do.end, do.acknowledge),
        Input.QUIT: _cell(State.ENDING, do.withdraw, do.quit, do.cancel),
        Input.REPLACED: _cell(State.OVER, do.restart),
        Input.REPEATED: _cell(State.OVER),
        Input.SUPERSEDED: _cell(State.OVER),
        Input.LAST_TRY: _cell(State.OVER, do.give_up),
    },
    State.ENDING: {
        Input.SYN: _cell(State.ENDING, do.repeat),
        Input.OVER: _cell(State.OVER, do.acknowledge),
        Input.ACK_OF_OVER: _cell(State.OVER),
        Input.CALL: _cell(State.OVER),
        Input.LAST_TRY: _cell(State.OVER),
    },
    State.OVER: {
        Input.SYN: _cell(State.OVER, do.dismiss),
        Input.OVER: _cell(State.OVER, do.acknowledge),
    },
}

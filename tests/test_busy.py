"""How many chats there may be: who is told that we are busy, in every state of our person's conversation (spec 4.6)."""

import pytest

from simp_daemon.peers.busy import OneChat
from simp_daemon.peers.states import State
from simp_proto.constants import Framing
from simp_proto.errors import NotNowError
from tests.driven import Session

BUSY = {State.ACCEPTING, State.OPEN}
"""A chat is on or being accepted: another's call may not ring."""
TAKEN = {State.CALLING, State.RINGING, *BUSY}
"""Our person can't begin anything else."""


def session(state: State = State.IDLE, host: str = "127.0.0.2") -> Session:
    made = Session((host, 7777), b"alice", Framing.HEADER)
    made.state = state
    return made


@pytest.mark.parametrize("state", State)
def test_every_state(state: State) -> None:
    one_chat, engaged, other = OneChat(), session(), session(host="127.0.0.3")
    one_chat.engage(engaged)
    engaged.state = state
    assert one_chat.may_ring(other) is (state not in BUSY)
    assert one_chat.may_ring(engaged)
    assert one_chat.displaced_by(other) is (engaged if state in TAKEN - BUSY else None)
    assert one_chat.current is (engaged if state in TAKEN else None)
    if state in TAKEN:
        with pytest.raises(NotNowError, match="leave that first"):
            one_chat.engage(other)
    else:
        one_chat.engage(other)

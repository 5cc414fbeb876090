"""How many calls and chats there may be at a time: what an endpoint asks, and SIMP/1's answer."""

from typing import Final, Protocol

from simp_daemon.peers.session import Session
from simp_daemon.peers.states import State
from simp_proto.address import format_address
from simp_proto.errors import NotNowError

_CALLING: Final = (State.CALLING, State.RINGING)
_CHATTING: Final = (State.ACCEPTING, State.OPEN)


class Policy(Protocol):
    """What an endpoint asks before a conversation goes on."""

    def may_ring(self, session: Session) -> bool:
        """Whether a call of that peer may ring; it is told that we are busy otherwise (spec 4.6)."""

    def displaced_by(self, session: Session) -> Session | None:
        """The call that has to be cancelled before that peer's request can be accepted."""

    def engage(self, session: Session) -> None:
        """A call or chat with that peer begins; raises `NotNowError` where there is no room for it."""


class OneChat:
    """One call or chat at a time, which is our person's (spec 4.6, 7)."""

    def __init__(self) -> None:
        self._engaged: Session | None = None

    @property
    def current(self) -> Session | None:
        """The call or chat of our person, if there is one."""
        engaged = self._engaged
        return engaged if engaged and engaged.state in (*_CALLING, *_CHATTING) else None

    def may_ring(self, session: Session) -> bool:
        current = self.current
        return current is None or current is session or current.state in _CALLING

    def displaced_by(self, session: Session) -> Session | None:
        current = self.current
        return current if current and current.state in _CALLING else None

    def engage(self, session: Session) -> None:
        current = self.current
        if current is not None:
            what = "in a chat with" if current.state is State.OPEN else "calling"
            raise NotNowError(
                f"you are {what} {current.record.name or format_address(current.record.peer)}; leave that first"
            )
        self._engaged = session

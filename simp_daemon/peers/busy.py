"""Whether our person is busy: how many calls and chats there may be at a time, which an endpoint asks (spec 4.6)."""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from simp_daemon.peers.session import Session
from simp_daemon.peers.states import State
from simp_proto.address import format_address
from simp_proto.constants import BUSY
from simp_proto.errors import NotNowError

_CALLING: Final = (State.CALLING, State.RINGING)
ONLY_SEALED: Final = "this daemon takes no chats in the clear, only those of SIMP/2"
_CHATTING: Final = (State.ACCEPTING, State.OPEN)


class Policy(Protocol):
    """What an endpoint asks before a conversation goes on."""

    refusal: str
    """What a call that may not ring is told (spec 4.6)."""

    def may_ring(self, session: Session) -> bool:
        """Whether a call of that peer may ring."""

    def displaced_by(self, session: Session) -> Session | None:
        """The call that has to be cancelled before that peer's request can be accepted."""

    def engage(self, session: Session) -> None:
        """A call or chat with that peer begins; raises `NotNowError` where there is no room for it."""


class Sealed(NamedTuple):
    """Our person's call or chat of SIMP/2, and with whom."""

    who: str
    chatting: bool


class OneChat:
    """One call or chat at a time, which is our person's (spec 4.6, 7); `sealed` says whether that is one of SIMP/2."""

    def __init__(self, sealed: Callable[[], Sealed | None] = lambda: None, *, rings: bool = True) -> None:
        """`rings` says whether any call of SIMP/1 may ring."""
        self._sealed = sealed
        self._rings = rings
        self.refusal = BUSY if rings else ONLY_SEALED
        self._engaged: Session | None = None

    @property
    def current(self) -> Session | None:
        """The call or chat of our person, if there is one."""
        engaged = self._engaged
        return engaged if engaged and engaged.state in (*_CALLING, *_CHATTING) else None

    def may_ring(self, session: Session) -> bool:
        current, sealed = self.current, self._sealed()
        if not self._rings or (sealed and sealed.chatting):
            return False
        return current is None or current is session or current.state in _CALLING

    @property
    def calling(self) -> Session | None:
        """The call of our person that nobody has accepted, if there is one."""
        current = self.current
        return current if current and current.state in _CALLING else None

    def displaced_by(self, session: Session) -> Session | None:
        return self.calling

    def engage(self, session: Session) -> None:
        self.check()
        self._engaged = session

    def check(self) -> None:
        """Raises `NotNowError` where there is no room for a call or chat."""
        current, sealed = self.current, self._sealed()
        if current is not None:
            record = current.record
            sealed = Sealed(record.name or format_address(record.peer), current.state is State.OPEN)
        if sealed is not None:
            what = "in a chat with" if sealed.chatting else "calling"
            raise NotNowError(f"you are {what} {sealed.who}; leave that first")

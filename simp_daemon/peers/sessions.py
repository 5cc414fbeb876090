"""All sessions of SIMP/1 of one daemon: by address, by what they wait for, and by when they have something to do."""

from simp_daemon.effects import Send
from simp_daemon.events import Ended, Event, Why
from simp_daemon.peers.session import Session
from simp_daemon.peers.states import State
from simp_daemon.peers.timers import Timers
from simp_proto.address import Address
from simp_proto.constants import LEAVING_SESSIONS

ENDING = (State.LEAVING, State.DECLINING)


class Sessions:
    """Those with whom something is going on. What has to be told goes into `outlet`."""

    def __init__(self, outlet: list[Send | Event]) -> None:
        self._outlet = outlet
        self.by_address: dict[Address, Session] = {}
        self.requests: dict[Address, Session] = {}
        """Those that wait to be answered, oldest first."""
        self.held: dict[Address, tuple[bytes, str | None] | None] = {}
        """Whose messages are left unacknowledged for now (spec 8.4), with the last that came, and where to."""
        self.timers: Timers[Address] = Timers()
        self._ending: dict[Address, Session] = {}

    def file(self, session: Session) -> None:
        """Puts one to which something has happened where its state belongs."""
        peer, state = session.record.peer, session.state
        self.timers.set(peer, None if state is State.IDLE else session.get_timer())
        if state is session.filed:
            return
        if session.filed is State.OPEN:  # what was held back belongs to no later chat
            self.held.pop(peer, None)
        session.filed = state
        if state is State.IDLE:
            del self.by_address[peer]
            self.held.pop(peer, None)
        else:
            self.by_address[peer] = session
        if state is State.PENDING:
            self.requests[peer] = session
        else:
            self.requests.pop(peer, None)
        if state not in ENDING:
            self._ending.pop(peer, None)
        elif peer not in self._ending:
            self._ending[peer] = session
            if len(self._ending) > LEAVING_SESSIONS:
                self.forget(next(iter(self._ending)))

    def forget(self, peer: Address, *, told: bool = True) -> None:
        """One gives way to others (spec 8.3); `told`: if it was a request, our person must know."""
        session = self.by_address.pop(peer)
        self.timers.set(peer, None)
        self.held.pop(peer, None)
        self._ending.pop(peer, None)
        session.record.abandon()
        if self.requests.pop(peer, None) and told:
            self._outlet.append(Ended(peer, session.record.name, Why.CROWDED))

"""Who has been asked whether they are there, and until when their answer counts (spec 4.12, discovery 3.3)."""

from collections.abc import Callable
from typing import Final

from simp_daemon.effects import Send
from simp_daemon.events import Event, Present
from simp_proto import presence
from simp_proto.address import Address
from simp_proto.constants import PRESENCE_INTERVAL, PRESENCE_TRIES
from simp_proto.datagram import Datagram

_PATIENCE: Final = PRESENCE_TRIES * PRESENCE_INTERVAL
"""Seconds for which an answer counts."""


class Presence:
    """Questions and answers go into `outlet`; `user` is the name that ours bear, to that peer."""

    def __init__(self, outlet: list[Send | Event], user: Callable[[Address], bytes]) -> None:
        self._outlet = outlet
        self._user = user
        self._asked: dict[Address, float] = {}
        """Until when an answer of each counts."""

    def expects(self, peer: Address, now: float) -> bool:
        """Whether that peer has been asked, hasn't answered, and still may."""
        return now <= self._asked.get(peer, float("-inf"))

    def ask(self, peer: Address, now: float) -> None:
        """Asks a peer that speaks `header` whether it is there; `Present` says so."""
        self._asked.pop(peer, None)
        self._asked[peer] = now + _PATIENCE
        while not self.expects(oldest := next(iter(self._asked)), now):
            del self._asked[oldest]
        self._outlet.append(Send(presence.question(self._user(peer)), peer))

    def asks(self, datagram: Datagram, peer: Address, here: str | None) -> bool:
        """Whether that asks if we are there, which is answered, and changes nothing."""
        if not presence.is_question(datagram):
            return False
        self._outlet.append(Send(presence.answer(datagram, self._user(peer)), peer, here))
        return True

    def tells(self, datagram: Datagram, peer: Address, now: float) -> bool:
        """Whether that says that somebody is there, which counts once, where it was asked for, and changes nothing."""
        if not presence.is_answer(datagram):
            return False
        if self.expects(peer, now):
            del self._asked[peer]
            self._outlet.append(Present(peer, presence.person(datagram)))
        return True

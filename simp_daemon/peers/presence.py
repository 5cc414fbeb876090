"""Whether a daemon is there: the question, the answer, and who has been asked (spec 4.12)."""

from collections.abc import Callable
from typing import Final

from simp_daemon.effects import Send
from simp_daemon.events import Event, Present
from simp_proto import constants
from simp_proto.address import Address
from simp_proto.constants import Control, Framing, Type
from simp_proto.datagram import Datagram, build
from simp_proto.printable import names_person

_PATIENCE: Final = 3.0
"""Seconds for which an answer counts (discovery 3.3)."""


class Presence:
    """Questions and answers go into `outlet`; `user` is the name that ours bear."""

    def __init__(self, outlet: list[Send | Event], user: Callable[[], bytes]) -> None:
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
        self._send(constants.PRESENCE_QUESTION, constants.HANDSHAKE_SEQUENCE, peer)

    def asks(self, datagram: Datagram, peer: Address, here: str | None) -> bool:
        """Whether that asks if we are there, which is answered, and changes nothing."""
        if not _is_ack_with(datagram, constants.PRESENCE_QUESTION):
            return False
        self._send(constants.PRESENCE_ANSWER, datagram.sequence, peer, here)
        return True

    def tells(self, datagram: Datagram, peer: Address, now: float) -> bool:
        """Whether that says that somebody is there, which counts once, where it was asked for, and changes nothing."""
        if not _is_ack_with(datagram, constants.PRESENCE_ANSWER):
            return False
        if self.expects(peer, now):
            del self._asked[peer]
            self._outlet.append(Present(peer, datagram.name if names_person(datagram.name) else ""))
        return True

    def _send(self, payload: bytes, sequence: int, peer: Address, here: str | None = None) -> None:
        ack = Datagram(Type.CONTROL, Control.ACK, sequence, self._user(), payload, Framing.HEADER)
        self._outlet.append(Send(build(ack), peer, here))


def _is_ack_with(datagram: Datagram, payload: bytes) -> bool:
    header = datagram.framing is Framing.HEADER
    return datagram.operation is Control.ACK and header and datagram.payload == payload

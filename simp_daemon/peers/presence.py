"""Whether a daemon is there: the question, the answer, and who has been asked (spec 4.12)."""

from collections import OrderedDict
from collections.abc import Callable

from simp_daemon.effects import Send
from simp_daemon.events import Event, Present
from simp_proto import constants
from simp_proto.address import Address
from simp_proto.constants import Control, Framing, Type
from simp_proto.datagram import Datagram, build
from simp_proto.printable import names_person


class Presence:
    """Questions and answers go into `outlet`; `user` is the name that ours bear."""

    def __init__(self, outlet: list[Send | Event], user: Callable[[], bytes]) -> None:
        self._outlet = outlet
        self._user = user
        self._asked: OrderedDict[Address, None] = OrderedDict()

    def expects(self, peer: Address) -> bool:
        """Whether that peer has been asked, and hasn't answered."""
        return peer in self._asked

    def ask(self, peer: Address) -> None:
        """Asks a peer that speaks `header` whether it is there; `Present` says so."""
        self._asked[peer] = None
        if len(self._asked) > constants.KNOWN_PEERS:
            self._asked.popitem(last=False)
        self._send(constants.PRESENCE_QUESTION, constants.HANDSHAKE_SEQUENCE, peer)

    def asks(self, datagram: Datagram, peer: Address, here: str | None) -> bool:
        """Whether that asks if we are there, which is answered, and changes nothing."""
        if not _is_ack_with(datagram, constants.PRESENCE_QUESTION):
            return False
        self._send(constants.PRESENCE_ANSWER, datagram.sequence, peer, here)
        return True

    def tells(self, datagram: Datagram, peer: Address) -> bool:
        """Whether that says that somebody is there, which counts once, where it was asked for, and changes nothing."""
        if not _is_ack_with(datagram, constants.PRESENCE_ANSWER):
            return False
        if peer in self._asked:
            del self._asked[peer]
            self._outlet.append(Present(peer, datagram.name if names_person(datagram.name) else ""))
        return True

    def _send(self, payload: bytes, sequence: int, peer: Address, here: str | None = None) -> None:
        ack = Datagram(Type.CONTROL, Control.ACK, sequence, self._user(), payload, Framing.HEADER)
        self._outlet.append(Send(build(ack), peer, here))


def _is_ack_with(datagram: Datagram, payload: bytes) -> bool:
    header = datagram.framing is Framing.HEADER
    return datagram.operation is Control.ACK and header and datagram.payload == payload

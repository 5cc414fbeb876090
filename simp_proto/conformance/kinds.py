"""What kinds of datagrams the tester tells apart."""

from collections.abc import Callable

from simp_proto.constants import RINGING, Chat, Control
from simp_proto.datagram import Datagram

Matches = Callable[[Datagram], bool]


def is_any(datagram: Datagram) -> bool:
    """Whatever it is."""
    return True


def is_syn(datagram: Datagram) -> bool:
    """Whether it calls."""
    return datagram.operation is Control.SYN


def is_syn_ack(datagram: Datagram) -> bool:
    """Whether it accepts a call."""
    return datagram.operation is Control.SYN_ACK


def is_message(datagram: Datagram) -> bool:
    """Whether its person says something."""
    return datagram.operation is Chat.MESSAGE


def is_fin(datagram: Datagram) -> bool:
    """Whether it declines or leaves, by whatever operation (spec 2.2)."""
    return datagram.operation in (Control.FIN, Control.ERR_FIN)


def is_ack(datagram: Datagram) -> bool:
    """Whether it acknowledges something, and doesn't just say that it rings (spec 4.3)."""
    return datagram.operation is Control.ACK and datagram.payload != RINGING


def is_ringing(datagram: Datagram) -> bool:
    """Whether it says that a SYN rings (spec 4.3)."""
    return datagram.operation is Control.ACK and datagram.payload == RINGING

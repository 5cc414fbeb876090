"""What kinds of datagrams the tester tells apart."""

from collections.abc import Callable

from simp_proto.constants import PRESENCE_ANSWER, PRESENCE_QUESTION, RINGING, Chat, Control, Operation
from simp_proto.datagram import Datagram

Matches = Callable[[Datagram], bool]


def _of(*operations: Operation) -> Matches:
    return lambda datagram: any(datagram.operation is operation for operation in operations)


is_syn = _of(Control.SYN)
is_syn_ack = _of(Control.SYN_ACK)
is_fin = _of(Control.FIN, Control.ERR_FIN)
is_message = _of(Chat.MESSAGE)


def is_ack(datagram: Datagram) -> bool:
    """Whether it acknowledges something, and doesn't just say that it rings (spec 4.3)."""
    return datagram.operation is Control.ACK and datagram.payload not in (RINGING, PRESENCE_QUESTION, PRESENCE_ANSWER)


def is_ringing(datagram: Datagram) -> bool:
    """Whether it says that a SYN rings (spec 4.3)."""
    return datagram.operation is Control.ACK and datagram.payload == RINGING


def is_present(datagram: Datagram) -> bool:
    """An ACK that says that a daemon is there (spec 4.12)."""
    return datagram.operation is Control.ACK and datagram.payload == PRESENCE_ANSWER

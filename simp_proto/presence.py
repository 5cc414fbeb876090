"""The question whether a daemon is there, and its answer (spec 4.12)."""

from simp_proto.constants import HANDSHAKE_SEQUENCE, PRESENCE_ANSWER, PRESENCE_QUESTION, Control, Framing, Type
from simp_proto.datagram import Datagram, build
from simp_proto.printable import names_person


def question(user: bytes) -> bytes:
    """The datagram that asks, for `user`."""
    return _ack(PRESENCE_QUESTION, HANDSHAKE_SEQUENCE, user)


def answer(asked: Datagram, user: bytes) -> bytes:
    """The one that answers that question."""
    return _ack(PRESENCE_ANSWER, asked.sequence, user)


def is_question(datagram: Datagram) -> bool:
    return _is_ack_with(datagram, PRESENCE_QUESTION)


def is_answer(datagram: Datagram) -> bool:
    return _is_ack_with(datagram, PRESENCE_ANSWER)


def person(told: Datagram) -> str:
    """Who is there by that answer; empty where nobody is."""
    return told.name if names_person(told.name) else ""


def _ack(payload: bytes, sequence: int, user: bytes) -> bytes:
    return build(Datagram(Type.CONTROL, Control.ACK, sequence, user, payload, Framing.HEADER))


def _is_ack_with(datagram: Datagram, payload: bytes) -> bool:
    header = datagram.framing is Framing.HEADER
    return datagram.operation is Control.ACK and header and datagram.payload == payload

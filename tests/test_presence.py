"""Whether a daemon is there: which datagrams ask, and which say so (spec 4.12)."""

import socket
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from simp_client.doctor.facts import Reply
from simp_client.doctor.questions import present
from simp_proto import presence
from simp_proto.constants import Chat, Control, Framing, Type
from simp_proto.datagram import Datagram, build, parse

QUESTION, ANSWER = b"present?", b"present"


def made(operation: Control | Chat, framing: Framing, payload: bytes, user: bytes = b"bob") -> bytes:
    kind = Type.CHAT if isinstance(operation, Chat) else Type.CONTROL
    return build(Datagram(kind, operation, 0, user, payload, framing))


@pytest.mark.parametrize(("operation", "framing"), list(product([Control.ACK, Control.SYN, Chat.MESSAGE], Framing)))
@pytest.mark.parametrize("payload", [QUESTION, ANSWER, b"", b"ringing"])
def test_an_ack_in_header_alone_asks_or_says_so(operation: Control | Chat, framing: Framing, payload: bytes) -> None:
    datagram = parse(made(operation, framing, payload))
    right = operation is Control.ACK and datagram.framing is Framing.HEADER
    assert presence.is_question(datagram) is (right and payload == QUESTION)
    assert presence.is_answer(datagram) is (right and payload == ANSWER)


def test_an_answer_bears_the_number_of_its_question_and_a_name() -> None:
    asked = parse(presence.question(b"alice"))
    assert (asked.name, presence.is_question(asked)) == ("alice", True)
    for user, there in ((b"bob", "bob"), (b"daemon", ""), (b"Daemon", ""), (b"", "")):
        told = parse(presence.answer(parse(made(Control.ACK, Framing.HEADER, QUESTION)), user))
        assert (presence.is_answer(told), told.sequence, presence.person(told)) == (True, 0, there)


@pytest.mark.parametrize("wrong", [made(Chat.MESSAGE, Framing.BARE, ANSWER), made(Control.SYN, Framing.HEADER, ANSWER)])
def test_the_doctor_takes_nothing_else_for_an_answer(wrong: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, ThreadPoolExecutor() as pool:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(10)
        asking = pool.submit(present, udp.getsockname())
        asked, peer = udp.recvfrom(1200)
        udp.sendto(wrong, peer)
        udp.sendto(presence.answer(parse(asked), b"carol"), peer)
        assert asking.result() == (Reply.PRESENT, "carol")

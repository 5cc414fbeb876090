"""Stop-and-wait: one datagram at a time, again until it is acknowledged, and no number used twice (spec 6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_daemon.peers.delivery import Transmission
from simp_daemon.peers.stop_and_wait import StopAndWait
from simp_proto.constants import RETRANSMISSION_INTERVAL, TRIES, Chat, Control, Framing, Type
from simp_proto.datagram import Datagram


def ack(number: int) -> Datagram:
    return Datagram(Type.CONTROL, Control.ACK, number, b"bob")


def saying(*texts: str) -> StopAndWait:
    delivery = StopAndWait()
    delivery.speak(Framing.HEADER)
    for message, text in enumerate(texts, 1):
        delivery.say(message, text)
    return delivery


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6), st.data())
def test_each_message_goes_out_in_its_turn_until_its_ack_comes(texts: list[str], data: st.DataObject) -> None:
    delivery, now, sent = saying(*texts), 0.0, []
    for message, text in enumerate(texts, 1):
        for _ in range(data.draw(st.integers(1, TRIES - 1))):
            ((transmission, number),) = delivery.due(now)
            assert (transmission.operation, transmission.payload.decode()) == (Chat.MESSAGE, text)
            assert number == message % 2
            assert list(delivery.due(now)) == []
            assert delivery.get_timer() == now + RETRANSMISSION_INTERVAL
            assert delivery.exhausted(now + RETRANSMISSION_INTERVAL) is None
            assert delivery.receive(ack(1 - number)) is None
            now += RETRANSMISSION_INTERVAL
        done = delivery.receive(ack(message % 2))
        assert isinstance(done, Transmission)
        sent.append(done.message)
    assert sent == list(range(1, len(texts) + 1))
    assert len(delivery) == 0
    assert delivery.get_timer() is None


def test_after_the_last_try_it_is_exhausted() -> None:
    delivery = saying("hello")
    for number in range(TRIES):
        assert delivery.exhausted(number * RETRANSMISSION_INTERVAL) is None
        assert list(delivery.due(number * RETRANSMISSION_INTERVAL))
    lost = delivery.exhausted(TRIES * RETRANSMISSION_INTERVAL)
    assert lost is not None
    assert lost.message == 1


def test_what_is_abandoned_is_told_once_in_order_and_its_number_is_spent() -> None:
    delivery = saying("x" * 3000, "second")
    list(delivery.due(0.0))
    assert delivery.abandon() == [1, 2]
    assert delivery.abandon() == []
    delivery.put(Transmission(Control.FIN))
    assert list(delivery.due(0.0)) == [(Transmission(Control.FIN), 0)]


def test_a_syn_is_acknowledged_by_no_ack() -> None:
    delivery = StopAndWait()
    delivery.put(Transmission(Control.SYN, number=0))
    list(delivery.due(0.0))
    assert delivery.receive(ack(0)) is None
    assert len(delivery) == 1


@pytest.mark.parametrize("interval", [5.0, 30.0])
def test_what_is_postponed_begins_its_tries_again(interval: float) -> None:
    delivery = StopAndWait()
    delivery.put(Transmission(Control.SYN, number=0, interval=5.0))
    list(delivery.due(0.0))
    delivery.postpone(2.0, interval)
    assert delivery.get_timer() == 2.0 + interval
    for number in range(1, TRIES):
        assert list(delivery.due(2.0 + number * interval))
    assert delivery.exhausted(2.0 + TRIES * interval) is not None

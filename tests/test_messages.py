"""Messages keep their identity across chats, and their fate reaches whoever counts them, once."""

from simp_daemon.events import MessageAcknowledged, MessageUndelivered
from simp_daemon.messages import Outbox
from tests.test_endpoint import BOB, chatting


def test_each_fate_is_told_once_by_the_client_s_number() -> None:
    outbox = Outbox(chatting())
    outbox.say(BOB, 7, "hello", 0.0)
    outbox.say(BOB, 8, "again", 0.0)
    assert outbox.settle(MessageUndelivered(BOB, 2)) == 8
    assert outbox.settle(MessageAcknowledged(BOB, 1)) == 7
    assert outbox.settle(MessageAcknowledged(BOB, 1)) is None


def test_what_was_said_in_an_earlier_chat_is_not_taken_for_what_is_said_in_this_one() -> None:
    outbox = Outbox(chatting())
    outbox.say(BOB, 1, "in the first", 0.0)
    outbox.forget()
    outbox.say(BOB, 1, "in the second", 0.0)
    assert outbox.settle(MessageAcknowledged(BOB, 1)) is None
    assert outbox.settle(MessageAcknowledged(BOB, 2)) == 1

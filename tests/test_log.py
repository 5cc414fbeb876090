"""The daemon's log: sentences, without what people say and what a peer wants a terminal to do."""

from dataclasses import fields
from typing import Any, get_args

import pytest

from simp_daemon.events import Ended, ErrorReceived, Event, Ignored, Reason, Security, Source, Why
from simp_daemon.log import in_words
from simp_proto.constants import BUSY

PEER = ("192.0.2.2", 7777)
VALUES: dict[str, Any] = {
    "peer": PEER,
    "name": "bo\x1b{peer}b",
    "text": "a secret",
    "here": "192.0.2.1",
    "known_as": "mu\x1bm",
    "elsewhere": ("192.0.2.3", 9),
    "message": 5,
    "seconds": 30,
    "why": Why.QUIT,
    "reason": Reason.STRANGER,
    "detail": "it said \x1b",
    "source": Source.CHAT,
    "security": Security.VERIFIED,
    "logged": True,
}


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_what_has_happened_is_told_in_a_sentence(kind: type[Event]) -> None:
    told = in_words(kind(**{field.name: VALUES[field.name] for field in fields(kind)}))
    assert "192.0.2.2:7777" in told
    assert told.isprintable()
    assert not any(mark in told for mark in ("=", "None", "a secret", kind.__name__, "Why", "Reason"))


def test_who_has_a_name_is_called_by_it() -> None:
    assert (
        in_words(Ended(PEER, "bob", Why.QUIT))
        == "the call or chat with 'bob' at 192.0.2.2:7777 is over: this side ended it"
    )
    assert in_words(Ended(PEER, "", Why.FIN)) == "the call or chat with 192.0.2.2:7777 is over: the other side ended it"


def test_every_end_and_every_reason_has_words() -> None:
    assert len({in_words(Ended(PEER, "bob", why)) for why in Why}) == len(Why)
    assert len({in_words(Ignored(PEER, reason)) for reason in Reason}) == len(Reason)


def test_a_callee_s_busy_answer_is_told_as_that() -> None:
    assert in_words(ErrorReceived(PEER, "bob", BUSY)) == "'bob' at 192.0.2.2:7777 is in another chat"

"""The daemon's log: sentences, without what people say and what a peer wants a terminal to do."""

from dataclasses import fields
from typing import Any, get_args

import pytest

from simp_daemon.events import Ended, ErrorReceived, Event, Gone, Ignored, Reason, Security, Seen, Source, Why
from simp_daemon.log import EventLog, in_words
from simp_proto.constants import BUSY

PEER = ("192.0.2.2", 7777)
VALUES: dict[str, Any] = {
    "peer": PEER,
    "name": "bo\x1b{peer}b",
    "text": "a secret",
    "said": "another secret",
    "request": False,
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
    "identity": "k3v7q2xa",
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


def test_no_name_looks_like_the_end_of_its_field() -> None:
    name = "bob' at 192.0.2.9:7777 is gone"
    assert in_words(Gone(PEER, name)) == r"'bob\x27 at 192.0.2.9:7777 is gone' at 192.0.2.2:7777 is gone"


def test_a_flood_of_names_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    log = EventLog()
    with caplog.at_level("INFO", "simp.daemon"):
        for number in range(20 * 3600):
            log.add(Seen(PEER, f"x{number}", Source.ANNOUNCED, 0), number / 20)
        log.add(Ended(PEER, "bob", Why.QUIT), 3600.0)
        log.add(Gone(PEER, "bob"), 3700.0)
    said = [record.message for record in caplog.records]
    assert 120 <= len(said) <= 60 + 2 * 62
    assert said[59] == "'x59' at 192.0.2.2:7777 is known"
    assert "left out" in said[60]
    assert said[-3:-2] == [in_words(Ended(PEER, "bob", Why.QUIT))]
    assert said[-1] == "'bob' at 192.0.2.2:7777 is gone"
    left_out = sum(int(line.split()[0]) for line in said if "left out" in line)
    assert left_out + sum(line.endswith("is known") for line in said) == 20 * 3600


@pytest.mark.slow
def test_where_nothing_gets_is_a_line_until_something_comes_from_there(caplog: pytest.LogCaptureFixture) -> None:
    log = EventLog()
    other = ("192.0.2.3", 7777)
    with caplog.at_level("INFO", "simp.daemon"):
        for _ in range(12):
            log.failed(PEER, "nothing could be sent to bob", 0.0)
            log.failed(other, "nothing could be sent to carol", 0.0)
        log.received(PEER, b"")
        for _ in range(12):
            log.failed(PEER, "nothing listens at bob's", 0.0)
            log.failed(other, "nothing could be sent to carol", 0.0)
    assert [record.message for record in caplog.records] == [
        "nothing could be sent to bob",
        "nothing could be sent to carol",
        "nothing listens at bob's",
    ]
    with caplog.at_level("DEBUG", "simp.daemon"):
        log.failed(PEER, "as ever", 0.0)
    assert caplog.records[-1].message == "as ever"
    with caplog.at_level("INFO", "simp.daemon"):
        for number in range(20_000):
            log.failed(("192.0.2.4", number), "made up", 0.0)
    assert len(log._failed) <= 1024

"""Whom the doctor asks: nobody who might not understand the question (discovery 3.4)."""

import pytest

from simp_client.doctor import probing, system
from simp_client.doctor.facts import Announcement, Facts, Link, Reply
from simp_client.events import Person
from simp_proto.address import Address

WHERE = ("10.77.0.2", 7777)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Address]:
    """Who is asked."""
    asked: list[Address] = []

    def present(address: Address) -> tuple[Reply, str | None]:
        asked.append(address)
        return Reply.SILENT, None

    monkeypatch.setattr(probing, "present", present)
    monkeypatch.setattr(probing, "announced_at", lambda *_: frozenset())
    monkeypatch.setattr(probing, "listen", lambda _: ({}, set(), frozenset()))
    monkeypatch.setattr(system, "link", lambda *_: (Link.UNKNOWN, Reply.SILENT))
    return asked


def seek(source: str, seconds: int | None, *announcements: Announcement) -> None:
    bob = Person("bob", "10.77.0.2:7777", source, seconds)
    facts = Facts(7777, ("127.0.0.1", 7778), neighbours=(bob,), announcements=frozenset(announcements))
    probing._seek(facts, "bob", [])


@pytest.mark.parametrize("source", ["chat", "hosts", "later"])
@pytest.mark.parametrize("seconds", [None, 0, 90])
def test_whoever_may_be_foreign_is_not_asked_even_after_a_chat(
    asked: list[Address], source: str, seconds: int | None
) -> None:
    seek(source, seconds)
    assert not asked


def test_whoever_is_announced_is_asked(asked: list[Address]) -> None:
    seek("announced", None)
    seek("chat", 3, Announcement("k3v7q2xa", frozenset({WHERE[0]}), WHERE[1]))
    assert asked == [WHERE, WHERE]

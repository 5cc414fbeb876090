"""Who is here: in which order, how many, and who is meant by a name."""

import pytest

from simp_client.events import Gone, Other, Person, Seen
from simp_client.people import MOST_PEOPLE, People, read_peer, read_seen
from simp_proto.errors import LineError
from simp_proto.text import Line, Word

ANN = Person("ann", "127.0.0.2:7777", "hosts", None)
BOB = Person("Bob", "127.0.0.3:7777", "announced", 1)
CAROL = Person("carol", "127.0.0.4:7777", "chat", 0)


def people(*persons: Person) -> People:
    found = People()
    for person in persons:
        found.put(person.address, person)
    return found


def test_a_person_is_printed_in_words() -> None:
    assert str(BOB) == "Bob (127.0.0.3:7777), heard 1 s ago"
    assert str(ANN) == "ann (127.0.0.2:7777), known"
    assert str(Person("\x1b[2J", "127.0.0.2:7777", "hosts", None)).startswith(r"\x1b[2J (")


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        (" 127.0.0.3 ", "127.0.0.3:7777"),
        ("[::1]:7779", "[::1]:7779"),
        (" " * 500 + "127.0.0.3", None),
        ("fe80::1%" + "x" * 500, None),
        ("nonsense", None),
    ],
)
def test_an_address_is_kept_as_it_is_written_here(address: str, kept: str | None) -> None:
    seen = read_seen(Line(Word.SEEN, f"bob|{address}|announced|3"))
    assert (seen and seen.address) == kept


def test_no_field_of_theirs_is_longer_than_a_name_told_in_escapes() -> None:
    seen = read_seen(Line(Word.SEEN, f"{'n' * 500}|127.0.0.3|{'s' * 500}|3|{'k' * 500}"))
    assert seen == Person("n" * 128, "127.0.0.3:7777", "s" * 128, 3, "k" * 128)


@pytest.mark.parametrize(
    ("other", "known"),
    [
        (Other("", BOB.address), BOB.other),
        (Other("robert", BOB.address), Other("robert", BOB.address)),
        (Other("", "127.0.0.9:7777"), Other("", "127.0.0.9:7777")),
    ],
)
def test_an_address_is_known_by_its_name_unless_it_has_another(other: Other, known: Other) -> None:
    assert people(BOB).known(other) == known


def test_those_who_are_here_come_first_and_then_names_decide() -> None:
    assert list(people(ANN, CAROL, BOB)) == [BOB, CAROL, ANN]


def test_as_many_are_kept_as_a_daemon_has() -> None:
    crowd = [Person("bob", f"10.0.0.1:{number + 1}", "announced", 1) for number in range(MOST_PEOPLE + 5)]
    full = people(*crowd)
    assert len(list(full)) == MOST_PEOPLE
    eve = Person("eve", crowd[0].address, "announced", 1)
    assert full.put(eve.address, eve) == [Gone(crowd[0]), Seen(eve)]
    assert full.put(crowd[-1].address, crowd[-1]) == []


@pytest.mark.parametrize(
    ("whom", "read"),
    [
        (" ann ", Other("ann", "")),
        ("127.0.0.9", Other("", "127.0.0.9")),
        (" [::1]:7777 ", Other("", "[::1]:7777")),
        ("42", Other("42", "")),
        ("r2:d2", Other("r2:d2", "")),
        ("127.0.0.256", Other("127.0.0.256", "")),
        ("fe80::1", Other("fe80::1", "")),
    ],
)
def test_a_name_is_whatever_is_no_address(whom: str, read: Other) -> None:
    """client 4"""
    assert read_peer(whom) == read


@pytest.mark.parametrize("whom", ["", " ", "a|b", "x" * 33, "zo\u00eb"])
def test_what_can_be_nobody_s_name_is_said(whom: str) -> None:
    """client 3.3"""
    with pytest.raises(LineError):
        read_peer(whom)


@pytest.mark.parametrize(("whom", "near"), [("Bo", "Bob"), ("bob", "Bob"), ("Bob", ""), ("zz", ""), ("anne", "")])
def test_the_nearest_name_is_that_of_somebody_who_is_here(whom: str, near: str) -> None:
    assert people(ANN, BOB, CAROL).like(whom) == near

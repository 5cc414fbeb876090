"""`simp who`: what is made of a daemon's list; the daemon says what a test tells it to."""

import asyncio
import subprocess
import sys

import pytest

from simp_client import listing as listing_module
from simp_client import view
from simp_client.events import Person
from simp_client.link import NoDaemonError
from simp_client.listing import Listing, list_neighbours
from simp_client.who import rows, who
from simp_proto.text import escape
from tests.scripted_daemon import PATIENCE, ScriptedDaemon

BOB = Person("bob", "192.0.2.2:7777", "announced", 3)
NOBODY = Person("", "192.0.2.3:7777", "announced", 0)
CAROL = Person("carol", "192.0.2.40:7777", "chat", None)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_module, "PRESENCE_INTERVAL", 0.1)


def listing(*answers: list[str | bytes], wait: bool = False, seconds: float = 0) -> Listing:
    """What is made of a daemon's answers to one question after the other, after which it hangs up or waits."""

    async def scenario() -> Listing:
        async with ScriptedDaemon() as daemon:
            called = asyncio.create_task(list_neighbours(("127.0.0.1", daemon.port), seconds))
            for answer in answers:
                await daemon.hear("WHO|", "PING|")
                await daemon.say(*answer)
            if answers[-1][-1] == "PONG|":
                await daemon.hear_end()
            if not wait:
                await daemon.hang_up()
            return await called

    return asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


def test_whoever_is_known_where_nobody_is_now_is_named_and_not_here() -> None:
    """client 4.2"""
    (known,) = listing(["PONG|"], ["SEEN||192.0.2.9:7777|hosts|3|mum", "PONG|"]).people
    assert known == Person("", "192.0.2.9:7777", "hosts", 3, "mum")
    assert rows([known]) == ["mum  192.0.2.9:7777  hosts file  heard 3 s ago; nobody there"]


def test_the_second_list_counts_and_people_come_first() -> None:
    first: list[str | bytes] = ["SEEN|zoe|192.0.2.9:7777|announced|", "PONG|"]
    second: list[str | bytes] = [
        "SEEN|carol|192.0.2.40:7777|chat|",
        "SEEN||192.0.2.3:7777|announced|0",
        "LATER|something",
        "SEEN|bobby|192.0.2.2:7777|chat|",
        "SEEN|bob|192.0.2.2:7777|announced|3",
        "PONG|",
    ]
    called = listing(first, second)
    assert called.people == [BOB, NOBODY, CAROL]
    assert called.looks


@pytest.mark.slow
def test_it_waits_for_those_who_may_still_answer_and_for_nobody_else() -> None:
    """discovery 3.2, 3.3"""
    vanishing: list[str | bytes] = ["SEEN|bob|192.0.2.2:7777|announced|17", "SEEN|zoe|192.0.2.9:7777|hosts|1", "PONG|"]
    gone: list[str | bytes] = ["SEEN|bob|192.0.2.2:7777|announced|", "SEEN|zoe|192.0.2.9:7777|hosts|1", "PONG|"]
    here: list[str | bytes] = ["SEEN|bob|192.0.2.2:7777|announced|9", "PONG|"]
    assert [each.here for each in listing(vanishing, vanishing, vanishing, gone, seconds=0.25).people] == [True, False]
    assert [each.here for each in listing(vanishing, vanishing, here, seconds=60).people] == [True]
    assert listing(["PONG|"], ["DISCOVERY|off", *vanishing], seconds=60).people
    assert [each.here for each in listing(["PONG|"], ["PONG|"], here, seconds=60).people] == [True]


def test_a_name_leads_to_the_command_that_takes_one() -> None:
    command = [sys.executable, "-m", "simp_proto.cli.main", "who", "bob"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "To find out about somebody: simp doctor bob" in done.stderr
    assert done.returncode == 2


def test_a_daemon_that_looks_for_nobody_says_so() -> None:
    assert not listing(["PONG|"], ["DISCOVERY|off", "PONG|"]).looks


def test_whatever_a_daemon_says_is_escaped() -> None:
    hostile: list[str | bytes] = [rb"SEEN|\x1b[2J|192.0.2.2:7777|\x07|-3", "PONG|"]
    (neighbour,) = listing(["PONG|"], hostile).people
    assert neighbour == Person(r"\x1b[2J", "192.0.2.2:7777", r"\x07", None)
    assert not neighbour.here


def test_a_daemon_that_lists_nobody_says_why() -> None:
    with pytest.raises(NoDaemonError, match=r"doesn't list anybody: this daemon answers clients on its own host only"):
        listing(["ERROR|this daemon answers clients on its own host only"])


def test_a_list_without_end_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_module, "CONNECT_TIMEOUT", 0.1)
    with pytest.raises(NoDaemonError, match=r"its list didn't come to an end within 0.1 s"):
        listing(["SEEN|bob|192.0.2.2:7777|announced|3"], wait=True)


def test_a_list_of_more_than_anybody_has_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_module, "MOST_PEOPLE", 2)
    with pytest.raises(NoDaemonError, match=r"its list has more than 2 lines"):
        listing([f"SEEN|bob|192.0.2.{number}:7777|announced|3" for number in range(3)])


def test_the_time_for_all_lists_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_module, "CONNECT_TIMEOUT", 0.1)
    with pytest.raises(NoDaemonError, match=r"within 0.1 s"):
        listing(["PONG|"], ["SEEN|bob|192.0.2.2:7777|announced|3"], wait=True)


def test_whatever_has_no_address_is_left_out() -> None:
    wrong: list[str | bytes] = ["SEEN|", "SEEN|bob", "SEEN|bob|" + "9" * 10_000, "SEEN|bob|example.org:7777|hosts|"]
    assert listing(["PONG|"], [*wrong, "PONG|"]).people == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("-", '"-"'),
        ("x" * 10_000, "x" * 31 + "…"),
        ("日本" * 99, '"' + "日本" * 7 + "日…"),
        ("e\u0301" * 99, '"' + "e\u0301" * 30 + "…"),
        ("\u202eeve", r'"\u202eeve"'),
        ("a\nb", r'"a\x0ab"'),
        (" " * 50, '"' + r"\x20" * 7 + "\\x…"),
        ("bob  192.0.2.7:7  chat", r'"bob \x20192.0.2.7:7 \x20chat"'),
        ("bob  known", r'"bob \x20known"'),
        ("bob\u00a0\u3000x", r'"bob\xa0\u3000x"'),
        ("bob\u200b", r'"bob\u200b"'),
        ("192.0.2.7", '"192.0.2.7"'),
        ("fe80::1%eth0", '"fe80::1%eth0"'),
        ("(2)", '"(2)"'),
        ("2", '"2"'),
        ("bob (2)", '"bob (2)"'),
        ('bob"  x', r'"bob\' \x20x"'.replace("\\'", "'")),
    ],
)
def test_a_hostile_name_stays_in_its_column(name: str, shown: str) -> None:
    called = listing(["PONG|"], [f"SEEN|{escape(name)}|192.0.2.9:7777|announced by a forger|3", "PONG|"])
    hostile, bob = rows([*called.people, BOB])
    assert hostile.partition("  192.")[0].rstrip() == shown
    assert view.width(hostile.partition("  192.")[0]) == bob.index("  192.") <= 32
    assert hostile.partition("7777  ")[2] == "announced b…  heard 3 s ago"


def test_a_terminal_that_is_too_narrow_gets_two_lines_for_each() -> None:
    assert rows([BOB, NOBODY], 40) == [
        "bob  192.0.2.2:7777",
        "  announced, heard 3 s ago",
        "-  192.0.2.3:7777",
        "  announced, heard 0 s ago; nobody there",
    ]
    assert rows([BOB], 51) == rows([BOB])
    (row,) = rows([BOB])
    assert len(rows([BOB], len(row))) == 1
    assert len(rows([BOB], len(row) - 1)) == 2


def test_a_line_for_each() -> None:
    assert rows([BOB, NOBODY, CAROL]) == [
        "bob    192.0.2.2:7777   announced     heard 3 s ago",
        "-      192.0.2.3:7777   announced     heard 0 s ago; nobody there",
        "carol  192.0.2.40:7777  earlier chat  known, not heard",
    ]
    assert rows([]) == []


def test_nothing_loads_zeroconf_before_it_listens() -> None:
    modules = "simp_client.who, simp_client.listing, simp_client.doctor.command, simp_client.doctor.probing"
    code = f"import sys, {modules}; print('zeroconf' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


@pytest.mark.parametrize("command", ["client", "daemon", "decode"])
def test_no_help_waits_for_cryptography(command: str) -> None:
    call = [sys.executable, "-X", "importtime", "-m", "simp_proto.cli.main", command, "--help"]
    imported = subprocess.run(call, check=True, capture_output=True, text=True).stderr
    assert "click" in imported
    assert "cryptography" not in imported


def test_it_waits_longer_than_whoever_has_vanished_counts_as_here() -> None:
    """discovery 3.3"""
    (wait,) = (each.default for each in who.params if each.name == "wait")
    assert isinstance(wait, float)
    assert wait > 3

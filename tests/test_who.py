"""`simp who`: what is made of a daemon's list; the daemon says what a test tells it to."""

import asyncio
import subprocess
import sys

import pytest

from simp_client import roll as roll_module
from simp_client.events import Person
from simp_client.link import NoDaemonError
from simp_client.roll import call_roll
from simp_client.who import rows
from tests.scripted_daemon import PATIENCE, ScriptedDaemon

BOB = Person("bob", "192.0.2.2:7777", "announced", 3)
NOBODY = Person("", "192.0.2.3:7777", "announced", 0)
CAROL = Person("carol", "192.0.2.40:7777", "chat", None)


def roll(*answers: list[str | bytes], wait: bool = False) -> list[Person]:
    """What is made of a daemon's answers to one question after the other, after which it hangs up or waits."""

    async def scenario() -> list[Person]:
        async with ScriptedDaemon() as daemon:
            called = asyncio.create_task(call_roll(("127.0.0.1", daemon.port), 0))
            for answer in answers:
                await daemon.hear("WHO|", "PING|")
                await daemon.say(*answer)
            if answers[-1][-1] == "PONG|":
                await daemon.hear_end()
            if not wait:
                await daemon.hang_up()
            return await called

    return asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


def test_the_second_list_counts_and_people_come_first() -> None:
    first: list[str | bytes] = ["SEEN|zoe|192.0.2.9:7777|announced|", "PONG|"]
    second: list[str | bytes] = [
        "SEEN|carol|192.0.2.40:7777|chat|",
        "SEEN||192.0.2.3:7777|announced|0",
        "LATER|something",
        "SEEN|bob|192.0.2.2:7777|announced|3",
        "PONG|",
    ]
    assert roll(first, second) == [BOB, NOBODY, CAROL]


def test_whatever_a_daemon_says_is_escaped() -> None:
    hostile: list[str | bytes] = [rb"SEEN|\x1b[2J|192.0.2.2:7777|\x07|-3", "PONG|"]
    (neighbour,) = roll(["PONG|"], hostile)
    assert neighbour == Person(r"\x1b[2J", "192.0.2.2:7777", r"\x07", None)
    assert not neighbour.here


def test_a_daemon_that_lists_nobody_says_why() -> None:
    with pytest.raises(NoDaemonError, match=r"doesn't list anybody: this daemon answers clients on its own host only"):
        roll(["ERROR|this daemon answers clients on its own host only"])


def test_a_list_without_end_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_module, "CONNECT_TIMEOUT", 0.1)
    with pytest.raises(NoDaemonError, match=r"it didn't come to an end within 0.1 s"):
        roll(["SEEN|bob|192.0.2.2:7777|announced|3"], wait=True)


def test_a_line_for_each() -> None:
    assert rows([BOB, NOBODY, CAROL]) == [
        "bob    192.0.2.2:7777   announced     heard 3 s ago",
        "-      192.0.2.3:7777   announced     heard 0 s ago; nobody is at that daemon",
        "carol  192.0.2.40:7777  earlier chat  known, doesn't answer",
    ]
    assert rows([]) == []


def test_nothing_loads_zeroconf_before_it_listens() -> None:
    modules = "simp_client.who, simp_client.roll, simp_client.doctor.command, simp_client.doctor.probing"
    code = f"import sys, {modules}; print('zeroconf' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


@pytest.mark.parametrize("command", ["client", "daemon", "decode"])
def test_no_help_waits_for_cryptography(command: str) -> None:
    call = [sys.executable, "-X", "importtime", "-m", "simp_proto.cli.main", command, "--help"]
    imported = subprocess.run(call, check=True, capture_output=True, text=True).stderr
    assert "click" in imported
    assert "cryptography" not in imported

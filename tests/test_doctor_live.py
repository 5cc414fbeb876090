"""`simp doctor` and `simp who` on networks in namespaces: causes are planted, and each is to be named."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simp_proto.cli.exit_status import ExitStatus
from tests.namespaces import Machine, machines, needs_namespaces

pytestmark = [needs_namespaces, pytest.mark.slow]


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Machine]]:
    with machines(3, tmp_path) as made:
        yield made


def filtered(at: int, *rules: str) -> Callable[[list[Machine]], None]:
    return lambda three: three[at].filter(*rules)


def nothing(three: list[Machine]) -> None:
    pass


def killed(three: list[Machine]) -> None:
    three[1].running[0].process.kill()
    three[1].running[0].process.wait()


def unplugged(three: list[Machine]) -> None:
    three[1].ip("link set eth0 down")


def second_bob(three: list[Machine]) -> None:
    three[2].daemon()
    three[2].attach("bob").hear(r"SEEN\|alice\|.*\|\d+", 10)


def ended(three: list[Machine]) -> None:
    three[0].running[0].process.kill()
    three[0].running[0].process.wait()


BOB = r"bob \(10\.77\.0\.2:7777\)"
CAUSES = {
    "multicast filtered in": (filtered(0, "input udp dport 5353 drop"), "", "multicast", "drops incoming UDP 5353"),
    "multicast filtered out": (filtered(0, "output udp dport 5353 drop"), "", "multicast", "drops outgoing UDP 5353"),
    "own firewall": (
        filtered(0, "input udp dport 7777 drop"),
        "bob",
        "inbound",
        rf"{BOB} answers, but this machine's own firewall drops what comes to its UDP 7777\.",
    ),
    "own firewall, outwards": (
        filtered(0, "output udp dport 7777 drop"),
        "bob",
        "outgoing",
        rf"This machine's own firewall drops UDP 7777 on its way out to {BOB}\.",
    ),
    "the peer's firewall drops": (
        filtered(1, "input udp dport 7777 drop"),
        "bob",
        "answer",
        rf"The machine of {BOB} is there, but something drops UDP 7777 to it: its firewall\.",
    ),
    "the peer's firewall rejects": (
        filtered(1, "input udp dport 7777 reject"),
        "bob",
        "answer",
        rf"The machine of {BOB} is there, but something rejects UDP 7777 to it: its firewall\.",
    ),
    "the peer's firewall says so": (
        filtered(1, "input udp dport 7777 reject with icmp type admin-prohibited"),
        "bob",
        "answer",
        rf"The machine of {BOB} is there, but something rejects UDP 7777 to it: its firewall\.",
    ),
    "no route": (nothing, "198.51.100.1", "route", r"This machine has no route to 198\.51\.100\.1:7777: .*"),
    "no daemon": (killed, "bob", "answer", rf"The machine of {BOB} is there, but no daemon runs at UDP 7777\."),
    "a clash of names": (second_bob, "bob", "peer", r"2 people are called bob, so that .*"),
    "no machine": (unplugged, "bob", "machine", rf"The machine of {BOB} is off or gone, or the access point .*"),
    "no daemon here": (ended, "10.77.0.2", "daemon", rf"{BOB} can be reached; it is this machine's own .*"),
    "nothing": (nothing, "bob", "", rf"{BOB} can be reached: nothing is in the way\."),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_planted_cause_is_named(three: list[Machine], cause: str) -> None:
    plant, whom, check, words = CAUSES[cause]
    one, other, _ = three
    one.daemon()
    alice = one.attach("alice")
    other.daemon()
    other.attach("bob")
    alice.hear(r"SEEN\|bob\|.*\|\d+", 10)
    plant(three)
    done = one.simp("doctor", "--json", *whom.split())
    told = json.loads(done.stdout)
    failed = {each["check"]: each for each in told["checks"] if each["verdict"] == "fail"}
    assert done.returncode == (ExitStatus.FAILURE if check else ExitStatus.SUCCESS)
    assert (check in failed) if check else not failed
    assert not check or failed[check]["next"]
    if whom:
        assert re.fullmatch(words, told["conclusion"])
    else:
        assert re.search(words, failed[check]["seen"])


def test_who_is_here_and_who_is_not(three: list[Machine]) -> None:
    one, other, third = three
    none = one.simp("who")
    assert none.returncode == ExitStatus.FAILURE
    assert none.stderr.endswith("Start one with: simp daemon\n")
    one.daemon()
    alice = one.attach("alice")
    other.daemon()
    third.daemon()
    alice.hear(r"SEEN\|\|10\.77\.0\.2:.*\|\d+", 10)
    nobody = one.simp("who")
    assert nobody.returncode == ExitStatus.NOBODY
    assert re.search(r"^- +10\.77\.0\.2:7777  announced +heard \d s ago; nobody there$", nobody.stdout, re.M)
    other.attach("bob")
    alice.hear(r"SEEN\|bob\|.*\|\d+", 10)
    done = one.simp("who", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for row in rows:
        assert 0 <= row.pop("seconds") < 30
    assert rows == [
        {"name": "bob", "address": "10.77.0.2:7777", "source": "announced", "here": True},
        {"name": None, "address": "10.77.0.3:7777", "source": "announced", "here": False},
    ]
    assert done.returncode == ExitStatus.SUCCESS

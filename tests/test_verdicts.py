"""What the doctor makes of facts: each check, and the sentence, one cause after the other."""

import re
from dataclasses import replace

import pytest

from simp_client.doctor.facts import Announcement, Echo, Facts, Interface, Link, Peer, Reply
from simp_client.doctor.verdicts import Verdict, allow, entries, examine
from simp_client.events import Person

OK, WARN, FAIL, UNKNOWN = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN
ETHERNET = Interface("eth0", ("192.0.2.1/24",))
MINE = Announcement("aaaaaaaa", frozenset({"192.0.2.1"}), 7777)
BOBS = Announcement("bbbbbbbb", frozenset({"192.0.2.2"}), 7777)
BOB = Person("bob", "192.0.2.2:7777", "announced", 3)
ABSENT_BOB = replace(BOB, seconds=None)
AT = ("192.0.2.2", 7777)
WELL = Facts(
    7777,
    neighbours=(BOB,),
    itself=Reply.PRESENT,
    interfaces=(ETHERNET,),
    source="192.0.2.1",
    echoes={"192.0.2.1": Echo.HEARD},
    heard=frozenset({"192.0.2.2"}),
    announcements=frozenset({MINE, BOBS}),
    firewall="ufw",
    peer=Peer("bob", AT, Reply.PRESENT, "bob", Link.THERE),
)
"""Nothing is wrong."""
NOBODY = replace(WELL, neighbours=(), heard=frozenset(), announcements=frozenset({MINE}), peer=None)
STOPPED = replace(WELL, no_daemon="No daemon at 127.0.0.1:7778 (why). Start one with: simp daemon", neighbours=())
CHECKS: list[tuple[str, Facts, str, Verdict, str]] = [
    ("a daemon that runs", WELL, "daemon", OK, ""),
    ("none", STOPPED, "daemon", FAIL, "^Start one with: simp daemon$"),
    ("its port", WELL, "port", OK, ""),
    ("another port", replace(WELL, port_taken=False), "port", WARN, "--port"),
    ("a free port", replace(STOPPED, port_taken=False), "port", OK, ""),
    ("a taken port", replace(STOPPED, holder="nc (7)"), "port", FAIL, "--daemon IP"),
    ("an interface", WELL, "interfaces", OK, ""),
    ("none", replace(WELL, interfaces=()), "interfaces", FAIL, "join the network"),
    ("one that is down", replace(WELL, interfaces=(replace(ETHERNET, up=False),)), "interfaces", FAIL, "join"),
    ("no multicast", replace(WELL, interfaces=(replace(ETHERNET, multicast=False),)), "interfaces", WARN, "address"),
    ("an address", WELL, "addresses", OK, ""),
    ("a lonely address", replace(WELL, source=None), "addresses", OK, ""),
    ("no lease", replace(WELL, interfaces=(Interface("w", ("169.254.1.1/16",)),)), "addresses", WARN, "router"),
    ("twice", replace(WELL, interfaces=(ETHERNET, Interface("w", ("192.0.2.9/24",)))), "addresses", WARN, "off"),
    (
        "a private network",
        replace(WELL, interfaces=(ETHERNET, Interface("tun0", ("10.8.0.2/24",), tunnel=True)), source="10.8.0.2"),
        "addresses",
        WARN,
        "without it",
    ),
    (
        "two interfaces of one kind",
        replace(WELL, interfaces=(Interface("a", ("fe80::1/64",)), Interface("b", ("fe80::2/64",)))),
        "addresses",
        OK,
        "",
    ),
    ("it answers itself", WELL, "inbound", OK, ""),
    ("it doesn't", replace(WELL, itself=Reply.SILENT), "inbound", FAIL, "^sudo ufw allow 7777/udp$"),
    ("rejected", replace(WELL, itself=Reply.PROHIBITED), "inbound", FAIL, "ufw"),
    ("not let out", replace(WELL, itself=Reply.BLOCKED), "inbound", FAIL, "ufw"),
    ("elsewhere", replace(WELL, itself=Reply.REFUSED), "inbound", WARN, "--daemon IP --port"),
    ("not asked", replace(WELL, itself=Reply.UNASKED), "inbound", UNKNOWN, "^$"),
    ("an echo", WELL, "multicast", OK, ""),
    ("no echo", replace(WELL, echoes={"192.0.2.1": Echo.LOST}), "multicast", FAIL, "^sudo ufw allow 5353/udp$"),
    ("not let out", replace(WELL, echoes={"192.0.2.1": Echo.BLOCKED}), "multicast", FAIL, "5353"),
    ("one of two", replace(WELL, echoes={"192.0.2.1": Echo.HEARD, "10.0.0.1": Echo.LOST}), "multicast", FAIL, "5353"),
    ("nowhere to try", replace(WELL, echoes={}), "multicast", UNKNOWN, "^$"),
    ("others", WELL, "others", OK, ""),
    ("no others", NOBODY, "others", UNKNOWN, "other machine"),
    ("deaf", replace(NOBODY, echoes={"192.0.2.1": Echo.LOST}), "others", UNKNOWN, "^$"),
    ("known otherwise", replace(NOBODY, neighbours=(replace(BOB, source="chat"),)), "others", WARN, "access point"),
    ("announced", WELL, "visible", OK, ""),
    ("at another port", replace(WELL, port=8777), "visible", WARN, "--discovery"),
    ("not announced", replace(WELL, announcements=frozenset({BOBS})), "visible", WARN, "--discovery"),
    ("mute", replace(WELL, echoes={"192.0.2.1": Echo.BLOCKED}), "visible", FAIL, "multicast"),
    ("deaf", replace(NOBODY, echoes={"192.0.2.1": Echo.LOST}, announcements=frozenset()), "visible", UNKNOWN, "who"),
    ("no daemon", replace(STOPPED, announcements=frozenset()), "visible", UNKNOWN, "who"),
    ("names", WELL, "names", OK, ""),
    ("no list", STOPPED, "names", UNKNOWN, "^$"),
    ("two bobs", replace(WELL, neighbours=(BOB, replace(BOB, address="192.0.2.3:7777"))), "names", WARN, "address"),
    ("one is gone", replace(WELL, neighbours=(BOB, replace(ABSENT_BOB, address="192.0.2.3:7777"))), "names", OK, ""),
    (
        "two where nobody is",
        replace(WELL, neighbours=(replace(BOB, name=""), Person("", "192.0.2.3:7777", "announced", 1))),
        "names",
        OK,
        "",
    ),
    (
        "one identity twice",
        replace(WELL, announcements=frozenset({MINE, replace(BOBS, identity="aaaaaaaa")})),
        "names",
        WARN,
        "identity",
    ),
    (
        "one machine with two addresses",
        replace(WELL, announcements=frozenset({MINE, replace(MINE, hosts=frozenset({"192.0.2.1", "10.0.0.1"}))})),
        "names",
        OK,
        "",
    ),
]
PERSON = r"bob \(192\.0\.2\.2:7777\)"


def seeking(reply: Reply, link: Link = Link.UNKNOWN, facts: Facts = WELL, *, runs: bool = True) -> Facts:
    announcements = WELL.announcements if runs else frozenset({MINE})
    listed = (BOB if reply is Reply.PRESENT else ABSENT_BOB,)
    peer = Peer("bob", AT, reply, "", link)
    return replace(facts, neighbours=listed if facts.neighbours else (), announcements=announcements, peer=peer)


SENTENCES: list[tuple[str, Facts, dict[str, Verdict], str]] = [
    ("there", WELL, {"peer": OK, "route": OK, "answer": OK, "machine": OK}, f"{PERSON} can be reached: nothing .*"),
    ("nobody", replace(NOBODY, peer=Peer("bob")), {"peer": FAIL}, "Nobody called bob is known on this network."),
    (
        "two of the name",
        replace(WELL, neighbours=(BOB, replace(BOB, address="192.0.2.3:7777")), peer=Peer("bob")),
        {"peer": FAIL},
        "2 people are called bob, so that the name alone leads to nobody.",
    ),
    ("no route", seeking(Reply.NO_ROUTE), {"peer": WARN, "route": FAIL}, f".* no route to {PERSON}: .* networks .*"),
    ("not let out", seeking(Reply.BLOCKED), {"outgoing": FAIL}, f".* own firewall drops UDP 7777 .* out to {PERSON}."),
    (
        "no daemon",
        seeking(Reply.REFUSED, Link.THERE, runs=False),
        {"answer": FAIL, "machine": OK},
        ".* no daemon runs .*",
    ),
    (
        "rejecting",
        seeking(Reply.REFUSED, Link.THERE),
        {"answer": FAIL, "machine": OK},
        ".* rejects UDP 7777 .* firewall.",
    ),
    ("forbidding", seeking(Reply.PROHIBITED, Link.THERE, runs=False), {"answer": FAIL}, ".* rejects UDP 7777 .*"),
    (
        "dropping",
        seeking(Reply.SILENT, Link.THERE, runs=False),
        {"answer": FAIL, "machine": OK},
        ".* drops UDP 7777 .*",
    ),
    ("announced, silent", seeking(Reply.SILENT, Link.BEYOND), {"answer": FAIL}, ".* drops UDP 7777 to it: its fire.*"),
    ("off", seeking(Reply.SILENT, Link.ABSENT, runs=False), {"machine": FAIL}, ".* off or gone, or .* access point .*"),
    (
        "beyond",
        seeking(Reply.SILENT, Link.BEYOND, runs=False),
        {"machine": UNKNOWN},
        "Nothing comes back .* or a fire.*",
    ),
    ("untold", seeking(Reply.SILENT, runs=False), {"machine": UNKNOWN}, "Nothing comes back .*"),
    (
        "not asked",
        seeking(Reply.UNASKED, Link.THERE, runs=False),
        {"answer": UNKNOWN},
        "Whether a daemon answers at .* probe.",
    ),
    (
        "not asked, beyond",
        seeking(Reply.UNASKED, Link.BEYOND, runs=False),
        {"answer": UNKNOWN},
        "Whether a daemon answers at .*",
    ),
    ("not asked, off", seeking(Reply.UNASKED, Link.ABSENT, runs=False), {"machine": FAIL}, ".* off or gone, .*"),
    ("no daemon here", seeking(Reply.PRESENT, Link.THERE, STOPPED), {"peer": WARN, "answer": OK}, ".* own daemon .*"),
    (
        "own firewall",
        seeking(Reply.PRESENT, Link.THERE, replace(WELL, itself=Reply.SILENT)),
        {"inbound": FAIL, "answer": OK},
        f"{PERSON} answers, but this machine's own firewall drops what comes to its UDP 7777.",
    ),
    (
        "not for the daemon",
        replace(WELL, neighbours=(ABSENT_BOB,)),
        {"peer": WARN, "answer": OK},
        f"{PERSON} answers, but this machine's own firewall drops .*",
    ),
]


@pytest.mark.parametrize(("facts", "check", "verdict", "following"), [each[1:] for each in CHECKS])
def test_each_check(facts: Facts, check: str, verdict: Verdict, following: str) -> None:
    findings, sentence = examine(replace(facts, peer=None))
    (finding,) = [each for each in findings if each.check == check]
    assert finding.verdict is verdict
    assert re.search(following, finding.next)
    assert verdict is not OK or not finding.next
    assert sentence is None


@pytest.mark.parametrize(("facts", "verdicts", "sentence"), [each[1:] for each in SENTENCES])
def test_whoever_is_looked_for(facts: Facts, verdicts: dict[str, Verdict], sentence: str) -> None:
    findings, told = examine(facts)
    found = {each.check: each.verdict for each in findings}
    assert verdicts.items() <= found.items()
    assert told
    assert re.fullmatch(sentence, told)
    assert told.count(". ") == 0, "one sentence"


@pytest.mark.parametrize("facts", [each[1] for each in CHECKS] + [each[1] for each in SENTENCES])
def test_whatever_fails_has_a_next_step(facts: Facts) -> None:
    findings, _ = examine(facts)
    assert len({each.check for each in findings}) == len(findings)
    assert all(each.next for each in findings if each.verdict is FAIL)


def test_who_is_meant() -> None:
    gone, carol = replace(ABSENT_BOB, address="192.0.2.3:7777"), replace(BOB, name="carol", address="192.0.2.4:7777")
    everybody = (gone, BOB, carol)
    assert entries(everybody, "bob") == [BOB]
    assert entries((gone, carol), "bob") == [gone]
    assert entries(everybody, "192.0.2.3") == [gone]
    assert entries(everybody, "192.0.2.4:8777") == []
    assert entries(everybody, "BOB") == []


def test_how_a_firewall_is_told() -> None:
    commands = [allow(each, 7777) for each in ("ufw", "firewall-cmd", "Windows", "Darwin", "Linux")]
    assert len(set(commands)) == 5
    assert all("7777" in each for each in commands)

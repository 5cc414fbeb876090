"""What the doctor makes of facts: each check, and the sentence, one cause after the other."""

import re
from dataclasses import replace
from itertools import product

import pytest

from simp_client.doctor.checks import Verdict, allow
from simp_client.doctor.facts import Announcement, Echo, Facts, Link, Peer, Reply
from simp_client.doctor.questions import proved
from simp_client.doctor.verdicts import examine, listed, nobodys, places
from simp_client.events import Person
from simp_proto.address import parse_address
from simp_proto.interfaces import Interface

OK, WARN, FAIL, UNKNOWN = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN
ETHERNET = Interface("eth0", ("192.0.2.1/24",))
LINK = Interface("eth0", ("fe80::1%eth0/64",))
MINE = Announcement("aaaaaaaa", frozenset({"192.0.2.1"}), 7777, "alice")
BOBS = Announcement("bbbbbbbb", frozenset({"192.0.2.2"}), 7777, "bob")
BOB = Person("bob", "192.0.2.2:7777", "announced", 3)
ABSENT_BOB = replace(BOB, seconds=None)
AT = ("192.0.2.2", 7777)
WELL = Facts(
    7777,
    neighbours=(BOB,),
    itself={"192.0.2.1": Reply.PRESENT, "127.0.0.1": Reply.PRESENT},
    interfaces=(ETHERNET,),
    source="192.0.2.1",
    echoes={"192.0.2.1": Echo.HEARD},
    heard=frozenset({"192.0.2.2"}),
    announcements=frozenset({MINE, BOBS}),
    firewall="ufw",
    peer=Peer("bob", "", AT, "192.0.2.1", Reply.PRESENT, "bob", Link.THERE, answers=True),
)
"""Nothing is wrong."""
NOBODY = replace(WELL, neighbours=(), heard=frozenset(), announcements=frozenset({MINE}), peer=None)
STOPPED = replace(WELL, no_daemon="whatever: it. is", advice="Start one with: simp daemon", neighbours=(), itself={})
ALONE = replace(
    NOBODY,
    interfaces=(LINK,),
    itself={"127.0.0.1": Reply.PRESENT},
    echoes={"fe80::1%eth0": Echo.HEARD},
    announcements=frozenset(),
)
"""A network with IPv6 alone, and a daemon on IPv4."""
SIX = replace(ALONE, client=("::1", 7778), itself={"fe80::1%eth0": Reply.PRESENT, "::1": Reply.PRESENT})
OFF = replace(NOBODY, announcements=frozenset(), looks=False)
"""With --discovery off."""


UNHEARD = replace(WELL, neighbours=(ABSENT_BOB,))
FAR = replace(BOBS, hosts=frozenset({"198.51.100.2"}))
TWICE = replace(BOBS, hosts=frozenset({"192.0.2.2", "192.0.2.7"}))


def itself(reply: Reply, loopback: Reply | None = None) -> Facts:
    return replace(WELL, itself={"192.0.2.1": reply, "127.0.0.1": loopback or reply})


OWN = itself(Reply.SILENT)
CHECKS: list[tuple[str, Facts, str, Verdict, str]] = [
    ("a daemon that runs", WELL, "daemon", OK, ""),
    ("none", STOPPED, "daemon", FAIL, "^Start one with: simp daemon$"),
    ("none, IPv6 alone", replace(STOPPED, interfaces=(LINK,)), "daemon", FAIL, "^Start one with: simp daemon ::$"),
    (
        "none, at the wrong port",
        replace(STOPPED, client=("127.0.0.1", 7777), advice="That: no"),
        "daemon",
        FAIL,
        "^That: no$",
    ),
    ("something else", replace(STOPPED, stranger=True), "daemon", FAIL, "--client-port"),
    ("another machine's", replace(WELL, client=("192.0.2.9", 7778), itself={}), "daemon", WARN, "there"),
    ("its port is taken", replace(STOPPED, port_taken=True), "daemon", FAIL, "Start"),
    ("its port", WELL, "port", OK, ""),
    ("another port", itself(Reply.REFUSED), "port", WARN, "--port 7777$"),
    (
        "another, untold",
        replace(itself(Reply.REFUSED), announcements=frozenset()),
        "port",
        WARN,
        "^give it with --port$",
    ),
    ("on loopback", itself(Reply.REFUSED, Reply.PRESENT), "port", OK, ""),
    ("a free port", STOPPED, "port", OK, ""),
    ("a taken port", replace(STOPPED, port_taken=True, holder="nc (7)"), "port", FAIL, "--daemon IP"),
    ("an interface", WELL, "interfaces", OK, ""),
    ("none", replace(WELL, interfaces=()), "interfaces", FAIL, "join the network"),
    (
        "a second without a cable",
        replace(WELL, interfaces=(ETHERNET, Interface("e", (), up=False))),
        "interfaces",
        OK,
        "",
    ),
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
    ("it doesn't", itself(Reply.SILENT), "inbound", FAIL, "^sudo ufw allow 7777/udp$"),
    ("rejected", itself(Reply.PROHIBITED), "inbound", FAIL, "ufw"),
    ("not let out", itself(Reply.BLOCKED), "inbound", FAIL, "ufw"),
    ("from the network alone", itself(Reply.SILENT, Reply.PRESENT), "inbound", FAIL, "ufw"),
    ("on loopback", itself(Reply.REFUSED, Reply.PRESENT), "inbound", WARN, "again with: simp daemon$"),
    (
        "on loopback, IPv6",
        replace(SIX, itself={"fe80::1%eth0": Reply.REFUSED, "::1": Reply.PRESENT}),
        "inbound",
        WARN,
        "::$",
    ),
    ("at another port", itself(Reply.REFUSED), "inbound", UNKNOWN, "^$"),
    ("IPv6 alone", ALONE, "inbound", FAIL, "again with: simp daemon ::$"),
    (
        "IPv4 alone",
        replace(SIX, interfaces=(ETHERNET,), itself={"::1": Reply.PRESENT}),
        "inbound",
        FAIL,
        "simp daemon$",
    ),
    ("no network", replace(WELL, interfaces=(replace(ETHERNET, up=False),)), "inbound", UNKNOWN, "^$"),
    ("not asked", STOPPED, "inbound", UNKNOWN, "^$"),
    ("an echo", WELL, "multicast", OK, ""),
    ("no echo", replace(WELL, echoes={"192.0.2.1": Echo.LOST}), "multicast", FAIL, "^sudo ufw allow 5353/udp$"),
    ("not let out", replace(WELL, echoes={"192.0.2.1": Echo.BLOCKED}), "multicast", FAIL, "5353"),
    (
        "one of two",
        replace(
            WELL, interfaces=(ETHERNET, Interface("d", ("10.0.0.1/8",))), echoes=WELL.echoes | {"10.0.0.1": Echo.LOST}
        ),
        "multicast",
        FAIL,
        "5353",
    ),
    ("nowhere to try", replace(WELL, echoes={}), "multicast", UNKNOWN, "^$"),
    ("a port kept", replace(WELL, echoes={"192.0.2.1": Echo.UNHEARD}), "multicast", WARN, "5353"),
    ("IPv6", SIX, "multicast", OK, ""),
    ("deaf, IPv6", replace(SIX, echoes={"fe80::1%eth0": Echo.LOST}), "multicast", FAIL, "5353"),
    (
        "deaf in what it doesn't use",
        replace(WELL, echoes=WELL.echoes | {"fe80::1%eth0": Echo.LOST}),
        "multicast",
        OK,
        "",
    ),
    ("others", WELL, "others", OK, ""),
    ("unheard", UNHEARD, "others", WARN, "^simp doctor 192.0.2.2:7777$"),
    ("never listed", replace(UNHEARD, neighbours=()), "others", WARN, "^simp doctor 192.0.2.2:7777$"),
    ("unheard, but discovery is off", replace(UNHEARD, looks=False), "others", OK, ""),
    ("unheard, and this machine hears nothing", replace(UNHEARD, itself=OWN.itself), "others", OK, ""),
    ("unheard by another machine's", replace(UNHEARD, client=("192.0.2.9", 7778)), "others", OK, ""),
    ("announced from another network", replace(UNHEARD, announcements=frozenset({FAR})), "others", OK, ""),
    ("heard at another of its addresses", replace(WELL, announcements=frozenset({TWICE})), "others", OK, ""),
    ("a namesake", replace(WELL, user="bob"), "names", WARN, "name"),
    ("a namesake who isn't here", replace(UNHEARD, user="bob"), "names", OK, ""),
    ("no others", NOBODY, "others", UNKNOWN, "other machine"),
    ("deaf", replace(NOBODY, echoes={"192.0.2.1": Echo.LOST}), "others", UNKNOWN, "^$"),
    ("found by the daemon", replace(NOBODY, neighbours=(BOB,)), "others", OK, ""),
    ("found, deaf", replace(NOBODY, neighbours=(BOB,), echoes={"192.0.2.1": Echo.LOST}), "others", OK, ""),
    ("gone", replace(NOBODY, neighbours=(ABSENT_BOB,)), "others", UNKNOWN, "other machine"),
    ("on this machine", replace(NOBODY, neighbours=(replace(BOB, address="192.0.2.1:8777"),)), "others", UNKNOWN, ""),
    ("known otherwise", replace(NOBODY, neighbours=(replace(BOB, source="chat"),)), "others", WARN, "access point"),
    ("announced", WELL, "visible", OK, ""),
    ("at another port", replace(WELL, port=8777), "visible", WARN, "again with: simp daemon,"),
    ("off", OFF, "visible", WARN, "--discovery"),
    ("with another port than told", replace(itself(Reply.REFUSED), port=8777), "visible", OK, ""),
    ("not announced", replace(WELL, announcements=frozenset({BOBS})), "visible", WARN, "again with: simp daemon,"),
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
        "one daemon in two networks",
        replace(
            WELL,
            interfaces=(*WELL.interfaces, Interface("eth1", ("10.9.9.1/24",))),
            announcements=frozenset({MINE, replace(MINE, hosts=frozenset({"10.9.9.1"}))}),
        ),
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
MACHINE = f"The machine of {PERSON}"


def seeking(
    reply: Reply,
    link: Link = Link.UNKNOWN,
    facts: Facts = WELL,
    *,
    runs: bool = True,
    answers: bool = True,
    person: Person | None = None,
    source: str | None = "192.0.2.1",
) -> Facts:
    announcements = WELL.announcements if runs else frozenset({MINE})
    person = person or (BOB if reply is Reply.PRESENT else ABSENT_BOB)
    peer = Peer("bob", "", AT, source, reply, "", link, answers=answers)
    neighbours = (person,) if facts.neighbours else ()
    return replace(facts, neighbours=neighbours, announcements=announcements & facts.announcements, peer=peer)


def sought(wanted: str, facts: Facts = WELL, mistake: str = "") -> Facts:
    return replace(facts, peer=Peer(wanted, mistake))


DOWN = replace(WELL, interfaces=(replace(ETHERNET, up=False),), echoes={}, itself={"127.0.0.1": Reply.PRESENT})
DEAF = replace(WELL, echoes={"192.0.2.1": Echo.LOST})
AWAY = replace(BOB, source="chat", seconds=None)
ADDRESS_ERROR = "read '192.168.7.300', expected an IP address"
BY_SIX = Peer("bob", "", ("fe80::2%eth0", 7777), "fe80::1%eth0", Reply.PRESENT, "bob", Link.THERE)
SENTENCES: list[tuple[str, Facts, dict[str, Verdict], str]] = [
    ("there", WELL, {"peer": OK, "route": OK, "answer": OK, "machine": OK}, f"{PERSON} can be reached: nothing .*"),
    # names
    (
        "nobody",
        sought("bob", NOBODY),
        {"peer": FAIL},
        "Nobody called bob is known on this network, and nobody's mDNS is heard: .* the network filters it.",
    ),
    (
        "like oneself",
        sought("alice-2", replace(NOBODY, user="alice-1")),
        {"peer": FAIL},
        "Nobody called alice-2 is known on this network, and nobody's mDNS is heard: .*",
    ),
    ("like oneself, as announced", sought("alicia"), {"peer": FAIL}, "Nobody called alicia is known on this network."),
    (
        "oneself, unannounced",
        sought("zoe", replace(WELL, user="zoe")),
        {"peer": FAIL},
        "zoe is .* this machine itself.",
    ),
    (
        "two of the name",
        sought("bob", replace(WELL, neighbours=(BOB, replace(BOB, address="192.0.2.3:7777")))),
        {"peer": FAIL},
        "2 people are called bob, so that the name alone leads to nobody.",
    ),
    ("mistyped", sought("bbo"), {"peer": FAIL}, "Nobody called bbo is known .*, but bob is."),
    ("in other letters", sought("BOB"), {"peer": FAIL}, "Nobody called BOB is known .*, but bob is."),
    ("oneself", sought("alice"), {"peer": FAIL}, "alice is whoever is at this machine itself."),
    ("unlike", sought("zebra"), {"peer": FAIL}, "Nobody called zebra is known on this network."),
    ("no list", sought("zoe", STOPPED), {"peer": UNKNOWN}, ".* can't be told, .* isn't running .* simp daemon.*"),
    ("no cable", sought("zoe", DOWN), {"peer": UNKNOWN}, ".* can't be told, .* eth0 is off, or its cable is out."),
    (
        "deaf",
        sought("zoe", DEAF),
        {"peer": UNKNOWN},
        ".* can't be told, since .* own firewall drops incoming UDP 5353 .*",
    ),
    ("IPv6 alone", sought("zoe", ALONE), {"peer": UNKNOWN}, ".* only IPv6 .* simp daemon ::.*"),
    (
        "off",
        sought("zoe", OFF),
        {"peer": UNKNOWN},
        ".* can't be told, since discovery is off at this machine's own daemon.",
    ),
    *(
        (
            f"no address: {each}",
            sought(each, WELL, ADDRESS_ERROR),
            {"peer": FAIL},
            f".* nobody's name here, and no address .*: {ADDRESS_ERROR}.",
        )
        for each in ("192.168.7.300", "fe80::1", "192.168.7", "192.168.7.5:99999", "192.168.1.2O", "[::1", "bob:7777")
    ),
    (
        "nobody's address",
        replace(WELL, peer=Peer("192.0.2.255", "the broadcast address", ("192.0.2.255", 7777))),
        {"peer": FAIL},
        "192.0.2.255 is the broadcast address.",
    ),
    # this machine
    (
        "no cable here",
        seeking(Reply.NO_ROUTE, facts=DOWN, source=None),
        {"interfaces": FAIL, "route": FAIL},
        f"Nothing gets from this machine to {PERSON}, since .* eth0 is off, or its cable is out.",
    ),
    (
        "no cable here, but elsewhere",
        seeking(
            Reply.SILENT,
            Link.ABSENT,
            replace(WELL, interfaces=(replace(ETHERNET, up=False), Interface("d", ("10.0.0.1/8",)))),
        ),
        {"interfaces": OK, "route": FAIL},
        f"Nothing gets from this machine to {PERSON}, since .* eth0 is off, or its cable is out.",
    ),
    (
        "no route",
        seeking(Reply.NO_ROUTE, runs=False),
        {"peer": WARN, "route": FAIL},
        f".* no route to {PERSON}: .* networks.",
    ),
    ("two networks", seeking(Reply.NO_ROUTE), {"route": FAIL}, f".* no route to {PERSON}, which it hears: .*"),
    (
        "nothing let out",
        seeking(Reply.BLOCKED, facts=itself(Reply.BLOCKED)),
        {"inbound": FAIL, "outgoing": FAIL},
        f"This machine's own firewall drops UDP 7777 on its way out to {PERSON}.",
    ),
    ("not let out", seeking(Reply.BLOCKED), {"outgoing": FAIL}, f".* own firewall drops UDP 7777 .* out to {PERSON}."),
    (
        "no daemon here",
        seeking(Reply.PRESENT, Link.THERE, STOPPED),
        {"peer": WARN, "answer": OK},
        rf"{PERSON} answers, but this machine's own daemon isn't running \(start it with: simp daemon\).",
    ),
    (
        "no daemon at either",
        seeking(Reply.REFUSED, Link.THERE, STOPPED, runs=False),
        {"answer": FAIL},
        ".* is there, but no daemon runs at UDP 7777; besides, this machine's own daemon isn't running .*",
    ),
    (
        "own firewall",
        seeking(Reply.PRESENT, Link.THERE, OWN),
        {"inbound": FAIL, "answer": OK},
        f"{PERSON} answers, but this machine's own firewall drops what comes to its UDP 7777.",
    ),
    (
        "two faults here",
        seeking(Reply.PRESENT, Link.THERE, replace(OWN, echoes=DEAF.echoes)),
        {"inbound": FAIL, "answer": OK},
        f"{PERSON} answers, but .* drops what comes to its UDP 7777, and .* drops incoming UDP 5353 .*",
    ),
    (
        "deaf, there",
        seeking(Reply.PRESENT, Link.THERE, DEAF),
        {"multicast": FAIL},
        f"{PERSON} answers, but .* UDP 5353 .*",
    ),
    (
        "not for the daemon",
        seeking(Reply.PRESENT, Link.THERE, person=ABSENT_BOB),
        {"peer": WARN, "answer": OK},
        f"{PERSON} answers this command, but your daemon hasn't heard it; if simp who says so in 10 s, too, .*",
    ),
    (
        "known, and nobody there",
        replace(
            seeking(Reply.PRESENT, Link.THERE, person=replace(BOB, name="", source="hosts", known_as="bob")),
            announcements=frozenset({MINE}),
        ),
        {"peer": OK, "answer": OK},
        f"{PERSON} can be reached: nothing is in the way.",
    ),
    (
        "off, there",
        seeking(Reply.PRESENT, Link.THERE, replace(WELL, announcements=frozenset({BOBS}), looks=False), person=AWAY),
        {"visible": WARN},
        f"{PERSON} can be reached by its address, but discovery is off at this machine's own daemon.",
    ),
    (
        "not found",
        seeking(Reply.PRESENT, Link.THERE, person=AWAY),
        {"answer": OK},
        f"{PERSON} can be reached by its address, but .* multicast, it seems.",
    ),
    (
        "on loopback",
        seeking(Reply.PRESENT, Link.THERE, itself(Reply.REFUSED, Reply.PRESENT)),
        {"inbound": WARN},
        rf"{PERSON} answers, but this machine's own daemon is only at 127.0.0.1, .* simp daemon\).",
    ),
    (
        "by IPv6",
        replace(WELL, interfaces=(ETHERNET, LINK), peer=BY_SIX),
        {"inbound": OK},
        r"bob \(\[fe80::2%eth0\]:7777\) answers, but .* only at 192.0.2.1, 127.0.0.1, .* simp daemon ::\).",
    ),
    (
        "IPv6 alone, there",
        replace(ALONE, peer=BY_SIX),
        {"inbound": FAIL},
        ".* answers, but .* only IPv6 .* simp daemon ::.*",
    ),
    # over there
    (
        "no daemon",
        seeking(Reply.REFUSED, Link.THERE, runs=False),
        {"answer": FAIL, "machine": OK},
        f"{MACHINE} is there, but no daemon runs .*",
    ),
    (
        "rejecting",
        seeking(Reply.REFUSED, Link.THERE),
        {"answer": FAIL, "machine": OK},
        f"{MACHINE} .* rejects UDP 7777 .*",
    ),
    ("forbidding", seeking(Reply.PROHIBITED, Link.THERE, runs=False), {"answer": FAIL}, ".* rejects UDP 7777 .*"),
    (
        "nothing there to forbid",
        seeking(Reply.PROHIBITED, Link.ABSENT, runs=False),
        {"machine": FAIL},
        ".* off or gone, .*",
    ),
    (
        "forbidding, beyond",
        seeking(Reply.PROHIBITED, Link.BEYOND, runs=False),
        {"answer": FAIL},
        "Nothing comes back .*",
    ),
    (
        "dropping",
        seeking(Reply.SILENT, Link.THERE),
        {"answer": FAIL, "machine": OK},
        f"{MACHINE} .* drops .*: its firewall.",
    ),
    (
        "dropping, or hanging",
        seeking(Reply.SILENT, Link.THERE, runs=False),
        {"answer": FAIL, "machine": OK},
        ".* drops UDP 7777 to it: its firewall, unless its daemon hangs.",
    ),
    (
        "dropping, perhaps here",
        seeking(Reply.SILENT, Link.THERE, answers=False),
        {"answer": FAIL},
        ".* its firewall, unless this machine's own lets no answers in.",
    ),
    (
        "dropping, at both",
        seeking(Reply.SILENT, Link.THERE, OWN),
        {"answer": FAIL},
        f"{MACHINE} .* its firewall; besides, this machine's own firewall drops what comes to its UDP 7777.",
    ),
    (
        "dropping, here for sure",
        seeking(Reply.SILENT, Link.THERE, OWN, answers=False),
        {"answer": UNKNOWN},
        f"Nothing comes back from {PERSON}, which can't be judged as long as this machine's own firewall drops .*",
    ),
    ("announced, silent", seeking(Reply.SILENT, Link.BEYOND), {"answer": FAIL}, ".* drops UDP 7777 to it: its fire.*"),
    ("off", seeking(Reply.SILENT, Link.ABSENT, runs=False), {"machine": FAIL}, ".* off or gone, or .* access point .*"),
    (
        "kept apart",
        seeking(Reply.SILENT, Link.ABSENT),
        {"machine": FAIL},
        ".* announces itself, but the access point .*",
    ),
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
        f"{MACHINE} is there, but announces no daemon: only .* probe shows .*",
    ),
    (
        "not asked, beyond",
        seeking(Reply.UNASKED, Link.BEYOND, runs=False),
        {"answer": UNKNOWN},
        f"No daemon is announced at {PERSON}: .*",
    ),
    ("not asked, off", seeking(Reply.UNASKED, Link.ABSENT, runs=False), {"machine": FAIL}, ".* off or gone, .*"),
    (
        "another daemon",
        replace(
            seeking(Reply.REFUSED, Link.THERE), announcements=frozenset({MINE, replace(BOBS, port=8777, name="carol")})
        ),
        {"answer": FAIL},
        f"{MACHINE} is there, but no daemon runs at UDP 7777; one is at 192.0.2.2:8777.",
    ),
    (
        "at another port",
        replace(seeking(Reply.UNASKED, Link.THERE), announcements=frozenset({MINE, replace(BOBS, port=8777)})),
        {"answer": FAIL},
        f"{MACHINE} is there, but its daemon is at 192.0.2.2:8777.",
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
    assert re.fullmatch(r"[^.].*[^.]\.", told)
    assert told.count(". ") == 0, "one sentence"


def test_whatever_fails_has_a_next_step() -> None:
    for facts in [each[1] for each in CHECKS] + [each[1] for each in SENTENCES]:
        findings, _ = examine(facts)
        assert len({each.check for each in findings}) == len(findings), facts
        assert all(each.next for each in findings if each.verdict is FAIL), facts


@pytest.mark.slow
def test_no_failing_check_is_left_out_of_the_sentence() -> None:
    for (_, facts, *_), (_, sought, *_) in product(CHECKS, SENTENCES):
        findings, sentence = examine(replace(facts, peer=sought.peer))
        assert sentence
        for each in findings[:9]:
            assert each.verdict is not FAIL or each.check == "visible" or each.seen.lower() in sentence.lower()
        assert "nothing is in the way" not in sentence or all(each.verdict is not FAIL for each in findings)


EVERYTHING = [
    seeking(reply, link, facts, runs=runs, answers=answers, person=person, source=source)
    for reply, link, facts, runs, answers, person, source in product(
        Reply,
        Link,
        (WELL, STOPPED, OWN, DEAF, DOWN, OFF, itself(Reply.REFUSED, Reply.PRESENT)),
        (False, True),
        (False, True),
        (BOB, ABSENT_BOB, AWAY),
        ("192.0.2.1", None),
    )
]


@pytest.mark.slow
def test_nobody_is_blamed_without_evidence() -> None:
    for facts in EVERYTHING:
        findings, sentence = examine(facts)
        assert sentence
        assert facts.peer
        verdicts = {each.check: each.verdict for each in findings}
        there = facts.peer.link is Link.THERE or facts.announced(AT) or facts.peer.reply is Reply.REFUSED
        ours = Verdict.FAIL in (verdicts["inbound"], verdicts["multicast"], verdicts.get("outgoing"))
        if "to it: its firewall" in sentence:
            assert there
            assert facts.peer.reply in (Reply.SILENT, Reply.PROHIBITED, Reply.REFUSED)
            assert verdicts["interfaces"] is not FAIL or facts.peer.reply is Reply.REFUSED
        if "own firewall drops" in sentence and not ours:
            assert facts.peer.reply is Reply.PRESENT
            assert facts.neighbours == (ABSENT_BOB,)
            assert verdicts["visible"] is OK
        if "off or gone" in sentence:
            assert facts.peer.link is Link.ABSENT
            assert not facts.announced(AT)
            assert verdicts["interfaces"] is not FAIL
        if "no daemon runs" in sentence:
            assert facts.peer.reply is Reply.REFUSED
            assert not facts.announced(AT)


def test_who_is_meant() -> None:
    gone, carol = replace(ABSENT_BOB, address="192.0.2.3:7777"), replace(BOB, name="carol", address="192.0.2.4:7777")
    everybody = replace(WELL, neighbours=(gone, BOB, carol))
    assert places(everybody, "bob") == [AT]
    assert places(replace(WELL, neighbours=(gone, carol)), "bob") == [("192.0.2.3", 7777)]
    assert places(replace(WELL, neighbours=(BOB, BOB)), "bob") == [AT]
    assert places(everybody, "BOB") == []
    assert listed(everybody, ("192.0.2.3", 7777)) is gone
    assert listed(everybody, ("192.0.2.4", 8777)) is None


def test_whoever_is_announced_has_a_name_without_a_daemon() -> None:
    bobs = replace(BOBS, name="bob", hosts=frozenset({"10.0.0.2", "fe80::2%eth0", "192.0.2.2"}))
    facts = replace(STOPPED, announcements=frozenset({replace(MINE, name="bob"), bobs}))
    assert places(facts, "bob") == [AT]
    assert places(facts, "") == []


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("192.0.2.255", "the broadcast address of 192.0.2.0/24, which stands for every machine in it"),
        ("192.0.2.0", "the address of the network 192.0.2.0/24 itself, and no machine's"),
        ("255.255.255.255", "the broadcast address, which stands for every machine"),
        ("240.0.0.1", "a reserved address, which no machine has"),
        ("224.0.0.251", "a multicast address, which stands for a group of machines"),
        ("ff02::1", "a multicast address, which stands for a group of machines"),
        ("0.0.0.0", "an address that stands for no machine"),
        ("0.1.2.3", "an address that stands for no machine"),
        ("::", "an address that stands for no machine"),
        ("::ffff:192.0.2.2", "an IPv4 address in the spelling of IPv6: give 192.0.2.2"),
        ("192.0.2.1", "this machine itself"),
        ("127.0.0.1", "this machine itself"),
        ("127.0.0.5", "this machine itself"),
        ("192.0.2.1:8777", ""),
        ("192.0.2.2", ""),
        ("10.0.0.255", ""),
        ("10.1.1.0", ""),
        ("198.51.100.255", ""),
    ],
)
def test_addresses_that_are_nobodys(address: str, what: str) -> None:
    pair = replace(ETHERNET, name="p", addresses=("10.1.1.1/31",))
    facts = replace(WELL, interfaces=(ETHERNET, pair))
    assert nobodys(facts, parse_address(address, 7777)) == what


def test_how_a_daemon_is_started_is_told_once_in_a_line_and_once_in_a_sentence() -> None:
    elsewhere = replace(STOPPED, client=("192.0.2.1", 7779), advice="")
    for facts in (STOPPED, elsewhere, ALONE, replace(WELL, itself={"192.0.2.1": Reply.REFUSED})):
        findings, _ = examine(facts)
        assert not any("with: " in each.seen for each in findings)
    _, sentence = examine(replace(elsewhere, peer=Peer("bob", "", AT, "192.0.2.1", Reply.PRESENT)))
    assert sentence
    assert sentence.endswith("isn't running (start it with: simp daemon 192.0.2.1 --client-port 7779).")
    _, sentence = examine(replace(ALONE, peer=Peer("zoe")))
    assert sentence
    assert sentence.endswith("has only IPv6 (start it again with: simp daemon ::).")


def test_who_announces_themselves_and_do_not_answer_are_counted_and_named() -> None:
    carol = Announcement("cccccccc", frozenset({"192.0.2.3"}), 8777, "carol")
    findings, _ = examine(replace(UNHEARD, announcements=UNHEARD.announcements | {carol}))
    (others,) = (each for each in findings if each.check == "others")
    assert others.seen == (
        "2 daemons announce themselves, but don't answer yours: bob (192.0.2.2:7777), carol (192.0.2.3:8777)"
    )
    (others,) = (each for each in examine(UNHEARD)[0] if each.check == "others")
    assert others.seen == "a daemon announces itself, but doesn't answer yours: bob (192.0.2.2:7777)"


def test_how_a_firewall_is_told() -> None:
    commands = [allow(each, 7777) for each in ("ufw", "firewall-cmd", "Windows", "Darwin", "Linux")]
    assert len(set(commands)) == 5
    assert all("7777" in each for each in commands)


def test_a_daemon_that_another_machine_lacks_is_not_started_here() -> None:
    facts = replace(
        WELL, client=("198.51.100.7", 7778), no_daemon="No daemon at 198.51.100.7:7778 (why). That isn't", itself={}
    )
    found = examine(facts)[0][0]
    assert (found.verdict, found.next) == (FAIL, "run simp doctor there")
    assert found.seen == "no daemon answers at 198.51.100.7, which is another machine"


def test_what_a_host_says_of_another_is_nothing_and_two_of_one_machine_are_one() -> None:
    both, one, other = frozenset({"10.0.0.2", "10.9.9.2"}), "10.0.0.2", "10.9.9.2"
    bob = Announcement("aaaaaaaa", both, 7777, "bob")
    assert set(proved([(one, bob), (other, bob)])) == {bob}
    assert set(proved([(one, bob)])) == {replace(bob, hosts=frozenset({one}))}
    forged = replace(bob, hosts=both | {"10.0.0.9"})
    assert set(proved([(one, bob), (other, bob), ("10.0.0.9", forged)])) == {
        bob,
        replace(bob, hosts=frozenset({"10.0.0.9"})),
    }
    copy = replace(bob, hosts=frozenset({"10.0.0.9"}))
    assert set(proved([(one, bob), ("10.0.0.9", copy)])) == {replace(bob, hosts=frozenset({one})), copy}
    assert not set(proved([("10.0.0.9", bob)]))


@pytest.mark.parametrize("name", ["barbara;id", "$(reboot)", "none.   names  ok   All is well"])
def test_no_name_of_a_stranger_s_is_a_command_or_a_line_of_the_doctor_s(name: str) -> None:
    loud = replace(BOBS, identity="cccccccc", hosts=frozenset({"192.0.2.9"}), name=name)
    facts = replace(WELL, announcements=frozenset({MINE, loud}), neighbours=(), peer=Peer(name[:-1], "no address"))
    findings, sentence = examine(facts)
    assert sentence
    for words in (sentence, *(f"{each.seen} {each.next}" for each in findings)):
        assert not re.search(rf"simp doctor .*{re.escape(name)}", words)
        assert name not in words or f'"{name}"' in words

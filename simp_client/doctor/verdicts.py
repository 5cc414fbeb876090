"""What facts mean: a finding for each check, and a sentence about whoever is looked for, for an administrator. Pure."""

from dataclasses import replace
from ipaddress import ip_address

from simp_client.doctor.checks import CHECKS, FAIL, OK, UNKNOWN, WARN, Finding, allow, starting
from simp_client.doctor.facts import Facts, Link, Peer, Reply
from simp_client.events import Person
from simp_client.people import called, may_come, nearest
from simp_client.view import is_word, named
from simp_proto.address import Address, format_address, parse_address
from simp_proto.constants import DAEMON_PORT
from simp_proto.interfaces import no_machines

_Cause = tuple[str, Finding]
"""How the sentence begins, and the finding whose words end it."""


def examine(facts: Facts) -> tuple[list[Finding], str | None]:
    """Every check, in the order in which a person would ask, and one sentence about whoever is looked for."""
    own = {name: Finding(name, *check(facts)) for name, check in CHECKS.items()}
    if facts.peer is None:
        return [*own.values()], None
    more, sentence = _of(facts, own, facts.peer)
    fails = [each.told for each in own.values() if each.verdict is FAIL and each.check != "visible"]
    besides = [each for each in fails if each.lower() not in sentence.lower()]
    joint = "; besides, " if any(each.verdict in (FAIL, UNKNOWN) for each in more) else ", but "
    sentence = joint.join([sentence, *besides[:1]]) + "".join(f", and {each}" for each in besides[1:])
    return [*own.values(), *more], f"{sentence}."


def listed(facts: Facts, address: Address) -> Person | None:
    """Whom this machine's daemon has at that address."""
    return next((each for each in facts.neighbours if each.address == format_address(address)), None)


def places(facts: Facts, name: str) -> list[Address]:
    """Where those of that name are, by the daemon's list or else by what was heard."""
    if known := called(facts.neighbours, name):
        return [parse_address(each, DAEMON_PORT) for each in dict.fromkeys(each.address for each in known)]

    def rank(host: str) -> tuple[bool, bool, str]:
        return not any(each.joins(host) for each in facts.interfaces), ":" in host, host

    heard = [each for each in facts.announcements if name and each.name == name and not each.hosts & facts.own]
    return sorted({(min(each.hosts, key=rank), each.port) for each in heard})


def nobodys(facts: Facts, address: Address) -> str:
    """What that address is, if it is no other machine's."""
    ip = ip_address(address[0])
    everywhere = any(facts.itself.get(each) is Reply.PRESENT for each in facts.hosts(ip.version))
    here = address[0] in facts.own or (ip.is_loopback and everywhere)
    itself = here and address[1] == facts.port and not listed(facts, address)
    return no_machines(address[0], facts.interfaces) or ("this machine itself" if itself else "")


def _of(facts: Facts, own: dict[str, Finding], peer: Peer) -> tuple[list[Finding], str]:
    if peer.address is None or peer.mistake:
        start, found = _unaddressed(facts, own, peer)
        return [found], start + found.told
    address, host = format_address(peer.address), peer.address[0]
    person = listed(facts, peer.address)
    announced = next((each.name for each in facts.announcements if host in each.hosts), "")
    name = peer.name or (person.other.name if person else announced)
    who = f"{named(name)} ({address})" if name else address
    if person is None:
        seen = "there is no daemon to list it" if facts.no_daemon else f"your daemon doesn't list {address}"
    else:
        heard = f"heard {person.seconds} s ago" if person.seconds is not None else "not heard"
        seen = f"your daemon lists {who}: {person.source}, {heard}"
    found = Finding("peer", OK if person and person.seconds is not None else WARN, seen)
    if peer.reply is Reply.PRESENT:
        cause = Finding("answer", OK, f"its daemon answers this command{'' if peer.name else '; nobody is at it'}")
        sentence = f"{who} {_reached(facts, own, peer, host, person)}"
    else:
        start, cause = _held(facts, own, peer, peer.address, who) or _unanswered(facts, own, peer, peer.address, who)
        sentence = start + cause.seen
    route = Finding("route", OK, f"there is a way to {host}")
    there = Finding("machine", OK, "the machine is there")
    if peer.link is not Link.THERE and not facts.announced(peer.address):
        there = Finding("machine", UNKNOWN, f"whether it is there can't be told: {peer.link.value}")
    shown = [found, *[route] * (cause.check != "route"), cause, *[there] * (cause.check == "answer")]
    return shown, sentence


def _unaddressed(facts: Facts, own: dict[str, Finding], peer: Peer) -> _Cause:
    """Why that leads to nobody's address."""
    wanted, found = peer.wanted, [format_address(each) for each in places(facts, peer.wanted)]
    mine = {facts.user} | {each.name for each in facts.announcements if each.hosts & facts.own}
    names = {each.other.name for each in facts.neighbours} | {each.name for each in facts.announcements} - mine
    nobody, choose = f"Nobody called {wanted} is known on this network", "choose somebody whom simp who lists"
    if len(found) > 1:
        seen = f"{len(found)} people are called {wanted}, so that the name alone leads to nobody"
        return "", Finding("peer", FAIL, seen, f"choose one: simp doctor {' or '.join(found[:5])}")
    if peer.address:
        return f"{wanted} is ", Finding("peer", FAIL, peer.mistake, choose)
    if not may_come(wanted) or wanted[0] in "[0123456789":
        start = f"{wanted} is nobody's name here, and no address that can be asked: "
        return start, Finding("peer", FAIL, peer.mistake, choose)
    if wanted in mine:
        return f"{wanted} is ", Finding("peer", FAIL, "whoever is at this machine itself", choose)
    if near := nearest(wanted, names):
        do = f"if that is meant: simp doctor {near}" if is_word(near) else choose
        return "", Finding("peer", FAIL, f"{nobody}, but {named(near)} is", do)
    for each in (own[name] for name in ("interfaces", "daemon", "inbound", "multicast", "visible")):
        if each.verdict is FAIL or (each.verdict is WARN and each.check == "visible"):
            start = f"Whether anybody called {wanted} is here can't be told, since "
            return start, replace(each, check="peer", verdict=UNKNOWN)
    deaf = f", and {own['others'].seen}" if own["others"].seen.startswith("nobody's mDNS") else ""
    return "", Finding("peer", FAIL, nobody + deaf, "ask for the IP address, and give that to simp doctor")


def _reached(facts: Facts, own: dict[str, Finding], peer: Peer, host: str, person: Person | None) -> str:
    """What an answer to this command means for the daemon."""
    on = [each for each, said in facts.itself.items() if said is Reply.PRESENT]
    local = ip_address(host).is_loopback or host in facts.own
    if facts.no_daemon or any(each.verdict is FAIL for each in own.values()):
        return "answers"
    if on and not local and facts.itself.get(peer.source or "", Reply.REFUSED) is Reply.REFUSED:
        where = f"this machine's own daemon is only at {', '.join(on)}, from where no way leads there"
        return f"answers, but {where} (start it again with: {starting(6 if ':' in host else 4)})"
    if person is not None and person.seconds is not None:
        return "can be reached: nothing is in the way"
    if own["visible"].verdict is WARN:
        return f"can be reached by its address, but {own['visible'].seen}"
    if person is not None and person.source == "announced":
        still = f"if simp who says so in 10 s, too, let UDP {facts.port} in at this machine's own firewall"
        return f"answers this command, but your daemon hasn't heard it; {still}"
    unfound = "this machine's own daemon hasn't found it: the network filters multicast, it seems"
    return f"can be reached by its address, but {unfound}"


def _held(facts: Facts, own: dict[str, Finding], peer: Peer, address: Address, who: str) -> _Cause | None:
    """Why nothing gets from this machine there, if nothing does."""
    host, port = address
    mine = [each for each in facts.interfaces if peer.source in each.hosts]
    mine = mine or [each for each in facts.interfaces if each.joins(host)]
    up = ip_address(host).is_loopback or any(each.up for each in mine or facts.interfaces)
    if peer.reply is not Reply.REFUSED and not up:
        off = f"this machine's own {mine[0].name} is off, or its cable is out" if mine else ""
        seen = own["interfaces"].seen if own["interfaces"].verdict is FAIL else off
        do = "put the cable in, join the Wi-Fi, or switch it on"
        return f"Nothing gets from this machine to {who}, since ", Finding("route", FAIL, seen, do)
    if peer.reply is Reply.NO_ROUTE:
        start = f"This machine has no route to {who}{', which it hears' if facts.announced(address) else ''}: "
        version = ip_address(host).version
        joined = any(not ip_address(each).is_link_local for each in facts.hosts(version))
        seen = "no router joins their networks" if joined else f"it has no IPv{version} address in a network"
        return start, Finding("route", FAIL, seen, "give both addresses of one network, or have a router join the two")
    if peer.reply is Reply.BLOCKED:
        seen = f"This machine's own firewall drops UDP {port} on its way out to {who}"
        return "", Finding("outgoing", FAIL, seen, allow(facts.firewall, port))
    return None


def _unanswered(facts: Facts, own: dict[str, Finding], peer: Peer, address: Address, who: str) -> _Cause:
    """Why nothing comes back."""
    host, port = address[0], f"UDP {address[1]}"
    reply, link, runs = peer.reply, peer.link, facts.announced(address)
    machine, there = f"The machine of {who} ", f"The machine of {who} is there, but "
    said = peer.told | {each for each in facts.announcements if host in each.hosts}
    others = sorted({format_address((host if host in each.hosts else min(each.hosts), each.port)) for each in said})
    where = " and ".join(others[:5])
    let_in = f"over there, let {port} in, such as: {allow('ufw', address[1])}"
    if reply is Reply.UNASKED and others:
        return there, Finding("answer", FAIL, f"its daemon is at {where}", f"simp doctor {others[0]}")
    if reply is Reply.REFUSED and not runs:
        seen = f"no daemon runs at {port}{f'; one is at {where}' if others else ''}"
        return there, Finding("answer", FAIL, seen, f"over there, start it: {starting(6 if ':' in host else 4)}")
    if reply is Reply.REFUSED or (reply is Reply.PROHIBITED and (runs or link is Link.THERE)):
        return there, Finding("answer", FAIL, f"something rejects {port} to it: its firewall", let_in)
    if link is Link.ABSENT and runs:
        seen = "the access point or a switch keeps from it what is for it alone"
        return f"{machine}announces itself, but ", Finding("machine", FAIL, seen, "try with a cable")
    if link is Link.ABSENT:
        seen = "off or gone, or the access point keeps its clients apart"
        return f"{machine}is ", Finding("machine", FAIL, seen, "see whether it is on; if so, join the two by cable")
    for each in (own["inbound"], own["multicast"]):
        if reply is Reply.SILENT and not peer.answers and each.verdict is FAIL:
            start = f"Nothing comes back from {who}, which can't be judged as long as "
            return start, replace(each, check="answer", verdict=UNKNOWN)
    if reply is Reply.SILENT and (runs or link is Link.THERE):
        doubts = ["its daemon hangs"] * (not runs) + ["this machine's own lets no answers in"] * (not peer.answers)
        unless = f", unless {' or '.join(doubts)}" if doubts else ""
        return there, Finding("answer", FAIL, f"something drops {port} to it: its firewall{unless}", let_in)
    if reply in (Reply.SILENT, Reply.PROHIBITED):
        seen = f"it is off, or a firewall drops {port}"
        return f"Nothing comes back from {who}: ", Finding("answer", FAIL, seen, "run simp doctor over there")
    seen = f"only a call or simp probe shows whether one runs at {port}"
    start = f"{there}announces no daemon: " if link is Link.THERE else f"No daemon is announced at {who}: "
    return start, Finding("answer", UNKNOWN, seen, f"simp probe {format_address(address)}, which rings")

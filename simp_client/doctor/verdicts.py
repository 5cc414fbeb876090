"""What facts mean: a verdict and the next thing to do for each check, and a sentence for an administrator. Pure."""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum, unique
from ipaddress import ip_interface
from itertools import combinations
from typing import Final

from simp_client.doctor.facts import Echo, Facts, Link, Peer, Reply
from simp_client.events import Person
from simp_client.people import called
from simp_proto.address import format_address, parse_address
from simp_proto.constants import DAEMON_PORT
from simp_proto.errors import AddressError

_MDNS: Final = 5353
_ALLOW: Final = {
    "ufw": "sudo ufw allow {}/udp",
    "firewall-cmd": "sudo firewall-cmd --add-port={}/udp",
    "Windows": "New-NetFirewallRule -DisplayName SIMP -Direction Inbound -Protocol UDP -LocalPort {}",
    "Darwin": "let Python take UDP {} in System Settings, Network, Firewall, Options",
}


@unique
class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's line, with the one next thing to do."""

    check: str
    verdict: Verdict
    seen: str
    next: str = ""


def examine(facts: Facts) -> tuple[list[Finding], str | None]:
    """Every check, in the order in which a person would ask, and one sentence about whoever is looked for."""
    checks = (_daemon, _port, _interfaces, _addresses, _inbound, _multicast, _others, _visible, _names)
    found = [check(facts) for check in checks]
    if facts.peer is None:
        return found, None
    more, sentence = _of(facts, facts.peer)
    return found + more, sentence


def allow(firewall: str, port: int) -> str:
    """How whoever sets the rules of such a firewall lets UDP through."""
    return _ALLOW.get(firewall, "let UDP {} in and out at the firewall").format(port)


def entries(neighbours: tuple[Person, ...], wanted: str) -> list[Person]:
    """Those that have that name or address; of a name, whoever is here before whoever is only known."""
    with suppress(AddressError):
        address = format_address(parse_address(wanted, DAEMON_PORT))
        return [each for each in neighbours if each.address == address]
    return called(neighbours, wanted)


# -- this machine


def _daemon(facts: Facts) -> Finding:
    if facts.no_daemon:
        seen, _, start = facts.no_daemon.partition(". ")
        return Finding("daemon", Verdict.FAIL, seen, start or "start it again: simp daemon")
    return Finding("daemon", Verdict.OK, "it runs, and answers its clients")


def _port(facts: Facts) -> Finding:
    port = f"UDP {facts.port}"
    if not facts.no_daemon and facts.port_taken:
        return Finding("port", Verdict.OK, f"{port} is in use, as it is while the daemon runs")
    if not facts.no_daemon:
        return Finding("port", Verdict.WARN, f"nobody has {port}: your daemon has another port", "give it with --port")
    if not facts.port_taken:
        return Finding("port", Verdict.OK, f"{port} is free for the daemon")
    seen = f"{port} is held by {facts.holder or 'another program'}"
    return Finding("port", Verdict.FAIL, seen, "if that is your daemon: simp doctor --daemon IP; else end it")


def _interfaces(facts: Facts) -> Finding:
    up = [each for each in facts.interfaces if each.up and each.addresses]
    if not up:
        return Finding("interfaces", Verdict.FAIL, "none is up and has an address", "join the network: cable or Wi-Fi")
    usable = [f"{each.name} {' '.join(each.addresses)}" for each in up if each.multicast]
    if not usable:
        return Finding("interfaces", Verdict.WARN, "none that is up does multicast", "call people by their address")
    return Finding("interfaces", Verdict.OK, ", ".join(usable))


def _addresses(facts: Facts) -> Finding:
    up = [(each, ip_interface(text)) for each in facts.interfaces if each.up for text in each.addresses]
    for one, ip in up:
        if ip.version == 4 and ip.is_link_local:
            seen = f"{one.name} has {ip.ip}: the network gave it no address"
            return Finding("addresses", Verdict.WARN, seen, "look at the cable, the Wi-Fi's password, and the router")
        if one.tunnel and str(ip.ip) == facts.source:
            seen = f"everything beyond this network goes through {one.name}, a VPN"
            return Finding("addresses", Verdict.WARN, seen, "try again without it; some keep the local network out")
    for (one, ip), (other, second) in combinations(up, 2):
        if one != other and ip.network == second.network and not ip.is_link_local:
            seen = f"{one.name} and {other.name} are both in {ip.network}"
            return Finding("addresses", Verdict.WARN, seen, "switch one of them off")
    way = f"other networks see {facts.source}" if facts.source else "no way leads to other networks; none is needed"
    return Finding("addresses", Verdict.OK, way)


def _inbound(facts: Facts) -> Finding:
    match facts.itself:
        case Reply.PRESENT:
            return Finding("inbound", Verdict.OK, f"the daemon answers at UDP {facts.port}, asked from this machine")
        case Reply.SILENT | Reply.PROHIBITED | Reply.BLOCKED:
            seen = f"something drops UDP {facts.port} to the daemon: this machine's own firewall"
            return Finding("inbound", Verdict.FAIL, seen, allow(facts.firewall, facts.port))
        case Reply.REFUSED:
            seen = f"no daemon has UDP {facts.port} at this machine's address in the network"
            return Finding("inbound", Verdict.WARN, seen, "start it without IP, or name both: --daemon IP --port N")
    return Finding("inbound", Verdict.UNKNOWN, "there is no daemon to ask, or no address to ask it at")


def _multicast(facts: Facts) -> Finding:
    for host, echo in facts.echoes.items():
        if echo is not Echo.HEARD:
            what, way = ("gets out", "outgoing") if echo is Echo.BLOCKED else ("comes back", "incoming")
            seen = f"from {host} none {what}: this machine's own firewall drops {way} UDP {_MDNS}"
            return Finding("multicast", Verdict.FAIL, seen, allow(facts.firewall, _MDNS))
    if not facts.echoes:
        return Finding("multicast", Verdict.UNKNOWN, "there is no IPv4 address to try it from")
    return Finding("multicast", Verdict.OK, "what this machine sends comes back to it")


def _others(facts: Facts) -> Finding:
    if facts.heard:
        return Finding("others", Verdict.OK, f"mDNS is heard from {', '.join(sorted(facts.heard)[:5])}")
    if _multicast(facts).verdict is not Verdict.OK:
        return Finding("others", Verdict.UNKNOWN, "nobody's mDNS is heard, which the line above explains")
    if any(each.here and each.source != "announced" for each in facts.neighbours):
        seen = "somebody answers, but nobody's mDNS is heard: the network filters multicast"
        return Finding("others", Verdict.WARN, seen, "ask for multicast on the access point and between its networks")
    seen = "nobody's mDNS is heard: no other machine announces anything, or the network filters multicast"
    return Finding("others", Verdict.UNKNOWN, seen, "run simp doctor on the other machine, too")


def _visible(facts: Facts) -> Finding:
    own = {host for each in facts.interfaces for host in each.hosts} | facts.echoes.keys()
    if Echo.BLOCKED in facts.echoes.values():
        return Finding("visible", Verdict.FAIL, "nobody can see you, since no multicast gets out", "see multicast")
    if any(each.port == facts.port and each.hosts & own for each in facts.announcements):
        return Finding("visible", Verdict.OK, "your daemon announces itself")
    if facts.no_daemon or _multicast(facts).verdict is not Verdict.OK:
        seen = "whether others see you can't be told from here"
        return Finding("visible", Verdict.UNKNOWN, seen, "run simp who on the other machine")
    seen = "your daemon isn't announced on this network"
    return Finding("visible", Verdict.WARN, seen, "start it without IP, and without --discovery off")


def _names(facts: Facts) -> Finding:
    for one, other in combinations(facts.announcements, 2):
        if one.identity == other.identity and not one.hosts & other.hosts:
            where = " and ".join(sorted([*one.hosts, *other.hosts]))
            seen = f"the daemons at {where} have one identity, {one.identity}: one is a copy, or a forgery"
            return Finding("names", Verdict.WARN, seen, "at the copy, delete the file identity in its state directory")
    here = [each for each in facts.neighbours if each.here]
    for each in here:
        if len(several := [other.address for other in here if other.name == each.name]) > 1:
            seen = f"{len(several)} people are called {each.name}: {', '.join(several)}"
            return Finding("names", Verdict.WARN, seen, "ask them which is which, and call the address")
    if facts.no_daemon:
        return Finding("names", Verdict.UNKNOWN, "there is no daemon to list them")
    return Finding("names", Verdict.OK, "everybody here has a name of their own")


# -- whoever is looked for


def _of(facts: Facts, peer: Peer) -> tuple[list[Finding], str]:
    listed = entries(facts.neighbours, peer.wanted)
    if peer.address is None and listed:
        seen = f"{peer.wanted} is at {', '.join(each.address for each in listed)}"
        found = Finding("peer", Verdict.FAIL, seen, f"choose one: simp doctor {listed[0].address}")
        return [found], f"{len(listed)} people are called {peer.wanted}, so that the name alone leads to nobody."
    if peer.address is None:
        seen = f"nobody called {peer.wanted} is known"
        found = Finding("peer", Verdict.FAIL, seen, "ask for the IP address, and give that to simp doctor")
        return [found], f"Nobody called {peer.wanted} is known on this network."
    address = format_address(peer.address)
    name = peer.name or (listed[0].name if listed else "")
    who = f"{name} ({address})" if name else address
    if not listed:
        found = Finding("peer", Verdict.WARN, f"your daemon doesn't list {address}")
    elif listed[0].seconds is None:
        found = Finding("peer", Verdict.WARN, f"{who} is known ({listed[0].source}), and doesn't answer your daemon")
    else:
        seen = f"{who} was heard by your daemon {listed[0].seconds} s ago ({listed[0].source})"
        found = Finding("peer", Verdict.OK, seen)
    heard = facts.no_daemon is None and (not listed or listed[0].seconds is not None)
    more, sentence = _way(facts, peer, who, heard=heard and _inbound(facts).verdict is not Verdict.FAIL)
    return [found, *more], sentence


def _way(  # noqa: PLR0912  a case for each cause
    facts: Facts, peer: Peer, who: str, *, heard: bool
) -> tuple[list[Finding], str]:
    """How far one gets; `heard` says whether this machine's daemon can hear what comes back."""
    assert peer.address
    host, number = peer.address
    port, machine = f"UDP {number}", f"The machine of {who}"
    route = Finding("route", Verdict.OK, f"there is a way to {host}")
    there = Finding("machine", Verdict.OK, "the machine is there")
    let_in = f"over there, let {port} in, such as: {allow('ufw', number)}"
    runs = facts.announced(peer.address)
    match peer.reply:
        case Reply.NO_ROUTE:
            next_thing = "join the same network, or have a router join the two"
            route = Finding("route", Verdict.FAIL, f"no way leads from this machine to {host}", next_thing)
            return [route], f"This machine has no route to {who}: the two are in networks that no router joins."
        case Reply.BLOCKED:
            seen = f"this machine's own firewall drops {port} on its way out"
            found = Finding("outgoing", Verdict.FAIL, seen, allow(facts.firewall, number))
            return [route, found], f"This machine's own firewall drops {port} on its way out to {who}."
        case Reply.PRESENT:
            nobody = "" if peer.name else "; nobody is at it"
            found = Finding("answer", Verdict.OK, f"its daemon answers this command{nobody}")
            if facts.no_daemon:
                sentence = f"{who} can be reached; it is this machine's own daemon that doesn't run."
            elif heard:
                sentence = f"{who} can be reached: nothing is in the way."
            else:
                sentence = f"{who} answers, but this machine's own firewall drops what comes to its UDP {facts.port}."
            return [route, found, there], sentence
        case Reply.REFUSED if not runs:
            found = Finding("answer", Verdict.FAIL, f"nothing listens at {port}", "over there, start it: simp daemon")
            return [route, found, there], f"{machine} is there, but no daemon runs at {port}."
        case Reply.REFUSED | Reply.PROHIBITED:
            found = Finding("answer", Verdict.FAIL, f"a firewall rejects {port}", let_in)
            return [route, found, there], f"{machine} is there, but something rejects {port} to it: its firewall."
        case Reply.SILENT if runs or peer.link is Link.THERE:
            found = Finding("answer", Verdict.FAIL, "nothing comes back, though the machine is there", let_in)
            return [route, found, there], f"{machine} is there, but something drops {port} to it: its firewall."
        case Reply.SILENT:
            answer = Finding("answer", Verdict.FAIL, "nothing comes back", "run simp doctor over there")
        case _:
            seen = "it isn't asked, since it might be a daemon that doesn't understand the question"
            answer = Finding("answer", Verdict.UNKNOWN, seen, f"simp probe {format_address(peer.address)}, which rings")
    if peer.link is Link.ABSENT:
        seen = "no machine has that address, or an access point keeps its clients apart"
        there = Finding("machine", Verdict.FAIL, seen, "see whether it is on; if so, try both with a cable")
        tell = "if it is on, and a cable joins the two, it is the access point"
        return [route, answer, there], f"{machine} is off or gone, or the access point keeps its clients apart; {tell}."
    if peer.link is not Link.THERE:
        there = Finding("machine", Verdict.UNKNOWN, f"whether it is there can't be told: {peer.link.value}")
    if peer.reply is Reply.SILENT:
        return [route, answer, there], f"Nothing comes back from {who}: it is off, or a firewall drops {port}."
    return [route, answer, there], f"Whether a daemon answers at {who} shows only a call, or simp probe."

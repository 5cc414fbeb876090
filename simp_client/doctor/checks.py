"""The checks of this machine: a verdict, what was seen, and the one next thing to do. Pure."""

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum, unique
from ipaddress import ip_interface
from itertools import combinations
from typing import Final

from simp_client.doctor.facts import Echo, Facts, Reply
from simp_client.link import start_command
from simp_client.view import named
from simp_proto.address import format_address, parse_address
from simp_proto.constants import DAEMON_PORT, MDNS_PORT

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


OK, WARN, FAIL, UNKNOWN = Verdict
Said = tuple[Verdict, str, str]
"""The verdict, what was seen, and the one next thing to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's line, with the one next thing to do. What is seen where it fails can be a part of a sentence."""

    check: str
    verdict: Verdict
    seen: str
    next: str = ""

    @property
    def told(self) -> str:
        """What is seen, for a sentence, which also says how a daemon is started where that is the next thing to do."""
        how = re.match(
            r"Start one (with: simp daemon(?: [^ ,]+)*)|start it (again with: simp daemon(?: [^ ,]+)*)", self.next
        )
        return f"{self.seen} (start it {how[1] or how[2]})" if how else self.seen


def allow(firewall: str, port: int) -> str:
    """How whoever sets the rules of such a firewall lets UDP through."""
    return _ALLOW.get(firewall, "let UDP {} in and out at the firewall").format(port)


def starting(version: int) -> str:
    """How a daemon is started on all addresses of that version."""
    return start_command("127.0.0.1" if version == 4 else "::1")


def daemon(facts: Facts) -> Said:
    ip, port = facts.client
    if facts.no_daemon and facts.stranger:
        seen = f"whatever has TCP {port} at {ip} doesn't answer as this machine's daemon does"
        return FAIL, seen, "see what it is, and end it; or say where your daemon is: --daemon IP --client-port N"
    if facts.no_daemon and facts.elsewhere:
        return FAIL, f"no daemon answers at {ip}, which is another machine", "run simp doctor there"
    if facts.no_daemon:
        only6 = ip == "127.0.0.1" and facts.version == 6
        command = starting(6) if only6 else start_command(ip, port)
        why = "isn't running"
        if facts.port_taken or port == DAEMON_PORT:
            why = f"doesn't answer at {format_address(facts.client)}"
        do = (not only6 and facts.advice) or f"Start one with: {command}"
        return FAIL, f"this machine's own daemon {why}", do
    if facts.elsewhere:
        return WARN, f"it runs at {ip}, which is another machine", "run simp doctor there"
    return OK, f"it runs, and answers its clients at {format_address(facts.client)}", ""


def port(facts: Facts) -> Said:
    if facts.no_daemon and facts.port_taken:
        seen = f"UDP {facts.port} of this machine is held by {facts.holder or 'another program'}"
        return FAIL, seen, "if that is your daemon: simp doctor --daemon IP; if not, end it"
    if facts.no_daemon:
        return OK, f"UDP {facts.port} is free for your daemon", ""
    if facts.elsewhere:
        return UNKNOWN, "your daemon is on another machine", ""
    if set(facts.itself.values()) - {Reply.REFUSED}:
        return OK, f"UDP {facts.port} is in use, as it is while your daemon runs", ""
    ports = sorted({each.port for each in facts.announcements if each.hosts & facts.own})
    do = f"simp doctor --port {ports[0]}" if ports else "give it with --port"
    return WARN, f"nothing is at UDP {facts.port}: your daemon has another port", do


def interfaces(facts: Facts) -> Said:
    up = [each for each in facts.interfaces if each.up and each.addresses]
    off = [f"{each.name} is off, or its cable is out" for each in facts.interfaces if not each.up]
    usable = [f"{each.name} {' '.join(each.addresses)}" for each in up if each.multicast]
    if not up:
        seen = f"this machine is on no network: {' and '.join(off) or 'no interface has an address'}"
        return FAIL, seen, "join the network: cable or Wi-Fi"
    if not usable:
        return WARN, "no interface that is on does multicast", "call people by their address"
    return OK, ", ".join(usable + off), ""


def addresses(facts: Facts) -> Said:
    up = [(each, ip_interface(text)) for each in facts.interfaces if each.up for text in each.addresses]
    for one, ip in up:
        if ip.version == 4 and ip.is_link_local:
            return WARN, f"{one.name} has {ip.ip}: no router gave it an address", "look at the cable and the router"
        if one.tunnel and str(ip.ip) == facts.source:
            return WARN, f"what leaves this network goes through {one.name}, a VPN", "try again without it"
    for (one, ip), (other, second) in combinations(up, 2):
        if one != other and ip.network == second.network and not ip.is_link_local:
            return WARN, f"{one.name} and {other.name} are both in {ip.network}", "switch one of them off"
    way = f"other networks see {facts.source}" if facts.source else "no way leads to other networks; none is needed"
    return OK, way, ""


def inbound(facts: Facts) -> Said:
    here = {facts.itself[host] for host in facts.hosts(facts.version) if host in facts.itself}
    if here & {Reply.SILENT, Reply.PROHIBITED, Reply.BLOCKED}:
        what = "UDP {} on its way out" if Reply.BLOCKED in here else "what comes to its UDP {}"
        return FAIL, f"this machine's own firewall drops {what.format(facts.port)}", allow(facts.firewall, facts.port)
    if Reply.PRESENT in here:
        return OK, f"your daemon answers at UDP {facts.port}, asked from this machine", ""
    if Reply.PRESENT not in facts.itself.values():
        return UNKNOWN, f"there is no daemon to ask at UDP {facts.port}", ""
    version = facts.version if here else 10 - facts.version
    again = f"start it again with: {starting(version)}"
    if here:
        return WARN, f"your daemon is at {facts.client[0]}, for this machine alone", again
    if facts.hosts(version):
        seen = f"this machine's own daemon is on IPv{facts.version}, and its network has only IPv{version}"
        return FAIL, seen, again
    return UNKNOWN, "there is no address in a network to ask it at", ""


def multicast(facts: Facts) -> Said:
    echoes = {facts.echoes[host]: host for host in facts.hosts(facts.version) if host in facts.echoes}
    for echo, way in ((Echo.LOST, "incoming"), (Echo.BLOCKED, "outgoing")):
        if host := echoes.get(echo):
            seen = f"this machine's own firewall drops {way} UDP {MDNS_PORT} (at {host}), by which people are found"
            return FAIL, seen, allow(facts.firewall, MDNS_PORT)
    if Echo.UNHEARD in echoes:
        which = f"end it; to see which: ss -ulpn | grep {MDNS_PORT}"
        return WARN, f"another program keeps UDP {MDNS_PORT} for itself", which
    if not echoes:
        return UNKNOWN, f"there is no IPv{facts.version} address in a network to try it from", ""
    return OK, "what this machine sends comes back to it", ""


def others(facts: Facts) -> Said:
    own = facts.own | {facts.client[0]}
    heard = [each for each in facts.neighbours if each.seconds is not None]
    heard = [each for each in heard if parse_address(each.address, DAEMON_PORT)[0] not in own]
    found = [named(each.name) if each.name else each.address for each in heard if each.source == "announced"]
    if facts.unheard and inbound(facts)[0] is OK:
        unheard = [(name, format_address(at)) for name, at in facts.unheard]
        who = [f"{named(name)} ({at})" if name else at for name, at in unheard]
        all_of = (
            f"{len(who)} daemons announce themselves, but don't"
            if who[1:]
            else "a daemon announces itself, but doesn't"
        )
        return (
            WARN,
            f"{all_of} answer yours: {', '.join(who[:5])}",
            f"simp doctor {format_address(facts.unheard[0][1])}",
        )
    if facts.heard:
        return OK, f"mDNS is heard from {', '.join(sorted(facts.heard)[:5])}", ""
    if found:
        return OK, f"your daemon has found {', '.join(found[:5])}", ""
    if multicast(facts)[0] is not OK:
        return UNKNOWN, "nobody's mDNS is heard, for the reason above", ""
    if heard:
        seen = "somebody answers, but nobody's mDNS is heard: nobody announces anything, or the network filters it"
        return WARN, seen, "ask for multicast on the access point and between its networks"
    seen = "nobody's mDNS is heard: no other machine announces anything, or the network filters it"
    return UNKNOWN, seen, "run simp doctor on the other machine, too"


def visible(facts: Facts) -> Said:
    ports = {each.port for each in facts.announcements if each.hosts & facts.own}
    if not facts.looks:
        return WARN, "discovery is off at this machine's own daemon", "start it again without --discovery off"
    if Echo.BLOCKED in facts.echoes.values():
        return FAIL, "nobody can see you, since no multicast gets out", "see multicast"
    if facts.port in ports or (ports and port(facts)[0] is WARN):
        return OK, "your daemon announces itself", ""
    if facts.no_daemon or multicast(facts)[0] is not OK:
        return UNKNOWN, "whether others see you can't be told from here", "run simp who on the other machine"
    do = f"start it again with: {starting(facts.version)}, and read what it says"
    return WARN, "this machine's own daemon isn't announced on this network", do


def names(facts: Facts) -> Said:
    first: dict[str, frozenset[str]] = {}
    for each in sorted(facts.announcements, key=lambda each: sorted(each.hosts)):
        its = each.hosts | (facts.own if each.hosts & facts.own else frozenset())
        hosts = first.setdefault(each.identity, its)
        if not hosts & its:
            seen = f"the daemons at {min(hosts)} and {min(each.hosts)} have one identity: one is a copy, or a forgery"
            do = "if you have copied a profile, move identity and identity.key out of the copy's state directory"
            return WARN, seen, do
    here = Counter(name for name, _ in {(each.name, each.address) for each in facts.neighbours if each.here})
    if (number := here[facts.user]) and facts.user:
        others = "somebody else is" if number == 1 else f"{number} others are"
        return WARN, f"{others} called {facts.user}, as you are", "have one of you take another name"
    for name, number in here.most_common(1):
        if number > 1:
            return WARN, f"{number} people are called {named(name)}", "ask them which is which, and call the address"
    if facts.no_daemon:
        return UNKNOWN, "there is no daemon to list them", ""
    return OK, "everybody here has a name of their own", ""


_EVERY: Final = (daemon, port, interfaces, addresses, inbound, multicast, others, visible, names)
CHECKS: Final = {each.__name__: each for each in _EVERY}
"""By what each is called in a line."""

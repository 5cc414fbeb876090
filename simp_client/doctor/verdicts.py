"""What facts mean: a verdict and the next thing to do for each check, and a sentence for an administrator. Pure."""

from collections import defaultdict
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum, unique
from ipaddress import IPv6Address, ip_address, ip_interface
from itertools import combinations
from typing import Final

from simp_client.doctor.facts import Echo, Facts, Link, Peer, Reply
from simp_client.events import Person
from simp_client.people import called, may_come
from simp_proto.address import Address, format_address, parse_address
from simp_proto.constants import DAEMON_PORT

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


def examine(facts: Facts) -> tuple[list[Finding], str | None]:
    """Every check, in the order in which a person would ask, and one sentence about whoever is looked for."""
    found = [Finding(name, *check(facts)) for name, check in _CHECKS.items()]
    if facts.peer is None:
        return found, None
    more, sentence = _of(facts, facts.peer)
    fails = [each.seen for each in found if each.verdict is FAIL and each.check != "visible"]
    besides = [each for each in fails if each.lower() not in sentence.lower()]
    joint = "; besides, " if any(each.verdict in (FAIL, UNKNOWN) for each in more) else ", but "
    return found + more, joint.join([sentence, *besides[:1]]) + "".join(f", and {each}" for each in besides[1:]) + "."


def allow(firewall: str, port: int) -> str:
    """How whoever sets the rules of such a firewall lets UDP through."""
    return _ALLOW.get(firewall, "let UDP {} in and out at the firewall").format(port)


def listed(facts: Facts, address: Address) -> Person | None:
    """Whom this machine's daemon has at that address."""
    return next((each for each in facts.neighbours if each.address == format_address(address)), None)


def places(facts: Facts, name: str) -> list[Address]:
    """Where those of that name are, by the daemon's list or else by what was heard."""
    if known := called(facts.neighbours, name):
        return [parse_address(each.address, DAEMON_PORT) for each in known]
    heard = [each for each in facts.announcements if name and each.name == name and not each.hosts & facts.own]
    near = [
        min(each.hosts, key=lambda host: (not any(one.joins(host) for one in facts.interfaces), ":" in host, host))
        for each in heard
    ]
    return sorted({(host, each.port) for host, each in zip(near, heard, strict=True)})


def nobodys(facts: Facts, address: Address) -> str:
    """What that address is, if it is no other machine's."""
    ip = ip_address(address[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        return f"an IPv4 address in the spelling of IPv6: give {ip.ipv4_mapped}"
    if ip.is_multicast:
        return "a multicast address, which stands for a group of machines"
    if ip.is_unspecified or (ip.version == 4 and int(ip) < 1 << 24):
        return "an address that stands for no machine"
    for one in facts.interfaces:
        for network in (ip_interface(each).network for each in one.addresses if one.joins(address[0])):
            if ip in (network.network_address, network.broadcast_address) and network.num_addresses > 2:
                if ip == network.network_address:
                    return f"the address of the network {network} itself, and no machine's"
                if ip.version == 4:
                    return f"the broadcast address of {network}, which stands for every machine in it"
    if ip.version == 4 and ip.is_reserved:
        broadcast = "the broadcast address, which stands for every machine" if int(ip) == 0xFFFFFFFF else ""
        return broadcast or "a reserved address, which no machine has"
    everywhere = any(facts.itself.get(each) is Reply.PRESENT for each in facts.hosts(ip.version))
    here = address[0] in facts.own or (ip.is_loopback and everywhere)
    return "this machine itself" if here and address[1] == facts.port and not listed(facts, address) else ""


# -- this machine


def _daemon(facts: Facts) -> Said:
    why, _, start = facts.no_daemon.partition(". ")
    if why and facts.stranger:
        seen = f"whatever has TCP {facts.client[1]} at {facts.client[0]} doesn't answer as this machine's daemon does"
        return FAIL, seen, "see what it is, and end it; or name the daemon's: --daemon IP --client-port N"
    if why:
        start = f"Start one with: {_start(6)}" if facts.client[0] == "127.0.0.1" and facts.version == 6 else start
        if facts.port_taken:
            return FAIL, f"this machine's own daemon doesn't answer at {format_address(facts.client)}", start
        return FAIL, f"this machine's own daemon isn't running (start it with: {start.rpartition(': ')[2]})", start
    if facts.elsewhere:
        return WARN, f"it runs at {facts.client[0]}, which is another machine", "run simp doctor there"
    return OK, f"it runs, and answers its clients at {format_address(facts.client)}", ""


def _port(facts: Facts) -> Said:
    port = f"UDP {facts.port}"
    if facts.no_daemon and not facts.port_taken:
        return OK, f"{port} is free for the daemon", ""
    if facts.no_daemon:
        seen = f"{port} of this machine is held by {facts.holder or 'another program'}"
        return FAIL, seen, "if that is your daemon: simp doctor --daemon IP; else end it"
    if facts.elsewhere:
        return UNKNOWN, "the daemon is on another machine", ""
    if set(facts.itself.values()) <= {Reply.REFUSED}:
        ports = sorted({each.port for each in facts.announcements if each.hosts & facts.own})
        seen = f"nobody has {port}: your daemon has another port"
        return WARN, seen, f"simp doctor --port {ports[0]}" if ports else "give it with --port"
    return OK, f"{port} is in use, as it is while the daemon runs", ""


def _interfaces(facts: Facts) -> Said:
    up = [each for each in facts.interfaces if each.up and each.addresses]
    down = [each.name for each in facts.interfaces if not each.up]
    if not up:
        which = f"{' and '.join(down)} is off, or its cable is out" if down else "no interface has an address"
        return FAIL, f"this machine is on no network: {which}", "join the network: cable or Wi-Fi"
    usable = [f"{each.name} {' '.join(each.addresses)}" for each in up if each.multicast]
    if not usable:
        return WARN, "none that is up does multicast", "call people by their address"
    return OK, ", ".join(usable + [f"{each} is off, or its cable is out" for each in down]), ""


def _addresses(facts: Facts) -> Said:
    up = [(each, ip_interface(text)) for each in facts.interfaces if each.up for text in each.addresses]
    for one, ip in up:
        if ip.version == 4 and ip.is_link_local:
            seen = f"{one.name} has {ip.ip}: the network gave it no address"
            return WARN, seen, "look at the cable, the Wi-Fi's password, and the router"
        if one.tunnel and str(ip.ip) == facts.source:
            seen = f"everything beyond this network goes through {one.name}, a VPN"
            return WARN, seen, "try again without it; some keep the local network out"
    for (one, ip), (other, second) in combinations(up, 2):
        if one != other and ip.network == second.network and not ip.is_link_local:
            return WARN, f"{one.name} and {other.name} are both in {ip.network}", "switch one of them off"
    way = f"other networks see {facts.source}" if facts.source else "no way leads to other networks; none is needed"
    return OK, way, ""


def _inbound(facts: Facts) -> Said:
    here = [host for host in facts.hosts(facts.version) if host in facts.itself]
    said = {facts.itself[host] for host in here}
    if said & {Reply.SILENT, Reply.PROHIBITED, Reply.BLOCKED}:
        way = f"what comes to its UDP {facts.port}"
        if Reply.BLOCKED in said:
            way = f"UDP {facts.port} on its way out"
        return FAIL, f"this machine's own firewall drops {way}", allow(facts.firewall, facts.port)
    if Reply.PRESENT in said:
        return OK, f"the daemon answers at UDP {facts.port}, asked from this machine", ""
    if Reply.PRESENT not in facts.itself.values():
        return UNKNOWN, f"there is no daemon to ask at UDP {facts.port}", ""
    other = 10 - facts.version
    if not here and not facts.hosts(other):
        return UNKNOWN, "there is no address in a network to ask it at", ""
    if not here:
        seen = f"this machine's own daemon is on IPv{facts.version}, and its network has only IPv{other}"
        return FAIL, f"{seen} (start it anew with: {_start(other)})", f"start it anew with: {_start(other)}"
    return (
        WARN,
        f"your daemon is at {facts.client[0]}, for this machine alone",
        f"start it anew with: {_start(facts.version)}",
    )


def _start(version: int) -> str:
    return "simp daemon" if version == 4 else "simp daemon ::"


def _multicast(facts: Facts) -> Said:
    echoes = {host: facts.echoes[host] for host in facts.hosts(facts.version) if host in facts.echoes}
    for host, echo in echoes.items():
        if echo is Echo.UNHEARD:
            return (
                WARN,
                f"another program keeps UDP {_MDNS} for itself: nobody is found",
                f"end it: ss -ulpn | grep {_MDNS}",
            )
        if echo is not Echo.HEARD:
            way = "outgoing" if echo is Echo.BLOCKED else "incoming"
            seen = f"this machine's own firewall drops {way} UDP {_MDNS} (at {host}), by which people are found"
            return FAIL, seen, allow(facts.firewall, _MDNS)
    if not echoes:
        return UNKNOWN, f"there is no IPv{facts.version} address in a network to try it from", ""
    return OK, "what this machine sends comes back to it", ""


def _others(facts: Facts) -> Said:
    if facts.heard:
        return OK, f"mDNS is heard from {', '.join(sorted(facts.heard)[:5])}", ""
    own = facts.own | {facts.client[0]}
    heard = [each for each in facts.neighbours if each.seconds is not None and not _hosts(each) <= own]
    if found := [each for each in heard if each.source == "announced"]:
        return OK, f"your daemon has found {', '.join(each.name or each.address for each in found[:5])}", ""
    if _multicast(facts)[0] is not OK:
        return UNKNOWN, "nobody's mDNS is heard, which the line above explains", ""
    if heard:
        seen = "somebody answers, but nobody's mDNS is heard: the network filters it, or they don't announce themselves"
        return WARN, seen, "ask for multicast on the access point and between its networks"
    seen = "nobody's mDNS is heard: no other machine announces anything, or the network filters multicast"
    return UNKNOWN, seen, "run simp doctor on the other machine, too"


def _hosts(person: Person) -> set[str]:
    return {parse_address(person.address, DAEMON_PORT)[0]}


def _visible(facts: Facts) -> Said:
    if Echo.BLOCKED in facts.echoes.values():
        return FAIL, "nobody can see you, since no multicast gets out", "see multicast"
    ports = {each.port for each in facts.announcements if each.hosts & facts.own}
    if facts.port in ports or (ports and _port(facts)[0] is WARN):
        return OK, "your daemon announces itself", ""
    if facts.no_daemon or _multicast(facts)[0] is not OK:
        return UNKNOWN, "whether others see you can't be told from here", "run simp who on the other machine"
    seen = "this machine's own daemon isn't announced on this network, as with --discovery off"
    return WARN, seen, "start it without IP, and without --discovery off"


def _names(facts: Facts) -> Said:
    by_identity, by_name = defaultdict(list), defaultdict(list)
    for announcement in facts.announcements:
        by_identity[announcement.identity].append(announcement.hosts)
    for person in facts.neighbours:
        if person.here:
            by_name[person.name].append(person.address)
    for identity, hosts in by_identity.items():
        if not frozenset.intersection(*hosts):
            where = " and ".join(sorted({min(each) for each in hosts})[:5])
            seen = f"the daemons at {where} have one identity, {identity}: one is a copy, or a forgery"
            return WARN, seen, "at the copy, delete the file identity in its state directory"
    for name, addresses in by_name.items():
        if len(addresses) > 1:
            seen = f"{len(addresses)} people are called {name}: {', '.join(addresses[:5])}"
            return WARN, seen, "ask them which is which, and call the address"
    if facts.no_daemon:
        return UNKNOWN, "there is no daemon to list them", ""
    return OK, "everybody here has a name of their own", ""


_CHECKS: Final = {
    "daemon": _daemon,
    "port": _port,
    "interfaces": _interfaces,
    "addresses": _addresses,
    "inbound": _inbound,
    "multicast": _multicast,
    "others": _others,
    "visible": _visible,
    "names": _names,
}


# -- whoever is looked for


def _of(facts: Facts, peer: Peer) -> tuple[list[Finding], str]:
    if peer.address is None or peer.mistake:
        found, sentence = _unaddressed(facts, peer)
        return [found], sentence
    address = format_address(peer.address)
    person = listed(facts, peer.address)
    announced = next((each.name for each in facts.announcements if peer.address[0] in each.hosts), "")
    name = peer.name or (person.name if person else announced)
    who = f"{name} ({address})" if name else address
    if facts.no_daemon:
        found = Finding("peer", WARN, "there is no daemon to list it")
    elif person is None:
        found = Finding("peer", WARN, f"your daemon doesn't list {address}")
    elif person.seconds is None:
        found = Finding("peer", WARN, f"{who} is known ({person.source}), and doesn't answer your daemon")
    else:
        found = Finding("peer", OK, f"{who} was heard by your daemon {person.seconds} s ago ({person.source})")
    if peer.reply is Reply.PRESENT:
        nobody = "" if peer.name else "; nobody is at it"
        cause = Finding("answer", OK, f"its daemon answers this command{nobody}")
        sentence = _reached(facts, peer, peer.address, who, person)
    else:
        cause, sentence = _unreached(facts, peer, peer.address, who)
    route = Finding("route", OK, f"there is a way to {peer.address[0]}")
    there = Finding("machine", OK, "the machine is there")
    if peer.link is not Link.THERE and not facts.announced(peer.address):
        there = Finding("machine", UNKNOWN, f"whether it is there can't be told: {peer.link.value}")
    around = {"route": [cause], "outgoing": [route, cause], "machine": [route, cause]}
    return [found, *around.get(cause.check, [route, cause, there])], sentence


def _unaddressed(facts: Facts, peer: Peer) -> tuple[Finding, str]:
    """Why that leads to nobody's address."""
    wanted, found = peer.wanted, places(facts, peer.wanted)
    if len(found) > 1:
        where = [format_address(each) for each in found]
        seen = f"{wanted} is at {', '.join(where[:5])}"
        sentence = f"{len(found)} people are called {wanted}, so that the name alone leads to nobody"
        return Finding("peer", FAIL, seen, f"choose one: simp doctor {where[0]}"), sentence
    if peer.address:
        seen = f"{wanted} is {peer.mistake}"
        return Finding("peer", FAIL, seen, "give the address of another machine, such as simp who lists"), seen
    if not may_come(wanted) or wanted[0] in "[0123456789":
        sentence = f"{wanted} is nobody's name here, and no address that can be asked: {peer.mistake}"
        return Finding("peer", FAIL, peer.mistake, "simp who lists who is here, with addresses"), sentence
    if any(each.name == wanted for each in facts.announcements):
        seen = f"{wanted} is whoever is at this machine itself"
        return Finding("peer", FAIL, seen, "give the name of somebody else, such as simp who lists"), seen
    seen = f"nobody called {wanted} is known"
    names = {each.name for each in facts.neighbours} | {each.name for each in facts.announcements}
    alike = {each.casefold(): each for each in sorted(names) if each}
    for near in get_close_matches(wanted.casefold(), alike, 1):
        sentence = f"Nobody called {wanted} is known on this network, but {alike[near]} is"
        return Finding("peer", FAIL, seen, f"if that is meant: simp doctor {alike[near]}"), sentence
    for check in ("interfaces", "daemon", "inbound", "multicast", "visible"):
        verdict, why, do = _CHECKS[check](facts)
        if verdict is FAIL or (verdict is WARN and check == "visible"):
            sentence = f"Whether anybody called {wanted} is here can't be told, since {why}"
            return Finding("peer", UNKNOWN, seen, do), sentence
    ask = "ask for the IP address, and give that to simp doctor"
    return Finding("peer", FAIL, seen, ask), f"Nobody called {wanted} is known on this network"


def _reached(facts: Facts, peer: Peer, address: Address, who: str, person: Person | None) -> str:
    """What an answer to this command means for the daemon."""
    on = [each for each, said in facts.itself.items() if said is Reply.PRESENT]
    local = ip_address(address[0]).is_loopback or address[0] in facts.own
    if facts.no_daemon or any(check(facts)[0] is FAIL for check in _CHECKS.values()):
        return f"{who} answers"
    if on and not local and facts.itself.get(peer.source or "", Reply.REFUSED) is Reply.REFUSED:
        start = _start(6 if ":" in address[0] else 4)
        where = f"{who} answers, but this machine's own daemon is only at {', '.join(on)}"
        return f"{where}, from where no way leads there (start it anew with: {start})"
    if person is not None and person.seconds is not None:
        return f"{who} can be reached: nothing is in the way"
    if _visible(facts)[0] is WARN:
        return f"{who} can be reached by its address, but {_visible(facts)[1]}"
    if person is not None and person.source == "announced":
        drops = f"this machine's own firewall drops what others send to its UDP {facts.port}, it seems"
        return f"{who} answers, but {drops}: this command gets an answer, and the daemon doesn't"
    unfound = f"{who} can be reached by its address, but this machine's own daemon hasn't found it"
    return f"{unfound}: the network filters multicast, it seems"


def _unreached(facts: Facts, peer: Peer, address: Address, who: str) -> tuple[Finding, str]:  # noqa: PLR0912  a case for each cause
    """How far one gets."""
    host, number = address
    port, machine = f"UDP {number}", f"The machine of {who}"
    reply, link, runs = peer.reply, peer.link, facts.announced(address)
    said = peer.told | {each for each in facts.announcements if host in each.hosts}
    others = sorted({format_address((host if host in each.hosts else min(each.hosts), each.port)) for each in said})
    where = " and ".join(others[:5])
    let_in = f"over there, let {port} in, such as: {allow('ufw', number)}"
    if reply is not Reply.REFUSED and (out := _out(facts, host, peer.source)):
        found = Finding("route", FAIL, out, "put the cable in, join the Wi-Fi, or switch it on")
        return found, f"Nothing gets from this machine to {who}, since {out}"
    if reply is Reply.NO_ROUTE and runs:
        found = Finding("route", FAIL, f"no way leads to {host}", "give both machines addresses of one network")
        why = "the two have addresses of different networks"
        return found, f"This machine has no route to {who}, which it hears: {why}"
    if reply is Reply.NO_ROUTE:
        version = ip_address(host).version
        own = [ip_interface(each) for one in facts.interfaces if one.up for each in one.addresses]
        networks = {str(each.network) for each in own if each.version == version and not each.is_link_local}
        within = f"it has no IPv{version} address in a network"
        if networks:
            within = f"it is in {' and '.join(sorted(networks))}, and no router joins the two networks"
        do = "join the same network, or have a router join the two"
        found = Finding("route", FAIL, f"no way leads from this machine to {host}", do)
        return found, f"This machine has no route to {who}: {within}"
    if reply is Reply.BLOCKED:
        seen = f"this machine's own firewall drops {port} on its way out"
        return Finding("outgoing", FAIL, seen, allow(facts.firewall, number)), f"T{seen[1:]} to {who}"
    if reply is Reply.UNASKED and others:
        found = Finding("answer", FAIL, f"a daemon is announced at {where} instead", f"simp doctor {others[0]}")
        return found, f"{machine} is there, but its daemon is at {where}"
    if reply is Reply.REFUSED and not runs:
        start = f"over there, start it: {_start(6 if ':' in host else 4)}"
        found = Finding("answer", FAIL, f"nothing listens at {port}", start)
        return found, f"{machine} is there, but no daemon runs at {port}{f'; one is at {where}' if others else ''}"
    if reply is Reply.REFUSED or (reply is Reply.PROHIBITED and (runs or link is Link.THERE)):
        found = Finding("answer", FAIL, f"a firewall rejects {port}", let_in)
        return found, f"{machine} is there, but something rejects {port} to it: its firewall"
    if link is Link.ABSENT and runs:
        found = Finding("machine", FAIL, "it is announced, but doesn't answer on the link", "try with a cable")
        return found, f"{machine} announces itself, but the access point or a switch keeps from it what is for it alone"
    if link is Link.ABSENT:
        seen = "no machine has that address, or an access point keeps its clients apart"
        found = Finding("machine", FAIL, seen, "see whether it is on; if so, try both with a cable")
        tell = "if it is on, and a cable joins the two, it is the access point"
        return found, f"{machine} is off or gone, or the access point keeps its clients apart; {tell}"
    if reply is Reply.SILENT and not peer.answers:
        for verdict, why, do in (_inbound(facts), _multicast(facts)):
            if verdict is FAIL:
                found = Finding("answer", UNKNOWN, "nothing comes back, for which this machine is reason enough", do)
                return found, f"Nothing comes back from {who}, which can't be judged as long as {why}"
    if reply is Reply.SILENT and (runs or link is Link.THERE):
        found = Finding("answer", FAIL, "nothing comes back, though the machine is there", let_in)
        doubts = ["its daemon hangs"] * (not runs) + ["this machine's own lets no answers in"] * (not peer.answers)
        unless = f", unless {' or '.join(doubts)}" if doubts else ""
        return found, f"{machine} is there, but something drops {port} to it: its firewall{unless}"
    if reply in (Reply.SILENT, Reply.PROHIBITED):
        found = Finding("answer", FAIL, "nothing comes back", "run simp doctor over there")
        return found, f"Nothing comes back from {who}: it is off, or a firewall drops {port}"
    seen = "no daemon is announced there, and one that isn't might not understand a question"
    found = Finding("answer", UNKNOWN, seen, f"simp probe {format_address(address)}, which rings")
    none = f"{machine} is there, but announces no daemon" if link is Link.THERE else f"No daemon is announced at {who}"
    return found, f"{none}: whether one runs at {port} shows only a call, or simp probe"


def _out(facts: Facts, host: str, source: str | None) -> str:
    """Which interface on the way there is off, if one is."""
    if ip_address(host).is_loopback:
        return ""
    if not any(each.up for each in facts.interfaces):
        return _interfaces(facts)[1]
    mine = [each for each in facts.interfaces if source in each.hosts]
    mine = mine or [each for each in facts.interfaces if each.joins(host)]
    off = [each.name for each in mine if not each.up]
    return f"this machine's own {off[0]} is off, or its cable is out" if off and len(off) == len(mine) else ""

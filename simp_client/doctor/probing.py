"""Gathers the facts, without root, and sends nothing that a daemon might not understand (discovery 3.4)."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from socket import create_connection

from simp_client.doctor import system
from simp_client.doctor.facts import Facts, Link, Peer, Reply
from simp_client.doctor.questions import announced_at, listen, present
from simp_client.doctor.verdicts import listed, nobodys, places
from simp_client.link import NoDaemonError
from simp_client.listing import list_neighbours
from simp_proto.address import Address, parse_address
from simp_proto.constants import DAEMON_PORT, PRESENCE_SETTLED
from simp_proto.errors import AddressError
from simp_proto.interfaces import interfaces
from simp_proto.printable import printable
from simp_proto.udp import AFAR, resolved


def gather(client: Address | None, client_port: int, port: int, wanted: str | None) -> Facts:
    """Everything about this machine, and about whoever has that name or address; takes some seconds.

    `client` is where the daemon's clients connect; without it, each of this machine's addresses is tried.
    """
    here = interfaces()
    hosts = [host for each in here if each.up and each.multicast for host in each.hosts]
    tried = [client] if client else [(host, client_port) for host in ("127.0.0.1", "::1", *hosts)]
    taken = next(filter(_accepts, tried), None)
    facts = Facts(port, taken or tried[0], stranger=taken is not None, interfaces=here)
    facts = replace(facts, source=system.source(AFAR[0][0]), firewall=system.firewall())
    host = facts.client[0]
    with ThreadPoolExecutor() as pool:
        listening = pool.submit(listen, [*hosts, host] if host.startswith("127.") else hosts)
        facts = _listing(facts)
        echoes, heard, announcements = listening.result()
        if facts.no_daemon:
            where = ("0.0.0.0" if ip_address(host).is_loopback else host, port)
            facts = replace(facts, port_taken=system.taken(where), holder=system.holder(port))
        elif not facts.elsewhere:
            own = list(dict.fromkeys([*facts.hosts(facts.version), host]))
            replies = list(pool.map(lambda each: present((each, port)), own))
            user = next((name for _, name in replies if name), "")
            facts = replace(facts, user=user, itself={at: reply for at, (reply, _) in zip(own, replies, strict=True)})
    facts = replace(facts, echoes=echoes, heard=frozenset(heard - facts.own), announcements=announcements)
    facts = _listing(facts) if facts.unheard else facts  # which may have come meanwhile, or have been heard before
    return _seek(facts, printable(wanted.strip()), hosts) if wanted else facts


def _accepts(client: Address) -> bool:
    with suppress(OSError), create_connection(client, 1):
        return True
    return False


def _listing(facts: Facts) -> Facts:
    """With the daemon's list."""
    try:
        listing = asyncio.run(list_neighbours(facts.client, PRESENCE_SETTLED))
    except NoDaemonError as error:
        return replace(facts, no_daemon=str(error), advice=error.advice)
    return replace(facts, neighbours=tuple(listing.people), looks=listing.looks)


def _seek(facts: Facts, wanted: str, hosts: list[str]) -> Facts:
    """With whoever is looked for, and whatever else has shown on the way."""
    found = places(facts, wanted)
    try:
        where = parse_address(wanted, DAEMON_PORT)
    except AddressError as error:
        if len(found) != 1:
            return replace(facts, peer=Peer(wanted, "" if found else str(error)))
        where = found[0]
    host = where[0]
    mistake = nobodys(facts, where)
    try:
        resolved(where)
    except OSError:
        mistake = f"an address at an interface that this machine doesn't have, {host.rpartition('%')[2]}"
    peer = Peer(wanted, mistake, where, system.source(host), link=Link.THERE)
    if mistake:
        return replace(facts, peer=peer)
    began = time.monotonic()
    person = listed(facts, where)
    listed_so = person is not None and person.source == "announced"
    interface = next((each.name for each in facts.interfaces if each.joins(host)), "")
    told = frozenset() if listed_so or facts.announced(where) else announced_at(host, interface)
    facts = replace(facts, announcements=facts.announcements | told)
    if listed_so or facts.announced(where):
        reply, name = present(where)
        peer = replace(peer, reply=reply, name=name or "")
    if peer.reply is Reply.PRESENT:
        stale = not facts.no_daemon and (person is None or person.seconds is None)
        return replace(_listing(facts) if stale else facts, peer=peer)
    if peer.reply in (Reply.REFUSED, Reply.SILENT, Reply.PROHIBITED):  # does it run at this moment?
        told = told or announced_at(host, interface)
        facts = replace(facts, announcements=listen(hosts)[2] | told)
    local = host in facts.own or ip_address(host).is_loopback
    if not (told or local) and peer.reply not in (Reply.REFUSED, Reply.BLOCKED):
        patience = system.LOOKED_FOR if facts.announced(where) else system.TRUSTED
        link, reply = system.link(host, bool(interface), began, patience)
        peer = replace(peer, link=link, reply=reply if reply is Reply.NO_ROUTE else peer.reply)
    others = [each for each in facts.neighbours if each.seconds is not None and each.source == "announced"]
    answers = bool(told)
    if peer.reply is Reply.SILENT and not told:  # does this machine let in what answers it?
        asked = [parse_address(each.address, DAEMON_PORT) for each in others if each != person][:2]
        answers = any(present(each)[0] is Reply.PRESENT for each in asked)
    return replace(facts, peer=replace(peer, told=told, answers=answers))

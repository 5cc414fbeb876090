"""Gathers the facts, without root, and sends nothing that a daemon might not understand (discovery 3.4)."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from socket import create_connection
from typing import Final

from simp_client.doctor import system
from simp_client.doctor.facts import Facts, Link, Peer, Reply
from simp_client.doctor.questions import announced_at, ask, listen, present
from simp_client.doctor.verdicts import listed, nobodys, places
from simp_client.link import NoDaemonError
from simp_client.listing import list_neighbours
from simp_proto.address import Address, parse_address
from simp_proto.constants import DAEMON_PORT
from simp_proto.errors import AddressError
from simp_proto.interfaces import interfaces
from simp_proto.printable import printable
from simp_proto.udp import AFAR, resolved

_LISTING: Final = 3.5
"""Seconds until the daemon's list is true: whoever has vanished is gone after 3."""
_LOOKED_FOR: Final = 4.0
"""Seconds after which the system knows that nobody has an address on the link."""
_TRUSTED: Final = 60.0
"""Seconds after which it has asked again whoever it knew: it trusts an answer for at most 45, and asks for 8."""


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
            replies = pool.map(lambda each: present((each, port))[0], own)
            facts = replace(facts, itself=dict(zip(own, replies, strict=True)))
    facts = replace(facts, echoes=echoes, heard=frozenset(heard - facts.own), announcements=announcements)
    return _seek(facts, printable(wanted.strip()), hosts) if wanted else facts


def _accepts(client: Address) -> bool:
    with suppress(OSError), create_connection(client, 1):
        return True
    return False


def _listing(facts: Facts) -> Facts:
    """With the daemon's list."""
    try:
        listing = asyncio.run(list_neighbours(facts.client, _LISTING))
    except NoDaemonError as error:
        return replace(facts, no_daemon=str(error))
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
    if not told and peer.reply not in (Reply.REFUSED, Reply.BLOCKED):
        link, reply = _link(facts, host, began, _LOOKED_FOR if facts.announced(where) else _TRUSTED)
        peer = replace(peer, link=link, reply=reply if reply is Reply.NO_ROUTE else peer.reply)
    others = [each for each in facts.neighbours if each.seconds is not None and each.source == "announced"]
    answers = bool(told)
    if peer.reply is Reply.SILENT and not told:  # does this machine let in what answers it?
        asked = [parse_address(each.address, DAEMON_PORT) for each in others if each != person][:2]
        answers = any(present(each)[0] is Reply.PRESENT for each in asked)
    return replace(facts, peer=replace(peer, told=told, answers=answers))


def _link(facts: Facts, host: str, began: float, patience: float) -> tuple[Link, Reply]:
    """Whether a machine that has been sent something since then is there, by the system's table of neighbours.

    What that knew before proves nothing: it keeps whoever has answered for a while.
    """
    if ip_address(host).is_loopback or host in facts.own:
        return Link.THERE, Reply.SILENT
    local = any(each.joins(host) for each in facts.interfaces)
    while True:
        reply, _ = ask((host, system.DISCARD), b"", lambda _: None, 1)  # makes the system look for the machine
        if reply is Reply.REFUSED:
            return Link.THERE, reply
        if not local or reply is Reply.NO_ROUTE:
            return Link.BEYOND, reply
        proved, absent = system.proof(host)
        passed = time.monotonic() - began
        if proved is not None and proved + 1 < passed:
            return Link.THERE, reply
        if absent and passed > _LOOKED_FOR:
            return Link.ABSENT, reply
        if passed > (_LOOKED_FOR if proved is None else patience):
            return Link.UNKNOWN, reply
        time.sleep(0.3)

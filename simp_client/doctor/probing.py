"""Gathers the facts, without root, and sends nothing that a daemon might not understand (discovery 3.4)."""

import asyncio
import errno
import platform
import re
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any, Final

import ifaddr

from simp_client.doctor.facts import Announcement, Echo, Facts, Interface, Link, Peer, Reply
from simp_client.doctor.verdicts import entries
from simp_client.link import NoDaemonError
from simp_client.listing import list_neighbours
from simp_proto.address import Address, parse_address
from simp_proto.constants import (
    DAEMON_PORT,
    IDENTITY,
    PRESENCE_ANSWER,
    PRESENCE_QUESTION,
    SERVICE,
    Control,
    Framing,
    Type,
)
from simp_proto.datagram import Datagram, build, parse
from simp_proto.errors import AddressError, DatagramError
from simp_proto.printable import NOBODY, names_person, printable
from simp_proto.udp import AFAR, LARGEST, bind, local_host, resolved

_QUESTION: Final = build(Datagram(Type.CONTROL, Control.ACK, 0, NOBODY.encode(), PRESENCE_QUESTION, Framing.HEADER))
_TRIES: Final = 3
"""A second each (discovery 3.3)."""
_LISTING: Final = 3.5
"""Seconds until the daemon's list is true: whoever has vanished is gone after 3."""
_LISTEN: Final = 2.5
_GROUP: Final = ("224.0.0.251", 5353)
_INSTANCE: Final = re.compile(rf"(?:.+ )?({IDENTITY})\.{re.escape(SERVICE)}$")
_UP, _TUNNEL, _MULTICAST = 0x1, 0x10, 0x1000
"""From <linux/if.h>."""
_SETTLED: Final = 9.0
"""Seconds until the system has noticed that a machine doesn't answer on the link any more."""
_ARP: Final = ("-a",) if platform.system() == "Windows" else ("-n",)
_DISCARD: Final = 9
"""A UDP port where no daemon is (RFC 863)."""


def gather(client: Address, port: int, wanted: str | None) -> Facts:
    """Everything about this machine, and about whoever has that name or address; takes some seconds."""
    interfaces = _interfaces()
    here = [host for each in interfaces if each.up and each.multicast for host in each.hosts]
    single = client[0] not in ("127.0.0.1", "::1")  # the daemon has one address, where its clients connect, too
    if single and ip_address(client[0].partition("%")[0]).is_loopback:
        here = [client[0]]
    with ThreadPoolExecutor() as pool:
        listening = pool.submit(_listen, [host for host in here if ":" not in host])
        no_daemon, neighbours = None, []
        try:
            neighbours = asyncio.run(list_neighbours(client, _LISTING)).people
        except NoDaemonError as error:
            no_daemon = str(error)
        echoes, heard, announcements = listening.result()
    own = client[0] if single else here[0] if here else None
    facts = Facts(
        port,
        no_daemon,
        tuple(neighbours),
        itself=_ask((own, port))[0] if own and not no_daemon else Reply.UNASKED,
        port_taken=_taken(client[0] if single else "0.0.0.0", port),
        holder=_holder(port) if no_daemon else None,
        interfaces=interfaces,
        source=_source(),
        echoes=echoes,
        heard=frozenset(heard),
        announcements=frozenset(announcements),
        firewall=_firewall(),
    )
    return replace(facts, peer=_peer(facts, wanted)) if wanted else facts


def _peer(facts: Facts, wanted: str) -> Peer:
    listed = entries(facts.neighbours, wanted)
    try:
        where = parse_address(wanted, DAEMON_PORT)
    except AddressError:
        if len(listed) != 1:
            return Peer(wanted)
        where = parse_address(listed[0].address, DAEMON_PORT)
    if facts.announced(where) or any(each.source == "announced" for each in listed):
        reply, name = _ask(where)
        machine = reply
    else:
        machine, name = _ask((where[0], _DISCARD), b"", tries=1)  # makes the system look for the machine
        reply = machine if machine is Reply.NO_ROUTE else Reply.UNASKED
    link = Link.UNKNOWN
    if machine in (Reply.PRESENT, Reply.REFUSED):
        link = Link.THERE
    elif machine in (Reply.SILENT, Reply.PROHIBITED):
        link = _link(facts, where[0])
    return Peer(wanted, where, reply, name, link)


# -- questions


def _ask(address: Address, question: bytes = _QUESTION, tries: int = _TRIES) -> tuple[Reply, str]:
    """What comes back, and the name in it."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.connect(resolved(address))
        except OSError:
            return Reply.NO_ROUTE, ""
        sent = False
        for _ in range(tries):
            end = time.monotonic() + 1
            try:
                udp.send(question)
                sent = True
                while (left := end - time.monotonic()) > 0:
                    udp.settimeout(left)
                    with suppress(DatagramError):
                        answer = parse(udp.recv(LARGEST))
                        if answer.payload == PRESENCE_ANSWER:
                            return Reply.PRESENT, printable(answer.name) if names_person(answer.name) else ""
            except TimeoutError:
                continue
            except (ConnectionRefusedError, ConnectionResetError):  # the latter on Windows
                return Reply.REFUSED, ""
            except OSError as error:
                if error.errno == errno.EPERM or (error.errno == errno.EACCES and not sent):
                    return Reply.BLOCKED, ""
                return (Reply.PROHIBITED if sent else Reply.NO_ROUTE), ""
    return Reply.SILENT, ""


def _link(facts: Facts, host: str) -> Link:
    """What the system's neighbour table says of a machine that was just sent something."""
    ip = ip_address(host.partition("%")[0])
    if not any(ip in ip_interface(each).network for one in facts.interfaces for each in one.addresses):
        return Link.BEYOND
    end = time.monotonic() + _SETTLED
    while True:
        told = _run("ip", "neigh", "show", "to", str(ip)) or _run("arp", *_ARP, host)
        if "REACHABLE" in told:
            return Link.THERE
        if not re.search("DELAY|PROBE|STALE|INCOMPLETE", told) or time.monotonic() > end:
            break
        time.sleep(0.3)
    if re.search("FAILED|INCOMPLETE|incomplete|no entry", told):
        return Link.ABSENT
    return Link.THERE if re.search(r"(?:[0-9a-f]{1,2}[:-]){5}", told) else Link.UNKNOWN


# -- this machine


def _interfaces() -> tuple[Interface, ...]:
    found = []
    for adapter in ifaddr.get_adapters():
        addresses = []
        for each in adapter.ips:
            host = each.ip if isinstance(each.ip, str) else each.ip[0]
            if not ip_address(host.partition("%")[0]).is_loopback:
                addresses.append(f"{host.partition('%')[0]}/{each.network_prefix}")
        flags = _UP | _MULTICAST
        with suppress(OSError, ValueError):  # elsewhere than on Linux an address is all that is told
            flags = int(Path(f"/sys/class/net/{adapter.name}/flags").read_text("ascii"), 16)
        if addresses:
            tunnel = bool(flags & _TUNNEL) or bool(re.match("u?tun|wg|ppp|tap", adapter.name))
            up, multicast = bool(flags & _UP), bool(flags & _MULTICAST)
            found.append(Interface(adapter.nice_name, tuple(addresses), up, multicast, tunnel))
    return tuple(found)


def _source() -> str | None:
    with suppress(OSError):
        return local_host(AFAR[0])  # an address for examples (RFC 5737), which nothing is sent to
    return None


def _taken(host: str, port: int) -> bool:
    try:
        bind((host, port)).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def _holder(port: int) -> str | None:
    """The program with that UDP port, where Linux tells: that of this user, or any for the superuser."""
    inodes = set()
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        with suppress(OSError):
            rows = [line.split() for line in Path(table).read_text("ascii").splitlines()[1:]]
            inodes |= {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}")}
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        with suppress(OSError):
            if any(str(each.readlink()) in inodes for each in (process / "fd").iterdir()):
                return f"{printable((process / 'comm').read_text('utf-8', 'replace').strip())} ({process.name})"
    return None


def _firewall() -> str:
    known = [tool for tool in ("ufw", "firewall-cmd") if shutil.which(tool)]
    return known[0] if known else platform.system()


def _run(*command: str) -> str:
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout
    return ""


# -- multicast


def _listen(hosts: list[str]) -> tuple[dict[str, Echo], set[str], set[Announcement]]:
    """Asks for services from each address; what became of that, whose mDNS is heard, and which daemons answer."""
    # Loaded only here, since it takes a tenth of a second.
    from zeroconf import const  # noqa: PLC0415
    from zeroconf._dns import DNSQuestion  # noqa: PLC0415
    from zeroconf._protocol.incoming import DNSIncoming  # noqa: PLC0415
    from zeroconf._protocol.outgoing import DNSOutgoing  # noqa: PLC0415

    out = DNSOutgoing(const._FLAGS_QR_QUERY)
    for name in (SERVICE, "_services._dns-sd._udp.local."):
        out.add_question(DNSQuestion(name, const._TYPE_PTR, const._CLASS_IN))
    (question,) = out.packets()
    echoes: dict[str, Echo] = {}
    records: dict[str, list[Any]] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for option in ("SO_REUSEADDR", "SO_REUSEPORT"):
            if hasattr(socket, option):
                udp.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
        with suppress(OSError):  # where another program keeps the port for itself nothing is heard
            # At the group's own address it takes no answer that is meant for another program; Windows has no such.
            udp.bind(("", _GROUP[1]) if platform.system() == "Windows" else _GROUP)
        for host in hosts:
            with suppress(OSError):
                group = socket.inet_aton(_GROUP[0]) + socket.inet_aton(host)
                udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        began = time.monotonic()
        for end in (began + 1, began + _LISTEN):  # twice, since one may be lost
            for host in hosts:
                with suppress(OSError):
                    udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(host))
                    echoes.setdefault(host, Echo.LOST)
                    try:
                        udp.sendto(question, _GROUP)
                    except PermissionError:
                        echoes[host] = Echo.BLOCKED
            while (left := end - time.monotonic()) > 0:
                if not select.select([udp], [], [], left)[0]:
                    continue
                data, (source, *_) = udp.recvfrom(LARGEST)
                if data == question and source in echoes:
                    echoes[source] = Echo.HEARD
                elif (packet := DNSIncoming(data)).valid:
                    records.setdefault(source, []).extend(packet.answers())
    announcements = {each for said in records.values() for each in _announced(said)}
    return echoes, records.keys() - set(hosts), announcements


def _announced(records: list[Any]) -> Iterator[Announcement]:
    """The daemons in one machine's records."""
    hosts: dict[str, set[str]] = {}
    for each in records:
        if len(getattr(each, "address", b"")) == 4:
            hosts.setdefault(each.name, set()).add(socket.inet_ntoa(each.address))
    for each in records:
        if hasattr(each, "port") and each.server in hosts and (said := _INSTANCE.match(each.name)):
            yield Announcement(said[1], frozenset(hosts[each.server]), each.port)

"""Gathers the facts, without root, and sends nothing that a daemon might not understand (discovery 3.4)."""

import asyncio
import errno
import platform
import re
import select
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, TypeVar

import ifaddr

from simp_client.doctor.facts import Announcement, Echo, Facts, Interface, Link, Peer, Reply
from simp_client.doctor.verdicts import listed, nobodys, places
from simp_client.link import NoDaemonError
from simp_client.listing import list_neighbours
from simp_proto.address import Address, parse_address, with_interface
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
from simp_proto.udp import AFAR, LARGEST, address_of, bind, local_host, resolved

_QUESTION: Final = build(Datagram(Type.CONTROL, Control.ACK, 0, NOBODY.encode(), PRESENCE_QUESTION, Framing.HEADER))
_TRIES: Final = 3
"""A second each (discovery 3.3)."""
_LISTING: Final = 3.5
"""Seconds until the daemon's list is true: whoever has vanished is gone after 3."""
_LISTEN: Final = 2.5
_MDNS: Final = 5353
_GROUPS: Final = {socket.AF_INET: "224.0.0.251", socket.AF_INET6: "ff02::fb"}
_INSTANCE: Final = re.compile(rf"(?:(.+) )?({IDENTITY})\.{re.escape(SERVICE)}$")
_UP, _TUNNEL, _MULTICAST = 0x1, 0x10, 0x1000
"""From <linux/if.h>."""
_ARP: Final = ("-a",) if platform.system() == "Windows" else ("-n",)
_DISCARD: Final = 9
"""A UDP port where no daemon is (RFC 863)."""
_LOOKED_FOR: Final = 4.0
"""Seconds after which the system knows that nobody has an address on the link."""
_TRUSTED: Final = 60.0
"""Seconds after which it has asked again whoever it knew: it trusts an answer for at most 45, and asks for 8."""
_PROVED: Final = re.compile(r"used \d+/(\d+)/")
"""How many seconds ago a machine has shown the system that it is there, in the words of `ip`."""

_Answer = TypeVar("_Answer")


def gather(client: Address | None, client_port: int, port: int, wanted: str | None) -> Facts:
    """Everything about this machine, and about whoever has that name or address; takes some seconds.

    `client` is where the daemon's clients connect; without it, each of this machine's addresses is tried.
    """
    interfaces = _interfaces()
    hosts = [host for each in interfaces if each.up and each.multicast for host in each.hosts]
    tried = [client] if client else [(host, client_port) for host in ("127.0.0.1", "::1", *hosts)]
    taken = next(filter(_accepts, tried), None)
    facts = Facts(port, taken or tried[0], stranger=taken is not None, interfaces=interfaces)
    facts = replace(facts, source=_source(AFAR[0][0]), firewall=_firewall())
    with ThreadPoolExecutor() as pool:
        listening = pool.submit(_listen, [*hosts, *([facts.client[0]] if facts.client[0].startswith("127.") else [])])
        facts = _listing(facts)
        echoes, heard, announcements = listening.result()
        if facts.no_daemon:
            host = "0.0.0.0" if ip_address(facts.client[0]).is_loopback else facts.client[0]
            facts = replace(facts, port_taken=_taken(host, port), holder=_holder(port))
        elif not facts.elsewhere:
            own = list(dict.fromkeys([*facts.hosts(facts.version), facts.client[0]]))
            replies = pool.map(lambda host: _present((host, port))[0], own)
            facts = replace(facts, itself=dict(zip(own, replies, strict=True)))
    heard -= facts.own
    facts = replace(facts, echoes=echoes, heard=frozenset(heard), announcements=announcements)
    return _seek(facts, printable(wanted.strip()), hosts) if wanted else facts


def _accepts(client: Address) -> bool:
    with suppress(OSError), socket.create_connection(client, 1):
        return True
    return False


def _listing(facts: Facts) -> Facts:
    """With the daemon's list."""
    try:
        listing = asyncio.run(list_neighbours(facts.client, _LISTING))
    except NoDaemonError as error:
        return replace(facts, no_daemon=str(error))
    return replace(facts, neighbours=tuple(listing.people))


def _seek(facts: Facts, wanted: str, hosts: list[str]) -> Facts:
    """With whoever is looked for, and whatever else has shown on the way."""
    found = places(facts, wanted)
    try:
        where = parse_address(wanted, DAEMON_PORT)
    except AddressError as error:
        if len(found) != 1:
            return replace(facts, peer=Peer(wanted, "" if found else str(error)))
        where = found[0]
    if mistake := nobodys(facts, where) or _no_interface(where[0]):
        return replace(facts, peer=Peer(wanted, mistake, where))
    began = time.monotonic()
    peer = Peer(wanted, address=where, source=_source(where[0]))
    person = listed(facts, where)
    told: frozenset[Announcement] = frozenset()
    if not facts.announced(where) and not (person and person.source == "announced"):
        told = _unicast(facts, where[0])
        facts = replace(facts, announcements=facts.announcements | told)
    if facts.announced(where) or (person and person.source == "announced"):
        reply, name = _present(where)
        peer = replace(peer, reply=reply, name=name or "")
    if peer.reply is Reply.PRESENT:
        stale = not facts.no_daemon and (person is None or person.seconds is None)
        return replace(_listing(facts) if stale else facts, peer=replace(peer, link=Link.THERE))
    if peer.reply in (Reply.REFUSED, Reply.SILENT, Reply.PROHIBITED):  # does it run at this moment?
        told = told or _unicast(facts, where[0])
        facts = replace(facts, announcements=_listen(hosts)[2] | told)
    link, reply = Link.THERE, peer.reply
    if not told and reply not in (Reply.REFUSED, Reply.BLOCKED):
        link, reply = _link(facts, where[0], began, _LOOKED_FOR if facts.announced(where) else _TRUSTED)
        reply = reply if reply is Reply.NO_ROUTE else peer.reply
    others = [each for each in facts.neighbours if each.seconds is not None and each.source == "announced"]
    elsewhere = [parse_address(each.address, DAEMON_PORT) for each in others if each != person]
    answers = bool(told)
    if reply is Reply.SILENT and not told:  # does this machine let in what answers it?
        answers = any(_present(each)[0] is Reply.PRESENT for each in elsewhere[:2])
    return replace(facts, peer=replace(peer, reply=reply, link=link, told=told, answers=answers))


def _no_interface(host: str) -> str:
    try:
        resolved((host, 0))
    except OSError:
        return f"an address at an interface that this machine doesn't have, {host.rpartition('%')[2]}"
    return ""


# -- questions


def _ask(
    address: Address, question: bytes, read: Callable[[bytes], _Answer | None], tries: int
) -> tuple[Reply, _Answer | None]:
    """What comes back, and what was read in it."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.connect(resolved(address))
        except OSError:
            return Reply.NO_ROUTE, None
        sent = False
        for _ in range(tries):
            end = time.monotonic() + 1
            try:
                udp.send(question)
                sent = True
                while (left := end - time.monotonic()) > 0:
                    udp.settimeout(left)
                    answer = read(udp.recv(LARGEST))
                    if answer is not None:
                        return Reply.PRESENT, answer
            except TimeoutError:
                continue
            except (ConnectionRefusedError, ConnectionResetError):  # the latter on Windows
                return Reply.REFUSED, None
            except OSError as error:
                if error.errno == errno.EPERM or (error.errno == errno.EACCES and not sent):
                    return Reply.BLOCKED, None
                return (Reply.PROHIBITED if sent else Reply.NO_ROUTE), None
    return Reply.SILENT, None


def _present(address: Address) -> tuple[Reply, str | None]:
    """What a daemon answers, and who is there."""

    def read(data: bytes) -> str | None:
        with suppress(DatagramError):
            answer = parse(data)
            if answer.payload == PRESENCE_ANSWER:
                return printable(answer.name) if names_person(answer.name) else ""
        return None

    return _ask(address, _QUESTION, read, _TRIES)


def _unicast(facts: Facts, host: str) -> frozenset[Announcement]:
    """The daemons that one machine announces, asked alone: multicast may not get there (RFC 6762, 5.5)."""
    interface = next((each.name for each in facts.interfaces if each.joins(host)), "")

    def read(data: bytes) -> frozenset[Announcement] | None:
        return frozenset(_announced(_records(data) or [], interface)) or None

    return _ask((host, _MDNS), _services(), read, 2)[1] or frozenset()


def _link(facts: Facts, host: str, began: float, patience: float) -> tuple[Link, Reply]:
    """Whether a machine that has been sent something since then is there, by the system's neighbour table.

    What that knew before proves nothing: it keeps whoever has answered for a while.
    """
    ip, _, interface = host.partition("%")
    if ip_address(ip).is_loopback or host in facts.own:
        return Link.THERE, Reply.SILENT
    local = any(each.joins(host) for each in facts.interfaces)
    while True:
        reply, _ = _ask((host, _DISCARD), b"", lambda _: None, 1)  # makes the system look for the machine
        if reply is Reply.REFUSED:
            return Link.THERE, reply
        if not local or reply is Reply.NO_ROUTE:
            return Link.BEYOND, reply
        told = _run("ip", "-s", "neigh", "show", "to", ip, *(["dev", interface] if interface else []))
        passed, proved = time.monotonic() - began, _PROVED.search(told)
        if proved and int(proved[1]) + 1 < passed:
            return Link.THERE, reply
        if passed > _LOOKED_FOR and re.search("FAILED|INCOMPLETE|incomplete|no entry", told or _run("arp", *_ARP, ip)):
            return Link.ABSENT, reply
        if passed > (patience if proved else _LOOKED_FOR):
            return Link.UNKNOWN, reply
        time.sleep(0.3)


# -- this machine


def _interfaces() -> tuple[Interface, ...]:
    found = []
    for adapter in ifaddr.get_adapters():
        addresses = []
        for each in adapter.ips:
            host = each.ip if isinstance(each.ip, str) else f"{each.ip[0]}%{each.ip[2]}" if each.ip[2] else each.ip[0]
            if not ip_address(host).is_loopback:
                addresses.append(f"{with_interface(host)}/{each.network_prefix}")
        flags, carrier = _UP | _MULTICAST, ""
        with suppress(OSError, ValueError):  # elsewhere than on Linux an address is all that is told
            folder = Path(f"/sys/class/net/{adapter.name}")
            flags = int((folder / "flags").read_text("ascii"), 16)
            carrier = (folder / "carrier").read_text("ascii").strip()
        if addresses:
            tunnel = bool(flags & _TUNNEL) or bool(re.match("u?tun|wg|ppp|tap", adapter.name))
            up, multicast = bool(flags & _UP) and carrier != "0", bool(flags & _MULTICAST)
            found.append(Interface(adapter.nice_name, tuple(addresses), up, multicast, tunnel))
    return tuple(found)


def _source(towards: str) -> str | None:
    """This machine's address on the way there, to which nothing is sent."""
    with suppress(OSError):
        return local_host((towards, _DISCARD))
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
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=5, check=False).stdout
    return ""


# -- multicast


def _services() -> bytes:
    """The question for daemons, and for services of any kind."""
    # Loaded only here, since it takes a tenth of a second.
    from zeroconf import const  # noqa: PLC0415
    from zeroconf._dns import DNSQuestion  # noqa: PLC0415
    from zeroconf._protocol.outgoing import DNSOutgoing  # noqa: PLC0415

    out = DNSOutgoing(const._FLAGS_QR_QUERY)
    for name in (SERVICE, "_services._dns-sd._udp.local."):
        out.add_question(DNSQuestion(name, const._TYPE_PTR, const._CLASS_IN))
    (question,) = out.packets()
    return bytes(question)


def _records(data: bytes) -> list[Any] | None:
    """Those in a packet; `None` where it is none of DNS."""
    from zeroconf._protocol.incoming import DNSIncoming  # noqa: PLC0415

    packet = DNSIncoming(data)
    return packet.answers() if packet.valid else None


def _listen(hosts: list[str]) -> tuple[dict[str, Echo], set[str], frozenset[Announcement]]:
    """Asks for services from each address; what became of that, whose mDNS is heard, and which daemons answer."""
    question = _services()
    echoes: dict[str, Echo] = {}
    records: dict[tuple[str, str], list[Any]] = {}
    with ExitStack() as stack:
        sockets = {stack.enter_context(udp): host for host in hosts if (udp := _at_group(host))}
        began = time.monotonic()
        for end in (began + 1, began + _LISTEN):  # twice, since one may be lost
            for udp, host in sockets.items():
                with suppress(OSError):
                    try:
                        shared = udp.getsockname()[1] == _MDNS
                        udp.sendto(question, (_GROUPS[udp.family], _MDNS))
                        echoes.setdefault(host, Echo.LOST if shared else Echo.UNHEARD)
                    except PermissionError:
                        echoes[host] = Echo.BLOCKED
            while (left := end - time.monotonic()) > 0:
                for udp in select.select(sockets, [], [], left)[0]:
                    data, where = udp.recvfrom(LARGEST)
                    source, _ = address_of(where)
                    if data == question and source in echoes:
                        echoes[source] = Echo.HEARD
                    elif (found := _records(data)) is not None:
                        records.setdefault((source, sockets[udp].partition("%")[2]), []).extend(found)
    announcements = {
        each
        for (source, interface), said in records.items()
        for each in _announced(said, interface)
        if source in each.hosts  # what one machine says of another proves nothing
    }
    return echoes, {source for source, _ in records}, frozenset(announcements)


def _at_group(host: str) -> socket.socket | None:
    """A socket for multicast at the interface that has this address; of IPv6, one of the link's own."""
    where: tuple[Any, ...] = resolved((host, _MDNS))
    v6 = ":" in host
    if v6 and not where[3]:
        return None
    family = socket.AF_INET6 if v6 else socket.AF_INET
    group = socket.inet_pton(family, _GROUPS[family])
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        for option in ("SO_REUSEADDR", "SO_REUSEPORT"):
            if hasattr(socket, option):
                udp.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
        with suppress(OSError):  # where another program keeps the port for itself nothing is heard
            # At the group's own address it takes no answer that is meant for another program; Windows has no such.
            udp.bind(("" if platform.system() == "Windows" else _GROUPS[family], *where[1:]))
        if v6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("@I", where[3]))
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, where[3])
        else:
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + socket.inet_aton(host))
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(host))
    except OSError:
        udp.close()
        return None
    return udp


def _announced(records: list[Any], interface: str) -> Iterator[Announcement]:
    """The daemons in one machine's records, which have come by that interface."""
    hosts: dict[str, set[str]] = {}
    for each in records:
        if len(packed := getattr(each, "address", b"")) in (4, 16):
            ip = ip_address(packed)
            link = ip.version == 6 and ip.is_link_local
            if interface or not link:
                hosts.setdefault(each.name, set()).add(f"{ip}%{interface}" if link else str(ip))
    for each in records:
        if getattr(each, "port", 0) and each.server in hosts and (said := _INSTANCE.match(each.name)):
            yield Announcement(said[2], frozenset(hosts[each.server]), each.port, printable(said[1] or ""))

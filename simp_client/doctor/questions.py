"""Questions to one daemon, to one machine, and by multicast to all. None of them changes anything."""

# ruff: noqa: PLC0415  zeroconf takes a tenth of a second to load, for which only a question by mDNS waits.

import errno
import platform
import re
import select
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, Final, TypeVar

from simp_client.doctor.facts import Announcement, Echo, Reply
from simp_proto import presence
from simp_proto.address import Address
from simp_proto.constants import IDENTITY, MDNS_PORT, PRESENCE_INTERVAL, PRESENCE_TRIES, SERVICE
from simp_proto.datagram import parse
from simp_proto.errors import DatagramError
from simp_proto.interfaces import on_link, own_networks
from simp_proto.printable import NOBODY, printable
from simp_proto.udp import LARGEST, address_of, resolved

_QUESTION: Final = presence.question(NOBODY.encode())
_LISTEN: Final = 2.5
_HOSTS: Final = 512
_RECORDS: Final = 128
"""Of each of so many hosts: more is a flood."""
_GROUPS: Final = {socket.AF_INET: "224.0.0.251", socket.AF_INET6: "ff02::fb"}
_INSTANCE: Final = re.compile(rf"(?:(.+) )?({IDENTITY})\.{re.escape(SERVICE)}$")

_Answer = TypeVar("_Answer")
_Read = Callable[[bytes], _Answer | None]


def ask(address: Address, question: bytes, read: _Read[_Answer], tries: int) -> tuple[Reply, _Answer | None]:
    """What comes back within the time for each try, and what was read in it."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.connect(resolved(address))
        except OSError:
            return Reply.NO_ROUTE, None
        sent = False
        for _ in range(tries):
            end = time.monotonic() + PRESENCE_INTERVAL
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


def present(address: Address) -> tuple[Reply, str | None]:
    """What a daemon answers (discovery 3.3), and who is there."""

    def read(data: bytes) -> str | None:
        with suppress(DatagramError):
            answer = parse(data)
            if presence.is_answer(answer):
                return printable(presence.person(answer))
        return None

    return ask(address, _QUESTION, read, PRESENCE_TRIES)


def announced_at(host: str, interface: str) -> frozenset[Announcement]:
    """The daemons that one machine announces, asked alone: multicast may not get there (RFC 6762, 5.5)."""

    def read(data: bytes) -> frozenset[Announcement] | None:
        return frozenset(_announcements(_records(data) or [], interface)) or None

    return ask((host, MDNS_PORT), _services(), read, 2)[1] or frozenset()


def listen(hosts: list[str]) -> tuple[dict[str, Echo], set[str], frozenset[Announcement]]:
    """Asks for services from each address; what became of that, whose mDNS is heard, and which daemons answer."""
    question = _services()
    echoes: dict[str, Echo] = {}
    records: dict[tuple[str, str], list[Any]] = defaultdict(list)
    here = list(own_networks())
    with ExitStack() as stack:
        sockets = {udp: host for host in hosts if (udp := _at_group(host, stack))}
        began = time.monotonic()
        for end in (began + 1, began + _LISTEN):  # twice, since one may be lost
            for udp, host in sockets.items():
                try:
                    udp.sendto(question, (_GROUPS[udp.family], MDNS_PORT))
                    echoes.setdefault(host, Echo.LOST if udp.getsockname()[1] == MDNS_PORT else Echo.UNHEARD)
                except PermissionError:
                    echoes[host] = Echo.BLOCKED
                except OSError:
                    continue
            while (left := end - time.monotonic()) > 0:
                for udp in select.select(sockets, [], [], left)[0]:
                    data, where = udp.recvfrom(LARGEST)
                    source, _ = address_of(where)
                    if data == question and source in echoes:
                        echoes[source] = Echo.HEARD
                    elif on_link(source, here) and (found := _records(data)) is not None:  # (discovery 2.1)
                        told = source, sockets[udp].partition("%")[2]
                        if told in records or len(records) < _HOSTS:
                            records[told] += found[: _RECORDS - len(records[told])]
    said = [(source, each) for (source, interface), told in records.items() for each in _announcements(told, interface)]
    return echoes, {source for source, _ in records}, frozenset(proved(said))


def proved(said: list[tuple[str, Announcement]]) -> Iterator[Announcement]:
    """What each host says of itself, with the other addresses of its machine: those that say the same of it. What one
    machine says of another proves nothing.
    """
    own = [(source, each) for source, each in said if source in each.hosts]
    for source, each in own:
        same = {host for host, other in own if replace(other, hosts=each.hosts) == each and source in other.hosts}
        yield replace(each, hosts=frozenset(same & each.hosts))


def _at_group(host: str, stack: ExitStack) -> socket.socket | None:
    """A socket for multicast at the interface that has this address; of IPv6, one of the link's own."""
    where: tuple[Any, ...] = resolved((host, MDNS_PORT))
    family, level, join, by = socket.AF_INET, socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.IP_MULTICAST_IF
    interface = where[3].to_bytes(4, sys.byteorder) if ":" in host else socket.inet_aton(host)
    if ":" in host:
        family, level = socket.AF_INET6, socket.IPPROTO_IPV6
        join, by = socket.IPV6_JOIN_GROUP, socket.IPV6_MULTICAST_IF
    udp = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
    for option in (socket.SO_REUSEADDR, getattr(socket, "SO_REUSEPORT", socket.SO_REUSEADDR)):
        udp.setsockopt(socket.SOL_SOCKET, option, 1)
    with suppress(OSError):  # where another program keeps the port for itself nothing is heard
        # At the group's own address it takes no answer that is meant for another program; Windows has no such.
        udp.bind(("" if platform.system() == "Windows" else _GROUPS[family], *where[1:]))
    with suppress(OSError):
        udp.setsockopt(level, join, socket.inet_pton(family, _GROUPS[family]) + interface)
        udp.setsockopt(level, by, interface)
        return udp if any(interface) else None
    return None


def _services() -> bytes:
    """The question for daemons, and for services of any kind."""
    from zeroconf import DNSOutgoing, DNSQuestion, const  # type: ignore[attr-defined]  # not in its __all__

    out = DNSOutgoing(const._FLAGS_QR_QUERY)
    for name in (SERVICE, "_services._dns-sd._udp.local."):
        out.add_question(DNSQuestion(name, const._TYPE_PTR, const._CLASS_IN))
    return bytes(out.packets()[0])


def _records(data: bytes) -> list[Any] | None:
    """Those in a packet; `None` where it is none of DNS."""
    from zeroconf import DNSIncoming  # type: ignore[attr-defined]

    packet = DNSIncoming(data)
    return packet.answers() if packet.valid else None


def _announcements(records: list[Any], interface: str) -> Iterator[Announcement]:
    """The daemons in one machine's records, which have come by that interface."""
    hosts = defaultdict(set)
    for each in records:
        if len(packed := getattr(each, "address", b"")) in (4, 16):
            ip = ip_address(packed)
            link = ip.version == 6 and ip.is_link_local
            if interface or not link:
                hosts[each.name].add(f"{ip}%{interface}" if link else str(ip))
    for each in records:
        if getattr(each, "port", 0) and each.server in hosts and (said := _INSTANCE.match(each.name)):
            yield Announcement(said[2], frozenset(hosts[each.server]), each.port, printable(said[1] or ""))

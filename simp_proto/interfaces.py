"""This host's network interfaces and addresses, as the system tells them."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface, ip_network
from pathlib import Path

import ifaddr

from simp_proto.address import with_interface

_UP, _TUNNEL, _MULTICAST = 0x1, 0x10, 0x1000
"""From <linux/if.h>."""


@dataclass(frozen=True)
class Network:
    """One address, as people write it, the network that it is in, and the number and the name of its interface."""

    host: str
    network: IPv4Network | IPv6Network
    interface: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Interface:
    """One that isn't loopback, with its addresses as `192.168.1.20/24` and `fe80::1%eth0/64`."""

    name: str
    addresses: tuple[str, ...]
    up: bool = True
    """It is switched on, and has a cable, or whatever it has instead."""
    multicast: bool = True
    tunnel: bool = False

    @property
    def hosts(self) -> list[str]:
        return [each.partition("/")[0] for each in self.addresses]

    @property
    def networks(self) -> list[Network]:
        """Those that it has joined."""
        split = ((each.partition("/")[0], ip_interface(each).network) for each in self.addresses)
        return [Network(host, network, 0, self.name) for host, network in split]

    def joins(self, host: str) -> bool:
        return on_link(host, self.networks)


def on_link(host: str, here: Collection[Network]) -> bool:
    """Whether a host on one of these networks may have that address (discovery 2.1)."""
    bare, _, interface = host.partition("%")
    ip = ip_address(bare)
    links = [each.network for each in here if not ip.is_link_local or each.host.partition("%")[2] == interface]
    return any(ip in each for each in links) and not any(ip in reserved(each.network) for each in here)


def own_networks() -> Iterator[Network]:
    """Every address, those of loopback too."""
    for adapter in ifaddr.get_adapters():
        for each in adapter.ips:
            host, scope = (each.ip, 0) if isinstance(each.ip, str) else (each.ip[0], each.ip[2])
            network = ip_network(f"{host}/{each.network_prefix}", strict=False)
            text = with_interface(f"{host}%{scope}" if scope else host)
            yield Network(text, network, adapter.index or 0, adapter.nice_name)


def interfaces() -> tuple[Interface, ...]:
    """Those that have an address."""
    addresses = defaultdict(list)
    for each in own_networks():
        if not ip_address(each.host).is_loopback:
            addresses[each.name].append(f"{each.host}/{each.network.prefixlen}")
    found = []
    for name, texts in addresses.items():
        flags = _flags(name)
        tunnel = bool(flags & _TUNNEL or re.match("u?tun|wg|ppp|tap", name))
        found.append(Interface(name, tuple(texts), bool(flags & _UP), bool(flags & _MULTICAST), tunnel))
    return tuple(found)


def is_up(name: str) -> bool:
    """Whether the interface of that name is switched on, and has a cable, or whatever it has instead."""
    return bool(_flags(name) & _UP)


def _flags(name: str) -> int:
    flags = _UP | _MULTICAST
    with suppress(OSError, ValueError):  # elsewhere than on Linux an address is all that is told
        flags = int(Path(f"/sys/class/net/{name}/flags").read_text("ascii"), 16)
        if Path(f"/sys/class/net/{name}/carrier").read_text("ascii").strip() == "0":
            flags &= ~_UP
    return flags


def reserved(network: IPv4Network | IPv6Network) -> list[IPv4Address | IPv6Address]:
    """What no host has: the network's own address (in IPv6 that of its routers), and in IPv4 the broadcast address."""
    if network.num_addresses <= 2:  # RFC 3021, RFC 6164
        return []
    return [network.network_address] + ([network.broadcast_address] if network.version == 4 else [])


def no_machines(host: str, here: Iterable[Interface]) -> str:
    """What that address is, if no machine may have it, by the networks of these interfaces too."""
    ip = ip_address(host)
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    networks = [each.network for one in here for each in one.networks]
    kinds = {
        f"an IPv4 address in the spelling of IPv6: give {mapped}": mapped is not None,
        "a multicast address, which stands for a group of machines": ip.is_multicast,
        "an address that stands for no machine": ip.is_unspecified or ip in ip_network("0.0.0.0/8"),
        "the broadcast address, which stands for every machine": host == "255.255.255.255",
        "a reserved address, which no machine has": ip.version == 4 and ip.is_reserved,
    }
    for each in networks:
        itself = f"the address of the network {each} itself, and no machine's"
        broadcast = f"the broadcast address of {each}, which stands for every machine in it"
        kinds |= {kind: ip == address for kind, address in zip((itself, broadcast), reserved(each), strict=False)}
    return next((kind for kind, holds in kinds.items() if holds), "")

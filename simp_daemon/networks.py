"""This host's links, and who may be on them (discovery 1.6, 2.1)."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from simp_proto.address import Address
from simp_proto.interfaces import Network, is_up, on_link, own_networks


def networks(host: str) -> list[Network]:
    """That of the address, or all of its kind that are up and no loopback where it stands for all of this host's."""
    own = _ip(host)
    found = [each for each in own_networks() if each.interface and each.network.version == own.version]
    if own.is_unspecified:
        return [each for each in found if not _ip(each.host).is_loopback and is_up(each.name)]
    same = [each for each in found if host == each.host or (own.is_loopback and own in each.network)]
    return [replace(each, host=host) for each in same]


def reachable(addresses: list[Address], own: Address, here: list[Network]) -> list[Address]:
    """Those on a link of this host's, best first: an announcement sends nobody elsewhere (discovery 2.1)."""
    itself = [(each.host, own[1]) for each in here]
    found = [each for each in addresses if each[1] and each not in itself and on_link(each[0], here)]
    return sorted(found, key=lambda each: _ip(each[0]).is_link_local)


def _ip(host: str) -> IPv4Address | IPv6Address:
    return ip_address(host.partition("%")[0])


def came_from_link(host: str, here: list[Network]) -> bool:
    """Whether what that host has sent may have come from one of these networks: nothing routes what is link-local."""
    ip = _ip(host)
    return (ip.version == 6 and ip.is_link_local) or any(ip in each.network for each in here)

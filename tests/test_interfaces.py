"""This host's interfaces: which addresses are on them, and which might be."""

from ipaddress import ip_address

import pytest

from simp_proto.interfaces import Interface, interfaces, own_networks

ETHERNET = Interface("eth0", ("192.0.2.1/24", "fe80::1%eth0/64"))


def test_every_address_is_in_its_network() -> None:
    found = {each.host: each.network for each in own_networks()}
    assert str(found["127.0.0.1"]) == "127.0.0.0/8"
    assert all(ip_address(host) in network for host, network in found.items())


def test_loopback_is_no_interface() -> None:
    assert not any(ip_address(host).is_loopback for each in interfaces() for host in each.hosts)


@pytest.mark.parametrize(
    ("host", "joins"),
    [
        ("192.0.2.9", True),
        ("192.0.3.9", False),
        ("192.0.2.0", False),
        ("192.0.2.255", False),
        ("fe80::2%eth0", True),
        ("fe80::2%eth1", False),
        ("2001:db8::1", False),
    ],
)
def test_an_address_of_a_link_is_on_that_link_alone(host: str, joins: bool) -> None:
    assert ETHERNET.joins(host) is joins

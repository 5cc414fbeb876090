"""Which addresses are worth trying."""

from ipaddress import ip_network

import pytest

from simp_daemon.networks import networks, reachable
from simp_proto.address import Address
from simp_proto.interfaces import Network

LAB = [
    Network("192.0.2.1", ip_network("192.0.2.0/24"), 2),
    Network("198.51.100.1", ip_network("198.51.100.0/25"), 3),
]
LOOPBACK = [Network("127.0.0.2", ip_network("127.0.0.0/8"), 1)]
OWN = ("0.0.0.0", 7777)


@pytest.mark.parametrize(
    ("own", "told", "worth"),
    [
        (OWN, ["192.0.2.9", "198.51.100.9"], ["192.0.2.9", "198.51.100.9"]),
        (OWN, ["203.0.113.5", "8.8.8.8", "198.51.100.200", "10.0.0.1"], []),  # on no link of this host's
        (OWN, ["0.0.0.0", "224.0.0.251", "255.255.255.255", "240.0.0.1", "127.0.0.1", "169.254.0.1"], []),
        (OWN, ["192.0.2.0", "192.0.2.255", "198.51.100.0", "198.51.100.127"], []),  # nobody's
        (OWN, ["192.0.2.254", "198.51.100.126"], ["192.0.2.254", "198.51.100.126"]),
        (OWN, ["192.0.2.1"], []),  # oneself
        (OWN, ["::1", "fe80::1", "::ffff:192.0.2.9", "ff02::fb"], []),
        (("127.0.0.2", 7777), ["127.0.0.3", "192.0.2.9"], ["127.0.0.3"]),
        (("192.0.2.1", 7777), ["127.0.0.3", "192.0.2.9"], ["192.0.2.9"]),
    ],
)
def test_addresses_that_nobody_can_be_called_at_are_left_out(own: Address, told: list[str], worth: list[str]) -> None:
    here = LOOPBACK if own[0].startswith("127.") else LAB
    found = reachable([(host, 7777) for host in told], own, here)
    assert [host for host, _ in found] == worth


def test_another_daemon_on_the_same_host_is_somebody_else() -> None:
    assert reachable([("192.0.2.1", 7779), ("192.0.2.1", 0)], OWN, LAB) == [("192.0.2.1", 7779)]


@pytest.mark.parametrize(
    ("network", "told", "worth"),
    [
        ("192.0.2.0/31", ["192.0.2.0", "192.0.2.1", "192.0.2.2"], ["192.0.2.1"]),  # RFC 3021
        ("192.0.2.0/32", ["192.0.2.0", "192.0.2.1"], []),
        ("192.0.2.0/30", ["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3"], ["192.0.2.1", "192.0.2.2"]),
    ],
)
def test_small_networks_have_the_hosts_that_they_have(network: str, told: list[str], worth: list[str]) -> None:
    here = [Network("192.0.2.0", ip_network(network), 2)]
    assert [host for host, _ in reachable([(host, 7777) for host in told], OWN, here)] == worth


def test_the_broadcast_address_of_one_link_is_nobody_s_on_another() -> None:
    here = [*LAB, Network("192.0.2.65", ip_network("192.0.2.64/26"), 4)]
    assert reachable([("192.0.2.127", 7777), ("192.0.2.126", 7777)], OWN, here) == [("192.0.2.126", 7777)]


def test_link_local_addresses_come_last_and_are_those_of_the_link() -> None:
    here = [Network("fe80::1%lo", ip_network("fe80::/64"), 1), Network("2001:db8::1", ip_network("2001:db8::/64"), 1)]
    told = ["fe80::2%lo", "2001:db8::2", "2001:db8:1::2", "2001:db8::", "fe80::3", "fe80::4%eth9", "ff02::1%lo", "::"]
    found = reachable([(host, 7777) for host in told], ("::", 7777), here)
    assert [host for host, _ in found] == ["2001:db8::2", "fe80::2%lo"]


def test_a_daemon_on_loopback_has_that_network_alone() -> None:
    assert [(each.host, str(each.network)) for each in networks("127.0.0.1")] == [("127.0.0.1", "127.0.0.0/8")]
    assert all(not each.host.startswith("127.") for each in networks("0.0.0.0"))
    assert networks("192.0.2.77") == []


def test_an_interface_that_is_down_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """discovery 1.6"""
    kinds = {"eth0": True, "eth1": False, "lo": True}
    here = [
        Network(f"192.0.{number}.1", ip_network(f"192.0.{number}.0/24"), number + 1, name)
        for number, name in enumerate(kinds)
    ]
    here.append(Network("127.0.0.1", ip_network("127.0.0.0/8"), 3, "lo"))
    monkeypatch.setattr("simp_daemon.networks.own_networks", lambda: iter(here))
    monkeypatch.setattr("simp_daemon.networks.is_up", kinds.__getitem__)
    assert [each.host for each in networks("0.0.0.0")] == ["192.0.0.1", "192.0.2.1"]
    assert [each.host for each in networks("192.0.1.1")] == ["192.0.1.1"]  # the one that has it, whatever it is

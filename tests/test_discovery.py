"""Multicast DNS: which addresses are worth trying, and two daemons on this host that find each other."""

import asyncio
from ipaddress import ip_network
from pathlib import Path

import pytest

from simp_daemon.discovery import Network, networks, reachable
from simp_daemon.loop import Daemon, new_loop
from simp_daemon.profile import Profile
from simp_proto.address import Address

LAB = [
    Network("192.0.2.1", ip_network("192.0.2.0/24"), 2),
    Network("198.51.100.1", ip_network("198.51.100.0/25"), 3),
]
OWN = ("0.0.0.0", 7777)


@pytest.mark.parametrize(
    ("own", "told", "worth"),
    [
        (OWN, ["203.0.113.5", "192.0.2.9"], ["192.0.2.9", "203.0.113.5"]),  # one's own network first
        (OWN, ["0.0.0.0", "224.0.0.251", "192.0.2.255", "198.51.100.127", "127.0.0.1"], []),
        (OWN, ["192.0.2.1"], []),  # oneself
        (("127.0.0.2", 7777), ["127.0.0.3", "192.0.2.9"], ["127.0.0.3"]),
    ],
)
def test_addresses_that_nobody_can_be_called_at_are_left_out(own: Address, told: list[str], worth: list[str]) -> None:
    found = reachable([(host, 7777) for host in told], own, LAB)
    assert [host for host, _ in found] == worth


def test_another_daemon_on_the_same_host_is_somebody_else() -> None:
    assert reachable([("192.0.2.1", 7779), ("192.0.2.1", 0)], OWN, LAB) == [("192.0.2.1", 7779)]


def test_link_local_addresses_come_last() -> None:
    here = [Network("fe80::1%lo", ip_network("fe80::/64"), 1), Network("2001:db8::1", ip_network("2001:db8::/64"), 1)]
    told = [("fe80::2%lo", 7777), ("2001:db8:1::2", 7777), ("2001:db8::2", 7777)]
    assert reachable(told, ("::", 7777), here) == [told[2], told[1], told[0]]


def test_a_daemon_on_loopback_has_that_network_alone() -> None:
    assert [(each.host, str(each.network)) for each in networks("127.0.0.1")] == [("127.0.0.1", "127.0.0.0/8")]
    assert all(not each.host.startswith("127.") for each in networks("0.0.0.0"))
    assert networks("192.0.2.77") == []


async def lines(reader: asyncio.StreamReader, start: str) -> str:
    while not (line := (await reader.readline()).decode()).startswith(start):
        assert line
    return line.strip()


@pytest.mark.slow
def test_two_daemons_on_this_host_find_each_other(tmp_path: Path) -> None:
    async def run() -> None:
        async with asyncio.timeout(30):
            alice = Daemon(("127.0.0.2", 0), 0, profile=Profile(tmp_path / "a", tmp_path / "hosts"), discovery=True)
            bob = Daemon(("127.0.0.3", 0), 0, profile=Profile(tmp_path / "b", tmp_path / "hosts"), discovery=True)
            async with alice:
                reader, writer = await asyncio.open_connection(*alice.client_address)
                writer.write(b"CONNECT|alice\nWHO|\n")
                async with bob:
                    there, bobs = await asyncio.open_connection(*bob.client_address)
                    bobs.write(b"CONNECT|bob\nWHO|\n")
                    seen = await lines(reader, "SEEN|bob|")
                    assert seen.startswith("SEEN|bob|127.0.0.3:")
                    assert (await lines(there, "SEEN|alice|")).startswith("SEEN|alice|127.0.0.2:")
                    writer.write(b"CONNECTING|bob\n")
                    await lines(there, "CONNECTING|alice|")
                    bobs.write(b"CONNECTED|alice\n")
                    await lines(reader, "CONNECTED|bob|")
                    bobs.close()
                    await lines(reader, "GONE|bob|127.0.0.3:")
                writer.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())


def test_hosts_are_read_again_when_a_client_says_something(tmp_path: Path) -> None:
    """discovery 2.3"""

    async def run() -> None:
        hosts = tmp_path / "hosts"
        async with asyncio.timeout(30), Daemon(("127.0.0.2", 0), 0, profile=Profile(tmp_path / "a", hosts)) as daemon:
            reader, writer = await asyncio.open_connection(*daemon.client_address)
            for names in (["bob"], ["bobby", "carol"], []):
                hosts.write_text("".join(f"127.0.0.{at} {name}\n" for at, name in enumerate(names, 3)))
                writer.write(b"WHO|\nPING|\n")
                told = (await reader.readuntil(b"PONG|\n")).decode().splitlines()
                assert told == [f"SEEN|{name}|127.0.0.{at}:7777|hosts|" for at, name in enumerate(names, 3)] + ["PONG|"]
            writer.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())

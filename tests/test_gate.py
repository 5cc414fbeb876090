"""What of multicast DNS is let in (discovery 1.8)."""

import asyncio
from ipaddress import ip_network

import pytest

from simp_daemon.gate import Gate
from simp_daemon.networks import came_from_link
from simp_proto.interfaces import Network

LAB = [Network("192.0.2.1", ip_network("192.0.2.0/24"), 2), Network("2001:db8::1", ip_network("2001:db8::/64"), 2)]
QUESTION, ANSWER = b"\x00\x01\x00\x00\x00\x01", b"\x00\x01\x84\x00\x00\x01"


def gate() -> Gate:
    return Gate(lambda host: came_from_link(host, LAB))


@pytest.mark.parametrize("data", [QUESTION, ANSWER])
@pytest.mark.parametrize(
    ("host", "let_in"),
    [
        ("192.0.2.9", True),
        ("192.0.2.1", True),  # oneself
        ("2001:db8::9", True),
        ("fe80::9%eth0", True),
        ("8.8.8.8", False),
        ("192.0.3.9", False),
        ("127.0.0.1", False),
        ("2001:db8:0:1::9", False),
    ],
)
def test_only_what_comes_from_a_link_counts(host: str, let_in: bool, data: bytes) -> None:
    assert gate().admits(data, host, 0.0) is let_in


@pytest.mark.parametrize("data", [QUESTION, b"", b"\x00\x01"])
def test_of_one_host_so_many_questions_count_and_others_have_theirs(data: bytes) -> None:
    door = gate()
    admitted = [door.admits(data, "192.0.2.9", at / 100) for at in range(1_000)]
    assert 50 + 99 <= sum(admitted) <= 50 + 100
    assert door.admits(data, "192.0.2.10", 10.0)
    assert not [each for each in range(100) if not door.admits(ANSWER, "192.0.2.9", 10.0)]


def test_no_number_of_hosts_costs_memory() -> None:
    door = gate()
    for number in range(5_000):
        door.admits(QUESTION, f"2001:db8::{number:x}", 0.0)
    assert len(door._hosts) <= 1024


def test_whoever_goes_on_asking_is_not_forgotten_for_all_the_others() -> None:
    door = gate()
    admitted = 0
    for number in range(5_000):
        admitted += door.admits(QUESTION, "192.0.2.9", 0.0)
        door.admits(QUESTION, f"2001:db8::{number:x}", 0.0)
    assert admitted == 50


class Listener(asyncio.DatagramProtocol):
    """What is let through, each time with the host that the gate says it has come from."""

    def __init__(self, door: Gate) -> None:
        self.door = door
        self.heard: list[tuple[bytes, str]] = []
        self.lost = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append((data, self.door.source))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


def test_a_transport_is_guarded_once_and_goes_on() -> None:
    async def run() -> None:
        door = Gate(lambda host: host == "127.0.0.1")
        transport, listener = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Listener(door), ("127.0.0.1", 0)
        )
        for _ in range(2):
            door.guard(transport)
        guarded = transport.get_protocol()
        assert isinstance(guarded, asyncio.DatagramProtocol)
        for host in ("127.0.0.2", "127.0.0.1"):
            guarded.datagram_received(ANSWER, (host, 5353))
        assert listener.heard == [(ANSWER, "127.0.0.1")]
        assert door.source == ""
        transport.close()
        await listener.lost.wait()

    asyncio.run(run())

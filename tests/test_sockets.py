"""The tester's wire on real sockets (loopback only), and the commands that act for a person."""

import errno
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simp_proto.address import format_address
from simp_proto.conformance import sockets as sockets_module
from simp_proto.conformance.hands import Hands
from simp_proto.conformance.sockets import Sockets, addresses_near, open_sockets
from simp_proto.conformance.wire import Request, Side
from simp_proto.constants import Control
from simp_proto.errors import AddressError
from simp_proto.udp import bind, why_not
from tests.test_endpoint import packet
from tests.test_loop import PATIENCE, free_address

NOBODY = Hands({}, terminal=False)


@pytest.fixture
def daemon() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(PATIENCE)
        yield udp


@pytest.fixture(autouse=True)
def _end_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets_module, "_TICK", 0.01)


def wire(daemon: socket.socket | None, hands: Hands = NOBODY) -> Sockets:
    return Sockets(daemon.getsockname() if daemon else None, free_address(), free_address(), hands, 0.1)


def test_each_side_has_its_address(daemon: socket.socket) -> None:
    with wire(daemon) as sockets:
        for side in (Side.TESTER, Side.STRANGER):
            sockets.send(side, side.value.encode())
            data, source = daemon.recvfrom(100)
            assert (data, source) == (side.value.encode(), sockets.address(side))
            daemon.sendto(b"answer to " + data, source)
            received = sockets.receive(sockets.now() + PATIENCE)
            assert received is not None
            assert received[1:] == (side, daemon.getsockname(), b"answer to " + data)
            assert received[0] <= sockets.now()
        assert sockets.receive(sockets.now()) is None


def test_only_the_daemon_s_host_is_heard_whatever_its_port(daemon: socket.socket) -> None:
    with wire(daemon) as sockets, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.9", 0))
        other.sendto(b"from another host", sockets.address())
        other_port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with other_port:
            other_port.bind(("127.0.0.1", 0))
            other_port.sendto(b"from another port", sockets.address())
            received = sockets.receive(sockets.now() + PATIENCE)
            assert received is not None
            assert received[2:] == (other_port.getsockname(), b"from another port")


def test_who_calls_first_is_the_daemon(daemon: socket.socket) -> None:
    with wire(None) as sockets:
        sockets.send(Side.TESTER, b"to nobody")
        daemon.sendto(b"a port scan, say", sockets.address())
        daemon.sendto(packet(Control.SYN, 0), sockets.address())
        received = sockets.receive(sockets.now() + PATIENCE)
        assert received is not None
        assert received[3] == packet(Control.SYN, 0)
        assert sockets.daemon == daemon.getsockname()


@pytest.mark.slow
def test_the_unknown_side_has_a_new_address_each_time(daemon: socket.socket, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    hands = Hands({Request.CALL: f'echo "$SIMP_HOST:$SIMP_PORT" >> "{seen}"'}, terminal=False)
    with wire(daemon, hands) as sockets:
        for _ in range(2):
            assert sockets.ask(Request.CALL, "", Side.UNKNOWN) == ""
        assert sockets.ask(Request.CALL, "", Side.TESTER) == ""
        own = sockets.address()
    called = seen.read_text().split()
    assert len(set(called)) == 3
    assert called[2] == f"{own[0]}:{own[1]}"


@pytest.mark.slow
@pytest.mark.parametrize("size", [8, 60_000])
def test_a_flood_takes_no_memory(daemon: socket.socket, size: int) -> None:
    with wire(daemon) as sockets:
        for number in range(6_000 if size == 8 else 100):
            sockets.arrive(Side.TESTER, daemon.getsockname(), number.to_bytes(4, "big") + bytes(size))
        assert sum(len(data) for *_, data in sockets._arrived) <= 1 << 20
        assert len(sockets._arrived) <= 4_096
        assert len(sockets._known) <= 4_096
        assert sum(map(sys.getsizeof, sockets._known)) <= 1 << 20
        while sockets.receive(sockets.now()):
            pass
        daemon.sendto(b"the last one", sockets.address())
        last = sockets.receive(sockets.now() + PATIENCE)
        assert last
        assert last[3] == b"the last one"


def test_an_address_in_use_gives_back_the_other(daemon: socket.socket) -> None:
    own = free_address()
    with pytest.raises(OSError, match="in use"):
        Sockets(("127.0.0.1", 1), own, daemon.getsockname(), NOBODY, 0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(own)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have a single loopback address")
@pytest.mark.parametrize(
    ("daemon", "own", "stranger"),
    [
        (("127.0.0.1", 7777), ("127.0.0.2", 7777), ("127.0.0.3", 7777)),
        (("127.0.0.2", 9), ("127.0.0.3", 7777), ("127.0.0.4", 7777)),
        (("::1", 7777), ("::1", 0), ("::1", 0)),
    ],
)
def test_addresses_that_suit_a_daemon(daemon: object, own: object, stranger: object) -> None:
    assert addresses_near(daemon) == (own, stranger)  # type: ignore[arg-type]


def test_where_a_daemon_has_the_port_everywhere_another_is_taken(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = daemon.getsockname()
    monkeypatch.setattr("simp_proto.conformance.sockets.addresses_near", lambda daemon: (taken, taken))
    with open_sockets(None, None, None, NOBODY, 0.1) as sockets:
        for side in (Side.TESTER, Side.STRANGER):
            assert sockets.address(side)[0] == taken[0]
            assert sockets.address(side) != taken
    with pytest.raises(AddressError, match=r"in use: .*; --bind and --stranger choose others"):
        open_sockets(None, taken, None, NOBODY, 0.1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have a single loopback address")
@pytest.mark.parametrize(
    ("host", "afar"), [("127.0.0.1", False), ("127.0.0.5", False), ("::1", False), ("192.0.2.77", True)]
)
def test_a_daemon_is_on_this_host_at_whichever_of_its_addresses(host: str, afar: bool) -> None:
    with Sockets((host, 7777), free_address(), free_address(), NOBODY, 0.1) as sockets:
        assert sockets.afar is afar


@pytest.mark.parametrize("host", ["192.0.2.77", "2001:db8::77"])
def test_instead_of_an_address_of_another_host_one_of_this_is_named(host: str) -> None:
    told = why_not(OSError(errno.EADDRNOTAVAIL, ""), (host, 7777))
    start = f"UDP {format_address((host, 7777))}: {host} is not an address of this host. "
    assert told.startswith(start)
    with bind((told.removeprefix(f"{start}Use one of this host's, for example "), 0)):
        pass

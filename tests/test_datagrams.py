"""The daemon's UDP socket: what one wake-up reads, and what becomes of what can't be sent now."""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from simp_daemon.datagrams import _BATCH, _QUEUES, _UNSENT, Datagrams, new_loop
from simp_daemon.effects import Send
from simp_daemon.occurrences import DatagramReceived, Occurrence, SendingFailed
from simp_proto import udp
from simp_proto.address import Address, format_address
from tests.test_loop import free_address

PATIENCE = 10.0


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scenario(), PATIENCE)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(bounded())


class Heard:
    """What a socket has reported, a list for each wake-up."""

    def __init__(self) -> None:
        self.wakes: list[tuple[Occurrence, ...]] = []

    def __call__(self, *occurrences: Occurrence) -> None:
        self.wakes.append(occurrences)

    async def until(self, count: int) -> None:
        while sum(map(len, self.wakes)) < count:
            await asyncio.sleep(0)


def test_one_wake_up_reads_all_that_has_come_up_to_a_bound() -> None:
    async def scenario() -> None:
        heard, address = Heard(), free_address()
        datagrams = Datagrams(address, heard)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            for number in range(_BATCH + 10):
                peer.sendto(b"%d" % number, address)
            await heard.until(_BATCH + 10)
            source: Address = peer.getsockname()
        everything = [each for wake in heard.wakes for each in wake]
        assert everything == [DatagramReceived(b"%d" % number, source) for number in range(_BATCH + 10)]
        datagrams.close()

    run(scenario)


def test_a_port_that_nobody_listens_at_does_not_stop_the_reading() -> None:
    async def scenario() -> None:
        heard, address = Heard(), free_address()
        datagrams = Datagrams(address, heard)
        datagrams.send(Send(b"to nobody", free_address()))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"still there?", address)
            while not any(isinstance(each, DatagramReceived) for wake in heard.wakes for each in wake):
                await asyncio.sleep(0)
        datagrams.close()

    run(scenario)


class Full:
    """A socket of a system whose buffer is full until it is told otherwise."""

    def __init__(self, real: socket.socket) -> None:
        self.real = real
        self.full = True

    def sendto(self, data: bytes, address: Address) -> int:
        if self.full:
            raise BlockingIOError
        return self.real.sendto(data, address)

    def fileno(self) -> int:
        return self.real.fileno()

    def close(self) -> None:
        self.real.close()


def test_what_the_system_has_no_room_for_is_sent_later_in_its_order_or_lost() -> None:
    async def scenario() -> None:
        heard, address = Heard(), free_address()
        receiver, sender = Datagrams(address, heard), Datagrams(free_address(), Heard())
        full = sender._first = Full(sender._first)  # type: ignore[assignment]
        for number in range(_UNSENT + 3):
            sender.send(Send(b"%d" % number, address))
        full.full = False
        sender._write()
        sender.send(Send(b"after", address))
        await heard.until(1)
        first = heard.wakes[0][0]
        assert isinstance(first, DatagramReceived)
        assert first.data == b"3"  # the oldest three are lost
        assert not sender._unsent
        receiver.close()
        sender.close()

    run(scenario)


def test_what_can_t_be_sent_at_all_is_reported() -> None:
    async def scenario() -> None:
        heard = Heard()
        datagrams = Datagrams(free_address(), heard)
        datagrams.send(Send(b"x", ("::1", 7777)))
        (failed,) = heard.wakes[0]
        assert isinstance(failed, SendingFailed)
        assert failed.peer == ("::1", 7777)
        datagrams.close()

    run(scenario)


ANYWHERE = [("0.0.0.0", "127.0.0.1", "127.0.0.7"), ("::", "::1", "::1")]


@pytest.mark.parametrize(("anywhere", "called", "other"), ANYWHERE)
@pytest.mark.parametrize("told", [True, False], ids=["packet info", "a socket for each"])
def test_at_all_addresses_an_answer_leaves_from_the_one_that_was_called(
    monkeypatch: pytest.MonkeyPatch, anywhere: str, called: str, other: str, told: bool
) -> None:
    """spec 1.4, with and without a system that tells of the destination."""
    if not told:
        monkeypatch.setattr("simp_proto.udp.hear_destinations", lambda udp: False)
        monkeypatch.setattr("simp_proto.udp.addresses_here", lambda family: sorted({called, other}))

    async def scenario() -> None:
        heard = Heard()
        datagrams = Datagrams((anywhere, 0), heard)
        port = datagrams._first.getsockname()[1]
        for each in {called, other}:
            with socket.socket(socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.settimeout(PATIENCE)
                peer.connect((each, port))  # hears that one alone
                peer.send(b"hello")
                await heard.until(1)
                received = heard.wakes.pop()[0]
                assert isinstance(received, DatagramReceived)
                assert received.here == each
                datagrams.send(Send(b"answer", received.peer, received.here))
                assert peer.recv(100) == b"answer"
        datagrams.close()

    run(scenario)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells an unconnected socket that a port refused")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_nobody_listens_at_is_reported(host: str) -> None:
    async def scenario() -> None:
        heard, nobody = Heard(), free_address()
        datagrams = Datagrams((host, 0), heard)
        datagrams.send(Send(b"to nobody", nobody))
        await heard.until(1)
        assert heard.wakes[0][0] == SendingFailed(nobody, f"nothing listens at {format_address(nobody)}", refused=True)
        datagrams.close()

    run(scenario)


@pytest.mark.parametrize("told", [True, False], ids=["packet info", "a socket for each"])
def test_where_an_address_is_ours_no_longer_the_system_chooses(monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    if not told:
        monkeypatch.setattr("simp_proto.udp.hear_destinations", lambda udp: False)

    async def scenario() -> None:
        heard = Heard()
        datagrams = Datagrams(("0.0.0.0", 0), heard)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(PATIENCE)
            peer.bind(("127.0.0.1", 0))
            datagrams.send(Send(b"still ours?", peer.getsockname(), "192.0.2.7"))
            assert peer.recv(100) == b"still ours?"
        datagrams.close()
        assert heard.wakes == []

    run(scenario)


class Windows:
    """A socket that tells of an earlier datagram, as Windows does, without saying which."""

    def __init__(self, real: socket.socket) -> None:
        self.real = real
        self.told = False

    def sendto(self, data: bytes, address: Address) -> int:
        if not self.told:
            self.told = True
            raise ConnectionResetError(10054, "an existing connection was forcibly closed by the remote host")
        return self.real.sendto(data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def test_what_became_of_an_earlier_datagram_is_no_failure_of_this_one() -> None:
    async def scenario() -> None:
        heard, address = Heard(), free_address()
        receiver, sender = Datagrams(address, heard), Datagrams(free_address(), Heard())
        sender._first = Windows(sender._first)  # type: ignore[assignment]
        sender.send(Send(b"hello", address))
        await heard.until(1)
        assert isinstance(heard.wakes[0][0], DatagramReceived)
        receiver.close()
        sender.close()

    run(scenario)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a datagram to the socket that fits best")
@pytest.mark.parametrize(("at", "here"), [("127.0.0.1", None), ("0.0.0.0", "127.0.0.9"), ("::1", None)])
def test_strangers_do_not_fill_the_queue_of_a_partner(at: str, here: str | None) -> None:
    async def scenario() -> None:
        heard = Heard()
        datagrams = Datagrams((at, 0), heard)
        address = (here or at, datagrams._first.getsockname()[1])
        family = datagrams._first.family
        with socket.socket(family, socket.SOCK_DGRAM) as partner, socket.socket(family, socket.SOCK_DGRAM) as stranger:
            partner.bind(("::1" if ":" in at else "127.0.0.1", 0))
            peer = partner.getsockname()[:2]
            datagrams.reserve_queue(peer, here)
            datagrams._first.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            for _ in range(1000):
                stranger.sendto(b"me, me", address)
            partner.sendto(b"hello", address)
            while not any(each == DatagramReceived(b"hello", peer, here) for wake in heard.wakes for each in wake):
                await asyncio.sleep(0)
            assert len(heard.wakes) < 1000
            other = socket.socket(family, socket.SOCK_DGRAM)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with other, pytest.raises(OSError, match="in use"):
                other.bind(address)
        datagrams.close()

    run(scenario)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a datagram to the socket that fits best")
def test_queues_of_peers_are_bounded_and_the_refusal_of_one_is_told() -> None:
    async def scenario() -> None:
        heard = Heard()
        datagrams = Datagrams(free_address(), heard)
        peers = [free_address(f"127.0.2.{number}") for number in range(1, _QUEUES + 2)]
        for peer in peers[:-1]:
            datagrams.reserve_queue(peer, None)
        datagrams.reserve_queue(peers[0], None)
        datagrams.reserve_queue(peers[-1], None)
        assert list(datagrams._queues) == [*peers[2:-1], peers[0], peers[-1]]
        datagrams.send(Send(b"to nobody", peers[-1]))
        await heard.until(1)
        assert heard.wakes[0][0] == SendingFailed(
            peers[-1], f"nothing listens at {format_address(peers[-1])}", refused=True
        )
        datagrams.close()

    run(scenario)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a datagram to the socket that fits best")
def test_what_partners_have_sent_is_gathered_without_a_turn_of_the_loop() -> None:
    async def scenario() -> None:
        heard = Heard()
        datagrams = Datagrams(free_address(), heard)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as partner:
            partner.bind(("127.0.0.1", 0))
            datagrams.reserve_queue(partner.getsockname(), None)
            for number in range(4):
                partner.sendto(bytes((number,)), datagrams._first.getsockname())
            datagrams.gather()
            datagrams.gather()
            source: Address = partner.getsockname()
            assert [wake[0] for wake in heard.wakes] == [DatagramReceived(bytes((each,)), source) for each in range(4)]
        datagrams.close()

    run(scenario)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a datagram to the socket that fits best")
def test_a_partner_s_datagrams_leave_by_its_queue_if_that_is_at_the_address_wanted_and_else_by_the_others() -> None:
    async def scenario() -> None:
        heard = Heard()
        datagrams = Datagrams(("0.0.0.0", 0), heard)
        port = datagrams.port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as partner:
            partner.bind(("127.0.0.1", 0))
            partner.settimeout(5)
            peer: Address = partner.getsockname()
            datagrams.reserve_queue(peer, "127.0.0.9")
            own, _ = datagrams._queues[peer]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(datagrams, "_first", None)
                datagrams.send(Send(b"by its own", peer, "127.0.0.9"))
            assert partner.recvfrom(99) == (b"by its own", ("127.0.0.9", port))
            datagrams.send(Send(b"from elsewhere", peer, "127.0.0.8"))
            assert partner.recvfrom(99) == (b"from elsewhere", ("127.0.0.8", port))
            own.shutdown(socket.SHUT_WR)
            datagrams.send(Send(b"all the same", peer, "127.0.0.9"))
            assert partner.recvfrom(99) == (b"all the same", ("127.0.0.9", port))
        datagrams.close()

    run(scenario)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a datagram to the socket that fits best")
def test_by_ipv6_the_system_looks_each_time_whether_an_address_is_still_ours() -> None:
    async def scenario() -> None:
        datagrams = Datagrams(("::", 0), Heard())
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as partner:
            partner.bind(("::1", 0))
            peer: Address = partner.getsockname()[:2]
            datagrams.reserve_queue(peer, "::1")
        assert peer in datagrams._queues
        sent: list[Send] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(udp, "send_from", lambda _, data, there, here: sent.append(Send(data, there, here)))
            datagrams.send(Send(b"hello", peer, "::1"))
        assert sent == [Send(b"hello", peer, "::1")]
        datagrams.close()

    run(scenario)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a datagram to the socket that fits best")
@pytest.mark.parametrize("gathers", [False, True])
def test_what_a_stranger_sends_while_a_queue_is_made_is_the_stranger_s(
    gathers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its bind and its connect, it is anybody's."""

    async def scenario() -> None:
        heard = Heard()
        datagrams = Datagrams(free_address(), heard)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.1", 0))
            source: Address = stranger.getsockname()
            peer = free_address()
            resolved = udp.resolved

            def late(address: Address) -> tuple[Any, ...]:
                if address == peer:
                    stranger.sendto(b"I am your partner", datagrams._first.getsockname())
                return resolved(address)

            monkeypatch.setattr(udp, "resolved", late)
            datagrams.reserve_queue(peer, None)
            if gathers:
                datagrams.gather()
            await heard.until(1)
            assert heard.wakes[0] == (DatagramReceived(b"I am your partner", source),)
        datagrams.close()

    run(scenario)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a datagram to the socket that fits best")
def test_a_partner_that_reaches_us_elsewhere_has_its_queue_there() -> None:
    async def scenario() -> None:
        heard = Heard()
        datagrams = Datagrams(("0.0.0.0", 0), heard)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as partner:
            partner.bind(("127.0.0.1", 0))
            peer: Address = partner.getsockname()
            for here in ("127.0.0.8", "127.0.0.9", "127.0.0.9"):
                datagrams.reserve_queue(peer, here)
            own, at = datagrams._queues[peer]
            assert (own.getsockname()[0], at) == ("127.0.0.9", "127.0.0.9")
            partner.sendto(b"here", ("127.0.0.9", datagrams.port))
            assert own.recv(99) == b"here"
        datagrams.close()

    run(scenario)

"""Daemons on real sockets: two of them and their clients in this process, on ports that were free (loopback only)."""

import asyncio
import logging
import select
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simp_daemon.loop import Daemon, StartError
from simp_daemon.peers.endpoint import Endpoint
from simp_daemon.profile import Profile
from simp_proto.address import Address, format_address
from simp_proto.constants import OFFER, Chat, Control, Framing
from tests.test_endpoint import packet

PATIENCE = 10.0
"""Seconds after which a test that waits for the network fails."""


class Client:
    """A plain TCP client, such as `nc`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, *lines: str) -> None:
        self.writer.write("".join(line + "\n" for line in lines).encode())

    async def hear(self, expected: str) -> None:
        """Reads one line, which must be that."""
        line = await asyncio.wait_for(self.reader.readline(), PATIENCE)
        assert line.decode() == expected + "\n"

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


def free_address(host: str = "127.0.0.1") -> Address:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((host, 0))
        address: Address = udp.getsockname()
        return address


@asynccontextmanager
async def client(daemon: Daemon) -> AsyncIterator[Client]:
    connection = Client(*await asyncio.open_connection(*daemon.client_address))
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Daemon, Daemon, Client, Client]]:
    """Two daemons whose clients are in a chat."""
    async with (
        Daemon(free_address(), 0) as one,
        Daemon(free_address(), 0) as other,
        client(one) as alice,
        client(other) as bob,
    ):
        alice.say("CONNECT|alice")
        await alice.hear("CONNECTED|alice")
        bob.say("CONNECT|bob")
        await bob.hear("CONNECTED|bob")
        alice.say(f"CONNECTING|{format_address(other.address)}")
        await bob.hear(f"CONNECTING|alice|{format_address(one.address)}")
        await alice.hear(f"RINGING|bob|{format_address(other.address)}")
        bob.say("CONNECTED|alice")
        await alice.hear(f"CONNECTED|bob|{format_address(other.address)}")
        await bob.hear(f"CONNECTED|alice|{format_address(one.address)}")
        yield one, other, alice, bob


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scenario(), 3 * PATIENCE)

    asyncio.run(bounded())


def test_two_people_chat() -> None:
    async def scenario() -> None:
        async with pair() as (_, _, alice, bob):
            alice.say("CHAT|hello | grüße\\nnew line")
            await bob.hear("CHAT|alice|hello | grüße\\nnew line")
            await alice.hear("ACK|1")
            bob.say("CHAT|hi")
            await alice.hear("CHAT|bob|hi")
            await bob.hear("ACK|1")
            bob.say("QUIT|alice")
            await bob.hear("QUIT|alice")
            await alice.hear("QUIT|bob")
            alice.say("QUIT|")
            await alice.hear("QUIT|")
            assert await asyncio.wait_for(alice.reader.read(), PATIENCE) == b""

    run(scenario)


def test_timers_need_not_say_when_they_are_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of uvloop's can't: those of less than half a millisecond."""
    monkeypatch.delattr(asyncio.TimerHandle, "when")
    test_two_people_chat()


def test_a_call_where_nobody_is_is_told_and_whoever_comes_is_asked() -> None:
    async def scenario() -> None:
        async with Daemon(free_address(), 0) as one, Daemon(free_address(), 0) as other, client(one) as alice:
            here, there = format_address(one.address), format_address(other.address)
            alice.say("CONNECT|alice", f"CONNECTING|{there}")
            for line in ("CONNECTED|alice", f"RINGING|daemon|{there}", f"AWAY|daemon|{there}"):
                await alice.hear(line)
            async with client(other) as bob:
                bob.say("CONNECT|bob", "CONNECTED|alice")
                for line in ("CONNECTED|bob", f"CONNECTING|alice|{here}", f"CONNECTED|alice|{here}"):
                    await bob.hear(line)
                await alice.hear(f"CONNECTED|bob|{there}")

    run(scenario)


def test_whoever_comes_while_the_disk_takes_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with (
            Daemon(free_address(), 0, profile=Profile(tmp_path, tmp_path / "hosts")) as one,
            client(one) as alice,
        ):
            assert one._disk
            monkeypatch.setattr(one._disk, "failing", "the disk is full")
            put = one._disk.put
            monkeypatch.setattr(one._disk, "put", lambda effect: None)  # until there is room
            for line in ("WHO|", "CONNECT|alice"):
                alice.say(line)
                await alice.hear("ERROR|the disk is full")
            monkeypatch.setattr(one._disk, "failing", "")
            monkeypatch.setattr(one._disk, "put", put)
            alice.say("CHAT|hello")
            await alice.hear("ERROR|no chat is on; call somebody first")

    run(scenario)


@pytest.mark.slow
def test_in_a_call_what_commands_have_decided_is_checked_each_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with (
            Daemon(free_address(), 0, profile=Profile(tmp_path, tmp_path / "hosts")) as one,
            client(one) as alice,
        ):
            monkeypatch.setattr(one._core, "get_timer", lambda: None)  # nothing else is due
            one._due()
            assert one._timer is None
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
                silent.bind(("127.0.0.1", 0))
                alice.say("CONNECT|alice", f"CONNECTING|{format_address(silent.getsockname())}", "CHAT|now")
                await alice.hear("CONNECTED|alice")
                await alice.hear("ERROR|no chat is on; call somebody first")
                assert one._timer is not None
                assert one._timer.when() <= asyncio.get_running_loop().time() + 1

    run(scenario)


def test_a_call_that_nobody_saw_is_told_to_whoever_comes_later_and_once() -> None:
    async def scenario() -> None:
        async with Daemon(free_address(), 0) as one, Daemon(free_address(), 0) as other, client(one) as alice:
            there = format_address(other.address)
            alice.say("CONNECT|alice", f"CONNECTING|{there}")
            for line in ("CONNECTED|alice", f"RINGING|daemon|{there}", f"AWAY|daemon|{there}"):
                await alice.hear(line)
            alice.say(f"QUIT|{there}")
            await alice.hear("QUIT|daemon")
            while not one._core.idle:  # the other one has the FIN
                await asyncio.sleep(0)
            for missed in ([f"MISSED|alice|{format_address(one.address)}|0"], []):
                async with client(other) as bob:
                    bob.say("CONNECT|bob", "PING|")
                    for line in ("CONNECTED|bob", *missed, "PONG|"):
                        await bob.hear(line)
                while other._connections:
                    await asyncio.sleep(0)

    run(scenario)


def test_a_thousand_messages_at_once_arrive_in_order() -> None:
    async def scenario() -> None:
        async with pair() as (_, _, alice, bob):
            alice.say(*(f"CHAT|message {number}" for number in range(1000)))
            for number in range(1000):
                await bob.hear(f"CHAT|alice|message {number}")
                await alice.hear(f"ACK|{number + 1}")

    run(scenario)


def test_a_client_that_vanishes_ends_the_chat() -> None:
    async def scenario() -> None:
        async with pair() as (_, _, alice, bob):
            alice.writer.transport.abort()
            await bob.hear("QUIT|alice")

    run(scenario)


@pytest.mark.slow
def test_a_daemon_that_ends_says_fin() -> None:
    async def scenario() -> None:
        async with pair() as (one, _, _, bob):
            await one.__aexit__()
            await bob.hear("QUIT|alice")
            await one.__aenter__()  # so that the pair can end it

    run(scenario)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a datagram to the socket that fits best")
def test_a_partner_has_a_queue_of_its_own() -> None:
    async def scenario() -> None:
        async with pair() as (one, other, *_):
            assert (list(one._datagrams._queues), list(other._datagrams._queues)) == ([other.address], [one.address])
        async with Daemon(("0.0.0.0", free_address()[1]), 0) as anywhere, client(anywhere) as alice:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bob:
                bob.connect(("127.0.0.9", anywhere.address[1]))
                alice.say("CONNECT|alice")
                await alice.hear("CONNECTED|alice")
                bob.send(packet(Control.SYN, 0, OFFER))
                await alice.hear(f"CONNECTING|bob|{format_address(bob.getsockname())}")
                alice.say("CONNECTED|bob")
                bob.send(packet(Control.ACK))
                await alice.hear(f"CONNECTED|bob|{format_address(bob.getsockname())}")
                ((own, _),) = anywhere._datagrams._queues.values()
                assert own.getsockname()[0] == "127.0.0.9"

    run(scenario)


def test_garbage_from_the_network_leaves_the_chat_alone() -> None:
    async def scenario() -> None:
        async with pair() as (one, _, alice, bob):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.bind(("127.0.0.1", 0))
                for data in (b"", b"\xff" * 500, packet(Control.FIN), packet(Chat.MESSAGE, 1, b"spoofed")):
                    stranger.sendto(data, one.address)
            bob.say("CHAT|still here")
            await alice.hear("CHAT|bob|still here")

    run(scenario)


@pytest.mark.slow
def test_a_client_that_does_not_read_stops_the_sender_and_loses_nothing() -> None:
    async def scenario() -> None:
        async with pair() as (_, other, alice, bob):
            bob.reader._transport.pause_reading()  # type: ignore[attr-defined]
            for _ in range(200):
                alice.say("CHAT|" + "x" * 50_000)
            assert isinstance(other._core._endpoint, Endpoint)
            while not other._core._endpoint._sessions.held:
                await asyncio.sleep(0)
            bob.reader._transport.resume_reading()  # type: ignore[attr-defined]
            size = 0
            while size < 200 * 50_000:
                line = await asyncio.wait_for(bob.reader.readline(), PATIENCE)
                size += len(line) - len(b"CHAT|alice|\n")

    run(scenario)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="only Linux tells of an end behind unread bytes")
@pytest.mark.parametrize("count", [140, 1000], ids=["its end has come", "its end waits behind what isn't read"])
def test_a_client_that_dies_while_it_is_held_back_lets_the_next_one_in(count: int) -> None:
    """client 1.4"""

    async def scenario() -> None:
        async with Daemon(free_address(), 0) as daemon:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bob:
                bob.bind(("127.0.0.1", 0))
                bob.setblocking(False)
                async with client(daemon) as alice:
                    alice.say("CONNECT|alice", f"CONNECTING|{format_address(bob.getsockname())}")
                    await asyncio.wait_for(asyncio.get_running_loop().sock_recv(bob, 100), PATIENCE)
                    bob.sendto(packet(Control.SYN_ACK), daemon.address)
                    alice.say(*["CHAT|" + "x" * 1000] * count)  # of which nothing is acknowledged
                    while not any(each._throttled for each in daemon._connections):
                        await asyncio.sleep(0)
                    alice.writer.transport.abort()
                async with client(daemon) as again:
                    again.say("CONNECT|alice")
                    await again.hear("CONNECTED|alice")

    run(scenario)


@pytest.mark.parametrize(
    ("address", "words"),
    [(("192.0.2.1", 7777), "192.0.2.1 is not an address of this host"), (None, "is in use: does a daemon run there")],
)
def test_an_address_that_cannot_be_had_is_one_clear_line(address: Address | None, words: str) -> None:
    async def scenario() -> None:
        async with Daemon(free_address(), 0) as first:
            with pytest.raises(StartError, match=words):
                async with Daemon(address or first.address, 0):
                    pass

    run(scenario)


def test_a_client_port_that_is_taken_is_one_clear_line() -> None:
    async def scenario() -> None:
        async with Daemon(free_address(), 0) as first:
            with pytest.raises(StartError, match=r"TCP .* is in use"):
                async with Daemon(free_address(), first.client_address[1]):
                    pass

    run(scenario)


def test_a_call_that_cannot_be_sent_is_told() -> None:
    async def scenario() -> None:
        async with Daemon(free_address(), 0) as daemon, client(daemon) as alice:
            alice.say("CONNECT|alice", "CONNECTING|[::1]:7777")
            await alice.hear("CONNECTED|alice")
            line = await asyncio.wait_for(alice.reader.readline(), PATIENCE)
            assert line.startswith(b"ERROR|nothing could be sent to [::1]:7777: ")

    run(scenario)


@pytest.mark.slow
def test_a_callee_that_answers_from_another_address_is_named() -> None:
    """spec 4.11: as a daemon on all addresses of its host does, which sends from the first of them."""

    async def scenario() -> None:
        called, other = free_address("127.0.0.2"), free_address("127.0.0.3")
        async with Daemon(free_address(), 0) as daemon, client(daemon) as alice:
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth,
            ):
                ear.bind(called)
                ear.setblocking(False)
                mouth.bind(other)
                alice.say("CONNECT|alice", f"CONNECTING|{format_address(called)}")
                await alice.hear("CONNECTED|alice")
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ear, 100), PATIENCE)
                mouth.sendto(packet(Control.SYN_ACK, framing=Framing.BARE), daemon.address)
                await alice.hear(f"ELSEWHERE|{format_address(called)}|{format_address(other)}")

    run(scenario)


@pytest.mark.slow
def test_the_log_has_a_line_a_datagram_at_debug_level_and_escapes_what_peers_wrote(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with Daemon(free_address(), 0) as daemon:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.bind(("127.0.0.1", 0))
                stranger.setblocking(False)
                stranger.sendto(packet(Control.SYN, 0, b"\x1b[2J\n", user=b"eve\x1b]0;"), daemon.address)
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(stranger, 100), PATIENCE)

    with caplog.at_level(logging.DEBUG, "simp"):
        run(scenario)
    assert [record for record in caplog.records if "header SYN sequence 0 user 'eve\\x1b]0;'" in record.getMessage()]
    assert [record for record in caplog.records if record.levelname == "INFO" and record.message.endswith(" calls")]
    assert not any(character < " " for record in caplog.records for character in record.getMessage())


def test_the_tap_sees_every_datagram() -> None:
    seen: list[tuple[Address, Address]] = []

    async def scenario() -> None:
        here = free_address()
        async with Daemon(here, 0, tap=lambda _now, source, to, _data: seen.append((source, to))) as daemon:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.bind(("127.0.0.1", 0))
                stranger.setblocking(False)
                stranger.sendto(packet(Control.FIN), daemon.address)
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(stranger, 100), PATIENCE)
                there = stranger.getsockname()
        assert seen == [(there, here), (here, there)]

    run(scenario)

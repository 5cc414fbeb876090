"""The daemon's UDP socket: what one wake-up reads, and what becomes of what can't be sent now."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from simp_daemon.loop import new_loop
from simp_daemon.occurrences import DatagramReceived, Occurrence, SendingFailed
from simp_daemon.transports import _BATCH, _UNSENT, Datagrams
from simp_proto.address import Address
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
        datagrams.send(b"to nobody", free_address())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"still there?", address)
            await heard.until(1)
        assert isinstance(heard.wakes[-1][-1], DatagramReceived)
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
        full = sender._socket = Full(sender._socket)  # type: ignore[assignment]
        for number in range(_UNSENT + 3):
            sender.send(b"%d" % number, address)
        full.full = False
        sender._write()
        sender.send(b"after", address)
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
        datagrams.send(b"x", ("::1", 7777))
        (failed,) = heard.wakes[0]
        assert isinstance(failed, SendingFailed)
        assert failed.peer == ("::1", 7777)
        datagrams.close()

    run(scenario)

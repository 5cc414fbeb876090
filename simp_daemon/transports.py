"""The daemon's sockets on asyncio: they report what happens to them, and do what they are told."""

import asyncio
from collections import deque
from typing import Final, Protocol, cast

from simp_daemon.log import log
from simp_daemon.occurrences import (
    ClientClosed,
    ClientConnected,
    ClientSaid,
    ClientSlow,
    DatagramReceived,
    Occurrence,
    SendingFailed,
)
from simp_proto.address import Address
from simp_proto.udp import address_of, bind

_BATCH: Final = 64
"""Datagrams that are read before clients and timers get their turn."""
_UNSENT: Final = 1024
"""Datagrams that wait for room in the system's buffer. Older ones are lost, as on any network (spec 6.2)."""
_UNREAD: Final = 1 << 20
"""Bytes that a client may leave unread before it is disconnected (spec 8.4)."""
_LARGEST: Final = 65_535
"""Bytes that UDP carries at most, and a few."""


class Handle(Protocol):
    """Takes what has happened, in its order."""

    def __call__(self, *occurrences: Occurrence) -> None: ...


class Datagrams:
    """A UDP socket at that address. Raises `OSError` where it can't be had.

    It does without asyncio's transports: one wake-up reads all that has come, and on Windows one datagram that was
    refused would end all reading there. It needs a loop with `add_reader`.
    """

    def __init__(self, address: Address, handle: Handle) -> None:
        self._loop = asyncio.get_running_loop()
        self._handle = handle
        self._unsent: deque[tuple[bytes, Address]] = deque(maxlen=_UNSENT)
        self._expected = 1  # datagrams that may have come when the loop wakes us
        self._socket = bind(address)
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket, self._read)

    def send(self, data: bytes, peer: Address) -> None:
        """Now, or as soon as the system has room."""
        if not self._unsent and self._sent(data, peer):
            return
        self._unsent.append((data, peer))
        self._loop.add_writer(self._socket, self._write)

    def close(self) -> None:
        """Gives the address back."""
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()

    def _read(self) -> None:
        # A chat that goes to and fro has one datagram at a time: asking for another each time would be in vain.
        for _ in range(self._expected):
            try:
                data, source = self._socket.recvfrom(_LARGEST)
            except BlockingIOError:
                self._expected = 1
                return
            except OSError:  # what was sent earlier was refused; it is no reason to read no further
                continue
            self._handle(DatagramReceived(data, address_of(source)))  # whose answer waits for no other
        self._expected = min(2 * self._expected, _BATCH)

    def _write(self) -> None:
        while self._unsent and self._sent(*self._unsent[0]):
            self._unsent.popleft()
        if not self._unsent:
            self._loop.remove_writer(self._socket)

    def _sent(self, data: bytes, peer: Address) -> bool:
        """Whether the system needs to be asked no more."""
        try:
            self._socket.sendto(data, peer)
        except BlockingIOError:
            return False
        except OSError as error:
            self._handle(SendingFailed(peer, error.strerror or str(error)))
        return True


class ClientConnection(asyncio.Protocol):
    """One TCP connection; `remote` says whether clients on other hosts may use this daemon (client 1.2)."""

    def __init__(self, handle: Handle, *, remote: bool) -> None:
        self._handle = handle
        self._remote = remote
        self._reading = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        here, there = transport.get_extra_info("sockname")[0], transport.get_extra_info("peername")[0]
        self._handle(ClientConnected(self, self._remote or here == there or there in ("127.0.0.1", "::1")))

    def data_received(self, data: bytes) -> None:
        self._handle(ClientSaid(self, data))

    def connection_lost(self, _error: Exception | None) -> None:
        self._handle(ClientClosed(self))

    def pause_writing(self) -> None:
        self._handle(ClientSlow(self, slow=True))

    def resume_writing(self) -> None:
        self._handle(ClientSlow(self, slow=False))

    def write(self, line: bytes) -> None:
        """Sends a line, unless too much is unread already."""
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > _UNREAD:
            log.warning("the client has left %d bytes unread and is disconnected", _UNREAD)
            self._transport.abort()
        else:
            self._transport.write(line)

    def throttle(self, held: bool) -> None:
        """Reads no more while it is held."""
        if not self._transport.is_closing():
            (self._transport.pause_reading if held else self._transport.resume_reading)()

    def close(self) -> None:
        """Once what was written has been read."""
        self._transport.close()

    def abort(self) -> None:
        """Now."""
        self._transport.abort()

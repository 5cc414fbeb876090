"""One client's TCP connection on asyncio: it reports what happens to it, and does what it is told."""

import asyncio
import select
import socket
from contextlib import suppress
from typing import Final, cast

from simp_daemon import occurrences
from simp_daemon.log import log
from simp_daemon.occurrences import Handle

_SENT: Final = 16 << 10
"""Bytes in the system's buffer towards a client. It takes twice as many on Linux."""
_UNREAD: Final = 1 << 20
"""Bytes that a client may leave unread before it is disconnected (spec 8.4)."""


class ClientConnection(asyncio.Protocol):
    """`remote` says whether clients on other hosts may use this daemon (client 1.2)."""

    def __init__(self, handle: Handle, *, remote: bool) -> None:
        self._handle = handle
        self._remote = remote
        self._begun = False
        self._slow = False
        self._closing = False
        self._throttled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        here, there = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        if not here or not there:  # it has ended already
            self._transport.abort()
            return
        # Whatever a client leaves unread waits at its partner's daemon instead, unacknowledged (spec 8.4).
        self._transport.set_write_buffer_limits(0)
        with suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT)
        self._begun = True
        local = self._remote or here[0] == there[0] or there[0] in ("127.0.0.1", "::1")
        self._handle(occurrences.ClientConnected(self, local))

    def data_received(self, data: bytes) -> None:
        if not self._closing:  # or else it is read and forgotten, so that what was written arrives before the end
            self._handle(occurrences.ClientSaid(self, data))

    def connection_lost(self, _error: Exception | None) -> None:
        if self._begun:
            self._handle(occurrences.ClientClosed(self))

    def pause_writing(self) -> None:
        self._slow = True
        self._handle(occurrences.ClientSlow(self, slow=True))

    def resume_writing(self) -> None:
        self._slow = False
        self._handle(occurrences.ClientSlow(self, slow=False))

    def write(self, line: bytes) -> None:
        """Sends a line, unless too much is unread already."""
        if self._closing or self._transport.is_closing():
            return
        if self._slow and self._transport.get_write_buffer_size() > _UNREAD:
            log.warning("the client has left %d bytes unread and is disconnected", _UNREAD)
            self._transport.abort()
        else:
            self._transport.write(line)

    def throttle(self, held: bool) -> None:
        """Reads no more while it is held."""
        self._throttled = held
        if not self._closing and not self._transport.is_closing():
            (self._transport.pause_reading if held else self._transport.resume_reading)()

    def look(self) -> None:
        """Ends it if its client has, which goes unnoticed while nothing is read (client 1.4)."""
        if self._throttled and not self._transport.is_closing() and hasattr(select, "poll"):
            self._transport.write(b"\n")  # a system where nobody has that connection any more refuses it
            poll = select.poll()
            poll.register(self._transport.get_extra_info("socket"), getattr(select, "POLLRDHUP", 0))
            if poll.poll(0):
                self._transport.abort()

    def close(self) -> None:
        """Writes no more, and ends when the client does."""
        self._closing = True
        if not self._transport.is_closing():
            self._transport.resume_reading()
            try:
                self._transport.write_eof()
            except OSError:  # the client has cut it, which isn't told yet
                self._transport.abort()

    def abort(self) -> None:
        self._transport.abort()

"""The TCP connection between a daemon and our end: a person's dialogue, or a program's attachment (client 1)."""

import asyncio
import contextlib
import socket
from ipaddress import ip_address
from typing import Final, Protocol, Self

from simp_proto.address import Address, format_address
from simp_proto.constants import CLIENT_PORT, DAEMON_PORT, MAX_DAEMON_LINE_SIZE
from simp_proto.errors import LineError, SimpError
from simp_proto.interfaces import own_networks
from simp_proto.text import Line, LineBuffer, Word, format_line, parse_line

CONNECT_TIMEOUT: Final = 10.0
"""Seconds that the daemon has to take the connection, as many to say its first line, and as many to attach us."""
_ATTACHED: Final = (Word.CONNECTED, Word.PONG)
"""What answers CONNECT and the PING behind it (client 4.1)."""
GOODBYE_TIMEOUT: Final = 1.0
"""Seconds that the daemon has to answer the last QUIT."""
RECEIVED: Final = 16 << 10
"""Bytes in the system's buffer towards us: what is there counts as arrived at its sender's (spec 8.4)."""
CHUNK: Final = 65_536


_ON_ALL: Final = {"127.0.0.1": "simp daemon", "::1": "simp daemon ::"}
"""What starts a daemon on all addresses, by where its clients connect (client 1.1)."""


class NoDaemonError(SimpError):
    """Nothing answers at the daemon's address, or no longer. The text ends with `advice`: what to do, where told."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(f"{what} {advice}".strip())
        self.advice = advice


def lost(address: Address) -> str:
    """The daemon there has closed the connection."""
    return f"The daemon is gone. Start it again with: {start_command(*address)}"


def start_command(ip: str, port: int = CLIENT_PORT) -> str:
    """What starts the daemon whose clients connect there."""
    command = _ON_ALL.get(ip, f"simp daemon {ip}")
    return command if port == CLIENT_PORT else f"{command} --client-port {port}"


def _own(ip: str) -> bool:
    return (
        ip_address(ip).is_loopback or ip_address(ip).is_unspecified or any(ip == each.host for each in own_networks())
    )


class End(Protocol):
    """Our end of the protocol: an `Attachment`, or what is built on one."""

    def lines_to_send(self) -> list[Line]: ...
    def receive_line(self, line: Line) -> None: ...
    def lose(self) -> None: ...


class Link:
    def __init__(self, end: End, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._end = end
        self._reader = reader
        self._writer = writer
        self._buffer = LineBuffer(MAX_DAEMON_LINE_SIZE)
        self._silent_until: float | None = None  # what is due hasn't been said so far
        self._due: tuple[Word, ...] = ()  # in this order; any line, where there is none
        self._spoken = False

    @classmethod
    async def open(cls, address: Address, end: End) -> Self:
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(*address), CONNECT_TIMEOUT)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)
            link = cls(end, reader, writer)
            link._silent_until = asyncio.get_running_loop().time() + CONNECT_TIMEOUT
            return link
        except OSError as error:  # `TimeoutError` is one
            why = "connection refused" if isinstance(error, ConnectionRefusedError) else error.strerror or "no answer"
            where = format_address(address)
            advice = f"Start one with: {start_command(*address)}"
            if not _own(address[0]):
                advice = (
                    "That isn't an address of this machine, where your daemon runs; "
                    f"to call somebody there: simp client --call {address[0]}"
                )
            elif address[1] == DAEMON_PORT:
                advice = (
                    f"That is the port between daemons; the one for clients is {CLIENT_PORT} unless told otherwise."
                )
            raise NoDaemonError(f"No daemon at {where} ({why}).", advice) from None

    def send(self) -> None:
        for line in self._end.lines_to_send():
            self._writer.write(format_line(line))
            if line.word is Word.CONNECT:
                self._due, self._silent_until = _ATTACHED, asyncio.get_running_loop().time() + CONNECT_TIMEOUT

    async def drain(self) -> None:
        """Waits while the daemon doesn't take what was written."""
        with contextlib.suppress(OSError):  # it has ended, which `receive` finds
            await self._writer.drain()

    async def receive(self) -> bool:
        """Waits for what the daemon says next and passes it on; false once the connection has ended.

        Raises `NoDaemonError` where whoever has taken the connection says no line of a daemon, or doesn't attach us.
        """
        try:
            async with asyncio.timeout_at(self._silent_until):
                data = await self._reader.read(CHUNK)
            self._buffer.feed(data)
            while data and (line := self._buffer.next_line()) is not None:
                with contextlib.suppress(LineError):  # an operation of a later version, say (client 2.4)
                    self._hear(parse_line(line))
        except (OSError, LineError) as error:
            data = b""
            if self._silent_until is not None and isinstance(error, TimeoutError):
                where = format_address(self._writer.get_extra_info("peername")[:2])
                what = "CONNECT not answered for" if self._spoken else "nothing said for"
                raise NoDaemonError(
                    f"No daemon at {where}: the connection was taken, and {what} {CONNECT_TIMEOUT:g} s.",
                    "Is that the port for clients, and does the daemon still run?",
                ) from None
        if not data:
            self._end.lose()
        return bool(data)

    def _hear(self, line: Line) -> None:
        self._end.receive_line(line)
        self._spoken = True
        if not self._due or (self._due is _ATTACHED and line.word is Word.ERROR):
            self._due, self._silent_until = (), None
        elif line.word is self._due[0]:
            self._due = self._due[1:]
            self._silent_until = self._silent_until if self._due else None

    async def close(self) -> None:
        """Ends the connection, once what was written is sent or a second has passed."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), GOODBYE_TIMEOUT)

    def abort(self) -> None:
        """Ends it now, if it hasn't ended."""
        self._writer.transport.abort()

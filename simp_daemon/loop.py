"""The daemon's shell: sockets, one timer and the log around `Endpoint` and `Clients`. The only asyncio here."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from simp_daemon.clients import Clients
from simp_daemon.events import Event, Ignored, MessageAcknowledged, MessageReceived
from simp_daemon.peers.endpoint import Endpoint
from simp_proto.address import Address, format_address
from simp_proto.constants import Framing
from simp_proto.datagram import parse
from simp_proto.errors import DatagramError, SimpError
from simp_proto.printable import printable
from simp_proto.udp import address_of, bind, why_not

log = logging.getLogger("simp.daemon")

_GOODBYE: Final = 1.0
"""Seconds that partners have to acknowledge our FIN when the daemon ends (spec 4.7)."""
_UNREAD: Final = 1 << 20
"""Bytes that a client may leave unread before it is cut off (spec 8.4)."""

_QUIET: Final = (Ignored, MessageAcknowledged, MessageReceived)
"""Events that are logged at debug level only: what people say is theirs."""

Tap = Callable[[float, Address, Address, bytes], None]
"""Sees each datagram sent or received: the time in seconds, from, to, its bytes."""


class StartError(SimpError):
    """The daemon's addresses can't be had."""


class Daemon:
    """One daemon on one address. `async with` starts it, and ends it with a FIN to every partner."""

    def __init__(
        self,
        address: Address,
        client_port: int,
        *,
        framing: Framing | None = None,
        remote_clients: bool = False,
        tap: Tap | None = None,
    ) -> None:
        self.address = address
        self.endpoint = Endpoint(framing)
        self.clients = Clients(self.endpoint, address, _log_event)
        self.client_address = (address[0], client_port)
        """Where the client connects; a port of 0 becomes the one that was free."""
        self._remote_clients = remote_clients
        self._tap = tap
        self._timer: asyncio.TimerHandle | None = None
        self._destination = address
        self._connections: set[_Client] = set()
        self._ended = asyncio.Event()

    async def __aenter__(self) -> "Daemon":
        self._loop = asyncio.get_running_loop()
        try:
            udp = bind(self.address)
        except OSError as error:
            raise StartError(why_not(error, self.address)) from None
        udp.setblocking(False)
        self._udp, _ = await self._loop.create_datagram_endpoint(lambda: _Peers(self), sock=udp)
        try:
            self._tcp = await self._loop.create_server(lambda: _Client(self), *self.client_address)
        except OSError as error:
            self._udp.close()
            raise StartError(why_not(error, self.client_address, "TCP")) from None
        self.client_address = self._tcp.sockets[0].getsockname()[:2]
        here, client = format_address(self.address), format_address(self.client_address)
        log.info("listening for daemons on %s, for the client on %s", here, client)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._tcp.close()
        self._ended.clear()
        self.endpoint.shutdown(self._loop.time())
        self.step()
        for connection in self._connections:
            connection.close()
        if not self._over:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _GOODBYE)
        if not self.endpoint.idle:
            log.info("a partner didn't acknowledge our FIN in %g s", _GOODBYE)
        for connection in self._connections:
            connection.abort()
        if self._timer:
            self._timer.cancel()
        self._udp.close()
        await asyncio.sleep(0)  # lets the transports report that they are closed

    @property
    def _over(self) -> bool:
        return self.endpoint.idle and not self._connections

    def step(self) -> None:
        """Does all that an input has brought: sends, tells the client, and sets the timer anew."""
        now = self._loop.time()
        self._send(now)
        self.clients.drain()
        if self.clients.held:
            self.clients.resume(now)
            self._send(now)
        self._write()
        attached = self.clients.attached
        self.endpoint.slow = isinstance(attached, _Client) and attached.slow
        self._arm()
        if self._over:
            self._ended.set()

    def _send(self, now: float) -> None:
        for data, destination in self.endpoint.datagrams_to_send():
            self.watch(now, self.address, destination, data, "to")
            self._destination = destination
            self._udp.sendto(data, destination)

    def _write(self) -> None:
        while self.clients.outbox:
            connection, line = self.clients.outbox.popleft()
            assert isinstance(connection, _Client)
            connection.write(line)
        while self.clients.closing:
            connection = self.clients.closing.popleft()
            assert isinstance(connection, _Client)
            connection.close()
        if isinstance(self.clients.attached, _Client):
            self.clients.attached.throttle(self.clients.full)

    def _arm(self) -> None:
        """Sets the timer; one that is set already and comes early does no harm, and spares a new one for each ACK."""
        at = self.endpoint.get_timer()
        if at is None or (self._timer and self._timer.when() <= at):
            return
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._due, at)

    def _due(self, at: float) -> None:
        self._timer = None
        self.endpoint.handle_timer(max(at, self._loop.time()))  # the loop may call a moment too early
        self.step()

    # -- what the transports report

    def datagram_received(self, data: bytes, source: Address) -> None:
        now = self._loop.time()
        self.watch(now, source, self.address, data, "from")
        self.endpoint.receive(data, source, now)
        self.step()

    def sending_failed(self, error: OSError) -> None:
        """The datagram that was being sent went nowhere; its retransmission may fare better."""
        peer = format_address(self._destination)
        log.warning("nothing could be sent to %s: %s", peer, error.strerror or error)
        current = self.endpoint.current
        if current is not None and current.peer == self._destination:
            self.clients.warn(f"nothing could be sent to {peer}: {error.strerror or error}")

    def client_connected(self, connection: "_Client", local: bool) -> None:
        self._connections.add(connection)
        self.clients.connected(connection, local=local or self._remote_clients)
        self.step()

    def client_received(self, connection: "_Client", data: bytes) -> None:
        self.clients.received(connection, data, self._loop.time())
        self.step()

    def client_closed(self, connection: "_Client") -> None:
        self._connections.discard(connection)
        attached = connection is self.clients.attached
        self.clients.closed(connection, self._loop.time())
        if attached:
            log.info("the client is gone")
        self.step()

    def watch(self, now: float, source: Address, destination: Address, data: bytes, way: str) -> None:
        if self._tap:
            self._tap(now, source, destination, data)
        if log.isEnabledFor(logging.DEBUG):
            peer = source if way == "from" else destination
            log.debug("%s %s: %s", way, format_address(peer), _datagram_line(data))


class _Peers(asyncio.DatagramProtocol):
    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._daemon.datagram_received(data, address_of(addr))

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self._daemon.sending_failed(exc)


class _Client(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._reading = True
        self.slow = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        here, there = transport.get_extra_info("sockname")[0], transport.get_extra_info("peername")[0]
        self._daemon.client_connected(self, local=here == there or there in ("127.0.0.1", "::1"))

    def data_received(self, data: bytes) -> None:
        self._daemon.client_received(self, data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        self._daemon.client_closed(self)

    def pause_writing(self) -> None:
        self.slow = True

    def resume_writing(self) -> None:
        self.slow = False
        self._daemon.step()

    def write(self, line: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > _UNREAD:
            log.warning("the client leaves %d bytes unread and is cut off", _UNREAD)
            self._transport.abort()
        else:
            self._transport.write(line)

    def throttle(self, full: bool) -> None:
        """Reads no more while the daemon has enough to send."""
        if full is self._reading and not self._transport.is_closing():
            self._reading = not full
            if full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def close(self) -> None:
        """Once what was written has been read."""
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()


def _log_event(event: Event) -> None:
    level = logging.DEBUG if isinstance(event, _QUIET) else logging.INFO
    if not log.isEnabledFor(level):
        return
    what = type(event).__name__
    details = {key: getattr(event, key) for key in event.__dataclass_fields__ if key not in ("peer", "text")}
    words = " ".join(f"{key}={getattr(value, 'value', value)!r}" for key, value in details.items())
    log.log(level, "%s %s %s", what, format_address(event.peer), printable(words))


def _datagram_line(data: bytes) -> str:
    try:
        datagram = parse(data)
    except DatagramError as error:
        return f"{len(data)} bytes, refused: {printable(str(error))}"
    return (
        f"{datagram.framing.value} {datagram.operation.label} sequence {datagram.sequence}"
        f" user '{printable(datagram.name)}' length {datagram.length} '{printable(datagram.text[:80])}'"
    )

"""The daemon's shell: it gives the rules what happens, and does what they say, in that order."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from simp_daemon import occurrences
from simp_daemon.announcement import Announcement
from simp_daemon.client_connection import ClientConnection
from simp_daemon.core import Core
from simp_daemon.datagrams import Datagrams
from simp_daemon.effects import Announce, Client, Close, Commit, Effect, LogKeys, Remember, Send, Throttle, Write
from simp_daemon.events import Connected, Source
from simp_daemon.files import StateError
from simp_daemon.log import EventLog, log, log_datagram
from simp_daemon.occurrences import Occurrence
from simp_daemon.profile import Profile
from simp_proto.address import Address, format_address
from simp_proto.constants import Framing
from simp_proto.errors import SimpError
from simp_proto.udp import why_not

if TYPE_CHECKING:
    from simp_daemon.discovery import Discovery
    from simp_daemon.disk import Disk

_GOODBYE: Final = 1.0
"""Seconds that partners have to acknowledge our FIN when the daemon ends (spec 4.7)."""
_AGAIN: Final = 1.0
"""Seconds between checks whether the disk takes anything again, and whether a command has decided (simp2 9.7)."""
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where clients connect to a daemon on all addresses (client 1.1)."""

Tap = Callable[[float, Address, Address, bytes], None]
"""Sees each datagram sent or received: the time in seconds, from, to, its bytes."""


class StartError(SimpError):
    """The daemon's addresses can't be used."""


class Daemon:
    """One daemon on one address. `async with` starts it, and ends it with a FIN to every partner.

    The running loop needs `add_reader`: `new_loop` makes one that has it on every system.
    """

    def __init__(
        self,
        address: Address,
        client_port: int,
        *,
        framing: Framing | None = None,
        remote_clients: bool = False,
        tap: Tap | None = None,
        profile: Profile | None = None,
        discovery: bool = False,
        hidden: bool = False,
        only_sealed: bool = False,
        key_log: Path | None = None,
    ) -> None:
        """`profile` is what it keeps between runs; with `discovery`, it finds and is found, `hidden` by contacts.

        Without a profile, or with a `framing`, it speaks SIMP/1 alone; with `only_sealed`, it refuses that. The keys of
        all sessions are added to the file `key_log`, if there is one.
        """
        self.address = address
        self.client_address = (address[0] if remote_clients else _LOOPBACK.get(address[0], address[0]), client_port)
        """Where the client connects; a port of 0 becomes the one that was free."""
        self._framing = framing
        self._only_sealed = only_sealed
        self._key_log = key_log
        self._disk: Disk | None = None
        self._remote_clients = remote_clients
        self._tap = tap
        self._profile = profile
        self._asks = discovery
        self._hidden = hidden
        self._discovery: Discovery | None = None
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._log = EventLog()
        self._connections: set[ClientConnection] = set()
        self._occurred: deque[Occurrence] = deque()
        self._handling = True  # until there are rules
        self._urgent = False
        self._ending = False
        self._left, self._closed = asyncio.Event(), asyncio.Event()

    async def __aenter__(self) -> "Daemon":
        self._loop = asyncio.get_running_loop()
        await self._listen()  # before anything is made: a port that is taken leaves nothing behind
        try:
            self._make_core()
        except StartError:
            self._tcp.close()
            self._datagrams.close()
            raise
        self._handling = False
        if self._profile:
            for peer, framing, name in self._profile.chats:
                self.handle(occurrences.Known(Source.CHAT, name, peer, framing))
        if self._asks and self._profile:
            await self._discover()
        self.handle(occurrences.Started())
        return self

    def _make_core(self) -> None:
        means = None
        if self._profile and not self._framing:
            from simp_daemon.disk import Disk  # noqa: PLC0415  whoever speaks SIMP/1 alone needs neither that nor a cipher

            try:
                here, key_log = self._profile.directory, self._key_log
                self._disk = Disk(here, key_log, self._perform, self._not_stored, self._datagrams.gather)
                means = self._disk.means(only_sealed=self._only_sealed, hides=self._hidden)
            except StateError as error:
                if self._disk:
                    self._disk.close()
                raise StartError(str(error)) from None
        perform = self._put if means else self._perform
        self._core = Core(perform, self.address, self._framing, asks=self._asks, means=means)

    async def _listen(self) -> None:
        try:
            self._datagrams = Datagrams(self.address, self.handle)
        except OSError as error:
            raise StartError(why_not(error, self.address)) from None
        try:
            self._tcp = await self._loop.create_server(
                lambda: ClientConnection(self.handle, remote=self._remote_clients), *self.client_address
            )
        except OSError as error:
            self._datagrams.close()
            raise StartError(why_not(error, self.client_address, "TCP")) from None
        self.client_address = self._tcp.sockets[0].getsockname()[:2]
        here, client = format_address(self.address), format_address(self.client_address)
        log.info("listening for daemons on %s, for the client on %s", here, client)

    async def _discover(self) -> None:
        from simp_daemon.discovery import Discovery  # noqa: PLC0415  loads what others don't need, for a tenth of a second

        assert self._profile is not None
        address = (self.address[0], self._datagrams.port)
        known_as = self._profile.identity
        own = self._disk.announcement(hidden=self._hidden) if self._disk else Announcement(lambda: known_as)
        self._discovery = Discovery(own, address, self.handle)  # clients may come while it starts
        try:
            await self._discovery.start()
        except OSError as error:
            self._discovery = None
            log.warning("nobody is looked for, since multicast can't be had: %s", error)
        else:
            log.info("%s", own.notice)

    async def __aexit__(self, *_: object) -> None:
        self._tcp.close()
        self._ending = True
        self.handle(occurrences.Stopped())
        await self._until(self._left)
        if not self._core.idle:
            log.info("a partner didn't acknowledge our FIN in %g s", _GOODBYE)
        if self._timer:
            self._timer.cancel()
        if self._disk:
            self._disk.close()
        self._datagrams.close()
        if self._discovery:  # whoever hears the goodbye asks, and nobody answers any more (discovery 2.2)
            await self._discovery.close()
        await self._until(self._closed)
        for connection in self._connections:
            connection.abort()
        await asyncio.sleep(0)  # lets the transports report that they are closed

    @staticmethod
    async def _until(over: asyncio.Event) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _GOODBYE)

    def handle(self, occurrence: Occurrence) -> None:
        """Lets the rules know what has happened, and does what follows from it."""
        if self._disk and self._disk.failing and isinstance(occurrence, occurrences.DatagramReceived):
            return  # it comes again, if it matters: what follows from it would have to wait
        self._occurred.append(occurrence)
        if self._handling:  # a transport reports what is being done to it: that is finished first
            return
        self._handling = True
        try:
            while self._occurred:
                occurrence, self._now = self._occurred.popleft(), self._loop.time()
                for decided in self._decided(occurrence):
                    self._core.handle(decided, self._now)
                self._note(occurrence)
                self._core.handle(occurrence, self._now)
                if isinstance(occurrence, occurrences.ClientSaid) and self._disk and self._disk.failing:
                    # Or else the client would wait for an answer.
                    self._not_stored(self._disk.failing, occurrence.client)
        finally:
            self._handling = False
        self._arm()
        if self._ending and self._core.idle:
            self._left.set()
        if self._ending and not self._connections:
            self._closed.set()

    def _note(self, occurrence: Occurrence) -> None:
        match occurrence:
            case occurrences.DatagramReceived(data, peer, _):
                self._log.received(peer, data)
                if self._tap:
                    self._tap(self._now, peer, self.address, data)
            case occurrences.SendingFailed(peer, why, _):
                self._log.failed(peer, why, self._now)
            case occurrences.ClientConnected(client):
                for each in self._connections:
                    each.look()
                self._connections.add(_connection(client))
            case occurrences.ClientClosed(client):
                self._connections.discard(_connection(client))
                log.info("a client's connection has ended")

    def _put(self, effect: Effect) -> None:
        """Performs it once what it rests on is on the disk."""
        assert self._disk
        (self._perform if self._urgent else self._disk.put)(effect)

    def _not_stored(self, why: str, client: Client | None = None) -> None:
        """Our person, or that client, hears why nothing goes on, before everything that waits."""
        self._urgent = True
        try:
            self._core.handle(occurrences.NotStored(why, client), self._loop.time())
        finally:
            self._urgent = False

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Send(data, peer, _):
                log_datagram("to", peer, data)
                if self._tap:
                    self._tap(self._now, self.address, peer, data)
                self._datagrams.send(effect)
            case Write(client, line):
                _connection(client).write(line)
            case Throttle(client, held):
                _connection(client).throttle(held)
            case Close(client, at_once):
                connection = _connection(client)
                (connection.abort if at_once else connection.close)()
            case Remember(peer, framing, name):
                if self._profile:
                    self._profile.remember((peer, framing, name))
            case Announce(name):
                if self._discovery:
                    self._discovery.rename(name)
            case Commit() | LogKeys():
                raise AssertionError("that is for the disk")
            case _:
                if isinstance(effect, Connected):
                    self._datagrams.reserve_queue(effect.peer, effect.here)
                self._log.add(effect, self._now)

    def _decided(self, occurrence: Occurrence) -> Iterator[Occurrence]:
        """What people have changed in files and by commands comes before whatever rests on that."""
        says = isinstance(occurrence, occurrences.ClientSaid)
        if says and self._profile and (hosts := self._profile.hosts()) is not None:
            yield occurrences.HostsRead(hosts)
        asks = says or isinstance(occurrence, (occurrences.DatagramReceived, occurrences.TimerFired))
        if asks and self._disk and (contacts := self._disk.changed(now=says)):
            yield occurrences.ContactsChanged(contacts)

    def _arm(self) -> None:
        """Sets the timer; one that is set already and comes early does no harm, and spares a new one for each ACK."""
        timers = self._core.get_timer(), (self._loop.time() + _AGAIN if self._core.sealed else None)
        at = min((timer for timer in timers if timer is not None), default=None)
        if at is None or (self._timer and self._timer_at <= at):
            return
        if self._timer:
            self._timer.cancel()
        self._set_timer(at)

    def _set_timer(self, at: float) -> None:
        self._timer, self._timer_at = self._loop.call_at(at, self._due), at  # not each of uvloop's says when it is due

    def _due(self) -> None:
        self._timer = None
        if self._disk and self._disk.failing:
            self._set_timer(self._loop.time() + _AGAIN)
        else:
            self.handle(occurrences.TimerFired())


def _connection(client: Client) -> ClientConnection:
    assert isinstance(client, ClientConnection)
    return client

"""The daemon's UDP sockets: they report what comes and what doesn't get there, and send what they are told."""

import asyncio
import socket
from collections import OrderedDict, deque
from contextlib import suppress
from errno import EACCES, ECONNREFUSED
from ipaddress import ip_address
from os import strerror
from typing import Final

from simp_daemon import occurrences
from simp_daemon.effects import Send
from simp_daemon.occurrences import Handle
from simp_daemon.peers.strangers import Allowance
from simp_proto import udp
from simp_proto.address import Address, format_address
from simp_proto.interfaces import interfaces, no_machines

_BATCH: Final = 64
"""Datagrams that are read before clients and timers get their turn."""
_ALONE: Final = 8
"""Datagrams that come one by one before two are expected."""
_REPORTS: Final = 20
"""Failures that are reported in a second: anyone can make them up (spec 10)."""
_QUEUES: Final = 16
"""Peers with a queue of their own: those with whom a chat was on last."""
_UNSENT: Final = 1024
"""Datagrams that wait for room in the system's buffer. Older ones are lost, as on any network (spec 6.2)."""


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop for daemons: uvloop's where that is installed, by the extra `fast`, else one that has `add_reader`."""
    try:
        import uvloop  # noqa: PLC0415  an optional extra
    except ImportError:
        return asyncio.SelectorEventLoop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Datagrams:
    """UDP at that address. Raises `OSError` where it can't be had.

    At an address that stands for all of this host's, each datagram is reported with the one that it came to, and each
    answer leaves from that (spec 1.4): the system says which, or else there is a socket for each (Windows).

    It does without asyncio's transports: one wake-up reads several that have come, and on Windows one datagram that was
    refused would end all reading there. It needs a loop with `add_reader`.
    """

    def __init__(self, address: Address, handle: Handle) -> None:
        self._loop = asyncio.get_running_loop()
        self._handle = handle
        self._unsent: deque[Send] = deque(maxlen=_UNSENT)
        self._expected = 1  # datagrams that may have come when the loop wakes us
        self._alone = 0
        self._closed = False
        self._reports = Allowance(_REPORTS, _REPORTS)
        sock = udp.bind(address)
        anywhere = ip_address(address[0].partition("%")[0]).is_unspecified
        self._hears = anywhere and udp.hear_destinations(sock)
        self._sockets: dict[str | None, socket.socket] = {None: sock}
        if anywhere and not self._hears:
            port = sock.getsockname()[1]
            sock.close()
            self._sockets = {host: udp.bind((host, port)) for host in udp.addresses_here(sock.family)}
        self._first = next(iter(self._sockets.values()))
        self._queues: OrderedDict[Address, tuple[socket.socket, str | None]] = OrderedDict()
        """Each partner's own socket, and the address of ours that it is bound to."""
        for here, each in self._sockets.items():
            each.setblocking(False)
            udp.enlarge(each)
            udp.hear_refusals(each)
            self._loop.add_reader(each, self._read, each, here)

    def send(self, datagram: Send) -> None:
        """Now, or as soon as the system has room."""
        if self._closed:
            return
        if self._unsent or not self._sent(datagram):
            self._unsent.append(datagram)
            self._loop.add_writer(self._first, self._write)

    @property
    def port(self) -> int:
        """That of its sockets, also where any free one was wanted."""
        return int(self._first.getsockname()[1])

    def reserve_queue(self, peer: Address, here: str | None) -> None:
        """Gives a peer that reaches us there a queue of its own, which strangers can't fill (spec 8.2), if possible."""
        own, at = self._queues.pop(peer, (None, None))
        if own and at == here:
            self._queues[peer] = own, here
            return
        if own:  # it reaches us elsewhere now
            self._forget(own)
        with suppress(OSError):  # else it stays in the queue with all others
            own = udp.beside(self._first, peer, here)
            own.setblocking(False)
            udp.hear_refusals(own)
            self._loop.add_reader(own, self._read_one, own, here)
            self._queues[peer] = own, here
        if len(self._queues) > _QUEUES:
            _, (oldest, _) = self._queues.popitem(last=False)
            self._forget(oldest)

    def _forget(self, own: socket.socket) -> None:
        self._loop.remove_reader(own)
        own.close()

    def close(self) -> None:
        self._closed = True
        for each in (*self._sockets.values(), *(own for own, _ in self._queues.values())):
            self._loop.remove_reader(each)
            self._loop.remove_writer(each)
            each.close()

    def _read(self, sock: socket.socket, here: str | None) -> None:
        # A chat that goes to and fro has one datagram at a time: asking for another is mostly in vain.
        for number in range(self._expected):
            try:
                if self._hears:
                    data, sender, here = udp.receive(sock)
                else:
                    data, sender = sock.recvfrom(udp.LARGEST)
            except BlockingIOError:
                self._expected, self._alone = 1, _ALONE
                if not number:  # we were woken for something else
                    self._failed(sock, here)
                return
            except OSError:  # what was sent earlier got nowhere; it is no reason to read no further
                self._failed(sock, here)
                continue
            # Its answer waits for no other.
            self._handle(occurrences.DatagramReceived(data, udp.address_of(sender), here))
        if self._alone:
            self._alone -= 1
        else:
            self._expected = min(2 * self._expected, _BATCH)

    def _read_one(self, own: socket.socket, here: str | None) -> None:
        try:
            data, sender = own.recvfrom(udp.LARGEST)  # a stranger's may have come before it was connected
        except OSError:
            self._failed(own, here)
        else:
            self._handle(occurrences.DatagramReceived(data, udp.address_of(sender), here))

    def gather(self) -> None:
        """Reads what partners have sent meanwhile: whoever asks is about to keep them waiting."""
        for own, here in list(self._queues.values()):
            with suppress(OSError):  # there is nothing more, or what has failed is reported as ever
                for _ in range(_BATCH):
                    data, sender = own.recvfrom(udp.LARGEST)
                    self._handle(occurrences.DatagramReceived(data, udp.address_of(sender), here))

    def _failed(self, sock: socket.socket, here: str | None) -> None:
        """Reports failures, and goes on reading: uvloop stops at an error, and says so to nobody."""
        self._report_failures(sock)
        if not isinstance(self._loop, asyncio.SelectorEventLoop):
            self._loop.remove_reader(sock)
            read = self._read if sock in self._sockets.values() else self._read_one
            self._loop.add_reader(sock, read, sock, here)

    def _report_failures(self, sock: socket.socket) -> bool:
        """Whether there were any."""
        told = list(udp.failures(sock))
        for where, number in told:
            self._fail(udp.address_of(where), number, strerror(number))
        return bool(told)

    def _fail(self, peer: Address, number: int | None, words: str) -> None:
        if not self._reports.left(self._loop.time()):
            return
        self._reports.spend(1)
        where = format_address(peer)
        refused = number == ECONNREFUSED
        if number == EACCES:  # also by the word of whoever administers this host
            mistake = no_machines(peer[0], interfaces())
            words = f"that is {mistake}" if mistake else words
        why = f"nothing listens at {where}" if refused else f"nothing could be sent to {where}: {words}"
        self._handle(occurrences.SendingFailed(peer, why, refused))

    def _write(self) -> None:
        while self._unsent and self._sent(self._unsent[0]):
            self._unsent.popleft()
        if not self._unsent:
            self._loop.remove_writer(self._first)

    def _sent(self, datagram: Send) -> bool:
        """Whether the system has taken it, or refused it for good."""
        own, at = self._queues.get(datagram.peer, (None, None))
        # By IPv6, it would go on sending from an address that is ours no longer.
        if own and at == datagram.here and not (at and ":" in at):
            try:
                own.send(datagram.data)  # it has a way there, which the others look for each time
            except OSError:  # it may have none any more, or no room, or tell of an earlier one
                self._report_failures(own)
            else:
                return True
        for _ in range(2):  # the first time the system may tell of an earlier one instead
            sock = self._first
            try:
                if len(self._sockets) > 1:
                    sock = self._sockets.get(datagram.here or udp.local_host(datagram.peer), sock)
                if datagram.here is not None and self._hears:
                    udp.send_from(sock, datagram.data, datagram.peer, datagram.here)
                else:
                    sock.sendto(datagram.data, datagram.peer)
            except BlockingIOError:
                return False
            except OSError as error:
                windows = isinstance(error, ConnectionResetError)  # which tells no more
                if self._report_failures(sock) or windows:
                    continue
                if datagram.here is not None:  # no address of ours any more, perhaps
                    return self._sent(Send(datagram.data, datagram.peer))
                self._fail(datagram.peer, error.errno, error.strerror or str(error))
                return True
            else:
                return True
        return True

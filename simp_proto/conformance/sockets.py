"""The tester's wire over real sockets."""

import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from ipaddress import ip_address, ip_network
from typing import Final

from simp_proto.address import Address, format_address
from simp_proto.conformance.attached import Attached
from simp_proto.conformance.hands import Hands
from simp_proto.conformance.kinds import is_syn
from simp_proto.conformance.wire import NotRunError, Request, Side
from simp_proto.constants import DAEMON_PORT
from simp_proto.errors import AddressError
from simp_proto.toolkit.reading import Reading
from simp_proto.udp import AFAR, address_of, bind, hear_refusals, local_host, refused, why_not

_MOST_WAITING: Final = 4_096
_MOST_BYTES: Final = 1 << 20
"""Datagrams that wait to be looked at, and their bytes; of a flood, more are dropped."""
_TICK: Final = 0.2
"""Seconds after which a waiting thread looks whether it is still wanted."""


def addresses_near(daemon: Address | None) -> tuple[Address, Address]:
    """Where a tester and a stranger can be: with port 7777, to which some daemons send whatever port they hear from.

    Raises `OSError` if there is no route to the daemon.
    """
    if daemon is None:
        local = local_host(AFAR[0])
        return (local, DAEMON_PORT), (local, 0)
    host = daemon[0]
    if ip_address(host.partition("%")[0]) in ip_network("127.0.0.0/8"):
        one, other = [each for each in ("127.0.0.2", "127.0.0.3", "127.0.0.4") if each != host][:2]
        return (one, DAEMON_PORT), (other, DAEMON_PORT)
    local = local_host(daemon)
    return (local, 0 if local == host else DAEMON_PORT), (local, 0)


def open_sockets(
    daemon: Address | None, own: Address | None, stranger: Address | None, hands: Hands | Attached, wait: float
) -> "Sockets":
    """At those addresses, or at some that suit; where port 7777 is taken, at any. Raises `AddressError`."""
    given = [each for each in (daemon, own, stranger) if each]
    if len(set(given)) < len(given):
        raise AddressError(
            "read one address twice, expected different ones for the daemon, the tester and the stranger"
        )
    if len({":" in host for host, _ in given}) > 1:
        raise AddressError("read IPv4 and IPv6 addresses, expected the daemon, the tester and the stranger of one kind")
    where = daemon or ("0.0.0.0", DAEMON_PORT)
    try:
        near, further = addresses_near(daemon)
        where = own or near
        try:
            return Sockets(daemon, where, stranger or (further if own is None else (own[0], 0)), hands, wait)
        except OSError:  # a daemon on all addresses has the port at each
            if own is not None:
                raise
            return Sockets(daemon, (near[0], 0), stranger or (further[0], 0), hands, wait)
    except OSError as error:
        raise AddressError(f"{why_not(error, where)}; --bind and --stranger choose others") from None


class Sockets:
    """A socket for each side of the tester. Each datagram gets its time when it arrives, whatever else goes on."""

    def __init__(
        self, daemon: Address | None, own: Address, stranger: Address, hands: Hands | Attached, wait: float
    ) -> None:
        """Raises `OSError` if an address can't be used."""
        self.wait = wait
        self.daemon = daemon
        self.restarts = hands.restarts
        self.actions = hands.actions
        self._hands = hands
        self._arrived: deque[tuple[float, Side, Address, bytes]] = deque()
        self._news = threading.Condition()
        self.refused = False
        self.elsewhere: Address | None = None
        self._waiting = 0  # bytes that have arrived
        self._known: set[int] = set()  # hashes of what has arrived since the tester last said something
        self._fresh = False
        self._readers: dict[Side, _Reader] = {}
        self._readers[Side.TESTER] = _Reader(bind(own), Side.TESTER, self)
        try:
            self._readers[Side.STRANGER] = _Reader(bind(stranger), Side.STRANGER, self)
            self._readers[Side.DOUBLE] = _Reader(bind((own[0], 0)), Side.DOUBLE, self)
        except OSError:
            self.close()
            raise

    def __enter__(self) -> "Sockets":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the addresses back."""
        for reader in self._readers.values():
            reader.stop()

    def address(self, side: Side = Side.TESTER) -> Address:
        """Where that side is."""
        return address_of(self._readers[side].udp.getsockname())

    def now(self) -> float:
        return time.monotonic()

    def chance(self, size: int) -> bytes:
        return secrets.token_bytes(size)

    def send(self, side: Side, data: bytes) -> None:
        with self._news:
            self._known.clear()
            self.refused = False
        if self.daemon is None or side not in self._readers:  # nobody has called yet, or not there
            return
        udp = self._readers[side].udp
        try:
            try:
                udp.sendto(data, self.daemon)
            except ConnectionRefusedError:  # an earlier datagram; this one hasn't been sent yet
                udp.sendto(data, self.daemon)
        except OSError as error:
            raise NotRunError(f"nothing can be sent to {format_address(self.daemon)}: {error.strerror}") from None

    def receive(self, until: float) -> tuple[float, Side, Address, bytes] | None:
        with self._news:
            if not self._news.wait_for(lambda: self._arrived, until - time.monotonic()) or self._arrived[0][0] > until:
                return None
            self._waiting -= len(self._arrived[0][-1])
            return self._arrived.popleft()

    def ask(self, action: Request, text: str, side: Side, *, quiet: bool = False) -> str:
        if side is Side.UNKNOWN:
            if side in self._readers:
                self._readers.pop(side).stop()
            try:
                self._readers[side] = _Reader(bind((self.address()[0], 0)), side, self)
            except OSError as error:
                raise NotRunError(f"no other address can be used: {error.strerror}") from None
        with self._news:
            self._fresh = False
        return self._hands.act(action, text, self.address(side), None if quiet else lambda: self._fresh)

    def shown(self) -> list[tuple[float, str]]:
        return self._attached.shown()

    def converse(self, said: Sequence[bytes], within: float, *, afar: bool = False) -> list[tuple[bytes, bool]]:
        return self._attached.converse(said, within, self.daemon[0] if afar and self.daemon else None)

    @property
    def afar(self) -> bool:
        try:
            with bind((self.daemon[0], 0)) if self.daemon else nullcontext():
                return False
        except OSError:  # it is no address of this host
            return True

    @property
    def _attached(self) -> Attached:
        if not isinstance(self._hands, Attached):
            raise NotRunError("the tester isn't the daemon's client: give --client")
        return self._hands

    def arrive(self, side: Side, source: Address, data: bytes) -> None:
        """Takes what one of the readers has read."""
        now = time.monotonic()
        with self._news:
            if self.daemon is None and (read := Reading.of(data).datagram) and is_syn(read):
                self.daemon = source
            if self.daemon is None:
                return
            if source[0] != self.daemon[0]:
                if self.elsewhere is None and Reading.of(data).datagram:
                    self.elsewhere = source
                return
            known = hash(data)
            self._fresh = self._fresh or known not in self._known
            if len(self._known) < _MOST_WAITING:
                self._known.add(known)
            if len(self._arrived) < _MOST_WAITING and self._waiting + len(data) <= _MOST_BYTES:
                self._waiting += len(data)
                self._arrived.append((now, side, source, data))
            self._news.notify()

    def be_refused(self) -> None:
        """Nobody listens where something was sent."""
        self.refused = True


class _Reader(threading.Thread):
    """Takes what arrives at one socket, which is its own from then on."""

    def __init__(self, udp: socket.socket, side: Side, sockets: Sockets) -> None:
        super().__init__(name=f"{side.value} socket", daemon=True)
        self.udp = udp
        self._side = side
        self._sockets = sockets
        self._wanted = True
        udp.settimeout(_TICK)
        hear_refusals(udp)
        self.start()

    def run(self) -> None:
        while self._wanted:
            try:
                data, source = self.udp.recvfrom(65_535)
            except TimeoutError:
                continue
            except OSError:  # a port that nobody listens at has answered; Windows reports it, too
                refused(self.udp)
                self._sockets.be_refused()
                continue
            self._sockets.arrive(self._side, address_of(source), data)

    def stop(self) -> None:
        """Ends it, and closes the socket."""
        self._wanted = False
        self.join()
        self.udp.close()

"""A UDP socket at an address, and what went wrong with one, in words."""

import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from simp_proto.address import Address, format_address, with_interface

_IP_RECVERR: Final = 11
"""From <linux/in.h>; Python has no name for it before 3.14."""
_IPV6_RECVERR: Final = 25
"""From <linux/in6.h>."""
_IP_PKTINFO: Final = 26 if sys.platform == "darwin" else 8
"""From <netinet/in.h>; Python has no name for it before 3.14. There and back it is struct in_pktinfo."""
LARGEST: Final = 65_535
"""Bytes that UDP carries at most, and a few."""
AFAR: Final = (("192.0.2.1", 9), ("2001:db8::1", 9))
"""Addresses that are nobody's: the route there begins at the one by which others reach this host."""
_BUFFERED: Final = 4 << 20
_SO_RCVBUFFORCE: Final = 33
_INFO_SIZE: Final = 128
"""Bytes for what the system tells beside a datagram."""
_ERROR_SIZE: Final = 512
_FAILURES: Final = 64
"""Errors that are taken before anything else gets its turn: whoever makes up ICMP messages can bring any number."""


def bind(address: Address) -> socket.socket:
    """A socket bound there; port 0 is any that is free. Raises `OSError`."""
    udp = _socket(address)
    try:
        if udp.family == socket.AF_INET6:  # an IPv4 peer would have an address there that nobody types
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        udp.bind(resolved(address))
    except OSError:
        udp.close()
        raise
    return udp


def beside(udp: socket.socket, peer: Address, here: str | None) -> socket.socket:
    """A socket at the same port, at that IP address of ours, which hears that peer alone: others can't fill its queue.

    Linux gives each datagram to the socket that fits best; elsewhere, and where it can't be had, raises `OSError`.
    """
    if sys.platform != "linux":
        raise OSError("each system has rules of its own for sockets at one address")
    own = socket.socket(udp.family, socket.SOCK_DGRAM)
    address, *rest = udp.getsockname()
    try:
        for each in (udp, own):  # an option that lets in sockets of this user alone
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        own.bind(resolved((here, rest[0])) if here else (address, *rest))
        own.connect(resolved(peer))
    except OSError:
        own.close()
        raise
    finally:  # the first one refuses whoever else comes
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
    return own


def hear_refusals(udp: socket.socket) -> None:
    """Asks the system, if it can, to report refused datagrams even to a socket with many peers."""
    if sys.platform == "linux":
        udp.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        if udp.family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)


def refused(udp: socket.socket) -> tuple[Any, ...] | None:
    """The destination of the last datagram that was refused since the last call, if the system tells."""
    return next(iter([where for where, _ in failures(udp)][-1:]), None)


def failures(udp: socket.socket) -> Iterator[tuple[tuple[Any, ...], int]]:
    """The destinations of datagrams that didn't arrive, each with the error's number, if the system tells.

    Linux does where `hear_refusals` asked for it, some at a time, and wakes up whoever waits until all are taken.
    """
    for _ in range(_FAILURES if sys.platform == "linux" else 0):
        try:
            _, told, _, where = udp.recvmsg(0, _ERROR_SIZE, socket.MSG_ERRQUEUE)
        except OSError:
            return
        errors = [error for _, kind, error in told if kind in (_IP_RECVERR, _IPV6_RECVERR)]
        # struct sock_extended_err begins with the number
        yield where, int.from_bytes(errors[0][:4], sys.byteorder) if errors else 0


def enlarge(udp: socket.socket) -> None:
    """Lets as much wait to be read as the system allows, at most 4 MiB: of a flood, less of the others' is lost."""
    with suppress(OSError):
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFERED)
    if sys.platform == "linux":
        with suppress(OSError):  # beyond what the system sets for everybody: for the superuser alone
            udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFERED)


def hear_destinations(udp: socket.socket) -> bool:
    """Asks the system to tell to which address of this host a datagram came; whether it can (Windows can't)."""
    if not hasattr(udp, "recvmsg"):
        return False
    if udp.family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        udp.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    return True


def receive(udp: socket.socket) -> tuple[bytes, tuple[Any, ...], str | None]:
    """The next datagram, where it came from, and the IP address of this host that it came to, if that was asked for.

    Raises `OSError`.
    """
    data, told, _, source = udp.recvmsg(LARGEST, _INFO_SIZE)
    for level, kind, info in told:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            return data, source, socket.inet_ntoa(info[8:12])
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return data, source, address_of((socket.inet_ntop(socket.AF_INET6, info[:16]), 0, 0, source[3]))[0]
    return data, source, None


def send_from(udp: socket.socket, data: bytes, peer: Address, here: str) -> None:
    """Sends from that IP address of this host; raises `OSError`, also where it is one no longer."""
    where: tuple[Any, ...] = peer
    if udp.family == socket.AF_INET6:
        where = resolved(peer)
        scope = where[3] if "%" in here else 0
        info = socket.inet_pton(socket.AF_INET6, here.partition("%")[0]) + scope.to_bytes(4, sys.byteorder)
        udp.sendmsg([data], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)], 0, where)
    else:
        info = bytes(4) + socket.inet_aton(here) + bytes(4)
        udp.sendmsg([data], [(socket.IPPROTO_IP, _IP_PKTINFO, info)], 0, where)


def addresses_here(family: int) -> list[str]:
    """This host's IP addresses of that family, as far as the system's own name leads to them."""
    found = {"127.0.0.1" if family == socket.AF_INET else "::1"}
    with suppress(OSError):
        told = socket.getaddrinfo(socket.gethostname(), None, socket.AddressFamily(family))
        found |= {str(where[0]) for *_, where in told}
    return sorted(found)


def resolved(address: Address) -> tuple[Any, ...]:
    """As sockets have it, with the interface of an IPv6 address as a number. Raises `OSError`."""
    where: tuple[Any, ...] = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0][4]
    return where


def address_of(where: tuple[Any, ...]) -> Address:
    """The address that a socket names, as people write it."""
    host, port, *rest = where
    if rest and rest[1]:  # an IPv6 address that means something on one interface only
        host = with_interface(f"{host.partition('%')[0]}%{rest[1]}")
    return host, port


def why_not(error: OSError, address: Address, protocol: str = "UDP") -> str:
    """Why that address can't be used, and what to do."""
    where = f"{protocol} {format_address(address)}"
    if error.errno == errno.EADDRINUSE:
        do = "Give another address, such as 127.0.0.3, or another port"
        return f"{where} is in use: does a daemon run there already? {do}"
    if error.errno == errno.EADDRNOTAVAIL:
        own = "::1" if ":" in address[0] else "127.0.0.1"
        with suppress(OSError):
            own = local_host(AFAR[":" in address[0]])
        return f"{where}: {address[0]} is not an address of this host. Use one of this host's, for example {own}"
    if error.errno == errno.EACCES:
        return f"{where} may not be used by this user; ports from 1024 on may"
    return f"{where} can't be used: {error.strerror or error}"


def local_host(towards: Address) -> str:
    """The address of this host that datagrams to that one come from. Raises `OSError` if there is no route to it."""
    with _socket(towards) as udp:
        udp.connect(resolved(towards))  # sends nothing
        return address_of(udp.getsockname())[0]


def _socket(address: Address) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)

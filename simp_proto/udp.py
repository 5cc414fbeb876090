"""A UDP socket at an address, and what went wrong with one, in words."""

import errno
import socket
import sys
from contextlib import suppress
from typing import Any, Final

from simp_proto.address import Address, format_address

_IP_RECVERR: Final = 11
"""From <linux/in.h>; Python has no name for it before 3.14."""
_IPV6_RECVERR: Final = 25
"""From <linux/in6.h>."""


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


def hear_refusals(udp: socket.socket) -> None:
    """Asks the system, if it can, to report refused datagrams even to a socket with many peers."""
    if sys.platform == "linux":
        udp.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        if udp.family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)


def refused(udp: socket.socket) -> tuple[Any, ...] | None:
    """The destination of the last datagram that was refused since the last call, if the system tells.

    Linux does, and wakes up whoever waits for the socket until it has been asked.
    """
    where = None
    if sys.platform == "linux":
        with suppress(OSError):
            while True:
                *_, where = udp.recvmsg(0, 0, socket.MSG_ERRQUEUE)
    return where


def resolved(address: Address) -> tuple[Any, ...]:
    """As sockets have it, with the interface of an IPv6 address as a number. Raises `OSError`."""
    where: tuple[Any, ...] = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0][4]
    return where


def address_of(where: tuple[Any, ...]) -> Address:
    """The address that a socket names, as people write it."""
    host, port, *rest = where
    if rest and rest[1]:  # an IPv6 address that means something on one interface only
        with suppress(OSError):  # the interface may be gone again
            host = f"{host.partition('%')[0]}%{socket.if_indextoname(rest[1])}"
    return host, port


def why_not(error: OSError, address: Address, protocol: str = "UDP") -> str:
    """Why that address can't be used, and what to do."""
    where = f"{protocol} {format_address(address)}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use: does a daemon run there already? Give another address, or other ports"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: {address[0]} is not an address of this host"
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

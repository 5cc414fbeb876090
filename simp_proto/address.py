"""Where a daemon is: an IP address and a port, and how people write them."""

import re
import socket
from contextlib import suppress
from ipaddress import ip_address

from simp_proto.errors import AddressError

Address = tuple[str, int]
"""An IP address in its shortest spelling, and a port from 1 to 65535."""


def parse_address(text: str, default_port: int) -> Address:
    """`IP`, `IP:port`, `IPv6` or `[IPv6]:port`; raises `AddressError`."""
    host, port = text.strip(), str(default_port)
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _refused(text)
        port = rest[1:] if rest else port
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if "%" in host and not re.fullmatch(r"[0-9A-Fa-f:.]+%[0-9A-Za-z_.-]{1,32}", host):
        raise _refused(text)
    try:
        ip = ip_address(host)
    except ValueError:
        raise _refused(text) from None
    host = str(ip)
    if "%" in host:
        host = with_interface(host) if ip.is_link_local else host.partition("%")[0]  # elsewhere it means nothing
    elif ip.version == 6 and ip.is_link_local:
        raise AddressError(
            f"read {text!r}, an address that each link has, expected its interface as well, such as {host}%eth0"
        )
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65_535):
        raise AddressError(f"read port {port!r} in {text!r}, expected a number from 1 to 65535")
    return host, int(port)


def format_address(address: Address) -> str:
    """`127.0.0.2:7777`, `[::1]:7777`."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def with_interface(host: str) -> str:
    """The same IPv6 address with its interface as the system spells it, so that `%4` and `%eth0` are one.

    As it was where there is no such interface, or no longer.
    """
    with suppress(OSError):
        where = socket.getaddrinfo(host, 0, flags=socket.AI_NUMERICHOST)[0][4]
        return socket.getnameinfo(where, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    return host


def _refused(text: str) -> AddressError:
    return AddressError(f"read {text!r}, expected an IP address such as 192.168.1.20, 192.168.1.20:7777 or [::1]:7777")

"""Where a daemon is: an IP address and a port, and how people write them."""

import re
import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from simp_proto.errors import AddressError

Address = tuple[str, int]
"""An IP address in its shortest spelling, and a port from 1 to 65535."""

_INTERFACE: Final = re.compile(r"(?=.{1,15}$)[0-9A-Za-z_-]+(\.[0-9A-Za-z_-]+)*", re.ASCII)
"""At most 15 characters, as systems allow; `getaddrinfo` refuses an empty part between dots by `UnicodeError`."""


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
    host, percent, interface = host.partition("%")
    if percent and ":" in host and not _INTERFACE.fullmatch(interface):
        raise AddressError(f"read {text!r}, expected an interface's name or number after the %, such as fe80::1%eth0")
    try:
        ip = ip_address(host + percent + interface)
    except ValueError:
        raise _refused(text) from None
    host = str(ip)
    if ip.version == 6 and ip.is_link_local:
        host = with_interface(host)
        if "%" not in host:  # 0 is none
            raise AddressError(
                f"read {text!r}, an address that each link has, expected its interface as well, such as {host}%eth0"
            )
    else:
        host = host.partition("%")[0]  # elsewhere it means nothing
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
    with suppress(OSError, ValueError):  # ValueError: not even a name, such as `a..b`
        where = socket.getaddrinfo(host, 0, flags=socket.AI_NUMERICHOST)[0][4]
        return socket.getnameinfo(where, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    return host


def _refused(text: str) -> AddressError:
    if text.strip().partition(":")[0].lower() == "localhost":
        return AddressError(f"read {text!r}, expected an IP address: that of localhost is 127.0.0.1")
    return AddressError(f"read {text!r}, expected an IP address such as 192.168.1.20, 192.168.1.20:7777 or [::1]:7777")

"""What this system tells of its routes, ports and neighbours, without root."""

import errno
import platform
import re
import shutil
import subprocess
from contextlib import suppress
from typing import Final

from simp_proto.address import Address
from simp_proto.printable import printable
from simp_proto.udp import bind, local_host

DISCARD: Final = 9
"""A UDP port where no daemon is (RFC 863)."""
_ARP: Final = ("arp", "-a" if platform.system() == "Windows" else "-n")


def source(towards: str) -> str | None:
    """This machine's address on the way there, to which nothing is sent."""
    with suppress(OSError):
        return local_host((towards, DISCARD))
    return None


def taken(address: Address) -> bool:
    """Whether that UDP port is."""
    try:
        bind(address).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def holder(port: int) -> str:
    """The program with that UDP port, where Linux tells: that of this user, or any for the superuser."""
    found = re.search(r'\(\("(.+?)",pid=(\d+)', _run("ss", "-Hulpn", f"sport = :{port}"))
    return f"{printable(found[1])} ({found[2]})" if found else ""


def firewall() -> str:
    """What sets the rules here."""
    return next(filter(shutil.which, ("ufw", "firewall-cmd")), platform.system())


def proof(host: str) -> tuple[int | None, bool]:
    """What is known of a machine on the link: how many seconds ago it has shown that it is there, and if it hasn't.

    `None` and `False` where the system doesn't tell.
    """
    ip, _, interface = host.partition("%")
    told = _run("ip", "-s", "neigh", "show", "to", ip, *(["dev", interface] if interface else [])) or _run(*_ARP, ip)
    proved = re.search(r"used \d+/(\d+)/", told)
    return int(proved[1]) if proved else None, bool(re.search("FAILED|INCOMPLETE|incomplete|no entry", told))


def _run(*command: str) -> str:
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=5, check=False).stdout
    return ""

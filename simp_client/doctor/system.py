"""What this system tells of its routes, ports and neighbours, without root."""

import errno
import platform
import re
import shutil
import subprocess
import time
from contextlib import suppress
from typing import Final

from simp_client.doctor.facts import Link, Reply
from simp_client.doctor.questions import ask
from simp_proto.address import Address
from simp_proto.printable import printable
from simp_proto.udp import bind, local_host

_DISCARD: Final = 9
"""A UDP port where no daemon is (RFC 863)."""
LOOKED_FOR: Final = 4.0
"""Seconds after which the system knows that nobody has an address on the link."""
TRUSTED: Final = 60.0
"""Seconds after which it has asked again whoever it knew: it trusts an answer for at most 45, and asks for 8."""
_ARP: Final = ("arp", "-a" if platform.system() == "Windows" else "-n")


def source(towards: str) -> str | None:
    """This machine's address on the way there, to which nothing is sent."""
    with suppress(OSError):
        return local_host((towards, _DISCARD))
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


def link(host: str, local: bool, began: float, patience: float) -> tuple[Link, Reply]:
    """Whether a machine that has been sent something since then is there, by the system's table of neighbours.

    What that knew before proves nothing: it keeps whoever has answered for a while.
    """
    ip, _, interface = host.partition("%")
    while True:
        reply, _ = ask((host, _DISCARD), b"", lambda _: None, 1)  # makes the system look for the machine
        if reply is Reply.REFUSED:
            return Link.THERE, reply
        if not local or reply is Reply.NO_ROUTE:
            return Link.BEYOND, reply
        told = _run("ip", "-s", "neigh", "show", "to", ip, *(["dev", interface] if interface else []))
        passed, proved = time.monotonic() - began, re.search(r"used \d+/(\d+)/", told)
        if proved and int(proved[1]) + 1 < passed:  # seconds since the machine has shown that it is there
            return Link.THERE, reply
        if passed > LOOKED_FOR and re.search("FAILED|INCOMPLETE|incomplete|no entry", told or _run(*_ARP, ip)):
            return Link.ABSENT, reply
        if passed > (patience if proved else LOOKED_FOR):
            return Link.UNKNOWN, reply
        time.sleep(0.3)


def _run(*command: str) -> str:
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=5, check=False).stdout
    return ""

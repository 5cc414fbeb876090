"""What of multicast DNS is let in: nothing from off the link, and of a host as many questions as it may have
(discovery 1.8).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, cast

from simp_daemon.peers.strangers import Allowance

_RATE: Final = 10
"""Questions of a host that are let in, in a second."""
_BURST: Final = 50
"""At the same time."""
_HOSTS: Final = 1024
"""As many are counted; the one that was silent for longest gives way."""
_ANSWER: Final = 0x80
"""In the third byte of a message (RFC 1035, 4.1.1)."""


class Gate:
    """`on_link` says whether a host may be on a link of this one's. `source` is the host of what is being read."""

    def __init__(self, on_link: Callable[[str], bool]) -> None:
        self.source = ""
        self._on_link = on_link
        self._hosts: OrderedDict[str, Allowance] = OrderedDict()

    def admits(self, data: bytes, host: str, now: float) -> bool:
        """Whether that message of that host is let in at that time, in seconds."""
        if not self._on_link(host):
            return False
        if len(data) > 2 and data[2] & _ANSWER:
            return True
        allowance = self._hosts.pop(host, None) or Allowance(_RATE, _BURST)
        self._hosts[host] = allowance
        if len(self._hosts) > _HOSTS:
            self._hosts.popitem(last=False)
        admitted = allowance.left(now)
        allowance.spend(admitted)
        return admitted

    def guard(self, transport: asyncio.DatagramTransport) -> None:
        """Lets through to its protocol what is admitted; again, it does nothing."""
        protocol = transport.get_protocol()
        if not isinstance(protocol, _Guarded):
            transport.set_protocol(_Guarded(self, protocol))


class _Guarded(asyncio.DatagramProtocol):
    def __init__(self, gate: Gate, protocol: asyncio.BaseProtocol) -> None:
        self._gate = gate
        self._protocol = cast("asyncio.DatagramProtocol", protocol)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._gate.admits(data, addr[0], asyncio.get_running_loop().time()):
            self._gate.source = addr[0]
            self._protocol.datagram_received(data, addr)
            self._gate.source = ""

    def error_received(self, exc: Exception) -> None:
        self._protocol.error_received(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)

"""What strangers may cost, whoever they are, and no single one of them more than its share (spec 8.2, 8.3)."""

from collections import Counter, OrderedDict
from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from simp_proto import constants
from simp_proto.address import Address

_SOURCES: Final = 1024
"""Sources whose share is remembered; the one that was silent for longest gives way, and has its whole share again."""


class Allowance:
    """So many a second, and so many at the same time."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._at: float | None = None

    def left(self, now: float) -> bool:
        """Whether one may be spent now."""
        if self._at is not None:
            self._left = min(self._burst, self._left + max(now - self._at, 0.0) * self._rate)
        self._at = now
        return self._left >= 1

    def spend(self, count: int) -> None:
        """What is spent beyond what is left is missing later."""
        self._left -= count


class Strangers:
    """Answers to peers whose address may be forged. Friends, with whom one has chatted, have an allowance apart."""

    def __init__(self) -> None:
        self._all = Allowance(constants.STRANGER_RATE, constants.STRANGER_BURST)
        self._friends = Allowance(constants.FRIEND_RATE, constants.FRIEND_BURST)
        self._sources: OrderedDict[str, Allowance] = OrderedDict()

    def admits(self, peer: Address, now: float, *, friend: bool) -> bool:
        """Whether that peer may be answered now."""
        return (self._friends if friend else self._all).left(now) and self._of(peer).left(now)

    def charge(self, peer: Address, count: int, *, friend: bool) -> None:
        (self._friends if friend else self._all).spend(count)
        self._of(peer).spend(count)

    def _of(self, peer: Address) -> Allowance:
        source = source_of(peer)
        if source not in self._sources:
            self._sources[source] = Allowance(constants.SOURCE_RATE, constants.SOURCE_BURST)
            if len(self._sources) > _SOURCES:
                self._sources.popitem(last=False)
        self._sources.move_to_end(source)
        return self._sources[source]


def displaced_by(peer: Address, requests: list[Address], friends: Collection[Address]) -> Address | None:
    """The request that gives way to one of that peer: the peer itself where there is no room for it, `None` where none
    has to (spec 8.3).

    `requests` are those that wait, oldest first. Whoever has most of them gives way, with the latest; never a friend,
    nor the oldest, which a person is being asked about.
    """
    strangers = [each for each in requests if each not in friends]
    counts = Counter(map(source_of, strangers))
    friend, own = peer in friends, counts[source_of(peer)]
    if not friend and own >= constants.REQUESTS_OF_A_SOURCE:
        return peer
    room = friend or len(strangers) < constants.PENDING_REQUESTS - constants.RESERVED_REQUESTS
    if room and len(requests) < constants.PENDING_REQUESTS:
        return None
    candidates = [each for each in strangers if each != requests[0]]
    largest = max((counts[source_of(each)] for each in candidates), default=0)
    if not largest or (not friend and largest <= own + 1):
        return peer
    return [each for each in candidates if counts[source_of(each)] == largest][-1]


@lru_cache(maxsize=4096)
def _network(host: str) -> str:
    return str(int(ip_address(host.partition("%")[0])) >> 64)


def source_of(peer: Address) -> str:
    """What counts as one source: an IPv4 address, or the /64 of an IPv6 address, since a host has all of it."""
    host = peer[0]
    return _network(host) if ":" in host else host

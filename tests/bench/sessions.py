"""An endpoint with many sessions."""

import time
from collections.abc import Iterator
from itertools import cycle, islice

from simp_daemon.peers.endpoint import Endpoint
from simp_daemon.peers.session import Session
from simp_proto.address import Address
from simp_proto.constants import OFFER, Chat, Control, Type
from simp_proto.datagram import Datagram, build
from tests.bench.figures import TEXT, Effort, Figure


class ManyChats:
    """A policy with room for any number of chats."""

    refusal = ""

    def may_ring(self, session: Session) -> bool:
        return True

    def displaced_by(self, session: Session) -> Session | None:
        return None

    def engage(self, session: Session) -> None:
        pass


def endpoint_with_sessions(peers: list[Address]) -> Endpoint:
    """One that is in a chat with each of those."""
    endpoint = Endpoint(policy=ManyChats())
    syn, ack = (
        build(Datagram(Type.CONTROL, operation, 0, b"alice", payload))
        for operation, payload in ((Control.SYN, OFFER), (Control.ACK, b""))
    )
    for number, peer in enumerate(peers):
        now = number / 20  # fewer strangers a second than are answered
        endpoint.receive(syn, peer, now)
        endpoint.accept(peer, now)
        endpoint.receive(ack, peer, now)
        take_out(endpoint)
    return endpoint


def take_out(endpoint: Endpoint) -> int:
    """Takes what is to be sent and to be told; how much it is."""
    taken = len(endpoint.outlet)
    endpoint.outlet.clear()
    return taken


def measure_sessions(effort: Effort) -> Iterator[Figure]:
    """Prints what a received message costs, timer included, by the number of open chats."""
    print("\nA received message in an endpoint with that many chats, µs (best of several timings)")
    chats = [build(Datagram(Type.CHAT, Chat.MESSAGE, number, b"alice", TEXT.format(0).encode())) for number in (1, 0)]
    costs = {}
    for count in (1, 100, 1_000, 10_000):
        peers = [(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 7777) for number in range(count)]
        endpoint, now = endpoint_with_sessions(peers), count / 20 + 1
        messages = ((chat, peer) for chat in cycle(chats) for peer in peers)
        times: list[float] = []
        until = time.perf_counter() + effort.sessions
        while len(times) < effort.timings or time.perf_counter() < until:
            some = list(islice(messages, 20))
            start = time.perf_counter()
            for chat, peer in some:
                endpoint.receive(chat, peer, now)
                taken = take_out(endpoint)
                endpoint.get_timer()
            times.append((time.perf_counter() - start) / len(some) * 1e6)
            assert taken == 2, "an ACK, and the message"
        costs[count] = min(times)
        print(f"  {count:>6,} chats {costs[count]:10.1f}")
    yield Figure("cost of a message, 10,000 chats to one", costs[10_000] / costs[1], "times", 1.5)

"""What is remembered of one peer, and how one speaks to it. No clock, no socket."""

from collections.abc import Callable
from functools import lru_cache

from simp_daemon.effects import Send
from simp_daemon.events import Event, MessageUndelivered
from simp_daemon.peers.delivery import Delivery
from simp_proto.address import Address
from simp_proto.constants import HANDSHAKE_SEQUENCE, OFFER, Chat, Control, Framing, Operation, Type
from simp_proto.datagram import Datagram, build
from simp_proto.printable import names_person


class Record:
    """One peer's.

    `forced` is the framing in which all calls are made, if one is; `framing` that in which to begin otherwise.
    Datagrams and events go into `outlet` in their order; `learn` hears which framing the peer is known to speak
    (spec 4.2).
    """

    def __init__(
        self,
        peer: Address,
        user: bytes,
        framing: Framing,
        forced: Framing | None,
        delivery: Delivery,
        outlet: list[Send | Event],
        learn: Callable[[Framing], None],
    ) -> None:
        self.peer = peer
        self.user = user
        self.name = ""
        """The peer's user, unescaped, or nothing as long as none is known."""
        self.refreshed = 0.0
        """When our person called, or the last SYN of a request came."""
        self.heard = 0.0
        """When its last datagram came that wasn't ignored."""
        self.silence_told = 0.0
        """When our person was last told that nothing had come since."""
        self.elsewhere: Address | None = None
        """Who was named to our person as perhaps answering its call (spec 4.11)."""
        self.agreed = False
        """Both know the framing, so that another one is somebody else's."""
        self.syn_sequence = HANDSHAKE_SEQUENCE
        """The number of the request's SYN."""
        self.here: str | None = None
        """The address of ours to which its last datagram came (spec 1.4)."""
        self.forced = forced
        self.delivery = delivery
        self.outlet = outlet
        self.learn = learn
        self.speak(framing)

    def speak(self, framing: Framing) -> None:
        """In that framing from now on; whoever doesn't speak `header` is foreign (spec 9.1)."""
        self.framing = framing
        self.delivery.speak(framing)

    def adapt(self, datagram: Datagram) -> None:
        """Goes on in the framing that the datagram asks for, while the two have not agreed on one (spec 4.2)."""
        framing = self.answer_framing(datagram)
        if framing is not self.framing and not self.agreed:
            self.speak(framing)
        self.learn_name(datagram)

    def answer_framing(self, datagram: Datagram) -> Framing:
        """The framing in which to answer a datagram: its own, or `header` where a SYN offers it (spec 4.2)."""
        offered = datagram.operation is Control.SYN and datagram.sequence <= 1 and datagram.payload.startswith(OFFER)
        return self.forced or Framing.HEADER if offered else datagram.framing

    def learn_name(self, datagram: Datagram) -> None:
        """The first name that is a person's (spec 2.4)."""
        if not names_person(self.name) and datagram.name:
            self.name = datagram.name

    def send(self, operation: Operation, sequence: int, payload: bytes = b"") -> None:
        kind = Type.CHAT if operation is Chat.MESSAGE else Type.CONTROL
        if self.framing is not Framing.BARE:
            sequence &= 1  # an echo of a `bare` number that this framing has no room for (spec 2.3)
        data = (_built if payload else _built_again)(kind, operation, sequence, self.user, payload, self.framing)
        self.outlet.append(Send(data, self.peer, self.here))

    def pump(self, now: float) -> None:
        for transmission, number in self.delivery.due(now):
            self.send(transmission.operation, number, transmission.payload)

    def abandon(self) -> None:
        """Drops what is not acknowledged yet, and reports it."""
        for message in self.delivery.abandon():
            self.outlet.append(MessageUndelivered(self.peer, message))


def _built(kind: Type, operation: Operation, sequence: int, user: bytes, payload: bytes, framing: Framing) -> bytes:
    return build(Datagram(kind, operation, sequence, user, payload, framing))


# As those that come are (`parse`): ACKs are the same few bytes again and again.
_built_again = lru_cache(maxsize=256)(_built)

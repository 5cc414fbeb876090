"""What our person says, from then on until its fate is known."""

from itertools import count
from typing import TYPE_CHECKING, Union

from simp_daemon.events import MessageAcknowledged, MessageUndelivered
from simp_daemon.peers.endpoint import Endpoint
from simp_proto.address import Address

if TYPE_CHECKING:
    from simp_daemon.peers.exchange import Exchange

Peers = Union[Endpoint, "Exchange"]
"""All conversations of a daemon: of SIMP/1 alone, or of both versions."""


class Outbox:
    """Messages whose fate isn't known yet.

    Each has an identity that no other message of this daemon has, whichever chat it belongs to; a client counts its
    own in each chat (client 4.1).
    """

    def __init__(self, endpoint: Peers) -> None:
        self._endpoint = endpoint
        self._identities = count(1)
        self._numbers: dict[int, int] = {}

    def say(self, peer: Address, number: int, text: str, now: float) -> None:
        """Sends a message that its client counts as that number; raises `NotNowError`, or `ValueError` (spec 5.6)."""
        identity = next(self._identities)
        self._endpoint.say(peer, identity, text, now)
        self._numbers[identity] = number

    def settle(self, event: MessageAcknowledged | MessageUndelivered) -> int | None:
        """The number of the message whose fate that is; `None` for one that its client no longer counts."""
        return self._numbers.pop(event.message, None)

    def forget(self) -> None:
        """Another chat, or another client, begins to count: what was said before would be mistaken for its own."""
        self._numbers.clear()

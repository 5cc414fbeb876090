"""What of SIMP/1 is marked as in the clear, and kept in the store beside SIMP/2's (simp2 9.2, 9.3)."""

from simp_daemon import events
from simp_daemon.contacts import ClearReceived, ClearSaid, ClearSettled, Fate
from simp_daemon.effects import Commit, Send
from simp_daemon.events import Event, Security
from simp_daemon.peers.sealed.means import Means
from simp_daemon.peers.sealed.pins import Pins
from simp_proto.address import Address


class Clear:
    """Of the owner of these `means`, who knows the contacts in `pins`."""

    def __init__(self, means: Means, pins: Pins) -> None:
        self._means = means
        self._pins = pins

    def said(self, peer: Address, name: str, message: int, text: str) -> Commit:
        """Our person has said that to a peer of SIMP/1."""
        return Commit(ClearSaid(peer, name, self._means.token(message), text))

    def passed_on(self, each: Send | Event) -> list[Send | Event | Commit]:
        """What SIMP/1's endpoint wants done, with what is kept of it."""
        match each:
            case events.RequestReceived(peer, name):
                claims = self._pins.named(name) or self._pins.at(peer)
                each.security = Security.CLEAR_CLAIMED if claims else Security.CLEAR
            case events.Connected():
                each.security = Security.CLEAR
            case events.MessageReceived(peer, name, text):
                return [Commit(ClearReceived(peer, name, text)), each]
            case events.MessageAcknowledged(_, message):
                return [Commit(ClearSettled(self._means.token(message), Fate.DELIVERED)), each]
            case events.MessageUndelivered(_, message):
                return [Commit(ClearSettled(self._means.token(message), Fate.UNDELIVERED)), each]
        return [each]

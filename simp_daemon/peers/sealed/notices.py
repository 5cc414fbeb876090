"""What our person is told of one conversation, whenever that person is there to hear it (simp2 7.8 to 7.10)."""

from collections.abc import Iterable
from typing import Final

from simp_daemon import events
from simp_daemon.effects import Commit, LogKeys, Send
from simp_daemon.events import Event, Why
from simp_daemon.peers.sealed import outlet as link_news
from simp_daemon.peers.sealed.means import Means
from simp_daemon.peers.sealed.outlet import News
from simp_daemon.peers.sealed.pins import Pin
from simp_proto.address import Address
from simp_proto.constants import CloseReason
from simp_proto.datagram import text_of
from simp_proto.sealed.frames import TEXT, read_message

Outlet = list[Send | Commit | LogKeys | Event]

_REASONS: Final[dict[int, str]] = {
    CloseReason.FAULT: "the two daemons don't understand each other: one of them has a fault",
    CloseReason.UNKNOWN_FRAME: "the other daemon is of a later version, which this one doesn't understand",
    CloseReason.TOO_LONG: "a message is longer than the other daemon takes",
}
_MANY: Final = 1000


class Notices:
    """With the contact of that pin."""

    def __init__(self, pin: Pin, means: Means, outlet: Outlet) -> None:
        self._pin = pin
        self._means = means
        self._outlet = outlet
        self._peer = pin.address
        self._doubtful = self._missing = 0  # what is to be told once somebody is there

    @property
    def peer(self) -> Address:
        """The address by which our person knows the contact, wherever that is now."""
        assert self._peer is not None
        return self._peer

    @peer.setter
    def peer(self, peer: Address) -> None:
        self._peer = peer

    def tell(self, news: News) -> None:
        """What a link has to say."""
        name = self._pin.name
        match news:
            case link_news.Arrived(message):
                self._outlet.append(events.MessageReceived(self.peer, name, _shown(message)))
            case link_news.Delivered(token):
                if number := self._means.message(token):
                    self._outlet.append(events.MessageAcknowledged(self.peer, number))
            case link_news.Doubtful():
                self._doubtful += 1
            case link_news.Missing(pieces):
                self._missing += pieces
            case link_news.Left(reason, text) if reason:
                ours = _REASONS.get(reason, f"{name}'s daemon can't go on: reason {reason}")
                self._warn("" if text else ours, text)

    def catch_up(self) -> None:
        """Somebody is there now."""
        name, doubtful, missing = self._pin.name, self._doubtful, self._missing
        self._doubtful = self._missing = 0
        if doubtful:
            again = "1 message goes" if doubtful == 1 else f"{doubtful} messages go"
            self._warn(f"{again} to {name} again, and may have arrived already")
        if missing:
            what = "a message, or part of one," if missing == 1 else f"up to {missing} messages"
            what = "many messages" if missing > _MANY else what
            self._warn(f"{what} of {name}'s didn't arrive, and won't any more: ask {name} for it")

    def give_up(self, tokens: Iterable[str]) -> None:
        """These messages won't go out any more."""
        for token in tokens:
            if number := self._means.message(token):
                self._outlet.append(events.MessageUndelivered(self.peer, number))

    def end(self, why: Why) -> None:
        """For our person it is over."""
        self._outlet.append(events.Ended(self.peer, self._pin.name, why, request=not self._pin.taken))

    def _warn(self, text: str, said: str = "") -> None:
        self._outlet.append(events.ErrorReceived(self.peer, self._pin.name, text, said))


def _shown(message: bytes) -> str:
    read = read_message(message)
    return text_of(read.body) if read.kind == TEXT else "(a message of a kind that this version doesn't know)"

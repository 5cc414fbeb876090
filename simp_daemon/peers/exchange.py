"""All that a daemon has with others, of SIMP/1 and of SIMP/2: which of them anything belongs to (spec/simp2.md 1.4).

It has the face of an `Endpoint`, to which it leaves SIMP/1. A `Switchboard` makes sessions of SIMP/2, which belong to
`Conversations` with contacts, known by their keys; our person knows each by an address, until the chat is over.
"""

from collections.abc import Sequence
from typing import Final

from simp_daemon import events
from simp_daemon.contacts import Contact
from simp_daemon.effects import Send
from simp_daemon.events import Ignored, Reason
from simp_daemon.facts import Ledger
from simp_daemon.peers.busy import OneChat
from simp_daemon.peers.clear import Clear
from simp_daemon.peers.endpoint import ITSELF, Endpoint
from simp_daemon.peers.sealed.call import Own, State
from simp_daemon.peers.sealed.call_news import CallNews, Established, InTheClear
from simp_daemon.peers.sealed.conversations import Conversations
from simp_daemon.peers.sealed.cookies import offers
from simp_daemon.peers.sealed.means import Means
from simp_daemon.peers.sealed.notices import Outlet
from simp_daemon.peers.sealed.pins import Pins
from simp_daemon.peers.sealed.switchboard import Switchboard
from simp_daemon.peers.strangers import Strangers
from simp_proto.address import Address, format_address
from simp_proto.constants import Control, Framing, Operation, Type
from simp_proto.datagram import parse
from simp_proto.errors import DatagramError, NotNowError
from simp_proto.sealed.payloads import Record, begins_payload, read_record, record_in

_SYN: Final = bytes((Type.CONTROL, Control.SYN))
"""What each SYN begins with."""


class Exchange:
    """Pure: `now` is in seconds on any clock that never goes back. `Endpoint` says what each method does."""

    def __init__(self, means: Means, own: Address | None = None) -> None:
        self.outlet: Outlet = []
        self._means = means
        self._own = own
        self._policy = OneChat(lambda: self._conversations.sealed, rings=not means.only_sealed)
        self.pins = Pins(means.keys, means.clock)
        self._clear = Clear(means, self.pins)
        self._conversations = Conversations(means, self.pins, self.outlet)
        self._news: list[Send | CallNews] = []
        ours = means.keys, means.signing_key, self.pins, self._name, means.random, self._conversations.state
        strangers = Strangers()
        self._board = Switchboard(Own(*ours, self._news, hides=means.hides), strangers)
        self._endpoint = Endpoint(None, self._policy, own, strangers, self._board.unanswered, self._hides)
        self.learn, self.framing_of = self._endpoint.learn, self._endpoint.framing_of

    def start(self, now: float) -> None:
        """Goes on where the last run of the daemon ended."""
        for pin in self.pins:
            self._board.resume(pin.key, now)
        self._follow(now)

    # -- the network

    def receive(self, data: bytes, peer: Address, now: float, here: str | None = None) -> None:
        if record := read_record(data):
            self._read_record(*record, peer, now)
        elif self._read_sealed(data, peer, now, here):
            pass
        elif data.startswith(_SYN) and (self._board.has(peer) or self._conversations.has(peer)):
            self.outlet.append(Ignored(peer, Reason.UNSEALED))  # whoever is there can prove who they are
        else:
            self._endpoint.receive(data, peer, now, here)
        self._follow(now)

    def _read_sealed(self, data: bytes, peer: Address, now: float, here: str | None) -> bool:
        """Whether it was SIMP/2's, or in the way of a call of SIMP/2."""
        looks_sealed = offers(data) or begins_payload(data)  # cheap questions for a flood
        concerned = self._board.concerns(peer)
        if not peer[1] or not (looks_sealed or concerned):
            return False
        if here is not None and self._own and self._board.fail((here, self._own[1]), ITSELF.format(here), now):
            return True  # it is our own call
        if not concerned and self._board.turns_away(data, peer, now):
            self._endpoint.refuse(peer, now)
            return True
        try:
            datagram = parse(data)
        except DatagramError:
            return False
        if self._board.receive(datagram, peer, now, here):
            return True
        self._follow(now)
        record = record_in(datagram)
        if record:
            self._read_record(datagram.operation, record, peer, now)
        return record is not None

    def _read_record(self, operation: Operation, record: Record, peer: Address, now: float) -> None:
        ignored: Reason | None = Reason.STRANGER
        for conversation in self._conversations.by_session(record.session):
            session = conversation.session
            ignored = conversation.receive(operation, record, now)
            if ignored is None:
                assert session
                session.measure(self._board.confirmed(session.tag, now))
                self._conversations.file(conversation)
                return
        assert ignored
        self.outlet.append(Ignored(peer, ignored))

    def ask(self, peer: Address, now: float) -> bool:
        live = any(each.session and each.session.peer == peer for each in self._conversations.live)
        asked = not (live or self._board.has(peer, State.ENDING)) and self._endpoint.ask(peer, now)
        self._follow(now)
        return asked

    def find(self, identity: str, peer: Address, now: float) -> None:
        """Whoever answers there announces itself by that identity, which may be a contact's."""
        for key in self._conversations.find(identity, peer):
            self._board.resume(key, now)
        self._follow(now)

    def fail(self, peer: Address, why: str, now: float) -> bool:
        ended = self._board.fail(peer, why, now) or self._endpoint.fail(peer, why, now)
        self._follow(now)
        return ended

    def handle_timer(self, now: float) -> None:
        self._endpoint.handle_timer(now)
        self._board.handle_timer(now)
        self._follow(now)
        for key in self._conversations.handle_timer(now):
            self._board.resume(key, now)
        self._follow(now)

    def get_timer(self) -> float | None:
        timers = self._endpoint.get_timer(), self._board.get_timer(), self._conversations.get_timer()
        return min((timer for timer in timers if timer is not None), default=None)

    # -- the person

    @property
    def user(self) -> str | None:
        return self._endpoint.user

    @user.setter
    def user(self, user: str | None) -> None:
        self._endpoint.user = user

    def call(self, peer: Address, now: float, name: str = "", *, listed: bool = False) -> None:
        """Whoever is called by a contact's name, or a `listed` one, must be that contact (spec 4.4)."""
        pin = self.pins.meant(peer, name)
        waiting = self._conversations.by_address(peer)
        clear = peer in dict(self._endpoint.requests) or self.framing_of(peer) is Framing.TRAILER
        if waiting:
            self._policy.check()
            self._conversations.engage(waiting, now)
        elif peer == self._own or (clear and pin is None):
            self._endpoint.call(peer, now)
        else:
            self._policy.check()
            self._board.call(peer, now, pin.key if pin else None, header=self.framing_of(peer) is Framing.HEADER)
            self._endpoint.give_up(peer)
            called = "" if listed else name
            self._conversations.call(peer, pin.key if pin else None, pin.name if pin else format_address(peer), called)
        self._follow(now)

    def expects_another(self, peer: Address, name: str) -> bool:
        return peer in dict(self._endpoint.requests) and self.pins.meant(peer, name) is not None

    def accept(self, peer: Address, now: float) -> None:
        """The call that rings, before a conversation that goes on: whoever calls waits for an answer (spec 4.5)."""
        if peer not in dict(self.requests):
            raise NotNowError(f"{format_address(peer)} has no waiting request")
        sealed = dict(self._board.requests)
        waiting = self._conversations.by_address(peer)
        if called := self._conversations.called:
            self._board.cancel(called, self._conversations.called_contact, now)
            self._follow(now)
            self._conversations.cancel(called)
        if not (waiting or peer in sealed):
            self._endpoint.accept(peer, now)
            self._follow(now)
            return
        if displaced := self._policy.calling:
            self._endpoint.quit(displaced.record.peer, now)
        self._policy.check()
        if peer in sealed:
            self._conversations.call(peer, None, sealed[peer] or format_address(peer))
            self._board.accept(peer, now)
        elif waiting:
            self._conversations.engage(waiting, now)
        self._follow(now)

    def quit(self, peer: Address, now: float, *, request: bool = False) -> None:
        """A `request` is declined without whatever else is on at its address."""
        conversation = self._conversations.by_address(peer, request=request)
        if request and peer in dict(self._board.requests):
            self._board.decline(peer, now)
        elif conversation:
            self._conversations.leave(conversation, now)
            self._board.cancel(None, conversation.pin, now)
        elif self._conversations.called == peer or self._board.has(peer):
            self._board.cancel(peer, self._conversations.called_contact, now)
            self._follow(now)
            self._conversations.cancel(peer)
        else:
            self._endpoint.quit(peer, now)
        self._follow(now)

    def say(self, peer: Address, message: int, text: str, now: float) -> None:
        chat = self._conversations.chat
        if chat and chat.peer == peer:
            chat.say(message, text, now)
            self._conversations.file(chat)
        else:
            self._endpoint.say(peer, message, text, now)
            current = self._policy.current
            name = current.record.name if current else ""
            self.outlet.append(self._clear.said(peer, name, message, text))
        self._follow(now)

    def shutdown(self, now: float) -> None:
        self._endpoint.shutdown(now)
        self._board.shutdown(now)
        for conversation in self._conversations.live:
            self._conversations.leave(conversation, now)
        self._follow(now)

    def hold(self, peer: Address, held: bool, now: float) -> None:
        chat = self._conversations.chat
        if chat and chat.peer == peer:
            if chat.hold(held, now):
                self._conversations.file(chat)
        else:
            self._endpoint.hold(peer, held, now)
        self._follow(now)

    def waiting(self, peer: Address) -> int:
        chat = self._conversations.chat
        return chat.waiting if chat and chat.peer == peer else self._endpoint.waiting(peer)

    @property
    def requests(self) -> list[tuple[Address, str]]:
        """Also conversations that go on after a crash, and that our person hasn't taken up again."""
        open_ = [(each.peer, each.pin.name) for each in self._conversations.waiting]
        return self._endpoint.requests + self._board.requests + open_

    @property
    def engaged(self) -> bool:
        return self._conversations.sealed is not None

    @property
    def idle(self) -> bool:
        return self._endpoint.idle and self._board.idle and not self._conversations.ending

    def reload(self, contacts: Sequence[tuple[Contact, Ledger]], now: float) -> None:
        """Commands have changed what is known of contacts; nothing goes on with those that are barred now."""
        for contact, ledger in contacts:
            conversation = self._conversations.know(contact, ledger)
            if conversation.pin.barred:
                self._board.cancel(None, conversation.pin, now)
                self._follow(now)
                self._conversations.bar(conversation, now)
        self._conversations.mark()
        self._follow(now)

    # -- what comes of it

    def _follow(self, now: float) -> None:
        """Does what follows from what the switchboard and SIMP/1's endpoint say, in their order."""
        while self._news:
            match self._news.pop(0):
                case Send() as datagram:
                    self.outlet.append(datagram)
                case InTheClear() as call:
                    self._go_clear(call, now)
                case news:
                    if isinstance(news, Established):
                        self._endpoint.learn(news.peer, Framing.HEADER)
                        self._endpoint.give_up(news.peer)
                    self._conversations.happened(news, now)
        while self._endpoint.outlet:
            self.outlet += self._clear.passed_on(self._endpoint.outlet.pop(0))

    def _go_clear(self, call: InTheClear, now: float) -> None:
        """Whom our person called speaks SIMP/1."""
        self._conversations.give_up_call()
        self._endpoint.adopt(call.peer, call.user, call.begun, now)
        if self._means.only_sealed:
            words = f"{format_address(call.peer)} can't encrypt, and this daemon runs with --require-encryption"
            self.outlet.append(events.ErrorReceived(call.peer, "", words))
            self._endpoint.quit(call.peer, now)

    def _hides(self, peer: Address) -> bool:
        return self._means.hides and not self.pins.at(peer)

    def _name(self) -> bytes:
        return self._endpoint.name()

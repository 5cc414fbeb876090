"""All conversations of SIMP/2 of one daemon: by contact, by session, and by when they have something to do."""

from simp_daemon import events
from simp_daemon.contacts import Contact, KeyChanged, Reached, Trust
from simp_daemon.effects import Commit, LogKeys
from simp_daemon.events import Security, Why
from simp_daemon.facts import Ledger, Pinned
from simp_daemon.peers.busy import Sealed
from simp_daemon.peers.sealed import call_news
from simp_daemon.peers.sealed.call_news import CallNews, Established
from simp_daemon.peers.sealed.conversation import Conversation
from simp_daemon.peers.sealed.link import state_of
from simp_daemon.peers.sealed.means import Means
from simp_daemon.peers.sealed.notices import Outlet
from simp_daemon.peers.sealed.pins import Pin, Pins
from simp_daemon.peers.timers import Timers
from simp_proto.address import Address
from simp_proto.datagram import name_of
from simp_proto.sealed.frames import State
from simp_proto.sealed.key_log import SessionKeys, build_line
from simp_proto.sealed.payloads import session_of


class Conversations:
    """Pure: `now` is in seconds on any clock that never goes back. What they bring about goes into `outlet`."""

    def __init__(self, means: Means, pins: Pins, outlet: Outlet) -> None:
        self._means = means
        self._pins = pins
        self._outlet = outlet
        self._all: dict[bytes, Conversation] = {}  # by their contacts' keys
        self._sessions: dict[bytes, list[Conversation]] = {}  # by what their records say; two may say the same
        self._filed: dict[bytes, bytes] = {}  # by contact, the session under which it is there
        self._timers: Timers[bytes] = Timers()
        self._chat: Conversation | None = None
        self._calling: tuple[Address, bytes | None, str] | None = None
        self._said = ""
        for contact, ledger in means.contacts:
            self.know(contact, ledger)
        pins.sort([contact for contact, _ in means.contacts])

    # -- which there are

    def by_session(self, session: bytes) -> list[Conversation]:
        """Those whose records say that."""
        return self._sessions.get(session, [])

    def by_address(self, peer: Address, *, request: bool = False) -> Conversation | None:
        """The one of our person there: the chat, or else one that goes on and that it hasn't taken up, a `request`."""
        chat = [] if request or not self.chat else [self.chat]
        return next((each for each in (*chat, *self.waiting) if each.peer == peer), None)

    def has(self, peer: Address) -> bool:
        """Whether our person calls whoever is there, or has a conversation with that contact."""
        return self.called == peer or bool(self._pins.at(peer) and self.by_address(peer))

    @property
    def chat(self) -> Conversation | None:
        """The one that our person has before itself."""
        return self._chat if self._chat and self._chat.chatting else None

    @property
    def sealed(self) -> Sealed | None:
        """Our person's call or chat of SIMP/2, and with whom."""
        if chat := self.chat:
            return Sealed(chat.pin.name, chatting=True)
        return Sealed(self._calling[2], chatting=False) if self._calling else None

    @property
    def called(self) -> Address | None:
        """Whom our person calls, or has accepted, until there is a session."""
        return self._calling and self._calling[0]

    @property
    def called_contact(self) -> Pin | None:
        """Which contact that is, if it must be one."""
        return self._pins.get(self._calling[1]) if self._calling and self._calling[1] else None

    @property
    def live(self) -> list[Conversation]:
        """Those with a session that neither side leaves."""
        return [each for each in self._all.values() if each.live]

    @property
    def waiting(self) -> list[Conversation]:
        """Those that go on, after a crash perhaps, and that our person hasn't taken up."""
        return [each for each in self.live if not each.chatting]

    @property
    def ending(self) -> bool:
        """Whether one has still something to say before it is over."""
        return any(each.ending for each in self._all.values())

    def find(self, identity: str, peer: Address) -> list[bytes]:
        """Whoever answers there announces itself by that identity: the keys of contacts to call quietly (spec 4.7)."""
        pins = [pin for pin in self._pins if pin.identity == identity]
        for pin in pins:
            pin.found = peer
        return [pin.key for pin in pins if not self._all[pin.key].live]

    def state(self, key: bytes) -> State:
        """Ours towards whoever has that key, for a session that begins."""
        conversation = self._all.get(key)
        return conversation.state() if conversation else state_of(Ledger())

    # -- what happens to them

    def know(self, contact: Contact, ledger: Ledger) -> Conversation:
        """A contact is as it is in the store; the ledger is for one that is new here."""
        pin = self._pins.get(contact.key)
        if pin is None:
            pin = self._pins.add(contact.key, contact.signing_key, contact.name)
            pin.open = ledger.open
            for address in reversed(contact.addresses):
                self._pins.reach(pin, address)
            self._all[contact.key] = Conversation(pin, ledger, self._means, self._outlet)
        pin.signing_key, pin.trust, pin.verified_as = contact.signing_key, contact.trust, contact.verified_as
        if contact.replaced_by is not None:  # whoever has that key is nobody's name any more
            pin.trust = Trust.CHANGED
            self._pins.rename(pin, f"{contact.name} (replaced)")
        return self._all[contact.key]

    def call(self, peer: Address, key: bytes | None, name: str, said: str = "") -> None:
        """Our person has called, or accepted, whoever is there: that contact, if one; the chat follows. `said` is the
        name by which it was called, if by one.
        """
        self._calling, self._said = (peer, key, name), said

    def give_up_call(self) -> None:  # which is no longer one of SIMP/2
        self._calling = None

    def engage(self, conversation: Conversation, now: float) -> None:
        """Our person takes it up."""
        self._calling, self._chat = None, conversation
        if not conversation.live:  # the peer's first STATE may have been a fault (spec 7.8)
            return
        conversation.engage(self._pins.security(conversation.pin), now)
        self.file(conversation)

    def bar(self, conversation: Conversation, now: float) -> None:
        """Nothing more is said to that contact."""
        calling, pin = self._calling, conversation.pin
        if calling and pin.key in (calling[1], (at := self._pins.at(calling[0])) and at.key):
            self.cancel(calling[0])
        conversation.bar(now)
        self.file(conversation)

    def mark(self) -> None:
        """Our person hears how the chat is secured, if that has changed: by a command, or by another name."""
        chat = self.chat
        if chat and (security := self._pins.security(chat.pin)) is not chat.secured:
            chat.secured = security
            self._outlet.append(events.Secured(chat.peer, chat.pin.name, security, self._means.logs_keys))

    def leave(self, conversation: Conversation, now: float) -> None:
        """Our person leaves it."""
        conversation.leave(now)
        self.file(conversation)

    # -- what comes of calls

    def happened(self, news: CallNews, now: float) -> None:
        """What follows for our person, and for the store."""
        match news:
            case Established():
                self._establish(news, now)
            case call_news.Consent(contact, wanted):
                self._all[contact].consent(wanted)
                self.file(self._all[contact])
            case call_news.Requested(peer, name, contact, claims):
                pin = self._pins.get(contact) if contact else None
                security = self._pins.security(pin) if pin else Security.CLAIMED if claims else None
                self._outlet.append(events.RequestReceived(peer, name, security))
            case call_news.CallOver(peer, name, why, contact, quiet):
                if not quiet:
                    self._over(peer, name, why, contact)
                if conversation := self._all.get(contact or b""):
                    conversation.refused(now)
                    self.file(conversation)
            case call_news.KeyChanged(peer, contact, key, hello, quiet):
                other = Pinned(key, hello.signing_key, name_of(hello.name), peer)
                self._key_changed(peer, self._all[contact], other, now, quiet=quiet)
            case call_news.ClearAnswers(peer, contact):
                name = self._all[contact].pin.name
                words = f"somebody answers in {name}'s place who can't encrypt, as {name} does: nothing is sent there"
                self._outlet.append(events.ErrorReceived(peer, name, words))
            case call_news.InTheClear():
                raise AssertionError("that is for SIMP/1")
            case _:
                self._outlet.append(news)

    def _establish(self, established: Established, now: float) -> None:
        """A session is on: its contact is pinned before anything is said (spec 7.4)."""
        key, peer, calling = established.key, established.peer, self._calling
        pin, conversation = self._pins.get(key), self._all.get(key)
        assert pin
        if conversation:
            self._outlet.append(Commit(Reached(key, pin.name, peer)))
        else:
            conversation = self._all[key] = Conversation(pin, Ledger(open=False), self._means, self._outlet)
            self._outlet.append(Commit(Pinned(key, pin.signing_key, pin.name, peer)))
        if self._means.logs_keys:
            tag, session = established.tag, session_of(established.handshake_hash)
            message_2, message_3 = established.payload_keys
            keys = SessionKeys(tag, session, message_2, message_3, *established.keys)
            self._outlet.append(LogKeys(build_line(keys)))
        wanted = calling and (key == calling[1] if calling[1] else peer == calling[0])
        conversation.begin(established, now, wanted=bool(wanted) or not (established.caller or established.closes))
        if wanted:
            self.engage(conversation, now)
        elif conversation.live and not conversation.chatting:
            self._outlet.append(events.RequestReceived(conversation.peer, pin.name, self._pins.security(pin)))
        self.mark()
        self.file(conversation)

    def _key_changed(self, peer: Address, whose: Conversation, other: Pinned, now: float, *, quiet: bool) -> None:
        """Nothing is said until our person decides (spec 9.4), except where another contact has the address now, or
        where nobody has called: else anybody on the way could end what is going on.
        """
        pin, known = whose.pin, self._pins.get(other.key)
        if known and known is not pin and not known.barred:
            if not quiet:  # as our person knows now
                self._pins.reach(known, peer)
                pin.address = None if pin.address == peer else pin.address  # where it isn't asked for any more
            words = f"{known.name} is now where {pin.name} was: nothing was said; call {known.name}, if you mean them"
            if known.name.lower() == pin.name.lower():
                one = f"simp trust {pin.identity} {known.identity}"
                words = f"another {pin.name} answers there: if the two are one person, type {one}"
        elif not quiet and self._said.lower() not in ("", pin.name.lower()) and other.name == self._said:
            self._pins.release(peer)
            words = f"{other.name} is where {pin.name} was: nothing was said; call again, if you mean {other.name}"
        elif quiet:
            words = f"somebody with another key answers in {pin.name}'s place: nothing is said there"
        else:
            if not pin.barred:
                pin.trust = Trust.CHANGED
                self._outlet.append(Commit(KeyChanged(pin.key, other)))
            words = pin.barred
        if not quiet:
            self._outlet.append(events.ErrorReceived(peer, pin.name, words))
            self._over(peer, pin.name, Why.OTHER_KEY, pin.key)
            return
        whose.refused(now)
        self.file(whose)
        if whose.chatting and words != whose.warned:
            whose.warned = words
            self._outlet.append(events.ErrorReceived(whose.peer, pin.name, words))

    def cancel(self, peer: Address) -> None:  # by our person, whatever became of the call
        if self._calling and self._calling[0] == peer:
            contact = self._calling[1]
            conversation = self._all.get(contact) if contact else None
            if conversation and conversation.ledger.open and not conversation.live:
                conversation.consent(False)
                self.file(conversation)
            self._over(peer, self._calling[2], Why.QUIT, contact)

    def _over(self, peer: Address, name: str, why: Why, contact: bytes | None) -> None:
        calling = self._calling
        if calling and (calling[0] == peer or (contact and contact == calling[1])):
            peer, self._calling = calling[0], None
        request = self.chat is not None and self.chat.peer == peer  # the chat goes on, whatever other call there was
        self._outlet.append(events.Ended(peer, name, why, request=request))

    # -- time

    def handle_timer(self, now: float) -> list[bytes]:
        """Does what is due; which contacts are to be called quietly (spec 4.7). Early or repeated calls do nothing."""
        missed = []
        for key in self._timers.due(now):
            if self._all[key].handle_timer(now):
                missed.append(key)
            self.file(self._all[key])
        return missed

    def get_timer(self) -> float | None:
        """When `handle_timer` will next have something to do; changes nothing."""
        return self._timers.first()

    def file(self, conversation: Conversation) -> None:
        """Puts one to which something has happened where its session belongs, and its timer."""
        key, session = conversation.pin.key, conversation.session.id if conversation.session else None
        self._timers.set(key, conversation.get_timer())
        before = self._filed.pop(key, None)
        if before is not None and before != session:
            self._sessions[before].remove(conversation)
            if not self._sessions[before]:
                del self._sessions[before]
        if session is not None:
            self._filed[key] = session
            if before != session:
                self._sessions.setdefault(session, []).append(conversation)

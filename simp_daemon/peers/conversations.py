"""All conversations of SIMP/2 of one daemon: by contact, by session, and by when they have something to do."""

from simp_daemon.contacts import Contact, Reached, Trust
from simp_daemon.effects import Commit
from simp_daemon.events import Security
from simp_daemon.facts import Ledger, Pinned
from simp_daemon.peers.call_news import Established
from simp_daemon.peers.conversation import Conversation, Means, Outlet
from simp_daemon.peers.link import state_of
from simp_daemon.peers.pins import Pin, Pins
from simp_daemon.peers.timers import Timers
from simp_proto.address import Address
from simp_proto.sealed.frames import State


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
        for contact, ledger in means.contacts:
            self.know(contact, ledger)

    # -- which there are

    def of(self, key: bytes) -> Conversation:
        """The one with that contact; raises `KeyError`."""
        return self._all[key]

    def by_session(self, session: bytes) -> list[Conversation]:
        """Those whose records say that."""
        return self._sessions.get(session, [])

    def by_address(self, peer: Address) -> Conversation | None:
        """The one of our person there: the chat, or else one that goes on and that it hasn't taken up."""
        chat = self.chat
        if chat and chat.peer == peer:
            return chat
        return next((each for each in self.waiting if each.peer == peer), None)

    @property
    def chat(self) -> Conversation | None:
        """The one that our person has before itself."""
        return self._chat if self._chat and self._chat.chatting else None

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

    def state(self, key: bytes) -> State:
        """Ours towards whoever has that key, for a session that begins."""
        conversation = self._all.get(key)
        return conversation.state() if conversation else state_of(Ledger())

    def security(self, pin: Pin) -> Security:
        """How a chat with that contact is secured: who is new and has another's name isn't to be taken for that one."""
        unsure = pin.trust is Trust.NEW and len(self._pins.named(pin.name)) > 1
        return Security.CLAIMED if unsure else pin.security

    # -- what happens to them

    def know(self, contact: Contact, ledger: Ledger) -> Conversation | None:
        """A contact is as it is in the store; the ledger is for one that is new here."""
        pin = self._pins.get(contact.key)
        if contact.replaced_by is not None:
            if pin:
                self._pins.remove(contact.key)
            return None
        if pin is None:
            pin = self._pins.add(contact.key, contact.signing_key, contact.name)
            pin.open = ledger.open
            for address in reversed(contact.addresses):
                self._pins.reach(pin, address)
            self._all[contact.key] = Conversation(pin, ledger, self._means, self._outlet)
        pin.signing_key, pin.trust = contact.signing_key, contact.trust
        return self._all[contact.key]

    def establish(self, established: Established, now: float) -> Conversation:
        """A session is on: its contact is pinned before anything is said (spec 7.4)."""
        key, peer = established.key, established.peer
        pin = self._pins.get(key)
        assert pin
        if key in self._all:
            self._outlet.append(Commit(Reached(key, pin.name, peer)))
        else:
            self._all[key] = Conversation(pin, Ledger(open=False), self._means, self._outlet)
            self._outlet.append(Commit(Pinned(key, pin.signing_key, pin.name, peer)))
        self._all[key].begin(established, now)
        self.file(self._all[key])
        return self._all[key]

    def engage(self, conversation: Conversation, now: float) -> None:
        """Our person takes it up."""
        self._chat = conversation
        conversation.engage(self.security(conversation.pin), now)
        self.file(conversation)

    def leave(self, conversation: Conversation, now: float) -> None:
        """Our person leaves it."""
        conversation.leave(now)
        self.file(conversation)

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

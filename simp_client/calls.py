"""A person's calls and chats, one after the other: how each begins and ends, and what the person reads of it. Pure.

What is held for a chat that doesn't come is told as not sent. The end waits until the fate of every message is known;
a second wish for it doesn't.
"""

from collections import deque
from dataclasses import replace
from typing import Final, NamedTuple

from simp_client import events, prompt, secured, view
from simp_client.attachment import Attachment, Phase
from simp_client.events import NOBODY, Event, Fate, How, Other
from simp_client.prompt import TALKING, Ask, Kind, Place, State
from simp_client.view import Text
from simp_proto.constants import BUSY, UNANSWERED_INTERVAL
from simp_proto.text import Line

_HOW: Final = {
    How.DECLINED: "declined",
    How.BUSY: "is in another chat",
    How.NOBODY: "didn't answer",
    How.WITHDRAWN: "no longer wants to chat",
}


class Held(NamedTuple):
    text: str
    verbatim: bool
    """It is a message, whatever it looks like."""


class Calls:
    """`piped`, `lost` and `wait` are the dialogue's.

    `texts_only`: nobody can answer what is shown. `once`: the end of the first call or chat is the end of all.
    """

    def __init__(self, *, piped: bool, texts_only: bool, once: bool, lost: str, wait: float) -> None:
        self.attachment = Attachment()
        self.place = Place.MENU
        self.user = ""
        self.held: deque[Held] = deque()
        self.shown: list[Text | Ask] = []
        self.failed = False
        """A call failed, something wasn't delivered, or a line couldn't be used."""
        self.broken = False
        """The daemon is lost, or doesn't take us."""
        self.callee = ""
        """Whom to call once attached, and once they are here."""
        self.listed: tuple[Other, ...] | None = None
        """Who has which number in the last list; `None` where the menu is to begin with another."""
        self.news = ""
        """Who has just come or gone."""
        self.why = ""
        """Why what is typed can't be sent any more; empty while it can."""
        self.close_once_attached = False
        self.piped = piped
        self.texts_only = texts_only
        self.once = once
        self._lost = lost
        self._wait = wait
        self._count = 0
        self._partner = NOBODY  # of the last chat
        self._off = NOBODY  # whose request was put off last
        self._warned = False  # the last event was a warning
        self.warning = ""
        """The last one since the person or the partner said something: a daemon may repeat it."""

    @property
    def state(self) -> State:
        """Where the person is: where the attachment is, and a place of theirs where that has none."""
        phase = self.attachment.phase
        if phase in (Phase.DETACHING, Phase.OVER):
            return phase
        return self.place if phase is Phase.IDLE or self.place is Place.CLOSING else phase

    @property
    def number(self) -> int:
        """The number of the call or chat that is on, from 1; or 0."""
        return self._count if self.state in TALKING else 0

    @property
    def ask(self) -> Ask:
        people = self.listed or ()
        return prompt.ask(self.state, self.attachment, self.user, self.number, people, texts_only=self.texts_only)

    def notice(self, words: str) -> None:
        self.shown.append(view.notice(words))

    def error(self, words: str) -> None:
        self.shown.append(view.error(words))

    def unsent(self, text: str, why: str) -> None:
        """Shows that a line never left this program."""
        self.failed = True
        self.error(f"not sent: {view.short(text)}: {why}")

    def who(self, other: Other) -> str:
        return view.title(self.attachment.people.known(other), self.user)

    # -- what the person wishes

    def attach(self, user: str) -> None:
        self.attachment.attach(user)
        self.user = user

    def call(self, whom: str) -> None:
        """Calls them; raises `LineError` for what is neither an address nor a name."""
        self.attachment.call(whom)
        self._begin()
        self.notice(f"Calling {self.who(self.attachment.partner)}.{'' if self.texts_only else ' q cancels.'}")

    def look(self) -> None:
        """Lists who is here, as soon as the daemon has told it, where it does."""
        if self.attachment.watches:
            self.attachment.look()
        else:
            self.listed = None

    def list_people(self) -> None:
        lines, self.listed = prompt.list_people(self.attachment, self.user)
        self.news = ""
        for line in lines:
            self.notice(line)

    def give_up_looking(self, why: str) -> None:
        """Doesn't wait for the callee any more."""
        self.place = Place.MENU
        self.drop_held(why)
        self._rest()

    def accept(self, request: Other) -> None:
        """Accepts the request, and no longer waits for whoever is called."""
        self.drop_held("the call is over")
        self.attachment.accept(request)
        self._begin()

    def decline(self, request: Other) -> None:
        self.attachment.decline(request)
        self.notice(f"Declined {self.who(request)}.")

    def leave(self, why: str) -> None:
        self.attachment.leave()
        self.drop_held(why)

    def close(self) -> None:
        """Ends once the fate of every message is known; immediately if asked again."""
        count = len(self.attachment.outstanding)
        if not count or self.place is Place.CLOSING:
            self.detach()
            return
        self.place = Place.CLOSING
        now = "Ctrl-C" if self.texts_only else "q or Ctrl-C"
        self.notice(
            f"Will quit once {view.messages(count)} {'has' if count == 1 else 'have'} arrived. {now} quits now."
        )

    def detach(self) -> None:
        was, chats = self.state, self.attachment.phase is Phase.CHAT
        self.attachment.detach()
        self._follow(was)
        self.drop_held(self.why or ("the chat is over" if chats else "no chat is on"))

    def drop_held(self, why: str) -> None:
        """Tells what was typed for a chat that won't happen."""
        self.why = why
        for text, _ in self.held:
            self.unsent(text, why)
        self.held.clear()

    def _begin(self) -> None:
        self._count += 1
        self.once |= self.texts_only  # what follows in the pipe is meant for nobody else
        self.place = Place.MENU  # where its end leads
        self.listed, self.callee, self.news, self.why = None, "", "", ""

    # -- what the daemon says

    def receive_line(self, line: Line) -> None:
        was = self.state
        self.attachment.receive_line(line)
        self._follow(was)
        if self.state is Place.CLOSING and not self.attachment.outstanding:
            self.detach()

    def lose(self, why: str = "") -> None:
        """The daemon is gone, or why there was none."""
        was = self.state
        self._lost = why or self._lost
        self.attachment.lose()
        self._follow(was)

    def _follow(self, was: State) -> None:
        """Tells the person what has happened to somebody who was there, and goes where it leads."""
        while event := self.attachment.next_event():
            self._happened(event, was)
            if not isinstance(event, events.Settled | events.Seen | events.Gone):
                self._warned = isinstance(event, events.Warned)

    def _happened(self, event: Event, was: State) -> None:  # noqa: PLR0912, PLR0915  a case for each event
        match event:
            case events.Idle() if was is Phase.ATTACHING:
                if self.callee:
                    self._try()
                elif self.close_once_attached:
                    self.close()
            case events.Idle():
                self.listed = None
                self._rest()
            case events.Missed(other, seconds):
                self.notice(f"Missed call: {self.who(other)} called {view.duration(seconds)} ago.")
            case events.Seen() | events.Requested() if self.state is Place.LOOKING and self._is_there(self.callee):
                self._try()
            case events.Seen(person) if self.state is Place.LOOKING and was is not Phase.ATTACHING:
                if self.attachment.people.like(self.callee) == person.name:
                    self._suggest(self.callee)
            case events.Seen(person) | events.Gone(person) if was is not Phase.ATTACHING:
                if person.address != self.attachment.partner.address:
                    what = "has come" if isinstance(event, events.Seen) else "has gone"
                    self.news = f"{view.named(person.name, self.user)} {what}"
            case events.Requested(other):
                self._off = NOBODY
                asks = self.ask.kind is Kind.ACCEPT and len(self.attachment.requests) == 1
                if not asks and was not in (Phase.APART, Phase.ATTACHING, Place.CLOSING, Phase.DETACHING):
                    self._put_off(other)
            case events.Secured(other) if self.state is Phase.CHAT and other is self.attachment.partner:
                self.shown += secured.explain(other, self.user)
            case events.Secured(other) if self._off == other:
                self._put_off(other)
            case events.Withdrawn(other):
                self.notice(f"Missed call: {self.who(other)} called, and gave up.")
            case events.Ringing(other) if was is Phase.CALLING:
                self.notice(f"Ringing at {self.who(other)}.")
            case events.Away(other) if was is Phase.CALLING:
                self.notice(f"Nobody is at {self.who(other)} now; whoever comes there will be asked.")
            case events.Elsewhere(other, address) if was is Phase.CALLING:
                if_same = f"If {self.who(other)} is the same host, cancel, and call it there."
                self.notice(f"{address} has answered, which wasn't called. {if_same}")
            case events.Began(other) if was is not Place.CLOSING:
                self._began(other, called=was in (Phase.CALLING, Phase.ACCEPTING))
            case events.Said(name, text):
                self.warning = ""
                self.shown.append(view.said(name, text, self.user))
            case events.Settled(_, text, fate) if fate is not Fate.ACKNOWLEDGED:
                self.failed = True
                what = "not delivered" if fate is Fate.UNDELIVERED else "may not have arrived"
                earlier = was not in (Phase.CHAT, Place.CLOSING)
                whose = f" (to {view.short_title(self._partner, self.user)})" if earlier else ""
                self.error(f"{what}{whose}: {view.short(text)}")
            case events.Unanswered(other, seconds) if was in (Phase.CALLING, Phase.CHAT):
                who = view.short_title(self.attachment.people.known(other), self.user)
                self._unanswered(who, seconds, "q leaves" if was is Phase.CHAT else "q cancels")
            case events.Silent(other, seconds) if was is Phase.CHAT:
                heard = f"Nothing heard from {view.short_title(other, self.user)} for {view.duration(seconds)}"
                self.notice(f"{heard}; its daemon doesn't tell whether it is still there.")
            case events.LastHeard(person):
                heard = view.duration(person.seconds or 0)
                self.notice(f"{view.short_title(person.other, self.user)} was last heard {heard} ago.")
            case events.Failed(other, _, how):
                if how in _HOW:
                    why = f" {view.doctor(self.attachment.people.known(other))}." if how is How.NOBODY else ""
                    if was is Phase.ACCEPTING and not (other.secured or "").startswith("clear"):
                        why = " If they didn't take it back, their daemon knows another key of yours"
                        why += ": tell them, but not in a chat, the id that simp identity shows."
                    self.notice(f"{self.who(other)} {_HOW[how]}.{why}")
                elif not other.address:
                    self._suggest(other.name)
                if self.callee and how is How.TOLD and not other.address and not self._is_there(self.callee):
                    self._look_out()
                    return
                self.failed |= was is Phase.CALLING
                ends = {How.TOLD: "the call failed", How.WITHDRAWN: "the chat didn't begin"}
                self.drop_held(ends.get(how, "nobody took the call"))
                self._rest()
            case events.Ended(other, lost):
                what = "is gone" if self._warned else "stopped answering" if lost else "left"
                self.notice(f"{self.who(other)} {what}; the chat is over.")
                self.drop_held("the chat is over")
                self._rest()
            case events.Warned(text):
                told = text == BUSY and was in (Phase.CALLING, Phase.ACCEPTING)  # by `Failed`
                told |= text == self.warning or was is Phase.DETACHING  # what is about a chat that is over helps nobody
                if not told:
                    self.error(text)
                    self.warning = text
                if was is Phase.ATTACHING:
                    self.broken = True
                    self.detach()
            case events.Over(lost=True):
                self.broken = True
                self.drop_held("the daemon is gone")
                self.error(self._lost)

    def _is_there(self, name: str) -> bool:
        """Whether anybody of that name has come, or calls us, as far as told."""
        return bool(self.attachment.people.named(name)) or any(each.name == name for each in self.attachment.requests)

    def _try(self) -> None:
        """Calls whoever is to be called; where the daemon knows nobody of that name, waits for them."""
        callee = self.callee
        self.call(callee)
        self.callee = callee

    def _suggest(self, name: str) -> None:
        if near := self.attachment.people.like(name):
            self.notice(f"Somebody called {view.named(near, self.user)} is here.")

    def _look_out(self) -> None:
        self.place = Place.LOOKING
        who, within = view.named(self.callee), f", within {self._wait:g} s" if self.piped else ""
        self.notice(f"{who} isn't here yet; will be called on arrival{within}. `simp who` lists who is.")

    def _put_off(self, request: Other) -> None:
        """Told again where more is known by then, and instead of what nobody has seen yet."""
        self._off = request
        known = replace(self.attachment.people.known(request), secured=None)
        unknown, told = (
            view.notice(f"{secured.wants(each, self.user)}; you will be asked as soon as you are free.")
            for each in (known, replace(known, secured=request.secured))
        )
        if unknown in self.shown:
            self.shown.remove(unknown)
        self.shown.append(told)

    def _began(self, other: Other, *, called: bool) -> None:
        self._partner = other
        if not called:
            self._begin()
        commands = "" if self.texts_only else " q leaves, ? helps."
        self.notice(f"You are in a chat with {self.who(other)}.{commands}")
        for request in self.attachment.requests:
            self._put_off(request)
        if not self.piped:
            self.shown += (view.said(self.user, held.text.strip("\n")) for held in self.held)

    def _unanswered(self, who: str, seconds: int, instead: str) -> None:
        """Where somebody can answer it, it is asked, in a line that takes no answer (client 4.2, UNANSWERED)."""
        if self.texts_only:
            self.notice(f"Still no answer from {who} after {seconds} s.")
        else:
            since = f" ({seconds} s)" if seconds > UNANSWERED_INTERVAL else ""
            self.notice(f"Still no answer from {who}: keep waiting, or {instead}{since}")

    def _rest(self) -> None:
        if self.once and self.place is not Place.CLOSING:
            self.close()

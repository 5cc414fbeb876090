"""What is around the line that the person types: the question of the moment, and the bar below. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Final

from simp_client import secured, view
from simp_client.attachment import Attachment, Phase
from simp_client.events import NOBODY, Other

REACTION: Final = 1.0
"""Seconds that a person needs to see that a question has given way to another of its kind."""
LINE: Final = 30.0
"""The same where only whole lines are known, and not when their typing began."""
LISTED: Final = 20
"""People in the list at the menu; more can be called by name."""


@unique
class Place(Enum):
    """Where the person is while no call or chat is on."""

    MENU = "asked whom to call, and can be called"
    LOOKING = "whoever is to be called isn't here yet"
    CLOSING = "the end waits for the fate of messages"


State = Phase | Place

TALKING: Final = (Phase.CALLING, Phase.ACCEPTING, Phase.CHAT)
"""Where what is typed is for somebody."""


@unique
class Kind(Enum):
    """What a line is taken for."""

    NAME = "the person's name"
    MENU = "whom to call"
    ACCEPT = "whether to accept a request"
    TALK = "a message"
    AHEAD = "whatever is asked next"


QUESTIONS: Final[dict[State, tuple[Kind, str]]] = {
    Phase.APART: (Kind.NAME, "Your name (ASCII):"),
    Place.MENU: (Kind.MENU, "Call whom?"),
}
"""What is asked where no request is asked about."""
HELP: Final = (
    "Your name is what others see: up to 32 characters of ASCII.",
    "q    leaves the chat or the call; anywhere else it ends the program",
    "?    shows this help",
    r"\q   sends q in a chat, and \? sends ?",
    "encrypted: only whoever answered reads along; verified: you two compared words (`simp verify NAME`)",
    "Ctrl-C  discards a half-typed line; where there is none, it ends the program",
    "Call whom? A name or a number of the list, or an IP address. Enter lists who is here.",
    "What you type during a call is saved for the chat. Lines pasted together are one message.",
)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is before the person's eyes, and what a line is therefore taken for, if its typing begins now."""

    kind: Kind
    other: Other = NOBODY
    """Whose request it is about."""
    talk: int = 0
    """The number of the call or chat that is on, from 1; 0 where there is none."""
    words: str = field(default="", compare=False)
    """The question, where there is one."""
    label: str = field(default="", compare=False)
    """What stands before the line that is being typed, at a terminal."""
    news: str = field(default="", compare=False)
    """What is told there when the question comes up."""
    people: tuple[Other, ...] = ()
    """Who has which number in the list, from 1."""


def ask(
    state: State,
    attachment: Attachment,
    user: str,
    talk: int,
    people: tuple[Other, ...] = (),
    *,
    texts_only: bool = False,
) -> Ask:
    """What is asked now. `people` are listed; `texts_only`: whatever is typed during a call is a message."""
    requests, calling = attachment.requests, state is Phase.CALLING
    if requests and (state is Place.MENU or (calling and not texts_only)):
        who = view.title(requests[0], user)
        partner = view.short_title(attachment.people.known(attachment.partner), user)
        instead, ends = (f", and end the call to {partner}", f"; y ends the call to {partner}") if calling else ("", "")
        wants = secured.wants(requests[0], user)
        words, news = f"{wants}. Accept{instead}? (y/n)", f"{wants}{ends}."
        claims = f", {secured.marks(requests[0])[1]}" if requests[0].secured in ("claimed", "clear-claimed") else ""
        label = f"Accept {who}{claims}? (y/n) "
        return Ask(Kind.ACCEPT, requests[0], talk if calling else 0, words, label, news)
    if state in QUESTIONS:
        kind, words = QUESTIONS[state]
        return Ask(kind, words=words, label=f"{words} ", people=people if kind is Kind.MENU else ())
    if state in TALKING:
        return Ask(Kind.TALK, talk=talk, label=f"{user}: " if state is Phase.CHAT else "")
    return Ask(Kind.AHEAD)


def list_people(attachment: Attachment, user: str) -> tuple[list[str], tuple[Other, ...]]:
    """The lines that say who is here and what to do, and who has which number in them, from 1."""
    if not attachment.watches:
        return ["Call somebody by IP address, or wait to be called."], ()
    people = [each.other for each in attachment.people if each.here]
    looks = Counter(map(view.look, [user, *(each.name for each in people)]))
    lines = ["Here now:"] if people else []
    for number, other in enumerate(people[:LISTED], 1):
        unique = looks[view.look(other.name)] == 1
        doubt = ", who wasn't reached" if other.address == attachment.doubted else ""
        lines.append(f"{number:4} {view.short_title(other, user) if unique else view.title(other, user)}{doubt}")
    if len(people) > LISTED:
        lines.append(f"     and {len(people) - LISTED} more, by name")
    if absent := _absent(attachment, user):
        more = f" and {len(absent) - LISTED} more" if len(absent) > LISTED else ""
        lines.append(f"Known, but not here now: {', '.join(absent[:LISTED])}{more}")
    whom = "a name or an IP address" if absent else "an IP address"
    if people:
        lines.append("Call by number, name or IP address, or wait to be called. Enter lists again.")
    elif attachment.looks:
        lines.append(f"Nobody else is here yet. Wait, or call {whom}; `simp doctor` looks for what is in the way.")
    else:
        lines += [view.OFF, view.ON_AGAIN, f"Call {whom}, or wait to be called."]
    return lines, tuple(people[:LISTED])


def _absent(attachment: Attachment, user: str) -> list[str]:
    """Who is known, but isn't here; with the addresses of those who can't be called by name, since others have it."""
    here = {each.name for each in attachment.people if each.here}
    absent = [each for each in attachment.people if not each.here and each.other.name not in here]
    absent.sort(key=lambda each: (each.source == "announced", each.other.name.casefold()))
    names = Counter(each.other.name for each in absent)
    return [
        view.title(each.other, user) if names[each.other.name] > 1 else view.named(each.other.name, user)
        for each in absent
        if each.source != "announced" or names[each.other.name] > 1
    ]


class LastQuestion:
    """What the person can have meant: a question that has just given way to another one's is still in their eyes.

    `now` is any clock's time in seconds.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._gone: Ask | None = None  # the question about somebody that was last there and wasn't answered
        self._answered = False
        self._since = 0.0

    def see(self, ask: Ask, now: float) -> None:
        if ask != self._ask:
            if self._ask.kind is Kind.ACCEPT and not self._answered:
                self._gone, self._since = self._ask, now
            self._ask = ask
        self._answered = False

    def answer(self) -> None:
        """The person has answered, and knows that something else may follow."""
        self._gone = None
        self._answered = True

    def meant(self, now: float, seen: Ask | None = None) -> Ask:
        """What a line is for whose typing begins now, while `seen` is on the screen, or else what is asked."""
        ask, gone = seen or self._ask, self._gone
        swapped = gone and ask.kind is Kind.ACCEPT and gone.other != ask.other
        return gone if gone and swapped and now - self._since < (REACTION if seen else LINE) else ask


def bar(state: State, attachment: Attachment, user: str, columns: int, news: str = "") -> str:
    """Where the person is, at the bottom of a terminal of so many columns: the most that fits into less than those.

    `news` is who has just come or gone.
    """
    partner = attachment.people.known(attachment.partner)
    who, short = view.title(partner, user), view.short_title(partner, user)
    outstanding = len(attachment.outstanding)
    pending, few = (
        (f"{view.messages(outstanding)} not yet delivered", f"{outstanding} under way") if outstanding else ("", "")
    )
    delivered = state is Phase.CHAT and attachment.said and not pending
    delivery, mark = ("✓ all delivered", "✓") if delivered else (pending, few)
    calling = "ringing at" if attachment.rang else "calling"
    quiet = f"nothing heard for {view.duration(attachment.silence)}" if attachment.silence else ""
    here = sum(each.here for each in attachment.people)
    menu = ""
    match state:
        case Phase.CHAT:
            place, brief, leave = f"chat with {who}", f"with {short}", "q leaves"
        case Phase.CALLING:
            place, brief, leave = f"{calling} {who}", f"{calling} {short}", "q cancels"
        case Place.LOOKING:
            place, brief, leave = f"{user} · waiting for somebody to call", "waiting", "q cancels"
        case Place.MENU if attachment.watches:
            count = f"{here} here" if here else "nobody found" if attachment.looks else "discovery is off"
            place, brief, leave, menu = f"{user} · {count}", count, "q quits", "Enter lists"
        case _:
            place, brief, leave = user, user, "q quits"
    at_menu = (
        (pending, place, news, menu, leave, "? helps"),
        (pending, place, news, menu, leave),
        (pending, brief, news, menu, leave),
        (few, news, menu, leave),
        (few, brief, menu, leave),
        (few, menu, leave),
    )
    forms = (
        *(at_menu if menu else ()),
        (delivery, place, quiet, news, leave, "? helps"),
        (delivery, brief, quiet, news, leave, "? helps"),
        (delivery, brief, quiet, news, leave),
        (delivery, brief, quiet, leave, "? helps"),
        (delivery, brief, leave, "? helps"),
        (brief, mark, leave, "? helps"),
        (brief, mark, leave),
        (few, leave),
        (leave,),
    )
    marks = secured.marks(attachment.partner) if state is Phase.CHAT else ("", "")
    marked = (*((marks[0], *form) for form in forms[:-2]), *((marks[1], *form) for form in forms), forms[-1])
    bars = (f" {' · '.join(filter(None, form))} " for form in marked)
    return next((bar for bar in bars if view.width(bar) < columns), "")

"""What stands around the line that the person types: the question of the moment, and the bar below. Pure."""

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Final

from simp_client import view
from simp_client.attachment import Attachment
from simp_client.events import NOBODY, Other

REACTION: Final = 1.0
"""Seconds that a person needs to see that a question has given way to another of its kind."""
LINE: Final = 30.0
"""The same where only whole lines are known, and not when their typing began."""


@unique
class State(Enum):
    """Where the person is."""

    NAME = "asked for the person's name"
    ATTACHING = "CONNECT is out"
    MENU = "asked what to do"
    ADDRESS = "asked whom to call"
    WAITING = "waiting for requests"
    CALLING = "a call is out"
    ACCEPTING = "a request was accepted, the chat is not yet on"
    CHAT = "the chat is on"
    LEAVING = "QUIT to the partner is out"
    CLOSING = "the end waits for the fate of messages"
    QUITTING = "QUIT is out"
    ENDED = "over"


TALKING: Final = (State.CALLING, State.ACCEPTING, State.CHAT)
"""Where what is typed is for somebody."""


@unique
class Kind(Enum):
    """What a line is taken for."""

    NAME = "the person's name"
    MENU = "what to do"
    ADDRESS = "whom to call"
    WAIT = "nothing, except to go back to the menu"
    ACCEPT = "whether to accept a request"
    TALK = "a message"
    AHEAD = "whatever is asked next"


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


def ask(state: State, attachment: Attachment, user: str, talk: int, *, texts_only: bool = False) -> Ask:
    """What is asked now. `texts_only`: whatever is typed during a call is a message."""
    requests = attachment.requests
    if requests and state in (State.MENU, State.WAITING, *(() if texts_only else (State.CALLING,))):
        who = view.title(requests[0], user)
        calling = state is State.CALLING
        words = (
            view.accept_instead_question(who, view.short_title(attachment.partner, user))
            if calling
            else view.accept_question(who)
        )
        return Ask(Kind.ACCEPT, requests[0], talk if calling else 0, words, view.accept_label(who))
    match state:
        case State.NAME:
            return Ask(Kind.NAME, words=view.NAME_QUESTION, label=f"{view.NAME_QUESTION} ")
        case State.MENU:
            return Ask(Kind.MENU, words=view.MENU_QUESTION, label=f"{view.MENU_QUESTION} ")
        case State.ADDRESS:
            return Ask(Kind.ADDRESS, words=view.ADDRESS_QUESTION, label=f"{view.ADDRESS_QUESTION} ")
        case State.WAITING:
            return Ask(Kind.WAIT)
        case State.CHAT:
            return Ask(Kind.TALK, talk=talk, label=f"{user}: ")
        case State.CALLING | State.ACCEPTING:
            return Ask(Kind.TALK, talk=talk)
    return Ask(Kind.AHEAD)


class Glance:
    """What the person can have meant: a question that has just given way to another one's is still in their eyes.

    `now` is any clock's time in seconds.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._gone: Ask | None = None  # the question about somebody that was last there and wasn't answered
        self._answered = False
        self._since = 0.0

    def see(self, ask: Ask, now: float) -> None:
        """That is asked now."""
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


def bar(state: State, attachment: Attachment, user: str, columns: int) -> str:
    """Where the person is, at the bottom of a terminal of so many columns: the most that fits into less than those."""
    who, short = view.title(attachment.partner, user), view.short_title(attachment.partner, user)
    said = attachment.said if state is State.CHAT else 0
    delivery = view.delivery(said, len(attachment.outstanding))
    pending = delivery if attachment.outstanding else ""
    calling = "ringing at" if attachment.rang else "calling"
    match state:
        case State.CHAT:
            place, brief, leave = f"chat with {who}", short, "q leaves"
        case State.CALLING:
            place, brief, leave = f"{calling} {who}", f"{calling} {short}", "q cancels"
        case State.WAITING:
            place, brief, leave = "waiting for a request", "waiting", "q quits"
        case _:
            place, brief, leave = user, user, "q quits"
    quiet = view.quiet(attachment.silence)
    menu = "Enter goes to the menu" if state is State.WAITING else ""
    forms = (
        (delivery, place, quiet, menu, leave, "? helps"),
        (delivery, brief, quiet, menu, leave, "? helps"),
        (delivery, brief, menu, leave, "? helps"),
        (pending, brief, leave, "? helps"),
        (pending, brief, leave),
        (pending, leave),
        (leave,),
    )
    return next((text for form in forms if view.width(text := view.bar(*form)) < columns), "")

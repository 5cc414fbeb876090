"""What stands around the line that the person types: the question of the moment, and the bar below. Pure."""

from enum import Enum, unique

from simp_client import view
from simp_client.attachment import Attachment


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


def question(state: State, attachment: Attachment, unanswered: int) -> str:
    """What is asked now, or nothing. `unanswered`: the seconds of which the person hasn't been asked yet, or 0."""
    requests, partner = attachment.requests, attachment.partner
    match state:
        case State.NAME:
            return view.NAME_QUESTION
        case State.MENU | State.WAITING if requests:
            return view.accept_question(requests[0].title)
        case State.MENU:
            return view.MENU_QUESTION
        case State.ADDRESS:
            return view.ADDRESS_QUESTION
        case State.CALLING | State.CHAT if unanswered:
            return view.wait_question(partner.short, str(unanswered))
        case State.CALLING if requests:
            return view.accept_instead_question(requests[0].title, partner.short)
    return ""


def bar(state: State, attachment: Attachment, user: str) -> str:
    """Where the person is, at the bottom of a terminal."""
    who = attachment.partner.title
    said = attachment.said if state is State.CHAT else 0
    delivery = view.delivery(said, len(attachment.outstanding))  # first, where a narrow terminal cuts nothing off
    match state:
        case State.CHAT:
            return view.bar(delivery, f"chat with {who}", "q leaves", "? helps")
        case State.CALLING:
            return view.bar(delivery, f"{'ringing at' if attachment.rang else 'calling'} {who}", "q cancels", "? helps")
        case State.WAITING:
            return view.bar(delivery, "waiting for a request", "Enter goes to the menu", "q quits", "? helps")
    return view.bar(delivery, user, "q quits", "? helps")

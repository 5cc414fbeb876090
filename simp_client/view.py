"""What the person reads: every sentence of the client, in one place. Pure.

A text is a tuple of (style, words) pairs; the terminal colours them, a pipe joins them. Whatever a peer or a
daemon wrote goes through `printable` here and nowhere else, so that it can't disturb a terminal (client 3.4).
"""

from ipaddress import ip_address
from typing import Final

from simp_proto.address import Address, format_address
from simp_proto.constants import CLIENT_PORT
from simp_proto.printable import printable

Text = tuple[tuple[str, str], ...]
"""Words with the name of their style: `name`, `notice`, `error` or none. One line, without its newline."""

SHORT: Final = 60
"""Characters of a message that are enough to recognise it."""
_TAB: Final = 4

NAME_QUESTION: Final = "Your name:"
MENU_QUESTION: Final = "1 start a chat, 2 wait for a request, q quit:"
ADDRESS_QUESTION: Final = "Call which IP or IP:port?"

LOST: Final = "The daemon is gone. Start it again with: simp daemon"
HELP: Final = (
    "q    leaves the chat or the call; anywhere else it ends the program",
    "?    shows this help",
    r"\q   sends q in a chat, and \? sends ?",
    "Enter alone goes back to the menu; in a chat it does nothing.",
    "What you type ahead is saved until it is asked for.",
)


def notice(words: str) -> Text:
    """Something that has happened; the words may be anybody's."""
    return (("notice", f"* {printable(words)}"),)


def error(words: str) -> Text:
    """Something that went wrong; the words may be anybody's."""
    return (("error", f"! {printable(words)}"),)


def said(name: str, text: str) -> Text:
    """A message. A newline in it is escaped, so that a peer's text never begins a line of its own."""
    return (("name", f"{printable(name)}:"), ("", f" {printable(text.expandtabs(_TAB))}"))


def plain(text: Text) -> str:
    """The text without its styles."""
    return "".join(words for _, words in text)


def short(text: str) -> str:
    """The text, or its beginning where it is long, in quotes."""
    return f"'{text}'" if len(text) <= SHORT else f"'{text[:SHORT]}…'"


# -- questions


def accept_question(who: str) -> str:
    """Asked about a request while nothing else is on."""
    return f"{printable(who)} wants to chat. Accept? (y/n)"


def accept_instead_question(who: str, callee: str) -> str:
    """Asked about a request during a call."""
    return f"{printable(who)} wants to chat. Accept, and end the call to {printable(callee)}? (y/n)"


def wait_question(who: str, seconds: str) -> str:
    """Asked every 30 s without an answer (client 4.2, UNANSWERED)."""
    return f"Still no answer from {printable(who)} after {printable(seconds[:SHORT])} s: keep waiting? (y/n)"


# -- what has happened


def wrong(read: str, expected: str) -> Text:
    """An answer that doesn't fit the question."""
    return error(f"read {short(read)}, expected {expected}")


def waiting() -> Text:
    """The person chose to wait."""
    return notice("Waiting for a request. Enter goes back to the menu, q ends the program.")


def calling(who: str) -> Text:
    """A call goes out."""
    return notice(f"Calling {who}. q cancels.")


def rings(who: str) -> Text:
    """The call has reached the other daemon."""
    return notice(f"Ringing at {who}.")


def kept(text: str) -> Text:
    """A line was typed ahead."""
    return notice(f"Saved until it is asked for: {short(text)}")


def requested(who: str) -> Text:
    """A request came in while it can't be asked about."""
    return notice(f"{who} wants to chat; you will be asked as soon as you are free.")


def withdrawn(who: str) -> Text:
    """A request is over before it was answered."""
    return notice(f"{who} no longer wants to chat.")


def declined(who: str) -> Text:
    """The person said no to a request."""
    return notice(f"Declined {who}.")


def began(who: str) -> Text:
    """The chat is on."""
    return notice(f"You are in a chat with {who}. q leaves, ? helps.")


def left(who: str) -> Text:
    """The person left a chat or call."""
    return notice(f"You left {who}. Another q ends the program.")


def gone(who: str) -> Text:
    """The partner of a chat left, or is lost."""
    return notice(f"{who} is gone; the chat is over.")


def refused(who: str) -> Text:
    """A call came to nothing."""
    return notice(no_chat(who))


def no_chat(who: str, why: str | None = None) -> str:
    """The same as an error of a program; plain words, which may be anybody's."""
    return f"No chat with {who}: {why or 'declined, busy or out of reach'}."


def undelivered(text: str) -> Text:
    """A message that won't be sent again."""
    return error(f"not delivered: {short(text)}")


def unsent(text: str, why: str) -> Text:
    """A line that never left this program."""
    return error(f"not sent: {short(text)}: {why}")


def unknown(text: str) -> Text:
    """A message whose fate will stay unknown."""
    return error(f"may not have arrived: {short(text)}")


def closing(count: int) -> Text:
    """The end waits for acknowledgements."""
    return notice(
        f"Will quit once {_messages(count)} {'has' if count == 1 else 'have'} arrived. q or Ctrl-C quits now."
    )


def unreachable(address: Address, why: str) -> str:
    """No daemon answers there; plain words, for the standard error stream."""
    ip, port = address
    command = "simp daemon" if ip_address(ip).is_loopback else f"simp daemon {ip}"  # loopback calls nobody else
    option = "" if port == CLIENT_PORT else f" --client-port {port}"
    return f"No daemon at {format_address(address)} ({why}). Start one with: {command}{option}"


def lost() -> Text:
    """The daemon closed the connection."""
    return error(LOST)


# -- the state, at a glance


def bar(*parts: str) -> str:
    """The bar at the bottom of a terminal; empty parts are left out."""
    return f" {' · '.join(printable(part) for part in parts if part)} "


def delivery(said_so_far: int, outstanding: int) -> str:
    """What is known of the messages of this chat."""
    if outstanding:
        return f"{_messages(outstanding)} not yet delivered"
    return "✓ all delivered" if said_so_far else ""


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


# -- what the person's device can show

_ASCII: Final = {"…": "...", "·": "-", "✓ ": ""}


def fit(text: str, encoding: str) -> str:
    """The text in characters that the encoding has: ours replaced by similar ones, others by their code."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        for ours, like in _ASCII.items():
            text = text.replace(ours, like)
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text

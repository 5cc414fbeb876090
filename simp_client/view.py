"""What the person reads: every sentence of the client, in one place. Pure.

A text is a tuple of (style, words) pairs; the terminal colours them, a pipe joins them. Whatever a peer or a
daemon wrote goes through `printable` here and nowhere else, so that it can't disturb a terminal (client 3.4). And it
never looks like a line of ours: those begin with `*`, `!` or a name at the left edge, where nobody's words ever stand.
"""

import re
from typing import Final

from wcwidth import iter_graphemes, iter_graphemes_reverse, wcwidth

from simp_client.events import How, Other
from simp_proto.address import Address, format_address
from simp_proto.constants import CLIENT_PORT
from simp_proto.printable import printable

Text = tuple[tuple[str, str], ...]
"""Words with the name of their style: `name`, `notice`, `error` or none.

Without its last newline; any other is followed by `MORE`.
"""

MORE: Final = "  │ "
"""Before each line of a message but its first."""

SHORT: Final = 60
"""Characters of a message that are enough to recognise it."""
_TAB: Final = 4
_RAW: Final = re.compile("[\udc80-\udcff]")
"""Bytes that are no UTF-8, as Python reads them."""

NAME_QUESTION: Final = "Your name:"
MENU_QUESTION: Final = "1 start a chat, 2 wait for a request, q quit:"
ADDRESS_QUESTION: Final = "Call which IP or IP:port?"

LOST: Final = "The daemon is gone. Start it again with: simp daemon"
HELP: Final = (
    "q    leaves the chat or the call; anywhere else it ends the program",
    "?    shows this help",
    r"\q   sends q in a chat, and \? sends ?",
    "Enter alone goes back to the menu; in a chat it does nothing.",
    "What you type during a call is saved for the chat. Lines pasted together are one message.",
)


_BLANKS: Final = re.compile(r"^\s{33,}|(?<=\S)\s{9,}")
"""Runs that are too long: 32 columns indent what is pasted, 8 keep words apart."""


def notice(words: str) -> Text:
    """Something that has happened; the words may be anybody's."""
    return (("notice", f"* {_line(words)}"),)


def error(words: str) -> Text:
    """Something that went wrong; the words may be anybody's."""
    return (("error", f"! {_line(words)}"),)


def said(name: str, text: str, own: str = "") -> Text:
    """A message of that name, which `own` is ours: each of its lines but the first begins with `MORE`."""
    first, *others = text.expandtabs(_TAB).split("\n")
    lines = "".join(f"\n{MORE}{_line(other)}" for other in others)
    return (("name", f"{named(name, own)}:"), ("", f" {_line(first)}{lines}"))


def typed(label: str, text: str) -> Text:
    """What our person typed, as it stood there."""
    first, *others = text.expandtabs(_TAB).split("\n")
    return (
        ("label", printable(label)),
        ("", "".join([_line(first), *(f"\n{MORE}{_line(other)}" for other in others)])),
    )


def _line(words: str) -> str:
    """A line of anybody's words, in which no run of blanks moves what follows to where a line of ours would begin."""
    return _BLANKS.sub(lambda match: f" [{len(match[0])} blanks] ", printable(words))


def plain(text: Text) -> str:
    """The text without its styles."""
    return "".join(words for _, words in text)


def short(text: str) -> str:
    """The text, or its beginning where it is long, in quotes. Bytes that are no text show as their codes."""
    line, newline, _ = text.strip("\n").partition("\n")
    line = _RAW.sub(lambda byte: f"\\x{ord(byte[0]) & 0xFF:02x}", line)
    return f"'{line}'" if len(line) <= SHORT and not newline else f"'{line[:SHORT]}…'"


# -- people

_PLAIN_NAME: Final = re.compile(r"(?![0-9.]+$)[A-Za-z0-9_][A-Za-z0-9_ .'-]*")
_LOOKS: Final = (
    ("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("|", "l"), ("!", "l"), ("5", "s"),
    ("$", "s"), ("2", "z"), ("8", "b"), ("@", "a"), ("4", "a"), ("3", "e"), ("6", "b"), ("9", "g"), ("7", "t"),
)  # fmt: skip


def named(name: str, own: str = "") -> str:
    """A peer's name: in quotes where it could be taken for more than a name, and marked where it looks like ours."""
    shown = printable(name)
    if not _PLAIN_NAME.fullmatch(shown) or _line(shown) != shown:
        shown = f'"{_line(shown).replace(chr(34), chr(39))}"'
    return f"{shown} (not you)" if own and _look(name) == _look(own) else shown


def _look(name: str) -> str:
    """What a name looks like at a glance."""
    look = name.casefold()
    for part, like in _LOOKS:
        look = look.replace(part, like)
    return re.sub("[^a-z]", "", look) or name


def title(other: Other, own: str = "") -> str:
    """Who that is: `bob (127.0.0.2:7777)`, as far as known."""
    if other.name and other.address and other.name != other.address:
        return f"{named(other.name, own)} ({printable(other.address)})"
    return short_title(other, own)


def short_title(other: Other, own: str = "") -> str:
    """The name, where it is known, or else the address."""
    return named(other.name, own) if other.name and other.name != other.address else printable(other.address)


# -- questions


def accept_question(who: str) -> str:
    """Asked about a request while nothing else is on."""
    return f"{printable(who)} wants to chat. Accept? (y/n)"


def accept_instead_question(who: str, callee: str) -> str:
    """Asked about a request during a call."""
    return f"{printable(who)} wants to chat. Accept, and end the call to {printable(callee)}? (y/n)"


def accept_label(who: str) -> str:
    """Before the line that answers either, while the question stands above."""
    return f"Accept {printable(who)}? (y/n) "


# -- what has happened


def wrong(read: str, expected: str) -> Text:
    """An answer that doesn't fit the question."""
    return error(f"read {short(read)}, expected {expected}")


def waiting() -> Text:
    """The person chose to wait."""
    return notice("Waiting for a request. Enter goes back to the menu, q ends the program.")


def calling(who: str, *, commands: bool = True) -> Text:
    """A call goes out."""
    return notice(f"Calling {who}.{' q cancels.' if commands else ''}")


def rings(who: str) -> Text:
    """The call has reached the other daemon."""
    return notice(f"Ringing at {who}.")


def away(who: str) -> Text:
    """Nobody is at the other daemon."""
    return notice(f"Nobody is at {who} now; whoever comes there will be asked.")


def elsewhere(who: str, address: str) -> Text:
    """A call has got an answer from where it didn't go."""
    return notice(f"{address} has answered, which wasn't called. If {who} is the same host, cancel, and call it there.")


def silent(who: str, seconds: int) -> Text:
    """Nothing is heard of a partner whose daemon can't be asked."""
    return notice(f"Nothing heard from {who} for {_time(seconds)}; its daemon doesn't tell whether it is still there.")


def no_answer(who: str, seconds: int, first: float) -> Text:
    """Asked, in a line that takes no answer, whenever `first` seconds more have passed (client 4.2, UNANSWERED)."""
    since = f" ({seconds} s)" if seconds > first else ""
    return notice(f"Still no answer from {who}: keep waiting, or q to quit{since}")


def no_answer_yet(who: str, seconds: int, _: float) -> Text:
    """The same where nobody can answer."""
    return notice(f"Still no answer from {who} after {seconds} s.")


def gave_up(who: str, seconds: float) -> Text:
    """Nobody answered a call that nobody can take back."""
    return error(f"{who} didn't answer within {seconds:g} s, so the call was cancelled (--wait sets how long).")


def missed(who: str, seconds: int) -> Text:
    """Somebody called while nobody was attached."""
    return notice(f"Missed call: {who} called {_time(seconds)} ago.")


def _time(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def kept(text: str) -> Text:
    """A line was typed ahead."""
    return notice(f"Saved until it is asked for: {short(text)}")


def requested(who: str) -> Text:
    """A request came in while it can't be asked about."""
    return notice(f"{who} wants to chat; you will be asked as soon as you are free.")


def withdrawn(who: str) -> Text:
    """A request is over before it was answered."""
    return notice(f"Missed call: {who} no longer wants to chat.")


def declined(who: str) -> Text:
    """The person said no to a request."""
    return notice(f"Declined {who}.")


def began(who: str, *, commands: bool = True) -> Text:
    """The chat is on."""
    return notice(f"You are in a chat with {who}.{' q leaves, ? helps.' if commands else ''}")


def left(who: str) -> Text:
    """The person left a chat."""
    return notice(f"You left {who}. Another q ends the program.")


def cancelled(who: str) -> Text:
    """The person took a call, or an acceptance, back."""
    return notice(f"Cancelled the call to {who}. Another q ends the program.")


def over_already() -> Text:
    """The person meant to leave what has just ended."""
    return notice("It is over already.")


def gone(who: str, *, lost: bool = False, told: bool = False) -> Text:
    """The partner of a chat left, or is lost; `told`: a warning said what has happened."""
    return notice(f"{who} {'is gone' if told else 'stopped answering' if lost else 'left'}; the chat is over.")


def failed(who: str, how: How) -> Text:
    """A call, or an acceptance, came to nothing."""
    match how:
        case How.DECLINED:
            return notice(f"{who} declined.")
        case How.BUSY:
            return notice(f"{who} is in another chat.")
        case How.NOBODY:
            return notice(f"{who} didn't answer.")
    return notice(f"{who} can't be reached.")


def no_chat(who: str, why: str) -> str:
    """The same as an error of a program; plain words, which may be anybody's."""
    return f"No chat with {who}: {why}."


def undelivered(text: str) -> Text:
    """A message that won't be sent again."""
    return error(f"not delivered: {short(text)}")


def unsent(text: str, why: str) -> Text:
    """A line that never left this program."""
    return error(f"not sent: {short(text)}: {why}")


def unused(text: str) -> Text:
    """An answer to a question that is over."""
    return error(f"not used: {short(text)}: what it answered is over")


def unknown(text: str) -> Text:
    """A message whose fate will stay unknown."""
    return error(f"may not have arrived: {short(text)}")


def closing(count: int, *, commands: bool = True) -> Text:
    """The end waits for acknowledgements."""
    now = "q or Ctrl-C" if commands else "Ctrl-C"
    return notice(f"Will quit once {_messages(count)} {'has' if count == 1 else 'have'} arrived. {now} quits now.")


def start_command(address: Address) -> str:
    """What starts the daemon of that address; plain words."""
    ip, port = address
    command = "simp daemon" if ip in ("127.0.0.1", "::1") else f"simp daemon {ip}"  # it listens there by default
    return command if port == CLIENT_PORT else f"{command} --client-port {port}"


def unreachable(address: Address, why: str) -> str:
    """No daemon answers there; plain words, for the standard error stream."""
    return f"No daemon at {format_address(address)} ({why}). Start one with: {start_command(address)}"


def lost(command: str = "simp daemon") -> Text:
    """The daemon closed the connection; that command starts it."""
    return error(f"The daemon is gone. Start it again with: {command}")


def unwritable(why: str) -> Text:
    """The output takes no more."""
    return error(f"can't write to the standard output: {why}")


# -- the state, at a glance


def bar(*parts: str) -> str:
    """The bar at the bottom of a terminal; empty parts are left out."""
    return f" {' · '.join(printable(part) for part in parts if part)} "


def sends_all(lines: int) -> str:
    """A long text was pasted, and Enter pressed."""
    return f"Enter again sends {lines} lines as one message"


def quiet(seconds: int) -> str:
    """For how long nothing has been heard of the partner, if for long."""
    return f"nothing heard for {_time(seconds)}" if seconds else ""


def delivery(said_so_far: int, outstanding: int) -> str:
    """What is known of the messages of this chat."""
    if outstanding:
        return f"{_messages(outstanding)} not yet delivered"
    return "✓ all delivered" if said_so_far else ""


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


# -- what the person's device can show

_ASCII: Final = {"…": "...", "·": "-", "✓ ": "", "│": "|"}
_INDENTATION: Final = 4
_FURTHEST: Final = 120
"""Characters from its beginning in which a line shows whose it is."""
_LIKE_OURS: Final = re.compile(r"\s*(?:[*!?]|[^:\n]{1,48}:\s|(?:Accept|Call|Your|1 start)\b|[^\n]*wants to chat)")


def width(text: str) -> int:
    """Columns that the text takes at a terminal."""
    return sum(max(wcwidth(character), 0) for character in text)


def first_character(text: str) -> int:
    """Code points of what a person takes for the first character."""
    return len(next(iter_graphemes(text), ""))


def last_character(text: str) -> int:
    """Code points of what a person takes for the last character."""
    return len(next(iter_graphemes_reverse(text), ""))


def indent(text: Text, columns: int) -> Text:
    """The text with blanks wherever a terminal of so many columns wraps it just before what looks like a line of ours.

    The terminal still wraps it: what is copied from there has no newlines of ours in it, and links stay whole.
    """
    whole, indentation = plain(text), " " * min(_INDENTATION, columns // 8)
    at, index, pairs, wide = 0, 0, [], False
    for style, words in text:
        shown = []
        for character in words:
            cells = max(wcwidth(character), 0)
            wide |= cells > 1
            fits = at + cells <= columns
            # Not all terminals agree on where a wide character wraps.
            begins = not fits or (wide and at < 3 < index)
            if character == "\n":
                at, wide = 0, False
            elif begins and _LIKE_OURS.match(whole, index, index + _FURTHEST):
                shown.append(indentation)
                at = len(indentation) + cells - (0 if fits else columns - at)
            else:
                at = at + cells if fits else cells
            shown.append(character)
            index += 1
        pairs.append((style, "".join(shown)))
    return tuple(pairs)


def fit(text: str, encoding: str) -> str:
    """The text in characters that the encoding has: ours replaced by similar ones, others by their code."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        for ours, like in _ASCII.items():
            text = text.replace(ours, like)
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text

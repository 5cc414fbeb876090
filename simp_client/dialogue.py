"""A person's conversation with the own daemon, as a state machine. Pure: no clock, no socket, no terminal.

In go the lines that the person types (`type_line`, `end_input`) and those that the daemon says (`receive_line`,
`lose`); out come `lines_to_send` to the daemon, `texts_to_show` to the person, and `question`: what is asked now.

The rules for the person:

- `q` leaves a chat or a call and comes back to the menu; anywhere else it ends the program. `?` helps. Both act at
  once. In a chat `\\q` says q, `\\?` says ?, and so on for more backslashes. An empty line says nothing in a chat, and
  goes back to the menu from where there is a way back.
- Any other line answers the question. A line typed while nothing is asked is held until something is. The two
  questions that come up in the middle of something (keep waiting? accept instead?) take only `y` and `n`, and only if
  typed after them: every other line goes where it would have gone, so that no message is lost to a question.
- Lines that were held for a call or chat that fails are told as not sent, and never answer the menu.
- The end, by `q` or the end of the input, waits until the fate of every message is known; a second one doesn't.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto, unique
from typing import Final

from simp_client import view
from simp_client.view import Text
from simp_proto.address import parse_address
from simp_proto.cli.exit_status import ExitStatus
from simp_proto.constants import DAEMON_PORT, MAX_LINE_SIZE, MAX_MESSAGE_SIZE, PENDING_REQUESTS
from simp_proto.errors import AddressError, LineError
from simp_proto.text import Line, Word, check_user, format_line

WINDOW: Final = 32
"""Messages in flight at most where the input is a pipe: a file of any size passes in little memory."""
_ESCAPED_COMMAND: Final = re.compile(r"\\+[q?]")


@unique
class State(Enum):
    """Where the person is."""

    NAME = "asked for the own name"
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


@dataclass(frozen=True, slots=True)
class Other:
    """Somebody else: a name, an address, or both."""

    name: str
    address: str

    @property
    def peer(self) -> str:
        """How the daemon is told who is meant: the address, since two people may bear one name (client 4)."""
        return self.address or self.name

    @property
    def title(self) -> str:
        """Name and address, as far as known."""
        return view.title(self.name, self.address)

    @property
    def short(self) -> str:
        """The name, where it is known."""
        return self.name or self.address

    def goes_by(self, peer: str) -> bool:
        """Whether the daemon means this one."""
        return peer in (self.address, self.name)


NOBODY: Final = Other("", "")


@dataclass(frozen=True, slots=True)
class Question:
    """Was asked just now."""

    words: str


@unique
class _Barrier(Enum):
    """What a PING stands behind, where it isn't the declining of a request."""

    ATTACH = auto()
    LEAVE = auto()


class Dialogue:
    """One run of the client.

    `user` and `call` are answers given beforehand. `piped`: the input is no terminal; at most `WINDOW` messages are in
    flight then, and with `call` the program ends when that call or chat does, since what follows in the pipe is
    meant for nobody else. Raises `LineError` or `AddressError` where those answers are wrong.
    """

    def __init__(self, user: str | None = None, call: str | None = None, *, piped: bool = False) -> None:
        self.state = State.NAME
        self.user = ""
        self.partner = NOBODY
        self.requests: list[Other] = []
        self.held: deque[str] = deque()
        self.outstanding: dict[int, str] = {}
        """The messages whose fate is unknown, shortened, by their number."""
        self.said = 0
        self.failed = False
        """A call failed, or something wasn't delivered."""
        self._call_at_once = parse_call(call) if call else None
        self._piped = piped
        self._once = piped and call is not None
        self._unanswered = ""  # seconds; empty: nothing to ask
        self._rang = False
        self._barriers: deque[Other | _Barrier] = deque()
        self._lines: list[Line] = []
        self._shown: list[Text | Question] = []
        self._asked = ""
        self._broken = False
        if user is not None:
            self._attach(check_user(user))
        self._settle()

    # -- what comes out

    def lines_to_send(self) -> list[Line]:
        """What to say to the daemon; each line once."""
        lines, self._lines = self._lines, []
        return lines

    def texts_to_show(self) -> list[Text | Question]:
        """What to show to the person, the questions among it; each once."""
        shown, self._shown = self._shown, []
        return shown

    @property
    def question(self) -> str:
        """What is asked now, or nothing."""
        match self.state:
            case State.NAME:
                return view.NAME_QUESTION
            case State.MENU | State.WAITING if self.requests:
                return view.accept_question(self.requests[0].title)
            case State.MENU:
                return view.MENU_QUESTION
            case State.ADDRESS:
                return view.ADDRESS_QUESTION
            case State.CALLING | State.CHAT if self._unanswered:
                return view.wait_question(self.partner.short, self._unanswered)
            case State.CALLING if self.requests:
                return view.accept_instead_question(self.requests[0].title, self.partner.short)
        return ""

    @property
    def label(self) -> str:
        """What stands before the line that is being typed, at a terminal."""
        if self.question:
            return f"{self.question} "
        return f"{self.user}: " if self.state is State.CHAT else ""

    @property
    def bar(self) -> str:
        """Where the person is, at the bottom of a terminal."""
        who = self.partner.title
        said = self.said if self.state is State.CHAT else 0
        delivery = view.delivery(said, len(self.outstanding))  # first, where a narrow terminal cuts nothing off
        match self.state:
            case State.CHAT:
                return view.bar(delivery, f"chat with {who}", "q leaves", "? helps")
            case State.CALLING:
                return view.bar(delivery, f"{'ringing at' if self._rang else 'calling'} {who}", "q cancels", "? helps")
            case State.WAITING:
                return view.bar(delivery, "waiting for a request", "Enter goes to the menu", "q quits", "? helps")
        return view.bar(delivery, self.user, "q quits", "? helps")

    @property
    def reads(self) -> bool:
        """Whether a pipe may be read on: nothing is held, and the end hasn't come."""
        return not self.held and self.state not in (State.QUITTING, State.ENDED)

    @property
    def status(self) -> ExitStatus:
        """A failure if the daemon was lost, or where a pipe's call or message failed."""
        return ExitStatus.FAILURE if self._broken or (self._piped and self.failed) else ExitStatus.SUCCESS

    # -- what the person does

    def type_line(self, text: str) -> None:
        """The person, or a pipe, gave a line, without its newline."""
        word = text.strip()
        if self.state in (State.QUITTING, State.ENDED):
            return
        if word == "q":
            self._quit()
        elif word == "?":
            self._show(*(view.notice(line) for line in view.HELP))
            self._asked = ""
        elif not self._interrupted(word):
            self.held.append(text)
            self._settle()
            if self.held and not self._piped:
                self._show(view.kept(text))
        self._settle()

    def end_input(self) -> None:
        """The person, or a pipe, has no more to say."""
        to_call = self._call_at_once is not None and self.state in (State.NAME, State.ATTACHING)
        self.failed |= to_call or self.state is State.CALLING
        if self._piped and (to_call or self.state is State.CALLING):
            self._show(view.error("The input ended before the call was answered: it is cancelled."))
        if not (self._piped and self.state is State.CLOSING):  # where it comes by itself
            self._close()
        self._settle()

    def interrupt(self) -> None:
        """The person wants to be out now."""
        self._leave()

    # -- what the daemon does

    def receive_line(self, line: Line) -> None:
        """The daemon said that. Whatever it is: nothing that a daemon says is an error here (client 2.4)."""
        if self.state is State.ENDED:
            return
        handler = self._HANDLERS.get(line.word)
        if handler:
            handler(self, line)
            self._settle()

    def lose(self) -> None:
        """The daemon closed the connection."""
        if self.state is State.ENDED:
            return
        if self.state is not State.QUITTING:
            self._broken = True
            self._forget(view.unknown)
            self._show(view.lost())
        self.state = State.ENDED

    # -- how it asks

    def _settle(self) -> None:
        """Asks what is to be asked now, and answers it with what was typed ahead."""
        while True:
            if self.question != self._asked:
                self._asked = self.question
                if self._asked:
                    self._shown.append(Question(self._asked))
            if not (self.held and self._wants()):
                return
            self._asked = ""
            self._ANSWERS[self.state](self, self.held.popleft())

    def _wants(self) -> bool:
        """Whether a held line has a taker."""
        if self.state is State.WAITING:
            return bool(self.requests) or not self.held[0].strip()
        if self.state is State.CHAT:
            return not self._piped or len(self.outstanding) < WINDOW
        return self.state in self._ANSWERS

    def _interrupted(self, word: str) -> bool:
        """Answers the question that came up in the middle of something; says whether the line was its answer."""
        if self.state not in (State.CALLING, State.CHAT) or not self.question:
            return False
        yes = _yes(word)
        if self._unanswered:
            self._unanswered = ""
            if yes is False:
                self.failed |= self.state is State.CALLING
                self._quit()
        elif yes is not None:
            self._decide(yes)
        return yes is not None

    def _show(self, *texts: Text) -> None:
        self._shown += texts

    def _say(self, word: Word, payload: str = "") -> None:
        self._lines.append(Line(word, payload))

    def _say_and_ping(self, word: Word, payload: str, barrier: Other | _Barrier) -> None:
        """With a PING behind: its PONG tells that all that the daemon says to that line has been said."""
        self._say(word, payload)
        self._say(Word.PING)
        self._barriers.append(barrier)

    # -- answers

    def _answer_name(self, text: str) -> None:
        try:
            self._attach(check_user(text.strip()))
        except LineError as error:
            self._show(view.error(f"{error}. Try another one."))

    def _answer_request(self, text: str) -> None:
        yes = _yes(text.strip())
        if yes is None:
            self._show(view.wrong(text.strip(), "y to accept, n to decline, or q to quit"))
        else:
            self._decide(yes)

    def _answer_menu(self, text: str) -> None:
        word = text.strip()
        if self.requests:
            self._answer_request(word)
        elif word == "1":
            self.state = State.ADDRESS
        elif word == "2":
            self.state = State.WAITING
            self._show(view.waiting())
        elif word:
            self._show(view.wrong(word, "1, 2 or q"))

    def _answer_waiting(self, text: str) -> None:
        if self.requests:
            self._answer_request(text)
        else:  # an empty line; others are held
            self.state = State.MENU

    def _answer_address(self, text: str) -> None:
        if not text.strip():
            self.state = State.MENU
            return
        try:
            self._call(parse_call(text))
        except AddressError as error:
            self._show(view.error(str(error)))

    def _answer_chat(self, text: str) -> None:
        if not text.strip():
            return
        if _ESCAPED_COMMAND.fullmatch(text.strip()):
            text = text.replace("\\", "", 1)
        line = Line(Word.CHAT, text)
        why = _unsendable(line)
        if why:
            self.failed = True
            self._show(view.unsent(text, why))
            return
        self.said += 1
        self.outstanding[self.said] = text[: view.SHORT + 1]
        self._lines.append(line)

    # -- what they lead to

    def _attach(self, user: str) -> None:
        self.user = user
        self.state = State.ATTACHING
        self._say_and_ping(Word.CONNECT, user, _Barrier.ATTACH)

    def _call(self, address: str) -> None:
        self.partner = Other("", address)
        self.state = State.CALLING
        self._rang = False
        self._say(Word.CONNECTING, address)
        self._show(view.calling(address))

    def _decide(self, yes: bool) -> None:
        request = self.requests.pop(0)
        if yes:
            self.partner = request
            self._unanswered = ""
            self.state = State.ACCEPTING
            self._say(Word.CONNECTED, request.peer)
        else:
            self._say_and_ping(Word.QUIT, request.peer, request)
            self._show(view.declined(request.title))

    def _quit(self) -> None:
        if self.state in (State.CALLING, State.ACCEPTING, State.CHAT):
            self._say_and_ping(Word.QUIT, self.partner.peer, _Barrier.LEAVE)
            self._show(view.left(self.partner.short))
            self._drop_held()
            self.partner = NOBODY
            self.state = State.LEAVING
        else:
            self._close()

    def _rest(self) -> None:
        """Nothing is on any more."""
        self.partner = NOBODY
        self._unanswered = ""
        self.state = State.MENU
        if self._once:
            self._close()

    def _drop_held(self) -> None:
        """Tells what was typed for a chat that won't be."""
        for text in self.held:
            self.failed = True
            self._show(view.unsent(text, "the chat is over"))
        self.held.clear()

    def _close(self) -> None:
        """Ends, once the fate of every message is known; at once if asked again."""
        if self.outstanding and self.state is not State.CLOSING:
            self.state = State.CLOSING
            self._show(view.closing(len(self.outstanding)))
        else:
            self._leave()

    def _leave(self) -> None:
        if self.state in (State.QUITTING, State.ENDED):
            return
        self._forget(view.unknown)
        self._drop_held()
        self.state = State.QUITTING
        self._say(Word.QUIT)

    def _forget(self, tell: Callable[[str], Text]) -> None:
        """Tells of every message that is still outstanding, and waits for none of them any more."""
        self.failed |= bool(self.outstanding)
        self._show(*map(tell, self.outstanding.values()))
        self.outstanding.clear()

    # -- lines of the daemon

    def _receive_pong(self, _line: Line) -> None:
        barrier = self._barriers.popleft() if self._barriers else None
        if barrier is _Barrier.LEAVE and self.state is State.LEAVING:
            self._rest()
        elif barrier is _Barrier.ATTACH and self.state is State.ATTACHING:
            self.state = State.MENU
            if self._call_at_once:
                self._call(self._call_at_once)

    def _receive_connecting(self, line: Line) -> None:
        request = Other(*line.fields(2))
        if not request.peer:
            return
        self.requests = [*self._requests_but(request), request][-PENDING_REQUESTS:]
        asked = self.state in (State.MENU, State.WAITING, State.CALLING) and len(self.requests) == 1
        if not asked and self.state not in (State.NAME, State.ATTACHING, State.CLOSING, State.QUITTING):
            self._show(view.requested(request.title))

    def _receive_ringing(self, line: Line) -> None:
        _, address = line.fields(2)
        if self.state is State.CALLING and not self._rang:
            self._rang = True
            self.partner = Other("", address or self.partner.address)
            self._show(view.rings(self.partner.title))

    def _receive_connected(self, line: Line) -> None:
        partner = Other(*line.fields(2))
        elsewhere = (State.NAME, State.ATTACHING, State.LEAVING, State.CLOSING, State.QUITTING)
        again = self.state is State.CHAT and partner == self.partner
        if not partner.peer or self.state in elsewhere or again:
            return
        self._forget(view.unknown)
        self.requests = self._requests_but(partner)
        self.partner = partner
        self._unanswered = ""
        self.said = 0
        self.state = State.CHAT
        self._show(view.began(partner.title))
        if not self._piped:  # a line typed here stands beside its label already
            self._show(*(view.said(self.user, text) for text in self.held))

    def _receive_chat(self, line: Line) -> None:
        self._show(view.said(*line.fields(2)))

    def _receive_ack(self, line: Line) -> None:
        if self._settled(line) is not None:
            self._unanswered = ""
            self._close_when_settled()

    def _receive_undelivered(self, line: Line) -> None:
        text = self._settled(line)
        if text is not None:
            self.failed = True
            self._show(view.undelivered(text))
            self._close_when_settled()

    def _settled(self, line: Line) -> str | None:
        """The message of that number, whose fate is known with this line."""
        number = line.payload
        return self.outstanding.pop(int(number), None) if re.fullmatch("[0-9]{1,9}", number) else None

    def _close_when_settled(self) -> None:
        if self.state is State.CLOSING and not self.outstanding:
            self._leave()

    def _receive_unanswered(self, line: Line) -> None:
        _, seconds = line.fields(2)
        if self.state in (State.CALLING, State.CHAT):
            self._unanswered = seconds or "30"
            self._asked = ""

    def _receive_quit(self, line: Line) -> None:
        peer = line.payload
        if not peer:
            self.lose()
        elif any(isinstance(declined, Other) and declined.goes_by(peer) for declined in self._barriers):
            return
        elif self.state in (State.CALLING, State.ACCEPTING, State.CHAT, State.CLOSING) and self.partner.goes_by(peer):
            self._lose_partner()
        elif withdrawn := self._remove_request(peer):
            self._show(view.withdrawn(withdrawn.title))
        elif self.state is State.CALLING:  # by the callee's name, which nothing has told before
            self._lose_partner()

    def _lose_partner(self) -> None:
        calling, closing = self.state is State.CALLING, self.state is State.CLOSING
        self.failed |= calling
        self._forget(view.undelivered)
        self._show((view.refused if calling else view.gone)(self.partner.title))
        self._drop_held()
        if closing:
            self._leave()
        else:
            self._rest()

    def _receive_error(self, line: Line) -> None:
        self._show(view.error(line.payload))
        if self.state is State.ATTACHING:
            self._broken = True
            self._leave()
        elif self.state is State.ACCEPTING:
            self._drop_held()
            self._rest()

    def _requests_but(self, person: Other) -> list[Other]:
        return [request for request in self.requests if request.peer != person.peer]

    def _remove_request(self, peer: str) -> Other | None:
        """Takes the request of that peer out: the one of that address, or else of that name."""
        for request in sorted(self.requests, key=lambda request: request.address != peer):
            if request.goes_by(peer):
                self.requests.remove(request)
                return request
        return None

    # -- the tables

    _ANSWERS: Final[dict[State, Callable[["Dialogue", str], None]]] = {
        State.NAME: _answer_name,
        State.MENU: _answer_menu,
        State.ADDRESS: _answer_address,
        State.WAITING: _answer_waiting,
        State.CHAT: _answer_chat,
    }
    """Who takes a held line."""

    _HANDLERS: Final[dict[Word, Callable[["Dialogue", Line], None]]] = {
        Word.PONG: _receive_pong,
        Word.CONNECTING: _receive_connecting,
        Word.RINGING: _receive_ringing,
        Word.CONNECTED: _receive_connected,
        Word.CHAT: _receive_chat,
        Word.ACK: _receive_ack,
        Word.UNANSWERED: _receive_unanswered,
        Word.UNDELIVERED: _receive_undelivered,
        Word.QUIT: _receive_quit,
        Word.ERROR: _receive_error,
    }
    """Who takes a line of the daemon."""


def parse_call(text: str) -> str:
    """The address to call as it was written, if it is one; raises `AddressError`.

    The daemon fills in the port (client 4).
    """
    parse_address(text, DAEMON_PORT)
    return text.strip()


def _yes(word: str) -> bool | None:
    return {"y": True, "yes": True, "n": False, "no": False}.get(word.lower())


def _unsendable(line: Line) -> str:
    """Why the daemon couldn't take that message, or nothing (client 2.3, 3.2)."""
    if len(line.payload.encode("utf-8", "surrogatepass")) > MAX_MESSAGE_SIZE:
        return f"it is longer than {MAX_MESSAGE_SIZE} bytes of UTF-8; send it in parts"
    if len(format_line(line)) > MAX_LINE_SIZE:
        return f"with its backslashes escaped it is longer than {MAX_LINE_SIZE} bytes; send it in parts"
    try:
        line.payload.encode("utf-8")
    except UnicodeEncodeError as error:  # what isn't UTF-8 was read as lone surrogates
        byte = ord(line.payload[error.start]) & 0xFF
        return f"read the byte 0x{byte:02x} at character {error.start + 1}, expected UTF-8"
    return ""

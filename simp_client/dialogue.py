"""A person's conversation with their daemon, as a state machine. Pure: no clock, no socket, no terminal.

In go the lines that the person types (`type_line`, `end_input`) and those that the daemon says (`receive_line`,
`lose`); out come `lines_to_send` to the daemon, `texts_to_show` to the person, and `ask`: what is asked now.

The rules for the person:

- A line counts for what was asked when its typing began (`Ask`), and for nothing else: where that is over, the line is
  told as not sent or not used. So neither does a draft become an answer, nor an answer somebody else's.
- `q` leaves a chat or a call and comes back to the menu; anywhere else it ends the program. `?` helps. Both act
  immediately. In a chat `\\q` sends q, `\\?` sends ?, and so on for more backslashes. An empty line does nothing in a
  chat; elsewhere it goes back to the menu, if there is a way back.
- Several lines at once, as pasted, are one message and nothing else.
- What is typed while a call is out is held for the chat. A request that comes in meanwhile takes only `y` and `n`.
- Lines that were held for a call or chat that fails are reported as not sent, and never answer the menu.
- The end, by `q` or the end of the input, waits until the fate of every message is known; a second one doesn't.

Redirected input has no person who reacts: once a call is wished for, each of its lines is a message, `q`, `?` and
empty ones too, unless `commands` says that a program drives the client as a person would.
"""

import re
from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

from simp_client import events, prompt, view
from simp_client.attachment import Attachment
from simp_client.events import Event, Fate, How, Other
from simp_client.prompt import TALKING, Ask, Kind, State
from simp_client.view import Text
from simp_proto.address import parse_address
from simp_proto.cli.exit_status import ExitStatus
from simp_proto.constants import BUSY, DAEMON_PORT, UNANSWERED_INTERVAL
from simp_proto.errors import AddressError, LineError
from simp_proto.text import Line

WINDOW: Final = 32
"""The most messages in flight if the input is a pipe, so that a file of any size passes in little memory."""
_ESCAPED_COMMAND: Final = re.compile(r"\\+[q?]")
_ASKING: Final = {
    State.NAME: Kind.NAME,
    State.MENU: Kind.MENU,
    State.ADDRESS: Kind.ADDRESS,
    State.WAITING: Kind.WAIT,
}
"""What each state asks by itself, though a request may be asked about before that."""


@dataclass(frozen=True, slots=True)
class Question:
    """Was asked just now."""

    words: str
    kind: Kind


class _Held(NamedTuple):
    """A line that waits."""

    text: str
    verbatim: bool
    """It is a message, whatever it looks like."""


class Dialogue:
    """One run of the client.

    `user` and `call` are answers given beforehand. `piped`: the input is no terminal; at most `WINDOW` messages are in
    flight then, and with `call` the program ends when that call or chat does, since what follows in the pipe is
    meant for nobody else. `commands`: who writes into the pipe drives the client as a person would. `daemon` is the
    command that starts the daemon. Raises `LineError` or `AddressError` where the answers are wrong.
    """

    def __init__(
        self,
        user: str | None = None,
        call: str | None = None,
        *,
        piped: bool = False,
        commands: bool = False,
        daemon: str = "simp daemon",
    ) -> None:
        self.attachment = Attachment()
        self.state = State.NAME
        self.user = ""
        self.held: deque[_Held] = deque()
        self.failed = False
        """A call failed, something wasn't delivered, or a line couldn't be used."""
        self._call_at_once = call
        self.piped = piped
        self._texts_only = piped and not commands
        self._once = piped and call is not None
        self._daemon = daemon
        self._talks = 0  # calls and chats so far
        self._input_ended = False
        self._warned = False  # the last event was a warning
        self._shown: list[Text | Question] = []
        self._asked: Ask | None = None
        self._broken = False
        if call:
            parse_address(call, DAEMON_PORT)
        if user is not None:
            self._attach(user)
        self._settle()

    # -- what comes out

    def lines_to_send(self) -> list[Line]:
        """What to say to the daemon; each line once."""
        return self.attachment.lines_to_send()

    def texts_to_show(self) -> list[Text | Question]:
        """What to show to the person, the questions among it; each once."""
        shown, self._shown = self._shown, []
        return shown

    @property
    def ask(self) -> Ask:
        """What is asked now."""
        return prompt.ask(self.state, self.attachment, self.user, self._talk, texts_only=self._texts_only)

    def bar(self, columns: int) -> str:
        """Where the person is, at the bottom of a terminal; narrower than so many columns."""
        return prompt.bar(self.state, self.attachment, self.user, columns)

    @property
    def reads(self) -> bool:
        """Whether a pipe may be read on: nothing is held, and the end hasn't come."""
        return not self.held and self.state not in (State.QUITTING, State.ENDED)

    @property
    def alone(self) -> bool:
        """Whether a call is out and nobody is there to take it back."""
        return self.piped and self.state is State.CALLING

    @property
    def status(self) -> ExitStatus:
        """A failure if the daemon was lost, or where a pipe's call or message failed."""
        return ExitStatus.FAILURE if self._broken or (self.piped and self.failed) else ExitStatus.SUCCESS

    # -- what the person does

    def type_line(self, text: str, ask: Ask | None = None) -> None:
        """The person, or a pipe, gave a line without its newline, or several lines that are one message.

        `ask` is what was asked when its typing began.
        """
        ask = ask or self.ask
        word = text.strip()
        if self.state in (State.QUITTING, State.ENDED):
            return
        if self._texts_only and (self.state in TALKING or (self._once and self.state is not State.NAME)):
            self._hold(text, verbatim=True)
        elif "\n" in text:
            self._take_text(text, ask)
        elif word == "q":
            self._quit(ask)
        elif word == "?":
            self._show(*(view.notice(line) for line in view.HELP))
            self._asked = None
        else:
            self._take(text, ask)
        self._settle()

    def end_input(self) -> None:
        """The person, or a pipe, has no more to say."""
        to_call = self._call_at_once is not None and self.state in (State.NAME, State.ATTACHING)
        self.failed |= to_call or self.state is State.CALLING
        self._input_ended = True
        if self.piped and (to_call or self.state is State.CALLING):
            self._show(view.error("The input ended before the call was answered, so the call was cancelled."))
        elif self.piped and self.state in (State.ATTACHING, State.CLOSING):  # where what follows comes by itself
            return
        self._close()
        self._settle()

    def give_up(self, seconds: float) -> None:
        """Nobody has answered the call of a pipe for so long."""
        if self.alone:
            self.failed = True
            self._show(view.gave_up(view.title(self.attachment.partner, self.user), seconds))
            self._leave_talk("nobody answered the call")
            self._settle()

    def interrupt(self) -> None:
        """The person wants to be out now."""
        self._leave()

    # -- what the daemon does

    def receive_line(self, line: Line) -> None:
        """The daemon said that. Whatever it is: nothing that a daemon says is an error here (client 2.4)."""
        self.attachment.receive_line(line)
        self._follow()
        if self.state is State.CLOSING and not self.attachment.outstanding:
            self._leave()
        self._settle()

    def lose(self) -> None:
        """The daemon closed the connection."""
        self.attachment.lose()
        self._follow()

    # -- how it asks

    def _settle(self) -> None:
        """Asks what is to be asked now, and answers it with what was typed ahead."""
        while True:
            ask = self.ask
            if ask != self._asked:
                self._asked = ask
                if ask.words:
                    self._shown.append(Question(ask.words, ask.kind))
            if not (self.held and self._wants()):
                return
            self._asked = None
            self._use(self.held.popleft())

    def _wants(self) -> bool:
        """Whether anything takes a held line now."""
        if self.state is State.CHAT:
            return not self.piped or len(self.attachment.outstanding) < WINDOW
        return self.state in _ASKING

    def _use(self, held: _Held) -> None:
        """Something takes it."""
        text, verbatim = held
        if self.state is State.CHAT:
            self._say(text, verbatim=verbatim)
        elif verbatim:
            self._unsent(text, "no chat is on")
        else:
            self._answer(text)

    def _hold(self, text: str, *, verbatim: bool = False) -> None:
        """It is used as soon as something takes it."""
        self.held.append(_Held(text, verbatim))
        self._settle()
        if self.held and not self.piped:
            self._show(view.kept(text))

    def _take(self, text: str, ask: Ask) -> None:
        """A single line, for what was asked when its typing began."""
        word = text.strip()
        yes = _yes(word)
        if ask.kind is Kind.ACCEPT and (yes is not None or not ask.talk):
            asks = ask.other in self.attachment.requests and self.state in (State.MENU, State.WAITING, State.CALLING)
            if not asks:
                self._unused(word)
            elif yes is None:
                self._wrong(word, "y to accept, n to decline, or q to quit")
            else:
                self._decide(ask.other, yes=yes)
        elif ask.kind is Kind.AHEAD or (ask.talk and ask.talk == self._talk):
            self._hold(text)
        elif ask.talk and word:
            self._unsent(text, "the chat is over")
        elif ask.kind is _ASKING.get(self.state):
            self._asked = None
            self._answer(text)
        else:
            self._unused(word)

    def _take_text(self, text: str, ask: Ask) -> None:
        """Several lines."""
        if ask.kind is Kind.AHEAD or (ask.talk and ask.talk == self._talk):
            self._hold(text, verbatim=True)
        else:
            self._unsent(text, "the chat is over" if ask.talk else "no chat is on")

    def _show(self, *texts: Text) -> None:
        self._shown += texts

    def _wrong(self, word: str, expected: str) -> None:
        self.failed |= self._texts_only  # else whoever typed it can type another
        self._asked = None
        self._show(view.wrong(word, expected))

    def _unused(self, word: str) -> None:
        if word:
            self._asked = None
            self._show(view.unused(word))

    def _unsent(self, text: str, why: str) -> None:
        self.failed = True
        self._show(view.unsent(text, why))

    def _who(self, other: Other) -> str:
        return view.title(other, self.user)

    # -- answers

    def _answer(self, text: str) -> None:
        word = text.strip()
        match self.state:
            case State.NAME:
                try:
                    self._attach(word)
                except LineError as error:
                    self.failed |= self._texts_only
                    self._show(view.error(f"{error}. Try another one."))
            case State.MENU if word == "1":
                self.state = State.ADDRESS
            case State.MENU if word == "2":
                self.state = State.WAITING
                self._show(view.waiting())
            case State.MENU if word:
                self._wrong(word, "1, 2 or q")
            case State.WAITING if word:
                self._wrong(word, "Enter alone, or q; you are waiting for a request")
            case State.WAITING:
                self.state = State.MENU
            case State.ADDRESS if not word:
                self.state = State.MENU
            case State.ADDRESS:
                try:
                    self._call(text)
                except AddressError as error:
                    self.failed |= self._texts_only
                    self._show(view.error(str(error)))

    def _say(self, text: str, *, verbatim: bool) -> None:
        if not verbatim:
            if not text.strip():
                return
            text = text.replace("\\", "", 1) if _ESCAPED_COMMAND.fullmatch(text.strip()) else text
        elif not self._texts_only:  # a paste
            text = text.strip("\n")
        try:
            self.attachment.say(text)
        except LineError as error:
            self._unsent(text, str(error))

    # -- what they lead to

    @property
    def _talk(self) -> int:
        """The number of the call or chat that is on, from 1; or 0."""
        return self._talks if self.state in TALKING else 0

    def _attach(self, user: str) -> None:
        self.attachment.attach(user)
        self.user = user
        self.state = State.ATTACHING

    def _call(self, address: str) -> None:
        self.attachment.call(address)
        self._talks += 1
        self.state = State.CALLING
        self._show(view.calling(self.attachment.partner.address, commands=not self._texts_only))

    def _decide(self, request: Other, *, yes: bool) -> None:
        if yes:
            self._drop_held("the call is over")
            self.attachment.accept(request)
            self._talks += 1
            self.state = State.ACCEPTING
        else:
            self.attachment.decline(request)
            self._show(view.declined(self._who(request)))

    def _quit(self, ask: Ask) -> None:
        if ask.talk and ask.talk != self._talk:
            self._show(view.over_already())
            self._asked = None
        elif self.state in TALKING and not ask.talk and ask.kind is not Kind.AHEAD:
            self._unused("q")
        elif self.state in TALKING:
            who = view.short_title(self.attachment.partner, self.user)
            self._show((view.left if self.state is State.CHAT else view.cancelled)(who))
            self._leave_talk("the chat is over" if self.state is State.CHAT else "the call is over")
        else:
            self._close()

    def _leave_talk(self, why: str) -> None:
        self.attachment.leave()
        self._drop_held(why)
        self.state = State.LEAVING

    def _rest(self) -> None:
        """No call or chat is on any more."""
        self.state = State.MENU
        if self._once:
            self._close()

    def _drop_held(self, why: str) -> None:
        """Reports what was typed for a chat that won't happen."""
        for text, _ in self.held:
            self._unsent(text, why)
        self.held.clear()

    def _close(self) -> None:
        """Ends once the fate of every message is known; immediately if asked again."""
        count = len(self.attachment.outstanding)
        if count and self.state is not State.CLOSING:
            self.state = State.CLOSING
            self._show(view.closing(count, commands=not self._texts_only))
        else:
            self._leave()

    def _leave(self) -> None:
        if self.state in (State.QUITTING, State.ENDED):
            return
        self.attachment.detach()
        self._follow()
        self._drop_held("the chat is over")
        self.state = State.QUITTING

    # -- what has happened

    def _follow(self) -> None:
        """Tells the person, and goes where it leads."""
        while event := self.attachment.next_event():
            self._happened(event)
            if not isinstance(event, events.Settled):
                self._warned = isinstance(event, events.Warned)

    def _happened(self, event: Event) -> None:  # noqa: PLR0912, PLR0915  a case for each event
        match event:
            case events.Attached():
                self.state = State.MENU
                if self._call_at_once:
                    self._call(self._call_at_once)
                elif self._input_ended:
                    self._close()
            case events.Missed(other, seconds):
                self._show(view.missed(self._who(other), seconds))
            case events.Requested(other):
                asks = self.ask.kind is Kind.ACCEPT and len(self.attachment.requests) == 1
                if not asks and self.state not in (State.NAME, State.ATTACHING, State.CLOSING, State.QUITTING):
                    self._show(view.requested(self._who(other)))
            case events.Withdrawn(other):
                self._show(view.withdrawn(self._who(other)))
            case events.Ringing(other) if self.state is State.CALLING:
                self._show(view.rings(self._who(other)))
            case events.Away(other) if self.state is State.CALLING:
                self._show(view.away(self._who(other)))
            case events.Elsewhere(other, address) if self.state is State.CALLING:
                self._show(view.elsewhere(self._who(other), address))
            case events.Began(other) if self.state is not State.CLOSING:
                self._begin(other)
            case events.Said(name, text):
                self._show(view.said(name, text, self.user))
            case events.Settled(fate=Fate.ACKNOWLEDGED):
                pass
            case events.Settled(_, text, fate):
                self.failed = True
                self._show((view.undelivered if fate is Fate.UNDELIVERED else view.unknown)(text))
            case events.Unanswered(other, seconds) if self.state in (State.CALLING, State.CHAT):
                words = view.no_answer_yet if self._texts_only else view.no_answer
                self._show(words(view.short_title(other, self.user), seconds, UNANSWERED_INTERVAL))
            case events.Silent(other, seconds) if self.state is State.CHAT:
                self._show(view.silent(view.short_title(other, self.user), seconds))
            case events.Failed(other, _, how):
                self.failed |= self.state is State.CALLING
                self._over("nobody took the call", *([] if how is How.TOLD else [view.failed(self._who(other), how)]))
            case events.Ended(other, lost):
                self._over("the chat is over", view.gone(self._who(other), lost=lost, told=self._warned))
            case events.Left() if self.state is State.LEAVING:
                self._rest()
            case events.Warned(text):
                if not (text == BUSY and self.state in (State.CALLING, State.ACCEPTING)):  # `Failed` tells it
                    self._show(view.error(text))
                if self.state is State.ATTACHING:
                    self._broken = True
                    self._leave()
            case events.Lost():
                self._broken = True
                self._drop_held("the daemon is gone")
                self._show(view.lost(self._daemon))
                self.state = State.ENDED
            case events.Detached():
                self.state = State.ENDED

    def _begin(self, other: Other) -> None:
        """The chat is on."""
        if self.state not in (State.CALLING, State.ACCEPTING):
            self._talks += 1
        self.state = State.CHAT
        self._show(view.began(self._who(other), commands=not self._texts_only))
        self._show(*(view.requested(self._who(request)) for request in self.attachment.requests))
        if not self.piped:
            self._show(*(view.said(self.user, held.text.strip("\n")) for held in self.held))

    def _over(self, why: str, *texts: Text) -> None:
        """The chat or call is over, by itself."""
        self._show(*texts)
        self._drop_held(why)
        if self.state is not State.CLOSING:
            self._rest()


def _yes(word: str) -> bool | None:
    return {"y": True, "yes": True, "n": False, "no": False}.get(word.lower())

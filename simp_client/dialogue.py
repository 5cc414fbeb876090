"""A person's conversation with their daemon, as a state machine. Pure: no clock, no socket, no terminal.

In go the lines that the person types (`type_line`, `end_input`) and those that the daemon says (`receive_line`,
`lose`); out come `lines_to_send` to the daemon, `texts_to_show` to the person, and `question`: what is asked now.

The rules for the person:

- `q` leaves a chat or a call and comes back to the menu; anywhere else it ends the program. `?` helps. Both act
  immediately. In a chat `\\q` sends q, `\\?` sends ?, and so on for more backslashes. An empty line does nothing in a
  chat; elsewhere it goes back to the menu, if there is a way back.
- Any other line answers the question. A line typed while nothing is asked is held until something is. The two
  questions that come up in the middle of something (keep waiting? accept instead?) take only `y` and `n`, and only if
  typed after them: every other line goes where it would have gone, so that no message is lost to a question.
- Lines that were held for a call or chat that fails are reported as not sent, and never answer the menu.
- The end, by `q` or the end of the input, waits until the fate of every message is known; a second one doesn't.
"""

import re
from collections import deque
from dataclasses import dataclass
from typing import Final

from simp_client import events, prompt, view
from simp_client.attachment import Attachment
from simp_client.events import Event, Fate
from simp_client.prompt import State
from simp_client.view import Text
from simp_proto.address import parse_address
from simp_proto.cli.exit_status import ExitStatus
from simp_proto.constants import DAEMON_PORT
from simp_proto.errors import AddressError, LineError
from simp_proto.text import Line

WINDOW: Final = 32
"""The most messages in flight if the input is a pipe, so that a file of any size passes in little memory."""
_ESCAPED_COMMAND: Final = re.compile(r"\\+[q?]")


@dataclass(frozen=True, slots=True)
class Question:
    """Was asked just now."""

    words: str


class Dialogue:
    """One run of the client.

    `user` and `call` are answers given beforehand. `piped`: the input is no terminal; at most `WINDOW` messages are in
    flight then, and with `call` the program ends when that call or chat does, since what follows in the pipe is
    meant for nobody else. Raises `LineError` or `AddressError` where those answers are wrong.
    """

    def __init__(self, user: str | None = None, call: str | None = None, *, piped: bool = False) -> None:
        self.attachment = Attachment()
        self.state = State.NAME
        self.user = ""
        self.held: deque[str] = deque()
        self.failed = False
        """A call failed, or something wasn't delivered."""
        self._call_at_once = call
        self._piped = piped
        self._once = piped and call is not None
        self._unanswered = 0  # seconds; 0: nothing to ask
        self._shown: list[Text | Question] = []
        self._asked = ""
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
    def question(self) -> str:
        """What is asked now, or nothing."""
        return prompt.question(self.state, self.attachment, self._unanswered)

    @property
    def label(self) -> str:
        """What is shown before the line that is being typed, at a terminal."""
        if self.question:
            return f"{self.question} "
        return f"{self.user}: " if self.state is State.CHAT else ""

    @property
    def bar(self) -> str:
        """Where the person is, at the bottom of a terminal."""
        return prompt.bar(self.state, self.attachment, self.user)

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
            self._show(view.error("The input ended before the call was answered, so the call was cancelled."))
        if not (self._piped and self.state is State.CLOSING):  # where it comes by itself
            self._close()
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
            if self.question != self._asked:
                self._asked = self.question
                if self._asked:
                    self._shown.append(Question(self._asked))
            if not (self.held and self._wants()):
                return
            self._asked = ""
            self._answer(self.held.popleft())

    def _wants(self) -> bool:
        """Whether anything takes a held line now."""
        if self.state is State.WAITING:
            return bool(self.attachment.requests) or not self.held[0].strip()
        if self.state is State.CHAT:
            return not self._piped or len(self.attachment.outstanding) < WINDOW
        return self.state in (State.NAME, State.MENU, State.ADDRESS)

    def _interrupted(self, word: str) -> bool:
        """Answers the question that came up in the middle of something; says whether the line was its answer."""
        if self.state not in (State.CALLING, State.CHAT) or not self.question:
            return False
        yes = _yes(word)
        if self._unanswered:
            self._unanswered = 0
            if yes is False:
                self.failed |= self.state is State.CALLING
                self._quit()
        elif yes is not None:
            self._decide(yes)
        return yes is not None

    def _show(self, *texts: Text) -> None:
        self._shown += texts

    # -- answers

    def _answer(self, text: str) -> None:  # noqa: PLR0912  a case for each question
        word = text.strip()
        match self.state:
            case State.NAME:
                try:
                    self._attach(word)
                except LineError as error:
                    self._show(view.error(f"{error}. Try another one."))
            case State.MENU | State.WAITING if self.attachment.requests:
                yes = _yes(word)
                if yes is None:
                    self._show(view.wrong(word, "y to accept, n to decline, or q to quit"))
                else:
                    self._decide(yes)
            case State.MENU if word == "1":
                self.state = State.ADDRESS
            case State.MENU if word == "2":
                self.state = State.WAITING
                self._show(view.waiting())
            case State.MENU if word:
                self._show(view.wrong(word, "1, 2 or q"))
            case State.WAITING:  # an empty line; others are held
                self.state = State.MENU
            case State.ADDRESS if not word:
                self.state = State.MENU
            case State.ADDRESS:
                try:
                    self._call(text)
                except AddressError as error:
                    self._show(view.error(str(error)))
            case State.CHAT if word:
                self._say(text.replace("\\", "", 1) if _ESCAPED_COMMAND.fullmatch(word) else text)

    def _say(self, text: str) -> None:
        try:
            self.attachment.say(text)
        except LineError as error:
            self.failed = True
            self._show(view.unsent(text, str(error)))

    # -- what they lead to

    def _attach(self, user: str) -> None:
        self.attachment.attach(user)
        self.user = user
        self.state = State.ATTACHING

    def _call(self, address: str) -> None:
        self.attachment.call(address)
        self.state = State.CALLING
        self._show(view.calling(self.attachment.partner.address))

    def _decide(self, yes: bool) -> None:
        request = self.attachment.requests[0]
        if yes:
            self.attachment.accept(request)
            self._unanswered = 0
            self.state = State.ACCEPTING
        else:
            self.attachment.decline(request)
            self._show(view.declined(request.title))

    def _quit(self) -> None:
        if self.state in (State.CALLING, State.ACCEPTING, State.CHAT):
            self._show(view.left(self.attachment.partner.short))
            self.attachment.leave()
            self._drop_held()
            self.state = State.LEAVING
        else:
            self._close()

    def _rest(self) -> None:
        """No call or chat is on any more."""
        self._unanswered = 0
        self.state = State.MENU
        if self._once:
            self._close()

    def _drop_held(self) -> None:
        """Reports what was typed for a chat that won't happen."""
        for text in self.held:
            self.failed = True
            self._show(view.unsent(text, "the chat is over"))
        self.held.clear()

    def _close(self) -> None:
        """Ends once the fate of every message is known; immediately if asked again."""
        count = len(self.attachment.outstanding)
        if count and self.state is not State.CLOSING:
            self.state = State.CLOSING
            self._show(view.closing(count))
        else:
            self._leave()

    def _leave(self) -> None:
        if self.state in (State.QUITTING, State.ENDED):
            return
        self.attachment.detach()
        self._follow()
        self._drop_held()
        self.state = State.QUITTING

    # -- what has happened

    def _follow(self) -> None:
        """Tells the person, and goes where it leads."""
        while event := self.attachment.next_event():
            self._happened(event)

    def _happened(self, event: Event) -> None:  # noqa: PLR0912  a case for each event
        match event:
            case events.Attached():
                self.state = State.MENU
                if self._call_at_once:
                    self._call(self._call_at_once)
            case events.Requested(other):
                asks = self.state in (State.MENU, State.WAITING, State.CALLING) and len(self.attachment.requests) == 1
                if not asks and self.state not in (State.NAME, State.ATTACHING, State.CLOSING, State.QUITTING):
                    self._show(view.requested(other.title))
            case events.Withdrawn(other):
                self._show(view.withdrawn(other.title))
            case events.Ringing(other) if self.state is State.CALLING:
                self._show(view.rings(other.title))
            case events.Began(other) if self.state is not State.CLOSING:
                self._unanswered = 0
                self.state = State.CHAT
                self._show(view.began(other.title))
                if not self._piped:  # a line typed here is already beside its label
                    self._show(*(view.said(self.user, text) for text in self.held))
            case events.Said(name, text):
                self._show(view.said(name, text))
            case events.Settled(fate=Fate.ACKNOWLEDGED):
                self._unanswered = 0
            case events.Settled(_, text, fate):
                self.failed = True
                self._show((view.undelivered if fate is Fate.UNDELIVERED else view.unknown)(text))
            case events.Unanswered(_, seconds) if self.state in (State.CALLING, State.CHAT):
                self._unanswered = seconds
                self._asked = ""
            case events.Failed(other) if self.state is State.CALLING:
                self.failed = True
                self._over(view.refused(other.title))
            case events.Failed(_, why) if why is not None:
                self._over()
            case events.Ended(other) | events.Failed(other):
                self._over(view.gone(other.title))
            case events.Left() if self.state is State.LEAVING:
                self._rest()
            case events.Warned(text):
                self._show(view.error(text))
                if self.state is State.ATTACHING:
                    self._broken = True
                    self._leave()
            case events.Lost():
                self._broken = True
                self._show(view.lost())
                self.state = State.ENDED
            case events.Detached():
                self.state = State.ENDED

    def _over(self, *texts: Text) -> None:
        """The chat or call is over, by itself."""
        self._show(*texts)
        self._drop_held()
        if self.state is not State.CLOSING:
            self._rest()


def _yes(word: str) -> bool | None:
    return {"y": True, "yes": True, "n": False, "no": False}.get(word.lower())

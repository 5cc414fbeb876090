"""A person's conversation with their daemon, as a state machine. Pure: no clock, no socket, no terminal.

In go the lines that the person types (`type_line`, `end_input`) and those that the daemon says (`receive_line`,
`lose`); out come `lines_to_send` to the daemon, `texts_to_show` to the person, and `ask`: what is asked now.

The rules for the person:

- A line counts for what was asked when its typing began (`Ask`), and for nothing else: where that is over, the line is
  told as not sent or not used. So neither does a draft become an answer, nor an answer somebody else's.
- `q` leaves a chat or a call and comes back to the menu; anywhere else it ends the program. `?` helps. Both act
  immediately. At the menu so do other programs' words for them, unless somebody has that name; in a chat such a word
  for the end is sent only if it is typed again. In a chat `\\q` sends q, `\\?` sends ?, and so on for more backslashes.
- At the menu a name, a number or an address calls; whom a name means is the daemon's to say. A number is that of the
  list which was there when its typing began; another list is printed on a return to the menu, by `?`, and by an empty
  line once the daemon has told it, and not because somebody comes. In a chat an empty line does nothing.
- Several lines at once, as pasted, are one message and nothing else.
- What is typed while a call is out is held for the chat. A request that comes in meanwhile takes only `y` and `n`.
- Lines that were held for a call or chat that fails never answer the menu. How those begin and end: `calls`.

Redirected input has no person who reacts: once a call is wished for or accepted, each of its lines is a message to that
partner, `q`, `?` and empty ones too, and what follows that chat is told as not sent, unless `commands` says that a
program drives the client as a person would.
"""

import re
from typing import Final

from simp_client import prompt, view
from simp_client.attachment import Phase
from simp_client.calls import Calls, Held
from simp_client.people import read_peer
from simp_client.prompt import HELP, QUESTIONS, TALKING, Ask, Kind, Place, State
from simp_client.view import Text
from simp_proto.errors import LineError
from simp_proto.text import Line

DEFAULT_WAIT: Final = 60.0
"""Seconds after which the call of a pipe is taken back."""
WINDOW: Final = 32
"""The most messages in flight if the input is a pipe, so that a file of any size passes in little memory."""
_ESCAPED_COMMAND: Final = re.compile(r"\\+[q?]")
_LIKE: Final = {**dict.fromkeys(("q", "quit", "exit", "bye"), "q"), **dict.fromkeys(("?", "help", "h"), "?")}
"""What people type at the menu, after a `/` or `:` perhaps."""
_LIKE_LEAVING: Final = re.compile("[/:]?(?:quit|exit)|[/:]q", re.IGNORECASE)
"""What people type in a chat to leave it; it may also be something to say."""
_NUMBER: Final = re.compile(r"#?(\d{1,9})[.):]?")
_YES: Final = {"y": True, "yes": True, "n": False, "no": False}


class Dialogue:
    """One run of the client.

    `user` and `call` are answers given beforehand. `piped`: the input is no terminal; at most `WINDOW` messages are in
    flight then, and with `call` the program ends when that call or chat does, since what follows in the pipe is
    meant for nobody else. `commands`: who writes into the pipe drives the client as a person would. `lost` is
    what is told where the daemon is gone; `wait` is for how many seconds a pipe's call is tried. Raises `LineError`
    where the answers are wrong.
    """

    def __init__(
        self,
        user: str | None = None,
        call: str | None = None,
        *,
        piped: bool = False,
        commands: bool = False,
        lost: str = "The daemon is gone.",
        wait: float = DEFAULT_WAIT,
    ) -> None:
        self._calls = Calls(
            piped=piped, texts_only=piped and not commands, once=piped and call is not None, lost=lost, wait=wait
        )
        self.attachment = self._calls.attachment
        self.piped = piped
        self._asked: Ask | None = None
        self._dismissed = False  # by a `q`, after which a program may write what it likes
        self._asked_about = ""  # the line that was taken for a wish to leave, perhaps
        self._left = 0  # lines of a pipe that came too late
        self._first_left = ""
        if call is not None:
            self._calls.callee = read_peer(call).peer
        if user is not None:
            self._calls.attach(user)
        self._settle()

    # -- what comes out

    def lines_to_send(self) -> list[Line]:
        return self.attachment.lines_to_send()

    def texts_to_show(self) -> list[Text | Ask]:
        """What to show to the person, the questions among it as their `Ask`; each once."""
        shown, self._calls.shown = self._calls.shown, []
        return shown

    @property
    def state(self) -> State:
        return self._calls.state

    @property
    def ask(self) -> Ask:
        return self._calls.ask

    def bar(self, columns: int) -> str:
        """Where the person is, at the bottom of a terminal; narrower than so many columns."""
        return prompt.bar(self.state, self.attachment, self._calls.user, columns, self._calls.news)

    @property
    def reads(self) -> bool:
        """Whether a pipe may be read on: nothing is held, and the end hasn't come."""
        return not self._calls.held and not self._late

    @property
    def alone(self) -> bool:
        """Whether a call is out, or to be made, and nobody is there to take it back."""
        return self.piped and self.state in (Phase.CALLING, Place.LOOKING)

    @property
    def failed(self) -> bool:
        """Whether the daemon was lost, or a pipe's call or message failed."""
        return self._calls.broken or (self.piped and self._calls.failed)

    @property
    def _late(self) -> bool:
        """Whether nothing is sent any more."""
        return self.state in (Phase.DETACHING, Phase.OVER) or (self._one_chat and self._calls.why != "")

    @property
    def _one_chat(self) -> bool:
        """Whether all of the input is for one call or chat."""
        return self._calls.once and self._calls.texts_only

    # -- what the person does

    def type_line(self, text: str, ask: Ask | None = None) -> None:
        """The person, or a pipe, gave a line without its newline, or several lines that are one message.

        `ask` is what was asked when its typing began.
        """
        ask = ask or self.ask
        word = text.strip()
        if ask.kind is Kind.MENU and not self.attachment.people.named(word):
            word = _LIKE.get(word.lower().lstrip("/:"), word)
        self._calls.news = self._calls.warning = ""
        asked_about, self._asked_about = self._asked_about, ""
        if self._late:
            self._leave(text)
            return
        if self._calls.texts_only and (self.state in TALKING or (self._calls.once and self.state is not Phase.APART)):
            self._hold(text, verbatim=True)
        elif "\n" in text:
            self._take_text(text, ask)
        elif word == "q":
            self._quit(ask)
        elif word == "?":
            for line in HELP:
                self._calls.notice(line)
            self._asked = self._calls.listed = None
        elif ask.kind is Kind.TALK and _LIKE_LEAVING.fullmatch(word) and word != asked_about and not self.piped:
            self._asked_about = word
            self._calls.error(f"not sent: {view.short(word)}: q leaves. The same line again is sent.")
        else:
            self._take(text, ask)
        self._settle()

    def end_input(self) -> None:
        """The person, or a pipe, has no more to say."""
        coming = self.state in (Phase.APART, Phase.ATTACHING, Place.LOOKING)
        to_call = self._calls.callee != "" and coming
        self._calls.failed |= to_call or self.state is Phase.CALLING
        self._calls.close_once_attached = True
        if self.piped and (to_call or self.state is Phase.CALLING):
            self._calls.error("The input ended before the call was answered, so the call was cancelled.")
        elif self.piped and self.state in (Phase.ATTACHING, Place.CLOSING):  # where what follows comes by itself
            return
        self._calls.close()
        self._settle()

    def finish(self, *, more: bool) -> None:
        """All is over: tells what of a pipe's input came too late. `more`: the input itself hasn't ended."""
        if self._left:
            first = view.short(self._first_left)
            follows = " and whatever follows" if more else ""
            what = first if self._left == 1 and not more else f"{view.lines(self._left)}{follows}, from {first} on"
            self._calls.failed = True
            self._calls.error(f"not sent: {what}: {self._calls.why}")
        elif more and self._one_chat and not self.failed:
            self._calls.failed = True
            self._calls.error("The chat ended before the input did; what follows is not sent.")

    def _leave(self, text: str) -> None:
        """A line has come too late. To whoever drives the client, that is news only where it was to be said."""
        if self._calls.texts_only or (self.piped and not self._dismissed and text.strip() not in ("", "q", "?")):
            self._first_left = self._first_left if self._left else text
            self._left += 1

    def give_up(self, seconds: float) -> None:
        """Nobody has answered the call of a pipe for so long."""
        if self.state is Place.LOOKING:
            self._calls.failed = True
            self._calls.error(
                f"{view.named(self._calls.callee)} wasn't seen within {seconds:g} s, so nobody was called "
                "(--wait sets how long; `simp doctor` finds out why)."
            )
            self._calls.give_up_looking("nobody was called")
            self._settle()
        elif self.alone:
            who = self._calls.who(self.attachment.partner)
            doctor = view.doctor(self.attachment.people.known(self.attachment.partner))
            self._calls.failed = True
            self._calls.error(
                f"{who} didn't answer within {seconds:g} s, so the call was cancelled (--wait sets how long; {doctor})."
            )
            self._calls.leave("nobody answered the call")
            self._settle()

    def interrupt(self) -> None:
        """The person wants to be out now."""
        self._calls.detach()

    def stop_showing(self) -> None:
        """Nobody reads on; then there is no chat either."""
        self._calls.broken = True
        self._calls.detach()

    # -- what the daemon does

    def receive_line(self, line: Line) -> None:
        """The daemon said that. Whatever it is: nothing that a daemon says is an error here (client 2.4)."""
        self._calls.receive_line(line)
        self._settle()

    def lose(self, why: str = "") -> None:
        self._calls.lose(why)

    # -- how it asks

    def _settle(self) -> None:
        """Asks what is to be asked now, and answers it with what was typed ahead."""
        while True:
            if self.ask.kind is Kind.MENU and self._calls.listed is None:
                self._calls.list_people()
                self._asked = None
            ask = self.ask
            if ask == self._asked and ask.other.secured != self._asked.other.secured:
                # More is known of the caller now; most often nobody has seen the question yet.
                if ask in self._calls.shown:
                    self._calls.shown.remove(ask)
                self._asked = None
            if ask != self._asked:
                self._asked = ask
                if ask.words:
                    self._calls.shown.append(ask)
            if not (self._calls.held and self._wants()):
                return
            self._asked = None
            self._use(self._calls.held.popleft())

    def _wants(self) -> bool:
        """Whether anything takes a held line now."""
        if self.state is Phase.CHAT:
            return not self.piped or len(self.attachment.outstanding) < WINDOW
        return self.state in QUESTIONS

    def _use(self, held: Held) -> None:
        text, verbatim = held
        if self.state is Phase.CHAT:
            self._say(text, verbatim=verbatim)
        elif verbatim:
            self._calls.unsent(text, "no chat is on")
        else:
            self._answer(text, self.ask)

    def _hold(self, text: str, *, verbatim: bool = False) -> None:
        """It is used as soon as something takes it."""
        self._calls.held.append(Held(text, verbatim))
        self._settle()
        if self._calls.held and not self.piped:
            chat = self.state in TALKING
            self._calls.notice(
                f"Saved; it {'will be sent when the chat begins' if chat else 'answers what is asked next'}."
            )

    def _take(self, text: str, ask: Ask) -> None:
        """A single line, for what was asked when its typing began."""
        word = text.strip()
        yes = _YES.get(word.lower())
        if ask.kind is Kind.ACCEPT and (yes is not None or not ask.talk):
            asks = ask.other in self.attachment.requests and self.state in (Place.MENU, Phase.CALLING)
            if not asks:
                self._unused(word)
            elif yes is None:
                self._wrong(word, "y to accept, n to decline, or q to quit")
            elif yes:
                self._calls.accept(ask.other)
            else:
                self._calls.decline(ask.other)
        elif ask.kind is Kind.AHEAD or (ask.talk and ask.talk == self._calls.number):
            self._hold(text)
        elif ask.talk and word:
            self._calls.unsent(text, "the chat is over")
        elif self.state in QUESTIONS and ask.kind is QUESTIONS[self.state][0]:
            self._asked = None
            self._answer(text, ask)
        else:
            self._unused(word)

    def _take_text(self, text: str, ask: Ask) -> None:
        if ask.kind is Kind.AHEAD or (ask.talk and ask.talk == self._calls.number):
            self._hold(text, verbatim=True)
        else:
            self._calls.unsent(text, "the chat is over" if ask.talk else "no chat is on")

    def _wrong(self, word: str, expected: str) -> None:
        self._refuse(f"read {view.short(word)}, expected {expected}")

    def _refuse(self, why: str) -> None:
        """It is no answer; whoever typed it can type another, and a script can't."""
        self._calls.failed |= self._calls.texts_only
        self._asked = None
        self._calls.error(why)

    def _unused(self, word: str) -> None:
        if word:
            self._asked = None
            self._calls.error(f"not used: {view.short(word)}: what it answered is over")

    # -- what it does

    def _answer(self, text: str, ask: Ask) -> None:
        word = text.strip()
        if self.state is Phase.APART:
            try:
                self._calls.attach(word)
            except LineError as error:
                self._refuse(f"{error}. Try another one.")
        elif not word:
            self._asked = self.ask  # again below the list
            self._calls.look()
        else:
            named = self.attachment.people.named(word)
            numbered = {str(number): other.address for number, other in enumerate(ask.people, 1)}
            if not named and (number := _NUMBER.fullmatch(word)):
                word = number[1]
            if word.isdecimal() and word not in numbered and not named:
                self._refuse(f"There was no {view.short(word)} in the list that you saw. This is the list now:")
                self._calls.listed = None
                return
            if word.lower() in _YES and not named:
                self._wrong(word, "whom to call: nothing is asked that this answers")
                return
            if word == self._calls.user and not named:
                self._wrong(word, "whom to call: that is your own name, and nobody else here has it")
                return
            try:
                self._calls.call(numbered.get(word, word))
            except LineError as error:
                self._refuse(str(error))

    def _say(self, text: str, *, verbatim: bool) -> None:
        if not verbatim:
            if not text.strip():
                return
            text = text.replace("\\", "", 1) if _ESCAPED_COMMAND.fullmatch(text.strip()) else text
        elif not self._calls.texts_only:  # a paste
            text = text.strip("\n")
        try:
            self.attachment.say(text)
        except LineError as error:
            self._calls.unsent(text, str(error))

    def _quit(self, ask: Ask) -> None:
        if ask.talk and ask.talk != self._calls.number:
            self._calls.notice("It is over already.")
            self._asked = None
        elif self.state in TALKING and not ask.talk and ask.kind is not Kind.AHEAD:
            self._unused("q")
        elif self.state in TALKING:
            chat = self.state is Phase.CHAT
            who = view.short_title(self.attachment.partner, self._calls.user)
            self._calls.notice(f"{'You left' if chat else 'Cancelled the call to'} {who}. Another q ends the program.")
            self._calls.leave("the chat is over" if chat else "the call is over")
        elif self.state is Place.LOOKING:
            self._calls.notice("Nobody was called. Another q ends the program.")
            self._calls.give_up_looking("nobody was called")
        else:
            self._dismissed = True
            self._calls.close()

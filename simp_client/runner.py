"""A run of the person's client: the pump between the link, the dialogue and the front that the person sits at."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Final, Protocol

from simp_client.attachment import Phase
from simp_client.dialogue import Dialogue
from simp_client.link import GOODBYE_TIMEOUT, Link, NoDaemonError
from simp_client.prompt import Ask, LastQuestion
from simp_client.view import Text
from simp_proto.address import Address
from simp_proto.cli.exit_status import ExitStatus

DEFAULT_WAIT: Final = 60.0
THINKING: Final = 5.0
"""Seconds after which a person who still thinks of a name is announced; the daemon waits for 10 (client 1.3)."""


class Front(Protocol):
    """Where the person is: at a terminal or behind a pipe."""

    def show(self, texts: list[Text | Ask]) -> None:
        """Shows these, and what else has changed in the dialogue. Raises `OSError` when nobody reads them any more."""

    async def run(self, runner: "Runner") -> None:
        """Gives the person's lines to the runner, until cancelled."""


class Runner:
    """One link, one dialogue, one front. All methods but `from_thread` belong to the loop's thread."""

    def __init__(self, link: Link, dialogue: Dialogue, front: Front, wait: float = DEFAULT_WAIT) -> None:
        self._link = link
        self._dialogue = dialogue
        self._front = front
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._interrupted = False
        self._goodbye: asyncio.TimerHandle | None = None
        self._wait = wait
        self._giving_up: asyncio.TimerHandle | None = None
        self._last_question = LastQuestion(dialogue.ask)

    def meant(self, seen: Ask | None = None) -> Ask:
        """What a line is for whose typing begins now; `seen` is what is on the screen, if the front knows."""
        return self._last_question.meant(self._loop.time(), seen)

    def type_line(self, text: str, ask: Ask | None = None) -> None:
        """The person gave a line without its newline, or several that are one message, for what was asked then."""
        ask = ask or (None if self._dialogue.piped else self.meant())  # a program is as fast as it is
        self._last_question.answer()
        self._dialogue.type_line(text, ask)
        self._pump()

    def end_input(self) -> None:
        self._dialogue.end_input()
        self._pump()

    def interrupt(self) -> None:
        """Ctrl-C, or the like."""
        self._interrupted = True
        self._dialogue.interrupt()
        self._pump()

    def from_thread(self, callback: Callable[[], None]) -> None:
        """Calls back in the loop's thread, unless the program has ended meanwhile."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(callback)

    def _pump(self) -> None:
        self._link.send()
        try:
            self._front.show(self._dialogue.texts_to_show())
            self._last_question.see(self._dialogue.ask, self._loop.time())
        except OSError:  # nobody reads on (`simp client | head`): then there is no chat either
            self._dialogue.stop_showing()
            self._pump()
        self._mind_the_call()
        if self._dialogue.state is Phase.OVER:
            self._over.set()
        elif self._dialogue.state is Phase.DETACHING and self._goodbye is None:
            self._goodbye = self._loop.call_later(GOODBYE_TIMEOUT, self._over.set)

    def _mind_the_call(self) -> None:
        """A call that nobody is there to take back ends by itself."""
        if not self._dialogue.alone:
            if self._giving_up:
                self._giving_up.cancel()
                self._giving_up = None
        elif self._giving_up is None:
            self._giving_up = self._loop.call_later(self._wait, self._give_up)

    def _give_up(self) -> None:
        self._giving_up = None
        self._dialogue.give_up(self._wait)
        self._pump()

    def _announce(self) -> None:
        if self._dialogue.state is Phase.APART:
            self._dialogue.attachment.ping()
            self._pump()

    async def _listen(self) -> None:
        try:
            while await self._link.receive():
                self._pump()
        except NoDaemonError as error:
            self._dialogue.lose(str(error))
        self._pump()

    async def run(self) -> ExitStatus:
        """All of it, from the first question to the end of the connection."""
        self._pump()
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows hasn't both
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                with contextlib.suppress(NotImplementedError):
                    self._loop.add_signal_handler(number, self.interrupt)
        tasks = listening, reading = asyncio.ensure_future(self._listen()), asyncio.ensure_future(self._front.run(self))
        for task in tasks:
            task.add_done_callback(lambda task: self._over.set() if not task.cancelled() and task.exception() else None)
        thinking = self._loop.call_later(THINKING, self._announce)
        try:
            await self._over.wait()
        except asyncio.CancelledError:  # Ctrl-C that isn't a key at a terminal
            self.interrupt()
            await self._over.wait()
        listening.cancel()
        reading.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for timer in (thinking, self._goodbye, self._giving_up):
            if timer:
                timer.cancel()
        await self._link.close()
        for result in results:
            if isinstance(result, Exception):
                raise result
        if self._interrupted:
            return ExitStatus.INTERRUPTED
        return ExitStatus.FAILURE if self._dialogue.failed else ExitStatus.SUCCESS


async def converse(address: Address, dialogue: Dialogue, front: Front, wait: float = DEFAULT_WAIT) -> ExitStatus:
    """Runs the dialogue with the daemon at that address; raises `NoDaemonError`.

    A pipe's call is taken back after `wait` seconds.
    """
    link = await Link.open(address, dialogue)
    try:
        return await Runner(link, dialogue, front, wait).run()
    finally:
        link.abort()  # whatever has ended this

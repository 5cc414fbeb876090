"""A run of the person's client: the pump between the link, the dialogue and the front that the person sits at."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Protocol

from simp_client.dialogue import Dialogue, Question
from simp_client.link import GOODBYE_TIMEOUT, Link
from simp_client.prompt import State
from simp_client.view import Text
from simp_proto.address import Address
from simp_proto.cli.exit_status import ExitStatus


class Front(Protocol):
    """Where the person is: at a terminal or behind a pipe."""

    def show(self, texts: list[Text | Question]) -> None:
        """Shows these, and what else has changed in the dialogue. Raises `OSError` when nobody reads them any more."""

    async def run(self, runner: "Runner") -> None:
        """Gives the person's lines to the runner, until cancelled."""


class Runner:
    """One link, one dialogue, one front. All methods but `from_thread` belong to the loop's thread."""

    def __init__(self, link: Link, dialogue: Dialogue, front: Front) -> None:
        self._link = link
        self._dialogue = dialogue
        self._front = front
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._interrupted = False
        self._goodbye: asyncio.TimerHandle | None = None

    def type_line(self, text: str) -> None:
        """The person gave a line, without its newline."""
        self._dialogue.type_line(text)
        self._pump()

    def end_input(self) -> None:
        """The person has no more to say."""
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
        """Carries out what the dialogue has decided."""
        self._link.send()
        try:
            self._front.show(self._dialogue.texts_to_show())
        except OSError:  # nobody reads on (`simp client | head`): then there is no chat either
            self._dialogue.failed = True
            self._dialogue.interrupt()
            self._pump()
        if self._dialogue.state is State.ENDED:
            self._over.set()
        elif self._dialogue.state is State.QUITTING and self._goodbye is None:
            self._goodbye = self._loop.call_later(GOODBYE_TIMEOUT, self._over.set)

    async def _listen(self) -> None:
        while await self._link.receive():
            self._pump()
        self._pump()

    async def run(self) -> ExitStatus:
        """All of it, from the first question to the end of the connection."""
        self._pump()
        with contextlib.suppress(NotImplementedError):  # Windows
            self._loop.add_signal_handler(signal.SIGTERM, self.interrupt)
        tasks = listening, reading = asyncio.ensure_future(self._listen()), asyncio.ensure_future(self._front.run(self))
        reading.add_done_callback(lambda task: self._over.set() if not task.cancelled() and task.exception() else None)
        try:
            await self._over.wait()
        except asyncio.CancelledError:  # Ctrl-C that isn't a key at a terminal
            self.interrupt()
            await self._over.wait()
        listening.cancel()
        reading.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        if self._goodbye:
            self._goodbye.cancel()
        await self._link.close()
        for result in results:
            if isinstance(result, Exception):
                raise result
        return ExitStatus.INTERRUPTED if self._interrupted else self._dialogue.status


async def converse(address: Address, dialogue: Dialogue, front: Front) -> ExitStatus:
    """Runs the dialogue with the daemon at that address; raises `NoDaemonError`."""
    link = await Link.open(address, dialogue)
    try:
        return await Runner(link, dialogue, front).run()
    finally:
        link.abort()  # whatever has ended this


def run(address: Address, dialogue: Dialogue, front: Front) -> ExitStatus:
    """`converse`, in a loop of its own."""
    return asyncio.run(converse(address, dialogue, front))

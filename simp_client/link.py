"""The TCP connection to the daemon, and the pump between it, the dialogue and the person (client 1).

The only asyncio: the fronts, `terminal` and `pipe`, use the loop through the link alone.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Final, Protocol

from simp_client import view
from simp_client.dialogue import Dialogue, Question
from simp_client.prompt import State
from simp_client.view import Text
from simp_proto.address import Address
from simp_proto.cli.exit_status import ExitStatus
from simp_proto.constants import MAX_DAEMON_LINE_SIZE
from simp_proto.errors import LineError, SimpError
from simp_proto.text import LineBuffer, format_line, parse_line

CONNECT_TIMEOUT: Final = 10.0
GOODBYE_TIMEOUT: Final = 1.0
"""Seconds that the daemon has to answer the last QUIT."""
CHUNK: Final = 65_536


class NoDaemonError(SimpError):
    """Nothing answers at the daemon's address; the text says what to do."""


class Front(Protocol):
    """Where the person is: at a terminal or behind a pipe."""

    def show(self, texts: list[Text | Question]) -> None:
        """Shows these, and what else has changed in the dialogue. Raises `OSError` when nobody reads them any more."""

    async def run(self, link: "Link") -> None:
        """Gives the person's lines to the link, until cancelled."""


class Link:
    """One connection, one dialogue, one front. All methods but `from_thread` belong to the loop's thread."""

    def __init__(self, dialogue: Dialogue, front: Front, writer: asyncio.StreamWriter) -> None:
        self.over = asyncio.Event()
        self.interrupted = False
        self._dialogue = dialogue
        self._front = front
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._goodbye: asyncio.TimerHandle | None = None

    def type_line(self, text: str) -> None:
        """The person gave a line, without its newline."""
        self._dialogue.type_line(text)
        self.pump()

    def end_input(self) -> None:
        """The person has no more to say."""
        self._dialogue.end_input()
        self.pump()

    def interrupt(self) -> None:
        """Ctrl-C, or its like."""
        self.interrupted = True
        self._dialogue.interrupt()
        self.pump()

    def from_thread(self, callback: Callable[[], None]) -> None:
        """Calls back in the loop's thread, unless the program has ended meanwhile."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(callback)

    def pump(self) -> None:
        """Carries out what the dialogue has decided."""
        for line in self._dialogue.lines_to_send():
            self._writer.write(format_line(line))
        try:
            self._front.show(self._dialogue.texts_to_show())
        except OSError:  # nobody reads on (`simp client | head`): then there is no chat either
            self._dialogue.failed = True
            self._dialogue.interrupt()
            self.pump()
        if self._dialogue.state is State.ENDED:
            self.over.set()
        elif self._dialogue.state is State.QUITTING and self._goodbye is None:
            self._goodbye = self._loop.call_later(GOODBYE_TIMEOUT, self.over.set)

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Takes what the daemon says until it closes the connection."""
        buffer = LineBuffer(MAX_DAEMON_LINE_SIZE)
        with contextlib.suppress(OSError, LineError):
            while data := await reader.read(CHUNK):
                buffer.feed(data)
                while (line := buffer.next_line()) is not None:
                    with contextlib.suppress(LineError):  # an operation of a later version, say (client 2.4)
                        self._dialogue.receive_line(parse_line(line))
                self.pump()
        self._dialogue.lose()
        self.pump()

    async def close(self) -> None:
        """Ends the connection, once what was written is sent or a second has passed."""
        if self._goodbye:
            self._goodbye.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), GOODBYE_TIMEOUT)


async def converse(address: Address, dialogue: Dialogue, front: Front) -> ExitStatus:
    """Runs the dialogue with the daemon at that address; raises `NoDaemonError`."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(*address), CONNECT_TIMEOUT)
    except OSError as error:  # `TimeoutError` is one
        why = "connection refused" if isinstance(error, ConnectionRefusedError) else error.strerror or "no answer"
        raise NoDaemonError(view.unreachable(address, why)) from None
    try:
        return await _converse(Link(dialogue, front, writer), dialogue, front, reader)
    finally:
        writer.transport.abort()  # whatever has ended this; it does nothing to a connection that is closed


async def _converse(link: Link, dialogue: Dialogue, front: Front, reader: asyncio.StreamReader) -> ExitStatus:
    link.pump()
    with contextlib.suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, link.interrupt)
    listening, reading = asyncio.ensure_future(link.listen(reader)), asyncio.ensure_future(front.run(link))
    reading.add_done_callback(lambda task: link.over.set() if not task.cancelled() and task.exception() else None)
    try:
        await link.over.wait()
    except asyncio.CancelledError:  # Ctrl-C where it is no key of a terminal's
        link.interrupt()
        await link.over.wait()
    listening.cancel()
    reading.cancel()
    results = await asyncio.gather(listening, reading, return_exceptions=True)
    await link.close()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return ExitStatus.INTERRUPTED if link.interrupted else dialogue.status


def run(address: Address, dialogue: Dialogue, front: Front) -> ExitStatus:
    """`converse`, in a loop of its own."""
    return asyncio.run(converse(address, dialogue, front))

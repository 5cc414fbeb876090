"""The client line by line: where its input or output is no terminal, or the terminal can't move its cursor."""

import asyncio
import contextlib
import os
import select
import shutil
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from simp_client import view
from simp_client.dialogue import Dialogue
from simp_client.prompt import Ask
from simp_client.view import Text
from simp_proto.constants import MAX_MESSAGE_SIZE

if TYPE_CHECKING:
    from simp_client.runner import Runner

CHUNK: Final = 65_536
LONGEST: Final = 2 * MAX_MESSAGE_SIZE
"""Bytes of a line that are kept: enough for the dialogue to refuse it, and memory stays bounded."""

_TOGETHER: Final = 0.02
"""Seconds between two lines that nobody types so fast."""
_PASTED: Final = 3
"""So many are no lines typed ahead."""
_PAUSE: Final = 0.2
"""Seconds that whoever fills the pipe has for the next line, once all is over and its lines are only counted."""
_COUNTING: Final = 5.0
"""Seconds that the counting takes at most."""


class Pipe:
    """Prints each text and each question as one line, and reads a line whenever the dialogue holds none.

    Where input or output is no terminal, the standard output gets messages alone, and all else goes to the standard
    error stream.
    """

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self._begun = False  # the person may have typed half a line
        self._turns = threading.Semaphore(0)
        self._reading = False
        self._over = False
        self._read_all = False
        self._news = asyncio.Event()

    def show(self, texts: list[Text | Ask]) -> None:
        """Prints them, and lets the next line in if the dialogue can take it. Raises `OSError`."""
        try:
            for text in texts:
                self._print(text)
        except OSError as error:
            # Python's own last flush must not fail either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._complain(view.error(f"can't write to the standard output: {error.strerror or 'nobody takes it'}"))
            raise
        self._begun = True
        if self._dialogue.reads and not self._reading:
            self._reading = True
            self._turns.release()

    def _print(self, text: Text | Ask) -> None:
        text = ((("", text.words)),) if isinstance(text, Ask) else text
        if self._terminal or text[0][0] == "name":
            if self._terminal:
                text = view.indent(text, shutil.get_terminal_size().columns)
                if self._begun:
                    print()
                self._begun = False
            print(view.fit(view.plain(text), sys.stdout.encoding), flush=True)
        else:
            self._complain(text)

    def _complain(self, text: Text) -> None:
        with contextlib.suppress(OSError, AttributeError):  # nobody wants to know; without the stream, neither
            print(view.fit(view.plain(text), sys.stderr.encoding), file=sys.stderr, flush=True)

    async def run(self, runner: "Runner") -> None:
        """Reads until cancelled, in a daemon thread: while it blocks on the input, the program can still end.

        Then what is left of redirected input is counted, as far as it comes.
        """
        threading.Thread(target=self._read, args=(runner,), name="standard input", daemon=True).start()
        try:
            await asyncio.Event().wait()
        finally:
            if self._dialogue.piped:
                await self._count()
                self._dialogue.finish(more=not self._read_all)
                self.show(self._dialogue.texts_to_show())

    async def _count(self) -> None:
        self._over = True
        self._turns.release()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_COUNTING):
                while not self._read_all:
                    self._news.clear()
                    await asyncio.wait_for(self._news.wait(), _PAUSE)

    def _read(self, runner: "Runner") -> None:
        descriptor = sys.stdin.fileno()
        selects = sys.platform != "win32"  # where only sockets can be waited for
        lines = join_pastes(descriptor) if selects and os.isatty(descriptor) else read_lines(descriptor)
        while self._over or self._turns.acquire():
            try:
                line = next(lines)
            except (StopIteration, OSError):
                runner.from_thread(partial(self._end, runner))
                return
            runner.from_thread(partial(self._take, runner, line))

    def _take(self, runner: "Runner", line: str) -> None:
        self._reading = False
        self._begun = False
        self._news.set()
        runner.type_line(line)

    def _end(self, runner: "Runner") -> None:
        self._read_all = True
        self._news.set()
        runner.end_input()


def read_lines(descriptor: int) -> Iterator[str]:
    """The lines that arrive there, without their newlines, cut at `LONGEST`.

    What isn't UTF-8 becomes lone surrogates, which the dialogue refuses. No buffered reader: it would hold its lock
    while the program ends.
    """
    line = bytearray()
    while data := os.read(descriptor, CHUNK):
        *ends, rest = data.split(b"\n")
        for end in ends:
            line += end[: LONGEST - len(line)]
            yield _text(line)
            line.clear()
        line += rest[: LONGEST - len(line)]
    if line:
        yield _text(line)


def join_pastes(descriptor: int) -> Iterator[str]:
    """The same at a terminal, where lines that are there at the same time were pasted, and are one text."""
    lines = []
    for line in read_lines(descriptor):
        lines.append(line)
        if not select.select([descriptor], [], [], _TOGETHER)[0]:
            yield from ["\n".join(lines)] if len(lines) >= _PASTED else lines
            lines.clear()
    yield from lines


def _text(line: bytearray) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "surrogateescape")

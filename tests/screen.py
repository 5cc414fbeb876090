"""A terminal with a screen and a memory, as far away as a test wants it, and a client that runs at it."""

import asyncio
import fcntl
import os
import pty
import struct
import termios
from collections import deque
from typing import Final

import pyte

from tests.scripted_daemon import PATIENCE
from tests.test_pipe import CLIENT

_STEP: Final = 0.005
_HISTORY: Final = 20_000


class Screen:
    """What a person sees after `latency` seconds, all that has scrolled away included, and the keys they press.

    It says where the cursor is when it is asked, as late as everything else, or never if `latency` is None.
    """

    def __init__(
        self, *arguments: str, latency: float | None = 0.0, size: tuple[int, int] = (80, 24), term: str = "xterm"
    ) -> None:
        self.columns, rows = size
        self._delay = (latency or 0.0) / 2
        self._answers = latency is not None
        self._screen = pyte.HistoryScreen(self.columns, rows, history=_HISTORY, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self.ended = False
        self._coming: deque[tuple[float, bytes]] = deque()
        self._going: deque[tuple[float, bytes]] = deque()
        self.pid, self._fd = pty.fork()
        if not self.pid:
            environment = {**os.environ, "TERM": term, "PYTHONIOENCODING": "utf-8"}
            os.execve(CLIENT[0], [*CLIENT, "127.0.0.1", *arguments], environment)
        os.set_blocking(self._fd, False)
        self.resize(*size)

    def resize(self, columns: int, rows: int) -> None:
        """The window has another size now."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Presses these; `\\r` is Enter."""
        self._going.append((asyncio.get_running_loop().time() + self._delay, keys.encode()))

    @property
    def rows(self) -> list[str]:
        """What is on the screen."""
        return [row.rstrip() for row in self._screen.display]

    @property
    def lines(self) -> list[str]:
        """All that has ever been printed and not erased."""
        above = [
            "".join(row[column].data for column in range(self.columns)).rstrip() for row in self._screen.history.top
        ]
        return above + self.rows

    async def see(self, words: str) -> None:
        """Waits until that stands somewhere."""
        end = asyncio.get_running_loop().time() + PATIENCE
        while not any(words in line for line in self.lines):
            assert asyncio.get_running_loop().time() < end, f"no {words!r} in {self.rows}"
            await self.look()

    async def look(self) -> None:
        """Lets a moment pass."""
        now = asyncio.get_running_loop().time()
        while self._going and self._going[0][0] <= now:
            os.write(self._fd, self._going.popleft()[1])
        try:
            data = os.read(self._fd, 65_536)
            self.ended = not data
        except BlockingIOError:
            data = b""
        except OSError:
            self.ended, data = True, b""
        if data:
            self._coming.append((now + self._delay, data))
        while self._coming and self._coming[0][0] <= now:
            self._draw(self._coming.popleft()[1])
        await asyncio.sleep(_STEP)

    def _draw(self, data: bytes) -> None:
        self.raw += data
        first, *others = data.split(b"\x1b[6n")
        self._stream.feed(first)
        for part in others:
            if self._answers:
                cursor = self._screen.cursor
                self.press(f"\x1b[{cursor.y + 1};{cursor.x + 1}R")
            self._stream.feed(part)

    async def status(self) -> int:
        """The exit status, once it has ended."""
        while not self.ended or self._coming:
            await self.look()
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        return status

    def hang_up(self) -> None:
        """The window is closed."""
        os.close(self._fd)
        self._fd = -1

    def close(self) -> None:
        """Whatever it does."""
        if self._fd >= 0:
            os.close(self._fd)
        if self.pid:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)

"""Whoever acts at the other side: commands, or somebody at this terminal."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from simp_proto.address import Address, format_address
from simp_proto.conformance.wire import NotRunError, Request
from simp_proto.printable import printable

_COMMAND_TIME: Final = 60.0
"""Seconds after which a command that hasn't ended is killed."""
_MOMENT: Final = 0.2
"""Seconds that a client gets to show what there is to act on, before a command acts."""
_MOST_SAID: Final = 65_536
"""Bytes that are read of what a command prints."""
_NOT_FOUND: Final = (126, 127)
"""Exit statuses of a shell that couldn't run the command at all."""
_TICK: Final = 0.2
"""Seconds after which a waiting thread looks whether anything has moved."""


class Hands:
    """Who acts at the other side: a command for an action, or else whoever sits at this terminal, if anybody does."""

    def __init__(self, commands: Mapping[Request, str], *, terminal: bool) -> None:
        self.commands = commands
        self._terminal = _Terminal() if terminal else None
        self.actions = frozenset(Request) - {Request.SEE} if terminal else frozenset(commands)
        self.restarts = Request.RESTART in commands

    def asks(self, actions: Iterable[Request]) -> bool:
        """Whether somebody at this terminal will have to do any of that."""
        return self._terminal is not None and not self.commands.keys() >= set(actions)

    def act(self, action: Request, text: str, address: Address, moved: Callable[[], bool] | None) -> str:
        """Has it done. What went wrong, or nothing; raises `NotRunError` where nobody can do it.

        `moved` says whether the daemon has sent something new, where that shows that it is done.
        """
        if action in self.commands:
            time.sleep(_MOMENT)
            try:
                return _run(self.commands[action], text, address)
            except NotRunError as error:
                raise NotRunError(f"{action.option} {error}") from None
        if self._terminal is None:
            raise NotRunError(action.in_want)
        asked = action.in_words(text) if len(text) < 40 else f"{action.value}:\n{text}\n"
        where = f" at {format_address(address)}" if action is Request.CALL else ""
        return self._terminal.ask(f"{asked}{where}", None if action is Request.RESTART else moved)


def _run(command: str, text: str, address: Address) -> str:
    """What went wrong, or nothing. What the command leaves running, such as a daemon, goes on."""
    environment = os.environ | {"SIMP_TEXT": text, "SIMP_HOST": address[0], "SIMP_PORT": str(address[1])}
    with tempfile.TemporaryFile() as errors:  # no pipe, which would stay open as long as anything runs
        process = subprocess.Popen(
            command,
            shell=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        try:
            status = process.wait(_COMMAND_TIME)
        except subprocess.TimeoutExpired:
            _end(process)
            return f"{command!r} had not ended after {_COMMAND_TIME:g} s"
        except KeyboardInterrupt:
            _end(process)
            raise
        errors.seek(0)
        said = _last_line(errors.read(_MOST_SAID))
    if status in _NOT_FOUND:
        raise NotRunError(f"{command!r} can't be run: {said}")
    return f"{command!r} ended with status {status}: {said}" if status else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a command that hangs, and what it has started."""
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(data: bytes) -> str:
    lines = data.decode("utf-8", "backslashreplace").strip().splitlines()
    return printable(lines[-1]) if lines else "it said nothing"


class _Terminal:
    """Somebody at this terminal, who is told what to do at the other side, and presses Enter when it is done."""

    def __init__(self) -> None:
        self._lines = 0
        self._ended = False
        self._news = threading.Condition()
        self._reader: threading.Thread | None = None

    def ask(self, what: str, moved: Callable[[], bool] | None) -> str:
        """Returns when the daemon has done something new since that was asked for, or at Enter."""
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
            self._reader.start()
        done = "press Enter here when that is done" if moved is None else "Enter, if it is done and nothing happens"
        print(f"  At the other side, {what} ({done}).", file=sys.stderr, flush=True)
        with self._news:
            before = self._lines
            while self._lines == before:
                if self._ended:
                    raise NotRunError("the input has ended: nobody can say that it is done")
                if moved is not None and moved():
                    break
                self._news.wait(_TICK)
        return ""

    def _read(self) -> None:
        for _ in iter(sys.stdin.readline, ""):
            with self._news:
                self._lines += 1
                self._news.notify()
        with self._news:
            self._ended = True
            self._news.notify()

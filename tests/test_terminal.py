"""The client at a pseudo terminal, with a scripted daemon."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

import pytest

from tests.scripted_daemon import PATIENCE, ScriptedDaemon
from tests.test_pipe import CLIENT

pexpect = pytest.importorskip("pexpect", reason="pseudo terminals need pexpect, which Windows doesn't have")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals of this kind")


class Screen:
    """A running client, and what a person does at it."""

    def __init__(self, port: int, *options: str) -> None:
        self._child = pexpect.spawn(
            CLIENT[0],
            [*CLIENT[1:], "127.0.0.1", "--client-port", str(port), *options],
            env={**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "PYTHONIOENCODING": "utf-8"},
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(24, 100),
        )

    def press(self, keys: str) -> None:
        """Presses these; `\\r` is Enter."""
        self._child.send(keys)

    async def see(self, words: str) -> None:
        """Waits until these come by on the screen."""
        await asyncio.to_thread(self._child.expect_exact, words)

    async def status(self) -> int | None:
        """The exit status, once it has ended."""
        await asyncio.to_thread(self._child.expect_exact, pexpect.EOF)
        await asyncio.to_thread(self._child.wait)
        return int(self._child.exitstatus) if self._child.exitstatus is not None else None

    def close(self) -> None:
        self._child.close(force=True)


def run(script: Callable[[ScriptedDaemon, Screen], Awaitable[None]], *options: str) -> None:
    """Starts daemon and client, and follows the script."""

    async def both() -> None:
        async with ScriptedDaemon() as daemon:
            screen = Screen(daemon.port, *options)
            try:
                await script(daemon, screen)
            finally:
                screen.close()

    asyncio.run(both())


async def _chat(daemon: ScriptedDaemon, screen: Screen) -> None:
    await daemon.attach("alice")
    await daemon.take_call("127.0.0.2", "bob")
    await screen.see("You are in a chat with bob")
    await screen.see("alice:")


def test_a_message_that_arrives_leaves_a_half_typed_line_whole() -> None:
    async def script(daemon: ScriptedDaemon, screen: Screen) -> None:
        await _chat(daemon, screen)
        screen.press("half a ")
        await screen.see("half a")
        await daemon.say("CHAT|bob|interrupting \\x1b[31m")
        await screen.see("bob:")
        await screen.see(" interrupting \\x1b[31m")
        await screen.see("half a")
        screen.press("line\r")
        await daemon.hear("CHAT|half a line")
        await daemon.say("ACK|1")

    run(script, "--user", "alice", "--call", "127.0.0.2")


def test_a_whole_evening() -> None:
    async def script(daemon: ScriptedDaemon, screen: Screen) -> None:
        await screen.see("Your name:")
        screen.press("alice\r")
        await daemon.attach("alice")
        await screen.see("q quit:")
        screen.press("1\r")
        await screen.see("IP:port?")
        screen.press("127.0.0.2\r")
        await daemon.hear("CONNECTING|127.0.0.2")
        await daemon.say("RINGING|daemon|127.0.0.2:7777")
        await screen.see("Ringing at 127.0.0.2:7777.")
        await daemon.say("CONNECTED|bob|127.0.0.2:7777")
        await screen.see("You are in a chat with bob")
        screen.press("hi\r")
        await daemon.hear("CHAT|hi")
        await daemon.say("ACK|1", "QUIT|bob")
        await screen.see("bob (127.0.0.2:7777) left")
        await screen.see("q quit:")
        screen.press("q\r")
        await daemon.end()
        assert await screen.status() == 0

    run(script)


def test_what_is_asked_after_30_seconds_takes_no_answer() -> None:
    async def script(daemon: ScriptedDaemon, screen: Screen) -> None:
        await _chat(daemon, screen)
        screen.press("not yet")
        await screen.see("not yet")
        await daemon.say("UNANSWERED|bob|30")
        await screen.see("* Still no answer from bob: keep waiting, or q to quit")
        screen.press(" sent\r")
        await daemon.hear("CHAT|not yet sent")

    run(script, "--user", "alice", "--call", "127.0.0.2")


def test_pasted_lines_are_one_message() -> None:
    async def script(daemon: ScriptedDaemon, screen: Screen) -> None:
        await _chat(daemon, screen)
        screen.press("\x1b[200~one\ntwo\x1b[201~")
        await screen.see("two")
        screen.press("\r")
        await daemon.hear(r"CHAT|one\ntwo")

    run(script, "--user", "alice", "--call", "127.0.0.2")


@pytest.mark.parametrize(("key", "status"), [("\x03", 130), ("\x04", 0)])
def test_ctrl_c_and_ctrl_d_leave_politely(key: str, status: int) -> None:
    async def script(daemon: ScriptedDaemon, screen: Screen) -> None:
        await _chat(daemon, screen)
        screen.press(key)
        await daemon.end()
        assert await screen.status() == status

    run(script, "--user", "alice", "--call", "127.0.0.2")


def test_a_lost_daemon_is_one_line() -> None:
    async def script(daemon: ScriptedDaemon, screen: Screen) -> None:
        await _chat(daemon, screen)
        await daemon.hang_up()
        await screen.see("The daemon is gone.")
        assert await screen.status() == 1

    run(script, "--user", "alice", "--call", "127.0.0.2")

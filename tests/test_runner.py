"""A run of the client: a scripted daemon at one end and a scripted person at the other."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from simp_client import link
from simp_client import runner as runner_module
from simp_client.dialogue import Dialogue
from simp_client.link import NoDaemonError
from simp_client.prompt import Ask
from simp_client.runner import Runner, converse
from simp_client.view import Text, plain
from simp_proto.cli.exit_status import ExitStatus
from simp_proto.constants import MAX_DAEMON_LINE_SIZE
from tests.scripted_daemon import PATIENCE, ScriptedDaemon


class Paper:
    """A front that writes down what is shown, and whose person is the test."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.deaf = False
        self._runner: asyncio.Future[Runner] = asyncio.get_running_loop().create_future()
        self._news = asyncio.Event()

    def show(self, texts: list[Text | Ask]) -> None:
        """Writes them down, unless it is deaf."""
        self.shown += [text.words if isinstance(text, Ask) else plain(text) for text in texts]
        self._news.set()
        if self.deaf and texts:
            self.deaf = False
            raise BrokenPipeError

    async def run(self, runner: Runner) -> None:
        """Lets the test type."""
        self._runner.set_result(runner)
        await asyncio.Event().wait()

    async def runner(self) -> Runner:
        """The runner, once there is one."""
        return await asyncio.wait_for(asyncio.shield(self._runner), PATIENCE)

    async def type(self, *lines: str) -> None:
        """The person types these."""
        for line in lines:
            (await self.runner()).type_line(line)

    async def see(self, words: str) -> None:
        """Fails unless these words are shown in the end."""
        while not any(words in text for text in self.shown):
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), PATIENCE)


def talk(script: Callable[[ScriptedDaemon, Paper], Awaitable[None]]) -> tuple[int, list[str]]:
    """The exit status, and what was shown."""

    async def both() -> tuple[int, list[str]]:
        async with ScriptedDaemon() as daemon:
            paper = Paper()
            dialogue = Dialogue("alice", piped=True, commands=True)
            conversation = asyncio.ensure_future(converse(("127.0.0.1", daemon.port), dialogue, paper))
            await script(daemon, paper)
            return await asyncio.wait_for(conversation, PATIENCE), paper.shown

    return asyncio.run(both())


def test_whoever_says_nothing_is_no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CONNECT_TIMEOUT", 0.1)

    async def script(daemon: ScriptedDaemon, _: Paper) -> None:
        await daemon.hear("CONNECT|alice", "WHO|", "PING|")

    status, shown = talk(script)
    assert status == ExitStatus.FAILURE
    (told,) = (line for line in shown if line.startswith("!"))
    assert "the connection was taken, and nothing said for 0.1 s" in told


def test_a_person_who_thinks_of_a_name_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "THINKING", 0.0)

    async def both() -> int:
        async with ScriptedDaemon() as daemon:
            paper = Paper()
            conversation = asyncio.ensure_future(converse(("127.0.0.1", daemon.port), Dialogue(), paper))
            await daemon.hear("PING|")
            await daemon.say("PONG|")
            await paper.type("alice")
            await daemon.attach("alice")
            await paper.type("q")
            await daemon.end()
            return await asyncio.wait_for(conversation, PATIENCE)

    assert asyncio.run(both()) == ExitStatus.SUCCESS


@pytest.mark.parametrize(("line", "heard"), [("QUIT|bob", "b'QUIT|\\\\n'"), ("", "b'QUIT|\\\\n'")])
def test_the_scripted_daemon_notices_what_was_not_said(line: str, heard: str) -> None:
    async def script(daemon: ScriptedDaemon, paper: Paper) -> None:
        await daemon.attach("alice")
        await paper.type("q")
        await daemon.say("QUIT|")
        await (daemon.hear(line) if line else daemon.hear_end())

    with pytest.raises(AssertionError, match=f"heard {heard}, expected"):
        talk(script)


def test_a_whole_conversation() -> None:
    async def script(daemon: ScriptedDaemon, paper: Paper) -> None:
        await daemon.attach("alice")
        await paper.type("127.0.0.2")
        await daemon.take_call("127.0.0.2", "bob")
        await paper.type(r"a|b\c")
        await daemon.hear(r"CHAT|a|b\\c")
        await daemon.say("ACK|1", r"CHAT|bob|x|y\\n")
        await paper.see(r"bob: x|y\n")
        await paper.type("q")
        await daemon.hear("QUIT|127.0.0.2:7777", "PING|")
        await daemon.say("QUIT|bob", "PONG|")
        await paper.type("q")
        await daemon.end()

    assert talk(script)[0] == 0


def test_a_line_cut_into_pieces_is_one_line() -> None:
    async def script(daemon: ScriptedDaemon, paper: Paper) -> None:
        await daemon.attach("alice")
        await daemon.write(b"CHAT|bob|one\r\nCHAT|bob|ha")
        await paper.see("bob: one")
        await daemon.write(b"lf\n")
        await paper.see("bob: half")
        await paper.type("q")
        await daemon.end()

    talk(script)


def test_lines_that_are_none_are_ignored() -> None:
    async def script(daemon: ScriptedDaemon, paper: Paper) -> None:
        await daemon.say("HELLO|future", b"\xff\xfe", "", "CHAT", b"CHAT|bob|\xff", "CONNECTING|bob|127.0.0.2:7777")
        await daemon.attach("alice")
        await paper.see("bob (127.0.0.2:7777) wants to chat")
        await paper.type("q")
        await daemon.end()

    status, shown = talk(script)
    assert (status, shown) == (0, ["bob (127.0.0.2:7777) wants to chat. Accept? (y/n)"])


def test_a_line_without_end_is_the_end() -> None:
    async def script(daemon: ScriptedDaemon, paper: Paper) -> None:
        await daemon.attach("alice")
        await daemon.say(b"CHAT|bob|" + b"x" * MAX_DAEMON_LINE_SIZE)
        await paper.see("The daemon is gone")

    assert talk(script)[0] == 1


def test_a_daemon_that_vanishes_is_told() -> None:
    async def script(daemon: ScriptedDaemon, paper: Paper) -> None:
        await daemon.attach("alice")
        await daemon.hang_up()

    status, shown = talk(script)
    assert status == 1
    assert shown[-1].startswith("! The daemon is gone.")


def test_a_daemon_that_does_not_say_goodbye_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "GOODBYE_TIMEOUT", 0.01)

    async def script(daemon: ScriptedDaemon, paper: Paper) -> None:
        await daemon.attach("alice")
        await paper.type("q")
        await daemon.hear("QUIT|")
        await daemon.hear_end()

    assert talk(script)[0] == 0


def test_an_interrupt_leaves_politely() -> None:
    async def script(daemon: ScriptedDaemon, paper: Paper) -> None:
        await daemon.attach("alice")
        (await paper.runner()).interrupt()
        await daemon.end()

    assert talk(script)[0] == ExitStatus.INTERRUPTED


def test_a_cancelled_conversation_leaves_politely() -> None:
    async def both() -> int:
        async with ScriptedDaemon() as daemon:
            paper = Paper()
            conversation = asyncio.ensure_future(converse(("127.0.0.1", daemon.port), Dialogue("alice"), paper))
            await daemon.attach("alice")
            await paper.runner()
            conversation.cancel()
            await daemon.end()
            return await asyncio.wait_for(conversation, PATIENCE)

    assert asyncio.run(both()) == ExitStatus.INTERRUPTED


def test_a_front_that_nobody_reads_ends_the_conversation() -> None:
    async def script(daemon: ScriptedDaemon, paper: Paper) -> None:
        await daemon.attach("alice")
        await paper.see("Call whom?")
        paper.deaf = True
        await paper.type("?")
        await daemon.end()

    assert talk(script)[0] == 1


def test_a_front_that_fails_is_no_silence() -> None:
    class Broken(Paper):
        async def run(self, runner: Runner) -> None:
            raise ZeroDivisionError

    async def both() -> None:
        async with ScriptedDaemon() as daemon:
            await asyncio.wait_for(converse(("127.0.0.1", daemon.port), Dialogue("alice"), Broken()), PATIENCE)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(both())


def test_no_daemon_is_one_line_that_helps() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        port = taken.getsockname()[1]

        async def call() -> None:
            await converse(("127.0.0.1", port), Dialogue("alice"), Paper())

        with pytest.raises(NoDaemonError) as caught:
            asyncio.run(call())
    assert str(caught.value).startswith(
        f"No daemon at 127.0.0.1:{port} (connection refused). Start one with: simp daemon"
    )

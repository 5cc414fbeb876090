"""The scripts of spec/examples, each at a real daemon."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from simp_client import Ended, Fate, Said
from simp_daemon.loop import Daemon
from simp_proto.address import format_address
from tests.scripted_daemon import PATIENCE, ScriptedDaemon
from tests.test_api import at_a_daemon, heard, requested, run
from tests.test_guide import blocks
from tests.test_loop import free_address

EXAMPLES = Path(__file__).parent.parent / "spec" / "examples"
GUIDE = EXAMPLES.parent / "guide"


@asynccontextmanager
async def running(script: str, *arguments: str) -> AsyncIterator[Process]:
    """The script, which is ended if it doesn't end by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", EXAMPLES / script, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def at_own_daemon(script: str) -> AsyncIterator[tuple[Process, str]]:
    """The script at a daemon, and the address to call it at."""
    async with Daemon(free_address(), 0) as daemon, running(script, format_address(daemon.client_address)) as process:
        yield process, format_address(daemon.address)


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {"echo_bot.py", "logger.py", "notifier.py"}


def test_the_echo_bot_answers_one_caller_after_the_other() -> None:
    async def scenario() -> None:
        async with at_own_daemon("echo_bot.py") as (process, bot), at_a_daemon("alice") as (alice, _):
            for text in ("hello", "grüße | \x1b\n"):
                assert (await alice.call(bot)).name == "echo"
                assert await alice.say(text) is Fate.ACKNOWLEDGED
                while not isinstance(event := await alice.next_event(), Said):
                    pass
                assert event == Said("echo", f"you said: {text}")
                await alice.leave()
            await alice.call(bot)
            process.terminate()
            while not isinstance(event, Ended):
                event = await alice.next_event()

    run(scenario)


def test_the_bot_of_the_guide_survives_whoever_leaves_and_ends_with_a_line() -> None:
    async def scenario() -> None:
        async with ScriptedDaemon() as daemon:
            program = blocks(GUIDE / "scripting.md", "python")[0]
            program = program.replace('connect("echo")', f'connect("echo", "127.0.0.1:{daemon.port}")')
            process = await asyncio.create_subprocess_exec(sys.executable, "-W", "error", "-c", program, stderr=PIPE)
            await daemon.attach("echo")
            call, accepted = "CONNECTING|alice|127.0.0.1:7777", "CONNECTED|127.0.0.1:7777"
            await daemon.say(call)
            await daemon.hear(accepted)
            await daemon.say("QUIT|alice", call)  # she takes it back, and calls again
            await daemon.hear(accepted)
            await daemon.say("CONNECTED|alice|127.0.0.1:7777", "CHAT|alice|bye\nQUIT|alice", call)
            await daemon.hear(accepted)
            await daemon.say("CONNECTED|alice|127.0.0.1:7777", "CHAT|alice|hello")
            await daemon.hear("CHAT|hello")
            await daemon.hang_up()
            _, errors = await process.communicate()
            assert errors.decode().splitlines()[0].startswith("The daemon is gone. Start it again with: ")
            assert (process.returncode, len(errors.splitlines())) == (1, 1)

    run(scenario)


def test_the_logger_writes_a_line_of_json_for_each_event() -> None:
    async def scenario() -> None:
        async with at_own_daemon("logger.py") as (process, logger), at_a_daemon("alice") as (alice, address):
            await alice.call(logger)
            await alice.say('"\x1b[2J\n')
            await alice.leave()
            assert process.stdout
            records: list[dict[str, Any]] = []
            while len(records) < 3:
                line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
                assert b"\x1b" not in line
                records += [each for each in [json.loads(line)] if each["event"] not in ("Seen", "Gone")]
            assert [sorted(record) for record in records] == [
                ["event", "other", "time"],
                ["event", "name", "text", "time"],
                ["event", "lost", "other", "time"],
            ]
            other = {"name": "alice", "address": address, "secured": None, "logged": False}
            assert [(record["event"], record.get("other", record.get("text"))) for record in records] == [
                ("Requested", other),
                ("Said", '"\x1b[2J\n'),
                ("Ended", other),
            ]

    run(scenario)


async def notify(process: Process, text: str) -> tuple[int | None, str]:
    """The exit status and what it says on its standard error, when given that text."""
    _, errors = await asyncio.wait_for(process.communicate(text.encode()), PATIENCE)
    return process.returncode, errors.decode()


def test_the_notifier_sends_lines_and_leaves() -> None:
    async def scenario() -> None:
        async with (
            Daemon(free_address(), 0) as daemon,
            at_a_daemon("bob") as (bob, here),
            running("notifier.py", here, "--daemon", format_address(daemon.client_address)) as process,
        ):
            result = asyncio.ensure_future(notify(process, "one\n\ntwo | grüße"))
            await bob.accept(await requested(bob))
            assert await heard(bob) == Said("notifier", "one")
            assert await heard(bob) == Said("notifier", "two | grüße")
            assert isinstance(await heard(bob), Ended)
            assert await result == (0, "")

    run(scenario)


async def _declined(daemon: ScriptedDaemon) -> None:
    await daemon.attach("notifier")
    await daemon.hear("CONNECTING|127.0.0.2")
    await daemon.say("QUIT|bob")


async def _unanswered(daemon: ScriptedDaemon) -> None:
    await daemon.attach("notifier")
    await daemon.hear("CONNECTING|127.0.0.2", "QUIT|127.0.0.2", "PING|")


async def _undelivered(daemon: ScriptedDaemon) -> None:
    await daemon.attach("notifier")
    await daemon.take_call("127.0.0.2", "bob")
    await daemon.hear("CHAT|one")
    await daemon.say("UNDELIVERED|1")
    await daemon.hear("CHAT|two")
    await daemon.say("ACK|2")
    await daemon.hear("QUIT|127.0.0.2:7777", "PING|")
    await daemon.say("QUIT|bob", "PONG|")


async def _gone(daemon: ScriptedDaemon) -> None:
    await daemon.hang_up()


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        (_declined, 4, "No chat with 127.0.0.2"),
        (_unanswered, 3, "Nobody answered."),
        (_undelivered, 1, "not delivered: 'one'\n"),
        (_gone, 6, "The daemon is gone"),
    ],
)
def test_the_notifier_reports_what_went_wrong(
    script: Callable[[ScriptedDaemon], Awaitable[None]], status: int, words: str
) -> None:
    async def scenario() -> None:
        async with ScriptedDaemon() as daemon:
            patience = "0.1" if status == 3 else "60"
            here = f"127.0.0.1:{daemon.port}"
            async with running("notifier.py", "127.0.0.2", "--daemon", here, "--patience", patience) as process:
                result = asyncio.ensure_future(notify(process, "one\ntwo\n"))
                await script(daemon)
                if script is not _gone:
                    await daemon.end()
                code, errors = await result
                assert code == status
                assert errors.startswith(words)
                assert "Traceback" not in errors

    run(scenario)

"""The client behind a pipe: its reading of lines, then real processes with a scripted daemon."""

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from simp_client.dialogue import WINDOW
from simp_client.pipe import LONGEST, read_lines
from simp_proto.constants import MAX_MESSAGE_SIZE
from tests.scripted_daemon import PATIENCE, ScriptedDaemon

CLIENT = [sys.executable, "-W", "error", "-c", "from simp_client.command import client; client()"]
ENVIRONMENT = {**os.environ, "PYTHONIOENCODING": "utf-8"}


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\n\nb", ["a", "", "b"]),
        (b"\xff\n", ["\udcff"]),
        ("é\n".encode(), ["é"]),
        (b"x" * 2 * LONGEST + b"\ny\n", ["x" * LONGEST, "y"]),
    ],
)
def test_read_lines(tmp_path: Path, data: bytes, lines: list[str]) -> None:
    path = tmp_path / "input"
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert list(read_lines(descriptor)) == lines
    finally:
        os.close(descriptor)


NOBODY = "* Nobody else is here yet. Wait, or call an IP address; `simp doctor` looks for what is in the way."


class Client:
    """A running `simp client` between two pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self.input, self.output, self.errors = process.stdin, process.stdout, process.stderr

    def type(self, data: str | bytes) -> None:
        """Puts that into the pipe."""
        self.input.write(data if isinstance(data, bytes) else data.encode())

    async def see(self, *lines: str) -> None:
        """Fails unless exactly these lines come out next: messages, or what the standard error stream gets."""
        for line in lines:
            stream = self.errors if line.startswith(("*", "!")) or line.endswith((":", "?", ")")) else self.output
            assert (await asyncio.wait_for(stream.readline(), PATIENCE)).decode().removesuffix(os.linesep) == line

    async def see_unsent(self, first: int, last: int, why: str) -> None:
        """Fails unless it says that of the lines with these numbers, the first of which it may have read before."""
        lines = [line for line in (await self.errors.read()).decode().splitlines() if line.startswith("! not sent")]
        if lines[0] == f"! not sent: '{first}': {why}":
            first, lines = first + 1, lines[1:]
        assert lines == [f"! not sent: {last + 1 - first} lines, from '{first}' on: {why}"]

    async def status(self) -> int:
        """The exit status, once it has ended and has nothing more to say than where it is."""
        output, errors = [await asyncio.wait_for(stream.read(), PATIENCE) for stream in (self.output, self.errors)]
        assert [line for line in (output + errors).splitlines() if not line.startswith((b"* ", b"Call whom"))] == []
        return await asyncio.wait_for(self.process.wait(), PATIENCE)


def run(script: Callable[[ScriptedDaemon, Client], Awaitable[None]], *options: str) -> None:
    """Starts daemon and client, and follows the script."""

    async def both() -> None:
        async with ScriptedDaemon() as daemon:
            command = [*CLIENT, "127.0.0.1", "--client-port", str(daemon.port), *options]
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=ENVIRONMENT
            )
            try:
                await script(daemon, Client(process))
            finally:
                if process.returncode is None:
                    process.kill()
                await process.communicate()

    asyncio.run(both())


def test_everything_typed_ahead_is_used_in_its_place() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        client.type("alice\n127.0.0.2\nhello\nq\n")
        client.input.close()
        await client.see("Your name (ASCII):")
        await daemon.attach("alice")
        await client.see(NOBODY, "Call whom?")
        await client.see("* Calling 127.0.0.2. q cancels.")
        await daemon.take_call("127.0.0.2", "bob")
        await client.see("* You are in a chat with bob (127.0.0.2:7777). q leaves, ? helps.")
        await daemon.hear("CHAT|hello", "QUIT|127.0.0.2:7777", "PING|")
        await client.see("* You left bob. Another q ends the program.")
        await daemon.say("QUIT|bob", "PONG|", "ACK|1")
        await daemon.end()
        assert await client.status() == 0

    run(script, "--commands")


@pytest.mark.slow
def test_a_driver_can_wait_for_each_question_and_event() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        await daemon.attach("bob")
        await client.see(NOBODY, "Call whom?")
        await daemon.say("CONNECTING|alice|127.0.0.1:7777")
        await client.see("alice (127.0.0.1:7777) wants to chat. Accept? (y/n)")
        client.type("maybe\n")
        await client.see("! read 'maybe', expected y to accept, n to decline, or q to quit")
        await client.see("alice (127.0.0.1:7777) wants to chat. Accept? (y/n)")
        client.type("y\n")
        await daemon.hear("CONNECTED|127.0.0.1:7777")
        await daemon.say("CONNECTED|alice|127.0.0.1:7777", "CHAT|alice|hi\\x1b[31m ü")
        await client.see("* You are in a chat with alice (127.0.0.1:7777). q leaves, ? helps.")
        await client.see("alice: hi\\x1b[31m ü")
        client.type("q\nq\n")
        await daemon.hear("QUIT|127.0.0.1:7777", "PING|", "QUIT|")
        await daemon.say("QUIT|alice", "PONG|", "QUIT|")
        await client.see("* You left alice. Another q ends the program.")
        assert await client.status() == 0

    run(script, "--user", "bob", "--commands")


def test_a_file_passes_with_a_bounded_number_in_flight() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        count = 3 * WINDOW
        client.type("".join(f"{number}\n" for number in range(1, count + 1)))
        client.input.close()
        await daemon.attach("alice")
        await daemon.take_call("127.0.0.2", "bob")
        await client.see("* Calling 127.0.0.2.", "* You are in a chat with bob (127.0.0.2:7777).")
        await daemon.hear(*(f"CHAT|{number}" for number in range(1, WINDOW + 1)))
        await daemon.say("PONG|")
        await daemon.say("ACK|1")
        await daemon.hear(f"CHAT|{WINDOW + 1}")
        await daemon.say(*(f"ACK|{number}" for number in range(2, WINDOW + 2)))
        for number in range(WINDOW + 2, count + 1):
            await daemon.hear(f"CHAT|{number}")
            await daemon.say(f"ACK|{number}")
        await daemon.end()
        assert await client.status() == 0

    run(script, "--user", "alice", "--call", "127.0.0.2")


def test_what_cannot_be_sent_is_told_and_the_rest_sent() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        await daemon.attach("alice")
        await daemon.take_call("127.0.0.2", "bob")
        await client.see("* Calling 127.0.0.2.")
        await client.see("* You are in a chat with bob (127.0.0.2:7777).")
        client.type(b"\xffx\n" + b"y" * (MAX_MESSAGE_SIZE + 1) + b"\nlast\n")
        client.input.close()
        await client.see(r"! not sent: '\xffx': read the byte 0xff at character 1, expected UTF-8")
        await client.see(
            f"! not sent: '{'y' * 60}…': it is longer than {MAX_MESSAGE_SIZE} bytes of UTF-8; send it in parts"
        )
        await daemon.hear("CHAT|last")
        await daemon.say("ACK|1")
        await daemon.end()
        assert await client.status() == 1

    run(script, "--user", "alice", "--call", "127.0.0.2")


@pytest.mark.slow
def test_a_failed_call_is_a_failure() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        await daemon.attach("alice")
        await daemon.hear("CONNECTING|127.0.0.2")
        await daemon.say("ERROR|User already in another chat", "QUIT|bob")
        await client.see("* Calling 127.0.0.2.", "* 127.0.0.2 is in another chat.")
        await daemon.end()
        assert await client.status() == 1

    run(script, "--user", "alice", "--call", "127.0.0.2")


def test_lines_that_the_end_of_the_chat_left_over_are_named_or_counted() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        client.type("".join(f"{number}\n" for number in range(1, 501)))
        client.input.close()
        await daemon.attach("alice")
        await daemon.take_call("127.0.0.2", "bob")
        await client.see("* Calling 127.0.0.2.", "* You are in a chat with bob (127.0.0.2:7777).")
        await daemon.hear(*(f"CHAT|{number}" for number in range(1, WINDOW + 1)))
        await daemon.say(*(f"ACK|{number}" for number in range(1, 21)))
        await daemon.hear(*(f"CHAT|{number}" for number in range(WINDOW + 1, WINDOW + 21)))
        await daemon.say("QUIT|bob", *["ERROR|no chat is on; call somebody first"] * 3)
        await daemon.end()
        await client.see(*(f"! not delivered: '{number}'" for number in range(21, WINDOW + 21)))
        await client.see("* bob (127.0.0.2:7777) left; the chat is over.")
        await client.see_unsent(WINDOW + 21, 500, "the chat is over")
        assert await client.status() == 1

    run(script, "--user", "alice", "--call", "127.0.0.2")


@pytest.mark.slow
@pytest.mark.parametrize("left", ["", "4\n5\n"])
def test_an_input_that_outlives_its_chat_is_a_failure(left: str) -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        client.type("1\n")
        await daemon.attach("alice")
        await daemon.take_call("127.0.0.2", "bob")
        await client.see("* Calling 127.0.0.2.", "* You are in a chat with bob (127.0.0.2:7777).")
        await daemon.hear("CHAT|1")
        await daemon.say("ACK|1", "QUIT|bob")
        await client.see("* bob (127.0.0.2:7777) left; the chat is over.")
        client.type(left)
        await daemon.end()
        counted = "! not sent: 2 lines and whatever follows, from '4' on: the chat is over"
        await client.see(counted if left else "! The chat ended before the input did; what follows is not sent.")
        assert await client.status() == 1

    run(script, "--user", "alice", "--call", "127.0.0.2")


def test_what_is_left_when_the_daemon_is_lost_is_counted() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        client.type("1\n2\n3\n")
        client.input.close()
        await daemon.attach("alice")
        await daemon.hear("CONNECTING|127.0.0.2")
        await client.see("* Calling 127.0.0.2.")
        await daemon.hang_up()
        await client.see_unsent(1, 3, "the daemon is gone")
        assert await client.status() == 1

    run(script, "--user", "alice", "--call", "127.0.0.2")


@pytest.mark.slow
def test_a_call_that_fails_takes_all_of_the_input_along() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        client.type("one\ntwo\nthree\nfour\n")
        client.input.close()
        await daemon.attach("alice")
        await daemon.hear("CONNECTING|127.0.0.2", "QUIT|127.0.0.2", "PING|")
        await daemon.say("QUIT|127.0.0.2:7777", "PONG|")
        await daemon.end()
        await client.see("* Calling 127.0.0.2.")
        await client.see(
            "! 127.0.0.2 didn't answer within 0.2 s, so the call was cancelled "
            "(--wait sets how long; `simp doctor 127.0.0.2` finds out why)."
        )
        await client.see("! not sent: 'one': nobody answered the call")
        await client.see("! not sent: 3 lines, from 'two' on: nobody answered the call")
        assert await client.status() == 1

    run(script, "--user", "alice", "--call", "127.0.0.2", "--wait", "0.2")


def test_whoever_drives_the_client_and_quits_leaves_nothing_unsaid() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        await daemon.attach("alice")
        await client.see(NOBODY, "Call whom?")
        client.type("q\nq\nwhatever\n")
        client.input.close()
        await daemon.end()
        assert await client.status() == 0

    run(script, "--user", "alice", "--commands")


def test_a_name_is_called_when_it_comes() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        client.type("Lunch?\n")
        client.input.close()
        await daemon.attach("alice")
        await daemon.hear("CONNECTING|bob")
        await daemon.say("ERROR|nobody", "QUIT|bob")
        await client.see("* Calling bob.", "! nobody")
        await client.see("* bob isn't here yet; will be called on arrival, within 60 s. `simp who` lists who is.")
        await daemon.say("SEEN|bob|127.0.0.2:7777|announced|0")
        await daemon.hear("CONNECTING|bob")
        await daemon.say("CONNECTED|bob|127.0.0.2:7777")
        await daemon.hear("CHAT|Lunch?")
        await daemon.say("ACK|1")
        await daemon.end()
        assert await client.status() == 0

    run(script, "--user", "alice", "--call", "bob")


@pytest.mark.slow
def test_a_name_that_does_not_come_is_given_up() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        client.type("Lunch?\n")
        await daemon.attach("alice")
        await daemon.hear("CONNECTING|bob")
        await daemon.say("ERROR|nobody", "QUIT|bob")
        await client.see("* Calling bob.", "! nobody")
        await client.see("* bob isn't here yet; will be called on arrival, within 0.2 s. `simp who` lists who is.")
        await daemon.end()
        gone = "so nobody was called (--wait sets how long; `simp doctor` finds out why)."
        await client.see(f"! bob wasn't seen within 0.2 s, {gone}", "! not sent: 'Lunch?': nobody was called")
        assert await client.status() == 1

    run(script, "--user", "alice", "--call", "bob", "--wait", "0.2")


@pytest.mark.slow
def test_a_lost_daemon_ends_a_client_that_blocks_on_its_input() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        await daemon.attach("alice")
        await client.see(NOBODY, "Call whom?")
        await daemon.hang_up()
        await client.see(f"! The daemon is gone. Start both again, first: simp daemon --client-port {daemon.port}")
        assert await client.status() == 1

    run(script, "--user", "alice")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals to send to a process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_politely(number: signal.Signals) -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        await daemon.attach("alice")
        await client.see(NOBODY, "Call whom?")
        client.process.send_signal(number)
        await daemon.end()
        assert await client.status() == 130

    run(script, "--user", "alice")


@pytest.mark.slow
def test_an_output_that_nobody_reads_ends_the_client() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        await daemon.attach("alice")
        await client.see(NOBODY, "Call whom?")
        reader = client.process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
        reader.close()
        await asyncio.wait_for(client.output.read(), PATIENCE)  # until it is closed indeed
        await daemon.say("CHAT|bob|are you there?")
        await client.see("! can't write to the standard output: Broken pipe")
        await daemon.end()
        assert await client.status() == 1

    run(script, "--user", "alice")


def test_messages_alone_go_to_the_standard_output_and_every_line_of_the_input_is_one() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        client.type("dear bob\n\n  q\nq\n?\n")
        client.input.close()
        await daemon.attach("alice")
        await daemon.take_call("127.0.0.2", "bob")
        await daemon.hear("CHAT|dear bob", "CHAT|", "CHAT|  q", "CHAT|q", "CHAT|?")
        await daemon.say(r"CHAT|bob|one\n* You left bob.", "ACK|1", "ACK|2", "ACK|3", "ACK|4", "ACK|5")
        await daemon.end()
        assert await client.output.read() == "bob: one\n  │ * You left bob.\n".encode()
        assert b"You are in a chat with bob (127.0.0.2:7777).\n" in await client.errors.read()
        assert await client.status() == 0

    run(script, "--user", "alice", "--call", "127.0.0.2")


@pytest.mark.slow
def test_how_a_chat_is_secured_is_one_line_and_no_message() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        await daemon.attach("alice")
        await client.see("* Calling 127.0.0.2.")
        await daemon.take_call("127.0.0.2", "bob")
        await daemon.say("SECURED|bob|127.0.0.2:7777|clear", "CHAT|bob|hello")
        await client.see("* You are in a chat with bob (127.0.0.2:7777).")
        await client.see("! In the clear: anyone on the network can read this, and write as bob.")
        await client.see("bob: hello")
        client.input.close()
        await daemon.end()
        assert await client.status() == 0

    run(script, "--user", "alice", "--call", "127.0.0.2")


@pytest.mark.slow
def test_a_call_that_nobody_answers_ends_by_itself() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        client.type("hi\n")
        client.input.close()
        await daemon.attach("alice")
        await daemon.hear("CONNECTING|127.0.0.2", "QUIT|127.0.0.2", "PING|")
        await daemon.say("QUIT|127.0.0.2:7777", "PONG|")
        await daemon.end()
        await client.see("* Calling 127.0.0.2.")
        await client.see(
            "! 127.0.0.2 didn't answer within 0.2 s, so the call was cancelled "
            "(--wait sets how long; `simp doctor 127.0.0.2` finds out why)."
        )
        await client.see("! not sent: 'hi': nobody answered the call")
        assert await client.status() == 1

    run(script, "--user", "alice", "--call", "127.0.0.2", "--wait", "0.2")


@pytest.mark.slow
def test_a_call_that_is_answered_in_time_goes_on() -> None:
    async def script(daemon: ScriptedDaemon, client: Client) -> None:
        await daemon.attach("alice")
        await daemon.take_call("127.0.0.2", "bob")
        await client.see("* Calling 127.0.0.2.", "* You are in a chat with bob (127.0.0.2:7777).")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(daemon.hear("QUIT|"), 0.6)
        client.input.close()
        await daemon.end()
        assert await client.status() == 0

    run(script, "--user", "alice", "--call", "127.0.0.2", "--wait", "0.5")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_output_that_is_full_is_told() -> None:
    async def both() -> tuple[int | None, bytes]:
        with open("/dev/full", "wb") as full:
            async with ScriptedDaemon() as daemon:
                command = [*CLIENT, "127.0.0.1", "--client-port", str(daemon.port), *("--user", "alice")]
                process = await asyncio.create_subprocess_exec(
                    *command, stdin=PIPE, stdout=full, stderr=PIPE, env=ENVIRONMENT
                )
                await daemon.attach("alice")
                await daemon.say("CONNECTED|bob|127.0.0.2:7777", "CHAT|bob|hi")
                await daemon.end()
                _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
                return process.returncode, errors

    status, errors = asyncio.run(both())
    assert (status, errors.splitlines()[-1]) == (1, b"! can't write to the standard output: No space left on device")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["nowhere"],
            "read 'nowhere', expected the IP address of your own daemon. To call somebody: simp client --call nowhere",
        ),
        (["--user", "a|b"], "read '|' in the name"),
        (["--call", ""], "read a name of 0 characters"),
        (["--call", "zo\u00eb"], "in the name, expected printable ASCII"),
        (["--client-port", "0"], "read '0', expected a whole number"),
        (["--call", "127.0.0.2"], "give --user"),
    ],
)
def test_wrong_usage_is_told(options: list[str], words: str) -> None:
    done = subprocess.run([*CLIENT, *options], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_help_reads_nothing_but_click() -> None:
    program = (
        "import sys, simp_client.command\n"
        "print(*sorted(name for name in sys.modules if name.startswith(('simp_', 'prompt_toolkit', 'asyncio'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout.split() == [
        "simp_client",
        "simp_client.command",
        "simp_proto",
        "simp_proto.address",
        "simp_proto.cli",
        "simp_proto.cli.exit_status",
        "simp_proto.cli.parameters",
        "simp_proto.constants",
        "simp_proto.errors",
        "simp_proto.udp",
    ]


def test_no_daemon_is_one_line() -> None:
    done = subprocess.run(
        [*CLIENT, "--client-port", "1"], capture_output=True, text=True, timeout=PATIENCE, check=False, input=""
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "No daemon at 127.0.0.1:1 (connection refused). Start one with: simp daemon --client-port 1\n"
    )

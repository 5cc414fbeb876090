"""The client at a pseudo terminal, with a scripted daemon."""

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.scripted_daemon import PATIENCE, ScriptedDaemon
from tests.test_pipe import CLIENT

pexpect = pytest.importorskip("pexpect", reason="pseudo terminals need pexpect, which Windows doesn't have")
if sys.platform != "win32":
    from tests import screen as far
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_whole_evening() -> None:
    async def script(daemon: ScriptedDaemon, screen: Screen) -> None:
        await screen.see("Your name (ASCII):")
        screen.press("alice\r")
        await daemon.attach("alice")
        await screen.see("Call whom?")
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
        await screen.see("Call whom?")
        screen.press("q\r")
        await daemon.end()
        assert await screen.status() == 0

    run(script)


@pytest.mark.slow
def test_what_is_asked_after_30_seconds_takes_no_answer() -> None:
    async def script(daemon: ScriptedDaemon, screen: Screen) -> None:
        await _chat(daemon, screen)
        screen.press("not yet")
        await screen.see("not yet")
        await daemon.say("UNANSWERED|bob|30")
        await screen.see("* Still no answer from bob: keep waiting, or q leaves")
        screen.press(" sent\r")
        await daemon.hear("CHAT|not yet sent")

    run(script, "--user", "alice", "--call", "127.0.0.2")


@pytest.mark.slow
def test_pasted_lines_are_one_message() -> None:
    async def script(daemon: ScriptedDaemon, screen: Screen) -> None:
        await _chat(daemon, screen)
        screen.press("\x1b[200~one\ntwo\x1b[201~")
        await screen.see("two")
        screen.press("\r")
        await daemon.hear(r"CHAT|one\ntwo")

    run(script, "--user", "alice", "--call", "127.0.0.2")


@pytest.mark.slow
@pytest.mark.parametrize(("key", "status"), [("\x03", 130), ("\x04", 0)])
def test_ctrl_c_and_ctrl_d_leave_politely(key: str, status: int) -> None:
    async def script(daemon: ScriptedDaemon, screen: Screen) -> None:
        await _chat(daemon, screen)
        screen.press(key)
        await daemon.end()
        assert await screen.status() == status

    run(script, "--user", "alice", "--call", "127.0.0.2")


@pytest.mark.slow
def test_a_lost_daemon_is_one_line() -> None:
    async def script(daemon: ScriptedDaemon, screen: Screen) -> None:
        await _chat(daemon, screen)
        await daemon.hang_up()
        await screen.see("The daemon is gone.")
        assert await screen.status() == 1

    run(script, "--user", "alice", "--call", "127.0.0.2")


# -- what is on the screen, and what was


def watch(
    script: Callable[[ScriptedDaemon, "far.Screen"], Awaitable[None]],
    *options: str,
    latency: float | None = 0.0,
    size: tuple[int, int] = (80, 24),
    term: str = "xterm",
) -> None:
    """The same, at a terminal that is as far away."""

    async def both() -> None:
        async with ScriptedDaemon() as daemon:
            arguments = ("--client-port", str(daemon.port), *options)
            screen = far.Screen(*arguments, latency=latency, size=size, term=term)
            try:
                await script(daemon, screen)
            finally:
                screen.close()

    asyncio.run(both())


CALL = ("--user", "alice", "--call", "127.0.0.2")


async def _talk(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
    meeting = asyncio.gather(daemon.attach("alice"))
    while not meeting.done():
        await screen.look()
    await daemon.take_call("127.0.0.2", "bob")
    await screen.see("You are in a chat")


async def _hear(daemon: ScriptedDaemon, screen: "far.Screen", *lines: str) -> None:
    hearing = asyncio.ensure_future(daemon.hear(*lines))
    while not hearing.done():
        await screen.look()
    await hearing


@pytest.mark.slow
@pytest.mark.parametrize("latency", [0.0, 0.05, 0.2, None])
def test_every_message_and_every_line_is_shown_once_and_in_order_at_any_latency(latency: float | None) -> None:
    messages, replies = 400, 12

    async def flood(daemon: ScriptedDaemon) -> None:
        for number in range(messages):
            await daemon.say(f"CHAT|bob|message {number}")
            await asyncio.sleep(0.005)

    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        flooding = asyncio.ensure_future(flood(daemon))
        said = 0
        looks = naked = 0
        while not flooding.done() or said < replies:
            # One at a time: three that a client which is starved of the processor finds in one read would be a paste.
            if looks % 30 == 29 and said < replies and (not said or f"alice: reply {said - 1}" in screen.lines):
                screen.press(f"reply {said}\r")
                said += 1
            await screen.look()
            looks += 1
            chatting = any(row.startswith("alice:") for row in screen.rows)
            naked += not (chatting and any("q leaves" in row for row in screen.rows))
        await screen.see(f"message {messages - 1}")
        await screen.see(f"alice: reply {replies - 1}")
        lines = screen.lines
        assert [line for line in lines if ": message" in line] == [f"bob: message {each}" for each in range(messages)]
        assert [line for line in lines if "reply" in line] == [f"alice: reply {each}" for each in range(replies)]
        assert naked <= looks / 20
        assert b"\x1b[6n" not in screen.raw
        assert screen.raw.count(b"\x1b[?2026h") == screen.raw.count(b"\x1b[?2026l") > 0  # each print is one update
        await daemon.hear(*(f"CHAT|reply {each}" for each in range(replies)))

    watch(script, *CALL, latency=latency)


@pytest.mark.slow
def test_lines_of_a_paste_are_messages_only() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        screen.press("\x1b[200~first line\nq\nthird line\n1\n10.0.0.9\x1b[201~")
        await screen.see("10.0.0.9")
        screen.press("\r")
        await _hear(daemon, screen, r"CHAT|first line\nq\nthird line\n1\n10.0.0.9")
        await screen.see("  │ 10.0.0.9")
        screen.press("one\rq\r?\rlast")  # the terminal has no brackets for it
        await screen.see("last")
        screen.press("\r")
        await _hear(daemon, screen, r"CHAT|one\nq\n?\nlast")

    watch(script, *CALL)


@pytest.mark.slow
def test_enters_in_one_read_are_kept_as_one_text_and_the_bar_says_so() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        screen.press("one\rtwo\rthree\r")
        await screen.see("Enter sends 3 lines as one message · Ctrl-C discards them")
        await daemon.say("CHAT|bob|meanwhile")
        await screen.see("bob: meanwhile")
        screen.press("\r")
        await _hear(daemon, screen, r"CHAT|one\ntwo\nthree")
        screen.press("\x1b[200~four\nfive\x1b[201~")
        await screen.see("Enter sends 2 lines")
        screen.press("\x03")
        await screen.see("q leaves")
        screen.press("six\r")
        await _hear(daemon, screen, "CHAT|six")

    watch(script, *CALL)


@pytest.mark.slow
def test_enters_on_an_empty_line_are_no_text() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        screen.press("\r\r\r\r")
        screen.press("x\r")
        await _hear(daemon, screen, "CHAT|x")
        screen.press("\r\r\rq\r")
        await _hear(daemon, screen, "QUIT|127.0.0.2:7777", "PING|")
        await daemon.say("QUIT|bob", "PONG|")
        await screen.see("Call whom?")
        screen.press("\r\r\r127.0.0.3\r")
        await _hear(daemon, screen, *["WHO|", "PING|"] * 3, "CONNECTING|127.0.0.3")

    watch(script, *CALL)


@pytest.mark.slow
def test_a_long_paste_is_sent_by_the_enter_that_the_bar_names() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        screen.press("\x1b[200~a\nb\nc\nd\ne\nf\x1b[201~")
        await screen.see("f")
        await screen.see("Enter sends 6 lines as one message")
        screen.press("g\r")
        await _hear(daemon, screen, r"CHAT|a\nb\nc\nd\ne\nfg")

    watch(script, *CALL)


@pytest.mark.slow
def test_an_answer_typed_for_one_request_accepts_no_other() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _hear(daemon, screen, "CONNECT|alice", "WHO|", "PING|")
        await daemon.say("CONNECTED|alice", "PONG|", "CONNECTING|bob|127.0.0.2:7777")
        await screen.see("Accept bob (127.0.0.2:7777)? (y/n)")
        assert sum("(y/n)" in row for row in screen.rows) == 1
        screen.press("y")
        await screen.see("Accept bob (127.0.0.2:7777)? (y/n) y")
        await daemon.say("CONNECTING|bob|127.0.0.66:7777", "QUIT|127.0.0.2:7777")
        await screen.see("127.0.0.66:7777) wants to chat")
        assert any("Accept bob (127.0.0.2:7777)? (y/n) y" in row for row in screen.rows)
        screen.press("\r")
        await screen.see("! not used: 'y'")
        await screen.see("Accept bob (127.0.0.66:7777)? (y/n)")
        screen.press("n\r")
        await _hear(daemon, screen, "QUIT|127.0.0.66:7777", "PING|")

    watch(script, "--user", "alice")


@pytest.mark.slow
def test_people_who_come_move_nothing_under_the_fingers() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _hear(daemon, screen, "CONNECT|alice", "WHO|", "PING|")
        await daemon.say("CONNECTED|alice", "SEEN|bob|127.0.0.2:7777|announced|1", "PONG|")
        await screen.see("   1 bob")
        await screen.see("1 here")
        screen.press("1")
        await screen.see("Call whom? 1")
        await daemon.say("SEEN|ann|127.0.0.3:7777|announced|1")
        await screen.see("ann has come · Enter lists")
        assert sum("Here now" in row for row in screen.rows) == 1
        screen.press("\x7f\r")
        await _hear(daemon, screen, "WHO|", "PING|")
        await daemon.say("PONG|")
        await screen.see("   2 bob")
        screen.press("1\r")
        await _hear(daemon, screen, "CONNECTING|127.0.0.3:7777")

    watch(script, "--user", "alice", size=(40, 24))


@pytest.mark.slow
def test_a_draft_of_a_chat_that_ends_answers_no_menu() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        screen.press("1")
        await screen.see("alice: 1")
        await daemon.say("QUIT|bob")
        await screen.see("bob (127.0.0.2:7777) left")
        screen.press("\r")
        await screen.see("! not sent: '1': the chat is over")
        await screen.see("Call whom?")
        screen.press("q\r")
        await _hear(daemon, screen, "QUIT|")

    watch(script, *CALL)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [20, 40, 80])
def test_the_bar_fits_and_names_the_way_out(columns: int) -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        await screen.see("q leaves")
        assert sum("q leaves ·" in row or row.endswith("q leaves") for row in screen.rows if "chat with" in row) <= 1

    watch(script, *CALL, size=(columns, 12))


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["\u00a0" * 73, "x" * 73, "\u3000" * 37, "日" * 37, "ab " * 25])
def test_no_row_of_a_peer_looks_like_ours(padding: str) -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        for shift in range(72):
            text = f"{'o' * shift}{padding}! The daemon is gone.\\n* You left bob.\\nalice: ok"
            await daemon.say(f"CHAT|bob|{text}")
        await daemon.say("CHAT|bob|the end")
        await screen.see("the end")
        ours = [line for line in screen.lines if line.startswith(("!", "*", "alice: ok"))]
        assert [line for line in ours if "chat with" not in line and "Calling" not in line] == []

    watch(script, *CALL)


@pytest.mark.slow
def test_what_waits_is_printed_at_the_end_and_the_live_rows_are_gone() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        await daemon.say("CHAT|bob|last words")
        await daemon.hang_up()
        assert await screen.status() == 1
        assert [line for line in screen.lines if line][-2:] == [
            "bob: last words",
            f"! The daemon is gone. Start both again, first: simp daemon --client-port {daemon.port}",
        ]
        assert screen.raw.rstrip().endswith(b"\x1b[?2004l") or b"\x1b[?2004l" in screen.raw[-40:]

    watch(script, *CALL)


@pytest.mark.slow
def test_a_dumb_terminal_gets_lines_and_no_escape() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await screen.see("Your name (ASCII):")
        screen.press("alice\r")
        await _hear(daemon, screen, "CONNECT|alice", "WHO|", "PING|")
        await daemon.say("CONNECTED|alice", "PONG|")
        await screen.see("Call whom?")
        await daemon.say("CONNECTING|bob|127.0.0.2:7777")
        await screen.see("bob (127.0.0.2:7777) wants to chat. Accept? (y/n)")
        screen.press("y\r")
        await _hear(daemon, screen, "CONNECTED|127.0.0.2:7777")
        await daemon.say("CONNECTED|bob|127.0.0.2:7777", "CHAT|bob|hi")
        await screen.see("bob: hi")
        screen.press("one\rq\rthree\r")
        await _hear(daemon, screen, r"CHAT|one\nq\nthree")
        screen.press("q\r")
        await _hear(daemon, screen, "QUIT|127.0.0.2:7777", "PING|")
        assert b"\x1b" not in screen.raw

    watch(script, term="dumb")


def test_what_arrives_at_a_dumb_terminal_begins_a_line_of_its_own() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        screen.press("half typed")
        await screen.see("half typed")
        await daemon.say("CHAT|bob|hello")
        await screen.see("bob: hello")
        assert "bob: hello" in screen.rows
        screen.press(" and whole\r")
        await _hear(daemon, screen, "CHAT|half typed and whole")

    watch(script, *CALL, term="dumb")


def test_a_terminal_that_goes_away_is_the_end() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        screen.hang_up()
        await daemon.hear("QUIT|")

    watch(script, *CALL)


@pytest.mark.slow
def test_nothing_is_drawn_while_nothing_happens() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        await screen.see("q leaves")
        for _ in range(20):
            await screen.look()
        before = len(screen.raw)
        for _ in range(60):
            await screen.look()
        assert len(screen.raw) == before

    watch(script, *CALL)


@pytest.mark.slow
def test_ctrl_c_discards_a_draft_and_page_up_brings_none_back() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        screen.press("sent\r")
        await _hear(daemon, screen, "CHAT|sent")
        screen.press("half a line")
        await screen.see("half a line")
        screen.press("\x03")
        await screen.see("* Discarded. Another Ctrl-C ends the program.")
        screen.press("\x1b[5~next\r")
        await _hear(daemon, screen, "CHAT|next")

    watch(script, *CALL)


@pytest.mark.slow
def test_backspace_takes_what_a_person_takes_for_a_character() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        screen.press("a\U0001f469\U0001f3fd\u200d\U0001f4bb\x7f\U0001f1e9\U0001f1ea\x1b[D\x1b[3~e\u0301\u0323\x7fz\r")
        await _hear(daemon, screen, "CHAT|az")

    watch(script, *CALL)


@pytest.mark.slow
def test_a_draft_is_whole_after_the_terminal_has_become_narrower_and_wider() -> None:
    async def script(daemon: ScriptedDaemon, screen: "far.Screen") -> None:
        await _talk(daemon, screen)
        screen.press("x" * 50)
        await screen.see("x" * 50)
        screen.resize(30, 12)
        await daemon.say("CHAT|bob|meanwhile")
        await screen.see("meanwhile")
        screen.resize(80, 24)
        screen.press("y\r")
        await _hear(daemon, screen, f"CHAT|{'x' * 50}y")

    watch(script, *CALL)


class Tmux:
    """A client in tmux, which joins what is one character to a person."""

    def __init__(self, path: Path, port: int) -> None:
        self._socket = str(path / "tmux")
        client = shlex.join([*CLIENT, "127.0.0.1", "--client-port", str(port), *CALL])
        self("new-session", "-d", "-s", "s", "-x", "80", "-y", "24", client)

    def __call__(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-S", self._socket, "-f", "/dev/null", *arguments]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8"}
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", check=True, timeout=PATIENCE, env=environment
        ).stdout

    def type(self, text: str) -> None:
        self("send-keys", "-t", "s", "-l", text)

    def see(self, words: str) -> list[str]:
        """The rows, once these words are among them."""
        for _ in range(500):
            rows = self("capture-pane", "-p", "-t", "s").splitlines()
            if any(words in row for row in rows):
                return rows
        raise AssertionError(f"no {words!r} in {rows}")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_in_tmux_nothing_is_lost_doubled_or_left_over_while_it_changes_its_size(tmp_path: Path) -> None:
    messages, sizes = 300, ["20x24", "200x24", "40x12", "80x24"]

    async def script() -> None:
        async with ScriptedDaemon() as daemon:
            tmux = Tmux(tmp_path, daemon.port)
            try:
                await daemon.attach("alice")
                await daemon.take_call("127.0.0.2", "bob")
                tmux.see("q leaves")
                tmux.type("half a draft")
                for number in range(messages):
                    await daemon.say(f"CHAT|bob|message {number}")
                    await asyncio.sleep(0.002)
                    if number % 60 == 59 and sizes:
                        width, height = sizes.pop(0).split("x")
                        tmux("resize-window", "-t", "s", "-x", width, "-y", height)
                tmux.see(f"message {messages - 1}")
                tmux.see("chat with bob")  # the bar of the last size
                shown = tmux("capture-pane", "-p", "-J", "-S", "-", "-t", "s").splitlines()
            finally:
                tmux("kill-server")
        texts = [line.strip() for line in shown if "message" in line]
        assert texts == [f"bob: message {number}" for number in range(messages)]
        assert [line.strip() for line in shown if "q leaves \u00b7" in line] == [
            "chat with bob (127.0.0.2:7777) \u00b7 q leaves \u00b7 ? helps"
        ]
        assert [line.strip() for line in shown if "half" in line] == ["alice: half a draft"]

    asyncio.run(script())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_in_tmux_a_wide_draft_leaves_nothing_behind(tmp_path: Path) -> None:
    async def script() -> None:
        async with ScriptedDaemon() as daemon:
            tmux = Tmux(tmp_path, daemon.port)
            try:
                await daemon.attach("alice")
                await daemon.take_call("127.0.0.2", "bob")
                tmux.see("? helps")
                tmux("resize-window", "-t", "s", "-x", "40", "-y", "20")
                for number, draft in enumerate(
                    ("日本語の長い文章。" * 9, "e\u0301a\u0308o\u0302" * 40, "👩\u200d👩\u200d👧🇦🇹👍🏽" * 9), 1
                ):
                    tmux.type(draft + (end := f"END{number}"))
                    rows = tmux.see(end)
                    *above, bar = [row for row in rows if row]
                    assert "q leaves" in bar
                    shown = "".join(above)
                    shown = shown[shown.rindex("alice: ") :]
                    assert shown.encode("ascii", "ignore") == f"alice: {draft}{end}".encode("ascii", "ignore")
                    await daemon.say(f"CHAT|bob|meanwhile {end}")
                    tmux.see(f"meanwhile {end}")
                    tmux("send-keys", "-t", "s", "Enter")
                    await daemon.hear(f"CHAT|{draft}{end}")
                    await daemon.say(f"ACK|{number}")
                    tmux.see("? helps")
            finally:
                tmux("kill-server")

    asyncio.run(script())

"""What is decided about a contact, at two daemons that run (spec/simp2.md 9)."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest

from simp_client import RefusedError, Requested, connect
from simp_client.events import Ended, Fate
from tests.scripted_daemon import PATIENCE
from tests.test_exit_status import SIMP

PORT = 19_777 + 2 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""The daemons'; the next one is their clients'. Each worker has its own, since two may be at these tests."""
ALICE, BOB = ("127.0.0.2", PORT), ("127.0.0.3", PORT)
"""Each a profile of its own, since each has an address of its own."""
KEY_PATIENCE = 30.0
"""Seconds for a call that is over when 10 s have passed since a wrong answer (spec 4.4)."""


def simp(*arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [*SIMP, *arguments], stdin=DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def contacts(ip: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in simp("contacts", "--json", "--daemon", f"{ip}:{PORT}").splitlines()]


@contextmanager
def daemon(ip: str) -> Iterator[None]:
    command = [*SIMP, "daemon", f"{ip}:{PORT}", "--client-port", str(PORT + 1), "--discovery", "off"]
    with subprocess.Popen(command, stdin=DEVNULL, stderr=PIPE, text=True) as process:
        assert process.stderr
        try:
            while "listening" not in (line := process.stderr.readline()):
                assert line, "it has ended"
            yield
        finally:
            process.terminate()
            process.stderr.read()


async def chat(text: str) -> str:
    """Alice calls Bob, who accepts, and says that; why not, if that can't be."""

    async def answer() -> None:
        async with connect("bob", f"127.0.0.3:{PORT + 1}") as bob:
            async for event in bob.events():
                if isinstance(event, Requested):
                    await bob.accept(event.other)

    bob = asyncio.create_task(answer())
    try:
        async with connect("alice", f"127.0.0.2:{PORT + 1}") as alice:
            try:
                await asyncio.wait_for(alice.call(f"127.0.0.3:{PORT}"), KEY_PATIENCE)
            except RefusedError as error:
                return str(error)
            assert await alice.say(text) is Fate.ACKNOWLEDGED
            await alice.leave()
            return ""
    finally:
        bob.cancel()
        await asyncio.gather(bob, return_exceptions=True)


@pytest.mark.slow
def test_decisions_hold_at_daemons_that_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    alice = ("--daemon", f"127.0.0.2:{PORT}")
    with daemon("127.0.0.2"):
        with daemon("127.0.0.3"):
            assert asyncio.run(chat("first")) == ""
            ((bob,), (her,)) = contacts("127.0.0.2"), contacts("127.0.0.3")
            assert (bob["name"], bob["trust"], her["name"], her["trust"]) == ("bob", "new", "alice", "new")
            assert bob["id"] == json.loads(simp("identity", "--json", "--daemon", f"127.0.0.3:{PORT}"))["id"]
            simp("verify", "bob", "--yes", *alice)
            assert asyncio.run(chat("second")) == ""
            assert [each["trust"] for each in contacts("127.0.0.2")] == ["verified"]
            simp("block", "bob", *alice)
            assert "blocked" in asyncio.run(chat("third"))
            simp("block", "--undo", "bob", *alice)
        (tmp_path / "simp" / f"127.0.0.3-{PORT}").rename(tmp_path / "old")  # a new computer
        with daemon("127.0.0.3"):
            assert "another key" in asyncio.run(chat("fourth"))
            assert [each["trust"] for each in contacts("127.0.0.2")] == ["changed"]
            assert "another key" in asyncio.run(chat("fifth"))
            new = json.loads(simp("identity", "--json", "--daemon", f"127.0.0.3:{PORT}"))["id"]
            simp("trust", "bob", new[:16], *alice)
            assert asyncio.run(chat("sixth")) == ""
            assert [(each["id"], each["trust"]) for each in contacts("127.0.0.2")] == [(new, "new")]


@pytest.mark.slow
def test_a_chat_in_which_nobody_speaks_ends_when_the_partner_is_blocked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def silent() -> None:
        async with connect("alice", f"127.0.0.2:{PORT + 1}") as alice, connect("bob", f"127.0.0.3:{PORT + 1}") as bob:
            call = asyncio.create_task(alice.call(f"127.0.0.3:{PORT}"))
            while not isinstance(event := await bob.next_event(), Requested):
                pass
            await bob.accept(event.other)
            await call
            await asyncio.to_thread(simp, "block", "bob", "--daemon", f"127.0.0.2:{PORT}")
            async with asyncio.timeout(PATIENCE):
                for each in (alice, bob):
                    while not isinstance(await each.next_event(), Ended):
                        pass

    with daemon("127.0.0.2"), daemon("127.0.0.3"):
        asyncio.run(silent())

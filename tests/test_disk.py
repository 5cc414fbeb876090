"""Nothing is performed before what it rests on is on the disk, whatever the disk does; the loop is a list of calls."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from simp_daemon.contacts import About, Change, ClearReceived, Reached, Trust, Trusted
from simp_daemon.disk import AGAIN, LOOK, Disk
from simp_daemon.effects import Commit, Effect, LogKeys, Send
from simp_daemon.facts import Acknowledged, Opened, Pinned
from simp_daemon.files import HeldError, StateError, append
from simp_daemon.identity import IdentityError
from simp_daemon.store import Store
from simp_daemon.store_errors import FullError

PEER = ("192.0.2.2", 7777)
BOB = Pinned(b"b" * 32, b"B" * 32, "bob", PEER)
OPEN = Commit(About(BOB.key, Opened(False)))
LATE = Commit(ClearReceived(PEER, "bob", "hello"))


class Loop:
    """What is to be called, and when."""

    def __init__(self) -> None:
        self.now = 100.0
        self.calls: list[Call] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, what: Callable[[], None]) -> "Call":
        return self.call_later(0.0, what)

    def call_later(self, delay: float, what: Callable[[], None]) -> "Call":
        self.calls.append(Call(self.now + delay, what))
        return self.calls[-1]

    def run(self, seconds: float = 0.0) -> None:
        self.now += seconds
        while due := [call for call in self.calls if call.at <= self.now]:
            self.calls.remove(due[0])
            due[0].what()


class Call:
    def __init__(self, at: float, what: Callable[[], None]) -> None:
        self.at, self.what = at, what

    def cancel(self) -> None:
        self.what = lambda: None


class Desk:
    """A disk, what it lets through, and what the store is told."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop = Loop()
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self.loop)
        self.done: list[str] = []
        self.complaints: list[str] = []
        self.commits: list[Sequence[Change]] = []
        self.full = False
        self.then: Callable[[], None] = lambda: None
        self.come: list[Effect] = []
        self.disk = Disk(folder, folder / "keys", self._perform, self.complaints.append, self._gather)
        self._commit = self.disk._store.commit
        monkeypatch.setattr(self.disk._store, "commit", self._committed)

    def put(self, *effects: Effect) -> None:
        for effect in effects:
            self.disk.put(effect)

    def _gather(self) -> None:
        come, self.come = self.come, []
        self.put(*come)

    def _committed(self, changes: Sequence[Change]) -> None:
        if self.full:
            raise FullError("the disk is full")
        self._commit(changes)
        self.commits.append(changes)
        self.done.append(f"commit {len(changes)}")

    def _perform(self, effect: Effect) -> None:
        assert isinstance(effect, Send)
        self.done.append(effect.data.decode())
        self.then()


def send(word: str) -> Send:
    return Send(word.encode(), PEER)


@pytest.fixture(name="desk")
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_what_rests_on_nothing_is_performed_immediately(desk: Desk) -> None:
    desk.put(send("one"), send("two"))
    assert desk.done == ["one", "two"]


def test_one_turn_is_one_commit_before_all_that_follows_it(desk: Desk) -> None:
    desk.put(send("one"), Commit(BOB), send("two"), OPEN, send("three"), LATE)
    assert desk.done == ["one"]
    desk.loop.run()
    assert desk.done == ["one", "commit 3", "two", "three"]
    desk.put(send("four"))
    assert desk.done[-1] == "four"


def test_what_has_come_meanwhile_is_in_the_same_commit(desk: Desk) -> None:
    desk.put(Commit(BOB), send("one"))
    desk.come = [OPEN, send("two")]
    desk.loop.run()
    assert desk.done == ["commit 2", "one", "two"]


def test_what_waits_goes_out_whatever_is_met_meanwhile(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.put(Commit(BOB), send("one"))
    monkeypatch.setattr(desk, "put", None)  # a fault of ours
    with pytest.raises(TypeError):
        desk.loop.run()
    assert desk.done == ["commit 1", "one"]
    desk.disk.put(send("two"))
    assert desk.done[-1] == "two"


def test_what_may_be_late_holds_nothing_up_and_comes_in_its_order(desk: Desk) -> None:
    desk.put(Commit(BOB), send("one"))
    desk.loop.run()
    desk.put(Commit(About(BOB.key, Acknowledged(0, bytes(8)))), send("two"), LATE, send("three"))
    assert desk.done[-2:] == ["two", "three"]
    assert not desk.disk._store.history(None)
    desk.loop.run(AGAIN)
    assert [each.content for each in desk.disk._store.history(None)] == [b"hello"]


def test_what_follows_while_effects_are_performed_waits_for_its_own_commit(desk: Desk) -> None:
    def again() -> None:
        desk.then = lambda: None
        desk.put(send("late"), OPEN, send("later"))

    desk.then = again
    desk.put(Commit(BOB), send("one"), send("two"))
    desk.loop.run()
    assert desk.done == ["commit 1", "one", "two", "commit 1", "late", "later"]


def test_a_full_disk_holds_everything_up_and_is_told_once(desk: Desk) -> None:
    desk.full = True
    desk.put(Commit(BOB), send("one"))
    desk.loop.run()
    desk.put(send("two"))
    desk.loop.run(3 * AGAIN)
    assert (desk.done, desk.disk.failing, desk.complaints) == ([], "the disk is full", ["the disk is full"])
    desk.full = False
    desk.loop.run(AGAIN)
    assert (desk.done, desk.disk.failing) == (["commit 1", "one", "two"], "")
    desk.full = True
    desk.put(OPEN, send("three"))
    desk.loop.run()
    assert len(desk.complaints) == 2


def test_a_contact_that_a_command_has_pinned_otherwise_holds_nothing_up(desk: Desk) -> None:
    desk.put(Commit(BOB))
    desk.loop.run()
    other = Pinned(BOB.key, b"X" * 32, "bob", PEER)
    desk.put(Commit(other), OPEN, send("one"))
    desk.loop.run()
    assert desk.done[-1] == "one"
    ((contact, ledger),) = desk.disk._store.load()
    assert (contact.signing_key, ledger.open) == (BOB.signing_key, False)


def test_what_commands_change_is_seen_at_the_next_look(desk: Desk, tmp_path: Path) -> None:
    desk.put(Commit(BOB))
    desk.loop.run()
    assert desk.disk.changed(now=True) == ()
    command = Store(tmp_path, daemon=False)
    command.commit([Trusted(BOB.key, Trust.NEW, Trust.VERIFIED)])
    assert desk.disk.changed(now=False) == ()  # looked at a moment ago
    desk.loop.now += LOOK
    ((contact, _),) = desk.disk.changed(now=False)
    assert contact.trust is Trust.VERIFIED
    assert desk.disk.changed(now=True) == ()
    command.commit([Reached(BOB.key, "robert", BOB.address)])
    assert desk.disk.changed(now=True)
    command.close()


def test_the_end_commits_what_waits_and_lets_go(desk: Desk, tmp_path: Path) -> None:
    desk.put(Commit(BOB), send("one"), LATE)
    with pytest.raises(HeldError):
        Store(tmp_path, daemon=True)
    desk.disk.close()
    assert desk.done == ["commit 2", "one"]
    Store(tmp_path, daemon=True).close()


def test_an_end_with_a_full_disk_is_one(desk: Desk, tmp_path: Path) -> None:
    desk.full = True
    desk.put(Commit(BOB), send("one"))
    desk.loop.run()
    desk.disk.close()
    assert desk.done == []
    desk.loop.run(10)
    Store(tmp_path, daemon=True).close()


def test_who_one_is_lasts(desk: Desk, tmp_path: Path) -> None:
    means = desk.disk.means(only_sealed=True)
    assert means.only_sealed
    assert means.logs_keys
    assert len(means.random(16)) == 16
    desk.disk.close()
    again = Disk(tmp_path, None, desk._perform, desk.complaints.append)
    other: Any = again.means(only_sealed=False)
    assert (other.keys.public, other.signing_key) == (means.keys.public, means.signing_key)
    assert other.run != means.run
    assert not other.logs_keys
    again.close()
    (tmp_path / "identity.key").write_text("nonsense")
    with pytest.raises(IdentityError):
        Disk(tmp_path, None, desk._perform, desk.complaints.append)


def test_keys_are_logged_in_their_turn(desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = tmp_path / "keys"
    assert keys.read_text() == ""
    desk.put(Commit(BOB), LogKeys("SIMP2 one"), send("one"))
    assert keys.read_text() == ""
    desk.loop.run()
    assert (keys.read_text(), desk.done[-1]) == ("SIMP2 one\n", "one")
    keys.unlink()
    keys.mkdir()
    desk.put(LogKeys("SIMP2 two"), send("two"))
    assert desk.done[-1] == "two"
    assert "missing in the key log" in caplog.text


def test_keys_without_a_store_are_told(tmp_path: Path, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.disk.close()
    assert "no store" not in caplog.text
    (tmp_path / "store.db").unlink()
    Disk(tmp_path, None, desk._perform, desk.complaints.append).close()
    assert "has keys and no store: no contact is known" in caplog.text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="it needs a named pipe")
def test_a_pipe_is_no_key_log_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(StateError, match="pipe"):
        append(tmp_path / "pipe", "a line")

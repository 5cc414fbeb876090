"""What goes wrong with a store's file: each is told in a sentence, and costs nothing that was stored."""

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simp_daemon import database
from simp_daemon.contacts import About, Trust, Trusted
from simp_daemon.database import Database, restore
from simp_daemon.facts import Ledger, Opened, Pinned
from simp_daemon.files import HeldError
from simp_daemon.schema import APPLICATION, MIGRATIONS
from simp_daemon.store import Store
from simp_daemon.store_errors import BusyError, DamagedError, FormatError, ReadOnlyError, StoreError

BOB = Pinned(b"b" * 32, b"B" * 32, "bob", ("192.0.2.2", 7777))
posix = pytest.mark.skipif(os.name != "posix", reason="permissions are others there")
SENTENCE = re.compile(r"[^\n]{20,400}", re.DOTALL)


def filled(directory: Path, messages: int = 1) -> None:
    """A store with a contact, and that many messages of a kilobyte."""
    ledger = Ledger()
    with closing(Store(directory, daemon=True)) as store:
        store.commit([BOB])
        for number in range(messages):
            said = ledger.say(str(number), b"m" * 1000)
            assert said
            ledger.apply(said)
            store.commit([About(BOB.key, said)])


def killed(directory: Path, target: Path) -> None:
    """What a daemon leaves that is killed: its log isn't in the file yet."""
    with closing(Store(directory, daemon=True)) as store:
        store.commit([BOB])
        shutil.copytree(directory, target)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if not path.name.endswith("-shm")}


# -- files


@posix
def test_only_their_owner_may_read_files_from_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: set[int] = set()
    before = os.umask(0)

    def look(*_: object) -> int:
        modes.update(stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a").iterdir())
        return 0

    monkeypatch.setattr(database, "_version", lambda path, real=database._version: (look(), real(path))[1])
    try:
        with closing(Store(tmp_path / "a", daemon=True)) as store:
            store.commit([BOB])
            look()
            store.backup(tmp_path / "a" / "copy")
            look()
            assert {"lock", "store.db", "store.db-wal", "store.db-shm", "copy"} == set(os.listdir(tmp_path / "a"))
    finally:
        os.umask(before)
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    with closing(Database(tmp_path, daemon=True)) as each:
        assert [each.pragma(name) for name in ("synchronous", "journal_mode", "foreign_keys")] == [2, "wal", 1]


def test_the_tables_are_strict(tmp_path: Path) -> None:
    with closing(Database(tmp_path, daemon=True)) as each:
        tables = each.run(
            "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'"
        )
        assert {strict for _, strict in tables} == {1}


# -- versions


def test_a_file_of_an_older_version_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path)
    more = ("CREATE TABLE room (id INTEGER PRIMARY KEY) STRICT; CREATE TABLE member (name TEXT) STRICT;", "SELECT 1;")
    monkeypatch.setattr(database, "MIGRATIONS", MIGRATIONS + more)
    for _ in range(2):
        with closing(Store(tmp_path, daemon=True)) as store:
            assert store._database.pragma("user_version") == len(MIGRATIONS) + 2
            store._run("INSERT INTO member VALUES ('x')")
            assert len(store.history(BOB.key)) == 1


def test_what_the_first_version_kept_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", MIGRATIONS[:1])
        with closing(Database(tmp_path, daemon=True)) as first, first.transaction():
            first.run(
                "INSERT INTO contact (key, signing_key, name, nickname, trust, pinned_at, stored)"
                " VALUES (?, ?, 'bob', 'Bob', 'verified', 1, 7)",
                *(BOB.key, BOB.signing_key),
            )
    with closing(Store(tmp_path, daemon=True)) as store:
        ((contact, ledger),) = store.load()
        assert (contact.key, contact.name, contact.trust, ledger.stored) == (BOB.key, "bob", Trust.VERIFIED, 7)


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path)
    before = contents(tmp_path)
    monkeypatch.setattr(
        database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE room (id INTEGER) STRICT; SELECT nonsense;")
    )
    with pytest.raises(StoreError, match="nonsense"):
        Store(tmp_path, daemon=True)
    assert contents(tmp_path) == before
    monkeypatch.undo()
    Store(tmp_path, daemon=True).close()


def test_a_command_changes_no_tables_under_a_daemon_s_feet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Store(tmp_path, daemon=True)):
        monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE room (id INTEGER) STRICT;"))
        with pytest.raises(HeldError):
            Store(tmp_path, daemon=False)
    with closing(Store(tmp_path, daemon=False)):
        monkeypatch.undo()
    with pytest.raises(FormatError):
        Store(tmp_path, daemon=True)


@pytest.mark.parametrize("daemon", [True, False])
def test_a_file_of_a_newer_version_is_never_changed(
    tmp_path: Path, daemon: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even by putting its log into it."""
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE room (id INTEGER) STRICT;"))
        killed(tmp_path / "one", tmp_path / "two")
    before = contents(tmp_path / "two")
    assert before["store.db-wal"]
    ours = len(MIGRATIONS)
    with pytest.raises(FormatError, match=rf"by a newer simp: read format {ours + 1}, expected {ours} at most"):
        Store(tmp_path / "two", daemon=daemon)
    assert {**contents(tmp_path / "two"), "lock": b""} == {**before, "lock": b""}


@pytest.mark.parametrize("mark", ["CREATE TABLE t (a)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"])
def test_another_program_s_database_is_never_changed(tmp_path: Path, mark: str) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as other:
        other.execute(mark)
    before = contents(tmp_path)
    with pytest.raises(FormatError, match="none of simp's"):
        Store(tmp_path, daemon=True)
    assert contents(tmp_path)["store.db"] == before["store.db"]


# -- damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"nonsense" * 1000,
        lambda data: data[:5000],
        lambda data: data[:100] + bytes(len(data) - 100),
        lambda data: data[:4096] + b"\xff" * 4096 + data[8192:],
        lambda data: b"X" + data[1:],
    ],
    ids=["nonsense", "cut short", "zeros", "a page", "a byte"],
)
def test_a_damaged_file_is_set_aside_and_a_new_one_begins(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    for number in (1, 2):
        filled(tmp_path)
        data = damage((tmp_path / "store.db").read_bytes())
        (tmp_path / "store.db").write_bytes(data)
        (tmp_path / "store.db-wal").write_bytes(b"its log")
        with pytest.raises(DamagedError, match="is damaged"):
            Store(tmp_path, daemon=False).contacts()
        assert (tmp_path / "store.db").read_bytes() == data
        (tmp_path / "store.db-wal").write_bytes(b"its log")
        with closing(Store(tmp_path, daemon=True)) as store:
            (notice,) = store.notices
            assert f"it is kept as {tmp_path}/store.damaged-{number}; a new one has begun" in notice
            assert store.contacts() == []
            store.commit([BOB])
        assert (tmp_path / f"store.damaged-{number}").read_bytes() == data
        assert (tmp_path / f"store.damaged-{number}-wal").read_bytes() == b"its log"
        (tmp_path / "store.db").unlink()


def test_damage_that_is_met_later_sets_the_file_aside_too(tmp_path: Path) -> None:
    filled(tmp_path, 50)
    with closing(Store(tmp_path, daemon=True)) as store:
        data = (tmp_path / "store.db").read_bytes()
        (tmp_path / "store.db").write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
        store._run("PRAGMA shrink_memory")
        with pytest.raises(DamagedError, match=r"it is kept as .*store.damaged-1") as caught:
            store.history(BOB.key)
        assert SENTENCE.fullmatch(str(caught.value))
        with pytest.raises(StoreError):
            store.commit([About(BOB.key, Opened(False))])
    with closing(Store(tmp_path, daemon=True)) as store:
        assert store.contacts() == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("whole")
    filled(directory, 3)
    return (directory / "store.db").read_bytes()


@pytest.mark.slow
@settings(max_examples=60)
@example([(0.0625, 7)])  # SQLite quotes it, and Python can't read the quotation
@given(st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 7)), min_size=1, max_size=30))
def test_whatever_bits_have_changed_nothing_but_sentences_comes(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[float, int]]
) -> None:
    directory = tmp_path_factory.mktemp("store")
    data = bytearray(whole)
    for place, bit in flips:
        data[int(place * len(data))] ^= 1 << bit
    (directory / "store.db").write_bytes(data)
    try:
        with closing(Store(directory, daemon=True)) as store:
            for contact, _ in store.load():
                store.history(contact.key)
    except StoreError as error:
        assert SENTENCE.fullmatch(str(error))  # noqa: PT017
    kept = [path.read_bytes() for path in directory.glob("store.damaged-*")]
    assert (directory / "store.db").exists() or bytes(data) in kept
    assert not kept or bytes(data) in kept


# -- no room, no right, no log


def run(script: str, *arguments: str, prefix: tuple[str, ...] = ()) -> str:
    """What a process prints."""
    command = [*prefix, sys.executable, "-c", f"{PREAMBLE}\n{script}", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


PREAMBLE = """
import sys
from pathlib import Path
from simp_daemon.contacts import About
from simp_daemon.database import Database, restore
from simp_daemon.store_errors import BusyError, DamagedError, FormatError, ReadOnlyError, StoreError
from simp_daemon.facts import Ledger, Pinned
from simp_daemon.store import Store
directory = Path(sys.argv[1])
def fill(ledger, most):
    for number in range(most):
        said = ledger.say(str(ledger.next), b"m" * 1000)
        try:
            store.commit([About(b"b" * 32, said)])
        except StoreError as error:
            return said, error
        ledger.apply(said)
    raise SystemExit("there is room for all")
"""
FILLED = """
store = Store(directory, daemon=True)
store.commit([Pinned(b"b" * 32, b"B" * 32, "bob", ("192.0.2.2", 7777))])
ledger = Ledger()
for room in range(3):
    LESS
    said, error = fill(ledger, 2000)
    print(type(error).__name__, "|", error)
    assert store.load()[0][1] == ledger, "stored, but not acknowledged"
    MORE
    store.commit([About(b"b" * 32, said)])
    ledger.apply(said)
    assert store.load()[0][1] == ledger, "acknowledged, but not stored"
store.close()
store = Store(directory, daemon=True)
assert store.load()[0][1] == ledger and not store.notices
"""


@posix
def test_a_limit_of_the_file_s_size_loses_nothing(tmp_path: Path) -> None:
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, ({}, -1))"
    less = limit.format("(directory / 'store.db-wal').stat().st_size + 50_000")
    script = "import resource" + FILLED.replace("LESS", less).replace("MORE", limit.format(-1))
    told = run(script, str(tmp_path)).splitlines()
    assert len(told) == 3
    for line in told:
        assert SENTENCE.fullmatch(line)
        assert "nothing was stored" in line or "is full" in line


def on_small_disk(script: str, directory: Path) -> str:
    """What a process prints that has a megabyte there."""
    mount = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
    return run(script, str(directory), prefix=("unshare", "--mount", "sh", "-c", mount, str(directory)))


def _mounts() -> bool:
    try:
        mount = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        return subprocess.run(mount, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not _mounts(), reason="needs root, for a small file system of its own")
def test_a_full_disk_loses_nothing_and_with_room_it_goes_on(tmp_path: Path) -> None:
    more = "subprocess.run(['mount', '-o', f'remount,size={room + 2}m', str(directory)], check=True)"
    script = "import subprocess" + FILLED.replace("LESS", "").replace("MORE", more)
    told = on_small_disk(script, tmp_path)
    sentence = (
        f"FullError | the disk of {tmp_path} is full: nothing more is stored, nor acknowledged, until there is room"
    )
    assert told.splitlines() == [sentence] * 3


@pytest.mark.skipif(not _mounts(), reason="needs root, for a small file system of its own")
def test_a_read_only_file_system_is_told(tmp_path: Path) -> None:
    script = """
import subprocess
Store(directory, daemon=True).close()
subprocess.run(["mount", "-o", "remount,ro", str(directory)], check=True)
try:
    Store(directory, daemon=True)
except StoreError as error:
    print(type(error).__name__, "|", error)
"""
    told = on_small_disk(script, tmp_path)
    assert told.startswith(f"ReadOnlyError | {tmp_path}/lock can't be written to: change its permissions; --state DIR")


def test_a_store_that_can_t_be_written_to_any_more_is_still_read(tmp_path: Path) -> None:
    with closing(Store(tmp_path, daemon=True)) as store:
        store.commit([BOB])
        store._run("PRAGMA query_only = ON")
        with pytest.raises(ReadOnlyError, match=r"store.db can't be written to"):
            store.commit([About(BOB.key, Opened(False))])
        assert [ledger.open for _, ledger in store.load()] == [True]


def test_a_file_in_the_place_of_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StoreError, match=r"state.*--state DIR") as caught:
        Store(tmp_path / "state", daemon=True)
    assert SENTENCE.fullmatch(str(caught.value))


def test_where_sqlite_can_t_have_its_log_all_is_as_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system: this way of SQLite's has no shared memory either."""
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda name, *rest, **more: connect(f"{name}&vfs=unix-dotfile", *rest, **more)
    )
    with closing(Store(tmp_path, daemon=True)) as store:
        assert store._database.pragma("journal_mode") == "delete"
        assert store._database.pragma("synchronous") == 3
        assert SENTENCE.fullmatch(store.notices[0])
        assert "takes longer" in store.notices[0]
        store.commit([BOB])
    with closing(Store(tmp_path, daemon=True)) as store:
        assert len(store.contacts()) == 1


# -- others


def test_another_daemon_is_refused_and_a_command_isn_t(tmp_path: Path) -> None:
    with closing(Store(tmp_path, daemon=True)) as store:
        store.commit([BOB])
        with pytest.raises(HeldError, match=rf"a daemon, process {os.getpid()}, has the profile {tmp_path}"):
            Store(tmp_path, daemon=True)
        with closing(Store(tmp_path, daemon=False)) as command:
            assert len(command.contacts()) == 1
    Store(tmp_path, daemon=True).close()


def test_whoever_keeps_the_store_to_itself_is_waited_for_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY", 0.05)
    with closing(Store(tmp_path, daemon=True)) as store, closing(Store(tmp_path, daemon=False)) as command:
        command._run("BEGIN IMMEDIATE")
        with pytest.raises(BusyError, match="another process"):
            store.commit([BOB])
        command._run("ROLLBACK")
        store.commit([BOB])


def test_whoever_is_soon_done_is_waited_for(tmp_path: Path) -> None:
    with closing(Store(tmp_path, daemon=True)) as store, closing(Store(tmp_path, daemon=False)) as command:
        command._run("BEGIN IMMEDIATE")
        done = Timer(0.1, command._run, ["ROLLBACK"])
        done.start()
        store.commit([BOB])
        done.join()


def test_what_a_commit_read_holds_until_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else SQLite would refuse to write, however long the other has been done."""
    monkeypatch.setattr(database, "BUSY", 0.05)
    with closing(Store(tmp_path, daemon=True)) as store, closing(Store(tmp_path, daemon=False)) as command:
        store.commit([BOB])
        contact = store._contact

        def meddle(key: bytes) -> int:
            number = contact(key)
            with pytest.raises(BusyError):
                command.commit([Trusted(key, Trust.NEW, Trust.VERIFIED)])
            return number

        with monkeypatch.context() as patch:
            patch.setattr(store, "_contact", meddle)
            store.commit([About(BOB.key, Opened(False))])
        assert [(contact.trust, ledger.open) for contact, ledger in store.load()] == [(Trust.NEW, False)]


def test_two_commands_may_make_the_store_at_the_same_time(tmp_path: Path) -> None:
    script = "Store(directory, daemon=False).close()"
    command = [sys.executable, "-c", PREAMBLE + script, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    errors = [process.communicate()[1] for process in processes]
    assert all("HeldError" in error or "BusyError" in error or not error for error in errors), errors
    assert any(process.returncode == 0 for process in processes)


def test_the_application_s_number_is_its_name() -> None:
    assert APPLICATION.to_bytes(4, "big") == b"SIMP"


# -- files that go, or come, while they are used


@pytest.mark.parametrize("attack", ["delete", "delete the log", "empty", "replace", "move the directory"])
def test_nothing_is_committed_to_a_file_that_nobody_finds_again(tmp_path: Path, attack: str) -> None:
    directory = tmp_path / "profile"
    with closing(Store(directory, daemon=True)) as store:
        store.commit([BOB])
        match attack:
            case "delete":
                (directory / "store.db").unlink()
            case "delete the log":
                (directory / "store.db-wal").unlink()
            case "empty":
                os.truncate(directory / "store.db", 0)
            case "replace":
                (directory / "store.db").rename(directory / "moved")
                (directory / "store.db").write_bytes((directory / "moved").read_bytes())
            case "move the directory":
                directory.rename(tmp_path / "moved")
        with pytest.raises(StoreError, match="deleted or replaced"):
            store.commit([About(BOB.key, Opened(True))])
        if attack == "move the directory":
            (tmp_path / "moved").rename(directory)
            store.commit([About(BOB.key, Opened(True))])


def test_a_row_that_its_index_does_not_have_is_damage(tmp_path: Path) -> None:
    with closing(Store(tmp_path, daemon=True)) as store:
        store.commit([BOB])
        page = store._run("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_contact_1'").fetchone()[0]
        size = store._database.pragma("page_size")
    with (tmp_path / "store.db").open("r+b") as file:
        file.seek((page - 1) * size)
        data = bytearray(file.read(size))
        at = data.index(BOB.key)
        data[at] ^= 1
        file.seek((page - 1) * size)
        file.write(data)
    with closing(Store(tmp_path, daemon=False)) as command, pytest.raises(DamagedError):
        command.commit([About(BOB.key, Opened(True))])
    with pytest.raises(DamagedError), closing(Store(tmp_path, daemon=False)) as command:
        command.backup(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    with closing(Store(tmp_path, daemon=True)) as store:
        assert "store.damaged-1" in store.notices[0]
        assert store.contacts() == []


def test_a_copy_is_put_beside_no_log(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "one", daemon=True)) as store:
        store.commit([BOB])
        store.backup(tmp_path / "copy")
        store.commit([About(BOB.key, Opened(False))])
        for each in (tmp_path / "one").iterdir():
            copied = tmp_path / "two" / each.name
            copied.parent.mkdir(exist_ok=True)
            copied.write_bytes(each.read_bytes())
    (tmp_path / "two" / "store.db").unlink()
    assert restore(tmp_path / "copy", tmp_path / "two")
    assert not (tmp_path / "two" / "store.db-wal").exists()
    with closing(Store(tmp_path / "two", daemon=True)) as store:
        assert [ledger.open for _, ledger in store.load()] == [True]
        assert "copy of" in store.notices[0]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_store_that_others_may_read_is_made_private(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "store.db").chmod(0o666)
    with closing(Store(tmp_path, daemon=True)) as store:
        store.commit([BOB])
        assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.glob("store.db*")} == {0o600}

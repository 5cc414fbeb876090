"""The store's file, by SQLite: opened, brought up to date, copied, and put aside where it is damaged.

On a file system without shared memory, such as many of networks, SQLite can't have a write-ahead log: it has a rollback
journal there, as safe and slower. Where two machines share one, locks keep their daemons apart, but a command belongs
on the machine where the daemon is.
"""

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

from simp_daemon.files import Lock, create, make_directory, sync_directory
from simp_daemon.schema import APPLICATION, MIGRATIONS
from simp_daemon.store_errors import BUSY, ERRORS, DamagedError, FormatError, StoreError, explain

_FILES: Final = ("-wal", "-shm", "-journal", "")
"""What SQLite puts beside a database, and the database last: without its log it would only be older."""


class Database:
    """The one in that directory, which is made; raises `StateError`.

    `daemon` is whether this process holds it until `close` (`HeldError`), or uses it beside others. What SQLite or the
    system complains of within `explained` is raised as a `StoreError`.
    """

    def __init__(self, directory: Path, *, daemon: bool) -> None:
        self.path = directory / "store.db"
        self._log_path = directory / "store.db-wal"
        self._file: tuple[int, int] | None = None
        self._log: tuple[int, int] | None = None
        self._written = False
        self.notices: list[str] = []
        """What our person must be told: sentences."""
        self._connection: sqlite3.Connection | None = None
        self._lock: Lock | None = None
        try:
            with self.explained():
                make_directory(directory)
                if daemon:
                    self._lock = Lock(directory / "lock")
            self._open()
            self._version = self.pragma("data_version")
        except BaseException:
            self.close()
            raise

    def run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if not self._connection:
            raise StoreError(f"{self.path} isn't open any more")
        return self._connection.execute(statement, values)

    def pragma(self, name: str) -> Any:
        row = self.run(f"PRAGMA {name}").fetchone()
        return row and row[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """On the disk at the end; not begun, if anything is raised."""
        with self.explained():
            self._require_files()
            try:
                self.run("BEGIN IMMEDIATE")
                yield
                self.run("COMMIT")
                self._log = self._log or _identity(self._log_path)
            except BaseException:
                if self._connection and self._connection.in_transaction:  # or else SQLite has ended it
                    with suppress(sqlite3.Error):
                        self.run("ROLLBACK")
                raise

    @contextmanager
    def explained(self) -> Iterator[None]:
        try:
            yield
        except ERRORS as error:
            explained = explain(error, self.path)
            if isinstance(explained, DamagedError) and self._lock:
                explained = DamagedError(f"{explained}; {self._give_up()}")
            raise explained from None

    def _require_files(self) -> None:
        """Whoever deletes, empties or replaces an open file leaves SQLite with one that nobody finds again."""
        gone = self._file not in (None, _identity(self.path)) or self._log not in (None, _identity(self._log_path))
        emptied = not gone and not self.path.stat().st_size
        if self._connection and (gone or (emptied and self._written)):
            raise StoreError(
                f"somebody has deleted or replaced {self.path}, or its log, while it was in use: nothing more is stored"
                ". End the daemon, put back what belongs there, or a copy by simp restore, and start it again"
            )
        self._written = self._written or not emptied

    def changed(self) -> bool:
        """Whether another process has committed something since this was last asked."""
        with self.explained():
            before, self._version = self._version, self.pragma("data_version")
            return bool(self._version != before)

    def copy(self, path: Path, now: int) -> None:
        """To a new file, whole or not at all, while it is used; raises `StoreError`."""
        assert self._connection
        with self.explained():
            _check(self._connection)
        try:
            _copy(self._connection, path, now)
        except ERRORS as error:
            raise explain(error, path) from None

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        if self._lock:
            self._lock.release()
        self._connection = self._lock = None

    def _open(self) -> None:
        try:
            with self.explained():
                self._connect()
        except DamagedError as error:
            if not self._lock:
                raise DamagedError(f"{error}: a daemon begins a new one, and simp restore puts a copy there") from None
            self.notices.append(f"{error}; a new one has begun, which knows no contact and no message")
            with self.explained():
                self._connect()

    def _connect(self) -> None:
        if not self.path.exists():  # which is a daemon's affair while there is one
            lock = None if self._lock else Lock(self.path.with_name("lock"))
            with suppress(FileExistsError):
                create(self.path)
            if lock:
                lock.release()
        if os.name == "posix" and not self.path.is_symlink() and self.path.stat().st_mode & 0o077:
            self.path.chmod(0o600)  # its log has the same mode
        version = _version(self.path)
        self._connection = _connect(self.path, "rw")
        self._file, self._log = _identity(self.path), None
        if self.pragma("journal_mode = WAL") != "wal":
            self.pragma("synchronous = EXTRA")
            self.notices.append(
                f"{self.path.parent} can't have SQLite's log, perhaps because it is on a network: what is stored there "
                "is safe, but takes longer; --state DIR takes another place"
            )
        if version < len(MIGRATIONS):
            self._migrate()
        if self._lock:
            _check(self._connection)

    def _migrate(self) -> None:
        """Under the lock: a daemon that is older must not find other tables under its feet."""
        lock = None if self._lock else Lock(self.path.with_name("lock"))
        try:
            for number in range(self.pragma("user_version"), len(MIGRATIONS)):
                with self.transaction():
                    for statement in _statements(MIGRATIONS[number]):
                        self.run(statement)
                    self.run(f"PRAGMA application_id = {APPLICATION}")
                    self.run(f"PRAGMA user_version = {number + 1}")
        finally:
            if lock:
                lock.release()

    def _give_up(self) -> str:
        if self._connection:
            self._connection.close()
            self._connection = None
        try:
            return f"it is kept as {_set_aside(self.path, 'damaged')}"
        except OSError as error:
            return f"it couldn't be set aside ({error.strerror}): move it away"


def restore(backup: Path, directory: Path) -> Path | None:
    """Puts a copy that `Store.backup` made in the place of the store, which is set aside: returns where.

    Raises `StateError`; `HeldError` while a daemon runs. The next daemon says that it has a copy: what it sends may
    have arrived (spec/simp2.md 7.8).
    """
    path, new = directory / "store.db", directory / "store.restored"
    lock: Lock | None = None
    try:
        make_directory(directory)
        lock = Lock(directory / "lock")
        if _version(backup) == 0:
            raise FormatError(f"{backup} is empty, and no backup")
        new.unlink(missing_ok=True)
        with closing(_connect(backup, "ro")) as database:
            _check(database)
            _copy(database, new, int(time.time() * 1000))
        aside = None
        if any(os.path.lexists(f"{path}{suffix}") for suffix in _FILES):  # a log alone would change the copy, too
            aside = _set_aside(path, "replaced")
        new.replace(path)
        sync_directory(directory)
        return aside
    except ERRORS as error:
        raise explain(error, backup) from None
    finally:
        if lock:
            lock.release()


def _identity(path: Path) -> tuple[int, int] | None:
    """Of a file, whatever its name; `None` where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, BUSY, isolation_level=None, check_same_thread=False, uri=True)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _version(path: Path) -> int:
    """How many migrations it has had; raises `FormatError`. Nothing is changed, and no log put into the file."""
    with closing(_connect(path, "ro")) as database:
        database.execute("BEGIN")  # another process may be making the tables at this moment
        version, application, tables = (
            database.execute(each).fetchone()[0]
            for each in ("PRAGMA user_version", "PRAGMA application_id", "SELECT count(*) FROM sqlite_schema")
        )
    if application != APPLICATION and (application or version or tables):
        raise FormatError(f"{path} is a database, but none of simp's: move it away, or take another place by --state")
    if version > len(MIGRATIONS):
        raise FormatError(
            f"{path} was written by a newer simp: read format {version}, expected {len(MIGRATIONS)} at most"
        )
    return int(version)


def _check(database: sqlite3.Connection) -> None:
    """Of indexes too: a row that its index doesn't have can't be found."""
    if (finding := database.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(finding)


def _copy(database: sqlite3.Connection, path: Path, now: int) -> None:
    """With a row that says that it is a copy."""
    if path.exists():
        raise FileExistsError(errno.EEXIST, "it exists, and is left as it is", str(path))
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    create(part)
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            database.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, with all that belongs to it
            copy.execute("INSERT INTO copy (made_at) VALUES (?)", (now,))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_directory(path.parent)


def _set_aside(path: Path, why: str) -> Path:
    names = (path.with_name(f"store.{why}-{number}") for number in count(1))
    aside = next(name for name in names if not any(os.path.lexists(f"{name}{suffix}") for suffix in _FILES))
    for suffix in _FILES:
        with suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")
    sync_directory(path.parent)
    return aside


def _statements(script: str) -> Iterator[str]:
    """One by one: Python would commit before a whole script."""
    statement = ""
    for part in script.split(";")[:-1]:
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""

"""What goes wrong with the store, and what that means for people."""

import errno
import sqlite3
from pathlib import Path
from typing import Final

from simp_daemon.files import StateError

BUSY: Final = 5.0
"""Seconds for which a transaction waits for that of another process."""
ERRORS: Final = (sqlite3.Error, OSError, UnicodeDecodeError)
"""The last where Python can't read what SQLite says of a damaged file."""
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN: Final = {errno.EACCES, errno.EPERM, errno.EROFS}


class StoreError(StateError):
    """The store can't be used, or not now."""


class FullError(StoreError):
    """There is no room on the disk: nothing of the commit is stored; with room, it succeeds."""


class ReadOnlyError(StoreError):
    """The file or its directory can't be written to."""


class BusyError(StoreError):
    """Another process has kept the store to itself for too long."""


class FormatError(StoreError):
    """The file is a newer version's, or none of SIMP's at all; it is left as it is."""


class DamagedError(StoreError):
    """The file is damaged. A daemon has set it aside, and is done with it: a new one begins with the next."""


def explain(error: Exception, path: Path) -> StoreError:
    """What that means for people."""
    if isinstance(error, OSError) and error.filename:
        path = Path(error.filename)
    where, elsewhere = path.parent, "--state DIR takes another place"
    why = (isinstance(error, OSError) and error.strerror) or str(error)
    if isinstance(error, OSError):
        code = {
            **dict.fromkeys(_NO_ROOM, sqlite3.SQLITE_FULL),
            **dict.fromkeys(_FORBIDDEN, sqlite3.SQLITE_READONLY),
        }.get(error.errno or 0, sqlite3.SQLITE_ERROR)
    else:  # where Python itself complains of what it reads, there is no code
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    match code:
        case sqlite3.SQLITE_FULL:
            return FullError(
                f"the disk of {where} is full: nothing more is stored, nor acknowledged, until there is room"
            )
        case sqlite3.SQLITE_READONLY:
            return ReadOnlyError(f"{path} can't be written to: change its permissions; {elsewhere}")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return BusyError(f"another process has kept {path} to itself for {BUSY:g} s: end that one, and try again")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return DamagedError(f"{path} is damaged ({error})")
    return StoreError(f"{path} can't be used, and nothing was stored: {why}; check {where}, or {elsewhere}")

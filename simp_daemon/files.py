"""Files in the profile's directory: for their owner's eyes only, and there after a crash."""

import errno
import os
import stat
import sys
from pathlib import Path
from typing import Final

from simp_proto.errors import SimpError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
"""Whoever may write to the directory must not lead us to another file."""
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0)
_LOCKED_AT: Final = 1 << 30
"""Where the byte is that is locked on Windows: others can't read such a byte."""


class StateError(SimpError):
    """What the profile keeps can't be used; its text says what is wrong, where, and what to do."""


class HeldError(StateError):
    """Another daemon has this profile."""


def make_directory(directory: Path) -> None:
    """With its parents, unless it is there; raises `OSError`."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)


def create(path: Path, data: bytes = b"") -> None:
    """A new file, on the disk when this returns; raises `OSError`, `FileExistsError` if there is one."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)


def append(path: Path, line: str) -> None:
    """Adds a line, if it isn't empty, to a file that nobody else can read, which is made; raises `StateError`."""
    try:
        # Without waiting for a reader, where it is a pipe.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_LINK | _NO_WAIT, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise StateError(f"{path} isn't a regular file: choose another")
            if os.name == "posix" and stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
                raise StateError(f"others may read {path}, and so whatever you say: chmod 600 it, or take another file")
            if line:
                file.write(f"{line}\n")
    except OSError as error:
        raise StateError(f"{path} can't be written to: {error.strerror}") from None


def sync_directory(directory: Path) -> None:
    """Names of files, too, are lost by a loss of power until their directory is written."""
    if sys.platform == "win32":  # which has no such call
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Lock:
    """Is held from its making to `release`, or to the end of the process, however that comes.

    Raises `HeldError` if another has it, `OSError` where locks can't be had. The file stays: whoever removed it would
    let two have it.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o600)
        try:
            self._take()
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, str(os.getpid()).encode())
        except OSError as error:
            os.close(self._descriptor)
            if error.errno not in {errno.EAGAIN, errno.EACCES, errno.EDEADLK}:
                raise
            holder = path.read_bytes()[:20].decode("ascii", "replace")
            process = f", process {holder}," if holder.isdecimal() else ""
            raise HeldError(
                f"a daemon{process} has the profile {path.parent}: end it first, or take another profile by --state DIR"
            ) from None

    def _take(self) -> None:
        if sys.platform == "win32":
            os.lseek(self._descriptor, _LOCKED_AT, os.SEEK_SET)
            msvcrt.locking(self._descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        os.close(self._descriptor)

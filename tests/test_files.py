"""Files that are there after a crash, and a lock that ends with its process."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from simp_daemon.files import HeldError, Lock, StateError, append, create, make_directory

HOLDER = """
import sys
from pathlib import Path
from simp_daemon.files import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("killed", [True, False])
def test_a_lock_ends_with_its_process_however_that_ends(tmp_path: Path, killed: bool) -> None:
    path = tmp_path / "lock"
    for _ in range(2):
        command = [sys.executable, "-c", HOLDER, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(HeldError, match=f"a daemon, process {holder.pid}, has the profile {tmp_path}"):
                Lock(path)
            if killed:
                holder.kill()
            else:
                holder.communicate()
        Lock(path).release()


def test_a_lock_that_is_refused_costs_the_holder_nothing(tmp_path: Path) -> None:
    """As it would with POSIX's locks, which end when the process closes the file anywhere."""
    held = Lock(tmp_path / "lock")
    descriptors = Path("/dev/fd")
    before = len(os.listdir(descriptors)) if descriptors.exists() else 0
    for _ in range(2):
        with pytest.raises(HeldError):
            Lock(tmp_path / "lock")
    assert not descriptors.exists() or len(os.listdir(descriptors)) == before
    held.release()
    Lock(tmp_path / "lock").release()


@pytest.mark.skipif(os.name != "posix", reason="there are no such files")
def test_what_is_no_file_is_no_lock_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    for name in ("fifo", "directory"):
        with pytest.raises(OSError, match=r"Invalid argument|Is a directory") as refused:
            Lock(tmp_path / name)
        assert not isinstance(refused.value, HeldError)


def test_children_don_t_hold_a_lock(tmp_path: Path) -> None:
    held = Lock(tmp_path / "lock")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        held.release()
        Lock(tmp_path / "lock").release()
        child.communicate(b"\n")


def test_a_new_file_is_never_another_s(tmp_path: Path) -> None:
    create(tmp_path / "file", b"one")
    with pytest.raises(FileExistsError):
        create(tmp_path / "file", b"two")
    assert (tmp_path / "file").read_bytes() == b"one"


@pytest.mark.skipif(os.name != "posix", reason="permissions are others there")
def test_all_is_for_its_owner_alone_whatever_the_mask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_directory(tmp_path / "a" / "b")
        create(tmp_path / "a" / "b" / "file")
        Lock(tmp_path / "a" / "b" / "lock").release()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a" / "b").iterdir()} == {0o600}


def test_lines_are_added_to_a_file_that_nobody_else_can_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    append(path, "")
    assert path.read_bytes() == b""
    append(path, "one")
    append(path, "two")
    assert path.read_text() == "one\ntwo\n"
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o640)
        with pytest.raises(StateError, match=f"others may read {path}"):
            append(path, "three")
    with pytest.raises(StateError, match="can't be written to: Is a directory"):
        append(tmp_path, "one")


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_no_link_leads_to_another_file(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("of somebody else")
    other.chmod(0o600)
    (tmp_path / "link").symlink_to(other)
    with pytest.raises(StateError):
        append(tmp_path / "link", "a line")
    with pytest.raises(OSError, match="symbolic links"):
        Lock(tmp_path / "link")
    assert other.read_text() == "of somebody else"

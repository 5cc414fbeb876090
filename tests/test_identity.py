"""The keys are made once: what isn't understood is refused, and left as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_daemon.identity import Identity, IdentityError, read_identity

GOLDEN = f"SIMP identity 1\nx25519 {'01' * 32}\ned25519 {'fe' * 32}\ncheck 920913960e7229bb\n".encode()
posix = pytest.mark.skipif(os.name != "posix", reason="permissions are others there")


def put(directory: Path, data: bytes, mode: int = 0o600) -> Path:
    path = directory / "identity.key"
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_an_identity_is_made_once(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = read_identity(tmp_path / "a")
    finally:
        os.umask(before)
    assert read_identity(tmp_path / "a") == made != read_identity(tmp_path / "b")
    assert len({made.x25519, made.ed25519}) == 2
    assert os.listdir(tmp_path / "a") == ["identity.key"]
    if os.name == "posix":
        assert (tmp_path / "a" / "identity.key").stat().st_mode & 0o777 == 0o600


def test_the_format_is_kept(tmp_path: Path) -> None:
    put(tmp_path, GOLDEN)
    assert read_identity(tmp_path) == Identity(b"\x01" * 32, b"\xfe" * 32)


def test_keys_are_shown_nowhere() -> None:
    assert repr(Identity(b"\x01" * 32, b"\xfe" * 32)) == "Identity(...)"


@given(st.integers(0, len(GOLDEN) * 8 - 1))
def test_no_bit_changes_unnoticed(tmp_path_factory: pytest.TempPathFactory, bit: int) -> None:
    data = bytearray(GOLDEN)
    data[bit // 8] ^= 1 << bit % 8
    directory = tmp_path_factory.mktemp("state")
    path = put(directory, bytes(data))
    with pytest.raises(IdentityError, match=r"identity.key (is damaged: put|was written by another version)"):
        read_identity(directory)
    assert path.read_bytes() == bytes(data)


@pytest.mark.parametrize("data", [b"", GOLDEN[:-1], GOLDEN + b"\n", GOLDEN * 2, b"\xff" * 200, GOLDEN.upper()])
def test_a_damaged_file_is_never_replaced(tmp_path: Path, data: bytes) -> None:
    path = put(tmp_path, data)
    with pytest.raises(IdentityError, match="is damaged"):
        read_identity(tmp_path)
    assert path.read_bytes() == data


def test_a_newer_version_s_file_is_never_replaced(tmp_path: Path) -> None:
    put(tmp_path, GOLDEN.replace(b"identity 1", b"identity 2"))
    with pytest.raises(IdentityError, match="by another version of simp"):
        read_identity(tmp_path)


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_what_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    put(tmp_path, GOLDEN, mode)
    with pytest.raises(IdentityError, match="chmod 600"):
        read_identity(tmp_path)


def test_a_directory_that_can_t_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IdentityError, match="can't be used: "):
        read_identity(tmp_path / "file")


def test_several_that_make_it_at_the_same_time_get_the_same(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from simp_daemon.identity import read_identity as read"
    command = [sys.executable, "-c", f"{script}; print(read(Path(sys.argv[1])).x25519.hex())", str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate()[0] for process in processes}) == 1


def test_whoever_is_slower_takes_what_the_quicker_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any order of the two, with links and without."""
    for no_links in (False, True):
        directory = tmp_path / str(no_links)

        def link(whole: Path, path: Path) -> None:
            put(path.parent, GOLDEN)
            raise PermissionError if no_links else FileExistsError  # noqa: B023

        monkeypatch.setattr(os, "link", link)
        assert read_identity(directory) == Identity(b"\x01" * 32, b"\xfe" * 32)
        assert os.listdir(directory) == ["identity.key"]


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    made = read_identity(tmp_path)
    assert read_identity(tmp_path) == made
    assert os.listdir(tmp_path) == ["identity.key"]

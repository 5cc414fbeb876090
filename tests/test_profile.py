"""What a daemon keeps: read back as it was written, whatever else is in the files."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_daemon.profile import _SIZE, Profile, state_directory
from simp_proto.constants import IDENTITY, KNOWN_PEERS, Framing

BOB = (("192.0.2.2", 7777), Framing.HEADER, "bob")
CAROL = (("2001:db8::2", 7778), Framing.BARE, "carol of the lab")


def profile(tmp_path: Path) -> Profile:
    return Profile(tmp_path / "state" / "one", tmp_path / "hosts")


def test_an_identity_is_made_once(tmp_path: Path) -> None:
    identity = profile(tmp_path).identity
    assert re.fullmatch(IDENTITY, identity)
    assert profile(tmp_path).identity == identity
    assert Profile(tmp_path / "two", tmp_path / "hosts").identity != identity
    kept = tmp_path / "state" / "one" / "identity"
    if os.name == "posix":
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", [b"", b"no identity\n", b"\xff\xfe", b"K3V7Q2XA", b"k3v7q2xaa"])
def test_a_damaged_identity_is_made_again(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    profile(tmp_path)
    (tmp_path / "state" / "one" / "identity").write_bytes(damage)
    made = profile(tmp_path).identity
    assert profile(tmp_path).identity == made
    assert "has no identity" in caplog.text


def test_chats_are_remembered_latest_last(tmp_path: Path) -> None:
    first = profile(tmp_path)
    for chat in (BOB, CAROL, BOB):
        first.remember(chat)
    assert first.chats == [CAROL, BOB]
    assert profile(tmp_path).chats == [CAROL, BOB]


def test_the_oldest_chats_are_forgotten(tmp_path: Path) -> None:
    kept = profile(tmp_path)
    for number in range(KNOWN_PEERS):
        kept._chats[("10.0.0.1", number + 1)] = (("10.0.0.1", number + 1), Framing.HEADER, "x")
    kept.remember(BOB)
    assert len(kept.chats) == KNOWN_PEERS
    assert kept.chats[-1] == BOB


def test_lines_that_are_wrong_cost_no_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    profile(tmp_path).remember(BOB)
    with (tmp_path / "state" / "one" / "chats").open("a", encoding="utf-8") as file:
        file.write("nonsense\n192.0.2.9:7777 morse eve\n192.0.2.9:7777 bare \x1b[2J\n\n192.0.2.3:7777 bare carol\n")
    assert [name for _, _, name in profile(tmp_path).chats] == ["bob", "carol"]
    assert caplog.text.count("is not understood") == 4


def test_hosts_are_read_again_when_they_change(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = profile(tmp_path)
    assert kept.hosts() is None  # there is no such file
    hosts = tmp_path / "hosts"
    hosts.write_text("# the lab\n\n192.0.2.2\tbob\n[2001:db8::2]:7778   carol of the lab # upstairs\n192.0.2.4\nx y\n")
    assert kept.hosts() == [(("192.0.2.2", 7777), "bob"), (("2001:db8::2", 7778), "carol of the lab")]
    assert "line 5: read a name of 0 characters" in caplog.text
    assert "line 6: read 'x'" in caplog.text
    assert all(record.message.count("expected") == 1 for record in caplog.records)
    assert kept.hosts() is None
    hosts.write_text("192.0.2.5 dave\n")
    os.utime(hosts, (1, 1))
    assert kept.hosts() == [(("192.0.2.5", 7777), "dave")]
    hosts.unlink()
    assert kept.hosts() == []
    assert kept.hosts() is None


def test_a_change_within_the_same_moment_is_seen(tmp_path: Path) -> None:
    kept, hosts = profile(tmp_path), tmp_path / "hosts"
    for name in ("bob", "bobby"):
        hosts.write_text(f"192.0.2.2 {name}\n")
        os.utime(hosts, (1, 1))
        assert kept.hosts() == [(("192.0.2.2", 7777), name)]


def test_a_list_that_is_replaced_is_another_one(tmp_path: Path) -> None:
    """As editors do: the same size and time, and another file."""
    kept, hosts = profile(tmp_path), tmp_path / "hosts"
    for name in ("bob", "eve"):
        new = tmp_path / "new"
        new.write_text(f"192.0.2.2 {name}\n")
        os.utime(new, (1, 1))
        new.replace(hosts)
        assert kept.hosts() == [(("192.0.2.2", 7777), name)]


@pytest.mark.parametrize("name", ["", "b|b", "b" * 33, "\x1b[2J", " bob"])
def test_a_name_that_is_none_is_not_remembered(tmp_path: Path, name: str) -> None:
    kept = profile(tmp_path)
    kept.remember((BOB[0], Framing.HEADER, name))
    assert kept.chats == []
    assert not (tmp_path / "state" / "one" / "chats").exists()


def test_what_a_crash_left_half_written_is_in_nobody_s_way(tmp_path: Path) -> None:
    kept = profile(tmp_path)
    (tmp_path / "state" / "one" / "chats.new").write_text("192.0.2.9:7777 header ev")
    kept.remember(BOB)
    assert profile(tmp_path).chats == [BOB]
    assert not (tmp_path / "state" / "one" / "chats.new").exists()


def test_a_line_that_the_limit_cuts_is_none(tmp_path: Path) -> None:
    """discovery 2.3: half a name is another one."""
    line = "192.0.2.2 bob"
    (tmp_path / "hosts").write_text("#" * (_SIZE - len(line)) + "\n" + line + "by\n")
    assert profile(tmp_path).hosts() == []


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def unreadable(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(a_pipe, "can't be read: it isn't a file", marks=pytest.mark.skipif(os.name != "posix", reason="")),
        (Path.mkdir, "can't be read: it isn't a file"),
        pytest.param(unreadable, "can't be read: ", marks=pytest.mark.skipif(os.name != "posix", reason="")),
        (lambda path: path.write_bytes(b"\xff\xfe1\x009\x002\x00"), "line 1: read '"),
        (lambda path: path.write_bytes(b"192.0.2.2 b\xf6b\n"), "line 1: read "),
        (lambda path: path.write_text("x" * 100_000), "line 1: read an address of 100000 characters"),
        (lambda path: path.write_text("192.0.2.2 " + "x" * 100_000), "line 1: read a name of 100000 characters"),
    ],
)
def test_hosts_that_are_no_list_are_reported_once_and_stop_nobody(
    tmp_path: Path, make: Callable[[Path], object], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path / "hosts")
    kept = profile(tmp_path)
    assert kept.hosts() == []
    assert kept.hosts() is None
    (record,) = caplog.records
    assert str(tmp_path / "hosts") in record.message
    assert words in record.message
    assert len(record.message) < 500


def test_hosts_are_read_as_far_as_is_quick(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """discovery 2.3"""
    line = "10.{}.{}.{} somebody\n"
    (tmp_path / "hosts").write_text("".join(line.format(at >> 16, at >> 8 & 255, at & 255) for at in range(300_000)))
    assert profile(tmp_path).hosts() == [((f"10.0.0.{at}", 7777), "somebody") for at in range(256)]
    cut, many = [record.message for record in caplog.records]
    assert re.search(r"hosts, line 1\d{4}: no more is read, since 262144 bytes are the limit", cut)
    assert many.endswith("entries, of which the first 256 count")


def test_a_list_of_wrong_lines_fills_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "hosts").write_text("nonsense\n" * 1000)
    assert profile(tmp_path).hosts() == []
    assert len(caplog.records) == 11
    assert "990 more lines are wrong" in caplog.text


def test_the_mark_and_line_ends_of_other_editors_are_understood(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_bytes(b"\xef\xbb\xbf192.0.2.2 bob\r\n192.0.2.3 carol\r\n# b\xf6b\r\n")
    assert profile(tmp_path).hosts() == [(("192.0.2.2", 7777), "bob"), (("192.0.2.3", 7777), "carol")]


@pytest.mark.skipif(os.name != "posix", reason="has no such modes")
def test_an_identity_that_others_may_read_is_theirs_no_longer(tmp_path: Path) -> None:
    """discovery 1.2"""
    identity, kept = profile(tmp_path).identity, tmp_path / "state" / "one" / "identity"
    kept.chmod(0o644)
    assert profile(tmp_path).identity == identity
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="has no such modes")
def test_what_is_kept_is_its_owner_s_from_the_beginning(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        profile(tmp_path).remember(BOB)
    finally:
        os.umask(before)
    directory = tmp_path / "state" / "one"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {
        "identity": 0o600,
        "chats": 0o600,
    }


@pytest.mark.skipif(os.name != "posix", reason="has no pipes that are files")
@pytest.mark.parametrize("name", ["identity", "chats"])
def test_a_pipe_among_what_is_kept_blocks_nobody(tmp_path: Path, name: str) -> None:
    (tmp_path / "state" / "one").mkdir(parents=True)
    os.mkfifo(tmp_path / "state" / "one" / name)
    assert re.fullmatch(IDENTITY, profile(tmp_path).identity)


def test_undecodable_bytes_cost_a_line_of_the_chats_alone(tmp_path: Path) -> None:
    profile(tmp_path).remember(BOB)
    with (tmp_path / "state" / "one" / "chats").open("ab") as file:
        file.write(b"192.0.2.9:7777 bare b\xf6b\n")
    assert profile(tmp_path).chats == [BOB]


def test_what_can_t_be_kept_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("a file where a directory belongs")
    kept = profile(tmp_path)
    assert re.fullmatch(IDENTITY, kept.identity)
    kept.remember(BOB)
    assert kept.chats == [BOB]
    assert "nothing is kept in" in caplog.text


@given(st.ip_addresses().map(str), st.integers(1, 65_535))
def test_a_daemon_s_directory_is_where_all_are(host: str, port: int) -> None:
    where = state_directory((host, port))
    assert where.parent == state_directory(("127.0.0.1", 7777)).parent
    assert where.name.endswith(f"-{port}")


def test_whoever_gets_another_address_stays_the_same_and_two_on_one_machine_are_two() -> None:
    own = state_directory(("0.0.0.0", 7777))
    assert {state_directory((host, 7777)) for host in ("192.168.1.20", "::", "fe80::1%eth0", "10.0.0.1")} == {own}
    others = {state_directory(each) for each in (("127.0.0.1", 7777), ("127.0.0.2", 7777), ("::1", 7777), ("::", 7778))}
    assert len(others | {own}) == 5

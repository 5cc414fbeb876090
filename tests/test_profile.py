"""What a daemon keeps: read back as it was written, whatever else is in the files."""

import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_daemon.profile import Profile, state_directory
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
    assert kept.hosts() == []  # there is no such file
    hosts = tmp_path / "hosts"
    hosts.write_text("# the lab\n\n192.0.2.2\tbob\n[2001:db8::2]:7778   carol of the lab # upstairs\n192.0.2.4\nx y\n")
    assert kept.hosts() == [(("192.0.2.2", 7777), "bob"), (("2001:db8::2", 7778), "carol of the lab")]
    assert "line 5: read a name of 0 characters" in caplog.text
    assert "line 6: read 'x'" in caplog.text
    assert kept.hosts() == []
    hosts.write_text("192.0.2.5 dave\n")
    os.utime(hosts, (1, 1))
    assert kept.hosts() == [(("192.0.2.5", 7777), "dave")]


def test_what_can_t_be_kept_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("a file where a directory belongs")
    kept = profile(tmp_path)
    assert re.fullmatch(IDENTITY, kept.identity)
    kept.remember(BOB)
    assert kept.chats == [BOB]
    assert "nothing is kept in" in caplog.text


@given(st.text(max_size=60), st.integers(1, 65_535))
def test_a_daemon_s_directory_is_where_all_are(host: str, port: int) -> None:
    where = state_directory((host, port))
    assert where.parent == state_directory(("127.0.0.1", 7777)).parent
    assert where.name.endswith(f"-{port}")

"""What a daemon says of itself on its network."""

from simp_daemon.announcement import Announcement
from simp_daemon.contacts import announced_as, hidden_as, id_of

KEYS = bytes(range(32)), bytes(range(32, 64))


def test_whoever_is_there_is_named_and_whoever_was_there_last() -> None:
    own = Announcement(lambda: "k3v7q2xa", "1,2")
    assert own.record() == ("k3v7q2xa", "simp-k3v7q2xa.local.", {"txtvers": "1", "v": "1,2"})
    own.rename("dr. bob")
    text = {"txtvers": "1", "v": "1,2", "n": "dr. bob"}
    assert own.record() == ("dr  bob k3v7q2xa", "simp-k3v7q2xa.local.", text)
    own.rename("")
    assert own.record() == ("dr  bob k3v7q2xa", "simp-k3v7q2xa.local.", {"txtvers": "1", "v": "1,2"})


def test_a_hidden_one_says_nothing_but_this_hour_s_identity() -> None:
    """discovery 5.3"""
    hours = iter((0, 1))
    own = Announcement(lambda: hidden_as(*KEYS, next(hours)), "1,2", hidden=True)
    own.rename("bob")
    first, second = own.record(), own.record()
    assert first[0] != second[0]
    for instance, host, text in (first, second):
        assert (host, text) == (f"simp-{instance}.local.", {"txtvers": "1"})


def test_identities_of_keys() -> None:
    """Fixed, so that other implementations find them."""
    assert announced_as(*KEYS) == id_of(*KEYS)[:8] == "45sisflf"
    assert [hidden_as(*KEYS, hour) for hour in (0, 496_000)] == ["xxklu72q", "34durtru"]

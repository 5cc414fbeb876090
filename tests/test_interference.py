"""Somebody on the path of a call of SIMP/2, by the golden call (security 4)."""

from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.constants import Control, Framing
from simp_proto.datagram import build, parse
from simp_proto.toolkit.interference import Interference, Tampered, Tampering
from tests.sealed_by_hand import MADE, datagram_by_hand
from tests.test_datagram import by_hand, datagrams
from tests.test_envelope import CALL
from tests.test_proxy import message, peers, posix, running

OURS = bytes(range(32))
TAG = CALL[1][1][42:50]
TAG_OF_OURS = MADE["tag"](e=OURS)
DATA = [data for _, data in CALL]


def after(tampering: Tampering) -> list[Tampered]:
    """What becomes of the datagrams of the golden call."""
    middle = Interference(tampering, OURS)
    return [middle.pass_on(data) for data in DATA]


def test_the_offer_is_stripped() -> None:
    first, challenge, again, *others = after(Tampering.STRIP)
    offer = b"SIMP/1 header utf-8"
    assert first == (by_hand("bare", 1, 2, 0, b"alice", offer), None, "offer stripped")
    assert again == (datagram_by_hand("SYN", offer, user=b"alice"), None, "offer stripped")
    assert [each.onward for each in (challenge, *others)] == [DATA[1], *DATA[3:]]


def test_the_call_is_answered_as_by_simp1() -> None:
    first, challenge, again, *others = after(Tampering.ANSWER)
    for each in (first, again):
        assert (each.onward, each.what) == (None, "answered as SIMP/1")
        assert each.back
        answer = parse(each.back)
        assert (answer.operation, answer.payload, answer.framing) == (Control.SYN_ACK, b"", Framing.HEADER)
    assert [each.onward for each in (challenge, *others)] == [DATA[1], *DATA[3:]]


def test_keys_are_swapped_and_each_end_sees_its_own_tag() -> None:
    middle = Interference(Tampering.SWAP, OURS)
    for data in (DATA[0], DATA[2]):
        was, now = (parse(each).payload for each in (data, middle.pass_on(data).onward or b""))
        at = was.index(b" SIMP/2 ") + 8
        assert urlsafe_b64decode(now[at : at + 44]) == b"\0" + OURS
        assert (now[:at], now[at + 44 :]) == (was[:at], was[at + 44 :])
    for operation, kind, size in (
        ("ACK", 0x80, 16),
        ("ACK", 0x81, 0),
        ("FIN", 0x84, 0),
        ("ACK", 0x84, 0),
        ("ACK", 0x83, 64),
    ):
        sent, heard = (datagram_by_hand(operation, bytes((kind,)) + tag + bytes(size)) for tag in (TAG_OF_OURS, TAG))
        assert middle.pass_on(sent) == (heard, None, "tag swapped")
        assert middle.pass_on(heard).onward == sent
    sent = b"\x82" + TAG_OF_OURS + DATA[4][50:]
    heard = b"\x82" + TAG + OURS + DATA[4][82:]
    assert middle.pass_on(datagram_by_hand("SYN+ACK", sent)) == (
        datagram_by_hand("SYN+ACK", heard), None, "key swapped",
    )  # fmt: skip
    assert [middle.pass_on(data).onward for data in DATA[6:]] == DATA[6:]


@given(st.sampled_from(Tampering), datagrams().map(build) | st.binary(max_size=100))
def test_simp1_passes_untouched(tampering: Tampering, data: bytes) -> None:
    if data[41:42] < b"\x80" or data[41:42] >= b"\xc0":
        assert Interference(tampering, OURS).pass_on(data) == (data, None, "")


@pytest.mark.parametrize("tampering", Tampering)
def test_one_direction_only(tampering: Tampering) -> None:
    assert Interference(tampering, OURS).pass_on(DATA[0], tamper=False) == (DATA[0], None, "")


@posix
def test_the_proxy_does_it_and_says_so() -> None:
    with peers() as (a, b), running(a.address, b.address, "--json", "--tamper", "strip", "--only", "a-to-b") as proxy:
        a.says(DATA[0], proxy.address)
        assert parse(b.hears(proxy.address)).payload == b"SIMP/1 header utf-8"
        b.says(DATA[0], proxy.address)
        assert a.hears(proxy.address) == DATA[0]
        stripped, untouched = proxy.objects(2)
    assert stripped["note"] == "offer stripped"
    assert stripped["simp2"]["kind"] == "OFFER"
    assert "note" not in untouched


@posix
def test_the_proxy_answers_in_the_place_of_another() -> None:
    with peers() as (a, b), running(a.address, b.address, "--tamper", "answer") as proxy:
        a.says(DATA[2], proxy.address)
        assert parse(a.hears(proxy.address)).operation is Control.SYN_ACK
        a.says(message("hello"), proxy.address)
        assert b.hears(proxy.address) == message("hello")
        totals = proxy.stop()
        assert b.heard_all
        assert "2 came, 1 lost" in totals[0]
        shown = proxy.output.read()
    assert "OFFER 11e173b8a9e247e8" in shown
    assert "answered as SIMP/1, lost" in " ".join(shown.split())

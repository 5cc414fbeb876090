"""The line of a key log: laws, and the golden one (simp2 10.2)."""

from contextlib import suppress
from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from simp_proto.errors import KeyLogError
from simp_proto.sealed.key_log import SessionKeys, build_line, read_line
from tests.test_envelope import CALL, GOLDEN

(HANDSHAKE,) = GOLDEN["handshake"]
LINE = HANDSHAKE["key_log"]


@given(st.builds(SessionKeys, *[st.binary(min_size=size, max_size=size) for size in (8, 4, 32, 32, 32, 32)]))
def test_what_is_written_is_read(keys: SessionKeys) -> None:
    assert read_line(build_line(keys)) == keys
    assert build_line(keys) == " ".join(["SIMP2", *(value.hex() for value in astuple(keys))])


def test_the_golden_line() -> None:
    keys = read_line(LINE)
    assert keys
    assert build_line(keys) == LINE
    names = ("session", "key_2", "key_3", "caller_key", "callee_key")
    assert astuple(keys) == (CALL[1][1][42:50], *(bytes.fromhex(HANDSHAKE[name]) for name in names))


@given(st.text(max_size=300))
def test_any_other_line_is_refused_or_says_nothing(line: str) -> None:
    with suppress(KeyLogError):
        assert read_line(line) is None

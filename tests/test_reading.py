"""Bytes as they were read, by laws that hold for all bytes."""

import json

from hypothesis import example, given

from simp_proto.constants import Framing
from simp_proto.datagram import build, reading_order
from simp_proto.errors import SealedError
from simp_proto.toolkit.reading import Reading
from tests.test_comparison import anything, framings
from tests.test_datagram import by_hand


@given(anything, framings)
def test_it_is_a_datagram_or_has_a_reason(data: bytes, framing: Framing | None) -> None:
    reading = Reading.of(data, reading_order(framing))
    assert reading.data == data
    assert (reading.datagram is None) is (reading.error is not None)
    assert isinstance(reading.framing, Framing)
    if isinstance(reading.error, SealedError):
        assert (data[41] >> 6, reading.framing) == (0b10, Framing.HEADER)  # simp2 3.2
    if reading.datagram:
        assert build(reading.datagram) == data
        assert reading.hints == []


@given(anything, framings)
@example(by_hand("header", 2, 1, 1, b"alice", b"hello") + b"!", None)  # of which something can be guessed
def test_what_is_shown_of_it(data: bytes, framing: Framing | None) -> None:
    reading = Reading.of(data, reading_order(framing))
    refused = reading.error is not None
    for text in (reading.title, reading.in_words):
        assert text.isprintable()
        assert text.startswith("refused") is refused
    assert reading.title.endswith(f"{len(data)} byte" + "s" * (len(data) != 1))
    shown = json.loads(json.dumps(reading.as_json))
    assert ("error" in shown) is refused
    assert shown.get("hex", data.hex()) == data.hex()
    assert shown.get("hints", []) == reading.hints

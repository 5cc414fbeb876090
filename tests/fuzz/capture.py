"""The reader of captures."""

import io

from simp_proto.toolkit.capture import MAGIC_SIZE, Capture, CaptureError, is_capture
from tests import test_capture as made
from tests.fuzz.target import Target
from tests.test_frame import fragmented


def _try(data: bytes) -> None:
    magic = data[:MAGIC_SIZE]
    if not is_capture(magic):
        magic = b"\xd4\xc3\xb2\xa1"  # so that no input is spent on that
    capture = Capture(magic, io.BytesIO(data[MAGIC_SIZE:]), (7777,))
    packets = size = 0
    try:
        for captured in capture:
            packets += 1
            size += len(captured.data)
            # Fragments of an IP packet begin at multiples of 8 bytes, and so does what UDP carries.
            assert all(captured.data[at : at + 8] in data for at in range(0, len(captured.data), 8))
            assert 7777 in (captured.source[1], captured.destination[1])
    except CaptureError as error:
        assert str(error).isprintable(), str(error)
        assert 0 <= error.offset <= len(data)
    assert size <= len(data)
    assert packets + capture.frames.skipped.total() <= len(data) // 12


TARGET = Target(
    "whatever bytes, reading them as a capture ends, yields no more datagrams, and no more bytes of them, than it"
    " has room for, and only bytes that are in it, and raises nothing but `CaptureError`, whose offset is in the file",
    _try,
    [
        made.pcap(made.ethernet(made.V4), made.ethernet(made.V6, 0x86DD)),
        made.pcap(made.ethernet(made.V4), order=">", nano=True),
        made.section() + made.interface() + made.enhanced(made.ethernet(made.V4)),
        made.section(">") + made.interface(order=">") + made.enhanced(made.ethernet(made.V4), order=">"),
        made.snoop(made.ethernet(made.V4), made.ethernet(made.V6, 0x86DD)),
        made.pcap(*fragmented(made.udp(bytes(64)), 16, 24, 40), link=101),
        *(made.pcap(one, other, link=link) for link, one, other in made.LINKS.values()),
    ],
)

"""The datagram codec."""

import tomllib

from simp_proto.constants import Framing
from simp_proto.datagram import Datagram, build, offset, parse, reading_order, with_checksum
from simp_proto.errors import DatagramError
from tests.fuzz.target import Target
from tests.test_architecture import ROOT

_PACKETS = tomllib.loads((ROOT / "spec" / "packets.toml").read_text("utf-8"))["packet"]


def _try(data: bytes) -> None:
    _read(data)
    for framing in Framing:  # few bytes have the right checksum by chance
        if len(data) >= offset("payload", Framing.HEADER, 0):
            _read(with_checksum(data, framing))


def _read(data: bytes) -> None:
    for framing in Framing:
        try:
            datagram = parse(data, reading_order(framing))
        except DatagramError as error:
            assert str(error).isprintable(), str(error)
        else:
            assert isinstance(datagram, Datagram)
            assert build(datagram) == data


TARGET = Target(
    "whatever bytes, `parse` returns a `Datagram` of which `build` makes the same bytes, or raises `DatagramError`"
    " with one printable line, in each order of the framings",
    _try,
    [bytes.fromhex(packet["hex"].replace(" ", "")) for packet in _PACKETS],
)

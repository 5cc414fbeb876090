"""What may be wrong with a refused datagram: common mistakes that would explain its bytes."""

import struct
from collections.abc import Iterator

from simp_proto.constants import Framing
from simp_proto.datagram import (
    CHECKSUM_SIZE,
    CHECKSUM_SIZES,
    HEAD_SIZE,
    parse,
    payload_length,
    reading_order,
    with_checksum,
)
from simp_proto.errors import DatagramError


def hints(data: bytes, framing: Framing) -> list[str]:
    """What would explain why `data` is refused in `framing`, for people; nothing where it isn't refused.

    A hint is a size that fits when the length is read in a common wrong way, or a checksum that is right when it is
    computed in such a way. By chance, one in 6,000 random checksums is.
    """
    if _is_right(data, framing):
        return []
    others = [other for other in Framing if _is_right(data, other)]
    if others:
        return [f"in {others[0].value} it is right"]
    return [*_of_length(data, framing), *_of_checksum(data, framing)] if len(data) >= HEAD_SIZE else []


def _is_right(data: bytes, framing: Framing) -> bool:
    try:
        parse(data, (framing,))
    except DatagramError:
        return False
    return True


def _checksummed(framing: Framing) -> list[Framing]:
    """The framings that have a checksum, that one first."""
    return [each for each in reading_order(framing) if each is not Framing.BARE]


def _lengths(data: bytes) -> tuple[int, int]:
    """The length as it is to be read (spec 2.5), and little-endian."""
    length = payload_length(data)
    return length, int.from_bytes(length.to_bytes(4, "big"), "little")


def _of_length(data: bytes, framing: Framing) -> Iterator[str]:
    fitting = {len(data) - HEAD_SIZE - extra for extra in CHECKSUM_SIZES.values()}
    length, little_endian = _lengths(data)
    if length in fitting:
        return
    if little_endian in fitting:
        yield f"the length is little-endian: read that way, it is {little_endian}, which fits"
    if length == len(data):
        yield "the length is the size of the whole datagram, but should be that of the payload"
    # Bytes that begin like one in bare prove nothing: it has no checksum.
    for each in _checksummed(framing):
        size = HEAD_SIZE + CHECKSUM_SIZE + length
        if size < len(data) and _is_right(data[:size], each):
            yield f"the first {size} bytes alone are right in {each.value}"
            return


def _of_checksum(data: bytes, framing: Framing) -> Iterator[str]:
    """Where there may be one, by what the length says in whichever way."""
    length, little_endian = _lengths(data)
    payload = len(data) - HEAD_SIZE - CHECKSUM_SIZE
    if payload < 0 or (payload not in (length, little_endian) and len(data) != length):
        return
    places = _checksummed(framing)
    for place in places:
        if data == with_checksum(data, place):
            if place is not framing:
                yield f"{_named(place)} right, as in {place.value}"
            return
    for place in places:
        at = HEAD_SIZE if place is Framing.HEADER else len(data) - CHECKSUM_SIZE
        read, covered = data[at : at + CHECKSUM_SIZE], data[:at] + data[at + CHECKSUM_SIZE :]
        found = [fault for checksum, fault in _faults(covered, place) if read == _stored(checksum, place)]
        yield from (f"{_named(place)} right except for {fault}" for fault in found)
        if place is framing and not any(read):
            yield "the checksum is zero, as if it hadn't been computed"
        if found:  # the other place would be a second guess
            return


def _named(place: Framing) -> str:
    return (
        "the last two bytes are a checksum," if place is Framing.TRAILER else f"the checksum at offset {HEAD_SIZE} is"
    )


def _stored(checksum: bytes, place: Framing) -> bytes:
    return checksum[::-1] if place is Framing.TRAILER else checksum


def _faults(covered: bytes, place: Framing) -> Iterator[tuple[bytes, str]]:
    """Checksums of those bytes, big-endian, as they are with a fault, and what the fault is about (spec 2.6)."""
    right = _checksum(covered)
    swapped = "their order: trailer has them swapped" if place is Framing.TRAILER else "the order of its two bytes"
    if place is Framing.HEADER and len(covered) % 2 == 0:
        # The sum over all bytes is zero then, at whichever two of them: 39 is odd, so that swapped they are aligned.
        swapped += "; or it was put at the end, big-endian, where it is right, too"
    if len(covered) % 2:
        # A byte in front puts all others into the other half of their words, which swaps the sum's halves.
        swapped += ", or the zero byte that goes after an odd number of bytes, not before"
        yield _checksum(covered[:-1] + b"\0" + covered[-1:]), "the odd byte at the end: a zero byte goes after it"
    yield right[::-1], swapped
    yield _checksum(covered[:HEAD_SIZE]), "the payload, which it leaves out"
    complement = bytes(0xFF - byte for byte in right)
    yield complement, "its complement, which wasn't taken" if any(right) else "a zero, which isn't sent as ffff here"
    words = struct.unpack(f">{(len(covered) + 1) // 2}H", covered + bytes(len(covered) % 2))
    yield (~sum(words) & 0xFFFF).to_bytes(2, "big"), "its carries, which weren't added back"


def _checksum(covered: bytes) -> bytes:
    """What is in a `header` datagram in the middle of those bytes, of which there are at least its fixed ones."""
    return with_checksum(covered[:HEAD_SIZE] + bytes(CHECKSUM_SIZE) + covered[HEAD_SIZE:], Framing.HEADER)[
        HEAD_SIZE : HEAD_SIZE + CHECKSUM_SIZE
    ]

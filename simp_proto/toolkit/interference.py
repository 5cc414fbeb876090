"""What somebody on the path does to calls of SIMP/2: brings them down to SIMP/1, or gets between keys (security 4)."""

from dataclasses import replace
from enum import Enum, unique
from typing import Final, NamedTuple

from simp_proto.constants import KEY_SIZE, OFFER, Control, Type
from simp_proto.datagram import Datagram, build
from simp_proto.sealed.offer import Offer, build_offer, tag_of
from simp_proto.sealed.payloads import Answer, Record, build_payload
from simp_proto.toolkit.reading import Reading

_NAME: Final = b"somebody"
_MOST_CALLS: Final = 1024


@unique
class Tampering(Enum):
    """Each in one word, as an option has it."""

    STRIP = "strip"
    """SYNs go on without their offer of SIMP/2."""
    ANSWER = "answer"
    """SYNs that offer SIMP/2 are accepted as by a daemon of SIMP/1, and don't go on."""
    SWAP = "swap"
    """The ephemeral keys of SYN and ANSWER are replaced; the tags follow, so that each end sees its own call's."""


class Tampered(NamedTuple):
    """What goes on in a datagram's place, and what back to its sender; `what` was done, for people."""

    onward: bytes | None
    back: bytes | None = None
    what: str = ""


class Interference:
    """Somebody on the path. `key` is the ephemeral key, 32 bytes, that is put in the place of others."""

    def __init__(self, tampering: Tampering, key: bytes) -> None:
        assert len(key) == KEY_SIZE
        self._tampering = tampering
        self._key = key
        self._tags: dict[bytes, bytes] = {}

    def pass_on(self, data: bytes, *, tamper: bool = True) -> Tampered:
        """What becomes of it; without `tamper`, only what must change since another datagram did."""
        envelope = Reading.of(data).envelope
        if envelope is None:
            return Tampered(data)
        datagram, said = envelope.datagram, envelope.said
        if isinstance(said, Offer):
            return self._call(data, datagram, said) if tamper else Tampered(data)
        if isinstance(said, Record) or self._tampering is not Tampering.SWAP:
            return Tampered(data)
        swapped = replace(said, tag=self._tags.get(said.tag, said.tag))
        if isinstance(swapped, Answer) and tamper:
            swapped = replace(swapped, message=self._key + swapped.message[KEY_SIZE:])
        if swapped == said:
            return Tampered(data)
        what = "key swapped" if isinstance(swapped, Answer) and tamper else "tag swapped"
        return Tampered(build(build_payload(swapped, datagram.operation)), what=what)

    def _call(self, data: bytes, datagram: Datagram, offer: Offer) -> Tampered:
        match self._tampering:
            case Tampering.STRIP:
                return Tampered(build(replace(datagram, payload=OFFER)), what="offer stripped")
            case Tampering.ANSWER:
                accepted = build(Datagram(Type.CONTROL, Control.SYN_ACK, 0, _NAME))
                return Tampered(None, accepted, "answered as SIMP/1")
            case Tampering.SWAP:
                ours = replace(offer, key=offer.key[:1] + self._key)
                if len(self._tags) < _MOST_CALLS:
                    self._tags |= {tag_of(ours.e): tag_of(offer.e), tag_of(offer.e): tag_of(ours.e)}
                return Tampered(build(replace(datagram, payload=build_offer(ours))), what="key swapped")

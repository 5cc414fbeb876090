"""What a datagram says of SIMP/2 without a key: its offer, or what its payload is (simp2 2, 3, 10.1)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from simp_proto.cli.output import counted
from simp_proto.constants import OFFER, PayloadKind
from simp_proto.datagram import Datagram, offset
from simp_proto.errors import SealedError
from simp_proto.sealed.offer import Offer, read_offer, tag_of
from simp_proto.sealed.payloads import OPERATIONS_OF, PAYLOADS, Payload, Record, may_offer, offered, read_payload

_TOKEN: Final = b" SIMP/2 "
_MANY: Final = {kind.name for kind, operations in OPERATIONS_OF.items() if len(operations) > 1}
"""The kinds that an operation doesn't follow from."""


class Part(NamedTuple):
    """A field of the payload: from where in it, how many bytes, and what they mean."""

    name: str
    at: int
    size: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """A datagram of SIMP/2, and what it says."""

    datagram: Datagram
    said: Offer | Payload

    @classmethod
    def of(cls, datagram: Datagram) -> "Envelope | None":
        """`None` if it says nothing of SIMP/2, be it that its offer is none (`no_offer`).

        Raises `SealedError` if SIMP/2 finds it malformed.
        """
        said: Offer | Payload | None
        try:
            said = read_payload(datagram) or offered(datagram)
        except SealedError as error:
            error.framing = datagram.framing
            raise
        return None if said is None else cls(datagram, said)

    @property
    def kind(self) -> str:
        """`OFFER`, `CHALLENGE` and so on."""
        return type(self.said).__name__.upper()

    @property
    def in_words(self) -> str:
        """`CHALLENGE 11e173b8a9e247e8`: with the tag of its call, or the session and counter."""
        said, kind = self.said, self.kind
        if isinstance(said, Offer):
            return f"{kind} {tag_of(said.e).hex()}{', quiet' * said.quiet}"
        of = f"{said.session.hex()} {said.counter}" if isinstance(said, Record) else said.tag.hex()
        return f"{f'{self.datagram.operation.label} ' * (kind in _MANY)}{kind} {of}"

    @property
    def as_json(self) -> dict[str, Any]:
        """Its fields by the names of spec/sealed.toml, bytes in hexadecimal."""
        said: dict[str, Any]
        if isinstance(self.said, Offer):
            offer = self.said
            tokens = (offer.before + offer.after).decode("ascii").split()
            said = {"tag": tag_of(offer.e), "quiet": offer.quiet, "e": offer.e, "cookie": offer.cookie}
            said |= {"ring_proof": offer.ring_proof, "tokens": tokens}
        else:
            said = asdict(self.said)
        return {"kind": self.kind} | {
            name: value.hex() if isinstance(value, bytes) else value for name, value in said.items()
        }

    def parts(self) -> Iterator[Part]:
        """The fields that the payload consists of, in order."""
        if isinstance(self.said, Offer):
            yield from _parts_of_offer(self.said)
            return
        payload = self.datagram.payload
        yield Part("kind", 0, 1, self.kind)
        for name, at, size in PAYLOADS[PayloadKind(payload[0])].places:
            value = getattr(self.said, name)
            meaning = _MEANINGS.get((self.kind, name), "{}").format(_shown(value))
            yield Part(name, 1 + at, size or len(value), meaning)


def no_offer(datagram: Datagram) -> SealedError | None:
    """Why a SYN that mentions SIMP/2 behind an offer of SIMP/1 is no offer of it, with the offset in the datagram."""
    payload = datagram.payload
    if may_offer(datagram) and payload.startswith(OFFER) and _TOKEN.strip() in payload:
        try:
            read_offer(payload)
        except SealedError as error:
            at = error.offset + offset("payload", datagram.framing, len(payload))
            return SealedError(error.field, at, error.read, error.expected, section=error.section)
    return None


def _parts_of_offer(offer: Offer) -> Iterator[Part]:
    key = len(OFFER + offer.before + _TOKEN)
    text = offer.text.decode("ascii")
    behind = len(text) - len(offer.after)
    yield Part("offer", 0, key, text[:key].strip())
    yield Part("key", key, behind - key, f"{'quiet' if offer.quiet else 'rings'}, e {offer.e.hex()}")
    if offer.after:
        yield Part("tokens", behind, len(offer.after), text[behind:].strip())
    proof = f"cookie {offer.cookie.hex()}, ring proof {offer.ring_proof.hex()}"
    yield Part("proof", len(text), _PROOF, proof)


def _shown(value: int | bytes) -> str:
    return (
        str(value) if isinstance(value, int) else value.hex() if len(value) <= _SHORT else counted(len(value), "byte")
    )


_PROOF: Final = len(" @") + 43
_SHORT: Final = 16
_MEANINGS: Final = {
    ("ANSWER", "message"): "{}: e of the callee, its sealed static key, sealed frames",
    ("CONFIRM", "message"): "{}: the sealed static key of the caller, sealed frames",
    ("RECORD", "sealed"): "{} of sealed frames",
}

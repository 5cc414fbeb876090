"""Bytes as they were read: as a datagram, or with the reason why they are none, for people and scripts."""

from dataclasses import dataclass
from typing import Any, Final

from simp_proto.cli.output import counted
from simp_proto.constants import USER_SIZE, Framing, Type
from simp_proto.datagram import HEAD_SIZE, Datagram, offset, parse
from simp_proto.errors import DatagramError, SealedError
from simp_proto.printable import printable
from simp_proto.toolkit.diagnosis import hints
from simp_proto.toolkit.envelope import Envelope, no_offer
from simp_proto.toolkit.opened import Opened

_OF_SIMP1: Final = "a text that isn't UTF-8: one of SIMP/1, which daemons of SIMP/2 ignore"
_USER: Final = offset("user", Framing.BARE, 0)


@dataclass(frozen=True, slots=True)
class Reading:
    """`data`, and either the datagram that it is or the error because of which it is none.

    `envelope` is what the datagram says of SIMP/2, and `opened` what a key log opens of that; `note` is why it doesn't
    offer SIMP/2, where it looks like an offer.
    """

    data: bytes
    datagram: Datagram | None = None
    error: DatagramError | None = None
    envelope: Envelope | None = None
    note: SealedError | None = None
    opened: Opened | None = None

    @classmethod
    def of(cls, data: bytes, framings: tuple[Framing, ...] = tuple(Framing)) -> "Reading":
        """In the first of `framings` that fits, as `parse` reads it."""
        try:
            datagram = parse(data, framings)
            envelope = Envelope.of(datagram)
        except DatagramError as error:
            return cls(data, error=error)
        return cls(data, datagram, None, envelope, None if envelope else no_offer(datagram))

    @property
    def is_wrong(self) -> bool:
        """Whether it was refused, or what is sealed in it is wrong."""
        return self.error is not None or (self.opened is not None and self.opened.is_wrong)

    @property
    def framing(self) -> Framing | None:
        """The one in which it was read, or refused; `None` where there weren't all bytes to read."""
        read = self.datagram or self.error
        return read.framing if read else None

    @property
    def size(self) -> str:
        """`39 bytes`."""
        return counted(len(self.data), "byte")

    @property
    def title(self) -> str:
        """What kind of datagram it is, or that it is none, with its framing and size."""
        if self.datagram:
            kind, operation = self.datagram.type.label, self.datagram.operation.label
            what = f"{kind} {operation}, {self.envelope.kind} of SIMP/2" if self.envelope else f"{kind} {operation}"
            return f"{what}, {self.datagram.framing.value} framing, {self.size}"
        framing = f", read in {self.framing.value} framing" if self.framing and len(self.data) > HEAD_SIZE else ""
        return f"refused{framing}, {self.size}"

    @property
    def in_words(self) -> str:
        """`MESSAGE 1 'hello'`, or what is wrong, printable."""
        if self.envelope:
            if not self.opened or not self.opened.frames:
                return self.envelope.in_words
            kind = f"{self.envelope.kind}, " if self.envelope.kind != "RECORD" else ""
            return f"{kind}{self.opened.in_words}"
        if self.datagram:
            text = f" '{printable(self.datagram.text)}'" if self.datagram.payload else ""
            return f"{self.datagram.operation.label} {self.datagram.sequence}{text}"
        assert self.error
        return f"{self.refusal}: {printable(str(self.error))}"

    @property
    def refusal(self) -> str:
        """`refused (spec 2.5)`, with the section that is broken, if one is."""
        rule = self.error.rule if self.error else ""
        return f"refused ({rule})" if rule else "refused"

    @property
    def hints(self) -> list[str]:
        """What may have caused the error."""
        if isinstance(self.error, SealedError):
            return [_OF_SIMP1] if self.data[0] == Type.CHAT and any(self.data[_USER : _USER + USER_SIZE]) else []
        return hints(self.data, self.error.framing) if self.error and self.error.framing else []

    @property
    def as_json(self) -> dict[str, Any]:
        """The object that `simp decode --json` prints.

        Where a text can't represent its bytes exactly, since they aren't UTF-8 or padded, `user_hex` or `payload_hex`
        contains them.
        """
        error, datagram = self.error, self.datagram
        if error:
            return _error_as_json(error) | {"hints": self.hints, "hex": self.data.hex()}
        assert datagram
        read: dict[str, Any] = {
            "framing": datagram.framing.value,
            "type": datagram.type.label,
            "operation": datagram.operation.label,
            "sequence": datagram.sequence,
            "user": datagram.name,
            "length": datagram.length,
            "checksum": None if datagram.checksum is None else f"{datagram.checksum:04x}",
            "payload": datagram.text,
        }
        for name, data in (("user", datagram.user), ("payload", datagram.payload)):
            if str(read[name]).encode("utf-8") != data:
                read[f"{name}_hex"] = data.hex()
        if self.envelope:
            read["simp2"] = self.envelope.as_json | ({"opened": self.opened.as_json} if self.opened else {})
        elif self.note:
            read["simp2"] = _error_as_json(self.note)
        return read


def _error_as_json(error: DatagramError) -> dict[str, Any]:
    """`specification` is there where it isn't spec/simp.md that is broken."""
    shown: dict[str, Any] = {"error": str(error), "section": error.section}
    if isinstance(error, SealedError):
        shown["specification"] = error.specification
    return shown | {"field": error.field, "offset": error.offset, "read": error.read, "expected": error.expected}

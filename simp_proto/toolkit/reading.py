"""Bytes as they were read: as a datagram, or with the reason why they are none, for people and scripts."""

from dataclasses import dataclass
from typing import Any

from simp_proto.cli.output import counted
from simp_proto.constants import Framing
from simp_proto.datagram import HEAD_SIZE, Datagram, parse
from simp_proto.errors import DatagramError
from simp_proto.printable import printable
from simp_proto.toolkit.diagnosis import hints


@dataclass(frozen=True, slots=True)
class Reading:
    """`data`, and either the datagram that it is or the error because of which it is none."""

    data: bytes
    datagram: Datagram | None = None
    error: DatagramError | None = None

    @classmethod
    def of(cls, data: bytes, framings: tuple[Framing, ...] = tuple(Framing)) -> "Reading":
        """In the first of `framings` that fits, as `parse` reads it."""
        try:
            return cls(data, parse(data, framings))
        except DatagramError as error:
            return cls(data, error=error)

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
            return f"{kind} {operation}, {self.datagram.framing.value} framing, {self.size}"
        framing = f", read in {self.framing.value} framing" if self.framing and len(self.data) > HEAD_SIZE else ""
        return f"refused{framing}, {self.size}"

    @property
    def in_words(self) -> str:
        """`MESSAGE 1 'hello'`, or what is wrong, printable."""
        if self.datagram:
            text = f" '{printable(self.datagram.text)}'" if self.datagram.payload else ""
            return f"{self.datagram.operation.label} {self.datagram.sequence}{text}"
        assert self.error
        section = f" (spec {self.error.section})" if self.error.section else ""
        return f"refused{section}: {printable(str(self.error))}"

    @property
    def hints(self) -> list[str]:
        """What may have caused the error."""
        return hints(self.data, self.error.framing) if self.error and self.error.framing else []

    @property
    def as_json(self) -> dict[str, Any]:
        """The object that `simp decode --json` prints.

        Where a text can't represent its bytes exactly, since they aren't UTF-8 or padded, `user_hex` or `payload_hex`
        contains them.
        """
        error, datagram = self.error, self.datagram
        if error:
            return {
                "error": str(error),
                "section": error.section,
                "field": error.field,
                "offset": error.offset,
                "read": error.read,
                "expected": error.expected,
                "hints": self.hints,
                "hex": self.data.hex(),
            }
        assert datagram
        read = {
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
        return read

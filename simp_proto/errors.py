"""What can be wrong with what was read, in words that say what to do."""

from typing import ClassVar, Final

from simp_proto.constants import Framing

SECTIONS: Final = {
    "type": "2.1",
    "operation": "2.2",
    "sequence": "2.3",
    "user": "2.4",
    "length": "2.5",
    "checksum": "2.6",
}
"""The section of spec/simp.md that has the rule of each field."""


class SimpError(Exception):
    """Every error that this project raises on purpose."""


class DatagramError(SimpError, ValueError):
    """Bytes that are not a SIMP/1 datagram, or values that cannot become one (spec 2).

    `field` is the field's name, `offset` the byte at which it starts, `read` what was
    found there and `expected` what the specification asks for. `section` is the one of spec/simp.md that is
    broken, which is the field's own unless another is given; `None` where no rule of the datagram is. `framing`
    is the one in which the bytes were read; `None` where there were none to read.
    """

    specification: ClassVar = "spec"

    def __init__(
        self,
        field: str,
        offset: int,
        read: str,
        expected: str,
        *,
        section: str | None = None,
        framing: Framing | None = None,
    ) -> None:
        super().__init__(f"{field} at offset {offset}: read {read}, expected {expected}")
        self.field = field
        self.offset = offset
        self.read = read
        self.expected = expected
        self.section = section or SECTIONS.get(field)
        self.framing = framing

    @property
    def rule(self) -> str:
        """The section that is broken, for people: `spec 2.5`; empty where no rule of the datagram is."""
        return f"{self.specification} {self.section}" if self.section else ""


class SealedError(DatagramError):
    """Bytes that are nothing of SIMP/2, or values that can't become any (simp2 2, 3, 6, 7).

    `section` is the one of spec/simp2.md that is broken, and `offset` counts from the beginning of what was read:
    a datagram, or the payload of a SYN, frames, or a message.
    """

    specification = "simp2"


class UnknownFrameError(SealedError):
    """A frame of a type that must be understood, and isn't (simp2 6.5)."""


class LineError(SimpError, ValueError):
    """A line that is not one of the client protocol (client.md)."""


class NotSimpError(LineError):
    """A line whose first word is not an operation at all: an HTTP request, say (client 2)."""


class KeyLogError(SimpError, ValueError):
    """A line that is none of a key log (simp2 10.2)."""


class AddressError(SimpError, ValueError):
    """A text that is not `IP` or `IP:port`."""


class NoiseError(SimpError, ValueError):
    """Bytes that are not the handshake message that was expected."""


class LowOrderError(NoiseError):
    """A public key with which every exchange gives zeros, a secret that anybody knows."""


class NotNowError(SimpError):
    """What a person asked for can't be done in this state."""

"""What can be wrong with what was read, said so that one can act on it."""


class SimpError(Exception):
    """Every error that this project raises on purpose."""


class DatagramError(SimpError, ValueError):
    """Bytes that are not a SIMP/1 datagram, or values that cannot become one (spec 2).

    `field` is the card's name of the field, `offset` the byte at which it starts, `read` what was
    found there and `expected` what the specification asks for.
    """

    def __init__(self, field: str, offset: int, read: str, expected: str) -> None:
        super().__init__(f"{field} at offset {offset}: read {read}, expected {expected}")
        self.field = field
        self.offset = offset
        self.read = read
        self.expected = expected


class LineError(SimpError, ValueError):
    """A line that is not one of the client protocol (client.md)."""


class NotSimpError(LineError):
    """A line whose first word is no operation at all: an HTTP request, say (client 2)."""


class AddressError(SimpError, ValueError):
    """A text that is not `IP` or `IP:port`."""


class NotNowError(SimpError):
    """What a person asked for can't be done in this state."""

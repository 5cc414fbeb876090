"""How others are named in the lines for a client (client 3.4, 4.2)."""

from simp_daemon import events
from simp_proto.address import Address, format_address, parse_address
from simp_proto.constants import DAEMON_PORT
from simp_proto.errors import AddressError
from simp_proto.printable import printable_name


def describe(seen: events.Seen) -> str:
    """A neighbour as the payload of SEEN (client 4.2)."""
    seconds = "" if seen.seconds is None else seen.seconds
    known_as = f"|{printable_name(seen.known_as)}" if seen.known_as else ""
    return f"{printable_name(seen.name)}|{format_address(seen.peer)}|{seen.source}|{seconds}{known_as}"


def name_or_address(peer: Address, name: str) -> str:
    """A peer's name as a field of a line, or its address where no name is known."""
    return printable_name(name) or format_address(peer)


def reads_as_address(name: str) -> bool:
    """Whether nobody could tell it from an address."""
    try:
        parse_address(printable_name(name), DAEMON_PORT)
    except AddressError:
        return False
    return True

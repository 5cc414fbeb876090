"""What a daemon writes to its log. What people say is theirs: it is logged at debug level only."""

import logging
from dataclasses import fields
from typing import Final

from simp_daemon.events import Event, Ignored, MessageAcknowledged, MessageReceived
from simp_proto.address import Address, format_address
from simp_proto.datagram import parse
from simp_proto.errors import DatagramError
from simp_proto.printable import printable

log = logging.getLogger("simp.daemon")

_QUIET: Final = (Ignored, MessageAcknowledged, MessageReceived)
"""Events that are logged at debug level only."""


def log_event(event: Event) -> None:
    """A line for what has happened with a peer."""
    level = logging.DEBUG if isinstance(event, _QUIET) else logging.INFO
    if not log.isEnabledFor(level):
        return
    details = {field.name: getattr(event, field.name) for field in fields(event)}
    words = " ".join(
        f"{key}={getattr(value, 'value', value)!r}" for key, value in details.items() if key not in ("peer", "text")
    )
    log.log(level, "%s %s %s", type(event).__name__, format_address(event.peer), printable(words))


def log_datagram(way: str, peer: Address, data: bytes) -> None:
    """A line at debug level for a datagram that goes `to` or comes `from` a peer."""
    if not log.isEnabledFor(logging.DEBUG):
        return
    try:
        datagram = parse(data)
    except DatagramError as error:
        words = f"{len(data)} bytes, refused: {printable(str(error))}"
    else:
        words = (
            f"{datagram.framing.value} {datagram.operation.label} sequence {datagram.sequence}"
            f" user '{printable(datagram.name)}' length {datagram.length} '{printable(datagram.text[:80])}'"
        )
    log.debug("%s %s: %s", way, format_address(peer), words)

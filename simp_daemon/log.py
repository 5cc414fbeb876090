"""What a daemon writes to its log. What people say is theirs: it is logged at debug level only."""

import logging
import os
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from logging.handlers import QueueHandler
from queue import Full, Queue
from threading import Thread
from typing import Any, Final

from simp_daemon.events import Event, Ignored, MessageAcknowledged, MessageReceived
from simp_proto.address import Address, format_address
from simp_proto.datagram import parse
from simp_proto.errors import DatagramError
from simp_proto.printable import printable

log = logging.getLogger("simp.daemon")

_STANDARD_ERROR: Final = 2
_WAITING: Final = 1000
"""Records that wait to be written. More are dropped: whoever reads the log has stopped reading."""
_LAST_WORDS: Final = 1.0
"""Seconds in which the last records are written at the end."""
_QUIET: Final = (Ignored, MessageAcknowledged, MessageReceived)
"""Events that are logged at debug level only."""


class _Dropping(QueueHandler):
    """Drops what the queue has no room for."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with suppress(Full):
            self.queue.put_nowait(record)


@contextmanager
def unblocked_log() -> Iterator[None]:
    """Writes the log to standard error from a thread of its own: a full pipe or Ctrl-S doesn't stop the daemon."""
    queue: Queue[logging.LogRecord] = Queue(_WAITING)
    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.WARNING, format=form, handlers=[_Dropping(queue)])
    thread = Thread(target=_write, args=(queue,), name="log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        with suppress(Full):
            queue.put_nowait(logging.makeLogRecord({"msg": None}))
        thread.join(_LAST_WORDS)


def _write(queue: "Queue[logging.LogRecord]") -> None:
    """Not by a handler's stream, whose lock this thread would hold for ever where nobody reads."""
    while (record := queue.get()).msg is not None:
        with suppress(OSError):
            os.write(_STANDARD_ERROR, f"{record.msg}\n".encode("utf-8", "backslashreplace"))


def log_complaints() -> Callable[[AbstractEventLoop, dict[str, Any]], None]:
    """What takes a loop's complaints: a line for each kind, once; that no descriptor is left comes a thousand times."""
    told = set()

    def complain(_: AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        words = f"{context['message']}: {error!r}"
        if words not in told:
            told.add(words)
            log.error("%s", words, exc_info=error if log.isEnabledFor(logging.DEBUG) else None)

    return complain


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

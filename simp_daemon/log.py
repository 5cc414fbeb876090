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

from simp_daemon import events
from simp_daemon.events import Event
from simp_daemon.peers.strangers import Allowance
from simp_proto.address import Address, format_address
from simp_proto.constants import BUSY, KNOWN_PEERS
from simp_proto.datagram import parse
from simp_proto.errors import DatagramError
from simp_proto.printable import printable, quoted

log = logging.getLogger("simp.daemon")

_STANDARD_ERROR: Final = 2
_WAITING: Final = 1000
"""Records that wait to be written. More are dropped: whoever reads the log has stopped reading."""
_LAST_WORDS: Final = 1.0
"""Seconds in which the last records are written at the end."""
_QUIET: Final = (events.Ignored, events.MessageAcknowledged, events.MessageReceived, events.Present)
"""Events that are logged at debug level only."""
_RATE: Final = 1 / 60
"""Lines in a second on neighbours that come and go."""
_BURST: Final = 60
"""At the same time."""
_SENTENCES: Final[dict[type[Event], str]] = {
    events.RequestReceived: "{who} calls",
    events.Refused: "{who} called, and was refused",
    events.Rang: "the call to {who} rings",
    events.Unattended: "the call to {where} rings, but nobody is there",
    events.AnsweredElsewhere: "the call to {where} was answered from another address, {elsewhere}",
    events.Connected: "the chat with {who} has begun{secured}",
    events.Secured: "the chat with {who} goes on, {security}",
    events.MessageReceived: "a message from {who} has arrived",
    events.MessageAcknowledged: "message {message} to {where} was delivered",
    events.MessageUndelivered: "message {message} to {where} was not delivered",
    events.Unanswered: "{who} has not answered for {seconds} s",
    events.Silent: "nothing was heard from {who} for {seconds} s",
    events.ErrorReceived: "{who} sent an error",
    events.Ended: "the call or chat with {who} is over: {why}",
    events.Ignored: "a datagram from {where} was ignored: {why}",
    events.Present: "{who} answered that it is there",
    events.Seen: "{who} is known",
    events.Gone: "{who} is gone",
}


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


class EventLog:
    """A line for each event; but neighbours come and go as often as somebody makes them up."""

    def __init__(self) -> None:
        self._allowance = Allowance(_RATE, _BURST)
        self._failures = Allowance(_RATE, _BURST)
        self._left_out = 0
        self._failed: set[Address] = set()

    def failed(self, peer: Address, why: str, now: float) -> None:
        """Nothing gets there, which is a line for each peer until something comes from there, unless in a flood."""
        told = peer not in self._failed and self._failures.left(now)
        self._failures.spend(told)
        log.log(logging.INFO if told else logging.DEBUG, "%s", why)
        if len(self._failed) >= KNOWN_PEERS:
            self._failed.clear()
        self._failed.add(peer)

    def received(self, peer: Address, data: bytes) -> None:
        self._failed.discard(peer)
        log_datagram("from", peer, data)

    def add(self, event: Event, now: float) -> None:
        level = logging.DEBUG if isinstance(event, _QUIET) else logging.INFO
        if not log.isEnabledFor(level):
            return
        if isinstance(event, events.Seen | events.Gone) and not log.isEnabledFor(logging.DEBUG):
            if not self._allowance.left(now):
                self._left_out += 1
                return
            self._allowance.spend(1)
            if self._left_out:
                log.info("%d more lines on who is known and who is gone were left out", self._left_out)
                self._left_out = 0
        log.log(level, "%s", in_words(event))


def in_words(event: Event) -> str:
    """A sentence, printable, without what people say."""
    details = {field.name: getattr(event, field.name) for field in fields(event)}
    where, name = format_address(event.peer), details.get("name")
    details |= {"where": where, "who": f"{quoted(name)} at {where}" if name else where}
    if isinstance(event, events.Connected):
        details["secured"] = f", {event.security.value}" if event.security else ""
    elif isinstance(event, events.Ended):
        details["why"] = event.why.value
    elif isinstance(event, events.AnsweredElsewhere):
        details["elsewhere"] = format_address(event.elsewhere)
    elif isinstance(event, events.ErrorReceived) and event.text == BUSY:
        return printable("{who} is in another chat".format(**details))
    elif isinstance(event, events.Ignored):
        details["why"] = ": ".join(filter(None, (event.reason.value, event.detail)))
    return printable(_SENTENCES[type(event)].format(**details))


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
            f" user {quoted(datagram.name)} length {datagram.length} {quoted(datagram.text[:80])}"
        )
    log.debug("%s %s: %s", way, format_address(peer), words)

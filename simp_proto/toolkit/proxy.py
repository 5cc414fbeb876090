"""`simp proxy`: a bad network between two daemons, for whom the proxy is the other daemon."""

import json
import math
import select
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from random import Random
from typing import Any, Final

import click

from simp_proto.address import Address, format_address
from simp_proto.cli import output
from simp_proto.cli.parameters import Number, Whole, address, rate
from simp_proto.constants import KEY_SIZE
from simp_proto.toolkit.frame import Captured
from simp_proto.toolkit.impairment import Fate, Impairment, Rates
from simp_proto.toolkit.interference import Interference, Tampered, Tampering
from simp_proto.toolkit.ladder import Ladder, needs_ascii
from simp_proto.toolkit.reading import Reading
from simp_proto.udp import LARGEST, bind, hear_refusals, refused, resolved, why_not

_MAX_DELAY: Final = 60.0
"""Seconds; a daemon has given up by then (spec 6.3)."""
_QUIET: Final = 1.0
"""Seconds between two lines about what anybody can cause."""
_WAYS: Final = ("a-to-b", "b-to-a")
_ALTERED: Final = "yellow"


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--listen", metavar="ADDRESS", help="The proxy's own address; without it, port 7777 on every address of this host."
)
@click.option("--lose", type=rate, default="0%", metavar="RATE", help="How many datagrams are lost.")
@click.option("--repeat", type=rate, default="0%", metavar="RATE", help="How many are delivered twice.")
@click.option("--reorder", type=rate, default="0%", metavar="RATE", help="How many are overtaken by the next one.")
@click.option("--corrupt", type=rate, default="0%", metavar="RATE", help="How many have one bit changed.")
@click.option(
    "--delay",
    type=Number(0, _MAX_DELAY),
    default=0.0,
    metavar="SECONDS",
    help="Delay each by up to this long; their order stays.",
)
@click.option(
    "--tamper",
    type=click.Choice([each.value for each in Tampering]),
    help="Interfere with calls of SIMP/2: strip the offer, answer as SIMP/1 in the callee's place, or swap keys.",
)
@click.option("--only", type=click.Choice(_WAYS), help="Do all of this in one direction only.")
@click.option("--seed", type=Whole(0, 2**64 - 1), help="Reproduce the decisions of the run that printed this seed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each datagram.")
def proxy(
    a: str,
    b: str,
    listen: str | None,
    lose: float,
    repeat: float,
    reorder: float,
    corrupt: float,
    delay: float,
    tamper: str | None,
    only: str | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Simulate a bad network between the daemons A and B, until Ctrl-C or SIGTERM.

    A and B are IP or IP:port. What A sends to the proxy goes on to B, and what B sends goes on to A, both from the
    proxy's own address: each daemon takes the proxy for the other one, and the caller calls the proxy's address. If
    this host has several addresses, choose one with --listen.

    Rates are percentages or fractions: 20% or 0.2. To be overtaken, a datagram is held until the next one in that
    direction has gone, or for one second; if it is repeated too, the second copy is held. Loss, repeats and corruption
    depend only on the seed and on how many datagrams came before in that direction; reordering also depends on when
    they come. No checksum reveals that a `bare` datagram, such as a first SYN, is corrupted.

    --tamper plays somebody on the path of a call of SIMP/2 (spec/security.md, 4); nothing else is touched by it.

    Each datagram is drawn as it came, with what was done to it. With --json it has `time`, `source` and `destination`,
    the fields of `simp decode --json`, and `fate`: `lost`, `repeated`, `reordered`, `corrupted` (the offset of the
    changed byte, or null) and `delays` (seconds, one for each copy); `note` says what --tamper did.

    \b
    Examples, each in a terminal of its own:
      simp daemon 127.0.0.1
      simp daemon 127.0.0.2
      simp proxy 127.0.0.1 127.0.0.2 --listen 127.0.0.3 --lose 20% --repeat 20%
      simp client 127.0.0.2
      simp client 127.0.0.1 --call 127.0.0.3
    """
    left, right = _daemon(a, "A"), _daemon(b, "B")
    here = _address(listen or ("::" if ":" in left[0] else "0.0.0.0"), "--listen")
    _check_apart(left, right, here)
    seed = Random().getrandbits(32) if seed is None else seed
    rates = Rates(lose, repeat, reorder, corrupt, delay)
    interference = Interference(Tampering(tamper), Random(seed).randbytes(KEY_SIZE)) if tamper else None
    ways = [
        _Way(
            source,
            destination,
            rates if only in (None, name) else Rates(),
            f"{seed} {name}",
            interference,
            tampers=only in (None, name),
        )
        for name, source, destination in zip(_WAYS, (left, right), (right, left), strict=True)
    ]
    output.prepare()
    with _listening(here) as udp:
        relay = _Relay(udp, ways, _Json() if as_json else _Rungs(left, right))
        with _stop_signals() as stop:
            click.echo(f"Listening on {format_address(here)}, with --seed {seed}. Ctrl-C ends it.", err=True)
            relay.run(stop)
        relay.report()


# -- addresses


def _address(text: str, name: str) -> Address:
    """Raises `BadParameter`."""
    read = address(text, name=name)
    if ip_address(read[0]).is_multicast:
        why = f"read {text!r}, a multicast address, expected one of a single host"
        raise click.BadParameter(why, param_hint=name)
    return read


def _daemon(text: str, name: str) -> Address:
    """Raises `BadParameter`."""
    read = _address(text, name)
    if ip_address(read[0]).is_unspecified:
        raise click.BadParameter(f"read {text!r}, expected the address of one daemon", param_hint=name)
    return read


def _check_apart(left: Address, right: Address, here: Address) -> None:
    """Raises `UsageError` where datagrams couldn't get from one to the other, or the proxy would be one of them."""
    if left == right:
        raise click.UsageError(f"read {format_address(left)} as A and as B, expected two daemons")
    if len({ip_address(host).version for host, _ in (left, right, here)}) > 1:
        raise click.UsageError("read IPv4 and IPv6 addresses, expected A, B and --listen to be of one kind")
    for name, (host, port) in (("A", left), ("B", right)):
        if (host, port) == here or (port == here[1] and ip_address(here[0]).is_unspecified and _is_own(host)):
            daemon, proxy = format_address((host, port)), format_address(here)
            raise click.UsageError(
                f"read {daemon} as {name}, where the proxy is to listen itself ({proxy}): give --listen another "
                "address of this host, or another port; 'simp proxy --help' has an example"
            )


def _is_own(host: str) -> bool:
    """Whether that is an address of this host."""
    try:
        bind((host, 0)).close()
    except OSError:
        return False
    return True


def _listening(here: Address) -> socket.socket:
    """The proxy's socket. Raises `ClickException`."""
    try:
        udp = bind(here)
    except OSError as error:
        raise click.ClickException(f"{why_not(error, here)}; --listen chooses another") from None
    udp.setblocking(False)
    hear_refusals(udp)
    return udp


# -- datagrams


class _Way:
    """From one daemon to the other."""

    def __init__(
        self,
        source: Address,
        destination: Address,
        rates: Rates,
        seed: str,
        interference: Interference | None = None,
        *,
        tampers: bool = True,
    ) -> None:
        self.source = source
        self.destination = destination
        self.where = resolved(destination)
        self.impairment = Impairment(rates, Random(seed).random)
        self.counts: Counter[str] = Counter()
        self._interference = interference
        self._tampers = tampers

    def tampered(self, data: bytes) -> Tampered:
        """What somebody on the path makes of a datagram, before the network does its part."""
        return self._interference.pass_on(data, tamper=self._tampers) if self._interference else Tampered(data)

    def pass_on(self, data: bytes | None, now: float) -> Fate:
        """What becomes of a datagram, `None` for one that goes no further; it is counted for the totals."""
        fate = Fate() if data is None else self.impairment.pass_on(data, now)
        self.counts["came"] += 1
        self.counts["lost"] += fate.lost
        self.counts["repeated"] += fate.repeated
        self.counts["reordered"] += fate.reordered
        self.counts["corrupted"] += fate.corrupted is not None
        return fate

    def totals(self) -> str:
        """For people."""
        names = ("came", "lost", "repeated", "reordered", "corrupted", "went on")
        counts = ", ".join(f"{self.counts[name]} {name}" for name in names)
        return f"{format_address(self.source)} > {format_address(self.destination)}: {counts}"


class _Relay:
    """Receives, shows and sends."""

    def __init__(self, udp: socket.socket, ways: list[_Way], view: "_Json | _Rungs") -> None:
        self._udp = udp
        self._ways = ways
        self._from = {resolved(way.source): way for way in ways}
        self._view = view
        self._strangers = _Nuisance("Dropped from others than A and B")
        self._failures = _Nuisance("Couldn't be delivered")

    def run(self, stop: socket.socket) -> None:
        """Goes on until `stop` has something to read."""
        while True:
            timers = [timer for way in self._ways if (timer := way.impairment.get_timer()) is not None]
            wait = max(min(timers) - time.monotonic(), 0.0) if timers else None
            ready, _, _ = select.select([self._udp, stop], [], [], wait)
            if stop in ready:
                return
            if self._udp in ready:
                self._receive()
            for way in self._ways:
                for data in way.impairment.due(time.monotonic()):
                    self._send(data, way)

    def _receive(self) -> None:
        try:
            data, source = self._udp.recvfrom(LARGEST)
        except BlockingIOError:  # what it woke up for had a wrong UDP checksum
            return
        except OSError as error:  # of a datagram that was sent before; Windows reports it so, too
            self._failed(error, refused(self._udp))
            return
        way = self._from.get(source)
        if way is None:
            self._strangers.happened(f"from {format_address(source[:2])}")
            return
        tampered = way.tampered(data)
        fate = way.pass_on(tampered.onward, time.monotonic())
        if tampered.back is not None:
            self._send(tampered.back, next(each for each in self._ways if each.destination == way.source))
        self._view.show(Captured(time.time(), way.source, way.destination, data, note=tampered.what), fate)

    def _send(self, data: bytes, way: _Way) -> None:
        try:
            try:
                self._udp.sendto(data, way.where)
            except OSError as error:
                where = refused(self._udp)
                if where is None:
                    raise
                self._failed(error, where)  # an earlier datagram; this one hasn't been sent yet
                self._udp.sendto(data, way.where)
        except OSError as error:
            self._failed(error, way.where)
            return
        way.counts["went on"] += 1

    def _failed(self, error: OSError, where: tuple[Any, ...] | None) -> None:
        to = f"to {format_address(where[:2])}: " if where else ""
        self._failures.happened(f"{to}{error.strerror or error}")

    def report(self) -> None:
        """The totals, on standard error."""
        for nuisance in (self._strangers, self._failures):
            nuisance.tell()
        for way in self._ways:
            click.echo(way.totals(), err=True)


class _Nuisance:
    """What anybody can cause, any number of times: reported as a count and the last case, not too often."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._last = ""
        self._count = self._told = 0
        self._quiet_until = -math.inf

    def happened(self, last: str) -> None:
        """Counts it, and reports it unless that was done just before."""
        self._last = last
        self._count += 1
        if time.monotonic() >= self._quiet_until:
            self.tell()

    def tell(self) -> None:
        """Reports what hasn't been reported."""
        if self._count > self._told:
            self._told = self._count
            self._quiet_until = time.monotonic() + _QUIET
            click.echo(f"{self._what}: {self._count}, the last {self._last}", err=True)


@contextmanager
def _stop_signals() -> Iterator[socket.socket]:
    """A socket that has something to read once Ctrl-C or SIGTERM has come; a second one ends the process where it is.

    So the first one ends it between two datagrams, and wakes up Windows, too.
    """
    reader, writer = socket.socketpair()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]

    def restore(*_: object) -> None:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

    with reader, writer:
        writer.setblocking(False)
        descriptor = signal.set_wakeup_fd(writer.fileno())
        for number in numbers:
            signal.signal(number, restore)
        try:
            yield reader
        finally:
            restore()
            signal.set_wakeup_fd(descriptor)


# -- what is shown


class _Json:
    """Datagrams as objects, one a line."""

    def show(self, captured: Captured, fate: Fate) -> None:
        shown = captured.as_json
        shown["fate"] = {
            "lost": fate.lost,
            "repeated": fate.repeated,
            "reordered": fate.reordered,
            "corrupted": fate.corrupted,
            "delays": [round(delay, 6) for delay in fate.delays],
        }
        output.echo(json.dumps(shown | Reading.of(captured.data).as_json))


class _Rungs:
    """Datagrams as rungs of a ladder between A and B."""

    def __init__(self, left: Address, right: Address) -> None:
        self._ladder = Ladder(left, right, ascii_only=needs_ascii(getattr(sys.stdout, "encoding", None)))
        self._start = time.monotonic()
        output.echo(self._ladder.head(), output.NOTE)

    def show(self, captured: Captured, fate: Fate) -> None:
        reading = Reading.of(captured.data)
        note = ", ".join(filter(None, (captured.note, str(fate))))
        rung = self._ladder.draw(time.monotonic() - self._start, captured.source, reading, note)
        altered = captured.note or fate.lost or fate.repeated or fate.reordered or fate.corrupted is not None
        colour = _ALTERED if altered else output.WRONG if reading.error else None
        output.echo(rung.text, colour)

"""`simp proxy` as it is run: a process, between sockets of the test's own or two daemons (loopback only)."""

import asyncio
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import IO, Any

import pytest
from click.testing import CliRunner

from simp_client import Ended, Fate, Other, Said, connect
from simp_daemon.loop import Daemon
from simp_proto.address import Address, format_address
from simp_proto.cli.main import main
from simp_proto.toolkit import proxy as module
from simp_proto.toolkit.impairment import Rates
from tests.scripted_daemon import PATIENCE
from tests.test_api import begin
from tests.test_datagram import by_hand
from tests.test_loop import free_address, run

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signal to one process")

ACK = struct.pack("!BBB32sI", 1, 4, 0, b"", 0)
COMMAND = [sys.executable, "-W", "error", "-c", "from simp_proto.cli.main import main; main()", "proxy"]


def message(text: str, number: int = 1) -> bytes:
    return by_hand("header", 2, 1, number, b"alice", text.encode())


class Peer:
    """Where a daemon would be."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.udp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((host, 0))
        self.udp.settimeout(PATIENCE)
        self.address: Address = self.udp.getsockname()[:2]
        self.name = format_address(self.address)

    def says(self, data: bytes, to: Address) -> None:
        self.udp.sendto(data, to)

    def hears(self, source: Address) -> bytes:
        """The next datagram, which must come from there."""
        data, sender = self.udp.recvfrom(65_535)
        assert sender[:2] == source
        return data

    @property
    def heard_all(self) -> bool:
        self.udp.setblocking(False)
        try:
            self.udp.recvfrom(65_535)
        except BlockingIOError:
            return True
        return False


class Proxy:
    """A running one."""

    def __init__(self, process: subprocess.Popen[str], address: Address) -> None:
        self.process = process
        self.address = address
        assert process.stderr
        self.errors = process.stderr
        self.announced = self.errors.readline()

    @property
    def output(self) -> IO[str]:
        """What it prints, unless that goes elsewhere."""
        assert self.process.stdout
        return self.process.stdout

    @property
    def seed(self) -> str:
        return self.announced.split("--seed ")[1].split(".")[0]

    def objects(self, count: int) -> list[dict[str, Any]]:
        """The next ones that it prints."""
        return [json.loads(self.output.readline()) for _ in range(count)]

    def stop(self, number: signal.Signals = signal.SIGINT) -> list[str]:
        """Ends it as a person does; the rest of what it says on standard error."""
        self.process.send_signal(number)
        assert self.process.wait(PATIENCE) == 0
        return self.errors.read().splitlines()


@contextmanager
def running(
    a: Address, b: Address, *options: str, stdout: int = PIPE, environment: dict[str, str] | None = None
) -> Iterator[Proxy]:
    with Peer(a[0]).udp as free:
        here: Address = free.getsockname()[:2]
    command = [*COMMAND, format_address(a), format_address(b), "--listen", format_address(here), *options]
    variables = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "", **(environment or {})}
    with subprocess.Popen(command, stdout=stdout, stderr=PIPE, env=variables, encoding="utf-8") as process:
        watchdog = threading.Timer(3 * PATIENCE, process.kill)  # reading what it doesn't say would take forever
        watchdog.start()
        try:
            yield Proxy(process, here)
        finally:
            watchdog.cancel()
            process.kill()


@contextmanager
def peers(host: str = "127.0.0.1", count: int = 2) -> Iterator[list[Peer]]:
    with ExitStack() as stack:
        made = [Peer(host) for _ in range(count)]
        for peer in made:
            stack.enter_context(peer.udp)
        yield made


def rungs(shown: str) -> list[str]:
    """The lines of a ladder; what goes on below one is joined to it."""
    return re.sub(r"\r?\n {11}(?=\S)", " ", shown).splitlines()


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_each_takes_the_proxy_for_the_other_and_totals_come_at_the_end(number: signal.Signals) -> None:
    with peers() as (a, b), running(a.address, b.address) as proxy:
        assert proxy.announced.startswith(f"Listening on {format_address(proxy.address)}, with --seed ")
        a.says(message("hello"), proxy.address)
        assert b.hears(proxy.address) == message("hello")
        for data in (ACK, b"", b"\xff" * 2000):
            b.says(data, proxy.address)
            assert a.hears(proxy.address) == data
        assert proxy.stop(number) == [
            f"{a.name} > {b.name}: 1 came, 0 lost, 0 repeated, 0 reordered, 0 corrupted, 1 went on",
            f"{b.name} > {a.name}: 3 came, 0 lost, 0 repeated, 0 reordered, 0 corrupted, 3 went on",
        ]
        head, hello, ack, empty, garbage = rungs(proxy.output.read())
        assert head.split() == [a.name, b.name]
        assert hello.endswith(" MESSAGE 1 'hello' ────────▶│  header, 46 bytes")
        assert ack.endswith("│◀────────────── ACK 0 ──────────────│  bare, 39 bytes")
        assert "refused (spec 2): type at offset 0: read the end after 0 bytes" in empty
        assert "refused (spec 2.1): type at offset 0: read 0xff" in garbage


@posix
def test_what_is_done_is_said_and_happens() -> None:
    options = ("--repeat=100%", "--corrupt", "1", "--delay=0.001", "--only", "a-to-b")
    with peers() as (a, b), running(a.address, b.address, *options) as proxy:
        a.says(message("hello"), proxy.address)
        first, second = b.hears(proxy.address), b.hears(proxy.address)
        b.says(ACK, proxy.address)
        assert a.hears(proxy.address) == ACK
        _, counted = proxy.stop()[0].split(": ")
        assert counted == "1 came, 0 lost, 1 repeated, 0 reordered, 1 corrupted, 2 went on"
        _, hello, ack = rungs(proxy.output.read())
    (at,) = [at for at, byte in enumerate(message("hello")) if first[at] != byte]
    assert first == second
    assert (first[at] ^ message("hello")[at]).bit_count() == 1
    assert f"  header, 46 bytes; repeated, corrupted byte {at}, delayed 0.00" in hello
    assert ack.endswith("bare, 39 bytes")


@posix
def test_what_is_lost_goes_nowhere() -> None:
    with peers() as (a, b), running(a.address, b.address, "--lose", "100%", "--only", "b-to-a") as proxy:
        b.says(ACK, proxy.address)
        a.says(ACK, proxy.address)
        assert b.hears(proxy.address) == ACK
        assert "1 came, 1 lost" in proxy.stop()[1]
        assert a.heard_all
        assert proxy.output.read().splitlines()[1].endswith("bare, 39 bytes; lost")


@posix
@pytest.mark.parametrize("options", [("--delay", "0.05"), ("--reorder", "100%")])
def test_datagrams_change_places_only_if_they_are_to(options: tuple[str, ...]) -> None:
    sent = [message(str(number)) for number in range(10)]
    with peers() as (a, b), running(a.address, b.address, *options) as proxy:
        for data in sent:
            a.says(data, proxy.address)
        heard = [b.hears(proxy.address) for _ in sent]
    pairs = [sent[at ^ 1] for at in range(len(sent))]
    assert heard == (pairs if "--reorder" in options else sent)


@posix
def test_json_is_that_of_decode_with_time_addresses_and_fate() -> None:
    hostile = by_hand("bare", 2, 1, 0, b"\x1b[2J", b"\xff\x1b]0;")
    start = time.time()
    with peers() as (a, b), running(a.address, b.address, "--json", "--repeat", "100%") as proxy:
        for data in (message("grüße"), hostile, b"\7" * 40):
            a.says(data, proxy.address)
        read = proxy.objects(3)
    decoded = CliRunner().invoke(main, ["decode", "--json", message("grüße").hex(), hostile.hex(), "07" * 40]).stdout
    for shown, expected in zip(read, decoded.splitlines(), strict=True):
        assert start <= shown.pop("time") <= time.time()
        fate = {"lost": False, "repeated": True, "reordered": False, "corrupted": None, "delays": [0, 0]}
        addresses = {"source": a.name, "destination": b.name}
        decoded_object = json.loads(expected)
        decoded_object.pop("where", None)  # of several arguments
        assert shown == {**addresses, "fate": fate, **decoded_object}


def fates(a_first: bool, *options: str) -> tuple[str, list[list[dict[str, Any]]]]:
    """The seed, and what became of 20 datagrams each way, which take turns or don't."""
    with peers() as (a, b), running(a.address, b.address, "--json", "--repeat=0.5", "--corrupt=50%", *options) as proxy:
        for number in range(40):
            sender = (a if number < 20 else b) if a_first else (a, b)[number % 2]
            sender.says(message("hello"), proxy.address)
        read = proxy.objects(40)
        return proxy.seed, [[each["fate"] for each in read if each["source"] == peer.name] for peer in (a, b)]


@pytest.mark.slow
@posix
def test_a_seed_decides_each_way_for_itself() -> None:
    seed, decided = fates(True)
    assert (seed, decided) == fates(False, "--seed", seed)
    assert decided[0] != decided[1]
    assert decided != fates(False, "--seed", f"{seed}1")[1]


@posix
def test_strangers_are_dropped_and_do_not_flood_the_terminal() -> None:
    with peers(count=3) as (a, b, stranger), running(a.address, b.address) as proxy:
        for _ in range(100):
            stranger.says(message("let me in"), proxy.address)
        a.says(ACK, proxy.address)
        assert b.hears(proxy.address) == ACK
        *told, a_total, _ = proxy.stop()
        assert a.heard_all
        assert b.heard_all
        assert told[0] == f"Dropped from others than A and B: 1, the last from {stranger.name}"
        assert told[-1] == f"Dropped from others than A and B: 100, the last from {stranger.name}"
        assert len(told) < 20
        assert a_total.endswith("1 went on")
        assert len(proxy.output.read().splitlines()) == 2


@posix
def test_a_daemon_that_is_away_is_told_and_may_come_back() -> None:
    away = free_address()
    with peers(count=1) as (a,), running(a.address, away) as proxy:
        a.says(message("hello"), proxy.address)
        if sys.platform == "linux":  # the others don't tell
            told = f"Couldn't be delivered: 1, the last to {format_address(away)}: Connection refused\n"
            assert proxy.errors.readline() == told
        else:
            assert "hello" in proxy.output.readline() + proxy.output.readline()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
            back.bind(away)
            back.settimeout(PATIENCE)
            a.says(message("again"), proxy.address)
            assert back.recv(100) == message("again")
        assert "2 came" in proxy.stop()[0]


class Refusing:
    """A socket whose earlier datagrams come back as errors: of `received` when one reads, of `sent` when one sends."""

    def __init__(self, received: OSError | None = None, sent: tuple[OSError, ...] = ()) -> None:
        self.received = received
        self.sent = list(sent)
        self.queue: list[tuple[str, int]] = []
        self.passed_on: list[bytes] = []

    def recvfrom(self, _size: int) -> tuple[bytes, Any]:
        assert self.received
        raise self.received

    def sendto(self, data: bytes, _where: Any) -> None:
        if self.sent:
            raise self.sent.pop()
        self.passed_on.append(data)

    def recvmsg(self, *_: int) -> tuple[bytes, list[Any], int, Any]:
        if not self.queue:
            raise BlockingIOError
        return b"", [], 0, self.queue.pop()


def relay(udp: Refusing) -> tuple[Any, Any]:
    way = module._Way(("127.0.0.1", 1), ("127.0.0.2", 2), Rates(), "0")
    return module._Relay(udp, [way], module._Json()), way  # type: ignore[arg-type]


def test_a_refusal_as_windows_reports_it(capsys: pytest.CaptureFixture[str]) -> None:
    relay(Refusing(ConnectionResetError(10054, "An existing connection was forcibly closed")))[0]._receive()
    relay(Refusing(BlockingIOError()))[0]._receive()
    assert capsys.readouterr().err == "Couldn't be delivered: 1, the last An existing connection was forcibly closed\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says of which datagram an error is")
def test_an_earlier_refusal_costs_no_later_datagram(capsys: pytest.CaptureFixture[str]) -> None:
    udp = Refusing(sent=(ConnectionRefusedError(111, "Connection refused"),))
    udp.queue = [("127.0.0.3", 3)]
    relaying, way = relay(udp)
    relaying._send(b"later", way)
    assert udp.passed_on == [b"later"]
    assert capsys.readouterr().err == "Couldn't be delivered: 1, the last to 127.0.0.3:3: Connection refused\n"


def test_what_cannot_be_sent_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    udp = Refusing(sent=(PermissionError(13, "Permission denied"),))
    relaying, way = relay(udp)
    relaying._send(b"broadcast", way)
    assert udp.passed_on == []
    assert way.counts["went on"] == 0
    assert capsys.readouterr().err == "Couldn't be delivered: 1, the last to 127.0.0.2:2: Permission denied\n"


@posix
@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_over_ipv6() -> None:
    with ExitStack() as stack:
        try:
            a, b = stack.enter_context(peers("::1"))
        except OSError:
            pytest.skip("needs IPv6 on loopback")
        proxy = stack.enter_context(running(a.address, b.address, "--json"))
        a.says(ACK, proxy.address)
        assert b.hears(proxy.address) == ACK
        assert proxy.objects(1)[0]["source"] == a.name


@posix
def test_a_closed_pipe_ends_it_quietly() -> None:
    with peers() as (a, b), running(a.address, b.address, "--json") as proxy:
        proxy.output.close()
        a.says(ACK, proxy.address)
        assert proxy.process.wait(PATIENCE) == 1
        assert proxy.errors.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_output_that_is_full_is_one_line() -> None:
    with open("/dev/full", "w") as full, peers() as (a, b):
        command = [*COMMAND, a.name, b.name, "--listen", format_address(free_address())]
        result = subprocess.run(command, stdout=full, stderr=PIPE, encoding="utf-8", check=False)
    assert result.returncode == 1
    assert result.stderr == "Error: standard output: No space left on device\n"


@posix
def test_what_a_peer_wrote_is_escaped_for_any_terminal() -> None:
    with peers() as (a, b), running(a.address, b.address, environment={"PYTHONIOENCODING": "latin-1"}) as proxy:
        a.says(message("\x1b[2J 20 €"), proxy.address)
        assert b.hears(proxy.address) == message("\x1b[2J 20 €")
        assert "0 lost" in proxy.stop()[0]
        assert "- MESSAGE 1 '\\x1b[2J 20 \\u20ac' -" in proxy.output.read()


@posix
@pytest.mark.parametrize("no_color", ["", "1"])
def test_colour_only_on_a_terminal_whose_user_wants_it(no_color: str) -> None:
    terminal, its_end = os.openpty()
    with peers() as (a, b), os.fdopen(terminal, "rb", 0) as screen:
        variables = {"NO_COLOR": no_color}
        with running(
            a.address, b.address, "--lose", "100%", "--only", "a-to-b", stdout=its_end, environment=variables
        ) as proxy:
            os.close(its_end)
            a.says(ACK, proxy.address)
            b.says(b"\xff", proxy.address)
            b.says(ACK, proxy.address)
            shown = b""
            while b"bare" not in shown[shown.find(b"refused") :]:
                shown += screen.read(1000)
    head, lost, refused, plain = rungs(shown.decode())
    colours = [line.split("m")[0] if line.startswith("\x1b") else "" for line in (head, lost, refused, plain)]
    assert colours == ([""] * 4 if no_color else ["\x1b[36", "\x1b[33", "\x1b[31", ""])


@pytest.mark.slow
@posix
def test_two_daemons_chat_through_it() -> None:
    async def scenario() -> None:
        async with (
            Daemon(free_address(), 0) as one,
            Daemon(free_address(), 0) as other,
            connect("alice", format_address(one.client_address)) as alice,
            connect("bob", format_address(other.client_address)) as bob,
        ):
            with running(one.address, other.address, "--repeat", "100%", "--delay", "0.01", "--json") as proxy:
                where = format_address(proxy.address)
                await begin(alice, bob, where)
                assert (alice.partner, bob.partner) == (Other("bob", where), Other("alice", where))
                for number in range(20):
                    assert await alice.say(f"message {number}") is Fate.ACKNOWLEDGED
                    assert await bob.next_event() == Said("alice", f"message {number}")
                await bob.leave()
                assert await alice.next_event() == Ended(Other("bob", where))
                await asyncio.to_thread(proxy.stop)
                read = [json.loads(line) for line in proxy.output]
        assert all(each["fate"]["repeated"] for each in read)
        assert sum(each["operation"] == "MESSAGE" for each in read) == 20

    run(scenario)


def failing(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["proxy", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["127.0.0.1"], "Missing argument 'B'"),
        (["nowhere", "127.0.0.2"], "Invalid value for A: read 'nowhere', expected an IP address"),
        (["127.0.0.1", "127.0.0.2:0"], "Invalid value for B: read port '0'"),
        (["127.0.0.1", "224.0.0.1"], "Invalid value for B: read '224.0.0.1', a multicast address"),
        (["0.0.0.0", "127.0.0.2"], "Invalid value for A: read '0.0.0.0', expected the address of one daemon"),
        (["fe80::1%none", "::1"], "Invalid value for A: read 'fe80::1%none', expected the name"),
        (["127.0.0.1", "127.0.0.2", "--listen", "x"], "Invalid value for --listen: read 'x'"),
        (["127.0.0.1", "127.0.0.1:7777"], "read 127.0.0.1:7777 as A and as B, expected two daemons"),
        (["127.0.0.1", "127.0.0.2", "--listen", "127.0.0.2"], "read 127.0.0.2:7777 as B, where the proxy is to listen"),
        (["127.0.0.1", "192.0.2.77"], "read 127.0.0.1:7777 as A, where the proxy is to listen itself (0.0.0.0:7777)"),
        (["127.0.0.1", "::1"], "read IPv4 and IPv6 addresses"),
        (["127.0.0.1", "127.0.0.2", "--listen", "::1"], "read IPv4 and IPv6 addresses"),
        *[
            (["127.0.0.1", "127.0.0.2", f"--lose={rate}"], f"Invalid value for '--lose': read '{rate}', expected 0% to")
            for rate in ("20", "nan", "nan%", "-0.1", "101%", "1e999", "", "%", "a few")
        ],
        (["127.0.0.1", "127.0.0.2", "--delay=nan"], "expected a number from 0 to 60"),
        (["127.0.0.1", "127.0.0.2", "--delay=61"], "read '61', expected a number from 0 to 60"),
        (["127.0.0.1", "127.0.0.2", "--delay=1e999"], "read '1e999', expected a number from 0 to 60"),
        (["127.0.0.1", "127.0.0.2", "--seed=-1"], "read '-1', expected a whole number from 0 to 1844"),
        (["127.0.0.1", "127.0.0.2", "--seed=one"], "read 'one', expected a whole number"),
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_listening", lambda _: pytest.fail("it listens"))
    status, said = failing(*arguments)
    assert status == 2
    assert words in said


def test_an_address_that_cannot_be_had_is_one_clear_line() -> None:
    a, b = (format_address(free_address()) for _ in range(2))
    with peers(count=1) as (taken,):
        status, said = failing(a, b, "--listen", taken.name)
    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith(f"Error: UDP {taken.name} is in use")
    status, said = failing(a, b, "--listen", "192.0.2.77")
    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith("Error: UDP 192.0.2.77:7777: 192.0.2.77 is not an address of this host")

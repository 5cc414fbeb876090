"""`simp conformance` against real processes, in real time: our own daemon and client, whose input is a named pipe."""

import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from simp_proto.address import format_address
from simp_proto.conformance import tester
from simp_proto.conformance.cases import CASES, Case
from simp_proto.conformance.run import run
from simp_proto.conformance.sealed_cases import SEALED
from simp_proto.conformance.wire import Request
from tests.sealed_wire import SealedWire
from tests.simulated_wire import SimulatedWire
from tests.test_hostile import Process
from tests.test_loop import PATIENCE, free_address

if sys.platform == "win32":
    pytest.skip("named pipes and pseudo terminals are POSIX", allow_module_level=True)
else:
    import pexpect

pytestmark = pytest.mark.slow
SIMP = [sys.executable, "-m", "simp_proto.cli.main"]
SHARES = 8
"""Runs at the same time: nearly all that they do is wait."""
WAIT = 0.3
"""Seconds in which a daemon answers."""
PAUSE = 0.5
"""Seconds between two cases."""
LIMIT = 150.0
"""Seconds after which a run counts as stuck."""


class Side:
    """A daemon, and a client whose person does what is written into a pipe."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.pipe = folder / "input"
        os.mkfifo(self.pipe)
        self.transcript = folder / "transcript"
        self._held = os.open(self.pipe, os.O_RDWR)  # so that the client's input doesn't end with a writer

    def __enter__(self) -> Self:
        self.daemon = Process()
        self.daemon.client().close()  # waits until it listens
        command = [*SIMP, "client", f"127.0.0.1:{self.daemon.client_port}", "--user", "bob", "--commands"]
        self.client = subprocess.Popen(command, stdin=self._held, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._shown: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.see("Call whom?")  # it is attached
        return self

    def _read(self) -> None:
        assert self.client.stdout
        with self.client.stdout as stream, self.transcript.open("wb", buffering=0) as transcript:
            for line in stream:
                transcript.write(line)
                self._shown.put(line.decode())

    def see(self, words: str) -> None:
        """Waits until the client shows that."""
        while words not in self._shown.get(timeout=PATIENCE):
            pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.terminate()
        self.client.wait(PATIENCE)
        self._reader.join()
        self.daemon.end()
        os.close(self._held)

    def press(self, line: str) -> None:
        os.write(self._held, line.encode() + b"\n")

    def command(self, *arguments: str) -> list[str]:
        """`simp conformance`, from two addresses of its own."""
        own, stranger = format_address(free_address()), format_address(free_address())
        host = format_address(self.daemon.address)
        return [*SIMP, "conformance", host, "--bind", own, "--stranger", stranger, "--wait", str(WAIT), *arguments]

    def hands(self) -> list[str]:
        """Its commands for everything that the person has to do."""
        # A request that was taken back isn't asked about.
        late = "i=$((i + 1)); [ $i -lt 100 ] || exit 1"
        asked = f"i=0; until tail -n 1 '{self.transcript}' | grep -q Accept; do {late}; sleep 0.02; done"
        keys = {
            "accept": f"{asked}; echo y",
            "decline": f"{asked}; echo n",
            "type": "printf '%s\\n' \"$SIMP_TEXT\"",
            "leave": "echo q",
            "call": "printf '%s:%s\\n' $SIMP_HOST $SIMP_PORT",
        }
        return [word for name, key in keys.items() for word in (f"--{name}-command", f"{key} > '{self.pipe}'")]


@dataclass
class Share:
    """Cases of one run, and about how long they take."""

    cases: list[str] = field(default_factory=list)
    seconds: float = 0.0


def verdicts_of(wire: SimulatedWire, cases: list[Case], *options: str) -> dict[str, str]:
    """What our daemon comes to in these cases, which take about as long as at a wire in virtual time."""
    shares = [Share() for _ in range(SHARES)]
    wire.wait = WAIT
    foretold = run(tester.Tester(wire), cases)
    for result in sorted(foretold, key=lambda result: result.seconds, reverse=True):
        share = min(shares, key=lambda share: share.seconds)
        share.cases += ["--case", result.case.name]
        share.seconds += result.seconds + PAUSE

    def judged(number: int) -> list[dict[str, Any]]:
        daemon = Process()
        try:
            daemon.client().close()  # waits until it listens
            addresses = ["--bind", format_address(free_address()), "--stranger", format_address(free_address())]
            command = [
                *SIMP,
                "conformance",
                format_address(daemon.address),
                *addresses,
                "--wait",
                str(WAIT),
                *options,
            ]
            command += ["--json", "--client", f"127.0.0.1:{daemon.client_port}", *shares[number].cases]
            done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT)
        finally:
            daemon.end()
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
        results: list[dict[str, Any]] = json.loads(done.stdout)["cases"]
        return results

    with ThreadPoolExecutor(len(shares)) as pool:
        judgements = [each for results in pool.map(judged, range(len(shares))) for each in results]
    return {each["name"]: each["verdict"] for each in judgements}


def test_our_daemon_passes_strict_and_should() -> None:
    verdicts = verdicts_of(SimulatedWire(), CASES, "--should")
    assert verdicts.pop("sequence-beyond-one") == "not_applicable"  # ours speaks header, which has no such number
    assert verdicts.pop("syn-repeated") == "not_applicable"  # ours offers SIMP/2, too
    assert verdicts.pop("clients-of-this-host") == "not_applicable"  # the tester is on the daemon's own
    assert set(verdicts.values()) == {"passed"}
    assert len(verdicts) == len(CASES) - 3


def test_our_daemon_passes_strict_in_simp_2() -> None:
    cases = [case for case in SEALED if Request.RESTART not in case.needs]
    verdicts = verdicts_of(SealedWire(), cases, "--sealed")
    assert verdicts == dict.fromkeys((case.name for case in cases), "passed")


def test_what_our_daemon_has_acknowledged_outlives_its_end(tmp_path: Path) -> None:
    """By `kill -9`, after which another daemon goes on with the same profile."""
    daemon, kept = Process(), tmp_path / "pid"
    daemon.client().close()
    host, port = format_address(daemon.address), str(daemon.client_port)
    kept.write_text(str(daemon.process.pid))
    again = shlex.join([*SIMP, "daemon", host, "--client-port", port])
    ended = f"while ps -o state= -p $(cat {kept}) | grep -q '[^Z ]'; do sleep 0.02; done"
    restart = f"kill -9 $(cat {kept}); {ended}; {again} >{tmp_path}/log 2>&1 & echo $! >{kept}"
    try:
        command = [*SIMP, "conformance", host, "--sealed", "--case", "acknowledged-is-stored", "--wait", str(WAIT)]
        command += ["--bind", format_address(free_address()), "--stranger", format_address(free_address())]
        command += ["--client", f"127.0.0.1:{port}", "--restart-command", restart]
        done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT)
    finally:
        daemon.end()
        os.kill(int(kept.read_text()), signal.SIGTERM)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert b"1 passed" in done.stdout


def test_commands_act_for_the_person(tmp_path: Path) -> None:
    wanted = ("sent-operations", "leaving", "request-taken-back", "cancelling", "cut-after-a-blank")
    with Side(tmp_path / "side") as side:
        command = [*side.command(*(word for name in wanted for word in ("--case", name))), *side.hands()]
        done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert b"5 passed" in done.stdout


def test_the_client_port_is_taken(tmp_path: Path) -> None:
    with Side(tmp_path / "side") as side:
        command = side.command("--case", "busy", "--client", f"127.0.0.1:{side.daemon.client_port}")
        done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"the daemon takes no client: another client is connected" in done.stderr
    nobody = side.command("--client", "127.0.0.1:1")
    done = subprocess.run(nobody, capture_output=True, check=False, timeout=LIMIT)
    assert done.returncode == 2
    assert b"--client 127.0.0.1:1: no daemon takes clients there: Connection refused" in done.stderr


def test_a_person_at_a_terminal_is_told_what_to_do(tmp_path: Path) -> None:
    with Side(tmp_path / "side") as side:
        command = side.command("--case", "handshake", "--case", "stop-and-wait")
        screen = pexpect.spawn(command[0], command[1:], encoding="utf-8", timeout=PATIENCE, dimensions=(40, 160))
        screen.expect("4.1 handshake:")
        side.see("called, and gave up")  # with which the two met
        screen.expect("accept the call .Enter, if it is done")
        side.see("Accept?")
        side.press("y")  # the tester sees the SYN+ACK, and goes on by itself
        screen.expect("passed +4.1 +handshake")
        screen.expect("accept the call .Enter")
        side.see("Accept?")
        side.press("y")
        screen.expect("type the message 'one' .Enter")
        side.see("You are in a chat")
        side.press("one")
        screen.expect("type the message 'two' .press Enter here when")
        side.press("two")
        screen.sendline()  # nothing may come, so that somebody has to say that it is done
        screen.expect("passed +6.1 +stop-and-wait")
        screen.expect(pexpect.EOF)
        assert screen.wait() == 0


def test_what_nobody_can_do_is_not_run(tmp_path: Path) -> None:
    with Side(tmp_path / "side") as side:
        command = side.command("--case", "busy", "--case", "ringing")
        done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT, stdin=subprocess.DEVNULL)
        asked_for = subprocess.run(
            [*command, "--allow-not-run"],
            capture_output=True,
            check=False,
            timeout=LIMIT,
            stdin=subprocess.DEVNULL,
        )
    assert done.returncode == 1
    assert b"Error: 1 case not run; each says why. Somebody has to act at the other side: run this" in done.stderr
    assert b"give --client 127.0.0.1:7778" in done.stderr
    assert b"--allow-not-run takes that for success" in done.stderr
    assert asked_for.returncode == 0
    assert b"nobody can accept: run it in a terminal, or give --client or --accept-command" in done.stdout
    assert b"1 passed, 0 failed, 0 not applicable, 1 not run" in done.stdout


def test_nothing_judged_is_no_success(tmp_path: Path) -> None:
    with Side(tmp_path / "side") as side:
        command = side.command("--case", "busy", "--case", "first-syn")
        done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert b"0 passed, 0 failed, 0 not applicable, 2 not run" in done.stdout
    assert b"no case could be judged" in done.stderr


def test_the_client_port_that_is_named_is_at_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_hostile.free_address", lambda: ("127.0.0.7", free_address()[1]))
    daemon = Process()
    try:
        assert daemon._listens.wait(PATIENCE)
        command = [*SIMP, "conformance", format_address(daemon.address), "--case", "busy"]
        command += ["--bind", format_address(free_address()), "--stranger", format_address(free_address())]
        done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT, stdin=subprocess.DEVNULL)
    finally:
        daemon.end()
    assert done.returncode == 2
    assert b"give --client 127.0.0.7:7778, where" in done.stderr


def test_ctrl_c_leaves_a_report_of_what_was_judged(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    with Side(tmp_path / "side") as side:
        command = side.command("--case", "ringing", "--case", "syn-ack-repeated", "--html", str(page))
        screen = pexpect.spawn(command[0], [*command[1:], *side.hands()], encoding="utf-8", timeout=PATIENCE)
        screen.expect("passed +4.3 +ringing")
        screen.sendintr()
        screen.expect("1 passed, 0 failed")
        screen.expect(pexpect.EOF)
        assert screen.wait() == 130
    assert "ringing" in page.read_text("utf-8")


def test_ctrl_c_leaves_nobody_in_a_chat(tmp_path: Path) -> None:
    with Side(tmp_path / "side") as side:
        command = [*side.command("--case", "chat-repeated"), *side.hands()]
        screen = pexpect.spawn(command[0], command[1:], encoding="utf-8", timeout=PATIENCE)
        side.see("You are in a chat")
        screen.sendintr()
        side.see("left; the chat is over")
        screen.expect(pexpect.EOF)
        assert screen.wait() == 130


def test_ctrl_c_takes_the_call_of_a_probe_back(tmp_path: Path) -> None:
    with Side(tmp_path / "side") as side:
        host, own = format_address(side.daemon.address), format_address(free_address())
        command = [*SIMP, "probe", host, "--bind", own, "--wait", "60", "--framing", "bare"]
        screen = pexpect.spawn(command[0], command[1:], encoding="utf-8", timeout=PATIENCE)
        side.see("Accept?")
        screen.sendintr()
        side.see("called, and gave up")
        screen.expect(pexpect.EOF)
        assert screen.wait() == 130


def test_a_page_that_cannot_be_written_is_said_before_the_run(tmp_path: Path) -> None:
    command = [*SIMP, "conformance", format_address(free_address()), "--html", str(tmp_path / "no" / "page.html")]
    done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"page.html: No such file or directory" in done.stderr


def test_a_report_of_another_run_is_not_taken_for_one_of_this(tmp_path: Path) -> None:
    page, elsewhere = tmp_path / "report.html", tmp_path / "elsewhere.html"
    elsewhere.write_text("the last run")
    page.symlink_to(elsewhere)
    command = [*SIMP, "conformance", format_address(free_address()), "--bind", format_address(free_address())]
    command += ["--wait", "0.1", "--html", str(page)]
    assert subprocess.run(command, capture_output=True, check=False, timeout=LIMIT).returncode == 2
    assert [file.name for file in tmp_path.iterdir() if file.exists()] == []


def test_a_report_that_cannot_be_written_costs_no_other(tmp_path: Path) -> None:
    junit = tmp_path / "report.xml"
    with Side(tmp_path / "side") as side:
        command = side.command("--case", "ringing", "--html", "/dev/full", "--junit", str(junit))
        done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT)
    assert done.returncode == 1
    assert b"/dev/full: No space left on device" in done.stderr
    assert "ringing" in junit.read_text("utf-8")


def test_nobody_is_there() -> None:
    command = [*SIMP, "conformance", format_address(free_address()), "--bind", format_address(free_address())]
    done = subprocess.run([*command, "--wait", "0.1"], capture_output=True, check=False, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"nothing listens at 127." in done.stderr or b"no SIMP daemon answered at 127." in done.stderr


def test_the_reports_are_written(tmp_path: Path) -> None:
    page, junit = tmp_path / "report.html", tmp_path / "report.xml"
    with Side(tmp_path / "side") as side:
        command = side.command("--case", "ringing", "--html", str(page), "--junit", str(junit))
        subprocess.run(command, check=True, capture_output=True, timeout=LIMIT)
    assert "ringing" in page.read_text("utf-8")
    assert "ringing" in junit.read_text("utf-8")


def test_listening_without_anybody_to_call() -> None:
    command = [*SIMP, "conformance", "--listen", "--bind", format_address(free_address())]
    done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr == b"Error: nobody can call: run it in a terminal, or give --client or --call-command\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give the HOST"),
        (["nobody"], "HOST: read 'nobody', expected an IP address"),
        (["127.0.0.1:"], "HOST: read port '' in '127.0.0.1:', expected a number"),
        (["127.0.0.1", "--client", "7778"], "--client: read '7778', expected an IP address"),
        (["127.0.0.1", "--bind", "x"], "--bind: read 'x', expected an IP address"),
        (["127.0.0.1", "--bind", "127.0.0.1"], "read one address twice"),
        (["127.0.0.1", "--stranger", "::1"], "of one kind"),
        (["127.0.0.1", "--case", "4.99"], "read '4.99', expected a case or section; 'simp conformance --list'"),
        (["127.0.0.1", "--case", "bussy"], "expected a case or section, such as busy"),
        (["127.0.0.1", "--case", "given-up"], "read 'given-up', which runs with --slow only"),
        (["127.0.0.1", "--slow", "--case", "busy"], "read 'busy', which runs without --slow only"),
        (["127.0.0.1", "--sealed", "--case", "busy"], "read 'busy', which runs without --sealed only"),
        (["127.0.0.1", "--case", "renumbering"], "read 'renumbering', which runs with --sealed only"),
        (["127.0.0.1", "--slow", "--sealed"], "give --slow or --sealed: no case of SIMP/2 takes minutes"),
        (["127.0.0.1", "--wait", "soon"], "read 'soon', expected a number from 0.05 to 30"),
        (["127.0.0.1", "--html", "/"], "is a directory"),
        (["127.0.0.1", "--restart-command", "/no/such"], "--restart-command '/no/such' can't be run"),
    ],
)
def test_wrong_usage(arguments: list[str], told: str) -> None:
    done = subprocess.run([*SIMP, "conformance", *arguments], capture_output=True, check=False, timeout=LIMIT)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.decode().split())
    assert b"Traceback" not in done.stderr

"""`simp probe`: what it makes of daemons of each kind, in virtual time, and of a real one."""

import asyncio
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner, Result

from simp_daemon.loop import Daemon
from simp_proto.address import format_address
from simp_proto.cli.main import main
from simp_proto.conformance import tester
from simp_proto.conformance.probe import Findings, find, in_words
from simp_proto.constants import BUSY, RINGING, Control, Framing, Type
from simp_proto.datagram import Datagram, build, parse
from tests.faulty import Rule, answers, drops, heard, rewrites, said
from tests.sealed_by_hand import MADE, datagram_by_hand, offer_by_hand
from tests.simulated_wire import SimulatedWire
from tests.test_loop import PATIENCE, free_address

SYN = heard(Control.SYN)
OURS: list[Rule] = []
DUMB = [rewrites(heard(), payload=b"")]
"""A daemon of the course text: it speaks bare, and its person is asked before anything is answered."""
EAGER = [*DUMB, answers(SYN, Control.SYN_ACK, framing=Framing.BARE), rewrites(said(), sequence=1)]
"""Accepts each SYN at once, and acknowledges each FIN with 1."""
TRAILER = [answers(SYN, Control.ERR, payload=b"Wrong payload", framing=Framing.TRAILER), drops(heard())]
"""Answers a SYN that it doesn't understand, and never anything again."""
BUSY_ONE = [answers(SYN, Control.ERR, payload=BUSY.encode()), answers(SYN, Control.FIN), drops(SYN)]
CHANCE = bytes(range(64))
TAG = MADE["tag"](e=CHANCE[:32])
OFFERED = heard(Control.SYN, payload=lambda payload: b" SIMP/2 " in payload)


def challenger(payload: bytes) -> list[Rule]:
    """A daemon of SIMP/2, which keeps nothing of a first SYN (simp2 4.1)."""
    return [answers(OFFERED, lambda passage: datagram_by_hand("ACK", payload)), drops(OFFERED)]


GARBAGE = [answers(heard(), lambda passage: b"HTTP/1.1 400 Bad Request\r\n\r\n"), drops(heard())]
"""Something else listens there."""


def found(rules: list[Rule]) -> Findings:
    wire = SimulatedWire(*rules)
    findings = find(tester.Tester(wire), CHANCE)
    assert wire.endpoint.idle  # whoever was rung is left in peace
    return findings


@pytest.mark.parametrize(
    ("rules", "expected", "words"),
    [
        (OURS, Findings("header", "bob", rings=True, fin_acks=(0, 1)), "it says that they ring"),
        (DUMB, Findings("bare", "bob", fin_acks=(0, 1)), "nothing answers them before its user does"),
        (
            EAGER,
            Findings("bare", "bob", accepts_unasked=True, syn_ack_number=0, fin_acks=(1, 1)),
            "acknowledged with 1, whatever its number",
        ),
        (TRAILER, Findings("trailer", "bob", refusal="Wrong payload"), "simp daemon --framing trailer"),
        (BUSY_ONE, Findings("header", "bob", refusal=BUSY, fin_acks=(0, 1)), f"it refuses them: '{BUSY}'"),
        (
            challenger(b"\x80" + TAG + bytes(16)),
            Findings("header", "bob", rings=True, fin_acks=(0, 1), simp2=True),
            "  SIMP/2        spoken, too",
        ),
        (
            challenger(b"\x80" + bytes(8) + bytes(16)),
            Findings("header", "bob", fin_acks=(0, 1)),
            "  SIMP/2        not spoken",
        ),
        (GARBAGE, Findings(unreadable=3), "heard 3 datagrams, none of which is SIMP/1"),
    ],
    ids=["ours", "bare", "eager", "trailer", "busy", "SIMP/2", "another call's challenge", "garbage"],
)
def test_what_is_found(rules: list[Rule], expected: Findings, words: str) -> None:
    findings = found(rules)
    assert findings == expected
    assert words in "\n".join(in_words("192.0.2.1:7777", findings, asked=None))


def test_a_forced_framing_is_spoken_throughout() -> None:
    for framing in (Framing.BARE, Framing.TRAILER):
        wire = SimulatedWire()
        judge = tester.Tester(wire, framing)
        assert find(judge, CHANCE).framing == framing.value
        sent = [passage.data for passage in judge.trace if passage.source is None and passage.data]
        assert {parse(data, (framing,)).payload for data in sent} == {b""}


def test_the_one_syn_that_a_foreign_daemon_gets_offers_simp2_quietly() -> None:
    wire = SimulatedWire(*DUMB)
    judge = tester.Tester(wire)
    find(judge, CHANCE)
    sent = [parse(passage.data) for passage in judge.trace if passage.source is None and passage.data]
    offer = offer_by_hand(b"\1" + CHANCE[:32], CHANCE[32:])
    assert [(each.framing, each.payload) for each in sent if each.operation is Control.SYN] == [(Framing.BARE, offer)]
    assert "SIMP/2" not in "".join(in_words("192.0.2.1", Findings("bare"), asked=Framing.BARE))


def test_peer_text_is_escaped() -> None:
    findings = Findings("bare", user="\x1b[2J", refusal="\x1b]0;mine\a")
    assert "\x1b" not in "\n".join(in_words("192.0.2.1:7777", findings, asked=None))


def probed(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["probe", "--bind", format_address(free_address()), *arguments])


@pytest.mark.slow
def test_a_real_daemon_is_found() -> None:
    async def run() -> Result:
        async with Daemon(free_address(), 0) as daemon:
            task = asyncio.to_thread(probed, "--json", format_address(daemon.address))
            result = await asyncio.wait_for(task, PATIENCE)
            assert daemon._core.idle
            return result

    result = asyncio.run(run())
    assert result.exit_code == 0
    assert json.loads(result.stdout).items() >= {"there": True, "framing": "header", "fin_acks": [0, 1]}.items()


@pytest.mark.slow
def test_nobody_is_there() -> None:
    result = probed("--wait", "0.1", format_address(free_address()))
    assert result.exit_code == 1
    assert "no SIMP daemon answered; heard nothing" in result.stdout


@pytest.mark.parametrize("arguments", [["nobody"], ["127.0.0.1", "--bind", "x"], ["127.0.0.1", "--wait", "nan"]])
def test_wrong_usage(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, ["probe", *arguments])
    assert result.exit_code == 2
    assert f"read '{arguments[-1]}', expected" in result.output


@pytest.mark.parametrize(
    ("bound", "told"),
    [("::1", "expected the daemon, the tester and the stranger of one kind"), ("127.0.0.1", "read one address twice")],
)
def test_addresses_that_cannot_meet_are_said(bound: str, told: str) -> None:
    result = CliRunner().invoke(main, ["probe", "127.0.0.1", "--bind", bound])
    assert result.exit_code == 1
    assert told in result.output


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have a single loopback address")
def test_a_daemon_that_answers_from_another_address_is_named() -> None:
    kind = socket.AF_INET, socket.SOCK_DGRAM
    with socket.socket(*kind) as daemon, socket.socket(*kind) as other:
        daemon.bind(free_address())
        other.bind(("127.0.0.99", 0))

        def answer() -> None:
            _, tester = daemon.recvfrom(100)
            other.sendto(b"nothing of ours", tester)
            other.sendto(build(Datagram(Type.CONTROL, Control.ACK, 0, b"bob", RINGING)), tester)

        with ThreadPoolExecutor() as pool:
            answering = pool.submit(answer)
            result = probed("--wait", "0.3", format_address(daemon.getsockname()))
            answering.result(PATIENCE)
        told = f"a SIMP daemon answered from another address, {format_address(other.getsockname())}: call it there"
    assert result.exit_code == 1
    assert told in result.stdout


def test_an_address_that_is_not_ours_is_said() -> None:
    result = CliRunner().invoke(main, ["probe", "127.0.0.1", "--bind", "192.0.2.1"])
    assert result.exit_code == 1
    assert "192.0.2.1 is not an address of this host" in result.output


def test_where_nothing_listens_the_next_step_is_told() -> None:
    told = "nothing listens at that UDP port. Start a daemon there, or give its port: IP:port"
    assert in_words("192.0.2.9:7777", Findings(refused=True), asked=None) == [f"192.0.2.9:7777: {told}"]

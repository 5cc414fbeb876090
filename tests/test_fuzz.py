"""The fuzzers: each law holds for a few hundred inputs, always the same, and is seen to break where it is broken."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from simp_client import view
from simp_daemon.events import Connected, MessageAcknowledged
from simp_daemon.peers.conduct import Conduct
from simp_daemon.peers.session import Session
from simp_daemon.peers.stop_and_wait import StopAndWait
from simp_proto import text
from simp_proto.text import LineBuffer, parse_line
from simp_proto.toolkit.frame import Frame, Frames
from tests.fuzz import datagram, dialogue, endpoint, lines
from tests.fuzz.__main__ import TARGETS, Run, at_random, main
from tests.fuzz.target import Choices

EXECUTIONS = 300
QUICK, SLOW = TARGETS[:3], TARGETS[3:]


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_the_law_holds(name: str) -> None:
    run = Run(name, seed=1)
    assert at_random(run, EXECUTIONS, seconds=None)
    assert run.executions == EXECUTIONS


def _raises(*_: Any) -> Any:
    raise TypeError


def _altered(frames: Frames, frame: Frame, _datagram: Any = Frames.datagram) -> Any:
    captured = _datagram(frames, frame)
    return captured and replace(captured, data=bytes(each ^ 1 for each in captured.data))


def _never_slow(session: Session, *args: Any, slow: bool, _receive: Any = Session.receive, **busy: bool) -> Any:
    return _receive(session, *args, **busy)


BREAKS: list[tuple[str, Any, str, Any]] = [
    ("datagram", datagram, "build", lambda read: read.payload),
    ("datagram", datagram, "parse", _raises),
    ("capture", Frames, "datagram", _raises),
    ("capture", Frames, "datagram", _altered),
    ("lines", lines, "parse_line", lambda line: parse_line(line.rstrip(b"\r"))),
    ("lines", text, "_ESCAPED", re.compile(r"[\\\n\r\x7f-\x9f]")),
    ("lines", lines, "format_line", lambda line: f"{line.word}|{line.payload}\n".encode()),
    ("lines", lines, "LineBuffer", lambda limit: LineBuffer(2 * limit)),
    ("dialogue", view, "plain", lambda text: "\x1b[2J"),
    ("dialogue", dialogue, "MOST_REQUESTS", 0),
    ("dialogue", dialogue.Driver, "lose", lambda driver: None),
    ("endpoint", endpoint, "PENDING_REQUESTS", 3),
    ("endpoint", endpoint, "AMPLIFICATION", 0.5),
    ("endpoint", endpoint, "STRANGER_RATE", -10),
    ("endpoint", endpoint, "CHATS", 0),
    ("endpoint", endpoint.Driver, "handle_timer", lambda driver, now: None),
    ("endpoint", StopAndWait, "exhausted", lambda *_: None),
    ("endpoint", Conduct, "is_new", lambda *_: True),
    ("endpoint", Session, "receive", _never_slow),
    ("endpoint", endpoint, "MessageUndelivered", Connected),
    ("endpoint", endpoint, "MessageReceived", MessageAcknowledged),
]


@pytest.mark.parametrize(("name", "where", "what", "instead"), BREAKS)
def test_a_broken_law_is_found(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    where: Any,
    what: str,
    instead: Callable[..., Any],
) -> None:
    monkeypatch.setattr(where, what, instead)
    run = Run(name, seed=1)
    assert not at_random(run, 2 * EXECUTIONS, seconds=None)
    told = capsys.readouterr().out
    assert f"execution {run.executions} of seed 1: {run.target.law}" in told
    again = told.split("--input ")[1].split()[0]
    assert main([name, "--input", again]) == 1


def test_a_run_ends_with_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lines", "--random", "--seconds", "0.1", "--seed", "3"]) == 0
    assert "lines: the law held in " in capsys.readouterr().out


def test_choices_that_are_spent_are_zeros() -> None:
    choices = Choices(b"\x02ab\x05")
    assert choices.blob() == b"ab"
    assert choices.one_of("xyz") == "z"
    assert not choices.left
    assert (choices.number(), choices.blob()) == (0, b"")

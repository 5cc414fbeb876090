"""The commands that act for a person."""

import os
from pathlib import Path

import pytest

from simp_proto.conformance import hands as hands_module
from simp_proto.conformance.hands import Hands
from simp_proto.conformance.wire import NotRunError, Request

TESTER = ("127.0.0.2", 7777)


@pytest.fixture(autouse=True)
def _no_client_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands_module, "_MOMENT", 0.0)


def test_a_command_gets_the_text_as_it_is(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    text = 'it\'s $HOME, `id` "quoted" é\\n'
    hands = Hands({Request.TYPE: f'printf %s "$SIMP_TEXT" > "{seen}"'}, terminal=False)
    assert hands.act(Request.TYPE, text, TESTER, None) == ""
    assert seen.read_text("utf-8") == text


def test_a_command_that_fails_is_told_and_one_that_is_none_ends_the_case() -> None:
    hands = Hands(
        {Request.ACCEPT: "echo no window >&2; exit 3", Request.LEAVE: "no-such-command-at-all"}, terminal=False
    )
    told = hands.act(Request.ACCEPT, "", TESTER, None)
    assert "status 3" in told
    assert "no window" in told
    with pytest.raises(NotRunError, match="no-such-command-at-all"):
        hands.act(Request.LEAVE, "", TESTER, None)


def test_what_a_command_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    hands = Hands({Request.RESTART: f"cat '{pipe}' & echo started >&2; exit 3"}, terminal=False)
    assert "status 3: started" in hands.act(Request.RESTART, "", TESTER, None)
    pipe.open("wb").close()  # which ends the one that was left

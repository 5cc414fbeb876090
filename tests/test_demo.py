"""`simp demo`: two people, drawn from what passes between them."""

import subprocess

import pytest

from simp_client import demo
from simp_daemon.discovery import Discovery
from tests.test_decode import simp
from tests.test_exit_status import SIMP


def test_demo_shows_a_whole_conversation() -> None:
    result = simp("demo", "--pause", "0")
    assert result.exit_code == 0
    words = ["SYN 0", "ringing", "SYN+ACK 0", "the chat is on", "MESSAGE 1", "MESSAGE 0", "FIN", "alice has left"]
    at = -1
    for word in words:
        at = result.stdout.index(word, at + 1)
    assert result.stdout.count("knows that it arrived") == 4
    assert result.stdout.index("  simp daemon\n  simp client\n") > at


@pytest.mark.slow
def test_demo_finds_its_partner_or_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [*SIMP, "demo", "--pause", "0", "--discovery", "everyone"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=30)
    assert done.stderr == ""
    assert done.stdout.index("present?") < done.stdout.index("sees that bob is here") < done.stdout.index("SYN 0")
    assert "present" not in done.stdout[done.stdout.index("SYN 0") :]

    async def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(Discovery, "start", fail)
    monkeypatch.setattr(demo, "_SIGHT", 0.1)
    shown = simp("demo", "--pause", "0", "--discovery", "everyone")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.index("looks for bob") < shown.stdout.index("alice has left")
    assert "sees that bob" not in shown.stdout


@pytest.mark.parametrize("columns", [30, 40, 60, 80])
def test_demo_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = simp("demo", "--pause", "0").stdout.partition("\n\n")[0].splitlines()
    assert max(map(len, shown)) <= columns
    rails = {(row.index("│"), row.rindex("│")) for row in shown if "│" in row}
    assert len(rails) == 1
    assert sum("bytes" in row for row in shown) == sum("▶│" in row or "│◀" in row for row in shown)

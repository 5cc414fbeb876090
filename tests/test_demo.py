"""`simp demo`: two people, drawn from what passes between them."""

import pytest

from tests.test_decode import simp


def test_demo_shows_a_whole_conversation() -> None:
    result = simp("demo", "--pause", "0")
    assert result.exit_code == 0
    words = ["SYN 0", "ringing", "SYN+ACK 0", "the chat is on", "MESSAGE 1", "MESSAGE 0", "FIN", "alice has left"]
    at = -1
    for word in words:
        at = result.stdout.index(word, at + 1)
    assert result.stdout.count("knows that it arrived") == 4
    assert result.stdout.index("  simp daemon\n  simp client\n") > at


@pytest.mark.parametrize("columns", [30, 40, 60, 80])
def test_demo_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = simp("demo", "--pause", "0").stdout.partition("\n\n")[0].splitlines()
    assert max(map(len, shown)) <= columns
    rails = {(row.index("│"), row.rindex("│")) for row in shown if "│" in row}
    assert len(rails) == 1
    assert sum("bytes" in row for row in shown) == sum("▶│" in row or "│◀" in row for row in shown)

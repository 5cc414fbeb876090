"""`simp demo`: two people, drawn from what passes between them."""

from tests.test_decode import simp


def test_demo_shows_a_whole_conversation() -> None:
    result = simp("demo", "--pause", "0")
    assert result.exit_code == 0
    words = ["SYN 0", "ringing", "SYN+ACK 0", "the chat is on", "MESSAGE 1", "MESSAGE 0", "FIN", "alice has left"]
    at = -1
    for word in words:
        at = result.stdout.index(word, at + 1)
    assert result.stdout.count("knows that it arrived") == 4

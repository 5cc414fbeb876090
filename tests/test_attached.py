"""The tester as a daemon's client, at the client port of a daemon that says whatever a test has it say."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from simp_proto.conformance import attached
from simp_proto.conformance.attached import Attached
from simp_proto.conformance.hands import Hands
from simp_proto.conformance.wire import NotRunError, Request
from tests.test_loop import PATIENCE

TESTER = ("127.0.0.2", 7777)
NOBODY = Hands({}, terminal=False)


class Daemon:
    """Answers each line with what `answers` has for its beginning; PING with PONG."""

    def __init__(self) -> None:
        self.answers = {b"CONNECT|": b"CONNECTED|bob\n"}
        self.heard: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,)).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                self.heard.append(line)
                answers = self.answers | {b"PING|": b"PONG|\n", b"QUIT|\n": b"QUIT|\n"}
                told = [answer for start, answer in answers.items() if line.startswith(start)]
                connection.sendall(b"".join(told))
                if line == b"QUIT|\n":
                    break

    def end(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    daemon = Daemon()
    yield daemon
    daemon.end()


@pytest.mark.slow
def test_it_acts_by_lines(daemon: Daemon) -> None:
    daemon.answers[b"CONNECT|"] += b"CONNECTING|tester|127.0.0.2:7777\n"
    daemon.answers[b"CONNECTED|"] = b"CONNECTED|tester|127.0.0.2:7777\n"
    person = Attached(daemon.address, NOBODY)
    try:
        assert Request.SEE in person.actions
        assert Request.RESTART not in person.actions
        assert person.act(Request.ACCEPT, "", TESTER, None) == ""
        assert person.act(Request.TYPE, "a\nb\\c", TESTER, None) == ""
        assert person.act(Request.LEAVE, "", TESTER, None) == ""
        assert person.act(Request.CALL, "", TESTER, None) == ""
        said = [line for line in daemon.heard if line != b"PING|\n"]
        assert said == [
            b"CONNECT|bob\n",
            b"CONNECTED|127.0.0.2:7777\n",
            b"CHAT|a\\nb\\\\c\n",
            b"QUIT|127.0.0.2:7777\n",
            b"CONNECTING|127.0.0.2:7777\n",
        ]
        told = [line for _, line in person.shown() if line != "PONG|"]
        assert told == [
            "CONNECTED|bob",
            "CONNECTING|tester|127.0.0.2:7777",
            "CONNECTED|tester|127.0.0.2:7777",
        ]
        assert person.shown() == []
        assert "isn't asked about" in person.act(Request.DECLINE, "", TESTER, None)  # it is accepted
    finally:
        person.close()
    assert daemon.heard[-1] == b"QUIT|\n"


def test_an_error_is_told(daemon: Daemon) -> None:
    daemon.answers[b"CHAT|"] = b"ERROR|no chat is on\n"
    person = Attached(daemon.address, NOBODY)
    try:
        assert person.act(Request.TYPE, "hello", TESTER, None) == "no chat is on"
    finally:
        person.close()
    daemon.answers[b"CONNECT|"] = b"ERROR|another client is connected\n"
    with pytest.raises(NotRunError, match="takes no client: another client is connected"):
        Attached(daemon.address, NOBODY)


@pytest.mark.slow
@pytest.mark.parametrize("line", [b"CHAT|x|" + b"y" * 60_000, b"CONNECTING|x|127.0.0.1:%d", b"\xff|", b"ACK|1"])
def test_a_flood_of_lines_takes_no_memory(daemon: Daemon, line: bytes) -> None:
    daemon.answers[b"CHAT|"] = b"".join((line % at if b"%d" in line else line) + b"\n" for at in range(1, 2_001))
    person = Attached(daemon.address, NOBODY)
    try:
        assert person.act(Request.TYPE, "hello", TESTER, None) == ""
        assert len(person._requests) <= attached._MOST_LINES
        lines = person.shown()
        assert len(lines) <= attached._MOST_LINES
        assert sum(len(text) for _, text in lines) <= attached._MOST_BYTES
    finally:
        person.close()


def test_another_connection_is_heard_to_its_end(daemon: Daemon) -> None:
    person = Attached(daemon.address, NOBODY)
    person.close()
    assert person.converse([b"PING|\nQUIT|\n"], PATIENCE) == [(b"PONG|\nQUIT|\n", True)]
    assert person.converse([b"PING|\n"], 0.1) == [(b"PONG|\n", False)]
    several = person.converse([b"PING|\n", b"", b"QUIT|\n"], 0.1)
    assert several == [(b"PONG|\n", False), (b"", False), (b"QUIT|\n", True)]


def test_another_connection_where_nobody_listens(daemon: Daemon) -> None:
    person = Attached(daemon.address, NOBODY)
    person.close()
    assert person.converse([b"PING|\n"], PATIENCE, "127.0.0.9") == [(b"", True)]

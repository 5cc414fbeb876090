"""The connection to the daemon: bytes in, lines out, and its end."""

import asyncio
import socket
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_client import link as link_module
from simp_client.attachment import Attachment
from simp_client.link import Link, NoDaemonError, lost
from simp_proto.constants import MAX_DAEMON_LINE_SIZE
from simp_proto.text import Line, Word, format_line
from tests.scripted_daemon import PATIENCE, ScriptedDaemon


class Listener:
    """An end that writes down what it hears."""

    def __init__(self, *to_say: Line) -> None:
        self.heard: list[Line] = []
        self.lost = False
        self._to_say = list(to_say)

    def lines_to_send(self) -> list[Line]:
        lines, self._to_say = self._to_say, []
        return lines

    def receive_line(self, line: Line) -> None:
        assert not self.lost
        self.heard.append(line)

    def lose(self) -> None:
        self.lost = True


async def listen(data: bytes, cuts: list[int]) -> Listener:
    """What is heard of these bytes, cut there."""
    end, reader = Listener(), asyncio.StreamReader()
    link = Link(end, reader, None)  # type: ignore[arg-type]  # nothing is written
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, stop in pairwise(places):
        if stop > start:
            reader.feed_data(data[start:stop])
            assert await link.receive()
    reader.feed_eof()
    assert not await link.receive()
    return end


async def hear_all(link: Link) -> None:
    while await link.receive():
        pass


_LINES = st.builds(Line, st.sampled_from(Word), st.text(max_size=9))
_NONSENSE = st.sampled_from([b"", b"HELLO|future", b"CHAT", b"\xff\xfe", b"CHAT|\xff", b"|"]).map(
    lambda line: line + b"\n"
)


@given(st.lists(_LINES | _NONSENSE, max_size=9), st.lists(st.integers(0, 999), max_size=9))
def test_however_bytes_are_cut_each_line_is_heard_once_and_nonsense_never(
    said: list[Line | bytes], cuts: list[int]
) -> None:
    data = b"".join(line if isinstance(line, bytes) else format_line(line) for line in said)
    end = asyncio.run(listen(data, cuts))
    assert end.heard == [line for line in said if isinstance(line, Line)]
    assert end.lost


def test_a_line_without_end_is_the_end() -> None:
    async def scenario() -> None:
        end, reader = Listener(), asyncio.StreamReader()
        link = Link(end, reader, None)  # type: ignore[arg-type]  # nothing is written
        reader.feed_data(b"PONG|\n" + b"x" * (MAX_DAEMON_LINE_SIZE + 1))
        while await link.receive():
            pass
        assert (end.heard, end.lost) == ([Line(Word.PONG)], True)

    asyncio.run(scenario())


def test_what_is_to_be_said_is_written_and_the_end_is_polite() -> None:
    async def scenario() -> None:
        async with ScriptedDaemon() as daemon:
            link = await Link.open(("127.0.0.1", daemon.port), Listener(Line(Word.CHAT, "a\nb"), Line(Word.PING)))
            link.send()
            await daemon.hear("CHAT|a\\nb", "PING|")
            await link.close()
            await daemon.hear_end()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


def test_nobody_there_is_one_line_that_helps() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        address = taken.getsockname()
        with pytest.raises(NoDaemonError, match=r"connection refused.*Start one with: simp daemon"):
            asyncio.run(Link.open(address, Attachment()))


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HELLO|future\n", b"PON"])
def test_whoever_says_no_line_of_a_daemon_is_none(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT", 0.1)

    async def scenario() -> None:
        async with ScriptedDaemon() as daemon:
            end = Listener()
            link = await Link.open(("127.0.0.1", daemon.port), end)
            await daemon.write(said)
            with pytest.raises(NoDaemonError, match=f"No daemon at 127.0.0.1:{daemon.port}: .* nothing said for 0.1 s"):
                await hear_all(link)
            assert (end.heard, end.lost) == ([], False)  # the error says it
            link.abort()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


@pytest.mark.parametrize("said", [["CHAT|x|y"], ["PONG|"], ["PONG|", "PONG|"], ["CONNECTED|alice"]])
def test_whoever_does_not_answer_connect_is_no_daemon(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT", 0.1)

    async def scenario() -> None:
        async with ScriptedDaemon() as daemon:
            attachment = Attachment()
            attachment.attach("alice")
            link = await Link.open(("127.0.0.1", daemon.port), attachment)
            link.send()
            await daemon.say(*said)
            with pytest.raises(NoDaemonError, match=r"CONNECT not answered for 0.1 s"):
                await hear_all(link)
            link.abort()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


@pytest.mark.parametrize("said", [["CONNECTED|alice", "PONG|"], ["ERROR|another client is attached"]])
def test_a_daemon_that_has_answered_connect_may_be_silent_for_ever(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT", 0.1)

    async def scenario() -> None:
        async with ScriptedDaemon() as daemon:
            attachment = Attachment()
            attachment.attach("alice")
            link = await Link.open(("127.0.0.1", daemon.port), attachment)
            link.send()
            await daemon.say(*said)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(hear_all(link), 0.15)
            link.abort()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


def test_a_port_for_daemons_is_told_as_such() -> None:
    with pytest.raises(NoDaemonError, match=r"port between daemons; the one for clients is 7778 unless told otherwise"):
        asyncio.run(Link.open(("127.0.0.250", 7777), Attachment()))


def test_a_daemon_that_has_spoken_may_be_silent_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT", 0.1)

    async def scenario() -> None:
        async with ScriptedDaemon() as daemon:
            link = await Link.open(("127.0.0.1", daemon.port), Listener())
            await daemon.say("PONG|")
            assert await link.receive()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(link.receive(), 0.15)
            link.abort()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


@pytest.mark.parametrize(
    ("address", "command"),
    [
        (("127.0.0.1", 7778), "simp daemon"),
        (("192.168.1.20", 7778), "simp daemon 192.168.1.20"),
        (("::1", 7000), "simp daemon :: --client-port 7000"),
    ],
)
def test_a_lost_daemon_is_told_with_what_starts_it(address: tuple[str, int], command: str) -> None:
    assert lost(address).endswith(f"with: {command}")


def test_where_no_daemon_of_ours_can_be_it_is_said_how_to_call_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio, "open_connection", refuse)
    with pytest.raises(NoDaemonError, match=r"isn't an address of this machine.*simp client --call 192\.0\.2\.1$"):
        asyncio.run(Link.open(("192.0.2.1", 7778), Attachment()))

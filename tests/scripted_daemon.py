"""A daemon that says and expects what a test tells it to, on a loopback port of its own."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

PATIENCE = 10.0
"""Seconds that a test waits for anything before it fails."""


class ScriptedDaemon:
    """Serves one client. An `async with` block is its life."""

    async def __aenter__(self) -> Self:
        self._arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._server = await asyncio.start_server(lambda *pair: self._arrived.put_nowait(pair), "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        if self._streams or not self._arrived.empty():
            await self.hang_up()

    async def _stream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.wait_for(self._arrived.get(), PATIENCE)
        return self._streams

    async def hear(self, *lines: str) -> None:
        """Fails unless the client says exactly these next."""
        reader, _ = await self._stream()
        for line in lines:
            heard = await asyncio.wait_for(reader.readline(), PATIENCE)
            assert heard.decode() == f"{line}\n", f"heard {heard!r}, expected {line!r}"

    async def hear_end(self) -> None:
        """Fails unless the client closes the connection next."""
        reader, _ = await self._stream()
        heard = await asyncio.wait_for(reader.read(), PATIENCE)
        assert heard == b"", f"heard {heard!r}, expected the end"

    async def say(self, *lines: str | bytes) -> None:
        """Says these."""
        for line in lines:
            await self.write((line if isinstance(line, bytes) else line.encode()) + b"\n")

    async def write(self, data: bytes) -> None:
        """Sends these bytes, which may end within a line."""
        _, writer = await self._stream()
        writer.write(data)
        await asyncio.wait_for(writer.drain(), PATIENCE)

    async def attach(self, name: str) -> None:
        """The beginning of every conversation."""
        await self.hear(f"CONNECT|{name}", "WHO|", "PING|")
        await self.say(f"CONNECTED|{name}", "PONG|")

    async def take_call(self, address: str, name: str) -> None:
        """A call to that address is accepted by somebody of that name."""
        await self.hear(f"CONNECTING|{address}")
        await self.say(f"CONNECTED|{name}|{address}:7777")

    async def end(self) -> None:
        """The end of every conversation."""
        await self.hear("QUIT|")
        await self.say("QUIT|")
        await self.hear_end()

    async def hang_up(self) -> None:
        """Closes the connection."""
        _, writer = await self._stream()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(writer.wait_closed(), PATIENCE)

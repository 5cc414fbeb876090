"""Real daemons, killed at any moment while both sides write: no acknowledged message is lost, and none is there twice.

The people and the laws are those of `tests.disasters`; `python -m tests.test_killed 200 1 FOLDER` kills so often, with
that seed, and keeps stores and logs in that folder.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from simp_daemon.occurrences import ClientSaid, Occurrence
from simp_proto.address import format_address
from tests.disasters import World
from tests.machine import NAMES, Machine
from tests.test_loop import free_address

PATIENCE = 120.0
"""Seconds in which people must have come together again."""


class Process(Machine):
    """A daemon in a process of its own, and its client's connection."""

    world: "Street"

    def __init__(self, world: "Street", index: int) -> None:
        super().__init__(world, index, sealed=True)
        self.address = free_address()
        self.log = world.folder / f"{NAMES[index]}.log"
        self._life: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None

    def start(self) -> None:
        self.runs += 1
        self._life = asyncio.create_task(self._live())

    async def _live(self) -> None:
        """From its start to the last line of its client."""
        with socket.socket() as tcp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
        command = [sys.executable, "-m", "simp_proto.cli.main", "daemon", format_address(self.address)]
        command += ["--client-port", str(port), "--state", str(self.directory), "--discovery", "off"]
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stderr=log)
        while True:
            try:
                reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except ConnectionError:
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.02)
        self.on = True
        self.person.attach()
        try:
            while line := await reader.readline():
                self.person.hear(self.person.client, line.decode().rstrip("\n"))
        except ConnectionError:
            pass
        self.on = False
        self._writer.close()
        self.person.detach()

    def handle(self, occurrence: Occurrence) -> None:
        if isinstance(occurrence, ClientSaid) and self._writer:
            self._writer.write(occurrence.data)

    async def kill(self) -> None:
        """At this moment; its client reads what it was told before."""
        self.process.kill()
        await self.wait()

    async def wait(self) -> None:
        assert self._life
        await self.process.wait()
        await self._life


class Street(World):
    """Two of those, in real time. What is to be raised somewhere in the loop is raised by `until`."""

    calm = 0.3

    def __init__(self, seed: int, folder: Path) -> None:
        self.random, self.folder = Random(seed), folder
        self.fate = Random(seed)
        self.restoring, self.leaving, self.talk = 0.0, 0.0, 0.01
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda loop, context: self._failures.append(context))
        self._failures: list[dict[str, Any]] = []
        self.machines = self.processes = [Process(self, index) for index in (0, 1)]  # type: ignore[assignment]
        for process, other in zip(self.processes, reversed(self.processes), strict=True):
            process.person.peer = other.address
            process.start()

    @property
    def now(self) -> float:  # type: ignore[override]
        return self._loop.time()

    def at(self, time: float, action: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_at(time, action, *arguments)

    async def until(self, done: Callable[[], bool]) -> None:
        end = self.now + PATIENCE
        while not done():
            assert self.now < end, [vars(process.person) for process in self.processes]
            assert not self._failures, self._failures
            for process in self.processes:
                if process._life and process._life.done():
                    process._life.result()
            await asyncio.sleep(0.005)

    def chatting(self) -> bool:
        return all(process.person.chatting for process in self.processes)

    def acknowledged(self) -> int:
        return sum(len(process.person.acked) for process in self.processes)

    def quiet(self) -> bool:
        """Whether all that was said has its fate."""
        return self.chatting() and not any(process.person._open or process.waits() for process in self.processes)

    async def chat(self, kills: int) -> None:  # type: ignore[override]
        """Both say what comes to their minds, until so many kills have been survived."""
        for process in self.processes:
            process.person.todo.extend(range(kills * 1000))
        for number in range(kills):
            await self.until(self.chatting)
            enough = self.acknowledged() + self.fate.randrange(40)
            await self.until(lambda enough=enough: self.acknowledged() >= enough)  # type: ignore[misc]
            await asyncio.sleep(self.fate.random() * 0.02)
            victims = self.fate.choices(([0], [1], [0, 1]), (9, 9, 2))[0]
            for index in victims:
                self.processes[index].process.kill()
            for index in victims:
                await self.processes[index].wait()
            for index in victims:
                self.processes[index].start()
            if number % 10 == 9:
                print(f"{number + 1} kills, {self.acknowledged()} messages acknowledged", flush=True)
        await self.until(self.chatting)
        for process in self.processes:
            process.person.todo.clear()
        await self.until(self.quiet)
        for process in self.processes:
            process.process.terminate()
            await process.wait()
            assert process.process.returncode == 0
            assert "Traceback" not in process.log.read_text()
        self.judge()
        for process in self.processes:
            process.close()


async def survive(kills: int, seed: int, folder: Path) -> int:
    """How many messages were acknowledged."""
    street = Street(seed, folder)
    try:
        await street.chat(kills)
    finally:
        for process in street.processes:
            if process.process.returncode is None:
                process.process.kill()
    return street.acknowledged()


@pytest.mark.slow
def test_daemons_that_are_killed_lose_and_double_nothing(tmp_path: Path) -> None:
    assert asyncio.run(survive(4, 1, tmp_path)) >= 40


if __name__ == "__main__":
    print(asyncio.run(survive(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))))

"""Chat from a program, through a daemon that runs already (spec/client.md; scripts in spec/examples/).

    async with connect("echo") as client:
        async for event in client.events():
            match event:
                case Requested(other):
                    await client.accept(other)
                case Said(_, text):
                    await client.say(text)

What a method does it also answers: `call` returns when the chat is on, `say` when the message's fate is known. What
others do comes out of `events`. Every error is a `SimpError`, whose text says what to do. Nothing is read from the
daemon while the program waits for nothing here, so that a slow program holds its partner back and loses nothing.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

from simp_client.attachment import Attachment, Phase
from simp_client.events import (
    NOBODY,
    Away,
    Began,
    Elsewhere,
    Ended,
    Failed,
    Fate,
    Gone,
    How,
    Idle,
    LastHeard,
    Missed,
    Other,
    Over,
    Person,
    Requested,
    Ringing,
    Said,
    Secured,
    Seen,
    Settled,
    Silent,
    Unanswered,
    Warned,
    Withdrawn,
)
from simp_client.link import GOODBYE_TIMEOUT, Link, NoDaemonError, lost
from simp_proto.address import parse_address
from simp_proto.constants import CLIENT_PORT
from simp_proto.errors import AddressError, LineError, NotNowError, SimpError  # noqa: F401  two are exported alone
from simp_proto.printable import printable

Event = (
    Missed | Seen | Gone | Requested | Secured | Withdrawn | Ringing | Away | Elsewhere | Said | Unanswered | Silent
    | LastHeard | Ended | Warned
)  # fmt: skip
"""What others do."""

MAX_UNREAD: Final = 1_000
"""Events that may wait to be read while the program waits for something else. Half of that, where they are `Seen` and
`Gone`: whatever is passed over, `people` has it."""


class RefusedError(SimpError):
    """The other side, or the daemon, said no."""


@contextlib.asynccontextmanager
async def connect(user: str, daemon: str = "127.0.0.1") -> AsyncIterator["Client"]:
    """Attaches to the daemon at `IP` or `IP:port` under that name, and leaves it at the end of the block.

    Raises `NoDaemonError` if nothing answers there within 10 s, `RefusedError` if another client is attached,
    `LineError` for what is no name, and `AddressError`.
    """
    attachment = Attachment()
    attachment.attach(user)
    address = parse_address(daemon, CLIENT_PORT)
    client = Client(attachment, await Link.open(address, attachment), lost(address))
    try:
        await client._attached()
        yield client
    finally:
        await client._close()


class Client:
    """An attachment to a daemon; `connect` makes it. Its methods may be used by several tasks at the same time."""

    def __init__(self, attachment: Attachment, link: Link, lost: str) -> None:
        self._attachment = attachment
        self._link = link
        self._lost = lost
        self._unread: deque[Event] = deque()
        self._fates: dict[int, asyncio.Future[Fate]] = {}
        self._answer: asyncio.Future[Began | Failed] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def partner(self) -> Other | None:
        """Who is called or chatted with."""
        return None if self._attachment.partner is NOBODY else self._attachment.partner

    @property
    def secured(self) -> str | None:
        """How the chat is secured: `clear`, `encrypted`, `verified` or `claimed` (client 4.3).

        `None` without a chat, and where the daemon doesn't tell, so that it is to be taken for `clear`. Whether your
        daemon logs its keys: `partner.logged`.
        """
        return self._attachment.partner.secured if self._attachment.phase is Phase.CHAT else None

    @property
    def requests(self) -> list[Other]:
        """Those that wait for `accept` or `decline`, the oldest first."""
        return list(self._attachment.requests)

    @property
    def people(self) -> list[Person]:
        """Those who are here, by name, then those who are only known. Their names are their words, and prove nothing.

        Empty where the daemon finds nobody, or doesn't tell.
        """
        return list(self._attachment.people)

    async def call(self, whom: str) -> Other:
        """Calls the user of that name, or at `IP` or `IP:port`, and returns the partner once the chat is on.

        Raises `RefusedError` for a no, also the daemon's to a name that nobody has, or several; `LineError` for what
        can be neither an address nor a name, and `NotNowError` while something else is on. It waits as long as the
        daemon tries; cancelled (by `asyncio.timeout`, say), it takes the call back.
        """
        await self._left()
        self._attachment.call(whom)
        return await self._chat()

    async def accept(self, request: Other) -> Other:
        """Accepts one of `requests`, and returns the partner once the chat is on. A call that is out ends.

        Raises `RefusedError` if it comes to nothing, `NotNowError` if the request no longer waits or a chat is on.
        """
        await self._left()
        callee = self._attachment.partner
        self._attachment.accept(request)
        self._decide(Failed(callee, "another request was accepted", How.TOLD))
        return await self._chat()

    async def decline(self, request: Other) -> None:
        """Declines one of `requests`; raises `NotNowError` if it no longer waits."""
        self._attachment.decline(request)
        self._link.send()

    async def say(self, text: str) -> Fate:
        """Says that, up to 60,000 bytes of UTF-8 with any characters, and returns its fate once that is known.

        It waits as long as the daemon tries; `events` tells of each 30 s without an answer. Cancelled, the message
        isn't taken back. Raises `LineError` for a text that can't be sent, and `NotNowError` without a chat, or when
        `MAX_UNREAD` events have come meanwhile (the message is under way then).
        """
        fate: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
        self._fates[self._attachment.say(text)] = fate
        await self._until(fate.done)
        return fate.result()

    async def leave(self) -> None:
        """Leaves the chat, or takes the call back; nothing where none is on, since the partner may be faster.

        Messages under way are still being sent, and their `say` still returns.
        """
        if partner := self.partner:
            self._attachment.leave()
            self._decide(Failed(partner, "it was taken back", How.TOLD))
        await self._left()

    async def next_event(self) -> Event:
        """What others did next; each event once. Raises `NoDaemonError` when the daemon is lost."""
        await self._until(lambda: self._unread)
        return self._unread.popleft()

    async def events(self) -> AsyncIterator[Event]:
        """Each `next_event`, for ever."""
        while True:
            yield await self.next_event()

    # -- inside

    async def _attached(self) -> None:
        await self._until(lambda: self._attachment.phase is not Phase.ATTACHING)
        if self._attachment.phase in (Phase.APART, Phase.OVER):
            why = [event.text for event in self._unread if isinstance(event, Warned)]
            raise RefusedError(printable(why[-1])) if why else NoDaemonError(self._lost)

    async def _close(self) -> None:
        self._closed = True
        self._attachment.detach()
        try:
            with contextlib.suppress(TimeoutError, NoDaemonError):
                async with asyncio.timeout(GOODBYE_TIMEOUT):
                    if self._reading:
                        self._reading.cancel()
                        await asyncio.gather(self._reading, return_exceptions=True)
                    self._link.send()
                    await self._link.drain()
                    while self._attachment.phase is not Phase.OVER:
                        await self._link.receive()
            await self._link.close()
        finally:
            self._link.abort()

    async def _left(self) -> None:
        await self._until(lambda: self._attachment.phase is not Phase.LEAVING)

    async def _chat(self) -> Other:
        answer: asyncio.Future[Began | Failed] = asyncio.get_running_loop().create_future()
        self._answer = answer
        try:
            await self._until(answer.done)
        except BaseException:  # cancelled, say: then nobody waits for this chat, whether it is on already or not
            if self.partner and (not answer.done() or isinstance(answer.result(), Began)):
                self._attachment.leave()
                self._link.send()
            raise
        result = answer.result()
        if isinstance(result, Failed):
            raise RefusedError(printable(f"No chat with {result.other.title}: {result.why or result.how.value}."))
        partner = self._attachment.partner  # of whom more may be known than when the chat began
        return partner if partner == result.other else result.other

    def _decide(self, answer: Began | Failed) -> None:
        """Answers the call or acceptance that a task waits for."""
        if self._answer and not self._answer.done():
            self._answer.set_result(answer)

    async def _until(self, done: Callable[[], object]) -> None:
        """Says what there is to say, and reads until that is so. One task reads for all that wait, and wakes them.

        Nobody waits for the daemon to take what was said: it takes no more while its own client doesn't read.
        """
        self._link.send()
        while not done():
            if self._reading is None or self._reading.done():
                self._reading = asyncio.ensure_future(self._read())
            await asyncio.shield(self._reading)

    async def _read(self) -> None:
        if self._closed:
            raise NotNowError("the block of connect() has ended, and with it this client")
        if self._attachment.phase is Phase.OVER:
            raise NoDaemonError(self._lost)
        if len(self._unread) >= MAX_UNREAD:
            raise NotNowError(f"{len(self._unread)} events are unread: read them, in a task of its own if need be")
        await self._link.receive()
        while event := self._attachment.next_event():
            match event:
                case Settled(number, _, fate):
                    self._fates.pop(number).set_result(fate)
                case Began() | Failed():
                    self._decide(event)
                case Idle() | Over():
                    pass
                case Seen() | Gone() if len(self._unread) >= MAX_UNREAD // 2:
                    pass
                case _:
                    self._unread.append(event)

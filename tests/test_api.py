"""Programs that chat: two of them at real daemons on loopback, then one at a scripted daemon."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

import simp_client
from simp_client import (
    Client,
    Ended,
    Event,
    Fate,
    Gone,
    NoDaemonError,
    NotNowError,
    Other,
    Person,
    RefusedError,
    Requested,
    Ringing,
    Said,
    Secured,
    Seen,
    Warned,
    Withdrawn,
    api,
    connect,
    link,
)
from simp_daemon.loop import Daemon
from simp_proto.address import format_address
from simp_proto.errors import LineError
from tests.scripted_daemon import PATIENCE, ScriptedDaemon
from tests.test_loop import free_address

BOB = Other("bob", "127.0.0.2:7777")


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scenario(), 3 * PATIENCE)

    asyncio.run(bounded())


def test_nobody_who_speaks_is_no_daemon_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CONNECT_TIMEOUT", 0.1)

    async def scenario() -> None:
        async with ScriptedDaemon() as daemon:
            with pytest.raises(NoDaemonError, match="nothing said"):
                async with connect("alice", f"127.0.0.1:{daemon.port}"):
                    pass

    run(scenario)


# -- at real daemons


@asynccontextmanager
async def at_a_daemon(user: str) -> AsyncIterator[tuple[Client, str]]:
    """A program at a daemon of its own, and the address to call it at."""
    async with (
        Daemon(free_address(), 0) as daemon,
        connect(user, format_address(daemon.client_address)) as client,
    ):
        yield client, format_address(daemon.address)


async def heard(client: Client) -> Event:
    """What happens next, except for who comes and who goes."""
    while isinstance(event := await client.next_event(), Seen | Gone):
        pass
    return event


async def requested(client: Client) -> Other:
    """Who wants to chat next."""
    event = await heard(client)
    assert isinstance(event, Requested)
    return event.other


async def begin(caller: Client, callee: Client, address: str) -> None:
    call = asyncio.ensure_future(caller.call(address))
    await callee.accept(await requested(callee))
    await call
    assert isinstance(await heard(caller), Ringing)


def test_two_programs_chat() -> None:
    async def scenario() -> None:
        async with at_a_daemon("alice") as (alice, there), at_a_daemon("bob") as (bob, here):
            await begin(alice, bob, here)
            assert (alice.partner, bob.partner) == (Other("bob", here), Other("alice", there))
            assert await alice.say("hello | grüße\n\\n") is Fate.ACKNOWLEDGED
            assert await heard(bob) == Said("alice", "hello | grüße\n\\n")
            assert await bob.say("hi") is Fate.ACKNOWLEDGED
            assert await heard(alice) == Said("bob", "hi")
            await bob.leave()
            assert await heard(alice) == Ended(Other("bob", here))
            assert (alice.partner, bob.partner) == (None, None)
            await alice.leave()  # too late, and no error
            await begin(bob, alice, there)
            assert await bob.say("again") is Fate.ACKNOWLEDGED

    run(scenario)


def test_a_declined_call_is_refused_with_its_reason() -> None:
    async def scenario() -> None:
        async with at_a_daemon("alice") as (alice, _), at_a_daemon("bob") as (bob, here):
            call = asyncio.ensure_future(alice.call(here))
            await bob.decline(await requested(bob))
            with pytest.raises(RefusedError, match=f"No chat with .*{here}.*: its user said no"):
                await call
            assert bob.requests == []
            with pytest.raises(RefusedError, match=r"No chat with .*: .* is this daemon itself"):
                await bob.call(here)

    run(scenario)


def test_a_cancelled_call_is_taken_back_and_the_next_one_works() -> None:
    async def scenario() -> None:
        async with at_a_daemon("alice") as (alice, _), at_a_daemon("bob") as (bob, here):
            call = asyncio.ensure_future(alice.call(here))
            request = await requested(bob)
            assert isinstance(await heard(alice), Ringing)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call, 0)
            assert await heard(bob) == Withdrawn(request)
            with pytest.raises(NotNowError, match="no request of alice"):
                await bob.accept(request)
            await begin(alice, bob, here)

    run(scenario)


def test_accepting_another_ends_a_call_that_is_out() -> None:
    async def scenario() -> None:
        async with (
            at_a_daemon("alice") as (alice, there),
            at_a_daemon("bob") as (bob, here),
            at_a_daemon("carol") as (carol, _),
        ):
            call = asyncio.ensure_future(alice.call(here))
            assert await requested(bob)
            assert isinstance(await heard(alice), Ringing)
            other = asyncio.ensure_future(carol.call(there))
            assert (await alice.accept(await requested(alice))).name == "carol"
            with pytest.raises(RefusedError, match="another request was accepted"):
                await call
            assert (await other).name == "alice"

    run(scenario)


def test_messages_said_at_the_same_time_keep_their_order_and_have_a_fate_each() -> None:
    async def scenario() -> None:
        async with at_a_daemon("alice") as (alice, _), at_a_daemon("bob") as (bob, here):
            await begin(alice, bob, here)
            texts = [str(number) for number in range(200)]
            listening = asyncio.ensure_future(_said(bob, len(texts)))
            assert set(await asyncio.gather(*map(alice.say, texts))) == {Fate.ACKNOWLEDGED}
            assert await listening == texts

    run(scenario)


async def _said(client: Client, count: int) -> list[str]:
    texts: list[str] = []
    async for event in client.events():
        if isinstance(event, Said):
            texts.append(event.text)
        if len(texts) == count:
            break
    return texts


@pytest.mark.slow
def test_a_program_that_does_not_read_holds_its_partner_back_and_loses_nothing() -> None:
    async def scenario() -> None:
        async with at_a_daemon("alice") as (alice, _), at_a_daemon("bob") as (bob, here):
            await begin(alice, bob, here)
            texts = [f"{number:050000}" for number in range(60)]  # each travels as many (client 3.2)
            saying = asyncio.gather(*map(alice.say, texts))
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await asyncio.shield(saying)
            whole = ""
            while len(whole) < sum(map(len, texts)):
                event = await heard(bob)
                assert isinstance(event, Said)
                whole += event.text
            assert whole == "".join(texts)
            await saying

    run(scenario)


def test_a_second_client_is_refused_and_no_daemon_is_told() -> None:
    async def scenario() -> None:
        async with Daemon(free_address(), 0) as daemon:
            address = format_address(daemon.client_address)
            async with connect("alice", address):
                with pytest.raises(RefusedError, match="another client is connected"):
                    async with connect("eve", address):
                        pass
            async with connect("alice", address):  # the place is free again
                pass
        with pytest.raises(NoDaemonError, match=f"No daemon at {address} .*Start one with: simp daemon"):
            async with connect("alice", address):
                pass

    run(scenario)


# -- at a scripted one


@asynccontextmanager
async def scripted() -> AsyncIterator[tuple[Client, ScriptedDaemon]]:
    """A program attached to a daemon that does as the test says."""
    async with ScriptedDaemon() as daemon:
        attaching = asyncio.ensure_future(daemon.attach("alice"))
        async with connect("alice", f"127.0.0.1:{daemon.port}") as client:
            await attaching
            yield client, daemon
            await daemon.hang_up()  # instead of the second that it takes to wait for an answer


@asynccontextmanager
async def in_a_chat() -> AsyncIterator[tuple[Client, ScriptedDaemon]]:
    async with scripted() as (client, daemon):
        call = asyncio.ensure_future(client.call("127.0.0.2"))
        await daemon.take_call("127.0.0.2", "bob")
        assert await call == BOB
        yield client, daemon


def test_a_program_knows_how_its_chat_is_secured() -> None:
    async def scenario() -> None:
        async with in_a_chat() as (client, daemon):
            assert client.secured is None  # of a daemon that doesn't tell
            await daemon.say("SECURED|bob|127.0.0.2:7777|encrypted")
            assert await client.next_event() == Secured(BOB)
            assert client.secured == "encrypted"
            await daemon.say("CONNECTING|eve|127.0.0.9:7777", "SECURED|eve|127.0.0.9:7777|claimed")
            assert await client.next_event() == Requested(Other("eve", "127.0.0.9:7777"))
            assert await client.next_event() == Secured(Other("eve", "127.0.0.9:7777"))
            assert [each.secured for each in client.requests] == ["claimed"]
            assert client.secured == "encrypted"
            await daemon.say("QUIT|bob")
            assert await client.next_event() == Ended(BOB)
            assert client.secured is None

    run(scenario)


def test_a_program_knows_it_as_soon_as_its_chat_is_on() -> None:
    async def scenario() -> None:
        async with scripted() as (client, daemon):
            call = asyncio.ensure_future(client.call("127.0.0.2"))
            await daemon.hear("CONNECTING|127.0.0.2")
            await daemon.write(b"CONNECTED|bob|127.0.0.2:7777\nSECURED|bob|127.0.0.2:7777|verified\n")
            assert (await call).secured == client.secured == "verified"

    run(scenario)


def test_the_end_of_the_block_leaves_politely() -> None:
    async def scenario() -> None:
        async with ScriptedDaemon() as daemon:

            async def program() -> None:
                async with connect("alice", f"127.0.0.1:{daemon.port}"):
                    pass

            running = asyncio.ensure_future(program())
            await daemon.attach("alice")
            await daemon.end()
            await running

    run(scenario)


def test_an_undelivered_message_is_no_exception() -> None:
    async def scenario() -> None:
        async with in_a_chat() as (client, daemon):
            saying = asyncio.gather(client.say("grüße"), client.say("x"))
            await daemon.hear("CHAT|grüße", "CHAT|x")
            await daemon.say("ERROR|ASCII only", "UNDELIVERED|1", "ACK|2")
            assert list(await saying) == [Fate.UNDELIVERED, Fate.ACKNOWLEDGED]
            assert await client.next_event() == Warned("ASCII only")

    run(scenario)


def test_a_lost_daemon_is_told_to_all_who_wait() -> None:
    async def scenario() -> None:
        async with in_a_chat() as (client, daemon):
            saying, waiting = asyncio.ensure_future(client.say("x")), asyncio.ensure_future(client.next_event())
            await daemon.hear("CHAT|x")
            await daemon.hang_up()
            assert await saying is Fate.UNKNOWN
            with pytest.raises(NoDaemonError, match=r"The daemon is gone\. Start it again with: simp daemon"):
                await waiting
            with pytest.raises(NotNowError, match="the connection has ended"):
                await client.say("y")

    run(scenario)


def test_a_daemon_that_hangs_up_at_once_is_none() -> None:
    async def scenario() -> None:
        async with ScriptedDaemon() as daemon:
            hanging_up = asyncio.ensure_future(daemon.hang_up())
            with pytest.raises(NoDaemonError, match="The daemon is gone"):
                async with connect("alice", f"127.0.0.1:{daemon.port}"):
                    pass
            await hanging_up

    run(scenario)


@pytest.mark.parametrize(
    ("wish", "error", "words"),
    [
        (lambda client: client.say("x"), NotNowError, "can't say now: it is attached and nothing is on"),
        (lambda client: client.call("a|b"), LineError, "in the name"),
        (lambda client: client.accept(BOB), NotNowError, "no request of bob"),
        (lambda client: client.decline(BOB), NotNowError, "no request of bob"),
    ],
)
def test_what_cannot_be_now_says_so(
    wish: Callable[[Client], Awaitable[object]], error: type[Exception], words: str
) -> None:
    async def scenario() -> None:
        async with scripted() as (client, _):
            with pytest.raises(error, match=words):
                await wish(client)

    run(scenario)


def test_what_cannot_be_said_says_so_and_the_chat_goes_on() -> None:
    async def scenario() -> None:
        async with in_a_chat() as (client, daemon):
            with pytest.raises(LineError, match="longer than"):
                await client.say("x" * 60_001)
            saying = asyncio.ensure_future(client.say("x"))
            await daemon.hear("CHAT|x")
            await daemon.say("ACK|1")
            assert await saying is Fate.ACKNOWLEDGED

    run(scenario)


def test_events_that_nobody_reads_are_bounded() -> None:
    async def scenario() -> None:
        async with in_a_chat() as (client, daemon):
            saying = asyncio.ensure_future(client.say("x"))
            await daemon.say(*[f"CHAT|bob|{number}" for number in range(api.MAX_UNREAD)])
            with pytest.raises(NotNowError, match="1000 events are unread: read them"):
                await saying
            assert await client.next_event() == Said("bob", "0")

    run(scenario)


def test_people_are_there_by_name_and_in_the_events() -> None:
    async def scenario() -> None:
        async with scripted() as (client, daemon):
            assert client.people == []
            await daemon.say("SEEN|dora|127.0.0.4:7777|hosts|", "SEEN|bob|127.0.0.2:7777|announced|3")
            bob = Person("bob", "127.0.0.2:7777", "announced", 3)
            assert await client.next_event() == Seen(bob)
            assert client.people == [bob, Person("dora", "127.0.0.4:7777", "hosts", None)]
            call = asyncio.ensure_future(client.call("carol"))
            await daemon.hear("CONNECTING|carol")
            await daemon.say("ERROR|nobody called 'carol' is here", "QUIT|carol")
            with pytest.raises(RefusedError, match="No chat with carol: nobody called 'carol' is here"):
                await call
            assert isinstance(await client.next_event(), Warned)
            call = asyncio.ensure_future(client.call("bob"))
            await daemon.hear("CONNECTING|bob")
            await daemon.say("CONNECTED|bob|127.0.0.2:7777", "GONE|bob|127.0.0.2:7777")
            assert await call == BOB
            assert await client.next_event() == Gone(bob)

    run(scenario)


def test_people_who_come_and_go_crowd_nothing_else_out() -> None:
    async def scenario() -> None:
        async with in_a_chat() as (client, daemon):
            saying = asyncio.ensure_future(client.say("x"))
            lines = ["SEEN|eve|127.0.0.9:7777|announced|1", "GONE|eve|127.0.0.9:7777"]
            await daemon.say(*lines * api.MAX_UNREAD, "CHAT|bob|hello", "ACK|1")
            assert await saying is Fate.ACKNOWLEDGED
            assert await heard(client) == Said("bob", "hello")

    run(scenario)


def test_who_still_waits_when_the_block_ends_is_told() -> None:
    async def scenario() -> None:
        async with ScriptedDaemon() as daemon:
            attaching = asyncio.ensure_future(daemon.attach("alice"))
            async with connect("alice", f"127.0.0.1:{daemon.port}") as client:
                await attaching
                waiting = asyncio.ensure_future(client.next_event())
                ending = asyncio.ensure_future(daemon.end())
            await ending
            with pytest.raises(NotNowError, match="has ended, and with it this client"):
                await waiting

    run(scenario)


# -- what is exported


def test_every_public_name_is_there_with_its_words() -> None:
    for name in simp_client.__all__:
        exported = getattr(simp_client, name)
        assert name == "Event" or exported.__doc__
    assert simp_client.__all__ == sorted(simp_client.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nobody'"):
        simp_client.Nobody  # noqa: B018


def test_the_package_loads_nothing_before_a_name_is_used() -> None:
    loaded = "print('simp_client.api' in sys.modules)"
    program = f"import sys, simp_client; {loaded}; simp_client.connect; {loaded}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.slow
@pytest.mark.parametrize(("count", "size"), [(150, 20), (20, 50_000)])
def test_two_programs_say_a_lot_to_each_other_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch, count: int, size: int
) -> None:
    """More messages than events may be unread, and more bytes than buffers hold: nobody waits for the other to read."""
    monkeypatch.setattr(api, "MAX_UNREAD", 100)

    async def talk(client: Client) -> int:
        heard = 0

        async def listen() -> None:
            nonlocal heard
            async for event in client.events():
                heard += len(event.text) if isinstance(event, Said) else 0

        listening = asyncio.ensure_future(listen())
        fates = await asyncio.gather(*(client.say("x" * size) for _ in range(count)))
        assert set(fates) == {Fate.ACKNOWLEDGED}
        while heard < count * size:
            await asyncio.sleep(0.01)
        listening.cancel()
        return heard

    async def scenario() -> None:
        async with at_a_daemon("alice") as (alice, _), at_a_daemon("bob") as (bob, here):
            await begin(alice, bob, here)
            assert sum(await asyncio.gather(talk(alice), talk(bob))) == 2 * count * size

    run(scenario)

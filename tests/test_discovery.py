"""Multicast DNS: what is announced, what is kept of it, and two daemons on this host that find each other."""

import asyncio
import random
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from zeroconf import IPVersion, NonUniqueNameException, RecordUpdate, const, current_time_millis
from zeroconf._dns import DNSAddress, DNSNsec, DNSPointer, DNSRecord, DNSService, DNSText
from zeroconf._protocol.outgoing import DNSOutgoing
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from simp_daemon import discovery
from simp_daemon.announcement import Announcement
from simp_daemon.contacts import announced_as
from simp_daemon.datagrams import new_loop
from simp_daemon.discovery import Discovery
from simp_daemon.identity import read_identity
from simp_daemon.loop import Daemon
from simp_daemon.networks import networks
from simp_daemon.occurrences import Announced, Occurrence, Withdrawn
from simp_daemon.profile import Profile
from simp_proto.constants import SERVICE, Framing
from simp_proto.interfaces import Network
from tests.test_discovery_live import MULTICAST, packets_of, records_of


async def lines(reader: asyncio.StreamReader, start: str) -> str:
    while not (line := (await reader.readline()).decode()).startswith(start):
        assert line
    return line.strip()


@pytest.mark.slow
def test_two_daemons_on_this_host_find_each_other(tmp_path: Path) -> None:
    async def run() -> None:
        async with asyncio.timeout(30):
            alice = Daemon(("127.0.0.2", 0), 0, profile=Profile(tmp_path / "a", tmp_path / "hosts"), discovery=True)
            bob = Daemon(("127.0.0.3", 0), 0, profile=Profile(tmp_path / "b", tmp_path / "hosts"), discovery=True)
            async with alice:
                reader, writer = await asyncio.open_connection(*alice.client_address)
                writer.write(b"CONNECT|alice\nWHO|\n")
                async with bob:
                    there, bobs = await asyncio.open_connection(*bob.client_address)
                    bobs.write(b"CONNECT|bob\nWHO|\n")
                    seen = await lines(reader, "SEEN|bob|")
                    assert seen.startswith("SEEN|bob|127.0.0.3:")
                    assert (await lines(there, "SEEN|alice|")).startswith("SEEN|alice|127.0.0.2:")
                    writer.write(b"CONNECTING|bob\n")
                    await lines(there, "CONNECTING|alice|")
                    bobs.write(b"CONNECTED|alice\n")
                    await lines(reader, "CONNECTED|bob|")
                    bobs.close()
                    assert (await lines(reader, "SEEN||127.0.0.3:")).endswith("|bob")
                writer.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("framing", [None, Framing.HEADER])
def test_a_daemon_with_keys_is_announced_by_their_id(tmp_path: Path, framing: Framing | None) -> None:
    """discovery 1.2"""

    async def run() -> None:
        profile, home = Profile(tmp_path / "a", tmp_path / "hosts"), ("127.0.0.8", 0)
        async with (
            Daemon(home, 0, profile=profile, discovery=True, framing=framing),
            Looking(new_identity(), "127.0.0.9") as alice,
        ):
            identity = profile.identity if framing else announced_as(*read_identity(tmp_path / "a").public)
            told = await alice.found(identity, "")
            info = AsyncServiceInfo(SERVICE, told.instance)
            assert info.load_from_cache(alice.discovery._zeroconf.zeroconf)
            assert info.decoded_properties == {"txtvers": "1", "v": "1" if framing else "1,2"}

    run_in_time(run())


@pytest.mark.slow
def test_a_hidden_daemon_is_announced_anew_when_its_identity_changes() -> None:
    """discovery 5.3"""

    async def run() -> None:
        ours = [new_identity(), new_identity()]
        async with Looking(ours[0], "127.0.0.5") as bob, Looking(new_identity(), "127.0.0.6") as alice:
            bob.discovery._own = Announcement(lambda: ours[0], "1,2", hidden=True)
            bob.discovery.rename("bob")
            await alice.found(ours[0], "")
            last = ours.pop(0)
            bob.discovery.rename("bob")
            told = await alice.found(ours[0], "")
            while last not in [each.identity for each in alice.withdrawn]:
                await asyncio.sleep(0.1)
            info = AsyncServiceInfo(SERVICE, told.instance)
            assert info.load_from_cache(alice.discovery._zeroconf.zeroconf)
            assert (info.decoded_properties, info.server) == ({"txtvers": "1"}, f"simp-{ours[0]}.local.")
            assert not [each for each in alice.announced if each.name and each.identity in (last, ours[0])]

    run_in_time(run())


def test_hosts_are_read_again_when_a_client_says_something(tmp_path: Path) -> None:
    """discovery 2.3"""

    async def run() -> None:
        hosts = tmp_path / "hosts"
        async with asyncio.timeout(30), Daemon(("127.0.0.2", 0), 0, profile=Profile(tmp_path / "a", hosts)) as daemon:
            reader, writer = await asyncio.open_connection(*daemon.client_address)
            for names in (["bob"], ["bobby", "carol"], []):
                hosts.write_text("".join(f"127.0.0.{at} {name}\n" for at, name in enumerate(names, 3)))
                writer.write(b"WHO|\nPING|\n")
                told = (await reader.readuntil(b"PONG|\n")).decode().splitlines()
                assert told == ["DISCOVERY|off"] + [
                    f"SEEN|{name}|127.0.0.{at}:7777|hosts|" for at, name in enumerate(names, 3)
                ] + ["PONG|"]
            writer.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())


def run_in_time(main: Coroutine[None, None, None]) -> None:
    async def timed() -> None:
        async with asyncio.timeout(20):
            await main

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(timed())


class Looking:
    """Discovery on loopback, beside others that run at the same time: only those identities count."""

    def __init__(self, identity: str, host: str) -> None:
        self.announced: list[Announced] = []
        self.withdrawn: list[Withdrawn] = []
        self.discovery = Discovery(Announcement(lambda: identity), (host, 7777), self._occurred)
        self._news = asyncio.Event()

    def _occurred(self, occurrence: Occurrence) -> None:
        if isinstance(occurrence, Announced):
            self.announced.append(occurrence)
            self._news.set()
        elif isinstance(occurrence, Withdrawn):
            self.withdrawn.append(occurrence)

    async def found(self, identity: str, name: str) -> Announced:
        while True:
            for each in self.announced:
                if (each.identity, each.name) == (identity, name):
                    return each
            self._news.clear()
            await self._news.wait()

    async def __aenter__(self) -> "Looking":
        await self.discovery.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.discovery.close()


def new_identity() -> str:
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(8))


@contextmanager
def multicasting() -> Iterator[Callable[..., None]]:
    """Sends records on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))

        def send(*records: DNSRecord) -> None:
            for packet in packets_of(*records):
                udp.sendto(packet, MULTICAST)

        yield send


@pytest.mark.slow
def test_an_announcement_says_who_is_there_and_no_more() -> None:
    """discovery 1.3, 1.4"""

    async def run() -> None:
        identity, name = new_identity(), "bob of the lab, for as long as it"
        async with Looking(identity, "127.0.0.5") as bob, Looking(new_identity(), "127.0.0.6") as alice:
            assert (await alice.found(identity, "")).instance == f"{identity}.{SERVICE}"
            bob.discovery.rename(name[:32])
            told = await alice.found(identity, name[:32])
            record, where = f"{name[:32]} {identity}.{SERVICE}", ("127.0.0.5", 7777)
            assert told == Announced(identity, record, name[:32], [where], where[0])
            bob.discovery.rename("")
            alice.announced.clear()
            assert (await alice.found(identity, "")).instance == told.instance  # whoever was there last
            info = AsyncServiceInfo(SERVICE, told.instance)
            assert info.load_from_cache(alice.discovery._zeroconf.zeroconf)
            assert info.properties == {b"txtvers": b"1", b"v": b"1"}
            assert info.server == f"simp-{identity}.local."

    run_in_time(run())


@pytest.mark.slow
def test_the_announcement_under_the_name_before_is_withdrawn() -> None:
    """discovery 1.3"""

    async def run() -> None:
        identity = new_identity()
        async with Looking(identity, "127.0.0.5") as bob, Looking(new_identity(), "127.0.0.6") as alice:
            await alice.found(identity, "")
            bob.discovery.rename("bob")
            await alice.found(identity, "bob")
            while Withdrawn(identity, f"{identity}.{SERVICE}") not in alice.withdrawn:
                await asyncio.sleep(0.05)

    run_in_time(run())


@pytest.mark.slow
def test_other_addresses_are_looked_around_from_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """discovery 1.6"""

    async def run() -> None:
        async with Looking(new_identity(), "127.0.0.5") as bob:
            bob.discovery._task.cancel()  # which does the same
            asking = bob.discovery._asking
            moved = [Network("127.0.0.7", ip_network("127.0.0.0/8"), 1, "lo")]
            monkeypatch.setattr(discovery, "networks", lambda _: moved)
            await bob.discovery._renew()
            again = bob.discovery._asking
            assert again is not asking
            await bob.discovery._renew()
            assert bob.discovery._asking is again
            assert bob.discovery._record().parsed_addresses() == ["127.0.0.7"]

    run_in_time(run())


@pytest.mark.slow
def test_after_a_move_whoever_is_known_is_announced_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """discovery 1.6: they don't answer a question that says that they are known."""

    async def run() -> None:
        identity = new_identity()
        async with Looking(new_identity(), "127.0.0.5") as bob:
            with multicasting() as send:
                send(*records_of("alice", identity, "127.0.0.9"))
            await bob.found(identity, "alice")
            bob.discovery._task.cancel()
            for here in ([], networks("127.0.0.5")):  # without a cable, and with it
                bob.announced.clear()
                monkeypatch.setattr(discovery, "networks", lambda _, here=here: here)
                await bob.discovery._renew()
            await bob.found(identity, "alice")

    run_in_time(run())


@pytest.mark.slow
@pytest.mark.parametrize("version", [4, 6])
def test_only_what_daemons_announce_is_kept(version: int) -> None:
    """discovery 1.8, 2.4"""

    def address(host: str, number: int) -> DNSRecord:
        kind, data = (const._TYPE_A, f"127.0.1.{number}") if version == 4 else (const._TYPE_AAAA, f"2001:db8::{number}")
        return DNSAddress(host, kind, const._CLASS_IN, 120, ip_address(data).packed)

    async def run() -> None:
        identity = new_identity()
        instance, many = f"x {identity}.{SERVICE}", f"simp-{new_identity()}.local."
        useless = [
            DNSText(instance, const._TYPE_TXT, const._CLASS_IN, 120, b"x" * 400),
            DNSText(f"x.{SERVICE}", const._TYPE_TXT, const._CLASS_IN, 120, b"x"),
            DNSText(SERVICE, const._TYPE_TXT, const._CLASS_IN, 120, b"x"),
            DNSText("printer._http._tcp.local.", const._TYPE_TXT, const._CLASS_IN, 120, b"x"),
            DNSService(f"x.{SERVICE}", const._TYPE_SRV, const._CLASS_IN, 120, 0, 0, 1, "h.local."),
            DNSPointer("_http._tcp.local.", const._TYPE_PTR, const._CLASS_IN, 120, "printer._http._tcp.local."),
            DNSNsec("h.local.", const._TYPE_NSEC, const._CLASS_IN, 120, "h.local.", [1]),
            address("h.local.", 1),
            *(address(many, number) for number in range(1, 34)),
        ]
        async with Looking(new_identity(), "127.0.0.6") as alice:
            cache = alice.discovery._zeroconf.zeroconf.cache
            with multicasting() as send:
                for each in useless:
                    send(each)
                for number in range(1_100):
                    pointer = f"x {number:08}".translate(str.maketrans("0123456789", "abcdefghij"))
                    send(DNSPointer(SERVICE, const._TYPE_PTR, const._CLASS_IN, 120, f"{pointer}.{SERVICE}"))
                    if number % 20 == 0:
                        await asyncio.sleep(0.01)
                while identity not in {each.identity for each in alice.announced}:
                    send(*records_of("bob", identity, "127.0.0.9"))
                    await asyncio.sleep(0.01)
            kept = [record for name in cache.names() for record in cache.entries_with_name(name)]
            assert not [each for each in useless if each in kept]
            assert 900 < len(cache.entries_with_name(SERVICE)) <= 1024
            assert {f"bob {identity}.{SERVICE}", f"simp-{identity}.local."} <= {each.name for each in kept}

    run_in_time(run())


def test_a_clash_is_tried_again_each_minute_and_all_else_is_looked_at_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """discovery 1.5, 1.6"""
    outcomes = [NonUniqueNameException(), OSError("no multicast"), NonUniqueNameException(), None]
    patience: list[float] = []
    looking = Discovery(Announcement(new_identity), ("127.0.0.5", 7777), lambda _: None)

    async def renew() -> None:
        if not outcomes:
            raise asyncio.CancelledError
        if outcome := outcomes.pop(0):
            raise outcome

    async def wait(waiting: Coroutine[None, None, bool], seconds: float) -> None:
        waiting.close()
        patience.append(seconds)
        raise TimeoutError

    monkeypatch.setattr(looking, "_renew", renew)
    monkeypatch.setattr(asyncio, "wait_for", wait)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(looking._announce())
    assert patience == [60, 15, 60, 15]


def test_an_announcement_is_short() -> None:
    """discovery 1.4"""
    looking = Discovery(Announcement(new_identity), ("127.0.0.5", 7777), lambda _: None)
    looking._networks = []
    looking.rename("b" * 32)
    assert len(looking._record().text) < 400


@pytest.mark.slow
def test_unknown_keys_are_ignored_and_a_name_that_is_none_is_left_out() -> None:
    """discovery 1.4, 2.1"""

    async def run() -> None:
        async with Looking(new_identity(), "127.0.0.6") as alice:
            with multicasting() as send:
                for more, name in (([b"k=x", b"n2=eve", b"", b"=", b"flag", b"v=7"], "bob"), ([b"n=\x1b[2J"], "bob")):
                    identity = new_identity()
                    send(*records_of(name, identity, "127.0.0.9", more=more))
                    await alice.found(identity, name)
                identity = new_identity()
                send(*records_of("b|b", identity, "127.0.0.9"))
                assert (await alice.found(identity, "")).addresses == [("127.0.0.9", 7777)]
                elsewhere, here = new_identity(), new_identity()
                send(*records_of("eve", elsewhere, "192.0.2.9"))
                send(*records_of("bob", here, "127.0.0.9"))
                await alice.found(here, "bob")
                assert elsewhere not in {each.identity for each in alice.announced}

    run_in_time(run())


@pytest.mark.slow
def test_a_clash_is_reported_once_and_lasts_as_long_as_somebody_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """discovery 1.5"""
    monkeypatch.setattr(discovery, "_AGAIN", 0.1)

    def reports() -> list[str]:
        return [record.message for record in caplog.records if "another one is announced" in record.message]

    async def run() -> None:
        identity = new_identity()
        async with Looking(identity, "127.0.0.5") as bob, Looking(new_identity(), "127.0.0.6") as alice:
            attempts: list[int] = []
            renew = bob.discovery._renew

            async def attempt() -> None:
                attempts.append(1)
                await renew()

            monkeypatch.setattr(bob.discovery, "_renew", attempt)
            with multicasting() as send:
                clash = records_of("bob", identity, "127.0.0.9", ttl=2**31 - 1)[:1]
                send(*clash)
                bob.discovery.rename("bob")
                while len(attempts) < 3:
                    send(*clash)
                    await asyncio.sleep(0.02)
                assert reports() == [reports()[0]]
            assert (await alice.found(identity, "bob")).instance == f"bob {identity}.{SERVICE}"
        assert {each.instance for each in alice.announced if each.identity == identity} <= {
            f"{identity}.{SERVICE}",
            f"bob {identity}.{SERVICE}",
        }

    run_in_time(run())


@pytest.mark.slow
def test_another_name_with_the_same_identity_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """discovery 1.5"""

    async def run() -> None:
        identity = new_identity()
        async with Looking(identity, "127.0.0.5") as bob, Looking(new_identity(), "127.0.0.6") as alice:
            bob.discovery.rename("bob")
            await alice.found(identity, "bob")
            with multicasting() as send:
                for name in ("carol", "dave", "carol"):
                    send(*records_of(name, identity, "127.0.0.9"))
                other = new_identity()
                send(*records_of("eve", other, "127.0.0.9"))
                await bob.found(other, "eve")
        (report,) = [record.message for record in caplog.records if "identity" in record.message]
        assert report.startswith(f"'carol {identity}' has this daemon's identity")
        assert identity not in {each.identity for each in bob.announced}

    run_in_time(run())


@pytest.mark.slow
def test_whatever_is_announced_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        complaints: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with Looking(new_identity(), "127.0.0.6") as alice:
            with multicasting() as send:
                chance = random.Random(1)
                for number in range(300):
                    identity = new_identity()
                    name = "".join(chr(chance.choice([0, 10, 46, 65, 92, 124, 233, 8364])) for _ in range(number % 9))
                    records = records_of(name, identity, "127.0.0.9", number % 3 * 7777, ttl=number % 2 * 120)
                    send(*records)
                    await asyncio.sleep(0)
                last = new_identity()
                send(*records_of("bob", last, "127.0.0.9"))
                await alice.found(last, "bob")
        assert complaints == []

    with caplog.at_level("INFO"):
        run_in_time(run())
    assert caplog.records == []


@pytest.mark.slow
def test_the_rest_of_an_announcement_that_has_expired_is_not_asked_for() -> None:
    """discovery 2.2: it holds as long as its PTR record, and the others are sent with that."""

    async def run() -> None:
        identity = new_identity()
        async with Looking(new_identity(), "127.0.0.6") as alice:
            with multicasting() as send:
                send(*records_of("bob", identity, "127.0.0.9"))
            await alice.found(identity, "bob")
            cache, looking = alice.discovery._zeroconf.zeroconf.cache, alice.discovery
            expired = cache.entries_with_name(f"bob {identity}.{SERVICE}")
            assert len(expired) == 2
            cache.async_remove_records(expired)
            updates = [RecordUpdate(each, each) for each in expired]
            looking.async_update_records(looking._zeroconf.zeroconf, current_time_millis() + 121_000, updates)
            looking.async_update_records_complete()
            assert not looking._resolving

    run_in_time(run())


@pytest.mark.slow
def test_who_is_there_is_asked_again_without_those_who_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """discovery 1.1; RFC 6762, 5.2 and 7.1: also where somebody has a name that can't be written."""
    monkeypatch.setattr(discovery, "_SELDOM", 0.2)
    asked: list[DNSOutgoing] = []

    def answered(instance: str) -> list[DNSOutgoing]:
        """Those of the questions who is there that say that this one is known."""
        return [
            each
            for each in asked
            if [(one.name, one.type) for one in each.questions] == [(SERVICE, const._TYPE_PTR)]
            and instance in {record.alias for record, _ in each.answers if isinstance(record, DNSPointer)}
        ]

    async def run() -> None:
        identity = new_identity()
        async with Looking(new_identity(), "127.0.0.6") as alice:
            zeroconf = alice.discovery._zeroconf.zeroconf
            monkeypatch.setattr(type(zeroconf), "async_send", lambda _, out, *rest: asked.append(out))
            with multicasting() as send:
                send(DNSPointer(SERVICE, const._TYPE_PTR, const._CLASS_IN, 4500, f"{'ab.' * 15}x {identity}.{SERVICE}"))
                while len(answered(f"bob {identity}.{SERVICE}")) < 5:  # the last of them seldom ones
                    send(*records_of("bob", identity, "127.0.0.9", ttl=4500))
                    await asyncio.sleep(0.1)

    run_in_time(run())


@pytest.mark.slow
def test_no_host_keeps_others_records_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """discovery 1.8"""

    async def scenario() -> None:
        found = Discovery(Announcement(lambda: "aaaaaaaa"), ("127.0.0.1", 7777), lambda _: None)
        found._zeroconf = AsyncZeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only)
        await found._zeroconf.zeroconf.async_wait_for_start()

        async def resolves(*_: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(found, "_resolve", resolves)
        for source, number in (("192.0.2.9", 20), ("192.0.2.2", 1)):
            found._gate.source = source
            for each in "abcdefghijklmnopqrst"[:number]:
                found._look_up(f"{each}{each}aaaaaa", f"{source} {each}{each}aaaaaa.{SERVICE}")
        assert Counter(each.get_name() for each in found._resolving.values()) == {"192.0.2.9": 8, "192.0.2.2": 1}
        for task in found._resolving.values():
            task.cancel()
        await found._zeroconf.async_close()

    asyncio.run(scenario())

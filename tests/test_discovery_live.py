"""Who finds whom on a network: daemons in network namespaces, and somebody who forges (discovery, client 4)."""

import re
import shutil
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from zeroconf import const
from zeroconf._dns import DNSAddress, DNSPointer, DNSRecord, DNSService, DNSText
from zeroconf._protocol.outgoing import DNSOutgoing

from simp_daemon.contacts import announced_as
from simp_daemon.identity import read_identity
from simp_proto.datagram import parse
from tests.namespaces import Machine, Running, machines, needs_namespaces

pytestmark = [needs_namespaces, pytest.mark.slow]
SERVICE = "_simp._udp.local."
MULTICAST = ("224.0.0.251", 5353)


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Machine]]:
    with machines(3, tmp_path) as made:
        yield made


def seen(name: str, address: str, source: str = "announced") -> str:
    return rf"SEEN\|{name}\|{re.escape(address)}:7777\|{source}\|\d+"


def packets_of(*records: DNSRecord) -> list[bytes]:
    """An answer of multicast DNS."""
    out = DNSOutgoing(const._FLAGS_QR_RESPONSE | const._FLAGS_AA)
    for record in records:
        out.add_answer_at_time(record, 0)
    return out.packets()


@contextmanager
def forging(machine: Machine) -> Iterator[Callable[..., None]]:
    """Sends records as an answer, as anybody on the network can."""
    with machine.inside():
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(*records: DNSRecord) -> None:
        for packet in packets_of(*records):
            udp.sendto(packet, MULTICAST)

    with udp:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        udp.bind(("", 5353))
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(machine.address))
        yield send


def records_of(
    name: str, identity: str, address: str, port: int = 7777, ttl: int = 120, more: Iterable[bytes] = ()
) -> list[DNSRecord]:
    instance, host = f"{name} {identity}.{SERVICE}", f"simp-{identity}.local."
    unique = const._CLASS_IN | const._CLASS_UNIQUE
    text = b"".join(bytes([len(each)]) + each for each in (b"txtvers=1", b"v=1", b"n=" + name.encode(), *more))
    return [
        DNSPointer(SERVICE, const._TYPE_PTR, const._CLASS_IN, ttl, instance),
        DNSService(instance, const._TYPE_SRV, unique, ttl, 0, 0, port, host),
        DNSText(instance, const._TYPE_TXT, unique, ttl, text),
        DNSAddress(host, const._TYPE_A, unique, ttl, socket.inet_aton(address)),
    ]


def identity_of(machine: Machine) -> str:
    (path,) = machine.folder.glob("state/simp/*/identity.key")
    return announced_as(*read_identity(path.parent).public)


def test_each_sees_the_other_within_two_seconds(three: list[Machine]) -> None:
    one, other, _ = three
    one.daemon()
    alice = one.attach("alice")
    other.daemon()
    began = time.monotonic()
    bob = other.attach("bob")
    bob.hear(seen("alice", one.address), 10)
    alice.hear(seen("bob", other.address), 10)
    assert time.monotonic() - began < 2


@contextmanager
def capturing(machine: Machine) -> Iterator[Callable[[], list[bytes]]]:
    """All frames that it sends and gets, when asked."""
    with machine.inside():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
    with wire:
        wire.bind(("eth0", 3))
        wire.setblocking(False)

        def captured() -> list[bytes]:
            frames = []
            with suppress(BlockingIOError):
                while True:
                    frames.append(wire.recv(65_536))
            return frames

        yield captured


def test_contacts_alone_see_who_is_at_a_hidden_daemon(three: list[Machine]) -> None:
    """discovery 5.3"""
    one, other, _ = three
    with capturing(one) as captured:
        hidden = one.daemon("--discovery", "contacts")
        alice = one.attach("alice")
        other.daemon()
        bob = other.attach("bob")
        bob.hear(seen("", one.address), 10)
        alice.hear(seen("bob", other.address), 10)
        bob.who()
        names = [b"alice", identity_of(one).encode()]
        frames = captured()
        assert sum(b"_simp" in frame for frame in frames) > 4
        assert sum(b"present" in frame for frame in frames) > 1
        assert not [frame for frame in frames for name in names if name in frame]
        assert any("contacts" in line for line in hidden.log)
    alice.say("CONNECTING|bob")
    bob.hear(r"CONNECTING\|alice\|.*", 5)
    bob.say("CONNECTED|alice")
    alice.hear(r"CONNECTED\|bob\|.*", 5)
    alice.say("QUIT|")
    bob.hear(r"QUIT\|alice", 10)
    one.running[-1].process.send_signal(signal.SIGTERM)
    one.running[-1].process.wait()
    bob.hear(r"GONE\|.*", 10)
    one.daemon("--discovery", "contacts")
    one.attach("alice")
    bob.hear(seen("alice", one.address), 10)


def test_whoever_leaves_and_comes_back_is_seen_again_within_two_seconds(three: list[Machine]) -> None:
    one, other, _ = three
    one.daemon()
    alice = one.attach("alice")
    other.daemon()
    for before, name, pause in (("bob", "bob", 0.5), ("bob", "rob", 0.1), ("rob", "bob", 1.2)):
        bob = other.attach(before)
        alice.hear(seen(before, other.address), 10)
        time.sleep(3)  # what is announced has been repeated
        bob.say("QUIT|")
        bob.leave()
        time.sleep(pause)
        back = other.attach(name)
        alice.hear(seen(name, other.address), 2)
        back.say("QUIT|")
        back.leave()
        time.sleep(3)


def test_whoever_ends_is_gone_immediately(three: list[Machine]) -> None:
    one, other, _ = three
    one.daemon()
    alice = one.attach("alice")
    ending = other.daemon()
    bob = other.attach("bob")
    alice.hear(seen("bob", other.address), 10)
    began = time.monotonic()
    ending.process.send_signal(signal.SIGTERM)
    bob.leave()
    alice.hear(rf"GONE\|bob\|{other.address}:7777", 10)
    assert time.monotonic() - began < 0.1


def test_whoever_is_killed_is_gone_within_70_seconds(three: list[Machine]) -> None:
    one, other, _ = three
    one.daemon()
    alice = one.attach("alice")
    killed = other.daemon()
    other.attach("bob")
    alice.hear(seen("bob", other.address), 10)
    killed.process.kill()
    alice.hear(rf"GONE\|bob\|{other.address}:7777", 70)
    assert f"SEEN|bob|{other.address}:7777|announced|" in alice.who()


def test_a_new_address_is_found(three: list[Machine]) -> None:
    one, other, _ = three
    one.daemon()
    alice = one.attach("alice")
    other.daemon()
    bob = other.attach("bob")
    alice.hear(seen("bob", other.address), 10)
    other.ip(f"addr del {other.address}/24 dev eth0", "addr add 10.77.0.99/24 brd + dev eth0")
    alice.hear(seen("bob", "10.77.0.99"), 25)
    alice.say("CONNECTING|bob")
    bob.hear(rf"CONNECTING\|alice\|{one.address}:7777", 10)


def test_people_chat_by_name_with_nothing_except_link_local_addresses(tmp_path: Path) -> None:
    with machines(2, tmp_path, link_local=True) as (one, other):
        people = []
        for machine, name in ((one, "alice"), (other, "bob")):
            machine.daemon("::", client=("::1", 7778))
            people.append(machine.attach(name))
        alice, bob = people
        alice.hear(r"SEEN\|bob\|\[fe80::.+%eth0\]:7777\|announced\|\d+", 10)
        bob.hear(r"SEEN\|alice\|\[fe80::.+%eth0\]:7777\|announced\|\d+", 10)
        alice.say("CONNECTING|bob")
        alice.hear(r"RINGING\|bob\|.*", 10)
        bob.hear(r"CONNECTING\|alice\|.*", 10)
        bob.say("CONNECTED|alice")
        alice.hear(r"CONNECTED\|bob\|.*", 10)
        alice.say("CHAT|hello")
        bob.hear(r"CHAT\|alice\|hello", 10)


@pytest.mark.parametrize("ports", [False, True], ids=["addresses", "ports"])
def test_two_people_on_one_machine(three: list[Machine], ports: bool) -> None:
    one = three[0]
    if ports:
        first = one.daemon("127.0.0.1")
        second = one.daemon("127.0.0.1", "--port", "8777", "--client-port", "8778", client=("127.0.0.1", 8778))
    else:
        first = one.daemon("127.0.0.1")
        second = one.daemon("127.0.0.2", client=("127.0.0.2", 7778))
    alice, bob = one.attach("alice", first), one.attach("bob", second)
    alice.hear(r"SEEN\|bob\|127\.0\.0\.%s\|announced\|\d+" % ("1:8777" if ports else "2:7777"), 10)
    bob.hear(r"SEEN\|alice\|127\.0\.0\.1:7777\|announced\|\d+", 10)


def test_two_people_on_one_machine_of_a_network(three: list[Machine]) -> None:
    one, other, _ = three
    first = one.daemon()
    second = one.daemon("--port", "8777", "--client-port", "8778", client=("127.0.0.1", 8778))
    other.daemon()
    alice, carol, bob = one.attach("alice", first), one.attach("carol", second), other.attach("bob")
    alice.hear(rf"SEEN\|carol\|{one.address}:8777\|announced\|\d+", 10)
    carol.hear(seen("alice", one.address), 10)
    bob.hear(rf"SEEN\|carol\|{one.address}:8777\|announced\|\d+", 10)


def test_a_forged_goodbye_makes_nobody_disappear(three: list[Machine]) -> None:
    one, other, forger = three
    one.daemon()
    alice = one.attach("alice")
    other.daemon()
    other.attach("bob")
    alice.hear(seen("bob", other.address), 10)
    with forging(forger) as send:
        send(*records_of("bob", identity_of(other), other.address, ttl=0))
    with pytest.raises(AssertionError, match="heard no GONE"):
        alice.hear(r"GONE\|.*", 6)
    assert [line for line in alice.who() if re.fullmatch(seen("bob", other.address), line)]


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(False, id="where nobody is"),
        pytest.param(True, id="where somebody answers"),
    ],
)
def test_a_forged_address_makes_nobody_disappear(three: list[Machine], answers: bool) -> None:
    one, other, forger = three
    if answers:
        forger.daemon("--discovery", "off")
        forger.attach("bob")
    one.daemon()
    alice = one.attach("alice")
    other.daemon()
    other.attach("bob")
    alice.hear(seen("bob", other.address), 10)
    with forging(forger) as send:
        for _ in range(3):  # the last when the true address has left the cache (RFC 6762, 10.2)
            send(*records_of("bob", identity_of(other), forger.address if answers else "10.77.0.200"))
            with pytest.raises(AssertionError, match="heard no GONE"):
                alice.hear(r"GONE\|.*", 3)
    assert [line for line in alice.who() if re.fullmatch(seen("bob", other.address), line)]


def test_a_copy_that_answers_makes_nobody_disappear(three: list[Machine]) -> None:
    one, other, forger = three
    one.daemon()
    alice = one.attach("alice")
    other.daemon()
    other.attach("bob")
    alice.hear(seen("bob", other.address), 10)
    (key,) = other.folder.glob("state/simp/*/identity.key")
    copy = forger.folder / key.relative_to(other.folder)
    copy.parent.mkdir(parents=True, mode=0o700)
    shutil.copy(key, copy)
    copied = forger.daemon()
    forger.attach("bob")
    with pytest.raises(AssertionError, match="heard no GONE"):
        alice.hear(r"GONE\|.*", 8)
    assert [line for line in alice.who() if re.fullmatch(seen("bob", other.address), line)]
    assert any("identity" in line for line in copied.log)


def test_a_forged_name_does_not_take_the_place_of_whoever_is_here(three: list[Machine]) -> None:
    one, other, forger = three
    one.daemon()
    alice = one.attach("alice")
    other.daemon()
    bob = other.attach("bob")
    alice.hear(seen("bob", other.address), 10)
    with forging(forger) as send:
        send(*records_of("bob", "aaaaaaaa", "10.77.0.200"))
    end = time.monotonic() + 10
    while r"SEEN|bob|10.77.0.200:7777|announced|" not in alice.who():
        assert time.monotonic() < end
    alice.say("CONNECTING|bob")
    bob.hear(rf"CONNECTING\|alice\|{one.address}:7777", 5)


def test_daemons_that_have_found_each_other_are_quiet(three: list[Machine]) -> None:
    for machine in three:
        machine.daemon()
    with three[0].inside():
        every = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    with every:
        every.bind(("eth0", 0))
        said, now = [], (began := time.monotonic())
        while now < began + 32:  # beginning and two looks at the interfaces (discovery 1.6)
            every.settimeout(began + 32 - now)
            with suppress(TimeoutError):
                packet = every.recv(2048)
                if time.monotonic() > began + 8 and packet[12:14] == b"\x08\x00":
                    said.append(packet)
            now = time.monotonic()
    assert len(said) <= len(three) * 4 * 24 / 60


@contextmanager
def sniffing(machine: Machine) -> Iterator[Callable[[], list[bytes]]]:
    """Takes the UDP datagrams that have passed the interface of that machine, from the IPv4 header on."""
    with machine.inside():
        every = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))

    def taken() -> list[bytes]:
        packets = []
        with suppress(BlockingIOError):
            while packet := every.recv(2048):
                packets.append(packet[14:])
        return [each for each in packets if each[0] >> 4 == 4 and each[9] == socket.IPPROTO_UDP]

    with every:
        every.bind(("eth0", 0))
        every.setblocking(False)
        yield taken


def test_nobody_is_asked_or_listed_beyond_the_link(three: list[Machine]) -> None:
    """discovery 2.1"""
    one, other, forger = three
    one.ip(f"route add default via {other.address}")
    one.daemon()
    alice = one.attach("alice")
    beyond = ["8.8.8.8", "255.255.255.255", "240.0.0.1", "10.77.0.0", "10.77.0.255", "224.0.0.251", "127.0.0.1"]
    with sniffing(one) as taken, forging(forger) as send:
        for number, address in enumerate([*beyond, forger.address]):
            send(*records_of(f"x{number}", "abcdefgh"[number] * 8, address))
        end = time.monotonic() + 10
        while not (listed := alice.who()):
            assert time.monotonic() < end
        asked = {socket.inet_ntoa(each[16:20]) for each in taken() if b"present?" in each}
    assert listed == [f"SEEN|x{len(beyond)}|{forger.address}:7777|announced|"]
    assert asked == {forger.address}


def test_nobody_beyond_the_link_is_answered(three: list[Machine]) -> None:
    """discovery 1.8: a question that says that it has come from there would be answered to whoever it names."""
    one, _, forger = three
    one.ip(f"route add default via {forger.address}")
    one.daemon()
    one.attach("alice")
    question = b"\x05_simp\x04_udp\x05local\x00\x00\x0c\x00\x01"
    with forger.inside():
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def ask(source: str, number: int) -> None:
        message = struct.pack("!6H", number, 0, 1, 0, 0, 0) + question
        udp = struct.pack("!4H", 4000, 5353, 8 + len(message), 0) + message
        addresses = socket.inet_aton(source) + socket.inet_aton(one.address)
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 255, socket.IPPROTO_UDP, 0)
        raw.sendto(header + addresses + udp, (one.address, 0))

    with raw, sniffing(one) as taken:
        answered: Counter[str] = Counter()
        number, end = 0, time.monotonic() + 15
        while answered[forger.address] < 5:
            assert time.monotonic() < end
            for source in ("8.8.8.8", forger.address):
                ask(source, number := number + 1)
            time.sleep(0.2)
            answered += Counter(
                socket.inet_ntoa(each[16:20]) for each in taken() if each[12:16] == socket.inet_aton(one.address)
            )
    assert answered["8.8.8.8"] == 0


def test_a_daemon_that_keeps_to_itself_sends_nothing(three: list[Machine]) -> None:
    """discovery 5.1"""
    one, other, _ = three
    other.daemon()
    bob = other.attach("bob")
    hosts = one.folder / "config" / "simp" / "hosts"
    hosts.parent.mkdir(parents=True)
    hosts.write_text(f"{other.address} bobby\n")
    with sniffing(one) as taken:
        one.daemon("--discovery", "off")
        alice = one.attach("alice")
        assert alice.who() == [f"SEEN|bobby|{other.address}:7777|hosts|"]
        alice.say("CONNECTING|bobby")
        bob.hear(r"CONNECTING\|alice\|.*", 5)
        sent = [each for each in taken() if each[12:16] == socket.inet_aton(one.address)]
    assert sent
    assert {(each[22] << 8) + each[23] for each in sent} == {7777}
    assert not [each for each in sent if b"present?" in each]


def memory(daemon: Running) -> float:
    """MiB that it has in memory."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024


def test_ten_thousand_invented_services_cost_little_and_end_nothing(three: list[Machine]) -> None:
    one, other, forger = three
    one.ip("addr add 10.99.255.254/16 dev eth0")
    forger.ip("route add local 10.99.0.0/17 dev lo")  # it is all of them
    with forger.inside():
        victim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    daemon = one.daemon()
    alice = one.attach("alice")
    other.daemon()
    bob = other.attach("bob")
    alice.hear(seen("bob", other.address), 10)
    alice.say("CONNECTING|bob")
    bob.hear(r"CONNECTING\|alice\|.*", 5)
    bob.say("CONNECTED|alice")
    alice.hear(r"CONNECTED\|bob\|.*", 5)
    before = memory(daemon)
    with victim:
        victim.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        victim.bind(("", 7777))
        began = time.monotonic()
        with forging(forger) as send:
            for number in range(10_000):
                identity = "".join(chr(ord("a") + int(each)) for each in f"{number:08d}")
                send(*records_of(f"x{number}", identity, f"10.99.{number // 250}.{1 + number % 250}"))
                if number % 20 == 0:  # no faster than it reads, so that it gets all
                    alice.say("PING|")
                    alice.hear(r"PONG\|", 30)
        alice.say("CHAT|still here?")
        bob.hear(r"CHAT\|alice\|still here\?", 60)
        known = alice.who()
        passed = time.monotonic() - began
        bob.say("CHAT|yes")
        alice.hear(r"CHAT\|bob\|yes", 30)
        victim.setblocking(False)
        asked = []
        with suppress(BlockingIOError):
            while True:
                asked.append(parse(victim.recv(2048)))
    assert {each.payload for each in asked} == {b"present?"}
    assert len(asked) <= 20 * (passed + 2)
    assert 128 <= len(known) <= 130  # of one host (discovery 2.4)
    assert memory(daemon) - before < 15
    assert not [line for line in bob.lines if line.startswith(("QUIT", "UNDELIVERED"))]
    assert [line for line in alice.lines if line.startswith("CHAT")] == ["CHAT|bob|yes"]


def test_an_address_that_stands_for_a_whole_network_is_told_as_such(three: list[Machine]) -> None:
    three[0].daemon()
    alice = three[0].attach("alice")
    alice.say("CONNECTING|10.77.0.255")
    alice.hear(r"ERROR\|.*10\.77\.0\.255:7777: that is the broadcast address of 10\.77\.0\.0/24, .*", 10)

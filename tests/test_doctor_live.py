"""`simp doctor` and `simp who` on networks in namespaces: causes are planted, and each is to be named."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from zeroconf import const
from zeroconf._dns import DNSAddress, DNSPointer, DNSService
from zeroconf._protocol.outgoing import DNSOutgoing

from simp_proto.cli.exit_status import ExitStatus
from simp_proto.constants import SERVICE
from tests.namespaces import Machine, machines, needs_namespaces

pytestmark = [needs_namespaces, pytest.mark.slow]


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Machine]]:
    with machines(3, tmp_path) as made:
        yield made


def filtered(at: int, *rules: str) -> Callable[[list[Machine]], None]:
    return lambda three: three[at].filter(*rules)


def nothing(three: list[Machine]) -> None:
    pass


def ended(at: int) -> Callable[[list[Machine]], None]:
    def end(three: list[Machine]) -> None:
        three[at].running[0].process.kill()
        three[at].running[0].process.wait()

    return end


def unplugged(at: int) -> Callable[[list[Machine]], None]:
    return lambda three: three[at].unplug()


def just_gone(three: list[Machine]) -> None:
    """The system has just been shown that bob's machine is there, and trusts that for 10 to 30 s, not 15 to 45."""
    three[0].write("/proc/sys/net/ipv4/neigh/eth0/base_reachable_time_ms", "20000")
    three[0].ip("neigh change 10.77.0.2 dev eth0 nud reachable")
    three[1].unplug()


def second_bob(three: list[Machine]) -> None:
    three[2].daemon()
    three[2].attach("bob").hear(r"SEEN\|alice\|.*\|\d+", 10)


def all_of(*causes: Callable[[list[Machine]], None]) -> Callable[[list[Machine]], None]:
    def plant(three: list[Machine]) -> None:
        for each in causes:
            each(three)

    return plant


BOB = r"bob \(10\.77\.0\.2:7777\)"
CAUSES = {
    "multicast filtered in": (filtered(0, "input udp dport 5353 drop"), "", "multicast", "drops incoming UDP 5353"),
    "multicast filtered out": (filtered(0, "output udp dport 5353 drop"), "", "multicast", "drops outgoing UDP 5353"),
    "own firewall": (
        filtered(0, "input udp dport 7777 drop"),
        "bob",
        "inbound",
        rf"{BOB} answers, but this machine's own firewall drops what comes to its UDP 7777\.",
    ),
    "own firewall, outwards": (
        filtered(0, "output udp dport 7777 drop"),
        "bob",
        "outgoing",
        rf"This machine's own firewall drops UDP 7777 on its way out to {BOB}\.",
    ),
    "the peer's firewall drops": (
        filtered(1, "input udp dport 7777 drop"),
        "bob",
        "answer",
        rf"The machine of {BOB} is there, but something drops UDP 7777 to it: its firewall\.",
    ),
    "the peer's firewall rejects": (
        filtered(1, "input udp dport 7777 reject"),
        "bob",
        "answer",
        rf"The machine of {BOB} is there, but something rejects UDP 7777 to it: its firewall\.",
    ),
    "the peer's firewall says so": (
        filtered(1, "input udp dport 7777 reject with icmp type admin-prohibited"),
        "bob",
        "answer",
        rf"The machine of {BOB} is there, but something rejects UDP 7777 to it: its firewall\.",
    ),
    "no route": (nothing, "198.51.100.1", "route", r"This machine has no route to 198\.51\.100\.1:7777: .*"),
    "no daemon": (ended(1), "bob", "answer", rf"The machine of {BOB} is there, but no daemon runs at UDP 7777\."),
    "a clash of names": (second_bob, "bob", "peer", r"2 people are called bob, so that .*"),
    "a machine just gone": (just_gone, "bob", "machine", rf"The machine of {BOB} is off or gone, or .*"),
    "no cable here": (
        unplugged(0),
        "bob",
        "interfaces",
        rf"Nothing gets from this machine to {BOB}, since .* eth0 is off, or its cable is out\.",
    ),
    "switched off here": (
        lambda three: three[0].ip("link set eth0 down"),
        "10.77.0.2",
        "interfaces",
        rf"Nothing gets from this machine to {BOB}, since .* eth0 is off, or its cable is out\.",
    ),
    "no daemon here": (
        ended(0),
        "bob",
        "daemon",
        rf"{BOB} answers, but this machine's own daemon isn't running \(start it with: simp daemon\)\.",
    ),
    "no daemon here, and nobody": (
        ended(0),
        "zoe",
        "daemon",
        r"Whether anybody called zoe is here can't be told, since .* own daemon isn't running \(.*: simp daemon\)\.",
    ),
    "multicast filtered in, and an address": (
        filtered(0, "input udp dport 5353 drop"),
        "10.77.0.2",
        "multicast",
        rf"{BOB} answers, but this machine's own firewall drops incoming UDP 5353 .*",
    ),
    "both firewalls": (
        all_of(filtered(0, "input udp dport 7777 drop"), filtered(1, "input udp dport 7777 drop")),
        "bob",
        "answer",
        rf"The machine of {BOB} is there, but something drops UDP 7777 to it: its firewall; besides, .* its UDP 7777\.",
    ),
    "own firewall, all of it": (
        filtered(0, "input meta l4proto udp drop"),
        "bob",
        "inbound",
        rf"Nothing comes back from {BOB}, which can't be judged as long as this machine's own firewall drops .*",
    ),
    "everything dropped over there": (
        filtered(1, "input ip daddr 10.77.0.2 drop"),
        "bob",
        "answer",
        rf"The machine of {BOB} is there, but something drops UDP 7777 to it: its firewall, unless this .*",
    ),
    "no daemon at either": (
        all_of(ended(0), ended(1)),
        "10.77.0.2",
        "daemon",
        r"The machine of 10.77.0.2:7777 is there, but announces no daemon: .*; besides, .* own daemon isn't running .*",
    ),
    "another port": (nothing, "10.77.0.2:9999", "answer", r".* is there, but its daemon is at 10.77.0.2:7777\."),
    "an interface that isn't": (
        nothing,
        "fe80::1%eth7",
        "peer",
        r"fe80::1%eth7 is an address at an interface .* eth7\.",
    ),
    "nothing": (nothing, "bob", "", rf"{BOB} can be reached: nothing is in the way\."),
}


def name_cause(network: list[Machine], plant: Callable[[list[Machine]], None], *expected: str) -> None:
    """Plants it where all is well, and holds what the doctor says against whom it is asked about, check and words."""
    whom, check, words = expected
    plant(network)
    done = network[0].simp("doctor", "--json", *whom.split(), within=90)
    told = json.loads(done.stdout)
    failed = {each["check"]: each for each in told["checks"] if each["verdict"] == "fail"}
    assert done.returncode == (ExitStatus.FAILURE if check else ExitStatus.SUCCESS)
    assert (check in failed) if check else not failed
    assert not check or failed[check]["next"]
    if whom:
        assert re.fullmatch(words, told["conclusion"])
    else:
        assert re.search(words, failed[check]["seen"])


def begin(network: list[Machine], *ip: str) -> None:
    """Daemons with alice and bob, who see each other."""
    one, other, *_ = network
    client = ("::1" if ip else "127.0.0.1", 7778)
    one.daemon(*ip, client=client)
    alice = one.attach("alice")
    other.daemon(*ip, client=client)
    other.attach("bob")
    alice.hear(r"SEEN\|bob\|.*\|\d+", 15)


NETWORKS = [
    ["multicast filtered in", "own firewall"],
    ["multicast filtered out", "the peer's firewall drops"],
    ["the peer's firewall rejects", "no daemon"],
    ["no route", "a clash of names"],
    ["a machine just gone"],
]
"""Causes that are planted one after the other in one network."""


def test_each_cause_is_named(tmp_path: Path) -> None:
    """In all networks at the same time, since nearly all of it is waiting."""

    def plant(number: int) -> None:
        with machines(3, tmp_path / str(number)) as network:
            begin(network)
            for cause in NETWORKS[number]:
                name_cause(network, *CAUSES[cause])
                network[0].filter()
                network[1].filter()

    with ThreadPoolExecutor() as pool:
        list(pool.map(plant, range(len(NETWORKS))))


@pytest.mark.exhaustive
@pytest.mark.parametrize("cause", [each for each in CAUSES if not any(each in causes for causes in NETWORKS)])
def test_a_further_cause_is_named(three: list[Machine], cause: str) -> None:
    begin(three)
    name_cause(three, *CAUSES[cause])


@pytest.mark.exhaustive
def test_who_announces_a_daemon_that_does_not_answer_is_named(three: list[Machine]) -> None:
    one, other, _ = three
    other.filter("input udp dport 7777 drop")
    one.daemon()
    alice = one.attach("alice")
    other.daemon()
    other.attach("bob")
    end = time.monotonic() + 20
    while not any("10.77.0.2" in line for line in alice.who()):
        assert time.monotonic() < end
    assert seen(one.simp("doctor", "--json"), "others") == ("warn", "simp doctor 10.77.0.2:7777")


def seen(done: subprocess.CompletedProcess[str], check: str) -> tuple[str, str]:
    """The verdict of a check, and the next thing to do."""
    (found,) = [each for each in json.loads(done.stdout)["checks"] if each["check"] == check]
    return found["verdict"], found["next"]


@pytest.mark.exhaustive
def test_whoever_keeps_to_himself_has_no_firewall_invented(three: list[Machine]) -> None:
    one, other, _ = three
    one.daemon("--discovery", "off")
    other.daemon()
    other.attach("bob")
    done = one.simp("doctor", "bob", "--json")
    sentence = rf"{BOB} can be reached by its address, but discovery is off at this machine's own daemon\."
    assert re.fullmatch(sentence, json.loads(done.stdout)["conclusion"])
    assert "firewall" not in json.loads(done.stdout)["conclusion"]
    assert done.returncode == ExitStatus.SUCCESS


@pytest.mark.exhaustive
@pytest.mark.parametrize("ip", ["::1", "127.0.0.3"])
def test_a_daemon_for_one_machine_has_its_port(three: list[Machine], ip: str) -> None:
    one, other, _ = three
    one.daemon(ip, client=(ip, 7778))
    other.daemon()
    other.attach("bob")
    done = one.simp("doctor", "--daemon", ip, "10.77.0.2", "--json")
    assert seen(done, "port") == ("ok", "")
    assert seen(done, "inbound")[0] == "warn"
    told = json.loads(done.stdout)["conclusion"]
    assert re.fullmatch(rf"{BOB} answers, but this machine's own daemon is only at {ip}, .*", told)


@pytest.mark.exhaustive
def test_whom_the_daemon_has_found_is_another(three: list[Machine]) -> None:
    one, other, _ = three
    one.daemon()
    alice = one.attach("alice")
    other.daemon()
    other.attach("bob")
    alice.hear(r"SEEN\|bob\|.*\|\d+", 10)
    other.filter("output udp dport 5353 drop")
    assert seen(one.simp("doctor", "--json"), "others")[0] == "ok"


@contextmanager
def forged(mallory: Machine, source: str, host: str) -> Iterator[None]:
    """Somebody called bob is announced at that host from that address of mallory's machine, again and again."""
    packet = DNSOutgoing(const._FLAGS_QR_RESPONSE | const._FLAGS_AA)
    packet.add_answer_at_time(DNSPointer(SERVICE, const._TYPE_PTR, 1, 120, f"bob abcdefgh.{SERVICE}"), 0)
    packet.add_answer_at_time(DNSService(f"bob abcdefgh.{SERVICE}", const._TYPE_SRV, 1, 120, 0, 0, 7777, "b.local."), 0)
    packet.add_answer_at_time(DNSAddress("b.local.", const._TYPE_A, 1, 120, socket.inet_aton(host)), 0)
    with mallory.inside():
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(mallory.address))
    udp.bind((source, 5353))
    over = Event()

    def forge() -> None:
        while not over.wait(0.1):
            udp.sendto(packet.packets()[0], ("224.0.0.251", 5353))

    with udp:
        thread = Thread(target=forge)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@pytest.mark.exhaustive
def test_what_another_machine_says_of_it_proves_nothing(three: list[Machine]) -> None:
    one, _, mallory = three
    one.daemon()
    with forged(mallory, mallory.address, "10.77.0.99"):
        done = one.simp("doctor", "10.77.0.99", "--json")
    told = json.loads(done.stdout)["conclusion"]
    assert re.fullmatch(r"The machine of 10\.77\.0\.99:7777 is off or gone, or .*", told)


@pytest.mark.exhaustive
def test_nobody_off_the_link_is_asked_because_of_an_announcement(three: list[Machine]) -> None:
    """discovery 2.1"""
    one, _, mallory = three
    far = "198.51.100.99"
    mallory.ip(f"address add {far}/32 dev eth0")
    one.ip(f"route add default via {mallory.address}")
    one.daemon()
    with mallory.inside():
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((far, 7777))
    udp.setblocking(False)
    with udp, forged(mallory, far, far):
        done = one.simp("doctor", "bob", "--json")
        with pytest.raises(BlockingIOError):
            udp.recv(1)
        assert far not in done.stdout


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[list[Machine]]:
    with machines(3, tmp_path, link_local=True) as made:
        yield made


BOB6 = r"bob \(\[fe80::[0-9a-f:]+%eth0\]:7777\)"
CAUSES6 = {
    "nothing": (nothing, "", rf"{BOB6} can be reached: nothing is in the way\."),
    "multicast filtered in": (
        filtered(0, "input udp dport 5353 drop"),
        "multicast",
        rf"{BOB6} answers, but this machine's own firewall drops incoming UDP 5353 .*",
    ),
    "own firewall": (
        filtered(0, "input udp dport 7777 drop"),
        "inbound",
        rf"{BOB6} answers, but this machine's own firewall drops what comes to its UDP 7777\.",
    ),
    "the peer's firewall drops": (
        filtered(1, "input udp dport 7777 drop"),
        "answer",
        rf"The machine of {BOB6} is there, but something drops UDP 7777 to it: its firewall\.",
    ),
    "no daemon": (ended(1), "answer", rf"The machine of {BOB6} is there, but no daemon runs at UDP 7777\."),
    "no machine": (unplugged(1), "machine", rf"The machine of {BOB6} is off or gone, or the access point .*"),
    "no cable here": (unplugged(0), "interfaces", rf"Nothing gets from this machine to {BOB6}, since .* eth0 is off.*"),
    "no daemon here": (
        ended(0),
        "daemon",
        rf"{BOB6} answers, but .* isn't running \(start it with: simp daemon ::\)\.",
    ),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("cause", CAUSES6)
def test_a_planted_cause_is_named_with_ipv6_alone(linked: list[Machine], cause: str) -> None:
    plant, check, words = CAUSES6[cause]
    begin(linked, "::")
    name_cause(linked, plant, "bob", check, words)


@pytest.mark.exhaustive
def test_a_daemon_on_ipv4_is_told_of_ipv6_alone(linked: list[Machine]) -> None:
    one, other, _ = linked
    one.daemon()
    other.daemon("::", client=("::1", 7778))
    other.attach("bob")
    done = one.simp("doctor", "bob", "--json")
    assert seen(done, "inbound") == ("fail", "start it again with: simp daemon ::")
    told = json.loads(done.stdout)["conclusion"]
    assert re.fullmatch(
        rf"{BOB6} answers, but .* on IPv4, and its network has only IPv6 \(.*: simp daemon ::\)\.", told
    )


def endless(tcp: socket.socket) -> None:
    while True:
        tcp.sendall(b"SEEN|x|192.0.2.9:7777|announced|3\n" * 1000)


def garbage(tcp: socket.socket) -> None:
    tcp.sendall(bytes(range(256)) * 500)


def mute(tcp: socket.socket) -> None:
    while tcp.recv(65_536):
        pass


@contextmanager
def served(machine: Machine, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Something else at the port for clients."""
    with machine.inside():
        listener = socket.create_server(("127.0.0.1", 7778))

    def serve() -> None:
        with suppress(OSError):
            while True:
                with listener.accept()[0] as tcp, suppress(OSError):
                    answer(tcp)

    thread = Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.exhaustive
@pytest.mark.parametrize("answer", [endless, garbage, mute])
def test_whatever_has_the_port_for_clients_is_no_daemon(
    three: list[Machine], answer: Callable[[socket.socket], None]
) -> None:
    one, other, _ = three
    other.daemon()
    other.attach("bob")
    with served(one, answer):
        done = one.simp("doctor", "bob", "--json", within=40)
    told = json.loads(done.stdout)["conclusion"]
    assert re.fullmatch(
        rf"{BOB} answers, but whatever has TCP 7778 at 127.0.0.1 doesn't answer as .* daemon does\.", told
    )
    assert done.stderr == ""


@pytest.mark.exhaustive
def test_nonsense_in_a_list_is_left_out(three: list[Machine]) -> None:
    one, other, _ = three
    other.daemon()
    other.attach("bob")
    people = ["bob|nonsense", "eve|[fe80::1%eth7]:7777", "zoe|192.0.2.9:0", "dan|fe80::1"]

    def answer(tcp: socket.socket) -> None:
        while tcp.recv(65_536):
            tcp.sendall("".join(f"SEEN|{each}|announced|3\n" for each in people).encode() + b"PONG|\n")

    with served(one, answer):
        for whom, words in (("bob", rf"{BOB} .*"), ("eve", r"eve is an address at an interface .* eth7\.")):
            done = one.simp("doctor", whom, "--json", within=90)
            assert done.stderr == ""
            assert re.fullmatch(words, json.loads(done.stdout)["conclusion"])


def test_who_is_here_and_who_is_not(three: list[Machine]) -> None:
    one, other, third = three
    none = one.simp("who")
    assert none.returncode == ExitStatus.FAILURE
    assert none.stderr.endswith("Start one with: simp daemon\n")
    one.daemon()
    alice = one.attach("alice")
    other.daemon()
    third.daemon()
    alice.hear(r"SEEN\|\|10\.77\.0\.2:.*\|\d+", 10)
    nobody = one.simp("who")
    assert nobody.returncode == ExitStatus.NOBODY
    assert re.search(r"^- +10\.77\.0\.2:7777  announced +heard \d s ago; nobody there$", nobody.stdout, re.M)
    other.attach("bob")
    alice.hear(r"SEEN\|bob\|.*\|\d+", 10)
    done = one.simp("who", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for row in rows:
        assert 0 <= row.pop("seconds") < 30
    assert rows == [
        {"name": "bob", "address": "10.77.0.2:7777", "source": "announced", "here": True, "known_as": None},
        {"name": None, "address": "10.77.0.3:7777", "source": "announced", "here": False, "known_as": None},
    ]
    assert done.returncode == ExitStatus.SUCCESS

"""Tests mirror modules: `simp_daemon/peers/session.py` is tested by `tests/test_session.py`, whatever its package."""

from pathlib import Path

from tests.test_architecture import MODULES, name_of

TESTS = Path(__file__).parent

ELSEWHERE = {
    "simp_proto.toolkit.hexdump": ("test_notation", "each form of a dump is read among other text"),
    "simp_proto.toolkit.literals": ("test_notation", "each language's literals are read among other text"),
    "simp_client.command": ("test_pipe", "what it starts is what a person sees"),
    "simp_daemon.command": ("test_hostile", "what it starts is a process, with its log and its end"),
    "simp_proto.conformance.command": ("test_conformance_live", "what it starts plays with real processes"),
    "simp_proto.conformance.cases": ("test_conformance", "cases, their judge and their run show by planted faults"),
    "simp_proto.conformance.tester": ("test_conformance", "cases, their judge and their run show by planted faults"),
    "simp_proto.conformance.run": ("test_conformance", "cases, their judge and their run show by planted faults"),
    "simp_daemon.clients.naming": ("test_attachment", "a client's lines say it"),
    "simp_daemon.store_errors": ("test_database", "what goes wrong there is told in its words"),
    "simp_proto.cli.main": ("test_help", "all that it does is to gather commands, and to say so"),
    "simp_proto.conformance.sealed_cases": ("test_conformance_sealed", "each case shows by a planted fault"),
    "simp_proto.conformance.sealed_peer": ("test_conformance_sealed", "each case is played by it"),
    "simp_proto.conformance.wire": ("test_sockets", "a seam, which sockets and a simulation fill"),
    "simp_proto.conformance.trace": ("test_conformance", "cases, their judge and their run show by planted faults"),
    "simp_proto.conformance.kinds": ("test_conformance", "cases, their judge and their run show by planted faults"),
    "simp_proto.constants": ("test_vectors", "names of numbers, which the golden files have too"),
    "simp_proto.errors": ("test_datagram", "what an error says is a law of what raises it"),
    "simp_proto.udp": ("test_datagrams", "what it gives is a socket, and what its errors are called"),
    "simp_proto.cli.roff": ("test_manual", "its marks mean something on a page"),
    "simp_proto.sealed.layout": ("test_sealed", "what it reads and builds is what is declared on it"),
    "simp_proto.sealed.offer": ("test_sealed", "one golden file has all that SIMP/2 puts into datagrams"),
    "simp_proto.sealed.payloads": ("test_sealed", "one golden file has all that SIMP/2 puts into datagrams"),
    "simp_proto.sealed.frames": ("test_sealed", "one golden file has all that SIMP/2 puts into datagrams"),
    "simp_proto.sealed.opening": ("test_keyring", "it opens the golden call, and nothing that is changed"),
    "simp_proto.toolkit.opened": ("test_keyring", "what is opened is shown"),
    "simp_daemon.facts": ("test_peer_link", "a ledger that a link's facts change is the same as its own"),
    "simp_daemon.peers.sealed.outlet": ("test_peer_link", "without rules, each told by a link"),
    "simp_daemon.peers.sealed.reassembly": ("test_peer_link", "what it puts together, a link acknowledges"),
    "simp_daemon.peers.sealed.round_trip": ("test_peer_link", "it says when a link stops waiting"),
    "simp_daemon.events": ("test_endpoint", "facts without rules, each told by the endpoint"),
    "simp_daemon.effects": ("test_core", "without rules, each brought about by the core"),
    "simp_daemon.occurrences": ("test_core", "without rules, each answered by the core"),
    "simp_daemon.neighbour": ("test_neighbours", "one of those whose world is tried there"),
    "simp_daemon.questions": ("test_neighbours", "what is asked when shows by the neighbours that are asked"),
    "simp_daemon.peers.sealed.call": ("test_call_states", "each cell of the table is tried with what it remembers"),
    "simp_daemon.peers.sealed.call_actions": (
        "test_call_states",
        "each cell is tried with what its actions do",
    ),
    "simp_daemon.peers.sealed.call_news": ("test_switchboard", "facts without rules, each told by the switchboard"),
    "simp_daemon.contacts": ("test_store", "without rules, each kept by the store"),
    "simp_daemon.ledgers": ("test_store", "what the store keeps of them, it loads"),
    "simp_daemon.schema": ("test_database", "tables without rules, made and brought up to date"),
    "simp_daemon.peers.sessions": ("test_endpoint", "an endpoint feeds and files them"),
    "simp_daemon.peers.clear": ("test_exchange", "whole daemons show what is marked and kept"),
    "simp_daemon.peers.sealed.notices": ("test_exchange", "whole daemons show what a person is told"),
    "simp_daemon.peers.sealed.means": ("test_disk", "without rules, given by the disk"),
    "simp_daemon.peers.sealed.conversation": ("test_exchange", "whole daemons show what becomes of what is said"),
    "simp_daemon.peers.sealed.conversations": ("test_exchange", "whole daemons show what becomes of what is said"),
    "simp_daemon.peers.sealed.sealed_session": ("test_exchange", "whole daemons show what becomes of what is said"),
    "simp_daemon.peers.record": ("test_states", "each cell is tried with what its actions do"),
    "simp_daemon.clients.connections": ("test_clients", "one table has both halves: connections and who is attached"),
    "simp_daemon.peers.actions": ("test_states", "each cell is tried with what its actions do"),
    "simp_daemon.peers.conduct": ("test_stop_and_wait", "the numbers that a delivery gives"),
    "simp_daemon.peers.delivery": ("test_stop_and_wait", "a seam, which SIMP/1's delivery fills"),
    "simp_daemon.peers.session": ("test_states", "each cell of the table is tried through a session"),
    "simp_client.selection": ("test_trust", "whom and whose profile a command means shows by what it does"),
    "simp_client.copies": ("test_trust", "what is kept is what is decided about contacts"),
    "simp_client.listing": ("test_who", "what a daemon lists is what who shows"),
    "simp_client.doctor.checks": ("test_verdicts", "each check is a verdict on facts, as those on a peer are"),
    "simp_client.doctor.questions": ("test_doctor_live", "what it asks is a network"),
    "simp_client.doctor.system": ("test_doctor_live", "what it asks is the system of a machine on a network"),
    "simp_client.doctor.command": ("test_doctor_live", "what it prints is about a network"),
    "simp_client.doctor.facts": ("test_verdicts", "facts without rules, each judged by a verdict"),
    "simp_client.secured": ("test_dialogue", "what is said of a chat is what a person sees in it"),
    "simp_client.events": ("test_attachment", "facts without rules, each told by the attachment"),
}
"""Modules without a test module of their name: the one that tests them, and why."""

SUBJECTS = {
    "clients": "a daemon's clients, by their lines",
    "architecture": "what may import what",
    "commitment": "the rules of spec/simp2.md 7.4 alone",
    "conformance": "the suite as a whole",
    "conformance_sealed": "the suite for SIMP/2",
    "conformance_live": "the suite against processes",
    "core_neighbours": "a whole daemon among neighbours, without sockets",
    "golden_conversations": "spec/conversations.toml",
    "discovery_live": "daemons that find each other, in namespaces",
    "doctor_live": "simp doctor and simp who, in namespaces",
    "exactly_once": "two daemons with their stores, crashes between any two effects, and a terrible network",
    "examples": "spec/examples",
    "guide": "spec/guide, and the README",
    "exploration": "every schedule of two sessions",
    "fuzz": "tests/fuzz",
    "help": "what all commands say of themselves",
    "hostile": "a daemon's process that is attacked",
    "killed": "two daemons' processes that are killed while people write",
    "kaitai": "spec/simp.ksy",
    "mirror": "this",
    "negotiation": "every schedule of small calls of SIMP/2",
    "peer_link": "simp_daemon/peers/sealed/link.py, beside the client's link",
    "trust_live": "decisions about a contact, at daemons that run",
    "simulation": "networks that lose, repeat and reorder",
}
"""Test modules without a module of their name, and what they are about."""


def _tested() -> set[str]:
    return {path.stem.removeprefix("test_") for path in TESTS.glob("test_*.py")}


def test_each_module_has_its_tests() -> None:
    tested = _tested()
    for path in MODULES:
        name, own = name_of(path), path.stem in tested or path.stem == "__init__"
        elsewhere = ELSEWHERE.get(name, ("",))[0]
        assert own or elsewhere, f"{name}: write tests/test_{path.stem}.py, or say in ELSEWHERE what tests it and why"
        assert not (own and elsewhere), f"{name} has its own test module: take it out of the table"
        assert own or elsewhere.removeprefix("test_") in tested, f"{name}: {elsewhere}"


def test_each_test_module_has_its_subject() -> None:
    modules = {path.stem for path in MODULES}
    assert _tested() - modules == set(SUBJECTS)


def test_the_tables_name_modules_that_exist() -> None:
    assert set(ELSEWHERE) <= {name_of(path) for path in MODULES}

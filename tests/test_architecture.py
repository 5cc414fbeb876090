"""What may import what: one table, so that rules stay pure, the declaration stays one, and arrows point one way.

A row holds for a module, or for all modules of a package; such a module may have a row of its own with what it may
have besides.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from itertools import combinations, product
from pathlib import Path
from sys import stdlib_module_names
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGES = ("simp_proto", "simp_daemon", "simp_client")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PURE = {
    "base64", "bisect", "bz2", "collections", "contextlib", "copy", "dataclasses", "datetime", "difflib", "enum",
    "errno", "functools", "hashlib", "heapq", "hmac", "html", "importlib.metadata", "importlib.resources", "inspect",
    "io", "ipaddress", "itertools", "json", "lzma", "math", "queue", "re", "shutil", "string", "struct", "textwrap",
    "tomllib", "typing", "unicodedata", "xml", "zlib",
}  # fmt: skip
"""Of the standard library, what any module may have; the rest acts on the world, or might."""
IMPURE = {
    "asyncio", "ctypes", "http", "importlib.import_module", "logging", "multiprocessing", "os", "pathlib", "random",
    "secrets", "select", "selectors", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile",
    "threading", "time", "urllib", "uuid",
}  # fmt: skip
"""Examples of that."""
CALLS = {
    "__import__", "breakpoint", "date.today", "datetime.now", "datetime.utcnow", "eval", "exec", "input", "open",
    "print",
}  # fmt: skip
"""What acts on the world without an import that would show it."""
MAIN = "simp_proto.cli.main"
CATALOGUES = {"simp_proto.conformance.cases", "simp_proto.conformance.sealed_cases"}
"""Lists, which are as long as there are cases."""


class Row(NamedTuple):
    """What a module may import: names of the project, those of its own package without it; libraries; what's impure."""

    project: str = ""
    foreign: str = ""
    impure: str = ""


WIRE = "simp_proto.constants simp_proto.errors simp_proto.address simp_proto.printable simp_proto.datagram"
TABLE = {
    # what is on either wire
    "simp_proto.constants": Row(),
    "simp_proto.printable": Row(),
    "simp_proto.errors": Row("constants"),
    "simp_proto.address": Row("errors", "", "socket"),  # for names of interfaces
    "simp_proto.text": Row("constants errors printable"),
    "simp_proto.datagram": Row("constants errors", "construct"),
    "simp_proto.presence": Row("constants datagram printable"),
    "simp_proto.noise": Row("constants errors", "cryptography"),
    "simp_proto.sealed": Row("constants errors", "construct"),
    "simp_proto.sealed.payloads": Row("datagram"),
    "simp_proto.sealed.opening": Row("noise", "cryptography"),
    "simp_proto.udp": Row("address", "", "socket sys"),
    "simp_proto.interfaces": Row("address", "ifaddr", "pathlib"),
    # what commands share
    "simp_proto.cli": Row("address constants errors printable"),
    "simp_proto.cli.main": Row("", "click", "importlib.import_module os sys"),
    "simp_proto.cli.output": Row("", "click", "os sys"),
    "simp_proto.cli.parameters": Row("udp", "click"),
    "simp_proto.cli.completion": Row("", "click"),
    "simp_proto.cli.manual": Row("", "click", "pathlib"),
    # tools
    "simp_proto.toolkit": Row(f"{WIRE} simp_proto.sealed cli.document cli.output"),
    "simp_proto.toolkit.sources": Row("", "click", "os sys"),
    "simp_proto.toolkit.compression": Row("", "", "importlib.import_module"),
    "simp_proto.toolkit.decode": Row("cli", "click", "os sys"),
    "simp_proto.toolkit.keyring": Row("simp_proto.noise", "cryptography"),
    "simp_proto.toolkit.encode": Row("cli", "click", "sys"),
    "simp_proto.toolkit.dissector": Row("", "click", "pathlib"),
    "simp_proto.toolkit.vectors": Row("", "click", "pathlib"),
    "simp_proto.toolkit.ladder": Row("", "wcwidth"),
    "simp_proto.toolkit.proxy": Row("cli udp", "click", "random select signal socket sys time"),
    # the judge
    "simp_proto.conformance": Row(f"{WIRE} cli.document cli.output toolkit.reading"),
    "simp_proto.conformance.hands": Row("", "", "os signal subprocess sys tempfile threading time"),
    "simp_proto.conformance.attached": Row("text", "", "select socket threading time"),
    "simp_proto.conformance.sealed": Row("simp_proto.noise simp_proto.sealed", "cryptography"),
    "simp_proto.conformance.sealed_peer": Row("simp_proto.noise simp_proto.sealed"),
    "simp_proto.conformance.sealed_cases": Row("simp_proto.sealed"),
    "simp_proto.conformance.sockets": Row("udp", "", "secrets socket threading time"),
    "simp_proto.conformance.command": Row("cli", "click", "pathlib sys time"),
    "simp_proto.conformance.probe": Row("cli sealed", "click", "secrets sys"),
    # the daemon
    "simp_daemon.events": Row("simp_proto.address"),
    "simp_daemon.effects": Row("simp_proto.address simp_proto.constants contacts events"),
    "simp_daemon.occurrences": Row("simp_proto.address simp_proto.constants contacts effects events facts"),
    "simp_daemon.facts": Row("simp_proto.address simp_proto.constants simp_proto.sealed"),
    "simp_daemon.contacts": Row("simp_proto.address facts"),
    "simp_daemon.schema": Row(),
    "simp_daemon.peers": Row(f"{WIRE} events effects"),
    "simp_daemon.peers.presence": Row("simp_proto.presence"),
    "simp_daemon.peers.clear": Row("contacts"),
    "simp_daemon.peers.exchange": Row("simp_proto.sealed contacts facts"),
    "simp_daemon.peers.sealed": Row("simp_proto.noise simp_proto.sealed contacts facts"),
    "simp_daemon.peers.sealed.seal": Row("", "cryptography"),
    "simp_daemon.messages": Row("simp_proto.address events peers.endpoint peers.exchange"),
    "simp_daemon.questions": Row("simp_proto.address simp_proto.constants peers.strangers peers.timers"),
    "simp_daemon.neighbour": Row("simp_proto.address events"),
    "simp_daemon.neighbours": Row("simp_proto.address simp_proto.constants events neighbour occurrences questions"),
    "simp_daemon.clients": Row(
        "simp_proto.address simp_proto.constants simp_proto.errors simp_proto.printable simp_proto.text "
        "events effects messages neighbours peers.strangers"
    ),
    "simp_daemon.core": Row(
        "simp_proto.address simp_proto.constants simp_proto.printable effects events neighbours occurrences "
        "messages peers.endpoint peers.exchange peers.sealed.means questions clients"
    ),
    "simp_daemon.log": Row(
        "simp_proto.address simp_proto.constants simp_proto.datagram simp_proto.errors simp_proto.printable events "
        "peers.strangers",
        "",
        "asyncio logging os threading",
    ),
    "simp_daemon.datagrams": Row(
        "simp_proto.address simp_proto.interfaces simp_proto.udp effects occurrences peers.strangers",
        "uvloop",
        "asyncio os socket",
    ),
    "simp_daemon.client_connection": Row("log occurrences", "", "asyncio select socket"),
    "simp_daemon.profile": Row(
        "simp_proto.address simp_proto.constants simp_proto.errors simp_proto.printable simp_proto.text files log",
        "platformdirs",
        "os pathlib secrets",
    ),
    "simp_daemon.files": Row("simp_proto.errors", "", "fcntl msvcrt os pathlib stat sys"),
    "simp_daemon.identity": Row("simp_proto.noise files", "cryptography", "os pathlib secrets stat"),
    "simp_daemon.words": Row(),
    "simp_daemon.store_errors": Row("files", "", "pathlib sqlite3"),
    "simp_daemon.database": Row("files schema store_errors", "", "os pathlib sqlite3 time"),
    "simp_daemon.ledgers": Row("simp_proto.sealed contacts database facts"),
    "simp_daemon.store": Row(
        "simp_proto.address contacts database facts ledgers store_errors", "", "pathlib sqlite3 time"
    ),
    "simp_daemon.announcement": Row(),
    "simp_daemon.gate": Row("peers.strangers", "", "asyncio"),
    "simp_daemon.networks": Row("simp_proto.address simp_proto.interfaces"),
    "simp_daemon.disk": Row(
        "simp_proto.noise announcement contacts effects facts files identity log peers.sealed.means store store_errors",
        "",
        "asyncio pathlib secrets time",
    ),
    "simp_daemon.discovery": Row(
        "simp_proto.address simp_proto.constants simp_proto.errors simp_proto.interfaces simp_proto.printable "
        "simp_proto.text announcement gate log networks occurrences",
        "zeroconf",
        "asyncio logging",
    ),
    "simp_daemon.loop": Row(
        "simp_proto.address simp_proto.constants simp_proto.errors simp_proto.udp announcement core discovery disk "
        "client_connection datagrams effects events files log occurrences profile",
        "",
        "asyncio pathlib",
    ),
    "simp_daemon.command": Row(
        "simp_proto.constants simp_proto.cli datagrams log loop profile", "click", "asyncio logging pathlib signal"
    ),
    # the client
    "simp_client": Row("simp_proto.errors api events link", "", "importlib.import_module"),
    "simp_client.events": Row("simp_proto.printable"),
    "simp_client.people": Row(
        "simp_proto.address simp_proto.constants simp_proto.errors simp_proto.printable simp_proto.text events"
    ),
    "simp_client.attachment": Row(
        "simp_proto.constants simp_proto.errors simp_proto.printable simp_proto.text events people"
    ),
    "simp_client.view": Row("simp_proto.printable events", "wcwidth"),
    "simp_client.secured": Row("events view"),
    "simp_client.prompt": Row("attachment events secured view"),
    "simp_client.calls": Row("simp_proto.constants simp_proto.text attachment events prompt secured view"),
    "simp_client.dialogue": Row("simp_proto.errors simp_proto.text attachment people prompt calls view"),
    "simp_client.link": Row(
        "simp_proto.address simp_proto.constants simp_proto.errors simp_proto.interfaces simp_proto.text",
        "",
        "asyncio socket",
    ),
    "simp_client.api": Row(
        "simp_proto.address simp_proto.constants simp_proto.errors simp_proto.printable attachment events link",
        "",
        "asyncio",
    ),
    "simp_client.runner": Row(
        "simp_proto.address simp_proto.cli.exit_status attachment dialogue link prompt view", "", "asyncio signal"
    ),
    "simp_client.pipe": Row("simp_proto.constants view prompt dialogue runner", "", "asyncio os select sys threading"),
    "simp_client.terminal": Row("view dialogue prompt runner", "prompt_toolkit", "os sys"),
    "simp_client.command": Row(
        "simp_proto.errors simp_proto.cli dialogue link people runner pipe terminal",
        "click",
        "asyncio os sys",
    ),
    "simp_client.listing": Row(
        "simp_proto.address simp_proto.constants simp_proto.printable simp_proto.text events link people", "", "asyncio"
    ),
    "simp_client.selection": Row(
        "simp_proto.constants simp_proto.errors simp_proto.printable simp_proto.cli simp_daemon.contacts "
        "simp_daemon.identity simp_daemon.profile simp_daemon.store view",
        "click",
        "os pathlib",
    ),
    "simp_client.trust": Row(
        "simp_proto.address simp_proto.cli simp_daemon.contacts simp_daemon.words selection view",
        "click",
        "pathlib sys",
    ),
    "simp_client.copies": Row("simp_proto.cli simp_daemon.database selection", "click", "os pathlib"),
    "simp_client.who": Row(
        "simp_proto.constants simp_proto.cli events link listing people view", "click", "asyncio sys"
    ),
    "simp_client.doctor": Row("simp_proto.address simp_proto.constants simp_proto.interfaces events"),
    "simp_client.doctor.checks": Row("link view"),
    "simp_client.doctor.verdicts": Row("people view"),
    "simp_client.doctor.system": Row("simp_proto.printable simp_proto.udp", "", "platform subprocess time"),
    "simp_client.doctor.questions": Row(
        "simp_proto.datagram simp_proto.errors simp_proto.presence simp_proto.printable simp_proto.udp",
        "zeroconf",
        "platform select socket sys time",
    ),
    "simp_client.doctor.probing": Row(
        "simp_proto.errors simp_proto.printable simp_proto.udp link listing",
        "",
        "asyncio concurrent socket time",
    ),
    "simp_client.doctor.command": Row("simp_proto.cli", "click", "sys"),
    "simp_client.demo": Row(
        "simp_proto.address simp_proto.constants simp_proto.errors simp_proto.cli.parameters simp_proto.toolkit.ladder "
        "simp_daemon.loop simp_daemon.datagrams simp_daemon.profile api events",
        "click",
        "asyncio logging pathlib socket sys tempfile time",
    ),
}
ORDER = [
    f"{WIRE} simp_proto.noise simp_proto.sealed simp_proto.text simp_proto.udp < simp_proto.cli < simp_proto.toolkit "
    "< simp_proto.conformance",
    "simp_proto.constants simp_proto.printable < simp_proto.errors < simp_proto.address simp_proto.datagram "
    "simp_proto.noise < simp_proto.sealed simp_proto.text simp_proto.udp",
    "simp_proto < simp_daemon",
    "simp_proto < simp_client",
    "simp_daemon < simp_client",
    "simp_client.events simp_client.view < simp_client.people simp_client.secured < simp_client.attachment "
    "< simp_client.prompt simp_client.link < simp_client.api simp_client.calls < simp_client.dialogue "
    "< simp_client.runner < simp_client.terminal simp_client.pipe < simp_client.command < simp_daemon",
    "simp_daemon.events < simp_daemon.effects < simp_daemon.peers < simp_daemon.messages < simp_daemon.clients "
    "< simp_daemon.core < simp_daemon.loop < simp_daemon.command",
    "simp_daemon.facts < simp_daemon.peers",
    "simp_daemon.peers < simp_daemon.questions simp_daemon.neighbour < simp_daemon.neighbours < simp_daemon.clients",
    "simp_daemon.effects < simp_daemon.occurrences < simp_daemon.datagrams < simp_daemon.loop",
    "simp_daemon.facts < simp_daemon.contacts < simp_daemon.core simp_daemon.store < simp_daemon.loop",
    "simp_daemon.files simp_daemon.schema < simp_daemon.database < simp_daemon.ledgers < simp_daemon.store",
]
"""Layers, of which none may import one after it, whatever the table says."""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.Module) -> Iterator[str]:
    """Every name that a module imports, wherever in it: modules, and what is taken from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def trees() -> dict[str, ast.Module]:
    return {name_of(path): ast.parse(path.read_text("utf-8")) for path in MODULES}


@cache
def all_imports() -> dict[str, list[str]]:
    return {name: list(imports(tree)) for name, tree in trees().items()}


def covers(prefix: str, name: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


@cache
def rows_of(name: str) -> list[str]:
    """The rows that hold for a module; the one of a whole distribution package holds for its `__init__` alone."""
    return [row for row in TABLE if (name == row if row in PACKAGES else covers(row, name))]


def full(row: str) -> list[str]:
    """The names of the project in that row, each with its package."""
    package = row.partition(".")[0]
    return [each if each.startswith("simp_") else f"{package}.{each}" for each in TABLE[row].project.split()]


def module_of(name: str) -> str:
    """The module of ours that an imported name is, or is in."""
    return name if name in trees() else name.rpartition(".")[0]


@cache
def commands() -> dict[str, str]:
    """The modules that the main command names, by their commands."""
    for node in trees()[MAIN].body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_COMMANDS":
            assert node.value
            return {name: module for name, (module, _) in ast.literal_eval(node.value).items()}
    raise AssertionError("no table of commands")


def faults(name: str, imported: Iterable[str]) -> list[str]:
    """What of this that module may not import."""
    rows = rows_of(name)
    project = [prefix for row in rows for prefix in (row, *full(row))]
    foreign = {each for row in rows for each in TABLE[row].foreign.split()}
    impure = {each for row in rows for each in TABLE[row].impure.split()}
    entrances = {MAIN, *commands().values()}
    found = []
    for each in imported:
        root = each.partition(".")[0]
        if root in PACKAGES:
            if module_of(each) in entrances or not any(covers(prefix, each) for prefix in project):
                found.append(f"{name} imports {each}")
        elif root not in stdlib_module_names:
            found += [f"{name} imports {each}"] if root not in foreign else []
        else:
            harmless = any(covers(part, each) for part in (*PURE, *impure))
            found += [] if harmless else [f"{name} imports {each}, which is impure"]
    return found


def test_a_module_imports_what_the_table_says() -> None:
    assert [fault for name in trees() for fault in faults(name, all_imports()[name])] == []


def test_each_module_has_a_row_and_each_row_a_module() -> None:
    assert [name for name in trees() if name not in PACKAGES and not rows_of(name)] == []
    assert [row for row in TABLE if row not in trees()] == []


def test_each_row_says_no_more_than_is_so() -> None:
    for prefix, row in TABLE.items():
        used = [each for name in trees() if prefix in rows_of(name) for each in all_imports()[name]]
        for each in [*full(prefix), *row.foreign.split(), *row.impure.split()]:
            assert any(covers(each, other) for other in used), f"{prefix} imports no {each}"


@cache
def one_import(imported: str) -> list[str]:
    """What a module imports that imports one thing only, deep in it."""
    return list(imports(ast.parse(f"def _late():\n    if True:\n        from {imported} import something")))


def arrows() -> list[tuple[str, str]]:
    """Every forbidden one, from a layer to a later one."""
    chains = [[layer.split() for layer in chain.split("<")] for chain in ORDER]
    pairs = [pair for chain in chains for pair in combinations(chain, 2)]
    return sorted({arrow for lower, higher in pairs for arrow in product(lower, higher)})


def test_a_forbidden_arrow_is_found() -> None:
    for arrow in arrows():
        lower, higher = ([name for name in trees() if covers(layer, name)] for layer in arrow)
        assert lower, arrow
        assert higher, arrow
        for name, other in product(lower, higher):
            assert faults(name, one_import(other)) != [], f"{name} might import {other}"


def test_a_library_or_an_impurity_that_is_not_in_the_table_is_found() -> None:
    for name in trees():
        allowed = {each for row in rows_of(name) for each in f"{TABLE[row].foreign} {TABLE[row].impure}".split()}
        for each in {*IMPURE, "click", "construct", "cryptography", "prompt_toolkit", "requests"} - allowed:
            assert faults(name, [each]) != [], f"{name} might import {each}"


def impure_calls(tree: ast.Module) -> list[str]:
    called = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in called if call in CALLS]


def test_a_pure_module_calls_nothing_that_acts_on_the_world() -> None:
    pure = [name for name in trees() if not any(TABLE[row].impure for row in rows_of(name))]
    assert [(name, call) for name in pure for call in impure_calls(trees()[name])] == []
    assert impure_calls(ast.parse("def _late():\n    return open('x'), datetime.now()")) == ["open", "datetime.now"]


def test_a_module_is_read_in_one_sitting() -> None:
    for name, path in zip(trees(), MODULES, strict=True):
        most = 300 if covers("simp_daemon", name) else 400
        assert name in CATALOGUES or len(path.read_text("utf-8").splitlines()) <= most, name


def test_the_map_names_each_module_once() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("\n## Where things are\n")[2].partition("\n## ")[0]
    named = []
    for package, lines in re.findall(r"^### `(simp_[a-z_/]+)`\n(.*?)(?=^### )", text, re.M | re.S):
        names = re.findall(r"^- `(\w+)`: ", lines, re.M)
        assert names == sorted(names), package
        named += [f"{package}/{name}.py" for name in names]
    paths = [path.relative_to(ROOT).as_posix() for path in MODULES]
    assert sorted(named) == sorted(path for path in paths if not path.endswith("/__init__.py"))


def test_nothing_imports_itself_by_a_detour() -> None:
    graph = {name: {module_of(each) for each in imported} & trees().keys() for name, imported in all_imports().items()}
    assert list(TopologicalSorter(graph).static_order())


def test_each_command_is_there_and_main_alone_names_it() -> None:
    for name, module in commands().items():
        assert any(isinstance(node, ast.FunctionDef) and node.name == name for node in trees()[module].body), module
    named = {MAIN, *commands().values()}
    for name, tree in trees().items():
        texts = [str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        assert name == MAIN or not any(module in text for text in texts for module in named), name
    # so that neither a command nor main is imported by name
    for name, module in product(trees(), named):
        assert module == name or faults(name, one_import(module)) != []

"""What imports what, so that rules stay pure and the declaration stays one."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("simp_proto", "simp_daemon", "simp_client")
IMPURE = {"asyncio", "socket", "time", "random", "logging", "threading", "signal", "subprocess", "secrets"}
SHELLS = {
    "simp_proto.conformance.command",
    "simp_proto.conformance.wire",
    "simp_proto.udp",
    "simp_proto.toolkit.proxy",
    "simp_daemon.log",
    "simp_daemon.loop",
    "simp_daemon.transports",
    "simp_daemon.command",
    "simp_client.demo",
    "simp_client.api",
    "simp_client.link",
    "simp_client.runner",
    "simp_client.pipe",
    "simp_client.terminal",
    "simp_client.command",
}
CLICK = {
    "simp_proto.conformance.command",
    "simp_proto.cli.output",
    "simp_proto.cli.parameters",
    "simp_proto.conformance.probe",
    "simp_proto.cli.main",
    "simp_proto.cli.completion",
    "simp_proto.toolkit.decode",
    "simp_proto.toolkit.dissector",
    "simp_proto.toolkit.encode",
    "simp_proto.cli.manual",
    "simp_proto.toolkit.proxy",
    "simp_proto.toolkit.vectors",
    "simp_daemon.command",
    "simp_client.demo",
    "simp_client.command",
}
ALLOWED = {
    "simp_proto": {"simp_proto"},
    "simp_daemon": {"simp_proto", "simp_daemon"},
    "simp_client": {
        "simp_client",
        "simp_proto.text",
        "simp_proto.address",
        "simp_proto.constants",
        "simp_proto.errors",
        "simp_proto.printable",
        "simp_proto.cli.exit_status",
    },
}
ALSO = {"simp_client.demo": {"simp_daemon.loop", "simp_proto.cli.parameters", "simp_proto.toolkit.ladder"}}
"""What one module may import besides: the demo shows daemons and clients together."""
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports(path: Path) -> set[str]:
    """Every module that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            found.add(node.module or "")
            if (node.module or "").split(".")[0] in PACKAGES:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports(path: Path) -> None:
    name, package = name_of(path), path.relative_to(ROOT).parts[0]
    own = {each for each in imports(path) if each.split(".")[0] in PACKAGES}
    for each in own - {package}:
        allowed = ALLOWED[package] | ALSO.get(name, set())
        assert any(each == one or each.startswith(one + ".") for one in allowed), each
    roots = {each.split(".")[0] for each in imports(path)}
    assert ("construct" in roots) <= (name == "simp_proto.datagram")
    assert ("click" in roots) <= (name in CLICK)
    assert bool(roots & IMPURE) <= (name in SHELLS), roots & IMPURE


@pytest.mark.parametrize("path", sorted((ROOT / "simp_proto").glob("*.py")), ids=name_of)
def test_what_is_on_the_wire_needs_no_tool(path: Path) -> None:
    assert not any(each.startswith("simp_proto.toolkit") for each in imports(path))


@pytest.mark.parametrize("name", ["events", "attachment", "link", "api"])
def test_a_program_needs_nothing_of_the_person(name: str) -> None:
    persons = {f"simp_client.{each}" for each in ("dialogue", "prompt", "runner", "pipe", "terminal", "command")}
    assert not imports(ROOT / "simp_client" / f"{name}.py") & persons


@pytest.mark.parametrize("name", ["dialogue", "prompt", "view"])
def test_what_a_person_sees_knows_no_word_of_the_protocol(name: str) -> None:
    assert "simp_proto.text.Word" not in imports(ROOT / "simp_client" / f"{name}.py")


def test_every_shell_exists() -> None:
    assert {name_of(path) for path in MODULES} >= SHELLS | CLICK

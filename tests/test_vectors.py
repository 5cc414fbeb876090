"""`simp vectors`: the golden files and the Kaitai description, as another language gets them."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from simp_proto.cli.main import main

SPEC = Path(__file__).parent.parent / "spec"
FILES = {
    "packets": "packets.toml",
    "conversations": "conversations.toml",
    "sealed": "sealed.toml",
    "kaitai": "simp.ksy",
}


@pytest.mark.parametrize("what", ["packets", "conversations", "sealed"])
def test_what_is_printed_is_the_golden_file(what: str) -> None:
    result = CliRunner().invoke(main, ["vectors", what])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == tomllib.loads((SPEC / FILES[what]).read_text("utf-8"))


def test_the_description_is_printed_as_it_is() -> None:
    result = CliRunner().invoke(main, ["vectors", "kaitai"])
    assert (result.exit_code, result.stdout) == (0, (SPEC / "simp.ksy").read_text("utf-8"))


@pytest.mark.parametrize("what", FILES)
def test_the_explanation_is_the_comment_at_the_head(what: str) -> None:
    result = CliRunner().invoke(main, ["vectors", what, "--explain"])
    assert result.exit_code == 0
    commented = "".join(f"# {line}\n" if line else "#\n" for line in result.stdout.splitlines())
    assert (SPEC / FILES[what]).read_text("utf-8").startswith(commented + "\n")


@pytest.mark.parametrize("what", ["packets", "conversations", "sealed"])
def test_every_key_is_explained(what: str) -> None:
    explanation = CliRunner().invoke(main, ["vectors", what, "--explain"]).stdout
    explained = set(re.findall(r'^ +(\w+) {2,}|under "(\w+)"', explanation, re.MULTILINE))
    golden = tomllib.loads((SPEC / FILES[what]).read_text("utf-8"))
    assert keys(golden) - set("abcd") <= set().union(*explained)  # the parties' letters


def keys(value: object) -> set[str]:
    match value:
        case dict():
            return set(value).union(*(keys(each) for each in value.values()))
        case list():
            return set().union(*(keys(each) for each in value))
        case _:
            return set()


WITH_MODULES = {
    "simp_proto/toolkit/dissector.lua",
    "simp_proto/toolkit/handout.css",
    "simp_proto/cli/page.css",
}


def test_a_wheel_carries_the_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=SPEC.parent, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        for name in FILES.values():
            assert files.read(f"simp_proto/toolkit/golden/{name}") == (SPEC / name).read_bytes()
        assert set(files.namelist()) >= WITH_MODULES

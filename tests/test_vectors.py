"""`simp vectors`: the golden files, as another language gets them."""

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from simp_proto.command import main

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("what", ["packets", "exchanges"])
def test_what_is_printed_is_the_golden_file(what: str) -> None:
    result = CliRunner().invoke(main, ["vectors", what])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == tomllib.loads((ROOT / "spec" / f"{what}.toml").read_text("utf-8"))


def test_a_wheel_carries_the_golden_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        for what in ("packets", "exchanges"):
            assert files.read(f"simp_proto/toolkit/golden/{what}.toml") == (ROOT / "spec" / f"{what}.toml").read_bytes()
        assert "simp_proto/toolkit/dissector.lua" in files.namelist()

"""Standard output: colours, and where there are none."""

import re

import pytest
from click.testing import CliRunner

from simp_proto.cli.main import main
from tests.test_capture import pcap
from tests.test_decode import PACKETS, simp


def test_colour_only_where_a_person_looks_and_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def coloured(*options: str) -> str:
        return CliRunner().invoke(main, ["decode", *options, "-"], input=pcap(*PACKETS), color=True).stdout

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31mrefused" in coloured()
    assert "\x1b[36m2023" in coloured()
    assert re.search(r"\x1b\[31m> +2 .*sequence", coloured())
    assert coloured("--ladder").count("\x1b[31m") == 1
    assert coloured("--ladder").count("\x1b[36m") == 2
    assert "\x1b" not in coloured("--json")
    assert "\x1b" not in simp("decode", "-", stdin=pcap(*PACKETS)).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in coloured()
    monkeypatch.setenv("NO_COLOR", "")
    assert "\x1b" in coloured()

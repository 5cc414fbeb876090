"""Figures of this project on this machine: `python -m tests.bench [--quick]`.

It measures the codec, what sealing and handshakes cost, many sessions, what gets through a bad network, real daemons on
loopback, in peace and under a flood, the start-up of the commands and the decoding of a capture, and ends with a table
of what is to be reached. It is a report and no test: the exit status says nothing. What daemons store is in TMPDIR.
"""

import argparse
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from tests.bench.codec import measure_codec, measure_seal
from tests.bench.commands import measure_captures, measure_start_up
from tests.bench.daemons import measure_daemons
from tests.bench.figures import QUICK, Effort, Figure
from tests.bench.floods import measure_floods
from tests.bench.people import LOOPS
from tests.bench.sealed_daemons import measure_sealed_daemons
from tests.bench.sealed_sessions import measure_goodput, measure_handshakes, measure_idle_sessions
from tests.bench.sessions import measure_sessions


def machine() -> str:
    """What the figures were measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {platform.platform()}, {python}, construct {version('construct')}"


def main() -> None:
    """Measures, prints, and says what is reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Figures of SIMP on this machine.")
    parser.add_argument("--quick", action="store_true", help="a short run, with coarser figures")
    parser.add_argument("--only", action="append", help="measure that alone, such as 'floods'; may be repeated")
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else Effort()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))  # which ends the daemons too
    print(machine())
    if hasattr(os, "getloadavg"):
        print(f"load when it begins: {', '.join(f'{load:.2f}' for load in os.getloadavg())}")
    figures: list[Figure] = []
    measures: dict[str, Callable[[Effort], Iterable[Figure]]] = {
        "codec": measure_codec,
        "sealing": measure_seal,
        "handshakes": measure_handshakes,
        "sessions": measure_sessions,
        "sealed sessions": measure_idle_sessions,
        "goodput": measure_goodput,
        **{f"daemons on {loop}": partial(measure_daemons, loop) for loop in LOOPS},
        "sealed daemons": measure_sealed_daemons,
        "floods": partial(measure_floods, sealed=False),
        "sealed floods": partial(measure_floods, sealed=True),
        "start-up": measure_start_up,
        "captures": measure_captures,
    }
    if unknown := set(arguments.only or ()) - measures.keys():
        parser.error(f"read {', '.join(sorted(unknown))!r}, expected one of {', '.join(measures)}")
    for name, measure in measures.items():
        if arguments.only and name not in arguments.only:
            continue
        try:
            for figure in measure(effort):
                figures.append(figure)
        except Exception as error:  # whatever it is, the rest is worth measuring
            print(f"\n{name}: ended early: {type(error).__name__}: {error}")
    rows = [("figure", "measured", "to reach", "reached"), *(figure.row() for figure in figures)]
    print()
    for row in rows:
        print(f"{row[0]:46} {row[1]:>18}   {row[2]:22} {row[3]}".rstrip())


if __name__ == "__main__":
    main()

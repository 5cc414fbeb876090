"""`python -m tests.fuzz TARGET [--seconds N]`: 0 where the law held, 1 where an input broke it, which is printed."""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from random import Random, randrange
from typing import Any, NoReturn

from tests.fuzz.target import Target

TARGETS = ("datagram", "capture", "lines", "dialogue", "endpoint")
"""The modules beside this one."""
PACKAGES = ["simp_proto", "simp_daemon", "simp_client"]
LONGEST = 4_096


class Run:
    """Counts the executions of a target, and tells of the first that breaks its law."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.target: Target = import_module(f"tests.fuzz.{name}").TARGET
        self.seed = seed
        self.executions = 0
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def execute(self, data: bytes) -> bool:
        """Whether the law held."""
        self.executions += 1
        try:
            self.target.try_it(data)
        except Exception:
            traceback.print_exc()
            print(f"{self.name}: broken by execution {self.executions} of seed {self.seed}: {self.target.law}")
            print(f"again: python -m tests.fuzz {self.name} --input {data.hex()}", flush=True)
            return False
        return True

    def summary(self) -> str:
        rate = self.executions / max(self.seconds, 0.001)
        return (
            f"{self.name}: the law held in {self.executions:,} executions, {self.seconds:.0f} s, {rate:,.0f} a second"
        )


def mutated(random: Random, seeds: Sequence[bytes]) -> bytes:
    """An input made of one or two of those."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.choice((0, 1, 1, 2, 4, 16))):
        at = random.randrange(len(data) + 1)
        match random.randrange(6):
            case 0:
                data[at : at + 1] = bytes((random.randrange(256),))
            case 1:
                data[at : at + 1] = bytes((random.choice((0, 1, 0x7F, 0x80, 0xFF)),))
            case 2:
                del data[at : at + random.choice((1, 2, 8))]
            case 3:
                data[at:at] = random.randbytes(random.choice((1, 2, 8, 64)))
            case 4:
                other = random.choice(seeds)
                data[at:at] = other[random.randrange(len(other) + 1) :]
            case 5 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
    return bytes(data[:LONGEST])


def at_random(run: Run, most: int | None, seconds: float | None) -> bool:
    """Executes so many mutations, or for so long; whether the law held."""
    random, seeds = Random(run.seed), list(run.target.seeds)
    own = len(seeds)
    if not all(map(run.execute, seeds)):
        return False
    while (most is None or run.executions < most) and (seconds is None or run.seconds < seconds):
        data = mutated(random, seeds)
        if not run.execute(data):
            return False
        if random.randrange(20) == 0:  # goes on from it, now and then
            seeds.append(data)
            del seeds[own : len(seeds) - 256]
    return True


def guided(run: Run, seconds: float, atheris: Any) -> NoReturn:
    """The same with atheris, which looks for new code; ends the process."""
    corpus = Path(tempfile.mkdtemp())
    for number, seed in enumerate(run.target.seeds):
        (corpus / str(number)).write_bytes(seed)

    def one(data: bytes) -> None:
        held = run.execute(data)
        if held and run.seconds < seconds:
            return
        if held:
            print(run.summary(), flush=True)
        shutil.rmtree(corpus)
        os._exit(0 if held else 1)  # the loop below never returns

    atheris.Setup([sys.argv[0], f"-seed={run.seed}", f"-max_len={LONGEST}", "-verbosity=0", str(corpus)], one)
    atheris.Fuzz()
    raise AssertionError("it never returns")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Looks for bytes that break a law.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="repeats a run without atheris")
    parser.add_argument("--input", metavar="HEX", help="only this one")
    parser.add_argument("--random", action="store_true", help="mutates at random, even where atheris is installed")
    options = parser.parse_args(arguments)
    atheris = None if options.random or options.input is not None else import_atheris()
    with atheris.instrument_imports(include=PACKAGES) if atheris else contextlib.nullcontext():
        run = Run(options.target, randrange(1, 1 << 31) if options.seed is None else options.seed)
    if options.input is not None:
        held = run.execute(bytes.fromhex(options.input))
    elif atheris:
        guided(run, options.seconds, atheris)
    else:
        held = at_random(run, None, options.seconds)
    if held:
        print(run.summary())
    return 0 if held else 1


def import_atheris() -> Any:
    """The module, if it is installed."""
    try:
        return import_module("atheris")
    except ImportError:
        print("atheris isn't installed (pip install -e '.[fuzz]'): mutates at random", file=sys.stderr)
        return None


if __name__ == "__main__":
    sys.exit(main())

"""What is measured, how long, and what is to be reached."""

import timeit
from dataclasses import dataclass
from typing import Any, Final

PATIENCE: Final = 10.0
"""Seconds without any answer after which a measurement is given up."""
TEXT: Final = "number {:06d}, as long as people's lines are"
"""A chat message with its number: 44 bytes."""
IN_FLIGHT: Final = 64
"""CHAT lines that wait for their ACK at most; half as many at least, until the last were sent."""
WARM_UP: Final = 200
"""Messages, or round trips, before any is measured."""


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds, and numbers of repetitions; `sessions` is in seconds, `single` counts messages."""

    timing: float = 0.02
    timings: int = 11
    pairs: int = 5
    round_trips: int = 5_000
    messages: int = 3_000
    sessions: float = 0.5
    latencies: int = 1_000
    idle: float = 6.0
    starts: int = 9
    captured: int = 100_000
    flood: float = 10.0
    sealed_flood: float = 20.0
    single: int = 1_000
    handshakes: int = 200
    idle_sessions: int = 10_000
    seeds: int = 5


QUICK: Final = Effort(
    timing=0.01,
    timings=5,
    pairs=3,
    round_trips=2_000,
    messages=1_000,
    sessions=0.2,
    latencies=300,
    idle=5.0,
    starts=7,
    captured=20_000,
    flood=4.0,
    sealed_flood=4.0,
    single=200,
    handshakes=50,
    idle_sessions=1_000,
    seeds=1,
)


@dataclass(frozen=True)
class Figure:
    """A line of the table: `measured` in `unit`, and the bound, if there is one: a least value or one to stay below."""

    name: str
    measured: float | None
    unit: str = ""
    bound: float | None = None
    least: bool = False

    def row(self) -> tuple[str, str, str, str]:
        """The figure, what was measured, what is to be reached, and whether it is."""
        bound = self.bound
        to_reach = "" if bound is None else f"{'at least' if self.least else 'below'} {bound:g} {self.unit}".rstrip()
        if self.measured is None:
            return self.name, "not measured", to_reach, "unknown"
        measured = f"{self.measured:.{0 if self.unit == 'ms' else 2}f} {self.unit}".rstrip()
        if bound is None:
            return self.name, measured, "", ""
        reached = self.measured >= bound if self.least else self.measured < bound
        return self.name, measured, to_reach, "yes" if reached else "NO"


def microseconds(statements: tuple[str, ...], names: dict[str, Any], seconds: float) -> list[float]:
    """The time in µs that each statement takes with those names, measured for about so many seconds."""
    times = []
    for statement in statements:
        timer = timeit.Timer(statement, globals=names)
        number = max(1, int(seconds / (timer.timeit(20) / 20)))
        times.append(timer.timeit(number) / number * 1e6)
    return times

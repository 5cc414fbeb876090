"""Numbers as commands take them."""

import math
from typing import Any

import click


class Number(click.FloatRange):
    """A number within bounds. No range check catches nan, which then stands for no time at all, or for ever."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"read {value!r}, expected a number from {self.min:g} to {self.max:g}", param, ctx)
        return number

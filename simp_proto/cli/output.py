"""Standard output, where what peers wrote is shown."""

import io
import os
import sys
from collections.abc import Iterable
from typing import Final, NamedTuple

import click

WRONG: Final = "red"
NOTE: Final = "cyan"
"""Colours of what is wrong, and of what is no datagram."""


class Row(NamedTuple):
    """A line for people, printable, and its colour on a terminal."""

    text: str
    colour: str | None = None


def counted(count: int, noun: str) -> str:
    """`1 byte`, `39 bytes`."""
    return f"{count} {noun}{'s' * (count != 1)}"


def prepare() -> None:
    """Escapes characters that the output's encoding lacks; a peer may have written any."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def echo(text: str, colour: str | None = None) -> None:
    """Prints immediately; in colour only on a terminal, and not if its user wants none (https://no-color.org)."""
    plain = False if os.environ.get("NO_COLOR") else None
    click.echo(click.style(text, fg=colour) if colour else text, color=plain)


def show(rows: Iterable[Row]) -> None:
    """Prints each as it comes."""
    for row in rows:
        echo(*row)

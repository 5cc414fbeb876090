"""Standard output, where what peers wrote is shown."""

import io
import os
import sys

import click


def prepare() -> None:
    """Lets characters beyond the output's encoding be escaped; a peer may have written any."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def echo(text: str, colour: str | None = None) -> None:
    """Prints at once; in colour only on a terminal, and not where its user wants none (https://no-color.org)."""
    plain = False if os.environ.get("NO_COLOR") else None
    click.echo(click.style(text, fg=colour) if colour else text, color=plain)

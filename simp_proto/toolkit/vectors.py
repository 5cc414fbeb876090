"""`simp vectors`: the golden files of the specification as JSON, for tests in other languages."""

import json
import tomllib
from pathlib import Path
from typing import Final

import click

_HERE: Final = Path(__file__).parent
_FOLDERS: Final = (_HERE / "golden", _HERE.parent.parent / "spec")
"""Where an installed package has the files, and where a checkout has them."""


@click.command()
@click.argument("what", type=click.Choice(["packets", "exchanges"]))
def vectors(what: str) -> None:
    """Print the golden packets or the golden conversations of SIMP/1 as one JSON object.

    packets: `packet` has datagrams with their bytes and fields, `refused` those that must be refused.
    exchanges: `exchange` has conversations step by step. What each key means stands at the head of spec/packets.toml
    and spec/exchanges.toml, which these are.

    \b
    Example:
      simp vectors packets > packets.json
    """
    file = next(folder / f"{what}.toml" for folder in _FOLDERS if (folder / f"{what}.toml").exists())
    click.echo(json.dumps(tomllib.loads(file.read_text("utf-8")), indent=1))

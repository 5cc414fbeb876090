"""`simp vectors`: what the specification gives to implementers in other languages."""

import json
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import Final

import click

_HERE: Final = Path(__file__).parent
_FOLDERS: Final = (_HERE / "golden", _HERE.parent.parent / "spec")
"""Where an installed package has the files, and where a checkout has them."""
_FILES: Final = {
    "packets": "packets.toml",
    "conversations": "conversations.toml",
    "sealed": "sealed.toml",
    "kaitai": "simp.ksy",
}


@click.command()
@click.argument("what", type=click.Choice(list(_FILES)))
@click.option(
    "--explain", is_flag=True, help="Print an explanation instead: what it contains, and how to test with it."
)
def vectors(what: str, explain: bool) -> None:
    """Print what helps to test or write an implementation of SIMP in any language.

    \b
    packets        golden datagrams, with their bytes and fields, and those that must
                   be refused: one JSON object, for testing a parser and a builder
    conversations  golden conversations, step by step: one JSON object, for testing a
                   daemon
    sealed         golden bytes of SIMP/2: what is made, read, refused, sealed and
                   opened with fixed keys: one JSON object
    kaitai         the datagram's description for the Kaitai Struct compiler, which
                   makes a parser of it in many languages

    Read the explanations first: they say what each key means, and what a test does with it. (They are also at the top
    of the files in spec/.)

    \b
    Examples:
      simp vectors packets --explain
      simp vectors packets > packets.json
      simp vectors kaitai > simp.ksy
    """
    file = next(folder / _FILES[what] for folder in _FOLDERS if (folder / _FILES[what]).exists())
    text = file.read_text("utf-8")
    if explain:
        click.echo(_head(text))
    elif what == "kaitai":
        click.echo(text, nl=False)
    else:
        click.echo(json.dumps(tomllib.loads(text), indent=1))


def _head(text: str) -> str:
    """The comment at the top of a file."""
    lines = takewhile(lambda line: line.startswith("#"), text.splitlines())
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines)

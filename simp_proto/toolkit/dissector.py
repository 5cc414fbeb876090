"""`simp dissector`: Wireshark's view of the datagram, from the declaration (spec 2).

What the declaration and the constants say becomes tables of Lua: where fields are, the labels, the framings, the
words of refusals. `dissector.lua` follows them.
"""

import json
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import click

from simp_proto.constants import (
    DAEMON_PORT,
    MAX_OFFER_SIZE,
    OFFER,
    OPERATIONS,
    Chat,
    Control,
    Framing,
    Operation,
    PayloadKind,
    Type,
)
from simp_proto.datagram import HEAD, HEAD_SIZE, Datagram, build, offset
from simp_proto.errors import SECTIONS, DatagramError, SealedError
from simp_proto.printable import printable
from simp_proto.sealed.payloads import OPERATIONS_OF, PAYLOADS, read_payload
from simp_proto.toolkit.reading import Reading


@click.command()
@click.option("--output", type=click.Path(dir_okay=False), help="Write to this file, in a folder that may be new.")
def dissector(output: str | None) -> None:
    """Print a Wireshark dissector for SIMP, in Lua.

    It shows each field of the datagrams on UDP port 7777, verifies their checksums, and says what is wrong with those
    that a daemon refuses. Of SIMP/2 it names whatever isn't sealed. Wireshark loads it from its personal Lua plugins
    folder (Help > About > Folders).

    \b
    Examples:
      simp dissector --output ~/.local/lib/wireshark/plugins/simp.lua
      simp dissector --output simp.lua && tshark -X lua_script:simp.lua -i any udp port 7777
    """
    if output is None:
        click.echo(lua(), nl=False)
        return
    try:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(lua(), "utf-8")
    except OSError as error:
        raise click.ClickException(printable(f"{error.filename or output}: {error.strerror}")) from None


def lua() -> str:
    """The dissector."""
    tables = "".join(f"local {name} = {_literal(value)}\n" for name, value in _tables().items())
    rules = files("simp_proto.toolkit").joinpath("dissector.lua").read_text("utf-8")
    return _COMMENT.format(version=version("simp-chat")) + tables + rules


_COMMENT: Final = """\
-- Wireshark dissector for SIMP, chat over UDP. Made by `simp dissector` of simp-chat {version}; don't edit it.
--
-- Put it into Wireshark's personal Lua plugins folder (Help > About > Folders), or run
--     tshark -X lua_script:simp.lua
-- Preferences: `-o simp.ports:7777,8777` for other ports; `-o simp.framing:trailer` reads only that framing.
--
-- SPDX-License-Identifier: MIT

"""


def _tables() -> dict[str, Any]:
    starts = [offset(name, Framing.BARE, 0) for name in HEAD]
    ends = [*starts[1:], HEAD_SIZE]
    return {
        "PORT": DAEMON_PORT,
        "HEAD_SIZE": HEAD_SIZE,
        "NAMES": list(HEAD),
        "HEAD": {name: {"at": start, "size": end - start} for name, start, end in zip(HEAD, starts, ends, strict=True)},
        "TYPES": {kind.value: kind.label for kind in Type},
        "OPERATIONS": {
            kind.value: {value: operation.label for value, operation in operations.items()}
            for kind, operations in OPERATIONS.items()
        },
        "FRAMINGS": [_framing(framing) for framing in Framing],
        "SECTIONS": SECTIONS,
        "EXPECTED": {
            "type": _refusal(b"\0").expected,
            "operation": {kind.value: _refusal(bytes((kind, 0))).expected for kind in Type},
            "sequence": _refusal(b"\1\1\xff").expected,
        },
        "OFFER": {"start": OFFER.decode("ascii"), "most": MAX_OFFER_SIZE},
        "KINDS": {kind.value: _kind(kind) for kind in PayloadKind},
        "SEALED_EXPECTED": {
            "payload": _malformed(Control.ACK, b"\xbf").expected,
            "sequence": _malformed(Control.ACK, _RINGING, sequence=1).expected,
            "user": _malformed(Control.ACK, _RINGING, user=b"bob").expected,
        },
    }


_RINGING: Final = bytes((PayloadKind.RINGING,))


def _kind(kind: PayloadKind) -> dict[str, Any]:
    """A payload of SIMP/2, and what is said where it is malformed; a record's counter is the only number in any."""
    layout, operations = PAYLOADS[kind], OPERATIONS_OF[kind]
    start = bytes((kind,))
    most = layout.sizes[0] if len(layout.sizes) == 1 else None  # otherwise UDP carries no more
    shown: dict[str, Any] = {
        "name": kind.name,
        "fields": [{"name": name, "at": 1 + at} | ({"size": size} if size else {}) for name, at, size in layout.places],
        "operations": [operation.label for operation in operations],
        "least": 1 + layout.sizes[0],
        "expected": {
            "operation": _malformed(Control.SYN, start).expected,
            "length": _malformed(operations[0], start).expected,
        },
    }
    if kind is PayloadKind.RECORD:
        shown["expected"]["counter"] = _malformed(operations[0], start + b"\xff" * layout.sizes[0]).expected
    return shown | ({"most": 1 + most} if most else {})


def _malformed(operation: Operation, payload: bytes, *, sequence: int = 0, user: bytes = b"") -> SealedError:
    """What `read_payload` itself says of such a datagram."""
    kind = Type.CHAT if isinstance(operation, Chat) else Type.CONTROL
    try:
        read_payload(Datagram(kind, operation, sequence, user, payload))
    except SealedError as error:
        return error
    raise AssertionError("it is none of SIMP/2")


def _framing(framing: Framing) -> dict[str, Any]:
    """What is particular to a framing, read off an example: an empty datagram ends with its checksum (spec 2.6)."""
    checksums = {each: build(Datagram(Type.CONTROL, Control.ACK, 0, framing=each))[HEAD_SIZE:] for each in Framing}
    numbers = range(256)
    return {
        "name": framing.value,
        "payload": offset("payload", framing, 0),
        "extra": len(checksums[framing]),
        "checksum": offset("checksum", framing, 0),
        "behind_payload": offset("checksum", framing, 1) > offset("checksum", framing, 0),
        "swapped": checksums[framing] == checksums[Framing.HEADER][::-1],
        "greatest_sequence": max(n for n in numbers if _refusal(bytes((1, 1, n)), framing).field != "sequence"),
    }


def _refusal(data: bytes, framing: Framing = Framing.HEADER) -> DatagramError:
    """What `parse` itself says of the beginning of a datagram, which ends too early in any case."""
    error = Reading.of(data, (framing,)).error
    assert error
    return error


def _literal(value: Any, separator: str = "\n    ") -> str:
    """A value as Lua writes it, with each entry of a table on a line of its own."""
    match value:
        case dict():
            items = [f"{_key(key)} = {_literal(each, ' ')}" for key, each in value.items()]
        case list():
            items = [_literal(each, " ") for each in value]
        case _:
            return json.dumps(value)
    return f"{{{separator}{f',{separator}'.join(items)}{separator.rstrip(' ') or ' '}}}"


def _key(key: str | int) -> str:
    return key if isinstance(key, str) else f"[{key}]"

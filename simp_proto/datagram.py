"""The datagram between daemons, declared once (spec 2).

The Construct declaration below is the only description of the bytes: it parses, builds, and holds
the checksum. Its one parameter is the framing. Nothing of Construct leaves this module.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from typing import Any, Final, Literal

from construct import Bytes, Construct, ConstructError, Int32ub, Struct, Terminated, stream_read, this

from simp_proto.constants import OPERATIONS, USER_SIZE, Framing, Operation, Type
from simp_proto.errors import DatagramError


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram. Creating one checks each field and raises `DatagramError`.

    `user` holds the name's bytes without the NULs that pad it to 32. `sequence` is 0 or 1; in `bare`
    it may be up to 255, since foreign peers count so (spec 2.3). `checksum` is what was read from
    the wire; building always computes it again, and `None` means not built yet, or `bare`.
    """

    type: Type
    operation: Operation
    sequence: int
    user: bytes = b""
    payload: bytes = b""
    framing: Framing = Framing.HEADER
    checksum: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if OPERATIONS[self.type].get(self.operation) is not self.operation:
            raise self._refusal("operation", repr(self.operation), f"an operation of {self.type!r}")
        if self.sequence not in _SEQUENCES[self.framing]:
            raise self._refusal("sequence", str(self.sequence), _listed(_SEQUENCES[self.framing]))
        if len(self.user) > USER_SIZE or self.user.endswith(b"\0"):
            raise self._refusal("user", repr(self.user), f"at most {USER_SIZE} bytes without NULs at the end")
        if len(self.payload) > MAX_PAYLOAD_SIZES[self.framing]:
            raise self._refusal("length", str(len(self.payload)), f"at most {MAX_PAYLOAD_SIZES[self.framing]}")

    def _refusal(self, name: str, read: str, expected: str) -> DatagramError:
        return DatagramError(name, _OFFSETS[name], read, expected, framing=self.framing)

    @property
    def length(self) -> int:
        """The number of payload bytes (spec 2.5)."""
        return len(self.payload)

    @property
    def name(self) -> str:
        """The user's name for people."""
        return name_of(self.user)

    @property
    def text(self) -> str:
        """The payload for people."""
        return text_of(self.payload)


def name_of(user: bytes) -> str:
    """A user's bytes for people: what pads them is gone, bytes beyond ASCII are escaped (spec 2.4)."""
    return user.strip(b"\0 ").decode("ascii", "backslashreplace")


def text_of(payload: bytes) -> str:
    """A payload for people: UTF-8, each byte that is not shown as `\\xHH` (spec 5.6)."""
    return payload.decode("utf-8", "backslashreplace")


class _FieldError(ConstructError):  # type: ignore[misc]  # construct has no types
    """A value that a field must not have. Raised inside a declaration, which adds the offset."""

    def __init__(self, name: str, read: str, expected: str) -> None:
        super().__init__(f"{name}: {read}")
        self.name = name
        self.read = read
        self.expected = expected


class _Octet(Construct):  # type: ignore[misc]
    """One byte with a meaning: whatever is not in `values(context)` is refused."""

    def __init__(self, field: str, values: Callable[[Any], dict[int, Any]]) -> None:
        super().__init__()
        self.field = field
        self.values = values

    def _parse(self, stream: BytesIO, context: Any, path: str) -> Any:
        (read,) = stream_read(stream, 1, path)
        values = self.values(context)
        value = values.get(read)
        if value is None:
            raise _FieldError(self.field, f"0x{read:02x}", _listed(values))
        return value

    def _build(self, value: int, stream: BytesIO, context: Any, path: str) -> int:
        stream.write(bytes((value,)))
        return value

    def _sizeof(self, context: Any, path: str) -> int:
        return 1

    def _emitparse(self, code: Any) -> str:  # what is compiled says only that the value is wrong, by a KeyError
        code.linkedinstances[id(self)] = self.values
        return f"linkedinstances[{id(self)}](this)[io.read(1)[0]]"

    def _emitbuild(self, code: Any) -> str:
        return "(io.write(bytes((obj,))), obj)[1]"


class _User(Construct):  # type: ignore[misc]
    """Padded with NULs. Taking them off loses nothing, so what was read can be built again."""

    def _parse(self, stream: BytesIO, context: Any, path: str) -> bytes:
        read: bytes = stream_read(stream, USER_SIZE, path)
        return read.rstrip(b"\0")

    def _build(self, value: bytes, stream: BytesIO, context: Any, path: str) -> bytes:
        stream.write(value.ljust(USER_SIZE, b"\0"))
        return value

    def _sizeof(self, context: Any, path: str) -> int:
        return USER_SIZE

    def _emitparse(self, code: Any) -> str:
        return f"io.read({USER_SIZE}).rstrip(b'\\0')"

    def _emitbuild(self, code: Any) -> str:
        return f"(io.write(obj.ljust({USER_SIZE}, b'\\0')), obj)[1]"


class _ChecksumField(Construct):  # type: ignore[misc]
    """The checksum's two bytes. `_Checksum` fills or verifies them when the whole datagram is there."""

    def _parse(self, stream: BytesIO, context: Any, path: str) -> Any:
        context["checksum_at"] = stream.tell()
        return int.from_bytes(stream_read(stream, CHECKSUM_SIZE, path), "big")

    def _build(self, value: None, stream: BytesIO, context: Any, path: str) -> None:
        context["checksum_at"] = stream.tell()
        stream.write(b"\0\0")


class _Checksum(Construct):  # type: ignore[misc]
    """RFC 1071 over the whole datagram with the checksum's bytes zero (spec 2.6).

    The ones' complement sum of 16-bit words is the number that all bytes make, modulo 0xFFFF, since
    2**16 is 1 there: the big-endian one in `header`; `trailer` stores its two bytes swapped.
    """

    def __init__(self, swapped: bool) -> None:
        super().__init__()
        self.flagbuildnone = True
        self.byteorder: Literal["little", "big"] = "little" if swapped else "big"

    def computed(self, data: bytes, at: int) -> bytes:
        """The two bytes that belong at `at`."""
        whole = bytearray(data)
        whole[at : at + 2] = b"\0\0"
        if len(whole) % 2:
            whole.append(0)
        return (-int.from_bytes(whole, "big") % 0xFFFF).to_bytes(2, self.byteorder)

    def _parse(self, stream: BytesIO, context: Any, path: str) -> None:
        computed = self.computed(stream.getvalue(), context["checksum_at"])
        if int.from_bytes(computed, "big") != context["checksum"]:
            raise _FieldError("checksum", f"0x{context['checksum']:04x}", f"0x{computed.hex()}")

    def _build(self, value: None, stream: BytesIO, context: Any, path: str) -> None:
        computed = self.computed(stream.getvalue(), context["checksum_at"])
        stream.seek(context["checksum_at"])
        stream.write(computed)


class _Fields(Struct):  # type: ignore[misc]
    """A `Struct` that is compiled to what our fields ask for, with one plain dictionary as their context.

    Construct's own compiled form makes three of its containers for each datagram, which takes longer than the fields.
    """

    def _emitparse(self, code: Any) -> str:
        name = f"parse_{code.allocateId()}"
        lines = [(f"this[{each.name!r}] = " if each.name else "") + each._compileparse(code) for each in self.subcons]
        code.append("\n    ".join((f"def {name}(io):", "this = {}", *lines, "return this")))
        return f"{name}(io)"

    def _emitbuild(self, code: Any) -> str:
        name = f"build_{code.allocateId()}"
        lines = [f"obj = this.get({each.name!r}); {each._compilebuild(code)}" for each in self.subcons]
        code.append("\n    ".join((f"def {name}(this, io):", *lines)))
        return f"{name}(obj, io)"


def _declaration(framing: Framing) -> Struct:
    """The datagram, field by field in the order of the wire (spec 2)."""
    checksum = "checksum" / _ChecksumField()
    return _Fields(
        "type" / _Octet("type", lambda context: _TYPES),
        "operation" / _Octet("operation", lambda context: OPERATIONS[context["type"]]),
        "sequence" / _Octet("sequence", lambda context: _SEQUENCES[framing]),
        "user" / _User(),
        "length" / Int32ub,
        *([checksum] if framing is Framing.HEADER else []),
        "payload" / Bytes(this.length),
        *([checksum] if framing is Framing.TRAILER else []),
        Terminated,
        *([_CHECKSUMS[framing]] if framing in _CHECKSUMS else []),
    )


_CHECKSUMS: Final = {Framing.HEADER: _Checksum(swapped=False), Framing.TRAILER: _Checksum(swapped=True)}
_TYPES: Final = {member.value: member for member in Type}
_SEQUENCES: Final = {
    framing: {number: number for number in range(256 if framing is Framing.BARE else 2)} for framing in Framing
}
_DECLARATIONS: Final = {framing: _declaration(framing) for framing in Framing}
# What a conversation costs is mostly this, so the declaration is compiled. A compiled parser doesn't notice where its
# input ends: it is given only input of the right size. Whatever is wrong the declaration itself finds again, in words.
_COMPILED: Final = {framing: declaration.compile() for framing, declaration in _DECLARATIONS.items()}


def _offsets() -> dict[str, int]:
    """Where each field before the payload starts, from the declaration itself."""
    offsets, at = {}, 0
    for subcon in _DECLARATIONS[Framing.BARE].subcons:
        offsets[subcon.name] = at
        if subcon.name == "payload":
            break
        at += subcon.sizeof()
    return offsets


_OFFSETS: Final = _offsets()
HEAD_SIZE: Final = _OFFSETS["payload"]
"""Bytes before the payload of a `bare` datagram: 39."""
HEAD: Final = tuple(_OFFSETS)[:-1]
"""The fields before the payload, in order."""
_LENGTH: Final = struct.Struct(_DECLARATIONS[Framing.BARE].length.fmtstr)
CHECKSUM_SIZE: Final = 2
CHECKSUM_SIZES: Final = {Framing.HEADER: CHECKSUM_SIZE, Framing.TRAILER: CHECKSUM_SIZE, Framing.BARE: 0}
"""Bytes of checksum in each framing (spec 2.6)."""
MAX_PAYLOAD_SIZES: Final = {framing: 65_527 - HEAD_SIZE - extra for framing, extra in CHECKSUM_SIZES.items()}
"""Bytes of payload that UDP carries at most, which is over IPv6 (spec 2.7)."""


def _listed(values: dict[int, Any]) -> str:
    """What a byte may be, for people."""
    if len(values) == 256:
        return "0x00 to 0xff"
    return ", ".join(
        f"0x{key:02x} ({value.label})" if hasattr(value, "label") else f"0x{key:02x}" for key, value in values.items()
    )


def offset(name: str, framing: Framing, length: int) -> int:
    """The byte at which the field of that name starts in a datagram with `length` payload bytes."""
    if name == "checksum":
        return HEAD_SIZE + (length if framing is Framing.TRAILER else 0)
    return _OFFSETS[name] + (CHECKSUM_SIZE if name == "payload" and framing is Framing.HEADER else 0)


def payload_length(data: bytes | bytearray) -> int:
    """What the length of a datagram in any framing says (spec 2.5); 0 where it isn't all there."""
    length: int = _LENGTH.unpack_from(data, _OFFSETS["length"])[0] if len(data) >= HEAD_SIZE else 0
    return length


def build(datagram: Datagram) -> bytes:
    """The datagram's bytes in its framing, with the checksum computed (spec 2)."""
    built = BytesIO()
    _COMPILED[datagram.framing].buildfunc(
        {
            "type": datagram.type,
            "operation": datagram.operation,
            "sequence": datagram.sequence,
            "user": datagram.user,
            "length": len(datagram.payload),
            "payload": datagram.payload,
        },
        built,
        None,
    )
    return built.getvalue()


def parse(data: bytes, framings: tuple[Framing, ...] = tuple(Framing)) -> Datagram:
    """The datagram that `data` is, in the first of `framings` that fits; raises `DatagramError`.

    `bare` is recognised by its size. `header` and `trailer` have the same size and are told apart by which checksum is
    right; where both are, the order of `framings` decides (spec 2.6).
    """
    return _parse(data, framings) if len(data) > HEAD_SIZE + CHECKSUM_SIZE else _parse_again(data, framings)


def reading_order(framing: Framing | None) -> tuple[Framing, ...]:
    """The order in which to try the framings in a conversation in that one.

    Where nothing follows the head, one checksum may be right in `header` and in `trailer` (spec 2.6). A refusal is
    reported in the first.
    """
    return _ORDERS[framing or Framing.HEADER]


_ORDERS: Final = {first: (first, *(framing for framing in Framing if framing is not first)) for first in Framing}


def with_checksum(data: bytes, framing: Framing) -> bytes:
    """Those bytes with the checksum that they should carry, for making datagrams that are wrong in another field.

    `data` is at least `HEAD_SIZE + CHECKSUM_SIZE` long; `bare` has no checksum, and stays as it is.
    """
    if framing is Framing.BARE:
        return data
    at = HEAD_SIZE if framing is Framing.HEADER else len(data) - CHECKSUM_SIZE
    return data[:at] + _CHECKSUMS[framing].computed(data, at) + data[at + CHECKSUM_SIZE :]


def _parse(data: bytes, framings: tuple[Framing, ...]) -> Datagram:
    fitting = _fitting(data, framings)
    for framing in fitting:
        try:
            return _datagram(_COMPILED[framing].parsefunc(BytesIO(data), None), framing)
        except (_FieldError, KeyError):
            continue
    raise _refusal(data, (fitting or framings)[0])  # in words, which the declaration itself finds


# Half of a chat's datagrams are ACKs, the same few bytes again and again, so they are looked up.
_parse_again = lru_cache(maxsize=256)(_parse)


def _fitting(data: bytes, framings: tuple[Framing, ...]) -> list[Framing]:
    """Those framings in which the datagram has exactly the size that its length asks for (spec 2.6)."""
    extra = len(data) - HEAD_SIZE - payload_length(data)
    return [framing for framing in framings if extra == CHECKSUM_SIZES[framing]]


def _datagram(read: dict[str, Any], framing: Framing) -> Datagram:
    """What a declaration has read."""
    fields = read["type"], read["operation"], read["sequence"], read["user"], read["payload"]
    return Datagram(*fields, framing, read.get("checksum"))


def _refusal(data: bytes, framing: Framing) -> DatagramError:
    """Why those bytes are no datagram in that framing."""
    try:
        _DECLARATIONS[framing].parse(data)
    except _FieldError as refused:
        at = offset(refused.name, framing, len(data) - HEAD_SIZE - CHECKSUM_SIZES[framing])
        return DatagramError(refused.name, at, refused.read, refused.expected, framing=framing)
    except ConstructError:
        pass
    return _wrong_size(data, framing)


def _wrong_size(data: bytes, framing: Framing) -> DatagramError:
    """What to say where the datagram ends too early, or goes on after its payload."""
    size, extra = len(data), CHECKSUM_SIZES[framing]
    if size < HEAD_SIZE + extra:
        name, least, section = "length", f"at least {HEAD_SIZE + extra} bytes in {framing.value}", "2.6"
        if size < HEAD_SIZE:
            name, least, section = _name_at(size), f"at least {HEAD_SIZE} bytes", "2"
        read = f"the end after {size} bytes"
        return DatagramError(name, _OFFSETS[name], read, least, section=section, framing=framing)
    payload = size - HEAD_SIZE - extra
    checksum = f", {extra} of checksum" if extra else ""
    parts = f"{HEAD_SIZE} of fixed fields{checksum} and {payload} of payload"
    expected = f"{payload}: {size} bytes in {framing.value} are {parts}"
    # Where the length is right in another framing, it isn't the length that is wrong.
    section = "2.6" if _fitting(data, tuple(Framing)) else "2.5"
    length = str(payload_length(data))
    return DatagramError("length", _OFFSETS["length"], length, expected, section=section, framing=framing)


def _name_at(at: int) -> str:
    """The field before the payload that has that byte."""
    return max((name for name in _OFFSETS if _OFFSETS[name] <= at), key=lambda name: _OFFSETS[name])

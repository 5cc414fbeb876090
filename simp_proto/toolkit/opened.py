"""What a key log made of a datagram that is sealed: its frames, for people and scripts (simp2 6.5, 10.2)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from simp_proto.cli.output import counted
from simp_proto.datagram import name_of, text_of
from simp_proto.errors import SealedError
from simp_proto.printable import printable
from simp_proto.sealed.frames import (
    TEXT,
    Close,
    Frame,
    Hello,
    Message,
    Piece,
    State,
    Unknown,
    build_frames,
    read_message,
)
from simp_proto.toolkit.frame import moment

_CALLED: Final = {1: "first", 2: "last", 3: "whole"}
"""What the flags of a piece say of its place in a message."""


@dataclass(frozen=True, slots=True)
class Opened:
    """`plain` is what was sealed, by the caller or the callee; `error` what is wrong with the frames in it.

    Where it couldn't be opened, `why` says so; `forged` means that the key is there, and isn't that of the seal.
    """

    side: str = ""
    plain: bytes = b""
    frames: tuple[Frame, ...] = ()
    error: SealedError | None = None
    why: str = ""
    forged: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether a daemon with the same keys would ignore it, or call it a fault."""
        return self.forged or self.error is not None

    @property
    def in_words(self) -> str:
        """`ACKED 2, PIECE 1 'hello'`, or what is wrong, printable."""
        if self.error:
            return f"wrong frames ({self.error.rule}): {printable(str(self.error))}"
        return self.why or ", ".join(map(_words, self.frames)) or "no frames"

    @property
    def title(self) -> str:
        """Whose key opened it, and how much there was."""
        return f"opened with the {self.side}'s key, {counted(len(self.plain), 'byte')} of frames"

    @property
    def as_json(self) -> dict[str, Any]:
        """Whose it is and its frames, by the names of spec/sealed.toml; or why there are none."""
        if self.why:
            return {"forged": self.forged, "why": self.why}
        if self.error:
            return {
                "side": self.side,
                "error": str(self.error),
                "section": self.error.section,
                "plain": self.plain.hex(),
            }
        return {"from": self.side, "frames": [_as_json(frame) for frame in self.frames]}

    def parts(self) -> Iterator[tuple[str, bytes, str]]:
        """Each frame, and the padding: what it is, its bytes, and what they mean, for people."""
        if self.error:
            yield "frames", self.plain, "wrong"
            return
        at = 0
        for frame in self.frames:
            size = len(build_frames([frame]))
            yield _name(frame), self.plain[at : at + size], _meaning(frame)
            at += size
        if self.plain[at:]:
            yield "padding", b"", counted(len(self.plain) - at, "byte")


def _name(frame: Frame) -> str:
    return f"0x{frame.type:02x}" if isinstance(frame, Unknown) else type(frame).__name__.upper()


def _message(piece: Piece) -> Message | None:
    """The beginning of a message, with its kind and time, if the piece begins one (simp2 7.1)."""
    try:
        return read_message(piece.data) if piece.first else None
    except SealedError:
        return None


def _words(frame: Frame) -> str:
    match frame:
        case Hello():
            rest = f"'{printable(name_of(frame.name))}'"
        case State():
            rest = f"{frame.first} {frame.next}"
        case Piece():
            rest = f"{frame.number} {_said(frame)}"
        case Close():
            rest = f"{frame.reason} '{printable(text_of(frame.text))}'" if frame.text else str(frame.reason)
        case _:
            rest = str(getattr(frame, "next", ""))
    return f"{_name(frame)} {rest}".rstrip()


def _said(piece: Piece) -> str:
    """The text in a piece; of a message of another kind, which."""
    message = _message(piece)
    if message and message.kind != TEXT:
        return f"of kind {message.kind}"
    return f"'{printable(text_of(message.body if message else piece.data))}'"


def _meaning(frame: Frame) -> str:
    match frame:
        case Hello():
            return f"'{printable(name_of(frame.name))}', features {frame.features}, Ed25519 {frame.signing_key.hex()}"
        case Piece():
            message = _message(frame)
            written = f", written {moment(message.time / 1000)}" if message else ""
            place = f", {_CALLED[frame.flags]}" if frame.flags else ""
            return f"number {frame.number}{place}{written}: {_said(frame)}"
        case Close():
            return f"reason {frame.reason}: '{printable(text_of(frame.text))}'"
        case Unknown():
            return f"{counted(len(frame.body), 'byte')} of a frame of a later version"
        case _:
            return ", ".join(f"{name} {value}" for name, value in _as_json(frame).items() if name != "type")


def _as_json(frame: Frame) -> dict[str, Any]:
    fields = asdict(frame)
    match frame:
        case Unknown():
            fields["code"] = fields.pop("type")
        case Hello():
            fields["name"] = name_of(frame.name)
        case Close():
            fields["text"] = text_of(frame.text)
        case Piece():
            message = _message(frame)
            fields |= {"kind": message.kind, "time": message.time} if message else {}
            fields["text"] = text_of(message.body if message else frame.data)
    kind = "UNKNOWN" if isinstance(frame, Unknown) else _name(frame)
    return {"type": kind} | {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}

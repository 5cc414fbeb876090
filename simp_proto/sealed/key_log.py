"""The line of a key log: the keys of one session (simp2 10.2)."""

from dataclasses import astuple, dataclass
from typing import Final

from simp_proto.constants import KEY_SIZE, TAG_SIZE
from simp_proto.errors import KeyLogError
from simp_proto.sealed.payloads import SESSION_SIZE

_LABEL: Final = "SIMP2"
_SIZES: Final = (TAG_SIZE, SESSION_SIZE, KEY_SIZE, KEY_SIZE, KEY_SIZE, KEY_SIZE)
_NAMES: Final = ("tag", "session", "key of message 2", "key of message 3", "caller's key", "callee's key")
_MOST: Final = 20
"""Characters of a wrong word that are shown."""


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What opens a session: the keys that seal the frames of messages 2 and 3, then those of records (simp2 5.4)."""

    tag: bytes
    session: bytes
    message_2: bytes
    message_3: bytes
    caller: bytes
    callee: bytes


def build_line(keys: SessionKeys) -> str:
    """The line, without its end."""
    return " ".join((_LABEL, *(value.hex() for value in astuple(keys))))


def read_line(line: str) -> SessionKeys | None:
    """What the line says; `None` for one that says nothing. Raises `KeyLogError`."""
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    label, *fields = words
    if label != _LABEL:
        raise KeyLogError(f"read {_shown(label)}, expected {_LABEL}")
    if len(fields) != len(_SIZES):
        raise KeyLogError(f"read {len(fields)} words after {_LABEL}, expected {len(_SIZES)}: {', '.join(_NAMES)}")
    return SessionKeys(*map(_bytes, _NAMES, fields, _SIZES))


def _bytes(name: str, word: str, size: int) -> bytes:
    try:
        value = bytes.fromhex(word)
    except ValueError:
        value = b""
    if len(value) != size:
        raise KeyLogError(f"{name}: read {_shown(word)}, expected {2 * size} hexadecimal digits")
    return value


def _shown(word: str) -> str:
    return repr(word) if len(word) <= _MOST else f"{word[:_MOST]!r}... ({len(word):,} characters)"

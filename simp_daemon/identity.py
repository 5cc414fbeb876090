"""Who this daemon is: `identity.key`, two private keys, made once (spec/simp2.md 1.2, 9.1)."""

import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simp_daemon.files import StateError, create, make_directory, sync_directory
from simp_proto.noise import KeyPair

_FILE: Final = re.compile(rb"SIMP identity 1\nx25519 ([0-9a-f]{64})\ned25519 ([0-9a-f]{64})\ncheck ([0-9a-f]{16})\n")
_FIRST_WORDS: Final = b"SIMP identity "


class IdentityError(StateError):
    """`identity.key` is damaged, foreign, of another version, or for others to read. It is left as it is."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Private keys, 32 bytes each, of which the public ones are computed. Never shown, logged or sent."""

    x25519: bytes
    ed25519: bytes

    def __repr__(self) -> str:
        return "Identity(...)"

    @property
    def signing_key(self) -> bytes:
        """The public half of the Ed25519 key."""
        return Ed25519PrivateKey.from_private_bytes(self.ed25519).public_key().public_bytes_raw()

    @property
    def public(self) -> tuple[bytes, bytes]:
        """The public keys, X25519 and Ed25519."""
        return KeyPair(self.x25519).public, self.signing_key


def read_identity(directory: Path) -> Identity:
    """The one that is kept there, which is made if there is none; raises `IdentityError`."""
    path = directory / "identity.key"
    try:
        make_directory(directory)
        with suppress(FileExistsError):
            if not path.exists():
                _make(path)
        mode, data = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise IdentityError(f"{path} can't be used: {error.strerror}") from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise IdentityError(f"others may read {path}, and so be you: chmod 600 it; if they did, they have your keys")
    return _parsed(path, data)


def _make(path: Path) -> None:
    """Whole or not at all, and never over another; raises `FileExistsError` if somebody else was quicker."""
    whole = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    create(whole, _text(Identity(secrets.token_bytes(32), secrets.token_bytes(32))))
    try:
        os.link(whole, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(path) from None
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)
    sync_directory(path.parent)


def _text(identity: Identity) -> bytes:
    keys = f"x25519 {identity.x25519.hex()}\ned25519 {identity.ed25519.hex()}\n"
    return f"SIMP identity 1\n{keys}check {sha256(keys.encode()).hexdigest()[:16]}\n".encode()


def _parsed(path: Path, data: bytes) -> Identity:
    if match := _FILE.fullmatch(data):
        identity = Identity(bytes.fromhex(match[1].decode()), bytes.fromhex(match[2].decode()))
        if _text(identity) == data:
            return identity
    if data.startswith(_FIRST_WORDS) and not data.startswith(_FIRST_WORDS + b"1\n"):
        raise IdentityError(f"{path} was written by another version of simp: use that one, or a newer one")
    raise IdentityError(
        f"{path} is damaged: put a copy of it back. Whoever moves it away becomes somebody new to all contacts"
    )

"""The handshake of SIMP/2: Noise_XX_25519_ChaChaPoly_SHA256, and nothing else of Noise.

Sections are those of the Noise Protocol Framework, revision 34, and names are its own. Keys and randomness are
arguments. One thing differs: a message that can't be read doesn't end the handshake (5.3), since anybody may have
forged the datagram that it came in. It leaves no trace, and the true one can be read after it.
"""

import hmac
from copy import copy
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from simp_proto.constants import KEY_SIZE
from simp_proto.errors import LowOrderError, NoiseError

PROTOCOL_NAME: Final = b"Noise_XX_25519_ChaChaPoly_SHA256"
SEALED_KEY_SIZE: Final = KEY_SIZE + 16
"""With what authenticates it (4.2)."""
MAX_NOISE_SIZE: Final = 65535
"""Bytes of any message of Noise (3)."""
XX: Final = (("e", 32), ("e ee s es", 96), ("s se", 64))
"""Each message's tokens (7.5), and how many bytes it has when its payload is empty (3)."""


def hkdf(chaining_key: bytes, input_key_material: bytes) -> tuple[bytes, bytes]:
    """Two outputs of 32 bytes (4.3): HKDF of RFC 5869 with SHA-256, `chaining_key` as salt, and no info."""
    temp_key = hmac.digest(chaining_key, input_key_material, "sha256")
    output1 = hmac.digest(temp_key, b"\1", "sha256")
    return output1, hmac.digest(temp_key, output1 + b"\2", "sha256")


def nonce(n: int) -> bytes:
    """What ChaCha20Poly1305 takes for the counter `n` (12.3), of 0 to 2**64 - 2 (5.1): 12 bytes."""
    return bytes(4) + n.to_bytes(8, "little")


class KeyPair:
    """A private key of 32 random bytes (other sizes raise `ValueError`), and the public key that it gives (4.1).

    Keep it: making one costs as much as an exchange.
    """

    __slots__ = ("_private", "public")

    def __init__(self, private: bytes) -> None:
        self._private = X25519PrivateKey.from_private_bytes(private)
        self.public = self._private.public_key().public_bytes_raw()

    def dh(self, public: bytes) -> bytes:
        """The 32 bytes shared with the owner of `public`. Raises `LowOrderError`, as 12.1 allows."""
        remote = X25519PublicKey.from_public_bytes(public)
        try:
            return self._private.exchange(remote)
        except ValueError:
            raise LowOrderError(f"read the public key {public.hex()}, which is of low order") from None


class SymmetricState:
    """The chaining key `ck` and the hash `h` (5.2), with the key `k` and the counter `n` of a CipherState (5.1)."""

    __slots__ = ("ck", "h", "k", "n")

    def __init__(self, prologue: bytes) -> None:
        self.ck = self.h = PROTOCOL_NAME  # it has 32 bytes, and so needs no padding
        self.k: bytes | None = None
        self.n = 0
        self.mix_hash(prologue)

    def mix_key(self, input_key_material: bytes) -> None:
        self.ck, self.k = hkdf(self.ck, input_key_material)
        self.n = 0

    def mix_hash(self, data: bytes) -> None:
        self.h = sha256(self.h + data).digest()

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """While there is no key, the plaintext as it is."""
        ciphertext = plaintext
        if self.k is not None:
            ciphertext = ChaCha20Poly1305(self.k).encrypt(nonce(self.n), plaintext, self.h)
            self.n += 1
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        plaintext = ciphertext
        if self.k is not None:
            try:
                plaintext = ChaCha20Poly1305(self.k).decrypt(nonce(self.n), ciphertext, self.h)
            except InvalidTag:
                raise NoiseError("not authentic: damaged, forged, or of another handshake or prologue") from None
            self.n += 1
        self.mix_hash(ciphertext)
        return plaintext


class HandshakeState:
    """One end of a handshake (5.3): the initiator writes messages 1 and 3 and reads 2, the responder the reverse.

    `s` is the static key pair of this end, `e` its ephemeral one: no other handshake may get beyond message 1 with it.
    An initiator's may be made long before; message 1 is `e.public` and the payload, both in the clear. Whoever repeats
    a message sends the same bytes again. A call out of turn raises `RuntimeError`.
    """

    def __init__(self, *, initiator: bool, prologue: bytes, s: KeyPair, e: KeyPair) -> None:
        self._initiator = initiator
        self._local = {"s": s, "e": e}
        self._remote: dict[str, bytes] = {}
        self._symmetric = SymmetricState(prologue)
        self._messages = 0  # written and read
        self.payload_keys: tuple[bytes, ...] = ()
        """The keys that seal the payloads of messages 2 and 3, as far as they are written and read: for a key log."""

    def write_message(self, payload: bytes = b"") -> bytes:
        """The next message. Raises `ValueError` if it is longer than 65,535 bytes.

        The responder's raises `LowOrderError` for the key of message 1, with which nothing is computed before.
        """
        tokens, _ = self._next(writing=True)
        symmetric, message = copy(self._symmetric), b""
        for token in tokens.split():
            if token == "e":
                symmetric.mix_hash(self._local["e"].public)
                message += self._local["e"].public
            elif token == "s":
                message += symmetric.encrypt_and_hash(self._local["s"].public)
            else:
                symmetric.mix_key(self._dh(token, self._remote))
        message += symmetric.encrypt_and_hash(payload)
        if len(message) > MAX_NOISE_SIZE:
            raise ValueError(f"a message of {len(message)} bytes, expected at most {MAX_NOISE_SIZE}")
        self._pass(symmetric)
        return message

    def read_message(self, message: bytes) -> bytes:
        """The payload of the next message. Raises `NoiseError` for any other bytes, and then nothing has changed."""
        tokens, shortest = self._next(writing=False)
        if not shortest <= len(message) <= MAX_NOISE_SIZE:
            raise NoiseError(f"read {len(message)} bytes, expected {shortest} to {MAX_NOISE_SIZE}")
        symmetric, remote, rest = copy(self._symmetric), dict(self._remote), message
        for token in tokens.split():
            if token == "e":
                remote["e"], rest = rest[:KEY_SIZE], rest[KEY_SIZE:]
                symmetric.mix_hash(remote["e"])
            elif token == "s":
                remote["s"], rest = symmetric.decrypt_and_hash(rest[:SEALED_KEY_SIZE]), rest[SEALED_KEY_SIZE:]
            else:
                symmetric.mix_key(self._dh(token, remote))
        payload = symmetric.decrypt_and_hash(rest)
        self._remote = remote
        self._pass(symmetric)
        return payload

    @property
    def remote_static(self) -> bytes:
        """The other end's static public key, once a message with it is read. It may be one's own."""
        if "s" not in self._remote:
            raise RuntimeError("no message with the other end's static key has been read")
        return self._remote["s"]

    def split(self) -> tuple[bytes, bytes, bytes]:
        """After message 3: the keys from initiator to responder and back (5.2), and the handshake hash (11.2)."""
        if self._messages < len(XX):
            raise RuntimeError(f"{self._messages} of {len(XX)} messages have been written and read")
        return *hkdf(self._symmetric.ck, b""), self._symmetric.h

    def _pass(self, symmetric: SymmetricState) -> None:
        """A message has been written or read."""
        self._symmetric, self._messages = symmetric, self._messages + 1
        if symmetric.k is not None:
            self.payload_keys += (symmetric.k,)

    def _dh(self, token: str, remote: dict[str, bytes]) -> bytes:
        """The exchange that a token of two letters names: the initiator's key, then the responder's."""
        keys = token if self._initiator else token[::-1]  # this end's, then the other's
        return self._local[keys[0]].dh(remote[keys[1]])

    def _next(self, *, writing: bool) -> tuple[str, int]:
        if self._messages == len(XX):
            raise RuntimeError("all messages have been written and read")
        if writing != (self._initiator == (self._messages % 2 == 0)):
            role, does = "initiator" if self._initiator else "responder", "reads" if writing else "writes"
            raise RuntimeError(f"the {role} {does} message {self._messages + 1} next")
        return XX[self._messages]

"""What is sealed, opened with its key (simp2 5.1, 6.3, 10.2)."""

from copy import copy
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from simp_proto.constants import KEY_SIZE, Operation, PayloadKind
from simp_proto.noise import SEALED_KEY_SIZE, SymmetricState, nonce
from simp_proto.sealed.payloads import SEAL_SIZE, Record, associated_data

_CLEAR: Final = {PayloadKind.ANSWER: (KEY_SIZE, SEALED_KEY_SIZE), PayloadKind.CONFIRM: (SEALED_KEY_SIZE,)}
"""What is in front of the sealed frames of a message of the handshake: how many bytes each part has (simp2 3.1)."""


def open_record(cipher: ChaCha20Poly1305, operation: Operation, record: Record) -> bytes | None:
    """The frames of a record in that operation, with their padding; `None` if the key isn't that of its seal."""
    associated = associated_data(operation, record.session, record.counter, len(record.sealed) - SEAL_SIZE)
    try:
        return cipher.decrypt(nonce(record.counter), record.sealed, associated)
    except InvalidTag:
        return None


def begin_transcript(prologue: bytes, e: bytes) -> SymmetricState:
    """What a handshake has hashed after message 1, whose payload is empty."""
    state = SymmetricState(prologue)
    state.mix_hash(e)
    state.mix_hash(b"")
    return state


def open_message(state: SymmetricState, kind: PayloadKind, message: bytes, key: bytes) -> tuple[bytes, SymmetricState]:
    """The frames of an ANSWER's or CONFIRM's message, by the key that seals them, and what is hashed after it.

    `state` is that of before, which stays as it is. Raises `NoiseError`.
    """
    state = copy(state)
    for size in _CLEAR[kind]:
        state.mix_hash(message[:size])
        message = message[size:]
    state.k, state.n = key, 0
    return state.decrypt_and_hash(message), state

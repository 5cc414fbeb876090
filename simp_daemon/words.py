"""Words that two people compare, to know that their keys are each other's (spec/simp2.md 5.6)."""

from functools import cache
from hashlib import scrypt
from importlib.resources import files
from typing import Final

_BITS: Final = 11
"""Of each word."""
_COUNT: Final = 6
_MEMORY: Final = 64 << 20
"""Bytes that scrypt may take; it needs half of them."""


def words_of(key: bytes, signing_key: bytes) -> str:
    """The six words of a person with these public keys, X25519 and Ed25519. Takes about a tenth of a second."""
    size = -(-_COUNT * _BITS // 8)
    made = scrypt(key + signing_key, salt=b"SIMP/2 words", n=1 << 15, r=8, p=1, maxmem=_MEMORY, dklen=size)
    number = int.from_bytes(made) >> (size * 8 - _COUNT * _BITS)
    places = (number >> _BITS * place & (1 << _BITS) - 1 for place in reversed(range(_COUNT)))
    return " ".join(_list()[place] for place in places)


@cache
def _list() -> list[str]:
    text = files("simp_daemon").joinpath("words.txt").read_text("ascii")
    return [line for line in text.splitlines() if not line.startswith("#")]

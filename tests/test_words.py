"""Ids and words of keys: what the golden file says, which other code has made (spec/simp2.md 5.6)."""

import tomllib
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from simp_daemon.contacts import id_of
from simp_daemon.identity import Identity
from simp_daemon.words import words_of

GOLDEN = tomllib.loads((Path(__file__).parent.parent / "spec" / "sealed.toml").read_text("utf-8"))
MADE = [each for each in GOLDEN["made"] if each["what"] in ("id", "words")]
PUBLISHED = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
"""SHA-256 of the list as it is published."""


@pytest.mark.parametrize("made", MADE, ids=lambda made: made["name"])
def test_ids_and_words_are_the_golden_ones(made: dict[str, Any]) -> None:
    keys = bytes.fromhex(made["x25519"]), bytes.fromhex(made["ed25519"])
    assert (id_of if made["what"] == "id" else words_of)(*keys) == made["value"]


def test_the_list_is_the_published_one() -> None:
    lines = files("simp_daemon").joinpath("words.txt").read_text("ascii").splitlines(keepends=True)
    words = [line for line in lines if not line.startswith("#")]
    assert sha256("".join(words).encode()).hexdigest() == PUBLISHED
    assert len(words) == 2048


def test_public_keys_are_those_of_the_private_ones() -> None:
    keys = {each["name"]: each for each in GOLDEN["key"]}
    for whose in ("caller", "callee"):
        static, signing = (
            next(key for name, key in keys.items() if whose in name and part in name) for part in ("static", "signing")
        )
        identity = Identity(bytes.fromhex(static["private"]), bytes.fromhex(signing["private"]))
        assert identity.public == (bytes.fromhex(static["public"]), bytes.fromhex(signing["public"]))

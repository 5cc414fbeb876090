"""What a daemon needs of the world, besides time, to speak SIMP/2."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simp_daemon.contacts import Contact
from simp_daemon.facts import Ledger
from simp_proto.noise import KeyPair


@dataclass(frozen=True)
class Means:
    """Its keys, whom it knows, random bytes, a clock on the wall.

    `clock` is in milliseconds since 1970, for show only (spec 7.1); `run` is a word that no other run of the daemon
    has, so that no token of a message is used twice.
    """

    keys: KeyPair
    signing_key: bytes
    contacts: Sequence[tuple[Contact, Ledger]]
    random: Callable[[int], bytes]
    clock: Callable[[], int]
    run: str
    only_sealed: bool = False
    """Whether SIMP/1 is refused (spec 9.5)."""
    logs_keys: bool = False
    """Whether somebody wants to read everything later (spec 10.2)."""
    hides: bool = False
    """Whether strangers are told no name (discovery 5.3)."""

    def token(self, message: int) -> str:
        """By which the store knows a message of ours, which no other run of the daemon has."""
        return f"{self.run}-{message}"

    def message(self, token: str) -> int | None:
        """The identity of the message of that token, if it was said in this run."""
        run, _, number = token.rpartition("-")
        return int(number) if run == self.run else None

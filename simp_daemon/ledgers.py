"""Ledgers of conversations in the tables of the store, and all messages, by the contact's number there."""

from collections.abc import Callable
from typing import Final

from simp_daemon.contacts import Fate, Message
from simp_daemon.database import Database
from simp_daemon.facts import (
    TOKENS,
    Acknowledged,
    Fact,
    GivenUp,
    Jumped,
    Ledger,
    Opened,
    Received,
    Renumbered,
    Said,
    cut,
)
from simp_proto.sealed.frames import FIRST, Piece

Clear = tuple[str, int, str]
"""A peer of SIMP/1: its IP address, its port, its name."""
NOBODY: Final = (None, None, None)


class Ledgers:
    """`now` is in milliseconds since 1970. Whoever changes anything has begun a transaction."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._run = database.run
        self._now = now

    def apply(self, contact: int, fact: Fact) -> None:
        """Makes it so, as `Ledger.apply` does."""
        match fact:
            case Opened():
                self._run("UPDATE contact SET open = ? WHERE id = ?", fact.open, contact)
            case Said():
                last = fact.pieces[-1].number
                content = b"".join(piece.data for piece in fact.pieces)
                self.add(Fate.WAITING, content, token=fact.token, contact=contact, last=last)
                self._run("UPDATE contact SET next = ? WHERE id = ?", last + 1, contact)
            case Acknowledged() | GivenUp():
                self._run(
                    "UPDATE message SET fate = ? WHERE contact = ? AND fate = 'waiting' AND last <= ?",
                    *(Fate.DELIVERED if isinstance(fact, Acknowledged) else Fate.UNDELIVERED, contact, fact.number),
                )
                self._run(  # what came late may have been given up by a command
                    "UPDATE contact SET acknowledged = ?, chain = ? WHERE id = ? AND acknowledged < ?",
                    *(fact.number, fact.chain, contact, fact.number),
                )
            case Renumbered():
                (acknowledged,) = self._run("SELECT acknowledged FROM contact WHERE id = ?", contact).fetchone()
                further = fact.number - acknowledged
                self._run(
                    "UPDATE message SET last = last + ?, doubtful = 1 WHERE contact = ? AND fate = 'waiting'",
                    *(further, contact),
                )
                self._run(
                    "UPDATE contact SET next = next + ?, acknowledged = ?, chain = ? WHERE id = ?",
                    *(further, fact.number, fact.chain, contact),
                )
            case Received() | Jumped():
                self._receive(contact, fact)

    def give_up(self, contact: int) -> None:
        """All that waits there."""
        ledger = self.ledger(contact)
        if ledger.waiting:
            self.apply(contact, GivenUp(ledger.next - 1, ledger.chain_at(ledger.next - 1)))

    def _receive(self, contact: int, fact: Received | Jumped) -> None:
        before = self._unfinished(contact)
        ledger = Ledger(unfinished=before)
        for message in ledger.apply(fact):
            self.add(Fate.RECEIVED, message, contact=contact)
        if isinstance(fact, Jumped) and before and before[0].flags & FIRST:
            self.add(Fate.TORN, b"".join(piece.data for piece in before), contact=contact)
        after = ledger.unfinished
        new = after[len(before) :] if before == after[: len(before)] else after
        if new is after and before:
            self._run("DELETE FROM piece WHERE contact = ?", contact)
        for piece in new:
            self._run("INSERT INTO piece VALUES (?, ?, ?, ?)", contact, piece.number, piece.flags, piece.data)
        self._run("UPDATE contact SET stored = ?, upto = ? WHERE id = ?", ledger.stored, ledger.upto, contact)

    def add(
        self,
        fate: Fate,
        content: bytes,
        *,
        token: str | None = None,
        contact: int | None = None,
        last: int | None = None,
        clear: Clear | tuple[None, None, None] = NOBODY,
    ) -> None:
        """A message of ours, if it has a token, or a peer's: of a contact, or of SIMP/1."""
        self._run(
            "INSERT INTO message (at, ours, fate, token, content, contact, last, host, port, name)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(self._now(), token is not None, fate, token, content, contact, last, *clear),
        )

    def ledger(self, contact: int) -> Ledger:
        """As it goes on."""
        is_open, next_, acknowledged, chain, stored, upto = self._run(
            "SELECT open, next, acknowledged, chain, stored, upto FROM contact WHERE id = ?", contact
        ).fetchone()
        ledger = Ledger(bool(is_open), next_, acknowledged, chain, stored=stored, upto=upto)
        number = acknowledged + 1
        for token, content in self._run(
            "SELECT token, content FROM message WHERE contact = ? AND fate = 'waiting' ORDER BY last", contact
        ):
            pieces = list(cut(content, number))
            number += len(pieces)
            ledger.pieces.update((piece.number, piece) for piece in pieces)
            ledger.waiting[token] = number - 1
        settled = self._run(
            "SELECT token FROM message WHERE contact = ? AND ours AND fate <> 'waiting' ORDER BY id DESC LIMIT ?",
            *(contact, TOKENS),
        )
        ledger.settled = dict.fromkeys(token for (token,) in reversed(settled.fetchall()))
        ledger.unfinished = self._unfinished(contact)
        return ledger

    def _unfinished(self, contact: int) -> tuple[Piece, ...]:
        rows = self._run("SELECT number, flags, data FROM piece WHERE contact = ? ORDER BY number", contact)
        return tuple(Piece(*row) for row in rows)

    def history(self, contact: int | None, after: int, limit: int) -> list[Message]:
        """The first messages after that number: with a contact, or `None` for all of SIMP/1."""
        rows = self._run(
            "SELECT id, at, ours, fate, doubtful, content, host, port, name FROM message"
            " WHERE contact IS ? AND id > ? ORDER BY id LIMIT ?",
            *(contact, after, limit),
        )
        return [
            Message(id_, at, bool(ours), Fate(fate), bool(doubtful), content, host and (host, port), name)
            for id_, at, ours, fate, doubtful, content, host, port, name in rows
        ]

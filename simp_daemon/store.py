"""What outlives the daemon: contacts, conversations and their messages (spec/simp2.md 7.4).

What a commit means is `Ledger.apply`; the tables say the same, so that a ledger that is loaded is the one that had the
same facts. The history is kept, and read by parts: only what isn't acknowledged is loaded.

All calls block, for as long as the disk takes. A store may be used by any thread, by one at a time; while it waits for
the disk it lets others run. A commit that fails changes nothing, and may be tried again with the same changes.

One daemon has a profile at a time. Commands read and write it meanwhile, each in a transaction of its own: `changed`
says that one has. Asked when something occurs, which is when it matters (spec 9.7), that costs less than a signal would
in code, and every system has it.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from simp_daemon.contacts import (
    ADDRESSES,
    About,
    Change,
    ClearReceived,
    ClearSaid,
    ClearSettled,
    Contact,
    Fate,
    KeyChanged,
    Message,
    Reached,
    Replaced,
    Trust,
    Trusted,
)
from simp_daemon.database import Database
from simp_daemon.facts import Ledger, Pinned
from simp_daemon.ledgers import Ledgers
from simp_daemon.store_errors import StoreError
from simp_proto.address import Address


class OvertakenError(StoreError):
    """What our person decided of a contact rests on what is no longer so."""


class Store:
    """The one in that directory, which is made; raises `StateError`, as all that it does may.

    `daemon` is whether it is held by this process until `close`, as a daemon's is, or used by a command. A daemon's
    store that is damaged is set aside and begun anew here; later, `DamagedError` says that it was set aside.
    """

    def __init__(self, directory: Path, *, daemon: bool, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._late: list[Change] = []
        self._database = Database(directory, daemon=daemon)
        self._run = self._database.run
        self._ledgers = Ledgers(self._database, self._now)
        self.notices = self._database.notices
        """What our person must be told: sentences."""
        try:
            if daemon:
                self._begin()
        except BaseException:
            self._database.close()
            raise

    # -- what changes it

    def commit(self, changes: Iterable[Change]) -> None:
        """Returns when they are on the disk, all of them, with what was deferred; raises `StoreError` if none is.

        What a person decides is committed by itself: `OvertakenError` would refuse the rest as well.
        """
        self._write([*self._late, *changes])
        self._late = []

    def defer(self, change: Change) -> None:
        """Commits it with the next ones, or at the end (`may_wait`)."""
        self._late.append(change)

    def _write(self, changes: Sequence[Change]) -> None:
        with self._database.transaction():
            for change in changes:
                self._apply(change)

    def _apply(self, change: Change) -> None:
        match change:
            case About(key, fact):
                self._ledgers.apply(self._contact(key), fact)
            case Pinned():
                self._pin(change)
                self._reach(self._contact(change.key), change.name, change.address)
            case Reached(key, name, address):
                self._reach(self._contact(key), name, address)
            case KeyChanged(key, other):
                self._change_key(self._contact(key), other)
            case Trusted(key, was, trust, name):
                contact = self._contact(key)
                if not self._run(
                    "UPDATE contact SET trust = ?, verified_as = coalesce(?, name) WHERE id = ? AND trust = ?",
                    *(trust, name, contact, was),
                ).rowcount:
                    raise OvertakenError("something has happened with this contact meanwhile: look again, and decide")
                if trust in (Trust.NEW, Trust.VERIFIED):
                    self._run("DELETE FROM other_key WHERE contact = ?", contact)
            case Replaced(key, other):
                self._replace(self._contact(key), other)
            case ClearSaid(peer, name, token, text):
                self._ledgers.add(Fate.WAITING, text.encode(), token=token, clear=(*peer, name))
            case ClearSettled(token, fate):
                self._run(
                    "UPDATE message SET fate = ? WHERE fate = 'waiting' AND contact IS NULL AND token = ?", fate, token
                )
            case ClearReceived(peer, name, text):
                self._ledgers.add(Fate.RECEIVED, text.encode(), clear=(*peer, name))

    def _pin(self, pinned: Pinned) -> None:
        """A command may have been quicker."""
        if not self._run(
            "INSERT INTO contact (key, signing_key, name, trust) VALUES (?, ?, ?, 'new')"
            " ON CONFLICT DO UPDATE SET name = name WHERE signing_key = excluded.signing_key",
            *(pinned.key, pinned.signing_key, pinned.name),
        ).rowcount:
            raise OvertakenError("a contact with that key has another key for signing: look again, and decide")

    def _reach(self, contact: int, name: str, address: Address) -> None:
        now = self._now()
        self._run("UPDATE contact SET name = ? WHERE id = ?", name, contact)
        self._run(
            "INSERT INTO name_heard VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at", contact, name, now
        )
        self._run(
            "INSERT INTO address VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at", contact, *address, now
        )
        for table, of in (("name_heard", "name"), ("address", "host, port")):
            latest = f"SELECT {of} FROM {table} WHERE contact = ? ORDER BY at DESC LIMIT ?"
            self._run(
                f"DELETE FROM {table} WHERE contact = ? AND ({of}) NOT IN ({latest})", *(contact, contact, ADDRESSES)
            )

    def _change_key(self, contact: int, other: Pinned) -> None:
        """Whoever answers as ever, and is stopped or blocked, is nobody else."""
        keys = (other.key, other.signing_key)
        if self._run("SELECT 1 FROM contact WHERE id = ? AND key = ? AND signing_key = ?", contact, *keys).fetchone():
            return
        self._run("UPDATE contact SET trust = 'changed' WHERE id = ? AND trust <> 'blocked'", contact)
        self._run(
            "INSERT INTO other_key (contact, key, signing_key, name, host, port, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at",
            *(contact, *keys, other.name, *other.address, self._now()),
        )

    def _replace(self, contact: int, other: Pinned) -> None:
        """An Ed25519 key that has changed alone makes no other person of it: the conversation goes by the other key."""
        named = (contact, other.key, other.signing_key)
        answered = self._run(
            "SELECT other_key.name, host, port FROM other_key JOIN contact ON contact.id = other_key.contact"
            " WHERE contact = ? AND other_key.key = ? AND other_key.signing_key = ? AND trust = 'changed'",
            *named,
        ).fetchone()
        called = self._run(  # and is another contact
            "SELECT other.name, host, port FROM contact JOIN contact AS other ON other.id <> contact.id"
            " JOIN address ON address.contact = other.id"
            " WHERE contact.id = ? AND contact.trust IN ('new', 'verified') AND contact.replaced_by IS NULL"
            " AND other.key = ? AND other.signing_key = ? AND other.trust IN ('new', 'verified')"
            " AND other.replaced_by IS NULL ORDER BY at DESC",
            *named,
        ).fetchone()
        found = answered or called
        if found is None:
            raise OvertakenError("nobody with that key has answered for this contact: look again, and decide")
        name, *address = found
        if not self._run(
            "INSERT INTO contact (key, signing_key, name, trust) VALUES (?, ?, ?, 'new')"
            " ON CONFLICT DO UPDATE SET signing_key = excluded.signing_key, replaced_by = NULL,"
            " trust = CASE WHEN trust = 'verified' AND signing_key = excluded.signing_key THEN trust ELSE 'new' END"
            " WHERE trust <> 'blocked'",
            *(other.key, other.signing_key, name),
        ).rowcount:
            raise OvertakenError("whoever has that key is blocked: take that back first")
        successor = self._contact(other.key)
        self._reach(successor, name, (address[0], address[1]))
        self._run("DELETE FROM other_key WHERE contact = ?", successor)
        if successor != contact:
            self._ledgers.give_up(contact)
            self._run("UPDATE contact SET replaced_by = ?, trust = 'changed' WHERE id = ?", successor, contact)

    # -- what it knows

    def load(self) -> list[tuple[Contact, Ledger]]:
        """Every contact, with its conversation as it goes on."""
        with self._database.explained():
            return [(contact, self._ledgers.ledger(self._contact(contact.key))) for contact in self.contacts()]

    def contacts(self) -> list[Contact]:
        """Every contact, those with a successor too."""
        with self._database.explained():
            rows = self._run(
                "SELECT contact.id, contact.key, contact.signing_key, contact.name, contact.trust,"
                " contact.verified_as,"
                " (SELECT max(at) FROM address WHERE contact = contact.id), successor.key"
                " FROM contact LEFT JOIN contact AS successor ON successor.id = contact.replaced_by"
                " ORDER BY contact.id"
            ).fetchall()
            return [self._read(*row) for row in rows]

    def _read(
        self,
        id_: int,
        key: bytes,
        signing_key: bytes,
        name: str,
        trust: str,
        verified_as: str | None,
        seen: int,
        new_key: bytes | None,
    ) -> Contact:
        where = self._addresses(id_)
        addresses, times = tuple((host, port) for host, port, _ in where), tuple(at for *_, at in where)
        known = key, signing_key, name, Trust(trust), addresses, seen, self._others(id_), new_key, self._names(id_)
        return Contact(*known, times, verified_as if trust == Trust.VERIFIED else None)

    def history(self, key: bytes | None, after: int = 0, limit: int = 100) -> list[Message]:
        """The first messages after that number: with a contact, or `None` for all of SIMP/1."""
        with self._database.explained():
            return self._ledgers.history(None if key is None else self._contact(key), after, limit)

    def changed(self) -> bool:
        """Whether another process has committed something since this was last asked, which takes 5 µs."""
        return self._database.changed()

    def _addresses(self, contact: int) -> list[tuple[str, int, int]]:
        return self._run(
            "SELECT host, port, at FROM address WHERE contact = ? ORDER BY at DESC LIMIT ?", contact, ADDRESSES
        ).fetchall()

    def _names(self, contact: int) -> tuple[str, ...]:
        rows = self._run("SELECT name FROM name_heard WHERE contact = ? ORDER BY at DESC LIMIT ?", contact, ADDRESSES)
        return tuple(name for (name,) in rows)

    def _others(self, contact: int) -> tuple[Pinned, ...]:
        rows = self._run(
            "SELECT key, signing_key, name, host, port FROM other_key WHERE contact = ? ORDER BY at, id", contact
        )
        return tuple(Pinned(key, signing_key, name, (host, port)) for key, signing_key, name, host, port in rows)

    def _contact(self, key: bytes) -> int:
        row = self._run("SELECT id FROM contact WHERE key = ?", key).fetchone()
        if row is None:
            raise sqlite3.DatabaseError(f"no contact has the key {key.hex()}")
        return int(row[0])

    # -- copies

    def backup(self, path: Path) -> None:
        """A copy, whole or not at all, while the store is used; raises `StoreError`, also if that file exists.

        Not `identity.key`: whoever has that is this daemon.
        """
        self.flush()
        self._database.copy(path, self._now())

    # -- opening, closing

    def flush(self) -> None:
        """Commits what may be late, too."""
        if self._late:
            self._write(self._late)
            self._late = []

    def close(self) -> None:
        """Once and for all."""
        try:
            self.flush()
        finally:
            self._database.close()

    def _begin(self) -> None:
        """What a daemon finds at its start: a chat of SIMP/1 ended with the last one, and this may be a copy."""
        with self._database.transaction():
            self._run("UPDATE message SET fate = 'undelivered' WHERE fate = 'waiting' AND contact IS NULL")
            copied = self._run("SELECT max(made_at) FROM copy WHERE used_at IS NULL").fetchone()[0]
            if copied is not None:
                self._run("UPDATE copy SET used_at = ? WHERE used_at IS NULL", self._now())
                self._run("UPDATE message SET doubtful = 1 WHERE fate = 'waiting'")
        if copied is not None:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(copied / 1000))
            self.notices.append(
                f"this store is a copy of {when}: what was said and decided since then isn't in it, and what wasn't "
                "delivered when it was made may arrive a second time"
            )

    def _now(self) -> int:
        return int(self._clock() * 1000)

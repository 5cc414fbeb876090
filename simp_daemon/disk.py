"""What a daemon keeps, and the order of disk and network: nothing leaves before what it rests on (spec/simp2.md 7.4).

What one turn of the loop brings is one transaction: a hundred messages that came together wait for the disk once.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_bytes, token_hex
from time import time
from typing import Final

from simp_daemon.announcement import Announcement
from simp_daemon.contacts import HOUR, Change, Contact, announced_as, hidden_as, may_wait
from simp_daemon.effects import Commit, Effect, LogKeys
from simp_daemon.facts import Ledger, Pinned
from simp_daemon.files import StateError, append
from simp_daemon.identity import read_identity
from simp_daemon.log import log
from simp_daemon.peers.sealed.means import Means
from simp_daemon.store import OvertakenError, Store
from simp_daemon.store_errors import StoreError
from simp_proto.noise import KeyPair

AGAIN: Final = 1.0
"""Seconds until a commit that failed is tried again, and until what may be committed late is."""
LOOK: Final = 0.1
"""Seconds between looks at what commands have changed, as long as anything occurs: a blocked contact says no more."""


class Disk:
    """Performs effects in their order, by `perform`; `fail` hears once why the disk takes nothing.

    While it is `failing`, everything waits: whoever feeds the rules feeds them nothing that peers say, nor the time.
    """

    def __init__(
        self,
        directory: Path,
        key_log: Path | None,
        perform: Callable[[Effect], None],
        fail: Callable[[str], None],
        gather: Callable[[], None] = lambda: None,
    ) -> None:
        """The keys of all sessions are added to the file `key_log`, if there is one. `gather` lets what has come
        meanwhile join what waits for the disk. Raises `StateError`.
        """
        self._key_log = key_log
        if key_log:
            append(key_log, "")
        store = directory / "store.db"
        known = (directory / "identity.key").exists() and not (store.exists() and store.stat().st_size)
        self._identity = read_identity(directory)
        self._store = Store(directory, daemon=True)
        if known:
            log.warning(
                "%s has keys and no store: no contact is known, nor what was said (see simp restore)", directory
            )
        for each in self._store.notices:
            log.warning("%s", each)
        self._perform = perform
        self._fail = fail
        self._gather = gather
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Effect] = []
        self._due: asyncio.Handle | None = None
        self._late: asyncio.Handle | None = None
        self._performing = False
        self._looked = self._loop.time()
        self.failing = ""
        """Why the disk takes nothing; empty while it does."""

    def means(self, *, only_sealed: bool, hides: bool = False) -> Means:
        """What SIMP/2 needs of it; raises `StateError`."""
        keys, contacts = KeyPair(self._identity.x25519), self._store.load()
        run, clock, logs_keys = token_hex(8), lambda: int(time() * 1000), self._key_log is not None
        ours = keys, self._identity.signing_key, contacts, token_bytes
        return Means(*ours, clock, run, only_sealed, logs_keys, hides)

    def announcement(self, *, hidden: bool) -> Announcement:
        """What a daemon with these keys says of itself."""
        public = self._identity.public
        if hidden:
            return Announcement(lambda: hidden_as(*public, int(time()) // HOUR), hidden=True)
        return Announcement(lambda: announced_as(*public), "1,2")

    def changed(self, *, now: bool) -> Sequence[tuple[Contact, Ledger]]:
        """All contacts, if commands have changed something since the last look: `now`, or if that is a while ago."""
        at = self._loop.time()
        if self._waiting or (not now and at < self._looked + LOOK):  # what waits isn't in the store yet
            return ()
        self._looked = at
        with suppress(StoreError):
            return self._store.load() if self._store.changed() else ()
        return ()

    def put(self, effect: Effect) -> None:
        """Performs it, or lets it wait behind those that do."""
        if self._waiting or self._performing:
            self._waiting.append(effect)
        elif not isinstance(effect, Commit):
            self._do(effect)
        elif may_wait(effect.change):
            self._store.defer(effect.change)
            self._late = self._late or self._loop.call_later(AGAIN, self._flush_late)
        else:
            self._waiting.append(effect)
            self._due = self._due or self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Commits what waits, and performs what rests on it."""
        self._due = None
        if self._waiting and not self._performing:
            try:
                self._gather()
            finally:  # whatever that meets, what waits is not forgotten
                self._release()

    def _release(self) -> None:
        while self._waiting and not self._performing:
            changes = [each.change for each in self._waiting if isinstance(each, Commit)]
            if changes and not self._committed(changes):
                self._due = self._due or self._loop.call_later(AGAIN, self.flush)
                return
            waiting, self._waiting, self._performing = self._waiting, [], True
            try:
                for each in waiting:
                    self._do(each)
            finally:
                self._performing = False

    def close(self) -> None:
        """Commits what it can, and lets go of the store."""
        self.flush()
        for handle in (self._due, self._late):
            if handle:
                handle.cancel()
        try:
            self._store.close()
        except StoreError as error:
            log.error("%s", error)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Commit():
                pass  # done
            case LogKeys(line):
                assert self._key_log
                try:
                    append(self._key_log, line)
                except StateError as error:
                    log.error("the keys of a chat are missing in the key log: %s", error)
            case _:
                self._perform(effect)

    def _committed(self, changes: list[Change]) -> bool:
        try:
            self._store.commit(changes)
        except OvertakenError as error:  # by a command: the contact is there, so that all else can be committed
            log.error("%s", error)
            return self._committed([change for change in changes if not isinstance(change, Pinned)])
        except StoreError as error:
            if not self.failing:
                self.failing = str(error)
                log.error("%s", error)
                self._fail(self.failing)
            return False
        if self.failing:
            log.info("the disk takes again what is to be stored")
        self.failing = ""
        return True

    def _flush_late(self) -> None:
        """Nothing rests on it, so that it is no news if the disk takes nothing."""
        self._late = None
        with suppress(StoreError):
            self._store.flush()

"""What the store's tables are: one script for each version, which makes it of the version before."""

from typing import Final

APPLICATION: Final = 0x53494D50
"""Tells SIMP's stores from other databases."""

MIGRATIONS: Final = (
    """
    CREATE TABLE contact (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
        signing_key BLOB NOT NULL CHECK (length(signing_key) = 32),
        name TEXT NOT NULL,
        nickname TEXT,
        trust TEXT NOT NULL CHECK (trust IN ('new', 'verified', 'changed', 'blocked')),
        replaced_by INTEGER REFERENCES contact (id),
        pinned_at INTEGER NOT NULL,
        open INTEGER NOT NULL DEFAULT 1,
        -- ours
        next INTEGER NOT NULL DEFAULT 1,
        acknowledged INTEGER NOT NULL DEFAULT 0,
        chain BLOB NOT NULL DEFAULT x'0000000000000000' CHECK (length(chain) = 8),
        -- the peer's
        stored INTEGER NOT NULL DEFAULT 0,
        upto BLOB NOT NULL DEFAULT x'0000000000000000' CHECK (length(upto) = 8)
    ) STRICT;

    CREATE TABLE name_heard (
        contact INTEGER NOT NULL REFERENCES contact (id),
        name TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (contact, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE address (
        contact INTEGER NOT NULL REFERENCES contact (id),
        host TEXT NOT NULL,
        port INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (contact, host, port)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE other_key (
        id INTEGER PRIMARY KEY,
        contact INTEGER NOT NULL REFERENCES contact (id),
        key BLOB NOT NULL CHECK (length(key) = 32),
        signing_key BLOB NOT NULL CHECK (length(signing_key) = 32),
        name TEXT NOT NULL,
        host TEXT NOT NULL,
        port INTEGER NOT NULL,
        at INTEGER NOT NULL,
        UNIQUE (contact, key, signing_key)
    ) STRICT;

    -- Pieces of the peer's that make no whole message yet. Ours are cut from the message again (spec/simp2.md 7.2).
    CREATE TABLE piece (
        contact INTEGER NOT NULL REFERENCES contact (id),
        number INTEGER NOT NULL,
        flags INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (contact, number)
    ) STRICT;

    -- AUTOINCREMENT: whoever reads the history keeps the last number, and goes on after it.
    CREATE TABLE message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        ours INTEGER NOT NULL,
        fate TEXT NOT NULL CHECK (fate IN ('waiting', 'delivered', 'undelivered', 'received', 'torn')),
        doubtful INTEGER NOT NULL DEFAULT 0,
        token TEXT CHECK ((token IS NOT NULL) = ours),
        content BLOB NOT NULL,
        -- of SIMP/2
        contact INTEGER REFERENCES contact (id),
        last INTEGER, -- the number of its last piece, while it waits
        -- of SIMP/1
        host TEXT,
        port INTEGER,
        name TEXT,
        CHECK ((contact IS NULL) = (host IS NOT NULL AND port IS NOT NULL AND name IS NOT NULL))
    ) STRICT;
    CREATE INDEX message_contact ON message (contact);
    CREATE INDEX message_said ON message (contact) WHERE ours;
    CREATE INDEX message_waiting ON message (contact, last) WHERE fate = 'waiting';

    -- A row for each time that this file was copied, and when the copy was first used.
    CREATE TABLE copy (
        made_at INTEGER NOT NULL,
        used_at INTEGER
    ) STRICT;
    """,
    # Nothing read those; and a name that its bearer takes later isn't verified (spec/simp2.md 9.2).
    """
    ALTER TABLE contact DROP COLUMN nickname;
    ALTER TABLE contact DROP COLUMN pinned_at;
    ALTER TABLE contact ADD COLUMN verified_as TEXT;
    UPDATE contact SET verified_as = name WHERE trust = 'verified';
    """,
)

"""The tables of a session file, its version, and how an older file becomes a present one."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from nucloop.session.connection import Room, limited_work
from nucloop.session.faults import NewerSession, damaged

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

__all__ = ["APPLICATION_ID", "VERSION", "check", "create", "migrate", "require_finite"]

APPLICATION_ID = 0x4E75634C
"""Marks an SQLite file as a session ("NucL")."""
VERSION = 4
READABLE = (2, 3, 4)
"""Versions that can be looked at as they are: what the newer one added is only asked for where it was used."""

TABLES_2 = {
    "about": "CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "readers": "CREATE TABLE readers (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "edits": (
        "CREATE TABLE edits (seq INTEGER PRIMARY KEY, step INTEGER NOT NULL, kind TEXT NOT NULL, "
        "reader INTEGER NOT NULL REFERENCES readers, time TEXT NOT NULL, nuclei INTEGER NOT NULL, "
        "details TEXT NOT NULL, crc INTEGER NOT NULL, patch BLOB NOT NULL)"
    ),
    "kept": "CREATE TABLE kept (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL)",
    "snapshots": "CREATE TABLE snapshots (seq INTEGER PRIMARY KEY, parts INTEGER NOT NULL, crc INTEGER NOT NULL)",
    "snapshot_parts": (
        "CREATE TABLE snapshot_parts (seq INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL, "
        "PRIMARY KEY (seq, part))"
    ),
    "edits_never_change": (
        "CREATE TRIGGER edits_never_change BEFORE UPDATE ON edits "
        "BEGIN SELECT RAISE(ABORT, 'the journal is only ever added to'); END"
    ),
    "edits_never_go": (
        "CREATE TRIGGER edits_never_go BEFORE DELETE ON edits "
        "BEGIN SELECT RAISE(ABORT, 'the journal is only ever added to'); END"
    ),
}
"""Version 2 knew no outlines."""

TABLES = TABLES_2 | {
    "outlines": (
        "CREATE TABLE outlines (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, crc INTEGER NOT NULL, "
        "data BLOB NOT NULL)"
    ),
    "outlines_never_change": (
        "CREATE TRIGGER outlines_never_change BEFORE UPDATE ON outlines "
        "BEGIN SELECT RAISE(ABORT, 'outlines are only ever added'); END"
    ),
    "outlines_never_go": (
        "CREATE TRIGGER outlines_never_go BEFORE DELETE ON outlines "
        "BEGIN SELECT RAISE(ABORT, 'outlines are only ever added'); END"
    ),
}
"""about: what the session belongs to, and what a program wants remembered. readers: who edited. edits: the journal.
kept: weights that made labels, by their sha256. snapshots, snapshot_parts: the state after an edit, safe to lose.
outlines: those of nuclei, in blocks; they belong to the edits that brought them."""

TABLES_1 = {
    "about": TABLES_2["about"],
    "edits": (
        "CREATE TABLE edits (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, author TEXT NOT NULL, time TEXT NOT NULL, "
        "target INTEGER, nuclei INTEGER NOT NULL, details TEXT NOT NULL, patch BLOB NOT NULL)"
    ),
}
"""Version 1: readers stood by name in each edit, and nothing told a damaged patch from a whole one."""

_KNOWN = {1: TABLES_1, 2: TABLES_2, 3: TABLES, VERSION: TABLES}
"""Version 3 has no outlines that a person drew, and no edits that split and merge nuclei; its tables are the same."""


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file; the caller holds the transaction."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    for statement in TABLES.values():
        connection.execute(statement)


def check(connection: sqlite3.Connection, path: Path | None) -> int:
    """Return the version of a file that is a session and nothing else.

    Raises
    ------
    DamagedSession
        If it is another program's file, or holds other tables, views or triggers than a session does.
    NewerSession
        If this program is too old for it.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    name = "The session" if path is None else path.name
    if application != APPLICATION_ID:
        raise damaged(path, "it was not written by NucLoop")
    if version > VERSION:
        raise NewerSession(
            f"{name} was written by a newer NucLoop (format {version}, this program knows up to {VERSION}). "
            "Nothing in it was changed. Update NucLoop (pip install --upgrade napari-nucloop) and open it again."
        )
    known = _KNOWN.get(version)
    if known is None:
        raise damaged(path, f"it has the unknown format {version}")
    with limited_work(connection):
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    # of two of one name a dict would show one
    if len(rows) != len(known) or dict(rows) != known:
        raise damaged(path, "its tables are not those of a session")
    return int(version)


def require_finite(connection: sqlite3.Connection, path: Path | None, version: int) -> None:
    """Check that going over a whole session comes to an end, and reads no more than the file holds.

    Raises
    ------
    DamagedSession, sqlite3.OperationalError
        If its pages point to one another so that it does not: nobody's accident, and a way to fill all memory.
    """
    room = Room(connection, path)
    with limited_work(connection):
        for table, blob in (("edits", "patch"), ("outlines", "data")):
            if table in _KNOWN[version]:
                (length,) = connection.execute(f"SELECT coalesce(sum(length({blob})), 0) FROM {table}").fetchone()
                room.take(length)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a file of an older version up to this one; the caller holds the transaction."""
    if version < 2:
        _from_1_to_2(connection)
    if version < 3:
        _from_2_to_3(connection)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _from_1_to_2(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE edits_1 AS SELECT * FROM edits")
    connection.execute("DROP TABLE edits")
    for name, statement in TABLES_2.items():
        if name != "about":
            connection.execute(statement)
    connection.execute(
        "INSERT INTO readers (name) SELECT author FROM edits_1 GROUP BY author ORDER BY min(seq)",
    )
    numbers = {str(name): int(number) for number, name in connection.execute("SELECT number, name FROM readers")}
    old = connection.execute(
        "SELECT seq, coalesce(target, seq), kind, author, time, nuclei, details, patch FROM edits_1 ORDER BY seq"
    )
    connection.executemany(
        "INSERT INTO edits (seq, step, kind, reader, time, nuclei, details, crc, patch) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (seq, step, kind, numbers[author], time, nuclei, details, zlib.crc32(patch), patch)
            for seq, step, kind, author, time, nuclei, details, patch in old
        ),
    )
    connection.execute("DROP TABLE edits_1")
    connection.execute("PRAGMA user_version = 2")


def _from_2_to_3(connection: sqlite3.Connection) -> None:
    for name, statement in TABLES.items():
        if name not in TABLES_2:
            connection.execute(statement)
    connection.execute("PRAGMA user_version = 3")

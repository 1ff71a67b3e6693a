"""Saving a damaged session: everything up to the last whole edit goes on, and the file as it was is kept beside it."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nucloop.session import schema
from nucloop.session.connection import Room, connect, limited_work
from nucloop.session.faults import DamagedSession, damaged, reading, writing
from nucloop.session.journal import Journal
from nucloop.session.keeping.place import lock, set_aside, unlock
from nucloop.session.ledger import Ledger

__all__ = ["Repair", "repair"]

_EDIT = "seq, step, kind, reader, time, nuclei, details, crc, patch"


@dataclass(frozen=True)
class Repair:
    """What became of a damaged session."""

    path: Path
    kept: int
    """Edits that go on."""
    lost: int
    """Edits after them, as far as they can be counted."""
    nuclei: int
    aside: Path
    """The file as it was."""

    @property
    def message(self) -> str:
        """What a person must know."""
        lost = f"{self.lost:,} after them cannot be carried out" if self.lost else "none after them can be found"
        return (
            f"{self.path.name} goes on with {self.nuclei:,} nuclei after {self.kept:,} edits; {lost}. "
            f"The file as it was is {self.aside.name}, beside it."
        )


def repair(path: Path) -> Repair:
    """Put in place of a damaged session one that holds everything up to the last edit that is whole.

    Raises
    ------
    DamagedSession
        If not even its slide, its classes and its first edit can be read; the file is as it was.
    NewerSession, SessionInUse
        See `Session.open`.
    """
    path = path.resolve()
    held = lock(path, lambda: None)
    try:
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        try:
            kept, lost, nuclei = _saved(path, part)
            aside = set_aside(path)
            part.rename(path)
        finally:
            for suffix in ("", "-wal", "-shm"):
                part.with_name(part.name + suffix).unlink(missing_ok=True)
    finally:
        unlock(held)
    return Repair(path, kept, lost, nuclei, aside)


def _saved(path: Path, part: Path) -> tuple[int, int, int]:
    """Copy what is whole into a new file; return edits kept, edits lost, and nuclei."""
    with reading(path):
        old = connect(f"{path.as_uri()}?mode=ro", uri=True)
    with closing(old), closing(connect(str(part), uri=False)) as new:
        with reading(path):
            version = schema.check(old, path)
        if version not in schema.READABLE:
            raise damaged(path, f"and of the old format {version}, which cannot be saved in parts")
        with writing(part):
            schema.create(new)
            _copy(old, new, "about", "key, value", "key")
            _copy(old, new, "readers", "number, name", "number")
            _copy(old, new, "kept", "sha256, data", "rowid")
            if version > 2:
                _copy(old, new, "outlines", "first, count, crc, data", "first")
            last = _copy_edits(old, new)
        state = _replayed(new, path, last)
        with writing(part):
            new.execute("DROP TRIGGER edits_never_go")
            new.execute("DELETE FROM edits WHERE seq > ?", (state[0],))
            new.execute(schema.TABLES["edits_never_go"])
        return state[0], max(_count(old), state[0]) - state[0], state[1]


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str, columns: str, order: str) -> None:
    """Copy the rows of a table that can be read."""
    rows, room = old.execute(f"SELECT {columns} FROM {table} ORDER BY {order}"), Room(old, None)
    marks = ", ".join("?" * len(columns.split(", ")))
    with suppress(sqlite3.DatabaseError, DamagedSession), limited_work(old):
        for row in rows:
            room.take(sum(len(value) for value in row if isinstance(value, (str, bytes))))
            with suppress(sqlite3.IntegrityError):
                new.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", row)


def _copy_edits(old: sqlite3.Connection, new: sqlite3.Connection) -> int:
    """Copy edits one by one up to the first that is not whole; return the last one's number."""
    seq, room = 0, Room(old, None)
    while True:
        try:
            row: Any = old.execute(f"SELECT {_EDIT} FROM edits WHERE seq = ?", (seq + 1,)).fetchone()
        except sqlite3.DatabaseError:
            return seq
        if row is None or not isinstance(row[8], bytes) or zlib.crc32(row[8]) != row[7]:
            return seq
        try:
            room.take(len(row[8]) + len(str(row[6])))
            new.execute(f"INSERT INTO edits ({_EDIT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        except (sqlite3.IntegrityError, DamagedSession):
            return seq
        seq += 1


def _replayed(connection: sqlite3.Connection, path: Path, last: int) -> tuple[int, int]:
    """Carry the edits out one by one; return the last that can be, and the nuclei that are then there."""
    ledger = Ledger.begun(Journal(connection, path))
    done = 0
    with suppress(DamagedSession):
        for seq in range(1, last + 1):
            for _ in ledger.catch_up(seq):
                done = seq
    if not done:
        raise damaged(path, "not even its first edit can be read")
    return done, ledger.state.columns.alive_count


def _count(connection: sqlite3.Connection) -> int:
    with suppress(sqlite3.DatabaseError):
        (count,) = connection.execute("SELECT coalesce(max(seq), 0) FROM edits").fetchone()
        return int(count)
    return 0

"""The journal on disk: one transaction an edit, nothing ever changed or taken out."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nucloop.session.codec import CodecError
from nucloop.session.connection import Room
from nucloop.session.faults import damaged, reading, writing
from nucloop.session.history import EditKind
from nucloop.session.outlines import KeptOutlines, NewOutlines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["LARGEST_KEPT", "Entry", "Journal"]

LARGEST_KEPT = 256_000_000
"""Bytes of one thing a session keeps; larger weights belong in a file of their own."""
_COLUMNS = "seq, step, kind, reader, time, nuclei, details"


@dataclass(frozen=True)
class Entry:
    """One edit of the journal."""

    seq: int
    step: int
    """The step it belongs to, and for undo and redo the step they speak of."""
    kind: EditKind
    reader: int
    time: str
    """UTC, ISO 8601."""
    nuclei: int
    """How many nuclei it touched."""
    details: str
    """JSON."""

    def facts(self) -> dict[str, Any]:
        """Return the details as plain types; CodecError when they are none."""
        try:
            facts = json.loads(self.details)
        except (ValueError, RecursionError) as error:
            raise CodecError(f"the details of edit {self.seq} cannot be read") from error
        if not isinstance(facts, dict):
            raise CodecError(f"the details of edit {self.seq} are malformed")
        return facts


class Journal:
    """The edits of a session and the outlines they brought, through one connection.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode, to a file that `schema.check` has passed.
    path : Path or None
        For messages; None in memory.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self.connection, self.path = connection, path
        self.outlines = KeptOutlines(connection, path)
        self._file = None if path is None else _file_at(path)
        self.when_gone: Callable[[], None] | None = None
        """Called when the file no longer lies at its path, before and after anything is written: must `move_to`."""

    def move_to(self, connection: sqlite3.Connection, path: Path | None) -> None:
        """Go on in another file that holds the same."""
        self.connection, self.path = connection, path
        self.outlines.move_to(connection, path)
        self._file = None if path is None else _file_at(path)

    @property
    def gone(self) -> bool:
        """Whether the file was moved, deleted or replaced: what is written is then found by nobody."""
        return self.path is not None and self._file is not None and _file_at(self.path) != self._file

    def _stay_there(self) -> None:
        if self.when_gone is not None and self.gone:
            self.when_gone()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing.

        Raises
        ------
        NotKept, DamagedSession
            Nothing was written.
        """
        self._stay_there()
        with writing(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                # a full disk may have rolled back already
                with suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise
        # moved while it was written
        self._stay_there()

    def append(
        self,
        seq: int,
        step: int,
        kind: EditKind,
        reader: tuple[int, str],
        nuclei: int,
        details: str,
        patch: bytes,
        outlines: NewOutlines | None = None,
    ) -> Entry:
        """Write one edit; when this returns it outlives the program.

        Parameters
        ----------
        seq, step, kind, nuclei, details
            As in `Entry`.
        reader : (int, str)
            Number and name of who edits; somebody new is entered with the edit.
        patch : bytes
            From `Patch.encode`.
        outlines : NewOutlines, optional
            What the patch speaks of.

        Raises
        ------
        NotKept, DamagedSession
            Nothing was written.
        """
        time = datetime.now(UTC).isoformat(timespec="microseconds")
        with self.transaction():
            if outlines is not None:
                self.outlines.write(outlines)
            self.connection.execute("INSERT OR IGNORE INTO readers (number, name) VALUES (?, ?)", reader)
            self.connection.execute(
                f"INSERT INTO edits ({_COLUMNS}, crc, patch) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (seq, step, kind.value, reader[0], time, nuclei, details, zlib.crc32(patch), patch),
            )
        return Entry(seq, step, kind, reader[0], time, nuclei, details)

    def entries(self, after: int = 0, upto: int | None = None) -> Iterator[Entry]:
        """Yield edits in order, those after one number and up to another.

        Raises
        ------
        DamagedSession
            If one cannot be read.
        """
        upto = 2**62 if upto is None else upto
        with reading(self.path):
            room = Room(self.connection, self.path)
            for row in self.connection.execute(
                f"SELECT {_COLUMNS} FROM edits WHERE seq > ? AND seq <= ? ORDER BY seq", (after, upto)
            ):
                entry = self._entry(row)
                room.take(len(entry.details))
                yield entry

    def entries_of(self, kind: EditKind) -> list[Entry]:
        """Return all edits of a kind, the newest first."""
        with reading(self.path):
            rows = self.connection.execute(
                f"SELECT {_COLUMNS} FROM edits WHERE kind = ? ORDER BY seq DESC", (kind.value,)
            ).fetchall()
        return [self._entry(row) for row in rows]

    def entry(self, seq: int) -> Entry:
        """Return one edit."""
        for entry in self.entries(seq - 1, seq):
            return entry
        raise damaged(self.path, f"edit {seq} is missing")

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        types = (int, int, str, int, str, int, str)
        if all(isinstance(value, kind) for value, kind in zip(row, types, strict=True)):
            with suppress(ValueError):
                return Entry(row[0], row[1], EditKind(row[2]), *row[3:])
        raise damaged(self.path, f"edit {row[0]!r} is malformed")

    def patch(self, seq: int) -> bytes:
        """Return the patch of an edit as it was written.

        Raises
        ------
        DamagedSession
            If it is not.
        """
        with reading(self.path):
            row = self.connection.execute("SELECT crc, patch FROM edits WHERE seq = ?", (seq,)).fetchone()
        if row is None or not isinstance(row[1], bytes) or zlib.crc32(row[1]) != row[0]:
            raise damaged(self.path, f"what edit {seq} changed cannot be read")
        return row[1]

    def readers(self) -> list[str]:
        """Return everybody who ever edited; number k is at position k - 1."""
        names: list[str] = []
        with reading(self.path):
            room = Room(self.connection, self.path)
            for number, name in self.connection.execute("SELECT number, name FROM readers ORDER BY number"):
                if number != len(names) + 1:
                    raise damaged(self.path, "its list of readers has gaps")
                names.append(str(name))
                room.take(len(names[-1]))
        return names

    def about(self, key: str) -> str | None:
        """Return what was remembered under a name."""
        with reading(self.path):
            row = self.connection.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def remember(self, about: Mapping[str, str]) -> None:
        """Remember texts under their names, in place of what was there; all of them or none."""
        with self.transaction():
            self.connection.executemany("INSERT OR REPLACE INTO about (key, value) VALUES (?, ?)", list(about.items()))

    def keep(self, data: bytes) -> str:
        """Keep bytes for good; return their sha256, by which `kept` gives them back."""
        sha256 = hashlib.sha256(data).hexdigest()
        with self.transaction():
            self.connection.execute("INSERT OR IGNORE INTO kept (sha256, data) VALUES (?, ?)", (sha256, data))
        return sha256

    def kept(self, sha256: str) -> bytes | None:
        """Return bytes by their sha256, None when they are not here; DamagedSession when they have changed."""
        with reading(self.path):
            row = self.connection.execute("SELECT data FROM kept WHERE sha256 = ?", (sha256,)).fetchone()
        if row is None:
            return None
        if not isinstance(row[0], bytes) or hashlib.sha256(row[0]).hexdigest() != sha256:
            raise damaged(self.path, f"the weights {sha256[:12]} that it keeps have changed")
        return row[0]


def _file_at(path: Path) -> tuple[int, int] | None:
    """Which file lies at a path; None where none does, or where the file system does not number its files."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else None

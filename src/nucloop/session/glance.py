"""Who has said something in a session file: a look from outside that takes a millisecond and leaves it as it was."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nucloop.errors import NucLoopError
from nucloop.session import schema
from nucloop.session.connection import Room, connect, limited_work
from nucloop.session.history import EditKind

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BY_A_PERSON", "SessionGlance", "glance_at"]

BY_A_PERSON = frozenset(
    {
        EditKind.ADD,
        EditKind.MOVE,
        EditKind.DELETE,
        EditKind.SET_CLASS,
        EditKind.CONFIRM,
        EditKind.OUTLINE,
        EditKind.SPLIT,
        EditKind.MERGE,
    }
)
"""Edits that are a person's word about nuclei. An import is one where it brings what another reader has said."""


@dataclass(frozen=True)
class SessionGlance:
    """What can be told of a session without reading its nuclei."""

    readers: tuple[str, ...] = ()
    """Who has said something about nuclei, the last one first."""
    detected: bool = False
    """Whether a model has run."""
    results: frozenset[str] = frozenset()
    """Keys of results of a cohort that were brought in."""


def glance_at(path: Path) -> SessionGlance | None:
    """Look at a session; None where there is none, or none that can be read.

    It may be open in a window: what that has written is seen. No file is made beside it.
    """
    logged = path.with_name(path.name + "-wal").exists()
    # without a log nobody has it open, and SQLite need not make one to read
    target = f"{path.absolute().as_uri()}?mode=ro" + ("" if logged else "&immutable=1")
    with suppress(sqlite3.Error, NucLoopError, OSError, ValueError):
        if path.stat().st_size:
            with closing(connect(target, uri=True)) as connection:
                return _read(connection, path)
    return None


def _read(connection: sqlite3.Connection, path: Path) -> SessionGlance:
    version = schema.check(connection, path)
    if version not in schema.READABLE:
        return SessionGlance(detected=True)
    room, latest = Room(connection, path), {}
    with limited_work(connection):
        counted = connection.execute("SELECT kind, reader, max(seq) FROM edits GROUP BY kind, reader").fetchall()
        names = dict(connection.execute("SELECT number, name FROM readers").fetchall())
        imports = connection.execute("SELECT reader, seq, details FROM edits WHERE kind = ?", (EditKind.IMPORT.value,))
        for reader, seq, details in imports:
            room.take(len(details))
            if "taken_in_by" in json.loads(details):
                latest[reader] = seq
        # the facts of a run stand in its first edit
        query = "SELECT details FROM edits WHERE kind = ? AND seq = step"
        runs = [details for (details,) in connection.execute(query, (EditKind.MODEL_RUN.value,))]
    for kind, reader, seq in counted:
        if kind in BY_A_PERSON:
            latest[reader] = max(seq, latest.get(reader, 0))
    said = sorted(latest, key=lambda reader: -latest[reader])
    detected = any(kind == EditKind.MODEL_RUN for kind, _, _ in counted)
    room.take(sum(map(len, runs)))
    results = {str(json.loads(details).get("result", "")) for details in runs}
    return SessionGlance(
        tuple(str(names[reader]) for reader in said if reader in names), detected, frozenset(results - {""})
    )

"""Going on in another file, where that of an open session was moved, deleted or replaced under it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import BaseFileLock

from nucloop.session.connection import connect
from nucloop.session.faults import NotKept
from nucloop.session.keeping.place import ELSEWHERE, SUFFIX, lock, unlock, writable

__all__ = ["Rescued", "rescue"]


@dataclass(frozen=True)
class Rescued:
    """A whole copy of a session in a new file, open for writing."""

    path: Path
    connection: sqlite3.Connection
    held: BaseFileLock
    lost: Path
    """Where the session had been."""

    @property
    def message(self) -> str:
        """What a person must know."""
        return (
            f"{self.lost.name} was moved, deleted or replaced while it was open. Nothing is lost: all of it, and what "
            f"you do from now on, is in {self.path}. To go on with that the next time, close the slide and rename it "
            f"to {self.lost.name}, beside the slide."
        )


def rescue(connection: sqlite3.Connection, lost: Path) -> Rescued:
    """Copy what an open connection still sees into a new file beside the old place, or among a person's own files.

    Raises
    ------
    NotKept
        If that cannot be done: the disk itself has gone.
    """
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    name = f"{lost.name.removesuffix(SUFFIX)}.rescued-{stamp}{SUFFIX}"
    trouble: Exception | None = None
    for folder in (lost.parent, Path.home() / ELSEWHERE):
        try:
            folder.mkdir(parents=folder != lost.parent, exist_ok=True)
            if writable(folder):
                return _copied(connection, folder / name, lost)
        except (OSError, sqlite3.Error) as error:
            trouble = error
    raise NotKept(
        f"The edit was not done, because {lost.name} has gone from {lost.parent} and no copy can be written "
        f"({trouble or 'no folder can be written to'}). Connect the disk again, and do it again."
    ) from trouble


def _copied(connection: sqlite3.Connection, path: Path, lost: Path) -> Rescued:
    held = lock(path, lambda: None)
    try:
        with closing(connect(str(path), uri=False)) as copy:
            connection.backup(copy)
        opened = connect(f"{path.as_uri()}?mode=rw", uri=True)
        opened.execute("PRAGMA journal_mode = WAL").fetchall()
    except BaseException:
        unlock(held)
        raise
    return Rescued(path, opened, held, lost)

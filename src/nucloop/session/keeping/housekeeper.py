"""What is done for a session file behind its back: bringing edits onto the disk, and writing snapshots."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from nucloop.session.connection import connect
from nucloop.session.keeping.copies import keep_copy
from nucloop.session.snapshot import Snapshot, write_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.session.journal import Journal

__all__ = ["Housekeeper"]

SOON_S = 1.0
"""An edit is in the file itself, and no longer in the log beside it, after this long."""


class Housekeeper:
    """One thread with a connection of its own; whatever fails here is done again later, or by the next opening."""

    def __init__(self, journal: Journal) -> None:
        assert journal.path is not None
        self._journal, self._path = journal, journal.path
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="nucloop-session")
        self._closing = threading.Event()
        self._checkpoint: Future[None] | None = None
        self._snapshot: Future[None] | None = None

    def edited(self) -> None:
        """Say that there is a new edit."""
        if self._checkpoint is None or self._checkpoint.done():
            self._checkpoint = self._pool.submit(self._checkpoint_soon)

    def snapshot(self, take: Callable[[], Snapshot]) -> bool:
        """Have a snapshot written; False, and nothing is taken, while the last one is still being written."""
        if self._snapshot is not None and not self._snapshot.done():
            return False
        self._snapshot = self._pool.submit(self._write, take())
        return True

    def copy(self) -> None:
        """Have today's copy kept, if there is none yet."""
        self._pool.submit(keep_copy, self._path)

    def close(self) -> None:
        """Finish what was begun."""
        self._closing.set()
        self._pool.shutdown(wait=True)

    def _connect(self) -> sqlite3.Connection:
        # where the file is gone, none is to be made; and the log beside it must not be read into another
        if self._journal.gone or self._journal.path != self._path:
            raise sqlite3.OperationalError("the file is gone")
        return connect(f"{self._path.as_uri()}?mode=rw", uri=True)

    def _checkpoint_soon(self) -> None:
        self._closing.wait(SOON_S)
        with suppress(sqlite3.Error), closing(self._connect()) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _write(self, snapshot: Snapshot) -> None:
        with suppress(sqlite3.Error), closing(self._connect()) as connection:
            write_snapshot(connection, snapshot)

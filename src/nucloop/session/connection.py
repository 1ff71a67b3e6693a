"""A connection to a session file, which may come from anybody: what it may do, and how much work it may ask for."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nucloop.session.faults import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Room", "connect", "limited_work"]

_FULL_WAL = 8000
_PATIENCE_MS = 10_000
_REFUSED = {
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_DETACH,
    sqlite3.SQLITE_CREATE_VIEW,
    sqlite3.SQLITE_CREATE_VTABLE,
    sqlite3.SQLITE_DROP_VTABLE,
    sqlite3.SQLITE_CREATE_TEMP_TABLE,
    sqlite3.SQLITE_CREATE_TEMP_TRIGGER,
    sqlite3.SQLITE_CREATE_TEMP_VIEW,
}
"""What no session ever does: reach for other files, and look at one thing and see another."""
_FUNCTIONS = {"coalesce", "count", "length", "max", "min", "sum"}
_LOOK_EVERY = 10_000
_LEAST_STEPS = 1_000_000
_STEPS_PER_BYTE = 10
"""A row takes a dozen bytes at the least, and reading it some ten steps of SQLite's machine."""


def connect(target: str, *, uri: bool) -> sqlite3.Connection:
    """Open a connection as every part of a session uses it.

    With a write-ahead log and synchronous=FULL a commit is on the disk when it returns: neither a killed program nor
    a power cut takes back an edit that was acknowledged, as far as the disk keeps its word. Where nobody shall make a
    file that is not there, `target` is a URI with mode=rw.
    """
    connection = sqlite3.connect(
        target, uri=uri, isolation_level=None, check_same_thread=False, timeout=_PATIENCE_MS / 1000
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_FULL_WAL}")
        connection.set_authorizer(_authorize)
    except BaseException:
        connection.close()
        raise
    return connection


def _authorize(action: int, first: str | None, second: str | None, _: str | None, source: str | None) -> int:
    """Say whether a statement may do something; `source` names the trigger or the view that asks for it."""
    # a session's own triggers only ever refuse
    by_the_file = source is not None and action != sqlite3.SQLITE_SELECT
    foreign = action == sqlite3.SQLITE_FUNCTION and second not in _FUNCTIONS
    return sqlite3.SQLITE_DENY if by_the_file or foreign or action in _REFUSED else sqlite3.SQLITE_OK


@contextmanager
def limited_work(connection: sqlite3.Connection) -> Iterator[None]:
    """Stop, with SQLite's "interrupted", statements that take more work than a file of this size can ask for.

    The pages of a file of a few kilobytes may point to one another so that its rows have no end.
    """
    left = (_LEAST_STEPS + _STEPS_PER_BYTE * _size(connection)) // _LOOK_EVERY

    def look() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    connection.set_progress_handler(look, _LOOK_EVERY)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


class Room:
    """What a file has room for: rows that share their pages can claim any amount.

    Parameters
    ----------
    connection : sqlite3.Connection
        To the file.
    path : Path or None
        For messages.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self._left, self._path = _size(connection), path

    def take(self, length: int) -> None:
        """Say that a row has so many bytes or letters; DamagedSession when all rows have more than the file."""
        self._left -= length
        if self._left < 0:
            raise damaged(self._path, "its parts are larger than the whole")


def _size(connection: sqlite3.Connection) -> int:
    """Return the bytes of a file, as its log has made it."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages * page)

"""What can go wrong with a session file: one class for each thing a program may want to offer a way out of."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nucloop.errors import SessionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "DamagedSession",
    "NewerSession",
    "NotKept",
    "OtherSlide",
    "PlaceNotWritable",
    "SessionInUse",
    "damaged",
    "reading",
    "writing",
]

_DISK_FULL = (sqlite3.SQLITE_FULL,)
_READ_ONLY = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
_PRIMARY_CODE = 0xFF


class DamagedSession(SessionError):
    """The file is no session, or part of it cannot be read."""


class NewerSession(SessionError):
    """A newer version of the program wrote the file."""


class OtherSlide(SessionError):
    """The session belongs to another slide; `adopt=True` opens it all the same."""


class SessionInUse(SessionError):
    """Another window or process writes to the session; `read_only=True` opens it all the same."""


class NotKept(SessionError):
    """An edit could not be written, so it was not done: memory and file are as before.

    Attributes
    ----------
    why : str
        Half a sentence, such as "the disk is full"; empty where the message is all that is known.
    """

    def __init__(self, message: str, why: str = "") -> None:
        super().__init__(message)
        self.why = why


class PlaceNotWritable(SessionError):
    """The folder cannot be written to.

    Attributes
    ----------
    elsewhere : Path
        A folder where the session can go instead.
    """

    def __init__(self, message: str, elsewhere: Path) -> None:
        super().__init__(message)
        self.elsewhere = elsewhere


def damaged(path: Path | None, what: str) -> DamagedSession:
    """Return the error for a file that does not hold what a session must, `what` being the first thing found."""
    name = "The session" if path is None else f"The session {path.name}"
    where = "" if path is None else f" in {path.parent}"
    return DamagedSession(
        f"{name} is damaged ({what}). Nothing in it was changed. Put a copy from your backup in its place{where}, or "
        "rename it to begin a new session, and keep it: what is whole in it can still be read."
    )


@contextmanager
def reading(path: Path | None) -> Iterator[None]:
    """Turn SQLite's errors of reading into sentences.

    Raises
    ------
    SessionError
        What kind it is depends on the error.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        name = "the session" if path is None else f"the session {path}"
        if _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise SessionInUse(
                f"Another program is writing to {name}. Close it there, or open the session read-only here."
            ) from error
        if _code(error) == sqlite3.SQLITE_INTERRUPT:
            raise damaged(path, "its pages go round in circles") from error
        if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
            raise damaged(path, str(error)) from error
        raise SessionError(
            f"Cannot read {name}: {error}. Check that the disk is connected and that you may read it, and try again."
        ) from error
    except sqlite3.DatabaseError as error:
        raise damaged(path, str(error)) from error
    except UnicodeDecodeError as error:
        # SQLite quotes a file's own broken letters in what it says
        raise damaged(path, "its letters are broken") from error
    except MemoryError as error:
        raise damaged(path, "it asks for more memory than there is") from error


@contextmanager
def writing(path: Path | None) -> Iterator[None]:
    """Turn SQLite's errors of writing into sentences; what was to be written is not.

    Raises
    ------
    NotKept
        If the disk is full, has gone or cannot be written to.
    DamagedSession
        If the file is damaged.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        where = "the session" if path is None else str(path)
        if _code(error) in _DISK_FULL:
            why, cure = "the disk is full", "Make room on the disk and do it again."
        elif _code(error) in _READ_ONLY:
            why, cure = "the file can no longer be written to", "Give back the right to write, and do it again."
        elif _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            why, cure = "another program keeps the file busy", "Close it there and do it again."
        elif _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise damaged(path, str(error)) from error
        else:
            why, cure = f"the disk refused ({error})", "Check that the disk is connected, and do it again."
        message = f"The edit was not done, because {why}: {where}. Nothing done before is lost. {cure}"
        raise NotKept(message, why) from error
    except sqlite3.DatabaseError as error:
        raise damaged(path, str(error)) from error


def _code(error: sqlite3.Error) -> int:
    # the extended code says more, the primary code is its low byte
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & _PRIMARY_CODE

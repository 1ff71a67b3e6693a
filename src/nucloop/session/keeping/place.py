"""Where a session file lies, and who may write to it."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, SoftFileLock, Timeout

from nucloop.errors import SessionError
from nucloop.session.faults import PlaceNotWritable, SessionInUse

if TYPE_CHECKING:
    from collections.abc import Callable

    from filelock import BaseFileLock

__all__ = ["SUFFIX", "lock", "require_writable", "session_path", "set_aside", "unlock", "writable"]

SUFFIX = ".nucloop"
ELSEWHERE = "NucLoop sessions"
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}
"""What disks say that know no locks, network disks most of all."""


def session_path(slide: str | Path, folder: str | Path | None = None) -> Path:
    """Return where the session of a slide lies: beside it, or in a folder; slide.svs has slide.svs.nucloop."""
    slide = Path(slide).absolute()
    return (slide.parent if folder is None else Path(folder).absolute()) / (slide.name + SUFFIX)


def writable(folder: Path) -> bool:
    """Whether files can be made in a folder; tried out, as rights alone do not tell."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def require_writable(path: Path) -> None:
    """Make the folder of a session if need be, and check that it and the file can be written to.

    Raises
    ------
    PlaceNotWritable
        If not; the sentence and `elsewhere` say where the session can go instead.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        possible = writable(path.parent) and (not path.exists() or os.access(path, os.W_OK))
    except OSError:
        possible = False
    if possible:
        return
    elsewhere = Path.home() / ELSEWHERE
    cannot = "The session cannot be kept beside the slide" if not path.exists() else f"{path.name} cannot be changed"
    raise PlaceNotWritable(
        f"{cannot}: {path.parent} is read-only. Keep the session in another folder, such as {elsewhere}, or open it "
        "read-only.",
        elsewhere,
    )


def set_aside(path: Path, why: str = "damaged") -> Path:
    """Rename a session and its log, so that nothing in it is lost; return where it is now."""
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d %H.%M.%S")
    there = path.with_name(f"{path.stem}.{why} {stamp}{path.suffix}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(there.with_name(there.name + suffix))
    return there


def lock(path: Path, holder: Callable[[], str | None]) -> BaseFileLock:
    """Take a session for writing; the lock ends with the process, however it ends.

    Parameters
    ----------
    path : Path
        The session.
    holder : callable
        Returns who has it open, where that is known; asked only for the sentence.

    Raises
    ------
    SessionInUse
        If another window or process has it.
    """
    beside = path.with_name(f".{path.name}.lock")
    found: BaseFileLock = FileLock(beside, blocking=False, thread_local=False)
    try:
        try:
            found.acquire()
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
                raise
            # a file system without locks: a file that is there while the session is open
            found = SoftFileLock(beside, blocking=False, thread_local=False)
            found.acquire()
    except Timeout as error:
        known = holder()
        who = f", of {known}" if known else ""
        raise SessionInUse(
            f"{path.name} is open in another window or program{who}. Close it there, or open it read-only here."
            + (f" If that program has crashed, delete {beside}." if isinstance(found, SoftFileLock) else "")
        ) from error
    except OSError as error:
        raise SessionError(
            f"{path.name} cannot be kept for this window alone: {path.parent} refuses a lock "
            f"({error.strerror or error}). Check that the disk is connected; or keep the session in another folder, or "
            "open it read-only."
        ) from error
    return found


def unlock(held: BaseFileLock) -> None:
    """Give a session back; where the disk has gone there is nothing to give back."""
    with suppress(OSError):
        held.release()

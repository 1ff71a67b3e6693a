"""Copies of sessions in a folder beside them: one a day, and one before a file gets a newer format. Few are kept."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from nucloop.session.connection import connect

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FOLDER", "copies_of", "keep_copy"]

FOLDER = "NucLoop copies"
DAYS = 3
"""Daily copies of one session that are kept."""
LARGEST = 1 << 30
"""Bytes of a session above which it is not copied."""


def copies_of(path: Path) -> list[Path]:
    """Return the copies of a session, the newest first."""
    try:
        found = [(one.stat().st_mtime_ns, one) for one in (path.parent / FOLDER).glob(f"{_plain(path)} *{path.suffix}")]
    except OSError:
        return []
    return [one for _, one in sorted(found, reverse=True)]


def keep_copy(path: Path, before_format: int | None = None) -> Path | None:
    """Copy a session, once a day, or once before its format changes; return the copy, None where none was made.

    A copy is a help and never stands in the way: without room or right to write none is made.
    """
    today = datetime.now().astimezone().strftime("%Y-%m-%d")
    what = today if before_format is None else f"before format {before_format}"
    copy = path.parent / FOLDER / f"{_plain(path)} {what}{path.suffix}"
    part = copy.with_name(copy.name + ".part")
    try:
        if copy.exists() or path.stat().st_size > LARGEST:
            return None
        copy.parent.mkdir(exist_ok=True)
        with (
            closing(connect(f"{path.as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(part)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE").fetchall()
        os.replace(part, copy)
    except (OSError, sqlite3.Error):
        with suppress(OSError):
            part.unlink(missing_ok=True)
        return None
    daily = [one for one in copies_of(path) if " before format " not in one.name]
    for old in daily[DAYS:]:
        with suppress(OSError):
            old.unlink()
    return copy


def _plain(path: Path) -> str:
    return path.name.removesuffix(path.suffix)

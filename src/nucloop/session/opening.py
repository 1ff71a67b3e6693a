"""Opening a session file, or beginning a new one; nothing in a file is changed before it has been recognised."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from filelock import BaseFileLock

from nucloop.errors import SessionError, legible
from nucloop.session import schema
from nucloop.session.connection import connect
from nucloop.session.faults import NotKept, damaged, reading, writing
from nucloop.session.identity import SlideIdentity
from nucloop.session.journal import Journal
from nucloop.session.keeping.copies import keep_copy
from nucloop.session.keeping.housekeeper import Housekeeper
from nucloop.session.keeping.place import lock, require_writable, unlock, writable
from nucloop.session.ledger import Ledger
from nucloop.session.palette import Palette
from nucloop.session.people import person

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.classes import ClassScheme

__all__ = ["Opened", "open_file", "open_in_memory"]


@dataclass(frozen=True)
class Opened:
    """An open session and what must be given back when it closes."""

    ledger: Ledger
    slide: SlideIdentity
    lock: BaseFileLock | None = None
    housekeeper: Housekeeper | None = None


def open_in_memory(slide: SlideIdentity, scheme: ClassScheme) -> Opened:
    """Begin a session that ends with the program."""
    connection = connect(":memory:", uri=False)
    _begin(connection, None, slide, scheme)
    return Opened(_ledger(connection, None), slide)


def open_file(
    path: Path, slide: SlideIdentity | None, scheme: ClassScheme | None, *, read_only: bool, adopt: bool
) -> Opened:
    """Open a session, or begin one where none is; see `Session.open`."""
    # by whatever name, it is one file with one lock
    path = path.resolve()
    exists = path.is_file() and path.stat().st_size > 0
    if not exists and (read_only or slide is None or scheme is None):
        raise SessionError(f"There is no session {path}. Open the slide it belongs to; its session begins by itself.")
    if read_only:
        return _opened(_connect_read_only(path), path, slide, None, adopt=adopt)
    require_writable(path)
    held = lock(path, lambda: _holder(path))
    try:
        with reading(path):
            connection = connect(str(path), uri=False)
        if not exists and slide is not None and scheme is not None:
            _begin(connection, path, slide, scheme)
        return _opened(connection, path, slide, held, adopt=adopt)
    except BaseException:
        unlock(held)
        raise


def _opened(
    connection: sqlite3.Connection, path: Path, slide: SlideIdentity | None, held: BaseFileLock | None, *, adopt: bool
) -> Opened:
    """Recognise, bring up to date, check and read a file; the connection is closed on any error."""
    try:
        with reading(path):
            version = schema.check(connection, path)
            schema.require_finite(connection, path, version)
        own = SlideIdentity.from_json(Journal(connection, path).about("slide"), path)
        if slide is not None and not adopt:
            own.require(slide, path)
        if held is not None:
            with writing(path):
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
        elif version not in schema.READABLE:
            connection = _in_memory(connection)
        if held is not None or version not in schema.READABLE:
            if held is not None and version != schema.VERSION:
                keep_copy(path, before_format=schema.VERSION)
            _migrate(connection, path, version)
        ledger = _ledger(connection, path)
        if held is None:
            return Opened(ledger, own)
        about = {"opened": _myself()}
        if slide is not None and adopt:
            own = slide
            about["slide"] = slide.to_json()
        if any(ledger.journal.about(key) != value for key, value in about.items()):
            ledger.journal.remember(about)
        housekeeper = Housekeeper(ledger.journal)
        if ledger.history.last:
            housekeeper.copy()
        return Opened(ledger, own, held, housekeeper)
    except NotKept as error:
        connection.close()
        raise SessionError(
            f"{path.name} was not opened, because {error.why or 'it cannot be written to'}. Nothing in it is lost. "
            f"Make room in {path.parent}, check that you may write there, and open it again; or open it read-only."
        ) from error
    except BaseException:
        connection.close()
        raise


def _ledger(connection: sqlite3.Connection, path: Path | None) -> Ledger:
    ledger = Ledger.begun(Journal(connection, path))
    ledger.restore()
    return ledger


def _begin(connection: sqlite3.Connection, path: Path | None, slide: SlideIdentity, scheme: ClassScheme) -> None:
    journal = Journal(connection, path)
    try:
        with writing(path):
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        with journal.transaction():
            schema.create(connection)
            about = {
                "slide": slide.to_json(),
                "classes": json.dumps(Palette.of(scheme).to_dict()),
                "begun": datetime.now(UTC).isoformat(timespec="seconds"),
                "opened": _myself(),
            }
            connection.executemany("INSERT INTO about (key, value) VALUES (?, ?)", list(about.items()))
    except NotKept as error:
        connection.close()
        raise SessionError(
            f"A session could not be begun at {path}: the disk is full or cannot be written to. Make room there, or "
            "keep the session in another folder."
        ) from error
    except BaseException:
        connection.close()
        raise


def _migrate(connection: sqlite3.Connection, path: Path, version: int) -> None:
    if version == schema.VERSION:
        return
    try:
        with Journal(connection, path).transaction():
            schema.migrate(connection, version)
    except (KeyError, TypeError) as error:
        raise damaged(path, f"its format {version} cannot be brought up to date") from error


def _connect_read_only(path: Path) -> sqlite3.Connection:
    target = f"{path.as_uri()}?mode=ro"
    if not writable(path.parent) and not path.with_name(path.name + "-wal").exists():
        # nobody can write here, so nobody needs the log's index that SQLite would otherwise make beside the file
        target += "&immutable=1"
    with reading(path):
        return connect(target, uri=True)


def _in_memory(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return a copy that can be brought up to date where the file must stay as it is."""
    copy = connect(":memory:", uri=False)
    with closing(connection):
        connection.backup(copy)
    return copy


def _myself() -> str:
    since = datetime.now().astimezone().strftime("%H:%M")
    return f"{person()} on {legible(platform.node()) or 'this computer'} (process {os.getpid()}, since {since})"


def _holder(path: Path) -> str | None:
    with suppress(sqlite3.Error, SessionError, OSError), closing(_connect_read_only(path)) as connection:
        return Journal(connection, path).about("opened")
    return None

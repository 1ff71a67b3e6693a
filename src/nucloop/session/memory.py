"""What a session remembers besides its nuclei: who did what and when, weights, small things; and its end."""

from __future__ import annotations

import json
import logging
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from nucloop.errors import SessionError
from nucloop.session.codec import CodecError
from nucloop.session.faults import damaged
from nucloop.session.history import EditKind
from nucloop.session.journal import LARGEST_KEPT
from nucloop.session.keeping.housekeeper import Housekeeper
from nucloop.session.keeping.place import unlock
from nucloop.session.keeping.rescue import rescue
from nucloop.session.people import person, tidy_name
from nucloop.session.snapshot import write_snapshot
from nucloop.session.view import View

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nucloop.session.journal import Entry
    from nucloop.session.opening import Opened

__all__ = ["Edit", "Memory"]

_log = logging.getLogger(__name__)

SNAPSHOT_AFTER = 5_000
"""Single edits, or as much work, after which opening would take noticeably longer."""
SNAPSHOT_AT_CLOSE = 200
LARGEST_NOTE = 16_000_000


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One entry of the journal, as a person would read it."""

    seq: int
    step: int
    """Entries of one model run share it; of an undo or redo, the step it speaks of."""
    kind: EditKind
    author: str
    time: str
    """UTC, ISO 8601."""
    nuclei: int
    """How many nuclei it touched."""
    details: dict[str, Any]
    """Such as the weights of a model run, with their sha256."""
    in_force: bool
    """Whether it is done and not undone; true of undo and redo themselves."""


class Memory(View):
    """An open session file: what it remembers, and closing it.

    Attributes
    ----------
    ledger : Ledger
        State, history and journal, for the other modules of the session.
    slide : SlideIdentity
        The slide it belongs to.
    """

    def __init__(self, opened: Opened) -> None:
        super().__init__(opened.ledger.state)
        self.ledger, self.slide = opened.ledger, opened.slide
        self._lock, self._housekeeper = opened.lock, opened.housekeeper
        self._author = person()
        self.when_rescued: Callable[[str], None] = _log.warning
        """Told, in a sentence, that the session goes on in another file (`path`), since its own was taken away."""
        if opened.lock is not None:
            opened.ledger.journal.when_gone = self._rescue
        self.blinded = False
        """Whether the author works without seeing what the model and others say."""
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def author(self) -> str:
        """Who edits from now on; the name of the account when set to nothing."""
        return self._author

    @author.setter
    def author(self, name: str) -> None:
        self._author = tidy_name(name) or person()

    @property
    def path(self) -> Path | None:
        """The file; None in memory."""
        return self.ledger.journal.path

    @property
    def read_only(self) -> bool:
        """Whether it can only be looked at."""
        return self.path is not None and self._lock is None

    @property
    def undoable(self) -> Edit | None:
        """What undo would take back; None when there is nothing, or when it is another's and the author is blinded."""
        return self._offered(self.ledger.history.undoable)

    @property
    def redoable(self) -> Edit | None:
        """What redo would do again; None when there is nothing, or when it is another's and the author is blinded."""
        return self._offered(self.ledger.history.redoable)

    def history(self, newest: int = 100) -> list[Edit]:
        """Return the newest entries of the journal, in order; those that were undone are there too."""
        last = self.ledger.history.last
        return [self._edit(entry) for entry in self.ledger.journal.entries(after=max(0, last - newest), upto=last)]

    def newest(self, kind: EditKind) -> Edit | None:
        """Return the newest edit of a kind that is in force; None when there is none, or all were undone."""
        for entry in self.ledger.journal.entries_of(kind):
            if self.ledger.history.is_done(entry.step):
                return self._edit(entry)
        return None

    def remember(self, key: str, value: Any) -> None:
        """Keep something small as JSON, outside of undo: drawn regions, what was asked, where the view stood."""
        self._require_writable()
        text = json.dumps(value)
        if len(text) > LARGEST_NOTE:
            raise SessionError(
                f"{key} is too large to be remembered ({len(text):,} letters, at most {LARGEST_NOTE:,})."
            )
        self.ledger.journal.remember({f"note:{key}": text})

    def recall(self, key: str, default: Any = None) -> Any:
        """Return what was remembered under a name."""
        text = self.ledger.journal.about(f"note:{key}")
        if text is None:
            return default
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise damaged(self.path, f"what it remembers as {key} cannot be read") from error

    def set_resolution(self, mpp: float) -> None:
        """Say anew how many µm a level-0 pixel covers, outside of undo; nuclei stay at their pixels."""
        self._require_writable()
        slide = self.slide.with_mpp(mpp)
        self.ledger.journal.remember({"slide": slide.to_json()})
        self.slide = slide

    def keep_weights(self, data: bytes) -> str:
        """Keep the bytes of a head for good; return their sha256, to be named in an edit's weights."""
        self._require_writable()
        if len(data) > LARGEST_KEPT:
            raise SessionError(
                f"These weights ({len(data):,} bytes) are too large to be kept in a session. Save them to a file."
            )
        return self.ledger.journal.keep(data)

    def kept_weights(self, sha256: str) -> bytes | None:
        """Return the bytes that were kept, None when they were not."""
        return self.ledger.journal.kept(sha256)

    def snapshot(self) -> None:
        """Write a snapshot now, so that the next opening is quick; done by itself from time to time, and at closing."""
        self._require_writable()
        if self._housekeeper is not None:
            self._housekeeper.snapshot(self.ledger.snapshot)

    def close(self) -> None:
        """Close the file; a second call does nothing. Nothing waits to be saved: closing only tidies up."""
        if self.closed:
            return
        self.closed = True
        # who is gone is gone at once, without a search for circles
        self.ledger.journal.when_gone, self.when_rescued = None, _log.warning
        connection = self.ledger.journal.connection
        try:
            if self._housekeeper is not None:
                self._housekeeper.close()
                # what is not tidied up now will be by the next opening
                with suppress(sqlite3.Error):
                    if self.ledger.unsnapped > SNAPSHOT_AT_CLOSE:
                        write_snapshot(connection, self.ledger.snapshot())
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()
            if self._lock is not None:
                unlock(self._lock)

    def _rescue(self) -> None:
        journal = self.ledger.journal
        assert journal.path is not None
        rescued = rescue(journal.connection, journal.path)
        old, lock, housekeeper = journal.connection, self._lock, self._housekeeper
        journal.move_to(rescued.connection, rescued.path)
        self._lock, self._housekeeper = rescued.held, Housekeeper(journal)
        if housekeeper is not None:
            housekeeper.close()
        old.close()
        if lock is not None:
            unlock(lock)
        self.when_rescued(rescued.message)

    def _kept(self) -> None:
        """Tidy up behind an edit, without making anybody wait."""
        if self._housekeeper is None:
            return
        self._housekeeper.edited()
        if self.ledger.unsnapped > SNAPSHOT_AFTER:
            self._housekeeper.snapshot(self.ledger.snapshot)

    def _require_writable(self) -> None:
        if self.closed:
            raise SessionError("The session is closed, so nothing was changed. Open the slide again to go on.")
        if self.read_only:
            raise SessionError(
                "The session is open read-only, so nothing was changed. Close it where it is edited, and open it again."
            )

    def _offered(self, step: int | None) -> Edit | None:
        if step is None:
            return None
        edit = self._edit(self.ledger.journal.entry(step))
        return None if self.blinded and edit.author != self.author else edit

    def _edit(self, entry: Entry) -> Edit:
        try:
            details = entry.facts()
        except CodecError as error:
            raise damaged(self.path, str(error)) from error
        turns = entry.kind in (EditKind.UNDO, EditKind.REDO)
        return Edit(
            seq=entry.seq,
            step=entry.step,
            kind=entry.kind,
            author=self.readers[entry.reader - 1],
            time=entry.time,
            nuclei=entry.nuclei,
            details=details,
            in_force=turns or self.ledger.history.is_done(entry.step),
        )

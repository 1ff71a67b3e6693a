"""State, history and journal in step: every edit is first written, then carried out, and read back the same way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nucloop.errors import DataError, SessionError
from nucloop.session.change import Change, Direction, ids_of
from nucloop.session.codec import CodecError
from nucloop.session.columns import MOST_READERS
from nucloop.session.faults import damaged, reading
from nucloop.session.history import EditKind, History
from nucloop.session.palette import Palette
from nucloop.session.patch import Patch
from nucloop.session.snapshot import Snapshot, read_snapshot
from nucloop.session.view import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nucloop.session.columns import Effect
    from nucloop.session.journal import Entry, Journal

__all__ = ["Ledger"]

NUCLEI_PER_EDIT = 500
"""Reading back an edit takes about as long as carrying out a change of this many nuclei."""
_RECLASSING = (EditKind.CLASSES, EditKind.IMPORT)
_WAYS = {EditKind.UNDO: Direction.UNDONE, EditKind.REDO: Direction.REDONE}


class RecordedEdit(NamedTuple):
    """One edit, ready to be carried out or taken back."""

    patch: Patch
    before: Palette | None = None
    after: Palette | None = None


class Ledger:
    """Carries out edits and keeps them.

    Attributes
    ----------
    state : State
        As the journal has made it.
    history : History
        What can be undone and done again.
    journal : Journal
        On disk.
    unsnapped : float
        How much would have to be carried out again since the last snapshot, in single edits.
    """

    def __init__(self, state: State, journal: Journal) -> None:
        self.state, self.journal, self.history = state, journal, History()
        self.unsnapped = 0.0

    @classmethod
    def begun(cls, journal: Journal) -> Ledger:
        """Return the ledger of a journal, as it was before its first edit.

        Raises
        ------
        DamagedSession
            If it does not say which classes it began with.
        """
        try:
            palette = Palette.from_dict(json.loads(journal.about("classes") or ""), source="the session")
        except (ValueError, RecursionError, DataError) as error:
            raise damaged(journal.path, "it does not say which classes it began with") from error
        return cls(State(palette, journal.outlines), journal)

    def restore(self, upto: int | None = None) -> None:
        """Bring the state up to the journal, or up to one of its edits, from the newest snapshot on.

        Raises
        ------
        DamagedSession
            If the journal cannot be read.
        """
        with reading(self.journal.path):
            (last,) = self.journal.connection.execute("SELECT coalesce(max(seq), 0) FROM edits").fetchone()
            snapshot = read_snapshot(self.journal.connection, last if upto is None else min(last, upto))
        self.state.readers[:] = self.journal.readers()
        if snapshot is not None:
            for entry in self.journal.entries(upto=snapshot.seq):
                self._take_note(entry)
            self.state.palette = snapshot.palette
            self.state.columns.restore(snapshot.size, snapshot.columns)
        for _ in self.catch_up(upto):
            pass

    def catch_up(self, upto: int | None = None) -> Iterator[Change]:
        """Carry out what the journal has and the state has not, or a part of it; yield a change for each edit."""
        for entry in list(self.journal.entries(after=self.history.last, upto=upto)):
            if entry.reader > len(self.state.readers):
                self.state.readers[:] = self.journal.readers()
            turns = entry.kind in _WAYS
            edits = self._recorded_edits(entry.step) if turns else [self._recorded_edit(entry, first_time=True)]
            yield self._carry_out(entry, edits)

    def record(
        self,
        kind: EditKind,
        author: str,
        patch: Patch,
        *,
        step: int | None = None,
        details: dict[str, Any] | None = None,
        palette: Palette | None = None,
        locked: int = 0,
    ) -> Change:
        """Write an edit and carry it out.

        Raises
        ------
        NotKept, DamagedSession
            Neither was done.
        """
        edit = RecordedEdit(patch, self.state.palette, palette) if palette is not None else RecordedEdit(patch)
        facts = dict(details or {})
        if palette is not None:
            facts["classes"] = {"before": self.state.palette.to_dict(), "after": palette.to_dict()}
        entry = self._write(kind, author, step, len(patch), facts, patch)
        return self._carry_out(entry, [edit], locked)

    def turn(self, kind: EditKind, author: str) -> Change | None:
        """Undo or redo the next step; None when there is none.

        Raises
        ------
        NotKept, DamagedSession
            It was not done.
        """
        step = self.history.undoable if kind is EditKind.UNDO else self.history.redoable
        if step is None:
            return None
        edits = self._recorded_edits(step)
        entry = self._write(kind, author, step, sum(len(edit.patch) for edit in edits), {}, Patch())
        return self._carry_out(entry, edits)

    def snapshot(self) -> Snapshot:
        """Copy the state as it is after the newest edit."""
        self.unsnapped = 0.0
        return Snapshot.of(self.history.last, self.state.columns, self.state.palette)

    def _write(
        self, kind: EditKind, author: str, step: int | None, nuclei: int, facts: dict[str, Any], patch: Patch
    ) -> Entry:
        number, seq = self.state.number_of(author), self.history.last + 1
        if number > MOST_READERS:
            raise SessionError(
                f"{MOST_READERS} people have edited this session, and no more can. Use one of their names: "
                f"{', '.join(self.state.readers[:5])}, ..."
            )
        details = json.dumps(facts, separators=(",", ":"))
        blob = patch.encode()
        try:
            # what could not be read back would cost the whole session
            Patch.decode(blob, self.state.columns.size, first_time=True)
        except CodecError as error:
            raise SessionError(
                f"The edit was not done, because {error}. Nothing in the session was changed. If these nuclei come "
                "from a file, write it anew with the program that made it."
            ) from error
        entry = self.journal.append(seq, step or seq, kind, (number, author), nuclei, details, blob, patch.outlines)
        if number > len(self.state.readers):
            self.state.readers.append(author)
        return entry

    def _carry_out(self, entry: Entry, edits: Sequence[RecordedEdit], locked: int = 0) -> Change:
        way = _WAYS.get(entry.kind, Direction.DONE)
        kind = self.journal.entry(entry.step).kind if way is not Direction.DONE else entry.kind
        self._take_note(entry)
        effects: list[Effect] = []
        codes_before = self.state.palette.codes
        for edit in reversed(edits) if way is Direction.UNDONE else edits:
            palette = edit.before if way is Direction.UNDONE else edit.after
            self.state.palette = palette or self.state.palette
            columns = self.state.columns
            effects += edit.patch.undo(columns) if way is Direction.UNDONE else edit.patch.do(columns)
        self.unsnapped += 1 + entry.nuclei / NUCLEI_PER_EDIT
        return Change(
            kind=kind,
            way=way,
            author=self.state.readers[entry.reader - 1],
            counts=self.counts(),
            classes_changed=(classes_changed := any(edit.after is not None for edit in edits)),
            labels_now=self._labels_now(codes_before) if classes_changed else (),
            locked=locked,
            seq=entry.seq,
            **ids_of(effects),
        )

    def _labels_now(self, codes_before: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self.state.palette.decode(np.array(codes_before, np.int64)).tolist())

    def counts(self) -> dict[str, int]:
        """Nuclei per class name."""
        total, palette = self.state.columns.tally.sum(0), self.state.palette
        return {name: int(total[code]) for name, code in zip(palette.scheme.names, palette.codes, strict=True)}

    def _take_note(self, entry: Entry) -> None:
        if not 1 <= entry.reader <= min(len(self.state.readers), MOST_READERS):
            raise damaged(self.journal.path, f"edit {entry.seq} is by nobody")
        try:
            self.history.take(entry.seq, entry.step, entry.kind)
        except CodecError as error:
            raise damaged(self.journal.path, str(error)) from error

    def _recorded_edits(self, step: int) -> list[RecordedEdit]:
        return [self._recorded_edit(self.journal.entry(seq), first_time=False) for seq in self.history.edits(step)]

    def _recorded_edit(self, entry: Entry, *, first_time: bool) -> RecordedEdit:
        path = self.journal.path
        try:
            patch = Patch.decode(self.journal.patch(entry.seq), self.state.columns.size, first_time=first_time)
            if entry.kind not in _RECLASSING:
                return RecordedEdit(patch)
            classes = entry.facts().get("classes")
            if classes is None and entry.kind is EditKind.IMPORT:
                return RecordedEdit(patch)
            match classes:
                case {"before": before, "after": after}:
                    return RecordedEdit(
                        patch,
                        Palette.from_dict(before, source="the journal"),
                        Palette.from_dict(after, source="the journal"),
                    )
            raise CodecError("the classes are missing")
        except (ValueError, DataError) as error:
            raise damaged(path, f"edit {entry.seq}: {error}") from error

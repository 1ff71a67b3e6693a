"""The session of one slide: everything that can be done to its nuclei."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nucloop.errors import SessionError
from nucloop.nuclei import UNLABELLED, Nuclei
from nucloop.session import edits
from nucloop.session.change import Change, Direction, Listeners
from nucloop.session.columns import distinct
from nucloop.session.editing.class_edits import ClassEdits
from nucloop.session.editing.imports import imported
from nucloop.session.editing.runs import ModelRun
from nucloop.session.edits import Editor
from nucloop.session.history import EditKind
from nucloop.session.identity import SlideIdentity
from nucloop.session.keeping.place import session_path
from nucloop.session.opening import Opened, open_file, open_in_memory
from nucloop.session.people import tidy_name
from nucloop.slides import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from nucloop.classes import ClassScheme, NucleusClass
    from nucloop.formats.slide_info import Weights
    from nucloop.session.palette import Palette
    from nucloop.session.patch import Patch
    from nucloop.slides import Slide

__all__ = ["Session"]


class Session(ClassEdits):
    """The nuclei of one slide, and everything that was ever done to them. See the package for a tour.

    Open one with `open`, `for_slide` or `in_memory`. Every edit returns a `Change` once it is safe; a change that
    touches nothing is false and leaves no trace. Any edit raises `NotKept` when it cannot be written, and then has not
    happened. One thread at a time may use a session.
    """

    def __init__(self, opened: Opened, author: str) -> None:
        super().__init__(opened)
        self._listeners = Listeners()
        self.author = author

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        slide: SlideIdentity | None = None,
        scheme: ClassScheme | None = None,
        author: str = "",
        read_only: bool = False,
        adopt: bool = False,
    ) -> Self:
        """Open a session file, or begin one where none is.

        Parameters
        ----------
        path : str or Path
            The file; its folder is made if need be.
        slide : SlideIdentity, optional
            The slide it must belong to; required to begin one.
        scheme : ClassScheme, optional
            The classes to begin with; an existing session keeps its own.
        author : str
            Who edits; the name of the account when empty.
        read_only : bool
            Look, also while another window or process edits (`refresh` catches up with it).
        adopt : bool
            Take a session of another slide for this one, because a person said that it is the same.

        Raises
        ------
        OtherSlide, SessionInUse, DamagedSession, NewerSession, PlaceNotWritable, SessionError
            Each with its sentence; the file is as it was.
        """
        return cls(open_file(Path(path).absolute(), slide, scheme, read_only=read_only, adopt=adopt), author)

    @classmethod
    def for_slide(
        cls,
        slide: Slide,
        scheme: ClassScheme,
        *,
        folder: str | Path | None = None,
        author: str = "",
        read_only: bool = False,
        adopt: bool = False,
    ) -> Self:
        """Open or begin the session of a slide, beside it or in a folder; in memory for a slide without a file."""
        identity = SlideIdentity.of(slide)
        if slide.path is None and folder is None:
            return cls.in_memory(identity, scheme, author=author)
        path = session_path(slide.path or slide.name, folder)
        return cls.open(path, slide=identity, scheme=scheme, author=author, read_only=read_only, adopt=adopt)

    @classmethod
    def in_memory(cls, slide: SlideIdentity, scheme: ClassScheme, *, author: str = "") -> Self:
        """Begin a session that is gone when it is closed; all else is the same."""
        return cls(open_in_memory(slide, scheme), author)

    @property
    def editor(self) -> Editor:
        """Who edits, as a number, and what they see."""
        return Editor(self.ledger.state.number_of(self._author), self.blinded)

    def shown(self, ids: ArrayLike | None = None) -> Nuclei:
        """Return nuclei as the author may see them: by the last word about each or, blinded, by their own alone."""
        return self.nuclei_of(self._author, ids, blinded=True) if self.blinded else self.nuclei(ids)

    def subscribe(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call somebody with a `Change` after every edit, undo and redo; the function returned ends it."""
        return self._listeners.add(callback)

    def require_on_slide(self, yx: ArrayLike) -> None:
        """Refuse places (N, 2) beside the slide, with a SessionError: a key or a drag that ends there was not meant."""
        info, places = self.slide.info, edits.checked_places(yx)
        beside = places[~Box(0, 0, info.height, info.width).contains(places)]
        if len(beside):
            raise SessionError(
                f"Nothing was changed, because y {beside[0][0]:.0f}, x {beside[0][1]:.0f} lies outside the slide, "
                f"which has {info.height:,} rows and {info.width:,} columns. Point at a place on it."
            )

    def add(self, yx: ArrayLike, label: int | str = UNLABELLED) -> Change:
        """Add nuclei (N, 2) that a person placed; their ids are ``change.added``, in the order of `yx`."""
        code = self.ledger.state.palette.code(label)
        return self.record(EditKind.ADD, edits.added(self._columns, self.editor, yx, code))

    def move(self, ids: ArrayLike, yx: ArrayLike) -> Change:
        """Put nuclei (N,) where a person dragged them, (N, 2). No model finds them again at their old place."""
        rows = self._rows(ids)
        return self.record(EditKind.MOVE, edits.placed(self._columns, rows + 1, yx))

    def delete(self, ids: ArrayLike) -> Change:
        """Delete nuclei as a person asked. No model brings them back."""
        return self.record(EditKind.DELETE, edits.removed(self._columns, self._alive(ids)))

    def set_class(self, ids: ArrayLike, label: int | str, *, force: bool = False) -> Change:
        """Give nuclei a class: a position in the scheme, a name, or UNLABELLED.

        Without `force` nuclei to which a person has given a class stay as they are (`Change.locked` counts them): right
        for a brush or a lasso. A key pressed on one nucleus, or on a selection, means it: `force`.
        """
        patch, locked = edits.said(
            self._columns, self.editor, self._alive(ids), self.ledger.state.palette.code(label), force=force
        )
        return self.record(EditKind.SET_CLASS, patch, locked=locked)

    def confirm(self, ids: ArrayLike) -> Change:
        """Say that nuclei have the right class; those without a class are left out."""
        return self.record(EditKind.CONFIRM, edits.confirmed(self._columns, self.editor, self._alive(ids)))

    def import_nuclei(
        self,
        nuclei: Nuclei,
        *,
        radius_px: float | None = None,
        source: str = "",
        force: bool = False,
        reader: str = "",
        new_classes: Sequence[NucleusClass] = (),
    ) -> Change:
        """Take in nuclei from a file, in one step. Their labels count as a person's word where their origin is human.

        Parameters
        ----------
        nuclei : Nuclei
            In level-0 pixels; their classes must be the session's, by name. A session that never had a nucleus takes
            over their ids, where all are given; any other gives them anew.
        radius_px : float, optional
            A nucleus at most this far from one that is there is taken for the same, and gives it its class (locked ones
            stay unless `force`); without it all are added.
        source : str
            Where they come from, for the journal.
        reader : str
            Whose word it is, if not the author's. It is kept beside what others have said of locked nuclei.
        new_classes : sequence of NucleusClass
            Classes that the session gets first, in the same step.

        Raises
        ------
        SessionError
            If the session lacks one of the classes, or a place is impossible.
        """
        name, state = tidy_name(reader) or self._author, self.ledger.state
        for one in new_classes:
            state = replace(state, palette=state.palette.added(one))
        other = name != self._author
        editor = Editor(state.number_of(name), self.blinded and not other)
        patch, locked = imported(self, state, editor, nuclei, radius_px, force=force, apart=other)
        details = {"source": source} | ({"taken_in_by": self._author} if other else {})
        return self.record(
            EditKind.IMPORT,
            patch,
            details=details,
            locked=locked,
            author=name,
            palette=state.palette if new_classes else None,
        )

    def begin_run(self, weights: Weights, radius_px: float, **details: Any) -> ModelRun:
        """Begin a model run, to which tiles are then added.

        Parameters
        ----------
        weights : dict
            What runs (`Pipeline.weights`), with the sha256 of each network.
        radius_px : float
            Centres at most this far apart mark the same nucleus (`SAME_NUCLEUS_UM` over the slide's µm per pixel).
        **details
            What else the journal should say of the run, as JSON types.
        """
        self._require_writable()
        return ModelRun(self, self, {"weights": weights, "radius_px": radius_px, **details}, radius_px)

    def relabel(
        self,
        ids: ArrayLike,
        label: ArrayLike,
        probability: ArrayLike,
        *,
        weights: Weights,
        scheme: ClassScheme | None = None,
        force: bool = False,
        **details: Any,
    ) -> Change:
        """Take over what a new head says of nuclei; those to which a person has given a class keep it.

        Parameters
        ----------
        ids : (N,) array
            Each once; ids no longer there are left out.
        label : (N,) array
            Positions in `scheme`.
        probability : (N, C) array
            One column per class of `scheme`; kept with three digits.
        weights : dict
            The head and what it stands on, with the sha256 of each.
        scheme : ClassScheme, optional
            The head's classes, the session's own by default.
        force : bool
            Let the model overrule people.
        **details
            What else the journal should say of the head, as JSON types.
        """
        rows, state = self._rows(ids), self.ledger.state
        order = np.argsort(rows, kind="stable")
        order = order[self._columns.alive(rows[order])]
        if (np.diff(rows[order]) == 0).any():
            raise ValueError("a nucleus can be given one label only")
        head = self.scheme if scheme is None else scheme
        codes = edits.codes_from(state, head, np.asarray(label, np.int64)[order])
        p = edits.probabilities(state, head, np.asarray(probability, np.float32)[order])
        patch, locked = edits.relabelled(self._columns, rows[order], codes, p, force=force)
        return self.record(EditKind.NEW_HEAD, patch, details={"weights": weights, **details}, locked=locked)

    def undo(self) -> Change | None:
        """Take back the newest step, without limit; None when there is none (see `undoable`)."""
        return self._turn(EditKind.UNDO, self.undoable is not None)

    def redo(self) -> Change | None:
        """Do the step again that was undone last; None when there is none (see `redoable`)."""
        return self._turn(EditKind.REDO, self.redoable is not None)

    def refresh(self) -> int:
        """Catch up, in a session opened read-only, with what its writer has done since; return how many edits."""
        changes = list(self.ledger.catch_up()) if self.read_only else []
        for change in changes:
            self._listeners.tell(change)
        return len(changes)

    def record(
        self,
        kind: EditKind,
        patch: Patch,
        *,
        step: int | None = None,
        details: dict[str, Any] | None = None,
        palette: Palette | None = None,
        locked: int = 0,
        author: str = "",
    ) -> Change:
        """Write an edit, carry it out and tell the listeners. For the edits above, and for runs."""
        self._require_writable()
        if not len(patch) and palette is None:
            return Change(kind, Direction.DONE, author or self._author, counts=self.counts, locked=locked)
        change = self.ledger.record(
            kind, author or self._author, patch, step=step, details=details, palette=palette, locked=locked
        )
        self._kept()
        self._listeners.tell(change)
        return change

    def _turn(self, kind: EditKind, possible: bool) -> Change | None:
        self._require_writable()
        change = self.ledger.turn(kind, self._author) if possible else None
        if change is not None:
            self._kept()
            self._listeners.tell(change)
        return change

    def _alive(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Rows of the ids that are still there, ascending, each once."""
        rows = distinct(self._rows(ids))
        return rows[self._columns.alive(rows)]

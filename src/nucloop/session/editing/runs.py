"""A model run: what it finds goes into the session as it comes, and is undone as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nucloop.errors import SessionError
from nucloop.session.edits import newly_found, table_values
from nucloop.session.first_outlines import outlines_for, without_outline
from nucloop.session.history import EditKind
from nucloop.session.patch import Patch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.nuclei import Nuclei
    from nucloop.session.change import Change
    from nucloop.session.edits import Editor
    from nucloop.session.ledger import Ledger
    from nucloop.session.view import View

__all__ = ["ModelRun"]


class Recorder(Protocol):
    """What enters a run's edits: a session."""

    @property
    def ledger(self) -> Ledger:
        """Where they are kept."""

    @property
    def editor(self) -> Editor:
        """Whose they are."""

    def record(
        self, kind: EditKind, patch: Patch, *, step: int | None = None, details: dict[str, Any] | None = None
    ) -> Change:
        """Write an edit and carry it out."""


class ModelRun:
    """Takes what a model finds, tile by tile; made by `Session.begin_run`.

    Every tile is an edit of its own, safe once `add` returns, and all of them are one step for undo. A person may edit
    in between. Undoing the run while it goes on closes it.

    Attributes
    ----------
    found, new, outlined : int
        Nuclei found so far, how many of them were new, and how many known ones got their first outline.
    """

    def __init__(self, view: View, recorder: Recorder, details: dict[str, Any], radius_px: float) -> None:
        if not radius_px > 0:
            raise ValueError(f"the radius within which two nuclei are the same must be above 0, got {radius_px}")
        self._view, self._recorder, self._details, self._radius = view, recorder, details, radius_px
        self._step: int | None = None
        self.found = self.new = self.outlined = 0

    @property
    def step(self) -> int | None:
        """The session's step that holds what was found; None while that is nothing."""
        return self._step

    @property
    def is_open(self) -> bool:
        """Whether it takes more: false once it was undone."""
        return self._step is None or self._recorder.ledger.history.is_done(self._step)

    def add(self, found: Nuclei) -> NDArray[np.int64]:
        """Add those nuclei that nobody knew; what a person has said, moved or deleted stays as it is.

        A nucleus that is found again and has no outline gets the one that comes with it, whoever put it there; no
        outline takes the place of another.

        Parameters
        ----------
        found : Nuclei
            In level-0 pixels, with their outlines if they have any; ids are ignored.

        Returns
        -------
        (K,) int64 array
            For each nucleus found its id in the session, 0 where it was known before.

        Raises
        ------
        SessionError
            If the run was undone, the session lacks one of the classes, or the edit cannot be kept.
        """
        if not self.is_open:
            raise SessionError("This model run was undone, so it goes no further. Start it again to go on.")
        ids = np.zeros(len(found), np.int64)
        recorder, state = self._recorder, self._recorder.ledger.state
        run = self._step or recorder.ledger.history.last + 1
        new = newly_found(self._view, state, found, run, self._radius)
        self.found += len(found)
        bare, source = without_outline(self._view, state, found, ~new, self._radius)
        if not new.any() and not len(bare):
            return ids
        numbers, outlines = outlines_for(state, found, bare, source, new)
        values = table_values(state, recorder.editor, found, run) | numbers
        addition = Patch.addition(state.columns, {name: column[new] for name, column in values.items()})
        first = {name: column[source] for name, column in numbers.items()}
        patch = Patch.change(state.columns, bare, first).joined(addition, outlines)
        change = recorder.record(EditKind.MODEL_RUN, patch, step=self._step, details=self._details)
        ids[new] = np.arange(patch.first, patch.first + patch.count) + 1
        self.new += patch.count
        self.outlined += len(bare)
        if self._step is None:
            # the facts of the run stand in its first edit
            self._step, self._details = change.seq, {}
        return ids

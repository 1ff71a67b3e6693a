"""A model run: what it finds goes into the session as it comes, and is undone as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import SessionError
from nucloop.session.edits import newly_found, table_values
from nucloop.session.history import EditKind
from nucloop.session.patch import Patch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.nuclei import Nuclei
    from nucloop.session.session import Session

__all__ = ["ModelRun"]


class ModelRun:
    """Takes what a model finds, tile by tile; made by `Session.begin_run`.

    Every tile is an edit of its own, safe once `add` returns, and all of them are one step for undo. A person may edit
    in between. Undoing the run while it goes on closes it.

    Attributes
    ----------
    found, new : int
        Nuclei found so far, and how many of them were new.
    """

    def __init__(self, session: Session, details: dict[str, Any], radius_px: float) -> None:
        if not radius_px > 0:
            raise ValueError(f"the radius within which two nuclei are the same must be above 0, got {radius_px}")
        self._session, self._details, self._radius = session, details, radius_px
        self._step: int | None = None
        self.found = self.new = 0

    @property
    def is_open(self) -> bool:
        """Whether it takes more: false once it was undone."""
        return self._step is None or self._session.ledger.history.is_done(self._step)

    def add(self, found: Nuclei) -> NDArray[np.int64]:
        """Add those nuclei that nobody knew; what a person has said, moved or deleted stays as it is.

        Parameters
        ----------
        found : Nuclei
            In level-0 pixels; ids are ignored.

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
        session, state = self._session, self._session.ledger.state
        run = self._step or session.ledger.history.last + 1
        new = newly_found(session, state, found, run, self._radius)
        self.found += len(found)
        if not new.any():
            return ids
        values = table_values(state, session.who, found.take(new), run)
        patch = Patch.addition(state.columns, values)
        change = session.record(EditKind.MODEL_RUN, patch, step=self._step, details=self._details)
        ids[new] = np.arange(patch.first, patch.first + patch.count) + 1
        self.new += patch.count
        if self._step is None:
            # the facts of the run stand in its first edit
            self._step, self._details = change.seq, {}
        return ids

"""What of a session is shown to the person at the screen, and how: whose word, which classes, in which colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from nucloop.gui.canvas.colouring import ColourBy
from nucloop.nuclei import UNLABELLED, Nuclei

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nucloop.session import Session

__all__ = ["ShownNuclei"]


class ShownNuclei(QObject):
    """The nuclei of a session as they are to be shown.

    Parameters
    ----------
    session : Session
        Whose nuclei.
    """

    look_changed = Signal()
    """Other colours, or another reader's word."""
    filter_changed = Signal()
    """Other nuclei are hidden."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._colour_by, self._hidden, self._least = ColourBy.CLASS, frozenset[int](), 0.0
        self._reader: str | None = None
        self._counted: tuple[object, dict[int, int]] = None, {}

    @property
    def colour_by(self) -> ColourBy:
        """What the colours say."""
        return self._colour_by

    @colour_by.setter
    def colour_by(self, by: ColourBy) -> None:
        self._colour_by = by
        self.look_changed.emit()

    @property
    def hidden(self) -> frozenset[int]:
        """Labels that are not shown."""
        return self._hidden

    @hidden.setter
    def hidden(self, labels: frozenset[int]) -> None:
        self._hidden = labels
        self.filter_changed.emit()

    @property
    def least_confidence(self) -> float:
        """A model's nuclei below this class probability are not shown; a person's always are."""
        return self._least

    @least_confidence.setter
    def least_confidence(self, value: float) -> None:
        self._least = float(value)
        self.filter_changed.emit()

    @property
    def reader(self) -> str | None:
        """Whose labels are shown; None shows the last word about each nucleus."""
        return self._reader

    @reader.setter
    def reader(self, name: str | None) -> None:
        self._reader = name
        self.look_changed.emit()

    def shown(self, ids: ArrayLike | None = None) -> Nuclei:
        """Return nuclei, all without `ids`, as they are to be shown to the person at the screen."""
        session = self.session
        if self._reader is None or session.blinded:
            return session.shown(ids)
        return session.nuclei_of(self._reader, ids)

    def counts(self) -> dict[int, int]:
        """Count nuclei of the session by label, as they are shown; UNLABELLED is among them."""
        session = self.session
        reader = session.author if session.blinded else self._reader
        if reader is None:
            return _by_label(session, session.counts)
        # one reader's are counted over all nuclei: once an edit, however many ask
        about = (session.ledger.history.last, reader, session.blinded)
        if self._counted[0] != about:
            self._counted = about, _by_label(session, session.counts_of(reader, blinded=session.blinded))
        return self._counted[1]

    def visible(self, nuclei: Nuclei) -> NDArray[np.bool_]:
        """Which nuclei the class and confidence filters let through, (N,)."""
        shown = ~np.isin(nuclei.label, list(self._hidden))
        if self._least > 0:
            confidence = nuclei.confidence
            shown &= np.isnan(confidence) | (confidence >= self._least)
        return np.asarray(shown)

    def visible_ids(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of ids that the filters let through."""
        if not self._hidden and self._least <= 0:
            return ids
        return ids[self.visible(self.shown(ids))]

    def shown_count(self) -> int:
        """How many nuclei of the session pass the filters; with a confidence filter it goes over all of them."""
        if self._least > 0:
            return int(self.visible(self.shown()).sum())
        counts = self.counts()
        return len(self.session) - sum(counts.get(label, 0) for label in self._hidden)


def _by_label(session: Session, named: dict[str, int]) -> dict[int, int]:
    counts = dict(enumerate(named.values()))
    return {**counts, UNLABELLED: len(session) - sum(counts.values())}

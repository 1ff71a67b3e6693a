"""What of a session is shown to the person at the screen, and how: whose word, which classes, in which colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from nucloop.gui.canvas.colouring import ColourBy, class_palette, fill_colours
from nucloop.nuclei import UNLABELLED, Nuclei

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        self._states: Nuclei | None = None
        self._state_order = np.zeros(0, np.intp)
        self._before_states = ColourBy.CLASS
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
    def ways_to_colour(self) -> list[ColourBy]:
        """What the colours can say now."""
        return [by for by in ColourBy if by is not ColourBy.STATE or self._states is not None]

    @property
    def states(self) -> Nuclei | None:
        """Positive and negative nuclei, as they are counted by DAB; None while nobody counts so."""
        return self._states

    def show_states(self, states: Nuclei | None) -> None:
        """Colour nuclei by whether they are positive, until there are no states or a person wants other colours."""
        before, self._states = self._states, states
        self._state_order = np.zeros(0, np.intp) if states is None else np.argsort(states.ids, kind="stable")
        if before is None and states is not None:
            self._before_states, self._colour_by = self._colour_by, ColourBy.STATE
        elif before is not None and states is None and self._colour_by is ColourBy.STATE:
            self._colour_by = self._before_states
        elif before is states or self._colour_by is not ColourBy.STATE:
            return
        self.look_changed.emit()

    def fill_colours(self, nuclei: Nuclei) -> NDArray[np.float32]:
        """Return the colour of each nucleus, (N, 4), by what colours say now."""
        if self._colour_by is not ColourBy.STATE or self._states is None:
            return fill_colours(nuclei, self._colour_by)
        states, order = self._states, self._state_order
        if not len(order):
            return class_palette(states.scheme)[np.full(len(nuclei), UNLABELLED)]
        place = np.minimum(np.searchsorted(states.ids, nuclei.ids, sorter=order), len(order) - 1)
        known = states.ids[order[place]] == nuclei.ids
        return class_palette(states.scheme)[np.where(known, states.label[order[place]], UNLABELLED)]

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

    def follow_classes(self, labels_now: Sequence[int]) -> None:
        """Go on hiding the same classes where labels have become others; `Change.labels_now` says which."""
        unclassified = self._hidden & {UNLABELLED}
        now = {labels_now[label] for label in self._hidden - unclassified if label < len(labels_now)}
        self._hidden = frozenset(now - {UNLABELLED}) | unclassified

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

"""The review queue of one nuclei layer: which nucleus to look at next, in step with what is said meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from nucloop.gui.messages import Message
from nucloop.learning.queue import ReviewQueue, Suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nucloop.gui.corrections import Corrections
    from nucloop.session import Change

__all__ = ["Review"]

_ASKED = "review queue asked"
_ANSWERS = ("set class", "confirm", "delete")
ZOOM_UM = 80.0
"""How much of the slide is shown around a nucleus in question."""


class Review(QObject):
    """Asks about one nucleus after another. Any answer moves on, whoever gives it and however.

    Parameters
    ----------
    corrections : Corrections
        Of the nuclei that are asked about.
    """

    changed = Signal()
    """There is another question, or another count."""

    def __init__(self, corrections: Corrections) -> None:
        super().__init__(corrections)
        self._corrections, self._nuclei = corrections, corrections.nuclei
        self._queue: ReviewQueue | None = None
        self._past: list[Suggestion] = []
        self._at = -1
        self._given: dict[int, str] = {}
        self.answers = 0
        """Answers given to questions since the window was opened."""
        self._end_hearing = self._nuclei.session.subscribe(self._heard)

    @property
    def question(self) -> Suggestion | None:
        """What is asked now."""
        return self._past[self._at] if self._past and self._at >= 0 else None

    def ask_about(self, ids: Iterable[int], why: str) -> None:
        """Put nuclei first in the queue, in place of those that were put there before; why is said of each.

        They wait for `next`. Those about which somebody speaks meanwhile are not asked about any more.
        """
        self._given = dict.fromkeys(ids, why)
        self.changed.emit()

    @property
    def given(self) -> int:
        """How many nuclei somebody has put first in the queue and nobody has spoken about yet."""
        return len(self._given)

    def next(self) -> None:
        """Ask the next question: one that was gone back from, or a new one."""
        session = self._nuclei.session
        while self._at + 1 < len(self._past):
            self._at += 1
            if session.contains([self._past[self._at].id])[0]:
                self._look()
                return
        suggestion = self._next_of_queue()
        if suggestion is None:
            self._at = -1
            self._corrections.said.emit(Message("Nothing is left to ask: all nuclei were looked at."))
        else:
            self._past.append(suggestion)
            self._at = len(self._past) - 1
            self._remember()
            self._look()
        self.changed.emit()

    def back(self) -> None:
        """Go back to the question before."""
        while self._at > 0:
            self._at -= 1
            if self._nuclei.session.contains([self._past[self._at].id])[0]:
                self._look()
                return

    def stop(self) -> None:
        """Ask nothing until the next time."""
        self._at = -1
        self.changed.emit()

    def close(self) -> None:
        """Listen no more."""
        self._end_hearing()

    def _next_of_queue(self) -> Suggestion | None:
        session = self._nuclei.session
        while self._given:
            first = next(iter(self._given))
            why = self._given.pop(first)
            if session.contains([first])[0]:
                return Suggestion(first, 0.0, why)
        if self._queue is None:
            disputed = [
                session.disagreements(a, b) for k, a in enumerate(session.readers) for b in session.readers[k + 1 :]
            ]
            self._queue = ReviewQueue(
                session.nuclei(),
                asked=session.recall(_ASKED, []),
                disputed=np.unique(np.concatenate([*disputed, np.zeros(0, np.int64)])).tolist(),
            )
        while (suggestion := self._queue.next()) is not None:
            if session.contains([suggestion.id])[0]:
                return suggestion
        return None

    def _remember(self) -> None:
        session = self._nuclei.session
        if not session.read_only:
            asked = {*session.recall(_ASKED, []), self._past[-1].id}
            session.remember(_ASKED, sorted(asked))

    def _look(self) -> None:
        """Select the nucleus in question, and show it in the middle."""
        question, nuclei = self.question, self._nuclei
        if question is None:
            return
        camera = nuclei.viewer.scene.camera
        place = nuclei.session.positions([question.id])[0]
        least = min(nuclei.viewer.canvas.size) / (ZOOM_UM / nuclei.mpp * float(abs(nuclei.layer.scale[-1])))
        camera.zoom = max(camera.zoom, least)
        camera.center = nuclei.layer.data_to_world(place)
        nuclei.select([question.id])
        # the key that answers means this nucleus, not the one the mouse happens to lie on
        self._corrections.pixel = None
        self.changed.emit()

    def _heard(self, change: Change) -> None:
        question = self.question
        if self._given and str(change.way) == "done" and str(change.kind) in _ANSWERS:
            for answered_id in change.touched.tolist():
                self._given.pop(answered_id, None)
        if self._queue is not None:
            self._tell_queue(self._queue, change)
        answered = question is not None and question.id in change.touched
        if answered and str(change.way) == "done" and str(change.kind) in _ANSWERS:
            self.answers += 1
            self.next()

    def _tell_queue(self, queue: ReviewQueue, change: Change) -> None:
        session = self._nuclei.session
        if len(change.added) or str(change.kind) == "new head" or change.classes_changed:
            # other nuclei, or other probabilities: the next question is chosen among these
            self._queue = None
            return
        for ids, gone in ((change.relabelled, False), (change.removed, True)):
            if len(ids):
                labels = np.full(len(ids), -1) if gone else session.labels(ids)
                tell = queue.answer if str(change.way) != "undone" else queue.take_back
                tell(ids, labels.astype(np.int16))

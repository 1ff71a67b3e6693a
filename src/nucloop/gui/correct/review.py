"""The review queue of one nuclei layer: which nucleus to look at next, in step with what is said meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from nucloop.gui.correct.review_choice import queue_input, queue_of, regions_of
from nucloop.gui.layer.viewport import viewport_of
from nucloop.gui.widgets.jobs import Ending, How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.learning.queue import Suggestion, asked_key
from nucloop.session import Direction, EditKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nucloop.geometry import Region
    from nucloop.gui.correct.corrections import Corrections
    from nucloop.learning.queue import ReviewQueue
    from nucloop.learning.session_features import SessionFeatures
    from nucloop.session import Change, Session

__all__ = ["Review"]

_ANSWERS = (EditKind.SET_CLASS, EditKind.CONFIRM, EditKind.DELETE)
ZOOM_UM = 80.0
"""How much of the slide is shown around a nucleus in question."""
AT_ONCE = 20_000
"""Among so many nuclei a queue is made while nobody notices; among more, in the background."""
_BLINDED = "A nucleus worth looking at. Why is not said while you work blinded"


class Review(QObject):
    """Asks about one nucleus after another. Any answer moves on, whoever gives it and however.

    Parameters
    ----------
    corrections : Corrections
        Of the nuclei that are asked about.
    features : callable, optional
        Returns the kept features of these nuclei.
    """

    changed = Signal()
    """There is another question, or another count."""

    def __init__(self, corrections: Corrections, features: Callable[[], SessionFeatures] | None = None) -> None:
        super().__init__(corrections)
        self._features = features
        self._regions: list[Region] = []
        self._whose = ""
        self._job: Job | None = None
        self._missed: list[Change] = []
        self._corrections, self._nuclei = corrections, corrections.nuclei
        self._queue: ReviewQueue | None = None
        self._past: list[Suggestion] = []
        self._at = -1
        self._given: dict[int, str] = {}
        self.answers = 0
        """Answers given to questions since the window was opened."""
        self.gained = _gained(self._nuclei.session)
        """What the head in use was estimated to gain, in words; empty while none was learned."""
        self._end_hearing = self._nuclei.session.subscribe(self._heard)
        corrections.asked = self._asked

    @property
    def question(self) -> Suggestion | None:
        """What is asked now."""
        return self._past[self._at] if 0 <= self._at < len(self._past) else None

    def _asked(self) -> int | None:
        """Return the nucleus in question while it is on screen: who has moved on means what they point at."""
        question, nuclei = self.question, self._nuclei
        if question is None or not nuclei.session.contains([question.id])[0]:
            return None
        y, x = nuclei.session.positions([question.id])[0].tolist()
        return question.id if viewport_of(nuclei.viewer, nuclei.image).contains(y, x) else None

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

    @property
    def why(self) -> str:
        """Why this is asked; empty while nothing is."""
        question = self.question
        if question is None:
            return ""
        return _BLINDED if self._nuclei.session.blinded else question.why

    @property
    def choosing(self) -> bool:
        """Whether the next question is still being chosen."""
        return self._job is not None

    def next(self) -> None:
        """Ask the next question: one that was gone back from, or a new one."""
        session = self._nuclei.session
        while self._at + 1 < len(self._past):
            self._at += 1
            if session.contains([self._past[self._at].id])[0]:
                self._look()
                return
        given = self._next_given()
        if given is not None:
            self._put(given)
        elif self._job is None:
            if self._queue is None or self._is_outdated():
                self._begin()
            if self._queue is not None:
                self._ask(self._queue)

    def back(self) -> None:
        """Go back to the question before."""
        while self._at > 0:
            self._at -= 1
            if self._nuclei.session.contains([self._past[self._at].id])[0]:
                self._look()
                return

    def stop(self) -> None:
        """Ask nothing until the next time, and take the ring away."""
        self._at = len(self._past)
        self._corrections.clear_selection()
        self.changed.emit()

    def close(self) -> None:
        """Listen no more."""
        self._end_hearing()
        self._corrections.asked = lambda: None
        if self._job is not None:
            self._job.cancel()

    def _is_outdated(self) -> bool:
        """Whether the queue was made for other regions, or another reader."""
        return regions_of(self._nuclei) != self._regions or self._whose != asked_key(self._nuclei.session)

    def _begin(self) -> None:
        """Make the queue, here or in the background."""
        session = self._nuclei.session
        self._queue, self._regions, self._whose = None, regions_of(self._nuclei), asked_key(session)
        known = queue_input(self._nuclei, self._regions)
        features = None if self._features is None else self._features()
        if len(session) <= AT_ONCE:
            self._queue = queue_of(known, features)
            return
        self._missed.clear()
        self._job = Job(lambda: [queue_of(known, features)], self)
        self._job.items.connect(self._queue_made)
        self._job.ended.connect(self._job_ended)
        self._job.start()
        self.changed.emit()

    def _queue_made(self, items: list[ReviewQueue]) -> None:
        self._queue = items[0]
        for change in self._missed:
            if self._queue is not None:
                self._tell_queue(self._queue, change)

    def _job_ended(self, ending: Ending) -> None:
        self._job = None
        if ending.how is How.FAILED:
            self._corrections.said.emit(Message(ending.message, Tone.ERROR, ending.details))
        elif self._queue is not None:
            self._ask(self._queue)
        elif ending.how is How.DONE:
            self._begin()
        self.changed.emit()

    def _next_given(self) -> Suggestion | None:
        while self._given:
            first = next(iter(self._given))
            why = self._given.pop(first)
            if self._nuclei.session.contains([first])[0]:
                return Suggestion(first, 0.0, why)
        return None

    def _ask(self, queue: ReviewQueue) -> None:
        session = self._nuclei.session
        suggestion = queue.next()
        while suggestion is not None and not session.contains([suggestion.id])[0]:
            suggestion = queue.next()
        if suggestion is not None:
            self._put(suggestion)
            return
        self._at = len(self._past)
        left = "Nothing is left to ask: all nuclei were looked at."
        if self._regions:
            left = "Nothing is left to ask in the drawn regions. Delete them to be asked about all other nuclei."
        self._corrections.said.emit(Message(left))
        self.changed.emit()

    def _put(self, suggestion: Suggestion) -> None:
        """Put a new question."""
        self._past.append(suggestion)
        self._at = len(self._past) - 1
        self._remember()
        self._look()

    def _remember(self) -> None:
        session = self._nuclei.session
        if not session.read_only:
            whose = asked_key(session)
            asked = {*session.recall(whose, []), self._past[-1].id}
            session.remember(whose, sorted(asked))

    def _look(self) -> None:
        """Select the nucleus in question, and show it in the middle."""
        question, nuclei = self.question, self._nuclei
        if question is None:
            return
        nuclei.look_at(question.id, ZOOM_UM / nuclei.mpp)
        self._corrections.said.emit(None)
        self.changed.emit()

    def _heard(self, change: Change) -> None:
        question = self.question
        if self._given and change.way is Direction.DONE and change.kind in _ANSWERS:
            for answered_id in change.touched.tolist():
                self._given.pop(answered_id, None)
        if change.kind is EditKind.NEW_HEAD:
            self.gained = _gained(self._nuclei.session)
        if self._queue is not None:
            self._tell_queue(self._queue, change)
        elif self._job is not None:
            self._missed.append(change)
        answered = question is not None and question.id in change.touched
        if answered and change.way is Direction.DONE and change.kind in _ANSWERS:
            self.answers += 1
            self.next()

    def _tell_queue(self, queue: ReviewQueue, change: Change) -> None:
        session = self._nuclei.session
        if len(change.added) or change.kind is EditKind.NEW_HEAD or change.classes_changed:
            # other nuclei, or other probabilities: the next question is chosen among these
            self._queue = None
            return
        for ids, gone in ((change.relabelled, False), (change.removed, True)):
            if len(ids):
                labels = np.full(len(ids), -1) if gone else session.labels(ids)
                tell = queue.answer if change.way is not Direction.UNDONE else queue.take_back
                tell(ids, labels.astype(np.int16))


def _gained(session: Session) -> str:
    if session.newest(EditKind.NEW_HEAD) is None:
        return ""
    # it imports torch, which takes seconds and is here by now
    from nucloop.learning.session_heads import SessionHeads

    version = SessionHeads(session).current()
    return "" if version is None else version.gain

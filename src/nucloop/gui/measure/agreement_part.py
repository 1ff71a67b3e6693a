"""The part of the Measure dock that compares readers and lets somebody decide between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from nucloop.gui.measure.adjudicating import Adjudicating
from nucloop.gui.measure.question_ring import QuestionRing

if TYPE_CHECKING:
    from nucloop.gui.correct.correcting import Correcting
    from nucloop.gui.measure.measure_parts import MeasureParts
    from nucloop.gui.measure.measuring import Measuring

__all__ = ["AgreementPart"]

PAUSE_MS = 300


class AgreementPart(QObject):
    """Connects the box of the dock with what compares and keeps decisions; idle while its section is closed.

    Parameters
    ----------
    measuring : Measuring
        Knows nuclei and reference.
    correcting : Correcting
        Knows the review queue.
    parts : MeasureParts
        The widgets.
    """

    asked = Signal(object)
    """A place (y, x), level-0 pixels, to be led to."""
    said = Signal(object)
    """A Message."""

    def __init__(self, measuring: Measuring, correcting: Correcting, parts: MeasureParts) -> None:
        super().__init__(measuring)
        self._measuring, self._correcting, self._parts = measuring, correcting, parts
        self.adjudicating = Adjudicating(measuring)
        self.ring = QuestionRing()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.timeout.connect(self.adjudicating.start)
        self.adjudicating.changed.connect(self._show)
        self.adjudicating.said.connect(self.said)
        parts.agreement_section.toggled.connect(self._toggled)
        box = parts.agreement
        box.queue_clicked.connect(self._queue)
        box.next_clicked.connect(self._next)
        box.decided.connect(self._decided)
        box.class_decided.connect(self._decided)
        box.layer_clicked.connect(self.adjudicating.make_layer)

    def follow(self) -> None:
        """Compare again when the person pauses: the figures have changed."""
        if self._measuring.score is None and not self._measuring.busy:
            self.adjudicating.stop()
            self._ring()
        elif self._parts.agreement_section.isExpanded():
            self._timer.start()

    def close(self) -> None:
        """Stop comparing."""
        self._timer.stop()
        self.adjudicating.stop()
        self._ring()

    def _toggled(self, shown: bool) -> None:
        if shown and self._measuring.live is not None:
            self.adjudicating.start()
            self._show()
        elif not shown:
            self.ring.hide()

    def _show(self) -> None:
        readings, adjudicating, box = self.adjudicating.readings, self.adjudicating, self._parts.agreement
        box.show_readings(readings)
        if readings is not None:
            of, left = len(readings.places), len(adjudicating.open)
            box.show_question(adjudicating.question, (readings.first.scheme, readings.second.scheme), of - left, of)
        self._ring()

    def _ring(self) -> None:
        place, nuclei = self.adjudicating.question, self._measuring.nuclei
        if place is None or nuclei is None:
            self.ring.hide()
        else:
            self.ring.show(nuclei, place.y, place.x)

    def _queue(self) -> None:
        readings, review = self.adjudicating.readings, self._correcting.review
        if readings is None:
            return
        places = np.array([(place.y, place.x) for place in readings.places])
        ids = [place.first for place in readings.places if place.first is not None]
        if review is not None:
            review.ask_about(ids, "two readers disagree")
        text = f"The readers differ at {len(places):,} places; {len(ids):,} nuclei of yours are first in the queue."
        self._parts.strip.show_places(text, places, review=bool(ids))

    def _next(self) -> None:
        self.adjudicating.next()
        self._look()

    def _decided(self, answer: str | int) -> None:
        self.adjudicating.decide(answer)
        self._look()

    def _look(self) -> None:
        place = self.adjudicating.question
        if place is not None:
            self.asked.emit(np.array([place.y, place.x]))

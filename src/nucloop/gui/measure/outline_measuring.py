"""How well outlines fit those of a reference, wherever both sides have some: counted when a person pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from nucloop.errors import NucLoopError
from nucloop.evaluation.slide_outlines import OutlineFigures, compare_outlines
from nucloop.gui.widgets.jobs import How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nucloop.gui.measure.measuring import Measuring
    from nucloop.gui.widgets.jobs import Ending

__all__ = ["OutlineMeasuring", "outline_words"]

PAUSE_MS = 600
READ_AT_ONCE = 20_000
"""Outlines of so many nuclei are read while nobody notices."""


class OutlineMeasuring(QObject):
    """Follows a Measuring; what it counts belongs to the nuclei and the reference that are compared there.

    Parameters
    ----------
    measuring : Measuring
        Owns this.
    """

    changed = Signal()
    said = Signal(object)
    """A Message."""

    def __init__(self, measuring: Measuring) -> None:
        super().__init__(measuring)
        self._measuring = measuring
        self.figures: OutlineFigures | None = None
        """None while there are none, or not yet."""
        self._parts: list[Nuclei] = []
        self._unread: list[NDArray[np.int64]] = []
        self._job: Job | None = None
        self._timer, self._reading = QTimer(self), QTimer(self)
        for timer, act in ((self._timer, self._start), (self._reading, self._read)):
            timer.setSingleShot(True)
            timer.timeout.connect(act)
        measuring.changed.connect(self.follow)

    @property
    def busy(self) -> bool:
        """Whether figures are on their way."""
        return self._timer.isActive() or self._reading.isActive() or self._job is not None

    @property
    def _truth(self) -> Nuclei | None:
        """The reference, if it has outlines. Another reader's are those of the session, and say nothing."""
        reference = self._measuring.reference
        truth = None if reference is None else reference.nuclei
        return truth if truth is not None and truth.outlines is not None and truth.outlines.there.any() else None

    def follow(self) -> None:
        """Count anew when the person pauses."""
        self.close()
        if self._measuring.live is not None and self._measuring.nuclei is not None and self._truth is not None:
            self._timer.start(PAUSE_MS)
        elif self.figures is not None:
            self._show(None)

    def close(self) -> None:
        """Count no more; what is shown stays."""
        self._timer.stop()
        self._reading.stop()
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def _start(self) -> None:
        nuclei = self._measuring.nuclei
        if nuclei is None:
            return
        ids = nuclei.session.ids()
        ids = ids[nuclei.session.has_outline(ids)]
        self._unread = [ids[k : k + READ_AT_ONCE] for k in range(0, len(ids), READ_AT_ONCE)]
        self._parts = []
        if self._unread:
            self._read()
        else:
            self._show(None)

    def _read(self) -> None:
        nuclei, truth = self._measuring.nuclei, self._truth
        if nuclei is None or truth is None:
            return
        part = self._unread.pop(0)
        try:
            self._parts.append(nuclei.session.with_outlines(nuclei.shown(part[nuclei.session.contains(part)])))
        except NucLoopError as error:
            self.said.emit(Message(str(error), Tone.ERROR))
            return
        if self._unread:
            self._reading.start(0)
            return
        parts, self._parts, config = self._parts, [], self._measuring.compared_by
        self._job = Job(lambda: compare_outlines(Nuclei.concatenate(parts, parts[0].scheme), truth, config), self)
        self._job.items.connect(self._arrived)
        self._job.ended.connect(self._ended)
        self._job.start()

    def _arrived(self, items: list[OutlineFigures | None]) -> None:
        if items[-1] is not None:
            self._show(items[-1])

    def _ended(self, ending: Ending) -> None:
        self._job = None
        if ending.how is How.FAILED:
            self.said.emit(Message(ending.message, Tone.ERROR, ending.details))

    def _show(self, figures: OutlineFigures | None) -> None:
        self.figures = figures
        self.changed.emit()


def outline_words(figures: OutlineFigures | None) -> str:
    """Say figures in two lines; empty when there are none."""
    if figures is None:
        return ""
    fit, panoptic = figures.segmentation, figures.segmentation.panoptic
    mpq = "" if figures.mpq is None else f"  ·  mPQ {figures.mpq:.3f}"
    return (
        f"DICE {fit.dice:.3f}  ·  AJI {fit.aji:.3f}{mpq}\n"
        f"PQ {panoptic.pq:.3f} = DQ {panoptic.dq:.3f} x SQ {panoptic.sq:.3f}"
    )

"""The comparison of nuclei with a reference: made in the background, then in step with every edit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from nucloop.errors import NucLoopError
from nucloop.evaluation.live import LiveComparison, LiveConfig, threshold_curve
from nucloop.gui.canvas.drawn_regions import drawn_regions, ignored_regions
from nucloop.gui.canvas.regions_watch import RegionsWatch
from nucloop.gui.measure.figures import Figures, count
from nucloop.gui.measure.references import Reference, of_layer
from nucloop.gui.widgets.jobs import How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.session.past import past_nuclei

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.gui.widgets.jobs import Ending
    from nucloop.metrics.curve import Curve
    from nucloop.metrics.scoring import FieldScore
    from nucloop.nuclei import Nuclei
    from nucloop.session import Change
    from nucloop.session.past import Moment

__all__ = ["Measuring"]

MOST_FOLLOWED = 5_000
"""An edit of more nuclei is counted anew, in the background."""
PAUSE_MS = 250
"""What is counted anew waits until a person pauses for this long."""


class Measuring(QObject):
    """Holds a LiveComparison and everything that belongs to it; the dock shows it.

    Parameters
    ----------
    parent : QObject
        It ends with it.
    """

    changed = Signal()
    """The figures are others."""
    curve_changed = Signal()
    busy_changed = Signal(bool)
    said = Signal(object)
    """A Message."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.nuclei: NucleiLayer | None = None
        self.reference: Reference | None = None
        self.config = self.compared_by = LiveConfig()
        """As asked for, and as `live` is counted: with the regions of that moment."""
        self.only_regions = False
        self.live: LiveComparison | None = None
        self.truth: Nuclei | None = None
        """The reference of `live`."""
        self.moment: Moment | None = None
        self.then: FieldScore | None = None
        """The figures at `moment`."""
        self.curve: Curve | None = None
        self.curve_of: str | None = None
        """The class whose curve is wanted; None is detection."""
        self.wants_curve = False
        self._job: Job | None = None
        self._missed: list[Change] = []
        self._shown_as: tuple[object, ...] = ()
        self._end_hearing: Callable[[], None] = _nothing
        self._again, self._curve_later = QTimer(self), QTimer(self)
        for timer, act in ((self._again, self.start), (self._curve_later, self._draw_curve)):
            timer.setSingleShot(True)
            timer.setInterval(PAUSE_MS)
            timer.timeout.connect(act)
        self._curve_job: Job | None = None
        self._watch = RegionsWatch(self)
        self._watch.changed.connect(self._regions_edited)

    @property
    def score(self) -> FieldScore | None:
        """The figures as things stand; None while there are none."""
        return None if self.live is None else self.live.score

    @property
    def busy(self) -> bool:
        """Whether figures are on their way."""
        return self._job is not None or self._again.isActive()

    def show_nuclei(self, nuclei: NucleiLayer | None) -> None:
        """Measure other nuclei, or none."""
        if nuclei is self.nuclei:
            self._shown_otherwise()
            return
        self._end_hearing()
        self._end_hearing, self.nuclei = _nothing, nuclei
        self.compare_with(None)
        self.moment, self._shown_as = None, _shown_as(nuclei)
        self._watch.watch(None if nuclei is None else nuclei.viewer, None if nuclei is None else nuclei.image)
        if nuclei is not None:
            self._end_hearing = nuclei.session.subscribe(self._heard)
        self.start()

    def _shown_otherwise(self) -> None:
        """Count anew when another reader's labels are shown, or the person works blinded from now on."""
        shown_as = _shown_as(self.nuclei)
        if shown_as == self._shown_as:
            return
        self._shown_as = shown_as
        blinded = self.nuclei is not None and self.nuclei.session.blinded
        if self.reference is not None and self.reference.reader is not None and blinded:
            self.reference = None
        self.start()

    def compare_with(self, reference: Reference | None) -> None:
        """Choose the reference."""
        self._follow_layer(reference)
        self.reference = reference
        self.start()

    def configure(self, *, radius_um: float | None = None, rule: str | None = None) -> None:
        """Choose radius and rule."""
        self.config = replace(
            self.config, radius_um=radius_um or self.config.radius_um, rule=rule or self.config.rule
        )  # fmt: skip
        self.start()

    def since(self, moment: Moment | None) -> None:
        """Say from which moment on changes are shown; None shows none."""
        self.moment = moment
        self.start()

    def start_later(self, *_: object) -> None:
        """Count anew when the person pauses."""
        self._again.start()
        self.busy_changed.emit(True)

    def start(self) -> None:
        """Count everything anew, in the background."""
        self._again.stop()
        self._stop_job()
        self.live, self.truth, self.then = None, None, None
        nuclei, reference = self.nuclei, self.reference
        if nuclei is None or reference is None:
            self.busy_changed.emit(False)
            self.changed.emit()
            return
        config = replace(self.config, ignored=tuple(ignored_regions(nuclei.viewer, nuclei.image)))
        try:
            config = replace(config, regions=self._regions(nuclei))
        except NucLoopError as error:
            self.said.emit(Message(str(error), Tone.WARNING))
        self.compared_by = config
        found, truth = self._sides(nuclei, reference)
        look_back = None if self.moment is None else past_nuclei(nuclei.session, self.moment.seq)
        self._missed = []
        self._job = Job(lambda: count(found, truth, nuclei.mpp, config, look_back), self)
        self._job.items.connect(self._arrived)
        self._job.ended.connect(self._ended)
        self._job.start()
        self.busy_changed.emit(True)

    def close(self) -> None:
        """Stop measuring."""
        self._end_hearing()
        self._end_hearing = _nothing
        self._follow_layer(None)
        self._watch.watch(None, None)
        self._again.stop()
        self._curve_later.stop()
        self._stop_job()
        if self._curve_job is not None:
            self._curve_job.cancel()
            self._curve_job = None

    def draw_curve(self) -> None:
        """Draw the curve when the person pauses, if it is wanted."""
        if self.wants_curve and self.live is not None:
            self._curve_later.start()

    def sides(self) -> tuple[Nuclei, Nuclei]:
        """Return the nuclei and their reference as they are now."""
        assert self.nuclei is not None
        assert self.reference is not None
        return self._sides(self.nuclei, self.reference)

    def _stop_job(self) -> None:
        if self._job is not None:
            self._job.items.disconnect(self._arrived)
            self._job.ended.disconnect(self._ended)
            self._job.cancel()
            self._job = None

    def _regions(self, nuclei: NucleiLayer) -> tuple[Any, ...]:
        return tuple(drawn_regions(nuclei.viewer, nuclei.image)) if self.only_regions else ()

    def _regions_edited(self) -> None:
        """Count anew where that changes what counts."""
        nuclei = self.nuclei
        if nuclei is None or self.reference is None:
            return
        if self.only_regions or tuple(ignored_regions(nuclei.viewer, nuclei.image)) != self.compared_by.ignored:
            self.start_later()

    def _sides(self, nuclei: NucleiLayer, reference: Reference) -> tuple[Nuclei, Nuclei]:
        if reference.reader is None:
            assert reference.nuclei is not None
            return nuclei.shown(), reference.nuclei
        spoken = nuclei.session.spoken_by(reference.reader)
        return nuclei.shown(spoken), nuclei.session.nuclei_of(reference.reader, spoken)

    def _arrived(self, items: list[Figures]) -> None:
        figures = items[-1]
        self.truth, self.live, self.then = figures.truth, figures.live, figures.then
        if self.live is not None and self._missed:
            missed, self._missed = self._missed, []
            for change in missed:
                self._follow(change)

    def _ended(self, ending: Ending) -> None:
        self._job = None
        if ending.how is How.FAILED:
            self.said.emit(Message(ending.message, Tone.ERROR, ending.details))
        self.busy_changed.emit(False)
        self.changed.emit()
        self.draw_curve()

    def _heard(self, change: Change) -> None:
        if self.reference is None:
            return
        if self._job is not None and self.live is None:
            self._missed.append(change)
            return
        self._follow(change)
        self.changed.emit()
        self.draw_curve()

    def _follow(self, change: Change) -> None:
        """Count again around an edit, or everything where that would not be quicker."""
        live, nuclei, reference = self.live, self.nuclei, self.reference
        if live is None or nuclei is None or reference is None:
            return
        ids = change.touched
        if change.classes_changed or not live.follows_edits or len(ids) > MOST_FOLLOWED:
            self.start_later()
            return
        there = nuclei.session.contains(ids)
        if reference.reader is None:
            live.follow(nuclei.shown(ids[there]), ids[~there])
            return
        counted = there & np.isin(ids, nuclei.session.spoken_by(reference.reader))
        for side, table in (
            ("predicted", nuclei.shown(ids[counted])),
            ("reference", nuclei.session.nuclei_of(reference.reader, ids[counted])),
        ):
            live.follow(table, ids[~counted], side)

    def _follow_layer(self, reference: Reference | None) -> None:
        if self.reference is not None and self.reference.layer is not None:
            self.reference.layer.events.data.disconnect(self._layer_edited)
        if reference is not None and reference.layer is not None:
            reference.layer.events.data.connect(self._layer_edited)

    def _layer_edited(self, event: object = None) -> None:
        if self.reference is not None and self.reference.layer is not None and self.nuclei is not None:
            self.reference = of_layer(self.reference.layer, self.nuclei)
            self.start_later()

    def _draw_curve(self) -> None:
        if self.live is None or self.nuclei is None or self.reference is None or not self.wants_curve:
            return
        if self._curve_job is not None:
            self._curve_job.cancel()
        found, truth = self._sides(self.nuclei, self.reference)
        name = self.curve_of if self.curve_of in self.live.names else None
        mpp, config = self.nuclei.mpp, self.live.config
        job = Job(lambda: iter([threshold_curve(found, truth, mpp, config, name)]), self)
        job.items.connect(lambda items: self._curve_drawn(job, items))
        job.ended.connect(lambda ending: self._curve_ended(job, ending))
        self._curve_job = job
        job.start()

    def _curve_drawn(self, job: Job, items: list[Any]) -> None:
        if job is self._curve_job:
            self.curve = items[-1]
            self.curve_changed.emit()

    def _curve_ended(self, job: Job, ending: Ending) -> None:
        if job is self._curve_job:
            # a job that has ended goes away by itself
            self._curve_job = None
            if ending.how is How.FAILED:
                self.said.emit(Message(ending.message, Tone.ERROR, ending.details))


def _shown_as(nuclei: NucleiLayer | None) -> tuple[object, ...]:
    """Whose labels are shown."""
    return () if nuclei is None else (nuclei.reader, nuclei.session.blinded, nuclei.session.author)


def _nothing() -> None:
    """Hear nothing, so there is nothing to end."""

"""The Ki-67 index of the nuclei that are meant, in step with every edit and every drawn region."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from nucloop.errors import DataError, RegionError
from nucloop.gui.canvas.drawn_regions import drawn_regions, regions_layer
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.ki67.ki67_memory import recall_settings, remember_settings
from nucloop.gui.widgets.jobs import How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.ki67 import Ki67Result, Ki67Settings, measure
from nucloop.ki67.dab import slide_stains
from nucloop.ki67.density import Densities, measured
from nucloop.ki67.regions import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Shapes

    from nucloop.geometry import Region
    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.gui.widgets.jobs import Ending
    from nucloop.nuclei import Nuclei

__all__ = ["Ki67Measuring"]

COUNTED_AT_ONCE = 20_000
"""More nuclei than this are counted in the background."""
PAUSE_MS = 200


class Ki67Measuring(QObject):
    """Measures again whenever something has changed that the index depends on."""

    changed = Signal()
    busy_changed = Signal(bool)
    said = Signal(object)
    """A Message."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.nuclei: NucleiLayer | None = None
        self.settings = Ki67Settings()
        self.result: Ki67Result | None = None
        self.regions: dict[str, Region] = {}
        self.densities = Densities()
        self.why = ""
        """Why there is no result."""
        self._shapes: Shapes | None = None
        self._end_hearing: Callable[[], None] = _nothing
        self._job: Job | None = None
        self._dab_came = False
        self._shown_as: tuple[object, ...] = ()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.measure)

    @property
    def busy(self) -> bool:
        """Whether DAB is being measured, or the index counted."""
        return self._job is not None or self._timer.isActive()

    def show_nuclei(self, nuclei: NucleiLayer | None) -> None:
        """Measure other nuclei, or none."""
        shown_as: tuple[object, ...] = (
            () if nuclei is None else (nuclei.reader, nuclei.session.blinded, nuclei.session.author)
        )
        shown_as, self._shown_as = self._shown_as, shown_as
        if nuclei is self.nuclei:
            if self._shown_as != shown_as:
                self.later(0)
            return
        self._end_hearing()
        self._stop_job()
        self._end_hearing, self.nuclei, self.result = _nothing, nuclei, None
        self.densities = Densities()
        if nuclei is not None:
            self._end_hearing = nuclei.session.subscribe(self._heard)
            self.settings = recall_settings(nuclei.session)
        self.watch_regions()
        self.later(0)

    def choose(self, **settings: Any) -> None:
        """Change settings, for good."""
        self.settings = replace(self.settings, **settings)
        if self.nuclei is not None:
            remember_settings(self.nuclei.session, self.settings)
        self.later(0)

    def later(self, pause: int | None = None) -> None:
        """Measure soon: at once while there are few nuclei, else when the person pauses."""
        nuclei = self.nuclei
        if pause is None:
            pause = PAUSE_MS if nuclei is not None and len(nuclei.session) > COUNTED_AT_ONCE else 0
        self._timer.start(pause)

    def watch_regions(self) -> None:
        """Follow the layer of drawn regions, which may have come or gone."""
        shapes = None if self.nuclei is None else regions_layer(self.nuclei.viewer)
        if shapes is self._shapes:
            return
        if self._shapes is not None:
            self._shapes.events.data.disconnect(self._regions_edited)
        self._shapes = shapes
        if shapes is not None:
            shapes.events.data.connect(self._regions_edited)
        self.later(0)

    def measure(self) -> None:
        """Measure now, DAB of new nuclei first if it is needed."""
        nuclei = self.nuclei
        if nuclei is None or not len(nuclei.session):
            self._show(None, "")
            return
        if self._job is not None:
            self.later(PAUSE_MS)
            return
        self.regions = self._drawn(nuclei)
        table = nuclei.shown()
        if not self.settings.ready:
            self._show(None, "Say below which classes are positive and which negative, or let DAB decide.")
            return
        density = None
        if self.settings.by_dab:
            density = self.densities.of(table.ids, table.yx)
            unknown = np.isnan(density)
            if unknown.any():
                self._measure_dab(nuclei, table.take(unknown))
                return
        settings, regions, mpp = self.settings, self.regions, nuclei.mpp
        if len(table) <= COUNTED_AT_ONCE:
            try:
                self._show(measure(table, settings, mpp, regions or None, density), "")
            except DataError as error:
                self._show(None, str(error))
            return
        self._run(lambda: iter([("result", measure(table, settings, mpp, regions or None, density))]))

    def close(self) -> None:
        """Stop measuring."""
        self._end_hearing()
        self._end_hearing = _nothing
        if self._shapes is not None:
            self._shapes.events.data.disconnect(self._regions_edited)
            self._shapes = None
        self._timer.stop()
        self._stop_job()

    def _measure_dab(self, nuclei: NucleiLayer, new: Nuclei) -> None:
        slide, stains = slide_of_layer(nuclei.image), self.densities.stains

        def steps() -> Iterator[tuple[str, Any]]:
            with slide:
                own = stains or slide_stains(slide)
                yield "stains", own
                for part in measured(slide, new.ids, new.yx, own):
                    yield "dab", part

        self._run(steps)

    def _run(self, steps: Callable[[], Iterator[tuple[str, Any]]]) -> None:
        self._dab_came = False
        self._job = Job(steps, self)
        self._job.items.connect(self._arrived)
        self._job.ended.connect(self._ended)
        self._job.start()
        self.busy_changed.emit(True)

    def _arrived(self, items: list[tuple[str, Any]]) -> None:
        for what, value in items:
            self._dab_came |= what == "dab"
            if what == "stains":
                self.densities.stains = value
            elif what == "dab":
                self.densities.keep(*value)
            else:
                self._show(value, "")

    def _ended(self, ending: Ending) -> None:
        self._job = None
        self.busy_changed.emit(False)
        if ending.how is How.FAILED:
            self.said.emit(Message(ending.message, Tone.ERROR, ending.details))
            self._show(None, "")
        elif self._dab_came:
            self.later(0)

    def _stop_job(self) -> None:
        if self._job is not None:
            self._job.items.disconnect(self._arrived)
            self._job.ended.disconnect(self._ended)
            self._job.cancel()
            self._job = None
            self.busy_changed.emit(False)

    def _drawn(self, nuclei: NucleiLayer) -> dict[str, Region]:
        try:
            return named(drawn_regions(nuclei.viewer, nuclei.image))
        except RegionError:
            return {}

    def _regions_edited(self, event: object = None) -> None:
        self.later()

    def _heard(self, change: object) -> None:
        self.later()

    def _show(self, result: Ki67Result | None, why: str) -> None:
        self.result, self.why = result, why
        self.changed.emit()


def _nothing() -> None:
    """Hear nothing, so there is nothing to end."""

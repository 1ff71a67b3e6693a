"""The Ki-67 index of the nuclei that are meant, in step with every edit and every drawn region."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from nucloop.errors import DataError, NucLoopError, RegionError
from nucloop.geometry import in_any
from nucloop.gui.canvas.drawn_regions import drawn_regions, ignored_regions
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.canvas.regions_watch import RegionsWatch
from nucloop.gui.ki67.ki67_memory import (
    recall_settings,
    recall_stain,
    remember_settings,
    remember_stain,
    renamed,
    sets_of,
)
from nucloop.gui.widgets.jobs import How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.ki67 import Ki67Result, Ki67Settings, measure
from nucloop.ki67.dab import slide_stains
from nucloop.ki67.density import Densities, measured
from nucloop.ki67.regions import sampled
from nucloop.ki67.words import H_E_WORDS
from nucloop.nuclei import UNLABELLED
from nucloop.region_names import named
from nucloop.session import EditKind
from nucloop.slides.stain_kind import StainKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nucloop.geometry import Region
    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.gui.widgets.jobs import Ending
    from nucloop.ki67.dab import SlideStains
    from nucloop.nuclei import Nuclei
    from nucloop.session import Change

__all__ = ["Ki67Measuring"]

COUNTED_AT_ONCE = 20_000
"""More nuclei than this are counted in the background."""
PAUSE_MS = 200
DAB_AT_ONCE = 50_000
"""DAB of so many nuclei is measured in one go: their outlines are read while the window waits."""
_SAYS_WHO_GAVE_CLASSES = (EditKind.MODEL_RUN, EditKind.NEW_HEAD, EditKind.CLASSES, EditKind.UNDO, EditKind.REDO)


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
        self.drawn: dict[str, Region] = {}
        """All that are drawn, by name."""
        self.regions: dict[str, Region] = {}
        """Those that are measured."""
        self.densities = Densities()
        self.why = ""
        """Why there is no result."""
        self._said_stain: StainKind | None = None
        self._regions = RegionsWatch(self)
        self._regions.changed.connect(self._regions_edited)
        self._end_hearing: Callable[[], None] = _nothing
        self._job: Job | None = None
        self._dab_came = self._stain_failed = self._settings_stale = False
        self._shown_as: tuple[object, ...] = ()
        self._names: tuple[str, ...] = ()
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
        self.densities, self._stain_failed, self.drawn = Densities(), False, {}
        if nuclei is not None:
            self._names = nuclei.session.scheme.names
            self._end_hearing, self._said_stain = nuclei.session.subscribe(self._heard), recall_stain(nuclei.session)
            self._follow_slide(nuclei)
        self._regions.watch(None if nuclei is None else nuclei.viewer, None if nuclei is None else nuclei.image)
        self.later(0)

    @property
    def stain(self) -> StainKind | None:
        """What the slide is stained with, as a person said, else as it looks."""
        return None if self.stains is None else self.stains.kind

    @property
    def stains(self) -> SlideStains | None:
        """The slide's stains; None while they are not known."""
        found, said = self.densities.stains, self._said_stain
        return found if found is None or said is None else found.said_to_be(said)

    def choose(self, **settings: Any) -> None:
        """Change settings, for good."""
        self.settings = replace(self.settings, **settings)
        if self.nuclei is not None:
            remember_settings(self.nuclei.session, settings)
        self.later(0)

    def choose_stain(self, stain: StainKind | None) -> None:
        """Take a person's word for what the slide is stained with; None lets the program tell."""
        if self.nuclei is not None:
            self._said_stain = stain
            remember_stain(self.nuclei.session, stain)
            self._follow_slide(self.nuclei)
        self.later(0)

    def _follow_slide(self, nuclei: NucleiLayer) -> None:
        """Let what nobody has chosen follow from the slide's stain and from who gave the classes."""
        self._settings_stale = False
        self.settings = recall_settings(nuclei.session, self.stain)

    def later(self, pause: int | None = None) -> None:
        """Measure soon: at once while there are few nuclei, else when the person pauses."""
        nuclei = self.nuclei
        if pause is None:
            pause = PAUSE_MS if nuclei is not None and len(nuclei.session) > COUNTED_AT_ONCE else 0
        self._timer.start(pause)

    def measure(self) -> None:
        """Measure now, DAB of new nuclei first if it is needed."""
        nuclei = self.nuclei
        if nuclei is None or not len(nuclei.session):
            self._show(None, "")
            return
        if self._job is not None:
            self.later(PAUSE_MS)
            return
        if self.densities.stains is None and not self._stain_failed:
            self._read_stains(nuclei)
            return
        if self._settings_stale:
            self._follow_slide(nuclei)
        self.drawn = self._drawn(nuclei)
        self.regions = sampled(self.drawn)
        table = nuclei.shown()
        ignored = ignored_regions(nuclei.viewer, nuclei.image)
        if ignored:
            table = table.take(~in_any(table.yx, ignored))
        if not self.settings.ready:
            why = "Say below which classes are positive and which negative, or let DAB decide."
            self._show(None, f"{H_E_WORDS} {why}" if self.stain is StainKind.H_E else why)
            return
        density = None
        if self.settings.by_dab:
            density = self.densities.of(table.ids, table.yx)
            unknown = np.isnan(density)
            if unknown.any():
                self._measure_dab(nuclei, table.take(np.flatnonzero(unknown)[:DAB_AT_ONCE]))
                return
        settings, regions, mpp = self.settings, self.regions, nuclei.mpp
        outlined = nuclei.session.has_outline(table.ids)
        if len(table) <= COUNTED_AT_ONCE:
            try:
                self._show(measure(table, settings, mpp, regions or None, density, outlined), "")
            except DataError as error:
                self._show(None, str(error))
            return
        self._run(lambda: iter([("result", measure(table, settings, mpp, regions or None, density, outlined))]))

    def close(self) -> None:
        """Stop measuring."""
        self._end_hearing()
        self._end_hearing = _nothing
        self._regions.watch(None, None)
        self._timer.stop()
        self._stop_job()

    def _read_stains(self, nuclei: NucleiLayer) -> None:
        """Tell the slide's stains; what is measured by class goes on without them where that fails."""
        self._stain_failed = True
        try:
            slide = slide_of_layer(nuclei.image)
        except NucLoopError as error:
            self.said.emit(Message(str(error), Tone.ERROR))
            self.later(0)
            return

        def steps() -> Iterator[tuple[str, Any]]:
            with slide:
                yield "stains", slide_stains(slide)

        self._run(steps)

    def _measure_dab(self, nuclei: NucleiLayer, new: Nuclei) -> None:
        slide, stains = slide_of_layer(nuclei.image), self.densities.stains
        outlines = nuclei.session.with_outlines(new).outlines

        def steps() -> Iterator[tuple[str, Any]]:
            with slide:
                for part in measured(slide, new.ids, new.yx, stains, outlines):
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
                self.densities.stains, self._settings_stale = value, True
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
        if (ending.how is How.FAILED and not self.settings.by_dab) or self._dab_came or self._settings_stale:
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

    def _regions_edited(self) -> None:
        self.later()

    def _heard(self, change: Change) -> None:
        self.densities.forget(change.outlined)
        if change.classes_changed:
            self._follow_classes(change.labels_now)
        self._settings_stale |= change.kind in _SAYS_WHO_GAVE_CLASSES
        self.later()

    def _follow_classes(self, labels_now: Sequence[int]) -> None:
        """Go on counting the same classes under other names."""
        if self.nuclei is None:
            return
        session, before = self.nuclei.session, self._names
        self._names = session.scheme.names
        now = [None if label == UNLABELLED else self._names[label] for label in labels_now]
        settings = renamed(self.settings, dict(zip(before, now, strict=True)))
        if settings != self.settings:
            self.settings = settings
            remember_settings(session, sets_of(settings))

    def _show(self, result: Ki67Result | None, why: str) -> None:
        self.result, self.why = result, why
        self.changed.emit()


def _nothing() -> None:
    """Hear nothing, so there is nothing to end."""

"""The figures of the nuclei that were asked for: measured in the background, then in step with every edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.drawn_regions import regions_of
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.canvas.regions_watch import RegionsWatch
from nucloop.gui.table.table_scope import Inside, TableScope, nowhere, place_meant
from nucloop.gui.widgets.deferred import DeferredCall
from nucloop.gui.widgets.jobs import How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.measurements.measuring import measured
from nucloop.measurements.table import FigureTable
from nucloop.outlines import Outlines
from nucloop.region_names import named, names_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.gui.widgets.jobs import Ending
    from nucloop.measurements.stains import StainConfig
    from nucloop.session import Change

__all__ = ["NucleusMeasuring"]

READ_AT_ONCE = 20_000
"""Outlines of so many nuclei are read while nobody notices."""
NEAR_UM = 30.0
"""A nucleus whose centre is farther away is in no ring of another."""
MOST_FOLLOWED = 2_000
"""After an edit of more nuclei their rows wait, marked, until they are asked for."""
PAUSE_MS = 400
"""Edited nuclei are measured anew when a person pauses for this long."""


class NucleusMeasuring(QObject):
    """Keeps a FigureTable; the dock shows it.

    Parameters
    ----------
    parent : QObject
        It ends with it.
    """

    rows_changed = Signal()
    """The table has other rows, or is another one."""
    figures_changed = Signal()
    """The rows say something else."""
    progressed = Signal(int, int)
    """Nuclei done and asked for; each counts twice where stains are measured."""
    busy_changed = Signal(bool)
    said = Signal(object)
    """A Message."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.nuclei: NucleiLayer | None = None
        self.table = FigureTable()
        self.stains: StainConfig | None = None
        """How stains were measured; None if they were not."""
        self.asked = 0
        """Nuclei that were asked for; those without an outline have no row."""
        self.filling = False
        """Whether the figures on their way are the first of their nuclei."""
        self._inside: Inside = nowhere
        self._edited: set[int] = set()
        self._job: Job | None = None
        self._reading: list[NDArray[np.int64]] = []
        self._end_hearing: Callable[[], object] = lambda: None
        self._again, self._read_timer = QTimer(self), QTimer(self)
        for timer, act in ((self._again, self._measure_edited), (self._read_timer, self._read)):
            timer.setSingleShot(True)
            timer.timeout.connect(act)
        self._regions = RegionsWatch(self)
        self._naming = DeferredCall(self._name_regions, self)
        self._regions.changed.connect(self._naming.ask)

    @property
    def busy(self) -> bool:
        """Whether figures are on their way."""
        return self._job is not None or bool(self._reading) or self._again.isActive()

    def show_nuclei(self, nuclei: NucleiLayer | None) -> None:
        """Turn to other nuclei, or to none; what was measured is forgotten."""
        if nuclei is self.nuclei:
            return
        self.stop()
        self._end_hearing()
        if self.nuclei is not None:
            self.nuclei.look_changed.disconnect(self._look_changed)
        if nuclei is not None:
            nuclei.look_changed.connect(self._look_changed)
        self._end_hearing = (lambda: None) if nuclei is None else nuclei.session.subscribe(self._heard)
        self._regions.watch(None if nuclei is None else nuclei.viewer, None if nuclei is None else nuclei.image)
        self.nuclei, self._inside = nuclei, nowhere
        self.table, self.asked = FigureTable(), 0
        self.rows_changed.emit()

    def measure(self, scope: TableScope, stains: StainConfig | None) -> None:
        """Measure nuclei anew.

        Raises
        ------
        RegionError
            If no region is drawn.
        """
        nuclei = self.nuclei
        if nuclei is None:
            return
        inside = place_meant(nuclei, scope)
        self.stop()
        self.stains, self._inside = stains, inside
        ids = nuclei.session.ids()
        self.table = FigureTable()
        self._take_in(ids[inside(ids)])
        self._name_regions()
        self.rows_changed.emit()
        if self.asked and not len(self.table):
            self.said.emit(Message(_no_outlines(self.asked)))
            return
        self.filling = True
        self._begin(self.table.ids)

    def measure_stale(self) -> None:
        """Measure all nuclei that have changed since they were measured."""
        self._edited = set(self.table.ids[self.table.stale].tolist())
        if self._job is None and not self._reading:
            self._measure_edited()

    def stop(self) -> None:
        """Measure no more; what is there stays."""
        self.filling = False
        self._again.stop()
        self._read_timer.stop()
        self._reading, self._edited = [], set()
        if self._job is not None:
            self._job.items.disconnect(self._arrived)
            self._job.ended.disconnect(self._ended)
            self._job.cancel()
            self._job = None
        self.busy_changed.emit(False)

    def close(self) -> None:
        """Let go of the session."""
        self.show_nuclei(None)

    def _take_in(self, ids: NDArray[np.int64]) -> None:
        """Give those nuclei a row that have an outline."""
        assert self.nuclei is not None
        session = self.nuclei.session
        self.asked += len(ids)
        ids = ids[session.has_outline(ids)]
        self.table.add(ids, self.nuclei.shown(ids).label)

    def _begin(self, wanted: NDArray[np.int64]) -> None:
        """Read the outlines of nuclei and of all around them in portions, then measure them in the background."""
        nuclei = self.nuclei
        if nuclei is None or not len(wanted):
            return
        ids = np.union1d(wanted, self._around(wanted)) if self.stains else wanted
        self._wanted, self._ids = wanted, ids
        self._parts: list[Outlines] = []
        # those near each other lie together in the file
        self._reading = [ids[k : k + READ_AT_ONCE] for k in range(0, len(ids), READ_AT_ONCE)]
        self._done, self._total = 0, len(wanted) * (2 if self.stains else 1)
        self.progressed.emit(0, self._total)
        self.busy_changed.emit(True)
        self._read()

    def _around(self, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        assert self.nuclei is not None
        session, far = self.nuclei.session, NEAR_UM / self.nuclei.mpp
        if len(wanted) <= MOST_FOLLOWED and len(wanted) < len(self.table):
            near = [session.near(place, far) for place in session.positions(wanted)]
            return np.unique(np.concatenate(near))
        places = session.positions(wanted)
        low, high = places.min(0) - far, places.max(0) + far
        return session.in_box(*low.tolist(), *(high - low).tolist())

    def _read(self) -> None:
        nuclei = self.nuclei
        if nuclei is None:
            return
        part = self._reading.pop(0)
        try:
            outlines = nuclei.session.nuclei(part, outlines=True).outlines
            slide = slide_of_layer(nuclei.image) if self.stains and not self._reading else None
        except NucLoopError as error:
            self.stop()
            self.said.emit(Message(str(error), Tone.ERROR))
            return
        self._parts.append(Outlines.none(len(part)) if outlines is None else outlines)
        if self._reading:
            self._read_timer.start(0)
            return
        found, self._parts = Outlines.concatenate(self._parts), []
        wanted, mpp, config = np.isin(self._ids, self._wanted), nuclei.mpp, self.stains
        self._job = Job(lambda: measured(found, mpp, slide, config, wanted), self)
        self._job.items.connect(self._arrived)
        self._job.ended.connect(self._ended)
        self._job.start()

    def _arrived(self, items: list[tuple[NDArray[np.intp], dict[str, NDArray[np.float64]]]]) -> None:
        for rows, figures in items:
            self.table.put(self._ids[rows], figures)
            self._done += len(rows)
        if self._edited:
            # they have changed once more since
            self.table.stale[self.table.rows_of(sorted(self._edited))] = True
        self.progressed.emit(self._done, self._total)
        self.figures_changed.emit()

    def _ended(self, ending: Ending) -> None:
        self._job = None
        if ending.how is How.FAILED:
            self.said.emit(Message(ending.message, Tone.ERROR, ending.details))
        self.busy_changed.emit(False)
        self.figures_changed.emit()
        self.filling = False
        if self._edited:
            self._again.start(0)

    def _heard(self, change: Change) -> None:
        nuclei, table = self.nuclei, self.table
        if nuclei is None or self._inside is nowhere:
            return
        shaped = np.union1d(change.moved, change.outlined)
        fresh = np.setdiff1d(np.union1d(change.added, shaped), table.ids)
        fresh = fresh[self._inside(fresh)] if len(fresh) else fresh
        known = len(table)
        table.drop(change.removed)
        # undo may have taken its outline away
        table.drop(shaped[~nuclei.session.has_outline(shaped)])
        if len(fresh):
            self._take_in(fresh)
        if change.classes_changed:
            self._look_changed()
        else:
            rows = table.rows_of(change.relabelled)
            table.label[rows] = nuclei.shown(table.ids[rows]).label
        rows = table.rows_of(shaped)
        table.stale[rows] = True
        if len(shaped) or len(fresh):
            self._naming.ask()
        again = np.union1d(fresh, shaped)
        if self.stains and len(np.union1d(again, change.removed)) <= MOST_FOLLOWED:
            # their neighbours' rings have changed with them
            again = np.union1d(again, self._neighbours(np.union1d(again, change.removed)))
        self._follow(again[np.isin(again, table.ids)])
        (self.rows_changed if known != len(table) or len(fresh) else self.figures_changed).emit()

    def _look_changed(self) -> None:
        """Show the classes by whoever's word is shown now."""
        if self.nuclei is not None:
            self.table.label = self.nuclei.shown(self.table.ids).label
            self.figures_changed.emit()

    def _name_regions(self) -> None:
        """Say of all rows in which regions their nuclei lie now."""
        nuclei, table = self.nuclei, self.table
        if nuclei is None or not len(table):
            return
        regions = named(regions_of(nuclei.viewer, nuclei.image))
        names = names_at(nuclei.session.positions(table.ids), regions)
        if not np.array_equal(names, table.region):
            table.region = names
            self.figures_changed.emit()

    def _neighbours(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        assert self.nuclei is not None
        session, far = self.nuclei.session, NEAR_UM / self.nuclei.mpp
        near = [session.near(place, far) for place in session.positions(ids)]
        return np.concatenate([np.zeros(0, np.int64), *near])

    def _follow(self, ids: NDArray[np.int64]) -> None:
        if 0 < len(ids) <= MOST_FOLLOWED:
            self._edited |= set(ids.tolist())
            self._again.start(PAUSE_MS)
            self.busy_changed.emit(True)

    def _measure_edited(self) -> None:
        if self._job is not None or self._reading:
            # when that is done
            return
        edited, self._edited = np.array(sorted(self._edited), np.int64), set()
        edited = edited[np.isin(edited, self.table.ids)]
        self._begin(edited)
        if not len(edited):
            self.busy_changed.emit(False)


def _no_outlines(count: int) -> str:
    which = "The nucleus there has" if count == 1 else f"The {count:,} nuclei there have"
    return f"{which} no outline, so nothing can be measured. Tick Outlines in the Detect dock and detect again."

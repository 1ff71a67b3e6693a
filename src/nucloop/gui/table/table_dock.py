"""The Nuclei table dock: a row for each nucleus that was measured; slide and rows select each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QPushButton

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.colouring import NO_CLASS_COLOUR
from nucloop.gui.canvas.dock import Dock
from nucloop.gui.canvas.view import lead_to
from nucloop.gui.correct.correcting import Correcting
from nucloop.gui.correct.keys import press
from nucloop.gui.table.figure_model import COLUMNS, NO_CLASS, title_of
from nucloop.gui.table.nucleus_measuring import NucleusMeasuring
from nucloop.gui.table.saving import KINDS, save_rows
from nucloop.gui.table.table_parts import TableParts
from nucloop.gui.widgets.deferred import DeferredCall
from nucloop.gui.widgets.jobs import How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.gui.widgets.place_field import first_folder, remember_folder
from nucloop.measurements.stains import StainConfig
from nucloop.measurements.table import FIGURES
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    import napari
    from numpy.typing import NDArray
    from qtpy.QtGui import QKeyEvent, QResizeEvent

__all__ = ["TableDock"]

WIDE_PIXELS = 760
EVERY_CLASS = -2
MOST_MARKED = 2_000
"""A larger selection on the slide is not marked in the table."""
PURPOSE = "measurements"


class TableDock(Dock):
    """The dock widget; reads its fields, asks NucleusMeasuring, shows the figures.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.correcting = Correcting.of(self.viewer)
        self.measuring = NucleusMeasuring(self)
        self.parts = TableParts(self)
        self._selecting = False
        self._marked = np.zeros(0, np.int64)
        self._saving: Job | None = None
        self._connect()
        self._offer_figures()
        self.restyle()
        self._follow()

    @property
    def figure(self) -> str:
        """The figure in the histogram."""
        return str(self.parts.filter.figure.currentData() or "area_um2")

    def _connect(self) -> None:
        parts, measuring = self.parts, self.measuring
        self.following = DeferredCall(self._follow, self)
        self.correcting.changed.connect(self.following.ask)
        self.correcting.sessions.closing.connect(self._closing)
        self.correcting.said.connect(parts.messages.say)
        measuring.rows_changed.connect(self._show_rows)
        measuring.figures_changed.connect(self._show_figures)
        measuring.progressed.connect(self._progressed)
        measuring.busy_changed.connect(self._show_busy)
        measuring.said.connect(parts.messages.say)
        parts.bar.measure.clicked.connect(self.measure)
        parts.bar.again.clicked.connect(measuring.measure_stale)
        parts.bar.save.clicked.connect(self._ask_where)
        parts.progress.cancel_clicked.connect(measuring.stop)
        parts.filter.class_chosen.connect(self._class_chosen)
        parts.filter.figure_chosen.connect(self._figure_chosen)
        parts.filter.range_chosen.connect(self.choose_range)
        parts.rows.selection_made.connect(self._rows_selected)
        parts.rows.key_pressed.connect(self._key)
        parts.rows.horizontalHeader().sectionClicked.connect(self._header_clicked)
        for button in self.findChildren(QPushButton):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def measure(self) -> None:
        """Measure what is asked for."""
        bar = self.parts.bar
        self.parts.messages.say(None)
        if self.measuring.nuclei is None:
            self.parts.messages.say(Message("There are no nuclei yet. Detect some first."))
            return
        stains = StainConfig(ring_um=bar.ring.value()) if bar.stains.isChecked() else None
        try:
            self.measuring.measure(bar.scope, stains)
        except NucLoopError as error:
            self.parts.messages.say(Message(str(error).replace("detect again", "measure again"), Tone.ERROR))

    def choose_range(self, ends: tuple[float, float] | None) -> None:
        """Show only rows whose figure lies between two ends; None shows all."""
        self.parts.model.range = None if ends is None else (self.figure, *ends)
        self.parts.filter.show_range(ends, FIGURES[self.figure].decimals)
        self._sort_again()

    def save(self, path: Path) -> None:
        """Save the rows that are shown, as the file's name says."""
        nuclei = self.measuring.nuclei
        if nuclei is None or self._saving is not None:
            return
        try:
            steps = save_rows(path, nuclei.session, nuclei.shown(self.parts.model.ids), self.measuring.table)
        except NucLoopError as error:
            self.parts.messages.say(Message(str(error), Tone.ERROR))
            return
        self._saving = Job(steps, self)
        self._saving.items.connect(lambda items: self.parts.messages.say(Message(items[-1], Tone.GOOD)))
        self._saving.ended.connect(self._saved)
        self._saving.start()
        self._show_state()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the histogram beside the rows where there is room."""
        self.parts.lay_out(self.width() >= WIDE_PIXELS)
        super().resizeEvent(event)

    def taken_out(self) -> None:
        """Stop measuring."""
        self.measuring.close()

    def _saved(self, ending: object) -> None:
        self._saving = None
        if getattr(ending, "how", None) is How.FAILED:
            self.parts.messages.say(Message(ending.message, Tone.ERROR, ending.details))  # type: ignore[attr-defined]
        self._show_state()

    def _follow(self) -> None:
        """Show the nuclei that the person means now, and which of them are selected."""
        if self._closed:
            return
        nuclei = self.correcting.nuclei
        self.measuring.show_nuclei(nuclei)
        if nuclei is None:
            return
        self._offer_classes()
        selected = nuclei.selected
        if not self._selecting and len(selected) <= MOST_MARKED and not np.array_equal(selected, self._marked):
            self._marked = selected
            self.parts.rows.select(selected)

    def _closing(self, image: object) -> None:
        if self.measuring.nuclei is not None and self.measuring.nuclei.image is image:
            self.measuring.show_nuclei(None)

    def _show_rows(self) -> None:
        nuclei = self.measuring.nuclei
        self.parts.model.table = self.measuring.table
        self._sort_again() if nuclei is None else self._show_table()

    def _show_table(self) -> None:
        nuclei, rows = self.measuring.nuclei, self.parts.rows
        assert nuclei is not None
        place = rows.verticalScrollBar().value()
        self._offer_classes()
        self.parts.model.show_table(self.measuring.table, nuclei.session.scheme)
        rows.select(nuclei.selected if len(nuclei.selected) <= MOST_MARKED else nuclei.selected[:0], lead=False)
        rows.verticalScrollBar().setValue(place)
        self._show_state()

    def _sort_again(self) -> None:
        if self.measuring.nuclei is not None:
            self._show_table()
        else:
            self.parts.model.show_table(self.measuring.table, None)
            self._show_state()

    def _show_figures(self) -> None:
        """Show what rows say; while they are being filled, sorted and filtered as well."""
        if self.measuring.filling and (self.parts.model.by in FIGURES or self.parts.model.range is not None):
            self._show_table()
            return
        self.parts.model.show_figures()
        self.parts.rows.show_measured()
        self._show_state()

    def _show_state(self) -> None:
        parts, table = self.parts, self.measuring.table
        there = len(table) > 0
        parts.body.setVisible(there)
        parts.empty.setVisible(not there)
        parts.bar.save.setEnabled(len(parts.model.ids) > 0 and not self.measuring.busy and self._saving is None)
        stale = int(table.stale.sum())
        parts.bar.again.setVisible(stale > 0 and not self.measuring.busy)
        parts.bar.again.setText(f"Measure {stale:,} changed")
        shown = len(parts.model.ids)
        words = f"{shown:,} nuclei" if shown == len(table) else f"{shown:,} of {len(table):,} nuclei"
        without = self.measuring.asked - len(table)
        parts.bar.status.setText(
            f"{words}{f', {without:,} more have no outline' if without > 0 else ''}" if there else ""
        )
        self._show_histogram()

    def _show_histogram(self) -> None:
        table, nuclei = self.measuring.table, self.measuring.nuclei
        if nuclei is None:
            return
        edges, counts = table.histogram(self.figure)
        colours = [*nuclei.session.scheme.colors, NO_CLASS_COLOUR]
        labels = self.parts.model.labels
        shown = {colours[label]: bins for label, bins in counts.items() if labels is None or label in labels}
        self.parts.filter.histogram.show_counts(edges, shown, FIGURES[self.figure].decimals)

    def _offer_classes(self) -> None:
        box, nuclei = self.parts.filter.classes, self.measuring.nuclei
        entries = [("All classes", EVERY_CLASS)]
        if nuclei is not None:
            entries += [(name, label) for label, name in enumerate(nuclei.session.scheme.names)]
        entries.append((NO_CLASS.capitalize(), UNLABELLED))
        if [(box.itemText(k), box.itemData(k)) for k in range(box.count())] != entries:
            box.clear()
            for text, label in entries:
                box.addItem(text, label)
            self.parts.model.labels = None

    def _offer_figures(self) -> None:
        for name in FIGURES:
            self.parts.filter.figure.addItem(title_of(name), name)
        self.parts.filter.show_range(None, 2)

    def _class_chosen(self) -> None:
        label = self.parts.filter.classes.currentData()
        self.parts.model.labels = None if label == EVERY_CLASS else (label,)
        self._sort_again()

    def _figure_chosen(self) -> None:
        self.choose_range(None)

    def _header_clicked(self, column: int) -> None:
        """Show the histogram of the column by which rows were just sorted, unless another leaves rows out."""
        name = COLUMNS[column]
        if name in FIGURES and self.parts.model.range is None:
            self.parts.filter.figure.setCurrentIndex(self.parts.filter.figure.findData(name))
        self._sort_again()

    def _rows_selected(self, ids: NDArray[np.int64]) -> None:
        nuclei = self.measuring.nuclei
        if nuclei is None:
            return
        self._selecting = True
        ids = ids[nuclei.session.contains(ids)]
        if len(ids) == 1:
            lead_to(self.viewer, nuclei.layer, nuclei.session.positions(ids)[0])
        nuclei.select(ids)
        self._marked = np.sort(ids)
        self._selecting = False

    def _key(self, event: QKeyEvent) -> None:
        hands = self.correcting.hands
        if hands is None:
            return
        # here a key means the selected rows, wherever the mouse is
        hands.corrections.pixel = None
        if press(event, hands, self.correcting.keys):
            event.accept()

    def _progressed(self, done: int, total: int) -> None:
        self.parts.progress.show_done(done, total, f"Measuring {done:,} of {total:,}")

    def _show_busy(self, busy: bool) -> None:
        self.parts.progress.show_running(busy, "Measuring …")
        self._show_state()

    def _ask_where(self) -> None:
        filters = ";;".join(f"{title} (*{suffix})" for suffix, title in KINDS.items())
        nuclei = self.measuring.nuclei
        name = "nuclei" if nuclei is None else Path(nuclei.image.name).stem
        at = str(first_folder(None, PURPOSE) / f"{name} measured.csv")
        chosen, kind = QFileDialog.getSaveFileName(self, "Save the rows that are shown", at, filters)
        if chosen:
            path = Path(chosen)
            if not path.name.lower().endswith(tuple(KINDS)):
                path = path.with_name(path.name + next((s for s, t in KINDS.items() if kind.startswith(t)), ".csv"))
            remember_folder(path.parent, PURPOSE)
            self.save(path)

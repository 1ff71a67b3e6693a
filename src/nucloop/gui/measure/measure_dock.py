"""The Measure dock: figures against a reference that follow every edit, and where they come from on the slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from nucloop.errors import NucLoopError
from nucloop.formats.atomic import replacing
from nucloop.gui.canvas.dock import Dock
from nucloop.gui.canvas.docks import open_correct_dock
from nucloop.gui.correct.correcting import Correcting
from nucloop.gui.layer.place_strip import look_at
from nucloop.gui.measure.agreement_part import AgreementPart
from nucloop.gui.measure.confusion_grid import words_for_cell
from nucloop.gui.measure.measure_controls import Since
from nucloop.gui.measure.measure_parts import MeasureParts
from nucloop.gui.measure.measuring import Measuring
from nucloop.gui.measure.outline_measuring import OutlineMeasuring, outline_words
from nucloop.gui.measure.references import Reference, layers_to_compare_with, of_file, of_layer, of_reader
from nucloop.gui.measure.rings import Ring, Rings
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.metrics.report import table_rows, table_text
from nucloop.session import EditKind
from nucloop.session.past import Moment, last_moment

if TYPE_CHECKING:
    import napari
    from napari.layers import Points

__all__ = ["MeasureDock"]


class MeasureDock(Dock):
    """The dock widget; reads its fields, asks Measuring, shows the figures.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.correcting = Correcting.of(self.viewer)
        self.measuring = Measuring(self)
        self.rings = Rings(self.measuring)
        self.outlines = OutlineMeasuring(self.measuring)
        self.chosen_moment: Moment | None = None
        self._file: Reference | None = None
        self.parts = MeasureParts(self)
        self.agreement = AgreementPart(self.measuring, self.correcting, self.parts)
        self.adjudicating = self.agreement.adjudicating
        self._connect()
        self.restyle()
        self._follow()

    def _connect(self) -> None:
        parts, measuring = self.parts, self.measuring
        self._follow_timer = QTimer(self)
        self._follow_timer.setSingleShot(True)
        self._follow_timer.timeout.connect(self._follow)
        self.correcting.changed.connect(lambda: self._follow_timer.start(0))
        self.correcting.sessions.closing.connect(self._closing)
        for signal in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            signal.connect(self._layers_changed)
        controls = parts.controls
        controls.reference_chosen.connect(self._reference_chosen)
        controls.file_wanted.connect(self.choose_file)
        controls.radius_chosen.connect(lambda radius: measuring.configure(radius_um=radius))
        controls.rule_chosen.connect(lambda rule: measuring.configure(rule=rule))
        controls.regions_chosen.connect(self._regions_chosen)
        measuring.changed.connect(self._show)
        measuring.busy_changed.connect(parts.show_busy)
        self.outlines.changed.connect(lambda: parts.show_outlines(outline_words(self.outlines.figures)))
        self.outlines.said.connect(parts.messages.say)
        measuring.said.connect(parts.messages.say)
        measuring.curve_changed.connect(lambda: parts.show_curve(measuring.curve))
        parts.since.activated.connect(lambda _: self._since_chosen())
        parts.confusion.cell_clicked.connect(self.show_cell)
        parts.strip.asked.connect(self._look_at)
        parts.strip.review_clicked.connect(self._review)
        for ring, box in parts.rings.items():
            box.clicked.connect(lambda wanted, ring=ring: self.rings.want(ring, wanted))
        for ring, button in parts.step_to.items():
            button.clicked.connect(lambda _=False, ring=ring: self.show_ring_places(ring))
        parts.curve_section.toggled.connect(self._curve_toggled)
        parts.curve_of.activated.connect(lambda _: self._curve_chosen())
        parts.copy.clicked.connect(self.copy_table)
        parts.save_csv.clicked.connect(self._save_csv)
        parts.save_png.clicked.connect(self._save_png)
        self.agreement.asked.connect(self._look_at)
        self.agreement.said.connect(parts.messages.say)

    def compare_with_file(self, path: Path) -> None:
        """Take a file of nuclei as reference."""
        nuclei = self.measuring.nuclei
        if nuclei is None:
            return
        try:
            self._file = of_file(path, nuclei.image)
        except NucLoopError as error:
            self.parts.messages.say(Message(str(error), Tone.ERROR))
            self._offer()
            return
        remarks = self._file.remarks
        self.parts.messages.say(Message(" ".join(remarks), Tone.WARNING) if remarks else None)
        self.measuring.compare_with(self._file)
        self._offer()

    def choose_file(self) -> None:
        """Ask for a file, and compare with it."""
        path, _ = QFileDialog.getOpenFileName(self, "Compare with a file of nuclei")
        if path:
            self.compare_with_file(Path(path))
        else:
            self._offer()

    def show_cell(self, row: int, column: int) -> None:
        """Select the nuclei of a cell of the confusion matrix, put them first in the queue, and lead to them."""
        live, nuclei, truth = self.measuring.live, self.measuring.nuclei, self.measuring.truth
        if live is None or nuclei is None or truth is None:
            return
        cell, words = live.cell(row, column), words_for_cell(live.names, row, column)
        if len(cell.found):
            nuclei.select(cell.found)
            if self.correcting.review is not None:
                self.correcting.review.ask_about(cell.found.tolist(), words)
            text = f"{_nuclei(len(cell.found))} {words}: selected, and first in the review queue."
            self.parts.strip.show_places(text, nuclei.session.positions(cell.found), review=True)
        else:
            text = f"{_nuclei(len(cell.truth))} {words}. Go there, point and press A to add one."
            self.parts.strip.show_places(text, truth.yx[np.isin(truth.ids, cell.truth)])

    def show_ring_places(self, ring: Ring) -> None:
        """Lead to all misses, all false alarms, or all nuclei of a wrong class."""
        live, nuclei, truth = self.measuring.live, self.measuring.nuclei, self.measuring.truth
        if live is None or nuclei is None or truth is None:
            return
        if ring is Ring.MISS:
            missed = live.matched("reference")
            places = truth.yx[np.isin(truth.ids, missed.ids[missed.partner < 0])]
            self.parts.strip.show_places(f"{_nuclei(len(places))} missed. Point and press A to add one.", places)
            return
        found = live.matched("predicted")
        rows = found.partner < 0 if ring is Ring.ALARM else (found.partner >= 0) & ~found.agrees
        ids, words = found.ids[rows], ring.value.lower()
        nuclei.select(ids)
        if self.correcting.review is not None:
            self.correcting.review.ask_about(ids.tolist(), f"{words} by the reference")
        text = f"{_nuclei(len(ids))}, {words}: selected, and first in the review queue."
        self.parts.strip.show_places(text, nuclei.session.positions(ids), review=True)

    def report(self) -> dict[str, object]:
        """Return the figures that are shown, with the keys of ``nucloop score --json``."""
        live, reference = self.measuring.live, self.measuring.reference
        if live is None or reference is None:
            return {}
        outlines = self.outlines.figures
        fit = {} if outlines is None else {"outlines": outlines.to_dict()}
        left_out = {"ignored_regions": len(live.config.ignored)}
        return {**live.report(), **fit, **left_out, "dataset": reference.title}

    def copy_table(self) -> None:
        """Copy the table so that a spreadsheet takes it."""
        report, nuclei = self.report(), self.measuring.nuclei
        if report and nuclei is not None:
            rows = table_text(table_rows(nuclei.image.name, report), "tsv")
            QGuiApplication.clipboard().setText(rows)
            self.parts.messages.say(Message("The table is in the clipboard.", Tone.GOOD))

    def save_table(self, path: Path) -> None:
        """Save the table as CSV or Markdown, as the name says."""
        report, nuclei = self.report(), self.measuring.nuclei
        if not report or nuclei is None:
            return
        kind = "md" if path.suffix.lower() == ".md" else "csv"
        try:
            with replacing(path) as file:
                file.write(table_text(table_rows(nuclei.image.name, report), kind).encode())
        except NucLoopError as error:
            self.parts.messages.say(Message(str(error), Tone.ERROR))
            return
        self.parts.messages.say(Message(f"Saved {path.name}.", Tone.GOOD))

    def save_picture(self, path: Path) -> None:
        """Save figures, matrix and curve as they are shown, as PNG."""
        if self.parts.figures.grab().save(str(path), "PNG"):
            self.parts.messages.say(Message(f"Saved {path.name}.", Tone.GOOD))
        else:
            text = f"Cannot write {path}. Choose another folder, or make room on the disk."
            self.parts.messages.say(Message(text, Tone.ERROR))

    def taken_out(self) -> None:
        """Stop measuring, and leave the canvas as it was."""
        self.agreement.close()
        self.rings.close()
        self.outlines.close()
        self.measuring.close()

    def _follow(self) -> None:
        if self._closed:
            return
        nuclei = self.correcting.nuclei
        if nuclei is not self.measuring.nuclei:
            self._file = None
        self.measuring.show_nuclei(nuclei)
        self.parts.show_there(nuclei is not None and (len(nuclei.session) > 0 or nuclei.session.undoable is not None))
        self._offer()

    def _offer(self) -> None:
        nuclei = self.measuring.nuclei
        offers: list[tuple[str, object]] = []
        chosen = self.measuring.reference
        if nuclei is not None:
            offers += [(layer.name, layer) for layer in layers_to_compare_with(self.viewer, nuclei)]
            mine = nuclei.session.author
            if not nuclei.session.blinded:
                offers += [(f"Reader {name}", name) for name in nuclei.session.readers if name and name != mine]
            if self._file is not None:
                offers.append((self._file.title, self._file.title))
        value: object = None
        if chosen is not None:
            value = chosen.layer or chosen.reader or chosen.title
        self.parts.controls.show_offers(offers, value)

    def _reference_chosen(self, value: Points | str | None) -> None:
        nuclei = self.measuring.nuclei
        self.parts.messages.say(None)
        if nuclei is None or value is None:
            self.measuring.compare_with(None)
        elif self._file is not None and value == self._file.title:
            self.measuring.compare_with(self._file)
        elif isinstance(value, str):
            self.measuring.compare_with(of_reader(value))
        else:
            self.measuring.compare_with(of_layer(value, nuclei))

    def _layers_changed(self, event: object = None) -> None:
        reference = self.measuring.reference
        if reference is not None and reference.layer is not None and reference.layer not in self.viewer.layers:
            self.measuring.compare_with(None)
        self._follow_timer.start(0)

    def _regions_chosen(self, only: bool) -> None:
        self.measuring.only_regions = only
        self.measuring.start()

    def _since_chosen(self) -> None:
        nuclei = self.measuring.nuclei
        if nuclei is None:
            return
        since = self.parts.since.currentData()
        session = nuclei.session
        moment: Moment | None = None
        if since is Since.NOW:
            newest = session.history(1)
            self.chosen_moment = Moment(newest[-1].seq, newest[-1].time) if newest else Moment(0, "")
            self.parts.since.setCurrentIndex(self.parts.since.findData(Since.CHOSEN))
            moment = self.chosen_moment
        elif since is Since.CHOSEN:
            moment = self.chosen_moment
        elif since is not Since.NOTHING:
            detection = since is Since.DETECTION
            moment = last_moment(session, EditKind.MODEL_RUN if detection else EditKind.NEW_HEAD)
        if moment is None and since is not Since.NOTHING:
            what = {
                Since.DETECTION: "Nothing was detected here yet.",
                Since.LEARNING: "Nothing was learned here yet.",
            }.get(since, "No moment was chosen yet. Choose “Now” when you want one.")
            self.parts.messages.say(Message(what))
            self.parts.since.setCurrentIndex(0)
        self.measuring.since(moment)

    def _curve_toggled(self, shown: bool) -> None:
        self.measuring.wants_curve = shown
        self.measuring.draw_curve()

    def _curve_chosen(self) -> None:
        self.measuring.curve_of = self.parts.curve_of.currentData()
        self.measuring.draw_curve()

    def _show(self) -> None:
        measuring = self.measuring
        self.parts.controls.show_left_out(len(measuring.compared_by.ignored))
        counts = {ring: self.rings.count(ring) for ring in Ring}
        self.parts.show_figures(measuring.score, measuring.then, measuring.moment, counts)
        self.rings.show()
        self.agreement.follow()

    def _look_at(self, place: np.ndarray) -> None:
        if self.measuring.nuclei is not None:
            look_at(self.measuring.nuclei, place)

    def _review(self) -> None:
        open_correct_dock(self.viewer)
        if self.correcting.review is not None:
            self.correcting.review.next()
            self.correcting.focus()

    def _save_csv(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the table", "measured.csv", "CSV (*.csv);;Markdown (*.md)")
        if path:
            self.save_table(Path(path))

    def _save_png(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the figures", "measured.png", "PNG (*.png)")
        if path:
            self.save_picture(Path(path))

    def _closing(self, image: object) -> None:
        if self.measuring.nuclei is not None and self.measuring.nuclei.image is image:
            self._leave()

    def _leave(self) -> None:
        self.adjudicating.stop()
        self.rings.hide()
        self.measuring.show_nuclei(None)


def _nuclei(count: int) -> str:
    return "1 nucleus" if count == 1 else f"{count:,} nuclei"

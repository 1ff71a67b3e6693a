"""The Ki-67 dock: the index of drawn regions, how far it can be trusted, and a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from nucloop.errors import NucLoopError
from nucloop.formats import SlideInfo
from nucloop.gui.canvas.dock import Dock
from nucloop.gui.canvas.drawn_regions import draw_regions
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.correct.correcting import Correcting
from nucloop.gui.ki67.fields_row import place_fields
from nucloop.gui.ki67.grid_counting import GridCounting
from nucloop.gui.ki67.ki67_measuring import Ki67Measuring
from nucloop.gui.ki67.ki67_parts import Ki67Parts
from nucloop.gui.ki67.ki67_table import HOT_SPOT, ki67_rows
from nucloop.gui.ki67.report_files import write_report
from nucloop.gui.ki67.report_form import ReportForm, ReportWords, recall_words, remember_words
from nucloop.gui.layer.place_strip import look_at
from nucloop.gui.napari_private.view_state import camera_of, canvas_size_of
from nucloop.gui.widgets.jobs import How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.ki67 import Provenance
from nucloop.ki67.pictures import report_pictures
from nucloop.ki67.tally import tally
from nucloop.ki67.words import stain_words
from nucloop.session import EditKind
from nucloop.spreadsheets import as_cell

if TYPE_CHECKING:
    import napari

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.gui.widgets.jobs import Ending
    from nucloop.session import Session

__all__ = ["Ki67Dock"]


class Ki67Dock(Dock):
    """The dock widget; reads its fields, asks Ki67Measuring, shows the figures.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self._dotted: NucleiLayer | None = None
        super().__init__(napari_viewer)
        self.correcting = Correcting.of(self.viewer)
        self.measuring = Ki67Measuring(self)
        self.parts = Ki67Parts(self)
        self.grid = GridCounting(self.parts.grid, self.measuring)
        self.grid.bind_keys(self.viewer)
        self._job: Job | None = None
        self._presses = 0
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
            signal.connect(lambda event: self._follow_timer.start(0))
        measuring.changed.connect(self._show)
        measuring.busy_changed.connect(lambda busy: self._show())
        measuring.said.connect(parts.messages.say)
        self.grid.said.connect(parts.messages.say)
        parts.meaning.chosen.connect(lambda settings: measuring.choose(**settings))
        parts.meaning.stain_chosen.connect(measuring.choose_stain)
        parts.precision.valueChanged.connect(lambda points: measuring.choose(half_width=points / 100))
        for tool, button in parts.draw.items():
            button.clicked.connect(lambda _=False, tool=tool: self._draw(tool))
        parts.fields.asked.connect(self._place_fields)
        parts.table.asked.connect(self._look_at)
        parts.copy.clicked.connect(self.copy_table)
        parts.report.clicked.connect(self._ask_for_report)

    @property
    def writing(self) -> bool:
        """Whether a report is being written."""
        return self._job is not None

    def copy_table(self) -> None:
        """Copy the table so that a spreadsheet takes it."""
        if self.measuring.result is not None:
            rows = [["region", "index", "95% (Wilson)", "positive", "counted"], *ki67_rows(self.measuring.result)]
            QGuiApplication.clipboard().setText("".join("\t".join([as_cell(row[0]), *row[1:]]) + "\n" for row in rows))
            self.parts.messages.say(Message("The table is in the clipboard.", Tone.GOOD))

    def save_report(self, path: Path, words: ReportWords | None = None) -> None:
        """Write a report as PDF or HTML, as the name says; its pictures are read in the background."""
        measuring, nuclei = self.measuring, self.measuring.nuclei
        result, regions = measuring.result, dict(measuring.regions)
        if result is None or nuclei is None or self._job is not None:
            return
        try:
            slide = slide_of_layer(nuclei.image)
        except NucLoopError as error:
            self.parts.messages.say(Message(str(error), Tone.ERROR))
            return
        session, stains = nuclei.session, measuring.stains
        words = words or recall_words(session)
        about = Provenance(
            slide=SlideInfo.of(slide),
            author=words.reader,
            case=words.case,
            specimen=words.specimen,
            comment=words.comment,
            weights=_weights(session),
            stains=stain_words(stains) if stains is not None and result.settings.by_dab else "",
        )

        def steps() -> Any:
            with slide:
                yield report_pictures(slide, result, regions)

        def arrived(items: list[dict[str, bytes]]) -> None:
            try:
                write_report(path, result, about, items[-1], tally(result, regions))
            except NucLoopError as error:
                self.parts.messages.say(Message(str(error), Tone.ERROR))
            else:
                self.parts.messages.say(Message(f"Saved {path.name}.", Tone.GOOD))

        self.parts.messages.say(Message("Writing the report …"))
        self._job = Job(steps, self)
        self._job.items.connect(arrived)
        self._job.ended.connect(self._report_ended)
        self._job.start()

    def _report_ended(self, ending: Ending) -> None:
        self._job = None
        if ending.how is How.FAILED:
            self.parts.messages.say(Message(ending.message, Tone.ERROR, ending.details))

    def _ask_for_report(self) -> None:
        nuclei = self.measuring.nuclei
        if nuclei is None:
            return
        form = ReportForm(recall_words(nuclei.session), self)
        if not form.exec():
            return
        remember_words(nuclei.session, form.words)
        name = f"{Path(nuclei.image.name).stem} Ki-67.pdf"
        path, _ = QFileDialog.getSaveFileName(self, "Save the report", name, "PDF (*.pdf);;HTML (*.html)")
        if path:
            self.save_report(Path(path), form.words)

    def taken_out(self) -> None:
        """Stop measuring, and leave dots and canvas as they were."""
        self._colour_dots()
        self.grid.close()
        self.measuring.close()

    def _follow(self) -> None:
        if self._closed:
            return
        nuclei = self.correcting.nuclei
        self.measuring.show_nuclei(nuclei)
        self.parts.show_there(nuclei is not None and (len(nuclei.session) > 0 or nuclei.session.undoable is not None))
        self._show()

    def _show(self) -> None:
        measuring, nuclei = self.measuring, self.measuring.nuclei
        if nuclei is None:
            return
        stains = measuring.stains
        self.parts.meaning.show_stain(stains, said=stains is not None and stains.said)
        self.parts.meaning.show_meaning(nuclei.session.scheme, measuring.settings, measuring.result)
        self.parts.fields.show_regions(measuring.drawn)
        self.parts.show_result(measuring.result, measuring.why, measuring.busy)
        self._colour_dots()

    def _colour_dots(self) -> None:
        """Have dots show positive and negative while DAB decides, in colours that are not those of classes."""
        measuring, nuclei = self.measuring, self.measuring.nuclei
        result = None if self._closed or not measuring.settings.by_dab else measuring.result
        if self._dotted is not None and (self._dotted is not nuclei or not measuring.settings.by_dab or self._closed):
            self._dotted.show_states(None)
            self._dotted = None
        if nuclei is not None and result is not None and result.settings.by_dab:
            nuclei.show_states(result.states)
            self._dotted = nuclei

    def _draw(self, tool: str) -> None:
        if self.measuring.nuclei is not None:
            draw_regions(self.viewer, self.measuring.nuclei.image, tool)

    def _place_fields(self, count: int, area_mm2: float, hot: bool, names: tuple[str, ...]) -> None:
        measuring = self.measuring
        if measuring.nuclei is None:
            return
        # each press begins elsewhere, and the same presses give the same fields
        self._presses += not hot
        within = {name: measuring.drawn[name] for name in names}
        try:
            done = place_fields(measuring.nuclei, measuring.result, count, area_mm2, hot, self._presses, within)
        except NucLoopError as error:
            self.parts.messages.say(Message(str(error), Tone.WARNING))
            return
        self.parts.messages.say(Message(done, Tone.GOOD))

    def _look_at(self, name: str) -> None:
        """Lead to a region or to the hot spot."""
        measuring, nuclei = self.measuring, self.measuring.nuclei
        if nuclei is None or measuring.result is None:
            return
        spot = measuring.result.ki67.hot_spot
        camera = camera_of(self.viewer)
        if name == HOT_SPOT and spot is not None:
            extent, place = 2 * spot.radius_um / nuclei.mpp, np.array([spot.y, spot.x])
        elif name in measuring.regions:
            low, high = measuring.regions[name].bounds
            extent, place = float((high - low).max()), (low + high) / 2
        else:
            return
        look_at(nuclei, place)
        camera.zoom = min(canvas_size_of(self.viewer)) / (1.1 * extent * float(abs(nuclei.layer.scale[-1])))

    def _closing(self, image: object) -> None:
        if self.measuring.nuclei is not None and self.measuring.nuclei.image is image:
            self.measuring.show_nuclei(None)
            self.grid.show()
            self._dotted = None
            self.parts.show_there(False)


def _weights(session: Session) -> dict[str, dict[str, str]]:
    """Return which weights made the nuclei, by what the journal says of the newest run and head."""
    found: dict[str, dict[str, str]] = {}
    for edit in session.history():
        if edit.kind in (EditKind.MODEL_RUN, EditKind.NEW_HEAD) and edit.in_force:
            found |= edit.details.get("weights", {})
    return found

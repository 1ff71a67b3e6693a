"""The import dialog: a file of nuclei as a reference, as another reader's labels, or into the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QWidget

from nucloop.errors import NucLoopError
from nucloop.formats import SlideInfo, unknown_classes
from nucloop.gui.canvas.drawn_regions import add_regions
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.files.classifying import Classifying
from nucloop.gui.files.import_form import ImportForm
from nucloop.gui.files.importing import (
    FILE_KINDS,
    ReadFile,
    Use,
    nuclei_of_image,
    read_steps,
    reference_layer,
    take_in,
    take_in_found,
    told,
)
from nucloop.gui.widgets.jobs import Ending, How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.gui.widgets.place_field import first_folder, is_file, remember_folder
from nucloop.learning.session_heads import shipped_classes
from nucloop.session.exchange import is_session

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image

    from nucloop.formats import Document
    from nucloop.gui.sessions.open_sessions import OpenSessions

__all__ = ["ImportDialog", "Use"]

TYPING_PAUSE_MS = 400
PURPOSE = "import"


class ImportDialog(ImportForm):
    """Reads a file as soon as one is chosen, says what is in it, and takes it over.

    Parameters
    ----------
    viewer : napari viewer
        Of the image.
    image : Image layer
        What the nuclei lie on.
    sessions : OpenSessions
        Gives the image's session, begun if need be.
    """

    def __init__(self, viewer: ViewerModel, image: Image, sessions: OpenSessions, parent: QWidget | None = None):
        super().__init__(viewer.theme, self._ask_for_file, parent)
        self._viewer, self.image, self._sessions = viewer, image, sessions
        self._file: ReadFile | None = None
        self._job: Job | None = None
        with slide_of_layer(image) as slide:
            self._slide, self._path = SlideInfo.of(slide), slide.path
        self.setWindowTitle(f"Import – {image.name}")
        self._read_timer = QTimer(self)
        self._read_timer.setSingleShot(True)
        self._read_timer.timeout.connect(self.read)
        self._classifying = Classifying(sessions, self)
        self._classifying.ended.connect(self._classified)
        self._connect()
        sessions.closing.connect(self._session_closing)
        self._show_file()

    def open_file(self, path: Path) -> None:
        """Read a file, as if a person had chosen it."""
        self.file.show_path(path)
        self._another_file()
        self.read()

    def read(self) -> None:
        """Read the file that stands there, in the background."""
        self._read_timer.stop()
        path = self.file.path
        self._file = None
        self.messages.say(None)
        if self._job is not None:
            self._job.abandon()
            self._job = None
        if path is not None and is_file(path):
            slide, are_nuclei = self._slide, self.areas.isChecked()
            self._job = Job(lambda: read_steps(path, slide, areas_are_nuclei=are_nuclei), self)
            self._job.items.connect(self._found)
            self._job.ended.connect(self._read)
            self._job.start()
        elif path is not None:
            self.messages.say(Message(f"There is no file {path}. Check the path, or choose it.", Tone.WARNING))
        self._show_file()

    def take(self) -> None:
        """Do what the button says."""
        file = self._file
        if file is None or self.missing:
            return
        document = file.placed(self.factor)
        self.messages.say(None)
        try:
            said = self._take(file, document)
        except NucLoopError as error:
            self.messages.say(Message(str(error), Tone.ERROR))
            return
        self.table.remember()
        remember_folder(file.path.parent, PURPOSE)
        if document.regions and self.regions.isVisible() and self.regions.isChecked():
            add_regions(self._viewer, self.image, document.regions)
        self._file = None
        self.file.line.blockSignals(True)
        self.file.line.clear()
        self.file.line.blockSignals(False)
        self._show_file()
        self.messages.say(Message(said + (" Classifying …" if self._classifying.running else ""), Tone.GOOD))

    @property
    def factor(self) -> float | None:
        """By what places are multiplied."""
        file = self._file
        return file.factor if file is not None and self.scale.isChecked() else None

    @property
    def missing(self) -> str:
        """Why it cannot be taken over yet; empty when it can."""
        if self._classifying.running:
            return "The nuclei before are being classified."
        if self._job is not None or self._file is None:
            return "" if self._job is not None else "Choose a file of nuclei."
        if not len(self._file.document.nuclei) and not self._file.document.regions:
            return "There is nothing in this file."
        if self.anyway.isVisibleTo(self) and not self.anyway.isChecked():
            return "The file does not seem to be of this slide."
        if self.use is Use.READER and not self.reader.text().strip():
            return "Whose labels are they? Write the reader's name."
        return f"Say what {self.table.open[0]} stands for." if self.table.open else ""

    def _connect(self) -> None:
        self.file.changed.connect(self._another_file)
        self.file.line.returnPressed.connect(self.read)
        self.reader.textChanged.connect(self._show_file)
        for box in (*self.uses.values(), self.classify, self.scale, self.anyway):
            box.toggled.connect(self._show_file)
        self.table.changed.connect(self._show_ready)
        self.areas.toggled.connect(self.read)
        self.start.clicked.connect(self.take)
        self.done.clicked.connect(self.close)

    def _take(self, file: ReadFile, document: Document) -> str:
        if self.use is Use.REFERENCE:
            reference_layer(self._viewer, self.image, file, document, self._slide.mpp or 0.25)
            return f"{len(document.nuclei):,} nuclei of {file.path.name} are in a layer of that name."
        scheme = shipped_classes() if self.classifies else document.nuclei.scheme
        nuclei = nuclei_of_image(self._sessions, self.image, scheme)
        if self.classifies:
            change = take_in_found(nuclei, file, document)
            self._classifying.start(nuclei)
            return told(change, file.path.name)
        reader = self.reader.text() if self.use is Use.READER else ""
        change = take_in(nuclei, file, document, self.table.mapping, self.table.new, reader)
        return told(change, file.path.name)

    def _another_file(self) -> None:
        """Ask anew what areas are, and read when typing pauses."""
        self.areas.blockSignals(True)
        self.areas.setChecked(False)
        self.areas.blockSignals(False)
        self._read_timer.start(TYPING_PAUSE_MS)

    def _found(self, items: list[ReadFile]) -> None:
        self._file = items[-1]
        for box, checked in ((self.scale, True), (self.anyway, False)):
            box.blockSignals(True)
            box.setChecked(checked)
            box.blockSignals(False)
        document = self._file.document
        # cells without classes are what it is for
        self.classify.setChecked(document.unlabelled == len(document.nuclei) > 0)

    def _read(self, ending: Ending) -> None:
        self._job = None
        if ending.how is How.FAILED:
            self.messages.say(Message(ending.message, Tone.ERROR, ending.details))
        self._show_file()

    def _show_file(self) -> None:
        file = self._file
        self.progress.setVisible(self._job is not None or self._classifying.running)
        self.classify.setVisible(self.use is Use.NUCLEI)
        self._questions.setVisible(file is not None)
        if file is not None:
            self._show_content(file)
            self._show_doubts(file)
            self._ask_about_classes(file)
        self._show_ready()
        self.adjustSize()

    def _show_content(self, file: ReadFile) -> None:
        self.content.setText(file.content)
        number = len(file.document.regions)
        self.regions.setVisible(number > 0)
        self.regions.setText(f"Also take its {number:,} drawn region" + "s" * (number > 1))
        self.areas.setVisible((number > 0 and not is_session(file.path)) or self.areas.isChecked())

    def _show_doubts(self, file: ReadFile) -> None:
        guess = file.factor
        self.scale.setVisible(guess is not None)
        if guess is not None:
            self.scale.setText(f"It was made at another magnification: multiply its places by {guess:.4g}")
        doubts = file.doubts(self.factor)
        self.doubts.say(Message(" ".join(doubts), Tone.WARNING) if doubts else None)
        self.anyway.setVisible(bool(doubts))

    def _ask_about_classes(self, file: ReadFile) -> None:
        nuclei = self._sessions.nuclei_of(self.image)
        if self.use is Use.REFERENCE or self.classifies or nuclei is None:
            self.table.setVisible(False)
            return
        scheme = nuclei.session.scheme
        unknown = unknown_classes(file.document.nuclei, scheme)
        heading = "This slide has no such classes. What do they become?"
        self.table.ask(unknown, scheme, heading, may_add=True)

    def _classified(self, message: Message) -> None:
        self._show_file()
        self.messages.say(message)

    def _show_ready(self) -> None:
        self.reason.setText(self.missing if self.file.path is not None or self._file is not None else "")
        self.start.setEnabled(self._file is not None and not self.missing)

    def _ask_for_file(self, at: str) -> str:
        folder = at or str(first_folder(self._path, PURPOSE))
        return str(QFileDialog.getOpenFileName(self, "Import nuclei from", folder, FILE_KINDS)[0])

    def _session_closing(self, image: Image) -> None:
        if image is self.image and image not in self._viewer.layers:
            self.close()

    def closeEvent(self, event: Any) -> None:
        """Read no further."""
        if self._job is not None:
            self._job.abandon()
        self._classifying.abandon()
        super().closeEvent(event)
        self.deleteLater()

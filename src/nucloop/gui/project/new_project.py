"""The small dialog in which a project is made of a folder or a list of slides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtGui import QDoubleValidator
from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from nucloop.cohort.preparing import init
from nucloop.cohort.settings import CohortSettings
from nucloop.gui.widgets.appearance import style_sheet
from nucloop.gui.widgets.place_field import PlaceField, first_folder, is_file, is_there, remember_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nucloop.cohort.slide_entry import SlideEntry

__all__ = ["PURPOSE", "NewProject", "making_steps"]

PURPOSE = "projects"
_ABOUT = (
    "A project is a folder of its own: the list of slides, what is found on each, their sessions, one table and one "
    "report. Slides stay where they are. An existing project takes in new slides, and keeps all else."
)


class NewProject(QDialog):
    """Asks for slides and a folder.

    Parameters
    ----------
    theme : str
        Of napari.
    """

    def __init__(self, theme: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("New project")
        self.setStyleSheet(style_sheet(theme))
        about = QLabel(_ABOUT)
        about.setWordWrap(True)
        self.slides = PlaceField(self._choose_folder, "Folder or list of slides")
        self.slides.button.setText("Folder …")
        self.slides.line.setPlaceholderText("a folder of slides, or a list: CSV, or a path in each line")
        self.a_list = QPushButton("List …")
        self.a_list.clicked.connect(self._choose_list)
        self.folder = PlaceField(self._choose_place, "Folder of the project")
        self.mpp = QLineEdit()
        self.mpp.setValidator(QDoubleValidator(0.01, 50.0, 6, self.mpp))
        self.mpp.setPlaceholderText("of slides that do not say")
        self.outlines = QCheckBox("Outlines of nuclei, too; takes longer")
        self.fault = QLabel()
        self.fault.setObjectName("NucloopDim")
        self.fault.setWordWrap(True)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setText("Make project")
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        slides = QHBoxLayout()
        slides.setSpacing(6)
        slides.addWidget(self.slides, 1)
        slides.addWidget(self.a_list)
        form = QFormLayout()
        form.addRow("Slides", slides)
        form.addRow("Project", self.folder)
        form.addRow("µm per pixel", self.mpp)
        form.addRow("", self.outlines)
        column = QVBoxLayout(self)
        column.addWidget(about)
        column.addLayout(form)
        column.addWidget(self.fault)
        column.addWidget(self.buttons)
        self.setMinimumWidth(520)
        self.slides.changed.connect(self._propose)
        self.folder.changed.connect(self._check)
        self._check()

    @property
    def settings(self) -> CohortSettings | None:
        """What a new project works with; None leaves those of one that is there."""
        place = self.folder.path
        if place is not None and is_there(place / "project.yaml"):
            return None
        return CohortSettings(outlines=self.outlines.isChecked(), sessions=True)

    @property
    def resolution(self) -> float | None:
        """µm per pixel of slides that do not say."""
        value, known = self.mpp.locale().toDouble(self.mpp.text())
        return value if known and value > 0 else None

    def _choose_folder(self, _text: str) -> str:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of slides", str(first_folder(None, "slides")))
        if chosen:
            remember_folder(Path(chosen), "slides")
        return str(chosen)

    def _choose_list(self) -> None:
        at, kinds = str(first_folder(None, "slides")), "Lists of slides (*.csv *.txt);;All files (*)"
        chosen, _ = QFileDialog.getOpenFileName(self, "List of slides", at, kinds)
        if chosen:
            remember_folder(Path(chosen).parent, "slides")
            self.slides.show_path(Path(chosen))

    def _choose_place(self, text: str) -> str:
        at = text or str(first_folder(None, PURPOSE))
        return str(QFileDialog.getExistingDirectory(self, "Folder of the project", at))

    def _propose(self) -> None:
        """Propose a folder beside the slides, as long as nobody has written another."""
        slides = self.slides.path
        if slides is not None and not self.folder.line.isModified():
            self.folder.show_path(slides.with_name(f"{slides.stem} project"))
        self._check()

    def _check(self) -> None:
        slides, place = self.slides.path, self.folder.path
        fault = ""
        if slides is not None and not is_there(slides):
            fault = f"There is no {slides}."
        elif place is not None and is_file(place):
            fault = f"{place} is a file. Name a folder."
        elif place is not None and is_there(place / "project.yaml"):
            fault = "This project is there already: its list becomes this one, its settings and all results stay."
        self.fault.setText(fault)
        ready = slides is not None and place is not None and is_there(slides) and not is_file(place)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(ready)


def making_steps(
    slides: Path, folder: Path, settings: CohortSettings | None, mpp: float | None
) -> Iterator[tuple[SlideEntry, int]]:
    """Look at every slide once, and write the list in the end. Runs in a job's thread."""
    yield from init(slides, folder, settings, mpp=mpp)

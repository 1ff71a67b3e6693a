"""What the import dialog consists of, laid out; what it does is the dialog's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from nucloop.gui.files.class_table import ClassTable
from nucloop.gui.files.importing import Use
from nucloop.gui.widgets.appearance import style_sheet
from nucloop.gui.widgets.messages import MessageLine
from nucloop.gui.widgets.place_field import PlaceField

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ImportForm"]


class ImportForm(QDialog):
    """A file, what is in it, what it is taken for, what its classes become, and the buttons.

    Parameters
    ----------
    theme : str
        Of napari.
    ask : callable
        Asks for the file in a dialog of its own, given where to begin.
    """

    def __init__(self, theme: str, ask: Callable[[str], str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._build(ask)
        self._lay_out()
        self.setStyleSheet(style_sheet(theme))
        self.setMinimumWidth(520)

    @property
    def use(self) -> Use:
        """What the file is taken for."""
        return next(use for use, button in self.uses.items() if button.isChecked())

    @property
    def classifies(self) -> bool:
        """Whether the nuclei get their classes here."""
        return self.use is Use.NUCLEI and self.classify.isChecked()

    def _build(self, ask: Callable[[str], str]) -> None:
        self.file = PlaceField(ask, "File to read")
        self.progress = QProgressBar()
        self.progress.setObjectName("NucloopProgress")
        self.progress.setTextVisible(False)
        self.progress.setRange(0, 0)
        self.content, self.reason = QLabel(), QLabel()
        for label in (self.content, self.reason):
            label.setWordWrap(True)
        self.reason.setObjectName("NucloopDim")
        self.doubts = MessageLine()
        self.scale, self.anyway = QCheckBox(), QCheckBox("It is of this slide all the same")
        self.uses = {use: QRadioButton(use.value) for use in Use}
        self._group = QButtonGroup(self)
        self.uses[Use.NUCLEI].setChecked(True)
        for button in self.uses.values():
            self._group.addButton(button)
        self.reader = QLineEdit()
        self.reader.setPlaceholderText("name")
        self.reader.setAccessibleName("Name of the reader")
        self.reader.textEdited.connect(lambda _: self.uses[Use.READER].setChecked(True))
        self.table = ClassTable()
        self.classify = QCheckBox("Give them the classes of the classifier in use, instead of those of the file")
        self.regions = QCheckBox()
        self.regions.setChecked(True)
        self.areas = QCheckBox("Areas are nuclei, each with its outline")
        self.messages = MessageLine()
        self.start, self.done = QPushButton("Import"), QPushButton("Close")
        self.start.setDefault(True)

    def _lay_out(self) -> None:
        heading = QLabel("Take it as")
        heading.setObjectName("NucloopHeading")
        self._questions = QWidget()
        questions = QVBoxLayout(self._questions)
        questions.setContentsMargins(0, 0, 0, 0)
        questions.setSpacing(6)
        named = QHBoxLayout()
        named.addWidget(self.uses[Use.READER])
        named.addWidget(self.reader, 1)
        for widget in (self.content, self.doubts, self.scale, self.anyway):
            questions.addWidget(widget)
        questions.addSpacing(6)
        questions.addWidget(heading)
        questions.addWidget(self.uses[Use.NUCLEI])
        questions.addLayout(named)
        questions.addWidget(self.uses[Use.REFERENCE])
        questions.addSpacing(6)
        questions.addWidget(self.classify)
        questions.addWidget(self.table)
        questions.addWidget(self.regions)
        questions.addWidget(self.areas)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.reason, 1)
        buttons.addWidget(self.start)
        buttons.addWidget(self.done)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 12)
        layout.setSpacing(10)
        for widget in (self.file, self.progress, self._questions, self.messages):
            layout.addWidget(widget)
        layout.addStretch()
        layout.addLayout(buttons)

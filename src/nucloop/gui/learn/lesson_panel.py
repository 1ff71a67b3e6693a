"""What was learned and what it would change, before it is applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from nucloop.gui.widgets.dock_layout import discard
from nucloop.learning.answers import MISTAKES_ONLY

if TYPE_CHECKING:
    from nucloop.learning.gain.estimate import Estimate
    from nucloop.learning.gain.on_slide import OnSlide
    from nucloop.learning.lesson import Lesson

__all__ = ["LessonPanel"]

_HELD_OUT = (
    "Measured on answers that were held out, place by place. People mostly correct mistakes, so this tells whether "
    "learning helps, not how good the whole slide is."
)
_ON_SLIDE = (
    "The mean F1 of the classes on all nuclei that were found here. The review asks about doubtful nuclei, and people "
    "speak up where something is wrong, so answers count by how they were chosen; in nine of ten slides the truth lies "
    "within what is said. Classes that make up less than one nucleus in a hundred are left out."
)
_WORSE = "Worse than before on answers that were held out: give more answers, of each class and in other places, first."
_SAME = "As good as before on answers that were held out."


class LessonPanel(QFrame):
    """Shows a lesson; Apply and its opposite are the dock's affair."""

    apply_clicked = Signal()
    discard_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("NucloopQuestion")
        self.heading = QLabel("Learned. Apply it?")
        self.heading.setObjectName("NucloopHeading")
        self.taught, self.change, self.slide, self.note = QLabel(), QLabel(), QLabel(), QLabel()
        for label in (self.taught, self.change, self.slide, self.note):
            label.setWordWrap(True)
        self.note.setObjectName("NucloopDim")
        self._table = QGridLayout()
        self._table.setHorizontalSpacing(12)
        self._table.setVerticalSpacing(2)
        self._table.setColumnStretch(0, 1)
        self.apply = QPushButton("Apply")
        self.apply.setToolTip("One step, which Ctrl+Z takes back")
        self.discard = QPushButton("Do not apply")
        self.apply.clicked.connect(self.apply_clicked)
        self.discard.clicked.connect(self.discard_clicked)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.apply, 1)
        buttons.addWidget(self.discard, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 8, 10, 10)
        column.setSpacing(8)
        self.slide.setToolTip(_ON_SLIDE)
        for widget in (self.heading, self.taught, self.change, self.slide):
            column.addWidget(widget)
        column.addLayout(self._table)
        column.addWidget(self.note)
        column.addLayout(buttons)
        self.show_lesson(None)

    def show_lesson(self, lesson: Lesson | None) -> None:
        """Show a lesson; None hides it."""
        self.setVisible(lesson is not None)
        if lesson is None:
            return
        self.taught.setText(f"Trained on {lesson.said.sentence()}.")
        change = lesson.change
        would = f"{change.changed:,} of {len(change):,} nuclei would get another class."
        self.change.setText(would + change.left_out())
        self.slide.setVisible(lesson.slide is not None)
        if lesson.slide is not None:
            self.slide.setText(_on_slide(lesson.slide))
        while self._table.count():
            discard(self._table.takeAt(0).widget())
        if lesson.gain is None:
            self.note.setText(f"No estimate of the gain. {lesson.why_no_gain}")
        else:
            self._fill(lesson.gain)
            self.note.setText(MISTAKES_ONLY if lesson.said.mistakes_only else _verdict(lesson.gain))
            self.note.setToolTip(_HELD_OUT)

    @property
    def cells(self) -> list[list[str]]:
        """The table as it is read, row by row."""
        rows: list[list[str]] = []
        for k in range(self._table.count()):
            row, column, _, _ = self._table.getItemPosition(k)
            while len(rows) <= row:
                rows.append([""] * 4)
            rows[row][column] = self._table.itemAt(k).widget().text()
        return rows

    def _fill(self, gain: Estimate) -> None:
        heads = ("", "answers", "F1 now", "F1 then")
        for column, text in enumerate(heads):
            self._cell(0, column, text, dim=True)
        for row, name in enumerate(gain.classes, start=1):
            k = row - 1
            self._cell(row, 0, name)
            self._cell(row, 1, f"{gain.support[k]:,}", dim=True)
            self._cell(row, 2, _number(gain.before[k]))
            self._cell(row, 3, _number(gain.after[k]), better=gain.after[k] > gain.before[k])
        last = len(gain.classes) + 1
        self._cell(last, 0, "mean")
        self._cell(last, 2, _number(gain.mean_before))
        self._cell(last, 3, _number(gain.mean_after), better=gain.mean_after > gain.mean_before)

    def _cell(self, row: int, column: int, text: str, *, dim: bool = False, better: bool = False) -> None:
        label = QLabel(text)
        label.setIndent(0)
        label.setObjectName("NucloopDim" if dim else "NucloopHeading" if better else "NucloopName")
        if column:
            label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._table.addWidget(label, row, column)


def _on_slide(slide: OnSlide) -> str:
    """Say what the new head is worth on the slide, and the one in use."""
    low, _, high = (f"{value:.2f}" for value in slide.after)
    then = f"about {low}" if low == high else f"about {low} to {high}"
    return f"On this slide: F1 {then} with it, {slide.before[1]:.2f} now."


def _verdict(gain: Estimate) -> str:
    """Say in a sentence or two what the table means."""
    if round(gain.mean_after, 2) == round(gain.mean_before, 2):
        return _SAME
    return _WORSE if gain.mean_after < gain.mean_before else _HELD_OUT


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"

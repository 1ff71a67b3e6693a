"""What the Ki-67 dock is made of, from top to bottom."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from nucloop.gui.ki67.fields_row import FieldsRow
from nucloop.gui.ki67.grid_row import GridRow
from nucloop.gui.ki67.ki67_meaning import Ki67Meaning
from nucloop.gui.ki67.ki67_table import Ki67Table
from nucloop.gui.widgets.dock_layout import INSET, column_of, heading, show_scrolled
from nucloop.gui.widgets.messages import MessageLine
from nucloop.ki67.words import cutoff_words, interval_words, need_words, percent, score_words

if TYPE_CHECKING:
    from nucloop.ki67 import Ki67Result
    from nucloop.ki67.index import Cutoff

__all__ = ["Ki67Parts"]

_EMPTY = "No nuclei yet. Detect some first; then their Ki-67 index is counted here."
_NOTE = "For research use. A pathologist answers for the index of a patient."


class Ki67Parts:
    """The widgets of the dock, laid out; it only shows what it is told.

    Parameters
    ----------
    dock : QWidget
        Gets the layout.
    """

    def __init__(self, dock: QWidget) -> None:
        self.empty, self.why, self.index, self.interval = QLabel(_EMPTY), QLabel(), QLabel(), QLabel()
        self.counted, self.needs, self.cutoffs, self.note = QLabel(), QLabel(), QLabel(), QLabel(_NOTE)
        self.scores = QLabel()
        self.meaning, self.table, self.messages = Ki67Meaning(), Ki67Table(), MessageLine()
        self.fields, self.grid = FieldsRow(), GridRow()
        self.index.setObjectName("NucloopBig")
        self.cutoffs.setTextFormat(Qt.TextFormat.RichText)
        for label in (self.empty, self.why, self.interval, self.counted, self.scores, self.note):
            label.setObjectName("NucloopDim")
        for label in (self.empty, self.why, self.interval, self.scores, self.needs, self.cutoffs, self.note):
            label.setWordWrap(True)
        self._content, self._figures = QWidget(), QWidget()
        self._lay_out_figures()
        column = column_of(self._content)
        for part in (self.messages, self._figures, self.why, heading("Regions")):
            column.addWidget(part)
        column.addLayout(self._drawing_row())
        column.addWidget(self.fields)
        column.addWidget(self.table)
        column.addWidget(heading("Count by hand"))
        column.addWidget(self.grid)
        column.addWidget(heading("Positive or negative"))
        column.addWidget(self.meaning)
        column.addWidget(self._far)
        inside = QWidget()
        outer = column_of(inside, margins=INSET)
        outer.addWidget(self.empty)
        outer.addWidget(self._content)
        outer.addStretch()
        show_scrolled(dock, inside)
        self.show_there(False)
        self.show_result(None, "", False)

    def show_there(self, there: bool) -> None:
        """Show the dock's content when there are nuclei."""
        self.empty.setVisible(not there)
        self._content.setVisible(there)

    def show_result(self, result: Ki67Result | None, why: str, busy: bool) -> None:
        """Show an index; None says why there is none."""
        self._figures.setVisible(result is not None)
        self._far.setVisible(result is not None)
        self.why.setVisible(result is None)
        self.why.setText(why or ("Measuring DAB …" if busy else ""))
        self.table.show_result(result)
        self.report.setEnabled(result is not None)
        self.copy.setEnabled(result is not None)
        if result is None:
            return
        ki67 = result.ki67
        self.index.setText(percent(ki67.slide.value))
        self.counted.setText(f"{ki67.slide.positive:,} positive of\n{ki67.slide.total:,} nuclei counted")
        words = "95% interval\n" + "\n".join(interval_words(ki67))
        self.interval.setText(words if ki67.slide.total else "No nuclei are counted here yet.")
        self.scores.setText("\n".join(score_words(result)))
        self.scores.setVisible(result.intensity is not None)
        self.needs.setText("\n".join(need_words(ki67)))
        self.cutoffs.setText("<br>".join(_cutoff_line(cutoff) for cutoff in ki67.cutoffs))
        if not self.precision.hasFocus():
            self.precision.blockSignals(True)
            self.precision.setValue(100 * ki67.config.half_width)
            self.precision.blockSignals(False)

    def _lay_out_figures(self) -> None:
        upper = QHBoxLayout()
        upper.setSpacing(12)
        upper.addWidget(self.index)
        upper.addWidget(self.counted, 1)
        column = column_of(self._figures, spacing=4)
        column.addLayout(upper)
        column.addWidget(self.interval)
        column.addWidget(self.scores)
        self._far = QWidget()
        far = column_of(self._far, spacing=8)
        self.precision = QDoubleSpinBox()
        self.precision.setRange(0.5, 25)
        self.precision.setDecimals(1)
        self.precision.setSingleStep(0.5)
        self.precision.setPrefix("± ")
        self.precision.setSuffix(" points")
        self.precision.setKeyboardTracking(False)
        self.precision.setToolTip("The precision you want: half of the 95% interval")
        self.report, self.copy = QPushButton("Report …"), QPushButton("Copy table")
        self.report.setToolTip("Saves a report as PDF or HTML, with pictures, settings and provenance")
        row = QHBoxLayout()
        row.addWidget(QLabel("Wanted"))
        row.addWidget(self.precision, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.report, 1)
        buttons.addWidget(self.copy, 1)
        far.addWidget(heading("Cut-offs"))
        far.addWidget(self.cutoffs)
        far.addWidget(heading("Enough?"))
        far.addLayout(row)
        far.addWidget(self.needs)
        far.addLayout(buttons)
        far.addWidget(self.note)

    def _drawing_row(self) -> QHBoxLayout:
        self.draw: dict[str, QPushButton] = {}
        row = QHBoxLayout()
        row.setSpacing(6)
        for tool in ("polygon", "rectangle"):
            button = QPushButton(f"Draw {tool}")
            button.setToolTip("Nuclei inside are counted; without any region all are")
            row.addWidget(button, 1)
            self.draw[tool] = button
        return row


def _cutoff_line(cutoff: Cutoff) -> str:
    """Words in bold where the index may lie on either side."""
    words = html.escape(cutoff_words(cutoff))
    return words if cutoff.by_counting or not cutoff.flips else f"<b>{words}</b>"

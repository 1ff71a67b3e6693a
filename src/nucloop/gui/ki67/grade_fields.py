"""From which densities on nuclei are 2+ and 3+, for the H-score and Allred's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QPushButton, QWidget

from nucloop.gui.widgets.dock_layout import column_of
from nucloop.ki67.words import grade_words, place_words

if TYPE_CHECKING:
    from nucloop.ki67 import Ki67Result

__all__ = ["GradeFields"]


class GradeFields(QWidget):
    """Only asks and shows."""

    chosen = Signal(object)
    """(2+, 3+) as a person wants them, or None to let them follow from 1+."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.second, self.third = QLabel(), QDoubleSpinBox(), QDoubleSpinBox()
        self.words.setObjectName("NucloopDim")
        self.words.setWordWrap(True)
        self.reset = QPushButton("Twice and three times 1+")
        self.reset.clicked.connect(lambda: self.chosen.emit(None))
        fields = QGridLayout()
        fields.setSpacing(6)
        fields.setColumnStretch(1, 1)
        for row, (name, field) in enumerate((("2+ from", self.second), ("3+ from", self.third))):
            # there is no room for buttons beside two numbers
            field.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
            field.setRange(0.02, 10.0)
            field.setDecimals(2)
            field.setSingleStep(0.05)
            field.setKeyboardTracking(False)
            field.setToolTip("Optical density of DAB; 1+ begins where nuclei are positive")
            field.valueChanged.connect(lambda _: self._changed())
            fields.addWidget(QLabel(name), row, 0)
            fields.addWidget(field, row, 1)
        column = column_of(self, spacing=6)
        column.addLayout(fields)
        column.addWidget(self.reset)
        column.addWidget(self.words)

    def show_grades(self, result: Ki67Result | None) -> None:
        """Show where grades begin; nothing without DAB."""
        self.setVisible(result is not None and result.intensity is not None)
        if result is None or result.intensity is None:
            return
        for field, value in zip((self.second, self.third), result.intensity.thresholds[1:], strict=True):
            field.blockSignals(True)
            field.setValue(value)
            field.blockSignals(False)
        self.reset.setVisible(result.settings.grades is not None)
        self.words.setText(f"{grade_words(result)}.\nDAB: {place_words(result)}.")

    def _changed(self) -> None:
        second = self.second.value()
        self.chosen.emit((second, max(second, self.third.value())))

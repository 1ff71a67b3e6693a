"""The switch for tissue and quality, and below it what was seen, a colour in each line."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QWidget

from nucloop.gui.widgets.dock_layout import column_of

if TYPE_CHECKING:
    from nucloop.gui.viewing.quality_view import ShownQuality

__all__ = ["QualityBox"]

_TOLD = "Seen at low power, for looking only: nothing is left out or counted by it."


class QualityBox(QWidget):
    """Shows and asks, nothing else."""

    asked = Signal(bool)
    """Whether it is to be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.switch = QCheckBox("Tissue and quality")
        self.switch.setToolTip("Colours tissue, folds, ink of a pen, and windows that are out of focus")
        self.switch.toggled.connect(self.asked)
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.RichText)
        self.said.setAccessibleName("Tissue and quality of this slide")
        column = column_of(self, spacing=4)
        # a click beside its words is none
        column.addWidget(self.switch, alignment=Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.said)
        self.said.hide()

    def show_quality(self, shown: ShownQuality) -> None:
        """Say what is seen."""
        self.switch.blockSignals(True)
        self.switch.setChecked(shown.on)
        self.switch.blockSignals(False)
        lines = [f'<span style="color:{colour}">■</span> {html.escape(words)}' for colour, words in shown.lines]
        lines += [html.escape(shown.words)] if shown.words else []
        lines += [_TOLD] if shown.lines else []
        self.said.setText("<br>".join(lines))
        self.said.setVisible(shown.on)

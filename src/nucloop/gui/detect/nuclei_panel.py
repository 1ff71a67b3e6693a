"""What was found and how it is shown: legend, total, confidence and colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from nucloop.gui.canvas.colouring import ColourBy
from nucloop.gui.layer.legend import ColourKey, Legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["NucleiPanel"]

COUNTED_AT_ONCE = 50_000
"""With a confidence filter all nuclei are looked at to be counted; beyond this many an edit does not wait for it."""
COUNT_PAUSE_MS = 200


class NucleiPanel(QWidget):
    """Shows and filters the nuclei of one image at a time."""

    export_clicked = Signal()
    import_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._nuclei: NucleiLayer | None = None
        self.empty = QLabel()
        self.empty.setObjectName("NucloopDim")
        self.empty.setWordWrap(True)
        self.legend = Legend()
        self.legend.hidden_changed.connect(self._hide)
        self.total = QLabel()
        self.total.setObjectName("NucloopCount")
        self._content = QWidget()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.empty)
        layout.addWidget(self._content)
        layout.addLayout(self._file_row())
        inside = QVBoxLayout(self._content)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(6)
        inside.addLayout(self._heading())
        inside.addWidget(self.legend)
        inside.addWidget(self.total)
        inside.addSpacing(6)
        inside.addLayout(self._confidence_row())
        inside.addLayout(self._colour_row())
        self.key = ColourKey()
        inside.addWidget(self.key)
        self._count_timer = QTimer(self)
        self._count_timer.setSingleShot(True)
        self._count_timer.timeout.connect(self._show_total)
        self.show_scope("on screen")
        self.show_nuclei(None)

    def show_scope(self, which: str) -> None:
        """Say which nuclei the button would find, while there are none."""
        self.empty.setText(f"No nuclei yet. Press Detect nuclei to find and classify those {which}.")

    def show_nuclei(self, nuclei: NucleiLayer | None, keys: Sequence[str] = ()) -> None:
        """Show the nuclei of an image, and the keys of their classes; None when it has none yet."""
        self._nuclei = nuclei
        self.empty.setVisible(nuclei is None)
        self.export.setVisible(nuclei is not None)
        self._content.setVisible(nuclei is not None)
        if nuclei is None:
            return
        self.legend.show_counts(nuclei.session.scheme, nuclei.counts(), nuclei.hidden, keys)
        if nuclei.least_confidence > 0 and len(nuclei.session) > COUNTED_AT_ONCE:
            self._count_timer.start(COUNT_PAUSE_MS)
        else:
            self._show_total()
        self.show_all.setVisible(bool(nuclei.hidden) or nuclei.least_confidence > 0)
        for widget in (self.confidence, self.colours):
            widget.blockSignals(True)
        self.confidence.setValue(nuclei.least_confidence)
        ways = [by.value for by in nuclei.ways_to_colour]
        if ways != [self.colours.itemText(k) for k in range(self.colours.count())]:
            self.colours.clear()
            self.colours.addItems(ways)
        self.colours.setCurrentText(nuclei.colour_by.value)
        for widget in (self.confidence, self.colours):
            widget.blockSignals(False)
        self.key.show_key(nuclei.colour_by)

    def _show_total(self) -> None:
        if self._nuclei is not None:
            count, shown = len(self._nuclei.session), self._nuclei.shown_count()
            hidden = "" if shown == count else f"  ·  {shown:,} shown"
            self.total.setText(f"{count:,} nuclei in all{hidden}")

    def _heading(self) -> QHBoxLayout:
        heading = QLabel("Classes")
        heading.setObjectName("NucloopHeading")
        self.show_all = QPushButton("Show all")
        self.show_all.setObjectName("NucloopLink")
        self.show_all.setToolTip("Show every class and every confidence")
        self.show_all.clicked.connect(self._show_all)
        row = QHBoxLayout()
        row.addWidget(heading)
        row.addStretch()
        row.addWidget(self.show_all)
        return row

    def _confidence_row(self) -> QHBoxLayout:
        self.confidence = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.confidence.setRange(0.0, 1.0)
        self.confidence.setSingleStep(0.01)
        self.confidence.setDecimals(2)
        tip = (
            "Hides nuclei whose class is less probable than this. "
            "They stay in all counts, and what a person said is always shown."
        )
        self.confidence.setToolTip(tip)
        self.confidence.valueChanged.connect(self._set_confidence)
        label = QLabel("Confidence from")
        label.setToolTip(tip)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(self.confidence, 1)
        return row

    def _colour_row(self) -> QHBoxLayout:
        self.colours = QComboBox()
        self.colours.addItems([by.value for by in ColourBy])
        self.colours.currentTextChanged.connect(self._set_colours)
        row = QHBoxLayout()
        row.addWidget(QLabel("Colour by"))
        row.addWidget(self.colours, 1)
        return row

    def _file_row(self) -> QHBoxLayout:
        self.export, self.take_in = QPushButton("Export …"), QPushButton("Import …")
        self.export.setToolTip("Write the nuclei to a file of another program, or make a training set")
        self.take_in.setToolTip("Read nuclei from a file: to go on with, of another reader, or to compare with")
        self.export.clicked.connect(self.export_clicked)
        self.take_in.clicked.connect(self.import_clicked)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.export, 1)
        row.addWidget(self.take_in, 1)
        return row

    def _hide(self, labels: frozenset[int]) -> None:
        if self._nuclei is not None:
            self._nuclei.hidden = labels

    def _set_confidence(self, value: float) -> None:
        if self._nuclei is not None:
            self._nuclei.least_confidence = value

    def _set_colours(self, name: str) -> None:
        if self._nuclei is not None:
            self._nuclei.colour_by = ColourBy(name)

    def _show_all(self) -> None:
        self._hide(frozenset())
        self._set_confidence(0.0)

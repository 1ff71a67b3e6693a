"""What the Nuclei table dock is made of: what to measure above, rows on the left, filter and histogram on the right."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QDoubleValidator
from qtpy.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QWidget,
)

from nucloop.gui.table.figure_histogram import FigureHistogram
from nucloop.gui.table.figure_model import FigureModel
from nucloop.gui.table.table_scope import TableScope
from nucloop.gui.table.table_view import TableView
from nucloop.gui.widgets.dock_layout import column_of
from nucloop.gui.widgets.messages import MessageLine
from nucloop.gui.widgets.running import ProgressRow

__all__ = ["FilterPanel", "MeasureBar", "TableParts"]

_EMPTY = (
    "Area, shape and stains of each nucleus that has an outline. Choose which nuclei, and press Measure. Nuclei get "
    "outlines with the box Outlines in the Detect dock, or come with them from a file."
)
PANEL_PIXELS = 250


class MeasureBar(QWidget):
    """Asks which nuclei are measured, and whether their stains."""

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        scopes = QHBoxLayout()
        scopes.setSpacing(0)
        self._group = QButtonGroup(self)
        self.scopes: dict[TableScope, QToolButton] = {}
        for scope in TableScope:
            button = QToolButton()
            button.setObjectName("NucloopScope")
            button.setText(f" {scope.value} ")
            button.setCheckable(True)
            self._group.addButton(button)
            self.scopes[scope] = button
            scopes.addWidget(button)
        self.scopes[TableScope.VIEW].setChecked(True)
        self.stains = QCheckBox("Stains")
        self.stains.setChecked(True)
        self.stains.setToolTip("Haematoxylin, eosin and DAB in the nucleus and in a ring around it; takes longer")
        self.ring = QDoubleSpinBox()
        self.ring.setRange(0.5, 20.0)
        self.ring.setSingleStep(0.5)
        self.ring.setDecimals(1)
        self.ring.setValue(2.0)
        self.ring.setPrefix("ring ")
        self.ring.setSuffix(" µm")
        self.ring.setToolTip("Width of the ring around a nucleus that stands for its cytoplasm")
        self.ring.setKeyboardTracking(False)
        self.stains.toggled.connect(self.ring.setEnabled)
        self.measure, self.again, self.save = QPushButton("Measure"), QPushButton(), QPushButton("Save …")
        self.measure.setObjectName("NucloopMain")
        self.again.setToolTip("Measure again what has changed since")
        self.save.setToolTip("Saves the rows that are shown, as CSV, Parquet or for QuPath")
        self.status = QLabel()
        self.status.setObjectName("NucloopDim")
        row.addLayout(scopes)
        for widget in (self.stains, self.ring, self.measure):
            row.addWidget(widget)
        row.addWidget(self.status, 1)
        row.addWidget(self.again)
        row.addWidget(self.save)

    @property
    def scope(self) -> TableScope:
        """Which nuclei are meant."""
        return next(scope for scope, button in self.scopes.items() if button.isChecked())


class FilterPanel(QWidget):
    """Asks which rows are shown, beside the histogram of one figure."""

    class_chosen = Signal()
    figure_chosen = Signal()
    range_chosen = Signal(object)
    """(low, high), or None for all."""

    def __init__(self) -> None:
        super().__init__()
        self.classes, self.figure, self.histogram = QComboBox(), QComboBox(), FigureHistogram()
        self.classes.setToolTip("The class whose nuclei are shown")
        self.figure.setToolTip("The figure in the histogram, by which rows can be left out")
        for box in (self.classes, self.figure):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(10)
        self.low, self.high, self.all = QLineEdit(), QLineEdit(), QPushButton("All")
        for line, words in ((self.low, "from"), (self.high, "to")):
            line.setValidator(QDoubleValidator(line))
            line.setPlaceholderText(words)
            line.setToolTip("Rows whose figure lies beyond are not shown")
            line.editingFinished.connect(self._typed)
        self.all.setToolTip("Show rows whatever their figure")
        self.all.clicked.connect(lambda: self.range_chosen.emit(None))
        self.classes.activated.connect(lambda _: self.class_chosen.emit())
        self.figure.activated.connect(lambda _: self.figure_chosen.emit())
        self.histogram.chosen.connect(lambda low, high: self.range_chosen.emit((low, high)))
        self.histogram.cleared.connect(lambda: self.range_chosen.emit(None))
        column = column_of(self, spacing=6)
        boxes, ends = QHBoxLayout(), QHBoxLayout()
        for row in (boxes, ends):
            row.setSpacing(6)
        boxes.addWidget(self.classes, 1)
        boxes.addWidget(self.figure, 1)
        for widget in (self.low, self.high):
            ends.addWidget(widget, 1)
        ends.addWidget(self.all)
        column.addLayout(boxes)
        column.addWidget(self.histogram, 1)
        column.addLayout(ends)

    def show_range(self, ends: tuple[float, float] | None, decimals: int) -> None:
        """Show which figures are let through."""
        self.histogram.show_range(ends)
        for line, end in zip((self.low, self.high), ends or (-float("inf"), float("inf")), strict=True):
            line.setText("" if abs(end) == float("inf") else line.locale().toString(end, "f", decimals))
        self.all.setEnabled(ends is not None)

    def _typed(self) -> None:
        texts = [line.text().strip() for line in (self.low, self.high)]
        if not self.low.isModified() and not self.high.isModified():
            return
        for line in (self.low, self.high):
            line.setModified(False)
        locale = self.low.locale()
        low = locale.toDouble(texts[0])[0] if texts[0] else -float("inf")
        high = locale.toDouble(texts[1])[0] if texts[1] else float("inf")
        self.range_chosen.emit(None if not any(texts) else (low, high))


class TableParts:
    """The widgets of the dock, laid out.

    Parameters
    ----------
    dock : QWidget
        Gets the layout.
    """

    def __init__(self, dock: QWidget) -> None:
        self.model = FigureModel()
        self.rows, self.bar, self.filter = TableView(self.model), MeasureBar(), FilterPanel()
        self.empty, self.progress, self.messages = (
            QLabel(_EMPTY),
            ProgressRow("Stops; what is measured stays"),
            MessageLine(),
        )
        self.empty.setObjectName("NucloopDim")
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.body = QWidget()
        self._body = QBoxLayout(QBoxLayout.Direction.LeftToRight, self.body)
        self._body.setContentsMargins(0, 0, 0, 0)
        self._body.setSpacing(10)
        self._body.addWidget(self.rows, 1)
        self._body.addWidget(self.filter)
        column = column_of(dock, (12, 8, 12, 8), spacing=6)
        column.addWidget(self.bar)
        column.addWidget(self.progress)
        column.addWidget(self.messages)
        column.addWidget(self.body, 1)
        column.addWidget(self.empty, 1)
        self.progress.show_running(False, "")
        self.lay_out(True)

    def lay_out(self, wide: bool) -> None:
        """Put the histogram beside the rows, or below them."""
        direction = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        self._body.setDirection(direction)
        self.filter.setMaximumWidth(PANEL_PIXELS if wide else 16_777_215)
        self.filter.setMinimumWidth(PANEL_PIXELS if wide else 0)

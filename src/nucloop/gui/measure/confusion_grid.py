"""The confusion matrix as a picture that can be clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPoint, QPointF, QRect, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from nucloop.gui.measure.score_table import short_count

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtCore import QEvent
    from qtpy.QtGui import QMouseEvent, QPaintEvent

    from nucloop.metrics.scoring import FieldScore

__all__ = ["ConfusionGrid", "words_for_cell"]

ROW, WIDEST_NAME, NARROWEST = 26, 96, 300
_RIGHT, _WRONG = QColor("#2fa57f"), QColor("#e69f00")


class ConfusionGrid(QWidget):
    """Reference down, nuclei across; the last row holds false alarms, the last column misses."""

    cell_clicked = Signal(int, int)
    """Row and column of the confusion matrix."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._names: tuple[str, ...] = ()
        self._used: list[int] = []
        self._counts: NDArray[np.int64] = np.zeros((0, 0), np.int64)
        self._hover: tuple[int, int] | None = None
        self._margins: tuple[int, int, bool] | None = None
        self.chosen: tuple[int, int] | None = None
        """The cell whose nuclei are shown."""

    def show_score(self, score: FieldScore | None) -> None:
        """Show the matrix of a score; without classes there is nothing to confuse."""
        self.setVisible(score is not None)
        if score is None:
            return
        counts = score.confusion
        unnamed = len(score.names)
        used = [k for k in range(len(counts)) if k != unnamed or counts[k].any() or counts[:, k].any()]
        if used == self._used and score.names == self._names:
            # most edits change two rows, and every one of them waits for this to be painted
            changed = [row for row in used if (counts[row] != self._counts[row]).any()]
            self._counts = counts
            for row in changed:
                self.update(self._line_of(row))
            return
        self._used, self._names, self._counts = used, score.names, counts
        self.chosen, self._margins = None, None
        # the height must not depend on the width, or the dock would be laid out in circles
        self.setFixedHeight(self._top() + ROW * len(used) + 4)
        self.update()

    def rect_of(self, row: int, column: int) -> QRect:
        """Return where a cell is drawn."""
        left, width = self._left(), self._width()
        i, j = self._used.index(row), self._used.index(column)
        return QRect(round(left + j * width), self._top() + i * ROW, round(width) - 2, ROW - 2)

    def _line_of(self, row: int) -> QRect:
        return QRect(0, self._top() + self._used.index(row) * ROW, self.width(), ROW)

    def cell_at(self, place: QPoint) -> tuple[int, int] | None:
        """Return the cell at a place; None beside them and in the corner that means nothing."""
        for row in self._used:
            for column in self._used:
                if not self._empty(row, column) and self.rect_of(row, column).contains(place):
                    return row, column
        return None

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw names and cells."""
        if not self._used:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().windowText().color()
        painter.setPen(text)
        if event.rect().top() < self._top():
            left, width = self._left(), self._width()
            for i, k in enumerate(self._used):
                self._paint_head(painter, k, left + (i + 0.5) * width, width)
        for row in self._used:
            if self._line_of(row).intersects(event.rect()):
                self._paint_line(painter, row, text)

    def _paint_line(self, painter: QPainter, row: int, text: QColor) -> None:
        line = self._line_of(row)
        box = QRect(0, line.top(), self._left() - 8, ROW - 2)
        name = "false alarm" if row == len(self._counts) - 1 else self._name(row)
        shown = self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, box.width())
        painter.setPen(text)
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, shown)
        for column in self._used:
            if not self._empty(row, column):
                self._paint_cell(painter, row, column, text)

    def _paint_head(self, painter: QPainter, k: int, middle: float, width: float) -> None:
        name = "missed" if k == len(self._counts) - 1 else self._name(k)
        metrics = self.fontMetrics()
        if self._flat():
            box = QRect(round(middle - width / 2), 0, round(width) - 2, self._top() - 4)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom, name)
            return
        painter.save()
        painter.translate(QPointF(middle + metrics.ascent() / 2 - 2, self._top() - 6))
        painter.rotate(-90)
        painter.drawText(0, 0, metrics.elidedText(name, Qt.TextElideMode.ElideRight, WIDEST_NAME))
        painter.restore()

    def _paint_cell(self, painter: QPainter, row: int, column: int, text: QColor) -> None:
        count, box = int(self._counts[row, column]), self.rect_of(row, column)
        total = max(int(self._counts[row].sum()), 1)
        colour = QColor(_RIGHT if row == column else _WRONG)
        colour.setAlphaF(0.08 + 0.72 * (count / total) if count else 0.05)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawRoundedRect(box, 3, 3)
        if (row, column) in (self._hover, self.chosen):
            painter.setPen(QPen(text, 2 if (row, column) == self.chosen else 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 3, 3)
        faint = QColor(text)
        faint.setAlphaF(1.0 if count else 0.45)
        painter.setPen(faint)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, short_count(count))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say what a cell holds."""
        cell = self.cell_at(event.pos())
        if cell != self._hover:
            self._hover = cell
            self.update()
        self.setCursor(Qt.CursorShape.PointingHandCursor if cell else Qt.CursorShape.ArrowCursor)
        if cell:
            tip = f"{self._counts[cell]:,} nuclei: {words_for_cell(self._names, *cell)}. A click shows them."
            QToolTip.showText(event.globalPosition().toPoint(), tip, self)

    def leaveEvent(self, event: QEvent) -> None:
        """Forget where the mouse was."""
        self._hover = None
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a cell."""
        cell = self.cell_at(event.pos())
        if cell and event.button() == Qt.MouseButton.LeftButton:
            self.chosen = cell
            self.update()
            self.cell_clicked.emit(*cell)

    def _name(self, k: int) -> str:
        return (*self._names, "no class")[k]

    def _empty(self, row: int, column: int) -> bool:
        return row == column == len(self._counts) - 1

    def _left(self) -> int:
        return self._measured()[0]

    def _width(self) -> float:
        return (self.width() - self._left()) / max(len(self._used), 1)

    def _top(self) -> int:
        return self._measured()[1]

    def _flat(self) -> bool:
        """Whether names fit across in the narrowest dock."""
        return self._measured()[2]

    def _measured(self) -> tuple[int, int, bool]:
        """Return the room for names beside and above the cells, and whether those above lie flat."""
        if self._margins is None:
            metrics = self.fontMetrics()
            names = [self._name(k) for k in self._used[:-1]]
            beside = [metrics.horizontalAdvance(name) for name in ("false alarm", *names)]
            above = [metrics.horizontalAdvance(name) for name in ("missed", *names)]
            left = min(max(beside), WIDEST_NAME) + 10
            flat = max(above) + 4 < (NARROWEST - left) / max(len(self._used), 1)
            top = metrics.height() + 6 if flat else min(max(above), WIDEST_NAME) + 12
            self._margins = left, top, flat
        return self._margins

    def changeEvent(self, event: QEvent) -> None:
        """Measure the names again in another font."""
        self._margins = None
        super().changeEvent(event)


def words_for_cell(names: tuple[str, ...], row: int, column: int) -> str:
    """Say what the nuclei of a cell are.

    >>> words_for_cell(("a", "b"), 0, 1), words_for_cell(("a",), 2, 0), words_for_cell(("a",), 0, 2)
    ('called b, a in the reference', 'called a, nothing in the reference', 'a in the reference, missed')
    """
    named = [*names, "no class"]
    nothing = len(named)
    if column == nothing:
        return f"{named[row]} in the reference, missed"
    if row == column:
        return f"{named[row]}, as in the reference"
    return f"called {named[column]}, {'nothing' if row == nothing else named[row]} in the reference"

"""The histogram of one figure by class; a drag over it chooses a range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from qtpy.QtGui import QMouseEvent, QPaintEvent

__all__ = ["FigureHistogram"]

HEIGHT = 110
_SIDE, _TOP = 6, 6
_CLICK = 4
"""A drag this short, pixels of the screen, is a click."""


class FigureHistogram(QWidget):
    """One stepped line a class, each in its colour, over a common ground: overlapping classes stay apart."""

    chosen = Signal(float, float)
    """Between which values a person wants to see nuclei."""
    cleared = Signal()
    """They want to see all: a click."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setToolTip("Drag over a part to see those nuclei alone; a click shows all again")
        self._edges: NDArray[np.float64] = np.linspace(0, 1, 2)
        self.counts: dict[str, NDArray[np.int64]] = {}
        """Nuclei in each bin, by the colour of their class."""
        self._decimals = 2
        self._range: tuple[float, float] | None = None
        self._from: float | None = None

    def sizeHint(self) -> QSize:
        """Return room for bars and numbers."""
        return QSize(240, HEIGHT + 30)

    def show_counts(self, edges: NDArray[np.float64], counts: Mapping[str, NDArray[np.int64]], decimals: int) -> None:
        """Show how many nuclei of each class, by its colour, lie between edges (B + 1,)."""
        self._edges, self.counts, self._decimals = edges, dict(counts), decimals
        self.update()

    def show_range(self, ends: tuple[float, float] | None) -> None:
        """Show what is chosen."""
        self._range = ends
        self.update()

    def x_of(self, value: float) -> float:
        """Return where a value is drawn."""
        low, high = float(self._edges[0]), float(self._edges[-1])
        share = np.clip((value - low) / ((high - low) or 1), 0, 1)
        return float(_SIDE + share * (self.width() - 2 * _SIDE))

    def value_at(self, x: float) -> float:
        """Return the value that a place on screen stands for; at either end, all that lies beyond it."""
        low, high = float(self._edges[0]), float(self._edges[-1])
        share = (x - _SIDE) / max(self.width() - 2 * _SIDE, 1)
        if share <= 0 or share >= 1:
            return -np.inf if share <= 0 else np.inf
        return low + share * (high - low)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw lines, numbers and the chosen range."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().windowText().color()
        height = self.fontMetrics().height()
        floor = self.height() - height - 5
        if self._range is not None:
            shade = QColor(text)
            shade.setAlphaF(0.14)
            left, right = (self.x_of(end) for end in self._range)
            painter.fillRect(QRectF(left, 0, max(right - left, 1), floor), shade)
        tallest = max((int(bins.max()) for bins in self.counts.values()), default=0)
        for colour, bins in self.counts.items():
            self._draw(painter, QColor(colour), bins / max(tallest, 1), floor)
        faint = QColor(text)
        faint.setAlphaF(0.75)
        painter.setPen(faint)
        painter.drawLine(QPointF(_SIDE, floor), QPointF(self.width() - _SIDE, floor))
        if not self.counts:
            return
        words = [f"{end:.{self._decimals}f}" for end in (self._edges[0], self._edges[-1])]
        line = QRectF(_SIDE, floor + 3, self.width() - 2 * _SIDE, height)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft, words[0])
        painter.drawText(line, Qt.AlignmentFlag.AlignRight, words[1])
        painter.drawText(line.translated(0, -floor), Qt.AlignmentFlag.AlignRight, f"{tallest:,}")

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a range."""
        self._from = event.position().x()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Show the range while it is drawn."""
        if self._from is not None:
            self.show_range(self._ends(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Choose the range."""
        start, self._from = self._from, None
        if start is None:
            return
        if abs(event.position().x() - start) < _CLICK:
            self.cleared.emit()
        else:
            self._from = start
            ends, self._from = self._ends(event.position().x()), None
            self.chosen.emit(*ends)

    def _ends(self, x: float) -> tuple[float, float]:
        assert self._from is not None
        low, high = sorted((self._from, x))
        return self.value_at(low), self.value_at(high)

    def _draw(self, painter: QPainter, colour: QColor, heights: NDArray[np.float64], floor: float) -> None:
        x = [self.x_of(edge) for edge in self._edges.tolist()]
        y = (floor - heights * (floor - _TOP)).tolist()
        line = [QPointF(x[0], floor)]
        for left, right, top in zip(x[:-1], x[1:], y, strict=True):
            line += [QPointF(left, top), QPointF(right, top)]
        line.append(QPointF(x[-1], floor))
        fill = QColor(colour)
        fill.setAlphaF(0.22)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawPolygon(QPolygonF(line))
        painter.setPen(QPen(colour, 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(line))

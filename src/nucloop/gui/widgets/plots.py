"""Small plots of the docks, drawn with Qt: a line, and points with their limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from qtpy.QtGui import QMouseEvent, QPaintEvent

__all__ = ["Axes", "CurvePlot", "DifferencePlot", "Plot"]

LINE = "#56b4e9"
MARK = "#e69f00"
HEIGHT = 150


@dataclass(frozen=True)
class Axes:
    """A rectangle on screen and the ranges of values it stands for."""

    box: QRectF
    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> QPointF:
        """Return where a value is drawn."""
        (x0, x1), (y0, y1) = self.x, self.y
        return QPointF(
            self.box.left() + (x - x0) / ((x1 - x0) or 1) * self.box.width(),
            self.box.bottom() - (y - y0) / ((y1 - y0) or 1) * self.box.height(),
        )

    def value_at(self, x: float) -> float:
        """Return the value along x that a place on screen stands for, within the range."""
        x0, x1 = self.x
        return float(np.clip(x0 + (x - self.box.left()) / max(self.box.width(), 1) * (x1 - x0), x0, x1))


class Plot(QWidget):
    """Axes with numbers; what is drawn on them is the subclass's."""

    def __init__(self, across: str, up: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._across, self._up = across, up
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumHeight(HEIGHT)

    def sizeHint(self) -> QSize:
        """Return a small plot."""
        return QSize(260, HEIGHT)

    def axes(self) -> Axes:
        """Return the axes; the ranges are the subclass's."""
        metrics = self.fontMetrics()
        left = metrics.horizontalAdvance("-0.00") + 8
        box = QRectF(left, 8, self.width() - left - 8, self.height() - 2 * metrics.height() - 14)
        return Axes(box, *self.ranges())

    def ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the ranges across and up."""
        return (0.0, 1.0), (0.0, 1.0)

    def paint_frame(self, painter: QPainter, axes: Axes) -> QColor:
        """Draw numbers and lines; return a faint colour for more of them."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().windowText().color()
        faint = QColor(text)
        faint.setAlphaF(0.18)
        dim = QColor(text)
        dim.setAlphaF(0.75)
        height = self.fontMetrics().height()
        for share in (0.0, 0.5, 1.0):
            y = axes.y[0] + share * (axes.y[1] - axes.y[0])
            x = axes.x[0] + share * (axes.x[1] - axes.x[0])
            row, column = axes.place(axes.x[0], y), axes.place(x, axes.y[0])
            painter.setPen(faint)
            painter.drawLine(row, QPointF(axes.box.right(), row.y()))
            painter.setPen(dim)
            words = QRectF(0, row.y() - height / 2, axes.box.left() - 6, height)
            painter.drawText(words, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{y:.2f}")
            words = QRectF(column.x() - 40, axes.box.bottom() + 3, 80, height)
            side = {0.0: Qt.AlignmentFlag.AlignHCenter, 1.0: Qt.AlignmentFlag.AlignRight}
            if share == 1.0:
                words = QRectF(column.x() - 80, axes.box.bottom() + 3, 84, height)
            painter.drawText(words, side.get(share, Qt.AlignmentFlag.AlignHCenter), f"{x:.2f}")
        line = QRectF(axes.box.left(), axes.box.bottom() + height + 4, axes.box.width(), height)
        painter.drawText(line, Qt.AlignmentFlag.AlignHCenter, self._across)
        painter.drawText(
            axes.box.adjusted(4, 0, 0, 0), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, self._up
        )
        return faint


class CurvePlot(Plot):
    """F1 against the threshold; a click chooses a threshold."""

    clicked = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("least score that counts", "F1", parent)
        self.x: NDArray[np.float64] = np.zeros(0)
        self.y: NDArray[np.float64] = np.zeros(0)

    def show_curve(self, x: ArrayLike, y: ArrayLike) -> None:
        """Show a curve."""
        self.x, self.y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the curve and its best place."""
        painter = QPainter(self)
        axes = self.axes()
        self.paint_frame(painter, axes)
        if not len(self.x):
            return
        painter.setPen(QPen(QColor(LINE), 2))
        painter.drawPolyline(QPolygonF([axes.place(a, b) for a, b in zip(self.x, self.y, strict=True)]))
        best = int(np.argmax(self.y))
        place = axes.place(self.x[best], self.y[best])
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(MARK))
        painter.drawEllipse(place, 4, 4)
        painter.setPen(self.palette().windowText().color())
        words = f"{self.y[best]:.3f} at {self.x[best]:.2f}"
        width = self.fontMetrics().horizontalAdvance(words)
        left = min(max(place.x() - width / 2, axes.box.left()), axes.box.right() - width)
        painter.drawText(QPointF(left, place.y() + 2 * self.fontMetrics().height() + 2), words)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a threshold."""
        self.clicked.emit(self.axes().value_at(event.position().x()))


class DifferencePlot(Plot):
    """Bland and Altman's: differences of two readings against their mean, with bias and limits of agreement."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("mean of both readings", "difference", parent)
        self._mean: NDArray[np.float64] = np.zeros(0)
        self._difference: NDArray[np.float64] = np.zeros(0)
        self._bias = 0.0
        self._limits: tuple[float, float] | None = None

    def show_differences(
        self, mean: ArrayLike, difference: ArrayLike, bias: float, limits: tuple[float, float] | None
    ) -> None:
        """Show readings."""
        self._mean, self._difference = np.asarray(mean, np.float64), np.asarray(difference, np.float64)
        self._bias, self._limits = bias, limits
        self.update()

    def ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return all of the index across, and up what there is around zero."""
        most = max([0.05, *np.abs(self._difference).tolist(), *map(abs, self._limits or ())])
        return (0.0, 1.0), (-1.15 * most, 1.15 * most)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the points and the lines."""
        painter = QPainter(self)
        axes = self.axes()
        self.paint_frame(painter, axes)
        lines = [(self._bias, Qt.PenStyle.SolidLine)]
        lines += [(limit, Qt.PenStyle.DashLine) for limit in self._limits or ()]
        for y, style in lines:
            painter.setPen(QPen(QColor(MARK), 1.5, style))
            painter.drawLine(axes.place(axes.x[0], y), axes.place(axes.x[1], y))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(LINE))
        for x, y in zip(self._mean, self._difference, strict=True):
            painter.drawEllipse(axes.place(x, y), 3.5, 3.5)

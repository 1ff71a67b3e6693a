"""Loss and F1 while an encoder is tuned, drawn as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

    from nucloop.learning.tuning import Epoch

__all__ = ["TuningCurve"]

LOSS, F1 = QColor("#e69f00"), QColor("#56a0e0")
HEIGHT = 110


class TuningCurve(QWidget):
    """Two lines over the epochs; each has its own scale, and says its newest value."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.epochs: list[Epoch] = []
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Loss on the corrections that teach, and mean class F1 on corrections that do not")

    def clear(self) -> None:
        """Begin anew."""
        self.epochs = []
        self.update()

    def add(self, epoch: Epoch) -> None:
        """Draw one epoch more."""
        self.epochs.append(epoch)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw axes, lines and their newest values."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(self.foregroundRole())
        line = painter.fontMetrics().height()
        area = QRectF(2, line + 8, self.width() - 4, self.height() - 2 * line - 14)
        dim = QColor(text)
        dim.setAlpha(70)
        painter.setPen(QPen(dim, 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        if self.epochs:
            self._draw(painter, area, [e.loss for e in self.epochs], LOSS)
            self._draw(painter, area, [e.f1 for e in self.epochs], F1)
            self._draw_best(painter, area, dim)
            self._draw_words(painter, line, text)
        painter.end()

    def _draw_words(self, painter: QPainter, line: int, text: QColor) -> None:
        last = self.epochs[-1]
        width = self.width() - 4
        painter.setPen(LOSS)
        loss = "" if np.isnan(last.loss) else f"loss {last.loss:.3f}"
        painter.drawText(QRectF(2, 2, width, line), Qt.AlignmentFlag.AlignLeft, loss)
        painter.setPen(F1)
        painter.drawText(QRectF(2, 2, width, line), Qt.AlignmentFlag.AlignRight, f"F1 {last.f1:.3f}")
        text.setAlpha(160)
        painter.setPen(text)
        bottom = QRectF(2, self.height() - line - 2, width, line)
        painter.drawText(bottom, Qt.AlignmentFlag.AlignLeft, f"epoch {last.number}")
        best = max(self.epochs, key=lambda epoch: epoch.f1)
        painter.drawText(bottom, Qt.AlignmentFlag.AlignRight, f"best F1 {best.f1:.3f}, epoch {best.number}")

    def _x(self, area: QRectF, number: int) -> float:
        # the axis grows with the epochs: training may stop long before the last one
        return float(area.left() + area.width() * number / max(self.epochs[-1].number, 4))

    def _draw(self, painter: QPainter, area: QRectF, values: list[float], colour: QColor) -> None:
        known = [(e.number, v) for e, v in zip(self.epochs, values, strict=True) if not np.isnan(v)]
        if not known:
            return
        low, high = min(v for _, v in known), max(v for _, v in known)
        spread = max(high - low, 1e-6)
        points = [
            QPointF(self._x(area, n), area.bottom() - 3 - (area.height() - 6) * (v - low) / spread) for n, v in known
        ]
        painter.setPen(QPen(colour, 2))
        painter.drawPolyline(QPolygonF(points))
        painter.setBrush(colour)
        painter.drawEllipse(points[-1], 2.5, 2.5)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _draw_best(self, painter: QPainter, area: QRectF, dim: QColor) -> None:
        best = max(self.epochs, key=lambda epoch: epoch.f1)
        x = self._x(area, best.number)
        painter.setPen(QPen(dim, 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))

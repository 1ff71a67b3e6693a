"""The shape and colour of a ring, as the legend of the Measure dock shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

from nucloop.gui.measure.rings import RING_STYLE, Ring

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

__all__ = ["ShapeSwatch"]


class ShapeSwatch(QWidget):
    """One ring."""

    def __init__(self, ring: Ring) -> None:
        super().__init__()
        self._shape, colour = RING_STYLE[ring]
        self._colour = QColor(colour)
        self.setFixedSize(18, 18)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it on the grey of tissue, so that it is seen in any theme."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor("#4a4453"))
        painter.drawRoundedRect(QRectF(0, 0, 18, 18), 3, 3)
        painter.setPen(QPen(self._colour, 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self._shape == "square":
            painter.drawRect(QRectF(4.5, 4.5, 9, 9))
        elif self._shape == "diamond":
            painter.drawPolygon(QPolygonF([QPointF(9, 3), QPointF(15, 9), QPointF(9, 15), QPointF(3, 9)]))
        else:
            painter.drawEllipse(QRectF(4, 4, 10, 10))

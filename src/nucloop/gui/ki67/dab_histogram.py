"""The histogram of DAB in the nuclei, with a threshold that can be dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from nucloop.ki67.measurement import POSITIVE_AND_NEGATIVE

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent, QMouseEvent, QPaintEvent

    from nucloop.ki67.dab_threshold import DabThreshold

__all__ = ["DabHistogram"]

_POSITIVE, _NEGATIVE = map(QColor, POSITIVE_AND_NEGATIVE.colors)
_TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SHOWN_BINS = 64


class DabHistogram(QWidget):
    """Negative nuclei blue, positive ones magenta; the line between them is the threshold."""

    moved = Signal(float)
    """The threshold that a person wants, optical density."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumHeight(120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setAccessibleName("Threshold of DAB")
        self.setToolTip("Drag the line, or use the arrow keys: nuclei to its right are positive")
        self._threshold: DabThreshold | None = None

    def sizeHint(self) -> QSize:
        """Return room for bars and numbers."""
        return QSize(260, 130)

    def show_threshold(self, threshold: DabThreshold | None) -> None:
        """Show a histogram and its threshold."""
        self._threshold = threshold
        self.setVisible(threshold is not None)
        self.update()

    def x_of(self, density: float) -> float:
        """Return where a density is drawn; equal steps are equal factors."""
        low, high = self._ends()
        share = (np.log(density) - np.log(low)) / (np.log(high) - np.log(low))
        return float(6 + np.clip(share, 0, 1) * (self.width() - 12))

    def density_at(self, x: float) -> float:
        """Return the density that a place on screen stands for."""
        low, high = self._ends()
        share = np.clip((x - 6) / max(self.width() - 12, 1), 0, 1)
        return float(np.exp(np.log(low) + share * (np.log(high) - np.log(low))))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw bars, numbers and the line."""
        threshold = self._threshold
        if threshold is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().windowText().color()
        floor = self.height() - self.fontMetrics().height() - 6
        counts, edges = self._bars(threshold)
        tallest = max(float(np.sqrt(counts.max())), 1.0)
        painter.setPen(Qt.PenStyle.NoPen)
        for count, left, right in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            height = np.sqrt(count) / tallest * (floor - 10)
            x0, x1 = self.x_of(left), self.x_of(right)
            painter.setBrush(_POSITIVE if np.sqrt(left * right) >= threshold.value else _NEGATIVE)
            painter.drawRect(QRectF(x0, floor - height, max(x1 - x0 - 1, 1), height))
        painter.setPen(text)
        for tick in _TICKS:
            if self._ends()[0] <= tick <= self._ends()[1]:
                box = QRectF(self.x_of(tick) - 20, floor + 3, 40, self.fontMetrics().height())
                painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, f"{tick:g}")
        x = self.x_of(threshold.value)
        painter.setPen(QPen(text, 2))
        painter.drawLine(QPointF(x, 4), QPointF(x, floor))
        painter.setBrush(text)
        painter.drawEllipse(QPointF(x, 6), 4, 4)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Put the threshold where the mouse is."""
        self.moved.emit(self.density_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the mouse while it is held down."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.moved.emit(self.density_at(event.position().x()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move it by a little."""
        steps = {Qt.Key.Key_Left: 0.98, Qt.Key.Key_Right: 1.02}
        if self._threshold is not None and event.key() in steps:
            self.moved.emit(self._threshold.value * steps[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def _ends(self) -> tuple[float, float]:
        return (0.02, 3.0) if self._threshold is None else (0.02, max(float(self._threshold.edges[-1]), 1.0))

    def _bars(self, threshold: DabThreshold) -> tuple[np.ndarray, np.ndarray]:
        low, high = self._ends()
        edges = np.exp(np.linspace(np.log(low), np.log(high), _SHOWN_BINS + 1))
        middle = np.maximum((threshold.edges[1:] + threshold.edges[:-1]) / 2, low * 1.001)
        return np.histogram(middle, edges, weights=threshold.counts)[0], edges

"""A grid of crops that paints only what is on screen: as quick for a million nuclei as for a hundred."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QAbstractScrollArea, QFrame, QWidget

from nucloop.gui.gallery.crops import CROP_PIXELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from qtpy.QtGui import QImage, QKeyEvent, QMouseEvent, QPaintEvent, QResizeEvent

__all__ = ["CropGrid"]

GAP = 6
CELL = CROP_PIXELS + GAP
RIM = 3
_SELECTED = "#2f82e6"


class CropGrid(QAbstractScrollArea):
    """Shows ids in an order, and lets them be selected as files are: click, Shift, Ctrl, arrows.

    Parameters
    ----------
    crops : callable
        Takes ids (N,), returns the crops that are here by id.
    colours : callable
        Takes ids (N,), returns the colour of each as "#rrggbb".
    """

    selection_changed = Signal()
    clicked = Signal(int)
    """An id that the person wants to see in the slide."""
    key_pressed = Signal(object)
    """A QKeyEvent that is no movement."""

    def __init__(
        self,
        crops: Callable[[NDArray[np.int64]], dict[int, QImage]],
        colours: Callable[[NDArray[np.int64]], list[str]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._crops, self._colours = crops, colours
        self.ids = np.zeros(0, np.int64)
        self._selected = np.zeros(0, bool)
        self._anchor = 0
        self.current = 0
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalScrollBar().setSingleStep(CELL // 3)

    @property
    def selected(self) -> NDArray[np.int64]:
        """Selected ids, in the grid's order."""
        return self.ids[self._selected]

    @property
    def columns(self) -> int:
        """Crops in a row."""
        return max(1, (self.viewport().width() - GAP) // CELL)

    def sizeHint(self) -> QSize:
        """Return room for a few rows."""
        return QSize(4 * CELL + 3 * GAP, 5 * CELL)

    def show_ids(self, ids: NDArray[np.int64]) -> None:
        """Show nuclei in this order; what is selected and still there stays selected, and the place is kept."""
        selected = self.selected
        current = int(self.ids[self.current]) if self.current < len(self.ids) else 0
        self.ids, self._selected = ids, np.isin(ids, selected)
        at = np.flatnonzero(ids == current)
        self.current = int(at[0]) if len(at) else min(self.current, max(len(ids) - 1, 0))
        self._anchor = self.current
        self._fit()
        self.viewport().update()

    def select(self, ids: NDArray[np.int64]) -> None:
        """Select these and nothing else, without telling anybody; the first comes into view."""
        self._selected = np.isin(self.ids, ids)
        rows = np.flatnonzero(self._selected)
        if len(rows):
            self.current = self._anchor = int(rows[0])
            self._scroll_to(self.current)
        self.viewport().update()

    def on_screen(self) -> NDArray[np.int64]:
        """Ids that are painted now."""
        first, last = self._rows_on_screen()
        return self.ids[first:last]

    def cell(self, row: int) -> QRect:
        """Return where the crop at a position stands in the viewport."""
        line, column = divmod(row, self.columns)
        top = GAP + line * CELL - self.verticalScrollBar().value()
        return QRect(GAP + column * CELL, top, CROP_PIXELS, CROP_PIXELS)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the crops on screen, each with the colour of its class below it."""
        first, last = self._rows_on_screen()
        ids = self.ids[first:last]
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        crops, colours = self._crops(ids), self._colours(ids)
        empty = self.palette().mid().color()
        for k, one in enumerate(ids.tolist()):
            cell = self.cell(first + k)
            crop = crops.get(one)
            if crop is None:
                painter.fillRect(cell, empty)
            else:
                painter.drawImage(cell, crop)
            painter.fillRect(cell.left(), cell.bottom() - RIM, cell.width(), RIM + 1, QColor(colours[k]))
            if self._selected[first + k]:
                painter.setPen(QPen(QColor(_SELECTED), RIM))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(cell.adjusted(1, 1, -1, -1))
            if first + k == self.current and self.hasFocus():
                painter.setPen(QPen(QColor("white"), 1, Qt.PenStyle.DotLine))
                painter.drawRect(cell.adjusted(4, 4, -5, -5))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select as in a list of files."""
        row = self._row_at(event.position().toPoint())
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if row is None:
            self._set_selection(np.zeros(len(self.ids), bool))
            return
        self._choose(row, event.modifiers())
        if not event.modifiers():
            self.clicked.emit(int(self.ids[row]))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Take a second quick click for a click."""
        self.mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move with the arrows; everything else is the dock's affair."""
        steps = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Up: -self.columns,
            Qt.Key.Key_Down: self.columns,
            Qt.Key.Key_PageUp: -self.columns * self._lines_on_screen(),
            Qt.Key.Key_PageDown: self.columns * self._lines_on_screen(),
            Qt.Key.Key_Home: -len(self.ids),
            Qt.Key.Key_End: len(self.ids),
        }
        step = steps.get(Qt.Key(event.key()))
        if step is not None and len(self.ids):
            row = int(np.clip(self.current + step, 0, len(self.ids) - 1))
            self._choose(row, event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._scroll_to(row)
        elif event.key() == Qt.Key.Key_A and event.modifiers() == Qt.KeyboardModifier.ControlModifier:
            self._set_selection(np.ones(len(self.ids), bool))
        else:
            event.ignore()
            self.key_pressed.emit(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the columns, and keep the crop that was on top there."""
        self._fit()

    def _choose(self, row: int, modifiers: Qt.KeyboardModifier) -> None:
        selected = np.zeros(len(self.ids), bool)
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            low, high = sorted((self._anchor, row))
            selected[low : high + 1] = True
        elif modifiers & Qt.KeyboardModifier.ControlModifier:
            selected = self._selected.copy()
            selected[row] = not selected[row]
            self._anchor = row
        else:
            selected[row] = True
            self._anchor = row
        self.current = row
        self._set_selection(selected)

    def _set_selection(self, selected: NDArray[np.bool_]) -> None:
        self._selected = selected
        self.viewport().update()
        self.selection_changed.emit()

    def _row_at(self, point: object) -> int | None:
        first, last = self._rows_on_screen()
        return next((row for row in range(first, last) if self.cell(row).contains(point)), None)

    def _lines_on_screen(self) -> int:
        return max(1, self.viewport().height() // CELL)

    def _rows_on_screen(self) -> tuple[int, int]:
        top = self.verticalScrollBar().value()
        first = max(0, top // CELL) * self.columns
        lines = self.viewport().height() // CELL + 2
        return min(first, len(self.ids)), min(first + lines * self.columns, len(self.ids))

    def _scroll_to(self, row: int) -> None:
        line, bar = row // self.columns, self.verticalScrollBar()
        low, high = GAP + (line + 1) * CELL - self.viewport().height(), line * CELL
        bar.setValue(int(np.clip(bar.value(), low, high)))

    def _fit(self) -> None:
        lines = -(-len(self.ids) // self.columns)
        bar = self.verticalScrollBar()
        bar.setPageStep(self.viewport().height())
        bar.setRange(0, max(0, lines * CELL + GAP - self.viewport().height()))

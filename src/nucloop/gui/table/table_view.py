"""The rows of nuclei: selected like those of any list, and a number key gives their nuclei a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QItemSelection, QItemSelectionModel, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from nucloop.gui.table.figure_model import COLUMNS, FigureModel

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtGui import QKeyEvent

__all__ = ["TableView"]

ROW_PIXELS = 22
_PLAIN_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home, Qt.Key.Key_End)


class TableView(QTableView):
    """Shows a FigureModel."""

    selection_made = Signal(object)
    """Ids of the nuclei whose rows a person has selected, (K,)."""
    key_pressed = Signal(object)
    """A QKeyEvent that is none of a list's own; whoever acts on it accepts it."""

    def __init__(self, model: FigureModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.figures = model
        self._told = False
        self.setModel(model)
        self.setObjectName("NucloopRows")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setWordWrap(False)
        rows = self.verticalHeader()
        rows.setVisible(False)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(ROW_PIXELS)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsMovable(True)
        metrics = self.fontMetrics()
        for k, name in enumerate(COLUMNS):
            words = model.headerData(k, Qt.Orientation.Horizontal)
            least = 130 if name in ("class", "region") else 60
            self.setColumnWidth(k, max(metrics.horizontalAdvance(words) + 26, least))
        header.setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        model.modelReset.connect(self.show_measured)

    @property
    def selected(self) -> NDArray[np.int64]:
        """Ids of the nuclei whose rows are selected, in the order of the rows."""
        ranges = self.selectionModel().selection()
        rows = [np.arange(one.top(), one.bottom() + 1) for one in ranges]
        return self.figures.ids[np.unique(np.concatenate(rows))] if rows else self.figures.ids[:0]

    def select(self, ids: NDArray[np.int64], *, lead: bool = True) -> None:
        """Select the rows of nuclei, and show the first of them; tells nobody."""
        rows = self.figures.rows_of(ids)
        chosen = QItemSelection()
        # neighbouring rows are one range
        ends = np.flatnonzero(np.diff(rows) != 1) + 1
        for part in np.split(rows, ends) if len(rows) else ():
            first, last = self.figures.index(int(part[0]), 0), self.figures.index(int(part[-1]), len(COLUMNS) - 1)
            chosen.select(first, last)
        self._told = True
        try:
            self.selectionModel().select(chosen, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            if len(rows) and lead:
                at = self.figures.index(int(rows[0]), max(self.columnAt(0), 0))
                self.selectionModel().setCurrentIndex(at, QItemSelectionModel.SelectionFlag.NoUpdate)
                self.scrollTo(at)
        finally:
            self._told = False

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        """Tell what a person has selected."""
        super().selectionChanged(selected, deselected)
        if not self._told:
            self.selection_made.emit(self.selected)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move among the rows, or give the selected nuclei a class."""
        if event.key() in _PLAIN_KEYS or event.matches(QKeySequence.StandardKey.SelectAll):
            super().keyPressEvent(event)
            return
        event.ignore()
        self.key_pressed.emit(event)

    def show_measured(self) -> None:
        """Hide figures that were not measured, and regions where none is drawn."""
        filled = set(self.figures.filled)
        for k, name in enumerate(COLUMNS):
            if self.isColumnHidden(k) == (name in filled):
                self.setColumnHidden(k, name not in filled)

"""The table of nuclei as Qt shows it: nothing is copied, so a hundred thousand rows cost what those on screen do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor, QFont

from nucloop.gui.canvas.colouring import NO_CLASS_COLOUR
from nucloop.measurements.stains import STAIN_FIGURES
from nucloop.measurements.table import FIGURES, FigureTable

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme

__all__ = ["COLUMNS", "FigureModel"]

COLUMNS = ("id", "class", "region", *FIGURES)
NO_CLASS = "no class"
_NONE = QModelIndex()


class FigureModel(QAbstractTableModel):
    """Rows are nuclei, in an order and through a filter of its own.

    Attributes
    ----------
    ids : (N,) int64
        The nuclei shown, in the order of their rows. It stays when figures change, so that no row slips away under a
        person's hand; `refresh` sorts and filters again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.table = FigureTable()
        self._scheme: ClassScheme | None = None
        self.ids: NDArray[np.int64] = np.zeros(0, np.int64)
        self._rows = self.ids
        self.by, self.descending = "id", False
        self.labels: Collection[int] | None = None
        """Classes that are shown; None is all."""
        self.range: tuple[str, float, float] | None = None
        """A figure, and between which ends, included, it must lie; None lets all through."""

    def show_table(self, table: FigureTable, scheme: ClassScheme | None) -> None:
        """Show a table, sorted and filtered."""
        self.table, self._scheme = table, scheme
        self.refresh()

    def refresh(self) -> None:
        """Sort and filter again."""
        self.beginResetModel()
        chosen = self.table.chosen(self.labels, *(self.range or ()))
        by = None if self.by == "id" else self.by
        self._rows = self.table.ordered(chosen, by, descending=self.descending)
        self.ids = self.table.ids[self._rows]
        self.endResetModel()

    def show_figures(self) -> None:
        """Show what the rows say now, where they stand."""
        if len(self.ids):
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.ids) - 1, len(COLUMNS) - 1))

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return the rows in which nuclei stand, ascending; those that are not shown are left out."""
        return np.flatnonzero(np.isin(self.ids, ids))

    @property
    def filled(self) -> list[str]:
        """The columns in which something stands."""
        names = ["id", "class", "region"] if (self.table.region != "").any() else ["id", "class"]
        return names + self._measured

    @property
    def _measured(self) -> list[str]:
        stains = any(np.isfinite(self.table.columns[name]).any() for name in STAIN_FIGURES)
        return [name for name in FIGURES if stains or name not in STAIN_FIGURES]

    def rowCount(self, parent: QModelIndex = _NONE) -> int:
        """Return how many nuclei are shown."""
        return 0 if parent.isValid() else len(self.ids)

    def columnCount(self, parent: QModelIndex = _NONE) -> int:
        """Return how many columns there are, those that are hidden too."""
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell says, and how."""
        row, name = self._rows[index.row()], COLUMNS[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, name)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(name)
        if role == Qt.ItemDataRole.DecorationRole and name == "class":
            label = int(self.table.label[row])
            return QColor(NO_CLASS_COLOUR if label < 0 or self._scheme is None else self._scheme.colors[label])
        if self.table.stale[row]:
            if role == Qt.ItemDataRole.FontRole:
                font = QFont()
                font.setItalic(True)
                return font
            if role == Qt.ItemDataRole.ToolTipRole:
                return "Changed since it was measured"
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what stands above a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        name = COLUMNS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(name)
        if role == Qt.ItemDataRole.DisplayRole:
            return title_of(name)
        if role == Qt.ItemDataRole.ToolTipRole and name in FIGURES:
            return FIGURES[name].words
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column."""
        by, descending = COLUMNS[column], order == Qt.SortOrder.DescendingOrder
        if (by, descending) != (self.by, self.descending):
            self.by, self.descending = by, descending
            self.refresh()

    def _text(self, row: int, name: str) -> str:
        if name == "id":
            return str(self.table.ids[row])
        if name == "class":
            label = int(self.table.label[row])
            return NO_CLASS if label < 0 or self._scheme is None else self._scheme.names[label]
        if name == "region":
            return str(self.table.region[row])
        value = self.table.columns[name][row]
        return f"{value:.{FIGURES[name].decimals}f}" if np.isfinite(value) else ""


def _side(name: str) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignLeft if name in ("class", "region") else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter


def title_of(name: str) -> str:
    """Return what a person reads above a column, or in a list of figures."""
    if name not in FIGURES:
        return {"id": "Nucleus", "class": "Class", "region": "Region"}[name]
    figure = FIGURES[name]
    return f"{figure.title}, {figure.unit}" if figure.unit else figure.title

"""The indices of the Ki-67 dock: each region, all of them, their average and the hot spot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from nucloop.ki67.words import percent

if TYPE_CHECKING:
    from nucloop.ki67 import Ki67Result
    from nucloop.ki67.index import Index

__all__ = ["HOT_SPOT", "Ki67Table", "ki67_rows"]

HOT_SPOT = "hot spot"
_HEADS = ("", "Index", "Wilson", "Pos.", "All")
_ROW = 24


class Ki67Table(QTableWidget):
    """Shows what it is told; a click asks to be led to a row's place."""

    asked = Signal(str)
    """The name of a region, or `HOT_SPOT`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_HEADS), parent)
        self.setObjectName("NucloopTable")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setShowGrid(False)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(_ROW)
        header = self.horizontalHeader()
        header.setMinimumSectionSize(20)
        for k, name in enumerate(_HEADS):
            item = QTableWidgetItem(name)
            right = Qt.AlignmentFlag.AlignRight if k else Qt.AlignmentFlag.AlignLeft
            item.setTextAlignment(right | Qt.AlignmentFlag.AlignVCenter)
            self.setHorizontalHeaderItem(k, item)
            mode = QHeaderView.ResizeMode.ResizeToContents if k else QHeaderView.ResizeMode.Stretch
            header.setSectionResizeMode(k, mode)
        self.cellClicked.connect(lambda row, _: self.asked.emit(self.item(row, 0).text()))

    def show_result(self, result: Ki67Result | None) -> None:
        """Show the indices of a measurement."""
        rows = [] if result is None else ki67_rows(result)
        self.setRowCount(len(rows))
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                item = self.item(row, column)
                if item is None:
                    item = QTableWidgetItem()
                    right = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
                    item.setTextAlignment(right | Qt.AlignmentFlag.AlignVCenter)
                    self.setItem(row, column, item)
                item.setText(text)
        self.setVisible(bool(rows))
        self.setFixedHeight(self.horizontalHeader().height() + _ROW * len(rows) + 4)

    def words(self) -> dict[str, list[str]]:
        """Return the texts of all rows by their names."""
        rows = [[self.item(row, column).text() for column in range(len(_HEADS))] for row in range(self.rowCount())]
        return {row[0]: row[1:] for row in rows}


def ki67_rows(result: Ki67Result) -> list[list[str]]:
    """Return the rows of the table as texts."""
    ki67 = result.ki67
    regions = [] if len(ki67.regions) == 1 and ki67.regions[0].name == "slide" else list(ki67.regions)
    rows = [_row(region.name, region) for region in regions]
    rows.append(_row("all regions" if regions else "slide", ki67.slide))
    if ki67.average is not None and len(regions) > 1:
        rows.append(["average", percent(ki67.average), "", "", ""])
    if ki67.hot_spot is not None:
        rows.append(_row(HOT_SPOT, ki67.hot_spot.index))
    return rows


def _row(name: str, index: Index) -> list[str]:
    low, high = index.wilson
    ends = f"{100 * low:.1f}–{100 * high:.1f}" if index.total else ""
    return [name, percent(index.value), ends, f"{index.positive:,}", f"{index.total:,}"]

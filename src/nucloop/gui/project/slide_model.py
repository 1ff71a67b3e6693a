"""The slides of a project as Qt shows them: in an order and through a filter of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QFont

from nucloop.gui.project.slide_columns import Column, columns_of, searched
from nucloop.gui.widgets.fitted_words import breakable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtGui import QPixmap

    from nucloop.cohort.overview import Overview, Stage
    from nucloop.gui.project.thumbnails import Thumbnails

__all__ = ["OVERVIEW", "SlideModel"]

OVERVIEW = Qt.ItemDataRole.UserRole
"""The role under which a row gives the whole Overview."""
_NONE = QModelIndex()
_LONGEST_WORD = 40
"""Letters in a tooltip without a place to break."""


class SlideModel(QAbstractTableModel):
    """Rows are slides.

    Parameters
    ----------
    thumbnails : Thumbnails
        Asked for the pictures of rows that are painted, and of no others.

    Attributes
    ----------
    shown : list of Overview
        In the order of the rows. It stays when a slide changes, so that no row slips away under a person's hand;
        `refresh` sorts and filters again.
    """

    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__()
        self._thumbnails = thumbnails
        self.slides: dict[str, Overview] = {}
        """All of them by id, in the project's order."""
        self.columns: list[Column] = columns_of([])
        self.shown: list[Overview] = []
        self._rows: dict[str, int] = {}
        self.current = ""
        """Id of the slide that is on screen."""
        self.by, self.descending = "", False
        self.words, self.stage, self.tag = "", "", ""
        """Which rows are shown; empty lets all through."""
        thumbnails.arrived.connect(self._pictures_came)

    def show_slides(self, slides: Iterable[Overview]) -> None:
        """Show other slides, sorted and filtered."""
        self.slides = {one.entry.id: one for one in slides}
        self.refresh()

    def update(self, slides: Iterable[Overview]) -> None:
        """Show what is known now of slides that stand there, where they stand."""
        known = [one for one in slides if one.entry.id in self.slides]
        self.slides |= {one.entry.id: one for one in known}
        rows = [self._rows[one.entry.id] for one in known if one.entry.id in self._rows]
        for row in rows:
            self.shown[row] = self.slides[self.shown[row].entry.id]
        # a column comes with the first slide that has something in it
        if {one.name for one in columns_of(known)} - {one.name for one in self.columns}:
            self.beginResetModel()
            self.columns = columns_of(list(self.slides.values()))
            self.endResetModel()
        elif rows:
            self.dataChanged.emit(self.index(min(rows), 0), self.index(max(rows), len(self.columns) - 1))

    def refresh(self) -> None:
        """Sort and filter again."""
        self.beginResetModel()
        slides = list(self.slides.values())
        self.columns = columns_of(slides)
        chosen = [one for one in slides if self._is_chosen(one)]
        column = next((one for one in self.columns if one.name == self.by), None)
        self.shown = chosen if column is None else column.in_order(chosen, descending=self.descending)
        self._rows = {one.entry.id: row for row, one in enumerate(self.shown)}
        self.endResetModel()

    def filter(self, words: str, stage: Stage | str, tag: str) -> None:
        """Show only slides that have all of some words, a state and a tag; empty ones let all through."""
        if (words, stage, tag) != (self.words, self.stage, self.tag):
            self.words, self.stage, self.tag = words, stage, tag
            self.refresh()

    def show_current(self, slide: str) -> None:
        """Mark the slide that is on screen; empty for none."""
        before, self.current = self.current, slide
        for row in (self.row_of(before), self.row_of(slide)):
            if row is not None:
                self.dataChanged.emit(self.index(row, 0), self.index(row, len(self.columns) - 1))

    def row_of(self, slide: str) -> int | None:
        """Return the row of a slide; None where it is not shown."""
        return self._rows.get(slide)

    @property
    def tags(self) -> list[str]:
        """All tags that slides have."""
        return sorted({tag for one in self.slides.values() for tag in one.mark.tags}, key=str.casefold)

    def rowCount(self, parent: QModelIndex = _NONE) -> int:
        """Return how many slides are shown."""
        return 0 if parent.isValid() else len(self.shown)

    def columnCount(self, parent: QModelIndex = _NONE) -> int:
        """Return how many columns there are, those that are hidden too."""
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell says, and how."""
        one, column = self.shown[index.row()], self.columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(one)
        if role == OVERVIEW:
            return one
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(column)
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0:
            return self._picture(one)
        if role == Qt.ItemDataRole.ToolTipRole:
            words = f"{one.entry.path}\n{one.sentence}".strip() if index.column() == 0 else column.text(one)
            return breakable(words, _LONGEST_WORD)
        if role == Qt.ItemDataRole.FontRole and one.entry.id == self.current:
            font = QFont()
            font.setBold(True)
            return font
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what stands above a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        return _side(self.columns[section]) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1 is the order of the project's list."""
        by = self.columns[column].name if 0 <= column < len(self.columns) else ""
        descending = order == Qt.SortOrder.DescendingOrder
        if (by, descending) != (self.by, self.descending):
            self.by, self.descending = by, descending
            self.refresh()

    def _is_chosen(self, one: Overview) -> bool:
        if (self.stage and one.stage != self.stage) or (self.tag and self.tag not in one.mark.tags):
            return False
        text = searched(one) if self.words else ""
        return all(word in text for word in self.words.casefold().split())

    def _picture(self, one: Overview) -> QPixmap | None:
        return self._thumbnails.of(one)

    def _pictures_came(self, slides: list[str]) -> None:
        rows = [self._rows[one] for one in slides if one in self._rows]
        if rows:
            self.dataChanged.emit(self.index(min(rows), 0), self.index(max(rows), 0), [Qt.ItemDataRole.DecorationRole])


def _side(column: Column) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignLeft if column.digits is None else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter

"""The list of slides: picture and name, with the state below it where there is no room for columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPalette, QPen
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTableView

from nucloop.cohort.overview import Stage
from nucloop.gui.project.slide_model import OVERVIEW, SlideModel
from nucloop.gui.project.thumbnails import SIDE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtGui import QKeyEvent, QPainter
    from qtpy.QtWidgets import QWidget

__all__ = ["STAGE_COLOURS", "SlideView"]

ROW_PIXELS = 48
_DOT, _GAP = 8, 8
_NAME_PIXELS, _LEAST_NAME = 220, 120
STAGE_COLOURS = {
    Stage.NOT_STARTED: "#8a8f98",
    Stage.FAILED: "#e8684a",
    Stage.STALE: "#e69f00",
    Stage.DETECTED: "#5b8def",
    Stage.IN_REVIEW: "#b07cd8",
    Stage.DONE: "#2fa57f",
}
_NARROW = ("slide", "nuclei")
"""Columns that are shown where there is no room for all."""


class SlideView(QTableView):
    """Shows a SlideModel."""

    opened = Signal(str)
    """Id of a slide that a person wants to see."""
    selection_changed = Signal()

    def __init__(self, model: SlideModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slides = model
        self._told = False
        self._wide = True
        self._names: list[str] = []
        self._chosen: list[str] = []
        self.setModel(model)
        self.setObjectName("NucloopRows")
        self.setItemDelegate(_SlideDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setAccessibleName("Slides of the project")
        rows = self.verticalHeader()
        rows.setVisible(False)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(max(ROW_PIXELS, 2 * self.fontMetrics().height() + 8))
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self.doubleClicked.connect(lambda index: self.opened.emit(index.data(OVERVIEW).entry.id))
        model.modelAboutToBeReset.connect(self._before_reset)
        model.modelReset.connect(self._after_reset)

    @property
    def wide(self) -> bool:
        """Whether the state has a column of its own."""
        return self._wide

    def lay_out(self, wide: bool) -> None:
        """Show all columns, or the name with the state below it and how many nuclei there are."""
        if wide != self._wide:
            self._wide = wide
            self._names = []
            self._show_columns()

    def sort_by(self, column: int, order: Qt.SortOrder) -> None:
        """Sort by a column, shown or not; -1 is the order of the project's list."""
        self.horizontalHeader().setSortIndicator(column, order)
        self.slides.sort(column, order)

    @property
    def selected(self) -> list[str]:
        """Ids of the selected slides, in the order of the rows."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [self.slides.shown[row].entry.id for row in rows]

    def select(self, slides: Iterable[str], *, lead: bool = True) -> None:
        """Select slides, and show the first of them."""
        rows = sorted(row for row in map(self.slides.row_of, slides) if row is not None)
        chosen = QItemSelection()
        for row in rows:
            chosen.select(self.slides.index(row, 0), self.slides.index(row, self.slides.columnCount() - 1))
        self.selectionModel().select(chosen, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if rows and lead:
            at = self.slides.index(rows[0], 0)
            self.selectionModel().setCurrentIndex(at, QItemSelectionModel.SelectionFlag.NoUpdate)
            self.scrollTo(at)

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        """Tell what a person has selected."""
        super().selectionChanged(selected, deselected)
        if not self._told:
            self.selection_changed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open the slide under the cursor with Enter, and move about as in any list."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.opened.emit(self.currentIndex().data(OVERVIEW).entry.id)
            event.accept()
            return
        super().keyPressEvent(event)

    def _before_reset(self) -> None:
        self._chosen, self._told = self.selected, True

    def _after_reset(self) -> None:
        self._show_columns()
        place = self.verticalScrollBar().value()
        self.select(self._chosen, lead=False)
        self.verticalScrollBar().setValue(place)
        self._told = False
        self.selection_changed.emit()

    def _show_columns(self) -> None:
        """Give columns their widths, once for each kind of list: from then on they are the person's."""
        names = [one.name for one in self.slides.columns]
        if names == self._names:
            return
        self._names = names
        header, metrics = self.horizontalHeader(), self.fontMetrics()
        for k, column in enumerate(self.slides.columns):
            self.setColumnHidden(k, not self._wide and column.name not in _NARROW)
            header.setSectionResizeMode(k, QHeaderView.ResizeMode.Interactive)
            words = metrics.horizontalAdvance(column.title) + 28
            least = {"slide": _NAME_PIXELS, "stage": 100, "remarks": 260}.get(column.name, 64)
            self.setColumnWidth(k, max(words, least))
        if not self._wide:
            header.setMinimumSectionSize(40)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)


class _SlideDelegate(QStyledItemDelegate):
    """Draws the first column; the others are as any table's."""

    def __init__(self, view: SlideView) -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Return the room of a row."""
        return QSize(_LEAST_NAME, ROW_PIXELS)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Draw picture, name, and below it what else is known."""
        if index.column():
            super().paint(painter, option, index)
            return
        option = QStyleOptionViewItem(option)
        self.initStyleOption(option, index)
        one, picture, words = index.data(OVERVIEW), index.data(Qt.ItemDataRole.DecorationRole), option.text
        option.text, option.features = "", option.features & ~QStyleOptionViewItem.ViewItemFeature.HasDecoration
        self._view.style().drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, self._view)
        painter.save()
        painter.setFont(option.font)
        room = option.rect.adjusted(4, 0, -4, 0)
        frame = QRect(room.left(), room.center().y() - SIDE // 2, SIDE, SIDE)
        if picture is not None:
            size = picture.size() / picture.devicePixelRatio()
            corner = frame.center() - QRect(0, 0, round(size.width()), round(size.height())).center()
            painter.drawPixmap(corner, picture)
        text = room.adjusted(SIDE + _GAP, 0, 0, 0)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        role = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        painter.setPen(QPen(option.palette.color(role)))
        height = option.fontMetrics.height()
        upper = QRect(text.left(), text.center().y() - height, text.width(), height)
        lower = QRect(text.left(), text.center().y() + 2, text.width(), height)
        name = option.fontMetrics.elidedText(words, Qt.TextElideMode.ElideMiddle, upper.width())
        painter.drawText(upper, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), name)
        painter.setBrush(QColor(STAGE_COLOURS[one.stage]))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(lower.left(), lower.center().y() - _DOT // 2, _DOT, _DOT)
        dim = option.palette.color(role)
        dim.setAlphaF(0.75)
        painter.setPen(QPen(dim))
        painter.setFont(self._view.font())
        lower.adjust(_DOT + 6, 0, 0, 0)
        told = " · ".join(part for part in (one.stage.value, one.by, ", ".join(one.mark.tags)) if part)
        told = option.fontMetrics.elidedText(told, Qt.TextElideMode.ElideRight, lower.width())
        painter.drawText(lower, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), told)
        painter.restore()

"""The menu of the Project dock: what is done rarely, and sorting by columns that have no room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import QActionGroup, QDesktopServices
from qtpy.QtWidgets import QMenu, QWidget

from nucloop.gui.widgets.fitted_words import literally

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtGui import QAction

    from nucloop.gui.project.slide_model import SlideModel

__all__ = ["ProjectMenu"]


class ProjectMenu(QMenu):
    """Filled anew each time it opens.

    Parameters
    ----------
    model : SlideModel
        Which columns there are, and by which the list is sorted.
    """

    new_chosen = Signal()
    open_chosen = Signal()
    look_chosen = Signal()
    table_chosen = Signal()
    sort_chosen = Signal(int, object)
    """A column, -1 for the order of the list, and Qt's order."""

    def __init__(self, model: SlideModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.report: Path | None = None
        """The report of the project, there or not."""
        self.exporting = False
        self.aboutToShow.connect(self._fill)

    def _fill(self) -> None:
        self.clear()
        for words, chosen in (
            ("New project …", self.new_chosen),
            ("Open project …", self.open_chosen),
            ("Look again", self.look_chosen),
        ):
            self.addAction(words).triggered.connect(lambda _=False, chosen=chosen: chosen.emit())
        self._offer_sorting()
        table, report = self.addAction("Export the table …"), self.addAction("Show the report")
        table.setEnabled(bool(self._model.shown) and not self.exporting)
        table.triggered.connect(lambda _=False: self.table_chosen.emit())
        report.setEnabled(self.report is not None and self.report.is_file())
        report.triggered.connect(lambda _=False: QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.report))))

    def _offer_sorting(self) -> None:
        model, menu = self._model, self.addMenu("Sort by")
        group = QActionGroup(menu)
        for column, title in enumerate(("Order of the list", *(one.title for one in model.columns)), -1):
            chosen = (model.columns[column].name if column >= 0 else "") == model.by
            # chosen again: the other way round
            descending = chosen and not model.descending
            action: QAction = menu.addAction(literally(title))
            action.setCheckable(True)
            action.setChecked(chosen)
            group.addAction(action)
            order = Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder
            action.triggered.connect(lambda _=False, column=column, order=order: self.sort_chosen.emit(column, order))

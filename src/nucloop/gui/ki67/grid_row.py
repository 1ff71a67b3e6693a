"""The part of the Ki-67 dock for counting by hand, square by square; only shows and asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QLabel, QPushButton, QWidget

from nucloop.gui.widgets.dock_layout import column_of
from nucloop.ki67.regions import is_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.geometry import Region
    from nucloop.ki67.counting_grid import GridCount

__all__ = ["COUNT_KEY", "ON_SCREEN", "GridRow"]

COUNT_KEY, BACK_KEY = "G", "Shift+G"
ON_SCREEN = "What is on screen"
_GOALS = (500, 1000)
_USUAL_UM = 100


class GridRow(QWidget):
    """Asks over what a grid shall lie, and shows the running count."""

    asked = Signal(str, float)
    """The name of a region, or ON_SCREEN, and the side of a square in µm."""
    goal_chosen = Signal(int)
    removed, counted, back = Signal(), Signal(), Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.place, self.side, self.goal = QComboBox(), QDoubleSpinBox(), QComboBox()
        self.place.setAccessibleName("Where the grid lies")
        self.side.setRange(5, 2000)
        self.side.setDecimals(0)
        self.side.setSingleStep(10)
        self.side.setValue(_USUAL_UM)
        self.side.setSuffix(" µm")
        self.side.setAccessibleName("Side of a square")
        self.side.setToolTip("Side of a square of the grid")
        for goal in _GOALS:
            self.goal.addItem(f"to {goal:,}", goal)
        self.goal.setAccessibleName("How many nuclei to count")
        self.lay, self.remove = QPushButton("Lay grid"), QPushButton("Remove")
        self.lay.setToolTip("Squares over what is chosen above, to count one after the other")
        self.remove.setToolTip("Takes the grid away; nuclei stay as they are")
        self.count, self.undo = QPushButton("Counted, next"), QPushButton("Back")
        self.count.setToolTip(f"The framed square is done: its nuclei count, and the next one is framed ({COUNT_KEY})")
        self.undo.setToolTip(f"The last square is not counted after all ({BACK_KEY})")
        self.sum, self.more = QLabel(), QLabel()
        self.sum.setObjectName("NucloopHeading")
        self.more.setObjectName("NucloopDim")
        self.more.setWordWrap(True)
        self._begun = QWidget()
        begun = column_of(self._begun, spacing=4)
        begun.addWidget(self.sum)
        begun.addWidget(self.more)
        begun.addLayout(_beside(self.undo, self.count))
        column = column_of(self, spacing=6)
        column.addWidget(self.place)
        column.addLayout(_beside(self.side, self.goal))
        column.addLayout(_beside(self.lay, self.remove))
        column.addWidget(self._begun)
        self.lay.clicked.connect(lambda: self.asked.emit(self.place.currentText(), self.side.value()))
        self.remove.clicked.connect(self.removed)
        self.count.clicked.connect(self.counted)
        self.undo.clicked.connect(self.back)
        self.goal.activated.connect(lambda _: self.goal_chosen.emit(int(self.goal.currentData())))
        self.show_regions({})
        self.show_count(None, done=False)

    def show_regions(self, regions: Mapping[str, Region]) -> None:
        """Offer regions, by name, to lay a grid over; fields, which are there to count in, come first."""
        names = [*sorted(regions, key=lambda name: not is_field(regions[name])), ON_SCREEN]
        if names != [self.place.itemText(k) for k in range(self.place.count())]:
            before = self.place.currentText()
            self.place.clear()
            self.place.addItems(names)
            self.place.setCurrentIndex(names.index(before) if before in names[:-1] else 0)

    def show_count(self, count: GridCount | None, *, done: bool) -> None:
        """Show what is counted; None while there is no grid."""
        self._begun.setVisible(count is not None)
        self.remove.setEnabled(count is not None)
        if count is None:
            return
        if count.goal in _GOALS:
            self.goal.setCurrentIndex(_GOALS.index(count.goal))
        first, *others = count.words()
        self.sum.setText(first)
        self.more.setText("\n".join(others))
        self.count.setEnabled(not done)
        self.undo.setEnabled(count.squares > 0)


def _beside(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(6)
    for widget in widgets:
        widget.setMinimumWidth(60)
        if isinstance(widget, QPushButton):
            widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        row.addWidget(widget, 1)
    return row

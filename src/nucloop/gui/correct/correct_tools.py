"""The tools of correcting: point, brush and lasso, the brush's size and the lock."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledSlider

from nucloop.gui.correct.pointer import Tool

__all__ = ["CorrectTools"]

_TIPS = {
    Tool.POINT: "Click selects a nucleus, Shift adds to the selection, a drag moves it; beside nuclei a drag pans",
    Tool.BRUSH: "Sweep over nuclei to give them the current class",
    Tool.LASSO: "Draw around nuclei to give them the current class",
    Tool.OUTLINE: "Draw around one nucleus: that is its outline from then on. Where none is, it is added",
    Tool.SPLIT: "Draw a line across a nucleus to make two of it",
}
_TOOLS_IN_A_ROW = 3
_SMALLEST, _LARGEST = 2, 150


class CorrectTools(QWidget):
    """Only asks and shows."""

    tool_chosen = Signal(object)
    """A Tool."""
    radius_chosen = Signal(int)
    """Of the brush, µm."""
    lock_chosen = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(self._tool_row())
        layout.addWidget(self._radius_row())
        self.lock = QCheckBox("Lock what people said")
        self.lock.setToolTip(
            "Brush and lasso leave nuclei alone about which a person has spoken. "
            "A number key pressed on a nucleus, or on a selection, always counts."
        )
        self.lock.toggled.connect(self.lock_chosen)
        layout.addWidget(self.lock)

    def show_tool(self, tool: Tool, radius_um: float, lock: bool) -> None:
        """Show which tool is in use, and how it is set."""
        self.buttons[tool].setChecked(True)
        self._radius.setVisible(tool is Tool.BRUSH)
        for widget, value in ((self.radius, round(radius_um)), (self.lock, lock)):
            widget.blockSignals(True)
            widget.setValue(value) if widget is self.radius else widget.setChecked(value)
            widget.blockSignals(False)

    def _tool_row(self) -> QGridLayout:
        # in one row five have no room in a narrow dock
        row = QGridLayout()
        row.setHorizontalSpacing(0)
        row.setVerticalSpacing(1)
        group = QButtonGroup(self)
        self.buttons: dict[Tool, QToolButton] = {}
        for k, tool in enumerate(Tool):
            button = QToolButton()
            button.setObjectName("NucloopScope")
            button.setText(tool.value)
            button.setToolTip(_TIPS[tool])
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _=False, tool=tool: self.tool_chosen.emit(tool))
            group.addButton(button)
            self.buttons[tool] = button
            row.addWidget(button, *divmod(k, _TOOLS_IN_A_ROW))
        return row

    def _radius_row(self) -> QWidget:
        self._radius = QWidget()
        self.radius = QLabeledSlider(Qt.Orientation.Horizontal)
        self.radius.setRange(_SMALLEST, _LARGEST)
        self.radius.setToolTip("Radius of the brush in µm; the wheel changes it too while the brush is in use")
        self.radius.valueChanged.connect(self.radius_chosen)
        row = QHBoxLayout(self._radius)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("Radius, µm"))
        row.addWidget(self.radius, 1)
        return self._radius

"""The classes to choose from while correcting, each with its key and how many nuclei it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from nucloop.gui.correct.keys import MOST_CLASS_KEYS
from nucloop.gui.layer.legend import Swatch
from nucloop.gui.widgets.dock_layout import discard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtGui import QMouseEvent

    from nucloop.classes import ClassScheme

__all__ = ["ClassPalette"]


class PaletteRow(QFrame):
    """One class; a click chooses it."""

    clicked = Signal()

    def __init__(self, name: str, colour: str, key: str) -> None:
        super().__init__()
        self.setObjectName("NucloopChoice")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(name)
        self.setToolTip(f"Use {name} for brush, lasso and new nuclei. Selected nuclei get it at once.")
        self.key = QLabel(key)
        self.key.setObjectName("NucloopKey")
        self.key.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.key.setFixedWidth(22)
        self.name = QLabel(name)
        self.name.setObjectName("NucloopName")
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.count = QLabel("0")
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 4, 8, 4)
        row.setSpacing(8)
        row.addWidget(self.key)
        row.addWidget(Swatch(colour))
        row.addWidget(self.name, 1)
        row.addWidget(self.count)

    def show_state(self, count: int, current: bool) -> None:
        """Show how many nuclei have the class, and whether it is the current one."""
        self.count.setText(f"{count:,}")
        if self.property("current") != current:
            self.setProperty("current", current)
            for widget in (self, self.key, self.name, self.count):
                widget.style().unpolish(widget)
                widget.style().polish(widget)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the class."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()


class ClassPalette(QWidget):
    """Rows for the classes of a scheme; shows what it is told."""

    chosen = Signal(int)
    """A label."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scheme: ClassScheme | None = None
        self.rows: list[PaletteRow] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(1)

    def show_classes(self, scheme: ClassScheme, counts: Mapping[int, int], current: int) -> None:
        """Show the classes, their counts and which one is current."""
        if scheme != self._scheme:
            self._build(scheme)
        for label, row in enumerate(self.rows):
            row.show_state(counts[label], label == current)

    def _build(self, scheme: ClassScheme) -> None:
        for old in self.rows:
            discard(old)
        self._scheme, self.rows = scheme, []
        for label, one in enumerate(scheme.classes):
            row = PaletteRow(one.name, one.color, str(label + 1) if label < MOST_CLASS_KEYS else "")
            row.clicked.connect(lambda label=label: self.chosen.emit(label))
            self._layout.addWidget(row)
            self.rows.append(row)

"""The heads that a session has: which is in use, what each was taught by; use, compare, share and take in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from nucloop.gui.widgets.dock_layout import discard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QMouseEvent

    from nucloop.learning.session_heads import Version

__all__ = ["HeadList"]

MOST_SHOWN = 30
SHIPPED = 0
"""Number under which the head that ships is listed."""
METHOD_WORDS = {"linear": "linear", "lora": "LoRA", "full": "all weights", "imported": "imported"}


class HeadRow(QFrame):
    """One head; a click chooses it."""

    clicked = Signal(int)

    def __init__(self, number: int, title: str, about: str) -> None:
        super().__init__()
        self.number = number
        self.setObjectName("NucloopChoice")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(title)
        self.title, self.use, self.about = QLabel(title), QLabel(), QLabel(about)
        self.title.setObjectName("NucloopName")
        self.use.setObjectName("NucloopDim")
        self.about.setObjectName("NucloopDim")
        self.about.setWordWrap(True)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        upper = QHBoxLayout()
        upper.addWidget(self.title, 1)
        upper.addWidget(self.use)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 4, 8, 5)
        column.setSpacing(1)
        column.addLayout(upper)
        column.addWidget(self.about)

    def show_state(self, *, in_use: bool, chosen: bool) -> None:
        """Show whether it is in use, and whether it is the chosen one."""
        self.use.setText("in use" if in_use else "")
        if self.property("current") != chosen:
            self.setProperty("current", chosen)
            for widget in (self, self.title):
                widget.style().unpolish(widget)
                widget.style().polish(widget)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the head."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(self.number)


class HeadList(QWidget):
    """Shows what it is told; what happens is the dock's affair."""

    use_clicked = Signal(object)
    """A Version, None for the head that ships. So for the next two."""
    compare_clicked = Signal(object)
    export_clicked = Signal(object)
    import_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._versions: dict[int, Version | None] = {}
        self._current = self._chosen = SHIPPED
        self.rows: list[HeadRow] = []
        heading = QLabel("Versions")
        heading.setObjectName("NucloopHeading")
        self._list = QVBoxLayout()
        self._list.setSpacing(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(heading)
        layout.addLayout(self._list)
        layout.addLayout(self._buttons())

    @property
    def chosen(self) -> Version | None:
        """The chosen version; None for the head that ships."""
        return self._versions.get(self._chosen)

    def show_versions(self, versions: Sequence[Version], current: Version | None) -> None:
        """Show the versions, the newest first, and last the head that ships."""
        number = SHIPPED if current is None else current.number
        known = {version.number: version for version in versions[-MOST_SHOWN:]}
        if number != self._current or set(known) != set(self._versions) - {SHIPPED}:
            self._chosen = number
        self._current = number
        if {**known, SHIPPED: None} != self._versions or not self.rows:
            self._versions = {**known, SHIPPED: None}
            self._rebuild()
        self._restate()

    def choose(self, number: int) -> None:
        """Choose a version, as a click does."""
        self._chosen = number
        self._restate()

    def _rebuild(self) -> None:
        for row in self.rows:
            self._list.removeWidget(row)
            discard(row)
        self.rows = []
        for number in sorted(self._versions, reverse=True):
            version = self._versions[number]
            row = _shipped_row() if version is None else _row(version)
            row.clicked.connect(self.choose)
            self._list.addWidget(row)
            self.rows.append(row)

    def _restate(self) -> None:
        for row in self.rows:
            row.show_state(in_use=row.number == self._current, chosen=row.number == self._chosen)
        elsewhere = self._chosen != self._current
        self.use.setEnabled(elsewhere)
        self.compare.setEnabled(elsewhere)
        self.export.setEnabled(self._chosen != SHIPPED)

    def _buttons(self) -> QGridLayout:
        self.use, self.compare = QPushButton("Use this version"), QPushButton("Compare with now")
        self.export, self.take_in = QPushButton("Export …"), QPushButton("Import …")
        self.use.setToolTip(
            "Classify with it all nuclei that nobody has spoken about; one step, which Ctrl+Z takes back"
        )
        self.compare.setToolTip("Say how many nuclei it would give another class than they have now")
        self.export.setToolTip("Write it to a file for others, with a card that says what it was trained on")
        self.take_in.setToolTip("Take a head from a file with its card; it must read the chosen encoder")
        self.use.clicked.connect(lambda: self.use_clicked.emit(self.chosen))
        self.compare.clicked.connect(lambda: self.compare_clicked.emit(self.chosen))
        self.export.clicked.connect(lambda: self.export_clicked.emit(self.chosen))
        self.take_in.clicked.connect(self.import_clicked)
        grid = QGridLayout()
        grid.setSpacing(6)
        for k, button in enumerate((self.use, self.compare, self.export, self.take_in)):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            grid.addWidget(button, k // 2, k % 2)
        return grid


def _row(version: Version) -> HeadRow:
    kind = METHOD_WORDS.get(version.method, version.method)
    encoder = "" if version.encoder == "embedded" else f" on {version.encoder}"
    about = ". ".join(part[:1].upper() + part[1:] for part in (version.taught, version.gain) if part)
    return HeadRow(version.number, f"Version {version.number}  ·  {kind}{encoder}", about)


def _shipped_row() -> HeadRow:
    return HeadRow(SHIPPED, "As it came", "The head that ships with the program, before any learning here.")

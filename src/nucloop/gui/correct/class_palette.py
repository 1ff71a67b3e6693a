"""The classes to choose from while correcting, each with its key and its count of nuclei, and ways to change them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from nucloop.gui.correct.class_menu import ClassMenu
from nucloop.gui.layer.legend import Swatch
from nucloop.gui.widgets.dock_layout import discard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtGui import QContextMenuEvent, QFocusEvent, QMouseEvent

    from nucloop.classes import ClassScheme

__all__ = ["ClassPalette"]

LONGEST_NAME = 80


class NameField(QLineEdit):
    """Where a class's name is written; says once what a person has left there."""

    done = Signal(str)

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.setAccessibleName(name)
        self.setMaxLength(LONGEST_NAME)
        self.setMinimumWidth(40)
        self._open = True
        self.editingFinished.connect(self._finish)

    def _finish(self) -> None:
        if self._open:
            self._open = False
            self.done.emit(" ".join(self.text().split()))

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Be done also where nothing was written; Qt says so of text that has changed only."""
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self._finish()


class PaletteRow(QFrame):
    """One class; a click chooses it, a drag moves it among the others."""

    clicked = Signal()
    menu_asked = Signal(QPoint)
    renamed = Signal(str)
    released = Signal()
    """The keyboard, which a name that was written had."""
    dragged = Signal(int)
    """How far the mouse is below the row's middle, pixels."""
    dropped = Signal()

    def __init__(self, name: str, colour: str) -> None:
        super().__init__()
        self.setObjectName("NucloopChoice")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(name)
        self.setToolTip(
            f"Use {name} for brush, lasso and new nuclei. Selected nuclei get it at once.\n"
            "A drag moves it among the others."
        )
        self.key = QLabel()
        self.key.setObjectName("NucloopKey")
        self.key.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.key.setMinimumWidth(22)
        self.name = QLabel(name)
        self.name.setObjectName("NucloopName")
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.field: NameField | None = None
        self.count = QLabel("0")
        self.more = QPushButton("⋯")
        self.more.setObjectName("NucloopOnly")
        self.more.setToolTip(f"Change {name}: name, colour, key, place; merge or delete it")
        self.more.setAccessibleName(f"Change {name}")
        self.more.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.more.clicked.connect(lambda: self.menu_asked.emit(self.more.mapToGlobal(self.more.rect().bottomLeft())))
        self._pressed: QPoint | None = None
        self._dragging = False
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(6, 4, 2, 4)
        self._row.setSpacing(8)
        self._row.addWidget(self.key)
        self._row.addWidget(Swatch(colour))
        self._row.addWidget(self.name, 1)
        self._row.addWidget(self.count)
        self._row.addWidget(self.more)

    def show_state(self, count: int, current: bool) -> None:
        """Show how many nuclei have the class, and whether it is the current one."""
        self.count.setText(f"{count:,}")
        if self.property("current") != current:
            self.setProperty("current", current)
            for widget in (self, self.key, self.name, self.count):
                widget.style().unpolish(widget)
                widget.style().polish(widget)

    def rename(self) -> None:
        """Let the name be written."""
        if self.field is None:
            self.field = NameField(self.name.text(), f"Name of {self.name.text()}")
            self.field.done.connect(self._named)
            self._row.replaceWidget(self.name, self.field)
            self._row.setStretchFactor(self.field, 1)
            self.name.hide()
            self.field.show()
            self.field.selectAll()
            self.field.setFocus()

    def _named(self, text: str) -> None:
        field, self.field = self.field, None
        if field is None:
            return
        had_keyboard = field.hasFocus()
        self._row.replaceWidget(field, self.name)
        self.name.show()
        discard(field)
        if text:
            self.renamed.emit(text)
        if had_keyboard:
            self.released.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a click or a drag."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed, self._dragging = event.position().toPoint(), False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the row."""
        if self._pressed is None:
            return
        far = abs(event.position().toPoint().y() - self._pressed.y()) >= QApplication.startDragDistance()
        self._dragging |= far
        if self._dragging:
            self.dragged.emit(event.position().toPoint().y() - self.height() // 2)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Choose the class, or leave the row where it was dragged."""
        if event.button() == Qt.MouseButton.LeftButton and self._pressed is not None:
            self._pressed = None
            self.dropped.emit() if self._dragging else self.clicked.emit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Show what can be done to the class."""
        self.menu_asked.emit(event.globalPos())


class ClassPalette(QWidget):
    """Rows for the classes of a scheme; shows what it is told, asks for what a person wants."""

    chosen = Signal(int)
    """A label."""
    added = Signal(str)
    renamed = Signal(int, str)
    moved = Signal(int, int)
    """From which label to which."""
    menu_made = Signal(int, object)
    """A label, and its ClassMenu before it is shown."""
    scheme_asked = Signal()
    released = Signal()
    """The keyboard: a name has been written, or not."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scheme: ClassScheme | None = None
        self.rows: list[PaletteRow] = []
        self.menu: ClassMenu | None = None
        self.new_name: NameField | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(1)
        self._layout = QVBoxLayout()
        self._layout.setSpacing(1)
        self._column.addLayout(self._layout)
        self._column.addLayout(self._buttons())

    def _buttons(self) -> QHBoxLayout:
        self.add = QPushButton("+ Add class")
        self.add.setToolTip("A new class, with a colour that can be told from the others")
        self.scheme = QPushButton("Other classes …")
        self.scheme.setToolTip("Take the classes of a scheme that ships with NucLoop, or of a file; save yours to one")
        row = QHBoxLayout()
        row.setContentsMargins(0, 2, 0, 0)
        for button, signal in ((self.add, self._ask_name), (self.scheme, self.scheme_asked)):
            button.setObjectName("NucloopLink")
            button.clicked.connect(signal)
            row.addWidget(button)
        row.insertStretch(1)
        return row

    def show_classes(self, scheme: ClassScheme, counts: Mapping[int, int], current: int, keys: Sequence[str]) -> None:
        """Show the classes, their counts, the key of each, and which one is current."""
        if scheme != self._scheme:
            self._build(scheme)
        for label, row in enumerate(self.rows):
            row.show_state(counts[label], label == current)
            row.key.setText(keys[label])

    def _build(self, scheme: ClassScheme) -> None:
        for old in self.rows:
            discard(old)
        self._scheme, self.rows = scheme, []
        for label, one in enumerate(scheme.classes):
            row = PaletteRow(one.name, one.color)
            row.clicked.connect(lambda label=label: self.chosen.emit(label))
            row.renamed.connect(lambda name, label=label: self.renamed.emit(label, name))
            row.released.connect(self.released)
            row.menu_asked.connect(lambda place, label=label: self._show_menu(label, place))
            row.dragged.connect(lambda below, row=row: self._drag(row, below))
            row.dropped.connect(lambda row=row, label=label: self.moved.emit(label, self._layout.indexOf(row)))
            self._layout.addWidget(row)
            # a layout shows what it gets a moment later, and a person would see the palette jump
            row.show()
            self.rows.append(row)

    def _drag(self, row: PaletteRow, below: int) -> None:
        """Put a row where the mouse is; nothing is done until it is let go."""
        at, step = self._layout.indexOf(row), row.height() + self._layout.spacing()
        to = min(max(at + round(below / step), 0), len(self.rows) - 1)
        if to != at:
            self._layout.removeWidget(row)
            self._layout.insertWidget(to, row)

    def _show_menu(self, label: int, place: QPoint) -> None:
        if self._scheme is None:
            return
        # what it asks for may be asked in a dialog, and the menu is still there when that is answered
        self.menu = ClassMenu(self._scheme, label, self)
        self.menu.rename.connect(self.rows[label].rename)
        self.menu.move_by.connect(lambda by: self.moved.emit(label, label + by))
        self.menu.aboutToHide.connect(self.menu.deleteLater)
        self.menu_made.emit(label, self.menu)
        self.menu.popup(place)

    def _ask_name(self) -> None:
        if self.new_name is None:
            self.new_name = NameField("", "Name of the new class")
            self.new_name.setPlaceholderText("Name of the new class, then Enter")
            self.new_name.done.connect(self._named)
            self._column.insertWidget(1, self.new_name)
        self.new_name.setFocus()

    def _named(self, text: str) -> None:
        field, self.new_name = self.new_name, None
        if field is None:
            return
        had_keyboard = field.hasFocus()
        discard(field)
        if text:
            self.added.emit(text)
        if had_keyboard:
            self.released.emit()

"""The legend: classes with their colours and counts; a click hides a class, "only" isolates it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QLinearGradient, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from nucloop.gui.canvas.colouring import NO_CLASS_COLOUR, ORIGIN_COLOURS, ORIGIN_NAMES, RAMP, STATE_COLOURS, ColourBy
from nucloop.gui.widgets.dock_layout import discard
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtGui import QKeyEvent, QMouseEvent, QPaintEvent

    from nucloop.classes import ClassScheme

__all__ = ["ColourKey", "Legend", "Swatch", "disc"]


class Swatch(QWidget):
    """A disc in a class's colour, as the nuclei have it; an empty ring while the class is hidden."""

    def __init__(self, colour: str) -> None:
        super().__init__()
        self._colour, self.filled = QColor(colour), True
        self.setFixedSize(16, 16)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the disc."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._colour, 2))
        painter.setBrush(self._colour if self.filled else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(QRectF(3, 3, 10, 10))


def disc(colour: str) -> QIcon:
    """Return a disc in a colour, as nuclei have it."""
    picture = QPixmap(40, 40)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QColor(128, 128, 128))
    painter.setBrush(QColor(colour))
    painter.drawEllipse(6, 6, 28, 28)
    painter.end()
    return QIcon(picture)


class ClassRow(QFrame):
    """One class of the legend."""

    toggled = Signal()
    isolated = Signal()

    def __init__(self, name: str, colour: str) -> None:
        super().__init__()
        self.setObjectName("NucloopRow")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(name)
        self.swatch = Swatch(colour)
        self.name = QLabel(name)
        self.name.setObjectName("NucloopName")
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.count = QLabel("0")
        self.only = QPushButton("only")
        self.only.setObjectName("NucloopOnly")
        self.only.setCheckable(True)
        self.only.setToolTip(f"Show {name} alone; once more shows all classes")
        self.only.clicked.connect(self.isolated)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 2, 2, 2)
        layout.setSpacing(8)
        layout.addWidget(self.swatch)
        self.key = QLabel()
        self.key.setObjectName("NucloopKey")
        layout.addWidget(self.key)
        layout.addWidget(self.name, 1)
        layout.addWidget(self.count)
        layout.addWidget(self.only)
        self.setToolTip(f"Click hides or shows {name}, a double click shows it alone")
        self.show_key("")

    def show_key(self, key: str) -> None:
        """Show the key that gives the class; none is shown where none does."""
        self.key.setText(key)
        self.key.setVisible(bool(key))

    def show_state(self, count: int, hidden: bool, alone: bool) -> None:
        """Show how many nuclei the class has, and whether they are seen."""
        self.count.setText(f"{count:,}")
        self.only.setChecked(alone)
        if self.swatch.filled == hidden:
            self.swatch.filled = not hidden
            self.swatch.update()
            self.setProperty("off", hidden)
            for widget in (self, self.name):
                widget.style().unpolish(widget)
                widget.style().polish(widget)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Hide or show the class."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.toggled.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the class alone."""
        self.isolated.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Do with the keyboard what a click does."""
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return):
            self.toggled.emit()
        else:
            super().keyPressEvent(event)


class Legend(QWidget):
    """Rows for the classes of a scheme. Emits what the person wants hidden; shows what it is told."""

    hidden_changed = Signal(object)
    """The labels to hide, as a frozenset."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scheme: ClassScheme | None = None
        self._hidden: frozenset[int] = frozenset()
        self.rows: dict[int, ClassRow] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(1)

    def show_counts(
        self, scheme: ClassScheme, counts: Mapping[int, int], hidden: frozenset[int], keys: Sequence[str]
    ) -> None:
        """Show how many nuclei each label has, which labels are hidden, and which keys give the classes."""
        if scheme != self._scheme:
            self._build(scheme)
        for row, key in zip(self.rows.values(), keys, strict=False):
            row.show_key(key)
        self._hidden = hidden
        alone = set(self.rows) - hidden
        for label, row in self.rows.items():
            row.show_state(counts[label], label in hidden, bool(hidden) and alone == {label})
        self.rows[UNLABELLED].setVisible(counts[UNLABELLED] > 0)

    def _build(self, scheme: ClassScheme) -> None:
        for old in self.rows.values():
            discard(old)
        self._scheme, self.rows = scheme, {}
        entries = [(k, c.name, c.color) for k, c in enumerate(scheme.classes)]
        for label, name, colour in [*entries, (UNLABELLED, "no class yet", NO_CLASS_COLOUR)]:
            row = ClassRow(name, colour)
            row.toggled.connect(lambda label=label: self._toggle(label))
            row.isolated.connect(lambda label=label: self._isolate(label))
            self._layout.addWidget(row)
            self.rows[label] = row

    def _toggle(self, label: int) -> None:
        self.hidden_changed.emit(self._hidden ^ {label})

    def _isolate(self, label: int) -> None:
        alone = frozenset(self.rows) - {label}
        # the first click of a double click on a class that was alone has hidden it too
        was_alone = self._hidden in (alone, alone | {label})
        self.hidden_changed.emit(frozenset() if was_alone else alone)


class ColourKey(QWidget):
    """Says what the colours mean while they do not mean the class."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._by = ColourBy.CLASS
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setVisible(False)

    def show_key(self, by: ColourBy) -> None:
        """Explain a way of colouring; the class needs no explanation beyond the legend."""
        self._by = by
        self.setVisible(by is not ColourBy.CLASS)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Return room for a bar with two words, or for a row per origin."""
        line = self.fontMetrics().height() + 4
        return QSize(100, line * len(self._entries()) + 4 if self._entries() else line + 14)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bar or the rows."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._entries():
            self._paint_entries(painter)
        elif self._by is not ColourBy.CLASS:
            self._paint_ramp(painter)

    def _paint_ramp(self, painter: QPainter) -> None:
        bar = QRectF(0, 2, self.width(), 8)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for k, colour in enumerate(RAMP):
            gradient.setColorAt(k / (len(RAMP) - 1), QColor(colour))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(gradient)
        painter.drawRoundedRect(bar, 3, 3)
        painter.setPen(self.palette().windowText().color())
        words = QRectF(0, 12, self.width(), self.height() - 12)
        low, high = ("uncertain", "confident") if self._by is ColourBy.CONFIDENCE else ("uncertain", "sure")
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, low)
        painter.drawText(words, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, high)

    def _entries(self) -> list[tuple[str, str]]:
        """Return colours and what they mean, where there are a few of each."""
        if self._by is ColourBy.ORIGIN:
            return [(ORIGIN_COLOURS[origin], name) for origin, name in ORIGIN_NAMES.items()]
        return list(STATE_COLOURS.items()) if self._by is ColourBy.STATE else []

    def _paint_entries(self, painter: QPainter) -> None:
        line = self.fontMetrics().height() + 4
        for k, (colour, name) in enumerate(self._entries()):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colour))
            painter.drawEllipse(QRectF(7, k * line + line / 2 - 5, 10, 10))
            painter.setPen(self.palette().windowText().color())
            place = QRectF(28, k * line, self.width() - 28, line)
            painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)

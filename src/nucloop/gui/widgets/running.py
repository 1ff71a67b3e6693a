"""A dock's main button, and the row that shows how far what it began is."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from nucloop.gui.widgets.dock_layout import column_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtpy.QtGui import QMouseEvent, QResizeEvent

__all__ = ["ProgressRow", "main_button", "time_left"]


class _PromptButton(QPushButton):
    """A button that acts first and is drawn as pressed after.

    Qt draws a button at once when it goes down and again when it comes up, and with it the whole window beside an
    OpenGL canvas, before anybody hears of the click.
    """

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Go down."""
        with _drawn_after(self):
            super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Come up, and act."""
        with _drawn_after(self):
            super().mouseReleaseEvent(event)


class _MainButton(_PromptButton):
    """Has its shortcut written at the right, where there is room for it beside the words."""

    MARGIN = 14

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.keys = QLabel()
        self.keys.setObjectName("NucloopKeys")
        self.keys.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        inside = QHBoxLayout(self)
        inside.setContentsMargins(self.MARGIN, 0, self.MARGIN, 0)
        inside.addStretch()
        inside.addWidget(self.keys)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Show the shortcut or not."""
        super().resizeEvent(event)
        words = self.fontMetrics().horizontalAdvance(self.text() + "  ")
        self.keys.setVisible(2 * self.MARGIN + words + self.keys.sizeHint().width() <= self.width())


@contextmanager
def _drawn_after(widget: QWidget) -> Iterator[None]:
    """Draw a widget once, after what is done within: left alone it draws itself, and with it the window, at once."""
    widget.setUpdatesEnabled(False)
    try:
        yield
    finally:
        # what a click did may have taken its button away
        with suppress(RuntimeError):
            widget.setUpdatesEnabled(True)


def main_button(words: str, shortcut: str, tip: str) -> QPushButton:
    """Return the button of a dock's main job, its shortcut written at the right."""
    button = _MainButton(words)
    button.setObjectName("NucloopDetect")
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    button.setToolTip(tip)
    button.keys.setText(shortcut)
    button.setMinimumHeight(38)
    return button


class ProgressRow(QWidget):
    """A bar, Cancel beside it, and words below.

    Parameters
    ----------
    tip : str
        What Cancel does.
    """

    cancel_clicked = Signal()

    def __init__(self, tip: str) -> None:
        super().__init__()
        self._bar = QProgressBar()
        self._bar.setObjectName("NucloopProgress")
        self._bar.setTextVisible(False)
        self.text = QLabel()
        self.text.setObjectName("NucloopDim")
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip(tip)
        self.cancel.clicked.connect(self._cancel_chosen)
        upper = QHBoxLayout()
        upper.setSpacing(10)
        upper.addWidget(self._bar, 1)
        upper.addWidget(self.cancel)
        column = column_of(self, spacing=4)
        column.addLayout(upper)
        column.addWidget(self.text)

    def show_running(self, running: bool, words: str) -> None:
        """Appear, with nothing done yet, or go."""
        self.setVisible(running)
        if running:
            self.cancel.setEnabled(True)
            self.cancel.setText("Cancel")
            self.show_done(0, 0, words)

    def show_done(self, done: int, total: int, words: str) -> None:
        """Show how far it is; the bar stands still while nobody knows how much there is.

        A busy bar has Qt compose the whole window, canvas and all, for each step of its dance; where OpenGL is done in
        software that takes half of both cores from the networks.
        """
        with _drawn_after(self._bar):
            self._bar.setRange(0, max(total, 1))
            self._bar.setValue(done)
        self.text.setText(words)

    def _cancel_chosen(self) -> None:
        self.cancel.setEnabled(False)
        self.cancel.setText("Stopping …")
        self.cancel_clicked.emit()


def time_left(seconds: float) -> str:
    """Say a time as a person does.

    >>> time_left(8.2), time_left(100), time_left(9000)
    ('9 s left', '2 min left', '2.5 h left')
    """
    if seconds < 60:
        return f"{int(seconds) + 1} s left"
    if seconds < 3600:
        return f"{round(seconds / 60)} min left"
    return f"{seconds / 3600:.1f} h left"

"""A pause in what a person does: the time for what would stop the window for a moment."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication

__all__ = ["Stillness"]

_INPUT = {
    QEvent.Type.KeyPress,
    QEvent.Type.MouseButtonPress,
    QEvent.Type.MouseButtonRelease,
    QEvent.Type.MouseMove,
    QEvent.Type.HoverMove,
    QEvent.Type.Wheel,
    QEvent.Type.TouchUpdate,
    QEvent.Type.TabletMove,
}


class Stillness(QObject):
    """Waits until nobody has touched keys or mouse for a while; looks at events only while it waits."""

    came = Signal()
    """Once for each `await_it`."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._over)

    def await_it(self, milliseconds: int) -> None:
        """Say by `came` when there was no input for so long."""
        app = QApplication.instance()
        if app is not None:
            app.installEventFilter(self)
        self._timer.start(milliseconds)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Begin to wait again with every input."""
        if event.type() in _INPUT:
            self._timer.start()
        return False

    def _over(self) -> None:
        app = QApplication.instance()
        if app is not None:
            app.removeEventFilter(self)
        self.came.emit()

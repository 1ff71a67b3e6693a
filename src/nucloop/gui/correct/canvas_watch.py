"""What happens on napari's canvas, as Qt tells it: no click and no place of the mouse gets lost on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.gui.correct.pointer import Pointer

__all__ = ["CanvasWatch"]

_MOUSE_EVENTS = (QEvent.Type.MouseMove, QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease)


class CanvasWatch(QObject):
    """Sees what napari's canvas gets before napari does.

    Qt reports the second of two quick clicks as a double click only: napari would zoom in, or do nothing. On a nuclei
    layer it is a click like any other.

    Parameters
    ----------
    canvas : QWidget
        napari's canvas.
    pointer : callable
        Returns the Pointer of the active layer, None when that is no nuclei layer.
    """

    def __init__(self, canvas: Any, pointer: Callable[[], Pointer | None]) -> None:
        super().__init__(canvas)
        self._canvas, self._pointer = canvas, pointer
        canvas.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Turn double clicks into clicks, and notice when mouse or keyboard go elsewhere."""
        if event is None:
            return False
        kind = event.type()
        if kind == QEvent.Type.MouseButtonDblClick and self._pointer() is not None:
            press = QMouseEvent(
                QEvent.Type.MouseButtonPress,
                event.position(),
                event.globalPosition(),
                event.button(),
                event.buttons(),
                event.modifiers(),
            )
            QApplication.sendEvent(self._canvas, press)
            return True
        if kind in _MOUSE_EVENTS:
            pointer = self._pointer()
            if pointer is not None:
                pointer.track((event.position().x(), event.position().y()))
        elif kind in (QEvent.Type.Leave, QEvent.Type.FocusOut):
            pointer = self._pointer()
            if pointer is not None:
                pointer.left(kind == QEvent.Type.FocusOut)
        return False

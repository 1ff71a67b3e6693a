"""What happens on napari's canvas, as Qt tells it: no click and no place of the mouse gets lost on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import napari

    from nucloop.gui.correct.pointer import Pointer

__all__ = ["CanvasWatch", "follow_napari"]

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
        # while the window is busy X11 would leave out a move for a later one, also for one that comes after a key
        QApplication.setAttribute(Qt.ApplicationAttribute.AA_CompressHighFrequencyEvents, False)

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


def follow_napari(viewer: napari.Viewer, pointer: Callable[[], Pointer | None]) -> None:
    """Take the place of the mouse from napari where its canvas is not found: it leaves out some, better than none."""

    def follow(viewer: napari.Viewer, event: Any) -> None:
        active = pointer()
        if active is not None:
            active.track((float(event.pos[0]), float(event.pos[1])))

    def follow_drag(viewer: napari.Viewer, event: Any) -> Iterator[None]:
        yield
        while event.type == "mouse_move":
            follow(viewer, event)
            yield

    viewer.mouse_move_callbacks.append(follow)
    viewer.mouse_drag_callbacks.append(follow_drag)

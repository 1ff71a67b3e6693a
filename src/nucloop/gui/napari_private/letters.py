"""The letters of the scale bar, painted before it is shown: all at once they stop the window for a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from nucloop.gui.napari_private.access import part
from nucloop.gui.napari_private.parts import font_of_canvas

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["Letters"]

LETTERS = "ÅÉÑŐjgpqy µm0125.346789nc"
"""The first nine are those by which vispy finds out how high a line of text is."""


class Letters(QObject):
    """Paints one letter after the other; between them the window does what else there is to do."""

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._left = list(LETTERS)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._paint_one)
        self._timer.start(0)

    def _paint_one(self) -> None:
        font: Any = font_of_canvas(self._viewer) if self._left else None
        if part(font, "_load_char") is None:
            self._timer.stop()
            return
        # it keeps what it was asked for
        font[self._left.pop(0)]

"""The memory of images that were removed comes back soon, and not when Python next happens to look for it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from nucloop.garbage import search_all, search_what_came_late
from nucloop.gui.widgets.stillness import Stillness

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = ["RemovedLayers"]

LOOKS_MS = (300, 20_000)
"""Soon after a removal everything about it is done; a job that was reading the image may take a while longer."""
PAUSE_MS = 3_000
"""Whoever has touched neither keys nor mouse for so long does not feel that the window stops for a moment."""


class RemovedLayers(QObject):
    """Searches for layers that were removed: napari's refer to themselves, so that they go by a search alone.

    With an image go its tiles and its file. A search among everything stops the window for a moment (docs/speed.md):
    there is at most one for each look, in a pause in what the person does.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._gone: list[weakref.ref[Layer]] = []
        self._looks = iter(LOOKS_MS)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._look)
        self._pause = Stillness(self)
        self._pause.came.connect(self._look_at_all)

    def add(self, layer: Layer) -> None:
        """Take note of a layer that was removed."""
        self._gone.append(weakref.ref(layer))

    def search(self) -> None:
        """Look for all of them, soon."""
        self._looks = iter(LOOKS_MS)
        self._look_later()

    def _look_later(self) -> None:
        wait = next(self._looks, None)
        if wait is None:
            # somebody has a use for them
            self._gone.clear()
        else:
            self._timer.start(wait)

    def _look(self) -> None:
        search_what_came_late()
        if self._there():
            self._pause.await_it(PAUSE_MS)

    def _look_at_all(self) -> None:
        search_all()
        if self._there():
            self._look_later()

    def _there(self) -> bool:
        self._gone = [layer for layer in self._gone if layer() is not None]
        return bool(self._gone)

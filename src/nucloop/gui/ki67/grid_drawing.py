"""A counting grid on the slide: one picture, as fine as the screen, so that lines are as thin at every zoom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw
from qtpy.QtCore import QObject, QTimer

from nucloop.gui.canvas.view import remove_soon
from nucloop.gui.layer.view_picture import ViewPicture
from nucloop.gui.layer.viewport import Viewport, viewport_of
from nucloop.gui.napari_private.view_state import view_events_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    from nucloop.ki67.counting_grid import CountingGrid

__all__ = ["GRID_NAME", "GridDrawing", "grid_picture"]

GRID_NAME = "Counting grid"
PAUSE_MS = 60
_MARGIN = 0.15
_LINES = (((0, 0, 0, 150), 3), ((255, 255, 255, 255), 1))
"""A light line within a dark one is seen on any tissue."""
_NEXT = (((0, 0, 0, 200), 7), ((0, 229, 255, 255), 4))
_COUNTED = (0, 114, 178, 80)


def grid_picture(grid: CountingGrid, counted: Collection[int], at: int | None, viewport: Viewport) -> NDArray[np.uint8]:
    """Draw a grid: counted squares shaded, the one to count next framed; one pixel for each of the screen's.

    Returns
    -------
    (H, W, 4) array
    """
    size = max(round(viewport.width / viewport.pixel), 1), max(round(viewport.height / viewport.pixel), 1)
    picture = Picture.new("RGBA", size)
    draw = ImageDraw.Draw(picture)
    finer = np.array(size) / [viewport.width, viewport.height]
    corners = (grid.squares[..., ::-1] - [viewport.left, viewport.top] + 0.5) * finer - 0.5
    low, high = corners.min(axis=1), corners.max(axis=1)
    seen = np.flatnonzero(((high >= 0) & (low <= size)).all(axis=1)).tolist()
    for square in seen:
        if square in counted:
            draw.polygon(corners[square].reshape(-1).tolist(), fill=_COUNTED)
    drawn = [(square, *line) for line in _LINES for square in seen]
    drawn += [(at, *line) for line in _NEXT] if at in seen else []
    for square, colour, width in drawn:
        ring = corners[square].reshape(-1).tolist()
        draw.line([*ring, *ring[:4]], fill=colour, width=width)
    return np.asarray(picture)


class GridDrawing(QObject):
    """Draws a grid over an image, anew when the view has come to rest.

    Parameters
    ----------
    viewer : napari viewer
        Gets the layer.
    image : Image layer
        On which the grid lies.
    parent : QObject
    """

    def __init__(self, viewer: ViewerModel, image: Image, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._image = viewer, image
        self._grid: CountingGrid | None = None
        self._counted: Collection[int] = ()
        self._at: int | None = None
        self.picture = ViewPicture(viewer, image, GRID_NAME, smooth=False)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw)
        self._events = view_events_of(viewer)
        for event in self._events:
            event.connect(self._moved)

    def show(self, grid: CountingGrid, counted: Collection[int], at: int | None) -> None:
        """Draw a grid as it stands."""
        self._grid, self._counted, self._at = grid, frozenset(counted), at
        self._draw()

    def close(self) -> None:
        """Take it away."""
        self._timer.stop()
        self._grid = None
        for event in self._events:
            event.disconnect(self._moved)
        remove_soon(self._viewer, self.picture.release())
        self.deleteLater()

    def _moved(self, event: object = None) -> None:
        self._timer.start(PAUSE_MS)

    def _draw(self) -> None:
        layer = self.picture.layer
        hidden = layer is not None and layer in self._viewer.layers and not layer.visible
        if self._grid is None or hidden or self._image not in self._viewer.layers:
            return
        viewport = viewport_of(self._viewer, self._image).grown(_MARGIN)
        self.picture.show(grid_picture(self._grid, self._counted, self._at, viewport), viewport)

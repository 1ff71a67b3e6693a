"""Outlines of the nuclei in view: one picture, as fine as the screen, drawn anew when the view or a nucleus changes.

A picture costs the same however many corners there are; napari's shapes would take seconds.
"""

from __future__ import annotations

import weakref
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw
from qtpy.QtCore import QObject, QTimer, Signal

from nucloop.gui.layer.points_style import give_way
from nucloop.gui.layer.view_picture import ViewPicture
from nucloop.gui.layer.viewport import MOST_POINTS, Viewport, viewport_of
from nucloop.gui.napari_private.view_state import view_events_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Image, Points
    from numpy.typing import NDArray

    from nucloop.gui.layer.shown_nuclei import ShownNuclei
    from nucloop.nuclei import Nuclei
    from nucloop.outlines import Outlines

__all__ = ["OUTLINES_NAME", "OutlineDrawing", "outline_picture"]

OUTLINES_NAME = "Outlines"
PAUSE_MS = 100
"""Nobody waits for outlines while they move or edit: they follow so much later, once for several changes."""
MARGIN = 0.1
"""How much of the view is drawn beyond each of its sides."""
FINER = 1.5
"""From this zoom on what was drawn is too coarse or too fine."""
LARGEST = 4096
WIDTH = 2


def outline_picture(outlines: Outlines, colours: NDArray[np.float32], viewport: Viewport) -> NDArray[np.uint8]:
    """Draw outlines, each in its colour (N, 4), 0 to 1, on a clear ground; one pixel for each of the screen's.

    Returns
    -------
    (H, W, 4) array
    """
    pixel = max(viewport.pixel, max(viewport.height, viewport.width) / LARGEST)
    size = max(round(viewport.width / pixel), 1), max(round(viewport.height / pixel), 1)
    picture = Picture.new("RGBA", size)
    draw = ImageDraw.Draw(picture)
    # in ImageDraw's own places: x before y; the whole picture lies on the whole viewport
    finer = np.array(size) / [viewport.width, viewport.height]
    corners = (outlines.corners[:, ::-1].astype(np.float64) - [viewport.left, viewport.top] + 0.5) * finer - 0.5
    shades = [tuple(shade) for shade in (colours * 255).astype(int).tolist()]
    flat = corners.reshape(-1).tolist()
    for shade, (first, last) in zip(shades, pairwise((2 * outlines.ends).tolist()), strict=True):
        if last > first:
            draw.line([*flat[first:last], flat[first], flat[first + 1]], fill=shade, width=WIDTH)
    return np.asarray(picture)


class OutlineDrawing(QObject):
    """Keeps the picture in step with a layer of nuclei while outlines are wanted; costs nothing while they are not.

    Parameters
    ----------
    nuclei : ShownNuclei
        Whose outlines.
    points : Points layer
        That shows them: hidden with it.
    viewer : napari viewer
        Gets the layer.
    image : Image layer
        Where the nuclei are.
    """

    discs_changed = Signal()
    """The discs of the nuclei have become smaller, or usual again."""

    def __init__(self, nuclei: ShownNuclei, points: Points, viewer: ViewerModel, image: Image) -> None:
        super().__init__(nuclei)
        # they own this: held here as well, they would be gone only after a search for circles
        self._nuclei: Any = weakref.proxy(nuclei)
        self._points, self._viewer, self._image = points, viewer, image
        self.picture = ViewPicture(viewer, image, OUTLINES_NAME, smooth=False)
        self._wanted = self._drawn_by_hand = self._following = False
        self._tried: Callable[[Nuclei], Nuclei] | None = None
        self._drawn: Viewport | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw)

    @property
    def wanted(self) -> bool:
        """Whether outlines are to be seen."""
        return self._wanted

    @wanted.setter
    def wanted(self, wanted: bool) -> None:
        if wanted == self._wanted:
            return
        self._wanted = wanted
        # whoever switches outlines off wants none at all
        self._drawn_by_hand &= wanted
        self._switch()

    def show_drawn(self) -> None:
        """Show outlines, as a person draws some, until they are switched off."""
        self._drawn_by_hand = True
        self._switch()

    def try_on(self, tried: Callable[[Nuclei], Nuclei] | None) -> None:
        """Show nuclei as `tried` returns them, with other outlines than they have; None ends that."""
        self._tried = tried
        self._switch()
        self.follow()

    def _switch(self) -> None:
        follows = self._wanted or self._drawn_by_hand or self._tried is not None
        if follows == self._following:
            return
        self._following = follows
        views = view_events_of(self._viewer)
        if follows:
            for event in views:
                event.connect(self._moved)
            self.follow()
        else:
            for event in views:
                event.disconnect(self._moved)
            self._timer.stop()
            self._hide()

    def close(self) -> list[Image]:
        """Stop drawing; return the layer, if there is one, for somebody to take out of the viewer."""
        self._wanted = self._drawn_by_hand = False
        self._tried = None
        self._switch()
        return self.picture.release()

    def follow(self) -> None:
        """Draw anew in a moment: nuclei, or what is shown of them, have changed."""
        if self._following:
            self._drawn = None
            self._timer.start(PAUSE_MS)

    def _moved(self, event: object = None) -> None:
        self._timer.start(PAUSE_MS)

    def _draw(self) -> None:
        seen = viewport_of(self._viewer, self._image)
        if self._drawn is not None and self._drawn.covers(seen):
            ratio = self._drawn.pixel / seen.pixel
            if 1 / FINER < ratio < FINER:
                return
        nuclei, viewport = self._nuclei, seen.grown(MARGIN)
        ids = nuclei.session.in_box(*viewport.box)
        self._drawn = viewport
        if len(ids) > MOST_POINTS or not self._points.visible:
            # from afar outlines would be dots
            self._hide()
            return
        table = nuclei.session.with_outlines(nuclei.shown(nuclei.visible_ids(ids)))
        if self._tried is not None:
            table = self._tried(table)
        if table.outlines is None or not table.outlines.there.any():
            self._hide()
            return
        self.picture.show(outline_picture(table.outlines, nuclei.fill_colours(table), viewport), viewport)
        if give_way(self._points, outlined=True):
            self.discs_changed.emit()

    def _hide(self) -> None:
        self.picture.hide()
        if give_way(self._points, outlined=False):
            self.discs_changed.emit()

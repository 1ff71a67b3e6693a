"""Only the part of the canvas in which something has changed is drawn anew.

vispy draws a whole canvas for one nucleus that changes colour. Where OpenGL is software (remote desktops, virtual
machines) that is a third of what a person waits for at every edit (docs/speed.md). Whatever is not said here to be
small is drawn as always, and so is everything where a graphics card draws.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtOpenGLWidgets import QOpenGLWidget

from nucloop.gui.napari_private.access import has_parts
from nucloop.gui.napari_private.parts import scene_canvas_of
from nucloop.gui.napari_private.software_opengl import draws_in_software

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from numpy.typing import NDArray

__all__ = ["PartialDrawing"]


class PartialDrawing:
    """Decides how much of a canvas its next frame draws.

    Parameters
    ----------
    canvas : vispy scene canvas
        Asks here from now on, before it draws.
    """

    def __init__(self, canvas: Any) -> None:
        self._canvas, self._native = canvas, canvas.native
        self._draw_in_full, self._update_in_full = canvas._draw_scene, canvas.update
        self._within: NDArray[np.int64] | None = None
        self._changed: NDArray[np.int64] | None = None
        self._everything = True
        self._drawn_into: object = None
        # otherwise Qt throws away what was drawn before
        self._native.setUpdateBehavior(QOpenGLWidget.UpdateBehavior.PartialUpdate)
        canvas._draw_scene, canvas.update = self._draw, self._update

    @classmethod
    def of(cls, viewer: ViewerModel) -> PartialDrawing | None:
        """Return that of a viewer's canvas; None where a graphics card draws, or where it cannot be done."""
        canvas = scene_canvas_of(viewer)
        if canvas is None or not draws_in_software(viewer):
            return None
        known = getattr(vars(canvas).get("update"), "__self__", None)
        if isinstance(known, cls):
            return known
        # another vispy draws as it always does
        fit = has_parts(canvas, "_draw_scene", "_drawing", "_fb_stack") and isinstance(canvas.native, QOpenGLWidget)
        return cls(canvas) if fit else None

    @contextmanager
    def only(self, box: NDArray[np.int64]) -> Iterator[None]:
        """Within it, nothing changes but what is in a box: left, bottom, right, top in pixels of the framebuffer."""
        before, self._within = self._within, box
        try:
            yield
        finally:
            self._within = before

    def box_around(self, visual: Any, points: NDArray[np.float32], margin: float) -> NDArray[np.int64]:
        """Return the box, (4,), of points (K, 2) or (K, 3), K > 0, of a visual and `margin` pixels around them."""
        seen = visual.get_transform("visual", "render").map(points)
        size = np.array(self._canvas.physical_size)
        pixels = (seen[:, :2] / seen[:, 3:] + 1) / 2 * size
        low, high = np.floor(pixels.min(0) - margin), np.ceil(pixels.max(0) + margin)
        return np.concatenate([np.clip(low, 0, size), np.clip(high, 0, size)]).astype(np.int64)

    def _update(self, node: object = None) -> None:
        # what changes while a frame is drawn is in that frame, or vispy asks again
        if not self._canvas._drawing:
            if self._within is None:
                self._everything = True
            else:
                self._changed = _union(self._changed, self._within)
        self._update_in_full(node)

    def _draw(self, bgcolor: object = None) -> None:
        canvas = self._canvas
        if canvas._fb_stack:
            # a picture of the canvas, which is drawn elsewhere
            canvas.context.set_state(scissor_test=False)
            self._draw_in_full(bgcolor)
            return
        into = (self._native.defaultFramebufferObject(), canvas.physical_size)
        box = None if self._everything or into != self._drawn_into else self._changed
        canvas.context.set_state(scissor_test=box is not None)
        if box is not None:
            left, bottom, right, top = box.tolist()
            canvas.context.set_scissor(left, bottom, right - left, top - bottom)
        self._draw_in_full(bgcolor)
        self._drawn_into, self._everything, self._changed = into, False, None


def _union(one: NDArray[np.int64] | None, other: NDArray[np.int64]) -> NDArray[np.int64]:
    if one is None:
        return other
    return np.concatenate([np.minimum(one[:2], other[:2]), np.maximum(one[2:], other[2:])])

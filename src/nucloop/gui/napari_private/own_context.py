"""What napari sends to OpenGL between two frames goes to the canvas's own context.

When layers are removed, napari has vispy carry out what is waiting: buffers filled anew, others deleted. It does not
say where, and between two frames the current context is any window's, or that in which Qt composes. Mesa then ends the
process with a segmentation fault at the next frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nucloop.gui.napari_private.parts import scene_canvas_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["keep_to_own_context"]


def keep_to_own_context(viewer: ViewerModel) -> None:
    """Have a viewer's canvas make its context current before what is waiting is carried out; once is enough."""
    scene: Any = scene_canvas_of(viewer)
    context: Any = getattr(scene, "context", None)
    finish = getattr(context, "finish", None)
    if finish is None or "finish" in vars(context):
        return

    def finish_here() -> None:
        try:
            drawn = scene.native.isValid()
        except RuntimeError:
            # Qt has destroyed it
            return
        # before its first frame the canvas has no context, and all waits for that
        if drawn:
            scene.set_current()
            finish()

    context.finish = finish_here

"""The parts of napari's window that it offers no public way to."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["drawn_once", "node_of", "qt_viewer_of", "scene_canvas_of", "visual_of"]


def qt_viewer_of(viewer: ViewerModel) -> Any:
    """Return the widget that holds canvas and layer list; None for a viewer without a window."""
    window = getattr(viewer, "window", None)
    return None if window is None else window._qt_viewer


def scene_canvas_of(viewer: ViewerModel) -> Any:
    """Return vispy's canvas; None for a viewer without a window, and in another napari."""
    return getattr(getattr(qt_viewer_of(viewer), "canvas", None), "_scene_canvas", None)


def node_of(viewer: ViewerModel, layer: Layer) -> Any:
    """Return what draws a layer on the canvas; None for a viewer without a window."""
    qt_viewer = qt_viewer_of(viewer)
    return None if qt_viewer is None else qt_viewer.canvas.layer_to_visual[layer].node


def visual_of(viewer: ViewerModel, overlay: Any) -> Any:
    """Return what draws an overlay on the canvas; None for one that was never shown, and in another napari."""
    qt_viewer = qt_viewer_of(viewer)
    known = {} if qt_viewer is None else getattr(qt_viewer.canvas, "_viewer_overlay_to_visual", {})
    return next(iter(known.get(overlay, [])), None)


@contextmanager
def drawn_once(viewer: ViewerModel) -> Iterator[None]:
    """Within it, the canvas may get another size several times, and is drawn once afterwards instead of each time."""
    canvas = qt_viewer_of(viewer).canvas.native
    before = canvas.updatesEnabled()
    canvas.setUpdatesEnabled(False)
    try:
        yield
    finally:
        canvas.setUpdatesEnabled(before)

"""Where a viewer of this napari keeps its camera and the size of its canvas: 0.9 gave them other places than 0.8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nucloop.gui.napari_private.access import part
from nucloop.gui.napari_private.parts import qt_viewer_of, scene_canvas_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["camera_of", "canvas_size_of", "scale_bar_of", "set_background", "view_events_of"]

_SIZE_WITHOUT_CANVAS = (800, 600)


def camera_of(viewer: ViewerModel) -> Any:
    """Return the camera: `center` and `zoom` (pixels of the canvas per unit of the world), and their events."""
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera


def canvas_size_of(viewer: ViewerModel) -> tuple[int, int]:
    """Return height and width of the canvas, pixels."""
    canvas = getattr(viewer, "canvas", None)
    height, width = (part(viewer, "_canvas_size") or _SIZE_WITHOUT_CANVAS) if canvas is None else canvas.size
    return int(height), int(width)


def view_events_of(viewer: ViewerModel) -> tuple[Any, ...]:
    """Return the events, with `connect` and `disconnect`, that say that something else is in view."""
    camera, canvas = camera_of(viewer).events, getattr(viewer, "canvas", None)
    if canvas is not None:
        return camera.zoom, camera.center, canvas.events.size
    scene = scene_canvas_of(viewer)
    return (camera.zoom, camera.center) if scene is None else (camera.zoom, camera.center, scene.events.resize)


def scale_bar_of(viewer: ViewerModel) -> Any:
    """Return the model of napari's scale bar; None in another napari."""
    canvas = getattr(viewer, "canvas", None)
    return getattr(viewer, "scale_bar", None) if canvas is None else getattr(canvas.overlays, "scale_bar", None)


def set_background(viewer: ViewerModel, colour: str | None) -> None:
    """Give the canvas another background than the theme's; None is the theme's."""
    canvas: Any = getattr(viewer, "canvas", None) or getattr(qt_viewer_of(viewer), "canvas", None)
    if canvas is not None and hasattr(canvas, "background_color_override"):
        canvas.background_color_override = colour

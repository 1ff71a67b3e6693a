"""The parts of napari's window, by a public way where there is one; None says that this napari has no such part."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import napari
from napari.components import ViewerModel
from qtpy.QtCore import QObject, QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow

from nucloop.gui.napari_private.access import part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Layer

__all__ = [
    "canvas_widget_of",
    "draw_later",
    "drawn_once",
    "font_of_canvas",
    "itself",
    "keeper_of",
    "node_of",
    "one_of",
    "qt_viewer_of",
    "scene_canvas_of",
    "slice_now",
    "visual_of",
    "window_of",
]

Kept = TypeVar("Kept", bound=QObject)
_keepers: WeakKeyDictionary[ViewerModel, QObject] = WeakKeyDictionary()


def itself(viewer: napari.Viewer) -> napari.Viewer:
    """Return the viewer behind the proxy that napari hands to plugins."""
    if issubclass(type(viewer), ViewerModel):
        return viewer
    return part(viewer, "__wrapped__") or napari.current_viewer() or viewer


def window_of(viewer: ViewerModel) -> QMainWindow | None:
    """Return Qt's window; None for a viewer without one."""
    menu = getattr(getattr(viewer, "window", None), "main_menu", None)
    try:
        found = None if menu is None else menu.window()
    except RuntimeError:
        # Qt has destroyed it
        return None
    return found if isinstance(found, QMainWindow) else None


def keeper_of(viewer: ViewerModel) -> QObject:
    """Return the parent of what lives as long as a viewer: its window, or where none is found an object of our own."""
    window = window_of(viewer)
    if window is not None:
        return window
    return _keepers.setdefault(viewer, QObject())


def one_of(viewer: ViewerModel, kind: type[Kept], make: Callable[[QObject], Kept]) -> Kept:
    """Return what a viewer has one of, made with its keeper the first time: it outlives docks that come and go."""
    keeper = keeper_of(viewer)
    found = keeper.findChild(kind)
    return make(keeper) if found is None else found


def qt_viewer_of(viewer: ViewerModel) -> Any:
    """Return the widget that holds canvas and layer list; None for a viewer without a window."""
    return part(getattr(viewer, "window", None), "_qt_viewer")


def canvas_widget_of(viewer: ViewerModel) -> QOpenGLWidget | None:
    """Return the widget on which layers are drawn; None for a viewer without a window."""
    window = window_of(viewer)
    middle = None if window is None else window.centralWidget()
    return None if middle is None else middle.findChild(QOpenGLWidget)


def _canvas_of(viewer: ViewerModel) -> Any:
    return getattr(qt_viewer_of(viewer), "canvas", None)


def scene_canvas_of(viewer: ViewerModel) -> Any:
    """Return vispy's canvas; None for a viewer without a window, and in another napari."""
    return part(_canvas_of(viewer), "_scene_canvas")


def node_of(viewer: ViewerModel, layer: Layer) -> Any:
    """Return what draws a layer on the canvas; None for a viewer without a window, and in another napari."""
    known = part(_canvas_of(viewer), "layer_to_visual") or {}
    return getattr(known.get(layer), "node", None)


def visual_of(viewer: ViewerModel, overlay: Any) -> Any:
    """Return what draws an overlay on the canvas; None for one that was never shown, and in another napari."""
    known = part(_canvas_of(viewer), "_viewer_overlay_to_visual", "_overlay_to_visual") or {}
    return next(iter(known.get(overlay, [])), None)


def font_of_canvas(viewer: ViewerModel) -> Any:
    """Return the font of texts on the canvas, which paints a letter when first asked; None in another napari."""
    info = part(_canvas_of(viewer), "_font_info")
    return None if info is None else info.font_manager.get_font(info.face)


def slice_now(viewer: ViewerModel) -> None:
    """Have layers read what is in view now; napari does so as it draws, and then draws once more."""
    read = part(_canvas_of(viewer), "on_draw")
    if read is not None:
        read()


@contextmanager
def drawn_once(viewer: ViewerModel) -> Iterator[None]:
    """Within it, the canvas may get another size several times, and is drawn once afterwards instead of each time."""
    canvas = canvas_widget_of(viewer)
    before = canvas is not None and canvas.updatesEnabled()
    if canvas is not None:
        canvas.setUpdatesEnabled(False)
    try:
        yield
    finally:
        if canvas is not None:
            canvas.setUpdatesEnabled(before)


def draw_later(viewer: ViewerModel) -> None:
    """Have the canvas drawn only once what a person has pressed meanwhile was answered.

    Called where layers come: adding one takes its time, the first drawing of what it shows as well, and Qt would let
    nothing in between.
    """
    canvas = canvas_widget_of(viewer)
    if canvas is None or not canvas.updatesEnabled():
        return

    def draw() -> None:
        canvas.setUpdatesEnabled(True)
        timer.deleteLater()

    canvas.setUpdatesEnabled(False)
    timer = QTimer(canvas)
    timer.setSingleShot(True)
    timer.timeout.connect(draw)
    timer.start(0)

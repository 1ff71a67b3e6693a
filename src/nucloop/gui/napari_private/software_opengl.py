"""Whether the canvas is drawn by the processor: only then is it worth to draw less than napari does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from nucloop.gui.napari_private.parts import scene_canvas_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel

__all__ = ["draws_in_software", "is_software", "where_software"]

_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "software rasterizer", "microsoft basic render", "gdi generic")
"""What Mesa's drivers, and those that Windows draws with where it has no other, call themselves."""

_known: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
"""By vispy's context."""


def is_software(driver: str) -> bool:
    """Whether OpenGL's words for who draws, vendor and renderer, mean a processor."""
    return any(name in driver.lower() for name in _SOFTWARE)


def draws_in_software(viewer: ViewerModel) -> bool | None:
    """Whether the processor draws a viewer's canvas; None while that cannot be known, as before the first frame."""
    scene = scene_canvas_of(viewer)
    if scene is None or not scene.native.isValid():
        return None
    context = scene.context
    if context not in _known:
        scene.set_current()
        _known[context] = is_software(driver_of_current_context())
    return _known[context]


def where_software(viewer: ViewerModel, then: Callable[[], None]) -> None:
    """Do something as soon as it is known that the processor draws the canvas; nothing where a graphics card does."""
    scene, software = scene_canvas_of(viewer), draws_in_software(viewer)
    if software:
        then()
    elif software is None and scene is not None:

        def known(event: object = None) -> None:
            scene.events.initialize.disconnect(known)
            if draws_in_software(viewer):
                then()

        scene.events.initialize.connect(known)


def driver_of_current_context() -> str:
    """Return vendor and renderer of the OpenGL context that is current."""
    from vispy.gloo import gl

    with suppress(RuntimeError, AttributeError):
        return f"{gl.glGetParameter(gl.GL_VENDOR)} {gl.glGetParameter(gl.GL_RENDERER)}"
    return ""

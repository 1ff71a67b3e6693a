"""The magnification at which a slide is seen, in the way of objectives: 40x is a quarter of a µm per screen pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.gui.canvas.layer_slide import mpp_of_layer
from nucloop.gui.napari_private.parts import slice_now
from nucloop.gui.napari_private.view_state import camera_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

__all__ = ["PRESETS", "magnification_of", "magnification_words", "magnify", "pixels_on_screen"]

PRESETS = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0)
"""What a person can jump to."""
_UM_AT_ONE = 10.0
"""µm per screen pixel at 1x."""


def pixels_on_screen(viewer: ViewerModel, image: Image) -> float:
    """Return how many screen pixels a level-0 pixel of an image is wide."""
    return float(camera_of(viewer).zoom * abs(image.scale[-1]))


def magnification_of(viewer: ViewerModel, image: Image) -> float | None:
    """Return the magnification of an image on screen; None while its resolution is not known."""
    mpp = mpp_of_layer(image)
    return None if mpp is None else _UM_AT_ONE * pixels_on_screen(viewer, image) / mpp


def magnify(viewer: ViewerModel, image: Image, magnification: float) -> None:
    """Show an image at a magnification, around what is in the middle; nothing while its resolution is not known."""
    now = magnification_of(viewer, image)
    if now:
        camera_of(viewer).zoom *= magnification / now
        # read at once, so that the new view comes in one picture
        slice_now(viewer)


def magnification_words(magnification: float) -> str:
    """Return a magnification as a person reads it."""
    digits = 2 if magnification < 0.995 else 1 if magnification < 9.95 else 0
    return f"{round(magnification, digits):g}x"

"""Which part of an image is meant: what is on screen, or what somebody drew. All answers are in level-0 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QTimer

from nucloop.errors import RegionError
from nucloop.gui.napari_private.parts import slice_now
from nucloop.gui.napari_private.view_state import camera_of, canvas_size_of
from nucloop.slides import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray

__all__ = [
    "image_layers",
    "is_picture",
    "lead_to",
    "placement",
    "placement_of_cells",
    "remove_soon",
    "to_image",
    "view_box",
    "view_centre",
    "whole_box",
]


def placement(image: Image) -> dict[str, Any]:
    """Return where an image lies in the world, as options of a layer that shall lie on it, pixel for pixel."""
    return {name: getattr(image, name) for name in ("scale", "translate", "rotate", "shear", "affine", "units")}


def placement_of_cells(image: Image, cell: Sequence[float], corner: Sequence[float] = (0.0, 0.0)) -> dict[str, Any]:
    """Return scale and translation of a picture that lies on an image, each of its pixels over several of level 0.

    Parameters
    ----------
    image : Image layer
    cell : (height, width)
        Of a pixel of the picture, level-0 pixels.
    corner : (y, x)
        Upper left edge of the picture, level-0 pixels counted from the image's own edge.
    """
    size = np.asarray(cell, np.float64)
    first = np.asarray(corner, np.float64) + size / 2 - 0.5
    world = np.asarray(image.data_to_world(first))[-2:]
    return {"scale": np.abs(image.scale[-2:]) * size, "translate": np.asarray(image.affine.inverse(world))}


def is_picture(layer: Layer) -> TypeGuard[Image]:
    """Whether a layer is a person's image; pictures that the program draws over it are not."""
    return isinstance(layer, Image) and not layer.metadata.get("nucloop", {}).get("drawn")


def image_layers(viewer: ViewerModel) -> list[Image]:
    """Images of a viewer, the topmost first."""
    return [layer for layer in reversed(viewer.layers) if is_picture(layer)]


def view_box(viewer: ViewerModel, image: Image) -> Box:
    """Return the part of an image that is on screen.

    Raises
    ------
    RegionError
        If the viewer shows 3D, or the image is out of sight.
    """
    if viewer.dims.ndisplay != 2:
        raise RegionError("The viewer shows 3D. Switch to 2D (the cube button below the layers), then detect again.")
    half = np.array(canvas_size_of(viewer)) / camera_of(viewer).zoom / 2
    centre = np.array(camera_of(viewer).center[-2:])
    corners = [centre + half * (dy, dx) for dy in (-1, 1) for dx in (-1, 1)]
    data = np.array([to_image(image, corner) for corner in corners])
    top, left = np.floor(data.min(0) + 0.5).astype(int)
    bottom, right = np.ceil(data.max(0) + 0.5).astype(int)
    seen = Box(top, left, bottom - top, right - left).intersect(whole_box(image))
    if not seen.area:
        raise RegionError(
            f"{image.name} is not on screen. Press the house button to see all of it, zoom in, then detect again."
        )
    return seen


def whole_box(image: Image) -> Box:
    """Return all of an image."""
    shape = (image.data[0] if image.multiscale else image.data).shape
    height, width = shape[-3:-1] if image.rgb else shape[-2:]
    return Box(0, 0, height, width)


def view_centre(viewer: ViewerModel, image: Image) -> tuple[float, float]:
    """Return the middle of the screen, (y, x), wherever the image is."""
    y, x = to_image(image, np.array(camera_of(viewer).center[-2:]))
    return float(y), float(x)


def lead_to(viewer: ViewerModel, layer: Layer, place: NDArray[np.floating], most_pixels: float | None = None) -> None:
    """Put a place (y, x), pixels of a layer, into the middle, with at most so many pixels around it on screen.

    napari by itself draws the new place without its picture first, reads that, and draws once more. Here it is read at
    once, so that whoever is led somewhere sees all of it in one picture.
    """
    camera = camera_of(viewer)
    if most_pixels is not None:
        camera.zoom = max(camera.zoom, min(canvas_size_of(viewer)) / (most_pixels * float(abs(layer.scale[-1]))))
    camera.center = layer.data_to_world(place)
    slice_now(viewer)


def remove_soon(viewer: ViewerModel, layers: Sequence[Layer]) -> None:
    """Take layers out of a viewer, those that are still in it, as soon as napari is done with what it is doing.

    It may be removing several layers that a person has selected, these among them, and cannot do without one.
    """

    def remove() -> None:
        for layer in layers:
            if layer in viewer.layers:
                viewer.layers.remove(layer)

    QTimer.singleShot(0, remove)


def to_image(image: Image, world: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return where a place of the world, (y, x), lies in an image, level-0 pixels."""
    return np.asarray(image.world_to_data(world), np.float64)[-2:]

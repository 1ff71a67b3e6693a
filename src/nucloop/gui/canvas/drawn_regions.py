"""The layer in which a person draws regions: what is drawn there, in level-0 pixels of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Shapes

from nucloop.errors import NucLoopError, RegionError
from nucloop.formats import Region
from nucloop.gui.canvas.layer_slide import set_layer_mpp
from nucloop.gui.canvas.view import placement, to_image, view_centre
from nucloop.gui.napari_private.view_state import camera_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

__all__ = [
    "REGIONS_NAME",
    "add_regions",
    "draw_regions",
    "drawn_regions",
    "regions_layer",
    "regions_of",
    "set_resolution",
]

REGIONS_NAME = "Regions"
CORNERS_OF_AN_ELLIPSE = 64
CLOSED_SHAPES = ("rectangle", "polygon", "ellipse")


def regions_layer(viewer: ViewerModel) -> Shapes | None:
    """Return the layer that holds drawn regions, if there is one."""
    return next((x for x in viewer.layers if isinstance(x, Shapes) and x.name == REGIONS_NAME), None)


def draw_regions(viewer: ViewerModel, image: Image, tool: str) -> Shapes:
    """Let the person draw: activate the layer "Regions", made on demand, with a tool ("rectangle" or "polygon")."""
    layer = regions_layer(viewer)
    if layer is None:
        layer = Shapes(
            ndim=2,
            name=REGIONS_NAME,
            face_color="transparent",
            edge_color="#f0e442",
            edge_width=2 * _pixels_per_screen_pixel(viewer, image),
            **placement(image),
        )
        viewer.add_layer(layer)
    layer.visible = True
    viewer.layers.selection.active = layer
    layer.mode = {"rectangle": "add_rectangle", "polygon": "add_polygon"}[tool]
    return layer


def drawn_regions(viewer: ViewerModel, image: Image) -> list[NDArray[np.float64]]:
    """Return drawn regions as polygons (K, 2), (y, x) in level-0 pixels of an image.

    Raises
    ------
    RegionError
        If nothing with an area was drawn.
    """
    layer = regions_layer(viewer)
    outlines = []
    if layer is not None:
        for corners, kind in zip(layer.data, layer.shape_type, strict=True):
            if kind in CLOSED_SHAPES:
                outline = _ellipse(corners) if kind == "ellipse" else corners
                world = [layer.data_to_world(corner) for corner in outline]
                outlines.append(np.array([to_image(image, point) for point in world]))
    if not outlines:
        raise RegionError("No region is drawn yet. Choose Rectangle or Polygon, draw on the slide, then detect.")
    return outlines


def regions_of(viewer: ViewerModel, image: Image) -> list[Region]:
    """Return the regions drawn on an image now, in its level-0 pixels; none when none is drawn."""
    try:
        return [Region(outline) for outline in drawn_regions(viewer, image)]
    except NucLoopError:
        return []


def add_regions(viewer: ViewerModel, image: Image, regions: Sequence[Region]) -> None:
    """Put the drawn areas of a file into the layer in which a person draws."""
    layer = regions_layer(viewer)
    if layer is None:
        active = viewer.layers.selection.active
        layer = Shapes(
            ndim=2, name=REGIONS_NAME, face_color="transparent", edge_color="#f0e442", **placement(image)
        )  # fmt: skip
        viewer.add_layer(layer)
        viewer.layers.selection.active = active
    pixel = 1 / camera_of(viewer).zoom / abs(image.scale[-1])
    corners = [
        np.array([layer.world_to_data(image.data_to_world(tuple(corner)))[-2:] for corner in region.outline])
        for region in regions
    ]
    layer.add_polygons(
        corners, edge_width=2 * pixel, face_color="transparent", edge_color="#f0e442"
    )  # fmt: skip


def set_resolution(viewer: ViewerModel, image: Image, mpp: float) -> None:
    """Write down µm per pixel as a person said it, and keep what is on screen where it is."""
    y, x = view_centre(viewer, image)
    before = np.array(image.scale[-2:])
    regions = regions_layer(viewer)
    follows = regions is not None and np.array_equal(regions.scale, before)
    set_layer_mpp(image, mpp)
    if regions is not None and follows:
        regions.units, regions.scale = image.units[-2:], image.scale[-2:]
    camera_of(viewer).zoom *= before[-1] / image.scale[-1]
    camera_of(viewer).center = image.data_to_world((y, x))


def _pixels_per_screen_pixel(viewer: ViewerModel, image: Image) -> float:
    return float(1 / camera_of(viewer).zoom / abs(image.scale[-1]))


def _ellipse(corners: NDArray[np.floating]) -> NDArray[np.float64]:
    """Polygon of an ellipse given by the four corners of its box, in order."""
    corners = np.asarray(corners, np.float64)
    centre = corners.mean(0)
    a, b = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, CORNERS_OF_AN_ELLIPSE, endpoint=False)
    return centre + np.outer(np.cos(angle), a) + np.outer(np.sin(angle), b)

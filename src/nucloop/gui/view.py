"""Which part of an image is meant: what is on screen, or what somebody drew. All answers are in level-0 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from napari.layers import Image, Shapes

from nucloop.errors import RegionError
from nucloop.gui.layer_slide import set_layer_mpp
from nucloop.gui.napari_parts import qt_viewer_of
from nucloop.slides import Box

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray

__all__ = [
    "REGIONS_NAME",
    "draw_regions",
    "drawn_regions",
    "image_layers",
    "is_picture",
    "lead_to",
    "placement",
    "regions_layer",
    "set_resolution",
    "view_box",
    "view_centre",
    "whole_box",
]

REGIONS_NAME = "Regions"
CORNERS_OF_AN_ELLIPSE = 64
CLOSED_SHAPES = ("rectangle", "polygon", "ellipse")


def placement(image: Image) -> dict[str, Any]:
    """Return where an image lies in the world, as options of a layer that shall lie on it, pixel for pixel."""
    return {name: getattr(image, name) for name in ("scale", "translate", "rotate", "shear", "affine", "units")}


def is_picture(layer: Layer) -> TypeGuard[Image]:
    """Whether a layer is a person's image; the picture of nuclei seen from afar is not."""
    return isinstance(layer, Image) and not layer.metadata.get("nucloop", {}).get("density")


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
    half = np.array(viewer.canvas.size) / viewer.scene.camera.zoom / 2
    centre = np.array(viewer.scene.camera.center[-2:])
    corners = [centre + half * (dy, dx) for dy in (-1, 1) for dx in (-1, 1)]
    data = np.array([_to_data(image, corner) for corner in corners])
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
    y, x = _to_data(image, np.array(viewer.scene.camera.center[-2:]))
    return float(y), float(x)


def lead_to(viewer: ViewerModel, layer: Layer, place: NDArray[np.floating], most_pixels: float | None = None) -> None:
    """Put a place (y, x), pixels of a layer, into the middle, with at most so many pixels around it on screen.

    napari by itself draws the new place without its picture first, reads that, and draws once more. Here it is read at
    once, so that whoever is led somewhere sees all of it in one picture.
    """
    camera = viewer.scene.camera
    if most_pixels is not None:
        camera.zoom = max(camera.zoom, min(viewer.canvas.size) / (most_pixels * float(abs(layer.scale[-1]))))
    camera.center = layer.data_to_world(place)
    qt_viewer = qt_viewer_of(viewer)
    if qt_viewer is not None:
        qt_viewer.canvas.on_draw()


def set_resolution(viewer: ViewerModel, image: Image, mpp: float) -> None:
    """Write down µm per pixel as a person said it, and keep what is on screen where it is."""
    y, x = view_centre(viewer, image)
    before = np.array(image.scale[-2:])
    regions = regions_layer(viewer)
    follows = regions is not None and np.array_equal(regions.scale, before)
    set_layer_mpp(image, mpp)
    if regions is not None and follows:
        regions.units, regions.scale = image.units[-2:], image.scale[-2:]
    viewer.scene.camera.zoom *= before[-1] / image.scale[-1]
    viewer.scene.camera.center = image.data_to_world((y, x))


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
                outlines.append(np.array([_to_data(image, point) for point in world]))
    if not outlines:
        raise RegionError("No region is drawn yet. Choose Rectangle or Polygon, draw on the slide, then detect.")
    return outlines


def _to_data(image: Image, world: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(image.world_to_data(world), np.float64)[-2:]


def _pixels_per_screen_pixel(viewer: ViewerModel, image: Image) -> float:
    return float(1 / viewer.scene.camera.zoom / abs(image.scale[-1]))


def _ellipse(corners: NDArray[np.floating]) -> NDArray[np.float64]:
    """Polygon of an ellipse given by the four corners of its box, in order."""
    corners = np.asarray(corners, np.float64)
    centre = corners.mean(0)
    a, b = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, CORNERS_OF_AN_ELLIPSE, endpoint=False)
    return centre + np.outer(np.cos(angle), a) + np.outer(np.sin(angle), b)

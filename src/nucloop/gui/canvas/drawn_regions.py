"""The layer in which a person draws regions: what is drawn there, in level-0 pixels of an image.

napari's shapes have no holes. A region with holes, or of several pieces, is one shape for each outline and each hole,
tied by columns of the layer's features, which go with the shapes when others are moved, copied or deleted:

- `region`: shapes with one number are one region; 0 is a shape that somebody drew, a region by itself,
- `piece`: which of its pieces an outline is, or a hole is cut out of,
- `hole`: whether it is cut out; it is shaded, so that a person sees what does not belong,
- `name`: what the region is called,
- `kind`: what it is made of, such as tumour or stroma; nothing is found or counted in what is ignored.

Shapes move one by one: a region moves as a whole when all of it is selected. Holes go when the outline they are cut out
of is deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from napari.layers.base import ActionType

from nucloop.errors import NucLoopError, RegionError
from nucloop.geometry import FIELD, IGNORE, Region, to_count
from nucloop.gui.canvas.layer_slide import set_layer_mpp
from nucloop.gui.canvas.slide_group import image_under, layer_of, tie
from nucloop.gui.canvas.view import placement, to_image, view_centre
from nucloop.gui.canvas.whole_view import WholeView
from nucloop.gui.napari_private.view_state import camera_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    Ring = NDArray[np.float64]

__all__ = [
    "EDGE",
    "KIND_EDGES",
    "REGIONS_NAME",
    "add_regions",
    "draw_regions",
    "drawn_regions",
    "ignored_regions",
    "look_of",
    "regions_layer",
    "regions_of",
    "set_resolution",
    "ties_of",
    "write_ties",
]

REGIONS_NAME = "Regions"
CORNERS_OF_AN_ELLIPSE = 64
CLOSED_SHAPES = ("rectangle", "polygon", "ellipse")
TIES: dict[str, Any] = {"region": 0, "piece": 0, "hole": False, "name": "", "kind": ""}
"""Columns of the layer's features, each with its value for what a person draws."""
EDGE, INSIDE, HOLE = "#101010", "transparent", "#00000080"
KIND_EDGES = {"tumour": "#d55e00", "stroma": "#007a59", FIELD: "#0072b2", IGNORE: "#6b6b6b"}
"""Dark enough for pale tissue and for glass. What is ignored is shaded too, as holes are: it does not belong."""
DECIMALS = 6
"""Of a pixel: what lies beyond them comes from the way through the world."""


def regions_layer(viewer: ViewerModel, image: Image | None = None) -> Shapes | None:
    """Return the layer that holds regions drawn on an image, on any where none is named, if there is one."""
    layer = layer_of(viewer, image, REGIONS_NAME)
    if layer is None and image is not None:
        # a person may have made it
        layer = next((x for x in viewer.layers if x.name == REGIONS_NAME and image_under(x) is None), None)
        if isinstance(layer, Shapes):
            tie(layer, image, REGIONS_NAME)
    return layer if isinstance(layer, Shapes) else None


def draw_regions(viewer: ViewerModel, image: Image, tool: str) -> Shapes:
    """Let the person draw: activate the image's regions, made on demand, with a tool ("rectangle" or "polygon")."""
    layer = regions_layer(viewer, image)
    if layer is None:
        layer = _new_layer(viewer, image)
    layer.visible = True
    viewer.layers.selection.active = layer
    layer.mode = {"rectangle": "add_rectangle", "polygon": "add_polygon"}[tool]
    return layer


def drawn_regions(viewer: ViewerModel, image: Image) -> list[Region]:
    """Return the drawn regions in which nuclei are found and count, in level-0 pixels; what is ignored is cut out.

    Raises
    ------
    RegionError
        If nothing with an area was drawn.
    """
    layer = regions_layer(viewer, image)
    regions = [] if layer is None else to_count(_regions_in(layer, image))
    if not regions:
        raise RegionError("No region is drawn yet. Choose Rectangle or Polygon, draw on the slide, then detect.")
    return regions


def regions_of(viewer: ViewerModel, image: Image) -> list[Region]:
    """Return all regions drawn on an image now, the ignored too, in its level-0 pixels; none when none is drawn."""
    layer = regions_layer(viewer, image)
    try:
        return [] if layer is None else _regions_in(layer, image)
    except NucLoopError:
        return []


def ignored_regions(viewer: ViewerModel, image: Image) -> list[Region]:
    """Return the regions drawn on an image in which nothing is found or counted, in its level-0 pixels."""
    return [region for region in regions_of(viewer, image) if region.ignored]


def add_regions(viewer: ViewerModel, image: Image, regions: Sequence[Region]) -> None:
    """Put regions, holes and all, into the layer in which a person draws."""
    layer = regions_layer(viewer, image)
    if layer is None:
        active = viewer.layers.selection.active
        layer = _new_layer(viewer, image)
        viewer.layers.selection.active = active
    ties = ties_of(layer)
    last = max(ties["region"], default=0)
    rings = []
    for number, region in enumerate(regions, last + 1):
        for ring, piece, hole in _rings_of(region):
            tied = hole or bool(region.others or region.holes)
            for column, value in zip(ties, (number if tied else 0, piece, hole, region.name, region.kind), strict=True):
                ties[column].append(value)
            rings.append(ring)
    before, lead = layer.nshapes, _mapping(image, layer)
    looks = list(map(look_of, ties["kind"][before:], ties["hole"][before:]))
    # who listens hears of the shapes once it is known which are holes
    with layer.events.data.blocker():
        layer.add_polygons(
            [lead(ring) for ring in rings],
            edge_width=2 * _pixels_per_screen_pixel(viewer, image),
            face_color=[inside for _, inside in looks],
            edge_color=[edge for edge, _ in looks],
        )
    write_ties(layer, ties)
    _remember(layer, image, before, rings)
    layer.events.data.connect(_holes_go_with_their_outline)
    layer.events.data(
        value=layer.data,
        action=ActionType.ADDED,
        data_indices=tuple(range(before, layer.nshapes)),
        vertex_indices=((),),
    )


def set_resolution(viewer: ViewerModel, image: Image, mpp: float) -> None:
    """Write down µm per pixel as a person said it, and keep what is on screen where it is."""
    y, x = view_centre(viewer, image)
    before = np.array(image.scale[-2:])
    regions = regions_layer(viewer, image)
    follows = regions is not None and np.array_equal(regions.scale, before)
    set_layer_mpp(image, mpp)
    if regions is not None and follows:
        regions.units, regions.scale = image.units[-2:], image.scale[-2:]
    if image.visible:
        with WholeView.of(viewer).measured_anew():
            camera_of(viewer).zoom *= before[-1] / image.scale[-1]
            camera_of(viewer).center = image.data_to_world((y, x))


def look_of(kind: str, hole: bool) -> tuple[str, str]:
    """Return the colours of a shape, of its line and within."""
    return KIND_EDGES.get(kind, EDGE), HOLE if hole or kind == IGNORE else INSIDE


def _new_layer(viewer: ViewerModel, image: Image) -> Shapes:
    layer = Shapes(
        ndim=2,
        name=REGIONS_NAME,
        face_color=INSIDE,
        edge_color=EDGE,
        edge_width=2 * _pixels_per_screen_pixel(viewer, image),
        opacity=1,
        **placement(image),
    )
    tie(layer, image, REGIONS_NAME)
    viewer.add_layer(layer)
    return layer


def _rings_of(region: Region) -> Iterator[tuple[Ring, int, bool]]:
    for piece, (outline, *holes) in enumerate(region.pieces):
        yield outline, piece, False
        yield from ((hole, piece, True) for hole in holes)


def _regions_in(layer: Shapes, image: Image) -> list[Region]:
    """Put shapes that are tied together again, in the order of their first; holes without an outline are none."""
    names: dict[int, tuple[str, str]] = {}
    outlines: dict[int, list[tuple[int, Ring]]] = {}
    holes: dict[tuple[int, int], list[Ring]] = {}
    ties, lead, exact = ties_of(layer), _mapping(layer, image), _remembered(layer, image)
    rows = zip(layer.data, layer.shape_type, *ties.values(), strict=True)
    for row, (corners, shape, region, piece, hole, *said) in enumerate(rows, 1):
        if shape not in CLOSED_SHAPES:
            continue
        ring = exact.get(corners.tobytes())
        if ring is None:
            ring = np.round(lead(_ellipse(corners) if shape == "ellipse" else corners), DECIMALS)
        key = region or -row
        if hole and region:
            holes.setdefault((key, piece), []).append(ring)
        else:
            names.setdefault(key, (said[0], said[1]))
            outlines.setdefault(key, []).append((piece, ring))
    return [
        Region.of_pieces([[ring, *holes.get((key, piece), ())] for piece, ring in parts], *names[key])
        for key, parts in outlines.items()
    ]


def ties_of(layer: Shapes) -> dict[str, list[Any]]:
    """Return what ties shapes, one list a column; what was drawn in a layer without the columns is tied to nothing."""
    table, count = layer.features, layer.nshapes
    # napari keeps a row for a polygon that was begun and came to nothing
    return {
        name: [*table[name].tolist()[:count], *[value] * (count - len(table))] if name in table else [value] * count
        for name, value in TIES.items()
    }


def write_ties(layer: Shapes, ties: dict[str, list[Any]]) -> None:
    """Write what ties shapes, one list of a value for every shape a column, and what ties those drawn from now on."""
    rows = layer.features.reindex(range(layer.nshapes))
    layer.features = rows.assign(**ties)
    layer.feature_defaults = layer.feature_defaults.assign(**TIES)


def _holes_go_with_their_outline(event: Any) -> None:
    """Delete holes that were cut out of what has been deleted."""
    if event.action != ActionType.REMOVED:
        return
    ties = ties_of(event.source)
    rows = list(zip(ties["region"], ties["piece"], ties["hole"], strict=True))
    there = {(region, piece) for region, piece, hole in rows if not hole}
    alone = [row for row, (region, piece, hole) in enumerate(rows) if hole and (region, piece) not in there]
    if alone:
        event.source.remove(alone)


def _mapping(source: Any, target: Any) -> Callable[[NDArray[np.floating]], Ring]:
    """Return what leads places (N, 2), pixels of a layer, to pixels of another; both lie flat in the world."""
    far = 2.0**20

    def led(y: float, x: float) -> Ring:
        place = np.zeros(source.ndim)
        place[-2:] = y, x
        return to_image(target, source.data_to_world(place))

    origin = led(0, 0)
    turn = np.stack([led(far, 0) - origin, led(0, far) - origin]) / far
    return lambda places: np.asarray(np.asarray(places, np.float64)[:, -2:] @ turn + origin)


def _remember(layer: Shapes, image: Image, before: int, rings: Sequence[Ring]) -> None:
    """Keep the corners of new shapes to the last digit: napari has them in float32."""
    kept = _remembered(layer, image)
    kept |= {corners.tobytes(): ring for corners, ring in zip(layer.data[before:], rings, strict=True)}


def _remembered(layer: Shapes, image: Image) -> dict[bytes, Ring]:
    """Corners in pixels of an image by those of the layer, as long as it lies on the image as it does now."""
    ends = np.array([[0.0, 0.0], [1e6, 0.0], [0.0, 1e6]])
    lies = np.round(_mapping(layer, image)(ends), 3).tobytes()
    exact: dict[bytes, Ring] = layer.metadata.setdefault("nucloop", {}).setdefault(lies, {})
    return exact


def _pixels_per_screen_pixel(viewer: ViewerModel, image: Image) -> float:
    return float(1 / camera_of(viewer).zoom / abs(image.scale[-1]))


def _ellipse(corners: NDArray[np.floating]) -> NDArray[np.float64]:
    """Polygon of an ellipse given by the four corners of its box, in order."""
    corners = np.asarray(corners, np.float64)
    centre = corners.mean(0)
    a, b = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, CORNERS_OF_AN_ELLIPSE, endpoint=False)
    return centre + np.outer(np.cos(angle), a) + np.outer(np.sin(angle), b)

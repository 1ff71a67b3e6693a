"""What is selected on a nuclei layer, to be seen at a glance: a ring around each, in place of napari's thin rim.

In a napari that draws selections otherwise than is known here, they look as napari draws them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.gui.napari_private.access import has_parts, part
from nucloop.gui.napari_private.parts import node_of
from nucloop.gui.napari_private.points_parts import is_drawn_from_others, rows_in_view

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Points
    from numpy.typing import NDArray

__all__ = ["mark_selection", "show_outline"]

RING_PIXELS = 24
"""Diameter on screen: it leaves the nucleus free."""
_WIDTH = 2.5
_LINE = 2.0
_COLOUR = (0.0, 0.66, 1.0, 1.0)
_CLEAR = (0.0, 0.0, 0.0, 0.0)


def mark_selection(viewer: ViewerModel, layer: Points) -> None:
    """Draw the selection of a layer as rings, and outlines on it stronger, from now on."""
    node = node_of(viewer, layer)
    if not has_parts(node, "selection_markers", "highlight_lines"):
        return

    def draw(event: Any = None) -> None:
        rows = _highlighted(layer)
        if len(rows):
            # napari keeps its own rim as small as the points
            node.selection_markers.canvas_size_limits = (0.0, 2.0 * RING_PIXELS)
            size = RING_PIXELS * layer.scale_factor
            node.selection_markers.set_data(
                layer.data[rows][:, ::-1],
                size=size,
                symbol="o",
                edge_width=_WIDTH * layer.scale_factor,
                edge_color=_COLOUR,
                face_color=_CLEAR,
            )
        box = part(layer, "_highlight_box")
        if box is not None and len(box):
            node.highlight_lines.set_data(pos=np.pad(box[:, ::-1], ((0, 0), (0, 1))), color=_COLOUR, width=_LINE)
        node.update()

    layer.events.highlight.connect(draw, position="last")


def _highlighted(layer: Points) -> NDArray[np.intp]:
    """Return the rows that napari marks, (K,); none in another napari, whose own marks stay."""
    marked, in_view = part(layer, "_highlight_index"), rows_in_view(layer)
    if marked is None or in_view is None or is_drawn_from_others(layer):
        return np.zeros(0, np.intp)
    return in_view[np.asarray(marked, np.intp)]


def show_outline(layer: Points, outline: NDArray[np.float64] | None) -> None:
    """Draw a line, (K, 2) in pixels of the layer, as napari draws the box of its select tool; None takes it away.

    In another napari there is no line to be seen.
    """
    if has_parts(layer, "_highlight_box"):
        layer._highlight_box = outline
        layer.events.highlight()

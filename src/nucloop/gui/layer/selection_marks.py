"""What is selected on a nuclei layer, to be seen at a glance: a ring around each, in place of napari's thin rim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.gui.napari_private.parts import node_of

if TYPE_CHECKING:
    import napari
    from napari.layers import Points

__all__ = ["mark_selection"]

RING_PIXELS = 24
"""Diameter on screen: it leaves the nucleus free."""
_WIDTH = 2.5
_LINE = 2.0
_COLOUR = (0.0, 0.66, 1.0, 1.0)
_CLEAR = (0.0, 0.0, 0.0, 0.0)


def mark_selection(viewer: napari.Viewer, layer: Points) -> None:
    """Draw the selection of a layer as rings, and outlines on it stronger, from now on."""
    node = node_of(viewer, layer)

    def draw(event: Any = None) -> None:
        rows = layer._view_indices[np.asarray(layer._highlight_index, np.intp)]
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
        box = layer._highlight_box
        if box is not None and len(box):
            node.highlight_lines.set_data(pos=np.pad(box[:, ::-1], ((0, 0), (0, 1))), color=_COLOUR, width=_LINE)
        node.update()

    layer.events.highlight.connect(draw, position="last")

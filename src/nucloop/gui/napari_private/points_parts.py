"""What a Points layer of napari's keeps to itself: who is told of a change, which rows are in view, what was copied."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.gui.napari_private.access import has_parts, part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Points
    from numpy.typing import NDArray

__all__ = ["colours_in_view", "is_drawn_from_others", "paste_copied_points", "rows_in_view", "told_nobody"]


@contextmanager
def told_nobody(layer: Points) -> Iterator[None]:
    """Within it, what is set is neither told nor drawn; in another napari it may be prepared more than once."""
    with ExitStack() as stack:
        if has_parts(layer, "_block_refresh"):
            stack.enter_context(layer._block_refresh())
        stack.enter_context(layer.events.blocker_all())
        for colours in (part(layer, "_face"), part(layer, "_border")):
            if colours is not None:
                stack.enter_context(colours.events.blocker_all())
        yield


def rows_in_view(layer: Points) -> NDArray[Any] | None:
    """Return the rows of the points that are drawn, (K,); None in another napari."""
    return part(layer, "_view_indices", "_indices_view")


def is_drawn_from_others(layer: Points) -> bool:
    """Whether what is drawn are rows that the layer has no more: napari looks again when a hidden layer is shown."""
    rows = rows_in_view(layer)
    return rows is not None and len(rows) > 0 and int(np.max(rows)) >= len(layer.data)


def colours_in_view(layer: Points) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return fill and rim of the points that are drawn, (K, 4) each; None in another napari."""
    if not has_parts(layer, "_view_face_color", "_view_border_color"):
        return None
    return layer._view_face_color, layer._view_border_color


def paste_copied_points(layer: Points) -> bool:
    """Put the points that were copied into a layer, as napari's Ctrl+V does; False in another napari."""
    paste = part(layer, "_paste_data")
    if paste is None:
        return False
    paste()
    return True

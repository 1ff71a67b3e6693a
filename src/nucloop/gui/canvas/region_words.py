"""What regions are called and made of: said of those that are selected in the layer in which a person draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers.base import ActionType
from napari.utils.colormaps.standardize_color import transform_color

from nucloop.gui.canvas.drawn_regions import look_of, ties_of, write_ties

if TYPE_CHECKING:
    from napari.layers import Shapes

__all__ = ["describe", "description", "meant"]


def meant(layer: Shapes) -> list[int]:
    """Return the rows that a person means: the selected ones, else the one drawn last, each with all of its region."""
    rows = sorted(row for row in layer.selected_data if row < layer.nshapes) or list(range(layer.nshapes))[-1:]
    numbers = ties_of(layer)["region"]
    tied = {numbers[row] for row in rows} - {0}
    return [row for row, number in enumerate(numbers) if row in rows or number in tied]


def description(layer: Shapes) -> tuple[str | None, str | None, int]:
    """Return name and kind of the regions that are meant, None where they differ, and how many they are."""
    ties, rows = ties_of(layer), meant(layer)
    names, kinds = ({ties[column][row] for row in rows} for column in ("name", "kind"))
    regions = {ties["region"][row] or -row - 1 for row in rows}
    return (names.pop() if len(names) == 1 else None, kinds.pop() if len(kinds) == 1 else None, len(regions))


def describe(layer: Shapes, *, name: str | None = None, kind: str | None = None) -> None:
    """Say what the regions that are meant are called or made of; who listens to the layer hears of it."""
    ties, rows = ties_of(layer), meant(layer)
    said = {column: text for column, text in (("name", name), ("kind", kind)) if text is not None}
    if not rows or all(ties[column][row] == text for column, text in said.items() for row in rows):
        return
    for column, text in said.items():
        for row in rows:
            ties[column][row] = text
    write_ties(layer, ties)
    if kind is not None:
        edges, insides = layer.edge_color, layer.face_color
        for row in rows:
            edges[row], insides[row] = transform_color(list(look_of(kind, ties["hole"][row])))
        layer.edge_color, layer.face_color = edges, insides
    layer.events.data(
        value=layer.data, action=ActionType.CHANGED, data_indices=tuple(rows), vertex_indices=((),) * len(rows)
    )

"""The nuclei from afar: a picture of how many lie where, in the colours of their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.gui.canvas.colouring import class_palette

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.gui.layer.viewport import Viewport
    from nucloop.nuclei import Nuclei
    from nucloop.session import Session

__all__ = ["DENSITY_NAME", "density_picture"]

DENSITY_NAME = "Nuclei from afar"
CELL = 5
"""Side of a cell on screen, pixels."""
_MOST_CELLS = 600
_FAINTEST, _STRONGEST = 0.25, 0.85
_CROWDED = 0.98
"""The share of occupied cells that are not the fullest ones: a few crowded cells must not pale all others."""


def density_picture(
    session: Session, viewport: Viewport, hidden: frozenset[int] = frozenset(), states: Nuclei | None = None
) -> NDArray[np.uint8]:
    """Return nuclei per cell as colours, (rows, columns, 4); classes that are hidden are left out.

    With `states` the colours are those of their scheme, and nuclei without a state count for nothing.
    """
    cell = max(CELL * viewport.pixel, max(viewport.height, viewport.width) / _MOST_CELLS)
    shape = max(1, round(viewport.height / cell)), max(1, round(viewport.width / cell))
    if states is None:
        counts = session.density(*viewport.box, shape).astype(np.float32)
        for label in hidden:
            counts[label] = 0
    else:
        counts = _by_state(states, viewport, shape)
    total = counts.sum(0)
    occupied = total > 0
    picture = np.zeros((*shape, 4), np.float32)
    if occupied.any():
        colours = class_palette(session.scheme if states is None else states.scheme)[:, :3]
        picture[..., :3] = np.einsum("cyx,ck->yxk", counts, colours) / np.maximum(total, 1)[..., None]
        share = np.sqrt(np.minimum(total / np.quantile(total[occupied], _CROWDED), 1))
        picture[..., 3] = np.where(occupied, _FAINTEST + (_STRONGEST - _FAINTEST) * share, 0)
    return (picture * 255).astype(np.uint8)


def _by_state(states: Nuclei, viewport: Viewport, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Count nuclei per cell by label, (C + 1, rows, columns); the last, without a label, are none."""
    top, left, height, width = viewport.box
    ends = ((top, top + height), (left, left + width))
    kinds = [states.yx[states.label == label] for label in range(len(states.scheme))]
    counts = [np.histogram2d(yx[:, 0], yx[:, 1], bins=shape, range=ends)[0] for yx in kinds]
    return np.stack([*counts, np.zeros(shape)]).astype(np.float32)

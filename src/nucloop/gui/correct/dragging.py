"""Nuclei in the hand, while they are dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.gui.correct.corrections import Corrections

__all__ = ["DraggedNuclei"]


class DraggedNuclei:
    """Selected nuclei in the hand: shown where they are dragged, one edit when they are let go."""

    def __init__(self, corrections: Corrections) -> None:
        self._corrections, self._nuclei = corrections, corrections.nuclei
        self._ids = self._nuclei.selected
        self._rows = np.flatnonzero(np.isin(self._nuclei.ids, self._ids))
        self._from = self._nuclei.layer.data[self._rows].copy()
        self._nuclei.hold(True)

    def drag(self, shift: NDArray[np.float64]) -> None:
        """Show them moved by (dy, dx)."""
        layer = self._nuclei.layer
        layer.data[self._rows] = self._from + shift
        layer.refresh(extent=False, thumbnail=False)

    def drop(self, shift: NDArray[np.float64]) -> None:
        """Keep them where they are let go."""
        self._nuclei.hold(False)
        self._corrections.move(self._ids, shift)

"""A ring around the place that somebody decides about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points

from nucloop.gui.canvas.slide_group import tie
from nucloop.gui.canvas.view import placement, remove_soon
from nucloop.gui.layer.points_style import DIAMETER_UM
from nucloop.gui.measure.references import RingMark
from nucloop.gui.napari_private.status_reading import read_when_whole

if TYPE_CHECKING:
    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["QUESTION_NAME", "QuestionRing"]

QUESTION_NAME = "In question"
_COLOUR = "#00a8ff"
_TIMES = 2.4
_LIMITS = (24, 40)
_WIDTH = 0.012


class QuestionRing:
    """Draws one ring at a time, in a layer that is there while something is asked."""

    def __init__(self) -> None:
        self.layer: Points | None = None
        self._nuclei: NucleiLayer | None = None

    def show(self, nuclei: NucleiLayer, y: float, x: float) -> None:
        """Ring a place, level-0 pixels."""
        if self._nuclei is not nuclei or self.layer is None or self.layer not in nuclei.viewer.layers:
            self.hide()
            self._nuclei, self.layer = nuclei, self._make(nuclei)
        place = np.array([[y, x]], np.float32)
        if not np.array_equal(self.layer.data, place):
            self.layer.data = place
            self.layer.selected_data.clear()
        self.layer.editable = False

    def hide(self) -> None:
        """Ring nothing."""
        if self.layer is not None and self._nuclei is not None:
            remove_soon(self._nuclei.viewer, [self.layer])
        self.layer = self._nuclei = None

    def _make(self, nuclei: NucleiLayer) -> Points:
        layer = Points(
            np.zeros((1, 2), np.float32),
            name=QUESTION_NAME,
            size=_TIMES * DIAMETER_UM / nuclei.mpp,
            face_color="transparent",
            border_color=_COLOUR,
            border_width=_WIDTH,
            canvas_size_limits=_LIMITS,
            metadata={RingMark: True},
            **placement(nuclei.image),
        )
        read_when_whole(layer)
        tie(layer, nuclei.image, QUESTION_NAME)
        active = nuclei.viewer.layers.selection.active
        nuclei.viewer.add_layer(layer)
        nuclei.viewer.layers.selection.active = active
        return layer

"""The Points layer "Nuclei": shows a table of nuclei, and takes into it what a person does with napari's own tools."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Points
from qtpy.QtCore import QObject, QTimer, Signal

from nucloop.gui.colouring import ORIGIN_NAMES, ColourBy, fill_colours, rim_colours
from nucloop.gui.view import placement
from nucloop.nuclei import Nuclei, Origin
from nucloop.overlap import SAME_NUCLEUS_UM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    from nucloop.gui.nuclei_table import NucleiTable

__all__ = ["LAYER_NAME", "NucleiLayer"]

LAYER_NAME = "Nuclei"
DIAMETER_UM = 5.0
SCREEN_LIMITS = (3, 13)
"""Smallest and largest diameter on screen: seen from afar, and never hiding the nucleus when zoomed in."""
DRAG_PAUSE_MS = 200


class NucleiLayer(QObject):
    """A view of a NucleiTable in one Points layer of a viewer.

    The layer is a window: which nuclei it holds, and in which row, is known here alone. Counts and exports ask the
    table.

    Parameters
    ----------
    viewer : napari viewer
        Gets the layer.
    image : Image layer
        Where the nuclei were found; the layer lies on it, so that its data are level-0 pixels.
    table : NucleiTable
        What is shown.
    mpp : float
        µm per level-0 pixel of the image.
    """

    changed = Signal()
    """Nuclei, or what is shown of them, have changed."""

    def __init__(self, viewer: ViewerModel, image: Image, table: NucleiTable, mpp: float) -> None:
        super().__init__()
        self.image, self.table, self.mpp = image, table, mpp
        self._ids = np.zeros(0, np.int64)
        self._pushing = False
        self._colour_by = ColourBy.CLASS
        self._hidden: frozenset[int] = frozenset()
        self._least = 0.0
        self.layer = _empty_layer(image, mpp)
        self._settle_timer = QTimer(self)
        self._settle_timer.setSingleShot(True)
        self._settle_timer.timeout.connect(self.push)
        viewer.add_layer(self.layer)
        self.layer.events.data.connect(self._take_in)

    @property
    def colour_by(self) -> ColourBy:
        """What the colours say."""
        return self._colour_by

    @colour_by.setter
    def colour_by(self, by: ColourBy) -> None:
        self._colour_by = by
        self.push()

    @property
    def hidden(self) -> frozenset[int]:
        """Labels that are not shown."""
        return self._hidden

    @hidden.setter
    def hidden(self, labels: frozenset[int]) -> None:
        self._hidden = labels
        self._filter()

    @property
    def least_confidence(self) -> float:
        """A model's nuclei below this class probability are not shown; a person's always are."""
        return self._least

    @least_confidence.setter
    def least_confidence(self, value: float) -> None:
        self._least = float(value)
        self._filter()

    def visible(self, nuclei: Nuclei) -> NDArray[np.bool_]:
        """Which nuclei the class and confidence filters let through, (N,)."""
        shown = ~np.isin(nuclei.label, list(self._hidden))
        if self._least > 0:
            confidence = nuclei.confidence
            shown &= np.isnan(confidence) | (confidence >= self._least)
        return np.asarray(shown)

    def shown_count(self) -> int:
        """How many nuclei of the table pass the filters."""
        return int(self.visible(self.table.nuclei).sum())

    def add_found(self, found: Nuclei) -> int:
        """Take in what a model found (see NucleiTable.add_found) and show it; return how many were new."""
        new = self.table.add_found(found, SAME_NUCLEUS_UM / self.mpp)
        if new:
            self.push()
        return new

    def push(self) -> None:
        """Bring the layer up to the table in one update."""
        self._settle_timer.stop()
        window = self._window()
        selected = self._ids[[k for k in self.layer.selected_data if k < len(self._ids)]]
        rows_stay = len(window) >= len(self._ids) and np.array_equal(window.ids[: len(self._ids)], self._ids)
        if not rows_stay:
            self.layer.selected_data = set()
        self._ids = window.ids.copy()
        with self._one_update():
            self.layer.data = window.yx.copy()
            self.layer.features = _features(window)
            if len(window):
                self.layer.face_color = fill_colours(window, self._colour_by)
                self.layer.border_color = rim_colours(window)
                self.layer.shown = self.visible(window)
        if not rows_stay and len(selected):
            self.layer.selected_data = set(np.flatnonzero(np.isin(self._ids, selected)).tolist())
        self.changed.emit()

    def _window(self) -> Nuclei:
        """Return the nuclei that the layer is to hold."""
        return self.table.nuclei

    def _filter(self) -> None:
        self._pushing = True
        try:
            self.layer.shown = self.visible(self.table.nuclei.take(self.table.rows(self._ids)))
        finally:
            self._pushing = False
        self.changed.emit()

    @contextmanager
    def _one_update(self) -> Iterator[None]:
        """Let the layer draw once after several properties were set, not after each of them."""
        face, border = self.layer._face.events, self.layer._border.events
        self._pushing = True
        try:
            with self.layer.events.blocker_all(), face.blocker_all(), border.blocker_all():
                yield
            self.layer.refresh()
            self.layer.events.features()
        finally:
            self._pushing = False

    def _take_in(self, event: Any) -> None:
        """Put into the table what a person has just done to the layer."""
        action = str(event.action)
        if self._pushing or action not in ("added", "removed", "changed"):
            return
        known, now = len(self._ids), len(self.layer.data)
        if now < known:
            gone = np.array([k for k in event.data_indices if -known <= k < known], np.intp)
            # somebody assigned shorter data: what is missing is taken off the end
            gone = gone if len(gone) == known - now else np.arange(now, known)
            self.table.remove(self._ids[gone])
            self._ids = np.delete(self._ids, gone)
        elif now > known:
            self._ids = np.append(self._ids, self.table.add_by_hand(self.layer.data[known:]))
        if action == "changed":
            self._take_in_moves()
        self._settle_timer.start(DRAG_PAUSE_MS if action == "changed" else 0)

    def _take_in_moves(self) -> None:
        places = np.asarray(self.layer.data, np.float32)
        rows = self.table.rows(self._ids)
        moved = (places != self.table.nuclei.yx[rows]).any(1)
        if moved.any():
            self.table.move(self._ids[moved], places[moved])


def _empty_layer(image: Image, mpp: float) -> Points:
    layer = Points(
        np.zeros((0, 2), np.float32),
        ndim=2,
        name=LAYER_NAME,
        size=DIAMETER_UM / mpp,
        symbol="disc",
        border_width=0.08,
        border_width_is_relative=True,
        canvas_size_limits=SCREEN_LIMITS,
        antialiasing=1,
        **placement(image),
        metadata={"nucloop": {"image": image.name, "mpp": mpp}},
    )
    layer.current_size = DIAMETER_UM / mpp
    return layer


def _features(nuclei: Nuclei) -> pd.DataFrame:
    """Return what hovering over a nucleus shows, a line per column."""
    names = [*nuclei.scheme.names, "no class yet"]
    label = np.where(nuclei.label < 0, len(names) - 1, nuclei.label)
    spoken = [ORIGIN_NAMES[o] for o in Origin]
    return pd.DataFrame(
        {
            "class": pd.Categorical.from_codes(label, names),
            "probability": np.where(nuclei.human, np.nan, nuclei.confidence),
            "said by": pd.Categorical.from_codes(nuclei.origin, spoken),
            "nucleus": nuclei.ids,
        }
    )

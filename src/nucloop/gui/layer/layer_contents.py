"""What is written into napari's Points layer: a whole window of nuclei, or only what an edit has changed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from nucloop.gui.canvas.colouring import rim_colours
from nucloop.gui.layer.points_style import hover_features
from nucloop.gui.napari_private.points_parts import told_nobody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Points
    from numpy.typing import NDArray

    from nucloop.nuclei import Nuclei

__all__ = ["one_update", "write_labels", "write_texts", "write_window"]


def write_window(
    layer: Points, window: Nuclei, fill: NDArray[np.float32], visible: NDArray[np.bool_], rimmed: bool
) -> None:
    """Put nuclei into a layer in place of what it held, within `one_update`; hovering says nothing for the moment.

    Parameters
    ----------
    layer : Points layer
    window : Nuclei
    fill : (N, 4) array
        Their colours.
    visible : (N,) array
    rimmed : bool
        Whether a rim says who has spoken.
    """
    # napari would carry the texts of other nuclei over, which is as wrong as it is dear
    layer.features = None
    layer.data = window.yx.copy()
    if len(window):
        # in place: napari's setters look at every colour several times
        layer.face_color[:], layer.border_color[:] = _colours(window, fill, visible, rimmed)
        layer.shown = visible


def write_labels(
    layer: Points,
    rows: NDArray[np.int64],
    window: Nuclei,
    fill: NDArray[np.float32],
    visible: NDArray[np.bool_],
    rimmed: bool,
) -> None:
    """Give the nuclei in some rows, (K,), their colours, which are still to be drawn; texts are for `write_texts`."""
    layer.face_color[rows], layer.border_color[rows] = _colours(window, fill, visible, rimmed)
    if (layer.shown[rows] != visible).any():
        shown = layer.shown.copy()
        shown[rows] = visible
        layer.shown = shown


def _colours(
    window: Nuclei, fill: NDArray[np.float32], visible: NDArray[np.bool_], rimmed: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what discs are filled with and their rims; without rims these are of the same colour."""
    rim = rim_colours(window) if rimmed else fill
    # napari draws points that are not shown all the same while a layer has no further dimensions
    return np.where(visible[:, None], fill, np.float32(0)), np.where(visible[:, None], rim, np.float32(0))


def write_texts(layer: Points, window: Nuclei) -> None:
    """Write what hovering over the nuclei of a layer says."""
    # they are in no label on the canvas, which would be drawn once more
    with layer.events.blocker_all(), layer.text.events.blocker_all():
        layer.features = hover_features(window)
    layer.events.features()


@contextmanager
def one_update(layer: Points, same_rows: bool) -> Iterator[None]:
    """Let a layer draw once after several properties were set, not after each of them."""
    with told_nobody(layer):
        yield
    # the small picture in the layer list shows where nuclei are, which an edit in place hardly changes
    layer.refresh(extent=not same_rows, thumbnail=not same_rows)

"""What the Points layer of nuclei looks like, and what hovering over one of them says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from napari.layers import Points

from nucloop.gui.canvas.colouring import ORIGIN_NAMES
from nucloop.gui.canvas.view import placement
from nucloop.gui.napari_private.status_reading import read_when_whole
from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from napari.layers import Image

    from nucloop.nuclei import Nuclei

__all__ = [
    "DIAMETER_UM",
    "LAYER_NAME",
    "SCREEN_LIMITS",
    "disc_pixels",
    "empty_points",
    "give_way",
    "hover_features",
    "is_rimmed",
]

LAYER_NAME = "Nuclei"
DIAMETER_UM = 5.0
SCREEN_LIMITS = (3, 13)
"""Smallest and largest diameter on screen: seen from afar, and never hiding the nucleus when zoomed in."""
_BESIDE_OUTLINES = (3, 6)
"""The same while outlines are drawn: a disc says the class there too, and must not hide a small nucleus."""
_LEAST_RIMMED = 6
"""Diameter on screen, pixels, from which on there is room for a rim and the colour of the class within it."""
_ORIGINS = [ORIGIN_NAMES[origin] for origin in Origin]


def empty_points(image: Image, mpp: float) -> Points:
    """Return a Points layer without points that lies on an image, pixel for pixel."""
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
    read_when_whole(layer)
    return layer


def disc_pixels(pixel: float, mpp: float) -> float:
    """Return how large a disc would be on screen, pixels, were it not kept from being too small or too large.

    Parameters
    ----------
    pixel : float
        Level-0 pixels per pixel of the screen.
    mpp : float
        µm per level-0 pixel.
    """
    return DIAMETER_UM / mpp / pixel


def is_rimmed(layer: Points, disc: float) -> bool:
    """Whether discs that would be so large on screen, pixels, have rims: smaller ones would be nothing but rim."""
    return min(disc, layer.canvas_size_limits[1]) >= _LEAST_RIMMED


def give_way(layer: Points, *, outlined: bool) -> bool:
    """Have discs be small where outlines are drawn, and usual elsewhere; return whether that changed something."""
    limits = _BESIDE_OUTLINES if outlined else SCREEN_LIMITS
    if tuple(layer.canvas_size_limits) == limits:
        return False
    layer.canvas_size_limits = limits
    return True


def hover_features(nuclei: Nuclei) -> pd.DataFrame:
    """Return what hovering over a nucleus shows, a line per column."""
    names = [*nuclei.scheme.names, "no class yet"]
    label = np.where(nuclei.label < 0, len(names) - 1, nuclei.label)
    return pd.DataFrame(
        {
            "class": pd.Categorical.from_codes(label, names),
            "probability": np.where(nuclei.human, np.nan, nuclei.confidence),
            "said by": pd.Categorical.from_codes(nuclei.origin, _ORIGINS),
            "nucleus": nuclei.ids,
        }
    )

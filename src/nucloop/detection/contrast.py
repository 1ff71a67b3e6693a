"""Contrast: a nucleus is darker than the brightest of its surroundings; bare glass, specks and scratches are not.

Of a disc around a point the darkest quarter counts, so that a pale nucleus with a dark rim and a spindle of 2 by 8 µm
have contrast, and a speck of dust 2 µm wide has none. Of the surroundings the brightest tenth counts, so that nuclei
may touch. How the figures were chosen: docs/models.md.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.detection.stage import Window
    from nucloop.slides import Slide

__all__ = ["REACH_UM", "contrast_at", "has_contrast", "without_contrast"]

DISC_UM = 4.0
RING_UM = (6.0, 12.0)
REACH_UM = RING_UM[1]
"""How far around a point its surroundings are looked at."""
_DARKEST, _BRIGHTEST = 0.25, 0.1
_SPACING_UM = 1.0, 2.0


def contrast_at(pixels: NDArray[np.uint8], yx: NDArray[np.floating], mpp: float) -> NDArray[np.float32]:
    """Return by how much optical density a disc around each point is darker than its surroundings.

    Parameters
    ----------
    pixels : (H, W, 3) array
        Of a slide; where surroundings reach beyond, its border goes on.
    yx : (K, 2) array
        Points in these pixels, centres at integers.
    mpp : float
        µm per pixel.

    Returns
    -------
    (K,) float32 array
        Mean of the channels; below 0 where the disc is brighter.
    """
    nearest = np.floor(yx + 0.5).astype(np.intp)
    disc = _light_at(pixels, nearest, _places(0.0, DISC_UM, _SPACING_UM[0], mpp), _DARKEST)
    around = _light_at(pixels, nearest, _places(*RING_UM, _SPACING_UM[1], mpp), 1 - _BRIGHTEST)
    return np.asarray(np.log(around / disc) / 3, np.float32)


def has_contrast(
    slide: Slide, seen: tuple[Window, NDArray[np.uint8]], yx: NDArray[np.float64], mpp: float, least: float
) -> NDArray[np.bool_]:
    """Tell which points (K, 2) of the grid at `mpp` have at least this contrast; all of them where that is 0.

    `seen` is a window with what was read of the slide there.
    """
    if not least or not len(yx):
        return np.ones(len(yx), bool)
    window, pixels = seen
    height, width = slide.working_shape(mpp)
    on_slide = pixels[: height - window.top, : width - window.left]
    return contrast_at(on_slide, yx - window.origin, mpp) >= least


def without_contrast(count: int) -> str:
    """Say how many points were left out for want of contrast.

    >>> without_contrast(1), without_contrast(1200)
    ('1 point without contrast left out', '1,200 points without contrast left out')
    """
    return f"{count:,} {'point' if count == 1 else 'points'} without contrast left out"


def _light_at(
    pixels: NDArray[np.uint8], nearest: NDArray[np.intp], places: NDArray[np.intp], part: float
) -> NDArray[np.float64]:
    """Light at `places` (P, 2) around pixels (K, 2): more than this part of them have.

    The product of the channels: its logarithm is the sum of their densities, and takes its time once a point only.
    """
    y = (nearest[:, :1] + places[:, 0]).clip(0, pixels.shape[0] - 1)
    x = (nearest[:, 1:] + places[:, 1]).clip(0, pixels.shape[1] - 1)
    colours = pixels.reshape(-1, 3).take(y * pixels.shape[1] + x, axis=0).astype(np.int32) + 1
    light = colours[..., 0] * colours[..., 1] * colours[..., 2]
    rank = round(part * (len(places) - 1))
    return np.partition(light, rank, axis=1)[:, rank].astype(np.float64)


@lru_cache(maxsize=8)
def _places(inner: float, outer: float, spacing: float, mpp: float) -> NDArray[np.intp]:
    """Pixels on a grid between two circles around a pixel, in µm; at least one of each direction at any scale."""
    steps = np.arange(-outer, outer + spacing / 2, spacing)
    y, x = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    distance = np.hypot(y, x)
    inside = (distance >= inner) & (distance <= outer)
    return np.rint(np.stack([y[inside], x[inside]], 1) / mpp).astype(np.intp)

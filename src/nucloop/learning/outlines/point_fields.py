"""Pictures around the points of a slide, as training takes them: a few squares of it, whatever its size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.slides.tiling import points_by_tile
from nucloop.training.fields import Field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nucloop.slides import Slide

__all__ = ["MOST_FIELDS", "PointField", "point_fields"]

SIDE_UM = 256.0
"""Side of a square, µm."""
MOST_FIELDS = 24
"""Squares that are looked at: their nuclei are some thousands, and more teach nothing new in minutes."""
LEAST_POINTS = 5
"""Nuclei in a square that is worth reading."""
MARGIN_UM = 4.0
"""How far a picture reaches beyond its outermost points: farther there may be nuclei that nobody marked."""


@dataclass(frozen=True, kw_only=True)
class PointField(Field):
    """A part of a slide that was read already.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        At `mpp`.
    """

    rgb: NDArray[np.uint8]

    def read(self) -> NDArray[np.uint8]:
        """Return the picture, (H, W, 3)."""
        return self.rgb


def point_fields(slide: Slide, yx: NDArray[np.floating], mpp: float, most: int = MOST_FIELDS) -> Iterator[PointField]:
    """Read squares of a slide with their points, crowded ones more likely than others, as few as will do.

    Parameters
    ----------
    yx : (N, 2) array
        Level-0 pixels.
    mpp : float
        Resolution to read at, µm per pixel.

    Raises
    ------
    SlideError
        If the slide does not say its resolution, or is damaged.
    """
    points = (np.asarray(yx, np.float64)[slide.box.contains(yx)] + 0.5) * (slide.require_mpp() / mpp) - 0.5
    squares = [rows for _, rows in points_by_tile(points, round(SIDE_UM / mpp)) if len(rows) >= LEAST_POINTS]
    if len(squares) > most:
        crowds = np.array([len(rows) for rows in squares])
        # the same slide teaches the same twice
        chosen = np.random.default_rng(0).choice(len(squares), most, replace=False, p=crowds / crowds.sum())
        squares = [squares[k] for k in np.sort(chosen)]
    for rows in squares:
        yield _field(slide, points, points[rows], mpp)


def _field(slide: Slide, points: NDArray[np.float64], inside: NDArray[np.float64], mpp: float) -> PointField:
    """Read what lies around the points `inside` of a square; all `points` there go with it."""
    end = np.array(slide.working_shape(mpp))
    low = np.floor(inside.min(0) - MARGIN_UM / mpp).astype(int).clip(0)
    high = np.minimum(np.ceil(inside.max(0) + MARGIN_UM / mpp).astype(int) + 1, end)
    rgb = slide.read_working(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]), mpp)
    local = points[((points >= low) & (points <= high - 1)).all(1)] - low
    return PointField(
        image=Path(slide.name),
        yx=local.astype(np.float32),
        label=np.full(len(local), -1, np.int16),
        mpp=mpp,
        group=slide.name,
        rgb=rgb,
    )

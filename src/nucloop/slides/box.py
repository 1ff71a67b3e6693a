"""A rectangle in level-0 pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels of level 0; it may reach outside a slide."""

    y: int
    """First row."""
    x: int
    """First column."""
    height: int
    """Rows, not negative."""
    width: int
    """Columns, not negative."""

    def __post_init__(self) -> None:
        if self.height < 0 or self.width < 0:
            raise ValueError(f"a box of {self.height} x {self.width} pixels does not exist")

    @property
    def area(self) -> int:
        """Number of pixels; 0 for an empty box."""
        return self.height * self.width

    @property
    def corners(self) -> NDArray[np.float64]:
        """The outer edges of its pixels, (4, 2) of (y, x)."""
        top, left, bottom, right = self.y - 0.5, self.x - 0.5, self.y + self.height - 0.5, self.x + self.width - 0.5
        return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])

    def intersect(self, other: "Box") -> "Box":
        """Return the common part of two boxes, a box of area 0 when they do not meet."""
        top, left = max(self.y, other.y), max(self.x, other.x)
        bottom = min(self.y + self.height, other.y + other.height)
        right = min(self.x + self.width, other.x + other.width)
        return Box(top, left, max(0, bottom - top), max(0, right - left))

    def grow(self, margin: int) -> "Box":
        """Return the box with `margin` pixels more on each side."""
        return Box(self.y - margin, self.x - margin, self.height + 2 * margin, self.width + 2 * margin)

    def contains(self, yx: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which points lie on the pixels of the box.

        Pixel centres are at integers, so a pixel reaches half a unit to each side. The lower edges
        belong to the box and the upper ones to the next: boxes that tile a slide share no point.

        Parameters
        ----------
        yx : (N, 2) array
            Points as (y, x) in level-0 pixels.

        Returns
        -------
        (N,) bool array
        """
        points = np.asarray(yx, dtype=np.float64).reshape(-1, 2)
        y, x = points[:, 0] + 0.5, points[:, 1] + 0.5
        inside = (y >= self.y) & (y < self.y + self.height)
        return np.asarray(inside & (x >= self.x) & (x < self.x + self.width))

"""From a label image to outlines, without a loop over nuclei.

Outlines run along the cracks between pixels. All cracks of a picture are found, linked and put into order at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.outlines import FEWEST_CORNERS, Outlines

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["outlines_of"]

STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])
"""Way along the upper, right, lower and left side of a pixel, clockwise."""
OUTWARD = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
"""Way out of the pixel there."""
ROUNDS = 2
"""How often every other corner is asked whether it is needed."""


def outlines_of(
    labels: NDArray[np.int32],
    count: int,
    surface: NDArray[np.floating] | None = None,
    level: float = 0.5,
    tolerance: float = 0.0,
) -> Outlines:
    """Trace labels 1 to `count`; of a label in several pieces the largest counts, and holes are filled.

    Parameters
    ----------
    labels : (H, W) int32
        0 is ground. Pixels of one piece share sides.
    surface : (H, W), optional
        What the labels were cut from: an outline to the ground then runs where it crosses `level` between two pixels,
        and half way between them otherwise.
    tolerance : float
        How far a corner that is left out may lie from the outline, pixels.

    Returns
    -------
    Outlines
        Corners in pixels of the picture, pixel centres at integers. Without `surface` and `tolerance` an outline
        holds the centres of its label's pixels and no others.
    """
    cracks = _Cracks(np.pad(labels, 1))
    if not len(cracks):
        return Outlines.none(count)
    loop, order = _ordered(cracks.following())
    shift = np.full(len(order), 0.5) if surface is None else cracks.crossing(np.pad(surface, 1), level)
    corners = cracks.corners(shift)[order]
    label, loop = cracks.label[order], loop[order]
    ends = _ends(loop)
    kept = _largest(_areas(corners, ends), label[ends[:-1]], count)
    corners, ends = _picked(corners, ends, kept)
    flat = 0.0
    for k in range(ROUNDS if tolerance else 1):
        corners, ends = _thinned(corners, ends, tolerance or flat, k % 2)
    # the corners lie on the padded picture
    return _table(corners - 1, ends, label_of=label[_ends(loop)[:-1]][kept], count=count)


class _Cracks:
    """Sides of pixels with another label beyond: pixel (y, x), side, label, of each."""

    def __init__(self, labels: NDArray[np.int32]) -> None:
        self._labels, self._width = labels, labels.shape[1]
        flat = labels.ravel()
        inner = np.flatnonzero(flat)
        beyond = flat[inner[:, None] + self._offsets(OUTWARD)]
        row, self.side = (beyond != flat[inner, None]).nonzero()
        self.pixel = inner[row]
        self.label = flat[self.pixel]

    def __len__(self) -> int:
        return len(self.pixel)

    def _offsets(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        offsets: NDArray[np.int64] = steps @ np.array([self._width, 1])
        return offsets

    def following(self) -> NDArray[np.int64]:
        """Which crack comes after each one, clockwise around its label."""
        flat = self._labels.ravel()
        ahead = self.pixel + self._offsets(STEPS)[self.side]
        aside = ahead + self._offsets(OUTWARD)[self.side]
        round_corner = flat[ahead] != self.label
        inward = ~round_corner & (flat[aside] == self.label)
        pixel = np.where(round_corner, self.pixel, np.where(inward, aside, ahead))
        side = (self.side + round_corner - inward) % 4
        place = np.full(4 * flat.size, -1, np.int32)
        place[4 * self.pixel + self.side] = np.arange(len(self), dtype=np.int32)
        following: NDArray[np.int64] = place[4 * pixel + side].astype(np.int64)
        return following

    def crossing(self, surface: NDArray[np.floating], level: float) -> NDArray[np.float64]:
        """How far from its pixel's centre each crack is crossed, 0 to 1."""
        beyond = self.pixel + self._offsets(OUTWARD)[self.side]
        inside, outside = surface.ravel()[self.pixel].astype(np.float64), surface.ravel()[beyond]
        shift = (inside - level) / np.maximum(inside - outside, 1e-6)
        sloping = (self._labels.ravel()[beyond] == 0) & (inside > level) & (outside < level)
        # where it would be all but in a pixel's centre, two corners would fall together
        return np.where(sloping, shift.clip(0.05, 0.95), 0.5)

    def corners(self, shift: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places (E, 2) on the cracks, so far from their pixels' centres."""
        y, x = np.divmod(self.pixel, self._width)
        places: NDArray[np.float64] = np.stack([y, x], 1) + shift[:, None] * OUTWARD[self.side]
        return places


def _ordered(following: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the loop of each link, and an order in which loops lie one after another, each along its chain.

    Pointers are doubled: after k rounds a link knows 2**k links ahead.
    """
    own = np.arange(len(following))
    loop, jump = own, following
    while True:
        further = np.minimum(loop, loop[jump])
        if np.array_equal(further, loop):
            break
        loop, jump = further, jump[jump]
    # links to go until the loop begins again
    last = following == loop
    jump, left = np.where(last, own, following), (~last).astype(np.int64)
    while True:
        more = left[jump]
        if not more.any():
            break
        left, jump = left + more, jump[jump]
    return loop, np.lexsort((-left, loop))


def _ends(loop: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where runs of equal numbers begin, and the length."""
    return np.concatenate([[0], np.flatnonzero(np.diff(loop)) + 1, [len(loop)]]).astype(np.int64)


def _after(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the next corner of each, around its loop."""
    after = np.arange(1, ends[-1] + 1)
    after[ends[1:] - 1] = ends[:-1]
    return after


def _areas(corners: NDArray[np.float64], ends: NDArray[np.int64]) -> NDArray[np.float64]:
    """Signed areas; holes, which run the other way round, are negative."""
    ahead = corners[_after(ends)]
    double = corners[:, 0] * -ahead[:, 1] + corners[:, 1] * ahead[:, 0]
    areas: NDArray[np.float64] = np.add.reduceat(double, ends[:-1]) / 2
    return areas


def _largest(areas: NDArray[np.float64], label: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the loop of largest area of each label that has one, labels rising."""
    order = np.lexsort((-areas, label))
    first = np.unique(label[order], return_index=True)[1]
    return order[first]


def _picked(
    corners: NDArray[np.float64], ends: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    counts = np.diff(ends)[rows]
    new = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    places = np.arange(new[-1]) + np.repeat(ends[:-1][rows] - new[:-1], counts)
    return corners[places], new


def _thinned(
    corners: NDArray[np.float64], ends: NDArray[np.int64], tolerance: float, parity: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Leave out corners that lie on the line between their neighbours; of two neighbours only one may go at a time."""
    counts = np.diff(ends)
    after = _after(ends)
    before = np.empty_like(after)
    before[after] = np.arange(len(after))
    chord, arm = corners[after] - corners[before], corners - corners[before]
    cross = np.abs(chord[:, 0] * arm[:, 1] - chord[:, 1] * arm[:, 0])
    straight = cross <= max(tolerance, 1e-9) * np.hypot(*chord.T)
    if tolerance:
        within = np.arange(len(corners)) - np.repeat(ends[:-1], counts)
        # the last corner of an odd loop stands beside the first
        straight &= (within % 2 == parity) & (within < np.repeat(counts - counts % 2, counts))
        straight &= np.repeat(counts > 2 * FEWEST_CORNERS, counts)
    kept = ~straight
    new = np.concatenate([[0], np.cumsum(np.add.reduceat(kept, ends[:-1], dtype=np.int64))]).astype(np.int64)
    return corners[kept], new


def _table(
    corners: NDArray[np.float64], ends: NDArray[np.int64], *, label_of: NDArray[np.int32], count: int
) -> Outlines:
    """Give every label its row; labels without pixels have none."""
    counts = np.zeros(count, np.int64)
    counts[label_of - 1] = np.diff(ends)
    return Outlines(corners.astype(np.float32), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))

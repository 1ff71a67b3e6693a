"""Fields of one size to count nuclei in: at random all over the tissue, or where most nuclei crowd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from nucloop.geometry import in_any
from nucloop.slides import Box

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from nucloop.geometry import Region

    Corners = NDArray[np.int64]

__all__ = ["hot_fields", "random_fields"]

_LEAST_TISSUE = 0.5
"""A field with a smaller share of tissue is none."""
_STEPS = 8
"""Hot fields, and grids where the first one has no room, are tried an eighth of their side apart."""


def random_fields(
    tissue: NDArray[np.bool_],
    pixel: float,
    side: int,
    count: int,
    seed: int,
    taken: Sequence[Region] = (),
    within: Sequence[Region] = (),
) -> list[Box]:
    """Place fields by systematic uniform random sampling: a grid put down at random, and every k-th of its fields.

    Where the grid has too few fields, as within a region that is hardly larger than one, others are tried.

    Parameters
    ----------
    tissue : (h, w) array of bool
        A small picture of the slide.
    pixel : float
        Level-0 pixels per pixel of it.
    side : int
        Of a field, level-0 pixels.
    count : int
        How many are wanted; there may be fewer where the tissue has no room.
    seed : int
        The same seed gives the same fields.
    taken : sequence of Region
        Where no part of a field may lie.
    within : sequence of Region
        Each field lies in one of them as a whole; by default anywhere.

    Returns
    -------
    list of Box
        They do not overlap, and lie on the slide as a whole.
    """
    random = np.random.default_rng(seed)
    height, width = (int(length * pixel) for length in tissue.shape)
    sums, least = _summed(tissue.astype(np.float64)), _LEAST_TISSUE * (side / pixel) ** 2

    def room() -> Iterator[Corners]:
        for top, left in _grids(random, side):
            rows, columns = np.arange(top, height - side + 1, side), np.arange(left, width - side + 1, side)
            corners = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
            corners = corners[_within(sums, corners, side, pixel) >= least]
            yield corners[_free(corners, side, taken, within)]

    tried: list[Corners] = []
    for corners in room():
        if len(corners) >= count:
            step = len(corners) / count
            start = random.uniform(0, step)
            return _boxes(corners[[int(start + k * step) for k in range(count)]], side)
        tried.append(corners)
    tried.sort(key=len, reverse=True)
    return _apart(np.concatenate(tried), side, count)


def hot_fields(
    yx: NDArray[np.floating],
    shape: tuple[int, int],
    side: int,
    count: int,
    taken: Sequence[Region] = (),
    within: Sequence[Region] = (),
) -> list[Box]:
    """Place fields where most of some nuclei crowd, the fullest first.

    Parameters
    ----------
    yx : (N, 2) array
        The nuclei that make a place hot, level-0 pixels.
    shape : two integers
        Of the slide.
    side, count, taken, within
        As for `random_fields`.

    Returns
    -------
    list of Box
        They do not overlap, and each holds a nucleus.
    """
    step = max(side // _STEPS, 1)
    across = side // step
    rows, columns = (length // step for length in shape)
    if within:
        yx = yx[in_any(yx, within)]
    if rows < across or columns < across or not len(yx):
        return []
    edges = [np.arange(n + 1) * step - 0.5 for n in (rows, columns)]
    sums = _summed(np.histogram2d(yx[:, 0], yx[:, 1], edges)[0])
    held = sums[across:, across:] - sums[:-across, across:] - sums[across:, :-across] + sums[:-across, :-across]
    fullest = np.argsort(-held, axis=None, kind="stable")[: np.count_nonzero(held >= 1)]
    corners = np.stack(np.unravel_index(fullest, held.shape), -1) * step
    return _apart(corners[_free(corners, side, taken, within)], side, count)


def _grids(random: np.random.Generator, side: int) -> Iterator[tuple[int, int]]:
    """Where a grid begins, (y, x): first anywhere at random, then a step further each time, in random order."""
    top, left = random.integers(0, side, 2).tolist()
    yield top, left
    for place in random.permutation(np.arange(1, _STEPS**2)).tolist():
        down, right = (side * steps // _STEPS for steps in divmod(place, _STEPS))
        yield (top + down) % side, (left + right) % side


def _free(corners: Corners, side: int, taken: Sequence[Region], within: Sequence[Region]) -> NDArray[np.bool_]:
    """Tell which squares lie in one of some regions as a whole, and share no ground with others: (N,) bool."""
    top, left = corners[:, 0] - 0.5, corners[:, 1] - 0.5
    squares = shapely.box(left, top, left + side, top + side)
    free = np.full(len(squares), not within)
    for region in within:
        free |= shapely.covers(region.shape, squares)
    for region in taken:
        near = np.flatnonzero(free)
        near = near[shapely.intersects(region.shape, squares[near])]
        free[near[shapely.relate_pattern(region.shape, squares[near], "T********")]] = False
    return free


def _apart(corners: Corners, side: int, count: int) -> list[Box]:
    """Return the first squares that do not overlap."""
    chosen: list[Box] = []
    while len(corners) and len(chosen) < count:
        chosen += _boxes(corners[:1], side)
        corners = corners[(np.abs(corners - corners[0]) >= side).any(axis=1)]
    return chosen


def _boxes(corners: Corners, side: int) -> list[Box]:
    return [Box(y, x, side, side) for y, x in corners.tolist()]


def _summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of all above and to the left, with a row and a column of zeros before them."""
    return np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)


def _within(sums: NDArray[np.float64], corners: Corners, side: int, pixel: float) -> NDArray[np.float64]:
    last = np.array(sums.shape) - 1
    (a, c), (b, d) = (np.clip(np.round(place / pixel).astype(int), 0, last).T for place in (corners, corners + side))
    return np.asarray(sums[b, d] - sums[a, d] - sums[b, c] + sums[a, c])

"""Fields of one size to count nuclei in: at random all over the tissue, or where most nuclei crowd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.slides import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["hot_fields", "random_fields"]

_LEAST_TISSUE = 0.5
"""A field with a smaller share of tissue is none."""
_STEPS = 8
"""Hot fields are tried an eighth of their side apart."""


def random_fields(
    tissue: NDArray[np.bool_], pixel: float, side: int, count: int, seed: int, taken: Sequence[Box] = ()
) -> list[Box]:
    """Place fields by systematic uniform random sampling: a grid put down at random, and every k-th of its fields.

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
    taken : sequence of Box
        Where no field may lie.

    Returns
    -------
    list of Box
        They do not overlap, and lie on the slide as a whole.
    """
    random = np.random.default_rng(seed)
    height, width = (int(length * pixel) for length in tissue.shape)
    top, left = random.integers(0, side, 2).tolist()
    corners = [(y, x) for y in range(top, height - side + 1, side) for x in range(left, width - side + 1, side)]
    sums = _summed(tissue.astype(np.float64))
    least = _LEAST_TISSUE * (side / pixel) ** 2
    boxes = [Box(y, x, side, side) for y, x in corners]
    boxes = [box for box in boxes if _within(sums, box, pixel) >= least and not _overlaps(box, taken)]
    if len(boxes) <= count:
        return boxes
    step = len(boxes) / count
    start = random.uniform(0, step)
    return [boxes[int(start + k * step)] for k in range(count)]


def hot_fields(
    yx: NDArray[np.floating], shape: tuple[int, int], side: int, count: int, taken: Sequence[Box] = ()
) -> list[Box]:
    """Place fields where most of some nuclei crowd, the fullest first.

    Parameters
    ----------
    yx : (N, 2) array
        The nuclei that make a place hot, level-0 pixels.
    shape : two integers
        Of the slide.
    side, count, taken
        As for `random_fields`.

    Returns
    -------
    list of Box
        They do not overlap, and each holds a nucleus.
    """
    step = max(side // _STEPS, 1)
    across = side // step
    rows, columns = (length // step for length in shape)
    if rows < across or columns < across or not len(yx):
        return []
    edges = [np.arange(n + 1) * step - 0.5 for n in (rows, columns)]
    sums = _summed(np.histogram2d(yx[:, 0], yx[:, 1], edges)[0])
    held = sums[across:, across:] - sums[:-across, across:] - sums[across:, :-across] + sums[:-across, :-across]
    chosen: list[Box] = []
    for place in np.argsort(-held, axis=None, kind="stable"):
        row, column = np.unravel_index(place, held.shape)
        if len(chosen) == count or held[row, column] < 1:
            break
        box = Box(int(row) * step, int(column) * step, side, side)
        if not _overlaps(box, [*taken, *chosen]):
            chosen.append(box)
    return chosen


def _summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of all above and to the left, with a row and a column of zeros before them."""
    return np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)


def _within(sums: NDArray[np.float64], box: Box, pixel: float) -> float:
    rows = np.clip(np.round(np.array([box.y, box.y + box.height]) / pixel).astype(int), 0, len(sums) - 1)
    columns = np.clip(np.round(np.array([box.x, box.x + box.width]) / pixel).astype(int), 0, sums.shape[1] - 1)
    (a, b), (c, d) = rows.tolist(), columns.tolist()
    return float(sums[b, d] - sums[a, d] - sums[b, c] + sums[a, c])


def _overlaps(box: Box, others: Sequence[Box]) -> bool:
    return any(box.intersect(other).area > 0 for other in others)

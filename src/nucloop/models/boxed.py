"""From a map of nuclear pixels and detected boxes to nuclei: each pixel goes to a detection, within its box."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.special import expit

from nucloop.models.segmented import Sizes, flooded, proposals_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.models.donuseg import DonusegConfig
    from nucloop.models.proposals import Proposals

__all__ = ["propose", "reach"]

FINER = 2
"""How much finer than the network's answer outlines are drawn."""


def propose(output: NDArray[np.float32], config: DonusegConfig, threshold: float) -> Proposals:
    """Turn one window's output (7, h, w) into nuclei with outlines; the score is the detection's."""
    cells = output[1:, ::2, ::2]
    yx, score, boxes = _detected(cells, config, threshold)
    probability = _finer(expit(output[0]))
    step = config.stride / FINER
    inside = ndimage.binary_fill_holes(probability >= config.cut)
    seeds = np.zeros(inside.shape, np.int32)
    places = np.round((yx + 0.5) / step - 0.5).astype(int)
    places = places.clip(0, np.array(inside.shape) - 1)
    seeds[tuple(places.T)] = np.arange(1, len(yx) + 1)
    labels = flooded(-ndimage.gaussian_filter(probability, 1.0), seeds, inside | (seeds > 0))
    labels = _within(labels, places, boxes * config.box / step)
    labels[~inside] = 0
    sizes = Sizes(step=step, mpp=config.mpp, least_um2=config.least_um2, largest_um=config.largest_um)
    return proposals_of(labels, probability, config.cut, score, sizes)


def _detected(
    cells: NDArray[np.float32], config: DonusegConfig, threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float64]]:
    """Places (K, 2) and boxes (K, 4: up, left, down, right) in working pixels, and scores, of the peaks of a map."""
    stride = 2 * config.stride
    score = np.sqrt(expit(cells[0]) * expit(cells[1]))
    # a peak of the smoothed map, with none higher nearer than nuclei lie to each other
    smooth = ndimage.gaussian_filter(score, 0.7)
    around = max(round(config.apart_um / (stride * config.mpp)), 1)
    peak = smooth == ndimage.maximum_filter(smooth, 2 * around + 1, mode="constant")
    cell = np.argwhere(peak & (score >= threshold))
    boxes = cells[2:, cell[:, 0], cell[:, 1]].T.astype(np.float64) * stride
    # the middle of the box, unless that lies beyond the cell's neighbours
    middle = ((boxes[:, 2:] - boxes[:, :2]) / 2).clip(-stride, stride)
    yx = cell * stride + (stride - 1) / 2 + middle
    half = np.tile((boxes[:, :2] + boxes[:, 2:]) / 2, 2)
    return yx, score[cell[:, 0], cell[:, 1]], half


def _within(labels: NDArray[np.int32], places: NDArray[np.int64], half: NDArray[np.float64]) -> NDArray[np.int32]:
    """Take away what lies outside the boxes around `places` (K, 2), half of whose sides are given (K, 4)."""
    pixels = np.flatnonzero(labels)
    number = labels.ravel()[pixels] - 1
    y, x = np.divmod(pixels, labels.shape[1])
    outside = np.abs(y - places[number, 0]) > half[number, 0]
    outside |= np.abs(x - places[number, 1]) > half[number, 1]
    left = labels.copy()
    left.ravel()[pixels[outside]] = 0
    return left


def _finer(surface: NDArray[np.float32]) -> NDArray[np.float32]:
    """Enlarge a map (h, w) by `FINER`, linearly, pixel centres where they belong."""
    finer: NDArray[np.float32] = ndimage.zoom(surface, FINER, order=1, mode="nearest", grid_mode=True)
    return finer


def reach(config: DonusegConfig) -> int:
    """Return how far a nucleus may reach from its centre, working pixels."""
    return int(np.ceil(config.largest_um / config.mpp))

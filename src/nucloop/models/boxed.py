"""From maps of nuclear pixels and of boxes to nuclei: each pixel goes to a detection, within the ellipse in its box.

Where nuclei are may be known already, by points that a person or a detector put: pixels then go to these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.special import expit

from nucloop.models.segmented import Sizes, flooded, proposals_of, traced
from nucloop.outlines import Outlines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.models.donuseg import DonusegConfig
    from nucloop.models.proposals import Proposals

__all__ = ["outlined", "propose", "reach"]

FINER = 2
"""How much finer than the network's answer outlines are drawn."""


def propose(output: NDArray[np.float32], config: DonusegConfig, threshold: float) -> Proposals:
    """Turn one window's output (7, h, w) into nuclei with outlines; the score is the detection's."""
    yx, score, boxes = _detected(_cells(output), config, threshold)
    labels, probability = _grown(output, config, yx, boxes)
    return proposals_of(labels, probability, config.cut, score, _sizes(config))


def outlined(output: NDArray[np.float32], config: DonusegConfig, yx: NDArray[np.floating]) -> Outlines:
    """Outlines of points (K, 2) in working pixels of a window, from the network's output (7, h, w) for it.

    None where the network sees no nucleus at a point, or one that is too small or too large.
    """
    cells, stride = _cells(output), 2 * config.stride
    cell = np.floor((yx + 0.5) / stride).astype(np.int64).clip(0, np.array(cells.shape[1:]) - 1)
    labels, probability = _grown(output, config, yx, _halves(cells[2:, cell[:, 0], cell[:, 1]], stride))
    _, outlines, kept = traced(labels, len(yx), probability, config.cut, _sizes(config))
    # behind the last one stands none
    with_none = Outlines.concatenate([outlines, Outlines.none(1)])
    return with_none.take(np.where(kept, np.arange(len(yx)), len(yx)))


def _cells(output: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the detection says of each of its cells, (6, h / 2, w / 2)."""
    return output[1:, ::2, ::2]


def _sizes(config: DonusegConfig) -> Sizes:
    step = config.stride / FINER
    return Sizes(step=step, mpp=config.mpp, least_um2=config.least_um2, largest_um=config.largest_um)


def _grown(
    output: NDArray[np.float32], config: DonusegConfig, yx: NDArray[np.floating], boxes: NDArray[np.floating]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Give nuclear pixels to the nuclei at `yx` (K, 2): labels 1 to K, and the probability of nucleus, (h, w) each.

    Both are finer than `output` by `FINER`. `boxes` are halves of the nuclei's boxes, (K, 2), working pixels.
    """
    probability = _finer(expit(output[0]))
    step = config.stride / FINER
    inside = ndimage.binary_fill_holes(probability >= config.cut)
    seeds = np.zeros(inside.shape, np.int32)
    places = np.round((yx + 0.5) / step - 0.5).astype(int)
    places = places.clip(0, np.array(inside.shape) - 1)
    seeds[tuple(places.T)] = np.arange(1, len(yx) + 1)
    labels = flooded(-ndimage.gaussian_filter(probability, 1.0), seeds, inside | (seeds > 0))
    labels = _within(labels, places, np.asarray(boxes, np.float64) * config.box / step)
    labels[~inside] = 0
    return labels, probability


def _detected(
    cells: NDArray[np.float32], config: DonusegConfig, threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float64]]:
    """Places (K, 2) and halves of boxes (K, 2), in working pixels, and scores, of the peaks of a map."""
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
    return yx, score[cell[:, 0], cell[:, 1]], _halves(boxes.T / stride, stride)


def _halves(sides: NDArray[np.floating], stride: int) -> NDArray[np.float64]:
    """Halves of boxes (K, 2), working pixels, from how far they reach up, left, down and right (4, K), in cells."""
    half: NDArray[np.float64] = np.maximum((sides[:2] + sides[2:]).T.astype(np.float64) * (stride / 2), 1.0)
    return half


def _within(labels: NDArray[np.int32], places: NDArray[np.int64], half: NDArray[np.float64]) -> NDArray[np.int32]:
    """Take away what lies outside ellipses around `places` (K, 2), as high and wide as boxes given by half their sides.

    Nuclei are round: corners of boxes are none of theirs.
    """
    pixels = np.flatnonzero(labels)
    number = labels.ravel()[pixels] - 1
    y, x = np.divmod(pixels, labels.shape[1])
    down, across = (y - places[number, 0]) / half[number, 0], (x - places[number, 1]) / half[number, 1]
    outside = down**2 + across**2 > 1
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

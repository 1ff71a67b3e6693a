"""From maps of pixels and distances to nuclei: HoVer-Net's energy, markers and watershed, for a whole tile at once.

Graham et al., "HoVer-Net", Medical Image Analysis 2019. Theirs stretches each tile's values to between 0 and 1, so that
a nucleus depends on its neighbours on the tile; here a border is what falls by a fixed share of a whole jump.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.special import expit

from nucloop.models.segmented import Sizes, flooded, means_of, proposals_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.models.histonext import HistonextConfig
    from nucloop.models.proposals import Proposals

__all__ = ["energy_of", "propose", "reach", "separated"]

SLOPE_UM = 0.5
"""Width (standard deviation) over which a fall of the distances is measured, µm."""
MARKER_UM2 = 2.0
"""Area of the smallest marker, µm²."""


def energy_of(distances: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """How much the distances (2, h, w) fall at each pixel: 1 for a jump from 1 to -1, below 0 inside nuclei."""
    whole = 2 / (sigma * np.sqrt(2 * np.pi))
    down = ndimage.gaussian_filter(distances[0], sigma, order=(1, 0))
    across = ndimage.gaussian_filter(distances[1], sigma, order=(0, 1))
    energy: NDArray[np.float32] = np.maximum(-down, -across) / np.float32(whole)
    return energy


def separated(
    inside: NDArray[np.bool_], energy: NDArray[np.float32], border: float, least_marker: float
) -> tuple[NDArray[np.int32], int]:
    """Return the numbered nuclei of a mask (h, w), each grown from a marker: a part without a border in it.

    Parts of the mask that hold no marker of `least_marker` pixels are one nucleus each.
    """
    markers, count = ndimage.label(_opened(inside & (energy < border)))
    if count:
        size = np.bincount(markers.ravel(), minlength=count + 1)
        markers[(size < least_marker)[markers]] = 0
    clumps, pieces = ndimage.label(inside)
    marked = np.zeros(pieces + 1, bool)
    marked[clumps[markers > 0]] = True
    marked[0] = True
    markers = np.where(marked[clumps], markers, clumps + count)
    labels = flooded(energy, markers, inside)
    return _numbered(labels)


def _opened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cut thin bridges."""
    opened: NDArray[np.bool_] = ndimage.binary_opening(mask, ndimage.generate_binary_structure(2, 1))
    return opened


def _numbered(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
    """Return labels from 1 without gaps, and how many there are."""
    there = np.bincount(labels.ravel()) > 0
    there[0] = False
    number = np.cumsum(there, dtype=np.int32)
    return np.where(labels > 0, number[labels], 0).astype(np.int32), int(number[-1])


def propose(output: NDArray[np.float32], config: HistonextConfig, threshold: float) -> Proposals:
    """Turn one window's output (C, h, w) into nuclei with outlines; the score is the mean probability inside."""
    probability = expit(output[0])
    inside = ndimage.binary_fill_holes(probability >= config.cut)
    energy = energy_of(output[1:3], SLOPE_UM / config.cell_um)
    labels, count = separated(inside, energy, config.border, MARKER_UM2 / config.cell_um**2)
    score = means_of(labels, count, [probability])[:, 0]
    sizes = Sizes(step=config.stride, mpp=config.mpp, least_um2=config.least_um2, largest_um=config.largest_um)
    classes = _classes(output[3:], labels, count) if config.classes else None
    return proposals_of(labels, probability, config.cut, score, sizes, threshold=threshold, probability=classes)


def _classes(logits: NDArray[np.float32], labels: NDArray[np.int32], count: int) -> NDArray[np.float32]:
    """Return the mean probability of each class inside each nucleus, (count, C), ground aside."""
    shifted = np.exp(logits - logits.max(0))
    mean = means_of(labels, count, shifted / shifted.sum(0))[:, 1:]
    share: NDArray[np.float32] = (mean / np.maximum(mean.sum(1, keepdims=True), 1e-9)).astype(np.float32)
    return share


def reach(config: HistonextConfig) -> int:
    """Return how far a nucleus may reach from its centre, working pixels."""
    return int(np.ceil(config.largest_um / config.mpp))

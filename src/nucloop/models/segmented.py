"""From a label image to proposals: which labels are nuclei, where, and what the maps say inside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from skimage.segmentation import watershed

from nucloop.models.proposals import Proposals
from nucloop.models.tracing import outlines_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nucloop.outlines import Outlines

__all__ = ["Sizes", "centres_of", "extents_of", "flooded", "means_of", "proposals_of", "sizes_of", "traced"]

TOLERANCE = 0.15
"""How far a corner that is left out may lie from the outline, pixels of the label image."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Which labels are nuclei, and how large a pixel of the label image is."""

    step: float
    """Working pixels per pixel of the label image."""
    mpp: float
    """µm per working pixel."""
    least_um2: float
    """Area of the smallest nucleus, µm²."""
    largest_um: float
    """How far a nucleus may reach from its centre, µm: what reaches farther may be cut off by a window's edge."""


def flooded(
    heights: NDArray[np.floating], markers: NDArray[np.integer], inside: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Grow markers over a mask by watershed, (h, w)."""
    labels: NDArray[np.int32] = watershed(heights, markers, mask=inside).astype(np.int32)  # type: ignore[no-untyped-call]
    return labels


def sizes_of(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the numbers of pixels of labels 1 to `count`, (count,)."""
    return np.bincount(labels.ravel(), minlength=count + 1)[1:].astype(np.int64)


def centres_of(labels: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Return centres of gravity (count, 2) of labels 1 to `count`; NaN where one has no pixel."""
    pixels = np.flatnonzero(labels)
    number = labels.ravel()[pixels]
    y, x = np.divmod(pixels, labels.shape[1])
    size = np.bincount(number, minlength=count + 1)[1:]
    with np.errstate(invalid="ignore"):
        sums = (np.bincount(number, weights=axis, minlength=count + 1)[1:] for axis in (y, x))
        centres: NDArray[np.float64] = np.stack([total / size for total in sums], 1)
    return centres


def extents_of(labels: NDArray[np.int32], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far the farthest pixel of each label lies from its centre, in pixels, (count,)."""
    pixels = np.flatnonzero(labels)
    number = labels.ravel()[pixels] - 1
    y, x = np.divmod(pixels, labels.shape[1])
    farthest = np.zeros(len(centres))
    np.maximum.at(farthest, number, (y - centres[number, 0]) ** 2 + (x - centres[number, 1]) ** 2)
    extents: NDArray[np.float64] = np.sqrt(farthest)
    return extents


def means_of(
    labels: NDArray[np.int32], count: int, values: Sequence[NDArray[np.floating]] | NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the mean of each picture of `values` (C, H, W) inside labels 1 to `count`, (count, C)."""
    pixels = np.flatnonzero(labels)
    number = labels.ravel()[pixels]
    size = np.maximum(np.bincount(number, minlength=count + 1)[1:], 1)
    sums = [np.bincount(number, weights=one.ravel()[pixels], minlength=count + 1)[1:] for one in values]
    return np.stack(sums, 1) / size[:, None] if sums else np.zeros((count, 0))


def proposals_of(
    labels: NDArray[np.int32],
    surface: NDArray[np.floating],
    cut: float,
    score: NDArray[np.floating],
    sizes: Sizes,
    *,
    threshold: float = 0.0,
    probability: NDArray[np.float32] | None = None,
) -> Proposals:
    """Turn labels 1 to K into nuclei with outlines; left out are those too small, too large or below `threshold`.

    Parameters
    ----------
    labels : (h, w) int32
        0 is ground.
    surface : (h, w)
        What they were cut from, at `cut`.
    score : (K,)
        Of each.
    probability : (K, C), optional
        Of each class.
    """
    centres, outlines, kept = traced(labels, len(score), surface, cut, sizes)
    kept &= score >= threshold
    return Proposals(
        (centres[kept] + 0.5) * sizes.step - 0.5,
        score[kept].astype(np.float32),
        None if probability is None else probability[kept],
        outlines.take(kept),
    )


def traced(
    labels: NDArray[np.int32], count: int, surface: NDArray[np.floating], cut: float, sizes: Sizes
) -> tuple[NDArray[np.float64], Outlines, NDArray[np.bool_]]:
    """Trace labels 1 to `count`, (h, w), where they were cut from `surface`.

    Returns
    -------
    (count, 2), Outlines, (count,) bool
        Centres in pixels of the label image, outlines in working pixels, and which labels have the size of a nucleus.
    """
    pixel_um = sizes.step * sizes.mpp
    centres = centres_of(labels, count)
    outlines = outlines_of(labels, count, surface, cut, TOLERANCE)
    kept = (sizes_of(labels, count) >= sizes.least_um2 / pixel_um**2) & outlines.there
    kept &= extents_of(labels, centres) <= sizes.largest_um / pixel_um
    return centres, outlines.scaled(sizes.step), kept

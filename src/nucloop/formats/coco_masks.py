"""COCO's masks of one object: runs of pixels, plain or packed in text, as a place and an outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucloop.errors import MisfitError
from nucloop.formats.rings import ring_area

__all__ = ["Mask", "mask_of"]

_MOST_RUNS = 1_000_000
_MOST_PIXELS = 4_000_000
_MOST_BOX_PIXELS = 16_000_000
_LARGEST_IMAGE = 1 << 44
_MOST_DIGITS = 10


@dataclass(frozen=True)
class Mask:
    """What a mask says of a nucleus."""

    centre: tuple[float, float]
    """Mean of its pixels, (y, x), pixel centres at integers."""
    outline: NDArray[np.float64]
    """Around its largest piece, (K, 2) of (y, x), halfway between its pixels and those outside."""
    pieces: int


def mask_of(segmentation: dict[str, Any]) -> Mask | None:
    """Read a mask, without laying it out on its whole image.

    Parameters
    ----------
    segmentation : dict
        ``size`` (height, width) and ``counts``: lengths of runs down the columns, those outside first, as a list or as
        pycocotools' text.

    Returns
    -------
    Mask or None
        None where no pixel is set.

    Raises
    ------
    MisfitError
        If it is no such mask, or larger than any nucleus.
    """
    height, width = (int(side) for side in segmentation["size"])
    counts = segmentation["counts"]
    runs = np.array(_unpacked(counts) if isinstance(counts, str) else counts, np.int64)
    if runs.ndim != 1 or len(runs) > _MOST_RUNS or (runs < 0).any() or not 0 < height * width < _LARGEST_IMAGE:
        raise MisfitError("its mask is none")
    ends = np.cumsum(runs)
    if len(ends) and not 0 <= ends[-1] <= height * width:
        raise MisfitError("its mask is larger than its image")
    starts, lengths = ends[:-1:2], runs[1::2]
    total = int(lengths.sum())
    if total > _MOST_PIXELS:
        raise MisfitError(f"its mask has more than {_MOST_PIXELS:,} pixels")
    if not total:
        return None
    places = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(total)
    return _outlined(places % height, places // height)


def _unpacked(text: str) -> list[int]:
    """Read pycocotools' text: five bits a letter, from the third number on differences to the one before the last."""
    if len(text) > _MOST_RUNS * 3:
        raise MisfitError("its mask is none")
    counts: list[int] = []
    value = digits = 0
    for letter in text:
        part = ord(letter) - 48
        if not 0 <= part < 64 or digits > _MOST_DIGITS:
            raise MisfitError("its mask is none")
        value |= (part & 31) << (5 * digits)
        digits += 1
        if part & 32:
            continue
        if part & 16:
            value -= 1 << (5 * digits)
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = digits = 0
    return counts


def _outlined(y: NDArray[np.int64], x: NDArray[np.int64]) -> Mask:
    from skimage.measure import find_contours

    top, left = int(y.min()), int(x.min())
    box = (int(y.max()) - top + 3, int(x.max()) - left + 3)
    if box[0] * box[1] > _MOST_BOX_PIXELS:
        raise MisfitError("its mask is wider than any nucleus")
    inside = np.zeros(box, np.float32)
    inside[y - top + 1, x - left + 1] = 1
    contours = find_contours(inside, 0.5, fully_connected="high")  # type: ignore[no-untyped-call]
    rings = [ring[:-1] for ring in contours]
    # around holes the contour goes the other way
    outer = [ring for ring in rings if _turns_as_outlines_do(ring)]
    largest = max(outer or rings, key=ring_area)
    return Mask((float(y.mean()), float(x.mean())), largest + np.array([top - 1.0, left - 1.0]), max(len(outer), 1))


def _turns_as_outlines_do(ring: NDArray[np.float64]) -> bool:
    there = np.roll(ring, -1, axis=0)
    return float((ring[:, 0] * there[:, 1] - there[:, 0] * ring[:, 1]).sum()) < 0

"""How much haematoxylin, eosin and DAB lie in each nucleus and in a ring around it, window by window.

Optical densities to the base e, unmixed with the textbook's vectors (Ruifrok and Johnston), so that a figure means the
same on every slide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from skimage.segmentation import expand_labels

from nucloop.metrics.label_images import label_image
from nucloop.outlines import FARTHEST_UM
from nucloop.slides.stains import separate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from nucloop.outlines import Outlines
    from nucloop.slides import Slide

__all__ = ["STAIN_FIGURES", "StainConfig", "stain_figures"]

_STAINS, _PARTS = ("haematoxylin", "eosin", "dab"), ("nucleus", "ring")
STAIN_FIGURES = tuple(f"{part}_{stain}_{what}" for part in _PARTS for stain in _STAINS for what in ("mean", "sd"))


@dataclass(frozen=True, kw_only=True)
class StainConfig:
    """How stains are measured."""

    mpp: float = 0.25
    """Working resolution, µm per pixel."""
    ring_um: float = 2.0
    """Width of the ring around a nucleus that stands for its cytoplasm, µm; other nuclei are no part of it."""
    tile: int = 1024
    """Side of the windows that are read, working pixels."""

    def __post_init__(self) -> None:
        if not (0 < self.mpp <= 4 and 0 < self.ring_um <= 50 and self.tile >= 64):
            raise ValueError("mpp must be up to 4 and ring_um up to 50 µm, both above 0, and tile at least 64")


def stain_figures(
    slide: Slide, outlines: Outlines, config: StainConfig | None = None, wanted: NDArray[np.bool_] | None = None
) -> Iterator[tuple[NDArray[np.intp], dict[str, NDArray[np.float64]]]]:
    """Measure the nuclei that have an outline; yield row numbers and their figures, by `STAIN_FIGURES`.

    Where two nuclei overlap, the pixels are those of the first; in a ring, those of the nearest nucleus. NaN where a
    nucleus or its ring has no pixel of its own, and where an outline is larger than any nucleus is
    (`nucloop.outlines.FARTHEST_UM`).

    Parameters
    ----------
    slide : Slide
        With a known resolution.
    outlines : Outlines
        Level-0 pixels.
    config : StainConfig, optional
    wanted : (N,) bool, optional
        Which are measured; the others are there only to be left out of rings. All by default.

    Raises
    ------
    SlideError
        If the slide does not say its resolution, or is damaged there.
    """
    config = config or StainConfig()
    there = np.flatnonzero(outlines.there)
    if not len(there):
        return
    working = outlines.take(there).scaled(slide.require_mpp() / config.mpp)
    low = np.minimum.reduceat(working.corners, working.ends[:-1])
    high = np.maximum.reduceat(working.corners, working.ends[:-1])
    cells = np.floor((low + high) / 2 / config.tile).astype(np.int64)
    order = np.lexsort((cells[:, 1], cells[:, 0]))
    order = order if wanted is None else order[wanted[there][order]]
    small = (high - low).max(1) <= 2 * FARTHEST_UM / config.mpp
    if not small[order].all():
        too_large = there[order[~small[order]]]
        yield too_large, {name: np.full(len(too_large), np.nan) for name in STAIN_FIGURES}
        order = order[small[order]]
    if not len(order):
        return
    ends = np.flatnonzero((np.diff(cells[order], axis=0) != 0).any(1)) + 1
    reach = int(np.ceil(config.ring_um / config.mpp)) + 1
    for rows in np.split(order, ends):
        top = np.floor(low[rows].min(0)).astype(int) - reach
        bottom = np.ceil(high[rows].max(0)).astype(int) + reach + 1
        # whoever may lie in a ring here, in the order of the rows
        near = np.flatnonzero(((high >= top - reach) & (low <= bottom + reach)).all(1) & small)
        (height, width), (y, x) = (bottom - top).tolist(), top.tolist()
        pixels = slide.read_working(y, x, height, width, config.mpp)
        owners = label_image(working.take(near).moved(-top), (height, width))
        inside = _on_slide((height, width), (y, x), slide.working_shape(config.mpp))
        figures = _of_labels(separate(pixels), np.where(inside, owners, 0), inside, len(near), config)
        places = np.searchsorted(near, rows)
        yield there[rows], {name: values[places] for name, values in figures.items()}


def _on_slide(shape: tuple[int, int], start: tuple[int, int], end: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels of a window that begins at `start` lie on the slide, which ends at `end`."""
    rows, columns = (np.arange(length) + first for length, first in zip(shape, start, strict=True))
    return ((rows >= 0) & (rows < end[0]))[:, None] & ((columns >= 0) & (columns < end[1]))


def _of_labels(
    stains: NDArray[np.float32], owners: NDArray[np.int32], inside: NDArray[np.bool_], count: int, config: StainConfig
) -> dict[str, NDArray[np.float64]]:
    """Figures of nuclei 1 to `count` of a label image (H, W), and of the rings around them."""
    rings = np.where(inside & (owners == 0), expand_labels(owners, config.ring_um / config.mpp), 0)  # type: ignore[no-untyped-call]
    found = {}
    for part, labels in zip(_PARTS, (owners, rings), strict=True):
        own = np.flatnonzero(labels.ravel())
        label = labels.ravel()[own]
        pixels = np.bincount(label, minlength=count + 1)[1:].astype(np.float64)
        pixels[pixels == 0] = np.nan
        for k, stain in enumerate(_STAINS):
            amount = stains[..., k].ravel()[own].astype(np.float64)
            mean = np.bincount(label, amount, count + 1)[1:] / pixels
            squares = np.bincount(label, (amount - mean[label - 1]) ** 2, count + 1)[1:]
            found[f"{part}_{stain}_mean"], found[f"{part}_{stain}_sd"] = mean, np.sqrt(squares / pixels)
    return found

"""Cutting annotated areas into patches: pixels and points on one grid, at one resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nucloop.errors import DataError
from nucloop.geometry import Region
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from nucloop.export.sources import Source
    from nucloop.outlines import Outlines

__all__ = ["CutConfig", "Patch", "patch_pixels", "patches_of"]

LARGEST_FIELD = 8192
"""Working pixels: an image without drawn areas counts as annotated completely up to this side."""
LARGEST_REGION = 16_384
"""Working pixels: a whole region as one image up to this side."""
_WHITE = 255


@dataclass(frozen=True, kw_only=True)
class CutConfig:
    """How areas become patches."""

    mpp: float = 0.5
    """µm per pixel of the patches."""
    size: int | None = 224
    """Side of a patch, pixels; None makes one image of each area."""
    stride: int | None = None
    """From patch to patch, pixels; the size unless said."""
    least_cover: float = 0.1
    """Patches with a smaller share of annotated pixels are left out."""
    blank: bool = True
    """Whether pixels outside the area become white, as nobody marked the nuclei there."""

    def __post_init__(self) -> None:
        if not 0.05 <= self.mpp <= 20:
            raise DataError(f"Patches at {self.mpp:g} µm per pixel show no nuclei. Choose 0.05 to 20.")
        if self.size is not None and not 16 <= self.size <= LARGEST_FIELD:
            raise DataError(f"Patches of {self.size} pixels are not possible. Choose 16 to {LARGEST_FIELD}.")
        if self.stride is not None and not 1 <= self.stride <= (self.size or 0):
            raise DataError(f"A stride of {self.stride} would leave gaps. Choose 1 to the patch size.")
        if not 0 <= self.least_cover <= 1:
            raise DataError("The least share of annotated pixels lies between 0 and 1.")


@dataclass(frozen=True)
class Patch:
    """A patch before its pixels are read.

    Parameters
    ----------
    region : int
        Number of the area within its source.
    top, left, height, width : int
        On the working grid, pixels.
    area : Region, optional
        The annotated area, level-0 pixels; None when the whole patch is annotated.
    nuclei : Nuclei
        In pixels of the patch.
    """

    region: int
    top: int
    left: int
    height: int
    width: int
    area: Region | None
    nuclei: Nuclei


def patches_of(source: Source, config: CutConfig) -> Iterator[Patch]:
    """Yield the patches of a source.

    A hole belongs to its region as little as what lies around it: its nuclei are left out, its pixels become white, and
    a patch that shows hardly anything else is left out. Patches lie on one grid over all pieces of a region; without
    `size` one image shows them all.

    Raises
    ------
    DataError
        If a large slide has no drawn areas, or an area is too large for one image.
    SlideError
        If the slide does not say its resolution.
    """
    step = config.mpp / source.slide.require_mpp()
    places = (source.nuclei.yx.astype(np.float64) + 0.5) / step - 0.5
    for number, region in enumerate(source.regions or [_whole(source, config)]):
        rows = np.flatnonzero(region.contains(source.nuclei.yx))
        low, high = ((corner + 0.5) / step for corner in region.bounds)
        (top, left), (bottom, right) = np.floor(low), np.ceil(high)
        box = (int(top), int(left), max(int(bottom), int(top) + 1), max(int(right), int(left) + 1))
        for y, x, height, width in _windows(box, config, source.slide.name):
            shown = region if source.regions and config.blank else None
            if source.regions and _annotated(region, y, x, height, width, step).mean() < config.least_cover:
                continue
            here = places[rows] - (y, x)
            within = ((here >= -0.5) & (here < np.array([height, width]) - 0.5)).all(axis=1)
            table = source.nuclei.take(rows[within])
            nuclei = Nuclei.from_points(
                table.scheme, here[within], label=table.label, score=table.score, probability=table.probability,
                ids=table.ids, origin=table.origin, outlines=_in_patch(table.outlines, step, y, x),
                cell_outlines=_in_patch(table.cell_outlines, step, y, x),
            )  # fmt: skip
            yield Patch(number, y, x, height, width, shown, nuclei)


def _in_patch(outlines: Outlines | None, step: float, top: int, left: int) -> Outlines | None:
    """Outlines in pixels of a patch; what reaches beyond its edges stays."""
    return None if outlines is None else outlines.scaled(1 / step).moved((-top, -left))


def patch_pixels(source: Source, patch: Patch, config: CutConfig) -> NDArray[np.uint8]:
    """Read the pixels of a patch, (H, W, 3); white where nobody annotated."""
    pixels = source.slide.read_working(patch.top, patch.left, patch.height, patch.width, config.mpp)
    if patch.area is None:
        return pixels
    step = config.mpp / source.slide.require_mpp()
    mask = _annotated(patch.area, patch.top, patch.left, patch.height, patch.width, step)
    return np.where(mask[..., None], pixels, np.uint8(_WHITE))


def _whole(source: Source, config: CutConfig) -> Region:
    height, width = source.slide.working_shape(config.mpp)
    if max(height, width) > LARGEST_FIELD:
        raise DataError(
            f"{source.slide.name} has no regions, so all of its {height} x {width} pixels would count as annotated. "
            "Draw the areas in which every nucleus is marked, and give them as regions."
        )
    bottom, right = source.slide.shape[0] - 0.5, source.slide.shape[1] - 0.5
    return Region(np.array([[-0.5, -0.5], [-0.5, right], [bottom, right], [bottom, -0.5]]))


def _windows(box: tuple[int, int, int, int], config: CutConfig, name: str) -> Iterator[tuple[int, int, int, int]]:
    top, left, bottom, right = box
    if config.size is None:
        if max(bottom - top, right - left) > LARGEST_REGION:
            raise DataError(
                f"A region of {name} is {bottom - top} x {right - left} pixels, too large for one image. "
                "Export patches, or a coarser resolution."
            )
        yield top, left, bottom - top, right - left
        return
    stride = config.stride or config.size
    for y in _starts(top, bottom, config.size, stride):
        for x in _starts(left, right, config.size, stride):
            yield y, x, config.size, config.size


def _starts(low: int, high: int, size: int, stride: int) -> list[int]:
    """First pixels of the patches along an axis; the last one ends with the area."""
    if high - low <= size:
        return [low - (size - (high - low)) // 2]
    starts = list(range(low, high - size + 1, stride))
    return starts if starts[-1] == high - size else [*starts, high - size]


def _annotated(region: Region, top: int, left: int, height: int, width: int, step: float) -> NDArray[np.bool_]:
    """Which pixels of the working grid, `step` level-0 pixels wide, have their centre in a region, (H, W)."""
    rows, columns = np.arange(top, top + height), np.arange(left, left + width)
    return region.mask((rows + 0.5) * step - 0.5, (columns + 0.5) * step - 0.5)

"""A few nuclei of a slide, pixel for pixel: with a bar of 10 µm a person sees which resolution can be right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.slides import Box

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Image
    from numpy.typing import NDArray

    from nucloop.slides import Slide

__all__ = ["CROP_PX", "crop_of_nuclei", "crop_steps"]

CROP_PX = 112
"""Side of the crop, level-0 pixels: a dozen nuclei at 20x, a few at 40x."""
_FIELD_PX = 8 * CROP_PX
_OVERVIEW_PX = 2048
_INK = 40
"""Darker than any nucleus: ink, and the black around a scan."""


def crop_of_nuclei(slide: Slide, near: tuple[float, float]) -> NDArray[np.uint8]:
    """Return a crop with as much stained detail as can be found quickly, (up to CROP_PX, up to CROP_PX, 3).

    It is looked for in one field: around a place, (y, x) in level-0 pixels, or where the slide's overview has most
    tissue. Reads that field and, of a slide with a small last level, that level.
    """
    field = slide.read_region(_field_of(slide, near))
    top, left = _richest(_grey(field), CROP_PX)
    return np.ascontiguousarray(field[top : top + CROP_PX, left : left + CROP_PX])


def crop_steps(image: Image, near: tuple[float, float]) -> Iterator[NDArray[np.uint8]]:
    """Yield the crop of an image layer. Runs in a job's thread."""
    with slide_of_layer(image) as slide:
        yield crop_of_nuclei(slide, near)


def _field_of(slide: Slide, near: tuple[float, float]) -> Box:
    height, width = slide.shape
    y, x = near
    last = slide.levels[-1]
    if max(last.shape) <= _OVERVIEW_PX and last.downsample > 1:
        side = max(round(_FIELD_PX / last.downsample), 1)
        top, left = _richest(_grey(last.read(0, 0, *last.shape)), side)
        y, x = (top + side / 2) * last.downsample, (left + side / 2) * last.downsample
    top = int(np.clip(round(y) - _FIELD_PX // 2, 0, max(height - _FIELD_PX, 0)))
    left = int(np.clip(round(x) - _FIELD_PX // 2, 0, max(width - _FIELD_PX, 0)))
    return Box(top, left, min(_FIELD_PX, height), min(_FIELD_PX, width))


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return brightness (H, W), with what no tissue is as dark as taken for glass."""
    grey = np.asarray(pixels.mean(-1, dtype=np.float32))
    return np.where(grey < _INK, np.float32(255), grey)


def _richest(grey: NDArray[np.float32], side: int) -> tuple[int, int]:
    """Return the corner of the square, of those half a side apart, with most contrast in it."""
    height, width = grey.shape
    step = max(side // 2, 1)
    corners = [
        (top, left)
        for top in range(0, max(height - side, 0) + 1, step)
        for left in range(0, max(width - side, 0) + 1, step)
    ]
    return max(corners, key=lambda at: float(grey[at[0] : at[0] + side, at[1] : at[1] + side].std()))

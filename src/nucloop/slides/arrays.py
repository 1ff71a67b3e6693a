"""Slides over arrays: numpy, dask, zarr, or anything that slices like them."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucloop.errors import SlideError
from nucloop.slides.channels import ChannelLabel, are_colours, channels_of_arrays
from nucloop.slides.pixels import Layout, ToRgb, choose_conversion, find_layout
from nucloop.slides.protocol import RgbArray
from nucloop.slides.slide import Slide, build_levels

_SAMPLE_PIXELS = 4_000_000
_SAMPLE_SIDE = 512


class ArraySource:
    """One level held by an array; reading from several threads is as safe as the array is."""

    def __init__(self, array: Any, layout: Layout, convert: ToRgb, name: str, owner: object = None) -> None:
        self._array, self._layout, self._convert, self._name = array, layout, convert, name
        self._owner = owner  # keeps the file open

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        shape = self._array.shape
        return int(shape[self._layout.y]), int(shape[self._layout.x])

    @property
    def chunk(self) -> tuple[int, int] | None:
        """Height and width of what a zarr array decodes at once, pixels; None for other arrays."""
        # who has no zarr array has not imported zarr, and need not: it is 12 MB
        zarr = sys.modules.get("zarr")
        if zarr is None or not isinstance(self._array, zarr.Array):
            return None
        return int(self._array.chunks[self._layout.y]), int(self._array.chunks[self._layout.x])

    def read(self, y0: int, x0: int, y1: int, x1: int) -> RgbArray:
        """Return a window as (y1 - y0, x1 - x0, 3) uint8.

        Raises
        ------
        SlideError
            If the array's own store fails.
        """
        try:
            block = np.asarray(self._array[self._layout.index(y0, x0, y1, x1)])
        except Exception as error:
            raise SlideError(
                f"Cannot read {self._name} at rows {y0}-{y1}, columns {x0}-{x1} of a level of "
                f"{self.shape[0]} x {self.shape[1]} pixels{_system(error)}. If it is a file, "
                "copy it again."
            ) from error
        return self._convert(self._layout.to_hwc(block))


def _system(error: Exception) -> str:
    """Say in brackets what the operating system says."""
    return f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""


def slide_from_array(array: Any, *, mpp: float | None = None, name: str = "array") -> Slide:
    """Wrap one picture as a slide without copying it.

    Parameters
    ----------
    array : numpy, dask or zarr array
        (y, x), (c, y, x) with c of 1 or 3, or (y, x, c) with c of 1, 3 or 4, the fourth being opacity; uint8,
        full-range uint16, bool, or floats from 0 to 1.
    mpp : float, optional
        µm per pixel.
    name : str
        What to call it.

    Raises
    ------
    SlideError
        If the array is not a picture NucLoop can read.
    """
    return slide_from_levels([array], mpp=mpp, name=name)


def slide_from_levels(arrays: Sequence[Any], *, mpp: float | None = None, name: str = "array") -> Slide:
    """Wrap a list of arrays, the same picture ever coarser, as a slide (see `slide_from_array`)."""
    return Slide(name, None, mpp, build_levels(array_sources(arrays, None, name), name))


def array_sources(
    arrays: Sequence[Any],
    axes: str | None,
    name: str,
    owner: object = None,
    labels: Sequence[ChannelLabel] | None = None,
) -> list[ArraySource]:
    """Make the levels of a pyramid from arrays of one kind.

    Parameters
    ----------
    arrays : sequence of arrays
        The levels, in any order.
    axes : str, optional
        One letter an axis (`find_layout`).
    name : str
        What to call the slide in an error.
    owner : object, optional
        Kept as long as the levels are: the open file they read from.
    labels : sequence of ChannelLabel, optional
        What their file says of the channels, empty when it says nothing. Without it, the fourth of four last-axis
        channels is opacity, as numpy, napari and Pillow have it.

    Raises
    ------
    SlideError
        If there is none, or they are not pictures NucLoop can read.
    """
    if not arrays:
        raise SlideError(f"{name} holds no picture. Give at least one level.")
    layouts = [find_layout(array.shape, axes, name) for array in arrays]
    coarsest = min(range(len(arrays)), key=lambda i: int(np.prod(arrays[i].shape)))
    array, layout = arrays[coarsest], layouts[coarsest]
    count = 1 if layout.channel is None else int(array.shape[layout.channel])
    if labels is None:
        alpha = count == 4 and layout.channel is not None and layout.channel > layout.y
    else:
        alpha = are_colours(labels, count, name)
    dtype = np.dtype(array.dtype)
    sample = None if dtype in (np.uint8, np.bool_) else sample_of(array, layout)
    convert = choose_conversion(channels_of_arrays(count, name, alpha=alpha), dtype, sample, name)
    return [ArraySource(a, lay, convert, name, owner) for a, lay in zip(arrays, layouts, strict=True)]


def sample_of(array: Any, layout: Layout) -> NDArray[Any]:
    """Read pixels that show the range of values: all of a small level, or its four quarters' middles."""
    height, width = int(array.shape[layout.y]), int(array.shape[layout.x])
    if height * width <= _SAMPLE_PIXELS:
        return np.asarray(array[layout.index(0, 0, height, width)])
    blocks = []
    for y in (height // 4, height // 2, 3 * height // 4):
        for x in (width // 4, width // 2, 3 * width // 4):
            window = layout.index(y, x, min(y + _SAMPLE_SIDE, height), min(x + _SAMPLE_SIDE, width))
            blocks.append(np.asarray(array[window]).ravel())
    return np.concatenate(blocks)

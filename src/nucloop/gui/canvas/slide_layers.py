"""A slide as what napari's Image layer takes: levels, scale, units and metadata."""

from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import Any

import dask.array as da
import numpy as np
from napari.utils.notifications import show_warning
from numpy.typing import NDArray

from nucloop.errors import SlideError
from nucloop.slides import Level, Slide
from nucloop.slides.tile_cache import TileCache, keep_decoded

LayerData = tuple[Any, dict[str, Any], str]
"""What napari makes a layer of: data, options, kind."""
MICROMETRE = "micrometer"
"""The unit of every layer of a slide whose resolution is known."""

_PIECE = 512
_OVERVIEW_SIDE = 2048
_MOST_LEVELS = 5
_CACHE_BYTES = 64_000_000
_MOST_READ_AHEAD = 4096


class LevelPixels:
    """One level as napari wants it: an array that is read where it is sliced, by steps and integers as in numpy.

    The slide keeps the tiles that it has decoded, so that the next view is there at once; dask on top of it took ten
    times as long (docs/speed.md). A damaged tile is shown white and reported once, as the view goes on being drawn.
    """

    ndim = 3
    dtype = np.dtype(np.uint8)

    def __init__(self, slide: Slide, level: Level) -> None:
        self._slide, self._level = slide, level
        self.shape = (*level.shape, 3)
        self.size = int(np.prod(self.shape, dtype=np.int64))
        self._lock, self._reported = Lock(), False

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        keys = index if isinstance(index, tuple) else (index,)
        at = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
        left_out = [slice(None)] * (self.ndim - len(keys) + (Ellipsis in keys))
        full = [*keys[:at], *left_out, *keys[at + 1 :]]
        (y0, y1, y), (x0, x1, x) = _span(full[0], self.shape[0]), _span(full[1], self.shape[1])
        return self._read(y0, x0, y1, x1)[(y, x, *full[2:])]

    def _read(self, y0: int, x0: int, y1: int, x1: int) -> NDArray[np.uint8]:
        try:
            return self._level.read(y0, x0, y1, x1)
        except SlideError as error:
            self._report(error)
            return self._read_what_can_be(y0, x0, y1, x1)

    def _read_what_can_be(self, y0: int, x0: int, y1: int, x1: int) -> NDArray[np.uint8]:
        """Return a window piece by piece, white where that fails."""
        pixels = np.full((y1 - y0, x1 - x0, 3), 255, np.uint8)
        for top in range(y0 // _PIECE * _PIECE, y1, _PIECE):
            for left in range(x0 // _PIECE * _PIECE, x1, _PIECE):
                a, b = max(top, y0), min(top + _PIECE, y1)
                c, d = max(left, x0), min(left + _PIECE, x1)
                with suppress(SlideError):
                    pixels[a - y0 : b - y0, c - x0 : d - x0] = self._level.read(a, c, b, d)
        return pixels

    def _report(self, error: SlideError) -> None:
        with self._lock:
            first, self._reported = not self._reported, True
        if first:
            show_warning(f"{error} That part is shown white.")


def _span(key: int | slice, length: int) -> tuple[int, int, int | slice]:
    """Return from where to where to read for one axis of an index, and the index into what was read."""
    wanted = range(length)[key]
    if isinstance(wanted, int):
        return wanted, wanted + 1, 0
    if not wanted:
        return 0, 0, slice(None)
    return min(wanted[0], wanted[-1]), max(wanted[0], wanted[-1]) + 1, slice(None, None, wanted.step)


def shown_levels(slide: Slide) -> list[Any]:
    """Return the levels of a slide as (h, w, 3) arrays that are read where they are sliced, fine to coarse.

    A picture without a pyramid gets coarser levels, computed when first shown.
    """
    cache = TileCache(_CACHE_BYTES)
    levels: list[Any] = [
        LevelPixels(slide, replace(level, source=keep_decoded(level.source, cache))) for level in slide.levels
    ]
    if len(levels) > 1:
        return levels
    coarser = da.from_array(levels[0], chunks=(_PIECE, _PIECE, 3), asarray=False, fancy=False, meta=_EMPTY)
    while max(coarser.shape[:2]) > _OVERVIEW_SIDE and len(levels) < _MOST_LEVELS:
        halved = da.coarsen(np.mean, coarser, {0: 2, 1: 2}, trim_excess=True)
        coarser = (halved + 0.5).astype(np.uint8)
        levels.append(coarser)
    return levels


_EMPTY = np.empty((0, 0, 0), np.uint8)


def image_layer_of(slide: Slide) -> LayerData:
    """Return a slide as napari's layer data tuple, placed in µm when the slide says its resolution."""
    levels = shown_levels(slide)
    options: dict[str, Any] = {
        "name": slide.name if slide.is_usual_image else f"{slide.name}, image {slide.image}",
        "rgb": True,
        "multiscale": len(levels) > 1,
        "metadata": {
            "nucloop": {
                "mpp": slide.mpp,
                "path": None if slide.path is None else str(slide.path),
                "image": slide.image,
                "magnification": slide.magnification,
            }
        },
    }
    if slide.mpp is not None:
        options |= {"scale": (slide.mpp, slide.mpp), "units": (MICROMETRE, MICROMETRE)}
    return (levels if len(levels) > 1 else levels[0]), options, "image"


def with_coarsest_read(layer: LayerData) -> LayerData:
    """Return the same layer data tuple with the level in memory that napari reads whole as it adds the layer.

    It does so in the window's thread, which is to wait for no disk. A level that is larger than any overview is left.
    """
    data, options, kind = layer
    levels = list(data) if options["multiscale"] else [data]
    coarsest = levels[-1]
    if max(coarsest.shape[:2]) > _MOST_READ_AHEAD:
        return layer
    pixels = np.asarray(coarsest)
    if isinstance(coarsest, LevelPixels):
        # its slide keeps the tiles
        return layer
    return [*levels[:-1], pixels], options, kind

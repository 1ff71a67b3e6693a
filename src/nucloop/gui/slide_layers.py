"""A slide as what napari's Image layer takes: dask levels, scale, units and metadata."""

from threading import Lock
from typing import Any

import dask.array as da
import numpy as np
from napari.utils.notifications import show_warning
from numpy.typing import NDArray

from nucloop.errors import SlideError
from nucloop.slides import Level, Slide

MICROMETRE = "micrometer"
"""The unit of every layer of a slide whose resolution is known."""

_CHUNK = 512
_OVERVIEW_SIDE = 2048


class LevelPixels:
    """One level as dask wants it: an array that is read where it is sliced.

    A damaged tile is shown white and reported once, as the view goes on being drawn.
    """

    ndim = 3
    dtype = np.dtype(np.uint8)

    def __init__(self, slide: Slide, level: Level) -> None:
        self._slide, self._level = slide, level
        self.shape = (*level.shape, 3)
        self._lock, self._reported = Lock(), False

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[np.uint8]:
        (y0, y1, _), (x0, x1, _) = (s.indices(n) for s, n in zip(index[:2], self._level.shape, strict=True))
        try:
            pixels = self._level.read(y0, x0, y1, x1)
        except SlideError as error:
            self._report(error)
            pixels = np.full((y1 - y0, x1 - x0, 3), 255, np.uint8)
        return pixels[(slice(None), slice(None), *index[2:])]

    def _report(self, error: SlideError) -> None:
        with self._lock:
            first, self._reported = not self._reported, True
        if first:
            show_warning(f"{error} That part is shown white.")


def dask_levels(slide: Slide) -> list[da.Array]:
    """Return the levels of a slide as (h, w, 3) dask arrays, fine to coarse.

    A picture without a pyramid gets coarser levels, computed when first shown.
    """
    levels = [
        da.from_array(LevelPixels(slide, level), chunks=(_CHUNK, _CHUNK, 3), asarray=False, fancy=False, meta=_EMPTY)
        for level in slide.levels
    ]
    while max(levels[-1].shape[:2]) > _OVERVIEW_SIDE and len(levels) < len(slide.levels) + 4:
        if len(slide.levels) > 1:
            break
        halved = da.coarsen(np.mean, levels[-1], {0: 2, 1: 2}, trim_excess=True)
        levels.append((halved + 0.5).astype(np.uint8))
    return levels


_EMPTY = np.empty((0, 0, 0), np.uint8)


def image_layer_of(slide: Slide) -> tuple[Any, dict[str, Any], str]:
    """Return a slide as napari's layer data tuple, placed in µm when the slide says its resolution."""
    levels = dask_levels(slide)
    options: dict[str, Any] = {
        "name": slide.name,
        "rgb": True,
        "multiscale": len(levels) > 1,
        "metadata": {
            "nucloop": {
                "mpp": slide.mpp,
                "path": None if slide.path is None else str(slide.path),
                "magnification": slide.magnification,
            }
        },
    }
    if slide.mpp is not None:
        options |= {"scale": (slide.mpp, slide.mpp), "units": (MICROMETRE, MICROMETRE)}
    return (levels if len(levels) > 1 else levels[0]), options, "image"

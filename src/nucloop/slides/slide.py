"""One lazy slide, whatever file or array it comes from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nucloop.errors import SlideError, legible
from nucloop.slides.box import Box
from nucloop.slides.protocol import PixelSource, RgbArray
from nucloop.slides.resample import axis_weights, halve, resample

PLAUSIBLE_MPP = (0.05, 20.0)
"""µm per pixel that a microscope's picture of tissue can have."""

COARSEST_MPP = 2.5
"""µm per pixel up to which a nucleus has a few pixels."""

_MAX_SOURCE_PIXELS = 24_000_000
_LEVEL_TOLERANCE = 1.1
_MAX_SIDE = 2_000_000
_SMALLEST_LEVEL = 8  # below, a rounded side says too little about how far the level is reduced
_ROUNDED = 2
_SIDE_TOLERANCE = 0.05
_WHITE = 255
_NUCLEUS_UM = 7.5
_POWERS = (4, 100)


def keep_open() -> None:
    """Close nothing: an array belongs to its caller."""


@dataclass(frozen=True)
class Level:
    """One resolution of a slide's pyramid."""

    source: PixelSource
    downsample: float
    """Level-0 pixels per pixel of this level."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels of this level."""
        return self.source.shape

    def read(self, y0: int, x0: int, y1: int, x1: int) -> RgbArray:
        """Return a window in this level's own pixels; white where it leaves the level.

        Returns
        -------
        (y1 - y0, x1 - x0, 3) uint8 array
        """
        height, width = self.shape
        top, left, bottom, right = max(y0, 0), max(x0, 0), min(y1, height), min(x1, width)
        if (top, left, bottom, right) == (y0, x0, y1, x1):
            return self.source.read(y0, x0, y1, x1)
        out = np.full((y1 - y0, x1 - x0, 3), _WHITE, np.uint8)
        if top < bottom and left < right:
            inside = self.source.read(top, left, bottom, right)
            out[top - y0 : bottom - y0, left - x0 : right - x0] = inside
        return out


@dataclass(frozen=True)
class Slide:
    """A picture of tissue as a lazy pyramid, read in level-0 pixels or at any µm per pixel.

    Open one with `open_slide`, `slide_from_array` or `slide_from_levels`. Reading is thread-safe.
    A slide opened from a file can be pickled: it is opened again on the other side.
    """

    name: str
    path: Path | None
    mpp: float | None
    """Level-0 µm per pixel; None when the file does not say."""
    levels: Sequence[Level]
    """From fine to coarse; `levels[0]` is level 0."""
    magnification: float | None = None
    """Nominal power of the objective, a hint only: scanners differ at the same power."""
    close: Callable[[], None] = keep_open
    """Give the file back; reading afterwards is an error."""
    reader: str = "auto"
    """Which reader opened the file."""
    image: int = 0
    """Which of the file's images this is."""
    images: tuple[str, ...] = ()
    """Names of the file's images in its own order, where it may hold several; a name may be empty."""
    is_usual_image: bool = True
    """Whether this is the image that is opened when nobody asks for another."""
    notice: str = ""
    """What a person should know of how the file was read: which of several images was opened."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", legible(self.name))
        if self.mpp is not None and not 0 < self.mpp < float("inf"):
            raise SlideError(
                f"{self.mpp} is not a size of a pixel. Give µm per pixel of {self.name} as a "
                "number above 0, such as 0.25 for a 40x scan."
            )

    def __enter__(self) -> "Slide":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of level 0, pixels."""
        return self.levels[0].shape

    @property
    def box(self) -> Box:
        """The whole slide."""
        return Box(0, 0, *self.shape)

    def with_mpp(self, mpp: float) -> "Slide":
        """Return the same slide with another (or the missing) resolution, µm per pixel."""
        return replace(self, mpp=float(mpp))

    def require_mpp(self) -> float:
        """Return µm per pixel of level 0.

        Raises
        ------
        SlideError
            If neither the file nor the caller has said it.
        """
        if self.mpp is not None:
            return self.mpp
        hint = "0.25 for most 40x scans, 0.5 for most 20x scans"
        if self.magnification:
            guess = 10 / self.magnification
            hint = f"it was scanned at {self.magnification:g}x, so {guess:.2g} is likely"
        raise SlideError(
            f"{self.name} does not say how many µm a pixel covers. Give it with --mpp, or answer "
            f"the question in napari ({hint})."
        )

    def working_step(self, mpp: float) -> float:
        """Level-0 pixels per pixel of the working grid at `mpp`.

        Raises
        ------
        SlideError
            If the slide does not say its resolution, or one at which nobody can tell a nucleus: a magnification, most
            likely, and as many pixels to make up as would keep a computer busy for days.
        """
        own = self.require_mpp()
        trouble = too_coarse(own)
        if trouble:
            raise SlideError(f"{self.name} cannot be searched for nuclei: {trouble}")
        return _step(mpp, own)

    def working_shape(self, mpp: float) -> tuple[int, int]:
        """Height and width of the working grid that covers the slide at `mpp`."""
        step = self.working_step(mpp)
        return int(np.ceil(self.shape[0] / step)), int(np.ceil(self.shape[1] / step))

    def read_region(self, box: Box, mpp: float | None = None) -> RgbArray:
        """Read a rectangle of level 0.

        Parameters
        ----------
        box : Box
            Level-0 pixels; what lies outside the slide comes back white.
        mpp : float, optional
            Wanted µm per pixel. Without it, level-0 pixels come back as they are.

        Returns
        -------
        (h, w, 3) uint8 array
            RGB; `h` and `w` are the box's own, or its size at `mpp`, rounded.

        Raises
        ------
        SlideError
            If the file is damaged there, or `mpp` is asked of a slide that does not say its own.
        """
        if mpp is None:
            return self.levels[0].read(box.y, box.x, box.y + box.height, box.x + box.width)
        step = _step(mpp, self.require_mpp())
        height, width = max(1, round(box.height / step)), max(1, round(box.width / step))
        rows = box.y + (np.arange(height) + 0.5) * step
        columns = box.x + (np.arange(width) + 0.5) * step
        return self._sample(rows, columns, step)

    def read_working(self, top: int, left: int, height: int, width: int, mpp: float) -> RgbArray:
        """Read a window of the working grid at `mpp`.

        Working pixel (i, j) has its centre at level-0 position ((i + 0.5) * s - 0.5,
        (j + 0.5) * s - 0.5), where s is `mpp` divided by the slide's own. Every pixel depends on
        its (i, j) alone: overlapping windows agree to the last bit.

        Parameters
        ----------
        top, left, height, width : int
            Window in working pixels; outside the slide is white.
        mpp : float
            µm per working pixel.

        Returns
        -------
        (height, width, 3) uint8 array

        Raises
        ------
        SlideError
            If the file is damaged there, or the slide does not say its resolution.
        """
        step = self.working_step(mpp)
        rows = (np.arange(top, top + height) + 0.5) * step
        columns = (np.arange(left, left + width) + 0.5) * step
        return self._sample(rows, columns, step)

    def _level_for(self, step: float) -> Level:
        fitting = [lv for lv in self.levels if lv.downsample <= step * _LEVEL_TOLERANCE]
        return max(fitting, key=lambda lv: lv.downsample, default=self.levels[0])

    def _sample(self, rows: np.ndarray[Any, Any], columns: np.ndarray[Any, Any], step: float) -> RgbArray:
        """Sample at level-0 positions measured from the outer edge of the first pixel."""
        if not len(rows) or not len(columns):
            return np.empty((len(rows), len(columns), 3), np.uint8)
        level = self._level_for(step)
        halvings = max(0, int(np.log2(step / level.downsample * _LEVEL_TOLERANCE)))
        side = 2**halvings
        downsample = level.downsample * side
        factor = step / downsample
        y, x = rows / downsample, columns / downsample
        as_it_is = factor == 1.0 and (y[0] - 0.5).is_integer() and (x[0] - 0.5).is_integer()
        along_y, along_x = axis_weights(y, factor), axis_weights(x, factor)
        (y0, y1), (x0, x1) = along_y.source_range, along_x.source_range
        if as_it_is:
            y0, x0 = int(y[0] - 0.5), int(x[0] - 0.5)
            y1, x1 = y0 + len(y), x0 + len(x)
        if (y1 - y0) * (x1 - x0) * side * side > _MAX_SOURCE_PIXELS and max(len(rows), len(columns)) > 1:
            return self._sample_in_halves(rows, columns, step)
        pixels = level.read(y0 * side, x0 * side, y1 * side, x1 * side)
        for _ in range(halvings):
            pixels = halve(pixels)
        return pixels if as_it_is else resample(pixels, along_y, along_x)

    def _sample_in_halves(self, rows: np.ndarray[Any, Any], columns: np.ndarray[Any, Any], step: float) -> RgbArray:
        """Bound the memory of far zoomed-out reads; exact, as no pixel depends on its window."""
        if len(rows) >= len(columns):
            parts = [self._sample(half, columns, step) for half in np.array_split(rows, 2)]
            return np.concatenate(parts, axis=0)
        parts = [self._sample(rows, half, step) for half in np.array_split(columns, 2)]
        return np.concatenate(parts, axis=1)


def too_coarse(mpp: float) -> str:
    """Say why no nucleus can be told at so many µm per pixel, and what was probably meant; empty where one can."""
    if mpp <= COARSEST_MPP:
        return ""
    meant = (
        f"Did you mean {mpp:g}x? Then its pixels are {10 / mpp:.3g} µm: give that."
        if _POWERS[0] <= mpp <= _POWERS[1]
        else "Give 0.25 for most 40x scans, 0.5 for most 20x scans."
    )
    return f"at {mpp:g} µm per pixel a nucleus is smaller than {_NUCLEUS_UM / COARSEST_MPP:.0f} pixels. {meant}"


def build_levels(sources: Sequence[PixelSource], name: str) -> tuple[Level, ...]:
    """Order the pixel sources of a pyramid and work out their downsampling.

    Raises
    ------
    SlideError
        If there is no level, or the levels are not pictures of the same field.
    """
    if not sources:
        raise SlideError(f"{name} holds no picture. Export it again as a pyramidal RGB image.")
    ordered = sorted(sources, key=lambda s: s.shape[0] * s.shape[1], reverse=True)
    base = ordered[0].shape
    for height, width in (base, ordered[-1].shape):
        if not (0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE):
            raise SlideError(
                f"{name} says that it is {height} x {width} pixels, which no slide is. "
                "Export it again from the program that made it."
            )
    levels = []
    for source in ordered:
        along_y, along_x = (_downsample(b, s) for b, s in zip(base, source.shape, strict=True))
        if not _same_field(base, source.shape, max(along_y, along_x)):
            raise SlideError(
                f"The levels of {name} do not fit each other: {base[0]} x {base[1]} and "
                f"{source.shape[0]} x {source.shape[1]} pixels. Export it again, or give one level."
            )
        if min(source.shape) >= _SMALLEST_LEVEL or source is ordered[0]:
            levels.append(Level(source, (along_y + along_x) / 2))
    return tuple(levels)


def _same_field(base: tuple[int, int], shape: tuple[int, int], downsample: float) -> bool:
    """Tell whether a level shows what the base does, but for sides that were rounded to whole pixels."""
    return all(
        abs(size - side / downsample) <= max(_ROUNDED, _SIDE_TOLERANCE * size)
        for side, size in zip(base, shape, strict=True)
    )


def _downsample(base: int, size: int) -> float:
    """Ratio of two sides; whole when the side of the coarser level was only cut off to fit."""
    whole = max(1, round(base / size))
    return float(whole) if abs(base / whole - size) < 1 else base / size


def _step(wanted: float, own: float) -> float:
    if not 0 < wanted < float("inf"):
        raise SlideError(f"{wanted} µm per pixel cannot be read. Ask for a number above 0.")
    return wanted / own

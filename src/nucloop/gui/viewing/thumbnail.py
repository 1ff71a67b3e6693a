"""A small picture of a whole image, made once from its coarsest level, and the colour of glass in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from nucloop.slides.stains import GLASS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Thumbnail", "thumbnail_steps"]

LONGEST = 420
"""Longest side, pixels."""
_MOST_READ = 4096
"""A coarsest level longer than this is read in steps."""
_LEAST_GLASS = 0.01
_BRIGHT = 150
"""Where the brighter half of an image is darker than this, light did not come through it."""
_WHITE = (242, 242, 242)


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of an image.

    Parameters
    ----------
    pixels : (h, w, 3) uint8
    """

    pixels: NDArray[np.uint8]

    @cached_property
    def glass(self) -> tuple[int, int, int] | None:
        """Colour of the empty glass, 0 to 255; None where none is in the picture."""
        empty = self.pixels[self.pixels.min(-1) >= GLASS]
        if len(empty) < _LEAST_GLASS * self.pixels[..., 0].size:
            return None
        red, green, blue = np.median(empty, 0).round().astype(int).tolist()
        return red, green, blue

    @cached_property
    def background(self) -> tuple[int, int, int] | None:
        """The colour that belongs around a brightfield slide; None for any other image."""
        if np.percentile(self.pixels.max(-1), 75) < _BRIGHT:
            return None
        return self.glass or _WHITE


def thumbnail_steps(level: Any) -> Iterator[Thumbnail]:
    """Make the thumbnail of the coarsest level, (h, w, 3 or 4), of an image. Runs in a job's thread."""
    step = -(-max(level.shape[:2]) // _MOST_READ)
    pixels = np.asarray(level[::step, ::step])[..., :3]
    if pixels.dtype != np.uint8:
        most = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
        pixels = (np.clip(pixels / most, 0, 1) * 255).astype(np.uint8)
    share = min(1.0, LONGEST / max(pixels.shape[:2]))
    height, width = (max(1, round(side * share)) for side in pixels.shape[:2])
    small = Picture.fromarray(np.ascontiguousarray(pixels)).resize((width, height), Picture.Resampling.BOX)
    thumbnail = Thumbnail(np.asarray(small))
    # looked for here, where nobody waits; it is asked for whenever a slide comes or goes
    _ = thumbnail.background
    yield thumbnail

"""Which stains a slide bears, told from its colours: haematoxylin and eosin, or haematoxylin and DAB.

DAB is the only one of the three dyes that takes more blue light than green. Eosin takes almost only green.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from nucloop.slides.stains import rgb_to_od

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["StainKind", "stain_kind"]


class StainKind(StrEnum):
    """Two stains that go together, by the name that files and cards use."""

    H_E = "H&E"
    H_DAB = "H-DAB"

    @property
    def words(self) -> str:
        """The stains in full."""
        return "haematoxylin and eosin" if self is StainKind.H_E else "haematoxylin and DAB"


_TISSUE = 0.25
"""A pixel none of whose channels has this optical density is too pale to have a colour."""
_BROWN = 0.05
"""So much more of its density a brown pixel has in blue than in green; one that is a little yellowish has less."""
_PINK_OVER_RED, _PINK_OVER_BLUE = 0.1, 0.05
"""So much more of its density a pink pixel has in green than in red, and than in blue."""
_LEAST_COLOURED = 0.01
"""With a smaller share of pixels that are brown or pink nobody can tell."""
_LEAST_PIXELS = 100


def stain_kind(rgb: NDArray[np.uint8]) -> StainKind | None:
    """Tell the stains from pixels of tissue, (..., 3), 0 to 255: whether more of them are brown or pink.

    Returns
    -------
    StainKind or None
        None where hardly any pixel is either, as on a slide with haematoxylin alone, or there is no tissue.
    """
    density = rgb_to_od(rgb).reshape(-1, 3)
    density = density[density.max(axis=1) > _TISSUE]
    if len(density) < _LEAST_PIXELS:
        return None
    red, green, blue = (density / density.sum(axis=1, keepdims=True)).T
    brown = float((blue - green > _BROWN).mean())
    pink = float(((green - red > _PINK_OVER_RED) & (green - blue > _PINK_OVER_BLUE)).mean())
    if brown + pink < _LEAST_COLOURED:
        return None
    return StainKind.H_DAB if brown > pink else StainKind.H_E

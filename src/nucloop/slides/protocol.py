"""What every file format gives to a Slide: pixels of one pyramid level."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RgbArray = NDArray[np.uint8]


class PixelSource(Protocol):
    """The pixels of one level, read on demand; safe to call from several threads."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        ...

    def read(self, y0: int, x0: int, y1: int, x1: int) -> RgbArray:
        """Return rows y0..y1 and columns x0..x1 (ends excluded, inside the level) as RGB."""
        ...

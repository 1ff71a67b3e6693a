"""Names for drawn regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.formats import read_regions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["named", "named_regions"]


def named(outlines: Sequence[NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Call outlines region 1, region 2 and so on, in the order in which they were drawn."""
    return {f"region {k}": outline for k, outline in enumerate(outlines, 1)}


def named_regions(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read the drawn areas of a GeoJSON file, named as `named` does."""
    return named(read_regions(path))

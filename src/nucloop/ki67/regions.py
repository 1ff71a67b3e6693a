"""Names for drawn regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.formats import read_regions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nucloop.geometry import Region

__all__ = ["named", "named_regions"]


def named(regions: Sequence[Region]) -> dict[str, Region]:
    """Call regions region 1, region 2 and so on, in the order in which they were drawn."""
    return {f"region {k}": region for k, region in enumerate(regions, 1)}


def named_regions(path: Path) -> dict[str, Region]:
    """Read the drawn areas of a GeoJSON file, named as `named` does."""
    return named(read_regions(path))

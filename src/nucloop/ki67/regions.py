"""Names for drawn regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.formats import read_regions
from nucloop.geometry import to_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from nucloop.geometry import Region

__all__ = ["ignored_in", "named", "named_regions"]


def named(regions: Sequence[Region]) -> dict[str, Region]:
    """Call regions by their names, else by what they are made of and their number: tumour 1, region 2 and so on.

    What is ignored is cut out of them. Two of one name get numbers too.
    """
    wanted = to_count(regions)
    known = [region.name for region in wanted]
    found: dict[str, Region] = {}
    for k, region in enumerate(wanted, 1):
        name = region.name or f"{region.kind or 'region'} {k}"
        found[f"{name} ({k})" if (known.count(region.name) > 1 and region.name) or name in found else name] = region
    return found


def ignored_in(regions: Iterable[Region]) -> list[Region]:
    """Return the regions in which nothing counts."""
    return [region for region in regions if region.ignored]


def named_regions(path: Path) -> dict[str, Region]:
    """Read the drawn areas of a GeoJSON file, named as `named` does."""
    return named(read_regions(path))

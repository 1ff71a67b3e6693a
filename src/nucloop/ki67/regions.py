"""In which drawn regions nuclei count for the index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import shapely

from nucloop.geometry import FIELD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.geometry import Region

__all__ = ["is_field", "sampled"]


def is_field(region: Region) -> bool:
    """Whether a region is a field to count in, which was placed and not drawn around anything."""
    return region.kind.casefold() == FIELD


def sampled(regions: Mapping[str, Region]) -> dict[str, Region]:
    """Return the regions to measure: fields stand for the region in which they were placed, as its sample."""
    fields = [region.shape for region in regions.values() if is_field(region)]
    if not fields:
        return dict(regions)
    return {
        name: region
        for name, region in regions.items()
        if is_field(region) or not shapely.relate_pattern(region.shape, fields, "T********").any()
    }

"""Regions that somebody drew elsewhere, read from QuPath's GeoJSON."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from nucloop.errors import RegionError
from nucloop.formats.geojson_areas import region_of
from nucloop.formats.geojson_reading import records_of

if TYPE_CHECKING:
    from nucloop.geometry import Region

__all__ = ["read_regions"]


def read_regions(path: str | Path) -> list[Region]:
    """Read the drawn areas of a GeoJSON file; points, lines, detections and cells are left out.

    Returns
    -------
    list of Region
        One for each annotation, with its holes and all its pieces.

    Raises
    ------
    DataError
        If the file cannot be read or is not GeoJSON.
    RegionError
        If it holds no area, or an outline is malformed.
    """
    path = Path(path)
    regions: list[Region] = []
    for number, feature in enumerate(chain.from_iterable(records_of(path).blocks()), 1):
        try:
            region = region_of(feature)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise RegionError(
                f"Feature {number} of {path.name} has a malformed outline ({error}). Draw it again and export it."
            ) from error
        regions += [] if region is None else [region]
    if not regions:
        raise RegionError(f"{path.name} holds no drawn area. Draw one in QuPath, and export it as GeoJSON.")
    return regions

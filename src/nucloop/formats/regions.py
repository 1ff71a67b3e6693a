"""Regions that somebody drew elsewhere, read from QuPath's GeoJSON."""

from __future__ import annotations

import logging
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from nucloop.errors import RegionError, why
from nucloop.formats.geojson.areas import is_area, region_of
from nucloop.formats.geojson.features import features_of, plane_of
from nucloop.formats.geojson.reading import records_of
from nucloop.formats.planes import Planes
from nucloop.formats.source.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.geometry import Region

__all__ = ["read_regions"]

_log = logging.getLogger(__name__)


def read_regions(path: str | Path, told: Callable[[str], object] = _log.warning) -> list[Region]:
    """Read the drawn areas of a GeoJSON file; points, lines, detections and cells are left out.

    Parameters
    ----------
    path : str or Path
        Also packed with gzip, ZIP or Snappy.
    told : callable
        Gets a sentence about areas that were left out.

    Returns
    -------
    list of Region
        One for each annotation, with its holes and all its pieces; of areas on several planes those of the fullest.

    Raises
    ------
    DataError
        If the file cannot be read or is not GeoJSON.
    RegionError
        If it holds no area, or an outline is malformed.
    """
    path = Path(path)
    with plain(path) as file:
        regions, planes, empty = _found(file)
    if empty:
        told(f"{path.name}: {empty:,} areas enclose nothing and were left out.")
    if not regions:
        raise RegionError(f"{path.name} holds no drawn area. Draw one in QuPath, and export it as GeoJSON.")
    kept, remark = planes.fullest(regions)
    if remark:
        told(f"{path.name}: {remark}")
    return kept


def _found(path: Path) -> tuple[list[Region], Planes, int]:
    """Return the areas of a plain file, their planes, and how many enclose nothing."""
    regions: list[Region] = []
    planes, empty = Planes(), 0
    for number, record in enumerate(chain.from_iterable(records_of(path).blocks()), 1):
        try:
            for feature in features_of(record):
                if is_area(feature):
                    region = region_of(feature)
                    empty += region is None
                    regions += [] if region is None else [region]
                    planes.note(plane_of(feature), areas=int(region is not None))
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise RegionError(
                f"Feature {number} of {path.name} has a malformed outline{why(error)}. Draw it again and export it."
            ) from error
    return regions, planes, empty

"""All pictures of a report, by the name under which it shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.ki67.report import HISTOGRAM, OVERVIEW
from nucloop.ki67.thumbnails import histogram, overview, region_picture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.geometry import Region
    from nucloop.ki67.measurement import Ki67Result
    from nucloop.slides import Slide

__all__ = ["report_pictures"]

MOST_REGIONS = 20
"""A report with more pictures than this would not be read."""


def report_pictures(slide: Slide, result: Ki67Result, regions: Mapping[str, Region]) -> dict[str, bytes]:
    """Return PNG files: `OVERVIEW`, with DAB `HISTOGRAM`, and the first regions by name."""
    pictures = {OVERVIEW: overview(slide, result, regions)}
    if result.threshold is not None:
        pictures[HISTOGRAM] = histogram(result.threshold)
    for name, region in list(regions.items())[:MOST_REGIONS]:
        pictures[name] = region_picture(slide, result, region)
    return pictures

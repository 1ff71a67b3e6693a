"""Small pictures for a report: the slide with its regions and the hot spot, and each region with what was counted."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from nucloop.slides import Box

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.geometry import Region
    from nucloop.ki67.measurement import Ki67Result
    from nucloop.slides import Slide

__all__ = ["overview", "region_picture"]

OVERVIEW, REGION = 760, 360
"""Longest side, pixels."""
_OUTLINE, _SPOT = "#1f6fd0", "#d55e00"
_POSITIVE, _NEGATIVE = "#d55e00", "#0072b2"
_MOST_MARKED = 4000


def overview(slide: Slide, result: Ki67Result, regions: Mapping[str, Region]) -> bytes:
    """Return the whole slide with outlines, their names and the hot spot, as PNG."""
    picture, scale = _read(slide, slide.box, OVERVIEW)
    draw = ImageDraw.Draw(picture)
    for name, region in regions.items():
        _draw(draw, region, slide.box, scale, 3)
        top, left = ((region.bounds[0] + 0.5) * scale).tolist()
        draw.text((left + 5, top + 4), name, fill=_OUTLINE, font_size=15)
    spot = result.ki67.hot_spot
    if spot is not None:
        radius = spot.radius_um / slide.require_mpp()
        draw.ellipse(_round(spot.y, spot.x, radius, scale), outline=_SPOT, width=3)
    return _png(picture)


def region_picture(slide: Slide, result: Ki67Result, region: Region) -> bytes:
    """Return a region with a ring on each nucleus that was counted, as PNG; of a large one the rings are left out."""
    low, high = np.floor(region.bounds[0]).astype(int), np.ceil(region.bounds[1]).astype(int) + 1
    box = Box(int(low[0]), int(low[1]), *(high - low).tolist()).intersect(slide.box)
    if not box.area:
        return _png(Image.new("RGB", (8, 8), "white"))
    picture, scale = _read(slide, box, REGION)
    draw = ImageDraw.Draw(picture)
    nuclei = result.states
    seen = nuclei.take((nuclei.label >= 0) & box.contains(nuclei.yx))
    if len(seen) <= _MOST_MARKED:
        radius = max(2.5 / scale, 2.0 / slide.require_mpp())
        for (y, x), label in zip(seen.yx.tolist(), seen.label.tolist(), strict=True):
            colour = _NEGATIVE if label else _POSITIVE
            draw.ellipse(_round(y - box.y, x - box.x, radius, scale), outline=colour, width=1 if label else 2)
    _draw(draw, region, box, scale, 2)
    return _png(picture)


def _draw(draw: ImageDraw.ImageDraw, region: Region, box: Box, scale: float, width: int) -> None:
    """Draw the outline of every piece and of every hole."""
    for piece in region.pieces:
        for ring in piece:
            corners = [((x + 0.5 - box.x) * scale, (y + 0.5 - box.y) * scale) for y, x in ring.tolist()]
            draw.polygon(corners, outline=_OUTLINE, width=width)


def _read(slide: Slide, box: Box, longest: int) -> tuple[Image.Image, float]:
    step = max(box.height, box.width) / longest
    mpp = slide.require_mpp()
    pixels = slide.read_region(box, mpp * step) if step > 1 else slide.read_region(box)
    return Image.fromarray(np.ascontiguousarray(pixels)), 1 / max(step, 1.0)


def _round(y: float, x: float, radius: float, scale: float) -> tuple[float, float, float, float]:
    y, x = y + 0.5, x + 0.5
    return (x - radius) * scale, (y - radius) * scale, (x + radius) * scale, (y + radius) * scale


def _png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.convert("RGB").save(data, "PNG", optimize=True)
    return data.getvalue()

"""Small pictures for a report: the slide with its regions and the hot spot, and each region with what was counted."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from nucloop.ki67.measurement import POSITIVE_AND_NEGATIVE
from nucloop.slides import Box

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.geometry import Region
    from nucloop.ki67.dab_threshold import DabThreshold
    from nucloop.ki67.measurement import Ki67Result
    from nucloop.slides import Slide

__all__ = ["histogram", "overview", "region_picture"]

OVERVIEW, REGION = 760, 270
"""Longest side, pixels."""
_OUTLINE, _SPOT = "#1f6fd0", "#d55e00"
_POSITIVE, _NEGATIVE = POSITIVE_AND_NEGATIVE.colors
_INK = "#222222"
_BARS, _BAR_HEIGHT = 80, 110
_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Optical densities."""
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
    _scale_bar(draw, picture, slide.require_mpp() / scale)
    return _png(picture)


def histogram(threshold: DabThreshold) -> bytes:
    """Return how many nuclei have how much DAB, their square roots against its logarithm, as PNG."""
    low, high = _TICKS[0], max(float(threshold.edges[-1]), _TICKS[-1])
    edges = np.geomspace(low, high, _BARS + 1)
    middle = np.clip((threshold.edges[1:] + threshold.edges[:-1]) / 2, low * 1.001, high * 0.999)
    counts = np.histogram(middle, edges, weights=threshold.counts)[0]
    picture = Image.new("RGB", (OVERVIEW // 2 + 60, _BAR_HEIGHT + 40), "white")
    draw = ImageDraw.Draw(picture)
    step, tallest = (picture.width - 32) / _BARS, max(float(np.sqrt(counts.max())), 1.0)

    def x_of(density: float) -> float:
        return float(16 + (picture.width - 32) * np.log(density / low) / np.log(high / low))

    for k, count in enumerate(counts.tolist()):
        colour = _POSITIVE if np.sqrt(edges[k] * edges[k + 1]) >= threshold.value else _NEGATIVE
        top = 6 + _BAR_HEIGHT * (1 - np.sqrt(count) / tallest)
        if count:
            draw.rectangle((16 + k * step, top, 16 + (k + 1) * step - 1, 6 + _BAR_HEIGHT), fill=colour)
    for tick in _TICKS:
        draw.text((x_of(tick), _BAR_HEIGHT + 10), f"{tick:g}", fill=_INK, anchor="ma", font_size=12)
    x = x_of(min(max(threshold.value, low), high))
    draw.line((x, 2, x, 6 + _BAR_HEIGHT), fill=_INK, width=2)
    draw.text((10, _BAR_HEIGHT + 25), "optical density of DAB", fill=_INK, font_size=12)
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
    _scale_bar(draw, picture, slide.require_mpp() / scale)
    return _png(picture)


def _scale_bar(draw: ImageDraw.ImageDraw, picture: Image.Image, mpp: float) -> None:
    """Draw a bar of a round length, about a fifth of a picture, whose pixels are so many µm."""
    most = picture.width * mpp / 4
    power = 10.0 ** np.floor(np.log10(most))
    length = power * max(step for step in (1, 2, 5) if step * power <= most)
    # in mm, as the font that comes with Pillow has no µ
    words = f"{length / 1000:g} mm"
    left, low = 8, picture.height - 10
    right = left + length / mpp
    draw.rectangle((left - 4, low - 22, max(right, left + 44) + 4, low + 6), fill="white")
    draw.rectangle((left, low - 2, right, low + 2), fill=_INK)
    draw.text((left, low - 19), words, fill=_INK, font_size=13)


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

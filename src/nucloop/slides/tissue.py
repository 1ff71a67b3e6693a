"""Where a slide has tissue, glass, ink and folds, at low power, and whether it is in focus."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nucloop.slides.stains import rgb_to_od

if TYPE_CHECKING:
    from nucloop.slides.box import Box
    from nucloop.slides.slide import Slide

__all__ = [
    "FocusConfig",
    "Ground",
    "Place",
    "TissueConfig",
    "TissueMap",
    "focus_of",
    "map_tissue",
    "sample_places",
    "window_at",
]

Mask = NDArray[np.bool_]
Place = tuple[int, int, int, int]
"""A window: its first row and column, height and width, in pixels of the resolution at which focus is judged."""


class Ground(IntEnum):
    """What a pixel at low power shows."""

    GLASS = 0
    TISSUE = 1
    FOLD = 2
    """Tissue that lies double."""
    PEN = 3


@dataclass(frozen=True, kw_only=True)
class TissueConfig:
    """What counts as what, at low power."""

    mpp: float = 8.0
    """Resolution of the map, µm per pixel."""
    glass_from: int = 200
    """A grey pixel brighter than this may be glass: the median of all such is the glass's own colour."""
    tissue_od: float = 0.08
    """Tissue takes so much more light than glass, optical density to the base e, in one channel at least."""
    trace_od: float = 0.03
    """Less than this anywhere, and there is nothing at all: a tile without even that is not looked at."""
    speck_mm2: float = 0.005
    """A piece of tissue smaller than this is dust."""
    fold_od: float = 0.9
    """A fold has at least this density on average over the channels, and"""
    fold_times: float = 2.0
    """so many times the median of the slide's tissue,"""
    fold_mm2: float = 0.005
    """in a piece at least this large."""
    ink_saturation: float = 0.55
    """Ink that is green to blue (hue 85 to 235 degrees) has at least this saturation,"""
    ink_black: int = 45
    """black ink no channel above this;"""
    ink_mm2: float = 0.02
    """a stroke is at least this large. Red ink cannot be told from blood, and is not looked for."""


@dataclass(frozen=True)
class TissueMap:
    """A slide at low power, each pixel as a `Ground`.

    Parameters
    ----------
    ground : (h, w) uint8
        Values of `Ground`.
    trace : (h, w) bool
        Where anything but glass may be, dust too.
    mpp : float
        µm per pixel of the map.
    step : float
        Level-0 pixels per pixel of the map.
    """

    ground: NDArray[np.uint8]
    trace: Mask
    mpp: float
    step: float

    def area_mm2(self, *kinds: Ground) -> float:
        """Area of some kinds of ground, mm²."""
        return float(np.isin(self.ground, kinds).sum()) * self.mpp**2 / 1e6

    @property
    def tissue_mm2(self) -> float:
        """Area of tissue, folds included, mm²."""
        return self.area_mm2(Ground.TISSUE, Ground.FOLD)

    def share(self, kind: Ground, *of: Ground) -> float:
        """Part of some kinds of ground, or of the whole slide, that is of one kind."""
        whole = np.isin(self.ground, of).sum() if of else self.ground.size
        return float((self.ground == kind).sum() / whole) if whole else 0.0

    def is_empty(self, box: Box) -> bool:
        """Whether there is nothing but glass in a rectangle of level 0, nor within a pixel of the map around it."""
        top, left = (max(int(np.floor(at / self.step)) - 1, 0) for at in (box.y, box.x))
        bottom, right = (int(np.ceil(at / self.step)) + 1 for at in (box.y + box.height, box.x + box.width))
        return not self.trace[top:bottom, left:right].any()


def map_tissue(slide: Slide, config: TissueConfig | None = None) -> TissueMap:
    """Tell tissue from glass, ink and folds at low power.

    Raises
    ------
    SlideError
        If the slide does not say its resolution, or is damaged.
    """
    config = config or TissueConfig()
    # a small field is not made so small that its nuclei vanish
    mpp = max(slide.require_mpp(), min(config.mpp, slide.require_mpp() * max(min(slide.shape) // 64, 1)))
    height, width = slide.working_shape(mpp)
    rgb = slide.read_working(0, 0, height, width, mpp)
    density = rgb_to_od(rgb) - rgb_to_od(_glass(rgb, config))
    most = density.max(axis=2)
    pixel = mpp**2 / 1e6
    ink = _large(_inked(rgb, config), config.ink_mm2 / pixel)
    smooth = ndimage.uniform_filter(most, 3, mode="nearest") if min(most.shape) >= 3 else most
    tissue = _large((smooth > config.tissue_od) & ~ink, config.speck_mm2 / pixel)
    ground = np.where(tissue, np.uint8(Ground.TISSUE), np.uint8(Ground.GLASS))
    if tissue.any():
        mean = density.mean(axis=2)
        dense = max(config.fold_od, config.fold_times * float(np.median(mean[tissue])))
        ground[_large(tissue & (mean > dense), config.fold_mm2 / pixel)] = Ground.FOLD
    ground[ink] = Ground.PEN
    return TissueMap(ground.astype(np.uint8), most > config.trace_od, mpp, mpp / slide.require_mpp())


def _glass(rgb: NDArray[np.uint8], config: TissueConfig) -> NDArray[np.uint8]:
    """Return the colour of empty glass, (3,): white where there is hardly any."""
    grey = (rgb.min(axis=2) >= config.glass_from) & (np.ptp(rgb, axis=2) <= 12)
    if grey.sum() < max(0.01 * grey.size, 16):
        return np.full(3, 255, np.uint8)
    return np.asarray(np.median(rgb[grey], axis=0), np.uint8)


def _inked(rgb: NDArray[np.uint8], config: TissueConfig) -> Mask:
    red, green, blue = (rgb[..., k].astype(np.float32) for k in range(3))
    most, least = rgb.max(axis=2).astype(np.float32), rgb.min(axis=2).astype(np.float32)
    spread = np.maximum(most - least, 1)
    hue = np.where(
        most == red,
        (green - blue) / spread % 6,
        np.where(most == green, (blue - red) / spread + 2, (red - green) / spread + 4),
    )
    coloured = (hue * 60 >= 85) & (hue * 60 <= 235) & ((most - least) / np.maximum(most, 1) >= config.ink_saturation)
    return np.asarray(coloured | (most <= config.ink_black))


def _large(mask: Mask, pixels: float) -> Mask:
    """Keep the pieces of a mask that have at least so many pixels."""
    pieces, number = ndimage.label(mask)
    if not number:
        return mask
    large = np.bincount(pieces.ravel()) >= pixels
    large[0] = False
    kept: Mask = large[pieces]
    return kept


@dataclass(frozen=True, kw_only=True)
class FocusConfig:
    """How focus is judged."""

    mpp: float = 0.5
    """Resolution of the windows, µm per pixel."""
    side: int = 256
    """Side of a window, pixels."""
    windows: int = 16
    """At most so many windows, spread over the tissue."""
    sharp: float = 0.045
    """A window is out of focus where its finest detail (a quarter of the standard deviation of the Laplacian) is less
    than this part of its contrast. Windows of nine sharp fields had 0.06 to 0.33, the same blurred over 1 µm 0.01 to
    0.05, over 1.5 µm up to 0.03."""
    seed: int = 0


def sample_places(slide: Slide, tissue: TissueMap, config: FocusConfig | None = None) -> list[Place]:
    """Return windows in the middle of which there is tissue, the same ones each time."""
    config = config or FocusConfig()
    places = np.argwhere(np.isin(tissue.ground, (Ground.TISSUE, Ground.FOLD)))
    if not len(places):
        return []
    chosen = np.random.default_rng(config.seed).permutation(len(places))[: config.windows]
    height, width = slide.working_shape(config.mpp)
    shape = np.minimum((config.side, config.side), (height, width))
    centres = (places[chosen] + 0.5) * (tissue.mpp / config.mpp)
    corners = np.clip((centres - shape / 2).astype(int), 0, np.array([height, width]) - shape)
    return [(y, x, int(shape[0]), int(shape[1])) for y, x in np.unique(corners, axis=0).tolist()]


def window_at(slide: Slide, place: Place, config: FocusConfig | None = None) -> NDArray[np.uint8]:
    """Return the pixels (h, w, 3) of a window of `sample_places`."""
    config = config or FocusConfig()
    return slide.read_working(*place, config.mpp)


def focus_of(window: NDArray[np.uint8]) -> float:
    """Return how much of a window's contrast is fine detail; 0 where there is no contrast."""
    grey = window.mean(axis=2, dtype=np.float32)
    contrast = float(grey.std())
    return float(ndimage.laplace(grey).std()) / (4 * contrast) if contrast > 1 else 0.0

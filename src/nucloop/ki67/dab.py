"""Optical density of DAB in each nucleus, from which Ki-67 positive ones are told without any training.

The density is the mean within the nucleus's outline or, where it has none, over a small square at its centre, after the
colours are unmixed (Ruifrok and Johnston) with the slide's own stains (Macenko), drawn half-way to the textbook's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from skimage.draw import polygon

from nucloop.errors import SlideError
from nucloop.outlines import FARTHEST_UM, Outlines
from nucloop.slides.stain_kind import StainKind, stain_kind
from nucloop.slides.stains import GLASS, H_DAB, estimate_stains, separate, stain_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nucloop.slides import Slide

__all__ = ["DabConfig", "SlideStains", "dab_at", "dab_inside", "dab_of_slide", "slide_stains", "stains_of"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DabConfig:
    """How DAB is measured."""

    mpp: float = 0.25
    """Working resolution, µm per pixel."""
    side_um: float = 2.25
    """Side of the square that is averaged, µm."""
    tile: int = 1024
    """Side of the windows that are read, working pixels."""
    samples: int = 16
    """Windows from which the slide's own stains are estimated."""
    candidates: int = 96
    """Windows among which these are chosen, by how much tissue they hold."""
    sample_side: int = 256
    """Side of such a window, working pixels."""
    most_degrees: float = 15.0
    """Stains farther from the textbook's than this are no haematoxylin and DAB; the textbook's are taken then."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.mpp <= self.side_um < self.tile * self.mpp:
            raise ValueError(f"a square of {self.side_um} µm cannot be averaged at {self.mpp} µm per pixel")

    @property
    def size(self) -> int:
        """Side of the averaged square, whole working pixels, odd."""
        return 2 * int(self.side_um / self.mpp / 2) + 1


@dataclass(frozen=True)
class SlideStains:
    """Haematoxylin, DAB and the residual, one unit vector a row, and where they come from."""

    matrix: NDArray[np.float32]
    estimated: bool
    """False where the textbook's vectors had to do."""
    degrees: float
    """How far the slide's DAB lies from the textbook's, degrees; NaN where there was too little tissue to tell."""
    kind: StainKind | None = None
    """What the slide is stained with, as its colours or a person say; None where nobody can tell."""
    said: bool = False
    """Whether a person said so."""

    def said_to_be(self, kind: StainKind) -> SlideStains:
        """Return the same with what a person says of the kind."""
        return replace(self, kind=kind, said=True)


def stains_of(rgb: NDArray[np.uint8], config: DabConfig | None = None) -> SlideStains:
    """Estimate haematoxylin and DAB from pixels of tissue, (..., 3), and draw them half-way to the textbook's."""
    config, kind = config or DabConfig(), stain_kind(rgb)
    try:
        own = estimate_stains(rgb)
    except SlideError:
        return SlideStains(H_DAB, estimated=False, degrees=float("nan"), kind=kind)
    cosines = np.clip((own[:2] * H_DAB[:2]).sum(1), -1, 1)
    haematoxylin, dab = np.degrees(np.arccos(cosines)).tolist()
    if max(haematoxylin, dab) > config.most_degrees:
        return SlideStains(H_DAB, estimated=False, degrees=dab, kind=kind)
    first, second = ((a + b).tolist() for a, b in zip(own[:2], H_DAB[:2], strict=True))
    return SlideStains(stain_matrix(tuple(first), tuple(second)), estimated=True, degrees=dab, kind=kind)


def slide_stains(slide: Slide, config: DabConfig | None = None) -> SlideStains:
    """Estimate a slide's stains from those of some windows all over it that hold most tissue.

    The slide alone decides, whatever nuclei were found, so that the index is the same whoever measures it and when.

    Raises
    ------
    SlideError
        If the slide does not say its resolution, or is damaged there.
    """
    config = config or DabConfig()
    height, width = slide.working_shape(config.mpp)
    side = config.sample_side
    if height * width <= config.samples * side**2:
        return stains_of(slide.read_working(0, 0, height, width, config.mpp), config)
    shape = (min(side, height), min(side, width))
    room = (height - shape[0] + 1, width - shape[1] + 1)
    corners = np.random.default_rng(config.seed).integers(0, room, (config.candidates, 2))
    windows = [slide.read_working(top, left, *shape, config.mpp) for top, left in corners.tolist()]
    tissue = np.array([(window.min(axis=-1) < GLASS).mean() for window in windows])
    most = np.argsort(-tissue, kind="stable")[: config.samples]
    return stains_of(np.stack([windows[k] for k in most]), config)


def dab_at(rgb: NDArray[np.uint8], yx: NDArray[np.floating], stains: SlideStains, size: int) -> FloatArray:
    """Mean optical density of DAB in a square around each point.

    Parameters
    ----------
    rgb : (H, W, 3) array
        Pixels, 0 to 255.
    yx : (N, 2) array
        Points in these pixels, centres at integers; outside, the nearest pixel counts.
    stains : SlideStains
    size : int
        Side of the square, pixels.

    Returns
    -------
    (N,) float64 array
    """
    dab = uniform_filter(separate(rgb, stains.matrix)[..., 1].astype(np.float64), size, mode="nearest")
    at = np.clip(np.round(yx).astype(np.intp), 0, np.array(dab.shape) - 1)
    return np.asarray(dab[at[:, 0], at[:, 1]])


def dab_inside(rgb: NDArray[np.uint8], outlines: Outlines, stains: SlideStains) -> FloatArray:
    """Mean optical density of DAB within outlines in the pixels of a picture (H, W, 3).

    Returns
    -------
    (N,) float64 array
        NaN where there is no outline, or none that holds the centre of a pixel. Where outlines overlap each has all of
        its own pixels, so that a nucleus has the same density whichever others are measured with it.
    """
    dab = separate(rgb, stains.matrix)[..., 1]
    found = np.full(len(outlines), np.nan)
    for row in np.flatnonzero(outlines.there).tolist():
        ring = outlines[row]
        assert ring is not None
        y, x = ring.T.astype(np.float64)
        inside = dab[polygon(y, x, dab.shape)]  # type: ignore[no-untyped-call]
        if inside.size:
            found[row] = inside.mean(dtype=np.float64)
    return found


def dab_of_slide(
    slide: Slide,
    yx: NDArray[np.floating],
    stains: SlideStains | None = None,
    config: DabConfig | None = None,
    outlines: Outlines | None = None,
) -> Iterator[tuple[NDArray[np.intp], FloatArray]]:
    """Measure nuclei window by window, each yielded as row numbers and their densities.

    Parameters
    ----------
    slide : Slide
        With a known resolution.
    yx : (N, 2) array
        Centres, level-0 pixels.
    stains : SlideStains, optional
        By default `slide_stains`.
    config : DabConfig, optional
    outlines : Outlines, optional
        Of these nuclei, level-0 pixels: where there is one, the mean within it is taken in place of the square's,
        unless it reaches farther from the centre than any nucleus does (`nucloop.outlines.FARTHEST_UM`).

    Raises
    ------
    SlideError
        If the slide does not say its resolution, or is damaged there.
    """
    config = config or DabConfig()
    stains = stains or slide_stains(slide, config)
    shapes = None if outlines is None else outlines.scaled(slide.require_mpp() / config.mpp)
    places = _working(yx, slide, config)
    cells = np.floor(places / config.tile).astype(np.int64)
    order = np.lexsort((cells[:, 1], cells[:, 0]))
    ends = np.flatnonzero((np.diff(cells[order], axis=0) != 0).any(1)) + 1
    for rows in np.split(order, ends) if len(order) else []:
        own = None if shapes is None else _of_nuclei(shapes.take(rows), places[rows], config)
        corners = places[rows] if own is None else np.concatenate([places[rows], own.corners])
        low = np.floor(corners.min(0)).astype(int) - config.size
        high = np.ceil(corners.max(0)).astype(int) + config.size + 1
        (top, left), (height, width) = low.tolist(), (high - low).tolist()
        window = slide.read_working(top, left, height, width, config.mpp)
        found = dab_at(window, places[rows] - low, stains, config.size)
        if own is not None:
            within = dab_inside(window, own.moved(-low), stains)
            found = np.where(np.isnan(within), found, within)
        yield rows, found


def _of_nuclei(outlines: Outlines, places: FloatArray, config: DabConfig) -> Outlines:
    """Return the same outlines without those that are too large to be a nucleus's."""
    small = outlines.reach(places) <= FARTHEST_UM / config.mpp
    if small.all():
        return outlines
    return Outlines.of([ring if fits else None for ring, fits in zip(outlines, small.tolist(), strict=True)])


def _working(yx: NDArray[np.floating], slide: Slide, config: DabConfig) -> FloatArray:
    step = config.mpp / slide.require_mpp()
    return np.asarray((np.asarray(yx, np.float64) + 0.5) / step - 0.5)

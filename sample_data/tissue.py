"""Made-up tissue: where its cells lie. Tumour nests, fibrous stroma, lymphocytes at the border.

Lengths are in µm unless a name says pixels; fields are arrays on a canvas of `CANVAS_MPP`.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]

CANVAS_MPP = 0.25
"""µm per canvas pixel: finer than the H&E field, so that its pixels are averages as a camera's are."""


class Kind(IntEnum):
    """What a cell is."""

    LYMPHOCYTE = 0
    TUMOUR = 1
    STROMAL = 2


SPACING = {Kind.LYMPHOCYTE: 6.6, Kind.TUMOUR: 9.2, Kind.STROMAL: 12.0}
"""Least distance between two centres of a kind, µm; between two kinds it is the mean."""


@dataclass(frozen=True)
class Architecture:
    """Where which tissue is, on the canvas."""

    nest: Field
    """Above 0 inside tumour nests; about 1 is deep inside."""
    angle: Field
    """Direction of the fibres, radians."""
    inflammation: Field
    """Above 0 where lymphocytes gather."""
    lumen: Field
    """Above 0 in open spaces."""


@dataclass(frozen=True)
class Cells:
    """Nuclei as columns of equal length."""

    yx: NDArray[np.float64]
    """(N, 2) centres, µm."""
    kind: NDArray[np.int8]
    long: NDArray[np.float64]
    """Half the longer axis, µm."""
    short: NDArray[np.float64]
    """Half the shorter axis, µm."""
    angle: NDArray[np.float64]
    density: NDArray[np.float64]
    """How dark the chromatin is, relative to its kind."""
    positive: NDArray[np.bool_]
    """Whether the nucleus is stained by the antibody."""

    def take(self, rows: NDArray[np.bool_]) -> "Cells":
        """Return some of the cells."""
        return replace(self, **{name: column[rows] for name, column in vars(self).items()})


def smooth_noise(rng: np.random.Generator, side: int, scale: float) -> Field:
    """Gaussian noise with features of about `scale` µm, mean 0 and standard deviation 1."""
    step = max(1.0, scale / CANVAS_MPP / 4)
    coarse = ndimage.gaussian_filter(rng.standard_normal([int(side / step) + 8] * 2), 2.0)
    grown = ndimage.zoom(coarse, step, order=3 if step > 1 else 0)[:side, :side] if step > 1 else coarse[:side, :side]
    return ((grown - grown.mean()) / grown.std()).astype(np.float32)


def lay_out(rng: np.random.Generator, side: int) -> Architecture:
    """Choose nests, fibres, inflammation and lumina of a square canvas of `side` pixels."""
    nest = smooth_noise(rng, side, 70) + 0.45 * smooth_noise(rng, side, 26) + 0.12 * smooth_noise(rng, side, 9)
    flow = smooth_noise(rng, side, 120) * 60 + ndimage.gaussian_filter(nest, 24) * 25
    down, right = np.gradient(flow)
    # Fibres run along the nests, so across the gradient.
    angle = np.arctan2(right, -down).astype(np.float32)
    border = np.exp(-(((nest + 0.25) / 0.35) ** 2))
    inflammation = smooth_noise(rng, side, 60) + 0.9 * border - 1.0 - 1.5 * (nest > 0)
    lumen = smooth_noise(rng, side, 22) - 1.9 - 2.0 * (nest < 0.7)
    return Architecture(nest, angle, inflammation.astype(np.float32), lumen.astype(np.float32))


def scatter(rng: np.random.Generator, tissue: Architecture, tries: int) -> Cells:
    """Throw cells into the tissue, one by one, each where it belongs and has room."""
    side = len(tissue.nest)
    yx = rng.uniform(0, side, (tries, 2))
    row, column = yx.astype(int).T
    nest, inflamed = tissue.nest[row, column], tissue.inflammation[row, column]
    kind = np.full(tries, int(Kind.STROMAL), np.int8)
    kind[nest > 0.02] = Kind.TUMOUR
    crowded = rng.random(tries) < np.clip(inflamed * 1.2 + 0.03, 0.02, 0.95)
    kind[crowded] = Kind.LYMPHOCYTE
    lonely = (nest <= 0.02) & ~crowded & (rng.random(tries) < 0.9)
    allowed = (tissue.lumen[row, column] < -0.25) & ~lonely
    allowed &= ~((nest > -0.1) & (nest <= 0.02))
    allowed &= ~((kind == Kind.LYMPHOCYTE) & (nest > 0.02) & (rng.random(tries) < 0.93))
    yx, kind = yx[allowed] * CANVAS_MPP, kind[allowed]
    kept = _with_room(yx, kind)
    yx, kind = yx[kept], kind[kept]
    return _with_shapes(rng, tissue, yx, kind)


def _with_room(yx: NDArray[np.float64], kind: NDArray[np.int8]) -> NDArray[np.intp]:
    """Rows of the cells that come first to their place."""
    bins: dict[tuple[int, int], list[int]] = {}
    size = max(SPACING.values())
    kept = []
    for row, (y, x) in enumerate(yx):
        own, place = SPACING[Kind(kind[row])], (int(y // size), int(x // size))
        near = [n for a in (-1, 0, 1) for b in (-1, 0, 1) for n in bins.get((place[0] + a, place[1] + b), ())]
        free = all((yx[n, 0] - y) ** 2 + (yx[n, 1] - x) ** 2 > ((own + SPACING[Kind(kind[n])]) / 2) ** 2 for n in near)
        if free:
            bins.setdefault(place, []).append(row)
            kept.append(row)
    return np.array(kept, np.intp)


def _with_shapes(
    rng: np.random.Generator, tissue: Architecture, yx: NDArray[np.float64], kind: NDArray[np.int8]
) -> Cells:
    n = len(yx)
    row, column = np.clip(yx / CANVAS_MPP, 0, len(tissue.nest) - 1).astype(int).T
    short = np.array([3.1, 3.6, 1.7])[kind] * rng.lognormal(0, 0.11, n)
    stretch = np.array([1.08, 1.28, 3.3])[kind] * rng.lognormal(0, np.array([0.04, 0.13, 0.22])[kind])
    along = tissue.angle[row, column] + rng.normal(0, 0.25, n)
    angle = np.where(kind == Kind.STROMAL, along, rng.uniform(0, np.pi, n))
    # Neighbours in a nest resemble each other: one clone is pale and large, the next one dark.
    clone = smooth_noise(rng, len(tissue.nest), 40)[row, column]
    density = rng.lognormal(0, 0.16, n) * np.where(kind == Kind.TUMOUR, np.exp(0.13 * clone), 1.0)
    short = np.where(kind == Kind.TUMOUR, short * np.exp(-0.06 * clone), short)
    hot = smooth_noise(rng, len(tissue.nest), 150)[row, column]
    rate = np.where(kind == Kind.TUMOUR, np.clip(0.24 + 0.2 * hot, 0.04, 0.75), 0.03)
    return Cells(yx, kind, short * np.maximum(stretch, 1.0), short, angle, density, rng.random(n) < rate)

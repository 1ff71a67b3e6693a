"""Made-up tissue: how it looks through a microscope. Stains are optical densities that add up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sample_data.tissue import CANVAS_MPP, Architecture, Cells, Field, Kind, smooth_noise
from scipy import ndimage
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class Stains:
    """Colours of the dyes as unit vectors of optical density, and the empty glass."""

    haematoxylin: tuple[float, float, float]
    eosin: tuple[float, float, float]
    dab: tuple[float, float, float] = (0.268, 0.570, 0.776)
    glass: tuple[float, float, float] = (244.0, 243.0, 245.0)


H_AND_E = Stains((0.563, 0.720, 0.406), (0.216, 0.801, 0.558))
KI67 = Stains((0.700, 0.640, 0.320), (0.35, 0.65, 0.67), glass=(240.0, 238.0, 233.0))


@dataclass
class Canvas:
    """Amounts of each dye, pixel by pixel."""

    haematoxylin: Field
    eosin: Field
    dab: Field

    @classmethod
    def empty(cls, side: int) -> "Canvas":
        """Return a canvas without any dye."""
        return cls(*(np.zeros((side, side), np.float32) for _ in range(3)))


def paint_h_and_e(rng: np.random.Generator, tissue: Architecture, cells: Cells) -> Canvas:
    """Paint a haematoxylin and eosin section."""
    side = len(tissue.nest)
    canvas = Canvas.empty(side)
    fibres = _fibres(rng, tissue)
    inside = _soft(tissue.nest - 0.0, 0.04)
    cleft = _soft(-np.abs(tissue.nest + 0.07) + 0.06 + 0.05 * smooth_noise(rng, side, 30), 0.03)
    gaps = _soft(-fibres - 1.25 + 0.35 * smooth_noise(rng, side, 40), 0.12)
    stroma = (0.52 + 0.17 * fibres + 0.1 * smooth_noise(rng, side, 50)) * (1 - 0.92 * np.maximum(gaps, cleft))
    membranes, grain = _membranes(cells, side), smooth_noise(rng, side, 1.1)
    cytoplasm = 0.40 + 0.10 * membranes + 0.05 * grain + 0.06 * smooth_noise(rng, side, 14)
    canvas.eosin += np.clip(np.where(inside > 0, inside * cytoplasm + (1 - inside) * stroma, stroma), 0.02, None)
    canvas.haematoxylin += 0.16 * inside * (1 + 0.4 * smooth_noise(rng, side, 5)) + 0.03
    _paint_blood(rng, canvas, gaps)
    _open(canvas, _soft(tissue.lumen, 0.06))
    _paint_ghosts(rng, canvas.haematoxylin, cells, 0.22)
    amounts = {Kind.LYMPHOCYTE: 2.05, Kind.TUMOUR: 1.15, Kind.STROMAL: 1.45}
    brush = NucleusBrush(rng, side)
    for row in range(len(cells.yx)):
        brush.paint(canvas.haematoxylin, cells, row, amounts[Kind(cells.kind[row])])
    canvas.eosin *= 1 - 0.35 * np.clip(canvas.haematoxylin - 0.4, 0, 1)
    return canvas


def paint_ki67(rng: np.random.Generator, tissue: Architecture, cells: Cells) -> Canvas:
    """Paint an immunohistochemical section: brown nuclei are positive, blue ones negative."""
    side = len(tissue.nest)
    canvas = Canvas.empty(side)
    inside = _soft(tissue.nest, 0.04)
    fibres = _fibres(rng, tissue)
    canvas.haematoxylin += 0.05 + 0.05 * inside + 0.022 * fibres + 0.012 * smooth_noise(rng, side, 1.2)
    canvas.eosin += 0.02 + 0.02 * inside + 0.03 * np.clip(fibres, 0, None)
    canvas.dab += 0.03 * inside * np.clip(1 + smooth_noise(rng, side, 3), 0, None)
    _open(canvas, _soft(tissue.lumen, 0.06))
    _paint_ghosts(rng, canvas.haematoxylin, cells, 0.1)
    brush = NucleusBrush(rng, side)
    amounts = {Kind.LYMPHOCYTE: 0.95, Kind.TUMOUR: 0.52, Kind.STROMAL: 0.62}
    for row in range(len(cells.yx)):
        brush.paint(canvas.haematoxylin, cells, row, amounts[Kind(cells.kind[row])])
        if cells.positive[row]:
            brush.paint(canvas.dab, cells, row, float(np.clip(rng.lognormal(0.55, 0.35), 0.8, 3.2)))
    return canvas


class NucleusBrush:
    """Paints one nucleus at a time: an outline that is never a plain ellipse, chromatin, nucleoli."""

    def __init__(self, rng: np.random.Generator, side: int) -> None:
        self._rng, self._side = rng, side
        self._clumps = smooth_noise(rng, 1024, 1.7) + 0.6 * smooth_noise(rng, 1024, 0.7)

    def paint(self, dye: Field, cells: Cells, row: int, amount: float) -> None:
        """Add the nucleus of one row to a dye."""
        rng, kind = self._rng, Kind(cells.kind[row])
        window, y, x = self._window(cells, row)
        cosine, sine = np.cos(cells.angle[row]), np.sin(cells.angle[row])
        u, v = x * cosine + y * sine, y * cosine - x * sine
        if kind is Kind.STROMAL:
            v = v + u * u * rng.normal(0, 0.012)
        depth = self._depth(u / cells.long[row], v / cells.short[row])
        edge = np.clip((1 - depth) * cells.short[row] / 0.55 + 0.5, 0, 1)
        a, b = rng.integers(0, 1024 - max(depth.shape), 2)
        clumps = self._clumps[a : a + depth.shape[0], b : b + depth.shape[1]]
        roughness = {Kind.LYMPHOCYTE: 0.10, Kind.TUMOUR: 0.17, Kind.STROMAL: 0.12}[kind]
        chromatin = np.clip(1 + roughness * clumps, 0.35, 1.9)
        if kind is Kind.TUMOUR:
            chromatin += 0.38 * np.exp(-(((depth - 0.88) / 0.13) ** 2)) + self._nucleoli(u, v, cells.short[row])
        painted = (edge * edge * (3 - 2 * edge) * chromatin * amount * cells.density[row]).astype(np.float32)
        below = dye[window]
        dye[window] = np.maximum(below, painted) + 0.3 * np.minimum(below, painted)

    def _window(self, cells: Cells, row: int) -> tuple[tuple[slice, slice], NDArray[np.float64], NDArray[np.float64]]:
        reach = int((cells.long[row] * 1.5 + 2) / CANVAS_MPP)
        cy, cx = cells.yx[row] / CANVAS_MPP
        y0, x0 = max(0, int(cy) - reach), max(0, int(cx) - reach)
        y1, x1 = min(self._side, int(cy) + reach), min(self._side, int(cx) + reach)
        y, x = np.mgrid[y0:y1, x0:x1] + 0.5
        return (slice(y0, y1), slice(x0, x1)), (y - cy) * CANVAS_MPP, (x - cx) * CANVAS_MPP

    def _depth(self, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        """0 in the middle, 1 on the outline."""
        turn = np.arctan2(v, u)
        outline = np.ones_like(u)
        for harmonic, size in ((2, 0.05), (3, 0.055), (4, 0.03), (5, 0.02)):
            outline += self._rng.normal(0, size) * np.cos(harmonic * turn + self._rng.uniform(0, 6.3))
        return np.asarray(np.hypot(u, v) / outline)

    def _nucleoli(self, u: NDArray[np.float64], v: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
        spots = np.zeros_like(u)
        for _ in range(int(self._rng.choice([0, 1, 1, 2]))):
            du, dv = self._rng.normal(0, radius * 0.3, 2)
            size = self._rng.uniform(0.45, 0.8)
            spots += self._rng.uniform(0.4, 0.9) * np.exp(-((u - du) ** 2 + (v - dv) ** 2) / (2 * size**2))
        return spots


def photograph(rng: np.random.Generator, canvas: Canvas, stains: Stains, mpp: float) -> NDArray[np.uint8]:
    """Turn dyes into the picture a slide scanner takes at `mpp` µm per pixel."""
    side = len(canvas.eosin)
    thickness = np.exp(0.09 * smooth_noise(rng, side, 120))
    vectors = np.array([stains.haematoxylin, stains.eosin, stains.dab], np.float32)
    blur = np.clip(0.5 * smooth_noise(rng, side, 160) - 0.1, 0, 0.9)
    whole = round(mpp / CANVAS_MPP)
    channels = []
    for channel in range(3):
        density = thickness * sum(
            amount * vectors[row, channel] for row, amount in enumerate((canvas.haematoxylin, canvas.eosin, canvas.dab))
        )
        light = np.exp(-density)
        sharp, soft = ndimage.gaussian_filter(light, 1.1), ndimage.gaussian_filter(light, 3.2)
        seen = (1 - blur) * sharp + blur * soft
        small = seen.reshape(side // whole, whole, side // whole, whole).mean(axis=(1, 3))
        channels.append(small * stains.glass[channel])
    picture = np.stack(channels, axis=-1)
    picture += rng.normal(0, 1.6, picture.shape) + rng.normal(0, 1.0, picture.shape[:2])[..., None]
    return np.asarray(np.clip(picture + 0.5, 0, 255)).astype(np.uint8)


def _soft(field: Field, width: float) -> Field:
    """1 where the field is above 0, 0 below, with a soft step."""
    return np.clip(field / width * 0.5 + 0.5, 0, 1).astype(np.float32)


def _fibres(rng: np.random.Generator, tissue: Architecture) -> Field:
    """Collagen: noise smeared along the direction of the fibres (line integral convolution)."""
    half = tissue.angle[::2, ::2]
    side = len(half)
    noise = (rng.standard_normal((side, side)) + 0.8 * smooth_noise(rng, side, 1.5)).astype(np.float32)
    total = noise.copy()
    for sign in (-1.0, 1.0):
        y, x = np.mgrid[:side, :side].astype(np.float32)
        for _ in range(24):
            row, column = np.clip(y, 0, side - 1).astype(int), np.clip(x, 0, side - 1).astype(int)
            y += sign * 1.4 * np.sin(half[row, column])
            x += sign * 1.4 * np.cos(half[row, column])
            total += ndimage.map_coordinates(noise, [y, x], order=1, mode="reflect")
    fine = ndimage.gaussian_filter(total, 0.8)
    coarse = ndimage.gaussian_filter(total, 3.5)
    bands = fine / fine.std() * 0.6 + coarse / coarse.std()
    grown = ndimage.zoom(bands, 2, order=1)[: len(tissue.angle), : len(tissue.angle)]
    return (grown / grown.std()).astype(np.float32)


def _membranes(cells: Cells, side: int) -> Field:
    """Borders between tumour cells: where the two nearest nuclei are equally far."""
    tumour = cells.yx[cells.kind == Kind.TUMOUR]
    if len(tumour) < 2:
        return np.zeros((side, side), np.float32)
    grid = np.stack(np.mgrid[:side:2, :side:2], axis=-1).reshape(-1, 2) * CANVAS_MPP
    first, second = cKDTree(tumour).query(grid, k=2)[0].T
    lines = np.exp(-(((second - first) / 0.9) ** 2)).reshape((side + 1) // 2, -1)
    return ndimage.zoom(lines, 2, order=1)[:side, :side].astype(np.float32)


def _paint_blood(rng: np.random.Generator, canvas: Canvas, gaps: Field) -> None:
    """Put red cells, which no nucleus detector should take, into some gaps of the stroma."""
    rows, columns = np.nonzero(gaps > 0.9)
    if not len(rows):
        return
    for home in rng.integers(0, len(rows), 14):
        for dy, dx in rng.normal(0, 22, (int(rng.integers(2, 12)), 2)):
            y, x = int(rows[home] + dy), int(columns[home] + dx)
            if not (14 < y < len(gaps) - 14 and 14 < x < len(gaps) - 14):
                continue
            window = (slice(y - 14, y + 14), slice(x - 14, x + 14))
            gy, gx = np.mgrid[window]
            disc = _soft((12 - np.hypot(gy - y, (gx - x) * rng.uniform(1, 1.3))).astype(np.float32), 2)
            canvas.eosin[window] = np.maximum(canvas.eosin[window], disc * 0.95)


def _paint_ghosts(rng: np.random.Generator, dye: Field, cells: Cells, amount: float) -> None:
    """Hint at nuclei below the plane of focus, too faint for anybody to count."""
    layer = np.zeros_like(dye)
    homes = cells.yx[rng.random(len(cells.yx)) < 0.35] + rng.normal(0, 5, (1, 2))
    rows, columns = np.clip(homes / CANVAS_MPP, 0, len(dye) - 1).astype(int).T
    layer[rows, columns] = 1
    spread = ndimage.gaussian_filter(layer, 9)
    dye += amount * spread * (2 * np.pi * 81)


def _open(canvas: Canvas, holes: Field) -> None:
    for dye in (canvas.haematoxylin, canvas.eosin, canvas.dab):
        dye *= 1 - holes

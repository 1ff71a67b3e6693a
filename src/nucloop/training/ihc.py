"""H&E crops re-stained as immunohistochemistry, so that a detector needs no label on such a slide.

Real Ki-67 slides hold counterstained nuclei hardly darker than the ground, nuclei so full of DAB that nothing of their
inside shows, and brown cytoplasm and membranes that are no nuclei. A share of the nuclei keeps its own chromatin in
another colour; the others are painted anew as uneven ellipses, since no H&E nucleus looks like them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nucloop.training.crops import ABSENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_ihc", "drawn_nuclei"]

FAR = 9.0
"""Where no nucleus is near, in nuclear radii."""
AT_ONCE = 1 << 26
"""Most numbers in a table of distances from pixels to nuclei."""


@dataclass(frozen=True)
class _Draw:
    """Random numbers for so many crops, laid on the device."""

    rng: np.random.Generator
    count: int
    device: torch.device

    def lay(self, values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)

    def uniform(self, low: float, high: float) -> Tensor:
        """One for every crop, (N, 1, 1)."""
        return self.lay(self.rng.uniform(low, high, (self.count, 1, 1)))

    def often(self, share: float) -> Tensor:
        """1 for about a share of the crops and 0 for the others, (N, 1, 1)."""
        return self.lay(self.rng.random((self.count, 1, 1)) < share)

    def clouds(self, height: int, width: int, grain: float) -> Tensor:
        """Smooth noise (N, height, width) of about unit size, with features of `grain` pixels."""
        rows, columns = max(int(height / grain), 1) + 1, max(int(width / grain), 1) + 1
        coarse = self.lay(self.rng.standard_normal((self.count, 1, rows, columns)))
        return F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)[:, 0]

    def of(self, rows: NDArray[np.intp]) -> _Draw:
        return _Draw(self.rng, len(rows), self.device)


def as_ihc(amounts: Tensor, yx: Tensor, mpp: float, zoom: NDArray[np.float64], rng: np.random.Generator) -> Tensor:
    """Turn amounts (N, 3, H, W) of haematoxylin, eosin and DAB of H&E crops into those of IHC crops.

    Parameters
    ----------
    yx : (N, K, 2) tensor
        The nuclei, pixels; padded with `nucloop.training.crops.ABSENT`.
    mpp : float
        µm per pixel.
    zoom : (N,) array
        How much larger than life each crop shows things.
    """
    blue, ground = amounts[:, 0].clamp(min=0), (amounts[:, 0] + amounts[:, 1]).clamp_(min=0)
    count, height, width = blue.shape
    nuclei = (count, yx.shape[1] + 1)
    draw = _Draw(rng, count, amounts.device)
    distance, owner = _ellipses(yx, (height, width), mpp, zoom, draw)
    brown, painted = drawn_nuclei(*nuclei, rng)

    def spread(values: NDArray[np.generic]) -> Tensor:
        return draw.lay(values).gather(1, owner.flatten(1)).view_as(blue)

    inside = torch.sigmoid((1 - distance) * draw.uniform(4, 12))
    # a painted nucleus hides the one that it replaces, halo and all
    hidden = spread(painted) * torch.sigmoid((1.4 - distance) * 6)
    level = rng.uniform(0.5, 1.0, (count, 1)) * np.exp(rng.normal(0, 0.25, nuclei))
    flat = inside * spread(painted * level) * (1 + draw.uniform(0, 0.5) * draw.clouds(height, width, 3 / mpp))
    tint = _chromatin(blue, draw) * (1 - hidden) + flat
    # chromatin turns brown only near its own nucleus, and softly
    share = spread(brown) * torch.sigmoid((1.3 - distance) * 6)
    pale = np.exp(rng.uniform(np.log(0.06), np.log(0.9), (count, 1)) + rng.normal(0, 0.3, nuclei))
    strength = np.exp(rng.uniform(np.log(0.5), np.log(5.0), (count, 1)) + rng.normal(0, 0.5, nuclei))
    dab = tint * share * spread(strength)
    _add_beyond_nuclei(dab, distance, spread(brown | (rng.random(nuclei) < 0.3)), mpp, draw)
    haze, smear = draw.uniform(0, 0.12), draw.uniform(0, 0.12)
    cap = draw.uniform(1.2, 3.5)  # a camera's black, and a stain's fullness
    dab = cap * (1 - torch.exp(-dab.clamp_(min=0) / cap))
    return torch.stack([tint * (1 - share) * spread(pale) + haze * ground, 0.04 * ground, dab + smear * ground], 1)


def drawn_nuclei(count: int, rows: int, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which nuclei of each crop are brown, and which are painted anew, (count, rows) each.

    The last row is the ground between the nuclei: neither.
    """
    brown = rng.random((count, rows)) < rng.choice([0.0, 0.2, 0.5, 0.9], (count, 1))
    painted = rng.random((count, rows)) < rng.choice([0.0, 0.3, 0.7], (count, 1))
    brown[:, -1] = painted[:, -1] = False
    return brown, painted


def _ellipses(
    yx: Tensor, shape: tuple[int, int], mpp: float, zoom: NDArray[np.float64], draw: _Draw
) -> tuple[Tensor, Tensor]:
    """Distance (N, H, W) to the nearest nucleus in radii of its uneven ellipse, and its row; beyond all, row K."""
    count, nuclei = yx.shape[:2]
    rng, (height, width) = draw.rng, shape
    size = np.log(rng.uniform(3.5, 6.5, (count, 1)) / (mpp / zoom[:, None]))
    long = draw.lay(np.exp(rng.normal(size, 0.25, (count, nuclei))))
    # a large nucleus needs room: it never covers the middle of its neighbour
    away = (yx[:, :, None] - yx[:, None]).square_().sum(-1).sqrt_()
    gap = away.add_(torch.eye(nuclei, device=yx.device) * 1e6).amin(2)
    long = torch.minimum(long, (0.75 * gap).clamp_(min=1))
    short = long * draw.lay(rng.uniform(0.5, 1.0, (count, nuclei)))
    angle = draw.lay(rng.uniform(0, np.pi, (count, nuclei)))
    # on every second pixel: an ellipse is smooth
    y, x = (torch.arange(0.5, side, 2, device=yx.device) for side in shape)
    squared, owner = _nearest(_quadratics(yx, long, short, angle, shape), y - height / 2, x - width / 2)
    nearest = squared.clamp_(min=0).sqrt_()
    uneven = nearest + draw.uniform(0, 0.3) * draw.clouds(len(y), len(x), 2 / mpp)
    owner = owner.masked_fill_(uneven >= 3, nuclei)
    large = F.interpolate(uneven[:, None], size=shape, mode="bilinear", align_corners=False)[:, 0]
    return large.clamp_(0, FAR), F.interpolate(owner[:, None].float(), size=shape)[:, 0].long()


def _quadratics(yx: Tensor, long: Tensor, short: Tensor, angle: Tensor, shape: tuple[int, int]) -> Tensor:
    """Each nucleus's squared distance as a polynomial of y², x², yx, y, x and 1 from the middle, (N, K, 6)."""
    a, b = torch.cos(angle) / long, torch.sin(angle) / long
    c, d = -torch.sin(angle) / short, torch.cos(angle) / short
    yy, xx, xy = a * a + c * c, b * b + d * d, 2 * (a * b + c * d)
    y, x = yx[..., 0] - shape[0] / 2, yx[..., 1] - shape[1] / 2
    ends = yy * y * y + xx * x * x + xy * y * x
    terms = torch.stack([yy, xx, xy, -2 * yy * y - xy * x, -2 * xx * x - xy * y, ends], -1)
    nowhere = terms.new_tensor([0, 0, 0, 0, 0, FAR**2])
    return torch.where(yx[..., :1] > ABSENT / 2, terms, nowhere)


def _nearest(terms: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Least value (N, h, w) of polynomials (N, K, 6) at places y (h,) and x (w,), and whose it is."""
    count, nuclei = terms.shape[:2]
    rows, columns = y[:, None].expand(-1, len(x)).flatten(), x.repeat(len(y))
    powers = torch.stack([rows**2, columns**2, rows * columns, rows, columns, torch.ones_like(rows)])
    at_once = max(AT_ONCE // (nuclei * len(rows)), 1)
    found = [torch.matmul(some, powers).min(1) for some in torch.split(terms, at_once)]
    shape = (count, len(y), len(x))
    return torch.cat([f.values for f in found]).view(shape), torch.cat([f.indices for f in found]).view(shape)


def _chromatin(blue: Tensor, draw: _Draw) -> Tensor:
    """Nuclear stain, from the slide's own chromatin to a flat tint; what is paler than the ground is cytoplasm."""
    few = blue[:, ::2, ::2].flatten(1).sort(1).values
    last = few.shape[1] - 1
    level = few[:, last // 2, None, None] + draw.uniform(0, 0.15)
    nuclear = torch.sigmoid((blue - level) / 0.06)
    even = draw.uniform(0, 0.8)
    tint = (1 - even) * blue + even * nuclear * few[:, round(0.9 * last), None, None]
    return tint * torch.lerp(torch.ones_like(nuclear), nuclear, draw.often(0.6))


def _add_beyond_nuclei(dab: Tensor, distance: Tensor, where: Tensor, mpp: float, draw: _Draw) -> None:
    """Add DAB that marks no nucleus to some crops: in membranes, in cytoplasm, or in patches of the ground."""
    kinds = np.where(draw.rng.random(draw.count) < 0.4, draw.rng.integers(3, size=draw.count), -1)
    for kind in range(3):
        picked = np.flatnonzero(kinds == kind)
        if not len(picked):
            continue
        rows, some = torch.from_numpy(picked).to(dab.device), draw.of(picked)
        amount = some.lay(np.exp(draw.rng.uniform(np.log(0.1), np.log(1.2), (len(picked), 1, 1))))
        near = distance[rows]
        if kind == 0:
            shown = where[rows] * torch.exp(-(((near - some.uniform(1.2, 1.7)) / 0.2) ** 2))
        elif kind == 1:
            outer = torch.sigmoid((some.uniform(1.5, 2.5) - near) * 5)
            shown = where[rows] * torch.sigmoid((near - 1) * 8) * outer
        else:
            height, width = near.shape[1:]
            cloud = torch.sigmoid(4 * some.clouds(height, width, 12 / mpp))
            shown = cloud * torch.sigmoid((near - 1) * 8)
        dab[rows] += amount * shown

"""H&E crops re-stained as immunohistochemistry, so that a detector needs no label on such a slide.

Real Ki-67 slides hold counterstained nuclei hardly darker than the ground, nuclei so full of DAB that nothing of their
inside shows, and brown cytoplasm and membranes that are no nuclei. A share of the nuclei keeps its own chromatin in
another colour; the others are painted anew as uneven ellipses, since no H&E nucleus looks like them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_ihc"]

FAR = 9.0
"""Where no nucleus is near, in nuclear radii."""


def as_ihc(amounts: Tensor, points: NDArray[np.float32], mpp: float, zoom: float, rng: np.random.Generator) -> Tensor:
    """Turn amounts (3, H, W) of haematoxylin, eosin and DAB of an H&E crop into those of an IHC crop.

    Parameters
    ----------
    points : (K, 2) array
        The nuclei, pixels.
    mpp : float
        µm per pixel.
    zoom : float
        How much larger than life the crop shows things.
    """
    blue, ground = amounts[0].clamp(min=0), (amounts[0] + amounts[1]).clamp(min=0)
    height, width = blue.shape
    distance, owner = _ellipses(points, (height, width), mpp / zoom, rng)
    count = len(points) + 1
    brown = rng.random(count) < rng.choice([0.0, 0.2, 0.5, 0.9])
    painted = rng.random(count) < rng.choice([0.0, 0.3, 0.7])
    brown[-1] = painted[-1] = False  # the last row is the ground between the nuclei

    def spread(values: NDArray[np.floating | np.bool_]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32))[owner]

    inside = torch.sigmoid((1 - distance) * rng.uniform(4, 12))
    chromatin = _chromatin(blue, rng)
    # a painted nucleus hides the one that it replaces, halo and all
    hidden = spread(painted) * torch.sigmoid((1.4 - distance) * 6)
    level = rng.uniform(0.5, 1.0) * np.exp(rng.normal(0, 0.25, count))
    flat = inside * spread(painted * level) * (1 + rng.uniform(0, 0.5) * _clouds(height, width, 3 / mpp, rng))
    tint = chromatin * (1 - hidden) + flat
    # chromatin turns brown only near its own nucleus, and softly
    share = spread(brown) * torch.sigmoid((1.3 - distance) * 6)
    pale = math.exp(rng.uniform(math.log(0.06), math.log(0.9))) * np.exp(rng.normal(0, 0.3, count))
    strength = math.exp(rng.uniform(math.log(0.5), math.log(5.0))) * np.exp(rng.normal(0, 0.5, count))
    dab = tint * share * spread(strength)
    if rng.random() < 0.4:
        dab = dab + _beyond_nuclei(distance, spread(brown | (rng.random(count) < 0.3)), mpp, rng)
    haze, smear = rng.uniform(0, 0.12), rng.uniform(0, 0.12)
    cap = rng.uniform(1.2, 3.5)  # a camera's black, and a stain's fullness
    dab = cap * (1 - torch.exp(-dab.clamp(min=0) / cap))
    return torch.stack([tint * (1 - share) * spread(pale) + haze * ground, 0.04 * ground, dab + smear * ground])


def _ellipses(
    points: NDArray[np.float32], shape: tuple[int, int], mpp: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Distance (H, W) to the nearest nucleus in radii of its uneven ellipse, and its row; beyond all, row K."""
    height, width = shape
    count = len(points)
    if not count:
        return torch.full(shape, FAR), torch.full(shape, 0, dtype=torch.long)
    y, x = torch.meshgrid(torch.arange(0.5, height, 2), torch.arange(0.5, width, 2), indexing="ij")
    centres = torch.from_numpy(points)
    gap = torch.cdist(centres, centres).fill_diagonal_(np.inf).amin(1).numpy() if count > 1 else np.inf
    # a large nucleus needs room: it never covers the middle of its neighbour
    long = np.exp(rng.normal(np.log(rng.uniform(3.5, 6.5)), 0.25, count)) / mpp
    long = np.minimum(long, np.maximum(0.75 * gap, 1.0))
    short = long * rng.uniform(0.5, 1.0, count)
    angle = rng.uniform(0, math.pi, count)
    axes = np.stack([np.cos(angle) / long, np.sin(angle) / long, -np.sin(angle) / short, np.cos(angle) / short])
    a, b, c, d = (torch.from_numpy(v.astype(np.float32))[:, None, None] for v in axes)
    dy, dx = (torch.from_numpy(points[:, k])[:, None, None] for k in (0, 1))
    dy, dx = y - dy, x - dx
    nearest, owner = torch.sqrt((a * dy + b * dx) ** 2 + (c * dy + d * dx) ** 2).min(0)
    uneven = nearest + rng.uniform(0, 0.3) * _clouds(nearest.shape[0], nearest.shape[1], 2 / mpp, rng)
    owner = torch.where(uneven < 3, owner, count)
    large = F.interpolate(uneven[None, None], size=shape, mode="bilinear", align_corners=False)[0, 0]
    return large.clamp(0, FAR), F.interpolate(owner[None, None].float(), size=shape)[0, 0].long()


def _chromatin(blue: Tensor, rng: np.random.Generator) -> Tensor:
    """Nuclear stain, from the slide's own chromatin to a flat tint; what is paler than the ground is cytoplasm."""
    few = blue[::2, ::2].flatten()
    level = few.median() + rng.uniform(0, 0.15)
    nuclear = torch.sigmoid((blue - level) / 0.06)
    even = rng.uniform(0, 0.8)
    tint = (1 - even) * blue + even * nuclear * few.quantile(0.9)
    return tint * nuclear if rng.random() < 0.6 else tint


def _beyond_nuclei(distance: Tensor, where: Tensor, mpp: float, rng: np.random.Generator) -> Tensor:
    """DAB that marks no nucleus: in membranes, in cytoplasm, or in patches of the ground."""
    height, width = distance.shape
    cloud = torch.sigmoid(4 * _clouds(height, width, 12 / mpp, rng))
    amount = math.exp(rng.uniform(math.log(0.1), math.log(1.2)))
    outside = torch.sigmoid((distance - 1) * 8)
    kind = rng.integers(3)
    if kind == 0:
        return amount * where * torch.exp(-(((distance - rng.uniform(1.2, 1.7)) / 0.2) ** 2))
    if kind == 1:
        return amount * where * outside * torch.sigmoid((rng.uniform(1.5, 2.5) - distance) * 5)
    return amount * cloud * outside


def _clouds(height: int, width: int, grain: float, rng: np.random.Generator) -> Tensor:
    """Smooth noise (height, width) of about unit size, with features of `grain` pixels."""
    rows, columns = max(int(height / grain), 1) + 1, max(int(width / grain), 1) + 1
    coarse = torch.from_numpy(rng.standard_normal((1, 1, rows, columns), dtype=np.float32))
    return F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)[0, 0]

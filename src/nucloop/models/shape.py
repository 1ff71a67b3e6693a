"""The outline of a nucleus from its place: distances to its border along rays, read from maps sampled at the point.

Star-convex as in StarDist (Schmidt et al., MICCAI 2018), but only where a detector says there is a nucleus, so any
detector goes with it. The first guess is then corrected by looking at the map along each ray (as the contour
proposals of Upschulte et al., Medical Image Analysis 2022, look along their outline).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.configuration import read_strictly
from nucloop.models.backbone import Backbone
from nucloop.models.bounds import check_doubling, check_mpp
from nucloop.models.encoder import sample_batch
from nucloop.models.pan import PathAggregation
from nucloop.outlines import Outlines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["PointShape", "ShapeConfig", "directions", "reach", "rings"]

TYPICAL_UM = 3.5
"""Radius from which all others are told, µm."""
WIDEST = 1.5
"""Largest natural logarithm of a radius over the typical one, either way: 0.8 to 16 µm."""
PROBES = (0.6, 0.8, 1.0, 1.2, 1.4)
"""Where a correction looks along a ray, in radii."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class ShapeConfig:
    """Shape of a network that gives nuclei their outlines."""

    backbone: str = "mobilenetv2_100"
    """torchvision or timm name."""
    strides: tuple[int, ...] = (4, 8, 16)
    """Feature maps used, finest first."""
    channels: int = 64
    """Width of the neck that fuses them: what is sampled at a nucleus."""
    local: int = 8
    """Channels of the map, twice as fine, that corrections look at; the first says what is nucleus."""
    detail: bool = True
    """Whether that map is also made from the backbone's map of half the finest stride."""
    rays: int = 32
    """Corners of an outline."""
    corrections: int = 1
    """How often the first guess is corrected."""
    hidden: int = 128
    """Width between features and radii."""
    mpp: float = 0.5
    """Working resolution, µm per pixel."""
    options: dict[str, Any] = field(default_factory=dict)
    """Passed to timm."""

    def __post_init__(self) -> None:
        check_doubling(self.strides)
        if self.strides[0] < 2:
            raise ValueError(f"the finest stride must be at least 2, got {self.strides[0]}")
        check_mpp(self.mpp)
        if not 8 <= self.rays <= 256:
            raise ValueError(f"{self.rays} rays are outside 8 to 256")
        if not 0 <= self.corrections <= 8:
            raise ValueError(f"{self.corrections} corrections are outside 0 to 8")
        if not (1 <= self.channels <= 4096 and 1 <= self.local <= 256 and 1 <= self.hidden <= 4096):
            raise ValueError("channels, local and hidden must be at least 1 and at most 4096, 256 and 4096")


class PointShape(nn.Module):
    """Dense maps, which an engine runs, and what is read from them at nuclei.

    Attributes
    ----------
    stride : int
        Input pixels per cell of the dense maps.
    width : int
        Channels of the dense maps.
    """

    along: Tensor
    probes: Tensor

    def __init__(self, config: ShapeConfig) -> None:
        super().__init__()
        self.config = config
        self.stride, self.width = config.strides[0], config.channels + 4 * config.local
        finer = (self.stride // 2,) if config.detail else ()
        self.backbone = Backbone(config.backbone, (*finer, *config.strides), config.options)
        widths = self.backbone.channels
        self.neck = PathAggregation(widths[len(finer) :], config.channels)
        self.local = nn.Conv2d(config.channels, 4 * config.local, 1)
        self.detail = nn.Conv2d(widths[0], 4 * config.local, 2, 2) if config.detail else None
        self.guess = nn.Sequential(
            nn.Linear(config.channels, config.hidden), nn.ReLU(), nn.Linear(config.hidden, config.rays)
        )
        self.corrections = nn.ModuleList(_Correction(config) for _ in range(config.corrections))
        self.register_buffer("along", torch.from_numpy(directions(config.rays)), persistent=False)
        self.register_buffer("probes", torch.tensor(PROBES), persistent=False)
        last = self.guess[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, rgb: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W), 0 to 255, to maps (N, channels + 4 local, H/stride, W/stride)."""
        return self.from_maps(self.backbone(rgb))

    def from_maps(self, maps: Sequence[Tensor]) -> Tensor:
        """Map the backbone's maps to what `forward` returns."""
        if self.detail is None:
            fused = self.neck(maps)
            return torch.cat([fused, self.local(fused)], 1)
        fused = self.neck(maps[1:])
        return torch.cat([fused, self.local(fused) + self.detail(maps[0])], 1)

    def looks(self, dense: Tensor) -> Tensor:
        """Return the map that corrections look at, (N, local, 2 h, 2 w); channel 0 is the logit of nucleus."""
        return F.pixel_shuffle(dense[:, self.config.channels :].float(), 2)

    def radii(self, dense: Tensor, looks: Tensor, points: Tensor) -> list[Tensor]:
        """Distances from points to their nuclei's borders: the first guess, and after each correction.

        Parameters
        ----------
        dense : (N, C, h, w) tensor
            What `forward` returned.
        looks : (N, local, 2 h, 2 w) tensor
            What `looks` makes of it.
        points : (N, K, 2) tensor
            (y, x) in input pixels, pixel centres at integers.

        Returns
        -------
        list of (N, K, R) tensors
            Pixels, along `directions`.
        """
        typical = TYPICAL_UM / self.config.mpp
        features = sample_batch(dense[:, : self.config.channels], points, self.stride)
        logs = [self.guess(features)]
        for correction in self.corrections:
            before = logs[-1].detach()
            reach = typical * _bounded(before).exp()[..., None] * self.probes
            places = points[:, :, None, None].float() + reach[..., None] * self.along[:, None]
            seen = sample_batch(looks, places.flatten(1, 3), self.stride // 2)
            seen = seen.reshape(*before.shape, -1)
            logs.append(before + correction(seen, before, features))
        return [typical * _bounded(log).exp() for log in logs]


class _Correction(nn.Module):
    """Looks along each ray, and at its neighbours, and says by how much the border lies farther out."""

    def __init__(self, config: ShapeConfig) -> None:
        super().__init__()
        width = 32
        self.of_nucleus = nn.Linear(config.channels, width)
        self.of_ray = nn.Linear(3 * (len(PROBES) * config.local + 1), width)
        self.between = nn.Linear(3 * width, width)
        self.last = nn.Linear(width, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, seen: Tensor, log: Tensor, features: Tensor) -> Tensor:
        """Map what the probes saw (N, K, R, P), logarithms of radii (N, K, R) and features (N, K, F) to (N, K, R)."""
        x = self.of_ray(_with_neighbours(torch.cat([seen, log[..., None]], -1)))
        x = F.relu(x + self.of_nucleus(features)[:, :, None])
        x = F.relu(self.between(_with_neighbours(x)))
        out: Tensor = self.last(x)[..., 0]
        return out


def _with_neighbours(rays: Tensor) -> Tensor:
    """Put beside what is known of each ray (N, K, R, C) what is known of the ones before and behind it."""
    # a circular convolution, several times faster on a CPU
    return torch.cat([rays.roll(1, 2), rays, rays.roll(-1, 2)], -1)


def _bounded(log: Tensor) -> Tensor:
    return WIDEST * torch.tanh(log / WIDEST)


def directions(rays: int) -> NDArray[np.float32]:
    """Return unit steps (R, 2) as (y, x), the first to the right, then towards the bottom."""
    angle = np.arange(rays) * (2 * math.pi / rays)
    return np.stack([np.sin(angle), np.cos(angle)], -1).astype(np.float32)


def rings(yx: NDArray[np.floating[Any]], radii: NDArray[np.floating[Any]]) -> Outlines:
    """Return the outlines of points (K, 2) with radii (K, R), both in pixels."""
    count, rays = radii.shape
    corners = np.asarray(yx, np.float64)[:, None] + radii[..., None] * directions(rays).astype(np.float64)
    return Outlines(corners.reshape(-1, 2).astype(np.float32), np.arange(count + 1, dtype=np.int64) * rays)


def reach(config: ShapeConfig) -> int:
    """Return how far from a point its outline is looked for, working pixels."""
    return math.ceil(max(PROBES) * TYPICAL_UM * math.exp(WIDEST) / config.mpp) if config.corrections else 0

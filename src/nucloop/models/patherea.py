"""Patherea's P2P network: a feature pyramid, proposals on a regular grid, where each moves to and what it shows.

Štepec, Jerše, Đokić, Jeruc, Zidar and Skočaj, "Patherea: Cell Detection and Classification for the 2020s", section 3.
A nucleus is found once because the network has learned to give it one proposal; nothing is suppressed afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.configuration import read_strictly
from nucloop.models.bounds import check_doubling, check_mpp
from nucloop.models.denuc import REACH, reference_points
from nucloop.models.fpn import FeaturePyramid
from nucloop.models.proposals import Proposals
from nucloop.models.vit_pyramid import any_backbone

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PathereaConfig", "PathereaDetector", "propose", "reach"]


@read_strictly
@dataclass(frozen=True, kw_only=True)
class PathereaConfig:
    """Shape of a P2P network."""

    backbone: str = "convnext_base"
    """torchvision or timm name; a plain vision transformer gets a simple feature pyramid."""
    strides: tuple[int, ...] = (8, 16, 32)
    """Feature maps of the pyramid, finest first; proposals come from the finest: level 2 in the paper, stride 8."""
    channels: int = 256
    """Width of the pyramid and of the heads."""
    side: int = 2
    """Proposals along a cell's side: K = side x side in a cell."""
    hidden: int = 0
    """Width of a layer between what several proposals say and what one shall; 0 has none, as the paper."""
    classes: int = 0
    """Classes told apart; 0 only finds nuclei."""
    mpp: float = 0.5
    """Working resolution, µm per pixel."""
    options: dict[str, Any] = field(default_factory=dict)
    """Passed to timm."""

    def __post_init__(self) -> None:
        check_doubling(self.strides)
        if self.side < 1 or self.strides[0] % self.side:
            raise ValueError(f"{self.side} proposals along a side do not divide a cell of {self.strides[0]} pixels")
        check_mpp(self.mpp)
        if not 0 <= self.hidden <= 4096 or not 1 <= self.channels <= 4096 or not 0 <= self.classes <= 256:
            raise ValueError(f"{self.channels} channels or {self.classes} classes are outside 1 to 4096 and 0 to 256")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a way around them (He et al., CVPR 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        return F.relu(x + self.body(x))


class Head(nn.Module):
    """Two residual blocks, then what several proposals of a nucleus shall say, refined to what only one shall.

    The paper's two last convolutions in a row. The second sees the features too: from the proposals' own words alone it
    can hardly tell which of several equals shall speak for the nucleus.

    Parameters
    ----------
    channels : int
        Width of the features.
    numbers : int
        What a proposal says.
    side : int
        Proposals along a cell's side.
    hidden : int
        Width of a layer before the last; 0 has none.
    """

    def __init__(self, channels: int, numbers: int, side: int, hidden: int = 0) -> None:
        super().__init__()
        out = numbers * side**2
        self.side = side
        self.blocks = nn.Sequential(ResidualBlock(channels), ResidualBlock(channels))
        self.many = nn.Conv2d(channels, out, 3, padding=1)
        last = nn.Conv2d(hidden or channels + out, out, 1 if hidden else 3, padding=0 if hidden else 1)
        self.one: nn.Module = last
        if hidden:
            self.one = nn.Sequential(nn.Conv2d(channels + out, hidden, 3, padding=1), nn.ReLU(inplace=True), last)
        for says in (self.many, last):
            nn.init.normal_(says.weight, std=0.01)
            nn.init.zeros_(says.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, channels, h, w) to (N, numbers, h x side, w x side), twice: one to one, and one to many."""
        x = self.blocks(x)
        many = self.many(x)
        one = many + self.one(torch.cat([x, many], 1))
        return F.pixel_shuffle(one, self.side), F.pixel_shuffle(many, self.side)


class PathereaDetector(nn.Module):
    """Offsets and class scores of proposals on a regular grid.

    Attributes
    ----------
    stride : int
        Input pixels from one proposal to the next.
    """

    def __init__(self, config: PathereaConfig) -> None:
        super().__init__()
        self.config = config
        self.stride = config.strides[0] // config.side
        self.backbone = any_backbone(config.backbone, config.strides, config.options)
        self.neck = FeaturePyramid(self.backbone.channels, config.channels)
        self.place = Head(config.channels, 2, config.side, config.hidden)
        self.kind = Head(config.channels, max(config.classes, 1) + 1, config.side, config.hidden)

    def forward(self, rgb: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W), 0 to 255, to (N, 2 + C + 1, H/stride, W/stride).

        Channels 0 and 1 are the offset (y, x) from the proposal's place on the grid, in pixels; then a logit for each
        class, one where none are told apart, and the last for background.
        """
        return self.both(rgb)[0]

    def both(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Return that, and what was asked of several proposals for each nucleus, for training."""
        x = self.neck(self.backbone(rgb))
        places, kinds = self.place(x), self.kind(x)
        return torch.cat([places[0], kinds[0]], 1), torch.cat([places[1], kinds[1]], 1)


def propose(output: NDArray[np.float32], config: PathereaConfig, threshold: float) -> Proposals:
    """Turn one window's output into proposals; one counts if any class is by itself as probable as `threshold`.

    Of proposals at the very same place the surest stays; nothing else is suppressed.
    """
    stride = config.strides[0] // config.side
    _, height, width = output.shape
    offset, logits = output[:2].reshape(2, -1), output[2:].reshape(len(output) - 2, -1)
    probability = np.exp(logits - logits.max(0))
    probability /= probability.sum(0)
    score = probability[:-1].max(0)
    # a proposal speaks for its surroundings: an offset beyond them is an error, and would cross tiles
    rows = np.flatnonzero((score >= threshold) & (np.abs(offset) <= REACH * stride).all(0))
    points = (reference_points(height, width, stride)[rows] + offset.T[rows]).astype(np.float32)
    surest = rows[np.argsort(-score[rows], kind="stable")]
    points = points[np.argsort(-score[rows], kind="stable")]
    first = np.sort(np.unique(points, axis=0, return_index=True)[1])
    kept = surest[first]
    among = None
    if config.classes:
        among = probability[:-1, kept].T
        among = (among / among.sum(1, keepdims=True)).astype(np.float32)
    return Proposals(points[first].astype(np.float64), score[kept].astype(np.float32), among)


def reach(config: PathereaConfig) -> int:
    """Return how far a detection may lie from its place on the grid, working pixels."""
    return REACH * (config.strides[0] // config.side)

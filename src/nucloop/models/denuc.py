"""DeNuC's point detector: a light backbone, a PAN neck, one score and one offset per cell.

Yang, Kuang and Fu, "DeNuC: Decoupling Nuclei Detection and Classification in Histopathology".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from nucloop.configuration import read_strictly
from nucloop.models.backbone import Backbone
from nucloop.models.bounds import check_doubling, check_mpp
from nucloop.models.pan import PathAggregation
from nucloop.models.proposals import Proposals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["DenucConfig", "DenucDetector", "propose", "reach", "reference_points"]


@read_strictly
@dataclass(frozen=True, kw_only=True)
class DenucConfig:
    """Shape of a DeNuC detector."""

    backbone: str = "shufflenet_v2_x0_5"
    """torchvision or timm name."""
    strides: tuple[int, ...] = (8, 16, 32)
    """Feature maps used, finest first; the finest is the spacing of the reference points."""
    channels: int = 96
    """Width of neck and head."""
    mpp: float = 0.25
    """Working resolution, µm per pixel."""
    options: dict[str, Any] = field(default_factory=dict)
    """Passed to timm."""

    def __post_init__(self) -> None:
        check_doubling(self.strides)
        check_mpp(self.mpp)
        if not 1 <= self.channels <= 4096:
            raise ValueError(f"{self.channels} channels are outside 1 to 4096")


class DenucDetector(nn.Module):
    """Scores and offsets on a regular grid of reference points, one at the centre of each cell."""

    def __init__(self, config: DenucConfig) -> None:
        super().__init__()
        self.config = config
        self.stride = config.strides[0]
        self.backbone = Backbone(config.backbone, config.strides, config.options)
        self.neck = PathAggregation(self.backbone.channels, config.channels)
        width = config.channels
        self.head = nn.Sequential(
            *(
                layer
                for _ in range(2)
                for layer in (
                    nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
                    nn.Conv2d(width, width, 1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                )
            ),
            nn.Conv2d(width, 3, 1),
        )
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, 0.0)
        with torch.no_grad():
            last.bias[0] = -2.0

    def forward(self, rgb: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W), 0 to 255, to (N, 3, H/stride, W/stride).

        Channel 0 is the nucleus logit, channels 1 and 2 the offset (y, x) from the cell's centre, in pixels.
        """
        return self.from_maps(self.backbone(rgb))

    def from_maps(self, maps: Sequence[Tensor]) -> Tensor:
        """Map the backbone's maps to what `forward` returns."""
        out: Tensor = self.head(self.neck(maps))
        return out


REACH = 4
"""Largest offset of a detection from its cell's centre, in cells."""


def reference_points(height: int, width: int, stride: int) -> NDArray[np.float32]:
    """Centres of a grid's cells, (height * width, 2) as (y, x) with pixel centres at integers."""
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return (np.stack([y, x], -1).reshape(-1, 2) * stride + (stride - 1) / 2).astype(np.float32)


def propose(output: NDArray[np.float32], config: DenucConfig, threshold: float) -> Proposals:
    """Turn one window's output (3, h, w) into proposals with scores of at least `threshold`."""
    stride = config.strides[0]
    _, height, width = output.shape
    logit, offset = output[0].reshape(-1), output[1:].reshape(2, -1)
    # a cell speaks for its surroundings: an offset beyond them is an error, and would cross tiles
    sane = (np.abs(offset) <= REACH * stride).all(0)
    rows = np.flatnonzero((logit >= np.log(threshold / (1 - threshold))) & sane)
    points = reference_points(height, width, stride)[rows] + offset.T[rows]
    score = 1 / (1 + np.exp(-logit[rows]))
    return Proposals(points.astype(np.float32).astype(np.float64), score.astype(np.float32))


def reach(config: DenucConfig) -> int:
    """Return how far a detection may lie from its cell, working pixels."""
    return REACH * config.strides[0]

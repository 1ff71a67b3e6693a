"""FCRN: a map for each class that rises towards the middle of its nuclei, and the peaks of these maps.

Xie, Xing, Shi, Kong, Su and Yang, "Efficient and robust cell detection: A structured regression approach"
(Medical Image Analysis, 2018), with a ResNet-34 as encoder as in Patherea's comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import maximum_filter
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.configuration import read_strictly
from nucloop.models.backbone import Backbone
from nucloop.models.bounds import check_doubling, check_mpp
from nucloop.models.proposals import Proposals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["FcrnConfig", "FcrnDetector", "propose", "reach"]


@read_strictly
@dataclass(frozen=True, kw_only=True)
class FcrnConfig:
    """Shape of an FCRN."""

    backbone: str = "resnet34"
    """torchvision or timm name."""
    strides: tuple[int, ...] = (2, 4, 8, 16, 32)
    """Feature maps used, finest first; the finest is the resolution of the maps of nuclei."""
    channels: int = 64
    """Width of the decoder."""
    classes: int = 0
    """Classes told apart, a map for each; 0 only finds nuclei, on one map."""
    mpp: float = 0.5
    """Working resolution, µm per pixel."""
    options: dict[str, Any] = field(default_factory=dict)
    """Passed to timm."""

    def __post_init__(self) -> None:
        check_doubling(self.strides)
        check_mpp(self.mpp)
        if not 1 <= self.channels <= 4096 or not 0 <= self.classes <= 256:
            raise ValueError(f"{self.channels} channels or {self.classes} classes are outside 1 to 4096 and 0 to 256")


class Decoder(nn.Module):
    """From the coarsest map upwards: enlarged, added to the next finer one, and convolved.

    Parameters
    ----------
    in_channels : sequence of int
        Widths of the incoming maps, finest first, each half the resolution of the one before.
    channels : int
        Width of the outgoing map.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in in_channels)
        self.join = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
            )
            for _ in in_channels[:-1]
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Fuse maps of (N, C_k, H / 2^k, W / 2^k) into (N, channels, H, W)."""
        levels = [lateral(m) for lateral, m in zip(self.lateral, maps, strict=True)]
        up: Tensor = levels[-1]
        for level, join in zip(reversed(levels[:-1]), reversed(self.join), strict=True):
            up = join(level + F.interpolate(up, scale_factor=2.0, mode="nearest"))
        return up


class FcrnDetector(nn.Module):
    """Maps of how near the middle of a nucleus is.

    Attributes
    ----------
    stride : int
        Input pixels per cell of the maps.
    """

    def __init__(self, config: FcrnConfig) -> None:
        super().__init__()
        self.config = config
        self.stride = config.strides[0]
        self.backbone = Backbone(config.backbone, config.strides, config.options)
        self.decoder = Decoder(self.backbone.channels, config.channels)
        self.last = nn.Conv2d(config.channels, max(config.classes, 1), 3, padding=1)
        nn.init.normal_(self.last.weight, std=0.01)
        assert self.last.bias is not None
        nn.init.constant_(self.last.bias, -2.0)

    def forward(self, rgb: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W), 0 to 255, to (N, C, H/stride, W/stride).

        The logistic function of each channel is 1 in the middle of a nucleus of its class and 0 away from any; one
        channel for all nuclei where no classes are told apart.
        """
        out: Tensor = self.last(self.decoder(self.backbone(rgb)))
        return out


def propose(output: NDArray[np.float32], config: FcrnConfig, threshold: float) -> Proposals:
    """Turn one window's output (C, h, w) into proposals: cells where all maps together are higher than around them.

    Regression gives what is to be expected: where a class is in doubt its maps share a nucleus, and their sum is the
    map of all nuclei. Places lie between cells, at the top of the parabola through a peak and its neighbours.
    """
    heights = 1 / (1 + np.exp(-output))
    top = heights.sum(0)
    rows, columns = np.nonzero((top >= threshold) & (top == maximum_filter(top, 3, mode="constant")))
    edged = np.pad(top, 1, mode="edge")
    peak = top[rows, columns]
    shift = [
        _summit(edged[rows + 1 - dy, columns + 1 - dx], peak, edged[rows + 1 + dy, columns + 1 + dx])
        for dy, dx in ((1, 0), (0, 1))
    ]
    cells = np.stack([rows, columns], 1) + np.stack(shift, 1)
    stride = config.strides[0]
    yx = (cells * stride + (stride - 1) / 2).astype(np.float32).astype(np.float64)
    among = None
    if config.classes:
        shown = heights[:, rows, columns].T
        among = (shown / np.maximum(shown.sum(1, keepdims=True), 1e-12)).astype(np.float32)
    return Proposals(yx, np.minimum(peak, 1).astype(np.float32), among)


def _summit(before: NDArray[np.float32], peak: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far the top of a parabola through three neighbours lies from the middle one, at most half a cell."""
    bend = np.maximum(2 * peak - before - after, 1e-6).astype(np.float64)
    shift: NDArray[np.float64] = np.clip((after - before) / (2 * bend), -0.5, 0.5)
    return shift


def reach(config: FcrnConfig) -> int:
    """Return how far a detection may lie from the cells that it was computed from, working pixels."""
    return 2 * config.strides[0]

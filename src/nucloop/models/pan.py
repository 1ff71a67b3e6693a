"""Path aggregation neck (Liu et al., CVPR 2018) with depthwise convolutions, as light as the point detector needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PathAggregation", "separable"]


def separable(channels: int, out: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Depthwise, then pointwise convolution with batch norm: (N, channels, H, W) to (N, out, H/stride, W/stride)."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.Conv2d(channels, out, 1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )


class PathAggregation(nn.Module):
    """Top-down, then bottom-up; all levels are brought to the finest and averaged (DeNuC, section 2.2).

    Parameters
    ----------
    in_channels : sequence of int
        Widths of the incoming maps, finest first, each half the resolution of the one before.
    channels : int
        Width of the outgoing map.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, channels, 1, bias=False), nn.BatchNorm2d(channels)) for c in in_channels
        )
        steps = len(in_channels) - 1
        self.down = nn.ModuleList(separable(channels, channels, kernel=5) for _ in range(steps))
        self.up = nn.ModuleList(separable(channels, channels, stride=2) for _ in range(steps))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Fuse maps of (N, C_k, H / 2^k, W / 2^k) into (N, channels, H, W)."""
        levels = [lateral(m) for lateral, m in zip(self.lateral, maps, strict=True)]
        for k in range(len(levels) - 2, -1, -1):
            levels[k] = self.down[k](levels[k] + F.interpolate(levels[k + 1], scale_factor=2.0, mode="nearest"))
        for k in range(len(levels) - 1):
            levels[k + 1] = levels[k + 1] + self.up[k](levels[k])
        # from the coarsest on: the finest map is added to once
        fused = levels[-1]
        for level in reversed(levels[:-1]):
            fused = level + F.interpolate(fused, scale_factor=2.0, mode="nearest")
        mean: Tensor = fused / len(levels)
        return mean

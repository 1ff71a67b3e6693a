"""Feature pyramid (Lin et al., CVPR 2017): what is seen coarsely is handed down to the finest map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FeaturePyramid"]


class FeaturePyramid(nn.Module):
    """Top-down pyramid of which the finest level comes out.

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
        self.smooth = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Fuse maps of (N, C_k, H / 2^k, W / 2^k) into (N, channels, H, W)."""
        levels = [lateral(m) for lateral, m in zip(self.lateral, maps, strict=True)]
        top: Tensor = levels[-1]
        for level in reversed(levels[:-1]):
            top = level + F.interpolate(top, scale_factor=2.0, mode="nearest")
        out: Tensor = self.smooth(top)
        return out

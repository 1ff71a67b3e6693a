"""Encoders: dense features of an image, sampled bilinearly at nuclei (DeNuC, section 2.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.configuration import read_strictly
from nucloop.models.backbone import Backbone
from nucloop.models.bounds import check_mpp
from nucloop.models.pan import PathAggregation

__all__ = ["EncoderConfig", "PointEncoder", "sample_at", "sample_batch"]

COARSE = 8
"""Stride of the map that the coarser view gives."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Shape of an encoder."""

    backbone: str = "mobilenetv2_100"
    """torchvision or timm name."""
    strides: tuple[int, ...] = (8, 16)
    """Feature maps used, finest first."""
    channels: int = 128
    """Width of the neck that fuses them; 0 concatenates the maps as they are (frozen backbones)."""
    mpp: float = 0.25
    """Working resolution, µm per pixel."""
    options: dict[str, Any] = field(default_factory=dict)
    """Passed to timm."""
    context: int = 0
    """Working pixels to a side of a pixel of a second, coarser view, which tells the tissue around; 0 for none."""

    @property
    def align(self) -> int:
        """Input pixels that sides must be multiples of."""
        return max(*self.strides, COARSE * self.context)

    def __post_init__(self) -> None:
        if not self.strides or min(self.strides) < 1:
            raise ValueError(f"an encoder needs strides of at least 1, got {self.strides}")
        check_mpp(self.mpp)
        if not 0 <= self.channels <= 4096:
            raise ValueError(f"{self.channels} channels are outside 0 to 4096")
        if not 0 <= self.context <= 16 or (self.context and not self.channels):
            raise ValueError(f"a coarser view of {self.context} pixels a pixel needs 0 to 16, and a neck")


class Surroundings(nn.Module):
    """A second, coarser view of the tissue around, by a network of its own: nearly free, as it sees few pixels.

    Tumours lie in nests, stroma around them: that shows from afar (OCELOT challenge, arXiv 2509.09153).
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.shrink = config.context
        self.backbone = Backbone(config.backbone, (COARSE,), config.options)
        self.project = nn.Sequential(
            nn.Conv2d(self.backbone.channels[0], config.channels, 1, bias=False), nn.BatchNorm2d(config.channels)
        )
        self.grow = COARSE * config.context // config.strides[0]

    def forward(self, rgb: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W) to maps (N, channels, H/stride, W/stride)."""
        (coarse,) = self.backbone(F.avg_pool2d(rgb, self.shrink))
        return F.interpolate(self.project(coarse), scale_factor=float(self.grow), mode="bilinear", align_corners=False)


class PointEncoder(nn.Module):
    """Dense features with the finest map's stride.

    Attributes
    ----------
    stride : int
        Input pixels per feature cell.
    features : int
        Length of a nucleus's feature vector.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.stride = config.strides[0]
        self.backbone = Backbone(config.backbone, config.strides, config.options)
        self.neck = PathAggregation(self.backbone.channels, config.channels) if config.channels else None
        self.around = Surroundings(config) if config.context else None
        self.features = config.channels or sum(self.backbone.channels)

    def forward(self, rgb: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W), 0 to 255, to features (N, F, H/stride, W/stride)."""
        maps = self.backbone(rgb)
        if self.neck is not None:
            fused: Tensor = self.neck(maps)
            return fused if self.around is None else fused + self.around(rgb)
        size = maps[0].shape[-2:]
        finest = [maps[0], *(F.interpolate(m, size=size, mode="bilinear", align_corners=False) for m in maps[1:])]
        return torch.cat(finest, 1)


def sample_at(features: Tensor, points: Tensor, stride: int) -> Tensor:
    """Bilinear features at points.

    Parameters
    ----------
    features : (F, h, w) tensor
        One image's feature map.
    points : (K, 2) tensor
        (y, x) in input pixels, pixel centres at integers.
    stride : int
        Input pixels per cell.

    Returns
    -------
    (K, F) tensor
        Cells beyond the border repeat it.
    """
    return sample_batch(features[None], points[None], stride)[0]


def sample_batch(features: Tensor, points: Tensor, stride: int) -> Tensor:
    """`sample_at` for the maps (N, F, h, w) and points (N, K, 2) of several images: (N, K, F)."""
    _, _, height, width = features.shape
    # a half-precision grid would be off by a pixel
    size = torch.tensor([width, height], device=points.device, dtype=torch.float32)
    grid = 2 * (points.flip(-1).float() + 0.5) / stride / size - 1
    sampled = F.grid_sample(
        features.float(), grid[:, None], mode="bilinear", padding_mode="border", align_corners=False
    )
    return sampled[:, :, 0].transpose(1, 2)

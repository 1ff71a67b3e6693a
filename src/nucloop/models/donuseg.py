"""DoNuSeg: nuclei and their outlines, learned from points alone.

Wang, Zhang, Wang, Cai and Zhang, "Dynamic Pseudo Label Optimization in Point-Supervised Nuclei Segmentation", MICCAI
2024: a feature pyramid, a detection head (FCOS) that tells nuclei apart, and a segmentation head that says where they
end. What only training needs is here too: the head whose activations become labels, and the projector.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.configuration import read_strictly
from nucloop.models.backbone import Backbone
from nucloop.models.bounds import check_mpp, doubling

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DonusegConfig", "DonusegNet", "Seen"]

TOWER = 3
"""Convolutions of a head before its last one."""
PROJECTED = 64
"""Features of a place that are compared with others."""
BOX_LEVEL = 1
"""Nuclei are all of about one size, for which FCOS has one level of the pyramid: the second finest."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class DonusegConfig:
    """Shape of a DoNuSeg network, and how its maps become nuclei."""

    backbone: str = "tf_efficientnet_lite0"
    """torchvision or timm name; the paper's is ResNet-50."""
    strides: tuple[int, ...] = (2, 4, 8, 16)
    """Feature maps, finest first; the answer is as fine as the finest."""
    channels: int = 48
    """Width of pyramid and heads."""
    mpp: float = 0.5
    """Working resolution, µm per pixel."""
    cut: float = 0.5
    """Probability from which a pixel is nucleus."""
    apart_um: float = 2.5
    """Nuclei lie no nearer to each other than this, µm."""
    box: float = 1.0
    """How much larger than its box a nucleus may be."""
    least_um2: float = 5.0
    """Area of the smallest nucleus, µm²."""
    largest_um: float = 20.0
    """How far a nucleus may reach from its centre, µm."""
    options: dict[str, Any] = field(default_factory=dict)
    """Passed to timm."""

    def __post_init__(self) -> None:
        if len(self.strides) <= BOX_LEVEL or not doubling(self.strides):
            raise ValueError(f"strides must be two or more that double from one to the next, got {self.strides}")
        check_mpp(self.mpp)
        if not 1 <= self.channels <= 4096:
            raise ValueError(f"{self.channels} channels are outside 1 to 4096")
        if not 0 < self.cut < 1 or not 0.1 <= self.box <= 10 or not 0 < self.apart_um <= 100:
            raise ValueError(f"cut {self.cut}, box {self.box} or apart_um {self.apart_um} is out of range")
        if not 0 <= self.least_um2 <= 1000 or not 1 <= self.largest_um <= 100:
            raise ValueError(f"{self.least_um2} µm² to {self.largest_um} µm is no size of nuclei")

    @property
    def stride(self) -> int:
        """Working pixels per pixel of the answer."""
        return self.strides[0]

    @property
    def cell_um(self) -> float:
        """µm per pixel of the answer."""
        return self.stride * self.mpp


@dataclass(frozen=True)
class Seen:
    """What the network makes of a batch while it learns."""

    maps: list[Tensor]
    """The encoder's maps, finest first."""
    segmentation: Tensor
    """(N, 1, h, w) logits of nuclear pixels."""
    detection: Tensor
    """(N, 6, h / 2, w / 2): logits of nucleus and of being in its middle, distances up, left, down, right in cells."""
    activations: Tensor
    """(N, blocks, h, w): how much each place of each encoder map is like that of a point, about 0 to 1."""


class _Head(nn.Module):
    """Convolutions that all levels of the pyramid share; statistics are each level's own."""

    def __init__(self, channels: int, levels: int, out: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(TOWER))
        self.norms = nn.ModuleList(nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(TOWER)) for _ in range(levels))
        self.out = nn.Conv2d(channels, out, 3, padding=1)

    def forward(self, x: Tensor, level: int) -> Tensor:
        norms: Any = self.norms[level]
        for convolution, norm in zip(self.convolutions, norms, strict=True):
            x = F.relu(norm(convolution(x)))
        said: Tensor = self.out(x)
        return said


class _Pyramid(nn.Module):
    """Feature pyramid (Lin et al., CVPR 2017)."""

    def __init__(self, maps: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in maps)
        self.smooth = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in maps)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        levels = [lateral(one) for lateral, one in zip(self.lateral, maps, strict=True)]
        for k in range(len(levels) - 2, -1, -1):
            levels[k] = levels[k] + F.interpolate(levels[k + 1], scale_factor=2.0, mode="nearest")
        return [smooth(one) for smooth, one in zip(self.smooth, levels, strict=True)]


class DonusegNet(nn.Module):
    """Nuclear pixels, and boxes that tell nuclei apart."""

    def __init__(self, config: DonusegConfig) -> None:
        super().__init__()
        self.config, self.stride = config, config.stride
        self.backbone = Backbone(config.backbone, config.strides, config.options)
        maps, width = self.backbone.channels, config.channels
        self.pyramid = _Pyramid(maps, width)
        self.segment = _Head(width, len(maps), 1)
        self.detect = _Head(width, 1, 6)
        self.locate = nn.ModuleList(_locator(one, width) for one in maps)
        self.project = _projector(maps[BOX_LEVEL], width)
        with torch.no_grad():
            assert self.detect.out.bias is not None
            self.detect.out.bias.copy_(torch.tensor([-2.0, 0, 1, 1, 1, 1]))

    def forward(self, rgb: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W), 0 to 255, to (N, 7, H / stride, W / stride).

        Channel 0 is the logit of a nuclear pixel; the others are `Seen.detection`, each cell four times.
        """
        levels = self.pyramid(self.backbone(rgb))
        boxes = F.interpolate(self._detection(levels), scale_factor=2.0, mode="nearest")
        return torch.cat([self._segmentation(levels), boxes], 1)

    def seen(self, rgb: Tensor) -> Seen:
        """Everything that training asks for."""
        maps = self.backbone(rgb)
        levels = self.pyramid(maps)
        segmentation = self._segmentation(levels)
        located = [locate(one) for locate, one in zip(self.locate, maps, strict=True)]
        activations = [_enlarged(one, segmentation) for one in located]
        return Seen(maps, segmentation, self._detection(levels), torch.cat(activations, 1))

    def projected(self, seen: Seen) -> Tensor:
        """Features (N, C, h, w) by which places are compared, as fine as the segmentation."""
        return _enlarged(self.project(seen.maps[BOX_LEVEL]), seen.segmentation)

    def _segmentation(self, levels: Sequence[Tensor]) -> Tensor:
        """Mean of what all levels say, at the finest."""
        # from the coarsest on: every level is enlarged by two only
        said: Tensor = self.segment(levels[-1], len(levels) - 1)
        for k in range(len(levels) - 2, -1, -1):
            said = self.segment(levels[k], k) + F.interpolate(
                said, scale_factor=2.0, mode="bilinear", align_corners=False
            )
        return said / len(levels)

    def _detection(self, levels: Sequence[Tensor]) -> Tensor:
        said = self.detect(levels[BOX_LEVEL], 0)
        return torch.cat([said[:, :2], F.softplus(said[:, 2:])], 1)


def _enlarged(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)


def _locator(channels: int, width: int) -> nn.Sequential:
    """Three layers that see one place each, and say how much it is like that of a point.

    The paper takes Grad-CAMs of one head behind the encoder. On light encoders those told nuclei from ground no better
    than chance in three blocks of four; a head on each block, whose answer is the activation, does (see
    docs/outline-models.md).
    """
    return nn.Sequential(
        nn.Conv2d(channels, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, 1, 1)
    )


def _projector(channels: int, width: int) -> nn.Sequential:
    """Four convolutions and three layers that see one place each."""
    layers: list[nn.Module] = []
    for k in range(4):
        layers += [nn.Conv2d(width if k else channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
    for out in (PROJECTED, PROJECTED):
        layers += [nn.Conv2d(width, out, 1), nn.ReLU()]
        width = out
    return nn.Sequential(*layers, nn.Conv2d(PROJECTED, PROJECTED, 1))

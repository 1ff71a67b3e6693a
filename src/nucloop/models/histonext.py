"""HistoNeXt: a ConvNeXt encoder, and three decoders that say where nuclei are, where each lies, and of what class.

Chen, Wang, Dong, He and Wang, "HistoNeXt: dual-mechanism feature pyramid network for cell nuclear segmentation and
classification", 2025. What the paper leaves open or does otherwise is said where it matters, and in
docs/outline-models.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nucloop.configuration import read_strictly
from nucloop.models.backbone import Backbone
from nucloop.models.bounds import check_mpp, doubling

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HistonextConfig", "HistonextNet"]

DENSE_LAYERS = (2, 4, 6, 4)
"""Layers of the dense blocks, coarsest first; each stage grows by half as many channels as the one before."""
ATTENTION_LAYERS = (1, 2, 3, 4)
GROUPS = 12
REDUCTION = 16
NARROWEST = 8


@read_strictly
@dataclass(frozen=True, kw_only=True)
class HistonextConfig:
    """Shape of a HistoNeXt network, and how its maps become nuclei."""

    backbone: str = "convnext_tiny"
    """torchvision or timm name."""
    strides: tuple[int, ...] = (4, 8, 16, 32)
    """Four feature maps, finest first; the answer is twice as fine as the finest."""
    growth: int = 384
    """Channels that a layer of the coarsest dense block adds; the paper's Base has 512."""
    classes: int = 0
    """How many classes the third decoder tells apart; 0 leaves it out."""
    mpp: float = 0.25
    """Working resolution, µm per pixel."""
    cut: float = 0.5
    """Probability from which a pixel is nucleus."""
    border: float = 0.0
    """How steeply the distances must fall for a border, as a share of a whole jump."""
    least_um2: float = 5.0
    """Area of the smallest nucleus, µm²."""
    largest_um: float = 20.0
    """How far a nucleus may reach from its centre, µm; what reaches farther is none."""
    options: dict[str, Any] = field(default_factory=dict)
    """Passed to timm."""

    def __post_init__(self) -> None:
        if len(self.strides) != len(DENSE_LAYERS) or not doubling(self.strides):
            raise ValueError(f"strides must be four that double from one to the next, got {self.strides}")
        if self.strides[0] < 2:
            raise ValueError(f"the finest feature map must have stride 2 at least, got {self.strides[0]}")
        check_mpp(self.mpp)
        if not NARROWEST <= self.growth <= 4096 or not 0 <= self.classes <= 1000:
            raise ValueError(f"growth {self.growth} or {self.classes} classes are out of range")
        if not 0 < self.cut < 1 or not -1 < self.border < 1:
            raise ValueError(f"cut {self.cut} and border {self.border} must lie between 0 and 1")
        if not 0 <= self.least_um2 <= 1000 or not 1 <= self.largest_um <= 100:
            raise ValueError(f"{self.least_um2} µm² to {self.largest_um} µm is no size of nuclei")

    @property
    def stride(self) -> int:
        """Working pixels per pixel of the answer."""
        return self.strides[0] // 2

    @property
    def cell_um(self) -> float:
        """µm per pixel of the answer."""
        return self.stride * self.mpp


class _Dense(nn.Module):
    """Layers that each see all before them: (N, C, h, w) to (N, C + layers * growth, h, w)."""

    def __init__(self, channels: int, layers: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=False),
                nn.Conv2d(width, growth, 3, padding=1, bias=False),
            )
            for width in range(channels, channels + layers * growth, growth)
        )
        self.channels = channels + layers * growth

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class _ConvCam(nn.Module):
    """Grouped convolutions, then attention over channels (ConvCAM).

    The paper pools the whole picture for the attention, which makes a nucleus's class depend on the tile that it is
    seen in. Here each place pools its surroundings.
    """

    def __init__(self, channels: int, layers: int, reach: int) -> None:
        super().__init__()
        groups = math.gcd(GROUPS, channels)
        self.convolutions = nn.Sequential(
            *(
                step
                for _ in range(layers)
                for step in (
                    nn.Conv2d(channels, channels, 5, padding=2, groups=groups, bias=False),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(inplace=True),
                )
            )
        )
        inner = max(channels // REDUCTION, 4)
        self.attention = nn.Sequential(
            nn.Conv2d(channels, inner, 1), nn.ReLU(inplace=True), nn.Conv2d(inner, channels, 1)
        )
        side = 2 * reach + 1
        self.mean = nn.AvgPool2d(side, 1, reach, count_include_pad=False)
        self.most = nn.MaxPool2d(side, 1, reach)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolutions(x)
        around = self.mean(x) + self.most(x)
        attended: Tensor = x * self.attention(around).sigmoid()
        return attended


def _widths(growth: int) -> list[int]:
    return [max(growth >> k, NARROWEST) for k in range(len(DENSE_LAYERS))]


class _DenseDecoder(nn.Module):
    """Coarse to fine: transposed 3 x 3, beside the encoder's map, a dense block; then 1 x 1."""

    def __init__(self, maps: Sequence[int], growth: int, out: int) -> None:
        super().__init__()
        self.up, self.blocks = nn.ModuleList(), nn.ModuleList()
        width = maps[-1]
        for beside, layers, grows in zip([*maps[-2::-1], 0], DENSE_LAYERS, _widths(growth), strict=True):
            self.up.append(nn.ConvTranspose2d(width, grows, 3, 2, padding=1, output_padding=1))
            block = _Dense(grows + beside, layers, grows)
            self.blocks.append(block)
            width = block.channels
        self.out = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.Conv2d(width, out, 1))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        x = maps[-1]
        for k, (up, block) in enumerate(zip(self.up, self.blocks, strict=True)):
            x = up(x)
            x = block(torch.cat([x, maps[-2 - k]], 1) if k < len(maps) - 1 else x)
        said: Tensor = self.out(x)
        return said


class _AttentionDecoder(nn.Module):
    """Coarse to fine: transposed 5 x 5, a ConvCAM block, beside the encoder's map; then 1 x 1."""

    def __init__(self, maps: Sequence[int], growth: int, out: int) -> None:
        super().__init__()
        self.up, self.blocks = nn.ModuleList(), nn.ModuleList()
        width = maps[-1]
        for beside, layers, grows in zip([*maps[-2::-1], 0], ATTENTION_LAYERS, _widths(growth), strict=True):
            self.up.append(nn.ConvTranspose2d(width, grows, 5, 2, padding=2, output_padding=1))
            self.blocks.append(_ConvCam(grows, layers, 8))
            width = grows + beside
        self.out = nn.Conv2d(width, out, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        x = maps[-1]
        for k, (up, block) in enumerate(zip(self.up, self.blocks, strict=True)):
            x = block(up(x))
            if k < len(maps) - 1:
                x = torch.cat([x, maps[-2 - k]], 1)
        said: Tensor = self.out(x)
        return said


class HistonextNet(nn.Module):
    """Nuclear pixels, distances to the nucleus's centre, and classes.

    All convolutions keep the size of a map where the paper's cut its edges off: windows of any size that is a multiple
    of the largest stride are valid, and the halo around a tile takes the edges' place.
    """

    def __init__(self, config: HistonextConfig) -> None:
        super().__init__()
        self.config, self.stride = config, config.stride
        self.backbone = Backbone(config.backbone, config.strides, config.options)
        maps = self.backbone.channels
        self.pixels = _DenseDecoder(maps, config.growth, 1)
        self.distances = _DenseDecoder(maps, config.growth, 2)
        self.types = _AttentionDecoder(maps, config.growth, 1 + config.classes) if config.classes else None
        last = self.pixels.out[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.constant_(last.bias, -1.0)

    def forward(self, rgb: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W), 0 to 255, to (N, C, H / stride, W / stride).

        Channel 0 is the logit of a nuclear pixel; 1 and 2 are the distances down and across from the nucleus's
        centre, -1 to 1 from edge to edge; then follow, where classes are told apart, the logits of ground and of each
        class.
        """
        maps = self.backbone(rgb)
        said = [self.pixels(maps), self.distances(maps)]
        if self.types is not None:
            said.append(self.types(maps))
        return torch.cat(said, 1)

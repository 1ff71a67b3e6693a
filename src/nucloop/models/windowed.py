"""Dense features from a transformer: it looks through windows of the size it was trained on, which overlap.

A foundation model's patch tokens are a feature map of its own square input. On a larger picture its positions would
have to be stretched and every patch would look at thousands of others, which it never learned; so the picture is cut
into windows, and where they overlap their tokens are averaged, the window in whose middle a patch lies counting most.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WindowConfig", "WindowedEncoder", "window_starts"]

AT_ONCE = 32
"""Windows that go through the network together."""


@dataclass(frozen=True, kw_only=True)
class WindowConfig:
    """How a transformer sees a picture."""

    patch: int
    """Side of a patch, pixels."""
    window: int
    """Side of a window, pixels; a multiple of the patch."""
    margin: int = 2
    """Patches by which a window reaches beyond its share on each side."""
    mean: tuple[float, float, float]
    """Of red, green and blue, 0 to 1."""
    std: tuple[float, float, float]
    """Likewise."""

    def __post_init__(self) -> None:
        if self.patch < 1 or self.window % self.patch or self.window // self.patch <= 2 * self.margin:
            raise ValueError(f"a window of {self.window} does not hold patches of {self.patch} and their margins")

    @property
    def strides(self) -> tuple[int, ...]:
        """The one feature map's stride, as an encoder's configuration names it."""
        return (self.patch,)


class WindowedEncoder(nn.Module):
    """A transformer used like `nucloop.models.encoder.PointEncoder`.

    Parameters
    ----------
    net : Module
        The transformer.
    patches : callable
        Given `net` and normalised windows (N, 3, W, W), its patch tokens as maps (N, F, W/patch, W/patch).
    features : int
        Length of a token.
    config : WindowConfig
        Window, patch and normalisation.

    Attributes
    ----------
    stride : int
        Input pixels per feature cell.
    """

    mean: Tensor
    std: Tensor
    inward: Tensor

    def __init__(
        self, net: nn.Module, patches: Callable[[nn.Module, Tensor], Tensor], features: int, config: WindowConfig
    ) -> None:
        super().__init__()
        self.net, self.features, self.config = net, features, config
        self.stride = config.patch
        self._patches = patches
        self.register_buffer("mean", 255 * torch.tensor(config.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(config.std).view(1, 3, 1, 1), persistent=False)
        cells = config.window // config.patch
        inward = torch.minimum(torch.arange(cells) + 1, cells - torch.arange(cells)).float()
        self.register_buffer("inward", inward[:, None] * inward[None], persistent=False)

    def forward(self, rgb: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W), 0 to 255, sides multiples of the patch, to features (N, F, H/patch, W/patch)."""
        if torch._C._get_tracing_state() is not None:
            # a recorded run would hold this picture's windows for ever
            raise RuntimeError("the number of windows depends on the picture, which this exporter cannot express")
        side, patch = self.config.window, self.config.patch
        count, _, height, width = rgb.shape
        x = (rgb - self.mean) / self.std
        if (height, width) == (side, side):
            # a crop of that size, as in training: one window each, all at once
            return self._patches(self.net, x)
        x = F.pad(x, (0, max(side - width, 0), 0, max(side - height, 0)))
        tall, wide, cells = x.shape[2] // patch, x.shape[3] // patch, side // patch
        corners = list(product(*(window_starts(length, cells, self.config.margin) for length in (tall, wide))))
        total = x.new_zeros(count, self.features, tall, wide)
        weight = x.new_zeros(tall, wide)
        for image in range(count):
            for first in range(0, len(corners), AT_ONCE):
                some = corners[first : first + AT_ONCE]
                windows = [x[image, :, y * patch : y * patch + side, z * patch : z * patch + side] for y, z in some]
                for (y, z), tokens in zip(some, self._patches(self.net, torch.stack(windows)), strict=True):
                    total[image, :, y : y + cells, z : z + cells] += tokens * self.inward
                    if image == 0:
                        weight[y : y + cells, z : z + cells] += self.inward
        return (total / weight)[:, :, : height // patch, : width // patch]


def window_starts(length: int, cells: int, margin: int) -> list[int]:
    """Where windows of so many cells begin, so that they cover `length` cells and overlap by twice the margin."""
    last = max(length - cells, 0)
    return [*range(0, last, cells - 2 * margin), last]

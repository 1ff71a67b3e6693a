"""A plain vision transformer as a backbone: a simple feature pyramid on its last map.

Li, Mao, Girshick and He, "Exploring Plain Vision Transformer Backbones for Object Detection" (ECCV 2022). Patherea uses
ViT-Adapter, whose deformable attention needs an operator of its own for CUDA; this pyramid does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.models.backbone import IMAGENET_MEAN, IMAGENET_STD, Backbone
from nucloop.models.library_networks import BackboneError, make_network
from nucloop.models.windowed import WindowConfig, WindowedEncoder

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PyramidTransformer", "any_backbone"]

TOKEN = 16
"""Input pixels along a token's side; the picture is resized where the transformer's patches are not so large."""
WINDOW = 224
"""Side of the windows that it looks through, input pixels; a training crop is one."""


def any_backbone(name: str, strides: Sequence[int], options: dict[str, Any]) -> Backbone:
    """Return a backbone by torchvision or timm name, be it a network with feature maps or a plain transformer.

    Raises
    ------
    BackboneError
        If the name, a stride or an option is unknown.
    """
    if not name.startswith(("vit_", "deit", "eva02_")):
        return Backbone(name, strides, options)
    return PyramidTransformer(name, strides, options)


class PyramidTransformer(Backbone):
    """A transformer seen as a function from RGB to feature maps.

    Parameters
    ----------
    name : str
        timm name of a transformer with one size of tokens throughout.
    strides : sequence of int
        Of 4, 8, 16 and 32, finest first.
    options : dict, optional
        Passed to ``timm.create_model``.
    """

    def __init__(self, name: str, strides: Sequence[int], options: dict[str, Any] | None = None) -> None:
        nn.Module.__init__(self)
        import timm

        net = make_network(name, {"num_classes": 0, "dynamic_img_size": True, **(options or {})}, "transformer")
        size = getattr(getattr(net, "patch_embed", None), "patch_size", None)
        if size is None:
            raise BackboneError(f"{name} is no plain transformer with patches of one size. Choose another backbone.")
        self._patch = int(size[0])
        if not set(strides) <= {4, 8, 16, 32}:
            raise BackboneError(f"{name} has feature maps at strides [4, 8, 16, 32], not {list(strides)}.")
        width = int(net.num_features)
        self.name, self.strides = name, tuple(strides)
        self.channels = [width // {4: 4, 8: 2}.get(stride, 1) for stride in strides]
        self.net = net
        seen = timm.get_pretrained_cfg(name)
        mean: Any = IMAGENET_MEAN if seen is None else seen.mean
        std: Any = IMAGENET_STD if seen is None else seen.std
        window = WindowConfig(patch=TOKEN, window=WINDOW, mean=mean, std=std)
        self.windows = WindowedEncoder(nn.Identity(), self._tokens, width, window)
        self.levels = nn.ModuleList(_level(width, stride) for stride in strides)
        self._frozen = ()

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """Map RGB (N, 3, H, W), values 0 to 255, sides multiples of the largest stride, to feature maps."""
        tokens = self.windows(rgb)
        return [level(tokens) for level in self.levels]

    def freeze_to(self, stride: int) -> None:
        """Refuse: a transformer has no stages by stride."""
        raise BackboneError(f"{self.name} has no stages that can be frozen by stride. Use frozen_stride: 0.")

    def _tokens(self, _: nn.Module, x: Tensor) -> Tensor:
        cells = x.shape[-1] // TOKEN
        if self._patch != TOKEN:
            x = F.interpolate(x, size=cells * self._patch, mode="bilinear", antialias=True)
        net: Any = self.net
        tokens: Tensor = net.forward_intermediates(x, indices=1, norm=True, intermediates_only=True)[0]
        return tokens


def _level(width: int, stride: int) -> nn.Module:
    """Bring the map of stride 16 to another: enlarged by transposed convolutions, or the largest of four."""
    if stride == 2 * TOKEN:
        return nn.MaxPool2d(2)
    layers: list[nn.Module] = []
    while stride < TOKEN:
        layers += [nn.ConvTranspose2d(width, width // 2, 2, 2), nn.BatchNorm2d(width // 2), nn.GELU()]
        width, stride = width // 2, stride * 2
    return nn.Sequential(*layers)

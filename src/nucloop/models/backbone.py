"""Backbones: feature maps at several strides from timm or torchvision, with names a person can type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.errors import WeightsError
from nucloop.models.library_networks import BackboneError, check_local, make_network

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Backbone", "BackboneError", "load_pretrained"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SHUFFLENETS = ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0")


class EvenSameConv2d(nn.Conv2d):
    """Stride-2 convolution with TensorFlow's "same" padding, for even input sizes.

    timm computes that padding from the input's size at every call, which no exporter can follow; for even
    sizes it is always one row below and one column to the right.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) with even H and W to (N, C', H/2, W/2)."""
        over = self.kernel_size[0] - 2
        before, after = over // 2, over - over // 2
        if torch.onnx.is_in_onnx_export():
            out: Tensor = _PaddedConv.apply(x, self.weight, self.bias, self.groups, before, after)
            return out
        padded = F.pad(x, (before, after, before, after))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class _PaddedConv(torch.autograd.Function):
    """Stride-2 convolution that pads the two sides unequally: ONNX has it in one step, torch has not.

    Two steps would cost ONNX Runtime a quarter more time, since a Pad has no blocked layout.
    """

    @staticmethod
    def forward(  # type: ignore[override, unused-ignore]
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, before: int, after: int
    ) -> Tensor:
        return F.conv2d(F.pad(x, (before, after, before, after)), weight, bias, 2, 0, 1, groups)

    @staticmethod
    def symbolic(g: Any, x: Any, weight: Any, bias: Any, groups: int, before: int, after: int) -> Any:
        inputs = [x, weight] if bias is None or bias.node().mustBeNone() else [x, weight, bias]
        return g.op("Conv", *inputs, group_i=groups, strides_i=[2, 2], pads_i=[before, before, after, after])


def _export_friendly(module: nn.Module) -> None:
    from timm.layers.conv2d_same import Conv2dSame

    for child in module.modules():
        if isinstance(child, Conv2dSame) and child.stride == (2, 2):
            # the same parameters under another forward: timm offers no way to ask for it
            swapped: Any = child
            swapped.__class__ = EvenSameConv2d


class _ShuffleNetFeatures(nn.Module):
    """ShuffleNetV2 (Ma et al., ECCV 2018) cut before its classifier: strides 8, 16 and 32."""

    def __init__(self, name: str) -> None:
        super().__init__()
        import torchvision.models

        net = getattr(torchvision.models, name)(weights=None)
        self.stem = nn.Sequential(net.conv1, net.maxpool)
        stages: list[Any] = [net.stage2, net.stage3, net.stage4]
        self.stages = nn.ModuleList(stages)
        # one unit's two halves together give the stage's width
        self.channels = [2 * stage[0].branch2[5].out_channels for stage in stages]

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class Backbone(nn.Module):
    """An image network seen as a function from RGB to feature maps.

    Parameters
    ----------
    name : str
        ``shufflenet_v2_x0_5`` ... ``x2_0`` (torchvision) or any timm model that offers feature maps.
    strides : sequence of int
        Which feature maps to return, finest first, by their stride in input pixels.
    options : dict, optional
        Passed to ``timm.create_model``.

    Attributes
    ----------
    channels : list of int
        Width of each returned map.

    Raises
    ------
    BackboneError
        If the name, a stride or an option is unknown.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, strides: Sequence[int], options: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.name = name
        self.strides = tuple(strides)
        mean: tuple[float, ...] = IMAGENET_MEAN
        std: tuple[float, ...] = IMAGENET_STD
        check_local(name, options or {})
        if name in SHUFFLENETS:
            self.net: nn.Module = _ShuffleNetFeatures(name)
            offered = [8, 16, 32]
            channels = self.net.channels
        else:
            self.net, offered, channels, mean, std = _timm_features(name, strides, options or {})
        if not set(strides) <= set(offered):
            raise BackboneError(f"{name} has feature maps at strides {offered}, not {list(strides)}. Choose of those.")
        self._picked = [offered.index(stride) for stride in strides]
        self.channels = [int(channels[k]) for k in self._picked]
        self._frozen: tuple[nn.Module, ...] = ()
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """Map RGB (N, 3, H, W), values 0 to 255, sides multiples of the largest stride, to feature maps."""
        maps = self.net((rgb - self.mean) / self.std)
        return [maps[k] for k in self._picked]

    def freeze_to(self, stride: int) -> None:
        """Keep everything up to `stride` as it is, batch statistics included: a step then takes half the time."""
        net: Any = self.net
        blocks = getattr(net, "blocks", None)
        if not isinstance(blocks, nn.Sequential) or not hasattr(net, "conv_stem"):
            raise BackboneError(f"{self.name} has no stages that can be frozen one by one. Use frozen_stride: 0.")
        info = {f["reduction"]: f["stage"] for f in net.feature_info.info}
        if stride not in info:
            raise BackboneError(f"{self.name} has stages at strides {sorted(info)}, not at {stride}. Choose of those.")
        self._frozen = (net.conv_stem, net.bn1, *blocks[: info[stride]])
        for module in self._frozen:
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Backbone:
        """Switch to training, frozen stages excepted."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self


def _timm_features(
    name: str, strides: Sequence[int], options: dict[str, Any]
) -> tuple[nn.Module, list[int], list[int], tuple[float, ...], tuple[float, ...]]:
    import timm

    what = "backbone"
    probe: Any = make_network(name, options, what, features_only=True)
    wanted = [k for k, reduction in enumerate(probe.feature_info.reduction()) if reduction in strides]
    net = make_network(name, options, what, features_only=True, out_indices=tuple(wanted)) if wanted else probe
    stages = getattr(net, "_stage_out_idx", None)
    if stages and isinstance(getattr(net, "blocks", None), nn.Sequential):
        net.blocks = net.blocks[: max(stages)]  # timm runs the later stages though nobody reads them
    _export_friendly(net)
    config = timm.get_pretrained_cfg(name)
    mean = tuple(config.mean) if config is not None else IMAGENET_MEAN
    std = tuple(config.std) if config is not None else IMAGENET_STD
    return net, list(net.feature_info.reduction()), list(net.feature_info.channels()), mean, std


def load_pretrained(backbone: Backbone, path: str | Path) -> list[str]:
    """Start a backbone from a safetensors file in its library's layout; return the parameters left at random.

    Entries of the file that the cut network does not have (the classifier) are left aside.

    Raises
    ------
    WeightsError
        If the file is missing, no safetensors file, or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        result = backbone.net.load_state_dict(load_file(str(path)), strict=False)
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"Cannot start {backbone.name} from {path}: {reason}. Give a safetensors file of that network."
        ) from error
    return [key for key in result.missing_keys if "num_batches_tracked" not in key]

"""Low-rank adapters (LoRA) in any encoder: where they go, and how they become part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from nucloop.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["add_lora", "attention_layers", "lora_targets", "lora_weights", "merge_lora"]

ATTENTION = (("qkv", "proj"), ("query", "key", "value"), ("q_proj", "k_proj", "v_proj"))
"""What libraries call the linear layers of attention: timm (fused), transformers, and others."""


def lora_targets(net: nn.Module) -> list[str]:
    """Return the full names of the layers to adapt.

    The linear layers of attention where there are any; else all 1x1 convolutions, which hold most of a convolutional
    network's weights and say how its channels are mixed.

    Raises
    ------
    WeightsError
        If the network has neither.
    """
    pointwise = [name for name, module in net.named_modules() if _pointwise(module)]
    found = attention_layers(net) or pointwise or _linear(net)
    if not found:
        raise WeightsError("This encoder has no layers that LoRA can adapt. Tune all of its weights instead.")
    return found


def attention_layers(net: nn.Module) -> list[str]:
    """Return the full names of the linear layers of attention; a network that has some is a transformer."""
    linear = _linear(net)
    for names in ATTENTION:
        found = [name for name in linear if name.rpartition(".")[2] in names]
        if any(name.rpartition(".")[2] == names[0] for name in found):
            return [name for name in found if name.rpartition(".")[2] != "proj" or ".attn." in f".{name}"]
    return []


def _linear(net: nn.Module) -> list[str]:
    return [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]


def add_lora(net: nn.Module, rank: int, alpha: int) -> list[nn.Parameter]:
    """Put adapters into a network, in place, and freeze all else; return what is to be trained.

    Parameters
    ----------
    rank : int
        Of the two matrices that are multiplied.
    alpha : float
        Their product counts alpha / rank times.
    """
    from peft import LoraConfig, inject_adapter_in_model

    net.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=lora_targets(net))
    inject_adapter_in_model(config, net)
    return [parameter for parameter in net.parameters() if parameter.requires_grad]


def lora_weights(net: nn.Module) -> dict[str, Tensor]:
    """Return the adapters' own tensors, by name; none where there are no adapters."""
    return {key: value for key, value in net.state_dict().items() if ".lora_" in key}


def merge_lora(net: nn.Module) -> nn.Module:
    """Work adapters into the weights and take them out, in place; a network without any stays as it is."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(net.named_modules()):
        if isinstance(module, LoraLayer):
            any_module: Any = module
            any_module.merge(safe_merge=True)
            parent, _, child = name.rpartition(".")
            setattr(net.get_submodule(parent), child, any_module.get_base_layer())
    return net


def _pointwise(module: Iterable[Any] | nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1

"""Building published transformers from their files: timm's and transformers' own classes, checked tensor by tensor."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nucloop.errors import WeightsError
from nucloop.models.library_networks import bounded, make_network, room_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nucloop.models.files.foundation import FoundationModel

__all__ = ["TimmShape", "build_transformer", "read_tensors", "timm_config", "timm_shape"]

SPARE = ("head.", "head_dist.", "fc_norm.", "mask_token", "embeddings.mask_token")
"""Tensors that published files may have and patch tokens do not need."""
LARGEST_CONFIG = 1_000_000
LARGEST_PUBLISHED = 10_000_000_000
"""Parameters of the largest transformer that is looked at without its weights."""


@dataclass(frozen=True)
class TimmShape:
    """What timm knows of a transformer without its weights."""

    patch: int
    registers: int
    features: int


def timm_config(name: str) -> dict[str, Any] | None:
    """Return timm's record of pretrained weights of that name; None where timm does not know it."""
    import timm

    if not name or not timm.is_model(name):
        return None
    config: Any = timm.get_pretrained_cfg(name)
    return {} if config is None else dict(config.to_dict())


def timm_shape(name: str, options: dict[str, Any]) -> TimmShape | None:
    """Build a timm model without memory for its weights and look at it; None where it has no square patches."""
    with torch.device("meta"):
        net = _timm_net(name, options, LARGEST_PUBLISHED)
    patches = getattr(net, "patch_embed", None)
    size = getattr(patches, "patch_size", None)
    if not hasattr(net, "forward_intermediates") or not isinstance(size, tuple) or size[0] != size[1]:
        return None
    return TimmShape(int(size[0]), max(int(getattr(net, "num_prefix_tokens", 1)) - 1, 0), int(net.num_features))


def build_transformer(
    entry: FoundationModel, place: Path, weights: Path
) -> tuple[nn.Module, Callable[[nn.Module, Tensor], Tensor]]:
    """Return the network with its weights, and how its patch tokens are read.

    Parameters
    ----------
    place : Path
        A folder in the hub's layout, or the weights file itself.
    weights : Path
        The weights file.

    Raises
    ------
    WeightsError
        If the file is damaged or of another network.
    """
    net = (
        _transformers_net(entry, place, weights)
        if entry.library == "transformers"
        else _filled_timm(entry, place, weights)
    )
    net.requires_grad_(False)
    read = _transformers_patches(entry.registers) if entry.library == "transformers" else _timm_patches
    with torch.inference_mode(), _explained(entry, weights):
        shape = tuple(read(net, torch.zeros(1, 3, entry.window, entry.window)).shape)
    cells = entry.window // entry.patch
    if shape != (1, entry.features, cells, cells):
        raise WeightsError(
            f"{weights} gives patches of shape {shape[1:]}, {entry.name} those of shape "
            f"{(entry.features, cells, cells)}. It is another model: check the file."
        )
    return net, read


def _timm_patches(net: nn.Module, x: Tensor) -> Tensor:
    any_net: Any = net
    tokens: Tensor = any_net.forward_intermediates(x, indices=1, norm=True, intermediates_only=True)[0]
    return tokens


def _transformers_patches(registers: int) -> Callable[[nn.Module, Tensor], Tensor]:
    def read(net: nn.Module, x: Tensor) -> Tensor:
        any_net: Any = net
        tokens = any_net(pixel_values=x).last_hidden_state[:, 1 + registers :]
        side = round(tokens.shape[1] ** 0.5)
        maps: Tensor = tokens.transpose(1, 2).reshape(len(x), -1, side, side)
        return maps

    return read


def _timm_net(name: str, options: dict[str, Any], most: int) -> Any:
    return make_network(name, {"num_classes": 0, **options}, "transformer", most=most)


def _filled_timm(entry: FoundationModel, place: Path, weights: Path) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn

    _check_architecture(entry, place)
    net = _timm_net(entry.architecture, entry.options, room_for(weights))
    with _explained(entry, weights):
        tensors = read_tensors(weights)
        if isinstance(net, VisionTransformer):
            tensors = checkpoint_filter_fn(tensors, net)
        wanted = net.state_dict()
        # what patch tokens do not need may be there or not
        net.load_state_dict({key: value for key, value in tensors.items() if key in wanted or not _spare(key)})
    filled: nn.Module = net.eval()
    return filled


def _check_architecture(entry: FoundationModel, place: Path) -> None:
    """Refuse a folder that says it holds another architecture."""
    path = place / "config.json"
    if not place.is_dir() or not path.is_file():
        return
    try:
        config = json.loads(path.read_bytes()) if path.stat().st_size < LARGEST_CONFIG else None
    except (ValueError, OSError, RecursionError):
        config = None
    said = config.get("architecture") if isinstance(config, dict) else None
    if said is not None and said != entry.architecture:
        raise WeightsError(f"{place} holds a {said}, {entry.name} is a {entry.architecture}. Give its own folder.")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors from safetensors, or from a checkpoint of PyTorch of which nothing is run.

    Raises
    ------
    ValueError
        If it holds something else.
    """
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(str(path))
    state = torch.load(path, map_location="cpu", weights_only=True)
    for key in ("state_dict", "model", "teacher"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError("it holds something else than tensors")
    return state


def _spare(key: str) -> bool:
    return key.startswith(SPARE)


def _transformers_net(entry: FoundationModel, place: Path, weights: Path) -> nn.Module:
    if not place.is_dir():
        raise WeightsError(f"{entry.name} needs its config.json beside its weights. Give the folder, not the file.")
    import transformers

    kinds = {"dinov2": "Dinov2Model", "dinov2_with_registers": "Dinov2WithRegistersModel"}
    kind = getattr(transformers, kinds[entry.architecture])
    with _explained(entry, place), _quiet(transformers), bounded(room_for(weights)):
        config = kind.config_class.from_pretrained(place, local_files_only=True)
        # never the code that may lie in the folder: the class is the library's own
        net, report = kind.from_pretrained(place, config=config, local_files_only=True, output_loading_info=True)
        lacking = sorted(key for key in report["missing_keys"] if not _spare(key))
        if lacking or report.get("mismatched_keys"):
            raise ValueError(f"tensors are missing or of another size, such as {(lacking or ['some'])[0]}")
    filled: nn.Module = net.eval()
    return filled


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep the library's tables of loaded tensors off a person's terminal: what matters is checked."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


@contextmanager
def _explained(entry: FoundationModel, path: Path) -> Iterator[None]:
    """Turn what a library says of a wrong file into a sentence."""
    try:
        yield
    except WeightsError:
        raise
    except MemoryError as error:
        raise WeightsError(f"There is not enough memory for {entry.name}. Choose a smaller encoder.") from error
    except Exception as error:
        # whatever a library stumbles over, a person is told which file it is
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"{path} is not {entry.name}, or is damaged ({reason}). Download it again, or check the name."
        ) from error

"""Tunings of encoders as bytes: kept in a session, shared as a file, and worked into an encoder again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from nucloop.configuration import read_strictly
from nucloop.errors import WeightsError
from nucloop.formats.atomic import replacing
from nucloop.learning.lora import add_lora, lora_weights, merge_lora

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.models.files.cards import Card

__all__ = ["TuneConfig", "changes_of", "load_changes", "pack", "restore_encoder", "share_tuning"]

FORMAT = 1
Encoder = TypeVar("Encoder", bound=nn.Module)


@read_strictly
@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """How an encoder is tuned."""

    method: Literal["lora", "full"] = "lora"
    """Small matrices beside its own (LoRA), or all of its weights."""
    rank: int = 8
    """Of LoRA's matrices."""
    alpha: int = 16
    """LoRA's scale: what they say counts alpha / rank times."""
    epochs: int = 20
    patience: int = 4
    """Epochs without a better F1 after which it stops."""
    worse: int = 2
    """Epochs in a row with an F1 below the best after which it stops."""
    lr: float | None = None
    """Largest learning rate; what suits the network when absent: see `nucloop.learning.tuning.rate_for`."""
    head_lr: float = 1e-3
    weight_decay: float = 1e-4
    batch: int = 8
    """Pictures in a step."""
    side: int = 128
    """Of a picture, pixels at the encoder's resolution; wider where the encoder needs it."""
    jitter_um: float = 0.4
    """Standard deviation by which points are moved, µm: detections are not exact either."""
    smoothing: float = 0.05
    """Of the labels."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.rank, self.epochs, self.patience, self.worse, self.batch) < 1 or self.side < 32:
            raise ValueError("rank, epochs, patience, worse and batch must be at least 1, and side at least 32")


def pack(changes: dict[str, Tensor], config: TuneConfig, encoder: Card, base: bytes | None = None) -> bytes:
    """Return what must be kept to have a tuned encoder again.

    Parameters
    ----------
    changes : dict of Tensor
        As `changes_of` gives them.
    config : TuneConfig
        How it was tuned.
    encoder : Card
        Of the encoder it came from.
    base : bytes, optional
        The tuning that it began with.
    """
    about = {"format": FORMAT, "encoder": encoder.name, "encoder_sha256": encoder.sha256}
    steps, earlier = ([], {}) if base is None else _read(base)
    number = len(steps)
    tensors = {f"{number}/{key}": value.contiguous().cpu() for key, value in changes.items()}
    steps = [*steps, {**about, "config": asdict(config)}]
    data: bytes = save({**earlier, **tensors}, {"tuning": json.dumps(steps)})
    return data


def restore_encoder(net: Encoder, card: Card, data: bytes) -> tuple[Encoder, Card]:
    """Return an encoder as it was tuned, and its card.

    Parameters
    ----------
    net : Module
        The encoder that was tuned; changed in place.
    card : Card
        Its card.
    data : bytes
        As `Tuned.to_bytes` gives them.

    Raises
    ------
    WeightsError
        If they are damaged, or of another encoder.
    """
    steps, tensors = _read(data)
    if steps[0]["encoder_sha256"] != card.sha256:
        raise WeightsError(
            f"This tuning is of another {steps[0]['encoder']} than the one that is installed. Tune it again."
        )
    try:
        for number, step in enumerate(steps):
            config = TuneConfig(**step["config"])
            prefix = f"{number}/"
            changes = {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
            if config.method == "lora":
                add_lora(net, config.rank, config.alpha)
            load_changes(net, changes, config)
            merge_lora(net)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"The tuning of {card.name} is damaged ({error}). Tune it again.") from error
    methods = ", ".join(step["config"]["method"] for step in steps)
    name = f"{card.name} ({methods})"
    net.requires_grad_(False).eval()
    return net, replace(card, name=name, sha256=sha256(data).hexdigest())


def share_tuning(path: Path, data: bytes) -> None:
    """Write a tuning to a file for others, and its card beside it.

    Raises
    ------
    WeightsError
        If it cannot be written.
    """
    steps, _ = _read(data)
    card = {"kind": "encoder tuning", "steps": steps, "sha256": sha256(data).hexdigest()}
    try:
        with replacing(path) as file:
            file.write(data)
        with replacing(path.with_suffix(".json")) as file:
            file.write(json.dumps(card, indent=2).encode() + b"\n")
    except OSError as error:
        raise WeightsError(f"Cannot write {path}: {error.strerror or error}. Choose another folder.") from error


def _read(data: bytes) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
    try:
        tensors = load(data)
        length = int.from_bytes(data[:8], "little")
        steps = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["tuning"])
        if not steps or any(step["format"] != FORMAT for step in steps):
            raise ValueError("unknown format")
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"This tuning of an encoder is damaged ({error}). Copy it again.") from error
    return steps, tensors


def changes_of(net: nn.Module, config: TuneConfig) -> dict[str, Tensor]:
    """Return what was changed in a network: LoRA's matrices, or all weights that may be."""
    if config.method == "lora":
        return {key: value.detach().clone() for key, value in lora_weights(net).items()}
    named = {key for key, parameter in net.named_parameters() if parameter.requires_grad}
    return {key: value.detach().clone() for key, value in net.state_dict().items() if key in named}


def load_changes(net: nn.Module, changes: dict[str, Tensor], config: TuneConfig) -> None:
    """Put changes into a network, in place; ValueError where they are those of another."""
    wanted = set(lora_weights(net)) if config.method == "lora" else set(changes)
    if wanted != set(changes) or not changes:
        raise ValueError("its tensors are those of another network")
    result = net.load_state_dict(changes, strict=False)
    if result.unexpected_keys:
        raise ValueError("its tensors are those of another network")

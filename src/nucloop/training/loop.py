"""The one training loop: AdamW, one cycle, averaged weights, mixed precision on a GPU, checkpoints that resume."""

from __future__ import annotations

import copy
import os
import pickle
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nucloop.configuration import read_strictly
from nucloop.errors import WeightsError
from nucloop.models.backbone import load_pretrained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nucloop.models.backbone import Backbone

__all__ = ["LoopConfig", "TrainingProgress", "prepare", "run_loop"]


@read_strictly
@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long and how fast to learn."""

    steps: int = 1600
    """Optimiser steps."""
    batch: int = 16
    """Crops in a step."""
    lr: float = 2e-3
    """Largest learning rate of neck and head."""
    backbone_lr: float = 5e-4
    """Largest learning rate of the backbone."""
    weight_decay: float = 1e-4
    """AdamW's."""
    warm_up: float = 0.15
    """Share of the steps in which the rate rises; afterwards it falls on a cosine."""
    average: float = 0.995
    """Decay of the averaged weights, which are what is kept; 0 keeps the last ones."""
    seed: int = 0
    """Of initial weights, crops and augmentation."""
    checkpoint_every: int = 100
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ValueError("steps and batch must be at least 1")


@dataclass(frozen=True)
class TrainingProgress:
    """One step is done: its number (from 1), how many there are, and the smoothed loss."""

    step: int
    steps: int
    loss: float


def prepare(
    model: nn.Module, backbone: Backbone, initial: Path | None, frozen_stride: int, device: torch.device | str
) -> None:
    """Give `backbone`, a part of `model`, its initial weights, freeze its first stages, and move all to the device.

    Raises
    ------
    WeightsError
        If `initial` is not a safetensors file of that backbone, or it cannot be frozen there.
    """
    if initial is not None:
        load_pretrained(backbone, initial)
    if frozen_stride:
        backbone.freeze_to(frozen_stride)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def run_loop(
    model: nn.Module,
    backbone: nn.Module,
    draw_loss: Callable[[nn.Module, int], Tensor],
    config: LoopConfig,
    *,
    checkpoint: Path | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[TrainingProgress]:
    """Train `model` in place; on normal end it holds the averaged weights.

    Parameters
    ----------
    backbone : Module
        The part of `model` that learns at `backbone_lr`.
    draw_loss : callable
        Given the model and the step's number, draws that step's batch and returns its loss. Batches follow from
        the step's number alone, so a resumed run sees what an unbroken one would.
    checkpoint : Path, optional
        Written every `checkpoint_every` steps and resumed from when it exists.

    Yields
    ------
    TrainingProgress
        After every step.
    """
    optimiser, schedule = _one_cycle(model, backbone, config)
    averaged = copy.deepcopy(model).eval()
    parts = {"model": model, "averaged": averaged, "optimiser": optimiser, "schedule": schedule}
    done = _resume(checkpoint, parts)
    smooth = float("nan")
    if done >= config.steps:
        # the run was stopped between its last checkpoint and its product
        yield TrainingProgress(done, config.steps, smooth)
    model.train()
    for step in range(done, config.steps):
        with torch.autocast("cuda", torch.bfloat16, enabled=torch.device(device).type == "cuda"):
            loss = draw_loss(model, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        _average(averaged, model, min(config.average, (1 + step) / (10 + step)))
        smooth = loss.item() if smooth != smooth else 0.98 * smooth + 0.02 * loss.item()
        if checkpoint is not None and (step + 1) % config.checkpoint_every == 0:
            _save(checkpoint, parts, step + 1)
        yield TrainingProgress(step + 1, config.steps, smooth)
    if config.average:
        model.load_state_dict(averaged.state_dict())
    model.eval()


def _one_cycle(
    model: nn.Module, backbone: nn.Module, config: LoopConfig
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return an optimiser with two learning rates, and the schedule of both."""
    inner = set(backbone.parameters())
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p in inner], "lr": config.backbone_lr},
        {"params": [p for p in trained if p not in inner], "lr": config.lr},
    ]
    optimiser = torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        [g["lr"] for g in optimiser.param_groups],
        total_steps=config.steps + 1,
        pct_start=config.warm_up,
        div_factor=10,
        final_div_factor=1e3,
    )
    return optimiser, schedule


@torch.no_grad()
def _average(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    for mean, value in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def _save(path: Path, parts: dict[str, Any], step: int) -> None:
    temporary = path.with_suffix(path.suffix + ".part")
    try:
        torch.save({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, temporary)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        with suppress(OSError):
            temporary.unlink()
        raise WeightsError(
            f"Cannot write {path}: {error}. Make room or choose another folder, and start again: "
            "training goes on from the last checkpoint."
        ) from error


def _resume(path: Path | None, parts: dict[str, Any]) -> int:
    if path is None or not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return int(state["step"])
    except (RuntimeError, KeyError, ValueError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise WeightsError(
            f"Cannot resume from {path}: it is damaged or belongs to another recipe. Delete it to start afresh."
        ) from error

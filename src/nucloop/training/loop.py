"""The one training loop: AdamW, one cycle by steps or by the clock, averaged weights, checkpoints that resume."""

from __future__ import annotations

import copy
import math
import os
import pickle
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from nucloop.configuration import read_strictly
from nucloop.errors import WeightsError
from nucloop.models.backbone import Backbone, load_pretrained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["LoopConfig", "TrainingProgress", "prepare", "run_loop"]

Model = TypeVar("Model", bound=nn.Module)
AnyBatch = TypeVar("AnyBatch")
LARGEST_RUN = 1 << 32
"""More steps than any run has: the next seed's begin there."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long and how fast to learn."""

    steps: int = 1600
    """Optimiser steps."""
    minutes: float | None = None
    """How long to learn instead, by the clock: as many steps as there is time for."""
    batch: int = 16
    """Crops in a step."""
    lr: float = 2e-3
    """Largest learning rate of neck and head."""
    backbone_lr: float = 5e-4
    """Largest learning rate of the backbone."""
    weight_decay: float = 1e-4
    """AdamW's."""
    warm_up: float = 0.15
    """Share of the run in which the rate rises; afterwards it falls on a cosine."""
    frozen: float = 0.0
    """Share of the run, at its beginning, in which the backbone keeps its weights; then its rate rises as well."""
    average: float = 0.995
    """Decay of the averaged weights, which are what is kept; 0 keeps the last ones."""
    seed: int = 0
    """Of initial weights, crops and augmentation."""
    checkpoint_every: int = 100
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ValueError("steps and batch must be at least 1")
        if not 0 <= self.frozen < 1:
            raise ValueError(f"frozen must lie from 0 to below 1, got {self.frozen}")
        if self.minutes is not None and not self.minutes > 0:
            raise ValueError(f"minutes must be more than 0, got {self.minutes}")


@dataclass(frozen=True)
class TrainingProgress:
    """One step is done: its number (from 1), how many there are (by the clock, an estimate), and the smoothed loss."""

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
        for part in _alike(model, backbone):
            load_pretrained(part, initial)
    if frozen_stride:
        backbone.freeze_to(frozen_stride)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def run_loop(
    model: Model,
    backbone: nn.Module,
    draw: Callable[[int], AnyBatch],
    loss_of: Callable[[Model, AnyBatch], Tensor],
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
    draw : callable
        Given a step's number, draws its batch. Batches follow from the number alone, so a resumed run sees what an
        unbroken one would.
    loss_of : callable
        Given the model and a batch, returns its loss.
    checkpoint : Path, optional
        Written every `checkpoint_every` steps and resumed from when it exists.

    Yields
    ------
    TrainingProgress
        After every step.
    """
    on_gpu = torch.device(device).type == "cuda"
    optimiser = _optimiser(model, backbone, config)
    averaged = copy.deepcopy(model).eval()
    parts = {"model": model, "averaged": averaged, "optimiser": optimiser}
    course = _Course(config, *_resume(checkpoint, parts))
    average = _averaging(averaged, model)
    smooth: Tensor | None = None
    said = float("nan")
    if course.share >= 1:
        # the run was stopped between its last checkpoint and its product
        yield TrainingProgress(course.done, course.done, said)
    model.train()
    held = [p for part in _alike(model, backbone) for p in part.parameters() if p.requires_grad]
    while course.share < 1:
        step = course.done
        torch.manual_seed(config.seed * LARGEST_RUN + step)  # what the model itself draws follows from the step too
        for parameter in held:
            parameter.requires_grad_(course.share >= config.frozen)
        _set_rates(optimiser, course.share, config)
        batch = draw(step)
        with torch.autocast("cuda", torch.bfloat16, enabled=on_gpu):
            loss = loss_of(model, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        average(min(config.average, (1 + step) / (10 + step)))
        course.step()
        smooth = loss.detach() if smooth is None else torch.lerp(smooth, loss.detach(), 0.02)
        # asking a GPU for a number makes it wait for us
        if not on_gpu or step % 10 == 0 or course.share >= 1:
            said = smooth.item()
        if checkpoint is not None and course.done % config.checkpoint_every == 0:
            _save(checkpoint, parts, course)
        yield TrainingProgress(course.done, course.steps, said)
    if config.average:
        model.load_state_dict(averaged.state_dict())
    model.eval()


class _Course:
    """How far a run is, by its steps or by the clock; time between two sittings does not count.

    Parameters
    ----------
    done : int
        Steps of earlier sittings.
    seconds : float
        What they took.
    """

    def __init__(self, config: LoopConfig, done: int = 0, seconds: float = 0.0) -> None:
        self._config, self._start = config, time.monotonic() - seconds
        self.done, self.share = done, 0.0
        self._look()

    @property
    def seconds(self) -> float:
        """Time spent so far, all sittings together."""
        return time.monotonic() - self._start

    @property
    def steps(self) -> int:
        """How many steps there are: by the clock, as many as there would be at this pace."""
        if self._config.minutes is None:
            return self._config.steps
        return max(round(self.done / max(self.share, 1e-6)), self.done)

    def step(self) -> None:
        """Count one."""
        self.done += 1
        self._look()

    def _look(self) -> None:
        config = self._config
        by_steps = config.minutes is None
        share = self.done / config.steps if by_steps else self.seconds / (60 * (config.minutes or 1))
        self.share = min(share, 1.0)


def _alike(model: nn.Module, backbone: nn.Module) -> list[Any]:
    """Return a model's backbones of one kind: some look twice, by weights of their own."""
    others = [part for part in model.modules() if isinstance(part, Backbone) and part is not backbone]
    return [backbone, *(part for part in others if part.name == getattr(backbone, "name", None))]


def _optimiser(model: nn.Module, backbone: nn.Module, config: LoopConfig) -> torch.optim.Optimizer:
    """Return an optimiser with two learning rates; each group remembers its largest, and when it begins."""
    inner = {p for part in _alike(model, backbone) for p in part.parameters()}
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p in inner], "largest": config.backbone_lr, "begin": config.frozen},
        {"params": [p for p in trained if p not in inner], "largest": config.lr, "begin": 0.0},
    ]
    on_gpu = any(p.is_cuda for p in trained)
    return torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=config.weight_decay, fused=on_gpu)


def _set_rates(optimiser: torch.optim.Optimizer, share: float, config: LoopConfig) -> None:
    """Set rate and momentum for a moment of the run (0 to 1): one cycle (Smith and Topin, 2019), on cosines.

    A part that is frozen at first has its cycle in what is left of the run.
    """
    for group in optimiser.param_groups:
        begin = group["begin"]
        own = max(share - begin, 0) / (1 - begin)
        if own < config.warm_up:
            rate, momentum = _between(0.1, 1, own / config.warm_up), _between(0.95, 0.85, own / config.warm_up)
        else:
            fallen = (own - config.warm_up) / (1 - config.warm_up)
            rate, momentum = _between(1, 1e-4, fallen), _between(0.85, 0.95, fallen)
        group["lr"] = group["largest"] * rate
        group["betas"] = (momentum, group["betas"][1])


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * share))


def _averaging(averaged: nn.Module, model: nn.Module) -> Callable[[float], None]:
    """Return what moves averaged weights towards a model's, by 1 - its argument."""
    pairs = list(zip(averaged.state_dict().values(), model.state_dict().values(), strict=True))
    means = [mean for mean, _ in pairs if mean.is_floating_point()]
    values = [value for mean, value in pairs if mean.is_floating_point()]
    counters = [pair for pair in pairs if not pair[0].is_floating_point()]

    def average(decay: float) -> None:
        get_ema_multi_avg_fn(decay)(means, values, None)  # type: ignore[no-untyped-call]
        for mean, value in counters:
            mean.copy_(value)

    return average


def _save(path: Path, parts: dict[str, Any], course: _Course) -> None:
    temporary = path.with_suffix(path.suffix + ".part")
    so_far = {"step": course.done, "seconds": course.seconds}
    try:
        torch.save({**so_far, **{name: part.state_dict() for name, part in parts.items()}}, temporary)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        with suppress(OSError):
            temporary.unlink()
        raise WeightsError(
            f"Cannot write {path}: {error}. Make room or choose another folder, and start again: "
            "training goes on from the last checkpoint."
        ) from error


def _resume(path: Path | None, parts: dict[str, Any]) -> tuple[int, float]:
    """Load a checkpoint; return the steps that are done, and the seconds that they took."""
    if path is None or not path.exists():
        return 0, 0.0
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return int(state["step"]), float(state["seconds"])
    except (RuntimeError, KeyError, ValueError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise WeightsError(
            f"Cannot resume from {path}: it is damaged or belongs to another recipe. Delete it to start afresh."
        ) from error

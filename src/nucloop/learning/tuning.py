"""Tuning an encoder to corrections: LoRA (Hu et al., ICLR 2022) or all of its weights, with its linear head.

DeNuC's second variant: the encoder sees pictures around the nuclei that people spoke about, and learns together with a
linear head that starts from the converged fit. Corrections are divided by place: some teach, some say when to stop, and
some, that had no part in either, say what was gained.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from nucloop.errors import DataError
from nucloop.learning.examples import Examples, is_taught
from nucloop.learning.fit import fit_head
from nucloop.learning.folds import assign_folds, group_by_cell
from nucloop.learning.gain.estimate import Estimate, class_f1
from nucloop.learning.lora import add_lora, attention_layers, merge_lora
from nucloop.learning.tuning_course import Course, Epoch
from nucloop.learning.tuning_files import TuneConfig, changes_of, load_changes, pack, restore_encoder, share_tuning
from nucloop.learning.tuning_passes import LEARNING, Passed, Work, features_in, learned_from, looked_at
from nucloop.learning.tuning_tiles import PointTile, pictures
from nucloop.models.families import alignment
from nucloop.models.files.cards import Card

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme
    from nucloop.nuclei import Nuclei
    from nucloop.slides import Slide

__all__ = [
    "Epoch",
    "Passed",
    "TuneConfig",
    "Tuned",
    "features_in",
    "picture_side",
    "rate_for",
    "restore_encoder",
    "share_tuning",
    "tune",
    "tune_on_slide",
    "tuning_device",
]

MEASURED, STOPPING = 0, 1
"""Folds that measure the gain, and that say when to stop."""


@dataclass(frozen=True)
class Tuned:
    """An encoder that was tuned.

    Parameters
    ----------
    net : Module
        With the changes worked in: used like the encoder it came from.
    changes : dict of Tensor
        LoRA's matrices, or all weights.
    config : TuneConfig
        How.
    base : Card
        Of the encoder it came from.
    gain : Estimate or None
        On corrections that neither taught nor said when to stop; None where there were too few places.
    ending : str
        When and why it stopped, in words.
    """

    net: nn.Module
    changes: dict[str, Tensor]
    config: TuneConfig
    base: Card
    gain: Estimate | None
    ending: str = ""

    def to_bytes(self, base: bytes | None = None) -> bytes:
        """Return what must be kept to have this encoder again; `base` is the tuning it began with."""
        return pack(self.changes, self.config, self.base, base)


def tuning_device() -> str:
    """Return what tunes fastest here, as torch names it: a GPU with CUDA, or the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def tune_on_slide(
    net: nn.Module,
    card: Card,
    slide: Slide,
    nuclei: Nuclei,
    config: TuneConfig,
    *,
    imported: bool = False,
    device: str = "cpu",
) -> Iterator[Passed | Epoch | Tuned]:
    """Tune an encoder to what people said of a slide's nuclei; yield as `tune` does.

    Parameters
    ----------
    net : Module
        The encoder; it stays as it is.
    card : Card
        Its card.
    slide : Slide
        With a known resolution.
    nuclei : Nuclei
        Those that nobody has spoken about, and those beside the slide, are left aside.
    device : str
        What computes it, as torch names it; what comes of it lies on the CPU.

    Raises
    ------
    DataError
        If there is too little to learn from, or it all lies in one place.
    """
    taught = nuclei.take(is_taught(nuclei, imported=imported) & slide.box.contains(nuclei.yx))
    scale = slide.require_mpp() / card.mpp
    groups = group_by_cell(taught.yx, slide.mpp)
    points = (taught.yx + 0.5) * scale - 0.5
    tiles: list[PointTile] = []
    for tile in pictures(slide, card.mpp, points, taught.label, groups, picture_side(net, config)):
        tiles.append(tile)
        yield Passed(0, config.epochs, 0, 0)
    yield from tune(net, card, tiles, nuclei.scheme, config, device=device)


def tune(
    net: nn.Module,
    card: Card,
    tiles: Sequence[PointTile],
    scheme: ClassScheme,
    config: TuneConfig,
    *,
    device: str = "cpu",
) -> Iterator[Passed | Epoch | Tuned]:
    """Tune an encoder to labelled points in pictures; yield after every few pictures, and last what came of it.

    The best epoch is kept, which may be none: then the encoder is as it was. It stops when the corrections that say so
    get worse, or do not get better for long.

    Parameters
    ----------
    net : Module
        The encoder; it stays as it is.
    tiles : sequence of PointTile
        At `card.mpp`; labels are rows of `scheme`.
    device : str
        What computes it, as torch names it; what comes of it lies on the CPU.

    Raises
    ------
    DataError
        If the points lie in fewer than two places, or are of one class.
    """
    parts = _divided(tiles)
    work = Work(config.epochs, parts.work(config.epochs))
    torch.manual_seed(config.seed)
    tuned = copy.deepcopy(net).to(device)
    trained = add_lora(tuned, config.rank, config.alpha) if config.method == "lora" else _all_weights(tuned)
    tuned.to(device).eval()  # batch statistics stay: a handful of pictures would spoil them
    features = yield from work.counted(looked_at(tuned, parts.teaching))
    start = fit_head(scheme, _examples(features, parts.teaching))
    head = _linear(start.weight, start.bias).to(device)
    rates = rate_for(net, config), config.head_lr
    optimiser = torch.optim.AdamW(
        [{"params": trained, "lr": rates[0]}, {"params": head.parameters(), "lr": rates[1]}],
        weight_decay=config.weight_decay,
    )
    course = Course(config, (yield from work.counted(_f1(tuned, head, parts.stopping, len(scheme)))))
    best = changes_of(tuned, config)
    yield Epoch(0, config.epochs, float("nan"), course.best, True)
    for number in range(1, config.epochs + 1):
        work.epoch = number
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * 0.5 * (1 + np.cos(np.pi * (number - 1) / config.epochs))
        learning = learned_from(tuned, head, optimiser, parts.teaching, card.mpp, config, number)
        loss = yield from work.counted(learning)
        f1 = yield from work.counted(_f1(tuned, head, parts.stopping, len(scheme)))
        better = course.take(number, f1)
        if better:
            best = changes_of(tuned, config)
        yield Epoch(number, config.epochs, loss, f1, better)
        if course.over:
            break
    load_changes(tuned.cpu(), best, config)
    gain = None
    if parts.measured:
        gain = yield from work.counted(_gain(net, tuned, parts, scheme))
    changes = {key: value.cpu().clone() for key, value in best.items()}
    merged = merge_lora(tuned).requires_grad_(False).eval()
    yield Tuned(merged, changes, config, card, gain, course.sentence())


def rate_for(net: nn.Module, config: TuneConfig) -> float:
    """Return the largest learning rate for an encoder: what was asked for, else what suits its kind.

    Twenty to thirty times the rate of a transformer suits a convolutional network, and undoes what a transformer knows
    in its first epoch (docs/models.md).
    """
    if config.lr:
        return config.lr
    if attention_layers(net):
        return {"lora": 1e-4, "full": 1e-5}[config.method]
    return {"lora": 2e-3, "full": 3e-4}[config.method]


@dataclass(frozen=True)
class _Parts:
    """Pictures that teach, that say when to stop, and that measure."""

    teaching: list[PointTile]
    stopping: list[PointTile]
    measured: list[PointTile]

    def work(self, epochs: int) -> int:
        """All that must go through the network, in pictures looked at."""
        teaching, stopping, measured = len(self.teaching), len(self.stopping), len(self.measured)
        gain = 2 * (teaching + stopping + measured) if measured else 0
        return teaching + stopping + epochs * (LEARNING * teaching + stopping) + gain


def _divided(tiles: Sequence[PointTile]) -> _Parts:
    """Divide by place; with two places only, nothing is left to measure with."""
    label = np.concatenate([tile.label for tile in tiles]) if tiles else np.zeros(0, np.int16)
    groups = np.repeat([tile.group for tile in tiles], [len(tile.label) for tile in tiles])
    fold = assign_folds(groups, label) if len(label) else np.zeros(0, np.int64)
    folds = int(fold.max()) + 1 if len(fold) else 0
    if folds < 2:
        raise DataError(
            "All corrections lie in one place, so nobody could tell whether tuning the encoder helps elsewhere. "
            "Correct some nuclei in other places first, or learn a linear head."
        )
    of_group = dict(zip(groups.tolist(), fold.tolist(), strict=True))
    by_fold = [[tile for tile in tiles if of_group[tile.group] == k] for k in range(folds)]
    if folds == 2:
        return _Parts(by_fold[0], by_fold[1], [])
    rest = [tile for k, part in enumerate(by_fold) if k not in (MEASURED, STOPPING) for tile in part]
    return _Parts(rest, by_fold[STOPPING], by_fold[MEASURED])


def picture_side(net: nn.Module, config: TuneConfig) -> int:
    """Return how large pictures an encoder needs, in pixels: what is asked for, or its window if that is larger."""
    any_net: Any = net
    least = max(config.side, int(getattr(any_net.config, "window", 0)))
    align = alignment(any_net.config)
    return int(-(-least // align) * align)


def _all_weights(net: nn.Module) -> list[nn.Parameter]:
    """Unfreeze everything but batch norm, whose statistics stay as well."""
    norms = (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)
    kept = {p for module in net.modules() if isinstance(module, norms) for p in module.parameters()}
    for parameter in net.parameters():
        parameter.requires_grad_(parameter not in kept)
    return [p for p in net.parameters() if p.requires_grad]


def _linear(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer


def _labels(tiles: Sequence[PointTile]) -> NDArray[np.int16]:
    return np.concatenate([tile.label for tile in tiles])


def _examples(features: NDArray[np.float32], tiles: Sequence[PointTile]) -> Examples:
    label = _labels(tiles)
    return Examples(np.arange(1, len(label) + 1), features, label, np.zeros(len(label), bool))


def _f1(net: nn.Module, head: nn.Linear, tiles: Sequence[PointTile], classes: int) -> Generator[int, None, float]:
    features = yield from looked_at(net, tiles)
    with torch.no_grad():
        logits = head(torch.from_numpy(features).to(head.weight.device))[:, :classes]
        said = logits.argmax(1).cpu().numpy().astype(np.int16)
    return float(np.nanmean(class_f1(_labels(tiles), said, classes)))


def _gain(net: nn.Module, tuned: nn.Module, parts: _Parts, scheme: ClassScheme) -> Generator[int, None, Estimate]:
    """Compare linear heads on the encoder as it was and as it is now, on pictures that neither has seen."""
    truth, scores = _labels(parts.measured), []
    known = [*parts.teaching, *parts.stopping]
    for encoder in (net, tuned):
        features = yield from looked_at(encoder, known)
        head = fit_head(scheme, _examples(features, known))
        said = head.classify((yield from looked_at(encoder, parts.measured)))[0]
        scores.append(class_f1(truth, said, len(scheme)))
    support = np.bincount(truth, minlength=len(scheme))[: len(scheme)].astype(np.int64)
    return Estimate(scheme.names, support, scores[0], scores[1], 1)

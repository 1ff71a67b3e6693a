"""What goes through the network while an encoder is tuned: a few pictures at a time, so that one may stop in between.

Everything here is a generator of how many pictures have gone through, and returns what came of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.learning.tuning_tiles import varied
from nucloop.models.encoder import sample_at

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from nucloop.learning.tuning_files import TuneConfig
    from nucloop.learning.tuning_tiles import PointTile

__all__ = ["LEARNING", "Passed", "Work", "features_in", "learned_from", "looked_at"]

LOOKING_AT_ONCE, LEARNING_AT_ONCE = 4, 2
"""Pictures that go through the network together; with a large transformer on a CPU one takes most of a second."""
ON_GPU = 16
"""The same on a GPU."""
LEARNING = 3
"""Learning from a picture takes as long as looking at so many: backwards is twice the work."""
T = TypeVar("T")


@dataclass(frozen=True)
class Passed:
    """A few more pictures have gone through the network."""

    epoch: int
    """The one under way, 0 before the first."""
    epochs: int
    """At most."""
    done: int
    """Work done, in pictures looked at."""
    total: int
    """All of it, if no epoch is left out."""


@dataclass
class Work:
    """How much there is to do, and how much is done."""

    epochs: int
    total: int
    epoch: int = 0
    done: int = 0

    def counted(self, steps: Generator[int, None, T]) -> Generator[Passed, None, T]:
        """Walk through steps, say after each how far everything is, and return what they return."""
        while True:
            try:
                self.done += next(steps)
            except StopIteration as end:
                value: T = end.value
                return value
            yield Passed(self.epoch, self.epochs, min(self.done, self.total), self.total)


def looked_at(net: nn.Module, tiles: Sequence[PointTile]) -> Generator[int, None, NDArray[np.float32]]:
    """Return the features (N, F) of all points of pictures, in order, by an encoder as it is."""
    parts, step = [], _at_once(net, LOOKING_AT_ONCE)
    for first in range(0, len(tiles), step):
        some = tiles[first : first + step]
        rgb = torch.from_numpy(np.stack([tile.rgb for tile in some])).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            parts.append(_sampled(net, rgb, [tile.yx for tile in some]).cpu().numpy())
        yield len(some)
    return np.concatenate(parts)


def features_in(net: nn.Module, tiles: Sequence[PointTile]) -> NDArray[np.float32]:
    """Return what `looked_at` returns, without a stop."""
    steps = looked_at(net, tiles)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            features: NDArray[np.float32] = end.value
            return features


def learned_from(
    net: nn.Module,
    head: nn.Linear,
    optimiser: torch.optim.Optimizer,
    tiles: Sequence[PointTile],
    mpp: float,
    config: TuneConfig,
    number: int,
) -> Generator[int, None, float]:
    """Learn from every picture once, in the epoch of that number; return the mean loss.

    The pictures of a step go through the network a few at a time and their gradients are added, which comes to the
    same: statistics of batches play no part.
    """
    rng = np.random.default_rng([config.seed, number])
    counts = np.bincount(np.concatenate([t.label for t in tiles]), minlength=head.out_features)
    # the classes that are shown, lifted by half as far as would make them alike
    weight = torch.from_numpy(np.where(counts, (counts.sum() / np.maximum(counts, 1)) ** 0.5, 0)).float()
    weight = weight.to(head.weight.device)
    total, points, step = 0.0, 0, _at_once(net, LEARNING_AT_ONCE)
    order = rng.permutation(len(tiles))
    for first in range(0, len(order), config.batch):
        rgb, yx, label = varied([tiles[k] for k in order[first : first + config.batch]], mpp, config.jitter_um, rng)
        truth = torch.from_numpy(label.astype(np.int64)).to(weight.device)
        ends = np.cumsum([0, *map(len, yx)])
        optimiser.zero_grad(set_to_none=True)
        for k in range(0, len(rgb), step):
            last = min(k + step, len(rgb))
            mine = truth[ends[k] : ends[last]]
            logits = head(_sampled(net, rgb[k:last], yx[k:last]))
            loss = F.cross_entropy(logits, mine, weight, label_smoothing=config.smoothing, reduction="sum")
            loss = loss / weight[truth].sum()
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item() * len(label)
            yield LEARNING * (last - k)
        nn.utils.clip_grad_norm_([p for g in optimiser.param_groups for p in g["params"]], 5.0)
        optimiser.step()
        points += len(label)
    return total / max(points, 1)


def _sampled(net: nn.Module, rgb: Tensor, points: Sequence[NDArray[np.float32]]) -> Tensor:
    any_net: Any = net
    maps = any_net(rgb.to(next(net.parameters()).device))
    picked = zip(maps, points, strict=True)
    return torch.cat([sample_at(m, torch.from_numpy(p).to(m.device), any_net.stride) for m, p in picked])


def _at_once(net: nn.Module, on_cpu: int) -> int:
    return on_cpu if next(net.parameters()).device.type == "cpu" else ON_GPU

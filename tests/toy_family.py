"""A family of detectors in one file: what is dark is a nucleus, its colour is its class, and its outline is a square.

It shows all that a family needs: a configuration, a network, what its output says, and a training task.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.configuration import read_strictly
from nucloop.models.families import Family
from nucloop.models.proposals import Proposals
from nucloop.outlines import Outlines
from nucloop.training.product import save_family
from nucloop.training.recipe import Recipe
from nucloop.training.task import TrainingTask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.models.files.cards import Card
    from nucloop.training.product import Origins
    from nucloop.training.task import Batch

HALF_SIDE = 3.0


@read_strictly
@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """Shape of a toy detector."""

    cell: int = 8
    classes: int = 2
    mpp: float = 0.5
    strides: tuple[int, ...] = (8,)


class ToyDetector(nn.Module):
    """Darkness and redness of each cell, by weights that begin right."""

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.config, self.stride = config, config.cell
        self.score = nn.Conv2d(3, 1, 1)
        self.names = nn.Conv2d(3, config.classes, 1)
        with torch.no_grad():
            self.score.weight.fill_(-4.0)
            self.score.bias.fill_(8.0)
            self.names.bias.zero_()
            # red speaks for the first class, blue for the second
            self.names.weight.copy_(torch.tensor([[20.0, 0, 0], [0, 0, 20.0]])[:, :, None, None])

    def forward(self, rgb: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, 1 + classes, H / cell, W / cell)."""
        small = F.avg_pool2d(rgb / 255, self.stride)
        return torch.cat([self.score(small), self.names(small)], 1)


def propose(output: NDArray[np.float32], config: ToyConfig, threshold: float) -> Proposals:
    """Turn one output (1 + C, h, w) into proposals in the middle of their cells."""
    score = 1 / (1 + np.exp(-output[0]))
    cells = np.argwhere(score >= threshold)
    yx = cells * config.cell + (config.cell - 1) / 2
    logits = output[1:, cells[:, 0], cells[:, 1]].T
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    square = HALF_SIDE * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
    outlines = Outlines.of([centre + square for centre in yx])
    return Proposals(yx, score[cells[:, 0], cells[:, 1]], probability.astype(np.float32), outlines)


@read_strictly
@dataclass(frozen=True, kw_only=True)
class ToyRecipe(Recipe):
    """A toy detector's model and schedule."""

    model: ToyConfig = field(default_factory=ToyConfig)


class ToyTask(TrainingTask[ToyRecipe, ToyDetector]):
    """Cells that hold a nucleus's centre, by cross-entropy."""

    recipe_kind, default_recipe, learns_classes = ToyRecipe, "toy", True

    def model(self) -> ToyDetector:
        """Build the network."""
        return ToyDetector(self.recipe.model)

    def backbone(self, model: ToyDetector) -> nn.Module:
        """Return the part that learns slowly."""
        return model.score

    def loss(self, model: ToyDetector, batch: Batch) -> Tensor:
        """Compare every cell."""
        output = model(batch.rgb)
        image, nucleus = batch.crops.there.nonzero(as_tuple=True)
        rows, columns = (batch.crops.yx[image, nucleus] / self.recipe.model.cell).long().T
        truth = torch.zeros_like(output[:, 0])
        truth[image, rows, columns] = 1
        return F.binary_cross_entropy_with_logits(output[:, 0], truth)

    def save(self, model: ToyDetector, files: Mapping[str, Path], origins: Origins) -> Card:
        """Write it with its card."""
        return save_family(
            files["detector"], model, self.recipe, origins, family="toy", threshold=0.5, scheme=self.classes
        )


TOY = Family(
    architecture="toy detector",
    config=ToyConfig,
    build=ToyDetector,
    propose=propose,
    reach=lambda config: config.cell,
    task="tests.toy_family:ToyTask",
)

"""Training a DeNuC detector on one or several data sets: all it asks of them is where nuclei are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.models.denuc import DenucDetector, reference_points
from nucloop.training.matching import assign
from nucloop.training.product import save_detector
from nucloop.training.recipe import DetectorRecipe
from nucloop.training.task import TrainingTask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from nucloop.models.backbone import Backbone
    from nucloop.models.files.cards import Card
    from nucloop.training.product import Origins
    from nucloop.training.task import Batch

__all__ = ["DenucLoss", "DenucTask"]


class DenucLoss(nn.Module):
    """Cross-entropy with background weight 0.5, plus 5e-3 x mean squared offset error (DeNuC, section 2.2)."""

    def __init__(self, stride: int, background: float = 0.5, offset: float = 5e-3) -> None:
        super().__init__()
        self.stride, self.background, self.offset = stride, background, offset

    def forward(self, output: Tensor, targets: list[NDArray[np.float32]]) -> Tensor:
        """Mean loss of a batch (N, 3, h, w) against N arrays of reference centres (M, 2) in pixels."""
        n, _, height, width = output.shape
        grid = reference_points(height, width, self.stride)
        flat = output.permute(0, 2, 3, 1).reshape(n, -1, 3).float()
        probability = flat[..., 0].detach().sigmoid().cpu().numpy()
        offsets = flat[..., 1:].detach().cpu().numpy()
        truth = torch.zeros_like(flat[..., 0])
        errors = []
        for k, target in enumerate(targets):
            cells, rows = assign(grid + offsets[k], probability[k], target)
            truth[k, torch.from_numpy(cells).to(truth.device)] = 1
            wanted = torch.from_numpy(target[rows] - grid[cells]).to(flat)
            errors.append(((flat[k, cells, 1:] - wanted) ** 2).sum(-1))
        weight = torch.where(truth > 0, 1.0, self.background)
        score = F.binary_cross_entropy_with_logits(flat[..., 0], truth, weight=weight, reduction="sum") / weight.sum()
        squared = torch.cat(errors)
        return score + self.offset * (squared.mean() if len(squared) else squared.sum())


class DenucTask(TrainingTask[DetectorRecipe, DenucDetector]):
    """A DeNuC point detector."""

    recipe_kind, default_recipe = DetectorRecipe, "denuc-0.5x"

    def model(self) -> DenucDetector:
        """Build the detector."""
        return DenucDetector(self.recipe.model)

    def backbone(self, model: DenucDetector) -> Backbone:
        """Return its backbone."""
        return model.backbone

    def loss(self, model: DenucDetector, batch: Batch) -> Tensor:
        """Match cells with nuclei and compare."""
        criterion = DenucLoss(self.recipe.model.strides[0])
        loss: Tensor = criterion(model(batch.rgb), [crop.yx for crop in batch.crops])
        return loss

    def save(self, model: DenucDetector, files: Mapping[str, Path], origins: Origins) -> Card:
        """Write the detector."""
        return save_detector(files["detector"], model, self.recipe, origins)

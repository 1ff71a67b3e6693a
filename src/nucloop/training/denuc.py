"""Training a DeNuC detector on one or several data sets: all it asks of them is where nuclei are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.models.denuc import DenucDetector, reference_points
from nucloop.training.matching import auction
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

__all__ = ["DenucLoss", "DenucTask", "telling"]

KNOWN_UM = 3.0
"""How far from a nucleus one knows that there is no other, where not all are marked."""


class DenucLoss(nn.Module):
    """Cross-entropy with background weight 0.5, plus 5e-3 x mean squared offset error (DeNuC, section 2.2).

    Parameters
    ----------
    stride : int
        Pixels per cell.
    mpp : float
        µm per pixel.
    background, offset : float
        The two weights.
    """

    def __init__(self, stride: int, mpp: float, background: float = 0.5, offset: float = 5e-3) -> None:
        super().__init__()
        self.stride, self.background, self.offset = stride, background, offset
        self.mpp = mpp

    def forward(self, output: Tensor, targets: Tensor, exhaustive: NDArray[np.bool_] | None = None) -> Tensor:
        """Mean loss of a batch (N, 3, h, w) against reference centres (N, K, 2) in pixels, padded.

        Where an image is not `exhaustive`, (N,) bool, only cells near a nucleus count.
        """
        n, _, height, width = output.shape
        grid = torch.from_numpy(reference_points(height, width, self.stride)).to(output.device)
        flat = output.permute(0, 2, 3, 1).reshape(n, -1, 3).float()
        offsets = flat[..., 1:]
        shape = (n, height, width)
        points, sure = (grid + offsets.detach()).view(*shape, 2), flat[..., 0].detach().sigmoid().view(shape)
        cells = auction(points, sure, targets, self.stride)
        matched, cells = cells >= 0, cells.clamp(min=0)
        truth = torch.zeros_like(flat[..., 0]).scatter_reduce(1, cells, matched.float(), "amax")
        weight = self.background + (1 - self.background) * truth
        known = telling(grid, targets, exhaustive, self.mpp)
        if known is not None:
            weight = weight * torch.maximum(known, truth)
        score = F.binary_cross_entropy_with_logits(flat[..., 0], truth, weight=weight, reduction="sum")
        wanted = targets - grid[cells]
        squared = ((offsets.gather(1, cells[..., None].expand(-1, -1, 2)) - wanted) ** 2).sum(-1)
        error = torch.where(matched, squared, 0).sum() / matched.sum().clamp(min=1)
        return score / weight.sum().clamp(min=1) + self.offset * error


def telling(grid: Tensor, targets: Tensor, exhaustive: NDArray[np.bool_] | None, mpp: float) -> Tensor | None:
    """Which places of each image say something of background: all of them (None), or those near a mark.

    Parameters
    ----------
    grid : (P, 2) tensor
        Places, pixels.
    targets : (N, K, 2) tensor
        Reference centres in pixels, padded.
    exhaustive : (N,) bool array, optional
        False where only some nuclei are marked.
    mpp : float
        µm per pixel.

    Returns
    -------
    (N, P) float tensor, or None
        0 and 1.
    """
    if exhaustive is None or exhaustive.all():
        return None
    near = torch.cdist(grid.expand(len(targets), -1, -1), targets).amin(2) <= KNOWN_UM / mpp
    return (near | torch.from_numpy(exhaustive).to(near.device)[:, None]).float()


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
        criterion = DenucLoss(self.recipe.model.strides[0], self.recipe.model.mpp)
        loss: Tensor = criterion(model(batch.rgb), batch.crops.yx, batch.crops.exhaustive)
        return loss

    def save(self, model: DenucDetector, files: Mapping[str, Path], origins: Origins) -> Card:
        """Write the detector."""
        return save_detector(files["detector"], model, self.recipe, origins)

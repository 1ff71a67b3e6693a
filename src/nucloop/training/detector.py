"""Training a DeNuC detector on one or several data sets: all it asks of them is where nuclei are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nucloop.errors import WeightsError
from nucloop.models.denuc import DenucDetector, DenucLoss
from nucloop.training.augment import CropSampler
from nucloop.training.batches import draw_batch
from nucloop.training.loop import TrainingProgress, prepare, run_loop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nucloop.training.datasets import Field
    from nucloop.training.recipe import DetectorRecipe

__all__ = ["train_detector"]


def train_detector(
    fields: Sequence[Field],
    recipe: DetectorRecipe,
    *,
    initial: Path | None = None,
    start: DenucDetector | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
) -> Iterator[tuple[TrainingProgress, DenucDetector]]:
    """Yield progress and the detector after every step; the last one holds the averaged weights.

    Parameters
    ----------
    fields : sequence of Field
        Of any number of data sets and resolutions (joint training).
    initial : Path, optional
        Pretrained backbone, safetensors in its library's layout.
    start : DenucDetector, optional
        A trained detector of the recipe's shape, to go on from.

    Raises
    ------
    WeightsError
        If `start` has another shape than the recipe's model.
    """
    torch.manual_seed(recipe.loop.seed)
    detector = DenucDetector(recipe.model)
    prepare(detector, detector.backbone, initial, recipe.frozen_stride, device)
    if start is not None:
        if start.config != recipe.model:
            raise WeightsError(
                f"The detector to start from has another shape than recipe {recipe.name} asks for. "
                "Choose a detector that was trained with the same model entry."
            )
        detector.load_state_dict(start.state_dict())
    sampler = CropSampler(fields, recipe.model.mpp, recipe.crop, recipe.augment)
    criterion = DenucLoss(detector.stride)

    def draw_loss(model: nn.Module, step: int) -> Tensor:
        crops, rgb, _ = draw_batch(sampler, recipe, step, device)
        loss: Tensor = criterion(model(rgb), [crop.yx for crop in crops])
        return loss

    for progress in run_loop(detector, detector.backbone, draw_loss, recipe.loop, checkpoint=checkpoint, device=device):
        yield progress, detector

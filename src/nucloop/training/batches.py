"""What a training step sees, drawn from its number alone: a resumed run sees what an unbroken one would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nucloop.training.augment import Crop, CropSampler, augment_pixels

if TYPE_CHECKING:
    from nucloop.training.recipe import AnyRecipe

__all__ = ["draw_batch"]


def draw_batch(
    sampler: CropSampler, recipe: AnyRecipe, step: int, device: str
) -> tuple[list[Crop], Tensor, np.random.Generator]:
    """Return a step's crops, their augmented pixels (N, 3, H, W) on the device, and the generator to draw on with."""
    rng = np.random.default_rng([recipe.loop.seed, step])
    crops = [sampler.draw(rng) for _ in range(recipe.loop.batch)]
    rgb = augment_pixels(crops, recipe.augment, recipe.model.mpp, rng)
    return crops, rgb.to(device).contiguous(memory_format=torch.channels_last), rng

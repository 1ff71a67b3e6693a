"""An encoder with the linear head it is trained with, and the points of a crop at which both learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from nucloop.models.encoder import PointEncoder, sample_at
from nucloop.models.heads import LinearHead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme
    from nucloop.training.augment import Crop
    from nucloop.training.recipe import PointRecipe

__all__ = ["PointClassifier", "batch_points", "class_loss", "head_of"]


class PointClassifier(nn.Module):
    """An encoder with the linear head it is trained with."""

    def __init__(self, encoder: PointEncoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(encoder.features, classes + 1)

    def forward(self, rgb: Tensor, points: Sequence[Tensor]) -> Tensor:
        """Logits of all points of a batch: (N, 3, H, W) and N x (K, 2) to (sum of K, classes + 1)."""
        maps = self.encoder(rgb)
        sampled = [sample_at(m, p, self.encoder.stride) for m, p in zip(maps, points, strict=True)]
        logits: Tensor = self.head(self.drop(torch.cat(sampled)))
        return logits


def training_points(
    crop: Crop, recipe: PointRecipe, mpp: float, classes: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Jittered nuclei that have a class, and random background points away from every nucleus; labels to match."""
    known = crop.label >= 0
    nuclei = crop.yx[known] + rng.normal(0, recipe.jitter_um / mpp, (int(known.sum()), 2))
    side = crop.rgb.shape[-1]
    ground = rng.uniform(0, side - 1, (int(np.ceil(recipe.background * max(len(nuclei), 8))), 2))
    if len(crop.yx):
        ground = ground[cKDTree(crop.yx).query(ground)[0] * mpp >= recipe.background_um]
    labels = np.concatenate([crop.label[known].astype(np.int64), np.full(len(ground), classes, np.int64)])
    return np.concatenate([nuclei, ground]).astype(np.float32), labels


def batch_points(
    crops: Sequence[Crop], recipe: PointRecipe, mpp: float, classes: int, rng: np.random.Generator, device: torch.device
) -> tuple[list[Tensor], Tensor]:
    """Points of each crop of a batch, (K, 2) each, and the labels of all, (sum of K,)."""
    points, labels = zip(*(training_points(c, recipe, mpp, classes, rng) for c in crops), strict=True)
    return [torch.from_numpy(p).to(device) for p in points], torch.from_numpy(np.concatenate(labels)).to(device)


def class_loss(recipe: PointRecipe, classes: int) -> nn.CrossEntropyLoss:
    """Cross-entropy of classes and background, the background weighing less."""
    weight = torch.ones(classes + 1)
    weight[-1] = recipe.background_weight
    return nn.CrossEntropyLoss(weight=weight, label_smoothing=recipe.smoothing)


def head_of(classifier: PointClassifier, scheme: ClassScheme) -> LinearHead:
    """Return the trained linear head on its own."""
    state = classifier.head.state_dict()
    return LinearHead(scheme, state["weight"].float().cpu().numpy(), state["bias"].float().cpu().numpy())

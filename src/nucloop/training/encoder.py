"""Training an encoder at reference points: features that a linear head can tell the classes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from nucloop.models.encoder import PointEncoder, sample_at
from nucloop.models.heads import LinearHead
from nucloop.training.augment import Crop, CropSampler
from nucloop.training.batches import draw_batch
from nucloop.training.datasets import Dataset, Field
from nucloop.training.loop import TrainingProgress, prepare, run_loop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme
    from nucloop.training.recipe import EncoderRecipe, PointRecipe

__all__ = ["PointClassifier", "as_scheme", "batch_points", "class_loss", "train_encoder"]


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


def as_scheme(dataset: Dataset, scheme: ClassScheme) -> list[Field]:
    """Relabel a data set's fields in another scheme by class name; classes it lacks become -1, nuclei of no class."""
    table = np.full(len(dataset.scheme) + 1, -1, np.int16)
    for label, name in enumerate(dataset.scheme.names):
        if name in scheme.names:
            table[label] = scheme.names.index(name)
    return [Field(f.image, f.yx, table[f.label], f.mpp, f.group) for f in dataset.fields]


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
    crops: Sequence[Crop], recipe: PointRecipe, mpp: float, classes: int, rng: np.random.Generator, device: str
) -> tuple[list[Tensor], Tensor]:
    """Points of each crop of a batch, (K, 2) each, and the labels of all, (sum of K,)."""
    points, labels = zip(*(training_points(c, recipe, mpp, classes, rng) for c in crops), strict=True)
    return [torch.from_numpy(p).to(device) for p in points], torch.from_numpy(np.concatenate(labels)).to(device)


def class_loss(recipe: PointRecipe, classes: int) -> nn.CrossEntropyLoss:
    """Cross-entropy of classes and background, the background weighing less."""
    weight = torch.ones(classes + 1)
    weight[-1] = recipe.background_weight
    return nn.CrossEntropyLoss(weight=weight, label_smoothing=recipe.smoothing)


def train_encoder(
    fields: Sequence[Field],
    scheme: ClassScheme,
    recipe: EncoderRecipe,
    *,
    initial: Path | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
) -> Iterator[tuple[TrainingProgress, PointClassifier]]:
    """Yield progress and the classifier after every step; the last one holds the averaged weights.

    Parameters
    ----------
    fields : sequence of Field
        Labels are rows of `scheme`; -1 marks nuclei without a class, which are never taken for background.
    initial : Path, optional
        Pretrained backbone, safetensors in its library's layout.
    """
    torch.manual_seed(recipe.loop.seed)
    classifier = PointClassifier(PointEncoder(recipe.model), len(scheme))
    backbone = classifier.encoder.backbone
    prepare(classifier, backbone, initial, recipe.frozen_stride, device)
    sampler = CropSampler(fields, recipe.model.mpp, recipe.crop, recipe.augment)
    criterion = class_loss(recipe, len(scheme)).to(device)

    def draw_loss(model: nn.Module, step: int) -> Tensor:
        crops, rgb, rng = draw_batch(sampler, recipe, step, device)
        points, truth = batch_points(crops, recipe, recipe.model.mpp, len(scheme), rng, device)
        logits = model(rgb, points)
        loss: Tensor = criterion(logits.float(), truth)
        return loss

    for progress in run_loop(classifier, backbone, draw_loss, recipe.loop, checkpoint=checkpoint, device=device):
        yield progress, classifier


def head_of(classifier: PointClassifier, scheme: ClassScheme) -> LinearHead:
    """Return the trained linear head on its own."""
    state = classifier.head.state_dict()
    return LinearHead(scheme, state["weight"].float().cpu().numpy(), state["bias"].float().cpu().numpy())

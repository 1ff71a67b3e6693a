"""An encoder with the linear head it is trained with, and the points of a crop at which both learn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.models.encoder import EncoderConfig, PointEncoder, sample_batch
from nucloop.models.heads import LinearHead

if TYPE_CHECKING:
    from nucloop.classes import ClassScheme
    from nucloop.training.crops import Crops
    from nucloop.training.recipe import PointRecipe

__all__ = ["PointClassifier", "TrainingPoints", "class_loss", "classifier_of", "head_of", "training_points"]

FEWEST = 8
"""Nuclei for which background points are drawn at least."""


class PointClassifier(nn.Module):
    """An encoder with the linear head it is trained with."""

    def __init__(self, encoder: PointEncoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(encoder.features, classes + 1)

    @property
    def config(self) -> EncoderConfig:
        """Shape of its encoder."""
        return self.encoder.config

    def forward(self, rgb: Tensor, points: Tensor) -> Tensor:
        """Logits at the points of a batch: (N, 3, H, W) and (N, K, 2) to (N, K, classes + 1)."""
        sampled = sample_batch(self.encoder(rgb), points, self.encoder.stride)
        logits: Tensor = self.head(self.drop(sampled))
        return logits


@dataclass(frozen=True)
class TrainingPoints:
    """Places of a batch at which classes are learned, padded to the longest list.

    Parameters
    ----------
    yx : (N, P, 2) tensor
        Pixels.
    may : (N, P, C + 1) tensor
        1 for each class, or background, that a place may be; several where nobody told them apart.
    counts : (N, P) tensor
        1 for a place, 0 where there is none.
    """

    yx: Tensor
    may: Tensor
    counts: Tensor


def training_points(
    crops: Crops, recipe: PointRecipe, mpp: float, classes: int, rng: np.random.Generator
) -> TrainingPoints:
    """Jittered nuclei of which a class is known, and random background points away from every nucleus."""
    device, images, side = crops.rgb.device, len(crops.rgb), crops.rgb.shape[-1]
    may = F.one_hot(crops.label + 1, classes + 2)[..., 1:].float()
    if crops.choices is not None:
        may[..., :-1] = torch.maximum(may[..., :-1], crops.choices.float())
    known = crops.there & (may.sum(-1) > 0)
    jitter = rng.normal(0, recipe.jitter_um / mpp, tuple(crops.yx.shape)).astype(np.float32)
    nuclei = crops.yx + torch.from_numpy(jitter).to(device)
    # some for every nucleus; only they decide how many columns there are
    share = np.arange(math.ceil(recipe.background * max(crops.yx.shape[1], FEWEST)))
    ground = torch.from_numpy(rng.uniform(0, side - 1, (images, len(share), 2)).astype(np.float32)).to(device)
    wanted = (recipe.background * known.sum(1).clamp(min=FEWEST)).ceil()
    far = torch.cdist(ground, crops.yx).amin(2) * mpp >= recipe.background_um
    free = (
        far
        & (torch.from_numpy(share).to(device) < wanted[:, None])
        & torch.from_numpy(crops.exhaustive).to(device)[:, None]
    )
    none = F.one_hot(torch.full(free.shape, classes, device=device), classes + 1).float()
    return TrainingPoints(
        torch.cat([nuclei, ground], 1), torch.cat([may, none], 1), torch.cat([known, free], 1).float()
    )


def class_loss(recipe: PointRecipe, logits: Tensor, points: TrainingPoints) -> Tensor:
    """Cross-entropy of classes and background, the background weighing less.

    Of a nucleus that may be of several classes, the sum of their probabilities shall be large.

    Parameters
    ----------
    logits : (N, P, C + 1) tensor
        At the points.
    """
    logs = logits.float().log_softmax(-1)
    weight = torch.ones(logs.shape[-1], device=logs.device)
    weight[-1] = recipe.background_weight
    counts = points.counts * (points.may * weight).amax(-1)
    # whatever stands where there is no point must not make NaN
    may = torch.where(points.may.any(-1, keepdim=True), points.may, 1)
    of_any = torch.logsumexp(logs + may.log(), -1)
    smoothed = (logs * weight).sum(-1) * (recipe.smoothing / logs.shape[-1]) * points.counts
    total = counts * (1 - recipe.smoothing) * of_any + smoothed
    return -total.sum() / counts.sum().clamp(min=1e-6)


def classifier_of(encoder: PointEncoder, classes: int, head: LinearHead | None = None) -> PointClassifier:
    """Return an encoder with a head over so many classes: a given one, or one that knows nothing yet."""
    classifier = PointClassifier(encoder, classes)
    if head is not None:
        state = {"weight": torch.from_numpy(head.weight), "bias": torch.from_numpy(head.bias)}
        classifier.head.load_state_dict(state)
    return classifier


def head_of(classifier: PointClassifier, scheme: ClassScheme) -> LinearHead:
    """Return the trained linear head on its own."""
    state = classifier.head.state_dict()
    return LinearHead(scheme, state["weight"].float().cpu().numpy(), state["bias"].float().cpu().numpy())

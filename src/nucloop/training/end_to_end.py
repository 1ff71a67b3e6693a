"""Detection and classification learned together by one network: what DeNuC's decoupling is compared with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nucloop.models.denuc import DenucDetector, DenucLoss
from nucloop.models.encoder import EncoderConfig, PointEncoder, sample_at
from nucloop.training.augment import CropSampler
from nucloop.training.batches import draw_batch
from nucloop.training.encoder import PointClassifier, batch_points, class_loss
from nucloop.training.loop import TrainingProgress, prepare, run_loop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nucloop.classes import ClassScheme
    from nucloop.training.datasets import Field
    from nucloop.training.recipe import EndToEndRecipe

__all__ = ["EndToEnd", "train_end_to_end"]


class EndToEnd(nn.Module):
    """A point detector whose maps before its head also tell the classes: all but two last layers are shared."""

    def __init__(self, detector: DenucDetector, classes: int) -> None:
        super().__init__()
        self.detector = detector
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(detector.config.channels, classes + 1)

    def forward(self, rgb: Tensor, points: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Map RGB (N, 3, H, W) and N x (K, 2) points to detections (N, 3, h, w) and logits (sum of K, classes + 1)."""
        maps = self.detector.neck(self.detector.backbone(rgb))
        sampled = [sample_at(m, p, self.detector.stride) for m, p in zip(maps, points, strict=True)]
        return self.detector.head(maps), self.head(self.drop(torch.cat(sampled)))

    def apart(self) -> tuple[DenucDetector, PointClassifier]:
        """Return it as a detector and a classifier for the pipeline; both hold the shared weights."""
        shape = asdict(self.detector.config)
        encoder = PointEncoder(EncoderConfig(**shape))
        encoder.backbone.load_state_dict(self.detector.backbone.state_dict())
        assert encoder.neck is not None
        encoder.neck.load_state_dict(self.detector.neck.state_dict())
        classifier = PointClassifier(encoder, self.head.out_features - 1)
        classifier.head.load_state_dict(self.head.state_dict())
        return self.detector, classifier.eval()


def train_end_to_end(
    fields: Sequence[Field],
    scheme: ClassScheme,
    recipe: EndToEndRecipe,
    *,
    initial: Path | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
) -> Iterator[tuple[TrainingProgress, EndToEnd]]:
    """Yield progress and the network after every step; the last one holds the averaged weights.

    The loss is the detector's plus the classifier's, on the same crops.

    Parameters
    ----------
    fields : sequence of Field
        Labels are rows of `scheme`; -1 marks nuclei without a class, which only teach where nuclei are.
    initial : Path, optional
        Pretrained backbone, safetensors in its library's layout.
    """
    torch.manual_seed(recipe.loop.seed)
    net = EndToEnd(DenucDetector(recipe.model), len(scheme))
    mpp, backbone = recipe.model.mpp, net.detector.backbone
    prepare(net, backbone, initial, recipe.frozen_stride, device)
    sampler = CropSampler(fields, mpp, recipe.crop, recipe.augment)
    detection = DenucLoss(net.detector.stride)
    classification = class_loss(recipe, len(scheme)).to(device)

    def draw_loss(model: nn.Module, step: int) -> Tensor:
        crops, rgb, rng = draw_batch(sampler, recipe, step, device)
        points, truth = batch_points(crops, recipe, mpp, len(scheme), rng, device)
        found, logits = model(rgb, points)
        loss: Tensor = detection(found, [crop.yx for crop in crops]) + classification(logits.float(), truth)
        return loss

    for progress in run_loop(net, backbone, draw_loss, recipe.loop, checkpoint=checkpoint, device=device):
        yield progress, net

"""Detection and classification learned together by one network: what DeNuC's decoupling is compared with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from torch import Tensor, nn

from nucloop.models.denuc import DenucDetector
from nucloop.models.encoder import EncoderConfig, PointEncoder, sample_batch
from nucloop.training.denuc import DenucLoss
from nucloop.training.point_classifier import PointClassifier, class_loss, training_points
from nucloop.training.product import save_detector, save_encoder
from nucloop.training.recipe import EndToEndRecipe
from nucloop.training.task import TrainingTask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nucloop.models.backbone import Backbone
    from nucloop.models.files.cards import Card
    from nucloop.training.product import Origins
    from nucloop.training.task import Batch

__all__ = ["EndToEnd", "EndToEndTask"]


class EndToEnd(nn.Module):
    """A point detector whose maps before its head also tell the classes: all but two last layers are shared."""

    def __init__(self, detector: DenucDetector, classes: int) -> None:
        super().__init__()
        self.detector = detector
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(detector.config.channels, classes + 1)

    def forward(self, rgb: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Map RGB (N, 3, H, W) and points (N, K, 2) to detections (N, 3, h, w) and logits (N, K, classes + 1)."""
        maps = self.detector.neck(self.detector.backbone(rgb))
        sampled = sample_batch(maps, points, self.detector.stride)
        return self.detector.head(maps), self.head(self.drop(sampled))

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


class EndToEndTask(TrainingTask[EndToEndRecipe, EndToEnd]):
    """One network for both. The loss is the detector's plus the classifier's, on the same crops."""

    recipe_kind, default_recipe = EndToEndRecipe, "end-to-end"
    learns_classes = True
    products = ("detector", "encoder", "head")

    def model(self) -> EndToEnd:
        """Build the network."""
        return EndToEnd(DenucDetector(self.recipe.model), len(self.classes))

    def backbone(self, model: EndToEnd) -> Backbone:
        """Return the shared backbone."""
        return model.detector.backbone

    def loss(self, model: EndToEnd, batch: Batch) -> Tensor:
        """Compare detections with all nuclei, and classes at the points that have one."""
        crops, recipe, shape = batch.crops, self.recipe, self.recipe.model
        points = training_points(crops, recipe, shape.mpp, len(self.classes), batch.rng)
        found, logits = model(batch.rgb, points.yx)
        detection: Tensor = DenucLoss(shape.strides[0], shape.mpp)(found, crops.yx, crops.exhaustive)
        return detection + class_loss(recipe, logits, points)

    def save(self, model: EndToEnd, files: Mapping[str, Path], origins: Origins) -> Card:
        """Write it as a detector, an encoder and a head, for the pipeline."""
        detector, classifier = model.apart()
        card = save_detector(files["detector"], detector, self.recipe, origins)
        save_encoder(files["encoder"], files["head"], classifier, self.classes, self.recipe, origins)
        return card

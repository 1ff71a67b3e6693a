"""Training HistoNeXt: pixels and distances from masks, classes from masks and, where a set has none, around points."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nucloop.configuration import read_strictly
from nucloop.models.histonext import HistonextConfig, HistonextNet
from nucloop.training.instance_targets import (
    asymmetric_loss,
    distance_loss,
    distances,
    focal_loss,
    nearest,
    whole,
)
from nucloop.training.product import save_family
from nucloop.training.recipe import Recipe
from nucloop.training.task import TrainingTask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nucloop.classes import ClassScheme
    from nucloop.models.backbone import Backbone
    from nucloop.models.files.cards import Card
    from nucloop.training.product import Origins
    from nucloop.training.task import Batch

__all__ = ["HistonextRecipe", "HistonextTask"]

KNOWN_UM = 1.5
"""How far from a point without a mask its class is taken for granted, µm."""
GROUND_UM = 8.0
"""How far from all points there is no nucleus, where a set has no masks, µm."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class HistonextRecipe(Recipe):
    """A HistoNeXt network's model, data handling and schedule."""

    model: HistonextConfig = field(default_factory=HistonextConfig)
    threshold: float = 0.6
    """Mean probability from which a nucleus counts, written to the card."""
    positive: float = 1.0
    """Focusing of the asymmetric loss on nuclear pixels."""
    negative: float = 4.0
    """Focusing on the ground."""
    distance: float = 1.0
    """Weight of the distances' loss beside the others."""


class HistonextTask(TrainingTask[HistonextRecipe, HistonextNet]):
    """A HistoNeXt network; with a class scheme, it learns to tell classes too."""

    recipe_kind, default_recipe = HistonextRecipe, "histonext-light"
    needs_instances, may_learn_classes = True, True

    def __init__(self, recipe: HistonextRecipe, scheme: ClassScheme | None = None) -> None:
        classes = 0 if scheme is None else len(scheme)
        super().__init__(replace(recipe, model=replace(recipe.model, classes=classes)), scheme)

    def model(self) -> HistonextNet:
        """Build the network."""
        return HistonextNet(self.recipe.model)

    def backbone(self, model: HistonextNet) -> Backbone:
        """Return its encoder."""
        return model.backbone

    def loss(self, model: HistonextNet, batch: Batch) -> Tensor:
        """Sum the decoders' losses."""
        recipe, stride = self.recipe, self.recipe.model.stride
        output = model(batch.rgb).float()
        assert batch.crops.instances is not None
        ids = batch.crops.instances[:, stride // 2 :: stride, stride // 2 :: stride]
        inside, known, complete = ids > 0, ids >= 0, whole(ids)
        loss = asymmetric_loss(output[:, 0], inside.float(), known, recipe.positive, recipe.negative)
        taught = known & (~inside | complete)
        loss = loss + recipe.distance * distance_loss(output[:, 1:3], distances(ids), complete, taught)
        if recipe.model.classes:
            truth, certain = self._classes(ids, batch)
            loss = loss + focal_loss(output[:, 3:], truth, certain)
        return loss

    def _classes(self, ids: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Class of each pixel (0 is ground), and where it is certain: (N, h, w) each."""
        crops, mpp = batch.crops, self.recipe.model.mpp
        away, row = nearest(crops.yx, ids.shape[1], ids.shape[2], self.recipe.model.stride)
        masked = ids >= 0
        listed = (ids > 0) & (ids <= crops.label.shape[1])
        row = torch.where(listed, ids - 1, row)
        label = crops.label.gather(1, row.flatten(1)).view_as(ids)
        at_nucleus = torch.where(masked, listed, away <= KNOWN_UM / mpp)
        exhaustive = torch.from_numpy(crops.exhaustive).to(ids.device)[:, None, None]
        ground = torch.where(masked, ids == 0, (away > GROUND_UM / mpp) & exhaustive)
        return torch.where(at_nucleus & (label >= 0), label + 1, 0), (at_nucleus & (label >= 0)) | ground

    def save(self, model: HistonextNet, files: Mapping[str, Path], origins: Origins) -> Card:
        """Write it with its card."""
        return save_family(
            files["detector"],
            model,
            self.recipe,
            origins,
            family="histonext",
            threshold=self.recipe.threshold,
            scheme=self.scheme,
        )

"""Training an encoder at reference points: features that a linear head can tell the classes from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nucloop.classes import join
from nucloop.models.encoder import PointEncoder
from nucloop.training.point_classifier import PointClassifier, class_loss, training_points
from nucloop.training.product import save_encoder
from nucloop.training.recipe import EncoderRecipe
from nucloop.training.task import TrainingTask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from nucloop.classes import ClassScheme
    from nucloop.models.backbone import Backbone
    from nucloop.models.files.cards import Card
    from nucloop.training.fields import Dataset, Field
    from nucloop.training.product import Origins
    from nucloop.training.task import Batch

__all__ = ["EncoderTask", "as_scheme"]


def as_scheme(dataset: Dataset, scheme: ClassScheme) -> list[Field]:
    """Relabel a data set's fields in another scheme, joined by `join`.

    A class that it lacks becomes -1, nuclei of no class, and a set of choices where the data set says which of the
    scheme's classes such nuclei may have (`Dataset.means`).
    """
    rows = [_rows(dataset, label, scheme) for label in range(len(dataset.scheme))]
    table = np.array([*(row[0] if len(row) == 1 else -1 for row in rows), -1], np.int16)
    sets = np.zeros((len(rows) + 1, len(scheme)), bool)
    for label, row in enumerate(rows):
        sets[label, list(row if len(row) > 1 else ())] = True
    return [
        replace(field, label=table[field.label], choices=sets[field.label] if sets.any() else None)
        for field in dataset.fields
    ]


def _rows(dataset: Dataset, label: int, scheme: ClassScheme) -> tuple[int, ...]:
    """Rows of a scheme that a class of a data set may be; none where one of them is not in the scheme."""
    own = join(dataset.scheme.classes, scheme.classes).forth[label]
    if own is not None:
        return (own,)
    meant = dataset.means.get(dataset.scheme.names[label], ())
    found = tuple(row for row in map(scheme.find, meant) if row is not None)
    return found if len(found) == len(meant) else ()


class EncoderTask(TrainingTask[EncoderRecipe, PointClassifier]):
    """An encoder with a linear head. Nuclei without a class are never taken for background."""

    recipe_kind, default_recipe = EncoderRecipe, "encoder-mobilenet"
    learns_classes = True
    products = ("encoder", "head")

    def model(self) -> PointClassifier:
        """Build encoder and head."""
        return PointClassifier(PointEncoder(self.recipe.model), len(self.classes))

    def backbone(self, model: PointClassifier) -> Backbone:
        """Return the encoder's backbone."""
        return model.encoder.backbone

    def loss(self, model: PointClassifier, batch: Batch) -> Tensor:
        """Draw points with their classes, and compare."""
        recipe = self.recipe
        points = training_points(batch.crops, recipe, recipe.model.mpp, len(self.classes), batch.rng)
        return class_loss(recipe, model(batch.rgb, points.yx), points)

    def save(self, model: PointClassifier, files: Mapping[str, Path], origins: Origins) -> Card:
        """Write the encoder and the head."""
        return save_encoder(files["encoder"], files["head"], model, self.classes, self.recipe, origins)

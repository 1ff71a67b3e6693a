"""Features of annotated data sets: of every reference nucleus, and of places where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nucloop.learning.examples import Examples
from nucloop.learning.featurise import features_at
from nucloop.slides import slide_from_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nucloop.detection.stage import Stage
    from nucloop.training.datasets import Field

__all__ = ["FieldFeatures", "as_examples", "features_of_fields"]

AWAY_UM = 4.0
"""Least distance of a background place to a marked nucleus."""


@dataclass(frozen=True)
class FieldFeatures:
    """What an encoder says of one annotated image.

    Parameters
    ----------
    name : str
        Of the image.
    yx : (N, 2) float32
        Reference nuclei with a class, and then background places; pixels of the image.
    label : (N,) int16
        Rows of the data set's scheme; the number of classes stands for background.
    features : (N, F) float32
        To match.
    """

    name: str
    yx: NDArray[np.float32]
    label: NDArray[np.int16]
    features: NDArray[np.float32]


def features_of_fields(
    fields: Sequence[Field], stage: Stage, classes: int, background: float = 0.3, seed: int = 0
) -> Iterator[FieldFeatures]:
    """Compute the features of annotated images; yield one image after the other.

    Parameters
    ----------
    stage : Stage
        The encoder on its engine.
    classes : int
        How many there are: the label of background.
    background : float
        Places without a nucleus, for each nucleus.
    """
    for number, field in enumerate(fields):
        rng = np.random.default_rng([seed, number])
        known = field.label >= 0
        ground = _empty_places(field, background, rng)
        yx = np.concatenate([field.yx[known], ground]).astype(np.float32)
        label = np.concatenate([field.label[known], np.full(len(ground), classes)]).astype(np.int16)
        slide = slide_from_array(field.pixels, mpp=field.mpp, name=field.name)
        features: NDArray[np.float32] | None = None
        for part in features_at(slide, stage, yx):
            if features is None:
                features = np.zeros((len(yx), part.features.shape[1]), np.float32)
            features[part.rows] = part.features
        if features is not None:
            there = slide.box.contains(yx)
            yield FieldFeatures(field.name, yx[there], label[there], features[there])


def _empty_places(field: Field, background: float, rng: np.random.Generator) -> NDArray[np.float64]:
    height, width = field.pixels.shape[:2]
    count = int(np.ceil(background * len(field.yx)))
    places = rng.uniform((0, 0), (height - 1, width - 1), (count, 2))
    if len(field.yx):
        places = places[cKDTree(field.yx).query(places)[0] * field.mpp >= AWAY_UM]
    return places


def as_examples(parts: Sequence[FieldFeatures]) -> Examples:
    """Join images to examples: as if somebody had confirmed every reference nucleus."""
    label = np.concatenate([part.label for part in parts])
    features = np.concatenate([part.features for part in parts])
    return Examples(np.arange(1, len(label) + 1), features, label, np.zeros(len(label), bool))

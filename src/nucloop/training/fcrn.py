"""Training an FCRN: regression of how near the middle of a nucleus is (Xie et al., 2018)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nucloop.configuration import read_strictly
from nucloop.models.denuc import reference_points
from nucloop.models.fcrn import FcrnConfig, FcrnDetector
from nucloop.training.denuc import telling
from nucloop.training.product import save_family
from nucloop.training.recipe import Recipe
from nucloop.training.task import TrainingTask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nucloop.classes import ClassScheme
    from nucloop.models.backbone import Backbone
    from nucloop.models.files.cards import Card
    from nucloop.training.crops import Crops
    from nucloop.training.product import Origins
    from nucloop.training.task import Batch

__all__ = ["FcrnRecipe", "FcrnTask", "nearness"]


@read_strictly
@dataclass(frozen=True, kw_only=True)
class FcrnRecipe(Recipe):
    """An FCRN's model, loss and schedule."""

    model: FcrnConfig
    """`classes` follow from the scheme that is learned."""
    threshold: float = 0.4
    """Height from which a peak counts, written to the card."""
    only_nuclei: bool = False
    """Learn where nuclei are, for use in front of a classifier, and no classes."""
    radius_um: float = 4.5
    """How far from its middle a nucleus is seen on the map, µm."""
    steepness: float = 3.0
    """How much steeper the map is in the middle: alpha in the paper."""
    ground: float = 0.3
    """What every place weighs, in parts of the maps' mean, beside its own height: lambda in the paper."""

    def __post_init__(self) -> None:
        if not self.radius_um > 0 or not self.steepness > 0:
            raise ValueError("radius_um and steepness must be more than 0")


class FcrnTask(TrainingTask[FcrnRecipe, FcrnDetector]):
    """An FCRN."""

    recipe_kind, default_recipe, learns_classes = FcrnRecipe, "fcrn-mobilenet", True

    def __init__(self, recipe: FcrnRecipe, scheme: ClassScheme | None = None) -> None:
        classes = 0 if recipe.only_nuclei or scheme is None else len(scheme)
        super().__init__(replace(recipe, model=replace(recipe.model, classes=classes)), scheme)

    def model(self) -> FcrnDetector:
        """Build the network."""
        return FcrnDetector(self.recipe.model)

    def backbone(self, model: FcrnDetector) -> Backbone:
        """Return its encoder."""
        return model.backbone

    def loss(self, model: FcrnDetector, batch: Batch) -> Tensor:
        """Compare maps, high places weighing more."""
        recipe, crops = self.recipe, batch.crops
        shown = model(batch.rgb).float().sigmoid().flatten(2)
        size = crops.rgb.shape[-2] // model.stride, crops.rgb.shape[-1] // model.stride
        grid = torch.from_numpy(reference_points(*size, model.stride)).to(batch.device)
        wanted, counts = nearness(grid, crops, recipe)
        # a nucleus counts as much on the maps of the classes that it is not of
        weight = (wanted.amax(1, keepdim=True) + recipe.ground * wanted.mean()) * counts
        loss: Tensor = (weight * (shown - wanted).square()).sum() / weight.sum().clamp(min=1e-6)
        return loss

    def save(self, model: FcrnDetector, files: Mapping[str, Path], origins: Origins) -> Card:
        """Write it with its card."""
        return save_family(
            files["detector"],
            model,
            self.recipe,
            origins,
            family="fcrn",
            threshold=self.recipe.threshold,
            scheme=self.classes if self.recipe.model.classes else None,
        )


def nearness(grid: Tensor, crops: Crops, recipe: FcrnRecipe) -> tuple[Tensor, Tensor]:
    """Return what the maps shall show, and which places of them count.

    Around a nucleus whose class is not known, the maps of the classes that it may have do not count; nor does
    ground that is known to be none only near a mark, where not all nuclei are marked.

    Parameters
    ----------
    grid : (P, 2) tensor
        Places of the maps' cells, pixels.

    Returns
    -------
    two (N, C, P) float tensors
        0 to 1; and 0 or 1.
    """
    classes, mpp = recipe.model.classes, recipe.model.mpp
    distance = torch.cdist(grid.expand(len(crops.yx), -1, -1), crops.yx, compute_mode="donot_use_mm_for_euclid_dist")
    inward = (1 - distance * (mpp / recipe.radius_um)).clamp(min=0)
    near = (recipe.steepness * inward).expm1() / math.expm1(recipe.steepness)
    if not classes:
        wanted, counts = near.amax(2)[:, None], torch.ones_like(near[:, None, :, 0])
    else:
        wanted = torch.stack([(near * (crops.label == k)[:, None]).amax(2) for k in range(classes)], 1)
        unknown = [
            (crops.label < 0) & crops.there if crops.choices is None else _unsure(crops, k) for k in range(classes)
        ]
        counts = 1 - torch.stack([((near > 0) & one[:, None]).any(2) for one in unknown], 1).float()
    known = telling(grid, crops.yx, crops.exhaustive, mpp)
    return wanted, counts if known is None else counts * known[:, None]


def _unsure(crops: Crops, label: int) -> Tensor:
    """Nuclei (N, K) that may be of a class, or of another."""
    assert crops.choices is not None
    any_of = crops.choices[..., label] | ~crops.choices.any(-1)
    return (crops.label < 0) & crops.there & any_of

"""Training Patherea's P2P network: hybrid matching, one to one and one to many (Patherea, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nucloop.configuration import read_strictly
from nucloop.models.denuc import reference_points
from nucloop.models.patherea import PathereaConfig, PathereaDetector
from nucloop.training.bidding import auction_each
from nucloop.training.denuc import telling
from nucloop.training.hybrid import assign_each, matching_cost
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

__all__ = ["PathereaRecipe", "PathereaTask", "matched", "one_loss"]


@read_strictly
@dataclass(frozen=True, kw_only=True)
class PathereaRecipe(Recipe):
    """A P2P network's model, loss and schedule; the numbers of the loss are the paper's."""

    model: PathereaConfig
    """`classes` follow from the scheme that is learned."""
    threshold: float = 0.5
    """Probability from which a class counts, written to the card."""
    only_nuclei: bool = False
    """Learn where nuclei are, for use in front of a classifier, and no classes."""
    beta: int = 2
    """Proposals for a nucleus in the matching of one to many."""
    many: float = 0.5
    """Weight of the loss of one to many; 0 learns from one to one alone."""
    background: float = 0.5
    """Weight of a proposal that no nucleus has."""
    foreground: float = 10.0
    """Weight of one that a nucleus has."""
    regression: float = 2e-3
    """Weight of the squared distance, pixels, from a nucleus to its proposals."""

    def __post_init__(self) -> None:
        if self.beta < 1:
            raise ValueError(f"beta must be at least 1, got {self.beta}")


class PathereaTask(TrainingTask[PathereaRecipe, PathereaDetector]):
    """A P2P network."""

    recipe_kind, default_recipe, learns_classes = PathereaRecipe, "patherea-mobilenet", True

    def __init__(self, recipe: PathereaRecipe, scheme: ClassScheme | None = None) -> None:
        classes = 0 if recipe.only_nuclei or scheme is None else len(scheme)
        super().__init__(replace(recipe, model=replace(recipe.model, classes=classes)), scheme)

    def model(self) -> PathereaDetector:
        """Build the network."""
        return PathereaDetector(self.recipe.model)

    def backbone(self, model: PathereaDetector) -> Backbone:
        """Return its backbone."""
        return model.backbone

    def loss(self, model: PathereaDetector, batch: Batch) -> Tensor:
        """Match nuclei with one proposal each, and with several, and compare."""
        recipe, crops = self.recipe, batch.crops
        if not recipe.model.classes:
            crops = replace(crops, label=torch.full_like(crops.label, -1), choices=None)
        one, many = model.both(batch.rgb)
        loss = one_loss(one, crops, recipe, 1)
        return loss + recipe.many * one_loss(many, crops, recipe, recipe.beta) if recipe.many else loss

    def save(self, model: PathereaDetector, files: Mapping[str, Path], origins: Origins) -> Card:
        """Write it with its card."""
        return save_family(
            files["detector"],
            model,
            self.recipe,
            origins,
            family="patherea",
            threshold=self.recipe.threshold,
            scheme=self.classes if self.recipe.model.classes else None,
        )


def one_loss(output: Tensor, crops: Crops, recipe: PathereaRecipe, each: int) -> Tensor:
    """Loss of one of the two outputs (N, 2 + C + 1, h, w) where every nucleus has `each` proposals (equations 2 to 4).

    A nucleus that may be of several classes shall be any of them; one without a class, a nucleus.
    """
    model = recipe.model
    stride = model.strides[0] // model.side
    count, numbers, height, width = output.shape
    grid = torch.from_numpy(reference_points(height, width, stride)).to(output.device)
    flat = output.permute(0, 2, 3, 1).reshape(count, -1, numbers).float()
    points, logs = grid + flat[..., :2], flat[..., 2:].log_softmax(-1)
    owner = matched(points.detach(), logs.detach().exp(), crops, (height, width), stride, each)
    has, nucleus = owner >= 0, owner.clamp(min=0)
    fits = _classes(crops, numbers - 3).gather(1, nucleus[..., None].expand(-1, -1, numbers - 3))
    # whatever stands where there is no nucleus must not make NaN
    right = torch.where(fits, logs[..., :-1], -1e4).logsumexp(-1)
    weight = torch.where(has, recipe.foreground, recipe.background)
    known = telling(grid, crops.yx, crops.exhaustive, model.mpp)
    if known is not None:
        weight = weight * torch.maximum(known, has.float())
    kind = -(weight * torch.where(has, right, logs[..., -1])).sum() / weight.sum().clamp(min=1e-6)
    squared = (points - crops.yx.gather(1, nucleus[..., None].expand(-1, -1, 2))).square().sum(-1)
    place = torch.where(has, squared, 0).sum() / has.sum().clamp(min=1)
    return kind + recipe.regression * place


def _classes(crops: Crops, classes: int) -> Tensor:
    """Which classes each nucleus may have, (N, K, C) bool."""
    known = crops.label >= 0
    may = crops.label[..., None] == torch.arange(classes, device=crops.label.device)
    any_of = torch.ones_like(may) if crops.choices is None else crops.choices | ~crops.choices.any(-1, keepdim=True)
    return torch.where(known[..., None], may, any_of)


@torch.no_grad()
def matched(
    points: Tensor, probability: Tensor, crops: Crops, shape: tuple[int, int], stride: int, each: int
) -> Tensor:
    """Match a batch: exactly on a CPU, by an auction on a device that nobody should wait for.

    Parameters
    ----------
    points : (N, P, 2) tensor
        Predicted centres, pixels.
    probability : (N, P, C + 1) tensor
        Of the classes and of background.
    shape : (int, int)
        Rows and columns of the grid.

    Returns
    -------
    (N, P) int64 tensor
        The nucleus that has each proposal; -1 for none.
    """
    shown = torch.cat([probability[..., :-1], 1 - probability[..., -1:]], -1)
    if points.device.type != "cpu":
        places, sure = points.view(len(points), *shape, 2), shown.view(len(points), *shape, -1)
        return auction_each(places, sure, crops.yx, crops.label, stride, each)
    owners = []
    for place, kind, yx, label, there in zip(points, shown, crops.yx, crops.label, crops.there, strict=True):
        cost = matching_cost(place.numpy(), kind.numpy(), yx[there].numpy(), label[there].numpy())
        # the nuclei of a crop are the first rows of its table
        owners.append(torch.from_numpy(assign_each(cost, each)))
    return torch.stack(owners)

"""Training a network that gives nuclei their outlines, from masks: how far each ray from a nucleus stays inside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.configuration import read_strictly
from nucloop.errors import WeightsError
from nucloop.models.shape import TYPICAL_UM, WIDEST, PointShape, ShapeConfig
from nucloop.training.product import save_shape
from nucloop.training.recipe import Recipe
from nucloop.training.task import TrainingTask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from nucloop.models.backbone import Backbone
    from nucloop.models.files.cards import Card
    from nucloop.training.crops import Crops
    from nucloop.training.product import Origins
    from nucloop.training.task import Batch

__all__ = ["RadialTargets", "ShapeRecipe", "ShapeTask", "begun_with", "inside_loss", "radial_loss", "radial_targets"]

STEP = 0.5
"""How finely rays are followed, pixels."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class ShapeRecipe(Recipe):
    """A shape network's model, data handling and schedule."""

    model: ShapeConfig
    jitter_um: float = 0.6
    """Standard deviation by which reference points are moved, µm: detections are not exact either."""
    points: int = 48
    """Nuclei of a crop that teach, drawn at random."""
    inside: float = 0.5
    """Weight of telling nucleus from ground, pixel by pixel, beside that of the outlines."""


@dataclass(frozen=True)
class RadialTargets:
    """Points in nuclei, and how far it is from each to its nucleus's border.

    Parameters
    ----------
    yx : (N, P, 2) tensor
        Pixels.
    radius : (N, P, R) tensor
        Pixels, along the network's rays.
    counts : (N, P, R) tensor
        1 where the border was seen; 0 for rays that leave the picture first, and for points in no nucleus.
    """

    yx: Tensor
    radius: Tensor
    counts: Tensor


def radial_targets(
    crops: Crops, along: Tensor, mpp: float, points: int, jitter_um: float, rng: np.random.Generator
) -> RadialTargets:
    """Draw nuclei of a batch, move their points a little, and follow rays from there until they leave the nucleus.

    Parameters
    ----------
    along : (R, 2) tensor
        Steps of the rays, as `nucloop.models.shape.directions` gives them.
    points : int
        Nuclei of each crop at most.

    Raises
    ------
    ValueError
        If the crops do not say whose each pixel is.
    """
    owners = crops.instances
    if owners is None:
        raise ValueError("outlines are learned from crops with instances")
    generator = torch.Generator(owners.device).manual_seed(int(rng.integers(2**62)))
    own = torch.arange(1, crops.yx.shape[1] + 1, device=owners.device).expand(crops.yx.shape[:2])
    moved = crops.yx + torch.empty_like(crops.yx).normal_(0, jitter_um / mpp, generator=generator)
    # a point that fell out of its nucleus goes back
    yx = torch.where((_owner(owners, moved) == own)[..., None], moved, crops.yx)
    inside = _owner(owners, yx) == own
    chance = torch.empty(own.shape, device=owners.device).uniform_(0, 1, generator=generator)
    rows = (chance + inside).topk(min(points, own.shape[1]), 1).indices
    yx, own, inside = yx.gather(1, rows[..., None].expand(-1, -1, 2)), own.gather(1, rows), inside.gather(1, rows)
    radius, seen = _followed(owners, yx, own, along, TYPICAL_UM * math.exp(WIDEST) / mpp)
    return RadialTargets(yx, radius, (seen & inside[..., None]).float())


def _owner(owners: Tensor, yx: Tensor) -> Tensor:
    """Whose the pixels at (N, ..., 2) are, (N, ...); -1 beyond the picture."""
    _, height, width = owners.shape
    y, x = yx.round().long().unbind(-1)
    there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    place = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    found = owners.flatten(1).gather(1, place.flatten(1)).view(place.shape)
    return torch.where(there, found, -1)


def _followed(owners: Tensor, yx: Tensor, own: Tensor, along: Tensor, farthest: float) -> tuple[Tensor, Tensor]:
    """Where rays first leave their own nucleus (N, P, R), and whether what lies there is known."""
    steps = torch.arange(0, farthest + STEP, STEP, device=yx.device)
    places = yx[:, :, None, None] + steps[:, None] * along[:, None]
    met = _owner(owners, places)
    outside = met != own[..., None, None]
    first = torch.where(outside.any(-1), outside.float().argmax(-1), len(steps) - 1)
    known = met.gather(-1, first[..., None])[..., 0] >= 0
    return (steps[first] - STEP / 2).clamp(min=STEP / 2), known


def radial_loss(radii: Tensor, targets: RadialTargets) -> Tensor:
    """Compare outlines (N, P, R): minus the logarithm of their IoU, summed along rays, and the radii's own error."""
    wanted, counts = targets.radius, targets.counts
    radii = radii.float()
    shared = (torch.minimum(radii, wanted) ** 2 * counts).sum(-1)
    union = (torch.maximum(radii, wanted) ** 2 * counts).sum(-1)
    overlap = -((shared + 1e-3) / (union + 1e-3)).log()
    # a nucleus of which half is cut off says half as much
    weight = counts.mean(-1)
    error = ((radii.log() - wanted.log()).abs() * counts).sum(-1) / counts.sum(-1).clamp(min=1)
    return ((overlap + error) * weight).sum() / weight.sum().clamp(min=1)


def inside_loss(logit: Tensor, owners: Tensor) -> Tensor:
    """Compare the logit of nucleus (N, h, w) with the share of each cell that lies in any; unknown pixels aside."""
    factor = owners.shape[-1] // logit.shape[-1]
    known = F.avg_pool2d((owners >= 0).float()[:, None], factor)[:, 0]
    share = F.avg_pool2d((owners > 0).float()[:, None], factor)[:, 0] / known.clamp(min=1e-6)
    lost = F.binary_cross_entropy_with_logits(logit.float(), share.clamp(max=1), weight=known, reduction="sum")
    return lost / known.sum().clamp(min=1)


class ShapeTask(TrainingTask[ShapeRecipe, PointShape]):
    """Outlines of nuclei, for points that any detector finds."""

    recipe_kind, default_recipe = ShapeRecipe, "shape-mobilenet"
    products = ("shape",)
    needs_instances = True

    def model(self) -> PointShape:
        """Build the network."""
        return PointShape(self.recipe.model)

    def backbone(self, model: PointShape) -> Backbone:
        """Return its backbone."""
        return model.backbone

    def loss(self, model: PointShape, batch: Batch) -> Tensor:
        """Draw nuclei, follow their rays, and compare every guess with them."""
        crops, recipe = batch.crops, self.recipe
        targets = radial_targets(crops, model.along, recipe.model.mpp, recipe.points, recipe.jitter_um, batch.rng)
        dense = model(batch.rgb)
        with torch.autocast(batch.device.type, enabled=False):
            dense = dense.float()
            looks = model.looks(dense)
            guesses = model.radii(dense, looks, targets.yx)
            loss = torch.stack([radial_loss(radii, targets) for radii in guesses]).mean()
            assert crops.instances is not None
            return loss + recipe.inside * inside_loss(looks[:, 0], crops.instances)

    def save(self, model: PointShape, files: Mapping[str, Path], origins: Origins) -> Card:
        """Write the network."""
        return save_shape(files["shape"], model, self.recipe, origins)


def begun_with(detector: nn.Module, config: ShapeConfig) -> PointShape:
    """Return a shape network that begins with what a detector knows: its backbone, and its neck where as wide.

    Raises
    ------
    WeightsError
        If the detector has another backbone.
    """
    shape = PointShape(config)
    try:
        backbone, neck = detector.get_submodule("backbone"), detector.get_submodule("neck")
        shape.backbone.load_state_dict(backbone.state_dict())
    except (AttributeError, RuntimeError) as error:
        raise WeightsError(
            f"The detector to begin with has another backbone than {config.backbone} at strides {config.strides}. "
            "Choose one that has it, or give none."
        ) from error
    theirs = neck.state_dict()
    if all(value.shape == theirs[name].shape for name, value in shape.neck.state_dict().items()):
        shape.neck.load_state_dict(theirs)
    return shape

"""Training DoNuSeg from points: discs around them, and what the encoder itself finds like them, are its labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.configuration import read_strictly
from nucloop.errors import WeightsError
from nucloop.models.backbone import Backbone
from nucloop.models.donuseg import BOX_LEVEL, DonusegConfig, DonusegNet
from nucloop.training.instance_targets import nearest
from nucloop.training.product import save_family
from nucloop.training.recipe import Recipe
from nucloop.training.task import TrainingTask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nucloop.models.files.cards import Card
    from nucloop.training.crops import Crops
    from nucloop.training.product import Origins
    from nucloop.training.task import Batch

__all__ = [
    "DonusegRecipe",
    "DonusegTask",
    "begun_with",
    "chosen",
    "contrast",
    "location_loss",
    "point_labels",
    "segmentation_loss",
]

UNKNOWN = -1.0


@read_strictly
@dataclass(frozen=True, kw_only=True)
class DonusegRecipe(Recipe):
    """A DoNuSeg network's model, data handling and schedule."""

    model: DonusegConfig = field(default_factory=DonusegConfig)
    threshold: float = 0.4
    """Score from which a nucleus counts, written to the card."""
    inner_um: float = 1.0
    """Within this of a point all is nucleus, µm (the paper's r = 4 px)."""
    outer_um: float = 5.0
    """Farther than this from all points all is ground, µm (d = 20 px)."""
    theta: float = 0.8
    """Activation from which a pixel is labelled nucleus; up to 1 - theta it is labelled ground."""
    least_box_um: float = 2.5
    """Half of the smallest box around a point, µm."""
    largest_box_um: float = 5.0
    """Half of the largest, µm; between them it is half the way to the next point."""
    dynamic: float = 0.5
    """Weight of the labels from activations."""
    contrast: float = 2.0
    """Weight of the contrastive loss."""
    temperature: float = 1.0
    """Its temperature."""


class DonusegTask(TrainingTask[DonusegRecipe, DonusegNet]):
    """A DoNuSeg network."""

    recipe_kind, default_recipe = DonusegRecipe, "donuseg"

    def model(self) -> DonusegNet:
        """Build the network."""
        return DonusegNet(self.recipe.model)

    def backbone(self, model: DonusegNet) -> Backbone:
        """Return its encoder."""
        return model.backbone

    def loss(self, model: DonusegNet, batch: Batch) -> Tensor:
        """Sum the five losses."""
        recipe, crops = self.recipe, batch.crops
        seen = model.seen(batch.rgb)
        features = model.projected(seen)
        with torch.autocast(batch.device.type, enabled=False):
            logits = seen.segmentation.float()[:, 0]
            known = self._known(crops, *logits.shape[1:])
            activations = seen.activations.float()
            label, alpha = chosen(activations.detach().clamp(0, 1), known, recipe.theta)
            said = segmentation_loss(logits, known, torch.ones_like(alpha))
            said = said + recipe.dynamic * segmentation_loss(logits, label, alpha)
            said = said + recipe.contrast * contrast(features.float(), known, label, alpha, recipe.temperature)
            said = said + location_loss(activations, known)
            return said + self._detection_loss(seen.detection.float(), crops)

    def _known(self, crops: Crops, height: int, width: int) -> Tensor:
        recipe, mpp = self.recipe, self.recipe.model.mpp
        away, _ = nearest(crops.yx, height, width, recipe.model.stride)
        exhaustive = torch.from_numpy(crops.exhaustive).to(away.device)
        return point_labels(away * mpp, recipe.inner_um, recipe.outer_um, exhaustive)

    def _detection_loss(self, output: Tensor, crops: Crops) -> Tensor:
        """FCOS: focal loss of cells, and of those at points how central they are, and how their boxes overlap."""
        recipe, stride = self.recipe, self.recipe.model.strides[BOX_LEVEL]
        height, width = output.shape[2:]
        away, row = nearest(crops.yx, height, width, stride)
        half = self._half(crops).gather(1, row.flatten(1)).view_as(away)
        place = crops.yx.gather(1, row.flatten(1)[..., None].expand(-1, -1, 2)).view(*away.shape, 2)
        grid = [torch.arange(n, device=away.device) * stride + (stride - 1) / 2 for n in (height, width)]
        to_y, to_x = (place[..., 0] - grid[0][:, None]), (place[..., 1] - grid[1])
        sides = torch.stack([half - to_y, half - to_x, half + to_y, half + to_x], 1)
        at = (sides.amin(1) > 0) & (away <= 1.5 * stride)
        central = ((_shorter(sides[:, 0], sides[:, 2]) * _shorter(sides[:, 1], sides[:, 3])).clamp(min=0)).sqrt()
        exhaustive = torch.from_numpy(crops.exhaustive).to(at.device)[:, None, None]
        counted = at | exhaustive | (away <= recipe.outer_um / recipe.model.mpp)
        positive = at.sum().clamp(min=1)
        found = _focal(output[:, 0], at.float()) * counted
        middle = F.binary_cross_entropy_with_logits(output[:, 1], central.clamp(0, 1), reduction="none") * at
        overlap = _overlap(output[:, 2:] * stride, sides.clamp(min=0.1))
        return (found.sum() + middle.sum() + ((1 - overlap) * central * at).sum()) / positive

    def _half(self, crops: Crops) -> Tensor:
        """Half of the side of the box around each point (N, K), pixels: from how densely points lie."""
        recipe = self.recipe
        apart = torch.cdist(crops.yx.float(), crops.yx.float(), compute_mode="donot_use_mm_for_euclid_dist")
        apart = apart + torch.diag(torch.full((apart.shape[1],), torch.inf, device=apart.device))
        return (apart.amin(2) / 2).clamp(
            recipe.least_box_um / recipe.model.mpp, recipe.largest_box_um / recipe.model.mpp
        )

    def save(self, model: DonusegNet, files: Mapping[str, Path], origins: Origins) -> Card:
        """Write it with its card."""
        threshold = self.recipe.threshold
        return save_family(files["detector"], model, self.recipe, origins, family="donuseg", threshold=threshold)


def begun_with(known: nn.Module, config: DonusegConfig) -> DonusegNet:
    """Return a network whose encoder begins as that of another network, which has the same one.

    Raises
    ------
    WeightsError
        If the other has another encoder.
    """
    net = DonusegNet(config)
    theirs = getattr(known, "backbone", None)
    missing = ["all"]
    if isinstance(theirs, Backbone) and theirs.name == config.backbone:
        missing = net.backbone.net.load_state_dict(theirs.net.state_dict(), strict=False).missing_keys
    if missing:
        raise WeightsError(
            f"The network to begin with has another encoder than {config.backbone} down to stride "
            f"{max(config.strides)}. Choose one that has it, or give none."
        )
    return net


def point_labels(away_um: Tensor, inner: float, outer: float, exhaustive: Tensor) -> Tensor:
    """Return the first labels (N, h, w): 1 at points, 0 far from all, -1 between.

    Parameters
    ----------
    away_um : (N, h, w)
        How far the nearest point is, µm.
    exhaustive : (N,) bool
        Where not all nuclei are marked, nothing is ground.
    """
    ground = (away_um > outer) & exhaustive[:, None, None]
    unknown = torch.full_like(away_um, UNKNOWN)
    return torch.where(away_um <= inner, 1.0, torch.where(ground, 0.0, unknown))


def _mean_where(values: Tensor, where: Tensor) -> Tensor:
    """Mean over the places of each map (..., h, w) where it counts; 0 where none does."""
    return (values * where).sum((-2, -1)) / where.sum((-2, -1)).clamp(min=1)


def location_loss(activations: Tensor, known: Tensor) -> Tensor:
    """Squared error of activations (N, blocks, h, w) at points, which shall be 1, and on the ground, both alike."""
    at, ground = ((known == value)[:, None] for value in (1, 0))
    return (_mean_where((activations - 1) ** 2, at) + _mean_where(activations**2, ground)).mean() / 2


def chosen(activations: Tensor, known: Tensor, theta: float) -> tuple[Tensor, Tensor]:
    """Return the labels (N, h, w) of the block that agrees best with `known`, and how well it does (N,).

    The paper counts pixels, most of which are ground; here points and ground weigh the same.

    Parameters
    ----------
    activations : (N, blocks, h, w)
        0 to 1.
    known : (N, h, w)
        1, 0, or -1 where nobody knows.
    """
    labels = torch.where(activations > theta, 1.0, torch.where(activations <= 1 - theta, 0.0, UNKNOWN))
    right = [_mean_where(labels == value, (known == value)[:, None]) for value in (1, 0)]
    agreement = (right[0] + right[1]) / 2
    alpha, block = agreement.max(1)
    picked = labels.gather(1, block[:, None, None, None].expand(-1, 1, *labels.shape[2:]))[:, 0]
    return picked, alpha


def segmentation_loss(logits: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of the labelled pixels of each image, nuclei and ground alike, each image by its weight (N,)."""
    each = F.binary_cross_entropy_with_logits(logits, label.clamp(min=0), reduction="none")
    return (weight * (_mean_where(each, label == 1) + _mean_where(each, label == 0))).mean() / 2


def contrast(features: Tensor, known: Tensor, label: Tensor, alpha: Tensor, temperature: float) -> Tensor:
    """Draw the features (N, C, h, w) of labelled pixels to those of known ones, and away from the other kind's.

    From the paper's sum is taken what features that say nothing would have: it grows with the number of pixels.
    """
    features = F.normalize(features, dim=1).flatten(2)
    known, label = known.flatten(1), label.flatten(1)
    total = features.new_zeros(len(features))
    for value in (1.0, 0.0):
        where = (known == value)[:, None]
        anchor = F.normalize((features * where).sum(2), dim=1)
        alike = (features * anchor[:, :, None]).sum(1) / temperature
        same, other = label == value, label == 1 - value
        others = torch.where(other, alike, -1e4).logsumexp(1, keepdim=True)
        each = torch.logaddexp(alike, others) - alike - other.sum(1, keepdim=True).float().log1p()
        there = where.flatten(1).any(1) & other.any(1)
        total = total + there * (each * same).sum(1) / same.sum(1).clamp(min=1)
    return (alpha * total).mean()


def _focal(logits: Tensor, truth: Tensor) -> Tensor:
    loss = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    p = logits.sigmoid()
    hit = p * truth + (1 - p) * (1 - truth)
    return (0.25 * truth + 0.75 * (1 - truth)) * (1 - hit) ** 2 * loss


def _shorter(a: Tensor, b: Tensor) -> Tensor:
    """Return the shorter of two sides as a share of the longer one."""
    return torch.minimum(a, b) / torch.maximum(a, b).clamp(min=1e-3)


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes given by their sides (N, 4, h, w) around the same places."""
    least, most = torch.minimum(a, b), (a, b)
    area = [(one[:, 0] + one[:, 2]) * (one[:, 1] + one[:, 3]) for one in most]
    shared = (least[:, 0] + least[:, 2]) * (least[:, 1] + least[:, 3])
    return shared / (area[0] + area[1] - shared).clamp(min=1e-6)

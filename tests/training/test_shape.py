"""Outlines learned from masks: where rays end, what a guess costs, and a whole small training."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from nucloop.errors import WeightsError
from nucloop.metrics.label_images import label_image
from nucloop.metrics.segmentation import score_segmentation
from nucloop.models.denuc import DenucConfig, DenucDetector
from nucloop.models.files.cards import load_shape
from nucloop.models.shape import ShapeConfig, directions, rings
from nucloop.training.augment import AugmentConfig
from nucloop.training.crops import Crops
from nucloop.training.fields import Field
from nucloop.training.loop import LoopConfig
from nucloop.training.product import Origins
from nucloop.training.shape import (
    RadialTargets,
    ShapeRecipe,
    ShapeTask,
    begun_with,
    inside_loss,
    radial_loss,
    radial_targets,
)
from nucloop.training.task import train

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SMALL = ShapeConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=24, rays=16, hidden=32, detail=False)
PLAIN = AugmentConfig(scale=1.0, stain_amount=0, stain_colour=0, density=0, ihc=0, grey=0, blur=0, noise=0)


def discs(size: int, *nuclei: tuple[float, float, float]) -> NDArray[np.int64]:
    """Whose each pixel is: discs (y, x, radius) numbered from 1; a later one keeps what an earlier one has."""
    y, x = np.mgrid[:size, :size]
    owners = np.zeros((size, size), np.int64)
    for k, (cy, cx, radius) in enumerate(nuclei, 1):
        owners[(np.hypot(y - cy, x - cx) < radius) & (owners == 0)] = k
    return owners


def targets_of(owners: NDArray[np.int64], points: list[tuple[float, float]], jitter: float = 0.0) -> RadialTargets:
    """Targets of one crop at 0.5 µm a pixel; the rows keep no order."""
    rgb = torch.zeros(1, 3, *owners.shape)
    crops = Crops.of(rgb, [np.array(points, np.float32)])
    crops = dataclasses.replace(crops, instances=torch.from_numpy(owners)[None])
    along = torch.from_numpy(directions(16))
    return radial_targets(crops, along, 0.5, 8, jitter, np.random.default_rng(0))


def row_of(targets: RadialTargets, point: tuple[float, float]) -> int:
    return int((targets.yx[0] - torch.tensor(point)).norm(dim=1).argmin())


def test_rays_from_the_middle_of_a_disc_end_at_its_border():
    targets = targets_of(discs(64, (32, 30, 9)), [(32, 30)])
    row = row_of(targets, (32, 30))
    assert targets.counts[0, row].min() == 1
    assert targets.radius[0, row].numpy() == pytest.approx(np.full(16, 9.0), abs=0.8)


def test_rays_from_beside_the_middle_are_as_long_as_geometry_says():
    targets = targets_of(discs(96, (48, 48, 20)), [(48, 56)])
    row = row_of(targets, (48, 56))
    cosine = directions(16)[:, 1]
    wanted = -8 * cosine + np.sqrt(400 - 64 * (1 - cosine**2))
    assert targets.radius[0, row].numpy() == pytest.approx(wanted, abs=0.8)


def test_a_ray_ends_where_the_next_nucleus_begins():
    owners = np.zeros((64, 64), np.int64)
    owners[20:40, 10:30], owners[20:40, 30:50] = 1, 2
    targets = targets_of(owners, [(30, 20), (30, 40)])
    row = row_of(targets, (30, 20))
    assert targets.radius[0, row, 0] == pytest.approx(9.5, abs=0.5)
    assert targets.counts[0, row, 0] == 1


def test_rays_that_leave_the_picture_or_enter_the_unknown_do_not_count():
    owners = discs(64, (32, 2, 8))
    owners[30:35, 11:] = -1
    targets = targets_of(owners, [(32, 2)])
    row = row_of(targets, (32, 2))
    right, left, down = targets.counts[0, row, [0, 8, 4]].tolist()
    assert (left, down) == (0, 1)
    assert right == 1  # the disc ends on known ground before the unknown begins
    owners[30:35, 9:] = -1
    assert targets_of(owners, [(32, 2)]).counts[0, :, 0].sum() == 0


def test_points_outside_their_own_nucleus_teach_nothing():
    # a crescent's centre of mass lies outside it, and the second row has no pixels at all
    owners = discs(64, (32, 32, 14))
    owners[np.hypot(*(np.mgrid[:64, :64] - np.array([32, 36])[:, None, None])) < 12] = 0
    assert targets_of(owners, [(32, 33), (5, 5)]).counts.sum() == 0


def test_points_are_moved_but_never_out_of_their_nucleus():
    owners = discs(64, (32, 30, 9))
    places = [targets_of(owners, [(32, 30)], jitter=j).yx[0] for j in (0.0, 1.0, 1000.0)]
    rows = [int((p - torch.tensor([32.0, 30.0])).norm(dim=1).argmin()) for p in places]
    still, moved, back = (p[row] for p, row in zip(places, rows, strict=True))
    assert 0 < (moved - still).norm() < 9
    assert torch.equal(back, still)


def test_crops_without_masks_are_refused():
    crops = Crops.of(torch.zeros(1, 3, 64, 64), [np.array([[9.0, 9.0]], np.float32)])
    with pytest.raises(ValueError, match="instances"):
        radial_targets(crops, torch.from_numpy(directions(16)), 0.5, 8, 0.0, np.random.default_rng(0))


def test_the_right_outline_costs_nothing_and_a_wrong_one_the_more_the_farther_it_is():
    counts = torch.ones(1, 1, 16)
    targets = RadialTargets(torch.zeros(1, 1, 2), torch.full((1, 1, 16), 6.0), counts)
    cost = [float(radial_loss(torch.full((1, 1, 16), radius), targets)) for radius in (6.0, 7.0, 9.0, 5.0, 3.0)]
    assert cost[0] == pytest.approx(0, abs=1e-4)
    assert cost[0] < cost[1] < cost[2]
    assert cost[0] < cost[3] < cost[4]
    # IoU of circles: (6/7)^2; the radii's own error: log(7/6)
    assert cost[1] == pytest.approx(3 * np.log(7 / 6), rel=1e-3)


def test_rays_that_do_not_count_cost_nothing():
    counts = torch.ones(1, 2, 16)
    counts[0, 0, 8:] = 0
    counts[0, 1] = 0
    targets = RadialTargets(torch.zeros(1, 2, 2), torch.full((1, 2, 16), 6.0), counts)
    guess = torch.full((1, 2, 16), 6.0)
    guess[0, 0, 8:] = 30
    guess[0, 1] = 1
    assert float(radial_loss(guess, targets)) == pytest.approx(0, abs=1e-4)


def test_telling_nucleus_from_ground_leaves_unknown_pixels_aside():
    owners = torch.zeros(1, 8, 8, dtype=torch.long)
    owners[:, :4] = 1
    owners[:, :, 4:] = -1
    logit = torch.full((1, 4, 4), -9.0)
    logit[:, :2] = 9
    assert float(inside_loss(logit, owners)) < 0.001
    logit[:, :, 2:] *= -1
    assert float(inside_loss(logit, owners)) < 0.001
    logit[:, :, :2] *= -1
    assert float(inside_loss(logit, owners)) > 5


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Field:
    """Dark discs of two sizes on pink, with their mask."""
    folder = tmp_path_factory.mktemp("masks")
    rng = np.random.default_rng(2)
    points = np.array([(y, x) for y in range(16, 180, 28) for x in range(16, 180, 28)]) + rng.uniform(-3, 3, (36, 2))
    owners = discs(192, *((y, x, 5 + 5 * (k % 2)) for k, (y, x) in enumerate(points)))
    image = np.where(owners[..., None] > 0, np.array([95, 60, 140]), np.array([235, 190, 215])) + rng.normal(
        0, 6, (192, 192, 1)
    )
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / "image.png")
    Image.fromarray(owners.astype(np.uint16)).save(folder / "mask.png")
    label = np.zeros(len(points), np.int16)
    return Field(folder / "image.png", points.astype(np.float32), label, 0.5, "one", mask=folder / "mask.png")


def test_a_short_training_learns_how_large_nuclei_are(field: Field, tmp_path: Path) -> None:
    loop = LoopConfig(steps=80, batch=4, lr=5e-3, backbone_lr=5e-3, average=0.8)
    task = ShapeTask(ShapeRecipe(name="small", model=SMALL, loop=loop, augment=PLAIN, crop=96))
    losses = []
    for progress, model in train(task, [field]):  # noqa: B007
        losses.append(progress.loss)
    # smoothed over fifty steps
    assert losses[-1] < 0.7 * losses[0]

    card = task.save(model, {"shape": tmp_path / "s.safetensors"}, Origins())
    net, _ = load_shape(str(tmp_path / "s.safetensors"))
    with torch.inference_mode():
        dense = net(torch.from_numpy(field.pixels.copy()).permute(2, 0, 1)[None].float())
        radii = net.radii(dense, net.looks(dense), torch.from_numpy(field.yx)[None])[-1][0]
    found = label_image(rings(field.yx, radii.numpy()), (192, 192))
    owners = field.instances()
    assert owners is not None
    assert score_segmentation(found, owners).aji > 0.6
    assert (card.kind, card.mpp, card.config["rays"]) == ("shape", 0.5, 16)


def test_a_shape_begins_with_what_a_detector_knows():
    detector = DenucDetector(DenucConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=24, mpp=0.5))
    shape = begun_with(detector, SMALL)
    for ours, theirs in ((shape.backbone, detector.backbone), (shape.neck, detector.neck)):
        assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())
    narrower = begun_with(detector, dataclasses.replace(SMALL, channels=16))
    assert torch.equal(
        next(iter(narrower.backbone.state_dict().values())), next(iter(detector.backbone.state_dict().values()))
    )


def test_a_detector_on_another_backbone_is_refused():
    detector = DenucDetector(DenucConfig(backbone="shufflenet_v2_x1_0", strides=(8, 16), channels=24, mpp=0.5))
    with pytest.raises(WeightsError, match="another backbone"):
        begun_with(detector, SMALL)
    with pytest.raises(WeightsError, match="another backbone"):
        begun_with(torch.nn.Linear(2, 2), SMALL)

"""Networks that give outlines learn them by the one loop: HistoNeXt from masks, DoNuSeg from points alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from PIL import Image
from skimage.draw import polygon2mask
from torch.nn import functional as F

from nucloop.classes import ClassScheme
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import InferenceConfig, PipelineSpec
from nucloop.metrics.segmentation import dice
from nucloop.models.donuseg import DonusegConfig
from nucloop.models.files.cards import family_of, load_detector, scheme_of
from nucloop.models.histonext import HistonextConfig
from nucloop.nuclei import Nuclei
from nucloop.slides import slide_from_array
from nucloop.training.augment import AugmentConfig
from nucloop.training.crops import Crops
from nucloop.training.donuseg import (
    DonusegRecipe,
    DonusegTask,
    chosen,
    contrast,
    location_loss,
    point_labels,
    segmentation_loss,
)
from nucloop.training.fields import Field
from nucloop.training.histonext import HistonextRecipe, HistonextTask
from nucloop.training.loop import LoopConfig
from nucloop.training.product import Origins
from nucloop.training.recipe import load_recipe, recipe_names
from nucloop.training.task import Batch, train

PLAIN = AugmentConfig(scale=1.1, stain_amount=0.05, stain_colour=0, density=0.05, blur=0, noise=0)
TWO = ClassScheme.from_dict(
    {"name": "two", "classes": [{"name": "blue", "color": "#0000ff"}, {"name": "red", "color": "#ff0000"}]},
    source="the test",
)


@pytest.fixture
def masked(field: Field, tmp_path: Path) -> Field:
    """The spots with their areas."""
    y, x = np.mgrid[:160, :160]
    areas = np.zeros((160, 160), np.uint16)
    for k, (cy, cx) in enumerate(field.yx):
        areas[np.hypot(y - cy, x - cx) < 5] = k + 1
    Image.fromarray(areas).save(tmp_path / "mask.png")
    return replace(field, mask=tmp_path / "mask.png")


def histonext(steps: int, *, classes: bool = False) -> HistonextTask:
    model = HistonextConfig(backbone="test_efficientnet", strides=(2, 4, 8, 16), growth=16, mpp=0.5)
    loop = LoopConfig(steps=steps, batch=4, lr=4e-3, backbone_lr=4e-3, average=0)
    recipe = HistonextRecipe(name="small", model=model, loop=loop, augment=PLAIN, crop=64)
    return HistonextTask(recipe, TWO if classes else None)


def donuseg(steps: int) -> DonusegTask:
    model = DonusegConfig(backbone="test_efficientnet", channels=16, mpp=0.5)
    loop = LoopConfig(steps=steps, batch=4, lr=4e-3, backbone_lr=4e-3, average=0)
    return DonusegTask(DonusegRecipe(name="small", model=model, loop=loop, augment=PLAIN, crop=64, threshold=0.2))


def drawn(net: torch.nn.Module, card, field: Field) -> tuple[np.ndarray, int]:
    """What a network finds on a field, as a label image, and how many nuclei."""
    rgb = torch.from_numpy(field.read().copy()).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        output = net.eval()(rgb)[0].numpy()
    found = family_of(card).propose(output, net.config, card.threshold)
    labels = np.zeros(rgb.shape[2:], np.int32)
    for k, ring in enumerate(found.outlines):
        labels[polygon2mask(labels.shape, ring)] = k + 1
    return labels, len(found)


def on_slide(weights: Path, pixels: np.ndarray, tile: int) -> Nuclei:
    """What the whole pipeline finds, with an encoder and a head for the classes."""
    spec = PipelineSpec(str(weights), "embedded", "brca-m2c", "torch-cpu", InferenceConfig(tile=tile, rotations=1))
    pipeline = Pipeline.open(spec)
    found = [part.nuclei for part in pipeline.run(slide_from_array(pixels, mpp=0.5, name="spots"))]
    return Nuclei.concatenate(found, pipeline.scheme).numbered()


@pytest.mark.slow
def test_histonext_learns_the_shape_of_spots_from_their_masks_and_comes_back_from_its_file(masked, tmp_path):
    task = histonext(70)
    losses = []
    for progress, learning in train(task, [masked]):
        losses.append(progress.loss)
        model = learning
    assert losses[-1] < 0.5 * losses[0]
    task.save(model, {"detector": tmp_path / "small.safetensors"}, Origins(data=[{"name": "spots"}]))
    net, card = load_detector(str(tmp_path / "small.safetensors"))
    assert (card.family, scheme_of(card)) == ("histonext", None)
    labels, count = drawn(net, card, masked)
    assert dice(labels, masked.instances().clip(0)) > 0.85
    assert count == pytest.approx(len(masked.yx), abs=3)
    one, other = (
        on_slide(tmp_path / "small.safetensors", np.tile(masked.read(), (4, 4, 1)), tile) for tile in (1024, 128)
    )
    assert len(one) > 500
    # a pixel may be on the brink of nucleus
    np.testing.assert_allclose(one.yx, other.yx, atol=0.25)
    for first, second in zip(one.outlines, other.outlines, strict=True):
        assert shapely.Polygon(first).symmetric_difference(shapely.Polygon(second)).area < 4


def test_with_a_scheme_it_names_classes_and_its_card_says_which(masked, tmp_path):
    task = histonext(2, classes=True)
    *_, (_, model) = train(task, [masked])
    task.save(model, {"detector": tmp_path / "two.safetensors"}, Origins())
    net, card = load_detector(str(tmp_path / "two.safetensors"))
    assert net.config.classes == 2
    assert scheme_of(card) == TWO


def test_classes_are_learned_around_points_where_a_field_has_no_mask(field):
    task = histonext(1, classes=True)
    rgb = torch.from_numpy(field.read().copy()).permute(2, 0, 1)[None].float()
    crops = replace(
        Crops.of(rgb, [field.yx]),
        label=torch.from_numpy(np.pad(field.label.astype(np.int64), (0, 64 - len(field.label)), constant_values=-1))[
            None
        ],
        instances=torch.full((1, 160, 160), -1),
    )
    if crops.yx.shape[1] != 64:
        crops = replace(crops, label=crops.label[:, : crops.yx.shape[1]])
    truth, certain = task._classes(crops.instances, Batch(crops, np.random.default_rng(0)))
    y, x = np.mgrid[:160, :160]
    away = np.hypot(y[..., None] - field.yx[:, 0], x[..., None] - field.yx[:, 1])
    expected = np.where(away.min(2) <= 3, field.label[away.argmin(2)] + 1, 0)
    known = certain[0].numpy()
    np.testing.assert_array_equal(truth[0].numpy()[known], expected[known])
    np.testing.assert_array_equal(known, (away.min(2) <= 3) | (away.min(2) > 16))


def test_a_frozen_share_leaves_the_encoder_as_it_was_until_then(masked):
    task = histonext(6)
    task = HistonextTask(replace(task.recipe, loop=replace(task.recipe.loop, frozen=0.5)))
    kept = []
    for _, model in train(task, [masked]):
        kept.append([p.detach().clone() for p in model.backbone.parameters()])
    for early in kept[1:3]:
        assert all(torch.equal(a, b) for a, b in zip(kept[0], early, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(kept[0], kept[-1], strict=True))


@pytest.mark.slow
def test_donuseg_learns_outlines_from_points_alone(field, masked, tmp_path):
    assert field.mask is None
    task = donuseg(90)
    losses = []
    for progress, learning in train(task, [field]):
        losses.append(progress.loss)
        model = learning
    assert losses[-1] < 0.7 * losses[0]
    card = task.save(model, {"detector": tmp_path / "small.safetensors"}, Origins())
    labels, count = drawn(model, card, field)
    assert dice(labels, masked.instances().clip(0)) > 0.7
    assert count == pytest.approx(len(field.yx), abs=8)


def test_first_labels_are_nucleus_at_points_ground_far_away_and_unknown_between():
    away = torch.tensor([[[0.5, 3.0, 8.0]], [[0.5, 3.0, 8.0]]])
    labels = point_labels(away, 1.0, 5.0, torch.tensor([True, False]))
    assert labels.tolist() == [[[1, -1, 0]], [[1, -1, -1]]]


def test_the_block_that_agrees_best_gives_the_labels():
    known = torch.tensor([[[1.0, -1, 0, 0, 0, 0]]])
    sees_all = torch.tensor([[[0.9, 0.9, 0.5, 0.1, 0.1, 0.1]]])
    sees_nothing = torch.zeros(1, 1, 6)
    label, alpha = chosen(torch.stack([sees_nothing, sees_all], 1), known, 0.8)
    # most of what is known is ground: a block that calls all of it ground does not win by that
    assert label.tolist() == [[[1, 1, -1, 0, 0, 0]]]
    assert alpha.tolist() == [pytest.approx((1 + 0.75) / 2)]


def test_the_contrastive_loss_is_the_papers_formula():
    torch.manual_seed(0)
    features = torch.randn(1, 5, 1, 6)
    known = torch.tensor([[[1.0, 1, 0, 0, -1, -1]]])
    label = torch.tensor([[[1.0, -1, 0, 0, 1, 0]]])
    z = F.normalize(features, dim=1)[0, :, 0].T
    total = 0.0
    for value in (1, 0):
        anchor = F.normalize(z[known[0, 0] == value].sum(0), dim=0)
        u, v = z[label[0, 0] == value] @ anchor, z[label[0, 0] == 1 - value] @ anchor
        total += -(u - (u.exp() + v.exp().sum()).log()).mean() - np.log(1 + len(v))
    loss = contrast(features, known, label, torch.tensor([0.7]), 1.0)
    torch.testing.assert_close(loss, 0.7 * total)


def test_points_and_ground_weigh_the_same_however_few_points_there_are():
    known = torch.tensor([[[1.0, 0, 0, 0, -1]]])
    logits = torch.tensor([[[2.0, 0, 0, 0, 9]]])
    expected = (F.softplus(torch.tensor(-2.0)) + np.log(2)) / 2
    torch.testing.assert_close(segmentation_loss(logits, known, torch.ones(1)), expected)
    activations = torch.tensor([[[[0.5, 0.1, 0.1, 0.1, 7]]]])
    torch.testing.assert_close(location_loss(activations, known), torch.tensor((0.25 + 0.01) / 2))


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith(("histonext", "donuseg"))])
def test_every_recipe_of_theirs_can_be_read(name):
    kind = HistonextRecipe if name.startswith("histonext") else DonusegRecipe
    assert load_recipe(name, kind).name == name

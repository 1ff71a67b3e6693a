"""The detectors of the papers: each learns dark spots and their colours, and runs as it was trained."""

import dataclasses

import numpy as np
import pytest
import torch

from nucloop.classes import ClassScheme
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import InferenceConfig, PipelineSpec
from nucloop.metrics.points import count_matches
from nucloop.models.fcrn import FcrnConfig
from nucloop.models.files.cards import load_detector
from nucloop.models.patherea import PathereaConfig
from nucloop.nuclei import Nuclei
from nucloop.slides import slide_from_array
from nucloop.training.augment import AugmentConfig
from nucloop.training.crops import Crops
from nucloop.training.fcrn import FcrnRecipe, FcrnTask, nearness
from nucloop.training.loop import LoopConfig
from nucloop.training.patherea import PathereaRecipe, PathereaTask, one_loss
from nucloop.training.product import Origins
from nucloop.training.task import train

PLAIN = AugmentConfig(scale=1.0, stain_amount=0, stain_colour=0, density=0, ihc=0, grey=0, blur=0, noise=0)
LOOP = LoopConfig(steps=60, batch=4, lr=1e-2, backbone_lr=4e-3, average=0.9)
SCHEME = ClassScheme.named("ocelot")
P2P = PathereaRecipe(
    name="tiny",
    model=PathereaConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=16),
    loop=LOOP,
    augment=PLAIN,
    crop=64,
    threshold=0.8,
)
FCRN = FcrnRecipe(
    name="tiny",
    model=FcrnConfig(backbone="mobilenetv2_050", strides=(2, 4, 8), channels=8, options={"pad_type": "same"}),
    loop=LOOP,
    augment=PLAIN,
    crop=64,
    threshold=0.3,
)


def found_by(path, field, tile=1024, **names) -> Nuclei:
    spec = PipelineSpec(str(path), **names, device="torch-cpu", config=InferenceConfig(tile=tile))
    pipeline = Pipeline.open(spec)
    slide = slide_from_array(field.pixels, mpp=field.mpp, name="spots")
    return Nuclei.concatenate([part.nuclei for part in pipeline.run(slide)], pipeline.scheme)


@pytest.mark.parametrize(("kind", "recipe"), [(PathereaTask, P2P), (FcrnTask, FCRN)])
def test_it_learns_to_find_and_to_tell_apart_and_runs_from_its_card(kind, recipe, field, tmp_path):
    task = kind(recipe, SCHEME)
    *_, (_, model) = train(task, [field])
    card = task.save(model, {"detector": tmp_path / "mine.safetensors"}, Origins())
    assert card.classes == SCHEME.to_dict()
    assert load_detector(str(tmp_path / "mine.safetensors"))[0].config.classes == len(SCHEME)

    nuclei = found_by(tmp_path / "mine.safetensors", field)
    assert count_matches(nuclei.yx, field.yx, 6.0).f1 > 0.85
    for label in (0, 1):
        assert count_matches(nuclei.yx[nuclei.label == label], field.yx[field.label == label], 6.0).f1 > 0.75

    tiled = found_by(tmp_path / "mine.safetensors", field, tile=64)
    assert sorted(map(tuple, tiled.yx.tolist())) == pytest.approx(sorted(map(tuple, nuclei.yx.tolist())), abs=0.1)


@pytest.mark.parametrize(("kind", "recipe"), [(PathereaTask, P2P), (FcrnTask, FCRN)])
def test_it_can_learn_only_where_nuclei_are_for_use_in_front_of_a_classifier(kind, recipe, field, tmp_path):
    loop = dataclasses.replace(LOOP, steps=2)
    task = kind(dataclasses.replace(recipe, only_nuclei=True, loop=loop, threshold=0.05), SCHEME)
    *_, (_, model) = train(task, [field])
    card = task.save(model, {"detector": tmp_path / "mine.safetensors"}, Origins())
    assert card.classes is None
    nuclei = found_by(tmp_path / "mine.safetensors", field)
    assert nuclei.scheme == ClassScheme.named("brca-m2c")


def crops_of(yx: list[tuple[float, float]], label: list[int], choices=None, *, exhaustive=True) -> Crops:
    crops = Crops.of(torch.zeros(1, 3, 32, 32), [np.array(yx, np.float32)])
    padded = torch.full_like(crops.label, -1)
    padded[0, : len(label)] = torch.tensor(label)
    return dataclasses.replace(crops, label=padded, choices=choices, exhaustive=np.array([exhaustive]))


def output_saying(*cells: tuple[int, int, int]) -> torch.Tensor:
    """Proposals (1, 2 + 2 + 1, 8, 8) sure of ground everywhere but at (row, column, class)."""
    output = torch.zeros(1, 5, 8, 8)
    output[:, 4] = 12
    for row, column, label in cells:
        output[0, 4, row, column], output[0, 2 + label, row, column] = 0, 12
    return output


RECIPE = dataclasses.replace(P2P, model=dataclasses.replace(P2P.model, classes=2))
PLACE = [(4 * 2 + 1.5, 4 * 3 + 1.5)]


def test_the_loss_is_least_where_one_proposal_says_the_right_class_in_the_right_place():
    right = one_loss(output_saying((2, 3, 1)), crops_of(PLACE, [1]), RECIPE, 1)
    assert right < 1e-3
    for wrong in (output_saying(), output_saying((2, 3, 0)), output_saying((2, 3, 1), (5, 5, 1))):
        assert one_loss(wrong, crops_of(PLACE, [1]), RECIPE, 1) > right + 0.05


def test_where_each_has_two_a_second_proposal_is_right_and_where_it_has_one_it_is_wrong():
    twice = output_saying((2, 3, 1), (2, 4, 1))
    crops = crops_of(PLACE, [1])
    assert one_loss(twice, crops, RECIPE, 2) < 0.1 < one_loss(twice, crops, RECIPE, 1)


def test_a_nucleus_without_a_class_may_be_any_and_one_of_two_classes_either():
    for label in (0, 1):
        assert one_loss(output_saying((2, 3, label)), crops_of(PLACE, [-1]), RECIPE, 1) < 1e-3
    only_first = torch.zeros(1, 16, 2, dtype=torch.bool)
    only_first[0, 0, 0] = True
    choices = crops_of(PLACE, [-1], only_first)
    assert one_loss(output_saying((2, 3, 0)), choices, RECIPE, 1) < 1e-3
    assert one_loss(output_saying((2, 3, 1)), choices, RECIPE, 1) > 1


def test_where_not_all_nuclei_are_marked_a_finding_far_from_marks_is_no_error():
    elsewhere = output_saying((2, 3, 1), (7, 7, 1))
    assert one_loss(elsewhere, crops_of(PLACE, [1], exhaustive=False), RECIPE, 1) < 1e-3
    assert one_loss(elsewhere, crops_of(PLACE, [1]), RECIPE, 1) > 0.05


def test_a_crop_without_nuclei_teaches_ground():
    assert one_loss(output_saying(), crops_of([], []), RECIPE, 2) < 1e-3
    assert one_loss(output_saying((1, 1, 0)), crops_of([], []), RECIPE, 2) > 0.05


def test_the_map_is_one_in_the_middle_of_a_nucleus_of_its_class_and_nothing_beyond_its_radius():
    recipe = dataclasses.replace(FCRN, model=dataclasses.replace(FCRN.model, classes=2))
    grid = torch.tensor([[10.0, 10.0], [10.0, 14.0], [10.0, 20.0], [30.0, 30.0]])
    wanted, counts = nearness(grid, crops_of([(10, 10), (30, 30)], [0, -1]), recipe)
    # 9 pixels are 4.5 µm
    slope = np.expm1(3 * (1 - 4 / 9)) / np.expm1(3)
    np.testing.assert_allclose(wanted[0, 0], [1, slope, 0, 0], atol=1e-6)
    np.testing.assert_allclose(wanted[0, 1], 0, atol=1e-6)
    # whose class nobody knows says nothing
    assert counts[0].tolist() == [[1, 1, 1, 0]] * 2


def test_a_loss_on_a_map_is_least_where_it_is_right():
    task = FcrnTask(FCRN, SCHEME)

    class Says(torch.nn.Module):
        stride = 2

        def __init__(self, logits):
            super().__init__()
            self.logits = logits

        def forward(self, rgb):
            return self.logits

    crops = crops_of([(10.5, 10.5)], [1])
    batch = type("Batch", (), {"crops": crops, "rgb": crops.rgb, "device": crops.rgb.device})()
    grid = torch.stack(torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij"), -1).view(-1, 2) * 2 + 0.5
    wanted, _ = nearness(grid.float(), crops, task.recipe)
    right = wanted.clamp(1e-4, 1 - 1e-4).logit().view(1, 2, 16, 16)
    assert task.loss(Says(right), batch) < 1e-6
    assert task.loss(Says(right.flip(1)), batch) > 0.01

import dataclasses

import numpy as np
import pytest
import torch

from nucloop.classes import ClassScheme
from nucloop.detection.points import suppress_non_maxima
from nucloop.errors import DataError, WeightsError
from nucloop.metrics.points import count_matches
from nucloop.models.denuc import DenucConfig, propose
from nucloop.models.encoder import EncoderConfig
from nucloop.models.families import FAMILIES
from nucloop.training.augment import AugmentConfig
from nucloop.training.datasets import Dataset, open_dataset
from nucloop.training.denuc import DenucTask
from nucloop.training.encoder import EncoderTask, as_scheme
from nucloop.training.end_to_end import EndToEndTask
from nucloop.training.loop import LoopConfig
from nucloop.training.recipe import DetectorRecipe, EncoderRecipe, EndToEndRecipe, load_recipe, recipe_names
from nucloop.training.shape import ShapeTask
from nucloop.training.task import task_of, train

PLAIN = AugmentConfig(scale=1.0, stain_amount=0, stain_colour=0, density=0, ihc=0, grey=0, blur=0, noise=0)
TINY = DetectorRecipe(
    name="tiny",
    model=DenucConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=16, mpp=0.5),
    loop=LoopConfig(steps=80, batch=4, lr=5e-3, backbone_lr=2e-3, average=0.9, checkpoint_every=10),
    augment=PLAIN,
    crop=96,
)


def test_a_detector_learns_to_find_spots(field):
    torch.manual_seed(0)
    *_, (progress, detector) = train(DenucTask(TINY), [field])
    assert progress.step == TINY.loop.steps
    assert not detector.training
    with torch.inference_mode():
        rgb = torch.from_numpy(field.read().copy()).permute(2, 0, 1)[None].float()
        score = detector(rgb)[0, 0].sigmoid().numpy()
    # cells that hold a nucleus's centre score higher than the ground
    hit = np.zeros_like(score, bool)
    cells = (field.yx / 8).astype(int)
    hit[cells[:, 0], cells[:, 1]] = True
    assert score[hit].mean() > 2 * score[~hit].mean()


def test_a_detector_goes_on_from_another_of_the_same_shape_only(field):
    short = dataclasses.replace(TINY, loop=dataclasses.replace(TINY.loop, steps=1, lr=1e-9, backbone_lr=1e-9))
    *_, (_, start) = train(DenucTask(TINY), [field])
    *_, (_, went_on) = train(DenucTask(short), [field], start=start)
    assert torch.allclose(went_on.head[-1].weight, start.head[-1].weight, atol=1e-4)
    other = dataclasses.replace(short, model=dataclasses.replace(TINY.model, channels=8))
    with pytest.raises(WeightsError, match="another shape"):
        next(train(DenucTask(other), [field], start=start))


def test_an_interrupted_run_that_resumes_gives_the_weights_of_an_unbroken_one(field, tmp_path):
    recipe = dataclasses.replace(TINY, loop=dataclasses.replace(TINY.loop, steps=12, checkpoint_every=5))
    checkpoint = tmp_path / "run.checkpoint"
    *_, (_, whole) = train(DenucTask(recipe), [field])
    for progress, _ in train(DenucTask(recipe), [field], checkpoint=checkpoint):
        if progress.step == 8:
            break
    (first, _), *_, (_, resumed) = train(DenucTask(recipe), [field], checkpoint=checkpoint)
    assert first.step == 6
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-5)


def test_a_run_stopped_between_its_last_checkpoint_and_its_weights_file_still_gives_its_network(field, tmp_path):
    recipe = dataclasses.replace(TINY, loop=dataclasses.replace(TINY.loop, steps=4, checkpoint_every=2))
    checkpoint = tmp_path / "run.checkpoint"
    *_, (_, whole) = train(DenucTask(recipe), [field], checkpoint=checkpoint)
    ((progress, again),) = train(DenucTask(recipe), [field], checkpoint=checkpoint)
    assert progress.step == 4
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_that_cannot_be_written_says_what_to_do(field, tmp_path):
    recipe = dataclasses.replace(TINY, loop=dataclasses.replace(TINY.loop, steps=2, checkpoint_every=1))
    with pytest.raises(WeightsError, match=r"Cannot write .*choose another folder"):
        list(train(DenucTask(recipe), [field], checkpoint=tmp_path / "missing" / "run.checkpoint"))


def test_a_backbone_that_nobody_offers_is_said_so(field):
    recipe = dataclasses.replace(TINY, model=DenucConfig(backbone="shuffelnet"))
    with pytest.raises(WeightsError, match="timm makes no backbone 'shuffelnet'"):
        next(train(DenucTask(recipe), [field]))


def test_a_pretrained_file_of_no_network_is_said_so(field, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"Cannot start shufflenet_v2_x0_5 from .*x\.safetensors"):
        next(train(DenucTask(TINY), [field], initial=tmp_path / "x.safetensors"))


def test_a_damaged_checkpoint_says_what_to_do(field, tmp_path):
    checkpoint = tmp_path / "run.checkpoint"
    checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match="Delete it"):
        next(train(DenucTask(TINY), [field], checkpoint=checkpoint))


def test_an_encoder_learns_two_colours_and_never_takes_an_unlabelled_nucleus_for_background(field):
    scheme = ClassScheme.named("ocelot")
    recipe = EncoderRecipe(
        name="tiny",
        model=EncoderConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=16, mpp=0.5),
        loop=LoopConfig(steps=60, batch=4, lr=1e-2, backbone_lr=4e-3, average=0.9),
        augment=PLAIN,
        crop=96,
    )
    *_, (progress, classifier) = train(EncoderTask(recipe, scheme), [field])
    assert progress.loss < 1.0
    rgb = torch.from_numpy(field.read().copy()).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        logits = classifier.eval()(rgb, torch.from_numpy(field.yx)[None])
    assert (logits[0, :, :2].argmax(1).numpy() == field.label).mean() > 0.9


def test_one_network_learns_to_find_and_to_tell_apart_and_runs_as_two(field):
    scheme = ClassScheme.named("ocelot")
    model = DenucConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=16, mpp=0.5)
    loop = LoopConfig(steps=60, batch=4, lr=1e-2, backbone_lr=4e-3, average=0.9)
    recipe = EndToEndRecipe(name="tiny", model=model, loop=loop, augment=PLAIN, crop=96)
    *_, (_, net) = train(EndToEndTask(recipe, scheme), [field])
    detector, classifier = net.eval().apart()
    rgb = torch.from_numpy(field.read().copy()).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        found, logits = net(rgb, torch.from_numpy(field.yx)[None])
        torch.testing.assert_close(detector(rgb), found)
        torch.testing.assert_close(classifier(rgb, torch.from_numpy(field.yx)[None]), logits)
    assert (logits[0, :, :2].argmax(1).numpy() == field.label).mean() > 0.9
    proposals = propose(found[0].numpy(), model, 0.5)
    points = proposals.yx[suppress_non_maxima(proposals.yx.astype(np.float32), proposals.score, 7.0)]
    counts = count_matches(points, field.yx, 6.0)
    assert counts.f1 > 0.8


def test_labels_join_other_schemes_by_class_name_and_the_rest_become_unlabelled(field):
    one_of_each = dataclasses.replace(field, label=np.array([0, 1, 2, 3], np.int16), yx=field.yx[:4])
    data = Dataset("x", ClassScheme.named("nucls"), (one_of_each,), "CC0", True)
    (relabelled,) = as_scheme(data, ClassScheme.named("brca-m2c"))
    # tumour, stromal, lymphocyte, other -> rows of lymphocyte, tumour, stromal
    assert relabelled.label.tolist() == [1, 2, 0, -1]


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_valid(name):
    kinds = {family: task_of(family).recipe_kind for family in FAMILIES}
    kind = (kinds | {"encoder": EncoderRecipe, "end": EndToEndRecipe, "shape": ShapeTask.recipe_kind})[
        name.split("-")[0]
    ]
    assert load_recipe(name, kind).name == name


def test_a_misspelt_recipe_entry_is_named(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nmodel: {backbone: resnet18, strides: [8], chanels: 3}\n")
    with pytest.raises(DataError, match="chanels"):
        load_recipe(str(path), DetectorRecipe)


def test_a_recipe_of_megabytes_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nmodel: {}\nloop: {" + ", ".join(f"k{n}: 1" for n in range(500_000)) + "}\n")
    with pytest.raises(DataError, match="too large"):
        load_recipe(str(path), DetectorRecipe)


@pytest.mark.parametrize(
    ("spec", "split", "sentence"),
    [
        ("nonsense", "train", "NAME:PATH"),
        ("brca-m2c:/nowhere", "train", "data set's folder"),
        ("brca-m2c:/nowhere", "other", "no split"),
    ],
)
def test_a_wrong_data_set_says_what_is_wrong(spec, split, sentence):
    with pytest.raises(DataError, match=sentence):
        open_dataset(spec, split)


@pytest.mark.parametrize("row", ["1e400 2 1", f"{10**400} 2 1", "1 2 inf", "1 2 1e400", "1 2", "a b c"])
def test_a_list_of_nuclei_with_what_is_no_number_is_named(tmp_path, row):
    (tmp_path / "labels").mkdir()
    (tmp_path / "brca_ds_train.txt").write_text("a.png\n")
    (tmp_path / "labels" / "a_gt_class_coords.txt").write_text(f"{row}\n")
    with pytest.raises(DataError, match="brca-m2c"):
        open_dataset(f"brca-m2c:{tmp_path}", "train")


def test_a_list_of_images_with_a_row_too_short_is_named(tmp_path):
    (tmp_path / "images.csv").write_text("image,mpp,organ\na.png\n")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match="monuseg"):
        open_dataset(f"monuseg:{tmp_path}", "train")

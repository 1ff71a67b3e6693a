"""The door for families: one file and one line, and a network that names classes and gives outlines runs everywhere."""

from __future__ import annotations

import json
import pickle
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from tests.toy_family import HALF_SIDE, TOY, ToyConfig, ToyDetector, ToyRecipe, ToyTask

from nucloop.classes import ClassScheme
from nucloop.cli import main
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import InferenceConfig, PipelineSpec
from nucloop.errors import WeightsError
from nucloop.evaluation.dataset import evaluate
from nucloop.formats import read_document
from nucloop.models.families import FAMILIES
from nucloop.models.files.cards import load_detector
from nucloop.nuclei import Nuclei
from nucloop.slides import slide_from_array
from nucloop.training.datasets import Dataset, Field
from nucloop.training.loop import LoopConfig
from nucloop.training.product import Origins
from nucloop.training.task import task_of, train

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SCHEME = ClassScheme.from_dict(
    {"name": "toy", "classes": [{"name": "red", "color": "#d55e00"}, {"name": "blue", "color": "#0072b2"}]},
    source="the test",
)
CENTRES = np.array([(8 * y + 3.5, 8 * x + 3.5) for y in range(2, 30, 5) for x in range(2, 30, 5)])


def picture() -> NDArray[np.uint8]:
    """Dark squares on glass, each filling a cell: every other one red."""
    image = np.full((256, 256, 3), 235, np.uint8)
    for k, (y, x) in enumerate(CENTRES.astype(int)):
        image[y - 3 : y + 5, x - 3 : x + 5] = (150, 20, 20) if k % 2 == 0 else (20, 20, 150)
    return image


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights of a toy detector, and the one line in the table."""
    monkeypatch.setitem(FAMILIES, "toy", TOY)
    path = tmp_path / "toy.safetensors"
    ToyTask(ToyRecipe(name="toy"), SCHEME).save(ToyDetector(ToyConfig()), {"detector": path}, Origins())
    return path


def spec(toy: Path, **config: int) -> PipelineSpec:
    return PipelineSpec(str(toy), device="torch-cpu", config=InferenceConfig(**config))


def found_by(toy: Path, tile: int = 1024) -> Nuclei:
    pipeline = Pipeline.open(spec(toy, tile=tile))
    slide = slide_from_array(picture().repeat(2, 0).repeat(2, 1), mpp=0.25, name="squares")
    return Nuclei.concatenate([part.nuclei for part in pipeline.run(slide)], pipeline.scheme).numbered()


def test_a_card_of_the_family_gives_its_network_back(toy: Path) -> None:
    card = json.loads(toy.with_suffix(".json").read_text())
    assert (card["family"], card["architecture"], card["config"]["cell"]) == ("toy", "toy detector", 8)
    net, _ = load_detector(str(toy))
    rgb = torch.from_numpy(picture()).permute(2, 0, 1)[None].float()
    assert torch.equal(net(rgb), ToyDetector(ToyConfig())(rgb))


def test_a_family_that_nobody_knows_is_said_so(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FAMILIES, "toy")
    with pytest.raises(WeightsError, match="family 'toy', which this version of NucLoop does not know"):
        Pipeline.open(spec(toy))


def test_a_card_that_names_other_classes_than_its_network_has_is_refused(toy: Path) -> None:
    path = toy.with_suffix(".json")
    card = json.loads(path.read_text())
    card["classes"] = ClassScheme.named("brca-m2c").to_dict()
    path.write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="names 3 classes for a network of 2"):
        Pipeline.open(spec(toy))


@pytest.mark.parametrize("tile", [1024, 64])
def test_its_classes_and_outlines_come_out_in_level_0_pixels_whatever_the_tiling(toy: Path, tile: int) -> None:
    nuclei = found_by(toy, tile)
    # a working pixel is two level-0 pixels wide
    np.testing.assert_allclose(nuclei.yx, 2 * CENTRES + 0.5)
    assert nuclei.counts() == {"red": len(CENTRES) // 2, "blue": len(CENTRES) // 2}
    assert nuclei.outlines is not None
    for centre, outline in zip(nuclei.yx, nuclei.outlines, strict=True):
        np.testing.assert_allclose(np.ptp(outline, axis=0), 2 * 2 * HALF_SIDE)
        np.testing.assert_allclose(outline.mean(0), centre)


def test_a_specification_is_the_same_pipeline_in_another_process(toy: Path) -> None:
    again = pickle.loads(pickle.dumps(spec(toy)))
    assert again == spec(toy)
    assert hash(again) == hash(spec(toy))
    assert Pipeline.open(again).scheme == SCHEME


def test_in_front_of_a_head_only_its_places_and_outlines_count(toy: Path) -> None:
    pipeline = Pipeline.open(PipelineSpec(str(toy), "embedded", "brca-m2c", "torch-cpu"))
    slide = slide_from_array(picture(), mpp=0.5, name="squares")
    nuclei = Nuclei.concatenate([part.nuclei for part in pipeline.run(slide)], pipeline.scheme)
    assert pipeline.scheme == ClassScheme.named("brca-m2c")
    assert len(nuclei) == len(CENTRES)
    assert nuclei.outlines is not None
    assert nuclei.outlines.there.all()


def test_it_is_measured_like_any_other(toy: Path, tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "field.png")
    label = (np.arange(len(CENTRES)) % 2).astype(np.int16)
    field = Field(tmp_path / "field.png", CENTRES.astype(np.float32), label, 0.5, "A")
    pipeline = Pipeline.open(spec(toy))
    *_, result = evaluate(pipeline, Dataset("squares", SCHEME, (field,), "CC0", True), [field])
    assert result.detection.f1 == 1
    assert result.mean_f1 == 1
    assert result.report(pipeline)["weights"]["detector"]["name"] == "toy"


def test_the_command_detects_with_it_and_writes_its_outlines(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(picture()).save(tmp_path / "squares.png")
    options = ["--mpp", "0.5", "--detector", str(toy), "--device", "torch-cpu", "--format", "geojson"]
    monkeypatch.setattr(
        sys, "argv", ["nucloop", "detect", str(tmp_path / "squares.png"), "--out", str(tmp_path), *options]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    written = json.loads((tmp_path / "squares.geojson").read_text())["features"]
    assert {feature["geometry"]["type"] for feature in written} == {"Polygon"}
    assert {feature["properties"]["classification"]["name"] for feature in written} == {"red", "blue"}
    assert len(read_document(tmp_path / "squares.geojson").nuclei) == len(CENTRES)


def test_it_is_trained_by_the_one_loop_and_used_by_path(toy: Path, tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "field.png")
    field = Field(tmp_path / "field.png", CENTRES.astype(np.float32), np.zeros(len(CENTRES), np.int16), 0.5, "A")
    kind = task_of("toy")
    task = kind(ToyRecipe(name="toy", loop=LoopConfig(steps=3, batch=2), crop=64), SCHEME)
    *_, (progress, model) = train(task, [field])
    assert progress.step == 3
    card = task.save(model, {"detector": tmp_path / "mine.safetensors"}, Origins(data=[{"name": "squares"}]))
    assert card.training_data == [{"name": "squares"}]
    assert Pipeline.open(spec(tmp_path / "mine.safetensors")).scheme == SCHEME


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_names_a_training_task_that_is_there(family: str) -> None:
    assert task_of(family).products == ("detector",)


@pytest.mark.parametrize(("asked", "kept"), [(None, len(CENTRES)), (0.0, len(CENTRES)), (40.0, 1)])
def test_suppression_is_the_familys_unless_a_person_says_otherwise(
    toy: Path, monkeypatch: pytest.MonkeyPatch, asked: float | None, kept: int
) -> None:
    monkeypatch.setitem(FAMILIES, "toy", replace(TOY, suppressed=asked is not None))
    pipeline = Pipeline.open(PipelineSpec(str(toy), device="torch-cpu", config=InferenceConfig(suppression_um=asked)))
    slide = slide_from_array(picture(), mpp=0.5, name="squares")
    assert sum(len(part.nuclei) for part in pipeline.run(slide)) == kept

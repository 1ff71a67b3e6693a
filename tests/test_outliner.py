"""Outlines in the pipeline: any detector, a shape network beside or behind it, whatever the tiling."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.test_new_family import CENTRES, picture, spec, toy

from nucloop.detection import pipeline as pipelines
from nucloop.detection import spec as specification
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import InferenceConfig, PipelineSpec
from nucloop.errors import WeightsError
from nucloop.evaluation.dataset import evaluate
from nucloop.models.denuc import DenucConfig, DenucDetector
from nucloop.models.files.cards import Card, save_module
from nucloop.models.shape import PointShape, ShapeConfig
from nucloop.nuclei import Nuclei
from nucloop.slides import Slide, slide_from_array
from nucloop.training.datasets import open_dataset
from nucloop.training.product import measured_halo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["toy"]  # a fixture

MOBILE = {"backbone": "mobilenetv2_100", "strides": (4, 8), "options": {"pad_type": "same"}}
RAYS = 12


def random_shape(mpp: float = 0.5) -> PointShape:
    """A small network whose outlines are uneven and differ from nucleus to nucleus."""
    torch.manual_seed(3)
    net = PointShape(ShapeConfig(**MOBILE, channels=16, local=4, rays=RAYS, hidden=16, mpp=mpp)).eval()
    for layer in (net.guess[-1], *(correction.last for correction in net.corrections)):
        torch.nn.init.normal_(layer.weight, std=0.3)
    return net


def saved(path: Path, kind: str, net: torch.nn.Module) -> str:
    config = asdict(net.config)  # type: ignore[call-overload]
    halo = measured_halo(net, 8, tolerance=1e-4, core=64, widest=160)
    save_module(
        path, net, Card(kind=kind, name=path.stem, architecture="t", mpp=config.pop("mpp"), config=config, halo=halo)
    )
    return str(path)


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved(tmp_path_factory.mktemp("shape") / "shape.safetensors", "shape", random_shape())


def squares(scale: int = 1) -> Slide:
    return slide_from_array(picture().repeat(scale, 0).repeat(scale, 1), mpp=0.5 / scale, name="squares")


def found(pipeline: Pipeline, slide: Slide) -> Nuclei:
    return Nuclei.concatenate([part.nuclei for part in pipeline.run(slide)], pipeline.scheme).numbered()


@pytest.mark.parametrize("scale", [1, 2])
def test_every_nucleus_gets_an_outline_around_its_point(toy: Path, shape: str, scale: int) -> None:
    nuclei = found(Pipeline.open(replace(spec(toy), shape=shape)), squares(scale))
    assert len(nuclei) == len(CENTRES)
    assert nuclei.outlines is not None
    rings = nuclei.outlines.corners.reshape(-1, RAYS, 2)
    away = np.linalg.norm(rings - nuclei.yx[:, None], axis=2) * 0.5 / scale
    assert away.min() > 0.5
    assert away.max() < 16
    assert away.std() > 0.1
    # the first corner lies to the right of the point
    assert np.allclose(rings[:, 0, 0], nuclei.yx[:, 0], atol=0.02)
    assert (rings[:, 0, 1] > nuclei.yx[:, 1]).all()


def test_outlines_are_the_same_on_a_grid_twice_as_fine(toy: Path, shape: str) -> None:
    pipeline = Pipeline.open(replace(spec(toy), shape=shape))
    coarse, fine = found(pipeline, squares(1)), found(pipeline, squares(2))
    assert coarse.outlines is not None
    assert fine.outlines is not None
    assert np.allclose(fine.outlines.corners, coarse.outlines.scaled(2).corners, atol=0.05)


@pytest.mark.parametrize("mpp", [0.5, 0.4])
def test_outlines_are_the_same_whatever_the_tiling(toy: Path, tmp_path: Path, mpp: float) -> None:
    path = saved(tmp_path / "shape.safetensors", "shape", random_shape(mpp))
    whole, cut = (found(Pipeline.open(replace(spec(toy, tile=tile), shape=path)), squares(2)) for tile in (1024, 64))
    assert whole.outlines is not None
    assert cut.outlines is not None
    assert np.allclose(whole.yx, cut.yx)
    assert np.abs(whole.outlines.corners - cut.outlines.corners).max() < 0.05


def test_no_outline_reaches_beyond_the_slide(toy: Path, tmp_path: Path) -> None:
    net = random_shape()
    torch.nn.init.constant_(net.guess[-1].bias, 3.0)
    path = saved(tmp_path / "wide.safetensors", "shape", net)
    # an odd number of level-0 pixels: half a working pixel at the end
    slide = slide_from_array(picture().repeat(2, 0).repeat(2, 1)[:473, :481], mpp=0.25, name="squares")
    nuclei = found(Pipeline.open(replace(spec(toy), shape=path)), slide)
    assert nuclei.outlines is not None
    assert nuclei.outlines.corners.min(0).tolist() == [-0.5, -0.5]
    assert nuclei.outlines.corners.max(0).tolist() == [472.5, 480.5]


def test_without_outlines_nothing_of_a_shape_is_loaded_or_run(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "load_shape", lambda name: pytest.fail("a shape was loaded"))
    assert set(Pipeline.open(spec(toy)).weights) == {"detector"}


def test_a_detectors_own_outlines_stay_unless_a_shape_is_named(
    toy: Path, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(specification, "DEFAULT_SHAPE", shape)
    own = found(Pipeline.open(replace(spec(toy), outlines=True)), squares())
    named = found(Pipeline.open(replace(spec(toy), shape=shape)), squares())
    assert own.outlines is not None
    assert named.outlines is not None
    assert set(np.diff(own.outlines.ends)) == {4}
    assert set(np.diff(named.outlines.ends)) == {RAYS}


def test_a_file_that_holds_no_shape_is_refused(toy: Path) -> None:
    with pytest.raises(WeightsError, match="holds a detector, a shape is needed"):
        Pipeline.open(replace(spec(toy), shape=str(toy)))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A detector that finds something everywhere, and two shapes: on its backbone, and the same on another."""
    folder = tmp_path_factory.mktemp("two")
    torch.manual_seed(1)
    detector = DenucDetector(DenucConfig(**MOBILE, channels=16, mpp=0.5)).eval()
    last = detector.head[-1]
    assert isinstance(last, torch.nn.Conv2d)
    torch.nn.init.normal_(last.weight, std=300.0)
    torch.nn.init.zeros_(last.bias)
    shape = random_shape()
    shape.backbone.load_state_dict(detector.backbone.state_dict())
    files = {"detector": saved(folder / "detector.safetensors", "detector", detector)}
    files["same"] = saved(folder / "same.safetensors", "shape", shape)
    # different by so little that the outlines are the same
    with torch.no_grad():
        next(shape.backbone.parameters()).mul_(1 + 1e-6)
    files["other"] = saved(folder / "other.safetensors", "shape", shape)
    return files


@pytest.mark.parametrize("device", ["torch-cpu", "cpu"])
def test_a_shape_on_the_detectors_backbone_runs_beside_it_and_finds_the_same(
    two: dict[str, str], device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    noise = np.random.default_rng(0).integers(0, 255, (24, 30, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    slide = slide_from_array(noise, mpp=0.5, name="noise")
    tables, weights = {}, {}
    for name in ("same", "other"):
        config = InferenceConfig(threshold=0.5, tile=128)
        pipeline = Pipeline.open(PipelineSpec(two["detector"], device=device, config=config, shape=two[name]))
        tables[name], weights[name] = found(pipeline, slide), pipeline.weights
        # the one network of both, or each for itself
        assert set(pipeline._stages) == {"detector", "encoder", *(["shape"] if name == "other" else [])}
    same, other = tables["same"], tables["other"]
    assert len(same) == len(other) > 20
    assert np.abs(same.yx - other.yx).max() <= 1 / 32
    assert same.outlines is not None
    assert other.outlines is not None
    assert np.abs(same.outlines.corners - other.outlines.corners).max() < 0.1
    assert weights["same"]["detector"] == weights["other"]["detector"]
    assert weights["same"]["shape"]["name"] == "same"


def test_the_outlines_that_ship_run_beside_the_detector_that_ships() -> None:
    pipeline = Pipeline.open(PipelineSpec(outlines=True, device="torch-cpu"))
    assert pipeline._detector.shares
    assert set(pipeline.weights) == {"detector", "encoder", "head", "shape"}


@pytest.mark.real_data
@pytest.mark.slow
def test_outlines_on_slides_that_no_network_has_seen_are_as_good_as_promised(
    real_data: Callable[[str], Path],
) -> None:
    dataset = open_dataset(f"monuseg:{real_data('monuseg-train-subset')}", "train")
    pipeline = Pipeline.open(PipelineSpec(outlines=True))
    *_, result = evaluate(pipeline, dataset, dataset.fields)
    figures = result.outlines.report()
    assert figures["n_images"] == 13
    assert figures["aji"] >= 0.52

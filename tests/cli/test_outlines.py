"""Outlines on the command line: trained on masks, given to nuclei, and measured against masks."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from nucloop.detection import spec
from nucloop.formats import read_document
from nucloop.metrics.segmentation import score_segmentation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL = (
    "model: {backbone: shufflenet_v2_x0_5, strides: [8, 16], channels: 8, local: 4, rays: 12, hidden: 8, mpp: 0.5, "
    "detail: false}"
)


@pytest.fixture
def tnbc(tmp_path: Path) -> Path:
    """Two fields of dark discs in TNBC's layout, of two patients, with masks."""
    folder = tmp_path / "tnbc"
    for part in ("images", "labels", "masks"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    places = np.array([(y, x) for y in range(20, 250, 36) for x in range(20, 250, 36)])
    y, x = np.mgrid[:256, :256]
    names = ("tnbc_1001", "tnbc_1008")
    (folder / "images.csv").write_text("name\n" + "".join(f"{name}\n" for name in names))
    for name in names:
        mask = np.zeros((256, 256), np.uint16)
        for k, (cy, cx) in enumerate(places, 1):
            mask[np.hypot(y - cy, x - cx) < 12] = k
        image = np.where(mask[..., None] > 0, [95, 60, 140], [235, 190, 215]) + rng.normal(0, 5, (256, 256, 1))
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{name}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
        with (folder / "labels" / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("x", "y", "area_px"), *((cx, cy, 441) for cy, cx in places)])
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(f"name: tiny\n{MODEL}\ncrop: 96\nloop: {{steps: 4, batch: 2}}\n")
    return path


@pytest.fixture
def shape(nucloop: Callable[..., object], tnbc: Path, recipe: Path, tmp_path: Path) -> Path:
    """A network that was hardly trained: it gives every nucleus nearly the typical size."""
    out = tmp_path / "shape.safetensors"
    nucloop("train", "shape", "--data", f"tnbc:{tnbc}", "--recipe", recipe, "--out", out)
    return out


def test_a_shape_is_trained_on_masks_and_its_card_says_on_which(nucloop, tnbc, recipe, tmp_path):
    out = tmp_path / "mine.safetensors"
    run = nucloop(
        "train", "shape", "--data", f"tnbc:{tnbc}", "--leave-out", "patient-02", "--recipe", recipe, "--out", out
    )
    assert run.code == 0
    card = json.loads(out.with_suffix(".json").read_text())
    assert (card["kind"], card["config"]["rays"], card["recipe"]["name"]) == ("shape", 12, "tiny")
    (data,) = card["training_data"]
    assert (data["name"], data["images"], data["left_out"]) == ("tnbc", 1, ["patient-02"])
    assert "CC BY 4.0" in card["notice"]


def test_a_shape_begins_with_a_detector_or_goes_on_from_a_shape(nucloop, tnbc, recipe, weights, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    common = ["train", "shape", "--data", f"tnbc:{tnbc}", "--recipe", recipe]
    run = nucloop(*common, "--start-from", weights / "detector.safetensors", "--out", first)
    assert run.code == 0
    assert json.loads(first.with_suffix(".json").read_text())["recipe"]["start"]["name"] == "detector"
    run = nucloop(*common, "--start-from", first, "--out", second)
    assert run.code == 0
    assert json.loads(second.with_suffix(".json").read_text())["recipe"]["start"]["name"] == "first"
    run = nucloop(*common, "--start-from", weights / "encoder.safetensors", "--out", second)
    assert run.code == 1
    assert "holds a encoder, a shape is needed" in run.err


def test_data_without_masks_are_refused_before_anything_is_learned(nucloop, brca, recipe, tmp_path):
    run = nucloop(
        "train", "shape", "--data", f"brca-m2c:{brca}", "--recipe", recipe, "--out", tmp_path / "x.safetensors"
    )
    assert run.code == 1
    assert "says where a nucleus ends" in run.err
    assert not (tmp_path / "x.safetensors").exists()


def test_detected_nuclei_are_written_with_their_outlines(nucloop, models, slide, shape, tmp_path, monkeypatch):
    common = ["detect", slide, "--mpp", 0.5, "--format", "geojson", *models]
    assert nucloop(*common, "--out", tmp_path / "off").code == 0
    assert nucloop(*common, "--out", tmp_path / "on", "--shape", shape).code == 0
    monkeypatch.setattr(spec, "DEFAULT_SHAPE", str(shape))
    assert nucloop(*common, "--out", tmp_path / "default", "--outlines").code == 0
    off, on, default = (read_document(tmp_path / name / "slide.geojson").nuclei for name in ("off", "on", "default"))
    assert off.outlines is None
    assert len(on) == len(off) > 20
    assert on.outlines is not None
    assert set(np.diff(on.outlines.ends)) == {12}
    assert default.outlines is not None
    assert np.array_equal(default.outlines.corners, on.outlines.corners)


def test_outlines_are_measured_where_the_data_have_masks(nucloop, models, tnbc, brca, shape, tmp_path):
    report, both = tmp_path / "f.json", ["--shape", shape, *models, "--threshold", 0.3]
    run = nucloop("evaluate", "--data", f"tnbc:{tnbc}", "--split", "train", "--json", report, *both)
    assert run.code == 0
    outlines = json.loads(report.read_text())["outlines"]
    assert outlines["n_images"] == 2
    assert set(outlines["images"]) == {"tnbc_1001", "tnbc_1008"}
    for figure in ("dice", "aji", "dq", "sq", "pq"):
        assert outlines[figure] == pytest.approx(np.mean([one[figure] for one in outlines["images"].values()]))
    assert 0 < outlines["aji"] < 1
    assert outlines["mpq"] is None
    assert f"outlines of 2 images: AJI {outlines['aji']:.4f}, DICE {outlines['dice']:.4f}" in run.out

    run = nucloop("evaluate", "--data", f"brca-m2c:{brca}", "--json", report, *both)
    assert run.code == 0
    assert "outlines" not in json.loads(report.read_text())
    run = nucloop("evaluate", "--data", f"tnbc:{tnbc}", "--split", "train", "--json", report, *models)
    assert "outlines" not in json.loads(report.read_text())


def test_the_figures_are_those_of_the_outlines_that_are_written(nucloop, models, tnbc, shape, tmp_path):
    from skimage.measure import grid_points_in_poly

    report = tmp_path / "f.json"
    both = ["--shape", shape, *models]
    nucloop("evaluate", "--data", f"tnbc:{tnbc}", "--split", "train", "--json", report, *both)
    image = tnbc / "images" / "tnbc_1001.png"
    assert nucloop("detect", image, "--mpp", 0.25, "--format", "geojson", "--out", tmp_path, *both).code == 0
    nuclei = read_document(tmp_path / "tnbc_1001.geojson").nuclei
    drawn = np.zeros((256, 256), np.int64)
    assert nuclei.outlines is not None
    for row in np.argsort(nuclei.score, kind="stable"):
        drawn[grid_points_in_poly((256, 256), nuclei.outlines[row])] = row + 1
    truth = np.asarray(Image.open(tnbc / "masks" / "tnbc_1001.png")).astype(np.int64)
    written = json.loads(report.read_text())["outlines"]["images"]["tnbc_1001"]
    assert written == pytest.approx(score_segmentation(drawn, truth).to_dict(), abs=0.02)

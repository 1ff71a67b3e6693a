"""Slides and regions that cannot be used: what the person reads, and that nothing is left behind."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image


def _multichannel(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((5, 64, 64), np.uint8), photometric="minisblack", metadata={"axes": "CYX"})


def _truncated_tiff(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb")
    path.write_bytes(path.read_bytes()[:-8000])


def _truncated_png(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:3000])


def _dim_16_bit(path: Path) -> None:
    Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) % 300).save(path)


@pytest.mark.parametrize(
    ("name", "make", "sentence"),
    [
        ("missing.png", lambda path: None, "There is no file"),
        ("notes.txt", lambda path: path.write_text("no slide"), "NucLoop does not know files like notes.txt"),
        ("cut.png", _truncated_png, "Cannot read cut.png: the picture is truncated or damaged"),
        ("cut.tif", _truncated_tiff, "Cannot read cut.tif: tile 3 of level 0 (row 64, column 64) is truncated"),
        ("dim.png", _dim_16_bit, "dim.png holds uint16 pixels from 0 to 299"),
        ("five.tif", _multichannel, "five.tif has 5 channels. NucLoop reads brightfield slides in RGB"),
        ("empty.svs", lambda path: path.write_bytes(b""), "Cannot open empty.svs: it is no complete TIFF file"),
    ],
)
def test_a_slide_that_cannot_be_used_is_one_sentence(nucloop, models, tmp_path, name, make, sentence):
    make(tmp_path / name)

    run = nucloop("detect", tmp_path / name, "--mpp", 0.5, "--out", tmp_path / "results", *models)

    assert run.code == 1
    assert sentence in run.err
    assert run.err.strip().startswith("nucloop: ")
    assert run.err.strip().endswith(".")
    assert run.err.count("\n") <= 2
    assert os.listdir(tmp_path / "results") == []


def test_a_picture_without_resolution_is_asked_about_not_guessed(nucloop, models, slide, tmp_path):
    run = nucloop("detect", slide, "--out", tmp_path, *models)

    assert run.code == 1
    assert "slide.png does not say how many µm a pixel covers. Give it with --mpp" in run.err


@pytest.mark.parametrize(
    ("region", "sentence"),
    [
        ("5000,5000,100,100", "outside"),
        ("10,10,100", "--region '10,10,100' is not Y,X,HEIGHT,WIDTH"),
        ("0,0,0,50", "is not Y,X,HEIGHT,WIDTH"),
        ("a,b,c,d", "is not Y,X,HEIGHT,WIDTH"),
        ("nan,0,5,5", "is not Y,X,HEIGHT,WIDTH"),
    ],
)
def test_a_region_that_is_none_is_one_sentence(nucloop, models, slide, tmp_path, region, sentence):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, "--region", region, *models)

    assert run.code == 1
    assert sentence in run.err
    assert not (tmp_path / "slide.csv").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"type": "FeatureCollection", "features": []}', "drawn.geojson holds no drawn area. Draw one in QuPath"),
        ('{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[1', "drawn.geojson"),
        ("[" * 100_000, "drawn.geojson"),
    ],
)
def test_a_regions_file_that_holds_none_is_one_sentence(nucloop, models, slide, tmp_path, text, sentence):
    (tmp_path / "drawn.geojson").write_text(text)

    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, "--regions", tmp_path / "drawn.geojson", *models)

    assert run.code == 1
    assert sentence in run.err


@pytest.mark.parametrize(
    ("corners", "sentence"),
    [
        ([[5000, 5000], [6000, 5000], [6000, 6000]], "The region lies outside the slide"),
        ([[0, 0], [50, 50], [100, 100]], "1 areas enclose nothing and were left out"),
        ([[float("nan"), 0], [100, 0], [0, 100]], "drawn.geojson"),
        ([[1e308, 0], [100, 0], [0, 1e308]], "Feature 1 of drawn.geojson has a malformed outline"),
        ([["a", 0], [100, 0], [0, 100]], "Feature 1 of drawn.geojson has a malformed outline"),
        ([1, 2, 3], "Feature 1 of drawn.geojson has a malformed outline"),
    ],
)
def test_an_impossible_outline_is_one_sentence(nucloop, models, slide, tmp_path, corners, sentence):
    shape = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [corners]}, "properties": {}}
    (tmp_path / "drawn.geojson").write_text(json.dumps(shape))

    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, "--regions", tmp_path / "drawn.geojson", *models)

    assert run.code == 1
    assert sentence in run.err
    assert not (tmp_path / "slide.csv").exists()


@pytest.mark.parametrize(("mpp", "words"), [(20, "Did you mean 20x? Then its pixels are 0.5 µm"), (3.9, "Give 0.25")])
def test_a_magnification_given_as_mpp_is_asked_about_before_any_work(nucloop, models, slide, tmp_path, mpp, words):
    run = nucloop("detect", slide, "--mpp", mpp, "--out", tmp_path / "results", *models)

    assert run.code == 1
    assert words in run.err
    assert not list((tmp_path / "results").iterdir())

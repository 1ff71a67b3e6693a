import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from nucloop.classes import ClassScheme
from nucloop.formats import read_nuclei, read_slide_info
from nucloop.nuclei import Nuclei

SCHEME = ClassScheme.named("brca-m2c")
Command = Callable[..., Any]


def found_in(path: Path) -> Nuclei:
    return read_nuclei(path, SCHEME)


def test_a_picture_becomes_a_table_of_nuclei_that_reads_back(nucloop, models, slide, tmp_path):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path / "results", *models)

    assert run.code == 0
    nuclei = found_in(tmp_path / "results" / "slide.csv")
    counts = ", ".join(f"{count} {name}" for name, count in nuclei.counts().items())
    assert f"slide.csv: {len(nuclei)} nuclei ({counts})" in run.out
    assert len(nuclei) > 20
    assert len(set(nuclei.label.tolist())) > 1
    assert nuclei.ids.tolist() == list(range(1, len(nuclei) + 1))
    assert ((nuclei.yx >= -0.5) & (nuclei.yx < [159.5, 207.5])).all()
    info = read_slide_info(tmp_path / "results" / "slide.csv")
    assert (info.name, info.height, info.width, info.mpp) == ("slide.png", 160, 208, 0.5)


def test_geojson_and_csv_hold_the_same_nuclei(nucloop, models, slide, tmp_path):
    for name in ("csv", "geojson"):
        assert nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, "--format", name, *models).code == 0

    table, geojson = found_in(tmp_path / "slide.csv"), found_in(tmp_path / "slide.geojson")
    for column in ("ids", "yx", "label", "score", "probability"):
        np.testing.assert_allclose(getattr(table, column), getattr(geojson, column), rtol=0, atol=1e-3)


def test_the_default_cpu_engine_finds_what_torch_finds(nucloop, models, slide, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path / "torch", *models)
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path / "cpu", *models[:-1], "--device", "cpu")

    assert run.code == 0
    torch, cpu = found_in(tmp_path / "torch" / "slide.csv"), found_in(tmp_path / "cpu" / "slide.csv")
    assert len(torch) == len(cpu)
    assert np.abs(torch.yx - cpu.yx).max() <= 1 / 32


def test_a_region_leaves_the_rest_of_the_slide_out(nucloop, models, slide, tmp_path):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, "--region", "40,80,64,72", *models)

    assert run.code == 0
    y, x = found_in(tmp_path / "slide.csv").yx.T
    assert len(y) > 3
    assert y.min() >= 39.5
    assert y.max() < 103.5
    assert x.min() >= 79.5
    assert x.max() < 151.5


def test_regions_drawn_elsewhere_leave_the_rest_of_the_slide_out(nucloop, models, slide, tmp_path):
    triangle = [[0, 0], [150, 0], [0, 150], [0, 0]]
    shape = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [triangle]}}
    (tmp_path / "drawn.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [shape]}))

    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, "--regions", tmp_path / "drawn.geojson", *models)

    assert run.code == 0
    corner = found_in(tmp_path / "slide.csv").yx.sum(1)
    assert len(corner) > 3
    assert corner.max() <= 150


def test_an_empty_field_gives_an_empty_table(nucloop, models, tmp_path):
    Image.new("RGB", (200, 100), (240, 240, 240)).save(tmp_path / "glass.png")

    run = nucloop("detect", tmp_path / "glass.png", "--mpp", 0.5, "--out", tmp_path, *models)

    assert run.code == 0
    assert "glass.csv: 0 nuclei" in run.out
    assert len(found_in(tmp_path / "glass.csv")) == 0


def test_an_alpha_channel_does_not_change_what_is_found(nucloop, models, slide, tmp_path):
    rgba = np.dstack([np.asarray(Image.open(slide)), np.full((160, 208), 255, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "alpha.png")

    nucloop("detect", slide, tmp_path / "alpha.png", "--mpp", 0.5, "--out", tmp_path, *models)

    np.testing.assert_array_equal(found_in(tmp_path / "slide.csv").yx, found_in(tmp_path / "alpha.csv").yx)


def test_a_slide_that_fails_does_not_keep_the_others_from_being_written(nucloop, models, slide, tmp_path):
    broken, other = tmp_path / "broken.png", tmp_path / "other.png"
    broken.write_bytes(slide.read_bytes()[:400])
    shutil.copy(slide, other)

    run = nucloop("detect", slide, broken, other, "--mpp", 0.5, "--out", tmp_path / "results", *models)

    assert run.code == 1
    assert sorted(os.listdir(tmp_path / "results")) == ["other.csv", "slide.csv"]
    assert "broken.png: Cannot read broken.png: the picture is truncated or damaged" in run.err
    assert f"nucloop: 1 of 3 slides failed; the others are in {tmp_path / 'results'}." in run.err


def test_two_slides_of_one_name_never_overwrite_each_other(nucloop, models, slide, tmp_path):
    (tmp_path / "second").mkdir()
    second = shutil.copy(slide, tmp_path / "second" / "slide.png")

    run = nucloop("detect", slide, second, "--mpp", 0.5, "--out", tmp_path / "results", *models)

    assert run.code == 1
    assert f"{slide} and {second} would both be written to {tmp_path / 'results' / 'slide.csv'}" in run.err
    assert not (tmp_path / "results").exists()


def test_brackets_in_a_file_name_stay_in_the_message(nucloop, models, tmp_path):
    run = nucloop("detect", tmp_path / "case [bold]7[/].png", "--out", tmp_path, *models)

    assert "There is no file" in run.err
    assert "case [bold]7[/].png" in run.err


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


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    """A folder that may be read but not written to; root, who may write anywhere, becomes somebody else meanwhile."""
    if not hasattr(os, "geteuid"):
        pytest.skip("rights of folders are another matter here")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o700)
    shutil.rmtree(folder)


def test_a_read_only_folder_is_said_before_the_work_begins(nucloop, models, slide, read_only_folder):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", read_only_folder, *models)

    assert run.code == 1
    assert f"Cannot write to {read_only_folder}: Permission denied. Choose another folder." in run.err
    assert "\nnuclei" not in run.out


def test_a_file_in_place_of_the_folder_is_said(nucloop, models, slide, tmp_path):
    (tmp_path / "results").write_text("a file")

    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path / "results", *models)

    assert run.code == 1
    assert f"Cannot write to {tmp_path / 'results'}: File exists. Choose another folder." in run.err


def test_a_full_disk_leaves_what_was_there(nucloop, models, slide, tmp_path, monkeypatch):
    earlier = tmp_path / "results" / "slide.csv"
    earlier.parent.mkdir()
    earlier.write_text("earlier results")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path / "results", *models)

    assert run.code == 1
    assert f"Cannot write {earlier}: No space left on device." in run.err
    assert "make room" in run.err
    assert earlier.read_text() == "earlier results"
    assert os.listdir(earlier.parent) == ["slide.csv"]


def test_an_unknown_format_lists_the_known_ones(nucloop, models, slide, tmp_path):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, "--format", "xml", *models)

    assert run.code == 1
    assert "There is no format 'xml'. Choose one of: csv, geojson" in run.err


def test_an_unknown_device_lists_the_known_ones(nucloop, models, slide, tmp_path):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, *models, "--device", "abacus")

    assert run.code == 1
    assert "There is no device 'abacus'. Choose auto" in run.err


@pytest.mark.parametrize(("option", "value"), [("--mpp", "0"), ("--mpp", "nan"), ("--threshold", "2")])
def test_an_impossible_number_is_refused_with_its_option(nucloop, models, slide, tmp_path, option, value):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, *models, option, value)

    assert run.code in (1, 2)
    assert option in run.err or "not a size of a pixel" in run.err
    assert not (tmp_path / "slide.csv").exists()


class _RunsCode:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.ckpt", "model.safetensors"])
def test_a_pickled_checkpoint_is_refused_and_never_run(nucloop, weights, models, slide, tmp_path, name):
    checkpoint, marker = tmp_path / name, tmp_path / "it was run"
    checkpoint.write_bytes(pickle.dumps(_RunsCode(marker)))
    card = json.loads((weights / "detector.json").read_text())
    card["sha256"] = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    (tmp_path / "model.json").write_text(json.dumps(card))

    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, *models, "--detector", checkpoint)

    assert run.code == 1
    if name.endswith("safetensors"):
        assert f"{name} is not a safetensors file" in run.err
    else:
        assert f"{checkpoint} is neither a shipped model" in run.err
        assert "not loaded, because they can run code" in run.err
    assert not marker.exists()


def test_an_unknown_model_is_answered_with_what_there_is(nucloop, models, slide, tmp_path):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, *models, "--detector", "denuk")

    assert run.code == 1
    assert "denuk is neither a shipped model" in run.err


def test_a_card_of_another_file_is_said(nucloop, weights, models, slide, tmp_path):
    shutil.copy(weights / "detector.json", tmp_path / "mine.json")
    (tmp_path / "mine.safetensors").write_bytes((weights / "detector.safetensors").read_bytes() + b" ")

    run = nucloop(
        "detect", slide, "--mpp", 0.5, "--out", tmp_path, *models, "--detector", tmp_path / "mine.safetensors"
    )

    assert run.code == 1
    assert "mine.safetensors is not the file that its card mine.json describes. Copy both again." in run.err


def test_a_head_of_another_encoder_is_refused(nucloop, weights, models, slide, tmp_path):
    card = json.loads((weights / "head.json").read_text()) | {"encoder_sha256": "00" * 32, "name": "theirs"}
    (tmp_path / "theirs.json").write_text(json.dumps(card))
    shutil.copy(weights / "head.safetensors", tmp_path / "theirs.safetensors")

    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, *models, "--head", tmp_path / "theirs.safetensors")

    assert run.code == 1
    assert "The head theirs reads the features of another encoder than encoder. Choose that encoder too" in run.err


def test_the_module_is_the_command_and_ends_with_one_sentence(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "nucloop", "detect", "missing.png", "--out", "results", "--format", "xml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr == "nucloop: There is no format 'xml'. Choose one of: csv, geojson.\n"

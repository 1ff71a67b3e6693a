import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tests.slides.written import ome_xml, write_pages

from nucloop.classes import ClassScheme
from nucloop.formats import FORMATS, read_nuclei, read_slide_info
from nucloop.nuclei import Nuclei

SCHEME = ClassScheme.named("brca-m2c")


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
    assert run.stderr == f"nucloop: There is no format 'xml'. Choose one of: {', '.join(FORMATS)}.\n"


def test_of_several_images_the_command_says_which_it_took_and_takes_another_when_asked(nucloop, models, tmp_path):
    macro, tissue = np.full((90, 200, 3), 200, np.uint8), np.full((160, 208, 3), 220, np.uint8)
    slide = tmp_path / "a.ome.tif"
    described = ({"name": "macro", "shape": (90, 200)}, {"name": "tissue", "shape": (160, 208)})
    write_pages(slide, [macro, tissue], ome_xml(*described))

    first = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, *models)
    taken = read_slide_info(tmp_path / "a.ome.csv")
    second = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, "--image", "macro", *models)
    other = read_slide_info(tmp_path / "a.ome.csv")
    third = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, "--image", 2, *models)

    assert (first.code, second.code, third.code) == (0, 0, 1)
    assert "a.ome.tif holds 2 images: 0 'macro' (90 x 200), 1 'tissue' (160 x 208)" in first.err
    assert "images" not in second.err
    assert ((taken.height, taken.width), (other.height, other.width)) == ((160, 208), (90, 200))
    assert "a.ome.tif has no image '2'. It holds 0 'macro'" in third.err

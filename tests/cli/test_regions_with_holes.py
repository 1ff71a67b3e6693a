"""A region with a hole, as QuPath writes it: necrosis that was cut out is left out by every command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nucloop.export.manifest import Manifest
from nucloop.export.reading import read_labels
from nucloop.formats import read_document, write_nuclei
from nucloop.formats.slide_info import SlideInfo

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = Path(__file__).parents[1] / "cases"
NUCLEI, HOLE = CASES / "nuclei.csv", CASES / "region-hole.geojson"
# The same numbers are another place in each format. A table counts from the centre of the first pixel, and QuPath from
# its corner: of a table the nuclei at 50 lie half a pixel within the hole, those of QuPath's file on its border.
KEPT = {"table": 100 - 25, "QuPath": 100 - 16}


@pytest.fixture(params=KEPT)
def nuclei(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, int]:
    """Nuclei with one set of numbers in a file of either kind, and how many of them the region holds."""
    if request.param == "table":
        return NUCLEI, KEPT["table"]
    table = pd.read_csv(NUCLEI)
    drawn = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [x, y]},
            "properties": {"objectType": "detection", "classification": {"name": name}},
        }
        for y, x, name in table[["y", "x", "class"]].itertuples(index=False)
    ]
    (tmp_path / "nuclei.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": drawn}))
    return tmp_path / "nuclei.geojson", KEPT["QuPath"]


def test_the_ki67_index_leaves_out_what_lies_in_a_hole(
    nucloop: Callable, nuclei: tuple[Path, int], tmp_path: Path
) -> None:
    file, kept = nuclei

    run = nucloop("ki67", file, "--mpp", 0.5, "--regions", HOLE, "--json", tmp_path / "f.json")

    assert run.code == 0
    slide = json.loads((tmp_path / "f.json").read_text())["slide"]
    assert (slide["index"], slide["positive"], slide["total"]) == (0.0, 0, kept)


def test_scores_and_agreement_leave_out_what_lies_in_a_hole(
    nucloop: Callable, nuclei: tuple[Path, int], tmp_path: Path
) -> None:
    file, kept = nuclei

    told = ("--mpp", 0.5, "--regions", HOLE, "--json", tmp_path / "f.json")
    assert nucloop("score", file, file, *told).code == 0
    assert json.loads((tmp_path / "f.json").read_text())["detection"]["tp"] == kept

    assert nucloop("agree", file, file, *told).code == 0
    assert json.loads((tmp_path / "f.json").read_text())["first_by_second"]["detection"]["tp"] == kept


def test_what_is_ignored_ends_at_its_hole(nucloop: Callable, nuclei: tuple[Path, int], tmp_path: Path) -> None:
    file, kept = nuclei

    run = nucloop("score", file, file, "--mpp", 0.5, "--ignore", HOLE, "--json", tmp_path / "f.json")

    assert run.code == 0
    assert json.loads((tmp_path / "f.json").read_text())["detection"]["tp"] == 100 - kept


def test_a_converted_file_holds_what_lies_in_the_region_and_not_in_its_hole(
    nucloop: Callable, nuclei: tuple[Path, int], tmp_path: Path
) -> None:
    file, kept = nuclei

    run = nucloop("convert", file, tmp_path / "out.csv", "--regions", HOLE)

    assert run.code == 0
    assert len(read_document(tmp_path / "out.csv").nuclei) == kept


def test_nothing_is_detected_in_a_hole(nucloop: Callable, models: tuple, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (220, 220, 3), dtype=np.uint8)).save(tmp_path / "slide.png")
    told = ("detect", tmp_path / "slide.png", "--mpp", 0.5, "--out", tmp_path, *models)

    assert nucloop(*told, "--region", "0,0,200,200").code == 0
    whole = read_document(tmp_path / "slide.csv").nuclei.yx
    assert nucloop(*told, "--regions", HOLE).code == 0
    found = read_document(tmp_path / "slide.csv").nuclei.yx

    in_hole = ((whole > 49.5) & (whole < 149.5)).all(axis=1)
    assert 5 < in_hole.sum() < len(whole) - 5
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, whole[~in_hole].tolist()))


@pytest.mark.parametrize("size", [("--size", 64), ("--whole-regions",)])
def test_a_training_set_is_white_in_a_hole_and_marks_nothing_there(
    nucloop: Callable, tmp_path: Path, size: tuple
) -> None:
    Image.fromarray(np.full((210, 210, 3), 90, np.uint8)).save(tmp_path / "slide.png")
    table = read_document(NUCLEI).nuclei
    write_nuclei(tmp_path / "n.csv", table.numbered(), SlideInfo(name="slide.png", height=210, width=210, mpp=0.5))
    (tmp_path / "list.csv").write_text(f"slide,nuclei,regions,mpp\nslide.png,n.csv,{HOLE},0.5\n")

    run = nucloop(
        "export-dataset", tmp_path / "list.csv", "--out", tmp_path / "set", "--scheme", "ki67", "--folds", 1, *size
    )

    assert run.code == 0, run.err
    manifest, seen, white = Manifest.read(tmp_path / "set"), set(), 0
    for patch in manifest.patches:
        pixels = np.asarray(Image.open(tmp_path / "set" / patch.image))
        nuclei = read_labels(tmp_path / "set", manifest, patch)
        places = nuclei.yx.astype(int)
        assert (pixels[places[:, 0], places[:, 1]] == 90).all()
        seen |= set(nuclei.ids.tolist())
        white += int((pixels == 255).all(axis=2).sum())
    assert len(seen) == KEPT["table"]
    if size == ("--whole-regions",):
        assert white == 100 * 100

"""``nucloop measure``: from nuclei with outlines to a table of their figures, in three formats."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from nucloop.classes import ClassScheme
from nucloop.formats import Document, SlideInfo, read_document, write_document, write_nuclei
from nucloop.formats.geojson.writing import QUPATH_NAMES
from nucloop.geometry import Region
from nucloop.measurements.shapes import SHAPE_FIGURES, shape_figures
from nucloop.measurements.stains import STAIN_FIGURES
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines
from nucloop.slides.stains import H_E_DAB, od_to_rgb

SCHEME = ClassScheme.named("brca-m2c")
SQUARES = ((20, 30, 20), (80, 90, 30))


def nuclei() -> Nuclei:
    """Two squares, and one nucleus without an outline."""
    rings = [np.array([[0, 0], [0, s], [s, s], [s, 0]]) + np.array([y, x]) - 0.5 for y, x, s in SQUARES]
    yx = [*((y + s / 2, x + s / 2) for y, x, s in SQUARES), (5, 5)]
    return Nuclei.from_points(SCHEME, yx, label=[0, 1, 2], ids=[1, 2, 3], outlines=Outlines.of([*rings, None]))


@pytest.fixture
def slide(tmp_path):
    """A slide on which the second square is brown."""
    amount = np.zeros((160, 160, 3), np.float32)
    amount[..., 0] = 0.3
    y, x, s = SQUARES[1]
    amount[y : y + s, x : x + s, 2] = 0.8
    path = tmp_path / "slide.png"
    Image.fromarray(od_to_rgb(amount @ H_E_DAB)).save(path)
    return path


@pytest.fixture
def cells(tmp_path):
    path = tmp_path / "cells.geojson"
    write_nuclei(path, nuclei(), SlideInfo(name="slide.png", height=160, width=160, mpp=0.25))
    return path


def test_the_shapes_of_a_file_become_columns_of_a_table(nucloop, cells, tmp_path):
    run = nucloop("measure", cells, "--out", tmp_path / "t.csv")
    assert run.code == 0
    # 25 and 56.25 µm²
    assert "2 of 3 nuclei measured, 40.6 µm² on average" in run.out
    table = pd.read_csv(tmp_path / "t.csv")
    wanted = shape_figures(nuclei().outlines, 0.25)
    for name in SHAPE_FIGURES:
        np.testing.assert_allclose(table[name], wanted[name], atol=1e-4)
    assert table["class"].tolist() == ["lymphocyte", "tumour", "stromal"]
    again = read_document(tmp_path / "t.csv").nuclei
    assert again.outlines is not None
    assert again.outlines.there.tolist() == [True, True, False]


def test_with_the_slide_stains_are_measured_too(nucloop, cells, slide, tmp_path):
    run = nucloop("measure", cells, "--slide", slide, "--mpp", 0.25, "--out", tmp_path / "t.parquet")
    assert run.code == 0
    table = pq.read_table(tmp_path / "t.parquet").to_pandas()
    assert set(STAIN_FIGURES) | set(SHAPE_FIGURES) <= set(table)
    assert table["nucleus_dab_mean"][0] == pytest.approx(0, abs=0.02)
    assert table["nucleus_dab_mean"][1] == pytest.approx(0.8, abs=0.02)
    assert table["ring_dab_mean"][1] == pytest.approx(0, abs=0.02)
    assert np.isnan(table["nucleus_dab_mean"][2])
    assert np.isnan(table["area_um2"][2])


def test_qupath_finds_the_figures_under_its_own_names(nucloop, cells, slide, tmp_path):
    run = nucloop("measure", cells, "--slide", slide, "--mpp", 0.25, "--out", tmp_path / "t.geojson")
    assert run.code == 0
    features = json.loads((tmp_path / "t.geojson").read_text())["features"]
    square, _, without = (feature["properties"]["measurements"] for feature in features)
    assert square["Nucleus: Area µm^2"] == pytest.approx(25)
    assert square["Nucleus: Length µm"] == pytest.approx(20)
    assert square["Hematoxylin: Nucleus: Mean"] == pytest.approx(0.3, abs=0.02)
    assert not [name for name in without if "Nucleus" in name]
    assert len(read_document(tmp_path / "t.geojson").nuclei) == 3


def test_every_figure_has_a_name_in_qupath():
    assert set(QUPATH_NAMES) == {*SHAPE_FIGURES, *STAIN_FIGURES}
    assert len(set(QUPATH_NAMES.values())) == len(QUPATH_NAMES)


def test_what_cannot_be_measured_is_said_and_nothing_is_written(nucloop, cells, tmp_path):
    points = tmp_path / "points.csv"
    write_nuclei(points, Nuclei.from_points(SCHEME, [[1, 2]]))
    run = nucloop("measure", points, "--mpp", 0.5, "--out", tmp_path / "t.csv")
    assert run.code == 1
    assert "has an outline" in run.err
    write_nuclei(points, nuclei())
    run = nucloop("measure", points, "--out", tmp_path / "t.csv")
    assert run.code == 1
    assert "how many µm a pixel is" in run.err
    run = nucloop("measure", cells, "--out", tmp_path / "t.npz")
    assert run.code == 1
    assert "cannot carry measurements. Choose one of: .csv, .geojson, .parquet" in run.err
    assert not list(tmp_path.glob("t.*"))


def test_a_format_without_room_for_figures_says_that_it_loses_them(tmp_path):
    document = Document(nuclei=nuclei(), measurements={"area_um2": np.array([1.0, 2.0, np.nan])})
    assert "the measurements of 3 nuclei" in write_document(tmp_path / "t.npz", document)
    assert "the measurements of 3 nuclei" not in write_document(tmp_path / "t.csv", document)
    assert document.take(np.array([1])).measurements["area_um2"].tolist() == [2.0]
    with pytest.raises(ValueError, match="one figure for each"):
        Document(nuclei=nuclei(), measurements={"area_um2": np.zeros(2)})


def box(name: str, top: float, left: float, side: float, kind: str = "") -> Region:
    ring = np.array([[0, 0], [0, side], [side, side], [side, 0]])
    return Region(ring + np.array([top, left]), name=name, kind=kind)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_names_the_regions_in_which_each_nucleus_lies(nucloop, tmp_path, suffix):
    regions = (
        box("tumour", 0, 0, 60, "tumour"),
        box("=front, left", 10, 10, 60),
        box("fold", 0, 0, 20, "ignore"),
        box("", 150, 150, 5, "stroma"),
    )
    slide = SlideInfo(name="slide.png", height=160, width=160, mpp=0.25)
    write_document(tmp_path / "cells.geojson", Document(nuclei=nuclei(), slide=slide, regions=regions), "geojson")

    nucloop("measure", tmp_path / "cells.geojson", "--out", tmp_path / f"t.{suffix}")

    read = pd.read_csv if suffix == "csv" else pd.read_parquet
    names = read(tmp_path / f"t.{suffix}")["region"].fillna("").tolist()
    assert names == ["tumour; =front, left", "", ""], "nothing lies in the second, and the third in what is ignored"
    assert read_document(tmp_path / f"t.{suffix}").nuclei.ids.tolist() == [1, 2, 3]


def test_a_region_is_no_formula_and_a_table_without_regions_has_no_such_column(nucloop, cells, tmp_path):
    slide = SlideInfo(name="slide.png", height=160, width=160, mpp=0.25)
    document = Document(nuclei=nuclei(), slide=slide, regions=(box("=1+1", 0, 0, 160),))
    write_document(tmp_path / "cells2.geojson", document, "geojson")

    nucloop("measure", tmp_path / "cells2.geojson", "--out", tmp_path / "t.csv")
    assert set(pd.read_csv(tmp_path / "t.csv")["region"]) == {"'=1+1"}

    nucloop("measure", cells, "--out", tmp_path / "t.csv")
    assert "region" not in pd.read_csv(tmp_path / "t.csv")

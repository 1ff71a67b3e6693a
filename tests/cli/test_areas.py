"""A file of areas only: never a silent success of no nuclei, and read as nuclei where a person says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nucloop.formats import read_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OFFER = "--areas-are nuclei"


@pytest.fixture
def outlined(tmp_path: Path) -> Path:
    """Two nuclei that somebody outlined by hand in QuPath."""
    rings = [[[x, 16.5], [x + 8, 16.5], [x + 8, 24.5], [x, 24.5], [x, 16.5]] for x in (26.5, 56.5)]
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"objectType": "annotation", "classification": {"name": name}},
        }
        for ring, name in zip(rings, ("Positive", "Negative"), strict=True)
    ]
    (tmp_path / "drawn.geojson").write_text(json.dumps(features))
    return tmp_path / "drawn.geojson"


def test_areas_alone_are_not_converted_to_no_nuclei(nucloop: Callable, outlined: Path, tmp_path: Path) -> None:
    run = nucloop("convert", outlined, tmp_path / "out.csv")

    assert run.code != 0
    assert "2 drawn areas and no nuclei" in run.err
    assert OFFER in run.err
    assert not (tmp_path / "out.csv").exists()


def test_areas_are_converted_to_areas_with_a_word(nucloop: Callable, outlined: Path, tmp_path: Path) -> None:
    run = nucloop("convert", outlined, tmp_path / "out.dsa.json")

    assert run.code == 0
    assert OFFER in run.err
    assert len(read_document(tmp_path / "out.dsa.json").regions) == 2


@pytest.mark.parametrize("target", ["out.csv", "out.geojson", "out.dsa.json"])
def test_areas_become_nuclei_with_outlines_where_a_person_says_so(
    nucloop: Callable, outlined: Path, tmp_path: Path, target: str
) -> None:
    run = nucloop("convert", outlined, tmp_path / target, "--areas-are", "nuclei")

    assert (run.code, run.err) == (0, "")
    document = read_document(tmp_path / target)
    assert document.nuclei.yx.round(2).tolist() == [[20, 30], [20, 60]]
    assert document.class_counts == {"Positive": 1, "Negative": 1}
    assert document.nuclei.outlines is not None


@pytest.mark.parametrize("command", ["ki67", "score", "agree"])
def test_other_commands_ask_as_well_and_take_the_answer(nucloop: Callable, outlined: Path, command: str) -> None:
    files = [outlined] if command == "ki67" else [outlined, outlined]

    asked = nucloop(command, *files, "--mpp", 0.5)
    answered = nucloop(command, *files, "--mpp", 0.5, "--areas-are", "nuclei")

    assert asked.code != 0
    assert OFFER in asked.err
    assert answered.code == 0
    assert {"ki67": "50.0%", "score": "1.0000", "agree": "F1 1.0000"}[command] in answered.out


def test_a_file_without_any_nuclei_is_said(nucloop: Callable, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("y,x\n")

    run = nucloop("convert", tmp_path / "empty.csv", tmp_path / "out.geojson")

    assert run.code == 0
    assert "holds no nuclei" in run.err


def test_a_table_in_micrometres_gets_its_pixels_from_the_command(nucloop: Callable, tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("Centroid X µm\tCentroid Y µm\n15.25\t10.25\n", encoding="utf-16")

    assert "how large a pixel is" in nucloop("convert", tmp_path / "m.tsv", tmp_path / "out.csv").err
    assert nucloop("convert", tmp_path / "m.tsv", tmp_path / "out.csv", "--mpp", 0.5).code == 0

    assert read_document(tmp_path / "out.csv").nuclei.yx.tolist() == [[20, 30]]


def test_points_of_napari_are_read_by_the_commands(nucloop: Callable, tmp_path: Path) -> None:
    (tmp_path / "Points.csv").write_text("index,axis-0,axis-1\n0.0,20.0,30.0\n1.0,40.0,50.0\n")

    run = nucloop("convert", tmp_path / "Points.csv", tmp_path / "out.geojson")

    assert run.code == 0
    assert read_document(tmp_path / "out.geojson").nuclei.yx.tolist() == [[20, 30], [40, 50]]


def test_areas_that_enclose_nothing_are_said_where_regions_are_read(nucloop: Callable, tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("y,x,class\n5,5,positive\n50,50,negative\n")
    rings = [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]], [[1, 1], [2, 2], [1, 1]]]
    areas = [{"type": "Polygon", "coordinates": [ring]} for ring in rings]
    (tmp_path / "r.geojson").write_text(json.dumps({"type": "GeometryCollection", "geometries": areas}))

    run = nucloop("ki67", tmp_path / "n.csv", "--mpp", 0.5, "--regions", tmp_path / "r.geojson")

    assert run.code == 0
    assert "1 areas enclose nothing" in run.err
    assert "100.0%" in run.out
